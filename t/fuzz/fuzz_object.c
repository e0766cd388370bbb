
/*
 * A libFuzzer target for a pool's objects (make fuzz).  What is checked: an
 * object that is taken is put on shelves of objects, strings and numbers as
 * an item that is well formed and has the object's id.
 */


#include "fuzz.h"

#include "recs_object.h"


static recs_str_t
string(const char *text)
{
    recs_str_t  str;

    str.data = (const uint8_t *) text;
    str.len = strlen(text);

    return str;
}


/* Is the tag that was added the only reserved member, and the last one? */

static void
check_tag(const recs_mem_t *mem, const recs_object_t *object,
    const recs_str_t *item)
{
    size_t             pos;
    const char        *error;
    recs_page_t        page;
    recs_page_spec_t   spec;

    memset(&spec, 0, sizeof(recs_page_spec_t));

    check(recs_page_read(mem, &spec, RECS_JSON, item, &page, &error, &pos)
          == RECS_OK);
    check(page.root == RECS_OBJECT);
    check(page.ncuts == 1);
    check(page.empty == object->empty);

    check((size_t) (page.tail - item->data) == object->head.len);
    check(memcmp(item->data, object->head.data, object->head.len) == 0);
    check((size_t) (item->data + item->len - page.cuts[0].to)
          == object->tail.len);
    check(memcmp(page.cuts[0].to, object->tail.data, object->tail.len) == 0);
}


/* Puts the object on the shelf of the page at page_text; draw: or NULL. */

static void
check_shelf(const recs_mem_t *mem, const recs_object_t *object,
    recs_page_spec_t *spec, const char *page_text, recs_type_e type,
    const recs_draw_t *draw)
{
    size_t          pos;
    uint8_t        *bytes;
    recs_str_t      text, pool, item;
    const char     *error;
    recs_page_t     page;
    recs_insert_t   insert;

    text = string(page_text);
    check(recs_page_read(mem, spec, RECS_JSON, &text, &page, &error, &pos)
          == RECS_OK);

    memset(&insert, 0, sizeof(recs_insert_t));
    insert.draw = draw;
    pool = string("fresh");

    check(recs_object_insert(mem, object, &page, &insert, &pool, 0.05, &item)
          == RECS_OK);

    if (type == RECS_OBJECT) {
        check_tag(mem, object, &item);
    }

    bytes = recs_alloc(mem, item.len + 2);
    bytes[0] = '[';
    memcpy(bytes + 1, item.data, item.len);
    bytes[item.len + 1] = ']';

    text.data = bytes;
    text.len = item.len + 2;

    check(recs_page_read(mem, spec, RECS_JSON, &text, &page, &error, &pos)
          == RECS_OK);
    check(page.nitems == 1);
    check(page.items[0].type == type
          || (type == RECS_INTEGER && page.items[0].type == RECS_STRING));
    check(page.items[0].id.data != NULL);
    check(recs_str_eq(&page.items[0].id, &object->id));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    recs_mem_t        mem;
    recs_str_t        text, source;
    recs_object_t     object, entry;
    recs_pointer_t    id, root;
    fuzz_piece_t     *pieces;
    recs_page_spec_t  spec;

    static const recs_draw_t  draw = { .slot = 1, .p = 0.1 };

    mem = fuzz_mem(&pieces);

    source = string("/id");
    check(recs_pointer_compile(&mem, &source, &id) == NULL);
    source = string("");
    check(recs_pointer_compile(&mem, &source, &root) == NULL);

    memset(&spec, 0, sizeof(recs_page_spec_t));
    spec.shelves = &root;
    spec.nshelves = 1;
    spec.item_id = &id;
    spec.max_items = 10;

    text.data = data;
    text.len = size;

    memset(&object, 0, sizeof(recs_object_t));

    /* an object as deep as can be is too deep on a shelf */

    if (size < RECS_MAX_DEPTH
        && recs_object_read(&mem, &text, &id, &object) == NULL
        && (object.forms & recs_format_bit(RECS_JSON)))
    {
        check_shelf(&mem, &object, &spec, "[{}]", RECS_OBJECT, &draw);
        check_shelf(&mem, &object, &spec, "[]", RECS_OBJECT, NULL);
        check_shelf(&mem, &object, &spec, "[\"a\"]", RECS_STRING, NULL);
        check_shelf(&mem, &object, &spec, "[1]", RECS_INTEGER, &draw);

        /* as the entry of its id, and of no other */

        memset(&entry, 0, sizeof(recs_object_t));
        entry.id = object.id;
        check(recs_object_read(&mem, &text, &id, &entry) == NULL);
        check(recs_str_eq(&entry.id, &object.id));
        check(recs_str_eq(&entry.head, &object.head));

        entry.id = string("another id than is likely");
        check(recs_object_read(&mem, &text, &id, &entry) != NULL
              || recs_str_eq(&entry.id, &object.id));
    }

    fuzz_free(pieces);

    return 0;
}
