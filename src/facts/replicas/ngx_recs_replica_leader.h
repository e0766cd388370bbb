
/*
 * The leader's part of a replica: it loads what Redis has and follows the
 * set's feed.  What its files share:
 *
 *   ngx_recs_replica_leader.c       begins and ends it, writes to the tables
 *   ngx_recs_load.c         from Redis' set into a new table
 *   ngx_recs_feed.c         the feed, read as it grows; counts compared
 *   ngx_recs_entry.c        one of the feed's entries
 *   ngx_recs_replica_image.c        writes the replica to a file
 *   ngx_recs_replica_image_read.c   fills that of a new zone from it
 *   ngx_recs_idle.c         gives back the memory of a table that nobody reads
 *
 * Loading: the feed's end is noted, the set is scanned in pieces into the next
 * table, which replaces the one before; then the feed is followed from that end
 * on.  Entries may be applied in any repetition, so that it doesn't matter
 * which of them the scan had seen.  What proves that nothing was missed are
 * the entries' numbers, and that the last one read is still there; and after
 * the connection or the leader has changed, that the last one is, of which the
 * table may hold something.
 *
 * Whatever goes wrong ends in a new load.
 */


#ifndef NGX_RECS_REPLICA_LEADER_H
#define NGX_RECS_REPLICA_LEADER_H


#include "ngx_recs_entry.h"
#include "ngx_recs_replica_image.h"


/* Between two tries of something that failed, ms. */

#define NGX_RECS_FOLLOW_RETRY    1000

/* Once Redis can't be reached, or the tables can't be written, ms. */

#define NGX_RECS_FOLLOW_SOON     100

/* What is written to a table while nobody else can take over. */

#define NGX_RECS_FOLLOW_BATCH    256

/*
 * Entries that are asked for at once.  conf/recs.lua puts up to 1000 ids into
 * one, which take half a millisecond; a connection hands over only some in one
 * turn.
 */

#define NGX_RECS_FOLLOW_COUNT    20
#define NGX_RECS_FOLLOW_COUNT_   "20"

#define NGX_RECS_FOLLOW_QUERIES  3


typedef enum {
    NGX_RECS_STEP_IDLE = 0,         /* loaded */
    NGX_RECS_STEP_TAKE,             /* wait to become the writer */
    NGX_RECS_STEP_IMAGE,            /* it is read */
    NGX_RECS_STEP_WAIT,             /* wait to begin to load */
    NGX_RECS_STEP_HEAD,             /* the feed's end, how many ids there are */
    NGX_RECS_STEP_CLEAR,            /* the next table */
    NGX_RECS_STEP_SCAN,
    NGX_RECS_STEP_END,              /* of the feed, once more */
    NGX_RECS_STEP_COPY              /* loaded; the table is full of marks */
} ngx_recs_step_e;


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
    ngx_recs_follow_t        *follow;
    ngx_recs_redis_query_t    query;
    ngx_int_t                 rc;           /* as done() was given it */
} ngx_recs_follow_query_t;


struct ngx_recs_follow_s {
    ngx_recs_replica_t       *replica;
    ngx_cycle_t              *cycle;
    ngx_log_t                *log;
    ngx_recs_leader_user_t    user;

    ngx_recs_replica_image_t *image;        /* NULL: none is kept */
    recs_table_writer_t       writer;
    ngx_recs_step_e           step;
    ngx_event_t               timer;        /* for the next step */

    /* a reply's ids on their way into a table */

    recs_table_which_e        which;
    ngx_uint_t                add;
    ngx_uint_t                nbatch;
    uint64_t                  prints[NGX_RECS_FOLLOW_BATCH];
    double                    scores[NGX_RECS_FOLLOW_BATCH];
    ngx_recs_write_e          written;      /* of a whole reply */

    /* a reply with entries of the feed */

    ngx_recs_entry_t          entry;
    ngx_recs_position_t       position;     /* how far they were applied */
    ngx_uint_t                nentries;

    /* the load */

