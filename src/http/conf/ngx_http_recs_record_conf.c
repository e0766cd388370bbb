
/*
 * The directive recs_record_shown: the key that a location's shown items are
 * recorded under, in which Redis, and how long they stay there.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"


static char *
ngx_http_recs_record_redis(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_record_t *record = thing;

    ngx_http_recs_redis_t      *rr;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(o->cf, ngx_http_recs_module);

    rr = ngx_http_recs_named(o->cf, &rmcf->redis, &o->value,
                             sizeof(ngx_http_recs_redis_t));
    if (rr == NULL) {
        return NGX_CONF_ERROR;
    }

    rr->recorder.redis = &rr->redis;
    record->recorder = &rr->recorder;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_record_key(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_record_t *record = thing;

    return ngx_http_recs_option_text(o, &record->key);
}


static char *
ngx_http_recs_record_within(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_record_t *record = thing;

    time_t  sec;

    sec = ngx_parse_time(&o->value, 1);

    if (sec == (time_t) NGX_ERROR || sec == 0
        || sec > NGX_HTTP_RECS_RECORD_WITHIN_MAX)
    {
        return "it must be a time such as \"7d\", from \"1s\" to \"10y\"";
    }

    record->keep.within = sec;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_record_unit(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_record_t *record = thing;

    return ngx_http_recs_option_unit(o, &record->keep.unit_ms);
}


static char *
ngx_http_recs_record_max(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_record_t *record = thing;

    return ngx_http_recs_option_number(o, NGX_HTTP_RECS_RECORD_MAX,
                                       &record->keep.max,
                                       "it must be a number from 1 to "
                                       "1000000");
}


static const ngx_http_recs_option_def_t  ngx_http_recs_record_defs[] = {
    { ngx_string("redis="), ngx_http_recs_record_redis },
    { ngx_string("key="), ngx_http_recs_record_key },
    { ngx_string("within="), ngx_http_recs_record_within },
    { ngx_string("unit="), ngx_http_recs_record_unit },
    { ngx_string("max="), ngx_http_recs_record_max },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_record_shown(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_http_recs_option_t      o;
    ngx_http_recs_record_t     *record;
    ngx_http_recs_main_conf_t  *rmcf;

    if (ngx_http_recs_lifts(cf)) {
        return ngx_http_recs_lift((void **) &rlcf->record);
    }

    if (rlcf->record != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->used = 1;

    record = ngx_pcalloc(cf->pool, sizeof(ngx_http_recs_record_t));
    if (record == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_record_defs, 1, record)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (record->recorder == NULL || record->key == NULL) {
        return "must have \"redis=\" and \"key=\"";
    }

    rlcf->record = record;

    return NGX_CONF_OK;
}
