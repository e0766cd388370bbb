
/* The handler recs_status: what all workers have counted. */


#include "ngx_http_recs_names.h"
#include "ngx_http_recs_serve.h"
#include "ngx_recs_entry.h"
#include "ngx_recs_trust.h"
#include "recs_writer.h"


static void ngx_http_recs_status_responses(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_sets(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_unknown(ngx_recs_set_counters_t *counters,
    recs_writer_t *w);
static void ngx_http_recs_status_state(ngx_recs_set_t *set, recs_writer_t *w);
static void ngx_http_recs_status_replica(ngx_recs_replica_t *replica,
    recs_writer_t *w);
static void ngx_http_recs_status_held(const recs_guard_held_t *held,
    recs_writer_t *w);
static void ngx_http_recs_status_image(ngx_recs_image_shared_t *image,
    recs_writer_t *w);
static void ngx_http_recs_status_pools(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_snapshots(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_past(ngx_recs_snapshots_t *ss,
    recs_writer_t *w);
static void ngx_http_recs_status_channel(ngx_recs_channel_t *channel,
    recs_writer_t *w);
static void ngx_http_recs_status_redis(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_recorder(ngx_recs_recorder_t *recorder,
    recs_writer_t *w);


/* A member named by a string of the configuration, and its object. */

static void
ngx_http_recs_write_named(recs_writer_t *w, const ngx_str_t *name)
{
    recs_str_t  span;

    span = ngx_recs_span(name);

    recs_write_key_str(w, &span);
    recs_write_object(w);
}


ngx_int_t
ngx_http_recs_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    recs_mem_t                  mem;
    recs_writer_t               w;
    ngx_http_recs_main_conf_t  *rmcf;

    rc = ngx_http_recs_answer_begin(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_recs_module);

    ngx_recs_mem(&mem, r->pool);
    recs_writer_init(&w, &mem, RECS_JSON, 2048);

    recs_write_object(&w);
    ngx_http_recs_status_responses(rmcf, &w);
    ngx_http_recs_status_sets(rmcf, &w);
    ngx_http_recs_status_pools(rmcf, &w);
    ngx_http_recs_status_snapshots(rmcf, &w);
    ngx_http_recs_status_redis(rmcf, &w);
    recs_write_object_end(&w);
    recs_write_bytes(&w, "\n", 1);

    return ngx_http_recs_answer(r, &w, "application/json", NGX_HTTP_OK);
}


static void
ngx_http_recs_status_responses(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w)
{
    ngx_uint_t                  i;
    ngx_http_recs_items_t      *items;
    ngx_http_recs_responses_t  *responses;

    responses = rmcf->responses;
    items = rmcf->items;

    recs_write_key(w, "responses");
    recs_write_object(w);

    for (i = NGX_HTTP_RECS_FILTERED; i < NGX_HTTP_RECS_NSTATES; i++) {
        recs_write_key_uint(w, (char *) ngx_http_recs_states[i].data,
                            rmcf->states->states[i]);
    }

    recs_write_object_end(w);

    recs_write_key(w, "skew");
    recs_write_object(w);

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        recs_write_key_uint(w, (char *) ngx_http_recs_versions[i].data,
                            responses->skew[i]);
    }

    recs_write_object_end(w);

    recs_write_key(w, "stale");
    recs_write_object(w);

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        recs_write_key_uint(w, (char *) ngx_http_recs_ages[i].data,
                            responses->stale[i]);
    }

    recs_write_object_end(w);

    recs_write_key_uint(w, "rejected", responses->rejected);
    recs_write_key_uint(w, "not_modified", responses->not_modified);
    recs_write_key_uint(w, "emptied", responses->emptied);
    recs_write_key_uint(w, "encoded", responses->encoded);
    recs_write_key_uint(w, "unsent_versions", responses->unsent);
    recs_write_key_uint(w, "not_utf8", responses->not_utf8);

    recs_write_key(w, "items");
    recs_write_object(w);
    recs_write_key_uint(w, "total", items->total);
    recs_write_key_uint(w, "kept", items->kept);
    recs_write_key_uint(w, "removed", items->removed);
    recs_write_key_uint(w, "repeated", items->repeated);
    recs_write_key_uint(w, "unidentified", items->unidentified);
    recs_write_key_uint(w, "explored", items->explored);
    recs_write_key_uint(w, "backfilled", items->backfilled);
    recs_write_key_uint(w, "skipped_slots", items->skipped_slots);
    recs_write_key_uint(w, "unfilled_slots", items->unfilled_slots);
    recs_write_object_end(w);
}


static void
ngx_http_recs_status_sets(ngx_http_recs_main_conf_t *rmcf, recs_writer_t *w)
{
    ngx_uint_t                 i;
    ngx_http_recs_set_t      **rs;
    ngx_recs_set_counters_t   *counters;

    recs_write_key(w, "sets");
    recs_write_object(w);

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        counters = rs[i]->set.counters;

        ngx_http_recs_write_named(w, &rs[i]->named.name);
        recs_write_key_uint(w, "questions", counters->questions);
        ngx_http_recs_status_unknown(counters, w);
        recs_write_key_uint(w, "skipped", counters->skipped);
        recs_write_key_uint(w, "removed", counters->removed);

        if (rs[i]->set.watch || rs[i]->set.trust) {
            ngx_http_recs_status_state(&rs[i]->set, w);
        }

        if (rs[i]->set.prefetch) {
            recs_write_key_uint(w, "prefetches", counters->prefetches);
            recs_write_key_uint(w, "prefetch_used", counters->prefetch_used);
            recs_write_key_uint(w, "prefetch_over", counters->prefetch_over);
            recs_write_key_uint(w, "prefetch_late", counters->prefetch_late);
        }

        if (rs[i]->set.replica) {
            ngx_http_recs_status_replica(rs[i]->set.replica, w);
        }

        recs_write_object_end(w);
    }

    recs_write_object_end(w);
}


/* "unknown":3,"unknown_why":{"timeout":1,"error":0,"down":2,...} */

static void
ngx_http_recs_status_unknown(ngx_recs_set_counters_t *counters,
    recs_writer_t *w)
{
    uint64_t    n;
    ngx_uint_t  why;

    n = 0;

    for (why = NGX_RECS_WHY_TIMEOUT; why < NGX_RECS_NWHYS; why++) {
        n += counters->unknown[why];
    }

    recs_write_key_uint(w, "unknown", n);

    recs_write_key(w, "unknown_why");
    recs_write_object(w);

    for (why = NGX_RECS_WHY_TIMEOUT; why < NGX_RECS_NWHYS; why++) {
        recs_write_key_uint(w, (char *) ngx_recs_whys[why].data,
                            counters->unknown[why]);
    }

    recs_write_object_end(w);
}


/*
 * "state":"unknown","why":"absent","since":1795390685,"members":0, and with
 * max_removed= "asked":900,"refused":880.
 */

static void
ngx_http_recs_status_state(ngx_recs_set_t *set, recs_writer_t *w)
{
    recs_str_t             why;
    ngx_recs_watch_stat_t  watch;
    ngx_recs_trust_stat_t  trust;

    ngx_memzero(&watch, sizeof(ngx_recs_watch_stat_t));
    ngx_memzero(&trust, sizeof(ngx_recs_trust_stat_t));

    if (set->trust) {
        ngx_recs_trust_stat(set->trust, &trust, ngx_cycle->log);
        watch.known = 1;
    }

    if (set->watch) {
        ngx_recs_watch_stat(set->watch, &watch);
    }

    if (watch.why == NGX_RECS_WHY_NONE && trust.since) {
        watch.why = NGX_RECS_WHY_DISTRUSTED;
        watch.since = trust.since;
    }

    recs_write_key(w, "state");

    if (watch.known || trust.since) {
        recs_write_cstr(w, watch.why ? "unknown" : "known");

    } else {
        recs_write_null(w);
    }

    if (watch.why) {
        why = ngx_recs_span(&ngx_recs_whys[watch.why]);

        recs_write_key(w, "why");
        recs_write_string(w, &why);
    }

    if (watch.since) {
        recs_write_key_uint(w, "since", watch.since);
    }

    if (set->watch) {
        recs_write_key_uint(w, "members", watch.members);
    }

    if (set->trust) {
        recs_write_key_uint(w, "asked", trust.asked);
        recs_write_key_uint(w, "refused", trust.refused);
    }
}


static void
ngx_http_recs_status_replica(ngx_recs_replica_t *replica, recs_writer_t *w)
{
    u_char                        buf[NGX_RECS_FEED_ID_LEN];
    ngx_str_t                     id;
    ngx_uint_t                    i;
    recs_str_t                    span;
    ngx_recs_replica_stat_t       stat;
    ngx_recs_replica_counters_t  *counters;

    counters = replica->counters;

    ngx_recs_replica_stat(replica, &stat);

    recs_write_key(w, "replica");
    recs_write_object(w);

    recs_write_key(w, "state");
    span = ngx_recs_span(stat.state);
    recs_write_string(w, &span);

    recs_write_key_uint(w, "leader", ngx_recs_leader_pid(replica->leader));
    recs_write_key_uint(w, "ids", stat.table.ids);
    recs_write_key_uint(w, "capacity", stat.table.capacity);
    recs_write_key_uint(w, "slots", stat.table.slots);
    recs_write_key_uint(w, "used", stat.table.used);

    recs_write_key(w, "age");

    if (stat.loaded) {
        recs_write_uint(w, stat.age);

    } else {
        recs_write_null(w);
    }

    if (replica->feed.len) {
        ngx_recs_feed_id_write(&stat.position.id, buf, &id);
        span = ngx_recs_span(&id);

        recs_write_key(w, "feed_id");
        recs_write_string(w, &span);
        recs_write_key_uint(w, "feed_seq", stat.position.seq);
    }

    ngx_http_recs_status_held(&stat.held, w);

    recs_write_key_uint(w, "loaded", stat.loaded);
    recs_write_key_uint(w, "load_time", replica->shared->load_time);
    recs_write_key_uint(w, "loads", counters->loads);
    recs_write_key_uint(w, "failures", counters->failures);
    recs_write_key_uint(w, "entries", counters->entries);
    recs_write_key_uint(w, "answered", counters->answered);
    recs_write_key_uint(w, "stale", counters->stale);

    recs_write_key(w, "resyncs");
    recs_write_object(w);

    for (i = 0; i < NGX_RECS_NRESYNCS; i++) {
        recs_write_key_uint(w, (char *) ngx_recs_resyncs[i].data,
                            counters->resyncs[i]);
    }

    recs_write_object_end(w);

    if (replica->image.len) {
        ngx_http_recs_status_image(&replica->shared->image, w);
    }

    recs_write_object_end(w);
}


/* "held":{"why":"absent","since":1790000000,"had":200,"now":0}, or null */

static void
ngx_http_recs_status_held(const recs_guard_held_t *held, recs_writer_t *w)
{
    static const char  *whys[] = { "", "", "absent", "few", "shrunk" };

    recs_write_key(w, "held");

    if (held->why == RECS_GUARD_TAKE) {
        recs_write_null(w);
        return;
    }

    recs_write_object(w);
    recs_write_key(w, "why");
    recs_write_cstr(w, whys[held->why]);
    recs_write_key_uint(w, "since", held->since);
    recs_write_key_uint(w, "had", held->had);
    recs_write_key_uint(w, "now", held->now);
    recs_write_object_end(w);
}


static void
ngx_http_recs_status_image(ngx_recs_image_shared_t *image, recs_writer_t *w)
{
    recs_write_key(w, "image");
    recs_write_object(w);
    recs_write_key_uint(w, "written", image->written);
    recs_write_key_uint(w, "read", image->read);
    recs_write_key_uint(w, "used", image->used);
    recs_write_key_uint(w, "failed", image->failed);
    recs_write_object_end(w);
}


static void
ngx_http_recs_status_pools(ngx_http_recs_main_conf_t *rmcf, recs_writer_t *w)
{
    ngx_uint_t                  i;
    ngx_recs_pool_t            *pool;
    recs_guard_held_t           held;
    ngx_http_recs_pool_t      **rp;
    ngx_recs_pool_counters_t   *counters;

    recs_write_key(w, "pools");
    recs_write_object(w);

    rp = rmcf->pools.elts;

    for (i = 0; i < rmcf->pools.nelts; i++) {
        pool = &rp[i]->pool;
        counters = pool->counters;

        /* items are this worker's, which answers */

        ngx_http_recs_write_named(w, &rp[i]->named.name);
        recs_write_key_uint(w, "items",
                            pool->items ? pool->items->choices.n : 0);
        recs_write_key_uint(w, "refused",
                            pool->items ? pool->items->refused : 0);
        recs_write_key_uint(w, "loaded", pool->shared->loaded);
        held = pool->shared->held;
        ngx_http_recs_status_held(&held, w);
        recs_write_key_uint(w, "refreshes", counters->refreshes);
        recs_write_key_uint(w, "failures", counters->failures);
        recs_write_key_uint(w, "shown", counters->shown);
        recs_write_key_uint(w, "capped", counters->capped);
        recs_write_key_uint(w, "cap_full", counters->cap_full);
        recs_write_key_uint(w, "uncounted", counters->uncounted);

        if (pool->image_path.len) {
            ngx_http_recs_status_image(&pool->shared->image, w);
        }

        recs_write_object_end(w);
    }

    recs_write_object_end(w);
}


static void
ngx_http_recs_status_snapshots(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w)
{
    ngx_uint_t                       i, n;
    ngx_recs_snapshots_t            *ss;
    ngx_http_recs_snapshots_t      **rn;
    ngx_recs_snapshots_counters_t   *counters;

    recs_write_key(w, "snapshots");
    recs_write_object(w);

    rn = rmcf->snapshots.elts;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        ss = &rn[i]->snapshots;
        counters = ss->counters;

        ngx_http_recs_write_named(w, &ss->name);

        recs_write_key(w, "channels");
        recs_write_object(w);

        for (n = 0; n < ss->nchannels; n++) {
            ngx_http_recs_write_named(w, &ss->channels[n].name);
            ngx_http_recs_status_channel(&ss->channels[n], w);
            recs_write_object_end(w);
        }

        recs_write_object_end(w);

        recs_write_key_uint(w, "leader", ngx_recs_leader_pid(&rmcf->leader));
        recs_write_key_uint(w, "adopted", counters->adopted);
        recs_write_key_uint(w, "refused", counters->refused);
        recs_write_key_uint(w, "returned", counters->returned);
        recs_write_key_uint(w, "events", counters->events);
        recs_write_key_uint(w, "rows", counters->rows);
        recs_write_key_uint(w, "missing", counters->missing);
        recs_write_key_uint(w, "nobody", counters->nobody);
        recs_write_key_uint(w, "previous", counters->previous);
        recs_write_key_uint(w, "defaults", counters->defaults);
        recs_write_key_uint(w, "none", counters->none);
        recs_write_key_uint(w, "kept", counters->kept);
        recs_write_key_uint(w, "unknown", counters->unknown);
        recs_write_key_uint(w, "too_large", counters->too_large);
        ngx_http_recs_status_past(ss, w);
        recs_write_object_end(w);
    }

    recs_write_object_end(w);
}


