
/*
 * The table of a set in shared memory has its ids while one process changes it
 * and others read, wherever one is killed.
 */

#define _GNU_SOURCE

#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "recs_table.h"


#define UNIVERSE   600          /* ids that a model knows */


static const uint8_t  secret[RECS_TABLE_SECRET] = "not very secret";


/* A region of exactly its size, with room for so many ids; and its writer. */

typedef struct {
    recs_table_t         *table;
    recs_table_writer_t   w;
    size_t                size;
    int                   scores;
} region_t;


static void
region_init(region_t *r, uint64_t ids, int scores)
{
    void  *memory;

    r->scores = scores;
    r->size = recs_table_size(ids, scores);
    assert_int_equal(posix_memalign(&memory, RECS_TABLE_ALIGN, r->size), 0);
    memset(memory, 0xa5, r->size);

    r->table = recs_table_create(memory, r->size, scores, secret);
    assert_non_null(r->table);

    recs_table_take(&r->w, r->table);
}


static void
make_next(region_t *r, recs_table_begin_e how)
{
    assert_int_equal(recs_table_begin(&r->w, how), 0);

    while (recs_table_step(&r->w, 16)) { /* void */ }
}


static void
region_init_published(region_t *r, uint64_t ids, int scores)
{
    region_init(r, ids, scores);
    make_next(r, RECS_TABLE_FRESH);
    assert_int_equal(recs_table_publish(&r->w), 0);
}


static void
region_free(region_t *r)
{
    free(r->table);
}


/* What is idle becomes anything, and then zeros. */

static void
scribble(recs_table_writer_t *w)
{
    size_t    i, size;
    uint8_t  *memory;

    assert_int_equal(recs_table_idle(w, &memory, &size), 0);
    assert_int_equal((size_t) memory % RECS_TABLE_ALIGN, 0);

    for (i = 0; i < size / sizeof(uint64_t); i++) {
        __atomic_store_n((uint64_t *) memory + i, 0xa5a5a5a5, __ATOMIC_RELAXED);
    }

    for (i = 0; i < size / sizeof(uint64_t); i++) {
        __atomic_store_n((uint64_t *) memory + i, 0, __ATOMIC_RELAXED);
    }
}


static int
add(region_t *r, uint64_t print)
{
    return recs_table_add(&r->w, RECS_TABLE_ACTIVE, print, (double) print);
}


static int
drop(region_t *r, uint64_t print)
{
    return recs_table_remove(&r->w, RECS_TABLE_ACTIVE, print);
}


static int
has_score(const recs_table_t *t, uint64_t print, double *score)
{
    uint8_t            found;
    recs_table_view_t  view;

    found = 2;

    assert_int_equal(recs_table_read(&view, t), 1);
    recs_table_find(&view, &print, 1, &found, score);
    assert_true(recs_table_stood(&view));
    assert_in_range(found, 0, 1);

    return found;
}


static int
has(const recs_table_t *t, uint64_t print)
{
    return has_score(t, print, NULL);
}


static recs_table_stat_t
stat_of(const recs_table_t *t)
{
    recs_table_stat_t  stat;

    recs_table_stat(t, &stat);

    return stat;
}


/* The same bits for the same number: fingerprints, choices, and so on. */

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;

    return x ^ x >> 31;
}


static void
size_and_capacity_are_inverse(void **state)
{
    int       scores;
    size_t    size;
    uint64_t  n;

    (void) state;

    for (scores = 0; scores < 2; scores++) {
        assert_int_equal(recs_table_capacity(0, scores), 0);

        for (n = 0; n < 2000; n++) {
            size = recs_table_size(n, scores);

            assert_true(recs_table_capacity(size, scores) >= n);
            assert_true(recs_table_capacity(size, scores) > 0);

            if (n > 6) {
                assert_true(recs_table_capacity(size - 1, scores) < n);
            }
        }

        n = 10 * 1000 * 1000;
        size = recs_table_size(n, scores);
        assert_in_range(size / n, 20 << scores, 21 << scores);
        assert_in_range(recs_table_capacity(size, scores), n, n + 6);

        assert_int_equal(recs_table_size(UINT64_MAX, scores), 0);
        assert_int_equal(recs_table_size(UINT64_MAX / 20, scores), 0);
        assert_true(recs_table_capacity(SIZE_MAX, scores) > n);
    }
}


static void
a_region_is_known_again(void **state)
{
    region_t  r;
    uint64_t  other[64] __attribute__((aligned(RECS_TABLE_ALIGN)));

    (void) state;

    region_init_published(&r, 100, 1);
    assert_int_equal(add(&r, 7), 1);

    assert_ptr_equal(recs_table_attach(r.table, r.size, 1), r.table);
    assert_int_equal(has(r.table, 7), 1);
    assert_memory_equal(recs_table_secret(r.table), secret, sizeof(secret));

    assert_null(recs_table_attach(r.table, r.size, 0));
    assert_null(recs_table_attach(r.table, r.size - 256, 1));
    assert_null(recs_table_attach(r.table, 100, 1));

    memset(other, 0, sizeof(other));
    assert_null(recs_table_attach(other, sizeof(other), 0));
    assert_null(recs_table_create(other, 100, 0, secret));
    assert_null(recs_table_create(other, recs_table_size(1, 0) - 1, 0,
                                  secret));

    region_free(&r);
}


/* XXH3 of nothing is a permutation of two words of the secret. */

static uint64_t
secret_of_hash(uint64_t x)
{
    int       i;
    uint64_t  p2 = 0xc2b2ae3d27d4eb4f, p3 = 0x165667b19e3779f9, i2, i3;

    for (i = 0, i2 = p2, i3 = p3; i < 6; i++) {
        i2 *= 2 - p2 * i2;
        i3 *= 2 - p3 * i3;
    }

    x ^= x >> 32;
    x *= i3;
    x ^= x >> 29 ^ x >> 58;
    x *= i2;

    return x ^ x >> 33;
}


