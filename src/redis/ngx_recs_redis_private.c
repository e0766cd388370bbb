
/*
 * Connections that have an owner: opened for it, kept as all others are, closed
 * when it says so, at whatever point that is.
 */


#include "ngx_recs_redis_conn.h"


static void ngx_recs_redis_private_free(ngx_recs_redis_conn_t *conn);


ngx_int_t
ngx_recs_redis_open_private(ngx_recs_redis_private_t *p, ngx_cycle_t *cycle)
{
    ngx_recs_redis_conn_t  *conn;

    if (p->conn
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    conn = ngx_calloc(sizeof(ngx_recs_redis_conn_t), cycle->log);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    ngx_recs_redis_conn_init(conn, p->redis, cycle->log);

    conn->owner = p;
    conn->next = p->redis->privates;

    p->redis->privates = conn;
    p->conn = conn;

    ngx_recs_redis_conn_open(conn);

    return NGX_OK;
}


void
ngx_recs_redis_close_private(ngx_recs_redis_private_t *p)
{
    ngx_recs_redis_conn_t  *conn;

    conn = p->conn;

    if (conn == NULL) {
        return;
    }

    p->conn = NULL;

    if (conn->held) {

        /* whoever holds it has to come back to it first */

        ngx_recs_redis_pipeline_free(conn);
        conn->dropped = 1;
        return;
    }

    ngx_recs_redis_private_free(conn);
}


ngx_int_t
ngx_recs_redis_release(ngx_recs_redis_conn_t *conn)
{
    conn->held = 0;

    if (!conn->dropped) {
        return NGX_OK;
    }

    ngx_recs_redis_private_free(conn);

    return NGX_ERROR;
}


static void
ngx_recs_redis_private_free(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_conn_t  **p;

    for (p = &conn->redis->privates; *p != conn; p = &(*p)->next) {
        /* void */
    }

    *p = conn->next;

    ngx_recs_redis_conn_destroy(conn);
    ngx_free(conn);
}
