
/*
 * Caps: an item that recs_explore showed cap=N times within T is refused until
 * T has passed.  Counted where it was delivered, by all workers together.
 *
 * The clock is ngx_current_msec: the same for all workers of a machine, also
 * after a reload, and nobody sets it.  A wall clock that is set back would keep
 * items refused.
 */


#include "ngx_http_recs_response.h"


/* A cap has room for so many items: one for so many bytes of its pool. */

#define NGX_HTTP_RECS_CAP_SHARE  256
#define NGX_HTTP_RECS_CAP_MIN    1024


static size_t ngx_http_recs_cap_items(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_explore_t *ex);
static ngx_int_t ngx_http_recs_cap_draw(ngx_http_recs_ctx_t *ctx,
    recs_draw_t *draw);
static uint64_t ngx_http_recs_cap_hash(ngx_http_recs_exploring_t *exploring,
    const recs_str_t *id);


void
ngx_http_recs_cap_init_zone(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_explore_t *ex)
{
    u_char      buf[NGX_RECS_ZONE_BLOCK_NAME];
    size_t      size;
    uint64_t    secret;
    ngx_str_t   name;
    recs_str_t  source;

    if (ex->cap.max == 0) {
        return;
    }

    size = recs_cap_size(ngx_http_recs_cap_items(rmcf, ex));
    source = ngx_recs_span(&ex->source);

    name.data = buf;
    name.len = ngx_snprintf(buf, sizeof(buf), "%016xL %ui/%M",
                            recs_hash_str(0, &source), ex->cap.max,
                            ex->cap.window)
               - buf;

    ex->cap.shown = ngx_recs_zone_block(rmcf->zone, NGX_RECS_ZONE_CAP, &name,
                                        size);

    if (ex->cap.shown && !recs_cap_created(ex->cap.shown)) {
        secret = (uint64_t) ngx_random() << 32 ^ ngx_random() ^ ngx_pid;
        recs_cap_create(ex->cap.shown, size, secret);
    }
}


/* If a variable says which pool it is, it may be the largest. */

static size_t
ngx_http_recs_cap_items(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_explore_t *ex)
{
    size_t                  size;
    ngx_uint_t              i;
    ngx_http_recs_pool_t  **rp;

    size = ex->pool ? ex->pool->pool.size : 0;
    rp = rmcf->pools.elts;

    for (i = 0; ex->pool == NULL && i < rmcf->pools.nelts; i++) {
        size = ngx_max(size, rp[i]->pool.size);
    }

    return ngx_max(size / NGX_HTTP_RECS_CAP_SHARE, NGX_HTTP_RECS_CAP_MIN);
}


ngx_int_t
ngx_http_recs_cap_draws(ngx_http_recs_ctx_t *ctx)
{
    unsigned  s;

    for (s = 0; s < ctx->explore.ndraws; s++) {
        if (ngx_http_recs_cap_draw(ctx, &ctx->explore.draws[s]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_cap_draw(ngx_http_recs_ctx_t *ctx, recs_draw_t *draw)
{
    uint8_t                    *capped;
    unsigned                    i;
    uint64_t                    hash;
    ngx_http_recs_cap_t        *cap;
    ngx_http_recs_exploring_t  *exploring;

    exploring = ngx_http_recs_exploring(ctx, draw);
    cap = &exploring->conf->cap;

    if (cap->max == 0 || draw->norder == 0) {
        return NGX_OK;
    }

    capped = ngx_pnalloc(ctx->request->pool, draw->norder);
    if (capped == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < draw->norder; i++) {
        hash = ngx_http_recs_cap_hash(exploring,
                                      &draw->line->pool->ids[draw->order[i]]);

        capped[i] = recs_cap_peek(cap->shown, hash, cap->max, cap->window,
                                  ngx_current_msec);
    }

    draw->capped = capped;

    return NGX_OK;
}


void
ngx_http_recs_cap_count_refused(ngx_http_recs_ctx_t *ctx)
{
    unsigned                    i, s;
    recs_draw_t                *draw;
    ngx_recs_pool_counters_t   *counters;

    for (s = 0; s < ctx->explore.ndraws; s++) {
        draw = &ctx->explore.draws[s];

        if (draw->capped == NULL) {
            continue;
        }

        counters = ngx_http_recs_exploring(ctx, draw)->pool->counters;

        for (i = 0; i < draw->panel_size; i++) {

            switch (draw->capped[draw->panel[i]]) {

            case RECS_CAP_REACHED:
                ngx_recs_count(counters->capped, 1);
                break;

            case RECS_CAP_FULL:
                ngx_recs_count(counters->cap_full, 1);
                break;
            }
        }
    }
}


ngx_uint_t
ngx_http_recs_has_capped(const ngx_http_recs_ctx_t *ctx)
{
    size_t              i;
    const recs_draw_t  *draw;

    for (i = 0; i < ctx->decision.ninserts; i++) {
        draw = ctx->decision.inserts[i].draw;

        if (draw && draw->capped) {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_recs_cap_count_shown(ngx_http_recs_ctx_t *ctx)
{
    size_t                      i;
    uint64_t                    hash;
    ngx_http_recs_cap_t        *cap;
    const recs_insert_t        *insert;
    ngx_http_recs_exploring_t  *exploring;

    for (i = 0; i < ctx->decision.ninserts; i++) {
        insert = &ctx->decision.inserts[i];

        if (insert->draw == NULL || insert->draw->capped == NULL) {
            continue;
        }

        exploring = ngx_http_recs_exploring(ctx, insert->draw);
        cap = &exploring->conf->cap;
        hash = ngx_http_recs_cap_hash(exploring,
                               &insert->draw->line->pool->ids[insert->item]);

        if (recs_cap_count(cap->shown, hash, cap->window, ngx_current_msec)
            != RECS_CAP_OPEN)
        {
            ngx_recs_count(exploring->pool->counters->uncounted, 1);
        }
    }
}


static uint64_t
ngx_http_recs_cap_hash(ngx_http_recs_exploring_t *exploring,
    const recs_str_t *id)
{
    recs_str_t  name;

    name = ngx_recs_span(&exploring->pool->name);

    return recs_cap_hash(exploring->conf->cap.shown, &name, id);
}
