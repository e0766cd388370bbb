
/* What only the leader does of a replica: it begins and ends its parts. */


#include "ngx_recs_replica_leader.h"
#include "ngx_recs_feed.h"
#include "ngx_recs_idle.h"
#include "ngx_recs_load.h"
#include "ngx_recs_replica_image_read.h"


struct ngx_recs_replica_leader_s {
    ngx_recs_replica_t         *replica;
    ngx_log_t                  *log;
    ngx_recs_leader_user_t      user;
    ngx_event_t                 timer;      /* tries again to take over */
    ngx_msec_t                  resynced;   /* when the last resync began */

    ngx_recs_replica_writer_t   writer;
    ngx_recs_load_t             load;
    ngx_recs_feed_t             feed;
    ngx_recs_idle_t             idle;
    ngx_recs_replica_image_t   *image;      /* NULL: none is kept */
    ngx_recs_replica_reader_t   reader;     /* of the image */
};


static ngx_int_t ngx_recs_replica_leader_init_parts(
    ngx_recs_replica_leader_t *rl, ngx_cycle_t *cycle);
static void ngx_recs_replica_leader_gained(void *data);
static void ngx_recs_replica_leader_lost(void *data);
static void ngx_recs_replica_leader_timer(ngx_event_t *ev);
static void ngx_recs_replica_leader_take(ngx_recs_replica_leader_t *rl);
static void ngx_recs_replica_leader_enough(ngx_recs_replica_leader_t *rl);
static void ngx_recs_replica_leader_read(void *data, ngx_int_t rc);
static void ngx_recs_replica_leader_resume(ngx_recs_replica_leader_t *rl);
static void ngx_recs_replica_leader_follow(void *data);
static void ngx_recs_replica_leader_worn(void *data);
static void ngx_recs_replica_leader_unloaded(void *data,
    ngx_recs_resync_e reason, const ngx_str_t *error);
static void ngx_recs_replica_leader_unfed(void *data,
    ngx_recs_resync_e reason, const ngx_str_t *error);
static void ngx_recs_replica_leader_resync(ngx_recs_replica_leader_t *rl,
    ngx_recs_resync_e reason);
static void ngx_recs_replica_leader_full(ngx_recs_replica_leader_t *rl);
static void ngx_recs_replica_leader_failed(ngx_recs_replica_leader_t *rl,
    const ngx_str_t *why);
static void ngx_recs_replica_leader_broken(ngx_recs_replica_leader_t *rl,
    ngx_recs_replica_state_e state, ngx_recs_resync_e reason);


