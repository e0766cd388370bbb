
/*
 * The leader looks at what Redis says of a snapshot's channels: when it has
 * begun to lead, each poll, and when a change is published.  A look is a few
 * steps of questions; what they say is judged by ngx_recs_verdict.c.
 */


#include "ngx_recs_snapshot_leader.h"

#include "ngx_recs_move.h"
#include "ngx_recs_snapshots_image.h"
#include "ngx_recs_verdict.h"


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

#define NGX_RECS_LOOK_MARKS     "64"

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
    ngx_recs_look_step_e          step;
    ngx_uint_t                    again;    /* something changed meanwhile */
    ngx_uint_t                    npending;
    ngx_recs_look_query_t         queries[NGX_RECS_LOOK_QUERIES];
    ngx_recs_redis_conn_t        *conn;     /* of this step: what is asked first
                                               is answered first */

    ngx_recs_verdict_t            verdict;

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

static void ngx_recs_look_keep_page(ngx_recs_look_t *look, ngx_str_t *page);
static void ngx_recs_look_skip_page(ngx_recs_look_t *look,
    const ngx_str_t *why);

static void ngx_recs_look_missing(ngx_recs_snapshots_t *ss);

static void ngx_recs_look_begin(ngx_recs_look_t *look,
    ngx_recs_look_step_e step, const ngx_str_t *key);
static void ngx_recs_look_get(ngx_recs_look_t *look, const ngx_str_t *key,
    ngx_recs_look_value_pt value);
static void ngx_recs_look_send(ngx_recs_look_t *look, ngx_uint_t n,
    ngx_uint_t nargs, const ngx_str_t *args, ngx_recs_look_value_pt value);
static void ngx_recs_look_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static ngx_int_t ngx_recs_look_pointer_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_look_failed(ngx_recs_look_t *look,
    ngx_recs_look_query_t *lq, const ngx_str_t *error);
