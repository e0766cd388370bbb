
/*
 * Why a connection to Redis was lost, or not made, and what the error log says
 * of that: a line for all connections of a worker, when the server's state
 * changes.  The lines name no user and no password.
 */


#ifndef NGX_RECS_REDIS_FAULT_H
#define NGX_RECS_REDIS_FAULT_H


#include "ngx_recs_redis_server.h"


#define NGX_RECS_REDIS_TEXT          256                /* bytes */


/* A bit each: a Redis may fail for several at a time. */

typedef enum {
    NGX_RECS_REDIS_AWAY         = 0x0001,   /* no network, no reply */
    NGX_RECS_REDIS_FORBIDDEN    = 0x0002,   /* by the system */
    NGX_RECS_REDIS_NO_RESOURCE  = 0x0004,   /* of this worker */
    NGX_RECS_REDIS_LOADING      = 0x0008,
    NGX_RECS_REDIS_MASTERDOWN   = 0x0010,
    NGX_RECS_REDIS_AUTH_FAILED  = 0x0020,
    NGX_RECS_REDIS_NO_DATABASE  = 0x0040,
    NGX_RECS_REDIS_DENIED       = 0x0080,   /* by Redis, for another reason */
    NGX_RECS_REDIS_PROTOCOL     = 0x0100,   /* no reply that could be meant */
    NGX_RECS_REDIS_NO_CHANNEL   = 0x0200,   /* of one that is private */
    NGX_RECS_REDIS_MOVED        = 0x0400,   /* it is not the server any more;
                                               not logged */
    NGX_RECS_REDIS_INSECURE     = 0x0800,   /* TLS, or a certificate */
    NGX_RECS_REDIS_READONLY     = 0x1000    /* of one that writes */
} ngx_recs_redis_reason_e;


/* Those that the command whose reply was due may be the reason for. */

#define NGX_RECS_REDIS_OF_COMMAND                                             \
    (NGX_RECS_REDIS_AWAY|NGX_RECS_REDIS_NO_RESOURCE|NGX_RECS_REDIS_PROTOCOL)


/* Of one connection, which is to be closed for it. */

typedef struct {
    ngx_recs_redis_reason_e   reason;
    ngx_err_t                 err;          /* errno, or 0 */
    ngx_str_t                 text;         /* a sentence, in data[]; len 0:
                                               none is noted */
    u_char                    data[NGX_RECS_REDIS_TEXT];
    ngx_uint_t                logged;       /* a bit for each reason that was
                                               logged and is this connection's
                                               alone */
} ngx_recs_redis_fault_t;


/* Notes one; whoever called the reader closes the connection. */

void ngx_recs_redis_fault(ngx_recs_redis_fault_t *fault,
    ngx_recs_redis_reason_e reason, ngx_err_t err, const char *fmt, ...);

/*
 * Notes the fault if after this error reply a connection is of no use until
 * something changes: then, or from another server, the same command may have an
 * answer.  False: there are other errors.
 */

ngx_uint_t ngx_recs_redis_fault_known(ngx_recs_redis_fault_t *fault,
    const ngx_str_t *error);

/* Logs it, unless the worker's server is known to fail for that reason. */

void ngx_recs_redis_log_loss(ngx_recs_redis_server_t *server,
    ngx_recs_redis_fault_t *fault, ngx_log_t *log);

/* A connection, to that channel if it has one, is ready after all. */

void ngx_recs_redis_log_recovery(ngx_recs_redis_server_t *server,
    ngx_recs_redis_fault_t *fault, const ngx_str_t *channel, ngx_log_t *log);

/* AUTH on a connection that was open was refused, or accepted. */

void ngx_recs_redis_log_auth(ngx_recs_redis_server_t *server,
    ngx_uint_t refused, ngx_log_t *log);

/* Its reply to HELLO: whether it speaks RESP3; an error, or len 0. */

void ngx_recs_redis_log_protocol(ngx_recs_redis_server_t *server,
    ngx_uint_t resp3, const ngx_str_t *error, ngx_log_t *log);

/* A command was answered well, after READONLY was logged of this connection. */

void ngx_recs_redis_log_writes(ngx_recs_redis_server_t *server,
    ngx_recs_redis_fault_t *fault, ngx_log_t *log);


#endif /* NGX_RECS_REDIS_FAULT_H */
