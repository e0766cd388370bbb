
/*
 * Of a replica's two tables one is read.  The other one is needed only while
 * it is filled to take that one's place: for the rest of the time the leader
 * gives its memory back to the system.
 */


#ifndef NGX_RECS_IDLE_H
#define NGX_RECS_IDLE_H


#include "ngx_recs_replica_write.h"


typedef struct {
    ngx_recs_replica_writer_t  *writer;     /* the caller's */

    /* private */

    ngx_event_t                 timer;
    size_t                      offset;     /* how far it has come */
} ngx_recs_idle_t;


/*
 * Gives back the memory of the table that isn't read, in turns of the event
 * loop, until all is done or the next one is begun.  Called after each
 * publishing, and by each new leader: the one before may have been killed in
 * between.
 */

void ngx_recs_idle_start(ngx_recs_idle_t *idle);
void ngx_recs_idle_stop(ngx_recs_idle_t *idle);


#endif /* NGX_RECS_IDLE_H */
