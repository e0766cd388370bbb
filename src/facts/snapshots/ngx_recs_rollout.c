
/*
 * Guards: what pages tell of a version is counted and judged, and a version
 * that does badly is left.  No request waits for a lock here: who finds it held
 * leaves the rest to the next page.
 */


#include "ngx_recs_rollout.h"


static void ngx_recs_rollout_count(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, recs_rollout_e what, uint64_t n,
    uint64_t hits);
static void ngx_recs_rollout_judge(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, ngx_log_t *log);
static uint64_t ngx_recs_rollout_serial(ngx_recs_channel_t *channel);
static void ngx_recs_rollout_leave(ngx_recs_snapshots_t *ss,
    ngx_recs_channel_t *channel, uint64_t serial,
    const recs_rollout_found_t *found, ngx_log_t *log);
static void ngx_recs_rollout_log(ngx_recs_snapshots_t *ss,
    ngx_recs_channel_t *channel, const ngx_recs_left_t *left, ngx_log_t *log);


void
ngx_recs_rollout_user(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, ngx_uint_t missing, ngx_log_t *log)
{
    if (ss->channels[snapshot->channel].window == 0) {
        return;
    }

    ngx_recs_rollout_count(ss, snapshot, RECS_ROLLOUT_MISSING, 1, missing);

    if (missing) {
        ngx_recs_rollout_judge(ss, snapshot, log);
    }
}


/* A page that is well takes no share past a limit. */

void
ngx_recs_rollout_page(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, const ngx_recs_rollout_page_t *page,
    ngx_log_t *log)
{
    if (ss->channels[snapshot->channel].window == 0) {
        return;
    }

    ngx_recs_rollout_count(ss, snapshot, RECS_ROLLOUT_ERRORS, 1, page->failed);

    if (page->judged) {
        ngx_recs_rollout_count(ss, snapshot, RECS_ROLLOUT_EMPTY, 1,
                               page->empty);

        if (page->total) {
            ngx_recs_rollout_count(ss, snapshot, RECS_ROLLOUT_REMOVED,
                                   page->total, page->removed);
        }
    }

    if (page->failed || page->empty || page->removed) {
        ngx_recs_rollout_judge(ss, snapshot, log);
    }
}


static void
ngx_recs_rollout_count(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, recs_rollout_e what, uint64_t n,
    uint64_t hits)
{
    ngx_recs_channel_t   *channel;
    recs_rollout_seen_t  *seen;

    channel = &ss->channels[snapshot->channel];
    seen = &channel->shared->seen[snapshot->serial % NGX_RECS_ROLLOUTS];

    recs_rollout_add(seen, what, channel->window, ngx_current_msec, n, hits);
}


static void
ngx_recs_rollout_judge(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshot_t *snapshot, ngx_log_t *log)
{
    ngx_recs_channel_t         *channel, *against;
    recs_rollout_found_t        found;
    const recs_rollout_seen_t  *seen;

    channel = &ss->channels[snapshot->channel];
    against = &ss->channels[channel->against];

    if (channel->guard == NULL || snapshot->stays) {
        return;
    }

    seen = &channel->shared->seen[snapshot->serial % NGX_RECS_ROLLOUTS];

    if (recs_rollout_judge(channel->guard, seen,
                           against == channel ? NULL
                                              : ngx_recs_rollout_seen(against),
                           ngx_current_msec, &found)
        && ngx_recs_rollout_serial(channel) == snapshot->serial)
    {
        ngx_recs_rollout_leave(ss, channel, snapshot->serial, &found, log);
    }
}


const recs_rollout_seen_t *
ngx_recs_rollout_seen(ngx_recs_channel_t *channel)
{
    return &channel->shared->seen[ngx_recs_rollout_serial(channel)
                                  % NGX_RECS_ROLLOUTS];
}


/* Which of the versions that were active here is so now? */

static uint64_t
ngx_recs_rollout_serial(ngx_recs_channel_t *channel)
{
    uint64_t                    serial;
    ngx_atomic_uint_t           g;
    ngx_recs_channel_shared_t  *shared;

    shared = channel->shared;

    do {
        g = ngx_recs_latest(&shared->state);
        serial = shared->states[g % NGX_RECS_STATES].serial;

    } while (!ngx_recs_latest_stood(&shared->state, g, NGX_RECS_STATES));

    return serial;
}


