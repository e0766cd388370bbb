
/*
 * Which share of users has no row, beside what is usual: rows that Redis has
 * evicted leave no other trace.
 */


#ifndef RECS_MISSING_H
#define RECS_MISSING_H


#include "recs_base.h"


/* Looks at windows of at least so many users. */

#define RECS_MISSING_WINDOW  100


/* All zero: nobody was asked for.  Shares are hundredths of a percent. */

typedef struct {
    uint64_t    known;      /* usual is: a window was seen */
    uint64_t    usual;
    uint64_t    now;        /* of the last window */
    uint64_t    since;      /* when it jumped; 0: it is as usual */
    uint64_t    asked;      /* the counters when the window began */
    uint64_t    missing;
} recs_missing_t;


typedef enum {
    RECS_MISSING_SAME = 0,  /* no news */
    RECS_MISSING_JUMPED,    /* far more users than usual have no row */
    RECS_MISSING_USUAL      /* it is as usual again, or usual by now */
} recs_missing_e;


/*
 * The counters as they are now: users asked for, and those of them without a
 * row.  They rise, but as each is made of several that are read one after the
 * other, either may be a little behind or ahead.  now is the time, whatever its
 * unit, not 0.
 */

recs_missing_e recs_missing_judge(recs_missing_t *m, uint64_t asked,
    uint64_t missing, uint64_t now);


#endif /* RECS_MISSING_H */
