
/*
 * The response's header: what is said of the response, and nothing that would
 * lie about a rewritten body.
 */


#include "ngx_http_recs.h"


static ngx_int_t ngx_http_recs_header(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_recs_version_headers(ngx_http_recs_ctx_t *ctx);
static ngx_uint_t ngx_http_recs_sendable(const ngx_str_t *value);
static ngx_int_t ngx_http_recs_filter_header(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_sets_header(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_body_headers(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_clear(ngx_http_request_t *r,
    const ngx_str_t *names);
static void ngx_http_recs_count_response(ngx_http_recs_ctx_t *ctx);


static const ngx_str_t  ngx_http_recs_version_names[] = {
    ngx_string("Recs-Model-Version"),
    ngx_string("Recs-Schema-Version"),
    ngx_string("Recs-Feature-Version"),
    ngx_string("Recs-Snapshot")
};

static const ngx_str_t  ngx_http_recs_filter_name = ngx_string("Recs-Filter");
static const ngx_str_t  ngx_http_recs_sets_name = ngx_string("Recs-Sets");


/* What an upstream may say under our names is not ours. */

static const ngx_str_t  ngx_http_recs_own[] = {
    ngx_string("Recs-Filter"),
    ngx_string("Recs-Sets"),
    ngx_string("Recs-Model-Version"),
    ngx_string("Recs-Schema-Version"),
    ngx_string("Recs-Feature-Version"),
    ngx_string("Recs-Snapshot"),
    ngx_null_string
};

/* Digests of the body as it came. */

static const ngx_str_t  ngx_http_recs_digests[] = {
    ngx_string("Content-MD5"),
    ngx_string("Digest"),
    ngx_string("Content-Digest"),
    ngx_string("Repr-Digest"),
    ngx_null_string
};


ngx_int_t
ngx_http_recs_headers(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_recs_count_response(ctx);

    ngx_http_recs_body_headers(ctx);

    ngx_http_recs_clear(ctx->request, ngx_http_recs_own);

    if (!(ctx->conf->tag & NGX_HTTP_RECS_TAG_HEADERS)) {
        return NGX_OK;
    }

    if (ngx_http_recs_filter_header(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ctx->decided) {
        return NGX_OK;
    }

    if (ngx_http_recs_sets_header(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_recs_version_headers(ctx);
}


static ngx_int_t
ngx_http_recs_header(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = *name;
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_version_headers(ngx_http_recs_ctx_t *ctx)
{
    ngx_str_t                  *text;
    ngx_uint_t                  i;
    ngx_http_recs_main_conf_t  *rmcf;

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        text = &ctx->versions[i].text;

        if (text->data == NULL) {
            continue;
        }

        if (!ngx_http_recs_sendable(text)) {
            rmcf = ngx_http_get_module_main_conf(ctx->request,
                                                 ngx_http_recs_module);
            ngx_recs_count(rmcf->responses->unsent, 1);
            continue;
        }

        if (ngx_http_recs_header(ctx->request, &ngx_http_recs_version_names[i],
                                 text)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_recs_sendable(const ngx_str_t *value)
{
    size_t  i;

    if (value->len > NGX_HTTP_RECS_HEADER_MAX) {
        return 0;
    }

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20 || value->data[i] > 0x7e) {
            return 0;
        }
    }

    return 1;
}


/* filtered;total=50;kept=20;removed=9;explored=1, malformed;why=syntax */

static ngx_int_t
ngx_http_recs_filter_header(ngx_http_recs_ctx_t *ctx)
{
    u_char            *p;
    ngx_str_t          value;
    ngx_uint_t         i, n;
    recs_decision_t   *d;

    p = ngx_pnalloc(ctx->request->pool,
                    sizeof("too_large;total=;kept=;removed=;explored=;skew=\"\"")
                    + 4 * NGX_SIZE_T_LEN + 64);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    p = ngx_sprintf(p, "%V", &ngx_http_recs_states[ctx->state]);

    if (ctx->why) {
        p = ngx_sprintf(p, ";why=%s", ctx->why);
    }

    if (ctx->decided) {
        d = &ctx->decision;

        p = ngx_sprintf(p, ";total=%uz;kept=%uz;removed=%uz;explored=%uz",
                        d->total, d->kept, d->removed, d->ninserts);

        n = 0;

        for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
            if (ctx->versions[i].skewed) {
                p = ngx_sprintf(p, "%s%V", n++ ? " " : ";skew=\"",
                                &ngx_http_recs_versions[i]);
            }
        }

        if (n) {
            *p++ = '"';
        }
    }

    value.len = p - value.data;

    return ngx_http_recs_header(ctx->request, &ngx_http_recs_filter_name,
                                &value);
}


/* in_stock;removed=5, watched;unknown, basket;skipped */

static ngx_int_t
ngx_http_recs_sets_header(ngx_http_recs_ctx_t *ctx)
{
    u_char               *p;
    size_t                len;
    ngx_str_t             value;
    ngx_uint_t            i;
    ngx_recs_question_t  *q;

    if (ctx->ask.nquestions == 0) {
        return NGX_OK;
    }

    len = 0;

    for (i = 0; i < ctx->ask.nquestions; i++) {
        len += ctx->ask.questions[i].set->name.len
               + sizeof(", ;unknown;skipped;removed=") + NGX_SIZE_T_LEN;
    }

    p = ngx_pnalloc(ctx->request->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    for (i = 0; i < ctx->ask.nquestions; i++) {
        q = &ctx->ask.questions[i];

        p = ngx_sprintf(p, "%s%V", i ? ", " : "", &q->set->name);

        if (q->skip) {
            p = ngx_sprintf(p, ";skipped");
            continue;
        }

        if (q->unknown) {
            p = ngx_sprintf(p, ";unknown");
        }

        if (!q->unknown || ctx->removed[i]) {
            p = ngx_sprintf(p, ";removed=%uz", ctx->removed[i]);
        }
    }

    value.len = p - value.data;

    return ngx_http_recs_header(ctx->request, &ngx_http_recs_sets_name,
                                &value);
}


/* What the upstream's header says of a body that is not the one sent. */

static void
ngx_http_recs_body_headers(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    /* the answer to HEAD is that of GET, whose body would be rewritten */

    if (!ctx->decided && !(r->method == NGX_HTTP_HEAD
                           && r->headers_out.status == NGX_HTTP_OK))
    {
        return;
    }

    ngx_http_clear_content_length(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_etag(r);
    ngx_http_recs_clear(r, ngx_http_recs_digests);

    if (ctx->decided) {
        r->headers_out.content_length_n = ctx->output.size;
    }
}


/* Removes the headers of these names. */

static void
ngx_http_recs_clear(ngx_http_request_t *r, const ngx_str_t *names)
{
    ngx_uint_t        i, k;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            for (k = 0; names[k].len; k++) {

                if (h[i].key.len == names[k].len
                    && ngx_strncasecmp(h[i].key.data, names[k].data,
                                       names[k].len)
                       == 0)
                {
                    h[i].hash = 0;
                    break;
                }
            }
        }
    }
}


static void
ngx_http_recs_count_response(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t                  i;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_recs_module);

    ngx_recs_count(rmcf->responses->states[ctx->state], 1);

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        if (ctx->versions[i].skewed) {
            ngx_recs_count(rmcf->responses->skew[i], 1);
        }
    }
}
