
/*
 * The commands of a connection that wait for their replies, and how they are
 * written: see the header.
 */


#include "ngx_recs_redis_pipeline.h"


/* an empty output buffer of more bytes than this is freed */
#define NGX_RECS_REDIS_KEEP_OUTPUT  (256 * 1024)

/* what RESP adds to an argument, at most: "$", its length, two line ends */
#define NGX_RECS_REDIS_ARG_SIZE     (1 + NGX_INT64_LEN + 4)

/* ASKING, at most */
#define NGX_RECS_REDIS_ASK_SIZE     (2 * NGX_RECS_REDIS_ARG_SIZE + 6)


static ngx_recs_redis_slot_t *ngx_recs_redis_slot_get(
    ngx_recs_redis_pipeline_t *pl);
static void ngx_recs_redis_slot_put(ngx_recs_redis_pipeline_t *pl,
    ngx_recs_redis_slot_t *slot);
static ngx_uint_t ngx_recs_redis_pipeline_takes(
    const ngx_recs_redis_pipeline_t *pl, ngx_uint_t n, size_t size);
static ngx_int_t ngx_recs_redis_pipeline_reserve(ngx_recs_redis_pipeline_t *pl,
    size_t size);
static ngx_int_t ngx_recs_redis_pipeline_room(ngx_recs_redis_pipeline_t *pl,
    size_t size);
static ngx_int_t ngx_recs_redis_pipeline_add(ngx_recs_redis_pipeline_t *pl,
    ngx_recs_redis_kind_e kind, ngx_recs_redis_query_t *q, size_t size);
static void ngx_recs_redis_pipeline_wipe(ngx_recs_redis_pipeline_t *pl,
    size_t size);
static void ngx_recs_redis_pipeline_wipe_all(ngx_recs_redis_pipeline_t *pl);
static void ngx_recs_redis_pipeline_release(ngx_recs_redis_pipeline_t *pl,
    uint64_t end);
static u_char *ngx_recs_redis_format(u_char *p, ngx_uint_t nargs,
    const ngx_str_t *args);
static u_char *ngx_recs_redis_format_length(u_char *p, u_char type,
    size_t n);


