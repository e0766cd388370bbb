
/*
 * recs_pass: serves a user's page from a snapshot in Redis.  The page then goes
 * through the filter, as any other.
 */


#include "ngx_http_recs_response.h"
#include "ngx_http_recs_serve.h"
#include "ngx_http_recs_tell.h"


static ngx_int_t ngx_http_recs_pass_read(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_pass_cleanup(void *data);
static void ngx_http_recs_pass_answered(ngx_recs_row_t *row);
static ngx_int_t ngx_http_recs_pass_answer(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_pass_type(ngx_http_recs_ctx_t *ctx);
static ngx_uint_t ngx_http_recs_pass_unfiltered(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_pass_send(ngx_http_recs_ctx_t *ctx);


ngx_int_t
ngx_http_recs_pass_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_http_recs_ctx_t  *ctx;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_recs_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_recs_pass_read(ctx);

    if (rc == NGX_AGAIN) {
        r->main->count++;
        return NGX_DONE;
    }

    return rc == NGX_OK ? ngx_http_recs_pass_answer(ctx) : rc;
}


/* Asks for the row.  NGX_OK, NGX_AGAIN, or the status of an error. */

static ngx_int_t
ngx_http_recs_pass_read(ngx_http_recs_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_str_t                   channel;
    ngx_recs_row_t             *row;
    ngx_http_cleanup_t         *cln;
    ngx_http_request_t         *r;
    ngx_http_recs_pass_conf_t  *conf;

    r = ctx->request;
    conf = ctx->conf->pass;

    ctx->served = ngx_pcalloc(r->pool, sizeof(ngx_http_recs_served_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (ctx->served == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_recs_pass_cleanup;
    cln->data = ctx->served;

    ngx_str_null(&channel);

    row = &ctx->served->row;
    row->source = NGX_RECS_ROW_UNKNOWN;

    if ((conf->channel
         && ngx_http_complex_value(r, conf->channel, &channel) != NGX_OK)
        || (ctx->conf->user
            && ngx_http_recs_steady(r, ctx->conf->user, &row->user)
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_recs_channel(r, conf->snapshots, &channel,
                            &row->snapshot);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_HTTP_SERVICE_UNAVAILABLE
                                  : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    row->pool = r->pool;
    row->log = r->connection->log;
    row->snapshots = conf->snapshots;
    row->timeout = ctx->conf->lookup_timeout;
    row->max_size = ctx->conf->max_body_size;
    row->handler = ngx_http_recs_pass_answered;
    row->data = ctx;

    rc = ngx_recs_row_read(row);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->served->waiting = (rc == NGX_AGAIN);

    return rc;
}


static void
ngx_http_recs_pass_cleanup(void *data)
{
    ngx_http_recs_served_t *served = data;

    if (served->waiting) {
        ngx_recs_row_cancel(&served->row);
    }
}


static void
ngx_http_recs_pass_answered(ngx_recs_row_t *row)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_recs_ctx_t  *ctx;

    ctx = row->data;
    r = ctx->request;
    c = r->connection;

    ctx->served->waiting = 0;

    ngx_http_set_log_request(c->log, r);

    ngx_http_finalize_request(r, ngx_http_recs_pass_answer(ctx));

    ngx_http_run_posted_requests(c);
}


/* The row is there, or it is known that there is none. */

static ngx_int_t
ngx_http_recs_pass_answer(ngx_http_recs_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_http_recs_snapshot_versions(ctx);

    switch (ctx->served->row.source) {

    case NGX_RECS_ROW_NONE:
        r->headers_out.status = NGX_HTTP_NO_CONTENT;
        r->header_only = 1;

        return ngx_http_send_header(r);

    case NGX_RECS_ROW_UNKNOWN:
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    case NGX_RECS_ROW_TOO_LARGE:
        ngx_http_recs_rollout(ctx);
        return NGX_HTTP_BAD_GATEWAY;

    default:
        rc = ngx_http_recs_pass_type(ctx);

        return rc == NGX_OK ? ngx_http_recs_pass_send(ctx) : rc;
    }
}


/* Finds the formats of row and response, and what the latter is called. */

static ngx_int_t
ngx_http_recs_pass_type(ngx_http_recs_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_str_t                   type;
    recs_str_t                  text;
    ngx_uint_t                  format;
    ngx_http_request_t         *r;
    ngx_http_recs_served_t     *served;
    ngx_http_recs_pass_conf_t  *conf;

    static const ngx_str_t  vary = ngx_string("Vary");
    static const ngx_str_t  accept = ngx_string("Accept");

    r = ctx->request;
    served = ctx->served;
    conf = ctx->conf->pass;

    text = ngx_recs_span(&served->row.text);
    ctx->body.format = recs_format_of(&text);

    if (conf->negotiate) {
        format = ctx->body.format;
        ngx_http_recs_negotiate(r, ngx_http_recs_page_offers,
                                NGX_HTTP_RECS_PAGE_OFFERS, &format, &type);
        served->format = format;

    } else {
        served->format = conf->format;
        ngx_http_recs_format_type(served->format, &type);
    }

    if (ngx_http_recs_pass_unfiltered(ctx)) {

        rc = ngx_http_recs_convert(ctx, &served->row.text);
        served->unfit = (rc != NGX_OK);

        ngx_http_recs_rollout(ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    r->headers_out.content_type = type;
    r->headers_out.content_type_len = type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (conf->negotiate && ngx_http_recs_header(r, &vary, &accept) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


/*
 * Will the row go out as it is?  The filter converts what it makes of a row,
 * but no row that it does not look at.
 */

static ngx_uint_t
ngx_http_recs_pass_unfiltered(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->conf->enable == NGX_HTTP_RECS_OFF) {
        return 1;
    }

    /* as an error page it keeps the error's status */

    r->headers_out.status = r->err_status ? r->err_status : NGX_HTTP_OK;

    ngx_http_recs_check(ctx);

    return ctx->state != NGX_HTTP_RECS_NONE;
}


static ngx_int_t
ngx_http_recs_pass_send(ngx_http_recs_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = ctx->request;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = ctx->served->row.text.data;
    b->last = b->pos + ctx->served->row.text.len;
    b->start = b->pos;
    b->end = b->last;
    b->memory = (b->last != b->pos);
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
