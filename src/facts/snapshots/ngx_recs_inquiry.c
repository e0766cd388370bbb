
/*
 * The questions of the three steps, and what reads their replies into what
 * "said" of the verdict holds.
 */


#include "ngx_recs_inquiry.h"

#include "ngx_recs_move.h"


#define NGX_RECS_INQUIRY_ARGS   (2 + NGX_RECS_DESCRIPTOR_FIELDS)

/* So many of the last moves are read; LRANGE's last argument. */

#define NGX_RECS_INQUIRY_MOVES  "31"

/*
 * A move so much ahead is of a clock that was wrong, s: no other would come
 * after it for years.
 */

#define NGX_RECS_INQUIRY_AHEAD  86400

/* So many of the versions that were rolled back: SRANDMEMBER's argument. */

#define NGX_RECS_INQUIRY_MARKS  "64"

/* The longest key, and more. */

#define NGX_RECS_INQUIRY_KEY                                                  \
    (NGX_RECS_PREFIX_MAX + NGX_RECS_VERSION_MAX + 32)


static void ngx_recs_inquiry_ask_rolled_back(ngx_recs_inquiry_t *inquiry,
    u_char *buf);
static void ngx_recs_inquiry_keep_page(ngx_recs_inquiry_t *inquiry,
    ngx_str_t *page);
static void ngx_recs_inquiry_skip_page(ngx_recs_inquiry_t *inquiry,
    const ngx_str_t *why);
static void ngx_recs_inquiry_begin(ngx_recs_inquiry_t *inquiry,
    ngx_recs_inquiry_step_e step, const ngx_str_t *key);
static void ngx_recs_inquiry_get(ngx_recs_inquiry_t *inquiry,
    const ngx_str_t *key, ngx_recs_redis_value_pt value);
static void ngx_recs_inquiry_end(ngx_recs_redis_batch_t *batch, ngx_int_t rc);
static void ngx_recs_inquiry_failed(ngx_recs_redis_batch_t *batch,
    ngx_uint_t n, const ngx_str_t *error);
static void ngx_recs_inquiry_untold(ngx_recs_inquiry_t *inquiry,
    const ngx_str_t *error);
static ngx_recs_said_t *ngx_recs_inquiry_said(ngx_recs_redis_query_t *query);
static ngx_int_t ngx_recs_inquiry_pointer_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_inquiry_history_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_inquiry_descriptor_value(
    ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_inquiry_rolled_back_value(
    ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_inquiry_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_inquiry_page_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);


void
ngx_recs_inquiry_init(ngx_recs_inquiry_t *inquiry)
{
    ngx_recs_redis_batch_t  *batch;

    batch = &inquiry->batch;

    batch->failed = ngx_recs_inquiry_failed;
    batch->handler = ngx_recs_inquiry_end;
    batch->data = inquiry;
    batch->max_bulk = NGX_RECS_DEFAULT_MAX;

    ngx_recs_redis_batch_init(batch);
}


void
ngx_recs_inquiry_forget(ngx_recs_inquiry_t *inquiry)
{
    ngx_recs_redis_batch_forget(&inquiry->batch);

    inquiry->again = 0;
    inquiry->step = NGX_RECS_INQUIRY_IDLE;
}


void
ngx_recs_inquiry_pointer(ngx_recs_inquiry_t *inquiry)
{
    u_char      buf[NGX_RECS_INQUIRY_KEY];
    ngx_str_t   key, args[4], *prefix;

    prefix = &inquiry->verdict.snapshots->prefix;

    key.data = buf;
    key.len = ngx_sprintf(buf, "{%V}:channel:%V", prefix,
                          &inquiry->verdict.channel->name) - buf;

    ngx_recs_inquiry_begin(inquiry, NGX_RECS_INQUIRY_POINTER, &key);
    ngx_recs_inquiry_get(inquiry, &key, ngx_recs_inquiry_pointer_value);

    ngx_str_set(&args[0], "LRANGE");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:history", prefix) - buf;
    ngx_str_set(&args[2], "0");
    ngx_str_set(&args[3], NGX_RECS_INQUIRY_MOVES);

    ngx_recs_redis_batch_send(&inquiry->batch, 1, 4, args,
                              ngx_recs_inquiry_history_value);

    ngx_recs_redis_batch_sent(&inquiry->batch);
}


void
ngx_recs_inquiry_version(ngx_recs_inquiry_t *inquiry)
{
    u_char      buf[NGX_RECS_INQUIRY_KEY];
    ngx_str_t   args[NGX_RECS_INQUIRY_ARGS], version, *prefix;
    ngx_uint_t  i;

    prefix = &inquiry->verdict.snapshots->prefix;
    version = ngx_recs_text_str(&inquiry->verdict.said.version);

    ngx_str_set(&args[0], "HMGET");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:%V:meta", prefix, &version) - buf;

    for (i = 0; i < NGX_RECS_DESCRIPTOR_FIELDS; i++) {
        args[2 + i] = ngx_recs_descriptor_names[i];
    }

    ngx_recs_inquiry_begin(inquiry, NGX_RECS_INQUIRY_VERSION, &args[1]);
    ngx_recs_redis_batch_send(&inquiry->batch, 0, NGX_RECS_INQUIRY_ARGS, args,
                              ngx_recs_inquiry_descriptor_value);

    ngx_recs_inquiry_ask_rolled_back(inquiry, buf);

    ngx_recs_redis_batch_sent(&inquiry->batch);
}


/*
 * Were these three rolled back?  And which others were, of which some are
 * remembered?
 */

static void
ngx_recs_inquiry_ask_rolled_back(ngx_recs_inquiry_t *inquiry, u_char *buf)
{
    ngx_str_t  args[2 + NGX_RECS_SAID_VERSIONS];

    ngx_str_set(&args[0], "SMISMEMBER");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:rolled_back",
                              &inquiry->verdict.snapshots->prefix) - buf;
    args[2] = ngx_recs_text_str(&inquiry->verdict.said.version);
    args[3] = ngx_recs_text_str(&inquiry->verdict.before.active.version);
    args[4] = ngx_recs_text_str(&inquiry->verdict.before.previous.version);

    ngx_recs_redis_batch_send(&inquiry->batch, 1, 2 + NGX_RECS_SAID_VERSIONS,
                              args, ngx_recs_inquiry_rolled_back_value);

    ngx_str_set(&args[0], "SRANDMEMBER");
    ngx_str_set(&args[2], NGX_RECS_INQUIRY_MARKS);

    ngx_recs_redis_batch_send(&inquiry->batch, 2, 3, args,
                              ngx_recs_inquiry_mark_value);
}


