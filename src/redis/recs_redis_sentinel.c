
/*
 * What sentinels say: see the header.
 *
 * The master, by depth: 0 its address, nil if there is no such; 1 its host, its
 * port.  The replicas: 0 all; 1 a replica; 2 its fields' names and their values
 * in turn.
 */


#include "recs_redis_redirect.h"
#include "recs_redis_sentinel.h"


#define FIELD_OTHER  0
#define FIELD_HOST   1
#define FIELD_PORT   2
#define FIELD_FLAGS  3

#define is(text, n, literal)                                                 \
    ((n) == sizeof(literal) - 1                                              \
     && memcmp(text, literal, sizeof(literal) - 1) == 0)


static int master_value(recs_redis_sentinel_t *s, const recs_redis_value_t *v);
static int refuse(recs_redis_sentinel_t *s, const char *why);
static int replica_value(recs_redis_sentinel_t *s, const recs_redis_value_t *v);
static void replica_end(recs_redis_sentinel_t *s);
static unsigned field_of(const recs_redis_value_t *v);
static int failing(const char *flags, size_t len);
static int take_host(recs_redis_node_t *node, const recs_redis_value_t *v);
static int take_port(recs_redis_node_t *node, const recs_redis_value_t *v);


void
recs_redis_sentinel_init(recs_redis_sentinel_t *s)
{
    memset(s, 0, sizeof(*s));

    s->table.nnodes = 1;
    s->table.nodes[0].master = RECS_REDIS_NONE;
}


void
recs_redis_sentinel_replicas(recs_redis_sentinel_t *s)
{
    s->question = RECS_REDIS_SENTINEL_REPLICAS;
    s->odd = 0;
}


int
recs_redis_sentinel_value(recs_redis_sentinel_t *s, const recs_redis_value_t *v)
{
    int  rc;

    if (s->odd) {
        return -1;
    }

    rc = s->question == RECS_REDIS_SENTINEL_MASTER ? master_value(s, v)
                                                   : replica_value(s, v);
    s->odd = (rc != 0);

    return rc;
}


static int
master_value(recs_redis_sentinel_t *s, const recs_redis_value_t *v)
{
    recs_redis_node_t  *node;

    node = &s->table.nodes[0];

    if (v->depth == 0) {

        if (v->type == RECS_REDIS_NIL) {
            return refuse(s, "it knows no such master");
        }

        return v->type == RECS_REDIS_ARRAY && v->integer == 2
               ? 0 : refuse(s, "it is no sentinel");
    }

    if (v->type != RECS_REDIS_STRING) {
        return refuse(s, "it is no sentinel");
    }

    if (v->index == 0) {
        return take_host(node, v) == 0
               ? 0 : refuse(s, "it names a master that has no such host");
    }

    return take_port(node, v) == 0
           ? 0 : refuse(s, "it names a master that has no such port");
}


static int
refuse(recs_redis_sentinel_t *s, const char *why)
{
    s->why = why;

    return -1;
}


static int
replica_value(recs_redis_sentinel_t *s, const recs_redis_value_t *v)
{
    if (v->depth < 2) {
        replica_end(s);
        return v->type == RECS_REDIS_ARRAY ? 0 : -1;
    }

    if (v->depth > 2 || v->type != RECS_REDIS_STRING) {
        return -1;
    }

    if (v->index % 2 == 0) {
        s->field = field_of(v);
        return 0;
    }

    switch (s->field) {

    case FIELD_HOST:
        s->node.len = 0;
        (void) take_host(&s->node, v);
        break;

    case FIELD_PORT:
        s->node.port = 0;
        (void) take_port(&s->node, v);
        break;

    case FIELD_FLAGS:
        s->node.flags = failing(v->data, v->len) ? RECS_REDIS_FAILING : 0;
        break;

    default:
        break;
    }

    return 0;
}


/* The replica that was read, if any, is one of the table's, unless known. */

static void
replica_end(recs_redis_sentinel_t *s)
{
    unsigned            i;
    recs_redis_node_t  *node, *known;

    node = &s->node;

    for (i = 0; node->len && i < s->table.nnodes; i++) {
        known = &s->table.nodes[i];

        if (known->port == node->port && known->len == node->len
            && memcmp(known->host, node->host, node->len) == 0)
        {
            node->len = 0;
        }
    }

    if (node->len && node->port && i < RECS_REDIS_NODES) {
        s->table.nodes[i] = *node;
        s->table.nnodes++;
    }

    /* of the master, which is the first */

    memset(node, 0, sizeof(*node));
}


static unsigned
field_of(const recs_redis_value_t *v)
{
    if (is(v->data, v->len, "ip")) {
        return FIELD_HOST;
    }

    if (is(v->data, v->len, "port")) {
        return FIELD_PORT;
    }

    return is(v->data, v->len, "flags") ? FIELD_FLAGS : FIELD_OTHER;
}


/* Words with commas between: "slave,s_down,disconnected". */

static int
failing(const char *flags, size_t len)
{
    size_t       n;
    const char  *p, *end, *comma;

    end = flags + len;

    for (p = flags; p < end; p += n + 1) {
        comma = memchr(p, ',', (size_t) (end - p));
        n = (size_t) ((comma ? comma : end) - p);

        if (is(p, n, "s_down") || is(p, n, "o_down")
            || is(p, n, "disconnected"))
        {
            return 1;
        }
    }

    return 0;
}


/* 0; -1: it is none, and nothing was taken. */

static int
take_host(recs_redis_node_t *node, const recs_redis_value_t *v)
{
    if (!recs_redis_is_host(v->data, v->len)) {
        return -1;
    }

    node->len = (uint8_t) v->len;

    memset(node->host, 0, sizeof(node->host));
    memcpy(node->host, v->data, v->len);

    return 0;
}


static int
take_port(recs_redis_node_t *node, const recs_redis_value_t *v)
{
    size_t    i;
    unsigned  port;

    port = 0;

    for (i = 0; i < v->len; i++) {

        if (v->data[i] < '0' || v->data[i] > '9') {
            return -1;
        }

        port = port * 10 + (unsigned) (v->data[i] - '0');

        if (port > 65535) {
            return -1;
        }
    }

    if (port == 0) {
        return -1;
    }

    node->port = (uint16_t) port;

    return 0;
}


int
recs_redis_sentinel_end(recs_redis_sentinel_t *s)
{
    if (s->why == NULL
        && (s->table.nodes[0].len == 0 || s->table.nodes[0].port == 0))
    {
        s->why = "it is no sentinel";
    }

    if (s->why) {
        return -1;
    }

    if (s->question == RECS_REDIS_SENTINEL_REPLICAS) {
        replica_end(s);
    }

    if (s->odd) {
        s->table.nnodes = 1;
    }

    return 0;
}


int
recs_redis_sentinel_switched(const char *text, size_t len, const char *name,
    size_t name_len)
{
    return len > name_len && text[name_len] == ' '
           && memcmp(text, name, name_len) == 0;
}


recs_redis_role_e
recs_redis_role(const recs_redis_value_t *v)
{
    if (v->depth != 1 || v->index != 0 || v->type != RECS_REDIS_STRING) {
        return RECS_REDIS_ROLE_OTHER;
    }

    if (is(v->data, v->len, "master")) {
        return RECS_REDIS_ROLE_MASTER;
    }

    if (is(v->data, v->len, "slave")) {
        return RECS_REDIS_ROLE_REPLICA;
    }

    return is(v->data, v->len, "sentinel") ? RECS_REDIS_ROLE_SENTINEL
                                           : RECS_REDIS_ROLE_OTHER;
}