static void
fingerprints_hang_on_the_secret_and_are_above_1(void **state)
{
    region_t    r;
    uint8_t     other[RECS_TABLE_SECRET];
    uint64_t    x, got, was;
    recs_str_t  a = recs_string("item-1"), b = recs_string("item-2");
    recs_str_t  none = recs_string("");

    (void) state;

    for (x = 0; x < 5; x++) {
        region_init(&r, 1, 0);
        memset(other, 0, sizeof(other));

        got = secret_of_hash(x);
        memcpy(other + 56, &got, sizeof(uint64_t));
        was = recs_table_fingerprint(r.table, &a);
        assert_int_equal(recs_table_rekey(&r.w, other), 0);

        assert_int_equal(recs_table_fingerprint(r.table, &none),
                         x < 2 ? x + 2 : x);
        assert_true(recs_table_fingerprint(r.table, &a) != was);
        assert_true(recs_table_fingerprint(r.table, &a)
                    != recs_table_fingerprint(r.table, &b));

        region_free(&r);
    }
}


static void
a_secret_changes_only_before_anything_is_published(void **state)
{
    region_t  r;
    uint8_t   other[RECS_TABLE_SECRET];

    (void) state;

    memset(other, 7, sizeof(other));
    region_init(&r, 10, 0);

    make_next(&r, RECS_TABLE_FRESH);
    assert_int_equal(recs_table_rekey(&r.w, other), 0);
    assert_memory_equal(recs_table_secret(r.table), other, sizeof(other));

    /* what had been begun was of the old one */

    assert_int_equal(recs_table_publish(&r.w), RECS_TABLE_NONE);

    make_next(&r, RECS_TABLE_FRESH);
    assert_int_equal(recs_table_publish(&r.w), 0);
    assert_int_equal(recs_table_rekey(&r.w, secret), RECS_TABLE_NONE);
    assert_memory_equal(recs_table_secret(r.table), other, sizeof(other));

    region_free(&r);
}


static void
an_id_is_there_from_add_to_remove(void **state)
{
    double    score;
    region_t  r;
    uint64_t  i;

    (void) state;

    region_init_published(&r, 500, 1);

    for (i = 0; i < 500; i++) {
        assert_int_equal(has(r.table, mix(i)), 0);
        assert_int_equal(drop(&r, mix(i)), 0);
        assert_int_equal(recs_table_add(&r.w, RECS_TABLE_ACTIVE, mix(i), 1),
                         1);
        assert_int_equal(recs_table_add(&r.w, RECS_TABLE_ACTIVE, mix(i),
                                        (double) i),
                         0);
        assert_int_equal(has_score(r.table, mix(i), &score), 1);
        assert_true(score == (double) i);
        assert_int_equal(stat_of(r.table).ids, i + 1);
    }

    for (i = 0; i < 500; i++) {
        assert_int_equal(has_score(r.table, mix(i), &score), 1);
        assert_true(score == (double) i);
        assert_int_equal(drop(&r, mix(i)), 1);
        assert_int_equal(drop(&r, mix(i)), 0);
        assert_int_equal(has(r.table, mix(i)), 0);
        assert_int_equal(stat_of(r.table).ids, 499 - i);
    }

    region_free(&r);
}


static void
a_table_takes_its_capacity_and_no_more(void **state)
{
    int       scores;
    region_t  r;
    uint64_t  n, i, capacity;

    (void) state;

    for (n = 0; n < 200; n += n < 20 ? 1 : 37) {
        for (scores = 0; scores < 2; scores++) {
            region_init_published(&r, n, scores);
            capacity = stat_of(r.table).capacity;
            assert_true(capacity >= n);
            assert_true(capacity * 10 <= stat_of(r.table).slots * 8);

            for (i = 0; i < capacity; i++) {
                assert_int_equal(add(&r, mix(i)), 1);
            }

            assert_int_equal(stat_of(r.table).ids, capacity);
            assert_int_equal(add(&r, mix(i)), RECS_TABLE_FULL);
            assert_int_equal(has(r.table, mix(i)), 0);
            assert_int_equal(add(&r, mix(0)), 0);

            /* one goes, one comes */

            assert_int_equal(drop(&r, mix(0)), 1);
            assert_int_equal(add(&r, mix(i)), 1);
            assert_int_equal(add(&r, mix(0)), RECS_TABLE_FULL);

            for (i = 1; i <= capacity; i++) {
                assert_int_equal(has(r.table, mix(i)), 1);
            }

            region_free(&r);
        }
    }
}


/* The home of small fingerprints is the first line, of great ones the last. */

static void
a_mark_stays_only_where_others_went_past(void **state)
{
    uint64_t  i;
    region_t  r;

    (void) state;

    region_init_published(&r, 19, 0);                       /* 3 lines */

    for (i = 2; i < 12; i++) {
        assert_int_equal(add(&r, i), 1);
    }

    assert_int_equal(stat_of(r.table).used, 10);

    assert_int_equal(drop(&r, 11), 1);                      /* 2nd line */
    assert_int_equal(stat_of(r.table).used, 9);

    assert_int_equal(drop(&r, 5), 1);                       /* 1st, full */
    assert_int_equal(stat_of(r.table).used, 9);
    assert_int_equal(stat_of(r.table).ids, 8);
    assert_int_equal(has(r.table, 10), 1);

    /* one that is behind a mark is not added again */

    assert_int_equal(add(&r, 10), 0);
    assert_int_equal(stat_of(r.table).ids, 8);

    assert_int_equal(add(&r, 12), 1);                       /* takes it */
    assert_int_equal(stat_of(r.table).used, 9);
    assert_int_equal(stat_of(r.table).ids, 9);

    assert_int_equal(drop(&r, 10), 1);
    assert_int_equal(drop(&r, 12), 1);
    assert_int_equal(has(r.table, 10), 0);
    assert_int_equal(stat_of(r.table).used, 8);
    assert_int_equal(stat_of(r.table).ids, 7);

    region_free(&r);
}


