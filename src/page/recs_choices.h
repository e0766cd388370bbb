
/*
 * A pool as exploration sees it: its items' ids, what each may weigh, which
 * category each is of.  Made once, item by item, when the pool was read.
 */


#ifndef RECS_CHOICES_H
#define RECS_CHOICES_H


#include "recs_page.h"


#define RECS_CATEGORY_NONE  ((uint32_t) -1)

/* Weights other than 0 are between; sums and ratios are finite doubles then. */

#define RECS_WEIGHT_MIN     1e-100
#define RECS_WEIGHT_MAX     1e100


typedef struct {
    recs_str_t        name;         /* empty: of items that have none */
    uint32_t          first;        /* of its items, in members */
    uint32_t          n;
} recs_category_t;


typedef struct {
    recs_str_t       *ids;
    uint8_t          *forms;        /* mask of the formats in which each can be
                                       put in; NULL: in all */
    double           *weights;      /* NULL: all are alike */
    uint32_t         *category;     /* each one's, by its number; NULL: there
                                       are none */
    uint32_t          n;

    recs_category_t  *categories;   /* as they first came */
    uint32_t          ncategories;
    uint32_t         *members;      /* the items, category by category */
    uint32_t         *slots;        /* hash table: a category's number + 1 */
    uint32_t          mask;         /* slots - 1 */

    uint64_t          fingerprint;  /* of the ids, weights and categories: for
                                       each item hashed on (recs_hash.h), from
                                       0: the id; its weight's IEEE bits, if
                                       there are weights; its category's name,
                                       if there are categories */
} recs_choices_t;


/* Nothing yet, with room for max items.  Returns RECS_OK or RECS_NOMEM. */

recs_rc_e recs_choices_init(recs_choices_t *choices, const recs_mem_t *mem,
    uint32_t max, int weights, int categories);

/*
 * Adds an item; weight and category count only if the choices have such.  id
 * and category must stay.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_choices_add(recs_choices_t *choices, const recs_mem_t *mem,
    const recs_str_t *id, unsigned forms, double weight,
    const recs_str_t *category);

/* After the last one.  Returns RECS_OK or RECS_NOMEM. */

recs_rc_e recs_choices_end(recs_choices_t *choices, const recs_mem_t *mem);

/* The number of a category; RECS_CATEGORY_NONE: no item is of it. */

uint32_t recs_choices_category(const recs_choices_t *choices,
    const recs_str_t *name);

/*
 * shows[number]: how many items of each category the page shows, as it came:
 * the first limit of each shelf (0: all); where: the category within an item.
 * shows holds ncategories numbers.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_choices_shown(const recs_choices_t *choices,
    const recs_mem_t *mem, const recs_page_t *page, size_t limit,
    recs_pointer_t *where, uint32_t *shows);

/*
 * What an object's text says: its weight at that pointer and its category at
 * that, each unless it is NULL.  A category is a string, an integer or a bin;
 * one that has none is in the category "".
 * Returns NULL, or a sentence that says why it can't be explored with.
 */

const char *recs_choices_read(const recs_mem_t *mem, const recs_str_t *text,
    recs_pointer_t *weight_at, recs_pointer_t *category_at, double *weight,
    recs_str_t *category);



#endif /* RECS_CHOICES_H */
