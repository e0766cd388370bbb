
/* Shares of a version's pages, and whether one of them is past its limit. */


#include "recs_rollout.h"


const char *const  recs_rollout_names[RECS_ROLLOUT_SHARES] = {
    "removed", "empty", "missing", "errors"
};


void
recs_rollout_add(recs_rollout_seen_t *seen, recs_rollout_e what,
    uint64_t window, uint64_t now, uint64_t n, uint64_t hits)
{
    recs_share_add(&seen->shares[what], window, now, n, hits);
}


/* A removed item has its share of the items; but a page counts as one. */

uint64_t
recs_rollout_share(const recs_rollout_seen_t *seen, recs_rollout_e what,
    uint64_t window, uint64_t now, uint64_t *n)
{
    uint64_t  of, hits, empty;

    recs_share_sum(&seen->shares[what], window, now, &of, &hits);

    *n = of;

    if (what == RECS_ROLLOUT_REMOVED) {
        recs_share_sum(&seen->shares[RECS_ROLLOUT_EMPTY], window, now, n,
                       &empty);
    }

    return of ? hits * 10000 / of : 0;
}


int
recs_rollout_judge(const recs_rollout_t *guard, const recs_rollout_seen_t *seen,
    const recs_rollout_seen_t *other, uint64_t now,
    recs_rollout_found_t *found)
{
    unsigned                     i;
    uint64_t                     n, share, limit;
    const recs_rollout_limit_t  *l;

    for (i = 0; i < RECS_ROLLOUT_SHARES; i++) {
        l = &guard->limits[i];

        if (!l->given || (l->relative && other == NULL)) {
            continue;
        }

        limit = l->share;

        if (l->relative) {
            limit += recs_rollout_share(other, (recs_rollout_e) i,
                                        guard->window, now, &n);
            if (n < guard->min) {
                continue;
            }
        }

        share = recs_rollout_share(seen, (recs_rollout_e) i, guard->window,
                                   now, &n);

        if (n >= guard->min && share > limit) {
            found->what = (recs_rollout_e) i;
            found->share = share;
            found->limit = limit;
            found->n = n;
            return 1;
        }
    }

    return 0;
}
