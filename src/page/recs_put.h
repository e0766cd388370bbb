
/* What is put on the shelves: backfill, then exploration. */


#ifndef RECS_PUT_H
#define RECS_PUT_H


#include "recs_decide.h"


/*
 * The part of recs_decide() that comes after items went.  The page has a
 * shelf.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_put(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *decision);


#endif /* RECS_PUT_H */
