
/*
 * What the module knows of a request: the context of one response, the context
 * of the client's request that it belongs to, and what all parts of the module
 * ask of them.  Both live in memory of the request's pool.
 */


#ifndef NGX_HTTP_RECS_REQUEST_H
#define NGX_HTTP_RECS_REQUEST_H


#include "ngx_http_recs_conf.h"
#include "ngx_http_recs_counted.h"

#include "ngx_recs_ask.h"
#include "ngx_recs_row.h"
#include "recs_decide.h"
#include "recs_render.h"
#include "recs_trace.h"


/*
 * The bit of r->buffered that says a response is held back here.  It is
 * image_filter's (NGX_HTTP_IMAGE_BUFFERED, an internal name), whose responses
 * are never JSON; all others have users that may meet in one request.
 */

#define NGX_HTTP_RECS_BUFFERED      0x08


typedef enum {
    NGX_HTTP_RECS_COLLECT = 0,          /* the body is being received */
    NGX_HTTP_RECS_WAIT,                 /* the sets are being asked */
    NGX_HTTP_RECS_READY,                /* the rewritten body may go out */
    NGX_HTTP_RECS_REJECTED,             /* it will be answered with 502 */
    NGX_HTTP_RECS_DONE                  /* nothing (more) to do here */
} ngx_http_recs_phase_e;


/* A version. */

typedef struct {
    ngx_str_t                   text;       /* data is NULL: none was found */
    unsigned                    skewed:1;   /* it is not accepted */
} ngx_http_recs_found_t;


/* How old something is that the page was made of. */

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
    unsigned                    unfit:1;    /* it can't be put into format */
    recs_format_e               format;     /* of the response */
} ngx_http_recs_served_t;


/* What a subrequest is done with once its page, which is held, was sent. */

typedef struct {
    ngx_http_post_subrequest_t  done;       /* in place of the parent's */
    ngx_http_post_subrequest_t *parent;     /* NULL: nobody's */
    unsigned                    timer:1;    /* nginx set the connection's write
                                               timer for it */
} ngx_http_recs_hold_t;


/* The body as it came. */

typedef struct {
    recs_format_e               format;
    ngx_buf_t                  *buf;        /* NULL: nothing came */
    ngx_str_t                   text;       /* the same, decompressed */
    unsigned                    complete:1;
    unsigned                    gzip:1;
} ngx_http_recs_body_t;


/* A recs_explore whose gate is open. */

typedef struct {
    ngx_http_recs_explore_t    *conf;
    ngx_recs_pool_t            *pool;       /* NULL: there is none */
    ngx_recs_pool_items_t      *items;      /* held; NULL: there are none */
    ngx_str_t                   key;        /* of the gate */
} ngx_http_recs_exploring_t;


/* What a page may explore: the lines whose gates are open, and their draws. */

typedef struct {
    recs_line_t                *lines;
    ngx_http_recs_exploring_t  *exploring;  /* of each of these */
    unsigned                    nlines;
    recs_draw_t                *draws;
    unsigned                    ndraws;
} ngx_http_recs_plan_t;


/* What a page's shelves are filled up with. */

typedef struct {
    ngx_recs_pool_items_t      *items;      /* held; NULL: none */
    size_t                      n;          /* of these: asked about */
} ngx_http_recs_filling_t;


/* What the sets were asked, and what they said. */

typedef struct {
    ngx_recs_ask_t              ask;
    uint64_t                    asked;      /* us, when the sets were; 0: none
                                               was */
    uint64_t                    took;       /* us, until they had answered */
    uint8_t                    *rules;      /* rule -> question */
    size_t                     *removed;    /* question -> items */
} ngx_http_recs_lookup_t;


/* The exposure record, as it was read last. */

typedef struct {
    ngx_str_t                   text;       /* data is NULL: it was not read */
    ngx_uint_t                  status;     /* the response's then */
    unsigned                    ended:1;    /* it was read in the log */
} ngx_http_recs_exposed_t;


/* One response, from when its location is asked, or its header is seen. */

typedef struct ngx_http_recs_ctx_s  ngx_http_recs_ctx_t;

struct ngx_http_recs_ctx_s {
    ngx_http_request_t         *request;
    ngx_http_recs_loc_conf_t   *conf;
    recs_mem_t                  mem;        /* the request's pool */

    ngx_http_recs_phase_e       phase;
    ngx_http_recs_state_e       state;
    const char                 *why;        /* of bypassed and malformed */

    unsigned                    started:1;  /* its header was seen */
    unsigned                    decided:1;  /* on its items */
    unsigned                    rewritten:1;    /* so decided, and so sent */
    unsigned                    stale:1;    /* whatever else its state says */
    unsigned                    reject:1;   /* it is to be answered with 502 */
    unsigned                    ended:1;    /* the main request is: it will only
                                               be logged */

    ngx_http_recs_hold_t        hold;
    ngx_event_t                *rejecting;  /* NULL: it isn't rejected */
    ngx_http_recs_served_t     *served;     /* NULL: not served from Redis */
    ngx_http_recs_body_t        body;

