
/*
 * What a scalar that was read stands for: its text, an id, a number.  The same
 * for both formats.
 */


#ifndef RECS_SCALAR_H
#define RECS_SCALAR_H


#include "recs_json.h"
#include "recs_msgpack.h"


/*
 * The text of a scalar: a string's, decoded; an integer's digits ("-0" is "0");
 * a bin's bytes.  Of all others their bytes, which in MessagePack are no text:
 * recs_transcode_text() makes one.  It points into the document if it stands
 * there as it is, else to memory from mem.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_value_text(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text);

/*
 * The double that is next to a number or an integer: infinite, if that is
 * beyond all.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_value_double(const recs_mem_t *mem, const recs_value_t *v,
    double *n);

/*
 * True if v, a string or a member's name, has text as its decoded text; a name
 * that is no string (a bin is none) has no text.  Allocates nothing.
 */

static inline int
recs_value_text_is(const recs_value_t *v, const recs_str_t *text)
{
    return v->msgpack ? recs_msgpack_text_is(v, text)
                      : recs_json_text_is(v, text);
}


/* recs_value_id() of what is no string, no integer and no bin. */

recs_rc_e recs_value_other_id(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *id);

/*
 * The id that a scalar is: the text of a string, an integer or a bin.  A number
 * with a fraction or an exponent, or a float, which is an integer all the same
 * (123.0, 1e3, -0.0), is an id, too: the integer's digits.  So it is up to
 * 2^53 - 1 (a float 32: 2^24 - 1); beyond that a double stands for several
 * integers.  id->data becomes NULL if v is no id, or if v is all zeroes (a
 * value that a page lacks).  Returns RECS_OK or RECS_NOMEM.
 */

static inline recs_rc_e
recs_value_id(const recs_mem_t *mem, const recs_value_t *v, recs_str_t *id)
{
    return v->type == RECS_STRING || v->type == RECS_INTEGER
           || v->type == RECS_BINARY ? recs_value_text(mem, v, id)
                                     : recs_value_other_id(mem, v, id);
}


#endif /* RECS_SCALAR_H */
