
/*
 * RFC 3339 dates and unix seconds are read and written as the calendar has
 * them.
 */

#define _DEFAULT_SOURCE                 /* timegm() */

#include "unit.h"

#include <time.h>

#include "recs_time.h"


typedef struct {
    recs_str_t        text;
    int64_t           seconds;
} accepted_t;


static const accepted_t  accepted[] = {

    /* unix seconds */

    { recs_string("0"), 0 },
    { recs_string("1795305600"), 1795305600 },
    { recs_string("1"), 1 },
    { recs_string("2026"), 2026 },
    { recs_string("000000000000000000000000000012"), 12 },
    { recs_string("4294967296"), INT64_C(4294967296) },
    { recs_string("92233720368547758"), INT64_C(92233720368547758) },
    { recs_string("99999999999999999"), INT64_C(99999999999999999) },
    { recs_string("100000000000000000"), INT64_C(100000000000000000) },
    { recs_string("922337203685477579"), INT64_C(922337203685477579) },

    /* a fraction is cut off, not rounded */

    { recs_string("1795305600.0"), 1795305600 },
    { recs_string("1795305600.999999999999999999999"), 1795305600 },
    { recs_string("0.5"), 0 },

    /* the RFC's own examples (section 5.8) */

    { recs_string("1985-04-12T23:20:50.52Z"), 482196050 },
    { recs_string("1996-12-19T16:39:57-08:00"), 851042397 },
    { recs_string("1990-12-31T23:59:60Z"), 662688000 },
    { recs_string("1990-12-31T15:59:60-08:00"), 662688000 },
    { recs_string("1937-01-01T12:00:27.87+00:20"), -1041337173 },

    /* letters, and a space between date and time (section 5.6) */

    { recs_string("2026-11-21T21:40:00Z"), 1795297200 },
    { recs_string("2026-11-21t21:40:00z"), 1795297200 },
    { recs_string("2026-11-21 21:40:00Z"), 1795297200 },

    /* offsets: what is east is earlier */

    { recs_string("2026-11-21T22:40:00.5+01:00"), 1795297200 },
    { recs_string("2026-11-21T16:10:00-05:30"), 1795297200 },
    { recs_string("2026-11-21T21:40:00+00:00"), 1795297200 },
    { recs_string("2026-11-21T21:40:00-00:00"), 1795297200 },
    { recs_string("1970-01-01T00:00:00+23:59"), -86340 },
    { recs_string("1970-01-01T00:00:00-23:59"), 86340 },
    { recs_string("1970-01-01T00:00:00+00:01"), -60 },

    /* fractions */

    { recs_string("1970-01-01T00:00:00.0Z"), 0 },
    { recs_string("1970-01-01T00:00:00.999999999999999999999Z"), 0 },
    { recs_string("1969-12-31T23:59:59.9Z"), -1 },

    /* leap seconds, days, years */

    { recs_string("2016-12-31T23:59:60Z"), 1483228800 },
    { recs_string("2016-12-31T23:59:60.9Z"), 1483228800 },
    { recs_string("2000-02-29T00:00:00Z"), 951782400 },
    { recs_string("2024-02-29T00:00:00Z"), 1709164800 },
    { recs_string("0000-02-29T00:00:00Z"), INT64_C(-62162121600) },

    /* the ends of what can be written */

    { recs_string("0000-01-01T00:00:00Z"), INT64_C(-62167219200) },
    { recs_string("0000-01-01T00:00:00+23:59"), INT64_C(-62167305540) },
    { recs_string("9999-12-31T23:59:59Z"), INT64_C(253402300799) },
    { recs_string("9999-12-31T23:59:60-23:59"), INT64_C(253402387140) },
};


