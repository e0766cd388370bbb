
/* Where pages read: see the header. */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_reads.h"


/* How often servers are asked, ms, and if max_lag= is that short. */

#define NGX_RECS_REDIS_READS_ASK    1000
#define NGX_RECS_REDIS_READS_LEAST  200

#define NGX_RECS_REDIS_READS_BULK   (64 * 1024)


static ngx_recs_redis_server_t *ngx_recs_redis_reads_turn(
    ngx_recs_redis_server_t *master);
static ngx_recs_redis_server_t *ngx_recs_redis_reads_nearest(
    ngx_recs_redis_server_t *master);
static ngx_uint_t ngx_recs_redis_reads_fit(ngx_recs_redis_server_t *server);
static void ngx_recs_redis_reads_ask(ngx_recs_redis_server_t *server);
static ngx_int_t ngx_recs_redis_reads_value(ngx_recs_redis_query_t *q,
    ngx_recs_redis_value_t *v);
static void ngx_recs_redis_reads_done(ngx_recs_redis_query_t *q, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_redis_reads_tell(ngx_recs_redis_server_t *server);
static uint64_t ngx_recs_redis_reads_now(void);


ngx_int_t
ngx_recs_redis_reads_join(ngx_recs_redis_server_t *server, ngx_uint_t index,
    uint64_t number)
{
    ngx_recs_redis_reads_t  *reads;

    reads = ngx_pcalloc(server->pool, sizeof(ngx_recs_redis_reads_t));
    if (reads == NULL) {
        return NGX_ERROR;
    }

    reads->number = number;
    reads->state = &server->redis->shared->states[index];

    reads->query.value = ngx_recs_redis_reads_value;
    reads->query.done = ngx_recs_redis_reads_done;
    reads->query.data = server;
    reads->query.stays = 1;
    reads->query.max_bulk = NGX_RECS_REDIS_READS_BULK;

    server->reads = reads;

    return NGX_OK;
}


void
ngx_recs_redis_reads_cut(ngx_recs_redis_server_t *server)
{
    server->source = NULL;
    server->reads->replicas = NULL;
    server->reads->last = NULL;
}


void
ngx_recs_redis_reads_link(ngx_recs_redis_server_t *replica,
    ngx_recs_redis_server_t *master)
{
    replica->source = master;
    replica->reads->next = master->reads->replicas;
    master->reads->replicas = replica;
}


ngx_recs_redis_server_t *
ngx_recs_redis_reads_of(ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    ngx_recs_redis_server_t  *master;

    master = redis->server_of(redis, key);

    if (master->reads == NULL || master->reads->replicas == NULL) {
        return master;
    }

    return redis->reads == NGX_RECS_REDIS_READS_NEAREST
           ? ngx_recs_redis_reads_nearest(master)
           : ngx_recs_redis_reads_turn(master);
}


/* The next one that is fit; if none is, the master. */

static ngx_recs_redis_server_t *
ngx_recs_redis_reads_turn(ngx_recs_redis_server_t *master)
{
    ngx_recs_redis_reads_t   *reads;
    ngx_recs_redis_server_t  *server, *first;

    reads = master->reads;

    first = reads->last ? reads->last->reads->next : NULL;
    first = first ? first : reads->replicas;

    server = first;

    do {
        if (ngx_recs_redis_reads_fit(server)) {
            reads->last = server;
            return server;
        }

        server = server->reads->next;
        server = server ? server : reads->replicas;

    } while (server != first);

    return master;
}


/* The current one, unless another is clearly nearer. */

static ngx_recs_redis_server_t *
ngx_recs_redis_reads_nearest(ngx_recs_redis_server_t *master)
{
    uint64_t                  trip;
    ngx_recs_redis_reads_t   *reads;
    ngx_recs_redis_server_t  *server, *best;

    reads = master->reads;

    best = reads->last;

    if (best == NULL || !ngx_recs_redis_reads_fit(best)) {
        best = NULL;
    }

    for (server = reads->replicas; server; server = server->reads->next) {

        if (server == best || !ngx_recs_redis_reads_fit(server)) {
            continue;
        }

        trip = server->reads->state->trip;

        if (best == NULL || recs_redis_nearer(trip, best->reads->state->trip)) {
            best = server;
        }
    }

    if (best == NULL
        || (best != master && ngx_recs_redis_reads_fit(master)
            && recs_redis_nearer(reads->state->trip,
                                 best->reads->state->trip)))
    {
        best = master;
    }

    reads->last = best;

    return best;
}


static ngx_uint_t
ngx_recs_redis_reads_fit(ngx_recs_redis_server_t *server)
{
    ngx_recs_redis_reads_t  *reads;

    if (ngx_recs_redis_breaker_open(&server->breaker)
        || ngx_recs_redis_server_ready(server) == 0)
    {
        return 0;
    }

    if (!server->replica) {
        return 1;
    }

    reads = server->reads;

    return !reads->failing
           && recs_redis_state_fit(reads->state, reads->number,
                                   ngx_current_msec, server->redis->max_lag);
}


void
ngx_recs_redis_reads_stat(ngx_recs_redis_server_t *server,
    ngx_recs_redis_server_stat_t *stat)
{
    recs_redis_state_t  *state;

    static const char  *links[] = { "new", "new", "up", "down", "unknown" };

    state = server->reads->state;

    stat->fit = ngx_recs_redis_reads_fit(server);
    stat->link = links[RECS_REDIS_LINK_NEW];
    stat->lag = -1;

    if (state->number != server->reads->number) {
        return;
    }

    stat->trip = state->trip;
    stat->link = links[state->link];

    if (server->replica && state->fresh) {
        stat->lag = ngx_max((int64_t) (ngx_current_msec - state->fresh), 0);
    }
}


void
ngx_recs_redis_reads_lost(ngx_recs_redis_server_t *replica)
{
    recs_redis_said_t  said;

    ngx_memzero(&said, sizeof(recs_redis_said_t));
    said.link = RECS_REDIS_LINK_DOWN;

    if (ngx_recs_redis_map_lock(replica->redis->mutex) != NGX_OK) {
        return;
    }

    recs_redis_state_said(replica->reads->state, replica->reads->number, NULL,
                          &said, ngx_current_msec, 0);

    ngx_shmtx_unlock(replica->redis->mutex);
}


void
ngx_recs_redis_reads_look(ngx_recs_redis_t *redis)
{
    ngx_msec_t                interval;
    ngx_recs_redis_server_t  *server;

    interval = ngx_min(redis->max_lag / 4, NGX_RECS_REDIS_READS_ASK);
    interval = ngx_max(interval, NGX_RECS_REDIS_READS_LEAST);

    if (!recs_redis_due(&redis->shared->states_due, ngx_current_msec,
                        interval))
    {
        return;
    }

    for (server = redis->servers; server; server = server->next) {
        ngx_recs_redis_reads_ask(server);
    }
}


/* One that has not answered the last time is left in peace. */

static void
ngx_recs_redis_reads_ask(ngx_recs_redis_server_t *server)
{
    ngx_str_t                args[2];
    ngx_recs_redis_conn_t   *conn;
    ngx_recs_redis_reads_t  *reads;

    reads = server->reads;
    conn = NULL;

    if (reads->query.slot == NULL && ngx_recs_redis_server_ready(server)) {
        conn = ngx_recs_redis_server_pick(server);
    }

    if (conn) {
        ngx_str_set(&args[0], "INFO");
        ngx_str_set(&args[1], "replication");

        reads->read = 0;
        reads->asked = ngx_current_msec;
        reads->asked_us = ngx_recs_redis_reads_now();

        if (ngx_recs_redis_send(conn, &reads->query, 2, args) == NGX_OK) {
            return;
        }
    }

    ngx_recs_redis_reads_tell(server);
}


static ngx_int_t
ngx_recs_redis_reads_value(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v)
{
    ngx_recs_redis_server_t  *server;

    server = q->data;

    if (v->depth == 0 && v->type == NGX_RECS_REDIS_STRING) {
        server->reads->read = 1;
        (void) recs_redis_said(&server->reads->said, (char *) v->str.data,
                               v->str.len);
    }

    return NGX_OK;
}


static void
ngx_recs_redis_reads_done(ngx_recs_redis_query_t *q, ngx_int_t rc,
    ngx_str_t *error)
{
    recs_redis_said_t        *said;
    ngx_recs_redis_reads_t   *reads;
    ngx_recs_redis_server_t  *server;

    server = q->data;
    reads = server->reads;
    said = &reads->said;

    if (rc == NGX_ABORT) {
        ngx_recs_redis_reads_tell(server);
        return;
    }

    if (rc != NGX_OK || !reads->read) {
        (void) recs_redis_said(said, "", 0);
    }

    if (rc == NGX_ERROR && error->len > 8
        && ngx_memcmp(error->data, "LOADING ", 8) == 0)
    {
        said->link = RECS_REDIS_LINK_DOWN;
    }

    if (server->replica && said->link == RECS_REDIS_LINK_MASTER) {
        /* it was made one; whether of these keys, MOVED tells */
        said->link = RECS_REDIS_LINK_DOWN;
    }

    if (ngx_recs_redis_map_lock(server->redis->mutex) != NGX_OK) {
        return;
    }

    recs_redis_state_said(reads->state, reads->number,
                          server->source ? server->source->reads->state : NULL,
                          said, reads->asked, server->redis->max_lag / 6);
    recs_redis_state_trip(reads->state,
                          ngx_recs_redis_reads_now() - reads->asked_us);

    ngx_shmtx_unlock(server->redis->mutex);

    ngx_recs_redis_reads_tell(server);
}


/* One line in the log when a replica is no longer read from, or is again. */

static void
ngx_recs_redis_reads_tell(ngx_recs_redis_server_t *server)
{
    uint64_t             told;
    ngx_log_t           *log;
    const char          *what;
    ngx_uint_t           level;
    recs_redis_state_t  *state;

    static const char  *whats[] = {
        "is read from again: it follows its master",
        "is not read from: it has lost its master",
        "is not read from: it lags behind its master",
        "is read from, and does not say whether it follows its master"
    };

    state = server->reads->state;

    if (!server->replica || state->number != server->reads->number
        || state->link == RECS_REDIS_LINK_NEW)
    {
        return;
    }

    if (state->link == RECS_REDIS_LINK_UNKNOWN) {
        told = 3;

    } else if (recs_redis_state_fit(state, server->reads->number,
                                    ngx_current_msec, server->redis->max_lag))
    {
        told = 0;

    } else {
        told = (state->link == RECS_REDIS_LINK_UP) ? 2 : 1;
    }

    if (__atomic_exchange_n(&state->told, told, __ATOMIC_ACQ_REL) == told) {
        return;
    }

    log = server->conns[0].log;
    what = whats[told];
    level = (told == 1 || told == 2) ? NGX_LOG_WARN : NGX_LOG_NOTICE;

    ngx_log_error(level, log, 0, "recs_redis \"%V\" %V: this replica %s",
                  &server->redis->name, &server->name, what);
}


static uint64_t
ngx_recs_redis_reads_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
