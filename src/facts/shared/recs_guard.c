
/* What was read is judged before it replaces what is known good. */


#include "recs_guard.h"


static int recs_guard_shrunk(const recs_guard_t *guard, uint64_t had,
    uint64_t n);


recs_guard_e
recs_guard_judge(const recs_guard_t *guard, const recs_guard_held_t *held,
    uint64_t had, uint64_t n, uint64_t now)
{
    if (n < guard->min_members) {
        return n ? RECS_GUARD_FEW : RECS_GUARD_ABSENT;
    }

    if (!recs_guard_shrunk(guard, had, n)) {
        return RECS_GUARD_TAKE;
    }

    /* what has shrunk once more since then is looked at once more */

    if (held->why != RECS_GUARD_SHRUNK
        || recs_guard_shrunk(guard, held->seen, n)
        || now - held->began < guard->wait)
    {
        return RECS_GUARD_SHRUNK;
    }

    return RECS_GUARD_BELIEVE;
}


/* As a quotient: no number of members is too large for it. */

static int
recs_guard_shrunk(const recs_guard_t *guard, uint64_t had, uint64_t n)
{
    return (double) n * 100 < (double) had * guard->shrink;
}


int
recs_guard_hold(const recs_guard_t *guard, recs_guard_held_t *held,
    recs_guard_e why, uint64_t had, uint64_t n, uint64_t now, uint64_t time)
{
    int  changed;

    changed = (held->why != (uint64_t) why);

    if (held->why == RECS_GUARD_TAKE) {
        held->since = time;
    }

    if (changed || recs_guard_shrunk(guard, held->seen, n)) {
        held->seen = n;
        held->began = now;
    }

    held->had = had;
    held->now = n;
    held->why = why;

    return changed;
}


int
recs_guard_release(recs_guard_held_t *held)
{
    int  held_back;

    held_back = (held->why != RECS_GUARD_TAKE);
    held->why = RECS_GUARD_TAKE;

    return held_back;
}
