
/* The status of a set, and of its replica. */


#include "ngx_http_recs_status.h"
#include "ngx_recs_feed_entry.h"
#include "ngx_recs_trust.h"


static void ngx_http_recs_status_set_state(ngx_recs_set_t *set,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_set_known(ngx_recs_set_t *set,
    ngx_recs_watch_stat_t *watch, ngx_recs_trust_stat_t *trust);
static void ngx_http_recs_status_replica(ngx_recs_replica_t *replica,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_replica_ids(ngx_recs_replica_t *replica,
    const ngx_recs_replica_stat_t *stat, ngx_http_recs_status_t *st);
static void ngx_http_recs_status_feed(const ngx_recs_position_t *position,
    ngx_http_recs_status_t *st);


static const ngx_http_recs_status_kind_t  ngx_http_recs_replica_kind
    = { "replica", NULL };
static const ngx_http_recs_status_kind_t  ngx_http_recs_replica_image_kind
    = { "replica_image", NULL };


static const ngx_recs_metric_t  ngx_http_recs_set_state
    = ngx_recs_state_gauge("state", "state", "state",
                           "1: the set is in that state.");
static const ngx_recs_metric_t  ngx_http_recs_set_since
    = ngx_recs_gauge("since", "since", "timestamp_seconds", 1,
                     "Since when the set is in its state.");
static const ngx_recs_metric_t  ngx_http_recs_set_members
    = ngx_recs_gauge("members", "members", NULL, 1,
                     "Members of the set's key, when the leader looked "
                     "last.");
static const ngx_recs_metric_t  ngx_http_recs_set_asked
    = ngx_recs_gauge("asked", "window_asked", NULL, 1,
                     "Ids that the set was asked about within window=.");
static const ngx_recs_metric_t  ngx_http_recs_set_refused
    = ngx_recs_gauge("refused", "window_refused", NULL, 1,
                     "Ids that the set refused within window=.");

static const ngx_recs_metric_t  ngx_http_recs_replica_state
    = ngx_recs_state_gauge("state", "state", "state",
                           "1: the replica is in that state.");
static const ngx_recs_metric_t  ngx_http_recs_replica_fresh
    = ngx_recs_gauge("fresh", "fresh", NULL, 1,
                     "1: the replica is what Redis has, or was so within "
                     "max_lag=.");
static const ngx_recs_metric_t  ngx_http_recs_replica_ids
    = ngx_recs_gauge("ids", "ids", NULL, 1, "Ids in the replica.");
static const ngx_recs_metric_t  ngx_http_recs_replica_capacity
    = ngx_recs_gauge("capacity", "capacity", NULL, 1,
                     "Ids that the replica has room for.");
static const ngx_recs_metric_t  ngx_http_recs_replica_slots
    = ngx_recs_gauge("slots", "slots", NULL, 1,
                     "Slots of the replica's table.");
static const ngx_recs_metric_t  ngx_http_recs_replica_used
    = ngx_recs_gauge("used", "slots_used", NULL, 1,
                     "Slots of the table with an id, or with the mark of one "
                     "that was removed.");
static const ngx_recs_metric_t  ngx_http_recs_replica_memory
    = ngx_recs_gauge("memory", "memory", "bytes", 1,
                     "Shared memory of the replica's tables.");
static const ngx_recs_metric_t  ngx_http_recs_replica_age
    = ngx_recs_gauge("age", "age", "seconds", 1000,
                     "Time since the replica last was what Redis has.");
static const ngx_recs_metric_t  ngx_http_recs_replica_feed_seq
    = ngx_recs_gauge("feed_seq", "feed_seq", NULL, 1,
                     "Number of the feed's last entry that was applied.");
static const ngx_recs_metric_t  ngx_http_recs_replica_loaded
    = ngx_recs_gauge("loaded", "loaded", "timestamp_seconds", 1,
                     "When the whole set was last loaded, 0: never.");
static const ngx_recs_metric_t  ngx_http_recs_replica_load_time
    = ngx_recs_gauge("load_time", "load", "seconds", 1000,
                     "How long the last load of the whole set took.");


void
ngx_http_recs_status_set(void *thing, ngx_http_recs_status_t *st)
{
    ngx_recs_set_t  *set = &((ngx_http_recs_set_t *) thing)->set;

    ngx_http_recs_status_counters(st, ngx_recs_set_counters, set->counters);

    if (set->watch || set->trust) {
        ngx_http_recs_status_set_state(set, st);
    }

    if (set->prefetch) {
        ngx_http_recs_status_counters(st, ngx_recs_set_prefetch_counters,
                                      set->counters);
    }

    if (set->replica) {
        ngx_http_recs_status_replica(set->replica, st);
    }
}


/*
 * "state":"unknown","why":"absent","since":1795390685,"members":0, and with
 * max_removed= "asked":900,"refused":880.
 */

static void
ngx_http_recs_status_set_state(ngx_recs_set_t *set,
    ngx_http_recs_status_t *st)
{
    ngx_uint_t             known;
    ngx_recs_watch_stat_t  watch;
    ngx_recs_trust_stat_t  trust;

    static const ngx_str_t  names[] = {
        ngx_string("known"),
        ngx_string("unknown")
    };

    static const ngx_str_t  states[] = {
        ngx_string("known"),
        ngx_string("error"),
        ngx_string("absent"),
        ngx_string("distrusted"),
        ngx_string("unseen")
    };

    ngx_http_recs_status_set_known(set, &watch, &trust);

    known = (watch.known || trust.since);

    if (known) {
        ngx_http_recs_status_text(st, "state", &names[watch.why != 0]);

    } else {
        ngx_http_recs_status_null(st, "state");
    }

    if (watch.why) {
        ngx_http_recs_status_text(st, "why", &ngx_recs_whys[watch.why]);
    }

    ngx_http_recs_status_states(st, &ngx_http_recs_set_state, states, 5,
                                watch.why ? &ngx_recs_whys[watch.why]
                                          : &states[known ? 0 : 4]);

    if (watch.since) {
        ngx_http_recs_status_uint(st, &ngx_http_recs_set_since, watch.since);
    }

    if (set->watch) {
        ngx_http_recs_status_uint(st, &ngx_http_recs_set_members,
                                  watch.members);
    }

    if (set->trust) {
        ngx_http_recs_status_uint(st, &ngx_http_recs_set_asked, trust.asked);
        ngx_http_recs_status_uint(st, &ngx_http_recs_set_refused,
                                  trust.refused);
    }
}


/* What is known of the set, both by looks and by what it refused. */

static void
ngx_http_recs_status_set_known(ngx_recs_set_t *set,
    ngx_recs_watch_stat_t *watch, ngx_recs_trust_stat_t *trust)
{
    ngx_memzero(watch, sizeof(ngx_recs_watch_stat_t));
    ngx_memzero(trust, sizeof(ngx_recs_trust_stat_t));

    if (set->trust) {
        ngx_recs_trust_stat(set->trust, trust, ngx_cycle->log);
        watch->known = 1;
    }

    if (set->watch) {
        ngx_recs_watch_stat(set->watch, watch);
    }

    if (watch->why == NGX_RECS_WHY_NONE && trust->since) {
        watch->why = NGX_RECS_WHY_DISTRUSTED;
        watch->since = trust->since;
    }
}


static void
ngx_http_recs_status_replica(ngx_recs_replica_t *replica,
    ngx_http_recs_status_t *st)
{
    ngx_recs_replica_stat_t  stat;

    ngx_recs_replica_stat(replica, &stat);

    ngx_http_recs_status_open_as(st, "replica", &ngx_http_recs_replica_kind);

    ngx_http_recs_status_text(st, "state", stat.state);
    ngx_http_recs_status_states(st, &ngx_http_recs_replica_state,
                                ngx_recs_replica_states,
                                NGX_RECS_REPLICA_NSTATES, stat.state);

    ngx_http_recs_status_number(st, "leader",
                                ngx_recs_leader_pid(replica->leader));
    ngx_http_recs_status_replica_ids(replica, &stat, st);

    if (replica->feed.len) {
        ngx_http_recs_status_feed(&stat.position, st);
    }

    ngx_http_recs_status_held(st, &stat.held);

    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_loaded, stat.loaded);
    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_load_time,
                              replica->shared->load_time);
    ngx_http_recs_status_counters(st, ngx_recs_replica_counters,
                                  replica->counters);

    if (replica->image.len) {
        ngx_http_recs_status_image(st, &ngx_http_recs_replica_image_kind,
                                   &replica->shared->image);
    }

    ngx_http_recs_status_close(st);
}


