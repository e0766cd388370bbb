
/*
 * The walk through a document, which finds what pointers lead to: see
 * recs_walk.h.
 *
 * Most functions here read what stands next in the document, at w->rd.  mask:
 * the pointers that lead there; depth: how many tokens led there from the root.
 * They return 0, or -1, as recs_walk() does.
 */


#include "recs_walk.h"


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
static int recs_walk_found(recs_walk_t *w, uint64_t ended,
    const recs_value_t *v);
static void recs_walk_forget(recs_walk_t *w, uint64_t mask,
    const size_t *marks);
static void *recs_walk_grow(recs_walk_t *w, void *old, size_t n, size_t *size,
    size_t each);


/* The number of the first pointer in mask, which is not 0. */

static inline unsigned
recs_lowest(uint64_t mask)
{
    return (unsigned) __builtin_ctzll(mask);
}


int
recs_walk(recs_walk_t *w, uint64_t mask)
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


/* Reads the value that stands next; v->span is the whole of it. */

static int
recs_walk_value(recs_walk_t *w, uint64_t mask, unsigned depth, recs_value_t *v)
{
    int       rc;
    unsigned  k;
    uint64_t  m, ended;

    /* of the root object all members are read, for the reserved ones */

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


/* Lists the names of members through which the pointers of mask go on. */

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


/* Returns the pointers of mask that go on through the member named key. */

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
 * Notes a member of the root object, which was read.  A reserved one is to be
 * cut out with the comma before it; reserved members that the object begins
 * with, with the comma after them.  *lead is where such ones begin, or NULL if
 * there are none, or another member came.  (In MessagePack there are no commas:
 * cuts begin and end with members.)
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
        page->cuts = recs_walk_grow(w, page->cuts, page->ncuts, &w->cuts_size,
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


/* Reads on to the end of an object that was opened. */

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

        /* reserved members may be among those that no pointer leads to */

        rc = depth == 0 ? recs_read_member(&w->rd, object, &key)
                        : recs_read_find(&w->rd, object, names, n, &key);

        if (rc != 1) {
            return rc;
        }

        next = recs_walk_member(w, mask, depth, &key);

        if (next) {
            /* if this name comes again, the member before counts no more */
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


/* Returns the pointers of mask that go on through the element at index. */

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
 * Notes where the element at rd.pos is, for the pointers of next that go on
 * through it by a "*".  (Where "*" is the name of an object's member it leads
 * to one value only, and tells no two arrays apart.)
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


/* Reads on to the end of an array that was opened, and is no shelf. */

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


/*
 * Notes an array that the pointer leads to, a shelf or a companion; first: the
 * number that its first item or element will have.  Returns NULL if there is no
 * memory.
 */

static recs_shelf_t *
recs_walk_array_found(recs_walk_t *w, size_t pointer, size_t first,
    const recs_value_t *array)
{
    recs_found_t  *found;
    recs_shelf_t  *shelf;

    found = &w->found[pointer];
    found->shelves = recs_walk_grow(w, found->shelves, found->n, &found->size,
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


/* Reads on to the end of a shelf that was opened, to which pointer leads. */

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

        page->items = recs_walk_grow(w, page->items, page->nitems,
                                     &w->items_size, sizeof(recs_item_t));
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


/* Reads on to the end of a companion that was opened. */

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

        w->elements = recs_walk_grow(w, w->elements, w->nelements,
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


/* Notes the scalar v, to which the pointers of ended lead. */

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
 * Takes back what the pointers of mask found in the object that is being read.
 * marks: how many arrays each had found before that object.
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


/*
 * Makes room for one more than n elements of each bytes: at old, which has room
 * for *size of them, or elsewhere.  Returns where they are now, or NULL.
 */

static void *
recs_walk_grow(recs_walk_t *w, void *old, size_t n, size_t *size, size_t each)
{
    void    *new;
    size_t   more;

    if (n < *size) {
        return old;
    }

    /* items and shelves are at most max_items; of others there may be more */

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
