
/*
 * Writes JSON into a growing buffer: the members that are added to a page,
 * status, records.  Commas come by themselves.  What was written is always
 * well formed, whatever bytes the strings hold.
 */


#ifndef RECS_WRITER_H
#define RECS_WRITER_H


#include "recs_base.h"


typedef struct {
    recs_mem_t        mem;
    uint8_t          *data;
    size_t            len;
    size_t            size;     /* allocated */
    unsigned          comma:1;  /* a value was written before, at this level */
    unsigned          failed:1; /* alloc() gave NULL; what follows is ignored */
} recs_writer_t;


/* An empty buffer with room for size bytes (not 0); it grows by doubling. */

void recs_writer_init(recs_writer_t *w, const recs_mem_t *mem, size_t size);

void recs_write_object(recs_writer_t *w);
void recs_write_object_end(recs_writer_t *w);
void recs_write_array(recs_writer_t *w);
void recs_write_array_end(recs_writer_t *w);

/* A member's name: a literal that needs no escape. */

void recs_write_key(recs_writer_t *w, const char *name);

/* A member's name that may hold anything. */

void recs_write_key_str(recs_writer_t *w, const recs_str_t *name);

/*
 * A string.  Bytes that are not UTF-8 become U+FFFD, one a byte; but the three
 * bytes that recs_json_decode() makes of a lone surrogate become its escape
 * again.
 */

void recs_write_string(recs_writer_t *w, const recs_str_t *text);
void recs_write_cstr(recs_writer_t *w, const char *text);

void recs_write_uint(recs_writer_t *w, uint64_t n);

/*
 * A decimal that reads back as n, which must be finite: of 15 significant
 * digits if they do, else of 16 or 17.  A point in every locale.
 */

void recs_write_double(recs_writer_t *w, double n);

void recs_write_true(recs_writer_t *w);
void recs_write_false(recs_writer_t *w);
void recs_write_null(recs_writer_t *w);

/* A value that is JSON already. */

void recs_write_raw(recs_writer_t *w, const recs_str_t *json);

/*
 * Bytes as they are, no comma before them and no value counted: for the
 * caller's own punctuation.
 */

void recs_write_bytes(recs_writer_t *w, const void *data, size_t len);


#endif /* RECS_WRITER_H */
