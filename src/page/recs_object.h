
/*
 * An entry of a pool, as an object that may be put into pages: read once, when
 * the pool is read, and then put into any number of pages.
 */


#ifndef RECS_OBJECT_H
#define RECS_OBJECT_H


#include "recs_decide.h"


/*
 * An object is held in both formats, whatever it came in, since a page may be
 * in either.  The bytes in its own format are in the text that it was read
 * from.  If the other format has no form for it, it can't be put into pages of
 * that: forms says so.
 */

typedef struct {
    recs_str_t        id;       /* decoded: what sets are asked about */
    recs_str_t        shown;    /* the id as a string in JSON: the same, but
                                   for a bin, which is base64 there */

    recs_str_t        head;     /* JSON: up to the end of the last member */
    recs_str_t        tail;     /* JSON: from there on: "}" */
    recs_str_t        members;  /* MessagePack: all but the map's header */
    uint32_t          nmembers;
    unsigned          empty:1;  /* it has no member */
    unsigned          forms:2;  /* mask of the formats that it is held in */
} recs_object_t;


/*
 * Reads an object from its text, JSON or MessagePack; id: the pointer to its
 * id.  The caller sets object->id: to the entry's id, and the object may do
 * without one, but not have another; or its data to NULL.  Reserved members
 * (RECS_RESERVED) are left out.  The text must stay; new bytes are from mem.
 * Returns NULL, or a sentence that says why it can't be put into a page.
 */

const char *recs_object_read(const recs_mem_t *mem, const recs_str_t *text,
    recs_pointer_t *id, recs_object_t *object);

/*
 * Makes *text, from mem: what is put on the insert's shelf for the object, in
 * the page's format, in which it must be held.  On a shelf of objects this is
 * the object, with a member "_recs" that says where it comes from; on a shelf
 * of scalars its bare id: an integer or a bin if the shelf's first item is and
 * the id can be one, else a string.  pool: the pool's name; gate: the share of
 * requests that explore.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_object_insert(const recs_mem_t *mem,
    const recs_object_t *object, const recs_page_t *page,
    const recs_insert_t *insert, const recs_str_t *pool, double gate,
    recs_str_t *text);


#endif /* RECS_OBJECT_H */
