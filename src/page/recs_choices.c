
/*
 * A pool as exploration draws from it is made item by item, and a page's items
 * are counted by its categories: see recs_choices.h.
 */


#include "recs_choices.h"
#include "recs_hash.h"


/* There is room for so many categories at first. */

#define RECS_CATEGORIES_MIN  8


static recs_rc_e recs_choices_join(recs_choices_t *choices,
    const recs_mem_t *mem, const recs_str_t *name);
static recs_rc_e recs_choices_grow(recs_choices_t *choices,
    const recs_mem_t *mem);
static uint32_t *recs_choices_bucket(const recs_choices_t *choices,
    const recs_str_t *name);
static recs_rc_e recs_choices_name(const recs_mem_t *mem,
    const recs_value_t *v, recs_str_t *name);
static const char *recs_choices_value(const recs_mem_t *mem,
    recs_format_e format, const recs_str_t *text, recs_pointer_t *where,
    recs_value_t *v);


static const char  recs_no_memory[] = "out of memory";


recs_rc_e
recs_choices_init(recs_choices_t *choices, const recs_mem_t *mem, uint32_t max,
    int weights, int categories)
{
    memset(choices, 0, sizeof(recs_choices_t));

    choices->ids = recs_alloc(mem, max * sizeof(recs_str_t) + 1);
    choices->forms = recs_alloc(mem, max + 1);

    if (choices->ids == NULL || choices->forms == NULL) {
        return RECS_NOMEM;
    }

    if (weights) {
        choices->weights = recs_alloc(mem, max * sizeof(double) + 1);

        if (choices->weights == NULL) {
            return RECS_NOMEM;
        }
    }

    if (!categories) {
        return RECS_OK;
    }

    choices->category = recs_alloc(mem, max * sizeof(uint32_t) + 1);

    return choices->category ? recs_choices_grow(choices, mem) : RECS_NOMEM;
}


recs_rc_e
recs_choices_add(recs_choices_t *choices, const recs_mem_t *mem,
    const recs_str_t *id, unsigned forms, double weight,
    const recs_str_t *category)
{
    uint64_t  h, bits;

    if (choices->category
        && recs_choices_join(choices, mem, category) != RECS_OK)
    {
        return RECS_NOMEM;
    }

    h = recs_hash_str(choices->fingerprint, id);

    if (choices->weights) {
        choices->weights[choices->n] = weight;

        memcpy(&bits, &weight, sizeof(uint64_t));
        h = recs_hash_int(h, bits);
    }

    if (choices->category) {
        h = recs_hash_str(h, category);
    }

    choices->fingerprint = h;
    choices->ids[choices->n] = *id;
    choices->forms[choices->n++] = (uint8_t) forms;

    return RECS_OK;
}


/* Notes that the item to come next is of the category of that name. */

static recs_rc_e
recs_choices_join(recs_choices_t *choices, const recs_mem_t *mem,
    const recs_str_t *name)
{
    uint32_t         *bucket;
    recs_category_t  *category;

    bucket = recs_choices_bucket(choices, name);

    if (*bucket == 0) {

        if (choices->ncategories > choices->mask / 2) {

            if (recs_choices_grow(choices, mem) != RECS_OK) {
                return RECS_NOMEM;
            }

            bucket = recs_choices_bucket(choices, name);
        }

        category = &choices->categories[choices->ncategories++];
        category->name = *name;
        category->n = 0;

        *bucket = choices->ncategories;
    }

    choices->category[choices->n] = *bucket - 1;
    choices->categories[*bucket - 1].n++;

    return RECS_OK;
}


/* Makes room for twice as many categories. */

static recs_rc_e
recs_choices_grow(recs_choices_t *choices, const recs_mem_t *mem)
{
    size_t            nbuckets;
    uint32_t          i;
    recs_category_t  *categories;

    nbuckets = choices->buckets ? 2 * ((size_t) choices->mask + 1)
                                : 2 * RECS_CATEGORIES_MIN;

    categories = recs_alloc(mem, nbuckets / 2 * sizeof(recs_category_t));
    choices->buckets = recs_alloc(mem, nbuckets * sizeof(uint32_t));

    if (categories == NULL || choices->buckets == NULL) {
        return RECS_NOMEM;
    }

    memset(choices->buckets, 0, nbuckets * sizeof(uint32_t));
    choices->mask = (uint32_t) (nbuckets - 1);

    for (i = 0; i < choices->ncategories; i++) {
        categories[i] = choices->categories[i];
        *recs_choices_bucket(choices, &categories[i].name) = i + 1;
    }

    choices->categories = categories;

    return RECS_OK;
}


/*
 * The bucket of the category of that name, or the free one (0) where it would
 * be.  At least half of all buckets are free, so that the search ends.
 */

static uint32_t *
recs_choices_bucket(const recs_choices_t *choices, const recs_str_t *name)
{
    uint32_t  i, *bucket;

    i = (uint32_t) recs_hash_str(0, name) & choices->mask;

    for ( ;; ) {
        bucket = &choices->buckets[i];

        if (*bucket == 0
            || recs_str_eq(&choices->categories[*bucket - 1].name, name))
        {
            return bucket;
        }

        i = (i + 1) & choices->mask;
    }
}


