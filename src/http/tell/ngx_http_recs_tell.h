
/*
 * What is said of a response: in its header and its body, in variables and
 * records.  Nothing here changes what becomes of it.
 */


#ifndef NGX_HTTP_RECS_TELL_H
#define NGX_HTTP_RECS_TELL_H


#include "ngx_http_recs_request.h"


/*
 * ngx_http_recs_headers.c
 *
 * What the response's header says of it, once its state is known; counts it.
 * NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_headers(ngx_http_recs_ctx_t *ctx);

/* Counts the response by its state, where it has no header of ours. */

void ngx_http_recs_count_response(ngx_http_recs_ctx_t *ctx);

/*
 * Can a version stand in a header?  It comes from a body, which may say any:
 * at most 128 bytes, printable, of ASCII.
 */

ngx_uint_t ngx_http_recs_sendable(const ngx_str_t *value);

/* Adds a header of texts that stay as long as the request.  NULL: no memory. */

ngx_table_elt_t *ngx_http_recs_header(ngx_http_request_t *r,
    const ngx_str_t *name, const ngx_str_t *value);

/*
 * ngx_http_recs_validators.c
 *
 * A phase handler: hides what a client says of the body that it has.
 */

ngx_int_t ngx_http_recs_hide_handler(ngx_http_request_t *r);

/* Gives the rewritten body its ETag.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_http_recs_etag(ngx_http_recs_ctx_t *ctx);

/* Does the client have the body of that ETag?  Then its header is a 304's. */

ngx_uint_t ngx_http_recs_not_modified(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_tag.c
 *
 * The member "_recs" of the body, in its format; empty: none.  NGX_OK or
 * NGX_ERROR.
 */

ngx_int_t ngx_http_recs_tag(ngx_http_recs_ctx_t *ctx, recs_str_t *tag);

/*
 * ngx_http_recs_slow.c
 *
 * Logs which sets and servers a response waited for too long, of which
 * lookup.ask.nslow are known; now and then, and how many it said nothing of.
 */

void ngx_http_recs_slow(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_variables.c
 *
 * Before the configuration is read: all $recs_... there are.  NGX_OK or
 * NGX_ERROR.
 */

ngx_int_t ngx_http_recs_add_variables(ngx_conf_t *cf);

/*
 * Afterwards: every $recs_... in use is there, and one thing only.  NGX_OK, or
 * NGX_ERROR and it was logged.
 */

ngx_int_t ngx_http_recs_check_variables(ngx_conf_t *cf);

/* The variable is this text, which stays as long as the request.  NGX_OK. */

static ngx_inline ngx_int_t
ngx_http_recs_text(ngx_http_variable_value_t *v, const ngx_str_t *text)
{
    v->data = text->data;
    v->len = text->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}

/* ngx_http_recs_decoded.c */

extern const ngx_str_t  ngx_http_recs_decoded_prefix;

/* Such a variable is in use.  NGX_OK, or NGX_ERROR and it was logged. */

ngx_int_t ngx_http_recs_decoded_use(ngx_conf_t *cf, const ngx_str_t *name);

/* data: the variable's name, a ngx_str_t * */

ngx_int_t ngx_http_recs_decoded_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* ngx_http_recs_exposure.c: $recs_exposure */

ngx_int_t ngx_http_recs_exposure_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* ngx_http_recs_user_hash.c: the directive, */

char *ngx_http_recs_user_hash(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * and the first 128 bits of HMAC-SHA256 (RFC 2104) of text, in hex: hash has
 * room for NGX_HTTP_RECS_HASH_LEN.  NGX_OK or NGX_ERROR.
 */

#define NGX_HTTP_RECS_HASH_LEN  32          /* hex digits */

ngx_int_t ngx_http_recs_hash_user(const ngx_str_t *key, const ngx_str_t *text,
    u_char *hash);


#endif /* NGX_HTTP_RECS_TELL_H */
