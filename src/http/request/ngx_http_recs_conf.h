
/*
 * What the parts of the http room share: the configuration and what the
 * module knows about one response.
 */


#ifndef NGX_HTTP_RECS_CONF_H
#define NGX_HTTP_RECS_CONF_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_recs_ask.h"
#include "ngx_recs_mem.h"
#include "ngx_recs_pool.h"
#include "ngx_recs_recorder.h"
#include "ngx_recs_row.h"
#include "ngx_recs_zone.h"
#include "ngx_recs_replica.h"
#include "recs_cap.h"
#include "recs_decide.h"
#include "recs_hash.h"
#include "recs_render.h"
#include "recs_writer.h"


/*
 * The bit of r->buffered that says a response is held back here.  It is
 * image_filter's (NGX_HTTP_IMAGE_BUFFERED, an internal name), whose responses
 * are never JSON; all others have users that may meet in one request.
 */

#define NGX_HTTP_RECS_BUFFERED      0x08

#define NGX_HTTP_RECS_SETS_MAX      32      /* in one location */
#define NGX_HTTP_RECS_SHELVES_MAX   32      /* pointers in one location */
#define NGX_HTTP_RECS_COMPANIONS_MAX  16    /* of all of these */
#define NGX_HTTP_RECS_HEADER_MAX    128     /* bytes of a version in a header */
#define NGX_HTTP_RECS_BACKFILL_MAX  100     /* items asked about */


/* What became of a response: $recs_state. */

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


/* recs_on_bad_body: which of them are answered with 502. */

typedef enum {
    NGX_HTTP_RECS_BAD_PASS = 0,             /* none */
    NGX_HTTP_RECS_BAD_REJECT_TOO_LARGE,     /* those over a limit */
    NGX_HTTP_RECS_BAD_REJECT                /* malformed ones, too */
} ngx_http_recs_bad_e;

/* recs_on_unidentified: what becomes of items without a usable id. */

typedef enum {
    NGX_HTTP_RECS_UNIDENTIFIED_KEEP = 0,
    NGX_HTTP_RECS_UNIDENTIFIED_DROP,
    NGX_HTTP_RECS_UNIDENTIFIED_REJECT       /* the page, if none has one */
} ngx_http_recs_unidentified_e;


/* What has a version. */

typedef enum {
    NGX_HTTP_RECS_MODEL = 0,
    NGX_HTTP_RECS_SCHEMA,
    NGX_HTTP_RECS_FEATURES,
    NGX_HTTP_RECS_SNAPSHOT,
    NGX_HTTP_RECS_NVERSIONS
} ngx_http_recs_version_e;


/* What has an age. */

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

/* These entries are in the zone under these names. */

#define NGX_HTTP_RECS_STATES_NAME     "states"
#define NGX_HTTP_RECS_RESPONSES_NAME  "responses"
#define NGX_HTTP_RECS_ITEMS_NAME      "items"


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
    ngx_uint_t                  auth;       /* its block has auth */
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
    ngx_http_recs_states_t     *states;
    ngx_http_recs_responses_t  *responses;
    ngx_http_recs_items_t      *items;

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


/* Where a version or a date is read. */

typedef enum {
    NGX_HTTP_RECS_FROM_SNAPSHOT = 0,    /* that recs_pass serves, if any */
    NGX_HTTP_RECS_FROM_BODY,
    NGX_HTTP_RECS_FROM_VALUE
} ngx_http_recs_from_e;

typedef struct {
    ngx_http_recs_from_e        from;
    recs_pointer_t              body;
    ngx_http_complex_value_t   *value;
} ngx_http_recs_source_t;


typedef struct {
    ngx_uint_t                  set;        /* the location has this one */
    ngx_http_recs_source_t      source;
    ngx_http_complex_value_t   *accept;     /* NULL: any */
} ngx_http_recs_version_t;


