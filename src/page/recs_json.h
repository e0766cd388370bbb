
/*
 * A strict reader of JSON texts (RFC 8259) that yields spans of the text it
 * reads and copies nothing.  The text must be UTF-8 without a byte order mark
 * (section 8.1); the one leniency of the RFC that is used is in what escapes
 * may say: a lone surrogate escape is accepted and kept as it came.
 *
 * It is a pull reader: the caller asks for what it expects next and skips
 * (checked all the same) what it does not care for.
 *
 *     recs_json_init(&rd, text, len);
 *     recs_json_open(&rd, &v);                // "{": an object
 *     first = 1;
 *     while ((rc = recs_json_member(&rd, &first, &key)) == 1) {
 *         recs_json_skip(&rd, &v);            // v.span: the whole value
 *     }
 *     recs_json_finish(&rd);                  // nothing else follows
 */


#ifndef RECS_JSON_H
#define RECS_JSON_H


#include "recs_base.h"


#define RECS_JSON_MAX_DEPTH  512


typedef enum {
    RECS_OBJECT = 0,
    RECS_ARRAY,
    RECS_STRING,
    RECS_INTEGER,           /* a number without fraction and exponent */
    RECS_NUMBER,            /* any other number */
    RECS_BOOLEAN,
    RECS_NULL
} recs_type_e;


typedef struct {
    recs_str_t        span; /* the value's bytes; a string's with its quotes */
    recs_type_e       type;
    unsigned          escaped:1;    /* a string that holds a backslash */
} recs_value_t;


typedef struct {
    const uint8_t    *pos;  /* the next byte to read */
    const uint8_t    *end;
    unsigned          depth;    /* containers open now */
    const char       *error;    /* what is wrong at pos; NULL: nothing */
} recs_json_t;


/* Starts to read len bytes at text, which the caller keeps until the end. */

void recs_json_init(recs_json_t *rd, const uint8_t *text, size_t len);

/*
 * Each function below returns a negative value if the text is not well formed
 * (rd->error says what is wrong, at rd->pos); no other call is allowed then.
 */

/*
 * Reads a value where one must stand (white space before it is passed over).
 * A scalar is read whole.  Of an object or an array the opening bracket is
 * read: v->span holds that one byte, recs_json_member() or
 * recs_json_element() reads on, and when that returns 0 rd->pos is just past
 * the closing bracket.  Returns 0.
 */

int recs_json_open(recs_json_t *rd, recs_value_t *v);

/* Like recs_json_open(), but reads objects and arrays to their end, too. */

int recs_json_skip(recs_json_t *rd, recs_value_t *v);

/*
 * Inside an object: 1 if another member follows (*key is its name, the reader
 * stands before its value), 0 if the closing brace was read.  *first must be 1
 * at the first call for an object; it is set to 0.
 */

int recs_json_member(recs_json_t *rd, int *first, recs_value_t *key);

/*
 * Inside an array: 1 if another element follows (the reader stands before it),
 * 0 if the closing bracket was read.  *first as for recs_json_member().
 */

int recs_json_element(recs_json_t *rd, int *first);

/* After the root value: returns 0 if nothing but white space follows. */

int recs_json_finish(recs_json_t *rd);


/*
 * The decoded text of a string value: escapes resolved, without the quotes.
 * Points into the document if there is no escape, else to memory from mem.
 * A pair of surrogate escapes is the character it encodes; a lone one becomes
 * the three bytes that UTF-8's scheme would give it (as WTF-8 has it), which
 * no raw text can hold, so that different texts stay different.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_json_decode(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text);

/* True if the decoded text of the string v is text.  Allocates nothing. */

int recs_json_text_is(const recs_value_t *v, const recs_str_t *text);


#endif /* RECS_JSON_H */
