
/*
 * What the tests of pages share: specs and pages from text, and pages and
 * outputs as text.
 */


#ifndef RECS_UNIT_PAGE_H
#define RECS_UNIT_PAGE_H


#include "unit.h"

#include "recs_render.h"
#include "recs_transcode.h"


/* The pointer at p; gives where it ends, at a space or with the text. */

static inline const char *
unit_pointer(unit_arena_t *arena, const char *p, recs_pointer_t *pointer)
{
    recs_str_t  source;

    source.data = (const uint8_t *) p;
    source.len = strcspn(p, " ");
    assert_null(recs_pointer_compile(&arena->mem, &source, pointer));

    return p + source.len;
}


/* Pointers with a space between them; NULL: none.  Gives how many. */

static inline size_t
unit_pointers(unit_arena_t *arena, const char *text, recs_pointer_t **pointers)
{
    size_t       i, n;
    const char  *p;

    *pointers = NULL;

    if (text == NULL) {
        return 0;
    }

    n = 1;

    for (p = text; *p; p++) {
        n += *p == ' ';
    }

    *pointers = recs_alloc(&arena->mem, n * sizeof(recs_pointer_t));
    assert_non_null(*pointers);

    for (i = 0, p = text; i < n; i++, p++) {
        p = unit_pointer(arena, p, &(*pointers)[i]);
    }

    return n;
}


static inline void
unit_spec(unit_arena_t *arena, const char *shelves, const char *item_id,
    const char *values, recs_page_spec_t *spec)
{
    spec->nshelves = unit_pointers(arena, shelves, &spec->shelves);
    spec->nvalues = unit_pointers(arena, values, &spec->values);
    (void) unit_pointers(arena, item_id, &spec->item_id);
    spec->nwith = 0;
    spec->with = NULL;
    spec->max_items = 100000;
}


/*
 * Companions with a space between them: of each the index of its shelf, a "?"
 * if it is optional, the pointer: "0/scores 0?/titles".
 */

static inline void
unit_spec_with(unit_arena_t *arena, const char *text, recs_page_spec_t *spec)
{
    const char   *p;
    recs_with_t  *with;

    spec->nwith = 0;
    spec->with = recs_alloc(&arena->mem, 8 * sizeof(recs_with_t));

    for (p = text; *p; p += *p == ' ') {
        assert_true(spec->nwith < 8);

        with = &spec->with[spec->nwith++];
        with->shelf = (size_t) (*p++ - '0');
        with->optional = *p == '?';
        p = unit_pointer(arena, p + with->optional, &with->pointer);
    }
}


/* Reads a copy of text, so that a sanitizer sees a step past its end. */

static inline recs_rc_e
unit_read_as(unit_arena_t *arena, const recs_page_spec_t *spec,
    recs_format_e format, const recs_str_t *text, recs_page_t *page)
{
    size_t       pos;
    recs_rc_e    rc;
    recs_str_t   copy;
    const char  *error;

    copy = unit_copy(arena, text);
    pos = 0;
    error = NULL;

    rc = recs_page_read(&arena->mem, spec, format, &copy, page, &error, &pos);

    assert_int_equal(error != NULL, rc == RECS_MALFORMED);
    assert_true(pos <= text->len);

    return rc;
}


static inline recs_rc_e
unit_read(unit_arena_t *arena, const recs_page_spec_t *spec,
    const recs_str_t *text, recs_page_t *page)
{
    return unit_read_as(arena, spec, RECS_JSON, text, page);
}


/* The same document in MessagePack; len is 0: it has no form there. */

static inline recs_str_t
unit_msgpack(unit_arena_t *arena, const recs_str_t *json)
{
    recs_str_t  text;

    if (recs_transcode(&arena->mem, RECS_JSON, json, RECS_MSGPACK, &text)) {
        text.len = 0;
    }

    return text;
}


/* The page of a text that is well formed and has items at /items. */

static inline void
unit_page(unit_arena_t *arena, const char *shelves, const recs_str_t *text,
    recs_page_t *page)
{
    recs_page_spec_t  spec;

    unit_spec(arena, shelves, "/id", NULL, &spec);
    assert_int_equal(unit_read_as(arena, &spec, recs_format_of(text), text,
                                  page), RECS_OK);
}


/* A text that grows at its end. */

typedef struct {
    char              bytes[8192];
    size_t            len;
} unit_text_t;


static inline void
unit_add(unit_text_t *text, const recs_str_t *str)
{
    assert_true(str->len <= sizeof(text->bytes) - text->len);

    if (str->len) {
        memcpy(text->bytes + text->len, str->data, str->len);
        text->len += str->len;
    }
}


static inline void
unit_add_cstr(unit_text_t *text, const char *cstr)
{
    recs_str_t  str = unit_str(cstr);

    unit_add(text, &str);
}


static inline recs_str_t
unit_text_str(const unit_text_t *text)
{
    recs_str_t  str;

    str.data = (const uint8_t *) text->bytes;
    str.len = text->len;

    return str;
}


/* The ids of a page: "b1,b2|b3", "?" for an item without one. */

static inline void
unit_page_ids(const recs_page_t *page, unit_text_t *text)
{
    size_t               i, k;
    const recs_item_t   *item;
    const recs_shelf_t  *shelf;

    text->len = 0;

    for (k = 0; k < page->nshelves; k++) {
        shelf = &page->shelves[k];

        if (k) {
            unit_add_cstr(text, "|");
        }

        for (i = 0; i < shelf->nitems; i++) {
            item = &page->items[shelf->first + i];

            if (i) {
                unit_add_cstr(text, ",");
            }

            if (item->id.data) {
                unit_add(text, &item->id);

            } else {
                unit_add_cstr(text, "?");
            }
        }
    }
}


/* All pieces of an output in one allocation of its size. */

static inline recs_str_t
unit_output(unit_arena_t *arena, const recs_output_t *out)
{
    size_t       i;
    uint8_t     *p;
    recs_str_t   str;

    p = recs_alloc(&arena->mem, out->size);
    assert_non_null(p);

    str.data = p;
    str.len = out->size;

    for (i = 0; i < out->npieces; i++) {
        assert_true(out->pieces[i].len > 0);
        assert_true((size_t) (p - str.data) + out->pieces[i].len <= str.len);

        memcpy(p, out->pieces[i].data, out->pieces[i].len);
        p += out->pieces[i].len;
    }

    assert_true(p == str.data + str.len);

    return str;
}


#endif /* RECS_UNIT_PAGE_H */
