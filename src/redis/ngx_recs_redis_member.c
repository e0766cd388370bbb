
/* Servers of a fleet, made and unmade: see the header. */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_member.h"
#include "ngx_recs_redis_reads.h"


/*
 * One that joins again so soon, s, says in the log only what is new: nodes may
 * be named and not named in turn, several times a second.
 */

#define NGX_RECS_REDIS_REJOINS  60


static void ngx_recs_redis_member_breaker(ngx_recs_redis_server_t *server,
    ngx_uint_t i, uint64_t number);
static ngx_int_t ngx_recs_redis_member_name(ngx_recs_redis_server_t *server,
    const recs_redis_node_t *node);
static void ngx_recs_redis_member_told(ngx_recs_redis_fleet_t *fleet,
    ngx_recs_redis_server_t *server);
static void ngx_recs_redis_member_tells(ngx_recs_redis_fleet_t *fleet,
    const ngx_recs_redis_server_t *server);
static ngx_recs_redis_conn_t *ngx_recs_redis_member_private(
    const ngx_recs_redis_fleet_t *fleet, const ngx_recs_redis_server_t *server);


void
ngx_recs_redis_member_join(ngx_recs_redis_fleet_t *fleet, ngx_uint_t i,
    const recs_redis_node_t *node, uint64_t number)
{
    ngx_pool_t               *pool;
    ngx_recs_redis_server_t  *server;

    pool = ngx_create_pool(1024, fleet->cycle->log);
    if (pool == NULL) {
        return;
    }

    server = ngx_pcalloc(pool, sizeof(ngx_recs_redis_server_t));
    if (server == NULL) {
        goto failed;
    }

    server->pool = pool;
    server->redis = fleet->redis;

    ngx_recs_redis_member_breaker(server, i, number);

    server->replica = (node->master != RECS_REDIS_NONE);
    server->master = (fleet->kind->sentinel && !server->replica);

    if (ngx_recs_redis_member_name(server, node) != NGX_OK
        || (fleet->redis->reads
            && ngx_recs_redis_reads_join(server, i, number) != NGX_OK))
    {
        goto failed;
    }

    ngx_recs_redis_member_told(fleet, server);

    if (ngx_recs_redis_server_open(server, fleet->cycle->log) != NGX_OK) {
        goto failed;
    }

    server->next = fleet->redis->servers;
    fleet->redis->servers = server;

    fleet->servers[i] = server;
    fleet->numbers[i] = number;

    return;

failed:

    ngx_destroy_pool(pool);
}


/* What all workers know of it.  A node that left may have had this place. */

static void
ngx_recs_redis_member_breaker(ngx_recs_redis_server_t *server, ngx_uint_t i,
    uint64_t number)
{
    ngx_atomic_uint_t               old;
    ngx_recs_redis_node_breaker_t  *place;

    place = &server->redis->shared->breakers[i];
    old = place->number;

    if (old != (ngx_atomic_uint_t) number
        && ngx_atomic_cmp_set(&place->number, old, (ngx_atomic_uint_t) number))
    {
        ngx_memzero(&place->breaker, sizeof(ngx_recs_redis_breaker_shared_t));
    }

    server->pace = &place->breaker.pace;

    if (server->redis->failures) {
        server->breaker.shared = &place->breaker;
    }
}


/* What it is called, and its address, if that is all that is known of it. */

