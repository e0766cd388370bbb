
#include "unit_page.h"

#include "recs_hash.h"


#define RULES_MAX  4


/* A set: of each id asked "i" (in), "o" (out) or "?" (unknown). */

typedef struct {
    const char       *answers;      /* NULL: there is no such rule */
    unsigned          exclude:1;
    unsigned          drop_unknown:1;
} set_t;

#define REQUIRE(answers)       { answers, 0, 0 }
#define REQUIRE_DROP(answers)  { answers, 0, 1 }
#define EXCLUDE(answers)       { answers, 1, 0 }
#define EXCLUDE_DROP(answers)  { answers, 1, 1 }


/*
 * Fates: of each item "k" (kept), the rule that refused it ("0", "1", ...), "r"
 * (repeated), "c" (cut) or "d" (displaced).  Shelves are at /a and /b.
 */

typedef struct {
    recs_str_t        text;
    set_t             sets[RULES_MAX];
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


/*
 * Exploration: the panel of each slot is given, so that what may be drawn is
 * known.  Orders: a panel for each slot, of one-digit indices in the pool,
 * whose ids are p0 to p9.  Sets answer about them, too, slot by slot.
 */

typedef struct {
    recs_str_t        text;         /* shelves at /a and /b */
    set_t             sets[RULES_MAX];
    size_t            limit;
    unsigned          slots[4];     /* until a 0 */
    const char       *orders[4];
    const char       *shelf;        /* the first, as it is shown */
    const char       *fates;
    size_t            skipped;
    size_t            unfilled;
} explored_t;


static const explored_t  explored[] = {

    /* at the first slot, in the middle, at the last, far past the end */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 1, 0 }, { "0" }, "p0,1,2", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 2, 0 }, { "0" }, "1,p0,2", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 3, 0 }, { "0" }, "1,2,p0", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 5, 0 }, { "0" }, "1,2,3", "kkk", 1, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 100, 0 }, { "0" }, "1,2,3", "kkk", 1, 0 },

    /* several */

    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 0,
      { 1, 3, 0 }, { "0", "1" }, "p0,1,p1,2", "kkdd", 0, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 3, 0 }, { "0", "1", "2" }, "p0,p1,p2,1", "kddd", 0, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 0,
      { 3, 4, 0 }, { "0", "1" }, "1,2,p0,p1", "kkdd", 0, 0 },
    { recs_string("{\"a\":[1,2]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 3, 4 }, { "0", "1", "2", "3" }, "p0,p1,p2,p3", "dd", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 3, 0 }, { "0", "1", "2" }, "p0,p1,p2", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0,
      { 1, 3, 4, 0 }, { "0", "1", "2" }, "p0", "d", 2, 0 },

    /* an empty shelf grows */

    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0,
      { 1, 0 }, { "0" }, "p0", "", 0, 0 },
    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 4, 0 }, { "0", "1", "2" }, "p0,p1", "", 1, 0 },
    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0,
      { 2, 0 }, { "0" }, "", "", 1, 0 },
    { recs_string("{\"a\":[1,2]}"), { EXCLUDE("iioo") }, 0,
      { 1, 2, 0 }, { "0", "1" }, "p0,p1", "00", 0, 0 },

    /* its length is what the sets and the limit left */

    { recs_string("{\"a\":[1,2,3,4]}"), { EXCLUDE("iooio") }, 0,
      { 2, 0 }, { "0" }, "2,p0", "0kd0", 0, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { EXCLUDE("iooio") }, 0,
      { 4, 0 }, { "0" }, "2,3", "0kk0", 1, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 3,
      { 1, 0 }, { "0" }, "p0,1,2", "kkdc", 0, 0 },
    { recs_string("{\"a\":[{},2,{}]}"), { REQUIRE("ii") }, 0,
      { 2, 0 }, { "0" }, "?,p0,2", "kkd", 0, 0 },

    /* only the first shelf, wherever it stands */

    { recs_string("{\"b\":[3,4],\"a\":[1,2]}"), { { NULL, 0, 0 } }, 0,
      { 1, 0 }, { "0" }, "p0,1", "kdkk", 0, 0 },
    { recs_string("{\"a\":[],\"b\":[3,4]}"), { { NULL, 0, 0 } }, 0,
      { 1, 0 }, { "0" }, "p0", "kk", 0, 0 },

    /* eligible are those that every set definitely allows */

    { recs_string("{\"a\":[1]}"), { REQUIRE("iooi") }, 0,
      { 1, 0 }, { "012" }, "p2", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("oioi") }, 0,
      { 1, 0 }, { "012" }, "p1", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("i??i") }, 0,
      { 1, 0 }, { "012" }, "p2", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("oo??") }, 0,
      { 1, 0 }, { "012" }, "p0", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("iii?"), EXCLUDE("ooio") }, 0,
      { 1, 0 }, { "012" }, "p0", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("????"), EXCLUDE("oooo") }, 0,
      { 1, 0 }, { "012" }, "1", "k", 0, 1 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("oiii") }, 0,
      { 1, 0 }, { "012" }, "1", "k", 0, 1 },

    /* never what the page shows; what went from it may come */

    { recs_string("{\"a\":[\"p0\",1]}"), { { NULL, 0, 0 } }, 0,
      { 1, 0 }, { "0" }, "p0,1", "kk", 0, 1 },
    { recs_string("{\"a\":[1,2],\"b\":[\"\\u0070\\u0030\"]}"),
      { { NULL, 0, 0 } }, 0, { 1, 0 }, { "01" }, "p1,1", "kdk", 0, 0 },
    { recs_string("{\"a\":[1,2,\"p0\"]}"), { { NULL, 0, 0 } }, 2,
      { 1, 0 }, { "0" }, "p0,1", "kdc", 0, 0 },

    /* what was displaced a moment ago stood on the page, too */

    { recs_string("{\"a\":[1,\"p1\"]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 0 }, { "0", "1" }, "p0,1", "kd", 0, 1 },

    /* what an earlier slot placed is not drawn again */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 0 }, { "0", "01" }, "p0,p1,1", "kdd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 0 }, { "0", "0" }, "p0,1,2", "kkd", 0, 1 },
    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("iiiiiiio") }, 0,
      { 1, 2, 3, 0 }, { "0", "0", "102" }, "p0,1,p1", "kdd", 0, 1 },

    /* past the end the last candidate goes, too: what was put in moves up */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 4, 0 }, { "0" }, "1,2,p0", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 3, 4, 0 }, { "0", "1" }, "1,p0,p1", "kdd", 0, 0 },

    /* a slot that is not filled leaves the next one its place */

    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("iiioi") }, 0,
      { 1, 2, 0 }, { "0", "1" }, "1,p1,2", "kkd", 0, 1 },
    { recs_string("{\"a\":[]}"), { REQUIRE("oi") }, 0,
      { 1, 2, 0 }, { "0", "1" }, "", "", 1, 1 },

    /* answers are by slot, also of those that are skipped */

    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("iiioiiio") }, 0,
      { 1, 2, 3, 0 }, { "01", "20", "3" }, "p1,p2,1", "kdd", 0, 1 },

    /* several empty panels */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0,
      { 1, 2, 0 }, { "", "" }, "1,2,3", "kkk", 0, 2 },
};


