
/*
 * The text that a string of JSON stands for: its escapes (RFC 8259, section 7)
 * are resolved.  The string was read by recs_json.c, so that its escapes are
 * well formed, and v->escaped is right.
 */


#include "recs_json.h"


static const uint8_t *recs_json_unit(const uint8_t *p, uint8_t *out,
    size_t *len);
static size_t recs_json_encode(uint32_t ch, uint8_t *out);


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

    /* the text takes no more: no escape is shorter than what it stands for */

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
recs_json_escaped_is(const recs_value_t *v, const recs_str_t *text)
{
    size_t          len, left;
    uint8_t         unit[4];
    const uint8_t  *p, *end, *expected;

    p = v->span.data + 1;
    end = v->span.data + v->span.len - 1;

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
 * Decodes one unit of a string at p (a byte, an escape, a pair of surrogate
 * escapes) into *len bytes at out, at most 4; returns the address after it.
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

    /* p[0] can be read: it is the closing quote, if nothing else follows */

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


/*
 * Writes ch to out as UTF-8 (RFC 3629, section 3), a surrogate in the same way;
 * returns how many bytes that are.
 */

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
