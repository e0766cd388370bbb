
/*
 * Which responses are looked at, as far as their headers tell, and in which
 * format their bodies are.
 */


#include "ngx_http_recs_response.h"
#include "ngx_recs_quiet.h"


#define NGX_HTTP_RECS_TYPE_MAX   128        /* bytes; RFC 6838, section 4.2 */


static ngx_uint_t ngx_http_recs_internal(ngx_http_request_t *r);
static ngx_uint_t ngx_http_recs_part(ngx_http_request_t *r);
static ngx_uint_t ngx_http_recs_encoding(ngx_http_recs_ctx_t *ctx);
static ngx_uint_t ngx_http_recs_encodings(ngx_http_request_t *r);


ngx_uint_t
ngx_http_recs_concerned(ngx_http_request_t *r)
{
    ngx_http_recs_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_recs_module);

    return rlcf->enable != NGX_HTTP_RECS_OFF
           && (rlcf->handler.len == 0 || rlcf->pass)
           && !ngx_http_recs_internal(r) && !ngx_http_recs_part(r);
}


/*
 * Is it a response that nobody sees: of auth_request, mirror, a background
 * update of the cache?  They are all without a body.  What a script reads (a
 * background subrequest of njs, say) is seen.
 */

static ngx_uint_t
ngx_http_recs_internal(ngx_http_request_t *r)
{
    return r != r->main && r->header_only;
}


/*
 * Is it a further part of a page that was passed because it comes in parts?
 * Such a subrequest has its parent's own URI.
 */

static ngx_uint_t
ngx_http_recs_part(ngx_http_request_t *r)
{
    ngx_http_recs_ctx_t  *ctx;

    if (r == r->main || r->uri.data != r->parent->uri.data) {
        return 0;
    }

    ctx = ngx_http_get_module_ctx(r->parent, ngx_http_recs_module);

    return ctx && ctx->why && ngx_strcmp(ctx->why, "parts") == 0;
}


ngx_uint_t
ngx_http_recs_type(ngx_http_recs_ctx_t *ctx)
{
    size_t                     len;
    u_char                    *type, *end, lowcase[NGX_HTTP_RECS_TYPE_MAX];
    ngx_uint_t                 hash;
    ngx_http_request_t        *r;
    ngx_http_recs_loc_conf_t  *rlcf;

    r = ctx->request;
    rlcf = ctx->conf;

    type = r->headers_out.content_type.data;
    len = r->headers_out.content_type.len;

    /* nginx itself cuts off a charset only */

    end = len ? ngx_strlchr(type, type + len, ';') : NULL;

    if (end) {
        len = end - type;
    }

    while (len && (type[len - 1] == ' ' || type[len - 1] == '\t')) {
        len--;
    }

    if (len == 0 || len > NGX_HTTP_RECS_TYPE_MAX) {
        return rlcf->types.size == 0;
    }

    hash = ngx_hash_strlow(lowcase, type, len);

    if (ctx->served == NULL
        && ngx_strlcasestrn(lowcase, lowcase + len, (u_char *) "msgpack",
                            7 - 1))
    {
        ctx->body.format = RECS_MSGPACK;
    }

    return rlcf->types.size == 0
           || ngx_hash_find(&rlcf->types, hash, lowcase, len)
           || (rlcf->json_suffix && len > 5
               && ngx_memcmp(lowcase + len - 5, "+json", 5) == 0);
}


void
ngx_http_recs_check(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r->headers_out.status != NGX_HTTP_OK) {
        ctx->state = NGX_HTTP_RECS_BYPASSED;
        ctx->why = "status";
        return;
    }

    if (r->method == NGX_HTTP_HEAD || r->header_only) {
        ctx->state = NGX_HTTP_RECS_BYPASSED;
        ctx->why = "no_body";
        return;
    }

    if (ctx->conf->enable == NGX_HTTP_RECS_SHADOW_MODE && r->headers_in.range) {
        /* the range filter has to see the header before the body */
        ctx->state = NGX_HTTP_RECS_BYPASSED;
        ctx->why = "range";
        return;
    }

    if (!ngx_http_recs_encoding(ctx)) {
        ctx->state = NGX_HTTP_RECS_BYPASSED;
        ctx->why = "encoding";
        return;
    }

    if (r->headers_out.content_length_n > (off_t) ctx->conf->max_body_size) {
        ngx_http_recs_too_large(ctx);
    }
}


void
ngx_http_recs_too_large(ngx_http_recs_ctx_t *ctx)
{
    ctx->state = NGX_HTTP_RECS_TOO_LARGE;
    ctx->why = "body";

    if (ngx_recs_quiet_again(&ctx->conf->bad_body)) {
        ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0,
                      "recs: a body can't be filtered: larger than "
                      "recs_max_body_size, %uz bytes",
                      ctx->conf->max_body_size);
    }
}


/* Can the body be read?  Notes if it must be decompressed for it. */

static ngx_uint_t
ngx_http_recs_encoding(ngx_http_recs_ctx_t *ctx)
{
    ngx_str_t         *encoding;
    ngx_table_elt_t   *h;

    h = ctx->request->headers_out.content_encoding;

    if (h == NULL || h->value.len == 0) {
        return 1;
    }

    if (ngx_http_recs_encodings(ctx->request) > 1) {
        return 0;
    }

    encoding = &h->value;

    if ((encoding->len == 4
         && ngx_strncasecmp(encoding->data, (u_char *) "gzip", 4) == 0)
        || (encoding->len == 6
            && ngx_strncasecmp(encoding->data, (u_char *) "x-gzip", 6) == 0))
    {
        ctx->body.gzip = 1;
        return 1;
    }

    return encoding->len == 8
           && ngx_strncasecmp(encoding->data, (u_char *) "identity", 8) == 0;
}


/* Counts the Content-Encoding fields: nginx knows of the last one. */

static ngx_uint_t
ngx_http_recs_encodings(ngx_http_request_t *r)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash && h[i].key.len == 16
                && ngx_strncasecmp(h[i].key.data,
                                   (u_char *) "Content-Encoding", 16)
                   == 0)
            {
                n++;
            }
        }
    }

    return n;
}


ngx_uint_t
ngx_http_recs_rejects_body(ngx_http_recs_ctx_t *ctx)
{
    if (ctx->conf->enable != NGX_HTTP_RECS_ON) {
        return 0;
    }

    if (ctx->state == NGX_HTTP_RECS_TOO_LARGE) {
        return ctx->conf->on_bad_body != NGX_HTTP_RECS_BAD_PASS;
    }

    /* a row that is no page is of no use to anybody */

    return ctx->conf->on_bad_body == NGX_HTTP_RECS_BAD_REJECT
           || (ctx->served && ctx->state == NGX_HTTP_RECS_MALFORMED);
}
