
#include "ngx_recs_replica_leader.h"
#include "ngx_recs_held.h"


#define NGX_RECS_FOLLOW_POOL  1024


static ngx_pool_t *ngx_recs_follow_pool(ngx_cycle_t *cycle);
static void ngx_recs_follow_destroy_pool(void *data);
static void ngx_recs_follow_gained(void *data);
static void ngx_recs_follow_lost(void *data);
static void ngx_recs_follow_timer(ngx_event_t *ev);
static void ngx_recs_follow_take(ngx_recs_follow_t *f);
static void ngx_recs_follow_enough(ngx_recs_follow_t *f);
static void ngx_recs_follow_set_state(ngx_recs_follow_t *f,
    ngx_recs_replica_state_e state);
static void ngx_recs_follow_held_of(ngx_recs_follow_t *f,
    ngx_recs_held_of_t *of);
static void ngx_recs_follow_reach(ngx_recs_follow_t *f);
static void ngx_recs_follow_entry(ngx_recs_follow_t *f);
static ngx_recs_write_e ngx_recs_follow_apply(ngx_recs_follow_t *f);
static ngx_uint_t ngx_recs_follow_leaves_few(ngx_recs_follow_t *f);
static ngx_uint_t ngx_recs_follow_there(ngx_recs_follow_t *f,
    recs_table_view_t *view, const recs_str_t *id);
static void ngx_recs_follow_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);


ngx_int_t
ngx_recs_follow_init(ngx_recs_replica_t *replica, ngx_cycle_t *cycle)
{
    ngx_uint_t          i;
    ngx_recs_follow_t  *f;

    f = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_follow_t));
    if (f == NULL) {
        return NGX_ERROR;
    }

    f->entry.pool = ngx_recs_follow_pool(cycle);
    f->last.pool = ngx_recs_follow_pool(cycle);

    if (f->entry.pool == NULL || f->last.pool == NULL) {
        return NGX_ERROR;
    }

    f->replica = replica;
    f->cycle = cycle;
    f->log = cycle->log;

    f->timer.handler = ngx_recs_follow_timer;
    f->timer.data = f;
    f->timer.log = cycle->log;
    f->timer.cancelable = 1;

    for (i = 0; i < NGX_RECS_FOLLOW_QUERIES; i++) {
        f->queries[i].follow = f;
        f->queries[i].query.done = ngx_recs_follow_done;
        f->queries[i].query.data = &f->queries[i];
    }

    if (replica->image.len) {
        f->image = ngx_recs_replica_image_init(replica, cycle);
        if (f->image == NULL) {
            return NGX_ERROR;
        }
    }

    f->user.gained = ngx_recs_follow_gained;
    f->user.lost = ngx_recs_follow_lost;
    f->user.data = f;

    replica->follow = f;

    ngx_recs_leader_add(replica->leader, &f->user);

    return NGX_OK;
}


/* A pool that is emptied often, and ends with the cycle's. */

static ngx_pool_t *
ngx_recs_follow_pool(ngx_cycle_t *cycle)
{
    ngx_pool_t          *pool;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    pool = ngx_create_pool(NGX_RECS_FOLLOW_POOL, cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    cln->handler = ngx_recs_follow_destroy_pool;
    cln->data = pool;

    return pool;
}


static void
ngx_recs_follow_destroy_pool(void *data)
{
    ngx_destroy_pool(data);
}


void
ngx_recs_follow_exit(ngx_recs_follow_t *f)
{
    if (f->image) {
        ngx_recs_image_exit(&f->image->image);
    }
}


static void
ngx_recs_follow_gained(void *data)
{
    ngx_recs_follow_t *f = data;

    if (f->image) {
        ngx_recs_image_start(&f->image->image);
    }

    ngx_recs_follow_take(f);
}


static void
ngx_recs_follow_lost(void *data)
{
    ngx_recs_follow_t *f = data;

    ngx_recs_follow_forget(f);
    ngx_recs_feed_stop(f);
    ngx_recs_idle_stop(f);

    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }

    if (f->image) {
        ngx_recs_image_stop(&f->image->image);
    }

    f->step = NGX_RECS_STEP_IDLE;
}


static void
ngx_recs_follow_timer(ngx_event_t *ev)
{
    ngx_recs_follow_t  *f;

    f = ev->data;

    switch (f->step) {

    case NGX_RECS_STEP_TAKE:
        ngx_recs_follow_take(f);
        break;

    case NGX_RECS_STEP_IMAGE:
        ngx_recs_replica_image_step(f);
        break;

    case NGX_RECS_STEP_IDLE:
        ngx_recs_feed_read(f);
        break;

    default:
        ngx_recs_load_step(f);
    }
}


