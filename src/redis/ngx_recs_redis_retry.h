
/*
 * Which of a Redis' addresses a connection is made to next, and when: at once
 * where that helps, else with backoff and jitter, so that the connections of
 * all workers don't come back in step.
 *
 * pace is a server's, shared by all workers, 0 at first: the time, ms as
 * ngx_current_msec, from which on one of them may try it again; 0: all may, as
 * the last one to try it was well.  NULL: nobody else tries it.
 */


#ifndef NGX_RECS_REDIS_RETRY_H
#define NGX_RECS_REDIS_RETRY_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_uint_t                addr;         /* index of the one in use */
    ngx_uint_t                tried;        /* how many failed in a row */
    ngx_uint_t                backoffs;     /* in a row */
} ngx_recs_redis_retry_t;


/*
 * How long to wait, ms, until a connection that was lost is opened again; with
 * another of the naddrs addresses unless it was ready, which it then had been
 * since that ngx_current_msec.
 */

ngx_msec_t ngx_recs_redis_retry(ngx_recs_redis_retry_t *retry,
    ngx_uint_t naddrs, ngx_uint_t ready, ngx_msec_t since);

/*
 * Called when that has passed: 0, it is opened now; else ms until this has to
 * be asked again, as others try that server.
 */

ngx_msec_t ngx_recs_redis_retry_wait(const ngx_recs_redis_retry_t *retry,
    ngx_atomic_t *pace, ngx_uint_t naddrs);

/* One to that server failed, at all addresses; one is ready. */

void ngx_recs_redis_retry_ill(ngx_atomic_t *pace);
void ngx_recs_redis_retry_well(ngx_atomic_t *pace);


#endif /* NGX_RECS_REDIS_RETRY_H */
