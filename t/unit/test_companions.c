
/*
 * Arrays in step with a shelf: which belong to which, what is refused, and how
 * they follow the decision.
 */


#include "unit_render.h"


/*
 * What is read: the shelves' ids, and after each its companions, in the order
 * of the spec: "b1,b2=1,2=\"x\",\"y\"|b3=3".
 */

typedef struct {
    const char       *shelves;
    const char       *with;
    recs_str_t        text;
    const char       *read;
} read_t;


static const read_t  reads[] = {

    /* before the shelf, after it, around it; all kinds of elements */

    { "/ids", "0/scores",
      recs_string("{\"ids\":[\"a\",\"b\"],\"scores\":[0.5, 1e2 ]}"),
      "a,b=0.5,1e2" },
    { "/ids", "0/scores",
      recs_string("{\"scores\":[{\"x\":[1]},[ ]],\"ids\":[\"a\",\"b\"]}"),
      "a,b={\"x\":[1]},[ ]" },
    { "/ids", "0/t 0/s",
      recs_string("{\"s\":[null],\"ids\":[7],\"t\":[\"\\u0061\"]}"),
      "7=\"\\u0061\"=null" },
    { "/ids", "0/s", recs_string("{\"s\":[],\"ids\":[]}"), "=" },

    /* deep, in arrays, of objects; and of several shelves */

    { "/a/0/ids", "0/a/1/s",
      recs_string("{\"a\":[{\"ids\":[1,2]},{\"s\":[3,4]}]}"), "1,2=3,4" },
    { "/0", "0/1", recs_string("[[1,2],[3,4]]"), "1,2=3,4" },
    { "/items", "0/s",
      recs_string("{\"items\":[{\"id\":\"a\"},{}],\"s\":[1,2]}"), "a,?=1,2" },
    { "/a /b", "1/s 0/t",
      recs_string("{\"a\":[1],\"b\":[2,3],\"s\":[4,5],\"t\":[6]}"),
      "1=6|2,3=4,5" },
    { "/b /a /c", "1/s",
      recs_string("{\"a\":[1],\"b\":[2,3],\"s\":[4],\"t\":[6]}"), "2,3|1=4" },

    /* the "*" is the same element, whatever stands between and where */

    { "/r/*/ids", "0/r/*/s",
      recs_string("{\"r\":[{\"ids\":[1],\"s\":[2]},{\"s\":[4],\"ids\":[3]}]}"),
      "1=2|3=4" },
    { "/r/*/ids", "0/r/*/s 0?/r/*/t",
      recs_string("{\"r\":[{\"s\":[9,9]},{\"ids\":[1],\"s\":[2],\"t\":[5]},7,"
                  "{\"t\":[]},{\"s\":[4],\"ids\":[3]}]}"),
      "1=2=5|3=4" },
    { "/*/0", "0/*/1", recs_string("[[[1],[2]],[[3,4],[5,6]]]"),
      "1=2|3,4=5,6" },
    { "/r/*/q/*/ids", "0/r/*/q/*/s",
      recs_string("{\"r\":[{\"q\":[{\"ids\":[1],\"s\":[2]}]},{\"q\":[]},{\"q\":"
                  "[{\"ids\":[3],\"s\":[4]},{\"s\":[6],\"ids\":[5]}]}]}"),
      "1=2|3=4|5=6" },
    { "/r/*/x/ids", "0/r/*/y/s",
      recs_string("{\"r\":[{\"y\":{\"s\":[2]},\"x\":{\"ids\":[1]}}]}"),
      "1=2" },
    { "/r/*/ids", "0/r/*/s",
      recs_string("{\"r\":{\"*\":{\"ids\":[1],\"s\":[2]}}}"), "1=2" },
    { "/r/*/q/*/ids", "0?/r/*/q/*/s",
      recs_string("{\"r\":[{\"q\":{\"*\":{\"ids\":[1]}}},"
                  "{\"q\":{\"*\":{\"s\":[6],\"ids\":[5]}}},"
                  "{\"q\":[{\"s\":[8]},{\"ids\":[7]}]}]}"),
      "1|5=6|7" },
    { "/r/*/q/*/ids", "0/r/*/q/*/s",
      recs_string("{\"r\":[{\"q\":[{\"ids\":[1],\"s\":[2]}],"
                  "\"q\":{\"*\":{\"ids\":[3],\"s\":[4]}}},"
                  "{\"q\":{\"*\":{\"s\":[6],\"ids\":[5]}}}]}"),
      "3=4|5=6" },

    /* what may be missing: absent, null, of another kind */

    { "/ids", "0?/s", recs_string("{\"ids\":[1]}"), "1" },
    { "/ids", "0?/s", recs_string("{\"ids\":[1],\"s\":null}"), "1" },
    { "/ids", "0?/s 0/t", recs_string("{\"ids\":[1],\"s\":{\"1\":2},"
                                      "\"t\":[3]}"), "1=3" },

    /* the last of a name counts */

    { "/ids", "0/s", recs_string("{\"s\":[1,2],\"ids\":[7],\"s\":[3]}"),
      "7=3" },
    { "/ids", "0/s", recs_string("{\"ids\":[7,8],\"s\":[3],\"ids\":[9]}"),
      "9=3" },
    { "/ids", "0?/s", recs_string("{\"ids\":[7],\"s\":[3],\"s\":0}"), "7" },
    { "/r/*/ids", "0/r/*/s",
      recs_string("{\"r\":[{\"ids\":[1],\"s\":[2]},{\"ids\":[1],\"s\":[2]}],"
                  "\"r\":[{\"s\":[8,9],\"ids\":[3],\"s\":[4]}]}"), "3=4" },
};