static void
the_last_line_goes_on_in_the_first(void **state)
{
    int       round;
    uint64_t  i;
    region_t  r;

    (void) state;

    region_init_published(&r, 19, 1);

    for (i = 0; i < 12; i++) {
        assert_int_equal(add(&r, UINT64_MAX - i), 1);
    }

    for (round = 0; round < 2; round++) {
        for (i = 0; i < 12; i++) {
            assert_int_equal(has(r.table, UINT64_MAX - i), 1);
        }

        assert_int_equal(has(r.table, UINT64_MAX - 12), 0);

        make_next(&r, RECS_TABLE_COPY);
        assert_int_equal(recs_table_publish(&r.w), 0);
    }

    for (i = 0; i < 12; i++) {
        assert_int_equal(drop(&r, UINT64_MAX - i), 1);
    }

    assert_int_equal(stat_of(r.table).ids, 0);

    region_free(&r);
}


static void
a_copy_rids_a_worn_table_of_its_marks(void **state)
{
    uint64_t           i, capacity;
    region_t           r;
    recs_table_stat_t  stat;

    (void) state;

    region_init_published(&r, 1000, 0);
    capacity = stat_of(r.table).capacity;

    for (i = 0; i < capacity; i++) {
        assert_int_equal(add(&r, mix(i)), 1);
    }

    assert_false(recs_table_worn(r.table));

    /* ids come and go until marks leave no room */

    for ( ;; i++) {
        assert_int_equal(drop(&r, mix(i - capacity)), 1);

        if (add(&r, mix(i)) == RECS_TABLE_FULL) {
            break;
        }

        assert_true(i < 1000 * capacity);
    }

    stat = stat_of(r.table);
    assert_true(recs_table_worn(r.table));
    assert_int_equal(stat.ids, capacity - 1);
    assert_true(stat.used <= stat.slots * 7 / 8);

    make_next(&r, RECS_TABLE_COPY);
    assert_int_equal(recs_table_publish(&r.w), 0);

    assert_false(recs_table_worn(r.table));
    assert_int_equal(stat_of(r.table).ids, capacity - 1);
    assert_int_equal(stat_of(r.table).used, capacity - 1);
    assert_int_equal(add(&r, mix(i)), 1);

    for (i = i - capacity + 1; stat.ids-- != 0; i++) {
        assert_int_equal(has(r.table, mix(i)), 1);
    }

    region_free(&r);
}


static void
nothing_is_done_to_a_table_that_is_not_there(void **state)
{
    region_t           r;
    recs_table_view_t  view;

    (void) state;

    region_init(&r, 10, 0);

    assert_int_equal(recs_table_read(&view, r.table), 0);
    assert_int_equal(stat_of(r.table).generation, 0);
    assert_int_equal(stat_of(r.table).ids, 0);
    assert_int_equal(stat_of(r.table).capacity, 12);
    assert_int_equal(stat_of(r.table).slots, 16);
    assert_false(recs_table_worn(r.table));

    assert_int_equal(add(&r, 2), RECS_TABLE_NONE);
    assert_int_equal(drop(&r, 2), RECS_TABLE_NONE);
    assert_int_equal(recs_table_add(&r.w, RECS_TABLE_NEXT, 2, 0),
                     RECS_TABLE_NONE);
    assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_COPY),
                     RECS_TABLE_NONE);
    assert_int_equal(recs_table_step(&r.w, 1000), RECS_TABLE_NONE);
    assert_int_equal(recs_table_publish(&r.w), RECS_TABLE_NONE);

    /* not before it has been cleared */

    assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_FRESH), 0);
    assert_int_equal(recs_table_step(&r.w, 8), 1);
    assert_int_equal(recs_table_add(&r.w, RECS_TABLE_NEXT, 2, 0),
                     RECS_TABLE_NONE);
    assert_int_equal(recs_table_publish(&r.w), RECS_TABLE_NONE);
    assert_int_equal(recs_table_step(&r.w, 1), 0);
    assert_int_equal(recs_table_step(&r.w, 1), 0);

    assert_int_equal(recs_table_add(&r.w, RECS_TABLE_NEXT, 2, 0), 1);
    assert_int_equal(recs_table_add(&r.w, RECS_TABLE_NEXT, 3, 0), 1);
    assert_int_equal(recs_table_remove(&r.w, RECS_TABLE_NEXT, 3), 1);
    assert_int_equal(add(&r, 2), RECS_TABLE_NONE);
    assert_int_equal(recs_table_read(&view, r.table), 0);

    assert_int_equal(recs_table_publish(&r.w), 0);
    assert_int_equal(recs_table_publish(&r.w), RECS_TABLE_NONE);
    assert_int_equal(recs_table_remove(&r.w, RECS_TABLE_NEXT, 2),
                     RECS_TABLE_NONE);
    assert_int_equal(stat_of(r.table).generation, 1);
    assert_int_equal(stat_of(r.table).ids, 1);
    assert_int_equal(has(r.table, 2), 1);

    region_free(&r);
}


static void
a_view_stands_until_its_place_is_taken(void **state)
{
    region_t           r;
    recs_table_view_t  first, second;

    (void) state;

    region_init_published(&r, 10, 0);
    assert_int_equal(recs_table_read(&first, r.table), 1);

    assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_COPY), 0);
    make_next(&r, RECS_TABLE_FRESH);
    assert_int_equal(recs_table_add(&r.w, RECS_TABLE_NEXT, 9, 0), 1);
    assert_int_equal(has(r.table, 9), 0);
    assert_int_equal(recs_table_publish(&r.w), 0);
    assert_int_equal(has(r.table, 9), 1);

    assert_true(recs_table_stood(&first));
    assert_int_equal(recs_table_read(&second, r.table), 1);

    assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_FRESH), 0);

    assert_false(recs_table_stood(&first));
    assert_true(recs_table_stood(&second));
    assert_int_equal(has(r.table, 9), 1);

    region_free(&r);
}


