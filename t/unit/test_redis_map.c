
/*
 * The slot of a key, and what workers share of a Redis that is several servers:
 * nodes keep their indices, slots are mended one by one or replaced as a whole,
 * and one process at a time asks again.
 */

#define _GNU_SOURCE

#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "recs_redis_map.h"


#define PLACES  4


/* In memory of exactly its size. */

static recs_redis_map_t *
map_new(unsigned nnodes)
{
    recs_redis_map_t  *map;

    map = calloc(1, recs_redis_map_size(nnodes));
    assert_non_null(map);

    recs_redis_map_init(map, nnodes);

    return map;
}


/* "host:port", one that has its first slots one after the other. */

static void
table_add(recs_redis_table_t *table, const char *host, unsigned port,
    unsigned master, unsigned nslots)
{
    unsigned            i;
    recs_redis_node_t  *node;

    node = &table->nodes[table->nnodes];

    memset(node, 0, sizeof(*node));
    node->port = (uint16_t) port;
    node->master = (uint16_t) master;
    node->len = (uint8_t) strlen(host);
    memcpy(node->host, host, node->len);

    for (i = 0; nslots; i++) {
        if (table->slots[i] == RECS_REDIS_NONE) {
            table->slots[i] = (uint16_t) table->nnodes;
            nslots--;
        }
    }

    table->nnodes++;
}


static recs_redis_table_t *
table_new(void)
{
    recs_redis_table_t  *table;

    table = malloc(sizeof(*table));
    assert_non_null(table);

    table->nnodes = 0;
    memset(table->slots, 0xff, sizeof(table->slots));

    return table;
}


/* What the map says: "index=host:port[<master] ..." */

static const char *
nodes_of(const recs_redis_map_t *map)
{
    int                 rc;
    char               *p;
    unsigned            i;
    uint64_t            number;
    recs_redis_node_t   node;

    static char         text[RECS_REDIS_NODES * (RECS_REDIS_HOST + 32)];

    p = text;
    *p = '\0';

    for (i = 0; i < RECS_REDIS_NODES; i++) {
        rc = recs_redis_map_read(map, recs_redis_map_generation(map), i, &node,
                                 &number);
        assert_int_not_equal(rc, -1);

        if (rc == 0) {
            continue;
        }

        p += sprintf(p, "%s%u=%.*s:%u", p == text ? "" : " ", i, node.len,
                     node.host, node.port);

        if (node.master != RECS_REDIS_NONE) {
            p += sprintf(p, "<%u", node.master);
        }

        if (node.flags) {
            p += sprintf(p, "!%u", node.flags);
        }
    }

    return text;
}


static uint64_t
number_of(const recs_redis_map_t *map, unsigned index)
{
    uint64_t           number;
    recs_redis_node_t  node;

    assert_int_equal(recs_redis_map_read(map, recs_redis_map_generation(map),
                                         index, &node, &number), 1);
    return number;
}


/* CLUSTER KEYSLOT of Redis 7.0 says the same. */

