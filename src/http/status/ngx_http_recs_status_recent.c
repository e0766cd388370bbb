
/*
 * The last ten minutes in the status: {"step":10,"responses":{"filtered":[...],
 * ...},"late":[...],...}, in arrays of 60, of which the last one is now.
 */


#include "ngx_http_recs_names.h"
#include "ngx_http_recs_recent.h"
#include "ngx_http_recs_status.h"


static const char  *ngx_http_recs_recent_names[] = {
    "late",
    "items",
    "removed",
    "explored",
    "emptied",
    "rejected"
};


void
ngx_http_recs_status_recent(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st)
{
    ngx_uint_t           i;
    recs_recent_view_t  *view;

    view = ngx_palloc(st->pool, sizeof(recs_recent_view_t));
    if (view == NULL) {
        st->failed = 1;
        return;
    }

    ngx_http_recs_recent_view(rmcf, view);

    ngx_http_recs_status_open_as(st, "recent", NULL)->hidden = !st->recent;
    ngx_http_recs_status_number(st, "step", NGX_HTTP_RECS_RECENT_STEP);

    ngx_http_recs_status_open_as(st, "responses", NULL);

    for (i = NGX_HTTP_RECS_FILTERED; i < NGX_HTTP_RECS_NSTATES; i++) {
        ngx_http_recs_status_series(st, (char *) ngx_http_recs_states[i].data,
                                    view->counts[i]);
    }

    ngx_http_recs_status_close(st);

    for (i = NGX_HTTP_RECS_RECENT_LATE; i < NGX_HTTP_RECS_RECENT_N; i++) {
        ngx_http_recs_status_series(st,
                                    ngx_http_recs_recent_names
                                        [i - NGX_HTTP_RECS_RECENT_LATE],
                                    view->counts[i]);
    }

    ngx_http_recs_status_close(st);
}
