
/*
 * Caps count exactly what was shown within their window, in shared memory, for
 * all processes at once, and whenever one of them is killed.
 */

#define _GNU_SOURCE

#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recs_cap.h"


#define SECRET   0x5ec7e7
#define WINDOW   (14 * 1000)    /* ms: its steps are seconds */
#define START    1000000007     /* ms */


static const recs_str_t  pool = recs_string("fresh");


/* In memory of exactly its size. */

static recs_cap_t *
cap_new(size_t items)
{
    void    *memory;
    size_t   size;

    size = recs_cap_size(items);
    assert_int_equal(posix_memalign(&memory, RECS_CAP_ALIGN, size), 0);
    memset(memory, 0, size);

    recs_cap_create(memory, size, SECRET);

    return memory;
}


static uint64_t
hash_of(const recs_cap_t *cap, unsigned n)
{
    char        id[16];
    recs_str_t  str;

    str.data = (const uint8_t *) id;
    str.len = (size_t) sprintf(id, "item%u", n);

    return recs_cap_hash(cap, &pool, &str);
}


/* How often the item counts as shown. */

static uint64_t
shown(const recs_cap_t *cap, uint64_t hash, uint64_t now)
{
    uint64_t  n;

    for (n = 0; recs_cap_peek(cap, hash, n + 1, WINDOW, now)
                == RECS_CAP_REACHED; n++)
    {
        /* void */
    }

    return n;
}


static void
a_hash_hangs_on_secret_pool_and_id(void **state)
{
    recs_cap_t  *cap;
    recs_str_t   a = unit_str("a"), ab = unit_str("ab"), b = unit_str("b");
    recs_str_t   bc = unit_str("bc"), c = unit_str("c");
    uint64_t     hash;

    (void) state;

    cap = cap_new(1);
    hash = recs_cap_hash(cap, &ab, &c);

    assert_int_equal(hash, recs_cap_hash(cap, &ab, &c));
    assert_int_not_equal(hash, recs_cap_hash(cap, &a, &bc));
    assert_int_not_equal(hash, recs_cap_hash(cap, &ab, &b));
    assert_int_not_equal(hash, recs_cap_hash(cap, &b, &c));

    recs_cap_create(cap, recs_cap_size(1), SECRET + 1);
    assert_int_not_equal(hash, recs_cap_hash(cap, &ab, &c));

    free(cap);
}


static void
an_item_is_open_until_it_was_shown_so_often(void **state)
{
    recs_cap_t  *cap;
    uint64_t     one, two;
    unsigned     i;

    (void) state;

    cap = cap_new(100);
    one = hash_of(cap, 1);
    two = hash_of(cap, 2);

    for (i = 0; i < 3; i++) {
        assert_int_equal(recs_cap_peek(cap, one, 3, WINDOW, START),
                         RECS_CAP_OPEN);
        assert_int_equal(recs_cap_count(cap, one, WINDOW, START),
                         RECS_CAP_OPEN);
    }

    assert_int_equal(recs_cap_peek(cap, one, 3, WINDOW, START),
                     RECS_CAP_REACHED);
    assert_int_equal(recs_cap_peek(cap, two, 1, WINDOW, START), RECS_CAP_OPEN);
    assert_int_equal(shown(cap, one, START), 3);
    assert_int_equal(shown(cap, two, START), 0);

    free(cap);
}


static void
a_window_passes(void **state)
{
    recs_cap_t  *cap;
    uint64_t     hash, at, passed;

    (void) state;

    for (at = START; at < START + 2000; at += 111) {
        cap = cap_new(1);
        hash = hash_of(cap, 1);

        assert_int_equal(recs_cap_count(cap, hash, WINDOW, at), RECS_CAP_OPEN);

        for (passed = 0; passed < WINDOW; passed += 100) {
            assert_int_equal(shown(cap, hash, at + passed), 1);
        }

        assert_int_equal(shown(cap, hash, at + WINDOW - 1), 1);
        assert_int_equal(shown(cap, hash, at + WINDOW + 1000), 0);

        free(cap);
    }
}


/* Windows that aren't a multiple of 14 ms, also the shortest. */

static void
windows_of_any_length(void **state)
{
    recs_cap_t  *cap;
    uint64_t     hash, window;

    (void) state;

    for (window = 1; window < 3000; window += 37) {
        cap = cap_new(1);
        hash = hash_of(cap, 1);

        assert_int_equal(recs_cap_count(cap, hash, window, START),
                         RECS_CAP_OPEN);
        assert_int_equal(recs_cap_peek(cap, hash, 1, window,
                                       START + window - 1),
                         RECS_CAP_REACHED);
        assert_int_equal(recs_cap_peek(cap, hash, 1, window,
                                       START + 2 * window + 28),
                         RECS_CAP_OPEN);

        free(cap);
    }
}