static void
what_is_idle_is_needed_by_nobody(void **state)
{
    size_t               size;
    uint8_t             *memory, *first;
    unsigned             round;
    region_t             r;
    recs_table_view_t    old, now;
    recs_table_writer_t  lost;

    (void) state;

    region_init(&r, 10, 1);
    assert_int_equal(recs_table_idle(&r.w, &first, &size), RECS_TABLE_NONE);
    make_next(&r, RECS_TABLE_FRESH);
    assert_int_equal(recs_table_idle(&r.w, &first, &size), RECS_TABLE_NONE);
    assert_int_equal(recs_table_publish(&r.w), 0);

    assert_int_equal(add(&r, 4), 1);
    assert_int_equal(recs_table_idle(&r.w, &first, &size), 0);
    assert_int_equal(size, 2 * stat_of(r.table).slots * sizeof(uint64_t));

    for (round = 0; round < 4; round++) {
        assert_int_equal(recs_table_read(&old, r.table), 1);

        assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_COPY), 0);
        assert_int_equal(recs_table_idle(&r.w, &memory, &size),
                         RECS_TABLE_NONE);
        make_next(&r, RECS_TABLE_COPY);
        assert_int_equal(recs_table_idle(&r.w, &memory, &size),
                         RECS_TABLE_NONE);
        assert_int_equal(recs_table_publish(&r.w), 0);

        assert_int_equal(recs_table_read(&now, r.table), 1);
        assert_true(recs_table_stood(&old));

        scribble(&r.w);
        scribble(&r.w);

        assert_false(recs_table_stood(&old));
        assert_true(recs_table_stood(&now));
        assert_int_equal(has(r.table, 4), 1);
        assert_int_equal(add(&r, 5 + round), 1);
        assert_int_equal(drop(&r, 5 + round), 1);

        assert_int_equal(recs_table_idle(&r.w, &memory, &size), 0);
        assert_true(memory == first || round % 2 == 0);
    }

    /* one that was begun and given up is idle for the next writer */

    assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_FRESH), 0);
    lost = r.w;
    recs_table_take(&r.w, r.table);
    assert_int_equal(recs_table_idle(&lost, &memory, &size), RECS_TABLE_LOST);
    scribble(&r.w);
    assert_int_equal(has(r.table, 4), 1);

    region_free(&r);
}


static void
a_fresh_table_has_only_what_was_added_to_it(void **state)
{
    region_t  r;

    (void) state;

    region_init_published(&r, 10, 0);
    assert_int_equal(add(&r, 4), 1);

    make_next(&r, RECS_TABLE_FRESH);
    assert_int_equal(add(&r, 5), 1);
    assert_int_equal(recs_table_add(&r.w, RECS_TABLE_NEXT, 6, 0), 1);
    assert_int_equal(drop(&r, 4), 1);

    assert_int_equal(has(r.table, 5), 1);
    assert_int_equal(has(r.table, 6), 0);

    assert_int_equal(recs_table_publish(&r.w), 0);

    assert_int_equal(has(r.table, 5), 0);
    assert_int_equal(has(r.table, 6), 1);
    assert_int_equal(stat_of(r.table).ids, 1);

    region_free(&r);
}


static void
a_writer_who_was_overtaken_is_refused(void **state)
{
    region_t             r;
    recs_table_writer_t  old;

    (void) state;

    region_init_published(&r, 10, 0);
    assert_int_equal(add(&r, 5), 1);
    make_next(&r, RECS_TABLE_COPY);

    old = r.w;
    recs_table_take(&r.w, r.table);

    assert_int_equal(recs_table_add(&old, RECS_TABLE_ACTIVE, 6, 0),
                     RECS_TABLE_LOST);
    assert_int_equal(recs_table_add(&old, RECS_TABLE_NEXT, 6, 0),
                     RECS_TABLE_LOST);
    assert_int_equal(recs_table_remove(&old, RECS_TABLE_ACTIVE, 5),
                     RECS_TABLE_LOST);
    assert_int_equal(recs_table_begin(&old, RECS_TABLE_FRESH),
                     RECS_TABLE_LOST);
    assert_int_equal(recs_table_step(&old, 1), RECS_TABLE_LOST);
    assert_int_equal(recs_table_publish(&old), RECS_TABLE_LOST);
    assert_int_equal(recs_table_rekey(&old, secret), RECS_TABLE_LOST);

    /* and its next table is not used */

    assert_int_equal(recs_table_publish(&r.w), RECS_TABLE_NONE);
    assert_int_equal(recs_table_step(&r.w, 1), RECS_TABLE_NONE);
    assert_int_equal(has(r.table, 5), 1);
    assert_int_equal(has(r.table, 6), 0);
    assert_int_equal(stat_of(r.table).ids, 1);

    region_free(&r);
}


/* What a table should hold; id i has the fingerprint print_of(i). */

typedef struct {
    uint64_t  nids;
    uint64_t  n;
    uint8_t   there[UNIVERSE];
    double    score[UNIVERSE];
    int       crowded;          /* at the ends, and few homes */
} model_t;


static uint64_t
print_of(const model_t *m, uint64_t i)
{
    if (!m->crowded) {
        return mix(i);
    }

    return i % 3 == 0 ? i + 2 : i % 3 == 1 ? UINT64_MAX - i : mix(i % 2) + i;
}


static void
model_add(model_t *m, uint64_t i, double score)
{
    m->n += !m->there[i];
    m->there[i] = 1;
    m->score[i] = score;
}


static void
model_remove(model_t *m, uint64_t i)
{
    m->n -= m->there[i];
    m->there[i] = 0;
}


/* 1 if the table holds what the model says, as lookups and a dump show it. */

static int
model_is(const model_t *m, const recs_table_t *t, int scores)
{
    double             score[UNIVERSE];
    uint8_t            found[UNIVERSE];
    uint64_t           i, from, n, prints[UNIVERSE], some[24];
    recs_table_view_t  view;

    for (i = 0; i < m->nids; i++) {
        prints[i] = print_of(m, i);
    }

    if (!recs_table_read(&view, t)) {
        return m->n == 0;
    }

    recs_table_find(&view, prints, m->nids, found, scores ? score : NULL);

    for (i = 0; i < m->nids; i++) {
        if (found[i] != m->there[i]
            || (scores && found[i] && score[i] != m->score[i]))
        {
            return 0;
        }
    }

    n = 0;

    for (from = 0; from < stat_of(t).slots; from += 24) {
        n += recs_table_dump(&view, from, 24, some, scores ? score : NULL);
    }

    return n == m->n && stat_of(t).ids == m->n && recs_table_stood(&view);
}


