
/* From Redis' set into a new table, which then replaces the one before. */


#include "ngx_recs_replica_leader.h"

#include <math.h>


/* Elements that Redis is asked for at once. */

#define NGX_RECS_LOAD_COUNT   "1000"

/* Slots that are cleared or copied under one lock, and in one turn. */

#define NGX_RECS_LOAD_SLOTS   (16 * 1024)
#define NGX_RECS_LOAD_LOCKS   2


static void ngx_recs_load_head(ngx_recs_follow_t *f);
static void ngx_recs_load_headed(ngx_recs_follow_t *f);
static void ngx_recs_load_turn(ngx_recs_follow_t *f);
static void ngx_recs_load_copied(ngx_recs_follow_t *f);
static void ngx_recs_load_scan(ngx_recs_follow_t *f);
static void ngx_recs_load_scanned(ngx_recs_follow_t *f);
static ngx_int_t ngx_recs_load_scan_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_load_end(ngx_recs_follow_t *f);
static void ngx_recs_load_publish(ngx_recs_follow_t *f);
static ngx_int_t ngx_recs_load_end_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_load_count_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);


/* By ngx_recs_set_type_e. */

static const ngx_str_t  ngx_recs_load_scans[] = {
    ngx_string("SSCAN"),
    ngx_string("ZSCAN"),
    ngx_string("HSCAN")
};

static const ngx_str_t  ngx_recs_load_counts[] = {
    ngx_string("SCARD"),
    ngx_string("ZCARD"),
    ngx_string("HLEN")
};


void
ngx_recs_load(ngx_recs_follow_t *f, ngx_msec_t msec)
{
    ngx_recs_follow_forget(f);

    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }

    f->step = NGX_RECS_STEP_WAIT;

    if (msec) {
        ngx_add_timer(&f->timer, msec);

    } else {
        ngx_recs_load_head(f);
    }
}


void
ngx_recs_load_step(ngx_recs_follow_t *f)
{
    if (f->step == NGX_RECS_STEP_WAIT) {
        ngx_recs_load_head(f);

    } else {
        ngx_recs_load_turn(f);
    }
}


void
ngx_recs_load_answered(ngx_recs_follow_t *f)
{
    /* a lost connection: a cursor may mean nothing any more */

    if (f->queries[0].rc == NGX_ABORT || f->queries[1].rc == NGX_ABORT) {
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
        return;
    }

    if (ngx_recs_follow_refused(f)) {
        return;
    }

    switch (f->step) {

    case NGX_RECS_STEP_HEAD:
        ngx_recs_load_headed(f);
        break;

    case NGX_RECS_STEP_END:

        if (f->replica->feed.len) {
            f->position.reached = f->ends[0];
        }

        ngx_recs_load_publish(f);
        break;

    default: /* NGX_RECS_STEP_SCAN */
        ngx_recs_load_scanned(f);
    }
}


/*
 * The next command of a step, or two, go out from here.  A feed is in the slot
 * of its set's key.
 */

static ngx_recs_redis_conn_t *
ngx_recs_load_conn(ngx_recs_follow_t *f, ngx_recs_step_e step)
{
    f->step = step;
    f->error_len = 0;
    f->written = NGX_RECS_WRITE_OK;
    f->queries[0].rc = NGX_OK;
    f->queries[1].rc = NGX_OK;

    return ngx_recs_redis_pick(f->replica->set->redis, &f->replica->key);
}


static void
ngx_recs_load_head(ngx_recs_follow_t *f)
{
    ngx_recs_redis_conn_t  *conn;

    f->started = ngx_current_msec;

    conn = ngx_recs_load_conn(f, NGX_RECS_STEP_HEAD);

    ngx_memzero(&f->position, sizeof(ngx_recs_position_t));
    f->last.begun = 0;

    if (f->replica->feed.len) {
        ngx_recs_load_ask_end(f, conn, 0, ngx_recs_load_end_value);
    }

    ngx_recs_load_ask_count(f, conn, 1);

    if (f->npending == 0) {
        ngx_recs_load_answered(f);
    }
}


static void
ngx_recs_load_headed(ngx_recs_follow_t *f)
{
    int                rc;
    recs_table_stat_t  stat;

    recs_table_stat(f->replica->table, &stat);

    if (f->ids > stat.capacity) {
        ngx_recs_follow_full(f);
        return;
    }

    if (!ngx_recs_follow_may(f, f->ids)) {
        return;
    }

    ngx_recs_follow_loading(f);

    if (f->last.begun) {
        f->position.id = f->last.id;
        f->position.numbered = (ngx_recs_entry_end(&f->last) == NGX_OK);
        f->position.seq = f->last.seq;
    }

    if (!ngx_recs_follow_lock(f)) {
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
        return;
    }

    rc = recs_table_begin(&f->writer, RECS_TABLE_FRESH);

    ngx_recs_follow_unlock(f);

    if (rc != 0) {
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
        return;
    }

    f->step = NGX_RECS_STEP_CLEAR;
    ngx_recs_load_turn(f);
}


