
/*
 * When a lost connection is opened again: see the header.
 *
 * Backoff bounds what one connection does.  If a server is away, all of all
 * workers fail, and each attempt may be a handshake of TLS: so they take turns,
 * and the first one that is ready ends that for all.  Turns, and not the probe
 * of a breaker, as they serve all connections alike: also those of a Redis
 * that has no breaker, or with which no question is asked.
 */


#include <ngx_event.h>

#include "ngx_recs_redis_retry.h"


/* one that was ready for so long is reopened at once when it is lost, ms */
#define NGX_RECS_REDIS_PROVEN       1000

/* each next one is twice as long, +-25% of jitter: at most 500 ms */
#define NGX_RECS_REDIS_BACKOFF      50
#define NGX_RECS_REDIS_BACKOFF_MAX  400

/*
 * A turn, ms, is so long for each address of the server, since all are tried in
 * it: so 10 connections a second are tried, and more of over 10 addresses
 */
#define NGX_RECS_REDIS_PACE         100
#define NGX_RECS_REDIS_PACE_MAX     1000


ngx_msec_t
ngx_recs_redis_retry(ngx_recs_redis_retry_t *retry, ngx_uint_t naddrs,
    ngx_uint_t ready, ngx_msec_t since)
{
    ngx_msec_t  delay;

    if (ready) {

        if (ngx_current_msec - since >= NGX_RECS_REDIS_PROVEN) {
            retry->backoffs = 0;
            return 0;
        }

    } else {
        retry->addr = (retry->addr + 1) % naddrs;
        retry->tried++;

        if (retry->tried < naddrs) {
            return 0;
        }

        retry->tried = 0;
    }

    delay = ngx_min(NGX_RECS_REDIS_BACKOFF << retry->backoffs,
                    NGX_RECS_REDIS_BACKOFF_MAX);

    if (delay < NGX_RECS_REDIS_BACKOFF_MAX) {
        retry->backoffs++;
    }

    return delay - delay / 4 + ngx_random() % (delay / 2 + 1);
}


/* One that goes on to its next address is still in its turn. */

ngx_msec_t
ngx_recs_redis_retry_wait(const ngx_recs_redis_retry_t *retry,
    ngx_atomic_t *pace, ngx_uint_t naddrs)
{
    ngx_msec_t         turn;
    ngx_msec_int_t     left;
    ngx_atomic_uint_t  next;

    if (pace == NULL || retry->backoffs == 0 || retry->tried) {
        return 0;
    }

    next = *pace;

    if (next == 0) {
        return 0;
    }

    left = (ngx_msec_int_t) (next - ngx_current_msec);
    turn = ngx_min(NGX_RECS_REDIS_PACE * naddrs, NGX_RECS_REDIS_PACE_MAX);

    if (left <= 0
        && ngx_atomic_cmp_set(pace, next, (ngx_current_msec + turn) | 1))
    {
        return 0;
    }

    return ngx_max(left, 0) + 1 + ngx_random() % NGX_RECS_REDIS_BACKOFF_MAX;
}


void
ngx_recs_redis_retry_ill(ngx_atomic_t *pace)
{
    if (pace && *pace == 0) {
        (void) ngx_atomic_cmp_set(pace, 0, ngx_current_msec | 1);
    }
}


void
ngx_recs_redis_retry_well(ngx_atomic_t *pace)
{
    if (pace && *pace) {
        *pace = 0;
    }
}
