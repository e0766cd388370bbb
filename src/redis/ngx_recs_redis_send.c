
/* Sending on a connection that was picked. */


#include "ngx_recs_redis_conn.h"


ngx_int_t
ngx_recs_redis_send(ngx_recs_redis_conn_t *conn, ngx_recs_redis_query_t *q,
    ngx_uint_t nargs, const ngx_str_t *args)
{
    ngx_int_t          rc;
    ngx_recs_redis_t  *redis;

    redis = conn->server->redis;

    if (conn->state == NGX_RECS_REDIS_CLOSED) {
        rc = NGX_DECLINED;

    } else {
        rc = ngx_recs_redis_pipeline_append(&conn->pipeline,
                                            NGX_RECS_REDIS_COMMAND, q, nargs,
                                            args);
    }

    if (rc == NGX_DECLINED) {
        ngx_recs_redis_count(redis->counters, refused);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_recs_redis_count(redis->counters, commands);

    q->redirects = 0;
    ngx_recs_redis_conn_appended(conn, q->block);

    return NGX_OK;
}


void
ngx_recs_redis_conn_appended(ngx_recs_redis_conn_t *conn, ngx_msec_t block)
{
    if (conn->state != NGX_RECS_REDIS_READY) {
        return;
    }

    if (!conn->timer.timer_set) {
        ngx_add_timer(&conn->timer, conn->server->redis->timeout + block);
    }

    ngx_post_event(&conn->flush, &ngx_posted_events);
}
