
/* Which headers traceparent are well-formed, and what they say. */


#include "unit.h"

#include "recs_trace.h"


#define ID      "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT  "00f067aa0ba902b7"


static int
parse(const recs_str_t *text, recs_trace_t *trace)
{
    int           rc;
    recs_str_t    copy;
    unit_arena_t  arena;

    unit_arena_init(&arena);

    /* in an allocation of its own: nothing is read past it */

    copy = unit_copy(&arena, text);
    rc = recs_trace_parse(&copy, trace);

    if (rc) {
        assert_int_equal(trace->id.len, RECS_TRACE_ID_LEN);
        assert_int_equal(trace->parent.len, RECS_TRACE_SPAN_LEN);
        assert_memory_equal(trace->id.data, ID, RECS_TRACE_ID_LEN);
        assert_memory_equal(trace->parent.data, PARENT, RECS_TRACE_SPAN_LEN);
    }

    unit_arena_free(&arena);

    return rc;
}


static void
well_formed_ones_are_read(void **state)
{
    size_t        i;
    recs_trace_t  trace;

    static const recs_str_t  rows[] = {
        recs_string("00-" ID "-" PARENT "-01"),
        recs_string("00-" ID "-" PARENT "-00"),
        recs_string("00-" ID "-" PARENT "-ff"),

        /* a later version, with or without what is not known here */

        recs_string("01-" ID "-" PARENT "-01"),
        recs_string("cc-" ID "-" PARENT "-01-what-ever"),
        recs_string("fe-" ID "-" PARENT "-01-"),
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        assert_int_equal(parse(&rows[i], &trace), 1);
    }
}


static void
others_are_none(void **state)
{
    size_t        i;
    recs_str_t    text;
    recs_trace_t  trace;

    static const recs_str_t  whole =
        recs_string("00-" ID "-" PARENT "-01");

    static const recs_str_t  rows[] = {
        recs_string("ff-" ID "-" PARENT "-01"),
        recs_string("00-" ID "-" PARENT "-01-more"),
        recs_string("00-" ID "-" PARENT "-011"),
        recs_string("01-" ID "-" PARENT "-011"),
        recs_string("00-" ID "-" PARENT "-01 "),
        recs_string(" 00-" ID "-" PARENT "-01"),
        recs_string("00-00000000000000000000000000000000-" PARENT "-01"),
        recs_string("00-" ID "-0000000000000000-01"),
        recs_string("00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01"),
        recs_string("00-" ID "-00F067AA0BA902B7-01"),
        recs_string("00-" ID "-" PARENT "-0A"),
        recs_string("0g-" ID "-" PARENT "-01"),
        recs_string("00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01"),
        recs_string("00-" ID "-00f067aa0ba902b/-01"),
        recs_string("00-" ID "-00f067aa0ba902\"\\-01"),
        recs_string("00_" ID "-" PARENT "-01"),
        recs_string("00-" ID "_" PARENT "-01"),
        recs_string("00-" ID "-" PARENT "_01"),
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        assert_int_equal(parse(&rows[i], &trace), 0);
    }

    /* what is cut off anywhere */

    text = whole;

    for (text.len = 0; text.len < whole.len; text.len++) {
        assert_int_equal(parse(&text, &trace), 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(well_formed_ones_are_read),
        cmocka_unit_test(others_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
