
/*
 * Of a window in time the refused and the asked ids are summed, by several
 * processes in shared memory.
 */

#include "unit.h"

#include <pthread.h>

#include "recs_share.h"


#define WINDOW   10000          /* ms: its steps are seconds */
#define START    1000000000     /* ms: where one begins */


typedef struct {
    uint64_t    at;             /* ms after START */
    uint64_t    asked;
    uint64_t    refused;
} added_t;

typedef struct {
    const char  *name;
    added_t      added[8];      /* ends with asked 0 */
    uint64_t     at;            /* the sums then: */
    uint64_t     asked;
    uint64_t     refused;
} row_t;


static const row_t  rows[] = {
    { "nothing", { { 0, 0, 0 } }, 0, 0, 0 },
    { "once", { { 0, 20, 3 } }, 0, 20, 3 },
    { "twice in a step", { { 0, 20, 3 }, { 999, 30, 30 } }, 999, 50, 33 },
    { "in several", { { 0, 20, 3 }, { 1000, 30, 30 }, { 9999, 1, 0 } }, 9999,
      51, 33 },
    { "a step ends with its window", { { 0, 20, 3 }, { 1000, 30, 30 } }, 10000,
      30, 30 },
    { "a place is taken over", { { 0, 20, 3 }, { 10000, 1, 1 } }, 10000, 1,
      1 },
    { "all are over", { { 0, 20, 3 }, { 5000, 7, 7 } }, 15000, 0, 0 },
    { "a clock that lags", { { 5000, 20, 3 }, { 4000, 2, 1 } }, 5000, 22, 4 },
    { "an old step in a place that is taken", { { 10000, 20, 3 },
      { 0, 2, 1 } }, 10000, 20, 3 },
    { "too many keep their share", { { 0, 1048575, 524288 },
      { 1, 1048575, 524288 } }, 1, 1048575, 524288 },
    { "far too many", { { 0, 100000000, 50000000 } }, 1, 781250, 390625 },
};


static void
sums_are_of_the_window(void **state)
{
    size_t         i, n;
    uint64_t       asked, refused;
    recs_share_t   share;
    const row_t   *row;

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        row = &rows[i];
        memset(&share, 0, sizeof(share));

        for (n = 0; row->added[n].asked; n++) {
            recs_share_add(&share, WINDOW, START + row->added[n].at,
                           row->added[n].asked, row->added[n].refused);
        }

        recs_share_sum(&share, WINDOW, START + row->at, &asked, &refused);

        if (asked != row->asked || refused != row->refused) {
            fail_msg("%s: %llu of %llu", row->name,
                     (unsigned long long) refused, (unsigned long long) asked);
        }
    }
}


static void
any_window_will_do(void **state)
{
    size_t         i;
    uint64_t       asked, refused;
    recs_share_t   share;

    static const uint64_t  windows[] = { 1, 9, 10, 11, 3600000, 86400000 };

    (void) state;

    for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        memset(&share, 0, sizeof(share));

        recs_share_add(&share, windows[i], START, 5, 2);
        recs_share_sum(&share, windows[i], START, &asked, &refused);
        assert_int_equal(asked, 5);
        assert_int_equal(refused, 2);

        recs_share_sum(&share, windows[i], START + 2 * windows[i] + 20, &asked,
                       &refused);
        assert_int_equal(asked, 0);
    }
}


static void *
adds(void *data)
{
    unsigned       i;
    recs_share_t  *share = data;

    for (i = 0; i < 20000; i++) {
        recs_share_add(share, WINDOW, START + i % 9000, 3, 1);
    }

    return NULL;
}


static void
nothing_is_lost_between_processes(void **state)
{
    int            i;
    uint64_t       asked, refused;
    pthread_t      threads[4];
    recs_share_t   share;

    (void) state;

    memset(&share, 0, sizeof(share));

    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, adds, &share), 0);
    }

    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }

    recs_share_sum(&share, WINDOW, START + 8999, &asked, &refused);
    assert_int_equal(asked, 240000);
    assert_int_equal(refused, 80000);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(sums_are_of_the_window),
        cmocka_unit_test(any_window_will_do),
        cmocka_unit_test(nothing_is_lost_between_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
