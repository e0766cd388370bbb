
/*
 * A replica's image (ngx_recs_image.h), as the leader writes it.  It holds
 * ngx_recs_replica_image_head_t; pieces, each the number n of its ids (64 bits,
 * 1 to NGX_RECS_REPLICA_PIECE), n fingerprints, and n scores if they are kept;
 * a number of 0; ngx_recs_replica_image_tail_t.
 */


#ifndef NGX_RECS_REPLICA_IMAGE_H
#define NGX_RECS_REPLICA_IMAGE_H


#include "ngx_recs_replica.h"


/* Another format is another set's. */

#define NGX_RECS_REPLICA_IMAGE_FORMAT  2

/* Slots whose ids make a piece. */

#define NGX_RECS_REPLICA_PIECE    16384


typedef struct {
    uint64_t                       confirmed;   /* unix ms: it was what Redis
                                                   had */
    uint64_t                       loaded;      /* unix seconds */
    uint64_t                       distrusted;  /* unix seconds, since when; 0:
                                                   it is trusted */
    uint64_t                       ms;          /* the feed's last entry that
                                                   was applied as a whole: */
    uint64_t                       n;           /* its id */
    uint64_t                       seq;
    uint64_t                       numbered;
    u_char                         secret[RECS_TABLE_SECRET];
} ngx_recs_replica_image_head_t;


typedef struct {
    uint64_t                       count;       /* ids */
    uint64_t                       ms;          /* the last entry of which
                                                   anything was: its id; */
    uint64_t                       n;           /* 0-0: it can't be followed
                                                   from here */
} ngx_recs_replica_image_tail_t;


/* The leader's. */

typedef struct {
    ngx_recs_image_t               image;
    ngx_recs_replica_t            *replica;
    ngx_recs_position_t            written;     /* in the image there is; */
    time_t                         distrusted;  /* and this */

    /* while it is written, or read */

    uint64_t                      *prints;
    double                        *scores;      /* room for one piece */
    uint64_t                       count;
    uint64_t                       slot;        /* written: the next one */
    recs_table_view_t              view;
    ngx_recs_replica_image_head_t  head;
} ngx_recs_replica_image_t;


/* In init_process: NULL if there is no memory. */

ngx_recs_replica_image_t *ngx_recs_replica_image_init(
    ngx_recs_replica_t *replica, ngx_cycle_t *cycle);

/* Room for what is written or read.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_recs_replica_image_room(ngx_recs_replica_image_t *ri);


#endif /* NGX_RECS_REPLICA_IMAGE_H */
