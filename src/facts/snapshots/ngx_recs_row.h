
/*
 * A user's page of a snapshot, read from Redis: his row of the active version,
 * or what recs_snapshots' missing= says he gets without one.
 */


#ifndef NGX_RECS_ROW_H
#define NGX_RECS_ROW_H


#include "ngx_recs_snapshot.h"


/* A longer user than this, in bytes, has no row. */

#define NGX_RECS_USER_MAX       1024


typedef struct ngx_recs_row_s  ngx_recs_row_t;


typedef enum {
    NGX_RECS_ROW_USER = 0,
    NGX_RECS_ROW_PREVIOUS,          /* his page of the version before */
    NGX_RECS_ROW_DEFAULT,           /* the active version's default page */
    NGX_RECS_ROW_KEPT,              /* Redis gave no answer, or lost what it
                                       had: the default page that shared memory
                                       holds */
    NGX_RECS_ROW_NONE,              /* nobody has one */
    NGX_RECS_ROW_UNKNOWN,           /* the same, and none is kept */
    NGX_RECS_ROW_TOO_LARGE          /* over max_size */
} ngx_recs_row_source_e;


/* What is being asked. */

typedef enum {
    NGX_RECS_ROW_ASK_USER = 0,
    NGX_RECS_ROW_ASK_PREVIOUS,      /* and the default page, if it isn't kept */
    NGX_RECS_ROW_ASK_DEFAULT
} ngx_recs_row_step_e;


typedef enum {
    NGX_RECS_REPLY_NIL = 0,
    NGX_RECS_REPLY_TEXT,
    NGX_RECS_REPLY_TOO_LARGE,
    NGX_RECS_REPLY_FAILED           /* there is none */
} ngx_recs_reply_e;


typedef struct {
    ngx_recs_row_t             *row;
    ngx_recs_redis_query_t      query;
    ngx_recs_reply_e            state;
    ngx_str_t                   text;
} ngx_recs_row_reply_t;


/*
 * The caller fills in what stands before "the answer", zeroing the rest; the
 * memory stays until there is an answer, or the row is cancelled.
 */

struct ngx_recs_row_s {
    ngx_pool_t                 *pool;       /* outlives the row */
    ngx_log_t                  *log;
    ngx_recs_snapshots_t       *snapshots;
    const ngx_recs_snapshot_t  *snapshot;   /* stays as long */
    ngx_str_t                   user;       /* any bytes.  Empty, or over
                                               NGX_RECS_USER_MAX: he is
                                               missing */
    ngx_msec_t                  timeout;    /* for the whole */
    size_t                      max_size;   /* bytes of a page */
    void                      (*handler)(ngx_recs_row_t *row);
    void                       *data;

    /* the answer */

    ngx_recs_row_source_e       source;
    ngx_str_t                   text;       /* in pool */
    const ngx_recs_descriptor_t  *served;   /* the version that text is of, in
                                               snapshot or here; NULL: none */

    /* private */

    ngx_recs_row_step_e         step;
    ngx_recs_row_reply_t        replies[2]; /* the row; the default page */
    ngx_uint_t                  npending;
    ngx_recs_descriptor_t       kept;
    ngx_event_t                 timer;
};


/*
 * NGX_OK: the answer is there.  NGX_AGAIN: handler() will be called, once, from
 * the event loop, at the deadline at the latest, unless the row is cancelled
 * before.  NGX_ERROR: out of memory; nothing is under way.
 * At most two round trips.
 */

ngx_int_t ngx_recs_row_read(ngx_recs_row_t *row);

/* Nobody waits any more; late replies will touch nothing. */

void ngx_recs_row_cancel(ngx_recs_row_t *row);


#endif /* NGX_RECS_ROW_H */