static void
rules(unit_arena_t *arena, const set_t *sets, recs_policy_t *policy,
    recs_rule_t *rule)
{
    size_t    i, n, len;
    uint8_t  *answers;

    policy->rules = rule;
    policy->nrules = 0;

    for (n = 0; n < RULES_MAX && sets[n].answers; n++) {
        len = strlen(sets[n].answers);
        answers = recs_alloc(&arena->mem, len);

        for (i = 0; i < len; i++) {
            answers[i] = sets[n].answers[i] == 'i' ? RECS_IN
                         : sets[n].answers[i] == 'o' ? RECS_OUT
                         : RECS_UNKNOWN;
        }

        rule[n].answers = answers;
        rule[n].exclude = sets[n].exclude;
        rule[n].drop_unknown = sets[n].drop_unknown;
        policy->nrules++;
    }
}


/* Fates as text, and whether all counts agree with them. */

static void
check_fates(const recs_page_t *page, const recs_policy_t *policy,
    const recs_decision_t *d, const char *expected)
{
    size_t                 i, k, of[RECS_DISPLACED + 1], by[RULES_MAX];
    char                   fate[2];
    recs_str_t             str;
    unit_text_t            text;
    const recs_verdict_t  *verdict;

    memset(of, 0, sizeof(of));
    memset(by, 0, sizeof(by));
    text.len = 0;
    fate[1] = '\0';

    for (i = 0; i < page->nitems; i++) {
        verdict = &d->verdicts[i];

        assert_true(verdict->fate <= RECS_DISPLACED);
        of[verdict->fate]++;
        fate[0] = "k-rcd"[verdict->fate];

        if (verdict->fate == RECS_REFUSED) {
            assert_true(verdict->rule < policy->nrules);
            by[verdict->rule]++;
            fate[0] = (char) ('0' + verdict->rule);
        }

        unit_add_cstr(&text, fate);
    }

    if (expected) {
        str = unit_text_str(&text);
        unit_assert_cstr(&str, expected);
    }

    assert_int_equal(d->total, page->nitems);
    assert_int_equal(d->kept, of[RECS_KEPT]);
    assert_int_equal(d->removed, of[RECS_REFUSED] + of[RECS_REPEATED]);
    assert_int_equal(d->cut, of[RECS_CUT] + of[RECS_DISPLACED]);
    assert_int_equal(d->total, d->kept + d->removed + d->cut);

    for (k = 0; k < policy->nrules; k++) {
        assert_int_equal(d->removed_by[k], by[k]);
    }
}


