
/* An entry of a pool is read, and put into pages: see recs_object.h. */


#include "recs_object.h"
#include "recs_render.h"
#include "recs_text.h"
#include "recs_transcode.h"
#include "recs_writer.h"


static const char *recs_object_page(const recs_mem_t *mem,
    recs_format_e format, const recs_str_t *text, recs_pointer_t *id,
    recs_page_t *page, recs_str_t *own);
static const char *recs_object_id(const recs_str_t *own,
    recs_object_t *object);
static recs_rc_e recs_object_strip(const recs_mem_t *mem,
    const recs_page_t *page, recs_str_t *text);
static const char *recs_object_other(const recs_mem_t *mem,
    const recs_page_t *page, const recs_str_t *own, recs_pointer_t *id,
    recs_object_t *object);
static void recs_object_keep(const recs_page_t *page, const recs_str_t *own,
    recs_object_t *object);
static void recs_object_scalar(recs_writer_t *w, const recs_object_t *object,
    recs_type_e type);
static void recs_object_whole(recs_writer_t *w, const recs_object_t *object,
    const recs_insert_t *insert, const recs_str_t *pool, double gate);
static void recs_object_source(recs_writer_t *w, const recs_insert_t *insert,
    const recs_str_t *pool, double gate);
static int recs_object_number(recs_writer_t *w, const recs_str_t *id);


const char *
recs_object_read(const recs_mem_t *mem, const recs_str_t *text,
    recs_pointer_t *id, recs_object_t *object)
{
    size_t        bom;
    recs_str_t    bare, stripped, own;
    recs_page_t   page;
    const char   *error;

    /* a byte order mark has no place in the midst of a page */

    bom = recs_text_bom(text->data, text->len);
    bare.data = bom ? text->data + bom : text->data;
    bare.len = text->len - bom;

    error = recs_object_page(mem, recs_format_of(&bare), &bare, id, &page,
                             &own);
    if (error) {
        return error;
    }

    error = recs_object_id(&own, object);
    if (error) {
        return error;
    }

    if (page.ncuts) {

        if (recs_object_strip(mem, &page, &stripped) != RECS_OK) {
            return "out of memory";
        }

        error = recs_object_page(mem, page.format, &stripped, id, &page, &own);
        if (error) {
            return error;
        }
    }

    object->shown = object->id;
    object->forms = 0;
    recs_object_keep(&page, &own, object);

    error = recs_object_other(mem, &page, &own, id, object);

    /* without the other form it can be put into pages of its own format */

    return error && strcmp(error, "out of memory") == 0 ? error : NULL;
}


/*
 * Reads a text that must be an object, as a page without shelves.  own: the id
 * that stands in it; its data is NULL if there is none.
 */

static const char *
recs_object_page(const recs_mem_t *mem, recs_format_e format,
    const recs_str_t *text, recs_pointer_t *id, recs_page_t *page,
    recs_str_t *own)
{
    size_t             pos;
    const char        *error;
    recs_page_spec_t   spec;

    memset(&spec, 0, sizeof(recs_page_spec_t));
    spec.values = id;
    spec.nvalues = 1;

    switch (recs_page_read(mem, &spec, format, text, page, &error, &pos)) {

    case RECS_OK:

        if (page->not_utf8) {

            /* a page must not become worse by what is put into it */

            return "not UTF-8";
        }

        if (page->root != RECS_OBJECT) {
            return "not an object";
        }

        return recs_value_id(mem, &page->values[0], own) == RECS_OK
               ? NULL : "out of memory";

    case RECS_NOMEM:
        return "out of memory";

    default:
        return error;
    }
}


/* The object's id is its own or its entry's; where both are, they are alike. */

static const char *
recs_object_id(const recs_str_t *own, recs_object_t *object)
{
    if (own->data == NULL) {
        return object->id.data ? NULL
                               : "it has no id that is a string or an integer";
    }

    if (object->id.data && !recs_str_eq(own, &object->id)) {

        /* the sets would be asked about another item than is shown */

        return "its id is another than that of its entry";
    }

    object->id = *own;

    return NULL;
}


/* Makes text of the object's bytes, without reserved members. */

static recs_rc_e
recs_object_strip(const recs_mem_t *mem, const recs_page_t *page,
    recs_str_t *text)
{
    size_t          i;
    uint8_t        *p;
    recs_output_t   out;

    static const recs_str_t  no_tag = recs_string("");

    if (recs_render(mem, page, NULL, NULL, &no_tag, &out) != RECS_OK) {
        return RECS_NOMEM;
    }

    p = recs_alloc(mem, out.size);
    if (p == NULL) {
        return RECS_NOMEM;
    }

    text->data = p;
    text->len = out.size;

    for (i = 0; i < out.npieces; i++) {
        memcpy(p, out.pieces[i].data, out.pieces[i].len);
        p += out.pieces[i].len;
    }

    return RECS_OK;
}


/*
 * Makes the object's form in the other format.  It must have the same id there:
 * else the sets would be asked about another item than is shown.
 */

