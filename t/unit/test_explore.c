
/*
 * Exploration draws as the documents say: gates, slots, panels and choices are
 * the known ones, uniform and independent.
 */

#include <math.h>

#include "unit.h"

#include "recs_explore.h"
#include "recs_hash.h"


/*
 * The tests of chance are the same in every run: all numbers come from hashes
 * of fixed texts.  Their bounds are 6 standard deviations, which fair numbers
 * pass but for one time in 10^9.
 */

#define SIGMAS  6.0


/*
 * Known answers.  They were made by a program that shares nothing with this
 * code but the xxHash library: Python calls XXH3_64bits_withSeed(), chains it
 * as recs_hash.h says, and shuffles with Fisher and Yates' swaps.
 */

typedef struct {
    uint64_t          seed;
    recs_str_t        text;
    uint64_t          hash;
} hashed_text_t;


typedef struct {
    uint64_t          seed;
    uint64_t          n;
    uint64_t          hash;
} hashed_int_t;


typedef struct {
    uint64_t          seed;
    uint64_t          i;
    uint64_t          n;
    uint64_t          number;
} uniform_t;


typedef struct {
    unsigned          slot;
    recs_str_t        event;
    uint32_t          npool;
    unsigned          panel;
    uint32_t          order[12];
} replayed_t;


typedef struct {
    unsigned          slot;
    recs_str_t        event;
    unsigned          eligible;
    unsigned          chosen;
} drawn_t;


static const hashed_text_t  hashed_texts[] = {
    { 0, recs_string(""), 0x2d06800538d394c2 },
    { 0, recs_string("salt"), 0x9bd63bcd2b4c3683 },
    { 1, recs_string("salt"), 0x37e84b7cf73fa6fd },
    { UINT64_MAX, recs_string("gate"), 0x2c04ed94fe950161 },
    { 0xdeadbeef, recs_string("a longer one, of more than sixteen bytes"),
      0x10dcc3926a4c460d },
};


static const hashed_int_t  hashed_ints[] = {
    { 0, 0, 0xc77b3abb6f87acd9 },
    { 0, 1, 0x2fbc593564db792e },
    { 5, UINT64_MAX, 0x260ad3309db130fa },
    { UINT64_MAX, 0x0102030405060708, 0xc8eb6ee246845f34 },
};


static const uniform_t  uniforms[] = {
    { 0, 0, 10, 7 },
    { 1, 2, (uint64_t) 3 << 62, 13234784644405819765u },
    { 1, 5, (uint64_t) 3 << 62, 11745403077917046277u },
    { 9, 9, 1000000007, 106000764 },
    { 3, 0, UINT64_MAX, 15342593466564053401u },
    { 3, 0, 1, 0 },
};


/* The salt is "s1". */

static const replayed_t  replayed[] = {
    { 1, recs_string("e1"), 10, 12, { 3, 1, 5, 8, 9, 4, 7, 2, 0, 6 } },
    { 3, recs_string("e1"), 10, 10, { 2, 8, 7, 4, 1, 6, 5, 0, 9, 3 } },
    { 1, recs_string("e2"), 10, 3, { 0, 9, 8 } },
    { 3, recs_string("7f3a"), 1000, 12,
      { 747, 427, 210, 51, 255, 121, 964, 601, 460, 584, 957, 486 } },
    { 2, recs_string(""), 4000000000u, 5,
      { 3810824079u, 1053637183, 1924599349, 3112152274u, 1249480291 } },
};


static const drawn_t  drawn[] = {
    { 1, recs_string("e1"), 1, 0 }, { 1, recs_string("e1"), 2, 1 },
    { 1, recs_string("e1"), 5, 3 }, { 1, recs_string("e1"), 10, 7 },
    { 1, recs_string("e1"), 100, 72 }, { 3, recs_string("e1"), 100, 11 },
    { 1, recs_string("e2"), 100, 57 }, { 3, recs_string("7f3a"), 100, 78 },
    { 2, recs_string(""), 100, 68 },
};


/* Shares of all keys under the gate for the salt "s1", from the same program */

static const double  gates[] = {
    0.362314, 0.922306, 0.462404, 0.221148, 0.455615, 0.88938, 0.236641,
    0.168384
};


