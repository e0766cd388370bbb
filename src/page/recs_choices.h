
/*
 * A pool as exploration draws from it: its items' ids, weights and categories.
 * It is made once, item by item, when the pool was read:
 *
 *     recs_choices_init(&choices, mem, n, 1, 0);          // with weights
 *     recs_choices_add(&choices, mem, &id, forms, weight, NULL);  // n times
 *     recs_choices_end(&choices, mem);
 *
 * and never changes then.  All its memory is from mem.
 */


#ifndef RECS_CHOICES_H
#define RECS_CHOICES_H


#include "recs_page.h"


#define RECS_CATEGORY_NONE  ((uint32_t) -1)

/*
 * A weight is 0 or between these, so that sums and ratios of all of a pool's
 * are finite doubles.
 */

#define RECS_WEIGHT_MIN     1e-100
#define RECS_WEIGHT_MAX     1e100


/* A category: all items of one name. */

typedef struct {
    recs_str_t        name;         /* empty: of items that have none */
    uint32_t          first;        /* of its items, in members */
    uint32_t          n;            /* of its items */
} recs_category_t;


/* Items and categories have numbers from 0, in the order in which they came. */

typedef struct {
    recs_str_t       *ids;          /* of n items */
    uint8_t          *forms;        /* each item's: mask of the formats in which
                                       it can be put in; NULL: in all */
    double           *weights;      /* NULL: all are alike */
    uint32_t         *category;     /* each item's; NULL: the pool has none */
    uint32_t          n;

    recs_category_t  *categories;
    uint32_t          ncategories;
    uint32_t         *members;      /* all items, category by category */
    uint32_t         *buckets;      /* hash table of the categories by their
                                       names: number + 1, or 0 */
    uint32_t          mask;         /* number of buckets, a power of two, - 1 */

    uint64_t          fingerprint;  /* of the ids, weights and categories: from
                                       0 hashed on (recs_hash.h) for each item
                                       by its id; by its weight's IEEE 754 bits,
                                       if there are weights; by its category's
                                       name, if there are categories */
} recs_choices_t;


/*
 * Begins without an item, with room for max items.  weights, categories: 1 if
 * items have such.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_choices_init(recs_choices_t *choices, const recs_mem_t *mem,
    uint32_t max, int weights, int categories);

/*
 * Adds an item; weight and category are ignored if items have no such.  The
 * bytes of id and category must stay.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_choices_add(recs_choices_t *choices, const recs_mem_t *mem,
    const recs_str_t *id, unsigned forms, double weight,
    const recs_str_t *category);

/* Ends it, after the last item.  Returns RECS_OK or RECS_NOMEM. */

recs_rc_e recs_choices_end(recs_choices_t *choices, const recs_mem_t *mem);

/* The category of that name; RECS_CATEGORY_NONE if no item is of it. */

uint32_t recs_choices_category(const recs_choices_t *choices,
    const recs_str_t *name);

/*
 * Counts how many items of each category the page shows, as it came, into
 * shows[], which has room for ncategories numbers: of each shelf the first
 * limit items (0: all).  where: the pointer to the category within an item of
 * the page.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_choices_shown(const recs_choices_t *choices,
    const recs_mem_t *mem, const recs_page_t *page, size_t limit,
    recs_pointer_t *where, uint32_t *shows);

/*
 * Reads an object's weight and category from its text, JSON or MessagePack, at
 * the pointers weight_at and category_at; what has no pointer (NULL) is not
 * read.  A category is a string, an integer or a bin; an object that has none
 * is of the category "".  category points into the text or to memory from mem.
 * Returns NULL, or a sentence that says why the object can't be explored with.
 */

const char *recs_choices_read(const recs_mem_t *mem, const recs_str_t *text,
    recs_pointer_t *weight_at, recs_pointer_t *category_at, double *weight,
    recs_str_t *category);


#endif /* RECS_CHOICES_H */
