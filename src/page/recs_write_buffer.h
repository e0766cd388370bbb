
/*
 * The buffer that a writer of documents (recs_writer.h) fills: bytes, and what
 * is known of the containers that are open in it.
 */


#ifndef RECS_WRITE_BUFFER_H
#define RECS_WRITE_BUFFER_H


#include "recs_base.h"


typedef struct {
    recs_mem_t        mem;
    uint8_t          *data;
    size_t            len;
    size_t            size;     /* allocated */

    /* MessagePack: offsets of marks, see recs_write_msgpack.c */

    size_t            outermost;
    size_t            last;
    size_t            open;
    size_t            depth;    /* containers open now */

    unsigned          msgpack:1;
    unsigned          comma:1;  /* JSON: a value was written before, at this
                                   level */
    unsigned          failed:1; /* alloc() gave NULL; what follows is ignored */
    unsigned          strict:1; /* set by the caller, JSON: no escape of a lone
                                   surrogate, which many readers refuse */
} recs_writer_t;


/* An empty buffer with room for size bytes (not 0); it grows by doubling. */

void recs_writer_init(recs_writer_t *w, const recs_mem_t *mem,
    recs_format_e format, size_t size);

/*
 * Writes bytes as they are, with no comma before them and no value counted: for
 * the caller's own punctuation.
 */

void recs_write_bytes(recs_writer_t *w, const void *data, size_t len);

/*
 * Makes room for len bytes more, for a caller that writes them there by itself,
 * and then raises w->len.  Returns where, or NULL: the writer failed.
 */

uint8_t *recs_write_room(recs_writer_t *w, size_t len);


#endif /* RECS_WRITE_BUFFER_H */
