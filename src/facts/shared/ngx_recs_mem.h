
/*
 * What is between nginx's types and those of src/page, which knows none of
 * nginx's: memory (recs_mem_t) from a pool, and spans of strings.
 */


#ifndef NGX_RECS_MEM_H
#define NGX_RECS_MEM_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "recs_base.h"


static inline void *
ngx_recs_mem_alloc(void *pool, size_t size)
{
    return ngx_palloc(pool, size);
}


/* What is allocated from *mem lives as long as pool. */

static inline void
ngx_recs_mem(recs_mem_t *mem, ngx_pool_t *pool)
{
    mem->alloc = ngx_recs_mem_alloc;
    mem->ctx = pool;
}


/* The string as a span; its bytes stay where they are. */

static inline recs_str_t
ngx_recs_span(const ngx_str_t *s)
{
    recs_str_t  span;

    span.data = s->data;
    span.len = s->len;

    return span;
}


#endif /* NGX_RECS_MEM_H */