static const char *
recs_object_other(const recs_mem_t *mem, const recs_page_t *page,
    const recs_str_t *own, recs_pointer_t *id, recs_object_t *object)
{
    recs_str_t      text, shown;
    const char     *error;
    recs_page_t     other;
    recs_format_e   format;

    format = page->format == RECS_JSON ? RECS_MSGPACK : RECS_JSON;

    error = recs_transcode(mem, page->format, &page->text, format, &text);
    if (error) {
        return error;
    }

    error = recs_object_page(mem, format, &text, id, &other, &shown);
    if (error) {
        return error;
    }

    if (shown.data) {

        if (own->data && page->values[0].type == RECS_BINARY) {
            object->shown = shown;

        } else if (!recs_str_eq(&shown, &object->id)) {
            return "its id is another in the other format";
        }

    } else if (own->data) {
        return "it has no id in the other format";
    }

    recs_object_keep(&other, &shown, object);

    return NULL;
}


/*
 * Notes the object's bytes in the page's format, if it can be put into pages of
 * that.  own: the id that stands in it there.
 */

static void
recs_object_keep(const recs_page_t *page, const recs_str_t *own,
    recs_object_t *object)
{
    const uint8_t  *end;

    if (page->format == RECS_JSON && own->data == NULL
        && !recs_text_is_utf8(&object->id))
    {
        /* no string of JSON can show this id of its entry */
        return;
    }

    end = page->text.data + page->text.len;
    object->empty = page->empty;
    object->forms |= recs_format_bit(page->format);

    if (page->format == RECS_MSGPACK) {
        object->members.data = page->open.data + page->open.len;
        object->members.len = (size_t) (end - object->members.data);
        object->nmembers = page->nmembers;
        return;
    }

    object->head.data = page->text.data;
    object->head.len = (size_t) (page->tail - object->head.data);
    object->tail.data = page->tail;
    object->tail.len = (size_t) (end - page->tail);
}


recs_rc_e
recs_object_insert(const recs_mem_t *mem, const recs_object_t *object,
    const recs_page_t *page, const recs_insert_t *insert,
    const recs_str_t *pool, double gate, recs_str_t *text)
{
    size_t                size;
    recs_type_e           type;
    recs_writer_t         w;
    const recs_shelf_t   *shelf;

    shelf = &page->shelves[insert->shelf];
    type = shelf->nitems ? page->items[shelf->first].type : RECS_OBJECT;

    /* the object may lack the other form, and its lengths */

    size = page->format == RECS_MSGPACK ? object->members.len
                                        : object->head.len + object->tail.len;

    recs_writer_init(&w, mem, page->format, size + 128);

    if (type >= RECS_STRING) {
        recs_object_scalar(&w, object, type);

    } else {
        recs_object_whole(&w, object, insert, pool, gate);
    }

    text->data = w.data;
    text->len = w.len;

    return w.failed ? RECS_NOMEM : RECS_OK;
}


/* Writes the bare id, for a shelf whose first item is a scalar of the type. */

static void
recs_object_scalar(recs_writer_t *w, const recs_object_t *object,
    recs_type_e type)
{
    if ((type == RECS_INTEGER || type == RECS_NUMBER)
        && recs_object_number(w, &object->id))
    {
        return;
    }

    if (type == RECS_BINARY) {
        recs_write_bin(w, &object->id);
        return;
    }

    recs_write_string(w, w->msgpack ? &object->id : &object->shown);
}


/* Writes the object with a member "_recs" as its last. */

static void
recs_object_whole(recs_writer_t *w, const recs_object_t *object,
    const recs_insert_t *insert, const recs_str_t *pool, double gate)
{
    uint8_t  header[RECS_MSGPACK_HEADER];

    if (w->msgpack) {
        recs_write_bytes(w, header,
                         recs_msgpack_map_header(object->nmembers + 1,
                                                 header));
        recs_write_bytes(w, object->members.data, object->members.len);

        recs_write_cstr(w, RECS_RESERVED);
        recs_object_source(w, insert, pool, gate);

        return;
    }

    recs_write_bytes(w, object->head.data, object->head.len);
    w->comma = !object->empty;

    recs_write_key(w, RECS_RESERVED);
    recs_object_source(w, insert, pool, gate);

    recs_write_bytes(w, object->tail.data, object->tail.len);
}


/* Writes the value of "_recs": why the object is here, and from which pool. */

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
        recs_write_key_uint(w, "slot", insert->draw->slot);
        recs_write_key(w, "p");
        recs_write_double(w, insert->draw->p);
        recs_write_key(w, "gate");
        recs_write_double(w, gate);
    }

    recs_write_object_end(w);
}


/*
 * Writes the id as an integer, if there is one that reads back as this id.
 * Returns 1, or 0 and nothing was written.
 */

static int
recs_object_number(recs_writer_t *w, const recs_str_t *id)
{
    recs_str_t     number;
    recs_value_t   v;
    recs_reader_t  rd;

    recs_read_init(&rd, RECS_JSON, id->data, id->len);

    /* "-0" is an integer, too, but its id is "0" */

    if (recs_read_open(&rd, &v) < 0
        || v.type != RECS_INTEGER
        || v.span.len != id->len
        || (id->len == 2 && memcmp(id->data, "-0", 2) == 0))
    {
        return 0;
    }

    number = *id;

    /* MessagePack's integers have at most 64 bits */

    if (w->msgpack
        && recs_transcode(&w->mem, RECS_JSON, id, RECS_MSGPACK, &number))
    {
        return 0;
    }

    recs_write_raw(w, &number);

    return 1;
}
