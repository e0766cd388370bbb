
#include "ngx_recs_look.h"


/* What SMISMEMBER is asked about: bits in the order of its arguments. */

#define NGX_RECS_LOOK_NEW       0x01
#define NGX_RECS_LOOK_ACTIVE    0x02
#define NGX_RECS_LOOK_PREVIOUS  0x04
#define NGX_RECS_LOOK_VERSIONS  3

#define NGX_RECS_LOOK_ARGS      (2 + NGX_RECS_DESCRIPTOR_FIELDS)

/* The longest key, and more. */

#define NGX_RECS_LOOK_KEY                                                     \
    (NGX_RECS_PREFIX_MAX + NGX_RECS_VERSION_MAX + 32)


typedef enum {
    NGX_RECS_LOOK_IDLE = 0,
    NGX_RECS_LOOK_POINTER,              /* which version the channel names */
    NGX_RECS_LOOK_VERSION,              /* its descriptor; what was rolled
                                           back */
    NGX_RECS_LOOK_PAGE                  /* the active version's default page */
} ngx_recs_look_step_e;


typedef ngx_int_t (*ngx_recs_look_value_pt)(ngx_recs_redis_query_t *q,
    ngx_recs_redis_value_t *v);


typedef struct {
    ngx_recs_look_t              *look;
    ngx_recs_redis_query_t        query;
    ngx_int_t                     rc;       /* as done() was given it */
} ngx_recs_look_query_t;


/* One channel's. */

struct ngx_recs_look_s {
    ngx_recs_snapshots_t         *snapshots;
    ngx_recs_channel_t           *channel;
    ngx_log_t                    *log;

    ngx_recs_look_step_e          step;
    ngx_uint_t                    again;    /* something changed meanwhile */
    ngx_uint_t                    npending;
    ngx_recs_look_query_t         queries[2];

    ngx_recs_text_t               version;  /* that the channel names */
    ngx_uint_t                    named;    /* it names any */
    ngx_recs_draft_t              draft;
    ngx_uint_t                    rolled_back;  /* such bits */
    ngx_recs_channel_state_t      before;   /* what is published */
    ngx_recs_channel_state_t      state;    /* what will be */
    u_char                        error[NGX_RECS_REASON_MAX];
    size_t                        error_len;

    ngx_recs_text_t               skip;     /* a version whose default page
                                               can't be kept */
};


static void ngx_recs_look_gained(void *data);
static void ngx_recs_look_lost(void *data);
static void ngx_recs_look_poll(ngx_event_t *ev);
static void ngx_recs_look_ready(ngx_recs_redis_private_t *events);
static void ngx_recs_look_message(ngx_recs_redis_private_t *events,
    ngx_str_t *payload);
static void ngx_recs_look_all(ngx_recs_snapshots_t *ss);

static void ngx_recs_look_start(ngx_recs_look_t *look);
static void ngx_recs_look_finish(ngx_recs_look_t *look);
static void ngx_recs_look_next(ngx_recs_look_t *look);
static void ngx_recs_look_ask_version(ngx_recs_look_t *look);
static void ngx_recs_look_ask_page(ngx_recs_look_t *look);

static void ngx_recs_look_judge(ngx_recs_look_t *look);
static void ngx_recs_look_no_pointer(ngx_recs_look_t *look);
static void ngx_recs_look_read(ngx_recs_look_t *look);
static void ngx_recs_look_adopt(ngx_recs_look_t *look,
    const ngx_recs_descriptor_t *d);
static void ngx_recs_look_refuse(ngx_recs_look_t *look,
    ngx_recs_refusal_e refusal, const ngx_str_t *reason);
static ngx_int_t ngx_recs_look_publish(ngx_recs_look_t *look);
static void ngx_recs_look_log(ngx_recs_look_t *look);
static void ngx_recs_look_log_refusal(ngx_recs_look_t *look);
static void ngx_recs_look_keep_page(ngx_recs_look_t *look, ngx_str_t *page);
static void ngx_recs_look_skip_page(ngx_recs_look_t *look,
    const ngx_str_t *why);

static void ngx_recs_look_get(ngx_recs_look_t *look,
    ngx_recs_look_step_e step, const ngx_str_t *key,
    ngx_recs_look_value_pt value);
static void ngx_recs_look_send(ngx_recs_look_t *look, ngx_uint_t n,
    ngx_uint_t argc, const ngx_str_t *args, ngx_recs_look_value_pt value);
