
/* The leader's looks at whether a set's key is there: see the header. */


#include "ngx_recs_watch.h"
#include "recs_hash.h"


/* ms between two looks: while the set is there, and while it is absent. */

#define NGX_RECS_WATCH_INTERVAL  1000
#define NGX_RECS_WATCH_SOON      200

/* What was found is relied on for so long, ms. */

#define NGX_RECS_WATCH_FRESH     3000


static void ngx_recs_watch_gained(void *data);
static void ngx_recs_watch_lost(void *data);
static void ngx_recs_watch_tick(ngx_event_t *ev);
static void ngx_recs_watch_look(ngx_recs_watch_t *watch);
static ngx_uint_t ngx_recs_watch_recent(ngx_msec_t looked);
static ngx_int_t ngx_recs_watch_reply(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_watch_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_watch_changed(ngx_recs_watch_t *watch,
    ngx_recs_why_e before, ngx_recs_why_e why, ngx_log_t *log);


/* An entry is named after all that what it says depends on. */

void
ngx_recs_watch_init_zone(ngx_recs_watch_t *watch, ngx_recs_zone_t *zone)
{
    u_char           buf[16];
    uint64_t         hash;
    ngx_str_t        name;
    recs_str_t       part;
    ngx_recs_set_t  *set;

    set = watch->set;

    part.data = set->redis->server.data;
    part.len = set->redis->server.len;
    hash = recs_hash_str(recs_hash_int(0, set->redis->database), &part);

    part.data = set->name.data;
    part.len = set->name.len;
    hash = recs_hash_str(hash, &part);

    part.data = set->key.data;
    part.len = set->key.len;
    hash = recs_hash_str(hash, &part);

    hash = recs_hash_int(recs_hash_int(hash, set->type), set->min_members);

    name.data = buf;
    name.len = ngx_sprintf(buf, "%016xL", hash) - buf;

    watch->shared = (ngx_recs_watch_shared_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_WATCH, &name);
}


void
ngx_recs_watch_init_worker(ngx_recs_watch_t *watch, ngx_recs_leader_t *leader,
    ngx_cycle_t *cycle)
{
    watch->next = watch->all->first;
    watch->all->first = watch;

    watch->timer.handler = ngx_recs_watch_tick;
    watch->timer.data = watch;
    watch->timer.log = cycle->log;
    watch->timer.cancelable = 1;

    watch->query.value = ngx_recs_watch_reply;
    watch->query.done = ngx_recs_watch_done;
    watch->query.data = watch;

    watch->user.gained = ngx_recs_watch_gained;
    watch->user.lost = ngx_recs_watch_lost;
    watch->user.data = watch;

    ngx_recs_leader_add(leader, &watch->user);
}


static void
ngx_recs_watch_gained(void *data)
{
    ngx_recs_watch_t *watch = data;

    ngx_recs_watch_tick(&watch->timer);
}


static void
ngx_recs_watch_lost(void *data)
{
    ngx_recs_watch_t *watch = data;

    ngx_recs_redis_forget(&watch->query);

    if (watch->timer.timer_set) {
        ngx_del_timer(&watch->timer);
    }
}


static void
ngx_recs_watch_tick(ngx_event_t *ev)
{
    ngx_recs_watch_t  *watch;

    watch = ev->data;

    if (watch->query.slot == NULL) {
        ngx_recs_watch_look(watch);
    }

    /* a Redis that comes back, and a key that does, are noticed soon */

    ngx_add_timer(ev, ngx_recs_watch_recent(watch->shared->looked)
                      && watch->shared->why != NGX_RECS_WHY_ABSENT
                      ? NGX_RECS_WATCH_INTERVAL : NGX_RECS_WATCH_SOON);
}


static void
ngx_recs_watch_look(ngx_recs_watch_t *watch)
{
    ngx_recs_redis_conn_t  *conn;

    conn = ngx_recs_redis_pick_patient(watch->set->redis, &watch->set->key);

    if (conn) {
        (void) ngx_recs_watch_send(watch->set, &watch->set->key,
                                   &watch->query, &watch->look, conn);
    }
}


ngx_int_t
ngx_recs_watch_send(ngx_recs_set_t *set, const ngx_str_t *key,
    ngx_recs_redis_query_t *query, ngx_recs_watch_look_t *look,
    ngx_recs_redis_conn_t *conn)
{
    ngx_str_t  args[2];

    look->sent = ngx_current_msec;
    look->connects = set->redis->counters->connects;
    look->members = 0;

    args[0] = ngx_recs_set_type(set->type)->count;
    args[1] = *key;

    return ngx_recs_redis_send(conn, query, 2, args);
}


static ngx_int_t
ngx_recs_watch_reply(ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v)
{
    ngx_recs_watch_t  *watch;

    watch = query->data;

    return ngx_recs_watch_value(&watch->look, v);
}


ngx_int_t
ngx_recs_watch_value(ngx_recs_watch_look_t *look,
    const ngx_recs_redis_value_t *v)
{
    if (v->type != NGX_RECS_REDIS_INTEGER || v->integer < 0) {
        return NGX_ERROR;
    }

    look->members = v->integer;

    return NGX_OK;
}


/* No answer says nothing: what was found grows old. */

static void
ngx_recs_watch_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_watch_t  *watch;

    watch = query->data;

    if (rc == NGX_OK) {
        ngx_recs_watch_found(watch, &watch->look, NGX_RECS_WHY_NONE,
                             watch->timer.log);

    } else if (rc == NGX_ERROR) {
        ngx_recs_watch_found(watch, &watch->look, NGX_RECS_WHY_ERROR,
                             watch->timer.log);
        ngx_recs_set_ill(watch->set, error, watch->timer.log);
    }
}


