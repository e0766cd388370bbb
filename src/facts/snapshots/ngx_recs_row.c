
/*
 * A row is read in one or two round trips: first the user's own; if he has
 * none, that of the version before and the default page.  What Redis does not
 * tell, the default page in shared memory stands in for.
 */


#include "ngx_recs_row.h"
#include "ngx_recs_quiet.h"
#include "ngx_recs_rollout.h"


static ngx_uint_t ngx_recs_row_nobody(const ngx_str_t *user);
static ngx_int_t ngx_recs_row_ask_user(ngx_recs_row_t *row);
static ngx_int_t ngx_recs_row_ask_previous(ngx_recs_row_t *row);
static ngx_int_t ngx_recs_row_ask_default(ngx_recs_row_t *row);
static ngx_int_t ngx_recs_row_default(ngx_recs_row_t *row);
static ngx_int_t ngx_recs_row_next(ngx_recs_row_t *row);
static void ngx_recs_row_user(ngx_recs_row_t *row,
    const ngx_recs_row_reply_t *reply);
static ngx_int_t ngx_recs_row_missing(ngx_recs_row_t *row);
static ngx_int_t ngx_recs_row_settle(ngx_recs_row_t *row,
    ngx_recs_row_source_e source, const ngx_recs_row_reply_t *reply,
    const ngx_recs_descriptor_t *served);
static ngx_uint_t ngx_recs_row_doubted(ngx_recs_row_t *row,
    ngx_recs_row_source_e source, const ngx_recs_row_reply_t *reply);
static ngx_int_t ngx_recs_row_lost(ngx_recs_row_t *row,
    const ngx_recs_row_reply_t *reply);
static ngx_int_t ngx_recs_row_kept(ngx_recs_row_t *row);
static ngx_int_t ngx_recs_row_ask(ngx_recs_row_t *row, ngx_uint_t n,
    const ngx_recs_descriptor_t *of, const ngx_str_t *user);
static ngx_int_t ngx_recs_row_key(ngx_recs_row_t *row,
    const ngx_recs_descriptor_t *of, const ngx_str_t *user, ngx_str_t *key);
static ngx_int_t ngx_recs_row_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_row_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_row_deadline(ngx_event_t *ev);
static void ngx_recs_row_well(ngx_recs_row_t *row);
static void ngx_recs_row_ill(ngx_recs_row_t *row, const ngx_str_t *why);


static const ngx_str_t  ngx_recs_row_default_user = ngx_string("_default");


ngx_int_t
ngx_recs_row_read(ngx_recs_row_t *row)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    row->npending = 0;
    row->served = NULL;
    ngx_str_null(&row->text);

    for (i = 0; i < 2; i++) {
        row->replies[i].row = row;
        row->replies[i].query.slot = NULL;
    }

    ngx_recs_count(row->snapshots->counters->rows, 1);

    rc = ngx_recs_row_nobody(&row->user) ? ngx_recs_row_missing(row)
                                         : ngx_recs_row_ask_user(row);

    if (rc == NGX_AGAIN) {
        row->timer.handler = ngx_recs_row_deadline;
        row->timer.data = row;
        row->timer.log = row->log;

        ngx_add_timer(&row->timer, row->timeout);
    }

    if (rc == NGX_ERROR) {
        ngx_recs_row_cancel(row);
    }

    return rc;
}


/* Does the user have no row, whatever is in Redis? */

static ngx_uint_t
ngx_recs_row_nobody(const ngx_str_t *user)
{
    return user->len == 0 || user->len > NGX_RECS_USER_MAX
           || (user->len == ngx_recs_row_default_user.len
               && ngx_memcmp(user->data, ngx_recs_row_default_user.data,
                             user->len)
                  == 0);
}


/* The steps.  NGX_OK: settled; NGX_AGAIN: asked; NGX_ERROR: out of memory. */

