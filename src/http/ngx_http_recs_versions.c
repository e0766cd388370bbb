
/* Versions and ages: found in the body or in variables, and judged. */


#include "ngx_http_recs.h"
#include "recs_time.h"


/* A date may be so far ahead, s: clocks differ, but not by days. */

#define NGX_HTTP_RECS_AHEAD  86400


static ngx_int_t ngx_http_recs_read_value(ngx_http_recs_ctx_t *ctx,
    ngx_http_complex_value_t *value, ngx_uint_t index, ngx_str_t *text);
static ngx_uint_t ngx_http_recs_accepted(ngx_str_t *accept,
    const ngx_str_t *text);


/*
 * The text of a value that is anywhere in the response: what variables say or,
 * if value is NULL, the index-th of the page's values.  Nothing found: data is
 * NULL.
 */

static ngx_int_t
ngx_http_recs_read_value(ngx_http_recs_ctx_t *ctx,
    ngx_http_complex_value_t *value, ngx_uint_t index, ngx_str_t *text)
{
    recs_str_t     span;
    recs_value_t  *v;

    ngx_str_null(text);

    if (value) {

        if (ngx_http_complex_value(ctx->request, value, text) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        v = &ctx->page.values[index];

        if (v->span.data && v->type != RECS_NULL) {

            if (recs_value_text(&ctx->mem, v, &span) != RECS_OK) {
                return NGX_ERROR;
            }

            text->data = (u_char *) span.data;
            text->len = span.len;
        }
    }

    if (text->len == 0) {
        text->data = NULL;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_recs_read_versions(ngx_http_recs_ctx_t *ctx)
{
    ngx_str_t                 accept;
    ngx_uint_t                i;
    ngx_http_recs_found_t    *found;
    ngx_http_recs_version_t  *version;

    for (i = 0; ctx->conf->versions && i < NGX_HTTP_RECS_NVERSIONS; i++) {
        version = &ctx->conf->versions[i];
        found = &ctx->versions[i];

        if (!version->set) {
            continue;
        }

        if (ngx_http_recs_read_value(ctx, version->value, version->index,
                                     &found->text)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (version->accept == NULL) {
            continue;
        }

        if (ngx_http_complex_value(ctx->request, version->accept, &accept)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        found->skewed = !ngx_http_recs_accepted(&accept, &found->text);
    }

    return NGX_OK;
}


/*
 * A date that isn't there, can't be read or lies ahead says nothing; where an
 * age is asked for, nothing is too old.
 */

ngx_int_t
ngx_http_recs_read_ages(ngx_http_recs_ctx_t *ctx)
{
    int64_t                     made;
    ngx_str_t                   text;
    ngx_uint_t                  i;
    recs_str_t                  span;
    ngx_http_recs_aged_t       *aged;
    ngx_http_recs_freshness_t  *freshness;

    for (i = 0; ctx->conf->freshness && i < NGX_HTTP_RECS_NAGES; i++) {
        freshness = &ctx->conf->freshness[i];
        aged = &ctx->ages[i];

        if (!freshness->set) {
            continue;
        }

        if (ngx_http_recs_read_value(ctx, freshness->value, freshness->index,
                                     &text)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        span = ngx_recs_span(&text);

        if (text.len && recs_time_parse(&span, &made)
            && made < ngx_time() + NGX_HTTP_RECS_AHEAD)
        {
            aged->known = 1;
            aged->age = made < ngx_time() ? ngx_time() - (time_t) made : 0;
        }

        aged->stale = freshness->max_age
                      && (!aged->known || aged->age > freshness->max_age);
    }

    return NGX_OK;
}


/* Is text in the comma-separated list?  An empty list accepts anything. */

static ngx_uint_t
ngx_http_recs_accepted(ngx_str_t *accept, const ngx_str_t *text)
{
    ngx_str_t  rest, item;

    if (accept->len == 0) {
        return 1;
    }

    rest = *accept;

    while (ngx_recs_list_next(&rest, &item)) {

        if (text->len && item.len == text->len
            && ngx_memcmp(item.data, text->data, text->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
