
/*
 * What comes to a connection that is subscribed to a channel: after SUBSCRIBE
 * it is no reply, but for that to PING
 * (https://redis.io/docs/latest/develop/pubsub/#format-of-pushed-messages).
 * Anything else drops it: the next ready() makes up for what was missed.
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
        expected = conn->owner->channel;
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
                         &conn->owner->channel);
    return NGX_ERROR;
}


ngx_int_t
ngx_recs_redis_push_end(ngx_recs_redis_conn_t *conn)
{
    if (conn->error.len) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a push that is no message of \"%V\": %V",
                             &conn->owner->channel, &conn->error);
        return NGX_ERROR;
    }

    switch (conn->push) {

    case NGX_RECS_REDIS_PUSH_SUBSCRIBE:
        (void) ngx_recs_redis_shift(conn);
        ngx_recs_redis_conn_ready(conn);
        break;

    case NGX_RECS_REDIS_PUSH_MESSAGE:
        conn->owner->message(conn->owner, &ngx_recs_redis_payload);
        break;

    default: /* NGX_RECS_REDIS_PUSH_PONG */
        (void) ngx_recs_redis_shift(conn);
    }

    return NGX_OK;
}
