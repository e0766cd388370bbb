
/* The directive recs_label: by what responses are told apart in the status. */


#include "ngx_http_recs_counted.h"
#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"


#define NGX_HTTP_RECS_LABELS  16        /* by default */

#define ngx_http_recs_string(n)   ngx_http_recs_string_(n)
#define ngx_http_recs_string_(n)  #n


static char *
ngx_http_recs_label_max(ngx_http_recs_option_t *o, void *thing)
{
    return ngx_http_recs_option_number(o, NGX_HTTP_RECS_LABELS_MAX, thing,
                                       "it must be a number of labels, 1 to "
                                       ngx_http_recs_string(
                                           NGX_HTTP_RECS_LABELS_MAX));
}


static const ngx_http_recs_option_def_t  ngx_http_recs_label_defs[] = {
    { ngx_string("max="), ngx_http_recs_label_max },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_label(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t                  *value;
    ngx_uint_t                  max;
    ngx_http_recs_option_t      o;
    ngx_http_recs_main_conf_t  *rmcf;

    if (ngx_http_recs_lifts(cf)) {
        return ngx_http_recs_lift((void **) &rlcf->label);
    }

    if (rlcf->label != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_recs_complex(cf, &value[1], &rlcf->label) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    max = NGX_HTTP_RECS_LABELS;
    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_label_defs, 2, &max)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* there is one table of labels */

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->max_labels = ngx_max(rmcf->max_labels, max);

    return NGX_CONF_OK;
}
