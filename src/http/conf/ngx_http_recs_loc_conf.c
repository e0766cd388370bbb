
/*
 * The directives of locations that take more than a slot, and have no file of
 * their own: pointers into pages, names of sets, versions, ages, backfill.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_names.h"
#include "ngx_http_recs_options.h"


static ngx_int_t ngx_http_recs_shelf(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *rlcf, ngx_str_t *source);
static ngx_int_t ngx_http_recs_companions(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *rlcf, ngx_str_t *option, size_t n,
    ngx_uint_t optional);
static ngx_int_t ngx_http_recs_items_pointer(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *rlcf, ngx_str_t *source, recs_pointer_t *ptr);
static ngx_int_t ngx_http_recs_in_step(ngx_conf_t *cf,
    ngx_http_recs_loc_conf_t *rlcf, recs_with_t *with);


char *
ngx_http_recs_items(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (rlcf->shelves != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    rlcf->shelves = ngx_array_create(cf->pool, cf->args->nelts,
                                     sizeof(recs_pointer_t));
    rlcf->with = ngx_array_create(cf->pool, 4, sizeof(recs_with_t));

    if (rlcf->shelves == NULL || rlcf->with == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "with=", 5) == 0) {
            rc = ngx_http_recs_companions(cf, rlcf, &value[i], 5, 0);

        } else if (ngx_strncmp(value[i].data, "optional=", 9) == 0) {
            rc = ngx_http_recs_companions(cf, rlcf, &value[i], 9, 1);

        } else {
            rc = ngx_http_recs_shelf(cf, rlcf, &value[i]);
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_recs_shelf(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *rlcf,
    ngx_str_t *source)
{
    recs_pointer_t  ptr, *shelf;

    if (rlcf->shelves->nelts == NGX_HTTP_RECS_SHELVES_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "recs_items has too many pointers, at most %d can "
                           "be given", NGX_HTTP_RECS_SHELVES_MAX);
        return NGX_ERROR;
    }

    if (ngx_http_recs_items_pointer(cf, rlcf, source, &ptr) != NGX_OK) {
        return NGX_ERROR;
    }

    shelf = ngx_array_push(rlcf->shelves);
    if (shelf == NULL) {
        return NGX_ERROR;
    }

    *shelf = ptr;

    return NGX_OK;
}


/*
 * "with=" and "optional=", which are n bytes long, list companions of the shelf
 * before them.
 */

static ngx_int_t
ngx_http_recs_companions(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *rlcf,
    ngx_str_t *option, size_t n, ngx_uint_t optional)
{
    u_char       *p, *last, *comma;
    ngx_str_t     source;
    recs_with_t  *with, companion;

    if (rlcf->shelves->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in recs_items must follow the pointer of "
                           "a shelf", option);
        return NGX_ERROR;
    }

    companion.shelf = rlcf->shelves->nelts - 1;
    companion.optional = optional;

    last = option->data + option->len;

    for (p = option->data + n; p <= last; p = comma + 1) {
        comma = ngx_strlchr(p, last, ',');
        comma = comma ? comma : last;

        source.data = p;
        source.len = comma - p;

        if (ngx_http_recs_items_pointer(cf, rlcf, &source, &companion.pointer)
            != NGX_OK
            || ngx_http_recs_in_step(cf, rlcf, &companion) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (rlcf->with->nelts == NGX_HTTP_RECS_COMPANIONS_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "recs_items has too many companions, at most "
                               "%d can be given",
                               NGX_HTTP_RECS_COMPANIONS_MAX);
            return NGX_ERROR;
        }

        with = ngx_array_push(rlcf->with);
        if (with == NULL) {
            return NGX_ERROR;
        }

        *with = companion;
    }

    return NGX_OK;
}


/* Reads a pointer to an array that no pointer before it leads to or into. */