static void
policy(recs_explore_t *ex, const char *salt, unsigned panel)
{
    memset(ex, 0, sizeof(recs_explore_t));

    ex->salt = unit_str(salt);
    ex->rate = 1;
    ex->panel = panel;
    ex->nslots = 1;
    ex->slots[0] = 1;
}


static recs_str_t
numbered(char *buf, const char *letter, unsigned n)
{
    (void) sprintf(buf, "%s%u", letter, n);

    return unit_str(buf);
}


/* Fails if n cells, all alike probable, were hit too unevenly. */

static void
assert_even(const unsigned *hits, size_t n)
{
    size_t  i;
    double  total, mean, chi2, v, bound;

    total = 0;

    for (i = 0; i < n; i++) {
        total += hits[i];
    }

    mean = total / (double) n;
    chi2 = 0;

    for (i = 0; i < n; i++) {
        chi2 += (hits[i] - mean) * (hits[i] - mean) / mean;
    }

    /* the quantile of chi square as Wilson and Hilferty approximate it */

    v = 2.0 / (9.0 * (double) (n - 1));
    bound = (double) (n - 1) * pow(1 - v + SIGMAS * sqrt(v), 3);

    if (chi2 > bound) {
        print_error("chi square %g of %zu cells, at most %g\n", chi2, n,
                    bound);
        fail();
    }
}


static void
hashes_are_the_known_ones(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(hashed_texts); i++) {
        assert_true(recs_hash_str(hashed_texts[i].seed, &hashed_texts[i].text)
                    == hashed_texts[i].hash);
    }

    for (i = 0; i < unit_nelts(hashed_ints); i++) {
        assert_true(recs_hash_int(hashed_ints[i].seed, hashed_ints[i].n)
                    == hashed_ints[i].hash);
    }

    for (i = 0; i < unit_nelts(uniforms); i++) {
        assert_true(recs_hash_uniform(uniforms[i].seed, uniforms[i].i,
                                      uniforms[i].n) == uniforms[i].number);
    }
}


/*
 * Without rejection, of 3 * 2^62 numbers every third would come twice as
 * often as the others; of 5 * 2^61 three in five.
 */

static void
uniform_numbers_are_unbiased(void **state)
{
    size_t    k;
    unsigned  i, hits[7];
    uint64_t  x;

    static const struct {
        uint64_t   n;
        unsigned   cells;
    } awkward[] = {
        { (uint64_t) 3 << 62, 3 }, { (uint64_t) 5 << 61, 5 },
        { (uint64_t) 7 << 61, 7 }, { 7, 7 }, { 2, 2 }, { 6, 6 },
    };

    (void) state;

    for (k = 0; k < unit_nelts(awkward); k++) {
        memset(hits, 0, sizeof(hits));

        for (i = 0; i < 100000; i++) {
            x = recs_hash_uniform(k, i, awkward[k].n);
            assert_true(x < awkward[k].n);
            hits[x % awkward[k].cells]++;
        }

        assert_even(hits, awkward[k].cells);

        /* and from the lowest to the highest */

        memset(hits, 0, sizeof(hits));

        for (i = 0; i < 100000; i++) {
            x = recs_hash_uniform(k + 100, i, awkward[k].n);
            hits[x / (awkward[k].n / awkward[k].cells)]++;
        }

        assert_even(hits, awkward[k].cells);
    }
}


static void
of_one_number_there_is_no_choice(void **state)
{
    unsigned  i;

    (void) state;

    for (i = 0; i < 100; i++) {
        assert_true(recs_hash_uniform(i, i, 1) == 0);
        assert_true(recs_hash_uniform(i, i, UINT64_MAX) < UINT64_MAX);
    }
}


static void
the_gate_opens_for_its_share(void **state)
{
    char            buf[32];
    double          deviation;
    size_t          k;
    unsigned        i, n, open;
    recs_str_t      key;
    recs_explore_t  ex;

    static const double  rates[] = { 0.0001, 0.05, 0.1, 0.5, 0.95, 0.9999 };

    (void) state;

    n = 200000;

    for (k = 0; k < unit_nelts(rates); k++) {
        policy(&ex, "s1", 1);
        ex.rate = rates[k];
        open = 0;

        for (i = 0; i < n; i++) {
            key = numbered(buf, "u", i);
            open += recs_explore_gate(&ex, &key) != 0;
        }

        deviation = sqrt(n * rates[k] * (1 - rates[k]));
        assert_true(fabs(open - n * rates[k]) < SIGMAS * deviation);
    }
}


