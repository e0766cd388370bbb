
/*
 * The answers of handlers that have all of it in memory: what they refuse, and
 * how they send it.
 */


#include "ngx_http_recs_serve.h"
#include "ngx_http_recs_tell.h"


ngx_int_t
ngx_http_recs_reply_begin(ngx_http_request_t *r)
{
    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    return ngx_http_discard_request_body(r);
}


ngx_int_t
ngx_http_recs_reply(ngx_http_request_t *r, const recs_writer_t *w,
    const char *type, ngx_uint_t status)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    static const ngx_str_t  cache_control = ngx_string("Cache-Control");
    static const ngx_str_t  no_store = ngx_string("no-store");

    b = ngx_calloc_buf(r->pool);

    if (b == NULL || w->failed
        || ngx_http_recs_header(r, &cache_control, &no_store) == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = w->data;
    b->last = w->data + w->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = strcspn(type, ";");
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.status = status;
    r->headers_out.content_length_n = w->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}
