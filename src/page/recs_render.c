
/*
 * Rendering (see recs_render.h) in two steps: edits of the shelves with their
 * companions, and edits of the root object, each list in the order of the
 * document; then both lists are merged into pieces.
 */


#include "recs_render.h"

#include <stdlib.h>


/* An edit: text stands instead of the bytes [from, to) of the document. */

typedef struct {
    const uint8_t    *from;
    const uint8_t    *to;
    recs_str_t        text;
} recs_edit_t;


/* An array that the decision changes: a shelf, or a companion of one. */

typedef struct {
    const recs_shelf_t  *shelf;     /* an element goes if its item does */
    recs_str_t           open;      /* its bracket or header */
    const void          *spans;     /* the first element's recs_str_t */
    size_t               stride;    /* bytes from there to the next one's */
    const recs_str_t    *texts;     /* what to insert for the decision's insert
                                       k: texts[k * step] */
    size_t               step;      /* 1; 0: one text for all */
} recs_array_t;


/* Edits in the order of the document; no two overlap. */

typedef struct {
    recs_edit_t      *edits;
    size_t            n;
    uint8_t          *header;   /* where the next header of MessagePack can be
                                   written */
} recs_edits_t;


static const recs_str_t  recs_none = recs_string("");
static const recs_str_t  recs_comma = recs_string(",");
static const recs_str_t  recs_null = recs_string("null");
static const recs_str_t  recs_nil = recs_string("\xc0");


static recs_rc_e recs_edits_init(const recs_mem_t *mem, recs_edits_t *edits,
    size_t size, size_t nheaders);
static void recs_edit(recs_edits_t *edits, const uint8_t *from,
    const uint8_t *to, const recs_str_t *text);
static recs_rc_e recs_render_shelves(const recs_mem_t *mem,
    const recs_page_t *page, const recs_decision_t *d,
    const recs_str_t *inserts, recs_edits_t *edits);
static void recs_render_array(const recs_page_t *page,
    const recs_array_t *array, const recs_decision_t *d, recs_edits_t *edits);
static recs_rc_e recs_render_root(const recs_mem_t *mem,
    const recs_page_t *page, const recs_str_t *tag, recs_edits_t *edits);
static void recs_render_tag(const recs_page_t *page, const recs_str_t *tag,
    recs_edits_t *edits);
static recs_rc_e recs_render_pieces(const recs_mem_t *mem,
    const recs_page_t *page, const recs_edits_t *shelves,
    const recs_edits_t *root, recs_output_t *out);


recs_rc_e
recs_render(const recs_mem_t *mem, const recs_page_t *page,
    const recs_decision_t *decision, const recs_str_t *inserts,
    const recs_str_t *tag, recs_output_t *out)
{
    recs_edits_t  shelves, root;

    if (recs_render_shelves(mem, page, decision, inserts, &shelves) != RECS_OK
        || recs_render_root(mem, page, tag, &root) != RECS_OK)
    {
        return RECS_NOMEM;
    }

    return recs_render_pieces(mem, page, &shelves, &root, out);
}


/* The span of element i of the array. */

static recs_inline const recs_str_t *
recs_array_span(const recs_array_t *array, size_t i)
{
    return (const recs_str_t *) ((const char *) array->spans
                                 + i * array->stride);
}


/* What is inserted into the array for the decision's insert k. */

static recs_inline const recs_str_t *
recs_array_insert(const recs_array_t *array, size_t k)
{
    return &array->texts[k * array->step];
}


/* For qsort(): arrays by where they stand in the document. */

static int
recs_render_compare(const void *one, const void *two)
{
    const recs_array_t  *a, *b;

    a = one;
    b = two;

    return a->open.data < b->open.data ? -1 : a->open.data > b->open.data;
}


/* All n shelves and companions, in the order of the document. */

static recs_array_t *
recs_render_arrays(const recs_mem_t *mem, const recs_page_t *page,
    const recs_str_t *inserts, size_t n)
{
    size_t                   i, unordered;
    recs_array_t            *arrays, *array;
    const recs_shelf_t      *shelf;
    const recs_companion_t  *companion;

    arrays = recs_alloc(mem, n * sizeof(recs_array_t) + 1);
    if (arrays == NULL) {
        return NULL;
    }

    array = arrays;

    for (i = 0; i < page->nshelves; i++, array++) {
        shelf = &page->shelves[i];

        array->shelf = shelf;
        array->open = shelf->open;
        array->spans = shelf->nitems ? &page->items[shelf->first].span : NULL;
        array->stride = sizeof(recs_item_t);
        array->texts = inserts;
        array->step = 1;
    }

    for (i = 0; i < page->ncompanions; i++, array++) {
        companion = &page->companions[i];

        array->shelf = &page->shelves[companion->shelf];
        array->open = companion->open;
        array->spans = companion->elements;
        array->stride = sizeof(recs_str_t);
        array->texts = page->format == RECS_MSGPACK ? &recs_nil : &recs_null;
        array->step = 0;
    }

    unordered = 0;

    for (i = 1; i < n; i++) {
        unordered |= arrays[i].open.data < arrays[i - 1].open.data;
    }

    if (unordered) {
        qsort(arrays, n, sizeof(recs_array_t), recs_render_compare);
    }

    return arrays;
}


