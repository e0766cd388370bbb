
/*
 * The inside of a JSON string, for the reader and the writer: runs of bytes
 * that need no attention, and characters beyond ASCII.
 */


#ifndef RECS_TEXT_H
#define RECS_TEXT_H


#include "recs_base.h"


/* RECS_NO_SSE2 selects the portable way, for tests */

#if defined(__SSE2__) && !defined(RECS_NO_SSE2)
#define RECS_SSE2  1
#include <emmintrin.h>
#endif


/* True for a byte that may stand in a string and means only itself. */

static inline int
recs_text_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}


/*
 * The first byte from p on that is not plain (a quote, a backslash, a control
 * character or part of a non-ASCII one), or end.
 */

#ifdef RECS_SSE2

static inline const uint8_t *
recs_text_plain(const uint8_t *p, const uint8_t *end)
{
    int      mask;
    __m128i  chunk, other;

    while (end - p >= 16) {
        chunk = _mm_loadu_si128((const __m128i *) p);

        /* signed: a byte from 0x80 on is less than 0x20, too */

        other = _mm_cmplt_epi8(chunk, _mm_set1_epi8(0x20));
        other = _mm_or_si128(other, _mm_cmpeq_epi8(chunk, _mm_set1_epi8('"')));
        other = _mm_or_si128(other, _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\')));

        mask = _mm_movemask_epi8(other);

        if (mask != 0) {
            return p + __builtin_ctz((unsigned) mask);
        }

        p += 16;
    }

    while (p < end && recs_text_is_plain(*p)) {
        p++;
    }

    return p;
}

#else

#define RECS_TEXT_EACH(c)  (UINT64_C(0x0101010101010101) * (c))


static inline const uint8_t *
recs_text_plain(const uint8_t *p, const uint8_t *end)
{
    uint64_t  word, quote, slash, other;

    while (end - p >= 8) {
        memcpy(&word, p, 8);

        quote = word ^ RECS_TEXT_EACH('"');
        slash = word ^ RECS_TEXT_EACH('\\');

        /*
         * The high bit of a byte marks it.  A non-ASCII byte has it already;
         * a subtraction that goes below zero sets it: 0x20 from a control
         * character, 1 from the zero that xor made of a quote or a backslash.
         */

        other = word
                | (word - RECS_TEXT_EACH(0x20))
                | (quote - RECS_TEXT_EACH(1))
                | (slash - RECS_TEXT_EACH(1));

        if (other & RECS_TEXT_EACH(0x80)) {
            break;
        }

        p += 8;
    }

    while (p < end && recs_text_is_plain(*p)) {
        p++;
    }

    return p;
}

#endif


static inline int
recs_text_is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}


/*
 * The length of the non-ASCII character at p (p < end), as UTF-8 has it
 * (RFC 3629, section 4: no overlong form, no surrogate, nothing beyond
 * U+10FFFF), or 0 if there is none.
 */

static inline size_t
recs_text_utf8(const uint8_t *p, const uint8_t *end)
{
    uint8_t  c;

    c = p[0];

    if (c < 0xc2) {
        return 0;
    }

    if (c < 0xe0) {
        return (end - p >= 2 && recs_text_is_tail(p[1])) ? 2 : 0;
    }

    if (c < 0xf0) {
        return (end - p >= 3
                && recs_text_is_tail(p[1]) && recs_text_is_tail(p[2])
                && (c != 0xe0 || p[1] >= 0xa0)
                && (c != 0xed || p[1] < 0xa0)) ? 3 : 0;
    }

    return (c < 0xf5 && end - p >= 4
            && recs_text_is_tail(p[1]) && recs_text_is_tail(p[2])
            && recs_text_is_tail(p[3])
            && (c != 0xf0 || p[1] >= 0x90)
            && (c != 0xf4 || p[1] < 0x90)) ? 4 : 0;
}


static inline int
recs_text_is_utf8(const recs_str_t *text)
{
    size_t  i, len;

    for (i = 0; i < text->len; i += len) {
        len = text->data[i] < 0x80
              ? 1 : recs_text_utf8(text->data + i, text->data + text->len);

        if (len == 0) {
            return 0;
        }
    }

    return 1;
}


#endif /* RECS_TEXT_H */
