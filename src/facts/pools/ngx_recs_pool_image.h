
/*
 * A pool's image (ngx_recs_image.h): ngx_recs_pool_image_head_t, and its
 * entries as bytes (recs_pool_entries.h).
 */


#ifndef NGX_RECS_POOL_IMAGE_H
#define NGX_RECS_POOL_IMAGE_H


#include "ngx_recs_pool.h"


typedef struct {
    uint64_t                     loaded;    /* unix seconds: when Redis last
                                               told these entries */
    uint64_t                     len;       /* bytes */
} ngx_recs_pool_image_head_t;


/* The leader's. */

struct ngx_recs_pool_image_s {
    ngx_recs_image_t             image;
    ngx_recs_pool_t             *pool;
    ngx_atomic_uint_t            written;   /* the generation in the image there
                                               is, or that is being written */

    /* while it is written, or read */

    ngx_recs_pool_image_head_t   head;
    size_t                       done;      /* bytes */
    u_char                      *bytes;     /* read */
    ngx_event_t                  event;     /* reads */
};


/* In init_process: NULL if there is no memory. */

ngx_recs_pool_image_t *ngx_recs_pool_image_init(ngx_recs_pool_t *pool,
    ngx_cycle_t *cycle);

/*
 * Begins to read it, if nobody has told the entries yet; pool->timer's handler
 * is called when that is done.  False: there is nothing to read.
 */

ngx_uint_t ngx_recs_pool_image_read(ngx_recs_pool_image_t *pi);

/* This worker doesn't lead any more. */

void ngx_recs_pool_image_lost(ngx_recs_pool_image_t *pi);


#endif /* NGX_RECS_POOL_IMAGE_H */
