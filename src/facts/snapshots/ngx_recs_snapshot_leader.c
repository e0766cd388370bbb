
/*
 * The leader looks at what Redis says of a snapshot's channels: when it begins
 * to lead, each poll, and when a change is published.  A look is a few steps of
 * questions (ngx_recs_inquiry.c); what they say is judged, published and
 * remembered by ngx_recs_verdict.c.
 */


#include "ngx_recs_snapshot_leader.h"

#include "ngx_recs_inquiry.h"
#include "ngx_recs_rollout.h"
#include "ngx_recs_snapshots_image.h"


static void ngx_recs_snapshot_leader_gained(void *data);
static void ngx_recs_snapshot_leader_lost(void *data);
static void ngx_recs_snapshot_leader_poll(ngx_event_t *ev);
static void ngx_recs_snapshot_leader_ready(ngx_recs_redis_private_t *events);
static void ngx_recs_snapshot_leader_message(ngx_recs_redis_private_t *events,
    ngx_str_t *payload);
static void ngx_recs_snapshot_leader_all(ngx_recs_snapshots_t *ss);
static void ngx_recs_snapshot_leader_look(ngx_recs_inquiry_t *inquiry);
static void ngx_recs_snapshot_leader_next(ngx_recs_inquiry_t *inquiry,
    ngx_int_t rc);
static void ngx_recs_snapshot_leader_finish(ngx_recs_inquiry_t *inquiry);
static void ngx_recs_snapshot_leader_missing(ngx_recs_snapshots_t *ss);


