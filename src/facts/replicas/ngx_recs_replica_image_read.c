
/* A replica's image, read into the tables of a new zone. */


#include "ngx_recs_replica_leader.h"
#include "ngx_recs_trust.h"


/* Slots that are cleared under one lock. */

#define NGX_RECS_REPLICA_IMAGE_SLOTS   (64 * 1024)


static const char *ngx_recs_replica_image_begin(ngx_recs_follow_t *f);
static ngx_int_t ngx_recs_replica_image_clear(ngx_recs_follow_t *f);
static ngx_int_t ngx_recs_replica_image_piece(ngx_recs_follow_t *f,
    const char **why);
static ngx_int_t ngx_recs_replica_image_tail(ngx_recs_follow_t *f,
    const char **why);
static ngx_int_t ngx_recs_replica_image_publish(ngx_recs_follow_t *f,
    const ngx_recs_replica_image_tail_t *tail);
static ngx_msec_t ngx_recs_replica_image_confirmed(
    ngx_recs_replica_image_t *ri);
static void ngx_recs_replica_image_refuse(ngx_recs_follow_t *f,
    const char *why);


ngx_uint_t
ngx_recs_replica_image_read(ngx_recs_follow_t *f)
{
    const char  *why;

    if (ngx_recs_image_open(&f->image->image) != NGX_OK) {
        return 0;
    }

    why = ngx_recs_replica_image_begin(f);

    if (why) {
        ngx_recs_replica_image_refuse(f, why);
        return 0;
    }

    f->step = NGX_RECS_STEP_IMAGE;
    ngx_add_timer(&f->timer, 1);

    return 1;
}


/* Its head is read; the next table is begun, with its secret. */

static const char *
ngx_recs_replica_image_begin(ngx_recs_follow_t *f)
{
    int                        rc;
    ngx_recs_replica_image_t  *ri;

    ri = f->image;

    if (ngx_recs_replica_image_room(ri) != NGX_OK) {
        return "there is no memory for it";
    }

    if (ngx_recs_image_get(&ri->image, &ri->head,
                           sizeof(ngx_recs_replica_image_head_t))
        != NGX_OK)
    {
        return ngx_recs_image_torn;
    }

    if (!ngx_recs_follow_lock(f)) {
        return "another worker keeps the lock";
    }

    rc = recs_table_rekey(&f->writer, ri->head.secret);

    if (rc == 0) {
        rc = recs_table_begin(&f->writer, RECS_TABLE_FRESH);
    }

    ngx_recs_follow_unlock(f);

    ri->clearing = 1;
    f->which = RECS_TABLE_NEXT;
    f->add = 1;
    f->nbatch = 0;
    f->written = NGX_RECS_WRITE_OK;

    return rc == 0 ? NULL : "a leader died while loading";
}


void
ngx_recs_replica_image_step(ngx_recs_follow_t *f)
{
    ngx_int_t    rc;
    ngx_uint_t   i;
    const char  *why;

    why = ngx_recs_image_torn;
    rc = NGX_OK;

    for (i = 0; i < NGX_RECS_IMAGE_TURN && rc == NGX_OK; i++) {
        rc = f->image->clearing ? ngx_recs_replica_image_clear(f)
                                : ngx_recs_replica_image_piece(f, &why);
    }

    switch (rc) {

    case NGX_OK:
        ngx_add_timer(&f->timer, 1);
        break;

    case NGX_DONE:
        ngx_recs_image_close(&f->image->image);
        ngx_recs_follow_resume(f);
        break;

    case NGX_AGAIN:                 /* not now: all of it later */
        ngx_recs_image_close(&f->image->image);
        f->step = NGX_RECS_STEP_TAKE;
        ngx_add_timer(&f->timer, NGX_RECS_FOLLOW_SOON);
        break;

    default: /* NGX_ERROR */
        ngx_recs_replica_image_refuse(f, why);
        ngx_recs_load(f, 0);
    }
}


