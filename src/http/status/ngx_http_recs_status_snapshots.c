
/* The status of snapshots, and of their channels. */


#include "ngx_http_recs_status.h"


static void ngx_http_recs_status_past(ngx_recs_snapshots_t *ss,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_channel(ngx_recs_channel_t *channel,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_active(const ngx_recs_channel_state_t *state,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_served(const ngx_recs_descriptor_t *active,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_refusal(const ngx_recs_channel_state_t *state,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_short(ngx_http_recs_status_t *st,
    const char *name, const ngx_recs_text_t *text);


static const ngx_http_recs_status_kind_t  ngx_http_recs_channel_kind
    = { "channel", "channel" };
static const ngx_http_recs_status_kind_t  ngx_http_recs_snapshots_image_kind
    = { "snapshots_image", NULL };


static const ngx_recs_metric_t  ngx_http_recs_rolled_back
    = ngx_recs_gauge("past_rolled_back", "past_rolled_back", NULL, 1,
                     "Versions that were rolled back and are remembered.");
static const ngx_recs_metric_t  ngx_http_recs_replaced
    = ngx_recs_gauge("past_replaced", "past_replaced", NULL, 1,
                     "Versions that were replaced and are remembered.");
static const ngx_recs_metric_t  ngx_http_recs_missing_now
    = ngx_recs_gauge("now", "missing", "ratio", 10000,
                     "Users without a page in the last window, as a share.");
static const ngx_recs_metric_t  ngx_http_recs_missing_usual
    = ngx_recs_gauge("usual", "missing_usual", "ratio", 10000,
                     "The usual share of users without a page.");
static const ngx_recs_metric_t  ngx_http_recs_missing_since
    = ngx_recs_gauge("since", "missing_since", "timestamp_seconds", 1,
                     "When the share of users without a page jumped, 0: it is "
                     "as usual.");

static const ngx_recs_metric_t  ngx_http_recs_channel_version
    = ngx_recs_info("version", "version",
                    "The version that is active in the channel.");
static const ngx_recs_metric_t  ngx_http_recs_channel_refused_version
    = ngx_recs_info("refused_version", "refused_version",
                    "The version that the channel names and that is refused.");
static const ngx_recs_metric_t  ngx_http_recs_channel_adopted
    = ngx_recs_gauge("adopted", "adopted", NULL, 1,
                     "1: a version is active in the channel.");
static const ngx_recs_metric_t  ngx_http_recs_channel_refused
    = ngx_recs_gauge("refused", "refused", NULL, 1,
                     "1: the version that the channel names is refused.");
static const ngx_recs_metric_t  ngx_http_recs_channel_since
    = ngx_recs_gauge("since", "since", "timestamp_seconds", 1,
                     "When the active version was adopted.");
static const ngx_recs_metric_t  ngx_http_recs_channel_generated_at
    = ngx_recs_gauge("generated_at", "generated", "timestamp_seconds", 1,
                     "When the active version was generated.");
static const ngx_recs_metric_t  ngx_http_recs_channel_age
    = ngx_recs_gauge("age", "age", "seconds", 1,
                     "Time since the active version was generated.");
static const ngx_recs_metric_t  ngx_http_recs_channel_max_age
    = ngx_recs_gauge("max_age", "max_age", "seconds", 1,
                     "How old the active version may become, 0: any age.");
static const ngx_recs_metric_t  ngx_http_recs_channel_expected
    = ngx_recs_gauge("expected", "expected_rows", NULL, 1,
                     "Rows that the active version was to have.");
static const ngx_recs_metric_t  ngx_http_recs_channel_written
    = ngx_recs_gauge("written", "written_rows", NULL, 1,
                     "Rows that the active version has.");
static const ngx_recs_metric_t  ngx_http_recs_channel_coverage
    = ngx_recs_gauge("coverage", "coverage", "ratio", 1000000,
                     "Rows that the active version has, of those that it was "
                     "to have.");
static const ngx_recs_metric_t  ngx_http_recs_channel_default
    = ngx_recs_gauge("default_size", "default_page", "bytes", 1,
                     "Size of the default page that is kept, 0: none.");
static const ngx_recs_metric_t  ngx_http_recs_channel_lost
    = ngx_recs_gauge("lost", "lost", NULL, 1,
                     "1: Redis no longer has what the channel had.");
static const ngx_recs_metric_t  ngx_http_recs_channel_looked
    = ngx_recs_gauge("looked", "looked", "timestamp_seconds", 1,
                     "When Redis last told of the channel, 0: never.");


void
ngx_http_recs_status_snapshots(void *thing, ngx_http_recs_status_t *st)
{
    ngx_http_recs_snapshots_t  *rn = thing;

    ngx_uint_t             n;
    ngx_recs_snapshots_t  *ss;

    ss = &rn->snapshots;

    ngx_http_recs_status_open_as(st, "channels", NULL);

    for (n = 0; n < ss->nchannels; n++) {
        ngx_http_recs_status_open(st, &ss->channels[n].name,
                                  &ngx_http_recs_channel_kind);
        ngx_http_recs_status_channel(&ss->channels[n], st);
        ngx_http_recs_status_close(st);
    }

    ngx_http_recs_status_close(st);

    ngx_http_recs_status_number(st, "leader", ngx_recs_leader_pid(ss->leader));
    ngx_http_recs_status_counters(st, ngx_recs_snapshots_counters,
                                  ss->counters);
    ngx_http_recs_status_past(ss, st);
}


/* What is remembered of versions that were left, and of users without a row. */

static void
ngx_http_recs_status_past(ngx_recs_snapshots_t *ss, ngx_http_recs_status_t *st)
{
    ngx_recs_past_t       *past;
    recs_missing_share_t  *share;

    past = &ss->shared->past;
    share = &ss->shared->missing_share;

    ngx_http_recs_status_uint(st, &ngx_http_recs_rolled_back,
                              ngx_recs_past_count(past,
                                                  NGX_RECS_PAST_ROLLED_BACK));
    ngx_http_recs_status_uint(st, &ngx_http_recs_replaced,
                              ngx_recs_past_count(past,
                                                  NGX_RECS_PAST_REPLACED));

    ngx_http_recs_status_open_as(st, "missing_share", NULL);
    ngx_http_recs_status_ratio(st, &ngx_http_recs_missing_now, share->now);
    ngx_http_recs_status_ratio(st, &ngx_http_recs_missing_usual, share->usual);
    ngx_http_recs_status_uint(st, &ngx_http_recs_missing_since, share->since);
    ngx_http_recs_status_close(st);

    if (ss->image_path.len) {
        ngx_http_recs_status_image(st, &ngx_http_recs_snapshots_image_kind,
                                   &ss->shared->image);
    }
}


static void
ngx_http_recs_status_channel(ngx_recs_channel_t *channel,
    ngx_http_recs_status_t *st)
{
    uint64_t                   size;
    ngx_recs_text_t            kept;
    ngx_recs_channel_state_t   state;

    ngx_memzero(&state, sizeof(ngx_recs_channel_state_t));
    (void) ngx_recs_channel_state(channel, &state);

    ngx_http_recs_status_short(st, "active", &state.active.version);
    ngx_http_recs_status_flag(st, &ngx_http_recs_channel_adopted,
                              state.active.version.len != 0)->hidden = 1;

    if (state.active.version.len) {
        ngx_http_recs_status_active(&state, st);
    }

    ngx_http_recs_status_short(st, "previous", &state.previous.version);

    ngx_memzero(&kept, sizeof(ngx_recs_text_t));
    size = ngx_recs_channel_default(channel, &kept);

    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_default, size);
    ngx_http_recs_status_short(st, "default_of", &kept);

    ngx_http_recs_status_refusal(&state, st);

    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_lost, state.lost);
    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_looked,
                              channel->shared->looked);

    if (channel->guard) {
        ngx_http_recs_status_guard(st, channel, &state.left);
    }
}


static void
ngx_http_recs_status_active(const ngx_recs_channel_state_t *state,
    ngx_http_recs_status_t *st)
{
    const ngx_recs_descriptor_t  *active;

    active = &state->active;

    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_since, state->since);
    ngx_http_recs_status_short(st, "model", &active->model);
    ngx_http_recs_status_short(st, "schema", &active->schema);
    ngx_http_recs_status_short(st, "features", &active->features);
    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_generated_at,
                              active->generated_at);
    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_max_age,
                              active->max_age);
    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_expected,
                              active->expected);
    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_written,
                              active->written);
    ngx_http_recs_status_served(active, st);
}


