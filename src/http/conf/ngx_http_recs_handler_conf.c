
/*
 * The directives recs_pass, recs_ready and recs_status: each makes its location
 * answer by a content handler of this module.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"
#include "ngx_http_recs_serve.h"
#include "ngx_http_recs_status.h"


static char *ngx_http_recs_handle(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *rlcf, ngx_http_handler_pt handler);


static char *
ngx_http_recs_pass_channel(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pass_conf_t *conf = thing;

    return ngx_http_recs_complex(o->cf, &o->value, &conf->channel);
}


static char *
ngx_http_recs_pass_format(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pass_conf_t *conf = thing;

    conf->negotiate = 0;

    if (ngx_strcmp(o->value.data, "json") == 0) {
        conf->format = RECS_JSON;

    } else if (ngx_strcmp(o->value.data, "msgpack") == 0) {
        conf->format = RECS_MSGPACK;

    } else if (ngx_strcmp(o->value.data, "auto") == 0) {
        conf->negotiate = 1;

    } else {
        return "it must be \"auto\", \"json\" or \"msgpack\"";
    }

    return NGX_CONF_OK;
}


static const ngx_http_recs_option_def_t  ngx_http_recs_pass_defs[] = {
    { ngx_string("channel="), ngx_http_recs_pass_channel },
    { ngx_string("format="), ngx_http_recs_pass_format },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    char                    *rv;
    ngx_str_t               *value;
    ngx_http_recs_option_t   o;

    rv = ngx_http_recs_handle(cf, rlcf, ngx_http_recs_pass_handler);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rlcf->pass = ngx_pcalloc(cf->pool, sizeof(ngx_http_recs_pass_conf_t));
    if (rlcf->pass == NULL) {
        return NGX_CONF_ERROR;
    }

    rlcf->pass->negotiate = 1;

    value = cf->args->elts;

    rlcf->pass->snapshots = ngx_http_recs_find_snapshots(cf, &value[1]);
    if (rlcf->pass->snapshots == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_recs_option_init(&o, cf, 1);

    return ngx_http_recs_options(&o, ngx_http_recs_pass_defs, 2, rlcf->pass);
}


/* "if" and "limit_except" are locations without a name: they inherit it. */

void
ngx_http_recs_pass_merge(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *prev,
    ngx_http_recs_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && clcf->handler == NULL && prev->pass) {
        conf->pass = prev->pass;
        clcf->handler = ngx_http_recs_pass_handler;
    }
}


char *
ngx_http_recs_ready(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_recs_handle(cf, conf, ngx_http_recs_ready_handler);
}


char *
ngx_http_recs_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 2
        && ngx_http_recs_status_format(&value[1], &rlcf->status) != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid format \"%V\" in recs_status, it must be "
                           NGX_HTTP_RECS_STATUS_FORMATS, &value[1]);
        return NGX_CONF_ERROR;
    }

    rlcf->status_own = (cf->args->nelts == 2);

    return ngx_http_recs_handle(cf, rlcf, ngx_http_recs_status_handler);
}


/* A location has one content handler. */

static char *
ngx_http_recs_handle(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *rlcf,
    ngx_http_handler_pt handler)
{
    ngx_str_t                  *value;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_recs_main_conf_t  *rmcf;

    value = cf->args->elts;

    if (rlcf->handler.len == value[0].len
        && ngx_memcmp(rlcf->handler.data, value[0].data, value[0].len) == 0)
    {
        return "is duplicate";
    }

    if (rlcf->handler.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" can't be where %V is, a location has one "
                           "handler", &value[0], &rlcf->handler);
        return NGX_CONF_ERROR;
    }

    rlcf->handler = value[0];

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;

    return NGX_CONF_OK;
}
