
/*
 * The leader's part of a pool: it reads the file or the Redis hash at each
 * refresh, and publishes what may take the place of what there is.
 */


#ifndef NGX_RECS_POOL_LEADER_H
#define NGX_RECS_POOL_LEADER_H


#include "ngx_recs_pool.h"


/*
 * In init_process, after ngx_recs_pool_init_worker() and before the leader
 * starts.  NGX_OK or NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_pool_leader_init_worker(ngx_recs_pool_t *pool,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle);

/* In exit_process, after the leader's exit: the image is written. */

void ngx_recs_pool_leader_exit_worker(ngx_recs_pool_t *pool);

/* Frees what is being read.  At the end, when no reply can come any more. */

void ngx_recs_pool_leader_free(ngx_recs_pool_t *pool);


#endif /* NGX_RECS_POOL_LEADER_H */
