
/*
 * The walk over all that is counted and known: what the status is made of.
 * Here are the pools and the zone; all others have files of their own.
 */


#include "ngx_http_recs_status.h"
#include "ngx_http_recs_version.h"


/* Adds the members of one thing that the configuration names. */

typedef void (*ngx_http_recs_status_pt)(void *thing,
    ngx_http_recs_status_t *st);


static void ngx_http_recs_status_nginx(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_things(ngx_http_recs_status_t *st,
    const char *name, ngx_array_t *things,
    const ngx_http_recs_status_kind_t *kind, ngx_http_recs_status_pt add);
static void ngx_http_recs_status_pool(void *thing,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_zone(ngx_recs_zone_t *zone,
    ngx_http_recs_status_t *st);


static const ngx_http_recs_status_kind_t  ngx_http_recs_set_kind
    = { "set", "set" };
static const ngx_http_recs_status_kind_t  ngx_http_recs_pool_kind
    = { "pool", "pool" };
static const ngx_http_recs_status_kind_t  ngx_http_recs_pool_image_kind
    = { "pool_image", NULL };
static const ngx_http_recs_status_kind_t  ngx_http_recs_snapshots_kind
    = { "snapshots", "snapshots" };
static const ngx_http_recs_status_kind_t  ngx_http_recs_redis_kind
    = { "redis", "redis" };
static const ngx_http_recs_status_kind_t  ngx_http_recs_zone_kind
    = { "zone", NULL };


static const ngx_recs_metric_t  ngx_http_recs_build
    = ngx_recs_info("build", "build", "The module, by its version and build.");
static const ngx_recs_metric_t  ngx_http_recs_led
    = ngx_recs_gauge("led", "led", NULL, 1,
                     "1: a worker leads, which does what only one may do.");

static const ngx_recs_metric_t  ngx_http_recs_pool_items
    = ngx_recs_gauge("items", "items", NULL, 1,
                     "Items of the pool, as the worker that answers has "
                     "them.");
static const ngx_recs_metric_t  ngx_http_recs_pool_refused
    = ngx_recs_gauge("refused", "refused", NULL, 1,
                     "Entries of the pool that can not be used.");
static const ngx_recs_metric_t  ngx_http_recs_pool_loaded
    = ngx_recs_gauge("loaded", "loaded", "timestamp_seconds", 1,
                     "When the pool was last read, 0: never.");
static const ngx_recs_metric_t  ngx_http_recs_pool_failed
    = ngx_recs_gauge("failed", "failed", NULL, 1,
                     "1: the pool could not be read the last time.");

static const ngx_recs_metric_t  ngx_http_recs_zone_size
    = ngx_recs_gauge("size", "size", "bytes", 1,
                     "Shared memory of the module.");
static const ngx_recs_metric_t  ngx_http_recs_zone_free
    = ngx_recs_gauge("free", "free", "bytes", 1,
                     "Shared memory that nothing uses.");
static const ngx_recs_metric_t  ngx_http_recs_zone_used
    = { "used", "used", "bytes", 1, NGX_RECS_GAUGE, "kind",
        "Shared memory in use, by the kind of what uses it." };


ngx_int_t
ngx_http_recs_status_walk(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st)
{
    ngx_http_recs_status_open_as(st, "", NULL);

    ngx_http_recs_status_nginx(rmcf, st);
    ngx_http_recs_status_responses(rmcf, st);
    ngx_http_recs_status_labels(rmcf, st);
    ngx_http_recs_status_things(st, "sets", &rmcf->sets,
                                &ngx_http_recs_set_kind,
                                ngx_http_recs_status_set);
    ngx_http_recs_status_things(st, "pools", &rmcf->pools,
                                &ngx_http_recs_pool_kind,
                                ngx_http_recs_status_pool);
    ngx_http_recs_status_things(st, "snapshots", &rmcf->snapshots,
                                &ngx_http_recs_snapshots_kind,
                                ngx_http_recs_status_snapshots);
    ngx_http_recs_status_things(st, "redis", &rmcf->redis,
                                &ngx_http_recs_redis_kind,
                                ngx_http_recs_status_redis);
    ngx_http_recs_status_zone(rmcf->zone, st);
    ngx_http_recs_status_recent(rmcf, st);

    return st->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_http_recs_status_nginx(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st)
{
    ngx_http_recs_status_node_t  *node;

    static const ngx_http_recs_status_label_t  build[] = {
        { "version", ngx_string(NGX_HTTP_RECS_VERSION) },
        { "build", ngx_string(NGX_HTTP_RECS_BUILD) }
    };

    ngx_http_recs_status_text(st, "version", &build[0].value);
    ngx_http_recs_status_text(st, "build", &build[1].value);
    ngx_http_recs_status_number(st, "format", NGX_HTTP_RECS_STATUS_FORMAT);

    ngx_http_recs_status_info(st, &ngx_http_recs_build, build, 2);

    node = ngx_http_recs_status_flag(st, &ngx_http_recs_led,
                                     ngx_recs_leader_pid(&rmcf->leader) != 0);
    node->hidden = 1;
}


/* A member of that name: an object with a member for each of these things. */

static void
ngx_http_recs_status_things(ngx_http_recs_status_t *st, const char *name,
    ngx_array_t *things, const ngx_http_recs_status_kind_t *kind,
    ngx_http_recs_status_pt add)
{
    ngx_uint_t               i;
    ngx_http_recs_named_t  **named;

    ngx_http_recs_status_open_as(st, name, NULL);

    named = things->elts;

    for (i = 0; i < things->nelts; i++) {
        ngx_http_recs_status_open(st, &named[i]->name, kind);
        add(named[i], st);
        ngx_http_recs_status_close(st);
    }

    ngx_http_recs_status_close(st);
}


static void
ngx_http_recs_status_pool(void *thing, ngx_http_recs_status_t *st)
{
    ngx_recs_pool_t  *pool = &((ngx_http_recs_pool_t *) thing)->pool;

    recs_guard_held_t  held;

    /* items are this worker's, which answers */

    ngx_http_recs_status_uint(st, &ngx_http_recs_pool_items,
                              pool->items ? pool->items->choices.n : 0);
    ngx_http_recs_status_uint(st, &ngx_http_recs_pool_refused,
                              pool->items ? pool->items->refused : 0);
    ngx_http_recs_status_uint(st, &ngx_http_recs_pool_loaded,
                              pool->shared->loaded);

    ngx_http_recs_status_flag(st, &ngx_http_recs_pool_failed,
                              pool->shared->failed)->hidden = 1;

    held = pool->shared->held;
    ngx_http_recs_status_held(st, &held);

    ngx_http_recs_status_counters(st, ngx_recs_pool_counters, pool->counters);

    if (pool->image_path.len) {
        ngx_http_recs_status_image(st, &ngx_http_recs_pool_image_kind,
                                   &pool->shared->image);
    }
}


static void
ngx_http_recs_status_zone(ngx_recs_zone_t *zone, ngx_http_recs_status_t *st)
{
    ngx_uint_t             i;
    ngx_recs_zone_stat_t   stat;

    ngx_recs_zone_stat(zone, &stat);

    ngx_http_recs_status_open_as(st, "zone", &ngx_http_recs_zone_kind)
        ->hidden = 1;

    ngx_http_recs_status_uint(st, &ngx_http_recs_zone_size, stat.size);
    ngx_http_recs_status_uint(st, &ngx_http_recs_zone_free, stat.free);

    ngx_http_recs_status_open_as(st, "used", NULL);

    for (i = 0; i < NGX_RECS_ZONE_KINDS; i++) {
        if (stat.used[i]) {
            ngx_http_recs_status_labelled(st, &ngx_http_recs_zone_used,
                                          &ngx_recs_zone_kinds[i],
                                          stat.used[i]);
        }
    }

    ngx_http_recs_status_close(st);
    ngx_http_recs_status_close(st);
}
