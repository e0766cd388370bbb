
/*
 * A whole document from JSON to MessagePack or back.  What becomes what is a
 * table in docs/messagepack.md.
 */


#ifndef RECS_TRANSCODE_H
#define RECS_TRANSCODE_H


#include "recs_value.h"


/*
 * text: one value in the format from, with nothing after it; to: the other
 * format.  *out, from mem, takes at most a multiple of the text's length.
 * Returns NULL, or a sentence that says why it can't be: the text is not well
 * formed, or holds what the other format has no form for.
 */

const char *recs_transcode(const recs_mem_t *mem, recs_format_e from,
    const recs_str_t *text, recs_format_e to, recs_str_t *out);

/*
 * The text of any scalar: recs_value_text() of what that has a text for; else,
 * of MessagePack, what JSON has in its place, a timestamp's date-time of RFC
 * 3339 without its quotes.  It points into the document or to memory from mem.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_transcode_text(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text);


#endif /* RECS_TRANSCODE_H */
