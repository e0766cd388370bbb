
/*
 * The feed of a replica's set, read as it grows, over a connection of its own;
 * its entries are applied to the table that is read.
 *
 * Each reply, also that nothing came, says that the replica is what Redis has;
 * but for one that is full, as there may be more.  Where the feed ends is asked
 * with the next one: once that is reached, the replica is what Redis had then.
 * So its age is known however many entries come, and in pieces of whatever
 * size.
 *
 * What proves that nothing was missed are the entries' numbers, and that the
 * last one read is still there; and over a new connection, that the last one
 * is of which the table may hold something.
 */


#ifndef NGX_RECS_FEED_H
#define NGX_RECS_FEED_H


#include "ngx_recs_compare.h"
#include "ngx_recs_replica_query.h"
#include "ngx_recs_replica_write.h"


typedef struct {
    ngx_recs_replica_writer_t  *writer;     /* the caller's, as all here */
    ngx_cycle_t                *cycle;

    /*
     * It can't be followed any more: any reason but NGX_RECS_RESYNC_LEADER.
     * NGX_RECS_RESYNC_FULL: the table is full of ids, or of marks.
     */
    ngx_recs_replica_broken_pt  broken;

    /* the table is full of marks: a copy makes room */
    void                      (*worn)(void *data);

    void                       *data;

    /* private */

    ngx_recs_redis_private_t    conn;
    ngx_uint_t                  open;       /* ready() was called */
    ngx_recs_compare_t          compare;

    /* a read, and the entries in its reply */

    ngx_recs_redis_query_t      read;
    ngx_msec_t                  asked;      /* when it was sent */
    ngx_event_t                 timer;      /* reads again */
    ngx_recs_feed_entry_t       entry;
    ngx_uint_t                  map;        /* the reply is one, of RESP3 */
    ngx_uint_t                  nentries;
    ngx_recs_write_e            written;    /* of all until now */

    /* that the entry that was reached is there, and the last one */

    ngx_recs_redis_query_t      proofs[2];
    ngx_uint_t                  found;
    ngx_uint_t                  proved;     /* over this connection */
    ngx_msec_t                  proved_at;

    /* where the feed ended, if the last reply was full */

    ngx_uint_t                  behind;     /* it was: there may be more */
    ngx_recs_redis_query_t      mark;
    ngx_recs_feed_id_t          end;        /* which it was ... */
    ngx_msec_t                  ended;      /* ... at that time, or later */
    ngx_uint_t                  marked;     /* it was not reached yet */
} ngx_recs_feed_t;


/* In init_process.  NGX_OK or NGX_ERROR (out of memory). */

ngx_int_t ngx_recs_feed_init(ngx_recs_feed_t *feed);

/*
 * Reads it from the writer's position on.  NGX_ERROR: out of memory; it may be
 * tried again.
 */

ngx_int_t ngx_recs_feed_start(ngx_recs_feed_t *feed);

/* Also from within broken(). */

void ngx_recs_feed_stop(ngx_recs_feed_t *feed);


#endif /* NGX_RECS_FEED_H */
