
/* TLS of connections to Redis: see the header. */


#include "ngx_recs_redis_conn.h"


#if (NGX_SSL)


/* of the authorities between a server's certificate and one that is trusted */
#define NGX_RECS_REDIS_DEPTH  10

/* of c->pool, bytes: nginx keeps the state of TLS there */
#define NGX_RECS_REDIS_POOL   512


static ngx_int_t ngx_recs_redis_tls_certificates(ngx_conf_t *cf,
    ngx_recs_redis_t *redis, ngx_ssl_t *ssl);
static int ngx_recs_redis_tls_asked(ngx_ssl_conn_t *ssl_conn, X509 **x509,
    EVP_PKEY **key);
static const ngx_str_t *ngx_recs_redis_tls_host(
    const ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_tls_name(ngx_ssl_conn_t *ssl_conn,
    const ngx_str_t *name);
static void ngx_recs_redis_tls_save(ngx_connection_t *c);
static void ngx_recs_redis_tls_listen(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_tls_hear(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);


ngx_int_t
ngx_recs_redis_tls_create(ngx_conf_t *cf, ngx_recs_redis_t *redis)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (ssl == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ngx_recs_redis_tls_certificates(cf, redis, ssl) != NGX_OK
        || ngx_ssl_client_session_cache(cf, ssl, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    SSL_CTX_set_client_cert_cb(ssl->ctx, ngx_recs_redis_tls_asked);

    redis->tls.ssl = ssl;

    return NGX_OK;
}


/* nginx says what is wrong with a file, but not where it is named. */

static ngx_int_t
ngx_recs_redis_tls_certificates(ngx_conf_t *cf, ngx_recs_redis_t *redis,
    ngx_ssl_t *ssl)
{
    ngx_recs_redis_tls_t  *tls;

    tls = &redis->tls;

    if (tls->certificate.len
        && ngx_ssl_certificate(cf, ssl, &tls->certificate, &tls->key, NULL)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl_certificate\" and \"ssl_certificate_key\" of "
                           "recs_redis \"%V\" cannot be used", &redis->name);
        return NGX_ERROR;
    }

    if (ngx_ssl_trusted_certificate(cf, ssl, &tls->trusted,
                                    NGX_RECS_REDIS_DEPTH)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl_trusted_certificate\" of recs_redis \"%V\" "
                           "cannot be used", &redis->name);
        return NGX_ERROR;
    }

    if (tls->trusted.len == 0
        && tls->verify
        && SSL_CTX_set_default_verify_paths(ssl->ctx) == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NGX_ERROR;
    }

    /* it may have tried files that are not there */

    ERR_clear_error();

    /* nginx's function for this would let each certificate pass */

    SSL_CTX_set_verify(ssl->ctx,
                       tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);

    return NGX_OK;
}


/* Called by OpenSSL where the server asks for one and none was configured. */

static int
ngx_recs_redis_tls_asked(ngx_ssl_conn_t *ssl_conn, X509 **x509, EVP_PKEY **key)
{
    ngx_connection_t       *c;
    ngx_recs_redis_conn_t  *conn;

    c = ngx_ssl_get_connection(ssl_conn);
    conn = c->data;

    conn->tls.asked = 1;

    return 0;
}


ngx_int_t
ngx_recs_redis_tls_begin(ngx_recs_redis_conn_t *conn,
    ngx_connection_handler_pt handler)
{
    ngx_connection_t         *c;
    ngx_recs_redis_server_t  *server;

    c = conn->connection;
    server = conn->server;

    ngx_recs_redis_tls_listen(conn);

    c->pool = ngx_create_pool(NGX_RECS_REDIS_POOL, c->log);

    if (c->pool == NULL
        || ngx_ssl_create_connection(server->redis->tls.ssl, c, NGX_SSL_CLIENT)
           != NGX_OK
        || ngx_recs_redis_tls_name(c->ssl->connection,
                                   ngx_recs_redis_tls_host(conn))
           != NGX_OK
        || ngx_ssl_set_session(c, server->session_of == conn->retry.addr
                                  ? server->session : NULL)
           != NGX_OK)
    {
        ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "no TLS could be begun");
        return NGX_ERROR;
    }

    /* what is to be sent may grow and move before it has left */

    SSL_set_mode(c->ssl->connection, SSL_MODE_ENABLE_PARTIAL_WRITE
                                     |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    c->ssl->handler = handler;
    c->ssl->save_session = ngx_recs_redis_tls_save;

    return ngx_ssl_handshake(c) == NGX_AGAIN ? NGX_AGAIN : NGX_OK;
}


static const ngx_str_t *
ngx_recs_redis_tls_host(const ngx_recs_redis_conn_t *conn)
{
    const ngx_recs_redis_tls_t  *tls;

    tls = &conn->server->redis->tls;

    return tls->name.len ? &tls->name : &conn->server->hosts[conn->retry.addr];
}


/*
 * The name that the certificate must be for, and which of its names a server is
 * asked for: never an address (RFC 6066, section 3).
 */

static ngx_int_t
ngx_recs_redis_tls_name(ngx_ssl_conn_t *ssl_conn, const ngx_str_t *name)
{
    u_char             *data, *last;
    X509_VERIFY_PARAM  *param;
    u_char              text[NGX_RECS_REDIS_HOST + 1];

    data = name->data;
    last = name->data + name->len;

    if (name->len > 1 && data[0] == '[') {
        data++;
        last--;
    }

    if (last - data > NGX_RECS_REDIS_HOST) {
        return NGX_ERROR;
    }

    *ngx_cpymem(text, data, last - data) = '\0';

    param = SSL_get0_param(ssl_conn);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, (char *) text) == 1) {
        return NGX_OK;
    }

    ERR_clear_error();

    if (X509_VERIFY_PARAM_set1_host(param, (char *) text, 0) != 1
        || SSL_set_tlsext_host_name(ssl_conn, (char *) text) != 1)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    return NGX_OK;
}


