
#include "unit.h"

#include "recs_reader.h"


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


static const scalar_t  scalars[] = {

    /* integers: the least and the greatest of each width */

    { recs_string("\x00"), RECS_INTEGER, recs_string("0") },
    { recs_string("\x7f"), RECS_INTEGER, recs_string("127") },
    { recs_string("\xff"), RECS_INTEGER, recs_string("-1") },
    { recs_string("\xe0"), RECS_INTEGER, recs_string("-32") },
    { recs_string("\xcc\x00"), RECS_INTEGER, recs_string("0") },
    { recs_string("\xcc\xff"), RECS_INTEGER, recs_string("255") },
    { recs_string("\xcd\x00\x07"), RECS_INTEGER, recs_string("7") },
    { recs_string("\xcd\xff\xff"), RECS_INTEGER, recs_string("65535") },
    { recs_string("\xce\x00\x00\x00\x00"), RECS_INTEGER, recs_string("0") },
    { recs_string("\xce\xff\xff\xff\xff"), RECS_INTEGER,
      recs_string("4294967295") },
    { recs_string("\xcf\x00\x00\x00\x00\x00\x00\x00\x07"), RECS_INTEGER,
      recs_string("7") },
    { recs_string("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), RECS_INTEGER,
      recs_string("9223372036854775808") },
    { recs_string("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), RECS_INTEGER,
      recs_string("18446744073709551615") },
    { recs_string("\xd0\x00"), RECS_INTEGER, recs_string("0") },
    { recs_string("\xd0\x7f"), RECS_INTEGER, recs_string("127") },
    { recs_string("\xd0\x80"), RECS_INTEGER, recs_string("-128") },
    { recs_string("\xd0\xff"), RECS_INTEGER, recs_string("-1") },
    { recs_string("\xd1\x7f\xff"), RECS_INTEGER, recs_string("32767") },
    { recs_string("\xd1\x80\x00"), RECS_INTEGER, recs_string("-32768") },
    { recs_string("\xd1\xff\xff"), RECS_INTEGER, recs_string("-1") },
    { recs_string("\xd2\x7f\xff\xff\xff"), RECS_INTEGER,
      recs_string("2147483647") },
    { recs_string("\xd2\x80\x00\x00\x00"), RECS_INTEGER,
      recs_string("-2147483648") },
    { recs_string("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff"), RECS_INTEGER,
      recs_string("9223372036854775807") },
    { recs_string("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), RECS_INTEGER,
      recs_string("-9223372036854775808") },
    { recs_string("\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), RECS_INTEGER,
      recs_string("-1") },

    /* floats: the shortest decimal of each width */

    { recs_string("\xca\x3d\xcc\xcc\xcd"), RECS_NUMBER, recs_string("0.1") },
    { recs_string("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"), RECS_NUMBER,
      recs_string("0.1") },
    { recs_string("\xcb\x41\xda\xc0\x3d\xa0\x20\x00\x00"), RECS_NUMBER,
      recs_string("1795225216.5") },
    { recs_string("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), RECS_NUMBER,
      recs_string("null") },
    { recs_string("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"), RECS_NUMBER,
      recs_string("null") },
    { recs_string("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), RECS_NUMBER,
      recs_string("null") },
    { recs_string("\xca\x7f\xc0\x00\x00"), RECS_NUMBER, recs_string("null") },

    { recs_string("\xc0"), RECS_NULL, recs_string("null") },
    { recs_string("\xc2"), RECS_BOOLEAN, recs_string("false") },
    { recs_string("\xc3"), RECS_BOOLEAN, recs_string("true") },

    /* texts: a str need not be UTF-8 */

    { recs_string("\xa0"), RECS_STRING, recs_string("") },
    { recs_string("\xa3" "a\0b"), RECS_STRING, recs_string("a\0b") },
    { recs_string("\xa2\xff\xfe"), RECS_STRING, recs_string("\xff\xfe") },
    { recs_string("\xd9\x02\\n"), RECS_STRING, recs_string("\\n") },
    { recs_string("\xda\x00\x01\""), RECS_STRING, recs_string("\"") },
    { recs_string("\xdb\x00\x00\x00\x01" "a"), RECS_STRING,
      recs_string("a") },
    { recs_string("\xc4\x02\x00\xff"), RECS_BINARY, recs_string("\x00\xff") },

    /* a timestamp is a date-time; any other ext what JSON has for it */

    { recs_string("\xd6\xff\x00\x00\x00\x00"), RECS_EXTENSION,
      recs_string("1970-01-01T00:00:00Z") },
    { recs_string("\xd4\x05" "a"), RECS_EXTENSION,
      recs_string("{\"type\":5,\"data\":\"YQ==\"}") },
};


static const sized_t  sized[] = {
    { recs_string("\xa0"), 0, RECS_STRING, 0 },
    { recs_string("\xbf"), 31, RECS_STRING, 0 },
    { recs_string("\xd9\x00"), 0, RECS_STRING, 0 },
    { recs_string("\xd9\xff"), 255, RECS_STRING, 0 },
    { recs_string("\xda\x00\x00"), 0, RECS_STRING, 0 },
    { recs_string("\xda\xff\xff"), 65535, RECS_STRING, 0 },
    { recs_string("\xdb\x00\x00\x00\x00"), 0, RECS_STRING, 0 },
    { recs_string("\xdb\x00\x01\x00\x00"), 65536, RECS_STRING, 0 },

    { recs_string("\xc4\x00"), 0, RECS_BINARY, 0 },
    { recs_string("\xc4\xff"), 255, RECS_BINARY, 0 },
    { recs_string("\xc5\x00\x00"), 0, RECS_BINARY, 0 },
    { recs_string("\xc5\xff\xff"), 65535, RECS_BINARY, 0 },
    { recs_string("\xc6\x00\x00\x00\x00"), 0, RECS_BINARY, 0 },
    { recs_string("\xc6\x00\x01\x00\x00"), 65536, RECS_BINARY, 0 },

    { recs_string("\xd4\x00"), 1, RECS_EXTENSION, 0 },
    { recs_string("\xd5\x7f"), 2, RECS_EXTENSION, 127 },
    { recs_string("\xd6\xff"), 4, RECS_EXTENSION, -1 },
    { recs_string("\xd7\x80"), 8, RECS_EXTENSION, -128 },
    { recs_string("\xd8\x01"), 16, RECS_EXTENSION, 1 },
    { recs_string("\xc7\x00\xff"), 0, RECS_EXTENSION, -1 },
    { recs_string("\xc7\x0c\xff"), 12, RECS_EXTENSION, -1 },
    { recs_string("\xc7\xff\x02"), 255, RECS_EXTENSION, 2 },
    { recs_string("\xc8\x00\x00\x7f"), 0, RECS_EXTENSION, 127 },
    { recs_string("\xc8\xff\xff\x80"), 65535, RECS_EXTENSION, -128 },
    { recs_string("\xc9\x00\x00\x00\x00\x07"), 0, RECS_EXTENSION, 7 },
    { recs_string("\xc9\x00\x01\x00\x00\xfe"), 65536, RECS_EXTENSION, -2 },
};


static const container_t  containers[] = {
    { recs_string("\x90"), 0, RECS_ARRAY },
    { recs_string("\x91"), 1, RECS_ARRAY },
    { recs_string("\x9f"), 15, RECS_ARRAY },
    { recs_string("\xdc\x00\x00"), 0, RECS_ARRAY },
    { recs_string("\xdc\x00\x10"), 16, RECS_ARRAY },
    { recs_string("\xdc\xff\xff"), 65535, RECS_ARRAY },
    { recs_string("\xdd\x00\x00\x00\x00"), 0, RECS_ARRAY },
    { recs_string("\xdd\x00\x01\x00\x00"), 65536, RECS_ARRAY },
    { recs_string("\x80"), 0, RECS_OBJECT },
    { recs_string("\x81"), 1, RECS_OBJECT },
    { recs_string("\x8f"), 15, RECS_OBJECT },
    { recs_string("\xde\x00\x00"), 0, RECS_OBJECT },
    { recs_string("\xde\x00\x10"), 16, RECS_OBJECT },
    { recs_string("\xde\xff\xff"), 65535, RECS_OBJECT },
    { recs_string("\xdf\x00\x00\x00\x00"), 0, RECS_OBJECT },
    { recs_string("\xdf\x00\x01\x00\x00"), 65536, RECS_OBJECT },
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


/* Reads a value the way a caller does; v->span is the whole of it. */

static int
pull(recs_reader_t *rd, recs_value_t *v)
{
    int           rc;
    recs_value_t  key, inner;

    if (recs_read_open(rd, v) < 0) {
        return -1;
    }

    if (v->type > RECS_ARRAY) {
        return 0;
    }

    do {
        rc = v->type == RECS_OBJECT ? recs_read_member(rd, v, &key)
                                    : recs_read_element(rd, v);

        if (rc == 1 && pull(rd, &inner) < 0) {
            return -1;
        }

    } while (rc == 1);

    v->span.len = (size_t) (rd->pos - v->span.data);

    return rc;
}


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
    assert_int_equal(pull(&other, &pulled) < 0 || recs_read_finish(&other) < 0,
                     rc < 0);

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
        assert_int_equal(recs_value_text(&arena.mem, &v, &text), RECS_OK);
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

        if (text.len < 300) {
            check_truncated(&text);
        }

        text.len--;
        assert_true(read_copy(&arena, &text, &rd, &v) < 0);
        assert_ptr_equal(rd.pos, text.data);

        unit_arena_free(&arena);
    }
}


static void
a_container_of_each_width_is_read(void **state)
{
    size_t         i, n;
    recs_str_t     text;
    recs_value_t   v, key, inner;
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
            assert_int_equal(v.type == RECS_OBJECT
                             ? recs_read_member(&rd, &v, &key)
                             : recs_read_element(&rd, &v), 1);
            assert_int_equal(recs_read_skip(&rd, &inner), 0);
            assert_int_equal(inner.type, RECS_NULL);
        }

        assert_int_equal(v.type == RECS_OBJECT
                         ? recs_read_member(&rd, &v, &key)
                         : recs_read_element(&rd, &v), 0);
        assert_int_equal(recs_read_finish(&rd), 0);
        assert_int_equal(rd.depth, 0);

        if (text.len < 300) {
            check_truncated(&text);
        }

        text.len--;
        assert_true(read_copy(&arena, &text, &rd, &v) < 0);
        assert_ptr_equal(rd.pos, text.data);

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


static void
headers_are_of_the_least_width(void **state)
{
    size_t    i, len;
    uint8_t   out[RECS_MSGPACK_HEADER];

    static const struct {
        uint32_t      n;
        recs_str_t    map;
        recs_str_t    array;
        recs_str_t    bin;
    } headers[] = {
        { 0, recs_string("\x80"), recs_string("\x90"),
          recs_string("\xc4\x00") },
        { 15, recs_string("\x8f"), recs_string("\x9f"),
          recs_string("\xc4\x0f") },
        { 16, recs_string("\xde\x00\x10"), recs_string("\xdc\x00\x10"),
          recs_string("\xc4\x10") },
        { 255, recs_string("\xde\x00\xff"), recs_string("\xdc\x00\xff"),
          recs_string("\xc4\xff") },
        { 256, recs_string("\xde\x01\x00"), recs_string("\xdc\x01\x00"),
          recs_string("\xc5\x01\x00") },
        { 65535, recs_string("\xde\xff\xff"), recs_string("\xdc\xff\xff"),
          recs_string("\xc5\xff\xff") },
        { 65536, recs_string("\xdf\x00\x01\x00\x00"),
          recs_string("\xdd\x00\x01\x00\x00"),
          recs_string("\xc6\x00\x01\x00\x00") },
        { 0x12345678, recs_string("\xdf\x12\x34\x56\x78"),
          recs_string("\xdd\x12\x34\x56\x78"),
          recs_string("\xc6\x12\x34\x56\x78") },
        { 0xffffffff, recs_string("\xdf\xff\xff\xff\xff"),
          recs_string("\xdd\xff\xff\xff\xff"),
          recs_string("\xc6\xff\xff\xff\xff") },
    };

    (void) state;

    for (i = 0; i < unit_nelts(headers); i++) {
        len = recs_msgpack_map_header(headers[i].n, out);
        assert_int_equal(len, headers[i].map.len);
        assert_memory_equal(out, headers[i].map.data, len);

        len = recs_msgpack_array_header(headers[i].n, out);
        assert_int_equal(len, headers[i].array.len);
        assert_memory_equal(out, headers[i].array.data, len);

        len = recs_msgpack_bin_header(headers[i].n, out);
        assert_int_equal(len, headers[i].bin.len);
        assert_memory_equal(out, headers[i].bin.data, len);
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
        assert_int_equal(recs_value_text(&arena.mem, &v, &text), RECS_NOMEM);
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
