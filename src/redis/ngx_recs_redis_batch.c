
/* Queries that are sent together, and answered together. */


#include "ngx_recs_redis_batch.h"


static void ngx_recs_redis_batch_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static void ngx_recs_redis_batch_end(ngx_recs_redis_batch_t *batch);


void
ngx_recs_redis_batch_init(ngx_recs_redis_batch_t *batch)
{
    ngx_uint_t                     n;
    ngx_recs_redis_batch_query_t  *one;

    for (n = 0; n < NGX_RECS_REDIS_BATCH; n++) {
        one = &batch->queries[n];

        one->batch = batch;
        one->query.done = ngx_recs_redis_batch_done;
        one->query.data = one;
        one->query.max_bulk = batch->max_bulk;
    }
}


void
ngx_recs_redis_batch_begin(ngx_recs_redis_batch_t *batch,
    ngx_recs_redis_t *redis, const ngx_str_t *key)
{
    ngx_uint_t  n;

    ngx_recs_redis_batch_forget(batch);

    for (n = 0; n < NGX_RECS_REDIS_BATCH; n++) {
        batch->queries[n].rc = NGX_OK;
    }

    batch->conn = ngx_recs_redis_pick_patient(redis, key);
}


void
ngx_recs_redis_batch_send(ngx_recs_redis_batch_t *batch, ngx_uint_t n,
    ngx_uint_t nargs, const ngx_str_t *args, ngx_recs_redis_value_pt value)
{
    ngx_recs_redis_batch_query_t  *one;

    one = &batch->queries[n];
    one->query.value = value;
    one->rc = NGX_ABORT;

    if (batch->conn
        && ngx_recs_redis_send(batch->conn, &one->query, nargs, args) == NGX_OK)
    {
        batch->npending++;
    }
}


void
ngx_recs_redis_batch_sent(ngx_recs_redis_batch_t *batch)
{
    if (batch->npending == 0) {
        ngx_recs_redis_batch_end(batch);
    }
}


static void
ngx_recs_redis_batch_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_redis_batch_t        *batch;
    ngx_recs_redis_batch_query_t  *one;

    one = query->data;
    batch = one->batch;

    one->rc = rc;

    if (rc == NGX_ERROR) {
        batch->failed(batch, one - batch->queries, error);
    }

    if (--batch->npending == 0) {
        ngx_recs_redis_batch_end(batch);
    }
}


static void
ngx_recs_redis_batch_end(ngx_recs_redis_batch_t *batch)
{
    ngx_int_t   rc;
    ngx_uint_t  n;

    rc = NGX_OK;

    for (n = 0; n < NGX_RECS_REDIS_BATCH; n++) {
        if (batch->queries[n].rc == NGX_ABORT) {
            rc = NGX_ABORT;
        }
    }

    batch->handler(batch, rc);
}


void
ngx_recs_redis_batch_forget(ngx_recs_redis_batch_t *batch)
{
    ngx_uint_t  n;

    for (n = 0; n < NGX_RECS_REDIS_BATCH; n++) {
        ngx_recs_redis_forget(&batch->queries[n].query);
    }

    batch->npending = 0;
}