static ngx_int_t
ngx_http_recs_items_pointer(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *rlcf,
    ngx_str_t *source, recs_pointer_t *ptr)
{
    ngx_uint_t             i, k;
    const recs_with_t     *with;
    const recs_pointer_t  *other;

    static const recs_str_t  reserved = recs_string(RECS_RESERVED);

    if (ngx_http_recs_pointer(cf, source, ptr) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ptr->ntokens && recs_str_eq(&ptr->tokens[0].text, &reserved)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in recs_items: the member \"%s\" is "
                           "reserved", source, RECS_RESERVED);
        return NGX_ERROR;
    }

    k = rlcf->shelves->nelts;

    for (i = 0; i < k + rlcf->with->nelts; i++) {
        with = rlcf->with->elts;
        other = rlcf->shelves->elts;
        other = i < k ? &other[i] : &with[i - k].pointer;

        if (recs_pointer_overlap(other, ptr)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%*s\" and \"%V\" in recs_items overlap, "
                               "one array can't hold another",
                               other->source.len, other->source.data, source);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Does the pointer lead to one companion for each shelf? */

static ngx_int_t
ngx_http_recs_in_step(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *rlcf,
    recs_with_t *with)
{
    recs_pointer_t  *shelf;

    shelf = rlcf->shelves->elts;
    shelf += with->shelf;

    if (recs_pointer_in_step(&with->pointer, shelf)) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%*s\" in recs_items must be the same as \"%*s\" up "
                       "to the last \"*\" of both, which stands for one "
                       "element",
                       with->pointer.source.len, with->pointer.source.data,
                       shelf->source.len, shelf->source.data);
    return NGX_ERROR;
}


char *
ngx_http_recs_item_id(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t  *value;

    if (rlcf->item_id != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rlcf->item_id = ngx_palloc(cf->pool, sizeof(recs_pointer_t));
    if (rlcf->item_id == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_recs_pointer(cf, &value[1], rlcf->item_id) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return recs_pointer_has_star(rlcf->item_id)
           ? "can't have \"*\", an item has one id" : NGX_CONF_OK;
}


/* Says what nginx would, if it knew that one argument is not enough. */

static char *
ngx_http_recs_too_few(ngx_conf_t *cf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid number of arguments in \"%V\" directive",
                       &value[0]);
    return NGX_CONF_ERROR;
}


/* recs_require, recs_exclude */

char *
ngx_http_recs_set_names(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char *p = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_array_t                **names;
    ngx_http_recs_set_t        **rs;
    ngx_http_recs_main_conf_t   *rmcf;

    names = (ngx_array_t **) (p + cmd->offset);

    if (ngx_http_recs_lifts(cf)) {
        return ngx_http_recs_lift((void **) names);
    }

    if (*names == NULL) {
        return "is off already";
    }

    if (*names == NGX_CONF_UNSET_PTR) {
        *names = ngx_array_create(cf->pool, 4, sizeof(ngx_http_recs_set_t *));
        if (*names == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->used = 1;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "off") == 0) {
            return "can have \"off\" only alone, without sets";
        }

        if ((*names)->nelts == NGX_HTTP_RECS_SETS_MAX) {
            return "has too many sets, at most 32 can be given";
        }

        rs = ngx_array_push(*names);
        if (rs == NULL) {
            return NGX_CONF_ERROR;
        }

        *rs = ngx_http_recs_named(cf, &rmcf->sets, &value[i],
                                  sizeof(ngx_http_recs_set_t));
        if (*rs == NULL) {
            return NGX_CONF_ERROR;
        }

        if (cmd->offset == offsetof(ngx_http_recs_loc_conf_t, require)
            && (*rs)->required_line == 0)
        {
            (*rs)->required_file = cf->conf_file->file.name;
            (*rs)->required_line = cf->conf_file->line;
        }
    }

    return NGX_CONF_OK;
}


/*
 * recs_version and recs_freshness: their first argument is one of names.  What
 * is read of each begins with an ngx_http_recs_source_t.
 */

