
/*
 * Replies, read by hiredis's reader and handed out value by value: its
 * functions that should make objects make none.  A NULL from them stops the
 * reader for good, which is how a connection is given up in mid-reply.
 */


#include "ngx_recs_redis_reply.h"

#include <hiredis/hiredis.h>
#include <hiredis/sds.h>


#define NGX_RECS_REDIS_MAX_ELEMENTS  1000000
#define NGX_RECS_REDIS_MAX_DEPTH     7
#define NGX_RECS_REDIS_MAX_LINE      (64 * 1024)

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
static void ngx_recs_redis_long_line(ngx_recs_redis_reader_t *r);
static ngx_uint_t ngx_recs_redis_too_large(ngx_recs_redis_reader_t *r,
    size_t size, ngx_str_t *text);

static void *ngx_recs_redis_create_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_recs_redis_create_array(const redisReadTask *task,
    NGX_RECS_HIREDIS_ARRAY_T elements);
static void *ngx_recs_redis_create_integer(const redisReadTask *task,
    long long value);
static void *ngx_recs_redis_create_nil(const redisReadTask *task);
static void ngx_recs_redis_free_object(void *object);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_recs_redis_create_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_recs_redis_create_bool(const redisReadTask *task, int value);
#endif

static void *ngx_recs_redis_value(const redisReadTask *task,
    ngx_recs_redis_value_t *v);
static void *ngx_recs_redis_error(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_recs_redis_alien(ngx_recs_redis_reader_t *r);
static ngx_uint_t ngx_recs_redis_of_query(const ngx_recs_redis_reader_t *r);
static ngx_uint_t ngx_recs_redis_expected(ngx_recs_redis_reader_t *r);
static ngx_uint_t ngx_recs_redis_depth(const redisReadTask *task);


static redisReplyObjectFunctions  ngx_recs_redis_functions = {
    .createString = ngx_recs_redis_create_string,
    .createArray = ngx_recs_redis_create_array,
    .createInteger = ngx_recs_redis_create_integer,
    .createNil = ngx_recs_redis_create_nil,
#if (HIREDIS_MAJOR >= 1)
    .createDouble = ngx_recs_redis_create_double,
    .createBool = ngx_recs_redis_create_bool,
#endif
    .freeObject = ngx_recs_redis_free_object
};


ngx_int_t
ngx_recs_redis_reader_open(ngx_recs_redis_reader_t *r)
{
    r->error.data = r->error_data;
    r->error.len = 0;
    r->fault->text.len = 0;
    r->skip = 0;
    r->pushes = 0;
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

    if (!ngx_recs_redis_expected(r)) {
        return NGX_ERROR;
    }

    p = (u_char *) reader->buf + reader->pos;
    end = memchr(p, LF, ngx_min(unread, NGX_RECS_REDIS_MAX_LINE));

#if (HIREDIS_MAJOR >= 1)
    task = reader->task[reader->ridx];
#else
    task = &reader->rstack[reader->ridx];
#endif

    if (end && end > p && end[-1] == CR && task->type == REDIS_REPLY_STRING) {
        return ngx_recs_redis_unread_bulk(r, task, end + 1);
    }

    if (unread > NGX_RECS_REDIS_MAX_LINE) {
        ngx_recs_redis_long_line(r);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_recs_redis_long_line(ngx_recs_redis_reader_t *r)
{
    ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a reply with a line of more than %d bytes",
                         NGX_RECS_REDIS_MAX_LINE);
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
    size_t        len, here;
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

    text.data = data;

    if (!ngx_recs_redis_too_large(r, len, &text)) {
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


/* Whether a string of so many bytes is refused; text then says so. */

static ngx_uint_t
ngx_recs_redis_too_large(ngx_recs_redis_reader_t *r, size_t size,
    ngx_str_t *text)
{
    size_t                   max;
    ngx_recs_redis_slot_t   *slot;
    ngx_recs_redis_query_t  *q;

    slot = r->pipeline->head;
    q = slot ? slot->query : NULL;
    max = (q && q->max_bulk) ? q->max_bulk : r->max_bulk;

    if (size <= max) {
        return 0;
    }

    if (q) {
        q->too_large = 1;
    }

    text->len = ngx_sprintf(text->data,
                            "a reply of %uz bytes is over the bound of %uz",
                            size, max)
                - text->data;
    return 1;
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


static void *
ngx_recs_redis_create_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_str_t               text;
    ngx_recs_redis_value_t  v;
    u_char                  data[NGX_RECS_REDIS_TEXT];

    /* one that came in smaller pieces would have been refused before its end */

    if (task->type != REDIS_REPLY_STRING && len >= NGX_RECS_REDIS_MAX_LINE) {
        ngx_recs_redis_long_line(task->privdata);
        return NULL;
    }

    switch (task->type) {

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:

        text.data = data;

        if (ngx_recs_redis_too_large(task->privdata, len, &text)) {
            return ngx_recs_redis_error(task, (char *) data, text.len);
        }

        break;

    case REDIS_REPLY_ERROR:
        return ngx_recs_redis_error(task, str, len);

    default:
        return ngx_recs_redis_alien(task->privdata);
    }

    v.type = NGX_RECS_REDIS_STRING;
    v.integer = 0;
    v.str.len = len;
    v.str.data = (u_char *) str;

    return ngx_recs_redis_value(task, &v);
}


static void *
ngx_recs_redis_create_array(const redisReadTask *task,
    NGX_RECS_HIREDIS_ARRAY_T elements)
{
    ngx_recs_redis_value_t    v;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    if (task->type != REDIS_REPLY_ARRAY) {
        return ngx_recs_redis_alien(r);
    }

    if (elements > NGX_RECS_REDIS_MAX_ELEMENTS) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply with more than %d elements",
                             NGX_RECS_REDIS_MAX_ELEMENTS);
        return NULL;
    }

    if (ngx_recs_redis_depth(task) >= NGX_RECS_REDIS_MAX_DEPTH) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply nested deeper than %d",
                             NGX_RECS_REDIS_MAX_DEPTH);
        return NULL;
    }

    v.type = NGX_RECS_REDIS_ARRAY;
    v.integer = elements;
    ngx_str_null(&v.str);

    return ngx_recs_redis_value(task, &v);
}


