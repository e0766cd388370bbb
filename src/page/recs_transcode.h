
/*
 * A whole document is converted from JSON to MessagePack, or back.  A table in
 * docs/messagepack.md says what becomes what.
 */


#ifndef RECS_TRANSCODE_H
#define RECS_TRANSCODE_H


#include "recs_value.h"


/*
 * Converts text, one value in the format from with nothing after it, into *out,
 * in the other format, to.  *out is from mem, and at most a multiple as long as
 * the text.  Returns NULL, or a sentence that says why it can't be done:
 * the text is not well formed, or has a value that the other format has no form
 * for, or there is no memory.
 */

const char *recs_transcode(const recs_mem_t *mem, recs_format_e from,
    const recs_str_t *text, recs_format_e to, recs_str_t *out);

/*
 * Gives the text of any scalar: as recs_value_text() does, but of those of
 * MessagePack that have none what JSON has in their place, without quotes: of a
 * timestamp a date-time of RFC 3339.  *text points into the document or to
 * memory from mem.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_transcode_text(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *text);


#endif /* RECS_TRANSCODE_H */
