
/*
 * The exposure record, $recs_exposure: what a response showed, and how that was
 * chosen, as one JSON object in one line.
 *
 * It is made when the variable is used.  Its size is bounded.  Of what does not
 * fit, items that exploration drew go last: estimates are made of them.
 *
 * It is one file, though a long one: what each part may take of the bound is
 * reckoned with all the others.
 */


#include "ngx_http_recs_names.h"
#include "ngx_http_recs_shown.h"
#include "ngx_http_recs_tell.h"
#include "recs_exposure.h"


#define NGX_HTTP_RECS_EXPOSURE_MAX   65536      /* bytes of a record */
#define NGX_HTTP_RECS_EXPOSURE_TEXT  1024       /* bytes of an event, a user, a
                                                   key, a version; the rest of
                                                   it is left out */

/* These take so many bytes at most, besides their names and texts. */

#define NGX_HTTP_RECS_EXPOSURE_HEAD    512
#define NGX_HTTP_RECS_EXPOSURE_ITEM    104
#define NGX_HTTP_RECS_EXPOSURE_INSERT  192
#define NGX_HTTP_RECS_EXPOSURE_DRAW    512
#define NGX_HTTP_RECS_EXPOSURE_END     160

#define NGX_HTTP_RECS_ESCAPED        6          /* bytes of one: "\u001f" */


typedef struct {
    ngx_http_recs_ctx_t   *ctx;
    recs_writer_t          w;
    ngx_uint_t             tight;       /* not all may fit */
    size_t                 reserved;    /* bytes for draws that are to come */
    size_t                 cut;         /* left out */
} ngx_http_recs_exposure_t;


static ngx_uint_t ngx_http_recs_exposure_status(ngx_http_request_t *r);
static ngx_int_t ngx_http_recs_exposure(ngx_http_recs_ctx_t *ctx,
    ngx_str_t *text);
static size_t ngx_http_recs_exposure_size(const ngx_http_recs_ctx_t *ctx,
    size_t escaped);
static ngx_int_t ngx_http_recs_exposure_head(ngx_http_recs_exposure_t *e);
static ngx_int_t ngx_http_recs_exposure_user(ngx_http_recs_exposure_t *e,
    const char *name, const char *hash_name, const ngx_str_t *user);
static void ngx_http_recs_exposure_trace(ngx_http_recs_exposure_t *e);
static void ngx_http_recs_exposure_text(recs_writer_t *w, const char *name,
    const ngx_str_t *text);
static void ngx_http_recs_exposure_unknown(ngx_http_recs_exposure_t *e);
static void ngx_http_recs_exposure_counts(ngx_http_recs_exposure_t *e);
static ngx_int_t ngx_http_recs_exposure_shown(ngx_http_recs_exposure_t *e);
static void ngx_http_recs_exposure_original(ngx_http_recs_exposure_t *e);
static ngx_int_t ngx_http_recs_exposure_reserve(ngx_http_recs_exposure_t *e);
static ngx_int_t ngx_http_recs_exposure_page(ngx_http_recs_exposure_t *e,
    ngx_uint_t drawn);
static ngx_int_t ngx_http_recs_exposure_item(ngx_http_recs_exposure_t *e,
    const ngx_http_recs_shown_t *shown);
static ngx_int_t ngx_http_recs_exposure_unfilled(ngx_http_recs_exposure_t *e);
static ngx_uint_t ngx_http_recs_exposure_vast(const recs_draw_t *draw);
static void ngx_http_recs_exposure_skipped(ngx_http_recs_exposure_t *e);
static ngx_int_t ngx_http_recs_exposure_insert(ngx_http_recs_exposure_t *e,
    const ngx_http_recs_shown_t *shown);
static const recs_object_t *ngx_http_recs_exposure_object(
    const ngx_http_recs_ctx_t *ctx, const recs_insert_t *insert);
static ngx_int_t ngx_http_recs_exposure_draw(ngx_http_recs_exposure_t *e,
    const recs_draw_t *draw);
static void ngx_http_recs_exposure_pool(recs_writer_t *w,
    const ngx_recs_pool_t *pool);
static void ngx_http_recs_exposure_fit(ngx_http_recs_exposure_t *e, size_t len,
    ngx_uint_t drawn);


/* It is not found if the response isn't looked at, or not decided on yet. */

