
/*
 * A writer of documents, JSON or MessagePack, into a growing buffer: members
 * that are added to a page, the status, records.  Commas come by themselves,
 * and so do the counts in the headers of MessagePack's containers.  What is
 * written is well formed, whatever bytes the strings hold.
 *
 *     recs_writer_init(&w, mem, RECS_JSON, 256);
 *     recs_write_object(&w);
 *     recs_write_key_uint(&w, "items", n);
 *     recs_write_object_end(&w);              // w.len bytes at w.data
 *
 * No function returns an error: without memory w.failed is set, and all that
 * follows is ignored.
 */


#ifndef RECS_WRITER_H
#define RECS_WRITER_H


#include "recs_write_buffer.h"


/*
 * Open and close a container.  In MessagePack its header has the least width
 * for what it holds; the buffer is complete only when the outermost container
 * is closed.
 */

void recs_write_object(recs_writer_t *w);
void recs_write_object_end(recs_writer_t *w);
void recs_write_array(recs_writer_t *w);
void recs_write_array_end(recs_writer_t *w);

/* A member's name, a literal that needs no escape; the value comes next. */

void recs_write_key(recs_writer_t *w, const char *name);

/* A member's name that may hold any bytes, written as a string is. */

void recs_write_key_str(recs_writer_t *w, const recs_str_t *name);

/*
 * A string.  In JSON each byte that is not UTF-8 becomes U+FFFD; but the three
 * bytes that recs_json_decode() makes of a lone surrogate become its escape
 * again, unless the writer is strict.  In MessagePack it is a str of the bytes
 * as they are.
 */

void recs_write_string(recs_writer_t *w, const recs_str_t *text);
void recs_write_cstr(recs_writer_t *w, const char *text);

/* In JSON only: bytes as base64 (RFC 4648, section 4, with padding). */

void recs_write_base64(recs_writer_t *w, const recs_str_t *bytes);

/* In MessagePack only: a bin. */

void recs_write_bin(recs_writer_t *w, const recs_str_t *bytes);

/* An integer, in MessagePack of the least width; and a member that is one. */

void recs_write_uint(recs_writer_t *w, uint64_t n);
void recs_write_key_uint(recs_writer_t *w, const char *name, uint64_t n);
void recs_write_int(recs_writer_t *w, int64_t n);

/*
 * A number, which must be finite.  In JSON it is a decimal that reads back as
 * n: of 15 significant digits if they do, else of 16 or 17 (a float's: of 6 to
 * 9); the decimal point is a "." in every locale.  In MessagePack it is a float
 * 64, and a float 32.
 */

void recs_write_double(recs_writer_t *w, double n);
void recs_write_float(recs_writer_t *w, float n);

void recs_write_true(recs_writer_t *w);
void recs_write_false(recs_writer_t *w);
void recs_write_null(recs_writer_t *w);

/* A value that is given in the writer's format. */

void recs_write_raw(recs_writer_t *w, const recs_str_t *value);

/*
 * In JSON only: takes back what was written since the buffer had len bytes,
 * which must be whole values or members of the container that was open then and
 * is open now.
 */

void recs_write_back(recs_writer_t *w, size_t len);


#endif /* RECS_WRITER_H */
