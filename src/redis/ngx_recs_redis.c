
/*
 * The connections of one worker to one Redis: opened at its start, picked for
 * each response, closed at its end; and what the error log says about them.
 */


#include "ngx_recs_redis_conn.h"


/* a loss so soon after a recovery is logged if it lasts longer, ms */
#define NGX_RECS_REDIS_SETTLED  1000


static ngx_uint_t ngx_recs_redis_better(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_conn_t *best);


ngx_int_t
ngx_recs_redis_init_worker(ngx_recs_redis_t *redis, ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

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
        ngx_recs_redis_conn_init(&redis->conns[i], redis, cycle->log);
        ngx_recs_redis_conn_open(&redis->conns[i]);
    }

    return NGX_OK;
}


void
ngx_recs_redis_exit_worker(ngx_recs_redis_t *redis)
{
    ngx_uint_t  i;

    while (redis->privates) {
        ngx_recs_redis_close_private(redis->privates->owner);
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
            || ngx_recs_redis_full(conn))
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

    return conn->waiting < best->waiting;
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


/*
 * The reasons that were logged are kept until Redis answers again, so that
 * neither several connections nor several addresses that fail differently in
 * turn repeat themselves.
 */

void
ngx_recs_redis_log_loss(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_t        *redis;
    ngx_recs_redis_fault_t  *fault;

    redis = conn->redis;
    fault = &conn->fault;

    if (fault->reason == NGX_RECS_REDIS_NO_CHANNEL) {

        /* Redis may serve all others */

        if (conn->refused) {
            return;
        }

        conn->refused = 1;
        goto log;
    }

    if (redis->down & fault->reason) {
        return;
    }

    if (redis->down == 0
        && redis->recovered
        && ngx_current_msec - redis->recovered < NGX_RECS_REDIS_SETTLED)
    {
        return;
    }

    redis->down |= fault->reason;

log:

    ngx_log_error(NGX_LOG_ERR, conn->log, fault->err,
                  "recs_redis \"%V\" %V: %V",
                  &redis->name, &redis->server, &fault->text);
}


void
ngx_recs_redis_log_recovery(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_t  *redis;

    redis = conn->redis;

    if (conn->refused) {
        conn->refused = 0;

        ngx_log_error(NGX_LOG_NOTICE, conn->log, 0,
                      "recs_redis \"%V\" %V: channel \"%V\" is allowed now",
                      &redis->name, &redis->server, &conn->owner->channel);
    }

    if (redis->down == 0) {
        return;
    }

    redis->down = 0;
    redis->recovered = ngx_current_msec;

    ngx_log_error(NGX_LOG_NOTICE, conn->log, 0,
                  "recs_redis \"%V\" %V: Redis answers again",
                  &redis->name, &redis->server);
}