/* The next table, made from nothing, is to hold every third id from first. */

static void
model_replace(model_t *m, uint64_t first, uint64_t max)
{
    uint64_t  i;

    for (i = 0; i < m->nids; i++) {
        model_remove(m, i);
    }

    for (i = first % 3; i < m->nids && m->n < max; i += 3) {
        model_add(m, i, (double) (i * 1024));
    }
}


static void
replace(recs_table_writer_t *w, const model_t *m, uint64_t first, uint64_t max)
{
    uint64_t  i, n;

    (void) recs_table_begin(w, RECS_TABLE_FRESH);

    while (recs_table_step(w, 24)) { /* void */ }

    for (i = first % 3, n = 0; i < m->nids && n < max; i += 3, n++) {
        (void) recs_table_add(w, RECS_TABLE_NEXT, print_of(m, i),
                              (double) (i * 1024));
    }

    (void) recs_table_publish(w);
}


static void
play(uint64_t seed, uint64_t nids, uint64_t capacity, int scores, int crowded)
{
    int        rc, copying;
    double     score;
    region_t   r;
    model_t    m;
    uint64_t   turn, x, i;

    region_init_published(&r, capacity, scores);
    capacity = stat_of(r.table).capacity;

    memset(&m, 0, sizeof(m));
    m.nids = nids;
    m.crowded = crowded;
    copying = 0;

    for (turn = 0; turn < 2000; turn++) {
        x = mix(seed * 1000000 + turn);
        i = (x >> 8) % nids;
        score = (double) (i * 1024 + x % 1024);

        if (x % 64 < 36) {
            rc = add(&r, print_of(&m, i));
            assert_true(rc != 0 || m.there[i]);

            if (rc == RECS_TABLE_FULL) {
                assert_false(m.there[i]);
                assert_true(m.n == capacity || recs_table_worn(r.table));

            } else {
                assert_int_equal(rc, !m.there[i]);
                assert_int_equal(recs_table_add(&r.w, RECS_TABLE_ACTIVE,
                                                print_of(&m, i), score),
                                 0);
                model_add(&m, i, score);
            }

        } else if (x % 64 < 58) {
            assert_int_equal(drop(&r, print_of(&m, i)), m.there[i]);
            model_remove(&m, i);

        } else if (x % 64 < 62) {
            if (!copying) {
                assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_COPY), 0);
                copying = 1;
            }

        } else if (x % 64 == 62) {
            recs_table_take(&r.w, r.table);
            copying = 0;

        } else if (x % 1024 == 63) {
            replace(&r.w, &m, x >> 8, capacity);
            model_replace(&m, x >> 8, capacity);
            copying = 0;
        }

        if (copying && x % 5 == 0) {
            rc = recs_table_step(&r.w, x % 40);

            if (rc == 0) {
                assert_int_equal(recs_table_publish(&r.w), 0);
                assert_true(stat_of(r.table).used
                            <= stat_of(r.table).slots * 7 / 8);
            }

            copying = rc == 1;

        } else if (!copying && x % 11 == 0) {
            scribble(&r.w);
        }

        assert_true(stat_of(r.table).used >= stat_of(r.table).ids);
        assert_true(x % 16 != 0 || model_is(&m, r.table, scores));
    }

    assert_true(model_is(&m, r.table, scores));

    region_free(&r);
}


static void
a_table_does_what_a_model_does(void **state)
{
    uint64_t  seed;

    static const struct {
        uint64_t  nids, capacity;
    } sizes[] = {
        { 3, 6 }, { 12, 6 }, { 14, 12 }, { 60, 20 }, { 110, 100 },
        { 600, 300 }, { 400, 390 },
    };

    (void) state;

    for (seed = 0; seed < 4 * unit_nelts(sizes); seed++) {
        play(seed, sizes[seed / 4].nids, sizes[seed / 4].capacity,
             (int) seed % 2, (int) seed / 2 % 2);
    }
}


/*
 * Ids 10 to 12 lie in the second line, since the first was full of 2 to 9; but
 * in the first one of the copy, as 2 to 4 have gone.  There they leave marks.
 */

static void
a_copy_that_has_no_room_for_marks_ends(void **state)
{
    int             early;      /* it ends by itself, not by what is added */
    uint64_t        i;
    region_t        r;
    const uint64_t  second = UINT64_MAX / 2, third = UINT64_MAX - 100;

    (void) state;

    for (early = 0; early < 2; early++) {
        region_init_published(&r, 19, 0);                   /* 3 lines */

        for (i = 2; i < 13; i++) {
            assert_int_equal(add(&r, i), 1);
        }

        for (i = 2; i < 5; i++) {
            assert_int_equal(drop(&r, i), 1);
        }

        for (i = 5; early && i < 11; i++) {
            assert_int_equal(add(&r, third + i), 1);
        }

        assert_int_equal(recs_table_begin(&r.w, RECS_TABLE_COPY), 0);
        assert_int_equal(recs_table_step(&r.w, early ? 40 : 48), early);

        for (i = 13; i < 16; i++) {
            assert_int_equal(add(&r, i), 1);                /* for 2 to 4 */
        }

        for (i = 10; i < 13; i++) {
            assert_int_equal(drop(&r, i), 1);
        }

        for (i = 0; i < 5; i++) {
            assert_int_equal(add(&r, second + i), 1);
        }

        for (i = 5; !early && i < 11; i++) {
            assert_int_equal(recs_table_step(&r.w, 1), 0);
            assert_int_equal(add(&r, third + i), 1);
        }

        if (early) {
            assert_int_equal(recs_table_step(&r.w, 8), 1);
        }

        assert_int_equal(recs_table_step(&r.w, 1), RECS_TABLE_NONE);
        assert_int_equal(recs_table_publish(&r.w), RECS_TABLE_NONE);

        make_next(&r, RECS_TABLE_COPY);
        assert_int_equal(recs_table_publish(&r.w), 0);

        assert_int_equal(stat_of(r.table).ids, 19);
        assert_int_equal(has(r.table, third + 10), 1);
        assert_int_equal(has(r.table, 2), 0);

        region_free(&r);
    }
}


