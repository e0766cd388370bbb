
/*
 * What directives have in common.  Whatever is wrong is logged with the name of
 * the directive and what would be right.
 */


#include "ngx_http_recs_options.h"


static ngx_int_t ngx_http_recs_check_name(ngx_conf_t *cf, ngx_str_t *name);


/*
 * A name is letters, digits and "_", a letter first: so it can stand in a
 * header and in a variable's name.
 */

static ngx_int_t
ngx_http_recs_check_name(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i] | 0x20;

        if ((c >= 'a' && c <= 'z')
            || (i && (name->data[i] == '_'
                      || (name->data[i] >= '0' && name->data[i] <= '9'))))
        {
            continue;
        }

        break;
    }

    if (name->len && i == name->len && i <= NGX_RECS_ZONE_NAME_MAX
        && !(i == 3 && ngx_strncmp(name->data, "off", 3) == 0))
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid name \"%V\", it must be a letter, then "
                       "letters, digits and \"_\", at most %d in all, and not "
                       "\"off\"", name, NGX_RECS_ZONE_NAME_MAX);
    return NGX_ERROR;
}


void *
ngx_http_recs_named(ngx_conf_t *cf, ngx_array_t *names, ngx_str_t *name,
    size_t size)
{
    ngx_uint_t               i;
    ngx_http_recs_named_t  **named, *new;

    named = names->elts;

    for (i = 0; i < names->nelts; i++) {
        if (named[i]->name.len != name->len
            || ngx_strncasecmp(named[i]->name.data, name->data, name->len) != 0)
        {
            continue;
        }

        if (ngx_strncmp(named[i]->name.data, name->data, name->len) == 0) {
            return named[i];
        }

        /* variables have no case */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "names \"%V\" and \"%V\" must differ by more than "
                           "case", &named[i]->name, name);
        return NULL;
    }

    if (ngx_http_recs_check_name(cf, name) != NGX_OK) {
        return NULL;
    }

    new = ngx_pcalloc(cf->pool, size);
    if (new == NULL) {
        return NULL;
    }

    new->name = *name;
    new->file = cf->conf_file->file.name;
    new->line = cf->conf_file->line;

    named = ngx_array_push(names);
    if (named == NULL) {
        return NULL;
    }

    *named = new;

    return new;
}


void *
ngx_http_recs_define(ngx_conf_t *cf, ngx_array_t *names, ngx_str_t *name,
    size_t size)
{
    ngx_str_t              *value;
    ngx_http_recs_named_t  *named;

    named = ngx_http_recs_named(cf, names, name, size);
    if (named == NULL) {
        return NULL;
    }

    if (named->defined) {
        value = cf->args->elts;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate %V \"%V\"",
                           &value[0], name);
        return NULL;
    }

    named->defined = 1;

    return named;
}


