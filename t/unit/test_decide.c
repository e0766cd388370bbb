
/*
 * The decision gives each item of a page the fate that sets, repeats and the
 * limit give it.
 */

#include "unit_decide.h"


/* Shelves are at /a and /b; fates as for unit_check_fates(). */

typedef struct {
    recs_str_t        text;
    unit_set_t             sets[UNIT_RULES_MAX];
    unsigned          distinct;
    size_t            limit;
    const char       *fates;
    size_t            unidentified;
} decided_t;


static const decided_t  decided[] = {

    /* nothing to do */

    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0, 0, "", 0 },
    { recs_string("{\"a\":[1,1,2]}"), { { NULL, 0, 0 } }, 0, 0, "kkk", 0 },
    { recs_string("{\"a\":[]}"), { REQUIRE("") }, 1, 1, "", 0 },

    /* must be in; must not be in */

    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("ioi") }, 0, 0, "k0k", 0 },
    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("ioi") }, 0, 0, "0k0", 0 },

    /* unknown */

    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("?o?") }, 0, 0, "k0k", 0 },
    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("?i?") }, 0, 0, "k0k", 0 },
    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE_DROP("?oi") }, 0, 0, "00k",
      0 },
    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE_DROP("?oi") }, 0, 0, "0k0",
      0 },

    /* the first rule that refuses is the reason */

    { recs_string("{\"a\":[1,2,3,4]}"),
      { REQUIRE("oioi"), REQUIRE("ooii") }, 0, 0, "010k", 0 },
    { recs_string("{\"a\":[1,2,3,4]}"),
      { REQUIRE("oioi"), EXCLUDE("iioo") }, 0, 0, "010k", 0 },
    { recs_string("{\"a\":[1,2,3,4]}"),
      { EXCLUDE("oioi"), REQUIRE("ooii") }, 0, 0, "10k0", 0 },
    { recs_string("{\"a\":[1,2,3,4]}"),
      { REQUIRE("????"), EXCLUDE_DROP("o?io"), EXCLUDE("iooi") }, 0, 0,
      "2112", 0 },
    { recs_string("{\"a\":[1,2,3,4,5]}"),
      { REQUIRE("iiiio"), EXCLUDE("oooio"), EXCLUDE("ooioo"),
        REQUIRE("iooii") }, 0, 0, "k3210", 0 },

    /* answers are of ids: an item without one is asked nothing, and stays */

    { recs_string("{\"a\":[{},1,null,2,{\"id\":1.5}]}"),
      { REQUIRE_DROP("oi") }, 0, 0, "k0kkk", 3 },
    { recs_string("{\"a\":[1,{}],\"b\":[{},2]}"), { EXCLUDE("oi") }, 0, 0,
      "kkk0", 2 },
    { recs_string("{\"a\":[{},{}],\"b\":[[]]}"), { REQUIRE_DROP("") }, 1, 0,
      "kkk", 3 },

    /* over all shelves, in their order and not the document's */

    { recs_string("{\"b\":[3],\"a\":[1,2]}"), { REQUIRE("ioi") }, 0, 0,
      "k0k", 0 },

    /* an id once in the page */

    { recs_string("{\"a\":[1,2,1,2,1]}"), { { NULL, 0, 0 } }, 1, 0, "kkrrr",
      0 },
    { recs_string("{\"a\":[1,2],\"b\":[2,3,1]}"), { { NULL, 0, 0 } }, 1, 0,
      "kkrkr", 0 },
    { recs_string("{\"a\":[1,\"1\",{\"id\":1},{\"id\":\"\\u0031\"},\"01\"]}"),
      { { NULL, 0, 0 } }, 1, 0, "krrrk", 0 },
    { recs_string("{\"a\":[\"\",\"\",\"a\",\"A\"]}"), { { NULL, 0, 0 } }, 1,
      0, "krkk", 0 },
    { recs_string("{\"a\":[0,-0,\"-0\"]}"), { { NULL, 0, 0 } }, 1, 0, "krk",
      0 },

    /* one that went is no first one */

    { recs_string("{\"a\":[1,1,1]}"), { REQUIRE("oii") }, 1, 0, "0kr", 0 },
    { recs_string("{\"a\":[1,1,1]}"), { EXCLUDE("oii") }, 1, 0, "k00", 0 },
    { recs_string("{\"a\":[{},1,{},1]}"), { { NULL, 0, 0 } }, 1, 0, "kkkr",
      2 },

    /* each shelf is cut */

    { recs_string("{\"a\":[1,2,3],\"b\":[4],\"c\":0}"), { { NULL, 0, 0 } }, 0,
      2, "kkck", 0 },
    { recs_string("{\"a\":[1,2,3],\"b\":[4,5,6]}"), { { NULL, 0, 0 } }, 0, 1,
      "kcckcc", 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 3, "kkk", 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 4, "kkk", 0 },
    { recs_string("{\"a\":[{},{},1]}"), { { NULL, 0, 0 } }, 0, 2, "kkc", 2 },

    /* after the sets, and after distinct */

    { recs_string("{\"a\":[1,2,3,4]}"), { REQUIRE("oiii") }, 0, 2, "0kkc",
      0 },
    { recs_string("{\"a\":[1,2,1,3,4]}"), { { NULL, 0, 0 } }, 1, 3, "kkrkc",
      0 },
    { recs_string("{\"a\":[1,2],\"b\":[2,3]}"), { { NULL, 0, 0 } }, 1, 1,
      "kcrk", 0 },
    { recs_string("{\"a\":[5,1,{},2,1,3,4],\"b\":[3,6]}"),
      { REQUIRE_DROP("?iiiiiii"), EXCLUDE("ooooooio") }, 1, 4, "0kkkrkc1k",
      1 },
};


