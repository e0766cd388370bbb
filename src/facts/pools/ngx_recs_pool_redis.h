
/*
 * A pool's hash in Redis, id -> object, read a piece at a time
 * (https://redis.io/docs/latest/commands/hscan/).
 */


#ifndef NGX_RECS_POOL_REDIS_H
#define NGX_RECS_POOL_REDIS_H


#include "ngx_recs_pool_draft.h"


/*
 * Begins to read the hash into pool->draft, which is made here.  NULL: the
 * handler will be called, once, with the draft complete and why NULL, or else
 * with why it comes to nothing and, if Redis said more, *error; until then
 * forgetting pool->query ends it.  Else why Redis can't be asked: there is no
 * draft then.
 */

const char *ngx_recs_pool_redis_read(ngx_recs_pool_t *pool, ngx_log_t *log,
    void (*handler)(ngx_recs_pool_t *pool, const char *why,
                    const ngx_str_t *error));


#endif /* NGX_RECS_POOL_REDIS_H */
