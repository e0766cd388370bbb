
/* How ngx_recs_redis_conn.c loses a connection; for that file alone. */


#ifndef NGX_RECS_REDIS_LOSS_H
#define NGX_RECS_REDIS_LOSS_H


#include "ngx_recs_redis_conn.h"


/* Notes why and closes it: NGX_ERROR. */

ngx_int_t ngx_recs_redis_conn_lose(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_reason_e reason, ngx_err_t err, const char *text);

/* The same, as connect() failed by err. */

ngx_int_t ngx_recs_redis_conn_refused(ngx_recs_redis_conn_t *conn,
    ngx_err_t err);

/* The same, as the other side has ended it, or the network. */

ngx_int_t ngx_recs_redis_conn_broken(ngx_recs_redis_conn_t *conn,
    ngx_err_t err, const char *text);

/*
 * Closes the connection, for the reason in conn->fault, lets the timer open
 * it again, and tells all that wait.
 */

void ngx_recs_redis_conn_lost(ngx_recs_redis_conn_t *conn);

/* Closes it, and no more. */

void ngx_recs_redis_conn_close(ngx_recs_redis_conn_t *conn);

/* Tells all that wait; the owner may close it in that, and it is gone. */

void ngx_recs_redis_conn_abort(ngx_recs_redis_conn_t *conn);

/*
 * While it is held its owner does not free it.  NGX_ERROR: it was closed
 * meanwhile, and is gone.
 */

ngx_int_t ngx_recs_redis_conn_release(ngx_recs_redis_conn_t *conn);


#endif /* NGX_RECS_REDIS_LOSS_H */
