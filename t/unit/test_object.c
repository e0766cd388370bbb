
/*
 * An object of a pool is read with its id, and goes into pages of either
 * format as their shelves' items are.
 */

#include "unit_page.h"

#include "recs_object.h"


typedef struct {
    const char       *pointer;  /* NULL: /id, and "given" is known already */
    recs_str_t        text;
    recs_str_t        id;
    const char       *object;   /* "^": where a member is added */
    unsigned          empty:1;
} read_t;


typedef struct {
    const char       *pointer;
    recs_str_t        text;
    const char       *error;
} refused_t;


/* An entry whose id is known before its object is read. */

typedef struct {
    const char       *id;
    const char       *pointer;
    recs_str_t        text;
    unsigned          refused:1;    /* it is another's object */
} entry_t;


typedef struct {
    recs_str_t        page;     /* shelves at /a and /b */
    size_t            shelf;
    recs_str_t        id;
    const char       *text;     /* what is put on it; NULL: the object */
} shelf_t;


static const read_t  objects[] = {
    { "/id", recs_string("{\"id\":\"p1\"}"), recs_string("p1"),
      "{\"id\":\"p1\"^}", 0 },
    { "/id", recs_string("{\"id\":7,\"t\":\"a\"}"), recs_string("7"),
      "{\"id\":7,\"t\":\"a\"^}", 0 },
    { "/id", recs_string("{\"id\":-0}"), recs_string("0"),
      "{\"id\":-0^}", 0 },
    { "/id", recs_string("{\"id\":9007199254740993}"),
      recs_string("9007199254740993"), "{\"id\":9007199254740993^}", 0 },
    { "/id", recs_string("{\"\\u0069d\":\"p\\u0031\\n\"}"),
      recs_string("p1\n"), "{\"\\u0069d\":\"p\\u0031\\n\"^}", 0 },
    { "/id", recs_string("{\"id\":1,\"id\":2}"), recs_string("2"),
      "{\"id\":1,\"id\":2^}", 0 },
    { "/id", recs_string("{\"id\":\"\"}"), recs_string(""), "{\"id\":\"\"^}",
      0 },
    { "/a/0/b", recs_string("{\"a\":[{\"b\":\"x\"}]}"), recs_string("x"),
      "{\"a\":[{\"b\":\"x\"}]^}", 0 },

    /* numbers that are integers all the same */

    { "/id", recs_string("{\"id\":12.0}"), recs_string("12"),
      "{\"id\":12.0^}", 0 },
    { "/id", recs_string("{\"id\":-1.2e1}"), recs_string("-12"),
      "{\"id\":-1.2e1^}", 0 },

    /* a byte order mark does not stay */

    { "/id", recs_string("\xef\xbb\xbf{\"id\":\"p1\"}"), recs_string("p1"),
      "{\"id\":\"p1\"^}", 0 },

    /* white space stays */

    { "/id", recs_string(" { \"id\" : 1 , \"x\" : [ ] } "),
      recs_string("1"), " { \"id\" : 1 , \"x\" : [ ]^ } ", 0 },

    /* the id is known: the object need not have it */

    { NULL, recs_string("{\"t\":\"other\"}"), recs_string("given"),
      "{\"t\":\"other\"^}", 0 },
    { NULL, recs_string("{\"id\":\"given\"}"), recs_string("given"),
      "{\"id\":\"given\"^}", 0 },
    { NULL, recs_string("{}"), recs_string("given"), "{^}", 1 },
    { NULL, recs_string(" { } "), recs_string("given"), " {^ } ", 1 },

    /* reserved members are left out, wherever they stand */

    { "/id", recs_string("{\"_recs\":{},\"id\":1}"), recs_string("1"),
      "{\"id\":1^}", 0 },
    { "/id", recs_string("{\"id\":1,\"_recs\":{}}"), recs_string("1"),
      "{\"id\":1^}", 0 },
    { "/id", recs_string("{\"id\":1,\"_recs\":{},\"t\":2}"),
      recs_string("1"), "{\"id\":1,\"t\":2^}", 0 },
    { "/id", recs_string("{ \"\\u005frecs\":1, \"id\":1 , \"_recs\":3 }"),
      recs_string("1"), "{ \"id\":1^ }", 0 },
    { "/id", recs_string("{\"_recs\":1,\"id\":1,\"_recs\":2,\"_recs\":3,"
                         "\"t\":4,\"_recs\":5}"), recs_string("1"),
      "{\"id\":1,\"t\":4^}", 0 },
    { NULL, recs_string("{\"_recs\":1}"), recs_string("given"), "{^}", 1 },
    { NULL, recs_string("{\"_recs\":1 , \"_recs\":2 }"),
      recs_string("given"), "{^ }", 1 },

    /* deeper ones are the object's own */

    { "/id", recs_string("{\"id\":1,\"x\":{\"_recs\":2}}"),
      recs_string("1"), "{\"id\":1,\"x\":{\"_recs\":2}^}", 0 },
};


