
/*
 * What becomes of a channel of snapshots once Redis has said what it names: the
 * version is adopted, or refused and the one before stays.  What was left is
 * remembered, so that it doesn't return by itself.
 */


#include "ngx_recs_verdict.h"
#include "ngx_recs_rollout.h"
#include "ngx_recs_snapshots_image.h"


static void ngx_recs_verdict_no_pointer(ngx_recs_verdict_t *v);
static ngx_uint_t ngx_recs_verdict_left(ngx_recs_verdict_t *v);
static ngx_uint_t ngx_recs_verdict_returned(ngx_recs_verdict_t *v);
static ngx_uint_t ngx_recs_verdict_replaced(ngx_recs_verdict_t *v);
static void ngx_recs_verdict_refuse_returned(ngx_recs_verdict_t *v,
    const char *reason);
static void ngx_recs_verdict_read(ngx_recs_verdict_t *v);
static void ngx_recs_verdict_adopt(ngx_recs_verdict_t *v,
    const ngx_recs_descriptor_t *d);
static void ngx_recs_verdict_refuse(ngx_recs_verdict_t *v,
    ngx_recs_refusal_e refusal, const ngx_str_t *reason);
static ngx_uint_t ngx_recs_verdict_remember(ngx_recs_verdict_t *v);
static ngx_uint_t ngx_recs_verdict_remember_marks(ngx_recs_verdict_t *v);
static ngx_uint_t ngx_recs_verdict_remember_move(ngx_recs_verdict_t *v);
static void ngx_recs_verdict_log_adopted(ngx_recs_verdict_t *v);
static void ngx_recs_verdict_log_refusal(ngx_recs_verdict_t *v);


void
ngx_recs_verdict_begin(ngx_recs_verdict_t *v)
{
    ngx_memzero(&v->said, sizeof(ngx_recs_said_t));
    ngx_memzero(&v->before, sizeof(ngx_recs_channel_state_t));

    v->generation = v->channel->shared->state;
    ngx_memory_barrier();

    (void) ngx_recs_channel_state(v->channel, &v->before);
    ngx_memcpy(&v->state, &v->before, sizeof(ngx_recs_channel_state_t));
}


void
ngx_recs_verdict_reach(ngx_recs_verdict_t *v)
{
    ngx_str_t  error;

    static const ngx_str_t  invalid = ngx_string("that is no version");
    static const ngx_str_t  back = ngx_string("it was rolled back");

    v->state.lost = 0;

    if (v->said.rolled_back & NGX_RECS_SAID_PREVIOUS
        || ngx_recs_descriptor_expired(&v->state.previous, ngx_time()))
    {
        ngx_memzero(&v->state.previous, sizeof(ngx_recs_descriptor_t));
    }

    if (v->said.error_len) {
        error.data = v->said.error;
        error.len = v->said.error_len;
        ngx_recs_verdict_refuse(v, NGX_RECS_REFUSED_ERROR, &error);

    } else if (!v->said.named) {
        ngx_recs_verdict_no_pointer(v);

    } else if (!ngx_recs_version_valid(v->said.version.data,
                                       v->said.version.len))
    {
        ngx_recs_verdict_refuse(v, NGX_RECS_REFUSED_POINTER, &invalid);

    } else if (v->said.rolled_back & NGX_RECS_SAID_NEW) {
        ngx_recs_verdict_refuse(v, NGX_RECS_REFUSED_ROLLED_BACK, &back);

        /* an edge whose guard found it bad has marked it, but not moved it */

        if (v->channel->guard
            && ngx_recs_text_eq(&v->said.version, &v->before.active.version))
        {
            (void) ngx_recs_rollout_back(v->snapshots, v->channel, &v->state);
        }

    } else if (!ngx_recs_verdict_left(v)
               && !ngx_recs_verdict_returned(v))
    {
        ngx_recs_verdict_read(v);
    }
}


