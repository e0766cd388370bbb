
/*
 * What the writer writes, in JSON or MessagePack, is well formed and reads
 * back as the same values.
 */

#include <float.h>
#include <math.h>

#include "unit_reader.h"
#include "unit_writer.h"


typedef struct {
    recs_str_t        text;
    recs_str_t        json;
} written_t;


static const written_t  written[] = {
    { recs_string(""), recs_string("\"\"") },
    { recs_string("plain /'<>&\x7f"), recs_string("\"plain /'<>&\x7f\"") },
    { recs_string("\"a\\b\""), recs_string("\"\\\"a\\\\b\\\"\"") },
    { recs_string("\b\f\n\r\t"), recs_string("\"\\b\\f\\n\\r\\t\"") },
    { recs_string("\0\x01\x0b\x1f"),
      recs_string("\"\\u0000\\u0001\\u000b\\u001f\"") },
    { recs_string("\xc3\xa9\xe7\xbd\xaa\xf0\x9f\x98\x80\xe2\x80\xa8"),
      recs_string("\"\xc3\xa9\xe7\xbd\xaa\xf0\x9f\x98\x80\xe2\x80\xa8\"") },

    /* lone surrogates, as the reader decodes them */

    { recs_string("\xed\xa0\x80"), recs_string("\"\\ud800\"") },
    { recs_string("\xed\xbf\xbf"), recs_string("\"\\udfff\"") },
    { recs_string("a\xed\xa1\x9c\xed\xa0\xbd" "b"),
      recs_string("\"a\\ud85c\\ud83db\"") },

    /* each byte that is not UTF-8 is U+FFFD */

    { recs_string("\xff"), recs_string("\"\xef\xbf\xbd\"") },
    { recs_string("a\xc3"), recs_string("\"a\xef\xbf\xbd\"") },
    { recs_string("\xe9t\xe9"),
      recs_string("\"\xef\xbf\xbdt\xef\xbf\xbd\"") },
    { recs_string("\xe2\x82"), recs_string("\"\xef\xbf\xbd\xef\xbf\xbd\"") },
    { recs_string("\xed\xa0"), recs_string("\"\xef\xbf\xbd\xef\xbf\xbd\"") },
    { recs_string("\xed\xa0\""),
      recs_string("\"\xef\xbf\xbd\xef\xbf\xbd\\\"\"") },
    { recs_string("\xc0\x80\xc3\xa9"),
      recs_string("\"\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\"") },
};


static void
commas_come_by_themselves(void **state)
{
    recs_str_t     str, name;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);

    recs_write_object(&w);
    recs_write_key(&w, "empty");
    recs_write_object(&w);
    recs_write_object_end(&w);
    recs_write_key(&w, "list");
    recs_write_array(&w);
    recs_write_array(&w);
    recs_write_array_end(&w);
    recs_write_true(&w);
    recs_write_false(&w);
    recs_write_null(&w);
    recs_write_uint(&w, 7);
    recs_write_double(&w, 0.5);
    recs_write_cstr(&w, "s");
    str = unit_str("{\"raw\": 1}");
    recs_write_raw(&w, &str);
    recs_write_object(&w);
    recs_write_object_end(&w);
    recs_write_array_end(&w);
    name = unit_str("a \"name\"");
    recs_write_key_str(&w, &name);
    recs_write_string(&w, &name);
    recs_write_object_end(&w);

    unit_assert_written(&w,
                     "{\"empty\":{},\"list\":[[],true,false,null,7,0.5,\"s\","
                     "{\"raw\": 1},{}],\"a \\\"name\\\"\":\"a \\\"name\\\"\"}");

    unit_arena_free(&arena);
}


static void
bytes_are_no_value(void **state)
{
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);

    recs_write_bytes(&w, "\n", 1);
    recs_write_uint(&w, 1);
    recs_write_bytes(&w, "\n", 1);
    recs_write_uint(&w, 2);
    recs_write_bytes(&w, NULL, 0);

    unit_assert_written(&w, "\n1\n,2");

    unit_arena_free(&arena);
}


