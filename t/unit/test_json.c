
/*
 * The reader of JSON accepts just what RFC 8259 calls well formed, and finds,
 * skips and decodes values in it.
 */

#include "unit_reader.h"
#include "recs_scalar.h"


typedef struct {
    recs_str_t        text;
    recs_type_e       type;
} accepted_t;


typedef struct {
    recs_str_t        text;
    size_t            at;       /* where the error is reported */
} refused_t;


typedef struct {
    recs_str_t        json;
    recs_str_t        text;
} decoded_t;


static const accepted_t  accepted[] = {

    /* the structure */

    { recs_string("{}"), RECS_OBJECT },
    { recs_string("[]"), RECS_ARRAY },
    { recs_string("[[],{}]"), RECS_ARRAY },
    { recs_string("{\"\":[{\"\":{}}]}"), RECS_OBJECT },
    { recs_string("{\"a\":1,\"b\":[2,{\"c\":null}],\"d\":\"e\"}"),
      RECS_OBJECT },
    { recs_string("{\"a\":1,\"a\":2}"), RECS_OBJECT },

    /* white space */

    { recs_string(" \t\r\n[ \t\r\n] \t\r\n"), RECS_ARRAY },
    { recs_string("{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }"), RECS_OBJECT },
    { recs_string("\n7\n"), RECS_INTEGER },

    /* a byte order mark */

    { recs_string("\xef\xbb\xbf{}"), RECS_OBJECT },
    { recs_string("\xef\xbb\xbf \n[\"\xef\xbb\xbf\"]"), RECS_ARRAY },
    { recs_string("\xef\xbb\xbf" "7"), RECS_INTEGER },

    /* literals */

    { recs_string("true"), RECS_BOOLEAN },
    { recs_string("false"), RECS_BOOLEAN },
    { recs_string("null"), RECS_NULL },

    /* numbers */

    { recs_string("0"), RECS_INTEGER },
    { recs_string("-0"), RECS_INTEGER },
    { recs_string("10"), RECS_INTEGER },
    { recs_string("-1234567890123456789012345678901234567890"),
      RECS_INTEGER },
    { recs_string("0.0"), RECS_NUMBER },
    { recs_string("-0.5"), RECS_NUMBER },
    { recs_string("12.250"), RECS_NUMBER },
    { recs_string("1e5"), RECS_NUMBER },
    { recs_string("1E5"), RECS_NUMBER },
    { recs_string("0e0"), RECS_NUMBER },
    { recs_string("1e+007"), RECS_NUMBER },
    { recs_string("1.5E-9999999"), RECS_NUMBER },

    /* strings */

    { recs_string("\"\""), RECS_STRING },
    { recs_string("\"a\""), RECS_STRING },
    { recs_string("\"[}:,\""), RECS_STRING },
    { recs_string("\"\x7f\""), RECS_STRING },
    { recs_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), RECS_STRING },
    { recs_string("\"\\u0000\\u00e9\\uABCD\\uabcd\""), RECS_STRING },
    { recs_string("\"\\ud83d\\ude00\""), RECS_STRING },
    { recs_string("\"\\ud83d\""), RECS_STRING },
    { recs_string("\"\\ude00\\ud83d\""), RECS_STRING },
    { recs_string("\"\\ud83d\\n\""), RECS_STRING },
    { recs_string("\"sixteen bytes or more of plain text, then\\tmore\""),
      RECS_STRING },

    /* UTF-8: the first and the last character of each length */

    { recs_string("\"\xc2\x80\xdf\xbf\""), RECS_STRING },
    { recs_string("\"\xe0\xa0\x80\xef\xbf\xbf\""), RECS_STRING },
    { recs_string("\"\xed\x9f\xbf\xee\x80\x80\""), RECS_STRING },
    { recs_string("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), RECS_STRING },
    { recs_string("\"\xef\xbb\xbf\""), RECS_STRING },
    { recs_string("\"\xd0\x9f\xd1\x80\xd0\xb8 \xd1\x81\xd0\xb2\xd0\xb5, "
                  "\xe7\xbd\xaa\xe3\x81\xa8 and plain text\""),
      RECS_STRING },
};


/* Strings that are not UTF-8 are accepted, too, and noted. */

static const recs_str_t  odd[] = {
    recs_string("\"\x80\""),
    recs_string("\"a\xbf\""),
    recs_string("\"\xc3\""),
    recs_string("\"\xc3(\""),
    recs_string("\"\xc3\xc3\""),
    recs_string("\"\xc0\x80\""),
    recs_string("\"\xc1\xbf\""),
    recs_string("\"\xe0\x9f\xbf\""),
    recs_string("\"\xe2\x82\""),
    recs_string("\"\xe2(\xa1\""),
    recs_string("\"\xe2\x82(\""),
    recs_string("\"\xed\xa0\x80\""),
    recs_string("\"\xed\xbf\xbf\""),
    recs_string("\"\xf0\x8f\xbf\xbf\""),
    recs_string("\"\xf0\x9f\x98\""),
    recs_string("\"\xf0(\x98\x80\""),
    recs_string("\"\xf0\x9f(\x80\""),
    recs_string("\"\xf0\x9f\x98(\""),
    recs_string("\"\xf4\x90\x80\x80\""),
    recs_string("\"\xf5\x80\x80\x80\""),
    recs_string("\"\xf8\x88\x80\x80\x80\""),
    recs_string("\"\xfe\""),
    recs_string("\"\xff\""),
    recs_string("\"\xc3\xa9\xff\""),
    recs_string("{\"\xe9\":1}"),
    recs_string("\"\xff and sixteen bytes or more\\n\xc3\xa9\""),
    recs_string("[\"a\",{\"b\":[\"\xc3\xa9 \xe9\"]}]"),
    recs_string("\xef\xbb\xbf[\"\xef\xbb\"]"),
};


static const refused_t  refused[] = {

    /* nothing, or not JSON at all */

    { recs_string(""), 0 },
    { recs_string("  \n"), 3 },
    { recs_string("\xef\xbb\xbf"), 3 },
    { recs_string("\xef\xbb\xbf\xef\xbb\xbf{}"), 3 },
    { recs_string("\xef\xbb{}"), 0 },
    { recs_string("\xef\xbb"), 0 },
    { recs_string("\xef"), 0 },
    { recs_string("\xfe\xff{}"), 0 },
    { recs_string("\xff\xfe{}"), 0 },
    { recs_string(" \xef\xbb\xbf{}"), 1 },
    { recs_string("{}\xef\xbb\xbf"), 2 },
    { recs_string("\0"), 0 },
    { recs_string("[]\0"), 2 },
    { recs_string("[\0]"), 1 },
    { recs_string("\x0b[]"), 0 },
    { recs_string("\xc2\xa0[]"), 0 },
    { recs_string("undefined"), 0 },
    { recs_string("'a'"), 0 },
    { recs_string("/* a */ 1"), 0 },
    { recs_string("1 // a"), 2 },

    /* the structure */

    { recs_string("["), 1 },
    { recs_string("{"), 1 },
    { recs_string("]"), 0 },
    { recs_string("}"), 0 },
    { recs_string(","), 0 },
    { recs_string("[1"), 2 },
    { recs_string("[1,"), 3 },
    { recs_string("[1,]"), 3 },
    { recs_string("[,1]"), 1 },
    { recs_string("[,]"), 1 },
    { recs_string("[1,,2]"), 3 },
    { recs_string("[1 2]"), 3 },
    { recs_string("[1}"), 2 },
    { recs_string("[1:2]"), 2 },
    { recs_string("{\"a\""), 4 },
    { recs_string("{\"a\":"), 5 },
    { recs_string("{\"a\":1"), 6 },
    { recs_string("{\"a\":1,"), 7 },
    { recs_string("{\"a\":1,}"), 7 },
    { recs_string("{\"a\":1]"), 6 },
    { recs_string("{\"a\"}"), 4 },
    { recs_string("{\"a\",1}"), 4 },
    { recs_string("{\"a\"::1}"), 5 },
    { recs_string("{\"a\":1 \"b\":2}"), 7 },
    { recs_string("{\"a\":}"), 5 },
    { recs_string("{:1}"), 1 },
    { recs_string("{,}"), 1 },
    { recs_string("{a:1}"), 1 },
    { recs_string("{1:1}"), 1 },
    { recs_string("{null:1}"), 1 },
    { recs_string("{[]:1}"), 1 },
    { recs_string("{]"), 1 },
    { recs_string("[]]"), 2 },
    { recs_string("{}}"), 2 },
    { recs_string("[] []"), 3 },
    { recs_string("1,"), 1 },

    /* literals */

    { recs_string("t"), 0 },
    { recs_string("tru"), 0 },
    { recs_string("True"), 0 },
    { recs_string("TRUE"), 0 },
    { recs_string("fals"), 0 },
    { recs_string("falsy"), 0 },
    { recs_string("nul"), 0 },
    { recs_string("nil "), 0 },
    { recs_string("truer"), 4 },
    { recs_string("[nulll]"), 5 },
    { recs_string("NaN"), 0 },
    { recs_string("Infinity"), 0 },

    /* numbers */

    { recs_string("-"), 1 },
    { recs_string("+1"), 0 },
    { recs_string("-a"), 1 },
    { recs_string("--1"), 1 },
    { recs_string("-Infinity"), 1 },
    { recs_string("00"), 1 },
    { recs_string("01"), 1 },
    { recs_string("-01"), 2 },
    { recs_string("0x10"), 1 },
    { recs_string("1_000"), 1 },
    { recs_string(".5"), 0 },
    { recs_string("-.5"), 1 },
    { recs_string("1."), 2 },
    { recs_string("[1.]"), 3 },
    { recs_string("1.e5"), 2 },
    { recs_string("1..5"), 2 },
    { recs_string("1.5.5"), 3 },
    { recs_string("1e"), 2 },
    { recs_string("1e+"), 3 },
    { recs_string("1e-"), 3 },
    { recs_string("1e+-5"), 3 },
    { recs_string("1e5.5"), 3 },
    { recs_string("1ee5"), 2 },
    { recs_string("- 1"), 1 },
    { recs_string("1 2"), 2 },
    { recs_string("\xd9\xa1"), 0 },

    /* strings */

    { recs_string("\""), 1 },
    { recs_string("\"a"), 2 },
    { recs_string("\"sixteen bytes or more, without an end"), 38 },
    { recs_string("\"a\nb\""), 2 },
    { recs_string("\"a\tb\""), 2 },
    { recs_string("\"a\0b\""), 2 },
    { recs_string("\"\x1f\""), 1 },
    { recs_string("{\"a\nb\":1}"), 3 },
    { recs_string("\"a\"b\""), 3 },
    { recs_string("\"\\"), 1 },
    { recs_string("\"\\\""), 3 },
    { recs_string("\"\\a\""), 1 },
    { recs_string("\"\\'\""), 1 },
    { recs_string("\"\\0\""), 1 },
    { recs_string("\"\\x41\""), 1 },
    { recs_string("\"\\N\""), 1 },
    { recs_string("\"\\\n\""), 1 },
    { recs_string("\"\\\xc3\xa9\""), 1 },
    { recs_string("\"\\u"), 1 },
    { recs_string("\"\\u00"), 1 },
    { recs_string("\"\\u004\""), 1 },
    { recs_string("\"\\u004g\""), 1 },
    { recs_string("\"\\u00 4\""), 1 },
    { recs_string("\"\\u-041\""), 1 },
    { recs_string("\"\\U0041\""), 1 },
    { recs_string("\"\\ud83d\\u\""), 7 },
    { recs_string("\"\\ud83d\\ude0\""), 7 },

    /* no end, whatever the last bytes are */

    { recs_string("\"\xc3"), 2 },
    { recs_string("\"\xe2\x82"), 3 },
    { recs_string("\"\xf0\x9f\x98"), 4 },

    /* not UTF-8, where no string is */

    { recs_string("\xff"), 0 },
    { recs_string("{\xe9:1}"), 1 },
    { recs_string("\"\\\xff\""), 1 },
    { recs_string("\"\\u00\xff\""), 1 },
    { recs_string("[\xe9]"), 1 },
};


static const decoded_t  decoded[] = {
    { recs_string("\"\""), recs_string("") },
    { recs_string("\"plain\""), recs_string("plain") },
    { recs_string("\"\xc3\xa9\""), recs_string("\xc3\xa9") },
    { recs_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
      recs_string("\"\\/\b\f\n\r\t") },
    { recs_string("\"b\\u0037\\u0037\""), recs_string("b77") },
    { recs_string("\"\\u0000\""), recs_string("\0") },
    { recs_string("\"\\u007f\\u0080\""), recs_string("\x7f\xc2\x80") },
    { recs_string("\"\\u00e9\\u00C9\""), recs_string("\xc3\xa9\xc3\x89") },
    { recs_string("\"\\u07ff\\u0800\""), recs_string("\xdf\xbf\xe0\xa0\x80") },
    { recs_string("\"\\ud7ff\\ue000\\uffff\""),
      recs_string("\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf") },
    { recs_string("\"\\ud800\\udc00\\udbff\\udfff\""),
      recs_string("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
    { recs_string("\"\\uD83D\\uDE00!\""), recs_string("\xf0\x9f\x98\x80!") },
    { recs_string("\"before \xc3\xa9 \\n after\""),
      recs_string("before \xc3\xa9 \n after") },

    /* what is not UTF-8 stays what it is */

    { recs_string("\"\xff\""), recs_string("\xff") },
    { recs_string("\"\xe9\\u00e9\xc3\""), recs_string("\xe9\xc3\xa9\xc3") },
    { recs_string("\"\xed\xa0\xbd\""), recs_string("\xed\xa0\xbd") },

    /* lone surrogates: alone, between others, in the wrong order */

    { recs_string("\"\\ud800\""), recs_string("\xed\xa0\x80") },
    { recs_string("\"\\udfff\""), recs_string("\xed\xbf\xbf") },
    { recs_string("\"a\\ud83db\""), recs_string("a\xed\xa0\xbd" "b") },
    { recs_string("\"\\ud83d\\n\""), recs_string("\xed\xa0\xbd\n") },
    { recs_string("\"\\ud83d\\u0041\""), recs_string("\xed\xa0\xbd" "A") },
    { recs_string("\"\\ude00\\ud83d\""),
      recs_string("\xed\xb8\x80\xed\xa0\xbd") },
    { recs_string("\"\\ud83d\\ud83d\\ude00\""),
      recs_string("\xed\xa0\xbd\xf0\x9f\x98\x80") },
};


static int
read_skipping(recs_reader_t *rd, const recs_str_t *text, recs_value_t *v)
{
    recs_read_init(rd, RECS_JSON, text->data, text->len);

    return recs_read_skip(rd, v) < 0 ? -1 : recs_read_finish(rd);
}


static int
read_pulling(recs_reader_t *rd, const recs_str_t *text, recs_value_t *v)
{
    recs_read_init(rd, RECS_JSON, text->data, text->len);

    return unit_pull(rd, v) < 0 ? -1 : recs_read_finish(rd);
}


static void
check_accepted(const recs_str_t *text, recs_type_e type)
{
    recs_reader_t  rd;
    unit_arena_t   arena;
    recs_str_t     copy;
    recs_value_t   v, pulled;

    unit_arena_init(&arena);

    copy = unit_copy(&arena, text);

    if (read_skipping(&rd, &copy, &v) < 0) {
        fail_msg("%s: %.*s", rd.error, unit_print(text));
    }

    assert_int_equal(v.type, type);
    assert_int_equal(rd.depth, 0);
    assert_null(rd.error);
    assert_ptr_equal(rd.pos, rd.end);

    assert_int_equal(read_pulling(&rd, &copy, &pulled), 0);
    assert_int_equal(pulled.type, type);
    assert_int_equal(rd.depth, 0);
    assert_ptr_equal(pulled.span.data, v.span.data);

    unit_arena_free(&arena);
}


static void
check_refused(const recs_str_t *text, size_t at)
{
    size_t         skipped, pulled;
    recs_reader_t  rd;
    unit_arena_t   arena;
    recs_str_t     copy;
    recs_value_t   v;

    unit_arena_init(&arena);

    copy = unit_copy(&arena, text);

    if (read_skipping(&rd, &copy, &v) == 0) {
        fail_msg("not refused: %.*s", unit_print(text));
    }

    assert_non_null(rd.error);
    skipped = (size_t) (rd.pos - copy.data);

    assert_true(read_pulling(&rd, &copy, &v) < 0);
    assert_non_null(rd.error);
    pulled = (size_t) (rd.pos - copy.data);

    if (skipped != at || pulled != at) {
        fail_msg("\"%s\" at %d and %d, not at %d: %.*s", rd.error,
                 (int) skipped, (int) pulled, (int) at, unit_print(text));
    }

    unit_arena_free(&arena);
}


static void
well_formed_texts_are_accepted(void **state)
{
    size_t         i;
    recs_value_t   v;
    recs_reader_t  rd;

    (void) state;

    for (i = 0; i < unit_nelts(accepted); i++) {
        check_accepted(&accepted[i].text, accepted[i].type);

        (void) read_skipping(&rd, &accepted[i].text, &v);
        assert_false(rd.not_utf8);
    }
}


static void
strings_that_are_not_utf8_are_noted(void **state)
{
    size_t         i;
    recs_value_t   v;
    recs_reader_t  rd;

    (void) state;

    for (i = 0; i < unit_nelts(odd); i++) {
        assert_int_equal(read_skipping(&rd, &odd[i], &v), 0);
        check_accepted(&odd[i], v.type);

        if (!rd.not_utf8) {
            fail_msg("not noted: %.*s", unit_print(&odd[i]));
        }

        (void) read_pulling(&rd, &odd[i], &v);
        assert_true(rd.not_utf8);
    }
}


static void
other_texts_are_refused_where_they_err(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(refused); i++) {
        check_refused(&refused[i].text, refused[i].at);
    }
}


/* Wherever a page is cut, reading stops at the cut. */

static void
a_truncated_page_is_refused(void **state)
{
    size_t             len;
    recs_reader_t      rd;
    unit_arena_t       arena;
    recs_str_t         cut, copy;
    recs_value_t       v;

    static const recs_str_t  page = recs_string(
        "{\"model\":\"als-7\\u00e9\",\"items\":[{\"id\":\"b7721\",\"score\":"
        "0.976e-1,\"title\":\"Caf\xc3\xa9 \xe7\xbd\xaa \xf0\x9f\x98\x80\"},"
        "{\"id\":17,\"new\":true,\"old\":false,\"tags\":[null,[]]}]}");

    (void) state;

    unit_arena_init(&arena);

    for (len = 0; len < page.len; len++) {
        cut.data = page.data;
        cut.len = len;
        copy = unit_copy(&arena, &cut);

        assert_true(read_skipping(&rd, &copy, &v) < 0);
        assert_true(rd.pos >= copy.data && rd.pos <= copy.data + len);
        assert_true(read_pulling(&rd, &copy, &v) < 0);
    }

    assert_int_equal(read_skipping(&rd, &page, &v), 0);

    unit_arena_free(&arena);
}


/* What may stand in a string, and what may not. */

static const struct {
    recs_str_t  bytes;
    int         allowed;
} inside[] = {
    { recs_string("\xc3\xa9"), 1 },
    { recs_string("\xf0\x9f\x98\x80"), 1 },
    { recs_string("\\n"), 1 },
    { recs_string("\\u00e9"), 1 },
    { recs_string(" !#[]^\x7f"), 1 },
    { recs_string("\x1f"), 0 },
    { recs_string("\x80"), 1 },
    { recs_string("\xff"), 1 },
    { recs_string("\xe2\x82"), 1 },
    { recs_string("\0"), 0 },
};


/* Whatever bytes are looked at together, each is seen where it stands. */

static void
a_string_is_scanned_alike_at_every_length(void **state)
{
    size_t         i, len, at;
    uint8_t        text[72];
    recs_str_t     str, piece;

    (void) state;

    for (i = 0; i < unit_nelts(inside); i++) {
        piece = inside[i].bytes;

        for (len = piece.len; len <= 64; len++) {
            for (at = 0; at + piece.len <= len; at++) {
                memset(text, 'x', sizeof(text));
                memcpy(text + 1 + at, piece.data, piece.len);
                text[0] = '"';
                text[1 + len] = '"';

                str.data = text;
                str.len = len + 2;

                if (inside[i].allowed) {
                    check_accepted(&str, RECS_STRING);

                } else {
                    check_refused(&str, 1 + at);
                }
            }
        }
    }
}


/* A string of len bytes x, with piece after the first at, and its quotes. */

static size_t
put_string(uint8_t *text, size_t len, size_t at, const recs_str_t *piece)
{
    text[0] = '"';
    memset(text + 1, 'x', len + piece->len);
    memcpy(text + 1 + at, piece->data, piece->len);
    text[1 + len + piece->len] = '"';

    return len + piece->len + 2;
}


/* Bytes are looked at together across tokens, too. */

static void
a_string_is_scanned_alike_after_another(void **state)
{
    size_t      i, first, gap, at, n;
    uint8_t     text[512];
    recs_str_t  str;

    static const recs_str_t  none = recs_string("");
    static const size_t      gaps[] = { 0, 1, 63, 64, 140 };

    (void) state;

    for (i = 0; i < unit_nelts(inside); i++) {
        for (gap = 0; gap < unit_nelts(gaps); gap++) {
            for (first = 0; first <= 66; first++) {
                for (at = first % 3; at <= 66; at += 3) {
                    n = 0;
                    text[n++] = '[';
                    n += put_string(text + n, first, 0, &none);
                    text[n++] = ',';
                    memset(text + n, ' ', gaps[gap]);
                    n += gaps[gap];

                    str.data = text;
                    str.len = n + put_string(text + n, at, at,
                                             &inside[i].bytes);
                    text[str.len++] = ']';

                    if (inside[i].allowed) {
                        check_accepted(&str, RECS_ARRAY);

                    } else {
                        check_refused(&str, n + 1 + at);
                    }
                }
            }
        }
    }
}


static void
nesting_is_limited(void **state)
{
    size_t      i;
    uint8_t     text[(RECS_MAX_DEPTH + 1) * 6];
    recs_str_t  str;

    (void) state;

    str.data = text;

    memset(text, '[', RECS_MAX_DEPTH);
    memset(text + RECS_MAX_DEPTH, ']', RECS_MAX_DEPTH);
    str.len = 2 * RECS_MAX_DEPTH;
    check_accepted(&str, RECS_ARRAY);

    memset(text, '[', RECS_MAX_DEPTH + 1);
    memset(text + RECS_MAX_DEPTH + 1, ']', RECS_MAX_DEPTH + 1);
    str.len = 2 * (RECS_MAX_DEPTH + 1);
    check_refused(&str, RECS_MAX_DEPTH);

    /* objects and arrays by turns: each must be closed by its own bracket */

    for (i = 0; i < RECS_MAX_DEPTH; i += 2) {
        memcpy(text + i / 2 * 6, "{\"a\":[", 6);
        memcpy(text + RECS_MAX_DEPTH / 2 * 6 + i, "]}", 2);
    }

    str.len = RECS_MAX_DEPTH * 4;
    check_accepted(&str, RECS_OBJECT);

    text[str.len - 1] = ']';
    check_refused(&str, str.len - 1);

    /* containers side by side are no nesting */

    for (i = 0; i < RECS_MAX_DEPTH; i++) {
        memcpy(text + 1 + i * 3, "[],", 3);
    }

    text[0] = '[';
    text[i * 3] = ']';
    str.len = 1 + i * 3;
    check_accepted(&str, RECS_ARRAY);
}


static void
a_value_is_its_bytes_without_the_white_space_around(void **state)
{
    size_t         i;
    recs_str_t     text;
    recs_value_t   v, array;
    recs_reader_t  rd;

    static const char *const  values[] = {
        "{ \"a\" : [ ] }", "[ 1 , 2 ]", "\"x\"", "-12", "0.5", "true", "null"
    };

    (void) state;

    text = unit_str(" [ { \"a\" : [ ] } , [ 1 , 2 ] , \"x\" , -12 , 0.5 , "
                    "true , null ] ");

    recs_read_init(&rd, RECS_JSON, text.data, text.len);

    assert_int_equal(recs_read_open(&rd, &array), 0);
    unit_assert_cstr(&array.span, "[");
    assert_int_equal(rd.depth, 1);

    for (i = 0; i < unit_nelts(values); i++) {
        assert_int_equal(recs_read_element(&rd, &array), 1);
        assert_int_equal(recs_read_skip(&rd, &v), 0);
        unit_assert_cstr(&v.span, values[i]);
    }

    assert_int_equal(recs_read_element(&rd, &array), 0);
    assert_ptr_equal(rd.pos, text.data + text.len - 1);
    assert_int_equal(rd.depth, 0);
    assert_int_equal(recs_read_finish(&rd), 0);
}


static void
members_are_found_by_name(void **state)
{
    size_t         i;
    recs_str_t     text;
    recs_value_t   object, key, v;
    recs_reader_t  rd;

    static const recs_str_t  names[] = {
        recs_string("id"), recs_string("a/b"), recs_string("")
    };

    static const struct {
        const char  *name;
        const char  *value;
    } found[] = {
        { "\"id\"", "1" },
        { "\"a\\/b\"", "[2]" },
        { "\"\"", "3" },
        { "\"\\u0069d\"", "\"4\"" },
        { "\"id\"", "5" },
    };

    (void) state;

    text = unit_str("{\"i\":0, \"id\":1,\"idx\":{\"id\":[{\"id\":0}]},"
                    "\"I\\u0064\" : true,\"a\\/b\":[2],\"x\":\"id\",\"\":3 ,"
                    "\"\\u0069d\":\"4\",\"\\u0000\":-1e5,\"id\":5,"
                    "\"last\":[]} ");

    recs_read_init(&rd, RECS_JSON, text.data, text.len);
    assert_int_equal(recs_read_open(&rd, &object), 0);

    for (i = 0; i < unit_nelts(found); i++) {
        assert_int_equal(recs_read_find(&rd, &object, names, 3, &key), 1);
        assert_int_equal(key.type, RECS_STRING);
        unit_assert_cstr(&key.span, found[i].name);
        assert_int_equal(recs_read_skip(&rd, &v), 0);
        unit_assert_cstr(&v.span, found[i].value);
    }

    assert_int_equal(recs_read_find(&rd, &object, names, 3, &key), 0);
    assert_int_equal(rd.depth, 0);
    assert_ptr_equal(rd.pos, text.data + text.len - 1);
    assert_int_equal(recs_read_finish(&rd), 0);
}


/* What is read past is checked as what is read. */

static void
malformed_members_are_not_passed_over(void **state)
{
    size_t         i;
    recs_str_t     text;
    recs_value_t   object, key;
    recs_reader_t  rd;

    static const recs_str_t  name = recs_string("id");

    static const struct {
        const char  *text;
        size_t       at;
    } texts[] = {
        { "{\"a\":01,\"id\":1}", 6 },
        { "{\"a\":\"\\x\",\"id\":1}", 6 },
        { "{\"a\":[1,],\"id\":1}", 8 },
        { "{\"a\":1 \"id\":1}", 7 },
        { "{\"a\" 1,\"id\":1}", 5 },
        { "{\"a\":1,id:1}", 7 },
        { "{\"a\":1,}", 7 },
        { "{\"a\":1", 6 },
        { "{\"a\":", 5 },
        { "{\"a", 3 },
        { "{", 1 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(texts); i++) {
        text = unit_str(texts[i].text);

        recs_read_init(&rd, RECS_JSON, text.data, text.len);
        assert_int_equal(recs_read_open(&rd, &object), 0);
        assert_int_equal(recs_read_find(&rd, &object, &name, 1, &key),
                         RECS_MALFORMED);
        assert_non_null(rd.error);
        assert_int_equal(rd.pos - text.data, texts[i].at);
    }
}


static void
members_are_read_and_skipped_by_turns(void **state)
{
    recs_str_t     text;
    recs_value_t   outer, inner, key, v;
    recs_reader_t  rd;

    (void) state;

    text = unit_str("{\"skip\":[{}],\"go\\/in\":{\"x\":1},\"last\":\"\\n\"}");

    recs_read_init(&rd, RECS_JSON, text.data, text.len);
    assert_int_equal(recs_read_open(&rd, &outer), 0);

    assert_int_equal(recs_read_member(&rd, &outer, &key), 1);
    assert_int_equal(key.type, RECS_STRING);
    assert_int_equal(key.escaped, 0);
    unit_assert_cstr(&key.span, "\"skip\"");
    assert_int_equal(recs_read_skip(&rd, &v), 0);
    unit_assert_cstr(&v.span, "[{}]");

    assert_int_equal(recs_read_member(&rd, &outer, &key), 1);
    assert_int_equal(key.escaped, 1);
    unit_assert_cstr(&key.span, "\"go\\/in\"");
    assert_int_equal(recs_read_open(&rd, &inner), 0);
    assert_int_equal(inner.type, RECS_OBJECT);

    assert_int_equal(recs_read_member(&rd, &inner, &key), 1);
    assert_int_equal(recs_read_open(&rd, &v), 0);
    assert_int_equal(v.type, RECS_INTEGER);
    unit_assert_cstr(&v.span, "1");
    assert_int_equal(recs_read_member(&rd, &inner, &key), 0);

    assert_int_equal(recs_read_member(&rd, &outer, &key), 1);
    assert_int_equal(recs_read_skip(&rd, &v), 0);
    assert_int_equal(v.escaped, 1);
    unit_assert_cstr(&v.span, "\"\\n\"");
    assert_int_equal(recs_read_member(&rd, &outer, &key), 0);

    assert_int_equal(recs_read_finish(&rd), 0);
}


static void
read_string(unit_arena_t *arena, const recs_str_t *json, recs_value_t *v)
{
    recs_reader_t  rd;
    recs_str_t   copy;

    copy = unit_copy(arena, json);

    assert_int_equal(read_skipping(&rd, &copy, v), 0);
    assert_int_equal(v->type, RECS_STRING);
}


static void
strings_are_decoded(void **state)
{
    size_t        i;
    recs_str_t    text;
    unit_arena_t  arena;
    recs_value_t  v;

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(decoded); i++) {
        read_string(&arena, &decoded[i].json, &v);
        assert_int_equal(recs_json_decode(&arena.mem, &v, &text), RECS_OK);
        unit_assert_str(&text, &decoded[i].text);
    }

    unit_arena_free(&arena);
}


static void
decoding_asks_for_memory_only_for_an_escape(void **state)
{
    recs_str_t    text, plain, escaped;
    unit_arena_t  arena, empty;
    recs_value_t  v;

    (void) state;

    unit_arena_init(&arena);
    unit_arena_init_max(&empty, 0);

    plain = unit_str("\"b7721\"");
    read_string(&arena, &plain, &v);
    assert_int_equal(recs_json_decode(&empty.mem, &v, &text), RECS_OK);
    assert_ptr_equal(text.data, v.span.data + 1);

    escaped = unit_str("\"b\\u0037721\"");
    read_string(&arena, &escaped, &v);
    assert_int_equal(recs_json_decode(&empty.mem, &v, &text), RECS_NOMEM);

    unit_arena_free(&arena);
}


static void
text_is_compares_what_is_meant(void **state)
{
    int           same;
    size_t        i, j;
    unit_arena_t  arena;
    recs_value_t  v;

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(decoded); i++) {
        read_string(&arena, &decoded[i].json, &v);

        for (j = 0; j < unit_nelts(decoded); j++) {
            same = recs_str_eq(&decoded[i].text, &decoded[j].text);
            assert_int_equal(recs_value_text_is(&v, &decoded[j].text), same);
        }
    }

    unit_arena_free(&arena);
}


static void
text_is_tells_a_beginning_from_the_whole(void **state)
{
    size_t        i;
    recs_str_t    json, text;
    unit_arena_t  arena;
    recs_value_t  v;

    static const struct {
        const char  *json;
        const char  *text;
        int          is;
    } cases[] = {
        { "\"abc\"", "abc", 1 },
        { "\"abc\"", "ab", 0 },
        { "\"abc\"", "abcd", 0 },
        { "\"abc\"", "abd", 0 },
        { "\"\"", "", 1 },
        { "\"\"", "a", 0 },
        { "\"\\u0061bc\"", "abc", 1 },
        { "\"\\u0061bc\"", "ab", 0 },
        { "\"\\u0061bc\"", "abcd", 0 },
        { "\"\\u0061bc\"", "abd", 0 },
        { "\"\\u0061bc\"", "", 0 },
        { "\"\\u00e9\"", "\xc3", 0 },
        { "\"\\u00e9\"", "\xc3\xa9", 1 },
        { "\"a\\\\u0062\"", "a\\u0062", 1 },
    };

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(cases); i++) {
        json = unit_str(cases[i].json);
        read_string(&arena, &json, &v);

        text = unit_str(cases[i].text);
        text = unit_copy(&arena, &text);
        assert_int_equal(recs_value_text_is(&v, &text), cases[i].is);
    }

    unit_arena_free(&arena);
}


