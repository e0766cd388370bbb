
/* A set of ids, as a hash table: see recs_idset.h. */


#include "recs_xxhash.h"

#include "recs_idset.h"


static recs_idset_bucket_t *recs_idset_find(const recs_idset_t *set,
    const recs_str_t *id, uint64_t hash);


recs_rc_e
recs_idset_init(recs_idset_t *set, const recs_mem_t *mem, size_t max,
    uint64_t seed)
{
    size_t  nbuckets;

    if (max > SIZE_MAX / 4 / sizeof(recs_idset_bucket_t)) {
        return RECS_NOMEM;
    }

    nbuckets = 1;

    while (nbuckets < 2 * max) {
        nbuckets *= 2;
    }

    set->buckets = recs_alloc(mem, nbuckets * sizeof(recs_idset_bucket_t));

    if (set->buckets == NULL) {
        return RECS_NOMEM;
    }

    memset(set->buckets, 0, nbuckets * sizeof(recs_idset_bucket_t));

    set->mask = nbuckets - 1;
    set->n = 0;
    set->max = max;
    set->seed = seed;

    return RECS_OK;
}


int
recs_idset_add(recs_idset_t *set, const recs_str_t *id)
{
    uint64_t              hash;
    recs_idset_bucket_t  *bucket;

    hash = XXH3_64bits_withSeed(id->data, id->len, set->seed);
    bucket = recs_idset_find(set, id, hash);

    if (bucket->id.data != NULL) {
        return 0;
    }

    bucket->hash = hash;
    bucket->id = *id;
    set->n++;

    return 1;
}


int
recs_idset_has(const recs_idset_t *set, const recs_str_t *id)
{
    uint64_t  hash;

    hash = XXH3_64bits_withSeed(id->data, id->len, set->seed);

    return recs_idset_find(set, id, hash)->id.data != NULL;
}


/* The bucket of id, or the free one where it would go. */

static recs_idset_bucket_t *
recs_idset_find(const recs_idset_t *set, const recs_str_t *id, uint64_t hash)
{
    size_t                i;
    recs_idset_bucket_t  *bucket;

    for (i = (size_t) hash & set->mask; ; i = (i + 1) & set->mask) {
        bucket = &set->buckets[i];

        if (bucket->id.data == NULL
            || (bucket->hash == hash && recs_str_eq(&bucket->id, id)))
        {
            return bucket;
        }
    }
}
