
/*
 * A libFuzzer target for whole replies (make fuzz), linked with the reader over
 * hiredis, its pipeline and its pushes.  What is checked: bytes that come one
 * by one, or in pieces, give the same values, errors and ends as those that
 * come as they do from a socket; who waits is told once; what the reader keeps
 * is bounded.
 *
 * The input: how many queries wait, modulo 8 (with 0x80 set, none does, and a
 * channel is subscribed to; with 0x40, the other side speaks RESP3), a byte for
 * each, what they are; then what comes.
 * In that, REPEAT N C stands for C, 2 to the N modulo 18 times.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/hiredis.h>
#include <hiredis/sds.h>

#include "fuzz.h"

#include "ngx_recs_redis_push.h"
#include "ngx_recs_redis_reply.h"


#define REPEAT      0x1e
#define SUBSCRIBED  0x80
#define RESP3       0x40            /* if hiredis knows it */
#define CHANNEL     "news"

#define MAX_BULK    (64 * 1024)
#define MAX_LINE    (64 * 1024)
#define MAX_BYTES   (256 * 1024)
#define FEW         1024            /* bytes, which come one by one */
#define READ        (16 * 1024)     /* at most from a socket at once */

/* What a query is, of the byte that says so. */

#define FORGOTTEN   0x01            /* nobody waits any more */
#define SHORT       0x02            /* strings of four bytes at most */
#define REFUSES     0x04            /* the second value of its reply */
#define SENDS       0x08            /* another one when it has ended */
#define STOPS       0x10            /* the reader when it has ended */
#define OWN         0x20            /* it is the connection's: PING */


typedef struct {
    ngx_recs_redis_query_t      query;
    unsigned                    what;
    unsigned                    values;
    unsigned                    ended;
} waiting_t;


/* A connection, and all that became of what came, as text. */

typedef struct {
    ngx_recs_redis_reader_t     reader;
    ngx_recs_redis_pipeline_t   pipeline;
    ngx_recs_redis_push_t       push;
    ngx_recs_redis_counters_t   counters;
    ngx_recs_redis_fault_t      fault;

    unsigned                    subscribed;
    waiting_t                   waiting[16];
    unsigned                    nwaiting;

    char                       *told;
    size_t                      len;
    size_t                      size;
} conn_t;


static void
tell(conn_t *conn, const void *data, size_t len)
{
    if (conn->size - conn->len < len) {
        conn->size = 2 * conn->size + len;
        conn->told = realloc(conn->told, conn->size);
        check(conn->told != NULL);
    }

    if (len) {
        memcpy(conn->told + conn->len, data, len);
        conn->len += len;
    }
}


static void
tell_numbers(conn_t *conn, char what, int64_t a, int64_t b, int64_t c)
{
    int64_t  numbers[3] = { a, b, c };

    tell(conn, &what, 1);
    tell(conn, numbers, sizeof(numbers));
}


static void
tell_value(conn_t *conn, const ngx_recs_redis_value_t *v)
{
    tell_numbers(conn, 'v', v->type, (int64_t) v->depth, (int64_t) v->index);
    tell_numbers(conn, ' ', v->integer, (int64_t) v->str.len, 0);
    tell(conn, v->str.data, v->str.len);
}


/* All that is appended has left. */

static void
append(conn_t *conn, ngx_recs_redis_kind_e kind, ngx_recs_redis_query_t *q)
{
    static const ngx_str_t  ping = ngx_string("PING");

    check(ngx_recs_redis_pipeline_append(&conn->pipeline, kind, q, 1, &ping)
          == NGX_OK);

    ngx_recs_redis_pipeline_sent(&conn->pipeline,
                             ngx_recs_redis_pipeline_output(&conn->pipeline));
}


static ngx_int_t
query_value(ngx_recs_redis_query_t *q, ngx_recs_redis_value_t *v)
{
    waiting_t *w = (waiting_t *) q;

    check(!w->ended && !(w->what & FORGOTTEN));
    check(v->type != NGX_RECS_REDIS_STRING
          || v->str.len <= (q->max_bulk ? q->max_bulk : MAX_BULK));

    tell_value(q->data, v);

    return (w->what & REFUSES) && ++w->values == 2 ? NGX_ERROR : NGX_OK;
}


