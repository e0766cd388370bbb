
/*
 * Images: files that hold what a replica, a pool or snapshots do, so that a new
 * zone needn't begin empty.  The leader writes one now and then and at its end,
 * and reads it if the zone is new, before it asks Redis.
 *
 * The file: ngx_recs_image_head_t; what its kind has; XXH3 of all before it, in
 * 128 bits.  All numbers are this machine's: another one's image has another
 * magic.
 *
 * It is written as PATH.PID.tmp, in turns of the event loop, and synced; then
 * it takes the place of PATH in one step.
 */


#ifndef NGX_RECS_IMAGE_H
#define NGX_RECS_IMAGE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_recs_leader.h"

#include "recs_xxhash.h"


#define NGX_RECS_IMAGE_MAGIC    0x6567616d69636572  /* "recimage" */
#define NGX_RECS_IMAGE_FORMAT   2

/* Pieces that are read or written in one turn: less than 5 ms. */

#define NGX_RECS_IMAGE_TURN     2

/* Between two images, ms. */

#define NGX_RECS_IMAGE_CHANGED  30000


typedef struct {
    uint64_t                  magic;
    uint64_t                  format;
    uint64_t                  of;           /* a hash of all that what it holds
                                               depends on */
} ngx_recs_image_head_t;


/* In shared memory; the leader writes. */

typedef struct {
    ngx_atomic_t              written;      /* unix seconds: the last one that
                                               took its place; 0: none */
    ngx_atomic_t              read;         /* unix seconds: the zone began with
                                               it; 0: it didn't */
    ngx_atomic_t              used;         /* what there is is what it held:
                                               Redis hasn't told since */
    ngx_atomic_t              failed;       /* it could not be written the last
                                               time, which was logged */
} ngx_recs_image_shared_t;


/*
 * What differs between replicas and pools.  NGX_DECLINED: what is written was
 * replaced meanwhile, or isn't there yet: it is begun again, soon.  NGX_ERROR:
 * it can't be written, ngx_errno says why.
 */

typedef struct {
    const char               *directive;    /* "recs_set", for the log */
    const char               *foreign;      /* "it is of another set" */

    /* there is something to write */
    ngx_uint_t              (*ready)(void *data);

    /* it is other than what was written last, that many ms ago */
    ngx_uint_t              (*changed)(void *data, ngx_msec_t since);

    /* puts what follows the head: NGX_OK */
    ngx_int_t               (*begin)(void *data);

    /* puts a piece, of some 100 KB: NGX_OK; NGX_DONE: that was the last one */
    ngx_int_t               (*piece)(void *data);

    /* frees what begin() allocated; may be called at any time */
    void                    (*end)(void *data);
} ngx_recs_image_kind_t;


typedef enum {
    NGX_RECS_IMAGE_IDLE = 0,
    NGX_RECS_IMAGE_READING,
    NGX_RECS_IMAGE_WRITING,
    NGX_RECS_IMAGE_WRITTEN                  /* not in its place yet */
} ngx_recs_image_state_e;


/* The leader's.  Set before init(): the first part. */

typedef struct {
    const ngx_recs_image_kind_t  *kind;
    void                         *data;     /* the kind's */
    const ngx_str_t              *name;     /* of the set or pool */
    ngx_str_t                     path;     /* ends with a zero */
    uint64_t                      of;
    ngx_recs_image_shared_t      *shared;
    ngx_recs_leader_t            *leader;

    /* private */

    ngx_log_t                    *log;
    u_char                       *temporary;
    ngx_event_t                   timer;    /* writes */
    ngx_uint_t                    swept;
    ngx_msec_t                    begun;    /* the last one; 0: by this leader
                                               none was */
    ngx_uint_t                    missed;   /* it came to nothing */

    ngx_recs_image_state_e        state;
    ngx_fd_t                      fd;
    off_t                         size;     /* written, or read */
    off_t                         flushed;  /* on its way to the disk */
    XXH3_state_t                 *sum;
} ngx_recs_image_t;


/* In init_process: NGX_OK or NGX_ERROR (out of memory). */

ngx_int_t ngx_recs_image_init(ngx_recs_image_t *image, ngx_cycle_t *cycle);

/* This worker leads: it writes from now on, but while it reads. */

void ngx_recs_image_start(ngx_recs_image_t *image);
void ngx_recs_image_stop(ngx_recs_image_t *image);

/*
 * In exit_process, after the leader's exit: this worker led last, or nothing is
 * done.  Writes it at once, if that is soon done.
 */

void ngx_recs_image_exit(ngx_recs_image_t *image);

/* Within the kind's begin() and piece().  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_recs_image_put(ngx_recs_image_t *image, const void *data,
    size_t size);


/* ngx_recs_image_read.c */

/*
 * NGX_OK: what follows the head can be got; then close() or refuse() is called.
 * NGX_DECLINED: there is none, or it was refused.
 */

ngx_int_t ngx_recs_image_open(ngx_recs_image_t *image);

/* NGX_ERROR: it is torn. */

ngx_int_t ngx_recs_image_get(ngx_recs_image_t *image, void *data, size_t size);

/* That was all: the checksum is right, and it ends.  NGX_ERROR: it is torn. */

ngx_int_t ngx_recs_image_whole(ngx_recs_image_t *image);

/* Closes it; one line of the log tells why. */

void ngx_recs_image_refuse(ngx_recs_image_t *image, const char *why);

/* What it held is in the zone now. */

void ngx_recs_image_taken(ngx_recs_image_t *image);

/* The end of reading or writing. */

ngx_int_t ngx_recs_image_sum(ngx_recs_image_t *image);
void ngx_recs_image_close(ngx_recs_image_t *image);


extern const char  ngx_recs_image_torn[];       /* "it is torn" */


#endif /* NGX_RECS_IMAGE_H */
