
/*
 * How fresh a replica is: what servers say of their replication, and what
 * follows from it, as time passes.
 */

#include "unit.h"

#include "recs_redis_fresh.h"


#define up(history, offset, silent)                                           \
    "role:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:"      \
    silent "\r\nslave_repl_offset:" offset "\r\nmaster_replid:" history       \
    "\r\nmaster_repl_offset:" offset "\r\n"

#define master(history, offset)                                               \
    "# Replication\r\nrole:master\r\nmaster_replid:" history                  \
    "\r\nmaster_repl_offset:" offset "\r\n"


static void
says(recs_redis_state_t *state, const recs_redis_state_t *of, uint64_t asked,
    const char *text)
{
    recs_redis_said_t  said;

    (void) recs_redis_said(&said, text, strlen(text));
    recs_redis_state_said(state, 7, of, &said, asked, 1000);
}


static void
what_is_said_is_read(void **unused)
{
    size_t             i;
    recs_redis_said_t  said;

    static const struct {
        const char         *text;
        int                 is;
        recs_redis_link_e   link;
        int64_t             silent;
        int64_t             offset;
    } rows[] = {
        { "", 0, RECS_REDIS_LINK_UNKNOWN, -1, -1 },
        { "role", 0, RECS_REDIS_LINK_UNKNOWN, -1, -1 },
        { "xrole:master\r\n", 0, RECS_REDIS_LINK_UNKNOWN, -1, -1 },
        { "role:master", 1, RECS_REDIS_LINK_MASTER, -1, -1 },
        { master("a", "12"), 1, RECS_REDIS_LINK_MASTER, -1, 12 },
        { master("a", "-12"), 1, RECS_REDIS_LINK_MASTER, -1, -1 },
        { master("a", ""), 1, RECS_REDIS_LINK_MASTER, -1, -1 },
        { master("a", "1x"), 1, RECS_REDIS_LINK_MASTER, -1, -1 },
        { master("a", "999999999999999999"), 1, RECS_REDIS_LINK_MASTER, -1,
          999999999999999999 },
        { master("a", "9999999999999999999"), 1, RECS_REDIS_LINK_MASTER, -1,
          -1 },
        { up("a", "12", "3"), 1, RECS_REDIS_LINK_UP, 3, 12 },
        { up("a", "12", "-1"), 1, RECS_REDIS_LINK_UP, -1, 12 },
        { "role:slave\n", 1, RECS_REDIS_LINK_UNKNOWN, -1, -1 },
        { "role:slave\nmaster_link_status:up\nmaster_sync_in_progress:0\n", 1,
          RECS_REDIS_LINK_UP, -1, -1 },
        { "role:slave\nmaster_link_status:up\nmaster_sync_in_progress:1\n", 1,
          RECS_REDIS_LINK_DOWN, -1, -1 },
        { "role:slave\nmaster_link_status:down\n", 1, RECS_REDIS_LINK_DOWN, -1,
          -1 },
        { "role:slave\nmaster_link_status:\n", 1, RECS_REDIS_LINK_DOWN, -1,
          -1 },
    };

    (void) unused;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(recs_redis_said(&said, rows[i].text,
                                         strlen(rows[i].text)), rows[i].is);
        assert_int_equal(said.link, rows[i].link);
        assert_int_equal(said.silent, rows[i].silent);
        assert_int_equal(said.offset, rows[i].offset);
    }
}


static void
a_replica_is_as_fresh_as_the_mark_it_reached(void **unused)
{
    recs_redis_state_t  of = { 0 }, state = { 0 };

    (void) unused;

    says(&of, NULL, 10000, master("a", "100"));
    says(&of, NULL, 11000, master("a", "200"));
    says(&of, NULL, 12000, master("a", "300"));

    says(&state, &of, 12000, up("a", "199", "0"));
    assert_int_equal(state.fresh, 10000);
    assert_true(recs_redis_state_fit(&state, 7, 15000, 5000));
    assert_false(recs_redis_state_fit(&state, 7, 15001, 5000));
    assert_false(recs_redis_state_fit(&state, 8, 12000, 5000));

    says(&state, &of, 12500, up("a", "200", "0"));
    assert_int_equal(state.fresh, 11000);

    says(&state, &of, 12600, up("a", "50", "0"));
    assert_int_equal(state.fresh, 11000);

    says(&state, &of, 12600, up("a", "350", "0"));
    assert_int_equal(state.fresh, 12000);
}


static void
marks_reach_back_however_often_a_master_is_asked(void **unused)
{
    int                 i;
    char                text[128];
    recs_redis_state_t  of = { 0 }, state = { 0 };

    (void) unused;

    for (i = 1; i <= 1000; i++) {
        (void) snprintf(text, sizeof(text), master("a", "%d"), i);
        says(&of, NULL, 100000 + 100 * (uint64_t) i, text);
    }

    says(&state, &of, 200000, up("a", "1000", "0"));
    assert_int_equal(state.fresh, 200000);

    memset(&state, 0, sizeof(state));
    says(&state, &of, 200000, up("a", "955", "0"));
    assert_in_range(state.fresh, 194500, 195500);

    memset(&state, 0, sizeof(state));
    says(&state, &of, 200000, up("a", "900", "0"));
    assert_int_equal(state.fresh, 0);
}


