
/*
 * Counters as tables, and other metrics: what a writer of a format (JSON, say)
 * has to know of each.  A table of counters stands beside their structure, in
 * the order in which they are shown, and an entry without a name ends it.
 */


#ifndef NGX_RECS_COUNTER_H
#define NGX_RECS_COUNTER_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef enum {
    NGX_RECS_COUNTER = 0,                   /* only ever added to */
    NGX_RECS_GAUGE,
    NGX_RECS_INFO,                          /* 1: its labels tell */
    NGX_RECS_HISTOGRAM
} ngx_recs_metric_type_e;


/*
 * A metric, apart from the kind of thing that it is of.  A name in Prometheus
 * is made of kind, stem, unit and type:
 *
 *     nginx_recs_replica_age_seconds          age of a replica
 *     nginx_recs_set_questions_total          questions of a set, a counter
 */

typedef struct {
    const char               *name;         /* of a member, in JSON */
    const char               *stem;         /* "": the kind says it all */
    const char               *unit;         /* a base unit (seconds, bytes,
                                               ratio), or timestamp_seconds;
                                               NULL: things that are counted */
    ngx_uint_t                scale;        /* so many of a value are a unit,
                                               a power of ten */
    ngx_recs_metric_type_e    type;
    const char               *label;        /* which one of several it is; NULL:
                                               it is one */
    const char               *help;         /* a sentence in plain words */
} ngx_recs_metric_t;


typedef struct {
    ngx_recs_metric_t         metric;
    size_t                    offset;       /* of its ngx_atomic_t, or of the
                                               first of an array, bytes */
    const ngx_str_t          *labels;       /* an array's: one an element;
                                               NULL: it is no array */
    ngx_uint_t                n;            /* elements */
    const char               *sum;          /* what the sum of an array is
                                               called in JSON; NULL: nobody
                                               asks */
} ngx_recs_counter_t;


#define ngx_recs_counter(name, type, member, help)                            \
    ngx_recs_counter_as(name, name, type, member, help)

/* The same with a stem that differs from the name. */

#define ngx_recs_counter_as(name, stem, type, member, help)                   \
    { { name, stem, NULL, 1, NGX_RECS_COUNTER, NULL, help },                  \
      offsetof(type, member), NULL, 0, NULL }

#define ngx_recs_counter_array(name, stem, label, type, member, labels, n,    \
    sum, help)                                                                \
    { { name, stem, NULL, 1, NGX_RECS_COUNTER, label, help },                 \
      offsetof(type, member), labels, n, sum }

#define ngx_recs_counter_end                                                  \
    { { NULL, NULL, NULL, 0, NGX_RECS_COUNTER, NULL, NULL }, 0, NULL, 0, NULL }


/* A value that rises and falls; and one a state, which the label names. */

#define ngx_recs_gauge(name, stem, unit, scale, help)                         \
    { name, stem, unit, scale, NGX_RECS_GAUGE, NULL, help }

#define ngx_recs_state_gauge(name, stem, label, help)                         \
    { name, stem, NULL, 1, NGX_RECS_GAUGE, label, help }

#define ngx_recs_histogram(name, stem, unit, scale, help)                     \
    { name, stem, unit, scale, NGX_RECS_HISTOGRAM, NULL, help }

#define ngx_recs_info(name, stem, help)                                       \
    { name, stem, NULL, 1, NGX_RECS_INFO, NULL, help }


/* The value of element i of a counter in that structure; 0: of a single one. */

static ngx_inline ngx_atomic_uint_t
ngx_recs_counter_get(const ngx_recs_counter_t *counter, const void *counters,
    ngx_uint_t i)
{
    const ngx_atomic_t  *values;

    values = (const ngx_atomic_t *) ((const u_char *) counters
                                     + counter->offset);

    return values[i];
}


#endif /* NGX_RECS_COUNTER_H */
