
/*
 * The exposure record's members that say what was shown, and how it was drawn
 * (docs/variables-and-headers.md).  All in JSON.
 */


#ifndef RECS_EXPOSURE_H
#define RECS_EXPOSURE_H


#include "recs_explore.h"
#include "recs_writer.h"


/*
 * Opens an item's object: its id (bin: a bin's bytes, which become base64) and
 * where it stands, both from 1.  source: a literal that needs no escape.  More
 * members may follow; the caller closes it.
 */

void recs_exposure_item(recs_writer_t *w, const recs_str_t *id, int bin,
    size_t shelf, size_t position, const char *source);

/*
 * Into an object: how a slot was drawn for, if it was not skipped.  method: the
 * name of its line's.  What it drew it drew with the probabilities that are
 * there: they read back as the same doubles.
 */

void recs_exposure_draw(recs_writer_t *w, const recs_draw_t *draw,
    const char *method);


#endif /* RECS_EXPOSURE_H */
