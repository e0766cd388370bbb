
/*
 * The feed, read as it grows, over a connection of its own.  Each reply, also
 * that nothing came, says that the replica is what Redis has; but for one that
 * is full, as there may be more.  Where the feed ends is asked with the next
 * one: once that is reached, the replica is what Redis had then.  So its age is
 * known however many entries come, and in pieces of whatever size.
 */


#include "ngx_recs_replica_leader.h"


/* How long Redis waits for an entry, ms. */

#define NGX_RECS_FEED_BLOCK   100
#define NGX_RECS_FEED_BLOCK_  "100"

/* How often it is proved that the last entry is still there, ms. */

#define NGX_RECS_FEED_PROVE   1000

/* Counts that could not be compared, or differ, are compared again, ms. */

#define NGX_RECS_FEED_SOON    200


static void ngx_recs_feed_ready(ngx_recs_redis_private_t *conn);
static ngx_int_t ngx_recs_feed_prove(ngx_recs_follow_t *f);
static ngx_int_t ngx_recs_feed_prove_entry(ngx_recs_follow_t *f,
    ngx_recs_redis_query_t *proof, const ngx_recs_feed_id_t *id);
static ngx_int_t ngx_recs_feed_proof_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_feed_proof_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static ngx_int_t ngx_recs_feed_mark(ngx_recs_follow_t *f);
static ngx_int_t ngx_recs_feed_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_feed_mark_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static ngx_int_t ngx_recs_feed_end_read(const ngx_recs_redis_value_t *v,
    ngx_recs_feed_id_t *end);
static ngx_int_t ngx_recs_feed_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_feed_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_feed_read_all(ngx_recs_follow_t *f);
static void ngx_recs_feed_confirm(ngx_recs_follow_t *f, ngx_msec_t then);
static void ngx_recs_feed_again(ngx_recs_follow_t *f);
static void ngx_recs_feed_count_later(ngx_recs_follow_t *f);
static void ngx_recs_feed_count(ngx_event_t *ev);
static void ngx_recs_feed_compare(ngx_recs_follow_t *f);


void
ngx_recs_feed_start(ngx_recs_follow_t *f)
{
    ngx_msec_int_t       left;
    ngx_recs_replica_t  *replica;

    replica = f->replica;

    f->differed = 0;
    f->comparing = 0;
    f->compared = 0;

    if (replica->feed.len == 0) {
        left = replica->shared->confirmed + replica->resync - ngx_current_msec;
        ngx_recs_load(f, ngx_max(left, 1));
        return;
    }

    f->counter.handler = ngx_recs_feed_count;
    f->counter.data = f;
    f->counter.log = f->log;
    f->counter.cancelable = 1;

    ngx_recs_feed_count_later(f);

    f->conn.redis = replica->set->redis;
    f->conn.ready = ngx_recs_feed_ready;
    f->conn.data = f;

    if (ngx_recs_redis_open_private(&f->conn, f->cycle) != NGX_OK) {
        ngx_recs_load(f, NGX_RECS_FOLLOW_RETRY);
    }
}


void
ngx_recs_feed_stop(ngx_recs_follow_t *f)
{
    ngx_recs_redis_close_private(&f->conn);
    f->open = 0;

    if (f->counter.timer_set) {
        ngx_del_timer(&f->counter);
    }

    ngx_recs_follow_forget(f);
}


/*
 * Where no entry was read yet, nothing can prove that it is still the same
 * Redis with the same data: counts are compared at once.
 */

static void
ngx_recs_feed_ready(ngx_recs_redis_private_t *conn)
{
    ngx_recs_follow_t  *f;

    f = conn->data;

    f->open = 1;
    f->proved = 0;
    f->behind = 0;
    f->marked = 0;

    if (f->position.id.ms == 0 && f->position.id.n == 0) {
        ngx_add_timer(&f->counter, 1);
    }

    ngx_recs_feed_read(f);
}