static const refused_t  refused[] = {

    /* not an object */

    { "/id", recs_string("[]"), "not an object" },
    { "/id", recs_string("\"p1\""), "not an object" },
    { "/0", recs_string("[\"p1\"]"), "not an object" },
    { "", recs_string("7"), "not an object" },
    { NULL, recs_string("null"), "not an object" },

    /* no id */

    { "/id", recs_string("{}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":null}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":true}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":1.5}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":1e-2}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":[1]}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":{\"id\":1}}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":1,\"id\":{}}"),
      "it has no id that is a string or an integer" },
    { "/x/id", recs_string("{\"id\":1}"),
      "it has no id that is a string or an integer" },

    /* malformed */

    { "/id", recs_string(""), "not a value" },
    { "/id", recs_string("{\"id\":1"), "no \",\" or \"}\"" },
    { "/id", recs_string("{\"id\":1}}"), "more after the root value" },
    { "/id", recs_string("{\"id\":1}\n{\"id\":2}"),
      "more after the root value" },
    { "/id", recs_string("{\"id\":\"\xff\"}"), "not UTF-8" },
    { NULL, recs_string("{\"id\":\"\\q\"}"), "not an escape" },

    /* not what it is known as */

    { NULL, recs_string("{\"id\":\"other\"}"),
      "its id is another than that of its entry" },
};


static const entry_t  entries[] = {

    /* the same, as decoded text */

    { "p1", "/id", recs_string("{\"id\":\"p1\"}"), 0 },
    { "p1", "/id", recs_string("{\"id\":\"\\u00701\"}"), 0 },
    { "7", "/id", recs_string("{\"id\":7}"), 0 },
    { "7", "/id", recs_string("{\"id\":\"7\"}"), 0 },
    { "0", "/id", recs_string("{\"id\":-0}"), 0 },
    { "", "/id", recs_string("{\"id\":\"\"}"), 0 },
    { "p1", "/x/id", recs_string("{\"x\":{\"id\":\"p1\"}}"), 0 },

    /* none, or none that is usable, where it is looked for */

    { "p1", "/id", recs_string("{}"), 0 },
    { "", "/id", recs_string("{}"), 0 },
    { "p1", "/id", recs_string("{\"id\":null}"), 0 },
    { "p1", "/id", recs_string("{\"id\":1.5}"), 0 },
    { "p1", "/id", recs_string("{\"id\":[\"p2\"]}"), 0 },
    { "p1", "/x/id", recs_string("{\"id\":\"p2\"}"), 0 },

    /* of a repeated name the last counts */

    { "p1", "/id", recs_string("{\"id\":\"p2\",\"id\":\"p1\"}"), 0 },
    { "p1", "/id", recs_string("{\"id\":\"p2\",\"id\":{}}"), 0 },
    { "p1", "/id", recs_string("{\"id\":\"p1\",\"id\":\"p2\"}"), 1 },

    /* another */

    { "p1", "/id", recs_string("{\"id\":\"p2\"}"), 1 },
    { "p1", "/id", recs_string("{\"id\":\"P1\"}"), 1 },
    { "p1", "/id", recs_string("{\"id\":\"p\"}"), 1 },
    { "p1", "/id", recs_string("{\"id\":\"p1\\u0000\"}"), 1 },
    { "p1", "/id", recs_string("{\"id\":\"\"}"), 1 },
    { "", "/id", recs_string("{\"id\":\"p1\"}"), 1 },
    { "p1", "/id", recs_string("{\"id\":1}"), 1 },
    { "7", "/id", recs_string("{\"id\":77}"), 1 },
    { "-0", "/id", recs_string("{\"id\":-0}"), 1 },
};


