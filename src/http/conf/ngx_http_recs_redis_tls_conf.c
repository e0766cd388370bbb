
/*
 * TLS in the block of a recs_redis: what a server must show, and what is
 * shown to it.
 */


#include "ngx_http_recs_redis_conf.h"


static char *ngx_http_recs_redis_tls_text(ngx_conf_t *cf, ngx_str_t *text);


char *
ngx_http_recs_redis_ssl_trusted_certificate(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr)
{
    return ngx_http_recs_redis_tls_text(cf, &rr->redis.tls.trusted);
}


char *
ngx_http_recs_redis_ssl_certificate(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    return ngx_http_recs_redis_tls_text(cf, &rr->redis.tls.certificate);
}


char *
ngx_http_recs_redis_ssl_certificate_key(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr)
{
    return ngx_http_recs_redis_tls_text(cf, &rr->redis.tls.key);
}


char *
ngx_http_recs_redis_ssl_name(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    char       *rv;
    ngx_str_t  *name;

    name = &rr->redis.tls.name;

    rv = ngx_http_recs_redis_tls_text(cf, name);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return name->len > NGX_RECS_REDIS_HOST ? "is too long for a name"
                                           : NGX_CONF_OK;
}


char *
ngx_http_recs_redis_ssl_verify(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_str_t   *value;
    ngx_flag_t  *verify;

    value = cf->args->elts;
    verify = &rr->redis.tls.verify;

    if (*verify != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "on") == 0) {
        *verify = 1;

    } else if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        *verify = 0;

    } else {
        return "is invalid, it must be \"on\" or \"off\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_redis_tls_text(ngx_conf_t *cf, ngx_str_t *text)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (text->len) {
        return "is duplicate";
    }

    if (cf->args->nelts != 2 || value[1].len == 0) {
        return "must have one argument";
    }

    *text = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_recs_redis_tls(ngx_conf_t *cf, ngx_http_recs_redis_t *rr)
{
    ngx_recs_redis_tls_t  *tls;

    tls = &rr->redis.tls;

    if (!rr->tls) {

        if (tls->trusted.len || tls->certificate.len || tls->key.len
            || tls->name.len || tls->verify != NGX_CONF_UNSET)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "recs_redis \"%V\" can have \"ssl_...\" lines "
                               "only with \"server rediss://...\"",
                               &rr->redis.name);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if ((tls->certificate.len == 0) != (tls->key.len == 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "recs_redis \"%V\" must have both "
                           "\"ssl_certificate\" and \"ssl_certificate_key\", "
                           "or neither", &rr->redis.name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_value(tls->verify, 1);

    return ngx_recs_redis_tls_create(cf, &rr->redis) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}