/* What is remembered of versions that were left, and of users without a row. */

static void
ngx_http_recs_status_past(ngx_recs_snapshots_t *ss, recs_writer_t *w)
{
    recs_missing_t   *missing;
    ngx_recs_past_t  *past;

    past = &ss->shared->past;
    missing = &ss->shared->missing;

    recs_write_key_uint(w, "past_rolled_back",
                        ngx_recs_past_count(past, NGX_RECS_PAST_ROLLED_BACK));
    recs_write_key_uint(w, "past_replaced",
                        ngx_recs_past_count(past, NGX_RECS_PAST_REPLACED));

    recs_write_key(w, "missing_share");
    recs_write_object(w);
    recs_write_key(w, "now");
    recs_write_double(w, (double) missing->now / 10000);
    recs_write_key(w, "usual");
    recs_write_double(w, (double) missing->usual / 10000);
    recs_write_key_uint(w, "since", missing->since);
    recs_write_object_end(w);

    if (ss->image_path.len) {
        ngx_http_recs_status_image(&ss->shared->image, w);
    }
}


/* A member with a text; null if that is empty. */

static void
ngx_http_recs_write_text(recs_writer_t *w, const char *name,
    const ngx_recs_text_t *text)
{
    ngx_str_t   str;
    recs_str_t  span;

    recs_write_key(w, name);

    if (text->len == 0) {
        recs_write_null(w);
        return;
    }

    str = ngx_recs_text_str(text);
    span = ngx_recs_span(&str);
    recs_write_string(w, &span);
}