/* Becomes the tables' writer. */

static void
ngx_recs_follow_take(ngx_recs_follow_t *f)
{
    if (!ngx_recs_follow_lock(f)) {
        f->step = NGX_RECS_STEP_TAKE;
        ngx_add_timer(&f->timer, NGX_RECS_FOLLOW_SOON);
        return;
    }

    recs_table_take(&f->writer, f->replica->table);
    ngx_recs_follow_enough(f);

    ngx_recs_follow_unlock(f);

    if (f->replica->shared->loaded == 0 && f->image
        && ngx_recs_replica_image_read(f))
    {
        return;
    }

    ngx_recs_follow_resume(f);
}


/*
 * What another configuration took for a set may be none any more, as it is
 * empty, or has too few ids: then nothing was ever loaded.  Locked.
 */

static void
ngx_recs_follow_enough(ngx_recs_follow_t *f)
{
    recs_table_stat_t    stat;
    ngx_recs_replica_t  *replica;

    replica = f->replica;

    recs_table_stat(replica->table, &stat);

    if (replica->shared->loaded && stat.ids < replica->guard.min_members) {
        replica->shared->state = NGX_RECS_REPLICA_LOADING;
        replica->shared->loaded = 0;
    }
}


void
ngx_recs_follow_resume(ngx_recs_follow_t *f)
{
    recs_table_stat_t    stat;
    ngx_recs_replica_t  *replica;

    replica = f->replica;

    recs_table_stat(replica->table, &stat);

    f->step = NGX_RECS_STEP_IDLE;
    f->wrong = 0;

    ngx_recs_idle_start(f);

    if (replica->shared->state != NGX_RECS_REPLICA_FOLLOWING) {
        ngx_recs_load(f, 0);
        return;
    }

    if (!ngx_recs_replica_position(replica, &f->position)
        || f->position.generation != stat.generation)
    {
        ngx_recs_follow_resync(f, NGX_RECS_RESYNC_LEADER);
        return;
    }

    ngx_recs_feed_start(f);
}


ngx_uint_t
ngx_recs_follow_lock(ngx_recs_follow_t *f)
{
    return ngx_recs_leader_lock(f->replica->leader) == NGX_OK;
}


void
ngx_recs_follow_unlock(ngx_recs_follow_t *f)
{
    ngx_recs_leader_unlock(f->replica->leader);
}


/* If it can't be set, the replica is out of date soon all the same. */

static void
ngx_recs_follow_set_state(ngx_recs_follow_t *f,
    ngx_recs_replica_state_e state)
{
    ngx_recs_replica_shared_t  *shared;

    shared = f->replica->shared;

    if (shared->state == (ngx_atomic_uint_t) state
        || !ngx_recs_follow_lock(f))
    {
        return;
    }

    shared->state = state;

    ngx_recs_follow_unlock(f);
}


void
ngx_recs_follow_resync(ngx_recs_follow_t *f, ngx_recs_resync_e reason)
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

    replica = f->replica;

    ngx_recs_count(replica->counters->resyncs[reason], 1);

    ngx_recs_feed_stop(f);

    if (replica->shared->state == NGX_RECS_REPLICA_FOLLOWING) {
        ngx_log_error(NGX_LOG_WARN, f->log, 0,
                      "recs_set \"%V\": the replica is loaded again: %s",
                      &replica->set->name, reasons[reason]);
    }

    /* a feed that is wrong each time must not keep Redis scanning */

    since = ngx_current_msec - f->resynced;
    delay = 0;

    if (f->resynced && since < NGX_RECS_FOLLOW_RETRY) {
        delay = NGX_RECS_FOLLOW_RETRY - since;
    }

    f->resynced = ngx_current_msec + delay;
    f->wrong = 1;

    /* at once, it is known in a moment if what Redis has may be believed */

    if (delay || reason == NGX_RECS_RESYNC_LEADER) {
        ngx_recs_follow_loading(f);
    }

    ngx_recs_load(f, delay);
}


void
ngx_recs_follow_loading(ngx_recs_follow_t *f)
{
    if (f->wrong && f->replica->shared->state == NGX_RECS_REPLICA_FOLLOWING) {
        ngx_recs_follow_set_state(f, NGX_RECS_REPLICA_RESYNC);
    }
}


