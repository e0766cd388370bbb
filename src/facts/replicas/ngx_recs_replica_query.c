
/* Queries about a replica's set, answered together. */


#include "ngx_recs_replica_query.h"


static void ngx_recs_replica_query_failed(ngx_recs_redis_batch_t *batch,
    ngx_uint_t n, const ngx_str_t *error);
static void ngx_recs_replica_query_answered(ngx_recs_redis_batch_t *batch,
    ngx_int_t rc);
static ngx_int_t ngx_recs_replica_query_end_value(
    ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_replica_query_count_value(
    ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v);


void
ngx_recs_replica_query_init(ngx_recs_replica_queries_t *q)
{
    q->batch.failed = ngx_recs_replica_query_failed;
    q->batch.handler = ngx_recs_replica_query_answered;
    q->batch.data = q;

    ngx_recs_redis_batch_init(&q->batch);
}


void
ngx_recs_replica_query_begin(ngx_recs_replica_queries_t *q)
{
    q->error_len = 0;

    ngx_recs_redis_batch_begin(&q->batch, q->replica->set->redis,
                               &q->replica->key);
}


/* The first one's words will do. */

static void
ngx_recs_replica_query_failed(ngx_recs_redis_batch_t *batch, ngx_uint_t n,
    const ngx_str_t *error)
{
    ngx_recs_replica_queries_t  *q;

    q = batch->data;

    if (q->error_len == 0) {
        q->error_len = ngx_min(error->len, sizeof(q->error));
        ngx_memcpy(q->error, error->data, q->error_len);
    }
}


static void
ngx_recs_replica_query_answered(ngx_recs_redis_batch_t *batch, ngx_int_t rc)
{
    ngx_str_t                    error;
    ngx_recs_replica_queries_t  *q;

    q = batch->data;

    error.data = q->error;
    error.len = q->error_len;

    if (rc == NGX_OK && error.len) {
        rc = NGX_ERROR;
    }

    q->answered(q->data, rc, &error);
}


void
ngx_recs_replica_query_end(ngx_recs_replica_queries_t *q, ngx_uint_t n)
{
    ngx_str_t  args[NGX_RECS_FEED_END_ARGS];

    ngx_recs_feed_end_args(q->replica, args);
    ngx_recs_redis_batch_send(&q->batch, n, NGX_RECS_FEED_END_ARGS, args,
                              ngx_recs_replica_query_end_value);
}


static ngx_int_t
ngx_recs_replica_query_end_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_replica_queries_t  *q;

    q = ngx_recs_redis_batch_of(query)->data;

    return ngx_recs_feed_end_value(v,
                                   &q->ends[ngx_recs_redis_batch_index(query)]);
}


void
ngx_recs_feed_end_args(const ngx_recs_replica_t *replica, ngx_str_t *args)
{
    ngx_str_set(&args[0], "XREVRANGE");
    args[1] = replica->feed;
    ngx_str_set(&args[2], "+");
    ngx_str_set(&args[3], "-");
    ngx_str_set(&args[4], "COUNT");
    ngx_str_set(&args[5], "1");
}


/* There is one entry at most. */

ngx_int_t
ngx_recs_feed_end_value(const ngx_recs_redis_value_t *v,
    ngx_recs_feed_id_t *end)
{
    if (v->depth == 0) {
        end->ms = 0;
        end->n = 0;

        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->depth == 2 && v->index == 0) {
        return v->type == NGX_RECS_REDIS_STRING
               && ngx_recs_feed_id_read(&v->str, end) == NGX_OK
               ? NGX_OK : NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_recs_replica_query_count(ngx_recs_replica_queries_t *q, ngx_uint_t n)
{
    ngx_str_t  args[2];

    args[0] = ngx_recs_set_type(q->replica->set->type)->count;
    args[1] = q->replica->key;

    ngx_recs_redis_batch_send(&q->batch, n, 2, args,
                              ngx_recs_replica_query_count_value);
}


static ngx_int_t
ngx_recs_replica_query_count_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_replica_queries_t  *q;

    q = ngx_recs_redis_batch_of(query)->data;

    if (v->type != NGX_RECS_REDIS_INTEGER || v->integer < 0) {
        return NGX_ERROR;
    }

    q->count = v->integer;

    return NGX_OK;
}
