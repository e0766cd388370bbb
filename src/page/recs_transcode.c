
/*
 * A document is read in one format and written in the other: see
 * recs_transcode.h.  Static functions return NULL, or what is wrong.
 */


#include <math.h>

#include "recs_msgpack.h"
#include "recs_reader.h"
#include "recs_scalar.h"
#include "recs_time.h"
#include "recs_transcode.h"
#include "recs_writer.h"


/* The type of an ext of MessagePack that is a point in time. */

#define RECS_TIMESTAMP  (-1)


typedef struct {
    const recs_mem_t   *mem;
    recs_reader_t       rd;
    recs_writer_t       w;
    recs_value_t        open[RECS_MAX_DEPTH];   /* containers that are open,
                                                   the innermost last */
    unsigned            depth;      /* how many are */
} recs_transcode_t;


static const char  recs_no_memory[] = "out of memory";
static const char  recs_beyond_64_bits[] = "an integer beyond 64 bits";


static const char *recs_transcode_value(recs_transcode_t *t);
static const char *recs_transcode_inside(recs_transcode_t *t);
static const char *recs_transcode_key(recs_transcode_t *t,
    const recs_value_t *key);
static const char *recs_transcode_string(recs_transcode_t *t,
    const recs_value_t *v);
static void recs_transcode_boolean(recs_transcode_t *t, const recs_value_t *v);
static const char *recs_transcode_integer(recs_transcode_t *t,
    const recs_value_t *v);
static const char *recs_transcode_number(recs_transcode_t *t,
    const recs_value_t *v);
static void recs_transcode_float(recs_transcode_t *t, const recs_value_t *v);
static void recs_transcode_binary(recs_transcode_t *t, const recs_value_t *v);
static const char *recs_transcode_extension(recs_transcode_t *t,
    const recs_value_t *v);
static int recs_transcode_timestamp(recs_transcode_t *t,
    const recs_value_t *v);


const char *
recs_transcode(const recs_mem_t *mem, recs_format_e from,
    const recs_str_t *text, recs_format_e to, recs_str_t *out)
{
    const char        *error;
    recs_transcode_t   t;

    t.mem = mem;
    t.depth = 0;

    recs_read_init(&t.rd, from, text->data, text->len);
    recs_writer_init(&t.w, mem, to, text->len + text->len / 2 + 64);

    error = recs_transcode_value(&t);

    while (error == NULL && t.depth) {
        error = recs_transcode_inside(&t);
    }

    if (error == NULL && recs_read_finish(&t.rd) < 0) {
        error = t.rd.error;
    }

    if (error == NULL && t.w.failed) {
        error = recs_no_memory;
    }

    out->data = t.w.data;
    out->len = t.w.len;

    return error;
}


recs_rc_e
recs_transcode_text(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text)
{
    if (!v->msgpack || v->type == RECS_STRING || v->type == RECS_INTEGER
        || v->type == RECS_BINARY)
    {
        return recs_value_text(mem, v, text);
    }

    /* each scalar of MessagePack has a form in JSON: only memory can lack */

    if (recs_transcode(mem, RECS_MSGPACK, &v->span, RECS_JSON, text) != NULL) {
        return RECS_NOMEM;
    }

    if (text->data[0] == '"') {
        text->data++;
        text->len -= 2;
    }

    return RECS_OK;
}


/* Converts the value that must stand next; of a container, its beginning. */

static const char *
recs_transcode_value(recs_transcode_t *t)
{
    recs_value_t  v;

    if (recs_read_open(&t->rd, &v) < 0) {
        return t->rd.error;
    }

    switch (v.type) {

    case RECS_OBJECT:
        recs_write_object(&t->w);
        t->open[t->depth++] = v;
        return NULL;

    case RECS_ARRAY:
        recs_write_array(&t->w);
        t->open[t->depth++] = v;
        return NULL;

    case RECS_STRING:
        return recs_transcode_string(t, &v);

    case RECS_INTEGER:
        return recs_transcode_integer(t, &v);

    case RECS_NUMBER:
        return recs_transcode_number(t, &v);

    case RECS_BOOLEAN:
        recs_transcode_boolean(t, &v);
        return NULL;

    case RECS_BINARY:
        recs_transcode_binary(t, &v);
        return NULL;

    case RECS_EXTENSION:
        return recs_transcode_extension(t, &v);

    default:    /* RECS_NULL */
        recs_write_null(&t->w);
        return NULL;
    }
}


/* Converts what comes next in the innermost container: a value, or its end. */

static const char *
recs_transcode_inside(recs_transcode_t *t)
{
    int            rc;
    const char    *error;
    recs_value_t  *container, key;

    container = &t->open[t->depth - 1];

    if (container->type == RECS_OBJECT) {
        rc = recs_read_member(&t->rd, container, &key);

        if (rc == 0) {
            recs_write_object_end(&t->w);
        }

    } else {
        rc = recs_read_element(&t->rd, container);

        if (rc == 0) {
            recs_write_array_end(&t->w);
        }
    }

    if (rc < 0) {
        return t->rd.error;
    }

    if (rc == 0) {
        t->depth--;
        return NULL;
    }

    if (container->type == RECS_OBJECT) {
        error = recs_transcode_key(t, &key);

        if (error) {
            return error;
        }
    }

    return recs_transcode_value(t);
}


/* Writes a member's name. */

static const char *
recs_transcode_key(recs_transcode_t *t, const recs_value_t *key)
{
    recs_str_t  text;

    if (key->type != RECS_STRING && key->type != RECS_INTEGER) {
        return "a key that is neither a string nor an integer";
    }

    if (recs_value_text(t->mem, key, &text) != RECS_OK) {
        return recs_no_memory;
    }

    recs_write_key_str(&t->w, &text);

    return NULL;
}


