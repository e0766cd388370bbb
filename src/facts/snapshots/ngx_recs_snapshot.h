
/*
 * Snapshots: versioned batch output in Redis.  For each channel one worker,
 * the leader, follows which version is active, and publishes to all workers,
 * through shared memory, what may be served.
 */


#ifndef NGX_RECS_SNAPSHOT_H
#define NGX_RECS_SNAPSHOT_H


#include "ngx_recs_descriptor.h"
#include "ngx_recs_latest.h"
#include "ngx_recs_leader.h"
#include "ngx_recs_past.h"
#include "ngx_recs_redis.h"
#include "recs_missing_share.h"
#include "recs_rollout.h"


#define NGX_RECS_CHANNELS_MAX   16      /* of one recs_snapshots */
#define NGX_RECS_PREFIX_MAX     64      /* bytes */

/* A default page of more bytes than this is not kept in shared memory. */

#define NGX_RECS_DEFAULT_MAX    (128 * 1024)


/* What a user gets who is missing from the active version. */

typedef enum {
    NGX_RECS_MISSING_DEFAULT = 0,       /* its default page */
    NGX_RECS_MISSING_PREVIOUS,          /* his page of the version before, then
                                           the default */
    NGX_RECS_MISSING_NONE               /* nothing */
} ngx_recs_missing_e;


/* Counters of all workers, in shared memory. */

typedef struct {
    ngx_atomic_t              rows;         /* users' pages asked for */
    ngx_atomic_t              missing;      /* of these: not in the version */
    ngx_atomic_t              previous;     /* of these: in the one before */
    ngx_atomic_t              defaults;     /* default pages served */
    ngx_atomic_t              none;         /* nobody had a page */
    ngx_atomic_t              kept;         /* last known default pages served,
                                               as Redis gave no answer, or lost
                                               what it had */
    ngx_atomic_t              unknown;      /* no answer, and none kept */
    ngx_atomic_t              too_large;

    ngx_atomic_t              adopted;      /* versions, in all channels */
    ngx_atomic_t              refused;
    ngx_atomic_t              events;       /* messages of a change */

    ngx_atomic_t              nobody;       /* of rows and missing: nobody could
                                               have one */
    ngx_atomic_t              returned;     /* versions refused, as they were
                                               left before */
    ngx_atomic_t              guarded;      /* versions that a guard left */
} ngx_recs_snapshots_counters_t;


/* Of all channels, in shared memory; the leader writes. */

typedef struct {
    ngx_recs_past_t           past;
    recs_missing_share_t      missing_share;
    ngx_recs_image_shared_t   image;
    ngx_atomic_t              changes;      /* of what the image holds */
} ngx_recs_snapshots_shared_t;


/* A version of which recs_guard found that it does badly, in one channel. */

typedef struct {
    ngx_recs_text_t           version;      /* len 0: there was none */
    ngx_recs_text_t           to;           /* the channel's since; len 0: it
                                               is what "active" is */
    ngx_uint_t                stays;        /* not left: nothing was before */
    ngx_uint_t                untold;       /* Redis is yet to be told */
    time_t                    at;           /* unix seconds */
    recs_rollout_found_t      found;
} ngx_recs_left_t;


/* What the leader, or a guard in any worker, says of a channel. */

typedef struct {
    ngx_recs_descriptor_t     active;
    ngx_recs_descriptor_t     previous;     /* version.len 0: none */
    time_t                    since;        /* unix seconds: active was adopted
                                               then */
    ngx_recs_text_t           refused;      /* what the pointer names, if it is
                                               refused */
    ngx_uint_t                refusal;      /* ngx_recs_refusal_e */
    u_char                    reason[NGX_RECS_REASON_MAX];
    size_t                    reason_len;
    ngx_uint_t                lost;         /* Redis no longer has what it had:
                                               a row that is absent there isn't
                                               one that doesn't exist */
    uint64_t                  serial;       /* rises with each version that
                                               becomes active */
    ngx_recs_left_t           left;         /* by its guard, the last one */
} ngx_recs_channel_state_t;


/* A default page. */

typedef struct {
    ngx_recs_descriptor_t     of;
    size_t                    len;
    u_char                    data[NGX_RECS_DEFAULT_MAX];
} ngx_recs_default_t;


/* A channel in shared memory; see ngx_recs_latest.h. */

#define NGX_RECS_STATES         4
#define NGX_RECS_DEFAULTS       2

/* What is seen of a version is counted in place serial % so many. */

#define NGX_RECS_ROLLOUTS       4

typedef struct {
    ngx_atomic_t              state;
    ngx_atomic_t              page;
    ngx_atomic_t              looked;       /* unix seconds: when Redis last
                                               told all of it */
    ngx_recs_channel_state_t  states[NGX_RECS_STATES];
    ngx_recs_default_t        pages[NGX_RECS_DEFAULTS];
    recs_rollout_seen_t       seen[NGX_RECS_ROLLOUTS];
} ngx_recs_channel_shared_t;


