
/* Pushes of a subscription: see the header. */


#include "ngx_recs_redis_push.h"


/* Pushes are told apart by their first element. */

typedef struct {
    ngx_str_t                 name;
    ngx_int_t                 elements;
} ngx_recs_redis_push_name_t;


static ngx_int_t ngx_recs_redis_push_name(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v);
static ngx_uint_t ngx_recs_redis_push_due(const ngx_recs_redis_push_t *push,
    ngx_recs_redis_push_e type);
static ngx_int_t ngx_recs_redis_push_channel(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_redis_push_last(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_redis_push_unfit(ngx_recs_redis_push_t *push);


/* by ngx_recs_redis_push_e */

static const ngx_recs_redis_push_name_t  ngx_recs_redis_push_names[] = {
    { ngx_string("subscribe"), 3 },
    { ngx_string("message"), 3 },
    { ngx_string("pong"), 2 }
};


/*
 * The payload of the message that is being read: it is its last element, and
 * message() is called before any other is read.
 */

static u_char  ngx_recs_redis_push_payload[NGX_RECS_REDIS_MAX_MESSAGE];


ngx_int_t
ngx_recs_redis_push_value(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v)
{
    if (v->depth == 0) {
        push->elements = v->integer;

        return v->type == NGX_RECS_REDIS_ARRAY && v->integer
               ? NGX_OK : ngx_recs_redis_push_unfit(push);
    }

    /* an array in it would be refused as an element: no deeper value comes */

    switch (v->index) {

    case 0:
        return ngx_recs_redis_push_name(push, v);

    case 1:
        return ngx_recs_redis_push_channel(push, v);

    default: /* 2 */
        return ngx_recs_redis_push_last(push, v);
    }
}


static ngx_int_t
ngx_recs_redis_push_name(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v)
{
    ngx_uint_t                         i;
    const ngx_recs_redis_push_name_t  *name;

    for (i = 0; i <= NGX_RECS_REDIS_PUSH_PONG; i++) {
        name = &ngx_recs_redis_push_names[i];

        if (v->type == NGX_RECS_REDIS_STRING
            && push->elements == name->elements
            && v->str.len == name->name.len
            && ngx_memcmp(v->str.data, name->name.data, v->str.len) == 0
            && ngx_recs_redis_push_due(push, i))
        {
            push->type = i;
            return NGX_OK;
        }
    }

    return ngx_recs_redis_push_unfit(push);
}


static ngx_uint_t
ngx_recs_redis_push_due(const ngx_recs_redis_push_t *push,
    ngx_recs_redis_push_e type)
{
    const ngx_recs_redis_pipeline_t  *pl;

    pl = push->pipeline;

    if (pl->ready && type == NGX_RECS_REDIS_PUSH_MESSAGE) {
        return 1;
    }

    return ngx_recs_redis_pipeline_due(pl)
           && type == (pl->ready ? NGX_RECS_REDIS_PUSH_PONG
                                 : NGX_RECS_REDIS_PUSH_SUBSCRIBE)
           && pl->head->kind == (pl->ready ? NGX_RECS_REDIS_PING
                                           : NGX_RECS_REDIS_SUBSCRIBE);
}


static ngx_int_t
ngx_recs_redis_push_channel(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v)
{
    ngx_str_t  expected;

    if (push->type == NGX_RECS_REDIS_PUSH_PONG) {
        ngx_str_set(&expected, "");

    } else {
        expected = push->channel;
    }

    if (v->type == NGX_RECS_REDIS_STRING
        && v->str.len == expected.len
        && ngx_memcmp(v->str.data, expected.data, expected.len) == 0)
    {
        return NGX_OK;
    }

    return ngx_recs_redis_push_unfit(push);
}


static ngx_int_t
ngx_recs_redis_push_last(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v)
{
    if (push->type == NGX_RECS_REDIS_PUSH_SUBSCRIBE) {
        return v->type == NGX_RECS_REDIS_INTEGER
               ? NGX_OK : ngx_recs_redis_push_unfit(push);
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return ngx_recs_redis_push_unfit(push);
    }

    push->payload.data = ngx_recs_redis_push_payload;
    push->payload.len = v->str.len;
    ngx_memcpy(push->payload.data, v->str.data, v->str.len);

    return NGX_OK;
}


static ngx_int_t
ngx_recs_redis_push_unfit(ngx_recs_redis_push_t *push)
{
    ngx_recs_redis_fault(push->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a push that is no message of \"%V\"",
                         &push->channel);
    return NGX_ERROR;
}


void
ngx_recs_redis_push_failed(ngx_recs_redis_push_t *push, const ngx_str_t *error)
{
    ngx_recs_redis_fault(push->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a push that is no message of \"%V\": %V",
                         &push->channel, error);
}
