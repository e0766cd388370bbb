
/*
 * A load: from Redis' set into the next table, which then replaces the one
 * before.  The feed's end is noted, the set is scanned in pieces, and the feed
 * can be followed from that end on.  Entries may be applied in any repetition,
 * so that it doesn't matter which of them the scan had seen.
 *
 * What can pass (Redis is away, a worker keeps the lock, what Redis has is held
 * back) is tried again until it succeeds.
 */


#ifndef NGX_RECS_LOAD_H
#define NGX_RECS_LOAD_H


#include "ngx_recs_idle.h"
#include "ngx_recs_replica_query.h"
#include "ngx_recs_replica_write.h"


typedef enum {
    NGX_RECS_LOAD_IDLE = 0,
    NGX_RECS_LOAD_WAIT,             /* to begin */
    NGX_RECS_LOAD_HEAD,             /* the feed's end, how many ids there are */
    NGX_RECS_LOAD_CLEAR,            /* the next table */
    NGX_RECS_LOAD_SCAN,
    NGX_RECS_LOAD_END,              /* of the feed, once more */
    NGX_RECS_LOAD_COPY              /* no load: the table is full of marks */
} ngx_recs_load_step_e;


typedef struct {
    ngx_recs_replica_writer_t  *writer;     /* the caller's, as all here */
    ngx_recs_idle_t            *idle;       /* started after a publishing */

    /* the replica has been replaced, and may be followed from its position */
    void                      (*loaded)(void *data);

    /* NGX_RECS_RESYNC_FULL, NGX_RECS_RESYNC_FAILED: it has stopped */
    ngx_recs_replica_broken_pt  broken;

    void                       *data;

    /* private */

    ngx_recs_load_step_e        step;
    ngx_event_t                 timer;      /* for the next step */
    ngx_recs_replica_queries_t  queries;
    ngx_recs_feed_entry_t       last;       /* of the feed, at the begin */
    u_char                      cursor[NGX_INT64_LEN];
    size_t                      cursor_len;
    uint64_t                    print;      /* whose score comes next */
    ngx_msec_t                  started;
    ngx_uint_t                  wrong;      /* no load was due: the replica
                                               isn't what Redis has */
    ngx_uint_t                  believed;   /* the set stayed as small as it
                                               had become */
} ngx_recs_load_t;


/* In init_process.  NGX_OK or NGX_ERROR (out of memory). */

ngx_int_t ngx_recs_load_init(ngx_recs_load_t *load, ngx_cycle_t *cycle);

/*
 * Begins to load, now or in msec, and forgets a load or a copy that was under
 * way.  wrong: the replica answers until it is known that what Redis has now
 * may be loaded, and then no more until it is.
 */

void ngx_recs_load_start(ngx_recs_load_t *load, ngx_msec_t msec,
    ngx_uint_t wrong);

void ngx_recs_load_stop(ngx_recs_load_t *load);

/*
 * Begins to copy the table, which is full of marks, into the next one; does
 * nothing during a load or another copy.  Entries are applied meanwhile.
 */

void ngx_recs_load_copy(ngx_recs_load_t *load);


#endif /* NGX_RECS_LOAD_H */