ngx_int_t
ngx_http_recs_exposure_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            *text;
    ngx_uint_t            status;
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);

    if (ctx == NULL || ctx->state == NGX_HTTP_RECS_NONE
        || (ctx->state == NGX_HTTP_RECS_BYPASSED && ctx->why == NULL))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    /*
     * Who reads it twice gets the same bytes, time and all: one before the
     * request's end, by its status, and one in the log
     */

    status = ngx_http_recs_exposure_status(r);
    text = &ctx->exposure.text;

    if (text->data == NULL || ctx->exposure.ended != ctx->ended
        || ctx->exposure.status != status)
    {
        if (ngx_http_recs_exposure(ctx, text) != NGX_OK) {
            text->data = NULL;
            return NGX_ERROR;
        }

        ctx->exposure.ended = ctx->ended;
        ctx->exposure.status = status;
    }

    return ngx_http_recs_text(v, text);
}


static ngx_uint_t
ngx_http_recs_exposure_status(ngx_http_request_t *r)
{
    return r->err_status ? r->err_status : r->headers_out.status;
}


static ngx_int_t
ngx_http_recs_exposure(ngx_http_recs_ctx_t *ctx, ngx_str_t *text)
{
    size_t                     size;
    ngx_uint_t                 shows;
    ngx_http_recs_exposure_t   e;

    ngx_memzero(&e, sizeof(ngx_http_recs_exposure_t));

    e.ctx = ctx;
    shows = ctx->decided && !ctx->reject;

    size = NGX_HTTP_RECS_EXPOSURE_HEAD;

    if (shows) {
        size += ngx_http_recs_exposure_size(ctx, 1);
    }

    recs_writer_init(&e.w, &ctx->mem, RECS_JSON,
                     ngx_min(size, NGX_HTTP_RECS_EXPOSURE_MAX));

    e.w.strict = 1;

    recs_write_object(&e.w);

    if (ngx_http_recs_exposure_head(&e) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->decided) {
        ngx_http_recs_exposure_unknown(&e);
        ngx_http_recs_exposure_counts(&e);
    }

    if (shows && ngx_http_recs_exposure_shown(&e) != NGX_OK) {
        return NGX_ERROR;
    }

    recs_write_object_end(&e.w);

    text->data = e.w.data;
    text->len = e.w.len;

    return e.w.failed ? NGX_ERROR : NGX_OK;
}


/* All items and draws take so many bytes, if one of a text takes escaped. */

static size_t
ngx_http_recs_exposure_size(const ngx_http_recs_ctx_t *ctx, size_t escaped)
{
    size_t                      i, size;
    const recs_draw_t          *draw;
    const recs_decision_t      *d;
    ngx_http_recs_exploring_t  *exploring;

    d = &ctx->decision;
    size = NGX_HTTP_RECS_EXPOSURE_END;

    for (i = 0; i < ctx->page.nitems; i++) {
        if (!ctx->rewritten || d->verdicts[i].fate == RECS_KEPT) {
            size += NGX_HTTP_RECS_EXPOSURE_ITEM
                    + escaped * ctx->page.items[i].id.len;
        }
    }

    if (!ctx->rewritten) {
        return size;
    }

    for (i = 0; i < d->ninserts; i++) {
        size += NGX_HTTP_RECS_EXPOSURE_INSERT
                + escaped * ngx_http_recs_exposure_object(ctx, &d->inserts[i])
                            ->shown.len;
    }

    for (i = 0; i < ctx->explore.ndraws; i++) {
        draw = &ctx->explore.draws[i];
        exploring = ngx_http_recs_exploring(ctx, draw);

        size += NGX_HTTP_RECS_EXPOSURE_DRAW + 4 * draw->panel_size
                + escaped * (exploring->key.len
                             + (draw->category ? draw->category->name.len : 0));
    }

    return size;
}


