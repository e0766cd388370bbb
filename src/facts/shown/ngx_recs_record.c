
#include "ngx_recs_record.h"


/* What leaves at once: few enough commands for a pipeline. */

#define NGX_RECS_RECORD_BATCH       256
#define NGX_RECS_RECORD_BATCH_SIZE  (1024 * 1024)       /* bytes */

#define NGX_RECS_RECORD_COMMANDS    3       /* that wait together */

/* A record over which so many connections were lost is the reason for it. */

#define NGX_RECS_RECORD_LOSSES      5

/* Bytes that a score takes: unix time, with three digits of a second. */

#define NGX_RECS_RECORD_SCORE       (NGX_TIME_T_LEN + sizeof(".000") - 1)

/* Redis keeps an exiting worker as long as it confirms a record in so long. */

#define NGX_RECS_RECORD_LINGER      1000                /* ms */

/* Errors are logged again when there was none for so many seconds. */

#define NGX_RECS_RECORD_QUIET       10


/* What one response showed: its memory holds the ids' bytes and the key's. */

typedef struct {
    ngx_queue_t              queue;
    ngx_recs_recorder_t     *recorder;

    ngx_str_t                key;
    recs_str_t              *ids;
    ngx_uint_t               nids;
    size_t                   size;          /* bytes of all */
    time_t                   sec;           /* when it was shown */
    ngx_msec_t               msec;
    ngx_recs_retention_t     keep;

    ngx_recs_redis_query_t   queries[NGX_RECS_RECORD_COMMANDS];
    ngx_uint_t               pending;       /* replies that are awaited */
    ngx_uint_t               losses;        /* of connections, over it */
    unsigned                 expiring:1;    /* the last one is under way */
    unsigned                 refused:1;
    unsigned                 again:1;       /* some were lost */
} ngx_recs_record_t;


static ngx_uint_t ngx_recs_record_fits(const ngx_str_t *key,
    const recs_str_t *ids, ngx_uint_t n);
static ngx_recs_record_t *ngx_recs_record_create(ngx_recs_recorder_t *recorder,
    const ngx_str_t *key, const recs_str_t *ids, ngx_uint_t n);
static ngx_uint_t ngx_recs_record_room(ngx_recs_recorder_t *recorder,
    size_t size);
static void ngx_recs_record_free(ngx_recs_record_t *record);
static void ngx_recs_record_drop(ngx_recs_recorder_t *recorder);
static void ngx_recs_record_ready(ngx_recs_redis_private_t *connection);
static void ngx_recs_record_flush(ngx_event_t *ev);
static ngx_int_t ngx_recs_record_send(ngx_recs_record_t *record);
static ngx_int_t ngx_recs_record_send_ids(ngx_recs_record_t *record);
static size_t ngx_recs_record_score(const ngx_recs_record_t *record,
    time_t sec, u_char *score);
static ngx_int_t ngx_recs_record_send_trim(ngx_recs_record_t *record);
static ngx_int_t ngx_recs_record_expire(ngx_recs_record_t *record);
static ngx_int_t ngx_recs_record_command(ngx_recs_record_t *record,
    ngx_uint_t nargs, const ngx_str_t *args);
static ngx_int_t ngx_recs_record_value(ngx_recs_redis_query_t *q,
    ngx_recs_redis_value_t *v);
