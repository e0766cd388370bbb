
/*
 * The directive recs_explore: a gate, the slots behind it, and the pool that
 * they draw from.  A pool may be defined after it, so what that needs is
 * checked at the end.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_names.h"
#include "ngx_http_recs_options.h"


#define NGX_HTTP_RECS_CAP_MAX         1000000000
#define NGX_HTTP_RECS_CAP_WINDOW_MIN  1000                          /* ms */
#define NGX_HTTP_RECS_CAP_WINDOW_MAX  (365 * 24 * 3600 * 1000LL)    /* ms */


/* rate= is a share, taken exactly as it is written: "5%" or "2.5%". */

static char *
ngx_http_recs_explore_rate(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    ngx_int_t  n;

    n = ngx_http_recs_option_percent(o, 4);

    if (n == NGX_ERROR || n > 1000000) {
        return "it must be a share such as \"5%\" or \"0.25%\", "
               "with at most 4 decimals";
    }

    ex->policy.rate = (double) n / 1000000;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_explore_slots(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    u_char     *p, *last, *end;
    ngx_int_t   n;

    last = o->value.data + o->value.len;

    for (p = o->value.data; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        n = ngx_atoi(p, end - p);

        if (n == NGX_ERROR || n == 0 || n > 5000
            || (ex->policy.nslots
                && n <= (ngx_int_t) ex->policy.slots[ex->policy.nslots - 1]))
        {
            return "they must be numbers from 1 to 5000, ascending, "
                   "such as \"3,7\"";
        }

        if (ex->policy.nslots == RECS_EXPLORE_SLOTS_MAX) {
            return "there are too many, at most 16 can be given";
        }

        ex->policy.slots[ex->policy.nslots++] = (unsigned) n;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_explore_key(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    return ngx_http_recs_complex(o->cf, &o->value, &ex->key);
}


static char *
ngx_http_recs_explore_salt(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    ex->policy.salt = ngx_recs_span(&o->value);

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_explore_method(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    ngx_uint_t  i;

    for (i = 0; i < RECS_NMETHODS; i++) {
        if (ngx_strcmp(o->value.data, ngx_http_recs_methods[i].data) == 0) {
            ex->policy.method = i;
            return NGX_CONF_OK;
        }
    }

    return "it must be \"uniform\", \"weighted\" or \"diverse\"";
}


static char *
ngx_http_recs_explore_panel(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    ngx_int_t  n;

    n = ngx_atoi(o->value.data, o->value.len);

    if (n == NGX_ERROR || n == 0 || n > RECS_EXPLORE_PANEL_MAX) {
        return "it must be a number from 1 to 128";
    }

    ex->policy.panel = (unsigned) n;

    return NGX_CONF_OK;
}


/* cap= is how often within which time: "100/1h". */

static char *
ngx_http_recs_explore_cap(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    u_char     *p, *last;
    ngx_int_t   n, msec;
    ngx_str_t   window;

    last = o->value.data + o->value.len;
    p = ngx_strlchr(o->value.data, last, '/');

    if (p && p + 1 < last) {
        n = ngx_atoi(o->value.data, p - o->value.data);

        window.data = p + 1;
        window.len = last - window.data;
        msec = ngx_parse_time(&window, 0);

        if (n != NGX_ERROR && n > 0 && n <= NGX_HTTP_RECS_CAP_MAX
            && msec != NGX_ERROR && msec >= NGX_HTTP_RECS_CAP_WINDOW_MIN
            && msec <= NGX_HTTP_RECS_CAP_WINDOW_MAX)
        {
            ex->cap.max = n;
            ex->cap.window = msec;
            return NGX_CONF_OK;
        }
    }

    return "it must be a number up to 1000000000 and a time from \"1s\" to "
           "\"365d\", such as \"100/1h\"";
}


static const ngx_http_recs_option_def_t  ngx_http_recs_explore_defs[] = {
    { ngx_string("rate="), ngx_http_recs_explore_rate },
    { ngx_string("slots="), ngx_http_recs_explore_slots },
    { ngx_string("key="), ngx_http_recs_explore_key },
    { ngx_string("salt="), ngx_http_recs_explore_salt },
    { ngx_string("method="), ngx_http_recs_explore_method },
    { ngx_string("panel="), ngx_http_recs_explore_panel },
    { ngx_string("cap="), ngx_http_recs_explore_cap },
    { ngx_null_string, NULL }
};


/* The pool is a name, or a text with variables that says one. */

static ngx_int_t
ngx_http_recs_explore_pool(ngx_conf_t *cf, ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_explore_t *ex, ngx_str_t *value)
{
    ex->source = *value;

    if (ngx_http_script_variables_count(value)) {
        return ngx_http_recs_complex(cf, value, &ex->variable) == NGX_CONF_OK
               ? NGX_OK : NGX_ERROR;
    }

    ex->pool = ngx_http_recs_named(cf, &rmcf->pools, value,
                                   sizeof(ngx_http_recs_pool_t));

    return ex->pool ? NGX_OK : NGX_ERROR;
}


/*
 * No two recs_explore lines of a location may have the same slot, nor may all
 * of them have too many.
 */

static char *
ngx_http_recs_explore_slots_free(ngx_http_recs_option_t *o,
    ngx_array_t *lines, ngx_http_recs_explore_t *ex)
{
    unsigned                   k, m, n;
    ngx_uint_t                 i;
    ngx_http_recs_explore_t  **other;

    other = lines->elts;
    n = ex->policy.nslots;

    for (i = 0; i < lines->nelts; i++) {
        n += other[i]->policy.nslots;

        for (k = 0; k < other[i]->policy.nslots; k++) {
            for (m = 0; m < ex->policy.nslots; m++) {

                if (other[i]->policy.slots[k] == ex->policy.slots[m]) {
                    return ngx_http_recs_wrong(o, "must have other \"slots=\" "
                                                  "than the recs_explore "
                                                  "before it");
                }
            }
        }
    }

    if (n > RECS_EXPLORE_SLOTS_MAX) {
        return ngx_http_recs_wrong(o, "makes too many slots, at most 16 can "
                                      "be given in one place");
    }

    return NGX_CONF_OK;
}


static ngx_http_recs_explore_t *
ngx_http_recs_explore_new(ngx_conf_t *cf)
{
    ngx_http_recs_explore_t  *ex;

    ex = ngx_pcalloc(cf->pool, sizeof(ngx_http_recs_explore_t));
    if (ex == NULL) {
        return NULL;
    }

    ex->policy.rate = -1;
    ex->policy.panel = 20;
    ex->file = cf->conf_file->file.name;
    ex->line = cf->conf_file->line;

    return ex;
}


char *
ngx_http_recs_explore(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t                  *value;
    ngx_http_recs_option_t      o;
    ngx_http_recs_explore_t    *ex, **p, **all;
    ngx_http_recs_main_conf_t  *rmcf;

    if (ngx_http_recs_lifts(cf)) {
        return ngx_http_recs_lift((void **) &rlcf->explore);
    }

    if (rlcf->explore == NULL) {
        return "is off already";
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->used = 1;

    if (rlcf->explore == NGX_CONF_UNSET_PTR) {
        rlcf->explore = ngx_array_create(cf->pool, 1,
                                         sizeof(ngx_http_recs_explore_t *));
        if (rlcf->explore == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    ex = ngx_http_recs_explore_new(cf);
    if (ex == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_http_recs_explore_pool(cf, rmcf, ex, &value[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_explore_defs, 2, ex)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ex->policy.rate < 0 || ex->policy.nslots == 0) {
        return ngx_http_recs_wrong(&o, "must have \"rate=\" and \"slots=\"");
    }

    if (ngx_http_recs_explore_slots_free(&o, rlcf->explore, ex)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    p = ngx_array_push(rlcf->explore);
    all = ngx_array_push(&rmcf->explore);

    if (p == NULL || all == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = ex;
    *all = ex;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_recs_check_explore(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    const char                  *option;
    ngx_http_recs_explore_t    **ex;
    ngx_http_recs_main_conf_t   *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    ex = rmcf->explore.elts;

    for (i = 0; i < rmcf->explore.nelts; i++) {

        if (ex[i]->pool == NULL) {
            continue;
        }

        option = NULL;

        if (ex[i]->policy.method == RECS_WEIGHTED
            && ex[i]->pool->pool.weight == NULL)
        {
            option = "weight=";

        } else if (ex[i]->policy.method == RECS_DIVERSE
                   && ex[i]->pool->pool.category == NULL)
        {
            option = "category=";
        }

        if (option) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "recs_pool \"%V\" must have \"%s\" for "
                          "\"method=%V\" in %V:%ui",
                          &ex[i]->pool->named.name, option,
                          &ngx_http_recs_methods[ex[i]->policy.method],
                          &ex[i]->file, ex[i]->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
