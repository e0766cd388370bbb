
/*
 * The reader's part for JSON texts (RFC 8259).  Callers use recs_reader.h: its
 * functions of the same names call these, and say what they return.  Two things
 * are accepted that RFC 8259 leaves open or forbids: a lone surrogate escape
 * (section 8.2), which stays as it came, and bytes in a string that are not
 * UTF-8 (section 8.1), which rd->not_utf8 tells of.
 */


#ifndef RECS_JSON_H
#define RECS_JSON_H


#include "recs_value.h"


int recs_json_open(recs_reader_t *rd, recs_value_t *v);
int recs_json_skip(recs_reader_t *rd, recs_value_t *v);
int recs_json_member(recs_reader_t *rd, recs_value_t *object,
    recs_value_t *key);
int recs_json_find(recs_reader_t *rd, recs_value_t *object,
    const recs_str_t *names, size_t n, recs_value_t *key);
int recs_json_element(recs_reader_t *rd, recs_value_t *array);

/* Passes over white space at rd->pos. */

void recs_json_space(recs_reader_t *rd);


/*
 * Gives *text what the string v stands for: its bytes without the quotes, with
 * escapes resolved.  *text points into the document if there is no escape, else
 * to memory from mem.  A pair of surrogate escapes is the character it encodes;
 * a lone one becomes the three bytes that UTF-8's scheme would give it (as
 * WTF-8 has it), which no raw text can hold, so that different texts stay
 * different.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_json_decode(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text);

/* Does the string v, which has escapes, stand for text?  Allocates nothing. */

int recs_json_escaped_is(const recs_value_t *v, const recs_str_t *text);


/* Does the string v stand for text?  Allocates nothing. */

static inline int
recs_json_text_is(const recs_value_t *v, const recs_str_t *text)
{
    recs_str_t  plain;

    if (v->escaped) {
        return recs_json_escaped_is(v, text);
    }

    plain.data = v->span.data + 1;
    plain.len = v->span.len - 2;

    return recs_str_eq(&plain, text);
}


#endif /* RECS_JSON_H */
