
/* AUTH on open connections, again and again: see the header. */


#include "ngx_recs_redis_renew.h"
#include "ngx_recs_redis_conn.h"


/* how often connections are looked at: a tenth of refresh=, ms, at most */
#define NGX_RECS_REDIS_RENEW  1000


static void ngx_recs_redis_renew_look(ngx_event_t *ev);
static void ngx_recs_redis_renew_wait(ngx_recs_redis_t *redis);


void
ngx_recs_redis_renew_init_worker(ngx_recs_redis_t *redis, ngx_cycle_t *cycle)
{
    if (redis->login.refresh == 0 && redis->sentinel_login.refresh == 0) {
        return;
    }

    redis->renew.handler = ngx_recs_redis_renew_look;
    redis->renew.data = redis;
    redis->renew.log = cycle->log;
    redis->renew.cancelable = 1;

    ngx_recs_redis_renew_wait(redis);
}


void
ngx_recs_redis_renew_exit_worker(ngx_recs_redis_t *redis)
{
    if (redis->renew.timer_set) {
        ngx_del_timer(&redis->renew);
    }

    ngx_recs_redis_login_forget(&redis->login);
    ngx_recs_redis_login_forget(&redis->sentinel_login);
}


static void
ngx_recs_redis_renew_wait(ngx_recs_redis_t *redis)
{
    ngx_msec_t  wait, refresh;

    wait = NGX_RECS_REDIS_RENEW;
    refresh = redis->login.refresh;

    if (refresh) {
        wait = ngx_min(wait, refresh / 10);
    }

    refresh = redis->sentinel_login.refresh;

    if (refresh) {
        wait = ngx_min(wait, refresh / 10);
    }

    ngx_add_timer(&redis->renew, wait);
}


static void
ngx_recs_redis_renew_look(ngx_event_t *ev)
{
    ngx_uint_t                i;
    ngx_recs_redis_t         *redis;
    ngx_recs_redis_conn_t    *conn, *next;
    ngx_recs_redis_server_t  *server;

    redis = ev->data;

    for (server = redis->servers; server; server = server->next) {
        for (i = 0; server->conns && i <= redis->nconns; i++) {
            ngx_recs_redis_conn_renew(&server->conns[i]);
        }
    }

    for (conn = redis->privates; conn; conn = next) {
        next = conn->tie.next;
        ngx_recs_redis_conn_renew(conn);
    }

    ngx_recs_redis_renew_wait(redis);
}