static void
ngx_http_recs_status_channel(ngx_recs_channel_t *channel, recs_writer_t *w)
{
    recs_str_t                 reason;
    ngx_recs_text_t            kept;
    ngx_recs_descriptor_t     *active;
    ngx_recs_channel_state_t   state;

    ngx_memzero(&state, sizeof(ngx_recs_channel_state_t));
    (void) ngx_recs_channel_state(channel, &state);

    active = &state.active;

    ngx_http_recs_write_text(w, "active", &active->version);

    if (active->version.len) {
        recs_write_key_uint(w, "since", state.since);
        ngx_http_recs_write_text(w, "model", &active->model);
        ngx_http_recs_write_text(w, "schema", &active->schema);
        ngx_http_recs_write_text(w, "features", &active->features);
        recs_write_key_uint(w, "generated_at", active->generated_at);
        recs_write_key_uint(w, "max_age", active->max_age);
        recs_write_key_uint(w, "expected", active->expected);
        recs_write_key_uint(w, "written", active->written);
    }

    ngx_http_recs_write_text(w, "previous", &state.previous.version);

    ngx_memzero(&kept, sizeof(ngx_recs_text_t));
    recs_write_key_uint(w, "default_size",
                        ngx_recs_channel_default(channel, &kept));
    ngx_http_recs_write_text(w, "default_of", &kept);

    ngx_http_recs_write_text(w, "refused", &state.refused);

    recs_write_key(w, "reason");

    if (state.refusal) {
        reason.data = state.reason;
        reason.len = state.reason_len;
        recs_write_string(w, &reason);

    } else {
        recs_write_null(w);
    }

    recs_write_key_uint(w, "lost", state.lost);
    recs_write_key_uint(w, "looked", channel->shared->looked);
}