/*
 * "active" keeps what it has.  Other channels follow it, as their pointers are
 * removed when they end; unless the history is gone, too.
 */

static void
ngx_recs_verdict_no_pointer(ngx_recs_verdict_t *v)
{
    static const ngx_str_t  none = ngx_string("the channel has no pointer");

    if (v->channel != v->snapshots->channels
        && !(v->said.told && v->said.moved == 0
             && v->snapshots->shared->past.moved))
    {
        ngx_memzero(&v->state, sizeof(ngx_recs_channel_state_t));

        v->state.left = v->before.left;
        v->state.serial = v->before.serial
                          + (v->before.active.version.len != 0);

    } else if (v->state.active.version.len) {
        v->state.lost = 1;
        ngx_recs_verdict_refuse(v, NGX_RECS_REFUSED_POINTER, &none);
    }
}


/*
 * Does the channel name what its guard left, of which Redis doesn't know, yet
 * or any more?  Not if it was restored since.
 */

static ngx_uint_t
ngx_recs_verdict_left(ngx_recs_verdict_t *v)
{
    ngx_recs_left_t          *left;
    ngx_recs_past_version_t  *past;

    static const ngx_str_t  guard = ngx_string("its guard left it");

    left = &v->before.left;

    if (left->stays || !ngx_recs_text_eq(&left->version, &v->said.version)
        || ngx_recs_text_eq(&left->version, &v->before.active.version))
    {
        return 0;
    }

    past = ngx_recs_past_find(&v->snapshots->shared->past,
                              NGX_RECS_PAST_ROLLED_BACK, &v->channel->name,
                              &left->version);

    if (past == NULL || v->said.restored > past->moved) {
        return 0;
    }

    v->state.left.untold = 1;
    ngx_recs_verdict_refuse(v, NGX_RECS_REFUSED_ROLLED_BACK, &guard);

    return 1;
}


/*
 * Does the channel name a version that was left before, without anybody having
 * said that it should return?  Then it is refused: Redis has come back from an
 * older dump, or has lost its marks.
 */

static ngx_uint_t
ngx_recs_verdict_returned(ngx_recs_verdict_t *v)
{
    ngx_recs_past_t          *past;
    ngx_recs_past_version_t  *left;

    past = &v->snapshots->shared->past;

    if (ngx_recs_text_eq(&v->said.version, &v->before.active.version)) {
        return 0;
    }

    left = ngx_recs_past_find(past, NGX_RECS_PAST_ROLLED_BACK,
                              &v->channel->name, &v->said.version);

    if (left && v->said.restored <= left->moved) {
        ngx_recs_verdict_refuse_returned(v, "it was rolled back, of which "
                                      "Redis no longer knows");
        return 1;
    }

    if (v->said.told && v->said.moved < past->moved
        && (v->before.active.version.len
            || v->channel != v->snapshots->channels))
    {
        ngx_recs_verdict_refuse_returned(v, "the history ends before the last "
                                      "move that was seen: Redis is older");
        return 1;
    }

    if (ngx_recs_verdict_replaced(v)) {
        ngx_recs_verdict_refuse_returned(v, "it was replaced before, and the "
                                      "history tells of no move back to it");
        return 1;
    }

    return 0;
}


/*
 * Was it replaced in this channel, and has nothing happened since that could
 * have brought it back?  Either the version that is left was rolled back, or
 * there was a move.
 */

static ngx_uint_t
ngx_recs_verdict_replaced(ngx_recs_verdict_t *v)
{
    ngx_recs_past_version_t  *left;

    left = ngx_recs_past_find(&v->snapshots->shared->past,
                              NGX_RECS_PAST_REPLACED, &v->channel->name,
                              &v->said.version);

    return left && v->before.active.version.len
           && !(v->said.rolled_back & NGX_RECS_SAID_ACTIVE)
           && v->said.moved <= left->moved;
}