static void ngx_recs_record_done(ngx_recs_redis_query_t *q, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_record_end(ngx_recs_record_t *record);
static ngx_uint_t ngx_recs_record_hopeless(ngx_recs_record_t *record);
static void ngx_recs_record_ill(ngx_recs_recorder_t *recorder,
    const ngx_str_t *error);
static void ngx_recs_record_well(ngx_recs_recorder_t *recorder);
static void ngx_recs_record_linger(ngx_event_t *ev);


ngx_int_t
ngx_recs_recorder_init_worker(ngx_recs_recorder_t *recorder,
    ngx_cycle_t *cycle)
{
    ngx_queue_init(&recorder->waiting);
    ngx_queue_init(&recorder->sent);

    recorder->log = cycle->log;

    recorder->flush.handler = ngx_recs_record_flush;
    recorder->flush.data = recorder;
    recorder->flush.log = cycle->log;

    recorder->linger.handler = ngx_recs_record_linger;
    recorder->linger.data = recorder;
    recorder->linger.log = cycle->log;

    recorder->connection.redis = recorder->redis;
    recorder->connection.ready = ngx_recs_record_ready;
    recorder->connection.data = recorder;
    recorder->connection.lasting = 1;

    return ngx_recs_redis_open_private(&recorder->connection, cycle);
}


void
ngx_recs_recorder_exit_worker(ngx_recs_recorder_t *recorder)
{
    ngx_uint_t          n;
    ngx_queue_t        *q;
    ngx_recs_record_t  *record;

    ngx_recs_redis_close_private(&recorder->connection);

    ngx_queue_add(&recorder->sent, &recorder->waiting);

    n = recorder->nrecords;

    while (!ngx_queue_empty(&recorder->sent)) {
        q = ngx_queue_head(&recorder->sent);
        record = ngx_queue_data(q, ngx_recs_record_t, queue);
        ngx_recs_record_free(record);
    }

    if (n) {
        ngx_recs_count(recorder->counters->dropped, n);

        ngx_log_error(NGX_LOG_WARN, recorder->log, 0,
                      "recs_record_shown: what %ui responses showed is not "
                      "recorded in recs_redis \"%V\", the worker ends",
                      n, &recorder->redis->name);
    }
}


void
ngx_recs_record(ngx_recs_recorder_t *recorder, const ngx_str_t *key,
    const recs_str_t *ids, ngx_uint_t n, const ngx_recs_retention_t *keep)
{
    ngx_time_t         *tp;
    ngx_recs_record_t  *record;

    static const ngx_str_t  too_large =
        ngx_string("the ids of a page are too many bytes for a command");

    if (!ngx_recs_record_fits(key, ids, n)) {
        ngx_recs_count(recorder->counters->refused, 1);
        ngx_recs_record_ill(recorder, &too_large);
        return;
    }

    record = ngx_recs_record_create(recorder, key, ids, n);

    if (record == NULL) {
        ngx_recs_record_drop(recorder);
        return;
    }

    tp = ngx_timeofday();

    record->sec = tp->sec;
    record->msec = tp->msec;
    record->keep = *keep;

    ngx_queue_insert_tail(&recorder->waiting, &record->queue);
    recorder->nrecords++;
    recorder->size += record->size;

    if (!recorder->linger.timer_set) {
        recorder->progress = 0;
        ngx_add_timer(&recorder->linger, NGX_RECS_RECORD_LINGER);
    }

    if (recorder->ready) {
        ngx_post_event(&recorder->flush, &ngx_posted_events);
    }
}


/* What can't leave would hold up all that comes after it. */

static ngx_uint_t
ngx_recs_record_fits(const ngx_str_t *key, const recs_str_t *ids, ngx_uint_t n)
{
    size_t      bytes;
    ngx_uint_t  i;

    /* names of commands, and numbers in the others than ZADD */

    bytes = NGX_RECS_RECORD_COMMANDS * (key->len + 64);

    for (i = 0; i < n; i++) {
        bytes += NGX_TIME_T_LEN + sizeof(".000") - 1 + ids[i].len;
    }

    return ngx_recs_redis_fits(NGX_RECS_RECORD_COMMANDS, 3 + 2 * n + 4 + 4,
                               bytes);
}


/* NULL: there is no room for it, or no memory. */

static ngx_recs_record_t *
ngx_recs_record_create(ngx_recs_recorder_t *recorder, const ngx_str_t *key,
    const recs_str_t *ids, ngx_uint_t n)
{
    size_t              size;
    u_char             *p;
    ngx_uint_t          i;
    ngx_recs_record_t  *record;

    size = sizeof(ngx_recs_record_t) + n * sizeof(recs_str_t) + key->len;

    for (i = 0; i < n; i++) {
        size += ids[i].len;
    }

    if (!ngx_recs_record_room(recorder, size)) {
        return NULL;
    }

    record = ngx_alloc(size, recorder->log);
    if (record == NULL) {
        return NULL;
    }

    ngx_memzero(record, sizeof(ngx_recs_record_t));

    record->recorder = recorder;
    record->size = size;
    record->ids = (recs_str_t *) (record + 1);
    record->nids = n;

    p = (u_char *) (record->ids + n);

    for (i = 0; i < n; i++) {
        record->ids[i].data = p;
        record->ids[i].len = ids[i].len;
        p = ngx_cpymem(p, ids[i].data, ids[i].len);
    }

    record->key.data = p;
    record->key.len = key->len;
    ngx_memcpy(p, key->data, key->len);

    return record;
}


/*
 * The oldest give way: what was shown last matters most.  Those under way
 * can't.
 */

static ngx_uint_t
ngx_recs_record_room(ngx_recs_recorder_t *recorder, size_t size)
{
    ngx_queue_t        *q;
    ngx_recs_record_t  *record;

    if (size > NGX_RECS_RECORDS_SIZE_MAX) {
        return 0;
    }

    while (recorder->nrecords == NGX_RECS_RECORDS_MAX
           || recorder->size + size > NGX_RECS_RECORDS_SIZE_MAX)
    {
        if (ngx_queue_empty(&recorder->waiting)) {
            return 0;
        }

        q = ngx_queue_head(&recorder->waiting);
        record = ngx_queue_data(q, ngx_recs_record_t, queue);

        ngx_recs_record_free(record);
        ngx_recs_record_drop(recorder);
    }

    return 1;
}


static void
ngx_recs_record_free(ngx_recs_record_t *record)
{
    ngx_recs_recorder_t  *recorder;

    recorder = record->recorder;

    ngx_queue_remove(&record->queue);
    recorder->nrecords--;
    recorder->size -= record->size;

    if (recorder->nrecords == 0 && recorder->linger.timer_set) {
        ngx_del_timer(&recorder->linger);
    }

    ngx_free(record);
}


static void
ngx_recs_record_drop(ngx_recs_recorder_t *recorder)
{
    ngx_recs_count(recorder->counters->dropped, 1);

    if (recorder->dropping++ == 0) {
        ngx_log_error(NGX_LOG_ERR, recorder->log, 0,
                      "recs_record_shown: what responses showed is dropped, "
                      "%ui wait for recs_redis \"%V\" already",
                      recorder->nrecords, &recorder->redis->name);
    }
}


/*
 * It stands: what was under way when it was lost leaves first.  What was sent
 * since, while it was being opened, is under way still.
 */

static void
ngx_recs_record_ready(ngx_recs_redis_private_t *connection)
{
    ngx_queue_t          *q, *prev;
    ngx_recs_record_t    *record;
    ngx_recs_recorder_t  *recorder;

    recorder = connection->data;
    recorder->ready = 1;

    for (q = ngx_queue_last(&recorder->sent);
         q != ngx_queue_sentinel(&recorder->sent);
         q = prev)
    {
        prev = ngx_queue_prev(q);
        record = ngx_queue_data(q, ngx_recs_record_t, queue);

        if (record->pending == 0) {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&recorder->waiting, q);
        }
    }

    ngx_post_event(&recorder->flush, &ngx_posted_events);
}


