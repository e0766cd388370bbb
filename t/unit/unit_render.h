
/*
 * What the tests of rendering share: decisions from text, what they put in, and
 * the page that comes of them.
 */


#ifndef RECS_UNIT_RENDER_H
#define RECS_UNIT_RENDER_H


#include "unit_page.h"


#define UNIT_INSERTS_MAX  3


/* What is put in, as values of JSON, and of MessagePack. */

static const recs_str_t  unit_quoted[UNIT_INSERTS_MAX] = {
    recs_string("\"x\""), recs_string("\"y\""), recs_string("\"z\"")
};


static const recs_str_t  unit_packed[UNIT_INSERTS_MAX] = {
    recs_string("\xa1x"), recs_string("\xa1y"), recs_string("\xa1z")
};


static inline size_t
unit_shelf_of(const recs_page_t *page, size_t item)
{
    size_t  k;

    for (k = 0; item >= page->shelves[k].first + page->shelves[k].nitems;
         k++)
    {
        /* void */
    }

    return k;
}


/*
 * A decision made by hand.  Fates: of each item "k", it stays, or "-", it goes.
 * Before: of each insert the index of the item that it stands before, "$" for
 * the first shelf's end, "&" for the second's.
 */

static inline void
unit_decision(unit_arena_t *arena, const recs_page_t *page, const char *fates,
    const char *before, recs_decision_t *d)
{
    size_t  i, at;

    assert_int_equal(strlen(fates), page->nitems);

    memset(d, 0, sizeof(recs_decision_t));
    d->total = page->nitems;

    d->verdicts = recs_alloc(&arena->mem,
                             page->nitems * sizeof(recs_verdict_t));

    for (i = 0; i < page->nitems; i++) {
        d->verdicts[i].fate = fates[i] == 'k' ? RECS_KEPT
                              : i % 2 ? RECS_REFUSED : RECS_DISPLACED;
        d->verdicts[i].rule = 0;
        d->kept += fates[i] == 'k';
    }

    d->ninserts = strlen(before);
    d->inserts = recs_alloc(&arena->mem,
                            d->ninserts * sizeof(recs_insert_t));

    for (i = 0; i < d->ninserts; i++) {
        at = page->nitems;

        if (before[i] != '$' && before[i] != '&') {
            at = (size_t) (before[i] - '0');
        }

        d->inserts[i].draw = NULL;
        d->inserts[i].item = 0;
        d->inserts[i].shelf = at < page->nitems ? unit_shelf_of(page, at)
                                                : before[i] == '&';
        d->inserts[i].before = at;
    }
}


static inline recs_str_t
unit_render(unit_arena_t *arena, const recs_page_t *page,
    const recs_decision_t *d, const recs_str_t *put, const recs_str_t *tag)
{
    recs_output_t  out;

    assert_int_equal(recs_render(&arena->mem, page, d, put, tag, &out),
                     RECS_OK);

    return unit_output(arena, &out);
}


/*
 * Renders the JSON page that spec finds, and the same in MessagePack: the
 * results must be the same, and in JSON the expected one, if it is not NULL.
 * fates: NULL for no decision.
 */

static inline void
unit_check_alike(const recs_page_spec_t *spec, const recs_str_t *json,
    const char *fates, const char *before, const char *tag,
    const recs_str_t *expected)
{
    recs_str_t          text, tag_text, rendered, packed;
    recs_page_t         page;
    unit_arena_t        arena;
    recs_decision_t     d;
    recs_decision_t    *decided;

    unit_arena_init(&arena);
    decided = fates ? &d : NULL;
    tag_text = unit_str(tag);

    assert_int_equal(unit_read(&arena, spec, json, &page), RECS_OK);

    if (fates) {
        unit_decision(&arena, &page, fates, before, &d);
    }

    rendered = unit_render(&arena, &page, decided, unit_quoted, &tag_text);

    if (expected) {
        unit_assert_str(&rendered, expected);
    }

    packed = unit_msgpack(&arena, &rendered);
    assert_true(packed.len > 0);

    text = unit_msgpack(&arena, json);

    if (tag_text.len) {
        tag_text = unit_msgpack(&arena, &tag_text);
    }

    assert_int_equal(unit_read_as(&arena, spec, RECS_MSGPACK, &text, &page),
                     RECS_OK);

    if (fates) {
        unit_decision(&arena, &page, fates, before, &d);
    }

    rendered = unit_render(&arena, &page, decided, unit_packed, &tag_text);
    unit_assert_str(&rendered, &packed);

    unit_arena_free(&arena);
}


#endif /* RECS_UNIT_RENDER_H */
