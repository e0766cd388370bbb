
/*
 * What a scalar stands for: a text, an id, a number.  See recs_scalar.h; text
 * of JSON's strings is decoded in recs_json_text.c.
 */


#include <locale.h>
#include <stdlib.h>

#include "recs_scalar.h"


/* Up to here each integer has a double, or a float, that is no other's. */

#define RECS_WHOLE_MAX        ((UINT64_C(1) << 53) - 1)
#define RECS_WHOLE_FLOAT_MAX  ((UINT64_C(1) << 24) - 1)


static recs_rc_e recs_value_digits(const recs_mem_t *mem, uint64_t n,
    int negative, recs_str_t *text);
static int recs_whole_float(const recs_value_t *v, uint64_t *n,
    int *negative);
static int recs_whole_decimal(const recs_str_t *text, uint64_t *n);
static const uint8_t *recs_whole_exponent(const recs_str_t *text,
    int64_t *exponent);
static int recs_whole_scaled(uint64_t *n, uint64_t zeros, unsigned digit);


recs_rc_e
recs_value_text(const recs_mem_t *mem, const recs_value_t *v, recs_str_t *text)
{
    int       negative;
    uint64_t  n;

    if (v->msgpack) {

        switch (v->type) {

        case RECS_STRING:
        case RECS_BINARY:
            *text = recs_msgpack_bytes(v);
            return RECS_OK;

        case RECS_INTEGER:
            negative = recs_msgpack_integer(v, &n);
            return recs_value_digits(mem, n, negative, text);

        default:
            *text = v->span;
            return RECS_OK;
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


/* Writes the digits of n, with a "-" if it is negative. */

static recs_rc_e
recs_value_digits(const recs_mem_t *mem, uint64_t n, int negative,
    recs_str_t *text)
{
    uint8_t  *p, digits[20];    /* of 2^64 - 1; or of 2^63 and a minus */

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


recs_rc_e
recs_value_other_id(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *id)
{
    int             negative;
    int64_t         exponent;
    uint64_t        n;
    const uint8_t  *end, *point;

    id->data = NULL;
    id->len = 0;

    if (v->type != RECS_NUMBER) {
        return RECS_OK;
    }

    if (v->msgpack) {
        return recs_whole_float(v, &n, &negative)
               ? recs_value_digits(mem, n, negative, id) : RECS_OK;
    }

    if (!recs_whole_decimal(&v->span, &n)) {
        return RECS_OK;
    }

    /* without an exponent the id stands in the document, before the point */

    end = v->span.data + v->span.len;

    if (n && recs_whole_exponent(&v->span, &exponent) == end) {
        point = memchr(v->span.data, '.', v->span.len);

        id->data = v->span.data;
        id->len = (size_t) (point - v->span.data);

        return RECS_OK;
    }

    return recs_value_digits(mem, n, n && v->span.data[0] == '-', id);
}


/* Is a float of MessagePack an integer?  Gives *n its magnitude then. */

static int
recs_whole_float(const recs_value_t *v, uint64_t *n, int *negative)
{
    double  f, max;

    f = recs_msgpack_double(v);
    max = (double) (recs_msgpack_is_float(v) ? RECS_WHOLE_FLOAT_MAX
                                             : RECS_WHOLE_MAX);

    /* NaN is neither more nor less */

    if (!(f >= -max && f <= max)) {
        return 0;
    }

    *negative = f < 0;
    f = f < 0 ? -f : f;
    *n = (uint64_t) f;

    return (double) *n == f;
}


/*
 * Is a number of JSON an integer?  Gives *n its magnitude then.  Zeros are
 * counted, and multiply *n only when another digit follows: so the time depends
 * on how many bytes the number has, and not on how large its exponent is.
 */

static int
recs_whole_decimal(const recs_str_t *text, uint64_t *n)
{
    int64_t         exponent;
    uint64_t        zeros;      /* since the last digit that is not 0 */
    const uint8_t  *p, *end, *point;

    end = recs_whole_exponent(text, &exponent);
    point = NULL;
    zeros = 0;
    *n = 0;

    for (p = text->data + (*text->data == '-'); p < end; p++) {

        if (*p == '.') {
            point = p;

        } else if (*p == '0') {
            zeros++;

        } else if (recs_whole_scaled(n, zeros + 1, *p - '0')) {
            zeros = 0;

        } else {
            return 0;
        }
    }

    if (*n == 0) {
        return 1;
    }

    exponent += (int64_t) zeros - (point ? end - point - 1 : 0);

    return exponent >= 0 && recs_whole_scaled(n, (uint64_t) exponent, 0);
}


/*
 * Reads the exponent of a number of JSON, 0 if it has none, and returns the
 * address where the digits before it end.  Of a huge exponent only its first
 * digits are read, which are beyond those of all integers that count here.
 */

static const uint8_t *
recs_whole_exponent(const recs_str_t *text, int64_t *exponent)
{
    int             negative;
    const uint8_t  *p, *end, *digits;

    *exponent = 0;
    end = text->data + text->len;

    for (digits = text->data; digits < end; digits++) {
        if ((*digits | 0x20) == 'e') {
            break;
        }
    }

    if (digits == end) {
        return end;
    }

    p = digits + 1;
    negative = (*p == '-');
    p += (*p == '-' || *p == '+');

    for ( /* void */ ; p < end && *exponent < INT64_MAX / 100; p++) {
        *exponent = *exponent * 10 + (*p - '0');
    }

    *exponent = negative ? -*exponent : *exponent;

    return digits;
}


/* Makes *n * 10^zeros + digit of *n.  Returns 1, or 0 if that is too large. */

static int
recs_whole_scaled(uint64_t *n, uint64_t zeros, unsigned digit)
{
    for ( /* void */ ; zeros && *n; zeros--) {
        *n *= 10;

        if (*n > RECS_WHOLE_MAX) {
            return 0;
        }
    }

    *n += digit;

    return *n <= RECS_WHOLE_MAX;
}


/*
 * strtod() gets a copy of the text, since it needs one that ends with a NUL and
 * has the locale's decimal point.
 */

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
