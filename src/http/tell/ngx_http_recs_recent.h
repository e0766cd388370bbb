
/*
 * The last ten minutes of all workers' responses, in steps of ten seconds, for
 * who looks at them as they come: sums that the counters have anyway are noted
 * when a step is over (recs_recent.h).
 */


#ifndef NGX_HTTP_RECS_RECENT_H
#define NGX_HTTP_RECS_RECENT_H


#include "ngx_http_recs_conf.h"


#define NGX_HTTP_RECS_RECENT_STEP  10       /* s */


/* What is noted: responses by ngx_http_recs_state_e, then these. */

typedef enum {
    NGX_HTTP_RECS_RECENT_LATE = NGX_HTTP_RECS_NSTATES,  /* questions to sets
                                                   that had no answer in time */
    NGX_HTTP_RECS_RECENT_ITEMS,                 /* of pages as they came */
    NGX_HTTP_RECS_RECENT_REMOVED,               /* items */
    NGX_HTTP_RECS_RECENT_EXPLORED,              /* items */
    NGX_HTTP_RECS_RECENT_EMPTIED,               /* pages */
    NGX_HTTP_RECS_RECENT_REJECTED,              /* answered with 502 */
    NGX_HTTP_RECS_RECENT_N
} ngx_http_recs_recent_e;


/* A response will be counted: is a step over? */

#define ngx_http_recs_recent_step()                                           \
    ((uint64_t) ngx_current_msec / (NGX_HTTP_RECS_RECENT_STEP * 1000) + 1)

#define ngx_http_recs_recent_note(rmcf)                                       \
    if (recs_recent_due((rmcf)->recent, ngx_http_recs_recent_step())) {       \
        ngx_http_recs_recent_turn(rmcf);                                      \
    }

void ngx_http_recs_recent_turn(ngx_http_recs_main_conf_t *rmcf);

/* What was counted in each step, by ngx_http_recs_recent_e. */

void ngx_http_recs_recent_view(ngx_http_recs_main_conf_t *rmcf,
    recs_recent_view_t *view);


#endif /* NGX_HTTP_RECS_RECENT_H */
