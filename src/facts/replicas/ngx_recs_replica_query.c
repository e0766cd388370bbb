
/* Queries about a replica's set, answered together. */


#include "ngx_recs_replica_query.h"


static void ngx_recs_replica_query_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static void ngx_recs_replica_query_answered(ngx_recs_replica_queries_t *q);
static ngx_int_t ngx_recs_replica_query_end_value(
    ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_replica_query_count_value(
    ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v);


void
ngx_recs_replica_query_init(ngx_recs_replica_queries_t *q)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_REPLICA_QUERIES; i++) {
        q->queries[i].of = q;
        q->queries[i].query.done = ngx_recs_replica_query_done;
        q->queries[i].query.data = &q->queries[i];
    }
}


void
ngx_recs_replica_query_begin(ngx_recs_replica_queries_t *q)
{
    ngx_uint_t  i;

    ngx_recs_replica_query_forget(q);

    for (i = 0; i < NGX_RECS_REPLICA_QUERIES; i++) {
        q->queries[i].rc = NGX_OK;
    }

    q->error_len = 0;
    q->conn = ngx_recs_redis_pick(q->replica->set->redis, &q->replica->key);
}


/* Without a connection, as if it had been lost. */

void
ngx_recs_replica_query_send(ngx_recs_replica_queries_t *q, ngx_uint_t n,
    ngx_uint_t nargs, const ngx_str_t *args, ngx_recs_replica_value_pt value)
{
    ngx_recs_redis_query_t  *query;

    query = &q->queries[n].query;
    query->value = value;
    q->queries[n].rc = NGX_ABORT;

    if (q->conn && ngx_recs_redis_send(q->conn, query, nargs, args) == NGX_OK) {
        q->npending++;
    }
}


void
ngx_recs_replica_query_sent(ngx_recs_replica_queries_t *q)
{
    if (q->npending == 0) {
        ngx_recs_replica_query_answered(q);
    }
}


static void
ngx_recs_replica_query_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_replica_query_t    *one;
    ngx_recs_replica_queries_t  *q;

    one = query->data;
    q = one->of;

    one->rc = rc;

    if (rc == NGX_ERROR && q->error_len == 0) {
        q->error_len = ngx_min(error->len, sizeof(q->error));
        ngx_memcpy(q->error, error->data, q->error_len);
    }

    if (--q->npending == 0) {
        ngx_recs_replica_query_answered(q);
    }
}


static void
ngx_recs_replica_query_answered(ngx_recs_replica_queries_t *q)
{
    ngx_str_t   error;
    ngx_uint_t  i;

    error.data = q->error;
    error.len = q->error_len;

    for (i = 0; i < NGX_RECS_REPLICA_QUERIES; i++) {
        if (q->queries[i].rc == NGX_ABORT) {
            q->answered(q->data, NGX_ABORT, &error);
            return;
        }
    }

    q->answered(q->data, error.len ? NGX_ERROR : NGX_OK, &error);
}


void
ngx_recs_replica_query_forget(ngx_recs_replica_queries_t *q)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_REPLICA_QUERIES; i++) {
        ngx_recs_redis_forget(&q->queries[i].query);
    }

    q->npending = 0;
}


void
ngx_recs_replica_query_end(ngx_recs_replica_queries_t *q, ngx_uint_t n)
{
    ngx_str_t  args[NGX_RECS_FEED_END_ARGS];

    ngx_recs_feed_end_args(q->replica, args);
    ngx_recs_replica_query_send(q, n, NGX_RECS_FEED_END_ARGS, args,
                                ngx_recs_replica_query_end_value);
}


static ngx_int_t
ngx_recs_replica_query_end_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_replica_query_t  *one;

    one = query->data;

    return ngx_recs_feed_end_value(v, &one->end);
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

    ngx_recs_replica_query_send(q, n, 2, args,
                                ngx_recs_replica_query_count_value);
}


static ngx_int_t
ngx_recs_replica_query_count_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_replica_query_t  *one;

    one = query->data;

    if (v->type != NGX_RECS_REDIS_INTEGER || v->integer < 0) {
        return NGX_ERROR;
    }

    one->of->count = v->integer;

    return NGX_OK;
}
