
/*
 * prefetch= of recs_set: asks for whole sets when the request comes in, while
 * the upstream makes the page.
 */


#include "ngx_http_recs_response.h"


static ngx_int_t ngx_http_recs_prefetch_sets(ngx_http_request_t *r,
    ngx_array_t *sets, ngx_recs_prefetches_t **all);
static ngx_recs_prefetches_t *ngx_http_recs_prefetches(ngx_http_request_t *r);
static ngx_recs_prefetches_t *ngx_http_recs_prefetches_new(
    ngx_http_request_t *r);
static void ngx_http_recs_prefetch_cleanup(void *data);


ngx_int_t
ngx_http_recs_prefetch_handler(ngx_http_request_t *r)
{
    ngx_recs_prefetches_t     *all;
    ngx_http_recs_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_recs_module);

    if (r->method == NGX_HTTP_HEAD || !ngx_http_recs_concerned(r)) {
        return NGX_DECLINED;
    }

    all = NULL;

    if (ngx_http_recs_prefetch_sets(r, rlcf->require, &all) != NGX_OK
        || ngx_http_recs_prefetch_sets(r, rlcf->exclude, &all) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (all && rlcf->pass) {
        /* together with the row, and read before it */
        ngx_recs_prefetch_send(all);
    }

    return NGX_DECLINED;
}


/* *all becomes the request's, once there is one among the sets. */

static ngx_int_t
ngx_http_recs_prefetch_sets(ngx_http_request_t *r, ngx_array_t *sets,
    ngx_recs_prefetches_t **all)
{
    ngx_str_t              key;
    ngx_uint_t             i;
    ngx_http_recs_set_t  **rs;

    if (sets == NULL) {
        return NGX_OK;
    }

    rs = sets->elts;

    for (i = 0; i < sets->nelts; i++) {

        if (rs[i]->set.prefetch == 0
            || ngx_http_recs_incomplete(r, rs[i]->key))
        {
            continue;
        }

        if (ngx_http_complex_value(r, rs[i]->key, &key) != NGX_OK) {
            return NGX_ERROR;
        }

        if (*all == NULL) {
            *all = ngx_http_recs_prefetches_new(r);
            if (*all == NULL) {
                return NGX_ERROR;
            }
        }

        if (ngx_recs_prefetch(*all, &rs[i]->set, &key, r) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_recs_prefetch_t *
ngx_http_recs_prefetched(ngx_http_request_t *r, ngx_recs_set_t *set,
    const ngx_str_t *key)
{
    ngx_recs_prefetches_t  *all;

    if (set->prefetch == 0) {
        return NULL;
    }

    all = ngx_http_recs_prefetches(r);

    return all ? ngx_recs_prefetch_find(all, set, key) : NULL;
}


/*
 * Finds what was prefetched for the main request.  NULL: nothing was, or the
 * request has ended.
 */

static ngx_recs_prefetches_t *
ngx_http_recs_prefetches(ngx_http_request_t *r)
{
    ngx_http_cleanup_t  *cln;

    for (cln = r->main->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_recs_prefetch_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_recs_prefetches_t *
ngx_http_recs_prefetches_new(ngx_http_request_t *r)
{
    ngx_http_cleanup_t         *cln;
    ngx_recs_prefetches_t      *all;
    ngx_http_recs_main_conf_t  *rmcf;

    all = ngx_http_recs_prefetches(r);
    if (all) {
        return all;
    }

    cln = ngx_http_cleanup_add(r->main, sizeof(ngx_recs_prefetches_t));
    if (cln == NULL) {
        return NULL;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_recs_module);

    all = cln->data;
    ngx_memzero(all, sizeof(ngx_recs_prefetches_t));

    all->pool = r->main->pool;
    all->log = r->connection->log;
    all->seed = rmcf->seed;

    cln->handler = ngx_http_recs_prefetch_cleanup;

    return all;
}


static void
ngx_http_recs_prefetch_cleanup(void *data)
{
    ngx_recs_prefetch_cancel(data);
}
