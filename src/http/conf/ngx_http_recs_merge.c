
/*
 * Configurations as they are made, with nothing set; and as a location has them
 * in the end, with what it inherits and what is so by default.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"


static char *ngx_http_recs_merge_pointers(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *conf);
static ngx_int_t ngx_http_recs_merge_spec(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *conf);


static ngx_str_t  ngx_http_recs_default_types[] = {
    ngx_string("application/json"),
    ngx_string("+json"),
    ngx_string("application/msgpack"),
    ngx_string("application/x-msgpack"),
    ngx_string("application/vnd.msgpack"),
    ngx_null_string
};


void *
ngx_http_recs_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_recs_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->redis, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&rmcf->sets, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&rmcf->pools, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&rmcf->explore, cf->pool, 4, sizeof(void *))
           != NGX_OK
        || ngx_array_init(&rmcf->snapshots, cf->pool, 2, sizeof(void *))
           != NGX_OK
        || ngx_array_init(&rmcf->images, cf->pool, 2,
                          sizeof(ngx_http_recs_image_t))
           != NGX_OK)
    {
        return NULL;
    }

    rmcf->seed = (uint64_t) ngx_random() << 32 ^ ngx_random() ^ ngx_pid;

    return rmcf;
}


void *
ngx_http_recs_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_recs_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_recs_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->handler = { 0, NULL };
     *     conf->status = 0;
     *     conf->status_own = 0;
     *     conf->types = { NULL };
     *     conf->types_keys = NULL;
     *     conf->spec = { 0 };
     */

    conf->enable = NGX_CONF_UNSET_UINT;
    conf->user = NGX_CONF_UNSET_PTR;
    conf->user_hash = NGX_CONF_UNSET_PTR;
    conf->event = NGX_CONF_UNSET_PTR;
    conf->label = NGX_CONF_UNSET_PTR;
    conf->explain = NGX_CONF_UNSET_PTR;
    conf->shelves = NGX_CONF_UNSET_PTR;
    conf->with = NGX_CONF_UNSET_PTR;
    conf->item_id = NGX_CONF_UNSET_PTR;
    conf->versions = NGX_CONF_UNSET_PTR;
    conf->freshness = NGX_CONF_UNSET_PTR;
    conf->require = NGX_CONF_UNSET_PTR;
    conf->exclude = NGX_CONF_UNSET_PTR;
    conf->distinct = NGX_CONF_UNSET;
    conf->limit = NGX_CONF_UNSET_UINT;
    conf->backfill = NGX_CONF_UNSET_PTR;
    conf->explore = NGX_CONF_UNSET_PTR;
    conf->record = NGX_CONF_UNSET_PTR;
    conf->expires = NGX_CONF_UNSET;
    conf->tag = NGX_CONF_UNSET_UINT;
    conf->reject_skew = NGX_CONF_UNSET_UINT;
    conf->on_bad_body = NGX_CONF_UNSET_UINT;
    conf->on_unidentified = NGX_CONF_UNSET_UINT;
    conf->lookup_timeout = NGX_CONF_UNSET_MSEC;
    conf->slow = NGX_CONF_UNSET_MSEC;
    conf->max_body_size = NGX_CONF_UNSET_SIZE;
    conf->max_items = NGX_CONF_UNSET_UINT;

    return conf;
}


