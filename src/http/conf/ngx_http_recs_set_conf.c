
/*
 * The directive recs_set: where a set is, what makes an id one of its members,
 * whether it is copied as a replica, and when it isn't believed.  Its options
 * are read in any order; what they allow of each other is checked afterwards.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"
#include "ngx_recs_prefetch.h"
#include "ngx_recs_trust.h"


/* The defaults of a replica: ids, ms, ms. */

#define NGX_HTTP_RECS_CAPACITY  100000
#define NGX_HTTP_RECS_RESYNC    60000
#define NGX_HTTP_RECS_MAX_LAG   1000

/* The defaults of max_removed=: ms, ids. */

#define NGX_HTTP_RECS_WINDOW     10000
#define NGX_HTTP_RECS_MIN_ASKED  500


typedef struct {
    ngx_http_recs_set_t        *set;
    ngx_str_t                   path;       /* file= */
    ngx_uint_t                  nsources;
    ngx_http_recs_absent_e      absent;
    unsigned                    key:1;      /* given, as is */
    unsigned                    type:1;
    unsigned                    unit:1;
    ngx_recs_trust_t            trust;
    ngx_recs_replica_t          replica;
    unsigned                    replicated:1;   /* replica=on */
    unsigned                    of_replica:1;   /* an option that needs it */
} ngx_http_recs_set_options_t;


static char *ngx_http_recs_set_load(ngx_conf_t *cf,
    ngx_http_recs_set_options_t *so, uint64_t seed);


