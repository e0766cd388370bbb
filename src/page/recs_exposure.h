
/*
 * The members of the exposure record that say what was shown, and how it was
 * drawn.  docs/variables-and-headers.md describes them.  The writer must write
 * JSON; where it fails it says so (recs_writer.h).
 */


#ifndef RECS_EXPOSURE_H
#define RECS_EXPOSURE_H


#include "recs_explore.h"
#include "recs_writer.h"


/*
 * Opens an item's object and writes its first members: its id (bin: 1 if these
 * are a bin's bytes, which become base64), its shelf and its position, both
 * from 1, and its source, a literal of at most 40 bytes that needs no escape.
 * More members may follow; the caller closes the object.
 */

void recs_exposure_item(recs_writer_t *w, const recs_str_t *id, int bin,
    size_t shelf, size_t position, const char *source);

/*
 * Writes the members that say how a draw, which was not skipped, came about,
 * into the object that is open.  method: the name of the line's method.  The
 * probabilities read back as the same doubles.
 */

void recs_exposure_draw(recs_writer_t *w, const recs_draw_t *draw,
    const char *method);


#endif /* RECS_EXPOSURE_H */
