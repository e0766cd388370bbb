
#include "ngx_recs_look.h"
#include "ngx_recs_snapshots_image.h"


/* What SMISMEMBER is asked about: bits in the order of its arguments. */

#define NGX_RECS_LOOK_NEW       0x01
#define NGX_RECS_LOOK_ACTIVE    0x02
#define NGX_RECS_LOOK_PREVIOUS  0x04
#define NGX_RECS_LOOK_VERSIONS  3

#define NGX_RECS_LOOK_ARGS      (2 + NGX_RECS_DESCRIPTOR_FIELDS)
#define NGX_RECS_LOOK_QUERIES   3

/* So many of the last moves are read; LRANGE's last argument. */

#define NGX_RECS_LOOK_MOVES     "31"

/*
 * A move so much ahead is of a clock that was wrong, s: no other would come
 * after it for years.
 */

#define NGX_RECS_LOOK_AHEAD     86400

/* So many of the versions that were rolled back: SRANDMEMBER's argument. */

#define NGX_RECS_LOOK_MARKS     NGX_RECS_PAST_VERSIONS
#define NGX_RECS_LOOK_MARKS_ARG "64"

/* The longest key, and more. */

#define NGX_RECS_LOOK_KEY                                                     \
    (NGX_RECS_PREFIX_MAX + NGX_RECS_VERSION_MAX + 32)