static void
a_dump_in_pieces_has_what_stayed_once(void **state)
{
    size_t             n, k;
    double             scores[16];
    uint8_t            times[400];
    region_t           r;
    uint64_t           i, from, prints[16];
    recs_table_view_t  view;

    (void) state;

    region_init_published(&r, 400, 1);
    memset(times, 0, sizeof(times));

    for (i = 0; i < 400; i++) {
        assert_int_equal(add(&r, mix(i)), 1);
    }

    assert_int_equal(recs_table_read(&view, r.table), 1);

    for (from = 0; from < stat_of(r.table).slots; from += 11) {
        n = recs_table_dump(&view, from, 11, prints, scores);
        assert_in_range(n, 0, 11);

        for (k = 0; k < n; k++) {
            assert_true(scores[k] == (double) prints[k]);

            for (i = 0; i < 400; i++) {
                times[i] += mix(i) == prints[k];
            }
        }

        /* odd ones come and go meanwhile */

        i = mix(from) % 200 * 2 + 1;
        assert_int_equal(drop(&r, mix(i)), 1);
        assert_int_equal(add(&r, mix(i)), 1);
    }

    assert_int_equal(recs_table_dump(&view, from, 11, prints, scores), 0);
    assert_true(recs_table_stood(&view));

    for (i = 0; i < 400; i += 2) {
        assert_int_equal(times[i], 1);
    }

    region_free(&r);
}


/*
 * Threads: ids below KEPT stay, with changing scores; those up to COME come and
 * go; those up to NEVER are never there.
 */

#define KEPT       300
#define COME       600
#define NEVER      900

#define READERS    2
#define ROUNDS     400


typedef struct {
    region_t   r;
    uint64_t   tables;          /* that the writer published */
    uint64_t   rounds[READERS];
    uint64_t   wrong;
} race_t;


typedef struct {
    race_t    *race;
    unsigned   n;
} racer_t;


static int
race_is_on(race_t *race)
{
    unsigned  i;

    for (i = 0; i < READERS; i++) {
        if (__atomic_load_n(&race->rounds[i], __ATOMIC_RELAXED) < ROUNDS) {
            return 1;
        }
    }

    return __atomic_load_n(&race->tables, __ATOMIC_RELAXED) < ROUNDS;
}


static void *
race_read(void *data)
{
    double              scores[NEVER];
    uint8_t             found[NEVER];
    race_t             *race;
    racer_t            *racer;
    uint64_t            i, from, wrong, prints[NEVER];
    recs_table_view_t   view;

    racer = data;
    race = racer->race;

    for (i = 0; i < NEVER; i++) {
        prints[i] = mix(i);
    }

    for (from = 0; race_is_on(race); from = (from + 100) % NEVER) {
        do {
            assert_int_equal(recs_table_read(&view, race->r.table), 1);
            recs_table_find(&view, prints + from, 100, found + from,
                            scores + from);
        } while (!recs_table_stood(&view));

        wrong = 0;

        for (i = from; i < from + 100; i++) {
            wrong += i < KEPT && !found[i];
            wrong += i >= COME && found[i];
            wrong += found[i] && (uint64_t) scores[i] / 1024 != i;
        }

        __atomic_add_fetch(&race->wrong, wrong, __ATOMIC_RELAXED);
        __atomic_add_fetch(&race->rounds[racer->n], 1, __ATOMIC_RELAXED);
    }

    return NULL;
}


static void
race_step(race_t *race, uint64_t turn)
{
    int                   rc;
    uint64_t              x, i;
    recs_table_writer_t  *w;

    w = &race->r.w;
    x = mix(turn);
    i = KEPT + x % (COME - KEPT);

    if (turn % 3 == 0) {
        i = x % KEPT;
    }

    if (turn % 3 == 1) {
        assert_true(recs_table_remove(w, RECS_TABLE_ACTIVE, mix(i)) >= 0);

    } else {
        assert_true(recs_table_add(w, RECS_TABLE_ACTIVE, mix(i),
                                   (double) (i * 1024 + (x >> 20) % 1024))
                    != RECS_TABLE_LOST);
    }

    rc = recs_table_step(w, 200);

    if (rc == RECS_TABLE_NONE) {
        assert_int_equal(recs_table_begin(w, turn % 5 ? RECS_TABLE_COPY
                                                      : RECS_TABLE_FRESH),
                         0);

    } else if (rc == 0) {
        for (i = 0; i < KEPT; i++) {    /* if it was begun fresh */
            (void) recs_table_add(w, RECS_TABLE_NEXT, mix(i),
                                  (double) (i * 1024));
        }

        assert_int_equal(recs_table_publish(w), 0);
        __atomic_add_fetch(&race->tables, 1, __ATOMIC_RELAXED);

        if (turn % 2) {
            scribble(w);
        }
    }
}


static void
readers_are_right_while_the_writer_writes(void **state)
{
    race_t     race;
    racer_t    racers[READERS];
    unsigned   i;
    uint64_t   turn;
    pthread_t  threads[READERS];

    (void) state;

    memset(&race, 0, sizeof(race));
    region_init_published(&race.r, 640, 1);

    for (i = 0; i < KEPT; i++) {
        assert_int_equal(recs_table_add(&race.r.w, RECS_TABLE_ACTIVE, mix(i),
                                        (double) (i * 1024)),
                         1);
    }

    for (i = 0; i < READERS; i++) {
        racers[i].race = &race;
        racers[i].n = i;
        assert_int_equal(pthread_create(&threads[i], NULL, race_read,
                                        &racers[i]),
                         0);
    }

    for (turn = 0; race_is_on(&race); turn++) {
        race_step(&race, turn);
    }

    for (i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }

    assert_int_equal(race.wrong, 0);

    region_free(&race.r);
}


/* Ids follow each other in one slot; a reader must not mix up their scores. */

