
/* The handler recs_status: what all workers have counted. */


#include "ngx_http_recs_names.h"
#include "ngx_http_recs_serve.h"
#include "ngx_recs_feed_entry.h"
#include "ngx_recs_trust.h"
#include "recs_writer.h"


/* Writes the members of one thing that the configuration names. */

typedef void (*ngx_http_recs_status_pt)(void *thing, recs_writer_t *w);


static void ngx_http_recs_status_responses(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w);
static void ngx_http_recs_status_things(const char *kind, ngx_array_t *things,
    ngx_http_recs_status_pt write, recs_writer_t *w);
static void ngx_http_recs_status_set(void *thing, recs_writer_t *w);
static void ngx_http_recs_status_state(ngx_recs_set_t *set, recs_writer_t *w);
static void ngx_http_recs_status_replica(ngx_recs_replica_t *replica,
    recs_writer_t *w);
static void ngx_http_recs_status_held(const recs_guard_held_t *held,
    recs_writer_t *w);
static void ngx_http_recs_status_image(ngx_recs_image_shared_t *image,
    recs_writer_t *w);
static void ngx_http_recs_status_pool(void *thing, recs_writer_t *w);
static void ngx_http_recs_status_snapshots(void *thing, recs_writer_t *w);
static void ngx_http_recs_status_past(ngx_recs_snapshots_t *ss,
    recs_writer_t *w);
static void ngx_http_recs_status_channel(ngx_recs_channel_t *channel,
    recs_writer_t *w);
static void ngx_http_recs_status_redis(void *thing, recs_writer_t *w);
static void ngx_http_recs_status_breaker(ngx_recs_redis_t *redis,
    recs_writer_t *w);
static void ngx_http_recs_status_server(
    const ngx_recs_redis_server_stat_t *stat, ngx_uint_t reads,
    recs_writer_t *w);
static void ngx_http_recs_status_recorder(ngx_recs_recorder_t *recorder,
    recs_writer_t *w);


static const ngx_recs_counter_t  ngx_http_recs_state_counters[] = {
    ngx_recs_counter_array("responses", ngx_http_recs_states_t,
                           states[NGX_HTTP_RECS_FILTERED],
                           &ngx_http_recs_states[NGX_HTTP_RECS_FILTERED],
                           NGX_HTTP_RECS_NSTATES - NGX_HTTP_RECS_FILTERED,
                           NULL,
                           "Responses, by what became of them."),
    ngx_recs_counter_end
};


static const ngx_recs_counter_t  ngx_http_recs_response_counters[] = {
    ngx_recs_counter_array("skew", ngx_http_recs_responses_t,
                           skew, ngx_http_recs_versions,
                           NGX_HTTP_RECS_NVERSIONS, NULL,
                           "Responses with versions that differ, by the "
                           "version."),
    ngx_recs_counter_array("stale", ngx_http_recs_responses_t,
                           stale, ngx_http_recs_ages,
                           NGX_HTTP_RECS_NAGES, NULL,
                           "Responses that were too old, by the age."),
    ngx_recs_counter("rejected", ngx_http_recs_responses_t, rejected,
                     "Responses that were answered with 502."),
    ngx_recs_counter("not_modified", ngx_http_recs_responses_t, not_modified,
                     "Responses that were answered with 304."),
    ngx_recs_counter("emptied", ngx_http_recs_responses_t, emptied,
                     "Pages of which no item was left."),
    ngx_recs_counter("encoded", ngx_http_recs_responses_t, encoded,
                     "Responses in an encoding that is not known here."),
    ngx_recs_counter("unsent_versions", ngx_http_recs_responses_t, unsent,
                     "Versions that are unfit for a header."),
    ngx_recs_counter("not_utf8", ngx_http_recs_responses_t, not_utf8,
                     "Pages with strings that are not UTF-8."),
    ngx_recs_counter_end
};


static const ngx_recs_counter_t  ngx_http_recs_item_counters[] = {
    ngx_recs_counter("total", ngx_http_recs_items_t, total,
                     "Items of pages as they came."),
    ngx_recs_counter("kept", ngx_http_recs_items_t, kept,
                     "Items that stayed."),
    ngx_recs_counter("removed", ngx_http_recs_items_t, removed,
                     "Items that were removed."),
    ngx_recs_counter("repeated", ngx_http_recs_items_t, repeated,
                     "Items that were removed as they were repeated."),
    ngx_recs_counter("unidentified", ngx_http_recs_items_t, unidentified,
                     "Items without a usable id."),
    ngx_recs_counter("explored", ngx_http_recs_items_t, explored,
                     "Items that exploration put into pages."),
    ngx_recs_counter("backfilled", ngx_http_recs_items_t, backfilled,
                     "Items that filled up shelves."),
    ngx_recs_counter("skipped_slots", ngx_http_recs_items_t, skipped_slots,
                     "Slots of exploration that were past a shelf's end."),
    ngx_recs_counter("unfilled_slots", ngx_http_recs_items_t, unfilled_slots,
                     "Slots of exploration for which nothing was eligible."),
    ngx_recs_counter_end
};