typedef struct ngx_recs_snapshots_s  ngx_recs_snapshots_t;
typedef struct ngx_recs_inquiry_s    ngx_recs_inquiry_t;
typedef struct ngx_recs_snapshots_image_s  ngx_recs_snapshots_image_t;
typedef struct ngx_recs_rollout_tell_s  ngx_recs_rollout_tell_t;


typedef struct {
    ngx_str_t                    name;
    ngx_recs_channel_shared_t   *shared;
    ngx_recs_inquiry_t          *inquiry;   /* the leader's, of this channel */

    recs_rollout_t              *guard;     /* NULL: it has none */
    ngx_uint_t                   against;   /* the channel that relative limits
                                               are compared with */
    ngx_msec_t                   window;    /* in which pages are counted; 0: no
                                               guard needs that */
    ngx_recs_rollout_tell_t     *tell;      /* the leader's, with a guard */
} ngx_recs_channel_t;


struct ngx_recs_snapshots_s {
    ngx_str_t                 name;
    ngx_recs_redis_t         *redis;
    ngx_str_t                 prefix;
    ngx_recs_adopt_t          adopt;
    ngx_msec_t                poll;         /* ms */
    ngx_recs_missing_e        missing;

    ngx_recs_channel_t       *channels;     /* the first is "active" */
    ngx_uint_t                nchannels;

    ngx_str_t                 image_path;   /* empty: none */

    ngx_recs_snapshots_counters_t  *counters;
    ngx_recs_snapshots_shared_t    *shared;

    /* this worker's */

    ngx_cycle_t              *cycle;
    ngx_recs_leader_t        *leader;
    ngx_recs_leader_user_t    user;
    ngx_recs_redis_private_t  events;
    ngx_event_t               timer;
    ngx_recs_snapshots_image_t  *image;
    ngx_uint_t                untold;       /* Redis doesn't show the history,
                                               which was logged */
    time_t                    failed;       /* when it last got no row; 0: it
                                               is well */
    ngx_atomic_uint_t         guarded;      /* versions that guards had left
                                               when the leader last looked */
};


/* What may be served in a channel, at one moment. */

typedef struct {
    ngx_uint_t                channel;      /* its index; 0 also if it follows
                                               "active" */
    ngx_recs_descriptor_t     active;
    ngx_recs_descriptor_t     previous;     /* version.len 0: none; valid now */
    ngx_uint_t                lost;         /* these as in its state */
    uint64_t                  serial;
    ngx_uint_t                stays;
} ngx_recs_snapshot_t;


/*
 * In the zone's init.  Where memory is missing the zone keeps count of it, and
 * ngx_recs_zone_check() ends the start.
 */

void ngx_recs_snapshots_init_zone(ngx_recs_snapshots_t *ss,
    ngx_recs_zone_t *zone);

/* A channel's index.  An empty or unknown one is "active". */

ngx_uint_t ngx_recs_snapshot_channel(ngx_recs_snapshots_t *ss,
    const ngx_str_t *name);

/*
 * What may be served in a channel now: a consistent copy, without a lock.  One
 * for which nothing was adopted is "active".
 * NGX_OK, or NGX_DECLINED: nothing was adopted yet.
 */

ngx_int_t ngx_recs_snapshot_get(ngx_recs_snapshots_t *ss, ngx_uint_t channel,
    ngx_recs_snapshot_t *out);

/*
 * The default page that is kept for a channel, copied into memory from pool:
 * that of version, or with NULL whichever there is.  *of says whose it is.
 * NGX_OK; NGX_DECLINED: it is not kept; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_snapshot_default(ngx_recs_snapshots_t *ss,
    ngx_uint_t channel, const ngx_recs_text_t *version, ngx_pool_t *pool,
    ngx_str_t *page, ngx_recs_descriptor_t *of);

/*
 * For the status: a consistent copy of what the leader says of a channel.
 * False: nothing yet.
 */

ngx_uint_t ngx_recs_channel_state(ngx_recs_channel_t *channel,
    ngx_recs_channel_state_t *state);

/*
 * Publishes a state, or keeps a default page of at most NGX_RECS_DEFAULT_MAX
 * bytes, in place of the one before.  The caller holds the leader's lock; who
 * publishes what he made of an older state asks first whether that still
 * stands: only its generation, channel->shared->state, tells.
 */

void ngx_recs_channel_publish(ngx_recs_channel_t *channel,
    const ngx_recs_channel_state_t *state);
void ngx_recs_channel_keep(ngx_recs_channel_t *channel,
    const ngx_recs_descriptor_t *of, const ngx_str_t *page);

/*
 * A default page of a version that was rolled back is not kept any more: with
 * the same lock.  That of the version that is active is taken again, if it was
 * the one before.
 */

void ngx_recs_channel_drop_page(ngx_recs_snapshots_t *ss,
    ngx_recs_channel_t *channel, const ngx_recs_text_t *active);

/* Bytes of the default page that is kept, and the version it is of; 0: none. */

size_t ngx_recs_channel_default(ngx_recs_channel_t *channel,
    ngx_recs_text_t *version);


extern const ngx_recs_counter_t  ngx_recs_snapshots_counters[];


#endif /* NGX_RECS_SNAPSHOT_H */
