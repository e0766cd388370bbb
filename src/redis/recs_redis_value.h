
/*
 * A value of a reply, for readers of replies that are plain C99: given in the
 * order in which they stand in it, an array before its elements.
 */


#ifndef RECS_REDIS_VALUE_H
#define RECS_REDIS_VALUE_H


#include <stddef.h>
#include <stdint.h>


typedef enum {
    RECS_REDIS_NIL = 0,
    RECS_REDIS_INTEGER,
    RECS_REDIS_STRING,
    RECS_REDIS_ARRAY                /* or a map: its keys and values in turn */
} recs_redis_type_e;


typedef struct {
    recs_redis_type_e         type;
    unsigned                  depth;    /* 0: the reply itself; 1: an element of
                                           it; and so on */
    unsigned                  index;    /* within its array; 0 at depth 0 */
    int64_t                   integer;  /* of an array: how many elements */
    const char               *data;     /* of a string, as long as the call */
    size_t                    len;
} recs_redis_value_t;


#endif /* RECS_REDIS_VALUE_H */