/* The next table is cleared, or copied. */

static void
ngx_recs_load_turn(ngx_recs_follow_t *f)
{
    int         rc;
    ngx_uint_t  i;

    rc = 1;

    for (i = 0; i < NGX_RECS_LOAD_LOCKS && rc == 1; i++) {

        if (!ngx_recs_follow_lock(f)) {
            break;
        }

        rc = recs_table_step(&f->writer, NGX_RECS_LOAD_SLOTS);

        ngx_recs_follow_unlock(f);
    }

    if (rc == 1) {
        ngx_add_timer(&f->timer, 1);
        return;
    }

    if (f->step == NGX_RECS_STEP_COPY) {

        /* if it failed, it is begun again when that is noticed */

        f->step = NGX_RECS_STEP_IDLE;

        if (rc == 0) {
            ngx_recs_load_copied(f);
        }

        return;
    }

    if (rc != 0) {
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
        return;
    }

    f->cursor[0] = '0';
    f->cursor_len = 1;

    ngx_recs_load_scan(f);
}


void
ngx_recs_load_copy(ngx_recs_follow_t *f)
{
    int  rc;

    if (!ngx_recs_follow_lock(f)) {
        return;
    }

    rc = recs_table_begin(&f->writer, RECS_TABLE_COPY);

    ngx_recs_follow_unlock(f);

    if (rc == 0) {
        f->step = NGX_RECS_STEP_COPY;
        ngx_add_timer(&f->timer, 1);
    }
}


static void
ngx_recs_load_copied(ngx_recs_follow_t *f)
{
    recs_table_stat_t  stat;

    if (!ngx_recs_follow_lock(f)) {
        return;
    }

    if (recs_table_publish(&f->writer) == 0) {
        recs_table_stat(f->replica->table, &stat);
        f->position.generation = stat.generation;
        ngx_recs_replica_set_position(f->replica, &f->position);
    }

    ngx_recs_follow_unlock(f);

    ngx_recs_idle_start(f);
}


static void
ngx_recs_load_scan(ngx_recs_follow_t *f)
{
    ngx_str_t               args[5];
    ngx_recs_replica_t     *replica;
    ngx_recs_redis_conn_t  *conn;

    replica = f->replica;

    args[0] = ngx_recs_load_scans[replica->set->type];
    args[1] = replica->key;
    args[2].data = f->cursor;
    args[2].len = f->cursor_len;
    ngx_str_set(&args[3], "COUNT");
    ngx_str_set(&args[4], NGX_RECS_LOAD_COUNT);

    f->which = RECS_TABLE_NEXT;
    f->add = 1;
    f->nbatch = 0;

    conn = ngx_recs_load_conn(f, NGX_RECS_STEP_SCAN);

    ngx_recs_follow_send(f, conn, 0, 5, args, ngx_recs_load_scan_value);

    if (f->npending == 0) {
        ngx_recs_load_answered(f);
    }
}


/* The cursor for the next piece, and an array: ids, or ids and scores. */

static ngx_int_t
ngx_recs_load_scan_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    double              score;
    recs_str_t          id;
    ngx_recs_set_t     *set;
    ngx_recs_follow_t  *f;

    f = ((ngx_recs_follow_query_t *) query->data)->follow;
    set = f->replica->set;

    if (v->depth == 0 || (v->depth == 1 && v->index == 1)) {
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    if (v->depth == 1) {

        if (v->str.len > sizeof(f->cursor)) {
            return NGX_ERROR;
        }

        ngx_memcpy(f->cursor, v->str.data, v->str.len);
        f->cursor_len = v->str.len;

        return NGX_OK;
    }

    id = ngx_recs_span(&v->str);

    if (set->type == NGX_RECS_SET_PLAIN) {
        ngx_recs_follow_write(f,
                              recs_table_fingerprint(f->replica->table, &id),
                              0);
        return NGX_OK;
    }

    if (v->index % 2 == 0) {
        f->print = recs_table_fingerprint(f->replica->table, &id);
        return NGX_OK;
    }

    score = 0;

    if (set->scores && ngx_recs_set_number(&v->str, &score) != NGX_OK) {
        score = NAN;
    }

    ngx_recs_follow_write(f, f->print, score);

    return NGX_OK;
}


static void
ngx_recs_load_scanned(ngx_recs_follow_t *f)
{
    ngx_recs_follow_flush(f);

    if (f->written != NGX_RECS_WRITE_OK) {
        ngx_recs_follow_unwritten(f);
        return;
    }

    if (f->cursor_len != 1 || f->cursor[0] != '0') {
        ngx_recs_load_scan(f);

    } else {
        ngx_recs_load_end(f);
    }
}


