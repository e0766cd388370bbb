
/*
 * What was counted lately, step by step: sums that rise, noted at the end of
 * each step, in memory that processes share.  Who counts pays for one look: is
 * it a new step?  The first one to see it notes the sums of the step before.
 * Plain C99 with GCC's __atomic builtins; nobody waits, and a process may be
 * killed at any instant: then what was counted in a step counts in the next.
 *
 * A step is a number of any clock that all processes share and that is never
 * set, such as ms / 10000; it is not 0.
 */


#ifndef RECS_RECENT_H
#define RECS_RECENT_H


#include "recs_base.h"


#define RECS_RECENT_STEPS   60      /* that are told of, with the one now */
#define RECS_RECENT_SERIES  16      /* sums */
#define RECS_RECENT_NOTES   64      /* a power of two, more than the steps */


/* The sums when that step was over. */

typedef struct {
    uint64_t         step;          /* 0: there is none, or it is being
                                       written */
    uint64_t         sums[RECS_RECENT_SERIES];
} recs_recent_note_t;

/* In shared memory, all zero at first. */

typedef struct {
    uint64_t         step;          /* in which was counted last; 0: never */
    recs_recent_note_t  notes[RECS_RECENT_NOTES];
} recs_recent_t;


/* How much was counted in each step, the oldest first, the last one is now. */

typedef struct {
    uint64_t         counts[RECS_RECENT_SERIES][RECS_RECENT_STEPS];
} recs_recent_view_t;


/* Is it a new step?  Then recs_recent_turn() is to be called. */

static inline int
recs_recent_due(const recs_recent_t *recent, uint64_t step)
{
    return step > __atomic_load_n(&recent->step, __ATOMIC_RELAXED);
}

/*
 * Something will be counted in that step, and the sums are as they are before
 * that: notes them, unless another does.
 */

void recs_recent_turn(recs_recent_t *recent, uint64_t step,
    const uint64_t *sums);

/* What was counted until now, in that step, with the sums as they are. */

void recs_recent_view(const recs_recent_t *recent, uint64_t step,
    const uint64_t *sums, recs_recent_view_t *view);


#endif /* RECS_RECENT_H */
