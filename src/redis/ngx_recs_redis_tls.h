
/*
 * TLS to a Redis, by nginx's own functions.  A server has to show a certificate
 * of an authority that is trusted and for its own name, unless ssl_verify is
 * off; and a worker's next connection to it goes on with the session of the
 * last one, if the server does.
 *
 * Where the Redis has no TLS (redis->tls.ssl is NULL, as it always is in an
 * nginx without OpenSSL), none of these may be called, but for
 * ngx_recs_redis_tls_forget().
 */


#ifndef NGX_RECS_REDIS_TLS_H
#define NGX_RECS_REDIS_TLS_H


#include "ngx_recs_redis_fault.h"


#define NGX_RECS_REDIS_SAID  200        /* bytes */


/* Of one connection. */

typedef struct {
    ngx_str_t                 said;         /* nginx's last line about it; len
                                               0: there was none */
    u_char                    data[NGX_RECS_REDIS_SAID];
    unsigned                  asked:1;      /* for a certificate, and there is
                                               none to show */
} ngx_recs_redis_tls_conn_t;


/*
 * Begins TLS on conn->connection, which is open.
 * NGX_AGAIN: handler is called once it has ended, well or not.  NGX_OK: it has
 * already, handler is to be called.  NGX_ERROR: there is no memory for it.
 */

ngx_int_t ngx_recs_redis_tls_begin(ngx_recs_redis_conn_t *conn,
    ngx_connection_handler_pt handler);

/* It has ended: NGX_OK, or NGX_ERROR, as the fault notes. */

ngx_int_t ngx_recs_redis_tls_ended(ngx_recs_redis_conn_t *conn);

/*
 * Notes the fault that reading or writing failed, in nginx's words, if it has
 * some, else with err and in those of text.
 */

void ngx_recs_redis_tls_fault(ngx_recs_redis_conn_t *conn, ngx_err_t err,
    const char *text);

/* Says farewell without waiting; whoever called closes the socket. */

void ngx_recs_redis_tls_close(ngx_recs_redis_conn_t *conn);

/* The next connection to this server has to begin a session of its own. */

void ngx_recs_redis_tls_forget(ngx_recs_redis_server_t *server);


#endif /* NGX_RECS_REDIS_TLS_H */