ngx_uint_t
ngx_recs_follow_may(ngx_recs_follow_t *f, uint64_t n)
{
    int                         changed;
    uint64_t                    had;
    recs_guard_e                verdict;
    recs_table_stat_t           stat;
    ngx_recs_held_of_t          of;
    ngx_recs_replica_t         *replica;
    ngx_recs_replica_shared_t  *shared;

    replica = f->replica;
    shared = replica->shared;

    recs_table_stat(replica->table, &stat);
    had = shared->loaded ? stat.ids : 0;

    verdict = recs_guard_judge(&replica->guard, &shared->held, had, n,
                               ngx_current_msec);
    f->believed = (verdict == RECS_GUARD_BELIEVE);

    if (!recs_guard_holds(verdict)) {
        return 1;
    }

    if (!ngx_recs_follow_lock(f)) {
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
        return 0;
    }

    changed = recs_guard_hold(&replica->guard, &shared->held, verdict, had, n,
                              ngx_current_msec, ngx_time());
    shared->state = NGX_RECS_REPLICA_HELD;

    ngx_recs_follow_unlock(f);

    ngx_recs_count(replica->counters->failures, 1);

    if (changed) {
        ngx_recs_follow_held_of(f, &of);
        ngx_recs_held_log(&of, &replica->guard, &shared->held, f->log);
    }

    ngx_recs_load(f, NGX_RECS_FOLLOW_RETRY);

    return 0;
}


static void
ngx_recs_follow_held_of(ngx_recs_follow_t *f, ngx_recs_held_of_t *of)
{
    of->directive = "recs_set";
    of->name = &f->replica->set->name;
    of->redis = f->replica->set->redis;
    of->source = &f->replica->key;
    of->members = "ids";
    of->none = "there is no replica, the set gives no answer";
}


void
ngx_recs_follow_believed(ngx_recs_follow_t *f, uint64_t had, uint64_t n)
{
    ngx_recs_held_of_t  of;

    if (f->believed) {
        ngx_recs_follow_held_of(f, &of);
        ngx_recs_held_log_believed(&of, had, n, f->log);
    }
}


/* It isn't fresh any more, for a reason that lasts. */

static void
ngx_recs_follow_broken(ngx_recs_follow_t *f, ngx_recs_replica_state_e state,
    ngx_recs_resync_e reason)
{
    ngx_recs_replica_t  *replica;

    replica = f->replica;

    ngx_recs_feed_stop(f);

    ngx_recs_count(replica->counters->failures, 1);

    if (replica->shared->state == NGX_RECS_REPLICA_FOLLOWING) {
        ngx_recs_count(replica->counters->resyncs[reason], 1);
    }

    ngx_recs_follow_set_state(f, state);

    ngx_recs_load(f, NGX_RECS_FOLLOW_RETRY);
}


void
ngx_recs_follow_full(ngx_recs_follow_t *f)
{
    if (f->replica->shared->state != NGX_RECS_REPLICA_FULL) {
        ngx_log_error(NGX_LOG_ERR, f->log, 0,
                      "recs_set \"%V\": there are more ids than the replica "
                      "has room for, \"capacity=%ui\": Redis is asked",
                      &f->replica->set->name, f->replica->capacity);
    }

    ngx_recs_follow_broken(f, NGX_RECS_REPLICA_FULL, NGX_RECS_RESYNC_FULL);
}


void
ngx_recs_follow_failed(ngx_recs_follow_t *f, const ngx_str_t *why)
{
    if (f->replica->shared->state != NGX_RECS_REPLICA_FAILED) {
        ngx_log_error(NGX_LOG_ERR, f->log, 0,
                      "recs_set \"%V\": there can be no replica, redis "
                      "\"%V\" says: %V", &f->replica->set->name,
                      &f->replica->set->redis->name, why);
    }

    ngx_recs_follow_broken(f, NGX_RECS_REPLICA_FAILED,
                           NGX_RECS_RESYNC_FAILED);
}


ngx_uint_t
ngx_recs_follow_refused(ngx_recs_follow_t *f)
{
    ngx_str_t  error;

    if (f->error_len == 0) {
        return 0;
    }

    error.data = f->error;
    error.len = f->error_len;
    ngx_recs_follow_failed(f, &error);

    return 1;
}