static const recs_str_t  refused[] = {

    /* nothing, or not a number */

    recs_string(""), recs_string(" "), recs_string("."), recs_string("-"),
    recs_string("-1"), recs_string("+1"), recs_string("1."),
    recs_string(".5"), recs_string("1.5.5"), recs_string("1..5"),
    recs_string("1.5x"), recs_string("1,5"), recs_string("1e9"),
    recs_string("0x10"), recs_string(" 1"), recs_string("1 "),
    recs_string("1\0"), recs_string("1\0002"), recs_string("now"),
    recs_string("null"), recs_string("\xc2\xb2"),

    /* more than could be added up */

    recs_string("9223372036854775807"), recs_string("9223372036854775808"),
    recs_string("18446744073709551616"),
    recs_string("99999999999999999999999999999999999999999999999999"),

    /* a part of a date-time */

    recs_string("2026-11-21"), recs_string("2026-11-21T"),
    recs_string("2026-11-21T21"), recs_string("2026-11-21T21:40"),
    recs_string("2026-11-21T21:40Z"), recs_string("2026-11-21T21:40:00"),
    recs_string("21:40:00Z"), recs_string("2026-11T21:40:00Z"),

    /* other forms of ISO 8601 */

    recs_string("20261121T214000Z"), recs_string("2026-325T21:40:00Z"),
    recs_string("2026-W47-6T21:40:00Z"), recs_string("26-11-21T21:40:00Z"),
    recs_string("2026-11-21T21:40:00,5Z"),
    recs_string("2026-11-21T21:40:00+01"),
    recs_string("2026-11-21T21:40:00+0100"),
    recs_string("+2026-11-21T21:40:00Z"), recs_string("12026-11-21T21:40:00Z"),
    recs_string("-001-11-21T21:40:00Z"),

    /* more or fewer digits, or others between them */

    recs_string("2026-1-21T21:40:00Z"), recs_string("2026-011-21T21:40:00Z"),
    recs_string("2026-11-1T21:40:00Z"), recs_string("2026-11-21T1:40:00Z"),
    recs_string("2026-11-21T21:4:00Z"), recs_string("2026-11-21T21:40:0Z"),
    recs_string("2026-11-21T21:40:000Z"),
    recs_string("2026-11-21T21:40:00+1:00"),
    recs_string("2026-11-21T21:40:00+01:0"),
    recs_string("2026/11/21T21:40:00Z"), recs_string("2026-11/21T21:40:00Z"),
    recs_string("2026-11-21T21.40:00Z"), recs_string("2026-11-21T21:40.00Z"),
    recs_string("2026-11-21_21:40:00Z"), recs_string("2026-11-2121:40:00Z"),
    recs_string("2026-11-21  21:40:00Z"), recs_string("2o26-11-21T21:40:00Z"),
    recs_string("2026-11-21T+1:40:00Z"), recs_string("2026-11-21T21:-1:00Z"),
    recs_string("2026-11-21T21:40: 0Z"),
    recs_string("2026-11-21T21:40:00+ 1:00"),
    recs_string("2026-11-21T21:40:00+01.00"),
    recs_string("2026-11-21T21:40:00.Z"), recs_string("2026-11-21T21:40:00.5"),
    recs_string("2026-11-21T21:40:00.+01:00"),

    /* more after it, or before it */

    recs_string("2026-11-21T21:40:00ZZ"), recs_string("2026-11-21T21:40:00Z "),
    recs_string("2026-11-21T21:40:00Z+01:00"),
    recs_string("2026-11-21T21:40:00+01:000"),
    recs_string("2026-11-21T21:40:00+01:00Z"),
    recs_string("2026-11-21T21:40:00Z\0"), recs_string(" 2026-11-21T21:40:00Z"),

    /* no such day, time or offset */

    recs_string("2026-00-21T21:40:00Z"), recs_string("2026-13-21T21:40:00Z"),
    recs_string("2026-99-21T21:40:00Z"), recs_string("2026-11-00T21:40:00Z"),
    recs_string("2026-11-31T21:40:00Z"), recs_string("2026-12-32T21:40:00Z"),
    recs_string("2026-02-29T21:40:00Z"), recs_string("2024-02-30T21:40:00Z"),
    recs_string("1900-02-29T21:40:00Z"), recs_string("2100-02-29T21:40:00Z"),
    recs_string("2026-11-21T24:00:00Z"), recs_string("2026-11-21T21:60:00Z"),
    recs_string("2026-11-21T21:40:61Z"),
    recs_string("2026-11-21T21:40:00+24:00"),
    recs_string("2026-11-21T21:40:00-24:00"),
    recs_string("2026-11-21T21:40:00+01:60"),
    recs_string("2026-11-21T21:40:00~01:00"),
};


/* Parses a copy, so that a sanitizer sees a step past its end. */

static int
parse(const recs_str_t *text, int64_t *seconds)
{
    int           rc;
    recs_str_t    copy;
    unit_arena_t  arena;

    unit_arena_init(&arena);

    copy = unit_copy(&arena, text);
    rc = recs_time_parse(&copy, seconds);

    unit_arena_free(&arena);

    return rc;
}


