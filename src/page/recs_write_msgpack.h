
/*
 * The writer's part for MessagePack
 * (https://github.com/msgpack/msgpack/blob/master/spec.md).  Callers use
 * recs_writer.h: its functions call these, and say how each value is written.
 *
 * The width of a container's header depends on how much it holds, which is not
 * known before its end: so a mark stands in the header's place until the
 * outermost container is closed.
 */


#ifndef RECS_WRITE_MSGPACK_H
#define RECS_WRITE_MSGPACK_H


#include "recs_write_buffer.h"


/* Opens a container, which was counted; map: 1 for a map, 0 for an array. */

void recs_write_msgpack_open(recs_writer_t *w, unsigned map);

/* Closes the innermost container. */

void recs_write_msgpack_close(recs_writer_t *w);

/*
 * Counts what comes next in the innermost container: a member, whose name comes
 * (map: 1), or an element (map: 0).  Before a member's value it is called with
 * map 0, which counts nothing: the container is a map.
 */

void recs_write_msgpack_count(recs_writer_t *w, unsigned map);

/* Write a value, which was counted. */

void recs_write_msgpack_str(recs_writer_t *w, const recs_str_t *text);
void recs_write_msgpack_bin(recs_writer_t *w, const recs_str_t *bytes);
void recs_write_msgpack_uint(recs_writer_t *w, uint64_t n);
void recs_write_msgpack_int(recs_writer_t *w, int64_t n);
void recs_write_msgpack_double(recs_writer_t *w, double n);
void recs_write_msgpack_float(recs_writer_t *w, float n);


#endif /* RECS_WRITE_MSGPACK_H */
