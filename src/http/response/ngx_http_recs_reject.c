
/*
 * A page that is rejected is answered with 502 instead, as if the upstream had
 * failed, so that error_page can name another location.
 */


#include "ngx_http_recs_response.h"
#include "ngx_http_recs_tell.h"


#define NGX_HTTP_RECS_AIO_WAIT   1          /* ms */


static void ngx_http_recs_reject_handler(ngx_event_t *ev);
static void ngx_http_recs_leave_upstream(ngx_http_request_t *r);


/*
 * The request can't be ended from within its output: that is done at the end
 * of this turn of the event loop.  What comes until then is left where it is:
 * nobody reads on.
 */

ngx_int_t
ngx_http_recs_reject(ngx_http_recs_ctx_t *ctx)
{
    ctx->rejecting = ngx_pcalloc(ctx->request->pool, sizeof(ngx_event_t));
    if (ctx->rejecting == NULL) {
        return NGX_ERROR;
    }

    ctx->phase = NGX_HTTP_RECS_REJECTED;
    ctx->request->buffered |= NGX_HTTP_RECS_BUFFERED;

    ctx->rejecting->handler = ngx_http_recs_reject_handler;
    ctx->rejecting->data = ctx;
    ctx->rejecting->log = ctx->request->connection->log;

    ngx_post_event(ctx->rejecting, &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_http_recs_reject_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_recs_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    if (ngx_http_get_module_ctx(r, ngx_http_recs_module) != ctx) {
        return;
    }

    if (r->aio) {

        /*
         * A thread reads or writes a file for it: an upstream that error_page
         * names would not be asked before that has ended.
         */

        ngx_add_timer(ev, NGX_HTTP_RECS_AIO_WAIT);
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_http_recs_leave_upstream(r);

    /*
     * as ngx_http_filter_finalize_request() does: forgets what the filters
     * before hold of the body
     */

    ngx_memzero(r->ctx, sizeof(void *) * ngx_http_max_module);
    ngx_http_set_ctx(r, ctx, ngx_http_recs_module);
    r->buffered = 0;

    ngx_http_recs_release(ctx);

    /* what is to be shown instead of a subrequest (SSI: stub) may stand in */

    r->request_output = 0;

    ngx_http_recs_count_response(ctx);
    ngx_recs_count(ngx_http_recs_counted(ctx)->responses.rejected, 1);

    ngx_http_clean_header(r);
    ngx_http_finalize_request(r, NGX_HTTP_BAD_GATEWAY);

    ngx_http_run_posted_requests(c);
}


/*
 * Closes an upstream that is still sending, as nginx does before it asks
 * another one.
 */

static void
ngx_http_recs_leave_upstream(ngx_http_request_t *r)
{
    ngx_http_cleanup_pt   cleanup;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL || u->cleanup == NULL) {
        return;
    }

    cleanup = *u->cleanup;

    /* it finalizes the request, but for this count */

    r->main->count++;
    cleanup(r);
}
