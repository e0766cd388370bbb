
/*
 * The configuration as all parts of the http room read it: that of a location,
 * that of the module, what has a name in it, and the counters that all workers
 * share.  The files of conf/ make it; nobody changes it afterwards, but for the
 * times of the last log lines, which are each worker's own.
 */


#ifndef NGX_HTTP_RECS_CONF_H
#define NGX_HTTP_RECS_CONF_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_recs_mem.h"
#include "ngx_recs_pool.h"
#include "ngx_recs_recorder.h"
#include "ngx_recs_zone.h"
#include "ngx_recs_replica.h"
#include "ngx_recs_snapshot.h"
#include "ngx_recs_watch.h"
#include "recs_cap.h"
#include "recs_hash.h"
#include "recs_recent.h"


#define NGX_HTTP_RECS_SETS_MAX      32      /* in one location */
#define NGX_HTTP_RECS_SHELVES_MAX   32      /* pointers in one location */
#define NGX_HTTP_RECS_COMPANIONS_MAX  16    /* of all of these */
#define NGX_HTTP_RECS_BACKFILL_MAX  100     /* items asked about */


/* What became of a response, as $recs_state says it. */

typedef enum {
    NGX_HTTP_RECS_NONE = 0,             /* not decided yet */
    NGX_HTTP_RECS_FILTERED,
    NGX_HTTP_RECS_SHADOW,               /* decided on, and left as it came */
    NGX_HTTP_RECS_DEGRADED,             /* filtered, but a set gave no answer */
    NGX_HTTP_RECS_SKIPPED,              /* filtered, but not by a required set,
                                           whose key is incomplete */
    NGX_HTTP_RECS_SKEWED,               /* filtered; a version isn't accepted */
    NGX_HTTP_RECS_STALE,                /* filtered; made too long ago */
    NGX_HTTP_RECS_BYPASSED,             /* nothing that can be filtered */
    NGX_HTTP_RECS_MALFORMED,            /* not JSON, or without a shelf */
    NGX_HTTP_RECS_TOO_LARGE,            /* over a limit */
    NGX_HTTP_RECS_NSTATES
} ngx_http_recs_state_e;


/* recs_on_bad_body says which bad bodies are answered with 502. */

typedef enum {
    NGX_HTTP_RECS_BAD_PASS = 0,             /* none */
    NGX_HTTP_RECS_BAD_REJECT_TOO_LARGE,     /* those over a limit */
    NGX_HTTP_RECS_BAD_REJECT                /* malformed ones, too */
} ngx_http_recs_bad_e;

/* recs_on_unidentified says what becomes of items without a usable id. */

typedef enum {
    NGX_HTTP_RECS_UNIDENTIFIED_KEEP = 0,
    NGX_HTTP_RECS_UNIDENTIFIED_DROP,
    NGX_HTTP_RECS_UNIDENTIFIED_REJECT       /* the page, if none has one */
} ngx_http_recs_unidentified_e;


/* These have a version: ngx_http_recs_versions[]. */

typedef enum {
    NGX_HTTP_RECS_MODEL = 0,
    NGX_HTTP_RECS_SCHEMA,
    NGX_HTTP_RECS_FEATURES,
    NGX_HTTP_RECS_SNAPSHOT,
    NGX_HTTP_RECS_NVERSIONS
} ngx_http_recs_version_e;


/* These have an age: ngx_http_recs_ages[]. */

typedef enum {
    NGX_HTTP_RECS_CANDIDATES_AGE = 0,
    NGX_HTTP_RECS_FEATURES_AGE,
    NGX_HTTP_RECS_NAGES
} ngx_http_recs_age_e;


/* Counters of all workers' responses, in shared memory. */

typedef struct {
    ngx_atomic_t                states[NGX_HTTP_RECS_NSTATES];
} ngx_http_recs_states_t;

typedef struct {
    ngx_atomic_t                skew[NGX_HTTP_RECS_NVERSIONS];
    ngx_atomic_t                stale[NGX_HTTP_RECS_NAGES];
    ngx_atomic_t                unsent;     /* versions unfit for a header */
    ngx_atomic_t                rejected;   /* answered with 502 */
    ngx_atomic_t                encoded;    /* in an encoding not known here */
    ngx_atomic_t                not_modified;
    ngx_atomic_t                not_utf8;   /* strings of the page */
    ngx_atomic_t                emptied;    /* pages of which no item was
                                               left */
    ngx_atomic_t                other_types;    /* of status 200 */
} ngx_http_recs_responses_t;

typedef struct {
    ngx_atomic_t                total;
    ngx_atomic_t                kept;
    ngx_atomic_t                removed;
    ngx_atomic_t                repeated;
    ngx_atomic_t                unidentified;
    ngx_atomic_t                explored;
    ngx_atomic_t                backfilled;
    ngx_atomic_t                skipped_slots;
    ngx_atomic_t                unfilled_slots;
} ngx_http_recs_items_t;

/* All of these, of the responses of one label: ngx_http_recs_counted.h. */

