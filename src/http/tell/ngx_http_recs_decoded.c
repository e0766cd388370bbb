
/*
 * $recs_decoded_NAME: the variable $NAME, percent-decoded.  nginx hands out
 * arguments and cookies as the client typed them, and a client may type a user
 * in many ways: "u10", "u1%30".
 */


#include "ngx_http_recs_tell.h"
#include "recs_text.h"
#include "recs_url.h"


static ngx_int_t ngx_http_recs_decode(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_http_variable_value_t *v, recs_str_t *text);


const ngx_str_t  ngx_http_recs_decoded_prefix = ngx_string("recs_decoded_");


/*
 * nginx looks for variables that are in use only: NAME becomes one, so that it
 * is said where there is none of that name.
 */

ngx_int_t
ngx_http_recs_decoded_use(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_str_t  source;

    source.data = name->data + ngx_http_recs_decoded_prefix.len;
    source.len = name->len - ngx_http_recs_decoded_prefix.len;

    return ngx_http_get_variable_index(cf, &source) == NGX_ERROR ? NGX_ERROR
                                                                 : NGX_OK;
}


/*
 * A value with control characters is not found: in a key it would find
 * nothing, and it could end a line, in a log or in the header that the
 * upstream gets.
 */

ngx_int_t
ngx_http_recs_decoded_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *name = (ngx_str_t *) data;

    ngx_str_t                   source;
    recs_str_t                  text;
    ngx_http_variable_value_t  *vv;

    source.data = name->data + ngx_http_recs_decoded_prefix.len;
    source.len = name->len - ngx_http_recs_decoded_prefix.len;

    vv = ngx_http_get_variable(r, &source,
                               ngx_hash_key(source.data, source.len));
    if (vv == NULL) {
        return NGX_ERROR;
    }

    if (vv->not_found) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ngx_http_recs_decode(r, &source, vv, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (recs_text_has_control(&text)) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = (u_char *) text.data;
    v->len = text.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* In arguments "+" is a space, as forms and URLSearchParams write it. */

static ngx_int_t
ngx_http_recs_decode(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_http_variable_value_t *v, recs_str_t *text)
{
    u_char           *p;
    recs_url_form_e   form;

    form = name->len > 4 && ngx_strncmp(name->data, "arg_", 4) == 0
           ? RECS_URL_FORM : RECS_URL_PERCENT;

    text->data = v->data;
    text->len = v->len;

    if (!recs_url_encoded(text, form)) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->len = recs_url_decode(p, text, form);
    text->data = p;

    return NGX_OK;
}