static void
rules_distinct_and_limit_decide(void **state)
{
    size_t            i;
    recs_page_t       page;
    recs_rule_t       rule[RULES_MAX];
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_decision_t   d;

    (void) state;

    for (i = 0; i < unit_nelts(decided); i++) {
        unit_arena_init(&arena);
        unit_page(&arena, "/a /b", &decided[i].text, &page);

        memset(&policy, 0, sizeof(recs_policy_t));
        rules(&arena, decided[i].sets, &policy, rule);
        policy.distinct = decided[i].distinct;
        policy.limit = decided[i].limit;

        assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d),
                         RECS_OK);

        check_fates(&page, &policy, &d, decided[i].fates);
        assert_int_equal(d.unidentified, decided[i].unidentified);
        assert_int_equal(d.ninserts, 0);
        assert_int_equal(d.skipped, 0);
        assert_int_equal(d.unfilled, 0);

        unit_arena_free(&arena);
    }
}


static void
add_id(unit_text_t *text, const recs_item_t *item)
{
    if (text->len) {
        unit_add_cstr(text, ",");
    }

    if (item->id.data) {
        unit_add(text, &item->id);

    } else {
        unit_add_cstr(text, "?");
    }
}


/* The first shelf as the decision has it. */

static recs_str_t
shown(const recs_page_t *page, const recs_policy_t *policy,
    const recs_decision_t *d, unit_text_t *text)
{
    size_t       i, k, end;
    recs_item_t  put;

    text->len = 0;
    k = 0;
    end = page->shelves[0].first + page->shelves[0].nitems;

    for (i = page->shelves[0].first; i < end; i++) {

        if (d->verdicts[i].fate != RECS_KEPT) {
            continue;
        }

        while (k < d->ninserts && d->inserts[k].before == i) {
            put.id = policy->pool[d->inserts[k++].item];
            add_id(text, &put);
        }

        add_id(text, &page->items[i]);
    }

    while (k < d->ninserts) {
        assert_int_equal(d->inserts[k].before, page->nitems);
        put.id = policy->pool[d->inserts[k++].item];
        add_id(text, &put);
    }

    return unit_text_str(text);
}


