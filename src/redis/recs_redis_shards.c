
/*
 * What a cluster says of itself: see the header.
 *
 * CLUSTER SHARDS, by depth: 0 the shards; 1 a shard, as keys and values; 2
 * these: "slots" and "nodes"; 3 of slots, first and last of each range in turn,
 * of nodes, a node, as keys and values; 4 these.
 *
 * CLUSTER SLOTS: 0 the ranges; 1 a range; 2 its first slot, its last, its
 * master, its replicas; 3 of each, host, port, id and more; 4 that more.
 */


#include "recs_redis_redirect.h"
#include "recs_redis_shards.h"


/* Keys of shards and nodes; as bits, what was seen of a node. */

#define KEY_OTHER     0x00
#define KEY_SLOTS     0x01
#define KEY_NODES     0x02
#define KEY_NODE      0x04      /* a node is being read */
#define KEY_ENDPOINT  0x08
#define KEY_PORT      0x10
#define KEY_ROLE      0x20
#define KEY_HEALTH    0x40
#define KEY_TLS_PORT  0x80
#define KEY_REPLICA   0x100     /* its role is that */

/* In masters, beside indices. */

#define NO_MASTER     0xffff
#define TWO_MASTERS   0xfffe
#define GONE_MASTER   0xfffd    /* it failed, and its address isn't known */


