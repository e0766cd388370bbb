
/*
 * A reader of replies, over a pipeline: it gives the values of each to the
 * query that waits for it, bounded in depth, number and size.  What is no reply
 * to a query (that to a handshake, a push) it hands up.
 */


#ifndef NGX_RECS_REDIS_REPLY_H
#define NGX_RECS_REDIS_REPLY_H


#include "ngx_recs_redis_fault.h"
#include "ngx_recs_redis_pipeline.h"


#define NGX_RECS_REDIS_MAX_BULK      (16 * 1024 * 1024) /* bytes */

#define ngx_recs_redis_count(counters, counter)                              \
    (void) ngx_atomic_fetch_add(&(counters)->counter, 1)


/* The connection fills in what stands before "private". */

typedef struct {
    ngx_recs_redis_pipeline_t  *pipeline;
    ngx_recs_redis_counters_t  *counters;
    ngx_recs_redis_fault_t     *fault;      /* why it failed is noted there */
    size_t                      max_bulk;   /* bytes of a string, if the query
                                               does not say */

    /*
     * Of what is no reply to a query: a value; an error, in r->error; the end.
     * NGX_ERROR: the connection must be closed.
     */
    ngx_int_t                 (*value)(void *data, ngx_recs_redis_value_t *v);
    ngx_int_t                 (*failed)(void *data);
    ngx_int_t                 (*end)(void *data);

    /*
     * The reply to the oldest query is an error, in r->error, which may say who
     * answers it: NGX_OK, it has moved there; NGX_DECLINED, it is an error as
     * others are; NGX_ERROR, the connection must be closed.  NULL: none says
     * that.
     */
    ngx_int_t                 (*redirect)(void *data);

    /* A query was answered well; called while READONLY is logged, only. */
    void                      (*well)(void *data);

    void                       *data;

    unsigned                    pushes:1;   /* what comes from now on need not
                                               be a reply: RESP2 does not say
                                               which is which */
    unsigned                    push:1;     /* what is being read is none, which
                                               RESP3 does say */
    unsigned                    resp3:1;    /* the other side speaks it: set by
                                               its reply to HELLO */
    unsigned                    stop:1;     /* set from within any function that
                                               is called: reads no further */

    /* private */

    struct redisReader         *hiredis;    /* NULL: closed */
    ngx_str_t                   error;      /* of the reply that is being read;
                                               len 0: none in it */
    u_char                      error_data[NGX_RECS_REDIS_TEXT];
    ngx_uint_t                  error_depth;    /* 0: it is the reply */
    size_t                      skip;       /* bytes to read past before the
                                               next that hiredis gets */
} ngx_recs_redis_reader_t;


/* For a new connection.  NGX_ERROR: out of memory. */

ngx_int_t ngx_recs_redis_reader_open(ngx_recs_redis_reader_t *r);

void ngx_recs_redis_reader_close(ngx_recs_redis_reader_t *r);

/*
 * Reads replies from the size bytes at buf and calls value() and done().
 * NGX_ERROR: the connection must be closed, the fault says why unless it was
 * stopped.
 */

ngx_int_t ngx_recs_redis_read(ngx_recs_redis_reader_t *r, u_char *buf,
    size_t size);


#endif /* NGX_RECS_REDIS_REPLY_H */