static void
strings_are_escaped_where_they_must(void **state)
{
    size_t         i;
    recs_str_t     str, copy;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(written); i++) {
        copy = unit_copy(&arena, &written[i].text);

        recs_writer_init(&w, &arena.mem, RECS_JSON, 1);
        recs_write_string(&w, &copy);
        str = unit_written(&w);
        unit_assert_str(&str, &written[i].json);

        recs_writer_init(&w, &arena.mem, RECS_JSON, 1);
        recs_write_key_str(&w, &copy);
        assert_int_equal(w.data[w.len - 1], ':');
        w.len--;
        str = unit_written(&w);
        unit_assert_str(&str, &written[i].json);
    }

    unit_arena_free(&arena);
}


static void
an_empty_span_may_have_no_data(void **state)
{
    recs_str_t     none;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);

    none.data = NULL;
    none.len = 0;

    recs_write_string(&w, &none);
    unit_assert_written(&w, "\"\"");

    unit_arena_free(&arena);
}


static void
a_strict_writer_escapes_no_surrogate(void **state)
{
    unit_arena_t   arena;
    recs_writer_t  w;

    static const recs_str_t  text = recs_string("a\xed\xa0\x80\xc3\xa9");

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);
    w.strict = 1;

    recs_write_string(&w, &text);
    unit_assert_written(&w,
                        "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\"");

    unit_arena_free(&arena);
}


/* RFC 4648, section 10 */

static void
base64_is_padded(void **state)
{
    size_t         n;
    recs_str_t     str;
    unit_arena_t   arena;
    recs_writer_t  w;

    static const char  *expected[] = {
        "\"\"", "\"Zg==\"", "\"Zm8=\"", "\"Zm9v\"", "\"Zm9vYg==\"",
        "\"Zm9vYmE=\"", "\"Zm9vYmFy\""
    };

    static const recs_str_t  high = recs_string("\xff\xef\xbe\0");

    (void) state;

    unit_arena_init(&arena);

    for (n = 0; n < unit_nelts(expected); n++) {
        str.data = (const uint8_t *) "foobar";
        str.len = n;

        recs_writer_init(&w, &arena.mem, RECS_JSON, 1);
        recs_write_base64(&w, &str);
        unit_assert_written(&w, expected[n]);
    }

    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);
    recs_write_array(&w);
    recs_write_base64(&w, &high);
    recs_write_base64(&w, &high);
    recs_write_array_end(&w);
    unit_assert_written(&w, "[\"/+++AA==\",\"/+++AA==\"]");

    unit_arena_free(&arena);
}


static void
what_is_taken_back_was_never_there(void **state)
{
    size_t         len;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 1);

    len = w.len;
    recs_write_array(&w);
    recs_write_array_end(&w);
    recs_write_back(&w, len);

    recs_write_object(&w);
    len = w.len;
    recs_write_key(&w, "gone");
    recs_write_null(&w);
    recs_write_back(&w, len);
    recs_write_key(&w, "list");
    recs_write_array(&w);
    len = w.len;
    recs_write_cstr(&w, "gone");
    recs_write_back(&w, len);
    recs_write_cstr(&w, "[");
    len = w.len;
    recs_write_object(&w);
    recs_write_object_end(&w);
    recs_write_back(&w, len);
    recs_write_uint(&w, 0);
    recs_write_array_end(&w);
    len = w.len;
    recs_write_key(&w, "gone");
    recs_write_uint(&w, 1);
    recs_write_back(&w, len);
    recs_write_key(&w, "max");
    recs_write_uint(&w, UINT64_MAX);
    recs_write_object_end(&w);

    unit_assert_written(&w,
                        "{\"list\":[\"[\",0],\"max\":18446744073709551615}");

    unit_arena_free(&arena);
}


/* Each character of the basic plane and each lone surrogate stays the same. */

