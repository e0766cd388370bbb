
/*
 * What reading yields, whatever the format: a value; and a reader's state.
 * recs_reader.h has the functions, recs_scalar.h says what values stand for.
 */


#ifndef RECS_VALUE_H
#define RECS_VALUE_H


#include "recs_base.h"


/* So many containers may be open at once; what is deeper is malformed. */

#define RECS_MAX_DEPTH  512


/* Types of values: scalars are those from RECS_STRING on. */

typedef enum {
    RECS_OBJECT = 0,        /* MessagePack: a map */
    RECS_ARRAY,
    RECS_STRING,
    RECS_INTEGER,           /* JSON: a number without fraction and exponent */
    RECS_NUMBER,            /* any other number */
    RECS_BOOLEAN,
    RECS_NULL,
    RECS_BINARY,            /* MessagePack's bin */
    RECS_EXTENSION          /* MessagePack's ext, a timestamp too */
} recs_type_e;


/* A value that was read, or a container that was opened. */

typedef struct {
    recs_str_t        span; /* the value's bytes: a string's with its quotes or
                               its header */
    recs_type_e       type;
    unsigned          escaped:1;    /* JSON: a string that holds a backslash */
    unsigned          msgpack:1;
    uint32_t          left; /* of a container that was opened.  MessagePack:
                               elements or members that were not read yet.
                               JSON: 1 before the first */
} recs_value_t;


/* The state of a reader. */

typedef struct {
    const uint8_t    *pos;  /* the next byte to read */
    const uint8_t    *end;
    recs_format_e     format;
    unsigned          depth;    /* containers open now */
    const uint8_t    *block;    /* JSON: the bytes whose marks (recs_text.h)
                                   are known; NULL: none */
    uint64_t          marks;
    unsigned          not_utf8:1;   /* JSON: a string held bytes that are not
                                       UTF-8 */
    const char       *error;    /* what is wrong at pos; NULL: nothing */
} recs_reader_t;


/* Notes what is wrong, and where; for the readers of the two formats. */

static inline int
recs_read_fail(recs_reader_t *rd, const uint8_t *pos, const char *error)
{
    rd->pos = pos;
    rd->error = error;

    return RECS_MALFORMED;
}


#endif /* RECS_VALUE_H */
