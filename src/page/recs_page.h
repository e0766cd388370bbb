
/*
 * A page: the shelves of a document, the items on them, their ids, the arrays
 * in step with them, and values (versions, dates) that stand elsewhere.  All
 * are spans of the document's text, found in one pass over it, without a tree.
 */


#ifndef RECS_PAGE_H
#define RECS_PAGE_H


#include "recs_pointer.h"
#include "recs_reader.h"
#include "recs_scalar.h"


#define RECS_PAGE_POINTERS_MAX  64

/* The name of this module's member in the root object and in objects that are
   inserted. */

#define RECS_RESERVED  "_recs"


/*
 * Where companions are.  A companion is an array in step with a shelf: its n-th
 * element belongs to the n-th item.  Its pointer has as many "*" as that of the
 * shelves, and is the same up to the last (recs_pointer_in_step()): that stands
 * for the same element in both.
 *
 *     {"ids":["b1","b2"],"scores":[0.9,0.8]}      /scores, of the shelf /ids
 */

typedef struct {
    recs_pointer_t    pointer;
    size_t            shelf;        /* number in the spec's shelves */
    unsigned          optional:1;   /* a shelf may lack it */
} recs_with_t;


/* What to look for.  All pointers together: at most RECS_PAGE_POINTERS_MAX. */

typedef struct {
    recs_pointer_t   *shelves;      /* none overlaps another */
    size_t            nshelves;     /* 0: none is looked for, none is missed */
    recs_with_t      *with;         /* none overlaps another, or a shelf */
    size_t            nwith;
    recs_pointer_t   *item_id;      /* within an item, without "*" */
    recs_pointer_t   *values;       /* without "*" */
    size_t            nvalues;
    size_t            max_items;    /* so many items may be on all shelves, and
                                       so many shelves be there; as many
                                       elements and arrays for each of with.
                                       What a repeated name took back counts,
                                       too */
} recs_page_spec_t;


/* An item, any value that is an element of a shelf. */

typedef struct {
    recs_str_t        span;         /* its bytes, as they came */
    recs_str_t        id;           /* decoded; data is NULL: it has no usable
                                       one */
    recs_type_e       type;         /* of the item, not of its id */
    unsigned          bin:1;        /* its id is a bin's bytes */
} recs_item_t;


/* A shelf, an array of items. */

typedef struct {
    size_t            first;        /* its first item's number in the page's
                                       items */
    size_t            nitems;
    recs_str_t        open;         /* its "[", or its array's header */
    size_t            within;       /* offset of the element that the last "*"
                                       of its pointer stands for, of those that
                                       met an array; 0: none did, or it has no
                                       companion */
} recs_shelf_t;


/* The companion of a shelf: as many elements as that has items. */

typedef struct {
    size_t            shelf;        /* number in the page's shelves */
    recs_str_t       *elements;     /* their bytes, as they came */
    recs_str_t        open;         /* as a shelf's */
} recs_companion_t;


/* Bytes of the document to leave out: [from, to). */

typedef struct {
    const uint8_t    *from;
    const uint8_t    *to;
} recs_cut_t;


typedef struct {
    recs_format_e     format;
    recs_str_t        text;         /* the document */

    recs_shelf_t     *shelves;      /* in the order of the spec's pointers, of
                                       each as they stand in the document */
    size_t            nshelves;
    recs_item_t      *items;        /* of the first shelf, then of the next */
    size_t            nitems;

    recs_companion_t *companions;   /* by the shelves' pointers, then by the
                                       spec's with */
    size_t            ncompanions;
    size_t            together;     /* how many a shelf has, at most */

    recs_value_t     *values;       /* one for each of the spec's; all zeroes
                                       (span.data is NULL) if it is not there,
                                       or not a scalar */

    unsigned          not_utf8:1;   /* JSON: a string holds bytes that are
                                       not UTF-8 */
    recs_type_e       root;         /* the type of the root value */

    /* of a root that is an object */

    recs_str_t        open;         /* its "{", or its map's header */
    uint32_t          nmembers;     /* MessagePack: how many it has */
    uint32_t          nreserved;    /* how many are reserved (RECS_RESERVED) */
    const uint8_t    *tail;         /* the end of the last member that is not
                                       reserved; if there is none, of open */
    unsigned          empty:1;      /* there is none */
    recs_cut_t       *cuts;         /* reserved members, with a comma each, as
                                       they stand in the document */
    size_t            ncuts;
} recs_page_t;


/*
 * Reads the document at text into *page, whose arrays are from mem; the caller
 * keeps text and spec as long as the page is used.  Where an object has a name
 * twice, a pointer leads through the last one (RFC 8259, section 4, leaves it
 * open); in MessagePack none leads through a name that is no str.  An item's id
 * is what recs_value_id() says.
 *
 * Returns RECS_OK; RECS_MALFORMED (*error says what is wrong, *pos at which
 * offset); RECS_NO_SHELF; RECS_NO_COMPANION (*pos: the shelf); RECS_UNEVEN
 * (*pos: the companion); RECS_TOO_MANY; RECS_NOMEM.
 */

recs_rc_e recs_page_read(const recs_mem_t *mem, const recs_page_spec_t *spec,
    recs_format_e format, const recs_str_t *text, recs_page_t *page,
    const char **error, size_t *pos);

#endif /* RECS_PAGE_H */