char *
ngx_http_recs_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_recs_loc_conf_t *prev = parent;
    ngx_http_recs_loc_conf_t *conf = child;

    ngx_http_recs_main_conf_t  *rmcf;

    ngx_conf_merge_uint_value(conf->enable, prev->enable, NGX_HTTP_RECS_OFF);

    if (ngx_http_merge_types(cf, &conf->types_keys, &conf->types,
                             &prev->types_keys, &prev->types,
                             ngx_http_recs_default_types)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_conf_merge_ptr_value(conf->user, prev->user, NULL);
    ngx_conf_merge_ptr_value(conf->user_hash, prev->user_hash, NULL);
    ngx_conf_merge_ptr_value(conf->event, prev->event, NULL);
    ngx_conf_merge_ptr_value(conf->label, prev->label, NULL);
    ngx_conf_merge_ptr_value(conf->explain, prev->explain, NULL);
    ngx_conf_merge_ptr_value(conf->shelves, prev->shelves, NULL);
    ngx_conf_merge_ptr_value(conf->with, prev->with, NULL);
    ngx_conf_merge_ptr_value(conf->item_id, prev->item_id, NULL);
    ngx_conf_merge_ptr_value(conf->versions, prev->versions, NULL);
    ngx_conf_merge_ptr_value(conf->freshness, prev->freshness, NULL);
    ngx_conf_merge_ptr_value(conf->require, prev->require, NULL);
    ngx_conf_merge_ptr_value(conf->exclude, prev->exclude, NULL);
    ngx_conf_merge_value(conf->distinct, prev->distinct, 0);
    ngx_conf_merge_uint_value(conf->limit, prev->limit, 0);
    ngx_conf_merge_ptr_value(conf->backfill, prev->backfill, NULL);
    ngx_conf_merge_ptr_value(conf->explore, prev->explore, NULL);
    ngx_conf_merge_ptr_value(conf->record, prev->record, NULL);
    ngx_conf_merge_uint_value(conf->tag, prev->tag, NGX_HTTP_RECS_TAG_HEADERS);
    ngx_conf_merge_uint_value(conf->reject_skew, prev->reject_skew, 0);
    ngx_conf_merge_uint_value(conf->on_unidentified, prev->on_unidentified,
                              NGX_HTTP_RECS_UNIDENTIFIED_KEEP);
    ngx_conf_merge_uint_value(conf->on_bad_body, prev->on_bad_body,
                              NGX_HTTP_RECS_BAD_REJECT_TOO_LARGE);
    ngx_conf_merge_sec_value(conf->expires, prev->expires, 0);
    ngx_conf_merge_msec_value(conf->lookup_timeout, prev->lookup_timeout, 15);
    ngx_conf_merge_msec_value(conf->slow, prev->slow, 0);
    ngx_conf_merge_size_value(conf->max_body_size, prev->max_body_size,
                              1024 * 1024);
    ngx_conf_merge_uint_value(conf->max_items, prev->max_items, 5000);

    ngx_http_recs_pass_merge(cf, prev, conf);

    if (!conf->enable) {
        return NGX_CONF_OK;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->used = 1;

    return ngx_http_recs_merge_pointers(cf, conf);
}


/* Makes the list of what is looked for in a page. */

static char *
ngx_http_recs_merge_pointers(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *conf)
{
    u_char           suffix[] = "+json";
    recs_pointer_t  *ptr;

    static ngx_str_t  items = ngx_string("/items");
    static ngx_str_t  id = ngx_string("/id");

    conf->json_suffix = conf->types.size == 0
                        || ngx_hash_find(&conf->types, ngx_hash_key(suffix, 5),
                                         suffix, 5)
                           != NULL;

    if (conf->shelves == NULL) {
        conf->shelves = ngx_array_create(cf->pool, 1, sizeof(recs_pointer_t));
        if (conf->shelves == NULL) {
            return NGX_CONF_ERROR;
        }

        ptr = ngx_array_push(conf->shelves);

        if (ngx_http_recs_pointer(cf, &items, ptr) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->item_id == NULL) {
        conf->item_id = ngx_palloc(cf->pool, sizeof(recs_pointer_t));
        if (conf->item_id == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_recs_pointer(cf, &id, conf->item_id) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_recs_merge_spec(cf, conf) == NGX_OK ? NGX_CONF_OK
                                                        : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_recs_merge_spec(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *conf)
{
    ngx_uint_t               i;
    recs_page_spec_t        *spec;
    ngx_http_recs_source_t  *source;

    static ngx_str_t  generated_at = ngx_string("/generated_at");
    static ngx_str_t  max_age = ngx_string("/max_age");

    spec = &conf->spec;

    spec->shelves = conf->shelves->elts;
    spec->nshelves = conf->shelves->nelts;
    spec->with = conf->with ? conf->with->elts : NULL;
    spec->nwith = conf->with ? conf->with->nelts : 0;
    spec->item_id = conf->item_id;
    spec->max_items = conf->max_items;

    spec->values = ngx_palloc(cf->pool, (NGX_HTTP_RECS_NVERSIONS
                                         + NGX_HTTP_RECS_NAGES + 2)
                                        * sizeof(recs_pointer_t));
    if (spec->values == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; conf->versions && i < NGX_HTTP_RECS_NVERSIONS; i++) {
        source = &conf->versions[i].source;

        if (source->from == NGX_HTTP_RECS_FROM_BODY) {
            conf->values.versions[i] = spec->nvalues;
            spec->values[spec->nvalues++] = source->body;
        }
    }

    for (i = 0; conf->freshness && i < NGX_HTTP_RECS_NAGES; i++) {
        source = &conf->freshness[i].source;

        if (source->from == NGX_HTTP_RECS_FROM_BODY) {
            conf->values.ages[i] = spec->nvalues;
            spec->values[spec->nvalues++] = source->body;
        }
    }

    if (conf->pass == NULL) {
        return NGX_OK;
    }

    /* a row may say its own, which overrules its snapshot's */

    conf->values.row_generated_at = spec->nvalues;

    if (ngx_http_recs_pointer(cf, &generated_at,
                              &spec->values[spec->nvalues++])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    conf->values.row_max_age = spec->nvalues;

    return ngx_http_recs_pointer(cf, &max_age, &spec->values[spec->nvalues++]);
}
