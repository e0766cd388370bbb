
/* JSON and MessagePack become each other without loss, or are refused. */

#include "unit.h"

#include "recs_reader.h"
#include "recs_transcode.h"


typedef struct {
    recs_str_t        from;
    recs_str_t        to;
} transcoded_t;


static const transcoded_t  json_to_msgpack[] = {
    { recs_string("null"), recs_string("\xc0") },
    { recs_string(" true\n"), recs_string("\xc3") },
    { recs_string("false"), recs_string("\xc2") },

    /* integers, of the least width */

    { recs_string("0"), recs_string("\x00") },
    { recs_string("-0"), recs_string("\x00") },
    { recs_string("127"), recs_string("\x7f") },
    { recs_string("128"), recs_string("\xcc\x80") },
    { recs_string("-1"), recs_string("\xff") },
    { recs_string("-33"), recs_string("\xd0\xdf") },
    { recs_string("4294967296"), recs_string("\xcf\0\0\0\1\0\0\0\0") },
    { recs_string("9007199254740993"),
      recs_string("\xcf\x00\x20\x00\x00\x00\x00\x00\x01") },
    { recs_string("18446744073709551615"),
      recs_string("\xcf\xff\xff\xff\xff\xff\xff\xff\xff") },
    { recs_string("-9223372036854775807"),
      recs_string("\xd3\x80\0\0\0\0\0\0\1") },
    { recs_string("-9223372036854775808"),
      recs_string("\xd3\x80\0\0\0\0\0\0\0") },

    /* any other number is a double */

    { recs_string("0.5"), recs_string("\xcb\x3f\xe0\0\0\0\0\0\0") },
    { recs_string("-0.0"), recs_string("\xcb\x80\0\0\0\0\0\0\0") },
    { recs_string("1.0"), recs_string("\xcb\x3f\xf0\0\0\0\0\0\0") },
    { recs_string("1e2"), recs_string("\xcb\x40\x59\0\0\0\0\0\0") },
    { recs_string("12.5E-1"), recs_string("\xcb\x3f\xf4\0\0\0\0\0\0") },
    { recs_string("0.1"),
      recs_string("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a") },
    { recs_string("0.1000000000000000055511151231257827021181583404541015625"),
      recs_string("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a") },
    { recs_string("1.7976931348623157e308"),
      recs_string("\xcb\x7f\xef\xff\xff\xff\xff\xff\xff") },
    { recs_string("5e-324"), recs_string("\xcb\0\0\0\0\0\0\0\1") },
    { recs_string("1e-400"), recs_string("\xcb\0\0\0\0\0\0\0\0") },

    /* strings are decoded; a lone surrogate is kept */

    { recs_string("\"\""), recs_string("\xa0") },
    { recs_string("\"a\\u00e9\\n\""), recs_string("\xa4" "a\xc3\xa9\n") },
    { recs_string("\"\\ud83d\\ude00\""), recs_string("\xa4\xf0\x9f\x98\x80") },
    { recs_string("\"\\ud800\""), recs_string("\xa3\xed\xa0\x80") },
    { recs_string("\"\\u0000\""), recs_string("\xa1\0") },

    { recs_string("[]"), recs_string("\x90") },
    { recs_string("{}"), recs_string("\x80") },
    { recs_string("[1,[2,[]],{}]"), recs_string("\x93\1\x92\2\x90\x80") },
    { recs_string("{ \"b\" : {\"\\u0061\":[]}, \"b\":1 }"),
      recs_string("\x82\xa1" "b\x81\xa1" "a\x90\xa1" "b\1") },
    { recs_string("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]"),
      recs_string("\xdc\x00\x10\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e"
                  "\x0f") },
};


