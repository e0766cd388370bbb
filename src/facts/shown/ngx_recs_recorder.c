
/* The recorder's queues, and what it says in the log. */


#include "ngx_recs_recorder.h"
#include "ngx_recs_quiet.h"


/* What leaves at once: few enough commands for a pipeline. */

#define NGX_RECS_RECORDER_BATCH       256
#define NGX_RECS_RECORDER_BATCH_SIZE  (1024 * 1024)     /* bytes */

/* A recording over which so many connections were lost is the reason for it. */

#define NGX_RECS_RECORDER_LOSSES      5

/* Redis keeps an exiting worker as long as it confirms something in so long. */

#define NGX_RECS_RECORDER_LINGER      1000              /* ms */


static ngx_uint_t ngx_recs_recorder_room(ngx_recs_recorder_t *recorder,
    size_t size);
static void ngx_recs_recorder_free(ngx_recs_recording_t *recording);
static void ngx_recs_recorder_drop(ngx_recs_recorder_t *recorder);
static void ngx_recs_recorder_again(void *data);
static void ngx_recs_recorder_flush(ngx_event_t *ev);
static void ngx_recs_recorder_done(ngx_recs_redis_query_t *q, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_recorder_end(ngx_recs_recording_t *recording);
static void ngx_recs_recorder_keep(ngx_recs_recording_t *recording);
static ngx_uint_t ngx_recs_recorder_hopeless(ngx_recs_recording_t *recording);
static void ngx_recs_recorder_ill(ngx_recs_recorder_t *recorder,
    const ngx_str_t *error);
static void ngx_recs_recorder_well(ngx_recs_recorder_t *recorder);
static void ngx_recs_recorder_linger(ngx_event_t *ev);


const ngx_recs_counter_t  ngx_recs_recorder_counters[] = {
    ngx_recs_counter("responses", ngx_recs_recorder_counters_t, responses,
                     "Responses whose items were recorded, as Redis "
                     "confirmed."),
    ngx_recs_counter("ids", ngx_recs_recorder_counters_t, ids,
                     "Ids in the recorded responses."),
    ngx_recs_counter("batches", ngx_recs_recorder_counters_t, batches,
                     "Batches in which they were sent."),
    ngx_recs_counter("unkeyed", ngx_recs_recorder_counters_t, unkeyed,
                     "Responses that were not recorded, as the key was empty."),
    ngx_recs_counter("refused", ngx_recs_recorder_counters_t, refused,
                     "Responses that Redis refused, or that can never be "
                     "recorded."),
    ngx_recs_counter("dropped", ngx_recs_recorder_counters_t, dropped,
                     "Responses that were dropped, as too many waited or the "
                     "worker ended."),
    ngx_recs_counter_end
};


void
ngx_recs_recorder_init_worker(ngx_recs_recorder_t *recorder,
    ngx_cycle_t *cycle)
{
    ngx_queue_init(&recorder->unsent);
    ngx_queue_init(&recorder->waiting);
    ngx_queue_init(&recorder->sent);

    recorder->log = cycle->log;

    recorder->flush.handler = ngx_recs_recorder_flush;
    recorder->flush.data = recorder;
    recorder->flush.log = cycle->log;

    recorder->linger.handler = ngx_recs_recorder_linger;
    recorder->linger.data = recorder;
    recorder->linger.log = cycle->log;

    ngx_recs_redis_open_background(recorder->redis, ngx_recs_recorder_again,
                                   recorder);
}


void
ngx_recs_recorder_exit_worker(ngx_recs_recorder_t *recorder)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_recs_recording_t  *recording;

    ngx_queue_add(&recorder->sent, &recorder->waiting);
    ngx_queue_add(&recorder->sent, &recorder->unsent);

    n = recorder->nrecordings;

    while (!ngx_queue_empty(&recorder->sent)) {
        q = ngx_queue_head(&recorder->sent);
        recording = ngx_queue_data(q, ngx_recs_recording_t, queue);
        ngx_recs_recorder_free(recording);
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
ngx_recs_recorder_add(ngx_recs_recorder_t *recorder, const ngx_str_t *key,
    const recs_str_t *ids, ngx_uint_t n, const ngx_recs_retention_t *keep)
{
    size_t                 size;
    ngx_recs_recording_t  *recording;

    static const ngx_str_t  too_large =
        ngx_string("the ids of a page are too many bytes for a command");

    if (!ngx_recs_recording_fits(key, ids, n)) {
        ngx_recs_count(recorder->counters->refused, 1);
        ngx_recs_recorder_ill(recorder, &too_large);
        return;
    }

    size = ngx_recs_recording_size(key, ids, n);

    recording = ngx_recs_recorder_room(recorder, size)
                ? ngx_recs_recording_create(size, key, ids, n, keep,
                                            recorder->log)
                : NULL;

    if (recording == NULL) {
        ngx_recs_recorder_drop(recorder);
        return;
    }

    recording->done = ngx_recs_recorder_done;
    recording->data = recorder;

    ngx_queue_insert_tail(&recorder->waiting, &recording->queue);
    recorder->nrecordings++;
    recorder->size += recording->size;

    if (!recorder->linger.timer_set) {
        recorder->progress = 0;
        ngx_add_timer(&recorder->linger, NGX_RECS_RECORDER_LINGER);
    }

    ngx_post_event(&recorder->flush, &ngx_posted_events);
}


/*
 * The oldest give way: what was shown last matters most.  Those under way
 * can't.
 */

static ngx_uint_t
ngx_recs_recorder_room(ngx_recs_recorder_t *recorder, size_t size)
{
    ngx_queue_t           *q;
    ngx_recs_recording_t  *recording;

    if (size > NGX_RECS_RECORDINGS_SIZE_MAX) {
        return 0;
    }

    while (recorder->nrecordings == NGX_RECS_RECORDINGS_MAX
           || recorder->size + size > NGX_RECS_RECORDINGS_SIZE_MAX)
    {
        q = ngx_queue_head(ngx_queue_empty(&recorder->unsent)
                           ? &recorder->waiting : &recorder->unsent);

        if (q == ngx_queue_sentinel(&recorder->waiting)) {
            return 0;
        }

        recording = ngx_queue_data(q, ngx_recs_recording_t, queue);

        ngx_recs_recorder_free(recording);
        ngx_recs_recorder_drop(recorder);
    }

    return 1;
}


static void
ngx_recs_recorder_free(ngx_recs_recording_t *recording)
{
    ngx_recs_recorder_t  *recorder;

    recorder = recording->data;

    ngx_queue_remove(&recording->queue);
    recorder->nrecordings--;
    recorder->size -= recording->size;

    if (recorder->nrecordings == 0 && recorder->linger.timer_set) {
        ngx_del_timer(&recorder->linger);
    }

    ngx_recs_recording_free(recording);
}


static void
ngx_recs_recorder_drop(ngx_recs_recorder_t *recorder)
{
    ngx_recs_count(recorder->counters->dropped, 1);

    if (recorder->dropping++ == 0) {
        ngx_log_error(NGX_LOG_ERR, recorder->log, 0,
                      "recs_record_shown: what responses showed is dropped, "
                      "%ui wait for recs_redis \"%V\" already",
                      recorder->nrecordings, &recorder->redis->name);
    }
}


/*
 * A connection stands: what could not be sent, or was lost, leaves before all
 * that came since.
 */

static void
ngx_recs_recorder_again(void *data)
{
    ngx_recs_recorder_t *recorder = data;

    ngx_queue_t  *q;

    while (!ngx_queue_empty(&recorder->unsent)) {
        q = ngx_queue_last(&recorder->unsent);
        ngx_queue_remove(q);
        ngx_queue_insert_head(&recorder->waiting, q);
    }

    ngx_post_event(&recorder->flush, &ngx_posted_events);
}


/* Sends what waits, unless replies are awaited: then it is called again. */

static void
ngx_recs_recorder_flush(ngx_event_t *ev)
{
    size_t                  size;
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_recs_recording_t   *recording;
    ngx_recs_recorder_t    *recorder;
    ngx_recs_redis_conn_t  *conn;

    recorder = ev->data;

    if (!ngx_queue_empty(&recorder->sent)) {
        return;
    }

    n = 0;
    size = 0;

    while (n < NGX_RECS_RECORDER_BATCH && size < NGX_RECS_RECORDER_BATCH_SIZE
           && !ngx_queue_empty(&recorder->waiting))
    {
        q = ngx_queue_head(&recorder->waiting);
        recording = ngx_queue_data(q, ngx_recs_recording_t, queue);

        conn = ngx_recs_redis_background(recorder->redis, &recording->key);

        if (conn == NULL) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&recorder->unsent, q);
            continue;
        }

        if (ngx_recs_recording_send(recording, conn) != NGX_OK) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&recorder->sent, q);

        n++;
        size += recording->size;
    }

    if (n) {
        ngx_recs_count(recorder->counters->batches, 1);
    }
}


