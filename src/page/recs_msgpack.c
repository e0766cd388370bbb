
/*
 * The reader of MessagePack, what its values hold, and headers of containers:
 * see recs_msgpack.h.
 */


#include "recs_msgpack.h"


/*
 * How a value is laid out, which its first byte tells: after that byte stand
 * length bytes, a number (of bytes, elements or members that the value holds),
 * then fixed bytes (an ext's type is among them), then what the value holds.
 */

typedef struct {
    uint8_t           type;     /* recs_type_e, or RECS_LAYOUT_NONE */
    uint8_t           length;
    uint8_t           fixed;
} recs_layout_t;


#define RECS_LAYOUT_NONE  0xff


/* By the first byte, from 0xc0 (nil) to 0xdf (map 32). */

static const recs_layout_t  recs_layouts[] = {
    { RECS_NULL, 0, 0 },
    { RECS_LAYOUT_NONE, 0, 0 },                     /* never used */
    { RECS_BOOLEAN, 0, 0 },                         /* false */
    { RECS_BOOLEAN, 0, 0 },                         /* true */
    { RECS_BINARY, 1, 0 },                          /* bin 8, 16, 32 */
    { RECS_BINARY, 2, 0 },
    { RECS_BINARY, 4, 0 },
    { RECS_EXTENSION, 1, 1 },                       /* ext 8, 16, 32 */
    { RECS_EXTENSION, 2, 1 },
    { RECS_EXTENSION, 4, 1 },
    { RECS_NUMBER, 0, 4 },                          /* float 32, 64 */
    { RECS_NUMBER, 0, 8 },
    { RECS_INTEGER, 0, 1 },                         /* uint 8, 16, 32, 64 */
    { RECS_INTEGER, 0, 2 },
    { RECS_INTEGER, 0, 4 },
    { RECS_INTEGER, 0, 8 },
    { RECS_INTEGER, 0, 1 },                         /* int 8, 16, 32, 64 */
    { RECS_INTEGER, 0, 2 },
    { RECS_INTEGER, 0, 4 },
    { RECS_INTEGER, 0, 8 },
    { RECS_EXTENSION, 0, 1 + 1 },                   /* fixext 1, 2, 4, 8, 16 */
    { RECS_EXTENSION, 0, 1 + 2 },
    { RECS_EXTENSION, 0, 1 + 4 },
    { RECS_EXTENSION, 0, 1 + 8 },
    { RECS_EXTENSION, 0, 1 + 16 },
    { RECS_STRING, 1, 0 },                          /* str 8, 16, 32 */
    { RECS_STRING, 2, 0 },
    { RECS_STRING, 4, 0 },
    { RECS_ARRAY, 2, 0 },                           /* array 16, 32 */
    { RECS_ARRAY, 4, 0 },
    { RECS_OBJECT, 2, 0 },                          /* map 16, 32 */
    { RECS_OBJECT, 4, 0 }
};


static const char  recs_msgpack_short[] = "it ends within a value";


static int recs_msgpack_container(recs_reader_t *rd, recs_value_t *v,
    recs_type_e type, size_t header, uint64_t n);
static int recs_msgpack_rest(recs_reader_t *rd, recs_value_t *v,
    unsigned outside);


/* The length of the header of v, a str, a bin or an ext (with its type). */

static inline size_t
recs_msgpack_header(const recs_value_t *v)
{
    uint8_t  c;

    c = v->span.data[0];

    return c < 0xc0 ? 1 : (size_t) 1 + recs_layouts[c - 0xc0].length
                          + (v->type == RECS_EXTENSION);
}


/* Reads a scalar of size bytes, of which the first is at rd->pos. */

static inline int
recs_msgpack_scalar(recs_reader_t *rd, recs_value_t *v, recs_type_e type,
    uint64_t size)
{
    if ((size_t) (rd->end - rd->pos) < size) {
        return recs_read_fail(rd, rd->pos, recs_msgpack_short);
    }

    v->type = type;
    v->span.len = (size_t) size;

    rd->pos += size;

    return 0;
}


