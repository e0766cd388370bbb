
/*
 * The reader of JSON: values, members, elements.  What escapes in strings stand
 * for is in recs_json_text.c; recs_json.h says what callers get.  Productions
 * are those of RFC 8259.
 */


#include "recs_json.h"
#include "recs_text.h"


/*
 * Static functions read on from p and return the address after what they have
 * read, or NULL if the text is malformed: rd->pos and rd->error then say where
 * and why.  A position goes from token to token as p, in a register; only
 * errors and the public functions, at their end, store it in rd->pos.
 */

static const uint8_t *recs_json_inside(recs_reader_t *rd, const uint8_t *p,
    recs_value_t *v);
static uint64_t recs_json_last_marks(const uint8_t *p, size_t n);
static const uint8_t *recs_json_string_rest(recs_reader_t *rd,
    const uint8_t *p, recs_value_t *v);
static const uint8_t *recs_json_escape(recs_reader_t *rd, const uint8_t *p);


static inline const uint8_t *
recs_json_fail(recs_reader_t *rd, const uint8_t *p, const char *error)
{
    (void) recs_read_fail(rd, p, error);

    return NULL;
}


/* The byte at p; at the end of the text 0, which begins no token of JSON. */

static recs_inline uint8_t
recs_json_at(const recs_reader_t *rd, const uint8_t *p)
{
    return p < rd->end ? *p : 0;
}


/* Moves *p past white space; returns the byte there as recs_json_at() does. */

static recs_inline uint8_t
recs_json_peek(const recs_reader_t *rd, const uint8_t **p)
{
    uint8_t  c;

    while (*p < rd->end) {
        c = **p;

        if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t')) {
            return c;
        }

        (*p)++;
    }

    return 0;
}


static inline int
recs_json_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}


static inline int
recs_json_is_hex(uint8_t c)
{
    return recs_json_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}


/*
 * Notes the marks (recs_text.h) of a block of text that holds p; the block that
 * was looked at last doesn't.
 */

static recs_inline void
recs_json_mark(recs_reader_t *rd, const uint8_t *p)
{
    size_t  left;

    /* mostly it is the next block, which can be loaded before p is known */

    if ((uintptr_t) p - (uintptr_t) rd->block < 2 * RECS_TEXT_BLOCK) {
        rd->block += RECS_TEXT_BLOCK;

    } else {
        rd->block = p;
    }

    left = (size_t) (rd->end - rd->block);

    rd->marks = left < RECS_TEXT_BLOCK ? recs_json_last_marks(rd->block, left)
                                       : recs_text_marks(rd->block);
}


/* The marks of the last n bytes of the text, fewer than a block; its end is
   marked, too. */

static uint64_t
recs_json_last_marks(const uint8_t *p, size_t n)
{
    uint8_t  block[RECS_TEXT_BLOCK];

    memset(block, 0, RECS_TEXT_BLOCK);

    if (n) {
        memcpy(block, p, n);
    }

    return recs_text_marks(block);
}


/*
 * Returns the first byte from p on that is not plain inside a string, or the
 * end of the text.  A block of the text is looked at once, for all strings in
 * it: if each string were searched from its own beginning, the search could
 * not start before the end of the string before it was known.
 */

static recs_inline const uint8_t *
recs_json_past_plain(recs_reader_t *rd, const uint8_t *p)
{
    size_t    at;
    uint64_t  marks;

    for ( ;; ) {
        at = (size_t) ((uintptr_t) p - (uintptr_t) rd->block);

        if (at < RECS_TEXT_BLOCK) {
            marks = rd->marks >> at;

            if (marks) {
                return p + __builtin_ctzll(marks);
            }

            p = rd->block + RECS_TEXT_BLOCK;
        }

        recs_json_mark(rd, p);
    }
}


/* Reads a string, whose opening quote is at p. */

static recs_inline const uint8_t *
recs_json_string(recs_reader_t *rd, const uint8_t *p, recs_value_t *v)
{
    v->type = RECS_STRING;
    v->span.data = p;
    v->escaped = 0;
    v->msgpack = 0;

    p = recs_json_past_plain(rd, p + 1);

    if (recs_json_at(rd, p) != '"') {
        p = recs_json_string_rest(rd, p, v);

        if (p == NULL) {
            return NULL;
        }
    }

    p++;
    v->span.len = (size_t) (p - v->span.data);

    return p;
}


/* Passes over characters beyond ASCII; notes bytes that are not UTF-8. */

static recs_inline const uint8_t *
recs_json_beyond(recs_reader_t *rd, const uint8_t *p)
{
    size_t          len;
    const uint8_t  *end;

    end = rd->end;

    do {
        len = recs_text_utf8(p, end);

        if (len == 0) {
            rd->not_utf8 = 1;
            len = 1;
        }

        p += len;

    } while (p < end && *p >= 0x80);

    return p;
}


/*
 * Reads the rest of a string from p on, a byte that is not plain; returns the
 * closing quote's address.
 */

