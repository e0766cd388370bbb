
/* From Redis' set into a new table, which then replaces the one before. */


#include "ngx_recs_load.h"
#include "ngx_recs_held.h"

#include <math.h>


/* Elements that Redis is asked for at once. */

#define NGX_RECS_LOAD_COUNT   "1000"

/* Slots that are cleared or copied under one lock, and in one turn. */

#define NGX_RECS_LOAD_SLOTS   (16 * 1024)
#define NGX_RECS_LOAD_LOCKS   2


static void ngx_recs_load_again(ngx_recs_load_t *load, ngx_msec_t msec);
static void ngx_recs_load_timer(ngx_event_t *ev);
static void ngx_recs_load_answered(void *data, ngx_int_t rc,
    const ngx_str_t *error);
static void ngx_recs_load_broken(ngx_recs_load_t *load,
    ngx_recs_resync_e reason, const ngx_str_t *error);
static void ngx_recs_load_head(ngx_recs_load_t *load);
static ngx_int_t ngx_recs_load_last_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_load_try_feed(ngx_recs_load_t *load);
static ngx_int_t ngx_recs_load_tried_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_load_headed(ngx_recs_load_t *load);
static void ngx_recs_load_turn(ngx_recs_load_t *load);
static void ngx_recs_load_copied(ngx_recs_load_t *load);
static void ngx_recs_load_scan(ngx_recs_load_t *load);
static ngx_int_t ngx_recs_load_scan_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_load_scanned(ngx_recs_load_t *load);
static void ngx_recs_load_end(ngx_recs_load_t *load);
static void ngx_recs_load_publish(ngx_recs_load_t *load);
static void ngx_recs_load_published(ngx_recs_load_t *load, uint64_t had);
static ngx_uint_t ngx_recs_load_may(ngx_recs_load_t *load, uint64_t n);
static void ngx_recs_load_held_of(ngx_recs_load_t *load,
    ngx_recs_held_of_t *of);


ngx_int_t
ngx_recs_load_init(ngx_recs_load_t *load, ngx_cycle_t *cycle)
{
    load->timer.handler = ngx_recs_load_timer;
    load->timer.data = load;
    load->timer.log = cycle->log;
    load->timer.cancelable = 1;

    load->queries.replica = load->writer->replica;
    load->queries.answered = ngx_recs_load_answered;
    load->queries.data = load;

    ngx_recs_replica_query_init(&load->queries);

    return ngx_recs_feed_entry_init(&load->last, cycle);
}


void
ngx_recs_load_start(ngx_recs_load_t *load, ngx_msec_t msec, ngx_uint_t wrong)
{
    load->wrong = wrong;
    ngx_recs_load_again(load, msec);
}


static void
ngx_recs_load_again(ngx_recs_load_t *load, ngx_msec_t msec)
{
    ngx_recs_load_stop(load);

    load->step = NGX_RECS_LOAD_WAIT;

    if (msec) {
        ngx_add_timer(&load->timer, msec);

    } else {
        ngx_recs_load_head(load);
    }
}


void
ngx_recs_load_stop(ngx_recs_load_t *load)
{
    ngx_recs_redis_batch_forget(&load->queries.batch);

    if (load->timer.timer_set) {
        ngx_del_timer(&load->timer);
    }

    load->step = NGX_RECS_LOAD_IDLE;
}


static void
ngx_recs_load_timer(ngx_event_t *ev)
{
    ngx_recs_load_t  *load;

    load = ev->data;

    if (load->step == NGX_RECS_LOAD_WAIT) {
        ngx_recs_load_head(load);

    } else {
        ngx_recs_load_turn(load);
    }
}


static void
ngx_recs_load_answered(void *data, ngx_int_t rc, const ngx_str_t *error)
{
    ngx_recs_load_t *load = data;

    /* a lost connection: a cursor may mean nothing any more */

    if (rc == NGX_ABORT) {
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_recs_load_broken(load, NGX_RECS_RESYNC_FAILED, error);
        return;
    }

    switch (load->step) {

    case NGX_RECS_LOAD_HEAD:
        ngx_recs_load_headed(load);
        break;

    case NGX_RECS_LOAD_END:

        if (load->writer->replica->feed.len) {
            load->writer->position.reached = load->queries.ends[0];
        }

        ngx_recs_load_publish(load);
        break;

    default: /* NGX_RECS_LOAD_SCAN */
        ngx_recs_load_scanned(load);
    }
}


static void
ngx_recs_load_broken(ngx_recs_load_t *load, ngx_recs_resync_e reason,
    const ngx_str_t *error)
{
    ngx_recs_load_stop(load);
    load->broken(load->data, reason, error);
}