/* Leaves the active version, unless another worker was quicker. */

static void
ngx_recs_rollout_leave(ngx_recs_snapshots_t *ss, ngx_recs_channel_t *channel,
    uint64_t serial, const recs_rollout_found_t *found, ngx_log_t *log)
{
    ngx_recs_past_t           *past;
    ngx_recs_left_t           *left;
    ngx_recs_channel_state_t   state;

    if (ngx_recs_leader_lock_any(ss->leader) != NGX_OK) {
        return;
    }

    if (!ngx_recs_channel_state(channel, &state) || state.serial != serial
        || state.left.stays)
    {
        ngx_recs_leader_unlock(ss->leader);
        return;
    }

    left = &state.left;
    past = &ss->shared->past;

    ngx_memzero(left, sizeof(ngx_recs_left_t));
    left->version = state.active.version;
    left->at = ngx_time();
    left->found = *found;

    if (ngx_recs_rollout_back(ss, channel, &state) == NGX_OK) {
        left->to = state.active.version;
        left->untold = 1;

        (void) ngx_recs_past_add(past, NGX_RECS_PAST_ROLLED_BACK,
                                 &channel->name, &left->version, past->moved);
        (void) ngx_recs_past_forget(past, NGX_RECS_PAST_REPLACED,
                                    &channel->name, &left->to);

        ngx_recs_count(ss->counters->guarded, 1);

    } else {
        left->stays = 1;
    }

    ngx_recs_channel_publish(channel, &state);
    ngx_recs_channel_drop_page(ss, channel, &state.active.version);
    ss->shared->changes++;

    ngx_recs_leader_unlock(ss->leader);

    ngx_recs_rollout_log(ss, channel, left, log);
}


ngx_int_t
ngx_recs_rollout_back(ngx_recs_snapshots_t *ss, ngx_recs_channel_t *channel,
    ngx_recs_channel_state_t *state)
{
    ngx_recs_snapshot_t     active;
    ngx_recs_descriptor_t  *before;

    before = &state->previous;

    if (before->version.len
        && !ngx_recs_descriptor_expired(before, ngx_time())
        && !ngx_recs_past_find(&ss->shared->past, NGX_RECS_PAST_ROLLED_BACK,
                               &channel->name, &before->version))
    {
        state->active = *before;
        state->since = ngx_time();

    } else if (channel != ss->channels
               && ngx_recs_snapshot_get(ss, 0, &active) == NGX_OK
               && !ngx_recs_text_eq(&active.active.version,
                                    &state->active.version))
    {
        ngx_memzero(&state->active, sizeof(ngx_recs_descriptor_t));
        state->since = 0;

    } else {
        return NGX_DECLINED;
    }

    ngx_memzero(before, sizeof(ngx_recs_descriptor_t));
    state->serial++;

    return NGX_OK;
}


static void
ngx_recs_rollout_log(ngx_recs_snapshots_t *ss, ngx_recs_channel_t *channel,
    const ngx_recs_left_t *left, ngx_log_t *log)
{
    ngx_str_t                    was, now;
    const char                  *end;
    const recs_rollout_found_t  *found;

    static const ngx_str_t  active = ngx_string("active");

    was = ngx_recs_text_str(&left->version);
    now = left->to.len ? ngx_recs_text_str(&left->to) : active;
    found = &left->found;

    if (left->stays) {
        end = " stays, as there is none before it";
        ngx_str_null(&now);

    } else {
        end = left->to.len ? " is left for version " : " is left for channel ";
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "recs_guard \"%V\" channel \"%V\": version \"%V\"%s%s%V%s: "
                  "\"%s\" is %uL.%02uL%% in %uL pages within %Mms, the limit "
                  "is %uL.%02uL%%", &ss->name, &channel->name, &was, end,
                  now.len ? "\"" : "", &now, now.len ? "\"" : "",
                  recs_rollout_names[found->what],
                  found->share / 100, found->share % 100, found->n,
                  channel->window, found->limit / 100, found->limit % 100);
}
