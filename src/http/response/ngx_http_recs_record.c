
/*
 * What happens once a page was delivered: what it showed is counted, if it has
 * a cap, and recorded in Redis.
 */


#include "ngx_http_recs_response.h"
#include "ngx_http_recs_shown.h"


static void ngx_http_recs_record_cleanup(void *data);
static void ngx_http_recs_record(ngx_http_recs_ctx_t *ctx);


/*
 * The key is what its variables say while the page is sent: until the main
 * request's end it may be redirected, and they may change.
 */

ngx_int_t
ngx_http_recs_await_delivery(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_cleanup_t      *cln;
    ngx_http_recs_record_t  *record;

    record = ctx->conf->record;

    if (record == NULL && !ngx_http_recs_has_capped(ctx)) {
        return NGX_OK;
    }

    if (record
        && !ngx_http_recs_incomplete(ctx->request, record->key)
        && ngx_http_complex_value(ctx->request, record->key, &ctx->record_key)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln = ngx_http_cleanup_add(ctx->request->main, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_recs_record_cleanup;
    cln->data = ctx;

    return NGX_OK;
}


/* The main request has ended: what went out is known. */

static void
ngx_http_recs_record_cleanup(void *data)
{
    ngx_http_recs_ctx_t *ctx = data;

    if (!ngx_http_recs_delivered(ctx)) {
        return;
    }

    ngx_http_recs_cap_count_shown(ctx);

    if (ctx->conf->record == NULL) {
        return;
    }

    if (ctx->record_key.len == 0) {
        ngx_recs_count(ctx->conf->record->recorder->counters->unkeyed, 1);
        return;
    }

    ngx_http_recs_record(ctx);
}


static void
ngx_http_recs_record(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t              n;
    recs_str_t             *ids;
    ngx_http_recs_shown_t   shown;

    n = ctx->decision.kept + ctx->decision.ninserts;

    ids = ngx_palloc(ctx->request->pool, n * sizeof(recs_str_t) + 1);
    if (ids == NULL) {
        ngx_recs_count(ctx->conf->record->recorder->counters->dropped, 1);
        return;
    }

    n = 0;

    ngx_http_recs_shown_first(ctx, &shown);

    while (ngx_http_recs_shown_next(&shown)) {
        ids[n++] = shown.id;
    }

    if (n) {
        ngx_recs_recorder_add(ctx->conf->record->recorder, &ctx->record_key,
                              ids, n, &ctx->conf->record->keep);
    }
}
