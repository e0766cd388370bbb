
/*
 * The table of directives: where each may stand, and what reads it.  The order
 * is that of docs/directives.md.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_tell.h"


static char *ngx_http_recs_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_recs_check_lookup_timeout(ngx_conf_t *cf, void *post,
    void *data);


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


ngx_command_t  ngx_http_recs_commands[] = {

    /* what there is, once for all */

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

    { ngx_string("recs_guard"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_recs_guard,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    /* which responses */

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

    /* who looks at them, and how a view is called */

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

    /* where their items are, and what is shown of them */

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

    /* exploration */

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

    /* what they were made of, and when */

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

    /* limits, and what is not fit for them */

    { ngx_string("recs_lookup_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, lookup_timeout),
      &ngx_http_recs_lookup_timeout_bounds },

    { ngx_string("recs_slow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_recs_slow_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

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

    /* what is said of them */

    { ngx_string("recs_tag"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, tag),
      &ngx_http_recs_tags },

    { ngx_string("recs_label"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_recs_label,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("recs_explain"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_recs_loc_conf_t, explain),
      NULL },

    /* content handlers */

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