typedef enum {
    NGX_RECS_LOOK_IDLE = 0,
    NGX_RECS_LOOK_POINTER,              /* which version the channel names; the
                                           last moves */
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
    ngx_recs_look_query_t         queries[NGX_RECS_LOOK_QUERIES];
    ngx_recs_redis_conn_t        *conn;     /* of this step: what is asked first
                                               is answered first */

    ngx_recs_text_t               version;  /* that the channel names */
    ngx_uint_t                    named;    /* it names any */
    ngx_uint_t                    told;     /* Redis showed the history */
    uint64_t                      moved;    /* its newest move, unix ms; 0: it
                                               has none */
    uint64_t                      restored; /* its newest that says that version
                                               may return */
    ngx_recs_draft_t              draft;
    ngx_uint_t                    rolled_back;  /* such bits */
    ngx_uint_t                    nmarks;
    ngx_recs_text_t               marks[NGX_RECS_LOOK_MARKS];
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
static void ngx_recs_look_ask_rolled_back(ngx_recs_look_t *look, u_char *buf);
static void ngx_recs_look_ask_version(ngx_recs_look_t *look);
static void ngx_recs_look_ask_page(ngx_recs_look_t *look);

static void ngx_recs_look_judge(ngx_recs_look_t *look);
static void ngx_recs_look_no_pointer(ngx_recs_look_t *look);
static ngx_uint_t ngx_recs_look_returned(ngx_recs_look_t *look);
static ngx_uint_t ngx_recs_look_replaced(ngx_recs_look_t *look);
static void ngx_recs_look_refuse_returned(ngx_recs_look_t *look,
    const char *reason);
static void ngx_recs_look_read(ngx_recs_look_t *look);
static void ngx_recs_look_adopt(ngx_recs_look_t *look,
    const ngx_recs_descriptor_t *d);
static void ngx_recs_look_refuse(ngx_recs_look_t *look,
    ngx_recs_refusal_e refusal, const ngx_str_t *reason);
static ngx_int_t ngx_recs_look_publish(ngx_recs_look_t *look);
static void ngx_recs_look_drop_page(ngx_recs_look_t *look);
static ngx_uint_t ngx_recs_look_remember(ngx_recs_look_t *look);
static ngx_uint_t ngx_recs_look_remember_marks(ngx_recs_look_t *look);
static ngx_uint_t ngx_recs_look_remember_move(ngx_recs_look_t *look);
static void ngx_recs_look_log(ngx_recs_look_t *look);
static void ngx_recs_look_log_adopted(ngx_recs_look_t *look);
static void ngx_recs_look_log_refusal(ngx_recs_look_t *look);
static void ngx_recs_look_keep_page(ngx_recs_look_t *look, ngx_str_t *page);
static void ngx_recs_look_skip_page(ngx_recs_look_t *look,
    const ngx_str_t *why);

static void ngx_recs_look_share(ngx_recs_snapshots_t *ss);

static void ngx_recs_look_begin(ngx_recs_look_t *look,
    ngx_recs_look_step_e step);
static void ngx_recs_look_get(ngx_recs_look_t *look, const ngx_str_t *key,
    ngx_recs_look_value_pt value);
static void ngx_recs_look_send(ngx_recs_look_t *look, ngx_uint_t n,
    ngx_uint_t argc, const ngx_str_t *args, ngx_recs_look_value_pt value);
static void ngx_recs_look_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static ngx_int_t ngx_recs_look_pointer_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_look_failed(ngx_recs_look_t *look,
    ngx_recs_look_query_t *lq, const ngx_str_t *error);
static void ngx_recs_look_untold(ngx_recs_look_t *look, const ngx_str_t *error);
static ngx_int_t ngx_recs_look_history_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_look_mark_value(ngx_recs_redis_query_t *query,
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

        for (n = 0; n < NGX_RECS_LOOK_QUERIES; n++) {
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

    if (ss->image) {
        ngx_recs_snapshots_image_read(ss->image);
        ngx_recs_image_start(&ss->image->image);
    }

    ngx_recs_look_poll(&ss->timer);
}


static void
ngx_recs_look_lost(void *data)
{
    ngx_recs_snapshots_t *ss = data;

    ngx_uint_t        i, n;
    ngx_recs_look_t  *look;

    ngx_recs_redis_close_private(&ss->events);

    if (ss->image) {
        ngx_recs_image_stop(&ss->image->image);
    }

    if (ss->timer.timer_set) {
        ngx_del_timer(&ss->timer);
    }

    for (i = 0; i < ss->nchannels; i++) {
        look = ss->channels[i].look;

        for (n = 0; n < NGX_RECS_LOOK_QUERIES; n++) {
            ngx_recs_redis_forget(&look->queries[n].query);
        }

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
    ngx_recs_look_share(ss);

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
    ngx_str_t   key, args[4];

    if (look->step != NGX_RECS_LOOK_IDLE) {
        look->again = 1;
        return;
    }

    look->again = 0;
    look->named = 0;
    look->told = 0;
    look->moved = 0;
    look->restored = 0;
    look->rolled_back = 0;
    look->nmarks = 0;
    look->error_len = 0;
    ngx_memzero(&look->version, sizeof(ngx_recs_text_t));
    ngx_memzero(&look->draft, sizeof(ngx_recs_draft_t));
    ngx_memzero(&look->before, sizeof(ngx_recs_channel_state_t));

    (void) ngx_recs_channel_state(look->channel, &look->before);
    ngx_memcpy(&look->state, &look->before, sizeof(ngx_recs_channel_state_t));

    key.data = buf;
    key.len = ngx_sprintf(buf, "{%V}:channel:%V", &look->snapshots->prefix,
                          &look->channel->name) - buf;

    ngx_recs_look_begin(look, NGX_RECS_LOOK_POINTER);
    ngx_recs_look_get(look, &key, ngx_recs_look_pointer_value);

    ngx_str_set(&args[0], "LRANGE");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:history", &look->snapshots->prefix)
                  - buf;
    ngx_str_set(&args[2], "0");
    ngx_str_set(&args[3], NGX_RECS_LOOK_MOVES);

    ngx_recs_look_send(look, 1, 4, args, ngx_recs_look_history_value);

    if (look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


/* Redis has told all. */

static void
ngx_recs_look_finish(ngx_recs_look_t *look)
{
    look->step = NGX_RECS_LOOK_IDLE;

    if (ngx_recs_leader_lock(look->snapshots->leader) == NGX_OK) {
        look->channel->shared->looked = ngx_time();
        look->snapshots->shared->image.used = 0;
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
    ngx_uint_t  n, away;

    away = 0;

    for (n = 0; n < NGX_RECS_LOOK_QUERIES; n++) {
        away |= look->queries[n].rc == NGX_ABORT;
    }

    if (away) {

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

    ngx_recs_look_begin(look, NGX_RECS_LOOK_VERSION);

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

    ngx_recs_look_ask_rolled_back(look, buf);

    if (look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


/* Of these three, for certain; and so many others that are to be remembered. */

static void
ngx_recs_look_ask_rolled_back(ngx_recs_look_t *look, u_char *buf)
{
    ngx_str_t  args[2 + NGX_RECS_LOOK_VERSIONS];

    ngx_str_set(&args[0], "SMISMEMBER");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:rolled_back",
                              &look->snapshots->prefix) - buf;
    args[2] = ngx_recs_text_str(&look->version);
    args[3] = ngx_recs_text_str(&look->before.active.version);
    args[4] = ngx_recs_text_str(&look->before.previous.version);

    ngx_recs_look_send(look, 1, 2 + NGX_RECS_LOOK_VERSIONS, args,
                       ngx_recs_look_rolled_back_value);

    ngx_str_set(&args[0], "SRANDMEMBER");
    ngx_str_set(&args[2], NGX_RECS_LOOK_MARKS_ARG);

    ngx_recs_look_send(look, 2, 3, args, ngx_recs_look_mark_value);
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

    ngx_recs_look_begin(look, NGX_RECS_LOOK_PAGE);
    ngx_recs_look_get(look, &key, ngx_recs_look_page_value);

    if (look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


/* Makes look->state of what Redis said. */

static void
ngx_recs_look_judge(ngx_recs_look_t *look)
{
    ngx_str_t  error;

    static const ngx_str_t  invalid = ngx_string("that is no version");
    static const ngx_str_t  back = ngx_string("it was rolled back");

    look->state.lost = 0;

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

    } else if (!ngx_recs_look_returned(look)) {
        ngx_recs_look_read(look);
    }
}


/*
 * "active" keeps what it has.  Other channels follow it, as their pointers are
 * removed when they end; unless the history is gone, too.
 */

static void
ngx_recs_look_no_pointer(ngx_recs_look_t *look)
{
    static const ngx_str_t  none = ngx_string("the channel has no pointer");

    if (look->channel != look->snapshots->channels
        && !(look->told && look->moved == 0
             && look->snapshots->shared->past.moved))
    {
        ngx_memzero(&look->state, sizeof(ngx_recs_channel_state_t));

    } else if (look->state.active.version.len) {
        look->state.lost = 1;
        ngx_recs_look_refuse(look, NGX_RECS_REFUSED_POINTER, &none);
    }
}


/*
 * Does the channel name a version that was left before, without anybody having
 * said that it should return?  Then it is refused: Redis has come back from an
 * older dump, or has lost its marks.
 */

static ngx_uint_t
ngx_recs_look_returned(ngx_recs_look_t *look)
{
    ngx_recs_past_t          *past;
    ngx_recs_past_version_t  *left;

    past = &look->snapshots->shared->past;

    if (ngx_recs_text_eq(&look->version, &look->before.active.version)) {
        return 0;
    }

    left = ngx_recs_past_find(past, NGX_RECS_PAST_ROLLED_BACK,
                              &look->channel->name, &look->version);

    if (left && look->restored <= left->moved) {
        ngx_recs_look_refuse_returned(look, "it was rolled back, of which "
                                      "Redis no longer knows");
        return 1;
    }

    if (look->told && look->moved < past->moved
        && (look->before.active.version.len
            || look->channel != look->snapshots->channels))
    {
        ngx_recs_look_refuse_returned(look, "the history ends before the last "
                                      "move that was seen: Redis is older");
        return 1;
    }

    if (ngx_recs_look_replaced(look)) {
        ngx_recs_look_refuse_returned(look, "it was replaced before, and the "
                                      "history tells of no move back to it");
        return 1;
    }

    return 0;
}


/*
 * Was it replaced in this channel, and has nothing happened since that could
 * have brought it back?  Either the version that is left was rolled back, or
 * there was a move.
 */

static ngx_uint_t
ngx_recs_look_replaced(ngx_recs_look_t *look)
{
    ngx_recs_past_version_t  *left;

    left = ngx_recs_past_find(&look->snapshots->shared->past,
                              NGX_RECS_PAST_REPLACED, &look->channel->name,
                              &look->version);

    return left && look->before.active.version.len
           && !(look->rolled_back & NGX_RECS_LOOK_ACTIVE)
           && look->moved <= left->moved;
}


static void
ngx_recs_look_refuse_returned(ngx_recs_look_t *look, const char *reason)
{
    ngx_str_t  text;

    text.data = (u_char *) reason;
    text.len = ngx_strlen(reason);

    look->state.lost = 1;
    ngx_recs_look_refuse(look, NGX_RECS_REFUSED_RETURNED, &text);
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
        look->state.lost = refusal == NGX_RECS_REFUSED_MISSING
                           && ngx_recs_text_eq(&look->version,
                                               &look->before.active.version);
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

    if (active->version.len && !(look->rolled_back & NGX_RECS_LOOK_ACTIVE)
        && !ngx_recs_past_find(&look->snapshots->shared->past,
                               NGX_RECS_PAST_ROLLED_BACK, &look->channel->name,
                               &active->version))
    {
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
    ngx_int_t              rc;
    ngx_uint_t             changed;
    ngx_recs_snapshots_t  *ss;

    ss = look->snapshots;

    rc = ngx_recs_leader_lock(ss->leader);
    if (rc != NGX_OK) {
        return rc;
    }

    /* what was left is known before something else is served */

    changed = ngx_recs_look_remember(look);

    if (changed) {
        ngx_recs_snapshots_changed(ss);
    }

    ngx_recs_look_drop_page(look);

    if (ngx_memcmp(&look->state, &look->before,
                   sizeof(ngx_recs_channel_state_t))
        != 0)
    {
        ngx_recs_channel_publish(look->channel, &look->state);
        ss->shared->changes++;
    }

    ngx_recs_leader_unlock(ss->leader);

    return NGX_OK;
}


/*
 * A default page is served when nothing else is known, of whichever version;
 * but not of one that was rolled back.
 */

static void
ngx_recs_look_drop_page(ngx_recs_look_t *look)
{
    ngx_recs_text_t        version;
    ngx_recs_descriptor_t  none;

    static const ngx_str_t  empty = ngx_string("");

    if (ngx_recs_channel_default(look->channel, &version) == 0
        || ngx_recs_text_eq(&version, &look->state.active.version)
        || !ngx_recs_past_find(&look->snapshots->shared->past,
                               NGX_RECS_PAST_ROLLED_BACK, &look->channel->name,
                               &version))
    {
        return;
    }

    ngx_memzero(&none, sizeof(ngx_recs_descriptor_t));
    ngx_recs_channel_keep(look->channel, &none, &empty);
    look->snapshots->shared->changes++;
}


/* True: the past is another now. */

static ngx_uint_t
ngx_recs_look_remember(ngx_recs_look_t *look)
{
    ngx_uint_t        changed;
    ngx_recs_past_t  *past;

    past = &look->snapshots->shared->past;
    changed = 0;

    if (look->moved > past->moved) {
        past->moved = look->moved;
        changed = 1;
    }

    return changed | ngx_recs_look_remember_marks(look)
                   | ngx_recs_look_remember_move(look);
}


/*
 * What Redis says was rolled back.  Versions that are in no channel here only
 * take free places, or a set of many would wear out what was seen here.
 */

static ngx_uint_t
ngx_recs_look_remember_marks(ngx_recs_look_t *look)
{
    ngx_str_t        *name;
    ngx_uint_t        i, changed;
    ngx_recs_past_t  *past;
    ngx_recs_text_t  *seen[NGX_RECS_LOOK_VERSIONS];

    past = &look->snapshots->shared->past;
    name = &look->channel->name;
    changed = 0;

    seen[0] = &look->version;
    seen[1] = &look->before.active.version;
    seen[2] = &look->before.previous.version;

    for (i = 0; i < NGX_RECS_LOOK_VERSIONS; i++) {
        if (look->rolled_back & (1 << i)) {
            changed |= ngx_recs_past_add(past, NGX_RECS_PAST_ROLLED_BACK, name,
                                         seen[i]);
        }
    }

    for (i = 0; i < look->nmarks; i++) {
        if (ngx_recs_past_count(past, NGX_RECS_PAST_ROLLED_BACK)
            == NGX_RECS_PAST_VERSIONS)
        {
            break;
        }

        changed |= ngx_recs_past_add(past, NGX_RECS_PAST_ROLLED_BACK, name,
                                     &look->marks[i]);
    }

    return changed;
}


static ngx_uint_t
ngx_recs_look_remember_move(ngx_recs_look_t *look)
{
    ngx_str_t        *name;
    ngx_uint_t        changed;
    ngx_recs_past_t  *past;
    ngx_recs_text_t  *now, *was;

    past = &look->snapshots->shared->past;
    name = &look->channel->name;
    now = &look->state.active.version;
    was = &look->before.active.version;

    if (ngx_recs_text_eq(now, was)) {
        return 0;
    }

    changed = ngx_recs_past_forget(past, NGX_RECS_PAST_REPLACED, name, now)
              | ngx_recs_past_forget(past, NGX_RECS_PAST_ROLLED_BACK, name,
                                     now);

    if (now->len && !(look->rolled_back & NGX_RECS_LOOK_ACTIVE)) {
        changed |= ngx_recs_past_add(past, NGX_RECS_PAST_REPLACED, name, was);
    }

    return changed;
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
            ngx_recs_look_log_adopted(look);

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

        if (look->state.refusal == NGX_RECS_REFUSED_RETURNED) {
            ngx_recs_count(ss->counters->returned, 1);
        }

        ngx_recs_look_log_refusal(look);
    }
}


/* One that is older than what it replaces may be a mistake. */

static void
ngx_recs_look_log_adopted(ngx_recs_look_t *look)
{
    ngx_str_t               now, was, *name, *channel;
    ngx_recs_descriptor_t  *active, *before;

    name = &look->snapshots->name;
    channel = &look->channel->name;
    active = &look->state.active;
    before = &look->before.active;

    now = ngx_recs_text_str(&active->version);
    was = ngx_recs_text_str(&before->version);

    ngx_log_error(NGX_LOG_NOTICE, look->log, 0,
                  "recs_snapshots \"%V\" channel \"%V\": version \"%V\" is "
                  "active now, it was \"%V\"", name, channel, &now, &was);

    if (before->version.len && active->generated_at < before->generated_at
        && !(look->rolled_back & NGX_RECS_LOOK_ACTIVE))
    {
        ngx_log_error(NGX_LOG_WARN, look->log, 0,
                      "recs_snapshots \"%V\" channel \"%V\": version \"%V\" "
                      "was generated %Ts before \"%V\", which it replaces",
                      name, channel, &now,
                      before->generated_at - active->generated_at, &was);
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
    ngx_recs_snapshots_t  *ss;

    ss = look->snapshots;

    if (ngx_recs_leader_lock(ss->leader) != NGX_OK) {
        return;
    }

    ngx_recs_channel_keep(look->channel, &look->state.active, page);
    ss->shared->changes++;

    ngx_recs_leader_unlock(ss->leader);
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


/* Rows that were evicted leave no other trace. */

static void
ngx_recs_look_share(ngx_recs_snapshots_t *ss)
{
    ngx_int_t                       rc;
    ngx_uint_t                      usual, level;
    ngx_recs_share_t               *share;
    ngx_recs_snapshots_counters_t  *counters;

    if (ngx_recs_leader_lock(ss->leader) != NGX_OK) {
        return;
    }

    counters = ss->counters;
    share = &ss->shared->share;
    usual = share->usual;

    rc = ngx_recs_share_look(share, counters->rows - counters->nobody,
                             counters->missing - counters->nobody, ngx_time());

    ngx_recs_leader_unlock(ss->leader);

    if (rc != NGX_OK) {
        level = rc == NGX_ABORT ? NGX_LOG_WARN : NGX_LOG_NOTICE;

        ngx_log_error(level, ss->timer.log, 0,
                      "recs_snapshots \"%V\": %ui.%02ui%% of users have no "
                      "row%s, usual is %ui.%02ui%%", &ss->name,
                      share->now / 100, share->now % 100,
                      rc == NGX_ABORT ? "" : " now",
                      usual / 100, usual % 100);
    }
}


static void
ngx_recs_look_begin(ngx_recs_look_t *look, ngx_recs_look_step_e step)
{
    ngx_uint_t  n;

    look->step = step;
    look->conn = ngx_recs_redis_pick(look->snapshots->redis);

    for (n = 0; n < NGX_RECS_LOOK_QUERIES; n++) {
        look->queries[n].rc = NGX_OK;
    }
}


static void
ngx_recs_look_get(ngx_recs_look_t *look, const ngx_str_t *key,
    ngx_recs_look_value_pt value)
{
    ngx_str_t  args[2];

    ngx_str_set(&args[0], "GET");
    args[1] = *key;

    ngx_recs_look_send(look, 0, 2, args, value);
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

    for (i = 0; i < argc; i++) {
        argv[i] = (const char *) args[i].data;
        argvlen[i] = args[i].len;
    }

    query = &look->queries[n];
    query->rc = NGX_ABORT;
    query->query.value = value;
    query->query.max_bulk = NGX_RECS_DEFAULT_MAX;

    if (look->conn
        && ngx_recs_redis_send(look->conn, &query->query, argc, argv, argvlen)
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
        ngx_recs_look_failed(look, lq, error);
    }

    if (--look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


/* Without the history and the marks of others it goes on, knowing less. */

static void
ngx_recs_look_failed(ngx_recs_look_t *look, ngx_recs_look_query_t *lq,
    const ngx_str_t *error)
{
    if (look->step == NGX_RECS_LOOK_PAGE) {

        /* other errors (LOADING, BUSY) pass: the next look asks again */

        if (lq->query.too_large
            || ngx_strncmp(error->data, "WRONGTYPE", 9) == 0)
        {
            ngx_recs_look_skip_page(look, error);
        }

        return;
    }

    if (lq == &look->queries[2]
        || (lq == &look->queries[1] && look->step == NGX_RECS_LOOK_POINTER))
    {
        look->told = 0;
        ngx_recs_look_untold(look, error);
        return;
    }

    if (look->error_len == 0) {
        look->error_len = ngx_min(error->len, NGX_RECS_REASON_MAX);
        ngx_memcpy(look->error, error->data, look->error_len);
    }
}


static void
ngx_recs_look_untold(ngx_recs_look_t *look, const ngx_str_t *error)
{
    ngx_recs_snapshots_t  *ss;

    ss = look->snapshots;

    if (ss->untold || ngx_strncmp(error->data, "LOADING", 7) == 0) {
        return;
    }

    ss->untold = 1;

    ngx_log_error(NGX_LOG_WARN, look->log, 0,
                  "recs_snapshots \"%V\" can't read its history, or what was "
                  "rolled back: %V", &ss->name, error);
}


/* The pointer was asked for before, so that the version is known. */

static ngx_int_t
ngx_recs_look_history_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_look_t  *look;
    ngx_recs_move_t   move;

    look = ((ngx_recs_look_query_t *) query->data)->look;

    if (v->depth == 0) {
        look->told = v->type == NGX_RECS_REDIS_ARRAY;
        return look->told || v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    ngx_recs_move_read(&move, &v->str);

    if (move.time > ((uint64_t) ngx_time() + NGX_RECS_LOOK_AHEAD) * 1000) {
        move.time = 0;
    }

    look->moved = ngx_max(look->moved, move.time);

    if (move.restore && ngx_recs_text_eq(&move.version, &look->version)) {
        look->restored = ngx_max(look->restored, move.time);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_look_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_look_t  *look;

    look = ((ngx_recs_look_query_t *) query->data)->look;

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY || v->type == NGX_RECS_REDIS_NIL
               ? NGX_OK : NGX_ERROR;
    }

    if (v->type == NGX_RECS_REDIS_STRING
        && look->nmarks < NGX_RECS_LOOK_MARKS
        && ngx_recs_version_valid(v->str.data, v->str.len))
    {
        (void) ngx_recs_text_set(&look->marks[look->nmarks++], &v->str);
    }

    return v->type == NGX_RECS_REDIS_STRING ? NGX_OK : NGX_ERROR;
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
