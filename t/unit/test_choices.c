
/*
 * A pool as draws see it: its items stand by their categories, and its
 * fingerprint says all that a draw depends on.
 */

#include "unit_page.h"

#include "recs_choices.h"


static recs_choices_t
choices(unit_arena_t *arena, uint32_t n, int weights, int categories)
{
    recs_choices_t  c;

    assert_int_equal(recs_choices_init(&c, &arena->mem, n, weights,
                                       categories), RECS_OK);
    assert_int_equal(c.n, 0);
    assert_true(c.fingerprint == 0);

    return c;
}


static void
add(unit_arena_t *arena, recs_choices_t *c, const char *id, double weight,
    const char *category)
{
    recs_str_t  i, k;

    i = unit_str(id);
    k = unit_str(category);

    assert_int_equal(recs_choices_add(c, &arena->mem, &i, 3, weight, &k),
                     RECS_OK);
}


static void
items_stand_by_their_categories(void **state)
{
    uint32_t                i, k;
    recs_str_t              name;
    unit_arena_t            arena;
    recs_choices_t          c;
    const recs_category_t  *category;

    static const struct {
        const char  *name;
        unsigned     n;
        uint32_t     members[3];
    } expected[] = {
        { "b", 3, { 0, 2, 5 } }, { "a", 2, { 1, 4 } }, { "", 1, { 3 } },
    };

    (void) state;

    unit_arena_init(&arena);
    c = choices(&arena, 6, 1, 1);

    add(&arena, &c, "i0", 1, "b");
    add(&arena, &c, "i1", 2, "a");
    add(&arena, &c, "i2", 0, "b");
    add(&arena, &c, "i3", 4, "");
    add(&arena, &c, "i4", 5, "a");
    add(&arena, &c, "i5", 6, "b");

    assert_int_equal(recs_choices_end(&c, &arena.mem), RECS_OK);
    assert_int_equal(c.n, 6);
    assert_int_equal(c.ncategories, unit_nelts(expected));

    for (i = 0; i < unit_nelts(expected); i++) {
        name = unit_str(expected[i].name);
        assert_int_equal(recs_choices_category(&c, &name), i);

        category = &c.categories[i];
        unit_assert_str(&category->name, &name);
        assert_int_equal(category->n, expected[i].n);

        for (k = 0; k < category->n; k++) {
            assert_int_equal(c.members[category->first + k],
                             expected[i].members[k]);
            assert_int_equal(c.category[expected[i].members[k]], i);
        }
    }

    name = unit_str("c");
    assert_int_equal(recs_choices_category(&c, &name), RECS_CATEGORY_NONE);
    assert_true(c.weights[4] == 5);
    unit_assert_cstr(&c.ids[5], "i5");
    assert_int_equal(c.forms[5], 3);

    unit_arena_free(&arena);
}


static void
categories_may_be_many(void **state)
{
    enum { n = 1000 };

    char             names[n][8];
    uint32_t         i;
    recs_str_t       name;
    unit_arena_t     arena;
    recs_choices_t   c;

    (void) state;

    unit_arena_init(&arena);
    c = choices(&arena, 2 * n, 0, 1);

    for (i = 0; i < 2 * n; i++) {
        (void) sprintf(names[i % n], "c%u", i % n);
        add(&arena, &c, "i", 0, names[i % n]);
    }

    assert_int_equal(recs_choices_end(&c, &arena.mem), RECS_OK);
    assert_int_equal(c.ncategories, n);

    for (i = 0; i < n; i++) {
        name = unit_str(names[i]);
        assert_int_equal(recs_choices_category(&c, &name), i);
        assert_int_equal(c.categories[i].n, 2);
        assert_int_equal(c.members[c.categories[i].first], i);
        assert_int_equal(c.members[c.categories[i].first + 1], i + n);
    }

    unit_arena_free(&arena);
}


/* All that a draw depends on changes the fingerprint, and the order does. */

