
/* What is noted of the last minutes: sums of all workers' counters. */


#include "ngx_http_recs_counted.h"
#include "ngx_http_recs_recent.h"


_Static_assert((int) NGX_HTTP_RECS_RECENT_N <= RECS_RECENT_SERIES,
               "recs_recent_t has too few series");


static void ngx_http_recs_recent_sums(ngx_http_recs_main_conf_t *rmcf,
    uint64_t *sums);


void
ngx_http_recs_recent_turn(ngx_http_recs_main_conf_t *rmcf)
{
    uint64_t  sums[RECS_RECENT_SERIES];

    ngx_http_recs_recent_sums(rmcf, sums);

    recs_recent_turn(rmcf->recent, ngx_http_recs_recent_step(), sums);
}


void
ngx_http_recs_recent_view(ngx_http_recs_main_conf_t *rmcf,
    recs_recent_view_t *view)
{
    uint64_t  sums[RECS_RECENT_SERIES];

    ngx_http_recs_recent_sums(rmcf, sums);

    recs_recent_view(rmcf->recent, ngx_http_recs_recent_step(), sums, view);
}


static void
ngx_http_recs_recent_sums(ngx_http_recs_main_conf_t *rmcf, uint64_t *sums)
{
    ngx_uint_t                i;
    ngx_http_recs_set_t     **rs;
    ngx_http_recs_counted_t   all;

    ngx_http_recs_counted_sum(rmcf, &all);

    ngx_memzero(sums, RECS_RECENT_SERIES * sizeof(uint64_t));

    for (i = NGX_HTTP_RECS_FILTERED; i < NGX_HTTP_RECS_NSTATES; i++) {
        sums[i] = all.states.states[i];
    }

    sums[NGX_HTTP_RECS_RECENT_ITEMS] = all.items.total;
    sums[NGX_HTTP_RECS_RECENT_REMOVED] = all.items.removed;
    sums[NGX_HTTP_RECS_RECENT_EXPLORED] = all.items.explored;
    sums[NGX_HTTP_RECS_RECENT_EMPTIED] = all.responses.emptied;
    sums[NGX_HTTP_RECS_RECENT_REJECTED] = all.responses.rejected;

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        sums[NGX_HTTP_RECS_RECENT_LATE] +=
            rs[i]->set.counters->unknown[NGX_RECS_WHY_TIMEOUT];
    }
}
