
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "recs_text.h"
#include "recs_writer.h"


static void recs_write_comma(recs_writer_t *w);
static void recs_write_open(recs_writer_t *w, const char *bracket);
static void recs_write_close(recs_writer_t *w, const char *bracket);
static void recs_write_value(recs_writer_t *w, const void *data, size_t len);
static void recs_write_quoted(recs_writer_t *w, const recs_str_t *text);
static const uint8_t *recs_write_other(recs_writer_t *w, const uint8_t *p,
    const uint8_t *end);
static void recs_write_escape(recs_writer_t *w, unsigned ch);


void
recs_writer_init(recs_writer_t *w, const recs_mem_t *mem, size_t size)
{
    memset(w, 0, sizeof(recs_writer_t));

    w->mem = *mem;
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
    recs_write_open(w, "{");
}


void
recs_write_object_end(recs_writer_t *w)
{
    recs_write_close(w, "}");
}


void
recs_write_array(recs_writer_t *w)
{
    recs_write_open(w, "[");
}


void
recs_write_array_end(recs_writer_t *w)
{
    recs_write_close(w, "]");
}


void
recs_write_key(recs_writer_t *w, const char *name)
{
    recs_write_comma(w);
    recs_write_bytes(w, "\"", 1);
    recs_write_bytes(w, name, strlen(name));
    recs_write_bytes(w, "\":", 2);
    w->comma = 0;
}


void
recs_write_key_str(recs_writer_t *w, const recs_str_t *name)
{
    recs_write_comma(w);
    recs_write_quoted(w, name);
    recs_write_bytes(w, ":", 1);
    w->comma = 0;
}


void
recs_write_string(recs_writer_t *w, const recs_str_t *text)
{
    recs_write_comma(w);
    recs_write_quoted(w, text);
    w->comma = 1;
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
recs_write_uint(recs_writer_t *w, uint64_t n)
{
    int   len;
    char  buf[sizeof("18446744073709551615")];

    len = snprintf(buf, sizeof(buf), "%" PRIu64, n);

    recs_write_value(w, buf, (size_t) len);
}


/*
 * The C library's decimal point is the locale's, and may be longer than a
 * byte.
 */

void
recs_write_double(recs_writer_t *w, double n)
{
    int     precision;
    char    buf[64];
    size_t  digits, point;

    static const char  number[] = "+-0123456789e";

    for (precision = 15; precision <= 17; precision++) {
        (void) snprintf(buf, sizeof(buf), "%.*g", precision, n);

        if (strtod(buf, NULL) == n) {
            break;
        }
    }

    digits = strspn(buf, number);
    point = strcspn(buf + digits, number);

    recs_write_value(w, buf, digits);

    if (point != 0) {
        recs_write_bytes(w, ".", 1);
    }

    recs_write_bytes(w, buf + digits + point, strlen(buf + digits + point));
}


void
recs_write_true(recs_writer_t *w)
{
    recs_write_value(w, "true", 4);
}


void
recs_write_false(recs_writer_t *w)
{
    recs_write_value(w, "false", 5);
}


void
recs_write_null(recs_writer_t *w)
{
    recs_write_value(w, "null", 4);
}


void
recs_write_raw(recs_writer_t *w, const recs_str_t *json)
{
    recs_write_value(w, json->data, json->len);
}


void
recs_write_bytes(recs_writer_t *w, const void *data, size_t len)
{
    size_t    size;
    uint8_t  *grown;

    if (w->failed || len == 0) {
        return;
    }

    if (len > w->size - w->len) {
        size = w->len + len;

        if (size < 2 * w->size) {
            size = 2 * w->size;
        }

        grown = recs_alloc(&w->mem, size);

        if (grown == NULL) {
            w->failed = 1;
            return;
        }

        memcpy(grown, w->data, w->len);

        w->data = grown;
        w->size = size;
    }

    memcpy(w->data + w->len, data, len);
    w->len += len;
}


static void
recs_write_comma(recs_writer_t *w)
{
    if (w->comma) {
        recs_write_bytes(w, ",", 1);
    }
}


static void
recs_write_open(recs_writer_t *w, const char *bracket)
{
    recs_write_comma(w);
    recs_write_bytes(w, bracket, 1);
    w->comma = 0;
}


static void
recs_write_close(recs_writer_t *w, const char *bracket)
{
    recs_write_bytes(w, bracket, 1);
    w->comma = 1;
}


static void
recs_write_value(recs_writer_t *w, const void *data, size_t len)
{
    recs_write_comma(w);
    recs_write_bytes(w, data, len);
    w->comma = 1;
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

    if (end - p >= 3 && p[0] == 0xed && p[1] >= 0xa0
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