char *
ngx_http_recs_options(ngx_http_recs_option_t *o,
    const ngx_http_recs_option_def_t *defs, ngx_uint_t first, void *thing)
{
    char                              *rv;
    ngx_str_t                         *value;
    ngx_uint_t                         i, given, bit;
    const ngx_http_recs_option_def_t  *def;

    value = o->cf->args->elts;
    given = 0;

    for (i = first; i < o->cf->args->nelts; i++) {

        for (def = defs; def->name.len; def++) {

            if (value[i].len > def->name.len
                && ngx_strncmp(value[i].data, def->name.data, def->name.len)
                   == 0)
            {
                break;
            }
        }

        if (def->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, o->cf, 0,
                               "invalid parameter \"%V\" of %V \"%V\"",
                               &value[i], &o->what, &o->name);
            return NGX_CONF_ERROR;
        }

        bit = (ngx_uint_t) 1 << (def - defs);

        if (given & bit) {
            ngx_conf_log_error(NGX_LOG_EMERG, o->cf, 0,
                               "duplicate parameter \"%V\" of %V \"%V\"",
                               &value[i], &o->what, &o->name);
            return NGX_CONF_ERROR;
        }

        given |= bit;

        o->value.data = value[i].data + def->name.len;
        o->value.len = value[i].len - def->name.len;

        rv = def->read(o, thing);

        if (rv != NGX_CONF_OK) {
            if (rv != NGX_CONF_ERROR) {
                ngx_conf_log_error(NGX_LOG_EMERG, o->cf, 0,
                                   "invalid parameter \"%V\" of %V \"%V\", "
                                   "%s", &value[i], &o->what, &o->name, rv);
            }

            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


void
ngx_http_recs_option_init(ngx_http_recs_option_t *o, ngx_conf_t *cf,
    ngx_uint_t name)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    o->cf = cf;
    o->what = value[0];
    o->name = value[name];
}


char *
ngx_http_recs_wrong(ngx_http_recs_option_t *o, const char *right)
{
    ngx_conf_log_error(NGX_LOG_EMERG, o->cf, 0, "%V \"%V\" %s",
                       &o->what, &o->name, right);
    return NGX_CONF_ERROR;
}


ngx_uint_t
ngx_http_recs_lifts(ngx_conf_t *cf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0;
}


char *
ngx_http_recs_lift(void **slot)
{
    if (*slot != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    *slot = NULL;

    return NGX_CONF_OK;
}


char *
ngx_http_recs_complex(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv)
{
    ngx_http_compile_complex_value_t  ccv;

    *cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = *cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_http_recs_option_text(ngx_http_recs_option_t *o,
    ngx_http_complex_value_t **cv)
{
    size_t   i;
    u_char  *p;

    p = o->value.data;

    for (i = 1; i < o->value.len; i++) {

        if (p[i] >= '1' && p[i] <= '9'
            && (p[i - 1] == '$'
                || (i > 1 && p[i - 1] == '{' && p[i - 2] == '$')))
        {
            return "it can't have \"$1\" and the like, name the capture";
        }
    }

    return ngx_http_recs_complex(o->cf, &o->value, cv);
}


char *
ngx_http_recs_option_unit(ngx_http_recs_option_t *o, ngx_uint_t *ms)
{
    if (ngx_strcmp(o->value.data, "ms") == 0) {
        *ms = 1;

    } else if (ngx_strcmp(o->value.data, "s") == 0) {
        *ms = 0;

    } else {
        return "it must be \"s\" or \"ms\"";
    }

    return NGX_CONF_OK;
}


char *
ngx_http_recs_option_absent(ngx_http_recs_option_t *o,
    ngx_http_recs_absent_e *absent)
{
    if (ngx_strcmp(o->value.data, "unknown") == 0) {
        *absent = NGX_HTTP_RECS_ABSENT_UNKNOWN;

    } else if (ngx_strcmp(o->value.data, "empty") == 0) {
        *absent = NGX_HTTP_RECS_ABSENT_EMPTY;

    } else {
        return "it must be \"unknown\" or \"empty\"";
    }

    return NGX_CONF_OK;
}


char *
ngx_http_recs_option_number(ngx_http_recs_option_t *o, ngx_int_t max,
    ngx_uint_t *n, char *right)
{
    ngx_int_t  value;

    value = ngx_atoi(o->value.data, o->value.len);

    if (value < 1 || value > max) {
        return right;
    }

    *n = value;

    return NGX_CONF_OK;
}


char *
ngx_http_recs_option_msec(ngx_http_recs_option_t *o, ngx_int_t min,
    ngx_int_t max, ngx_msec_t *msec, char *right)
{
    ngx_int_t  value;

    value = ngx_parse_time(&o->value, 0);

    if (value == NGX_ERROR || value < min || value > max) {
        return right;
    }

    *msec = value;

    return NGX_CONF_OK;
}


char *
ngx_http_recs_option_min_members(ngx_http_recs_option_t *o,
    ngx_uint_t *min_members)
{
    return ngx_http_recs_option_number(o, NGX_MAX_INT_T_VALUE, min_members,
                                       "it must be a number of members, "
                                       "over 0");
}


ngx_int_t
ngx_http_recs_option_percent(ngx_http_recs_option_t *o, size_t decimals)
{
    size_t  last;

    last = o->value.len - 1;

    return o->value.data[last] == '%'
           ? ngx_atofp(o->value.data, last, decimals) : NGX_ERROR;
}


ngx_int_t
ngx_http_recs_pointer(ngx_conf_t *cf, ngx_str_t *source, recs_pointer_t *ptr)
{
    recs_mem_t   mem;
    recs_str_t   span;
    ngx_str_t   *value;
    const char  *error;

    ngx_recs_mem(&mem, cf->pool);
    span = ngx_recs_span(source);

    error = recs_pointer_compile(&mem, &span, ptr);
    if (error == NULL) {
        return NGX_OK;
    }

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid JSON Pointer \"%V\" in %V: %s",
                       source, &value[0], error);
    return NGX_ERROR;
}


char *
ngx_http_recs_image(ngx_http_recs_option_t *o, ngx_str_t *path)
{
    ngx_uint_t                  i;
    ngx_http_recs_image_t      *image;
    ngx_http_recs_main_conf_t  *rmcf;

    *path = o->value;

    if (ngx_conf_full_name(o->cf->cycle, path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rmcf = ngx_http_conf_get_module_main_conf(o->cf, ngx_http_recs_module);
    image = rmcf->images.elts;

    for (i = 0; i < rmcf->images.nelts; i++) {

        if (image[i].path.len == path->len
            && ngx_strncmp(image[i].path.data, path->data, path->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, o->cf, 0,
                               "%V \"%V\" and %V \"%V\" can't have the same "
                               "\"image=\"", &image[i].directive,
                               &image[i].name, &o->what, &o->name);
            return NGX_CONF_ERROR;
        }
    }

    image = ngx_array_push(&rmcf->images);
    if (image == NULL) {
        return NGX_CONF_ERROR;
    }

    image->path = *path;
    image->directive = o->what;
    image->name = o->name;

    return NGX_CONF_OK;
}


char *
ngx_http_recs_shrink(ngx_http_recs_option_t *o, recs_guard_t *guard)
{
    ngx_int_t  n;

    if (ngx_strcmp(o->value.data, "off") == 0) {
        guard->shrink = 0;
        return NGX_CONF_OK;
    }

    n = NGX_ERROR;

    if (o->value.data[o->value.len - 1] == '%') {
        n = ngx_atoi(o->value.data, o->value.len - 1);
    }

    if (n < 1 || n > 100) {
        return "it must be a share from \"1%\" to \"100%\", or \"off\"";
    }

    guard->shrink = n;

    return NGX_CONF_OK;
}


ngx_recs_redis_t *
ngx_http_recs_find_redis(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_recs_redis_t      *rr;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);

    rr = ngx_http_recs_named(cf, &rmcf->redis, name,
                             sizeof(ngx_http_recs_redis_t));

    return rr ? &rr->redis : NULL;
}