static const shelf_t  shelves[] = {

    /* a shelf of objects, of arrays, an empty one */

    { recs_string("{\"a\":[{\"id\":1}]}"), 0, recs_string("p1"), NULL },
    { recs_string("{\"a\":[[]]}"), 0, recs_string("p1"), NULL },
    { recs_string("{\"a\":[]}"), 0, recs_string("7"), NULL },
    { recs_string("{\"a\":[],\"b\":[1]}"), 0, recs_string("7"), NULL },
    { recs_string("{\"b\":[1],\"a\":[{}]}"), 0, recs_string("7"), NULL },

    /* the shelf's own items count, wherever it stands */

    { recs_string("{\"b\":[1],\"a\":[{}]}"), 1, recs_string("7"), "7" },
    { recs_string("{\"a\":[{}],\"b\":[\"b1\"]}"), 1, recs_string("7"),
      "\"7\"" },
    { recs_string("{\"a\":[1],\"b\":[]}"), 1, recs_string("7"), NULL },
    { recs_string("{\"a\":[1],\"b\":[]}"), 0, recs_string("7"), "7" },
    { recs_string("{\"a\":[1,2],\"b\":[{}]}"), 1, recs_string("7"), NULL },

    /* of strings */

    { recs_string("{\"a\":[\"b1\"]}"), 0, recs_string("p1"), "\"p1\"" },
    { recs_string("{\"a\":[\"b1\",2]}"), 0, recs_string("7"), "\"7\"" },
    { recs_string("{\"a\":[\"b1\"]}"), 0, recs_string("a\"b\\\n\0c"),
      "\"a\\\"b\\\\\\n\\u0000c\"" },
    { recs_string("{\"b\":[{}],\"a\":[\"b1\"]}"), 0, recs_string(""), "\"\"" },
    { recs_string("{\"a\":[\"b1\"]}"), 0, recs_string("\xed\xa0\xbd"),
      "\"\\ud83d\"" },

    /* of numbers: a number if the id is the text of an integer */

    { recs_string("{\"a\":[1]}"), 0, recs_string("7"), "7" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("0"), "0" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("-7"), "-7" },
    { recs_string("{\"a\":[1.5]}"), 0, recs_string("7"), "7" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("90071992547409930"),
      "90071992547409930" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("p1"), "\"p1\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string(""), "\"\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("07"), "\"07\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("+7"), "\"+7\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("-"), "\"-\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("7.0"), "\"7.0\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("7e1"), "\"7e1\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string(" 7"), "\" 7\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("7 "), "\"7 \"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("7,8"), "\"7,8\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("7]"), "\"7]\"" },
    { recs_string("{\"a\":[1]}"), 0, recs_string("true"), "\"true\"" },

    /* -0 would read back as 0, which is another id */

    { recs_string("{\"a\":[1]}"), 0, recs_string("-0"), "\"-0\"" },

    /* of other scalars */

    { recs_string("{\"a\":[null]}"), 0, recs_string("7"), "\"7\"" },
    { recs_string("{\"a\":[true,1]}"), 0, recs_string("7"), "\"7\"" },
};


/* id: what is known already; NULL: nothing. */

static const char *
read_entry(unit_arena_t *arena, const char *id, const char *pointer,
    const recs_str_t *text, recs_object_t *object)
{
    recs_str_t       copy;
    recs_pointer_t  *ptr;

    (void) unit_pointers(arena, pointer, &ptr);
    copy = unit_copy(arena, text);

    /* as memory comes: only whether there is an id is said */

    memset(object, 0xa5, sizeof(recs_object_t));
    object->id.data = NULL;

    if (id) {
        object->id = unit_str(id);
    }

    return recs_object_read(&arena->mem, &copy, ptr, object);
}


static const char *
read_object(unit_arena_t *arena, const char *pointer, const recs_str_t *text,
    recs_object_t *object)
{
    return pointer ? read_entry(arena, NULL, pointer, text, object)
                   : read_entry(arena, "given", "/id", text, object);
}


