
/* What is percent-encoded (RFC 3986, section 2.1), as bytes. */


#ifndef RECS_URL_H
#define RECS_URL_H


#include "recs_base.h"


typedef enum {
    RECS_URL_PERCENT = 0,       /* "%2B" alone: cookies, as encodeURIComponent()
                                   writes them */
    RECS_URL_FORM               /* "+" is a space, too: queries, as
                                   URLSearchParams writes them (URL Standard,
                                   "application/x-www-form-urlencoded") */
} recs_url_form_e;


/* True if decoding would change the text. */

int recs_url_encoded(const recs_str_t *text, recs_url_form_e form);

/*
 * Decodes text, once, into out, which has room for as many bytes, and returns
 * how many it became.  A "%" without two hex digits stays what it is, as in the
 * URL Standard.  The bytes may be any: not UTF-8, NUL.
 */

size_t recs_url_decode(uint8_t *out, const recs_str_t *text,
    recs_url_form_e form);


#endif /* RECS_URL_H */