static const transcoded_t  msgpack_to_json[] = {
    { recs_string("\xc0"), recs_string("null") },
    { recs_string("\xc2"), recs_string("false") },
    { recs_string("\xc3"), recs_string("true") },

    { recs_string("\xd3\x80\0\0\0\0\0\0\0"),
      recs_string("-9223372036854775808") },
    { recs_string("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
      recs_string("18446744073709551615") },
    { recs_string("\xd0\xff"), recs_string("-1") },
    { recs_string("\xcd\0\1"), recs_string("1") },

    /* floats stay no integers, and are of their own precision */

    { recs_string("\xcb\x3f\xf0\0\0\0\0\0\0"), recs_string("1.0") },
    { recs_string("\xcb\x80\0\0\0\0\0\0\0"), recs_string("-0.0") },
    { recs_string("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"),
      recs_string("0.1") },
    { recs_string("\xcb\x3f\xb9\x99\x99\xa0\0\0\0"),
      recs_string("0.10000000149011612") },
    { recs_string("\xcb\x44\xb5\x2d\x02\xc7\xe1\x4a\xf6"),
      recs_string("1e+23") },
    { recs_string("\xca\x3d\xcc\xcc\xcd"), recs_string("0.1") },
    { recs_string("\xca\xc2\x00\x00\x00"), recs_string("-32.0") },
    { recs_string("\xca\x7f\x7f\xff\xff"), recs_string("3.4028235e+38") },

    /* what JSON has no number for */

    { recs_string("\xca\x7f\x80\x00\x00"), recs_string("null") },
    { recs_string("\xca\xff\x80\x00\x00"), recs_string("null") },
    { recs_string("\xca\x7f\xc0\x00\x00"), recs_string("null") },
    { recs_string("\xcb\x7f\xf0\0\0\0\0\0\0"), recs_string("null") },
    { recs_string("\xcb\xff\xf8\0\0\0\0\0\1"), recs_string("null") },

    { recs_string("\xa4" "a\"\n\xff"),
      recs_string("\"a\\\"\\n\xef\xbf\xbd\"") },
    { recs_string("\xd9\x03\xed\xa0\x80"), recs_string("\"\\ud800\"") },

    /* RFC 4648, section 10 */

    { recs_string("\xc4\x00"), recs_string("\"\"") },
    { recs_string("\xc4\x01" "f"), recs_string("\"Zg==\"") },
    { recs_string("\xc5\x00\x02" "fo"), recs_string("\"Zm8=\"") },
    { recs_string("\xc6\0\0\0\x03" "foo"), recs_string("\"Zm9v\"") },
    { recs_string("\xc4\x04" "foob"), recs_string("\"Zm9vYg==\"") },
    { recs_string("\xc4\x05" "fooba"), recs_string("\"Zm9vYmE=\"") },
    { recs_string("\xc4\x06" "foobar"), recs_string("\"Zm9vYmFy\"") },
    { recs_string("\xc4\x03\xfb\xff\xbf"), recs_string("\"+/+/\"") },

    /* timestamps of each width, and what is none that JSON could say */

    { recs_string("\xd6\xff\x6a\x02\x0f\x70"),
      recs_string("\"2026-05-11T17:18:40Z\"") },
    { recs_string("\xd7\xff\x77\x35\x94\x00\x6a\x02\x0f\x70"),
      recs_string("\"2026-05-11T17:18:40.5Z\"") },
    { recs_string("\xd7\xff\xee\x6b\x28\x00\0\0\0\0"),
      recs_string("{\"type\":-1,\"data\":\"7msoAAAAAAA=\"}") },
    { recs_string("\xc7\x0c\xff\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff"),
      recs_string("\"1969-12-31T23:59:59.000000001Z\"") },
    { recs_string("\xc7\x0c\xff\0\0\0\0\0\0\0\x3a\xff\xf4\x41\x80"),
      recs_string("{\"type\":-1,\"data\":\"AAAAAAAAADr/9EGA\"}") },
    { recs_string("\xc7\x0c\xff\x3b\x9a\xca\0\0\0\0\0\0\0\0\0"),
      recs_string("{\"type\":-1,\"data\":\"O5rKAAAAAAAAAAAA\"}") },
    { recs_string("\xd4\xff\x01"),
      recs_string("{\"type\":-1,\"data\":\"AQ==\"}") },
    { recs_string("\xc7\x00\xff"), recs_string("{\"type\":-1,\"data\":\"\"}") },

    { recs_string("\xd6\xfe\0\0\0\1"),
      recs_string("{\"type\":-2,\"data\":\"AAAAAQ==\"}") },
    { recs_string("\xd6\x00\0\0\0\1"),
      recs_string("{\"type\":0,\"data\":\"AAAAAQ==\"}") },
    { recs_string("\xd4\x05\x66"),
      recs_string("{\"type\":5,\"data\":\"Zg==\"}") },
    { recs_string("\xc8\x00\x03\x80" "foo"),
      recs_string("{\"type\":-128,\"data\":\"Zm9v\"}") },

    /* keys */

    { recs_string("\x84\xa1" "a\x01\x02\xa1" "b\xd0\xff\xc0\xa1" "a\x90"),
      recs_string("{\"a\":1,\"2\":\"b\",\"-1\":null,\"a\":[]}") },
    { recs_string("\xdf\0\0\0\1\xd9\1\xff\xdd\0\0\0\0"),
      recs_string("{\"\xef\xbf\xbd\":[]}") },
    { recs_string("\x93\x90\xd4\x01\x00\xc4\x00"),
      recs_string("[[],{\"type\":1,\"data\":\"AA==\"},\"\"]") },
};


typedef struct {
    recs_str_t        text;
    const char       *error;
} refused_t;


static const refused_t  json_refused[] = {
    { recs_string("18446744073709551616"), "an integer beyond 64 bits" },
    { recs_string("-9223372036854775809"), "an integer beyond 64 bits" },
    { recs_string("[99999999999999999999999999999999999999]"),
      "an integer beyond 64 bits" },
    { recs_string("{\"a\":1e309}"), "a number beyond what a double holds" },
    { recs_string("-1.8e308"), "a number beyond what a double holds" },
    { recs_string(""), "not a value" },
    { recs_string("{\"a\":[1,}"), "not a value" },
    { recs_string("[1] 2"), "more after the root value" },
};


static const char  bad_key[] = "a key that is neither a string nor an integer";

static const refused_t  msgpack_refused[] = {
    { recs_string("\x81\xc0\x01"), bad_key },
    { recs_string("\x81\xc3\x01"), bad_key },
    { recs_string("\x81\xc4\x01" "a\x01"), bad_key },
    { recs_string("\x81\xca\x3f\x80\0\0\x01"), bad_key },
    { recs_string("\x81\x90\x01"), bad_key },
    { recs_string("\x81\x80\x01"), bad_key },
    { recs_string("\x81\xd6\xff\0\0\0\0\x01"), bad_key },
    { recs_string("\x90\x90"), "more after the root value" },
};


static const char *
transcode(unit_arena_t *arena, recs_format_e from, const recs_str_t *text,
    recs_str_t *out)
{
    recs_str_t  copy;

    copy = unit_copy(arena, text);

    return recs_transcode(&arena->mem, from, &copy,
                          from == RECS_JSON ? RECS_MSGPACK : RECS_JSON, out);
}


static void
check_transcoded(recs_format_e from, const recs_str_t *text,
    const recs_str_t *expected)
{
    recs_str_t    out;
    const char   *error;
    unit_arena_t  arena;

    unit_arena_init(&arena);

    error = transcode(&arena, from, text, &out);

    if (error) {
        fail_msg("%.*s: %s", unit_print(expected), error);
    }

    unit_assert_str(&out, expected);

    unit_arena_free(&arena);
}


static void
check_refused(recs_format_e from, const recs_str_t *text, const char *expected)
{
    recs_str_t    out;
    const char   *error;
    unit_arena_t  arena;

    unit_arena_init(&arena);

    error = transcode(&arena, from, text, &out);

    assert_non_null(error);

    if (expected) {
        assert_string_equal(error, expected);
    }

    unit_arena_free(&arena);
}


static void
json_becomes_msgpack(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(json_to_msgpack); i++) {
        check_transcoded(RECS_JSON, &json_to_msgpack[i].from,
                         &json_to_msgpack[i].to);
    }
}