typedef struct ngx_http_recs_counted_s  ngx_http_recs_counted_t;
typedef struct ngx_http_recs_labels_s   ngx_http_recs_labels_t;


/*
 * Things with a name: they may be used before they are defined; those that
 * never are stop the configuration.
 */

typedef struct {
    ngx_str_t                   name;
    ngx_str_t                   file;       /* where it was first used */
    ngx_uint_t                  line;
    ngx_uint_t                  defined;
} ngx_http_recs_named_t;

typedef struct {
    ngx_http_recs_named_t       named;
    ngx_recs_redis_t            redis;
    ngx_uint_t                  nservers;   /* that its block has */
    ngx_str_t                   unknown;    /* the first one whose name is not
                                               known; len 0: none */
    char                       *unknown_why;
    ngx_str_t                   unknown_file;
    ngx_uint_t                  unknown_line;
    ngx_uint_t                  breaker;    /* its block has breaker */
    ngx_uint_t                  tls;        /* its server is "rediss://" */
    ngx_uint_t                  reads;      /* it has reads */
    ngx_str_t                   servers;    /* what finds them, as it is named
                                               in the zone */
    ngx_recs_recorder_t         recorder;   /* its redis is NULL: what is shown
                                               isn't recorded there */
} ngx_http_recs_redis_t;

typedef struct {
    ngx_http_recs_named_t       named;
    ngx_recs_set_t              set;
    ngx_http_complex_value_t   *key;        /* Redis: its key; value=: the
                                               list; file=: NULL */
    ngx_str_t                   required_file;  /* where recs_require first */
    ngx_uint_t                  required_line;  /* names it; 0: nowhere */
} ngx_http_recs_set_t;

typedef struct {
    ngx_http_recs_named_t       named;
    ngx_recs_pool_t             pool;
} ngx_http_recs_pool_t;

typedef struct {
    ngx_http_recs_named_t       named;
    ngx_recs_snapshots_t        snapshots;
} ngx_http_recs_snapshots_t;

typedef struct {
    ngx_str_t                   path;
    ngx_str_t                   directive;  /* whose image it is */
    ngx_str_t                   name;
} ngx_http_recs_image_t;


typedef struct {
    ngx_array_t                 redis;      /* ngx_http_recs_redis_t * */
    ngx_array_t                 sets;       /* ngx_http_recs_set_t * */
    ngx_array_t                 pools;      /* ngx_http_recs_pool_t * */
    ngx_array_t                 snapshots;  /* ngx_http_recs_snapshots_t * */
    ngx_array_t                 images;     /* ngx_http_recs_image_t */
    ngx_array_t                 explore;    /* ngx_http_recs_explore_t *, of
                                               all locations */

    size_t                      zone_size;
    ngx_recs_zone_t            *zone;
    ngx_recs_leader_t           leader;
    ngx_recs_watches_t          watches;
    ngx_http_recs_counted_t    *counted;    /* without a label */
    ngx_http_recs_labels_t     *labels;
    ngx_uint_t                  max_labels; /* the largest max=; 0: no
                                               recs_label is used */
    recs_recent_t              *recent;     /* sums of all, step by step */

    uint64_t                    seed;       /* for hashing ids */
    ngx_int_t                   request_id; /* index of $request_id */
    ngx_uint_t                  prefetch;   /* a set has prefetch= */
    ngx_uint_t                  used;       /* a directive that needs the zone
                                               was seen */
} ngx_http_recs_main_conf_t;


/* An item may be shown max times within a window. */

typedef struct {
    ngx_uint_t                  max;        /* 0: as often as it is drawn */
    ngx_msec_t                  window;     /* ms */
    recs_cap_t                 *shown;
} ngx_http_recs_cap_t;


typedef struct {
    ngx_str_t                   source;     /* the pool, as it is written */
    ngx_http_recs_pool_t       *pool;       /* NULL: the variable says which */
    ngx_http_complex_value_t   *variable;
    ngx_http_complex_value_t   *key;        /* NULL: the user */
    recs_explore_t              policy;
    ngx_http_recs_cap_t         cap;
    ngx_str_t                   file;       /* where it stands */
    ngx_uint_t                  line;
    time_t                      unknown;    /* this worker: when the variable
                                               last named no pool */
} ngx_http_recs_explore_t;


/* Where a version or a date is read.  What has one, has it first. */

typedef enum {
    NGX_HTTP_RECS_FROM_SNAPSHOT = 0,    /* that recs_pass serves, if any */
    NGX_HTTP_RECS_FROM_BODY,
    NGX_HTTP_RECS_FROM_VALUE
} ngx_http_recs_from_e;

typedef struct {
    ngx_uint_t                  given;      /* the location has this one */
    ngx_http_recs_from_e        from;
    recs_pointer_t              body;
    ngx_http_complex_value_t   *value;
} ngx_http_recs_source_t;


typedef struct {
    ngx_http_recs_source_t      source;
    ngx_http_complex_value_t   *accept;     /* NULL: any */
} ngx_http_recs_version_t;


