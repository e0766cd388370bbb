
/*
 * The context of a response, and what all parts of the module ask of one.
 * nginx forgets it, but for our cleanups, when the request is redirected.
 */


#include "ngx_http_recs_request.h"


static void ngx_http_recs_release_pool(void *data);


ngx_http_recs_ctx_t *
ngx_http_recs_get_ctx(ngx_http_request_t *r)
{
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);

    if (ctx) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_recs_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->conf = ngx_http_get_module_loc_conf(r, ngx_http_recs_module);
    ngx_recs_mem(&ctx->mem, r->pool);

    ngx_http_set_ctx(r, ctx, ngx_http_recs_module);

    return ctx;
}


ngx_uint_t
ngx_http_recs_incomplete(ngx_http_request_t *r, ngx_http_complex_value_t *cv)
{
    ngx_uint_t                 *index;
    ngx_http_variable_value_t  *vv;

    if (cv->flushes == NULL) {
        return 0;
    }

    for (index = cv->flushes; *index != (ngx_uint_t) -1; index++) {

        vv = ngx_http_get_flushed_variable(r, *index);

        if (vv == NULL || vv->not_found || vv->len == 0) {
            return 1;
        }
    }

    return 0;
}


ngx_recs_pool_items_t *
ngx_http_recs_hold_pool(ngx_http_request_t *r, ngx_recs_pool_t *pool)
{
    ngx_pool_cleanup_t     *cln;
    ngx_recs_pool_items_t  *items;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    items = ngx_recs_pool_hold(pool);

    if (items) {
        cln->handler = ngx_http_recs_release_pool;
        cln->data = items;
    }

    return items;
}


static void
ngx_http_recs_release_pool(void *data)
{
    ngx_recs_pool_release(data);
}


ngx_http_recs_exploring_t *
ngx_http_recs_exploring(const ngx_http_recs_ctx_t *ctx,
    const recs_draw_t *draw)
{
    return &ctx->explore.exploring[draw->line - ctx->explore.lines];
}