static const uint8_t *
recs_json_string_rest(recs_reader_t *rd, const uint8_t *p, recs_value_t *v)
{
    for ( ;; ) {

        if (p == rd->end) {
            return recs_json_fail(rd, p, "a string has no end");
        }

        if (*p >= 0x80) {

            p = recs_json_beyond(rd, p);

        } else if (*p == '\\') {
            v->escaped = 1;

            p = recs_json_escape(rd, p);

            if (p == NULL) {
                return NULL;
            }

        } else if (*p == '"') {
            return p;

        } else {
            return recs_json_fail(rd, p, "a control character in a string");
        }

        p = recs_json_past_plain(rd, p);
    }
}


/* Checks the escape whose backslash is at p, and passes over it. */

static const uint8_t *
recs_json_escape(recs_reader_t *rd, const uint8_t *p)
{
    if (rd->end - p >= 2) {

        switch (p[1]) {

        case '"': case '\\': case '/':
        case 'b': case 'f': case 'n': case 'r': case 't':
            return p + 2;

        case 'u':
            if (rd->end - p >= 6
                && recs_json_is_hex(p[2]) && recs_json_is_hex(p[3])
                && recs_json_is_hex(p[4]) && recs_json_is_hex(p[5]))
            {
                return p + 6;
            }
        }
    }

    return recs_json_fail(rd, p, "not an escape");
}


/* Passes over one digit or more; error: what is wrong if there is none. */

static recs_inline const uint8_t *
recs_json_digits(recs_reader_t *rd, const uint8_t *p, const char *error)
{
    if (!recs_json_is_digit(recs_json_at(rd, p))) {
        return recs_json_fail(rd, p, error);
    }

    do {
        p++;
    } while (recs_json_is_digit(recs_json_at(rd, p)));

    return p;
}


/* Reads a number, whose minus or first digit is at p. */

static recs_inline const uint8_t *
recs_json_number(recs_reader_t *rd, const uint8_t *p, recs_value_t *v)
{
    uint8_t  c;

    v->type = RECS_INTEGER;

    if (*p == '-') {
        p++;
    }

    if (recs_json_at(rd, p) == '0') {
        p++;

    } else {
        p = recs_json_digits(rd, p, "no digit after \"-\"");
    }

    if (p && recs_json_at(rd, p) == '.') {
        v->type = RECS_NUMBER;
        p = recs_json_digits(rd, p + 1, "no digit after \".\"");
    }

    if (p && (recs_json_at(rd, p) | 0x20) == 'e') {
        v->type = RECS_NUMBER;
        p++;

        c = recs_json_at(rd, p);

        if (c == '+' || c == '-') {
            p++;
        }

        p = recs_json_digits(rd, p, "no digit in an exponent");
    }

    return p;
}


/* Reads true, false or null, whose first letter is at p. */

static inline const uint8_t *
recs_json_literal(recs_reader_t *rd, const uint8_t *p, recs_value_t *v,
    recs_type_e type, const char *name, size_t len)
{
    if ((size_t) (rd->end - p) < len || memcmp(p, name, len) != 0) {
        return recs_json_fail(rd, p, "not a value");
    }

    v->type = type;

    return p + len;
}


/* Opens the object or the array whose bracket is at p. */

static inline const uint8_t *
recs_json_bracket(recs_reader_t *rd, const uint8_t *p, recs_value_t *v,
    recs_type_e type)
{
    if (rd->depth == RECS_MAX_DEPTH) {
        return recs_json_fail(rd, p, "nested too deep");
    }

    rd->depth++;

    v->type = type;
    v->left = 1;

    return p + 1;
}


/* Reads a scalar, or the opening bracket of an object or an array. */

static recs_inline const uint8_t *
recs_json_value(recs_reader_t *rd, const uint8_t *p, recs_value_t *v)
{
    uint8_t  c;

    c = recs_json_peek(rd, &p);

    if (c == '"') {
        return recs_json_string(rd, p, v);
    }

    v->span.data = p;
    v->escaped = 0;
    v->msgpack = 0;

    if (recs_json_is_digit(c) || c == '-') {
        p = recs_json_number(rd, p, v);

    } else {

        switch (c) {

        case '{':
            p = recs_json_bracket(rd, p, v, RECS_OBJECT);
            break;

        case '[':
            p = recs_json_bracket(rd, p, v, RECS_ARRAY);
            break;

        case 't':
            p = recs_json_literal(rd, p, v, RECS_BOOLEAN, "true", 4);
            break;

        case 'f':
            p = recs_json_literal(rd, p, v, RECS_BOOLEAN, "false", 5);
            break;

        case 'n':
            p = recs_json_literal(rd, p, v, RECS_NULL, "null", 4);
            break;

        default:
            return recs_json_fail(rd, p, "not a value");
        }
    }

    if (p) {
        v->span.len = (size_t) (p - v->span.data);
    }

    return p;
}


/* Like recs_json_value(), but reads objects and arrays to their end. */

static recs_inline const uint8_t *
recs_json_whole(recs_reader_t *rd, const uint8_t *p, recs_value_t *v)
{
    p = recs_json_value(rd, p, v);

    if (p && (v->type == RECS_OBJECT || v->type == RECS_ARRAY)) {
        return recs_json_inside(rd, p, v);
    }

    return p;
}