/* Opens a member that a string of the configuration names, with an object. */

static void
ngx_http_recs_write_named(recs_writer_t *w, const ngx_str_t *name)
{
    recs_str_t  span;

    span = ngx_recs_span(name);

    recs_write_key_str(w, &span);
    recs_write_object(w);
}


static void
ngx_http_recs_write_key_flag(recs_writer_t *w, const char *name,
    ngx_uint_t flag)
{
    recs_write_key(w, name);

    if (flag) {
        recs_write_true(w);

    } else {
        recs_write_false(w);
    }
}


/* Members, one for each counter of the table, of the structure counters. */

static void
ngx_http_recs_status_counters(const ngx_recs_counter_t *counter,
    const void *counters, recs_writer_t *w)
{
    uint64_t    sum;
    ngx_uint_t  i;

    for ( /* void */ ; counter->name; counter++) {

        if (counter->labels == NULL) {
            recs_write_key_uint(w, counter->name,
                                ngx_recs_counter_get(counter, counters, 0));
            continue;
        }

        if (counter->sum) {
            sum = 0;

            for (i = 0; i < counter->n; i++) {
                sum += ngx_recs_counter_get(counter, counters, i);
            }

            recs_write_key_uint(w, counter->sum, sum);
        }

        recs_write_key(w, counter->name);
        recs_write_object(w);

        for (i = 0; i < counter->n; i++) {
            recs_write_key_uint(w, (char *) counter->labels[i].data,
                                ngx_recs_counter_get(counter, counters, i));
        }

        recs_write_object_end(w);
    }
}


ngx_int_t
ngx_http_recs_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    recs_mem_t                  mem;
    recs_writer_t               w;
    ngx_http_recs_main_conf_t  *rmcf;

    rc = ngx_http_recs_reply_begin(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_recs_module);

    ngx_recs_mem(&mem, r->pool);
    recs_writer_init(&w, &mem, RECS_JSON, 2048);

    recs_write_object(&w);
    ngx_http_recs_status_responses(rmcf, &w);
    ngx_http_recs_status_things("sets", &rmcf->sets,
                                ngx_http_recs_status_set, &w);
    ngx_http_recs_status_things("pools", &rmcf->pools,
                                ngx_http_recs_status_pool, &w);
    ngx_http_recs_status_things("snapshots", &rmcf->snapshots,
                                ngx_http_recs_status_snapshots, &w);
    ngx_http_recs_status_things("redis", &rmcf->redis,
                                ngx_http_recs_status_redis, &w);
    recs_write_object_end(&w);
    recs_write_bytes(&w, "\n", 1);

    return ngx_http_recs_reply(r, &w, "application/json", NGX_HTTP_OK);
}


static void
ngx_http_recs_status_responses(ngx_http_recs_main_conf_t *rmcf,
    recs_writer_t *w)
{
    ngx_http_recs_status_counters(ngx_http_recs_state_counters, rmcf->states,
                                  w);
    ngx_http_recs_status_counters(ngx_http_recs_response_counters,
                                  rmcf->responses, w);

    recs_write_key(w, "items");
    recs_write_object(w);
    ngx_http_recs_status_counters(ngx_http_recs_item_counters, rmcf->items, w);
    recs_write_object_end(w);
}


/* A member kind: an object with a member for each of these things. */

static void
ngx_http_recs_status_things(const char *kind, ngx_array_t *things,
    ngx_http_recs_status_pt write, recs_writer_t *w)
{
    ngx_uint_t               i;
    ngx_http_recs_named_t  **named;

    recs_write_key(w, kind);
    recs_write_object(w);

    named = things->elts;

    for (i = 0; i < things->nelts; i++) {
        ngx_http_recs_write_named(w, &named[i]->name);
        write(named[i], w);
        recs_write_object_end(w);
    }

    recs_write_object_end(w);
}


