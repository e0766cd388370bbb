
/*
 * The directive recs_pool: where a pool's items come from, what is read of
 * each, and when less than there was is believed.  A file is read at once.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"
#include "ngx_recs_pool_file.h"
#include "ngx_recs_pool_leader.h"


typedef struct {
    ngx_recs_pool_t            *pool;
    ngx_uint_t                  nsources;
    ngx_http_recs_absent_e      absent;
    ngx_uint_t                  min_members;
    unsigned                    id:1;       /* given */
} ngx_http_recs_pool_options_t;


static char *ngx_http_recs_pool_load(ngx_conf_t *cf, ngx_recs_pool_t *pool);


static char *
ngx_http_recs_pool_redis(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    po->nsources++;
    po->pool->redis = ngx_http_recs_find_redis(o->cf, &o->value);

    return po->pool->redis ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_recs_pool_key(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    if (ngx_http_script_variables_count(&o->value)) {
        return "it can't have variables, a pool is the same for all requests";
    }

    po->pool->key = o->value;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_pool_file(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    po->nsources++;
    po->pool->file = o->value;

    return ngx_conf_full_name(o->cf->cycle, &po->pool->file, 1) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_recs_pool_refresh(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    return ngx_http_recs_option_msec(o, 100, NGX_MAX_INT_T_VALUE,
                                     &po->pool->refresh,
                                     "it must be a time such as \"60s\", "
                                     "at least \"100ms\"");
}


static char *
ngx_http_recs_pool_size(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    ssize_t  size;

    size = ngx_parse_size(&o->value);

    if (size < 4096 || size > NGX_RECS_POOL_SIZE_MAX) {
        return "it must be a size from \"4k\" to \"64m\"";
    }

    po->pool->size = ngx_align(size, sizeof(uint64_t));

    return NGX_CONF_OK;
}


/* Reads a pointer to one value of an object. */

static char *
ngx_http_recs_pool_pointer(ngx_http_recs_option_t *o, recs_pointer_t *ptr)
{
    if (ngx_http_recs_pointer(o->cf, &o->value, ptr) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return recs_pointer_has_star(ptr)
           ? "it can't have \"*\", an object has one of it" : NGX_CONF_OK;
}


static char *
ngx_http_recs_pool_id(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    po->id = 1;

    return ngx_http_recs_pool_pointer(o, &po->pool->id);
}


static char *
ngx_http_recs_pool_weight(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    po->pool->weight = ngx_palloc(o->cf->pool, sizeof(recs_pointer_t));
    if (po->pool->weight == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_recs_pool_pointer(o, po->pool->weight);
}


static char *
ngx_http_recs_pool_category(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    po->pool->category = ngx_palloc(o->cf->pool, sizeof(recs_pointer_t));
    if (po->pool->category == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_recs_pool_pointer(o, po->pool->category);
}


static char *
ngx_http_recs_pool_image(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    return ngx_http_recs_image(o, &po->pool->image_path);
}


static char *
ngx_http_recs_pool_absent(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    return ngx_http_recs_option_absent(o, &po->absent);
}


static char *
ngx_http_recs_pool_min_members(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    return ngx_http_recs_option_min_members(o, &po->min_members);
}


static char *
ngx_http_recs_pool_shrink(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    return ngx_http_recs_shrink(o, &po->pool->guard);
}


static const ngx_http_recs_option_def_t  ngx_http_recs_pool_defs[] = {
    { ngx_string("redis="), ngx_http_recs_pool_redis },
    { ngx_string("key="), ngx_http_recs_pool_key },
    { ngx_string("file="), ngx_http_recs_pool_file },
    { ngx_string("refresh="), ngx_http_recs_pool_refresh },
    { ngx_string("size="), ngx_http_recs_pool_size },
    { ngx_string("id="), ngx_http_recs_pool_id },
    { ngx_string("weight="), ngx_http_recs_pool_weight },
    { ngx_string("category="), ngx_http_recs_pool_category },
    { ngx_string("image="), ngx_http_recs_pool_image },
    { ngx_string("absent="), ngx_http_recs_pool_absent },
    { ngx_string("min_members="), ngx_http_recs_pool_min_members },
    { ngx_string("shrink="), ngx_http_recs_pool_shrink },
    { ngx_null_string, NULL }
};


/*
 * A second look believes what was held back.  It comes with the next refresh,
 * which may be a tenth early.  Returns NULL, or what is wrong.
 */

static const char *
ngx_http_recs_pool_guard(ngx_http_recs_pool_options_t *po)
{
    ngx_recs_pool_t  *pool;

    pool = po->pool;
    pool->guard.wait = pool->refresh - pool->refresh / 10;

    if (po->absent == NGX_HTTP_RECS_ABSENT_EMPTY) {
        return po->min_members
               ? "can't have \"min_members=\" with \"absent=empty\"" : NULL;
    }

    pool->guard.min_members = ngx_max(po->min_members, 1);

    return NULL;
}


/* Frees the contents that were read with the configuration. */

static void
ngx_http_recs_pool_cleanup(void *data)
{
    ngx_recs_pool_leader_free(data);
    ngx_recs_pool_free(data);
}


/* NULL, or what is wrong with where the pool's items come from. */

static const char *
ngx_http_recs_pool_source(const ngx_http_recs_pool_options_t *po)
{
    const ngx_recs_pool_t  *pool;

    pool = po->pool;

    if (po->nsources != 1) {
        return "must have exactly one of \"redis=\" and \"file=\"";
    }

    if (pool->redis) {
        return pool->key.len ? NULL : "must have \"key=\" with \"redis=\"";
    }

    if (pool->key.len) {
        return "can have \"key=\" only with \"redis=\"";
    }

    if (pool->image_path.len) {
        return "can have \"image=\" only with \"redis=\", a file is there "
               "anyway";
    }

    return NULL;
}


char *
ngx_http_recs_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_main_conf_t *rmcf = conf;

    ngx_str_t                     *value;
    const char                    *error;
    ngx_pool_cleanup_t            *cln;
    ngx_http_recs_pool_t          *rp;
    ngx_http_recs_option_t         o;
    ngx_http_recs_pool_options_t   po;

    static ngx_str_t  id = ngx_string("/id");

    value = cf->args->elts;
    rmcf->used = 1;

    rp = ngx_http_recs_define(cf, &rmcf->pools, &value[1],
                              sizeof(ngx_http_recs_pool_t));
    if (rp == NULL) {
        return NGX_CONF_ERROR;
    }

    rp->pool.name = rp->named.name;
    rp->pool.refresh = 60000;
    rp->pool.size = 1024 * 1024;
    rp->pool.guard.shrink = NGX_HTTP_RECS_SHRINK;
    rp->pool.seed = rmcf->seed;

    ngx_memzero(&po, sizeof(ngx_http_recs_pool_options_t));
    po.pool = &rp->pool;

    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_pool_defs, 2, &po)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    error = ngx_http_recs_pool_guard(&po);
    if (error) {
        return ngx_http_recs_wrong(&o, error);
    }

    error = ngx_http_recs_pool_source(&po);
    if (error) {
        return ngx_http_recs_wrong(&o, error);
    }

    if (!po.id && ngx_http_recs_pointer(cf, &id, &rp->pool.id) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_recs_pool_cleanup;
    cln->data = &rp->pool;

    return rp->pool.redis ? NGX_CONF_OK
                          : ngx_http_recs_pool_load(cf, &rp->pool);
}


static char *
ngx_http_recs_pool_load(ngx_conf_t *cf, ngx_recs_pool_t *pool)
{
    const char  *error;

    if (ngx_recs_pool_file_load(pool, cf->log, &error) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" of recs_pool \"%V\" %s",
                           &pool->file, &pool->name, error);
        return NGX_CONF_ERROR;
    }

    /* cf->log is that of the cycle before, and goes with it */

    pool->items->memory->log = &cf->cycle->new_log;

    return NGX_CONF_OK;
}
