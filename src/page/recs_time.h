
/*
 * Points in time as documents hold them, to and from unix seconds (of UTC,
 * without leap seconds).
 */


#ifndef RECS_TIME_H
#define RECS_TIME_H


#include "recs_base.h"


/*
 * Reads unix seconds ("1795305600") or a date-time of RFC 3339, section 5.6
 * ("2026-11-21T22:40:00.5+01:00"), where a space may stand for the "T" and a
 * leap second is the second after it; a fraction is cut off.  Returns 1 and
 * *seconds, or 0 if the text is neither or the number too large.
 */

int recs_time_parse(const recs_str_t *text, int64_t *seconds);

/*
 * Writes a date-time of RFC 3339 in UTC, "2026-11-21T21:40:00.5Z", to out,
 * without a fraction if that is 0; nanoseconds are below 1e9.  Returns its
 * length, or 0 if the year is not one of four digits.
 */

#define RECS_TIME_SIZE  sizeof("2026-11-21T21:40:00.123456789Z")

size_t recs_time_format(int64_t seconds, uint32_t nanoseconds,
    char out[RECS_TIME_SIZE]);


#endif /* RECS_TIME_H */
