
/*
 * A snapshot's image (ngx_recs_image.h): ngx_recs_snapshots_image_head_t; for
 * each channel ngx_recs_channel_image_t and its default page.
 */


#ifndef NGX_RECS_SNAPSHOTS_IMAGE_H
#define NGX_RECS_SNAPSHOTS_IMAGE_H


#include "ngx_recs_snapshot.h"


typedef struct {
    uint64_t                   nchannels;
    ngx_recs_past_t            past;
} ngx_recs_snapshots_image_head_t;


typedef struct {
    ngx_recs_text_t            name;
    ngx_recs_channel_state_t   state;
    ngx_recs_descriptor_t      of;          /* whose default page it is */
    uint64_t                   len;         /* bytes of that; 0: none */
} ngx_recs_channel_image_t;


/* The leader's. */

struct ngx_recs_snapshots_image_s {
    ngx_recs_image_t           image;
    ngx_recs_snapshots_t      *snapshots;
    ngx_atomic_uint_t          written;     /* the changes that are in the image
                                               there is, or that is written */
    ngx_uint_t                 next;        /* the channel that is written
                                               next */
    u_char                    *page;        /* NGX_RECS_DEFAULT_MAX bytes */
};


/* In init_process: NULL if there is no memory. */

ngx_recs_snapshots_image_t *ngx_recs_snapshots_image_init(
    ngx_recs_snapshots_t *ss, ngx_cycle_t *cycle);

/* This worker leads: reads it, as a whole, into a zone that is new. */

void ngx_recs_snapshots_image_read(ngx_recs_snapshots_image_t *si);

/*
 * What was left changed: the image is written soon, not only when it is due, as
 * a version that was rolled back may return at any time.
 */

void ngx_recs_snapshots_changed(ngx_recs_snapshots_t *ss);


#endif /* NGX_RECS_SNAPSHOTS_IMAGE_H */
