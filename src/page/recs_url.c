
/* Percent-encoding is decoded: see recs_url.h. */


#include "recs_url.h"


static int recs_url_digit(uint8_t c);


int
recs_url_encoded(const recs_str_t *text, recs_url_form_e form)
{
    return text->len
           && (memchr(text->data, '%', text->len) != NULL
               || (form == RECS_URL_FORM
                   && memchr(text->data, '+', text->len) != NULL));
}


size_t
recs_url_decode(uint8_t *out, const recs_str_t *text, recs_url_form_e form)
{
    int             high, low;
    uint8_t        *p;
    const uint8_t  *s, *end;

    p = out;
    s = text->data;
    end = s + text->len;

    while (s < end) {

        if (*s == '%' && end - s > 2) {
            high = recs_url_digit(s[1]);
            low = recs_url_digit(s[2]);

            if (high >= 0 && low >= 0) {
                *p++ = (uint8_t) (high << 4 | low);
                s += 3;
                continue;
            }
        }

        *p++ = (form == RECS_URL_FORM && *s == '+') ? ' ' : *s;
        s++;
    }

    return (size_t) (p - out);
}


/* A hex digit's value, or -1. */

static int
recs_url_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