static void
ngx_recs_load_head(ngx_recs_load_t *load)
{
    ngx_str_t  args[NGX_RECS_FEED_END_ARGS];

    load->step = NGX_RECS_LOAD_HEAD;
    load->started = ngx_current_msec;
    load->last.begun = 0;

    ngx_memzero(&load->writer->position, sizeof(ngx_recs_position_t));

    ngx_recs_replica_query_begin(&load->queries);

    if (load->writer->replica->feed.len) {
        ngx_recs_feed_end_args(load->writer->replica, args);
        ngx_recs_redis_batch_send(&load->queries.batch, 0,
                                  NGX_RECS_FEED_END_ARGS, args,
                                  ngx_recs_load_last_value);
        ngx_recs_load_try_feed(load);
    }

    ngx_recs_replica_query_count(&load->queries, 1);
    ngx_recs_redis_batch_sent(&load->queries.batch);
}


/* The feed's last entry, all of it: entries are numbered on from there. */

static ngx_int_t
ngx_recs_load_last_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_load_t  *load;

    load = ngx_recs_replica_query_data(query);

    if (v->depth == 0) {
        load->last.begun = 0;
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->depth == 1) {
        ngx_recs_feed_entry_begin(&load->last);
    }

    return ngx_recs_feed_entry_value(&load->last, v->depth - 1, v);
}


/*
 * A user of Redis may lack the right to XREAD alone.  If that were learned when
 * the set is loaded, it would be scanned each second in vain.  So it is asked
 * before, for what comes after the feed's end: nothing.
 */

static void
ngx_recs_load_try_feed(ngx_recs_load_t *load)
{
    ngx_str_t  args[6];

    ngx_str_set(&args[0], "XREAD");
    ngx_str_set(&args[1], "COUNT");
    ngx_str_set(&args[2], "1");
    ngx_str_set(&args[3], "STREAMS");
    args[4] = load->writer->replica->feed;
    ngx_str_set(&args[5], "$");

    ngx_recs_redis_batch_send(&load->queries.batch, 2, 6, args,
                              ngx_recs_load_tried_value);
}


static ngx_int_t
ngx_recs_load_tried_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    return v->type == NGX_RECS_REDIS_NIL ? NGX_OK : NGX_ERROR;
}


static void
ngx_recs_load_headed(ngx_recs_load_t *load)
{
    int                         rc;
    recs_table_stat_t           stat;
    ngx_recs_position_t        *pos;
    ngx_recs_replica_writer_t  *w;

    w = load->writer;

    recs_table_stat(w->replica->table, &stat);

    if (load->queries.count > stat.capacity) {
        ngx_recs_load_broken(load, NGX_RECS_RESYNC_FULL, NULL);
        return;
    }

    if (!ngx_recs_load_may(load, load->queries.count)) {
        return;
    }

    if (load->wrong && w->replica->shared->state == NGX_RECS_REPLICA_FOLLOWING)
    {
        ngx_recs_replica_set_state(w, NGX_RECS_REPLICA_RESYNC);
    }

    if (load->last.begun) {
        pos = &w->position;
        pos->id = load->last.id;
        pos->numbered = (ngx_recs_feed_entry_end(&load->last) == NGX_OK);
        pos->seq = load->last.seq;
    }

    if (!ngx_recs_replica_lock(w)) {
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return;
    }

    rc = recs_table_begin(&w->table, RECS_TABLE_FRESH);

    ngx_recs_replica_unlock(w);

    if (rc != 0) {
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return;
    }

    load->step = NGX_RECS_LOAD_CLEAR;
    ngx_recs_load_turn(load);
}


/* The next table is cleared, or copied. */

static void
ngx_recs_load_turn(ngx_recs_load_t *load)
{
    int         rc;
    ngx_uint_t  i;

    rc = 1;

    for (i = 0; i < NGX_RECS_LOAD_LOCKS && rc == 1; i++) {

        if (!ngx_recs_replica_lock(load->writer)) {
            break;
        }

        rc = recs_table_step(&load->writer->table, NGX_RECS_LOAD_SLOTS);

        ngx_recs_replica_unlock(load->writer);
    }

    if (rc == 1) {
        ngx_add_timer(&load->timer, 1);
        return;
    }

    if (load->step == NGX_RECS_LOAD_COPY) {

        /* if it failed, it is begun again when that is noticed */

        load->step = NGX_RECS_LOAD_IDLE;

        if (rc == 0) {
            ngx_recs_load_copied(load);
        }

        return;
    }

    if (rc != 0) {
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return;
    }

    load->cursor[0] = '0';
    load->cursor_len = 1;

    ngx_recs_load_scan(load);
}


