
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <msgpack/pack.h>

#include "recs_msgpack.h"
#include "recs_text.h"
#include "recs_writer.h"


#define RECS_WRITER_DECIMALS  8


/*
 * What stands in the buffer where a container was opened in MessagePack, until
 * the outermost one is closed.  The header's width depends on the count, which
 * nobody knows before the end: then all marks become headers, in one pass.
 */

typedef struct {
    uint32_t          n;        /* elements or members written */
    uint32_t          map;
    size_t            parent;   /* offset of the mark of the container that
                                   this one stands in */
    size_t            next;     /* and of the one opened next; 0: none was */
} recs_mark_t;


static recs_rc_e recs_write_grow(recs_writer_t *w, size_t size);
static void recs_write_comma(recs_writer_t *w);
static void recs_write_open(recs_writer_t *w, unsigned map);
static void recs_write_close(recs_writer_t *w, const char *bracket);
static void recs_write_mark(recs_writer_t *w, unsigned map);
static void recs_write_count(recs_writer_t *w, unsigned map);
static void recs_write_headers(recs_writer_t *w);
static int recs_write_packed(void *ctx, const char *data, size_t len);
static void recs_write_packed_str(recs_writer_t *w, const recs_str_t *text);
static void recs_write_literal(recs_writer_t *w, const char *json,
    uint8_t msgpack);
static int recs_write_few_decimals(recs_writer_t *w, double n);
static void recs_write_decimal(recs_writer_t *w, const char *decimal);
static void recs_write_quoted(recs_writer_t *w, const recs_str_t *text);
static const uint8_t *recs_write_other(recs_writer_t *w, const uint8_t *p,
    const uint8_t *end);
static void recs_write_escape(recs_writer_t *w, unsigned ch);


/* What comes before a value that is no member's. */

static inline void
recs_write_begin(recs_writer_t *w)
{
    if (w->msgpack) {
        recs_write_count(w, 0);

    } else {
        recs_write_comma(w);
        w->comma = 1;
    }
}


/* The decimal digits of n, up to end; gives the first. */

static inline char *
recs_write_digits(char *end, uint64_t n)
{
    do {
        *--end = (char) ('0' + n % 10);
        n /= 10;
    } while (n);

    return end;
}


static inline msgpack_packer
recs_packer(recs_writer_t *w)
{
    msgpack_packer  pk;

    msgpack_packer_init(&pk, w, recs_write_packed);

    return pk;
}


void
recs_writer_init(recs_writer_t *w, const recs_mem_t *mem,
    recs_format_e format, size_t size)
{
    memset(w, 0, sizeof(recs_writer_t));

    w->mem = *mem;
    w->msgpack = (format == RECS_MSGPACK);
    w->data = recs_alloc(mem, size);

    if (w->data == NULL) {
        w->failed = 1;
        return;
    }

    w->size = size;
}


void
recs_write_object(recs_writer_t *w)
{
    recs_write_open(w, 1);
}


void
recs_write_object_end(recs_writer_t *w)
{
    recs_write_close(w, "}");
}


void
recs_write_array(recs_writer_t *w)
{
    recs_write_open(w, 0);
}


void
recs_write_array_end(recs_writer_t *w)
{
    recs_write_close(w, "]");
}


void
recs_write_key(recs_writer_t *w, const char *name)
{
    recs_str_t  str;

    if (w->msgpack) {
        str.data = (const uint8_t *) name;
        str.len = strlen(name);

        recs_write_key_str(w, &str);
        return;
    }

    recs_write_comma(w);
    recs_write_bytes(w, "\"", 1);
    recs_write_bytes(w, name, strlen(name));
    recs_write_bytes(w, "\":", 2);
    w->comma = 0;
}


void
recs_write_key_str(recs_writer_t *w, const recs_str_t *name)
{
    if (w->msgpack) {
        recs_write_count(w, 1);
        recs_write_packed_str(w, name);
        return;
    }

    recs_write_comma(w);
    recs_write_quoted(w, name);
    recs_write_bytes(w, ":", 1);
    w->comma = 0;
}


void
recs_write_string(recs_writer_t *w, const recs_str_t *text)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_packed_str(w, text);

    } else {
        recs_write_quoted(w, text);
    }
}