static void
ngx_recs_recorder_done(ngx_recs_redis_query_t *q, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_recording_t   *recording;
    ngx_recs_recorder_t    *recorder;
    ngx_recs_redis_conn_t  *conn;

    recording = q->data;
    recorder = recording->data;

    if (rc == NGX_ABORT) {
        recording->again = 1;
        recording->lost = 1;
        recording->due |= q->due;

    } else {
        recorder->progress = 1;
    }

    if (rc == NGX_ERROR && !recording->refused) {
        recording->refused = 1;
        ngx_recs_recorder_ill(recorder, error);
    }

    if (--recording->pending) {
        return;
    }

    if (recording->keep.within && !recording->expiring && !recording->refused
        && !recording->again)
    {
        conn = ngx_recs_redis_background(recorder->redis, &recording->key);

        if (conn && ngx_recs_recording_expire(recording, conn) == NGX_OK) {
            return;
        }

        recording->again = 1;
    }

    ngx_recs_recorder_end(recording);
}


static void
ngx_recs_recorder_end(ngx_recs_recording_t *recording)
{
    ngx_recs_recorder_t  *recorder;

    recorder = recording->data;

    if (recording->again && !ngx_recs_recorder_hopeless(recording)) {
        ngx_recs_recorder_keep(recording);

    } else {

        if (recording->refused) {
            ngx_recs_count(recorder->counters->refused, 1);

        } else {
            ngx_recs_count(recorder->counters->responses, 1);
            ngx_recs_count(recorder->counters->ids, recording->nids);
        }

        ngx_recs_recorder_free(recording);

        if (ngx_queue_empty(&recorder->sent)) {
            ngx_recs_recorder_well(recorder);
        }
    }

    if (ngx_queue_empty(&recorder->sent)
        && !ngx_queue_empty(&recorder->waiting))
    {
        ngx_post_event(&recorder->flush, &ngx_posted_events);
    }
}


