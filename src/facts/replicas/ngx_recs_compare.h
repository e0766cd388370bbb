
/*
 * How many ids Redis has, compared now and then with how many the replica has:
 * what changed the set without an entry in its feed is found out so.
 *
 * Redis is asked between two looks at the feed's end.  If that is the same, it
 * is how many there were when that entry had been written, and the replica's
 * ids are counted when that entry was applied.
 */


#ifndef NGX_RECS_COMPARE_H
#define NGX_RECS_COMPARE_H


#include "ngx_recs_replica_query.h"
#include "ngx_recs_replica_write.h"


typedef struct {
    ngx_recs_replica_writer_t  *writer;     /* the caller's, as all here */

    /* NGX_RECS_RESYNC_COUNT, NGX_RECS_RESYNC_FAILED: it has stopped */
    ngx_recs_replica_broken_pt  broken;

    void                       *data;

    /* private */

    ngx_event_t                 timer;
    ngx_recs_replica_queries_t  queries;
    ngx_uint_t                  waiting;    /* for the entry to be applied */
    ngx_uint_t                  compared;
    ngx_uint_t                  differs;
    ngx_uint_t                  differed;   /* the last time */
} ngx_recs_compare_t;


/* In init_process. */

void ngx_recs_compare_init(ngx_recs_compare_t *c, ngx_cycle_t *cycle);

/* So often that a set that differs is loaded within the replica's resync. */

void ngx_recs_compare_start(ngx_recs_compare_t *c);
void ngx_recs_compare_stop(ngx_recs_compare_t *c);

/* As soon as the events of this turn are done. */

void ngx_recs_compare_soon(ngx_recs_compare_t *c);

/*
 * An entry was applied, up to writer->position; and after any number of them,
 * no reply is being read any more: now broken() may be called.
 */

void ngx_recs_compare_applied(ngx_recs_compare_t *c);
void ngx_recs_compare_end(ngx_recs_compare_t *c);


#endif /* NGX_RECS_COMPARE_H */
