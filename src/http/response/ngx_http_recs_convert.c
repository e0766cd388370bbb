
/*
 * Rows of a snapshot are in one format, and some clients would rather have the
 * other: converts a whole document, once all else is done to it.
 */


#include "ngx_http_recs_response.h"
#include "ngx_recs_quiet.h"
#include "recs_transcode.h"


ngx_int_t
ngx_http_recs_convert(ngx_http_recs_ctx_t *ctx, ngx_str_t *text)
{
    recs_str_t   from, to;
    const char  *error;

    if (ctx->served == NULL || ctx->served->format == ctx->body.format) {
        return NGX_OK;
    }

    from = ngx_recs_span(text);

    error = recs_transcode(&ctx->mem, ctx->body.format, &from,
                           ctx->served->format, &to);
    if (error) {

        if (ngx_recs_quiet_again(&ctx->conf->bad_body)) {
            ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0,
                          "recs: a row can't be served as %s: %s",
                          ctx->served->format == RECS_JSON ? "JSON"
                                                         : "MessagePack",
                          error);
        }

        return NGX_HTTP_BAD_GATEWAY;
    }

    text->data = (u_char *) to.data;
    text->len = to.len;

    return NGX_OK;
}


ngx_int_t
ngx_http_recs_convert_output(ngx_http_recs_ctx_t *ctx)
{
    u_char         *p;
    size_t          i;
    ngx_str_t       text;
    recs_output_t  *out;

    out = &ctx->output;

    if (ctx->served == NULL || ctx->served->format == ctx->body.format) {
        return NGX_OK;
    }

    text.len = out->size;
    text.data = ngx_pnalloc(ctx->request->pool, text.len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    p = text.data;

    for (i = 0; i < out->npieces; i++) {
        p = ngx_cpymem(p, out->pieces[i].data, out->pieces[i].len);
    }

    if (ngx_http_recs_convert(ctx, &text) != NGX_OK) {
        ctx->state = NGX_HTTP_RECS_MALFORMED;
        ctx->why = "format";
        ctx->reject = 1;
        return NGX_OK;
    }

    out->pieces[0] = ngx_recs_span(&text);
    out->npieces = 1;
    out->size = text.len;

    return NGX_OK;
}