static void
a_key_has_the_slot_that_redis_says(void **state)
{
    size_t  i;

    static const struct {
        recs_str_t  key;
        unsigned    slot;
    } rows[] = {
        { recs_string(""), 0 },
        { recs_string("123456789"), 12739 },
        { recs_string("foo"), 12182 },
        { recs_string("user:17"), 4440 },
        { recs_string("{user1000}.following"), 3443 },
        { recs_string("{user1000}.followers"), 3443 },
        { recs_string("foo{}{bar}"), 8363 },
        { recs_string("foo{{bar}}zap"), 4015 },
        { recs_string("foo{bar}{zap}"), 5061 },
        { recs_string("{bar}"), 5061 },
        { recs_string("{"), 4092 },
        { recs_string("}"), 12090 },
        { recs_string("{}"), 15257 },
        { recs_string("}{"), 12793 },
        { recs_string("a}b{c}d"), 7365 },
        { recs_string("{a"), 10276 },
        { recs_string("{a}"), 15495 },
        { recs_string("a{b}c}"), 3300 },
        { recs_string("a\000b"), 8383 },
        { recs_string("\377\376"), 3374 },
        { recs_string("P:unavailable:{17}"), 12304 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        assert_int_equal(recs_redis_slot(rows[i].key.data, rows[i].key.len),
                         rows[i].slot);
    }
}


static void
a_new_map_knows_nothing(void **state)
{
    recs_redis_map_t  *map = map_new(PLACES);

    (void) state;

    assert_int_equal(recs_redis_map_generation(map), 0);
    assert_int_equal(recs_redis_map_slot(map, 0), RECS_REDIS_NONE);
    assert_int_equal(recs_redis_map_slot(map, 16383), RECS_REDIS_NONE);
    assert_string_equal(nodes_of(map), "");

    free(map);
}


static void
moved_mends_one_slot(void **state)
{
    uint64_t           generation;
    recs_redis_map_t  *map = map_new(PLACES);

    (void) state;

    assert_int_equal(recs_redis_map_set_slot(map, 7, "10.0.0.1", 8, 7000), 0);
    generation = recs_redis_map_generation(map);
    assert_int_not_equal(generation, 0);

    /* known: its index, and nothing about nodes changes */

    assert_int_equal(recs_redis_map_set_slot(map, 16383, "10.0.0.1", 8, 7000),
                     0);
    assert_int_equal(recs_redis_map_generation(map), generation);

    assert_int_equal(recs_redis_map_set_slot(map, 8, "10.0.0.1", 8, 7001), 1);
    assert_int_not_equal(recs_redis_map_generation(map), generation);

    assert_int_equal(recs_redis_map_slot(map, 7), 0);
    assert_int_equal(recs_redis_map_slot(map, 8), 1);
    assert_int_equal(recs_redis_map_slot(map, 9), RECS_REDIS_NONE);
    assert_int_equal(recs_redis_map_slot(map, 16383), 0);
    assert_string_equal(nodes_of(map), "0=10.0.0.1:7000 1=10.0.0.1:7001");

    free(map);
}


static void
what_is_no_node_is_not_added(void **state)
{
    char               host[RECS_REDIS_HOST + 1];
    recs_redis_map_t  *map = map_new(PLACES);

    (void) state;

    memset(host, 'h', sizeof(host));

    assert_int_equal(recs_redis_map_add(map, "", 0, 1), RECS_REDIS_NONE);
    assert_int_equal(recs_redis_map_add(map, "h", 1, 0), RECS_REDIS_NONE);
    assert_int_equal(recs_redis_map_add(map, "h", 1, 65536), RECS_REDIS_NONE);
    assert_int_equal(recs_redis_map_add(map, host, sizeof(host), 1),
                     RECS_REDIS_NONE);
    assert_int_equal(recs_redis_map_set_slot(map, 16384, "h", 1, 1),
                     RECS_REDIS_NONE);
    assert_int_equal(recs_redis_map_generation(map), 0);

    assert_int_equal(recs_redis_map_add(map, host, RECS_REDIS_HOST, 65535), 0);
    assert_int_equal(recs_redis_map_add(map, host, RECS_REDIS_HOST, 65535), 0);

    free(map);
}


static void
a_replica_that_a_slot_moved_to_is_a_master(void **state)
{
    recs_redis_map_t    *map = map_new(PLACES);
    recs_redis_table_t  *table = table_new();

    (void) state;

    table_add(table, "a", 1, RECS_REDIS_NONE, 16384);
    table_add(table, "b", 1, 0, 0);
    table->nodes[1].flags = RECS_REDIS_LOADING;

    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_string_equal(nodes_of(map), "0=a:1 1=b:1<0!2");

    assert_int_equal(recs_redis_map_set_slot(map, 3, "b", 1, 1), 1);
    assert_string_equal(nodes_of(map), "0=a:1 1=b:1!2");

    free(table);
    free(map);
}


static void
nodes_that_stay_keep_their_index(void **state)
{
    uint64_t             generation, a;
    recs_redis_map_t    *map = map_new(PLACES);
    recs_redis_table_t  *table = table_new();

    (void) state;

    table_add(table, "a", 1, RECS_REDIS_NONE, 100);
    table_add(table, "b", 1, RECS_REDIS_NONE, 100);
    table_add(table, "c", 1, 1, 0);

    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_string_equal(nodes_of(map), "0=a:1 1=b:1 2=c:1<1");
    generation = recs_redis_map_generation(map);
    a = number_of(map, 0);

    /* the same */

    assert_int_equal(recs_redis_map_replace(map, table), 0);
    assert_int_equal(recs_redis_map_generation(map), generation);

    /* in another order, with another slot */

    table->nnodes = 0;
    memset(table->slots, 0xff, sizeof(table->slots));
    table_add(table, "c", 1, 2, 0);
    table_add(table, "a", 1, RECS_REDIS_NONE, 100);
    table_add(table, "b", 1, RECS_REDIS_NONE, 101);

    assert_int_equal(recs_redis_map_replace(map, table), 0);
    assert_int_equal(recs_redis_map_generation(map), generation);
    assert_int_equal(recs_redis_map_slot(map, 0), 0);
    assert_int_equal(recs_redis_map_slot(map, 200), 1);
    assert_int_equal(recs_redis_map_slot(map, 201), RECS_REDIS_NONE);

    /* c is a's now */

    table->nodes[0].master = 1;
    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_string_equal(nodes_of(map), "0=a:1 1=b:1 2=c:1<0");
    assert_int_equal(number_of(map, 0), a);

    free(table);
    free(map);
}


static void
an_index_is_used_again_one_generation_later(void **state)
{
    uint64_t             b;
    recs_redis_map_t    *map = map_new(PLACES);
    recs_redis_table_t  *table = table_new();

    (void) state;

    table_add(table, "a", 1, RECS_REDIS_NONE, 100);
    table_add(table, "b", 1, RECS_REDIS_NONE, 100);
    assert_int_equal(recs_redis_map_replace(map, table), 1);
    b = number_of(map, 1);

    /* b left, and its index stays free while there is another */

    table->nodes[1].host[0] = 'c';
    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_string_equal(nodes_of(map), "0=a:1 2=c:1");
    assert_int_equal(recs_redis_map_slot(map, 100), 2);

    /* or comes back */

    assert_int_equal(recs_redis_map_set_slot(map, 5, "b", 1, 1), 1);
    assert_string_equal(nodes_of(map), "0=a:1 1=b:1 2=c:1");
    assert_int_equal(number_of(map, 1), b);

    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_string_equal(nodes_of(map), "0=a:1 2=c:1");

    table->nodes[1].host[0] = 'd';
    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_string_equal(nodes_of(map), "0=a:1 1=d:1");
    assert_true(number_of(map, 1) > b);

    free(table);
    free(map);
}


static void
all_nodes_may_be_others_at_once(void **state)
{
    unsigned             i;
    recs_redis_map_t    *map = map_new(PLACES);
    recs_redis_table_t  *table = table_new();

    (void) state;

    for (i = 0; i < PLACES; i++) {
        table_add(table, "old", 1 + i, RECS_REDIS_NONE, 1);
    }

    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_int_equal(recs_redis_map_add(map, "new", 3, 1), RECS_REDIS_NONE);

    for (i = 0; i < PLACES; i++) {
        memcpy(table->nodes[i].host, "new", 3);
    }

    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_string_equal(nodes_of(map), "0=new:1 1=new:2 2=new:3 3=new:4");

    /* more than there is room for: nothing is done */

    table_add(table, "more", 1, RECS_REDIS_NONE, 1);
    table->nodes[0].port = 77;
    assert_int_equal(recs_redis_map_replace(map, table), -1);
    assert_string_equal(nodes_of(map), "0=new:1 1=new:2 2=new:3 3=new:4");

    free(table);
    free(map);
}


static void
the_next_writer_ends_what_one_who_died_began(void **state)
{
    uint64_t             number;
    recs_redis_map_t    *map = map_new(PLACES);
    recs_redis_node_t    node;
    recs_redis_table_t  *table = table_new();

    (void) state;

    table_add(table, "a", 1, RECS_REDIS_NONE, 100);
    assert_int_equal(recs_redis_map_replace(map, table), 1);

    map->generation++;
    assert_int_equal(recs_redis_map_generation(map), 0);
    assert_int_equal(recs_redis_map_read(map, 2, 0, &node, &number), -1);

    assert_int_equal(recs_redis_map_replace(map, table), 1);
    assert_int_equal(recs_redis_map_generation(map), 4);
    assert_string_equal(nodes_of(map), "0=a:1");

    map->generation++;
    assert_int_equal(recs_redis_map_add(map, "a", 1, 1), 0);
    assert_int_equal(recs_redis_map_generation(map), 6);

    free(table);
    free(map);
}


static const recs_redis_pace_t  pace = { 10000, 100, 1000, 500 };


static void
one_asks_and_then_nobody_for_an_interval(void **state)
{
    recs_redis_map_t  *map = map_new(1);

    (void) state;

    assert_int_equal(recs_redis_map_claim(map, &pace, 5000), 1);
    assert_int_equal(recs_redis_map_claim(map, &pace, 5000), 0);
    assert_int_equal(recs_redis_map_claim(map, &pace, 5499), 0);

    recs_redis_map_answered(map, &pace, 5010);
    assert_int_equal(recs_redis_map_claim(map, &pace, 15009), 0);
    assert_int_equal(recs_redis_map_claim(map, &pace, 15010), 1);

    /* who asked was killed */

    assert_int_equal(recs_redis_map_claim(map, &pace, 15509), 0);
    assert_int_equal(recs_redis_map_claim(map, &pace, 15510), 1);

    free(map);
}


static void
moved_brings_it_forward_but_not_within_the_least_time(void **state)
{
    recs_redis_map_t  *map = map_new(1);

    (void) state;

    assert_int_equal(recs_redis_map_claim(map, &pace, 5000), 1);
    recs_redis_map_answered(map, &pace, 5010);

    recs_redis_map_soon(map, 5020);
    assert_int_equal(recs_redis_map_claim(map, &pace, 5099), 0);
    assert_int_equal(recs_redis_map_claim(map, &pace, 5100), 1);

    /* while it is under way, too */

    recs_redis_map_soon(map, 5110);
    assert_int_equal(recs_redis_map_claim(map, &pace, 5199), 0);
    assert_int_equal(recs_redis_map_claim(map, &pace, 5200), 1);

    free(map);
}


static void
failures_double_the_time_up_to_a_limit(void **state)
{
    size_t             i;
    uint64_t           now;
    recs_redis_map_t  *map = map_new(1);

    static const uint64_t  delays[] = { 100, 200, 400, 800, 1000, 1000 };

    (void) state;

    now = 5000;

    assert_int_equal(recs_redis_map_begins(map), 1);

    for (i = 0; i < unit_nelts(delays); i++) {
        assert_int_equal(recs_redis_map_claim(map, &pace, now), 1);
        recs_redis_map_failed(map, &pace, now);
        assert_int_equal(recs_redis_map_begins(map), 0);

        /* an outage is no reason to ask more often */

        recs_redis_map_soon(map, now);
        assert_int_equal(recs_redis_map_claim(map, &pace, now + delays[i] - 1),
                         0);
        now += delays[i];
    }

    assert_int_equal(recs_redis_map_claim(map, &pace, now), 1);
    recs_redis_map_answered(map, &pace, now);

    recs_redis_map_soon(map, now);
    assert_int_equal(recs_redis_map_claim(map, &pace, now + 100), 1);
    recs_redis_map_failed(map, &pace, now + 100);
    assert_int_equal(recs_redis_map_claim(map, &pace, now + 200), 1);

    /* that there is another master is one */

    recs_redis_map_failed(map, &pace, now + 200);
    recs_redis_map_failed(map, &pace, now + 200);
    assert_int_equal(recs_redis_map_claim(map, &pace, now + 300), 0);
    recs_redis_map_changed(map, now + 300);
    assert_int_equal(recs_redis_map_claim(map, &pace, now + 300), 1);

    free(map);
}


/* One writes; others read meanwhile, and never see half a node. */

#define ROUNDS  20000
#define CROWD   16      /* places */

typedef struct {
    recs_redis_map_t  *map;
    unsigned           begun;
    unsigned           ended;
    unsigned           claims;
    unsigned           torn;
} race_t;


static void *
race_read(void *data)
{
    int                 rc;
    race_t             *race = data;
    unsigned            i, slot;
    uint64_t            generation, number, now;
    recs_redis_node_t   node;

    static const recs_redis_pace_t  fast = { 1, 1, 1, 1 };

    (void) __atomic_fetch_add(&race->begun, 1, __ATOMIC_ACQ_REL);

    for (now = 1; !__atomic_load_n(&race->ended, __ATOMIC_ACQUIRE); now++) {

        slot = recs_redis_map_slot(race->map, (unsigned) now);

        if (slot >= CROWD && slot != RECS_REDIS_NONE) {
            (void) __atomic_fetch_add(&race->torn, 1, __ATOMIC_ACQ_REL);
        }

        generation = recs_redis_map_generation(race->map);

        for (i = 0; generation && i < CROWD; i++) {
            rc = recs_redis_map_read(race->map, generation, i, &node, &number);

            if (rc == 1 && (node.host[0] != node.len
                            || node.host[node.len - 1] != node.port
                            || node.host[node.len] != '\0'))
            {
                (void) __atomic_fetch_add(&race->torn, 1, __ATOMIC_ACQ_REL);
            }
        }

        if (recs_redis_map_claim(race->map, &fast, now)) {
            (void) __atomic_fetch_add(&race->claims, 1, __ATOMIC_ACQ_REL);
            recs_redis_map_soon(race->map, now);
        }
    }

    return NULL;
}


static void
readers_see_no_half_of_a_node(void **state)
{
    char        host[RECS_REDIS_HOST];
    race_t      race;
    size_t      i;
    unsigned    n, len;
    pthread_t   readers[3];

    recs_redis_table_t  *table = table_new();

    (void) state;

    memset(&race, 0, sizeof(race));
    race.map = map_new(CROWD);

    for (i = 0; i < unit_nelts(readers); i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, race_read, &race),
                         0);
    }

    while (__atomic_load_n(&race.begun, __ATOMIC_ACQUIRE)
           < unit_nelts(readers)
           || __atomic_load_n(&race.claims, __ATOMIC_ACQUIRE) == 0)
    {
        (void) sched_yield();
    }

    for (n = 0; n < ROUNDS; n++) {

        /* its first byte is its length, all are its port */

        len = 1 + n % 127;
        memset(host, (int) len, sizeof(host));

        if (n % (CROWD - 1)) {
            assert_int_not_equal(recs_redis_map_set_slot(race.map, n % 100,
                                                         host, len, len),
                                 RECS_REDIS_NONE);
            continue;
        }

        table->nnodes = 0;
        memset(table->slots, 0xff, sizeof(table->slots));
        host[len] = '\0';
        table_add(table, host, len, RECS_REDIS_NONE, 100);
        assert_int_not_equal(recs_redis_map_replace(race.map, table), -1);
    }

    __atomic_store_n(&race.ended, 1, __ATOMIC_RELEASE);

    for (i = 0; i < unit_nelts(readers); i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }

    assert_int_equal(race.torn, 0);

    free(table);
    free(race.map);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_key_has_the_slot_that_redis_says),
        cmocka_unit_test(a_new_map_knows_nothing),
        cmocka_unit_test(moved_mends_one_slot),
        cmocka_unit_test(what_is_no_node_is_not_added),
        cmocka_unit_test(a_replica_that_a_slot_moved_to_is_a_master),
        cmocka_unit_test(nodes_that_stay_keep_their_index),
        cmocka_unit_test(an_index_is_used_again_one_generation_later),
        cmocka_unit_test(all_nodes_may_be_others_at_once),
        cmocka_unit_test(the_next_writer_ends_what_one_who_died_began),
        cmocka_unit_test(one_asks_and_then_nobody_for_an_interval),
        cmocka_unit_test(moved_brings_it_forward_but_not_within_the_least_time),
        cmocka_unit_test(failures_double_the_time_up_to_a_limit),
        cmocka_unit_test(readers_see_no_half_of_a_node)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