static void
what_was_written_reads_back(void **state)
{
    char           escape[16];
    unsigned       ch;
    recs_str_t     text, again;
    recs_reader_t  rd;
    unit_arena_t   arena;
    recs_value_t   v;
    recs_writer_t  w;

    (void) state;

    for (ch = 0; ch <= 0xffff; ch++) {
        unit_arena_init(&arena);

        (void) snprintf(escape, sizeof(escape), "\"\\u%04X\"", ch);

        recs_read_init(&rd, RECS_JSON, (const uint8_t *) escape,
                       strlen(escape));
        assert_int_equal(recs_read_open(&rd, &v), 0);
        assert_int_equal(recs_json_decode(&arena.mem, &v, &text), RECS_OK);

        recs_writer_init(&w, &arena.mem, RECS_JSON, 16);
        recs_write_string(&w, &text);

        recs_read_init(&rd, RECS_JSON, w.data, w.len);
        assert_int_equal(recs_read_open(&rd, &v), 0);
        assert_int_equal(recs_read_finish(&rd), 0);
        assert_int_equal(recs_json_decode(&arena.mem, &v, &again), RECS_OK);
        unit_assert_str(&again, &text);

        unit_arena_free(&arena);
    }
}


typedef struct {
    enum { UINT, INT, FLOAT, DOUBLE } type;

    union {
        uint64_t          u;
        int64_t           i;
        float             f;
        double            d;
    } n;

    const char           *json;
} number_t;


static const number_t  numbers[] = {
    { UINT, { .u = 0 }, "0" },
    { UINT, { .u = 1795305600 }, "1795305600" },
    { UINT, { .u = UINT64_MAX }, "18446744073709551615" },

    { INT, { .i = 0 }, "0" },
    { INT, { .i = -1 }, "-1" },
    { INT, { .i = INT64_MAX }, "9223372036854775807" },
    { INT, { .i = INT64_MIN }, "-9223372036854775808" },

    { FLOAT, { .f = 0.0f }, "0" },
    { FLOAT, { .f = -2.5f }, "-2.5" },
    { FLOAT, { .f = 0.1f }, "0.1" },
    { FLOAT, { .f = 1.0f / 3.0f }, "0.33333334" },
    { FLOAT, { .f = 16777216.0f }, "16777216" },
    { FLOAT, { .f = FLT_MAX }, "3.4028235e+38" },
    { FLOAT, { .f = 1.4e-45f }, "1.4013e-45" },

    { DOUBLE, { .d = 0.0 }, "0" },
    { DOUBLE, { .d = -0.0 }, "-0" },
    { DOUBLE, { .d = 1.0 }, "1" },
    { DOUBLE, { .d = -2.5 }, "-2.5" },
    { DOUBLE, { .d = 0.005 }, "0.005" },
    { DOUBLE, { .d = 0.1 }, "0.1" },
    { DOUBLE, { .d = 0.1 + 0.2 }, "0.30000000000000004" },
    { DOUBLE, { .d = 1.0 / 3.0 }, "0.3333333333333333" },
    { DOUBLE, { .d = 1e15 }, "1e+15" },
    { DOUBLE, { .d = 123456789012345.0 }, "123456789012345" },
    { DOUBLE, { .d = 9007199254740991.0 }, "9007199254740991" },
    { DOUBLE, { .d = 1e-7 }, "1e-07" },
    { DOUBLE, { .d = 1.5e300 }, "1.5e+300" },
    { DOUBLE, { .d = DBL_MAX }, "1.7976931348623157e+308" },
    { DOUBLE, { .d = DBL_MIN }, "2.2250738585072014e-308" },
    { DOUBLE, { .d = 4.9406564584124654e-324 }, "4.94065645841247e-324" },
};


/* What is written of a number, as JSON, in the arena's memory. */

static recs_str_t
written_number(unit_arena_t *arena, const number_t *number)
{
    recs_writer_t  w;

    recs_writer_init(&w, &arena->mem, RECS_JSON, 1);

    switch (number->type) {

    case UINT:
        recs_write_uint(&w, number->n.u);
        break;

    case INT:
        recs_write_int(&w, number->n.i);
        break;

    case FLOAT:
        recs_write_float(&w, number->n.f);
        break;

    default: /* DOUBLE */
        recs_write_double(&w, number->n.d);
    }

    return unit_written(&w);
}