static void
ngx_http_recs_status_set(void *thing, recs_writer_t *w)
{
    ngx_recs_set_t  *set = &((ngx_http_recs_set_t *) thing)->set;

    ngx_http_recs_status_counters(ngx_recs_set_counters, set->counters, w);

    if (set->watch || set->trust) {
        ngx_http_recs_status_state(set, w);
    }

    if (set->prefetch) {
        ngx_http_recs_status_counters(ngx_recs_set_prefetch_counters,
                                      set->counters, w);
    }

    if (set->replica) {
        ngx_http_recs_status_replica(set->replica, w);
    }
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
    recs_str_t                    span;
    ngx_recs_replica_stat_t       stat;

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
    ngx_http_recs_status_counters(ngx_recs_replica_counters,
                                  replica->counters, w);

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
ngx_http_recs_status_pool(void *thing, recs_writer_t *w)
{
    ngx_recs_pool_t  *pool = &((ngx_http_recs_pool_t *) thing)->pool;

    recs_guard_held_t  held;

    /* items are this worker's, which answers */

    recs_write_key_uint(w, "items", pool->items ? pool->items->choices.n : 0);
    recs_write_key_uint(w, "refused", pool->items ? pool->items->refused : 0);
    recs_write_key_uint(w, "loaded", pool->shared->loaded);
    held = pool->shared->held;
    ngx_http_recs_status_held(&held, w);
    ngx_http_recs_status_counters(ngx_recs_pool_counters, pool->counters, w);

    if (pool->image_path.len) {
        ngx_http_recs_status_image(&pool->shared->image, w);
    }
}


static void
ngx_http_recs_status_snapshots(void *thing, recs_writer_t *w)
{
    ngx_http_recs_snapshots_t  *rn = thing;

    ngx_uint_t             n;
    ngx_recs_snapshots_t  *ss;

    ss = &rn->snapshots;

    recs_write_key(w, "channels");
    recs_write_object(w);

    for (n = 0; n < ss->nchannels; n++) {
        ngx_http_recs_write_named(w, &ss->channels[n].name);
        ngx_http_recs_status_channel(&ss->channels[n], w);
        recs_write_object_end(w);
    }

    recs_write_object_end(w);

    recs_write_key_uint(w, "leader", ngx_recs_leader_pid(ss->leader));
    ngx_http_recs_status_counters(ngx_recs_snapshots_counters, ss->counters,
                                  w);
    ngx_http_recs_status_past(ss, w);
}


/* What is remembered of versions that were left, and of users without a row. */

static void
ngx_http_recs_status_past(ngx_recs_snapshots_t *ss, recs_writer_t *w)
{
    ngx_recs_past_t       *past;
    recs_missing_share_t  *share;

    past = &ss->shared->past;
    share = &ss->shared->missing_share;

    recs_write_key_uint(w, "past_rolled_back",
                        ngx_recs_past_count(past, NGX_RECS_PAST_ROLLED_BACK));
    recs_write_key_uint(w, "past_replaced",
                        ngx_recs_past_count(past, NGX_RECS_PAST_REPLACED));

    recs_write_key(w, "missing_share");
    recs_write_object(w);
    recs_write_key(w, "now");
    recs_write_double(w, (double) share->now / 10000);
    recs_write_key(w, "usual");
    recs_write_double(w, (double) share->usual / 10000);
    recs_write_key_uint(w, "since", share->since);
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
ngx_http_recs_status_redis(void *thing, recs_writer_t *w)
{
    ngx_http_recs_redis_t  *rr = thing;

    ngx_uint_t                    n;
    ngx_recs_redis_server_stat_t  stat;

    recs_write_key_uint(w, "ready", ngx_recs_redis_ready(&rr->redis));
    recs_write_key_uint(w, "connections", rr->redis.nconns);
    ngx_http_recs_status_counters(ngx_recs_redis_counters, rr->redis.counters,
                                  w);

    ngx_http_recs_status_breaker(&rr->redis, w);

    recs_write_key(w, "servers");
    recs_write_object(w);

    for (n = 0; ngx_recs_redis_server_stat(&rr->redis, n, &stat); n++) {
        ngx_http_recs_status_server(&stat, rr->redis.reads, w);
    }

    recs_write_object_end(w);

    if (rr->recorder.redis) {
        ngx_http_recs_status_recorder(&rr->recorder, w);
    }
}


/* "breaker":{"state":"open","since":1790000000}, or null: there is none */

static void
ngx_http_recs_status_breaker(ngx_recs_redis_t *redis, recs_writer_t *w)
{
    time_t       since;
    const char  *state;

    recs_write_key(w, "breaker");

    if (redis->failures == 0) {
        recs_write_null(w);
        return;
    }

    state = ngx_recs_redis_open(redis, &since) ? "open" : "closed";

    recs_write_object(w);
    recs_write_key(w, "state");
    recs_write_cstr(w, state);
    recs_write_key_uint(w, "since", since);
    recs_write_object_end(w);
}


/*
 * "10.0.0.4:6379":{"replica":true,"ready":1}, and of a Redis that pages read
 * from replicas of "fit":true,"link":"up","lag":900,"trip":210.
 */

static void
ngx_http_recs_status_server(const ngx_recs_redis_server_stat_t *stat,
    ngx_uint_t reads, recs_writer_t *w)
{
    ngx_http_recs_write_named(w, &stat->name);

    ngx_http_recs_write_key_flag(w, "replica", stat->replica);
    recs_write_key_uint(w, "ready", stat->ready);

    if (reads) {
        ngx_http_recs_write_key_flag(w, "fit", stat->fit);

        if (stat->replica) {
            recs_write_key(w, "link");
            recs_write_cstr(w, stat->link);
            recs_write_key(w, "lag");

            if (stat->lag == -1) {
                recs_write_null(w);

            } else {
                recs_write_uint(w, stat->lag);
            }
        }

        recs_write_key_uint(w, "trip", stat->trip);
    }

    recs_write_object_end(w);
}


static void
ngx_http_recs_status_recorder(ngx_recs_recorder_t *recorder, recs_writer_t *w)
{
    recs_write_key(w, "recorded");
    recs_write_object(w);
    ngx_http_recs_status_counters(ngx_recs_recorder_counters,
                                  recorder->counters, w);
    recs_write_object_end(w);
}
