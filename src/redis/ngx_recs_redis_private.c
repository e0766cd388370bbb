
/*
 * Connections that have an owner: opened for it, kept as all others are, closed
 * when it says so, at whatever point that is.
 */


#include "ngx_recs_redis_conn.h"


static void ngx_recs_redis_private_free(ngx_recs_redis_conn_t *conn);


ngx_int_t
ngx_recs_redis_open_private(ngx_recs_redis_private_t *p, ngx_cycle_t *cycle)
{
    ngx_recs_redis_conn_t    *conn;
    ngx_recs_redis_server_t  *server;

    if (p->conn
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    server = p->redis->servers;

    conn = ngx_calloc(sizeof(ngx_recs_redis_conn_t), cycle->log);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    ngx_recs_redis_conn_init(conn, server, &p->channel, cycle->log);

    conn->tie.owner = p;
    conn->tie.next = p->redis->privates;
    conn->tie.ready = p->ready;
    conn->tie.message = p->message;
    conn->tie.free = ngx_recs_redis_private_free;
    conn->tie.brief = (p != &server->background);

    p->redis->privates = conn;
    p->conn = conn;

    ngx_recs_redis_conn_open(conn);

    return NGX_OK;
}


ngx_int_t
ngx_recs_redis_open_background(ngx_recs_redis_t *redis,
    void (*ready)(ngx_recs_redis_private_t *p), void *data, ngx_cycle_t *cycle)
{
    ngx_recs_redis_private_t  *background;

    background = &redis->servers->background;

    background->redis = redis;
    background->ready = ready;
    background->data = data;

    return ngx_recs_redis_open_private(background, cycle);
}


ngx_recs_redis_conn_t *
ngx_recs_redis_background(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    ngx_recs_redis_conn_t  *conn;

    conn = redis->servers->background.conn;

    return conn && conn->state == NGX_RECS_REDIS_READY ? conn : NULL;
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

    for (p = &conn->server->redis->privates; *p != conn; p = &(*p)->tie.next) {
        /* void */
    }

    *p = conn->tie.next;

    ngx_recs_redis_conn_destroy(conn);
    ngx_free(conn);
}
