
/*
 * Replies, from their first byte to their end, read by hiredis's reader, which
 * hands out their values: see the header.
 */


#include "ngx_recs_redis_reply.h"
#include "ngx_recs_redis_values.h"

#include <hiredis/sds.h>


/* Redis' own bound, "proto-max-bulk-len", unless it is set higher */
#define NGX_RECS_REDIS_MAX_SKIP      (512 * 1024 * 1024)

/* What a reader keeps for the replies to come.  It takes up to twice a reply */
#define NGX_RECS_REDIS_KEEP_BUFFER   (256 * 1024)


static ngx_int_t ngx_recs_redis_reply_end(ngx_recs_redis_reader_t *r);
static void ngx_recs_redis_reply_tell(ngx_recs_redis_reader_t *r, ngx_int_t rc);
static redisReader *ngx_recs_redis_new_reader(ngx_recs_redis_reader_t *r);
static void ngx_recs_redis_shrink(ngx_recs_redis_reader_t *r);
static ngx_int_t ngx_recs_redis_unread(ngx_recs_redis_reader_t *r);
static ngx_int_t ngx_recs_redis_unread_bulk(ngx_recs_redis_reader_t *r,
    redisReadTask *task, u_char *end);


ngx_int_t
ngx_recs_redis_reader_open(ngx_recs_redis_reader_t *r)
{
    r->error.data = r->error_data;
    r->error.len = 0;
    r->fault->text.len = 0;
    r->skip = 0;
    r->pushes = 0;
    r->push = 0;
    r->resp3 = 0;
    r->stop = 0;

    r->hiredis = ngx_recs_redis_new_reader(r);

    return r->hiredis ? NGX_OK : NGX_ERROR;
}


void
ngx_recs_redis_reader_close(ngx_recs_redis_reader_t *r)
{
    if (r->hiredis) {
        redisReaderFree(r->hiredis);
        r->hiredis = NULL;
    }
}


/*
 * Where there is much unused in its buffer (maxbuf), hiredis 0.14 first frees
 * it, then takes an empty one, and ends the process if there is no memory for
 * that: so a reader never does, ngx_recs_redis_shrink() does it instead.
 */

static redisReader *
ngx_recs_redis_new_reader(ngx_recs_redis_reader_t *r)
{
    redisReader  *reader;

    reader = redisReaderCreateWithFunctions(&ngx_recs_redis_functions);

    if (reader) {
        reader->privdata = r;
        reader->maxbuf = 0;
    }

    return reader;
}


/*
 * After a reply, with nothing left to read: what a large one took is given
 * back, with the reader, if there is memory for another one.
 */

static void
ngx_recs_redis_shrink(ngx_recs_redis_reader_t *r)
{
    redisReader  *reader, *empty;

    reader = r->hiredis;

    if (sdsalloc(reader->buf) <= NGX_RECS_REDIS_KEEP_BUFFER) {
        return;
    }

    empty = ngx_recs_redis_new_reader(r);

    if (empty) {
        r->hiredis = empty;
        redisReaderFree(reader);
    }
}


ngx_int_t
ngx_recs_redis_read(ngx_recs_redis_reader_t *r, u_char *buf, size_t size)
{
    void         *reply;
    size_t        skip;
    ngx_int_t     rc;
    redisReader  *reader;

    skip = ngx_min(r->skip, size);

    r->skip -= skip;
    buf += skip;
    size -= skip;

    if (size == 0) {
        return NGX_OK;
    }

    reader = r->hiredis;

    if (redisReaderFeed(reader, (char *) buf, size) != REDIS_OK) {
        goto failed;
    }

    for ( ;; ) {

        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            goto failed;
        }

        if (reply == NULL) {
            rc = ngx_recs_redis_unread(r);

            if (rc == NGX_DONE) {
                continue;
            }

            return rc;
        }

        if (ngx_recs_redis_reply_end(r) != NGX_OK || r->stop) {
            return NGX_ERROR;
        }

        if (reader->pos == reader->len) {
            ngx_recs_redis_shrink(r);
            return NGX_OK;
        }
    }

failed:

    if (r->fault->text.len == 0) {
        ngx_recs_redis_fault(r->fault,
                             reader->err == REDIS_ERR_OOM
                             ? NGX_RECS_REDIS_NO_RESOURCE
                             : NGX_RECS_REDIS_PROTOCOL,
                             0, "the reply cannot be read: %s",
                             reader->errstr);
    }

    return NGX_ERROR;
}


/*
 * Bounds what the reader keeps because its end has not come.  A line is sought
 * from its start each time that something comes, so it has to be shorter.
 * NGX_OK: more is needed; NGX_DONE: it has to look again; NGX_ERROR.
 */