/*
 * A session to go on with, of a server whose certificate was found good.  With
 * TLS 1.3 it comes after the handshake, and there may be several.
 */

static void
ngx_recs_redis_tls_save(ngx_connection_t *c)
{
    ngx_ssl_session_t      *session;
    ngx_recs_redis_conn_t  *conn;

    conn = c->data;

    session = ngx_ssl_get_session(c);

    if (session) {
        ngx_recs_redis_tls_forget(conn->server);

        conn->server->session = session;
        conn->server->session_of = conn->retry.addr;
    }
}


void
ngx_recs_redis_tls_forget(ngx_recs_redis_server_t *server)
{
    if (server->session) {
        ngx_ssl_free_session(server->session);
        server->session = NULL;
    }
}


ngx_int_t
ngx_recs_redis_tls_ended(ngx_recs_redis_conn_t *conn)
{
    long               rc;
    ngx_connection_t  *c;

    c = conn->connection;

    if (c->ssl->handshaked) {
        ngx_log_debug3(NGX_LOG_DEBUG_EVENT, conn->log, 0,
                       "recs_redis \"%V\" %s, session reused:%d",
                       &conn->server->redis->name,
                       SSL_get_version(c->ssl->connection),
                       (int) SSL_session_reused(c->ssl->connection));
        return NGX_OK;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    if (conn->server->redis->tls.verify && rc != X509_V_OK) {
        ngx_recs_redis_tls_forget(conn->server);
        ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_INSECURE, 0,
                             "the certificate of \"%V\" is refused: %s",
                             ngx_recs_redis_tls_host(conn),
                             X509_verify_cert_error_string(rc));

    } else {
        ngx_recs_redis_tls_fault(conn, 0, "the TLS handshake failed");
    }

    return NGX_ERROR;
}


void
ngx_recs_redis_tls_fault(ngx_recs_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
    u_char                      byte;
    const char                 *hint;
    ngx_connection_t           *c;
    ngx_recs_redis_tls_conn_t  *tls;

    c = conn->connection;
    tls = &conn->tls;

    /* who refuses a certificate says so before it closes: still to be read? */

    if (conn->state == NGX_RECS_REDIS_HANDSHAKE && c->write->error) {
        (void) c->recv(c, &byte, 1);
    }

    if (tls->said.len == 0) {
        ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_AWAY, err, "%s",
                             text);
        return;
    }

    /* without this it is the network's */

    if (ngx_strstr(tls->data, "(SSL:") == NULL) {
        ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_AWAY, 0, "%V",
                             &tls->said);
        return;
    }

    /* it may be that an old session is not what the server expects */

    ngx_recs_redis_tls_forget(conn->server);

    if (tls->asked) {
        hint = "Redis asks for a certificate, see \"ssl_certificate\": ";

    } else if (ngx_strstr(tls->data, "wrong version number")) {
        hint = "it does not speak TLS: ";

    } else {
        hint = "";
    }

    ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_INSECURE, 0, "%s%V",
                         hint, &tls->said);
}


void
ngx_recs_redis_tls_close(ngx_recs_redis_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->connection;

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {

            /* there is no room for it: then without */

            c->timedout = 1;
            (void) ngx_ssl_shutdown(c);
        }
    }

    if (c->pool) {
        ngx_destroy_pool(c->pool);
        c->pool = NULL;
    }
}


/*
 * nginx's lines say why TLS failed, and nothing else does: it empties OpenSSL's
 * queue of errors into them.
 */

static void
ngx_recs_redis_tls_listen(ngx_recs_redis_conn_t *conn)
{
    conn->tls.said.len = 0;
    conn->tls.asked = 0;

    conn->quiet.log_level = NGX_LOG_CRIT;
    conn->quiet.writer = ngx_recs_redis_tls_hear;
    conn->quiet.wdata = &conn->tls;
    conn->quiet.next = NULL;
}


/* A line is "TIME [LEVEL] PID#TID: TEXT". */

static void
ngx_recs_redis_tls_hear(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char                     *p, *last;
    ngx_recs_redis_tls_conn_t  *tls;

    tls = log->wdata;
    last = buf + len - NGX_LINEFEED_SIZE;

    p = ngx_strlchr(buf, last, '#');
    p = p ? ngx_strlchr(p, last, ' ') : NULL;

    if (p == NULL) {
        return;
    }

    p++;

    tls->said.data = tls->data;
    tls->said.len = ngx_min((size_t) (last - p), NGX_RECS_REDIS_SAID - 1);

    *ngx_cpymem(tls->data, p, tls->said.len) = '\0';
}


#else


ngx_int_t
ngx_recs_redis_tls_create(ngx_conf_t *cf, ngx_recs_redis_t *redis)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"rediss://\" of recs_redis \"%V\" needs an nginx "
                       "with OpenSSL: built with --with-http_ssl_module",
                       &redis->name);
    return NGX_ERROR;
}


ngx_int_t
ngx_recs_redis_tls_begin(ngx_recs_redis_conn_t *conn,
    ngx_connection_handler_pt handler)
{
    return NGX_ERROR;
}


ngx_int_t
ngx_recs_redis_tls_ended(ngx_recs_redis_conn_t *conn)
{
    return NGX_ERROR;
}


void
ngx_recs_redis_tls_fault(ngx_recs_redis_conn_t *conn, ngx_err_t err,
    const char *text)
{
}


void
ngx_recs_redis_tls_close(ngx_recs_redis_conn_t *conn)
{
}


void
ngx_recs_redis_tls_forget(ngx_recs_redis_server_t *server)
{
}


#endif