/*
 * Items shown at random whenever they are open: never more often than the cap
 * within a window, and refused only if shown as often within a window and a
 * step.
 */

static void
a_cap_is_never_exceeded_and_refuses_no_longer(void **state)
{
    enum { ITEMS = 5, MAX = 4, TURNS = 20000 };

    static uint64_t   times[ITEMS][TURNS];

    recs_cap_t  *cap;
    uint64_t     now, hash, within, longer;
    unsigned     n[ITEMS], i, k, turn, reached;

    (void) state;

    cap = cap_new(ITEMS);
    now = START;
    reached = 0;
    memset(n, 0, sizeof(n));
    srand(1);

    for (turn = 0; turn < TURNS; turn++) {
        now += (uint64_t) (rand() % 100 == 0 ? rand() % 30000 : rand() % 900);
        i = (unsigned) rand() % ITEMS;
        hash = hash_of(cap, i);

        within = 0;
        longer = 0;

        for (k = n[i]; k-- > 0; /* void */ ) {

            if (now - times[i][k] >= WINDOW + 1000) {
                break;
            }

            within += now - times[i][k] < WINDOW;
            longer++;
        }

        assert_true(within <= MAX);

        if (recs_cap_peek(cap, hash, MAX, WINDOW, now) == RECS_CAP_OPEN) {
            assert_true(within < MAX);
            assert_int_equal(recs_cap_count(cap, hash, WINDOW, now),
                             RECS_CAP_OPEN);
            times[i][n[i]++] = now;

        } else {
            assert_true(longer >= MAX);
            reached++;
        }
    }

    assert_true(reached > TURNS / 100);

    free(cap);
}


static void
clocks_that_lag_see_what_others_counted(void **state)
{
    recs_cap_t  *cap;
    uint64_t     hash;

    (void) state;

    cap = cap_new(1);
    hash = hash_of(cap, 1);

    assert_int_equal(recs_cap_count(cap, hash, WINDOW, START), RECS_CAP_OPEN);
    assert_int_equal(shown(cap, hash, START - 3000), 1);

    /* one that lags by more than a round takes nothing back */

    assert_int_equal(recs_cap_count(cap, hash, WINDOW, START - 15000),
                     RECS_CAP_OPEN);
    assert_int_equal(shown(cap, hash, START), 2);
    assert_int_equal(shown(cap, hash, START + WINDOW - 1), 2);
    assert_int_equal(shown(cap, hash, START + WINDOW + 1000), 0);

    free(cap);
}


static void
what_has_no_place_is_refused_until_a_window_passed(void **state)
{
    recs_cap_t  *cap;
    unsigned     i, taken, items;

    (void) state;

    cap = cap_new(16);
    items = 40;

    for (taken = 0, i = 0; i < items; i++) {
        taken += recs_cap_count(cap, hash_of(cap, i), WINDOW, START)
                 == RECS_CAP_OPEN;
    }

    assert_int_equal(taken, 16);

    for (i = 0; i < items; i++) {
        assert_int_equal(recs_cap_peek(cap, hash_of(cap, i), 1, WINDOW, START),
                         i < 16 ? RECS_CAP_REACHED : RECS_CAP_FULL);
    }

    /* what is shown again keeps its place */

    assert_int_equal(recs_cap_count(cap, hash_of(cap, 3), WINDOW,
                                    START + WINDOW / 2), RECS_CAP_OPEN);

    for (taken = 0, i = 16; i < items; i++) {
        taken += recs_cap_count(cap, hash_of(cap, i), WINDOW,
                                START + WINDOW + 1000) == RECS_CAP_OPEN;
    }

    assert_int_equal(taken, 15);
    assert_int_equal(shown(cap, hash_of(cap, 3), START + WINDOW + 1000), 1);
    assert_int_equal(shown(cap, hash_of(cap, 16), START + WINDOW + 1000), 1);

    free(cap);
}


/* Half as many items as there is room for are all but sure to have a place. */

static void
places_are_found_for_half_of_what_there_is_room_for(void **state)
{
    recs_cap_t  *cap;
    unsigned     i;

    (void) state;

    cap = cap_new(4096);

    for (i = 0; i < 2048; i++) {
        assert_int_equal(recs_cap_count(cap, hash_of(cap, i), WINDOW, START),
                         RECS_CAP_OPEN);
    }

    for (i = 0; i < 2048; i++) {
        assert_int_equal(shown(cap, hash_of(cap, i), START), 1);
    }

    free(cap);
}


