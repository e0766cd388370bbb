
/*
 * A replica's image: a file that holds what the replica does, so that a new
 * zone needn't begin empty.  The leader writes it now and then and at its end,
 * and reads it if the zone is new, before it asks Redis.
 *
 * The file: ngx_recs_image_head_t; pieces, each the number n of its ids (64
 * bits, 1 to NGX_RECS_IMAGE_PIECE), n fingerprints, and n scores if they are
 * kept; a number of 0; ngx_recs_image_tail_t, whose sum is of all before it.
 * All numbers are this machine's: another one's image has another magic.
 */


#ifndef NGX_RECS_IMAGE_H
#define NGX_RECS_IMAGE_H


#include "ngx_recs_replica.h"

#include <xxhash.h>


#define NGX_RECS_IMAGE_MAGIC    0x6567616d69636572  /* "recimage" */
#define NGX_RECS_IMAGE_FORMAT   2

/* Slots whose ids make a piece. */

#define NGX_RECS_IMAGE_PIECE    16384

/* Pieces that are read or written in one turn: less than 5 ms. */

#define NGX_RECS_IMAGE_TURN     2


typedef struct {
    uint64_t                  magic;
    uint64_t                  format;
    uint64_t                  of;           /* what replica: replica->hash */
    uint64_t                  confirmed;    /* unix ms: it was what Redis had */
    uint64_t                  loaded;       /* unix seconds */
    uint64_t                  ms;           /* the feed's last entry that was */
    uint64_t                  n;            /* applied as a whole: its id */
    uint64_t                  seq;
    uint64_t                  numbered;
    u_char                    secret[RECS_TABLE_SECRET];
} ngx_recs_image_head_t;


typedef struct {
    uint64_t                  count;        /* ids */
    uint64_t                  ms;           /* the last one of which anything */
    uint64_t                  n;            /* was: its id; 0-0: it can't be
                                               followed from here */
    u_char                    sum[16];      /* XXH3, 128 bits */
} ngx_recs_image_tail_t;


/* The leader's. */

typedef struct {
    ngx_recs_replica_t       *replica;
    ngx_log_t                *log;
    u_char                   *path;
    u_char                   *temporary;    /* path.PID.tmp */
    ngx_event_t               timer;        /* writes */
    ngx_uint_t                failed;       /* to write it, the last time */
    ngx_uint_t                reading;
    ngx_uint_t                clearing;     /* the table to read it into */

    ngx_recs_position_t       written;      /* in the image there is */
    ngx_msec_t                written_at;   /* 0: by this leader none was */

    /* while it is written, or read */

    ngx_fd_t                  fd;
    XXH3_state_t             *sum;
    uint64_t                 *prints;
    double                   *scores;       /* room for one piece */
    uint64_t                  count;
    uint64_t                  slot;         /* written: the next one */
    recs_table_view_t         view;
    ngx_recs_image_head_t     head;
} ngx_recs_image_t;


/* In init_process: NULL if there is no memory. */

ngx_recs_image_t *ngx_recs_image_init(ngx_recs_replica_t *replica,
    ngx_cycle_t *cycle);

/* This worker leads: it writes from now on, in turns of the event loop. */

void ngx_recs_image_start(ngx_recs_image_t *image);
void ngx_recs_image_stop(ngx_recs_image_t *image);

/* In exit_process: writes it at once, if that is soon done. */

void ngx_recs_image_exit(ngx_recs_image_t *image);

/* Room and checksum for what is written or read; and the end of both. */

ngx_int_t ngx_recs_image_open(ngx_recs_image_t *image, ngx_fd_t fd);
void ngx_recs_image_close(ngx_recs_image_t *image);


#endif /* NGX_RECS_IMAGE_H */