static void ngx_recs_look_untold(ngx_recs_look_t *look, const ngx_str_t *error);
static ngx_recs_said_t *ngx_recs_look_said(ngx_recs_redis_query_t *query);
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
ngx_recs_snapshot_leader_init_worker(ngx_recs_snapshots_t *ss,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle)
{
    u_char           *p;
    ngx_uint_t        i, n;
    ngx_recs_look_t  *looks, *look;

    looks = ngx_pcalloc(cycle->pool, ss->nchannels * sizeof(ngx_recs_look_t));
    p = ngx_pnalloc(cycle->pool, ss->prefix.len + sizeof(":events") - 1);

    if (looks == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ss->leader = leader;

    if (ss->image_path.len) {
        ss->image = ngx_recs_snapshots_image_init(ss, cycle);
        if (ss->image == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < ss->nchannels; i++) {
        look = &looks[i];

        look->verdict.snapshots = ss;
        look->verdict.channel = &ss->channels[i];
        look->verdict.channel->look = look;
        look->verdict.log = cycle->log;

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


void
ngx_recs_snapshot_leader_exit_worker(ngx_recs_snapshots_t *ss)
{
    if (ss->image) {
        ngx_recs_image_exit(&ss->image->image);
    }
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
    ngx_recs_look_missing(ss);

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
    ngx_str_t   key, args[4], *prefix;

    if (look->step != NGX_RECS_LOOK_IDLE) {
        look->again = 1;
        return;
    }

    look->again = 0;
    ngx_recs_verdict_begin(&look->verdict);

    prefix = &look->verdict.snapshots->prefix;

    key.data = buf;
    key.len = ngx_sprintf(buf, "{%V}:channel:%V", prefix,
                          &look->verdict.channel->name) - buf;

    ngx_recs_look_begin(look, NGX_RECS_LOOK_POINTER, &key);
    ngx_recs_look_get(look, &key, ngx_recs_look_pointer_value);

    ngx_str_set(&args[0], "LRANGE");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:history", prefix) - buf;
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
    ngx_recs_snapshots_t  *ss;

    ss = look->verdict.snapshots;
    look->step = NGX_RECS_LOOK_IDLE;

    if (ngx_recs_leader_lock(ss->leader) == NGX_OK) {
        look->verdict.channel->shared->looked = ngx_time();
        ss->shared->image.used = 0;
        ngx_recs_leader_unlock(ss->leader);
    }

    if (look->again) {
        ngx_recs_look_start(look);
    }
}


/* The end of a step: every reply is there, or there will be none. */

static void
ngx_recs_look_next(ngx_recs_look_t *look)
{
    ngx_uint_t           n, away;
    ngx_recs_verdict_t  *verdict;

    verdict = &look->verdict;
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
        && ngx_recs_version_valid(verdict->said.version.data,
                                  verdict->said.version.len))
    {
        ngx_recs_look_ask_version(look);
        return;
    }

    ngx_recs_verdict_reach(verdict);

    if (ngx_recs_verdict_publish(verdict) != NGX_OK) {
        look->step = NGX_RECS_LOOK_IDLE;
        return;
    }

    ngx_recs_verdict_log(verdict);

    ngx_recs_look_ask_page(look);
}


static void
ngx_recs_look_ask_version(ngx_recs_look_t *look)
{
    u_char      buf[NGX_RECS_LOOK_KEY];
    ngx_str_t   args[NGX_RECS_LOOK_ARGS], version, *prefix;
    ngx_uint_t  i;

    prefix = &look->verdict.snapshots->prefix;
    version = ngx_recs_text_str(&look->verdict.said.version);

    ngx_str_set(&args[0], "HMGET");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:%V:meta", prefix, &version) - buf;

    for (i = 0; i < NGX_RECS_DESCRIPTOR_FIELDS; i++) {
        args[2 + i] = ngx_recs_descriptor_fields[i];
    }

    ngx_recs_look_begin(look, NGX_RECS_LOOK_VERSION, &args[1]);
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
    ngx_str_t  args[2 + NGX_RECS_SAID_VERSIONS];

    ngx_str_set(&args[0], "SMISMEMBER");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:rolled_back",
                              &look->verdict.snapshots->prefix) - buf;
    args[2] = ngx_recs_text_str(&look->verdict.said.version);
    args[3] = ngx_recs_text_str(&look->verdict.before.active.version);
    args[4] = ngx_recs_text_str(&look->verdict.before.previous.version);

    ngx_recs_look_send(look, 1, 2 + NGX_RECS_SAID_VERSIONS, args,
                       ngx_recs_look_rolled_back_value);

    ngx_str_set(&args[0], "SRANDMEMBER");
    ngx_str_set(&args[2], NGX_RECS_LOOK_MARKS);

    ngx_recs_look_send(look, 2, 3, args, ngx_recs_look_mark_value);
}


/* Asks for the default page, unless it is kept already, or can't be. */

static void
ngx_recs_look_ask_page(ngx_recs_look_t *look)
{
    u_char            buf[NGX_RECS_LOOK_KEY];
    ngx_str_t         key, version;
    ngx_recs_text_t  *active, kept;

    active = &look->verdict.state.active.version;

    if (active->len == 0
        || ngx_recs_text_eq(active, &look->skip)
        || (ngx_recs_channel_default(look->verdict.channel, &kept)
            && ngx_recs_text_eq(active, &kept)))
    {
        ngx_recs_look_finish(look);
        return;
    }

    version = ngx_recs_text_str(active);
    key.data = buf;
    key.len = ngx_sprintf(buf, "%V:%V:u:_default",
                          &look->verdict.snapshots->prefix, &version) - buf;

    ngx_recs_look_begin(look, NGX_RECS_LOOK_PAGE, &key);
    ngx_recs_look_get(look, &key, ngx_recs_look_page_value);

    if (look->npending == 0) {
        ngx_recs_look_next(look);
    }
}


static void
ngx_recs_look_keep_page(ngx_recs_look_t *look, ngx_str_t *page)
{
    ngx_recs_snapshots_t  *ss;

    ss = look->verdict.snapshots;

    if (ngx_recs_leader_lock(ss->leader) != NGX_OK) {
        return;
    }

    ngx_recs_channel_keep(look->verdict.channel, &look->verdict.state.active,
                          page);
    ss->shared->changes++;

    ngx_recs_leader_unlock(ss->leader);
}


/* It isn't asked for again while this version is active. */

static void
ngx_recs_look_skip_page(ngx_recs_look_t *look, const ngx_str_t *why)
{
    ngx_str_t  version;

    look->skip = look->verdict.state.active.version;
    version = ngx_recs_text_str(&look->skip);

    ngx_log_error(NGX_LOG_WARN, look->verdict.log, 0,
                  "recs_snapshots \"%V\" channel \"%V\": the default page of "
                  "version \"%V\" can't be kept: %V",
                  &look->verdict.snapshots->name, &look->verdict.channel->name,
                  &version, why);
}


/* Rows that were evicted leave no other trace. */

static void
ngx_recs_look_missing(ngx_recs_snapshots_t *ss)
{
    uint64_t                        usual;
    ngx_uint_t                      level;
    recs_missing_e                  news;
    recs_missing_t                 *missing;
    ngx_recs_snapshots_counters_t  *counters;

    if (ngx_recs_leader_lock(ss->leader) != NGX_OK) {
        return;
    }

    counters = ss->counters;
    missing = &ss->shared->missing;
    usual = missing->usual;

    news = recs_missing_look(missing, counters->rows - counters->nobody,
                             counters->missing - counters->nobody, ngx_time());

    ngx_recs_leader_unlock(ss->leader);

    if (news == RECS_MISSING_SAME) {
        return;
    }

    level = news == RECS_MISSING_JUMPED ? NGX_LOG_WARN : NGX_LOG_NOTICE;

    ngx_log_error(level, ss->timer.log, 0,
                  "recs_snapshots \"%V\": %uL.%02uL%% of users have no row%s, "
                  "usual is %uL.%02uL%%", &ss->name, missing->now / 100,
                  missing->now % 100,
                  news == RECS_MISSING_JUMPED ? "" : " now",
                  usual / 100, usual % 100);
}


/* All keys of a step lie in the slot of this one. */

static void
ngx_recs_look_begin(ngx_recs_look_t *look, ngx_recs_look_step_e step,
    const ngx_str_t *key)
{
    ngx_uint_t  n;

    look->step = step;
    look->conn = ngx_recs_redis_pick(look->verdict.snapshots->redis, key);

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
ngx_recs_look_send(ngx_recs_look_t *look, ngx_uint_t n, ngx_uint_t nargs,
    const ngx_str_t *args, ngx_recs_look_value_pt value)
{
    ngx_recs_look_query_t  *query;

    query = &look->queries[n];
    query->rc = NGX_ABORT;
    query->query.value = value;
    query->query.max_bulk = NGX_RECS_DEFAULT_MAX;

    if (look->conn
        && ngx_recs_redis_send(look->conn, &query->query, nargs, args)
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
    ngx_recs_said_t  *said;

    said = &look->verdict.said;

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
        said->told = 0;
        ngx_recs_look_untold(look, error);
        return;
    }

    if (said->error_len == 0) {
        said->error_len = ngx_min(error->len, NGX_RECS_REASON_MAX);
        ngx_memcpy(said->error, error->data, said->error_len);
    }
}


static void
ngx_recs_look_untold(ngx_recs_look_t *look, const ngx_str_t *error)
{
    ngx_recs_snapshots_t  *ss;

    ss = look->verdict.snapshots;

    if (ss->untold || ngx_strncmp(error->data, "LOADING", 7) == 0) {
        return;
    }

    ss->untold = 1;

    ngx_log_error(NGX_LOG_WARN, look->verdict.log, 0,
                  "recs_snapshots \"%V\" can't read its history, or what was "
                  "rolled back: %V", &ss->name, error);
}


static ngx_recs_said_t *
ngx_recs_look_said(ngx_recs_redis_query_t *query)
{
    ngx_recs_look_query_t *lq = query->data;

    return &lq->look->verdict.said;
}


/* The pointer was asked for before, so that the version is known. */

static ngx_int_t
ngx_recs_look_history_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;
    ngx_recs_move_t   move;

    said = ngx_recs_look_said(query);

    if (v->depth == 0) {
        said->told = v->type == NGX_RECS_REDIS_ARRAY;
        return said->told || v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    ngx_recs_move_read(&move, &v->str);

    if (move.time > ((uint64_t) ngx_time() + NGX_RECS_LOOK_AHEAD) * 1000) {
        move.time = 0;
    }

    said->moved = ngx_max(said->moved, move.time);

    if (ngx_recs_text_eq(&move.version, &said->version)) {
        said->arrived = ngx_max(said->arrived, move.time);

        if (move.restore) {
            said->restored = ngx_max(said->restored, move.time);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_look_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_look_said(query);

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY || v->type == NGX_RECS_REDIS_NIL
               ? NGX_OK : NGX_ERROR;
    }

    if (v->type == NGX_RECS_REDIS_STRING
        && said->nmarks < NGX_RECS_SAID_MARKS
        && ngx_recs_version_valid(v->str.data, v->str.len))
    {
        (void) ngx_recs_text_set(&said->marks[said->nmarks++], &v->str);
    }

    return v->type == NGX_RECS_REDIS_STRING ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_recs_look_pointer_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_look_said(query);

    if (v->depth || v->type > NGX_RECS_REDIS_STRING
        || v->type == NGX_RECS_REDIS_INTEGER)
    {
        return NGX_ERROR;
    }

    if (v->type == NGX_RECS_REDIS_STRING) {
        said->named = 1;
        (void) ngx_recs_text_set(&said->version, &v->str);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_look_descriptor_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_look_said(query);

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY
               && v->integer == NGX_RECS_DESCRIPTOR_FIELDS ? NGX_OK : NGX_ERROR;
    }

    if (v->type == NGX_RECS_REDIS_STRING) {
        ngx_recs_draft_set(&said->draft, v->index, &v->str);
        return NGX_OK;
    }

    return v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_recs_look_rolled_back_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_look_said(query);

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY
               && v->integer == NGX_RECS_SAID_VERSIONS ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_INTEGER) {
        return NGX_ERROR;
    }

    if (v->integer) {
        said->rolled_back |= 1 << v->index;
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
