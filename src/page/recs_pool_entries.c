
/* A pool's entries are written as bytes and read: see recs_pool_entries.h. */


#include "recs_pool_entries.h"


/* Two numbers, which stand before all entries and before each. */

#define RECS_POOL_ENTRIES_HEAD  8


static uint8_t *recs_pool_entries_head(uint8_t *p, size_t one, size_t two);
static uint8_t *recs_pool_entries_copy(uint8_t *p, const recs_str_t *s);
static uint32_t recs_pool_entries_number(const uint8_t *p);
static int recs_pool_entries_take(recs_pool_reader_t *r, size_t len,
    recs_str_t *s);


size_t
recs_pool_entries_size(const recs_pool_entry_t *entries, size_t n)
{
    size_t  i, size;

    size = RECS_POOL_ENTRIES_HEAD;

    for (i = 0; i < n; i++) {
        size += RECS_POOL_ENTRIES_HEAD;
        size += entries[i].id.len + entries[i].text.len;
    }

    return size;
}


void
recs_pool_entries_write(uint8_t *p, const recs_pool_entry_t *entries, size_t n,
    uint32_t refused)
{
    size_t  i;

    p = recs_pool_entries_head(p, n, refused);

    for (i = 0; i < n; i++) {
        p = recs_pool_entries_head(p, entries[i].id.len, entries[i].text.len);
        p = recs_pool_entries_copy(p, &entries[i].id);
        p = recs_pool_entries_copy(p, &entries[i].text);
    }
}


/* Writes two numbers to p; returns the address after them. */

static uint8_t *
recs_pool_entries_head(uint8_t *p, size_t one, size_t two)
{
    size_t  i;

    for (i = 0; i < 4; i++) {
        p[i] = (uint8_t) (one >> 8 * i);
        p[4 + i] = (uint8_t) (two >> 8 * i);
    }

    return p + RECS_POOL_ENTRIES_HEAD;
}


/* Writes bytes to p; returns the address after them. */

static uint8_t *
recs_pool_entries_copy(uint8_t *p, const recs_str_t *s)
{
    if (s->len) {
        memcpy(p, s->data, s->len);
    }

    return p + s->len;
}


int
recs_pool_entries_open(recs_pool_reader_t *r, const recs_str_t *bytes)
{
    recs_str_t  head;

    r->rest = *bytes;

    if (recs_pool_entries_take(r, RECS_POOL_ENTRIES_HEAD, &head) != 0) {
        return -1;
    }

    r->left = recs_pool_entries_number(head.data);
    r->refused = recs_pool_entries_number(head.data + 4);

    return r->left > r->rest.len / RECS_POOL_ENTRIES_HEAD ? -1 : 0;
}


int
recs_pool_entries_next(recs_pool_reader_t *r, recs_pool_entry_t *entry)
{
    size_t      id, text;
    recs_str_t  head;

    if (r->left == 0) {
        return r->rest.len ? -1 : 0;
    }

    r->left--;

    if (recs_pool_entries_take(r, RECS_POOL_ENTRIES_HEAD, &head) != 0) {
        return -1;
    }

    id = recs_pool_entries_number(head.data);
    text = recs_pool_entries_number(head.data + 4);

    if (recs_pool_entries_take(r, id, &entry->id) != 0
        || recs_pool_entries_take(r, text, &entry->text) != 0)
    {
        return -1;
    }

    return 1;
}


/* The number in the 4 bytes at p, in little-endian order. */

static uint32_t
recs_pool_entries_number(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;
}


/* Takes the next len bytes as *s: 0, or -1 if there are fewer. */

static int
recs_pool_entries_take(recs_pool_reader_t *r, size_t len, recs_str_t *s)
{
    if (len > r->rest.len) {
        return -1;
    }

    s->data = r->rest.data;
    s->len = len;

    r->rest.data += len;
    r->rest.len -= len;

    return 0;
}