    ngx_recs_follow_query_t   queries[NGX_RECS_FOLLOW_QUERIES];
    ngx_uint_t                npending;
    u_char                    error[256];
    size_t                    error_len;
    ngx_recs_entry_t          last;         /* of the feed */
    uint64_t                  ids;          /* that Redis has */
    u_char                    cursor[NGX_INT64_LEN];
    size_t                    cursor_len;
    uint64_t                  print;        /* whose score comes next */
    ngx_msec_t                started;
    ngx_msec_t                resynced;     /* when the last resync began */
    ngx_uint_t                wrong;        /* it is no scan that was due, but a
                                               resync */
    ngx_uint_t                believed;     /* the set stayed as small as it
                                               had become */

    ngx_event_t               idle;         /* gives back memory */
    size_t                    idle_offset;  /* how far it has come */

    /* the feed */

    ngx_recs_redis_private_t  conn;
    ngx_recs_redis_query_t    read;
    ngx_recs_redis_query_t    proofs[2];    /* that the one that was reached is
                                               there, and the last one */
    ngx_uint_t                open;         /* ready() was called */
    ngx_uint_t                found;
    ngx_uint_t                proved;       /* over this connection */
    ngx_msec_t                proved_at;
    ngx_msec_t                asked;        /* when read was sent */
    ngx_uint_t                behind;       /* the last reply was full: there
                                               may be more entries */
    ngx_recs_redis_query_t    mark;         /* asks for the feed's end */
    ngx_recs_feed_id_t        end;          /* which it was ... */
    ngx_msec_t                ended;        /* ... at that time, or later */
    ngx_uint_t                marked;       /* it was not reached yet */

    /* comparing counts */

    ngx_event_t               counter;
    ngx_recs_feed_id_t        ends[2];      /* the feed's, before and after; or
                                               after a load's scan */
    ngx_uint_t                comparing;    /* once ends[0] was applied */
    ngx_uint_t                compared;
    ngx_uint_t                differs;
    ngx_uint_t                differed;     /* the last time */
};


/* In init_process.  NGX_OK or NGX_ERROR (out of memory). */

ngx_int_t ngx_recs_follow_init(ngx_recs_replica_t *replica,
    ngx_cycle_t *cycle);


/* In exit_process, after the leader's exit. */

void ngx_recs_follow_exit(ngx_recs_follow_t *f);


/* ngx_recs_replica_leader.c */

/* This worker leads, and nobody takes over until unlock(). */

ngx_uint_t ngx_recs_follow_lock(ngx_recs_follow_t *f);
void ngx_recs_follow_unlock(ngx_recs_follow_t *f);

/* Goes on where the leader before, or the image, left off; or loads. */

void ngx_recs_follow_resume(ngx_recs_follow_t *f);

/* It isn't what Redis has: it is counted, logged, and loaded again. */

void ngx_recs_follow_resync(ngx_recs_follow_t *f, ngx_recs_resync_e reason);

/*
 * May n ids take the place of those that there are?  Else that is held back,
 * and false: Redis is looked at again later.
 */

ngx_uint_t ngx_recs_follow_may(ngx_recs_follow_t *f, uint64_t n);

/* So few are there now: it is logged, if that was looked at twice. */

void ngx_recs_follow_believed(ngx_recs_follow_t *f, uint64_t had, uint64_t n);

/* The set has outgrown it; Redis refuses what is asked.  Tried again later. */

void ngx_recs_follow_full(ngx_recs_follow_t *f);
void ngx_recs_follow_failed(ngx_recs_follow_t *f, const ngx_str_t *why);

/* If it is wrong, Redis is asked from now on, until the set is loaded. */

void ngx_recs_follow_loading(ngx_recs_follow_t *f);

/* If it refused one of the questions that are answered: true, it has failed. */

ngx_uint_t ngx_recs_follow_refused(ngx_recs_follow_t *f);

/* What follows from f->written, if it isn't NGX_RECS_WRITE_OK. */