static void
another_history_tells_nothing(void **unused)
{
    recs_redis_state_t  of = { 0 }, state = { 0 };

    (void) unused;

    says(&of, NULL, 10000, master("a", "100"));
    says(&state, &of, 10100, up("b", "500", "0"));
    assert_int_equal(state.fresh, 0);
    assert_false(recs_redis_state_fit(&state, 7, 10100, 5000));

    /* the master has another one from now on */

    says(&of, NULL, 11000, master("b", "400"));
    says(&state, &of, 11100, up("b", "500", "0"));
    assert_int_equal(state.fresh, 11000);
    says(&state, &of, 11200, up("a", "500", "0"));
    assert_int_equal(state.fresh, 11000);
}


static void
of_a_master_that_is_silent_the_replica_is_believed(void **unused)
{
    recs_redis_state_t  of = { 0 }, state = { 0 };

    (void) unused;

    says(&state, NULL, 50000, up("a", "500", "4"));
    assert_int_equal(state.fresh, 45000);

    says(&of, NULL, 60000, master("a", "900"));
    says(&state, &of, 60000 + RECS_REDIS_SILENT, up("a", "500", "0"));
    assert_int_equal(state.fresh, 45000);
    says(&state, &of, 60001 + RECS_REDIS_SILENT, up("a", "500", "0"));
    assert_int_equal(state.fresh, 59001 + RECS_REDIS_SILENT);

    /* it heard nothing since: it grows older */

    says(&state, &of, 70000, up("a", "500", "10"));
    assert_int_equal(state.fresh, 59001 + RECS_REDIS_SILENT);
}


static void
one_that_lost_its_master_is_not_fit(void **unused)
{
    recs_redis_state_t  of = { 0 }, state = { 0 };

    (void) unused;

    assert_false(recs_redis_state_fit(&state, 0, 0, 5000));

    says(&of, NULL, 10000, master("a", "100"));
    says(&state, &of, 10100, up("a", "100", "0"));
    assert_true(recs_redis_state_fit(&state, 7, 10100, 5000));

    says(&state, &of, 10200, "role:slave\r\nmaster_link_status:down\r\n");
    assert_false(recs_redis_state_fit(&state, 7, 10200, 5000));

    says(&state, &of, 10300, "");
    assert_true(recs_redis_state_fit(&state, 7, 99999, 5000));

    says(&state, &of, 10400, "role:slave\r\nmaster_link_status:up\r\n");
    assert_int_equal(state.link, RECS_REDIS_LINK_UNKNOWN);

    says(&state, &of, 10500, master("a", "100"));
    assert_false(recs_redis_state_fit(&state, 7, 10500, 5000));
}


static void
another_node_begins_anew(void **unused)
{
    recs_redis_said_t   said;
    recs_redis_state_t  state = { 0 };

    (void) unused;

    says(&state, NULL, 50000, up("a", "500", "0"));
    recs_redis_state_trip(&state, 300);

    (void) recs_redis_said(&said, up("a", "500", "-1"),
                           strlen(up("a", "500", "-1")));
    recs_redis_state_said(&state, 8, NULL, &said, 50100, 1000);

    assert_int_equal(state.fresh, 0);
    assert_int_equal(state.trip, 0);
    assert_false(recs_redis_state_fit(&state, 8, 50100, 5000));
}


static void
a_trip_is_smooth_and_nearer_is_clear(void **unused)
{
    int                 i;
    recs_redis_state_t  state = { 0 };

    (void) unused;

    recs_redis_state_trip(&state, 0);
    assert_int_equal(state.trip, 1);

    state.trip = 0;
    recs_redis_state_trip(&state, 400);
    assert_int_equal(state.trip, 400);
    recs_redis_state_trip(&state, 800);
    assert_int_equal(state.trip, 500);

    for (i = 0; i < 50; i++) {
        recs_redis_state_trip(&state, 4000);
    }

    assert_in_range(state.trip, 3900, 4000);

    assert_true(recs_redis_nearer(200, 301));
    assert_false(recs_redis_nearer(200, 300));
    assert_true(recs_redis_nearer(2000, 2501));
    assert_false(recs_redis_nearer(2000, 2500));
    assert_false(recs_redis_nearer(0, 300));
    assert_true(recs_redis_nearer(300, 0));
    assert_false(recs_redis_nearer(0, 0));
}


static void
one_may_in_each_interval(void **unused)
{
    uint64_t  due;

    (void) unused;

    due = 0;

    assert_true(recs_redis_due(&due, 5000, 1000));
    assert_false(recs_redis_due(&due, 5000, 1000));
    assert_false(recs_redis_due(&due, 5999, 1000));
    assert_true(recs_redis_due(&due, 6000, 1000));
    assert_int_equal(due, 7000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(what_is_said_is_read),
        cmocka_unit_test(a_replica_is_as_fresh_as_the_mark_it_reached),
        cmocka_unit_test(marks_reach_back_however_often_a_master_is_asked),
        cmocka_unit_test(another_history_tells_nothing),
        cmocka_unit_test(of_a_master_that_is_silent_the_replica_is_believed),
        cmocka_unit_test(one_that_lost_its_master_is_not_fit),
        cmocka_unit_test(another_node_begins_anew),
        cmocka_unit_test(a_trip_is_smooth_and_nearer_is_clear),
        cmocka_unit_test(one_may_in_each_interval)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
