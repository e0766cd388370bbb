
/*
 * The shares of a version's pages, and the limits of a guard: a fixed one, one
 * above another version's share, few pages, windows that turn, and clocks.
 */

#include "unit.h"

#include "recs_rollout.h"


#define WINDOW   10000          /* ms: its steps are seconds */
#define START    1000000000     /* ms: where one begins */
#define MIN      100


static const recs_rollout_t  guard = {
    { { 1, 0, 6000 }, { 1, 0, 500 }, { 1, 0, 2000 }, { 1, 0, 200 } },
    WINDOW, MIN
};

static const recs_rollout_t  relative = {
    { { 1, 1, 2000 }, { 1, 1, 500 }, { 0, 0, 0 }, { 1, 0, 200 } },
    WINDOW, MIN
};

/* Pages, all alike, with ten items each. */

typedef struct {
    unsigned     pages;
    unsigned     removed;       /* of the ten */
    unsigned     empty;         /* pages */
    unsigned     missing;       /* users, of as many as pages */
    unsigned     errors;
} pages_t;

typedef struct {
    const char  *name;
    pages_t      seen;
    pages_t      other;
    int          fixed;         /* the share past its limit; -1: none */
    int          relative;
} row_t;


static const row_t  rows[] = {
    { "nothing", { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }, -1, -1 },
    { "all is well", { 1000, 3, 10, 10, 1 }, { 1000, 3, 10, 0, 0 }, -1, -1 },
    { "removed", { 100, 7, 0, 0, 0 }, { 100, 3, 0, 0, 0 },
      RECS_ROLLOUT_REMOVED, RECS_ROLLOUT_REMOVED },
    { "just at the limit", { 100, 6, 5, 20, 2 }, { 100, 4, 0, 0, 0 }, -1, -1 },
    { "one page too few", { 99, 10, 99, 99, 99 }, { 100, 0, 0, 0, 0 }, -1,
      -1 },
    { "empty", { 100, 1, 6, 0, 0 }, { 100, 1, 0, 0, 0 }, RECS_ROLLOUT_EMPTY,
      RECS_ROLLOUT_EMPTY },
    { "missing", { 100, 1, 0, 21, 0 }, { 100, 1, 0, 0, 0 },
      RECS_ROLLOUT_MISSING, -1 },
    { "errors", { 100, 1, 0, 0, 3 }, { 100, 1, 0, 0, 0 }, RECS_ROLLOUT_ERRORS,
      RECS_ROLLOUT_ERRORS },
    { "a flash sale: both lose the same", { 100, 8, 9, 0, 0 },
      { 1000, 8, 90, 0, 0 }, RECS_ROLLOUT_REMOVED, -1 },
    { "both lose much, but one more", { 100, 8, 0, 0, 0 },
      { 1000, 5, 0, 0, 0 }, RECS_ROLLOUT_REMOVED, RECS_ROLLOUT_REMOVED },
    { "less than the other", { 100, 5, 0, 0, 0 }, { 1000, 9, 0, 0, 0 }, -1,
      -1 },
    { "too few of the other", { 100, 8, 50, 0, 0 }, { 99, 0, 0, 0, 0 },
      RECS_ROLLOUT_REMOVED, -1 },
    { "a limit that can't be passed", { 100, 10, 0, 0, 0 },
      { 100, 9, 0, 0, 0 }, RECS_ROLLOUT_REMOVED, -1 },
};


static void
add(recs_rollout_seen_t *seen, const pages_t *p, uint64_t now)
{
    unsigned  i;

    for (i = 0; i < p->pages; i++) {
        recs_rollout_add(seen, RECS_ROLLOUT_REMOVED, WINDOW, now, 10,
                         p->removed);
        recs_rollout_add(seen, RECS_ROLLOUT_EMPTY, WINDOW, now, 1,
                         i < p->empty);
        recs_rollout_add(seen, RECS_ROLLOUT_MISSING, WINDOW, now, 1,
                         i < p->missing);
        recs_rollout_add(seen, RECS_ROLLOUT_ERRORS, WINDOW, now, 1,
                         i < p->errors);
    }
}


/* The share that is past its limit, or -1. */

static int
judge(const recs_rollout_t *of, const recs_rollout_seen_t *seen,
    const recs_rollout_seen_t *other, uint64_t now)
{
    recs_rollout_found_t  found;

    return recs_rollout_judge(of, seen, other, now, &found) ? (int) found.what
                                                            : -1;
}


