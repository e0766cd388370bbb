
/*
 * The block recs_redis NAME { … }: a Redis, its connections, and who logs in.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"
#include "ngx_http_recs_redis_conf.h"
#include "ngx_recs_file.h"


static ngx_int_t ngx_http_recs_redis_check(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_recs_redis_topology(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_protocol(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_reads(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_auth(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_sentinel_auth(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_login(ngx_conf_t *cf,
    ngx_recs_redis_login_t *login);
static char *ngx_http_recs_redis_password(ngx_conf_t *cf,
    ngx_recs_redis_login_t *login);
static char *ngx_http_recs_redis_connections(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_connect_timeout(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_timeout(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_breaker(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);


typedef struct {
    ngx_str_t                   name;
    char                     *(*set)(ngx_conf_t *cf,
                                     ngx_http_recs_redis_t *rr);
} ngx_http_recs_redis_line_t;


static const ngx_http_recs_redis_line_t  ngx_http_recs_redis_lines[] = {
    { ngx_string("server"), ngx_http_recs_redis_server },
    { ngx_string("topology"), ngx_http_recs_redis_topology },
    { ngx_string("protocol"), ngx_http_recs_redis_protocol },
    { ngx_string("reads"), ngx_http_recs_redis_reads },
    { ngx_string("auth"), ngx_http_recs_redis_auth },
    { ngx_string("sentinel_auth"), ngx_http_recs_redis_sentinel_auth },
    { ngx_string("connections"), ngx_http_recs_redis_connections },
    { ngx_string("connect_timeout"), ngx_http_recs_redis_connect_timeout },
    { ngx_string("timeout"), ngx_http_recs_redis_timeout },
    { ngx_string("breaker"), ngx_http_recs_redis_breaker },
    { ngx_string("ssl_trusted_certificate"),
      ngx_http_recs_redis_ssl_trusted_certificate },
    { ngx_string("ssl_certificate"), ngx_http_recs_redis_ssl_certificate },
    { ngx_string("ssl_certificate_key"),
      ngx_http_recs_redis_ssl_certificate_key },
    { ngx_string("ssl_name"), ngx_http_recs_redis_ssl_name },
    { ngx_string("ssl_verify"), ngx_http_recs_redis_ssl_verify },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_redis_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_main_conf_t *rmcf = conf;

    char                   *rv;
    ngx_str_t              *value;
    ngx_conf_t              save;
    ngx_recs_redis_t       *redis;
    ngx_http_recs_redis_t  *rr;

    value = cf->args->elts;
    rmcf->used = 1;

    rr = ngx_http_recs_define(cf, &rmcf->redis, &value[1],
                              sizeof(ngx_http_recs_redis_t));
    if (rr == NULL) {
        return NGX_CONF_ERROR;
    }

    redis = &rr->redis;
    redis->name = rr->named.name;
    redis->connect_timeout = NGX_CONF_UNSET_MSEC;
    redis->timeout = NGX_CONF_UNSET_MSEC;
    redis->failures = NGX_CONF_UNSET_UINT;
    redis->cooldown = NGX_CONF_UNSET_MSEC;
    redis->tls.verify = NGX_CONF_UNSET;
    redis->max_lag = NGX_CONF_UNSET_MSEC;

    save = *cf;
    cf->handler = ngx_http_recs_redis_line;
    cf->handler_conf = (void *) rr;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_recs_redis_check(cf, rr) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (redis->nconns == 0) {
        redis->nconns = 1;
    }

    if (redis->protocol == 0) {
        redis->protocol = 2;
    }

    ngx_conf_init_msec_value(redis->connect_timeout, 500);
    ngx_conf_init_msec_value(redis->timeout, 1000);
    ngx_conf_init_uint_value(redis->failures, 5);
    ngx_conf_init_msec_value(redis->cooldown, 1000);
    ngx_conf_init_msec_value(redis->max_lag, 10000);

    rr->servers.data = ngx_pnalloc(cf->pool, redis->server.len + 1
                                             + redis->master.len);
    if (rr->servers.data == NULL) {
        return NGX_CONF_ERROR;
    }

    rr->servers.len = ngx_sprintf(rr->servers.data, "%V %V", &redis->server,
                                  &redis->master)
                      - rr->servers.data;

    return ngx_http_recs_redis_tls(cf, rr);
}


/* NGX_ERROR: its lines do not fit together, which was logged. */