#ifdef __SANITIZE_THREAD__
#define TURNS      20000
#else
#define TURNS      2000000
#endif


typedef struct {
    region_t   r;
    uint64_t   ids;             /* of which one is there at a time, from 2 */
    uint64_t   id;              /* that is in the slot, or the one after it */
    uint64_t   over;
} turns_t;


static void *
take_turns(void *data)
{
    turns_t   *turns;
    uint64_t   i, id, next;

    turns = data;

    for (i = 0, id = 2; i < TURNS; i++, id = next) {
        next = 2 + (id - 1) % turns->ids;

        (void) drop(&turns->r, id);
        (void) add(&turns->r, next);
        __atomic_store_n(&turns->id, id, __ATOMIC_RELAXED);
    }

    __atomic_store_n(&turns->over, 1, __ATOMIC_RELAXED);

    return NULL;
}


static void
scores_while_turns_are_taken(uint64_t ids)
{
    size_t              n;
    double              scores[8];
    turns_t             turns;
    uint8_t             found[3];
    uint64_t            i, prints[8], wrong;
    pthread_t           writer;
    recs_table_view_t   view;

    region_init_published(&turns.r, 1, 1);
    turns.ids = ids;
    turns.id = 2;
    turns.over = 0;
    wrong = 0;

    assert_int_equal(add(&turns.r, 2), 1);
    assert_int_equal(recs_table_read(&view, turns.r.table), 1);
    assert_int_equal(pthread_create(&writer, NULL, take_turns, &turns), 0);

    do {
        prints[0] = __atomic_load_n(&turns.id, __ATOMIC_RELAXED);
        prints[1] = prints[0] + 1;
        prints[2] = prints[0] + 2;

        recs_table_find(&view, prints, 3, found, scores);

        for (i = 0; i < 3; i++) {
            wrong += found[i] && scores[i] != (double) prints[i];
        }

        n = recs_table_dump(&view, 0, 8, prints, scores);

        for (i = 0; i < n; i++) {
            wrong += scores[i] != (double) prints[i];
        }

    } while (!__atomic_load_n(&turns.over, __ATOMIC_RELAXED));

    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(wrong, 0);

    region_free(&turns.r);
}


static void
a_score_is_of_the_id_that_was_found(void **state)
{
    (void) state;

    scores_while_turns_are_taken(TURNS);
}


static void
also_if_the_id_went_and_came_back_meanwhile(void **state)
{
    (void) state;

    scores_while_turns_are_taken(2);
}


/*
 * A line whose slots end a page, and whose scores begin the next one.  Who
 * reads its first score gets a signal, and the slot's id goes and another comes
 * before it is read; then, before the slot is looked at again, the first one is
 * back.
 */

#define PAGE       4096
#define LINE       (2 * RECS_TABLE_LINE * sizeof(uint64_t))


static struct {
    region_t   r;
    uint8_t   *page;            /* of the scores */
    uint64_t   first, second;
    unsigned   times;           /* that it came */
} between;


static void
come_between(int sig)
{
    (void) sig;

    if (between.times++ == 0) {
        (void) mprotect(between.page, PAGE, PROT_READ|PROT_WRITE);
        (void) drop(&between.r, between.first);
        (void) recs_table_add(&between.r.w, RECS_TABLE_ACTIVE, between.second,
                              2);
        (void) mprotect(between.page - PAGE, PAGE, PROT_NONE);
        return;
    }

    (void) mprotect(between.page - PAGE, PAGE, PROT_READ|PROT_WRITE);
    (void) drop(&between.r, between.second);
    (void) recs_table_add(&between.r.w, RECS_TABLE_ACTIVE, between.first, 1);
}


static void
begin_to_come_between(recs_table_view_t *view)
{
    between.times = 0;
    assert_int_equal(recs_table_read(view, between.r.table), 1);
    assert_int_equal(mprotect(between.page, PAGE, PROT_NONE), 0);
}


static void
a_score_is_not_that_of_one_who_came_between(void **state)
{
    double             score;
    uint8_t           *pages, found;
    uint64_t           n, line, print;
    struct sigaction   sa, was;
    recs_table_view_t  view;

    (void) state;

    /* the table of generation 1 ends with the region */

    n = 3 * PAGE / LINE;
    line = n / 2;

    between.r.size = recs_table_size(n * 32 / 5, 1);
    between.r.scores = 1;

    pages = mmap(NULL, 16 * PAGE, PROT_READ|PROT_WRITE,
                 MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);

    between.page = pages + 14 * PAGE;
    between.r.table = recs_table_create(between.page + (n - line) * LINE
                                        - LINE / 2 - between.r.size,
                                        between.r.size, 1, secret);
    assert_non_null(between.r.table);

    recs_table_take(&between.r.w, between.r.table);
    make_next(&between.r, RECS_TABLE_FRESH);
    assert_int_equal(recs_table_publish(&between.r.w), 0);
    assert_int_equal(stat_of(between.r.table).slots, n * RECS_TABLE_LINE);

    between.first = UINT64_MAX / n * line + UINT64_MAX / n / 2;
    between.second = between.first + 1;
    assert_int_equal(recs_table_add(&between.r.w, RECS_TABLE_ACTIVE,
                                    between.first, 1),
                     1);

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = come_between;
    assert_int_equal(sigaction(SIGSEGV, &sa, &was), 0);

    begin_to_come_between(&view);
    recs_table_find(&view, &between.first, 1, &found, &score);
    assert_int_equal(between.times, 2);
    assert_int_equal(found, 1);
    assert_true(score == 1);

    begin_to_come_between(&view);
    assert_int_equal(recs_table_dump(&view, line * RECS_TABLE_LINE, 1, &print,
                                     &score),
                     1);
    assert_int_equal(between.times, 2);
    assert_int_equal(print, between.first);
    assert_true(score == 1);

    assert_int_equal(sigaction(SIGSEGV, &was, NULL), 0);
    assert_int_equal(munmap(pages, 16 * PAGE), 0);
}


/*
 * A child changes the table, one deed after the other, and is killed: the table
 * has all deeds up to the last one, and that one whole or not at all.
 */