void
ngx_recs_redis_pipeline_init(ngx_recs_redis_pipeline_t *pl, ngx_log_t *log)
{
    pl->log = log;
    pl->tail = &pl->head;
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


void
ngx_recs_redis_late(ngx_recs_redis_query_t *q)
{
    ngx_msec_t  since;

    if (q->slot == NULL || q->late) {
        return;
    }

    q->late = 1;
    since = q->slot->since;

    /* one that was sent near the deadline's end proves nothing */

    if (q->breaker && q->deadline && ngx_current_msec - since >= q->deadline) {
        ngx_recs_redis_breaker_failed(q->breaker, since, q->deadline);
    }
}


ngx_uint_t
ngx_recs_redis_pipeline_full(const ngx_recs_redis_pipeline_t *pl)
{
    return !ngx_recs_redis_pipeline_takes(pl, 1, 1);
}


/* Is there a place for n commands of so many bytes in all? */

static ngx_uint_t
ngx_recs_redis_pipeline_takes(const ngx_recs_redis_pipeline_t *pl,
    ngx_uint_t n, size_t size)
{
    ngx_uint_t  max;

    /* what waits for a connection that is never made would leave first */

    max = pl->ready ? NGX_RECS_REDIS_MAX_WAITING : NGX_RECS_REDIS_MAX_EARLY;

    return pl->waiting + n <= max
           && pl->appended - pl->released + size <= NGX_RECS_REDIS_MAX_OUTPUT;
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
ngx_recs_redis_pipeline_append(ngx_recs_redis_pipeline_t *pl,
    ngx_recs_redis_kind_e kind, ngx_recs_redis_query_t *q, ngx_uint_t nargs,
    const ngx_str_t *args)
{
    size_t      size;
    ngx_int_t   rc;
    ngx_uint_t  i;

    size = NGX_RECS_REDIS_ARG_SIZE;         /* of the number of arguments */

    for (i = 0; i < nargs; i++) {

        if (args[i].len > NGX_RECS_REDIS_MAX_OUTPUT) {
            return NGX_DECLINED;
        }

        size += args[i].len + NGX_RECS_REDIS_ARG_SIZE;
    }

    rc = ngx_recs_redis_pipeline_room(pl, size);
    if (rc != NGX_OK) {
        return rc;
    }

    size = ngx_recs_redis_format(pl->out.last, nargs, args) - pl->out.last;

    if (kind == NGX_RECS_REDIS_AUTH) {

        if (pl->secret_end <= pl->sent) {
            pl->secret = pl->appended;
        }

        pl->secret_end = pl->appended + size;
    }

    return ngx_recs_redis_pipeline_add(pl, kind, q, size);
}


ngx_int_t
ngx_recs_redis_pipeline_move(ngx_recs_redis_pipeline_t *from,
    ngx_recs_redis_pipeline_t *to, ngx_uint_t asking)
{
    size_t                   size;
    ngx_int_t                rc;
    ngx_recs_redis_query_t  *q;

    static const ngx_str_t  command = ngx_string("ASKING");

    q = from->head->query;
    size = (size_t) (from->head->end - from->released);

    /* an ASKING without it would be for what comes next */

    if (!ngx_recs_redis_pipeline_takes(to, 1 + asking,
                                       size + asking * NGX_RECS_REDIS_ASK_SIZE))
    {
        return NGX_DECLINED;
    }

    if (asking) {
        rc = ngx_recs_redis_pipeline_append(to, NGX_RECS_REDIS_ASKING, NULL, 1,
                                            &command);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_recs_redis_pipeline_room(to, size);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memcpy(to->out.last, from->out.pos - (from->sent - from->released),
               size);

    ngx_recs_redis_forget(q);

    if (ngx_recs_redis_pipeline_add(to, NGX_RECS_REDIS_COMMAND, q, size)
        != NGX_OK)
    {
        from->head->query = q;
        q->slot = from->head;
        return NGX_ERROR;
    }

    (void) ngx_recs_redis_pipeline_shift(from);

    return NGX_OK;
}


/* Room for size bytes, and for another command: NGX_OK, DECLINED or ERROR. */

static ngx_int_t
ngx_recs_redis_pipeline_room(ngx_recs_redis_pipeline_t *pl, size_t size)
{
    return ngx_recs_redis_pipeline_takes(pl, 1, size)
           ? ngx_recs_redis_pipeline_reserve(pl, size) : NGX_DECLINED;
}


/* The size bytes at out.last are a command. */

static ngx_int_t
ngx_recs_redis_pipeline_add(ngx_recs_redis_pipeline_t *pl,
    ngx_recs_redis_kind_e kind, ngx_recs_redis_query_t *q, size_t size)
{
    ngx_recs_redis_slot_t  *slot;

    slot = ngx_recs_redis_slot_get(pl);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    pl->appended += size;
    pl->out.last += size;

    slot->next = NULL;
    slot->query = q;
    slot->kind = kind;
    slot->since = ngx_current_msec;
    slot->block = q ? q->block : 0;
    slot->end = pl->appended;

    *pl->tail = slot;
    pl->tail = &slot->next;
    pl->waiting++;

    if (q) {
        q->slot = slot;
        q->breaker = pl->breaker;
        q->server = pl->server;
        q->late = 0;
        q->too_large = 0;
        q->due = 0;
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
ngx_recs_redis_pipeline_shift(ngx_recs_redis_pipeline_t *pl)
{
    ngx_recs_redis_slot_t   *slot;
    ngx_recs_redis_query_t  *q;

    slot = pl->head;
    q = slot->query;

    pl->head = slot->next;

    if (pl->head == NULL) {
        pl->tail = &pl->head;
    }

    pl->waiting--;

    if (pl->keep && slot->end <= pl->sent) {
        ngx_recs_redis_pipeline_release(pl, slot->end);
    }

    ngx_recs_redis_slot_put(pl, slot);

    if (q) {
        q->slot = NULL;
    }

    return q;
}


void
ngx_recs_redis_pipeline_abort(ngx_recs_redis_pipeline_t *pl,
    ngx_uint_t reason)
{
    ngx_recs_redis_query_t  *q;

    if (reason && pl->ready && pl->head && pl->head->query) {
        pl->head->query->due = 1;
    }

    /* a closed connection takes no command: the pipeline only shrinks here */

    while (pl->head) {
        q = ngx_recs_redis_pipeline_shift(pl);

        if (q) {
            q->done(q, NGX_ABORT, NULL);
        }
    }
}


static ngx_recs_redis_slot_t *
ngx_recs_redis_slot_get(ngx_recs_redis_pipeline_t *pl)
{
    ngx_recs_redis_slot_t  *slot;

    slot = pl->free;

    if (slot) {
        pl->free = slot->next;
        return slot;
    }

    return ngx_alloc(sizeof(ngx_recs_redis_slot_t), pl->log);
}


static void
ngx_recs_redis_slot_put(ngx_recs_redis_pipeline_t *pl,
    ngx_recs_redis_slot_t *slot)
{
    slot->next = pl->free;
    pl->free = slot;
}


size_t
ngx_recs_redis_pipeline_output(const ngx_recs_redis_pipeline_t *pl)
{
    return (size_t) ((pl->ready ? pl->appended : pl->handshake) - pl->sent);
}


void
ngx_recs_redis_pipeline_sent(ngx_recs_redis_pipeline_t *pl, size_t size)
{
    if (pl->sent < pl->secret_end) {
        ngx_recs_redis_pipeline_wipe(pl, size);
    }

    pl->out.pos += size;
    pl->sent += size;

    if (!pl->keep) {
        ngx_recs_redis_pipeline_release(pl, pl->sent);
    }
}


/* A password is among the size bytes that have just left. */

static void
ngx_recs_redis_pipeline_wipe(ngx_recs_redis_pipeline_t *pl, size_t size)
{
    uint64_t  from, end;

    from = ngx_max(pl->sent, pl->secret);
    end = ngx_min(pl->sent + size, pl->secret_end);

    if (from < end) {
        ngx_explicit_memzero(pl->out.pos + (from - pl->sent),
                             (size_t) (end - from));
    }
}


/* The same if it has not left, and that memory is not used any more. */

static void
ngx_recs_redis_pipeline_wipe_all(ngx_recs_redis_pipeline_t *pl)
{
    if (pl->sent < pl->secret_end && pl->out.start) {
        ngx_explicit_memzero(pl->out.start, pl->out.end - pl->out.start);
    }
}


/* What comes before that end has left, and is needed no more. */

static void
ngx_recs_redis_pipeline_release(ngx_recs_redis_pipeline_t *pl, uint64_t end)
{
    pl->released = end;

    if (pl->released < pl->appended) {
        return;
    }

    pl->out.pos = pl->out.start;
    pl->out.last = pl->out.start;

    if (pl->out.end - pl->out.start > NGX_RECS_REDIS_KEEP_OUTPUT) {
        ngx_free(pl->out.start);
        ngx_memzero(&pl->out, sizeof(ngx_buf_t));
    }
}


void
ngx_recs_redis_pipeline_reset(ngx_recs_redis_pipeline_t *pl)
{
    ngx_recs_redis_pipeline_wipe_all(pl);

    pl->out.pos = pl->out.start;
    pl->out.last = pl->out.start;

    pl->appended = 0;
    pl->sent = 0;
    pl->secret = 0;
    pl->secret_end = 0;
    pl->released = 0;
    pl->handshake = 0;
    pl->ready = 0;
}


/* Makes room for size bytes after out.last: NGX_OK or NGX_ERROR. */

static ngx_int_t
ngx_recs_redis_pipeline_reserve(ngx_recs_redis_pipeline_t *pl, size_t size)
{
    size_t      kept, used, all;
    u_char     *p;
    ngx_buf_t  *out;

    out = &pl->out;

    if ((size_t) (out->end - out->last) >= size) {
        return NGX_OK;
    }

    kept = (size_t) (pl->sent - pl->released);
    used = out->last - out->pos + kept;
    all = out->end - out->start;

    /* what is moved is less than what has come since it was moved last */

    if (all - used >= size && used <= all / 2) {
        ngx_memmove(out->start, out->pos - kept, used);

    } else {
        all = ngx_max(2 * all, used + size);
        all = ngx_max(all, ngx_pagesize);

        p = ngx_alloc(all, pl->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        if (out->start) {
            ngx_memcpy(p, out->pos - kept, used);
            ngx_recs_redis_pipeline_wipe_all(pl);
            ngx_free(out->start);
        }

        out->start = p;
        out->end = p + all;
    }

    out->pos = out->start + kept;
    out->last = out->start + used;

    return NGX_OK;
}


void
ngx_recs_redis_pipeline_free(ngx_recs_redis_pipeline_t *pl)
{
    ngx_recs_redis_slot_t  *slot;

    while (pl->head) {
        (void) ngx_recs_redis_pipeline_shift(pl);
    }

    while (pl->free) {
        slot = pl->free;
        pl->free = slot->next;
        ngx_free(slot);
    }

    ngx_recs_redis_pipeline_wipe_all(pl);

    if (pl->out.start) {
        ngx_free(pl->out.start);
    }

    ngx_memzero(&pl->out, sizeof(ngx_buf_t));
}
