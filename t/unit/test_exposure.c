
/* The exposure record has the members that docs/exposure.md describes. */

#include "unit_page.h"
#include "unit_writer.h"

#include "recs_exposure.h"


typedef struct {
    recs_str_t        id;
    int               bin;
    size_t            shelf;
    size_t            position;
    const char       *expected;
} item_t;


static const item_t  items[] = {
    { recs_string("b1"), 0, 1, 1,
      "{\"id\":\"b1\",\"shelf\":1,\"position\":1,\"source\":\"candidate\"}" },
    { recs_string(""), 0, 9, 10,
      "{\"id\":\"\",\"shelf\":9,\"position\":10,\"source\":\"candidate\"}" },
    { recs_string("\"\\\n\xc3\xa9\xff"), 0, 10, 99,
      "{\"id\":\"\\\"\\\\\\n\xc3\xa9\xef\xbf\xbd\",\"shelf\":10,"
      "\"position\":99,\"source\":\"candidate\"}" },
    { recs_string("abc"), 1, 100, 5000,
      "{\"id\":\"YWJj\",\"shelf\":100,\"position\":5000,"
      "\"source\":\"candidate\"}" },
    { recs_string("0123456789abcdef0123456789abcdef"), 0,
      SIZE_MAX, SIZE_MAX,
      "{\"id\":\"0123456789abcdef0123456789abcdef\","
      "\"shelf\":18446744073709551615,\"position\":18446744073709551615,"
      "\"source\":\"candidate\"}" },
};


/* The same from whatever size the buffer grows, alone and after others. */

static void
an_item_is_where_it_stands(void **state)
{
    size_t         i, size;
    recs_str_t     str, id, expected;
    unit_text_t    twice;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(items); i++) {
        id = unit_copy(&arena, &items[i].id);

        twice.len = 0;
        unit_add_cstr(&twice, "[");
        unit_add_cstr(&twice, items[i].expected);
        unit_add_cstr(&twice, ",");
        unit_add_cstr(&twice, items[i].expected);
        unit_add_cstr(&twice, "]");

        for (size = 1; size < 300; size += 7) {
            recs_writer_init(&w, &arena.mem, RECS_JSON, size);

            recs_write_array(&w);
            recs_exposure_item(&w, &id, items[i].bin, items[i].shelf,
                               items[i].position, "candidate");
            recs_write_object_end(&w);
            recs_exposure_item(&w, &id, items[i].bin, items[i].shelf,
                               items[i].position, "candidate");
            recs_write_object_end(&w);
            recs_write_array_end(&w);

            str = unit_written(&w);
            expected = unit_text_str(&twice);
            unit_assert_str(&str, &expected);
        }
    }

    unit_arena_free(&arena);
}


static void
members_may_follow(void **state)
{
    unit_arena_t   arena;
    recs_writer_t  w;

    static const recs_str_t  id = recs_string("x");

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);

    recs_exposure_item(&w, &id, 0, 1, 2, "backfill");
    recs_write_key(&w, "pool");
    recs_write_cstr(&w, "p");
    recs_write_object_end(&w);

    unit_assert_written(&w, "{\"id\":\"x\",\"shelf\":1,\"position\":2,"
                        "\"source\":\"backfill\",\"pool\":\"p\"}");

    unit_arena_free(&arena);
}


static void
a_draw_says_how_it_was_made(void **state)
{
    unit_arena_t    arena;
    recs_draw_t     draw;
    recs_line_t     line;
    recs_writer_t   w;
    recs_choices_t  pool;
    recs_explore_t  policy;

    static uint8_t          refused[] = { 1, 0, 0, 1 };
    static recs_category_t  category = { recs_string("\"c\""), 0, 9 };

    (void) state;

    memset(&draw, 0, sizeof(recs_draw_t));
    memset(&line, 0, sizeof(recs_line_t));
    memset(&pool, 0, sizeof(recs_choices_t));
    memset(&policy, 0, sizeof(recs_explore_t));

    pool.fingerprint = UINT64_C(0x00fedcba98765432);
    policy.rate = 0.05;
    policy.panel = 4;
    line.policy = &policy;
    line.pool = &pool;

    draw.line = &line;
    draw.slot = 3;
    draw.category = &category;
    draw.refused = refused;
    draw.panel_size = 4;
    draw.pool_size = 17;
    draw.neligible = 2;
    draw.choice = 1.0 / 3;
    draw.p = draw.choice * 4 / 17;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);

    recs_write_object(&w);
    recs_exposure_draw(&w, &draw, "diverse");
    recs_write_object_end(&w);

    unit_assert_written(&w, "{\"fingerprint\":\"00fedcba98765432\",\"slot\":3,"
        "\"method\":\"diverse\",\"category\":\"\\\"c\\\"\",\"gate\":0.05,"
        "\"panel\":4,\"panel_size\":4,\"pool_size\":17,\"eligible\":2,"
        "\"refused\":[0,3],\"choice\":0.3333333333333333,"
        "\"p\":0.0784313725490196}");

    /* nothing was eligible */

    draw.category = NULL;
    draw.panel_size = 0;
    draw.neligible = 0;

    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);

    recs_write_object(&w);
    recs_exposure_draw(&w, &draw, "uniform");
    recs_write_object_end(&w);

    unit_assert_written(&w, "{\"fingerprint\":\"00fedcba98765432\",\"slot\":3,"
        "\"method\":\"uniform\",\"gate\":0.05,\"panel\":4,\"panel_size\":0,"
        "\"pool_size\":17,\"eligible\":0,\"refused\":[]}");

    unit_arena_free(&arena);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(an_item_is_where_it_stands),
        cmocka_unit_test(members_may_follow),
        cmocka_unit_test(a_draw_says_how_it_was_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