static void
msgpack_becomes_json(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(msgpack_to_json); i++) {
        check_transcoded(RECS_MSGPACK, &msgpack_to_json[i].from,
                         &msgpack_to_json[i].to);
    }
}


static void
what_has_no_form_is_refused(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(json_refused); i++) {
        check_refused(RECS_JSON, &json_refused[i].text, json_refused[i].error);
    }

    for (i = 0; i < unit_nelts(msgpack_refused); i++) {
        check_refused(RECS_MSGPACK, &msgpack_refused[i].text,
                      msgpack_refused[i].error);
    }
}


/* All but the whole of a text that must not be cut. */

static void
a_part_of_a_document_is_refused(void **state)
{
    size_t      i;
    recs_str_t  text;

    (void) state;

    for (i = 0; i < unit_nelts(msgpack_to_json); i++) {
        text = msgpack_to_json[i].from;

        while (text.len--) {
            check_refused(RECS_MSGPACK, &text, NULL);
        }
    }

    text = unit_str("{\"a\":[1,{\"b\":\"c\"}]}");

    while (text.len--) {
        check_refused(RECS_JSON, &text, NULL);
    }
}


/* Arrays, one in the other, with a value in the innermost. */

static recs_str_t
nested(unit_arena_t *arena, recs_format_e format, size_t depth,
    const char *value)
{
    uint8_t     *p;
    recs_str_t   text;

    p = recs_alloc(&arena->mem, 2 * depth + strlen(value));
    assert_non_null(p);

    text.data = p;
    text.len = depth + strlen(value);

    memset(p, format == RECS_JSON ? '[' : 0x91, depth);
    memcpy(p + depth, value, strlen(value));

    if (format == RECS_JSON) {
        memset(p + text.len, ']', depth);
        text.len += depth;
    }

    return text;
}