/*
 * Inside a container whose closing bracket is close: passes over the comma
 * before what follows and returns 1, or over the bracket and returns 0, or
 * returns RECS_MALFORMED with error.  *p is moved.
 */

static recs_inline int
recs_json_next(recs_reader_t *rd, const uint8_t **p, recs_value_t *container,
    uint8_t close, const char *error)
{
    uint8_t   c;
    uint32_t  first;

    first = container->left;
    container->left = 0;

    c = recs_json_peek(rd, p);

    if (c == close) {
        rd->depth--;
        (*p)++;
        return 0;
    }

    if (first) {
        return 1;
    }

    if (c != ',') {
        return recs_read_fail(rd, *p, error);
    }

    (*p)++;

    return 1;
}


/* As recs_json_element(), but at *p. */

static recs_inline int
recs_json_next_element(recs_reader_t *rd, const uint8_t **p,
    recs_value_t *array)
{
    return recs_json_next(rd, p, array, ']', "no \",\" or \"]\"");
}


/* As recs_json_member(), but at *p. */

static recs_inline int
recs_json_next_member(recs_reader_t *rd, const uint8_t **p,
    recs_value_t *object, recs_value_t *key)
{
    int  rc;

    rc = recs_json_next(rd, p, object, '}', "no \",\" or \"}\"");

    if (rc != 1) {
        return rc;
    }

    if (recs_json_peek(rd, p) != '"') {
        return recs_read_fail(rd, *p, "no name of a member");
    }

    *p = recs_json_string(rd, *p, key);

    if (*p == NULL) {
        return RECS_MALFORMED;
    }

    if (recs_json_peek(rd, p) != ':') {
        return recs_read_fail(rd, *p, "no \":\" after a member's name");
    }

    (*p)++;

    return 1;
}


/*
 * Reads on to the end of v, an object or an array that was opened.  It does
 * not recurse: types[] has the type of each container that is open in v.
 */

static const uint8_t *
recs_json_inside(recs_reader_t *rd, const uint8_t *p, recs_value_t *v)
{
    int           rc;
    uint8_t       types[RECS_MAX_DEPTH + 1];
    unsigned      outside, depth;
    recs_value_t  container, inner;

    outside = rd->depth - 1;
    types[rd->depth] = (uint8_t) v->type;
    container.left = 1;

    while (rd->depth > outside) {
        depth = rd->depth;

        if (types[depth] == RECS_OBJECT) {
            rc = recs_json_next_member(rd, &p, &container, &inner);

        } else {
            rc = recs_json_next_element(rd, &p, &container);
        }

        if (rc == 1) {
            p = recs_json_value(rd, p, &inner);

            if (p && rd->depth > depth) {
                types[rd->depth] = (uint8_t) inner.type;
                container.left = 1;
            }
        }

        if (rc < 0 || p == NULL) {
            return NULL;
        }
    }

    v->span.len = (size_t) (p - v->span.data);

    return p;
}


int
recs_json_open(recs_reader_t *rd, recs_value_t *v)
{
    const uint8_t  *p;

    p = recs_json_value(rd, rd->pos, v);

    if (p == NULL) {
        return RECS_MALFORMED;
    }

    rd->pos = p;

    return 0;
}


int
recs_json_skip(recs_reader_t *rd, recs_value_t *v)
{
    const uint8_t  *p;

    p = recs_json_whole(rd, rd->pos, v);

    if (p == NULL) {
        return RECS_MALFORMED;
    }

    rd->pos = p;

    return 0;
}


int
recs_json_member(recs_reader_t *rd, recs_value_t *object, recs_value_t *key)
{
    int             rc;
    const uint8_t  *p;

    p = rd->pos;

    rc = recs_json_next_member(rd, &p, object, key);

    if (rc >= 0) {
        rd->pos = p;
    }

    return rc;
}


int
recs_json_find(recs_reader_t *rd, recs_value_t *object,
    const recs_str_t *names, size_t n, recs_value_t *key)
{
    int             rc;
    size_t          i;
    recs_value_t    v;
    const uint8_t  *p;

    p = rd->pos;

    while ((rc = recs_json_next_member(rd, &p, object, key)) == 1) {

        for (i = 0; i < n; i++) {
            if (recs_json_text_is(key, &names[i])) {
                rd->pos = p;
                return 1;
            }
        }

        p = recs_json_whole(rd, p, &v);

        if (p == NULL) {
            return RECS_MALFORMED;
        }
    }

    if (rc == 0) {
        rd->pos = p;
    }

    return rc;
}


int
recs_json_element(recs_reader_t *rd, recs_value_t *array)
{
    int             rc;
    const uint8_t  *p;

    p = rd->pos;

    rc = recs_json_next_element(rd, &p, array);

    if (rc >= 0) {
        rd->pos = p;
    }

    return rc;
}


void
recs_json_space(recs_reader_t *rd)
{
    (void) recs_json_peek(rd, &rd->pos);
}
