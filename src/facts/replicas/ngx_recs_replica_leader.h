
/*
 * What only the leader does of a replica: it loads what Redis has and follows
 * the set's feed.  Whatever goes wrong ends in a new load.
 *
 * Its parts tell it when they have come to an end, by functions that it gives
 * them, and know nothing of each other:
 *
 *   ngx_recs_load.c         from Redis' set into a new table
 *   ngx_recs_feed.c         the feed, read as it grows
 *   ngx_recs_compare.c      are there as many ids as Redis has?
 *   ngx_recs_replica_image_read.c   fills a new zone's tables from an image
 *   ngx_recs_replica_image.c        writes the image
 *   ngx_recs_idle.c         gives back the memory of a table that nobody reads
 *
 * All of them write through ngx_recs_replica_write.c.
 */


#ifndef NGX_RECS_REPLICA_LEADER_H
#define NGX_RECS_REPLICA_LEADER_H


#include "ngx_recs_replica.h"


/*
 * In init_process, before the leader starts.  NGX_OK or NGX_ERROR (out of
 * memory).
 */

ngx_int_t ngx_recs_replica_leader_init_worker(ngx_recs_replica_t *replica,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle);

/* In exit_process, after the leader's exit: its image is written. */

void ngx_recs_replica_leader_exit_worker(ngx_recs_replica_t *replica);


#endif /* NGX_RECS_REPLICA_LEADER_H */