static void
ngx_recs_verdict_refuse_returned(ngx_recs_verdict_t *v, const char *reason)
{
    ngx_str_t  text;

    text.data = (u_char *) reason;
    text.len = ngx_strlen(reason);

    v->state.lost = 1;
    ngx_recs_verdict_refuse(v, NGX_RECS_REFUSED_RETURNED, &text);
}


static void
ngx_recs_verdict_read(ngx_recs_verdict_t *v)
{
    u_char                  buf[NGX_RECS_REASON_MAX];
    ngx_str_t               reason;
    ngx_recs_refusal_e      refusal;
    ngx_recs_descriptor_t   d;

    reason.data = buf;

    refusal = ngx_recs_descriptor_read(&d, &v->said.version, &v->said.fields,
                                       &v->snapshots->adopt, ngx_time(),
                                       &reason);

    if (refusal == NGX_RECS_ADOPTABLE) {
        ngx_recs_verdict_adopt(v, &d);

    } else {
        v->state.lost = refusal == NGX_RECS_REFUSED_MISSING
                           && ngx_recs_text_eq(&v->said.version,
                                               &v->before.active.version);
        ngx_recs_verdict_refuse(v, refusal, &reason);
    }
}


static void
ngx_recs_verdict_adopt(ngx_recs_verdict_t *v, const ngx_recs_descriptor_t *d)
{
    ngx_recs_descriptor_t     *active;
    ngx_recs_channel_state_t  *state;

    state = &v->state;
    active = &v->before.active;

    ngx_memzero(&state->refused, sizeof(ngx_recs_text_t));
    ngx_memzero(state->reason, NGX_RECS_REASON_MAX);
    state->reason_len = 0;
    state->refusal = NGX_RECS_ADOPTABLE;

    ngx_memcpy(&state->active, d, sizeof(ngx_recs_descriptor_t));

    if (ngx_recs_text_eq(&d->version, &active->version)) {
        return;
    }

    state->since = ngx_time();
    state->serial++;

    if (state->left.stays
        || ngx_recs_text_eq(&d->version, &state->left.version))
    {
        ngx_memzero(&state->left, sizeof(ngx_recs_left_t));
    }

    if (active->version.len && !(v->said.rolled_back & NGX_RECS_SAID_ACTIVE)
        && !ngx_recs_past_find(&v->snapshots->shared->past,
                               NGX_RECS_PAST_ROLLED_BACK, &v->channel->name,
                               &active->version))
    {
        ngx_memcpy(&state->previous, active, sizeof(ngx_recs_descriptor_t));

    } else if (ngx_recs_text_eq(&d->version, &state->previous.version)) {
        ngx_memzero(&state->previous, sizeof(ngx_recs_descriptor_t));
    }
}


/* What a channel names may be anything: the log shows printable text. */

static void
ngx_recs_verdict_refuse(ngx_recs_verdict_t *v, ngx_recs_refusal_e refusal,
    const ngx_str_t *reason)
{
    ngx_recs_channel_state_t  *state;

    state = &v->state;

    ngx_memcpy(&state->refused, &v->said.version, sizeof(ngx_recs_text_t));
    ngx_recs_printable(state->refused.data, state->refused.len);

    ngx_memzero(state->reason, NGX_RECS_REASON_MAX);
    state->reason_len = ngx_min(reason->len, NGX_RECS_REASON_MAX);
    ngx_memcpy(state->reason, reason->data, state->reason_len);
    ngx_recs_printable(state->reason, state->reason_len);

    state->refusal = refusal;
}


