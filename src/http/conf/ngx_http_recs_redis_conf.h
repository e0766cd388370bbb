
/*
 * Lines of a recs_redis block that have a file of their own.  Each function of
 * a line returns NGX_CONF_OK, or what is wrong: the line's name is put before
 * it.
 */


#ifndef NGX_HTTP_RECS_REDIS_CONF_H
#define NGX_HTTP_RECS_REDIS_CONF_H


#include "ngx_http_recs_conf.h"


/* ngx_http_recs_redis_server_conf.c */

char *ngx_http_recs_redis_server(ngx_conf_t *cf, ngx_http_recs_redis_t *rr);

/* ngx_http_recs_redis_tls_conf.c */

char *ngx_http_recs_redis_ssl_trusted_certificate(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
char *ngx_http_recs_redis_ssl_certificate(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
char *ngx_http_recs_redis_ssl_certificate_key(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);
char *ngx_http_recs_redis_ssl_name(ngx_conf_t *cf, ngx_http_recs_redis_t *rr);
char *ngx_http_recs_redis_ssl_verify(ngx_conf_t *cf,
    ngx_http_recs_redis_t *rr);

/*
 * The whole block was read: makes its TLS, if it has any.  NGX_CONF_OK, or
 * NGX_CONF_ERROR and it was logged.
 */

char *ngx_http_recs_redis_tls(ngx_conf_t *cf, ngx_http_recs_redis_t *rr);


#endif /* NGX_HTTP_RECS_REDIS_CONF_H */
