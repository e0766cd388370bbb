
/*
 * The share of users who have no row, compared with the usual share: rows that
 * Redis has evicted leave no other trace.  Plain C99.  The caller has what is
 * noted in shared memory, and sees to it that one process at a time is here.
 */


#ifndef RECS_MISSING_SHARE_H
#define RECS_MISSING_SHARE_H


#include "recs_base.h"


/* A window, of which a share is taken, has at least so many users. */

#define RECS_MISSING_SHARE_WINDOW  100


/* All zero: no window was seen.  Shares are in hundredths of a percent. */

typedef struct {
    uint64_t    known;      /* 1: usual is known, a window was seen */
    uint64_t    usual;
    uint64_t    now;        /* of the last window */
    uint64_t    since;      /* when the share jumped; 0: it is as usual */
    uint64_t    asked;      /* the counters when the window began */
    uint64_t    missing;
} recs_missing_share_t;


typedef enum {
    RECS_MISSING_SHARE_SAME = 0,    /* no news */
    RECS_MISSING_SHARE_JUMPED,      /* far more users than usual have no row */
    RECS_MISSING_SHARE_USUAL        /* it is as usual again, or usual by now */
} recs_missing_share_e;


/*
 * Judges the share of the window that ends here, if it has users enough; says
 * once that it jumped, and once that this is over.  The counters are given as
 * they are now: users asked for, and those of them without a row.  They rise,
 * but as each is made of several that are read one after the other, either may
 * be a little behind or ahead.  now is the time, whatever its unit, not 0.
 */

recs_missing_share_e recs_missing_share_judge(recs_missing_share_t *m,
    uint64_t asked, uint64_t missing, uint64_t now);


#endif /* RECS_MISSING_SHARE_H */