/* Sends what waits, unless replies are awaited: then it is called again. */

static void
ngx_recs_record_flush(ngx_event_t *ev)
{
    size_t                size;
    ngx_uint_t            n;
    ngx_queue_t          *q;
    ngx_recs_record_t    *record;
    ngx_recs_recorder_t  *recorder;

    recorder = ev->data;

    if (!recorder->ready || !ngx_queue_empty(&recorder->sent)) {
        return;
    }

    n = 0;
    size = 0;

    while (n < NGX_RECS_RECORD_BATCH && size < NGX_RECS_RECORD_BATCH_SIZE
           && !ngx_queue_empty(&recorder->waiting))
    {
        q = ngx_queue_head(&recorder->waiting);
        record = ngx_queue_data(q, ngx_recs_record_t, queue);

        if (ngx_recs_record_send(record) != NGX_OK) {
            break;
        }

        n++;
        size += record->size;
    }

    if (n) {
        ngx_recs_count(recorder->counters->batches, 1);
    }
}


/*
 * NGX_OK: a reply will come.  NGX_ERROR: the connection takes no more, it waits
 * on.
 */

static ngx_int_t
ngx_recs_record_send(ngx_recs_record_t *record)
{
    ngx_int_t  rc;

    record->refused = 0;
    record->expiring = 0;

    rc = ngx_recs_record_send_ids(record);

    if (rc == NGX_OK) {
        rc = ngx_recs_record_send_trim(record);
    }

    if (record->pending == 0) {
        return NGX_ERROR;
    }

    record->again = (rc != NGX_OK);

    ngx_queue_remove(&record->queue);
    ngx_queue_insert_tail(&record->recorder->sent, &record->queue);

    return NGX_OK;
}


