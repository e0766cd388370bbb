
/*
 * Queries about a replica's set, answered together: a batch
 * (ngx_recs_redis_batch.h), and what is asked most.
 *
 *     ngx_recs_replica_query_begin(q);
 *     ngx_recs_replica_query_end(q, 0);
 *     ngx_recs_replica_query_count(q, 1);
 *     ngx_recs_redis_batch_sent(&q->batch);
 */


#ifndef NGX_RECS_REPLICA_QUERY_H
#define NGX_RECS_REPLICA_QUERY_H


#include "ngx_recs_feed_entry.h"
#include "ngx_recs_redis_batch.h"
#include "ngx_recs_replica.h"


/* Arguments of the command that asks for the last entry of a feed. */

#define NGX_RECS_FEED_END_ARGS  6


typedef struct {
    ngx_recs_replica_t       *replica;

    /*
     * All are answered: NGX_OK; NGX_ERROR, and Redis' words, if it refused
     * one; NGX_ABORT: the connection was lost, or there is none.  Called from
     * within ngx_recs_redis_batch_sent() if none could be sent.
     */
    void                    (*answered)(void *data, ngx_int_t rc,
                                        const ngx_str_t *error);

    void                     *data;         /* the caller's */

    /* once they are answered */

    ngx_recs_feed_id_t        ends[NGX_RECS_REDIS_BATCH];   /* of the feed, by
                                                               query */
    uint64_t                  count;        /* of ids */

    /* private, but for what is sent */

    ngx_recs_redis_batch_t    batch;
    u_char                    error[256];
    size_t                    error_len;
} ngx_recs_replica_queries_t;


/* In init_process, when the first members are set. */

void ngx_recs_replica_query_init(ngx_recs_replica_queries_t *q);

/* Forgets what was asked before. */

void ngx_recs_replica_query_begin(ngx_recs_replica_queries_t *q);

/* Where the feed ends: 0-0 if it has no entry. */

void ngx_recs_replica_query_end(ngx_recs_replica_queries_t *q, ngx_uint_t n);

/* How many ids the set has. */

void ngx_recs_replica_query_count(ngx_recs_replica_queries_t *q, ngx_uint_t n);


/* Within value(): the caller's data. */

#define ngx_recs_replica_query_data(query)                                    \
    (((ngx_recs_replica_queries_t *)                                          \
      ngx_recs_redis_batch_of(query)->data)->data)


/* The command that asks for a feed's last entry, and a value of its reply. */

void ngx_recs_feed_end_args(const ngx_recs_replica_t *replica,
    ngx_str_t *args);
ngx_int_t ngx_recs_feed_end_value(const ngx_recs_redis_value_t *v,
    ngx_recs_feed_id_t *end);


#endif /* NGX_RECS_REPLICA_QUERY_H */
