
/*
 * A whole document from JSON to MessagePack or back.  What becomes what is a
 * table in docs/messagepack.md.
 */


#ifndef RECS_TRANSCODE_H
#define RECS_TRANSCODE_H


#include "recs_base.h"


/*
 * text: one value in the format from, with nothing after it; to: the other
 * format.  *out, from mem, takes at most a multiple of the text's length.
 * Returns NULL, or a sentence that says why it can't be: the text is not well
 * formed, or holds what the other format has no form for.
 */

const char *recs_transcode(const recs_mem_t *mem, recs_format_e from,
    const recs_str_t *text, recs_format_e to, recs_str_t *out);


#endif /* RECS_TRANSCODE_H */
