
/*
 * What the leader asks Redis about a channel of snapshots, a step at a time,
 * and how the replies are read.  What they say goes into a verdict; what is
 * done when, ngx_recs_snapshot_leader.c knows.  Keys and their contents are
 * those of docs/publishing.md.
 */


#ifndef NGX_RECS_INQUIRY_H
#define NGX_RECS_INQUIRY_H


#include "ngx_recs_redis_batch.h"
#include "ngx_recs_snapshot.h"
#include "ngx_recs_verdict.h"


typedef enum {
    NGX_RECS_INQUIRY_IDLE = 0,
    NGX_RECS_INQUIRY_POINTER,           /* which version the channel names; the
                                           last moves */
    NGX_RECS_INQUIRY_VERSION,           /* its descriptor; what was rolled
                                           back */
    NGX_RECS_INQUIRY_PAGE               /* the active version's default page */
} ngx_recs_inquiry_step_e;


/* One channel's.  The leader sets what stands before "private", or zeroes. */

struct ngx_recs_inquiry_s {
    ngx_recs_verdict_t            verdict;  /* of its channel */

    /*
     * The end of a step: NGX_OK, every reply is there; NGX_ABORT, one will not
     * come.  It may be called from within the function that asks.
     */
    void                        (*handler)(ngx_recs_inquiry_t *inquiry,
                                           ngx_int_t rc);

    ngx_recs_inquiry_step_e       step;     /* set by who asks; the leader sets
                                               it back to idle */
    ngx_uint_t                    again;    /* something changed since the
                                               pointer was asked for */

    /* private */

    ngx_recs_redis_batch_t        batch;    /* of this step */
    ngx_recs_text_t               skip;     /* a version whose default page
                                               can't be kept */
};


/* In init_process, once. */

void ngx_recs_inquiry_init(ngx_recs_inquiry_t *inquiry);

/* Nobody waits any more: it is idle, and its handler won't be called. */

void ngx_recs_inquiry_forget(ngx_recs_inquiry_t *inquiry);

/*
 * The steps, in order.  The verdict was begun before the first; the second is
 * asked about the version that the first one's answer names, if that is valid.
 */

void ngx_recs_inquiry_pointer(ngx_recs_inquiry_t *inquiry);
void ngx_recs_inquiry_version(ngx_recs_inquiry_t *inquiry);

/*
 * The default page of the version that the verdict made active; the reply puts
 * it into shared memory.  NGX_OK: the handler is, or was, called.
 * NGX_DECLINED: there is nothing to ask, as it is kept already, or can't be.
 */

ngx_int_t ngx_recs_inquiry_page(ngx_recs_inquiry_t *inquiry);


#endif /* NGX_RECS_INQUIRY_H */
