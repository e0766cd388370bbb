
/*
 * The reader of MessagePack accepts values of all types and widths, and
 * nothing else.
 */

#include "unit_reader.h"
#include "recs_scalar.h"
#include "recs_transcode.h"


#define HEAD_MAX  8


/* A scalar, and its text. */

typedef struct {
    recs_str_t        text;
    recs_type_e       type;
    recs_str_t        is;
} scalar_t;


/* A value that is a head and len bytes of 'x'. */

typedef struct {
    recs_str_t        head;
    size_t            len;
    recs_type_e       type;
    int               ext_type;
} sized_t;


/* A container that is a head and n values. */

typedef struct {
    recs_str_t        head;
    size_t            n;
    recs_type_e       type;
} container_t;


typedef struct {
    recs_str_t        text;
    size_t            at;       /* where the error is reported */
} refused_t;


#define INTEGER(bytes, text)                                                 \
    { recs_string(bytes), RECS_INTEGER, recs_string(text) }

#define NUMBER(bytes, text)                                                  \
    { recs_string(bytes), RECS_NUMBER, recs_string(text) }

#define STRING(bytes, text)                                                  \
    { recs_string(bytes), RECS_STRING, recs_string(text) }


static const scalar_t  scalars[] = {

    /* integers: the least and the greatest of each width */

    INTEGER("\x00", "0"),
    INTEGER("\x7f", "127"),
    INTEGER("\xff", "-1"),
    INTEGER("\xe0", "-32"),
    INTEGER("\xcc\x00", "0"),
    INTEGER("\xcc\xff", "255"),
    INTEGER("\xcd\x00\x07", "7"),
    INTEGER("\xcd\xff\xff", "65535"),
    INTEGER("\xce\x00\x00\x00\x00", "0"),
    INTEGER("\xce\xff\xff\xff\xff", "4294967295"),
    INTEGER("\xcf\x00\x00\x00\x00\x00\x00\x00\x07", "7"),
    INTEGER("\xcf\x80\x00\x00\x00\x00\x00\x00\x00", "9223372036854775808"),
    INTEGER("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
    INTEGER("\xd0\x00", "0"),
    INTEGER("\xd0\x7f", "127"),
    INTEGER("\xd0\x80", "-128"),
    INTEGER("\xd0\xff", "-1"),
    INTEGER("\xd1\x7f\xff", "32767"),
    INTEGER("\xd1\x80\x00", "-32768"),
    INTEGER("\xd1\xff\xff", "-1"),
    INTEGER("\xd2\x7f\xff\xff\xff", "2147483647"),
    INTEGER("\xd2\x80\x00\x00\x00", "-2147483648"),
    INTEGER("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", "9223372036854775807"),
    INTEGER("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
    INTEGER("\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "-1"),

    /* floats: the shortest decimal of each width */

    NUMBER("\xca\x3d\xcc\xcc\xcd", "0.1"),
    NUMBER("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1"),
    NUMBER("\xcb\x41\xda\xc0\x3d\xa0\x20\x00\x00", "1795225216.5"),
    NUMBER("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null"),
    NUMBER("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "null"),
    NUMBER("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null"),
    NUMBER("\xca\x7f\xc0\x00\x00", "null"),

    { recs_string("\xc0"), RECS_NULL, recs_string("null") },
    { recs_string("\xc2"), RECS_BOOLEAN, recs_string("false") },
    { recs_string("\xc3"), RECS_BOOLEAN, recs_string("true") },

    /* texts: a str need not be UTF-8 */

    STRING("\xa0", ""),
    STRING("\xa3" "a\0b", "a\0b"),
    STRING("\xa2\xff\xfe", "\xff\xfe"),
    STRING("\xd9\x02\\n", "\\n"),
    STRING("\xda\x00\x01\"", "\""),
    STRING("\xdb\x00\x00\x00\x01" "a", "a"),
    { recs_string("\xc4\x02\x00\xff"), RECS_BINARY, recs_string("\x00\xff") },

    /* a timestamp is a date-time; any other ext what JSON has for it */

    { recs_string("\xd6\xff\x00\x00\x00\x00"), RECS_EXTENSION,
      recs_string("1970-01-01T00:00:00Z") },
    { recs_string("\xd4\x05" "a"), RECS_EXTENSION,
      recs_string("{\"type\":5,\"data\":\"YQ==\"}") },
};


#define STRING_OF(head, len)                                                 \
    { recs_string(head), len, RECS_STRING, 0 }

#define BINARY_OF(head, len)                                                 \
    { recs_string(head), len, RECS_BINARY, 0 }

#define EXTENSION(head, len, type)                                           \
    { recs_string(head), len, RECS_EXTENSION, type }


static const sized_t  sized[] = {
    STRING_OF("\xa0", 0),
    STRING_OF("\xbf", 31),
    STRING_OF("\xd9\x00", 0),
    STRING_OF("\xd9\xff", 255),
    STRING_OF("\xda\x00\x00", 0),
    STRING_OF("\xda\xff\xff", 65535),
    STRING_OF("\xdb\x00\x00\x00\x00", 0),
    STRING_OF("\xdb\x00\x01\x00\x00", 65536),

    BINARY_OF("\xc4\x00", 0),
    BINARY_OF("\xc4\xff", 255),
    BINARY_OF("\xc5\x00\x00", 0),
    BINARY_OF("\xc5\xff\xff", 65535),
    BINARY_OF("\xc6\x00\x00\x00\x00", 0),
    BINARY_OF("\xc6\x00\x01\x00\x00", 65536),

    EXTENSION("\xd4\x00", 1, 0),
    EXTENSION("\xd5\x7f", 2, 127),
    EXTENSION("\xd6\xff", 4, -1),
    EXTENSION("\xd7\x80", 8, -128),
    EXTENSION("\xd8\x01", 16, 1),
    EXTENSION("\xc7\x00\xff", 0, -1),
    EXTENSION("\xc7\x0c\xff", 12, -1),
    EXTENSION("\xc7\xff\x02", 255, 2),
    EXTENSION("\xc8\x00\x00\x7f", 0, 127),
    EXTENSION("\xc8\xff\xff\x80", 65535, -128),
    EXTENSION("\xc9\x00\x00\x00\x00\x07", 0, 7),
    EXTENSION("\xc9\x00\x01\x00\x00\xfe", 65536, -2),
};


#define ARRAY(head, n)                                                       \
    { recs_string(head), n, RECS_ARRAY }

#define OBJECT(head, n)                                                      \
    { recs_string(head), n, RECS_OBJECT }


static const container_t  containers[] = {
    ARRAY("\x90", 0),
    ARRAY("\x91", 1),
    ARRAY("\x9f", 15),
    ARRAY("\xdc\x00\x00", 0),
    ARRAY("\xdc\x00\x10", 16),
    ARRAY("\xdc\xff\xff", 65535),
    ARRAY("\xdd\x00\x00\x00\x00", 0),
    ARRAY("\xdd\x00\x01\x00\x00", 65536),
    OBJECT("\x80", 0),
    OBJECT("\x81", 1),
    OBJECT("\x8f", 15),
    OBJECT("\xde\x00\x00", 0),
    OBJECT("\xde\x00\x10", 16),
    OBJECT("\xde\xff\xff", 65535),
    OBJECT("\xdf\x00\x00\x00\x00", 0),
    OBJECT("\xdf\x00\x01\x00\x00", 65536),
};


static const refused_t  refused[] = {

    { recs_string(""), 0 },
    { recs_string("\xc1"), 0 },
    { recs_string("\x91\xc1"), 1 },
    { recs_string("\x81\xc1\x01"), 1 },
    { recs_string("\xc0\xc0"), 1 },
    { recs_string("\x90\x00"), 1 },
    { recs_string("\x81\x01\x02\x03"), 3 },

    /* no byte order mark: an integer, and what comes after the root */

    { recs_string("\xef\xbb\xbf\x80"), 1 },

    /* five bytes that promise gigabytes */

    { recs_string("\xdd\xff\xff\xff\xff"), 0 },
    { recs_string("\xdf\xff\xff\xff\xff"), 0 },
    { recs_string("\xc6\xff\xff\xff\xff"), 0 },
    { recs_string("\xc9\xff\xff\xff\xff"), 0 },
    { recs_string("\xdb\xff\xff\xff\xff"), 0 },
    { recs_string("\xdf\x80\x00\x00\x00"), 0 },
    { recs_string("\x91\xdd\x7f\xff\xff\xff"), 1 },

    /* one more than there is */

    { recs_string("\xdd\x00\x00\x00\x02\x00"), 0 },
    { recs_string("\xdf\x00\x00\x00\x01\x00"), 0 },
    { recs_string("\x92\x92\x01\x02"), 4 },
    { recs_string("\x82\xa1" "a\x01\xa1"), 4 },
};


/* Both ways to read a copy of text; they must agree. */

static int
read_copy(unit_arena_t *arena, const recs_str_t *text, recs_reader_t *rd,
    recs_value_t *v)
{
    int            rc;
    recs_str_t     copy;
    recs_value_t   pulled;
    recs_reader_t  other;

    copy = unit_copy(arena, text);

    recs_read_init(rd, RECS_MSGPACK, copy.data, copy.len);
    rc = recs_read_skip(rd, v) < 0 ? -1 : recs_read_finish(rd);

    recs_read_init(&other, RECS_MSGPACK, copy.data, copy.len);
    assert_int_equal(unit_pull(&other, &pulled) < 0
                     || recs_read_finish(&other) < 0, rc < 0);

    if (rc < 0) {
        assert_non_null(rd->error);
        assert_string_equal(other.error, rd->error);
        assert_ptr_equal(other.pos, rd->pos);

        rd->pos = text->data + (rd->pos - copy.data);
        return rc;
    }

    assert_null(rd->error);
    assert_int_equal(rd->depth, 0);
    assert_int_equal(v->msgpack, 1);
    assert_int_equal(v->escaped, 0);
    assert_int_equal(pulled.type, v->type);
    unit_assert_str(&pulled.span, &v->span);
    unit_assert_str(&v->span, text);

    return rc;
}


/* Every part of text that begins it and is not all of it is refused. */

static void
check_truncated(const recs_str_t *text)
{
    recs_str_t     part;
    recs_value_t   v;
    unit_arena_t   arena;
    recs_reader_t  rd;

    part = *text;

    for (part.len = 0; part.len < text->len; part.len++) {
        unit_arena_init(&arena);
        assert_true(read_copy(&arena, &part, &rd, &v) < 0);
        assert_true(rd.pos <= part.data + part.len);
        unit_arena_free(&arena);
    }
}


/*
 * A value that promises more bytes than there are is refused where it begins;
 * of a long one only the last byte is taken away.
 */

static void
check_shorter(const recs_str_t *text)
{
    recs_str_t     part;
    recs_value_t   v;
    unit_arena_t   arena;
    recs_reader_t  rd;

    if (text->len < 300) {
        check_truncated(text);
    }

    part = *text;
    part.len--;

    unit_arena_init(&arena);
    assert_true(read_copy(&arena, &part, &rd, &v) < 0);
    assert_ptr_equal(rd.pos, part.data);
    unit_arena_free(&arena);
}


static void
a_scalar_is_read_with_its_text(void **state)
{
    size_t          i;
    recs_str_t      text;
    recs_value_t    v;
    unit_arena_t    arena;
    recs_reader_t   rd;

    (void) state;

    for (i = 0; i < unit_nelts(scalars); i++) {
        unit_arena_init(&arena);

        assert_int_equal(read_copy(&arena, &scalars[i].text, &rd, &v), 0);
        assert_int_equal(v.type, scalars[i].type);
        assert_int_equal(recs_transcode_text(&arena.mem, &v, &text), RECS_OK);
        unit_assert_str(&text, &scalars[i].is);

        check_truncated(&scalars[i].text);

        unit_arena_free(&arena);
    }
}


static void
integers_keep_sign_and_size(void **state)
{
    size_t           i;
    uint64_t         n;
    recs_value_t     v;
    unit_arena_t     arena;
    recs_reader_t    rd;
    const scalar_t  *scalar;

    (void) state;

    for (i = 0; i < unit_nelts(scalars); i++) {
        scalar = &scalars[i];

        if (scalar->type != RECS_INTEGER) {
            continue;
        }

        unit_arena_init(&arena);

        assert_int_equal(read_copy(&arena, &scalar->text, &rd, &v), 0);
        assert_int_equal(recs_msgpack_integer(&v, &n),
                         scalar->is.data[0] == '-');
        assert_true(n == strtoull((const char *) scalar->is.data
                                  + (scalar->is.data[0] == '-'), NULL, 10));

        unit_arena_free(&arena);
    }
}


static recs_str_t
made_of(unit_arena_t *arena, const recs_str_t *head, int c, size_t n)
{
    uint8_t     *p;
    recs_str_t   text;

    assert_true(head->len <= HEAD_MAX);

    p = recs_alloc(&arena->mem, head->len + n);
    assert_non_null(p);

    memcpy(p, head->data, head->len);
    memset(p + head->len, c, n);

    text.data = p;
    text.len = head->len + n;

    return text;
}


static void
a_value_of_each_width_is_read(void **state)
{
    size_t         i;
    recs_str_t     text, bytes;
    recs_value_t   v;
    unit_arena_t   arena;
    recs_reader_t  rd;

    (void) state;

    for (i = 0; i < unit_nelts(sized); i++) {
        unit_arena_init(&arena);

        text = made_of(&arena, &sized[i].head, 'x', sized[i].len);
        assert_int_equal(read_copy(&arena, &text, &rd, &v), 0);
        assert_int_equal(v.type, sized[i].type);

        bytes = recs_msgpack_bytes(&v);
        assert_int_equal(bytes.len, sized[i].len);
        assert_ptr_equal(bytes.data, v.span.data + sized[i].head.len);

        if (v.type == RECS_EXTENSION) {
            assert_int_equal(recs_msgpack_ext_type(&v), sized[i].ext_type);
        }

        check_shorter(&text);

        unit_arena_free(&arena);
    }
}


static void
a_container_of_each_width_is_read(void **state)
{
    size_t         i, n;
    recs_str_t     text;
    recs_value_t   v, inner;
    unit_arena_t   arena;
    recs_reader_t  rd;

    (void) state;

    for (i = 0; i < unit_nelts(containers); i++) {
        unit_arena_init(&arena);

        n = containers[i].n * (containers[i].type == RECS_OBJECT ? 2 : 1);
        text = made_of(&arena, &containers[i].head, 0xc0, n);

        assert_int_equal(read_copy(&arena, &text, &rd, &v), 0);
        assert_int_equal(v.type, containers[i].type);

        recs_read_init(&rd, RECS_MSGPACK, text.data, text.len);
        assert_int_equal(recs_read_open(&rd, &v), 0);
        assert_int_equal(v.left, containers[i].n);
        assert_int_equal(v.span.len, containers[i].head.len);

        for (n = 0; n < containers[i].n; n++) {
            assert_int_equal(unit_next(&rd, &v), 1);
            assert_int_equal(recs_read_skip(&rd, &inner), 0);
            assert_int_equal(inner.type, RECS_NULL);
        }

        assert_int_equal(unit_next(&rd, &v), 0);
        assert_int_equal(recs_read_finish(&rd), 0);
        assert_int_equal(rd.depth, 0);

        check_shorter(&text);

        unit_arena_free(&arena);
    }
}


static void
what_is_not_well_formed_is_refused(void **state)
{
    size_t         i;
    recs_value_t   v;
    unit_arena_t   arena;
    recs_reader_t  rd;

    (void) state;

    for (i = 0; i < unit_nelts(refused); i++) {
        unit_arena_init(&arena);

        assert_true(read_copy(&arena, &refused[i].text, &rd, &v) < 0);
        assert_int_equal(rd.pos - refused[i].text.data, refused[i].at);

        unit_arena_free(&arena);
    }
}


static void
depth_is_bounded(void **state)
{
    size_t         i, k, depth;
    uint8_t        text[2 * (RECS_MAX_DEPTH + 1) + 1];
    recs_str_t     str;
    recs_value_t   v;
    unit_arena_t   arena;
    recs_reader_t  rd;

    static const struct {
        const char   *level;    /* one container that holds the next */
        const char   *last;
    } shapes[] = {
        { "\x91", "\x90" },         /* arrays */
        { "\x81\xc0", "\x80" },     /* maps, as values */
        { "\x81", "\x80" },         /* maps, as keys */
    };

    (void) state;

    for (i = 0; i < unit_nelts(shapes); i++) {
        str.data = text;

        for (depth = RECS_MAX_DEPTH; depth <= RECS_MAX_DEPTH + 1; depth++) {
            str.len = 0;

            for (k = 0; k < depth - 1; k++) {
                memcpy(text + str.len, shapes[i].level,
                       strlen(shapes[i].level));
                str.len += strlen(shapes[i].level);
            }

            text[str.len++] = (uint8_t) shapes[i].last[0];

            /* the values of keys */

            if (i == 2) {
                memset(text + str.len, 0xc0, depth - 1);
                str.len += depth - 1;
            }

            unit_arena_init(&arena);

            if (depth == RECS_MAX_DEPTH) {
                assert_int_equal(read_copy(&arena, &str, &rd, &v), 0);

            } else {
                assert_true(read_copy(&arena, &str, &rd, &v) < 0);
                assert_string_equal(rd.error, "nested too deep");
                assert_int_equal(rd.pos - text, (depth - 1)
                                 * strlen(shapes[i].level));
            }

            unit_arena_free(&arena);
        }
    }
}


static void
only_a_str_is_the_name_of_a_member(void **state)
{
    size_t         i;
    uint8_t        bytes[64];
    recs_str_t     text;
    recs_value_t   map, key, v;
    recs_reader_t  rd;

    static const struct {
        recs_str_t    key;
        unsigned      is:1;
    } keys[] = {
        { recs_string("\xa1" "1"), 1 },
        { recs_string("\xd9\x01" "1"), 1 },
        { recs_string("\xdb\x00\x00\x00\x01" "1"), 1 },
        { recs_string("\xa2" "11"), 0 },
        { recs_string("\xa0"), 0 },
        { recs_string("\x01"), 0 },
        { recs_string("\xc4\x01" "1"), 0 },
        { recs_string("\xd4\x00" "1"), 0 },
        { recs_string("\xc0"), 0 },
        { recs_string("\xc3"), 0 },
        { recs_string("\xca\x00\x00\x00\x00"), 0 },
        { recs_string("\x91\xa1" "1"), 0 },
        { recs_string("\x81\xa1" "1\xa1" "1"), 0 },
    };

    static const recs_str_t  head = recs_string("\x82");
    static const recs_str_t  one = recs_string("1");

    (void) state;

    for (i = 0; i < unit_nelts(keys); i++) {
        memcpy(bytes, head.data, 1);
        memcpy(bytes + 1, keys[i].key.data, keys[i].key.len);
        bytes[1 + keys[i].key.len] = 7;
        memcpy(bytes + 2 + keys[i].key.len, "\xa1" "1\x08", 3);

        text.data = bytes;
        text.len = keys[i].key.len + 5;

        recs_read_init(&rd, RECS_MSGPACK, text.data, text.len);
        assert_int_equal(recs_read_open(&rd, &map), 0);

        assert_int_equal(recs_read_member(&rd, &map, &key), 1);
        unit_assert_str(&key.span, &keys[i].key);
        assert_int_equal(recs_value_text_is(&key, &one), keys[i].is);
        assert_int_equal(recs_read_open(&rd, &v), 0);
        unit_assert_cstr(&v.span, "\x07");

        assert_int_equal(recs_read_member(&rd, &map, &key), 1);
        assert_int_equal(recs_value_text_is(&key, &one), 1);
        assert_int_equal(recs_read_skip(&rd, &v), 0);
        assert_int_equal(recs_read_member(&rd, &map, &key), 0);
        assert_int_equal(recs_read_finish(&rd), 0);
    }
}


static void
members_are_found_by_name(void **state)
{
    recs_str_t     text;
    recs_value_t   map, key, v;
    recs_reader_t  rd;

    static const recs_str_t  names[] = { recs_string("id"), recs_string("x") };

    /* {"i": 0, "id": 1, bin "id": 2, "o": {"id": 3}, "x": [4], 5: 5} */

    static const recs_str_t  bytes = recs_string(
        "\x86\xa1i\x00\xa2id\x01\xc4\x02id\x02\xa1o\x81\xa2id\x03"
        "\xa1x\x91\x04\x05\x05");

    (void) state;

    text = bytes;

    recs_read_init(&rd, RECS_MSGPACK, text.data, text.len);
    assert_int_equal(recs_read_open(&rd, &map), 0);

    assert_int_equal(recs_read_find(&rd, &map, names, 2, &key), 1);
    unit_assert_cstr(&key.span, "\xa2id");
    assert_int_equal(recs_read_skip(&rd, &v), 0);
    unit_assert_cstr(&v.span, "\x01");

    assert_int_equal(recs_read_find(&rd, &map, names, 2, &key), 1);
    unit_assert_cstr(&key.span, "\xa1x");
    assert_int_equal(recs_read_skip(&rd, &v), 0);
    unit_assert_cstr(&v.span, "\x91\x04");

    assert_int_equal(recs_read_find(&rd, &map, names, 2, &key), 0);
    assert_int_equal(recs_read_finish(&rd), 0);

    /* what is read past is checked */

    text.len--;

    recs_read_init(&rd, RECS_MSGPACK, text.data, text.len);
    assert_int_equal(recs_read_open(&rd, &map), 0);
    assert_int_equal(recs_read_find(&rd, &map, NULL, 0, &key),
                     RECS_MALFORMED);
}


#define HEADER(type, n, bytes)                                               \
    { recs_msgpack_##type##_header, n, recs_string(bytes) }


static void
headers_are_of_the_least_width(void **state)
{
    size_t   i, len;
    uint8_t  out[RECS_MSGPACK_HEADER];

    static const struct {
        size_t          (*header)(uint32_t n, uint8_t *out);
        uint32_t          n;
        recs_str_t        is;
    } headers[] = {
        HEADER(map, 0, "\x80"),
        HEADER(map, 15, "\x8f"),
        HEADER(map, 16, "\xde\x00\x10"),
        HEADER(map, 255, "\xde\x00\xff"),
        HEADER(map, 256, "\xde\x01\x00"),
        HEADER(map, 65535, "\xde\xff\xff"),
        HEADER(map, 65536, "\xdf\x00\x01\x00\x00"),
        HEADER(map, 0x12345678, "\xdf\x12\x34\x56\x78"),
        HEADER(map, 0xffffffff, "\xdf\xff\xff\xff\xff"),

        HEADER(array, 0, "\x90"),
        HEADER(array, 15, "\x9f"),
        HEADER(array, 16, "\xdc\x00\x10"),
        HEADER(array, 255, "\xdc\x00\xff"),
        HEADER(array, 256, "\xdc\x01\x00"),
        HEADER(array, 65535, "\xdc\xff\xff"),
        HEADER(array, 65536, "\xdd\x00\x01\x00\x00"),
        HEADER(array, 0x12345678, "\xdd\x12\x34\x56\x78"),
        HEADER(array, 0xffffffff, "\xdd\xff\xff\xff\xff"),

        HEADER(bin, 0, "\xc4\x00"),
        HEADER(bin, 15, "\xc4\x0f"),
        HEADER(bin, 16, "\xc4\x10"),
        HEADER(bin, 255, "\xc4\xff"),
        HEADER(bin, 256, "\xc5\x01\x00"),
        HEADER(bin, 65535, "\xc5\xff\xff"),
        HEADER(bin, 65536, "\xc6\x00\x01\x00\x00"),
        HEADER(bin, 0x12345678, "\xc6\x12\x34\x56\x78"),
        HEADER(bin, 0xffffffff, "\xc6\xff\xff\xff\xff"),
    };

    (void) state;

    for (i = 0; i < unit_nelts(headers); i++) {
        len = headers[i].header(headers[i].n, out);
        assert_int_equal(len, headers[i].is.len);
        assert_memory_equal(out, headers[i].is.data, len);
    }
}


static void
the_first_byte_tells_the_formats_apart(void **state)
{
    unsigned    i;
    uint8_t     byte;
    recs_str_t  text;

    (void) state;

    text.data = &byte;
    text.len = 1;

    for (i = 0; i < 256; i++) {
        byte = (uint8_t) i;

        assert_int_equal(recs_format_of(&text),
                         (i >= 0x80 && i <= 0x9f) || (i >= 0xdc && i <= 0xdf)
                         ? RECS_MSGPACK : RECS_JSON);
    }

    text.data = NULL;
    text.len = 0;
    assert_int_equal(recs_format_of(&text), RECS_JSON);
}


static void
want_of_memory_is_an_error(void **state)
{
    size_t         i;
    recs_str_t     text;
    recs_value_t   v;
    unit_arena_t   arena;
    recs_reader_t  rd;

    static const recs_str_t  values[] = {
        recs_string("\x07"),
        recs_string("\xca\x3d\xcc\xcc\xcd"),
        recs_string("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
    };

    (void) state;

    for (i = 0; i < unit_nelts(values); i++) {
        recs_read_init(&rd, RECS_MSGPACK, values[i].data, values[i].len);
        assert_int_equal(recs_read_open(&rd, &v), 0);

        unit_arena_init_max(&arena, 0);
        assert_int_equal(recs_transcode_text(&arena.mem, &v, &text),
                         RECS_NOMEM);
        unit_arena_free(&arena);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_scalar_is_read_with_its_text),
        cmocka_unit_test(integers_keep_sign_and_size),
        cmocka_unit_test(a_value_of_each_width_is_read),
        cmocka_unit_test(a_container_of_each_width_is_read),
        cmocka_unit_test(what_is_not_well_formed_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(only_a_str_is_the_name_of_a_member),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(headers_are_of_the_least_width),
        cmocka_unit_test(the_first_byte_tells_the_formats_apart),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
