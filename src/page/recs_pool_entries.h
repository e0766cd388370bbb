
/*
 * A pool's entries as bytes: how they are handed from one process to another,
 * and how a file can keep them.
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


#ifndef RECS_ENTRIES_H
#define RECS_ENTRIES_H


#include "recs_base.h"


typedef struct {
    recs_str_t        id;
    recs_str_t        text;
} recs_entry_t;


/* Reading: what is left. */

typedef struct {
    recs_str_t        rest;
    uint32_t          left;     /* entries */
    uint32_t          refused;
} recs_entries_t;


/* How many bytes n entries take. */

size_t recs_entries_size(const recs_entry_t *entries, size_t n);

/* Writes them to p, which has room for that: at most UINT32_MAX bytes. */

void recs_entries_write(uint8_t *p, const recs_entry_t *entries, size_t n,
    uint32_t refused);

/*
 * Begins to read bytes, which may be anything and must stay.  0, or -1: they
 * are malformed.
 */

int recs_entries_open(recs_entries_t *r, const recs_str_t *bytes);

/*
 * The next entry, which points into the bytes.  1; 0: there was none left, and
 * nothing follows; -1: the bytes are malformed.
 */

int recs_entries_next(recs_entries_t *r, recs_entry_t *entry);


#endif /* RECS_ENTRIES_H */
