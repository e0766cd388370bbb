
/*
 * A channel's guard (recs_guard): what pages tell of the version that they are
 * of is counted, in shared memory; and the first worker that finds a share past
 * its limit takes the channel back to the version before, for all workers, at
 * once, whether Redis and the leader are there or not.
 *
 * What was left is remembered as rolled back (ngx_recs_past.h): it returns only
 * when somebody restores it.  The leader tells Redis.
 */


#ifndef NGX_RECS_ROLLOUT_H
#define NGX_RECS_ROLLOUT_H


#include "ngx_recs_snapshot.h"


/* A row of the active version that was made a page, or could not be. */

typedef struct {
    ngx_uint_t                failed;       /* it is no page */
    ngx_uint_t                judged;       /* all sets have answered: */
    size_t                    total;        /* items, and of these ... */
    size_t                    removed;
    ngx_uint_t                empty;        /* none is left, or put in */
} ngx_recs_rollout_page_t;


/*
 * Any worker, once for each: a user's row was asked for in the version that
 * snapshot names as active, and was there, or was missing; and what became of
 * that row, or of the default page.  The snapshot is as the request found it.
 * They cost nothing where no guard counts.
 */

void ngx_recs_rollout_user(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, ngx_uint_t missing, ngx_log_t *log);
void ngx_recs_rollout_page(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, const ngx_recs_rollout_page_t *page,
    ngx_log_t *log);

/*
 * The state of a channel whose active version is left: that of the version
 * before, or without one, of a channel that is what "active" is.  The caller
 * publishes it.  NGX_OK; NGX_DECLINED: there is nothing to go back to.
 */

ngx_int_t ngx_recs_rollout_back(ngx_recs_snapshots_t *ss,
    ngx_recs_channel_t *channel, ngx_recs_channel_state_t *state);

/* For the status: what is seen of the version that is active. */

const recs_rollout_seen_t *ngx_recs_rollout_seen(ngx_recs_channel_t *channel);


/*
 * ngx_recs_rollout_leader.c: the leader's, for channels with a guard.
 *
 * In init_process: NGX_OK or NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_rollout_init_worker(ngx_recs_snapshots_t *ss,
    ngx_recs_channel_t *channel, ngx_cycle_t *cycle);

/*
 * Redis was just asked about this channel, and answered: it is told what a
 * guard left, if it doesn't know yet.
 */

void ngx_recs_rollout_tell(ngx_recs_channel_t *channel);

/* This worker doesn't lead any more. */

void ngx_recs_rollout_forget(ngx_recs_channel_t *channel);


#endif /* NGX_RECS_ROLLOUT_H */