ngx_int_t
ngx_recs_verdict_publish(ngx_recs_verdict_t *v)
{
    ngx_int_t              rc;
    ngx_uint_t             changed;
    ngx_recs_snapshots_t  *ss;

    ss = v->snapshots;

    rc = ngx_recs_leader_lock(ss->leader);
    if (rc != NGX_OK) {
        return rc;
    }

    if (v->channel->shared->state != v->generation) {
        ngx_recs_leader_unlock(ss->leader);
        return NGX_AGAIN;
    }

    /* what was left is known before something else is served */

    changed = ngx_recs_verdict_remember(v);

    if (changed) {
        ngx_recs_snapshots_changed(ss);
    }

    ngx_recs_channel_drop_page(ss, v->channel, &v->state.active.version);

    if (ngx_memcmp(&v->state, &v->before,
                   sizeof(ngx_recs_channel_state_t))
        != 0)
    {
        ngx_recs_channel_publish(v->channel, &v->state);
        ss->shared->changes++;
    }

    ngx_recs_leader_unlock(ss->leader);

    return NGX_OK;
}


/* True: the past is another now. */

static ngx_uint_t
ngx_recs_verdict_remember(ngx_recs_verdict_t *v)
{
    ngx_uint_t        changed;
    ngx_recs_past_t  *past;

    past = &v->snapshots->shared->past;
    changed = 0;

    if (v->said.moved > past->moved) {
        past->moved = v->said.moved;
        changed = 1;
    }

    return changed | ngx_recs_verdict_remember_marks(v)
                   | ngx_recs_verdict_remember_move(v);
}


/*
 * What Redis says was rolled back.  Versions that are in no channel here only
 * take free places, or a set of many would wear out what was seen here.
 */

static ngx_uint_t
ngx_recs_verdict_remember_marks(ngx_recs_verdict_t *v)
{
    ngx_str_t        *name;
    ngx_uint_t        i, changed;
    ngx_recs_past_t  *past;
    ngx_recs_text_t  *seen[NGX_RECS_SAID_VERSIONS];

    past = &v->snapshots->shared->past;
    name = &v->channel->name;
    changed = 0;

    seen[0] = &v->said.version;
    seen[1] = &v->before.active.version;
    seen[2] = &v->before.previous.version;

    for (i = 0; i < NGX_RECS_SAID_VERSIONS; i++) {
        if (v->said.rolled_back & (1 << i)) {
            changed |= ngx_recs_past_add(past, NGX_RECS_PAST_ROLLED_BACK, name,
                                         seen[i], past->moved);
        }
    }

    for (i = 0; i < v->said.nmarks; i++) {
        if (ngx_recs_past_count(past, NGX_RECS_PAST_ROLLED_BACK)
            == NGX_RECS_PAST_VERSIONS)
        {
            break;
        }

        changed |= ngx_recs_past_add(past, NGX_RECS_PAST_ROLLED_BACK, name,
                                     &v->said.marks[i], past->moved);
    }

    return changed;
}


/*
 * A version is replaced by the move to the next one.  The history may show a
 * move after that, back to it: it was read after the pointer.
 */

static ngx_uint_t
ngx_recs_verdict_remember_move(ngx_recs_verdict_t *v)
{
    uint64_t          moved;
    ngx_str_t        *name;
    ngx_uint_t        changed;
    ngx_recs_past_t  *past;
    ngx_recs_text_t  *now, *was;

    past = &v->snapshots->shared->past;
    name = &v->channel->name;
    now = &v->state.active.version;
    was = &v->before.active.version;

    if (ngx_recs_text_eq(now, was)) {
        return 0;
    }

    changed = ngx_recs_past_forget(past, NGX_RECS_PAST_REPLACED, name, now)
              | ngx_recs_past_forget(past, NGX_RECS_PAST_ROLLED_BACK, name,
                                     now);

    if (now->len && !(v->said.rolled_back & NGX_RECS_SAID_ACTIVE)) {
        moved = v->said.arrived ? v->said.arrived : past->moved;
        changed |= ngx_recs_past_add(past, NGX_RECS_PAST_REPLACED, name, was,
                                     moved);
    }

    return changed;
}


