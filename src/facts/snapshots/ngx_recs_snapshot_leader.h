
/*
 * The leader's looks: what Redis says of a snapshot's channels, and what of
 * that is published.
 */


#ifndef NGX_RECS_SNAPSHOT_LEADER_H
#define NGX_RECS_SNAPSHOT_LEADER_H


#include "ngx_recs_snapshot.h"


/*
 * In init_process, before the leader starts.  NGX_OK or NGX_ERROR (out of
 * memory).
 */

ngx_int_t ngx_recs_snapshot_leader_init_worker(ngx_recs_snapshots_t *ss,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle);

/* In exit_process, after the leader's exit: the image is written. */

void ngx_recs_snapshot_leader_exit_worker(ngx_recs_snapshots_t *ss);


#endif /* NGX_RECS_SNAPSHOT_LEADER_H */
