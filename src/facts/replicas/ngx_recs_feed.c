
/* The feed, read as it grows, and applied entry by entry. */


#include "ngx_recs_feed.h"


/* How long Redis waits for an entry, ms. */

#define NGX_RECS_FEED_BLOCK   100
#define NGX_RECS_FEED_BLOCK_  "100"

/*
 * Entries that are asked for at once.  conf/recs.lua puts up to 1000 ids into
 * one, which take half a millisecond; a connection hands over only some in one
 * turn.
 */

#define NGX_RECS_FEED_COUNT   20
#define NGX_RECS_FEED_COUNT_  "20"

/* How often it is proved that the last entry is still there, ms. */

#define NGX_RECS_FEED_PROVE   1000


static void ngx_recs_feed_ready(ngx_recs_redis_private_t *conn);
static void ngx_recs_feed_timer(ngx_event_t *ev);
static void ngx_recs_feed_read(ngx_recs_feed_t *feed);
static ngx_int_t ngx_recs_feed_prove(ngx_recs_feed_t *feed);
static ngx_int_t ngx_recs_feed_prove_entry(ngx_recs_feed_t *feed,
    ngx_recs_redis_query_t *proof, const ngx_recs_feed_id_t *id);
static ngx_int_t ngx_recs_feed_proof_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_feed_proof_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static ngx_int_t ngx_recs_feed_mark(ngx_recs_feed_t *feed);
static ngx_int_t ngx_recs_feed_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_feed_mark_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static ngx_int_t ngx_recs_feed_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_feed_entries_value(ngx_recs_feed_t *feed,
    ngx_uint_t depth, const ngx_recs_redis_value_t *v);
static void ngx_recs_feed_apply(ngx_recs_feed_t *feed);
static void ngx_recs_feed_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_feed_read_all(ngx_recs_feed_t *feed);
static void ngx_recs_feed_confirm(ngx_recs_feed_t *feed, ngx_msec_t then);
static void ngx_recs_feed_unwritten(ngx_recs_feed_t *feed);


ngx_int_t
ngx_recs_feed_init(ngx_recs_feed_t *feed)
{
    feed->conn.redis = feed->writer->replica->set->redis;
    feed->conn.key = feed->writer->replica->feed;
    feed->conn.ready = ngx_recs_feed_ready;
    feed->conn.data = feed;

    feed->timer.handler = ngx_recs_feed_timer;
    feed->timer.data = feed;
    feed->timer.log = feed->cycle->log;
    feed->timer.cancelable = 1;

    feed->compare.writer = feed->writer;
    feed->compare.broken = feed->broken;
    feed->compare.data = feed->data;

    ngx_recs_compare_init(&feed->compare, feed->cycle);

    return ngx_recs_feed_entry_init(&feed->entry, feed->cycle);
}


ngx_int_t
ngx_recs_feed_start(ngx_recs_feed_t *feed)
{
    ngx_recs_compare_start(&feed->compare);

    return ngx_recs_redis_open_private(&feed->conn, feed->cycle);
}


void
ngx_recs_feed_stop(ngx_recs_feed_t *feed)
{
    ngx_recs_redis_close_private(&feed->conn);
    feed->open = 0;

    if (feed->timer.timer_set) {
        ngx_del_timer(&feed->timer);
    }

    ngx_recs_compare_stop(&feed->compare);
}


/*
 * Where no entry was read yet, nothing can prove that it is still the same
 * Redis with the same data: counts are compared at once.
 */

static void
ngx_recs_feed_ready(ngx_recs_redis_private_t *conn)
{
    ngx_recs_feed_t      *feed;
    ngx_recs_position_t  *pos;

    feed = conn->data;
    pos = &feed->writer->position;

    feed->open = 1;
    feed->proved = 0;
    feed->behind = 0;
    feed->marked = 0;

    if (pos->id.ms == 0 && pos->id.n == 0) {
        ngx_recs_compare_soon(&feed->compare);
    }

    ngx_recs_feed_read(feed);
}


