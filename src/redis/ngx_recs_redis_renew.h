
/*
 * AUTH, sent again on connections that are open, where a password ends: a token
 * of a managed service.
 */


#ifndef NGX_RECS_REDIS_RENEW_H
#define NGX_RECS_REDIS_RENEW_H


#include "ngx_recs_redis.h"


/* In init_process: begins, if the Redis' configuration says so. */

void ngx_recs_redis_renew_init_worker(ngx_recs_redis_t *redis,
    ngx_cycle_t *cycle);

/* Before its connections are closed. */

void ngx_recs_redis_renew_exit_worker(ngx_recs_redis_t *redis);


#endif /* NGX_RECS_REDIS_RENEW_H */