static int refuse(recs_redis_shards_t *s, const char *why);
static int shards_value(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int shards_member(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int shards_bound(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int shards_field(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int shards_node_end(recs_redis_shards_t *s);
static void shards_master(recs_redis_shards_t *s, unsigned index);
static int shards_resolve(recs_redis_shards_t *s);
static int slots_value(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int slots_bound(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int slots_field(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int take_range(recs_redis_shards_t *s, unsigned whose);
static int take_host(recs_redis_shards_t *s, const recs_redis_value_t *v);
static int take_port(recs_redis_shards_t *s, const recs_redis_value_t *v);
static unsigned find(const recs_redis_table_t *table,
    const recs_redis_node_t *node);
static int add(recs_redis_shards_t *s, unsigned *index);
static unsigned key_of(const recs_redis_value_t *v);
static int is(const recs_redis_value_t *v, const char *text);


void
recs_redis_shards_init(recs_redis_shards_t *s, recs_redis_question_e question,
    unsigned tls, const char *asked, size_t len)
{
    s->table.nnodes = 0;
    memset(s->table.slots, 0xff, sizeof(s->table.slots));

    s->why = NULL;
    s->question = question;
    s->tls = tls;
    s->key = KEY_OTHER;
    s->field = KEY_OTHER;
    s->start = -1;
    s->end = -1;
    s->master = RECS_REDIS_NONE;
    s->nshards = 0;
    s->seen = 0;

    memset(&s->node, 0, sizeof(s->node));

    s->asked_len = len <= RECS_REDIS_HOST ? len : 0;

    if (s->asked_len) {
        memcpy(s->asked, asked, s->asked_len);
    }
}


int
recs_redis_shards_value(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    if (s->why) {
        return -1;
    }

    if (v->depth == 0) {
        return v->type == RECS_REDIS_ARRAY ? 0 : refuse(s, "it is no array");
    }

    return s->question == RECS_REDIS_CLUSTER_SHARDS ? shards_value(s, v)
                                                    : slots_value(s, v);
}


int
recs_redis_shards_end(recs_redis_shards_t *s)
{
    unsigned  i;

    if (s->why) {
        return -1;
    }

    if (s->question == RECS_REDIS_CLUSTER_SHARDS
        && (shards_node_end(s) != 0 || shards_resolve(s) != 0))
    {
        return -1;
    }

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {
        if (s->table.slots[i] != RECS_REDIS_NONE) {
            return 0;
        }
    }

    return refuse(s, "no slot has a node");
}


static int
refuse(recs_redis_shards_t *s, const char *why)
{
    s->why = why;

    return -1;
}


static int
shards_value(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    if (v->depth == 2) {
        return shards_member(s, v);
    }

    if (v->depth == 3 && s->key == KEY_SLOTS) {
        return shards_bound(s, v);
    }

    if (v->depth == 4) {
        return shards_field(s, v);
    }

    if (v->depth > 4) {
        return refuse(s, "it is nested too deep");
    }

    /* a shard, or a node; the one before is complete */

    if (v->type != RECS_REDIS_ARRAY || (v->depth == 3 && s->key != KEY_NODES)) {
        return refuse(s, "a shard or a node is no map");
    }

    if (shards_node_end(s) != 0) {
        return -1;
    }

    if (v->depth == 1) {

        if (s->nshards == RECS_REDIS_NODES) {
            return refuse(s, "it has more than 256 shards");
        }

        s->masters[s->nshards++] = NO_MASTER;
        s->key = KEY_OTHER;

        return 0;
    }

    if (v->index >= RECS_REDIS_NODES) {
        return refuse(s, "it has more than 256 nodes");
    }

    memset(&s->node, 0, sizeof(s->node));
    s->seen = KEY_NODE;

    return 0;
}


/* "slots" and "nodes" of a shard. */

static int
shards_member(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    if (v->index % 2 == 0) {
        s->key = key_of(v) & (KEY_SLOTS|KEY_NODES);
        return v->type == RECS_REDIS_STRING ? 0
                                            : refuse(s, "a key is no string");
    }

    if (s->key == KEY_OTHER) {
        return v->type != RECS_REDIS_ARRAY ? 0
                                           : refuse(s, "it is nested too deep");
    }

    if (v->type != RECS_REDIS_ARRAY) {
        return refuse(s, "slots or nodes are no array");
    }

    if (s->key == KEY_SLOTS && v->integer % 2) {
        return refuse(s, "a range of slots has no end");
    }

    return 0;
}


static int
shards_bound(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    if (v->type != RECS_REDIS_INTEGER) {
        return refuse(s, "a slot is no number");
    }

    if (v->index % 2 == 0) {
        s->start = v->integer;
        return 0;
    }

    s->end = v->integer;

    return take_range(s, s->nshards - 1);
}


static int
shards_field(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    if (v->index % 2 == 0) {
        s->field = key_of(v);
        return v->type == RECS_REDIS_STRING ? 0
                                            : refuse(s, "a key is no string");
    }

    if (v->type == RECS_REDIS_ARRAY) {
        return refuse(s, "it is nested too deep");
    }

    s->seen |= s->field;

    switch (s->field) {

    case KEY_ENDPOINT:
        return take_host(s, v);

    case KEY_PORT:
        return s->tls && s->seen & KEY_TLS_PORT ? 0 : take_port(s, v);

    case KEY_TLS_PORT:
        return s->tls ? take_port(s, v) : 0;

    case KEY_ROLE:
        s->seen |= is(v, "master") ? 0 : KEY_REPLICA;
        return 0;

    case KEY_HEALTH:
        s->node.flags = is(v, "online") ? 0
                        : is(v, "loading") ? RECS_REDIS_LOADING
                        : RECS_REDIS_FAILING;
        return 0;

    default:
        return 0;
    }
}


/* The node that was being read, if there was one, goes into the table. */

static int
shards_node_end(recs_redis_shards_t *s)
{
    unsigned            index, seen;
    recs_redis_node_t  *node;

    seen = s->seen;
    node = &s->node;

    s->seen = 0;

    if (seen == 0) {
        return 0;
    }

    if (!(seen & KEY_ENDPOINT) || !(seen & KEY_ROLE)) {
        return refuse(s, "a node has no endpoint or no role");
    }

    /* one that failed before its address was known stays in the list */

    if (node->port == 0 && node->flags & RECS_REDIS_FAILING) {

        if (!(seen & KEY_REPLICA)) {
            shards_master(s, GONE_MASTER);
        }

        return 0;
    }

    if (node->port == 0) {
        return refuse(s, "a node has no port");
    }

    node->master = (uint16_t) (seen & KEY_REPLICA ? s->nshards - 1
                                                  : RECS_REDIS_NONE);

    if (add(s, &index) != 0) {
        return -1;
    }

    if (!(seen & KEY_REPLICA)) {
        shards_master(s, index);
    }

    return 0;
}


/* One that failed gives way: its shard may have another since. */

static void
shards_master(recs_redis_shards_t *s, unsigned index)
{
    uint16_t  *master;

    master = &s->masters[s->nshards - 1];

    if (*master == NO_MASTER || *master == GONE_MASTER
        || (*master != TWO_MASTERS
            && s->table.nodes[*master].flags & RECS_REDIS_FAILING))
    {
        *master = (uint16_t) index;

    } else if (!(s->node.flags & RECS_REDIS_FAILING) && *master != index) {
        *master = TWO_MASTERS;
    }
}


/* Shards become their masters. */

static int
shards_resolve(recs_redis_shards_t *s)
{
    unsigned            i, master;
    recs_redis_node_t  *node;

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {

        if (s->table.slots[i] == RECS_REDIS_NONE) {
            continue;
        }

        master = s->masters[s->table.slots[i]];

        if (master == NO_MASTER) {
            return refuse(s, "a slot has no master");
        }

        if (master == TWO_MASTERS) {
            return refuse(s, "a slot has two masters");
        }

        s->table.slots[i] = (uint16_t) (master == GONE_MASTER ? RECS_REDIS_NONE
                                                              : master);
    }

    for (i = 0; i < s->table.nnodes; i++) {
        node = &s->table.nodes[i];

        if (node->master != RECS_REDIS_NONE) {
            master = s->masters[node->master];
            node->master = (uint16_t) (master < RECS_REDIS_NODES && master != i
                                       ? master : RECS_REDIS_NONE);
        }
    }

    return 0;
}


static int
slots_value(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    switch (v->depth) {

    case 1:
        if (v->type != RECS_REDIS_ARRAY || v->integer < 3) {
            return refuse(s, "a range of slots has no master");
        }

        return 0;

    case 2:
        if (v->index < 2) {
            return slots_bound(s, v);
        }

        if (v->type != RECS_REDIS_ARRAY || v->integer < 2) {
            return refuse(s, "a node has no port");
        }

        if (v->index - 2 >= RECS_REDIS_NODES) {
            return refuse(s, "it has more than 256 nodes");
        }

        memset(&s->node, 0, sizeof(s->node));
        s->seen = v->index == 2 ? KEY_NODE : KEY_NODE|KEY_REPLICA;

        return 0;

    case 3:
        return slots_field(s, v);

    case 4:
        return v->type != RECS_REDIS_ARRAY ? 0
                                           : refuse(s, "it is nested too deep");

    default:
        return refuse(s, "it is nested too deep");
    }
}


static int
slots_bound(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    if (v->type != RECS_REDIS_INTEGER) {
        return refuse(s, "a slot is no number");
    }

    if (v->index == 0) {
        s->start = v->integer;

    } else {
        s->end = v->integer;
    }

    return 0;
}


/* Of a node: its host, its port, and what else there may be. */

static int
slots_field(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    unsigned  index;

    if (v->index == 0) {
        return take_host(s, v);
    }

    if (v->index > 1) {
        return 0;
    }

    if (take_port(s, v) != 0) {
        return -1;
    }

    if (s->node.port == 0) {
        return refuse(s, "a node has no port");
    }

    if (s->seen & KEY_REPLICA) {
        s->node.master = (uint16_t) s->master;
        return add(s, &index);
    }

    s->node.master = RECS_REDIS_NONE;

    if (add(s, &s->master) != 0) {
        return -1;
    }

    return take_range(s, s->master);
}


static int
take_range(recs_redis_shards_t *s, unsigned whose)
{
    int64_t  i;

    if (s->start < 0 || s->end >= RECS_REDIS_SLOTS) {
        return refuse(s, "a slot is none of 0 to 16383");
    }

    if (s->start > s->end) {
        return refuse(s, "a range of slots ends before it begins");
    }

    for (i = s->start; i <= s->end; i++) {

        if (s->table.slots[i] != RECS_REDIS_NONE) {
            return refuse(s, "a slot has two masters");
        }

        s->table.slots[i] = (uint16_t) whose;
    }

    return 0;
}


/* Unknown: the server that answers was reached at it, so it is that. */

static int
take_host(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    size_t       len;
    const char  *host;

    if (v->type == RECS_REDIS_STRING && v->len && !is(v, "?")) {
        host = v->data;
        len = v->len;

    } else if (v->type == RECS_REDIS_STRING || v->type == RECS_REDIS_NIL) {
        host = s->asked;
        len = s->asked_len;

    } else {
        return refuse(s, "a node's host is no string");
    }

    if (!recs_redis_is_host(host, len)) {
        return refuse(s, "a node's host is neither a name nor an address");
    }

    s->node.len = (uint8_t) len;
    memset(s->node.host, 0, sizeof(s->node.host));
    memcpy(s->node.host, host, len);

    return 0;
}


/* 0 says that there is none. */

static int
take_port(recs_redis_shards_t *s, const recs_redis_value_t *v)
{
    if (v->type != RECS_REDIS_INTEGER || v->integer < 0 || v->integer > 65535) {
        return refuse(s, "a node's port is no port");
    }

    s->node.port = (uint16_t) v->integer;

    return 0;
}


static unsigned
find(const recs_redis_table_t *table, const recs_redis_node_t *node)
{
    unsigned                  i;
    const recs_redis_node_t  *other;

    for (i = 0; i < table->nnodes; i++) {
        other = &table->nodes[i];

        if (other->port == node->port && other->len == node->len
            && memcmp(other->host, node->host, node->len) == 0)
        {
            return i;
        }
    }

    return i;
}


/*
 * Several with one address are one: what is said of it where it did not fail
 * counts (it has a new id, the old one is not forgotten yet), then what says
 * that it is a master.
 */

static int
add(recs_redis_shards_t *s, unsigned *index)
{
    recs_redis_node_t  *node;

    *index = find(&s->table, &s->node);

    if (*index == RECS_REDIS_NODES) {
        return refuse(s, "it has more than 256 nodes");
    }

    node = &s->table.nodes[*index];

    if (*index == s->table.nnodes) {
        s->table.nnodes++;

    } else if (s->node.flags & RECS_REDIS_FAILING
               || (!(node->flags & RECS_REDIS_FAILING)
                   && s->node.master != RECS_REDIS_NONE))
    {
        return 0;
    }

    *node = s->node;

    return 0;
}


static unsigned
key_of(const recs_redis_value_t *v)
{
    return is(v, "slots") ? KEY_SLOTS
           : is(v, "nodes") ? KEY_NODES
           : is(v, "endpoint") ? KEY_ENDPOINT
           : is(v, "port") ? KEY_PORT
           : is(v, "tls-port") ? KEY_TLS_PORT
           : is(v, "role") ? KEY_ROLE
           : is(v, "health") ? KEY_HEALTH
           : KEY_OTHER;
}


static int
is(const recs_redis_value_t *v, const char *text)
{
    return v->type == RECS_REDIS_STRING && v->len == strlen(text)
           && memcmp(v->data, text, v->len) == 0;
}
