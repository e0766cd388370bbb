
/*
 * The handler recs_ready: is all there that pages are made of?  503 and a line
 * for each thing that is not, so that a balancer can wait.
 */


#include "ngx_http_recs_serve.h"
#include "ngx_recs_replica.h"
#include "ngx_recs_trust.h"
#include "recs_writer.h"


/* A pool that is read so many ms late is not out of date yet. */

#define NGX_HTTP_RECS_READY_LATE  5000


static void ngx_http_recs_ready_sets(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_ready_watch(ngx_recs_set_t *set, recs_writer_t *w);
static void ngx_http_recs_ready_trust(ngx_recs_set_t *set, recs_writer_t *w);
static void ngx_http_recs_ready_replica(ngx_recs_set_t *set,
    recs_writer_t *w);
static void ngx_http_recs_ready_pools(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_ready_snapshots(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_ready_channels(ngx_recs_snapshots_t *ss,
    recs_writer_t *w);
static void ngx_http_recs_ready_not(recs_writer_t *w, const char *kind,
    const ngx_str_t *name, const char *fmt, ...);


ngx_int_t
ngx_http_recs_ready_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_uint_t                  status;
    recs_mem_t                  mem;
    recs_writer_t               w;
    ngx_http_recs_main_conf_t  *rmcf;

    rc = ngx_http_recs_reply_begin(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_recs_module);

    ngx_recs_mem(&mem, r->pool);
    recs_writer_init(&w, &mem, RECS_JSON, 256);

    ngx_http_recs_ready_sets(rmcf, &w);
    ngx_http_recs_ready_pools(rmcf, &w);
    ngx_http_recs_ready_snapshots(rmcf, &w);

    status = NGX_HTTP_SERVICE_UNAVAILABLE;

    if (w.len == 0 && !w.failed) {
        status = NGX_HTTP_OK;
        recs_write_bytes(&w, "ready\n", 6);
    }

    return ngx_http_recs_reply(r, &w, "text/plain", status);
}


static void
ngx_http_recs_ready_sets(ngx_http_recs_main_conf_t *rmcf, recs_writer_t *w)
{
    ngx_uint_t             i;
    ngx_http_recs_set_t  **rs;

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (rs[i]->set.watch) {
            ngx_http_recs_ready_watch(&rs[i]->set, w);
        }

        if (rs[i]->set.trust) {
            ngx_http_recs_ready_trust(&rs[i]->set, w);
        }

        if (rs[i]->set.replica) {
            ngx_http_recs_ready_replica(&rs[i]->set, w);
        }
    }
}


/* Writes such as "held, Redis has 0 ids, 9 stay, 3000ms old". */

static void
ngx_http_recs_ready_replica(ngx_recs_set_t *set, recs_writer_t *w)
{
    ngx_recs_replica_stat_t  stat;

    ngx_recs_replica_stat(set->replica, &stat);

    if (stat.fresh) {
        return;
    }

    if (stat.held.why && stat.loaded) {
        ngx_http_recs_ready_not(w, "recs_set", &set->name,
                                "%V, Redis has %uL ids, %uL stay, %Mms old",
                                stat.state, stat.held.now, stat.held.had,
                                stat.age);

    } else if (stat.held.why) {
        ngx_http_recs_ready_not(w, "recs_set", &set->name,
                                "never loaded, %V, Redis has %uL ids",
                                stat.state, stat.held.now);

    } else if (!stat.loaded) {
        ngx_http_recs_ready_not(w, "recs_set", &set->name,
                                "never loaded, %V", stat.state);

    } else {
        ngx_http_recs_ready_not(w, "recs_set", &set->name,
                                "%V, %Mms old, \"max_lag\" is %Mms",
                                stat.state, stat.age, set->replica->max_lag);
    }
}


static void
ngx_http_recs_ready_watch(ngx_recs_set_t *set, recs_writer_t *w)
{
    ngx_recs_watch_stat_t  stat;

    ngx_recs_watch_stat(set->watch, &stat);

    if (stat.why) {
        ngx_http_recs_ready_not(w, "recs_set", &set->name,
                                "unknown for %Ts, %V",
                                ngx_time() - stat.since,
                                &ngx_recs_whys[stat.why]);
    }
}


static void
ngx_http_recs_ready_trust(ngx_recs_set_t *set, recs_writer_t *w)
{
    ngx_recs_trust_stat_t  stat;

    ngx_recs_trust_stat(set->trust, &stat, ngx_cycle->log);

    if (stat.since) {
        ngx_http_recs_ready_not(w, "recs_set", &set->name,
                                "unknown for %Ts, distrusted: it refuses %uL "
                                "of %uL ids", ngx_time() - stat.since,
                                stat.refused, stat.asked);
    }
}


static void
ngx_http_recs_ready_pools(ngx_http_recs_main_conf_t *rmcf, recs_writer_t *w)
{
    time_t                   loaded, age;
    ngx_uint_t               i;
    ngx_recs_pool_t         *pool;
    recs_guard_held_t        held;
    ngx_http_recs_pool_t   **rp;

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        pool = &rp[i]->pool;
        held = pool->shared->held;

        if (held.why) {
            ngx_http_recs_ready_not(w, "recs_pool", &pool->name,
                                    "held, there are %uL items, %uL stay",
                                    held.now, held.had);
            continue;
        }

        if (pool->file.len) {

            if (pool->shared->failed) {
                ngx_http_recs_ready_not(w, "recs_pool", &pool->name,
                                        "its file can't be read");
            }

            continue;
        }

        loaded = pool->shared->loaded;
        age = ngx_time() - loaded;

        if (loaded == 0) {
            ngx_http_recs_ready_not(w, "recs_pool", &pool->name,
                                    "never read");

        } else if (pool->shared->failed
                   || (ngx_msec_t) age * 1000
                      > pool->refresh + NGX_HTTP_RECS_READY_LATE)
        {
            ngx_http_recs_ready_not(w, "recs_pool", &pool->name,
                                    "read %Ts ago, \"refresh\" is %Mms",
                                    age, pool->refresh);
        }
    }
}