static ngx_int_t
ngx_http_recs_redis_check(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_recs_redis_t  *redis;

    redis = &rr->redis;

    if (rr->nservers == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "recs_redis \"%V\" has no \"server\"",
                           &redis->name);
        return NGX_ERROR;
    }

    if (redis->topology == NGX_RECS_REDIS_SINGLE && rr->nservers > 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "recs_redis \"%V\" has %ui servers, "
                           "\"topology single\" has one",
                           &redis->name, rr->nservers);
        return NGX_ERROR;
    }

    if (redis->topology == NGX_RECS_REDIS_SINGLE && redis->reads) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "recs_redis \"%V\" has \"reads\" from other servers "
                           "than the master, which \"topology single\" has not",
                           &redis->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static char *
ngx_http_recs_redis_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    char                              *rv;
    ngx_str_t                         *value;
    const ngx_http_recs_redis_line_t  *line;

    value = cf->args->elts;

    for (line = ngx_http_recs_redis_lines; line->name.len; line++) {

        if (value[0].len == line->name.len
            && ngx_strncmp(value[0].data, line->name.data, value[0].len) == 0)
        {
            break;
        }
    }

    if (line->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in recs_redis",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts < 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    rv = line->set(cf, conf);

    if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" in recs_redis %s",
                           &value[0], rv);
        return NGX_CONF_ERROR;
    }

    return rv;
}


static char *
ngx_http_recs_redis_topology(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "single") == 0) {
        rr->redis.topology = NGX_RECS_REDIS_SINGLE;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "cluster") == 0) {
        rr->redis.topology = NGX_RECS_REDIS_CLUSTER;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 3 && ngx_strcmp(value[1].data, "sentinel") == 0
        && value[2].len)
    {
        rr->redis.topology = NGX_RECS_REDIS_SENTINEL;
        rr->redis.master = value[2];
        return NGX_CONF_OK;
    }

    return "is invalid, it must be \"single\", \"cluster\" or "
           "\"sentinel NAME\"";
}


static char *
ngx_http_recs_redis_protocol(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (rr->redis.protocol) {
        return "is duplicate";
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "2") == 0) {
        rr->redis.protocol = 2;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "3") == 0) {

        if (!NGX_RECS_RESP3) {
            return "can't be 3, this module was built with a hiredis older "
                   "than 1.0";
        }

        rr->redis.protocol = 3;
        return NGX_CONF_OK;
    }

    return "is invalid, it must be 2 or 3";
}


static char *
ngx_http_recs_redis_reads(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_int_t          n;
    ngx_str_t         *value, time;
    ngx_recs_redis_t  *redis;

    value = cf->args->elts;
    redis = &rr->redis;

    if (rr->reads) {
        return "is duplicate";
    }

    rr->reads = 1;

    if (ngx_strcmp(value[1].data, "replica") == 0) {
        redis->reads = NGX_RECS_REDIS_READS_REPLICA;

    } else if (ngx_strcmp(value[1].data, "nearest") == 0) {
        redis->reads = NGX_RECS_REDIS_READS_NEAREST;

    } else if (ngx_strcmp(value[1].data, "master") != 0) {
        return "is invalid, it must be \"master\", \"replica\" or \"nearest\"";
    }

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (cf->args->nelts != 3 || redis->reads == NGX_RECS_REDIS_READS_MASTER
        || ngx_strncmp(value[2].data, "max_lag=", 8) != 0)
    {
        return "has an invalid parameter, \"replica\" and \"nearest\" can "
               "have \"max_lag=\"";
    }

    time.data = value[2].data + 8;
    time.len = value[2].len - 8;

    n = ngx_parse_time(&time, 0);

    if (n == NGX_ERROR || n < 1000) {
        return "has an invalid \"max_lag=\", it must be a time such as "
               "\"5s\", of 1s at least";
    }

    redis->max_lag = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_redis_auth(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    return ngx_http_recs_redis_login(cf, &rr->redis.login);
}


static char *
ngx_http_recs_redis_sentinel_auth(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    return ngx_http_recs_redis_login(cf, &rr->redis.sentinel_login);
}


static char *
ngx_http_recs_redis_login(ngx_conf_t *cf, ngx_recs_redis_login_t *login)
{
    char        *rv;
    ngx_int_t    n;
    ngx_str_t   *value, time;
    ngx_uint_t   i;

    if (login->password.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "user=", 5) == 0) {
            login->user.data = value[i].data + 5;
            login->user.len = value[i].len - 5;
            continue;
        }

        if (ngx_strncmp(value[i].data, "password_file=", 14) == 0) {
            login->path.data = value[i].data + 14;
            login->path.len = value[i].len - 14;

            rv = ngx_http_recs_redis_password(cf, login);
            if (rv != NGX_CONF_OK) {
                return rv;
            }

            continue;
        }

        if (ngx_strncmp(value[i].data, "refresh=", 8) == 0) {
            time.data = value[i].data + 8;
            time.len = value[i].len - 8;

            n = ngx_parse_time(&time, 0);

            if (n == NGX_ERROR || n < 100 || n > NGX_MAX_INT32_VALUE) {
                return "has an invalid \"refresh=\", it must be a time such as "
                       "\"10m\", from 100ms to 24d";
            }

            login->refresh = n;
            continue;
        }

        return "has an invalid parameter, it must be \"user=\", "
               "\"password_file=\" or \"refresh=\"";
    }

    return login->password.len ? NGX_CONF_OK : "must have \"password_file=\"";
}


