
/*
 * Rendering: what a decision made of a page, as a list of pieces, each a run of
 * the original document's bytes or of new ones.  Nothing is copied.  Kept items
 * and their elements of companions come through byte for byte, and so does all
 * else but commas between elements, MessagePack's headers whose counts change,
 * and reserved members.
 */


#ifndef RECS_RENDER_H
#define RECS_RENDER_H


#include "recs_decide.h"


/* The rewritten document: its pieces, put together in this order. */

typedef struct {
    recs_str_t       *pieces;       /* none is empty */
    size_t            npieces;
    size_t            size;         /* bytes in all of them */
} recs_output_t;


/*
 * Renders the page, as recs_page_read() gave it, into *out.
 *
 *     decision    what recs_decide() said of it; NULL: no item goes or comes
 *     inserts     a text for each of the decision's inserts, in their order;
 *                 a companion of the shelf gets null in that place
 *     tag         the value of a member "_recs" (RECS_RESERVED), which is added
 *                 to the root object as its last; empty: none is, as must be
 *                 where the root is no object
 *
 * inserts and tag are values in the page's format.  Reserved members that the
 * root object came with go.  The pieces point into the document, inserts and
 * tag, which must stay; the list of them is from mem.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_render(const recs_mem_t *mem, const recs_page_t *page,
    const recs_decision_t *decision, const recs_str_t *inserts,
    const recs_str_t *tag, recs_output_t *out);


#endif /* RECS_RENDER_H */
