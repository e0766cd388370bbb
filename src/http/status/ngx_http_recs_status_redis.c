
/* The status of a Redis, of its servers, and of what is recorded there. */


#include "ngx_http_recs_status.h"


static void ngx_http_recs_status_breaker(ngx_recs_redis_t *redis,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_servers(ngx_recs_redis_t *redis,
    ngx_http_recs_status_t *st);
static void ngx_http_recs_status_reads(
    const ngx_recs_redis_server_stat_t *stat, ngx_http_recs_status_t *st);


static const ngx_http_recs_status_kind_t  ngx_http_recs_breaker_kind
    = { "redis_breaker", NULL };
static const ngx_http_recs_status_kind_t  ngx_http_recs_server_kind
    = { "redis_server", "server" };
static const ngx_http_recs_status_kind_t  ngx_http_recs_recorded_kind
    = { "recorded", NULL };


static const ngx_recs_metric_t  ngx_http_recs_redis_ready
    = ngx_recs_gauge("ready", "ready", NULL, 1,
                     "Connections that are ready, of the worker that "
                     "answers.");
static const ngx_recs_metric_t  ngx_http_recs_redis_connections
    = ngx_recs_gauge("connections", "connections", NULL, 1,
                     "Connections that each worker is to have.");

static const ngx_recs_metric_t  ngx_http_recs_breaker_open
    = ngx_recs_gauge("open", "open", NULL, 1,
                     "Servers that are not asked, as they failed or were "
                     "late.");
static const ngx_recs_metric_t  ngx_http_recs_breaker_since
    = ngx_recs_gauge("since", "since", "timestamp_seconds", 1,
                     "Since when servers are not asked, or all are, 0: ever.");

static const ngx_recs_metric_t  ngx_http_recs_server_replica
    = ngx_recs_gauge("replica", "replica", NULL, 1,
                     "1: the server is a replica, to be read from.");
static const ngx_recs_metric_t  ngx_http_recs_server_ready
    = ngx_recs_gauge("ready", "ready", NULL, 1,
                     "Connections to the server that are ready, of the "
                     "worker that answers.");
static const ngx_recs_metric_t  ngx_http_recs_server_fit
    = ngx_recs_gauge("fit", "fit", NULL, 1,
                     "1: pages are read from the server.");
static const ngx_recs_metric_t  ngx_http_recs_server_link
    = ngx_recs_state_gauge("link", "link", "state",
                           "1: the link of the replica to its master is so.");
static const ngx_recs_metric_t  ngx_http_recs_server_lag
    = ngx_recs_gauge("lag", "lag", "seconds", 1000,
                     "So much may the replica lack of what its master has.");
static const ngx_recs_metric_t  ngx_http_recs_server_trip
    = ngx_recs_gauge("trip", "trip", "seconds", 1000000,
                     "How long an answer of the server takes.");


void
ngx_http_recs_status_redis(void *thing, ngx_http_recs_status_t *st)
{
    ngx_http_recs_redis_t  *rr = thing;

    ngx_http_recs_status_uint(st, &ngx_http_recs_redis_ready,
                              ngx_recs_redis_ready(&rr->redis));
    ngx_http_recs_status_uint(st, &ngx_http_recs_redis_connections,
                              rr->redis.nconns);
    ngx_http_recs_status_counters(st, ngx_recs_redis_counters,
                                  rr->redis.counters);

    ngx_http_recs_status_breaker(&rr->redis, st);
    ngx_http_recs_status_servers(&rr->redis, st);

    if (rr->recorder.redis) {
        ngx_http_recs_status_open_as(st, "recorded",
                                     &ngx_http_recs_recorded_kind);
        ngx_http_recs_status_counters(st, ngx_recs_recorder_counters,
                                      rr->recorder.counters);
        ngx_http_recs_status_close(st);
    }
}


/* "breaker":{"state":"open","since":1790000000}, or null: there is none */

static void
ngx_http_recs_status_breaker(ngx_recs_redis_t *redis,
    ngx_http_recs_status_t *st)
{
    time_t      since;
    ngx_uint_t  open;

    static const ngx_str_t  states[] = {
        ngx_string("closed"),
        ngx_string("open")
    };

    if (redis->failures == 0) {
        ngx_http_recs_status_null(st, "breaker");
        return;
    }

    open = ngx_recs_redis_open(redis, &since);

    ngx_http_recs_status_open_as(st, "breaker", &ngx_http_recs_breaker_kind);
    ngx_http_recs_status_text(st, "state", &states[open != 0]);
    ngx_http_recs_status_uint(st, &ngx_http_recs_breaker_open, open)
        ->hidden = 1;
    ngx_http_recs_status_uint(st, &ngx_http_recs_breaker_since, since);
    ngx_http_recs_status_close(st);
}


/*
 * "10.0.0.4:6379":{"replica":true,"ready":1}, and of a Redis that pages read
 * from replicas of "fit":true,"link":"up","lag":900,"trip":210.
 */

static void
ngx_http_recs_status_servers(ngx_recs_redis_t *redis,
    ngx_http_recs_status_t *st)
{
    ngx_uint_t                    n;
    ngx_recs_redis_server_stat_t  stat;

    ngx_http_recs_status_open_as(st, "servers", NULL);

    for (n = 0; ngx_recs_redis_server_stat(redis, n, &stat); n++) {
        ngx_http_recs_status_open(st, &stat.name, &ngx_http_recs_server_kind);

        ngx_http_recs_status_flag(st, &ngx_http_recs_server_replica,
                                  stat.replica);
        ngx_http_recs_status_uint(st, &ngx_http_recs_server_ready, stat.ready);

        if (redis->reads) {
            ngx_http_recs_status_reads(&stat, st);
        }

        ngx_http_recs_status_close(st);
    }

    ngx_http_recs_status_close(st);
}


static void
ngx_http_recs_status_reads(const ngx_recs_redis_server_stat_t *stat,
    ngx_http_recs_status_t *st)
{
    ngx_str_t  link;

    static const ngx_str_t  links[] = {
        ngx_string("up"),
        ngx_string("down"),
        ngx_string("unknown"),
        ngx_string("new")
    };

    ngx_http_recs_status_flag(st, &ngx_http_recs_server_fit, stat->fit);

    if (stat->replica) {
        link.data = (u_char *) stat->link;
        link.len = ngx_strlen(stat->link);

        ngx_http_recs_status_text(st, "link", &link);
        ngx_http_recs_status_states(st, &ngx_http_recs_server_link, links, 4,
                                    &link);

        if (stat->lag == -1) {
            ngx_http_recs_status_none(st, &ngx_http_recs_server_lag);

        } else {
            ngx_http_recs_status_uint(st, &ngx_http_recs_server_lag,
                                      stat->lag);
        }
    }

    if (stat->trip == 0) {
        ngx_http_recs_status_number(st, "trip", 0);
        return;
    }

    ngx_http_recs_status_uint(st, &ngx_http_recs_server_trip, stat->trip);
}
