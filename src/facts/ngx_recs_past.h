
/*
 * What a snapshot's channels have left behind: versions that were rolled back,
 * or replaced by another.  Redis may forget that, when it comes back from an
 * older dump or its keys are evicted; the edge remembers, so that what was left
 * doesn't return by itself.
 *
 * It is in shared memory; the leader alone writes, under its lock, and reads.
 * One that is killed may leave one version torn: that is forgotten, no more.
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
    uint64_t                  moved;        /* the past's, when it was left */
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


/* The share of users without a row, of all whose row was asked for. */

typedef struct {
    ngx_uint_t                known;        /* usual is */
    ngx_uint_t                usual;        /* hundredths of a percent */
    ngx_uint_t                now;          /* the same: of the last window */
    ngx_atomic_t              since;        /* unix seconds: it jumped then; 0:
                                               it is as usual */
    ngx_atomic_uint_t         asked;        /* counters, when the window
                                               began */
    ngx_atomic_uint_t         missing;
} ngx_recs_share_t;


/* A move, as an entry of the history has it. */

typedef struct {
    uint64_t                  time;         /* unix ms; 0: it doesn't say */
    ngx_uint_t                restore;      /* what was left is meant to
                                               return */
    ngx_recs_text_t           version;
} ngx_recs_move_t;


/* NULL: it isn't remembered.  channel is of no account for one kind. */

ngx_recs_past_version_t *ngx_recs_past_find(ngx_recs_past_t *past,
    ngx_recs_past_e kind, const ngx_str_t *channel,
    const ngx_recs_text_t *version);

/*
 * It is left now: takes a free place, or the oldest one's.  True: that is new.
 */

ngx_uint_t ngx_recs_past_add(ngx_recs_past_t *past, ngx_recs_past_e kind,
    const ngx_str_t *channel, const ngx_recs_text_t *version);

/* True: it was remembered. */

ngx_uint_t ngx_recs_past_forget(ngx_recs_past_t *past, ngx_recs_past_e kind,
    const ngx_str_t *channel, const ngx_recs_text_t *version);

ngx_uint_t ngx_recs_past_count(const ngx_recs_past_t *past,
    ngx_recs_past_e kind);

/* What can't be read of an entry is empty. */

void ngx_recs_move_read(ngx_recs_move_t *move, const ngx_str_t *entry);

/*
 * Counters as they are now: is the share of users without a row far above what
 * is usual?  NGX_OK: nothing new; NGX_ABORT: it jumped; NGX_DONE: it is as
 * usual again, or that is usual by now.  Looks at windows of so many users.
 */

#define NGX_RECS_SHARE_WINDOW   100

ngx_int_t ngx_recs_share_look(ngx_recs_share_t *share,
    ngx_atomic_uint_t asked, ngx_atomic_uint_t missing, time_t now);


#endif /* NGX_RECS_PAST_H */
