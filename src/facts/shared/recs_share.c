
/* A share within a window: one word for each tenth of it. */


#include "recs_share.h"


/* A lock of the library would be one of this process alone. */

#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2
#error "64-bit atomic operations need a lock here"
#endif


/*
 * A step is numbered by the clock: number n is in place n % RECS_SHARE_STEPS,
 * as one word: the lower bits of n, then how many ids were asked about, then
 * how many of them were refused.
 */

#define RECS_SHARE_BITS    20
#define RECS_SHARE_MAX     (((uint64_t) 1 << RECS_SHARE_BITS) - 1)
#define RECS_SHARE_NUMBER  (((uint64_t) 1 << (64 - 2 * RECS_SHARE_BITS)) - 1)

#define RECS_SHARE_AHEAD   (2 * RECS_SHARE_STEPS)  /* steps that another's clock
                                                      may be ahead */

#define recs_share_number(word)   ((word) >> (2 * RECS_SHARE_BITS))
#define recs_share_asked(word)    ((word) >> RECS_SHARE_BITS & RECS_SHARE_MAX)
#define recs_share_refused(word)  ((word) & RECS_SHARE_MAX)


/* A step is at least 1 ms, and ten of them at least the window. */

static uint64_t
recs_share_step(uint64_t window, uint64_t now)
{
    return now / ((window + RECS_SHARE_STEPS - 1) / RECS_SHARE_STEPS);
}


/* How many steps ago, or ahead, a word's step is; as far as its bits tell. */

static uint64_t
recs_share_ago(uint64_t word, uint64_t step)
{
    return (step - recs_share_number(word)) & RECS_SHARE_NUMBER;
}


void
recs_share_add(recs_share_t *share, uint64_t window, uint64_t now,
    uint64_t asked, uint64_t refused)
{
    uint64_t  step, old, new, a, r, *word;

    step = recs_share_step(window, now);
    word = &share->steps[step % RECS_SHARE_STEPS];

    old = __atomic_load_n(word, __ATOMIC_RELAXED);

    do {
        a = asked;
        r = refused;

        if (old && recs_share_ago(old, step) > RECS_SHARE_NUMBER
                                               - RECS_SHARE_AHEAD)
        {
            /* by another's clock the window is over */
            return;
        }

        if (recs_share_ago(old, step) == 0) {
            a += recs_share_asked(old);
            r += recs_share_refused(old);
        }

        while (a > RECS_SHARE_MAX) {
            a /= 2;
            r /= 2;
        }

        new = (step & RECS_SHARE_NUMBER) << (2 * RECS_SHARE_BITS)
              | a << RECS_SHARE_BITS | r;

    } while (!__atomic_compare_exchange_n(word, &old, new, 1, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
}


void
recs_share_sum(const recs_share_t *share, uint64_t window, uint64_t now,
    uint64_t *asked, uint64_t *refused)
{
    uint64_t  step, word;
    unsigned  i;

    step = recs_share_step(window, now);

    *asked = 0;
    *refused = 0;

    for (i = 0; i < RECS_SHARE_STEPS; i++) {
        word = __atomic_load_n(&share->steps[i], __ATOMIC_RELAXED);

        if (recs_share_ago(word, step) < RECS_SHARE_STEPS) {
            *asked += recs_share_asked(word);
            *refused += recs_share_refused(word);
        }
    }
}
