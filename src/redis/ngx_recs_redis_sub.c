
/*
 * A connection that is subscribed to a channel: it is opened and kept as any
 * other, but after SUBSCRIBE what comes is no reply, but for that to PING
 * (https://redis.io/docs/latest/develop/pubsub/#format-of-pushed-messages).
 * Anything else drops it: the next subscribed() makes up for what was missed.
 */


#include "ngx_recs_redis_conn.h"


/* Pushes are told apart by their first element. */

typedef struct {
    ngx_str_t                 name;
    ngx_int_t                 elements;
} ngx_recs_redis_push_t;


static ngx_int_t ngx_recs_redis_push_name(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v);
static ngx_uint_t ngx_recs_redis_push_due(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_push_e push);
static ngx_int_t ngx_recs_redis_push_channel(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_redis_push_last(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_redis_push_unfit(ngx_recs_redis_conn_t *conn);


/* by ngx_recs_redis_push_e */

static const ngx_recs_redis_push_t  ngx_recs_redis_pushes[] = {
    { ngx_string("subscribe"), 3 },
    { ngx_string("message"), 3 },
    { ngx_string("pong"), 2 }
};


/*
 * The payload of the message that is being read: it is its last element, and
 * message() is called before any other is read.
 */

static u_char     ngx_recs_redis_payload_data[NGX_RECS_REDIS_MAX_MESSAGE];
static ngx_str_t  ngx_recs_redis_payload = { 0, ngx_recs_redis_payload_data };


ngx_int_t
ngx_recs_redis_subscribe(ngx_recs_redis_sub_t *sub, ngx_cycle_t *cycle)
{
    ngx_recs_redis_conn_t  *conn;

    if (sub->conn
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    conn = ngx_calloc(sizeof(ngx_recs_redis_conn_t), cycle->log);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    ngx_recs_redis_conn_init(conn, sub->redis, cycle->log);

    conn->sub = sub;
    conn->next = sub->redis->subs;

    sub->redis->subs = conn;
    sub->conn = conn;

    ngx_recs_redis_conn_open(conn);

    return NGX_OK;
}


void
ngx_recs_redis_unsubscribe(ngx_recs_redis_sub_t *sub)
{
    ngx_recs_redis_conn_t  *conn;

    conn = sub->conn;

    if (conn == NULL) {
        return;
    }

    sub->conn = NULL;

    if (conn->reading) {

        /* whoever reads has to come back to it first */

        conn->dropped = 1;
        return;
    }

    ngx_recs_redis_sub_free(conn);
}


void
ngx_recs_redis_sub_free(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_conn_t  **p;

    for (p = &conn->redis->subs; *p != conn; p = &(*p)->next) { /* void */ }

    *p = conn->next;

    ngx_recs_redis_conn_destroy(conn);
    ngx_free(conn);
}


ngx_int_t
ngx_recs_redis_push_value(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v)
{
    if (v->depth == 0) {
        conn->elements = v->integer;

        return v->type == NGX_RECS_REDIS_ARRAY && v->integer
               ? NGX_OK : ngx_recs_redis_push_unfit(conn);
    }

    /* an array in it would be refused as an element: no deeper value comes */

    switch (v->index) {

    case 0:
        return ngx_recs_redis_push_name(conn, v);

    case 1:
        return ngx_recs_redis_push_channel(conn, v);

    default: /* 2 */
        return ngx_recs_redis_push_last(conn, v);
    }
}


static ngx_int_t
ngx_recs_redis_push_name(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v)
{
    ngx_uint_t                    i;
    const ngx_recs_redis_push_t  *push;

    for (i = 0; i <= NGX_RECS_REDIS_PUSH_PONG; i++) {
        push = &ngx_recs_redis_pushes[i];

        if (v->type == NGX_RECS_REDIS_STRING
            && conn->elements == push->elements
            && v->str.len == push->name.len
            && ngx_memcmp(v->str.data, push->name.data, v->str.len) == 0
            && ngx_recs_redis_push_due(conn, i))
        {
            conn->push = i;
            return NGX_OK;
        }
    }

    return ngx_recs_redis_push_unfit(conn);
}


static ngx_uint_t
ngx_recs_redis_push_due(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_push_e push)
{
    if (conn->state != NGX_RECS_REDIS_READY) {
        return push == NGX_RECS_REDIS_PUSH_SUBSCRIBE;
    }

    if (push == NGX_RECS_REDIS_PUSH_PONG) {
        return conn->head && conn->head->end <= conn->sent;
    }

    return push == NGX_RECS_REDIS_PUSH_MESSAGE;
}


static ngx_int_t
ngx_recs_redis_push_channel(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v)
{
    ngx_str_t  expected;

    if (conn->push == NGX_RECS_REDIS_PUSH_PONG) {
        ngx_str_set(&expected, "");

    } else {
        expected = conn->sub->channel;
    }

    if (v->type == NGX_RECS_REDIS_STRING
        && v->str.len == expected.len
        && ngx_memcmp(v->str.data, expected.data, expected.len) == 0)
    {
        return NGX_OK;
    }

    return ngx_recs_redis_push_unfit(conn);
}


static ngx_int_t
ngx_recs_redis_push_last(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v)
{
    ngx_str_t  *payload;

    if (conn->push == NGX_RECS_REDIS_PUSH_SUBSCRIBE) {
        return v->type == NGX_RECS_REDIS_INTEGER
               ? NGX_OK : ngx_recs_redis_push_unfit(conn);
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return ngx_recs_redis_push_unfit(conn);
    }

    payload = &ngx_recs_redis_payload;

    payload->len = v->str.len;
    ngx_memcpy(payload->data, v->str.data, v->str.len);

    return NGX_OK;
}


static ngx_int_t
ngx_recs_redis_push_unfit(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a push that is no message of \"%V\"",
                         &conn->sub->channel);
    return NGX_ERROR;
}


ngx_int_t
ngx_recs_redis_push_end(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_sub_t  *sub;

    sub = conn->sub;

    if (conn->error.len) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a push that is no message of \"%V\": %V",
                             &sub->channel, &conn->error);
        return NGX_ERROR;
    }

    switch (conn->push) {

    case NGX_RECS_REDIS_PUSH_SUBSCRIBE:
        (void) ngx_recs_redis_shift(conn);
        ngx_recs_redis_conn_ready(conn);
        sub->subscribed(sub);
        break;

    case NGX_RECS_REDIS_PUSH_MESSAGE:
        sub->message(sub, &ngx_recs_redis_payload);
        break;

    default: /* NGX_RECS_REDIS_PUSH_PONG */
        (void) ngx_recs_redis_shift(conn);
    }

    return conn->dropped ? NGX_ERROR : NGX_OK;
}
