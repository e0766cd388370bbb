
/*
 * One worker of all that share the zone leads: it does what only one may do
 * (follow Redis and write what it says into shared memory).  The leader holds a
 * lease; a worker that is exiting releases it, and another takes it over when
 * the leader's process is gone or has not renewed it for so long.
 *
 * A leader that was stopped learns late that it leads no more: so it writes
 * only between ngx_recs_leader_lock(), which checks that, and unlock().
 */


#ifndef NGX_RECS_LEADER_H
#define NGX_RECS_LEADER_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_recs_zone.h"


/* In shared memory; changed under the zone's mutex. */

typedef struct {
    ngx_atomic_t               pid;         /* 0: nobody leads */
    ngx_atomic_t               term;        /* rises with each leader */
    ngx_atomic_t               renewed;     /* ngx_current_msec then */
} ngx_recs_lease_t;


typedef struct ngx_recs_leader_user_s  ngx_recs_leader_user_t;

/* Who wants to know; the memory is the user's. */

struct ngx_recs_leader_user_s {
    void                     (*gained)(void *data); /* this worker leads now */
    void                     (*lost)(void *data);   /* not any more; never
                                                       called at exit */
    void                      *data;
    ngx_recs_leader_user_t    *next;        /* private */
};


typedef struct {
    ngx_recs_zone_t           *zone;
    ngx_recs_lease_t          *lease;

    /* this worker's */

    ngx_recs_leader_user_t    *users;
    ngx_event_t                timer;
    ngx_uint_t                 leads;       /* as far as it knows */
    ngx_atomic_uint_t          term;        /* its own */
} ngx_recs_leader_t;


/*
 * In the zone's init: finds the lease.  If there is no room for it, that is an
 * error of ngx_recs_zone_check().
 */

void ngx_recs_leader_init_zone(ngx_recs_leader_t *leader,
    ngx_recs_zone_t *zone);

/*
 * In init_process: first the users, then the start, which may call gained().
 * Without users it does nothing.
 */

void ngx_recs_leader_add(ngx_recs_leader_t *leader,
    ngx_recs_leader_user_t *user);
void ngx_recs_leader_start(ngx_recs_leader_t *leader, ngx_cycle_t *cycle);

/* In exit_process: releases the lease at once. */

void ngx_recs_leader_exit(ngx_recs_leader_t *leader);

/*
 * NGX_OK: this worker leads, and nobody can take over until unlock().  Do
 * little in between: no call that could block.
 * NGX_DECLINED: it does not lead (lost() will be called, or was).
 * NGX_BUSY: another worker holds the mutex and does not let go of it; later.
 */

ngx_int_t ngx_recs_leader_lock(ngx_recs_leader_t *leader);
void ngx_recs_leader_unlock(ngx_recs_leader_t *leader);

/*
 * The same lock for any worker, for the little that not the leader alone
 * writes.  NGX_OK or NGX_BUSY.
 */

ngx_int_t ngx_recs_leader_lock_any(ngx_recs_leader_t *leader);

/* The process that leads, 0: none. */

ngx_pid_t ngx_recs_leader_pid(ngx_recs_leader_t *leader);


#endif /* NGX_RECS_LEADER_H */
