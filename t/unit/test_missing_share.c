
/*
 * The share of users without a row is told when it jumps, and when that ends.
 */

#include "unit.h"

#include "recs_missing_share.h"


#define SAME    RECS_MISSING_SHARE_SAME
#define JUMPED  RECS_MISSING_SHARE_JUMPED
#define USUAL   RECS_MISSING_SHARE_USUAL


/* One after the other, of the same snapshots: counters, and what is said. */

typedef struct {
    uint64_t              asked;
    uint64_t              missing;
    recs_missing_share_e  says;
    uint64_t              now;      /* hundredths of a percent */
    uint64_t              usual;
} look_t;


static const look_t  jumps[] = {
    { 0, 0, SAME, 0, 0 },
    { 99, 99, SAME, 0, 0 },            /* no window yet */
    { 100, 10, SAME, 1000, 1000 },     /* the first is usual */
    { 200, 20, SAME, 1000, 1000 },
    { 299, 119, SAME, 1000, 1000 },
    { 300, 49, SAME, 2900, 1237 },     /* not 20% more: followed */
    { 400, 82, JUMPED, 3300, 1269 },   /* more: slowly */
    { 500, 132, SAME, 5000, 1327 },    /* is said once */
    { 600, 164, USUAL, 3200, 1356 },
    { 700, 231, JUMPED, 6700, 1439 },
    { 700, 231, SAME, 6700, 1439 },
    { 800, 231, USUAL, 0, 1417 },
    { 900, 231, SAME, 0, 1240 },       /* falls fast */
};

static const look_t  twice[] = {
    { 100, 30, SAME, 3000, 3000 },
    { 200, 89, SAME, 5900, 3362 },     /* 20% more, not twice */
    { 300, 157, JUMPED, 6800, 3415 },
};

static const look_t  out_of_step[] = {
    { 200, 100, SAME, 5000, 5000 },
    { 300, 99, SAME, 0, 4375 },        /* missing was ahead */
    { 400, 249, JUMPED, 10000, 4462 },
    { 399, 250, SAME, 10000, 4462 },   /* asked is behind */
    { 500, 251, USUAL, 200, 4396 },
};


static void
follow(const look_t *looks, size_t n)
{
    size_t                i;
    recs_missing_share_t  m;

    memset(&m, 0, sizeof(m));

    for (i = 0; i < n; i++) {
        print_message("# look %u\n", (unsigned) i);

        assert_int_equal(recs_missing_share_judge(&m, looks[i].asked,
                                                  looks[i].missing, 1000 + i),
                         looks[i].says);
        assert_int_equal(m.now, looks[i].now);
        assert_int_equal(m.usual, looks[i].usual);

        if (looks[i].says != SAME) {
            assert_int_equal(m.since, looks[i].says == JUMPED
                                      ? 1000 + i : 0);
        }
    }
}


static void
a_jump_is_told_once_and_so_is_its_end(void **state)
{
    (void) state;

    follow(jumps, unit_nelts(jumps));
}


static void
a_high_share_jumps_when_it_is_twice_as_high(void **state)
{
    (void) state;

    follow(twice, unit_nelts(twice));
}


static void
counters_that_are_out_of_step_are_no_jump(void **state)
{
    (void) state;

    follow(out_of_step, unit_nelts(out_of_step));
}


/* What stays is usual some day. */

static void
a_jump_that_stays_becomes_usual(void **state)
{
    unsigned              i;
    recs_missing_share_t  m;

    (void) state;

    memset(&m, 0, sizeof(m));

    assert_int_equal(recs_missing_share_judge(&m, 100, 0, 1), SAME);
    assert_int_equal(recs_missing_share_judge(&m, 200, 50, 2), JUMPED);

    for (i = 2; recs_missing_share_judge(&m, 100 + 100 * i, 50 * i, 3)
                == SAME; i++)
    {
        assert_true(i < 1000);
    }

    assert_int_equal(m.since, 0);
    assert_in_range(m.usual, 2500, 3100);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_jump_is_told_once_and_so_is_its_end),
        cmocka_unit_test(a_high_share_jumps_when_it_is_twice_as_high),
        cmocka_unit_test(counters_that_are_out_of_step_are_no_jump),
        cmocka_unit_test(a_jump_that_stays_becomes_usual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