static ngx_int_t
ngx_http_recs_exposure_head(ngx_http_recs_exposure_t *e)
{
    ngx_str_t             text;
    ngx_uint_t            i, status;
    ngx_time_t           *tp;
    recs_str_t            state;
    recs_writer_t        *w;
    ngx_http_request_t   *r;
    ngx_http_recs_ctx_t  *ctx;

    w = &e->w;
    ctx = e->ctx;
    r = ctx->request;

    if (ngx_http_recs_event(ctx, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_recs_exposure_text(w, "event", &text);

    tp = ngx_timeofday();
    recs_write_key_uint(w, "time", (uint64_t) tp->sec * 1000 + tp->msec);

    if (ctx->conf->user) {

        if (ngx_http_recs_steady(r, ctx->conf->user, &text) != NGX_OK
            || ngx_http_recs_exposure_user(e, "user", "user_hash", &text)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_recs_exposure_trace(e);

    state = ngx_recs_span(&ngx_http_recs_states[ctx->state]);
    recs_write_key(w, "state");
    recs_write_string(w, &state);

    if (ctx->why) {
        recs_write_key(w, "why");
        recs_write_cstr(w, ctx->why);
    }

    status = ngx_http_recs_exposure_status(r);

    if (status) {
        recs_write_key_uint(w, "status", status);
    }

    if (ctx->ended && r == r->main) {
        recs_write_key(w, "delivered");

        if (ngx_http_recs_delivered(ctx)) {
            recs_write_true(w);

        } else {
            recs_write_false(w);
        }
    }

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        if (ctx->versions[i].text.data) {
            ngx_http_recs_exposure_text(w,
                                 (char *) ngx_http_recs_versions[i].data,
                                 &ctx->versions[i].text);
        }
    }

    return NGX_OK;
}


/* Writes a user, or what stands for one, unless it is empty. */

static ngx_int_t
ngx_http_recs_exposure_user(ngx_http_recs_exposure_t *e, const char *name,
    const char *hash_name, const ngx_str_t *user)
{
    u_char      hash[NGX_HTTP_RECS_HASH_LEN];
    recs_str_t  text;

    if (user->len == 0) {
        return NGX_OK;
    }

    if (e->ctx->conf->user_hash == NULL) {
        ngx_http_recs_exposure_text(&e->w, name, user);
        return NGX_OK;
    }

    if (ngx_http_recs_hash_user(e->ctx->conf->user_hash, user, hash)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    text.data = hash;
    text.len = NGX_HTTP_RECS_HASH_LEN;

    recs_write_key(&e->w, hash_name);
    recs_write_string(&e->w, &text);

    return NGX_OK;
}


/* Writes the ids of the trace and of the span that sent the request, if any. */

static void
ngx_http_recs_exposure_trace(ngx_http_recs_exposure_t *e)
{
    recs_trace_t  trace;

    if (ngx_http_recs_trace(e->ctx->request, &trace)) {
        recs_write_key(&e->w, "trace_id");
        recs_write_string(&e->w, &trace.id);

        recs_write_key(&e->w, "parent_id");
        recs_write_string(&e->w, &trace.parent);
    }
}


/* Writes a text; of one that is too long its first whole characters. */

static void
ngx_http_recs_exposure_text(recs_writer_t *w, const char *name,
    const ngx_str_t *text)
{
    size_t      i;
    recs_str_t  span;

    span = ngx_recs_span(text);

    if (span.len > NGX_HTTP_RECS_EXPOSURE_TEXT) {
        span.len = NGX_HTTP_RECS_EXPOSURE_TEXT;

        for (i = 0; i < 3 && (span.data[span.len] & 0xc0) == 0x80; i++) {
            span.len--;
        }
    }

    recs_write_key(w, name);
    recs_write_string(w, &span);
}


/* "unknown":{"in_stock":"absent"}: sets without an answer, if there are any. */

static void
ngx_http_recs_exposure_unknown(ngx_http_recs_exposure_t *e)
{
    recs_str_t            name, why;
    ngx_uint_t            i, n;
    ngx_recs_question_t  *q;

    n = 0;

    for (i = 0; i < e->ctx->lookup.ask.nquestions; i++) {
        q = &e->ctx->lookup.ask.questions[i];

        if (!q->unknown) {
            continue;
        }

        if (n++ == 0) {
            recs_write_key(&e->w, "unknown");
            recs_write_object(&e->w);
        }

        name = ngx_recs_span(&q->set->name);
        why = ngx_recs_span(&ngx_recs_whys[q->why]);

        recs_write_key_str(&e->w, &name);
        recs_write_string(&e->w, &why);
    }

    if (n) {
        recs_write_object_end(&e->w);
    }
}


static void
ngx_http_recs_exposure_counts(ngx_http_recs_exposure_t *e)
{
    recs_writer_t    *w;
    recs_decision_t  *d;

    w = &e->w;
    d = &e->ctx->decision;

    recs_write_key_uint(w, "total", d->total);
    recs_write_key_uint(w, "kept", d->kept);
    recs_write_key_uint(w, "removed", d->removed);
    recs_write_key_uint(w, "explored", d->explored);
    recs_write_key_uint(w, "backfilled", d->backfilled);
}


/* Writes the items as they stand on the page that was sent. */

static ngx_int_t
ngx_http_recs_exposure_shown(ngx_http_recs_exposure_t *e)
{
    recs_writer_t  *w;

    w = &e->w;

    e->tight = w->len + ngx_http_recs_exposure_size(e->ctx,
                                                    NGX_HTTP_RECS_ESCAPED)
               > NGX_HTTP_RECS_EXPOSURE_MAX;

    if (e->tight && ngx_http_recs_exposure_reserve(e) != NGX_OK) {
        return NGX_ERROR;
    }

    recs_write_key(w, "shown");
    recs_write_array(w);

    if (!e->ctx->rewritten) {
        ngx_http_recs_exposure_original(e);

    } else if (ngx_http_recs_exposure_page(e, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    recs_write_array_end(w);

    if (e->ctx->rewritten && e->ctx->decision.unfilled) {
        recs_write_key(w, "unfilled");
        recs_write_array(w);

        if (ngx_http_recs_exposure_unfilled(e) != NGX_OK) {
            return NGX_ERROR;
        }

        recs_write_array_end(w);
    }

    if (e->ctx->rewritten && e->ctx->decision.skipped) {
        ngx_http_recs_exposure_skipped(e);
    }

    recs_write_key_uint(w, "cut", e->cut);

    return NGX_OK;
}


/* In shadow mode the page went out as it came. */

static void
ngx_http_recs_exposure_original(ngx_http_recs_exposure_t *e)
{
    size_t                  i;
    const recs_page_t      *page;
    const recs_item_t      *item;
    ngx_http_recs_shown_t   shown;

    page = &e->ctx->page;
    ngx_memzero(&shown, sizeof(ngx_http_recs_shown_t));

    for (shown.shelf = 1; shown.shelf <= page->nshelves; shown.shelf++) {

        item = &page->items[page->shelves[shown.shelf - 1].first];

        for (i = 0; i < page->shelves[shown.shelf - 1].nitems; i++) {

            if (item[i].id.data) {
                shown.id = item[i].id;
                shown.bin = item[i].bin;
                shown.position = i + 1;

                (void) ngx_http_recs_exposure_item(e, &shown);
            }
        }
    }
}


/* Reckons how much all draws take: other items leave that free. */

static ngx_int_t
ngx_http_recs_exposure_reserve(ngx_http_recs_exposure_t *e)
{
    size_t  len;

    if (e->ctx->explore.ndraws == 0 || !e->ctx->rewritten) {
        return NGX_OK;
    }

    len = e->w.len;
    e->tight = 0;

    if (ngx_http_recs_exposure_page(e, 1) != NGX_OK
        || ngx_http_recs_exposure_unfilled(e) != NGX_OK)
    {
        return NGX_ERROR;
    }

    e->tight = 1;
    e->reserved = e->w.len - len;

    recs_write_back(&e->w, len);

    return NGX_OK;
}


/* Writes the rewritten page; with drawn, only what was drawn of it. */

static ngx_int_t
ngx_http_recs_exposure_page(ngx_http_recs_exposure_t *e, ngx_uint_t drawn)
{
    ngx_http_recs_shown_t  shown;

    ngx_http_recs_shown_first(e->ctx, &shown);

    while (ngx_http_recs_shown_next(&shown)) {

        if (drawn && shown.source != NGX_HTTP_RECS_EXPLORED) {
            continue;
        }

        if (ngx_http_recs_exposure_item(e, &shown) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_exposure_item(ngx_http_recs_exposure_t *e,
    const ngx_http_recs_shown_t *shown)
{
    size_t  len;

    if (shown->id.len > NGX_HTTP_RECS_EXPOSURE_MAX
        || (shown->insert && ngx_http_recs_exposure_vast(shown->insert->draw)))
    {
        e->cut += e->tight;
        return NGX_OK;
    }

    len = e->w.len;

    if (shown->insert == NULL) {
        recs_exposure_item(&e->w, &shown->id, shown->bin, shown->shelf,
                           shown->position, "candidate");

    } else if (ngx_http_recs_exposure_insert(e, shown) != NGX_OK) {
        return NGX_ERROR;
    }

    recs_write_object_end(&e->w);

    ngx_http_recs_exposure_fit(e, len,
                               shown->source == NGX_HTTP_RECS_EXPLORED);

    return NGX_OK;
}


/* Writes the slots for which nothing was eligible. */

static ngx_int_t
ngx_http_recs_exposure_unfilled(ngx_http_recs_exposure_t *e)
{
    size_t              len;
    ngx_uint_t          i;
    const recs_draw_t  *draw;

    for (i = 0; i < e->ctx->explore.ndraws; i++) {
        draw = &e->ctx->explore.draws[i];

        if (draw->neligible || draw->skipped) {
            continue;
        }

        if (ngx_http_recs_exposure_vast(draw)) {
            e->cut += e->tight;
            continue;
        }

        len = e->w.len;

        recs_write_object(&e->w);

        if (ngx_http_recs_exposure_draw(e, draw) != NGX_OK) {
            return NGX_ERROR;
        }

        recs_write_object_end(&e->w);

        ngx_http_recs_exposure_fit(e, len, 1);
    }

    return NGX_OK;
}


/* Writes the numbers of the slots past the end of the shelf. */

static void
ngx_http_recs_exposure_skipped(ngx_http_recs_exposure_t *e)
{
    ngx_uint_t  i;

    recs_write_key(&e->w, "skipped");
    recs_write_array(&e->w);

    for (i = 0; i < e->ctx->explore.ndraws; i++) {
        if (e->ctx->explore.draws[i].skipped) {
            recs_write_uint(&e->w, e->ctx->explore.draws[i].slot);
        }
    }

    recs_write_array_end(&e->w);
}


/* Can it never fit?  Then nobody need write it to find out. */

static ngx_uint_t
ngx_http_recs_exposure_vast(const recs_draw_t *draw)
{
    return draw && draw->category
           && draw->category->name.len > NGX_HTTP_RECS_EXPOSURE_MAX;
}


static ngx_int_t
ngx_http_recs_exposure_insert(ngx_http_recs_exposure_t *e,
    const ngx_http_recs_shown_t *shown)
{
    const recs_draw_t    *draw;
    const recs_object_t  *object;

    draw = shown->insert->draw;
    object = ngx_http_recs_exposure_object(e->ctx, shown->insert);

    recs_exposure_item(&e->w, &object->shown, 0, shown->shelf,
                       shown->position, draw ? "explore" : "backfill");

    if (draw) {
        return ngx_http_recs_exposure_draw(e, draw);
    }

    ngx_http_recs_exposure_pool(&e->w, &e->ctx->conf->backfill->pool->pool);

    return NGX_OK;
}


static const recs_object_t *
ngx_http_recs_exposure_object(const ngx_http_recs_ctx_t *ctx,
    const recs_insert_t *insert)
{
    ngx_recs_pool_items_t  *items;

    items = insert->draw ? ngx_http_recs_exploring(ctx, insert->draw)->items
                         : ctx->backfill.items;

    return &items->objects[insert->item];
}


static ngx_int_t
ngx_http_recs_exposure_draw(ngx_http_recs_exposure_t *e,
    const recs_draw_t *draw)
{
    ngx_http_recs_exploring_t  *exploring;

    exploring = ngx_http_recs_exploring(e->ctx, draw);

    if (exploring->pool) {
        ngx_http_recs_exposure_pool(&e->w, exploring->pool);
    }

    if (ngx_http_recs_exposure_user(e, "key", "key_hash", &exploring->key)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    recs_exposure_draw(&e->w, draw,
                 (char *) ngx_http_recs_methods[draw->line->policy->method]
                          .data);

    return NGX_OK;
}


static void
ngx_http_recs_exposure_pool(recs_writer_t *w, const ngx_recs_pool_t *pool)
{
    recs_str_t  name;

    name = ngx_recs_span(&pool->name);

    recs_write_key(w, "pool");
    recs_write_string(w, &name);
}


/*
 * What was written since the record had len bytes stays if it fits; else it is
 * taken back, and counted.
 */

static void
ngx_http_recs_exposure_fit(ngx_http_recs_exposure_t *e, size_t len,
    ngx_uint_t drawn)
{
    if (!e->tight) {
        return;
    }

    if (drawn) {
        e->reserved -= ngx_min(e->reserved, e->w.len - len);
    }

    if (e->w.len + (drawn ? 0 : e->reserved) + NGX_HTTP_RECS_EXPOSURE_END
        > NGX_HTTP_RECS_EXPOSURE_MAX)
    {
        recs_write_back(&e->w, len);
        e->cut++;
    }
}
