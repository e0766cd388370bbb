
/*
 * The status: one walk over all that is counted and known makes a tree of
 * nodes, and writers of formats read it.  A node is an object, which holds
 * others, or a value.  The tree is that of JSON; what JSON does not show is
 * hidden, and there for the other writers.
 *
 *     sets -> in_stock -> replica -> age
 *
 * All is in the request's pool, and stays as it was when it was read: values
 * may be of different moments.
 */


#ifndef NGX_HTTP_RECS_STATUS_H
#define NGX_HTTP_RECS_STATUS_H


#include "ngx_http_recs_conf.h"
#include "ngx_http_recs_counted.h"

#include "ngx_recs_counter.h"
#include "recs_writer.h"


/* "format" of JSON: it rises when a member changes its meaning or goes. */

#define NGX_HTTP_RECS_STATUS_FORMAT    1

/* An info, with the labels of what it is of, has at most so many labels. */

#define NGX_HTTP_RECS_STATUS_LABELS    8


/* A kind of things, as metrics' names and labels have it. */

typedef struct {
    const char                       *name;     /* "set", of metrics' names */
    const char                       *label;    /* whose value is the thing's
                                                   name; NULL: there is one of
                                                   it in what is around it */
} ngx_http_recs_status_kind_t;


typedef struct {
    const char                       *name;
    ngx_str_t                         value;    /* any bytes */
} ngx_http_recs_status_label_t;


typedef enum {
    NGX_HTTP_RECS_STATUS_OBJECT = 0,
    NGX_HTTP_RECS_STATUS_NULL,
    NGX_HTTP_RECS_STATUS_UINT,
    NGX_HTTP_RECS_STATUS_RATIO,                 /* in JSON a fraction */
    NGX_HTTP_RECS_STATUS_FLAG,                  /* in JSON true or false */
    NGX_HTTP_RECS_STATUS_TEXT,
    NGX_HTTP_RECS_STATUS_SERIES,                /* in JSON an array */
    NGX_HTTP_RECS_STATUS_TIMES                  /* a histogram */
} ngx_http_recs_status_type_e;


typedef struct ngx_http_recs_status_node_s  ngx_http_recs_status_node_t;

struct ngx_http_recs_status_node_s {
    ngx_str_t                         name;     /* of JSON's member */
    ngx_http_recs_status_type_e       type;
    ngx_uint_t                        hidden;   /* JSON does not show it, nor
                                                   what is in it */
    uint64_t                          number;   /* UINT; RATIO: of so many as
                                                   the metric's scale; FLAG: 1
                                                   is true */
    ngx_str_t                         text;     /* TEXT; any bytes */
    const uint64_t                   *series;   /* SERIES: RECS_RECENT_STEPS
                                                   numbers, the last is now;
                                                   TIMES: NGX_HTTP_RECS_TIMES
                                                   numbers, how many were within
                                                   each bound alone; their sum,
                                                   us, is in number */

    const ngx_recs_metric_t          *metric;   /* NULL: it is none, but a
                                                   member of JSON's alone */
    const ngx_http_recs_status_kind_t  *kind;   /* what the metric is of; NULL:
                                                   nginx */
    ngx_http_recs_status_label_t     *labels;   /* an object's: of what it is;
                                                   a metric's: its own */
    ngx_uint_t                        nlabels;

    ngx_http_recs_status_node_t      *parent;   /* NULL: the root */
    ngx_http_recs_status_node_t      *first;    /* of an object, in JSON's
                                                   order */
    ngx_http_recs_status_node_t      *last;
    ngx_http_recs_status_node_t      *next;     /* in the same object */
};


/* The tree while it is made. */

typedef struct {
    ngx_pool_t                       *pool;
    ngx_http_recs_status_node_t      *root;
    ngx_http_recs_status_node_t      *object;   /* that is open */
    ngx_uint_t                        recent;   /* JSON shows the last minutes,
                                                   too */
    ngx_uint_t                        failed;   /* there is no memory */
    ngx_http_recs_status_node_t       spare;    /* in place of one that there is
                                                   no memory for */
} ngx_http_recs_status_t;


/* Writes the tree.  Without memory w->failed is set. */

typedef void (*ngx_http_recs_status_writer_pt)(
    const ngx_http_recs_status_node_t *root, recs_writer_t *w);


/* A header that a format has; the last one's name is empty. */

typedef struct {
    ngx_str_t                         name;
    ngx_str_t                         value;
} ngx_http_recs_status_header_t;


/* ngx_http_recs_status_handler.c */

ngx_int_t ngx_http_recs_status_handler(ngx_http_request_t *r);

/*
 * The format of that name, for rlcf->status.  NGX_OK, or NGX_DECLINED: there is
 * none; then the names that there are, are NGX_HTTP_RECS_STATUS_FORMATS.
 */

ngx_int_t ngx_http_recs_status_format(const ngx_str_t *name,
    ngx_uint_t *format);

#define NGX_HTTP_RECS_STATUS_FORMATS                                          \
    "\"json\", \"prometheus\", \"openmetrics\" or \"html\""

/*
 * ngx_http_recs_status_json.c, ngx_http_recs_status_prometheus.c,
 * ngx_http_recs_status_html.c
 */

void ngx_http_recs_status_json(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w);
void ngx_http_recs_status_prometheus(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w);
void ngx_http_recs_status_openmetrics(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w);
void ngx_http_recs_status_html(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w);

