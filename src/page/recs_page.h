
/*
 * A page: the shelves of a document, the items on them, their ids, the arrays
 * in step with them, and the values (versions, dates) that stand elsewhere.
 * All as spans of the document's text, found in one pass over it.
 */


#ifndef RECS_PAGE_H
#define RECS_PAGE_H


#include "recs_pointer.h"
#include "recs_reader.h"
#include "recs_scalar.h"


#define RECS_PAGE_POINTERS_MAX  64

/* The member that is ours: in the root object, and in injected objects. */

#define RECS_RESERVED  "_recs"


/*
 * Where a companion of shelves is: an array in step with a shelf, whose n-th
 * element belongs to the n-th item.  It has as many "*" as the shelves' pointer
 * and is the same up to the last: that stands for the same element in both.
 *
 *     {"ids":["b1","b2"],"scores":[0.9,0.8]}      /scores, of the shelf /ids
 */

typedef struct {
    recs_pointer_t    pointer;
    size_t            shelf;        /* of the spec's */
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
    size_t            max_items;    /* on all shelves; and so many shelves;
                                       those that a repeated name took back
                                       count, too.  As many elements, and
                                       arrays, for each of with */
} recs_page_spec_t;


typedef struct {
    recs_str_t        span;         /* its bytes, as they came */
    recs_str_t        id;           /* decoded; data is NULL: it has no usable
                                       one */
    recs_type_e       type;
    unsigned          bin:1;        /* its id is a bin's bytes */
} recs_item_t;


typedef struct {
    size_t            first;        /* of its items, in the page's */
    size_t            nitems;
    recs_str_t        open;         /* its "[", or its array's header */
    size_t            within;       /* offset of the element that the last "*"
                                       of its pointer stands for, of those that
                                       met an array; 0: none did, or it has no
                                       companion */
} recs_shelf_t;


/* The companion of a shelf: as many elements as that has items. */

typedef struct {
    size_t            shelf;        /* of the page's */
    recs_str_t       *elements;     /* their bytes, as they came */
    recs_str_t        open;
} recs_companion_t;


/* Bytes to leave out: [from, to) of the document. */

typedef struct {
    const uint8_t    *from;
    const uint8_t    *to;
} recs_cut_t;


typedef struct {
    recs_format_e     format;
    recs_str_t        text;         /* the document */

    recs_shelf_t     *shelves;      /* by the spec's pointers, then as they
                                       stand in the document */
    size_t            nshelves;
    recs_item_t      *items;        /* of the first shelf, then of the next */
    size_t            nitems;

    recs_companion_t *companions;   /* by the spec's with */
    size_t            ncompanions;
    size_t            together;     /* of one shelf, at most */

    recs_value_t     *values;       /* one for each of the spec's; all zeroes,
                                       span.data is NULL: not there, or not a
                                       scalar */

    unsigned          not_utf8:1;   /* JSON: a string holds bytes that are
                                       not UTF-8 */
    recs_type_e       root;         /* what the document is */
    recs_str_t        open;         /* root object: its "{", or its map's
                                       header */
    uint32_t          nmembers;     /* root map of MessagePack: its members */
    uint32_t          nreserved;    /* root object: those that are reserved */
    const uint8_t    *tail;         /* root object: end of its last member that
                                       is not reserved, or of open */
    unsigned          empty:1;      /* root object: it has no such member */
    recs_cut_t       *cuts;         /* root object: reserved members, commas
                                       included, as they stand */
    size_t            ncuts;
} recs_page_t;


/*
 * Reads the document at text, which the caller keeps as long as the page is
 * used.  Where a name is repeated in an object the last one counts, for
 * pointers; in MessagePack no pointer leads through a name that is no str.  An
 * id is a string's decoded text, an integer's digits or a bin's bytes.
 *
 * Returns RECS_OK; RECS_MALFORMED (*error says what is wrong, *pos where);
 * RECS_NO_SHELF; RECS_NO_COMPANION (*pos: the shelf); RECS_UNEVEN (*pos: the
 * companion); RECS_TOO_MANY; RECS_NOMEM.
 */

recs_rc_e recs_page_read(const recs_mem_t *mem, const recs_page_spec_t *spec,
    recs_format_e format, const recs_str_t *text, recs_page_t *page,
    const char **error, size_t *pos);

#endif /* RECS_PAGE_H */
