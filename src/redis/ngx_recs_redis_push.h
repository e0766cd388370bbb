
/*
 * What comes to a connection that is subscribed to a channel: after SUBSCRIBE
 * it is no reply, but for that to PING
 * (https://redis.io/docs/latest/develop/pubsub/#format-of-pushed-messages); in
 * RESP3 it is a push, or else a reply.
 * Anything else drops the connection: the next ready() makes up for what was
 * missed.
 */


#ifndef NGX_RECS_REDIS_PUSH_H
#define NGX_RECS_REDIS_PUSH_H


#include "ngx_recs_redis_fault.h"
#include "ngx_recs_redis_pipeline.h"


#define NGX_RECS_REDIS_MAX_MESSAGE   (64 * 1024)        /* bytes */


typedef enum {
    NGX_RECS_REDIS_PUSH_SUBSCRIBE = 0,
    NGX_RECS_REDIS_PUSH_MESSAGE,
    NGX_RECS_REDIS_PUSH_PONG
} ngx_recs_redis_push_e;


/* The push that is being read; the connection fills in the first three. */

typedef struct {
    ngx_recs_redis_pipeline_t  *pipeline;
    ngx_recs_redis_fault_t     *fault;
    ngx_str_t                   channel;    /* len 0: it is not subscribed */

    ngx_recs_redis_push_e       type;
    ngx_int_t                   elements;
    ngx_str_t                   payload;    /* of a message: valid until another
                                               is read, by any connection */
} ngx_recs_redis_push_t;


/*
 * A value of one: NGX_OK, or NGX_ERROR if there is no such push, which the
 * fault notes.  Once its end is read push->type says what it was.
 */

ngx_int_t ngx_recs_redis_push_value(ngx_recs_redis_push_t *push,
    const ngx_recs_redis_value_t *v);

/* The fault that an error is in a push's place. */

void ngx_recs_redis_push_failed(ngx_recs_redis_push_t *push,
    const ngx_str_t *error);


#endif /* NGX_RECS_REDIS_PUSH_H */