static void
ngx_recs_feed_timer(ngx_event_t *ev)
{
    ngx_recs_feed_read(ev->data);
}


static void
ngx_recs_feed_read(ngx_recs_feed_t *feed)
{
    u_char     from[NGX_RECS_FEED_ID_LEN];
    ngx_str_t  args[8];

    if (!feed->open || feed->read.slot) {
        return;
    }

    ngx_str_set(&args[0], "XREAD");
    ngx_str_set(&args[1], "COUNT");
    ngx_str_set(&args[2], NGX_RECS_FEED_COUNT_);
    ngx_str_set(&args[3], "BLOCK");
    ngx_str_set(&args[4], NGX_RECS_FEED_BLOCK_);
    ngx_str_set(&args[5], "STREAMS");
    args[6] = feed->writer->replica->feed;
    ngx_recs_feed_id_write(&feed->writer->position.id, from, &args[7]);

    feed->entry.begun = 0;
    feed->nentries = 0;
    feed->written = NGX_RECS_WRITE_OK;
    feed->asked = ngx_current_msec;

    feed->read.value = ngx_recs_feed_value;
    feed->read.done = ngx_recs_feed_done;
    feed->read.data = feed;
    feed->read.block = NGX_RECS_FEED_BLOCK;

    /* a connection that is lost meanwhile will be ready again */

    if (ngx_recs_feed_prove(feed) == NGX_ERROR
        || ngx_recs_feed_mark(feed) == NGX_ERROR
        || ngx_recs_redis_send(feed->conn.conn, &feed->read, 8, args)
           == NGX_ERROR)
    {
        ngx_add_timer(&feed->timer, NGX_RECS_REPLICA_SOON);
    }
}


/*
 * Sent before the read, so that it is answered before.  Over a new connection
 * there may be another Redis, which lacks what came last.
 */

static ngx_int_t
ngx_recs_feed_prove(ngx_recs_feed_t *feed)
{
    ngx_recs_position_t  *pos;

    pos = &feed->writer->position;

    if (feed->proofs[0].slot || feed->proofs[1].slot
        || (feed->proved
            && ngx_current_msec - feed->proved_at < NGX_RECS_FEED_PROVE))
    {
        return NGX_OK;
    }

    if (!feed->proved && ngx_recs_feed_id_cmp(&pos->reached, &pos->id) > 0
        && ngx_recs_feed_prove_entry(feed, &feed->proofs[0], &pos->reached)
           == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    if (pos->id.ms == 0 && pos->id.n == 0) {
        return NGX_OK;
    }

    return ngx_recs_feed_prove_entry(feed, &feed->proofs[1], &pos->id);
}


static ngx_int_t
ngx_recs_feed_prove_entry(ngx_recs_feed_t *feed, ngx_recs_redis_query_t *proof,
    const ngx_recs_feed_id_t *id)
{
    u_char     buf[NGX_RECS_FEED_ID_LEN];
    ngx_str_t  args[4];

    ngx_str_set(&args[0], "XREVRANGE");
    args[1] = feed->writer->replica->feed;
    ngx_recs_feed_id_write(id, buf, &args[2]);
    args[3] = args[2];

    proof->value = ngx_recs_feed_proof_value;
    proof->done = ngx_recs_feed_proof_done;
    proof->data = feed;

    return ngx_recs_redis_send(feed->conn.conn, proof, 4, args);
}


static ngx_int_t
ngx_recs_feed_proof_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_feed_t  *feed;

    feed = query->data;

    if (v->depth == 0) {
        feed->found = (v->integer == 1);
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_recs_feed_proof_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_feed_t  *feed;

    feed = query->data;

    if (rc == NGX_ERROR) {
        feed->broken(feed->data, NGX_RECS_RESYNC_FAILED, error);
        return;
    }

    if (rc == NGX_ABORT) {
        return;
    }

    if (!feed->found) {
        feed->broken(feed->data, NGX_RECS_RESYNC_LOST, NULL);
        return;
    }

    feed->proved = 1;
    feed->proved_at = ngx_current_msec;
}


/* Sent before the read, and answered before it, even if that has to wait. */

static ngx_int_t
ngx_recs_feed_mark(ngx_recs_feed_t *feed)
{
    ngx_str_t  args[NGX_RECS_FEED_END_ARGS];

    if (!feed->behind || feed->marked || feed->mark.slot) {
        return NGX_OK;
    }

    ngx_recs_feed_end_args(feed->writer->replica, args);

    feed->ended = ngx_current_msec;
    feed->mark.value = ngx_recs_feed_mark_value;
    feed->mark.done = ngx_recs_feed_mark_done;
    feed->mark.data = feed;

    return ngx_recs_redis_send(feed->conn.conn, &feed->mark,
                               NGX_RECS_FEED_END_ARGS, args);
}


static ngx_int_t
ngx_recs_feed_mark_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_feed_t  *feed;

    feed = query->data;

    return ngx_recs_feed_end_value(v, &feed->end);
}


