
/*
 * The walk through a document that finds what a page is made of, behind
 * recs_page.h.  It descends only where a pointer leads and skips, checked, the
 * rest.
 *
 * Which pointers lead on is a mask, a bit each: the spec's shelves come first,
 * then the companions of these, then its values, last the items' id.
 */


#ifndef RECS_WALK_H
#define RECS_WALK_H


#include "recs_page.h"


/* The arrays that one pointer found, in the order of the document. */

typedef struct {
    recs_shelf_t            *shelves;   /* of a companion: its array's first
                                           element is in the walk's elements */
    size_t                   n;
    size_t                   size;      /* allocated */
} recs_found_t;


typedef struct {
    recs_reader_t            rd;
    const recs_mem_t        *mem;
    const recs_page_spec_t  *spec;
    recs_page_t             *page;

    const recs_pointer_t    *pointers[RECS_PAGE_POINTERS_MAX];
    unsigned                 base[RECS_PAGE_POINTERS_MAX];  /* depth of each
                                                   pointer's root */
    uint64_t                 array_mask;    /* shelves and companions */
    uint64_t                 star_mask;     /* of these: those that companions
                                               hang on, and have a "*" */
    uint64_t                 id_mask;
    size_t                   narrays;       /* bits of array_mask */

    recs_found_t             found[RECS_PAGE_POINTERS_MAX];  /* by each of
                                       array_mask's pointers */
    size_t                   within[RECS_PAGE_POINTERS_MAX];  /* star_mask:
                                       where the last "*" is that met an
                                       array */
    size_t                   nshelves;  /* found, also those taken back */
    recs_str_t              *elements;  /* of companions */
    size_t                   nelements;
    size_t                   elements_size;
    size_t                   ncompanions;   /* found, also those taken back */
    size_t                   max_elements;  /* and of companions */
    recs_item_t             *item;      /* being read */
    size_t                   items_size;
    size_t                   cuts_size;

    recs_rc_e                rc;        /* why the walk stopped */
} recs_walk_t;


/*
 * Walks through the whole of the page's text.  Fills in the walk's found and
 * elements, and of the page the items, as they stand in the document, the
 * values and what is about the root.  w: the reader, mem, spec and page, masks
 * and pointers are set, all else is 0 or NULL.
 *
 * Returns 0, or -1: w->rc says why, and if that is RECS_MALFORMED, w->rd what
 * is wrong where.
 */

int recs_walk(recs_walk_t *w, uint64_t mask);


#endif /* RECS_WALK_H */
