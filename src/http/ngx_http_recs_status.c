
/* The handler recs_status: what all workers have counted. */


#include "ngx_http_recs_conf.h"
#include "ngx_recs_entry.h"
#include "recs_writer.h"


static ngx_int_t ngx_http_recs_status_handler(ngx_http_request_t *r);
static void ngx_http_recs_status_responses(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_sets(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_replica(ngx_recs_replica_t *replica,
    recs_writer_t *w);
static void ngx_http_recs_status_image(ngx_recs_image_shared_t *image,
    recs_writer_t *w);
static void ngx_http_recs_status_pools(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_snapshots(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_channel(ngx_recs_channel_t *channel,
    recs_writer_t *w);
static void ngx_http_recs_status_redis(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_recorder(ngx_recs_recorder_t *recorder,
    recs_writer_t *w);


static void
ngx_http_recs_write(recs_writer_t *w, const char *name, ngx_atomic_uint_t n)
{
    recs_write_key(w, name);
    recs_write_uint(w, n);
}


/* A member named by a string of the configuration, and its object. */

static void
ngx_http_recs_write_named(recs_writer_t *w, const ngx_str_t *name)
{
    recs_str_t  span;

    span = ngx_recs_span(name);

    recs_write_key_str(w, &span);
    recs_write_object(w);
}


char *
ngx_http_recs_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "json") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid format \"%V\" in recs_status, "
                           "it must be \"json\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_recs_handle(cf, rlcf, ngx_http_recs_status_handler);
}


static ngx_int_t
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
        ngx_http_recs_write(w, (char *) ngx_http_recs_states[i].data,
                            rmcf->states->states[i]);
    }

    recs_write_object_end(w);

    recs_write_key(w, "skew");
    recs_write_object(w);

    for (i = 0; i < NGX_HTTP_RECS_NVERSIONS; i++) {
        ngx_http_recs_write(w, (char *) ngx_http_recs_versions[i].data,
                            responses->skew[i]);
    }

    recs_write_object_end(w);

    recs_write_key(w, "stale");
    recs_write_object(w);

    for (i = 0; i < NGX_HTTP_RECS_NAGES; i++) {
        ngx_http_recs_write(w, (char *) ngx_http_recs_ages[i].data,
                            responses->stale[i]);
    }

    recs_write_object_end(w);

    ngx_http_recs_write(w, "rejected", responses->rejected);
    ngx_http_recs_write(w, "not_modified", responses->not_modified);
    ngx_http_recs_write(w, "encoded", responses->encoded);
    ngx_http_recs_write(w, "unsent_versions", responses->unsent);

    recs_write_key(w, "items");
    recs_write_object(w);
    ngx_http_recs_write(w, "total", items->total);
    ngx_http_recs_write(w, "kept", items->kept);
    ngx_http_recs_write(w, "removed", items->removed);
    ngx_http_recs_write(w, "unidentified", items->unidentified);
    ngx_http_recs_write(w, "explored", items->explored);
    ngx_http_recs_write(w, "backfilled", items->backfilled);
    ngx_http_recs_write(w, "skipped_slots", items->skipped_slots);
    ngx_http_recs_write(w, "unfilled_slots", items->unfilled_slots);
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
        ngx_http_recs_write(w, "questions", counters->questions);
        ngx_http_recs_write(w, "unknown", counters->unknown);
        ngx_http_recs_write(w, "skipped", counters->skipped);
        ngx_http_recs_write(w, "removed", counters->removed);

        if (rs[i]->set.prefetch) {
            ngx_http_recs_write(w, "prefetches", counters->prefetches);
            ngx_http_recs_write(w, "prefetch_used", counters->prefetch_used);
            ngx_http_recs_write(w, "prefetch_over", counters->prefetch_over);
            ngx_http_recs_write(w, "prefetch_late", counters->prefetch_late);
        }

        if (rs[i]->set.replica) {
            ngx_http_recs_status_replica(rs[i]->set.replica, w);
        }

        recs_write_object_end(w);
    }

    recs_write_object_end(w);
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

    ngx_http_recs_write(w, "leader", ngx_recs_leader_pid(replica->leader));
    ngx_http_recs_write(w, "ids", stat.table.ids);
    ngx_http_recs_write(w, "capacity", stat.table.capacity);
    ngx_http_recs_write(w, "slots", stat.table.slots);
    ngx_http_recs_write(w, "used", stat.table.used);

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
        ngx_http_recs_write(w, "feed_seq", stat.position.seq);
    }

    ngx_http_recs_write(w, "loaded", stat.loaded);
    ngx_http_recs_write(w, "load_time", replica->shared->load_time);
    ngx_http_recs_write(w, "loads", counters->loads);
    ngx_http_recs_write(w, "failures", counters->failures);
    ngx_http_recs_write(w, "entries", counters->entries);
    ngx_http_recs_write(w, "answered", counters->answered);
    ngx_http_recs_write(w, "stale", counters->stale);

    recs_write_key(w, "resyncs");
    recs_write_object(w);

    for (i = 0; i < NGX_RECS_NRESYNCS; i++) {
        ngx_http_recs_write(w, (char *) ngx_recs_resyncs[i].data,
                            counters->resyncs[i]);
    }

    recs_write_object_end(w);

    if (replica->image.len) {
        ngx_http_recs_status_image(&replica->shared->image, w);
    }

    recs_write_object_end(w);
}