/*
 * A feed that ends before what was read from it isn't the one that was read:
 * the proof will say so.
 */

static void
ngx_recs_feed_mark_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_feed_t      *feed;
    ngx_recs_position_t  *pos;

    feed = query->data;
    pos = &feed->writer->position;

    if (rc == NGX_ERROR) {
        feed->broken(feed->data, NGX_RECS_RESYNC_FAILED, error);
        return;
    }

    if (rc == NGX_ABORT || ngx_recs_feed_id_cmp(&feed->end, &pos->id) < 0) {
        return;
    }

    feed->marked = 1;

    /* if that can't be said now, it is with the read's reply */

    if (ngx_recs_feed_id_cmp(&pos->id, &feed->end) >= 0
        && ngx_recs_replica_lock(feed->writer))
    {
        feed->marked = 0;
        ngx_recs_feed_confirm(feed, feed->ended);
        ngx_recs_replica_unlock(feed->writer);
    }
}


/*
 * One stream: its name, its entries; nil: nothing came.  In RESP2 they stand in
 * an array of streams; in RESP3 it has one floor less, as it is a map.
 */

static ngx_int_t
ngx_recs_feed_value(ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v)
{
    ngx_uint_t        depth;
    ngx_recs_feed_t  *feed;

    feed = query->data;

    if (v->depth == 0) {
        feed->map = (v->type == NGX_RECS_REDIS_ARRAY && v->resp3);

        return v->type == NGX_RECS_REDIS_NIL
               || (v->type == NGX_RECS_REDIS_ARRAY
                   && v->integer == (feed->map ? 2 : 1))
               ? NGX_OK : NGX_ERROR;
    }

    depth = v->depth + feed->map;

    switch (depth) {

    case 1:
        return v->type == NGX_RECS_REDIS_ARRAY && v->integer == 2
               ? NGX_OK : NGX_ERROR;

    case 2:
        return v->type == (v->index ? NGX_RECS_REDIS_ARRAY
                                    : NGX_RECS_REDIS_STRING)
               ? NGX_OK : NGX_ERROR;

    default:
        return ngx_recs_feed_entries_value(feed, depth - 3, v);
    }
}


/* A value of the array of entries; each is applied once it is complete. */

static ngx_int_t
ngx_recs_feed_entries_value(ngx_recs_feed_t *feed, ngx_uint_t depth,
    const ngx_recs_redis_value_t *v)
{
    if (feed->written != NGX_RECS_WRITE_OK) {
        return NGX_OK;
    }

    if (depth == 0) {
        ngx_recs_feed_apply(feed);
        ngx_recs_feed_entry_begin(&feed->entry);
        feed->nentries++;
    }

    return ngx_recs_feed_entry_value(&feed->entry, depth, v);
}


