
/*
 * ngx_http_recs_module: makes precomputed recommendations fit to show now.
 * Here: directives, configuration and its inheritance, the life of the master
 * and of the workers.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"
#include "ngx_recs_pool_leader.h"
#include "ngx_recs_snapshot_leader.h"
#include "ngx_http_recs_response.h"
#include "ngx_http_recs_tell.h"
#include "ngx_recs_trust.h"


#define NGX_HTTP_RECS_ZONE_SIZE  (8 * 1024 * 1024)


static void *ngx_http_recs_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_recs_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_recs_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_recs_merge_pointers(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *conf);
static ngx_int_t ngx_http_recs_merge_spec(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *conf);
static char *ngx_http_recs_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_recs_check_lookup_timeout(ngx_conf_t *cf, void *post,
    void *data);
static ngx_int_t ngx_http_recs_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_recs_check_names(ngx_conf_t *cf, ngx_array_t *names,
    const char *directive);
static ngx_int_t ngx_http_recs_add_zone(ngx_conf_t *cf,
    ngx_http_recs_main_conf_t *rmcf);
static ngx_int_t ngx_http_recs_init_zone(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_http_recs_init_zone_set(ngx_http_recs_set_t *rs,
    ngx_shm_zone_t *shm_zone, ngx_recs_zone_t *zone);
static ngx_int_t ngx_http_recs_init_process(ngx_cycle_t *cycle);
static void ngx_http_recs_exit_process(ngx_cycle_t *cycle);


static ngx_str_t  ngx_http_recs_default_types[] = {
    ngx_string("application/json"),
    ngx_string("+json"),
    ngx_string("application/msgpack"),
    ngx_string("application/x-msgpack"),
    ngx_string("application/vnd.msgpack"),
    ngx_null_string
};


static ngx_conf_enum_t  ngx_http_recs_tags[] = {
    { ngx_string("off"), NGX_HTTP_RECS_TAG_OFF },
    { ngx_string("headers"), NGX_HTTP_RECS_TAG_HEADERS },
    { ngx_string("body"), NGX_HTTP_RECS_TAG_BODY },
    { ngx_string("both"), NGX_HTTP_RECS_TAG_HEADERS|NGX_HTTP_RECS_TAG_BODY },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_recs_modes[] = {
    { ngx_string("off"), NGX_HTTP_RECS_OFF },
    { ngx_string("on"), NGX_HTTP_RECS_ON },
    { ngx_string("shadow"), NGX_HTTP_RECS_SHADOW_MODE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_recs_on_skew[] = {
    { ngx_string("tag"), 0 },
    { ngx_string("reject"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_recs_on_unidentified[] = {
    { ngx_string("keep"), NGX_HTTP_RECS_UNIDENTIFIED_KEEP },
    { ngx_string("drop"), NGX_HTTP_RECS_UNIDENTIFIED_DROP },
    { ngx_string("reject"), NGX_HTTP_RECS_UNIDENTIFIED_REJECT },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_recs_on_bad_body[] = {
    { ngx_string("pass"), NGX_HTTP_RECS_BAD_PASS },
    { ngx_string("reject_too_large"), NGX_HTTP_RECS_BAD_REJECT_TOO_LARGE },
    { ngx_string("reject"), NGX_HTTP_RECS_BAD_REJECT },
    { ngx_null_string, 0 }
};


static ngx_conf_num_bounds_t  ngx_http_recs_max_items_bounds = {
    ngx_conf_check_num_bounds, 1, -1
};


static ngx_conf_post_t  ngx_http_recs_lookup_timeout_bounds = {
    ngx_http_recs_check_lookup_timeout
};


static ngx_command_t  ngx_http_recs_commands[] = {

    { ngx_string("recs_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_recs_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_recs_redis_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_set"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_recs_set,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_recs_pool,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_snapshots"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_recs_snapshots,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, enable),
      &ngx_http_recs_modes },

    { ngx_string("recs_types"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_types_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, types_keys),
      NULL },

    { ngx_string("recs_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, user),
      NULL },

    { ngx_string("recs_user_hash"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_recs_user_hash,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_event"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, event),
      NULL },

    { ngx_string("recs_items"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_recs_items,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_item_id"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_recs_item_id,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_recs_set_names,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, require),
      NULL },

    { ngx_string("recs_exclude"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_recs_set_names,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, exclude),
      NULL },

    { ngx_string("recs_distinct"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, distinct),
      NULL },

    { ngx_string("recs_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, limit),
      NULL },

    { ngx_string("recs_backfill"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_recs_backfill,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_explore"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_recs_explore,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_record_shown"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_recs_record_shown,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_version"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_recs_version,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_on_skew"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, reject_skew),
      &ngx_http_recs_on_skew },

    { ngx_string("recs_freshness"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_recs_freshness,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_expires"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_recs_expires,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_lookup_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, lookup_timeout),
      &ngx_http_recs_lookup_timeout_bounds },

    { ngx_string("recs_max_body_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, max_body_size),
      NULL },

    { ngx_string("recs_max_items"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, max_items),
      &ngx_http_recs_max_items_bounds },

    { ngx_string("recs_on_bad_body"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, on_bad_body),
      &ngx_http_recs_on_bad_body },

    { ngx_string("recs_on_unidentified"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, on_unidentified),
      &ngx_http_recs_on_unidentified },

    { ngx_string("recs_tag"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, tag),
      &ngx_http_recs_tags },

    { ngx_string("recs_explain"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, explain),
      NULL },

    { ngx_string("recs_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_1MORE,
      ngx_http_recs_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_ready"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_recs_ready,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_recs_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_recs_module_ctx = {
    ngx_http_recs_add_variables,           /* preconfiguration */
    ngx_http_recs_init,                    /* postconfiguration */

    ngx_http_recs_create_main_conf,        /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_recs_create_loc_conf,         /* create location configuration */
    ngx_http_recs_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_recs_module = {
    NGX_MODULE_V1,
    &ngx_http_recs_module_ctx,             /* module context */
    ngx_http_recs_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_recs_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_recs_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_recs_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_main_conf_t *rmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (rmcf->zone_size) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size < (ssize_t) (512 * 1024)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" of recs_zone, "
                           "it must be at least 512k", &value[1]);
        return NGX_CONF_ERROR;
    }

    rmcf->zone_size = size;
    rmcf->used = 1;

    return NGX_CONF_OK;
}


