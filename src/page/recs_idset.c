
/* A set of ids, as a hash table: see recs_idset.h. */


#include "recs_xxhash.h"

#include "recs_idset.h"


static recs_idset_slot_t *recs_idset_find(const recs_idset_t *set,
    const recs_str_t *id, uint64_t hash);


recs_rc_e
recs_idset_init(recs_idset_t *set, const recs_mem_t *mem, size_t max,
    uint64_t seed)
{
    size_t  nslots;

    if (max > SIZE_MAX / 4 / sizeof(recs_idset_slot_t)) {
        return RECS_NOMEM;
    }

    nslots = 1;

    while (nslots < 2 * max) {
        nslots *= 2;
    }

    set->slots = recs_alloc(mem, nslots * sizeof(recs_idset_slot_t));

    if (set->slots == NULL) {
        return RECS_NOMEM;
    }

    memset(set->slots, 0, nslots * sizeof(recs_idset_slot_t));

    set->mask = nslots - 1;
    set->n = 0;
    set->max = max;
    set->seed = seed;

    return RECS_OK;
}


int
recs_idset_add(recs_idset_t *set, const recs_str_t *id)
{
    uint64_t            hash;
    recs_idset_slot_t  *slot;

    hash = XXH3_64bits_withSeed(id->data, id->len, set->seed);
    slot = recs_idset_find(set, id, hash);

    if (slot->id.data != NULL) {
        return 0;
    }

    slot->hash = hash;
    slot->id = *id;
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


/* The slot of id, or the free one where it would go. */

static recs_idset_slot_t *
recs_idset_find(const recs_idset_t *set, const recs_str_t *id, uint64_t hash)
{
    size_t              i;
    recs_idset_slot_t  *slot;

    for (i = (size_t) hash & set->mask; ; i = (i + 1) & set->mask) {
        slot = &set->slots[i];

        if (slot->id.data == NULL
            || (slot->hash == hash && recs_str_eq(&slot->id, id)))
        {
            return slot;
        }
    }
}
