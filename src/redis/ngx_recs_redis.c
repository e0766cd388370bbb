
/*
 * The connections of one worker to one Redis: opened at its start, picked and
 * sent on for each response, closed at its end.
 */


#include "ngx_recs_redis_conn.h"


static ngx_uint_t ngx_recs_redis_better(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_conn_t *best);


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
    ngx_uint_t              i;
    ngx_recs_redis_conn_t  *conn;

    static const ngx_str_t  no_channel = ngx_null_string;

    /* cache manager and loader run init_process, too, but no exit_process */

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    redis->conns = ngx_pcalloc(cycle->pool,
                               redis->nconns * sizeof(ngx_recs_redis_conn_t));
    if (redis->conns == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < redis->nconns; i++) {
        conn = &redis->conns[i];

        ngx_recs_redis_conn_init(conn, redis, &no_channel, cycle->log);
        ngx_recs_redis_conn_open(conn);
    }

    return NGX_OK;
}


void
ngx_recs_redis_exit_worker(ngx_recs_redis_t *redis)
{
    ngx_uint_t  i;

    while (redis->privates) {
        ngx_recs_redis_close_private(redis->privates->tie.owner);
    }

    if (redis->conns == NULL) {
        return;
    }

    for (i = 0; i < redis->nconns; i++) {
        ngx_recs_redis_conn_destroy(&redis->conns[i]);
    }

    redis->conns = NULL;
}


ngx_recs_redis_conn_t *
ngx_recs_redis_pick(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    ngx_uint_t              i;
    ngx_recs_redis_conn_t  *conn, *best;

    if (redis->conns == NULL) {
        return NULL;
    }

    best = NULL;

    for (i = 0; i < redis->nconns; i++) {
        conn = &redis->conns[(redis->next + i) % redis->nconns];

        if (conn->state == NGX_RECS_REDIS_CLOSED
            || ngx_recs_redis_pipeline_full(&conn->pipeline))
        {
            continue;
        }

        if (best == NULL || ngx_recs_redis_better(conn, best)) {
            best = conn;
        }
    }

    if (best) {
        redis->next = best - redis->conns + 1;
    }

    return best;
}


ngx_uint_t
ngx_recs_redis_serves(const ngx_recs_redis_conn_t *conn,
    const ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    return conn->redis == redis;
}


static ngx_uint_t
ngx_recs_redis_better(ngx_recs_redis_conn_t *conn, ngx_recs_redis_conn_t *best)
{
    ngx_uint_t  ready, best_ready;

    ready = (conn->state == NGX_RECS_REDIS_READY);
    best_ready = (best->state == NGX_RECS_REDIS_READY);

    if (ready != best_ready) {
        return ready;
    }

    return conn->pipeline.waiting < best->pipeline.waiting;
}


ngx_int_t
ngx_recs_redis_send(ngx_recs_redis_conn_t *conn, ngx_recs_redis_query_t *q,
    ngx_uint_t nargs, const ngx_str_t *args)
{
    ngx_int_t  rc;

    if (conn->state == NGX_RECS_REDIS_CLOSED) {
        rc = NGX_DECLINED;

    } else {
        rc = ngx_recs_redis_pipeline_append(&conn->pipeline,
                                            NGX_RECS_REDIS_COMMAND, q, nargs,
                                            args);
    }

    if (rc == NGX_DECLINED) {
        ngx_recs_redis_count(conn->redis->counters, refused);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_recs_redis_count(conn->redis->counters, commands);

    if (conn->state == NGX_RECS_REDIS_READY) {

        if (!conn->timer.timer_set) {
            ngx_add_timer(&conn->timer, conn->redis->timeout + q->block);
        }

        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_recs_redis_ready(ngx_recs_redis_t *redis)
{
    ngx_uint_t  i, n;

    if (redis->conns == NULL) {
        return 0;
    }

    n = 0;

    for (i = 0; i < redis->nconns; i++) {
        n += (redis->conns[i].state == NGX_RECS_REDIS_READY);
    }

    return n;
}
