
/*
 * A page is made of what the walk through a document found: see recs_page.h;
 * the walk is in recs_walk.c.
 */


#include "recs_page.h"
#include "recs_walk.h"


static void recs_page_arrays(recs_walk_t *w);
static recs_rc_e recs_page_shelves(recs_walk_t *w);
static recs_rc_e recs_page_items(recs_walk_t *w);
static recs_rc_e recs_page_companions(recs_walk_t *w);
static recs_rc_e recs_page_companion(recs_walk_t *w, size_t with,
    size_t first);


recs_rc_e
recs_page_read(const recs_mem_t *mem, const recs_page_spec_t *spec,
    recs_format_e format, const recs_str_t *text, recs_page_t *page,
    const char **error, size_t *pos)
{
    size_t       i, n;
    uint64_t     mask;
    recs_rc_e    rc;
    recs_walk_t  w;

    memset(page, 0, sizeof(recs_page_t));
    page->format = format;
    page->text = *text;

    w.mem = mem;
    w.spec = spec;
    w.page = page;
    w.item = NULL;
    w.items_size = 0;
    w.cuts_size = 0;
    w.rc = RECS_MALFORMED;

    recs_page_arrays(&w);

    n = w.narrays;

    for (i = 0; i < spec->nvalues; i++) {
        w.base[n] = 0;
        w.pointers[n++] = &spec->values[i];
    }

    mask = ((uint64_t) 1 << n) - 1;

    w.id_mask = (uint64_t) 1 << n;
    w.base[n] = 0;
    w.pointers[n] = spec->item_id;

    if (spec->nvalues) {
        page->values = recs_alloc(mem, spec->nvalues * sizeof(recs_value_t));
        if (page->values == NULL) {
            return RECS_NOMEM;
        }

        memset(page->values, 0, spec->nvalues * sizeof(recs_value_t));
    }

    recs_read_init(&w.rd, format, text->data, text->len);

    if (recs_walk(&w, mask) < 0) {
        *error = w.rd.error;
        *pos = w.rd.pos - text->data;
        return w.rc;
    }

    rc = recs_page_shelves(&w);

    if (rc == RECS_NO_COMPANION || rc == RECS_UNEVEN) {
        *pos = w.rd.pos - text->data;
    }

    return rc;
}


/*
 * Sets the walk's pointers to shelves and companions, with nothing found yet.
 * Companions cost a page that has none no more than a look at an empty mask.
 */

static void
recs_page_arrays(recs_walk_t *w)
{
    size_t                   i, k, n;
    const recs_with_t       *with;
    const recs_page_spec_t  *spec;

    spec = w->spec;
    w->star_mask = 0;

    for (n = 0; n < spec->nshelves; n++) {
        w->pointers[n] = &spec->shelves[n];
    }

    for (i = 0; i < spec->nwith; i++) {
        with = &spec->with[i];

        if (recs_pointer_has_star(&with->pointer)) {
            w->star_mask |= (uint64_t) 1 << n | (uint64_t) 1 << with->shelf;
        }

        w->pointers[n++] = &with->pointer;
    }

    for (k = 0; k < n; k++) {
        memset(&w->found[k], 0, sizeof(recs_found_t));
        w->base[k] = 0;
        w->within[k] = 0;
    }

    w->narrays = n;
    w->array_mask = ((uint64_t) 1 << n) - 1;

    w->nshelves = 0;
    w->elements = NULL;
    w->nelements = 0;
    w->elements_size = 0;
    w->ncompanions = 0;
    w->max_elements = spec->nwith && spec->max_items > SIZE_MAX / spec->nwith
                      ? SIZE_MAX : spec->max_items * spec->nwith;
}


/*
 * Puts the shelves that the walk found into the order of their pointers, then
 * the items, and finds the companions.
 */

