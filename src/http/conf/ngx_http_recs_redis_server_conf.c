
/* "server" of recs_redis: URLs, and what their hosts' names stand for. */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_redis_conf.h"
#include "recs_redis_map.h"


/* nginx's own, where resolver_timeout does not say, ms */
#define NGX_HTTP_RECS_RESOLVER_TIMEOUT  30000


/* Does a resolver have a server?  A list is Angie's. */

#if (NGX_RECS_RESOLVER_LIST)
#define ngx_http_recs_resolver_asks(r)  ((r)->connections != NULL)
#else
#define ngx_http_recs_resolver_asks(r)  ((r)->connections.nelts != 0)
#endif


static char *ngx_http_recs_redis_url(ngx_conf_t *cf, ngx_str_t *url,
    ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_place(ngx_str_t *rest, size_t scheme,
    ngx_recs_redis_t *redis);
static char *ngx_http_recs_redis_host(ngx_conf_t *cf, ngx_url_t *u,
    const ngx_str_t *url, ngx_http_recs_redis_t *rr);
static char *ngx_http_recs_redis_addrs(ngx_conf_t *cf, const ngx_url_t *u,
    ngx_recs_redis_t *redis);
static size_t ngx_http_recs_redis_scheme(const ngx_str_t *url);


static char *
ngx_http_recs_redis_database(ngx_str_t *number, ngx_recs_redis_t *redis)
{
    ngx_int_t  n;

    n = ngx_atoi(number->data, number->len);

    if (n == NGX_ERROR) {
        return "has an invalid database, it must be a number";
    }

    redis->database = n;

    return NGX_CONF_OK;
}


/* Splits what follows mark off *rest and returns it; NULL: there is no mark. */

static ngx_str_t *
ngx_http_recs_redis_split(ngx_str_t *rest, u_char mark, ngx_str_t *tail)
{
    u_char  *p;

    p = ngx_strlchr(rest->data, rest->data + rest->len, mark);
    if (p == NULL) {
        return NULL;
    }

    tail->data = p + 1;
    tail->len = rest->data + rest->len - tail->data;
    rest->len = p - rest->data;

    return tail;
}


/*
 * A server is redis://HOST[:PORT][/DATABASE], the same with rediss, or
 * unix:PATH[?db=DATABASE].
 */

char *
ngx_http_recs_redis_server(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_recs_redis_url(cf, &value[i], rr);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        if (rr->nservers++ == 0) {
            rr->redis.server = value[i];
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_redis_url(ngx_conf_t *cf, ngx_str_t *url,
    ngx_http_recs_redis_t *rr)
{
    char       *rv;
    size_t      scheme;
    ngx_str_t   rest;
    ngx_url_t   u;

    rest = *url;
    scheme = ngx_http_recs_redis_scheme(&rest);

    if (rr->nservers == 0) {
        rr->tls = (scheme == sizeof("rediss://") - 1);

    } else if (rr->tls != (scheme == sizeof("rediss://") - 1)) {
        return "must be \"rediss://\" for all servers or for none";
    }

    rv = ngx_http_recs_redis_place(&rest, scheme, &rr->redis);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = rest;
    u.default_port = 6379;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"server %V\" of recs_redis",
                           u.err ? u.err : "invalid URL", url);
        return NGX_CONF_ERROR;
    }

    if (u.naddrs == 0) {
        rv = ngx_http_recs_redis_host(cf, &u, url, rr);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_http_recs_redis_addrs(cf, &u, &rr->redis);
}


/*
 * Takes scheme bytes off a URL's start, and the database off its end: what is
 * left is HOST[:PORT] or unix:PATH.  An error's words, or NGX_CONF_OK.
 */

static char *
ngx_http_recs_redis_place(ngx_str_t *rest, size_t scheme,
    ngx_recs_redis_t *redis)
{
    ngx_str_t  tail;

    if (scheme) {
        rest->data += scheme;
        rest->len -= scheme;

        if (ngx_strlchr(rest->data, rest->data + rest->len, '@')) {
            return "must not hold a user or a password, "
                   "\"auth user=... password_file=...\" does";
        }

        if (ngx_http_recs_redis_split(rest, '/', &tail) && tail.len) {
            return ngx_http_recs_redis_database(&tail, redis);
        }

    } else if (ngx_strncmp(rest->data, "unix:", 5) == 0) {

        if (ngx_http_recs_redis_split(rest, '?', &tail)) {

            if (tail.len < 3 || ngx_strncmp(tail.data, "db=", 3) != 0) {
                return "has an invalid parameter, it must be \"?db=N\"";
            }

            tail.data += 3;
            tail.len -= 3;
            return ngx_http_recs_redis_database(&tail, redis);
        }

    } else {
        return "has an invalid URL, it must be \"redis://host:port/database\", "
               "\"rediss://host:port/database\" or \"unix:/path?db=database\"";
    }

    return NGX_CONF_OK;
}


/*
 * The URL's host is a name: it is looked up here, too, so that the first
 * connections need not wait.
 */

static char *
ngx_http_recs_redis_host(ngx_conf_t *cf, ngx_url_t *u, const ngx_str_t *url,
    ngx_http_recs_redis_t *rr)
{
    ngx_recs_redis_t       *redis;
    ngx_recs_redis_name_t  *names;

    redis = &rr->redis;

    names = ngx_palloc(cf->pool, (redis->nnames + 1)
                                 * sizeof(ngx_recs_redis_name_t));
    if (names == NULL) {
        return NGX_CONF_ERROR;
    }

    if (redis->nnames) {
        ngx_memcpy(names, redis->names,
                   redis->nnames * sizeof(ngx_recs_redis_name_t));
    }

    names[redis->nnames].port = u->port;
    names[redis->nnames].host.len = u->host.len;
    names[redis->nnames].host.data = ngx_pstrdup(cf->pool, &u->host);

    if (names[redis->nnames].host.data == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->names = names;
    redis->nnames++;
    redis->looked_up = ngx_time();

    if (ngx_inet_resolve_host(cf->pool, u) != NGX_OK) {

        if (u->err == NULL) {
            return NGX_CONF_ERROR;
        }

        if (rr->unknown.len == 0) {
            rr->unknown = *url;
            rr->unknown_why = u->err;
            rr->unknown_file = cf->conf_file->file.name;
            rr->unknown_line = cf->conf_file->line;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_recs_check_redis(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_recs_redis_t     **rr;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_recs_main_conf_t  *rmcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {

        /* without the directive, nginx makes one that asks nobody */

        if (clcf->resolver && ngx_http_recs_resolver_asks(clcf->resolver)) {
            rr[i]->redis.resolver = clcf->resolver;
            rr[i]->redis.resolver_timeout =
                (clcf->resolver_timeout == NGX_CONF_UNSET_MSEC)
                ? NGX_HTTP_RECS_RESOLVER_TIMEOUT : clcf->resolver_timeout;
        }

        if (rr[i]->unknown.len == 0) {
            continue;
        }

        if (rr[i]->redis.resolver == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "%s in \"server %V\" of recs_redis in %V:%ui",
                          rr[i]->unknown_why, &rr[i]->unknown,
                          &rr[i]->unknown_file, rr[i]->unknown_line);
            return NGX_ERROR;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "%s in \"server %V\" of recs_redis in %V:%ui, the "
                      "resolver will be asked",
                      rr[i]->unknown_why, &rr[i]->unknown,
                      &rr[i]->unknown_file, rr[i]->unknown_line);
    }

    return NGX_OK;
}


/* A set and its feed change together, which a cluster does within one slot. */

ngx_int_t
ngx_http_recs_check_slots(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    ngx_recs_set_t              *set;
    ngx_recs_replica_t          *replica;
    ngx_http_recs_set_t        **rs;
    ngx_http_recs_main_conf_t   *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        set = &rs[i]->set;
        replica = set->replica;

        if (replica == NULL || replica->feed.len == 0
            || set->redis->topology != NGX_RECS_REDIS_CLUSTER
            || recs_redis_slot(set->key.data, set->key.len)
               == recs_redis_slot(replica->feed.data, replica->feed.len))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "recs_set \"%V\" has its key \"%V\" and its feed \"%V\" "
                      "in two slots of a cluster, \"{%V}\" and \"{%V}:feed\" "
                      "would be in one in %V:%ui",
                      &set->name, &set->key, &replica->feed, &set->key,
                      &set->key, &rs[i]->named.file, rs[i]->named.line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static char *
ngx_http_recs_redis_addrs(ngx_conf_t *cf, const ngx_url_t *u,
    ngx_recs_redis_t *redis)
{
    ngx_str_t   *hosts;
    ngx_uint_t   i, n;
    ngx_addr_t  *addrs;

    n = redis->naddrs + u->naddrs;

    addrs = ngx_palloc(cf->pool, n * sizeof(ngx_addr_t));
    hosts = ngx_palloc(cf->pool, n * sizeof(ngx_str_t));

    if (addrs == NULL || hosts == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < redis->naddrs; i++) {
        addrs[i] = redis->addrs[i];
        hosts[i] = redis->hosts[i];
    }

    for ( /* void */ ; i < n; i++) {
        addrs[i] = u->addrs[i - redis->naddrs];
        hosts[i] = u->host;
    }

    redis->addrs = addrs;
    redis->hosts = hosts;
    redis->naddrs = n;

    return NGX_CONF_OK;
}


/* The length of redis:// or rediss://; 0: it is neither. */

static size_t
ngx_http_recs_redis_scheme(const ngx_str_t *url)
{
    if (ngx_strncmp(url->data, "redis://", 8) == 0) {
        return 8;
    }

    return ngx_strncmp(url->data, "rediss://", 9) == 0 ? 9 : 0;
}
