
/* When a lost connection is opened again: see the header. */


#include <ngx_event.h>

#include "ngx_recs_redis_retry.h"


/* one that was ready for so long is reopened at once when it is lost, ms */
#define NGX_RECS_REDIS_PROVEN       1000

/* each next one is twice as long, +-25% of jitter: at most 500 ms */
#define NGX_RECS_REDIS_BACKOFF      50
#define NGX_RECS_REDIS_BACKOFF_MAX  400


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