static ngx_int_t
ngx_recs_replica_image_clear(ngx_recs_follow_t *f)
{
    int  rc;

    if (!ngx_recs_follow_lock(f)) {
        return NGX_AGAIN;
    }

    rc = recs_table_step(&f->writer, NGX_RECS_REPLICA_IMAGE_SLOTS);

    ngx_recs_follow_unlock(f);

    if (rc == 0) {
        f->image->clearing = 0;
    }

    return rc < 0 ? NGX_AGAIN : NGX_OK;
}


/* NGX_OK; NGX_DONE: all is there; NGX_AGAIN: not now; NGX_ERROR and *why. */

static ngx_int_t
ngx_recs_replica_image_piece(ngx_recs_follow_t *f, const char **why)
{
    uint64_t                   i, n;
    ngx_recs_replica_image_t  *ri;

    ri = f->image;

    if (ngx_recs_image_get(&ri->image, &n, sizeof(n)) != NGX_OK
        || n > NGX_RECS_REPLICA_PIECE)
    {
        return NGX_ERROR;
    }

    if (n == 0) {
        return ngx_recs_replica_image_tail(f, why);
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

    for (i = 0; i < n; i++) {
        ngx_recs_follow_write(f, ri->prints[i],
                              ri->scores ? ri->scores[i] : 0);
    }

    ngx_recs_follow_flush(f);

    ri->count += n;

    if (f->written == NGX_RECS_WRITE_FULL) {
        *why = "it holds more ids than \"capacity=\"";
        return NGX_ERROR;
    }

    return f->written == NGX_RECS_WRITE_OK ? NGX_OK : NGX_AGAIN;
}


static ngx_int_t
ngx_recs_replica_image_tail(ngx_recs_follow_t *f, const char **why)
{
    ngx_recs_replica_image_t       *ri;
    ngx_recs_replica_image_tail_t   tail;

    ri = f->image;

    if (ngx_recs_image_get(&ri->image, &tail,
                           sizeof(ngx_recs_replica_image_tail_t))
        != NGX_OK
        || ngx_recs_image_whole(&ri->image) != NGX_OK
        || tail.count != ri->count)
    {
        return NGX_ERROR;
    }

    if (recs_table_next(&f->writer) < f->replica->guard.min_members) {
        *why = "it holds fewer ids than \"min_members=\"";
        return NGX_ERROR;
    }

    return ngx_recs_replica_image_publish(f, &tail);
}


/*
 * The feed is followed on from there, once all that it may hold is known to be
 * in it.  Where that can't be proved it answers until the set is loaded.
 */

static ngx_int_t
ngx_recs_replica_image_publish(ngx_recs_follow_t *f,
    const ngx_recs_replica_image_tail_t *tail)
{
    recs_table_stat_t               stat;
    ngx_recs_replica_t             *replica;
    ngx_recs_position_t             position;
    ngx_recs_replica_shared_t      *shared;
    ngx_recs_replica_image_head_t  *head;

    replica = f->replica;
    shared = replica->shared;
    head = &f->image->head;

    if (!ngx_recs_follow_lock(f)) {
        return NGX_AGAIN;
    }

    if (replica->set->trust) {
        ngx_recs_trust_restore(replica->set->trust, head->distrusted);
    }

    if (recs_table_publish(&f->writer) != 0) {
        ngx_recs_follow_unlock(f);
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
    ngx_recs_image_taken(&f->image->image);

    shared->confirmed = ngx_recs_replica_image_confirmed(f->image);

    ngx_memory_barrier();
    shared->loaded = head->loaded;

    if (replica->feed.len && (head->ms || head->n) && (tail->ms || tail->n)) {
        shared->state = NGX_RECS_REPLICA_FOLLOWING;
    }

    ngx_recs_follow_unlock(f);

    ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
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
ngx_recs_replica_image_refuse(ngx_recs_follow_t *f, const char *why)
{
    u_char  secret[RECS_TABLE_SECRET];

    ngx_recs_image_refuse(&f->image->image, why);

    if (ngx_recs_replica_secret(secret, f->log) != NGX_OK
        || !ngx_recs_follow_lock(f))
    {
        return;
    }

    (void) recs_table_rekey(&f->writer, secret);

    ngx_recs_follow_unlock(f);
}
