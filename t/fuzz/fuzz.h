
/* What the fuzz targets share: checks, and memory that is given back. */


#ifndef RECS_FUZZ_H
#define RECS_FUZZ_H


#include <stdlib.h>

#include "recs_base.h"


/* Each allocation is one of its size, for the sanitizer. */

typedef union fuzz_piece_u  fuzz_piece_t;

union fuzz_piece_u {
    fuzz_piece_t     *next;
    long double       align;
};


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static inline void
check(int truth)
{
    if (!truth) {
        abort();
    }
}


static inline void *
fuzz_alloc(void *ctx, size_t size)
{
    fuzz_piece_t  *piece, **pieces = ctx;

    piece = malloc(sizeof(fuzz_piece_t) + size);
    check(piece != NULL);

    piece->next = *pieces;
    *pieces = piece;

    return piece + 1;
}


/* Memory that fuzz_free() gives back; *pieces lists it. */

static inline recs_mem_t
fuzz_mem(fuzz_piece_t **pieces)
{
    recs_mem_t  mem;

    *pieces = NULL;

    mem.alloc = fuzz_alloc;
    mem.ctx = pieces;

    return mem;
}


static inline void
fuzz_free(fuzz_piece_t *pieces)
{
    fuzz_piece_t  *next;

    for (/* void */; pieces; pieces = next) {
        next = pieces->next;
        free(pieces);
    }
}


#endif /* RECS_FUZZ_H */