void
ngx_recs_verdict_log(ngx_recs_verdict_t *v)
{
    ngx_str_t              now, was, *name, *channel;
    ngx_recs_snapshots_t  *ss;

    ss = v->snapshots;
    name = &ss->name;
    channel = &v->channel->name;

    now = ngx_recs_text_str(&v->state.active.version);
    was = ngx_recs_text_str(&v->before.active.version);

    if (!ngx_recs_text_eq(&v->state.active.version,
                          &v->before.active.version))
    {
        if (now.len) {
            ngx_recs_count(ss->counters->adopted, 1);
            ngx_recs_verdict_log_adopted(v);

        } else if (v->said.named) {
            ngx_log_error(NGX_LOG_NOTICE, v->log, 0,
                          "recs_snapshots \"%V\" channel \"%V\" is what "
                          "\"active\" is now, it was \"%V\"",
                          name, channel, &was);

        } else {
            ngx_log_error(NGX_LOG_NOTICE, v->log, 0,
                          "recs_snapshots \"%V\" channel \"%V\" has no pointer "
                          "any more, it is what \"active\" is, it was \"%V\"",
                          name, channel, &was);
        }
    }

    if (v->before.refusal && v->state.refusal == NGX_RECS_ADOPTABLE
        && ngx_recs_text_eq(&v->state.active.version,
                            &v->before.active.version))
    {
        ngx_log_error(NGX_LOG_NOTICE, v->log, 0,
                      "recs_snapshots \"%V\" channel \"%V\": nothing is "
                      "refused any more, \"%V\" is active", name, channel,
                      &now);
    }

    if (v->state.refusal
        && (v->state.refusal != v->before.refusal
            || !ngx_recs_text_eq(&v->state.refused, &v->before.refused)))
    {
        ngx_recs_count(ss->counters->refused, 1);

        if (v->state.refusal == NGX_RECS_REFUSED_RETURNED) {
            ngx_recs_count(ss->counters->returned, 1);
        }

        ngx_recs_verdict_log_refusal(v);
    }
}


/* One that is older than what it replaces may be a mistake. */

static void
ngx_recs_verdict_log_adopted(ngx_recs_verdict_t *v)
{
    ngx_str_t               now, was, *name, *channel;
    ngx_recs_descriptor_t  *active, *before;

    name = &v->snapshots->name;
    channel = &v->channel->name;
    active = &v->state.active;
    before = &v->before.active;

    now = ngx_recs_text_str(&active->version);
    was = ngx_recs_text_str(&before->version);

    ngx_log_error(NGX_LOG_NOTICE, v->log, 0,
                  "recs_snapshots \"%V\" channel \"%V\": version \"%V\" is "
                  "active now, it was \"%V\"", name, channel, &now, &was);

    if (before->version.len && active->generated_at < before->generated_at
        && !(v->said.rolled_back & NGX_RECS_SAID_ACTIVE))
    {
        ngx_log_error(NGX_LOG_WARN, v->log, 0,
                      "recs_snapshots \"%V\" channel \"%V\": version \"%V\" "
                      "was generated %Ts before \"%V\", which it replaces",
                      name, channel, &now,
                      before->generated_at - active->generated_at, &was);
    }
}


static void
ngx_recs_verdict_log_refusal(ngx_recs_verdict_t *v)
{
    ngx_str_t                  active, refused, reason;
    const char                *stays;
    ngx_recs_channel_state_t  *state;

    state = &v->state;

    active = ngx_recs_text_str(&state->active.version);
    refused = ngx_recs_text_str(&state->refused);
    reason.data = state->reason;
    reason.len = state->reason_len;

    stays = active.len ? " stays" : ", nothing is active";

    if (refused.len == 0) {
        ngx_log_error(NGX_LOG_WARN, v->log, 0,
                      "recs_snapshots \"%V\" channel \"%V\" can't be followed, "
                      "\"%V\"%s: %V", &v->snapshots->name,
                      &v->channel->name, &active, stays, &reason);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, v->log, 0,
                  "recs_snapshots \"%V\" channel \"%V\": version \"%V\" is "
                  "refused, \"%V\"%s: %V", &v->snapshots->name,
                  &v->channel->name, &refused, &active, stays, &reason);
}