/*
 * The scan may have seen entries up to the feed's end as it is now.  One of a
 * key that goes meanwhile ends early, as if that had been all: how many ids are
 * there now?
 */

static void
ngx_recs_load_end(ngx_recs_follow_t *f)
{
    ngx_recs_redis_conn_t  *conn;

    conn = ngx_recs_load_conn(f, NGX_RECS_STEP_END);

    if (f->replica->feed.len) {
        ngx_recs_load_ask_end(f, conn, 0, ngx_recs_feed_end_value);
    }

    ngx_recs_load_ask_count(f, conn, 1);

    if (f->npending == 0) {
        ngx_recs_load_answered(f);
    }
}


/*
 * What it says of an id was true at some moment since the load began.  The
 * feed's entries since then are applied to it next.
 */

static void
ngx_recs_load_publish(ngx_recs_follow_t *f)
{
    uint64_t                    had;
    ngx_msec_t                  took;
    ngx_uint_t                  level;
    recs_table_stat_t           stat;
    ngx_recs_replica_t         *replica;
    ngx_recs_replica_shared_t  *shared;

    replica = f->replica;
    shared = replica->shared;

    /* which may have gone while it was scanned, or since */

    if (!ngx_recs_follow_may(f, ngx_min(recs_table_next(&f->writer), f->ids)))
    {
        return;
    }

    if (!ngx_recs_follow_lock(f)) {
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
        return;
    }

    recs_table_stat(replica->table, &stat);
    had = stat.ids;

    if (recs_table_publish(&f->writer) != 0) {
        ngx_recs_follow_unlock(f);
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
        return;
    }

    recs_table_stat(replica->table, &stat);

    level = (shared->state == NGX_RECS_REPLICA_FOLLOWING) ? NGX_LOG_INFO
                                                          : NGX_LOG_NOTICE;
    took = ngx_current_msec - f->started;

    f->position.generation = stat.generation;
    ngx_recs_replica_set_position(replica, &f->position);

    shared->image.used = 0;
    shared->confirmed = f->started;
    shared->load_time = took;
    shared->loaded = ngx_time();
    shared->state = NGX_RECS_REPLICA_FOLLOWING;
    (void) recs_guard_release(&shared->held);

    ngx_recs_follow_unlock(f);

    ngx_recs_count(replica->counters->loads, 1);

    ngx_recs_follow_believed(f, had, stat.ids);

    ngx_log_error(level, f->log, 0,
                  "recs_set \"%V\": the replica holds %uL ids, loaded in %Mms",
                  &replica->set->name, stat.ids, took);

    f->step = NGX_RECS_STEP_IDLE;
    f->wrong = 0;

    ngx_recs_idle_start(f);
    ngx_recs_feed_start(f);
}


void
ngx_recs_load_ask_end(ngx_recs_follow_t *f, ngx_recs_redis_conn_t *conn,
    ngx_uint_t n,
    ngx_int_t (*value)(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v))
{
    ngx_str_t  args[NGX_RECS_LOAD_END_ARGS];

    ngx_recs_load_end_args(f, args);
    ngx_recs_follow_send(f, conn, n, NGX_RECS_LOAD_END_ARGS, args, value);
}


void
ngx_recs_load_end_args(ngx_recs_follow_t *f, ngx_str_t *args)
{
    ngx_str_set(&args[0], "XREVRANGE");
    args[1] = f->replica->feed;
    ngx_str_set(&args[2], "+");
    ngx_str_set(&args[3], "-");
    ngx_str_set(&args[4], "COUNT");
    ngx_str_set(&args[5], "1");
}


static ngx_int_t
ngx_recs_load_end_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_follow_t  *f;

    f = ((ngx_recs_follow_query_t *) query->data)->follow;

    if (v->depth == 0) {
        f->last.begun = 0;
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->depth == 1) {
        ngx_recs_entry_begin(&f->last);
    }

    return ngx_recs_entry_value(&f->last, v->depth - 1, v);
}


void
ngx_recs_load_ask_count(ngx_recs_follow_t *f, ngx_recs_redis_conn_t *conn,
    ngx_uint_t n)
{
    ngx_str_t  args[2];

    args[0] = ngx_recs_load_counts[f->replica->set->type];
    args[1] = f->replica->key;

    ngx_recs_follow_send(f, conn, n, 2, args, ngx_recs_load_count_value);
}


static ngx_int_t
ngx_recs_load_count_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_follow_t  *f;

    f = ((ngx_recs_follow_query_t *) query->data)->follow;

    if (v->type != NGX_RECS_REDIS_INTEGER || v->integer < 0) {
        return NGX_ERROR;
    }

    f->ids = v->integer;

    return NGX_OK;
}