/* GT: what comes late takes back nothing that was shown since. */

static ngx_int_t
ngx_recs_record_send_ids(ngx_recs_record_t *record)
{
    u_char       buf[NGX_RECS_RECORD_SCORE];
    ngx_int_t    rc;
    ngx_str_t   *args, *arg, score;
    ngx_uint_t   i;

    args = ngx_alloc((3 + 2 * record->nids) * sizeof(ngx_str_t),
                     record->recorder->log);
    if (args == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&args[0], "ZADD");
    args[1] = record->key;
    ngx_str_set(&args[2], "GT");

    score.data = buf;
    score.len = ngx_recs_record_score(record, record->sec, buf);

    arg = &args[3];

    for (i = 0; i < record->nids; i++) {
        *arg++ = score;
        arg->data = (u_char *) record->ids[i].data;
        arg->len = record->ids[i].len;
        arg++;
    }

    rc = ngx_recs_record_command(record, arg - args, args);

    ngx_free(args);

    return rc;
}


/* The score of when it was shown, but in another second; returns its length. */

static size_t
ngx_recs_record_score(const ngx_recs_record_t *record, time_t sec,
    u_char *score)
{
    return ngx_sprintf(score, record->keep.unit_ms ? "%T%03M" : "%T.%03M", sec,
                       record->msec)
           - score;
}


/* What a set with the same within= still counts stays. */