typedef struct {
    ngx_http_recs_source_t      source;
    time_t                      max_age;    /* s; 0: any */
    ngx_uint_t                  reject;     /* on_stale=reject */
} ngx_http_recs_freshness_t;


/* Where among the page's values what is read from the body stands. */

typedef struct {
    ngx_uint_t                  versions[NGX_HTTP_RECS_NVERSIONS];
    ngx_uint_t                  ages[NGX_HTTP_RECS_NAGES];
    ngx_uint_t                  row_generated_at;   /* of a snapshot's row */
    ngx_uint_t                  row_max_age;
} ngx_http_recs_values_t;


typedef struct {
    ngx_http_recs_pool_t       *pool;
    ngx_uint_t                  min;        /* of each shelf */
} ngx_http_recs_backfill_t;


#define NGX_HTTP_RECS_RECORD_WITHIN_MAX  (10 * 365 * 24 * 3600)     /* s */
#define NGX_HTTP_RECS_RECORD_MAX         1000000

typedef struct {
    ngx_recs_recorder_t        *recorder;
    ngx_http_complex_value_t   *key;
    ngx_recs_retention_t        keep;
} ngx_http_recs_record_t;


/* recs_pass */

typedef struct {
    ngx_recs_snapshots_t       *snapshots;
    ngx_http_complex_value_t   *channel;    /* NULL: "active" */
    ngx_uint_t                  negotiate;  /* the format: by Accept */
    recs_format_e               format;     /* else */
} ngx_http_recs_pass_conf_t;


/* What this worker has said of slow look-ups. */

typedef struct {
    time_t                      last;       /* unix seconds; 0: nothing yet */
    ngx_uint_t                  unsaid;     /* so many were slow since */
} ngx_http_recs_slow_t;


#define NGX_HTTP_RECS_OFF           0
#define NGX_HTTP_RECS_ON            1
#define NGX_HTTP_RECS_SHADOW_MODE   2

#define NGX_HTTP_RECS_EXPIRES_OFF   (-2)    /* -1 is NGX_CONF_UNSET */

#define NGX_HTTP_RECS_TAG_OFF       0
#define NGX_HTTP_RECS_TAG_HEADERS   1
#define NGX_HTTP_RECS_TAG_BODY      2


typedef struct {
    ngx_uint_t                  enable;
    ngx_str_t                   handler;    /* the directive that is the
                                               content handler; empty: none of
                                               this module's */
    ngx_uint_t                  status;     /* recs_status: its format, 0:
                                               JSON */
    ngx_uint_t                  status_own; /* the directive names it */

    ngx_hash_t                  types;
    ngx_array_t                *types_keys;
    ngx_uint_t                  json_suffix;    /* "+json" is among them */

    ngx_http_complex_value_t   *user;
    ngx_str_t                  *user_hash;  /* its key; NULL: users are logged
                                               as they are */
    ngx_http_complex_value_t   *event;
    ngx_http_complex_value_t   *label;      /* NULL: none */
    ngx_http_complex_value_t   *explain;

    ngx_array_t                *shelves;    /* recs_pointer_t */
    ngx_array_t                *with;       /* recs_with_t, of these */
    recs_pointer_t             *item_id;
    ngx_http_recs_version_t    *versions;   /* NGX_HTTP_RECS_NVERSIONS */
    ngx_http_recs_freshness_t  *freshness;  /* NGX_HTTP_RECS_NAGES */
    ngx_http_recs_pass_conf_t  *pass;       /* recs_pass is the handler */
    recs_page_spec_t            spec;       /* made of the above */
    ngx_http_recs_values_t      values;     /* where in the page's values */

    ngx_array_t                *require;    /* ngx_http_recs_set_t * */
    ngx_array_t                *exclude;    /* ngx_http_recs_set_t * */

    ngx_flag_t                  distinct;
    ngx_uint_t                  limit;
    ngx_http_recs_backfill_t   *backfill;
    ngx_array_t                *explore;    /* ngx_http_recs_explore_t * */
    ngx_http_recs_record_t     *record;

    ngx_uint_t                  tag;
    ngx_uint_t                  reject_skew;
    ngx_uint_t                  on_bad_body;    /* ngx_http_recs_bad_e */
    ngx_uint_t                  on_unidentified;
                                            /* ngx_http_recs_unidentified_e */
    time_t                      unidentified;   /* this worker: when the last
                                                   page came without an id */
    time_t                      expires;    /* s */
    time_t                      bad_body;   /* this worker: when the last one
                                               came */

    ngx_msec_t                  lookup_timeout;
    ngx_msec_t                  slow;       /* ms; 0: recs_slow off */
    ngx_http_recs_slow_t        slow_said;
    size_t                      max_body_size;
    ngx_uint_t                  max_items;
} ngx_http_recs_loc_conf_t;


extern ngx_module_t  ngx_http_recs_module;
extern ngx_module_t  ngx_http_recs_filter_module;


#endif /* NGX_HTTP_RECS_CONF_H */
