
/* A set of ids has an id once, whatever its bytes are. */

#include "unit.h"

#include "recs_idset.h"


/* The n-th of many ids, in an allocation of its own. */

static recs_str_t
numbered(unit_arena_t *arena, size_t n)
{
    char        buf[32];
    recs_str_t  str;

    (void) snprintf(buf, sizeof(buf), "b%zu", n);
    str = unit_str(buf);

    return unit_copy(arena, &str);
}


static void
an_id_is_new_once(void **state)
{
    size_t        i;
    unit_arena_t  arena;
    recs_idset_t  set;

    static const recs_str_t  ids[] = {
        recs_string(""), recs_string("\0"), recs_string("\0\0"),
        recs_string("a"), recs_string("ab"), recs_string("a\0b"),
        recs_string("A"), recs_string("\xff"), recs_string("0"),
        recs_string("00"),
    };

    (void) state;

    unit_arena_init(&arena);

    assert_int_equal(recs_idset_init(&set, &arena.mem, unit_nelts(ids), 7),
                     RECS_OK);

    for (i = 0; i < unit_nelts(ids); i++) {
        assert_false(recs_idset_has(&set, &ids[i]));
        assert_int_equal(recs_idset_add(&set, &ids[i]), 1);
        assert_true(recs_idset_has(&set, &ids[i]));
        assert_int_equal(recs_idset_add(&set, &ids[i]), 0);
        assert_int_equal(set.n, i + 1);
    }

    unit_arena_free(&arena);
}


static void
ids_are_the_same_by_their_bytes(void **state)
{
    recs_str_t    id, same;
    unit_arena_t  arena;
    recs_idset_t  set;

    (void) state;

    unit_arena_init(&arena);

    assert_int_equal(recs_idset_init(&set, &arena.mem, 2, 7), RECS_OK);

    id = numbered(&arena, 17);
    same = numbered(&arena, 17);

    assert_int_equal(recs_idset_add(&set, &id), 1);
    assert_true(recs_idset_has(&set, &same));
    assert_int_equal(recs_idset_add(&set, &same), 0);

    unit_arena_free(&arena);
}


static void
an_empty_set_has_nothing(void **state)
{
    recs_str_t    id, empty;
    unit_arena_t  arena;
    recs_idset_t  set;

    (void) state;

    unit_arena_init(&arena);

    assert_int_equal(recs_idset_init(&set, &arena.mem, 0, 7), RECS_OK);

    id = unit_str("a");
    empty = unit_str("");

    assert_int_equal(set.n, 0);
    assert_false(recs_idset_has(&set, &id));
    assert_false(recs_idset_has(&set, &empty));

    unit_arena_free(&arena);
}


static void
a_full_set_is_at_most_half_used(void **state)
{
    size_t        i, k;
    recs_str_t    id;
    unit_arena_t  arena;
    recs_idset_t  set;

    static const size_t  sizes[] = {
        1, 2, 3, 4, 5, 63, 64, 65, 1000, 5000
    };

    (void) state;

    for (k = 0; k < unit_nelts(sizes); k++) {
        unit_arena_init(&arena);

        assert_int_equal(recs_idset_init(&set, &arena.mem, sizes[k], k),
                         RECS_OK);
        assert_int_equal(set.max, sizes[k]);
        assert_int_equal(set.mask & (set.mask + 1), 0);
        assert_true(set.mask + 1 >= 2 * sizes[k]);
        assert_true(set.mask + 1 < 4 * sizes[k]);

        for (i = 0; i < sizes[k]; i++) {
            id = numbered(&arena, i);
            assert_int_equal(recs_idset_add(&set, &id), 1);
        }

        assert_int_equal(set.n, sizes[k]);

        for (i = 0; i < 2 * sizes[k]; i++) {
            id = numbered(&arena, i);
            assert_int_equal(recs_idset_has(&set, &id), i < sizes[k]);
        }

        unit_arena_free(&arena);
    }
}


static void
want_of_memory_is_an_error(void **state)
{
    unit_arena_t  arena;
    recs_idset_t  set;

    (void) state;

    unit_arena_init_max(&arena, 0);
    assert_int_equal(recs_idset_init(&set, &arena.mem, 0, 7), RECS_NOMEM);
    assert_int_equal(recs_idset_init(&set, &arena.mem, 10, 7), RECS_NOMEM);

    /* more slots than can be counted */

    unit_arena_init(&arena);
    assert_int_equal(recs_idset_init(&set, &arena.mem, SIZE_MAX, 7),
                     RECS_NOMEM);
    assert_int_equal(recs_idset_init(&set, &arena.mem, SIZE_MAX / 32, 7),
                     RECS_NOMEM);
    assert_int_equal(arena.n, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(an_id_is_new_once),
        cmocka_unit_test(ids_are_the_same_by_their_bytes),
        cmocka_unit_test(an_empty_set_has_nothing),
        cmocka_unit_test(a_full_set_is_at_most_half_used),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