static void
objects_are_read(void **state)
{
    size_t          i;
    recs_str_t      str;
    unit_text_t     text;
    unit_arena_t    arena;
    recs_object_t   object;

    (void) state;

    for (i = 0; i < unit_nelts(objects); i++) {
        unit_arena_init(&arena);

        assert_null(read_object(&arena, objects[i].pointer, &objects[i].text,
                                &object));

        unit_assert_str(&object.id, &objects[i].id);
        assert_int_equal(object.empty, objects[i].empty);

        text.len = 0;
        unit_add(&text, &object.head);
        unit_add_cstr(&text, "^");
        unit_add(&text, &object.tail);

        str = unit_text_str(&text);
        unit_assert_cstr(&str, objects[i].object);

        unit_arena_free(&arena);
    }
}


static void
what_is_no_object_with_an_id_is_refused(void **state)
{
    size_t          i;
    const char     *error;
    unit_arena_t    arena;
    recs_object_t   object;

    (void) state;

    for (i = 0; i < unit_nelts(refused); i++) {
        unit_arena_init(&arena);

        error = read_object(&arena, refused[i].pointer, &refused[i].text,
                            &object);
        assert_non_null(error);
        assert_string_equal(error, refused[i].error);

        unit_arena_free(&arena);
    }
}


static void
an_object_is_of_its_entry(void **state)
{
    size_t           i;
    const char      *error;
    unit_arena_t     arena;
    recs_object_t    object;
    const entry_t   *entry;

    (void) state;

    for (i = 0; i < unit_nelts(entries); i++) {
        entry = &entries[i];
        unit_arena_init(&arena);

        error = read_entry(&arena, entry->id, entry->pointer, &entry->text,
                           &object);

        if (entry->refused) {
            assert_non_null(error);
            assert_string_equal(error,
                                "its id is another than that of its entry");

        } else {
            assert_null(error);
            unit_assert_cstr(&object.id, entry->id);
        }

        unit_arena_free(&arena);
    }
}


static const recs_draw_t  a_draw = {
    .slot = 3, .choice = 0.25, .p = 0.005
};


/* draw: NULL for backfill. */

static recs_str_t
inserted(unit_arena_t *arena, const recs_object_t *object,
    const recs_str_t *page_text, size_t shelf, const recs_draw_t *draw)
{
    recs_str_t      pool, text;
    recs_page_t     page;
    recs_insert_t   insert;

    unit_page(arena, "/a /b", page_text, &page);

    memset(&insert, 0, sizeof(recs_insert_t));
    insert.draw = draw;
    insert.shelf = shelf;
    insert.before = page.nitems;
    pool = unit_str("fresh");

    assert_int_equal(recs_object_insert(&arena->mem, object, &page, &insert,
                                        &pool, 0.1, &text), RECS_OK);

    return text;
}


static void
what_is_put_in_says_where_it_comes_from(void **state)
{
    size_t          i, k;
    recs_str_t      str, expected;
    unit_text_t     text;
    unit_arena_t    arena;
    recs_object_t   object;

    static const struct {
        const recs_draw_t   *draw;
        const char          *text;
    } tags[] = {
        { &a_draw, "\"_recs\":{\"explore\":true,\"pool\":\"fresh\","
                   "\"slot\":3,\"p\":0.005,\"gate\":0.1}" },
        { NULL, "\"_recs\":{\"backfill\":true,\"pool\":\"fresh\"}" },
    };

    static const recs_str_t  page = recs_string("{\"a\":[{}]}");

    (void) state;

    for (i = 0; i < unit_nelts(objects); i++) {
        unit_arena_init(&arena);

        assert_null(read_object(&arena, objects[i].pointer, &objects[i].text,
                                &object));

        for (k = 0; k < unit_nelts(tags); k++) {
            str = inserted(&arena, &object, &page, 0, tags[k].draw);

            text.len = 0;
            unit_add(&text, &object.head);
            unit_add_cstr(&text, objects[i].empty ? "" : ",");
            unit_add_cstr(&text, tags[k].text);
            unit_add(&text, &object.tail);

            expected = unit_text_str(&text);
            unit_assert_str(&str, &expected);
        }

        unit_arena_free(&arena);
    }
}


