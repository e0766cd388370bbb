
/* When a set that refuses too much is not believed: see the header. */


#include "ngx_recs_trust.h"
#include "recs_hash.h"


static void ngx_recs_trust_distrust(ngx_recs_trust_t *trust,
    ngx_recs_trust_stat_t *stat, ngx_log_t *log);
static ngx_uint_t ngx_recs_trust_expired(ngx_recs_trust_t *trust,
    ngx_log_t *log);


/* Steps are of a window: another one counts anew. */

void
ngx_recs_trust_init_zone(ngx_recs_trust_t *trust, ngx_recs_zone_t *zone)
{
    u_char      buf[16];
    uint64_t    hash;
    ngx_str_t   name;
    recs_str_t  set;

    set.data = trust->set->name.data;
    set.len = trust->set->name.len;

    hash = recs_hash_str(recs_hash_int(0, trust->window), &set);

    name.data = buf;
    name.len = ngx_sprintf(buf, "%016xL", hash) - buf;

    trust->shared = (ngx_recs_trust_shared_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_TRUST, &name);
}


ngx_uint_t
ngx_recs_trust_judge(ngx_recs_trust_t *trust, const u_char *answers,
    ngx_uint_t n, u_char refused, ngx_log_t *log)
{
    ngx_uint_t              i, nrefused;
    ngx_recs_trust_stat_t   stat;

    nrefused = 0;

    for (i = 0; i < n; i++) {
        nrefused += (answers[i] == refused);
    }

    recs_share_add(&trust->shared->share, trust->window, ngx_current_msec, n,
                   nrefused);
    recs_share_sum(&trust->shared->share, trust->window, ngx_current_msec,
                   &stat.asked, &stat.refused);

    if (stat.asked >= trust->min_asked
        && stat.refused * 10000 > stat.asked * trust->max_removed)
    {
        ngx_recs_trust_distrust(trust, &stat, log);
        return 0;
    }

    return trust->shared->since == 0 || ngx_recs_trust_expired(trust, log);
}


static void
ngx_recs_trust_distrust(ngx_recs_trust_t *trust, ngx_recs_trust_stat_t *stat,
    ngx_log_t *log)
{
    ngx_recs_trust_shared_t  *shared;

    shared = trust->shared;
    shared->over = ngx_current_msec;

    if (shared->since || !ngx_atomic_cmp_set(&shared->since, 0, ngx_time())) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "recs_set \"%V\" is distrusted, its answers are unknown: it "
                  "refuses %uL of %uL ids within %Mms, \"max_removed\" is "
                  "%ui.%02ui%%", &trust->set->name, stat->refused, stat->asked,
                  trust->window, trust->max_removed / 100,
                  trust->max_removed % 100);
}


/* Was its share never too large for a whole window?  It is trusted then. */

static ngx_uint_t
ngx_recs_trust_expired(ngx_recs_trust_t *trust, ngx_log_t *log)
{
    ngx_atomic_uint_t         since;
    ngx_recs_trust_shared_t  *shared;

    shared = trust->shared;
    since = shared->since;

    if ((ngx_msec_int_t) (ngx_current_msec - shared->over)
        < (ngx_msec_int_t) trust->window)
    {
        return 0;
    }

    if (since && ngx_atomic_cmp_set(&shared->since, since, 0)) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_set \"%V\" is trusted again", &trust->set->name);
    }

    return 1;
}


void
ngx_recs_trust_restore(ngx_recs_trust_t *trust, time_t since)
{
    if (since == 0 || trust->shared->since) {
        return;
    }

    trust->shared->over = ngx_current_msec;
    ngx_memory_barrier();
    trust->shared->since = since;
}


void
ngx_recs_trust_stat(ngx_recs_trust_t *trust, ngx_recs_trust_stat_t *stat,
    ngx_log_t *log)
{
    recs_share_sum(&trust->shared->share, trust->window, ngx_current_msec,
                   &stat->asked, &stat->refused);

    stat->since = trust->shared->since;

    if (stat->since && ngx_recs_trust_expired(trust, log)) {
        stat->since = 0;
    }
}
