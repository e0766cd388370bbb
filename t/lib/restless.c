
/*
 * A module of nginx for tests: $restless is longer each time that it is looked
 * at, as the values of scripts may be.  nginx itself does not keep it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#define RESTLESS_MAX  100000


static ngx_int_t ngx_http_restless_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_restless_add_variable(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_restless_module_ctx = {
    ngx_http_restless_add_variable,        /* preconfiguration */
    NULL,                                  /* postconfiguration */
    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */
    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */
    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_restless_module = {
    NGX_MODULE_V1,
    &ngx_http_restless_module_ctx,         /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* What ngx_load_module() asks for. */

ngx_module_t  *ngx_modules[] = { &ngx_http_restless_module, NULL };
char          *ngx_module_names[] = { "ngx_http_restless_module", NULL };
char          *ngx_module_order[] = { NULL };


static ngx_int_t
ngx_http_restless_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    static size_t  looked;

    looked = (looked + 7) % RESTLESS_MAX;

    v->len = looked;
    v->data = ngx_pnalloc(r->pool, looked);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memset(v->data, 'x', looked);

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_restless_add_variable(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var;

    static ngx_str_t  name = ngx_string("restless");

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_restless_variable;

    return NGX_OK;
}