static void
a_fingerprint_is_of_all_that_matters(void **state)
{
    size_t           i, k;
    uint64_t         prints[10];
    unit_arena_t     arena;
    recs_choices_t   c;

    static const struct {
        int          weights, categories;
        const char  *ids[2];
        double       weight;
        const char  *category;
    } pools[] = {
        { 0, 0, { "a", "b" }, 1, "x" }, { 0, 0, { "b", "a" }, 1, "x" },
        { 0, 0, { "a", NULL }, 1, "x" }, { 0, 0, { "ab", NULL }, 1, "x" },
        { 1, 0, { "a", "b" }, 1, "x" }, { 1, 0, { "a", "b" }, 2, "x" },
        { 0, 1, { "a", "b" }, 1, "x" }, { 0, 1, { "a", "b" }, 1, "y" },
        { 1, 1, { "a", "b" }, 1, "x" }, { 0, 0, { NULL, NULL }, 1, "x" },
    };

    (void) state;

    for (i = 0; i < unit_nelts(pools); i++) {
        unit_arena_init(&arena);
        c = choices(&arena, 2, pools[i].weights, pools[i].categories);

        for (k = 0; k < 2 && pools[i].ids[k]; k++) {
            add(&arena, &c, pools[i].ids[k], pools[i].weight,
                pools[i].category);
        }

        prints[i] = c.fingerprint;

        for (k = 0; k < i; k++) {
            assert_true(prints[k] != prints[i]);
        }

        unit_arena_free(&arena);
    }
}


static void
what_a_page_shows_is_counted(void **state)
{
    size_t             i, k;
    uint32_t           shows[3];
    recs_str_t         text;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_pointer_t    *where;
    recs_choices_t     c;

    static const recs_str_t  json = recs_string(
        "{\"a\":[{\"k\":\"x\"},{\"k\":1},{\"k\":\"\\u0078\"},{\"k\":\"no\"},5],"
        "\"b\":[{\"k\":[\"x\"]},{\"k\":\"x\"},{\"j\":\"x\"},{\"k\":null}]}");

    static const struct {
        size_t       limit;
        uint32_t     shows[3];      /* of "x", "1", "" */
    } cases[] = {
        { 0, { 3, 1, 4 } }, { 1, { 1, 0, 1 } }, { 2, { 2, 1, 1 } },
        { 9, { 3, 1, 4 } },
    };

    (void) state;

    for (i = 0; i < 2 * unit_nelts(cases); i++) {
        unit_arena_init(&arena);

        text = i % 2 ? unit_msgpack(&arena, &json) : json;
        unit_page(&arena, "/a /b", &text, &page);
        (void) unit_pointers(&arena, "/k", &where);

        c = choices(&arena, 3, 0, 1);
        add(&arena, &c, "i0", 0, "x");
        add(&arena, &c, "i1", 0, "1");
        add(&arena, &c, "i2", 0, "");
        assert_int_equal(recs_choices_end(&c, &arena.mem), RECS_OK);

        assert_int_equal(recs_choices_shown(&c, &arena.mem, &page,
                                            cases[i / 2].limit, where, shows),
                         RECS_OK);

        for (k = 0; k < 3; k++) {
            assert_int_equal(shows[k], cases[i / 2].shows[k]);
        }

        unit_arena_free(&arena);
    }
}