int
recs_msgpack_open(recs_reader_t *rd, recs_value_t *v)
{
    size_t                header;
    uint8_t               c;
    uint64_t              n;
    const recs_layout_t  *layout;

    v->span.data = rd->pos;
    v->escaped = 0;
    v->msgpack = 1;
    v->left = 0;

    if (rd->pos == rd->end) {
        return recs_read_fail(rd, rd->pos, "it ends where a value must stand");
    }

    c = *rd->pos;

    if (c < 0x80 || c >= 0xe0) {
        return recs_msgpack_scalar(rd, v, RECS_INTEGER, 1);
    }

    if (c < 0x90) {
        return recs_msgpack_container(rd, v, RECS_OBJECT, 1, c & 0x0f);
    }

    if (c < 0xa0) {
        return recs_msgpack_container(rd, v, RECS_ARRAY, 1, c & 0x0f);
    }

    if (c < 0xc0) {
        return recs_msgpack_scalar(rd, v, RECS_STRING, 1 + (c & 0x1f));
    }

    layout = &recs_layouts[c - 0xc0];

    if (layout->type == RECS_LAYOUT_NONE) {
        return recs_read_fail(rd, rd->pos, "the byte c1 begins no value");
    }

    header = 1 + layout->length;

    if ((size_t) (rd->end - rd->pos) < header) {
        return recs_read_fail(rd, rd->pos, recs_msgpack_short);
    }

    n = recs_msgpack_number(rd->pos + 1, layout->length);

    if (layout->type <= RECS_ARRAY) {
        return recs_msgpack_container(rd, v, layout->type, header, n);
    }

    return recs_msgpack_scalar(rd, v, layout->type,
                               header + layout->fixed + n);
}


/* Opens a container of n members or elements, whose header is at rd->pos. */

static int
recs_msgpack_container(recs_reader_t *rd, recs_value_t *v, recs_type_e type,
    size_t header, uint64_t n)
{
    size_t  left;

    left = (size_t) (rd->end - rd->pos) - header;

    if (n > (type == RECS_OBJECT ? left / 2 : left)) {
        return recs_read_fail(rd, rd->pos,
                              "it ends before all that a container holds");
    }

    if (rd->depth == RECS_MAX_DEPTH) {
        return recs_read_fail(rd, rd->pos, "nested too deep");
    }

    v->type = type;
    v->span.len = header;
    v->left = (uint32_t) n;

    rd->depth++;
    rd->pos += header;

    return 0;
}


/* How many values a container that was opened holds, with its keys. */

static inline size_t
recs_msgpack_values(const recs_value_t *v)
{
    return v->type == RECS_OBJECT ? 2 * (size_t) v->left : v->left;
}


int
recs_msgpack_skip(recs_reader_t *rd, recs_value_t *v)
{
    int       rc;
    unsigned  outside;

    outside = rd->depth;

    rc = recs_msgpack_open(rd, v);

    if (rc < 0 || rd->depth == outside) {
        return rc;
    }

    return recs_msgpack_rest(rd, v, outside);
}


/*
 * Reads on to the end of v, a container that was opened; outside: how many
 * containers it stands in.  It does not recurse.
 */

static int
recs_msgpack_rest(recs_reader_t *rd, recs_value_t *v, unsigned outside)
{
    int           rc;
    size_t        left, outer[RECS_MAX_DEPTH];  /* values that are left in the
                                                   innermost container, and in
                                                   those around it */
    unsigned      depth;
    recs_value_t  inner;

    left = recs_msgpack_values(v);

    for ( ;; ) {

        if (left == 0) {
            rd->depth--;

            if (rd->depth == outside) {
                break;
            }

            left = outer[rd->depth];
            continue;
        }

        left--;
        depth = rd->depth;

        rc = recs_msgpack_open(rd, &inner);

        if (rc < 0) {
            return rc;
        }

        if (rd->depth > depth) {
            outer[depth] = left;
            left = recs_msgpack_values(&inner);
        }
    }

    v->span.len = (size_t) (rd->pos - v->span.data);

    return 0;
}


int
recs_msgpack_member(recs_reader_t *rd, recs_value_t *object, recs_value_t *key)
{
    int  rc;

    rc = recs_msgpack_element(rd, object);

    if (rc == 1 && recs_msgpack_skip(rd, key) < 0) {
        return RECS_MALFORMED;
    }

    return rc;
}


