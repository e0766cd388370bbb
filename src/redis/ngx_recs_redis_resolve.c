
/* A name's addresses, looked up again: see the header. */


#include <ngx_event.h>

#include "ngx_recs_redis_resolve.h"


/* what was just found holds for other connections that are opened, too, ms */
#define NGX_RECS_REDIS_FRESH        20

/* after a failure, twice as long after each next one, +-25%, ms */
#define NGX_RECS_REDIS_AGAIN        250
#define NGX_RECS_REDIS_AGAIN_MAX    4000


static void ngx_recs_redis_resolve_start(ngx_recs_redis_resolve_t *rs);
static void ngx_recs_redis_resolve_handler(ngx_resolver_ctx_t *ctx);
static void ngx_recs_redis_resolve_failed(ngx_recs_redis_resolve_t *rs,
    ngx_int_t state);
static void ngx_recs_redis_resolve_found(ngx_recs_redis_resolve_t *rs,
    const ngx_resolver_addr_t *addrs, ngx_uint_t n);
static ngx_uint_t ngx_recs_redis_resolve_same(
    const ngx_recs_redis_resolve_t *rs, const ngx_resolver_addr_t *addrs,
    ngx_uint_t n);
static ngx_int_t ngx_recs_redis_resolve_take(ngx_recs_redis_resolve_t *rs,
    const ngx_resolver_addr_t *addrs, ngx_uint_t n);


void
ngx_recs_redis_resolve_set(ngx_recs_redis_resolve_t *rs,
    const ngx_recs_redis_t *redis, const ngx_str_t *host, in_port_t port)
{
    rs->resolver = redis->resolver;
    rs->timeout = redis->resolver_timeout;
    rs->patience = redis->connect_timeout;
    rs->host = *host;
    rs->port = port;
    rs->redis = &redis->name;
    rs->server = &redis->server;
}


ngx_int_t
ngx_recs_redis_resolve(ngx_recs_redis_resolve_t *rs)
{
    if (rs->resolver && rs->ctx == NULL
        && (ngx_msec_int_t) (ngx_current_msec - rs->next) >= 0)
    {
        ngx_recs_redis_resolve_start(rs);
    }

    if (rs->naddrs == 0
        || (rs->ctx && ngx_current_msec - rs->started < rs->patience))
    {
        return NGX_AGAIN;
    }

    return NGX_OK;
}


static void
ngx_recs_redis_resolve_start(ngx_recs_redis_resolve_t *rs)
{
    ngx_resolver_ctx_t  *ctx;

    ctx = ngx_resolve_start(rs->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_recs_redis_resolve_failed(rs, 0);
        return;
    }

    ctx->name = rs->host;
    ctx->handler = ngx_recs_redis_resolve_handler;
    ctx->data = rs;
    ctx->timeout = rs->timeout;
    ctx->cancelable = 1;

    rs->ctx = ctx;
    rs->started = ngx_current_msec;
    rs->starting = 1;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        rs->ctx = NULL;
        ngx_recs_redis_resolve_failed(rs, 0);
    }

    rs->starting = 0;
}


static void
ngx_recs_redis_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_recs_redis_resolve_t  *rs;

    rs = ctx->data;
    rs->ctx = NULL;

    if (ctx->state == NGX_OK && ctx->naddrs) {
        ngx_recs_redis_resolve_found(rs, ctx->addrs, ctx->naddrs);

    } else {
        ngx_recs_redis_resolve_failed(rs, ctx->state);
    }

    ngx_resolve_name_done(ctx);

    if (rs->done) {
        rs->done(rs->data);
    }
}


/* state is that of the lookup; 0: it wasn't even begun. */

static void
ngx_recs_redis_resolve_failed(ngx_recs_redis_resolve_t *rs, ngx_int_t state)
{
    ngx_msec_t  delay;

    delay = ngx_min(NGX_RECS_REDIS_AGAIN << ngx_min(rs->failures, 8),
                    NGX_RECS_REDIS_AGAIN_MAX);

    rs->next = ngx_current_msec + delay - delay / 4
               + ngx_random() % (delay / 2 + 1);

    if (rs->failures++) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, rs->log, 0,
                  "recs_redis \"%V\" %V: the name \"%V\" is not found (%s), %s",
                  rs->redis, rs->server, &rs->host,
                  state ? ngx_resolver_strerror(state) : "no lookup was begun",
                  rs->naddrs ? "the addresses that are known are used"
                             : "it is tried again");
}


