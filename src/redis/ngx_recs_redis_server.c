
/* The connections of one worker to one server: see the header. */


#include "ngx_recs_redis_conn.h"


static ngx_uint_t ngx_recs_redis_server_better(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_conn_t *best);


ngx_int_t
ngx_recs_redis_server_open(ngx_recs_redis_server_t *server, ngx_log_t *log)
{
    ngx_uint_t              i;
    ngx_recs_redis_conn_t  *conn;

    static const ngx_str_t  no_channel = ngx_null_string;

    server->conns = ngx_calloc(server->redis->nconns
                               * sizeof(ngx_recs_redis_conn_t), log);
    if (server->conns == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < server->redis->nconns; i++) {
        conn = &server->conns[i];

        ngx_recs_redis_conn_init(conn, server, &no_channel, log);
        ngx_recs_redis_conn_open(conn);
    }

    return NGX_OK;
}


void
ngx_recs_redis_server_close(ngx_recs_redis_server_t *server)
{
    ngx_uint_t  i;

    for (i = 0; i < server->redis->nconns; i++) {
        ngx_recs_redis_conn_destroy(&server->conns[i]);
    }

    ngx_free(server->conns);
}


ngx_recs_redis_conn_t *
ngx_recs_redis_server_pick(ngx_recs_redis_server_t *server)
{
    ngx_uint_t              i, n;
    ngx_recs_redis_conn_t  *conn, *best;

    best = NULL;
    n = server->redis->nconns;

    for (i = 0; i < n; i++) {
        conn = &server->conns[(server->next + i) % n];

        if (conn->state == NGX_RECS_REDIS_CLOSED
            || ngx_recs_redis_pipeline_full(&conn->pipeline))
        {
            continue;
        }

        if (best == NULL || ngx_recs_redis_server_better(conn, best)) {
            best = conn;
        }
    }

    if (best) {
        server->next = best - server->conns + 1;
    }

    return best;
}


static ngx_uint_t
ngx_recs_redis_server_better(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_conn_t *best)
{
    ngx_uint_t  ready, best_ready;

    ready = (conn->state == NGX_RECS_REDIS_READY);
    best_ready = (best->state == NGX_RECS_REDIS_READY);

    if (ready != best_ready) {
        return ready;
    }

    return conn->pipeline.waiting < best->pipeline.waiting;
}


ngx_uint_t
ngx_recs_redis_server_ready(const ngx_recs_redis_server_t *server)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < server->redis->nconns; i++) {
        n += (server->conns[i].state == NGX_RECS_REDIS_READY);
    }

    return n;
}
