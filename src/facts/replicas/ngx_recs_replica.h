
/*
 * A replica: what a Redis set holds, in shared memory, where all workers
 * answer from it without a round trip.  The leader loads it and follows the
 * set's feed (ngx_recs_replica_leader.h); here is what is in shared memory,
 * and how a worker reads it.
 */


#ifndef NGX_RECS_REPLICA_H
#define NGX_RECS_REPLICA_H


#include "ngx_recs_image.h"
#include "ngx_recs_latest.h"
#include "ngx_recs_leader.h"
#include "ngx_recs_set.h"
#include "recs_guard.h"
#include "recs_table.h"


/* What the leader does with it. */

typedef enum {
    NGX_RECS_REPLICA_LOADING = 0,   /* for the first time */
    NGX_RECS_REPLICA_FOLLOWING,
    NGX_RECS_REPLICA_RESYNC,        /* it isn't what Redis has: loading again */
    NGX_RECS_REPLICA_FULL,          /* the set has outgrown capacity= */
    NGX_RECS_REPLICA_FAILED,        /* Redis refuses what the leader asks */
    NGX_RECS_REPLICA_HELD,          /* what Redis has now is held back */
    NGX_RECS_REPLICA_NSTATES
} ngx_recs_replica_state_e;


/* Why a replica that was loaded is loaded again. */

typedef enum {
    NGX_RECS_RESYNC_GAP = 0,        /* entries of the feed are missing */
    NGX_RECS_RESYNC_LOST,           /* the feed lost what was read from it */
    NGX_RECS_RESYNC_COUNT,          /* Redis has more ids, or fewer */
    NGX_RECS_RESYNC_ENTRY,          /* an entry that can't be understood */
    NGX_RECS_RESYNC_LEADER,         /* a leader died while replacing it */
    NGX_RECS_RESYNC_FULL,           /* outgrown, or refused by Redis: it is */
    NGX_RECS_RESYNC_FAILED,         /* loaded when that has passed */
    NGX_RECS_RESYNC_FEW,            /* the feed would leave too few ids */
    NGX_RECS_NRESYNCS
} ngx_recs_resync_e;


/* An entry's id in a stream; 0-0 stands before all. */

typedef struct {
    uint64_t                  ms;
    uint64_t                  n;
} ngx_recs_feed_id_t;


/*
 * How far the feed was applied to a table: all up to an entry, and of those
 * after it, up to the one that was reached, some or parts.  They may be applied
 * once more, but only if all are still in the feed.
 */

typedef struct {
    uint64_t                  generation;   /* the table's */
    ngx_recs_feed_id_t        id;           /* the last entry; 0-0: none */
    uint64_t                  seq;          /* its number */
    ngx_uint_t                numbered;     /* it has one */
    ngx_recs_feed_id_t        reached;
} ngx_recs_position_t;


#define NGX_RECS_POSITIONS    2

/* In shared memory, before the tables.  Written by the leader alone. */

typedef struct {
    ngx_atomic_t              state;        /* ngx_recs_replica_state_e */
    ngx_atomic_t              confirmed;    /* ngx_current_msec when it last was
                                               what Redis had */
    ngx_atomic_t              loaded;       /* unix seconds; 0: never */
    ngx_atomic_t              load_time;    /* ms */
    recs_guard_held_t         held;
    ngx_recs_image_shared_t   image;
    ngx_atomic_t              position;     /* see ngx_recs_latest.h */
    ngx_recs_position_t       positions[NGX_RECS_POSITIONS];
} ngx_recs_replica_shared_t;


/* Counters of all workers, in shared memory. */

typedef struct {
    ngx_atomic_t              answered;     /* questions, fresh */
    ngx_atomic_t              stale;        /* questions that Redis gave no
                                               answer to */
    ngx_atomic_t              loads;
    ngx_atomic_t              failures;     /* loads that came to nothing */
    ngx_atomic_t              entries;      /* of the feed, applied */
    ngx_atomic_t              resyncs[NGX_RECS_NRESYNCS];
} ngx_recs_replica_counters_t;


typedef struct ngx_recs_replica_leader_s  ngx_recs_replica_leader_t;


struct ngx_recs_replica_s {
    ngx_recs_set_t            *set;
    ngx_str_t                  key;
    ngx_str_t                  feed;        /* empty: there is none */
    uint64_t                   hash;        /* of all that what it holds
                                               depends on */
    ngx_str_t                  image;       /* a path; empty: none */
    ngx_uint_t                 capacity;    /* ids */
    ngx_msec_t                 max_lag;     /* ms; older, it isn't fresh */
    ngx_msec_t                 resync;      /* ms between two comparisons of
                                               counts, or two loads if there is
                                               no feed */
    recs_guard_t               guard;

    ngx_recs_replica_counters_t  *counters;
    ngx_recs_replica_shared_t    *shared;
    recs_table_t                 *table;

    ngx_recs_leader_t         *leader;
    ngx_recs_replica_leader_t *as_leader;   /* what this worker does with it
                                               while it leads */
};


/* For the status: what it is now; members may be of different moments. */

typedef struct {
    const ngx_str_t           *state;
    ngx_uint_t                 loaded;      /* it ever was */
    ngx_uint_t                 fresh;
    ngx_msec_t                 age;         /* ms */
    recs_guard_held_t          held;
    recs_table_stat_t          table;
    ngx_recs_position_t        position;
} ngx_recs_replica_stat_t;


/*
 * In the zone's init: finds the replica that was there before, or makes an
 * empty one.  If there is no room for it, that is an error of
 * ngx_recs_zone_check().  NGX_ERROR: there is no randomness to be had, which
 * was logged.
 */

ngx_int_t ngx_recs_replica_init_zone(ngx_recs_replica_t *replica,
    ngx_recs_zone_t *zone, ngx_log_t *log);

/* Another secret, of the system's randomness.  NGX_ERROR was logged. */

ngx_int_t ngx_recs_replica_secret(u_char *secret, ngx_log_t *log);

/*
 * The answers about ids, and how old they are in ms.  NGX_DECLINED: it is not
 * fresh; with stale: it never was loaded.
 */

ngx_int_t ngx_recs_replica_answer(ngx_recs_replica_t *replica,
    const recs_str_t *ids, ngx_uint_t n, ngx_uint_t stale, u_char *answers,
    ngx_msec_t *age);

/*
 * Why what Redis has now is held back: Redis isn't to be asked about ids, and
 * the replica answers with stale.  NGX_RECS_WHY_NONE: nothing is.
 */

ngx_recs_why_e ngx_recs_replica_held(ngx_recs_replica_t *replica);

void ngx_recs_replica_stat(ngx_recs_replica_t *replica,
    ngx_recs_replica_stat_t *stat);

/* The position, if one was published: a consistent copy.  False: none was. */

ngx_uint_t ngx_recs_replica_position(ngx_recs_replica_t *replica,
    ngx_recs_position_t *position);

/* Publishes it; the caller is the leader, and has locked. */

void ngx_recs_replica_set_position(ngx_recs_replica_t *replica,
    const ngx_recs_position_t *position);


extern const ngx_recs_counter_t  ngx_recs_replica_counters[];

extern const ngx_str_t  ngx_recs_resyncs[];     /* by ngx_recs_resync_e */

extern const ngx_str_t  ngx_recs_replica_states[];  /* by ..._state_e */


#endif /* NGX_RECS_REPLICA_H */
