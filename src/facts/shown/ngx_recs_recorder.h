
/*
 * What was shown is recorded in Redis: ids with the time, in a sorted set for
 * each key.  Nobody waits for it.  What finished in one turn of the event loop
 * leaves in one write, on a connection of its own; what comes while replies are
 * awaited leaves with the next one.  It is kept until Redis has confirmed it,
 * and sent again if the connection was lost: to be recorded twice changes
 * nothing.
 */


#ifndef NGX_RECS_RECORDER_H
#define NGX_RECS_RECORDER_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_recording.h"
#include "ngx_recs_redis.h"
#include "ngx_recs_zone.h"


/* What may wait, in each worker; the oldest give way. */

#define NGX_RECS_RECORDINGS_MAX       4096
#define NGX_RECS_RECORDINGS_SIZE_MAX  (8 * 1024 * 1024)    /* bytes */


/* Counters of all workers, in shared memory. */

typedef struct {
    ngx_atomic_t              responses;    /* recorded, Redis confirmed it */
    ngx_atomic_t              ids;          /* of these */
    ngx_atomic_t              batches;      /* in which they left */
    ngx_atomic_t              unkeyed;      /* the key was empty */
    ngx_atomic_t              refused;      /* Redis answered with an error, or
                                               it can never be recorded */
    ngx_atomic_t              dropped;      /* too many waited, or the worker
                                               ended */
} ngx_recs_recorder_counters_t;


/* A worker's recorder, for one Redis. */

typedef struct {
    ngx_recs_redis_t               *redis;      /* NULL: not in use */
    ngx_recs_recorder_counters_t   *counters;

    /* private */

    ngx_log_t                      *log;
    ngx_queue_t                     unsent;     /* ngx_recs_recording_t: older
                                                   ones, for which no connection
                                                   stands */
    ngx_queue_t                     waiting;    /* for those that are sent */
    ngx_queue_t                     sent;       /* replies are awaited */
    ngx_uint_t                      nrecordings;    /* in all three */
    size_t                          size;       /* bytes in all three */
    ngx_event_t                     flush;      /* at the turn's end */
    ngx_event_t                     linger;     /* keeps a worker that is
                                                   exiting */
    unsigned                        progress:1; /* Redis answered since */
    ngx_uint_t                      dropping;   /* so many, since it was
                                                   logged */
    time_t                          failed;     /* when Redis last answered with
                                                   an error; 0: it is well */
} ngx_recs_recorder_t;


/* In init_process and exit_process, if it is in use. */

void ngx_recs_recorder_init_worker(ngx_recs_recorder_t *recorder,
    ngx_cycle_t *cycle);
void ngx_recs_recorder_exit_worker(ngx_recs_recorder_t *recorder);

/*
 * Records that n ids, at least one, were shown now.  All is copied.  What can't
 * be recorded is counted, and logged when that begins and ends.
 */

void ngx_recs_recorder_add(ngx_recs_recorder_t *recorder, const ngx_str_t *key,
    const recs_str_t *ids, ngx_uint_t n, const ngx_recs_retention_t *keep);


extern const ngx_recs_counter_t  ngx_recs_recorder_counters[];


#endif /* NGX_RECS_RECORDER_H */