/* A response that waits long would meet send_timeout. */

static char *
ngx_http_recs_check_lookup_timeout(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t *msec = data;

    if (*msec == 0 || *msec > 30000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid recs_lookup_timeout of %Mms, "
                           "it must be from 1ms to 30s", *msec);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
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


static void *
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
     *     conf->types = { NULL };
     *     conf->types_keys = NULL;
     *     conf->spec = { 0 };
     */

    conf->enable = NGX_CONF_UNSET_UINT;
    conf->user = NGX_CONF_UNSET_PTR;
    conf->user_hash = NGX_CONF_UNSET_PTR;
    conf->event = NGX_CONF_UNSET_PTR;
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
    conf->max_body_size = NGX_CONF_UNSET_SIZE;
    conf->max_items = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
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


/* What is looked for in a page, by default and as configured. */

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


static ngx_int_t
ngx_http_recs_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);

    if (ngx_http_recs_check_names(cf, &rmcf->redis, "recs_redis") != NGX_OK
        || ngx_http_recs_check_names(cf, &rmcf->sets, "recs_set") != NGX_OK
        || ngx_http_recs_check_names(cf, &rmcf->pools, "recs_pool") != NGX_OK
        || ngx_http_recs_check_names(cf, &rmcf->snapshots, "recs_snapshots")
           != NGX_OK
        || ngx_http_recs_check_explore(cf) != NGX_OK
        || ngx_http_recs_check_variables(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_recs_set_check_required(cf, rmcf);

    if (!rmcf->used) {
        return NGX_OK;
    }

    if (ngx_http_recs_add_zone(cf, rmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_recs_hide;

    if (rmcf->prefetch) {
        h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_recs_prefetch;
    }

    ngx_http_recs_order(cf);

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_check_names(ngx_conf_t *cf, ngx_array_t *names,
    const char *directive)
{
    ngx_uint_t               i;
    ngx_http_recs_named_t  **named;

    named = names->elts;

    for (i = 0; i < names->nelts; i++) {

        if (!named[i]->defined) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "no %s \"%V\" is defined for its use in %V:%ui",
                          directive, &named[i]->name, &named[i]->file,
                          named[i]->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_add_zone(ngx_conf_t *cf, ngx_http_recs_main_conf_t *rmcf)
{
    ngx_shm_zone_t  *shm_zone;

    static ngx_str_t  name = ngx_string("ngx_http_recs_module");

    shm_zone = ngx_shared_memory_add(cf, &name,
                                     rmcf->zone_size ? rmcf->zone_size
                                                     : NGX_HTTP_RECS_ZONE_SIZE,
                                     &ngx_http_recs_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_recs_init_zone;
    shm_zone->data = rmcf;

    return NGX_OK;
}


/* They share entries of one size. */

#define ngx_http_recs_fits(counters)                                          \
    _Static_assert(sizeof(counters)                                           \
                   <= NGX_RECS_ZONE_COUNTERS * sizeof(ngx_atomic_t),          \
                   #counters " do not fit an entry of the zone")

ngx_http_recs_fits(ngx_http_recs_states_t);
ngx_http_recs_fits(ngx_http_recs_responses_t);
ngx_http_recs_fits(ngx_http_recs_items_t);
ngx_http_recs_fits(ngx_recs_set_counters_t);
ngx_http_recs_fits(ngx_recs_watch_shared_t);
ngx_http_recs_fits(ngx_recs_trust_shared_t);
ngx_http_recs_fits(ngx_recs_pool_counters_t);
ngx_http_recs_fits(ngx_recs_redis_counters_t);
ngx_http_recs_fits(ngx_recs_recorder_counters_t);
ngx_http_recs_fits(ngx_recs_snapshots_counters_t);
ngx_http_recs_fits(ngx_recs_replica_counters_t);


/*
 * Finds the shared counters of all locations and of each thing with a name, and
 * what else they share.
 */

static ngx_int_t
ngx_http_recs_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_uint_t                   i;
    ngx_recs_zone_t             *zone;
    ngx_http_recs_set_t        **rs;
    ngx_http_recs_pool_t       **rp;
    ngx_http_recs_redis_t      **rr;
    ngx_http_recs_explore_t    **ex;
    ngx_http_recs_main_conf_t   *rmcf;
    ngx_http_recs_snapshots_t  **rn;

    static ngx_str_t  states = ngx_string(NGX_HTTP_RECS_STATES_NAME);
    static ngx_str_t  responses = ngx_string(NGX_HTTP_RECS_RESPONSES_NAME);
    static ngx_str_t  items = ngx_string(NGX_HTTP_RECS_ITEMS_NAME);

    rmcf = shm_zone->data;

    zone = ngx_recs_zone_attach(shm_zone, data);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    rmcf->zone = zone;

    rmcf->states = (ngx_http_recs_states_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_RESPONSES, &states);
    rmcf->responses = (ngx_http_recs_responses_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_RESPONSES, &responses);
    rmcf->items = (ngx_http_recs_items_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_RESPONSES, &items);

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (ngx_http_recs_init_zone_set(rs[i], shm_zone, zone) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        ngx_recs_pool_init_zone(&rp[i]->pool, zone);
    }

    ex = rmcf->explore.elts;

    for (i = 0; i < rmcf->explore.nelts; i++) {
        ngx_http_recs_cap_init_zone(rmcf, ex[i]);
    }

    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {
        rr[i]->redis.counters = (ngx_recs_redis_counters_t *)
            ngx_recs_zone_counters(zone, NGX_RECS_ZONE_REDIS,
                                   &rr[i]->named.name);

        if (rr[i]->recorder.redis) {
            rr[i]->recorder.counters = (ngx_recs_recorder_counters_t *)
                ngx_recs_zone_counters(zone, NGX_RECS_ZONE_RECORDER,
                                       &rr[i]->named.name);
        }
    }

    ngx_recs_leader_init_zone(&rmcf->leader, zone);

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        ngx_recs_snapshots_init_zone(&rn[i]->snapshots, zone);
    }

    return ngx_recs_zone_check(zone, shm_zone);
}


static ngx_int_t
ngx_http_recs_init_zone_set(ngx_http_recs_set_t *rs, ngx_shm_zone_t *shm_zone,
    ngx_recs_zone_t *zone)
{
    ngx_recs_set_t  *set;

    set = &rs->set;

    set->counters = (ngx_recs_set_counters_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_SET, &rs->named.name);

    if (set->watch) {
        ngx_recs_watch_init_zone(set->watch, zone);
    }

    if (set->trust) {
        ngx_recs_trust_init_zone(set->trust, zone);
    }

    return set->replica
           ? ngx_recs_replica_init_zone(set->replica, zone, shm_zone->shm.log)
           : NGX_OK;
}


static ngx_int_t
ngx_http_recs_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_http_recs_set_t        **rs;
    ngx_http_recs_pool_t       **rp;
    ngx_http_recs_redis_t      **rr;
    ngx_http_recs_main_conf_t   *rmcf;
    ngx_http_recs_snapshots_t  **rn;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_recs_module);
    if (rmcf == NULL) {
        return NGX_OK;
    }

    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {
        if (ngx_recs_redis_init_worker(&rr[i]->redis, cycle) != NGX_OK) {
            return NGX_ERROR;
        }

        if (rr[i]->recorder.redis
            && ngx_recs_recorder_init_worker(&rr[i]->recorder, cycle)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (rs[i]->set.watch) {
            ngx_recs_watch_init_worker(rs[i]->set.watch, &rmcf->leader, cycle);
        }

        if (rs[i]->set.replica
            && ngx_recs_replica_init_worker(rs[i]->set.replica,
                                            &rmcf->leader, cycle)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        ngx_recs_pool_init_worker(&rp[i]->pool, cycle);

        if (ngx_recs_pool_leader_init_worker(&rp[i]->pool, &rmcf->leader,
                                             cycle)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        if (ngx_recs_snapshot_leader_init_worker(&rn[i]->snapshots,
                                                 &rmcf->leader, cycle)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_recs_leader_start(&rmcf->leader, cycle);

    return NGX_OK;
}


static void
ngx_http_recs_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_recs_set_t         **rs;
    ngx_http_recs_pool_t        **rp;
    ngx_http_recs_redis_t       **rr;
    ngx_http_recs_main_conf_t    *rmcf;
    ngx_http_recs_snapshots_t   **rn;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_recs_module);
    if (rmcf == NULL) {
        return;
    }

    /* images take a while, in which another may lead */

    ngx_recs_leader_exit(&rmcf->leader);

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (rs[i]->set.replica) {
            ngx_recs_replica_exit_worker(rs[i]->set.replica);
        }
    }

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        ngx_recs_pool_leader_exit_worker(&rp[i]->pool);
    }

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        ngx_recs_snapshot_leader_exit_worker(&rn[i]->snapshots);
    }

    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {

        if (rr[i]->recorder.redis) {
            ngx_recs_recorder_exit_worker(&rr[i]->recorder);
        }

        ngx_recs_redis_exit_worker(&rr[i]->redis);
    }
}