static void
ngx_recs_redis_resolve_found(ngx_recs_redis_resolve_t *rs,
    const ngx_resolver_addr_t *addrs, ngx_uint_t n)
{
    ngx_uint_t  same;

    same = ngx_recs_redis_resolve_same(rs, addrs, n);

    if (!same && ngx_recs_redis_resolve_take(rs, addrs, n) != NGX_OK) {
        ngx_recs_redis_resolve_failed(rs, 0);
        return;
    }

    if ((!same && !rs->unsaid) || rs->failures) {
        ngx_log_error(NGX_LOG_NOTICE, rs->log, 0,
                      "recs_redis \"%V\" %V: the name \"%V\" has %ui %s now, "
                      "%V%s", rs->redis, rs->server, &rs->host, rs->naddrs,
                      rs->naddrs == 1 ? "address" : "addresses",
                      &rs->addrs[0].name, rs->naddrs == 1 ? "" : " and others");
    }

    rs->failures = 0;
    rs->unsaid = 0;
    rs->next = ngx_current_msec + NGX_RECS_REDIS_FRESH;
}


/* In any order: the resolver rotates them. */

static ngx_uint_t
ngx_recs_redis_resolve_same(const ngx_recs_redis_resolve_t *rs,
    const ngx_resolver_addr_t *addrs, ngx_uint_t n)
{
    ngx_uint_t  i, k;

    if (n != rs->naddrs) {
        return 0;
    }

    for (i = 0; i < n; i++) {

        for (k = 0; k < n; k++) {
            if (ngx_cmp_sockaddr(addrs[i].sockaddr, addrs[i].socklen,
                                 rs->addrs[k].sockaddr, rs->addrs[k].socklen, 0)
                == NGX_OK)
            {
                break;
            }
        }

        if (k == n) {
            return 0;
        }
    }

    return 1;
}


/* They become those that are known: NGX_OK, or NGX_ERROR, out of memory. */

static ngx_int_t
ngx_recs_redis_resolve_take(ngx_recs_redis_resolve_t *rs,
    const ngx_resolver_addr_t *addrs, ngx_uint_t n)
{
    u_char          *memory, *p;
    ngx_str_t       *hosts;
    ngx_uint_t       i;
    ngx_addr_t      *addr;
    ngx_sockaddr_t  *sockaddrs;

    memory = ngx_calloc(n * (sizeof(ngx_addr_t) + sizeof(ngx_str_t)
                             + sizeof(ngx_sockaddr_t) + NGX_SOCKADDR_STRLEN),
                        rs->log);
    if (memory == NULL) {
        return NGX_ERROR;
    }

    addr = (ngx_addr_t *) memory;
    hosts = (ngx_str_t *) (addr + n);
    sockaddrs = (ngx_sockaddr_t *) (hosts + n);
    p = (u_char *) (sockaddrs + n);

    for (i = 0; i < n; i++) {
        ngx_memcpy(&sockaddrs[i], addrs[i].sockaddr, addrs[i].socklen);

        addr[i].sockaddr = &sockaddrs[i].sockaddr;
        addr[i].socklen = addrs[i].socklen;
        ngx_inet_set_port(addr[i].sockaddr, rs->port);

        addr[i].name.data = p;
        addr[i].name.len = ngx_sock_ntop(addr[i].sockaddr, addr[i].socklen, p,
                                         NGX_SOCKADDR_STRLEN, 1);
        p += NGX_SOCKADDR_STRLEN;

        hosts[i] = rs->host;
    }

    if (rs->memory) {
        ngx_free(rs->memory);
    }

    rs->memory = memory;
    rs->addrs = addr;
    rs->hosts = hosts;
    rs->naddrs = n;

    return NGX_OK;
}


void
ngx_recs_redis_resolve_stop(ngx_recs_redis_resolve_t *rs)
{
    if (rs->ctx) {
        ngx_resolve_name_done(rs->ctx);
        rs->ctx = NULL;
    }

    if (rs->memory) {
        ngx_free(rs->memory);

        rs->memory = NULL;
        rs->addrs = NULL;
        rs->hosts = NULL;
        rs->naddrs = 0;
    }
}
