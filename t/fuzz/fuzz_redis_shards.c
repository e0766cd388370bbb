
/*
 * A libFuzzer target for replies to CLUSTER SHARDS and CLUSTER SLOTS (make
 * fuzz).  What is checked: a table that is not refused is whole (indices in
 * bounds, no address twice, no node its own replica), and the map that it
 * replaces says the same.
 */


#include "fuzz.h"

#include "recs_redis_redirect.h"
#include "unit_resp.h"


static recs_redis_map_t     *map;
static recs_redis_shards_t  *shards;


static void
check_node(const recs_redis_table_t *table, unsigned i)
{
    size_t                    len;
    unsigned                  other;
    const recs_redis_node_t  *node;

    node = &table->nodes[i];

    check(node->port > 0);
    check(node->master == RECS_REDIS_NONE || node->master < table->nnodes);
    check(node->master != i);
    check(recs_redis_is_host(node->host, node->len));

    for (len = node->len; len < sizeof(node->host); len++) {
        check(node->host[len] == '\0');
    }

    for (other = 0; other < i; other++) {
        check(table->nodes[other].port != node->port
              || memcmp(table->nodes[other].host, node->host,
                        sizeof(node->host)) != 0);
    }
}


static void
check_map(const recs_redis_table_t *table)
{
    unsigned            i, index;
    uint64_t            generation, number;
    recs_redis_node_t   node;

    check(recs_redis_map_replace(map, table) != -1);
    check(recs_redis_map_replace(map, table) == 0);

    generation = recs_redis_map_generation(map);
    check(generation != 0);

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {
        index = recs_redis_map_slot(map, i);

        if (table->slots[i] == RECS_REDIS_NONE) {
            check(index == RECS_REDIS_NONE);
            continue;
        }

        /* slots of one node are mostly side by side */

        if (i && table->slots[i] == table->slots[i - 1]) {
            check(index == recs_redis_map_slot(map, i - 1));
            continue;
        }

        check(recs_redis_map_read(map, generation, index, &node, &number)
              == 1);
        check(node.port == table->nodes[table->slots[i]].port);
        check(memcmp(node.host, table->nodes[table->slots[i]].host,
                     sizeof(node.host)) == 0);
    }
}


static void
read_as(recs_redis_question_e question, unsigned tls, const uint8_t *data,
    size_t size)
{
    int       rc;
    unsigned  i;

    recs_redis_shards_init(shards, question, tls, "here", 4);

    rc = unit_resp_read(data, size, shards);

    if (rc != 1) {
        check(rc == -1 || shards->why != NULL);
        return;
    }

    check(shards->why == NULL);
    check(shards->table.nnodes > 0);
    check(shards->table.nnodes <= RECS_REDIS_NODES);

    for (i = 0; i < shards->table.nnodes; i++) {
        check_node(&shards->table, i);
    }

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {
        check(shards->table.slots[i] == RECS_REDIS_NONE
              || shards->table.slots[i] < shards->table.nnodes);
    }

    check_map(&shards->table);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned  tls;

    if (map == NULL) {
        map = calloc(1, recs_redis_map_size(RECS_REDIS_NODES));
        shards = malloc(sizeof(*shards));
        check(map != NULL && shards != NULL);

        recs_redis_map_init(map, RECS_REDIS_NODES);
    }

    for (tls = 0; tls <= 1; tls++) {
        read_as(RECS_REDIS_CLUSTER_SHARDS, tls, data, size);
        read_as(RECS_REDIS_CLUSTER_SLOTS, tls, data, size);
    }

    return 0;
}
