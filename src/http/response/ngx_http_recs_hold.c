
/*
 * How a response is held back, and how it goes on.
 *
 * The header waits until the body is complete and the sets have answered.
 * nginx goes on with its request meanwhile, and so do other modules: a script
 * sleeps after it has printed the page, or reads it by a subrequest.  So
 * nothing is asked of what may be theirs by then.  The answer itself sends the
 * response, through the filters that come after; r->write_event_handler is
 * called afterwards, and only if nginx waits in it for what was held.
 */


#include "ngx_http_recs_response.h"


static ngx_int_t ngx_http_recs_hold_done(ngx_http_request_t *r, void *data,
    ngx_int_t rc);
static ngx_uint_t ngx_http_recs_hold_waits(ngx_http_recs_ctx_t *ctx,
    ngx_int_t rc);


void
ngx_http_recs_hold(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    r->filter_need_in_memory = 1;

    /*
     * Filters that make subrequests say so when they see the header: by then
     * the upstream's module would have closed the file of the request's body.
     */

    r->preserve_body = 1;

    if (r == r->main) {
        return;
    }

    ctx->hold.parent = r->post_subrequest;
    ctx->hold.done.handler = ngx_http_recs_hold_done;
    ctx->hold.done.data = ctx;

    r->post_subrequest = &ctx->hold.done;
}


void
ngx_http_recs_release(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->phase = NGX_HTTP_RECS_DONE;
    r->buffered &= ~NGX_HTTP_RECS_BUFFERED;

    if (r->post_subrequest == &ctx->hold.done) {
        r->post_subrequest = ctx->hold.parent;
    }
}


void
ngx_http_recs_abandon(ngx_http_recs_ctx_t *ctx)
{
    if (ctx->phase == NGX_HTTP_RECS_WAIT) {
        ngx_recs_ask_cancel(&ctx->lookup.ask);
    }

    if (ctx->rejecting == NULL) {
        return;
    }

    if (ctx->rejecting->timer_set) {
        ngx_del_timer(ctx->rejecting);
    }

    if (ctx->rejecting->posted) {
        ngx_delete_posted_event(ctx->rejecting);
    }
}


/*
 * The content of a subrequest has ended, or goes on without its handler:
 * whoever waits for the subrequest is told when it was sent, and not before.
 */

static ngx_int_t
ngx_http_recs_hold_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ngx_http_recs_ctx_t *ctx = data;

    ngx_event_t                 *wev;
    ngx_http_post_subrequest_t  *parent;

    if (ngx_http_recs_hold_waits(ctx, rc)) {

        /* nginx will wait as for a slow client, and set that timer */

        wev = r->connection->write;
        ctx->hold.timer = !wev->timer_set;

        return rc;
    }

    parent = ctx->hold.parent;

    ngx_http_recs_abandon(ctx);
    ngx_http_recs_release(ctx);

    return parent ? parent->handler(r, parent->data, rc) : rc;
}


/* Will the response of the subrequest that ends with rc be sent later? */

static ngx_uint_t
ngx_http_recs_hold_waits(ngx_http_recs_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_ERROR || rc >= NGX_HTTP_SPECIAL_RESPONSE
        || ngx_http_get_module_ctx(ctx->request, ngx_http_recs_module) != ctx)
    {
        return 0;
    }

    if (ctx->phase == NGX_HTTP_RECS_COLLECT) {
        /* a thread reads the file (aio): the body goes on when it has */
        return ctx->request->buffered != 0;
    }

    return ctx->phase == NGX_HTTP_RECS_WAIT
           || ctx->phase == NGX_HTTP_RECS_REJECTED;
}


void
ngx_http_recs_resume(ngx_http_recs_ctx_t *ctx, ngx_int_t rc)
{
    ngx_event_t         *wev;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r->http_state != NGX_HTTP_WRITING_REQUEST_STATE) {

        /* the content handler is not done: it will finalize the request */

        if (rc == NGX_ERROR || rc > NGX_OK) {
            r->connection->error = 1;
        }

        return;
    }

    wev = r->connection->write;

    if (ctx->hold.timer && wev->timer_set && !wev->delayed) {
        ngx_del_timer(wev);
    }

    if (rc == NGX_ERROR || rc > NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    r->write_event_handler(r);
}
