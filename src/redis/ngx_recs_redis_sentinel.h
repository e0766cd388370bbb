
/*
 * A Redis whose master sentinels know: one server has all keys, and which one
 * that is changes.  Sentinels are asked who it is now and then, when a
 * connection to it was lost, when it takes no writes any more, and when one of
 * them says that there is another.
 *
 * https://redis.io/docs/latest/develop/reference/sentinel-clients/
 */


#ifndef NGX_RECS_REDIS_SENTINEL_H
#define NGX_RECS_REDIS_SENTINEL_H


#include "ngx_recs_redis.h"


/* As ngx_recs_redis_init_worker(). */

ngx_int_t ngx_recs_redis_sentinel_init_worker(ngx_recs_redis_t *redis,
    ngx_cycle_t *cycle);


#endif /* NGX_RECS_REDIS_SENTINEL_H */