static void ngx_recs_look_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static ngx_int_t ngx_recs_look_pointer_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_look_descriptor_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_look_rolled_back_value(
    ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_look_page_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);


ngx_int_t
ngx_recs_look_init(ngx_recs_snapshots_t *ss, ngx_cycle_t *cycle)
{
    u_char           *p;
    ngx_uint_t        i, n;
    ngx_recs_look_t  *looks, *look;

    looks = ngx_pcalloc(cycle->pool, ss->nchannels * sizeof(ngx_recs_look_t));
    p = ngx_pnalloc(cycle->pool, ss->prefix.len + sizeof(":events") - 1);

    if (looks == NULL || p == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ss->nchannels; i++) {
        look = &looks[i];

        look->snapshots = ss;
        look->channel = &ss->channels[i];
        look->channel->look = look;
        look->log = cycle->log;

        for (n = 0; n < 2; n++) {
            look->queries[n].look = look;
            look->queries[n].query.done = ngx_recs_look_done;
            look->queries[n].query.data = &look->queries[n];
        }
    }

    ss->events.redis = ss->redis;
    ss->events.channel.data = p;
    p = ngx_cpymem(p, ss->prefix.data, ss->prefix.len);
    p = ngx_cpymem(p, ":events", sizeof(":events") - 1);
    ss->events.channel.len = p - ss->events.channel.data;
    ss->events.ready = ngx_recs_look_ready;
    ss->events.message = ngx_recs_look_message;
    ss->events.data = ss;

    ss->timer.handler = ngx_recs_look_poll;
    ss->timer.data = ss;
    ss->timer.log = cycle->log;
    ss->timer.cancelable = 1;

    ss->cycle = cycle;
    ss->user.gained = ngx_recs_look_gained;
    ss->user.lost = ngx_recs_look_lost;
    ss->user.data = ss;

    ngx_recs_leader_add(ss->leader, &ss->user);

    return NGX_OK;
}


static void
ngx_recs_look_gained(void *data)
{
    ngx_recs_snapshots_t *ss = data;

    if (ngx_recs_redis_open_private(&ss->events, ss->cycle) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ss->timer.log, 0,
                      "recs_snapshots \"%V\" can't subscribe to \"%V\": "
                      "changes are noticed each poll",
                      &ss->name, &ss->events.channel);
    }

    ngx_recs_look_poll(&ss->timer);
}


static void
ngx_recs_look_lost(void *data)
{
    ngx_recs_snapshots_t *ss = data;

    ngx_uint_t        i;
    ngx_recs_look_t  *look;

    ngx_recs_redis_close_private(&ss->events);

    if (ss->timer.timer_set) {
        ngx_del_timer(&ss->timer);
    }

    for (i = 0; i < ss->nchannels; i++) {
        look = ss->channels[i].look;

        ngx_recs_redis_forget(&look->queries[0].query);
        ngx_recs_redis_forget(&look->queries[1].query);
        look->npending = 0;
        look->again = 0;
        look->step = NGX_RECS_LOOK_IDLE;
    }
}


static void
ngx_recs_look_poll(ngx_event_t *ev)
{
    ngx_recs_snapshots_t  *ss;

    ss = ev->data;

    ngx_recs_look_all(ss);

    ngx_add_timer(ev, ss->poll);
}


static void
ngx_recs_look_ready(ngx_recs_redis_private_t *events)
{
    ngx_recs_look_all(events->data);
}


/* Whatever it says: something changed. */

static void
ngx_recs_look_message(ngx_recs_redis_private_t *events, ngx_str_t *payload)
{
    ngx_recs_snapshots_t  *ss;

    ss = events->data;

    ngx_recs_count(ss->counters->events, 1);

    ngx_recs_look_all(ss);
}


static void
ngx_recs_look_all(ngx_recs_snapshots_t *ss)
{
    ngx_uint_t  i;

    for (i = 0; i < ss->nchannels; i++) {
        ngx_recs_look_start(ss->channels[i].look);
    }
}