static void
it_is_as_the_shelf_s_items_are(void **state)
{
    size_t          i;
    recs_str_t      text;
    unit_arena_t    arena;
    recs_object_t   object;

    static const recs_str_t  source = recs_string("{\"t\":\"a title\"}");

    (void) state;

    for (i = 0; i < unit_nelts(shelves); i++) {
        unit_arena_init(&arena);

        assert_null(read_object(&arena, NULL, &source, &object));
        object.id = shelves[i].id;
        object.shown = shelves[i].id;

        text = inserted(&arena, &object, &shelves[i].page, shelves[i].shelf,
                        &a_draw);
        unit_assert_cstr(&text, shelves[i].text ? shelves[i].text
                         : "{\"t\":\"a title\",\"_recs\":{\"explore\":true,"
                           "\"pool\":\"fresh\",\"slot\":3,\"p\":0.005,"
                           "\"gate\":0.1}}");

        text = inserted(&arena, &object, &shelves[i].page, shelves[i].shelf,
                        NULL);
        unit_assert_cstr(&text, shelves[i].text ? shelves[i].text
                         : "{\"t\":\"a title\",\"_recs\":{"
                           "\"backfill\":true,\"pool\":\"fresh\"}}");

        unit_arena_free(&arena);
    }
}


/* The object on the shelf of a page, which may be in either format. */

static recs_str_t
on_shelf(unit_arena_t *arena, const recs_object_t *object,
    const recs_str_t *page_text, recs_format_e format)
{
    recs_str_t  text;

    text = format == RECS_MSGPACK ? unit_msgpack(arena, page_text)
                                  : *page_text;

    return inserted(arena, object, &text, 0, &a_draw);
}


/* Whatever it came in, and whatever is asked for: the same. */

static void
an_object_goes_into_pages_of_both_formats(void **state)
{
    size_t          i;
    recs_str_t      text, packed, str, expected;
    unit_arena_t    arena;
    recs_object_t   object, other;

    static const recs_str_t  page = recs_string("{\"a\":[{}]}");

    (void) state;

    for (i = 0; i < unit_nelts(objects); i++) {
        unit_arena_init(&arena);

        text = objects[i].text;
        packed = unit_msgpack(&arena, &text);
        assert_true(packed.len > 0);

        assert_null(read_object(&arena, objects[i].pointer, &text, &object));
        assert_null(read_object(&arena, objects[i].pointer, &packed, &other));

        unit_assert_str(&other.id, &objects[i].id);
        assert_int_equal(other.empty, objects[i].empty);
        unit_assert_str(&other.members, &object.members);
        assert_int_equal(other.nmembers, object.nmembers);

        str = on_shelf(&arena, &object, &page, RECS_JSON);
        expected = unit_msgpack(&arena, &str);
        str = on_shelf(&arena, &object, &page, RECS_MSGPACK);
        unit_assert_str(&str, &expected);

        str = on_shelf(&arena, &other, &page, RECS_MSGPACK);
        unit_assert_str(&str, &expected);
        str = on_shelf(&arena, &other, &page, RECS_JSON);
        str = unit_msgpack(&arena, &str);
        unit_assert_str(&str, &expected);

        unit_arena_free(&arena);
    }
}


