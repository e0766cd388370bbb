
/*
 * Up to three queries about a replica's set, sent at once and answered
 * together.  begin(), then a function for each query, then sent():
 *
 *     ngx_recs_replica_query_begin(q);
 *     ngx_recs_replica_query_end(q, 0);
 *     ngx_recs_replica_query_count(q, 1);
 *     ngx_recs_replica_query_sent(q);
 *
 * Their number, 0 to 2, says later which one's answer it is.
 */


#ifndef NGX_RECS_REPLICA_QUERY_H
#define NGX_RECS_REPLICA_QUERY_H


#include "ngx_recs_entry.h"
#include "ngx_recs_replica.h"


#define NGX_RECS_REPLICA_QUERIES  3

/* Arguments of the command that asks for the last entry of a feed. */

#define NGX_RECS_FEED_END_ARGS    6


typedef struct ngx_recs_replica_queries_s  ngx_recs_replica_queries_t;

typedef ngx_int_t (*ngx_recs_replica_value_pt)(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);


typedef struct {
    ngx_recs_replica_queries_t  *of;
    ngx_recs_redis_query_t       query;
    ngx_int_t                    rc;        /* as done() was given it */
    ngx_recs_feed_id_t           end;       /* of the feed */
} ngx_recs_replica_query_t;


struct ngx_recs_replica_queries_s {
    ngx_recs_replica_t       *replica;

    /*
     * All are answered: NGX_OK; NGX_ERROR, and Redis' words, if it refused
     * one; NGX_ABORT: the connection was lost, or there is none.  Called from
     * within sent() if none could be sent.
     */
    void                    (*answered)(void *data, ngx_int_t rc,
                                        const ngx_str_t *error);

    void                     *data;         /* the caller's */

    /* once they are answered */

    ngx_recs_replica_query_t  queries[NGX_RECS_REPLICA_QUERIES];
    uint64_t                  count;        /* of ids */

    /* private */

    ngx_recs_redis_conn_t    *conn;
    ngx_uint_t                npending;
    u_char                    error[256];
    size_t                    error_len;
};


/* In init_process, when the first members are set. */

void ngx_recs_replica_query_init(ngx_recs_replica_queries_t *q);

/* Forgets what was asked before. */

void ngx_recs_replica_query_begin(ngx_recs_replica_queries_t *q);

/* Any command about the set's key or feed; value() is of its reply. */

void ngx_recs_replica_query_send(ngx_recs_replica_queries_t *q, ngx_uint_t n,
    ngx_uint_t nargs, const ngx_str_t *args, ngx_recs_replica_value_pt value);

/* Where the feed ends: 0-0 if it has no entry. */

void ngx_recs_replica_query_end(ngx_recs_replica_queries_t *q, ngx_uint_t n);

/* How many ids the set has. */

void ngx_recs_replica_query_count(ngx_recs_replica_queries_t *q, ngx_uint_t n);

void ngx_recs_replica_query_sent(ngx_recs_replica_queries_t *q);

/* No answer comes any more. */

void ngx_recs_replica_query_forget(ngx_recs_replica_queries_t *q);


/* Within value(): the caller's data. */

#define ngx_recs_replica_query_data(query)                                    \
    (((ngx_recs_replica_query_t *) (query)->data)->of->data)


/* The command that asks for a feed's last entry, and a value of its reply. */

void ngx_recs_feed_end_args(const ngx_recs_replica_t *replica,
    ngx_str_t *args);
ngx_int_t ngx_recs_feed_end_value(const ngx_recs_redis_value_t *v,
    ngx_recs_feed_id_t *end);


#endif /* NGX_RECS_REPLICA_QUERY_H */
