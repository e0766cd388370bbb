
/*
 * The servers of one Redis, in one worker: opened at its start, picked and sent
 * to for each response, closed at its end.
 */


#include "ngx_recs_redis_cluster.h"
#include "ngx_recs_redis_fleet.h"
#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_renew.h"
#include "ngx_recs_redis_reads.h"
#include "ngx_recs_redis_sentinel.h"


static ngx_recs_redis_server_t *ngx_recs_redis_single(ngx_recs_redis_t *redis,
    const ngx_str_t *key);


const ngx_recs_counter_t  ngx_recs_redis_counters[] = {
    ngx_recs_counter("commands", ngx_recs_redis_counters_t, commands,
                     "Commands that were taken into a pipeline."),
    ngx_recs_counter("errors", ngx_recs_redis_counters_t, errors,
                     "Commands that were answered with an error, or with more "
                     "than is taken."),
    ngx_recs_counter("connects", ngx_recs_redis_counters_t, connects,
                     "Connections that were made ready."),
    ngx_recs_counter("losses", ngx_recs_redis_counters_t, losses,
                     "Connections that were lost, or could not be made."),
    ngx_recs_counter("refused", ngx_recs_redis_counters_t, refused,
                     "Commands for which no connection was ready or had room."),
    ngx_recs_counter("discarded", ngx_recs_redis_counters_t, discarded,
                     "Replies that came too late."),
    ngx_recs_counter("opened", ngx_recs_redis_counters_t, opened,
                     "How often a server was not asked any more, as it failed "
                     "or was late."),
    ngx_recs_counter("declined", ngx_recs_redis_counters_t, declined,
                     "Questions that were not asked for that."),
    ngx_recs_counter_end
};


ngx_int_t
ngx_recs_redis_init_worker(ngx_recs_redis_t *redis, ngx_cycle_t *cycle)
{
    ngx_recs_redis_server_t  *server;

    /* cache manager and loader run init_process, too, but no exit_process */

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    ngx_recs_redis_renew_init_worker(redis, cycle);

    if (redis->topology == NGX_RECS_REDIS_CLUSTER) {
        return ngx_recs_redis_cluster_init_worker(redis, cycle);
    }

    if (redis->topology == NGX_RECS_REDIS_SENTINEL) {
        return ngx_recs_redis_sentinel_init_worker(redis, cycle);
    }

    server = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_redis_server_t));
    if (server == NULL) {
        return NGX_ERROR;
    }

    server->redis = redis;
    server->name = redis->server;
    server->addrs = redis->addrs;
    server->naddrs = redis->naddrs;
    server->breaker.shared = redis->breaker;
    server->pace = redis->pace;
    server->hosts = redis->hosts;

    if (redis->nnames) {
        ngx_recs_redis_server_resolve(server, &redis->names[0].host,
                                      redis->names[0].port, redis->looked_up,
                                      cycle->log);
    }

    redis->servers = server;
    redis->server_of = ngx_recs_redis_single;
    redis->reader_of = ngx_recs_redis_single;

    return ngx_recs_redis_server_open(server, cycle->log);
}


static ngx_recs_redis_server_t *
ngx_recs_redis_single(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    return redis->servers;
}


void
ngx_recs_redis_exit_worker(ngx_recs_redis_t *redis)
{
    ngx_recs_redis_server_t  *server;

    ngx_recs_redis_renew_exit_worker(redis);

    if (redis->fleet) {
        ngx_recs_redis_fleet_exit_worker(redis->fleet);
    }

    while (redis->privates) {
        ngx_recs_redis_close_private(redis->privates->tie.owner);
    }

    while (redis->servers) {
        server = redis->servers;
        redis->servers = server->next;
        ngx_recs_redis_server_close(server);

        if (server->pool) {
            ngx_destroy_pool(server->pool);
        }
    }

    redis->server_of = NULL;
}


ngx_recs_redis_conn_t *
ngx_recs_redis_pick(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    if (redis->server_of == NULL) {
        return NULL;
    }

    return ngx_recs_redis_server_pick(redis->reader_of(redis, key));
}


ngx_recs_redis_conn_t *
ngx_recs_redis_pick_master(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    if (redis->server_of == NULL) {
        return NULL;
    }

    return ngx_recs_redis_server_pick(redis->server_of(redis, key));
}


ngx_recs_redis_conn_t *
ngx_recs_redis_pick_patient(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    if (redis->server_of == NULL) {
        return NULL;
    }

    return ngx_recs_redis_server_pick_patient(redis->server_of(redis, key));
}


ngx_uint_t
ngx_recs_redis_serves(const ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_t *redis, const ngx_str_t *key, ngx_uint_t master)
{
    ngx_recs_redis_server_t  *server;

    server = redis->server_of(redis, key);

    return conn->server == server
           || (!master && conn->server->source == server);
}


void
ngx_recs_redis_open_background(ngx_recs_redis_t *redis,
    void (*ready)(void *data), void *data)
{
    ngx_recs_redis_server_t  *server;

    redis->background.ready = ready;
    redis->background.data = data;

    for (server = redis->servers; server; server = server->next) {
        ngx_recs_redis_server_open_background(server);
    }
}


ngx_recs_redis_conn_t *
ngx_recs_redis_background(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    return ngx_recs_redis_server_background(redis->server_of(redis, key));
}


ngx_uint_t
ngx_recs_redis_open(ngx_recs_redis_t *redis, time_t *since)
{
    ngx_uint_t                        n;
    ngx_recs_redis_server_t          *server;
    ngx_recs_redis_breaker_shared_t  *shared;

    n = 0;
    *since = 0;

    for (server = redis->servers; server; server = server->next) {
        shared = server->breaker.shared;

        if (shared) {
            n += shared->open;
            *since = ngx_max(*since, (time_t) shared->since);
        }
    }

    return n;
}


ngx_uint_t
ngx_recs_redis_begins(ngx_recs_redis_t *redis)
{
    return redis->fleet && recs_redis_map_begins(&redis->shared->map);
}


ngx_uint_t
ngx_recs_redis_ready(ngx_recs_redis_t *redis)
{
    ngx_uint_t                n;
    ngx_recs_redis_server_t  *server;

    n = 0;

    for (server = redis->servers; server; server = server->next) {
        n += ngx_recs_redis_server_ready(server);
    }

    return n;
}


ngx_uint_t
ngx_recs_redis_server_stat(ngx_recs_redis_t *redis, ngx_uint_t n,
    ngx_recs_redis_server_stat_t *stat)
{
    u_char                   *p;
    ngx_recs_redis_server_t  *server;

    server = redis->servers;

    while (server && n--) {
        server = server->next;
    }

    if (server == NULL) {
        return 0;
    }

    ngx_memzero(stat, sizeof(ngx_recs_redis_server_stat_t));

    stat->name = server->name;
    p = ngx_strnstr(stat->name.data, "://", stat->name.len);

    if (p) {
        p += 3;
        stat->name.len -= p - stat->name.data;
        stat->name.data = p;
    }

    stat->ready = ngx_recs_redis_server_ready(server);
    stat->replica = server->replica;

    if (server->reads) {
        ngx_recs_redis_reads_stat(server, stat);
    }

    return 1;
}
