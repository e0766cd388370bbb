
/*
 * When a server is no longer asked.  It is closed (asked) until questions fail
 * in a row, or half of those of a window do; then open (not asked by any
 * worker) until a PING is answered as soon as its askers would have had it.
 * What all workers know of it is in shared memory, in words that are changed
 * without a lock: a count may be lost, a state may not.  While all is well,
 * nothing is written there.
 */


#ifndef NGX_RECS_REDIS_BREAKER_H
#define NGX_RECS_REDIS_BREAKER_H


#include "ngx_recs_redis.h"


/* What one worker has of a server's. */

struct ngx_recs_redis_breaker_s {
    ngx_recs_redis_breaker_shared_t  *shared;   /* NULL: always closed */
    ngx_recs_redis_server_t          *server;
    ngx_log_t                        *log;

    /* Runs while it is open.  Whoever owns the connections sets its handler. */
    ngx_event_t                       timer;

    ngx_recs_redis_query_t            probe;    /* a PING */
    ngx_msec_t                        probed;   /* when it was sent */
};


#define ngx_recs_redis_breaker_open(b)                                        \
    ((b)->shared && (b)->shared->open)

/* Are good answers worth telling? */

#define ngx_recs_redis_breaker_counts(b)  ((b)->shared->window)

/*
 * A question that was sent at since failed: nobody waited for its reply any
 * more after patience ms, or (0) its connection was lost, or not made.
 */

void ngx_recs_redis_breaker_failed(ngx_recs_redis_breaker_t *b,
    ngx_msec_t since, ngx_msec_t patience);

/*
 * One was answered whose asker had that deadline.  0: he would have waited; it
 * tells of connections only, and counts if nothing was late lately.
 */

void ngx_recs_redis_breaker_answered(ngx_recs_redis_breaker_t *b,
    ngx_msec_t deadline);

/*
 * A PING was answered after elapsed ms: the probe, or the last word of a
 * handshake, which counts as one.
 */

void ngx_recs_redis_breaker_probed(ngx_recs_redis_breaker_t *b,
    ngx_msec_t elapsed);
void ngx_recs_redis_breaker_greeted(ngx_recs_redis_breaker_t *b,
    ngx_msec_t elapsed);

/* A question was not sent, as it is open. */

void ngx_recs_redis_breaker_declined(ngx_recs_redis_breaker_t *b);

/* May this worker send the probe?  Each time one of all workers may. */

ngx_uint_t ngx_recs_redis_breaker_due(ngx_recs_redis_breaker_t *b);

/* Starts the timer, unless it runs or the breaker is closed. */

void ngx_recs_redis_breaker_wait(ngx_recs_redis_breaker_t *b);


#endif /* NGX_RECS_REDIS_BREAKER_H */