/*
 * Until a connection stands, if one was lost.  Those that were lost with it
 * come in the order in which they were sent.
 */

static void
ngx_recs_recorder_keep(ngx_recs_recording_t *recording)
{
    ngx_recs_recorder_t  *recorder;

    recorder = recording->data;

    ngx_queue_remove(&recording->queue);

    if (recording->lost) {
        ngx_queue_insert_tail(&recorder->unsent, &recording->queue);

    } else {
        ngx_queue_insert_head(&recorder->waiting, &recording->queue);
    }
}


/*
 * If this is what an answer was due to first when a connection was lost, time
 * and again, it would be lost for ever, and nothing else recorded.
 */

static ngx_uint_t
ngx_recs_recorder_hopeless(ngx_recs_recording_t *recording)
{
    static const ngx_str_t  lost =
        ngx_string("the connection is lost over a page again and again");

    if (!recording->due || ++recording->losses < NGX_RECS_RECORDER_LOSSES) {
        return 0;
    }

    recording->refused = 1;
    ngx_recs_recorder_ill(recording->data, &lost);

    return 1;
}


static void
ngx_recs_recorder_ill(ngx_recs_recorder_t *recorder, const ngx_str_t *error)
{
    if (ngx_recs_quiet_ill(&recorder->failed)) {
        ngx_log_error(NGX_LOG_ERR, recorder->log, 0,
                      "recs_record_shown: recs_redis \"%V\" does not record "
                      "what was shown: %V", &recorder->redis->name, error);
    }
}


static void
ngx_recs_recorder_well(ngx_recs_recorder_t *recorder)
{
    if (ngx_recs_quiet_well(&recorder->failed)) {
        ngx_log_error(NGX_LOG_NOTICE, recorder->log, 0,
                      "recs_record_shown: recs_redis \"%V\" records what was "
                      "shown again", &recorder->redis->name);
    }

    if (recorder->dropping && ngx_queue_empty(&recorder->unsent)
        && ngx_queue_empty(&recorder->waiting))
    {
        ngx_log_error(NGX_LOG_NOTICE, recorder->log, 0,
                      "recs_record_shown: what responses showed is recorded in "
                      "recs_redis \"%V\" again, %ui were dropped",
                      &recorder->redis->name, recorder->dropping);

        recorder->dropping = 0;
    }
}


/*
 * A timer that isn't cancelable keeps a worker that is exiting: as long as
 * something waits and Redis goes on answering.  It also sends what was lost
 * with a connection for which another stands by now.
 */

static void
ngx_recs_recorder_linger(ngx_event_t *ev)
{
    ngx_recs_recorder_t  *recorder;

    recorder = ev->data;

    if (ngx_exiting && !recorder->progress) {
        return;
    }

    recorder->progress = 0;
    ngx_recs_recorder_again(recorder);

    ngx_add_timer(&recorder->linger, NGX_RECS_RECORDER_LINGER);
}
