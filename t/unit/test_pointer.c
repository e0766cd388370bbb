
/*
 * JSON Pointers (RFC 6901), with "*" for all elements, are compiled, and
 * compared for overlap and for being in step.
 */

#include "unit.h"

#include "recs_pointer.h"


#define MAX_TOKENS  4


typedef struct {
    const char       *source;
    unsigned          ntokens;
    const char       *tokens[MAX_TOKENS];
} compiled_t;


static const compiled_t  compiled[] = {

    /* RFC 6901, section 5 */

    { "", 0, { NULL } },
    { "/foo", 1, { "foo" } },
    { "/foo/0", 2, { "foo", "0" } },
    { "/", 1, { "" } },
    { "/a~1b", 1, { "a/b" } },
    { "/c%d", 1, { "c%d" } },
    { "/e^f", 1, { "e^f" } },
    { "/g|h", 1, { "g|h" } },
    { "/i\\j", 1, { "i\\j" } },
    { "/k\"l", 1, { "k\"l" } },
    { "/ ", 1, { " " } },
    { "/m~0n", 1, { "m~n" } },

    { "/rows/*/items", 3, { "rows", "*", "items" } },
    { "/~01", 1, { "~1" } },
    { "/~00", 1, { "~0" } },
    { "/~10", 1, { "/0" } },
    { "/~0~1~0", 1, { "~/~" } },
    { "//", 2, { "", "" } },
    { "/a//b/", 4, { "a", "", "b", "" } },
    { "/\xc3\xa9", 1, { "\xc3\xa9" } },
};


static recs_pointer_t
compile(unit_arena_t *arena, const char *source)
{
    recs_str_t      str, copy;
    recs_pointer_t  ptr;

    str = unit_str(source);
    copy = unit_copy(arena, &str);

    assert_null(recs_pointer_compile(&arena->mem, &copy, &ptr));
    unit_assert_str(&ptr.source, &str);

    return ptr;
}


static void
a_pointer_is_split_and_unescaped(void **state)
{
    size_t          i, n;
    unit_arena_t    arena;
    recs_pointer_t  ptr;

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(compiled); i++) {
        ptr = compile(&arena, compiled[i].source);

        assert_int_equal(ptr.ntokens, compiled[i].ntokens);

        for (n = 0; n < ptr.ntokens; n++) {
            unit_assert_cstr(&ptr.tokens[n].text, compiled[i].tokens[n]);
        }
    }

    unit_arena_free(&arena);
}


static void
other_texts_are_no_pointers(void **state)
{
    size_t          i;
    recs_str_t      str, copy;
    unit_arena_t    arena;
    recs_pointer_t  ptr;

    static const char *const  refused[] = {
        "items", " /items", "#/items", "*", "~", "/~", "/a~", "/a~2", "/a~/b",
        "/~~0", "/a/~x/b"
    };

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(refused); i++) {
        str = unit_str(refused[i]);
        copy = unit_copy(&arena, &str);

        if (recs_pointer_compile(&arena.mem, &copy, &ptr) == NULL) {
            fail_msg("not refused: %s", refused[i]);
        }
    }

    unit_arena_free(&arena);
}


static void
an_index_is_digits_without_a_leading_zero(void **state)
{
    char            source[64];
    size_t          i;
    unit_arena_t    arena;
    recs_pointer_t  ptr;

    static const struct {
        const char  *source;
        size_t       index;
    } cases[] = {
        { "/0", 0 },
        { "/1", 1 },
        { "/10", 10 },
        { "/4294967294", 4294967294U },
        { "/00", RECS_NO_INDEX },
        { "/01", RECS_NO_INDEX },
        { "/", RECS_NO_INDEX },
        { "/-", RECS_NO_INDEX },
        { "/-1", RECS_NO_INDEX },
        { "/+1", RECS_NO_INDEX },
        { "/1e0", RECS_NO_INDEX },
        { "/1 ", RECS_NO_INDEX },
        { "/*", RECS_NO_INDEX },
        { "/99999999999999999999999999", RECS_NO_INDEX },
    };

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(cases); i++) {
        ptr = compile(&arena, cases[i].source);
        assert_int_equal(ptr.tokens[0].index, cases[i].index);
    }

    /* the greatest, and one that would wrap to 0 */

    (void) snprintf(source, sizeof(source), "/%zu", (size_t) SIZE_MAX - 1);
    ptr = compile(&arena, source);
    assert_int_equal(ptr.tokens[0].index, SIZE_MAX - 1);

    (void) snprintf(source, sizeof(source), "/%zu", (size_t) SIZE_MAX);
    source[strlen(source) - 1]++;
    ptr = compile(&arena, source);
    assert_int_equal(ptr.tokens[0].index, RECS_NO_INDEX);

    unit_arena_free(&arena);
}


