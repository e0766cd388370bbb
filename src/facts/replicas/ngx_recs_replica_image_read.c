
/* A replica's image, read into the tables of a new zone. */


#include "ngx_recs_replica_image_read.h"
#include "ngx_recs_trust.h"


/* Slots that are cleared under one lock. */

#define NGX_RECS_REPLICA_IMAGE_SLOTS   (64 * 1024)


static const char *ngx_recs_replica_image_begin(
    ngx_recs_replica_reader_t *reader);
static void ngx_recs_replica_image_timer(ngx_event_t *ev);
static ngx_int_t ngx_recs_replica_image_clear(
    ngx_recs_replica_reader_t *reader);
static ngx_int_t ngx_recs_replica_image_piece(
    ngx_recs_replica_reader_t *reader, const char **why);
static ngx_int_t ngx_recs_replica_image_tail(
    ngx_recs_replica_reader_t *reader, const char **why);
static ngx_int_t ngx_recs_replica_image_publish(
    ngx_recs_replica_reader_t *reader,
    const ngx_recs_replica_image_tail_t *tail);
static ngx_msec_t ngx_recs_replica_image_confirmed(
    ngx_recs_replica_image_t *ri);
static void ngx_recs_replica_image_refuse(
    ngx_recs_replica_reader_t *reader, const char *why);


ngx_uint_t
ngx_recs_replica_image_read(ngx_recs_replica_reader_t *reader)
{
    const char  *why;

    if (ngx_recs_image_open(&reader->image->image) != NGX_OK) {
        return 0;
    }

    why = ngx_recs_replica_image_begin(reader);

    if (why) {
        ngx_recs_replica_image_refuse(reader, why);
        return 0;
    }

    reader->timer.handler = ngx_recs_replica_image_timer;
    reader->timer.data = reader;
    reader->timer.log = reader->writer->log;
    reader->timer.cancelable = 1;

    ngx_add_timer(&reader->timer, 1);

    return 1;
}


void
ngx_recs_replica_image_read_stop(ngx_recs_replica_reader_t *reader)
{
    if (reader->timer.timer_set) {
        ngx_del_timer(&reader->timer);
    }
}


/* Its head is read; the next table is begun, with its secret. */

static const char *
ngx_recs_replica_image_begin(ngx_recs_replica_reader_t *reader)
{
    int                        rc;
    ngx_recs_replica_image_t  *ri;

    ri = reader->image;

    if (ngx_recs_replica_image_room(ri) != NGX_OK) {
        return "there is no memory for it";
    }

    if (ngx_recs_image_get(&ri->image, &ri->head,
                           sizeof(ngx_recs_replica_image_head_t))
        != NGX_OK)
    {
        return ngx_recs_image_torn;
    }

    if (!ngx_recs_replica_lock(reader->writer)) {
        return "another worker keeps the lock";
    }

    rc = recs_table_rekey(&reader->writer->table, ri->head.secret);

    if (rc == 0) {
        rc = recs_table_begin(&reader->writer->table, RECS_TABLE_FRESH);
    }

    ngx_recs_replica_unlock(reader->writer);

    reader->clearing = 1;

    return rc == 0 ? NULL : "a leader died while loading";
}


static void
ngx_recs_replica_image_timer(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    const char                 *why;
    ngx_recs_replica_reader_t  *reader;

    reader = ev->data;
    why = ngx_recs_image_torn;
    rc = NGX_OK;

    for (i = 0; i < NGX_RECS_IMAGE_TURN && rc == NGX_OK; i++) {
        rc = reader->clearing ? ngx_recs_replica_image_clear(reader)
                                : ngx_recs_replica_image_piece(reader, &why);
    }

    switch (rc) {

    case NGX_OK:
        ngx_add_timer(&reader->timer, 1);
        break;

    case NGX_DONE:
        ngx_recs_image_close(&reader->image->image);
        reader->done(reader->data, NGX_OK);
        break;

    case NGX_AGAIN:                 /* not now: all of it later */
        ngx_recs_image_close(&reader->image->image);
        reader->done(reader->data, NGX_AGAIN);
        break;

    default: /* NGX_ERROR */
        ngx_recs_replica_image_refuse(reader, why);
        reader->done(reader->data, NGX_OK);
    }
}


static ngx_int_t
ngx_recs_replica_image_clear(ngx_recs_replica_reader_t *reader)
{
    int  rc;

    if (!ngx_recs_replica_lock(reader->writer)) {
        return NGX_AGAIN;
    }

    rc = recs_table_step(&reader->writer->table, NGX_RECS_REPLICA_IMAGE_SLOTS);

    ngx_recs_replica_unlock(reader->writer);

    if (rc == 0) {
        reader->clearing = 0;
    }

    return rc < 0 ? NGX_AGAIN : NGX_OK;
}


/* NGX_OK; NGX_DONE: all is there; NGX_AGAIN: not now; NGX_ERROR and *why. */