void
ngx_recs_load_copy(ngx_recs_load_t *load)
{
    int  rc;

    if (load->step != NGX_RECS_LOAD_IDLE
        || !ngx_recs_replica_lock(load->writer))
    {
        return;
    }

    rc = recs_table_begin(&load->writer->table, RECS_TABLE_COPY);

    ngx_recs_replica_unlock(load->writer);

    if (rc == 0) {
        load->step = NGX_RECS_LOAD_COPY;
        ngx_add_timer(&load->timer, 1);
    }
}


static void
ngx_recs_load_copied(ngx_recs_load_t *load)
{
    recs_table_stat_t           stat;
    ngx_recs_replica_writer_t  *w;

    w = load->writer;

    if (!ngx_recs_replica_lock(w)) {
        return;
    }

    if (recs_table_publish(&w->table) == 0) {
        recs_table_stat(w->replica->table, &stat);
        w->position.generation = stat.generation;
        ngx_recs_replica_set_position(w->replica, &w->position);
    }

    ngx_recs_replica_unlock(w);

    ngx_recs_idle_start(load->idle);
}


static void
ngx_recs_load_scan(ngx_recs_load_t *load)
{
    ngx_str_t            args[5];
    ngx_recs_replica_t  *replica;

    replica = load->writer->replica;

    args[0] = ngx_recs_set_type(replica->set->type)->scan;
    args[1] = replica->key;
    args[2].data = load->cursor;
    args[2].len = load->cursor_len;
    ngx_str_set(&args[3], "COUNT");
    ngx_str_set(&args[4], NGX_RECS_LOAD_COUNT);

    load->step = NGX_RECS_LOAD_SCAN;

    ngx_recs_replica_write_begin(load->writer);

    ngx_recs_replica_query_begin(&load->queries);
    ngx_recs_redis_batch_send(&load->queries.batch, 0, 5, args,
                              ngx_recs_load_scan_value);
    ngx_recs_redis_batch_sent(&load->queries.batch);
}


/* The cursor for the next piece, and an array: ids, or ids and scores. */

static ngx_int_t
ngx_recs_load_scan_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    double               score;
    uint64_t             print;
    ngx_uint_t           pairs;
    recs_str_t           id;
    ngx_recs_set_t      *set;
    ngx_recs_load_t     *load;
    ngx_recs_replica_t  *replica;

    load = ngx_recs_replica_query_data(query);
    replica = load->writer->replica;
    set = replica->set;

    if (v->depth == 0 || (v->depth == 1 && v->index == 1)) {
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    if (v->depth == 1) {

        if (v->str.len > sizeof(load->cursor)) {
            return NGX_ERROR;
        }

        ngx_memcpy(load->cursor, v->str.data, v->str.len);
        load->cursor_len = v->str.len;

        return NGX_OK;
    }

    pairs = ngx_recs_set_type(set->type)->pairs;

    if (!pairs || v->index % 2 == 0) {
        id = ngx_recs_span(&v->str);
        print = recs_table_fingerprint(replica->table, &id);

        if (!pairs) {
            ngx_recs_replica_write(load->writer, print, 0);

        } else {
            load->print = print;
        }

        return NGX_OK;
    }

    score = 0;

    if (set->scores && ngx_recs_set_number(&v->str, &score) != NGX_OK) {
        score = NAN;
    }

    ngx_recs_replica_write(load->writer, load->print, score);

    return NGX_OK;
}


static void
ngx_recs_load_scanned(ngx_recs_load_t *load)
{
    switch (ngx_recs_replica_write_end(load->writer)) {

    case NGX_RECS_WRITE_OK:
        break;

    case NGX_RECS_WRITE_FULL:
        ngx_recs_load_broken(load, NGX_RECS_RESYNC_FULL, NULL);
        return;

    default: /* NGX_RECS_WRITE_REFUSED */
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return;
    }

    if (load->cursor_len != 1 || load->cursor[0] != '0') {
        ngx_recs_load_scan(load);

    } else {
        ngx_recs_load_end(load);
    }
}


/*
 * The scan may have seen entries up to the feed's end as it is now.  One of a
 * key that goes meanwhile ends early, as if that had been all: how many ids are
 * there now?
 */

static void
ngx_recs_load_end(ngx_recs_load_t *load)
{
    load->step = NGX_RECS_LOAD_END;

    ngx_recs_replica_query_begin(&load->queries);

    if (load->writer->replica->feed.len) {
        ngx_recs_replica_query_end(&load->queries, 0);
    }

    ngx_recs_replica_query_count(&load->queries, 1);
    ngx_recs_redis_batch_sent(&load->queries.batch);
}


