
/*
 * The directive recs_guard: how badly a version of a snapshot may do in a
 * channel, before the version before it is served again.
 */


#include "ngx_http_recs_directives.h"
#include "ngx_http_recs_options.h"


/* A window's steps are a tenth of it, and more than an instant. */

#define NGX_HTTP_RECS_GUARD_WINDOW_MIN  1000                    /* ms */
#define NGX_HTTP_RECS_GUARD_WINDOW_MAX  (24 * 3600 * 1000)


/* The guard that is being read. */

typedef struct {
    ngx_recs_snapshots_t       *snapshots;
    ngx_recs_channel_t         *channel;
    ngx_recs_channel_t         *against;    /* NULL: it isn't said */
    recs_rollout_t             *rollout;
    ngx_msec_t                  window;
    ngx_uint_t                  min;
} ngx_http_recs_guard_t;


static char *
ngx_http_recs_guard_channel_named(ngx_http_recs_option_t *o,
    ngx_recs_snapshots_t *ss, ngx_recs_channel_t **channel)
{
    ngx_uint_t  i;

    i = ngx_recs_snapshot_channel(ss, &o->value);

    if (i == 0 && ngx_strcmp(o->value.data, "active") != 0) {
        return "it must be one of the channels of its recs_snapshots";
    }

    *channel = &ss->channels[i];

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_guard_channel(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_guard_t *guard = thing;

    return ngx_http_recs_guard_channel_named(o, guard->snapshots,
                                             &guard->channel);
}


static char *
ngx_http_recs_guard_against(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_guard_t *guard = thing;

    return ngx_http_recs_guard_channel_named(o, guard->snapshots,
                                             &guard->against);
}


/* "60%", or "+20%": so much more than the other channel's share. */

static char *
ngx_http_recs_guard_limit(ngx_http_recs_option_t *o, void *thing,
    recs_rollout_e what)
{
    ngx_http_recs_guard_t *guard = thing;

    ngx_int_t              n;
    recs_rollout_limit_t  *limit;

    limit = &guard->rollout->limits[what];
    limit->given = 1;

    if (o->value.data[0] == '+') {
        limit->relative = 1;
        o->value.data++;
        o->value.len--;
    }

    n = o->value.len ? ngx_http_recs_option_percent(o, 2) : NGX_ERROR;

    if (n == NGX_ERROR || n == 0 || n >= 10000) {
        return "it must be a percentage between 0 and 100, such as \"60%\", "
               "or \"+20%\" for what is above the other channel's";
    }

    limit->share = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_recs_guard_removed(ngx_http_recs_option_t *o, void *thing)
{
    return ngx_http_recs_guard_limit(o, thing, RECS_ROLLOUT_REMOVED);
}


static char *
ngx_http_recs_guard_empty(ngx_http_recs_option_t *o, void *thing)
{
    return ngx_http_recs_guard_limit(o, thing, RECS_ROLLOUT_EMPTY);
}


static char *
ngx_http_recs_guard_missing(ngx_http_recs_option_t *o, void *thing)
{
    return ngx_http_recs_guard_limit(o, thing, RECS_ROLLOUT_MISSING);
}


static char *
ngx_http_recs_guard_errors(ngx_http_recs_option_t *o, void *thing)
{
    return ngx_http_recs_guard_limit(o, thing, RECS_ROLLOUT_ERRORS);
}


static char *
ngx_http_recs_guard_window(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_guard_t *guard = thing;

    return ngx_http_recs_option_msec(o, NGX_HTTP_RECS_GUARD_WINDOW_MIN,
                                     NGX_HTTP_RECS_GUARD_WINDOW_MAX,
                                     &guard->window,
                                     "it must be a time from \"1s\" to "
                                     "\"1d\"");
}


static char *
ngx_http_recs_guard_min(ngx_http_recs_option_t *o, void *thing)
{
    ngx_http_recs_guard_t *guard = thing;

    return ngx_http_recs_option_number(o, 1000000, &guard->min,
                                       "it must be a number of pages from 1 "
                                       "to 1000000");
}


static const ngx_http_recs_option_def_t  ngx_http_recs_guard_defs[] = {
    { ngx_string("channel="), ngx_http_recs_guard_channel },
    { ngx_string("against="), ngx_http_recs_guard_against },
    { ngx_string("removed="), ngx_http_recs_guard_removed },
    { ngx_string("empty="), ngx_http_recs_guard_empty },
    { ngx_string("missing="), ngx_http_recs_guard_missing },
    { ngx_string("errors="), ngx_http_recs_guard_errors },
    { ngx_string("window="), ngx_http_recs_guard_window },
    { ngx_string("min="), ngx_http_recs_guard_min },
    { ngx_null_string, NULL }
};


/*
 * Finds the channel that relative limits are compared with: "active", if it
 * isn't said.
 */

static char *
ngx_http_recs_guard_compare(ngx_http_recs_option_t *o,
    ngx_http_recs_guard_t *guard)
{
    ngx_uint_t  i, given, relative;

    given = 0;
    relative = 0;

    for (i = 0; i < RECS_ROLLOUT_SHARES; i++) {
        given |= guard->rollout->limits[i].given;
        relative |= guard->rollout->limits[i].relative;
    }

    if (!given) {
        return ngx_http_recs_wrong(o, "must have \"removed=\", \"empty=\", "
                                   "\"missing=\" or \"errors=\"");
    }

    if (!relative) {
        return guard->against == NULL ? NGX_CONF_OK
               : ngx_http_recs_wrong(o, "has \"against=\", but no limit such "
                                     "as \"removed=+20%\"");
    }

    if (guard->against == NULL) {
        guard->against = guard->snapshots->channels;
    }

    return guard->against != guard->channel ? NGX_CONF_OK
           : ngx_http_recs_wrong(o, "must have \"against=\" with another "
                                 "channel, as a limit is relative");
}


/* A channel is counted in one window, whoever compares. */

static char *
ngx_http_recs_guard_count(ngx_http_recs_option_t *o,
    ngx_http_recs_guard_t *guard, ngx_recs_channel_t *channel)
{
    if (channel->window && channel->window != guard->window) {
        return ngx_http_recs_wrong(o, "must have the same \"window=\" as the "
                                   "guard that it shares a channel with");
    }

    channel->window = guard->window;

    return NGX_CONF_OK;
}


char *
ngx_http_recs_guard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_main_conf_t *rmcf = conf;

    ngx_str_t                  *value;
    ngx_http_recs_guard_t       guard;
    ngx_http_recs_option_t      o;
    ngx_http_recs_snapshots_t  *rs;

    value = cf->args->elts;

    rs = ngx_http_recs_named(cf, &rmcf->snapshots, &value[1],
                             sizeof(ngx_http_recs_snapshots_t));
    if (rs == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_recs_option_init(&o, cf, 1);

    if (!rs->named.defined) {
        return ngx_http_recs_wrong(&o, "must come after the recs_snapshots "
                                   "of that name");
    }

    ngx_memzero(&guard, sizeof(ngx_http_recs_guard_t));
    guard.snapshots = &rs->snapshots;
    guard.channel = rs->snapshots.channels;
    guard.window = 30000;
    guard.min = 500;

    guard.rollout = ngx_pcalloc(cf->pool, sizeof(recs_rollout_t));

    if (guard.rollout == NULL
        || ngx_http_recs_options(&o, ngx_http_recs_guard_defs, 2, &guard)
           != NGX_CONF_OK
        || ngx_http_recs_guard_compare(&o, &guard) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (guard.channel->guard) {
        return ngx_http_recs_wrong(&o, "has a guard of this channel already");
    }

    if (guard.against == NULL) {
        guard.against = guard.channel;
    }

    guard.rollout->window = guard.window;
    guard.rollout->min = guard.min;

    guard.channel->guard = guard.rollout;
    guard.channel->against = guard.against - rs->snapshots.channels;

    return ngx_http_recs_guard_count(&o, &guard, guard.channel) == NGX_CONF_OK
           ? ngx_http_recs_guard_count(&o, &guard, guard.against)
           : NGX_CONF_ERROR;
}
