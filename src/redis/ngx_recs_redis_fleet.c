
/* Servers that come and go: see the header. */


#include "ngx_recs_redis_fleet.h"
#include "ngx_recs_redis_member.h"
#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_reads.h"


/* How often a worker looks what is new, ms: until something is known, then. */

#define NGX_RECS_REDIS_LOOK_FIRST  20
#define NGX_RECS_REDIS_LOOK        200

/* Keys that were refused no more for so long are not refused, ms. */

#define NGX_RECS_REDIS_SETTLED     5000


static ngx_int_t ngx_recs_redis_fleet_names(ngx_recs_redis_fleet_t *fleet);
static ngx_recs_redis_server_t *ngx_recs_redis_fleet_server_of(
    ngx_recs_redis_t *redis, const ngx_str_t *key);
static ngx_recs_redis_server_t *ngx_recs_redis_fleet_any(
    ngx_recs_redis_fleet_t *fleet);
static void ngx_recs_redis_fleet_sync(ngx_recs_redis_fleet_t *fleet);
static void ngx_recs_redis_fleet_place(ngx_recs_redis_fleet_t *fleet,
    ngx_uint_t i, const recs_redis_node_t *node, uint64_t number);
static void ngx_recs_redis_fleet_link(ngx_recs_redis_fleet_t *fleet);
static ngx_uint_t ngx_recs_redis_fleet_down(ngx_recs_redis_fleet_t *fleet);
static void ngx_recs_redis_fleet_settle(ngx_recs_redis_fleet_t *fleet);
static void ngx_recs_redis_fleet_look(ngx_event_t *ev);
static ngx_int_t ngx_recs_redis_fleet_candidate(void *data, ngx_uint_t n,
    ngx_addr_t *addr, ngx_str_t *host);
static ngx_int_t ngx_recs_redis_fleet_configured(
    ngx_recs_redis_fleet_t *fleet, ngx_uint_t n, ngx_addr_t *addr,
    ngx_str_t *host);
static void ngx_recs_redis_fleet_refreshed(void *data, ngx_int_t rc);
static ngx_uint_t ngx_recs_redis_fleet_vain(ngx_recs_redis_fleet_t *fleet);


ngx_int_t
ngx_recs_redis_fleet_init_worker(ngx_recs_redis_t *redis,
    const ngx_recs_redis_kind_t *kind, ngx_cycle_t *cycle)
{
    ngx_recs_redis_fleet_t  *fleet;

    fleet = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_redis_fleet_t));
    if (fleet == NULL) {
        return NGX_ERROR;
    }

    fleet->redis = redis;
    fleet->cycle = cycle;
    fleet->kind = kind;
    fleet->map = &redis->shared->map;

    fleet->nowhere.redis = redis;
    fleet->nowhere.name = redis->server;

    fleet->refresh.redis = redis;
    fleet->refresh.cycle = cycle;
    fleet->refresh.ask = &kind->ask;
    fleet->refresh.candidate = ngx_recs_redis_fleet_candidate;
    fleet->refresh.done = ngx_recs_redis_fleet_refreshed;
    fleet->refresh.data = fleet;

    if (ngx_recs_redis_fleet_names(fleet) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_recs_redis_refresh_init(&fleet->refresh);

    fleet->refresh.server.sentinel = kind->sentinel;

    fleet->look.handler = ngx_recs_redis_fleet_look;
    fleet->look.data = fleet;
    fleet->look.log = cycle->log;
    fleet->look.cancelable = 1;

    redis->fleet = fleet;
    redis->server_of = ngx_recs_redis_fleet_server_of;
    redis->reader_of = redis->reads ? ngx_recs_redis_reads_of
                                    : ngx_recs_redis_fleet_server_of;
    redis->redirect = kind->redirect;

    ngx_recs_redis_fleet_look(&fleet->look);

    return NGX_OK;
}


/* Those that the configuration has, if a resolver tells what they are. */

static ngx_int_t
ngx_recs_redis_fleet_names(ngx_recs_redis_fleet_t *fleet)
{
    ngx_uint_t         i;
    ngx_recs_redis_t  *redis;

    redis = fleet->redis;

    if (redis->resolver == NULL || redis->nnames == 0) {
        return NGX_OK;
    }

    fleet->names = ngx_pcalloc(fleet->cycle->pool, redis->nnames
                                          * sizeof(ngx_recs_redis_resolve_t));
    if (fleet->names == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < redis->nnames; i++) {
        ngx_recs_redis_resolve_set(&fleet->names[i], redis,
                                   &redis->names[i].host, redis->names[i].port);
        fleet->names[i].log = fleet->cycle->log;
        fleet->names[i].next = ngx_current_msec;
    }

    return NGX_OK;
}


