
/*
 * A recording: what one response showed, kept until Redis has confirmed it, and
 * the commands that record it there: ZADD of its ids with the time, the removal
 * of what is too old or too much, and EXPIRE.  When it is sent, and what a
 * reply or a loss means, ngx_recs_recorder.c knows.
 */


#ifndef NGX_RECS_RECORDING_H
#define NGX_RECS_RECORDING_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_redis.h"
#include "recs_base.h"


#define NGX_RECS_RECORDING_COMMANDS  3      /* that wait together */


/* How it is recorded. */

typedef struct {
    time_t                          within;     /* s: older ids go, and the key
                                                   when none is left; 0: stay */
    ngx_uint_t                      unit_ms;    /* scores are ms, else s */
    ngx_uint_t                      max;        /* the newest that stay; 0: all
                                                   do */
} ngx_recs_retention_t;


/* In memory of its own, which holds the ids' bytes and the key's, too. */

typedef struct {

    /* whoever keeps it sets these */

    ngx_queue_t                 queue;
    void                      (*done)(ngx_recs_redis_query_t *q, ngx_int_t rc,
                                      ngx_str_t *error);    /* of each command:
                                               q->data is the recording */
    void                       *data;
    ngx_uint_t                  losses;     /* of connections, over it */
    unsigned                    refused:1;
    unsigned                    lost:1;     /* the connection was, since it was
                                               sent */
    unsigned                    due:1;      /* and over this, it seems */

    /* what it is */

    ngx_log_t                  *log;
    ngx_str_t                   key;
    recs_str_t                 *ids;
    ngx_uint_t                  nids;
    size_t                      size;       /* bytes of all */
    time_t                      sec;        /* when it was shown */
    ngx_msec_t                  msec;
    ngx_recs_retention_t        keep;

    /* on its way */

    ngx_recs_redis_query_t      queries[NGX_RECS_RECORDING_COMMANDS];
    ngx_uint_t                  pending;    /* replies that are awaited: done()
                                               counts them down */
    unsigned                    expiring:1; /* the last one is under way */
    unsigned                    again:1;    /* some commands were lost */
} ngx_recs_recording_t;


/*
 * Could it ever leave?  What can't would hold up all that comes after it.  n:
 * ids, at least one.
 */

ngx_uint_t ngx_recs_recording_fits(const ngx_str_t *key, const recs_str_t *ids,
    ngx_uint_t n);

/* Bytes that it would take. */

size_t ngx_recs_recording_size(const ngx_str_t *key, const recs_str_t *ids,
    ngx_uint_t n);

/*
 * The ids were shown now; size is what ngx_recs_recording_size() says.  All is
 * copied; the caller frees it.  NULL: out of memory.
 */

ngx_recs_recording_t *ngx_recs_recording_create(size_t size,
    const ngx_str_t *key, const recs_str_t *ids, ngx_uint_t n,
    const ngx_recs_retention_t *keep, ngx_log_t *log);

/* Its replies are awaited no more. */

void ngx_recs_recording_free(ngx_recs_recording_t *recording);

/*
 * Sends all but EXPIRE.  NGX_OK: a reply will come; again says that not all
 * could be sent.  NGX_ERROR: the connection takes no more, it waits on.
 */

ngx_int_t ngx_recs_recording_send(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn);

/* Sends the last command, once the others were answered. */

ngx_int_t ngx_recs_recording_expire(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn);


#endif /* NGX_RECS_RECORDING_H */