static void
exploration_items_take_their_slots(void **state)
{
    size_t            i, k;
    unsigned          s;
    uint32_t          order[4][10];
    recs_str_t        shelf, pool[10];
    recs_page_t       page;
    recs_draw_t       draws[4];
    recs_rule_t       rule[RULES_MAX];
    unit_text_t       text;
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_explore_t    ex;
    recs_decision_t   d;

    static const char  *ids[] = {
        "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"
    };

    (void) state;

    for (i = 0; i < unit_nelts(pool); i++) {
        pool[i] = unit_str(ids[i]);
    }

    for (i = 0; i < unit_nelts(explored); i++) {
        unit_arena_init(&arena);
        unit_page(&arena, "/a /b", &explored[i].text, &page);

        memset(&policy, 0, sizeof(recs_policy_t));
        memset(&ex, 0, sizeof(recs_explore_t));
        memset(draws, 0, sizeof(draws));

        for (s = 0; s < 4 && explored[i].slots[s]; s++) {
            ex.slots[s] = explored[i].slots[s];
            draws[s].slot = ex.slots[s];
            draws[s].order = order[s];
            draws[s].norder = (unsigned) strlen(explored[i].orders[s]);

            for (k = 0; k < draws[s].norder; k++) {
                order[s][k] = (uint32_t) (explored[i].orders[s][k] - '0');
            }
        }

        ex.nslots = s;
        ex.panel = 10;

        rules(&arena, explored[i].sets, &policy, rule);
        policy.limit = explored[i].limit;
        policy.explore = &ex;
        policy.event = unit_str("e1");
        policy.pool = pool;
        policy.npool = unit_nelts(pool);
        policy.draws = draws;

        assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d),
                         RECS_OK);

        shelf = shown(&page, &policy, &d, &text);
        unit_assert_cstr(&shelf, explored[i].shelf);
        check_fates(&page, &policy, &d, explored[i].fates);
        assert_int_equal(d.skipped, explored[i].skipped);
        assert_int_equal(d.unfilled, explored[i].unfilled);
        assert_int_equal(ex.nslots, d.ninserts + d.skipped + d.unfilled);

        for (k = 0; k < d.ninserts; k++) {
            assert_true(d.inserts[k].draw >= draws);
            assert_true(d.inserts[k].draw < draws + ex.nslots);
            assert_int_equal(d.inserts[k].draw->order
                             [d.inserts[k].draw->drawn],
                             d.inserts[k].item);
            assert_true(d.inserts[k].draw->eligible > 0);
            assert_true(d.inserts[k].draw->p > 0);
        }

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
    recs_explore_t     ex;
    recs_decision_t    d;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string("{\"a\":[1]}");

    (void) state;

    unit_arena_init(&arena);
    unit_spec(&arena, NULL, NULL, NULL, &spec);
    assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_OK);

    memset(&policy, 0, sizeof(recs_policy_t));
    memset(&ex, 0, sizeof(recs_explore_t));
    policy.explore = &ex;
    policy.distinct = 1;
    policy.limit = 1;

    assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d), RECS_OK);
    assert_int_equal(d.total, 0);
    assert_int_equal(d.ninserts, 0);

    unit_arena_free(&arena);
}


/*
 * Pages, answers, slots and pools at random (but the same in every run), beside
 * a shelf that is a plain list: what is put in is inserted, what must go is
 * taken out.
 */

enum { page_max = 12, pool_max = 8, slots_max = 5 };


typedef struct {
    int               injected;
    recs_item_t       item;
} listed_t;


typedef struct {
    uint64_t          seed;
    uint64_t          n;
} chance_t;


static unsigned
chance(chance_t *c, unsigned n)
{
    return (unsigned) recs_hash_uniform(c->seed, c->n++, n);
}


/* Item i of the page has the id i, or one of the pool's, or none. */

static recs_str_t
random_page(chance_t *c, unit_text_t *text)
{
    unsigned  i, n;
    char      item[32];

    text->len = 0;
    n = chance(c, page_max + 1);
    unit_add_cstr(text, "{\"b\":[7,\"p3\"],\"a\":[");

    for (i = 0; i < n; i++) {
        switch (chance(c, 6)) {

        case 0:
            (void) sprintf(item, "{}");
            break;

        case 1:
            (void) sprintf(item, "{\"id\":\"p%u\"}", chance(c, pool_max));
            break;

        default:
            (void) sprintf(item, "%u", chance(c, page_max));
        }

        unit_add_cstr(text, i ? "," : "");
        unit_add_cstr(text, item);
    }

    unit_add_cstr(text, "]}");

    return unit_text_str(text);
}


