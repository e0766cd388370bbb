
/*
 * The calls that are the same for both formats, which add commas or counts: see
 * recs_writer.h.
 */


#include "recs_writer.h"
#include "recs_write_json.h"
#include "recs_write_msgpack.h"


static void recs_write_open(recs_writer_t *w, unsigned map);
static void recs_write_close(recs_writer_t *w, const char *bracket);
static void recs_write_literal(recs_writer_t *w, const char *json,
    uint8_t msgpack);


/* JSON: writes the comma before a value or a name, if another came before. */

static inline void
recs_write_comma(recs_writer_t *w)
{
    if (w->comma) {
        recs_write_bytes(w, ",", 1);
    }
}


/* Begins a value: writes its comma, or counts it as an element. */

static inline void
recs_write_begin(recs_writer_t *w)
{
    if (w->msgpack) {
        recs_write_msgpack_count(w, 0);

    } else {
        recs_write_comma(w);
        w->comma = 1;
    }
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


static void
recs_write_open(recs_writer_t *w, unsigned map)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_msgpack_open(w, map);

    } else {
        recs_write_bytes(w, map ? "{" : "[", 1);
        w->comma = 0;
    }
}


static void
recs_write_close(recs_writer_t *w, const char *bracket)
{
    if (w->msgpack) {
        recs_write_msgpack_close(w);

    } else {
        recs_write_bytes(w, bracket, 1);
        w->comma = 1;
    }
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
        recs_write_msgpack_count(w, 1);
        recs_write_msgpack_str(w, name);
        return;
    }

    recs_write_comma(w);
    recs_write_json_string(w, name);
    recs_write_bytes(w, ":", 1);
    w->comma = 0;
}


void
recs_write_string(recs_writer_t *w, const recs_str_t *text)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_msgpack_str(w, text);

    } else {
        recs_write_json_string(w, text);
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
    recs_write_begin(w);
    recs_write_json_base64(w, bytes);
}


void
recs_write_bin(recs_writer_t *w, const recs_str_t *bytes)
{
    recs_write_begin(w);
    recs_write_msgpack_bin(w, bytes);
}


void
recs_write_uint(recs_writer_t *w, uint64_t n)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_msgpack_uint(w, n);

    } else {
        recs_write_json_uint(w, n);
    }
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
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_msgpack_int(w, n);

    } else {
        recs_write_json_int(w, n);
    }
}


void
recs_write_double(recs_writer_t *w, double n)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_msgpack_double(w, n);

    } else {
        recs_write_json_double(w, n);
    }
}


void
recs_write_float(recs_writer_t *w, float n)
{
    recs_write_begin(w);

    if (w->msgpack) {
        recs_write_msgpack_float(w, n);

    } else {
        recs_write_json_float(w, n);
    }
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


/* Writes a value that is a literal in JSON, and a byte in MessagePack. */

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


void
recs_write_raw(recs_writer_t *w, const recs_str_t *value)
{
    recs_write_begin(w);
    recs_write_bytes(w, value->data, value->len);
}


void
recs_write_back(recs_writer_t *w, size_t len)
{
    if (w->failed) {
        return;
    }

    /* an opening bracket comes last only if the container is empty */

    w->len = len;
    w->comma = len && w->data[len - 1] != '{' && w->data[len - 1] != '[';
}
