
/*
 * A pool's entries survive being written as bytes and read again, and bytes
 * that are none are refused.
 */

#include "unit.h"

#include "recs_pool_entries.h"


/* Written into an allocation of exactly their size. */

static recs_str_t
written(unit_arena_t *arena, const recs_pool_entry_t *entries, size_t n,
    uint32_t refused)
{
    uint8_t     *p;
    recs_str_t   bytes;

    bytes.len = recs_pool_entries_size(entries, n);
    p = recs_alloc(&arena->mem, bytes.len);
    assert_non_null(p);

    recs_pool_entries_write(p, entries, n, refused);
    bytes.data = p;

    return bytes;
}


/* How many entries can be read, or -1. */

static int
readable(const recs_str_t *bytes)
{
    int                 rc, n;
    recs_pool_entry_t   entry;
    recs_pool_reader_t  r;

    if (recs_pool_entries_open(&r, bytes) != 0) {
        return -1;
    }

    for (n = 0; (rc = recs_pool_entries_next(&r, &entry)) == 1; n++) {
        assert_true(entry.id.data >= bytes->data);
        assert_true(entry.text.data + entry.text.len
                    <= bytes->data + bytes->len);
    }

    return rc == 0 ? n : -1;
}


static const recs_pool_entry_t  some[] = {
    { recs_string("n1"), recs_string("{\"id\":\"n1\"}") },
    { recs_string(""), recs_string("{}") },
    { recs_string("a\0b"), recs_string("\x80") },
    { recs_string("empty"), recs_string("") },
};


static void
the_bytes_are_as_described(void **state)
{
    recs_str_t    bytes;
    unit_arena_t  arena;

    static const recs_str_t  expected = recs_string(
        "\x02\0\0\0" "\x03\x01\0\0"
        "\x02\0\0\0" "\x0b\0\0\0" "n1" "{\"id\":\"n1\"}"
        "\0\0\0\0" "\x02\0\0\0" "{}");

    (void) state;

    unit_arena_init(&arena);

    bytes = written(&arena, some, 2, 259);
    unit_assert_str(&bytes, &expected);

    unit_arena_free(&arena);
}


static void
what_was_written_is_read(void **state)
{
    size_t              i;
    recs_str_t          bytes;
    unit_arena_t        arena;
    recs_pool_entry_t   entry;
    recs_pool_reader_t  r;

    (void) state;

    unit_arena_init(&arena);

    bytes = written(&arena, some, unit_nelts(some), 7);

    assert_int_equal(recs_pool_entries_open(&r, &bytes), 0);
    assert_int_equal(r.left, unit_nelts(some));
    assert_int_equal(r.refused, 7);

    for (i = 0; i < unit_nelts(some); i++) {
        assert_int_equal(recs_pool_entries_next(&r, &entry), 1);
        unit_assert_str(&entry.id, &some[i].id);
        unit_assert_str(&entry.text, &some[i].text);
        assert_non_null(entry.id.data);
    }

    assert_int_equal(recs_pool_entries_next(&r, &entry), 0);
    assert_int_equal(recs_pool_entries_next(&r, &entry), 0);

    bytes = written(&arena, NULL, 0, 0);
    assert_int_equal(bytes.len, 8);
    assert_int_equal(readable(&bytes), 0);

    unit_arena_free(&arena);
}


static void
a_part_is_malformed(void **state)
{
    size_t        len;
    recs_str_t    bytes, part;
    unit_arena_t  arena;

    (void) state;

    unit_arena_init(&arena);

    bytes = written(&arena, some, unit_nelts(some), 0);

    for (len = 0; len < bytes.len; len++) {
        part.data = bytes.data;
        part.len = len;
        part = unit_copy(&arena, &part);

        assert_int_equal(readable(&part), -1);
    }

    unit_arena_free(&arena);
}


static void
what_follows_is_malformed(void **state)
{
    uint8_t     *p;
    recs_str_t   bytes;

    (void) state;

    p = calloc(1, 9);
    assert_non_null(p);

    bytes.data = p;
    bytes.len = 9;
    assert_int_equal(readable(&bytes), -1);

    free(p);
}


/* Whatever a byte becomes, nothing outside of them is read. */

static void
any_byte_may_be_another(void **state)
{
    size_t        i;
    unsigned      value;
    uint8_t      *p;
    recs_str_t    bytes;
    unit_arena_t  arena;

    (void) state;

    unit_arena_init(&arena);

    bytes = written(&arena, some, unit_nelts(some), 0);
    p = (uint8_t *) bytes.data;

    for (i = 0; i < bytes.len; i++) {
        uint8_t  was = p[i];

        for (value = 0; value < 256; value++) {
            p[i] = (uint8_t) value;
            (void) readable(&bytes);
        }

        p[i] = was;
    }

    assert_int_equal(readable(&bytes), unit_nelts(some));

    unit_arena_free(&arena);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(the_bytes_are_as_described),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_part_is_malformed),
        cmocka_unit_test(what_follows_is_malformed),
        cmocka_unit_test(any_byte_may_be_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