static void query_done(ngx_recs_redis_query_t *q, ngx_int_t rc,
    ngx_str_t *error);


static void
query_send(conn_t *conn, unsigned what)
{
    waiting_t  *w;

    check(conn->nwaiting < sizeof(conn->waiting) / sizeof(conn->waiting[0]));

    w = &conn->waiting[conn->nwaiting++];
    w->what = what;
    w->query.value = query_value;
    w->query.done = query_done;
    w->query.data = conn;
    w->query.max_bulk = what & SHORT ? 4 : 0;

    append(conn, NGX_RECS_REDIS_COMMAND, &w->query);

    if (what & FORGOTTEN) {
        ngx_recs_redis_forget(&w->query);
    }
}


static void
query_done(ngx_recs_redis_query_t *q, ngx_int_t rc, ngx_str_t *error)
{
    conn_t     *conn;
    waiting_t  *w;

    conn = q->data;
    w = (waiting_t *) q;

    check(!w->ended && q->slot == NULL && !(w->what & FORGOTTEN));
    check((error != NULL) == (rc == NGX_ERROR));
    check(!q->too_large || rc != NGX_OK);

    w->ended = 1;
    tell_numbers(conn, 'd', rc, w - conn->waiting, q->too_large);

    if (error) {
        check(error->len && error->len < NGX_RECS_REDIS_TEXT);
        tell(conn, error->data, error->len);
    }

    if (rc == NGX_ABORT) {
        return;
    }

    if (w->what & SENDS) {
        query_send(conn, 0);
    }

    if (w->what & STOPS) {
        conn->reader.stop = 1;
    }
}


static unsigned
pushed(const conn_t *conn)
{
    return conn->subscribed && (conn->reader.pushes || conn->reader.push);
}


static ngx_int_t
own_value(void *data, ngx_recs_redis_value_t *v)
{
    conn_t *conn = data;

    tell_value(conn, v);

    return pushed(conn) ? ngx_recs_redis_push_value(&conn->push, v) : NGX_OK;
}