int
recs_msgpack_find(recs_reader_t *rd, recs_value_t *object,
    const recs_str_t *names, size_t n, recs_value_t *key)
{
    int           rc;
    size_t        i;
    recs_value_t  v;

    while ((rc = recs_msgpack_member(rd, object, key)) == 1) {

        for (i = 0; i < n; i++) {
            if (recs_msgpack_text_is(key, &names[i])) {
                return 1;
            }
        }

        if (recs_msgpack_skip(rd, &v) < 0) {
            return RECS_MALFORMED;
        }
    }

    return rc;
}


int
recs_msgpack_element(recs_reader_t *rd, recs_value_t *array)
{
    if (array->left == 0) {
        rd->depth--;
        return 0;
    }

    array->left--;

    return 1;
}


recs_str_t
recs_msgpack_bytes(const recs_value_t *v)
{
    size_t      header;
    recs_str_t  bytes;

    header = recs_msgpack_header(v);

    bytes.data = v->span.data + header;
    bytes.len = v->span.len - header;

    return bytes;
}


int
recs_msgpack_text_is(const recs_value_t *v, const recs_str_t *text)
{
    recs_str_t  bytes;

    if (v->type != RECS_STRING) {
        return 0;
    }

    bytes = recs_msgpack_bytes(v);

    return recs_str_eq(&bytes, text);
}


int
recs_msgpack_ext_type(const recs_value_t *v)
{
    int  type;

    type = v->span.data[recs_msgpack_header(v) - 1];

    return type < 0x80 ? type : type - 0x100;
}


int
recs_msgpack_integer(const recs_value_t *v, uint64_t *n)
{
    size_t          bits;
    const uint8_t  *p;

    p = v->span.data;

    /* a fixint is a number of one byte, in two's complement */

    if (v->span.len == 1) {
        *n = p[0] < 0x80 ? p[0] : 0x100 - (uint64_t) p[0];
        return p[0] >= 0x80;
    }

    bits = 8 * (v->span.len - 1);
    *n = recs_msgpack_number(p + 1, v->span.len - 1);

    if (p[0] < 0xd0 || *n >> (bits - 1) == 0) {
        return 0;
    }

    /* two's complement */

    *n = ~*n + 1;

    if (bits < 64) {
        *n &= ((uint64_t) 1 << bits) - 1;
    }

    return 1;
}


double
recs_msgpack_double(const recs_value_t *v)
{
    float     single;
    double    n;
    uint32_t  bits32;
    uint64_t  bits;

    bits = recs_msgpack_number(v->span.data + 1, v->span.len - 1);

    if (recs_msgpack_is_float(v)) {
        bits32 = (uint32_t) bits;
        memcpy(&single, &bits32, sizeof(float));
        return single;
    }

    memcpy(&n, &bits, sizeof(double));

    return n;
}


int
recs_msgpack_is_float(const recs_value_t *v)
{
    return v->span.data[0] == 0xca;
}


int
recs_msgpack_boolean(const recs_value_t *v)
{
    return v->span.data[0] == 0xc3;
}


/*
 * Writes a header with n in 2 or 4 bytes, and returns its length; first: its
 * first byte if n has 2, the next one if it has 4.
 */

static size_t
recs_msgpack_count(uint32_t n, uint8_t first, uint8_t *out)
{
    if (n <= 0xffff) {
        out[0] = first;
        out[1] = (uint8_t) (n >> 8);
        out[2] = (uint8_t) n;
        return 3;
    }

    out[0] = first + 1;
    out[1] = (uint8_t) (n >> 24);
    out[2] = (uint8_t) (n >> 16);
    out[3] = (uint8_t) (n >> 8);
    out[4] = (uint8_t) n;

    return 5;
}


size_t
recs_msgpack_map_header(uint32_t n, uint8_t out[RECS_MSGPACK_HEADER])
{
    if (n < 16) {
        out[0] = (uint8_t) (0x80 | n);
        return 1;
    }

    return recs_msgpack_count(n, 0xde, out);
}


size_t
recs_msgpack_array_header(uint32_t n, uint8_t out[RECS_MSGPACK_HEADER])
{
    if (n < 16) {
        out[0] = (uint8_t) (0x90 | n);
        return 1;
    }

    return recs_msgpack_count(n, 0xdc, out);
}


size_t
recs_msgpack_bin_header(uint32_t n, uint8_t out[RECS_MSGPACK_HEADER])
{
    if (n <= 0xff) {
        out[0] = 0xc4;
        out[1] = (uint8_t) n;
        return 2;
    }

    return recs_msgpack_count(n, 0xc5, out);
}
