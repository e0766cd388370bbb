
/*
 * A libFuzzer target for what sentinels say (make fuzz): a reply about the
 * master, one about its replicas, and a message, one behind the other; the
 * first is taken for a reply to ROLE, too.  What is checked: a master that is
 * not refused has an address, and so has each replica; no address is there
 * twice, and a map that takes the table says the same.
 */


#include "fuzz.h"

#include "recs_redis_redirect.h"
#include "recs_redis_sentinel.h"
#include "unit_resp.h"


#define MASTER  "shop"


static recs_redis_map_t       *map;
static recs_redis_sentinel_t  *sentinel;


static int
value(void *to, const recs_redis_value_t *v)
{
    check(recs_redis_role(v) == RECS_REDIS_ROLE_OTHER || v->depth == 1);

    return recs_redis_sentinel_value(to, v);
}


static void
check_table(const recs_redis_table_t *table)
{
    size_t                    len;
    unsigned                  i, other;
    const recs_redis_node_t  *node;

    check(table->nnodes >= 1 && table->nnodes <= RECS_REDIS_NODES);

    for (i = 0; i < table->nnodes; i++) {
        node = &table->nodes[i];

        check(node->port > 0);
        check(node->master == (i ? 0 : RECS_REDIS_NONE));
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

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {
        check(table->slots[i] == 0);
    }
}


static void
check_map(const recs_redis_table_t *table)
{
    unsigned           index;
    uint64_t           generation, number;
    recs_redis_node_t  node;

    check(recs_redis_map_replace(map, table) != -1);
    check(recs_redis_map_replace(map, table) == 0);

    generation = recs_redis_map_generation(map);
    index = recs_redis_map_slot(map, 0);

    check(recs_redis_map_read(map, generation, index, &node, &number) == 1);
    check(node.port == table->nodes[0].port);
    check(node.master == RECS_REDIS_NONE);
    check(memcmp(node.host, table->nodes[0].host, sizeof(node.host)) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc;
    char        *text;
    size_t       len;
    unit_resp_t  r;

    if (map == NULL) {
        map = calloc(1, recs_redis_map_size(RECS_REDIS_NODES));
        sentinel = malloc(sizeof(*sentinel));
        check(map != NULL && sentinel != NULL);

        recs_redis_map_init(map, RECS_REDIS_NODES);
    }

    recs_redis_sentinel_init(sentinel);
    unit_resp_init(&r, data, size, value, sentinel);

    rc = unit_resp_value(&r, 0, 0);

    if (rc != 0 || sentinel->why) {
        check(!r.refused || recs_redis_sentinel_end(sentinel) == -1);
        return 0;
    }

    recs_redis_sentinel_replicas(sentinel);
    (void) unit_resp_value(&r, 0, 0);

    check((recs_redis_sentinel_end(sentinel) == 0) == (sentinel->why == NULL));

    if (sentinel->why) {
        return 0;
    }

    check(!r.refused || sentinel->table.nnodes == 1);
    check_table(&sentinel->table);
    check_map(&sentinel->table);

    len = (size_t) (r.end - r.p);
    text = malloc(len);
    check(text != NULL);
    memcpy(text, r.p, len);

    if (recs_redis_sentinel_switched(text, len, MASTER, sizeof(MASTER) - 1)) {
        check(len > sizeof(MASTER) - 1 && memcmp(text, MASTER " ", 5) == 0);
    }

    free(text);

    return 0;
}
