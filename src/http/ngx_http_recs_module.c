
/*
 * ngx_http_recs_module: makes precomputed recommendations fit to show now.
 * Here is the module as nginx knows it: what is checked and made once the
 * configuration was read, the shared zone, the start and the end of workers.
 */


#include "ngx_http_recs_counted.h"
#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_response.h"
#include "ngx_http_recs_tell.h"
#include "ngx_http_recs_version.h"
#include "ngx_recs_pool_leader.h"
#include "ngx_recs_redis_map.h"
#include "ngx_recs_replica_leader.h"
#include "ngx_recs_snapshot_leader.h"
#include "ngx_recs_trust.h"


#define NGX_HTTP_RECS_ZONE_SIZE  (8 * 1024 * 1024)


static ngx_int_t ngx_http_recs_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_recs_check_names(ngx_conf_t *cf, ngx_array_t *names,
    const char *directive);
static void ngx_http_recs_check_required(ngx_conf_t *cf,
    ngx_http_recs_main_conf_t *rmcf);
static ngx_int_t ngx_http_recs_add_zone(ngx_conf_t *cf,
    ngx_http_recs_main_conf_t *rmcf);
static ngx_int_t ngx_http_recs_init_zone(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_http_recs_init_zone_set(ngx_http_recs_set_t *rs,
    ngx_shm_zone_t *shm_zone, ngx_recs_zone_t *zone);
static void ngx_http_recs_init_zone_redis(ngx_http_recs_redis_t *rr,
    ngx_shm_zone_t *shm_zone, ngx_recs_zone_t *zone);
static void ngx_http_recs_init_zone_breaker(ngx_recs_redis_t *redis,
    ngx_recs_zone_t *zone);
static ngx_int_t ngx_http_recs_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_recs_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_recs_init_process_redis(ngx_http_recs_redis_t *rr,
    ngx_cycle_t *cycle);
static void ngx_http_recs_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_recs_module_ctx = {
    ngx_http_recs_add_variables,           /* preconfiguration */
    ngx_http_recs_init,                    /* postconfiguration */

    ngx_http_recs_create_main_conf,        /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_recs_create_loc_conf,         /* create location configuration */
    ngx_http_recs_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_recs_module = {
    NGX_MODULE_V1,
    &ngx_http_recs_module_ctx,             /* module context */
    ngx_http_recs_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_recs_init_module,             /* init module */
    ngx_http_recs_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_recs_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_recs_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);

    if (ngx_http_recs_check_names(cf, &rmcf->redis, "recs_redis") != NGX_OK
        || ngx_http_recs_check_names(cf, &rmcf->sets, "recs_set") != NGX_OK
        || ngx_http_recs_check_names(cf, &rmcf->pools, "recs_pool") != NGX_OK
        || ngx_http_recs_check_names(cf, &rmcf->snapshots, "recs_snapshots")
           != NGX_OK
        || ngx_http_recs_check_redis(cf) != NGX_OK
        || ngx_http_recs_check_slots(cf) != NGX_OK
        || ngx_http_recs_check_explore(cf) != NGX_OK
        || ngx_http_recs_check_variables(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_recs_check_required(cf, rmcf);

    if (!rmcf->used) {
        return NGX_OK;
    }

    if (ngx_http_recs_add_zone(cf, rmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_recs_hide_handler;

    if (rmcf->prefetch) {
        h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_recs_prefetch_handler;
    }

    ngx_http_recs_order(cf);

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_check_names(ngx_conf_t *cf, ngx_array_t *names,
    const char *directive)
{
    ngx_uint_t               i;
    ngx_http_recs_named_t  **named;

    named = names->elts;

    for (i = 0; i < names->nelts; i++) {

        if (!named[i]->defined) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "no %s \"%V\" is defined for its use in %V:%ui",
                          directive, &named[i]->name, &named[i]->file,
                          named[i]->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Warns of what is required of an empty file. */

static void
ngx_http_recs_check_required(ngx_conf_t *cf,
    ngx_http_recs_main_conf_t *rmcf)
{
    ngx_uint_t             i;
    ngx_http_recs_set_t  **rs;

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {

        if (rs[i]->set.source == NGX_RECS_SET_FILE && rs[i]->set.file.n == 0
            && rs[i]->required_line)
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "the file of recs_set \"%V\" holds no id: "
                          "recs_require of it in %V:%ui keeps no item",
                          &rs[i]->named.name, &rs[i]->required_file,
                          rs[i]->required_line);
        }
    }
}


static ngx_int_t
ngx_http_recs_add_zone(ngx_conf_t *cf, ngx_http_recs_main_conf_t *rmcf)
{
    ngx_shm_zone_t  *shm_zone;

    static ngx_str_t  name = ngx_string("ngx_http_recs_module");

    shm_zone = ngx_shared_memory_add(cf, &name,
                                     rmcf->zone_size ? rmcf->zone_size
                                                     : NGX_HTTP_RECS_ZONE_SIZE,
                                     &ngx_http_recs_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_recs_init_zone;
    shm_zone->data = rmcf;

    return NGX_OK;
}


/* All counters have entries of one size in the zone. */

#define ngx_http_recs_fits(counters)                                          \
    _Static_assert(sizeof(counters)                                           \
                   <= NGX_RECS_ZONE_COUNTERS * sizeof(ngx_atomic_t),          \
                   #counters " do not fit an entry of the zone")

ngx_http_recs_fits(ngx_recs_set_counters_t);
ngx_http_recs_fits(ngx_recs_watch_shared_t);
ngx_http_recs_fits(ngx_recs_trust_shared_t);
ngx_http_recs_fits(ngx_recs_pool_counters_t);
ngx_http_recs_fits(ngx_recs_redis_counters_t);
ngx_http_recs_fits(ngx_recs_redis_breaker_shared_t);
ngx_http_recs_fits(ngx_recs_recorder_counters_t);
ngx_http_recs_fits(ngx_recs_snapshots_counters_t);
ngx_http_recs_fits(ngx_recs_replica_counters_t);


/*
 * Finds what is shared in the zone: the counters of all locations and of each
 * thing with a name, and more of some.
 */

static ngx_int_t
ngx_http_recs_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_uint_t                   i;
    ngx_recs_zone_t             *zone;
    ngx_http_recs_set_t        **rs;
    ngx_http_recs_pool_t       **rp;
    ngx_http_recs_redis_t      **rr;
    ngx_http_recs_explore_t    **ex;
    ngx_http_recs_main_conf_t   *rmcf;
    ngx_http_recs_snapshots_t  **rn;

    rmcf = shm_zone->data;

    zone = ngx_recs_zone_attach(shm_zone, data);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    rmcf->zone = zone;

    ngx_http_recs_counted_init_zone(rmcf);

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (ngx_http_recs_init_zone_set(rs[i], shm_zone, zone) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        ngx_recs_pool_init_zone(&rp[i]->pool, zone);
    }

    ex = rmcf->explore.elts;

    for (i = 0; i < rmcf->explore.nelts; i++) {
        ngx_http_recs_cap_init_zone(rmcf, ex[i]);
    }

    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {
        ngx_http_recs_init_zone_redis(rr[i], shm_zone, zone);
    }

    ngx_recs_leader_init_zone(&rmcf->leader, zone);

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        ngx_recs_snapshots_init_zone(&rn[i]->snapshots, zone);
    }

    return ngx_recs_zone_check(zone, shm_zone);
}


static ngx_int_t
ngx_http_recs_init_zone_set(ngx_http_recs_set_t *rs, ngx_shm_zone_t *shm_zone,
    ngx_recs_zone_t *zone)
{
    ngx_recs_set_t  *set;

    set = &rs->set;

    set->counters = (ngx_recs_set_counters_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_SET, &rs->named.name);

    if (set->watch) {
        ngx_recs_watch_init_zone(set->watch, zone);
    }

    if (set->trust) {
        ngx_recs_trust_init_zone(set->trust, zone);
    }

    return set->replica
           ? ngx_recs_replica_init_zone(set->replica, zone, shm_zone->shm.log)
           : NGX_OK;
}


static void
ngx_http_recs_init_zone_redis(ngx_http_recs_redis_t *rr,
    ngx_shm_zone_t *shm_zone, ngx_recs_zone_t *zone)
{
    u_char            buf[NGX_RECS_ZONE_BLOCK_NAME];
    ngx_str_t         name;
    ngx_slab_pool_t  *shpool;

    rr->redis.counters = (ngx_recs_redis_counters_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_REDIS, &rr->named.name);

    if (rr->redis.topology != NGX_RECS_REDIS_SINGLE) {
        shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

        /* what servers say depends on who asks, and on which ones */

        name.data = buf;
        name.len = ngx_snprintf(buf, sizeof(buf), "%V %V", &rr->redis.name,
                                &rr->servers)
                   - buf;

        rr->redis.mutex = &shpool->mutex;
        rr->redis.shared = ngx_recs_zone_block(zone, NGX_RECS_ZONE_SERVERS,
                                               &name,
                                               ngx_recs_redis_shared_size());

        if (rr->redis.shared) {
            ngx_recs_redis_shared_init(rr->redis.shared);
        }
    }

    if (rr->recorder.redis) {
        rr->recorder.counters = (ngx_recs_recorder_counters_t *)
            ngx_recs_zone_counters(zone, NGX_RECS_ZONE_RECORDER,
                                   &rr->named.name);
    }

    if (rr->redis.topology != NGX_RECS_REDIS_CLUSTER) {
        ngx_http_recs_init_zone_breaker(&rr->redis, zone);
    }
}


/* What is known of a server does not hold for another in its place. */

static void
ngx_http_recs_init_zone_breaker(ngx_recs_redis_t *redis,
    ngx_recs_zone_t *zone)
{
    u_char                            buf[NGX_RECS_ZONE_NAME_MAX];
    uint32_t                          hash;
    ngx_str_t                         name;
    ngx_recs_redis_breaker_shared_t  *breaker;

    /* of all of both: a long name is cut off */

    ngx_crc32_init(hash);
    ngx_crc32_update(&hash, redis->name.data, redis->name.len);
    ngx_crc32_update(&hash, redis->server.data, redis->server.len);
    ngx_crc32_final(hash);

    name.data = buf;
    name.len = ngx_snprintf(buf, sizeof(buf), "%08xD %V", hash, &redis->name)
               - buf;

    breaker = (ngx_recs_redis_breaker_shared_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_BREAKER, &name);

    if (breaker == NULL) {
        return;
    }

    redis->pace = &breaker->pace;

    if (redis->failures && redis->topology == NGX_RECS_REDIS_SINGLE) {
        redis->breaker = breaker;
    }
}


/* Says which module this is, at each start and reload. */

static ngx_int_t
ngx_http_recs_init_module(ngx_cycle_t *cycle)
{
    if (!ngx_test_config) {
        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      "ngx_http_recs_module " NGX_HTTP_RECS_VERSION
                      " (build " NGX_HTTP_RECS_BUILD ", for " NGINX_VER ")");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_http_recs_set_t        **rs;
    ngx_http_recs_pool_t       **rp;
    ngx_http_recs_redis_t      **rr;
    ngx_http_recs_main_conf_t   *rmcf;
    ngx_http_recs_snapshots_t  **rn;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_recs_module);
    if (rmcf == NULL) {
        return NGX_OK;
    }

    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {
        if (ngx_http_recs_init_process_redis(rr[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (rs[i]->set.watch) {
            ngx_recs_watch_init_worker(rs[i]->set.watch, &rmcf->leader, cycle);
        }

        if (rs[i]->set.replica
            && ngx_recs_replica_leader_init_worker(rs[i]->set.replica,
                                                   &rmcf->leader, cycle)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        ngx_recs_pool_init_worker(&rp[i]->pool, cycle);

        if (ngx_recs_pool_leader_init_worker(&rp[i]->pool, &rmcf->leader,
                                             cycle)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        if (ngx_recs_snapshot_leader_init_worker(&rn[i]->snapshots,
                                                 &rmcf->leader, cycle)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_recs_leader_start(&rmcf->leader, cycle);

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_init_process_redis(ngx_http_recs_redis_t *rr,
    ngx_cycle_t *cycle)
{
    if (ngx_recs_redis_init_worker(&rr->redis, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    if (rr->recorder.redis) {
        ngx_recs_recorder_init_worker(&rr->recorder, cycle);
    }

    return NGX_OK;
}


static void
ngx_http_recs_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_recs_set_t         **rs;
    ngx_http_recs_pool_t        **rp;
    ngx_http_recs_redis_t       **rr;
    ngx_http_recs_main_conf_t    *rmcf;
    ngx_http_recs_snapshots_t   **rn;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_recs_module);
    if (rmcf == NULL) {
        return;
    }

    /* images take a while, in which another may lead */

    ngx_recs_leader_exit(&rmcf->leader);

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (rs[i]->set.replica) {
            ngx_recs_replica_leader_exit_worker(rs[i]->set.replica);
        }
    }

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        ngx_recs_pool_leader_exit_worker(&rp[i]->pool);
    }

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        ngx_recs_snapshot_leader_exit_worker(&rn[i]->snapshots);
    }

    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {

        if (rr[i]->recorder.redis) {
            ngx_recs_recorder_exit_worker(&rr[i]->recorder);
        }

        ngx_recs_redis_exit_worker(&rr[i]->redis);
    }
}
