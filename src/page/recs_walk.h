
/*
 * The walk through a document that finds what a page is made of; recs_page.c
 * calls it.  It descends only where a pointer leads, and skips the rest, which
 * it checks all the same.
 *
 * Pointers are the bits of a mask: those of the spec's shelves come first, then
 * those of companions, then those of values, last that of the items' id.
 */


#ifndef RECS_WALK_H
#define RECS_WALK_H


#include "recs_page.h"


/* The arrays that one pointer found, in the order of the document. */

typedef struct {
    recs_shelf_t            *shelves;   /* companions, too: first is the number
                                           of its first element in the walk's
                                           elements then */
    size_t                   n;
    size_t                   size;      /* allocated */
} recs_found_t;


/* The state of a walk. */

typedef struct {
    recs_reader_t            rd;
    const recs_mem_t        *mem;
    const recs_page_spec_t  *spec;
    recs_page_t             *page;

    const recs_pointer_t    *pointers[RECS_PAGE_POINTERS_MAX];
    unsigned                 base[RECS_PAGE_POINTERS_MAX];  /* depth of each
                                                   pointer's root */
    uint64_t                 array_mask;    /* shelves and companions */
    uint64_t                 star_mask;     /* of array_mask: companions whose
                                               pointers have a "*", and their
                                               shelves */
    uint64_t                 id_mask;       /* the items' id */
    size_t                   narrays;       /* bits of array_mask */

    recs_found_t             found[RECS_PAGE_POINTERS_MAX];  /* by each
                                       pointer of array_mask */
    size_t                   within[RECS_PAGE_POINTERS_MAX];  /* for each
                                       pointer of star_mask: as within of
                                       recs_shelf_t */
    size_t                   nshelves;  /* found, also those taken back */
    recs_str_t              *elements;  /* of all companions */
    size_t                   nelements;
    size_t                   elements_size; /* allocated */
    size_t                   ncompanions;   /* found, also those taken back */
    size_t                   max_elements;  /* of elements, and companions */
    recs_item_t             *item;      /* that is read now */
    size_t                   items_size;    /* allocated */
    size_t                   cuts_size;     /* allocated */

    recs_rc_e                rc;        /* why the walk stopped */
} recs_walk_t;


/*
 * Walks through the whole of the page's text.  Fills in the walk's found and
 * elements, and of the page the items, in the order of the document, the values
 * and what it says of the root.  The caller has set the reader, mem, spec,
 * page, pointers, masks and max_elements, and all else to 0 or NULL; mask: the
 * pointers of arrays and values.
 *
 * Returns 0, or -1: w->rc says why, and if that is RECS_MALFORMED, w->rd what
 * is wrong where.
 */

int recs_walk(recs_walk_t *w, uint64_t mask);


#endif /* RECS_WALK_H */
