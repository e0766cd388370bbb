
#include <float.h>
#include <locale.h>
#include <math.h>

#include "unit.h"

#include "recs_json.h"
#include "recs_writer.h"


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


static recs_str_t
output(const recs_writer_t *w)
{
    recs_str_t  str;

    assert_false(w->failed);

    str.data = w->data;
    str.len = w->len;

    return str;
}


static void
commas_come_by_themselves(void **state)
{
    recs_str_t     str, name;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, 1);

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

    str = output(&w);
    unit_assert_cstr(&str,
                     "{\"empty\":{},\"list\":[[],true,false,null,7,0.5,\"s\","
                     "{\"raw\": 1},{}],\"a \\\"name\\\"\":\"a \\\"name\\\"\"}");

    unit_arena_free(&arena);
}


static void
bytes_are_no_value(void **state)
{
    recs_str_t     str;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, 1);

    recs_write_bytes(&w, "\n", 1);
    recs_write_uint(&w, 1);
    recs_write_bytes(&w, "\n", 1);
    recs_write_uint(&w, 2);
    recs_write_bytes(&w, NULL, 0);

    str = output(&w);
    unit_assert_cstr(&str, "\n1\n,2");

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

        recs_writer_init(&w, &arena.mem, 1);
        recs_write_string(&w, &copy);
        str = output(&w);
        unit_assert_str(&str, &written[i].json);

        recs_writer_init(&w, &arena.mem, 1);
        recs_write_key_str(&w, &copy);
        assert_int_equal(w.data[w.len - 1], ':');
        w.len--;
        str = output(&w);
        unit_assert_str(&str, &written[i].json);
    }

    unit_arena_free(&arena);
}


static void
an_empty_span_may_have_no_data(void **state)
{
    recs_str_t     str, none;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, 1);

    none.data = NULL;
    none.len = 0;

    recs_write_string(&w, &none);
    str = output(&w);
    unit_assert_cstr(&str, "\"\"");

    unit_arena_free(&arena);
}


/* Each character of the basic plane and each lone surrogate stays the same. */

static void
what_was_written_reads_back(void **state)
{
    char           escape[16];
    unsigned       ch;
    recs_str_t     text, again;
    recs_json_t    rd;
    unit_arena_t   arena;
    recs_value_t   v;
    recs_writer_t  w;

    (void) state;

    for (ch = 0; ch <= 0xffff; ch++) {
        unit_arena_init(&arena);

        (void) snprintf(escape, sizeof(escape), "\"\\u%04X\"", ch);

        recs_json_init(&rd, (const uint8_t *) escape, strlen(escape));
        assert_int_equal(recs_json_open(&rd, &v), 0);
        assert_int_equal(recs_json_decode(&arena.mem, &v, &text), RECS_OK);

        recs_writer_init(&w, &arena.mem, 16);
        recs_write_string(&w, &text);

        recs_json_init(&rd, w.data, w.len);
        assert_int_equal(recs_json_open(&rd, &v), 0);
        assert_int_equal(recs_json_finish(&rd), 0);
        assert_int_equal(recs_json_decode(&arena.mem, &v, &again), RECS_OK);
        unit_assert_str(&again, &text);

        unit_arena_free(&arena);
    }
}


static void
check_uint(unit_arena_t *arena, uint64_t n, const char *json)
{
    recs_str_t     str;
    recs_writer_t  w;

    recs_writer_init(&w, &arena->mem, 1);
    recs_write_uint(&w, n);
    str = output(&w);
    unit_assert_cstr(&str, json);
}


static void
check_double(unit_arena_t *arena, double n, const char *json)
{
    recs_str_t     str;
    recs_json_t    rd;
    recs_value_t   v;
    recs_writer_t  w;

    recs_writer_init(&w, &arena->mem, 1);
    recs_write_double(&w, n);
    str = output(&w);
    unit_assert_cstr(&str, json);

    recs_json_init(&rd, str.data, str.len);
    assert_int_equal(recs_json_open(&rd, &v), 0);
    assert_int_equal(recs_json_finish(&rd), 0);
}


