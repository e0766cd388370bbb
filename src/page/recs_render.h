
/*
 * Rendering: the rewritten document as a list of pieces, each either a run of
 * the original's bytes or new ones.  Kept items, their elements of companions,
 * and all else that is not an array's comma, a header whose count changes or a
 * reserved member, come through byte for byte.
 */


#ifndef RECS_RENDER_H
#define RECS_RENDER_H


#include "recs_decide.h"


typedef struct {
    recs_str_t       *pieces;
    size_t            npieces;
    size_t            size;         /* bytes in all of them */
} recs_output_t;


/*
 * page: as it was read; decision: NULL takes no item out and puts none in;
 * inserts: what to put in for each of the decision's inserts (a companion of
 * its shelf gets null there); tag: the value
 * of the root object's "_recs" member; empty: none is added (it must be empty
 * if the root is no object).  Both are in the page's format.  Incoming reserved
 * members of the root go.  The pieces point into the document, inserts and tag:
 * these must stay.
 *
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_render(const recs_mem_t *mem, const recs_page_t *page,
    const recs_decision_t *decision, const recs_str_t *inserts,
    const recs_str_t *tag, recs_output_t *out);


#endif /* RECS_RENDER_H */