static void
check_numbers(const number_t *table, size_t n)
{
    size_t         i;
    recs_str_t     str;
    unit_arena_t   arena;
    recs_value_t   v;
    recs_reader_t  rd;

    for (i = 0; i < n; i++) {
        unit_arena_init(&arena);

        str = written_number(&arena, &table[i]);
        unit_assert_cstr(&str, table[i].json);

        recs_read_init(&rd, RECS_JSON, str.data, str.len);
        assert_int_equal(recs_read_open(&rd, &v), 0);
        assert_int_equal(recs_read_finish(&rd), 0);

        unit_arena_free(&arena);
    }
}


static void
numbers_read_back(void **state)
{
    (void) state;

    check_numbers(numbers, unit_nelts(numbers));
}


/* A copy of str in buf that ends as strtod() wants it. */

static const char *
terminated(char buf[64], const recs_str_t *str)
{
    assert_true(str->len < 64);

    memcpy(buf, str->data, str->len);
    buf[str->len] = '\0';

    return buf;
}


static void
random_doubles_read_back(void **state)
{
    int           i;
    char          buf[64];
    number_t      n;
    uint64_t      bits;
    recs_str_t    str;
    unit_arena_t  arena;

    (void) state;

    bits = 1;
    n.type = DOUBLE;

    for (i = 0; i < 20000; i++) {
        bits = bits * UINT64_C(6364136223846793005)
               + UINT64_C(1442695040888963407);
        n.n.u = bits;

        if (!isfinite(n.n.d)) {
            continue;
        }

        unit_arena_init(&arena);
        str = written_number(&arena, &n);
        assert_true(strtod(terminated(buf, &str), NULL) == n.n.d);
        unit_arena_free(&arena);
    }
}


static void
random_floats_read_back(void **state)
{
    int           i;
    char          buf[64];
    number_t      n;
    uint32_t      bits;
    recs_str_t    str;
    unit_arena_t  arena;

    (void) state;

    bits = 1;
    n.type = FLOAT;

    for (i = 0; i < 20000; i++) {
        bits = bits * UINT32_C(1664525) + UINT32_C(1013904223);
        memcpy(&n.n.f, &bits, sizeof(bits));

        if (!isfinite(n.n.f)) {
            continue;
        }

        unit_arena_init(&arena);
        str = written_number(&arena, &n);
        assert_true(strtof(terminated(buf, &str), NULL) == n.n.f);
        unit_arena_free(&arena);
    }
}


/* The C library says what their digits are. */

static void
few_decimals_are_the_shortest(void **state)
{
    int            i;
    char           expected[64];
    double         n;
    uint64_t       bits;
    unit_arena_t   arena;
    recs_writer_t  w;

    static const double  scales[] = {
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e12
    };

    (void) state;

    bits = 7;

    for (i = 0; i < 40000; i++) {
        bits = bits * UINT64_C(6364136223846793005)
               + UINT64_C(1442695040888963407);

        n = (double) (bits >> (20 + bits % 44)) / scales[(bits >> 8) % 11];
        n = bits & 0x10000 ? -n : n;

        (void) snprintf(expected, sizeof(expected), "%.15g", n);

        if (strtod(expected, NULL) != n) {
            continue;
        }

        unit_arena_init(&arena);

        recs_writer_init(&w, &arena.mem, RECS_JSON, 1);
        recs_write_double(&w, n);
        unit_assert_written(&w, expected);

        unit_arena_free(&arena);
    }
}


static void
a_double_has_a_point_in_every_locale(void **state)
{
    static const number_t  doubles[] = {
        { DOUBLE, { .d = 0.5 }, "0.5" },
        { DOUBLE, { .d = 0.1 + 0.2 }, "0.30000000000000004" },
        { DOUBLE, { .d = -1.5e-300 }, "-1.5e-300" },
        { DOUBLE, { .d = 1e20 }, "1e+20" },
        { DOUBLE, { .d = 12.0 }, "12" },
    };

    (void) state;

    unit_locale();
    check_numbers(doubles, unit_nelts(doubles));
    (void) setlocale(LC_NUMERIC, "C");
}