static void
read_of(const recs_page_t *page, unit_text_t *text)
{
    size_t                   i, k, n;
    recs_page_t              one;
    unit_text_t              ids;
    recs_str_t               str;
    const recs_companion_t  *companion;

    text->len = 0;
    one = *page;
    one.nshelves = 1;

    for (k = 0; k < page->nshelves; k++) {
        one.shelves = &page->shelves[k];
        unit_page_ids(&one, &ids);

        unit_add_cstr(text, k ? "|" : "");
        str = unit_text_str(&ids);
        unit_add(text, &str);

        for (i = 0; i < page->ncompanions; i++) {
            companion = &page->companions[i];

            if (companion->shelf != k) {
                continue;
            }

            unit_add_cstr(text, "=");

            for (n = 0; n < page->shelves[k].nitems; n++) {
                unit_add_cstr(text, n ? "," : "");
                unit_add(text, &companion->elements[n]);
            }
        }
    }
}


static void
companions_are_those_of_their_shelf(void **state)
{
    size_t             i;
    recs_str_t         str;
    recs_page_t        page;
    unit_text_t        text;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    for (i = 0; i < unit_nelts(reads); i++) {
        unit_arena_init(&arena);

        unit_spec(&arena, reads[i].shelves, "/id", NULL, &spec);
        unit_spec_with(&arena, reads[i].with, &spec);
        assert_int_equal(unit_read(&arena, &spec, &reads[i].text, &page),
                         RECS_OK);

        read_of(&page, &text);
        str = unit_text_str(&text);
        unit_assert_cstr(&str, reads[i].read);

        unit_arena_free(&arena);
    }
}


/* Values are found in companions as in anything else. */

static void
values_are_found_in_companions(void **state)
{
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string(
        "{\"ids\":[1,2],\"s\":[{\"v\":5},6],\"w\":7}");

    (void) state;

    unit_arena_init(&arena);

    unit_spec(&arena, "/ids", "/id", "/s/0/v /s/1 /w", &spec);
    unit_spec_with(&arena, "0/s", &spec);
    assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_OK);

    unit_assert_cstr(&page.values[0].span, "5");
    unit_assert_cstr(&page.values[1].span, "6");
    unit_assert_cstr(&page.values[2].span, "7");

    unit_arena_free(&arena);
}


/* With what is out of step nothing is done; pos is of what is wrong. */