static void
ngx_http_recs_ready_snapshots(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w)
{
    ngx_uint_t                    i;
    ngx_recs_snapshot_t           snapshot;
    ngx_recs_snapshots_t         *ss;
    ngx_http_recs_snapshots_t   **rn;

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        ss = &rn[i]->snapshots;

        if (ngx_recs_snapshot_get(ss, 0, &snapshot) != NGX_OK) {
            ngx_http_recs_ready_not(w, "recs_snapshots", &ss->name,
                                    "no version is active");
            continue;
        }

        ngx_http_recs_ready_channels(ss, w);
    }
}


/* Names the channels of which Redis has lost something. */

static void
ngx_http_recs_ready_channels(ngx_recs_snapshots_t *ss, recs_writer_t *w)
{
    ngx_str_t                  active, reason;
    ngx_uint_t                 i;
    ngx_recs_channel_state_t   state;

    for (i = 0; i < ss->nchannels; i++) {

        if (!ngx_recs_channel_state(&ss->channels[i], &state) || !state.lost) {
            continue;
        }

        active = ngx_recs_text_str(&state.active.version);
        reason.data = state.reason;
        reason.len = state.reason_len;

        ngx_http_recs_ready_not(w, "recs_snapshots", &ss->name,
                                "channel \"%V\", \"%V\" stays: %V",
                                &ss->channels[i].name, &active, &reason);
    }
}


static void
ngx_http_recs_ready_not(recs_writer_t *w, const char *kind,
    const ngx_str_t *name, const char *fmt, ...)
{
    u_char   buf[512], *p, *end;
    va_list  args;

    end = buf + sizeof(buf) - 1;

    p = ngx_slprintf(buf, end, "%s \"%V\": ", kind, name);

    va_start(args, fmt);
    p = ngx_vslprintf(p, end, fmt, args);
    va_end(args);

    *p++ = '\n';

    recs_write_bytes(w, (char *) buf, p - buf);
}