static ngx_int_t
own_failed(void *data)
{
    conn_t *conn = data;

    tell_numbers(conn, 'f', (int64_t) conn->reader.error.len, 0, 0);
    tell(conn, conn->reader.error.data, conn->reader.error.len);

    if (pushed(conn)) {
        ngx_recs_redis_push_failed(&conn->push, &conn->reader.error);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
own_end(void *data)
{
    conn_t *conn = data;

    tell_numbers(conn, 'e', 0, 0, 0);

    if (conn->reader.push && !conn->subscribed) {
        return NGX_OK;
    }

    if (pushed(conn) && conn->push.type == NGX_RECS_REDIS_PUSH_MESSAGE) {
        check(conn->push.payload.len <= NGX_RECS_REDIS_MAX_MESSAGE);
        tell(conn, conn->push.payload.data, conn->push.payload.len);
        return NGX_OK;
    }

    (void) ngx_recs_redis_pipeline_shift(&conn->pipeline);

    return NGX_OK;
}


/* Another server has it, that is no matter, or the connection is left. */

static ngx_int_t
redirect(void *data)
{
    conn_t *conn = data;

    ngx_recs_redis_query_t  *q;

    tell_numbers(conn, 'r', conn->reader.error.data[0], 0, 0);

    switch (conn->reader.error.data[0]) {

    case 'M':
        q = ngx_recs_redis_pipeline_shift(&conn->pipeline);
        if (q) {
            ((waiting_t *) q)->ended = 1;
        }

        return NGX_OK;

    case 'A':
        ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_MOVED, 0, "moved");
        return NGX_ERROR;

    default:
        return NGX_DECLINED;
    }
}


static void
well(void *data)
{
    (void) data;

    abort();
}


static conn_t *
open_conn(const uint8_t *head, unsigned n)
{
    conn_t    *conn;
    unsigned   i;

    conn = calloc(1, sizeof(*conn));
    check(conn != NULL);

    ngx_recs_redis_pipeline_init(&conn->pipeline, NULL);
    conn->pipeline.ready = 1;

    conn->push.pipeline = &conn->pipeline;
    conn->push.fault = &conn->fault;
    ngx_str_set(&conn->push.channel, CHANNEL);

    conn->reader.pipeline = &conn->pipeline;
    conn->reader.counters = &conn->counters;
    conn->reader.fault = &conn->fault;
    conn->reader.max_bulk = MAX_BULK;
    conn->reader.value = own_value;
    conn->reader.failed = own_failed;
    conn->reader.end = own_end;
    conn->reader.redirect = redirect;
    conn->reader.well = well;
    conn->reader.data = conn;

    check(ngx_recs_redis_reader_open(&conn->reader) == NGX_OK);
    conn->subscribed = head[0] & SUBSCRIBED;
    conn->reader.resp3 = NGX_RECS_RESP3 && (head[0] & RESP3);
    conn->reader.pushes = conn->subscribed && !conn->reader.resp3;

    for (i = 1; i <= n; i++) {
        if (conn->subscribed || (head[i] & OWN)) {
            append(conn, NGX_RECS_REDIS_PING, NULL);

        } else {
            query_send(conn, head[i]);
        }
    }

    return conn;
}


/* What comes after it was closed is not told. */

static void
close_conn(conn_t *conn, ngx_int_t rc)
{
    unsigned  i;

    tell_numbers(conn, 'c', rc, rc == NGX_OK ? 0 : conn->fault.reason,
                 (int64_t) conn->pipeline.waiting);

    check(rc == NGX_OK || conn->reader.stop || conn->fault.text.len);
    check(conn->fault.text.len <= NGX_RECS_REDIS_TEXT);

    ngx_recs_redis_reader_close(&conn->reader);
    ngx_recs_redis_pipeline_abort(&conn->pipeline, rc != NGX_OK);
    ngx_recs_redis_pipeline_free(&conn->pipeline);

    for (i = 0; i < conn->nwaiting; i++) {
        check(conn->waiting[i].ended || (conn->waiting[i].what & FORGOTTEN));
    }
}


/*
 * So many bytes at a time; 0: as many as the bytes that come say.  A line is
 * sought from its start with each piece, so pieces of a large input are larger.
 */

static conn_t *
feed(const uint8_t *head, unsigned n, const uint8_t *data, size_t size,
    size_t piece)
{
    size_t      len, i;
    u_char     *copy;
    conn_t     *conn;
    ngx_int_t   rc;

    conn = open_conn(head, n);
    rc = NGX_OK;

    for (i = 0; rc == NGX_OK && i < size; i += len) {
        len = piece ? piece : 1 + (data[i] * 7 + i) % 97;
        len = ngx_min(len * (1 + size / FEW), ngx_min(size - i, READ));

        /* an allocation of its size: a sanitizer sees a step past its end */

        copy = malloc(len);
        check(copy != NULL);
        memcpy(copy, data + i, len);

        rc = ngx_recs_redis_read(&conn->reader, copy, len);

        free(copy);

        /* one that failed has freed it */

        check(rc != NGX_OK || sdslen(conn->reader.hiredis->buf)
                              <= ngx_max(MAX_BULK, MAX_LINE) + 2 * READ);
    }

    close_conn(conn, rc);

    return conn;
}


static size_t
expand(uint8_t *to, const uint8_t *data, size_t size)
{
    size_t  i, n, len;

    len = 0;

    for (i = 0; i < size; i++) {
        n = 1;

        if (data[i] == REPEAT && size - i > 2) {
            n = (size_t) 1 << (data[i + 1] % 18);
            i += 2;
        }

        n = ngx_min(n, MAX_BYTES - len);
        memset(to + len, data[i], n);
        len += n;
    }

    return len;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t     len, i;
    conn_t    *conn, *other;
    uint8_t   *all;
    unsigned   n;

    static const size_t  pieces[] = { 0, 1 };

    if (size == 0) {
        return 0;
    }

    n = ngx_min(data[0] % 8, size - 1);

    all = malloc(MAX_BYTES);
    check(all != NULL);

    len = expand(all, data + 1 + n, size - 1 - n);

    conn = feed(data, n, all, len, READ);

    for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        other = feed(data, n, all, len, pieces[i]);

        check(other->len == conn->len);
        check(other->len == 0
              || memcmp(other->told, conn->told, conn->len) == 0);

        free(other->told);
        free(other);
    }

    free(conn->told);
    free(conn);
    free(all);

    return 0;
}
