
/* What is counted of responses: where it is shared, its sums, its times. */


#include "ngx_http_recs_counted.h"


const ngx_uint_t  ngx_http_recs_time_bounds[NGX_HTTP_RECS_TIMES] = {
    1000, 2000, 3000, 5000, 8000, 10000, 15000, 20000, 30000, 50000, 100000,
    NGX_MAX_INT_T_VALUE
};


void
ngx_http_recs_counted_init_zone(ngx_http_recs_main_conf_t *rmcf)
{
    u_char                  buf[NGX_RECS_ZONE_NAME_MAX + sizeof(" labels")];
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_http_recs_set_t   **rs;

    static ngx_str_t  counted = ngx_string("counted");
    static ngx_str_t  recent = ngx_string("recent");
    static ngx_str_t  labels = ngx_string("labels");

    rmcf->counted = ngx_recs_zone_block(rmcf->zone, NGX_RECS_ZONE_RESPONSES,
                                        &counted,
                                        sizeof(ngx_http_recs_counted_t));
    rmcf->recent = ngx_recs_zone_block(rmcf->zone, NGX_RECS_ZONE_RESPONSES,
                                       &recent, sizeof(recs_recent_t));

    rmcf->labels = ngx_recs_zone_block(rmcf->zone, NGX_RECS_ZONE_RESPONSES,
                                       &labels,
                                       sizeof(ngx_http_recs_labels_t));

    if (rmcf->max_labels == 0) {
        return;
    }

    rs = rmcf->sets.elts;
    name.data = buf;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        name.len = ngx_sprintf(buf, "%V labels", &rs[i]->named.name) - buf;

        rs[i]->set.removed_by =
            ngx_recs_zone_block(rmcf->zone, NGX_RECS_ZONE_SET, &name,
                                (NGX_HTTP_RECS_LABELS_MAX + 1)
                                * sizeof(ngx_atomic_t));
    }
}


void
ngx_http_recs_counted_sum(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_counted_t *sum)
{
    ngx_uint_t           i, k;
    ngx_atomic_t        *to;
    const ngx_atomic_t  *from;

    *sum = *rmcf->counted;

    to = (ngx_atomic_t *) sum;

    for (i = 0; i <= NGX_HTTP_RECS_LABELS_MAX; i++) {
        from = (const ngx_atomic_t *) &rmcf->labels->counted[i];

        for (k = 0; k < sizeof(*sum) / sizeof(ngx_atomic_t); k++) {
            to[k] += from[k];
        }
    }
}


void
ngx_http_recs_count_time(ngx_http_recs_times_t *times, uint64_t us)
{
    ngx_uint_t  i;

    for (i = 0; us > ngx_http_recs_time_bounds[i]; i++) { /* void */ }

    ngx_recs_count(times->n[i], 1);
    ngx_recs_count(times->sum, us);
}


uint64_t
ngx_http_recs_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
