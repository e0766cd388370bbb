
/*
 * Which of a Redis' addresses a connection is made to next, and when: at once
 * where that helps, else with backoff and jitter, so that the connections of
 * all workers don't come back in step.
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


#endif /* NGX_RECS_REDIS_RETRY_H */