#define THREADS  4
#define DEEDS    20000
#define ITEMS    24


typedef struct {
    recs_cap_t   *cap;
    unsigned      seed;
    unsigned      counted[ITEMS];
} counting_t;


static void *
counting(void *arg)
{
    counting_t  *c = arg;

    unsigned  i, item;

    for (i = 0; i < DEEDS; i++) {
        item = (unsigned) rand_r(&c->seed) % ITEMS;

        (void) recs_cap_peek(c->cap, hash_of(c->cap, item), 3, WINDOW, START);

        if (recs_cap_count(c->cap, hash_of(c->cap, item), WINDOW, START)
            == RECS_CAP_OPEN)
        {
            c->counted[item]++;
        }
    }

    return NULL;
}


/* One place too few for all of them, so that some compete for places, too. */

static void
all_that_count_at_once_are_counted(void **state)
{
    recs_cap_t  *cap;
    uint64_t     n;
    unsigned     i, k, turn, total;
    pthread_t    threads[THREADS];
    counting_t   c[THREADS];

    (void) state;

    for (turn = 0; turn < 3; turn++) {
        cap = cap_new(turn == 0 ? 4 * ITEMS : 16);
        total = 0;

        for (i = 0; i < THREADS; i++) {
            memset(&c[i], 0, sizeof(counting_t));
            c[i].cap = cap;
            c[i].seed = 10 * turn + i + 1;
            assert_int_equal(pthread_create(&threads[i], NULL, counting, &c[i]),
                             0);
        }

        for (i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }

        for (k = 0; k < ITEMS; k++) {
            n = 0;

            for (i = 0; i < THREADS; i++) {
                n += c[i].counted[k];
            }

            total += (unsigned) n;

            /* who was overtaken at a place has left one with its next item */

            assert_in_range(shown(cap, hash_of(cap, k), START), n,
                            n + THREADS * ITEMS);
        }

        assert_true(total >= (turn == 0 ? THREADS * DEEDS : DEEDS));

        free(cap);
    }
}


typedef struct {
    uint64_t      done[THREADS][ITEMS];
} done_t;


static void
a_killed_process_leaves_it_usable(void **state)
{
    pid_t         pids[THREADS];
    size_t        size;
    uint64_t      n;
    unsigned      turn, i, k, item, seed;
    done_t       *done;
    recs_cap_t   *cap;

    (void) state;

    size = recs_cap_size(4 * ITEMS);

    cap = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
               0);
    done = mmap(NULL, sizeof(done_t), PROT_READ|PROT_WRITE,
                MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    assert_true(cap != MAP_FAILED && done != MAP_FAILED);

    recs_cap_create(cap, size, SECRET);

    for (turn = 0; turn < 10; turn++) {

        for (i = 0; i < THREADS; i++) {
            pids[i] = fork();
            assert_true(pids[i] >= 0);

            if (pids[i]) {
                continue;
            }

            for (seed = 100 * turn + i; ; /* void */ ) {
                item = (unsigned) rand_r(&seed) % ITEMS;
                (void) recs_cap_count(cap, hash_of(cap, item), WINDOW, START);
                done->done[i][item]++;
            }
        }

        (void) usleep(3000);

        for (i = 0; i < THREADS; i++) {
            assert_int_equal(kill(pids[i], SIGKILL), 0);
            assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        }
    }

    for (k = 0; k < ITEMS; k++) {
        n = 0;

        for (i = 0; i < THREADS; i++) {
            n += done->done[i][k];
        }

        assert_int_equal(recs_cap_peek(cap, hash_of(cap, k), n, WINDOW, START),
                         RECS_CAP_REACHED);
        assert_int_equal(recs_cap_peek(cap, hash_of(cap, k),
                                       n + 10 * THREADS + 1, WINDOW, START),
                         RECS_CAP_OPEN);
    }

    assert_int_equal(munmap(cap, size), 0);
    assert_int_equal(munmap(done, sizeof(done_t)), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_hash_hangs_on_secret_pool_and_id),
        cmocka_unit_test(an_item_is_open_until_it_was_shown_so_often),
        cmocka_unit_test(a_window_passes),
        cmocka_unit_test(windows_of_any_length),
        cmocka_unit_test(a_cap_is_never_exceeded_and_refuses_no_longer),
        cmocka_unit_test(clocks_that_lag_see_what_others_counted),
        cmocka_unit_test(what_has_no_place_is_refused_until_a_window_passed),
        cmocka_unit_test(places_are_found_for_half_of_what_there_is_room_for),
        cmocka_unit_test(all_that_count_at_once_are_counted),
        cmocka_unit_test(a_killed_process_leaves_it_usable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
