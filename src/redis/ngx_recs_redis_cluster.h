
/*
 * A Redis that is a cluster: each key is in a slot, and each slot is a
 * server's.  A server that is asked for a key of another says so; the command
 * then goes there, and whoever sent it need not know.
 *
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 */


#ifndef NGX_RECS_REDIS_CLUSTER_H
#define NGX_RECS_REDIS_CLUSTER_H


#include "ngx_recs_redis.h"


/* As ngx_recs_redis_init_worker(). */

ngx_int_t ngx_recs_redis_cluster_init_worker(ngx_recs_redis_t *redis,
    ngx_cycle_t *cycle);


#endif /* NGX_RECS_REDIS_CLUSTER_H */
