
/*
 * What is kept of a client's request, in one place, until its memory goes: a
 * request's contexts are zeroed when it is redirected, and its cleanups are gone
 * when it is logged; those of its pool are not.
 */


#include "ngx_http_recs_conf.h"


static void ngx_http_recs_kept_cleanup(void *data);


ngx_http_recs_kept_t *
ngx_http_recs_kept(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_recs_kept_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_http_recs_kept_t *
ngx_http_recs_keep(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_recs_kept_t  *kept;

    kept = ngx_http_recs_kept(r);
    if (kept) {
        return kept;
    }

    cln = ngx_pool_cleanup_add(r->main->pool, sizeof(ngx_http_recs_kept_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_recs_kept_cleanup;

    kept = cln->data;
    ngx_memzero(kept, sizeof(ngx_http_recs_kept_t));

    return kept;
}


/* Only marks what is kept: it is the pool's. */

static void
ngx_http_recs_kept_cleanup(void *data)
{
}
