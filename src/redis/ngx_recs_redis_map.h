
/*
 * What nginx adds to recs_redis_map.h and to the readers that are plain C: the
 * lock that writers hold, values of replies.
 */


#ifndef NGX_RECS_REDIS_MAP_H
#define NGX_RECS_REDIS_MAP_H


#include "ngx_recs_redis.h"
#include "recs_redis_fresh.h"
#include "recs_redis_map.h"
#include "recs_redis_redirect.h"
#include "recs_redis_sentinel.h"
#include "recs_redis_shards.h"


/* A node's breaker, and the number of the node that it is of. */

typedef struct {
    ngx_atomic_t                     number;
    ngx_recs_redis_breaker_shared_t  breaker;
} ngx_recs_redis_node_breaker_t;


/* How a Redis of several servers lies in shared memory; all zero at first. */

struct ngx_recs_redis_shared_s {
    ngx_recs_redis_node_breaker_t  breakers[RECS_REDIS_NODES];

    ngx_atomic_t              failing;  /* nobody says what there is, and that
                                           was logged */
    ngx_atomic_t              unserved; /* slots have no server, and that was
                                           logged */
    ngx_atomic_t              unserved_last;    /* when, unix seconds */

    ngx_atomic_t              answers;  /* how often somebody said it */
    ngx_atomic_t              first;    /* of sentinels: which one is asked
                                           first, modulo their number */

    recs_redis_state_t        states[RECS_REDIS_NODES];     /* by index */
    uint64_t                  states_due;   /* when they are asked, ms */

    recs_redis_map_t          map;      /* goes on with its nodes */
};


/* Bytes that it takes. */

size_t ngx_recs_redis_shared_size(void);

/* Memory of that size, all zero or in use already, can be used. */

void ngx_recs_redis_shared_init(ngx_recs_redis_shared_t *shared);

/*
 * The lock, for as long as a writing function of the map takes; then
 * ngx_shmtx_unlock().  mutex is a slab pool's: the master unlocks it if who
 * holds it dies.  NGX_OK; NGX_BUSY: who holds it does not let go of it, as it
 * was stopped there.  Nothing is written then: the next MOVED, the next answer
 * will be.
 */

ngx_int_t ngx_recs_redis_map_lock(ngx_shmtx_t *mutex);

/* A query's value, for the readers that are plain C. */

recs_redis_value_t ngx_recs_redis_map_value(const ngx_recs_redis_value_t *v);


#endif /* NGX_RECS_REDIS_MAP_H */
