
#include "recs_render.h"

#include <stdlib.h>


/* Instead of [from, to) of the document: text. */

typedef struct {
    const uint8_t    *from;
    const uint8_t    *to;
    recs_str_t        text;
} recs_edit_t;


/* Edits in the order of the document. */

typedef struct {
    recs_edit_t      *edits;
    size_t            n;
    uint8_t          *header;   /* room for the next header of MessagePack */
} recs_edits_t;


static const recs_str_t  recs_none = recs_string("");
static const recs_str_t  recs_comma = recs_string(",");


static recs_rc_e recs_edits_init(const recs_mem_t *mem, recs_edits_t *edits,
    size_t size, size_t nheaders);
static void recs_edit(recs_edits_t *edits, const uint8_t *from,
    const uint8_t *to, const recs_str_t *text);
static recs_rc_e recs_render_shelves(const recs_mem_t *mem,
    const recs_page_t *page, const recs_decision_t *d,
    const recs_str_t *inserts, recs_edits_t *edits);
static void recs_render_shelf(const recs_page_t *page,
    const recs_shelf_t *shelf, const recs_decision_t *d,
    const recs_str_t *inserts, recs_edits_t *edits);
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


static int
recs_render_compare(const void *one, const void *two)
{
    const recs_shelf_t  *a, *b;

    a = *(const recs_shelf_t *const *) one;
    b = *(const recs_shelf_t *const *) two;

    return a->open.data < b->open.data ? -1 : a->open.data > b->open.data;
}


/* The shelves in the order in which they stand in the document. */

static const recs_shelf_t **
recs_render_order(const recs_mem_t *mem, const recs_page_t *page)
{
    size_t                i, unordered;
    const recs_shelf_t  **order;

    order = recs_alloc(mem, page->nshelves * sizeof(recs_shelf_t *) + 1);
    if (order == NULL) {
        return NULL;
    }

    unordered = 0;

    for (i = 0; i < page->nshelves; i++) {
        order[i] = &page->shelves[i];

        if (i && order[i]->open.data < order[i - 1]->open.data) {
            unordered = 1;
        }
    }

    if (unordered) {
        qsort(order, page->nshelves, sizeof(recs_shelf_t *),
              recs_render_compare);
    }

    return order;
}


static recs_rc_e
recs_render_shelves(const recs_mem_t *mem, const recs_page_t *page,
    const recs_decision_t *d, const recs_str_t *inserts, recs_edits_t *edits)
{
    size_t                i, n, cut;
    const recs_shelf_t  **order;

    edits->n = 0;
    edits->edits = NULL;

    if (d == NULL) {
        return RECS_OK;
    }

    /* a cut for each item that goes, text and comma for each that comes */

    n = d->total - d->kept + 2 * d->ninserts;

    if (n == 0) {
        return RECS_OK;
    }

    if (page->format == RECS_MSGPACK) {
        n += page->nshelves;
    }

    if (recs_edits_init(mem, edits, n, page->nshelves) != RECS_OK) {
        return RECS_NOMEM;
    }

    order = recs_render_order(mem, page);
    if (order == NULL) {
        return RECS_NOMEM;
    }

    cut = 0;

    for (i = 0; i < page->nshelves; i++) {

        /* a shelf within a reserved member goes with that */

        while (cut < page->ncuts
               && page->cuts[cut].to <= order[i]->open.data)
        {
            cut++;
        }

        if (cut < page->ncuts && page->cuts[cut].from < order[i]->open.data) {
            continue;
        }

        recs_render_shelf(page, order[i], d, inserts, edits);
    }

    return RECS_OK;
}


/* Room for size edits, and for the text of nheaders of them. */

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


/* Instead of the header of MessagePack at old: one that says n. */

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


/* The range [*from, *to) of the decision's inserts that are on the shelf. */

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


/* The number of items that the shelf will hold. */

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
 * Edits of one shelf.  A run of items that go is cut together with the comma
 * after it or, at the shelf's end, the comma before it, so that the commas
 * that stay are the original's.  MessagePack has none, but a count.
 */

static void
recs_render_shelf(const recs_page_t *page, const recs_shelf_t *shelf,
    const recs_decision_t *d, const recs_str_t *inserts, recs_edits_t *edits)
{
    size_t              i, k, n, end, last;
    recs_str_t          comma;
    const uint8_t      *cut, *at;
    const recs_item_t  *item, *kept;

    cut = NULL;         /* start of the run of items that go */
    kept = NULL;        /* the last item that stays */
    end = shelf->first + shelf->nitems;
    comma = recs_comma;

    recs_render_inserts(d, shelf - page->shelves, &k, &last);

    if (page->format == RECS_MSGPACK) {
        comma = recs_none;
        n = recs_render_count(shelf, d, last - k);

        if (n != shelf->nitems) {
            recs_edit_header(edits, &shelf->open, RECS_ARRAY, n);
        }
    }

    for (i = shelf->first; i < end; i++) {
        item = &page->items[i];

        if (d->verdicts[i].fate != RECS_KEPT) {

            if (cut == NULL) {
                cut = item->span.data;
            }

            continue;
        }

        if (cut) {
            recs_edit(edits, cut, item->span.data, &recs_none);
            cut = NULL;
        }

        for ( /* void */ ; k < last && d->inserts[k].before == i; k++) {
            recs_edit(edits, item->span.data, item->span.data, &inserts[k]);
            recs_edit(edits, item->span.data, item->span.data, &comma);
        }

        kept = item;
    }

    /* what comes after the last item that stays */

    at = kept ? kept->span.data + kept->span.len
              : shelf->open.data + shelf->open.len;

    for (i = k; i < last; i++) {

        if (kept || i > k) {
            recs_edit(edits, at, at, &comma);
        }

        recs_edit(edits, at, at, &inserts[i]);
    }

    if (cut) {
        item = &page->items[end - 1];
        recs_edit(edits, at, item->span.data + item->span.len, &recs_none);
    }
}


/* Edits of the root object: reserved members go, ours comes last. */

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

        /* in MessagePack a shelf may end where a member of the root begins */

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
