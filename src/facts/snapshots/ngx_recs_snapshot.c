
/*
 * Channels of snapshots in shared memory: all workers read copies of them
 * without a lock, the leader writes.
 */


#include "ngx_recs_snapshot.h"


static ngx_uint_t ngx_recs_snapshot_copy(ngx_recs_channel_t *channel,
    ngx_recs_snapshot_t *out);


const ngx_recs_counter_t  ngx_recs_snapshots_counters[] = {
    ngx_recs_counter("adopted", ngx_recs_snapshots_counters_t, adopted,
                     "Versions that were adopted, in all channels."),
    ngx_recs_counter("refused", ngx_recs_snapshots_counters_t, refused,
                     "Versions that were refused."),
    ngx_recs_counter("returned", ngx_recs_snapshots_counters_t, returned,
                     "Versions that were refused, as they had been left "
                     "before."),
    ngx_recs_counter("guarded", ngx_recs_snapshots_counters_t, guarded,
                     "Versions that a guard left, as they did badly."),
    ngx_recs_counter("events", ngx_recs_snapshots_counters_t, events,
                     "Messages that told of a change."),
    ngx_recs_counter("rows", ngx_recs_snapshots_counters_t, rows,
                     "Users' pages that were asked for."),
    ngx_recs_counter("missing", ngx_recs_snapshots_counters_t, missing,
                     "Pages that the active version does not have."),
    ngx_recs_counter("nobody", ngx_recs_snapshots_counters_t, nobody,
                     "Missing pages that nobody could have."),
    ngx_recs_counter("previous", ngx_recs_snapshots_counters_t, previous,
                     "Missing pages that the previous version had."),
    ngx_recs_counter("defaults", ngx_recs_snapshots_counters_t, defaults,
                     "Default pages that were served."),
    ngx_recs_counter("none", ngx_recs_snapshots_counters_t, none,
                     "Requests for which there was no page."),
    ngx_recs_counter("kept", ngx_recs_snapshots_counters_t, kept,
                     "Last known default pages that were served, as Redis "
                     "gave no answer or lost its own."),
    ngx_recs_counter("unknown", ngx_recs_snapshots_counters_t, unknown,
                     "Requests without an answer from Redis and without a "
                     "page that was kept."),
    ngx_recs_counter("too_large", ngx_recs_snapshots_counters_t, too_large,
                     "Pages that were too large."),
    ngx_recs_counter_end
};


/*
 * A channel's block is named after all that its contents depend on: another
 * prefix has other versions.
 */

void
ngx_recs_snapshots_init_zone(ngx_recs_snapshots_t *ss, ngx_recs_zone_t *zone)
{
    u_char               buf[NGX_RECS_ZONE_BLOCK_NAME];
    ngx_str_t            name;
    ngx_uint_t           i;
    ngx_recs_channel_t  *channel;

    ss->counters = (ngx_recs_snapshots_counters_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_SNAPSHOTS, &ss->name);

    name.data = buf;
    name.len = ngx_snprintf(buf, sizeof(buf), "%V %V  %V", &ss->name,
                            &ss->redis->name, &ss->prefix)
               - buf;

    ss->shared = ngx_recs_zone_block(zone, NGX_RECS_ZONE_SNAPSHOTS, &name,
                                     sizeof(ngx_recs_snapshots_shared_t));

    for (i = 0; i < ss->nchannels; i++) {
        channel = &ss->channels[i];

        name.len = ngx_snprintf(buf, sizeof(buf), "%V %V %V %V", &ss->name,
                                &ss->redis->name, &channel->name, &ss->prefix)
                   - buf;

        channel->shared = ngx_recs_zone_block(zone, NGX_RECS_ZONE_SNAPSHOTS,
                                              &name,
                                            sizeof(ngx_recs_channel_shared_t));
    }
}


ngx_uint_t
ngx_recs_snapshot_channel(ngx_recs_snapshots_t *ss, const ngx_str_t *name)
{
    ngx_str_t   *known;
    ngx_uint_t   i;

    for (i = ss->nchannels - 1; i; i--) {
        known = &ss->channels[i].name;

        if (known->len == name->len
            && ngx_memcmp(known->data, name->data, name->len) == 0)
        {
            break;
        }
    }

    return i;
}


ngx_int_t
ngx_recs_snapshot_get(ngx_recs_snapshots_t *ss, ngx_uint_t channel,
    ngx_recs_snapshot_t *out)
{
    out->channel = channel;

    if (ngx_recs_snapshot_copy(&ss->channels[channel], out)) {
        return NGX_OK;
    }

    out->channel = 0;

    return channel && ngx_recs_snapshot_copy(&ss->channels[0], out)
           ? NGX_OK : NGX_DECLINED;
}


/* False: nothing was adopted. */

static ngx_uint_t
ngx_recs_snapshot_copy(ngx_recs_channel_t *channel, ngx_recs_snapshot_t *out)
{
    ngx_atomic_uint_t           g;
    ngx_recs_channel_state_t   *state;
    ngx_recs_channel_shared_t  *shared;

    shared = channel->shared;

    do {
        g = ngx_recs_latest(&shared->state);

        if (g == 0) {
            return 0;
        }

        state = &shared->states[g % NGX_RECS_STATES];
        out->active = state->active;
        out->previous = state->previous;
        out->lost = state->lost;
        out->serial = state->serial;
        out->stays = state->left.stays;

    } while (!ngx_recs_latest_stood(&shared->state, g, NGX_RECS_STATES));

    if (ngx_recs_descriptor_expired(&out->previous, ngx_time())) {
        out->previous.version.len = 0;
    }

    return out->active.version.len != 0;
}


