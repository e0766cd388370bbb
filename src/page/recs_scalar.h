
/*
 * What a scalar that was read stands for: its text, an id, a number.  Callers
 * need not know its format.
 */


#ifndef RECS_SCALAR_H
#define RECS_SCALAR_H


#include "recs_json.h"
#include "recs_msgpack.h"


/*
 * Gives the text of a scalar: a string's, decoded; an integer's digits ("-0" is
 * "0"); a bin's bytes; of all others their bytes in the document, which in
 * MessagePack are no text: recs_transcode_text() makes one.  *text points into
 * the document if it stands there as it is, else to memory from mem.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_value_text(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text);

/*
 * Gives *n the double nearest to a number or an integer; infinity, if it is
 * beyond all doubles.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_value_double(const recs_mem_t *mem, const recs_value_t *v,
    double *n);

/*
 * Does v, a string or a member's name, stand for text?  In MessagePack a name
 * may be no str, and stands for none then.  Allocates nothing.
 */

static inline int
recs_value_text_is(const recs_value_t *v, const recs_str_t *text)
{
    return v->msgpack ? recs_msgpack_text_is(v, text)
                      : recs_json_text_is(v, text);
}


/* As recs_value_id(), of a value that is no string, no integer and no bin. */

recs_rc_e recs_value_other_id(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *id);

/*
 * Gives the id that a scalar is: the text of a string, an integer or a bin.  A
 * number with a fraction or an exponent, or a float, is an id if it is an
 * integer all the same (123.0, 1e3, -0.0): that integer's digits.  It may be up
 * to 2^53 - 1 (a float 32: 2^24 - 1); beyond that a double stands for several
 * integers.  id->data becomes NULL if v is no id, or if v is all zeroes (a
 * value that a page lacks).  *id points into the document or to memory from
 * mem.  Returns RECS_OK or RECS_NOMEM.
 */

static inline recs_rc_e
recs_value_id(const recs_mem_t *mem, const recs_value_t *v, recs_str_t *id)
{
    return v->type == RECS_STRING || v->type == RECS_INTEGER
           || v->type == RECS_BINARY ? recs_value_text(mem, v, id)
                                     : recs_value_other_id(mem, v, id);
}


#endif /* RECS_SCALAR_H */
