
/*
 * A libFuzzer target for INFO replication (make fuzz).  The input is what a
 * replica says, and behind a zero what its master said before.  What is
 * checked: whatever that is, nobody is fresher than the time he was asked at.
 */


#include "fuzz.h"

#include "recs_redis_fresh.h"


#define NOW  1000000


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                  fit;
    size_t               len;
    const char          *text, *end;
    recs_redis_said_t    said;
    recs_redis_state_t   master, replica;

    text = (const char *) data;
    end = size ? memchr(text, '\0', size) : NULL;
    len = end ? (size_t) (end - text) : size;

    memset(&master, 0, sizeof(master));
    memset(&replica, 0, sizeof(replica));

    if (end) {
        (void) recs_redis_said(&said, end + 1, size - len - 1);
        recs_redis_state_said(&master, 1, NULL, &said, NOW - 2000, 500);
        check(master.nmarks <= 1);
    }

    if (!recs_redis_said(&said, text, len)) {
        check(said.link == RECS_REDIS_LINK_UNKNOWN);
    }

    check(said.offset >= -1 && said.silent >= -1);

    recs_redis_state_said(&replica, 2, end ? &master : NULL, &said, NOW, 500);

    check(replica.link > RECS_REDIS_LINK_NEW
          && replica.link <= RECS_REDIS_LINK_UNKNOWN);
    check(replica.fresh <= NOW);

    fit = recs_redis_state_fit(&replica, 2, NOW, 1000);
    check(!fit || replica.link == RECS_REDIS_LINK_UNKNOWN
          || (replica.link == RECS_REDIS_LINK_UP
              && replica.fresh >= NOW - 1000));
    check(!recs_redis_state_fit(&replica, 3, NOW, 1000));

    return 0;
}