ngx_int_t
ngx_recs_inquiry_page(ngx_recs_inquiry_t *inquiry)
{
    u_char            buf[NGX_RECS_INQUIRY_KEY];
    ngx_str_t         key, version;
    ngx_recs_text_t  *active, kept;

    active = &inquiry->verdict.state.active.version;

    if (active->len == 0
        || ngx_recs_text_eq(active, &inquiry->skip)
        || (ngx_recs_channel_default(inquiry->verdict.channel, &kept)
            && ngx_recs_text_eq(active, &kept)))
    {
        return NGX_DECLINED;
    }

    version = ngx_recs_text_str(active);
    key.data = buf;
    key.len = ngx_sprintf(buf, "%V:%V:u:_default",
                          &inquiry->verdict.snapshots->prefix, &version) - buf;

    ngx_recs_inquiry_begin(inquiry, NGX_RECS_INQUIRY_PAGE, &key);
    ngx_recs_inquiry_get(inquiry, &key, ngx_recs_inquiry_page_value);

    ngx_recs_redis_batch_sent(&inquiry->batch);

    return NGX_OK;
}


static void
ngx_recs_inquiry_keep_page(ngx_recs_inquiry_t *inquiry, ngx_str_t *page)
{
    ngx_recs_channel_t        *channel;
    ngx_recs_snapshots_t      *ss;
    ngx_recs_channel_state_t   now;

    ss = inquiry->verdict.snapshots;
    channel = inquiry->verdict.channel;

    if (ngx_recs_leader_lock(ss->leader) != NGX_OK) {
        return;
    }

    /* a guard may have left the version meanwhile */

    if (ngx_recs_channel_state(channel, &now)
        && ngx_recs_text_eq(&now.active.version,
                            &inquiry->verdict.state.active.version))
    {
        ngx_recs_channel_keep(channel, &inquiry->verdict.state.active, page);
        ss->shared->changes++;
    }

    ngx_recs_leader_unlock(ss->leader);
}


/* The page isn't asked for again while this version is active. */

static void
ngx_recs_inquiry_skip_page(ngx_recs_inquiry_t *inquiry, const ngx_str_t *why)
{
    ngx_str_t  version;

    inquiry->skip = inquiry->verdict.state.active.version;
    version = ngx_recs_text_str(&inquiry->skip);

    ngx_log_error(NGX_LOG_WARN, inquiry->verdict.log, 0,
                  "recs_snapshots \"%V\" channel \"%V\": the default page of "
                  "version \"%V\" can't be kept: %V",
                  &inquiry->verdict.snapshots->name,
                  &inquiry->verdict.channel->name, &version, why);
}


