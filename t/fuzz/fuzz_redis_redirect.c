
/*
 * A libFuzzer target for MOVED and ASK (make fuzz).  What is checked: whatever
 * the text is, where it leads to is a slot, a port and a host that may be one,
 * and a text of these leads there again.
 */


#include <stdio.h>

#include "fuzz.h"

#include "recs_redis_redirect.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     n;
    char                    text[RECS_REDIS_HOST + 64];
    recs_redis_redirect_e   what;
    recs_redis_redirect_t   r, again;

    what = recs_redis_redirect((const char *) data, size, "here", 4, &r);

    if (what == RECS_REDIS_OTHER || what == RECS_REDIS_ODD) {
        return 0;
    }

    check(r.slot < RECS_REDIS_SLOTS);
    check(r.port > 0);
    check(recs_redis_is_host(r.host, r.len));

    n = snprintf(text, sizeof(text), "%s %u %.*s:%u",
                 what == RECS_REDIS_ASK ? "ASK" : "MOVED", r.slot, r.len,
                 r.host, r.port);

    check(recs_redis_redirect(text, (size_t) n, "", 0, &again) == what);
    check(again.slot == r.slot && again.port == r.port && again.len == r.len);
    check(memcmp(again.host, r.host, r.len) == 0);

    return 0;
}
