
/*
 * The commands of a connection that wait for their replies, in the order in
 * which they leave, and the bytes that have not left yet.
 */


#include "ngx_recs_redis_conn.h"


/* an empty output buffer of more bytes than this is freed */
#define NGX_RECS_REDIS_KEEP_OUTPUT  (256 * 1024)

/* what RESP adds to an argument, at most: "$", its length, two line ends */
#define NGX_RECS_REDIS_ARG_SIZE     (1 + NGX_INT64_LEN + 4)


static ngx_recs_redis_slot_t *ngx_recs_redis_slot_get(
    ngx_recs_redis_conn_t *conn);
static void ngx_recs_redis_slot_put(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_slot_t *slot);
static ngx_int_t ngx_recs_redis_output_reserve(ngx_recs_redis_conn_t *conn,
    size_t size);
static u_char *ngx_recs_redis_format(u_char *p, ngx_uint_t nargs,
    const ngx_str_t *args);
static u_char *ngx_recs_redis_format_length(u_char *p, u_char type,
    size_t n);


ngx_int_t
ngx_recs_redis_send(ngx_recs_redis_conn_t *conn, ngx_recs_redis_query_t *q,
    ngx_uint_t nargs, const ngx_str_t *args)
{
    ngx_int_t  rc;

    if (conn->state == NGX_RECS_REDIS_CLOSED) {
        rc = NGX_DECLINED;

    } else {
        rc = ngx_recs_redis_append(conn, NGX_RECS_REDIS_COMMAND, q, nargs,
                                   args);
    }

    if (rc == NGX_DECLINED) {
        ngx_recs_redis_count(conn->redis, refused);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_recs_redis_count(conn->redis, commands);

    if (conn->state == NGX_RECS_REDIS_READY) {

        if (!conn->timer.timer_set) {
            ngx_add_timer(&conn->timer, conn->redis->timeout + q->block);
        }

        ngx_post_event(&conn->flush, &ngx_posted_events);
    }

    return NGX_OK;
}


void
ngx_recs_redis_forget(ngx_recs_redis_query_t *q)
{
    if (q->slot == NULL) {
        return;
    }

    q->slot->query = NULL;
    q->slot = NULL;
}


ngx_uint_t
ngx_recs_redis_full(ngx_recs_redis_conn_t *conn)
{
    ngx_uint_t  max;

    /* what waits for a connection that is never made would leave first */

    max = (conn->state == NGX_RECS_REDIS_READY) ? NGX_RECS_REDIS_MAX_WAITING
                                                : NGX_RECS_REDIS_MAX_EARLY;

    return conn->waiting >= max
           || conn->out.last - conn->out.pos >= NGX_RECS_REDIS_MAX_OUTPUT;
}


ngx_uint_t
ngx_recs_redis_fits(ngx_uint_t ncommands, size_t nargs, size_t bytes)
{
    return bytes <= NGX_RECS_REDIS_MAX_OUTPUT
           && nargs <= NGX_RECS_REDIS_MAX_OUTPUT / NGX_RECS_REDIS_ARG_SIZE
           && (ncommands + nargs) * NGX_RECS_REDIS_ARG_SIZE + bytes
              <= NGX_RECS_REDIS_MAX_OUTPUT;
}


ngx_int_t
ngx_recs_redis_append(ngx_recs_redis_conn_t *conn, ngx_recs_redis_kind_e kind,
    ngx_recs_redis_query_t *q, ngx_uint_t nargs, const ngx_str_t *args)
{
    size_t                  size;
    u_char                 *p;
    ngx_uint_t              i;
    ngx_recs_redis_slot_t  *slot;

    size = NGX_RECS_REDIS_ARG_SIZE;         /* of the number of arguments */

    for (i = 0; i < nargs; i++) {

        if (args[i].len > NGX_RECS_REDIS_MAX_OUTPUT) {
            return NGX_DECLINED;
        }

        size += args[i].len + NGX_RECS_REDIS_ARG_SIZE;
    }

    if (conn->out.last - conn->out.pos + size > NGX_RECS_REDIS_MAX_OUTPUT
        || ngx_recs_redis_full(conn))
    {
        return NGX_DECLINED;
    }

    if (ngx_recs_redis_output_reserve(conn, size) != NGX_OK) {
        return NGX_ERROR;
    }

    slot = ngx_recs_redis_slot_get(conn);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    p = ngx_recs_redis_format(conn->out.last, nargs, args);

    conn->appended += p - conn->out.last;
    conn->out.last = p;

    slot->next = NULL;
    slot->query = q;
    slot->kind = kind;
    slot->since = ngx_current_msec;
    slot->block = q ? q->block : 0;
    slot->end = conn->appended;

    *conn->tail = slot;
    conn->tail = &slot->next;
    conn->waiting++;

    if (q) {
        q->slot = slot;
        q->too_large = 0;
    }

    return NGX_OK;
}


/*
 * A command as RESP has it: an array of bulk strings.  hiredis' function would
 * put each length through sprintf(), and the whole into memory of its own: with
 * a hundred ids, a quarter of all instructions that a response took.
 */

static u_char *
ngx_recs_redis_format(u_char *p, ngx_uint_t nargs, const ngx_str_t *args)
{
    ngx_uint_t  i;

    p = ngx_recs_redis_format_length(p, '*', nargs);

    for (i = 0; i < nargs; i++) {
        p = ngx_recs_redis_format_length(p, '$', args[i].len);
        p = ngx_cpymem(p, args[i].data, args[i].len);
        *p++ = CR;
        *p++ = LF;
    }

    return p;
}


static u_char *
ngx_recs_redis_format_length(u_char *p, u_char type, size_t n)
{
    u_char  digits[NGX_SIZE_T_LEN], *last, *d;

    last = digits + NGX_SIZE_T_LEN;
    d = last;

    do {
        *--d = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    *p++ = type;

    while (d < last) {
        *p++ = *d++;
    }

    *p++ = CR;
    *p++ = LF;

    return p;
}


ngx_recs_redis_query_t *
ngx_recs_redis_shift(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_slot_t   *slot;
    ngx_recs_redis_query_t  *q;

    slot = conn->head;
    q = slot->query;

    conn->head = slot->next;

    if (conn->head == NULL) {
        conn->tail = &conn->head;
    }

    conn->waiting--;

    ngx_recs_redis_slot_put(conn, slot);

    if (q) {
        q->slot = NULL;
    }

    return q;
}


void
ngx_recs_redis_abort(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_query_t  *q;

    /* a closed connection takes no command: the pipeline only shrinks here */

    while (conn->head) {
        q = ngx_recs_redis_shift(conn);

        if (q) {
            q->done(q, NGX_ABORT, NULL);
        }
    }
}


static ngx_recs_redis_slot_t *
ngx_recs_redis_slot_get(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_slot_t  *slot;

    slot = conn->free;

    if (slot) {
        conn->free = slot->next;
        return slot;
    }

    return ngx_alloc(sizeof(ngx_recs_redis_slot_t), conn->log);
}


static void
ngx_recs_redis_slot_put(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_slot_t *slot)
{
    slot->next = conn->free;
    conn->free = slot;
}


size_t
ngx_recs_redis_output(ngx_recs_redis_conn_t *conn)
{
    uint64_t  end;

    end = (conn->state == NGX_RECS_REDIS_READY) ? conn->appended
                                                : conn->handshake;

    return (size_t) (end - conn->sent);
}


void
ngx_recs_redis_output_sent(ngx_recs_redis_conn_t *conn, size_t size)
{
    conn->out.pos += size;
    conn->sent += size;

    if (conn->out.pos < conn->out.last) {
        return;
    }

    conn->out.pos = conn->out.start;
    conn->out.last = conn->out.start;

    if (conn->out.end - conn->out.start > NGX_RECS_REDIS_KEEP_OUTPUT) {
        ngx_free(conn->out.start);
        ngx_memzero(&conn->out, sizeof(ngx_buf_t));
    }
}


void
ngx_recs_redis_output_reset(ngx_recs_redis_conn_t *conn)
{
    conn->out.pos = conn->out.start;
    conn->out.last = conn->out.start;

    conn->appended = 0;
    conn->sent = 0;
    conn->handshake = 0;
}


/* Makes room for size bytes after out.last: NGX_OK or NGX_ERROR. */

static ngx_int_t
ngx_recs_redis_output_reserve(ngx_recs_redis_conn_t *conn, size_t size)
{
    size_t      used, all;
    u_char     *p;
    ngx_buf_t  *out;

    out = &conn->out;

    if ((size_t) (out->end - out->last) >= size) {
        return NGX_OK;
    }

    used = out->last - out->pos;
    all = out->end - out->start;

    if (all - used >= size) {
        ngx_memmove(out->start, out->pos, used);

    } else {
        all = ngx_max(2 * all, used + size);
        all = ngx_max(all, ngx_pagesize);

        p = ngx_alloc(all, conn->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        if (out->start) {
            ngx_memcpy(p, out->pos, used);
            ngx_free(out->start);
        }

        out->start = p;
        out->end = p + all;
    }

    out->pos = out->start;
    out->last = out->start + used;

    return NGX_OK;
}


void
ngx_recs_redis_pipeline_free(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_slot_t  *slot;

    while (conn->head) {
        (void) ngx_recs_redis_shift(conn);
    }

    while (conn->free) {
        slot = conn->free;
        conn->free = slot->next;
        ngx_free(slot);
    }

    if (conn->out.start) {
        ngx_free(conn->out.start);
    }

    ngx_memzero(&conn->out, sizeof(ngx_buf_t));
}
