
/*
 * The context of a client's request.  nginx zeroes a request's contexts when it
 * is redirected, and its cleanups are gone when it is logged; those of its pool
 * are not.  So one of these marks the context.
 */


#include "ngx_http_recs_request.h"


static void ngx_http_recs_main_ctx_mark(void *data);


ngx_http_recs_main_ctx_t *
ngx_http_recs_find_main_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_recs_main_ctx_mark) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_http_recs_main_ctx_t *
ngx_http_recs_get_main_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_recs_main_ctx_t  *mctx;

    mctx = ngx_http_recs_find_main_ctx(r);
    if (mctx) {
        return mctx;
    }

    cln = ngx_pool_cleanup_add(r->main->pool, sizeof(ngx_http_recs_main_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_recs_main_ctx_mark;

    mctx = cln->data;
    ngx_memzero(mctx, sizeof(ngx_http_recs_main_ctx_t));

    return mctx;
}


/* Does nothing: the context is the pool's. */

static void
ngx_http_recs_main_ctx_mark(void *data)
{
}