typedef struct {
    ngx_uint_t                  set;        /* the location has this one */
    ngx_http_recs_source_t      source;
    time_t                      max_age;    /* s; 0: any */
    ngx_uint_t                  reject;     /* on_stale=reject */
} ngx_http_recs_freshness_t;


/* Numbers of the page's values: those that are read from the body. */

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

    ngx_hash_t                  types;
    ngx_array_t                *types_keys;
    ngx_uint_t                  json_suffix;    /* "+json" is among them */

    ngx_http_complex_value_t   *user;
    ngx_str_t                  *user_hash;  /* its key; NULL: users are logged
                                               as they are */
    ngx_http_complex_value_t   *event;
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
    size_t                      max_body_size;
    ngx_uint_t                  max_items;
} ngx_http_recs_loc_conf_t;


typedef enum {
    NGX_HTTP_RECS_COLLECT = 0,          /* the body is being received */
    NGX_HTTP_RECS_WAIT,                 /* the sets are being asked */
    NGX_HTTP_RECS_READY,                /* the rewritten body may go out */
    NGX_HTTP_RECS_REJECTED,             /* it will be answered with 502 */
    NGX_HTTP_RECS_PASS                  /* nothing (more) to do here */
} ngx_http_recs_phase_e;


typedef struct {
    ngx_str_t                   text;       /* data is NULL: none was found */
    unsigned                    skewed:1;   /* it is not accepted */
} ngx_http_recs_found_t;


typedef struct {
    ngx_uint_t                  known;      /* the date was found */
    time_t                      age;        /* s */
    time_t                      max_age;    /* s; 0: any */
    unsigned                    stale:1;
} ngx_http_recs_aged_t;


/* A page that is served from a snapshot. */

typedef struct {
    ngx_recs_row_t              row;
    unsigned                    waiting:1;  /* for it */
    recs_format_e               format;     /* of the response */
} ngx_http_recs_pass_t;


/* What a subrequest is done with once its page, which is held, was sent. */

typedef struct {
    ngx_http_post_subrequest_t  done;       /* in place of the parent's */
    ngx_http_post_subrequest_t *parent;     /* NULL: nobody's */
    unsigned                    timer:1;    /* nginx set the connection's write
                                               timer for it */
} ngx_http_recs_hold_t;


/* A recs_explore whose gate is open. */

typedef struct {
    ngx_http_recs_explore_t    *conf;
    ngx_recs_pool_t            *pool;       /* NULL: there is none */
    ngx_recs_pool_items_t      *items;      /* held; NULL: there are none */
    ngx_str_t                   key;        /* of the gate */
} ngx_http_recs_exploring_t;


typedef struct ngx_http_recs_ctx_s  ngx_http_recs_ctx_t;

struct ngx_http_recs_ctx_s {
    ngx_http_request_t         *request;
    ngx_http_recs_loc_conf_t   *conf;
    recs_mem_t                  mem;        /* the request's pool */

    ngx_http_recs_phase_e       phase;
    ngx_http_recs_state_e       state;
    const char                 *why;        /* of bypassed and malformed */

    unsigned                    started:1;  /* its header was seen */
    ngx_http_recs_hold_t        hold;
    ngx_http_recs_pass_t       *pass;       /* NULL: not served from Redis */

    /* the body as it came */

    recs_format_e               format;
    ngx_buf_t                  *body;
    ngx_str_t                   text;       /* the same, decompressed */
    unsigned                    last:1;     /* it is complete */
    unsigned                    gzip:1;
    ngx_event_t                *rejecting;  /* NULL: it isn't rejected */

    /* what is asked and decided */