static int
in_list(const listed_t *list, size_t n, const recs_str_t *id)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (list[i].item.id.data && recs_str_eq(&list[i].item.id, id)) {
            return 1;
        }
    }

    return 0;
}


/* Is the id asked as that number definitely allowed? */

static int
allowed(const recs_policy_t *policy, size_t asked)
{
    size_t  k;

    for (k = 0; k < policy->nrules; k++) {

        if (policy->rules[k].answers[asked] == RECS_UNKNOWN
            || policy->rules[k].answers[asked]
               == (policy->rules[k].exclude ? RECS_IN : RECS_OUT))
        {
            return 0;
        }
    }

    return 1;
}


/* Checks what was drawn for each slot, and gives what is shown. */

static recs_str_t
modelled(const recs_page_t *page, const recs_policy_t *policy,
    const recs_decision_t *d, unit_text_t *text)
{
    size_t        i, j, k, n, length, asked, skipped, unfilled, insert;
    unsigned      s, eligible, m;
    listed_t      list[page_max + slots_max];
    listed_t      before[page_max + 2];
    uint32_t      placed[slots_max];
    recs_draw_t  *draw;

    /* before exploration: what stayed, and what went for it */

    n = 0;
    length = 0;
    asked = 0;

    for (i = 0; i < page->nitems; i++) {
        asked += page->items[i].id.data != NULL;

        if (d->verdicts[i].fate == RECS_KEPT
            || d->verdicts[i].fate == RECS_DISPLACED)
        {
            before[n].item = page->items[i];
            n++;

            if (i < page->shelves[0].nitems) {
                list[length].injected = 0;
                list[length++].item = page->items[i];
            }
        }
    }

    insert = 0;
    skipped = 0;
    unfilled = 0;
    k = length;

    for (s = 0; s < policy->explore->nslots; s++) {
        draw = &policy->draws[s];

        if (draw->slot > length + 1) {
            skipped++;
            asked += draw->norder;
            continue;
        }

        eligible = 0;
        m = 0;

        for (i = 0; i < draw->norder; i++, asked++) {
            for (j = 0; j < insert && placed[j] != draw->order[i]; j++) {
                /* void */
            }

            if (j < insert || m == policy->explore->panel) {
                continue;
            }

            m++;
            eligible += allowed(policy, asked)
                        && !in_list(before, n, &policy->pool[draw->order[i]]);
        }

        assert_int_equal(draw->eligible, eligible);
        assert_int_equal(draw->panel_size, m);
        assert_int_equal(draw->pool_size, policy->npool - insert);

        if (eligible == 0) {
            unfilled++;
            continue;
        }

        assert_true(insert < d->ninserts);
        assert_true(d->inserts[insert].draw == draw);

        for (i = length++; i > draw->slot - 1; i--) {
            list[i] = list[i - 1];
        }

        placed[insert] = d->inserts[insert].item;
        list[i].injected = 1;
        list[i].item.id = policy->pool[placed[insert]];
        assert_false(in_list(before, n, &list[i].item.id));
        insert++;

        if (length > k) {
            for (i = length; i > 0 && list[i - 1].injected; i--) {
                /* void */
            }

            if (i) {
                length--;

                for (i--; i < length; i++) {
                    list[i] = list[i + 1];
                }
            }
        }
    }

    assert_int_equal(d->ninserts, insert);
    assert_int_equal(d->skipped, skipped);
    assert_int_equal(d->unfilled, unfilled);

    text->len = 0;

    for (i = 0; i < length; i++) {
        add_id(text, &list[i].item);
    }

    return unit_text_str(text);
}


