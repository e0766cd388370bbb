
/*
 * Decodes what is percent-encoded (RFC 3986, section 2.1): the parts of a URL,
 * and cookies that JavaScript has encoded in the same way.
 */


#ifndef RECS_URL_H
#define RECS_URL_H


#include "recs_base.h"


/* Which of the two encodings a text is in. */

typedef enum {
    RECS_URL_PERCENT = 0,       /* "%2B" alone: cookies, as encodeURIComponent()
                                   writes them */
    RECS_URL_FORM               /* "+" is a space, too: queries, as
                                   URLSearchParams writes them (URL Standard,
                                   "application/x-www-form-urlencoded") */
} recs_url_form_e;


/* May decoding change the text?  If not, it need not be decoded. */

int recs_url_encoded(const recs_str_t *text, recs_url_form_e form);

/*
 * Decodes text, once, into out, which has room for as many bytes as text has,
 * and returns how many they became.  A "%" without two hex digits stays what it
 * is, as in the URL Standard ("percent-decode").  What comes out may hold any
 * bytes: NUL, and what is not UTF-8.
 */

size_t recs_url_decode(uint8_t *out, const recs_str_t *text,
    recs_url_form_e form);


#endif /* RECS_URL_H */
