
/*
 * Dates are read and written: see recs_time.h.  Functions that read move *p
 * past what they have read; those that return no number return 1, or 0 if
 * something else stands there.
 */


#include <stdio.h>

#include "recs_time.h"


/* Reads n digits; returns their number, or -1 if there are fewer. */

static int
recs_time_digits(const uint8_t **p, const uint8_t *end, int n)
{
    int  value;

    value = 0;

    if (end - *p < n) {
        return -1;
    }

    while (n--) {
        if (**p < '0' || **p > '9') {
            return -1;
        }

        value = value * 10 + (*(*p)++ - '0');
    }

    return value;
}


/* Passes over the character c. */

static int
recs_time_char(const uint8_t **p, const uint8_t *end, uint8_t c)
{
    if (*p == end || **p != c) {
        return 0;
    }

    (*p)++;

    return 1;
}


/* Passes over "." and digits, if they are there. */

static int
recs_time_fraction(const uint8_t **p, const uint8_t *end)
{
    const uint8_t  *start;

    if (!recs_time_char(p, end, '.')) {
        return 1;
    }

    start = *p;

    while (*p < end && **p >= '0' && **p <= '9') {
        (*p)++;
    }

    return *p > start;
}


/*
 * The number of days from 1970-01-01 to a day of the Gregorian calendar, in the
 * years 0 to 9999.  Years are counted from March on, so that a leap day is the
 * last of a year.
 */

static int64_t
recs_time_days(int year, int month, int day)
{
    if (month <= 2) {
        year--;
        month += 12;
    }

    /* 400 years, which are 146097 days, later no year is negative */

    year += 400;

    return 365 * (int64_t) year + year / 4 - year / 100 + year / 400
           + (153 * (month - 3) + 2) / 5 + day - 1
           - (719468 + 146097);     /* 0000-03-01 to 1970-01-01 */
}


/* How many days a month has. */

static int
recs_time_month_days(int year, int month)
{
    static const int  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2 && year % 4 == 0 && (year % 100 || year % 400 == 0)) {
        return 29;
    }

    return days[month - 1];
}


/* Reads "Z" or "+01:00": seconds east of UTC. */

static int
recs_time_offset(const uint8_t **p, const uint8_t *end, int *offset)
{
    int  sign, hour, minute;

    *offset = 0;

    if (recs_time_char(p, end, 'Z') || recs_time_char(p, end, 'z')) {
        return 1;
    }

    if (recs_time_char(p, end, '+')) {
        sign = 1;

    } else if (recs_time_char(p, end, '-')) {
        sign = -1;

    } else {
        return 0;
    }

    hour = recs_time_digits(p, end, 2);

    if (!recs_time_char(p, end, ':')) {
        return 0;
    }

    minute = recs_time_digits(p, end, 2);

    if (hour < 0 || hour > 23 || minute < 0 || minute > 59) {
        return 0;
    }

    *offset = sign * (hour * 3600 + minute * 60);

    return 1;
}


/* Reads "2026-11-21": days from 1970-01-01. */

static int
recs_time_date(const uint8_t **p, const uint8_t *end, int64_t *days)
{
    int  year, month, day;

    year = recs_time_digits(p, end, 4);

    if (!recs_time_char(p, end, '-')) {
        return 0;
    }

    month = recs_time_digits(p, end, 2);

    if (!recs_time_char(p, end, '-')) {
        return 0;
    }

    day = recs_time_digits(p, end, 2);

    if (year < 0 || month < 1 || month > 12
        || day < 1 || day > recs_time_month_days(year, month))
    {
        return 0;
    }

    *days = recs_time_days(year, month, day);

    return 1;
}


/* Reads "22:40:00.5": seconds of the day; second 60 is a leap second. */

static int
recs_time_clock(const uint8_t **p, const uint8_t *end, int *seconds)
{
    int  hour, minute, second;

    hour = recs_time_digits(p, end, 2);

    if (!recs_time_char(p, end, ':')) {
        return 0;
    }

    minute = recs_time_digits(p, end, 2);

    if (!recs_time_char(p, end, ':')) {
        return 0;
    }

    second = recs_time_digits(p, end, 2);

    if (hour < 0 || hour > 23 || minute < 0 || minute > 59
        || second < 0 || second > 60)
    {
        return 0;
    }

    *seconds = hour * 3600 + minute * 60 + second;

    return recs_time_fraction(p, end);
}


/* Reads a date-time of RFC 3339, which must end at end. */

static int
recs_time_rfc3339(const uint8_t *p, const uint8_t *end, int64_t *seconds)
{
    int      clock, offset;
    int64_t  days;

    if (!recs_time_date(&p, end, &days)) {
        return 0;
    }

    if (!recs_time_char(&p, end, 'T') && !recs_time_char(&p, end, 't')
        && !recs_time_char(&p, end, ' '))
    {
        return 0;
    }

    if (!recs_time_clock(&p, end, &clock)
        || !recs_time_offset(&p, end, &offset)
        || p != end)
    {
        return 0;
    }

    *seconds = days * 86400 + clock - offset;

    return 1;
}


int
recs_time_parse(const recs_str_t *text, int64_t *seconds)
{
    int64_t         n;
    const uint8_t  *p, *end;

    p = text->data;
    end = p + text->len;

    n = 0;

    while (p < end && *p >= '0' && *p <= '9' && n < INT64_MAX / 100) {
        n = n * 10 + (*p++ - '0');
    }

    if (p > text->data && recs_time_fraction(&p, end) && p == end) {
        *seconds = n;
        return 1;
    }

    return recs_time_rfc3339(text->data, end, seconds);
}


/*
 * The inverse of recs_time_days(), for days from 0000-01-01 to 9999-12-31.  An
 * era is the 400 years after which the calendar repeats itself.
 */

static void
recs_time_calendar(int64_t days, unsigned *year, unsigned *month,
    unsigned *day)
{
    unsigned  n, era;

    n = (unsigned) (days + 719468 + 146097);    /* since -0400-03-01 */

    era = n / 146097;
    n %= 146097;

    *year = (n - n / 1460 + n / 36524 - n / 146096) / 365;
    n -= 365 * *year + *year / 4 - *year / 100;

    *month = (5 * n + 2) / 153 + 3;
    *day = n - (153 * (*month - 3) + 2) / 5 + 1;

    if (*month > 12) {
        *month -= 12;
        (*year)++;
    }

    *year += 400 * era - 400;
}


size_t
recs_time_format(int64_t seconds, uint32_t nanoseconds,
    char out[RECS_TIME_SIZE])
{
    size_t    len;
    int64_t   days;
    unsigned  year, month, day, second;

    if (seconds < INT64_C(-62167219200) || seconds > INT64_C(253402300799)) {
        return 0;
    }

    days = seconds / 86400 - (seconds % 86400 < 0);
    second = (unsigned) (seconds - days * 86400);

    recs_time_calendar(days, &year, &month, &day);

    len = (size_t) snprintf(out, RECS_TIME_SIZE,
                            "%04u-%02u-%02uT%02u:%02u:%02u", year, month, day,
                            second / 3600, second / 60 % 60, second % 60);

    if (nanoseconds) {
        len += (size_t) snprintf(out + len, RECS_TIME_SIZE - len, ".%09u",
                                 (unsigned) nanoseconds);

        while (out[len - 1] == '0') {
            len--;
        }
    }

    out[len++] = 'Z';

    return len;
}
