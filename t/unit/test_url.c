
/* What is percent-encoded, and what it becomes. */


#include "unit.h"

#include "recs_url.h"


typedef struct {
    recs_str_t    text;
    recs_str_t    percent;      /* what it becomes */
    recs_str_t    form;
} row_t;


static void
is_decoded(const row_t *row, const recs_str_t *want, recs_url_form_e form)
{
    size_t        n;
    recs_str_t    text;
    unit_arena_t  arena;
    uint8_t       out[64];

    unit_arena_init(&arena);

    /* in an allocation of its own: nothing is read past it */

    text = unit_copy(&arena, &row->text);
    n = recs_url_decode(out, &text, form);

    assert_int_equal(n, want->len);
    assert_memory_equal(out, want->data, n);

    if (n != text.len || memcmp(out, text.data, n) != 0) {
        assert_true(recs_url_encoded(&text, form));
    }

    unit_arena_free(&arena);
}


static void
text_is_decoded_once(void **state)
{
    size_t  i;

    static const row_t  rows[] = {
        { recs_string(""), recs_string(""), recs_string("") },
        { recs_string("u10"), recs_string("u10"), recs_string("u10") },
        { recs_string("u1%30"), recs_string("u10"), recs_string("u10") },
        { recs_string("%75%31%30"), recs_string("u10"), recs_string("u10") },
        { recs_string("ann%40x.org"), recs_string("ann@x.org"),
          recs_string("ann@x.org") },
        { recs_string("a%2Bb%2bc"), recs_string("a+b+c"),
          recs_string("a+b+c") },
        { recs_string("a+b"), recs_string("a+b"), recs_string("a b") },
        { recs_string("+"), recs_string("+"), recs_string(" ") },
        { recs_string("a%20b"), recs_string("a b"), recs_string("a b") },
        { recs_string("f1%2Cf2"), recs_string("f1,f2"),
          recs_string("f1,f2") },
        { recs_string("%C3%bC"), recs_string("\xc3\xbc"),
          recs_string("\xc3\xbc") },
        { recs_string("%ff%00"), recs_string("\xff\0"),
          recs_string("\xff\0") },

        /* what it becomes is not looked at again */

        { recs_string("u1%2530"), recs_string("u1%30"),
          recs_string("u1%30") },
        { recs_string("%2525"), recs_string("%25"), recs_string("%25") },
        { recs_string("%25%33%30"), recs_string("%30"), recs_string("%30") },

        /* what is not well formed stays */

        { recs_string("%"), recs_string("%"), recs_string("%") },
        { recs_string("%0"), recs_string("%0"), recs_string("%0") },
        { recs_string("%zz"), recs_string("%zz"), recs_string("%zz") },
        { recs_string("%3g"), recs_string("%3g"), recs_string("%3g") },
        { recs_string("%g3"), recs_string("%g3"), recs_string("%g3") },
        { recs_string("%%30"), recs_string("%0"), recs_string("%0") },
        { recs_string("%3%30"), recs_string("%30"), recs_string("%30") },
        { recs_string("100%"), recs_string("100%"), recs_string("100%") },
        { recs_string("%+1"), recs_string("%+1"), recs_string("% 1") },
        { recs_string("%/0%:0%@0%`0"), recs_string("%/0%:0%@0%`0"),
          recs_string("%/0%:0%@0%`0") },
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        is_decoded(&rows[i], &rows[i].percent, RECS_URL_PERCENT);
        is_decoded(&rows[i], &rows[i].form, RECS_URL_FORM);
    }
}


static void
plain_text_is_not_encoded(void **state)
{
    recs_str_t  plain = recs_string("ann@x.org, \xc3\xbc");
    recs_str_t  plus = recs_string("a+b");

    (void) state;

    assert_false(recs_url_encoded(&plain, RECS_URL_PERCENT));
    assert_false(recs_url_encoded(&plain, RECS_URL_FORM));
    assert_false(recs_url_encoded(&plus, RECS_URL_PERCENT));
    assert_true(recs_url_encoded(&plus, RECS_URL_FORM));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(text_is_decoded_once),
        cmocka_unit_test(plain_text_is_not_encoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