void
ngx_recs_feed_read(ngx_recs_follow_t *f)
{
    u_char     from[NGX_RECS_FEED_ID_LEN];
    ngx_str_t  args[8];

    if (!f->open || f->read.slot) {
        return;
    }

    ngx_str_set(&args[0], "XREAD");
    ngx_str_set(&args[1], "COUNT");
    ngx_str_set(&args[2], NGX_RECS_FOLLOW_COUNT_);
    ngx_str_set(&args[3], "BLOCK");
    ngx_str_set(&args[4], NGX_RECS_FEED_BLOCK_);
    ngx_str_set(&args[5], "STREAMS");
    args[6] = f->replica->feed;
    ngx_recs_feed_id_write(&f->position.id, from, &args[7]);

    ngx_recs_follow_entries_begin(f);
    f->which = RECS_TABLE_ACTIVE;
    f->asked = ngx_current_msec;

    f->read.value = ngx_recs_feed_value;
    f->read.done = ngx_recs_feed_done;
    f->read.data = f;
    f->read.block = NGX_RECS_FEED_BLOCK;

    /* a connection that is lost meanwhile will be ready again */

    if (ngx_recs_feed_prove(f) == NGX_ERROR
        || ngx_recs_feed_mark(f) == NGX_ERROR
        || ngx_recs_redis_send(f->conn.conn, &f->read, 8, args) == NGX_ERROR)
    {
        ngx_recs_feed_again(f);
    }
}


/*
 * Sent before the read, so that it is answered before.  Over a new connection
 * there may be another Redis, which lacks what came last.
 */

static ngx_int_t
ngx_recs_feed_prove(ngx_recs_follow_t *f)
{
    ngx_recs_position_t  *pos;

    pos = &f->position;

    if (f->proofs[0].slot || f->proofs[1].slot
        || (f->proved
            && ngx_current_msec - f->proved_at < NGX_RECS_FEED_PROVE))
    {
        return NGX_OK;
    }

    if (!f->proved && ngx_recs_feed_id_cmp(&pos->reached, &pos->id) > 0
        && ngx_recs_feed_prove_entry(f, &f->proofs[0], &pos->reached)
           == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    if (pos->id.ms == 0 && pos->id.n == 0) {
        return NGX_OK;
    }

    return ngx_recs_feed_prove_entry(f, &f->proofs[1], &pos->id);
}


static ngx_int_t
ngx_recs_feed_prove_entry(ngx_recs_follow_t *f, ngx_recs_redis_query_t *proof,
    const ngx_recs_feed_id_t *id)
{
    u_char     buf[NGX_RECS_FEED_ID_LEN];
    ngx_str_t  args[4];

    ngx_str_set(&args[0], "XRANGE");
    args[1] = f->replica->feed;
    ngx_recs_feed_id_write(id, buf, &args[2]);
    args[3] = args[2];

    proof->value = ngx_recs_feed_proof_value;
    proof->done = ngx_recs_feed_proof_done;
    proof->data = f;

    return ngx_recs_redis_send(f->conn.conn, proof, 4, args);
}


static ngx_int_t
ngx_recs_feed_proof_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_follow_t  *f;

    f = query->data;

    if (v->depth == 0) {
        f->found = (v->integer == 1);
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_recs_feed_proof_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_follow_t  *f;

    f = query->data;

    if (rc == NGX_ERROR) {
        ngx_recs_follow_failed(f, error);
        return;
    }

    if (rc == NGX_ABORT) {
        return;
    }

    if (!f->found) {
        ngx_recs_follow_resync(f, NGX_RECS_RESYNC_LOST);
        return;
    }

    f->proved = 1;
    f->proved_at = ngx_current_msec;
}


/* Sent before the read, and answered before it, even if that has to wait. */

static ngx_int_t
ngx_recs_feed_mark(ngx_recs_follow_t *f)
{
    ngx_str_t  args[NGX_RECS_LOAD_END_ARGS];

    if (!f->behind || f->marked || f->mark.slot) {
        return NGX_OK;
    }

    ngx_recs_load_end_args(f, args);

    f->ended = ngx_current_msec;
    f->mark.value = ngx_recs_feed_mark_value;
    f->mark.done = ngx_recs_feed_mark_done;
    f->mark.data = f;

    return ngx_recs_redis_send(f->conn.conn, &f->mark, NGX_RECS_LOAD_END_ARGS,
                               args);
}


static ngx_int_t
ngx_recs_feed_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_follow_t  *f;

    f = query->data;

    return ngx_recs_feed_end_read(v, &f->end);
}


