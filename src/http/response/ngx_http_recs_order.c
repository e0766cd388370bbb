
/*
 * Where the filter stands among other modules' filters.
 *
 * The filters of a response run in the reverse order of cycle->modules, and
 * each module that is loaded is put before the copy filter there: the last one
 * would be the first to see a page.  Lua captures what it sees of a subrequest:
 * had it been loaded after this module, a script would read pages that nobody
 * filtered.  So the filter is a module of its own, which takes its place when
 * all are loaded: the first to run.  It is the only one that is moved, and over
 * modules whose postconfiguration is still to come.
 */


#include "ngx_http_recs_response.h"


#define NGX_HTTP_RECS_NOWHERE  ((ngx_uint_t) -1)


static ngx_int_t ngx_http_recs_order_init_filter(ngx_conf_t *cf);
static ngx_uint_t ngx_http_recs_order_of(ngx_conf_t *cf, const char *name);


static ngx_http_module_t  ngx_http_recs_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_recs_order_init_filter,       /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_recs_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_recs_filter_module_ctx,      /* module context */
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


/*
 * srcache is the exception: it stores what it sees, and must see what comes
 * from behind.  It goes first if Lua need not come between.
 */

void
ngx_http_recs_order(ngx_conf_t *cf)
{
    ngx_uint_t      own, to, store, lua;
    ngx_module_t  **modules;

    modules = cf->cycle->modules;

    own = ngx_http_recs_order_of(cf, "ngx_http_recs_filter_module");
    to = ngx_http_recs_order_of(cf, "ngx_http_copy_filter_module");
    store = ngx_http_recs_order_of(cf, "ngx_http_srcache_filter_module");
    lua = ngx_http_recs_order_of(cf, "ngx_http_lua_module");

    if (own == NGX_HTTP_RECS_NOWHERE || to == NGX_HTTP_RECS_NOWHERE || own > to)
    {
        return;
    }

    if (store != NGX_HTTP_RECS_NOWHERE) {

        if (store > own && (lua == NGX_HTTP_RECS_NOWHERE || lua < store)) {
            to = store;

        } else {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "recs: srcache would store pages as one user is "
                          "shown them: load ngx_http_srcache_filter_module "
                          "after ngx_http_recs_module and ngx_http_lua_module");
        }
    }

    ngx_memmove(&modules[own], &modules[own + 1],
                (to - own - 1) * sizeof(ngx_module_t *));

    modules[to - 1] = &ngx_http_recs_filter_module;
}


static ngx_uint_t
ngx_http_recs_order_of(ngx_conf_t *cf, const char *name)
{
    ngx_uint_t  m;

    for (m = 0; cf->cycle->modules[m]; m++) {
        if (ngx_strcmp(cf->cycle->modules[m]->name, name) == 0) {
            return m;
        }
    }

    return NGX_HTTP_RECS_NOWHERE;
}


static ngx_int_t
ngx_http_recs_order_init_filter(ngx_conf_t *cf)
{
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);

    return rmcf->used ? ngx_http_recs_filter_init(cf) : NGX_OK;
}
