
/* The master that sentinels name: see the header. */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_fleet.h"
#include "ngx_recs_redis_sentinel.h"


/* Of a worker: the sentinel that tells of changes. */

typedef struct {
    ngx_recs_redis_fleet_t     *fleet;
    ngx_recs_redis_server_t     server;     /* any of the sentinels */
    ngx_recs_redis_private_t    events;
} ngx_recs_redis_sentinel_t;


static void ngx_recs_redis_sentinel_cleanup(void *data);
static unsigned ngx_recs_redis_sentinel_slot(const ngx_str_t *key);
static ngx_uint_t ngx_recs_redis_sentinel_begin(void *data,
    const ngx_recs_redis_t *redis, ngx_uint_t form, const ngx_str_t *asked,
    ngx_str_t *args);
static ngx_int_t ngx_recs_redis_sentinel_value(void *data,
    const ngx_recs_redis_value_t *v);
static ngx_uint_t ngx_recs_redis_sentinel_more(void *data,
    const ngx_recs_redis_t *redis, ngx_str_t *args);
static const recs_redis_table_t *ngx_recs_redis_sentinel_end(void *data,
    const char **why);
static void ngx_recs_redis_sentinel_ready(ngx_recs_redis_private_t *events);
static void ngx_recs_redis_sentinel_message(ngx_recs_redis_private_t *events,
    ngx_str_t *payload);


static const ngx_recs_redis_kind_t  ngx_recs_redis_sentinel = {
    ngx_recs_redis_sentinel_slot,
    NULL,
    {
        sizeof(recs_redis_sentinel_t),
        ngx_recs_redis_sentinel_begin,
        ngx_recs_redis_sentinel_value,
        ngx_recs_redis_sentinel_end,
        ngx_recs_redis_sentinel_more
    },
    0, 1,                       /* sentinels alone are asked */
    {
        1000,                   /* interval, ms */
        100,                    /* least */
        300,                    /* limit */
        5000                    /* timeout */
    }
};


ngx_int_t
ngx_recs_redis_sentinel_init_worker(ngx_recs_redis_t *redis,
    ngx_cycle_t *cycle)
{
    ngx_pool_cleanup_t         *cln;
    ngx_recs_redis_server_t    *server;
    ngx_recs_redis_sentinel_t  *sentinel;

    static const ngx_str_t  channel = ngx_string("+switch-master");

    if (ngx_recs_redis_fleet_init_worker(redis, &ngx_recs_redis_sentinel, cycle)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    sentinel = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_redis_sentinel_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (sentinel == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    server = &sentinel->server;

    cln->handler = ngx_recs_redis_sentinel_cleanup;
    cln->data = server;

    server->redis = redis;
    server->name = redis->server;
    server->addrs = redis->addrs;
    server->naddrs = redis->naddrs;
    server->hosts = redis->hosts;
    server->pace = redis->pace;
    server->sentinel = 1;

    sentinel->fleet = redis->fleet;

    sentinel->events.redis = redis;
    sentinel->events.server = server;
    sentinel->events.ready = ngx_recs_redis_sentinel_ready;
    sentinel->events.message = ngx_recs_redis_sentinel_message;
    sentinel->events.channel = channel;
    sentinel->events.data = sentinel;

    return ngx_recs_redis_open_private(&sentinel->events, cycle);
}


static void
ngx_recs_redis_sentinel_cleanup(void *data)
{
    ngx_recs_redis_tls_forget(data);
}


/* One master has all. */

static unsigned
ngx_recs_redis_sentinel_slot(const ngx_str_t *key)
{
    return 0;
}


static ngx_uint_t
ngx_recs_redis_sentinel_begin(void *data, const ngx_recs_redis_t *redis,
    ngx_uint_t form, const ngx_str_t *asked, ngx_str_t *args)
{
    if (form) {
        return 0;
    }

    recs_redis_sentinel_init(data);

    ngx_str_set(&args[0], "SENTINEL");
    ngx_str_set(&args[1], "get-master-addr-by-name");
    args[2] = redis->master;

    return 3;
}


static ngx_int_t
ngx_recs_redis_sentinel_value(void *data, const ngx_recs_redis_value_t *v)
{
    recs_redis_value_t  value;

    value = ngx_recs_redis_map_value(v);

    return recs_redis_sentinel_value(data, &value) == 0 ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_recs_redis_sentinel_more(void *data, const ngx_recs_redis_t *redis,
    ngx_str_t *args)
{
    if (redis->reads == NGX_RECS_REDIS_READS_MASTER) {
        return 0;
    }

    recs_redis_sentinel_replicas(data);

    ngx_str_set(&args[0], "SENTINEL");
    ngx_str_set(&args[1], "replicas");
    args[2] = redis->master;

    return 3;
}


static const recs_redis_table_t *
ngx_recs_redis_sentinel_end(void *data, const char **why)
{
    recs_redis_sentinel_t *s = data;

    if (recs_redis_sentinel_end(s) != 0) {
        *why = s->why;
        return NULL;
    }

    return &s->table;
}


/* There may have been another one while nobody listened. */

static void
ngx_recs_redis_sentinel_ready(ngx_recs_redis_private_t *events)
{
    ngx_recs_redis_sentinel_t *sentinel = events->data;

    ngx_recs_redis_fleet_soon(sentinel->fleet);
}


/* A majority of sentinels has agreed on it; still, it is asked. */

static void
ngx_recs_redis_sentinel_message(ngx_recs_redis_private_t *events,
    ngx_str_t *payload)
{
    ngx_str_t                  *master;
    ngx_recs_redis_sentinel_t  *sentinel;

    sentinel = events->data;
    master = &events->redis->master;

    if (recs_redis_sentinel_switched((char *) payload->data, payload->len,
                                     (char *) master->data, master->len))
    {
        ngx_recs_redis_fleet_changed(sentinel->fleet);
    }
}
