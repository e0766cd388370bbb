
/*
 * Is a set to be believed?  One that suddenly refuses nearly everything is more
 * likely to be wrong than right: its answers are unknown until it refuses less
 * again.  All workers count, in shared memory, without a lock.
 */


#ifndef NGX_RECS_TRUST_H
#define NGX_RECS_TRUST_H


#include "ngx_recs_set.h"
#include "ngx_recs_zone.h"
#include "recs_share.h"


/* In shared memory. */

typedef struct {
    recs_share_t              share;    /* of the ids that it refuses */
    ngx_atomic_t              over;     /* ngx_current_msec when the share was
                                           last found to be too large */
    ngx_atomic_t              since;    /* unix seconds, when it came to be
                                           distrusted; 0: it is trusted */
} ngx_recs_trust_shared_t;


struct ngx_recs_trust_s {
    ngx_recs_set_t           *set;
    ngx_uint_t                max_removed;  /* hundredths of a percent */
    ngx_msec_t                window;       /* ms */
    ngx_uint_t                min_asked;    /* ids in it, to judge by */
    ngx_recs_trust_shared_t  *shared;
};


/* For the status, and for an image. */

typedef struct {
    time_t                    since;    /* unix seconds; 0: it is trusted */
    uint64_t                  asked;    /* ids, within the window */
    uint64_t                  refused;
} ngx_recs_trust_stat_t;


/* In the zone's init.  If there is no room, zone->missing or full says so. */

void ngx_recs_trust_init_zone(ngx_recs_trust_t *trust, ngx_recs_zone_t *zone);

/*
 * Counts the answers about n ids, of which those that are refused go, and logs
 * what changes.  False: the set is distrusted now.
 */

ngx_uint_t ngx_recs_trust_judge(ngx_recs_trust_t *trust, const u_char *answers,
    ngx_uint_t n, u_char refused, ngx_log_t *log);

/*
 * It was distrusted when it was put away, since then (unix seconds, 0: it was
 * not): it is for one window more, unless it is known to be by itself.
 */

void ngx_recs_trust_restore(ngx_recs_trust_t *trust, time_t since);

/* What is known now; logs that it is trusted again. */

void ngx_recs_trust_stat(ngx_recs_trust_t *trust, ngx_recs_trust_stat_t *stat,
    ngx_log_t *log);


#endif /* NGX_RECS_TRUST_H */
