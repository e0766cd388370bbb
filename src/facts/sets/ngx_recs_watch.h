
/*
 * Is a set's key there?  In Redis an empty set is an absent key, and so is one
 * that was flushed, evicted or misspelled.  The leader counts the members of
 * each set with a fixed key, once a second, and publishes what it found; a
 * page asks for itself where that does not settle it.
 *
 * SCARD, ZCARD and HLEN take the same time however many members there are.
 */


#ifndef NGX_RECS_WATCH_H
#define NGX_RECS_WATCH_H


#include "ngx_recs_leader.h"
#include "ngx_recs_set.h"


/*
 * What was found last.  In shared memory, written by who looked: each member
 * alone is consistent, and a mix of two looks is as good as either.
 */

typedef struct {
    ngx_atomic_t              why;      /* NGX_RECS_WHY_NONE, _ABSENT, _ERROR */
    ngx_atomic_t              since;    /* unix seconds, when it became that */
    ngx_atomic_t              members;
    ngx_atomic_t              looked;   /* ngx_current_msec when that look was
                                           sent; 0: nobody looked */
    ngx_atomic_t              connects; /* of its Redis, then */
    ngx_atomic_t              doubted;  /* ngx_current_msec when another set of
                                           its Redis was found absent */
} ngx_recs_watch_shared_t;


/* All of one configuration. */

typedef struct {
    ngx_recs_watch_t         *first;
} ngx_recs_watches_t;


/* What a look that is under way goes by. */

typedef struct {
    ngx_msec_t                sent;     /* ngx_current_msec */
    ngx_atomic_uint_t         connects;
    uint64_t                  members;
} ngx_recs_watch_look_t;


struct ngx_recs_watch_s {
    ngx_recs_set_t           *set;
    ngx_recs_watches_t       *all;
    ngx_recs_watch_t         *next;
    ngx_recs_watch_shared_t  *shared;

    /* the leader's */

    ngx_recs_leader_user_t    user;
    ngx_event_t               timer;
    ngx_recs_redis_query_t    query;
    ngx_recs_watch_look_t     look;
};


/* For the status and readiness. */

typedef struct {
    ngx_uint_t                known;    /* somebody looked in the last 3 s */
    ngx_recs_why_e            why;
    time_t                    since;    /* unix seconds; 0: not known */
    uint64_t                  members;
} ngx_recs_watch_stat_t;


/*
 * In the zone's init, after the set's Redis is known.  If there is no room,
 * zone->missing or zone->full says so.
 */

void ngx_recs_watch_init_zone(ngx_recs_watch_t *watch, ngx_recs_zone_t *zone);

/* In init_process, before the leader starts. */

void ngx_recs_watch_init_worker(ngx_recs_watch_t *watch,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle);

/*
 * Is what was found last still to be relied on?  Not if it is over 3 s old, a
 * connection to that Redis was opened since (it may be another, or have begun
 * anew), or another set of it was found absent since.
 */

ngx_uint_t ngx_recs_watch_fresh(const ngx_recs_watch_t *watch);

/*
 * Appends the question how many members a set's key has to a connection's
 * pipeline, for look, which must stay as long as the query; the caller has set
 * its done() and data.  Returns as ngx_recs_redis_send().
 */

ngx_int_t ngx_recs_watch_send(ngx_recs_set_t *set, const ngx_str_t *key,
    ngx_recs_redis_query_t *query, ngx_recs_watch_look_t *look,
    ngx_recs_redis_conn_t *conn);

/* A value of the reply: to be called by the query's value(). */

ngx_int_t ngx_recs_watch_value(ngx_recs_watch_look_t *look,
    const ngx_recs_redis_value_t *v);

/*
 * The look ended so: none, if the members were counted, or error.  Publishes
 * it, and logs what changed.
 */

void ngx_recs_watch_found(ngx_recs_watch_t *watch,
    const ngx_recs_watch_look_t *look, ngx_recs_why_e why, ngx_log_t *log);

void ngx_recs_watch_stat(const ngx_recs_watch_t *watch,
    ngx_recs_watch_stat_t *stat);


/* The set is absent: what is known of others of its Redis is not fresh now. */

void ngx_recs_watch_doubt(const ngx_recs_watch_t *watch);


#endif /* NGX_RECS_WATCH_H */