/* What follows from the descriptor. */

static void
ngx_http_recs_status_served(const ngx_recs_descriptor_t *active,
    ngx_http_recs_status_t *st)
{
    time_t    age;
    uint64_t  coverage;

    const ngx_http_recs_status_label_t  labels[] = {
        { "version", ngx_recs_text_str(&active->version) },
        { "model", ngx_recs_text_str(&active->model) },
        { "schema", ngx_recs_text_str(&active->schema) },
        { "features", ngx_recs_text_str(&active->features) }
    };

    ngx_http_recs_status_info(st, &ngx_http_recs_channel_version, labels, 4);

    age = ngx_max(ngx_time() - active->generated_at, 0);
    ngx_http_recs_status_uint(st, &ngx_http_recs_channel_age, age)->hidden = 1;

    if (active->expected) {
        coverage = (double) active->written / active->expected * 1000000 + 0.5;
        ngx_http_recs_status_ratio(st, &ngx_http_recs_channel_coverage,
                                   coverage)->hidden = 1;
    }
}


/* "refused":"v7","reason":"...", or null twice. */

static void
ngx_http_recs_status_refusal(const ngx_recs_channel_state_t *state,
    ngx_http_recs_status_t *st)
{
    ngx_str_t  reason;

    const ngx_http_recs_status_label_t  label
        = { "version", ngx_recs_text_str(&state->refused) };

    reason.data = (u_char *) state->reason;
    reason.len = state->refusal ? state->reason_len : 0;

    ngx_http_recs_status_short(st, "refused", &state->refused);
    ngx_http_recs_status_text(st, "reason", &reason);

    ngx_http_recs_status_flag(st, &ngx_http_recs_channel_refused,
                              state->refusal)->hidden = 1;

    if (state->refused.len) {
        ngx_http_recs_status_info(st, &ngx_http_recs_channel_refused_version,
                                  &label, 1);
    }
}


/* A member with a text; null if that is empty. */

static void
ngx_http_recs_status_short(ngx_http_recs_status_t *st, const char *name,
    const ngx_recs_text_t *text)
{
    ngx_str_t  str;

    str = ngx_recs_text_str(text);

    ngx_http_recs_status_text(st, name, &str);
}
