
/*
 * The reader's part for MessagePack
 * (https://github.com/msgpack/msgpack/blob/master/spec.md).  Callers use
 * recs_reader.h for documents: its functions of the same names call these, and
 * say what they return.  A container of more elements than bytes are left is
 * malformed: an element takes one byte at least, a member two.  A str need not
 * be UTF-8.
 */


#ifndef RECS_MSGPACK_H
#define RECS_MSGPACK_H


#include "recs_value.h"


int recs_msgpack_open(recs_reader_t *rd, recs_value_t *v);
int recs_msgpack_skip(recs_reader_t *rd, recs_value_t *v);
int recs_msgpack_member(recs_reader_t *rd, recs_value_t *object,
    recs_value_t *key);
int recs_msgpack_find(recs_reader_t *rd, recs_value_t *object,
    const recs_str_t *names, size_t n, recs_value_t *key);
int recs_msgpack_element(recs_reader_t *rd, recs_value_t *array);


/* The functions below are for values of MessagePack that were read, each for
   those of the type that it names. */

/* Of a str, a bin or an ext: the bytes that it holds, without its header. */

recs_str_t recs_msgpack_bytes(const recs_value_t *v);

/* Of any type: is v a str that holds text? */

int recs_msgpack_text_is(const recs_value_t *v, const recs_str_t *text);

/* Of an ext: its type, -128 to 127. */

int recs_msgpack_ext_type(const recs_value_t *v);

/*
 * Of an integer: gives *n its magnitude, and returns 1 if it is negative (*n is
 * at most 2^63 then), else 0.
 */

int recs_msgpack_integer(const recs_value_t *v, uint64_t *n);

/* Of a float 64 or a float 32: the number, which is exact. */

double recs_msgpack_double(const recs_value_t *v);

/* Of a number that is no integer: is it a float 32? */

int recs_msgpack_is_float(const recs_value_t *v);

/* Of a boolean: 1 or 0. */

int recs_msgpack_boolean(const recs_value_t *v);


/*
 * Write the header of least width for a map of n members, an array of n
 * elements or a bin of n bytes to out, and return its length.
 */

#define RECS_MSGPACK_HEADER  5

size_t recs_msgpack_map_header(uint32_t n, uint8_t out[RECS_MSGPACK_HEADER]);
size_t recs_msgpack_array_header(uint32_t n,
    uint8_t out[RECS_MSGPACK_HEADER]);
size_t recs_msgpack_bin_header(uint32_t n, uint8_t out[RECS_MSGPACK_HEADER]);


/* The unsigned integer in n bytes at p, 8 at most, in big-endian order. */

static inline uint64_t
recs_msgpack_number(const uint8_t *p, size_t n)
{
    uint64_t  number;

    for (number = 0; n; n--) {
        number = number << 8 | *p++;
    }

    return number;
}


#endif /* RECS_MSGPACK_H */