void
ngx_recs_follow_unwritten(ngx_recs_follow_t *f)
{
    recs_table_stat_t  stat;

    switch (f->written) {

    case NGX_RECS_WRITE_MALFORMED:
        ngx_recs_follow_resync(f, NGX_RECS_RESYNC_ENTRY);
        break;

    case NGX_RECS_WRITE_GAP:
        ngx_recs_follow_resync(f, NGX_RECS_RESYNC_GAP);
        break;

    case NGX_RECS_WRITE_FEW:
        ngx_recs_follow_resync(f, NGX_RECS_RESYNC_FEW);
        break;

    case NGX_RECS_WRITE_FULL:
        recs_table_stat(f->replica->table, &stat);

        if (f->which == RECS_TABLE_ACTIVE && stat.ids < stat.capacity) {
            ngx_recs_follow_resync(f, NGX_RECS_RESYNC_FULL);

        } else {
            ngx_recs_follow_full(f);
        }

        break;

    default: /* NGX_RECS_WRITE_REFUSED */
        ngx_recs_load(f, NGX_RECS_FOLLOW_SOON);
    }
}


void
ngx_recs_follow_write(ngx_recs_follow_t *f, uint64_t print, double score)
{
    f->prints[f->nbatch] = print;
    f->scores[f->nbatch] = score;

    if (++f->nbatch == NGX_RECS_FOLLOW_BATCH) {
        ngx_recs_follow_flush(f);
    }
}


void
ngx_recs_follow_flush(ngx_recs_follow_t *f)
{
    int         rc;
    ngx_uint_t  i, n;

    n = f->nbatch;
    f->nbatch = 0;

    if (n == 0 || f->written != NGX_RECS_WRITE_OK) {
        return;
    }

    if (!ngx_recs_follow_lock(f)) {
        f->written = NGX_RECS_WRITE_REFUSED;
        return;
    }

    if (f->which == RECS_TABLE_ACTIVE) {
        ngx_recs_follow_reach(f);
    }

    rc = 0;

    for (i = 0; i < n && rc >= 0; i++) {
        rc = f->add ? recs_table_add(&f->writer, f->which, f->prints[i],
                                     f->scores[i])
                    : recs_table_remove(&f->writer, f->which, f->prints[i]);
    }

    ngx_recs_follow_unlock(f);

    if (rc < 0) {
        f->written = (rc == RECS_TABLE_FULL) ? NGX_RECS_WRITE_FULL
                                             : NGX_RECS_WRITE_REFUSED;
    }
}


/*
 * Some of the entry's ids come into the table next.  It is noted before: if
 * this worker is killed in between, its successor knows.
 */

static void
ngx_recs_follow_reach(ngx_recs_follow_t *f)
{
    if (ngx_recs_feed_id_cmp(&f->entry.id, &f->position.reached) > 0) {
        f->position.reached = f->entry.id;
        ngx_recs_replica_set_position(f->replica, &f->position);
    }
}


void
ngx_recs_follow_entries_begin(ngx_recs_follow_t *f)
{
    f->written = NGX_RECS_WRITE_OK;
    f->entry.begun = 0;
    f->nentries = 0;
    f->nbatch = 0;
}


ngx_int_t
ngx_recs_follow_entries_value(ngx_recs_follow_t *f, ngx_uint_t depth,
    const ngx_recs_redis_value_t *v)
{
    if (f->written != NGX_RECS_WRITE_OK || v->depth < depth) {
        return NGX_OK;
    }

    if (v->depth == depth) {
        ngx_recs_follow_entry(f);
        ngx_recs_entry_begin(&f->entry);
        f->nentries++;
    }

    return ngx_recs_entry_value(&f->entry, v->depth - depth, v);
}


void
ngx_recs_follow_entries_end(ngx_recs_follow_t *f)
{
    ngx_recs_follow_entry(f);
}


/* An entry that was begun is complete. */

static void
ngx_recs_follow_entry(ngx_recs_follow_t *f)
{
    ngx_recs_entry_t     *e;
    ngx_recs_position_t  *pos;

    e = &f->entry;
    pos = &f->position;

    if (!e->begun || f->written != NGX_RECS_WRITE_OK) {
        return;
    }

    if (ngx_recs_entry_end(e) != NGX_OK) {
        f->written = NGX_RECS_WRITE_MALFORMED;

    } else if (pos->numbered && e->seq != pos->seq + 1) {
        f->written = NGX_RECS_WRITE_GAP;

    } else {
        f->written = ngx_recs_follow_apply(f);
    }

    if (f->written != NGX_RECS_WRITE_OK) {
        return;
    }

    pos->id = e->id;
    pos->seq = e->seq;
    pos->numbered = 1;

    ngx_recs_count(f->replica->counters->entries, 1);

    if (f->comparing) {
        ngx_recs_feed_applied(f);
    }
}


