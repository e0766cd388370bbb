
/*
 * The decision's part that inserts items on the shelves: backfill first, then
 * exploration, on the first shelf alone.  recs_decide() calls it.
 */


#ifndef RECS_INSERT_H
#define RECS_INSERT_H


#include "recs_decide.h"


/*
 * Decides what is inserted, once the decision's verdicts say which candidates
 * stay.  The page must have a shelf.  Fills in the decision's inserts and
 * completes the policy's draws; a candidate that an explored item displaces
 * gets another verdict.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_insert_items(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *decision);


#endif /* RECS_INSERT_H */