/* The edits of shelves and companions; d NULL: there are none. */

static recs_rc_e
recs_render_shelves(const recs_mem_t *mem, const recs_page_t *page,
    const recs_decision_t *d, const recs_str_t *inserts, recs_edits_t *edits)
{
    size_t         i, n, cut, narrays;
    recs_array_t  *arrays;

    edits->n = 0;
    edits->edits = NULL;

    if (d == NULL) {
        return RECS_OK;
    }

    /* at most: a cut for each item that goes, text and comma for each that
       comes, in the shelf and in each of its companions */

    n = d->total - d->kept + 2 * d->ninserts;

    if (n == 0) {
        return RECS_OK;
    }

    n *= 1 + page->together;
    narrays = page->nshelves + page->ncompanions;

    if (page->format == RECS_MSGPACK) {
        n += narrays;
    }

    if (recs_edits_init(mem, edits, n, narrays) != RECS_OK) {
        return RECS_NOMEM;
    }

    arrays = recs_render_arrays(mem, page, inserts, narrays);
    if (arrays == NULL) {
        return RECS_NOMEM;
    }

    cut = 0;

    for (i = 0; i < narrays; i++) {

        /* an array inside of a reserved member goes with it */

        while (cut < page->ncuts
               && page->cuts[cut].to <= arrays[i].open.data)
        {
            cut++;
        }

        if (cut < page->ncuts && page->cuts[cut].from < arrays[i].open.data) {
            continue;
        }

        recs_render_array(page, &arrays[i], d, edits);
    }

    return RECS_OK;
}


/* Makes room for size edits, and for the texts of nheaders headers. */

static recs_rc_e
recs_edits_init(const recs_mem_t *mem, recs_edits_t *edits, size_t size,
    size_t nheaders)
{
    edits->n = 0;
    edits->edits = recs_alloc(mem, size * sizeof(recs_edit_t)
                                   + nheaders * RECS_MSGPACK_HEADER);
    if (edits->edits == NULL) {
        return RECS_NOMEM;
    }

    edits->header = (uint8_t *) (edits->edits + size);

    return RECS_OK;
}


static void
recs_edit(recs_edits_t *edits, const uint8_t *from, const uint8_t *to,
    const recs_str_t *text)
{
    recs_edit_t  *edit;

    edit = &edits->edits[edits->n++];
    edit->from = from;
    edit->to = to;
    edit->text = *text;
}


/*
 * Puts a header that says n, of a map (RECS_OBJECT) or an array, in the place
 * of the one at old.
 */

static void
recs_edit_header(recs_edits_t *edits, const recs_str_t *old, recs_type_e type,
    size_t n)
{
    recs_str_t  header;

    header.data = edits->header;
    header.len = type == RECS_OBJECT
                 ? recs_msgpack_map_header((uint32_t) n, edits->header)
                 : recs_msgpack_array_header((uint32_t) n, edits->header);

    edits->header += header.len;

    recs_edit(edits, old->data, old->data + old->len, &header);
}


/* Finds which of the decision's inserts are on the shelf: [*from, *to). */

static void
recs_render_inserts(const recs_decision_t *d, size_t shelf, size_t *from,
    size_t *to)
{
    for (*from = 0; *from < d->ninserts; (*from)++) {
        if (d->inserts[*from].shelf == shelf) {
            break;
        }
    }

    for (*to = *from; *to < d->ninserts; (*to)++) {
        if (d->inserts[*to].shelf != shelf) {
            break;
        }
    }
}


/* How many items the shelf will hold, ninserts of which are inserted. */

static size_t
recs_render_count(const recs_shelf_t *shelf, const recs_decision_t *d,
    size_t ninserts)
{
    size_t  i, n;

    n = ninserts;

    for (i = shelf->first; i < shelf->first + shelf->nitems; i++) {
        n += d->verdicts[i].fate == RECS_KEPT;
    }

    return n;
}


/*
 * Adds the edits of one array.  A run of elements that go is cut with the comma
 * after it or, at the array's end, with the comma before it, so that the commas
 * that stay are the original's.  MessagePack has no commas, but a count.
 */

