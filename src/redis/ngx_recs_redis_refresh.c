
/* Which servers there are, asked of one after the other: see the header. */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_refresh.h"
#include "ngx_recs_redis_tls.h"


/* A fault that comes and goes is logged once in so many seconds. */

#define NGX_RECS_REDIS_REFRESH_QUIET  10


static void ngx_recs_redis_refresh_next(ngx_event_t *ev);
static void ngx_recs_redis_refresh_address(ngx_recs_redis_refresh_t *refresh,
    const ngx_addr_t *addr, const ngx_str_t *host);
static void ngx_recs_redis_refresh_ask(ngx_recs_redis_refresh_t *refresh);
static size_t ngx_recs_redis_refresh_host(ngx_recs_redis_refresh_t *refresh);
static ngx_int_t ngx_recs_redis_refresh_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_redis_refresh_answered(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static ngx_int_t ngx_recs_redis_refresh_more(
    ngx_recs_redis_refresh_t *refresh);
static ngx_int_t ngx_recs_redis_refresh_take(
    ngx_recs_redis_refresh_t *refresh);
static void ngx_recs_redis_refresh_lost(ngx_recs_redis_refresh_t *refresh);
static void ngx_recs_redis_refresh_unserved(ngx_recs_redis_refresh_t *refresh,
    ngx_uint_t n);
static void ngx_recs_redis_refresh_why(ngx_recs_redis_refresh_t *refresh,
    const u_char *why, size_t len);
static void ngx_recs_redis_refresh_end(ngx_recs_redis_refresh_t *refresh,
    ngx_int_t rc);
static void ngx_recs_redis_refresh_ready(ngx_recs_redis_private_t *p);


void
ngx_recs_redis_refresh_init(ngx_recs_redis_refresh_t *refresh)
{
    refresh->server.redis = refresh->redis;
    refresh->server.name = refresh->redis->server;
    refresh->server.addrs = &refresh->addr;
    refresh->server.hosts = &refresh->name;
    refresh->server.unlogged = 1;

    refresh->conn.redis = refresh->redis;
    refresh->conn.server = &refresh->server;
    refresh->conn.ready = ngx_recs_redis_refresh_ready;
    refresh->conn.data = refresh;

    refresh->query.value = ngx_recs_redis_refresh_value;
    refresh->query.done = ngx_recs_redis_refresh_answered;
    refresh->query.data = refresh;

    refresh->next.handler = ngx_recs_redis_refresh_next;
    refresh->next.data = refresh;
    refresh->next.log = refresh->cycle->log;

    refresh->why.data = refresh->why_data;
}


void
ngx_recs_redis_refresh_start(ngx_recs_redis_refresh_t *refresh)
{
    if (refresh->reader) {
        return;
    }

    refresh->reader = ngx_alloc(refresh->ask->size, refresh->cycle->log);
    if (refresh->reader == NULL) {
        refresh->done(refresh->data, NGX_ERROR);
        return;
    }

    refresh->n = 0;
    refresh->answers = refresh->redis->shared->answers;

    ngx_recs_redis_refresh_why(refresh, (u_char *) "no address is known",
                               sizeof("no address is known") - 1);

    ngx_recs_redis_refresh_next(&refresh->next);
}


void
ngx_recs_redis_refresh_stop(ngx_recs_redis_refresh_t *refresh)
{
    ngx_recs_redis_forget(&refresh->query);
    ngx_recs_redis_close_private(&refresh->conn);
    ngx_recs_redis_tls_forget(&refresh->server);

    if (refresh->next.posted) {
        ngx_delete_posted_event(&refresh->next);
    }

    if (refresh->reader) {
        ngx_free(refresh->reader);
        refresh->reader = NULL;
    }
}


static void
ngx_recs_redis_refresh_next(ngx_event_t *ev)
{
    ngx_str_t                  host;
    ngx_addr_t                 addr;
    ngx_recs_redis_refresh_t  *refresh;

    refresh = ev->data;

    ngx_recs_redis_close_private(&refresh->conn);

    if (ngx_exiting) {
        ngx_recs_redis_refresh_stop(refresh);
        refresh->done(refresh->data, NGX_ABORT);
        return;
    }

    if (refresh->candidate(refresh->data, refresh->n++, &addr, &host)
        != NGX_OK)
    {
        ngx_recs_redis_refresh_end(refresh, NGX_ERROR);
        return;
    }

    ngx_recs_redis_refresh_address(refresh, &addr, &host);
    ngx_recs_redis_tls_forget(&refresh->server);

    refresh->form = 0;
    refresh->server.naddrs = 1;

    ngx_recs_redis_refresh_why(refresh, (u_char *) "it is not reached",
                               sizeof("it is not reached") - 1);

    if (ngx_recs_redis_open_private(&refresh->conn, refresh->cycle) != NGX_OK) {
        ngx_recs_redis_refresh_end(refresh, NGX_ERROR);
        return;
    }

    ngx_recs_redis_refresh_ask(refresh);
}


/* The server may leave while it is asked: its address is copied. */

static void
ngx_recs_redis_refresh_address(ngx_recs_redis_refresh_t *refresh,
    const ngx_addr_t *addr, const ngx_str_t *host)
{
    refresh->addr.socklen = ngx_min(addr->socklen, sizeof(ngx_sockaddr_t));
    refresh->addr.sockaddr = &refresh->sockaddr.sockaddr;
    ngx_memcpy(refresh->addr.sockaddr, addr->sockaddr, refresh->addr.socklen);

    refresh->addr.name.len = ngx_min(addr->name.len, NGX_SOCKADDR_STRLEN);
    refresh->addr.name.data = refresh->addr_text;
    ngx_memcpy(refresh->addr_text, addr->name.data, refresh->addr.name.len);

    refresh->name.data = refresh->name_data;
    refresh->name.len = ngx_min(host->len, NGX_RECS_REDIS_HOST);
    ngx_memcpy(refresh->name_data, host->data, refresh->name.len);
}


/* It leaves once the connection stands. */

static void
ngx_recs_redis_refresh_ask(ngx_recs_redis_refresh_t *refresh)
{
    ngx_str_t   asked, args[NGX_RECS_REDIS_ASK_ARGS];
    ngx_uint_t  nargs;

    asked.data = refresh->host;
    asked.len = ngx_recs_redis_refresh_host(refresh);

    nargs = refresh->ask->begin(refresh->reader, refresh->redis,
                                refresh->form, &asked, args);
    refresh->refused = 0;
    refresh->more = 0;

    if (nargs == 0
        || ngx_recs_redis_send(refresh->conn.conn, &refresh->query, nargs, args)
           != NGX_OK)
    {
        ngx_recs_redis_refresh_lost(refresh);
        ngx_post_event(&refresh->next, &ngx_posted_events);
    }
}


/* The host that is asked, as text: returns its length. */

static size_t
ngx_recs_redis_refresh_host(ngx_recs_redis_refresh_t *refresh)
{
    if (refresh->addr.sockaddr->sa_family == AF_UNIX) {
        return ngx_cpymem(refresh->host, "127.0.0.1", 9) - refresh->host;
    }

    return ngx_sock_ntop(refresh->addr.sockaddr, refresh->addr.socklen,
                         refresh->host, NGX_SOCKADDR_STRLEN, 0);
}


static ngx_int_t
ngx_recs_redis_refresh_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_redis_refresh_t  *refresh;

    refresh = query->data;

    if (!refresh->refused
        && refresh->ask->value(refresh->reader, v) != NGX_OK)
    {
        refresh->refused = 1;
    }

    return NGX_OK;
}


