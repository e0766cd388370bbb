
/*
 * Bodies that come compressed by gzip (RFC 1952) though nobody asked: one
 * member, or several in a row (section 2.2).  What follows the last one and
 * begins no other (padding, say) is ignored, as gzip does.
 */


#include "ngx_http_recs_response.h"


#include <zlib.h>


static void *ngx_http_recs_inflate_alloc(void *opaque, u_int items,
    u_int size);
static void ngx_http_recs_inflate_free(void *opaque, void *address);
static ngx_int_t ngx_http_recs_inflate_grow(ngx_http_recs_ctx_t *ctx,
    z_stream *zs, size_t *size);
static ngx_uint_t ngx_http_recs_inflate_member(z_stream *zs);


ngx_int_t
ngx_http_recs_inflate(ngx_http_recs_ctx_t *ctx)
{
    int        rc;
    size_t     size;
    z_stream   zs;
    ngx_int_t  grown;

    ngx_memzero(&zs, sizeof(z_stream));

    zs.zalloc = ngx_http_recs_inflate_alloc;
    zs.zfree = ngx_http_recs_inflate_free;
    zs.opaque = ctx->request->pool;

    /* 16: a gzip header, not zlib's */

    if (inflateInit2(&zs, MAX_WBITS + 16) != Z_OK) {
        return NGX_ERROR;
    }

    zs.next_in = ctx->body.buf ? ctx->body.buf->pos : (u_char *) "";
    zs.avail_in = ctx->body.buf ? ctx->body.buf->last - ctx->body.buf->pos : 0;

    size = 0;
    rc = Z_OK;

    while (rc == Z_OK || rc == Z_BUF_ERROR) {

        if (zs.avail_out == 0) {
            grown = ngx_http_recs_inflate_grow(ctx, &zs, &size);

            if (grown != NGX_OK) {
                (void) inflateEnd(&zs);
                return grown;
            }

        } else if (zs.avail_in == 0) {
            break;
        }

        rc = inflate(&zs, Z_NO_FLUSH);

        if (rc == Z_STREAM_END && ngx_http_recs_inflate_member(&zs)) {
            rc = inflateReset(&zs);
        }
    }

    ctx->body.text.len = zs.next_out - ctx->body.text.data;

    (void) inflateEnd(&zs);

    if (ctx->body.text.len > ctx->conf->max_body_size) {
        ngx_http_recs_too_large(ctx);
        return NGX_DECLINED;
    }

    if (rc != Z_STREAM_END) {
        ctx->state = NGX_HTTP_RECS_MALFORMED;
        ctx->why = "encoding";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* Does another member begin where one has ended? */

static ngx_uint_t
ngx_http_recs_inflate_member(z_stream *zs)
{
    return zs->avail_in >= 2
           && zs->next_in[0] == 0x1f && zs->next_in[1] == 0x8b;
}


/* Makes more room for the output, up to recs_max_body_size and a byte. */

static ngx_int_t
ngx_http_recs_inflate_grow(ngx_http_recs_ctx_t *ctx, z_stream *zs,
    size_t *size)
{
    size_t   more;
    u_char  *p;

    if (*size > ctx->conf->max_body_size) {
        ngx_http_recs_too_large(ctx);
        return NGX_DECLINED;
    }

    more = *size ? 4 * *size : 65536;
    more = ngx_min(more, ctx->conf->max_body_size + 1);

    p = ngx_palloc(ctx->request->pool, more);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (*size) {
        ngx_memcpy(p, ctx->body.text.data, *size);
        (void) ngx_pfree(ctx->request->pool, ctx->body.text.data);
    }

    zs->next_out = p + *size;
    zs->avail_out = more - *size;

    ctx->body.text.data = p;
    *size = more;

    return NGX_OK;
}


static void *
ngx_http_recs_inflate_alloc(void *opaque, u_int items, u_int size)
{
    return ngx_palloc(opaque, (size_t) items * size);
}


static void
ngx_http_recs_inflate_free(void *opaque, void *address)
{
    (void) ngx_pfree(opaque, address);
}