/* Those without an id go, before all that counts places. */

static void
what_has_no_id_can_be_dropped(void **state)
{
    recs_page_t       page;
    recs_rule_t       rule[UNIT_RULES_MAX];
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_decision_t   d;

    static const recs_str_t  text = recs_string(
        "{\"a\":[{},1,null,1,{\"id\":1.5},2,3,4],\"b\":[[],5]}");
    static const unit_set_t  sets[UNIT_RULES_MAX] = { EXCLUDE("oooioo") };

    (void) state;

    unit_arena_init(&arena);
    unit_page(&arena, "/a /b", &text, &page);

    memset(&policy, 0, sizeof(recs_policy_t));
    unit_rules(&arena, sets, &policy, rule);
    policy.drop_unidentified = 1;
    policy.distinct = 1;
    policy.limit = 2;

    assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d), RECS_OK);

    unit_check_fates(&page, &policy, &d, "ukuruk0cuk");
    assert_int_equal(d.unidentified, 4);
    assert_int_equal(d.removed, 6);
    assert_int_equal(d.repeated, 1);

    unit_arena_free(&arena);
}


static void
rules_distinct_and_limit_decide(void **state)
{
    size_t            i;
    recs_page_t       page;
    recs_rule_t       rule[UNIT_RULES_MAX];
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_decision_t   d;

    (void) state;

    for (i = 0; i < unit_nelts(decided); i++) {
        unit_arena_init(&arena);
        unit_page(&arena, "/a /b", &decided[i].text, &page);

        memset(&policy, 0, sizeof(recs_policy_t));
        unit_rules(&arena, decided[i].sets, &policy, rule);
        policy.distinct = decided[i].distinct;
        policy.limit = decided[i].limit;

        assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d),
                         RECS_OK);

        unit_check_fates(&page, &policy, &d, decided[i].fates);
        assert_int_equal(d.unidentified, decided[i].unidentified);
        assert_int_equal(d.ninserts, 0);
        assert_int_equal(d.skipped, 0);
        assert_int_equal(d.unfilled, 0);

        unit_arena_free(&arena);
    }
}


/* There is no shelf at all if none is looked for. */

static void
a_page_without_shelves_is_left_alone(void **state)
{
    recs_page_t        page;
    unit_arena_t       arena;
    recs_policy_t      policy;
    recs_draw_t        draw;
    recs_decision_t    d;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string("{\"a\":[1]}");

    (void) state;

    unit_arena_init(&arena);
    unit_spec(&arena, NULL, NULL, NULL, &spec);
    assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_OK);

    memset(&policy, 0, sizeof(recs_policy_t));
    memset(&draw, 0, sizeof(recs_draw_t));
    policy.draws = &draw;
    policy.ndraws = 1;
    policy.distinct = 1;
    policy.limit = 1;
    policy.min = 1;

    assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d), RECS_OK);
    assert_int_equal(d.total, 0);
    assert_int_equal(d.ninserts, 0);

    unit_arena_free(&arena);
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned          n;
    recs_rc_e         rc;
    recs_page_t       page;
    unit_arena_t      pages, arena;
    recs_policy_t     policy;
    recs_decision_t   d;

    static const recs_str_t  text = recs_string("{\"a\":[1,2,2]}");

    (void) state;

    unit_arena_init(&pages);
    unit_page(&pages, "/a", &text, &page);

    memset(&policy, 0, sizeof(recs_policy_t));
    policy.distinct = 1;

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = recs_decide(&arena.mem, &page, &policy, &d);

        if (rc == RECS_OK) {
            assert_int_equal(d.removed, 1);
            unit_arena_free(&arena);
            break;
        }

        unit_arena_free(&arena);

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    /* verdicts, counts, ids */

    assert_int_equal(n, 3);

    unit_arena_free(&pages);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(rules_distinct_and_limit_decide),
        cmocka_unit_test(what_has_no_id_can_be_dropped),
        cmocka_unit_test(a_page_without_shelves_is_left_alone),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
