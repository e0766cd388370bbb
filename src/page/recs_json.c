
#include "recs_json.h"
#include "recs_text.h"


static int recs_json_string(recs_reader_t *rd, recs_value_t *v);
static const uint8_t *recs_json_escape(recs_reader_t *rd, const uint8_t *p);
static int recs_json_number(recs_reader_t *rd, recs_value_t *v);
static const uint8_t *recs_json_unit(const uint8_t *p, uint8_t *out,
    size_t *len);
static size_t recs_json_encode(uint32_t ch, uint8_t *out);


/* The next byte that is no white space; 0, which none may be, at the end. */

static inline uint8_t
recs_json_peek(recs_reader_t *rd)
{
    uint8_t  c;

    while (rd->pos < rd->end) {
        c = *rd->pos;

        if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t')) {
            return c;
        }

        rd->pos++;
    }

    return 0;
}


static inline int
recs_json_digit(const uint8_t *p, const uint8_t *end)
{
    return p < end && *p >= '0' && *p <= '9';
}


static inline int
recs_json_is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9')
           || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}


static inline int
recs_json_bracket(recs_reader_t *rd, recs_value_t *v, recs_type_e type)
{
    if (rd->depth == RECS_MAX_DEPTH) {
        return recs_read_fail(rd, rd->pos, "nested too deep");
    }

    v->type = type;
    v->span.len = 1;
    v->left = 1;

    rd->depth++;
    rd->pos++;

    return 0;
}


static inline int
recs_json_literal(recs_reader_t *rd, recs_value_t *v, recs_type_e type,
    const char *name, size_t len)
{
    if ((size_t) (rd->end - rd->pos) < len
        || memcmp(rd->pos, name, len) != 0)
    {
        return recs_read_fail(rd, rd->pos, "not a value");
    }

    v->type = type;
    v->span.len = len;

    rd->pos += len;

    return 0;
}


/* 1 if something follows in the container, 0 if it was closed. */

static inline int
recs_json_next(recs_reader_t *rd, uint32_t *first, uint8_t close,
    const char *error)
{
    uint8_t   c;
    uint32_t  was_first;

    was_first = *first;
    *first = 0;

    c = recs_json_peek(rd);

    if (c == close) {
        rd->depth--;
        rd->pos++;
        return 0;
    }

    if (was_first) {
        return 1;
    }

    if (c != ',') {
        return recs_read_fail(rd, rd->pos, error);
    }

    rd->pos++;

    return 1;
}


int
recs_json_open(recs_reader_t *rd, recs_value_t *v)
{
    uint8_t  c;

    c = recs_json_peek(rd);

    v->span.data = rd->pos;
    v->escaped = 0;
    v->msgpack = 0;

    switch (c) {

    case '"':
        return recs_json_string(rd, v);

    case '{':
        return recs_json_bracket(rd, v, RECS_OBJECT);

    case '[':
        return recs_json_bracket(rd, v, RECS_ARRAY);

    case 't':
        return recs_json_literal(rd, v, RECS_BOOLEAN, "true", 4);

    case 'f':
        return recs_json_literal(rd, v, RECS_BOOLEAN, "false", 5);

    case 'n':
        return recs_json_literal(rd, v, RECS_NULL, "null", 4);

    default:
        if (c == '-' || (c >= '0' && c <= '9')) {
            return recs_json_number(rd, v);
        }

        return recs_read_fail(rd, rd->pos, "not a value");
    }
}


int
recs_json_member(recs_reader_t *rd, recs_value_t *object, recs_value_t *key)
{
    int  rc;

    rc = recs_json_next(rd, &object->left, '}', "no \",\" or \"}\"");

    if (rc != 1) {
        return rc;
    }

    if (recs_json_peek(rd) != '"') {
        return recs_read_fail(rd, rd->pos, "no name of a member");
    }

    key->span.data = rd->pos;
    key->escaped = 0;
    key->msgpack = 0;

    rc = recs_json_string(rd, key);

    if (rc < 0) {
        return rc;
    }

    if (recs_json_peek(rd) != ':') {
        return recs_read_fail(rd, rd->pos, "no \":\" after a member's name");
    }

    rd->pos++;

    return 1;
}