static void
it_is_as_the_shelf_s_items_are_in_messagepack(void **state)
{
    size_t          i;
    recs_str_t      page, text, expected;
    unit_arena_t    arena;
    recs_object_t   object;

    static const recs_str_t  source = recs_string("{\"t\":\"a title\"}");

    static const struct {
        recs_str_t    page;
        recs_str_t    id;
        recs_str_t    text;
    } more[] = {

        /* integers have 64 bits */

        { recs_string("\x81\xa1" "a\x91\xd1\x00\x01"),
          recs_string("18446744073709551615"),
          recs_string("\xcf\xff\xff\xff\xff\xff\xff\xff\xff") },
        { recs_string("\x81\xa1" "a\x91\x01"),
          recs_string("18446744073709551616"),
          recs_string("\xb4" "18446744073709551616") },
        { recs_string("\x81\xa1" "a\x91\x01"),
          recs_string("-9223372036854775808"),
          recs_string("\xd3\x80\x00\x00\x00\x00\x00\x00\x00") },
        { recs_string("\x81\xa1" "a\x91\x01"),
          recs_string("-9223372036854775809"),
          recs_string("\xb4" "-9223372036854775809") },
        { recs_string("\x81\xa1" "a\x91\xca\x00\x00\x00\x00"),
          recs_string("7"), recs_string("\x07") },

        /* of bin, of ext */

        { recs_string("\x81\xa1" "a\x91\xc4\x01x"), recs_string("\x00\xff"),
          recs_string("\xc4\x02\x00\xff") },
        { recs_string("\x81\xa1" "a\x91\xc4\x01x"), recs_string("7"),
          recs_string("\xc4\x01" "7") },
        { recs_string("\x81\xa1" "a\x91\xc4\x01x"), recs_string(""),
          recs_string("\xc4\x00") },
        { recs_string("\x81\xa1" "a\x91\xd4\x01x"), recs_string("p1"),
          recs_string("\xa2p1") },
        { recs_string("\x81\xa1" "a\x91\xa1x"), recs_string("\x00\xff"),
          recs_string("\xa2\x00\xff") },
    };

    (void) state;

    for (i = 0; i < unit_nelts(shelves); i++) {
        unit_arena_init(&arena);

        assert_null(read_object(&arena, NULL, &source, &object));
        object.id = shelves[i].id;

        text = inserted(&arena, &object, &shelves[i].page, shelves[i].shelf,
                        &a_draw);
        expected = unit_msgpack(&arena, &text);

        if (shelves[i].text) {
            text = unit_str(shelves[i].text);
            expected = unit_msgpack(&arena, &text);
        }

        page = unit_msgpack(&arena, &shelves[i].page);
        text = inserted(&arena, &object, &page, shelves[i].shelf, &a_draw);
        unit_assert_str(&text, &expected);

        unit_arena_free(&arena);
    }

    for (i = 0; i < unit_nelts(more); i++) {
        unit_arena_init(&arena);

        assert_null(read_object(&arena, NULL, &source, &object));
        object.id = more[i].id;

        text = inserted(&arena, &object, &more[i].page, 0, &a_draw);
        unit_assert_str(&text, &more[i].text);

        unit_arena_free(&arena);
    }
}


/* What MessagePack holds comes as it is into a page of that. */

static void
an_object_of_messagepack_keeps_its_bytes(void **state)
{
    recs_str_t      text;
    unit_arena_t    arena;
    recs_object_t   object;

    static const recs_str_t  source = recs_string(
        "\xdf\x00\x00\x00\x04\xd9\x02id\xcd\x00\x07\xa5_recs\x01"
        "\xa1t\xd6\xff\x00\x00\x00\x01\xa1x\xca\x3d\xcc\xcc\xcd");
    static const recs_str_t  start = recs_string(
        "\x84\xd9\x02id\xcd\x00\x07"
        "\xa1t\xd6\xff\x00\x00\x00\x01\xa1x\xca\x3d\xcc\xcc\xcd"
        "\xa5_recs\x85\xa7" "explore");
    static const recs_str_t  page = recs_string("{\"a\":[{}]}");

    (void) state;

    unit_arena_init(&arena);

    assert_null(read_object(&arena, "/id", &source, &object));
    unit_assert_cstr(&object.id, "7");

    text = on_shelf(&arena, &object, &page, RECS_MSGPACK);
    assert_true(text.len > start.len);
    text.len = start.len;
    unit_assert_str(&text, &start);

    text = on_shelf(&arena, &object, &page, RECS_JSON);
    unit_assert_cstr(&text, "{\"id\":7,\"t\":\"1970-01-01T00:00:01Z\","
                     "\"x\":0.1,\"_recs\":{\"explore\":true,"
                     "\"pool\":\"fresh\",\"slot\":3,\"p\":0.005,"
                     "\"gate\":0.1}}");

    unit_arena_free(&arena);
}


/* Sets are asked about its bytes; JSON shows base64. */

