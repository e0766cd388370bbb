
/*
 * The directives that take more than a slot: names, sources, options.  What
 * is wrong is said with the directive, the value and what would be right.
 */


#include "ngx_http_recs.h"


/* What a set's, pool's or version's options have in common. */

typedef struct {
    ngx_conf_t                 *cf;
    ngx_str_t                   what;       /* the directive, for errors */
    ngx_str_t                   name;
    ngx_str_t                   value;      /* of the option being read */
} ngx_http_recs_option_t;


typedef struct {
    ngx_str_t                   name;       /* with the "=" */
    char                     *(*set)(ngx_http_recs_option_t *o, void *thing);
} ngx_http_recs_option_def_t;


static char *ngx_http_recs_options(ngx_http_recs_option_t *o,
    const ngx_http_recs_option_def_t *defs, ngx_uint_t first, void *thing);
static void ngx_http_recs_option_init(ngx_http_recs_option_t *o,
    ngx_conf_t *cf, ngx_uint_t name);
static char *ngx_http_recs_wrong(ngx_http_recs_option_t *o,
    const char *right);
static ngx_int_t ngx_http_recs_name(ngx_conf_t *cf, ngx_str_t *name);
static void *ngx_http_recs_define(ngx_conf_t *cf, ngx_array_t *names,
    ngx_str_t *name, size_t size);
static char *ngx_http_recs_complex(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);


char *
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


/* Letters, digits and "_", a letter first: fit for a header and a variable. */

static ngx_int_t
ngx_http_recs_name(ngx_conf_t *cf, ngx_str_t *name)
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

    if (ngx_http_recs_name(cf, name) != NGX_OK) {
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


static void *
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


/* Reads the directive's arguments from first on, "name=value" each. */

static char *
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

        rv = def->set(o, thing);

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


static void
ngx_http_recs_option_init(ngx_http_recs_option_t *o, ngx_conf_t *cf,
    ngx_uint_t name)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    o->cf = cf;
    o->what = value[0];
    o->name = value[name];
}


/* The directive as a whole is wrong; says what would be right. */

static char *
ngx_http_recs_wrong(ngx_http_recs_option_t *o, const char *right)
{
    ngx_conf_log_error(NGX_LOG_EMERG, o->cf, 0, "%V \"%V\" %s",
                       &o->what, &o->name, right);
    return NGX_CONF_ERROR;
}


static char *
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


typedef struct {
    ngx_http_recs_set_t        *set;
    ngx_str_t                   path;       /* file= */
    ngx_uint_t                  nsources;
    unsigned                    key:1;      /* given, as is */
    unsigned                    type:1;
} ngx_http_recs_set_options_t;