int
recs_json_element(recs_reader_t *rd, recs_value_t *array)
{
    return recs_json_next(rd, &array->left, ']', "no \",\" or \"]\"");
}


int
recs_json_skip(recs_reader_t *rd, recs_value_t *v)
{
    int           rc;
    uint8_t       types[RECS_MAX_DEPTH + 1];
    unsigned      outside, depth;
    recs_value_t  container, inner;

    outside = rd->depth;

    rc = recs_json_open(rd, v);

    if (rc < 0 || rd->depth == outside) {
        return rc;
    }

    types[rd->depth] = (uint8_t) v->type;
    container.left = 1;

    while (rd->depth > outside) {
        depth = rd->depth;

        if (types[depth] == RECS_OBJECT) {
            rc = recs_json_member(rd, &container, &inner);

        } else {
            rc = recs_json_element(rd, &container);
        }

        if (rc == 1) {
            rc = recs_json_open(rd, &inner);

            if (rc == 0 && rd->depth > depth) {
                types[rd->depth] = (uint8_t) inner.type;
                container.left = 1;
            }
        }

        if (rc < 0) {
            return rc;
        }
    }

    v->span.len = (size_t) (rd->pos - v->span.data);

    return 0;
}


void
recs_json_space(recs_reader_t *rd)
{
    (void) recs_json_peek(rd);
}


/* The reader stands at the opening quote. */

static int
recs_json_string(recs_reader_t *rd, recs_value_t *v)
{
    size_t          len;
    const uint8_t  *p;

    p = rd->pos + 1;

    for ( ;; ) {
        p = recs_text_plain(p, rd->end);

        if (p == rd->end) {
            return recs_read_fail(rd, p, "a string has no end");
        }

        if (*p == '"') {
            break;
        }

        if (*p == '\\') {
            v->escaped = 1;

            p = recs_json_escape(rd, p);

            if (p == NULL) {
                return RECS_MALFORMED;
            }

            continue;
        }

        if (*p < 0x20) {
            return recs_read_fail(rd, p, "a control character in a string");
        }

        do {
            len = recs_text_utf8(p, rd->end);

            if (len == 0) {
                return recs_read_fail(rd, p, "not UTF-8");
            }

            p += len;

        } while (p < rd->end && *p >= 0x80);
    }

    rd->pos = p + 1;

    v->type = RECS_STRING;
    v->span.len = (size_t) (rd->pos - v->span.data);

    return 0;
}


/* Checks the escape at p; gives what follows it, or NULL. */

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

    (void) recs_read_fail(rd, p, "not an escape");

    return NULL;
}


/* The reader stands at the minus or the first digit. */

static int
recs_json_number(recs_reader_t *rd, recs_value_t *v)
{
    const uint8_t  *p, *end;

    p = rd->pos;
    end = rd->end;

    v->type = RECS_INTEGER;

    if (*p == '-') {
        p++;
    }

    if (!recs_json_digit(p, end)) {
        return recs_read_fail(rd, p, "no digit after \"-\"");
    }

    if (*p++ != '0') {
        while (recs_json_digit(p, end)) {
            p++;
        }
    }

    if (p < end && *p == '.') {
        v->type = RECS_NUMBER;
        p++;

        if (!recs_json_digit(p, end)) {
            return recs_read_fail(rd, p, "no digit after \".\"");
        }

        while (recs_json_digit(p, end)) {
            p++;
        }
    }

    if (p < end && (*p | 0x20) == 'e') {
        v->type = RECS_NUMBER;
        p++;

        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }

        if (!recs_json_digit(p, end)) {
            return recs_read_fail(rd, p, "no digit in an exponent");
        }

        while (recs_json_digit(p, end)) {
            p++;
        }
    }

    rd->pos = p;
    v->span.len = (size_t) (p - v->span.data);

    return 0;
}