static void
control_characters_are_found(void **state)
{
    unsigned    c;
    uint8_t     bytes[3] = "a_b";
    recs_str_t  text = { bytes, sizeof(bytes) };
    recs_str_t  empty = recs_string("");

    (void) state;

    assert_false(recs_text_has_control(&empty));

    for (c = 0; c < 256; c++) {
        bytes[1] = (uint8_t) c;
        assert_int_equal(recs_text_has_control(&text), c < 32 || c == 127);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(well_formed_texts_are_accepted),
        cmocka_unit_test(strings_that_are_not_utf8_are_noted),
        cmocka_unit_test(other_texts_are_refused_where_they_err),
        cmocka_unit_test(a_truncated_page_is_refused),
        cmocka_unit_test(a_string_is_scanned_alike_at_every_length),
        cmocka_unit_test(a_string_is_scanned_alike_after_another),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(a_value_is_its_bytes_without_the_white_space_around),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(malformed_members_are_not_passed_over),
        cmocka_unit_test(members_are_read_and_skipped_by_turns),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(decoding_asks_for_memory_only_for_an_escape),
        cmocka_unit_test(text_is_compares_what_is_meant),
        cmocka_unit_test(text_is_tells_a_beginning_from_the_whole),
        cmocka_unit_test(control_characters_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
