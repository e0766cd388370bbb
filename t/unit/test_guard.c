
/*
 * What was just read replaces what is known good only if it is there, large
 * enough and not suddenly shrunk.
 */

#include "unit.h"

#include "recs_guard.h"


#define WAIT   60000    /* ms */
#define TIME   1800000000


static const char *
verdict(recs_guard_e v)
{
    static const char  *names[] = {
        "take", "believe", "absent", "few", "shrunk"
    };

    return names[v];
}


/* What is looked at first, with nothing held back. */

static void
test_first_look(void **state)
{
    size_t  i;

    static const struct {
        uint64_t      min, had, n;
        unsigned      shrink;
        const char   *want;
    } cases[] = {

        /* there is nothing yet */

        { 1, 0, 0, 50, "absent" },
        { 1, 0, 1, 50, "take" },
        { 0, 0, 0, 50, "take" },
        { 1000, 0, 0, 50, "absent" },
        { 1000, 0, 999, 50, "few" },
        { 1000, 0, 1000, 50, "take" },

        /* there is something */

        { 1, 200000, 0, 50, "absent" },
        { 0, 200000, 0, 50, "shrunk" },
        { 0, 200000, 0, 0, "take" },
        { 1, 200000, 99999, 50, "shrunk" },
        { 1, 200000, 100000, 50, "take" },
        { 1, 200000, 300000, 50, "take" },
        { 150000, 200000, 149999, 50, "few" },
        { 150000, 200000, 99999, 50, "few" },
        { 1, 3, 1, 50, "shrunk" },
        { 1, 2, 1, 50, "take" },
        { 1, 1000, 900, 90, "take" },
        { 1, 1000, 899, 90, "shrunk" },
        { 1, 1000, 999, 100, "shrunk" },
        { 1, 1000, 1000, 100, "take" },
        { 1, 1000, 1, 0, "take" },
        { 1, UINT64_MAX, 1, 50, "shrunk" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        recs_guard_t       guard = { cases[i].min, cases[i].shrink, WAIT };
        recs_guard_held_t  held = { 0, 0, 0, 0, 0, 0 };

        assert_string_equal(verdict(recs_guard_judge(&guard, &held,
                                                     cases[i].had, cases[i].n,
                                                     0)),
                            cases[i].want);
    }
}


/* One after the other, as the leader does it, of a set that had 1000. */

static void
test_looks(void **state)
{
    int           changed;
    size_t        i;
    recs_guard_e  v;

    static const struct {
        uint64_t      now, n;
        const char   *want;
        int           changed;      /* a line in the log */
        uint64_t      since;
    } cases[] = {
        { 0, 400, "shrunk", 1, 0 },
        { 1000, 400, "shrunk", 0, 0 },
        { WAIT - 1, 300, "shrunk", 0, 0 },
        { WAIT, 300, "believe", 0, 0 },

        { 100000, 400, "shrunk", 1, 100000 },       /* the wait begins anew */
        { 150000, 199, "shrunk", 0, 100000 },       /* once more */
        { 160000, 199, "shrunk", 0, 100000 },
        { 209999, 150, "shrunk", 0, 100000 },
        { 210000, 150, "believe", 0, 0 },

        { 300000, 0, "absent", 1, 300000 },         /* never believed */
        { 900000, 0, "absent", 0, 300000 },
        { 901000, 10, "shrunk", 1, 300000 },        /* it is being filled */
        { 902000, 499, "shrunk", 0, 300000 },
        { 903000, 500, "take", 0, 0 },

        { 1000000, 400, "shrunk", 1, 1000000 },
        { 1030000, 0, "absent", 1, 1000000 },
        { 1031000, 400, "shrunk", 1, 1000000 },     /* another 400 */
        { 1060000, 400, "shrunk", 0, 1000000 },
        { 1091000, 400, "believe", 0, 0 },
    };

    recs_guard_t       guard = { 1, 50, WAIT };
    recs_guard_held_t  held = { 0, 0, 0, 0, 0, 0 };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        v = recs_guard_judge(&guard, &held, 1000, cases[i].n, cases[i].now);
        assert_string_equal(verdict(v), cases[i].want);

        if (!recs_guard_holds(v)) {
            assert_int_equal(recs_guard_release(&held), 1);
            assert_int_equal(recs_guard_release(&held), 0);
            assert_int_equal(held.why, 0);
            continue;
        }

        changed = recs_guard_hold(&guard, &held, v, 1000, cases[i].n,
                                  cases[i].now, TIME + cases[i].now / 1000);

        assert_int_equal(changed, cases[i].changed);
        assert_int_equal(held.why, v);
        assert_int_equal(held.since, TIME + cases[i].since / 1000);
        assert_int_equal(held.had, 1000);
        assert_int_equal(held.now, cases[i].n);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_first_look),
        cmocka_unit_test(test_looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
