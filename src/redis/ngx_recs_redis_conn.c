
/*
 * One connection to Redis, kept open: connect, handshake, read, write, and
 * after a loss the same again, with backoff and jitter.
 */


#include "ngx_recs_redis_conn.h"


/* one that was ready for so long is reopened at once when it is lost, ms */
#define NGX_RECS_REDIS_PROVEN       1000

/* each next one is twice as long, +-25% of jitter: at most 500 ms */
#define NGX_RECS_REDIS_BACKOFF      50
#define NGX_RECS_REDIS_BACKOFF_MAX  400

#define NGX_RECS_REDIS_READ         (16 * 1024)

/*
 * so much is read before others have their turn, bytes: thousands of ids, which
 * take a millisecond or two where they are put into a table
 */
#define NGX_RECS_REDIS_TURN         (32 * 1024)

/*
 * so many of worker_connections are left to others, or a worker could not even
 * start: at most an eighth
 */
#define NGX_RECS_REDIS_RESERVE      32


static ngx_int_t ngx_recs_redis_conn_handshake(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_not_made(ngx_recs_redis_conn_t *conn,
    ngx_int_t rc, ngx_err_t err);
static ngx_int_t ngx_recs_redis_conn_connected(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_recs_redis_conn_read(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_write_handler(ngx_event_t *wev);
static void ngx_recs_redis_conn_flush_handler(ngx_event_t *ev);
static ngx_int_t ngx_recs_redis_conn_flush(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_timer_handler(ngx_event_t *ev);
static void ngx_recs_redis_conn_check_reply(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_check_sub(ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_conn_ping(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_lost(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_abort(ngx_recs_redis_conn_t *conn);
static ngx_msec_t ngx_recs_redis_conn_delay(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_conn_close(ngx_recs_redis_conn_t *conn);


void
ngx_recs_redis_conn_init(ngx_recs_redis_conn_t *conn, ngx_recs_redis_t *redis,
    ngx_log_t *log)
{
    conn->redis = redis;
    conn->ident = (ngx_socket_t) -1;
    conn->tail = &conn->head;

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

    conn->error.data = conn->error_data;
    conn->fault.text.data = conn->fault.data;
}


void
ngx_recs_redis_conn_open(ngx_recs_redis_conn_t *conn)
{
    ngx_int_t               rc;
    ngx_err_t               err;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t   pc;

    if (conn->owner && !conn->owner->lasting && ngx_exiting) {
        return;
    }

    conn->state = NGX_RECS_REDIS_CONNECTING;

    ngx_recs_redis_output_reset(conn);

    conn->reader = ngx_recs_redis_reader(conn);

    if (conn->reader == NULL
        || ngx_recs_redis_conn_handshake(conn) != NGX_OK)
    {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "no memory for a connection");
        ngx_recs_redis_conn_lost(conn);
        return;
    }

    if (ngx_cycle->free_connection_n
        <= ngx_min(ngx_cycle->connection_n / 8, NGX_RECS_REDIS_RESERVE))
    {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "worker_connections are not enough");
        ngx_recs_redis_conn_lost(conn);
        return;
    }

    addr = &conn->redis->addrs[conn->addr];

    ngx_memzero(&pc, sizeof(ngx_peer_connection_t));

    pc.sockaddr = addr->sockaddr;
    pc.socklen = addr->socklen;
    pc.name = &addr->name;
    pc.get = ngx_event_get_peer;
    pc.so_keepalive = (addr->sockaddr->sa_family != AF_UNIX);
    pc.log = &conn->quiet;

    rc = ngx_event_connect_peer(&pc);

    err = ngx_socket_errno;

    if (rc == NGX_ERROR || rc == NGX_DECLINED) {
        ngx_recs_redis_conn_not_made(conn, rc, err);
        return;
    }

    c = pc.connection;

    c->data = conn;
    c->read->handler = ngx_recs_redis_conn_read_handler;
    c->write->handler = ngx_recs_redis_conn_write_handler;

    conn->connection = c;

    /* nginx calls the read handler of an idle one when the worker is to exit */

    c->idle = (conn->owner && !conn->owner->lasting);

    ngx_add_timer(&conn->timer, conn->redis->connect_timeout);

    if (rc == NGX_OK) {
        ngx_recs_redis_conn_write_handler(c->write);
    }
}


static ngx_int_t
ngx_recs_redis_conn_handshake(ngx_recs_redis_conn_t *conn)
{
    ngx_str_t          args[3], *arg;
    ngx_recs_redis_t  *redis;
    u_char             number[NGX_INT_T_LEN];

    redis = conn->redis;

    if (redis->password.len) {
        arg = args;
        ngx_str_set(arg, "AUTH");
        arg++;

        if (redis->user.len) {
            *arg++ = redis->user;
        }

        *arg++ = redis->password;

        if (ngx_recs_redis_append(conn, NGX_RECS_REDIS_AUTH, NULL, arg - args,
                                  args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (redis->database) {
        ngx_str_set(&args[0], "SELECT");
        args[1].data = number;
        args[1].len = ngx_sprintf(number, "%ui", redis->database) - number;

        if (ngx_recs_redis_append(conn, NGX_RECS_REDIS_SELECT, NULL, 2, args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_recs_redis_conn_ping(conn) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_recs_redis_subscribes(conn)) {
        ngx_str_set(&args[0], "SUBSCRIBE");
        args[1] = conn->owner->channel;

        if (ngx_recs_redis_append(conn, NGX_RECS_REDIS_SUBSCRIBE, NULL, 2,
                                  args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    conn->handshake = conn->appended;

    return NGX_OK;
}


static ngx_int_t
ngx_recs_redis_conn_ping(ngx_recs_redis_conn_t *conn)
{
    ngx_str_t  ping = ngx_string("PING");

    return ngx_recs_redis_append(conn, NGX_RECS_REDIS_PING, NULL, 1, &ping);
}


static void
ngx_recs_redis_conn_not_made(ngx_recs_redis_conn_t *conn, ngx_int_t rc,
    ngx_err_t err)
{
    ngx_recs_redis_reason_e  reason;

    if (rc == NGX_DECLINED) {
        reason = (err == NGX_EACCES || err == NGX_EPERM)
                 ? NGX_RECS_REDIS_FORBIDDEN : NGX_RECS_REDIS_AWAY;

        ngx_recs_redis_fault(conn, reason, err, "connect() to %V failed",
                             &conn->redis->addrs[conn->addr].name);

    } else {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_RESOURCE, err,
                             "no socket could be made");
    }

    ngx_recs_redis_conn_lost(conn);
}


/* NGX_ERROR: it is not, and lost. */

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
        ngx_recs_redis_conn_not_made(conn, NGX_DECLINED, err);
        return NGX_ERROR;
    }

    /* without it, the connection is only slower */

    (void) ngx_tcp_nodelay(c);

    conn->state = NGX_RECS_REDIS_HANDSHAKE;

    return NGX_OK;
}


void
ngx_recs_redis_conn_ready(ngx_recs_redis_conn_t *conn)
{
    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, conn->log, 0,
                   "recs_redis \"%V\" fd:%d ready, %ui commands waiting",
                   &conn->redis->name, conn->connection->fd, conn->waiting);

    conn->state = NGX_RECS_REDIS_READY;
    conn->ready = ngx_current_msec;
    conn->tried = 0;

    ngx_del_timer(&conn->timer);

    ngx_recs_redis_count(conn->redis, connects);
    ngx_recs_redis_log_recovery(conn);

    if (conn->head || ngx_recs_redis_subscribes(conn)) {
        ngx_add_timer(&conn->timer, conn->redis->timeout);
    }

    if (conn->head) {
        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    if (conn->owner) {
        conn->owner->ready(conn->owner);
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

        if (conn->owner && !conn->owner->lasting) {
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
            ngx_recs_redis_fault(conn, NGX_RECS_REDIS_AWAY, ngx_socket_errno,
                                 "recv() failed");
            goto lost;
        }

        if (n == 0) {
            ngx_recs_redis_fault(conn, NGX_RECS_REDIS_AWAY, 0,
                                 "Redis closed the connection");
            goto lost;
        }

        ngx_recs_redis_hold(conn);

        rc = ngx_recs_redis_read(conn, buf, n);

        if (ngx_recs_redis_release(conn) != NGX_OK) {
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {
            goto lost;
        }

        size += n;

    } while (c->read->ready && size < NGX_RECS_REDIS_TURN);

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "no event could be added");
        goto lost;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_next_events);
    }

    return NGX_OK;

lost:

    ngx_recs_redis_conn_lost(conn);

    return NGX_ERROR;
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
        size = ngx_recs_redis_output(conn);

        if (size == 0) {
            break;
        }

        n = c->send(c, conn->out.pos, size);

        if (n == NGX_ERROR) {
            ngx_recs_redis_fault(conn, NGX_RECS_REDIS_AWAY, ngx_socket_errno,
                                 "send() failed");
            goto lost;
        }

        if (n > 0) {
            ngx_recs_redis_output_sent(conn, n);
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "no event could be added");
        goto lost;
    }

    return NGX_OK;

lost:

    ngx_recs_redis_conn_lost(conn);

    return NGX_ERROR;
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
        if (ngx_recs_redis_subscribes(conn) && conn->head == NULL) {
            ngx_recs_redis_conn_check_sub(conn);
            return;
        }

        ngx_recs_redis_conn_check_reply(conn);
        return;

    default:
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_AWAY, 0,
                             "%V was not ready within connect_timeout=%Mms",
                             &conn->redis->addrs[conn->addr].name,
                             conn->redis->connect_timeout);
        ngx_recs_redis_conn_lost(conn);
    }
}


static void
ngx_recs_redis_conn_check_reply(ngx_recs_redis_conn_t *conn)
{
    ngx_msec_t      waits;
    ngx_msec_int_t  left;

    /* the reply may be here, and its event behind this one */

    if (ngx_recs_redis_conn_read(conn) != NGX_OK) {
        return;
    }

    if (conn->head == NULL) {

        if (ngx_recs_redis_subscribes(conn)) {
            ngx_add_timer(&conn->timer, conn->redis->timeout);
        }

        return;
    }

    /* commands that came during the handshake left after it */

    waits = ngx_min(ngx_current_msec - conn->head->since,
                    ngx_current_msec - conn->ready);

    left = (ngx_msec_int_t) (conn->redis->timeout + conn->head->block
                             - waits);

    if (left > 0) {

        /* a done() may have sent, and set the timer for its own command */

        if (conn->timer.timer_set) {
            ngx_del_timer(&conn->timer);
        }

        ngx_add_timer(&conn->timer, left);
        return;
    }

    ngx_recs_redis_fault(conn, NGX_RECS_REDIS_AWAY, 0,
                         "no reply within timeout=%Mms", conn->redis->timeout);
    ngx_recs_redis_conn_lost(conn);
}


/* Messages may not come for hours: a PING in each timeout finds a dead one. */

static void
ngx_recs_redis_conn_check_sub(ngx_recs_redis_conn_t *conn)
{
    if (ngx_recs_redis_conn_ping(conn) != NGX_OK) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "no memory for a command");
        ngx_recs_redis_conn_lost(conn);
        return;
    }

    ngx_add_timer(&conn->timer, conn->redis->timeout);

    (void) ngx_recs_redis_conn_flush(conn);
}


void
ngx_recs_redis_fault(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_reason_e reason, ngx_err_t err, const char *fmt, ...)
{
    va_list                  args;
    ngx_recs_redis_fault_t  *fault;

    fault = &conn->fault;

    fault->reason = reason;
    fault->err = err;

    va_start(args, fmt);
    fault->text.len = ngx_vslprintf(fault->data,
                                    fault->data + NGX_RECS_REDIS_TEXT,
                                    fmt, args)
                      - fault->data;
    va_end(args);
}


/*
 * Closes the connection, for the reason in conn->fault, lets the timer open
 * it again, and tells all that wait.
 */

static void
ngx_recs_redis_conn_lost(ngx_recs_redis_conn_t *conn)
{
    ngx_msec_t  delay;
    ngx_uint_t  harmless;

    delay = ngx_recs_redis_conn_delay(conn);

    ngx_log_debug4(NGX_LOG_DEBUG_EVENT, conn->log, conn->fault.err,
                   "recs_redis \"%V\" lost: %V; %ui waiting, again in %M ms",
                   &conn->redis->name, &conn->fault.text, conn->waiting,
                   delay);

    /*
     * not worth a line: another address is tried at once, or an idle
     * connection was closed (see "timeout" in redis.conf) and is reopened
     */

    if (conn->state == NGX_RECS_REDIS_READY) {
        harmless = (conn->fault.reason == NGX_RECS_REDIS_AWAY
                    && conn->head == NULL);

    } else {
        harmless = 1;
    }

    if (delay || !harmless) {
        ngx_recs_redis_log_loss(conn);
    }

    ngx_recs_redis_count(conn->redis, losses);

    ngx_recs_redis_conn_close(conn);

    ngx_add_timer(&conn->timer, delay);

    ngx_recs_redis_conn_abort(conn);
}


/* Tells all that wait; the owner may close it in that, and it is gone. */

static void
ngx_recs_redis_conn_abort(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_hold(conn);
    ngx_recs_redis_abort(conn);
    (void) ngx_recs_redis_release(conn);
}


/* How long to wait until it is opened again, ms. */

static ngx_msec_t
ngx_recs_redis_conn_delay(ngx_recs_redis_conn_t *conn)
{
    ngx_msec_t  delay;

    if (conn->state == NGX_RECS_REDIS_READY) {

        if (ngx_current_msec - conn->ready >= NGX_RECS_REDIS_PROVEN) {
            conn->backoffs = 0;
            return 0;
        }

    } else {
        conn->addr = (conn->addr + 1) % conn->redis->naddrs;
        conn->tried++;

        if (conn->tried < conn->redis->naddrs) {
            return 0;
        }

        conn->tried = 0;
    }

    delay = ngx_min(NGX_RECS_REDIS_BACKOFF << conn->backoffs,
                    NGX_RECS_REDIS_BACKOFF_MAX);

    if (delay < NGX_RECS_REDIS_BACKOFF_MAX) {
        conn->backoffs++;
    }

    return delay - delay / 4 + ngx_random() % (delay / 2 + 1);
}


static void
ngx_recs_redis_conn_close(ngx_recs_redis_conn_t *conn)
{
    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    if (conn->connection) {
        ngx_close_connection(conn->connection);
        conn->connection = NULL;
    }

    if (conn->reader) {
        redisReaderFree(conn->reader);
        conn->reader = NULL;
    }

    conn->state = NGX_RECS_REDIS_CLOSED;
}


void
ngx_recs_redis_conn_destroy(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_conn_close(conn);
    ngx_recs_redis_pipeline_free(conn);
}
