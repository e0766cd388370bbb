
/*
 * The buffer that a writer of documents (recs_writer.h) fills: bytes, and what
 * is known of the containers that are open in it.  Its memory is the caller's
 * mem, from which a larger one is taken when it is full.
 */


#ifndef RECS_WRITE_BUFFER_H
#define RECS_WRITE_BUFFER_H


#include "recs_base.h"


typedef struct {
    recs_mem_t        mem;
    uint8_t          *data;     /* what was written */
    size_t            len;      /* of that, bytes */
    size_t            size;     /* allocated */

    /* MessagePack: offsets of marks, see recs_write_msgpack.c */

    size_t            outermost;    /* of the outermost container */
    size_t            last;     /* of the container opened last */
    size_t            open;     /* of the innermost one that is open */
    size_t            depth;    /* how many are open */

    unsigned          msgpack:1;
    unsigned          comma:1;  /* JSON: a comma must stand before the next
                                   value or name */
    unsigned          failed:1; /* alloc() gave NULL; what follows is ignored */
    unsigned          strict:1; /* set by the caller, JSON: no escape of a lone
                                   surrogate, which many readers refuse */
} recs_writer_t;


/*
 * Makes an empty buffer with room for size bytes (not 0), which grows by
 * doubling; w->failed is set if there is no memory.
 */

void recs_writer_init(recs_writer_t *w, const recs_mem_t *mem,
    recs_format_e format, size_t size);

/*
 * Writes len bytes at data as they are, without a comma before them and without
 * counting a value: for the caller's own punctuation.
 */

void recs_write_bytes(recs_writer_t *w, const void *data, size_t len);

/*
 * Makes room for len bytes more, for a caller that writes bytes there by itself
 * and raises w->len by as many.  Returns the address, or NULL if the writer has
 * failed.
 */

uint8_t *recs_write_room(recs_writer_t *w, size_t len);


#endif /* RECS_WRITE_BUFFER_H */