/* The password is the file's first line. */

static char *
ngx_http_recs_redis_password(ngx_conf_t *cf, ngx_recs_redis_login_t *login)
{
    ngx_str_t    content;
    const char  *error;

    if (ngx_conf_full_name(cf->cycle, &login->path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_recs_redis_login_note(login);

    if (ngx_recs_file_read_lines(&login->path, cf->pool, &content, NULL, &error)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "password_file \"%V\" %s", &login->path, error);
        return NGX_CONF_ERROR;
    }

    if (!ngx_recs_file_line(&content, &login->password)
        || login->password.len == 0)
    {
        return "has an empty password_file, "
               "the password must be on its first line";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_redis_connections(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (rr->redis.nconns) {
        return "is duplicate";
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (cf->args->nelts != 2 || n == NGX_ERROR || n == 0 || n > 64) {
        return "is invalid, it must be a number from 1 to 64";
    }

    rr->redis.nconns = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_redis_msec(ngx_conf_t *cf, ngx_msec_t *msec)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (*msec != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    n = ngx_parse_time(&value[1], 0);

    if (cf->args->nelts != 2 || n == NGX_ERROR || n == 0) {
        return "is invalid, it must be a time such as \"500ms\", over 0";
    }

    *msec = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_redis_connect_timeout(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    return ngx_http_recs_redis_msec(cf, &rr->redis.connect_timeout);
}


static char *
ngx_http_recs_redis_timeout(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    return ngx_http_recs_redis_msec(cf, &rr->redis.timeout);
}


/* breaker [failures=N] [cooldown=T], or breaker off. */

static char *
ngx_http_recs_redis_breaker(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_int_t   n;
    ngx_str_t  *value, time;
    ngx_uint_t  i;

    value = cf->args->elts;

    if (rr->breaker) {
        return "is duplicate";
    }

    rr->breaker = 1;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        rr->redis.failures = 0;
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "failures=", 9) == 0) {
            n = ngx_atoi(value[i].data + 9, value[i].len - 9);

            if (n == NGX_ERROR || n == 0 || n > 1000) {
                return "has invalid failures, they must be a number from 1 to "
                       "1000";
            }

            rr->redis.failures = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "cooldown=", 9) == 0) {
            time.data = value[i].data + 9;
            time.len = value[i].len - 9;
            n = ngx_parse_time(&time, 0);

            if (n == NGX_ERROR || n < 10 || n > 3600 * 1000) {
                return "has an invalid cooldown, it must be a time from "
                       "\"10ms\" to \"1h\"";
            }

            rr->redis.cooldown = n;
            continue;
        }

        return "has an invalid parameter, it must be \"failures=\", "
               "\"cooldown=\" or \"off\"";
    }

    return NGX_CONF_OK;
}
