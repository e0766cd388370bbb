
/*
 * What is counted of responses, in shared memory: of those without a label, and
 * of each label that recs_label gave.  A response counts in one place alone;
 * sums over all are made by who reads.
 */


#ifndef NGX_HTTP_RECS_COUNTED_H
#define NGX_HTTP_RECS_COUNTED_H


#include "ngx_http_recs_conf.h"


/* What a label has at most, bytes; and labels of an nginx. */

#define NGX_HTTP_RECS_LABEL_LEN    64
#define NGX_HTTP_RECS_LABELS_MAX   64

/* What is over max= counts here, after all labels. */

#define NGX_HTTP_RECS_LABEL_OTHER  NGX_HTTP_RECS_LABELS_MAX


/* Times: how many were so long at most, in steps, and longer than all. */

#define NGX_HTTP_RECS_TIMES        12

typedef struct {
    ngx_atomic_t                n[NGX_HTTP_RECS_TIMES];
    ngx_atomic_t                sum;        /* us */
} ngx_http_recs_times_t;


/* Nothing but ngx_atomic_t: sums take it for an array of them. */

struct ngx_http_recs_counted_s {
    ngx_http_recs_states_t      states;
    ngx_http_recs_responses_t   responses;
    ngx_http_recs_items_t       items;
    ngx_http_recs_times_t       lookup;     /* from asking sets to their
                                               answers */
    ngx_http_recs_times_t       added;      /* from the body's last byte to when
                                               it goes on */
};


typedef struct {
    uint32_t                    hash;
    uint32_t                    len;
    u_char                      text[NGX_HTTP_RECS_LABEL_LEN];
} ngx_http_recs_label_t;

/* Labels are added, never taken away: n rises when the next one is whole. */

struct ngx_http_recs_labels_s {
    ngx_atomic_t                n;
    ngx_http_recs_label_t       labels[NGX_HTTP_RECS_LABELS_MAX];
    ngx_http_recs_counted_t     counted[NGX_HTTP_RECS_LABELS_MAX + 1];
};


/* The upper bounds of times, us; the last one has none. */

extern const ngx_uint_t  ngx_http_recs_time_bounds[];


/*
 * ngx_http_recs_counted.c
 *
 * In the zone's init: finds what is shared.  ngx_recs_zone_check() says later
 * if there was no room.
 */

void ngx_http_recs_counted_init_zone(ngx_http_recs_main_conf_t *rmcf);

/* The sums of all, into one that is the caller's. */

void ngx_http_recs_counted_sum(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_counted_t *sum);

/* Counts a time, us. */

void ngx_http_recs_count_time(ngx_http_recs_times_t *times, uint64_t us);

/* The time now, us, of a clock that is never set. */

uint64_t ngx_http_recs_clock(void);


#endif /* NGX_HTTP_RECS_COUNTED_H */