static void
depth_is_bounded(void **state)
{
    recs_str_t    json, msgpack, ext;
    unit_arena_t  arena;

    (void) state;

    unit_arena_init(&arena);

    json = nested(&arena, RECS_JSON, RECS_MAX_DEPTH, "1");
    msgpack = nested(&arena, RECS_MSGPACK, RECS_MAX_DEPTH, "\x01");
    check_transcoded(RECS_JSON, &json, &msgpack);
    check_transcoded(RECS_MSGPACK, &msgpack, &json);

    json = nested(&arena, RECS_JSON, RECS_MAX_DEPTH + 1, "1");
    msgpack = nested(&arena, RECS_MSGPACK, RECS_MAX_DEPTH + 1, "\x01");
    check_refused(RECS_JSON, &json, "nested too deep");
    check_refused(RECS_MSGPACK, &msgpack, "nested too deep");

    /* an ext becomes an object */

    ext = nested(&arena, RECS_MSGPACK, RECS_MAX_DEPTH, "\xd4\x01" "f");
    check_refused(RECS_MSGPACK, &ext, "nested too deep");

    ext = nested(&arena, RECS_MSGPACK, RECS_MAX_DEPTH - 1, "\xd4\x01" "f");
    json = nested(&arena, RECS_JSON, RECS_MAX_DEPTH - 1,
                  "{\"type\":1,\"data\":\"Zg==\"}");
    check_transcoded(RECS_MSGPACK, &ext, &json);

    /* a timestamp doesn't */

    ext = nested(&arena, RECS_MSGPACK, RECS_MAX_DEPTH, "\xd6\xff\1\1\1\1");
    json = nested(&arena, RECS_JSON, RECS_MAX_DEPTH,
                  "\"1970-07-14T22:36:49Z\"");
    check_transcoded(RECS_MSGPACK, &ext, &json);

    unit_arena_free(&arena);
}


static void
want_of_memory_is_said(void **state)
{
    size_t        i;
    unsigned      max;
    recs_str_t    text, out;
    const char   *error;
    unit_arena_t  arena;

    static const transcoded_t  texts[] = {
        { recs_string("{\"a\\n\":[1.5,\"\\u0041\",{},[],[],[],[],[],[],[],[]"
                      ",{\"b\":[[[[[[[[]]]]]]]]}]}"),
          recs_string("\x81\xa2" "a\n\x9c\xcb\x3f\xf8\0\0\0\0\0\0\xa1" "A"
                      "\x80\x90\x90\x90\x90\x90\x90\x90\x90\x81\xa1" "b"
                      "\x91\x91\x91\x91\x91\x91\x91\x90") },
        { recs_string("\x83\x05\x93\xc4\x00\xd4\1\1\xdc\x00\x10"
                      "\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0"
                      "\xc0\xca\0\0\0\0\xc0\x06\xc0\x07\xc0"),
          recs_string("{\"5\":[\"\",{\"type\":1,\"data\":\"AQ==\"},[null,null,"
                      "null,null,null,null,null,null,null,null,null,null,null,"
                      "null,0.0,null]],\"6\":null,\"7\":null}") },
    };

    (void) state;

    for (i = 0; i < unit_nelts(texts); i++) {
        for (max = 0; /* void */; max++) {
            unit_arena_init_max(&arena, max);

            text = texts[i].from;
            error = recs_transcode(&arena.mem, i ? RECS_MSGPACK : RECS_JSON,
                                   &text, i ? RECS_JSON : RECS_MSGPACK, &out);

            if (error == NULL) {
                break;
            }

            assert_string_equal(error, "out of memory");
            unit_arena_free(&arena);
        }

        assert_true(max >= 4);
        unit_assert_str(&out, &texts[i].to);
        unit_arena_free(&arena);
    }
}


static void
a_number_has_a_point_in_every_locale(void **state)
{
    unit_locale();

    json_becomes_msgpack(state);
    msgpack_becomes_json(state);

    (void) setlocale(LC_NUMERIC, "C");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(json_becomes_msgpack),
        cmocka_unit_test(msgpack_becomes_json),
        cmocka_unit_test(what_has_no_form_is_refused),
        cmocka_unit_test(a_part_of_a_document_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(want_of_memory_is_said),
        cmocka_unit_test(a_number_has_a_point_in_every_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