ngx_int_t
ngx_recs_replica_leader_init_worker(ngx_recs_replica_t *replica,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle)
{
    ngx_recs_replica_leader_t  *rl;

    rl = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_replica_leader_t));
    if (rl == NULL) {
        return NGX_ERROR;
    }

    replica->leader = leader;
    replica->as_leader = rl;

    rl->replica = replica;
    rl->log = cycle->log;

    rl->timer.handler = ngx_recs_replica_leader_timer;
    rl->timer.data = rl;
    rl->timer.log = cycle->log;
    rl->timer.cancelable = 1;

    if (ngx_recs_replica_leader_init_parts(rl, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    rl->user.gained = ngx_recs_replica_leader_gained;
    rl->user.lost = ngx_recs_replica_leader_lost;
    rl->user.data = rl;

    ngx_recs_leader_add(leader, &rl->user);

    return NGX_OK;
}


static ngx_int_t
ngx_recs_replica_leader_init_parts(ngx_recs_replica_leader_t *rl,
    ngx_cycle_t *cycle)
{
    rl->writer.replica = rl->replica;
    rl->writer.log = cycle->log;

    rl->idle.writer = &rl->writer;

    rl->load.writer = &rl->writer;
    rl->load.idle = &rl->idle;
    rl->load.loaded = ngx_recs_replica_leader_follow;
    rl->load.broken = ngx_recs_replica_leader_unloaded;
    rl->load.data = rl;

    rl->feed.writer = &rl->writer;
    rl->feed.cycle = cycle;
    rl->feed.broken = ngx_recs_replica_leader_unfed;
    rl->feed.worn = ngx_recs_replica_leader_worn;
    rl->feed.data = rl;

    if (ngx_recs_load_init(&rl->load, cycle) != NGX_OK
        || ngx_recs_feed_init(&rl->feed) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (rl->replica->image.len == 0) {
        return NGX_OK;
    }

    rl->image = ngx_recs_replica_image_init(rl->replica, cycle);
    if (rl->image == NULL) {
        return NGX_ERROR;
    }

    rl->reader.writer = &rl->writer;
    rl->reader.image = rl->image;
    rl->reader.done = ngx_recs_replica_leader_read;
    rl->reader.data = rl;

    return NGX_OK;
}


void
ngx_recs_replica_leader_exit_worker(ngx_recs_replica_t *replica)
{
    if (replica->as_leader->image) {
        ngx_recs_image_exit(&replica->as_leader->image->image);
    }
}


static void
ngx_recs_replica_leader_gained(void *data)
{
    ngx_recs_replica_leader_t *rl = data;

    if (rl->image) {
        ngx_recs_image_start(&rl->image->image);
    }

    ngx_recs_replica_leader_take(rl);
}


static void
ngx_recs_replica_leader_lost(void *data)
{
    ngx_recs_replica_leader_t *rl = data;

    ngx_recs_load_stop(&rl->load);
    ngx_recs_feed_stop(&rl->feed);
    ngx_recs_idle_stop(&rl->idle);

    if (rl->timer.timer_set) {
        ngx_del_timer(&rl->timer);
    }

    if (rl->image) {
        ngx_recs_replica_image_read_stop(&rl->reader);
        ngx_recs_image_stop(&rl->image->image);
    }
}


static void
ngx_recs_replica_leader_timer(ngx_event_t *ev)
{
    ngx_recs_replica_leader_take(ev->data);
}


/* Becomes the tables' writer. */

static void
ngx_recs_replica_leader_take(ngx_recs_replica_leader_t *rl)
{
    if (!ngx_recs_replica_lock(&rl->writer)) {
        ngx_add_timer(&rl->timer, NGX_RECS_REPLICA_SOON);
        return;
    }

    recs_table_take(&rl->writer.table, rl->replica->table);
    ngx_recs_replica_leader_enough(rl);

    ngx_recs_replica_unlock(&rl->writer);

    if (rl->replica->shared->loaded == 0 && rl->image
        && ngx_recs_replica_image_read(&rl->reader))
    {
        return;
    }

    ngx_recs_replica_leader_resume(rl);
}


/*
 * What another configuration took for a set may be none any more, as it is
 * empty, or has too few ids: then nothing was ever loaded.  Locked.
 */

static void
ngx_recs_replica_leader_enough(ngx_recs_replica_leader_t *rl)
{
    recs_table_stat_t    stat;
    ngx_recs_replica_t  *replica;

    replica = rl->replica;

    recs_table_stat(replica->table, &stat);

    if (replica->shared->loaded && stat.ids < replica->guard.min_members) {
        replica->shared->state = NGX_RECS_REPLICA_LOADING;
        replica->shared->loaded = 0;
    }
}


static void
ngx_recs_replica_leader_read(void *data, ngx_int_t rc)
{
    ngx_recs_replica_leader_t *rl = data;

    if (rc == NGX_AGAIN) {
        ngx_add_timer(&rl->timer, NGX_RECS_REPLICA_SOON);
        return;
    }

    ngx_recs_replica_leader_resume(rl);
}


/* Goes on where the leader before, or the image, left off; or loads. */

static void
ngx_recs_replica_leader_resume(ngx_recs_replica_leader_t *rl)
{
    recs_table_stat_t     stat;
    ngx_recs_replica_t   *replica;
    ngx_recs_position_t  *pos;

    replica = rl->replica;
    pos = &rl->writer.position;

    ngx_recs_idle_start(&rl->idle);

    if (replica->shared->state != NGX_RECS_REPLICA_FOLLOWING) {
        ngx_recs_load_start(&rl->load, 0, 0);
        return;
    }

    recs_table_stat(replica->table, &stat);

    if (!ngx_recs_replica_position(replica, pos)
        || pos->generation != stat.generation)
    {
        ngx_recs_replica_leader_resync(rl, NGX_RECS_RESYNC_LEADER);
        return;
    }

    ngx_recs_replica_leader_follow(rl);
}


/* Follows the feed; or, without one, loads again in time. */

static void
ngx_recs_replica_leader_follow(void *data)
{
    ngx_recs_replica_leader_t *rl = data;

    ngx_msec_int_t       left;
    ngx_recs_replica_t  *replica;

    replica = rl->replica;

    if (replica->feed.len == 0) {
        left = replica->shared->confirmed + replica->resync - ngx_current_msec;
        ngx_recs_load_start(&rl->load, ngx_max(left, 1), 0);
        return;
    }

    if (ngx_recs_feed_start(&rl->feed) != NGX_OK) {
        ngx_recs_feed_stop(&rl->feed);
        ngx_recs_load_start(&rl->load, NGX_RECS_REPLICA_RETRY, 0);
    }
}


static void
ngx_recs_replica_leader_worn(void *data)
{
    ngx_recs_replica_leader_t *rl = data;

    ngx_recs_load_copy(&rl->load);
}


static void
ngx_recs_replica_leader_unloaded(void *data, ngx_recs_resync_e reason,
    const ngx_str_t *error)
{
    ngx_recs_replica_leader_t *rl = data;

    if (reason == NGX_RECS_RESYNC_FULL) {
        ngx_recs_replica_leader_full(rl);

    } else {
        ngx_recs_replica_leader_failed(rl, error);
    }
}


static void
ngx_recs_replica_leader_unfed(void *data, ngx_recs_resync_e reason,
    const ngx_str_t *error)
{
    ngx_recs_replica_leader_t *rl = data;

    recs_table_stat_t  stat;

    if (reason == NGX_RECS_RESYNC_FAILED) {
        ngx_recs_replica_leader_failed(rl, error);
        return;
    }

    recs_table_stat(rl->replica->table, &stat);

    if (reason == NGX_RECS_RESYNC_FULL && stat.ids >= stat.capacity) {
        ngx_recs_replica_leader_full(rl);
        return;
    }

    ngx_recs_replica_leader_resync(rl, reason);
}


/* It isn't what Redis has: it is counted, logged, and loaded again. */

static void
ngx_recs_replica_leader_resync(ngx_recs_replica_leader_t *rl,
    ngx_recs_resync_e reason)
{
    ngx_msec_t           since, delay;
    ngx_recs_replica_t  *replica;

    static const char  *reasons[] = {
        "entries of its feed are missing",
        "its feed lost the last entry that was read",
        "Redis has another number of ids",
        "an entry of its feed can't be understood",
        "a leader died while replacing it",
        "its table is full of marks",
        "Redis refused a command",
        "its feed leaves fewer ids than \"min_members\""
    };
    replica = rl->replica;

    ngx_recs_count(replica->counters->resyncs[reason], 1);

    ngx_recs_feed_stop(&rl->feed);

    if (replica->shared->state == NGX_RECS_REPLICA_FOLLOWING) {
        ngx_log_error(NGX_LOG_WARN, rl->log, 0,
                      "recs_set \"%V\": the replica is loaded again: %s",
                      &replica->set->name, reasons[reason]);
    }

    /* a feed that is wrong each time must not keep Redis scanning */

    since = ngx_current_msec - rl->resynced;
    delay = 0;

    if (rl->resynced && since < NGX_RECS_REPLICA_RETRY) {
        delay = NGX_RECS_REPLICA_RETRY - since;
    }

    rl->resynced = ngx_current_msec + delay;

    /* at once, it is known in a moment if what Redis has may be believed */

    if ((delay || reason == NGX_RECS_RESYNC_LEADER)
        && replica->shared->state == NGX_RECS_REPLICA_FOLLOWING)
    {
        ngx_recs_replica_set_state(&rl->writer, NGX_RECS_REPLICA_RESYNC);
    }

    ngx_recs_load_start(&rl->load, delay, 1);
}


/* The set has outgrown it: tried again later. */

static void
ngx_recs_replica_leader_full(ngx_recs_replica_leader_t *rl)
{
    if (rl->replica->shared->state != NGX_RECS_REPLICA_FULL) {
        ngx_log_error(NGX_LOG_ERR, rl->log, 0,
                      "recs_set \"%V\": there are more ids than the replica "
                      "has room for, \"capacity=%ui\": Redis is asked",
                      &rl->replica->set->name, rl->replica->capacity);
    }

    ngx_recs_replica_leader_broken(rl, NGX_RECS_REPLICA_FULL,
                                   NGX_RECS_RESYNC_FULL);
}


/* Redis refuses what is asked: tried again later. */

static void
ngx_recs_replica_leader_failed(ngx_recs_replica_leader_t *rl,
    const ngx_str_t *why)
{
    if (rl->replica->shared->state != NGX_RECS_REPLICA_FAILED) {
        ngx_log_error(NGX_LOG_ERR, rl->log, 0,
                      "recs_set \"%V\": there can be no replica, redis "
                      "\"%V\" says: %V", &rl->replica->set->name,
                      &rl->replica->set->redis->name, why);
    }

    ngx_recs_replica_leader_broken(rl, NGX_RECS_REPLICA_FAILED,
                                   NGX_RECS_RESYNC_FAILED);
}


/* It isn't fresh any more, for a reason that lasts. */

static void
ngx_recs_replica_leader_broken(ngx_recs_replica_leader_t *rl,
    ngx_recs_replica_state_e state, ngx_recs_resync_e reason)
{
    ngx_recs_replica_t  *replica;

    replica = rl->replica;

    ngx_recs_feed_stop(&rl->feed);

    ngx_recs_count(replica->counters->failures, 1);

    if (replica->shared->state == NGX_RECS_REPLICA_FOLLOWING) {
        ngx_recs_count(replica->counters->resyncs[reason], 1);
    }

    ngx_recs_replica_set_state(&rl->writer, state);

    ngx_recs_load_start(&rl->load, NGX_RECS_REPLICA_RETRY, 1);
}