static void
an_id_may_be_binary(void **state)
{
    size_t          i;
    recs_str_t      text;
    unit_arena_t    arena;
    recs_object_t   object;

    static const recs_str_t  source = recs_string("\x81\xa2id\xc4\x02\x00\xff");
    static const recs_str_t  id = recs_string("\x00\xff");

    static const struct {
        recs_str_t    page;
        recs_str_t    start;
    } pages[] = {
        { recs_string("\x81\xa1" "a\x91\x80"),
          recs_string("\x82\xa2id\xc4\x02\x00\xff\xa5_recs") },
        { recs_string("\x81\xa1" "a\x91\xc4\x00"),
          recs_string("\xc4\x02\x00\xff") },
        { recs_string("{\"a\":[{}]}"),
          recs_string("{\"id\":\"AP8=\",\"_recs\":{") },
        { recs_string("{\"a\":[\"b1\"]}"), recs_string("\"AP8=\"") },
        { recs_string("{\"a\":[1]}"), recs_string("\"AP8=\"") },
    };

    (void) state;

    unit_arena_init(&arena);

    assert_null(read_object(&arena, "/id", &source, &object));
    unit_assert_str(&object.id, &id);

    for (i = 0; i < unit_nelts(pages); i++) {
        text = inserted(&arena, &object, &pages[i].page, 0, &a_draw);
        assert_true(text.len >= pages[i].start.len);

        text.len = pages[i].start.len;
        unit_assert_str(&text, &pages[i].start);
    }

    unit_arena_free(&arena);
}


/* What the other format has no form for, or not with the same id. */

