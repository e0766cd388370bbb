
/* What a page tells of the version of the snapshot that it is of. */


#include "ngx_http_recs_response.h"
#include "ngx_recs_rollout.h"


static ngx_uint_t ngx_http_recs_rollout_failed(ngx_http_recs_ctx_t *ctx);
static ngx_uint_t ngx_http_recs_rollout_judged(ngx_http_recs_ctx_t *ctx);


void
ngx_http_recs_rollout(ngx_http_recs_ctx_t *ctx)
{
    ngx_recs_row_t           *row;
    recs_decision_t          *d;
    ngx_recs_rollout_page_t   page;

    if (ctx->served == NULL) {
        return;
    }

    row = &ctx->served->row;

    if (row->served != &row->snapshot->active
        || row->source == NGX_RECS_ROW_KEPT)
    {
        return;
    }

    d = &ctx->decision;

    ngx_memzero(&page, sizeof(ngx_recs_rollout_page_t));

    page.failed = ngx_http_recs_rollout_failed(ctx);
    page.judged = !page.failed && ngx_http_recs_rollout_judged(ctx);

    if (page.judged) {
        page.total = d->total;
        page.removed = d->removed;
        page.empty = (d->kept + d->ninserts == 0);
    }

    ngx_recs_rollout_page(row->snapshots, row->snapshot, &page, row->log);
}


/*
 * Is the row of no use to the client?  That a page is too old is no fault that
 * an older version would mend.
 */

static ngx_uint_t
ngx_http_recs_rollout_failed(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t  i;

    if (ctx->served->row.source == NGX_RECS_ROW_TOO_LARGE
        || ctx->served->unfit
        || ctx->state == NGX_HTTP_RECS_MALFORMED
        || ctx->state == NGX_HTTP_RECS_TOO_LARGE)
    {
        return 1;
    }

    for (i = 0; ctx->reject && i < NGX_HTTP_RECS_NVERSIONS; i++) {
        if (ctx->versions[i].skewed && ctx->conf->reject_skew) {
            return 1;
        }
    }

    return 0;
}


/*
 * Have all sets answered?  What is removed without an answer is not the
 * version's fault.
 */

static ngx_uint_t
ngx_http_recs_rollout_judged(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t       i;
    ngx_recs_ask_t  *ask;

    ask = &ctx->lookup.ask;

    for (i = 0; i < ask->nquestions; i++) {
        if (ask->questions[i].unknown) {
            return 0;
        }
    }

    return ctx->decided;
}