static ngx_int_t
ngx_recs_replica_image_piece(ngx_recs_replica_reader_t *reader,
    const char **why)
{
    uint64_t                   i, n;
    ngx_recs_replica_image_t  *ri;

    ri = reader->image;

    if (ngx_recs_image_get(&ri->image, &n, sizeof(n)) != NGX_OK
        || n > NGX_RECS_REPLICA_PIECE)
    {
        return NGX_ERROR;
    }

    if (n == 0) {
        return ngx_recs_replica_image_tail(reader, why);
    }

    if (ngx_recs_image_get(&ri->image, ri->prints, n * sizeof(uint64_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ri->scores && ngx_recs_image_get(&ri->image, ri->scores,
                                         n * sizeof(double))
                      != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_recs_replica_write_begin(reader->writer);

    for (i = 0; i < n; i++) {
        ngx_recs_replica_write(reader->writer, ri->prints[i],
                               ri->scores ? ri->scores[i] : 0);
    }

    ri->count += n;

    switch (ngx_recs_replica_write_end(reader->writer)) {

    case NGX_RECS_WRITE_OK:
        return NGX_OK;

    case NGX_RECS_WRITE_FULL:
        *why = "it holds more ids than \"capacity=\"";
        return NGX_ERROR;

    default: /* NGX_RECS_WRITE_REFUSED */
        return NGX_AGAIN;
    }
}


static ngx_int_t
ngx_recs_replica_image_tail(ngx_recs_replica_reader_t *reader, const char **why)
{
    ngx_recs_replica_image_t       *ri;
    ngx_recs_replica_image_tail_t   tail;

    ri = reader->image;

    if (ngx_recs_image_get(&ri->image, &tail,
                           sizeof(ngx_recs_replica_image_tail_t))
        != NGX_OK
        || ngx_recs_image_whole(&ri->image) != NGX_OK
        || tail.count != ri->count)
    {
        return NGX_ERROR;
    }

    if (recs_table_next(&reader->writer->table)
        < reader->writer->replica->guard.min_members)
    {
        *why = "it holds fewer ids than \"min_members=\"";
        return NGX_ERROR;
    }

    return ngx_recs_replica_image_publish(reader, &tail);
}


/*
 * The feed is followed on from there, once all that it may hold is known to be
 * in it.  Where that can't be proved it answers until the set is loaded.
 */

static ngx_int_t
ngx_recs_replica_image_publish(ngx_recs_replica_reader_t *reader,
    const ngx_recs_replica_image_tail_t *tail)
{
    recs_table_stat_t               stat;
    ngx_recs_replica_t             *replica;
    ngx_recs_position_t             position;
    ngx_recs_replica_shared_t      *shared;
    ngx_recs_replica_image_head_t  *head;

    replica = reader->writer->replica;
    shared = replica->shared;
    head = &reader->image->head;

    if (!ngx_recs_replica_lock(reader->writer)) {
        return NGX_AGAIN;
    }

    if (replica->set->trust) {
        ngx_recs_trust_restore(replica->set->trust, head->distrusted);
    }

    if (recs_table_publish(&reader->writer->table) != 0) {
        ngx_recs_replica_unlock(reader->writer);
        return NGX_AGAIN;
    }

    recs_table_stat(replica->table, &stat);

    position.generation = stat.generation;
    position.id.ms = head->ms;
    position.id.n = head->n;
    position.seq = head->seq;
    position.numbered = head->numbered;
    position.reached.ms = tail->ms;
    position.reached.n = tail->n;

    ngx_recs_replica_set_position(replica, &position);
    ngx_recs_image_taken(&reader->image->image);

    shared->confirmed = ngx_recs_replica_image_confirmed(reader->image);

    ngx_memory_barrier();
    shared->loaded = head->loaded;

    if (replica->feed.len && (head->ms || head->n) && (tail->ms || tail->n)) {
        shared->state = NGX_RECS_REPLICA_FOLLOWING;
    }

    ngx_recs_replica_unlock(reader->writer);

    ngx_log_error(NGX_LOG_NOTICE, reader->writer->log, 0,
                  "recs_set \"%V\": the replica holds %uL ids, of its image",
                  &replica->set->name, stat.ids);

    return NGX_DONE;
}


/*
 * As of ngx_current_msec.  After a clock was set back, nobody knows: it isn't
 * fresh at any rate.
 */

static ngx_msec_t
ngx_recs_replica_image_confirmed(ngx_recs_replica_image_t *ri)
{
    uint64_t     now;
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    if (now < ri->head.confirmed) {
        return ngx_current_msec - ri->replica->max_lag - 1;
    }

    return ngx_current_msec - (now - ri->head.confirmed);
}


/* The secret might be as torn as the rest: another one takes its place. */

static void
ngx_recs_replica_image_refuse(ngx_recs_replica_reader_t *reader,
    const char *why)
{
    u_char  secret[RECS_TABLE_SECRET];

    ngx_recs_image_refuse(&reader->image->image, why);

    if (ngx_recs_replica_secret(secret, reader->writer->log) != NGX_OK
        || !ngx_recs_replica_lock(reader->writer))
    {
        return;
    }

    (void) recs_table_rekey(&reader->writer->table, secret);

    ngx_recs_replica_unlock(reader->writer);
}
