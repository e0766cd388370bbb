
/*
 * Connections that have an owner: opened for it, kept as all others are, closed
 * when it says so, at whatever point that is.
 */


#include "ngx_recs_redis_conn.h"


static ngx_recs_redis_server_t *ngx_recs_redis_private_where(
    ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_private_ready(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_private_message(ngx_recs_redis_conn_t *conn,
    ngx_str_t *payload);
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

    conn->tie.owner = p;

    ngx_recs_redis_conn_init(conn, ngx_recs_redis_private_where(conn),
                             &p->channel, cycle->log);

    conn->tie.next = p->redis->privates;
    conn->tie.ready = ngx_recs_redis_private_ready;
    conn->tie.message = ngx_recs_redis_private_message;
    conn->tie.free = ngx_recs_redis_private_free;
    conn->tie.where = ngx_recs_redis_private_where;
    conn->tie.brief = 1;

    p->redis->privates = conn;
    p->conn = conn;

    ngx_recs_redis_conn_open(conn);

    return NGX_OK;
}


static ngx_recs_redis_server_t *
ngx_recs_redis_private_where(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_private_t  *p;

    p = conn->tie.owner;

    if (p->server) {
        return p->server;
    }

    return p->redis->server_of(p->redis, p->key.len ? &p->key : NULL);
}


static void
ngx_recs_redis_private_ready(ngx_recs_redis_conn_t *conn)
{
    conn->tie.owner->ready(conn->tie.owner);
}


static void
ngx_recs_redis_private_message(ngx_recs_redis_conn_t *conn,
    ngx_str_t *payload)
{
    conn->tie.owner->message(conn->tie.owner, payload);
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

    if (conn->tie.held) {

        /* whoever holds it has to come back to it first */

        ngx_recs_redis_pipeline_free(&conn->pipeline);
        conn->reader.stop = 1;
        conn->tie.dropped = 1;
        return;
    }

    ngx_recs_redis_private_free(conn);
}


static void
ngx_recs_redis_private_free(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_conn_t  **p;

    p = &conn->tie.owner->redis->privates;

    for ( /* void */ ; *p != conn; p = &(*p)->tie.next) {
        /* void */
    }

    *p = conn->tie.next;

    ngx_recs_redis_conn_destroy(conn);
    ngx_free(conn);
}
