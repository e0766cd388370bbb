
/*
 * What the tests of readers share: reading a value piece by piece, as a caller
 * does that looks into it.
 */


#ifndef RECS_UNIT_READER_H
#define RECS_UNIT_READER_H


#include "unit.h"

#include "recs_reader.h"


/* The next member or element of v: 1, or 0 at the end, or an error. */

static inline int
unit_next(recs_reader_t *rd, recs_value_t *v)
{
    recs_value_t  key;

    return v->type == RECS_OBJECT ? recs_read_member(rd, v, &key)
                                  : recs_read_element(rd, v);
}


/* Reads a value and all that is in it; then v->span is the whole of it. */

static inline int
unit_pull(recs_reader_t *rd, recs_value_t *v)
{
    int           rc;
    recs_value_t  inner;

    if (recs_read_open(rd, v) < 0) {
        return -1;
    }

    if (v->type != RECS_OBJECT && v->type != RECS_ARRAY) {
        return 0;
    }

    do {
        rc = unit_next(rd, v);

        if (rc == 1 && unit_pull(rd, &inner) < 0) {
            return -1;
        }

    } while (rc == 1);

    v->span.len = (size_t) (rd->pos - v->span.data);

    return rc;
}


#endif /* RECS_UNIT_READER_H */