/* An entry that was begun is complete. */

static void
ngx_recs_feed_apply(ngx_recs_feed_t *feed)
{
    if (!feed->entry.begun || feed->written != NGX_RECS_WRITE_OK) {
        return;
    }

    feed->written = ngx_recs_replica_apply(feed->writer, &feed->entry);

    if (feed->written == NGX_RECS_WRITE_OK) {
        ngx_recs_compare_applied(&feed->compare);
    }
}


static void
ngx_recs_feed_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_feed_t  *feed;

    feed = query->data;

    if (rc == NGX_ABORT) {
        feed->open = 0;
        return;
    }

    if (rc == NGX_ERROR) {
        feed->broken(feed->data, NGX_RECS_RESYNC_FAILED, error);
        return;
    }

    ngx_recs_feed_apply(feed);

    if (feed->written == NGX_RECS_WRITE_OK) {
        ngx_recs_feed_read_all(feed);
    }

    if (feed->written != NGX_RECS_WRITE_OK) {
        ngx_recs_feed_unwritten(feed);
        return;
    }

    ngx_recs_compare_end(&feed->compare);

    if (!feed->open) {
        return;
    }

    if (recs_table_worn(feed->writer->replica->table)) {
        feed->worn(feed->data);
    }

    ngx_recs_feed_read(feed);
}


/*
 * All of the reply is applied.  It may have been read long after it was sent,
 * by a worker that was stopped: it says how things were when Redis had waited
 * long enough.
 */

static void
ngx_recs_feed_read_all(ngx_recs_feed_t *feed)
{
    ngx_msec_t                  waited;
    ngx_recs_replica_writer_t  *w;

    w = feed->writer;

    if (!ngx_recs_replica_lock(w)) {
        feed->written = NGX_RECS_WRITE_REFUSED;
        return;
    }

    if (feed->nentries) {
        ngx_recs_replica_set_position(w->replica, &w->position);
    }

    feed->behind = (feed->nentries == NGX_RECS_FEED_COUNT);

    if (!feed->behind) {
        waited = ngx_min(ngx_current_msec - feed->asked, NGX_RECS_FEED_BLOCK);

        feed->marked = 0;
        ngx_recs_feed_confirm(feed, feed->asked + waited);

    } else if (feed->marked
               && ngx_recs_feed_id_cmp(&w->position.id, &feed->end) >= 0)
    {
        feed->marked = 0;
        ngx_recs_feed_confirm(feed, feed->ended);
    }

    ngx_recs_replica_unlock(w);
}


/* The replica was what Redis had at that time, or later.  Locked. */

static void
ngx_recs_feed_confirm(ngx_recs_feed_t *feed, ngx_msec_t then)
{
    ngx_recs_replica_shared_t  *shared;

    shared = feed->writer->replica->shared;

    ngx_memory_barrier();
    shared->confirmed = then;
    shared->image.used = 0;
}


/* What was refused is read again in a while, from what was applied on. */

static void
ngx_recs_feed_unwritten(ngx_recs_feed_t *feed)
{
    ngx_recs_resync_e  reason;

    switch (feed->written) {

    case NGX_RECS_WRITE_MALFORMED:
        reason = NGX_RECS_RESYNC_ENTRY;
        break;

    case NGX_RECS_WRITE_GAP:
        reason = NGX_RECS_RESYNC_GAP;
        break;

    case NGX_RECS_WRITE_FEW:
        reason = NGX_RECS_RESYNC_FEW;
        break;

    case NGX_RECS_WRITE_FULL:
        reason = NGX_RECS_RESYNC_FULL;
        break;

    default: /* NGX_RECS_WRITE_REFUSED */
        ngx_add_timer(&feed->timer, NGX_RECS_REPLICA_SOON);
        return;
    }

    feed->broken(feed->data, reason, NULL);
}
