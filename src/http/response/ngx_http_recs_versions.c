
/*
 * Versions and ages of what a page was made of: found in its body, in variables
 * or in its snapshot's descriptor, and held against what the location accepts.
 */


#include "ngx_http_recs_response.h"
#include "recs_time.h"
#include "recs_transcode.h"


/* A date may be so far ahead, s: clocks differ, but not by days. */

#define NGX_HTTP_RECS_AHEAD  86400


static ngx_int_t ngx_http_recs_read_source(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_source_t *source, ngx_uint_t index, ngx_str_t *text);
static ngx_int_t ngx_http_recs_read_body(ngx_http_recs_ctx_t *ctx,
    ngx_uint_t index, ngx_str_t *text);
static void ngx_http_recs_snapshot_version(ngx_http_recs_ctx_t *ctx,
    ngx_uint_t version, ngx_str_t *text);
static ngx_int_t ngx_http_recs_snapshot_age(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_aged_t *aged);
static void ngx_http_recs_made(ngx_http_recs_aged_t *aged, int64_t made);
static ngx_uint_t ngx_http_recs_accepted(ngx_str_t *accept,
    const ngx_str_t *text);


/*
 * Reads a value that is anywhere in the response; index is its number among
 * the page's values, if it is in the body.  The text's data is NULL if nothing
 * was found.
 */

static ngx_int_t
ngx_http_recs_read_source(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_source_t *source, ngx_uint_t index, ngx_str_t *text)
{
    if (source->from == NGX_HTTP_RECS_FROM_BODY) {
        return ngx_http_recs_read_body(ctx, index, text);
    }

    if (ngx_http_complex_value(ctx->request, source->value, text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (text->len == 0) {
        text->data = NULL;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_read_body(ngx_http_recs_ctx_t *ctx, ngx_uint_t index,
    ngx_str_t *text)
{
    recs_str_t     span;
    recs_value_t  *v;

    ngx_str_null(text);

    v = &ctx->page.values[index];

    if (v->span.data == NULL || v->type == RECS_NULL) {
        return NGX_OK;
    }

    if (recs_transcode_text(&ctx->mem, v, &span) != RECS_OK) {
        return NGX_ERROR;
    }

    if (span.len) {
        text->data = (u_char *) span.data;
        text->len = span.len;
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

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        version = ctx->conf->versions ? &ctx->conf->versions[i] : NULL;
        found = &ctx->versions[i];

        if (version == NULL
            || version->source.from == NGX_HTTP_RECS_FROM_SNAPSHOT)
        {
            ngx_http_recs_snapshot_version(ctx, i, &found->text);

        } else if (ngx_http_recs_read_source(ctx, &version->source,
                                             ctx->conf->values.versions[i],
                                             &found->text)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (version == NULL || version->accept == NULL) {
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


void
ngx_http_recs_snapshot_versions(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        ngx_http_recs_snapshot_version(ctx, i, &ctx->versions[i].text);
    }
}


/* Reads what the descriptor of the snapshot that is served says. */

static void
ngx_http_recs_snapshot_version(ngx_http_recs_ctx_t *ctx,
    ngx_uint_t version, ngx_str_t *text)
{
    const ngx_recs_text_t        *said;
    const ngx_recs_descriptor_t  *from;

    ngx_str_null(text);

    if (ctx->served == NULL) {
        return;
    }

    from = ctx->served->row.served ? ctx->served->row.served
                                   : &ctx->served->row.snapshot->active;

    switch (version) {

    case NGX_HTTP_RECS_MODEL:
        said = &from->model;
        break;

    case NGX_HTTP_RECS_SCHEMA:
        said = &from->schema;
        break;

    case NGX_HTTP_RECS_FEATURES:
        said = &from->features;
        break;

    default:
        said = &from->version;
    }

    if (said->len) {
        text->data = (u_char *) said->data;
        text->len = said->len;
    }
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

    if (ctx->served
        && ngx_http_recs_snapshot_age(ctx,
                                      &ctx->ages[NGX_HTTP_RECS_CANDIDATES_AGE])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        freshness = ctx->conf->freshness ? &ctx->conf->freshness[i] : NULL;
        aged = &ctx->ages[i];

        if (freshness && freshness->max_age
            && (aged->max_age == 0 || freshness->max_age < aged->max_age))
        {
            aged->max_age = freshness->max_age;
        }

        if (freshness
            && freshness->source.from != NGX_HTTP_RECS_FROM_SNAPSHOT)
        {
            if (ngx_http_recs_read_source(ctx, &freshness->source,
                                          ctx->conf->values.ages[i], &text)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            span = ngx_recs_span(&text);
            aged->known = 0;

            if (text.len && recs_time_parse(&span, &made)) {
                ngx_http_recs_made(aged, made);
            }
        }

        aged->stale = aged->max_age
                      && (!aged->known || aged->age > aged->max_age);
    }

    return NGX_OK;
}


static void
ngx_http_recs_made(ngx_http_recs_aged_t *aged, int64_t made)
{
    if (made < ngx_time() + NGX_HTTP_RECS_AHEAD) {
        aged->known = 1;
        aged->age = made < ngx_time() ? ngx_time() - (time_t) made : 0;
    }
}


/* Reads what the row says, or else its snapshot's descriptor. */

static ngx_int_t
ngx_http_recs_snapshot_age(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_aged_t *aged)
{
    int64_t                       made;
    ngx_int_t                     max_age;
    ngx_str_t                     text;
    recs_str_t                    span;
    const ngx_recs_descriptor_t  *from;

    from = ctx->served->row.served;

    made = from->generated_at;
    aged->max_age = from->max_age;

    if (ngx_http_recs_read_body(ctx, ctx->conf->values.row_generated_at, &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    span = ngx_recs_span(&text);

    if (text.len) {
        (void) recs_time_parse(&span, &made);
    }

    if (ngx_http_recs_read_body(ctx, ctx->conf->values.row_max_age, &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    max_age = text.len ? ngx_parse_time(&text, 1) : NGX_ERROR;

    if (max_age != NGX_ERROR && max_age != 0) {
        aged->max_age = max_age;
    }

    ngx_http_recs_made(aged, made);

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
