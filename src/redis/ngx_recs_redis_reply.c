
/*
 * Replies, read by hiredis's reader and handed out value by value: its
 * functions that should make objects make none.  A NULL from them stops the
 * reader for good, which is how a connection is given up in mid-reply.
 */


#include "ngx_recs_redis_conn.h"

#include <hiredis/sds.h>


#define NGX_RECS_REDIS_MAX_ELEMENTS  1000000
#define NGX_RECS_REDIS_MAX_DEPTH     7
#define NGX_RECS_REDIS_MAX_BULK      (16 * 1024 * 1024)
#define NGX_RECS_REDIS_MAX_LINE      (64 * 1024)

/* Redis' own bound, "proto-max-bulk-len", unless it is set higher */
#define NGX_RECS_REDIS_MAX_SKIP      (512 * 1024 * 1024)

/* What a reader keeps for the replies to come.  It takes up to twice a reply */
#define NGX_RECS_REDIS_KEEP_BUFFER   (256 * 1024)


/* Errors after which a connection is of no use until something changes. */

typedef struct {
    ngx_str_t                 prefix;
    ngx_recs_redis_reason_e   reason;
    const char               *text;
} ngx_recs_redis_error_t;


static ngx_recs_redis_error_t *ngx_recs_redis_find_error(ngx_str_t *error);
static ngx_int_t ngx_recs_redis_reply_end(ngx_recs_redis_conn_t *conn);
static redisReader *ngx_recs_redis_new_reader(ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_shrink(ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_unread(ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_unread_bulk(ngx_recs_redis_conn_t *conn,
    redisReadTask *task, u_char *end);
static ngx_uint_t ngx_recs_redis_too_large(ngx_recs_redis_conn_t *conn,
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
static void *ngx_recs_redis_handshake_value(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v);
static void *ngx_recs_redis_error(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_recs_redis_handshake_error(ngx_recs_redis_conn_t *conn);
static void *ngx_recs_redis_alien(ngx_recs_redis_conn_t *conn);
static ngx_uint_t ngx_recs_redis_expected(ngx_recs_redis_conn_t *conn);
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


/*
 * Nothing of these errors' own text is shown: that of an error to AUTH could
 * hold the password.
 */

static ngx_recs_redis_error_t  ngx_recs_redis_errors[] = {

    { ngx_string("LOADING "), NGX_RECS_REDIS_LOADING,
      "Redis is loading its data" },

    { ngx_string("MASTERDOWN "), NGX_RECS_REDIS_MASTERDOWN,
      "Redis is a replica that lost its master, and serves no stale data" },

    { ngx_string("NOAUTH "), NGX_RECS_REDIS_AUTH_FAILED,
      "Redis asks for a password" },

    { ngx_string("WRONGPASS "), NGX_RECS_REDIS_AUTH_FAILED,
      "Redis refused the user or the password" },

    { ngx_string("DENIED "), NGX_RECS_REDIS_DENIED,
      "Redis is in protected mode and serves its own host only" },

    { ngx_string("ERR max number of clients "), NGX_RECS_REDIS_DENIED,
      "Redis takes no more clients, see \"maxclients\" in redis.conf" },

    { ngx_null_string, 0, NULL }
};


redisReader *
ngx_recs_redis_reader(ngx_recs_redis_conn_t *conn)
{
    conn->error.len = 0;
    conn->fault.text.len = 0;
    conn->skip = 0;

    return ngx_recs_redis_new_reader(conn);
}


/*
 * Where there is much unused in its buffer (maxbuf), hiredis 0.14 first frees
 * it, then takes an empty one, and ends the process if there is no memory for
 * that: so a reader never does, ngx_recs_redis_shrink() does it instead.
 */

static redisReader *
ngx_recs_redis_new_reader(ngx_recs_redis_conn_t *conn)
{
    redisReader  *reader;

    reader = redisReaderCreateWithFunctions(&ngx_recs_redis_functions);

    if (reader) {
        reader->privdata = conn;
        reader->maxbuf = 0;
    }

    return reader;
}


/*
 * After a reply, with nothing left to read: what a large one took is given
 * back, with the reader, if there is memory for another one.
 */

static void
ngx_recs_redis_shrink(ngx_recs_redis_conn_t *conn)
{
    redisReader  *reader, *empty;

    reader = conn->reader;

    if (sdsalloc(reader->buf) <= NGX_RECS_REDIS_KEEP_BUFFER) {
        return;
    }

    empty = ngx_recs_redis_new_reader(conn);

    if (empty) {
        conn->reader = empty;
        redisReaderFree(reader);
    }
}


ngx_int_t
ngx_recs_redis_read(ngx_recs_redis_conn_t *conn, u_char *buf, size_t size)
{
    void         *reply;
    size_t        skip;
    ngx_int_t     rc;
    redisReader  *reader;

    skip = ngx_min(conn->skip, size);

    conn->skip -= skip;
    buf += skip;
    size -= skip;

    if (size == 0) {
        return NGX_OK;
    }

    reader = conn->reader;

    if (redisReaderFeed(reader, (char *) buf, size) != REDIS_OK) {
        goto failed;
    }

    for ( ;; ) {

        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            goto failed;
        }

        if (reply == NULL) {
            rc = ngx_recs_redis_unread(conn);

            if (rc == NGX_DONE) {
                continue;
            }

            return rc;
        }

        rc = ngx_recs_redis_pushed(conn) ? ngx_recs_redis_push_end(conn)
                                         : ngx_recs_redis_reply_end(conn);
        if (rc != NGX_OK || conn->dropped) {
            return NGX_ERROR;
        }

        if (reader->pos == reader->len) {
            ngx_recs_redis_shrink(conn);
            return NGX_OK;
        }
    }

failed:

    if (conn->fault.text.len == 0) {
        ngx_recs_redis_fault(conn,
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
ngx_recs_redis_unread(ngx_recs_redis_conn_t *conn)
{
    u_char         *p, *end;
    size_t          unread;
    redisReader    *reader;
    redisReadTask  *task;

    reader = conn->reader;
    unread = reader->len - reader->pos;

    if (unread == 0) {
        return NGX_OK;
    }

    if (!ngx_recs_redis_expected(conn)) {
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
        return ngx_recs_redis_unread_bulk(conn, task, end + 1);
    }

    if (unread > NGX_RECS_REDIS_MAX_LINE) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply with a line of more than %d bytes",
                             NGX_RECS_REDIS_MAX_LINE);
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
ngx_recs_redis_unread_bulk(ngx_recs_redis_conn_t *conn, redisReadTask *task,
    u_char *end)
{
    size_t        len, here;
    u_char       *p;
    ngx_str_t     text;
    redisReader  *reader;
    u_char        data[NGX_RECS_REDIS_TEXT];

    reader = conn->reader;

    p = (u_char *) reader->buf + reader->pos;
    here = (u_char *) reader->buf + reader->len - end;

    /* the reader would have failed if these were no digits */

    for (len = 0; *p != CR; p++) {
        len = len * 10 + (*p - '0');
    }

    text.data = data;

    if (!ngx_recs_redis_too_large(conn, len, &text)) {
        return NGX_OK;
    }

    if (len > NGX_RECS_REDIS_MAX_SKIP) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0, "%V", &text);
        return NGX_ERROR;
    }

    conn->skip = len + 2 - here;

    task->type = REDIS_REPLY_ERROR;
    reader->pos = reader->len;

    data[text.len++] = CR;
    data[text.len++] = LF;

    if (redisReaderFeed(reader, (char *) data, text.len) != REDIS_OK) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_RESOURCE, 0,
                             "no memory for a reply");
        return NGX_ERROR;
    }

    return NGX_DONE;
}


/* Whether a string of so many bytes is refused; text then says so. */

static ngx_uint_t
ngx_recs_redis_too_large(ngx_recs_redis_conn_t *conn, size_t size,
    ngx_str_t *text)
{
    size_t                   max;
    ngx_recs_redis_query_t  *q;

    q = conn->head ? conn->head->query : NULL;
    max = NGX_RECS_REDIS_MAX_BULK;

    if (ngx_recs_redis_subscribes(conn)) {
        max = NGX_RECS_REDIS_MAX_MESSAGE;

    } else if (q && q->max_bulk) {
        max = q->max_bulk;
    }

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
ngx_recs_redis_reply_end(ngx_recs_redis_conn_t *conn)
{
    ngx_str_t               *error;
    ngx_recs_redis_kind_e    kind;
    ngx_recs_redis_error_t  *known;
    ngx_recs_redis_query_t  *q;

    kind = conn->head->kind;

    q = ngx_recs_redis_shift(conn);

    if (kind != NGX_RECS_REDIS_COMMAND) {

        /*
         * PING is the last of the handshake, unless SUBSCRIBE is; errors don't
         * get here
         */

        if (kind == NGX_RECS_REDIS_PING && !ngx_recs_redis_subscribes(conn)) {
            ngx_recs_redis_conn_ready(conn);
        }

        return NGX_OK;
    }

    error = NULL;
    known = NULL;

    if (conn->error.len) {
        ngx_recs_redis_count(conn->redis, errors);

        error = &conn->error;
        known = ngx_recs_redis_find_error(error);
    }

    if (q) {
        q->done(q, error ? NGX_ERROR : NGX_OK, error);

    } else {
        ngx_recs_redis_count(conn->redis, discarded);
    }

    conn->error.len = 0;

    if (known) {
        ngx_recs_redis_fault(conn, known->reason, 0, "%s", known->text);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_recs_redis_error_t *
ngx_recs_redis_find_error(ngx_str_t *error)
{
    ngx_recs_redis_error_t  *known;

    for (known = ngx_recs_redis_errors; known->text; known++) {

        if (error->len >= known->prefix.len
            && ngx_memcmp(error->data, known->prefix.data, known->prefix.len)
               == 0)
        {
            return known;
        }
    }

    return NULL;
}


static void *
ngx_recs_redis_create_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_str_t               text;
    ngx_recs_redis_value_t  v;
    u_char                  data[NGX_RECS_REDIS_TEXT];

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
    ngx_recs_redis_conn_t   *conn;
    ngx_recs_redis_value_t   v;

    conn = task->privdata;

    if (task->type != REDIS_REPLY_ARRAY) {
        return ngx_recs_redis_alien(conn);
    }

    if (elements > NGX_RECS_REDIS_MAX_ELEMENTS) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply with more than %d elements",
                             NGX_RECS_REDIS_MAX_ELEMENTS);
        return NULL;
    }

    if (ngx_recs_redis_depth(task) >= NGX_RECS_REDIS_MAX_DEPTH) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
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
    ngx_recs_redis_conn_t   *conn;
    ngx_recs_redis_query_t  *q;

    conn = task->privdata;

    if (!ngx_recs_redis_expected(conn)) {
        return NULL;
    }

    v->depth = ngx_recs_redis_depth(task);
    v->index = v->depth ? task->idx : 0;

    if (ngx_recs_redis_pushed(conn)) {
        return ngx_recs_redis_push_value(conn, v) == NGX_OK ? conn : NULL;
    }

    if (conn->head->kind != NGX_RECS_REDIS_COMMAND) {
        return ngx_recs_redis_handshake_value(conn, v);
    }

    q = conn->head->query;

    if (q == NULL) {
        return conn;
    }

    if (q->value(q, v) != NGX_OK) {
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply that does not fit its command");
        return NULL;
    }

    return conn;
}


static void *
ngx_recs_redis_handshake_value(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v)
{
    ngx_str_t  expected;

    if (conn->head->kind == NGX_RECS_REDIS_PING) {
        ngx_str_set(&expected, "PONG");

    } else {
        ngx_str_set(&expected, "OK");
    }

    if (v->type == NGX_RECS_REDIS_STRING
        && v->str.len == expected.len
        && ngx_memcmp(v->str.data, expected.data, expected.len) == 0)
    {
        return conn;
    }

    ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                         "it does not greet as Redis does");
    return NULL;
}


/* Keeps the first error of a reply, for its end. */

static void *
ngx_recs_redis_error(const redisReadTask *task, char *str, size_t len)
{
    size_t                  i;
    ngx_recs_redis_conn_t  *conn;

    conn = task->privdata;

    if (!ngx_recs_redis_expected(conn)) {
        return NULL;
    }

    if (conn->error.len) {
        return conn;
    }

    if (len == 0) {
        str = "ERR";
        len = 3;
    }

    conn->error.len = ngx_min(len, NGX_RECS_REDIS_TEXT - 1);

    /* it may go into a log */

    for (i = 0; i < conn->error.len; i++) {
        conn->error.data[i] = ((u_char) str[i] < ' ') ? '.' : str[i];
    }

    if (conn->state != NGX_RECS_REDIS_READY
        && conn->head->kind != NGX_RECS_REDIS_COMMAND)
    {
        return ngx_recs_redis_handshake_error(conn);
    }

    return conn;
}


static void *
ngx_recs_redis_handshake_error(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_error_t  *known;

    known = ngx_recs_redis_find_error(&conn->error);

    if (known) {
        ngx_recs_redis_fault(conn, known->reason, 0, "%s", known->text);
        return NULL;
    }

    switch (conn->head->kind) {

    case NGX_RECS_REDIS_AUTH:
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_AUTH_FAILED, 0,
                             "Redis does not know this way to authenticate, "
                             "or has no password set");
        break;

    case NGX_RECS_REDIS_SELECT:
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_DATABASE, 0,
                             "Redis refused database %ui: %V",
                             conn->redis->database, &conn->error);
        break;

    case NGX_RECS_REDIS_SUBSCRIBE:

        /* the text of NOPERM may hold the user's name */

        if (conn->error.len > 7
            && ngx_memcmp(conn->error.data, "NOPERM ", 7) == 0)
        {
            ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_CHANNEL, 0,
                                 "this user may not subscribe to \"%V\"",
                                 &conn->owner->channel);
            break;
        }

        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_NO_CHANNEL, 0,
                             "Redis refused to subscribe to \"%V\": %V",
                             &conn->owner->channel, &conn->error);
        break;

    default: /* NGX_RECS_REDIS_PING */
        ngx_recs_redis_fault(conn, NGX_RECS_REDIS_DENIED, 0,
                             "Redis refused PING: %V", &conn->error);
    }

    return NULL;
}


static void *
ngx_recs_redis_alien(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a reply with a type that RESP2 does not have");
    return NULL;
}


/* Whether something that has left waits for a reply, or none has to. */

static ngx_uint_t
ngx_recs_redis_expected(ngx_recs_redis_conn_t *conn)
{
    if (conn->head && conn->head->end <= conn->sent) {
        return 1;
    }

    if (ngx_recs_redis_subscribes(conn)
        && conn->state == NGX_RECS_REDIS_READY)
    {
        return 1;
    }

    ngx_recs_redis_fault(conn, NGX_RECS_REDIS_PROTOCOL, 0,
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
