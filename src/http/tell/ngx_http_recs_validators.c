
/*
 * Validators: what a client says of the body that it has is compared with the
 * rewritten body, and with no other.
 *
 * nginx and the upstream would answer If-None-Match and the like by the body
 * before it is rewritten: a client would go on showing what is sold out.  So
 * these fields are hidden from both before the content is asked for.  The
 * rewritten body gets an ETag of its own (RFC 9110, section 8.8.3).
 */


#include "ngx_http_recs_tell.h"
#include "recs_xxhash.h"


static ngx_int_t ngx_http_recs_hide_fields(ngx_http_request_t *r);
static ngx_uint_t ngx_http_recs_has_hidden(ngx_list_t *fields);
static ngx_uint_t ngx_http_recs_hidden_name(const ngx_str_t *name);
static const ngx_str_t *ngx_http_recs_if_none_match(ngx_http_request_t *r);
static ngx_uint_t ngx_http_recs_etag_in(const ngx_str_t *list,
    const ngx_str_t *etag);


/*
 * These fields are hidden, by their names.  Without Accept-Encoding the
 * upstream sends no compressed body, which we would have to decompress; nginx
 * itself still has that field, for its own gzip.
 */

static const ngx_str_t  ngx_http_recs_hidden_names[] = {
    ngx_string("if-none-match"),
    ngx_string("if-modified-since"),
    ngx_string("if-match"),
    ngx_string("if-unmodified-since"),
    ngx_string("if-range"),
    ngx_string("range"),
    ngx_string("accept-encoding"),
    ngx_null_string
};


ngx_int_t
ngx_http_recs_hide_handler(ngx_http_request_t *r)
{
    ngx_http_headers_in_t     *in;
    ngx_http_recs_main_ctx_t  *mctx;
    ngx_http_recs_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_recs_module);

    if (rlcf->enable != NGX_HTTP_RECS_ON) {
        return NGX_DECLINED;
    }

    in = &r->headers_in;

    if (in->if_none_match && r == r->main) {

        mctx = ngx_http_recs_get_main_ctx(r);
        if (mctx == NULL) {
            return NGX_ERROR;
        }

        mctx->hidden = 1;

        /* other methods have their effect: their answers are not cut short */

        if (r->method == NGX_HTTP_GET) {
            mctx->if_none_match = in->if_none_match->value;
        }
    }

    if (ngx_http_recs_hide_fields(r) != NGX_OK) {
        return NGX_ERROR;
    }

    in->if_none_match = NULL;
    in->if_modified_since = NULL;
    in->if_match = NULL;
    in->if_unmodified_since = NULL;
    in->if_range = NULL;
    in->range = NULL;

    return NGX_DECLINED;
}


/*
 * Takes the fields out of the list that goes to the upstream.  The list is made
 * anew: the elements of the old one stay where they are, others point to them.
 */

static ngx_int_t
ngx_http_recs_hide_fields(ngx_http_request_t *r)
{
    ngx_list_t        kept;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *copy;

    if (!ngx_http_recs_has_hidden(&r->headers_in.headers)) {
        return NGX_OK;
    }

    if (ngx_list_init(&kept, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_recs_hidden_name(&h[i].key)) {
                continue;
            }

            copy = ngx_list_push(&kept);
            if (copy == NULL) {
                return NGX_ERROR;
            }

            *copy = h[i];
        }
    }

    r->headers_in.headers = kept;

    if (kept.last == &kept.part) {
        /* the list's own first part moved with it */
        r->headers_in.headers.last = &r->headers_in.headers.part;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_recs_has_hidden(ngx_list_t *fields)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &fields->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_recs_hidden_name(&h[i].key)) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_recs_hidden_name(const ngx_str_t *name)
{
    const ngx_str_t  *hidden;

    for (hidden = ngx_http_recs_hidden_names; hidden->len; hidden++) {

        if (hidden->len == name->len
            && ngx_strncasecmp(hidden->data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Returns what the main request said, or NULL.  The field stands where it was
 * if the response came before fields are hidden: from "return" in a server or
 * location.
 */

static const ngx_str_t *
ngx_http_recs_if_none_match(ngx_http_request_t *r)
{
    ngx_http_recs_main_ctx_t  *mctx;

    mctx = ngx_http_recs_find_main_ctx(r);

    if (mctx && mctx->hidden) {
        return &mctx->if_none_match;
    }

    return r->headers_in.if_none_match ? &r->headers_in.if_none_match->value
                                       : NULL;
}


ngx_int_t
ngx_http_recs_etag(ngx_http_recs_ctx_t *ctx)
{
    size_t            i;
    ngx_str_t         value;
    recs_str_t       *piece;
    XXH3_state_t      state;
    XXH128_hash_t     hash;
    ngx_table_elt_t  *h;

    static const ngx_str_t  name = ngx_string("ETag");

    (void) XXH3_128bits_reset(&state);

    for (i = 0; i < ctx->output.npieces; i++) {
        piece = &ctx->output.pieces[i];
        (void) XXH3_128bits_update(&state, piece->data, piece->len);
    }

    hash = XXH3_128bits_digest(&state);

    value.data = ngx_pnalloc(ctx->request->pool, 2 + 32);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "\"%016xL%016xL\"",
                            (int64_t) hash.high64, (int64_t) hash.low64)
                - value.data;

    h = ngx_http_recs_header(ctx->request, &name, &value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ctx->request->headers_out.etag = h;

    return NGX_OK;
}


ngx_uint_t
ngx_http_recs_not_modified(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;
    const ngx_str_t     *said;

    r = ctx->request;

    if (r != r->main || r->method != NGX_HTTP_GET) {
        return 0;
    }

    said = ngx_http_recs_if_none_match(r);

    if (said == NULL
        || !ngx_http_recs_etag_in(said, &r->headers_out.etag->value))
    {
        return 0;
    }

    r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
    r->headers_out.status_line.len = 0;
    r->headers_out.content_type.len = 0;
    ngx_http_clear_content_length(r);

    ngx_recs_count(ngx_http_recs_counted(ctx)->responses.not_modified, 1);

    return 1;
}


/*
 * Compares weakly (RFC 9110, section 8.8.3.2): what gzip weakened on its way
 * out comes back as W/"...".
 */

static ngx_uint_t
ngx_http_recs_etag_in(const ngx_str_t *list, const ngx_str_t *etag)
{
    u_char  *p, *last, *start;

    p = list->data;
    last = p + list->len;

    if (list->len == 1 && *p == '*') {
        return 1;
    }

    while (p < last) {

        /* an entity-tag holds no quote, but may hold a comma */

        start = ngx_strlchr(p, last, '"');
        if (start == NULL) {
            return 0;
        }

        p = ngx_strlchr(start + 1, last, '"');
        if (p == NULL) {
            return 0;
        }

        p++;

        if ((size_t) (p - start) == etag->len
            && ngx_memcmp(start, etag->data, etag->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
