
/* Strings and numbers as JSON: see recs_write_json.h. */


#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "recs_text.h"
#include "recs_write_json.h"


/* Doubles of at most so many decimals are written without the C library. */

#define RECS_WRITE_DECIMALS  8


static const uint8_t *recs_write_other(recs_writer_t *w, const uint8_t *p,
    const uint8_t *end);
static void recs_write_escape(recs_writer_t *w, unsigned ch);
static int recs_write_few_decimals(recs_writer_t *w, double n);
static void recs_write_decimal(recs_writer_t *w, const char *decimal);


/* Writes the decimal digits of n before end; returns where they begin. */

static inline char *
recs_write_digits(char *end, uint64_t n)
{
    do {
        *--end = (char) ('0' + n % 10);
        n /= 10;
    } while (n);

    return end;
}


void
recs_write_json_string(recs_writer_t *w, const recs_str_t *text)
{
    const uint8_t  *p, *run, *end;

    recs_write_bytes(w, "\"", 1);

    if (text->len != 0) {
        p = text->data;
        end = p + text->len;

        while (p < end) {
            run = p;
            p = recs_text_plain(p, end);
            recs_write_bytes(w, run, (size_t) (p - run));

            if (p < end) {
                p = recs_write_other(w, p, end);
            }
        }
    }

    recs_write_bytes(w, "\"", 1);
}


/*
 * Writes a byte at p that is not plain, or the character that begins with it;
 * returns the address after that.
 */

static const uint8_t *
recs_write_other(recs_writer_t *w, const uint8_t *p, const uint8_t *end)
{
    size_t  len;

    if (*p < 0x80) {
        recs_write_escape(w, *p);
        return p + 1;
    }

    len = recs_text_utf8(p, end);

    if (len != 0) {
        recs_write_bytes(w, p, len);
        return p + len;
    }

    if (!w->strict && end - p >= 3 && p[0] == 0xed && p[1] >= 0xa0
        && recs_text_is_tail(p[1]) && recs_text_is_tail(p[2]))
    {
        recs_write_escape(w, 0xd000U | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU));
        return p + 3;
    }

    recs_write_bytes(w, "\xef\xbf\xbd", 3);    /* U+FFFD */

    return p + 1;
}


/* Writes the escape of a UTF-16 code unit (RFC 8259, section 7). */

static void
recs_write_escape(recs_writer_t *w, unsigned ch)
{
    int          len;
    char         buf[sizeof("\\uffff")];
    const char  *found;

    static const char  named[] = "\"\\\b\f\n\r\t";

    found = NULL;

    if (ch < 0x80) {
        found = memchr(named, (int) ch, sizeof(named) - 1);
    }

    if (found) {
        buf[0] = '\\';
        buf[1] = "\"\\bfnrt"[found - named];
        len = 2;

    } else {
        len = snprintf(buf, sizeof(buf), "\\u%04x", ch & 0xffffU);
    }

    recs_write_bytes(w, buf, (size_t) len);
}


void
recs_write_json_base64(recs_writer_t *w, const recs_str_t *bytes)
{
    char      out[4];
    size_t    i, left;
    uint32_t  n;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    recs_write_bytes(w, "\"", 1);

    for (i = 0; i < bytes->len; i += 3) {
        left = bytes->len - i;

        n = (uint32_t) bytes->data[i] << 16;
        n |= left > 1 ? (uint32_t) bytes->data[i + 1] << 8 : 0;
        n |= left > 2 ? (uint32_t) bytes->data[i + 2] : 0;

        out[0] = digits[n >> 18];
        out[1] = digits[n >> 12 & 63];
        out[2] = left > 1 ? digits[n >> 6 & 63] : '=';
        out[3] = left > 2 ? digits[n & 63] : '=';

        recs_write_bytes(w, out, sizeof(out));
    }

    recs_write_bytes(w, "\"", 1);
}


void
recs_write_json_uint(recs_writer_t *w, uint64_t n)
{
    char  buf[sizeof("18446744073709551615")], *p;

    p = recs_write_digits(buf + sizeof(buf), n);

    recs_write_bytes(w, p, (size_t) (buf + sizeof(buf) - p));
}


void
recs_write_json_int(recs_writer_t *w, int64_t n)
{
    int   len;
    char  buf[sizeof("-9223372036854775808")];

    len = snprintf(buf, sizeof(buf), "%" PRId64, n);

    recs_write_bytes(w, buf, (size_t) len);
}


void
recs_write_json_double(recs_writer_t *w, double n)
{
    int   precision;
    char  buf[64];

    if (recs_write_few_decimals(w, n)) {
        return;
    }

    for (precision = 15; precision <= 17; precision++) {
        (void) snprintf(buf, sizeof(buf), "%.*g", precision, n);

        if (strtod(buf, NULL) == n) {
            break;
        }
    }

    recs_write_decimal(w, buf);
}


/*
 * Writes n if it has few decimals, as most scores have; returns 0 if it does
 * not.  If n is the double nearest to r / 10^k, with both of these exact, that
 * decimal reads back as n.  The C library finds the same digits, but takes many
 * times as long.
 */

static int
recs_write_few_decimals(recs_writer_t *w, double n)
{
    char      buf[32], *p;
    double    size, scale;
    uint64_t  r;
    unsigned  i, k;

    size = n < 0 ? -n : n;

    /* so it is written without an exponent, and r has at most 15 digits */

    if (!(size >= 1e-4 && size < 1e6)) {
        return 0;
    }

    scale = 1;
    k = 0;

    for ( ;; ) {
        r = (uint64_t) (size * scale + 0.5);

        if ((double) r / scale == size) {
            break;
        }

        if (k == RECS_WRITE_DECIMALS) {
            return 0;
        }

        scale *= 10;
        k++;
    }

    p = buf + sizeof(buf);

    for (i = 0; i < k; i++) {
        *--p = (char) ('0' + r % 10);
        r /= 10;
    }

    if (k) {
        *--p = '.';
    }

    p = recs_write_digits(p, r);

    if (n < 0) {
        *--p = '-';
    }

    recs_write_bytes(w, p, (size_t) (buf + sizeof(buf) - p));

    return 1;
}


void
recs_write_json_float(recs_writer_t *w, float n)
{
    int   precision;
    char  buf[64];

    for (precision = 6; precision <= 9; precision++) {
        (void) snprintf(buf, sizeof(buf), "%.*g", precision, (double) n);

        if (strtof(buf, NULL) == n) {
            break;
        }
    }

    recs_write_decimal(w, buf);
}


/*
 * Writes what the C library made of a number, with a "." for the locale's
 * decimal point, which may be longer than a byte.
 */

static void
recs_write_decimal(recs_writer_t *w, const char *decimal)
{
    size_t  digits, point;

    static const char  number[] = "+-0123456789e";

    digits = strspn(decimal, number);
    point = strcspn(decimal + digits, number);

    recs_write_bytes(w, decimal, digits);

    if (point != 0) {
        recs_write_bytes(w, ".", 1);
    }

    decimal += digits + point;

    recs_write_bytes(w, decimal, strlen(decimal));
}