static void
check_time(const char *cstr, int64_t expected)
{
    int64_t     seconds;
    recs_str_t  text;

    text = unit_str(cstr);
    seconds = -1;

    if (!parse(&text, &seconds) || seconds != expected) {
        fail_msg("\"%s\" is %lld, expected %lld", cstr, (long long) seconds,
                 (long long) expected);
    }
}


static void
times_are_read(void **state)
{
    size_t   i;
    int64_t  seconds;

    (void) state;

    for (i = 0; i < unit_nelts(accepted); i++) {
        seconds = -1;

        if (!parse(&accepted[i].text, &seconds)
            || seconds != accepted[i].seconds)
        {
            fail_msg("\"%.*s\" is %lld, expected %lld",
                     unit_print(&accepted[i].text), (long long) seconds,
                     (long long) accepted[i].seconds);
        }
    }
}


static void
what_is_no_time_is_refused(void **state)
{
    size_t   i;
    int64_t  seconds;

    (void) state;

    for (i = 0; i < unit_nelts(refused); i++) {
        if (parse(&refused[i], &seconds)) {
            fail_msg("\"%.*s\" is taken for %lld", unit_print(&refused[i]),
                     (long long) seconds);
        }
    }
}


/* No part of a date-time, from its start, is one; nor one that lacks a byte. */

static void
a_part_of_a_time_is_none(void **state)
{
    size_t      i;
    char        bytes[64];
    int64_t     seconds;
    recs_str_t  text;

    static const recs_str_t  whole = recs_string("2026-11-21T22:40:00+01:00");

    (void) state;

    for (i = 0; i < whole.len; i++) {
        text.data = whole.data;
        text.len = i;

        /* "2026" alone is a number */

        assert_int_equal(parse(&text, &seconds), i > 0 && i <= 4);

        memcpy(bytes, whole.data, i);
        memcpy(bytes + i, whole.data + i + 1, whole.len - i - 1);
        text.data = (const uint8_t *) bytes;
        text.len = whole.len - 1;

        assert_false(parse(&text, &seconds));
    }
}


/* A digit may be another, "T" and the sign have their like: nothing else. */

static void
no_byte_stands_for_another(void **state)
{
    int         c;
    size_t      i;
    char        bytes[64];
    int64_t     seconds;
    recs_str_t  text;

    static const char  whole[] = "2026-11-21T22:40:00+01:00";

    (void) state;

    text.data = (const uint8_t *) bytes;
    text.len = sizeof(whole) - 1;

    for (i = 0; i < text.len; i++) {
        for (c = 0; c < 256; c++) {
            memcpy(bytes, whole, sizeof(whole));
            bytes[i] = (char) c;

            if ((whole[i] >= '0' && whole[i] <= '9' && c >= '0' && c <= '9')
                || c == whole[i]
                || (whole[i] == 'T' && (c == 't' || c == ' '))
                || (whole[i] == '+' && c == '-'))
            {
                continue;
            }

            assert_false(parse(&text, &seconds));
        }
    }
}


static time_t
utc(int year, int month, int day)
{
    struct tm  tm;

    memset(&tm, 0, sizeof(tm));
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;

    return timegm(&tm);
}


/* Every day of all years: what the calendar of the C library says. */

static void
days_are_those_of_the_calendar(void **state)
{
    int         year, month, day;
    char        text[64];
    time_t      t;
    int64_t     seconds;
    struct tm   tm;
    recs_str_t  str;

    (void) state;

    t = utc(0, 1, 1);

    for (year = 0; year <= 9999; year++) {
        for (month = 1; month <= 12; month++) {
            for (day = 1; day <= 31; day++) {
                (void) sprintf(text, "%04d-%02d-%02dT00:00:00Z", year, month,
                               day);
                str = unit_str(text);
                seconds = 0;

                (void) gmtime_r(&t, &tm);

                if (tm.tm_mday != day) {
                    assert_int_equal(recs_time_parse(&str, &seconds), 0);
                    continue;
                }

                assert_int_equal(recs_time_parse(&str, &seconds), 1);
                assert_int_equal(tm.tm_mon, month - 1);
                assert_true(seconds == (int64_t) t);
                t += 86400;
            }
        }
    }

    assert_true(t == utc(10000, 1, 1));
}


/* Seconds far apart, at offsets near and far. */

