
/*
 * What the tests of writers share: what was written, as a span and compared.
 */


#ifndef RECS_UNIT_WRITER_H
#define RECS_UNIT_WRITER_H


#include "unit.h"

#include "recs_writer.h"


/* All that was written, in the writer's own memory; fails if that ran out. */

static inline recs_str_t
unit_written(const recs_writer_t *w)
{
    recs_str_t  str;

    assert_false(w->failed);

    str.data = w->data;
    str.len = w->len;

    return str;
}


#define unit_assert_written(w, expected)                                     \
    unit_check_written(w, expected, __FILE__, __LINE__)

static inline void
unit_check_written(const recs_writer_t *w, const char *expected,
    const char *file, int line)
{
    recs_str_t  str = unit_written(w);

    unit_check_cstr(&str, expected, file, line);
}


#endif /* RECS_UNIT_WRITER_H */
