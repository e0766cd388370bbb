
/* The lease by which one worker leads. */



#include "ngx_recs_leader.h"


/* How often a worker renews the lease, or looks whether it is free, ms. */

#define NGX_RECS_LEADER_TICK   200

/* A lease that was not renewed for so long is free, ms. */

#define NGX_RECS_LEADER_LEASE  1000

/*
 * The mutex is held for microseconds.  Who holds it much longer was stopped
 * there: nobody waits for that.
 */

#define NGX_RECS_LEADER_TRIES  100


static void ngx_recs_leader_tick(ngx_event_t *ev);
static void ngx_recs_leader_renew(ngx_recs_leader_t *leader);
static void ngx_recs_leader_take(ngx_recs_leader_t *leader);
static void ngx_recs_leader_release(ngx_recs_leader_t *leader);
static void ngx_recs_leader_lost(ngx_recs_leader_t *leader);
static ngx_uint_t ngx_recs_leader_free(ngx_recs_lease_t *lease);


void
ngx_recs_leader_init_zone(ngx_recs_leader_t *leader, ngx_recs_zone_t *zone)
{
    static ngx_str_t  name = ngx_string("");

    leader->zone = zone;
    leader->lease = ngx_recs_zone_block(zone, NGX_RECS_ZONE_LEADER, &name,
                                        sizeof(ngx_recs_lease_t));
}


void
ngx_recs_leader_add(ngx_recs_leader_t *leader, ngx_recs_leader_user_t *user)
{
    user->next = leader->users;
    leader->users = user;
}


void
ngx_recs_leader_start(ngx_recs_leader_t *leader, ngx_cycle_t *cycle)
{
    if (leader->users == NULL) {
        return;
    }

    leader->timer.handler = ngx_recs_leader_tick;
    leader->timer.data = leader;
    leader->timer.log = cycle->log;
    leader->timer.cancelable = 1;

    ngx_recs_leader_tick(&leader->timer);
}


void
ngx_recs_leader_exit(ngx_recs_leader_t *leader)
{
    if (leader->leads) {
        ngx_recs_leader_release(leader);
    }
}


static void
ngx_recs_leader_tick(ngx_event_t *ev)
{
    ngx_recs_leader_t  *leader;

    leader = ev->data;

    if (ngx_exiting) {

        if (leader->leads) {
            ngx_recs_leader_release(leader);
            ngx_recs_leader_lost(leader);
        }

        return;
    }

    if (leader->leads) {
        ngx_recs_leader_renew(leader);

    } else if (ngx_recs_leader_free(leader->lease)) {
        ngx_recs_leader_take(leader);
    }

    ngx_add_timer(ev, NGX_RECS_LEADER_TICK);
}


static void
ngx_recs_leader_renew(ngx_recs_leader_t *leader)
{
    ngx_int_t  rc;

    rc = ngx_recs_leader_lock(leader);

    if (rc == NGX_OK) {
        leader->lease->renewed = ngx_current_msec;
        ngx_recs_leader_unlock(leader);

    } else if (rc == NGX_DECLINED) {
        ngx_recs_leader_lost(leader);
    }
}


static void
ngx_recs_leader_take(ngx_recs_leader_t *leader)
{
    ngx_recs_lease_t        *lease;
    ngx_recs_leader_user_t  *user;

    if (ngx_recs_leader_lock_any(leader) != NGX_OK) {
        return;
    }

    lease = leader->lease;

    if (!ngx_recs_leader_free(lease)) {
        ngx_recs_leader_unlock(leader);
        return;
    }

    leader->term = ++lease->term;
    lease->renewed = ngx_current_msec;
    lease->pid = ngx_pid;

    ngx_recs_leader_unlock(leader);

    leader->leads = 1;

    ngx_log_error(NGX_LOG_INFO, leader->timer.log, 0,
                  "this worker leads in recs_zone, term %uA", leader->term);

    for (user = leader->users; user; user = user->next) {
        user->gained(user->data);
    }
}


/*
 * If the mutex can't be had, nobody can take over either, until it can: the
 * process is gone then.
 */

static void
ngx_recs_leader_release(ngx_recs_leader_t *leader)
{
    if (ngx_recs_leader_lock(leader) == NGX_OK) {
        leader->lease->pid = 0;
        ngx_recs_leader_unlock(leader);
    }
}


static void
ngx_recs_leader_lost(ngx_recs_leader_t *leader)
{
    ngx_recs_leader_user_t  *user;

    leader->leads = 0;

    for (user = leader->users; user; user = user->next) {
        user->lost(user->data);
    }
}


static ngx_uint_t
ngx_recs_leader_free(ngx_recs_lease_t *lease)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) lease->pid;

    return pid == 0
           || (ngx_msec_int_t) (ngx_current_msec - lease->renewed)
              > NGX_RECS_LEADER_LEASE
           || (kill(pid, 0) == -1 && ngx_errno == ESRCH);
}


ngx_int_t
ngx_recs_leader_lock(ngx_recs_leader_t *leader)
{
    if (!leader->leads) {
        return NGX_DECLINED;
    }

    if (ngx_recs_leader_lock_any(leader) != NGX_OK) {
        return NGX_BUSY;
    }

    if ((ngx_pid_t) leader->lease->pid == ngx_pid
        && leader->lease->term == leader->term)
    {
        return NGX_OK;
    }

    ngx_recs_leader_unlock(leader);

    return NGX_DECLINED;
}


/*
 * The slab's mutex: of all in shared memory, the one that the master unlocks if
 * its holder dies.
 */

ngx_int_t
ngx_recs_leader_lock_any(ngx_recs_leader_t *leader)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_LEADER_TRIES; i++) {

        if (ngx_shmtx_trylock(&leader->zone->shpool->mutex)) {
            return NGX_OK;
        }

        ngx_sched_yield();
    }

    return NGX_BUSY;
}


void
ngx_recs_leader_unlock(ngx_recs_leader_t *leader)
{
    ngx_shmtx_unlock(&leader->zone->shpool->mutex);
}


ngx_pid_t
ngx_recs_leader_pid(ngx_recs_leader_t *leader)
{
    return (ngx_pid_t) leader->lease->pid;
}