static ngx_int_t
ngx_recs_redis_member_name(ngx_recs_redis_server_t *server,
    const recs_redis_node_t *node)
{
    size_t       len;
    ngx_str_t    url, host;
    ngx_addr_t  *addr;
    const char  *scheme;
    u_char       text[RECS_REDIS_HOST + sizeof("rediss://[]:65535")];

    scheme = server->redis->tls.ssl ? "rediss://" : "redis://";
    len = ngx_strlen(scheme);

    host.data = (u_char *) node->host;
    host.len = node->len;

    url.data = text;
    url.len = ngx_sprintf(text, memchr(node->host, ':', node->len)
                                ? "%s[%V]:%ui" : "%s%V:%ui",
                          scheme, &host, (ngx_uint_t) node->port)
              - text;

    addr = ngx_pcalloc(server->pool, sizeof(ngx_addr_t));
    server->hosts = ngx_palloc(server->pool, sizeof(ngx_str_t));
    server->name.data = ngx_pstrdup(server->pool, &url);
    server->name.len = url.len;

    if (addr == NULL || server->hosts == NULL || server->name.data == NULL) {
        return NGX_ERROR;
    }

    server->hosts->data = ngx_pstrdup(server->pool, &host);
    server->hosts->len = host.len;

    if (server->hosts->data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_parse_addr(server->pool, addr, host.data, host.len) == NGX_OK) {
        ngx_inet_set_port(addr->sockaddr, node->port);

        addr->name.data = server->name.data + len;
        addr->name.len = server->name.len - len;

        server->addrs = addr;
        server->naddrs = 1;

    } else {
        ngx_recs_redis_server_resolve(server, server->hosts, node->port, 0,
                                      ngx_cycle->log);
        server->resolve.unsaid = 1;
    }

    if (server->naddrs == 0 && server->redis->resolver == NULL) {
        server->vain = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "recs_redis \"%V\" %V: \"%V\" is no address, and there "
                      "is no resolver", &server->redis->name, &server->name,
                      server->hosts);
    }

    return NGX_OK;
}


static void
ngx_recs_redis_member_told(ngx_recs_redis_fleet_t *fleet,
    ngx_recs_redis_server_t *server)
{
    uint32_t                hash;
    ngx_recs_redis_told_t  *told;

    hash = ngx_crc32_short(server->name.data, server->name.len);
    told = &fleet->told[hash % RECS_REDIS_NODES];

    if (told->name == hash && ngx_time() - told->left < NGX_RECS_REDIS_REJOINS)
    {
        server->down = told->down;
        server->resolve.failures = told->failures;
    }
}


/* Before it leaves. */

static void
ngx_recs_redis_member_tells(ngx_recs_redis_fleet_t *fleet,
    const ngx_recs_redis_server_t *server)
{
    uint32_t                hash;
    ngx_recs_redis_told_t  *told;

    hash = ngx_crc32_short(server->name.data, server->name.len);
    told = &fleet->told[hash % RECS_REDIS_NODES];

    told->name = hash;
    told->left = ngx_time();
    told->down = server->down;
    told->failures = server->resolve.failures;
}


void
ngx_recs_redis_member_leave(ngx_recs_redis_fleet_t *fleet, ngx_uint_t i)
{
    ngx_recs_redis_server_t  *server, **p;

    server = fleet->servers[i];
    fleet->servers[i] = NULL;
    server->source = NULL;

    ngx_recs_redis_member_tells(fleet, server);

    for (p = &fleet->redis->servers; *p != server; p = &(*p)->next) {
        /* void */
    }

    *p = server->next;

    server->next = fleet->left;
    fleet->left = server;
}


void
ngx_recs_redis_members_close(ngx_recs_redis_fleet_t *fleet)
{
    ngx_recs_redis_conn_t    *conn;
    ngx_recs_redis_server_t  *server;

    while (fleet->left) {
        server = fleet->left;
        fleet->left = server->next;

        /* whoever is told that one was lost may close others */

        for ( ;; ) {
            conn = ngx_recs_redis_member_private(fleet, server);
            if (conn == NULL) {
                break;
            }

            ngx_recs_redis_conn_leave(conn, &fleet->nowhere);
        }

        ngx_recs_redis_server_leave(server);
        ngx_destroy_pool(server->pool);
    }
}


/* A connection to that server that has an owner.  NULL: there is none. */

static ngx_recs_redis_conn_t *
ngx_recs_redis_member_private(const ngx_recs_redis_fleet_t *fleet,
    const ngx_recs_redis_server_t *server)
{
    ngx_recs_redis_conn_t  *conn;

    conn = fleet->redis->privates;

    while (conn && conn->server != server) {
        conn = conn->tie.next;
    }

    return conn;
}