static void
the_gate_is_exact_at_its_ends(void **state)
{
    char            buf[32];
    unsigned        i;
    recs_str_t      key;
    recs_explore_t  ex;

    (void) state;

    policy(&ex, "s1", 1);

    for (i = 0; i < 100000; i++) {
        key = numbered(buf, "u", i);

        ex.rate = 0;
        assert_false(recs_explore_gate(&ex, &key));

        ex.rate = 1;
        assert_true(recs_explore_gate(&ex, &key));
    }
}


static void
the_gate_is_the_known_one(void **state)
{
    char            buf[32];
    unsigned        i;
    recs_str_t      key;
    recs_explore_t  ex;

    (void) state;

    policy(&ex, "s1", 1);

    for (i = 0; i < unit_nelts(gates); i++) {
        key = numbered(buf, "u", i);

        ex.rate = gates[i] - 1e-5;
        assert_false(recs_explore_gate(&ex, &key));

        ex.rate = gates[i] + 1e-5;
        assert_true(recs_explore_gate(&ex, &key));
    }
}


/* Who explores with one salt says nothing about another. */

static void
salts_are_independent(void **state)
{
    char            buf[32];
    unsigned        i, hits[4];
    recs_str_t      key;
    recs_explore_t  one, two;

    (void) state;

    policy(&one, "s1", 1);
    policy(&two, "s2", 1);
    one.rate = 0.5;
    two.rate = 0.5;

    memset(hits, 0, sizeof(hits));

    for (i = 0; i < 100000; i++) {
        key = numbered(buf, "u", i);
        hits[2 * recs_explore_gate(&one, &key)
             + recs_explore_gate(&two, &key)]++;
    }

    assert_even(hits, 4);
}


static recs_draw_t *
plan(unit_arena_t *arena, const recs_explore_t *ex, const recs_str_t *event,
    uint32_t npool)
{
    unsigned         n;
    recs_draw_t     *draws;
    recs_line_t     *line;
    recs_choices_t  *pool;

    pool = recs_alloc(&arena->mem, sizeof(recs_choices_t));
    line = recs_alloc(&arena->mem, sizeof(recs_line_t));

    memset(pool, 0, sizeof(recs_choices_t));
    pool->n = npool;

    line->policy = ex;
    line->pool = pool;
    line->shows = NULL;

    assert_int_equal(recs_explore_plan(&arena->mem, line, 1, event, &draws,
                                       &n), RECS_OK);
    assert_int_equal(n, ex->nslots);

    return draws;
}


static int
draw(recs_draw_t *d, const recs_str_t *event, const uint8_t *eligible,
    const uint32_t *placed, unsigned nplaced)
{
    memcpy(d->eligible, eligible, d->norder);

    return recs_explore_draw(d, event, placed, nplaced);
}


static void
plans_are_the_known_ones(void **state)
{
    size_t           i;
    unsigned         k, n;
    recs_draw_t     *d;
    unit_arena_t     arena;
    recs_explore_t   ex;

    (void) state;

    for (i = 0; i < unit_nelts(replayed); i++) {
        unit_arena_init(&arena);
        policy(&ex, "s1", replayed[i].panel);
        ex.slots[0] = replayed[i].slot;

        d = plan(&arena, &ex, &replayed[i].event, replayed[i].npool);

        n = replayed[i].panel < replayed[i].npool ? replayed[i].panel
                                                  : replayed[i].npool;

        assert_int_equal(d->slot, replayed[i].slot);
        assert_int_equal(d->norder, n);

        for (k = 0; k < n; k++) {
            assert_int_equal(d->order[k], replayed[i].order[k]);
        }

        unit_arena_free(&arena);
    }
}


static void
draws_are_the_known_ones(void **state)
{
    size_t           i;
    uint8_t          eligible[RECS_EXPLORE_PANEL_MAX];
    recs_draw_t     *d;
    unit_arena_t     arena;
    recs_explore_t   ex;

    (void) state;

    memset(eligible, 1, sizeof(eligible));

    for (i = 0; i < unit_nelts(drawn); i++) {
        unit_arena_init(&arena);
        policy(&ex, "s1", drawn[i].eligible);
        ex.slots[0] = drawn[i].slot;

        d = plan(&arena, &ex, &drawn[i].event, 1000);

        assert_int_equal(draw(d, &drawn[i].event, eligible, NULL, 0), 1);
        assert_int_equal(d->drawn, drawn[i].chosen);

        unit_arena_free(&arena);
    }
}