    recs_page_t                 page;
    ngx_http_recs_found_t       versions[NGX_HTTP_RECS_NVERSIONS];
    ngx_http_recs_aged_t        ages[NGX_HTTP_RECS_NAGES];
    ngx_str_t                   event;      /* data is NULL: not known yet */
    ngx_recs_ask_t              ask;
    ngx_msec_t                  asked;      /* ngx_current_msec then */
    ngx_msec_t                  waited;     /* ms */
    recs_line_t                *lines;      /* that explore here */
    ngx_http_recs_exploring_t  *exploring;  /* of each of them */
    unsigned                    nlines;
    ngx_recs_pool_items_t      *backfill;   /* held; NULL: none */
    size_t                      nbackfill;  /* of these: asked about */
    recs_draw_t                *draws;
    unsigned                    ndraws;
    recs_decision_t             decision;
    uint8_t                    *rules;      /* rule -> question */
    size_t                     *removed;    /* question -> items */
    unsigned                    decided:1;
    unsigned                    rewritten:1;    /* so decided, and so sent */
    unsigned                    stale:1;        /* whatever else its state
                                                   says */
    unsigned                    reject:1;

    recs_output_t               output;

    ngx_str_t                   record_key; /* empty: it isn't recorded */
    unsigned                    ended:1;    /* the main request is: it will only
                                               be logged */
    ngx_str_t                   exposure;   /* its record; data is NULL: was not
                                               read yet */
    ngx_uint_t                  exposure_status;    /* ... at that status, */
    unsigned                    exposure_ended:1;   /* in the log */
};


/* What is kept of a client's request, the main one: by ngx_http_recs_keep(). */

typedef struct ngx_http_recs_seen_s  ngx_http_recs_seen_t;
typedef struct ngx_http_recs_steady_s  ngx_http_recs_steady_t;

typedef struct {
    ngx_http_recs_seen_t       *seen;       /* the latest, of each channel */
    ngx_http_recs_steady_t     *steady;     /* the latest, of each text */
    unsigned                    hidden:1;   /* If-None-Match was, which said */
    ngx_str_t                   if_none_match;
} ngx_http_recs_kept_t;


extern ngx_module_t  ngx_http_recs_module;
extern ngx_module_t  ngx_http_recs_filter_module;


/* The directives that take more than a slot: ngx_http_recs_set_conf.c, */

char *ngx_http_recs_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Once all is read: warns of what is required of an empty file. */

void ngx_http_recs_set_check_required(ngx_conf_t *cf,
    ngx_http_recs_main_conf_t *rmcf);

/* ngx_http_recs_pool_conf.c, */

char *ngx_http_recs_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_recs_snapshots_conf.c, */

char *ngx_http_recs_snapshots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_recs_redis_conf.c, */

char *ngx_http_recs_redis_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_recs_pass_conf.c, */