/* All keys of a step lie in the slot of this one. */

static void
ngx_recs_inquiry_begin(ngx_recs_inquiry_t *inquiry,
    ngx_recs_inquiry_step_e step, const ngx_str_t *key)
{
    inquiry->step = step;

    ngx_recs_redis_batch_begin(&inquiry->batch,
                               inquiry->verdict.snapshots->redis, key);
}


static void
ngx_recs_inquiry_get(ngx_recs_inquiry_t *inquiry, const ngx_str_t *key,
    ngx_recs_redis_value_pt value)
{
    ngx_str_t  args[2];

    ngx_str_set(&args[0], "GET");
    args[1] = *key;

    ngx_recs_redis_batch_send(&inquiry->batch, 0, 2, args, value);
}


static void
ngx_recs_inquiry_end(ngx_recs_redis_batch_t *batch, ngx_int_t rc)
{
    ngx_recs_inquiry_t  *inquiry;

    inquiry = batch->data;

    inquiry->handler(inquiry, rc);
}


/*
 * Without the history, or the marks of other versions, the look goes on and
 * knows less.
 */

static void
ngx_recs_inquiry_failed(ngx_recs_redis_batch_t *batch, ngx_uint_t n,
    const ngx_str_t *error)
{
    ngx_recs_said_t     *said;
    ngx_recs_inquiry_t  *inquiry;

    inquiry = batch->data;
    said = &inquiry->verdict.said;

    if (inquiry->step == NGX_RECS_INQUIRY_PAGE) {

        /* other errors (LOADING, BUSY) pass: they are asked again */

        if (batch->queries[n].query.too_large
            || ngx_strncmp(error->data, "WRONGTYPE", 9) == 0)
        {
            ngx_recs_inquiry_skip_page(inquiry, error);
        }

        return;
    }

    if (n == 2 || (n == 1 && inquiry->step == NGX_RECS_INQUIRY_POINTER))
    {
        said->told = 0;
        ngx_recs_inquiry_untold(inquiry, error);
        return;
    }

    if (said->error_len == 0) {
        said->error_len = ngx_min(error->len, NGX_RECS_REASON_MAX);
        ngx_memcpy(said->error, error->data, said->error_len);
    }
}


static void
ngx_recs_inquiry_untold(ngx_recs_inquiry_t *inquiry, const ngx_str_t *error)
{
    ngx_recs_snapshots_t  *ss;

    ss = inquiry->verdict.snapshots;

    if (ss->untold || ngx_strncmp(error->data, "LOADING", 7) == 0) {
        return;
    }

    ss->untold = 1;

    ngx_log_error(NGX_LOG_WARN, inquiry->verdict.log, 0,
                  "recs_snapshots \"%V\" can't read its history, or what was "
                  "rolled back: %V", &ss->name, error);
}


static ngx_recs_said_t *
ngx_recs_inquiry_said(ngx_recs_redis_query_t *query)
{
    ngx_recs_inquiry_t  *inquiry;

    inquiry = ngx_recs_redis_batch_of(query)->data;

    return &inquiry->verdict.said;
}


static ngx_int_t
ngx_recs_inquiry_pointer_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_inquiry_said(query);

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


/* The pointer was asked for before, so that the version is known. */

static ngx_int_t
ngx_recs_inquiry_history_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;
    ngx_recs_move_t   move;

    said = ngx_recs_inquiry_said(query);

    if (v->depth == 0) {
        said->told = v->type == NGX_RECS_REDIS_ARRAY;
        return said->told || v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    ngx_recs_move_read(&move, &v->str);

    if (move.time > ((uint64_t) ngx_time() + NGX_RECS_INQUIRY_AHEAD) * 1000) {
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
ngx_recs_inquiry_descriptor_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_inquiry_said(query);

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY
               && v->integer == NGX_RECS_DESCRIPTOR_FIELDS ? NGX_OK : NGX_ERROR;
    }

    if (v->type == NGX_RECS_REDIS_STRING) {
        ngx_recs_descriptor_set(&said->fields, v->index, &v->str);
        return NGX_OK;
    }

    return v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_recs_inquiry_rolled_back_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_inquiry_said(query);

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
ngx_recs_inquiry_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_said_t  *said;

    said = ngx_recs_inquiry_said(query);

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
ngx_recs_inquiry_page_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_inquiry_t  *inquiry;

    inquiry = ngx_recs_redis_batch_of(query)->data;

    if (v->type == NGX_RECS_REDIS_STRING && v->depth == 0) {

        if (v->str.len) {
            ngx_recs_inquiry_keep_page(inquiry, &v->str);
        }

        return NGX_OK;
    }

    return v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
}
