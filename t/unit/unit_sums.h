
/*
 * Sums of chance: what was seen less what was to be expected, over decisions of
 * which each may depend on those before it.  Such differences are a
 * martingale's: each is 0 in the mean, given all before it.
 */


#ifndef RECS_UNIT_SUMS_H
#define RECS_UNIT_SUMS_H


#include <math.h>

#include "unit.h"


/* All comparisons together fail by chance with at most this probability. */

#define UNIT_FAMILY_ERROR  1e-6

#define UNIT_RUNGS  120
#define UNIT_RUNG   1.25


typedef struct {
    double            variance; /* the sum of the differences' variances, each
                                   given what came before */
    double            most;     /* no difference is greater */
    double            least;    /* nor less than -least */
} unit_spread_t;


/*
 * Freedman's inequality, as Tropp states it ("Freedman's inequality for matrix
 * martingales", 2011, theorem 1.1): of differences that are at most R, the
 * chance that a sum reaches x while the sum of the conditional variances is no
 * more than v is at most
 *
 *     exp(-x^2 / 2 / (v + R x / 3))
 *
 * No distribution is assumed to be nearly normal.  The variances depend on
 * chance, too: so v is the next rung above their sum, of a ladder that was
 * there before, and each rung has its share of the error.
 *
 * Gives x, for one side of one of n comparisons.
 */

static inline double
unit_sum_bound(const unit_spread_t *spread, double most, size_t n)
{
    int     rung;
    double  v, r, logs;

    v = 1;

    for (rung = 1; v < spread->variance; rung++) {
        v *= UNIT_RUNG;
    }

    assert_true(rung <= UNIT_RUNGS);

    logs = log(2.0 * (double) n * UNIT_RUNGS / UNIT_FAMILY_ERROR);
    r = most * logs / 3;

    return r + sqrt(r * r + 2 * v * logs);
}


/*
 * How far a sum of differences is from 0, in parts of what chance explains:
 * over 1, one of n comparisons was not expected to be off so far.
 */

static inline double
unit_sum_excess(const unit_spread_t *spread, double sum, size_t n)
{
    return sum >= 0 ? sum / unit_sum_bound(spread, spread->most, n)
                    : -sum / unit_sum_bound(spread, spread->least, n);
}


#endif /* RECS_UNIT_SUMS_H */