static ngx_uint_t
ngx_recs_watch_recent(ngx_msec_t looked)
{
    return looked
           && (ngx_msec_int_t) (ngx_current_msec - looked)
              < NGX_RECS_WATCH_FRESH;
}


void
ngx_recs_watch_stat(const ngx_recs_watch_t *watch, ngx_recs_watch_stat_t *stat)
{
    ngx_recs_watch_shared_t  *shared;

    shared = watch->shared;

    stat->known = ngx_recs_watch_recent(shared->looked);
    stat->why = stat->known ? shared->why : NGX_RECS_WHY_NONE;
    stat->since = stat->known ? shared->since : 0;
    stat->members = shared->members;
}


ngx_uint_t
ngx_recs_watch_fresh(const ngx_recs_watch_t *watch)
{
    ngx_msec_t                looked;
    ngx_recs_watch_shared_t  *shared;

    shared = watch->shared;
    looked = shared->looked;

    return ngx_recs_watch_recent(looked)
           && shared->connects == watch->set->redis->counters->connects
           && (shared->doubted == 0
               || (ngx_msec_int_t) (looked - shared->doubted) > 0);
}


/* What was sent before another look that is known already says nothing new. */

void
ngx_recs_watch_found(ngx_recs_watch_t *watch,
    const ngx_recs_watch_look_t *look, ngx_recs_why_e why, ngx_log_t *log)
{
    ngx_uint_t                first;
    ngx_recs_why_e            before;
    ngx_recs_watch_shared_t  *shared;

    shared = watch->shared;
    first = (shared->looked == 0);

    if (!first && (ngx_msec_int_t) (look->sent - shared->looked) < 0) {
        return;
    }

    if (why == NGX_RECS_WHY_NONE && look->members < watch->set->min_members) {
        why = NGX_RECS_WHY_ABSENT;
    }

    before = shared->why;

    shared->members = look->members;
    shared->connects = look->connects;
    shared->looked = ngx_max(look->sent, 1);

    if (first) {
        shared->since = ngx_time();
    }

    if (why != before && ngx_atomic_cmp_set(&shared->why, before, why)) {
        shared->since = ngx_time();
        ngx_recs_watch_changed(watch, before, why, log);
    }
}


static void
ngx_recs_watch_changed(ngx_recs_watch_t *watch, ngx_recs_why_e before,
    ngx_recs_why_e why, ngx_log_t *log)
{
    ngx_uint_t       members;
    ngx_recs_set_t  *set;

    set = watch->set;
    members = watch->shared->members;

    if (why == NGX_RECS_WHY_NONE && before == NGX_RECS_WHY_ABSENT) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_set \"%V\": key \"%V\" of redis \"%V\" is there "
                      "again, with %ui members",
                      &set->name, &set->key, &set->redis->name, members);
    }

    if (why != NGX_RECS_WHY_ABSENT) {
        return;
    }

    ngx_recs_watch_doubt(watch);

    if (members == 0) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "recs_set \"%V\": key \"%V\" of redis \"%V\" is absent: "
                      "its answers are unknown (\"absent=empty\" would take "
                      "it for an empty set)",
                      &set->name, &set->key, &set->redis->name);

    } else {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "recs_set \"%V\": key \"%V\" of redis \"%V\" has %ui "
                      "members, \"min_members\" is %ui: its answers are "
                      "unknown", &set->name, &set->key, &set->redis->name,
                      members, set->min_members);
    }
}


/* What took this key may have taken others: a flush takes all. */

void
ngx_recs_watch_doubt(const ngx_recs_watch_t *watch)
{
    ngx_recs_watch_t  *other;

    for (other = watch->all->first; other; other = other->next) {

        if (other != watch && other->set->redis == watch->set->redis) {
            other->shared->doubted = ngx_max(ngx_current_msec, 1);
        }
    }
}
