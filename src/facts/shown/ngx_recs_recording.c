
/* The commands that record in Redis what one response showed. */


#include "ngx_recs_recording.h"


/* Bytes that a score takes: unix time, with three digits of a second. */

#define NGX_RECS_RECORDING_SCORE  (NGX_TIME_T_LEN + sizeof(".000") - 1)


static ngx_int_t ngx_recs_recording_send_ids(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn);
static size_t ngx_recs_recording_score(const ngx_recs_recording_t *recording,
    time_t sec, u_char *score);
static ngx_int_t ngx_recs_recording_send_trim(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_recording_command(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn, ngx_uint_t nargs, const ngx_str_t *args);
static ngx_int_t ngx_recs_recording_value(ngx_recs_redis_query_t *q,
    ngx_recs_redis_value_t *v);


ngx_uint_t
ngx_recs_recording_fits(const ngx_str_t *key, const recs_str_t *ids,
    ngx_uint_t n)
{
    size_t      bytes;
    ngx_uint_t  i;

    /* names of commands, and numbers in the others than ZADD */

    bytes = NGX_RECS_RECORDING_COMMANDS * (key->len + 64);

    for (i = 0; i < n; i++) {
        bytes += NGX_RECS_RECORDING_SCORE + ids[i].len;
    }

    return ngx_recs_redis_fits(NGX_RECS_RECORDING_COMMANDS, 3 + 2 * n + 4 + 4,
                               bytes);
}


size_t
ngx_recs_recording_size(const ngx_str_t *key, const recs_str_t *ids,
    ngx_uint_t n)
{
    size_t      size;
    ngx_uint_t  i;

    size = sizeof(ngx_recs_recording_t) + n * sizeof(recs_str_t) + key->len;

    for (i = 0; i < n; i++) {
        size += ids[i].len;
    }

    return size;
}


ngx_recs_recording_t *
ngx_recs_recording_create(size_t size, const ngx_str_t *key,
    const recs_str_t *ids, ngx_uint_t n, const ngx_recs_retention_t *keep,
    ngx_log_t *log)
{
    u_char                *p;
    ngx_uint_t             i;
    ngx_time_t            *tp;
    ngx_recs_recording_t  *recording;

    recording = ngx_alloc(size, log);
    if (recording == NULL) {
        return NULL;
    }

    ngx_memzero(recording, sizeof(ngx_recs_recording_t));

    tp = ngx_timeofday();

    recording->log = log;
    recording->size = size;
    recording->sec = tp->sec;
    recording->msec = tp->msec;
    recording->keep = *keep;
    recording->ids = (recs_str_t *) (recording + 1);
    recording->nids = n;

    p = (u_char *) (recording->ids + n);

    for (i = 0; i < n; i++) {
        recording->ids[i].data = p;
        recording->ids[i].len = ids[i].len;
        p = ngx_cpymem(p, ids[i].data, ids[i].len);
    }

    recording->key.data = p;
    recording->key.len = key->len;
    ngx_memcpy(p, key->data, key->len);

    return recording;
}


void
ngx_recs_recording_free(ngx_recs_recording_t *recording)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_RECORDING_COMMANDS; i++) {
        ngx_recs_redis_forget(&recording->queries[i]);
    }

    ngx_free(recording);
}


ngx_int_t
ngx_recs_recording_send(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn)
{
    ngx_int_t  rc;

    recording->refused = 0;
    recording->lost = 0;
    recording->due = 0;
    recording->expiring = 0;

    rc = ngx_recs_recording_send_ids(recording, conn);

    if (rc == NGX_OK) {
        rc = ngx_recs_recording_send_trim(recording, conn);
    }

    if (recording->pending == 0) {
        return NGX_ERROR;
    }

    recording->again = (rc != NGX_OK);

    return NGX_OK;
}


/* GT: what comes late takes back nothing that was shown since. */

static ngx_int_t
ngx_recs_recording_send_ids(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn)
{
    u_char       buf[NGX_RECS_RECORDING_SCORE];
    ngx_int_t    rc;
    ngx_str_t   *args, *arg, score;
    ngx_uint_t   i;

    args = ngx_alloc((3 + 2 * recording->nids) * sizeof(ngx_str_t),
                     recording->log);
    if (args == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&args[0], "ZADD");
    args[1] = recording->key;
    ngx_str_set(&args[2], "GT");

    score.data = buf;
    score.len = ngx_recs_recording_score(recording, recording->sec, buf);

    arg = &args[3];

    for (i = 0; i < recording->nids; i++) {
        *arg++ = score;
        arg->data = (u_char *) recording->ids[i].data;
        arg->len = recording->ids[i].len;
        arg++;
    }

    rc = ngx_recs_recording_command(recording, conn, arg - args, args);

    ngx_free(args);

    return rc;
}


/* The score of when it was shown, but in another second; returns its length. */

static size_t
ngx_recs_recording_score(const ngx_recs_recording_t *recording, time_t sec,
    u_char *score)
{
    return ngx_sprintf(score, recording->keep.unit_ms ? "%T%03M" : "%T.%03M",
                       sec, recording->msec)
           - score;
}


/* What a set with the same within= still counts stays. */

static ngx_int_t
ngx_recs_recording_send_trim(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn)
{
    u_char     number[NGX_RECS_RECORDING_SCORE];
    ngx_str_t  args[4];

    args[1] = recording->key;
    args[3].data = number;

    if (recording->keep.within) {
        ngx_str_set(&args[0], "ZREMRANGEBYSCORE");
        ngx_str_set(&args[2], "-inf");
        args[3].len = ngx_recs_recording_score(recording,
                                    recording->sec - recording->keep.within,
                                    number);

        if (ngx_recs_recording_command(recording, conn, 4, args) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (recording->keep.max) {
        ngx_str_set(&args[0], "ZREMRANGEBYRANK");
        ngx_str_set(&args[2], "0");
        args[3].len = ngx_sprintf(number, "-%ui", recording->keep.max + 1)
                      - number;

        if (ngx_recs_recording_command(recording, conn, 4, args) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Only when the ids were added: what else may stand at that key, by a mistake
 * in a configuration, must not go.  A second longer, as scores have fractions.
 */

ngx_int_t
ngx_recs_recording_expire(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn)
{
    u_char     number[NGX_INT64_LEN];
    ngx_str_t  args[3];

    ngx_str_set(&args[0], "EXPIRE");
    args[1] = recording->key;
    args[2].data = number;
    args[2].len = ngx_sprintf(number, "%T", recording->keep.within + 1)
                  - number;

    recording->expiring = 1;

    return ngx_recs_recording_command(recording, conn, 3, args);
}


static ngx_int_t
ngx_recs_recording_command(ngx_recs_recording_t *recording,
    ngx_recs_redis_conn_t *conn, ngx_uint_t nargs, const ngx_str_t *args)
{
    ngx_recs_redis_query_t  *q;

    q = &recording->queries[recording->pending];

    ngx_memzero(q, sizeof(ngx_recs_redis_query_t));

    q->value = ngx_recs_recording_value;
    q->done = recording->done;
    q->data = recording;

    if (ngx_recs_redis_send(conn, q, nargs, args) != NGX_OK) {
        return NGX_ERROR;
    }

    recording->pending++;

    return NGX_OK;
}


/* All are answered with a number. */

static ngx_int_t
ngx_recs_recording_value(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v)
{
    return v->type == NGX_RECS_REDIS_INTEGER && v->depth == 0 ? NGX_OK
                                                              : NGX_ERROR;
}