/*
 * A feed that ends before what was read from it isn't the one that was read:
 * the proof will say so.
 */

static void
ngx_recs_feed_mark_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_follow_t  *f;

    f = query->data;

    if (rc == NGX_ERROR) {
        ngx_recs_follow_failed(f, error);
        return;
    }

    if (rc == NGX_ABORT || ngx_recs_feed_id_cmp(&f->end, &f->position.id) < 0)
    {
        return;
    }

    f->marked = 1;

    /* if that can't be said now, it is with the read's reply */

    if (ngx_recs_feed_id_cmp(&f->position.id, &f->end) >= 0
        && ngx_recs_follow_lock(f))
    {
        f->marked = 0;
        ngx_recs_feed_confirm(f, f->ended);
        ngx_recs_follow_unlock(f);
    }
}


/* One stream: its name, its entries; nil: nothing came. */

static ngx_int_t
ngx_recs_feed_value(ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v)
{
    switch (v->depth) {

    case 0:
        return v->type == NGX_RECS_REDIS_NIL
               || (v->type == NGX_RECS_REDIS_ARRAY && v->integer == 1)
               ? NGX_OK : NGX_ERROR;

    case 1:
        return v->type == NGX_RECS_REDIS_ARRAY && v->integer == 2
               ? NGX_OK : NGX_ERROR;

    case 2:
        return v->type == (v->index ? NGX_RECS_REDIS_ARRAY
                                    : NGX_RECS_REDIS_STRING)
               ? NGX_OK : NGX_ERROR;

    default:
        return ngx_recs_follow_entries_value(query->data, 3, v);
    }
}


static void
ngx_recs_feed_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_follow_t  *f;

    f = query->data;

    if (rc == NGX_ABORT) {
        f->open = 0;
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_recs_follow_failed(f, error);
        return;
    }

    ngx_recs_follow_entries_end(f);

    if (f->written == NGX_RECS_WRITE_OK) {
        ngx_recs_feed_read_all(f);
    }

    if (f->written == NGX_RECS_WRITE_REFUSED) {
        ngx_recs_feed_again(f);
        return;
    }

    if (f->written != NGX_RECS_WRITE_OK) {
        ngx_recs_follow_unwritten(f);
        return;
    }

    if (f->compared) {
        ngx_recs_feed_compare(f);

        if (!f->open) {
            return;
        }
    }

    if (f->step == NGX_RECS_STEP_IDLE && recs_table_worn(f->replica->table)) {
        ngx_recs_load_copy(f);
    }

    ngx_recs_feed_read(f);
}


/*
 * All of the reply is applied.  It may have been read long after it was sent,
 * by a worker that was stopped: it says how things were when Redis had waited
 * long enough.
 */

static void
ngx_recs_feed_read_all(ngx_recs_follow_t *f)
{
    ngx_msec_t  waited;

    if (!ngx_recs_follow_lock(f)) {
        f->written = NGX_RECS_WRITE_REFUSED;
        return;
    }

    if (f->nentries) {
        ngx_recs_replica_set_position(f->replica, &f->position);
    }

    f->behind = (f->nentries == NGX_RECS_FOLLOW_COUNT);

    if (!f->behind) {
        waited = ngx_min(ngx_current_msec - f->asked, NGX_RECS_FEED_BLOCK);

        f->marked = 0;
        ngx_recs_feed_confirm(f, f->asked + waited);

    } else if (f->marked
               && ngx_recs_feed_id_cmp(&f->position.id, &f->end) >= 0)
    {
        f->marked = 0;
        ngx_recs_feed_confirm(f, f->ended);
    }

    ngx_recs_follow_unlock(f);
}


/* The replica was what Redis had at that time, or later.  Locked. */

static void
ngx_recs_feed_confirm(ngx_recs_follow_t *f, ngx_msec_t then)
{
    ngx_recs_replica_shared_t  *shared;

    shared = f->replica->shared;

    ngx_memory_barrier();
    shared->confirmed = then;
    shared->image.used = 0;
}


