
/* Containers and values as MessagePack: see recs_write_msgpack.h. */


#include <msgpack/pack.h>

#include "recs_msgpack.h"
#include "recs_write_msgpack.h"


/*
 * A mark, which stands in the buffer in a header's place.  All marks become
 * headers in one pass, when the outermost container is closed.  In the buffer
 * they are not aligned: they are copied.
 */

typedef struct {
    uint32_t          n;        /* elements or members written */
    uint32_t          map;      /* 1: of a map; 0: of an array */
    size_t            parent;   /* offset of the mark of the container that
                                   this one stands in */
    size_t            next;     /* offset of the mark of the container that was
                                   opened next; 0: none was */
} recs_mark_t;


static void recs_write_headers(recs_writer_t *w);
static int recs_write_packed(void *ctx, const char *data, size_t len);


/* A packer of msgpack-c that writes into the buffer. */

static inline msgpack_packer
recs_packer(recs_writer_t *w)
{
    msgpack_packer  pk;

    msgpack_packer_init(&pk, w, recs_write_packed);

    return pk;
}


void
recs_write_msgpack_open(recs_writer_t *w, unsigned map)
{
    size_t       at;
    recs_mark_t  mark;

    at = w->len;

    mark.n = 0;
    mark.map = map;
    mark.parent = w->open;
    mark.next = 0;

    recs_write_bytes(w, &mark, sizeof(recs_mark_t));

    if (w->failed) {
        return;
    }

    if (w->depth == 0) {
        w->outermost = at;

    } else {
        memcpy(w->data + w->last + offsetof(recs_mark_t, next), &at,
               sizeof(size_t));
    }

    w->last = at;
    w->open = at;
    w->depth++;
}


void
recs_write_msgpack_close(recs_writer_t *w)
{
    recs_mark_t  mark;

    if (w->failed) {
        return;
    }

    memcpy(&mark, w->data + w->open, sizeof(recs_mark_t));
    w->open = mark.parent;
    w->depth--;

    if (w->depth == 0) {
        recs_write_headers(w);
    }
}


void
recs_write_msgpack_count(recs_writer_t *w, unsigned map)
{
    recs_mark_t  mark;

    if (w->depth == 0) {
        return;
    }

    memcpy(&mark, w->data + w->open, sizeof(recs_mark_t));

    if (mark.map == map) {
        mark.n++;
        memcpy(w->data + w->open, &mark, sizeof(recs_mark_t));
    }
}


/*
 * Puts a header in each mark's place.  A header is shorter than a mark, so that
 * what follows moves down.
 */

static void
recs_write_headers(recs_writer_t *w)
{
    size_t        len;
    uint8_t      *to, *from;
    recs_mark_t   mark;

    to = w->data + w->outermost;
    from = to;

    do {
        memcpy(&mark, from, sizeof(recs_mark_t));
        from += sizeof(recs_mark_t);

        to += mark.map ? recs_msgpack_map_header(mark.n, to)
                       : recs_msgpack_array_header(mark.n, to);

        len = (mark.next ? mark.next : w->len) - (size_t) (from - w->data);

        memmove(to, from, len);

        to += len;
        from += len;

    } while (mark.next);

    w->len = (size_t) (to - w->data);
}


/* Called by the packer: ctx is the writer. */

static int
recs_write_packed(void *ctx, const char *data, size_t len)
{
    recs_write_bytes(ctx, data, len);

    return 0;
}


void
recs_write_msgpack_str(recs_writer_t *w, const recs_str_t *text)
{
    msgpack_packer  pk;

    pk = recs_packer(w);

    (void) msgpack_pack_str(&pk, text->len);
    recs_write_bytes(w, text->data, text->len);
}


void
recs_write_msgpack_bin(recs_writer_t *w, const recs_str_t *bytes)
{
    uint8_t  header[RECS_MSGPACK_HEADER];

    recs_write_bytes(w, header,
                     recs_msgpack_bin_header((uint32_t) bytes->len, header));
    recs_write_bytes(w, bytes->data, bytes->len);
}


void
recs_write_msgpack_uint(recs_writer_t *w, uint64_t n)
{
    msgpack_packer  pk;

    pk = recs_packer(w);

    (void) msgpack_pack_uint64(&pk, n);
}


void
recs_write_msgpack_int(recs_writer_t *w, int64_t n)
{
    msgpack_packer  pk;

    pk = recs_packer(w);

    (void) msgpack_pack_int64(&pk, n);
}


void
recs_write_msgpack_double(recs_writer_t *w, double n)
{
    msgpack_packer  pk;

    pk = recs_packer(w);

    (void) msgpack_pack_double(&pk, n);
}


void
recs_write_msgpack_float(recs_writer_t *w, float n)
{
    msgpack_packer  pk;

    pk = recs_packer(w);

    (void) msgpack_pack_float(&pk, n);
}
