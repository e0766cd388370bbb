
/*
 * The content handlers recs_pass and recs_ready, and what they share with
 * recs_status.  A handler returns what nginx finalizes its request with.
 */


#ifndef NGX_HTTP_RECS_SERVE_H
#define NGX_HTTP_RECS_SERVE_H


#include "ngx_http_recs_conf.h"

#include "recs_writer.h"


/* ngx_http_recs_pass.c, ngx_http_recs_ready.c */

ngx_int_t ngx_http_recs_pass_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_recs_ready_handler(ngx_http_request_t *r);

/* A type that there is, and its format, a number below NGX_HTTP_RECS_OFFERS. */

#define NGX_HTTP_RECS_OFFERS  8

typedef struct {
    ngx_str_t                   type;
    ngx_uint_t                  format;
} ngx_http_recs_offer_t;


/* Those of a page, by recs_format_e. */

#define NGX_HTTP_RECS_PAGE_OFFERS  4

extern const ngx_http_recs_offer_t  ngx_http_recs_page_offers[];

/*
 * ngx_http_recs_accept.c
 *
 * The format that the client would rather have, of n offers (at most
 * NGX_HTTP_RECS_OFFERS), by Accept, and what it calls it; *format as it is, if
 * it has no preference.
 */

void ngx_http_recs_negotiate(ngx_http_request_t *r,
    const ngx_http_recs_offer_t *offers, ngx_uint_t n, ngx_uint_t *format,
    ngx_str_t *type);

/* The usual name of a page's format. */

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