#define KILLS      150

typedef struct {
    uint64_t   done;            /* deeds */
    uint64_t   failed;
} deeds_t;


static void
deed_of_model(model_t *m, uint64_t turn, uint64_t capacity)
{
    uint64_t  x, i;

    x = mix(turn);
    i = (x >> 8) % m->nids;

    if (x % 512 == 63) {
        model_replace(m, x >> 8, capacity);

    } else if (x % 512 < 280) {
        model_add(m, i, (double) (i * 1024 + (x >> 40) % 1024));

    } else {
        model_remove(m, i);
    }
}


static int
deed_of_table(recs_table_writer_t *w, const model_t *m, uint64_t turn,
    uint64_t capacity)
{
    int       rc;
    double    score;
    uint64_t  x, i;

    x = mix(turn);
    i = (x >> 8) % m->nids;
    score = (double) (i * 1024 + (x >> 40) % 1024);

    if (x % 512 == 63) {
        replace(w, m, x >> 8, capacity);
        return 0;
    }

    if (recs_table_worn(w->table) || x % 1024 == 64) {
        (void) recs_table_begin(w, RECS_TABLE_COPY);
        (void) recs_table_step(w, 1000000);
    }

    if (x % 512 >= 280) {
        rc = recs_table_remove(w, RECS_TABLE_ACTIVE, print_of(m, i));

    } else {
        rc = recs_table_add(w, RECS_TABLE_ACTIVE, print_of(m, i), score);
    }

    (void) recs_table_publish(w);

    return rc < 0;
}


/* The same memory twice, at different addresses. */

static void
map_twice(size_t size, void **one, void **two)
{
    FILE  *file;

    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t) size), 0);

    *one = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED, fileno(file), 0);
    *two = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED, fileno(file), 0);
    assert_true(*one != MAP_FAILED && *two != MAP_FAILED && *one != *two);

    (void) fclose(file);
}


static void
killed_while_it_writes(recs_table_t *t, const model_t *m, deeds_t *deeds,
    uint64_t capacity, uint64_t wait)
{
    pid_t                pid;
    uint64_t             until;
    struct timespec      ts;
    recs_table_writer_t  w;

    until = deeds->done + 1 + wait % 300;
    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        recs_table_take(&w, t);

        for ( ;; ) {
            if (deed_of_table(&w, m, deeds->done, capacity)) {
                __atomic_store_n(&deeds->failed, 1, __ATOMIC_RELEASE);
            }

            __atomic_add_fetch(&deeds->done, 1, __ATOMIC_ACQ_REL);
        }
    }

    /* it does some, and then a few instructions more or less */

    while (__atomic_load_n(&deeds->done, __ATOMIC_ACQUIRE) < until) {
        ts.tv_sec = 0;
        ts.tv_nsec = (long) (1000 + wait % 5000);
        (void) nanosleep(&ts, NULL);
    }

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(deeds->failed, 0);
}


static void
a_killed_writer_leaves_a_table_that_is_right(void **state)
{
    void                 *one, *two, *shared;
    size_t                size;
    model_t               m;
    deeds_t              *deeds;
    uint64_t              turn, kills, capacity;
    recs_table_t         *t;
    recs_table_writer_t   w;

    (void) state;

    capacity = 192;
    size = recs_table_size(capacity, 1);
    map_twice(size, &one, &two);
    shared = mmap(NULL, sizeof(deeds_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);

    deeds = shared;
    memset(&m, 0, sizeof(m));
    m.nids = capacity;

    assert_non_null(recs_table_create(one, size, 1, secret));
    t = recs_table_attach(two, size, 1);
    assert_non_null(t);

    recs_table_take(&w, t);
    replace(&w, &m, 0, 0);

    for (kills = 0, turn = 0; kills < KILLS; kills++) {
        killed_while_it_writes(one, &m, deeds, capacity, mix(kills));

        for ( /* void */ ; turn < deeds->done; turn++) {
            deed_of_model(&m, turn, capacity);
        }

        recs_table_take(&w, t);

        if (!model_is(&m, t, 1)) {
            deed_of_model(&m, turn++, capacity);
            deeds->done = turn;
            assert_true(model_is(&m, t, 1));
        }
    }

    assert_int_equal(munmap(one, size), 0);
    assert_int_equal(munmap(two, size), 0);
    assert_int_equal(munmap(shared, sizeof(deeds_t)), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(size_and_capacity_are_inverse),
        cmocka_unit_test(a_region_is_known_again),
        cmocka_unit_test(fingerprints_hang_on_the_secret_and_are_above_1),
        cmocka_unit_test(a_secret_changes_only_before_anything_is_published),
        cmocka_unit_test(an_id_is_there_from_add_to_remove),
        cmocka_unit_test(a_table_takes_its_capacity_and_no_more),
        cmocka_unit_test(a_mark_stays_only_where_others_went_past),
        cmocka_unit_test(the_last_line_goes_on_in_the_first),
        cmocka_unit_test(a_copy_rids_a_worn_table_of_its_marks),
        cmocka_unit_test(nothing_is_done_to_a_table_that_is_not_there),
        cmocka_unit_test(a_view_stands_until_its_place_is_taken),
        cmocka_unit_test(what_is_idle_is_needed_by_nobody),
        cmocka_unit_test(a_fresh_table_has_only_what_was_added_to_it),
        cmocka_unit_test(a_writer_who_was_overtaken_is_refused),
        cmocka_unit_test(a_table_does_what_a_model_does),
        cmocka_unit_test(a_copy_that_has_no_room_for_marks_ends),
        cmocka_unit_test(a_dump_in_pieces_has_what_stayed_once),
        cmocka_unit_test(readers_are_right_while_the_writer_writes),
        cmocka_unit_test(a_score_is_of_the_id_that_was_found),
        cmocka_unit_test(also_if_the_id_went_and_came_back_meanwhile),
        cmocka_unit_test(a_score_is_not_that_of_one_who_came_between),
        cmocka_unit_test(a_killed_writer_leaves_a_table_that_is_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
