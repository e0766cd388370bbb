
/*
 * Which share of the ids asked about was refused lately, in memory that
 * processes share: any number add and sum up, take no lock and never wait.
 * Plain C99 with GCC's __atomic builtins; a process may be killed at any
 * instant: each change is one store.
 *
 * A window is counted in tenths of it: the one that has begun, and the nine
 * before.  So ids count for at most the window, and for at least nine tenths.
 */


#ifndef RECS_SHARE_H
#define RECS_SHARE_H


#include "recs_base.h"


#define RECS_SHARE_STEPS  10


/* All zero: nothing was asked. */

typedef struct {
    uint64_t    steps[RECS_SHARE_STEPS];
} recs_share_t;


/*
 * Of asked ids (at least 1) refused were (at most as many).  window is in ms,
 * and the same for all that use it; now is ms of any clock that all processes
 * share and that is never set, and may lag behind that of others.
 */

void recs_share_add(recs_share_t *share, uint64_t window, uint64_t now,
    uint64_t asked, uint64_t refused);

/*
 * The sums of the window until now.  Of over a million ids in a tenth they are
 * too small, in the same proportion.
 */

void recs_share_sum(const recs_share_t *share, uint64_t window, uint64_t now,
    uint64_t *asked, uint64_t *refused);


#endif /* RECS_SHARE_H */
