
/*
 * Keyed hashes for everything random.  A hash is a chain of XXH3_64bits, each
 * link seeded with the one before:
 *
 *     h = XXH3(salt, seed 0); h = XXH3("gate", seed h); h = XXH3(key, seed h)
 *
 * so that where one field ends and the next begins cannot be confused, and
 * any language with xxHash can replay it.  Integers go in as 8 bytes, the
 * lowest first.
 */


#ifndef RECS_HASH_H
#define RECS_HASH_H


#include "recs_base.h"


/* One more link of the chain: the hash h, 0 at its beginning, goes on by s. */

uint64_t recs_hash_str(uint64_t h, const recs_str_t *s);

/* The same by an integer. */

uint64_t recs_hash_int(uint64_t h, uint64_t n);

/*
 * The i-th of a sequence of independent random numbers in [0, n), n at least 1,
 * which goes on from h.  Each is exactly alike probable if all values of the
 * hash are.  (Multiply and shift, with Lemire's rejection of the few values
 * that would favour some numbers: "Fast Random Integer Generation in an
 * Interval", 2019.)
 */

uint64_t recs_hash_uniform(uint64_t h, uint64_t i, uint64_t n);


#endif /* RECS_HASH_H */
