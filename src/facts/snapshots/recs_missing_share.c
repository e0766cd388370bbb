
/* A window of users is compared with the usual share, which follows slowly. */


#include "recs_missing_share.h"


/* It jumped if it is so much above the usual, and twice that. */

#define RECS_MISSING_JUMP  2000

/* What the usual share takes over of a window: one part of so many. */

#define RECS_MISSING_FAST  8
#define RECS_MISSING_SLOW  64       /* while it jumped */


static void
recs_missing_follow(recs_missing_t *m, int64_t parts)
{
    m->usual = (uint64_t) ((int64_t) m->usual
                           + ((int64_t) m->now - (int64_t) m->usual) / parts);
}


recs_missing_e
recs_missing_judge(recs_missing_t *m, uint64_t asked, uint64_t missing,
    uint64_t now)
{
    uint64_t  n, without;

    if (asked < m->asked + RECS_MISSING_WINDOW) {
        return RECS_MISSING_SAME;
    }

    n = asked - m->asked;
    without = missing < m->missing ? 0 : missing - m->missing;

    m->now = without < n ? without * 10000 / n : 10000;
    m->asked = asked;
    m->missing = missing;

    if (!m->known) {
        m->known = 1;
        m->usual = m->now;
        return RECS_MISSING_SAME;
    }

    if (m->now >= m->usual + RECS_MISSING_JUMP && m->now >= 2 * m->usual) {
        recs_missing_follow(m, RECS_MISSING_SLOW);

        if (m->since) {
            return RECS_MISSING_SAME;
        }

        m->since = now;
        return RECS_MISSING_JUMPED;
    }

    if (m->since) {
        recs_missing_follow(m, RECS_MISSING_SLOW);
        m->since = 0;
        return RECS_MISSING_USUAL;
    }

    recs_missing_follow(m, RECS_MISSING_FAST);

    return RECS_MISSING_SAME;
}
