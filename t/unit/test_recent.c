
/* What is counted in steps is told of by steps, whoever noted it. */

#include "unit.h"

#include "recs_recent.h"


static recs_recent_t  recent;
static uint64_t       sums[RECS_RECENT_SERIES];


/* n of a series are counted in that step. */

static void
count(uint64_t step, size_t series, uint64_t n)
{
    if (recs_recent_due(&recent, step)) {
        recs_recent_turn(&recent, step, sums);
    }

    sums[series] += n;
}


/* What was counted steps ago, as it is seen in that step. */

static uint64_t
seen(uint64_t step, size_t series, size_t ago)
{
    recs_recent_view_t  view;

    recs_recent_view(&recent, step, sums, &view);

    return view.counts[series][RECS_RECENT_STEPS - 1 - ago];
}


static uint64_t
all(uint64_t step, size_t series)
{
    size_t    i;
    uint64_t  n;

    for (n = 0, i = 0; i < RECS_RECENT_STEPS; i++) {
        n += seen(step, series, i);
    }

    return n;
}


static int
anew(void **state)
{
    (void) state;

    memset(&recent, 0, sizeof(recent));
    memset(sums, 0, sizeof(sums));

    return 0;
}


static void
what_was_counted_stays_with_its_step(void **state)
{
    (void) state;

    assert_int_equal(all(1000, 0), 0);

    sums[0] = 77;                       /* from before the first step */

    count(1000, 0, 3);
    count(1000, 1, 1);
    count(1001, 0, 4);
    count(1003, 0, 5);

    assert_int_equal(seen(1003, 0, 0), 5);
    assert_int_equal(seen(1003, 0, 1), 0);
    assert_int_equal(seen(1003, 0, 2), 4);
    assert_int_equal(seen(1003, 0, 3), 3);
    assert_int_equal(seen(1003, 0, 4), 0);
    assert_int_equal(seen(1003, 1, 3), 1);
    assert_int_equal(all(1003, 0), 12);

    /* nobody counts */

    assert_int_equal(seen(1010, 0, 7), 5);
    assert_int_equal(all(1010, 0), 12);
    assert_int_equal(all(1059, 0), 12);
    assert_int_equal(all(1060, 0), 9);
    assert_int_equal(all(1062, 0), 5);
    assert_int_equal(all(1063, 0), 0);
    assert_int_equal(all(9000, 0), 0);

    count(9000, 0, 2);
    assert_int_equal(all(9000, 0), 2);
    assert_int_equal(seen(9000, 0, 0), 2);
}


static void
old_steps_give_way_to_new_ones(void **state)
{
    uint64_t  step;

    (void) state;

    for (step = 5; step < 500; step++) {
        count(step, 2, step);

        if (step > 64) {
            assert_int_equal(seen(step, 2, 0), step);
            assert_int_equal(seen(step, 2, 59), step - 59);
            assert_int_equal(seen(step, 2, 30), step - 30);
        }
    }

    /* at times only: what was counted stays with its step */

    for (step = 500; step < 5000; step += 7) {
        count(step, 3, step);

        assert_int_equal(seen(step, 3, 0), step);
        assert_int_equal(seen(step + 6, 3, 6), step);

        if (step > 600) {
            assert_int_equal(seen(step, 3, 7), step - 7);
            assert_int_equal(seen(step, 3, 56), step - 56);
            assert_int_equal(seen(step, 3, 55), 0);
        }
    }
}


static void
many_count_and_one_notes(void **state)
{
    uint64_t  sums_before[RECS_RECENT_SERIES];

    (void) state;

    count(100, 0, 1);
    memcpy(sums_before, sums, sizeof(sums));

    /* two see the new step: the second notes nothing */

    assert_true(recs_recent_due(&recent, 101));
    recs_recent_turn(&recent, 101, sums);
    sums[0] += 5;
    recs_recent_turn(&recent, 101, sums);

    assert_int_equal(seen(101, 0, 1), 1);
    assert_int_equal(seen(101, 0, 0), 5);

    /* one whose clock is behind */

    assert_false(recs_recent_due(&recent, 100));
    recs_recent_turn(&recent, 100, sums);
    assert_int_equal(seen(101, 0, 0), 5);
    assert_int_equal(all(100, 0), 6);

    /* a note is lost with the process that wrote it */

    count(102, 0, 7);
    recent.notes[101 % RECS_RECENT_NOTES].step = 0;
    count(103, 0, 1);

    assert_int_equal(seen(103, 0, 0), 1);
    assert_int_equal(seen(103, 0, 1), 12);
    assert_int_equal(all(103, 0), 14);

    /* sums that are read before others' */

    recs_recent_turn(&recent, 104, sums);
    memcpy(sums, sums_before, sizeof(sums));
    assert_int_equal(seen(104, 0, 0), 0);
    assert_int_equal(seen(104, 0, 1), 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(what_was_counted_stays_with_its_step, anew),
        cmocka_unit_test_setup(old_steps_give_way_to_new_ones, anew),
        cmocka_unit_test_setup(many_count_and_one_notes, anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