/*
 * ngx_http_recs_status_walk.c
 *
 * Makes the whole tree.  NGX_ERROR: out of memory.
 */

ngx_int_t ngx_http_recs_status_walk(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st);

/*
 * Parts of the walk, each in a file of its own: the members of what the
 * configuration names.
 */

void ngx_http_recs_status_set(void *thing, ngx_http_recs_status_t *st);
void ngx_http_recs_status_snapshots(void *thing, ngx_http_recs_status_t *st);
void ngx_http_recs_status_redis(void *thing, ngx_http_recs_status_t *st);

/*
 * ngx_http_recs_status_guard.c
 *
 * Adds "guard", of a channel that has one: what it sees, and left last.
 */

void ngx_http_recs_status_guard(ngx_http_recs_status_t *st,
    ngx_recs_channel_t *channel, const ngx_recs_left_t *left);

/*
 * ngx_http_recs_status_responses.c
 *
 * Adds the counters and times of all responses; and "labels", if there are any.
 */

void ngx_http_recs_status_responses(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st);
void ngx_http_recs_status_labels(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st);

/*
 * ngx_http_recs_status_recent.c
 *
 * Adds "recent": the last ten minutes, in steps of ten seconds.
 */

void ngx_http_recs_status_recent(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st);

/*
 * ngx_http_recs_status_image.c
 *
 * What several of them have: "held", and "image" of that kind.
 */

void ngx_http_recs_status_held(ngx_http_recs_status_t *st,
    const recs_guard_held_t *held);
void ngx_http_recs_status_image(ngx_http_recs_status_t *st,
    const ngx_http_recs_status_kind_t *kind, ngx_recs_image_shared_t *image);

/*
 * ngx_http_recs_status_node.c
 *
 * For writers: the node of that name in an object, the one that JSON shows, or
 * else a hidden one.  NULL: there is none, or node is NULL or no object.
 */

ngx_http_recs_status_node_t *ngx_http_recs_status_child(
    const ngx_http_recs_status_node_t *node, const char *name);

/* The node after this one, in the order of JSON.  NULL: that was the last. */

ngx_http_recs_status_node_t *ngx_http_recs_status_next(
    const ngx_http_recs_status_node_t *node);

/*
 * For the walk, which adds to the object that is open.  Strings must stay, but
 * for texts and labels, which are copied.  What is returned is never NULL:
 * without memory st->failed is set, and it is a node of no tree.
 *
 * Opens an object.  kind is that of the metrics in it, NULL: that of the object
 * around it.  If it has a label, name is its value.
 */

ngx_http_recs_status_node_t *ngx_http_recs_status_open(
    ngx_http_recs_status_t *st, const ngx_str_t *name,
    const ngx_http_recs_status_kind_t *kind);
ngx_http_recs_status_node_t *ngx_http_recs_status_open_as(
    ngx_http_recs_status_t *st, const char *name,
    const ngx_http_recs_status_kind_t *kind);
void ngx_http_recs_status_close(ngx_http_recs_status_t *st);

/* A metric's value, or that it has none now. */

ngx_http_recs_status_node_t *ngx_http_recs_status_uint(
    ngx_http_recs_status_t *st, const ngx_recs_metric_t *metric, uint64_t n);
ngx_http_recs_status_node_t *ngx_http_recs_status_ratio(
    ngx_http_recs_status_t *st, const ngx_recs_metric_t *metric, uint64_t n);
ngx_http_recs_status_node_t *ngx_http_recs_status_flag(
    ngx_http_recs_status_t *st, const ngx_recs_metric_t *metric,
    ngx_uint_t flag);
ngx_http_recs_status_node_t *ngx_http_recs_status_none(
    ngx_http_recs_status_t *st, const ngx_recs_metric_t *metric);

/* A histogram, of times as they are now. */

void ngx_http_recs_status_times(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, const ngx_http_recs_times_t *times);

/* A value of the one of several that the metric's label names. */

ngx_http_recs_status_node_t *ngx_http_recs_status_labelled(
    ngx_http_recs_status_t *st, const ngx_recs_metric_t *metric,
    const ngx_str_t *value, uint64_t n);

/* The state that it is in, of n: 1 for that, 0 for each other; hidden. */

void ngx_http_recs_status_states(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, const ngx_str_t *states, ngx_uint_t n,
    const ngx_str_t *state);

/* An info with these labels; hidden. */

void ngx_http_recs_status_info(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric,
    const ngx_http_recs_status_label_t *labels, ngx_uint_t n);

/* Members that are no metrics; of an empty text: null. */

void ngx_http_recs_status_text(ngx_http_recs_status_t *st, const char *name,
    const ngx_str_t *text);
void ngx_http_recs_status_number(ngx_http_recs_status_t *st, const char *name,
    uint64_t n);
void ngx_http_recs_status_series(ngx_http_recs_status_t *st, const char *name,
    const uint64_t *series);
void ngx_http_recs_status_null(ngx_http_recs_status_t *st, const char *name);

/* Each counter of the table, of the structure counters. */

void ngx_http_recs_status_counters(ngx_http_recs_status_t *st,
    const ngx_recs_counter_t *counter, const void *counters);


#endif /* NGX_HTTP_RECS_STATUS_H */
