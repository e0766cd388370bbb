
/* A writer's buffer, which grows by doubling: see recs_write_buffer.h. */


#include "recs_write_buffer.h"


static recs_rc_e recs_write_grow(recs_writer_t *w, size_t size);


void
recs_writer_init(recs_writer_t *w, const recs_mem_t *mem,
    recs_format_e format, size_t size)
{
    memset(w, 0, sizeof(recs_writer_t));

    w->mem = *mem;
    w->msgpack = (format == RECS_MSGPACK);
    w->data = recs_alloc(mem, size);

    if (w->data == NULL) {
        w->failed = 1;
        return;
    }

    w->size = size;
}


void
recs_write_bytes(recs_writer_t *w, const void *data, size_t len)
{
    uint8_t  *room;

    if (len == 0) {
        return;
    }

    room = recs_write_room(w, len);

    if (room) {
        memcpy(room, data, len);
        w->len += len;
    }
}


uint8_t *
recs_write_room(recs_writer_t *w, size_t len)
{
    if (w->failed) {
        return NULL;
    }

    if (len > w->size - w->len && recs_write_grow(w, w->len + len) != RECS_OK) {
        return NULL;
    }

    return w->data + w->len;
}


/* Moves what was written to memory of at least size bytes. */

static recs_rc_e
recs_write_grow(recs_writer_t *w, size_t size)
{
    uint8_t  *grown;

    if (size < 2 * w->size) {
        size = 2 * w->size;
    }

    grown = recs_alloc(&w->mem, size);

    if (grown == NULL) {
        w->failed = 1;
        return RECS_NOMEM;
    }

    memcpy(grown, w->data, w->len);

    w->data = grown;
    w->size = size;

    return RECS_OK;
}
