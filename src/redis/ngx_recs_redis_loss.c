
/*
 * A connection is lost, or closed: why is noted, whoever waits is told, and the
 * timer opens it again unless it is over for good.
 */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_loss.h"
#include "ngx_recs_redis_tls.h"


static void ngx_recs_redis_conn_tell(ngx_recs_redis_conn_t *conn,
    ngx_msec_t delay);


ngx_int_t
ngx_recs_redis_conn_refused(ngx_recs_redis_conn_t *conn, ngx_err_t err)
{
    ngx_recs_redis_fault(&conn->fault,
                         (err == NGX_EACCES || err == NGX_EPERM)
                         ? NGX_RECS_REDIS_FORBIDDEN : NGX_RECS_REDIS_AWAY,
                         err, "connect() to %V failed",
                         &conn->server->addrs[conn->retry.addr].name);
    ngx_recs_redis_conn_lost(conn);

    return NGX_ERROR;
}


/*
 * The other side has ended it, or the network.  Before a word was said that may
 * be a port for TLS, which a plain client finds so.
 */

ngx_int_t
ngx_recs_redis_conn_broken(ngx_recs_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
    ngx_addr_t  *addr;

    addr = &conn->server->addrs[conn->retry.addr];

    if (ngx_recs_redis_has_tls(conn)) {
        ngx_recs_redis_tls_fault(conn, err, text);

    } else {
        ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_AWAY, err, "%s%s",
                             text,
                             conn->state == NGX_RECS_REDIS_HANDSHAKE
                             && addr->sockaddr->sa_family != AF_UNIX
                             ? ", does it want TLS (rediss://)?" : "");
    }

    ngx_recs_redis_conn_lost(conn);

    return NGX_ERROR;
}


ngx_int_t
ngx_recs_redis_conn_lose(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_reason_e reason, ngx_err_t err, const char *text)
{
    ngx_recs_redis_fault(&conn->fault, reason, err, "%s", text);
    ngx_recs_redis_conn_lost(conn);

    return NGX_ERROR;
}


void
ngx_recs_redis_conn_lost(ngx_recs_redis_conn_t *conn)
{
    ngx_msec_t  delay;
    ngx_uint_t  harmless;

    delay = ngx_recs_redis_retry(&conn->retry, conn->server->naddrs,
                                 conn->state == NGX_RECS_REDIS_READY,
                                 conn->ready);

    ngx_log_debug4(NGX_LOG_DEBUG_EVENT, conn->log, conn->fault.err,
                   "recs_redis \"%V\" lost: %V; %ui waiting, again in %M ms",
                   &conn->server->redis->name, &conn->fault.text,
                   conn->pipeline.waiting, delay);

    /*
     * not worth a line: another address is tried at once, or an idle
     * connection was closed (see "timeout" in redis.conf) and is reopened
     */

    if (conn->state == NGX_RECS_REDIS_READY) {
        harmless = (conn->fault.reason == NGX_RECS_REDIS_AWAY
                    && conn->pipeline.head == NULL);

    } else {
        harmless = 1;
    }

    if (conn->fault.reason == NGX_RECS_REDIS_READONLY) {
        conn->server->demoted = 1;
    }

    if (delay && conn->state != NGX_RECS_REDIS_READY) {
        conn->server->vain = 1;
    }

    if (delay || !harmless) {
        ngx_recs_redis_log_loss(conn->server, &conn->fault, conn->log);
    }

    if (delay && conn->fault.reason != NGX_RECS_REDIS_NO_RESOURCE) {
        ngx_recs_redis_retry_ill(conn->server->pace);
    }

    ngx_recs_redis_count(conn->server->redis->counters, losses);
    ngx_recs_redis_conn_tell(conn, delay);

    ngx_recs_redis_conn_close(conn);

    ngx_add_timer(&conn->timer, delay);

    ngx_recs_redis_conn_abort(conn);
}


/*
 * Tells the breaker, unless it is this worker that fails, another address is
 * tried first, or nobody waited.
 */

static void
ngx_recs_redis_conn_tell(ngx_recs_redis_conn_t *conn, ngx_msec_t delay)
{
    if (conn->pipeline.breaker == NULL
        || conn->pipeline.head == NULL
        || conn->fault.reason == NGX_RECS_REDIS_NO_RESOURCE
        || (conn->state != NGX_RECS_REDIS_READY && delay == 0))
    {
        return;
    }

    ngx_recs_redis_breaker_failed(conn->pipeline.breaker,
                                  conn->pipeline.head->since, 0);
}


void
ngx_recs_redis_conn_abort(ngx_recs_redis_conn_t *conn)
{
    conn->tie.held = 1;
    ngx_recs_redis_pipeline_abort(&conn->pipeline, conn->fault.reason
                                                   & NGX_RECS_REDIS_OF_COMMAND);
    (void) ngx_recs_redis_conn_release(conn);
}


ngx_int_t
ngx_recs_redis_conn_release(ngx_recs_redis_conn_t *conn)
{
    conn->tie.held = 0;

    if (!conn->tie.dropped) {
        return NGX_OK;
    }

    conn->tie.free(conn);

    return NGX_ERROR;
}


void
ngx_recs_redis_conn_close(ngx_recs_redis_conn_t *conn)
{
    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    if (conn->connection) {

        if (ngx_recs_redis_has_tls(conn)) {
            ngx_recs_redis_tls_close(conn);
        }

        ngx_close_connection(conn->connection);
        conn->connection = NULL;
    }

    ngx_recs_redis_reader_close(&conn->reader);

    conn->state = NGX_RECS_REDIS_CLOSED;
}


void
ngx_recs_redis_conn_leave(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_server_t *nowhere)
{
    ngx_uint_t  closed;

    closed = (conn->state == NGX_RECS_REDIS_CLOSED);

    conn->server = nowhere;

    if (closed) {
        return;
    }

    ngx_recs_redis_count(nowhere->redis->counters, losses);

    ngx_recs_redis_conn_close(conn);

    ngx_add_timer(&conn->timer, 0);

    ngx_recs_redis_conn_abort(conn);
}


void
ngx_recs_redis_conn_end_all(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_conn_close(conn);
    ngx_recs_redis_pipeline_abort(&conn->pipeline, 0);
    ngx_recs_redis_pipeline_free(&conn->pipeline);
}


void
ngx_recs_redis_conn_destroy(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_conn_close(conn);
    ngx_recs_redis_pipeline_free(&conn->pipeline);
}