recs_rc_e
recs_json_decode(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text)
{
    size_t          len;
    uint8_t        *out;
    const uint8_t  *p, *end;

    p = v->span.data + 1;
    end = v->span.data + v->span.len - 1;

    text->data = p;
    text->len = (size_t) (end - p);

    if (!v->escaped) {
        return RECS_OK;
    }

    /* no escape is shorter than what it stands for */

    out = recs_alloc(mem, text->len);

    if (out == NULL) {
        return RECS_NOMEM;
    }

    text->data = out;

    while (p < end) {
        p = recs_json_unit(p, out, &len);
        out += len;
    }

    text->len = (size_t) (out - text->data);

    return RECS_OK;
}


int
recs_json_text_is(const recs_value_t *v, const recs_str_t *text)
{
    size_t          len, left;
    uint8_t         unit[4];
    recs_str_t      raw;
    const uint8_t  *p, *end, *expected;

    p = v->span.data + 1;
    end = v->span.data + v->span.len - 1;

    if (!v->escaped) {
        raw.data = p;
        raw.len = (size_t) (end - p);

        return recs_str_eq(&raw, text);
    }

    expected = text->data;
    left = text->len;

    while (p < end) {
        p = recs_json_unit(p, unit, &len);

        if (len > left || memcmp(unit, expected, len) != 0) {
            return 0;
        }

        expected += len;
        left -= len;
    }

    return left == 0;
}


/* The value of the four hex digits at p. */

static uint32_t
recs_json_hex(const uint8_t *p)
{
    uint32_t  n, i;

    n = 0;

    for (i = 0; i < 4; i++) {
        n = n << 4 | (uint32_t) (p[i] <= '9' ? p[i] - '0'
                                             : (p[i] | 0x20) - 'a' + 10);
    }

    return n;
}


/*
 * Decodes one unit of a string that was checked (a byte, an escape, a pair of
 * surrogate escapes) into len bytes at out, at most 4; gives what follows it.
 */

static const uint8_t *
recs_json_unit(const uint8_t *p, uint8_t *out, size_t *len)
{
    uint32_t  ch, low;

    *len = 1;
    *out = *p++;

    if (*out != '\\') {
        return p;
    }

    *out = *p++;

    switch (*out) {

    case 'b':
        *out = '\b';
        return p;

    case 'f':
        *out = '\f';
        return p;

    case 'n':
        *out = '\n';
        return p;

    case 'r':
        *out = '\r';
        return p;

    case 't':
        *out = '\t';
        return p;

    case 'u':
        break;

    default:    /* a quote, a backslash, a slash */
        return p;
    }

    ch = recs_json_hex(p);
    p += 4;

    /* the closing quote, at least, stands at p */

    if (ch >= 0xd800 && ch < 0xdc00 && p[0] == '\\' && p[1] == 'u') {
        low = recs_json_hex(p + 2);

        if (low >= 0xdc00 && low < 0xe000) {
            ch = 0x10000 + ((ch - 0xd800) << 10) + (low - 0xdc00);
            p += 6;
        }
    }

    *len = recs_json_encode(ch, out);

    return p;
}


static size_t
recs_json_encode(uint32_t ch, uint8_t *out)
{
    if (ch < 0x80) {
        out[0] = (uint8_t) ch;
        return 1;
    }

    if (ch < 0x800) {
        out[0] = (uint8_t) (0xc0 | ch >> 6);
        out[1] = (uint8_t) (0x80 | (ch & 0x3f));
        return 2;
    }

    if (ch < 0x10000) {
        out[0] = (uint8_t) (0xe0 | ch >> 12);
        out[1] = (uint8_t) (0x80 | (ch >> 6 & 0x3f));
        out[2] = (uint8_t) (0x80 | (ch & 0x3f));
        return 3;
    }

    out[0] = (uint8_t) (0xf0 | ch >> 18);
    out[1] = (uint8_t) (0x80 | (ch >> 12 & 0x3f));
    out[2] = (uint8_t) (0x80 | (ch >> 6 & 0x3f));
    out[3] = (uint8_t) (0x80 | (ch & 0x3f));

    return 4;
}