typedef struct {
    const ngx_str_t                   *names;
    ngx_uint_t                         n;
    const char                        *invalid; /* the error: it is none */

    size_t                             size;    /* of what is read of one */
    const ngx_http_recs_option_def_t  *defs;
    const char                      *(*check)(void *thing);
                                                /* what is wrong, or NULL; is
                                                   NULL if nothing can be */
} ngx_http_recs_named_sources_t;


/* sources: of each of the names, as the location has it. */

static char *
ngx_http_recs_named_source(ngx_conf_t *cf, void **sources,
    const ngx_http_recs_named_sources_t *ns)
{
    ngx_str_t               *value;
    ngx_uint_t               i;
    const char              *error;
    ngx_http_recs_option_t   o;
    ngx_http_recs_source_t  *source;

    value = cf->args->elts;

    if (ngx_http_recs_lifts(cf)) {
        return ngx_http_recs_lift(sources);
    }

    if (cf->args->nelts == 2) {
        return ngx_http_recs_too_few(cf);
    }

    if (*sources == NULL) {
        return "is off already";
    }

    for (i = 0; i < ns->n; i++) {
        if (ngx_strcmp(value[1].data, ns->names[i].data) == 0) {
            break;
        }
    }

    if (i == ns->n) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, ns->invalid, &value[1]);
        return NGX_CONF_ERROR;
    }

    if (*sources == NGX_CONF_UNSET_PTR) {
        *sources = ngx_pcalloc(cf->pool, ns->n * ns->size);
        if (*sources == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    source = (void *) ((u_char *) *sources + i * ns->size);

    ngx_http_recs_option_init(&o, cf, 1);

    if (source->given) {
        return ngx_http_recs_wrong(&o, "is duplicate");
    }

    if (ngx_http_recs_options(&o, ns->defs, 2, source) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    source->given = 1;

    error = ns->check ? ns->check(source) : NULL;

    return error ? ngx_http_recs_wrong(&o, error) : NGX_CONF_OK;
}


static char *
ngx_http_recs_source_body(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_source_t *source = thing;

    if (source->from != NGX_HTTP_RECS_FROM_SNAPSHOT) {
        return "it is read from one place only";
    }

    source->from = NGX_HTTP_RECS_FROM_BODY;

    if (ngx_http_recs_pointer(o->cf, &o->value, &source->body) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return recs_pointer_has_star(&source->body)
           ? "it can't have \"*\", it is one value" : NGX_CONF_OK;
}


static char *
ngx_http_recs_source_value(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_source_t *source = thing;

    if (source->from != NGX_HTTP_RECS_FROM_SNAPSHOT) {
        return "it is read from one place only";
    }

    source->from = NGX_HTTP_RECS_FROM_VALUE;

    return ngx_http_recs_complex(o->cf, &o->value, &source->value);
}


static char *
ngx_http_recs_version_accept(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_version_t *version = thing;

    return ngx_http_recs_complex(o->cf, &o->value, &version->accept);
}


static const ngx_http_recs_option_def_t  ngx_http_recs_version_defs[] = {
    { ngx_string("body="), ngx_http_recs_source_body },
    { ngx_string("value="), ngx_http_recs_source_value },
    { ngx_string("accept="), ngx_http_recs_version_accept },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_version(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    static const ngx_http_recs_named_sources_t  versions = {
        ngx_http_recs_versions,
        NGX_HTTP_RECS_NVERSIONS,
        "invalid version \"%V\" in recs_version, it must be \"model\", "
        "\"schema\", \"features\" or \"snapshot\"",
        sizeof(ngx_http_recs_version_t),
        ngx_http_recs_version_defs,
        NULL
    };

    return ngx_http_recs_named_source(cf, (void **) &rlcf->versions, &versions);
}


static char *
ngx_http_recs_freshness_max_age(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_freshness_t *freshness = thing;

    freshness->max_age = ngx_parse_time(&o->value, 1);

    if (freshness->max_age == (time_t) NGX_ERROR || freshness->max_age == 0) {
        return "it must be a time such as \"26h\", over 0";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_freshness_on_stale(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_freshness_t *freshness = thing;

    if (ngx_strcmp(o->value.data, "reject") == 0) {
        freshness->reject = 1;

    } else if (ngx_strcmp(o->value.data, "tag") != 0) {
        return "it must be \"tag\" or \"reject\"";
    }

    return NGX_CONF_OK;
}


static const ngx_http_recs_option_def_t  ngx_http_recs_freshness_defs[] = {
    { ngx_string("body="), ngx_http_recs_source_body },
    { ngx_string("value="), ngx_http_recs_source_value },
    { ngx_string("max_age="), ngx_http_recs_freshness_max_age },
    { ngx_string("on_stale="), ngx_http_recs_freshness_on_stale },
    { ngx_null_string, NULL }
};


static const char *
ngx_http_recs_freshness_check(void *thing)
{
    ngx_http_recs_freshness_t *freshness = thing;

    return freshness->reject && freshness->max_age == 0
           && freshness->source.from != NGX_HTTP_RECS_FROM_SNAPSHOT
           ? "can have \"on_stale=\" only with \"max_age=\"" : NULL;
}


char *
ngx_http_recs_freshness(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    static const ngx_http_recs_named_sources_t  ages = {
        ngx_http_recs_ages,
        NGX_HTTP_RECS_NAGES,
        "invalid \"%V\" in recs_freshness, it must be \"candidates\" or "
        "\"features\"",
        sizeof(ngx_http_recs_freshness_t),
        ngx_http_recs_freshness_defs,
        ngx_http_recs_freshness_check
    };

    return ngx_http_recs_named_source(cf, (void **) &rlcf->freshness, &ages);
}


static char *
ngx_http_recs_backfill_min(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_backfill_t *backfill = thing;

    return ngx_http_recs_option_number(o, NGX_HTTP_RECS_BACKFILL_MAX,
                                       &backfill->min,
                                       "it must be a number from 1 to 100");
}


static const ngx_http_recs_option_def_t  ngx_http_recs_backfill_defs[] = {
    { ngx_string("min="), ngx_http_recs_backfill_min },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_backfill(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t                  *value;
    ngx_http_recs_option_t      o;
    ngx_http_recs_backfill_t   *backfill;
    ngx_http_recs_main_conf_t  *rmcf;

    if (ngx_http_recs_lifts(cf)) {
        return ngx_http_recs_lift((void **) &rlcf->backfill);
    }

    if (rlcf->backfill != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    backfill = ngx_pcalloc(cf->pool, sizeof(ngx_http_recs_backfill_t));
    if (backfill == NULL) {
        return NGX_CONF_ERROR;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->used = 1;

    backfill->pool = ngx_http_recs_named(cf, &rmcf->pools, &value[1],
                                         sizeof(ngx_http_recs_pool_t));
    if (backfill->pool == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_backfill_defs, 2, backfill)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (backfill->min == 0) {
        return ngx_http_recs_wrong(&o, "must have \"min=\"");
    }

    rlcf->backfill = backfill;

    return NGX_CONF_OK;
}


char *
ngx_http_recs_expires(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t  *value;

    if (rlcf->expires != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->expires = NGX_HTTP_RECS_EXPIRES_OFF;
        return NGX_CONF_OK;
    }

    rlcf->expires = ngx_parse_time(&value[1], 1);

    if (rlcf->expires == (time_t) NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" in recs_expires, it must be a time "
                           "such as \"30s\", or \"off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_recs_slow_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_int_t   msec;
    ngx_str_t  *value;

    if (rlcf->slow != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->slow = 0;
        return NGX_CONF_OK;
    }

    msec = ngx_parse_time(&value[1], 0);

    if (msec == NGX_ERROR || msec == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" in recs_slow, it must be a time "
                           "such as \"50ms\", or \"off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    rlcf->slow = msec;

    return NGX_CONF_OK;
}
