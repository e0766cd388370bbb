
/* Points in time as documents hold them. */


#ifndef RECS_TIME_H
#define RECS_TIME_H


#include "recs_base.h"


/*
 * Reads unix seconds ("1795305600", a fraction is cut off) or a date-time of
 * RFC 3339, section 5.6 ("2026-11-21T22:40:00.5+01:00"); a leap second is the
 * second after it.  Returns 1 and the unix seconds, or 0 if the text is neither
 * or the number too large.
 */

int recs_time_parse(const recs_str_t *text, int64_t *seconds);

/*
 * Writes a date-time of RFC 3339 in UTC, "2026-11-21T21:40:00.5Z", without a
 * fraction if there is none; nanoseconds: below 1e9.  Returns its length, or 0
 * if the year has not four digits.
 */

#define RECS_TIME_SIZE  sizeof("2026-11-21T21:40:00.123456789Z")

size_t recs_time_format(int64_t seconds, uint32_t nanoseconds,
    char out[RECS_TIME_SIZE]);


#endif /* RECS_TIME_H */
