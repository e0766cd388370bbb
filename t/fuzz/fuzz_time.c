
/*
 * A libFuzzer target for points in time (make fuzz).  What is checked: none is
 * outside of the years that can be written, and unix seconds are the number
 * that the digits say.
 */


#include "fuzz.h"

#include "recs_time.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       i;
    int64_t      seconds;
    uint64_t     n;
    recs_str_t   text;

    text.data = data;
    text.len = size;

    if (!recs_time_parse(&text, &seconds)) {
        return 0;
    }

    n = 0;

    for (i = 0; i < size && data[i] >= '0' && data[i] <= '9'; i++) {
        n = n * 10 + (uint64_t) (data[i] - '0');
    }

    if (i == size || data[i] == '.') {
        check(seconds >= 0 && (uint64_t) seconds == n);
        return 0;
    }

    /* a day more or less, for the offset */

    check(size >= sizeof("0000-01-01T00:00:00Z") - 1);
    check(seconds >= INT64_C(-62167219200) - 86400);
    check(seconds <= INT64_C(253402300800) + 86400);

    return 0;
}
