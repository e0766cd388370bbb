
/* A window of users is compared with the usual share, which follows slowly. */


#include "recs_missing_share.h"


/*
 * The share has jumped if it is so much above the usual (hundredths of a
 * percent), and at least twice that.
 */

#define RECS_MISSING_SHARE_JUMP  2000

/* The usual share takes over one part in so many of each window's. */

#define RECS_MISSING_SHARE_FAST  8
#define RECS_MISSING_SHARE_SLOW  64     /* while the share is high */


static void
recs_missing_share_follow(recs_missing_share_t *m, int64_t parts)
{
    m->usual = (uint64_t) ((int64_t) m->usual
                           + ((int64_t) m->now - (int64_t) m->usual) / parts);
}


recs_missing_share_e
recs_missing_share_judge(recs_missing_share_t *m, uint64_t asked,
    uint64_t missing, uint64_t now)
{
    uint64_t  n, without;

    if (asked < m->asked + RECS_MISSING_SHARE_WINDOW) {
        return RECS_MISSING_SHARE_SAME;
    }

    n = asked - m->asked;
    without = missing < m->missing ? 0 : missing - m->missing;

    m->now = without < n ? without * 10000 / n : 10000;
    m->asked = asked;
    m->missing = missing;

    if (!m->known) {
        m->known = 1;
        m->usual = m->now;
        return RECS_MISSING_SHARE_SAME;
    }

    if (m->now >= m->usual + RECS_MISSING_SHARE_JUMP
        && m->now >= 2 * m->usual)
    {
        recs_missing_share_follow(m, RECS_MISSING_SHARE_SLOW);

        if (m->since) {
            return RECS_MISSING_SHARE_SAME;
        }

        m->since = now;
        return RECS_MISSING_SHARE_JUMPED;
    }

    if (m->since) {
        recs_missing_share_follow(m, RECS_MISSING_SHARE_SLOW);
        m->since = 0;
        return RECS_MISSING_SHARE_USUAL;
    }

    recs_missing_share_follow(m, RECS_MISSING_SHARE_FAST);

    return RECS_MISSING_SHARE_SAME;
}
