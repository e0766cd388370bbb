
/*
 * Text as bytes.  For the reader and the writer of JSON, the inside of strings:
 * runs of bytes that need no attention, and characters beyond ASCII.  For all,
 * what is odd about a text: a byte order mark, control characters, bytes that
 * are not UTF-8.
 */


#ifndef RECS_TEXT_H
#define RECS_TEXT_H


#include "recs_base.h"


/* Tests define RECS_NO_SSE2 for what is compiled where there is no SSE2. */

#if defined(__SSE2__) && !defined(RECS_NO_SSE2)
#define RECS_SSE2  1
#include <emmintrin.h>
#endif


/* Is the byte plain: ASCII that may stand in a string, and means itself? */

static inline int
recs_text_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}


/*
 * The marks of 16 bytes at p: a bit for each, the lowest for the first, which
 * is set if the byte is not plain (a quote, a backslash, a control character,
 * or 0x80 and more).
 */

#ifdef RECS_SSE2

static inline uint64_t
recs_text_marks_16(const uint8_t *p)
{
    __m128i  chunk, other;

    chunk = _mm_loadu_si128((const __m128i *) p);

    /* the sign of the (saturated) difference is set for control characters, and
       for bytes from 0x80 on, which are negative already */

    other = _mm_subs_epi8(chunk, _mm_set1_epi8(0x20));

    other = _mm_or_si128(other, _mm_cmpeq_epi8(chunk, _mm_set1_epi8('"')));
    other = _mm_or_si128(other, _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\')));

    return (uint64_t) _mm_movemask_epi8(other);
}

#else

#define RECS_TEXT_EACH(c)  (UINT64_C(0x0101010101010101) * (c))


static inline uint64_t
recs_text_marks_8(const uint8_t *p)
{
    uint64_t  word, ascii, plain;

    memcpy(&word, p, 8);

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    word = __builtin_bswap64(word);
#endif

    /*
     * Each sum fits into its byte.  The byte's high bit is set in the first one
     * if its other bits are no control character, in the second one if they are
     * no quote, in the third one if they are no backslash.
     */

    ascii = word & RECS_TEXT_EACH(0x7f);

    plain = (ascii + RECS_TEXT_EACH(0x80 - 0x20))
            & ((ascii ^ RECS_TEXT_EACH('"')) + RECS_TEXT_EACH(0x7f))
            & ((ascii ^ RECS_TEXT_EACH('\\')) + RECS_TEXT_EACH(0x7f))
            & ~word & RECS_TEXT_EACH(0x80);

    /* the high bit of byte i becomes bit 56 + i */

    return ~((plain >> 7) * UINT64_C(0x0102040810204080) >> 56) & 0xff;
}


static inline uint64_t
recs_text_marks_16(const uint8_t *p)
{
    return recs_text_marks_8(p) | recs_text_marks_8(p + 8) << 8;
}

#endif


/* The marks of a block of so many bytes at p. */

#define RECS_TEXT_BLOCK  64


static inline uint64_t
recs_text_marks(const uint8_t *p)
{
    return recs_text_marks_16(p)
           | recs_text_marks_16(p + 16) << 16
           | recs_text_marks_16(p + 32) << 32
           | recs_text_marks_16(p + 48) << 48;
}


/* The first byte from p on that is not plain, or end. */

static inline const uint8_t *
recs_text_plain(const uint8_t *p, const uint8_t *end)
{
    uint64_t  marks;

    while (end - p >= 16) {
        marks = recs_text_marks_16(p);

        if (marks) {
            return p + __builtin_ctzll(marks);
        }

        p += 16;
    }

    while (p < end && recs_text_is_plain(*p)) {
        p++;
    }

    return p;
}


/* The length of UTF-8's byte order mark, if p begins with one; else 0. */

static inline size_t
recs_text_bom(const uint8_t *p, size_t len)
{
    return len >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf ? 3 : 0;
}


/* Is the byte one that follows in a character of UTF-8? */

static inline int
recs_text_is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}


/*
 * The length of the character beyond ASCII at p (p < end), or 0 if none stands
 * there as UTF-8 has them (RFC 3629, section 4: no overlong form, no surrogate,
 * nothing beyond U+10FFFF).
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


/* Is all of the text UTF-8? */

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


/* Is there a control character in the text: a byte below 0x20, or DEL? */

static inline int
recs_text_has_control(const recs_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] == 0x7f) {
            return 1;
        }
    }

    return 0;
}


#endif /* RECS_TEXT_H */