static void
ngx_http_recs_status_redis(ngx_http_recs_main_conf_t *rmcf, recs_writer_t *w)
{
    ngx_uint_t                   i;
    ngx_http_recs_redis_t      **rr;
    ngx_recs_redis_counters_t   *counters;

    recs_write_key(w, "redis");
    recs_write_object(w);

    rr = rmcf->redis.elts;

    for (i = 0; i < rmcf->redis.nelts; i++) {
        counters = rr[i]->redis.counters;

        ngx_http_recs_write_named(w, &rr[i]->named.name);
        recs_write_key_uint(w, "ready", ngx_recs_redis_ready(&rr[i]->redis));
        recs_write_key_uint(w, "connections", rr[i]->redis.nconns);
        recs_write_key_uint(w, "commands", counters->commands);
        recs_write_key_uint(w, "errors", counters->errors);
        recs_write_key_uint(w, "connects", counters->connects);
        recs_write_key_uint(w, "losses", counters->losses);
        recs_write_key_uint(w, "refused", counters->refused);
        recs_write_key_uint(w, "discarded", counters->discarded);

        if (rr[i]->recorder.redis) {
            ngx_http_recs_status_recorder(&rr[i]->recorder, w);
        }

        recs_write_object_end(w);
    }

    recs_write_object_end(w);
}


static void
ngx_http_recs_status_recorder(ngx_recs_recorder_t *recorder, recs_writer_t *w)
{
    ngx_recs_recorder_counters_t  *counters;

    counters = recorder->counters;

    recs_write_key(w, "recorded");
    recs_write_object(w);
    recs_write_key_uint(w, "responses", counters->responses);
    recs_write_key_uint(w, "ids", counters->ids);
    recs_write_key_uint(w, "batches", counters->batches);
    recs_write_key_uint(w, "unkeyed", counters->unkeyed);
    recs_write_key_uint(w, "refused", counters->refused);
    recs_write_key_uint(w, "dropped", counters->dropped);
    recs_write_object_end(w);
}