void
ngx_recs_redis_fleet_exit_worker(ngx_recs_redis_fleet_t *fleet)
{
    ngx_uint_t                i;
    ngx_recs_redis_server_t  *server;

    if (fleet->look.timer_set) {
        ngx_del_timer(&fleet->look);
    }

    for (i = 0; fleet->names && i < fleet->redis->nnames; i++) {
        ngx_recs_redis_resolve_stop(&fleet->names[i]);
    }

    ngx_recs_redis_refresh_stop(&fleet->refresh);

    while (fleet->left) {
        server = fleet->left;
        fleet->left = server->next;

        server->next = fleet->redis->servers;
        fleet->redis->servers = server;
    }
}


static ngx_recs_redis_server_t *
ngx_recs_redis_fleet_server_of(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    ngx_uint_t                i;
    ngx_recs_redis_fleet_t   *fleet;
    ngx_recs_redis_server_t  *server;

    fleet = redis->fleet;

    ngx_recs_redis_fleet_sync(fleet);

    if (key == NULL) {
        return ngx_recs_redis_fleet_any(fleet);
    }

    i = recs_redis_map_slot(fleet->map, fleet->kind->slot(key));
    server = (i < RECS_REDIS_NODES) ? fleet->servers[i] : NULL;

    return server ? server : &fleet->nowhere;
}


/* One that is ready, if there is one, each in turn. */

static ngx_recs_redis_server_t *
ngx_recs_redis_fleet_any(ngx_recs_redis_fleet_t *fleet)
{
    ngx_uint_t                i, k;
    ngx_recs_redis_server_t  *server, *any;

    any = &fleet->nowhere;

    for (i = 1; i <= RECS_REDIS_NODES; i++) {
        k = (fleet->any + i) % RECS_REDIS_NODES;
        server = fleet->servers[k];

        if (server == NULL || server->replica) {
            continue;
        }

        any = server;

        if (ngx_recs_redis_server_ready(server)) {
            fleet->any = k;
            break;
        }
    }

    return any;
}


/* Makes the servers those of the map, if its nodes have changed. */

static void
ngx_recs_redis_fleet_sync(ngx_recs_redis_fleet_t *fleet)
{
    int                rc;
    uint64_t           generation, number;
    ngx_uint_t         i;
    recs_redis_node_t  node;

    generation = recs_redis_map_generation(fleet->map);

    if (generation == 0 || generation == fleet->generation) {
        return;
    }

    for (i = 0; i < RECS_REDIS_NODES; i++) {
        rc = recs_redis_map_read(fleet->map, generation, (unsigned) i, &node,
                                 &number);

        if (rc == -1) {
            generation = fleet->generation;
            break;
        }

        ngx_recs_redis_fleet_place(fleet, i, rc ? &node : NULL, number);
    }

    fleet->generation = generation;

    if (fleet->redis->reads) {
        ngx_recs_redis_fleet_link(fleet);
    }
}


/* The server of an index is that of node, or (NULL) none. */

static void
ngx_recs_redis_fleet_place(ngx_recs_redis_fleet_t *fleet, ngx_uint_t i,
    const recs_redis_node_t *node, uint64_t number)
{
    ngx_uint_t                replica;
    ngx_recs_redis_server_t  *server;

    server = fleet->servers[i];
    replica = (node && node->master != RECS_REDIS_NONE);

    if (replica && !fleet->redis->reads) {
        node = NULL;
    }

    /* one that becomes a replica is left: its master's connections, too */

    if (server && (node == NULL || fleet->numbers[i] != number
                   || (replica && !server->replica)))
    {
        ngx_recs_redis_member_leave(fleet, i);
        server = NULL;
    }

    if (node == NULL) {
        return;
    }

    fleet->masters[i] = node->master;

    if (server == NULL) {
        ngx_recs_redis_member_join(fleet, i, node, number);

    } else if (server->replica && !replica) {
        server->master = fleet->kind->sentinel;
        ngx_recs_redis_server_promoted(server);
    }

    if (fleet->redis->reads && fleet->servers[i]) {
        fleet->servers[i]->reads->failing = node->flags;
    }
}