static char *
ngx_http_recs_set_redis(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->nsources++;
    so->set->set.source = NGX_RECS_SET_REDIS;
    so->set->set.redis = ngx_http_recs_find_redis(o->cf, &o->value);

    return so->set->set.redis ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_recs_set_key(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->key = 1;
    so->set->set.key = o->value;

    return ngx_http_recs_option_text(o, &so->set->key);
}


static char *
ngx_http_recs_set_type(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->type = 1;

    return ngx_recs_set_type_find(&o->value, &so->set->set.type) == NGX_OK
           ? NGX_CONF_OK : "it must be \"set\", \"zset\" or \"hash\"";
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

    return ngx_http_recs_option_text(o, &so->set->key);
}


static char *
ngx_http_recs_set_within(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->set->set.within = ngx_parse_time(&o->value, 0);

    if (so->set->set.within == NGX_ERROR || so->set->set.within == 0) {
        return "it must be a time such as \"30d\" or \"3600\", over 0";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_unit(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->unit = 1;

    return ngx_http_recs_option_unit(o, &so->set->set.unit_ms);
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


static char *
ngx_http_recs_set_absent(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    return ngx_http_recs_option_absent(o, &so->absent);
}


static char *
ngx_http_recs_set_min_members(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    return ngx_http_recs_option_min_members(o, &so->set->set.min_members);
}


static char *
ngx_http_recs_set_max_removed(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    ngx_int_t  n;

    n = ngx_http_recs_option_percent(o, 2);

    if (n == NGX_ERROR || n == 0 || n >= 10000) {
        return "it must be a percentage over \"0%\" and under \"100%\", such "
               "as \"50%\"";
    }

    so->trust.max_removed = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_window(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    return ngx_http_recs_option_msec(o, 100, 24 * 3600 * 1000,
                                     &so->trust.window,
                                     "it must be a time such as \"10s\", "
                                     "from \"100ms\" to \"1d\"");
}


static char *
ngx_http_recs_set_min_asked(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    return ngx_http_recs_option_number(o, 1000000, &so->trust.min_asked,
                                       "it must be a number of ids from "
                                       "1 to 1000000");
}


static char *
ngx_http_recs_set_prefetch(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    return ngx_http_recs_option_number(o, NGX_RECS_PREFETCH_MAX,
                                       &so->set->set.prefetch,
                                       "it must be a number of members "
                                       "from 1 to 10000");
}


static char *
ngx_http_recs_set_replica(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    if (ngx_strcmp(o->value.data, "on") == 0) {
        so->replicated = 1;

    } else if (ngx_strcmp(o->value.data, "off") != 0) {
        return "it must be \"on\" or \"off\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_feed(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->of_replica = 1;
    so->replica.feed = o->value;

    return ngx_strlchr(o->value.data, o->value.data + o->value.len, '$')
           ? "it can't have variables" : NGX_CONF_OK;
}


static char *
ngx_http_recs_set_capacity(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    ngx_int_t  n;

    n = ngx_atoi(o->value.data, o->value.len);

    if (n == NGX_ERROR || n == 0 || recs_table_size(n, 1) == 0) {
        return "it must be a number of ids, over 0";
    }

    so->of_replica = 1;
    so->replica.capacity = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_msec(ngx_http_recs_option_t *o,
    ngx_http_recs_set_options_t *so, ngx_msec_t *msec)
{
    so->of_replica = 1;

    return ngx_http_recs_option_msec(o, 100, NGX_MAX_INT_T_VALUE, msec,
                                     "it must be a time such as \"60s\", "
                                     "at least \"100ms\"");
}


static char *
ngx_http_recs_set_image(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->of_replica = 1;

    return ngx_http_recs_image(o, &so->replica.image);
}


static char *
ngx_http_recs_set_max_lag(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    return ngx_http_recs_set_msec(o, so, &so->replica.max_lag);
}


static char *
ngx_http_recs_set_resync(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    return ngx_http_recs_set_msec(o, so, &so->replica.resync);
}


static char *
ngx_http_recs_set_shrink(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_set_options_t *so = thing;

    so->of_replica = 1;

    return ngx_http_recs_shrink(o, &so->replica.guard);
}


static const ngx_http_recs_option_def_t  ngx_http_recs_set_defs[] = {
    { ngx_string("redis="), ngx_http_recs_set_redis },
    { ngx_string("key="), ngx_http_recs_set_key },
    { ngx_string("type="), ngx_http_recs_set_type },
    { ngx_string("file="), ngx_http_recs_set_file },
    { ngx_string("value="), ngx_http_recs_set_value },
    { ngx_string("within="), ngx_http_recs_set_within },
    { ngx_string("unit="), ngx_http_recs_set_unit },
    { ngx_string("min="), ngx_http_recs_set_min },
    { ngx_string("unknown="), ngx_http_recs_set_unknown },
    { ngx_string("absent="), ngx_http_recs_set_absent },
    { ngx_string("min_members="), ngx_http_recs_set_min_members },
    { ngx_string("max_removed="), ngx_http_recs_set_max_removed },
    { ngx_string("window="), ngx_http_recs_set_window },
    { ngx_string("min_asked="), ngx_http_recs_set_min_asked },
    { ngx_string("prefetch="), ngx_http_recs_set_prefetch },
    { ngx_string("replica="), ngx_http_recs_set_replica },
    { ngx_string("feed="), ngx_http_recs_set_feed },
    { ngx_string("capacity="), ngx_http_recs_set_capacity },
    { ngx_string("image="), ngx_http_recs_set_image },
    { ngx_string("max_lag="), ngx_http_recs_set_max_lag },
    { ngx_string("resync="), ngx_http_recs_set_resync },
    { ngx_string("shrink="), ngx_http_recs_set_shrink },
    { ngx_null_string, NULL }
};


/* Returns NULL, or what would be right. */

static const char *
ngx_http_recs_set_check_replica(ngx_http_recs_set_options_t *so)
{
    ngx_recs_replica_t  *replica;

    replica = &so->replica;

    if (!so->replicated) {
        return so->of_replica
               ? "can have \"feed=\", \"capacity=\", \"max_lag=\", "
                 "\"resync=\", \"shrink=\" and \"image=\" only with "
                 "\"replica=on\""
               : NULL;
    }

    if (so->set->key->lengths) {
        return "must have a \"key=\" without variables with \"replica=on\"";
    }

    if (replica->feed.len == so->set->key->value.len
        && ngx_strncmp(replica->feed.data, so->set->key->value.data,
                       replica->feed.len)
           == 0)
    {
        return "must have a \"feed=\" that is another key than \"key=\"";
    }

    if (replica->feed.len == 0 && replica->max_lag
        && replica->max_lag
           <= (replica->resync ? replica->resync : NGX_HTTP_RECS_RESYNC))
    {
        return "must have a \"max_lag=\" over \"resync=\" without \"feed=\"";
    }

    return NULL;
}


static const char *
ngx_http_recs_set_check(ngx_http_recs_set_options_t *so)
{
    ngx_recs_set_t  *set;

    set = &so->set->set;

    if (so->nsources != 1) {
        return "must have exactly one of \"redis=\", \"file=\" and \"value=\"";
    }

    if (so->trust.max_removed == 0
        && (so->trust.window || so->trust.min_asked))
    {
        return "can have \"window=\" and \"min_asked=\" only with "
               "\"max_removed=\"";
    }

    /* who makes the request would decide whom others trust */

    if (so->trust.max_removed && set->source == NGX_RECS_SET_VALUE) {
        return "can't have \"max_removed=\" with \"value=\"";
    }

    if (set->source != NGX_RECS_SET_REDIS) {

        if (so->key || so->type || set->within || so->unit || set->has_min
            || so->absent || set->min_members || set->prefetch
            || so->replicated)
        {
            return "can have \"key=\", \"type=\", \"within=\", \"unit=\", "
                   "\"min=\", \"absent=\", \"min_members=\", "
                   "\"prefetch=\" and \"replica=\" only with \"redis=\"";
        }

        return ngx_http_recs_set_check_replica(so);
    }

    if (!so->key) {
        return "must have \"key=\" with \"redis=\"";
    }

    if (set->within && set->type != NGX_RECS_SET_SORTED) {
        return "can have \"within=\" only with \"type=zset\"";
    }

    if (so->unit && set->within == 0) {
        return "can have \"unit=\" only with \"within=\"";
    }

    if (set->has_min && !ngx_recs_set_type(set->type)->pairs) {
        return "can have \"min=\" only with \"type=zset\" or \"type=hash\"";
    }

    if (set->has_min && set->within) {
        return "can have only one of \"within=\" and \"min=\"";
    }

    if (set->min_members && so->absent == NGX_HTTP_RECS_ABSENT_EMPTY) {
        return "can't have \"min_members=\" with \"absent=empty\"";
    }

    if (set->prefetch && so->replicated) {
        return "can have only one of \"prefetch=\" and \"replica=on\"";
    }

    return ngx_http_recs_set_check_replica(so);
}


static char *
ngx_http_recs_set_make_replica(ngx_conf_t *cf, ngx_http_recs_set_options_t *so)
{
    ngx_recs_set_t      *set;
    ngx_recs_replica_t  *replica;

    replica = ngx_palloc(cf->pool, sizeof(ngx_recs_replica_t));
    if (replica == NULL) {
        return NGX_CONF_ERROR;
    }

    set = &so->set->set;

    *replica = so->replica;
    replica->set = set;
    replica->key = so->set->key->value;
    set->replica = replica;

    if (replica->capacity == 0) {
        replica->capacity = NGX_HTTP_RECS_CAPACITY;
    }

    if (replica->resync == 0) {
        replica->resync = NGX_HTTP_RECS_RESYNC;
    }

    replica->guard.min_members = set->min_members;
    replica->guard.wait = replica->resync;

    if (replica->max_lag == 0) {
        replica->max_lag = replica->feed.len ? NGX_HTTP_RECS_MAX_LAG
                                             : 2 * replica->resync;
    }

    return NGX_CONF_OK;
}


/*
 * A user who has seen nothing has no key.  A key of all requests that is not
 * there was lost: it is watched.
 */

static char *
ngx_http_recs_set_make_watch(ngx_conf_t *cf, ngx_http_recs_set_options_t *so,
    ngx_recs_watches_t *all)
{
    ngx_recs_set_t    *set;
    ngx_recs_watch_t  *watch;

    set = &so->set->set;

    if (so->absent == NGX_HTTP_RECS_ABSENT_UNSET) {
        so->absent = so->set->key->lengths ? NGX_HTTP_RECS_ABSENT_EMPTY
                                           : NGX_HTTP_RECS_ABSENT_UNKNOWN;
    }

    if (set->min_members == 0 && so->absent == NGX_HTTP_RECS_ABSENT_UNKNOWN) {
        set->min_members = 1;
    }

    if (set->min_members == 0 || so->set->key->lengths || so->replicated) {
        return NGX_CONF_OK;
    }

    watch = ngx_pcalloc(cf->pool, sizeof(ngx_recs_watch_t));
    if (watch == NULL) {
        return NGX_CONF_ERROR;
    }

    watch->set = set;
    watch->all = all;
    set->watch = watch;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_set_make_trust(ngx_conf_t *cf, ngx_http_recs_set_options_t *so)
{
    ngx_recs_trust_t  *trust;

    trust = ngx_palloc(cf->pool, sizeof(ngx_recs_trust_t));
    if (trust == NULL) {
        return NGX_CONF_ERROR;
    }

    *trust = so->trust;
    trust->set = &so->set->set;
    so->set->set.trust = trust;

    if (trust->window == 0) {
        trust->window = NGX_HTTP_RECS_WINDOW;
    }

    if (trust->min_asked == 0) {
        trust->min_asked = NGX_HTTP_RECS_MIN_ASKED;
    }

    return NGX_CONF_OK;
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
    so.replica.guard.shrink = NGX_HTTP_RECS_SHRINK;

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

    if (so.set->set.source == NGX_RECS_SET_REDIS
        && ngx_http_recs_set_make_watch(cf, &so, &rmcf->watches)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (so.trust.max_removed
        && ngx_http_recs_set_make_trust(cf, &so) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    so.set->set.scores = so.set->set.within || so.set->set.has_min;

    if (so.set->set.prefetch) {
        rmcf->prefetch = 1;
    }

    if (so.replicated) {
        return ngx_http_recs_set_make_replica(cf, &so);
    }

    return so.set->set.source == NGX_RECS_SET_FILE
           ? ngx_http_recs_set_load(cf, &so, rmcf->seed) : NGX_CONF_OK;
}


/* Reads the file's ids.  Each thing that is odd about them is logged once. */

static char *
ngx_http_recs_set_load(ngx_conf_t *cf, ngx_http_recs_set_options_t *so,
    uint64_t seed)
{
    ngx_uint_t       i;
    const char      *error;
    ngx_recs_odd_t   odds[NGX_RECS_NODDS];

    if (ngx_recs_set_load(&so->set->set, &so->path, seed, cf->pool, odds,
                          &error)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" of recs_set \"%V\" %s",
                           &so->path, &so->set->named.name, error);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < NGX_RECS_NODDS; i++) {

        if (odds[i].n) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "%V:%ui: %V, of recs_set \"%V\"; "
                               "such lines: %ui",
                               &so->path, odds[i].first, &ngx_recs_odds[i],
                               &so->set->named.name, odds[i].n);
        }
    }

    return NGX_CONF_OK;
}