static void
numbers_read_back(void **state)
{
    unit_arena_t  arena;

    (void) state;

    unit_arena_init(&arena);

    check_uint(&arena, 0, "0");
    check_uint(&arena, 1795305600, "1795305600");
    check_uint(&arena, UINT64_MAX, "18446744073709551615");

    check_double(&arena, 0.0, "0");
    check_double(&arena, -0.0, "-0");
    check_double(&arena, 1.0, "1");
    check_double(&arena, -2.5, "-2.5");
    check_double(&arena, 0.005, "0.005");
    check_double(&arena, 0.1, "0.1");
    check_double(&arena, 0.1 + 0.2, "0.30000000000000004");
    check_double(&arena, 1.0 / 3.0, "0.3333333333333333");
    check_double(&arena, 1e15, "1e+15");
    check_double(&arena, 123456789012345.0, "123456789012345");
    check_double(&arena, 9007199254740991.0, "9007199254740991");
    check_double(&arena, 1e-7, "1e-07");
    check_double(&arena, 1.5e300, "1.5e+300");
    check_double(&arena, DBL_MAX, "1.7976931348623157e+308");
    check_double(&arena, DBL_MIN, "2.2250738585072014e-308");
    check_double(&arena, 4.9406564584124654e-324, "4.94065645841247e-324");

    unit_arena_free(&arena);
}


static void
random_doubles_read_back(void **state)
{
    int            i;
    char           buf[64];
    double         n;
    uint64_t       bits;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    bits = 1;

    for (i = 0; i < 20000; i++) {
        bits = bits * UINT64_C(6364136223846793005)
               + UINT64_C(1442695040888963407);
        memcpy(&n, &bits, sizeof(n));

        if (!isfinite(n)) {
            continue;
        }

        unit_arena_init(&arena);

        recs_writer_init(&w, &arena.mem, 1);
        recs_write_double(&w, n);
        assert_false(w.failed);
        assert_true(w.len < sizeof(buf));

        memcpy(buf, w.data, w.len);
        buf[w.len] = '\0';
        assert_true(strtod(buf, NULL) == n);

        unit_arena_free(&arena);
    }
}


static void
a_double_has_a_point_in_every_locale(void **state)
{
    size_t        i;
    unit_arena_t  arena;

    static const char *const  locales[] = {
        "de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "ps_AF.UTF-8",
        "de_DE", "fr_FR", "ru_RU"
    };

    (void) state;

    for (i = 0; i < unit_nelts(locales); i++) {
        if (setlocale(LC_NUMERIC, locales[i]) != NULL
            && strcmp(localeconv()->decimal_point, ".") != 0)
        {
            break;
        }
    }

    if (i == unit_nelts(locales)) {
        (void) setlocale(LC_NUMERIC, "C");
        skip();
    }

    unit_arena_init(&arena);

    check_double(&arena, 0.5, "0.5");
    check_double(&arena, 0.1 + 0.2, "0.30000000000000004");
    check_double(&arena, -1.5e-300, "-1.5e-300");
    check_double(&arena, 1e20, "1e+20");
    check_double(&arena, 12.0, "12");

    unit_arena_free(&arena);
    (void) setlocale(LC_NUMERIC, "C");
}


static void
the_buffer_grows_by_doubling(void **state)
{
    int            i;
    unit_arena_t   arena;
    recs_writer_t  w;

    (void) state;

    unit_arena_init(&arena);
    recs_writer_init(&w, &arena.mem, 16);

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
    recs_writer_init(&w, &arena.mem, 16);
    assert_true(w.failed);
    recs_write_cstr(&w, "ignored");
    assert_int_equal(w.len, 0);

    unit_arena_init_max(&arena, 1);
    recs_writer_init(&w, &arena.mem, 8);
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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(bytes_are_no_value),
        cmocka_unit_test(strings_are_escaped_where_they_must),
        cmocka_unit_test(an_empty_span_may_have_no_data),
        cmocka_unit_test(what_was_written_reads_back),
        cmocka_unit_test(numbers_read_back),
        cmocka_unit_test(random_doubles_read_back),
        cmocka_unit_test(a_double_has_a_point_in_every_locale),
        cmocka_unit_test(the_buffer_grows_by_doubling),
        cmocka_unit_test(want_of_memory_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