void ngx_recs_follow_unwritten(ngx_recs_follow_t *f);

/*
 * An id's fingerprint is to be added to f->which, or removed, if f->add is 0.
 * It is once f->nbatch have gathered, or by flush().  f->written says if one
 * was not.
 */

void ngx_recs_follow_write(ngx_recs_follow_t *f, uint64_t print, double score);
void ngx_recs_follow_flush(ngx_recs_follow_t *f);

/*
 * A value of a reply that holds entries at that depth, to be applied to
 * f->which as each is complete; and the reply's end.  f->written says what came
 * of it.
 */

void ngx_recs_follow_entries_begin(ngx_recs_follow_t *f);
ngx_int_t ngx_recs_follow_entries_value(ngx_recs_follow_t *f, ngx_uint_t depth,
    const ngx_recs_redis_value_t *v);
void ngx_recs_follow_entries_end(ngx_recs_follow_t *f);

/* The next command for query n of the load goes out on conn. */

void ngx_recs_follow_send(ngx_recs_follow_t *f, ngx_recs_redis_conn_t *conn,
    ngx_uint_t n, ngx_uint_t nargs, const ngx_str_t *args,
    ngx_int_t (*value)(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v));

void ngx_recs_follow_forget(ngx_recs_follow_t *f);


/* ngx_recs_replica_image_read.c */

/*
 * Begins to read the image into the next table; resume() follows when that is
 * done.  False: there is none to be had, which was logged.
 */

ngx_uint_t ngx_recs_replica_image_read(ngx_recs_follow_t *f);
void ngx_recs_replica_image_step(ngx_recs_follow_t *f);


/* ngx_recs_load.c */

/* Begins to load, now or in msec. */

void ngx_recs_load(ngx_recs_follow_t *f, ngx_msec_t msec);

/* The next step, by the timer; of those that belong to loads and copies. */

void ngx_recs_load_step(ngx_recs_follow_t *f);

/* All queries of the step are answered. */

void ngx_recs_load_answered(ngx_recs_follow_t *f);

/* Begins to copy the table: it is full of marks. */

void ngx_recs_load_copy(ngx_recs_follow_t *f);

/* The command that asks for the feed's end: NGX_RECS_LOAD_END_ARGS args. */

#define NGX_RECS_LOAD_END_ARGS  6

void ngx_recs_load_end_args(ngx_recs_follow_t *f, ngx_str_t *args);

/* Ask for the feed's end, and how many ids there are, as query n. */

void ngx_recs_load_ask_end(ngx_recs_follow_t *f, ngx_recs_redis_conn_t *conn,
    ngx_uint_t n,
    ngx_int_t (*value)(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v));
void ngx_recs_load_ask_count(ngx_recs_follow_t *f,
    ngx_recs_redis_conn_t *conn, ngx_uint_t n);


/* ngx_recs_feed.c */

/* Reads it from f->position on; or, without a feed, loads again in time. */

void ngx_recs_feed_start(ngx_recs_follow_t *f);
void ngx_recs_feed_stop(ngx_recs_follow_t *f);
void ngx_recs_feed_read(ngx_recs_follow_t *f);

/* A query's value that says which is the feed's last entry, if any: of the
 * load's query 0 f->ends[0], else f->ends[1]. */

ngx_int_t ngx_recs_feed_end_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);

/* An entry was applied, while counts are to be compared. */

void ngx_recs_feed_applied(ngx_recs_follow_t *f);

/* The queries about the counts are answered. */

void ngx_recs_feed_counted(ngx_recs_follow_t *f);



/* ngx_recs_idle.c */

/*
 * Gives back the memory of the table that isn't active, in turns of the event
 * loop, until all is done or the next one is begun.  After each publishing, and
 * by each new leader: the one before may have been killed in between.
 */

void ngx_recs_idle_start(ngx_recs_follow_t *f);
void ngx_recs_idle_stop(ngx_recs_follow_t *f);


#endif /* NGX_RECS_REPLICA_LEADER_H */
