
/*
 * A few queries that are sent on one connection, one after the other, and
 * answered together: one handler, when the last reply is there.
 *
 *     ngx_recs_redis_batch_begin(b, redis, &key);
 *     ngx_recs_redis_batch_send(b, 0, 2, get, pointer_value);
 *     ngx_recs_redis_batch_send(b, 1, 4, lrange, history_value);
 *     ngx_recs_redis_batch_sent(b);
 *
 * A batch is used again and again, by one owner.  It takes no memory.
 */


#ifndef NGX_RECS_REDIS_BATCH_H
#define NGX_RECS_REDIS_BATCH_H


#include "ngx_recs_redis.h"


#define NGX_RECS_REDIS_BATCH  3     /* queries, at most */


typedef struct ngx_recs_redis_batch_s  ngx_recs_redis_batch_t;

typedef ngx_int_t (*ngx_recs_redis_value_pt)(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);


typedef struct {
    ngx_recs_redis_batch_t       *batch;
    ngx_recs_redis_query_t        query;
    ngx_int_t                     rc;       /* as done() was given it; NGX_OK
                                               if it wasn't sent in this turn */
} ngx_recs_redis_batch_query_t;


/* The owner sets what stands before "private", once. */

struct ngx_recs_redis_batch_s {
    /* Redis answered the n-th with an error: its words, during the call only */
    void                        (*failed)(ngx_recs_redis_batch_t *batch,
                                          ngx_uint_t n, const ngx_str_t *error);

    /*
     * All are answered: NGX_OK; NGX_ABORT, a connection was lost, or there is
     * none.  It may be called from within sent(), and may begin anew.
     */
    void                        (*handler)(ngx_recs_redis_batch_t *batch,
                                           ngx_int_t rc);

    void                         *data;     /* the owner's */
    size_t                        max_bulk; /* of each query, bytes */

    ngx_recs_redis_batch_query_t  queries[NGX_RECS_REDIS_BATCH];

    /* private */

    ngx_recs_redis_conn_t        *conn;
    ngx_uint_t                    npending;
};


/* In init_process, once the first members are set. */

void ngx_recs_redis_batch_init(ngx_recs_redis_batch_t *batch);

/* Forgets what was sent before.  All keys of a batch lie in the slot of key. */

void ngx_recs_redis_batch_begin(ngx_recs_redis_batch_t *batch,
    ngx_recs_redis_t *redis, const ngx_str_t *key);

/*
 * The n-th query, as ngx_recs_redis_send() takes it; value() is given its
 * reply.  Without a connection it ends as if that had been lost.
 */

void ngx_recs_redis_batch_send(ngx_recs_redis_batch_t *batch, ngx_uint_t n,
    ngx_uint_t nargs, const ngx_str_t *args, ngx_recs_redis_value_pt value);

/* There is no more to send.  If nothing could be, the batch ends here. */

void ngx_recs_redis_batch_sent(ngx_recs_redis_batch_t *batch);

/* Nobody waits any more: neither handler will be called. */

void ngx_recs_redis_batch_forget(ngx_recs_redis_batch_t *batch);


/* Within value(): the batch, and which of its queries it is. */

#define ngx_recs_redis_batch_of(q)                                            \
    (((ngx_recs_redis_batch_query_t *) (q)->data)->batch)

#define ngx_recs_redis_batch_index(q)                                         \
    ((ngx_uint_t) ((ngx_recs_redis_batch_query_t *) (q)->data                 \
                   - ngx_recs_redis_batch_of(q)->queries))


#endif /* NGX_RECS_REDIS_BATCH_H */
