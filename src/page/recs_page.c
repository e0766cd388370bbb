
#include "recs_page.h"


/*
 * The walk descends only where a pointer leads and skips, checked, the rest.
 * Which pointers lead on is a mask, a bit each: the spec's shelves come first,
 * then the companions of these, its values, and the items' id.
 */

typedef struct {
    recs_shelf_t            *shelves;
    size_t                   n;
    size_t                   size;
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
                                       array_mask's pointers, in document order;
                                       a companion's first is in elements */
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


static int recs_walk_value(recs_walk_t *w, uint64_t mask, unsigned depth,
    recs_value_t *v);
static int recs_walk_object(recs_walk_t *w, uint64_t mask, unsigned depth,
    recs_value_t *object);
static int recs_walk_array(recs_walk_t *w, uint64_t mask, unsigned depth,
    recs_value_t *array);
static int recs_walk_shelf(recs_walk_t *w, uint64_t mask, unsigned depth,
    size_t pointer, recs_value_t *array);
static int recs_walk_companion(recs_walk_t *w, uint64_t mask, unsigned depth,
    size_t pointer, recs_value_t *array);
static int recs_walk_root(recs_walk_t *w, uint64_t mask);
static int recs_walk_found(recs_walk_t *w, uint64_t ended,
    const recs_value_t *v);
static void recs_walk_forget(recs_walk_t *w, uint64_t mask,
    const size_t *marks);
static recs_rc_e recs_page_shelves(recs_walk_t *w);
static recs_rc_e recs_page_items(recs_walk_t *w);
static recs_rc_e recs_page_companions(recs_walk_t *w);
static recs_rc_e recs_page_companion(recs_walk_t *w, size_t with,
    size_t first);
static void *recs_grow(recs_walk_t *w, void *old, size_t n, size_t *size,
    size_t each);


static inline unsigned
recs_lowest(uint64_t mask)
{
    return (unsigned) __builtin_ctzll(mask);
}


/*
 * The pointers to arrays, and what is found by them: nothing yet.  What has no
 * companion costs nothing on the way but a look at a mask that is empty.
 */

static void
recs_walk_arrays(recs_walk_t *w)
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

    recs_walk_arrays(&w);

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

    if (recs_walk_root(&w, mask) < 0) {
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


static int
recs_walk_root(recs_walk_t *w, uint64_t mask)
{
    recs_value_t  v;

    if (recs_walk_value(w, mask, 0, &v) < 0
        || recs_read_finish(&w->rd) < 0)
    {
        return -1;
    }

    w->page->root = v.type;
    w->page->not_utf8 = w->rd.not_utf8;

    return 0;
}


/*
 * Reads the value that stands next; v->span is the whole of it.  mask: the
 * pointers that lead here, depth: how many tokens led here.
 */

static int
recs_walk_value(recs_walk_t *w, uint64_t mask, unsigned depth, recs_value_t *v)
{
    int       rc;
    unsigned  k;
    uint64_t  m, ended;

    /* the root's members are read in any case, for the reserved ones */

    if (mask == 0 && depth > 0) {
        return recs_read_skip(&w->rd, v);
    }

    if (recs_read_open(&w->rd, v) < 0) {
        return -1;
    }

    ended = 0;

    for (m = mask; m; m &= m - 1) {
        k = recs_lowest(m);

        if (w->pointers[k]->ntokens == depth - w->base[k]) {
            ended |= (uint64_t) 1 << k;
        }
    }

    switch (v->type) {

    case RECS_OBJECT:
        rc = recs_walk_object(w, mask & ~ended, depth, v);
        break;

    case RECS_ARRAY:
        if (ended & w->array_mask) {
            k = recs_lowest(ended & w->array_mask);
            rc = k < w->spec->nshelves
                 ? recs_walk_shelf(w, mask & ~ended, depth, k, v)
                 : recs_walk_companion(w, mask & ~ended, depth, k, v);
            break;
        }

        rc = recs_walk_array(w, mask & ~ended, depth, v);
        break;

    default:
        return ended ? recs_walk_found(w, ended, v) : 0;
    }

    v->span.len = w->rd.pos - v->span.data;

    return rc;
}


/* The names of members through which the pointers of mask go on. */

static size_t
recs_walk_names(recs_walk_t *w, uint64_t mask, unsigned depth,
    recs_str_t *names)
{
    size_t    n;
    unsigned  k;
    uint64_t  m;

    n = 0;

    for (m = mask; m; m &= m - 1) {
        k = recs_lowest(m);
        names[n++] = w->pointers[k]->tokens[depth - w->base[k]].text;
    }

    return n;
}


/* The pointers of mask that go on through the member named key. */

static uint64_t
recs_walk_member(recs_walk_t *w, uint64_t mask, unsigned depth,
    const recs_value_t *key)
{
    unsigned      k;
    uint64_t      m, next;
    const recs_token_t  *token;

    next = 0;

    for (m = mask; m; m &= m - 1) {
        k = recs_lowest(m);
        token = &w->pointers[k]->tokens[depth - w->base[k]];

        if (recs_value_text_is(key, &token->text)) {
            next |= (uint64_t) 1 << k;
        }
    }

    return next;
}


/*
 * Notes what the root object's member that ends here means for the reserved
 * ones: lead is the start of reserved members that no other stands before.
 * (In MessagePack nothing stands between members; there, all of this is about
 * where they begin and end.)
 */

static int
recs_walk_reserved(recs_walk_t *w, const recs_value_t *key,
    const uint8_t **lead)
{
    recs_cut_t         *cut;
    recs_page_t        *page;
    const uint8_t      *from;

    static const recs_str_t  reserved = recs_string(RECS_RESERVED);

    page = w->page;

    if (!recs_value_text_is(key, &reserved)) {

        if (*lead) {
            page->cuts[page->ncuts - 1].to = key->span.data;
            *lead = NULL;
        }

        page->tail = w->rd.pos;
        page->empty = 0;

        return 0;
    }

    page->nreserved++;

    if (page->empty && *lead == NULL) {
        *lead = key->span.data;
    }

    from = page->empty ? *lead : page->tail;

    /* reserved members in a row are one cut */

    cut = page->ncuts ? &page->cuts[page->ncuts - 1] : NULL;

    if (cut == NULL || cut->from != from) {
        page->cuts = recs_grow(w, page->cuts, page->ncuts, &w->cuts_size,
                               sizeof(recs_cut_t));
        if (page->cuts == NULL) {
            return -1;
        }

        cut = &page->cuts[page->ncuts++];
        cut->from = from;
    }

    cut->to = w->rd.pos;

    return 0;
}


static int
recs_walk_object(recs_walk_t *w, uint64_t mask, unsigned depth,
    recs_value_t *object)
{
    int             rc;
    size_t          n, marks[RECS_PAGE_POINTERS_MAX];
    uint64_t        m, next;
    recs_str_t      names[RECS_PAGE_POINTERS_MAX];
    recs_value_t    key, v;
    const uint8_t  *lead;

    lead = NULL;
    n = recs_walk_names(w, mask, depth, names);

    for (m = mask & w->array_mask; m; m &= m - 1) {
        marks[recs_lowest(m)] = w->found[recs_lowest(m)].n;
    }

    if (depth == 0) {
        w->page->open = object->span;
        w->page->nmembers = object->left;
        w->page->tail = w->rd.pos;
        w->page->empty = 1;
    }

    for ( ;; ) {

        /* of the root all members matter: reserved ones are among them */

        rc = depth == 0 ? recs_read_member(&w->rd, object, &key)
                        : recs_read_find(&w->rd, object, names, n, &key);

        if (rc != 1) {
            return rc;
        }

        next = recs_walk_member(w, mask, depth, &key);

        if (next) {
            /* a name that comes again takes back what was found before */
            recs_walk_forget(w, next, marks);
        }

        if (recs_walk_value(w, next, depth + 1, &v) < 0) {
            return -1;
        }

        if (depth == 0 && recs_walk_reserved(w, &key, &lead) < 0) {
            return -1;
        }
    }
}


/* The pointers of mask that go on through the element at index. */

static uint64_t
recs_walk_index(recs_walk_t *w, uint64_t mask, unsigned depth, size_t index)
{
    unsigned       k;
    uint64_t       m, next;
    const recs_token_t  *token;

    next = 0;

    for (m = mask; m; m &= m - 1) {
        k = recs_lowest(m);
        token = &w->pointers[k]->tokens[depth - w->base[k]];

        if (token->star || token->index == index) {
            next |= (uint64_t) 1 << k;
        }
    }

    return next;
}


/*
 * Pointers of next go on through the element at rd.pos: notes the "*" of these.
 * (In an object "*" is one member, which tells no two arrays apart.)
 */

static recs_inline void
recs_walk_stars(recs_walk_t *w, uint64_t next, unsigned depth)
{
    unsigned  k;
    uint64_t  m;

    for (m = next & w->star_mask; m; m &= m - 1) {
        k = recs_lowest(m);

        if (w->pointers[k]->tokens[depth].star) {
            w->within[k] = (size_t) (w->rd.pos - w->page->text.data);
        }
    }
}


static int
recs_walk_array(recs_walk_t *w, uint64_t mask, unsigned depth,
    recs_value_t *array)
{
    int           rc;
    size_t        index;
    uint64_t      next;
    recs_value_t  v;

    index = 0;

    while ((rc = recs_read_element(&w->rd, array)) == 1) {

        next = recs_walk_index(w, mask, depth, index++);
        recs_walk_stars(w, next, depth);

        if (recs_walk_value(w, next, depth + 1, &v) < 0) {
            return -1;
        }
    }

    return rc;
}


/* An array is found, of a shelf or a companion.  NULL: no memory. */

static recs_shelf_t *
recs_walk_array_found(recs_walk_t *w, size_t pointer, size_t first,
    const recs_value_t *array)
{
    recs_found_t  *found;
    recs_shelf_t  *shelf;

    found = &w->found[pointer];
    found->shelves = recs_grow(w, found->shelves, found->n, &found->size,
                               sizeof(recs_shelf_t));
    if (found->shelves == NULL) {
        return NULL;
    }

    shelf = &found->shelves[found->n++];
    shelf->first = first;
    shelf->nitems = 0;
    shelf->open = array->span;
    shelf->within = w->within[pointer];

    return shelf;
}


static int
recs_walk_shelf(recs_walk_t *w, uint64_t mask, unsigned depth, size_t pointer,
    recs_value_t *array)
{
    int            rc;
    uint64_t       next;
    recs_item_t   *item;
    recs_page_t   *page;
    recs_shelf_t  *shelf;
    recs_value_t   v;

    page = w->page;

    if (w->nshelves++ == w->spec->max_items) {
        w->rc = RECS_TOO_MANY;
        return -1;
    }

    shelf = recs_walk_array_found(w, pointer, page->nitems, array);
    if (shelf == NULL) {
        return -1;
    }

    w->base[recs_lowest(w->id_mask)] = depth + 1;

    while ((rc = recs_read_element(&w->rd, array)) == 1) {

        if (page->nitems == w->spec->max_items) {
            w->rc = RECS_TOO_MANY;
            return -1;
        }

        page->items = recs_grow(w, page->items, page->nitems, &w->items_size,
                                sizeof(recs_item_t));
        if (page->items == NULL) {
            return -1;
        }

        item = &page->items[page->nitems++];
        item->id.data = NULL;
        item->id.len = 0;
        item->bin = 0;
        w->item = item;

        next = recs_walk_index(w, mask, depth, shelf->nitems++);

        if (recs_walk_value(w, next | w->id_mask, depth + 1, &v) < 0) {
            return -1;
        }

        item->span = v.span;
        item->type = v.type;

        /* a scalar item is its own id */

        if (v.type >= RECS_STRING
            && recs_walk_found(w, w->id_mask, &v) < 0)
        {
            return -1;
        }
    }

    return rc;
}


static int
recs_walk_companion(recs_walk_t *w, uint64_t mask, unsigned depth,
    size_t pointer, recs_value_t *array)
{
    int            rc;
    uint64_t       next;
    recs_shelf_t  *companion;
    recs_value_t   v;

    if (w->ncompanions++ == w->max_elements) {
        w->rc = RECS_TOO_MANY;
        return -1;
    }

    companion = recs_walk_array_found(w, pointer, w->nelements, array);
    if (companion == NULL) {
        return -1;
    }

    while ((rc = recs_read_element(&w->rd, array)) == 1) {

        if (w->nelements == w->max_elements) {
            w->rc = RECS_TOO_MANY;
            return -1;
        }

        w->elements = recs_grow(w, w->elements, w->nelements,
                                &w->elements_size, sizeof(recs_str_t));
        if (w->elements == NULL) {
            return -1;
        }

        next = recs_walk_index(w, mask, depth, companion->nitems++);

        if (recs_walk_value(w, next, depth + 1, &v) < 0) {
            return -1;
        }

        w->elements[w->nelements++] = v.span;
    }

    return rc;
}


/* Pointers end at the scalar v. */

static int
recs_walk_found(recs_walk_t *w, uint64_t ended, const recs_value_t *v)
{
    uint64_t  m;

    if (ended & w->id_mask) {

        if (recs_value_id(w->mem, v, &w->item->id) != RECS_OK) {
            w->rc = RECS_NOMEM;
            return -1;
        }

        w->item->bin = (v->type == RECS_BINARY);
    }

    for (m = ended & ~w->id_mask & ~w->array_mask; m; m &= m - 1) {
        w->page->values[recs_lowest(m) - w->narrays] = *v;
    }

    return 0;
}


/*
 * Takes back what the pointers of mask found in the object being read, before
 * which they had found marks arrays.
 */

static void
recs_walk_forget(recs_walk_t *w, uint64_t mask, const size_t *marks)
{
    unsigned  k;
    uint64_t  m;

    for (m = mask; m; m &= m - 1) {
        k = recs_lowest(m);

        if (k < w->narrays) {
            w->found[k].n = marks[k];

        } else if (w->id_mask >> k & 1) {
            w->item->id.data = NULL;
            w->item->id.len = 0;

        } else {
            memset(&w->page->values[k - w->narrays], 0, sizeof(recs_value_t));
        }
    }
}


/* Joins what the pointers found, in their order. */

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
 * Items were read as they stand in the document.  Unless they are in the order
 * of the shelves, with none of a shelf that was taken back, they are now put
 * so.
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
 * Those that with says, of the shelves from first on.  Both stand in the order
 * of the document, and so do the elements that the last "*" stood for: no two
 * of one pointer are within the same one.
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


/* Room for one more than n elements of each bytes at old. */

static void *
recs_grow(recs_walk_t *w, void *old, size_t n, size_t *size, size_t each)
{
    void    *new;
    size_t   more;

    if (n < *size) {
        return old;
    }

    /* items and shelves are max_items at most; others may be more */

    more = *size ? *size * 4 : 64;

    if (more > w->spec->max_items && w->spec->max_items > n) {
        more = w->spec->max_items;
    }

    new = recs_alloc(w->mem, more * each);
    if (new == NULL) {
        w->rc = RECS_NOMEM;
        return NULL;
    }

    if (n) {
        memcpy(new, old, n * each);
    }

    *size = more;

    return new;
}
