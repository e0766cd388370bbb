
/*
 * Which recs_explore lines a request explores by, and what these may draw.  It
 * is planned before the sets are asked: they are asked about what may be drawn.
 */


#include "ngx_http_recs_response.h"
#include "ngx_recs_quiet.h"


#define NGX_HTTP_RECS_UNKNOWN_LEN    128    /* bytes of it that are logged */


static ngx_int_t ngx_http_recs_plan_line(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_explore_t *ex);
static ngx_int_t ngx_http_recs_find_pool(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_explore_t *ex, ngx_recs_pool_t **pool);
static void ngx_http_recs_unknown_pool(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_explore_t *ex, ngx_str_t *name);
static ngx_int_t ngx_http_recs_plan_shows(ngx_http_recs_ctx_t *ctx,
    recs_line_t *line, recs_pointer_t *category);


ngx_int_t
ngx_http_recs_plan_explore(ngx_http_recs_ctx_t *ctx)
{
    ngx_uint_t                 i, n;
    recs_str_t                 event;
    ngx_http_recs_plan_t      *plan;
    ngx_http_recs_explore_t  **ex;

    if (ctx->conf->explore == NULL) {
        return NGX_OK;
    }

    plan = &ctx->explore;
    ex = ctx->conf->explore->elts;
    n = ctx->conf->explore->nelts;

    plan->lines = ngx_pcalloc(ctx->request->pool, n * sizeof(recs_line_t));
    plan->exploring = ngx_pcalloc(ctx->request->pool,
                                  n * sizeof(ngx_http_recs_exploring_t));

    if (plan->lines == NULL || plan->exploring == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (ngx_http_recs_plan_line(ctx, ex[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (plan->nlines == 0) {
        return NGX_OK;
    }

    if (ngx_http_recs_event(ctx, &ctx->event) != NGX_OK) {
        return NGX_ERROR;
    }

    event = ngx_recs_span(&ctx->event);

    return recs_explore_plan(&ctx->mem, plan->lines, plan->nlines, &event,
                             &plan->draws, &plan->ndraws)
           == RECS_OK ? NGX_OK : NGX_ERROR;
}


/* Adds the line, if its gate is open and it has a pool. */

static ngx_int_t
ngx_http_recs_plan_line(ngx_http_recs_ctx_t *ctx, ngx_http_recs_explore_t *ex)
{
    ngx_int_t                   rc;
    recs_str_t                  key;
    recs_line_t                *line;
    ngx_http_recs_exploring_t  *exploring;

    static const recs_choices_t  none;

    line = &ctx->explore.lines[ctx->explore.nlines];
    exploring = &ctx->explore.exploring[ctx->explore.nlines];

    if (ngx_http_recs_gate_key(ctx, ex, &exploring->key) != NGX_OK) {
        return NGX_ERROR;
    }

    key = ngx_recs_span(&exploring->key);

    if (!recs_explore_gate(&ex->policy, &key)) {
        return NGX_OK;
    }

    rc = ngx_http_recs_find_pool(ctx, ex, &exploring->pool);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    exploring->conf = ex;
    line->policy = &ex->policy;
    line->pool = &none;
    ctx->explore.nlines++;

    if (exploring->pool == NULL) {
        return NGX_OK;
    }

    exploring->items = ngx_http_recs_hold_pool(ctx->request, exploring->pool);

    if (exploring->items == NULL) {
        return NGX_OK;
    }

    line->pool = &exploring->items->choices;

    return ngx_http_recs_plan_shows(ctx, line, exploring->pool->category);
}


/*
 * Finds the pool of a line.  NGX_OK: it is *pool, or that is NULL if there is
 * none of that name; NGX_DECLINED: the variable is empty, that line doesn't
 * explore; NGX_ERROR.
 */

static ngx_int_t
ngx_http_recs_find_pool(ngx_http_recs_ctx_t *ctx, ngx_http_recs_explore_t *ex,
    ngx_recs_pool_t **pool)
{
    ngx_str_t                   name;
    ngx_uint_t                  i;
    ngx_http_recs_pool_t      **pools;
    ngx_http_recs_main_conf_t  *rmcf;

    if (ex->pool) {
        *pool = &ex->pool->pool;
        return NGX_OK;
    }

    if (ngx_http_complex_value(ctx->request, ex->variable, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (name.len == 0) {
        return NGX_DECLINED;
    }

    rmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_recs_module);
    pools = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {

        if (pools[i]->named.name.len == name.len
            && ngx_memcmp(pools[i]->named.name.data, name.data, name.len) == 0)
        {
            *pool = &pools[i]->pool;
            return NGX_OK;
        }
    }

    ngx_http_recs_unknown_pool(ctx, ex, &name);
    *pool = NULL;

    return NGX_OK;
}


static void
ngx_http_recs_unknown_pool(ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_explore_t *ex, ngx_str_t *name)
{
    u_char     buf[NGX_HTTP_RECS_UNKNOWN_LEN];
    ngx_str_t  printable;

    if (!ngx_recs_quiet_again(&ex->unknown)) {
        return;
    }

    /* it may be a client's */

    printable.data = buf;
    printable.len = ngx_min(name->len, sizeof(buf));

    ngx_memcpy(buf, name->data, printable.len);
    ngx_recs_printable(buf, printable.len);

    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "recs_explore \"%V\" names \"%V\", which is no recs_pool",
                  &ex->source, &printable);
}


/* "diverse" needs to know what the page shows of each category of the pool. */

static ngx_int_t
ngx_http_recs_plan_shows(ngx_http_recs_ctx_t *ctx, recs_line_t *line,
    recs_pointer_t *category)
{
    if (line->policy->method != RECS_DIVERSE || line->pool->ncategories == 0) {
        return NGX_OK;
    }

    line->shows = ngx_palloc(ctx->request->pool,
                             line->pool->ncategories * sizeof(uint32_t));
    if (line->shows == NULL) {
        return NGX_ERROR;
    }

    return recs_choices_shown(line->pool, &ctx->mem, &ctx->page,
                              ctx->conf->limit, category, line->shows)
           == RECS_OK ? NGX_OK : NGX_ERROR;
}