char *ngx_http_recs_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_ready(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
void ngx_http_recs_pass_merge(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *prev,
    ngx_http_recs_loc_conf_t *conf);

/* ngx_http_recs_explore_conf.c, */

char *ngx_http_recs_explore(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_recs_record_conf.c, */

char *ngx_http_recs_record_shown(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* and ngx_http_recs_loc_conf.c */

char *ngx_http_recs_items(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_item_id(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_set_names(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_backfill(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_version(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_freshness(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_expires(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_recs_filter.c */

ngx_int_t ngx_http_recs_filter_init(ngx_conf_t *cf);

/*
 * ngx_http_recs_order.c
 *
 * Gives the filter's module its place among others.  To be called in the
 * postconfiguration of ngx_http_recs_module, which comes before all of them.
 */

void ngx_http_recs_order(ngx_conf_t *cf);

/* ngx_http_recs_ctx.c */

/* What is known about the response, made if it is new; NULL: out of memory. */

ngx_http_recs_ctx_t *ngx_http_recs_get_ctx(ngx_http_request_t *r);

/* Is a variable in the text of a key= or value= empty? */

ngx_uint_t ngx_http_recs_incomplete(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv);

/*
 * A pool's contents now, or NULL, held until the request's memory goes.
 */

ngx_recs_pool_items_t *ngx_http_recs_hold_pool(ngx_http_request_t *r,
    ngx_recs_pool_t *pool);

/* The line that a draw belongs to. */

ngx_http_recs_exploring_t *ngx_http_recs_exploring(
    const ngx_http_recs_ctx_t *ctx, const recs_draw_t *draw);

/*
 * Is something odd worth a log line now, after it came *last, unix seconds; 0:
 * never?  *last becomes now.
 */

ngx_uint_t ngx_http_recs_news(time_t *last);

/*
 * ngx_http_recs_hold.c
 *
 * Holds a response back, from its header on.  A subrequest is not done for its
 * parent until what is held was sent.
 */

void ngx_http_recs_hold(ngx_http_recs_ctx_t *ctx);

/*
 * What was held goes on to the next filters, or is given up: to be called
 * before they, or whoever answers instead, see anything of it.
 */

void ngx_http_recs_release(ngx_http_recs_ctx_t *ctx);

/* Awaits no answer any more, and rejects nothing: the request has ended. */

void ngx_http_recs_abandon(ngx_http_recs_ctx_t *ctx);

/*
 * Lets nginx go on with the request once a filter outside of it has sent what
 * was held, with result rc.  The request may be gone afterwards; who calls it
 * calls ngx_http_run_posted_requests() next.
 */

void ngx_http_recs_resume(ngx_http_recs_ctx_t *ctx, ngx_int_t rc);

/*
 * ngx_http_recs_kept.c
 *
 * What is kept of the client's request that r belongs to, until its memory
 * goes, also in the log phase.  NULL: nothing is.
 */

ngx_http_recs_kept_t *ngx_http_recs_kept(ngx_http_request_t *r);

/* The same, made if there is none.  NULL: out of memory. */

ngx_http_recs_kept_t *ngx_http_recs_keep(ngx_http_request_t *r);

/* ngx_http_recs_check.c */

/*
 * Is the response one that is looked at, so far as its request tells?  Not so
 * if no client sees it (of auth_request, mirror, a background update of the
 * cache), or it is a further part of a page that comes in parts.
 */

ngx_uint_t ngx_http_recs_concerned(ngx_http_request_t *r);

/* Is it of a type that is looked at?  Whatever parameters that has. */

ngx_uint_t ngx_http_recs_type(ngx_http_recs_ctx_t *ctx);

/* Sets ctx->state if the header shows that the body can't be filtered. */

void ngx_http_recs_check(ngx_http_recs_ctx_t *ctx);

/* The body is over recs_max_body_size: sets ctx->state. */

void ngx_http_recs_too_large(ngx_http_recs_ctx_t *ctx);

/* Is a body that can't be filtered answered with 502? */

ngx_uint_t ngx_http_recs_rejects_body(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_rewrite.c: from a whole body to the rewritten one.
 *
 * Starts: NGX_OK, ctx->state says what became of it; NGX_AGAIN: the sets are
 * being asked, done() is called later; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_http_recs_rewrite(ngx_http_recs_ctx_t *ctx,
    void (*done)(ngx_recs_ask_t *ask));

/* Goes on when the answers are there.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_http_recs_rewrite_answered(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_explore.c
 *
 * If the request explores: ctx->lines and ctx->draws, of which items of which
 * pools may be drawn.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_plan_explore(ngx_http_recs_ctx_t *ctx);

/* ngx_http_recs_explore_conf.c: has each pool what its explorers need? */

ngx_int_t ngx_http_recs_check_explore(ngx_conf_t *cf);

/*
 * ngx_http_recs_versions.c: fills in ctx->versions and ctx->ages, from the page
 * that was read.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_read_versions(ngx_http_recs_ctx_t *ctx);
ngx_int_t ngx_http_recs_read_ages(ngx_http_recs_ctx_t *ctx);

/* The same, of the snapshot that is served alone. */

void ngx_http_recs_snapshot_versions(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_seen.c
 *
 * What a snapshot's channel is to this request: the same from its start to its
 * end, whatever becomes active meanwhile, in subrequests and after internal
 * redirects, too.  NGX_OK; NGX_DECLINED: there was none yet; NGX_ERROR.
 */

ngx_int_t ngx_http_recs_seen(ngx_http_request_t *r,
    ngx_recs_snapshots_t *snapshots, ngx_str_t *channel,
    const ngx_recs_snapshot_t **snapshot);

/*
 * ngx_http_recs_cap.c
 *
 * In the zone's init: how often items were shown.  What is missing the zone
 * knows.
 */

void ngx_http_recs_cap_init_zone(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_explore_t *ex);

/* Which items of the draws may not be shown for now.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_http_recs_cap_draws(ngx_http_recs_ctx_t *ctx);

/* Counts, for the status, those of the panels that were refused for that. */

void ngx_http_recs_cap_count_refused(ngx_http_recs_ctx_t *ctx);

/* Was an item put in that has a cap?  Once it was delivered, it is counted. */

ngx_uint_t ngx_http_recs_has_capped(const ngx_http_recs_ctx_t *ctx);
void ngx_http_recs_cap_count_shown(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_record.c
 *
 * The rewritten page, and not only its header, begins to be sent: it is counted
 * and recorded once it was delivered, if its location says so.  NGX_OK or
 * NGX_ERROR.
 */

ngx_int_t ngx_http_recs_record_sent(ngx_http_recs_ctx_t *ctx);

/* ngx_http_recs_pass.c: the content handler. */

ngx_int_t ngx_http_recs_pass_handler(ngx_http_request_t *r);

/*
 * ngx_http_recs_convert.c
 *
 * Puts text, in ctx->format, into the format of the response; leaves that of
 * any other handler as it is.  NGX_OK or NGX_HTTP_BAD_GATEWAY.
 */

ngx_int_t ngx_http_recs_convert(ngx_http_recs_ctx_t *ctx,
    ngx_str_t *text);

/* The same for the rewritten body.  If it can't be, ctx->reject. */

ngx_int_t ngx_http_recs_convert_output(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_accept.c: the format that the client would rather have, and
 * what it calls it; *format as it is, if it has no preference.
 */

void ngx_http_recs_negotiate(ngx_http_request_t *r, recs_format_e *format,
    ngx_str_t *type);

/* The usual name of a format. */

void ngx_http_recs_format_type(recs_format_e format, ngx_str_t *type);

/*
 * ngx_http_recs_headers.c: what the response's header says of it, once its
 * state is known.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_headers(ngx_http_recs_ctx_t *ctx);

/* ngx_http_recs_validators.c */

/* A phase handler: hides what a client says of the body that it has. */

ngx_int_t ngx_http_recs_hide(ngx_http_request_t *r);

/* Gives the rewritten body its ETag.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_http_recs_etag(ngx_http_recs_ctx_t *ctx);

/* Does the client have the body of that ETag?  Then its header is a 304's. */

ngx_uint_t ngx_http_recs_not_modified(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_prefetch.c
 *
 * A phase handler: asks for the sets with prefetch= as a whole, as soon as
 * their keys are known.
 */

ngx_int_t ngx_http_recs_prefetch(ngx_http_request_t *r);

/* That of a set, by the key that it has in the end.  NULL: there is none. */

ngx_recs_prefetch_t *ngx_http_recs_prefetched(ngx_http_request_t *r,
    ngx_recs_set_t *set, const ngx_str_t *key);

/*
 * ngx_http_recs_inflate.c: decompresses the body into ctx->text.
 * NGX_OK; NGX_DECLINED: it can't be, ctx->state says why; NGX_ERROR.
 */

ngx_int_t ngx_http_recs_inflate(ngx_http_recs_ctx_t *ctx);

/* ngx_http_recs_tag.c: the "_recs" member of the body; empty: none. */

ngx_int_t ngx_http_recs_tag(ngx_http_recs_ctx_t *ctx, recs_str_t *tag);

/*
 * ngx_http_recs_steady.c: ngx_http_complex_value(), for what variables of ours
 * are made of: the same bytes each time, until the request goes on to its next
 * phase handler, to its response or by an internal redirect.  NGX_OK or
 * NGX_ERROR.
 */

ngx_int_t ngx_http_recs_steady(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, ngx_str_t *value);

/* ngx_http_recs_variables.c */

ngx_int_t ngx_http_recs_add_variables(ngx_conf_t *cf);

/* Every $recs_... in use is there, and one thing only.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_http_recs_check_variables(ngx_conf_t *cf);

/*
 * ngx_http_recs_event.c
 *
 * The event id of a response: the same each time.  Empty ones would make all
 * views draw alike: then it is the request's id.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_event(ngx_http_recs_ctx_t *ctx, ngx_str_t *event);

/* The same for a request that has no context. */

ngx_int_t ngx_http_recs_request_event(ngx_http_request_t *r,
    ngx_http_recs_loc_conf_t *rlcf, ngx_str_t *event);

/* What an exploration gate is keyed by: the user, unless key= says else. */

ngx_int_t ngx_http_recs_gate_key(ngx_http_recs_ctx_t *ctx,
    const ngx_http_recs_explore_t *ex, ngx_str_t *key);

/* ngx_http_recs_names.c */

extern const ngx_str_t  ngx_http_recs_states[];     /* by ..._state_e */
extern const ngx_str_t  ngx_http_recs_versions[];   /* by ..._version_e */
extern const ngx_str_t  ngx_http_recs_ages[];       /* by ..._age_e */
extern const ngx_str_t  ngx_http_recs_rows[];       /* by ngx_recs_row_source_e */
extern const ngx_str_t  ngx_http_recs_methods[];    /* by recs_method_e */

/* ngx_http_recs_decoded.c: $recs_decoded_NAME */

extern const ngx_str_t  ngx_http_recs_decoded_prefix;

/* Such a variable is in use.  NGX_OK, or NGX_ERROR and it was logged. */

ngx_int_t ngx_http_recs_decoded_use(ngx_conf_t *cf, const ngx_str_t *name);

ngx_int_t ngx_http_recs_decoded_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* ngx_http_recs_exposure.c */

ngx_int_t ngx_http_recs_exposure_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* ngx_http_recs_user_hash.c */

#define NGX_HTTP_RECS_HASH_LEN  32          /* hex digits */

char *ngx_http_recs_user_hash(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * The first 128 bits of HMAC-SHA256 (RFC 2104) of text, in hex: hash has room
 * for NGX_HTTP_RECS_HASH_LEN.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_hash_user(const ngx_str_t *key, const ngx_str_t *text,
    u_char *hash);

/* ngx_http_recs_headers.c, too: counts the response by its state. */

void ngx_http_recs_count_response(ngx_http_recs_ctx_t *ctx);

/* Can a version stand in a header?  It comes from a body, which may say any. */

ngx_uint_t ngx_http_recs_sendable(const ngx_str_t *value);

/* Adds a header; NULL: out of memory. */

ngx_table_elt_t *ngx_http_recs_header(ngx_http_request_t *r,
    const ngx_str_t *name, const ngx_str_t *value);


/* ngx_http_recs_answer.c */

/* NGX_OK: a GET or a HEAD without a body to come; or what a handler returns. */

ngx_int_t ngx_http_recs_answer_begin(ngx_http_request_t *r);

/*
 * Sends what was written, which is the request's, and says that it mustn't be
 * stored.  Returns what a handler does.
 */

ngx_int_t ngx_http_recs_answer(ngx_http_request_t *r, const recs_writer_t *w,
    const char *type, ngx_uint_t status);


/* ngx_http_recs_ready.c */

ngx_int_t ngx_http_recs_ready_handler(ngx_http_request_t *r);


/* ngx_http_recs_status.c */

ngx_int_t ngx_http_recs_status_handler(ngx_http_request_t *r);


#endif /* NGX_HTTP_RECS_CONF_H */