/* What each scalar is in MessagePack. */

static void
scalars_are_packed(void **state)
{
    size_t         i;
    recs_str_t     str, expected;
    unit_arena_t   arena;
    recs_writer_t  w;

    static const struct {
        int64_t           n;
        recs_str_t        bytes;
    } integers[] = {
        { 0, recs_string("\x00") },
        { 127, recs_string("\x7f") },
        { 128, recs_string("\xcc\x80") },
        { 255, recs_string("\xcc\xff") },
        { 256, recs_string("\xcd\x01\x00") },
        { 65535, recs_string("\xcd\xff\xff") },
        { 65536, recs_string("\xce\x00\x01\x00\x00") },
        { 4294967295, recs_string("\xce\xff\xff\xff\xff") },
        { 4294967296, recs_string("\xcf\0\0\0\1\0\0\0\0") },
        { INT64_MAX, recs_string("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff") },
        { -1, recs_string("\xff") },
        { -32, recs_string("\xe0") },
        { -33, recs_string("\xd0\xdf") },
        { -128, recs_string("\xd0\x80") },
        { -129, recs_string("\xd1\xff\x7f") },
        { -32768, recs_string("\xd1\x80\x00") },
        { -32769, recs_string("\xd2\xff\xff\x7f\xff") },
        { INT32_MIN, recs_string("\xd2\x80\x00\x00\x00") },
        { INT32_MIN - INT64_C(1),
          recs_string("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff") },
        { INT64_MIN, recs_string("\xd3\x80\0\0\0\0\0\0\0") },
    };

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(integers); i++) {
        recs_writer_init(&w, &arena.mem, RECS_MSGPACK, 1);
        recs_write_int(&w, integers[i].n);
        str = unit_written(&w);
        unit_assert_str(&str, &integers[i].bytes);

        if (integers[i].n >= 0) {
            recs_writer_init(&w, &arena.mem, RECS_MSGPACK, 1);
            recs_write_uint(&w, (uint64_t) integers[i].n);
            str = unit_written(&w);
            unit_assert_str(&str, &integers[i].bytes);
        }
    }

    recs_writer_init(&w, &arena.mem, RECS_MSGPACK, 1);

    recs_write_uint(&w, UINT64_MAX);
    recs_write_double(&w, 0.1);
    recs_write_double(&w, INFINITY);
    recs_write_float(&w, 0.1f);
    recs_write_true(&w);
    recs_write_false(&w);
    recs_write_null(&w);
    recs_write_cstr(&w, "a\xff\"");
    recs_write_bytes(&w, "\xc4\x01z", 3);

    str.data = (const uint8_t *) "\xff";
    str.len = 1;

    recs_write_array(&w);
    recs_write_bin(&w, &str);
    recs_write_array_end(&w);

    str = unit_written(&w);
    expected = (recs_str_t) recs_string(
        "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"
        "\xcb\x7f\xf0\0\0\0\0\0\0"
        "\xca\x3d\xcc\xcc\xcd"
        "\xc3\xc2\xc0"
        "\xa3" "a\xff\""
        "\xc4\x01z"
        "\x91\xc4\x01\xff");
    unit_assert_str(&str, &expected);

    unit_arena_free(&arena);
}