static ngx_int_t
ngx_recs_redis_unread(ngx_recs_redis_reader_t *r)
{
    u_char         *p, *end;
    size_t          unread;
    redisReader    *reader;
    redisReadTask  *task;

    reader = r->hiredis;
    unread = reader->len - reader->pos;

    if (unread == 0) {
        return NGX_OK;
    }

    /* of RESP3 it may be a push: what it is, is known when it is read */

    if (!r->resp3 && !ngx_recs_redis_awaited(r)) {
        ngx_recs_redis_unasked(r);
        return NGX_ERROR;
    }

    p = (u_char *) reader->buf + reader->pos;
    end = memchr(p, LF, ngx_min(unread, NGX_RECS_REDIS_MAX_LINE));

#if (HIREDIS_MAJOR >= 1)
    task = reader->task[reader->ridx];
#else
    task = &reader->rstack[reader->ridx];
#endif

    if (end && end > p && end[-1] == CR
        && (task->type == REDIS_REPLY_STRING
#if (NGX_RECS_RESP3)
            || (task->type == REDIS_REPLY_VERB && r->resp3)
#endif
           ))
    {
        return ngx_recs_redis_unread_bulk(r, task, end + 1);
    }

    if (unread > NGX_RECS_REDIS_MAX_LINE) {
        ngx_recs_redis_long_line(r);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A string whose length, in the line before end, has come and whose last byte
 * has not.  If it is too long, the reader is given a line with an error in
 * its place: it has read the type, and waits for the rest.
 */

static ngx_int_t
ngx_recs_redis_unread_bulk(ngx_recs_redis_reader_t *r, redisReadTask *task,
    u_char *end)
{
    size_t        len, here, format;
    u_char       *p;
    ngx_str_t     text;
    redisReader  *reader;
    u_char        data[NGX_RECS_REDIS_TEXT];

    reader = r->hiredis;

    p = (u_char *) reader->buf + reader->pos;
    here = (u_char *) reader->buf + reader->len - end;

    /* the reader would have failed if these were no digits */

    for (len = 0; *p != CR; p++) {
        len = len * 10 + (*p - '0');
    }

    format = 0;

    if (task->type != REDIS_REPLY_STRING) {

        /* the reader looks for a format when all has come: here, before that */

        format = NGX_RECS_REDIS_FORMAT;

        if (len < format || here < format) {
            return NGX_OK;
        }

        if (end[format - 1] != ':') {
            ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                                 "a verbatim string without its format");
            return NGX_ERROR;
        }
    }

    text.data = data;

    if (!ngx_recs_redis_too_large(r, len - format, &text)) {
        return NGX_OK;
    }

    if (len > NGX_RECS_REDIS_MAX_SKIP) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0, "%V", &text);
        return NGX_ERROR;
    }

    r->skip = len + 2 - here;

    task->type = REDIS_REPLY_ERROR;
    reader->pos = reader->len;

    data[text.len++] = CR;
    data[text.len++] = LF;

    if (redisReaderFeed(reader, (char *) data, text.len) != REDIS_OK) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "no memory for a reply");
        return NGX_ERROR;
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_recs_redis_reply_end(ngx_recs_redis_reader_t *r)
{
    ngx_int_t                rc;
    ngx_str_t               *error;
    ngx_recs_redis_query_t  *q;

    if (!ngx_recs_redis_of_query(r)) {
        rc = r->end(r->data);
        r->error.len = 0;
        r->push = 0;

        return rc;
    }

    if (r->error.len && r->error_depth == 0 && r->redirect) {
        rc = r->redirect(r->data);

        if (rc != NGX_DECLINED) {
            r->error.len = 0;
            return rc;
        }
    }

    rc = NGX_OK;
    error = NULL;

    if (r->error.len) {
        ngx_recs_redis_count(r->counters, errors);

        error = &r->error;

        if (ngx_recs_redis_fault_known(r->fault, error)) {
            rc = NGX_ERROR;
        }
    }

    ngx_recs_redis_reply_tell(r, rc);

    q = ngx_recs_redis_pipeline_shift(r->pipeline);

    if (error == NULL && (r->fault->logged & NGX_RECS_REDIS_READONLY)) {
        r->well(r->data);
    }

    if (q && rc != NGX_OK) {
        q->done(q, NGX_ABORT, NULL);

    } else if (q) {
        q->done(q, error ? NGX_ERROR : NGX_OK, error);

    } else {
        ngx_recs_redis_count(r->counters, discarded);
    }

    r->error.len = 0;

    return rc;
}


/* Tells the breaker of a reply; rc: NGX_ERROR, the server refuses all. */

static void
ngx_recs_redis_reply_tell(ngx_recs_redis_reader_t *r, ngx_int_t rc)
{
    ngx_recs_redis_slot_t     *slot;
    ngx_recs_redis_query_t    *q;
    ngx_recs_redis_breaker_t  *b;

    b = r->pipeline->breaker;
    slot = r->pipeline->head;
    q = slot->query;

    if (b == NULL || q == NULL) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_recs_redis_breaker_failed(b, slot->since, 0);
        return;
    }

    if (ngx_recs_redis_breaker_counts(b) && !q->late) {
        ngx_recs_redis_breaker_answered(b, q->deadline);
    }
}
