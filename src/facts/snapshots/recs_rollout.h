
/*
 * How a version of a snapshot does: four shares of its latest pages, and the
 * limits past which a guard leaves it for the version before.  Plain C99; what
 * was seen is in shared memory (recs_share.h): any number of processes add to
 * it and judge, and take no lock.
 *
 * Shares are in hundredths of a percent.
 */


#ifndef RECS_ROLLOUT_H
#define RECS_ROLLOUT_H


#include "recs_share.h"


typedef enum {
    RECS_ROLLOUT_REMOVED = 0,   /* items that were removed, of all */
    RECS_ROLLOUT_EMPTY,         /* pages that have no item (any more) */
    RECS_ROLLOUT_MISSING,       /* users who have no row */
    RECS_ROLLOUT_ERRORS,        /* rows that are no page */
    RECS_ROLLOUT_SHARES
} recs_rollout_e;


/* What was seen of one version.  All zero: nothing. */

typedef struct {
    recs_share_t          shares[RECS_ROLLOUT_SHARES];
} recs_rollout_seen_t;


typedef struct {
    unsigned              given:1;
    unsigned              relative:1;   /* above the other version's share */
    uint64_t              share;        /* more than that is too much */
} recs_rollout_limit_t;


/* A guard, as it is configured. */

typedef struct {
    recs_rollout_limit_t  limits[RECS_ROLLOUT_SHARES];
    uint64_t              window;       /* ms; both versions are counted in the
                                           same */
    uint64_t              min;          /* of fewer pages, or users, in it there
                                           is no share */
} recs_rollout_t;


/* A share that is too large. */

typedef struct {
    recs_rollout_e        what;
    uint64_t              share;
    uint64_t              limit;        /* the other's share included */
    uint64_t              n;            /* of so many pages, or users */
} recs_rollout_found_t;


/* What the shares are called: "removed", ... */

extern const char *const  recs_rollout_names[RECS_ROLLOUT_SHARES];


/* Of n (at least 1) hits were so; window and now are as in recs_share_add(). */

void recs_rollout_add(recs_rollout_seen_t *seen, recs_rollout_e what,
    uint64_t window, uint64_t now, uint64_t n, uint64_t hits);

/*
 * A share within the window until now, and *n, of how many pages, or users.
 * 0 of 0 is 0.
 */

uint64_t recs_rollout_share(const recs_rollout_seen_t *seen,
    recs_rollout_e what, uint64_t window, uint64_t now, uint64_t *n);

/*
 * Is a share past its limit?  The first one that is, is told.  other is what
 * was seen of the version that relative limits are compared with; without it,
 * or with fewer than min of it, these are not judged.  Returns 1 or 0.
 */

int recs_rollout_judge(const recs_rollout_t *guard,
    const recs_rollout_seen_t *seen, const recs_rollout_seen_t *other,
    uint64_t now, recs_rollout_found_t *found);


#endif /* RECS_ROLLOUT_H */
