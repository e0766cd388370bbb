
/*
 * The content handlers, recs_pass, recs_ready and recs_status, and what they
 * share.  A handler returns what nginx finalizes its request with.
 */


#ifndef NGX_HTTP_RECS_SERVE_H
#define NGX_HTTP_RECS_SERVE_H


#include "ngx_http_recs_conf.h"

#include "recs_writer.h"


/* ngx_http_recs_pass.c, ngx_http_recs_ready.c, ngx_http_recs_status.c */

ngx_int_t ngx_http_recs_pass_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_recs_ready_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_recs_status_handler(ngx_http_request_t *r);

/*
 * ngx_http_recs_accept.c
 *
 * The format that the client would rather have, by Accept, and what it calls
 * it; *format as it is, if it has no preference.
 */

void ngx_http_recs_negotiate(ngx_http_request_t *r, recs_format_e *format,
    ngx_str_t *type);

/* The usual name of a format. */

void ngx_http_recs_format_type(recs_format_e format, ngx_str_t *type);

/*
 * ngx_http_recs_reply.c
 *
 * NGX_OK: a GET or a HEAD without a body to come; or what a handler returns.
 */

ngx_int_t ngx_http_recs_reply_begin(ngx_http_request_t *r);

/*
 * Sends what was written, which is the request's, and says that it mustn't be
 * stored.  Returns what a handler does.
 */

ngx_int_t ngx_http_recs_reply(ngx_http_request_t *r, const recs_writer_t *w,
    const char *type, ngx_uint_t status);


#endif /* NGX_HTTP_RECS_SERVE_H */