ngx_int_t
ngx_recs_snapshot_leader_init_worker(ngx_recs_snapshots_t *ss,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle)
{
    u_char              *p;
    ngx_uint_t           i;
    ngx_recs_inquiry_t  *inquiries, *inquiry;

    inquiries = ngx_pcalloc(cycle->pool,
                            ss->nchannels * sizeof(ngx_recs_inquiry_t));
    p = ngx_pnalloc(cycle->pool, ss->prefix.len + sizeof(":events") - 1);

    if (inquiries == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ss->leader = leader;

    if (ss->image_path.len) {
        ss->image = ngx_recs_snapshots_image_init(ss, cycle);
        if (ss->image == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < ss->nchannels; i++) {
        inquiry = &inquiries[i];

        inquiry->verdict.snapshots = ss;
        inquiry->verdict.channel = &ss->channels[i];
        inquiry->verdict.channel->inquiry = inquiry;
        inquiry->verdict.log = cycle->log;
        inquiry->handler = ngx_recs_snapshot_leader_next;

        ngx_recs_inquiry_init(inquiry);

        if (ngx_recs_rollout_init_worker(ss, &ss->channels[i], cycle)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ss->events.redis = ss->redis;
    ss->events.channel.data = p;
    p = ngx_cpymem(p, ss->prefix.data, ss->prefix.len);
    p = ngx_cpymem(p, ":events", sizeof(":events") - 1);
    ss->events.channel.len = p - ss->events.channel.data;
    ss->events.ready = ngx_recs_snapshot_leader_ready;
    ss->events.message = ngx_recs_snapshot_leader_message;
    ss->events.data = ss;

    ss->timer.handler = ngx_recs_snapshot_leader_poll;
    ss->timer.data = ss;
    ss->timer.log = cycle->log;
    ss->timer.cancelable = 1;

    ss->cycle = cycle;
    ss->user.gained = ngx_recs_snapshot_leader_gained;
    ss->user.lost = ngx_recs_snapshot_leader_lost;
    ss->user.data = ss;

    ngx_recs_leader_add(ss->leader, &ss->user);

    return NGX_OK;
}


void
ngx_recs_snapshot_leader_exit_worker(ngx_recs_snapshots_t *ss)
{
    if (ss->image) {
        ngx_recs_image_exit(&ss->image->image);
    }
}


static void
ngx_recs_snapshot_leader_gained(void *data)
{
    ngx_recs_snapshots_t *ss = data;

    if (ngx_recs_redis_open_private(&ss->events, ss->cycle) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ss->timer.log, 0,
                      "recs_snapshots \"%V\" can't subscribe to \"%V\": "
                      "changes are noticed each poll",
                      &ss->name, &ss->events.channel);
    }

    if (ss->image) {
        ngx_recs_snapshots_image_read(ss->image);
        ngx_recs_image_start(&ss->image->image);
    }

    ngx_recs_snapshot_leader_poll(&ss->timer);
}


static void
ngx_recs_snapshot_leader_lost(void *data)
{
    ngx_recs_snapshots_t *ss = data;

    ngx_uint_t  i;

    ngx_recs_redis_close_private(&ss->events);

    if (ss->image) {
        ngx_recs_image_stop(&ss->image->image);
    }

    if (ss->timer.timer_set) {
        ngx_del_timer(&ss->timer);
    }

    for (i = 0; i < ss->nchannels; i++) {
        ngx_recs_inquiry_forget(ss->channels[i].inquiry);
        ngx_recs_rollout_forget(&ss->channels[i]);
    }
}


static void
ngx_recs_snapshot_leader_poll(ngx_event_t *ev)
{
    ngx_recs_snapshots_t  *ss;

    ss = ev->data;

    if (ss->guarded != ss->counters->guarded) {
        ss->guarded = ss->counters->guarded;
        ngx_recs_snapshots_changed(ss);
    }

    ngx_recs_snapshot_leader_all(ss);
    ngx_recs_snapshot_leader_missing(ss);

    ngx_add_timer(ev, ss->poll);
}


static void
ngx_recs_snapshot_leader_ready(ngx_recs_redis_private_t *events)
{
    ngx_recs_snapshot_leader_all(events->data);
}


/* A message says that something changed, whatever is in it. */

static void
ngx_recs_snapshot_leader_message(ngx_recs_redis_private_t *events,
    ngx_str_t *payload)
{
    ngx_recs_snapshots_t  *ss;

    ss = events->data;

    ngx_recs_count(ss->counters->events, 1);

    ngx_recs_snapshot_leader_all(ss);
}


static void
ngx_recs_snapshot_leader_all(ngx_recs_snapshots_t *ss)
{
    ngx_uint_t  i;

    for (i = 0; i < ss->nchannels; i++) {
        ngx_recs_snapshot_leader_look(ss->channels[i].inquiry);
    }
}


static void
ngx_recs_snapshot_leader_look(ngx_recs_inquiry_t *inquiry)
{
    if (inquiry->step != NGX_RECS_INQUIRY_IDLE) {
        inquiry->again = 1;
        return;
    }

    inquiry->again = 0;

    ngx_recs_verdict_begin(&inquiry->verdict);
    ngx_recs_inquiry_pointer(inquiry);
}


/* A step has ended. */

static void
ngx_recs_snapshot_leader_next(ngx_recs_inquiry_t *inquiry, ngx_int_t rc)
{
    ngx_int_t            published;
    ngx_recs_verdict_t  *verdict;

    verdict = &inquiry->verdict;

    if (rc == NGX_ABORT) {

        /* Redis is away: its state stays as it is, until it can be asked */

        inquiry->step = NGX_RECS_INQUIRY_IDLE;
        return;
    }

    if (inquiry->step == NGX_RECS_INQUIRY_PAGE) {
        ngx_recs_snapshot_leader_finish(inquiry);
        return;
    }

    if (inquiry->step == NGX_RECS_INQUIRY_POINTER
        && ngx_recs_version_valid(verdict->said.version.data,
                                  verdict->said.version.len))
    {
        ngx_recs_inquiry_version(inquiry);
        return;
    }

    ngx_recs_verdict_reach(verdict);

    published = ngx_recs_verdict_publish(verdict);

    if (published != NGX_OK) {
        inquiry->step = NGX_RECS_INQUIRY_IDLE;

        if (published == NGX_AGAIN) {
            ngx_recs_snapshot_leader_look(inquiry);
        }

        return;
    }

    ngx_recs_verdict_log(verdict);

    if (ngx_recs_inquiry_page(inquiry) == NGX_DECLINED) {
        ngx_recs_snapshot_leader_finish(inquiry);
    }
}


/* Redis has told all. */

static void
ngx_recs_snapshot_leader_finish(ngx_recs_inquiry_t *inquiry)
{
    ngx_recs_snapshots_t  *ss;

    ss = inquiry->verdict.snapshots;
    inquiry->step = NGX_RECS_INQUIRY_IDLE;

    if (ngx_recs_leader_lock(ss->leader) == NGX_OK) {
        inquiry->verdict.channel->shared->looked = ngx_time();
        ss->shared->image.used = 0;
        ngx_recs_leader_unlock(ss->leader);
    }

    ngx_recs_rollout_tell(inquiry->verdict.channel);

    if (inquiry->again) {
        ngx_recs_snapshot_leader_look(inquiry);
    }
}


/* Rows that were evicted leave no other trace. */

static void
ngx_recs_snapshot_leader_missing(ngx_recs_snapshots_t *ss)
{
    uint64_t                        usual;
    ngx_uint_t                      level;
    recs_missing_share_e            news;
    recs_missing_share_t           *share;
    ngx_recs_snapshots_counters_t  *counters;

    if (ngx_recs_leader_lock(ss->leader) != NGX_OK) {
        return;
    }

    counters = ss->counters;
    share = &ss->shared->missing_share;
    usual = share->usual;

    news = recs_missing_share_judge(share, counters->rows - counters->nobody,
                                    counters->missing - counters->nobody,
                                    ngx_time());

    ngx_recs_leader_unlock(ss->leader);

    if (news == RECS_MISSING_SHARE_SAME) {
        return;
    }

    level = news == RECS_MISSING_SHARE_JUMPED ? NGX_LOG_WARN : NGX_LOG_NOTICE;

    ngx_log_error(level, ss->timer.log, 0,
                  "recs_snapshots \"%V\": %uL.%02uL%% of users have no row%s, "
                  "usual is %uL.%02uL%%", &ss->name, share->now / 100,
                  share->now % 100,
                  news == RECS_MISSING_SHARE_JUMPED ? "" : " now",
                  usual / 100, usual % 100);
}