static void
exploration_agrees_with_a_plain_list(void **state)
{
    size_t            i, k, n;
    uint8_t           answers[2][256];
    unsigned          s, total;
    recs_str_t        shelf, expected, pool[pool_max], source;
    recs_page_t       page;
    recs_draw_t      *draws;
    recs_rule_t       rule[2];
    unit_text_t       text, model;
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_explore_t    ex;
    recs_decision_t   d;
    chance_t          c;

    static const char  *ids[pool_max] = {
        "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"
    };

    (void) state;

    for (i = 0; i < pool_max; i++) {
        pool[i] = unit_str(ids[i]);
    }

    total = 0;
    c.n = 0;

    for (c.seed = 0; c.seed < 20000; c.seed++) {
        unit_arena_init(&arena);

        source = random_page(&c, &text);
        unit_page(&arena, "/a /b", &source, &page);

        memset(&policy, 0, sizeof(recs_policy_t));
        memset(&ex, 0, sizeof(recs_explore_t));

        ex.salt = unit_str("s1");
        ex.panel = 1 + chance(&c, pool_max + 1);
        ex.nslots = 1 + chance(&c, slots_max);

        for (s = 0; s < ex.nslots; s++) {
            ex.slots[s] = (s ? ex.slots[s - 1] : 0) + 1 + chance(&c, 3);
        }

        policy.explore = &ex;
        policy.event.data = (const uint8_t *) &c.seed;
        policy.event.len = sizeof(c.seed);
        policy.pool = pool;
        policy.npool = chance(&c, pool_max + 1);
        policy.distinct = chance(&c, 2);
        policy.limit = chance(&c, 8);
        policy.rules = rule;
        policy.nrules = chance(&c, 3);

        for (k = 0; k < policy.nrules; k++) {
            n = 1 + chance(&c, 10);

            for (i = 0; i < sizeof(answers[k]); i++) {
                answers[k][i] = (uint8_t) (chance(&c, (unsigned) n) == 0
                                           ? RECS_UNKNOWN
                                           : RECS_IN + chance(&c, 2));
            }

            rule[k].answers = answers[k];
            rule[k].exclude = chance(&c, 2);
            rule[k].drop_unknown = chance(&c, 2);
        }

        assert_int_equal(recs_explore_plan(&arena.mem, &ex, &policy.event,
                                           policy.npool, &draws), RECS_OK);
        policy.draws = draws;

        assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d),
                         RECS_OK);

        check_fates(&page, &policy, &d, NULL);
        expected = modelled(&page, &policy, &d, &model);
        shelf = shown(&page, &policy, &d, &text);
        unit_assert_str(&shelf, &expected);
        total += (unsigned) d.ninserts;

        unit_arena_free(&arena);
    }

    assert_true(total > 5000);
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned          n;
    recs_rc_e         rc;
    recs_str_t        pool;
    recs_page_t       page;
    recs_draw_t      *draws;
    unit_arena_t      pages, arena;
    recs_policy_t     policy;
    recs_explore_t    ex;
    recs_decision_t   d;

    static const recs_str_t  text = recs_string("{\"a\":[1,2,2]}");

    (void) state;

    unit_arena_init(&pages);
    unit_page(&pages, "/a", &text, &page);

    memset(&ex, 0, sizeof(recs_explore_t));
    ex.panel = 1;
    ex.nslots = 1;
    ex.slots[0] = 1;

    memset(&policy, 0, sizeof(recs_policy_t));
    pool = unit_str("p0");
    policy.explore = &ex;
    policy.pool = &pool;
    policy.npool = 1;
    policy.distinct = 1;

    assert_int_equal(recs_explore_plan(&pages.mem, &ex, &policy.event, 1,
                                       &draws), RECS_OK);
    policy.draws = draws;

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = recs_decide(&arena.mem, &page, &policy, &d);

        if (rc == RECS_OK) {
            assert_int_equal(d.ninserts, 1);
            assert_int_equal(d.removed, 1);
            unit_arena_free(&arena);
            break;
        }

        unit_arena_free(&arena);

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    /* verdicts, counts, two sets of ids, and three for the shelf */

    assert_int_equal(n, 7);

    unit_arena_free(&pages);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(rules_distinct_and_limit_decide),
        cmocka_unit_test(exploration_items_take_their_slots),
        cmocka_unit_test(a_page_without_shelves_is_left_alone),
        cmocka_unit_test(exploration_agrees_with_a_plain_list),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