static void
ngx_recs_look_start(ngx_recs_look_t *look)
{
    u_char      buf[NGX_RECS_LOOK_KEY];
    ngx_str_t   key;

    if (look->step != NGX_RECS_LOOK_IDLE) {
        look->again = 1;
        return;
    }

    look->again = 0;
    look->named = 0;
    look->rolled_back = 0;
    look->error_len = 0;
    ngx_memzero(&look->version, sizeof(ngx_recs_text_t));
    ngx_memzero(&look->draft, sizeof(ngx_recs_draft_t));
    ngx_memzero(&look->before, sizeof(ngx_recs_channel_state_t));

    (void) ngx_recs_channel_state(look->channel, &look->before);
    ngx_memcpy(&look->state, &look->before, sizeof(ngx_recs_channel_state_t));

    key.data = buf;
    key.len = ngx_sprintf(buf, "{%V}:channel:%V", &look->snapshots->prefix,
                          &look->channel->name) - buf;

    ngx_recs_look_get(look, NGX_RECS_LOOK_POINTER, &key,
                      ngx_recs_look_pointer_value);
}


/* Redis has told all. */

static void
ngx_recs_look_finish(ngx_recs_look_t *look)
{
    look->step = NGX_RECS_LOOK_IDLE;

    if (ngx_recs_leader_lock(look->snapshots->leader) == NGX_OK) {
        look->channel->shared->looked = ngx_time();
        ngx_recs_leader_unlock(look->snapshots->leader);
    }

    if (look->again) {
        ngx_recs_look_start(look);
    }
}


/* The end of a step: every reply is there, or there will be none. */

static void
ngx_recs_look_next(ngx_recs_look_t *look)
{
    if (look->queries[0].rc == NGX_ABORT || look->queries[1].rc == NGX_ABORT) {

        /* Redis is away: its state stays as it is, until it can be asked */

        look->step = NGX_RECS_LOOK_IDLE;
        return;
    }

    if (look->step == NGX_RECS_LOOK_PAGE) {
        ngx_recs_look_finish(look);
        return;
    }

    if (look->step == NGX_RECS_LOOK_POINTER
        && ngx_recs_version_valid(look->version.data, look->version.len))
    {
        ngx_recs_look_ask_version(look);
        return;
    }

    ngx_recs_look_judge(look);

    if (ngx_recs_look_publish(look) != NGX_OK) {
        look->step = NGX_RECS_LOOK_IDLE;
        return;
    }

    ngx_recs_look_log(look);

    ngx_recs_look_ask_page(look);
}


