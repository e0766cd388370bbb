
/*
 * MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), behind
 * recs_reader.h: see there what the functions that read give.  What a value
 * says of its size is believed only so far as there are bytes left: an element
 * takes one at least, a member two.  A str need not be UTF-8.
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


/* What follows is for values of MessagePack that were read, of the types that
   each names. */

/* What a str, a bin or an ext holds, without its header. */

recs_str_t recs_msgpack_bytes(const recs_value_t *v);

/* True if v is a str, and holds text. */

int recs_msgpack_text_is(const recs_value_t *v, const recs_str_t *text);

/* An ext's type, -128 to 127. */

int recs_msgpack_ext_type(const recs_value_t *v);

/*
 * An integer: returns 1 if it is less than 0, else 0; *n is how far it is from
 * 0, at most 2^63 for one that is less.
 */

int recs_msgpack_integer(const recs_value_t *v, uint64_t *n);

/* A float 64, or a float 32 as a double. */

double recs_msgpack_double(const recs_value_t *v);

/* True if a number is a float 32. */

int recs_msgpack_is_float(const recs_value_t *v);

int recs_msgpack_boolean(const recs_value_t *v);


/*
 * The header of least width for a map of n members, an array of n elements or
 * a bin of n bytes.  Returns its length.
 */

#define RECS_MSGPACK_HEADER  5

size_t recs_msgpack_map_header(uint32_t n, uint8_t out[RECS_MSGPACK_HEADER]);
size_t recs_msgpack_array_header(uint32_t n,
    uint8_t out[RECS_MSGPACK_HEADER]);
size_t recs_msgpack_bin_header(uint32_t n, uint8_t out[RECS_MSGPACK_HEADER]);


/* The number in n bytes at p, 8 at most, the first of which counts most. */

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