static void
ngx_http_recs_status_image(ngx_recs_image_shared_t *image, recs_writer_t *w)
{
    recs_write_key(w, "image");
    recs_write_object(w);
    ngx_http_recs_write(w, "written", image->written);
    ngx_http_recs_write(w, "read", image->read);
    ngx_http_recs_write(w, "used", image->used);
    ngx_http_recs_write(w, "failed", image->failed);
    recs_write_object_end(w);
}


static void
ngx_http_recs_status_pools(ngx_http_recs_main_conf_t *rmcf, recs_writer_t *w)
{
    ngx_uint_t                  i;
    ngx_recs_pool_t            *pool;
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
        ngx_http_recs_write(w, "items",
                            pool->items ? pool->items->choices.n : 0);
        ngx_http_recs_write(w, "refused",
                            pool->items ? pool->items->refused : 0);
        ngx_http_recs_write(w, "loaded", pool->shared->loaded);
        ngx_http_recs_write(w, "refreshes", counters->refreshes);
        ngx_http_recs_write(w, "failures", counters->failures);
        ngx_http_recs_write(w, "shown", counters->shown);
        ngx_http_recs_write(w, "capped", counters->capped);
        ngx_http_recs_write(w, "cap_full", counters->cap_full);
        ngx_http_recs_write(w, "uncounted", counters->uncounted);

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

        ngx_http_recs_write(w, "leader", ngx_recs_leader_pid(&rmcf->leader));
        ngx_http_recs_write(w, "adopted", counters->adopted);
        ngx_http_recs_write(w, "refused", counters->refused);
        ngx_http_recs_write(w, "events", counters->events);
        ngx_http_recs_write(w, "rows", counters->rows);
        ngx_http_recs_write(w, "missing", counters->missing);
        ngx_http_recs_write(w, "previous", counters->previous);
        ngx_http_recs_write(w, "defaults", counters->defaults);
        ngx_http_recs_write(w, "none", counters->none);
        ngx_http_recs_write(w, "kept", counters->kept);
        ngx_http_recs_write(w, "unknown", counters->unknown);
        ngx_http_recs_write(w, "too_large", counters->too_large);
        recs_write_object_end(w);
    }

    recs_write_object_end(w);
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
        ngx_http_recs_write(w, "since", state.since);
        ngx_http_recs_write_text(w, "model", &active->model);
        ngx_http_recs_write_text(w, "schema", &active->schema);
        ngx_http_recs_write_text(w, "features", &active->features);
        ngx_http_recs_write(w, "generated_at", active->generated_at);
        ngx_http_recs_write(w, "max_age", active->max_age);
        ngx_http_recs_write(w, "expected", active->expected);
        ngx_http_recs_write(w, "written", active->written);
    }

    ngx_http_recs_write_text(w, "previous", &state.previous.version);

    ngx_memzero(&kept, sizeof(ngx_recs_text_t));
    ngx_http_recs_write(w, "default_size",
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

    ngx_http_recs_write(w, "looked", channel->shared->looked);
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
        ngx_http_recs_write(w, "ready", ngx_recs_redis_ready(&rr[i]->redis));
        ngx_http_recs_write(w, "connections", rr[i]->redis.nconns);
        ngx_http_recs_write(w, "commands", counters->commands);
        ngx_http_recs_write(w, "errors", counters->errors);
        ngx_http_recs_write(w, "connects", counters->connects);
        ngx_http_recs_write(w, "losses", counters->losses);
        ngx_http_recs_write(w, "refused", counters->refused);
        ngx_http_recs_write(w, "discarded", counters->discarded);

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
    ngx_http_recs_write(w, "responses", counters->responses);
    ngx_http_recs_write(w, "ids", counters->ids);
    ngx_http_recs_write(w, "batches", counters->batches);
    ngx_http_recs_write(w, "unkeyed", counters->unkeyed);
    ngx_http_recs_write(w, "refused", counters->refused);
    ngx_http_recs_write(w, "dropped", counters->dropped);
    recs_write_object_end(w);
}
