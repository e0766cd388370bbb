
/* The connections of one worker to one server: see the header. */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_handshake.h"


static void ngx_recs_redis_server_resolved(void *data);
static void ngx_recs_redis_server_located(ngx_recs_redis_server_t *server,
    ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_server_background_ready(ngx_recs_redis_conn_t *conn);
static ngx_uint_t ngx_recs_redis_server_better(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_conn_t *best);
static void ngx_recs_redis_server_probe(ngx_event_t *ev);
static ngx_int_t ngx_recs_redis_server_probe_value(ngx_recs_redis_query_t *q,
    ngx_recs_redis_value_t *v);
static void ngx_recs_redis_server_probe_done(ngx_recs_redis_query_t *q,
    ngx_int_t rc, ngx_str_t *error);


/* What was found when the configuration was read is true for so long, s. */

#define NGX_RECS_REDIS_CONFIGURED  10


void
ngx_recs_redis_server_resolve(ngx_recs_redis_server_t *server,
    const ngx_str_t *host, in_port_t port, time_t then, ngx_log_t *log)
{
    ngx_recs_redis_t          *redis;
    ngx_recs_redis_resolve_t  *rs;

    redis = server->redis;
    rs = &server->resolve;

    if (redis->resolver == NULL) {
        return;
    }

    ngx_recs_redis_resolve_set(rs, redis, host, port);

    rs->server = &server->name;
    rs->log = log;
    rs->done = ngx_recs_redis_server_resolved;
    rs->data = server;

    rs->addrs = server->addrs;
    rs->hosts = server->hosts;
    rs->naddrs = server->naddrs;
    rs->next = ngx_current_msec;

    if (rs->naddrs && ngx_time() - then < NGX_RECS_REDIS_CONFIGURED) {

        /* the first connection need not wait */
        rs->next++;
    }
}


static void
ngx_recs_redis_server_resolved(void *data)
{
    ngx_recs_redis_server_t *server = data;

    ngx_uint_t              i;
    ngx_recs_redis_conn_t  *conn, *next;

    if (server->resolve.naddrs == 0) {
        return;
    }

    server->addrs = server->resolve.addrs;
    server->hosts = server->resolve.hosts;
    server->naddrs = server->resolve.naddrs;

    for (i = 0; server->conns && i <= server->redis->nconns; i++) {
        ngx_recs_redis_server_located(server, &server->conns[i]);
    }

    for (conn = server->redis->privates; conn; conn = next) {
        next = conn->tie.next;
        ngx_recs_redis_server_located(server, conn);
    }
}


/* A connection that waits for an address is opened. */

static void
ngx_recs_redis_server_located(ngx_recs_redis_server_t *server,
    ngx_recs_redis_conn_t *conn)
{
    if (conn->server != server) {
        return;
    }

    conn->retry.addr %= server->naddrs;

    /* without a timer, a worker that is exiting has given it up */

    if (conn->unlocated && conn->timer.timer_set && !server->resolve.starting) {
        ngx_del_timer(&conn->timer);
        ngx_recs_redis_conn_open(conn);
    }
}


ngx_int_t
ngx_recs_redis_server_open(ngx_recs_redis_server_t *server, ngx_log_t *log)
{
    ngx_uint_t                 i;
    ngx_recs_redis_breaker_t  *b;

    static const ngx_str_t  no_channel = ngx_null_string;

    b = &server->breaker;

    b->server = server;
    b->log = log;
    b->timer.handler = ngx_recs_redis_server_probe;
    b->timer.data = server;
    b->timer.log = log;
    b->timer.cancelable = 1;
    b->probe.value = ngx_recs_redis_server_probe_value;
    b->probe.done = ngx_recs_redis_server_probe_done;
    b->probe.data = b;
    b->probe.stays = 1;

    server->conns = ngx_calloc((server->redis->nconns + 1)
                               * sizeof(ngx_recs_redis_conn_t), log);
    if (server->conns == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i <= server->redis->nconns; i++) {
        ngx_recs_redis_conn_init(&server->conns[i], server, &no_channel, log);
    }

    for (i = 0; i < server->redis->nconns; i++) {
        server->conns[i].pipeline.breaker = b->shared ? b : NULL;
        server->conns[i].pipeline.server = &server->name;
    }

    ngx_recs_redis_conn_open(&server->conns[0]);

    for (i = 1; i < server->redis->nconns; i++) {
        ngx_recs_redis_conn_open_soon(&server->conns[i]);
    }

    ngx_recs_redis_server_open_background(server);

    /* of workers before this one, it may be all that is known */

    if (ngx_recs_redis_breaker_open(b)) {
        ngx_recs_redis_breaker_wait(b);
    }

    return NGX_OK;
}


void
ngx_recs_redis_server_open_background(ngx_recs_redis_server_t *server)
{
    ngx_recs_redis_conn_t  *conn;

    conn = &server->conns[server->redis->nconns];

    if (server->redis->background.ready && conn->tie.ready == NULL
        && !server->replica)
    {
        conn->tie.ready = ngx_recs_redis_server_background_ready;
        conn->tie.writes = 1;
        ngx_recs_redis_conn_open_soon(conn);
    }
}


void
ngx_recs_redis_server_promoted(ngx_recs_redis_server_t *server)
{
    ngx_uint_t              i;
    ngx_recs_redis_conn_t  *conn;

    server->replica = 0;
    server->source = NULL;

    for (i = 0; i < server->redis->nconns; i++) {
        conn = &server->conns[i];

        /* if it is a replica again one day, it must say so (MOVED) */

        if (conn->state != NGX_RECS_REDIS_CLOSED
            && ngx_recs_redis_readwrite(&conn->pipeline, server->redis)
               == NGX_OK)
        {
            ngx_recs_redis_conn_appended(conn, 0);
        }
    }

    ngx_recs_redis_server_open_background(server);
}


static void
ngx_recs_redis_server_background_ready(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_t  *redis;

    redis = conn->server->redis;

    redis->background.ready(redis->background.data);
}


ngx_recs_redis_conn_t *
ngx_recs_redis_server_background(ngx_recs_redis_server_t *server)
{
    ngx_recs_redis_conn_t  *conn;

    if (server->conns == NULL) {
        return NULL;
    }

    conn = &server->conns[server->redis->nconns];

    return conn->state == NGX_RECS_REDIS_READY ? conn : NULL;
}


void
ngx_recs_redis_server_close(ngx_recs_redis_server_t *server)
{
    ngx_uint_t  i;

    ngx_recs_redis_resolve_stop(&server->resolve);

    if (server->conns == NULL) {
        return;
    }

    for (i = 0; i <= server->redis->nconns; i++) {
        ngx_recs_redis_conn_destroy(&server->conns[i]);
    }

    if (server->breaker.timer.timer_set) {
        ngx_del_timer(&server->breaker.timer);
    }

    ngx_free(server->conns);
    server->conns = NULL;

    ngx_recs_redis_tls_forget(server);
}


void
ngx_recs_redis_server_leave(ngx_recs_redis_server_t *server)
{
    ngx_uint_t  i;

    for (i = 0; server->conns && i <= server->redis->nconns; i++) {
        ngx_recs_redis_conn_end_all(&server->conns[i]);
    }

    ngx_recs_redis_server_close(server);
}


ngx_recs_redis_conn_t *
ngx_recs_redis_server_pick(ngx_recs_redis_server_t *server)
{
    if (ngx_recs_redis_breaker_open(&server->breaker)) {
        ngx_recs_redis_breaker_declined(&server->breaker);
        return NULL;
    }

    return ngx_recs_redis_server_pick_patient(server);
}


ngx_recs_redis_conn_t *
ngx_recs_redis_server_pick_patient(ngx_recs_redis_server_t *server)
{
    ngx_uint_t              i, n;
    ngx_recs_redis_conn_t  *conn, *best;

    best = NULL;
    n = server->conns ? server->redis->nconns : 0;

    for (i = 0; i < n; i++) {
        conn = &server->conns[(server->begin + i) % n];

        if (conn->state == NGX_RECS_REDIS_CLOSED
            || ngx_recs_redis_pipeline_full(&conn->pipeline))
        {
            continue;
        }

        if (best == NULL || ngx_recs_redis_server_better(conn, best)) {
            best = conn;
        }
    }

    if (best) {
        server->begin = best - server->conns + 1;
    }

    return best;
}


static ngx_uint_t
ngx_recs_redis_server_better(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_conn_t *best)
{
    ngx_uint_t  ready, best_ready;

    ready = (conn->state == NGX_RECS_REDIS_READY);
    best_ready = (best->state == NGX_RECS_REDIS_READY);

    if (ready != best_ready) {
        return ready;
    }

    return conn->pipeline.waiting < best->pipeline.waiting;
}


/*
 * Asks a server that is not asked any more whether it answers.  Connections
 * that were lost are opened again meanwhile, as ever: if none is ready, its
 * handshake will tell, or another worker's probe.
 */

static void
ngx_recs_redis_server_probe(ngx_event_t *ev)
{
    ngx_recs_redis_conn_t     *conn;
    ngx_recs_redis_server_t   *server;
    ngx_recs_redis_breaker_t  *b;

    static const ngx_str_t  ping = ngx_string("PING");

    server = ev->data;
    b = &server->breaker;

    conn = ngx_recs_redis_server_pick_patient(server);

    if (conn && conn->state == NGX_RECS_REDIS_READY
        && ngx_recs_redis_breaker_due(b))
    {
        ngx_recs_redis_forget(&b->probe);

        b->probed = ngx_current_msec;
        (void) ngx_recs_redis_send(conn, &b->probe, 1, &ping);
    }

    ngx_recs_redis_breaker_wait(b);
}


static ngx_int_t
ngx_recs_redis_server_probe_value(ngx_recs_redis_query_t *q,
    ngx_recs_redis_value_t *v)
{
    return v->type == NGX_RECS_REDIS_STRING ? NGX_OK : NGX_ERROR;
}


static void
ngx_recs_redis_server_probe_done(ngx_recs_redis_query_t *q, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_redis_breaker_t *b = q->data;

    if (rc == NGX_OK) {
        ngx_recs_redis_breaker_probed(b, ngx_current_msec - b->probed);
    }
}


ngx_uint_t
ngx_recs_redis_server_ready(const ngx_recs_redis_server_t *server)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; server->conns && i < server->redis->nconns; i++) {
        n += (server->conns[i].state == NGX_RECS_REDIS_READY);
    }

    return n;
}