void
recs_write_cstr(recs_writer_t *w, const char *text)
{
    recs_str_t  str;

    str.data = (const uint8_t *) text;
    str.len = strlen(text);

    recs_write_string(w, &str);
}


void
recs_write_base64(recs_writer_t *w, const recs_str_t *bytes)
{
    char      out[4];
    size_t    i, left;
    uint32_t  n;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    recs_write_begin(w);
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
recs_write_bin(recs_writer_t *w, const recs_str_t *bytes)
{
    uint8_t  header[RECS_MSGPACK_HEADER];

    recs_write_begin(w);
    recs_write_bytes(w, header,
                     recs_msgpack_bin_header((uint32_t) bytes->len, header));
    recs_write_bytes(w, bytes->data, bytes->len);
}


void
recs_write_uint(recs_writer_t *w, uint64_t n)
{
    char            buf[sizeof("18446744073709551615")], *p;
    msgpack_packer  pk;

    recs_write_begin(w);

    if (w->msgpack) {
        pk = recs_packer(w);
        (void) msgpack_pack_uint64(&pk, n);
        return;
    }

    p = recs_write_digits(buf + sizeof(buf), n);

    recs_write_bytes(w, p, (size_t) (buf + sizeof(buf) - p));
}


void
recs_write_key_uint(recs_writer_t *w, const char *name, uint64_t n)
{
    recs_write_key(w, name);
    recs_write_uint(w, n);
}


void
recs_write_int(recs_writer_t *w, int64_t n)
{
    int             len;
    char            buf[sizeof("-9223372036854775808")];
    msgpack_packer  pk;

    recs_write_begin(w);

    if (w->msgpack) {
        pk = recs_packer(w);
        (void) msgpack_pack_int64(&pk, n);
        return;
    }

    len = snprintf(buf, sizeof(buf), "%" PRId64, n);

    recs_write_bytes(w, buf, (size_t) len);
}


void
recs_write_double(recs_writer_t *w, double n)
{
    int             precision;
    char            buf[64];
    msgpack_packer  pk;

    recs_write_begin(w);

    if (w->msgpack) {
        pk = recs_packer(w);
        (void) msgpack_pack_double(&pk, n);
        return;
    }

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
 * Most scores have few decimals.  If n is the double nearest to r / 10^k, with
 * both of these exact, that decimal reads back as n: the digits that are looked
 * for with the C library otherwise, which takes many times as long.
 */

static int
recs_write_few_decimals(recs_writer_t *w, double n)
{
    char      buf[32], *p;
    double    size, scale;
    uint64_t  r;
    unsigned  i, k;

    size = n < 0 ? -n : n;

    /* without an exponent, and of at most 15 digits */

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

        if (k == RECS_WRITER_DECIMALS) {
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
recs_write_float(recs_writer_t *w, float n)
{
    int             precision;
    char            buf[64];
    msgpack_packer  pk;

    recs_write_begin(w);

    if (w->msgpack) {
        pk = recs_packer(w);
        (void) msgpack_pack_float(&pk, n);
        return;
    }

    for (precision = 6; precision <= 9; precision++) {
        (void) snprintf(buf, sizeof(buf), "%.*g", precision, (double) n);

        if (strtof(buf, NULL) == n) {
            break;
        }
    }

    recs_write_decimal(w, buf);
}


void
recs_write_true(recs_writer_t *w)
{
    recs_write_literal(w, "true", 0xc3);
}


void
recs_write_false(recs_writer_t *w)
{
    recs_write_literal(w, "false", 0xc2);
}


void
recs_write_null(recs_writer_t *w)
{
    recs_write_literal(w, "null", 0xc0);
}


void
recs_write_raw(recs_writer_t *w, const recs_str_t *value)
{
    recs_write_begin(w);
    recs_write_bytes(w, value->data, value->len);
}


void
recs_write_bytes(recs_writer_t *w, const void *data, size_t len)
{
    uint8_t  *room;

    if (len == 0) {
        return;
    }

    room = recs_write_room(w, len);

    if (room) {
        memcpy(room, data, len);
        w->len += len;
    }
}


uint8_t *
recs_write_room(recs_writer_t *w, size_t len)
{
    if (w->failed) {
        return NULL;
    }

    if (len > w->size - w->len && recs_write_grow(w, w->len + len) != RECS_OK) {
        return NULL;
    }

    return w->data + w->len;
}


static recs_rc_e
recs_write_grow(recs_writer_t *w, size_t size)
{
    uint8_t  *grown;

    if (size < 2 * w->size) {
        size = 2 * w->size;
    }

    grown = recs_alloc(&w->mem, size);

    if (grown == NULL) {
        w->failed = 1;
        return RECS_NOMEM;
    }

    memcpy(grown, w->data, w->len);

    w->data = grown;
    w->size = size;

    return RECS_OK;
}


void
recs_write_back(recs_writer_t *w, size_t len)
{
    if (w->failed) {
        return;
    }

    /* a container that is open begins with a bracket, which no value ends in */

    w->len = len;
    w->comma = len && w->data[len - 1] != '{' && w->data[len - 1] != '[';
}


static void
recs_write_comma(recs_writer_t *w)
{
    if (w->comma) {
        recs_write_bytes(w, ",", 1);
    }
}


static void
recs_write_open(recs_writer_t *w, unsigned map)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_mark(w, map);

    } else {
        recs_write_bytes(w, map ? "{" : "[", 1);
        w->comma = 0;
    }
}


static void
recs_write_close(recs_writer_t *w, const char *bracket)
{
    recs_mark_t  mark;

    if (!w->msgpack) {
        recs_write_bytes(w, bracket, 1);
        w->comma = 1;
        return;
    }

    if (w->failed) {
        return;
    }

    memcpy(&mark, w->data + w->open, sizeof(recs_mark_t));
    w->open = mark.parent;
    w->depth--;

    if (w->depth == 0) {
        recs_write_headers(w);
    }
}


static void
recs_write_mark(recs_writer_t *w, unsigned map)
{
    size_t       at;
    recs_mark_t  mark;

    at = w->len;

    mark.n = 0;
    mark.map = map;
    mark.parent = w->open;
    mark.next = 0;

    recs_write_bytes(w, &mark, sizeof(recs_mark_t));

    if (w->failed) {
        return;
    }

    if (w->depth == 0) {
        w->outermost = at;

    } else {
        memcpy(w->data + w->last + offsetof(recs_mark_t, next), &at,
               sizeof(size_t));
    }

    w->last = at;
    w->open = at;
    w->depth++;
}


/*
 * Counts a member (map is 1: its name comes) or an element of the container
 * that is open; a member's value is none.
 */

static void
recs_write_count(recs_writer_t *w, unsigned map)
{
    recs_mark_t  mark;

    if (w->depth == 0) {
        return;
    }

    memcpy(&mark, w->data + w->open, sizeof(recs_mark_t));

    if (mark.map == map) {
        mark.n++;
        memcpy(w->data + w->open, &mark, sizeof(recs_mark_t));
    }
}


/* A mark is longer than any header: what follows it moves down. */

static void
recs_write_headers(recs_writer_t *w)
{
    size_t        len;
    uint8_t      *to, *from;
    recs_mark_t   mark;

    to = w->data + w->outermost;
    from = to;

    do {
        memcpy(&mark, from, sizeof(recs_mark_t));
        from += sizeof(recs_mark_t);

        to += mark.map ? recs_msgpack_map_header(mark.n, to)
                       : recs_msgpack_array_header(mark.n, to);

        len = (mark.next ? mark.next : w->len) - (size_t) (from - w->data);

        memmove(to, from, len);

        to += len;
        from += len;

    } while (mark.next);

    w->len = (size_t) (to - w->data);
}


static int
recs_write_packed(void *ctx, const char *data, size_t len)
{
    recs_write_bytes(ctx, data, len);

    return 0;
}


static void
recs_write_packed_str(recs_writer_t *w, const recs_str_t *text)
{
    msgpack_packer  pk;

    pk = recs_packer(w);

    (void) msgpack_pack_str(&pk, text->len);
    recs_write_bytes(w, text->data, text->len);
}


static void
recs_write_literal(recs_writer_t *w, const char *json, uint8_t msgpack)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_bytes(w, &msgpack, 1);

    } else {
        recs_write_bytes(w, json, strlen(json));
    }
}


/*
 * The C library's decimal point is the locale's, and may be longer than a
 * byte.
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


static void
recs_write_quoted(recs_writer_t *w, const recs_str_t *text)
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


/* Writes what is not plain at p; gives what follows it. */

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