static recs_rc_e
recs_page_shelves(recs_walk_t *w)
{
    size_t         i, n;
    recs_page_t   *page;
    recs_found_t  *found;

    page = w->page;
    n = 0;

    for (i = 0; i < w->spec->nshelves; i++) {
        n += w->found[i].n;
    }

    if (n == 0) {
        page->nitems = 0;
        return w->spec->nshelves ? RECS_NO_SHELF : RECS_OK;
    }

    page->shelves = recs_alloc(w->mem, n * sizeof(recs_shelf_t));
    if (page->shelves == NULL) {
        return RECS_NOMEM;
    }

    for (i = 0; i < w->spec->nshelves; i++) {
        found = &w->found[i];

        if (found->n) {
            memcpy(&page->shelves[page->nshelves], found->shelves,
                   found->n * sizeof(recs_shelf_t));
            page->nshelves += found->n;
        }
    }

    if (recs_page_items(w) != RECS_OK) {
        return RECS_NOMEM;
    }

    return w->spec->nwith ? recs_page_companions(w) : RECS_OK;
}


/*
 * Sorts the items into the order of the shelves, without those of shelves that
 * were taken back.  They were read as they stand in the document, which mostly
 * is that order.
 */

static recs_rc_e
recs_page_items(recs_walk_t *w)
{
    size_t         i, n;
    recs_item_t   *items;
    recs_page_t   *page;
    recs_shelf_t  *shelf;

    page = w->page;
    n = 0;

    for (i = 0; i < page->nshelves; i++) {
        if (page->shelves[i].first != n) {
            break;
        }

        n += page->shelves[i].nitems;
    }

    if (i == page->nshelves) {
        page->nitems = n;
        return RECS_OK;
    }

    items = recs_alloc(w->mem, page->nitems * sizeof(recs_item_t));
    if (items == NULL) {
        return RECS_NOMEM;
    }

    n = 0;

    for (i = 0; i < page->nshelves; i++) {
        shelf = &page->shelves[i];

        if (shelf->nitems) {
            memcpy(&items[n], &page->items[shelf->first],
                   shelf->nitems * sizeof(recs_item_t));
        }

        shelf->first = n;
        n += shelf->nitems;
    }

    page->items = items;
    page->nitems = n;

    return RECS_OK;
}


/* Gives each shelf its companions. */

static recs_rc_e
recs_page_companions(recs_walk_t *w)
{
    size_t                   i, k, first, n, together;
    recs_rc_e                rc;
    recs_page_t             *page;
    const recs_page_spec_t  *spec;

    spec = w->spec;
    page = w->page;
    n = 0;

    for (i = 0; i < spec->nwith; i++) {
        n += w->found[spec->nshelves + i].n;
    }

    page->companions = recs_alloc(w->mem, n * sizeof(recs_companion_t) + 1);
    if (page->companions == NULL) {
        return RECS_NOMEM;
    }

    first = 0;

    for (k = 0; k < spec->nshelves; k++) {
        together = 0;

        for (i = 0; i < spec->nwith; i++) {

            if (spec->with[i].shelf != k) {
                continue;
            }

            rc = recs_page_companion(w, i, first);
            if (rc != RECS_OK) {
                return rc;
            }

            if (++together > page->together) {
                page->together = together;
            }
        }

        first += w->found[k].n;
    }

    return RECS_OK;
}


/*
 * Gives the shelves of one pointer, from number first on, the companions that
 * with describes.  One pass over both finds those that belong together: shelves
 * and companions stand in the order of the document, and so do the elements
 * that the last "*" stood for, each of which holds at most one array that the
 * same pointer leads to.
 */

static recs_rc_e
recs_page_companion(recs_walk_t *w, size_t with, size_t first)
{
    size_t                i, end;
    recs_page_t          *page;
    const recs_found_t   *found;
    const recs_shelf_t   *shelf, *array, *last;
    recs_companion_t     *companion;

    page = w->page;
    found = &w->found[w->spec->nshelves + with];
    array = found->shelves;
    last = found->n ? array + found->n : array;
    end = first + w->found[w->spec->with[with].shelf].n;

    for (i = first; i < end; i++) {
        shelf = &page->shelves[i];

        while (array < last && array->within < shelf->within) {
            array++;
        }

        if (array == last || array->within != shelf->within) {

            if (w->spec->with[with].optional) {
                continue;
            }

            w->rd.pos = shelf->open.data;
            return RECS_NO_COMPANION;
        }

        if (array->nitems != shelf->nitems) {
            w->rd.pos = array->open.data;
            return RECS_UNEVEN;
        }

        companion = &page->companions[page->ncompanions++];
        companion->shelf = i;
        companion->open = array->open;
        companion->elements = array->nitems ? &w->elements[array->first] : NULL;
    }

    return RECS_OK;
}
