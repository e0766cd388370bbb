
/*
 * Containers, counts and values as MessagePack, behind recs_writer.h: see there
 * how each is written.
 *
 * A header's width depends on what its container holds, which nobody knows
 * before the end: so a mark stands in the header's place until the outermost
 * container is closed.
 */


#ifndef RECS_WRITE_MSGPACK_H
#define RECS_WRITE_MSGPACK_H


#include "recs_write_buffer.h"


/* Opens a container, counted already; map: 1 for a map, 0 for an array. */

void recs_write_msgpack_open(recs_writer_t *w, unsigned map);

/* Closes the innermost one. */

void recs_write_msgpack_close(recs_writer_t *w);

/*
 * Counts, in the container that is open, a member (map is 1: its name comes) or
 * an element (map is 0); a member's value counts as nothing.
 */

void recs_write_msgpack_count(recs_writer_t *w, unsigned map);

void recs_write_msgpack_str(recs_writer_t *w, const recs_str_t *text);
void recs_write_msgpack_bin(recs_writer_t *w, const recs_str_t *bytes);
void recs_write_msgpack_uint(recs_writer_t *w, uint64_t n);
void recs_write_msgpack_int(recs_writer_t *w, int64_t n);
void recs_write_msgpack_double(recs_writer_t *w, double n);
void recs_write_msgpack_float(recs_writer_t *w, float n);


#endif /* RECS_WRITE_MSGPACK_H */