static void
an_object_says_its_weight_and_category(void **state)
{
    size_t            i;
    double            weight;
    recs_str_t        text, json, category;
    const char       *error;
    unit_arena_t      arena;
    recs_pointer_t   *at;

    static const char  no_number[] = "it has no weight that is a number";
    static const char  beyond[] =
        "its weight is neither 0 nor from 1e-100 to 1e100";

    static const struct {
        const char  *text;
        double       weight;
        const char  *category;
        const char  *error;
    } cases[] = {
        { "{\"w\":2,\"k\":\"x\"}", 2, "x", NULL },
        { "{\"w\":0.1,\"k\":7}", 0.1, "7", NULL },
        { "{\"w\":0,\"k\":true}", 0, "", NULL },
        { "{\"w\":-0.0}", 0, "", NULL },
        { "{\"w\":18446744073709551615,\"k\":\"\\u0061\"}",
          18446744073709551615.0, "a", NULL },
        { "{\"w\":1e100}", 1e100, "", NULL },
        { "{\"w\":1e-100}", 1e-100, "", NULL },
        { "{\"w\":1.1e100}", 0, NULL, beyond },
        { "{\"w\":9e-101}", 0, NULL, beyond },
        { "{\"w\":-1}", 0, NULL, beyond },
        { "{\"w\":\"1\"}", 0, NULL, no_number },
        { "{\"w\":null}", 0, NULL, no_number },
        { "{\"k\":1}", 0, NULL, no_number },
        { "{\"w\":[1]}", 0, NULL, no_number },
    };

    (void) state;

    for (i = 0; i < 2 * unit_nelts(cases); i++) {
        unit_arena_init(&arena);
        (void) unit_pointers(&arena, "/w /k", &at);

        json = unit_str(cases[i / 2].text);
        text = i % 2 ? unit_msgpack(&arena, &json) : unit_copy(&arena, &json);
        assert_true(text.len);

        error = recs_choices_read(&arena.mem, &text, &at[0], &at[1], &weight,
                                  &category);

        if (cases[i / 2].error) {
            assert_string_equal(error, cases[i / 2].error);

        } else {
            assert_null(error);
            assert_true(weight == cases[i / 2].weight);
            unit_assert_cstr(&category, cases[i / 2].category);
        }

        unit_arena_free(&arena);
    }
}


static recs_rc_e
all_of_it(unit_arena_t *arena)
{
    double             weight;
    uint32_t           i, shows[20];
    recs_str_t         category;
    recs_page_t        page;
    const char        *error;
    unit_arena_t       pages;
    recs_choices_t     c;
    recs_pointer_t    *at;
    recs_rc_e          rc;

    static const char        name[] = "abcdefghijklmnopqrst";
    static const recs_str_t  text =
                                 recs_string("{\"a\":[{\"k\":\"\\u0061\"}]}");
    static const recs_str_t  object = recs_string("{\"w\":1.5,\"k\":\"\\n\"}");

    unit_arena_init(&pages);
    unit_page(&pages, "/a", &text, &page);
    (void) unit_pointers(&pages, "/w /k", &at);

    rc = recs_choices_init(&c, &arena->mem, 20, 1, 1);

    for (i = 0; rc == RECS_OK && i < 20; i++) {
        category.data = (const uint8_t *) &name[i];
        category.len = 1;
        rc = recs_choices_add(&c, &arena->mem, &category, 3, 1, &category);
    }

    if (rc == RECS_OK) {
        rc = recs_choices_end(&c, &arena->mem);
    }

    if (rc == RECS_OK) {
        rc = recs_choices_shown(&c, &arena->mem, &page, 0, &at[1], shows);
    }

    if (rc == RECS_OK) {
        error = recs_choices_read(&arena->mem, &object, &at[0], &at[1],
                                  &weight, &category);
        rc = error ? RECS_NOMEM : RECS_OK;
        assert_true(error == NULL || strcmp(error, "out of memory") == 0);
    }

    unit_arena_free(&pages);

    return rc;
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned      n;
    recs_rc_e     rc;
    unit_arena_t  arena;

    (void) state;

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = all_of_it(&arena);
        unit_arena_free(&arena);

        if (rc == RECS_OK) {
            break;
        }

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    assert_true(n > 10);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(items_stand_by_their_categories),
        cmocka_unit_test(categories_may_be_many),
        cmocka_unit_test(a_fingerprint_is_of_all_that_matters),
        cmocka_unit_test(what_a_page_shows_is_counted),
        cmocka_unit_test(an_object_says_its_weight_and_category),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
