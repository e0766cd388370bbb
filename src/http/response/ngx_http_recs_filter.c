
/*
 * The filter: holds a response back until its body is complete and the sets
 * have answered, then lets the rewritten one go.
 *
 * The header filter keeps the header.  The body filter copies the body and,
 * when it is complete, asks.  While answers are awaited r->buffered keeps the
 * request alive; the answer sends what is held, whatever the request does
 * meanwhile.
 */


#include "ngx_http_recs_response.h"
#include "ngx_http_recs_tell.h"


#define NGX_HTTP_RECS_BODY_SIZE  16384      /* at first, if none is announced */


static ngx_int_t ngx_http_recs_header_filter(ngx_http_request_t *r);
static void ngx_http_recs_other_type(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_recs_collect(ngx_http_recs_ctx_t *ctx,
    ngx_chain_t *in);
static ngx_int_t ngx_http_recs_take(ngx_http_recs_ctx_t *ctx, ngx_buf_t *b);
static ngx_int_t ngx_http_recs_hold_row(ngx_http_recs_ctx_t *ctx,
    ngx_buf_t *b);
static ngx_int_t ngx_http_recs_append(ngx_http_recs_ctx_t *ctx, u_char *data,
    size_t len);
static ngx_int_t ngx_http_recs_complete(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_add_cleanup(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_cleanup(void *data);
static void ngx_http_recs_answered(ngx_recs_ask_t *ask);
static ngx_int_t ngx_http_recs_send(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_send_original(ngx_http_recs_ctx_t *ctx,
    ngx_chain_t *rest);
static void ngx_http_recs_goes_on(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_convert_original(ngx_http_recs_ctx_t *ctx);
static ngx_chain_t *ngx_http_recs_output(ngx_http_recs_ctx_t *ctx);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_recs_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_recs_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_recs_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_header_filter(ngx_http_request_t *r)
{
    ngx_http_recs_ctx_t  *ctx;

    if (!ngx_http_recs_concerned(r)) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_recs_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->started) {
        /* an error page's, after a filter gave up the response */
        return ngx_http_next_header_filter(r);
    }

    ctx->started = 1;

    if (!ngx_http_recs_type(ctx) && ctx->served == NULL) {
        ngx_http_recs_other_type(ctx);
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_recs_add_cleanup(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_recs_check(ctx);

    if (ctx->state == NGX_HTTP_RECS_TOO_LARGE
        && ngx_http_recs_rejects_body(ctx))
    {
        ngx_http_recs_hold(ctx);
        return ngx_http_recs_reject(ctx);
    }

    if (ctx->state) {
        ctx->phase = NGX_HTTP_RECS_DONE;

        if (ngx_http_recs_headers(ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_next_header_filter(r);
    }

    ngx_http_recs_hold(ctx);

    if (ctx->conf->enable == NGX_HTTP_RECS_ON) {
        r->allow_ranges = 0;
    }

    return NGX_OK;
}


/*
 * Passes a response untouched, and without a header: it may be any file of the
 * site.  It is counted, without its label, for who wonders why nothing is
 * filtered.
 */

static void
ngx_http_recs_other_type(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_recs_main_conf_t  *rmcf;

    ctx->phase = NGX_HTTP_RECS_DONE;
    ctx->state = NGX_HTTP_RECS_BYPASSED;

    if (ctx->request->headers_out.status == NGX_HTTP_OK) {
        rmcf = ngx_http_get_module_main_conf(ctx->request,
                                             ngx_http_recs_module);
        ngx_recs_count(rmcf->counted->responses.other_types, 1);
    }
}


static ngx_int_t
ngx_http_recs_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t             rc;
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);

    if (ctx == NULL || !ctx->started || ctx->phase == NGX_HTTP_RECS_DONE) {
        return ngx_http_next_body_filter(r, in);
    }

    if (ctx->phase == NGX_HTTP_RECS_COLLECT) {

        rc = ngx_http_recs_collect(ctx, in);

        if (ctx->phase == NGX_HTTP_RECS_DONE) {
            return rc;
        }

        if (rc != NGX_OK) {
            return rc == NGX_AGAIN ? NGX_OK : rc;
        }

        if (ctx->phase == NGX_HTTP_RECS_COLLECT
            && ngx_http_recs_complete(ctx) == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    if (ctx->phase == NGX_HTTP_RECS_WAIT
        || ctx->phase == NGX_HTTP_RECS_REJECTED)
    {
        r->buffered |= NGX_HTTP_RECS_BUFFERED;
        return NGX_OK;
    }

    return ngx_http_recs_send(ctx);
}


/*
 * Takes in what has come of the body: NGX_OK, it is complete; NGX_AGAIN, it is
 * not, or it is rejected; NGX_ERROR.  If it gave up the body, the phase is
 * NGX_HTTP_RECS_DONE, and this is the filter's result.
 */

static ngx_int_t
ngx_http_recs_collect(ngx_http_recs_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_uint_t           last, flush;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = ctx->request;
    last = 0;
    flush = 0;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        rc = ngx_http_recs_take(ctx, b);

        if (rc == NGX_DECLINED && ctx->state == NGX_HTTP_RECS_TOO_LARGE
            && ngx_http_recs_rejects_body(ctx))
        {
            return ngx_http_recs_reject(ctx) == NGX_OK ? NGX_AGAIN : NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {
            return ngx_http_recs_send_original(ctx, cl);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        /* a buffer that is not used up would hold back the upstream */

        b->pos = b->last;
        b->file_pos = b->file_last;

        last |= b->last_buf || (r != r->main && b->last_in_chain);
        flush |= b->flush;
    }

    if (last) {
        return NGX_OK;
    }

    /*
     * an upstream that broke off is finalized with a flush instead of the last
     * buffer
     */

    if (flush && r->upstream && r->upstream->header_sent
        && r->upstream->cleanup == NULL)
    {
        ctx->state = NGX_HTTP_RECS_BYPASSED;
        ctx->why = "truncated";
        ctx->phase = NGX_HTTP_RECS_READY;
        ctx->reject = (ctx->conf->enable == NGX_HTTP_RECS_ON);

        return NGX_OK;
    }

    return NGX_AGAIN;
}


/*
 * Takes in a buffer: NGX_OK, NGX_ERROR, or NGX_DECLINED: with it the body is
 * none that can be filtered, ctx->state says why.
 */

static ngx_int_t
ngx_http_recs_take(ngx_http_recs_ctx_t *ctx, ngx_buf_t *b)
{
    size_t               n, had;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r == r->main && b->last_in_chain && !b->last_buf) {

        /*
         * more of the body comes in subrequests, as slice does it: these would
         * overtake the header
         */

        ctx->state = NGX_HTTP_RECS_BYPASSED;
        ctx->why = "parts";
        return NGX_DECLINED;
    }

    if (ctx->served) {
        return ngx_http_recs_hold_row(ctx, b);
    }

    n = ngx_buf_in_memory(b) ? b->last - b->pos : 0;
    had = ctx->body.buf ? ctx->body.buf->last - ctx->body.buf->pos : 0;

    if (n > ctx->conf->max_body_size - had) {
        ngx_http_recs_too_large(ctx);
        return NGX_DECLINED;
    }

    return n ? ngx_http_recs_append(ctx, b->pos, n) : NGX_OK;
}


/* Takes in a row, which is whole and stays: it need not be copied. */

static ngx_int_t
ngx_http_recs_hold_row(ngx_http_recs_ctx_t *ctx, ngx_buf_t *b)
{
    if (b->pos == b->last) {
        return NGX_OK;
    }

    ctx->body.buf = ngx_palloc(ctx->request->pool, sizeof(ngx_buf_t));
    if (ctx->body.buf == NULL) {
        return NGX_ERROR;
    }

    *ctx->body.buf = *b;

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_append(ngx_http_recs_ctx_t *ctx, u_char *data, size_t len)
{
    off_t       announced;
    size_t      had, size;
    ngx_buf_t  *old, *body;

    old = ctx->body.buf;
    had = old ? old->last - old->pos : 0;

    if (old == NULL || (size_t) (old->end - old->last) < len) {

        announced = ctx->request->headers_out.content_length_n;

        size = old ? 2 * (size_t) (old->end - old->start)
                   : announced > 0 ? (size_t) announced
                                   : NGX_HTTP_RECS_BODY_SIZE;

        size = ngx_max(size, had + len);

        body = ngx_create_temp_buf(ctx->request->pool, size);
        if (body == NULL) {
            return NGX_ERROR;
        }

        if (old) {
            body->last = ngx_cpymem(body->last, old->pos, had);
            (void) ngx_pfree(ctx->request->pool, old->start);
        }

        ctx->body.buf = body;
    }

    ctx->body.buf->last = ngx_cpymem(ctx->body.buf->last, data, len);

    return NGX_OK;
}


/* The body is complete: asks.  Sets ctx->phase. */

static ngx_int_t
ngx_http_recs_complete(ngx_http_recs_ctx_t *ctx)
{
    ngx_int_t  rc;

    ctx->body.complete = 1;
    ctx->phase = NGX_HTTP_RECS_READY;

    if (ctx->state) {
        return NGX_OK;
    }

    ctx->complete = ngx_http_recs_clock();

    rc = ngx_http_recs_rewrite(ctx, ngx_http_recs_answered);

    if (rc == NGX_AGAIN) {
        ctx->phase = NGX_HTTP_RECS_WAIT;
    }

    return rc;
}


static ngx_int_t
ngx_http_recs_add_cleanup(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(ctx->request, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_recs_cleanup;
    cln->data = ctx;

    return NGX_OK;
}


static void
ngx_http_recs_cleanup(void *data)
{
    ngx_http_recs_ctx_t *ctx = data;

    ctx->ended = 1;

    ngx_http_recs_abandon(ctx);
}


/* The answers are there, or the deadline has passed: sends the response. */

static void
ngx_http_recs_answered(ngx_recs_ask_t *ask)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_recs_ctx_t  *ctx;

    ctx = ask->data;
    r = ctx->request;
    c = r->connection;

    ctx->phase = NGX_HTTP_RECS_READY;

    if (ngx_http_get_module_ctx(r, ngx_http_recs_module) != ctx) {
        /* redirected internally meanwhile: another response is on its way */
        ngx_http_recs_release(ctx);
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_http_recs_resume(ctx, ngx_http_recs_send(ctx));

    ngx_http_run_posted_requests(c);
}


/* Sends what ctx->state says: the rewritten body, the original, or neither. */

static ngx_int_t
ngx_http_recs_send(ngx_http_recs_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_chain_t         *out;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->state == NGX_HTTP_RECS_NONE
        && ngx_http_recs_rewrite_answered(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->reject
        || (!ctx->decided && ngx_http_recs_rejects_body(ctx)))
    {
        return ngx_http_recs_reject(ctx);
    }

    if (!ctx->rewritten) {
        return ngx_http_recs_send_original(ctx, NULL);
    }

    ngx_http_recs_release(ctx);

    if (ngx_http_recs_headers(ctx) != NGX_OK
        || ngx_http_recs_etag(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    out = NULL;

    if (!ngx_http_recs_not_modified(ctx)) {

        out = ngx_http_recs_output(ctx);
        if (out == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_recs_goes_on(ctx);

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only || out == NULL) {
        return rc;
    }

    if (ngx_http_recs_await_delivery(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_body_filter(r, out);
}


/*
 * Sends the body as it came: what was collected of it, then rest, then
 * whatever comes.
 */

static ngx_int_t
ngx_http_recs_send_original(ngx_http_recs_ctx_t *ctx, ngx_chain_t *rest)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t         *out;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_http_recs_convert_original(ctx) != NGX_OK) {
        return ngx_http_recs_reject(ctx);
    }

    ngx_http_recs_release(ctx);

    if (ngx_http_recs_headers(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_recs_goes_on(ctx);

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ctx->body.buf;

    if (b == NULL) {

        if (rest) {
            return ngx_http_next_body_filter(r, rest);
        }

        b = ngx_calloc_buf(r->pool);
        if (b == NULL) {
            return NGX_ERROR;
        }

        b->sync = 1;
    }

    if (ctx->body.complete) {
        b->last_buf = (r == r->main);
        b->last_in_chain = 1;

    } else if (rest == NULL) {
        b->flush = 1;
    }

    out = ngx_alloc_chain_link(r->pool);
    if (out == NULL) {
        return NGX_ERROR;
    }

    out->buf = b;
    out->next = rest;

    return ngx_http_next_body_filter(r, out);
}


/* What was held goes on: counts how long it was, once its body was whole. */

static void
ngx_http_recs_goes_on(ngx_http_recs_ctx_t *ctx)
{
    if (ctx->complete) {
        ngx_http_recs_count_time(&ngx_http_recs_counted(ctx)->added,
                                 ngx_http_recs_clock() - ctx->complete);
    }
}


/* Converts a row that is not in the format that was asked for. */

static ngx_int_t
ngx_http_recs_convert_original(ngx_http_recs_ctx_t *ctx)
{
    ngx_buf_t  *b;
    ngx_str_t   text;

    b = ctx->body.buf;

    if (ctx->served == NULL || b == NULL) {
        return NGX_OK;
    }

    text.data = b->pos;
    text.len = b->last - b->pos;

    if (ngx_http_recs_convert(ctx, &text) != NGX_OK) {
        return NGX_DECLINED;
    }

    b->pos = text.data;
    b->last = text.data + text.len;
    ctx->request->headers_out.content_length_n = text.len;

    return NGX_OK;
}


static ngx_chain_t *
ngx_http_recs_output(ngx_http_recs_ctx_t *ctx)
{
    size_t         i, n;
    ngx_buf_t     *b;
    ngx_chain_t   *cl;
    recs_str_t    *piece;

    n = ctx->output.npieces;

    b = ngx_pcalloc(ctx->request->pool, n * sizeof(ngx_buf_t));
    cl = ngx_palloc(ctx->request->pool, n * sizeof(ngx_chain_t));

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        piece = &ctx->output.pieces[i];

        b[i].pos = (u_char *) piece->data;
        b[i].last = b[i].pos + piece->len;
        b[i].memory = 1;

        cl[i].buf = &b[i];
        cl[i].next = &cl[i + 1];
    }

    cl[n - 1].next = NULL;

    b[n - 1].last_buf = (ctx->request == ctx->request->main);
    b[n - 1].last_in_chain = 1;

    return cl;
}
