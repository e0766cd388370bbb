
/*
 * What is known good is not replaced by what is absent or suddenly small: what
 * was just read of a set or a pool is judged before it takes the place of what
 * there is.  Plain C99; what is held back is known in shared memory, where one
 * process writes and any may read.
 *
 * An empty set is an absent key in Redis, and a set of which most is gone may
 * be one that is being rebuilt, or was restored from an old dump.  The first is
 * not believed at all, unless nothing may be there; the second if it is still
 * so after a while.
 */


#ifndef RECS_GUARD_H
#define RECS_GUARD_H


#include "recs_base.h"


typedef enum {
    RECS_GUARD_TAKE = 0,
    RECS_GUARD_BELIEVE,         /* it shrank, and stayed so */
    RECS_GUARD_ABSENT,          /* nothing is there: it is held back, ... */
    RECS_GUARD_FEW,             /* fewer than min_members: ... */
    RECS_GUARD_SHRUNK           /* it shrank: ... */
} recs_guard_e;


/* Is what was read held back? */

#define recs_guard_holds(verdict)  ((verdict) >= RECS_GUARD_ABSENT)


/* As it is configured. */

typedef struct {
    uint64_t               min_members; /* fewer are as none; 0: none may be
                                           there */
    unsigned               shrink;      /* a percentage of what there was: fewer
                                           are held back; 0: they never are */
    uint64_t               wait;        /* ms, until they are believed */
} recs_guard_t;


/* What is held back.  All zero: nothing.  Members are of different moments. */

typedef struct {
    volatile uint64_t      why;         /* recs_guard_e; 0: nothing is */
    volatile uint64_t      since;       /* unix seconds */
    volatile uint64_t      had;         /* members of what stays */
    volatile uint64_t      now;         /* members, when it was last read */

    /* private */

    volatile uint64_t      seen;        /* members, when the wait began ... */
    volatile uint64_t      began;       /* ... at that time, ms */
} recs_guard_held_t;


/*
 * May n members take the place of had, which are 0 if there is nothing yet?
 * now: ms, of a clock that is never set.
 */

recs_guard_e recs_guard_judge(const recs_guard_t *guard,
    const recs_guard_held_t *held, uint64_t had, uint64_t n, uint64_t now);

/*
 * They may not, says judge(), which is noted.  Returns 1 if that is new, 0 if
 * the same was so the last time.  time: unix seconds.
 */

int recs_guard_hold(const recs_guard_t *guard, recs_guard_held_t *held,
    recs_guard_e why, uint64_t had, uint64_t n, uint64_t now, uint64_t time);

/* They did: nothing is held back any more.  Returns 1 if something was. */

int recs_guard_release(recs_guard_held_t *held);


#endif /* RECS_GUARD_H */
