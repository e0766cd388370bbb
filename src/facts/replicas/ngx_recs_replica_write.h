
/*
 * What the leader writes to a replica: ids into the next table, as a scan or
 * an image gives them, and the feed's entries into the table that is read.
 * All that the leader does to a replica goes through one writer.
 *
 * A worker that was stopped leads no more, and learns that late.  So all of
 * it is written while the lock is held, under which nobody takes over; and in
 * batches, as nobody else gets it meanwhile.
 */


#ifndef NGX_RECS_REPLICA_WRITE_H
#define NGX_RECS_REPLICA_WRITE_H


#include "ngx_recs_feed_entry.h"
#include "ngx_recs_replica.h"


/* Between two tries of something that failed, ms. */

#define NGX_RECS_REPLICA_RETRY   1000

/* Once Redis can't be reached, or the tables can't be written, ms. */

#define NGX_RECS_REPLICA_SOON    100

/* Ids that are written under one lock. */

#define NGX_RECS_WRITE_BATCH     256


/* What became of something that was to be written to a table. */

typedef enum {
    NGX_RECS_WRITE_OK = 0,
    NGX_RECS_WRITE_MALFORMED,       /* the entry can't be understood */
    NGX_RECS_WRITE_GAP,             /* it doesn't follow the one before */
    NGX_RECS_WRITE_FULL,
    NGX_RECS_WRITE_FEW,             /* too few ids would be left */
    NGX_RECS_WRITE_REFUSED          /* this worker may not, or can't now */
} ngx_recs_write_e;


typedef struct {
    ngx_recs_replica_t       *replica;
    ngx_log_t                *log;
    recs_table_writer_t       table;
    ngx_recs_position_t       position;     /* how far the feed was applied */

    /* private: ids on their way into a table */

    const ngx_recs_feed_entry_t  *entry;    /* whose they are; NULL: they go
                                               into the next table */
    ngx_recs_write_e          rc;
    ngx_uint_t                n;
    uint64_t                  prints[NGX_RECS_WRITE_BATCH];
    double                    scores[NGX_RECS_WRITE_BATCH];
} ngx_recs_replica_writer_t;


/*
 * How a part of the leader's work tells it that it can't go on: why, and with
 * NGX_RECS_RESYNC_FAILED Redis' words, else NULL.
 */

typedef void (*ngx_recs_replica_broken_pt)(void *data,
    ngx_recs_resync_e reason, const ngx_str_t *error);


/*
 * True: this worker leads, and nobody takes over until unlock().  False: it
 * doesn't lead, or another worker keeps the lock.  Little is done in between.
 */

ngx_uint_t ngx_recs_replica_lock(ngx_recs_replica_writer_t *w);
void ngx_recs_replica_unlock(ngx_recs_replica_writer_t *w);

/* What the leader does now; not called under the lock. */

void ngx_recs_replica_set_state(ngx_recs_replica_writer_t *w,
    ngx_recs_replica_state_e state);

/*
 * Fingerprints, with scores (0 if none are kept), for the next table: begin(),
 * any number of them, and end(), which says if all of them were added.  After
 * one was not, the rest is left out.
 */

void ngx_recs_replica_write_begin(ngx_recs_replica_writer_t *w);
void ngx_recs_replica_write(ngx_recs_replica_writer_t *w, uint64_t print,
    double score);
ngx_recs_write_e ngx_recs_replica_write_end(ngx_recs_replica_writer_t *w);

/*
 * Applies an entry, all of which was read, to the table that is read, and
 * moves w->position on.  Unless that is NGX_RECS_WRITE_OK, a part of it may
 * have been applied: w->position.reached says so.
 */

ngx_recs_write_e ngx_recs_replica_apply(ngx_recs_replica_writer_t *w,
    ngx_recs_feed_entry_t *e);


#endif /* NGX_RECS_REPLICA_WRITE_H */
