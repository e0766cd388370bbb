
/*
 * One connection to Redis, kept open: connect, handshake, read, write, and
 * after a loss the same again.  It is one machine of few states, which is read
 * as a whole: so this file is long.
 */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_handshake.h"
#include "ngx_recs_redis_loss.h"
#include "ngx_recs_redis_socket.h"


#define NGX_RECS_REDIS_READ         (16 * 1024)

/* in one turn, bytes: thousands of ids are put into a table in some ms */
#define NGX_RECS_REDIS_TURN         (32 * 1024)

/* as long as it is not known where to connect to, ms, and up to twice that */
#define NGX_RECS_REDIS_NOWHERE      50

/* until AUTH is sent again when it was refused, ms, if not before */
#define NGX_RECS_REDIS_AUTH_AGAIN   10000

/* in which connections are opened that nobody waits for, ms */
#define NGX_RECS_REDIS_SPREAD       300

/* worker_connections left to others, an eighth at most: it has to start */
#define NGX_RECS_REDIS_RESERVE      32


static ngx_int_t ngx_recs_redis_conn_redirect(void *data);
static void ngx_recs_redis_conn_authed(ngx_recs_redis_conn_t *conn,
    ngx_msec_t most);
static ngx_msec_t ngx_recs_redis_conn_wait(ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_conn_locate(ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_conn_connect(ngx_recs_redis_conn_t *conn,
    ngx_connection_t **c);
static ngx_int_t ngx_recs_redis_conn_connected(ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_conn_secure(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_secured(ngx_connection_t *c);
static ngx_int_t ngx_recs_redis_conn_value(void *data,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_redis_conn_failed(void *data);
static ngx_int_t ngx_recs_redis_conn_end(void *data);
static void ngx_recs_redis_conn_well(void *data);
static void ngx_recs_redis_conn_ready(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_recs_redis_conn_read(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_write_handler(ngx_event_t *wev);
static void ngx_recs_redis_conn_flush_handler(ngx_event_t *ev);
static ngx_int_t ngx_recs_redis_conn_flush(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_timer_handler(ngx_event_t *ev);
static void ngx_recs_redis_conn_check_reply(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_check_sub(ngx_recs_redis_conn_t *conn);


void
ngx_recs_redis_conn_init(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_server_t *server, const ngx_str_t *channel, ngx_log_t *log)
{
    conn->server = server;
    conn->ident = (ngx_socket_t) -1;

    /*
     * nginx would log each failed connect() and recv(), some of them as
     * [crit]; here a loss is one line for all connections of the worker
     */

    conn->log = log;
    conn->quiet = *log;
    conn->quiet.log_level = NGX_LOG_EMERG;

    /* neither timer may keep a worker that is exiting */

    conn->timer.handler = ngx_recs_redis_conn_timer_handler;
    conn->timer.data = conn;
    conn->timer.log = log;
    conn->timer.cancelable = 1;

    conn->flush.handler = ngx_recs_redis_conn_flush_handler;
    conn->flush.data = conn;
    conn->flush.log = log;

    ngx_recs_redis_pipeline_init(&conn->pipeline, log);

    conn->push.pipeline = &conn->pipeline;
    conn->push.fault = &conn->fault;
    conn->push.channel = *channel;

    conn->reader.pipeline = &conn->pipeline;
    conn->reader.counters = server->redis->counters;
    conn->reader.fault = &conn->fault;
    conn->reader.max_bulk = channel->len ? NGX_RECS_REDIS_MAX_MESSAGE
                                         : NGX_RECS_REDIS_MAX_BULK;
    conn->reader.value = ngx_recs_redis_conn_value;
    conn->reader.failed = ngx_recs_redis_conn_failed;
    conn->reader.end = ngx_recs_redis_conn_end;
    conn->reader.well = ngx_recs_redis_conn_well;
    conn->reader.data = conn;

    if (server->redis->redirect) {
        conn->reader.redirect = ngx_recs_redis_conn_redirect;
    }

    conn->pipeline.keep = (server->redis->topology == NGX_RECS_REDIS_CLUSTER);
}


static ngx_int_t
ngx_recs_redis_conn_redirect(void *data)
{
    ngx_recs_redis_conn_t *conn = data;

    return conn->server->redis->redirect(conn, &conn->reader.error);
}


void
ngx_recs_redis_conn_open(ngx_recs_redis_conn_t *conn)
{
    ngx_int_t          rc;
    ngx_msec_t         wait;
    ngx_connection_t  *c;

    if (conn->tie.brief && ngx_exiting) {
        return;
    }

    if (conn->tie.where) {
        conn->server = conn->tie.where(conn);
    }

    wait = ngx_recs_redis_conn_wait(conn);

    if (wait) {
        ngx_add_timer(&conn->timer, wait);
        return;
    }

    ngx_recs_redis_conn_authed(conn, NGX_MAX_INT32_VALUE);

    conn->retry.addr %= conn->server->naddrs;
    conn->state = NGX_RECS_REDIS_CONNECTING;

    ngx_recs_redis_pipeline_reset(&conn->pipeline);

    if (ngx_recs_redis_reader_open(&conn->reader) != NGX_OK
        || ngx_recs_redis_handshake(&conn->pipeline, conn->server,
                                    &conn->push.channel,
                                    conn->tie.writes || conn->server->master)
           != NGX_OK)
    {
        (void) ngx_recs_redis_conn_lose(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                                        "no memory for a connection");
        return;
    }

    if (ngx_cycle->free_connection_n
        <= ngx_min(ngx_cycle->connection_n / 8, NGX_RECS_REDIS_RESERVE))
    {
        (void) ngx_recs_redis_conn_lose(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                                        "worker_connections are not enough");
        return;
    }

    rc = ngx_recs_redis_conn_connect(conn, &c);

    if (rc == NGX_ABORT) {
        return;
    }

    c->data = conn;
    c->read->handler = ngx_recs_redis_conn_read_handler;
    c->write->handler = ngx_recs_redis_conn_write_handler;

    conn->connection = c;

    /* nginx calls the read handler of an idle one when the worker is to exit */

    c->idle = conn->tie.brief;

    ngx_add_timer(&conn->timer, conn->server->redis->connect_timeout);

    if (rc == NGX_OK) {
        ngx_recs_redis_conn_write_handler(c->write);
    }
}


/*
 * AUTH is sent again when refresh= has passed, or so many ms if they are less:
 * a bit earlier, so that not all of them do in one instant.
 */

static void
ngx_recs_redis_conn_authed(ngx_recs_redis_conn_t *conn, ngx_msec_t most)
{
    ngx_msec_t  wait;

    wait = ngx_min(ngx_recs_redis_login(conn->server)->refresh, most);

    conn->renew = ngx_current_msec + wait - ngx_random() % (wait / 10 + 1);
}


void
ngx_recs_redis_conn_renew(ngx_recs_redis_conn_t *conn)
{
    if (conn->state != NGX_RECS_REDIS_READY
        || ngx_recs_redis_login(conn->server)->refresh == 0
        || (ngx_msec_int_t) (ngx_current_msec - conn->renew) < 0)
    {
        return;
    }

    /* in RESP2, one that is subscribed takes no AUTH */

    if (ngx_recs_redis_subscribes(conn) && !conn->reader.resp3) {
        (void) ngx_recs_redis_conn_lose(conn, NGX_RECS_REDIS_MOVED, 0,
                                        "the password may end");
        return;
    }

    if (ngx_recs_redis_auth(&conn->pipeline, conn->server) == NGX_OK) {
        ngx_recs_redis_conn_authed(conn, NGX_MAX_INT32_VALUE);
        ngx_recs_redis_conn_appended(conn, 0);
    }
}


/* 0: it may be opened; else ms until that is to be looked at again. */

static ngx_msec_t
ngx_recs_redis_conn_wait(ngx_recs_redis_conn_t *conn)
{
    conn->unlocated = (ngx_recs_redis_conn_locate(conn) != NGX_OK);

    if (conn->unlocated) {
        return NGX_RECS_REDIS_NOWHERE + ngx_random() % NGX_RECS_REDIS_NOWHERE;
    }

    return ngx_recs_redis_retry_wait(&conn->retry, conn->server->pace,
                                     conn->server->naddrs);
}


/* Is it known where it leads to?  NGX_OK, or NGX_AGAIN: not yet. */

static ngx_int_t
ngx_recs_redis_conn_locate(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_server_t  *server;

    server = conn->server;

    if (server->resolve.resolver) {
        return ngx_recs_redis_resolve(&server->resolve);
    }

    return server->naddrs ? NGX_OK : NGX_AGAIN;
}


void
ngx_recs_redis_conn_open_soon(ngx_recs_redis_conn_t *conn)
{
    ngx_add_timer(&conn->timer, ngx_random() % NGX_RECS_REDIS_SPREAD);
}


/* NGX_OK; NGX_AGAIN, under way; NGX_ABORT, it is lost already. */

static ngx_int_t
ngx_recs_redis_conn_connect(ngx_recs_redis_conn_t *conn, ngx_connection_t **c)
{
    ngx_int_t               rc;
    ngx_err_t               err;
    ngx_addr_t             *addr;
    ngx_peer_connection_t   pc;

    addr = &conn->server->addrs[conn->retry.addr];

    ngx_memzero(&pc, sizeof(ngx_peer_connection_t));

    pc.sockaddr = addr->sockaddr;
    pc.socklen = addr->socklen;
    pc.name = &addr->name;
    pc.get = ngx_event_get_peer;
    pc.log = &conn->quiet;

    rc = ngx_event_connect_peer(&pc);

    err = ngx_socket_errno;

    if (rc == NGX_ERROR) {
        (void) ngx_recs_redis_conn_lose(conn, NGX_RECS_REDIS_NO_RESOURCE, err,
                                        "no socket could be made");
        return NGX_ABORT;
    }

    if (rc == NGX_DECLINED) {
        (void) ngx_recs_redis_conn_refused(conn, err);
        return NGX_ABORT;
    }

    *c = pc.connection;

    if (addr->sockaddr->sa_family != AF_UNIX) {
        ngx_recs_redis_socket_watch((*c)->fd, conn->server->redis->timeout);
    }

    return rc;
}


/*
 * NGX_OK: the handshake of RESP may begin.  Else it does not from here: TLS
 * comes first, or it is lost.
 */

static ngx_int_t
ngx_recs_redis_conn_connected(ngx_recs_redis_conn_t *conn)
{
    int                err;
    socklen_t          len;
    ngx_connection_t  *c;

    c = conn->connection;

    err = 0;
    len = sizeof(int);

    /* where getsockopt() gives the pending error as its own, errno has it */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        return ngx_recs_redis_conn_refused(conn, err);
    }

    /* without it, the connection is only slower */

    (void) ngx_tcp_nodelay(c);

    if (ngx_recs_redis_has_tls(conn)) {
        return ngx_recs_redis_conn_secure(conn);
    }

    conn->state = NGX_RECS_REDIS_HANDSHAKE;
    conn->greeted = ngx_current_msec;

    return NGX_OK;
}


/* NGX_AGAIN: it may have ended already, well or not; NGX_ERROR: it is lost. */

static ngx_int_t
ngx_recs_redis_conn_secure(ngx_recs_redis_conn_t *conn)
{
    ngx_int_t  rc;

    conn->state = NGX_RECS_REDIS_SECURING;

    rc = ngx_recs_redis_tls_begin(conn, ngx_recs_redis_conn_secured);

    if (rc == NGX_ERROR) {
        ngx_recs_redis_conn_lost(conn);
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        ngx_recs_redis_conn_secured(conn->connection);
    }

    return NGX_AGAIN;
}


static void
ngx_recs_redis_conn_secured(ngx_connection_t *c)
{
    ngx_recs_redis_conn_t  *conn;

    conn = c->data;

    if (ngx_recs_redis_tls_ended(conn) != NGX_OK) {
        ngx_recs_redis_conn_lost(conn);
        return;
    }

    /* nginx had its own there meanwhile */

    c->read->handler = ngx_recs_redis_conn_read_handler;
    c->write->handler = ngx_recs_redis_conn_write_handler;

    conn->state = NGX_RECS_REDIS_HANDSHAKE;

    if (ngx_recs_redis_conn_flush(conn) == NGX_OK) {
        ngx_recs_redis_conn_read_handler(c->read);
    }
}


/* A value of what is no reply to a query. */

static ngx_int_t
ngx_recs_redis_conn_value(void *data, ngx_recs_redis_value_t *v)
{
    ngx_recs_redis_slot_t  *slot;
    ngx_recs_redis_conn_t  *conn;

    conn = data;
    slot = conn->pipeline.head;

    if (ngx_recs_redis_stray(conn)) {
        return NGX_OK;
    }

    if (ngx_recs_redis_pushed(conn)
        || slot->kind == NGX_RECS_REDIS_SUBSCRIBE)
    {
        return ngx_recs_redis_push_value(&conn->push, v);
    }

    return ngx_recs_redis_handshake_value(slot->kind, v, &conn->fault);
}


static ngx_int_t
ngx_recs_redis_conn_failed(void *data)
{
    ngx_recs_redis_conn_t *conn = data;

    if (ngx_recs_redis_stray(conn)) {
        return NGX_OK;
    }

    if (ngx_recs_redis_pushed(conn)) {
        ngx_recs_redis_push_failed(&conn->push, &conn->reader.error);
        return NGX_ERROR;
    }

    if (conn->pipeline.ready
        && conn->pipeline.head->kind == NGX_RECS_REDIS_AUTH)
    {
        /* whoever it was before, it still is */

        ngx_recs_redis_log_auth(conn->server, 1, conn->log);
        ngx_recs_redis_conn_authed(conn, NGX_RECS_REDIS_AUTH_AGAIN);
        return NGX_OK;
    }

    return ngx_recs_redis_handshake_failed(conn->pipeline.head->kind,
                                           conn->server,
                                           &conn->push.channel,
                                           &conn->reader.error, &conn->fault);
}


static ngx_int_t
ngx_recs_redis_conn_end(void *data)
{
    ngx_recs_redis_kind_e   kind;
    ngx_recs_redis_conn_t  *conn;

    conn = data;

    if (ngx_recs_redis_stray(conn)) {
        return NGX_OK;
    }

    if (ngx_recs_redis_pushed(conn)
        && conn->push.type == NGX_RECS_REDIS_PUSH_MESSAGE)
    {
        conn->tie.message(conn, &conn->push.payload);
        return NGX_OK;
    }

    kind = conn->pipeline.head->kind;

    (void) ngx_recs_redis_pipeline_shift(&conn->pipeline);

    if (kind == NGX_RECS_REDIS_AUTH && conn->reader.error.len == 0) {
        ngx_recs_redis_log_auth(conn->server, 0, conn->log);
    }

    if (kind == NGX_RECS_REDIS_HELLO) {
        ngx_recs_redis_log_protocol(conn->server, conn->reader.resp3,
                                    &conn->reader.error, conn->log);
    }

    /* PING is the last of the handshake, unless SUBSCRIBE is */

    if (kind == NGX_RECS_REDIS_SUBSCRIBE
        || (kind == NGX_RECS_REDIS_PING && !ngx_recs_redis_subscribes(conn)))
    {
        ngx_recs_redis_conn_ready(conn);
    }

    return NGX_OK;
}


static void
ngx_recs_redis_conn_well(void *data)
{
    ngx_recs_redis_conn_t *conn = data;

    ngx_recs_redis_log_writes(conn->server, &conn->fault, conn->log);
}


/* The handshake was answered well. */

static void
ngx_recs_redis_conn_ready(ngx_recs_redis_conn_t *conn)
{
    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, conn->log, 0,
                   "recs_redis \"%V\" fd:%d ready, %ui commands waiting",
                   &conn->server->redis->name, conn->connection->fd,
                   conn->pipeline.waiting);

    conn->state = NGX_RECS_REDIS_READY;
    conn->ready = ngx_current_msec;
    conn->server->vain = 0;
    conn->retry.tried = 0;
    conn->pipeline.ready = 1;
    conn->reader.pushes = (ngx_recs_redis_subscribes(conn)
                           && !conn->reader.resp3);

    ngx_del_timer(&conn->timer);

    ngx_recs_redis_retry_well(conn->server->pace);

    ngx_recs_redis_count(conn->server->redis->counters, connects);
    ngx_recs_redis_log_recovery(conn->server, &conn->fault, &conn->push.channel,
                                conn->log);

    if (conn->pipeline.breaker) {
        ngx_recs_redis_breaker_greeted(conn->pipeline.breaker,
                                       ngx_current_msec - conn->greeted);
    }

    if (conn->pipeline.head || ngx_recs_redis_subscribes(conn)) {
        ngx_add_timer(&conn->timer, conn->server->redis->timeout);
    }

    if (conn->pipeline.head) {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    if (conn->tie.ready) {
        conn->tie.ready(conn);
    }
}


static void
ngx_recs_redis_conn_read_handler(ngx_event_t *rev)
{
    ngx_connection_t       *c;
    ngx_recs_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (c->close) {

        /* the worker is exiting: what private ones are for, others do */

        if (conn->tie.brief) {
            conn->fault.reason = 0;
            ngx_recs_redis_conn_close(conn);
            ngx_recs_redis_conn_abort(conn);
            return;
        }

        /* worker_shutdown_timeout; requests may still need it to end */

        c->close = 0;
        return;
    }

    if (conn->state == NGX_RECS_REDIS_CONNECTING) {

        if (ngx_recs_redis_conn_connected(conn) != NGX_OK
            || ngx_recs_redis_conn_flush(conn) != NGX_OK)
        {
            return;
        }
    }

    (void) ngx_recs_redis_conn_read(conn);
}


/* NGX_ERROR: it is lost. */

static ngx_int_t
ngx_recs_redis_conn_read(ngx_recs_redis_conn_t *conn)
{
    size_t             size;
    ssize_t            n;
    ngx_int_t          rc;
    ngx_connection_t  *c;
    static u_char      buf[NGX_RECS_REDIS_READ];

    c = conn->connection;
    size = 0;

    do {
        n = c->recv(c, buf, NGX_RECS_REDIS_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR) {
            return ngx_recs_redis_conn_broken(conn, ngx_socket_errno,
                                              "recv() failed");
        }

        if (n == 0) {
            return ngx_recs_redis_conn_broken(conn, 0,
                                              "Redis closed the connection");
        }

        conn->tie.held = 1;

        rc = ngx_recs_redis_read(&conn->reader, buf, n);

        if (ngx_recs_redis_conn_release(conn) != NGX_OK) {
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {
            ngx_recs_redis_conn_lost(conn);
            return NGX_ERROR;
        }

        size += n;

    } while (c->read->ready && size < NGX_RECS_REDIS_TURN);

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return ngx_recs_redis_conn_lose(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                                        "no event could be added");
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_next_events);
    }

    return NGX_OK;
}


static void
ngx_recs_redis_conn_write_handler(ngx_event_t *wev)
{
    ngx_connection_t       *c;
    ngx_recs_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    if (conn->state == NGX_RECS_REDIS_CONNECTING
        && ngx_recs_redis_conn_connected(conn) != NGX_OK)
    {
        return;
    }

    (void) ngx_recs_redis_conn_flush(conn);
}


static void
ngx_recs_redis_conn_flush_handler(ngx_event_t *ev)
{
    (void) ngx_recs_redis_conn_flush(ev->data);
}


/* NGX_ERROR: it is lost. */

static ngx_int_t
ngx_recs_redis_conn_flush(ngx_recs_redis_conn_t *conn)
{
    size_t             size;
    ssize_t            n;
    ngx_connection_t  *c;

    c = conn->connection;

    while (c->write->ready) {
        size = ngx_recs_redis_pipeline_output(&conn->pipeline);

        if (size == 0) {
            break;
        }

        n = c->send(c, conn->pipeline.out.pos, size);

        if (n == NGX_ERROR) {
            return ngx_recs_redis_conn_broken(conn, ngx_socket_errno,
                                              "send() failed");
        }

        if (n > 0) {
            ngx_recs_redis_pipeline_sent(&conn->pipeline, n);
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        return ngx_recs_redis_conn_lose(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                                        "no event could be added");
    }

    return NGX_OK;
}


static void
ngx_recs_redis_conn_timer_handler(ngx_event_t *ev)
{
    ngx_recs_redis_conn_t  *conn;

    conn = ev->data;

    switch (conn->state) {

    case NGX_RECS_REDIS_CLOSED:
        ngx_recs_redis_conn_open(conn);
        return;

    case NGX_RECS_REDIS_READY:
        if (ngx_recs_redis_subscribes(conn) && conn->pipeline.head == NULL) {
            ngx_recs_redis_conn_check_sub(conn);
            return;
        }

        ngx_recs_redis_conn_check_reply(conn);
        return;

    default:
        ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_AWAY, 0,
                             "%V was not ready within connect_timeout=%Mms%s",
                             &conn->server->addrs[conn->retry.addr].name,
                             conn->server->redis->connect_timeout,
                             conn->state == NGX_RECS_REDIS_SECURING
                             ? ", does it speak TLS?" : "");
        ngx_recs_redis_conn_lost(conn);
    }
}


static void
ngx_recs_redis_conn_check_reply(ngx_recs_redis_conn_t *conn)
{
    ngx_msec_int_t          left;
    ngx_recs_redis_slot_t  *slot;

    /* the reply may be here, and its event behind this one */

    if (ngx_recs_redis_conn_read(conn) != NGX_OK) {
        return;
    }

    slot = conn->pipeline.head;

    if (slot == NULL) {
        if (ngx_recs_redis_subscribes(conn)) {
            ngx_add_timer(&conn->timer, conn->server->redis->timeout);
        }

        return;
    }

    /* commands that came during the handshake left after it */

    left = conn->server->redis->timeout + slot->block
           - ngx_min(ngx_current_msec - slot->since,
                     ngx_current_msec - conn->ready);

    if (left > 0) {

        /* a done() may have sent, and set the timer for its own command */

        if (conn->timer.timer_set) {
            ngx_del_timer(&conn->timer);
        }

        ngx_add_timer(&conn->timer, left);
        return;
    }

    ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_AWAY, 0,
                         "no reply within timeout=%Mms",
                         conn->server->redis->timeout);
    ngx_recs_redis_conn_lost(conn);
}


/* Messages may not come for hours: a PING in each timeout finds a dead one. */

static void
ngx_recs_redis_conn_check_sub(ngx_recs_redis_conn_t *conn)
{
    if (ngx_recs_redis_ping(&conn->pipeline) != NGX_OK) {
        (void) ngx_recs_redis_conn_lose(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                                        "no memory for a command");
        return;
    }

    ngx_add_timer(&conn->timer, conn->server->redis->timeout);

    (void) ngx_recs_redis_conn_flush(conn);
}
