
/* The lock of shared nodes and slots, and how answers about them are read. */


#include "ngx_recs_redis_map.h"


/* It is held for microseconds: so often is tried to get it. */

#define NGX_RECS_REDIS_MAP_TRIES  100


size_t
ngx_recs_redis_shared_size(void)
{
    return offsetof(ngx_recs_redis_shared_t, map)
           + recs_redis_map_size(RECS_REDIS_NODES);
}


void
ngx_recs_redis_shared_init(ngx_recs_redis_shared_t *shared)
{
    recs_redis_map_init(&shared->map, RECS_REDIS_NODES);
}


ngx_int_t
ngx_recs_redis_map_lock(ngx_shmtx_t *mutex)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_REDIS_MAP_TRIES; i++) {

        if (ngx_shmtx_trylock(mutex)) {
            return NGX_OK;
        }

        ngx_sched_yield();
    }

    return NGX_BUSY;
}


recs_redis_value_t
ngx_recs_redis_map_value(const ngx_recs_redis_value_t *v)
{
    recs_redis_value_t  value;

    switch (v->type) {

    case NGX_RECS_REDIS_INTEGER:
        value.type = RECS_REDIS_INTEGER;
        break;

    case NGX_RECS_REDIS_STRING:
        value.type = RECS_REDIS_STRING;
        break;

    case NGX_RECS_REDIS_ARRAY:
        value.type = RECS_REDIS_ARRAY;
        break;

    default: /* NGX_RECS_REDIS_NIL */
        value.type = RECS_REDIS_NIL;
        break;
    }

    value.depth = (unsigned) v->depth;
    value.index = (unsigned) v->index;
    value.integer = v->integer;
    value.data = (const char *) v->str.data;
    value.len = v->str.len;

    return value;
}
