
/*
 * A set of ids (byte strings), as a hash table with open addressing.  It holds
 * spans: the ids' bytes stay with the caller.
 */


#ifndef RECS_IDSET_H
#define RECS_IDSET_H


#include "recs_base.h"


typedef struct {
    uint64_t          hash;
    recs_str_t        id;       /* data is NULL: the bucket is free */
} recs_idset_bucket_t;


typedef struct {
    recs_idset_bucket_t  *buckets;
    size_t                mask;     /* number of buckets, a power of two, - 1 */
    size_t                n;        /* ids in the set */
    size_t                max;      /* ids that it has room for */
    uint64_t              seed;     /* keys the hash, against crafted ids */
} recs_idset_t;


/*
 * Makes an empty set with room for max ids (0 is allowed), from mem; at most
 * half of its buckets are used then.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_idset_init(recs_idset_t *set, const recs_mem_t *mem, size_t max,
    uint64_t seed);

/*
 * Adds id, whose bytes must outlive the set; its data must not be NULL, even
 * if it is empty.  Returns 1 if it is new, 0 if it was there.  The caller adds
 * no more than max different ids.
 */

int recs_idset_add(recs_idset_t *set, const recs_str_t *id);

/* Is id in the set? */

int recs_idset_has(const recs_idset_t *set, const recs_str_t *id);


#endif /* RECS_IDSET_H */
