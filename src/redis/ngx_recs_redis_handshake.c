
/* The handshake of a connection: see the header. */


#include "ngx_recs_redis_handshake.h"
#include "ngx_recs_redis_map.h"


static void ngx_recs_redis_handshake_password(
    const ngx_recs_redis_server_t *server, ngx_log_t *log);
static ngx_int_t ngx_recs_redis_handshake_hello(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_t *redis);
static ngx_int_t ngx_recs_redis_handshake_role(const ngx_recs_redis_value_t *v,
    ngx_recs_redis_fault_t *fault);
static ngx_int_t ngx_recs_redis_handshake_mode(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_t *redis, const ngx_str_t *mode);


ngx_int_t
ngx_recs_redis_handshake(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_server_t *server, const ngx_str_t *channel,
    ngx_uint_t writes)
{
    u_char                   number[NGX_INT_T_LEN];
    ngx_str_t                args[2];
    const ngx_recs_redis_t  *redis;

    static const ngx_str_t  role = ngx_string("ROLE");
    static const ngx_str_t  readonly = ngx_string("READONLY");

    redis = server->redis;

    if (ngx_recs_redis_auth(pl, server) != NGX_OK
        || ngx_recs_redis_handshake_hello(pl, redis) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (redis->database && !server->sentinel) {
        ngx_str_set(&args[0], "SELECT");
        args[1].data = number;
        args[1].len = ngx_sprintf(number, "%ui", redis->database) - number;

        if (ngx_recs_redis_pipeline_append(pl, NGX_RECS_REDIS_SELECT, NULL, 2,
                                           args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (writes
        && ngx_recs_redis_pipeline_append(pl, NGX_RECS_REDIS_ROLE, NULL, 1,
                                          &role)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (server->replica
        && ngx_recs_redis_handshake_mode(pl, redis, &readonly) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_recs_redis_ping(pl) != NGX_OK) {
        return NGX_ERROR;
    }

    if (channel->len) {
        ngx_str_set(&args[0], "SUBSCRIBE");
        args[1] = *channel;

        if (ngx_recs_redis_pipeline_append(pl, NGX_RECS_REDIS_SUBSCRIBE, NULL,
                                           2, args)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    pl->handshake = pl->appended;

    return NGX_OK;
}


ngx_int_t
ngx_recs_redis_auth(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_server_t *server)
{
    ngx_str_t                args[3], *arg;
    ngx_recs_redis_login_t  *login;

    login = ngx_recs_redis_login(server);

    if (login->password.len == 0) {
        return NGX_OK;
    }

    ngx_recs_redis_handshake_password(server, pl->log);

    arg = args;
    ngx_str_set(arg, "AUTH");
    arg++;

    if (login->user.len) {
        *arg++ = login->user;
    }

    *arg++ = login->password;

    return ngx_recs_redis_pipeline_append(pl, NGX_RECS_REDIS_AUTH, NULL,
                                          arg - args, args);
}


/* Whatever becomes of its file, there is one. */

static void
ngx_recs_redis_handshake_password(const ngx_recs_redis_server_t *server,
    ngx_log_t *log)
{
    ngx_int_t                rc;
    const char              *why;
    ngx_recs_redis_login_t  *login;

    login = ngx_recs_redis_login(server);
    rc = ngx_recs_redis_login_renew(login, log, &why);

    if (rc == NGX_ERROR && !login->failing) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      "recs_redis \"%V\": password_file \"%V\" %s, the "
                      "password before goes on being used",
                      &server->redis->name, &login->path, why);

    } else if (rc == NGX_OK && login->failing) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_redis \"%V\": password_file \"%V\" is well again",
                      &server->redis->name, &login->path);
    }

    login->failing = (rc == NGX_ERROR);
}


/*
 * AUTH stands before it, and not within: so a server that does not know HELLO
 * has let the connection in all the same, and goes on in RESP2 with what stands
 * behind (https://redis.io/docs/latest/commands/hello/).
 */

static ngx_int_t
ngx_recs_redis_handshake_hello(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_t *redis)
{
    static const ngx_str_t  hello[] = {
        ngx_string("HELLO"),
        ngx_string("3")
    };

    if (redis->protocol != 3) {
        return NGX_OK;
    }

    return ngx_recs_redis_pipeline_append(pl, NGX_RECS_REDIS_HELLO, NULL, 2,
                                          hello);
}


ngx_int_t
ngx_recs_redis_readwrite(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_t *redis)
{
    static const ngx_str_t  readwrite = ngx_string("READWRITE");

    return ngx_recs_redis_handshake_mode(pl, redis, &readwrite);
}


/* Only a replica of a cluster answers MOVED unless it is told not to. */

static ngx_int_t
ngx_recs_redis_handshake_mode(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_t *redis, const ngx_str_t *mode)
{
    if (redis->topology != NGX_RECS_REDIS_CLUSTER) {
        return NGX_OK;
    }

    return ngx_recs_redis_pipeline_append(pl, NGX_RECS_REDIS_MODE, NULL, 1,
                                          mode);
}


ngx_int_t
ngx_recs_redis_ping(ngx_recs_redis_pipeline_t *pl)
{
    static const ngx_str_t  ping = ngx_string("PING");

    return ngx_recs_redis_pipeline_append(pl, NGX_RECS_REDIS_PING, NULL, 1,
                                          &ping);
}


ngx_int_t
ngx_recs_redis_handshake_value(ngx_recs_redis_kind_e kind,
    const ngx_recs_redis_value_t *v, ngx_recs_redis_fault_t *fault)
{
    ngx_str_t   expected;
    ngx_uint_t  well;

    if (kind == NGX_RECS_REDIS_ROLE) {
        return ngx_recs_redis_handshake_role(v, fault);
    }

    if (kind == NGX_RECS_REDIS_PING) {
        ngx_str_set(&expected, "PONG");

    } else {
        ngx_str_set(&expected, "OK");
    }

    if (kind == NGX_RECS_REDIS_HELLO) {

        /* what a server says of itself is not needed */

        well = (v->depth || v->type == NGX_RECS_REDIS_ARRAY);

    } else {
        well = (v->type == NGX_RECS_REDIS_STRING
                && v->str.len == expected.len
                && ngx_memcmp(v->str.data, expected.data, expected.len) == 0);
    }

    if (well) {
        return NGX_OK;
    }

    ngx_recs_redis_fault(fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "it does not greet as Redis does");
    return NGX_ERROR;
}


static ngx_int_t
ngx_recs_redis_handshake_role(const ngx_recs_redis_value_t *v,
    ngx_recs_redis_fault_t *fault)
{
    recs_redis_value_t  value;

    static const ngx_str_t  readonly = ngx_string("READONLY ");

    value = ngx_recs_redis_map_value(v);

    switch (recs_redis_role(&value)) {

    case RECS_REDIS_ROLE_REPLICA:
        (void) ngx_recs_redis_fault_known(fault, &readonly);
        return NGX_ERROR;

    case RECS_REDIS_ROLE_SENTINEL:
        ngx_recs_redis_fault(fault, NGX_RECS_REDIS_DENIED, 0,
                             "Redis is a sentinel, which has no keys");
        return NGX_ERROR;

    default:
        return NGX_OK;
    }
}


ngx_int_t
ngx_recs_redis_handshake_failed(ngx_recs_redis_kind_e kind,
    const ngx_recs_redis_server_t *server, const ngx_str_t *channel,
    const ngx_str_t *error, ngx_recs_redis_fault_t *fault)
{
    if (ngx_recs_redis_fault_known(fault, error)) {
        return NGX_ERROR;
    }

    switch (kind) {

    case NGX_RECS_REDIS_ROLE:
        /* a user may not be allowed to ask */
        return NGX_OK;

    case NGX_RECS_REDIS_HELLO:
        /* it is RESP2, then */
        return NGX_OK;

    case NGX_RECS_REDIS_ASKING:
        /* the command behind it will be refused, too */
        return NGX_OK;

    case NGX_RECS_REDIS_AUTH:
        ngx_recs_redis_fault(fault, NGX_RECS_REDIS_AUTH_FAILED, 0,
                             "Redis does not know this way to authenticate, "
                             "or has no password set");
        break;

    case NGX_RECS_REDIS_SELECT:
        ngx_recs_redis_fault(fault, NGX_RECS_REDIS_NO_DATABASE, 0,
                             "Redis refused database %ui: %V",
                             server->redis->database, error);
        break;

    case NGX_RECS_REDIS_SUBSCRIBE:

        /* the text of NOPERM may hold the user's name */

        if (error->len > 7 && ngx_memcmp(error->data, "NOPERM ", 7) == 0) {
            ngx_recs_redis_fault(fault, NGX_RECS_REDIS_NO_CHANNEL, 0,
                                 "this user may not subscribe to \"%V\"",
                                 channel);
            break;
        }

        ngx_recs_redis_fault(fault, NGX_RECS_REDIS_NO_CHANNEL, 0,
                             "Redis refused to subscribe to \"%V\": %V",
                             channel, error);
        break;

    case NGX_RECS_REDIS_MODE:
        ngx_recs_redis_fault(fault, NGX_RECS_REDIS_DENIED, 0,
                             "Redis refused %s",
                             server->replica ? "READONLY" : "READWRITE");
        break;

    default: /* NGX_RECS_REDIS_PING */
        ngx_recs_redis_fault(fault, NGX_RECS_REDIS_DENIED, 0,
                             "Redis refused PING: %V", error);
    }

    return NGX_ERROR;
}
