
/*
 * Which items are inserted on the shelves: backfill first, then exploration.
 */


#ifndef RECS_INSERT_H
#define RECS_INSERT_H


#include "recs_decide.h"


/*
 * Decides what is inserted, once recs_decide() knows which items stay.  The
 * page has a shelf.  Fills in the decision's inserts; a candidate that one
 * displaces loses its place.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_insert_items(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *decision);


#endif /* RECS_INSERT_H */
