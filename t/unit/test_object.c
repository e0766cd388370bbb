
#include "unit_page.h"

#include "recs_object.h"


typedef struct {
    const char       *pointer;  /* NULL: the id is given, "given" */
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


typedef struct {
    recs_str_t        page;     /* the shelf is at /a */
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

    /* white space stays */

    { "/id", recs_string(" { \"id\" : 1 , \"x\" : [ ] } "),
      recs_string("1"), " { \"id\" : 1 , \"x\" : [ ]^ } ", 0 },

    /* the id is known: any object will do */

    { NULL, recs_string("{\"id\":\"other\"}"), recs_string("given"),
      "{\"id\":\"other\"^}", 0 },
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
    { "/id", recs_string("{\"id\":1.0}"),
      "it has no id that is a string or an integer" },
    { "/id", recs_string("{\"id\":1e2}"),
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
};


static const shelf_t  shelves[] = {

    /* a shelf of objects, of arrays, an empty one */

    { recs_string("{\"a\":[{\"id\":1}]}"), recs_string("p1"), NULL },
    { recs_string("{\"a\":[[]]}"), recs_string("p1"), NULL },
    { recs_string("{\"a\":[]}"), recs_string("7"), NULL },
    { recs_string("{\"a\":[],\"b\":[1]}"), recs_string("7"), NULL },
    { recs_string("{\"b\":[1],\"a\":[{}]}"), recs_string("7"), NULL },

    /* of strings */

    { recs_string("{\"a\":[\"b1\"]}"), recs_string("p1"), "\"p1\"" },
    { recs_string("{\"a\":[\"b1\",2]}"), recs_string("7"), "\"7\"" },
    { recs_string("{\"a\":[\"b1\"]}"), recs_string("a\"b\\\n\0c"),
      "\"a\\\"b\\\\\\n\\u0000c\"" },
    { recs_string("{\"b\":[{}],\"a\":[\"b1\"]}"), recs_string(""), "\"\"" },
    { recs_string("{\"a\":[\"b1\"]}"), recs_string("\xed\xa0\xbd"),
      "\"\\ud83d\"" },

    /* of numbers: a number if the id is the text of an integer */

    { recs_string("{\"a\":[1]}"), recs_string("7"), "7" },
    { recs_string("{\"a\":[1]}"), recs_string("0"), "0" },
    { recs_string("{\"a\":[1]}"), recs_string("-7"), "-7" },
    { recs_string("{\"a\":[1.5]}"), recs_string("7"), "7" },
    { recs_string("{\"a\":[1]}"), recs_string("90071992547409930"),
      "90071992547409930" },
    { recs_string("{\"a\":[1]}"), recs_string("p1"), "\"p1\"" },
    { recs_string("{\"a\":[1]}"), recs_string(""), "\"\"" },
    { recs_string("{\"a\":[1]}"), recs_string("07"), "\"07\"" },
    { recs_string("{\"a\":[1]}"), recs_string("+7"), "\"+7\"" },
    { recs_string("{\"a\":[1]}"), recs_string("-"), "\"-\"" },
    { recs_string("{\"a\":[1]}"), recs_string("7.0"), "\"7.0\"" },
    { recs_string("{\"a\":[1]}"), recs_string("7e1"), "\"7e1\"" },
    { recs_string("{\"a\":[1]}"), recs_string(" 7"), "\" 7\"" },
    { recs_string("{\"a\":[1]}"), recs_string("7 "), "\"7 \"" },
    { recs_string("{\"a\":[1]}"), recs_string("7,8"), "\"7,8\"" },
    { recs_string("{\"a\":[1]}"), recs_string("7]"), "\"7]\"" },
    { recs_string("{\"a\":[1]}"), recs_string("true"), "\"true\"" },

    /* -0 would read back as 0, which is another id */

    { recs_string("{\"a\":[1]}"), recs_string("-0"), "\"-0\"" },

    /* of other scalars */

    { recs_string("{\"a\":[null]}"), recs_string("7"), "\"7\"" },
    { recs_string("{\"a\":[true,1]}"), recs_string("7"), "\"7\"" },
};


static const char *
read_object(unit_arena_t *arena, const char *pointer, const recs_str_t *text,
    recs_object_t *object)
{
    recs_str_t       copy;
    recs_pointer_t  *ptr;

    (void) unit_pointers(arena, pointer, &ptr);
    copy = unit_copy(arena, text);

    memset(object, 0, sizeof(recs_object_t));
    object->id = unit_str("given");

    return recs_object_read(&arena->mem, &copy, ptr, object);
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
explore(unit_arena_t *arena, const recs_object_t *object,
    const recs_str_t *page_text, recs_str_t *text)
{
    recs_str_t   pool;
    recs_draw_t  draw;
    recs_page_t  page;

    unit_page(arena, "/a", page_text, &page);

    memset(&draw, 0, sizeof(recs_draw_t));
    draw.slot = 3;
    draw.p = 0.005;
    draw.choice = 0.25;
    pool = unit_str("fresh");

    assert_int_equal(recs_object_explore(&arena->mem, object, &page, &pool,
                                         &draw, 0.1, text), RECS_OK);
}


static void
what_is_put_in_says_where_it_comes_from(void **state)
{
    size_t          i;
    recs_str_t      str, expected;
    unit_text_t     text;
    unit_arena_t    arena;
    recs_object_t   object;

    static const char  tag[] =
        "\"_recs\":{\"explore\":true,\"pool\":\"fresh\",\"slot\":3,"
        "\"p\":0.005,\"gate\":0.1}";

    static const recs_str_t  page = recs_string("{\"a\":[{}]}");

    (void) state;

    for (i = 0; i < unit_nelts(objects); i++) {
        unit_arena_init(&arena);

        assert_null(read_object(&arena, objects[i].pointer, &objects[i].text,
                                &object));
        explore(&arena, &object, &page, &str);

        text.len = 0;
        unit_add(&text, &object.head);
        unit_add_cstr(&text, objects[i].empty ? "" : ",");
        unit_add_cstr(&text, tag);
        unit_add(&text, &object.tail);

        expected = unit_text_str(&text);
        unit_assert_str(&str, &expected);

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

        explore(&arena, &object, &shelves[i].page, &text);
        unit_assert_cstr(&text, shelves[i].text ? shelves[i].text
                         : "{\"t\":\"a title\",\"_recs\":{\"explore\":true,"
                           "\"pool\":\"fresh\",\"slot\":3,\"p\":0.005,"
                           "\"gate\":0.1}}");

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
    recs_draw_t       draw;
    recs_page_t       page;
    unit_arena_t      pages, arena;
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
        error = recs_object_read(&arena.mem, &source, id, &object);
        unit_arena_free(&arena);

        if (error == NULL) {
            break;
        }

        assert_string_equal(error, "out of memory");
        assert_true(n < 100);
    }

    /* values, cuts, the id, edits, pieces, the object */

    assert_int_equal(n, 6);

    assert_null(recs_object_read(&pages.mem, &source, id, &object));

    memset(&draw, 0, sizeof(recs_draw_t));
    pool = unit_str("fresh");

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = recs_object_explore(&arena.mem, &object, &page, &pool, &draw,
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
        cmocka_unit_test(what_is_put_in_says_where_it_comes_from),
        cmocka_unit_test(it_is_as_the_shelf_s_items_are),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