static void
strings_are_packed_at_the_least_width(void **state)
{
    size_t         i;
    uint8_t       *bytes;
    recs_str_t     str, text, head;
    unit_arena_t   arena;
    recs_writer_t  w;

    static const struct {
        size_t            len;
        recs_str_t        head;
    } strings[] = {
        { 0, recs_string("\xa0") },
        { 31, recs_string("\xbf") },
        { 32, recs_string("\xd9\x20") },
        { 255, recs_string("\xd9\xff") },
        { 256, recs_string("\xda\x01\x00") },
        { 65535, recs_string("\xda\xff\xff") },
        { 65536, recs_string("\xdb\x00\x01\x00\x00") },
    };

    (void) state;

    unit_arena_init(&arena);

    bytes = recs_alloc(&arena.mem, 65536);
    assert_non_null(bytes);
    memset(bytes, 'a', 65536);

    for (i = 0; i < unit_nelts(strings); i++) {
        text.data = strings[i].len ? bytes : NULL;
        text.len = strings[i].len;

        recs_writer_init(&w, &arena.mem, RECS_MSGPACK, 1);
        recs_write_string(&w, &text);
        str = unit_written(&w);

        head.data = str.data;
        head.len = strings[i].head.len;
        unit_assert_str(&head, &strings[i].head);

        str.data += head.len;
        str.len -= head.len;
        unit_assert_str(&str, &text);
    }

    unit_arena_free(&arena);
}


/* A name counts once, its value doesn't; what is raw is one value. */

static void
containers_are_counted(void **state)
{
    recs_str_t     str, expected, raw;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_MSGPACK, 1);

    raw = (recs_str_t) recs_string("\xdd\0\0\0\1\xcd\0\1");

    recs_write_uint(&w, 9);
    recs_write_object(&w);
    recs_write_key(&w, "a");
    recs_write_object(&w);
    recs_write_object_end(&w);
    recs_write_key(&w, "b");
    recs_write_array(&w);
    recs_write_array(&w);
    recs_write_array_end(&w);
    recs_write_object(&w);
    recs_write_key(&w, "c");
    recs_write_null(&w);
    recs_write_object_end(&w);
    recs_write_raw(&w, &raw);
    recs_write_cstr(&w, "d");
    recs_write_array_end(&w);
    recs_write_key_str(&w, &raw);
    recs_write_raw(&w, &raw);
    recs_write_object_end(&w);
    recs_write_array(&w);
    recs_write_array_end(&w);
    recs_write_true(&w);

    str = unit_written(&w);
    expected = (recs_str_t) recs_string(
        "\x09"
        "\x83"
            "\xa1" "a" "\x80"
            "\xa1" "b" "\x94" "\x90" "\x81\xa1" "c" "\xc0"
                       "\xdd\0\0\0\1\xcd\0\1" "\xa1" "d"
            "\xa8" "\xdd\0\0\0\1\xcd\0\1" "\xdd\0\0\0\1\xcd\0\1"
        "\x90"
        "\xc3");
    unit_assert_str(&str, &expected);

    unit_arena_free(&arena);
}


/* n elements or members in a container, that in a map, beside a small one. */

static void
check_width(unsigned map, uint32_t n, const recs_str_t *header)
{
    uint32_t       i;
    recs_str_t     part, expected;
    unit_arena_t   arena;
    recs_writer_t  w;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_MSGPACK, 1);

    recs_write_object(&w);
    recs_write_key(&w, "k");

    if (map) {
        recs_write_object(&w);

    } else {
        recs_write_array(&w);
    }

    for (i = 0; i < n; i++) {
        if (map) {
            recs_write_key(&w, "");
        }

        recs_write_array(&w);
        recs_write_array_end(&w);
    }

    if (map) {
        recs_write_object_end(&w);

    } else {
        recs_write_array_end(&w);
    }

    recs_write_key(&w, "l");
    recs_write_true(&w);
    recs_write_object_end(&w);

    part = unit_written(&w);
    assert_int_equal(part.len, 3 + header->len + n * (map + 1) + 3);

    part.len = 3;
    expected = (recs_str_t) recs_string("\x82\xa1k");
    unit_assert_str(&part, &expected);

    part.data += part.len;
    part.len = header->len;
    unit_assert_str(&part, header);

    part.data += part.len;

    for (i = 0; i < n; i++) {
        if (map) {
            assert_int_equal(*part.data++, 0xa0);
        }

        assert_int_equal(*part.data++, 0x90);
    }

    part.len = 3;
    expected = (recs_str_t) recs_string("\xa1l\xc3");
    unit_assert_str(&part, &expected);

    unit_arena_free(&arena);
}


