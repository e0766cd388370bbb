
/*
 * A pool's entries as bytes: how they are handed from one process to another,
 * and how an image keeps them.
 *
 *     count       4 bytes: entries that follow
 *     refused     4 bytes: entries of the source that can't be used
 *     and count times:
 *       id length     4 bytes
 *       text length   4 bytes
 *       id            as sets are asked about it
 *       text          the object, JSON or MessagePack, as the source has it
 *
 * Numbers have the lowest byte first; nothing is aligned, nothing follows the
 * last entry.  Entries stand in the pool's order, each id once.
 */


#ifndef RECS_POOL_ENTRIES_H
#define RECS_POOL_ENTRIES_H


#include "recs_base.h"


typedef struct {
    recs_str_t        id;
    recs_str_t        text;
} recs_pool_entry_t;


/* Bytes that are read: what is left of them. */

typedef struct {
    recs_str_t        rest;
    uint32_t          left;     /* entries in the rest */
    uint32_t          refused;  /* as in the bytes */
} recs_pool_reader_t;


/* How many bytes n entries take. */

size_t recs_pool_entries_size(const recs_pool_entry_t *entries, size_t n);

/*
 * Writes n entries to p, which has room for recs_pool_entries_size() bytes:
 * no more than UINT32_MAX.
 */

void recs_pool_entries_write(uint8_t *p, const recs_pool_entry_t *entries,
    size_t n, uint32_t refused);

/*
 * Begins to read bytes, which may be anything and must stay.  Returns 0, or -1
 * if they are malformed.
 */

int recs_pool_entries_open(recs_pool_reader_t *r, const recs_str_t *bytes);

/*
 * Reads the next entry, which points into the bytes.  Returns 1; 0 if there was
 * none left, and nothing follows; -1 if the bytes are malformed.
 */

int recs_pool_entries_next(recs_pool_reader_t *r, recs_pool_entry_t *entry);


#endif /* RECS_POOL_ENTRIES_H */
