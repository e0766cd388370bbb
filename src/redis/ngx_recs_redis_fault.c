
/* Faults of connections, and their log lines: see the header. */


#include "ngx_recs_redis_fault.h"


/* a loss so soon after a recovery is logged if it lasts longer, ms */
#define NGX_RECS_REDIS_SETTLED  1000


typedef struct {
    ngx_str_t                 prefix;
    ngx_recs_redis_reason_e   reason;
    const char               *text;
} ngx_recs_redis_error_t;


/*
 * Nothing of these errors' own text is shown: that of an error to AUTH could
 * hold the password.
 */

static const ngx_recs_redis_error_t  ngx_recs_redis_errors[] = {

    { ngx_string("LOADING "), NGX_RECS_REDIS_LOADING,
      "Redis is loading its data" },

    { ngx_string("MASTERDOWN "), NGX_RECS_REDIS_MASTERDOWN,
      "Redis is a replica that lost its master, and serves no stale data" },

    { ngx_string("READONLY "), NGX_RECS_REDIS_READONLY,
      "Redis is a replica, which takes no writes" },

    { ngx_string("NOAUTH "), NGX_RECS_REDIS_AUTH_FAILED,
      "Redis asks for a password" },

    { ngx_string("WRONGPASS "), NGX_RECS_REDIS_AUTH_FAILED,
      "Redis refused the user or the password" },

    { ngx_string("DENIED "), NGX_RECS_REDIS_DENIED,
      "Redis is in protected mode and serves its own host only" },

    { ngx_string("ERR max number of clients "), NGX_RECS_REDIS_DENIED,
      "Redis takes no more clients, see \"maxclients\" in redis.conf" },

    { ngx_null_string, 0, NULL }
};


void
ngx_recs_redis_fault(ngx_recs_redis_fault_t *fault,
    ngx_recs_redis_reason_e reason, ngx_err_t err, const char *fmt, ...)
{
    va_list  args;

    fault->reason = reason;
    fault->err = err;
    fault->text.data = fault->data;

    va_start(args, fmt);
    fault->text.len = ngx_vslprintf(fault->data,
                                    fault->data + NGX_RECS_REDIS_TEXT,
                                    fmt, args)
                      - fault->data;
    va_end(args);
}


ngx_uint_t
ngx_recs_redis_fault_known(ngx_recs_redis_fault_t *fault,
    const ngx_str_t *error)
{
    const ngx_recs_redis_error_t  *known;

    for (known = ngx_recs_redis_errors; known->text; known++) {

        if (error->len >= known->prefix.len
            && ngx_memcmp(error->data, known->prefix.data, known->prefix.len)
               == 0)
        {
            ngx_recs_redis_fault(fault, known->reason, 0, "%s", known->text);
            return 1;
        }
    }

    return 0;
}


/*
 * The reasons that were logged are kept until Redis answers again, so that
 * neither several connections nor several addresses that fail differently in
 * turn repeat themselves.
 */

void
ngx_recs_redis_log_loss(ngx_recs_redis_server_t *server,
    ngx_recs_redis_fault_t *fault, ngx_log_t *log)
{
    if (fault->reason == NGX_RECS_REDIS_NO_CHANNEL
        || fault->reason == NGX_RECS_REDIS_READONLY)
    {
        /* Redis may serve all others */

        if (fault->logged & fault->reason) {
            return;
        }

        fault->logged |= fault->reason;
        goto log;
    }

    if (fault->reason == NGX_RECS_REDIS_MOVED || server->unlogged
        || (server->down & fault->reason))
    {
        return;
    }

    if (server->down == 0
        && server->recovered
        && ngx_current_msec - server->recovered < NGX_RECS_REDIS_SETTLED)
    {
        return;
    }

    server->down |= fault->reason;

log:

    ngx_log_error(NGX_LOG_ERR, log, fault->err, "recs_redis \"%V\" %V: %V",
                  &server->redis->name, &server->name, &fault->text);
}


void
ngx_recs_redis_log_recovery(ngx_recs_redis_server_t *server,
    ngx_recs_redis_fault_t *fault, const ngx_str_t *channel, ngx_log_t *log)
{
    if (fault->logged & NGX_RECS_REDIS_NO_CHANNEL) {
        fault->logged &= ~NGX_RECS_REDIS_NO_CHANNEL;

        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_redis \"%V\" %V: channel \"%V\" is allowed now",
                      &server->redis->name, &server->name, channel);
    }

    if (server->down == 0) {
        return;
    }

    server->down = 0;
    server->recovered = ngx_current_msec;

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "recs_redis \"%V\" %V: Redis answers again",
                  &server->redis->name, &server->name);
}


/* That a connection is ready does not say so: who asks ROLE may not be let. */

void
ngx_recs_redis_log_writes(ngx_recs_redis_server_t *server,
    ngx_recs_redis_fault_t *fault, ngx_log_t *log)
{
    fault->logged &= ~NGX_RECS_REDIS_READONLY;

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "recs_redis \"%V\" %V: Redis takes writes again",
                  &server->redis->name, &server->name);
}


void
ngx_recs_redis_log_auth(ngx_recs_redis_server_t *server, ngx_uint_t refused,
    ngx_log_t *log)
{
    ngx_recs_redis_login_t  *login;

    login = ngx_recs_redis_login(server);

    if (refused && !login->refused) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "recs_redis \"%V\" %V: AUTH was refused, connections "
                      "that are open stay as long as Redis lets them",
                      &server->redis->name, &server->name);

    } else if (!refused && login->refused) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_redis \"%V\" %V: AUTH is accepted again",
                      &server->redis->name, &server->name);
    }

    login->refused = refused;
}


void
ngx_recs_redis_log_protocol(ngx_recs_redis_server_t *server, ngx_uint_t resp3,
    const ngx_str_t *error, ngx_log_t *log)
{
    if (server->unlogged) {
        return;
    }

    if (!resp3 && !server->resp2) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_redis \"%V\" %V: it does not speak RESP3, but "
                      "RESP2%s%V",
                      &server->redis->name, &server->name,
                      error->len ? ": " : "", error);

    } else if (resp3 && server->resp2) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_redis \"%V\" %V: it speaks RESP3 now",
                      &server->redis->name, &server->name);
    }

    server->resp2 = !resp3;
}