static void
headers_are_of_the_least_width(void **state)
{
    size_t  i;

    static const struct {
        unsigned          map;
        uint32_t          n;
        recs_str_t        header;
    } widths[] = {
        { 0, 0, recs_string("\x90") },
        { 0, 15, recs_string("\x9f") },
        { 0, 16, recs_string("\xdc\x00\x10") },
        { 0, 65535, recs_string("\xdc\xff\xff") },
        { 0, 65536, recs_string("\xdd\x00\x01\x00\x00") },
        { 1, 0, recs_string("\x80") },
        { 1, 15, recs_string("\x8f") },
        { 1, 16, recs_string("\xde\x00\x10") },
        { 1, 65535, recs_string("\xde\xff\xff") },
        { 1, 65536, recs_string("\xdf\x00\x01\x00\x00") },
    };

    (void) state;

    for (i = 0; i < unit_nelts(widths); i++) {
        check_width(widths[i].map, widths[i].n, &widths[i].header);
    }
}


static void
the_buffer_grows_by_doubling(void **state)
{
    int            i;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 16);

    for (i = 0; i < 4096; i++) {
        recs_write_bytes(&w, "0123456789", 10);
    }

    assert_false(w.failed);
    assert_int_equal(w.len, 40960);
    assert_memory_equal(w.data + w.len - 20, "01234567890123456789", 20);
    assert_int_equal(arena.n, 13);    /* 16 << 12 is 65536 */

    unit_arena_free(&arena);
}


static void
want_of_memory_is_remembered(void **state)
{
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init_max(&arena, 0);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 16);
    assert_true(w.failed);
    recs_write_cstr(&w, "ignored");
    assert_int_equal(w.len, 0);

    unit_arena_init_max(&arena, 1);
    recs_writer_init(&w, &arena.mem, RECS_JSON, 8);
    recs_write_array(&w);
    recs_write_uint(&w, 1);
    assert_false(w.failed);
    recs_write_cstr(&w, "longer than that");
    assert_true(w.failed);
    recs_write_array_end(&w);
    assert_true(w.failed);
    assert_true(w.len <= w.size);

    unit_arena_free(&arena);
}


/* Wherever it ends, nothing is written or read beside the buffer. */

static void
want_of_memory_leaves_marks_alone(void **state)
{
    unsigned       i, max;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    for (max = 0; /* void */; max++) {
        unit_arena_init_max(&arena, max);
        recs_writer_init(&w, &arena.mem, RECS_MSGPACK, 1);

        for (i = 0; i < 20; i++) {
            recs_write_array(&w);
            recs_write_object(&w);
            recs_write_key(&w, "k");
        }

        recs_write_null(&w);

        for (i = 0; i < 20; i++) {
            recs_write_object_end(&w);
            recs_write_array_end(&w);
        }

        unit_arena_free(&arena);

        if (!w.failed) {
            break;
        }
    }

    assert_true(max > 5);
    assert_int_equal(w.len, 20 * 4 + 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(bytes_are_no_value),
        cmocka_unit_test(strings_are_escaped_where_they_must),
        cmocka_unit_test(an_empty_span_may_have_no_data),
        cmocka_unit_test(a_strict_writer_escapes_no_surrogate),
        cmocka_unit_test(base64_is_padded),
        cmocka_unit_test(what_is_taken_back_was_never_there),
        cmocka_unit_test(what_was_written_reads_back),
        cmocka_unit_test(numbers_read_back),
        cmocka_unit_test(random_doubles_read_back),
        cmocka_unit_test(random_floats_read_back),
        cmocka_unit_test(few_decimals_are_the_shortest),
        cmocka_unit_test(a_double_has_a_point_in_every_locale),
        cmocka_unit_test(scalars_are_packed),
        cmocka_unit_test(strings_are_packed_at_the_least_width),
        cmocka_unit_test(containers_are_counted),
        cmocka_unit_test(headers_are_of_the_least_width),
        cmocka_unit_test(the_buffer_grows_by_doubling),
        cmocka_unit_test(want_of_memory_is_remembered),
        cmocka_unit_test(want_of_memory_leaves_marks_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
