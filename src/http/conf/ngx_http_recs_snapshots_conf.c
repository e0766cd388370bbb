
/*
 * The directive recs_snapshots: where snapshots are published, which of them
 * are adopted, and its channels.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"


static char *
ngx_http_recs_snapshots_redis(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    ss->redis = ngx_http_recs_find_redis(o->cf, &o->value);

    return ss->redis ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* prefix= is part of keys; all but those of rows have it in braces. */

static char *
ngx_http_recs_snapshots_prefix(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    size_t  i;

    for (i = 0; i < o->value.len; i++) {
        if (o->value.data[i] <= ' ' || o->value.data[i] >= 0x7f
            || ngx_strchr("{}$", o->value.data[i]))
        {
            break;
        }
    }

    if (i < o->value.len || i > NGX_RECS_PREFIX_MAX) {
        return "it must be at most 64 printable characters without \"{\", "
               "\"}\", \"$\" and spaces";
    }

    ss->prefix = o->value;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_snapshots_coverage(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    ngx_int_t  n;

    n = ngx_http_recs_option_percent(o, 2);

    if (n == NGX_ERROR || n > 10000) {
        return "it must be a percentage up to \"100%\", such as \"99.5%\"";
    }

    ss->adopt.min_coverage = n;

    return NGX_CONF_OK;
}


/* Makes a list of what commas separate; an empty item is an error. */

static char *
ngx_http_recs_snapshots_list(ngx_http_recs_option_t *o, ngx_array_t *list)
{
    ngx_str_t   rest, item, *added;

    if (ngx_array_init(list, o->cf->pool, 4, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rest = o->value;

    while (ngx_recs_list_next(&rest, &item)) {

        if (item.len == 0) {
            return "it must be a list such as \"a,b\"";
        }

        added = ngx_array_push(list);
        if (added == NULL) {
            return NGX_CONF_ERROR;
        }

        *added = item;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_snapshots_accept(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    char         *rv;
    ngx_array_t   list;

    rv = ngx_http_recs_snapshots_list(o, &list);

    ss->adopt.accept = list.elts;
    ss->adopt.naccept = list.nelts;

    return rv;
}


static char *
ngx_http_recs_snapshots_max_age(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    ngx_int_t  sec;

    sec = ngx_parse_time(&o->value, 1);

    if (sec == NGX_ERROR || sec == 0) {
        return "it must be a time such as \"36h\", at least \"1s\"";
    }

    ss->adopt.max_age = sec;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_snapshots_poll(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    return ngx_http_recs_option_msec(o, 100, NGX_MAX_INT_T_VALUE, &ss->poll,
                                     "it must be a time such as \"1s\", "
                                     "at least \"100ms\"");
}


static char *
ngx_http_recs_snapshots_missing(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    ngx_uint_t  i;

    static const ngx_str_t  names[] = {
        ngx_string("default"),
        ngx_string("previous"),
        ngx_string("none")
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (o->value.len == names[i].len
            && ngx_strncmp(o->value.data, names[i].data, names[i].len) == 0)
        {
            ss->missing = i;
            return NGX_CONF_OK;
        }
    }

    return "it must be \"default\", \"previous\" or \"none\"";
}


/* "active" is the first, whether it is listed or not. */

static char *
ngx_http_recs_snapshots_make_channels(ngx_http_recs_option_t *o,
    ngx_recs_snapshots_t *ss, ngx_str_t *names, ngx_uint_t n)
{
    ngx_uint_t  i, k;

    ss->channels = ngx_pcalloc(o->cf->pool,
                               (n + 1) * sizeof(ngx_recs_channel_t));
    if (ss->channels == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_set(&ss->channels[0].name, "active");
    ss->nchannels = 1;

    for (i = 0; i < n; i++) {

        if (!ngx_recs_version_valid(names[i].data, names[i].len)) {
            return "a channel's name must be at most 64 letters, digits, "
                   "\".\", \"_\" and \"-\"";
        }

        for (k = 0; k < i; k++) {
            if (names[k].len == names[i].len
                && ngx_strncmp(names[k].data, names[i].data, names[i].len) == 0)
            {
                return "a channel can be named only once";
            }
        }

        if (names[i].len != 6 || ngx_strncmp(names[i].data, "active", 6) != 0) {
            ss->channels[ss->nchannels++].name = names[i];
        }
    }

    return ss->nchannels > NGX_RECS_CHANNELS_MAX
           ? "there can't be more than 16 channels" : NGX_CONF_OK;
}


static char *
ngx_http_recs_snapshots_channels(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    char         *rv;
    ngx_array_t   list;

    rv = ngx_http_recs_snapshots_list(o, &list);

    return rv == NGX_CONF_OK
           ? ngx_http_recs_snapshots_make_channels(o, ss, list.elts, list.nelts)
           : rv;
}


static char *
ngx_http_recs_snapshots_image(ngx_http_recs_option_t *o, void *thing)
{
    ngx_recs_snapshots_t *ss = thing;

    return ngx_http_recs_image(o, &ss->image_path);
}


static const ngx_http_recs_option_def_t  ngx_http_recs_snapshots_defs[] = {
    { ngx_string("redis="), ngx_http_recs_snapshots_redis },
    { ngx_string("prefix="), ngx_http_recs_snapshots_prefix },
    { ngx_string("min_coverage="), ngx_http_recs_snapshots_coverage },
    { ngx_string("accept="), ngx_http_recs_snapshots_accept },
    { ngx_string("max_age="), ngx_http_recs_snapshots_max_age },
    { ngx_string("poll="), ngx_http_recs_snapshots_poll },
    { ngx_string("missing="), ngx_http_recs_snapshots_missing },
    { ngx_string("channels="), ngx_http_recs_snapshots_channels },
    { ngx_string("image="), ngx_http_recs_snapshots_image },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_snapshots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_main_conf_t *rmcf = conf;

    ngx_str_t                  *value;
    ngx_recs_snapshots_t       *ss;
    ngx_http_recs_option_t      o;
    ngx_http_recs_snapshots_t  *rs;

    static ngx_str_t  canary = ngx_string("canary");

    value = cf->args->elts;
    rmcf->used = 1;

    rs = ngx_http_recs_define(cf, &rmcf->snapshots, &value[1],
                              sizeof(ngx_http_recs_snapshots_t));
    if (rs == NULL) {
        return NGX_CONF_ERROR;
    }

    ss = &rs->snapshots;
    ss->name = rs->named.name;
    ss->adopt.min_coverage = 9900;
    ss->poll = 1000;

    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_snapshots_defs, 2, ss)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ss->redis == NULL || ss->prefix.len == 0) {
        return ngx_http_recs_wrong(&o, "must have \"redis=\" and \"prefix=\"");
    }

    if (ss->nchannels == 0) {
        return ngx_http_recs_snapshots_make_channels(&o, ss, &canary, 1);
    }

    return NGX_CONF_OK;
}


ngx_recs_snapshots_t *
ngx_http_recs_find_snapshots(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_recs_snapshots_t  *rs;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);

    rs = ngx_http_recs_named(cf, &rmcf->snapshots, name,
                             sizeof(ngx_http_recs_snapshots_t));

    return rs ? &rs->snapshots : NULL;
}
