
/* Sums at the end of each step, and what was counted between two of them. */


#include "recs_recent.h"


static int recs_recent_read(const recs_recent_t *recent, uint64_t step,
    uint64_t *sums);
static uint64_t recs_recent_base(const recs_recent_t *recent, uint64_t first,
    uint64_t *sums);
static void recs_recent_add(recs_recent_view_t *view, size_t at,
    uint64_t *before, const uint64_t *sums);


void
recs_recent_turn(recs_recent_t *recent, uint64_t step, const uint64_t *sums)
{
    size_t               i;
    uint64_t             was;
    recs_recent_note_t  *note;

    was = __atomic_load_n(&recent->step, __ATOMIC_RELAXED);

    if (step <= was
        || !__atomic_compare_exchange_n(&recent->step, &was, step, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    {
        return;
    }

    /* nothing was counted since; what was before the first step is of none */

    was = was ? was : step - 1;
    note = &recent->notes[was % RECS_RECENT_NOTES];

    /* who reads one of the new sums, then finds the step gone */

    __atomic_store_n(&note->step, 0, __ATOMIC_RELAXED);

    for (i = 0; i < RECS_RECENT_SERIES; i++) {
        __atomic_store_n(&note->sums[i], sums[i], __ATOMIC_RELEASE);
    }

    __atomic_store_n(&note->step, was, __ATOMIC_RELEASE);
}


void
recs_recent_view(const recs_recent_t *recent, uint64_t step,
    const uint64_t *sums, recs_recent_view_t *view)
{
    uint64_t  n, first, last, noted[RECS_RECENT_SERIES];
    uint64_t  before[RECS_RECENT_SERIES];

    memset(view, 0, sizeof(recs_recent_view_t));

    last = __atomic_load_n(&recent->step, __ATOMIC_ACQUIRE);
    first = step > RECS_RECENT_STEPS ? step - RECS_RECENT_STEPS + 1 : 1;

    if (last < first) {
        return;
    }

    n = recs_recent_base(recent, first, before);

    if (n == 0) {
        /* older ones were written over, or there were none */

        for (n = first; n < last; n++) {
            if (recs_recent_read(recent, n, before)) {
                break;
            }
        }

        if (n == last) {
            return;
        }
    }

    for (n = n < first ? first : n + 1; n < last; n++) {
        if (recs_recent_read(recent, n, noted)) {
            recs_recent_add(view, (size_t) (n - first), before, noted);
        }
    }

    /* the last step has no note yet; a clock behind others' ends before it */

    n = last < step ? last : step;
    recs_recent_add(view, (size_t) (n - first), before, sums);
}


/* The note of that step, copied.  False: there is none. */

static int
recs_recent_read(const recs_recent_t *recent, uint64_t step, uint64_t *sums)
{
    size_t                     i;
    const recs_recent_note_t  *note;

    note = &recent->notes[step % RECS_RECENT_NOTES];

    if (__atomic_load_n(&note->step, __ATOMIC_ACQUIRE) != step) {
        return 0;
    }

    for (i = 0; i < RECS_RECENT_SERIES; i++) {
        sums[i] = __atomic_load_n(&note->sums[i], __ATOMIC_ACQUIRE);
    }

    return __atomic_load_n(&note->step, __ATOMIC_RELAXED) == step;
}


/* The last note before the first step, and its step; 0: there is none. */

static uint64_t
recs_recent_base(const recs_recent_t *recent, uint64_t first, uint64_t *sums)
{
    size_t    i;
    uint64_t  step, found;

    found = 0;

    for (i = 0; i < RECS_RECENT_NOTES; i++) {
        step = __atomic_load_n(&recent->notes[i].step, __ATOMIC_RELAXED);

        if (step > found && step < first) {
            found = step;
        }
    }

    return found && recs_recent_read(recent, found, sums) ? found : 0;
}


/* Sums read one after the other may fall behind a note: that counts nothing. */

static void
recs_recent_add(recs_recent_view_t *view, size_t at, uint64_t *before,
    const uint64_t *sums)
{
    size_t  i;

    for (i = 0; i < RECS_RECENT_SERIES; i++) {

        if (sums[i] > before[i]) {
            view->counts[i][at] += sums[i] - before[i];
            before[i] = sums[i];
        }
    }
}
