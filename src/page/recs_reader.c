
#include <locale.h>
#include <stdlib.h>

#include "recs_reader.h"
#include "recs_transcode.h"


static recs_rc_e recs_value_digits(const recs_mem_t *mem,
    const recs_value_t *v, recs_str_t *text);
static recs_rc_e recs_value_json(const recs_mem_t *mem,
    const recs_value_t *v, recs_str_t *text);


int
recs_read_finish(recs_reader_t *rd)
{
    if (rd->format == RECS_JSON) {
        recs_json_space(rd);
    }

    if (rd->pos < rd->end) {
        return recs_read_fail(rd, rd->pos, "more after the root value");
    }

    return 0;
}


recs_rc_e
recs_value_text(const recs_mem_t *mem, const recs_value_t *v, recs_str_t *text)
{
    if (v->msgpack) {

        switch (v->type) {

        case RECS_STRING:
        case RECS_BINARY:
            *text = recs_msgpack_bytes(v);
            return RECS_OK;

        case RECS_INTEGER:
            return recs_value_digits(mem, v, text);

        default:
            return recs_value_json(mem, v, text);
        }
    }

    if (v->type == RECS_STRING) {
        return recs_json_decode(mem, v, text);
    }

    *text = v->span;

    if (v->type == RECS_INTEGER && text->len == 2
        && memcmp(text->data, "-0", 2) == 0)
    {
        text->data++;
        text->len = 1;
    }

    return RECS_OK;
}


static recs_rc_e
recs_value_digits(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text)
{
    int        negative;
    uint8_t   *p, digits[20];   /* of 2^64 - 1; or of 2^63 and a minus */
    uint64_t   n;

    negative = recs_msgpack_integer(v, &n);
    p = digits + sizeof(digits);

    do {
        *--p = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n);

    if (negative) {
        *--p = '-';
    }

    text->len = (size_t) (digits + sizeof(digits) - p);
    text->data = recs_alloc(mem, text->len);

    if (text->data == NULL) {
        return RECS_NOMEM;
    }

    memcpy((uint8_t *) text->data, p, text->len);

    return RECS_OK;
}


static recs_rc_e
recs_value_json(const recs_mem_t *mem, const recs_value_t *v, recs_str_t *text)
{
    /* a scalar is never refused */

    if (recs_transcode(mem, RECS_MSGPACK, &v->span, RECS_JSON, text) != NULL) {
        return RECS_NOMEM;
    }

    if (text->data[0] == '"') {
        text->data++;
        text->len -= 2;
    }

    return RECS_OK;
}


/* strtod() wants the end marked, and the locale's decimal point. */

recs_rc_e
recs_value_double(const recs_mem_t *mem, const recs_value_t *v, double *n)
{
    char           *text, *p;
    size_t          len;
    recs_str_t      digits;
    const char     *locale;
    const uint8_t  *point;

    if (v->msgpack && v->type == RECS_NUMBER) {
        *n = recs_msgpack_double(v);
        return RECS_OK;
    }

    if (recs_value_text(mem, v, &digits) != RECS_OK) {
        return RECS_NOMEM;
    }

    locale = localeconv()->decimal_point;

    text = recs_alloc(mem, digits.len + strlen(locale) + 1);
    if (text == NULL) {
        return RECS_NOMEM;
    }

    p = text;
    len = digits.len;
    point = memchr(digits.data, '.', len);

    if (point) {
        len = (size_t) (point - digits.data);
        memcpy(p, digits.data, len);
        p += len;

        p = strcpy(p, locale) + strlen(locale);

        point++;
        len = digits.len - len - 1;

    } else {
        point = digits.data;
    }

    memcpy(p, point, len);
    p[len] = '\0';

    *n = strtod(text, NULL);

    return RECS_OK;
}


recs_format_e
recs_format_of(const recs_str_t *text)
{
    uint8_t  c;

    c = text->len ? text->data[0] : 0;

    return (c >= 0x80 && c <= 0x9f) || (c >= 0xdc && c <= 0xdf)
           ? RECS_MSGPACK : RECS_JSON;
}