static ngx_recs_write_e
ngx_recs_follow_apply(ngx_recs_follow_t *f)
{
    double                 score;
    ngx_int_t              rc;
    recs_str_t             id;
    recs_table_t          *table;
    ngx_recs_entry_ids_t   ids;

    table = f->replica->table;
    f->add = f->entry.add;

    if (ngx_recs_entry_ids(&f->entry, f->replica->set->scores, &ids)
        != NGX_OK)
    {
        return NGX_RECS_WRITE_MALFORMED;
    }

    if (ngx_recs_follow_leaves_few(f)) {
        return NGX_RECS_WRITE_FEW;
    }

    for ( ;; ) {
        rc = ngx_recs_entry_next(&ids, &id, &score);

        if (rc != NGX_OK) {
            break;
        }

        ngx_recs_follow_write(f, recs_table_fingerprint(table, &id), score);
    }

    ngx_recs_follow_flush(f);

    if (rc == NGX_DONE) {
        return f->written;
    }

    return rc == NGX_DECLINED ? NGX_RECS_WRITE_MALFORMED
                              : NGX_RECS_WRITE_REFUSED;
}


/*
 * Would fewer ids be left than there must be?  Such an entry isn't applied, not
 * in part either.  An id that comes twice in it counts twice: then, too, Redis
 * is asked how many there are.
 */

static ngx_uint_t
ngx_recs_follow_leaves_few(ngx_recs_follow_t *f)
{
    double                 score;
    uint64_t               spare;
    recs_str_t             id;
    recs_table_stat_t      stat;
    recs_table_view_t      view;
    ngx_recs_entry_ids_t   ids;

    recs_table_stat(f->replica->table, &stat);

    spare = stat.ids - ngx_min(stat.ids, f->replica->guard.min_members);

    /* an id takes two bytes at least */

    if (f->entry.add
        || spare >= f->entry.fields[NGX_RECS_ENTRY_IDS].len / 2
        || f->replica->guard.min_members == 0
        || !recs_table_read(&view, f->replica->table)
        || ngx_recs_entry_ids(&f->entry, 0, &ids) != NGX_OK)
    {
        return 0;
    }

    while (ngx_recs_entry_next(&ids, &id, &score) == NGX_OK) {

        if (ngx_recs_follow_there(f, &view, &id) && spare-- == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_recs_follow_there(ngx_recs_follow_t *f, recs_table_view_t *view,
    const recs_str_t *id)
{
    u_char    found;
    uint64_t  print;

    print = recs_table_fingerprint(f->replica->table, id);
    recs_table_find(view, &print, 1, &found, NULL);

    return found;
}


/* Without a connection, as if it had been lost. */

void
ngx_recs_follow_send(ngx_recs_follow_t *f, ngx_recs_redis_conn_t *conn,
    ngx_uint_t n, ngx_uint_t nargs, const ngx_str_t *args,
    ngx_int_t (*value)(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v))
{
    ngx_recs_follow_query_t  *fq;

    fq = &f->queries[n];
    fq->rc = NGX_ABORT;
    fq->query.value = value;

    if (conn
        && ngx_recs_redis_send(conn, &fq->query, nargs, args) == NGX_OK)
    {
        f->npending++;
    }
}


static void
ngx_recs_follow_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_follow_t        *f;
    ngx_recs_follow_query_t  *fq;

    fq = query->data;
    f = fq->follow;

    fq->rc = rc;

    if (rc == NGX_ERROR && f->error_len == 0) {
        f->error_len = ngx_min(error->len, sizeof(f->error));
        ngx_memcpy(f->error, error->data, f->error_len);
    }

    if (--f->npending) {
        return;
    }

    if (f->step == NGX_RECS_STEP_IDLE || f->step == NGX_RECS_STEP_COPY) {
        ngx_recs_feed_counted(f);

    } else {
        ngx_recs_load_answered(f);
    }
}


void
ngx_recs_follow_forget(ngx_recs_follow_t *f)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_FOLLOW_QUERIES; i++) {
        ngx_recs_redis_forget(&f->queries[i].query);
    }

    f->npending = 0;
}
