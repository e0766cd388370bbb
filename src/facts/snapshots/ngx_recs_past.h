
/*
 * What a snapshot's channels have left behind: versions that were rolled back,
 * or replaced by another.  Redis may forget that, when it comes back from an
 * older dump or its keys are evicted; the edge remembers, so that what was left
 * doesn't return by itself.
 *
 * It is in shared memory; the leader writes, and a guard in any worker
 * (ngx_recs_rollout.h), both under the leader's lock.  Who is killed meanwhile
 * may leave one version torn: that is forgotten, no more.
 */


#ifndef NGX_RECS_PAST_H
#define NGX_RECS_PAST_H


#include "ngx_recs_descriptor.h"
#include "ngx_recs_image.h"


/* Versions that are remembered of each kind; then the oldest goes. */

#define NGX_RECS_PAST_VERSIONS  64


typedef enum {
    NGX_RECS_PAST_ROLLED_BACK = 0,  /* in whichever channel: holds in all */
    NGX_RECS_PAST_REPLACED,         /* in this channel */
    NGX_RECS_PAST_KINDS
} ngx_recs_past_e;


typedef struct {
    ngx_recs_text_t           version;      /* len 0: none */
    ngx_recs_text_t           channel;
    uint64_t                  moved;        /* unix ms: the move that left it,
                                               or one after that */
} ngx_recs_past_version_t;


typedef struct {
    uint64_t                  next;         /* the place that is taken next */
    ngx_recs_past_version_t   versions[NGX_RECS_PAST_VERSIONS];
} ngx_recs_past_ring_t;


typedef struct {
    uint64_t                  moved;        /* unix ms, Redis's clock: the last
                                               move of the history that was
                                               seen; 0: none */
    ngx_recs_past_ring_t      rings[NGX_RECS_PAST_KINDS];
} ngx_recs_past_t;


/*
 * NULL: it isn't remembered.  The channel is of no account for what was rolled
 * back.
 */

ngx_recs_past_version_t *ngx_recs_past_find(ngx_recs_past_t *past,
    ngx_recs_past_e kind, const ngx_str_t *channel,
    const ngx_recs_text_t *version);

/*
 * It was left with the move of that time (unix ms): takes a free place, or the
 * oldest one's.  True: that is new.
 */

ngx_uint_t ngx_recs_past_add(ngx_recs_past_t *past, ngx_recs_past_e kind,
    const ngx_str_t *channel, const ngx_recs_text_t *version, uint64_t moved);

/* The version may return.  True: it was remembered. */

ngx_uint_t ngx_recs_past_forget(ngx_recs_past_t *past, ngx_recs_past_e kind,
    const ngx_str_t *channel, const ngx_recs_text_t *version);

ngx_uint_t ngx_recs_past_count(const ngx_recs_past_t *past,
    ngx_recs_past_e kind);


#endif /* NGX_RECS_PAST_H */
