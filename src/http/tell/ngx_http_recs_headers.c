
/*
 * The response's header: what is said of the response, and nothing that would
 * lie about a rewritten body.
 */


#include "ngx_http_recs_names.h"
#include "ngx_http_recs_recent.h"
#include "ngx_http_recs_tell.h"


#define NGX_HTTP_RECS_HEADER_MAX  128       /* bytes of a version */


static ngx_int_t ngx_http_recs_version_headers(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_filter_header(ngx_http_recs_ctx_t *ctx);
static u_char *ngx_http_recs_filter_decision(ngx_http_recs_ctx_t *ctx,
    u_char *p);
static ngx_int_t ngx_http_recs_sets_header(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_age_header(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_timing_header(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_body_headers(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_cache_headers(ngx_http_recs_ctx_t *ctx);
static ngx_uint_t ngx_http_recs_no_store(ngx_http_request_t *r);
static ngx_uint_t ngx_http_recs_lists(const ngx_str_t *list,
    const char *element);
static ngx_int_t ngx_http_recs_own_cache_control(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static void ngx_http_recs_clear(ngx_http_request_t *r,
    const ngx_str_t *names);


static const ngx_str_t  ngx_http_recs_version_names[] = {
    ngx_string("Recs-Model-Version"),
    ngx_string("Recs-Schema-Version"),
    ngx_string("Recs-Feature-Version"),
    ngx_string("Recs-Snapshot")
};

static const ngx_str_t  ngx_http_recs_filter_name = ngx_string("Recs-Filter");
static const ngx_str_t  ngx_http_recs_sets_name = ngx_string("Recs-Sets");
static const ngx_str_t  ngx_http_recs_age_name = ngx_string("Recs-Age");
static const ngx_str_t  ngx_http_recs_timing_name = ngx_string("Server-Timing");


/* What an upstream may say under our names is not ours. */

static const ngx_str_t  ngx_http_recs_own[] = {
    ngx_string("Recs-Filter"),
    ngx_string("Recs-Sets"),
    ngx_string("Recs-Model-Version"),
    ngx_string("Recs-Schema-Version"),
    ngx_string("Recs-Feature-Version"),
    ngx_string("Recs-Snapshot"),
    ngx_string("Recs-Age"),
    ngx_null_string
};

/*
 * How long others may keep the response, and how long they have.  Some of them
 * overrule Cache-Control (RFC 9213), even "no-store".
 */

static const ngx_str_t  ngx_http_recs_cache[] = {
    ngx_string("Expires"),
    ngx_string("Age"),
    ngx_string("CDN-Cache-Control"),
    ngx_string("Surrogate-Control"),
    ngx_string("X-Accel-Expires"),
    ngx_null_string
};

static const ngx_str_t  ngx_http_recs_cache_control[] = {
    ngx_string("Cache-Control"),
    ngx_null_string
};

/*
 * Digests of the body as it came; and what an upstream said twice, where nginx
 * knows of the last one alone.
 */

static const ngx_str_t  ngx_http_recs_body_fields[] = {
    ngx_string("ETag"),
    ngx_string("Last-Modified"),
    ngx_string("Accept-Ranges"),
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

    if (ctx->conf->enable == NGX_HTTP_RECS_ON) {

        ngx_http_recs_body_headers(ctx);

        if (ctx->conf->expires != NGX_HTTP_RECS_EXPIRES_OFF
            && ngx_http_recs_cache_headers(ctx) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_recs_clear(ctx->request, ngx_http_recs_own);

    if (!(ctx->conf->tag & NGX_HTTP_RECS_TAG_HEADERS)) {
        return NGX_OK;
    }

    if (ngx_http_recs_filter_header(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->decided
        && (ngx_http_recs_sets_header(ctx) != NGX_OK
            || ngx_http_recs_age_header(ctx) != NGX_OK))
    {
        return NGX_ERROR;
    }

    /*
     * in shadow, nothing is added that is not ours by its name; and no browser
     * ever sees a subrequest's
     */

    if (ctx->rewritten && ctx->request == ctx->request->main
        && ngx_http_recs_timing_header(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_recs_version_headers(ctx);
}


ngx_table_elt_t *
ngx_http_recs_header(ngx_http_request_t *r, const ngx_str_t *name,
    const ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key = *name;
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


static ngx_int_t
ngx_http_recs_version_headers(ngx_http_recs_ctx_t *ctx)
{
    ngx_str_t   *text;
    ngx_uint_t   i;

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        text = &ctx->versions[i].text;

        if (text->data == NULL) {
            continue;
        }

        if (!ngx_http_recs_sendable(text)) {
            ngx_recs_count(ngx_http_recs_counted(ctx)->responses.unsent, 1);
            continue;
        }

        if (ngx_http_recs_header(ctx->request, &ngx_http_recs_version_names[i],
                                 text)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_uint_t
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

    p = ngx_pnalloc(ctx->request->pool,
                    sizeof("too_large;why=truncated;row=too_large"
                           ";total=;kept=;removed=;explored=;backfilled="
                           ";repeated=;unidentified="
                           ";skew=\"model schema features snapshot\""
                           ";stale=\"candidates features\";not_utf8")
                    + 7 * NGX_SIZE_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    p = ngx_sprintf(p, "%V", &ngx_http_recs_states[ctx->state]);

    if (ctx->why) {
        p = ngx_sprintf(p, ";why=%s", ctx->why);
    }

    if (ctx->served) {
        p = ngx_sprintf(p, ";row=%V",
                        &ngx_http_recs_rows[ctx->served->row.source]);
    }

    if (ctx->decided) {
        p = ngx_http_recs_filter_decision(ctx, p);
    }

    value.len = p - value.data;

    return ngx_http_recs_header(ctx->request, &ngx_http_recs_filter_name,
                                &value)
           ? NGX_OK : NGX_ERROR;
}


static u_char *
ngx_http_recs_filter_decision(ngx_http_recs_ctx_t *ctx, u_char *p)
{
    ngx_uint_t        i, n;
    recs_decision_t  *d;

    d = &ctx->decision;

    p = ngx_sprintf(p, ";total=%uz;kept=%uz;removed=%uz;explored=%uz",
                    d->total, d->kept, d->removed, d->explored);

    if (ctx->conf->backfill) {
        p = ngx_sprintf(p, ";backfilled=%uz", d->backfilled);
    }

    if (ctx->conf->distinct) {
        p = ngx_sprintf(p, ";repeated=%uz", d->repeated);
    }

    if (d->unidentified) {
        p = ngx_sprintf(p, ";unidentified=%uz", d->unidentified);
    }

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

    n = 0;

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        if (ctx->ages[i].stale) {
            p = ngx_sprintf(p, "%s%V", n++ ? " " : ";stale=\"",
                            &ngx_http_recs_ages[i]);
        }
    }

    if (n) {
        *p++ = '"';
    }

    if (ctx->page.not_utf8) {
        p = ngx_sprintf(p, ";not_utf8");
    }

    return p;
}


/*
 * in_stock;age=12;removed=5, watched;prefetched;removed=1,
 * seen;unknown;why=timeout, basket;skipped
 */

static ngx_int_t
ngx_http_recs_sets_header(ngx_http_recs_ctx_t *ctx)
{
    u_char               *p;
    size_t                len;
    ngx_str_t             value;
    ngx_uint_t            i;
    ngx_recs_question_t  *q;

    if (ctx->lookup.ask.nquestions == 0) {
        return NGX_OK;
    }

    len = 0;

    for (i = 0; i < ctx->lookup.ask.nquestions; i++) {
        len += ctx->lookup.ask.questions[i].set->name.len
               + sizeof(", ;age=;stale;unknown;why=distrusted;prefetched"
                        ";removed=")
               + 2 * NGX_SIZE_T_LEN;
    }

    p = ngx_pnalloc(ctx->request->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;

    for (i = 0; i < ctx->lookup.ask.nquestions; i++) {
        q = &ctx->lookup.ask.questions[i];

        p = ngx_sprintf(p, "%s%V", i ? ", " : "", &q->set->name);

        if (q->skip) {
            p = ngx_sprintf(p, ";skipped");
            continue;
        }

        if (q->replica) {
            p = ngx_sprintf(p, ";age=%M", q->age);
        }

        if (q->stale || q->unknown) {
            p = ngx_sprintf(p, ";%s;why=%V", q->unknown ? "unknown" : "stale",
                            &ngx_recs_whys[q->why]);
        }

        if (q->prefetched) {
            p = ngx_sprintf(p, ";prefetched");
        }

        if (!q->unknown || ctx->lookup.removed[i]) {
            p = ngx_sprintf(p, ";removed=%uz", ctx->lookup.removed[i]);
        }
    }

    value.len = p - value.data;

    return ngx_http_recs_header(ctx->request, &ngx_http_recs_sets_name,
                                &value)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_recs_age_header(ngx_http_recs_ctx_t *ctx)
{
    ngx_str_t              value;
    ngx_http_recs_aged_t  *aged;

    aged = &ctx->ages[NGX_HTTP_RECS_CANDIDATES_AGE];

    if (!aged->known) {
        return NGX_OK;
    }

    value.data = ngx_pnalloc(ctx->request->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", aged->age) - value.data;

    return ngx_http_recs_header(ctx->request, &ngx_http_recs_age_name, &value)
           ? NGX_OK : NGX_ERROR;
}


/*
 * How long the answers took, and all else that was done since the body was
 * complete (W3C Server Timing), in ms.  It is a list in as many lines as there
 * are: what the upstream says stays beside it.
 */

static ngx_int_t
ngx_http_recs_timing_header(ngx_http_recs_ctx_t *ctx)
{
    uint64_t   lookup, filter;
    ngx_str_t  value;

    value.data = ngx_pnalloc(ctx->request->pool,
                             sizeof("recs;dur=.000, recs-filter;dur=.000")
                             + 2 * NGX_INT64_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    lookup = ctx->lookup.took;
    filter = ngx_http_recs_clock() - ctx->complete - lookup;

    value.len = ngx_sprintf(value.data,
                            "recs;dur=%uL.%03uL, recs-filter;dur=%uL.%03uL",
                            lookup / 1000, lookup % 1000,
                            filter / 1000, filter % 1000)
                - value.data;

    return ngx_http_recs_header(ctx->request, &ngx_http_recs_timing_name,
                                &value)
           ? NGX_OK : NGX_ERROR;
}


/* What the upstream's header says of a body that is not the one sent. */

static void
ngx_http_recs_body_headers(ngx_http_recs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    /* the answer to HEAD is that of GET, whose body would be rewritten */

    if (!ctx->rewritten && !(r->method == NGX_HTTP_HEAD
                           && r->headers_out.status == NGX_HTTP_OK))
    {
        return;
    }

    ngx_http_clear_content_length(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_etag(r);
    ngx_http_recs_clear(r, ngx_http_recs_body_fields);

    if (ctx->rewritten) {
        r->headers_out.content_length_n = ctx->output.size;
    }

    if (ctx->rewritten && r->headers_out.content_encoding) {
        r->headers_out.content_encoding->hash = 0;
        r->headers_out.content_encoding = NULL;
    }
}


/* What a client may keep. */

static ngx_int_t
ngx_http_recs_cache_headers(ngx_http_recs_ctx_t *ctx)
{
    time_t                      left, max_age;
    ngx_str_t                   value;
    ngx_table_elt_t            *h;
    ngx_http_request_t         *r;
    ngx_http_recs_aged_t       *aged;

    static const ngx_str_t  name = ngx_string("Cache-Control");

    r = ctx->request;

    ngx_http_recs_clear(r, ngx_http_recs_cache);
    r->headers_out.expires = NULL;

    if (ngx_http_recs_no_store(r)) {
        /* nothing is stricter */
        return NGX_OK;
    }

    max_age = 0;

    if (!ctx->stale
        && (ctx->state == NGX_HTTP_RECS_FILTERED
            || ctx->state == NGX_HTTP_RECS_SKEWED))
    {
        max_age = ctx->conf->expires;
    }

    aged = &ctx->ages[NGX_HTTP_RECS_CANDIDATES_AGE];

    if (aged->max_age) {
        left = aged->known ? aged->max_age - aged->age : 0;
        max_age = ngx_max(ngx_min(max_age, left), 0);
    }

    value.data = ngx_pnalloc(r->pool, sizeof("private, max-age=")
                                      + NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = (max_age ? ngx_sprintf(value.data, "private, max-age=%T",
                                       max_age)
                         : ngx_sprintf(value.data, "private, no-cache"))
                - value.data;

    ngx_http_recs_clear(r, ngx_http_recs_cache_control);

    h = ngx_http_recs_header(r, &name, &value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_recs_own_cache_control(r, h);
}


/* Is there a Cache-Control with "no-store"? */

static ngx_uint_t
ngx_http_recs_no_store(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash && h[i].key.len == 13
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Cache-Control",
                                   13)
                   == 0
                && ngx_http_recs_lists(&h[i].value, "no-store"))
            {
                return 1;
            }
        }
    }

    return 0;
}


/* Is that one of the list's elements?  RFC 9110, section 5.6.1. */

static ngx_uint_t
ngx_http_recs_lists(const ngx_str_t *list, const char *element)
{
    size_t   len;
    u_char  *p, *last, *end;

    len = ngx_strlen(element);
    last = list->data + list->len;

    for (p = list->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if ((size_t) (end - p) >= len
            && ngx_strncasecmp(p, (u_char *) element, len) == 0)
        {
            p += len;

            while (p < end && (*p == ' ' || *p == '\t')) {
                p++;
            }

            if (p == end) {
                return 1;
            }
        }
    }

    return 0;
}


/* Makes h the response's Cache-Control for the filters that come after. */

static ngx_int_t
ngx_http_recs_own_cache_control(ngx_http_request_t *r, ngx_table_elt_t *h)
{
#if (nginx_version >= 1023000)

    r->headers_out.cache_control = h;

#else

    ngx_table_elt_t  **cc;

    if (ngx_array_init(&r->headers_out.cache_control, r->pool, 1,
                       sizeof(ngx_table_elt_t *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cc = ngx_array_push(&r->headers_out.cache_control);
    if (cc == NULL) {
        return NGX_ERROR;
    }

    *cc = h;

#endif

    return NGX_OK;
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


void
ngx_http_recs_count_response(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t                  i;
    ngx_http_recs_counted_t    *counted;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_recs_module);

    ngx_http_recs_recent_note(rmcf);

    counted = ngx_http_recs_counted(ctx);

    ngx_recs_count(counted->states.states[ctx->state], 1);

    if (ctx->state == NGX_HTTP_RECS_BYPASSED && ctx->why
        && ngx_strcmp(ctx->why, "encoding") == 0)
    {
        ngx_recs_count(counted->responses.encoded, 1);
    }

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        if (ctx->versions[i].skewed) {
            ngx_recs_count(counted->responses.skew[i], 1);
        }
    }

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        if (ctx->ages[i].stale) {
            ngx_recs_count(counted->responses.stale[i], 1);
        }
    }

    if (ctx->decided && ctx->page.not_utf8) {
        ngx_recs_count(counted->responses.not_utf8, 1);
    }
}