static void
times_are_those_of_the_calendar(void **state)
{
    int        offset;
    char       text[128];
    time_t     t, local;
    struct tm  tm;

    (void) state;

    offset = 0;

    for (t = utc(1, 1, 1); t < utc(9999, 12, 30); t += 7654321) {
        offset = (offset + 997) % (2 * 24 * 60 - 1);
        local = t + (offset - (24 * 60 - 1)) * 60;

        (void) gmtime_r(&local, &tm);
        (void) sprintf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%d%c%02d:%02d",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                       tm.tm_hour, tm.tm_min, tm.tm_sec, offset,
                       offset < 24 * 60 - 1 ? '-' : '+',
                       abs(offset - (24 * 60 - 1)) / 60,
                       abs(offset - (24 * 60 - 1)) % 60);

        check_time(text, (int64_t) t);

        if (t >= 0) {
            (void) sprintf(text, "%lld.%d", (long long) t, offset);
            check_time(text, (int64_t) t);
        }
    }
}


/* However many digits: read as they are, or refused; never another number. */

static void
digit_strings_do_not_wrap(void **state)
{
    int         i, len, digit;
    char        text[128];
    int64_t     seconds;
    uint64_t    n;
    recs_str_t  str;

    (void) state;

    for (digit = 0; digit <= 9; digit++) {
        n = 0;

        for (len = 1; len < (int) sizeof(text); len++) {
            for (i = 0; i < len; i++) {
                text[i] = (char) ('0' + digit);
            }

            text[len] = '\0';
            str = unit_str(text);

            n = n * 10 + (uint64_t) digit;      /* right up to 19 digits */

            if (digit == 0 || len <= 17) {
                check_time(text, (int64_t) n);

            } else if (parse(&str, &seconds)) {
                assert_in_range(len, 18, 19);
                assert_true((uint64_t) seconds == n);
            }
        }
    }
}


static void
check_format(int64_t seconds, uint32_t nanoseconds, const char *expected)
{
    char        date[RECS_TIME_SIZE];
    recs_str_t  text;

    text.data = (const uint8_t *) date;
    text.len = recs_time_format(seconds, nanoseconds, date);

    unit_assert_cstr(&text, expected);
}


static void
times_are_written(void **state)
{
    (void) state;

    check_format(0, 0, "1970-01-01T00:00:00Z");
    check_format(1795297200, 500000000, "2026-11-21T21:40:00.5Z");
    check_format(1795297200, 1, "2026-11-21T21:40:00.000000001Z");
    check_format(-1, 999999999, "1969-12-31T23:59:59.999999999Z");
    check_format(951782400, 120000000, "2000-02-29T00:00:00.12Z");
    check_format(INT64_C(-62167219200), 0, "0000-01-01T00:00:00Z");
    check_format(INT64_C(253402300799), 0, "9999-12-31T23:59:59Z");

    /* years that are not of four digits */

    check_format(INT64_C(-62167219201), 999999999, "");
    check_format(INT64_C(253402300800), 0, "");
    check_format(INT64_MIN, 0, "");
    check_format(INT64_MAX, 0, "");
}


/* Days from 0000-01-01 to 9999-12-31, each at another second. */

static void
what_was_written_reads_back(void **state)
{
    char        date[RECS_TIME_SIZE], expected[RECS_TIME_SIZE];
    time_t      t;
    int64_t     day, read;
    struct tm   tm;
    recs_str_t  text;

    (void) state;

    text.data = (const uint8_t *) date;

    for (day = -719528; day <= 2932896; day += 5) {
        t = (time_t) (day * 86400 + (day & 0x7fffffff) % 86400);
        text.len = recs_time_format(t, 0, date);

        assert_non_null(gmtime_r(&t, &tm));
        (void) snprintf(expected, sizeof(expected),
                        "%04u-%02u-%02uT%02u:%02u:%02uZ",
                        (unsigned) (tm.tm_year + 1900) % 10000,
                        (unsigned) (tm.tm_mon + 1) % 100,
                        (unsigned) tm.tm_mday % 100,
                        (unsigned) tm.tm_hour % 100,
                        (unsigned) tm.tm_min % 100,
                        (unsigned) tm.tm_sec % 100);

        if (text.len != 20 || memcmp(date, expected, 20) != 0) {
            unit_assert_cstr(&text, expected);
        }

        assert_true(recs_time_parse(&text, &read));
        assert_true(read == t);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_part_of_a_time_is_none),
        cmocka_unit_test(no_byte_stands_for_another),
        cmocka_unit_test(days_are_those_of_the_calendar),
        cmocka_unit_test(times_are_those_of_the_calendar),
        cmocka_unit_test(digit_strings_do_not_wrap),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(what_was_written_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
