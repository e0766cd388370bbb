
/*
 * How often items were shown lately, in memory that processes share: any number
 * count and look, take no lock and never wait.  Plain C99 with GCC's __atomic
 * builtins; nothing is allocated, no pointer is kept in the shared memory, and
 * a process may be killed at any instant: each change is one store.
 *
 * A window is counted in steps of a fourteenth of it, each item's last 15:
 * those reach back the whole window, and at most one step more.  So an item
 * counts as shown for at least the window, and for at most a fourteenth longer.
 *
 * An item has an entry in one of two lines, which its hash says, of 8 entries
 * each.  One that was not shown within the window can be taken by another item.
 * Where two take entries for the same item at once, both count.
 */


#ifndef RECS_CAP_H
#define RECS_CAP_H


#include "recs_base.h"


#define RECS_CAP_STEPS   14     /* of a window */
#define RECS_CAP_ALIGN   64     /* bytes, of the memory */


/* What is known of items.  In shared memory. */

typedef struct recs_cap_s  recs_cap_t;


typedef enum {
    RECS_CAP_OPEN = 0,          /* the item may be shown */
    RECS_CAP_REACHED,           /* it was shown as often as it may be */
    RECS_CAP_FULL               /* it has no entry, and there is none for it:
                                   it could not be counted */
} recs_cap_e;


/* Bytes for so many items, at least; about 128 each. */

size_t recs_cap_size(size_t items);

/*
 * Memory of that size, all zero and aligned to RECS_CAP_ALIGN, becomes one.
 * Nobody else must know of it yet.  secret is random.
 */

void recs_cap_create(recs_cap_t *cap, size_t size, uint64_t secret);

/* Was it?  Else it is all zero. */

int recs_cap_created(const recs_cap_t *cap);

/*
 * The hash of an item: of its pool's name and its id.  Items of the same hash
 * count as one; with n of them that is a chance of n^2 / 2^65.
 */

uint64_t recs_cap_hash(const recs_cap_t *cap, const recs_str_t *pool,
    const recs_str_t *id);

/*
 * Was the item shown max times within the window, ms, until now?  now is ms of
 * any clock that all processes share and that is never set.  It may lag behind
 * that of others.
 */

recs_cap_e recs_cap_peek(const recs_cap_t *cap, uint64_t hash, uint64_t max,
    uint64_t window, uint64_t now);

/*
 * The item was shown.  RECS_CAP_OPEN: it is counted; RECS_CAP_FULL: it is not.
 * All that use one recs_cap_t say the same window.
 */

recs_cap_e recs_cap_count(recs_cap_t *cap, uint64_t hash, uint64_t window,
    uint64_t now);


#endif /* RECS_CAP_H */