    recs_page_t                 page;
    ngx_http_recs_found_t       versions[NGX_HTTP_RECS_NVERSIONS];
    ngx_http_recs_aged_t        ages[NGX_HTTP_RECS_NAGES];
    ngx_str_t                   event;      /* data is NULL: not known yet */
    ngx_http_recs_plan_t        explore;
    ngx_http_recs_filling_t     backfill;
    ngx_http_recs_lookup_t      lookup;
    recs_decision_t             decision;
    recs_output_t               output;

    ngx_http_recs_counted_t    *counted;    /* where it counts; NULL: not known
                                               yet */
    ngx_uint_t                  label;      /* if labelled: its number */
    unsigned                    labelled:1;

    uint64_t                    complete;   /* us, when the body was; 0: it is
                                               not yet */

    ngx_str_t                   record_key; /* empty: it isn't recorded */
    ngx_http_recs_exposed_t     exposure;
};


/*
 * What is known of a client's request, the main one, through redirects and in
 * its subrequests.
 */

typedef struct ngx_http_recs_channel_s  ngx_http_recs_channel_t;
typedef struct ngx_http_recs_steady_s   ngx_http_recs_steady_t;

typedef struct {
    ngx_http_recs_channel_t    *channels;   /* that were looked at, the latest
                                               first */
    ngx_http_recs_steady_t     *steady;     /* texts that were read, the latest
                                               first */
    unsigned                    hidden:1;   /* If-None-Match was, which said */
    ngx_str_t                   if_none_match;
} ngx_http_recs_main_ctx_t;


/*
 * ngx_http_recs_ctx.c
 *
 * The context of r's response, made if there is none.  NULL: out of memory.
 */

ngx_http_recs_ctx_t *ngx_http_recs_get_ctx(ngx_http_request_t *r);

/* Is a variable in the text of a key= or value= empty?  Then it isn't asked. */

ngx_uint_t ngx_http_recs_incomplete(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv);

/*
 * A pool's contents now, held until the request's memory goes.  NULL: it has
 * none, or there is no memory.
 */

ngx_recs_pool_items_t *ngx_http_recs_hold_pool(ngx_http_request_t *r,
    ngx_recs_pool_t *pool);

/* The recs_explore line that a draw belongs to. */

ngx_http_recs_exploring_t *ngx_http_recs_exploring(
    const ngx_http_recs_ctx_t *ctx, const recs_draw_t *draw);

/*
 * ngx_http_recs_label.c
 *
 * Where the response is counted: with its label, or those that have none.
 */

#define ngx_http_recs_counted(ctx)                                            \
    ((ctx)->counted ? (ctx)->counted : ngx_http_recs_count_by_label(ctx))

ngx_http_recs_counted_t *ngx_http_recs_count_by_label(
    ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_main_ctx.c
 *
 * The context of the client's request that r belongs to, until its memory goes,
 * also in the log phase; made if there is none.  NULL: out of memory.
 */

ngx_http_recs_main_ctx_t *ngx_http_recs_get_main_ctx(ngx_http_request_t *r);

/* The same, if there is one; else NULL. */

ngx_http_recs_main_ctx_t *ngx_http_recs_find_main_ctx(ngx_http_request_t *r);

/*
 * ngx_http_recs_channel.c
 *
 * The snapshot of a channel, "" for "active", as this request finds it: the
 * same one from its start to its end, whatever becomes active meanwhile, in
 * subrequests and after internal redirects, too.  NGX_OK, *snapshot is the
 * request's; NGX_DECLINED: none was adopted yet; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_http_recs_channel(ngx_http_request_t *r,
    ngx_recs_snapshots_t *snapshots, ngx_str_t *channel,
    const ngx_recs_snapshot_t **snapshot);

/*
 * ngx_http_recs_steady.c
 *
 * ngx_http_complex_value() for what our variables are made of: the same bytes
 * each time, until the request goes on to its next phase handler, to its
 * response or by an internal redirect.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_steady(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, ngx_str_t *value);

/*
 * ngx_http_recs_event.c
 *
 * The event id of a response, the same each time: what recs_event says, or
 * nginx's $request_id where that is empty.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_event(ngx_http_recs_ctx_t *ctx, ngx_str_t *event);

/* That of a request without a context. */

ngx_int_t ngx_http_recs_request_event(ngx_http_request_t *r,
    ngx_http_recs_loc_conf_t *rlcf, ngx_str_t *event);

/*
 * ngx_http_recs_trace.c
 *
 * The trace that the request is part of, by its header traceparent.  1; or 0:
 * it has none, or none that is well-formed.  *trace lasts as long as the
 * request does.
 */

ngx_uint_t ngx_http_recs_trace(ngx_http_request_t *r, recs_trace_t *trace);

/*
 * What an exploration gate is keyed by: what key= says, or the user, or where
 * that is empty the event id.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_gate_key(ngx_http_recs_ctx_t *ctx,
    const ngx_http_recs_explore_t *ex, ngx_str_t *key);


#endif /* NGX_HTTP_RECS_REQUEST_H */