static const char *
recs_transcode_string(recs_transcode_t *t, const recs_value_t *v)
{
    recs_str_t  text;

    if (recs_value_text(t->mem, v, &text) != RECS_OK) {
        return recs_no_memory;
    }

    recs_write_string(&t->w, &text);

    return NULL;
}


static void
recs_transcode_boolean(recs_transcode_t *t, const recs_value_t *v)
{
    if (v->msgpack ? recs_msgpack_boolean(v) : v->span.data[0] == 't') {
        recs_write_true(&t->w);

    } else {
        recs_write_false(&t->w);
    }
}


static const char *
recs_transcode_integer(recs_transcode_t *t, const recs_value_t *v)
{
    int             negative;
    uint64_t        n, digit;
    recs_str_t      text;
    const uint8_t  *p, *end;

    if (recs_value_text(t->mem, v, &text) != RECS_OK) {
        return recs_no_memory;
    }

    if (!t->w.msgpack) {
        recs_write_raw(&t->w, &text);
        return NULL;
    }

    p = text.data;
    end = p + text.len;

    negative = (*p == '-');
    p += negative;

    for (n = 0; p < end; p++) {
        digit = (uint64_t) (*p - '0');

        if (n > (UINT64_MAX - digit) / 10) {
            return recs_beyond_64_bits;
        }

        n = n * 10 + digit;
    }

    if (!negative) {
        recs_write_uint(&t->w, n);

    } else if (n <= INT64_MAX) {
        recs_write_int(&t->w, -(int64_t) n);

    } else if (n == (uint64_t) INT64_MAX + 1) {
        recs_write_int(&t->w, INT64_MIN);

    } else {
        return recs_beyond_64_bits;
    }

    return NULL;
}


static const char *
recs_transcode_number(recs_transcode_t *t, const recs_value_t *v)
{
    double  n;

    if (!t->w.msgpack) {
        recs_transcode_float(t, v);
        return NULL;
    }

    if (recs_value_double(t->mem, v, &n) != RECS_OK) {
        return recs_no_memory;
    }

    if (!isfinite(n)) {
        return "a number beyond what a double holds";
    }

    recs_write_double(&t->w, n);

    return NULL;
}


/*
 * Writes a float as JSON, with a fraction or an exponent, so that it isn't read
 * as an integer; as null if JSON has no form for it (infinity, NaN).
 */

static void
recs_transcode_float(recs_transcode_t *t, const recs_value_t *v)
{
    double          n;
    size_t          from;
    recs_writer_t  *w;

    w = &t->w;
    n = recs_msgpack_double(v);

    if (!isfinite(n)) {
        recs_write_null(w);
        return;
    }

    from = w->len;

    if (recs_msgpack_is_float(v)) {
        recs_write_float(w, (float) n);

    } else {
        recs_write_double(w, n);
    }

    if (!w->failed
        && memchr(w->data + from, '.', w->len - from) == NULL
        && memchr(w->data + from, 'e', w->len - from) == NULL)
    {
        recs_write_bytes(w, ".0", 2);
    }
}


/* Writes the bytes of a bin or an ext as a string of base64. */

static void
recs_transcode_binary(recs_transcode_t *t, const recs_value_t *v)
{
    recs_str_t  bytes;

    bytes = recs_msgpack_bytes(v);

    recs_write_base64(&t->w, &bytes);
}


/* Writes an ext as JSON: a date, or else an object of its type and bytes. */

static const char *
recs_transcode_extension(recs_transcode_t *t, const recs_value_t *v)
{
    if (recs_transcode_timestamp(t, v)) {
        return NULL;
    }

    if (t->depth == RECS_MAX_DEPTH) {
        return "nested too deep";
    }

    recs_write_object(&t->w);
    recs_write_key(&t->w, "type");
    recs_write_int(&t->w, recs_msgpack_ext_type(v));
    recs_write_key(&t->w, "data");

    recs_transcode_binary(t, v);
    recs_write_object_end(&t->w);

    return NULL;
}


/*
 * Writes an ext that is a timestamp as a date-time; its three layouts are those
 * of MessagePack's specification, "Timestamp extension type".  Returns 1, or 0,
 * with nothing written, if the ext is none, or none of a year of four digits.
 */

static int
recs_transcode_timestamp(recs_transcode_t *t, const recs_value_t *v)
{
    char        date[RECS_TIME_SIZE];
    uint64_t    n, seconds, nanoseconds;
    recs_str_t  bytes, text;

    if (recs_msgpack_ext_type(v) != RECS_TIMESTAMP) {
        return 0;
    }

    bytes = recs_msgpack_bytes(v);

    switch (bytes.len) {

    case 4:
        seconds = recs_msgpack_number(bytes.data, 4);
        nanoseconds = 0;
        break;

    case 8:
        n = recs_msgpack_number(bytes.data, 8);
        seconds = n & ((UINT64_C(1) << 34) - 1);
        nanoseconds = n >> 34;
        break;

    case 12:
        seconds = recs_msgpack_number(bytes.data + 4, 8);
        nanoseconds = recs_msgpack_number(bytes.data, 4);
        break;

    default:
        return 0;
    }

    if (nanoseconds > 999999999) {
        return 0;
    }

    text.data = (const uint8_t *) date;
    text.len = recs_time_format((int64_t) seconds, (uint32_t) nanoseconds,
                                date);

    if (text.len == 0) {
        return 0;
    }

    recs_write_string(&t->w, &text);

    return 1;
}