static char *
ngx_http_recs_set_redis(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    ngx_http_recs_redis_t      *redis;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(o->cf, ngx_http_recs_module);

    redis = ngx_http_recs_named(o->cf, &rmcf->redis, &o->value,
                                sizeof(ngx_http_recs_redis_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    so->nsources++;
    so->set->set.source = NGX_RECS_SET_REDIS;
    so->set->set.redis = &redis->redis;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_key(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->key = 1;

    return ngx_http_recs_complex(o->cf, &o->value, &so->set->key);
}


static char *
ngx_http_recs_set_type(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->type = 1;

    if (ngx_strcmp(o->value.data, "set") == 0) {
        so->set->set.type = NGX_RECS_SET_PLAIN;

    } else if (ngx_strcmp(o->value.data, "zset") == 0) {
        so->set->set.type = NGX_RECS_SET_SORTED;

    } else if (ngx_strcmp(o->value.data, "hash") == 0) {
        so->set->set.type = NGX_RECS_SET_HASH;

    } else {
        return "it must be \"set\", \"zset\" or \"hash\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_file(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->nsources++;
    so->set->set.source = NGX_RECS_SET_FILE;
    so->path = o->value;

    return ngx_conf_full_name(o->cf->cycle, &so->path, 1) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_recs_set_value(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->nsources++;
    so->set->set.source = NGX_RECS_SET_VALUE;

    return ngx_http_recs_complex(o->cf, &o->value, &so->set->key);
}


static char *
ngx_http_recs_set_within(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->set->set.within = ngx_parse_time(&o->value, 1);

    if (so->set->set.within == (time_t) NGX_ERROR || so->set->set.within == 0) {
        return "it must be a time such as \"30d\" or \"3600\", over 0";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_min(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->set->set.has_min = 1;

    return ngx_recs_set_number(&o->value, &so->set->set.min) == NGX_OK
           ? NGX_CONF_OK : "it must be a number";
}


static char *
ngx_http_recs_set_unknown(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    if (ngx_strcmp(o->value.data, "drop") == 0) {
        so->set->set.drop_unknown = 1;

    } else if (ngx_strcmp(o->value.data, "keep") != 0) {
        return "it must be \"keep\" or \"drop\"";
    }

    return NGX_CONF_OK;
}


static const ngx_http_recs_option_def_t  ngx_http_recs_set_defs[] = {
    { ngx_string("redis="), ngx_http_recs_set_redis },
    { ngx_string("key="), ngx_http_recs_set_key },
    { ngx_string("type="), ngx_http_recs_set_type },
    { ngx_string("file="), ngx_http_recs_set_file },
    { ngx_string("value="), ngx_http_recs_set_value },
    { ngx_string("within="), ngx_http_recs_set_within },
    { ngx_string("min="), ngx_http_recs_set_min },
    { ngx_string("unknown="), ngx_http_recs_set_unknown },
    { ngx_null_string, NULL }
};


/* NULL, or what would be right. */

static const char *
ngx_http_recs_set_check(ngx_http_recs_set_options_t *so)
{
    ngx_recs_set_t  *set;

    set = &so->set->set;

    if (so->nsources != 1) {
        return "must have exactly one of \"redis=\", \"file=\" and \"value=\"";
    }

    if (set->source != NGX_RECS_SET_REDIS) {

        if (so->key || so->type || set->within || set->has_min) {
            return "can have \"key=\", \"type=\", \"within=\" and \"min=\" "
                   "only with \"redis=\"";
        }

        return NULL;
    }

    if (!so->key) {
        return "must have \"key=\" with \"redis=\"";
    }

    if (set->within && set->type != NGX_RECS_SET_SORTED) {
        return "can have \"within=\" only with \"type=zset\"";
    }

    if (set->has_min && set->type == NGX_RECS_SET_PLAIN) {
        return "can have \"min=\" only with \"type=zset\" or \"type=hash\"";
    }

    if (set->has_min && set->within) {
        return "can have only one of \"within=\" and \"min=\"";
    }

    return NULL;
}


char *
ngx_http_recs_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_main_conf_t *rmcf = conf;

    ngx_str_t                    *value;
    const char                   *error;
    ngx_http_recs_option_t        o;
    ngx_http_recs_set_options_t   so;

    value = cf->args->elts;
    rmcf->used = 1;

    ngx_memzero(&so, sizeof(ngx_http_recs_set_options_t));

    so.set = ngx_http_recs_define(cf, &rmcf->sets, &value[1],
                                  sizeof(ngx_http_recs_set_t));
    if (so.set == NULL) {
        return NGX_CONF_ERROR;
    }

    so.set->set.name = so.set->named.name;

    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_set_defs, 2, &so)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    error = ngx_http_recs_set_check(&so);
    if (error) {
        return ngx_http_recs_wrong(&o, error);
    }

    if (so.set->set.source != NGX_RECS_SET_FILE) {
        return NGX_CONF_OK;
    }

    if (ngx_recs_set_load(&so.set->set, &so.path, rmcf->seed, cf->pool, &error)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" of recs_set \"%V\" %s",
                           &so.path, &value[1], error);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


typedef struct {
    ngx_recs_pool_t            *pool;
    ngx_uint_t                  nsources;
    unsigned                    id:1;       /* given */
} ngx_http_recs_pool_options_t;


static char *
ngx_http_recs_pool_redis(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    ngx_http_recs_redis_t      *redis;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(o->cf, ngx_http_recs_module);

    redis = ngx_http_recs_named(o->cf, &rmcf->redis, &o->value,
                                sizeof(ngx_http_recs_redis_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    po->nsources++;
    po->pool->redis = &redis->redis;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_pool_key(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    if (ngx_http_script_variables_count(&o->value)) {
        return "it can't have variables, a pool is the same for all requests";
    }

    po->pool->key = o->value;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_pool_file(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    po->nsources++;
    po->pool->file = o->value;

    return ngx_conf_full_name(o->cf->cycle, &po->pool->file, 1) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_recs_pool_refresh(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    ngx_int_t  msec;

    msec = ngx_parse_time(&o->value, 0);

    if (msec == NGX_ERROR || msec < 100) {
        return "it must be a time such as \"60s\", at least \"100ms\"";
    }

    po->pool->refresh = msec;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_pool_id(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_pool_options_t *po = thing;

    po->id = 1;

    if (ngx_http_recs_pointer(o->cf, &o->value, &po->pool->id) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return recs_pointer_has_star(&po->pool->id)
           ? "it can't have \"*\", an object has one id" : NGX_CONF_OK;
}


static const ngx_http_recs_option_def_t  ngx_http_recs_pool_defs[] = {
    { ngx_string("redis="), ngx_http_recs_pool_redis },
    { ngx_string("key="), ngx_http_recs_pool_key },
    { ngx_string("file="), ngx_http_recs_pool_file },
    { ngx_string("refresh="), ngx_http_recs_pool_refresh },
    { ngx_string("id="), ngx_http_recs_pool_id },
    { ngx_null_string, NULL }
};


/* The contents as they were read with the configuration, in the master. */

static void
ngx_http_recs_pool_cleanup(void *data)
{
    ngx_recs_pool_t *pool = data;

    if (pool->items) {
        ngx_recs_pool_release(pool->items);
        pool->items = NULL;
    }
}


char *
ngx_http_recs_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_main_conf_t *rmcf = conf;

    ngx_str_t                     *value;
    const char                    *error;
    ngx_pool_cleanup_t            *cln;
    ngx_http_recs_pool_t          *rp;
    ngx_http_recs_option_t         o;
    ngx_http_recs_pool_options_t   po;

    static ngx_str_t  id = ngx_string("/id");

    value = cf->args->elts;
    rmcf->used = 1;

    rp = ngx_http_recs_define(cf, &rmcf->pools, &value[1],
                              sizeof(ngx_http_recs_pool_t));
    if (rp == NULL) {
        return NGX_CONF_ERROR;
    }

    rp->pool.name = rp->named.name;
    rp->pool.refresh = 60000;
    rp->pool.seed = rmcf->seed;

    po.pool = &rp->pool;
    po.nsources = 0;
    po.id = 0;

    ngx_http_recs_option_init(&o, cf, 1);

    if (ngx_http_recs_options(&o, ngx_http_recs_pool_defs, 2, &po)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (po.nsources != 1) {
        return ngx_http_recs_wrong(&o, "must have exactly one of \"redis=\" "
                                       "and \"file=\"");
    }

    if (!po.id && ngx_http_recs_pointer(cf, &id, &rp->pool.id) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (rp->pool.redis) {
        return rp->pool.key.len ? NGX_CONF_OK
                                : ngx_http_recs_wrong(&o, "must have \"key=\" "
                                                          "with \"redis=\"");
    }

    if (rp->pool.key.len) {
        return ngx_http_recs_wrong(&o, "can have \"key=\" only with "
                                       "\"redis=\"");
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_recs_pool_cleanup;
    cln->data = &rp->pool;

    if (ngx_recs_pool_load(&rp->pool, cf->log, &error) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" of recs_pool \"%V\" %s",
                           &rp->pool.file, &value[1], error);
        return NGX_CONF_ERROR;
    }

    /* cf->log is that of the cycle before, and goes with it */

    rp->pool.items->memory->log = &cf->cycle->new_log;

    return NGX_CONF_OK;
}


char *
ngx_http_recs_items(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t       *value;
    ngx_uint_t       i, k;
    recs_pointer_t  *ptr, *other;

    static const recs_str_t  reserved = recs_string(RECS_RESERVED);

    if (rlcf->shelves != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > NGX_HTTP_RECS_SHELVES_MAX) {
        return "has too many pointers, at most 32 can be given";
    }

    rlcf->shelves = ngx_array_create(cf->pool, cf->args->nelts,
                                     sizeof(recs_pointer_t));
    if (rlcf->shelves == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        ptr = ngx_array_push(rlcf->shelves);

        if (ngx_http_recs_pointer(cf, &value[i], ptr) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (ptr->ntokens && recs_str_eq(&ptr->tokens[0].text, &reserved)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" in recs_items: the member \"%s\" is "
                               "reserved", &value[i], RECS_RESERVED);
            return NGX_CONF_ERROR;
        }

        other = rlcf->shelves->elts;

        for (k = 0; k < i - 1; k++) {

            if (recs_pointer_overlap(&other[k], ptr)) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"%V\" and \"%V\" in recs_items overlap, "
                                   "one shelf can't hold another",
                                   &value[k + 1], &value[i]);
                return NGX_CONF_ERROR;
            }
        }
    }

    return NGX_CONF_OK;
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
    }

    return NGX_CONF_OK;
}


/* A share, exactly as it is written: "5%" or "2.5%". */

static char *
ngx_http_recs_explore_rate(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_explore_t *ex = thing;

    ngx_int_t  n;

    if (o->value.len > 1 && o->value.data[o->value.len - 1] == '%') {
        n = ngx_atofp(o->value.data, o->value.len - 1, 4);

        if (n != NGX_ERROR && n <= 1000000) {
            ex->policy.rate = (double) n / 1000000;
            return NGX_CONF_OK;
        }
    }

    return "it must be a share such as \"5%\" or \"0.25%\", "
           "with at most 4 decimals";
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
    return ngx_strcmp(o->value.data, "uniform") == 0
           ? NGX_CONF_OK : "it must be \"uniform\"";
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


static const ngx_http_recs_option_def_t  ngx_http_recs_explore_defs[] = {
    { ngx_string("rate="), ngx_http_recs_explore_rate },
    { ngx_string("slots="), ngx_http_recs_explore_slots },
    { ngx_string("key="), ngx_http_recs_explore_key },
    { ngx_string("salt="), ngx_http_recs_explore_salt },
    { ngx_string("method="), ngx_http_recs_explore_method },
    { ngx_string("panel="), ngx_http_recs_explore_panel },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_explore(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t                  *value;
    ngx_http_recs_option_t      o;
    ngx_http_recs_explore_t    *ex;
    ngx_http_recs_main_conf_t  *rmcf;

    if (rlcf->explore != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->explore = NULL;
        return NGX_CONF_OK;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);
    rmcf->used = 1;

    ex = ngx_pcalloc(cf->pool, sizeof(ngx_http_recs_explore_t));
    if (ex == NULL) {
        return NGX_CONF_ERROR;
    }

    ex->policy.rate = -1;
    ex->policy.panel = 20;

    ex->pool = ngx_http_recs_named(cf, &rmcf->pools, &value[1],
                                   sizeof(ngx_http_recs_pool_t));
    if (ex->pool == NULL) {
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

    rlcf->explore = ex;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_version_body(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_version_t *version = thing;

    if (version->set) {
        return "a version is read from one place only";
    }

    version->set = 1;

    if (ngx_http_recs_pointer(o->cf, &o->value, &version->body) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return recs_pointer_has_star(&version->body)
           ? "it can't have \"*\", a version is one value" : NGX_CONF_OK;
}


static char *
ngx_http_recs_version_value(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_version_t *version = thing;

    if (version->set) {
        return "a version is read from one place only";
    }

    version->set = 1;

    return ngx_http_recs_complex(o->cf, &o->value, &version->value);
}


static char *
ngx_http_recs_version_accept(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_version_t *version = thing;

    return ngx_http_recs_complex(o->cf, &o->value, &version->accept);
}


static const ngx_http_recs_option_def_t  ngx_http_recs_version_defs[] = {
    { ngx_string("body="), ngx_http_recs_version_body },
    { ngx_string("value="), ngx_http_recs_version_value },
    { ngx_string("accept="), ngx_http_recs_version_accept },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_version(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_http_recs_option_t    o;
    ngx_http_recs_version_t  *version;

    value = cf->args->elts;

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        if (ngx_strcmp(value[1].data, ngx_http_recs_versions[i].data) == 0) {
            break;
        }
    }

    if (i == NGX_HTTP_RECS_NVERSIONS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid version \"%V\" in recs_version, it must "
                           "be \"model\", \"schema\", \"features\" or "
                           "\"snapshot\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (rlcf->versions == NGX_CONF_UNSET_PTR) {
        rlcf->versions = ngx_pcalloc(cf->pool, NGX_HTTP_RECS_NVERSIONS
                                               * sizeof(*version));
        if (rlcf->versions == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    version = &rlcf->versions[i];

    ngx_http_recs_option_init(&o, cf, 1);

    if (version->set) {
        return ngx_http_recs_wrong(&o, "is duplicate");
    }

    if (ngx_http_recs_options(&o, ngx_http_recs_version_defs, 2, version)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!version->set) {
        return ngx_http_recs_wrong(&o, "must have one of \"body=\" and "
                                       "\"value=\"");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_freshness_body(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_freshness_t *freshness = thing;

    if (freshness->set) {
        return "a date is read from one place only";
    }

    freshness->set = 1;

    if (ngx_http_recs_pointer(o->cf, &o->value, &freshness->body) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return recs_pointer_has_star(&freshness->body)
           ? "it can't have \"*\", a date is one value" : NGX_CONF_OK;
}


static char *
ngx_http_recs_freshness_value(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_freshness_t *freshness = thing;

    if (freshness->set) {
        return "a date is read from one place only";
    }

    freshness->set = 1;

    return ngx_http_recs_complex(o->cf, &o->value, &freshness->value);
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
    { ngx_string("body="), ngx_http_recs_freshness_body },
    { ngx_string("value="), ngx_http_recs_freshness_value },
    { ngx_string("max_age="), ngx_http_recs_freshness_max_age },
    { ngx_string("on_stale="), ngx_http_recs_freshness_on_stale },
    { ngx_null_string, NULL }
};


char *
ngx_http_recs_freshness(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_http_recs_option_t      o;
    ngx_http_recs_freshness_t  *freshness;

    value = cf->args->elts;

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        if (ngx_strcmp(value[1].data, ngx_http_recs_ages[i].data) == 0) {
            break;
        }
    }

    if (i == NGX_HTTP_RECS_NAGES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" in recs_freshness, it must be "
                           "\"candidates\" or \"features\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (rlcf->freshness == NGX_CONF_UNSET_PTR) {
        rlcf->freshness = ngx_pcalloc(cf->pool, NGX_HTTP_RECS_NAGES
                                                * sizeof(*freshness));
        if (rlcf->freshness == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    freshness = &rlcf->freshness[i];

    ngx_http_recs_option_init(&o, cf, 1);

    if (freshness->set) {
        return ngx_http_recs_wrong(&o, "is duplicate");
    }

    if (ngx_http_recs_options(&o, ngx_http_recs_freshness_defs, 2, freshness)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!freshness->set) {
        return ngx_http_recs_wrong(&o, "must have one of \"body=\" and "
                                       "\"value=\"");
    }

    if (freshness->reject && freshness->max_age == 0) {
        return ngx_http_recs_wrong(&o, "can have \"on_stale=\" only with "
                                       "\"max_age=\"");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_backfill_min(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_backfill_t *backfill = thing;

    ngx_int_t  n;

    n = ngx_atoi(o->value.data, o->value.len);

    if (n == NGX_ERROR || n == 0 || n > NGX_HTTP_RECS_BACKFILL_MAX) {
        return "it must be a number from 1 to 100";
    }

    backfill->min = n;

    return NGX_CONF_OK;
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

    if (rlcf->backfill != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->backfill = NULL;
        return NGX_CONF_OK;
    }

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
