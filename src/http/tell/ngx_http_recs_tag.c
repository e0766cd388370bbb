
/*
 * The body's own tag: the member "_recs" of the root object, with the same
 * facts as the header's, and with what was removed if that is asked for.
 */


#include "ngx_http_recs_names.h"
#include "ngx_http_recs_tell.h"
#include "recs_text.h"
#include "recs_writer.h"


static ngx_int_t ngx_http_recs_explained(ngx_http_recs_ctx_t *ctx,
    ngx_uint_t *explained);
static void ngx_http_recs_tag_counts(ngx_http_recs_ctx_t *ctx,
    recs_writer_t *w);
static void ngx_http_recs_tag_sets(ngx_http_recs_ctx_t *ctx,
    recs_writer_t *w);
static void ngx_http_recs_tag_versions(ngx_http_recs_ctx_t *ctx,
    recs_writer_t *w);
static void ngx_http_recs_tag_ages(ngx_http_recs_ctx_t *ctx,
    recs_writer_t *w);
static void ngx_http_recs_tag_removed(ngx_http_recs_ctx_t *ctx,
    recs_writer_t *w);
static void ngx_http_recs_tag_text(recs_writer_t *w, const recs_str_t *text,
    ngx_uint_t bin);


ngx_int_t
ngx_http_recs_tag(ngx_http_recs_ctx_t *ctx, recs_str_t *tag)
{
    recs_str_t     state, source;
    ngx_uint_t     explained;
    recs_writer_t  w;

    tag->data = (u_char *) "";
    tag->len = 0;

    if (ngx_http_recs_explained(ctx, &explained) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->page.root != RECS_OBJECT
        || (!explained && !(ctx->conf->tag & NGX_HTTP_RECS_TAG_BODY)))
    {
        return NGX_OK;
    }

    state = ngx_recs_span(&ngx_http_recs_states[ctx->state]);

    recs_writer_init(&w, &ctx->mem, ctx->body.format, 512);

    recs_write_object(&w);
    recs_write_key(&w, "state");
    recs_write_string(&w, &state);
    ngx_http_recs_tag_counts(ctx, &w);

    if (ctx->served) {
        source = ngx_recs_span(&ngx_http_recs_rows[ctx->served->row.source]);

        recs_write_key(&w, "row");
        recs_write_string(&w, &source);
    }

    ngx_http_recs_tag_sets(ctx, &w);
    ngx_http_recs_tag_versions(ctx, &w);
    ngx_http_recs_tag_ages(ctx, &w);

    if (ctx->page.not_utf8) {
        recs_write_key(&w, "not_utf8");
        recs_write_true(&w);
    }

    if (explained) {
        ngx_http_recs_tag_removed(ctx, &w);
    }

    recs_write_object_end(&w);

    tag->data = w.data;
    tag->len = w.len;

    return w.failed ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_recs_explained(ngx_http_recs_ctx_t *ctx, ngx_uint_t *explained)
{
    ngx_str_t  value;

    *explained = 0;

    if (ctx->conf->explain == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(ctx->request, ctx->conf->explain, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    *explained = value.len && !(value.len == 1 && value.data[0] == '0');

    return NGX_OK;
}


static void
ngx_http_recs_tag_counts(ngx_http_recs_ctx_t *ctx, recs_writer_t *w)
{
    recs_decision_t  *d;

    d = &ctx->decision;

    recs_write_key_uint(w, "total", d->total);
    recs_write_key_uint(w, "kept", d->kept);
    recs_write_key_uint(w, "removed", d->removed);
    recs_write_key_uint(w, "explored", d->explored);

    if (ctx->conf->backfill) {
        recs_write_key_uint(w, "backfilled", d->backfilled);
    }

    if (ctx->conf->distinct) {
        recs_write_key_uint(w, "repeated", d->repeated);
    }

    if (d->unidentified) {
        recs_write_key_uint(w, "unidentified", d->unidentified);
    }
}


static void
ngx_http_recs_tag_sets(ngx_http_recs_ctx_t *ctx, recs_writer_t *w)
{
    recs_str_t            name, why;
    ngx_uint_t            i;
    ngx_recs_question_t  *q;

    recs_write_key(w, "sets");
    recs_write_object(w);

    for (i = 0; i < ctx->lookup.ask.nquestions; i++) {
        q = &ctx->lookup.ask.questions[i];
        name = ngx_recs_span(&q->set->name);

        recs_write_key_str(w, &name);
        recs_write_object(w);

        if (q->skip) {
            recs_write_key(w, "skipped");
            recs_write_true(w);

        } else {

            if (q->replica) {
                recs_write_key_uint(w, "age", q->age);
            }

            if (q->stale || q->unknown) {
                why = ngx_recs_span(&ngx_recs_whys[q->why]);

                recs_write_key(w, q->unknown ? "unknown" : "stale");
                recs_write_true(w);
                recs_write_key(w, "why");
                recs_write_string(w, &why);
            }

            if (q->prefetched) {
                recs_write_key(w, "prefetched");
                recs_write_true(w);
            }

            recs_write_key_uint(w, "removed", ctx->lookup.removed[i]);
        }

        recs_write_object_end(w);
    }

    recs_write_object_end(w);
}


static void
ngx_http_recs_tag_versions(ngx_http_recs_ctx_t *ctx, recs_writer_t *w)
{
    recs_str_t              name, text;
    ngx_uint_t              i, skewed;
    ngx_http_recs_found_t  *found;

    skewed = 0;

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        found = &ctx->versions[i];
        skewed |= found->skewed;

        if (found->text.data) {
            name = ngx_recs_span(&ngx_http_recs_versions[i]);
            text = ngx_recs_span(&found->text);

            recs_write_key_str(w, &name);
            ngx_http_recs_tag_text(w, &text, 0);
        }
    }

    if (!skewed) {
        return;
    }

    recs_write_key(w, "skew");
    recs_write_array(w);

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {

        if (ctx->versions[i].skewed) {
            name = ngx_recs_span(&ngx_http_recs_versions[i]);
            recs_write_string(w, &name);
        }
    }

    recs_write_array_end(w);
}


/* "age":{"candidates":3600,"features":60},"stale":["candidates"] */

static void
ngx_http_recs_tag_ages(ngx_http_recs_ctx_t *ctx, recs_writer_t *w)
{
    recs_str_t  name;
    ngx_uint_t  i, stale;

    if (ctx->conf->freshness == NULL && ctx->served == NULL) {
        return;
    }

    stale = 0;

    recs_write_key(w, "age");
    recs_write_object(w);

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        stale |= ctx->ages[i].stale;

        if (ctx->ages[i].known) {
            name = ngx_recs_span(&ngx_http_recs_ages[i]);

            recs_write_key_str(w, &name);
            recs_write_uint(w, ctx->ages[i].age);
        }
    }

    recs_write_object_end(w);

    if (!stale) {
        return;
    }

    recs_write_key(w, "stale");
    recs_write_array(w);

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {

        if (ctx->ages[i].stale) {
            name = ngx_recs_span(&ngx_http_recs_ages[i]);
            recs_write_string(w, &name);
        }
    }

    recs_write_array_end(w);
}


/* Each item that went, in order: its id and the set or the rule. */

static void
ngx_http_recs_tag_removed(ngx_http_recs_ctx_t *ctx, recs_writer_t *w)
{
    size_t                i;
    recs_str_t            set;
    recs_item_t          *item;
    recs_verdict_t       *verdict;
    ngx_recs_question_t  *q;

    static const char  *rules[] = {     /* by recs_fate_e */
        NULL, NULL, "distinct", "limit", "explore", "unidentified"
    };

    recs_write_key(w, "items");
    recs_write_array(w);

    for (i = 0; i < ctx->page.nitems; i++) {
        item = &ctx->page.items[i];
        verdict = &ctx->decision.verdicts[i];

        if (verdict->fate == RECS_KEPT) {
            continue;
        }

        recs_write_object(w);
        recs_write_key(w, "id");

        if (item->id.data) {
            ngx_http_recs_tag_text(w, &item->id, item->bin);

        } else {
            recs_write_null(w);
        }

        if (verdict->fate == RECS_REFUSED) {
            q = &ctx->lookup.ask.questions[ctx->lookup.rules[verdict->rule]];
            set = ngx_recs_span(&q->set->name);

            recs_write_key(w, "set");
            recs_write_string(w, &set);

        } else {
            recs_write_key(w, "rule");
            recs_write_cstr(w, rules[verdict->fate]);
        }

        recs_write_object_end(w);
    }

    recs_write_array_end(w);
}


/*
 * In MessagePack, what came as a bin stays one, and what is no text becomes
 * one: strict decoders refuse a str that is not UTF-8, and all around it.
 */

static void
ngx_http_recs_tag_text(recs_writer_t *w, const recs_str_t *text,
    ngx_uint_t bin)
{
    if (w->msgpack && (bin || !recs_text_is_utf8(text))) {
        recs_write_bin(w, text);

    } else {
        recs_write_string(w, text);
    }
}