static void
ngx_recs_redis_refresh_answered(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_redis_refresh_t  *refresh;

    refresh = query->data;

    if (refresh->more && rc == NGX_ERROR) {
        rc = NGX_OK;
    }

    if (rc == NGX_OK && ngx_recs_redis_refresh_more(refresh) == NGX_OK) {
        return;
    }

    if (rc == NGX_OK && ngx_recs_redis_refresh_take(refresh) == NGX_OK) {
        ngx_recs_redis_refresh_end(refresh, NGX_OK);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_recs_redis_refresh_why(refresh, error->data, error->len);

        refresh->form++;
        ngx_recs_redis_refresh_ask(refresh);
        return;
    }

    if (rc == NGX_ABORT) {
        ngx_recs_redis_refresh_lost(refresh);
    }

    ngx_post_event(&refresh->next, &ngx_posted_events);
}


/* NGX_OK: it was asked; NGX_DECLINED: there is no more to ask. */

static ngx_int_t
ngx_recs_redis_refresh_more(ngx_recs_redis_refresh_t *refresh)
{
    ngx_str_t   args[NGX_RECS_REDIS_ASK_ARGS];
    ngx_uint_t  nargs;

    if (refresh->more || refresh->refused || refresh->ask->more == NULL) {
        return NGX_DECLINED;
    }

    refresh->more = 1;

    nargs = refresh->ask->more(refresh->reader, refresh->redis, args);

    if (nargs == 0
        || ngx_recs_redis_send(refresh->conn.conn, &refresh->query, nargs, args)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* Why the connection was lost, unless the server has said something. */

static void
ngx_recs_redis_refresh_lost(ngx_recs_redis_refresh_t *refresh)
{
    ngx_str_t  *text;

    text = &refresh->conn.conn->fault.text;

    if (refresh->form == 0 && text->len) {
        ngx_recs_redis_refresh_why(refresh, text->data, text->len);
    }
}


/* The answer was read to its end: NGX_OK, all workers know it. */

static ngx_int_t
ngx_recs_redis_refresh_take(ngx_recs_redis_refresh_t *refresh)
{
    int                        rc;
    unsigned                   unserved;
    const char                *why;
    ngx_shmtx_t               *mutex;
    const recs_redis_table_t  *table;

    why = NULL;
    table = refresh->ask->end(refresh->reader, &why);

    if (table) {
        mutex = refresh->redis->mutex;

        if (ngx_recs_redis_map_lock(mutex) != NGX_OK) {
            why = "the shared memory is locked";

        } else {
            rc = recs_redis_map_replace(&refresh->redis->shared->map, table);
            unserved = recs_redis_map_unserved(&refresh->redis->shared->map);
            ngx_shmtx_unlock(mutex);

            if (rc >= 0) {
                ngx_recs_redis_refresh_unserved(refresh, unserved);
                return NGX_OK;
            }

            why = "it has too many servers";
        }
    }

    ngx_recs_redis_refresh_why(refresh, (u_char *) why, ngx_strlen(why));

    return NGX_ERROR;
}


/*
 * So many slots have no server.  If that comes and goes, it is logged now and
 * then only, but if it stays it is, and so is the end of what was.
 */

static void
ngx_recs_redis_refresh_unserved(ngx_recs_redis_refresh_t *refresh, ngx_uint_t n)
{
    ngx_recs_redis_t         *redis;
    ngx_recs_redis_shared_t  *shared;

    redis = refresh->redis;
    shared = redis->shared;

    if (n == 0) {

        if (ngx_atomic_cmp_set(&shared->unserved, 1, 0)) {
            ngx_log_error(NGX_LOG_NOTICE, refresh->cycle->log, 0,
                          "recs_redis \"%V\" %V: all slots have a server again",
                          &redis->name, &redis->server);
        }

        return;
    }

    if (shared->unserved
        || ngx_time() - (time_t) shared->unserved_last
           < NGX_RECS_REDIS_REFRESH_QUIET
        || !ngx_atomic_cmp_set(&shared->unserved, 0, 1))
    {
        return;
    }

    shared->unserved_last = ngx_time();

    ngx_log_error(NGX_LOG_ERR, refresh->cycle->log, 0,
                  "recs_redis \"%V\" %V: no server has %ui of the slots, "
                  "keys in them are unknown", &redis->name, &redis->server, n);
}


static void
ngx_recs_redis_refresh_why(ngx_recs_redis_refresh_t *refresh,
    const u_char *why, size_t len)
{
    refresh->why.len = ngx_min(len, NGX_RECS_REDIS_WHY);
    ngx_memcpy(refresh->why.data, why, refresh->why.len);
}


static void
ngx_recs_redis_refresh_end(ngx_recs_redis_refresh_t *refresh, ngx_int_t rc)
{
    ngx_log_t         *log;
    ngx_recs_redis_t  *redis;

    ngx_recs_redis_refresh_stop(refresh);

    redis = refresh->redis;
    log = refresh->cycle->log;

    if (rc == NGX_OK) {
        (void) ngx_atomic_fetch_add(&redis->shared->answers, 1);
    }

    /* not if another worker was answered while this one waited in vain */

    if (rc != NGX_OK
        && redis->shared->answers == refresh->answers
        && ngx_atomic_cmp_set(&redis->shared->failing, 0, 1))
    {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "recs_redis \"%V\" %V: no server says which one has "
                      "the keys; the last one: %V",
                      &redis->name, &redis->server, &refresh->why);

    } else if (rc == NGX_OK
               && ngx_atomic_cmp_set(&redis->shared->failing, 1, 0))
    {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_redis \"%V\" %V: it is said again which server "
                      "has the keys", &redis->name, &redis->server);
    }

    refresh->done(refresh->data, rc);
}


static void
ngx_recs_redis_refresh_ready(ngx_recs_redis_private_t *p)
{
    /* the question is in its pipeline already */
}