static void
a_share_past_its_limit_is_found(void **state)
{
    size_t               i;
    const row_t         *row;
    recs_rollout_seen_t  seen, other;

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        row = &rows[i];

        memset(&seen, 0, sizeof(seen));
        memset(&other, 0, sizeof(other));
        add(&seen, &row->seen, START);
        add(&other, &row->other, START + 500);

        if (judge(&guard, &seen, NULL, START + 999) != row->fixed
            || judge(&relative, &seen, &other, START + 999) != row->relative)
        {
            fail_msg("%s: %d, %d", row->name,
                     judge(&guard, &seen, NULL, START + 999),
                     judge(&relative, &seen, &other, START + 999));
        }
    }
}


static void
what_was_found_is_told(void **state)
{
    pages_t               bad = { 200, 7, 0, 0, 0 }, good = { 400, 3, 0, 0, 0 };
    recs_rollout_seen_t   seen, other;
    recs_rollout_found_t  found;

    (void) state;

    memset(&seen, 0, sizeof(seen));
    memset(&other, 0, sizeof(other));
    add(&seen, &bad, START);
    add(&other, &good, START);

    assert_true(recs_rollout_judge(&relative, &seen, &other, START, &found));
    assert_int_equal(found.what, RECS_ROLLOUT_REMOVED);
    assert_int_equal(found.share, 7000);
    assert_int_equal(found.limit, 5000);
    assert_int_equal(found.n, 200);
}


static void
alone_relative_limits_are_not_judged(void **state)
{
    pages_t              bad = { 200, 10, 200, 0, 0 };
    recs_rollout_seen_t  seen;

    (void) state;

    memset(&seen, 0, sizeof(seen));
    add(&seen, &bad, START);

    assert_int_equal(judge(&relative, &seen, NULL, START), -1);

    /* one that is fixed is */

    bad.errors = 200;
    add(&seen, &bad, START);
    assert_int_equal(judge(&relative, &seen, NULL, START), RECS_ROLLOUT_ERRORS);
}


/* Pages count until their window is over, and not again. */

static void
windows_turn(void **state)
{
    unsigned             i;
    pages_t              bad = { 60, 9, 0, 0, 0 }, good = { 60, 0, 0, 0, 0 };
    recs_rollout_seen_t  seen;

    (void) state;

    memset(&seen, 0, sizeof(seen));

    add(&seen, &bad, START);
    assert_int_equal(judge(&guard, &seen, NULL, START), -1);

    add(&seen, &bad, START + 9000);
    assert_int_equal(judge(&guard, &seen, NULL, START + 9999), 0);
    assert_int_equal(judge(&guard, &seen, NULL, START + 10000), -1);

    for (i = 0; i < 40; i++) {
        add(&seen, &good, START + 20000 + 500 * i);
        assert_int_equal(judge(&guard, &seen, NULL, START + 20000 + 500 * i),
                         -1);
    }
}


static void
clocks_that_jump_find_nothing_that_is_not_there(void **state)
{
    pages_t              bad = { 60, 9, 0, 0, 0 };
    recs_rollout_seen_t  seen;

    (void) state;

    memset(&seen, 0, sizeof(seen));

    /* ahead by a day, and back: what was seen is of no window */

    add(&seen, &bad, START + 86400000);
    assert_int_equal(judge(&guard, &seen, NULL, START), -1);
    add(&seen, &bad, START);
    assert_int_equal(judge(&guard, &seen, NULL, START), -1);
    assert_int_equal(judge(&guard, &seen, NULL, START + 86400000), -1);

    add(&seen, &bad, START);
    assert_int_equal(judge(&guard, &seen, NULL, START), 0);
}


/* nginx's clock has 32 bits on some machines: it begins anew. */

static void
a_clock_of_32_bits_wraps(void **state)
{
    pages_t              bad = { 60, 9, 0, 0, 0 };
    uint32_t             now = UINT32_MAX - 500;
    recs_rollout_seen_t  seen;

    (void) state;

    memset(&seen, 0, sizeof(seen));

    add(&seen, &bad, now);
    now += 1000;
    add(&seen, &bad, now);
    assert_int_equal(judge(&guard, &seen, NULL, now), -1);

    add(&seen, &bad, now);
    assert_int_equal(judge(&guard, &seen, NULL, now), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_share_past_its_limit_is_found),
        cmocka_unit_test(what_was_found_is_told),
        cmocka_unit_test(alone_relative_limits_are_not_judged),
        cmocka_unit_test(windows_turn),
        cmocka_unit_test(clocks_that_jump_find_nothing_that_is_not_there),
        cmocka_unit_test(a_clock_of_32_bits_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
