
/*
 * From a whole body to the rewritten one: reads the page, draws exploration
 * panels, asks the sets, decides, renders.
 */


#include "ngx_http_recs_response.h"
#include "ngx_http_recs_tell.h"
#include "ngx_recs_quiet.h"


static ngx_int_t ngx_http_recs_read(ngx_http_recs_ctx_t *ctx);
static const char *ngx_http_recs_refuse(ngx_http_recs_ctx_t *ctx,
    recs_rc_e rc, const char *error);
static void ngx_http_recs_bad_body(ngx_http_recs_ctx_t *ctx, const char *error,
    size_t pos);
static ngx_int_t ngx_http_recs_identified(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_plan_backfill(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_ids(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_questions(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_question(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_set_t *rs, ngx_uint_t exclude);
static ngx_int_t ngx_http_recs_decide(ngx_http_recs_ctx_t *ctx);
static ngx_uint_t ngx_http_recs_of_held(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_decide_state(ngx_http_recs_ctx_t *ctx);
static ngx_int_t ngx_http_recs_render(ngx_http_recs_ctx_t *ctx);
static void ngx_http_recs_count_items(ngx_http_recs_ctx_t *ctx);


ngx_int_t
ngx_http_recs_rewrite(ngx_http_recs_ctx_t *ctx,
    void (*done)(ngx_recs_ask_t *ask))
{
    ngx_int_t  rc;

    rc = ngx_http_recs_read(ctx);

    if (rc == NGX_DECLINED) {
        ngx_http_recs_rollout(ctx);
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->lookup.ask.pool = ctx->request->pool;
    ctx->lookup.ask.log = ctx->request->connection->log;
    ctx->lookup.ask.timeout = ctx->conf->lookup_timeout;
    ctx->lookup.ask.slow = ngx_min(ctx->conf->slow,
                                   ctx->conf->lookup_timeout);
    ctx->lookup.ask.handler = done;
    ctx->lookup.ask.data = ctx;

    ngx_http_recs_plan_backfill(ctx);

    if (ngx_http_recs_read_versions(ctx) != NGX_OK
        || ngx_http_recs_read_ages(ctx) != NGX_OK
        || ngx_http_recs_plan_explore(ctx) != NGX_OK
        || ngx_http_recs_ids(ctx) != NGX_OK
        || ngx_http_recs_questions(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->lookup.ask.nquestions) {
        ctx->lookup.asked = ngx_http_recs_clock();
    }

    return ngx_recs_ask(&ctx->lookup.ask);
}


ngx_int_t
ngx_http_recs_rewrite_answered(ngx_http_recs_ctx_t *ctx)
{
    if (ctx->lookup.asked) {
        ctx->lookup.took = ngx_http_recs_clock() - ctx->lookup.asked;

        ngx_http_recs_count_time(&ngx_http_recs_counted(ctx)->lookup,
                                 ctx->lookup.took);
    }

    if (ctx->lookup.ask.nslow) {
        ngx_http_recs_slow(ctx);
    }

    if (ngx_http_recs_cap_draws(ctx) != NGX_OK
        || ngx_http_recs_decide(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->decided = 1;

    ngx_http_recs_decide_state(ctx);

    if (!ctx->reject) {
        ctx->rewritten = (ctx->conf->enable == NGX_HTTP_RECS_ON);

        if (ctx->rewritten && ngx_http_recs_render(ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_recs_count_items(ctx);
    }

    ngx_http_recs_rollout(ctx);

    return NGX_OK;
}


/*
 * Reads the page.  NGX_OK; NGX_DECLINED: the body can't be filtered, ctx->state
 * says so; NGX_ERROR.
 */

static ngx_int_t
ngx_http_recs_read(ngx_http_recs_ctx_t *ctx)
{
    size_t       pos;
    ngx_int_t    inflated;
    recs_rc_e    rc;
    recs_str_t   text;
    const char  *error;

    if (ctx->body.gzip) {
        inflated = ngx_http_recs_inflate(ctx);

        if (inflated != NGX_OK) {
            return inflated;
        }

    } else if (ctx->body.buf) {
        ctx->body.text.data = ctx->body.buf->pos;
        ctx->body.text.len = ctx->body.buf->last - ctx->body.buf->pos;

    } else {
        ngx_str_set(&ctx->body.text, "");
    }

    text = ngx_recs_span(&ctx->body.text);

    pos = 0;
    error = NULL;

    rc = recs_page_read(&ctx->mem, &ctx->conf->spec, ctx->body.format, &text,
                        &ctx->page, &error, &pos);

    if (rc == RECS_OK) {
        return ngx_http_recs_identified(ctx);
    }

    if (rc == RECS_NOMEM) {
        return NGX_ERROR;
    }

    ngx_http_recs_bad_body(ctx, ngx_http_recs_refuse(ctx, rc, error), pos);

    return NGX_DECLINED;
}


/* Sets the state by what is wrong with the body, and returns it for the log. */

static const char *
ngx_http_recs_refuse(ngx_http_recs_ctx_t *ctx, recs_rc_e rc, const char *error)
{
    ctx->state = NGX_HTTP_RECS_MALFORMED;

    switch (rc) {

    case RECS_NO_SHELF:
        ctx->why = "no_shelf";
        return "no shelf where recs_items points to";

    case RECS_NO_COMPANION:
        ctx->why = "no_companion";
        return "a shelf lacks what recs_items says is with it";

    case RECS_UNEVEN:
        ctx->why = "uneven";
        return "what is with a shelf is not as long as that";

    case RECS_TOO_MANY:
        ctx->state = NGX_HTTP_RECS_TOO_LARGE;
        ctx->why = "items";
        return "more items than recs_max_items";

    default:
        ctx->why = "syntax";
        return error;
    }
}


static void
ngx_http_recs_bad_body(ngx_http_recs_ctx_t *ctx, const char *error, size_t pos)
{
    if (ngx_recs_quiet_again(&ctx->conf->bad_body)) {
        ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0,
                      "recs: a body can't be filtered: %s, at byte %uz",
                      error, pos);
    }
}


/*
 * Has any item of the page a usable id?  If none has, recs_item_id most likely
 * points to where ids were once.
 */

static ngx_int_t
ngx_http_recs_identified(ngx_http_recs_ctx_t *ctx)
{
    size_t                     i;
    ngx_http_recs_loc_conf_t  *rlcf;

    for (i = 0; i < ctx->page.nitems; i++) {
        if (ctx->page.items[i].id.data) {
            return NGX_OK;
        }
    }

    if (i == 0) {
        return NGX_OK;
    }

    rlcf = ctx->conf;

    if (ngx_recs_quiet_again(&rlcf->unidentified)) {
        ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0,
                      "recs: no item of a page has a usable id where "
                      "recs_item_id points to, items: %uz", i);
    }

    if (rlcf->enable != NGX_HTTP_RECS_ON
        || rlcf->on_unidentified != NGX_HTTP_RECS_UNIDENTIFIED_REJECT)
    {
        return NGX_OK;
    }

    ctx->state = NGX_HTTP_RECS_MALFORMED;
    ctx->why = "unidentified";
    ctx->reject = 1;

    return NGX_DECLINED;
}


/* Holds as many items as may be needed: twice what all shelves may miss. */

static void
ngx_http_recs_plan_backfill(ngx_http_recs_ctx_t *ctx)
{
    size_t                     n;
    ngx_http_recs_backfill_t  *backfill;

    backfill = ctx->conf->backfill;

    if (backfill == NULL) {
        return;
    }

    ctx->backfill.items = ngx_http_recs_hold_pool(ctx->request,
                                                  &backfill->pool->pool);

    if (ctx->backfill.items == NULL) {
        return;
    }

    n = ngx_min(2 * backfill->min * ctx->page.nshelves,
                NGX_HTTP_RECS_BACKFILL_MAX);

    ctx->backfill.n = ngx_min(n, ctx->backfill.items->choices.n);
}


/* Lists what is asked about: ids of the page, the panels and the backfill. */

static ngx_int_t
ngx_http_recs_ids(ngx_http_recs_ctx_t *ctx)
{
    size_t        i, n;
    unsigned      k, s;
    recs_str_t   *ids;
    recs_draw_t  *draw;

    n = ctx->page.nitems + ctx->backfill.n;

    for (s = 0; s < ctx->explore.ndraws; s++) {
        n += ctx->explore.draws[s].norder;
    }

    ids = ngx_palloc(ctx->request->pool, n * sizeof(recs_str_t) + 1);
    if (ids == NULL) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < ctx->page.nitems; i++) {
        if (ctx->page.items[i].id.data) {
            ids[n++] = ctx->page.items[i].id;
        }
    }

    for (s = 0; s < ctx->explore.ndraws; s++) {
        draw = &ctx->explore.draws[s];

        for (k = 0; k < draw->norder; k++) {
            ids[n++] = draw->line->pool->ids[draw->order[k]];
        }
    }

    for (i = 0; i < ctx->backfill.n; i++) {
        ids[n++] = ctx->backfill.items->choices.ids[i];
    }

    ctx->lookup.ask.ids = ids;
    ctx->lookup.ask.nids = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_questions(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t                   i, n;
    ngx_pool_t                  *pool;
    ngx_array_t                 *require, *exclude;
    ngx_http_recs_set_t        **rs;
    ngx_http_recs_lookup_t      *lookup;
    ngx_http_recs_main_conf_t   *rmcf;

    rmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_recs_module);
    lookup = &ctx->lookup;
    pool = ctx->request->pool;

    lookup->ask.seed = rmcf->seed;

    require = ctx->conf->require;
    exclude = ctx->conf->exclude;

    n = (require ? require->nelts : 0) + (exclude ? exclude->nelts : 0);

    lookup->ask.questions = ngx_pcalloc(pool,
                                        n * sizeof(ngx_recs_question_t) + 1);
    lookup->removed = ngx_pcalloc(pool, n * sizeof(size_t) + 1);
    lookup->rules = ngx_pnalloc(pool, n + 1);

    if (lookup->ask.questions == NULL || lookup->removed == NULL
        || lookup->rules == NULL)
    {
        return NGX_ERROR;
    }

    rs = require ? require->elts : NULL;

    for (i = 0; require && i < require->nelts; i++) {
        if (ngx_http_recs_question(ctx, rs[i], 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rs = exclude ? exclude->elts : NULL;

    for (i = 0; exclude && i < exclude->nelts; i++) {
        if (ngx_http_recs_question(ctx, rs[i], 1) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_question(ngx_http_recs_ctx_t *ctx, ngx_http_recs_set_t *rs,
    ngx_uint_t exclude)
{
    ngx_recs_question_t  *q;

    q = &ctx->lookup.ask.questions[ctx->lookup.ask.nquestions++];
    q->set = &rs->set;
    q->exclude = exclude;

    if (rs->key == NULL) {
        return NGX_OK;
    }

    if (ngx_http_recs_incomplete(ctx->request, rs->key)) {
        q->skip = 1;
        return NGX_OK;
    }

    if (ngx_http_complex_value(ctx->request, rs->key, &q->key) != NGX_OK) {
        return NGX_ERROR;
    }

    q->prefetch = ngx_http_recs_prefetched(ctx->request, q->set, &q->key);

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_decide(ngx_http_recs_ctx_t *ctx)
{
    size_t                i;
    recs_rule_t           rules[2 * NGX_HTTP_RECS_SETS_MAX];
    recs_policy_t         policy;
    ngx_recs_question_t  *q;

    ngx_memzero(&policy, sizeof(recs_policy_t));

    for (i = 0; i < ctx->lookup.ask.nquestions; i++) {
        q = &ctx->lookup.ask.questions[i];

        if (q->skip) {
            continue;
        }

        rules[policy.nrules].answers = q->answers;
        rules[policy.nrules].exclude = q->exclude;
        rules[policy.nrules].drop_unknown = q->set->drop_unknown;

        ctx->lookup.rules[policy.nrules++] = (uint8_t) i;
    }

    policy.rules = rules;
    policy.limit = ctx->conf->limit;
    policy.distinct = ctx->conf->distinct;
    policy.drop_unidentified = (ctx->conf->on_unidentified
                                == NGX_HTTP_RECS_UNIDENTIFIED_DROP);
    policy.seed = ctx->lookup.ask.seed;

    policy.draws = ctx->explore.draws;
    policy.ndraws = ctx->explore.ndraws;
    policy.event = ngx_recs_span(&ctx->event);

    if (ctx->backfill.n) {
        policy.min = ctx->conf->backfill->min;
        policy.backfill = ctx->backfill.items->choices.ids;
        policy.backfill_forms = ctx->backfill.items->choices.forms;
        policy.nbackfill = ctx->backfill.n;
    }

    if (recs_decide(&ctx->mem, &ctx->page, &policy, &ctx->decision) != RECS_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < policy.nrules; i++) {
        ctx->lookup.removed[ctx->lookup.rules[i]] = ctx->decision.removed_by[i];
    }

    return NGX_OK;
}


/* Is an item put in of a pool that is kept, as its source isn't believed? */

static ngx_uint_t
ngx_http_recs_of_held(ngx_http_recs_ctx_t *ctx)
{
    size_t            i;
    recs_insert_t    *insert;
    ngx_recs_pool_t  *pool;

    for (i = 0; i < ctx->decision.ninserts; i++) {
        insert = &ctx->decision.inserts[i];

        pool = insert->draw ? ngx_http_recs_exploring(ctx, insert->draw)->pool
                            : &ctx->conf->backfill->pool->pool;

        if (pool->shared->held.why) {
            return 1;
        }
    }

    return 0;
}


/*
 * A missing fact weighs more than a set that was not asked, that more than a
 * skewed version, and that more than age: the others have their own tags.
 */

static void
ngx_http_recs_decide_state(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t       i;
    ngx_recs_ask_t  *ask;

    ask = &ctx->lookup.ask;

    ctx->state = NGX_HTTP_RECS_FILTERED;

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        if (ctx->ages[i].stale) {
            ctx->stale = 1;
            ctx->reject |= ctx->conf->freshness
                           && ctx->conf->freshness[i].reject;
        }
    }

    if (ctx->served && ctx->served->row.source == NGX_RECS_ROW_KEPT) {
        ctx->stale = 1;
    }

    for (i = 0; i < ask->nquestions; i++) {
        if (ask->questions[i].stale) {
            ctx->stale = 1;
        }
    }

    if (ngx_http_recs_of_held(ctx)) {
        ctx->stale = 1;
    }

    if (ctx->stale) {
        ctx->state = NGX_HTTP_RECS_STALE;
    }

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        if (ctx->versions[i].skewed) {
            ctx->state = NGX_HTTP_RECS_SKEWED;
            ctx->reject |= ctx->conf->reject_skew;
        }
    }

    for (i = 0; i < ask->nquestions; i++) {
        if (ask->questions[i].skip && !ask->questions[i].exclude
            && !ctx->reject)
        {
            ctx->state = NGX_HTTP_RECS_SKIPPED;
        }
    }

    for (i = 0; i < ask->nquestions; i++) {
        if (ask->questions[i].unknown && !ctx->reject) {
            ctx->state = NGX_HTTP_RECS_DEGRADED;
        }
    }

    if (ctx->conf->enable == NGX_HTTP_RECS_SHADOW_MODE) {
        ctx->state = NGX_HTTP_RECS_SHADOW;
        ctx->reject = 0;
    }
}


static ngx_int_t
ngx_http_recs_render(ngx_http_recs_ctx_t *ctx)
{
    double                      gate;
    size_t                      i;
    recs_str_t                  tag, name;
    recs_str_t                  inserts[RECS_EXPLORE_SLOTS_MAX
                                        + NGX_HTTP_RECS_BACKFILL_MAX];
    recs_insert_t              *insert;
    ngx_recs_pool_t            *pool;
    ngx_recs_pool_items_t      *items;
    ngx_http_recs_exploring_t  *exploring;

    for (i = 0; i < ctx->decision.ninserts; i++) {
        insert = &ctx->decision.inserts[i];

        if (insert->draw) {
            exploring = ngx_http_recs_exploring(ctx, insert->draw);
            pool = exploring->pool;
            items = exploring->items;
            gate = insert->draw->line->policy->rate;

        } else {
            pool = &ctx->conf->backfill->pool->pool;
            items = ctx->backfill.items;
            gate = 0;
        }

        name = ngx_recs_span(&pool->name);

        if (recs_object_insert(&ctx->mem, &items->objects[insert->item],
                               &ctx->page, insert, &name, gate, &inserts[i])
            != RECS_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_http_recs_tag(ctx, &tag) != NGX_OK) {
        return NGX_ERROR;
    }

    if (recs_render(&ctx->mem, &ctx->page, &ctx->decision, inserts, &tag,
                    &ctx->output)
        != RECS_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_recs_convert_output(ctx);
}


static void
ngx_http_recs_count_items(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t                  i;
    recs_decision_t            *d;
    const recs_draw_t          *draw;
    ngx_recs_question_t        *q;
    ngx_http_recs_items_t      *items;
    ngx_http_recs_counted_t    *counted;
    ngx_http_recs_exploring_t  *exploring;

    d = &ctx->decision;
    counted = ngx_http_recs_counted(ctx);
    items = &counted->items;

    ngx_recs_count(items->total, d->total);
    ngx_recs_count(items->kept, d->kept);
    ngx_recs_count(items->removed, d->removed);

    if (d->unidentified) {
        ngx_recs_count(items->unidentified, d->unidentified);
    }

    if (d->repeated) {
        ngx_recs_count(items->repeated, d->repeated);
    }

    if (d->total && d->kept + d->ninserts == 0) {
        ngx_recs_count(counted->responses.emptied, 1);
    }

    for (i = 0; i < ctx->lookup.ask.nquestions; i++) {
        q = &ctx->lookup.ask.questions[i];

        if (ctx->lookup.removed[i]) {
            ngx_recs_count(q->set->counters->removed, ctx->lookup.removed[i]);

            if (ctx->labelled) {
                ngx_recs_count(q->set->removed_by[ctx->label],
                               ctx->lookup.removed[i]);
            }
        }
    }

    if (d->backfilled) {
        ngx_recs_count(items->backfilled, d->backfilled);
    }

    if (ctx->explore.draws) {
        ngx_recs_count(items->explored, d->explored);
        ngx_recs_count(items->skipped_slots, d->skipped);
        ngx_recs_count(items->unfilled_slots, d->unfilled);
        ngx_http_recs_cap_count_refused(ctx);
    }

    if (!ctx->rewritten) {
        return;
    }

    for (i = 0; i < d->ninserts; i++) {
        draw = d->inserts[i].draw;

        if (draw) {
            exploring = ngx_http_recs_exploring(ctx, draw);
            ngx_recs_count(exploring->pool->counters->shown, 1);
        }
    }

    if (d->backfilled) {
        ngx_recs_count(ctx->conf->backfill->pool->pool.counters->shown,
                       d->backfilled);
    }
}