static void *
ngx_recs_redis_create_integer(const redisReadTask *task, long long value)
{
    ngx_recs_redis_value_t  v;

    v.type = NGX_RECS_REDIS_INTEGER;
    v.integer = value;
    ngx_str_null(&v.str);

    return ngx_recs_redis_value(task, &v);
}


static void *
ngx_recs_redis_create_nil(const redisReadTask *task)
{
    ngx_recs_redis_value_t  v;

    /* "$-1" or "*-1"; others are RESP3 */

    if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_ARRAY) {
        return ngx_recs_redis_alien(task->privdata);
    }

    v.type = NGX_RECS_REDIS_NIL;
    v.integer = 0;
    ngx_str_null(&v.str);

    return ngx_recs_redis_value(task, &v);
}


#if (HIREDIS_MAJOR >= 1)

/* Left out, the reader would step over such values without a word. */

static void *
ngx_recs_redis_create_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    return ngx_recs_redis_alien(task->privdata);
}


static void *
ngx_recs_redis_create_bool(const redisReadTask *task, int value)
{
    return ngx_recs_redis_alien(task->privdata);
}

#endif


static void
ngx_recs_redis_free_object(void *object)
{
    /* none was made */
}


/* Any of the above gives the reader something that isn't NULL, or stops it. */

static void *
ngx_recs_redis_value(const redisReadTask *task, ngx_recs_redis_value_t *v)
{
    ngx_recs_redis_query_t   *q;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    if (!ngx_recs_redis_expected(r)) {
        return NULL;
    }

    v->depth = ngx_recs_redis_depth(task);
    v->index = v->depth ? task->idx : 0;

    if (!ngx_recs_redis_of_query(r)) {
        return r->value(r->data, v) == NGX_OK ? r : NULL;
    }

    q = r->pipeline->head->query;

    if (q == NULL) {
        return r;
    }

    if (q->value(q, v) != NGX_OK) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply that does not fit its command");
        return NULL;
    }

    return r;
}


/* Keeps the first error of a reply, for its end. */

static void *
ngx_recs_redis_error(const redisReadTask *task, char *str, size_t len)
{
    size_t                    i;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    if (!ngx_recs_redis_expected(r)) {
        return NULL;
    }

    if (r->error.len) {
        return r;
    }

    if (len == 0) {
        str = "ERR";
        len = 3;
    }

    r->error_depth = ngx_recs_redis_depth(task);
    r->error.len = ngx_min(len, NGX_RECS_REDIS_TEXT - 1);

    /* it may go into a log */

    for (i = 0; i < r->error.len; i++) {
        r->error.data[i] = ((u_char) str[i] < ' ') ? '.' : str[i];
    }

    if (!ngx_recs_redis_of_query(r) && r->failed(r->data) != NGX_OK) {
        return NULL;
    }

    return r;
}


static void *
ngx_recs_redis_alien(ngx_recs_redis_reader_t *r)
{
    ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a reply with a type that RESP2 does not have");
    return NULL;
}


/* Is what comes, and is expected, the reply to a query? */

static ngx_uint_t
ngx_recs_redis_of_query(const ngx_recs_redis_reader_t *r)
{
    return !r->pushes && r->pipeline->head->kind == NGX_RECS_REDIS_COMMAND;
}


/* Whether something that has left waits for a reply, or none has to. */

static ngx_uint_t
ngx_recs_redis_expected(ngx_recs_redis_reader_t *r)
{
    if (ngx_recs_redis_pipeline_due(r->pipeline) || r->pushes) {
        return 1;
    }

    ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a reply to nothing that was asked");
    return 0;
}


static ngx_uint_t
ngx_recs_redis_depth(const redisReadTask *task)
{
    ngx_uint_t  depth;

    depth = 0;

    while (task->parent) {
        task = task->parent;
        depth++;
    }

    return depth;
}
