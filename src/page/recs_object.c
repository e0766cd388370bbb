
#include "recs_object.h"
#include "recs_render.h"
#include "recs_writer.h"


static const char *recs_object_id(const recs_mem_t *mem,
    const recs_value_t *v, recs_object_t *object);
static recs_rc_e recs_object_strip(const recs_mem_t *mem,
    const recs_page_t *page, recs_object_t *object);
static void recs_object_source(recs_writer_t *w, const recs_insert_t *insert,
    const recs_str_t *pool, double gate);
static int recs_object_number(const recs_str_t *id);


const char *
recs_object_read(const recs_mem_t *mem, const recs_str_t *text,
    recs_pointer_t *id, recs_object_t *object)
{
    size_t             pos;
    const char        *error;
    recs_page_t        page;
    recs_page_spec_t   spec;

    memset(&spec, 0, sizeof(recs_page_spec_t));
    spec.values = id;
    spec.nvalues = 1;

    switch (recs_page_read(mem, &spec, RECS_JSON, text, &page, &error, &pos)) {

    case RECS_OK:
        break;

    case RECS_NOMEM:
        return "out of memory";

    default:
        return error;
    }

    if (page.root != RECS_OBJECT) {
        return "not an object";
    }

    error = recs_object_id(mem, &page.values[0], object);
    if (error) {
        return error;
    }

    object->empty = page.empty;

    if (recs_object_strip(mem, &page, object) != RECS_OK) {
        return "out of memory";
    }

    return NULL;
}


static const char *
recs_object_id(const recs_mem_t *mem, const recs_value_t *v,
    recs_object_t *object)
{
    recs_str_t  id;

    if (v->span.data == NULL
        || (v->type != RECS_STRING && v->type != RECS_INTEGER))
    {
        return object->id.data ? NULL
                               : "it has no id that is a string or an integer";
    }

    if (recs_value_text(mem, v, &id) != RECS_OK) {
        return "out of memory";
    }

    if (object->id.data && !recs_str_eq(&id, &object->id)) {

        /* the sets would be asked about another item than is shown */

        return "its id is another than that of its entry";
    }

    object->id = id;

    return NULL;
}


/* The object's bytes without reserved members, as head and tail. */

static recs_rc_e
recs_object_strip(const recs_mem_t *mem, const recs_page_t *page,
    recs_object_t *object)
{
    size_t          i, n;
    uint8_t        *p;
    recs_str_t      piece;
    recs_output_t   out;

    static const recs_str_t  no_tag = recs_string("");

    if (recs_render(mem, page, NULL, NULL, &no_tag, &out) != RECS_OK) {
        return RECS_NOMEM;
    }

    p = recs_alloc(mem, out.size);
    if (p == NULL) {
        return RECS_NOMEM;
    }

    object->head.data = p;
    object->head.len = 0;

    for (i = 0; i < out.npieces; i++) {
        piece = out.pieces[i];

        if (piece.data < page->tail) {
            n = page->tail - piece.data;
            object->head.len += n < piece.len ? n : piece.len;
        }

        memcpy(p, piece.data, piece.len);
        p += piece.len;
    }

    object->tail.data = object->head.data + object->head.len;
    object->tail.len = out.size - object->head.len;

    return RECS_OK;
}


recs_rc_e
recs_object_insert(const recs_mem_t *mem, const recs_object_t *object,
    const recs_page_t *page, const recs_insert_t *insert,
    const recs_str_t *pool, double gate, recs_str_t *text)
{
    recs_type_e           type;
    recs_writer_t         w;
    const recs_shelf_t   *shelf;

    shelf = &page->shelves[insert->shelf];
    type = shelf->nitems ? page->items[shelf->first].type : RECS_OBJECT;

    recs_writer_init(&w, mem, RECS_JSON,
                     object->head.len + object->tail.len + 128);

    if ((type == RECS_INTEGER || type == RECS_NUMBER)
        && recs_object_number(&object->id))
    {
        recs_write_raw(&w, &object->id);

    } else if (type >= RECS_STRING) {
        recs_write_string(&w, &object->id);

    } else {
        recs_write_bytes(&w, object->head.data, object->head.len);
        w.comma = !object->empty;

        recs_write_key(&w, RECS_RESERVED);
        recs_object_source(&w, insert, pool, gate);

        recs_write_bytes(&w, object->tail.data, object->tail.len);
    }

    text->data = w.data;
    text->len = w.len;

    return w.failed ? RECS_NOMEM : RECS_OK;
}


static void
recs_object_source(recs_writer_t *w, const recs_insert_t *insert,
    const recs_str_t *pool, double gate)
{
    recs_write_object(w);

    recs_write_key(w, insert->draw ? "explore" : "backfill");
    recs_write_true(w);
    recs_write_key(w, "pool");
    recs_write_string(w, pool);

    if (insert->draw) {
        recs_write_key(w, "slot");
        recs_write_uint(w, insert->draw->slot);
        recs_write_key(w, "p");
        recs_write_double(w, insert->draw->p);
        recs_write_key(w, "gate");
        recs_write_double(w, gate);
    }

    recs_write_object_end(w);
}


/* True if an item that is the id as a JSON integer reads back as this id. */

static int
recs_object_number(const recs_str_t *id)
{
    recs_value_t   v;
    recs_reader_t  rd;

    recs_read_init(&rd, RECS_JSON, id->data, id->len);

    /* "-0" is an integer, too, but its id is "0" */

    return recs_read_open(&rd, &v) == 0
           && v.type == RECS_INTEGER
           && v.span.len == id->len
           && !(id->len == 2 && memcmp(id->data, "-0", 2) == 0);
}
