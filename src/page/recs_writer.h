
/*
 * Writes JSON or MessagePack into a growing buffer: the members that are added
 * to a page, status, records.  Commas come by themselves, and so do the counts
 * in the headers of MessagePack's containers.  What was written is always well
 * formed, whatever bytes the strings hold.
 */


#ifndef RECS_WRITER_H
#define RECS_WRITER_H


#include "recs_write_buffer.h"


/*
 * In MessagePack a container's header is of the least width for what it
 * holds.  The buffer is complete only when the outermost container is closed.
 */

void recs_write_object(recs_writer_t *w);
void recs_write_object_end(recs_writer_t *w);
void recs_write_array(recs_writer_t *w);
void recs_write_array_end(recs_writer_t *w);

/* A member's name: a literal that needs no escape. */

void recs_write_key(recs_writer_t *w, const char *name);

/* A member's name that may hold anything. */

void recs_write_key_str(recs_writer_t *w, const recs_str_t *name);

/*
 * A string.  In JSON, bytes that are not UTF-8 become U+FFFD, one a byte; but
 * the three bytes that recs_json_decode() makes of a lone surrogate become its
 * escape again, unless the writer is strict.  In MessagePack, a str of the
 * bytes as they are.
 */

void recs_write_string(recs_writer_t *w, const recs_str_t *text);
void recs_write_cstr(recs_writer_t *w, const char *text);

/* JSON: bytes as a string of base64 (RFC 4648, section 4, with padding). */

void recs_write_base64(recs_writer_t *w, const recs_str_t *bytes);

/* A bin, in MessagePack only. */

void recs_write_bin(recs_writer_t *w, const recs_str_t *bytes);

/* Integers, one with its member's name; in MessagePack of the least width. */

void recs_write_uint(recs_writer_t *w, uint64_t n);
void recs_write_key_uint(recs_writer_t *w, const char *name, uint64_t n);
void recs_write_int(recs_writer_t *w, int64_t n);

/*
 * In JSON a decimal that reads back as n, which must be finite: of 15
 * significant digits if they do, else of 16 or 17 (a float's: of 6 to 9).  A
 * point in every locale.  In MessagePack float 64 and float 32.
 */

void recs_write_double(recs_writer_t *w, double n);
void recs_write_float(recs_writer_t *w, float n);

void recs_write_true(recs_writer_t *w);
void recs_write_false(recs_writer_t *w);
void recs_write_null(recs_writer_t *w);

/* A value that is in the writer's format already. */

void recs_write_raw(recs_writer_t *w, const recs_str_t *value);

/*
 * JSON: takes back what was written since the buffer had len bytes: values and
 * members, whole ones, of the container that was open then and is now.
 */

void recs_write_back(recs_writer_t *w, size_t len);


#endif /* RECS_WRITER_H */