static ngx_int_t
ngx_recs_row_ask_user(ngx_recs_row_t *row)
{
    row->step = NGX_RECS_ROW_ASK_USER;

    if (ngx_recs_row_ask(row, 0, &row->snapshot->active, &row->user)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_recs_row_next(row);
}


/* The default page is asked for, too: it must not take a third round trip. */

static ngx_int_t
ngx_recs_row_ask_previous(ngx_recs_row_t *row)
{
    row->step = NGX_RECS_ROW_ASK_PREVIOUS;

    if (ngx_recs_row_ask(row, 0, &row->snapshot->previous, &row->user)
        != NGX_OK
        || ngx_recs_row_default(row) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_recs_row_next(row);
}


static ngx_int_t
ngx_recs_row_ask_default(ngx_recs_row_t *row)
{
    row->step = NGX_RECS_ROW_ASK_DEFAULT;

    if (ngx_recs_row_default(row) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_recs_row_next(row);
}


/* The active version's default page: from shared memory, or it is asked for. */

static ngx_int_t
ngx_recs_row_default(ngx_recs_row_t *row)
{
    ngx_int_t                     rc;
    ngx_recs_row_reply_t         *reply;
    const ngx_recs_descriptor_t  *active;

    active = &row->snapshot->active;
    reply = &row->replies[1];

    rc = ngx_recs_snapshot_default(row->snapshots, row->snapshot->channel,
                                   &active->version, row->pool, &reply->text,
                                   &row->kept);
    if (rc == NGX_DECLINED) {
        return ngx_recs_row_ask(row, 1, active, &ngx_recs_row_default_user);
    }

    reply->state = NGX_RECS_REPLY_TEXT;

    return rc;
}


/* Goes on when all that was asked has its reply, or will have none. */

static ngx_int_t
ngx_recs_row_next(ngx_recs_row_t *row)
{
    ngx_recs_row_reply_t         *reply;
    const ngx_recs_descriptor_t  *active;

    if (row->npending) {
        return NGX_AGAIN;
    }

    active = &row->snapshot->active;
    reply = &row->replies[0];

    if (row->step == NGX_RECS_ROW_ASK_USER) {
        ngx_recs_row_user(row, reply);

        return reply->state == NGX_RECS_REPLY_NIL
               ? ngx_recs_row_missing(row)
               : ngx_recs_row_settle(row, NGX_RECS_ROW_USER, reply, active);
    }

    if (row->step == NGX_RECS_ROW_ASK_PREVIOUS
        && reply->state != NGX_RECS_REPLY_NIL)
    {
        return ngx_recs_row_settle(row, NGX_RECS_ROW_PREVIOUS, reply,
                                   &row->snapshot->previous);
    }

    return ngx_recs_row_settle(row, NGX_RECS_ROW_DEFAULT, &row->replies[1],
                               active);
}


/* A guard counts users without a row, where Redis is to be believed. */

static void
ngx_recs_row_user(ngx_recs_row_t *row, const ngx_recs_row_reply_t *reply)
{
    if (reply->state != NGX_RECS_REPLY_FAILED && !row->snapshot->lost) {
        ngx_recs_rollout_user(row->snapshots, row->snapshot,
                              reply->state == NGX_RECS_REPLY_NIL, row->log);
    }
}


static ngx_int_t
ngx_recs_row_missing(ngx_recs_row_t *row)
{
    ngx_recs_count(row->snapshots->counters->missing, 1);

    if (ngx_recs_row_nobody(&row->user)) {
        ngx_recs_count(row->snapshots->counters->nobody, 1);
    }

    row->replies[0].state = NGX_RECS_REPLY_NIL;

    if (row->snapshots->missing == NGX_RECS_MISSING_NONE) {
        return ngx_recs_row_settle(row, NGX_RECS_ROW_NONE, &row->replies[0],
                                   NULL);
    }

    if (row->snapshots->missing == NGX_RECS_MISSING_PREVIOUS
        && row->snapshot->previous.version.len
        && !ngx_recs_row_nobody(&row->user))
    {
        return ngx_recs_row_ask_previous(row);
    }

    return ngx_recs_row_ask_default(row);
}


static ngx_int_t
ngx_recs_row_settle(ngx_recs_row_t *row, ngx_recs_row_source_e source,
    const ngx_recs_row_reply_t *reply, const ngx_recs_descriptor_t *served)
{
    ngx_recs_snapshots_counters_t  *counters;

    counters = row->snapshots->counters;

    if (reply->state == NGX_RECS_REPLY_FAILED) {
        return ngx_recs_row_kept(row);
    }

    ngx_recs_row_well(row);

    if (row->snapshot->lost && ngx_recs_row_doubted(row, source, reply)) {
        return ngx_recs_row_lost(row, reply);
    }

    if (reply->state == NGX_RECS_REPLY_NIL) {
        row->source = NGX_RECS_ROW_NONE;
        ngx_recs_count(counters->none, 1);
        return NGX_OK;
    }

    row->served = served;

    if (reply->state == NGX_RECS_REPLY_TOO_LARGE
        || reply->text.len > row->max_size)
    {
        row->source = NGX_RECS_ROW_TOO_LARGE;
        ngx_recs_count(counters->too_large, 1);
        return NGX_OK;
    }

    row->source = source;
    row->text = reply->text;

    if (source == NGX_RECS_ROW_PREVIOUS) {
        ngx_recs_count(counters->previous, 1);

    } else if (source == NGX_RECS_ROW_DEFAULT) {
        ngx_recs_count(counters->defaults, 1);
    }

    return NGX_OK;
}


/* Could the answer be another one if Redis had lost nothing? */

static ngx_uint_t
ngx_recs_row_doubted(ngx_recs_row_t *row, ngx_recs_row_source_e source,
    const ngx_recs_row_reply_t *reply)
{
    if (ngx_recs_row_nobody(&row->user)) {
        return reply->state == NGX_RECS_REPLY_NIL
               && source == NGX_RECS_ROW_DEFAULT;
    }

    return reply->state == NGX_RECS_REPLY_NIL
           || source == NGX_RECS_ROW_DEFAULT;
}


/*
 * Redis has lost what it had, and the rows may be among it: nobody knows that
 * the user has none.  The default page may still be there.
 */

static ngx_int_t
ngx_recs_row_lost(ngx_recs_row_t *row, const ngx_recs_row_reply_t *reply)
{
    if (reply->state != NGX_RECS_REPLY_TEXT
        || reply->text.len > row->max_size)
    {
        return ngx_recs_row_kept(row);
    }

    row->source = NGX_RECS_ROW_KEPT;
    row->served = &row->snapshot->active;
    row->text = reply->text;
    ngx_recs_count(row->snapshots->counters->kept, 1);

    return NGX_OK;
}


/* Answers with what shared memory holds, of whichever version. */

static ngx_int_t
ngx_recs_row_kept(ngx_recs_row_t *row)
{
    ngx_int_t  rc;

    rc = ngx_recs_snapshot_default(row->snapshots, row->snapshot->channel,
                                   NULL, row->pool, &row->text, &row->kept);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED || row->text.len > row->max_size) {
        ngx_str_null(&row->text);
        row->source = NGX_RECS_ROW_UNKNOWN;
        ngx_recs_count(row->snapshots->counters->unknown, 1);
        return NGX_OK;
    }

    row->source = NGX_RECS_ROW_KEPT;
    row->served = &row->kept;
    ngx_recs_count(row->snapshots->counters->kept, 1);

    return NGX_OK;
}


/*
 * Asks for a user's row of a version; reply n becomes it.  NGX_OK (also if it
 * can't be asked: then there is no reply), or NGX_ERROR: out of memory.
 */

static ngx_int_t
ngx_recs_row_ask(ngx_recs_row_t *row, ngx_uint_t n,
    const ngx_recs_descriptor_t *of, const ngx_str_t *user)
{
    ngx_int_t               rc;
    ngx_str_t               args[2];
    ngx_recs_redis_t       *redis;
    ngx_recs_row_reply_t   *reply;
    ngx_recs_redis_conn_t  *conn;

    reply = &row->replies[n];
    reply->state = NGX_RECS_REPLY_FAILED;

    redis = row->snapshots->redis;

    ngx_str_set(&args[0], "GET");

    if (ngx_recs_row_key(row, of, user, &args[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    conn = ngx_recs_redis_pick(redis, &args[1]);
    if (conn == NULL) {
        ngx_recs_count(redis->counters->refused, 1);
        return NGX_OK;
    }

    reply->query.deadline = row->timeout;
    reply->query.value = ngx_recs_row_value;
    reply->query.done = ngx_recs_row_done;
    reply->query.data = reply;
    reply->query.max_bulk = row->max_size;

    rc = ngx_recs_redis_send(conn, &reply->query, 2, args);

    if (rc == NGX_OK) {
        row->npending++;
    }

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


/* The key is PREFIX:VERSION:u:USER, in the row's pool. */

static ngx_int_t
ngx_recs_row_key(ngx_recs_row_t *row, const ngx_recs_descriptor_t *of,
    const ngx_str_t *user, ngx_str_t *key)
{
    u_char     *p;
    ngx_str_t  *prefix;

    prefix = &row->snapshots->prefix;

    key->len = prefix->len + 1 + of->version.len + 3 + user->len;
    key->data = ngx_pnalloc(row->pool, key->len);

    if (key->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(key->data, prefix->data, prefix->len);
    *p++ = ':';
    p = ngx_cpymem(p, of->version.data, of->version.len);
    p = ngx_cpymem(p, ":u:", 3);
    ngx_memcpy(p, user->data, user->len);

    return NGX_OK;
}


static ngx_int_t
ngx_recs_row_value(ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v)
{
    ngx_recs_row_t        *row;
    ngx_recs_row_reply_t  *reply;

    reply = query->data;
    row = reply->row;

    if (v->type == NGX_RECS_REDIS_NIL) {
        reply->state = NGX_RECS_REPLY_NIL;
        return NGX_OK;
    }

    if (v->type != NGX_RECS_REDIS_STRING || v->depth) {
        return NGX_ERROR;
    }

    reply->text.len = v->str.len;
    reply->text.data = ngx_pnalloc(row->pool, v->str.len + 1);

    if (reply->text.data) {
        ngx_memcpy(reply->text.data, v->str.data, v->str.len);
        reply->state = NGX_RECS_REPLY_TEXT;
    }

    return NGX_OK;
}


static void
ngx_recs_row_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_row_t        *row;
    ngx_recs_row_reply_t  *reply;

    reply = query->data;
    row = reply->row;

    if (query->too_large) {
        reply->state = NGX_RECS_REPLY_TOO_LARGE;

    } else if (rc != NGX_OK) {
        reply->state = NGX_RECS_REPLY_FAILED;

        /* a lost connection was logged as such */

        if (rc == NGX_ERROR) {
            ngx_recs_row_ill(row, error);
        }
    }

    row->npending--;

    rc = ngx_recs_row_next(row);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_recs_row_cancel(row);
        row->source = NGX_RECS_ROW_UNKNOWN;

    } else {
        ngx_del_timer(&row->timer);
    }

    row->handler(row);
}


static void
ngx_recs_row_deadline(ngx_event_t *ev)
{
    ngx_uint_t             i;
    ngx_recs_row_t        *row;
    ngx_recs_row_reply_t  *reply;

    static const ngx_str_t  late = ngx_string("no reply in time");

    row = ev->data;

    for (i = 0; i < 2; i++) {
        reply = &row->replies[i];

        if (reply->query.slot) {
            ngx_recs_redis_late(&reply->query);
            ngx_recs_redis_forget(&reply->query);
            reply->state = NGX_RECS_REPLY_FAILED;
        }
    }

    ngx_recs_row_ill(row, &late);

    row->npending = 0;

    /* there is nothing more to ask: what was asked last has failed */

    if (ngx_recs_row_next(row) != NGX_OK) {
        row->source = NGX_RECS_ROW_UNKNOWN;
    }

    row->handler(row);
}


void
ngx_recs_row_cancel(ngx_recs_row_t *row)
{
    ngx_uint_t  i;

    if (row->timer.timer_set) {
        ngx_del_timer(&row->timer);
    }

    for (i = 0; i < 2; i++) {
        ngx_recs_redis_forget(&row->replies[i].query);
    }

    row->npending = 0;
}


static void
ngx_recs_row_well(ngx_recs_row_t *row)
{
    ngx_recs_snapshots_t  *ss;

    ss = row->snapshots;

    if (!ngx_recs_quiet_well(&ss->failed)) {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, row->log, 0,
                  "recs_snapshots \"%V\": redis \"%V\" gives rows again",
                  &ss->name, &ss->redis->name);
}


/* The key stays out of the log: it names the user. */

static void
ngx_recs_row_ill(ngx_recs_row_t *row, const ngx_str_t *why)
{
    ngx_str_t              version;
    ngx_recs_snapshots_t  *ss;

    ss = row->snapshots;

    if (ngx_recs_quiet_ill(&ss->failed)) {
        version = ngx_recs_text_str(&row->snapshot->active.version);

        ngx_log_error(NGX_LOG_ERR, row->log, 0,
                      "recs_snapshots \"%V\": redis \"%V\" gave no row of "
                      "version \"%V\": %V", &ss->name, &ss->redis->name,
                      &version, why);
    }
}