/* Each replica knows its master, and that one its replicas. */

static void
ngx_recs_redis_fleet_link(ngx_recs_redis_fleet_t *fleet)
{
    ngx_uint_t                i, master;
    ngx_recs_redis_server_t  *server;

    for (server = fleet->redis->servers; server; server = server->next) {
        ngx_recs_redis_reads_cut(server);
    }

    for (i = 0; i < RECS_REDIS_NODES; i++) {
        server = fleet->servers[i];
        master = fleet->masters[i];

        if (server && server->replica && master < RECS_REDIS_NODES
            && fleet->servers[master])
        {
            ngx_recs_redis_reads_link(server, fleet->servers[master]);
        }
    }
}


ngx_recs_redis_server_t *
ngx_recs_redis_fleet_told(ngx_recs_redis_fleet_t *fleet,
    const recs_redis_redirect_t *redirect, ngx_uint_t moved)
{
    unsigned      i;
    ngx_shmtx_t  *mutex;

    mutex = fleet->redis->mutex;

    if (ngx_recs_redis_map_lock(mutex) != NGX_OK) {
        return NULL;
    }

    i = moved ? recs_redis_map_set_slot(fleet->map, redirect->slot,
                                        redirect->host, redirect->len,
                                        redirect->port)
              : recs_redis_map_add(fleet->map, redirect->host, redirect->len,
                                   redirect->port);

    ngx_shmtx_unlock(mutex);

    if (moved) {
        ngx_recs_redis_fleet_soon(fleet);
    }

    ngx_recs_redis_fleet_sync(fleet);

    return (i < RECS_REDIS_NODES) ? fleet->servers[i] : NULL;
}


void
ngx_recs_redis_fleet_soon(ngx_recs_redis_fleet_t *fleet)
{
    recs_redis_map_soon(fleet->map, ngx_current_msec);
}


void
ngx_recs_redis_fleet_changed(ngx_recs_redis_fleet_t *fleet)
{
    recs_redis_map_changed(fleet->map, ngx_current_msec);
}


/* Is one of the servers down, or was it found to be a replica since? */

static ngx_uint_t
ngx_recs_redis_fleet_down(ngx_recs_redis_fleet_t *fleet)
{
    ngx_uint_t                down;
    ngx_recs_redis_server_t  *server;

    down = 0;

    for (server = fleet->redis->servers; server; server = server->next) {

        if (server->demoted
            || (server->down && !server->replica
                && !ngx_recs_redis_server_ready(server)))
        {
            server->demoted = 0;
            down = 1;
        }
    }

    return down;
}


void
ngx_recs_redis_fleet_refused(ngx_recs_redis_fleet_t *fleet,
    const ngx_recs_redis_server_t *server, const ngx_str_t *error)
{
    ngx_recs_redis_fleet_soon(fleet);

    fleet->refused = ngx_current_msec;

    if (!fleet->refusing) {
        fleet->refusing = 1;

        ngx_log_error(NGX_LOG_ERR, fleet->cycle->log, 0,
                      "recs_redis \"%V\" %V: keys can't be asked for now: %V",
                      &fleet->redis->name, &server->name, error);
    }
}


/* Nothing was refused for a while. */

static void
ngx_recs_redis_fleet_settle(ngx_recs_redis_fleet_t *fleet)
{
    if (fleet->refusing
        && ngx_current_msec - fleet->refused >= NGX_RECS_REDIS_SETTLED)
    {
        fleet->refusing = 0;

        ngx_log_error(NGX_LOG_NOTICE, fleet->cycle->log, 0,
                      "recs_redis \"%V\" %V: no server refuses keys any more",
                      &fleet->redis->name, &fleet->redis->server);
    }
}


static void
ngx_recs_redis_fleet_look(ngx_event_t *ev)
{
    ngx_msec_t               wait;
    ngx_recs_redis_fleet_t  *fleet;

    fleet = ev->data;

    ngx_recs_redis_fleet_sync(fleet);
    ngx_recs_redis_members_close(fleet);
    ngx_recs_redis_fleet_settle(fleet);

    if (ngx_recs_redis_fleet_down(fleet)) {
        ngx_recs_redis_fleet_soon(fleet);
    }

    /* one that is exiting opens no connections for that: others ask */

    if (!ngx_exiting
        && recs_redis_map_claim(fleet->map, &fleet->kind->pace,
                                ngx_current_msec))
    {
        fleet->before = recs_redis_map_generation(fleet->map);
        ngx_recs_redis_refresh_start(&fleet->refresh);
    }

    if (fleet->redis->reads) {
        ngx_recs_redis_reads_look(fleet->redis);
    }

    wait = fleet->redis->servers ? NGX_RECS_REDIS_LOOK
                                   : NGX_RECS_REDIS_LOOK_FIRST;

    ngx_add_timer(&fleet->look, wait);
}