/*
 * What it says of an id was true at some moment since the load began.  The
 * feed's entries since then are applied to it next.
 */

static void
ngx_recs_load_publish(ngx_recs_load_t *load)
{
    uint64_t                    n;
    recs_table_stat_t           stat;
    ngx_recs_replica_writer_t  *w;

    w = load->writer;

    /* the key may have gone while it was scanned, or since */

    n = recs_table_next(&w->table);

    if (!ngx_recs_load_may(load, ngx_min(n, load->queries.count))) {
        return;
    }

    if (!ngx_recs_replica_lock(w)) {
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return;
    }

    recs_table_stat(w->replica->table, &stat);

    if (recs_table_publish(&w->table) != 0) {
        ngx_recs_replica_unlock(w);
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return;
    }

    ngx_recs_load_published(load, stat.ids);

    ngx_recs_idle_start(load->idle);

    load->loaded(load->data);
}


/* Called under the lock, and unlocks; had: the ids that there were before. */

static void
ngx_recs_load_published(ngx_recs_load_t *load, uint64_t had)
{
    ngx_msec_t                  took;
    ngx_uint_t                  level;
    recs_table_stat_t           stat;
    ngx_recs_held_of_t          of;
    ngx_recs_replica_t         *replica;
    ngx_recs_replica_shared_t  *shared;

    replica = load->writer->replica;
    shared = replica->shared;

    recs_table_stat(replica->table, &stat);

    level = (shared->state == NGX_RECS_REPLICA_FOLLOWING) ? NGX_LOG_INFO
                                                          : NGX_LOG_NOTICE;
    took = ngx_current_msec - load->started;

    load->writer->position.generation = stat.generation;
    ngx_recs_replica_set_position(replica, &load->writer->position);

    shared->image.used = 0;
    shared->confirmed = load->started;
    shared->load_time = took;
    shared->loaded = ngx_time();
    shared->state = NGX_RECS_REPLICA_FOLLOWING;
    (void) recs_guard_release(&shared->held);

    ngx_recs_replica_unlock(load->writer);

    load->step = NGX_RECS_LOAD_IDLE;

    ngx_recs_count(replica->counters->loads, 1);

    if (load->believed) {
        ngx_recs_load_held_of(load, &of);
        ngx_recs_held_log_believed(&of, had, stat.ids, load->timer.log);
    }

    ngx_log_error(level, load->timer.log, 0,
                  "recs_set \"%V\": the replica holds %uL ids, loaded in %Mms",
                  &replica->set->name, stat.ids, took);
}


/*
 * May n ids take the place of those that there are?  Else that is held back,
 * and false: Redis is looked at again later.
 */

static ngx_uint_t
ngx_recs_load_may(ngx_recs_load_t *load, uint64_t n)
{
    int                         changed;
    uint64_t                    had;
    recs_guard_e                verdict;
    recs_table_stat_t           stat;
    ngx_recs_held_of_t          of;
    ngx_recs_replica_t         *replica;
    ngx_recs_replica_shared_t  *shared;

    replica = load->writer->replica;
    shared = replica->shared;

    recs_table_stat(replica->table, &stat);
    had = shared->loaded ? stat.ids : 0;

    verdict = recs_guard_judge(&replica->guard, &shared->held, had, n,
                               ngx_current_msec);
    load->believed = (verdict == RECS_GUARD_BELIEVE);

    if (!recs_guard_holds(verdict)) {
        return 1;
    }

    if (!ngx_recs_replica_lock(load->writer)) {
        ngx_recs_load_again(load, NGX_RECS_REPLICA_SOON);
        return 0;
    }

    changed = recs_guard_hold(&replica->guard, &shared->held, verdict, had, n,
                              ngx_current_msec, ngx_time());
    shared->state = NGX_RECS_REPLICA_HELD;

    ngx_recs_replica_unlock(load->writer);

    ngx_recs_count(replica->counters->failures, 1);

    if (changed) {
        ngx_recs_load_held_of(load, &of);
        ngx_recs_held_log(&of, &replica->guard, &shared->held,
                          load->timer.log);
    }

    ngx_recs_load_again(load, NGX_RECS_REPLICA_RETRY);

    return 0;
}


static void
ngx_recs_load_held_of(ngx_recs_load_t *load, ngx_recs_held_of_t *of)
{
    ngx_recs_replica_t  *replica;

    replica = load->writer->replica;

    of->directive = "recs_set";
    of->name = &replica->set->name;
    of->redis = replica->set->redis;
    of->source = &replica->key;
    of->members = "ids";
    of->none = "there is no replica, the set gives no answer";
}