static void
recs_render_array(const recs_page_t *page, const recs_array_t *array,
    const recs_decision_t *d, recs_edits_t *edits)
{
    size_t               i, k, n, end, last;
    recs_str_t           comma;
    const uint8_t       *cut, *at;
    const recs_str_t    *span, *kept;
    const recs_shelf_t  *shelf;

    cut = NULL;         /* start of the run of elements that go */
    kept = NULL;        /* the last one that stays */
    span = NULL;
    shelf = array->shelf;
    end = shelf->first + shelf->nitems;
    comma = recs_comma;

    recs_render_inserts(d, shelf - page->shelves, &k, &last);

    if (page->format == RECS_MSGPACK) {
        comma = recs_none;
        n = recs_render_count(shelf, d, last - k);

        if (n != shelf->nitems) {
            recs_edit_header(edits, &array->open, RECS_ARRAY, n);
        }
    }

    for (i = shelf->first; i < end; i++) {
        span = recs_array_span(array, i - shelf->first);

        if (d->verdicts[i].fate != RECS_KEPT) {

            if (cut == NULL) {
                cut = span->data;
            }

            continue;
        }

        if (cut) {
            recs_edit(edits, cut, span->data, &recs_none);
            cut = NULL;
        }

        for ( /* void */ ; k < last && d->inserts[k].before == i; k++) {
            recs_edit(edits, span->data, span->data,
                      recs_array_insert(array, k));
            recs_edit(edits, span->data, span->data, &comma);
        }

        kept = span;
    }

    /* the array's end: inserts that no kept element follows, and a cut */

    at = kept ? kept->data + kept->len : array->open.data + array->open.len;

    for (i = k; i < last; i++) {

        if (kept || i > k) {
            recs_edit(edits, at, at, &comma);
        }

        recs_edit(edits, at, at, recs_array_insert(array, i));
    }

    if (cut) {
        recs_edit(edits, at, span->data + span->len, &recs_none);
    }
}


/*
 * The edits of the root object: reserved members that came go, and the tag is
 * added at page->tail, where the last of the other members ends.
 */

static recs_rc_e
recs_render_root(const recs_mem_t *mem, const recs_page_t *page,
    const recs_str_t *tag, recs_edits_t *edits)
{
    size_t             i;
    const recs_cut_t  *cut;

    edits->n = 0;
    edits->edits = NULL;

    if (page->ncuts == 0 && tag->len == 0) {
        return RECS_OK;
    }

    if (recs_edits_init(mem, edits, page->ncuts + 4, 1) != RECS_OK) {
        return RECS_NOMEM;
    }

    if (page->format == RECS_MSGPACK
        && page->nreserved != (uint32_t) (tag->len > 0))
    {
        recs_edit_header(edits, &page->open, RECS_OBJECT,
                         page->nmembers - page->nreserved + (tag->len > 0));
    }

    for (i = 0; i < page->ncuts && page->cuts[i].from < page->tail; i++) {
        cut = &page->cuts[i];
        recs_edit(edits, cut->from, cut->to, &recs_none);
    }

    if (tag->len) {
        recs_render_tag(page, tag, edits);
    }

    for ( /* void */ ; i < page->ncuts; i++) {
        cut = &page->cuts[i];
        recs_edit(edits, cut->from, cut->to, &recs_none);
    }

    return RECS_OK;
}


/* Adds the edits that put "_recs" with the tag's value into the root object. */

static void
recs_render_tag(const recs_page_t *page, const recs_str_t *tag,
    recs_edits_t *edits)
{
    static const recs_str_t  json_name = recs_string("\"" RECS_RESERVED "\":");
    static const recs_str_t  msgpack_name = recs_string("\xa5" RECS_RESERVED);

    if (page->format == RECS_MSGPACK) {
        recs_edit(edits, page->tail, page->tail, &msgpack_name);

    } else {

        if (!page->empty) {
            recs_edit(edits, page->tail, page->tail, &recs_comma);
        }

        recs_edit(edits, page->tail, page->tail, &json_name);
    }

    recs_edit(edits, page->tail, page->tail, tag);
}


/* Adds len bytes at data to the output, if there are any. */

static void
recs_piece(recs_output_t *out, const uint8_t *data, size_t len)
{
    recs_str_t  *piece;

    if (len == 0) {
        return;
    }

    out->size += len;

    piece = &out->pieces[out->npieces++];
    piece->data = data;
    piece->len = len;
}


/* Merges both lists of edits into pieces: bytes that stay, and texts. */

static recs_rc_e
recs_render_pieces(const recs_mem_t *mem, const recs_page_t *page,
    const recs_edits_t *shelves, const recs_edits_t *root, recs_output_t *out)
{
    size_t              s, r, n;
    const uint8_t      *pos;
    const recs_edit_t  *edit;

    n = shelves->n + root->n;

    out->size = 0;
    out->npieces = 0;
    out->pieces = recs_alloc(mem, (2 * n + 1) * sizeof(recs_str_t));

    if (out->pieces == NULL) {
        return RECS_NOMEM;
    }

    pos = page->text.data;
    s = 0;
    r = 0;

    while (s + r < n) {

        /*
         * Where both begin at one byte the shelf's comes first: a shelf of
         * MessagePack may end where a member of the root begins.
         */

        if (r == root->n || (s < shelves->n && shelves->edits[s].from
                                               <= root->edits[r].from))
        {
            edit = &shelves->edits[s++];

        } else {
            edit = &root->edits[r++];
        }

        recs_piece(out, pos, edit->from - pos);
        recs_piece(out, edit->text.data, edit->text.len);
        pos = edit->to;
    }

    recs_piece(out, pos, page->text.data + page->text.len - pos);

    return RECS_OK;
}