/*
 * Those that are known, beginning with another one each time, then what the
 * configured names are by now, then what was configured.
 */

static ngx_int_t
ngx_recs_redis_fleet_candidate(void *data, ngx_uint_t n, ngx_addr_t *addr,
    ngx_str_t *host)
{
    ngx_recs_redis_fleet_t *fleet = data;

    ngx_uint_t                i, seen;
    ngx_recs_redis_server_t  *server;

    if (n == 0) {
        fleet->first = fleet->redis->shared->first;
        fleet->candidates++;
    }

    seen = 0;

    for (i = 0; fleet->kind->members && i < RECS_REDIS_NODES; i++) {
        server = fleet->servers[(fleet->candidates + i) % RECS_REDIS_NODES];

        if (server && !server->replica && server->naddrs && seen++ == n) {
            *addr = server->addrs[0];
            *host = server->hosts[0];
            return NGX_OK;
        }
    }

    return ngx_recs_redis_fleet_configured(fleet, n - seen, addr, host);
}


/* Sentinels are asked from that one on that has named the present master. */

static ngx_int_t
ngx_recs_redis_fleet_configured(ngx_recs_redis_fleet_t *fleet, ngx_uint_t n,
    ngx_addr_t *addr, ngx_str_t *host)
{
    ngx_uint_t                 i, all;
    ngx_recs_redis_t          *redis;
    ngx_recs_redis_resolve_t  *name;

    redis = fleet->redis;
    all = redis->naddrs;

    for (i = 0; fleet->names && i < redis->nnames; i++) {
        (void) ngx_recs_redis_resolve(&fleet->names[i]);
        all += fleet->names[i].naddrs;
    }

    if (n >= all) {
        return NGX_DECLINED;
    }

    if (fleet->kind->sentinel) {
        n = (n + fleet->first) % all;
    }

    for (i = 0; fleet->names && i < redis->nnames; i++) {
        name = &fleet->names[i];

        if (n < name->naddrs) {
            *addr = name->addrs[n];
            *host = name->hosts[n];
            return NGX_OK;
        }

        n -= name->naddrs;
    }

    *addr = redis->addrs[n];
    *host = redis->hosts[n];

    return NGX_OK;
}


/*
 * As long as a server is down and nothing else takes its place, it is asked
 * less often, as if it had failed; and of sentinels, another one.
 */

static void
ngx_recs_redis_fleet_refreshed(void *data, ngx_int_t rc)
{
    ngx_recs_redis_fleet_t *fleet = data;

    ngx_uint_t  vain;

    if (rc == NGX_ABORT) {
        ngx_recs_redis_fleet_soon(fleet);
        return;
    }

    vain = 0;

    if (rc == NGX_OK && fleet->kind->sentinel) {
        vain = ngx_recs_redis_fleet_vain(fleet);
        fleet->redis->shared->first = fleet->first + fleet->refresh.n - !vain;
    }

    if (rc != NGX_OK || vain
        || (ngx_recs_redis_fleet_down(fleet)
            && recs_redis_map_generation(fleet->map) == fleet->before))
    {
        recs_redis_map_failed(fleet->map, &fleet->kind->pace,
                              ngx_current_msec);
        return;
    }

    recs_redis_map_answered(fleet->map, &fleet->kind->pace,
                            ngx_current_msec);

    ngx_recs_redis_fleet_sync(fleet);
}


/* Is the master that was named again one that this worker tried in vain? */

static ngx_uint_t
ngx_recs_redis_fleet_vain(ngx_recs_redis_fleet_t *fleet)
{
    ngx_uint_t                i;
    ngx_recs_redis_server_t  *server;

    i = recs_redis_map_slot(fleet->map, 0);

    if (i >= RECS_REDIS_NODES || fleet->generation != fleet->before
        || recs_redis_map_generation(fleet->map) != fleet->before)
    {
        return 0;
    }

    server = fleet->servers[i];

    return server && server->vain && !ngx_recs_redis_server_ready(server);
}