/* Reads it again in a while, from what was applied on. */

static void
ngx_recs_feed_again(ngx_recs_follow_t *f)
{
    if (f->step == NGX_RECS_STEP_COPY) {
        f->step = NGX_RECS_STEP_IDLE;
    }

    ngx_add_timer(&f->timer, NGX_RECS_FOLLOW_SOON);
}


/* So that a set that differs is loaded within resync=. */

static void
ngx_recs_feed_count_later(ngx_recs_follow_t *f)
{
    ngx_msec_t  resync;

    resync = f->replica->resync;

    ngx_add_timer(&f->counter,
                  ngx_max(resync / 2, resync - 3 * NGX_RECS_FEED_SOON));
}


/*
 * How many ids Redis has, between two looks at the feed's end: if that is the
 * same, it is how many there were when that entry had been written.
 */

static void
ngx_recs_feed_count(ngx_event_t *ev)
{
    ngx_recs_follow_t      *f;
    ngx_recs_redis_conn_t  *conn;

    f = ev->data;

    ngx_recs_follow_forget(f);

    f->comparing = 0;
    f->error_len = 0;

    conn = ngx_recs_redis_pick(f->replica->set->redis, &f->replica->key);

    ngx_recs_load_ask_end(f, conn, 0, ngx_recs_feed_end_value);
    ngx_recs_load_ask_count(f, conn, 1);
    ngx_recs_load_ask_end(f, conn, 2, ngx_recs_feed_end_value);

    if (f->npending == 0) {
        ngx_recs_feed_counted(f);
    }
}


ngx_int_t
ngx_recs_feed_end_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_follow_t   *f;
    ngx_recs_feed_id_t  *end;

    f = ((ngx_recs_follow_query_t *) query->data)->follow;
    end = (query == &f->queries[0].query) ? &f->ends[0] : &f->ends[1];

    return ngx_recs_feed_end_read(v, end);
}


/* A value of XREVRANGE's reply, which has one entry at most. */

static ngx_int_t
ngx_recs_feed_end_read(const ngx_recs_redis_value_t *v,
    ngx_recs_feed_id_t *end)
{
    if (v->depth == 0) {
        end->ms = 0;
        end->n = 0;

        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->depth == 2 && v->index == 0) {
        return v->type == NGX_RECS_REDIS_STRING
               && ngx_recs_feed_id_read(&v->str, end) == NGX_OK
               ? NGX_OK : NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_recs_feed_counted(ngx_recs_follow_t *f)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_FOLLOW_QUERIES; i++) {
        if (f->queries[i].rc == NGX_ABORT) {
            ngx_add_timer(&f->counter, NGX_RECS_FEED_SOON);
            return;
        }
    }

    if (ngx_recs_follow_refused(f)) {
        return;
    }

    /* what comes first: the entry, or another try */

    ngx_add_timer(&f->counter, NGX_RECS_FEED_SOON);

    if (ngx_recs_feed_id_cmp(&f->ends[0], &f->ends[1]) == 0) {
        f->comparing = 1;
        ngx_recs_feed_applied(f);
    }

    if (f->compared) {
        ngx_recs_feed_compare(f);
    }
}


void
ngx_recs_feed_applied(ngx_recs_follow_t *f)
{
    recs_table_stat_t  stat;

    if (ngx_recs_feed_id_cmp(&f->position.id, &f->ends[0]) != 0) {
        return;
    }

    recs_table_stat(f->replica->table, &stat);

    f->comparing = 0;
    f->compared = 1;
    f->differs = (stat.ids != f->ids);
}


/*
 * Who writes the set and then the feed is between the two for a moment: once
 * is not enough.
 */

static void
ngx_recs_feed_compare(ngx_recs_follow_t *f)
{
    f->compared = 0;

    if (!f->differs) {
        f->differed = 0;
        ngx_recs_feed_count_later(f);
        return;
    }

    if (!f->differed) {
        f->differed = 1;
        ngx_add_timer(&f->counter, NGX_RECS_FEED_SOON);
        return;
    }

    ngx_recs_follow_resync(f, NGX_RECS_RESYNC_COUNT);
}