recs_rc_e
recs_choices_end(recs_choices_t *choices, const recs_mem_t *mem)
{
    uint32_t          i, k, first;
    recs_category_t  *category;

    if (choices->category == NULL) {
        return RECS_OK;
    }

    choices->members = recs_alloc(mem, choices->n * sizeof(uint32_t) + 1);
    if (choices->members == NULL) {
        return RECS_NOMEM;
    }

    first = 0;

    for (k = 0; k < choices->ncategories; k++) {
        category = &choices->categories[k];
        category->first = first;
        first += category->n;
        category->n = 0;
    }

    for (i = 0; i < choices->n; i++) {
        category = &choices->categories[choices->category[i]];
        choices->members[category->first + category->n++] = i;
    }

    return RECS_OK;
}


uint32_t
recs_choices_category(const recs_choices_t *choices, const recs_str_t *name)
{
    if (choices->ncategories == 0) {
        return RECS_CATEGORY_NONE;
    }

    return *recs_choices_bucket(choices, name) - 1;
}


recs_rc_e
recs_choices_shown(const recs_choices_t *choices, const recs_mem_t *mem,
    const recs_page_t *page, size_t limit, recs_pointer_t *where,
    uint32_t *shows)
{
    size_t                i, k, n;
    uint32_t              number;
    recs_str_t            name;
    recs_value_t          v;
    const recs_shelf_t   *shelf;

    memset(shows, 0, choices->ncategories * sizeof(uint32_t));

    for (k = 0; k < page->nshelves; k++) {
        shelf = &page->shelves[k];
        n = limit && limit < shelf->nitems ? limit : shelf->nitems;

        for (i = shelf->first; i < shelf->first + n; i++) {

            /* the page was read before: all that can lack is memory */

            if (recs_choices_value(mem, page->format, &page->items[i].span,
                                   where, &v)
                || recs_choices_name(mem, &v, &name) != RECS_OK)
            {
                return RECS_NOMEM;
            }

            number = recs_choices_category(choices, &name);

            if (number != RECS_CATEGORY_NONE) {
                shows[number]++;
            }
        }
    }

    return RECS_OK;
}


/* The name of the category that v is the value of; "" if it is no id. */

static recs_rc_e
recs_choices_name(const recs_mem_t *mem, const recs_value_t *v,
    recs_str_t *name)
{
    static const recs_str_t  none = recs_string("");

    if (recs_value_id(mem, v, name) != RECS_OK) {
        return RECS_NOMEM;
    }

    if (name->data == NULL) {
        *name = none;
    }

    return RECS_OK;
}


/*
 * Reads the value that the pointer where leads to in a document.  Returns NULL,
 * or what is wrong with the document.
 */

static const char *
recs_choices_value(const recs_mem_t *mem, recs_format_e format,
    const recs_str_t *text, recs_pointer_t *where, recs_value_t *v)
{
    size_t             pos;
    recs_page_t        page;
    const char        *error;
    recs_page_spec_t   spec;

    memset(&spec, 0, sizeof(recs_page_spec_t));
    spec.values = where;
    spec.nvalues = 1;

    switch (recs_page_read(mem, &spec, format, text, &page, &error, &pos)) {

    case RECS_OK:
        *v = page.values[0];
        return NULL;

    case RECS_NOMEM:
        return recs_no_memory;

    default:
        return error;
    }
}


/* Reads v as a weight.  Returns NULL, or what is wrong with it. */

static const char *
recs_choices_weight(const recs_mem_t *mem, const recs_value_t *v,
    double *weight)
{
    if (v->span.data == NULL
        || (v->type != RECS_INTEGER && v->type != RECS_NUMBER))
    {
        return "it has no weight that is a number";
    }

    if (recs_value_double(mem, v, weight) != RECS_OK) {
        return recs_no_memory;
    }

    if (*weight == 0
        || (*weight >= RECS_WEIGHT_MIN && *weight <= RECS_WEIGHT_MAX))
    {
        return NULL;
    }

    return "its weight is neither 0 nor from 1e-100 to 1e100";
}


const char *
recs_choices_read(const recs_mem_t *mem, const recs_str_t *text,
    recs_pointer_t *weight_at, recs_pointer_t *category_at, double *weight,
    recs_str_t *category)
{
    const char     *error;
    recs_value_t    v;
    recs_format_e   format;

    format = recs_format_of(text);

    if (weight_at) {
        error = recs_choices_value(mem, format, text, weight_at, &v);
        if (error) {
            return error;
        }

        error = recs_choices_weight(mem, &v, weight);
        if (error) {
            return error;
        }
    }

    if (category_at == NULL) {
        return NULL;
    }

    error = recs_choices_value(mem, format, text, category_at, &v);
    if (error) {
        return error;
    }

    return recs_choices_name(mem, &v, category) == RECS_OK ? NULL
                                                           : recs_no_memory;
}
