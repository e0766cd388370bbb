
/*
 * What every part of the page room shares: spans, memory from the caller,
 * result codes.  The room is plain C99: it includes no nginx header, does no
 * I/O and has no state of its own, so that unit tests and fuzzers compile it
 * alone.
 */


#ifndef RECS_BASE_H
#define RECS_BASE_H


#include <stddef.h>
#include <stdint.h>
#include <string.h>


/*
 * For functions that are called for each token of a document: the compiler
 * would not inline all of them by itself.
 */

#define recs_inline  inline __attribute__((always_inline))


/*
 * A span: len bytes at data, owned by somebody else (the body, a pool, the
 * configuration).  Not terminated; may hold any byte, NUL too.
 */

typedef struct {
    const uint8_t    *data;
    size_t            len;
} recs_str_t;

#define recs_string(s)     { (const uint8_t *) (s), sizeof(s) - 1 }


/*
 * Where memory comes from.  Nothing is ever freed here: the caller's arena (an
 * nginx pool, a test's list) goes as a whole.  alloc() gives memory aligned
 * for any type, or NULL.
 */

typedef struct {
    void           *(*alloc)(void *ctx, size_t size);
    void             *ctx;
} recs_mem_t;

#define recs_alloc(mem, size)  ((mem)->alloc((mem)->ctx, (size)))


/* What functions return; each says which of these it may return. */

typedef enum {
    RECS_OK = 0,
    RECS_NOMEM = -1,        /* the caller's alloc() gave NULL */
    RECS_MALFORMED = -2,    /* not a well-formed document */
    RECS_NO_SHELF = -3,     /* well formed, but no array where one is looked
                               for */
    RECS_TOO_MANY = -4,     /* more items than the caller allows */
    RECS_NO_COMPANION = -5, /* well formed, but a shelf lacks an array that is
                               in step with it */
    RECS_UNEVEN = -6        /* such an array is not as long as its shelf */
} recs_rc_e;


typedef enum {
    RECS_JSON = 0,
    RECS_MSGPACK
} recs_format_e;


/* A set of formats (often called forms) is a mask of such bits. */

#define recs_format_bit(format)  (1u << (format))


/* Are both the same bytes? */

static inline int
recs_str_eq(const recs_str_t *a, const recs_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


#endif /* RECS_BASE_H */
