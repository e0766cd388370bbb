
/* Chains of keyed hashes, and numbers made of them: see recs_hash.h. */


#include "recs_hash.h"

#include "recs_xxhash.h"


__extension__ typedef unsigned __int128  recs_uint128_t;


uint64_t
recs_hash_str(uint64_t h, const recs_str_t *s)
{
    return XXH3_64bits_withSeed(s->data, s->len, h);
}


uint64_t
recs_hash_int(uint64_t h, uint64_t n)
{
    int      i;
    uint8_t  bytes[8];

    for (i = 0; i < 8; i++) {
        bytes[i] = (uint8_t) (n >> 8 * i);
    }

    return XXH3_64bits_withSeed(bytes, 8, h);
}


uint64_t
recs_hash_uniform(uint64_t h, uint64_t i, uint64_t n)
{
    uint64_t        unfair;
    recs_uint128_t  product;

    h = recs_hash_int(h, i);
    unfair = (0 - n) % n;

    for ( ;; ) {
        product = (recs_uint128_t) h * n;

        if ((uint64_t) product >= unfair) {
            return (uint64_t) (product >> 64);
        }

        h = recs_hash_int(h, i);
    }
}