static void
an_object_may_be_for_one_format_alone(void **state)
{
    size_t          i;
    recs_str_t      text;
    unit_arena_t    arena;
    recs_format_e   format;
    recs_object_t   object;

    static const recs_str_t  page = recs_string("{\"a\":[{}]}");

    static const struct {
        const char     *pointer;    /* as in read_t */
        recs_str_t      text;
        unsigned        forms;
    } one_sided[] = {

        /* beyond 64 bits, beyond a double */

        { "/id", recs_string("{\"id\":18446744073709551615}"), 3 },
        { "/id", recs_string("{\"id\":18446744073709551616}"), 1 },
        { "/id", recs_string("{\"id\":1,\"x\":1e400}"), 1 },

        /* names that are neither str nor integer */

        { "/id", recs_string("\x82\xa2id\x01\x05\x02"), 3 },
        { "/id", recs_string("\x82\xa2id\x01\xc0\x02"), 2 },
        { "/id", recs_string("\x82\xa2id\x01\xc4\x01x\x02"), 2 },

        /* another id in JSON */

        { "/id", recs_string("\x81\xa2id\xa2\xc3\xbf"), 3 },
        { "/id", recs_string("\x81\xa2id\xa1\xff"), 2 },
        { NULL, recs_string("\x81\xa2id\xd6\xff\x00\x00\x00\x00"), 2 },
        { "/1", recs_string("\x82\xa1" "1\x07\x01\x07"), 3 },
        { "/1", recs_string("\x82\xa1" "1\x07\x01\x08"), 2 },

        /* none in JSON */

        { "/1", recs_string("\x82\xa1" "1\x07\x01\xc0"), 2 },
        { "/1", recs_string("\x82\xa1" "1\x07\x01\x90"), 2 },
        { NULL, recs_string("\x81\xa2id\xc0"), 3 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(one_sided); i++) {
        unit_arena_init(&arena);

        assert_null(read_object(&arena, one_sided[i].pointer,
                                &one_sided[i].text, &object));
        assert_int_equal(object.forms, one_sided[i].forms);

        for (format = RECS_JSON; format <= RECS_MSGPACK; format++) {
            if (object.forms & recs_format_bit(format)) {
                text = on_shelf(&arena, &object, &page, format);
                assert_true(text.len > 0);
            }
        }

        unit_arena_free(&arena);
    }
}


/* Known by another name than the one that it has in JSON alone. */

static void
an_object_has_no_id_of_its_own_in_one_format(void **state)
{
    size_t          i;
    unit_arena_t    arena;
    recs_object_t   object;

    static const struct {
        const char     *id;
        recs_str_t      text;
        unsigned        forms;
    } entries[] = {
        { "y", recs_string("\x81\x01\xa1y"), 3 },
        { "x", recs_string("\x81\x01\xa1y"), 2 },
        { "x", recs_string("\x83\xa1" "1\xc4\x01x\xa1" "1\x90\x01\xa1y"),
          2 },

        /* it would be shown by that name, which is no text */

        { "\xff", recs_string("\x80"), 2 },
        { "\xff", recs_string("{}"), 2 },
        { "\xc3\xbf", recs_string("{}"), 3 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(entries); i++) {
        unit_arena_init(&arena);

        assert_null(read_entry(&arena, entries[i].id, "/1", &entries[i].text,
                               &object));
        assert_int_equal(object.forms, entries[i].forms);

        unit_arena_free(&arena);
    }
}


static void
an_object_of_messagepack_may_be_refused(void **state)
{
    size_t          i;
    const char     *error;
    unit_arena_t    arena;
    recs_object_t   object;

    static const refused_t  useless[] = {

        /* no id */

        { "/id", recs_string("\x81\xa2id\xca\x3f\x00\x00\x00"),
          "it has no id that is a string or an integer" },
        { "/id", recs_string("\x81\xa2id\xd6\xff\x00\x00\x00\x00"),
          "it has no id that is a string or an integer" },
        { "/1", recs_string("\x81\x01\x07"),
          "it has no id that is a string or an integer" },

        /* not an object, malformed */

        { "/id", recs_string("\x91\x80"), "not an object" },
        { NULL, recs_string("\xde\x00\x00\xc0"),
          "more after the root value" },
        { NULL, recs_string("\xdf\xff\xff\xff\xff"),
          "it ends before all that a container holds" },
    };

    (void) state;

    for (i = 0; i < unit_nelts(useless); i++) {
        unit_arena_init(&arena);

        error = read_object(&arena, useless[i].pointer, &useless[i].text,
                            &object);
        assert_non_null(error);
        assert_string_equal(error, useless[i].error);

        unit_arena_free(&arena);
    }
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned          n;
    recs_rc_e         rc;
    recs_str_t        pool, text;
    const char       *error;
    recs_page_t       page;
    unit_arena_t      pages, arena;
    recs_insert_t     insert;
    recs_object_t     object;
    recs_pointer_t   *id;

    static const recs_str_t  page_text = recs_string("{\"a\":[{}]}");
    static const recs_str_t  source = recs_string(
        "{\"_recs\":1,\"id\":\"\\u0031\"}");

    (void) state;

    unit_arena_init(&pages);
    (void) unit_pointers(&pages, "/id", &id);
    unit_page(&pages, "/a", &page_text, &page);

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        memset(&object, 0, sizeof(recs_object_t));
        error = recs_object_read(&arena.mem, &source, id, &object);
        unit_arena_free(&arena);

        if (error == NULL) {
            break;
        }

        assert_string_equal(error, "out of memory");
        assert_true(n < 100);
    }

    /*
     * values, cuts, the id, edits, pieces, the object without its reserved
     * members; its values, its id; its other form, the values and the id of
     * that
     */

    assert_int_equal(n, 11);

    memset(&object, 0, sizeof(recs_object_t));
    assert_null(recs_object_read(&pages.mem, &source, id, &object));

    memset(&insert, 0, sizeof(recs_insert_t));
    insert.draw = &a_draw;
    pool = unit_str("fresh");

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = recs_object_insert(&arena.mem, &object, &page, &insert, &pool,
                                0.1, &text);
        unit_arena_free(&arena);

        if (rc == RECS_OK) {
            break;
        }

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    assert_true(n > 0);

    unit_arena_free(&pages);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(objects_are_read),
        cmocka_unit_test(what_is_no_object_with_an_id_is_refused),
        cmocka_unit_test(an_object_is_of_its_entry),
        cmocka_unit_test(what_is_put_in_says_where_it_comes_from),
        cmocka_unit_test(it_is_as_the_shelf_s_items_are),
        cmocka_unit_test(an_object_goes_into_pages_of_both_formats),
        cmocka_unit_test(it_is_as_the_shelf_s_items_are_in_messagepack),
        cmocka_unit_test(an_object_of_messagepack_keeps_its_bytes),
        cmocka_unit_test(an_id_may_be_binary),
        cmocka_unit_test(an_object_may_be_for_one_format_alone),
        cmocka_unit_test(an_object_has_no_id_of_its_own_in_one_format),
        cmocka_unit_test(an_object_of_messagepack_may_be_refused),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