static ngx_int_t
ngx_recs_record_send_trim(ngx_recs_record_t *record)
{
    u_char     number[NGX_RECS_RECORD_SCORE];
    ngx_str_t  args[4];

    args[1] = record->key;
    args[3].data = number;

    if (record->keep.within) {
        ngx_str_set(&args[0], "ZREMRANGEBYSCORE");
        ngx_str_set(&args[2], "-inf");
        args[3].len = ngx_recs_record_score(record,
                                            record->sec - record->keep.within,
                                            number);

        if (ngx_recs_record_command(record, 4, args) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (record->keep.max) {
        ngx_str_set(&args[0], "ZREMRANGEBYRANK");
        ngx_str_set(&args[2], "0");
        args[3].len = ngx_sprintf(number, "-%ui", record->keep.max + 1)
                      - number;

        if (ngx_recs_record_command(record, 4, args) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Only when the ids were added: what else may stand at that key, by a mistake
 * in a configuration, must not go.  A second longer, as scores have fractions.
 */

static ngx_int_t
ngx_recs_record_expire(ngx_recs_record_t *record)
{
    u_char     number[NGX_INT64_LEN];
    ngx_str_t  args[3];

    ngx_str_set(&args[0], "EXPIRE");
    args[1] = record->key;
    args[2].data = number;
    args[2].len = ngx_sprintf(number, "%T", record->keep.within + 1) - number;

    record->expiring = 1;

    return ngx_recs_record_command(record, 3, args);
}


static ngx_int_t
ngx_recs_record_command(ngx_recs_record_t *record, ngx_uint_t nargs,
    const ngx_str_t *args)
{
    ngx_recs_redis_query_t  *q;

    q = &record->queries[record->pending];

    ngx_memzero(q, sizeof(ngx_recs_redis_query_t));

    q->value = ngx_recs_record_value;
    q->done = ngx_recs_record_done;
    q->data = record;

    if (ngx_recs_redis_send(record->recorder->connection.conn, q, nargs, args)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    record->pending++;

    return NGX_OK;
}


/* All are answered with a number. */

static ngx_int_t
ngx_recs_record_value(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v)
{
    return v->type == NGX_RECS_REDIS_INTEGER && v->depth == 0 ? NGX_OK
                                                              : NGX_ERROR;
}


static void
ngx_recs_record_done(ngx_recs_redis_query_t *q, ngx_int_t rc, ngx_str_t *error)
{
    ngx_recs_record_t    *record;
    ngx_recs_recorder_t  *recorder;

    record = q->data;
    recorder = record->recorder;

    if (rc == NGX_ABORT) {
        recorder->ready = 0;
        record->again = 1;

    } else {
        recorder->progress = 1;
    }

    if (rc == NGX_ERROR && !record->refused) {
        record->refused = 1;
        ngx_recs_record_ill(recorder, error);
    }

    if (--record->pending) {
        return;
    }

    if (record->keep.within && !record->expiring && !record->refused
        && !record->again)
    {
        if (ngx_recs_record_expire(record) == NGX_OK) {
            return;
        }

        record->again = 1;
    }

    ngx_recs_record_end(record);
}


static void
ngx_recs_record_end(ngx_recs_record_t *record)
{
    ngx_recs_recorder_t  *recorder;

    recorder = record->recorder;

    if (record->again && recorder->ready) {
        ngx_queue_remove(&record->queue);
        ngx_queue_insert_head(&recorder->waiting, &record->queue);

    } else if (record->again && !ngx_recs_record_hopeless(record)) {
        /* it stays where it is until the connection stands */
        return;

    } else {

        if (record->refused) {
            ngx_recs_count(recorder->counters->refused, 1);

        } else {
            ngx_recs_count(recorder->counters->responses, 1);
            ngx_recs_count(recorder->counters->ids, record->nids);
        }

        ngx_recs_record_free(record);
    }

    if (ngx_queue_empty(&recorder->sent)) {
        ngx_recs_record_well(recorder);

        if (!ngx_queue_empty(&recorder->waiting)) {
            ngx_post_event(&recorder->flush, &ngx_posted_events);
        }
    }
}


/*
 * The connection was lost.  If this is what an answer was due to first, time
 * and again, it would be lost for ever, and nothing else recorded.
 */

static ngx_uint_t
ngx_recs_record_hopeless(ngx_recs_record_t *record)
{
    ngx_recs_recorder_t  *recorder;

    static const ngx_str_t  lost =
        ngx_string("the connection is lost over a page again and again");

    recorder = record->recorder;

    if (ngx_queue_head(&recorder->sent) != &record->queue
        || ++record->losses < NGX_RECS_RECORD_LOSSES)
    {
        return 0;
    }

    record->refused = 1;
    ngx_recs_record_ill(recorder, &lost);

    return 1;
}


static void
ngx_recs_record_ill(ngx_recs_recorder_t *recorder, const ngx_str_t *error)
{
    if (recorder->failed == 0) {
        ngx_log_error(NGX_LOG_ERR, recorder->log, 0,
                      "recs_record_shown: recs_redis \"%V\" does not record "
                      "what was shown: %V", &recorder->redis->name, error);
    }

    recorder->failed = ngx_time();
}


static void
ngx_recs_record_well(ngx_recs_recorder_t *recorder)
{
    if (recorder->failed
        && ngx_time() - recorder->failed >= NGX_RECS_RECORD_QUIET)
    {
        recorder->failed = 0;

        ngx_log_error(NGX_LOG_NOTICE, recorder->log, 0,
                      "recs_record_shown: recs_redis \"%V\" records what was "
                      "shown again", &recorder->redis->name);
    }

    if (recorder->dropping && ngx_queue_empty(&recorder->waiting)) {
        ngx_log_error(NGX_LOG_NOTICE, recorder->log, 0,
                      "recs_record_shown: what responses showed is recorded in "
                      "recs_redis \"%V\" again, %ui were dropped",
                      &recorder->redis->name, recorder->dropping);

        recorder->dropping = 0;
    }
}


/*
 * A timer that isn't cancelable keeps a worker that is exiting: as long as
 * something waits and Redis goes on answering.
 */

static void
ngx_recs_record_linger(ngx_event_t *ev)
{
    ngx_recs_recorder_t  *recorder;

    recorder = ev->data;

    if (ngx_exiting && !recorder->progress) {
        return;
    }

    recorder->progress = 0;

    ngx_add_timer(&recorder->linger, NGX_RECS_RECORD_LINGER);
}
