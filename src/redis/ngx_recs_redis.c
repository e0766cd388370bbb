
/*
 * The servers of one Redis, in one worker: opened at its start, picked and sent
 * to for each response, closed at its end.
 */


#include "ngx_recs_redis_conn.h"


const ngx_recs_counter_t  ngx_recs_redis_counters[] = {
    ngx_recs_counter("commands", ngx_recs_redis_counters_t, commands,
                     "Commands that were taken into a pipeline."),
    ngx_recs_counter("errors", ngx_recs_redis_counters_t, errors,
                     "Commands that were answered with an error, or with more "
                     "than is taken."),
    ngx_recs_counter("connects", ngx_recs_redis_counters_t, connects,
                     "Connections that were made ready."),
    ngx_recs_counter("losses", ngx_recs_redis_counters_t, losses,
                     "Connections that were lost, or could not be made."),
    ngx_recs_counter("refused", ngx_recs_redis_counters_t, refused,
                     "Commands for which no connection was ready or had room."),
    ngx_recs_counter("discarded", ngx_recs_redis_counters_t, discarded,
                     "Replies that came too late."),
    ngx_recs_counter_end
};


ngx_int_t
ngx_recs_redis_init_worker(ngx_recs_redis_t *redis, ngx_cycle_t *cycle)
{
    ngx_recs_redis_server_t  *server;

    /* cache manager and loader run init_process, too, but no exit_process */

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    server = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_redis_server_t));
    if (server == NULL) {
        return NGX_ERROR;
    }

    server->redis = redis;
    server->name = redis->server;
    server->addrs = redis->addrs;
    server->naddrs = redis->naddrs;

    redis->servers = server;

    return ngx_recs_redis_server_open(server, cycle->log);
}


void
ngx_recs_redis_exit_worker(ngx_recs_redis_t *redis)
{
    while (redis->privates) {
        ngx_recs_redis_close_private(redis->privates->tie.owner);
    }

    if (redis->servers) {
        ngx_recs_redis_server_close(redis->servers);
        redis->servers = NULL;
    }
}


ngx_recs_redis_conn_t *
ngx_recs_redis_pick(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    return redis->servers ? ngx_recs_redis_server_pick(redis->servers) : NULL;
}


ngx_uint_t
ngx_recs_redis_serves(const ngx_recs_redis_conn_t *conn,
    const ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    return conn->server->redis == redis;
}


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

    if (conn->state == NGX_RECS_REDIS_READY) {

        if (!conn->timer.timer_set) {
            ngx_add_timer(&conn->timer, redis->timeout + q->block);
        }

        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    return NGX_OK;
}


void
ngx_recs_redis_open_background(ngx_recs_redis_t *redis,
    void (*ready)(void *data), void *data)
{
    redis->background.ready = ready;
    redis->background.data = data;

    ngx_recs_redis_server_open_background(redis->servers);
}


ngx_recs_redis_conn_t *
ngx_recs_redis_background(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    return ngx_recs_redis_server_background(redis->servers);
}


ngx_uint_t
ngx_recs_redis_ready(ngx_recs_redis_t *redis)
{
    return redis->servers ? ngx_recs_redis_server_ready(redis->servers) : 0;
}