static void
a_star_is_a_whole_token(void **state)
{
    size_t          i;
    unit_arena_t    arena;
    recs_pointer_t  ptr;

    static const struct {
        const char  *source;
        int          star;
    } cases[] = {
        { "", 0 },
        { "/items", 0 },
        { "/*", 1 },
        { "/rows/*/items", 1 },
        { "/rows/**/items", 0 },
        { "/rows*", 0 },
        { "/*rows", 0 },
    };

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(cases); i++) {
        ptr = compile(&arena, cases[i].source);
        assert_int_equal(recs_pointer_has_star(&ptr), cases[i].star);
    }

    unit_arena_free(&arena);
}


static void
pointers_overlap_if_one_may_hold_the_other(void **state)
{
    size_t          i;
    unit_arena_t    arena;
    recs_pointer_t  a, b;

    static const struct {
        const char  *a;
        const char  *b;
        int          overlap;
    } cases[] = {
        { "", "", 1 },
        { "", "/items", 1 },
        { "/items", "/items", 1 },
        { "/items", "/others", 0 },
        { "/items", "/item", 0 },
        { "/items", "/items/0/more", 1 },
        { "/a~1b", "/a/b", 0 },
        { "/rows/*/items", "/rows/*/items", 1 },
        { "/rows/*/items", "/rows/0/items", 1 },
        { "/rows/*/items", "/rows/0", 1 },
        { "/rows/*/items", "/rows/0/others", 0 },
        { "/rows/*/items", "/rows/first/items", 0 },
        { "/rows/*", "/rows/-", 0 },
        { "/rows/*", "/rows/00", 0 },
        { "/rows/0/items", "/rows/1/items", 0 },
        { "/*/0", "/0/*", 1 },
    };

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(cases); i++) {
        a = compile(&arena, cases[i].a);
        b = compile(&arena, cases[i].b);

        if (recs_pointer_overlap(&a, &b) != cases[i].overlap
            || recs_pointer_overlap(&b, &a) != cases[i].overlap)
        {
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        }
    }

    unit_arena_free(&arena);
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned        max;
    const char     *error;
    recs_str_t      source;
    unit_arena_t    arena;
    recs_pointer_t  ptr;

    (void) state;

    /* one allocation for the tokens, one for each text with an escape */

    source = unit_str("/a~1b/c/~0");

    for (max = 0; max <= 3; max++) {
        unit_arena_init_max(&arena, max);

        error = recs_pointer_compile(&arena.mem, &source, &ptr);
        assert_int_equal(error == NULL, max == 3);

        unit_arena_free(&arena);
    }
}


static void
pointers_are_in_step(void **state)
{
    size_t           i;
    recs_str_t       a, b;
    unit_arena_t     arena;
    recs_pointer_t   one, two;

    static const struct {
        const char   *a;
        const char   *b;
        int           in_step;
    } pairs[] = {
        { "/ids", "/scores", 1 },
        { "/a/ids", "/b/c/scores", 1 },
        { "/0", "/1", 1 },
        { "", "/a", 1 },
        { "/r/*/ids", "/r/*/scores", 1 },
        { "/r/*/x/ids", "/r/*/y/0/scores", 1 },
        { "/r/*/q/*/ids", "/r/*/q/*/scores", 1 },
        { "/r/*", "/r/*/a", 1 },
        { "/r/~1/*/a", "/r/~1/*/b", 1 },

        { "/r/*/ids", "/r/0/scores", 0 },
        { "/r/*/ids", "/s/*/scores", 0 },
        { "/r/*/ids", "/scores", 0 },
        { "/ids", "/r/*/scores", 0 },
        { "/ids", "/*", 0 },
        { "/r/*/a/*/ids", "/r/*/b/*/scores", 0 },
        { "/r/*/a/*/ids", "/r/*/a", 0 },
        { "/*/a", "/a/*", 0 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(pairs); i++) {
        unit_arena_init(&arena);

        a = unit_str(pairs[i].a);
        b = unit_str(pairs[i].b);

        assert_null(recs_pointer_compile(&arena.mem, &a, &one));
        assert_null(recs_pointer_compile(&arena.mem, &b, &two));

        assert_int_equal(recs_pointer_in_step(&one, &two), pairs[i].in_step);
        assert_int_equal(recs_pointer_in_step(&two, &one), pairs[i].in_step);

        unit_arena_free(&arena);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_pointer_is_split_and_unescaped),
        cmocka_unit_test(other_texts_are_no_pointers),
        cmocka_unit_test(an_index_is_digits_without_a_leading_zero),
        cmocka_unit_test(a_star_is_a_whole_token),
        cmocka_unit_test(pointers_overlap_if_one_may_hold_the_other),
        cmocka_unit_test(pointers_are_in_step),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