static void
ngx_recs_look_ask_version(ngx_recs_look_t *look)
{
    u_char      buf[NGX_RECS_LOOK_KEY];
    ngx_str_t   args[NGX_RECS_LOOK_ARGS], version, *prefix;
    ngx_uint_t  i;

    look->step = NGX_RECS_LOOK_VERSION;

    prefix = &look->snapshots->prefix;
    version = ngx_recs_text_str(&look->version);

    ngx_str_set(&args[0], "HMGET");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:%V:meta", prefix, &version) - buf;

    for (i = 0; i < NGX_RECS_DESCRIPTOR_FIELDS; i++) {
        args[2 + i] = ngx_recs_descriptor_fields[i];
    }

    ngx_recs_look_send(look, 0, NGX_RECS_LOOK_ARGS, args,
                       ngx_recs_look_descriptor_value);

    ngx_str_set(&args[0], "SMISMEMBER");
    args[1].len = ngx_sprintf(buf, "{%V}:rolled_back", prefix) - buf;
    args[2] = version;
    args[3] = ngx_recs_text_str(&look->before.active.version);
    args[4] = ngx_recs_text_str(&look->before.previous.version);

    ngx_recs_look_send(look, 1, 2 + NGX_RECS_LOOK_VERSIONS, args,
                       ngx_recs_look_rolled_back_value);

    if (look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


/* Asks for the default page, unless it is kept already, or can't be. */

static void
ngx_recs_look_ask_page(ngx_recs_look_t *look)
{
    u_char            buf[NGX_RECS_LOOK_KEY];
    ngx_str_t         key, version;
    ngx_recs_text_t  *active, kept;

    active = &look->state.active.version;

    if (active->len == 0
        || ngx_recs_text_eq(active, &look->skip)
        || (ngx_recs_channel_default(look->channel, &kept)
            && ngx_recs_text_eq(active, &kept)))
    {
        ngx_recs_look_finish(look);
        return;
    }

    version = ngx_recs_text_str(active);
    key.data = buf;
    key.len = ngx_sprintf(buf, "%V:%V:u:_default", &look->snapshots->prefix,
                          &version) - buf;

    ngx_recs_look_get(look, NGX_RECS_LOOK_PAGE, &key, ngx_recs_look_page_value);
}


/* Makes look->state of what Redis said. */

static void
ngx_recs_look_judge(ngx_recs_look_t *look)
{
    ngx_str_t  error;

    static const ngx_str_t  invalid = ngx_string("that is no version");
    static const ngx_str_t  back = ngx_string("it was rolled back");

    if (look->rolled_back & NGX_RECS_LOOK_PREVIOUS
        || ngx_recs_descriptor_expired(&look->state.previous, ngx_time()))
    {
        ngx_memzero(&look->state.previous, sizeof(ngx_recs_descriptor_t));
    }

    if (look->error_len) {
        error.data = look->error;
        error.len = look->error_len;
        ngx_recs_look_refuse(look, NGX_RECS_REFUSED_ERROR, &error);

    } else if (!look->named) {
        ngx_recs_look_no_pointer(look);

    } else if (look->step == NGX_RECS_LOOK_POINTER) {
        ngx_recs_look_refuse(look, NGX_RECS_REFUSED_POINTER, &invalid);

    } else if (look->rolled_back & NGX_RECS_LOOK_NEW) {
        ngx_recs_look_refuse(look, NGX_RECS_REFUSED_ROLLED_BACK, &back);

    } else {
        ngx_recs_look_read(look);
    }
}


/* "active" keeps what it has, other channels follow it. */

static void
ngx_recs_look_no_pointer(ngx_recs_look_t *look)
{
    static const ngx_str_t  none = ngx_string("the channel has no pointer");

    if (look->channel != look->snapshots->channels) {
        ngx_memzero(&look->state, sizeof(ngx_recs_channel_state_t));

    } else if (look->state.active.version.len) {
        ngx_recs_look_refuse(look, NGX_RECS_REFUSED_POINTER, &none);
    }
}


static void
ngx_recs_look_read(ngx_recs_look_t *look)
{
    u_char                  buf[NGX_RECS_REASON_MAX];
    ngx_str_t               reason;
    ngx_recs_refusal_e      refusal;
    ngx_recs_descriptor_t   d;

    reason.data = buf;

    refusal = ngx_recs_descriptor_read(&d, &look->version, &look->draft,
                                       &look->snapshots->adopt, ngx_time(),
                                       &reason);

    if (refusal == NGX_RECS_ADOPTABLE) {
        ngx_recs_look_adopt(look, &d);

    } else {
        ngx_recs_look_refuse(look, refusal, &reason);
    }
}


static void
ngx_recs_look_adopt(ngx_recs_look_t *look, const ngx_recs_descriptor_t *d)
{
    ngx_recs_descriptor_t     *active;
    ngx_recs_channel_state_t  *state;

    state = &look->state;
    active = &look->before.active;

    ngx_memzero(&state->refused, sizeof(ngx_recs_text_t));
    ngx_memzero(state->reason, NGX_RECS_REASON_MAX);
    state->reason_len = 0;
    state->refusal = NGX_RECS_ADOPTABLE;

    ngx_memcpy(&state->active, d, sizeof(ngx_recs_descriptor_t));

    if (ngx_recs_text_eq(&d->version, &active->version)) {
        return;
    }

    state->since = ngx_time();

    if (active->version.len && !(look->rolled_back & NGX_RECS_LOOK_ACTIVE)) {
        ngx_memcpy(&state->previous, active, sizeof(ngx_recs_descriptor_t));

    } else if (ngx_recs_text_eq(&d->version, &state->previous.version)) {
        ngx_memzero(&state->previous, sizeof(ngx_recs_descriptor_t));
    }
}


/* What a channel names may be anything: the log shows printable text. */

static void
ngx_recs_look_refuse(ngx_recs_look_t *look, ngx_recs_refusal_e refusal,
    const ngx_str_t *reason)
{
    ngx_recs_channel_state_t  *state;

    state = &look->state;

    ngx_memcpy(&state->refused, &look->version, sizeof(ngx_recs_text_t));
    ngx_recs_printable(state->refused.data, state->refused.len);

    ngx_memzero(state->reason, NGX_RECS_REASON_MAX);
    state->reason_len = ngx_min(reason->len, NGX_RECS_REASON_MAX);
    ngx_memcpy(state->reason, reason->data, state->reason_len);
    ngx_recs_printable(state->reason, state->reason_len);

    state->refusal = refusal;
}


/* NGX_OK; else this worker may not, or can't now. */

static ngx_int_t
ngx_recs_look_publish(ngx_recs_look_t *look)
{
    ngx_int_t                   rc;
    ngx_atomic_uint_t           next;
    ngx_recs_channel_shared_t  *shared;

    if (ngx_memcmp(&look->state, &look->before,
                   sizeof(ngx_recs_channel_state_t))
        == 0)
    {
        return NGX_OK;
    }

    rc = ngx_recs_leader_lock(look->snapshots->leader);
    if (rc != NGX_OK) {
        return rc;
    }

    shared = look->channel->shared;
    next = shared->state + 1;

    ngx_memcpy(&shared->states[next % NGX_RECS_STATES], &look->state,
               sizeof(ngx_recs_channel_state_t));
    ngx_recs_latest_publish(&shared->state);

    ngx_recs_leader_unlock(look->snapshots->leader);

    return NGX_OK;
}


static void
ngx_recs_look_log(ngx_recs_look_t *look)
{
    ngx_str_t              now, was, *name, *channel;
    ngx_recs_snapshots_t  *ss;

    ss = look->snapshots;
    name = &ss->name;
    channel = &look->channel->name;

    now = ngx_recs_text_str(&look->state.active.version);
    was = ngx_recs_text_str(&look->before.active.version);

    if (!ngx_recs_text_eq(&look->state.active.version,
                          &look->before.active.version))
    {
        if (now.len) {
            ngx_recs_count(ss->counters->adopted, 1);

            ngx_log_error(NGX_LOG_NOTICE, look->log, 0,
                          "recs_snapshots \"%V\" channel \"%V\": version "
                          "\"%V\" is active now, it was \"%V\"",
                          name, channel, &now, &was);

        } else {
            ngx_log_error(NGX_LOG_NOTICE, look->log, 0,
                          "recs_snapshots \"%V\" channel \"%V\" has no pointer "
                          "any more, it is what \"active\" is, it was \"%V\"",
                          name, channel, &was);
        }
    }

    if (look->before.refusal && look->state.refusal == NGX_RECS_ADOPTABLE
        && ngx_recs_text_eq(&look->state.active.version,
                            &look->before.active.version))
    {
        ngx_log_error(NGX_LOG_NOTICE, look->log, 0,
                      "recs_snapshots \"%V\" channel \"%V\": nothing is "
                      "refused any more, \"%V\" is active", name, channel,
                      &now);
    }

    if (look->state.refusal
        && (look->state.refusal != look->before.refusal
            || !ngx_recs_text_eq(&look->state.refused, &look->before.refused)))
    {
        ngx_recs_count(ss->counters->refused, 1);
        ngx_recs_look_log_refusal(look);
    }
}


static void
ngx_recs_look_log_refusal(ngx_recs_look_t *look)
{
    ngx_str_t                  active, refused, reason;
    const char                *stays;
    ngx_recs_channel_state_t  *state;

    state = &look->state;

    active = ngx_recs_text_str(&state->active.version);
    refused = ngx_recs_text_str(&state->refused);
    reason.data = state->reason;
    reason.len = state->reason_len;

    stays = active.len ? " stays" : ", nothing is active";

    if (refused.len == 0) {
        ngx_log_error(NGX_LOG_WARN, look->log, 0,
                      "recs_snapshots \"%V\" channel \"%V\" can't be followed, "
                      "\"%V\"%s: %V", &look->snapshots->name,
                      &look->channel->name, &active, stays, &reason);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, look->log, 0,
                  "recs_snapshots \"%V\" channel \"%V\": version \"%V\" is "
                  "refused, \"%V\"%s: %V", &look->snapshots->name,
                  &look->channel->name, &refused, &active, stays, &reason);
}


static void
ngx_recs_look_keep_page(ngx_recs_look_t *look, ngx_str_t *page)
{
    ngx_recs_default_t         *kept;
    ngx_recs_channel_shared_t  *shared;

    if (ngx_recs_leader_lock(look->snapshots->leader) != NGX_OK) {
        return;
    }

    shared = look->channel->shared;
    kept = &shared->pages[(shared->page + 1) % NGX_RECS_DEFAULTS];

    ngx_memcpy(&kept->of, &look->state.active, sizeof(ngx_recs_descriptor_t));
    kept->len = page->len;
    ngx_memcpy(kept->data, page->data, page->len);
    ngx_recs_latest_publish(&shared->page);

    ngx_recs_leader_unlock(look->snapshots->leader);
}


/* It isn't asked for again while this version is active. */

static void
ngx_recs_look_skip_page(ngx_recs_look_t *look, const ngx_str_t *why)
{
    ngx_str_t  version;

    look->skip = look->state.active.version;
    version = ngx_recs_text_str(&look->skip);

    ngx_log_error(NGX_LOG_WARN, look->log, 0,
                  "recs_snapshots \"%V\" channel \"%V\": the default page of "
                  "version \"%V\" can't be kept: %V",
                  &look->snapshots->name, &look->channel->name, &version, why);
}


static void
ngx_recs_look_get(ngx_recs_look_t *look, ngx_recs_look_step_e step,
    const ngx_str_t *key, ngx_recs_look_value_pt value)
{
    ngx_str_t  args[2];

    look->step = step;

    ngx_str_set(&args[0], "GET");
    args[1] = *key;

    look->queries[1].rc = NGX_OK;
    ngx_recs_look_send(look, 0, 2, args, value);

    if (look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


/* Without a connection, as if it had been lost. */

static void
ngx_recs_look_send(ngx_recs_look_t *look, ngx_uint_t n, ngx_uint_t argc,
    const ngx_str_t *args, ngx_recs_look_value_pt value)
{
    size_t                  argvlen[NGX_RECS_LOOK_ARGS];
    ngx_uint_t              i;
    const char             *argv[NGX_RECS_LOOK_ARGS];
    ngx_recs_look_query_t  *query;
    ngx_recs_redis_conn_t  *conn;

    for (i = 0; i < argc; i++) {
        argv[i] = (const char *) args[i].data;
        argvlen[i] = args[i].len;
    }

    query = &look->queries[n];
    query->rc = NGX_ABORT;
    query->query.value = value;
    query->query.max_bulk = NGX_RECS_DEFAULT_MAX;

    conn = ngx_recs_redis_pick(look->snapshots->redis);

    if (conn
        && ngx_recs_redis_send(conn, &query->query, argc, argv, argvlen)
           == NGX_OK)
    {
        look->npending++;
    }
}


static void
ngx_recs_look_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_look_t        *look;
    ngx_recs_look_query_t  *lq;

    lq = query->data;
    look = lq->look;

    lq->rc = rc;

    if (rc == NGX_ERROR) {

        if (look->step == NGX_RECS_LOOK_PAGE) {

            /* other errors (LOADING, BUSY) pass: the next look asks again */

            if (query->too_large
                || ngx_strncmp(error->data, "WRONGTYPE", 9) == 0)
            {
                ngx_recs_look_skip_page(look, error);
            }

        } else if (look->error_len == 0) {
            look->error_len = ngx_min(error->len, NGX_RECS_REASON_MAX);
            ngx_memcpy(look->error, error->data, look->error_len);
        }
    }

    if (--look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


static ngx_int_t
ngx_recs_look_pointer_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_look_t  *look;

    look = ((ngx_recs_look_query_t *) query->data)->look;

    if (v->depth || v->type > NGX_RECS_REDIS_STRING
        || v->type == NGX_RECS_REDIS_INTEGER)
    {
        return NGX_ERROR;
    }

    if (v->type == NGX_RECS_REDIS_STRING) {
        look->named = 1;
        (void) ngx_recs_text_set(&look->version, &v->str);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_look_descriptor_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_look_t  *look;

    look = ((ngx_recs_look_query_t *) query->data)->look;

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY
               && v->integer == NGX_RECS_DESCRIPTOR_FIELDS ? NGX_OK : NGX_ERROR;
    }

    if (v->type == NGX_RECS_REDIS_STRING) {
        ngx_recs_draft_set(&look->draft, v->index, &v->str);
        return NGX_OK;
    }

    return v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_recs_look_rolled_back_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_look_t  *look;

    look = ((ngx_recs_look_query_t *) query->data)->look;

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY
               && v->integer == NGX_RECS_LOOK_VERSIONS ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_INTEGER) {
        return NGX_ERROR;
    }

    if (v->integer) {
        look->rolled_back |= 1 << v->index;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_look_page_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_look_t  *look;

    look = ((ngx_recs_look_query_t *) query->data)->look;

    if (v->type == NGX_RECS_REDIS_STRING && v->depth == 0) {

        if (v->str.len) {
            ngx_recs_look_keep_page(look, &v->str);
        }

        return NGX_OK;
    }

    return v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
}