static void
an_order_is_a_prefix_of_a_permutation(void **state)
{
    char             buf[32];
    size_t           i;
    uint8_t         *seen;
    unsigned         e, k, s, n;
    recs_str_t       event;
    recs_draw_t     *draws;
    unit_arena_t     arena;
    recs_explore_t   ex;

    static const struct {
        uint32_t   npool;
        unsigned   panel;
    } sizes[] = {
        { 0, 1 }, { 1, 1 }, { 1, 10 }, { 2, 1 }, { 7, 7 }, { 7, 128 },
        { 8, 6 }, { 130, 128 }, { 143, 128 }, { 144, 128 }, { 1000, 128 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(sizes); i++) {
        policy(&ex, "s1", sizes[i].panel);
        ex.nslots = RECS_EXPLORE_SLOTS_MAX;

        for (s = 0; s < ex.nslots; s++) {
            ex.slots[s] = 2 * s + 1;
        }

        for (e = 0; e < 20; e++) {
            unit_arena_init(&arena);
            event = numbered(buf, "e", e);
            draws = plan(&arena, &ex, &event, sizes[i].npool);

            for (s = 0; s < ex.nslots; s++) {

                /* the panel and one for each slot before */

                n = sizes[i].panel + s;
                n = n < sizes[i].npool ? n : sizes[i].npool;

                assert_int_equal(draws[s].slot, 2 * s + 1);
                assert_int_equal(draws[s].norder, n);

                seen = calloc(sizes[i].npool + 1, 1);

                for (k = 0; k < n; k++) {
                    assert_true(draws[s].order[k] < sizes[i].npool);
                    assert_int_equal(seen[draws[s].order[k]]++, 0);
                }

                free(seen);
            }

            unit_arena_free(&arena);
        }
    }
}


/* What stands first on a small pool's order, as one number. */

static unsigned
rank(const uint32_t *order, unsigned n, uint32_t npool)
{
    unsigned  i, number;

    number = 0;

    for (i = 0; i < n; i++) {
        number = number * npool + order[i];
    }

    return number;
}


/* Each ordered choice of n out of npool comes alike often. */

static void
permutations_are_uniform(void **state)
{
    char             buf[32];
    size_t           i, k, cells;
    unsigned         e, hits[1024], dense[1024];
    recs_str_t       event;
    recs_draw_t     *draws;
    unit_arena_t     arena;
    recs_explore_t   ex;

    static const struct {
        uint32_t   npool;
        unsigned   n;
        unsigned   cells;
    } small[] = {
        { 2, 2, 2 }, { 3, 3, 6 }, { 4, 4, 24 }, { 5, 2, 20 }, { 5, 3, 60 },
        { 9, 2, 72 }, { 30, 1, 30 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(small); i++) {
        policy(&ex, "s1", small[i].n);
        memset(hits, 0, sizeof(hits));

        for (e = 0; e < 50000; e++) {
            unit_arena_init(&arena);
            event = numbered(buf, "e", e);
            draws = plan(&arena, &ex, &event, small[i].npool);
            hits[rank(draws->order, small[i].n, small[i].npool)]++;
            unit_arena_free(&arena);
        }

        cells = 0;

        for (k = 0; k < unit_nelts(hits); k++) {
            if (hits[k]) {
                dense[cells++] = hits[k];
            }
        }

        assert_int_equal(cells, small[i].cells);
        assert_even(dense, cells);
    }
}


/* Every pair of places of an order: all ordered pairs come alike often. */

static void
any_two_places_are_uniform(void **state)
{
    enum { npool = 6, cells = npool * (npool - 1) };

    char             buf[32];
    unsigned         e, i, k, hits[npool][npool][npool * npool];
    unsigned         dense[cells], n, x;
    recs_str_t       event;
    recs_draw_t     *draws;
    unit_arena_t     arena;
    recs_explore_t   ex;

    (void) state;

    policy(&ex, "s1", npool);
    memset(hits, 0, sizeof(hits));

    for (e = 0; e < 50000; e++) {
        unit_arena_init(&arena);
        event = numbered(buf, "e", e);
        draws = plan(&arena, &ex, &event, npool);

        for (i = 0; i < npool; i++) {
            for (k = i + 1; k < npool; k++) {
                hits[i][k][draws->order[i] * npool + draws->order[k]]++;
            }
        }

        unit_arena_free(&arena);
    }

    for (i = 0; i < npool; i++) {
        for (k = i + 1; k < npool; k++) {
            n = 0;

            for (x = 0; x < npool * npool; x++) {
                if (x / npool == x % npool) {
                    assert_int_equal(hits[i][k][x], 0);

                } else {
                    dense[n++] = hits[i][k][x];
                }
            }

            assert_even(dense, cells);
        }
    }
}


/*
 * One slot's order says nothing about another's, nor one event's about the
 * next's, nor the order about which of its items is drawn.
 */

static void
slots_events_and_draws_are_independent(void **state)
{
    enum { npool = 4 };

    char             buf[32];
    uint8_t          eligible[npool + 1];
    unsigned         e, last, slots[npool * npool], events[npool * npool];
    unsigned         draws[npool * npool];
    recs_str_t       event;
    recs_draw_t     *d;
    unit_arena_t     arena;
    recs_explore_t   ex;

    (void) state;

    policy(&ex, "s1", npool);
    ex.nslots = 2;
    ex.slots[1] = 2;

    memset(slots, 0, sizeof(slots));
    memset(events, 0, sizeof(events));
    memset(draws, 0, sizeof(draws));
    memset(eligible, 1, sizeof(eligible));
    last = 0;

    for (e = 0; e < 50000; e++) {
        unit_arena_init(&arena);
        event = numbered(buf, "e", e);
        d = plan(&arena, &ex, &event, npool);

        slots[d[0].order[0] * npool + d[1].order[0]]++;
        events[d[0].order[0] * npool + last]++;
        last = d[0].order[0];

        assert_int_equal(draw(d, &event, eligible, NULL, 0), 1);
        draws[d[0].order[0] * npool + d[0].drawn]++;

        unit_arena_free(&arena);
    }

    assert_even(slots, npool * npool);
    assert_even(events, npool * npool);
    assert_even(draws, npool * npool);
}


static void
the_same_view_draws_the_same(void **state)
{
    char             buf[32];
    unsigned         e, k, s, differ;
    recs_str_t       event, other;
    recs_draw_t     *one, *two, *three;
    unit_arena_t     arena;
    recs_explore_t   ex;

    (void) state;

    policy(&ex, "s1", 20);
    ex.nslots = 3;
    ex.slots[1] = 4;
    ex.slots[2] = 9;
    differ = 0;

    for (e = 0; e < 100; e++) {
        unit_arena_init(&arena);
        event = numbered(buf, "e", e);

        one = plan(&arena, &ex, &event, 500);
        event = unit_copy(&arena, &event);
        two = plan(&arena, &ex, &event, 500);
        other = numbered(buf, "f", e);
        three = plan(&arena, &ex, &other, 500);

        for (s = 0; s < 3; s++) {
            assert_int_equal(one[s].norder, two[s].norder);

            for (k = 0; k < one[s].norder; k++) {
                assert_int_equal(one[s].order[k], two[s].order[k]);
                differ += one[s].order[k] != three[s].order[k];
            }
        }

        unit_arena_free(&arena);
    }

    assert_true(differ > 6000);
}


/* What a draw says about itself: p = 1/k * m/N. */

typedef struct {
    uint32_t          npool;
    unsigned          panel;
    uint32_t          order[5];
    unsigned          norder;
    uint8_t           eligible[5];
    uint32_t          placed[3];
    unsigned          nplaced;

    unsigned          m;
    uint32_t          N;
    unsigned          k;
    double            p;
} figures_t;


static const figures_t  figures[] = {

    /* the pool fits the panel: p is 1/k */

    { 3, 5, { 2, 0, 1 }, 3, { 1, 1, 1 }, { 0 }, 0, 3, 3, 3, 1.0 / 3 },
    { 3, 5, { 2, 0, 1 }, 3, { 1, 0, 1 }, { 0 }, 0, 3, 3, 2, 1.0 / 2 },
    { 3, 5, { 2, 0, 1 }, 3, { 0, 0, 1 }, { 0 }, 0, 3, 3, 1, 1.0 },
    { 3, 5, { 2, 0, 1 }, 3, { 0, 0, 0 }, { 0 }, 0, 3, 3, 0, 0 },
    { 3, 3, { 2, 0, 1 }, 3, { 1, 1, 0 }, { 0 }, 0, 3, 3, 2, 1.0 / 2 },

    /* a panel of a larger pool */

    { 100, 3, { 7, 8, 9 }, 3, { 1, 1, 1 }, { 0 }, 0, 3, 100, 3, 1.0 / 100 },
    { 100, 3, { 7, 8, 9 }, 3, { 0, 1, 0 }, { 0 }, 0, 3, 100, 1, 3.0 / 100 },

    /* what stands behind the panel is not drawn from */

    { 100, 2, { 7, 8, 9 }, 3, { 0, 0, 1 }, { 0 }, 0, 2, 100, 0, 0 },
    { 100, 2, { 7, 8, 9 }, 3, { 1, 0, 1 }, { 0 }, 0, 2, 100, 1, 2.0 / 100 },

    /* placed ones are no part of the pool, and are passed over */

    { 100, 2, { 7, 8, 9 }, 3, { 1, 1, 1 }, { 8 }, 1, 2, 99, 2, 1.0 / 99 },
    { 100, 2, { 7, 8, 9 }, 3, { 1, 1, 0 }, { 7 }, 1, 2, 99, 1, 2.0 / 99 },
    { 100, 2, { 7, 8, 9 }, 3, { 0, 1, 1 }, { 50 }, 1, 2, 99, 1, 2.0 / 99 },
    { 100, 3, { 7, 8, 9, 4, 5 }, 5, { 1, 1, 1, 1, 1 }, { 9, 7 }, 2,
      3, 98, 3, 1.0 / 98 },
    { 5, 5, { 4, 3, 2, 1, 0 }, 5, { 1, 1, 1, 1, 1 }, { 1, 3, 4 }, 3,
      2, 2, 2, 1.0 / 2 },
    { 2, 5, { 1, 0 }, 2, { 1, 1 }, { 0, 1 }, 2, 0, 0, 0, 0 },

    /* nothing in the pool */

    { 0, 5, { 0 }, 0, { 0 }, { 0 }, 0, 0, 0, 0, 0 },
};


static void
a_draw_says_its_probability(void **state)
{
    size_t            i;
    unsigned          e, k;
    char              buf[32];
    uint8_t           panel[5], refused[5], eligible[5];
    uint32_t          order[5];
    recs_str_t        event;
    recs_draw_t       d;
    recs_line_t       line;
    recs_choices_t    pool;
    recs_explore_t    ex;
    const figures_t  *f;

    (void) state;

    for (i = 0; i < unit_nelts(figures); i++) {
        f = &figures[i];
        policy(&ex, "s1", f->panel);

        for (e = 0; e < 20; e++) {
            event = numbered(buf, "e", e);
            memcpy(order, f->order, sizeof(order));
            memset(&d, 0, sizeof(recs_draw_t));
            memset(&line, 0, sizeof(recs_line_t));
            memset(&pool, 0, sizeof(recs_choices_t));
            line.policy = &ex;
            line.pool = &pool;
            pool.n = f->npool;
            d.line = &line;
            d.panel = panel;
            d.refused = refused;
            d.eligible = eligible;
            d.slot = 1;
            d.order = order;
            d.norder = f->norder;

            assert_int_equal(draw(&d, &event, f->eligible, f->placed,
                                  f->nplaced), f->k != 0);

            assert_int_equal(d.panel_size, f->m);
            assert_int_equal(d.pool_size, f->N);
            assert_int_equal(d.neligible, f->k);

            if (f->k == 0) {
                continue;
            }

            assert_true(fabs(d.choice - 1.0 / f->k) < 1e-15);
            assert_true(fabs(d.p - f->p) < 1e-15);
            assert_true(d.drawn < f->norder);
            assert_true(f->eligible[d.drawn]);

            for (k = 0; k < f->nplaced; k++) {
                assert_int_not_equal(order[d.drawn], f->placed[k]);
            }
        }
    }
}


/*
 * What p is for: over many page views, the sum of 1/p over those that showed
 * an item in a slot estimates, without bias, how many could have shown it
 * there.
 */

static void
weights_add_up_to_eligible_views(void **state)
{
    enum { npool = 12, panel = 4, nslots = 3, nviews = 200000 };

    char             buf[32];
    double           x, could, deviation;
    double           weight[nslots][npool], views[nslots][npool];
    double           spread[nslots][npool];
    uint8_t          allowed[npool], eligible[panel + nslots];
    uint32_t         placed[nslots];
    unsigned         e, i, k, s, n, item;
    uint64_t         h;
    recs_str_t       event;
    recs_draw_t     *draws;
    unit_arena_t     arena;
    recs_explore_t   ex;

    (void) state;

    policy(&ex, "s1", panel);
    ex.nslots = nslots;
    ex.slots[1] = 2;
    ex.slots[2] = 5;

    memset(weight, 0, sizeof(weight));
    memset(views, 0, sizeof(views));
    memset(spread, 0, sizeof(spread));

    for (e = 0; e < nviews; e++) {
        unit_arena_init(&arena);
        event = numbered(buf, "e", e);
        draws = plan(&arena, &ex, &event, npool);

        /* item i is in stock in (i + 1)/npool of the views */

        h = recs_hash_int(1, e);

        for (i = 0; i < npool; i++) {
            allowed[i] = recs_hash_uniform(h, i, npool) <= i;
        }

        n = 0;

        for (s = 0; s < nslots; s++) {

            for (k = 0; k < draws[s].norder; k++) {
                eligible[k] = allowed[draws[s].order[k]];
            }

            item = npool;

            if (draw(&draws[s], &event, eligible, placed, n)) {
                item = draws[s].order[draws[s].drawn];
            }

            for (i = 0; i < npool; i++) {
                could = allowed[i];

                for (k = 0; k < n; k++) {
                    could = placed[k] == i ? 0 : could;
                }

                x = i == item ? 1 / draws[s].p : 0;

                weight[s][i] += x;
                views[s][i] += could;
                spread[s][i] += (x - could) * (x - could);
            }

            if (item < npool) {
                assert_true(allowed[item]);
                placed[n++] = item;
            }
        }

        unit_arena_free(&arena);
    }

    for (s = 0; s < nslots; s++) {
        for (i = 0; i < npool; i++) {
            deviation = sqrt(spread[s][i]);

            /* a bias of some percent would be seen */

            assert_true(deviation < 0.03 * views[s][i]);
            assert_true(fabs(weight[s][i] - views[s][i])
                        < SIGMAS * deviation);
        }
    }
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned         n, ndraws;
    recs_rc_e        rc;
    recs_str_t       event;
    recs_line_t      line;
    recs_draw_t     *draws;
    recs_choices_t   pool;
    unit_arena_t     arena;
    recs_explore_t   ex;

    (void) state;

    policy(&ex, "s1", 3);
    ex.nslots = 2;
    ex.slots[1] = 2;
    event = unit_str("e1");

    memset(&line, 0, sizeof(recs_line_t));
    memset(&pool, 0, sizeof(recs_choices_t));
    line.policy = &ex;
    line.pool = &pool;
    pool.n = 10;

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = recs_explore_plan(&arena.mem, &line, 1, &event, &draws, &ndraws);
        unit_arena_free(&arena);

        if (rc == RECS_OK) {
            break;
        }

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    /* the draws, and an order, its marks and its making for each */

    assert_int_equal(n, 7);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(hashes_are_the_known_ones),
        cmocka_unit_test(uniform_numbers_are_unbiased),
        cmocka_unit_test(of_one_number_there_is_no_choice),
        cmocka_unit_test(the_gate_opens_for_its_share),
        cmocka_unit_test(the_gate_is_exact_at_its_ends),
        cmocka_unit_test(the_gate_is_the_known_one),
        cmocka_unit_test(salts_are_independent),
        cmocka_unit_test(plans_are_the_known_ones),
        cmocka_unit_test(draws_are_the_known_ones),
        cmocka_unit_test(an_order_is_a_prefix_of_a_permutation),
        cmocka_unit_test(permutations_are_uniform),
        cmocka_unit_test(any_two_places_are_uniform),
        cmocka_unit_test(slots_events_and_draws_are_independent),
        cmocka_unit_test(the_same_view_draws_the_same),
        cmocka_unit_test(a_draw_says_its_probability),
        cmocka_unit_test(weights_add_up_to_eligible_views),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
