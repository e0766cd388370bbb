
/*
 * What responses showed, and whether they were delivered.
 *
 * The main request's end alone tells whether a page went out: nginx sets
 * request_complete when nothing of the response is buffered any more, in the
 * request and in its connection (or its HTTP/2 stream), and there was no error.
 * Then all bytes are the kernel's; what becomes of them beyond that no server
 * knows.
 */


#include "ngx_http_recs_shown.h"


static void ngx_http_recs_shown_shelf(ngx_http_recs_shown_t *shown);
static ngx_uint_t ngx_http_recs_shown_insert(ngx_http_recs_shown_t *shown,
    ngx_uint_t rest);
static ngx_uint_t ngx_http_recs_broke_off(ngx_http_request_t *r);


void
ngx_http_recs_shown_first(const ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_shown_t *shown)
{
    ngx_memzero(shown, sizeof(ngx_http_recs_shown_t));

    shown->ctx = ctx;
    ngx_http_recs_shown_shelf(shown);
}


ngx_uint_t
ngx_http_recs_shown_next(ngx_http_recs_shown_t *shown)
{
    size_t              end;
    const recs_page_t  *page;

    page = &shown->ctx->page;

    while (shown->shelf <= page->nshelves) {

        end = page->shelves[shown->shelf - 1].first
              + page->shelves[shown->shelf - 1].nitems;

        while (shown->item < end
               && shown->ctx->decision.verdicts[shown->item].fate != RECS_KEPT)
        {
            shown->item++;
        }

        if (ngx_http_recs_shown_insert(shown, shown->item == end)) {
            return 1;
        }

        if (shown->item == end) {
            ngx_http_recs_shown_shelf(shown);
            continue;
        }

        shown->position++;

        if (page->items[shown->item++].id.data) {
            shown->id = page->items[shown->item - 1].id;
            shown->bin = page->items[shown->item - 1].bin;
            shown->source = NGX_HTTP_RECS_CANDIDATE;
            shown->insert = NULL;

            return 1;
        }
    }

    return 0;
}


/* Goes on to the next shelf: to its items, and to what was put on it. */

static void
ngx_http_recs_shown_shelf(ngx_http_recs_shown_t *shown)
{
    const recs_page_t      *page;
    const recs_decision_t  *d;

    page = &shown->ctx->page;
    d = &shown->ctx->decision;

    shown->shelf++;
    shown->position = 0;

    if (shown->shelf > page->nshelves) {
        return;
    }

    shown->item = page->shelves[shown->shelf - 1].first;

    for (shown->next = 0; shown->next < d->ninserts; shown->next++) {
        if (d->inserts[shown->next].shelf == shown->shelf - 1) {
            break;
        }
    }
}


/*
 * Is the next thing on the shelf what was put there: before the candidate that
 * comes next, or, with rest, after all of them?
 */

static ngx_uint_t
ngx_http_recs_shown_insert(ngx_http_recs_shown_t *shown, ngx_uint_t rest)
{
    const recs_insert_t        *insert;
    const recs_decision_t      *d;
    const ngx_http_recs_ctx_t  *ctx;

    ctx = shown->ctx;
    d = &ctx->decision;

    if (shown->next == d->ninserts) {
        return 0;
    }

    insert = &d->inserts[shown->next];

    if (insert->shelf != shown->shelf - 1
        || (!rest && insert->before != shown->item))
    {
        return 0;
    }

    shown->next++;
    shown->position++;
    shown->insert = insert;

    if (insert->draw) {
        shown->source = NGX_HTTP_RECS_EXPLORED;
        shown->id = insert->draw->line->pool->ids[insert->item];

    } else {
        shown->source = NGX_HTTP_RECS_BACKFILLED;
        shown->id = ctx->backfill.items->choices.ids[insert->item];
    }

    return 1;
}


ngx_uint_t
ngx_http_recs_delivered(const ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request->main;

    if (!r->request_complete) {
        return 0;
    }

    /*
     * what the module sent itself is whole, and then the upstream may be one
     * that was given up for it
     */

    return (ctx->request == r && (ctx->rewritten || ctx->reject))
           || !ngx_http_recs_broke_off(r);
}


/*
 * A main request's upstream that breaks off is no error to nginx: it sends what
 * it has, a page in a subrequest maybe as part of that.
 */

static ngx_uint_t
ngx_http_recs_broke_off(ngx_http_request_t *r)
{
    ngx_event_pipe_t     *p;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL || !u->header_sent) {
        return 0;
    }

    if (!u->buffering) {
        return u->length > 0;
    }

    p = u->pipe;

    return p && !p->upstream_done
           && (p->upstream_error || (p->upstream_eof && p->length != -1));
}