/* What is in it, and how fresh that is. */

static void
ngx_http_recs_status_replica_ids(ngx_recs_replica_t *replica,
    const ngx_recs_replica_stat_t *stat, ngx_http_recs_status_t *st)
{
    size_t  memory;

    memory = recs_table_size(replica->capacity, replica->set->scores);

    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_ids, stat->table.ids);
    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_capacity,
                              stat->table.capacity);
    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_slots,
                              stat->table.slots);
    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_used,
                              stat->table.used);

    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_memory, memory)
        ->hidden = 1;
    ngx_http_recs_status_flag(st, &ngx_http_recs_replica_fresh, stat->fresh)
        ->hidden = 1;

    if (stat->loaded) {
        ngx_http_recs_status_uint(st, &ngx_http_recs_replica_age, stat->age);

    } else {
        ngx_http_recs_status_none(st, &ngx_http_recs_replica_age);
    }
}


static void
ngx_http_recs_status_feed(const ngx_recs_position_t *position,
    ngx_http_recs_status_t *st)
{
    u_char     buf[NGX_RECS_FEED_ID_LEN];
    ngx_str_t  id;

    ngx_recs_feed_id_write(&position->id, buf, &id);

    ngx_http_recs_status_text(st, "feed_id", &id);
    ngx_http_recs_status_uint(st, &ngx_http_recs_replica_feed_seq,
                              position->seq);
}
