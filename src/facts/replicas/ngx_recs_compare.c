
/* How many ids Redis has, compared with how many the replica has. */


#include "ngx_recs_compare.h"


/* Counts that could not be compared, or differ, are compared again, ms. */

#define NGX_RECS_COMPARE_SOON    200


static void ngx_recs_compare_later(ngx_recs_compare_t *c);
static void ngx_recs_compare_ask(ngx_event_t *ev);
static void ngx_recs_compare_answered(void *data, ngx_int_t rc,
    const ngx_str_t *error);


void
ngx_recs_compare_init(ngx_recs_compare_t *c, ngx_cycle_t *cycle)
{
    c->timer.handler = ngx_recs_compare_ask;
    c->timer.data = c;
    c->timer.log = cycle->log;
    c->timer.cancelable = 1;

    c->queries.replica = c->writer->replica;
    c->queries.answered = ngx_recs_compare_answered;
    c->queries.data = c;

    ngx_recs_replica_query_init(&c->queries);
}


void
ngx_recs_compare_start(ngx_recs_compare_t *c)
{
    c->waiting = 0;
    c->compared = 0;
    c->differed = 0;

    ngx_recs_compare_later(c);
}


void
ngx_recs_compare_stop(ngx_recs_compare_t *c)
{
    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    ngx_recs_redis_batch_forget(&c->queries.batch);
}


void
ngx_recs_compare_soon(ngx_recs_compare_t *c)
{
    ngx_add_timer(&c->timer, 1);
}


static void
ngx_recs_compare_later(ngx_recs_compare_t *c)
{
    ngx_msec_t  resync;

    resync = c->writer->replica->resync;

    ngx_add_timer(&c->timer,
                  ngx_max(resync / 2, resync - 3 * NGX_RECS_COMPARE_SOON));
}


static void
ngx_recs_compare_ask(ngx_event_t *ev)
{
    ngx_recs_compare_t  *c;

    c = ev->data;

    c->waiting = 0;

    ngx_recs_replica_query_begin(&c->queries);
    ngx_recs_replica_query_end(&c->queries, 0);
    ngx_recs_replica_query_count(&c->queries, 1);
    ngx_recs_replica_query_end(&c->queries, 2);
    ngx_recs_redis_batch_sent(&c->queries.batch);
}


static void
ngx_recs_compare_answered(void *data, ngx_int_t rc, const ngx_str_t *error)
{
    ngx_recs_compare_t *c = data;

    if (rc == NGX_ERROR) {
        c->broken(c->data, NGX_RECS_RESYNC_FAILED, error);
        return;
    }

    /* what comes first: the entry, or another try */

    ngx_add_timer(&c->timer, NGX_RECS_COMPARE_SOON);

    if (rc == NGX_ABORT) {
        return;
    }

    if (ngx_recs_feed_id_cmp(&c->queries.ends[0], &c->queries.ends[2]) == 0) {
        c->waiting = 1;
        ngx_recs_compare_applied(c);
    }

    ngx_recs_compare_end(c);
}


void
ngx_recs_compare_applied(ngx_recs_compare_t *c)
{
    recs_table_stat_t  stat;

    if (!c->waiting
        || ngx_recs_feed_id_cmp(&c->writer->position.id, &c->queries.ends[0])
           != 0)
    {
        return;
    }

    recs_table_stat(c->writer->replica->table, &stat);

    c->waiting = 0;
    c->compared = 1;
    c->differs = (stat.ids != c->queries.count);
}


/*
 * Who writes the set and then the feed is between the two for a moment: once
 * is not enough.
 */

void
ngx_recs_compare_end(ngx_recs_compare_t *c)
{
    if (!c->compared) {
        return;
    }

    c->compared = 0;

    if (!c->differs) {
        c->differed = 0;
        ngx_recs_compare_later(c);
        return;
    }

    if (!c->differed) {
        c->differed = 1;
        ngx_add_timer(&c->timer, NGX_RECS_COMPARE_SOON);
        return;
    }

    c->broken(c->data, NGX_RECS_RESYNC_COUNT, NULL);
}
