
/* The master that sentinels name: see the header. */


#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_fleet.h"
#include "ngx_recs_redis_sentinel.h"


/*
 * Reads two answers: the master's host and port, or nil; then its replicas, the
 * nodes behind it in the table.
 */

typedef struct {
    const char                 *why;        /* it is refused; NULL: it isn't */
    ngx_uint_t                  nvalues;
    ngx_uint_t                  replicas;   /* it is the second one */
    recs_redis_node_t           node;       /* that is being read */
    u_char                      field;      /* its value comes next */
    recs_redis_table_t          table;
} ngx_recs_redis_sentinel_reader_t;


/* Of a worker: the sentinel that tells of changes. */

typedef struct {
    ngx_recs_redis_fleet_t     *fleet;
    ngx_recs_redis_server_t     server;     /* any of the sentinels */
    ngx_recs_redis_private_t    events;
} ngx_recs_redis_sentinel_t;


static void ngx_recs_redis_sentinel_cleanup(void *data);
static unsigned ngx_recs_redis_sentinel_slot(const ngx_str_t *key);
static ngx_uint_t ngx_recs_redis_sentinel_begin(void *data,
    const ngx_recs_redis_t *redis, ngx_uint_t form, const ngx_str_t *asked,
    ngx_str_t *args);
static ngx_int_t ngx_recs_redis_sentinel_value(void *data,
    const ngx_recs_redis_value_t *v);
static ngx_uint_t ngx_recs_redis_sentinel_more(void *data,
    const ngx_recs_redis_t *redis, ngx_str_t *args);
static ngx_int_t ngx_recs_redis_sentinel_replica(
    ngx_recs_redis_sentinel_reader_t *reader, const ngx_recs_redis_value_t *v);
static u_char ngx_recs_redis_sentinel_field(const ngx_str_t *name);
static void ngx_recs_redis_sentinel_add(
    ngx_recs_redis_sentinel_reader_t *reader);
static ngx_uint_t ngx_recs_redis_sentinel_failing(const ngx_str_t *flags);
static const char *ngx_recs_redis_sentinel_host(recs_redis_node_t *node,
    const ngx_str_t *host);
static const char *ngx_recs_redis_sentinel_port(recs_redis_node_t *node,
    const ngx_str_t *port);
static const recs_redis_table_t *ngx_recs_redis_sentinel_end(void *data,
    const char **why);
static void ngx_recs_redis_sentinel_ready(ngx_recs_redis_private_t *events);
static void ngx_recs_redis_sentinel_message(ngx_recs_redis_private_t *events,
    ngx_str_t *payload);


static const ngx_recs_redis_kind_t  ngx_recs_redis_sentinel = {
    ngx_recs_redis_sentinel_slot,
    NULL,
    {
        sizeof(ngx_recs_redis_sentinel_reader_t),
        ngx_recs_redis_sentinel_begin,
        ngx_recs_redis_sentinel_value,
        ngx_recs_redis_sentinel_end,
        ngx_recs_redis_sentinel_more
    },
    0, 1,                       /* sentinels alone are asked */
    {
        1000,                   /* interval, ms */
        100,                    /* least */
        300,                    /* limit */
        5000                    /* timeout */
    }
};