static void
what_is_out_of_step_is_refused(void **state)
{
    size_t             i, pos;
    recs_rc_e          rc;
    recs_str_t         packed;
    recs_page_t        page;
    const char        *error;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const struct {
        const char   *shelves;
        const char   *with;
        recs_str_t    text;
        recs_rc_e     rc;
        size_t        pos;
    } refused[] = {
        { "/ids", "0/s", recs_string("{\"ids\":[1,2],\"s\":[1]}"), RECS_UNEVEN,
          17 },
        { "/ids", "0/s", recs_string("{\"ids\":[1,2],\"s\":[1,2,3]}"),
          RECS_UNEVEN, 17 },
        { "/ids", "0/s", recs_string("{\"s\":[1],\"ids\":[]}"), RECS_UNEVEN,
          5 },
        { "/ids", "0?/s", recs_string("{\"s\":[1],\"ids\":[]}"), RECS_UNEVEN,
          5 },
        { "/ids", "0/s 0/t",
          recs_string("{\"ids\":[1],\"s\":[1],\"t\":[1,2]}"), RECS_UNEVEN,
          23 },
        { "/ids", "0/s", recs_string("{\"ids\":[1,2],\"s\":[1,2],\"s\":[1]}"),
          RECS_UNEVEN, 27 },
        { "/r/*/i", "0/r/*/s",
          recs_string("{\"r\":[{\"i\":[1],\"s\":[1]},{\"i\":[1],\"s\":[]}]}"),
          RECS_UNEVEN, 37 },

        { "/ids", "0/s", recs_string("{\"ids\":[1]}"), RECS_NO_COMPANION, 7 },
        { "/ids", "0/s", recs_string("{\"ids\":[1],\"s\":null}"),
          RECS_NO_COMPANION, 7 },
        { "/ids", "0/s", recs_string("{\"ids\":[1],\"s\":{\"0\":1}}"),
          RECS_NO_COMPANION, 7 },
        { "/ids", "0/s", recs_string("{\"ids\":[1],\"s\":[1],\"s\":1}"),
          RECS_NO_COMPANION, 7 },
        { "/ids", "0?/t 0/s", recs_string("{\"ids\":[1],\"t\":[1]}"),
          RECS_NO_COMPANION, 7 },

        /* of another element, it is not this one's */

        { "/r/*/i", "0/r/*/s",
          recs_string("{\"r\":[{\"i\":[1]},{\"s\":[1]}]}"), RECS_NO_COMPANION,
          11 },
        { "/r/*/i", "0/r/*/s",
          recs_string("{\"r\":[{\"s\":[1]},{\"i\":[1]}]}"), RECS_NO_COMPANION,
          21 },

        /* what has no shelf is none, whatever else it has */

        { "/ids", "0/s", recs_string("{\"s\":[1]}"), RECS_NO_SHELF, 0 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(refused); i++) {
        unit_arena_init(&arena);

        unit_spec(&arena, refused[i].shelves, "/id", NULL, &spec);
        unit_spec_with(&arena, refused[i].with, &spec);

        pos = 0;
        error = NULL;
        rc = recs_page_read(&arena.mem, &spec, RECS_JSON, &refused[i].text,
                            &page, &error, &pos);

        assert_int_equal(rc, refused[i].rc);
        assert_int_equal(pos, refused[i].pos);
        assert_null(error);

        packed = unit_msgpack(&arena, &refused[i].text);
        assert_int_equal(unit_read_as(&arena, &spec, RECS_MSGPACK, &packed,
                                      &page), rc);

        unit_arena_free(&arena);
    }
}


/* As many elements as items may be, for each companion; and as many arrays. */

static void
companions_are_limited(void **state)
{
    size_t             i, k;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const struct {
        const char   *with;
        recs_str_t    text;
        size_t        max;      /* what is enough */
    } limited[] = {
        { "0/s", recs_string("{\"a\":[1,2],\"s\":[1,2]}"), 2 },
        { "0/s", recs_string("{\"s\":[1,2,3],\"a\":[1],\"s\":[2]}"), 4 },
        { "0/s 0/t", recs_string("{\"a\":[1,2],\"s\":[1,2],\"t\":[1,2]}"), 2 },
        { "0/s", recs_string("{\"a\":[],\"s\":[],\"s\":[],\"s\":[]}"), 3 },
    };
    static const size_t  unlimited[] = { SIZE_MAX, SIZE_MAX / 2 + 1 };

    (void) state;

    for (i = 0; i < unit_nelts(limited); i++) {
        unit_arena_init(&arena);
        unit_spec(&arena, "/a", "/id", NULL, &spec);
        unit_spec_with(&arena, limited[i].with, &spec);

        spec.max_items = limited[i].max;
        assert_int_equal(unit_read(&arena, &spec, &limited[i].text, &page),
                         RECS_OK);

        spec.max_items = limited[i].max - 1;
        assert_int_equal(unit_read(&arena, &spec, &limited[i].text, &page),
                         RECS_TOO_MANY);

        /* no limit at all, whatever it is multiplied by */

        for (k = 0; k < unit_nelts(unlimited); k++) {
            spec.max_items = unlimited[k];
            assert_int_equal(unit_read(&arena, &spec, &limited[i].text, &page),
                             RECS_OK);
        }

        unit_arena_free(&arena);
    }
}


/* Fates and before: as for unit_decision().  Inserts are "x", "y" and "z". */

typedef struct {
    const char       *shelves;
    const char       *with;
    recs_str_t        text;
    const char       *fates;
    const char       *before;
    const char       *tag;
    recs_str_t        rendered;
} rendered_t;


static const rendered_t  rendered[] = {

    { "/i", "0/s", recs_string("{\"i\":[1 , 2,3 ] ,\"s\": [ 4,5 , 6]}"),
      "kkk", "", "", recs_string("{\"i\":[1 , 2,3 ] ,\"s\": [ 4,5 , 6]}") },
    { "/i", "0/s", recs_string("{\"i\":[1 , 2,3 ] ,\"s\": [ 4,5 , 6]}"),
      "k-k", "", "", recs_string("{\"i\":[1 , 3 ] ,\"s\": [ 4,6]}") },
    { "/i", "0/s", recs_string("{\"i\":[1 , 2,3 ] ,\"s\": [ 4,5 , 6]}"),
      "---", "", "", recs_string("{\"i\":[ ] ,\"s\": []}") },
    { "/i", "0/s", recs_string("{\"i\":[1 , 2,3 ] ,\"s\": [ 4,5 , 6]}"),
      "kk-", "", "", recs_string("{\"i\":[1 , 2 ] ,\"s\": [ 4,5]}") },

    /* exactly as they came */

    { "/i", "0/s", recs_string("{\"s\":[ 1.50 ,{ \"\\u0061\" : [ ] }],"
                               "\"i\":[1,2]}"),
      "-k", "", "", recs_string("{\"s\":[ { \"\\u0061\" : [ ] }],"
                                "\"i\":[2]}") },

    /* null for what is put in */

    { "/i", "0/s 0/t",
      recs_string("{\"t\":[7,8],\"i\":[1,2],\"s\":[4,5],\"u\":[9,9]}"), "-k",
      "1$", "", recs_string("{\"t\":[null,8,null],\"i\":[\"x\",2,\"y\"],"
                            "\"s\":[null,5,null],\"u\":[9,9]}") },
    { "/i", "0/s", recs_string("{\"i\":[],\"s\":[ ]}"), "", "$$", "",
      recs_string("{\"i\":[\"x\",\"y\"],\"s\":[null,null ]}") },
    { "/i", "0/s", recs_string("{\"i\":[1,2],\"s\":[4,5]}"), "--", "$", "",
      recs_string("{\"i\":[\"x\"],\"s\":[null]}") },

    /* each shelf its own, and others stay */

    { "/a /b", "1/s", recs_string("{\"s\":[1,2],\"a\":[3,4],\"b\":[5,6]}"),
      "-k-k", "&", "",
      recs_string("{\"s\":[2,null],\"a\":[4],\"b\":[6,\"x\"]}") },
    { "/b /a", "0/s 1/t",
      recs_string("{\"s\":[1,2],\"a\":[3,4],\"t\":[5,6],\"b\":[7,8]}"),
      "k--k", "$", "", recs_string("{\"s\":[1,null],\"a\":[4],\"t\":[6],"
                                   "\"b\":[7,\"x\"]}") },
    { "/r/*/i", "0/r/*/s",
      recs_string("{\"r\":[{\"i\":[1,2],\"s\":[3,4]},"
                  "{\"s\":[5,6],\"i\":[7,8]}]}"), "-kk-", "$&", "",
      recs_string("{\"r\":[{\"i\":[2,\"x\"],\"s\":[4,null]},"
                  "{\"s\":[5,null],\"i\":[7,\"y\"]}]}") },

    /* beside the root's own changes, and within what goes */

    { "/i", "0/s", recs_string("{\"i\":[1,2],\"_recs\":0,\"s\":[4,5]}"), "k-",
      "", "7", recs_string("{\"i\":[1],\"s\":[4],\"_recs\":7}") },
    { "/i", "0/_recs/s", recs_string("{\"i\":[1,2],\"_recs\":{\"s\":[4,5]}}"),
      "k-", "", "", recs_string("{\"i\":[1]}") },
    { "/i", "0?/s", recs_string("{\"i\":[1,2],\"s\":null}"), "k-", "", "7",
      recs_string("{\"i\":[1],\"s\":null,\"_recs\":7}") },
};


static void
companions_follow_the_decision(void **state)
{
    size_t             i;
    unit_arena_t       arena;
    const rendered_t  *row;
    recs_page_spec_t   spec;

    (void) state;

    for (i = 0; i < unit_nelts(rendered); i++) {
        row = &rendered[i];
        unit_arena_init(&arena);

        unit_spec(&arena, row->shelves, "/id", NULL, &spec);
        unit_spec_with(&arena, row->with, &spec);
        unit_check_alike(&spec, &row->text, row->fates, row->before, row->tag,
                         &row->rendered);

        unit_arena_free(&arena);
    }
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned           n;
    recs_rc_e          rc;
    recs_page_t        page;
    unit_arena_t       specs, arena;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string(
        "{\"s\":[1,2],\"i\":[3,4],\"t\":[5,6]}");

    (void) state;

    unit_arena_init(&specs);
    unit_spec(&specs, "/i", "/id", NULL, &spec);
    unit_spec_with(&specs, "0/s 0/t", &spec);

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n + 1);     /* and the text's copy */
        rc = unit_read(&arena, &spec, &text, &page);
        unit_arena_free(&arena);

        if (rc == RECS_OK) {
            break;
        }

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    /* arrays of three pointers, items, elements; shelves, companions */

    assert_int_equal(n, 7);

    unit_arena_free(&specs);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(companions_are_those_of_their_shelf),
        cmocka_unit_test(values_are_found_in_companions),
        cmocka_unit_test(what_is_out_of_step_is_refused),
        cmocka_unit_test(companions_are_limited),
        cmocka_unit_test(companions_follow_the_decision),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