ngx_uint_t
ngx_recs_channel_state(ngx_recs_channel_t *channel,
    ngx_recs_channel_state_t *state)
{
    ngx_atomic_uint_t           g;
    ngx_recs_channel_shared_t  *shared;

    shared = channel->shared;

    do {
        g = ngx_recs_latest(&shared->state);

        if (g == 0) {
            return 0;
        }

        *state = shared->states[g % NGX_RECS_STATES];

    } while (!ngx_recs_latest_stood(&shared->state, g, NGX_RECS_STATES));

    return 1;
}


void
ngx_recs_channel_publish(ngx_recs_channel_t *channel,
    const ngx_recs_channel_state_t *state)
{
    ngx_atomic_uint_t           next;
    ngx_recs_channel_shared_t  *shared;

    shared = channel->shared;
    next = shared->state + 1;

    if (shared->states[shared->state % NGX_RECS_STATES].serial
        != state->serial)
    {
        ngx_memzero(&shared->seen[state->serial % NGX_RECS_ROLLOUTS],
                    sizeof(recs_rollout_seen_t));
    }

    ngx_memcpy(&shared->states[next % NGX_RECS_STATES], state,
               sizeof(ngx_recs_channel_state_t));
    ngx_recs_latest_publish(&shared->state);
}


void
ngx_recs_channel_keep(ngx_recs_channel_t *channel,
    const ngx_recs_descriptor_t *of, const ngx_str_t *page)
{
    ngx_recs_default_t         *kept;
    ngx_recs_channel_shared_t  *shared;

    shared = channel->shared;
    kept = &shared->pages[(shared->page + 1) % NGX_RECS_DEFAULTS];

    /* who is killed in between leaves no page that seems whole */

    kept->of.version.len = 0;
    ngx_memory_barrier();

    kept->len = page->len;
    ngx_memcpy(kept->data, page->data, page->len);
    ngx_memory_barrier();

    ngx_memcpy(&kept->of, of, sizeof(ngx_recs_descriptor_t));
    ngx_recs_latest_publish(&shared->page);
}


/*
 * A default page is served when nothing else is known, of whichever version;
 * but not of one that was rolled back.
 */

void
ngx_recs_channel_drop_page(ngx_recs_snapshots_t *ss,
    ngx_recs_channel_t *channel, const ngx_recs_text_t *active)
{
    ngx_recs_text_t             version;
    ngx_recs_default_t         *before;
    ngx_recs_descriptor_t       none;
    ngx_recs_channel_shared_t  *shared;

    static const ngx_str_t  empty = ngx_string("");

    if (ngx_recs_channel_default(channel, &version) == 0
        || ngx_recs_text_eq(&version, active)
        || !ngx_recs_past_find(&ss->shared->past, NGX_RECS_PAST_ROLLED_BACK,
                               &channel->name, &version))
    {
        return;
    }

    ss->shared->changes++;

    shared = channel->shared;
    before = &shared->pages[(shared->page + 1) % NGX_RECS_DEFAULTS];

    if (active->len && ngx_recs_text_eq(&before->of.version, active)) {
        ngx_recs_latest_publish(&shared->page);
        return;
    }

    ngx_memzero(&none, sizeof(ngx_recs_descriptor_t));
    ngx_recs_channel_keep(channel, &none, &empty);
}


ngx_int_t
ngx_recs_snapshot_default(ngx_recs_snapshots_t *ss, ngx_uint_t channel,
    const ngx_recs_text_t *version, ngx_pool_t *pool, ngx_str_t *page,
    ngx_recs_descriptor_t *of)
{
    ngx_atomic_uint_t           g;
    ngx_recs_default_t         *kept;
    ngx_recs_channel_shared_t  *shared;

    shared = ss->channels[channel].shared;

    for ( ;; ) {
        g = ngx_recs_latest(&shared->page);

        if (g == 0) {
            return NGX_DECLINED;
        }

        kept = &shared->pages[g % NGX_RECS_DEFAULTS];
        *of = kept->of;
        page->len = kept->len;

        if (!ngx_recs_latest_stood(&shared->page, g, NGX_RECS_DEFAULTS)) {
            continue;
        }

        if (page->len == 0
            || (version && !ngx_recs_text_eq(&of->version, version)))
        {
            return NGX_DECLINED;
        }

        page->data = ngx_pnalloc(pool, page->len);
        if (page->data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(page->data, kept->data, page->len);

        if (ngx_recs_latest_stood(&shared->page, g, NGX_RECS_DEFAULTS)) {
            return NGX_OK;
        }
    }
}


size_t
ngx_recs_channel_default(ngx_recs_channel_t *channel,
    ngx_recs_text_t *version)
{
    size_t                      len;
    ngx_atomic_uint_t           g;
    ngx_recs_default_t         *kept;
    ngx_recs_channel_shared_t  *shared;

    shared = channel->shared;

    do {
        g = ngx_recs_latest(&shared->page);

        if (g == 0) {
            return 0;
        }

        kept = &shared->pages[g % NGX_RECS_DEFAULTS];
        *version = kept->of.version;
        len = kept->len;

    } while (!ngx_recs_latest_stood(&shared->page, g, NGX_RECS_DEFAULTS));

    return len;
}