ngx_int_t
ngx_recs_redis_sentinel_init_worker(ngx_recs_redis_t *redis,
    ngx_cycle_t *cycle)
{
    ngx_pool_cleanup_t         *cln;
    ngx_recs_redis_server_t    *server;
    ngx_recs_redis_sentinel_t  *sentinel;

    static const ngx_str_t  channel = ngx_string("+switch-master");

    if (ngx_recs_redis_fleet_init_worker(redis, &ngx_recs_redis_sentinel, cycle)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    sentinel = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_redis_sentinel_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (sentinel == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    server = &sentinel->server;

    cln->handler = ngx_recs_redis_sentinel_cleanup;
    cln->data = server;

    server->redis = redis;
    server->name = redis->server;
    server->addrs = redis->addrs;
    server->naddrs = redis->naddrs;
    server->hosts = redis->hosts;
    server->sentinel = 1;

    sentinel->fleet = redis->fleet;

    sentinel->events.redis = redis;
    sentinel->events.server = server;
    sentinel->events.ready = ngx_recs_redis_sentinel_ready;
    sentinel->events.message = ngx_recs_redis_sentinel_message;
    sentinel->events.channel = channel;
    sentinel->events.data = sentinel;

    return ngx_recs_redis_open_private(&sentinel->events, cycle);
}


static void
ngx_recs_redis_sentinel_cleanup(void *data)
{
    ngx_recs_redis_tls_forget(data);
}


/* One master has all. */

static unsigned
ngx_recs_redis_sentinel_slot(const ngx_str_t *key)
{
    return 0;
}


static ngx_uint_t
ngx_recs_redis_sentinel_begin(void *data, const ngx_recs_redis_t *redis,
    ngx_uint_t form, const ngx_str_t *asked, ngx_str_t *args)
{
    ngx_recs_redis_sentinel_reader_t *reader = data;

    if (form) {
        return 0;
    }

    reader->why = NULL;
    reader->nvalues = 0;
    reader->replicas = 0;

    ngx_memzero(&reader->table, sizeof(recs_redis_table_t));

    reader->table.nnodes = 1;
    reader->table.nodes[0].master = RECS_REDIS_NONE;

    ngx_str_set(&args[0], "SENTINEL");
    ngx_str_set(&args[1], "get-master-addr-by-name");
    args[2] = redis->master;

    return 3;
}


static ngx_int_t
ngx_recs_redis_sentinel_value(void *data, const ngx_recs_redis_value_t *v)
{
    ngx_recs_redis_sentinel_reader_t *reader = data;

    recs_redis_node_t  *node;

    if (reader->replicas) {
        return ngx_recs_redis_sentinel_replica(reader, v);
    }

    node = &reader->table.nodes[0];

    if (v->depth == 0) {

        if (v->type == NGX_RECS_REDIS_NIL) {
            reader->why = "it knows no such master";

        } else if (v->type != NGX_RECS_REDIS_ARRAY || v->integer != 2) {
            reader->why = "it is no sentinel";
        }

    } else if (v->type != NGX_RECS_REDIS_STRING) {
        reader->why = "it is no sentinel";

    } else {
        reader->why = v->index == 0
                      ? ngx_recs_redis_sentinel_host(node, &v->str)
                      : ngx_recs_redis_sentinel_port(node, &v->str);
    }

    return reader->why ? NGX_ERROR : NGX_OK;
}


static ngx_uint_t
ngx_recs_redis_sentinel_more(void *data, const ngx_recs_redis_t *redis,
    ngx_str_t *args)
{
    ngx_recs_redis_sentinel_reader_t *reader = data;

    if (redis->reads == NGX_RECS_REDIS_READS_MASTER || reader->why) {
        return 0;
    }

    reader->replicas = 1;
    ngx_memzero(&reader->node, sizeof(recs_redis_node_t));

    ngx_str_set(&args[0], "SENTINEL");
    ngx_str_set(&args[1], "replicas");
    args[2] = redis->master;

    return 3;
}


/* Each replica is an array of fields' names and their values in turn. */

static ngx_int_t
ngx_recs_redis_sentinel_replica(ngx_recs_redis_sentinel_reader_t *reader,
    const ngx_recs_redis_value_t *v)
{
    if (v->depth < 2) {
        ngx_recs_redis_sentinel_add(reader);
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->depth != 2 || v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    if (v->index % 2 == 0) {
        reader->field = ngx_recs_redis_sentinel_field(&v->str);
        return NGX_OK;
    }

    switch (reader->field) {

    case 'i':
        return ngx_recs_redis_sentinel_host(&reader->node, &v->str)
               ? NGX_ERROR : NGX_OK;

    case 'p':
        return ngx_recs_redis_sentinel_port(&reader->node, &v->str)
               ? NGX_ERROR : NGX_OK;

    case 'f':
        reader->node.flags = ngx_recs_redis_sentinel_failing(&v->str)
                             ? RECS_REDIS_FAILING : 0;
        return NGX_OK;

    default:
        return NGX_OK;
    }
}


/* One that says something; 0: it does not. */

static u_char
ngx_recs_redis_sentinel_field(const ngx_str_t *name)
{
    static const ngx_str_t  fields[] = {
        ngx_string("ip"),
        ngx_string("port"),
        ngx_string("flags")
    };

    ngx_uint_t  i;

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {

        if (name->len == fields[i].len
            && ngx_memcmp(name->data, fields[i].data, name->len) == 0)
        {
            return name->data[0];
        }
    }

    return 0;
}


/* The replica that was read is one of the table's, unless it is known. */

static void
ngx_recs_redis_sentinel_add(ngx_recs_redis_sentinel_reader_t *reader)
{
    ngx_uint_t          i;
    recs_redis_node_t  *node, *known;

    node = &reader->node;

    for (i = 0; i < reader->table.nnodes; i++) {
        known = &reader->table.nodes[i];

        if (known->port == node->port && known->len == node->len
            && ngx_memcmp(known->host, node->host, node->len) == 0)
        {
            node->len = 0;
        }
    }

    if (node->len && node->port && i < RECS_REDIS_NODES) {
        reader->table.nodes[i] = *node;
        reader->table.nnodes++;
    }

    /* of the master, which is the first */

    ngx_memzero(node, sizeof(recs_redis_node_t));
}


/* Words with commas between: "slave,s_down,disconnected". */

static ngx_uint_t
ngx_recs_redis_sentinel_failing(const ngx_str_t *flags)
{
    return ngx_strlcasestrn(flags->data, flags->data + flags->len,
                            (u_char *) "_down", 5 - 1)
           || ngx_strlcasestrn(flags->data, flags->data + flags->len,
                               (u_char *) "disconnected", 12 - 1);
}


/* NULL: it is one. */

static const char *
ngx_recs_redis_sentinel_host(recs_redis_node_t *node, const ngx_str_t *host)
{
    if (host->len > RECS_REDIS_HOST
        || !recs_redis_is_host((char *) host->data, host->len))
    {
        return "it names a master that has no such host";
    }

    node->len = (uint8_t) host->len;
    ngx_memcpy(node->host, host->data, host->len);

    return NULL;
}


static const char *
ngx_recs_redis_sentinel_port(recs_redis_node_t *node, const ngx_str_t *port)
{
    ngx_int_t  n;

    n = ngx_atoi(port->data, port->len);

    if (n < 1 || n > 65535) {
        return "it names a master that has no such port";
    }

    node->port = (uint16_t) n;

    return NULL;
}


static const recs_redis_table_t *
ngx_recs_redis_sentinel_end(void *data, const char **why)
{
    ngx_recs_redis_sentinel_reader_t *reader = data;

    if (reader->why) {
        *why = reader->why;
        return NULL;
    }

    if (reader->replicas) {
        ngx_recs_redis_sentinel_add(reader);
    }

    return &reader->table;
}


/* There may have been another one while nobody listened. */

static void
ngx_recs_redis_sentinel_ready(ngx_recs_redis_private_t *events)
{
    ngx_recs_redis_sentinel_t *sentinel = events->data;

    ngx_recs_redis_fleet_soon(sentinel->fleet);
}


/*
 * Its name, where it was, where it is: of all masters that the sentinel knows.
 * A majority of sentinels has agreed on it; still, it is asked.
 */

static void
ngx_recs_redis_sentinel_message(ngx_recs_redis_private_t *events,
    ngx_str_t *payload)
{
    ngx_recs_redis_sentinel_t *sentinel = events->data;

    ngx_recs_redis_fleet_changed(sentinel->fleet);
}
