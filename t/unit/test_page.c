
/*
 * Shelves, items, ids and values of a document are found where pointers lead,
 * in one pass and within bounds.
 */

#include <time.h>

#include "unit_page.h"


typedef struct {
    const char       *shelves;
    recs_str_t        text;
    const char       *ids;
} shelves_t;


typedef struct {
    const char       *item_id;
    recs_str_t        item;
    recs_str_t        id;       /* data is NULL: it has none */
} identified_t;


typedef struct {
    const char       *item_id;
    recs_str_t        text;     /* shelves at /a, /b and /rows/.../items */
    const char       *ids;
    const char       *value;    /* at /v/w; NULL: none */
} repeated_t;


typedef struct {
    recs_str_t        text;
    const char       *without;  /* reserved members; "^": page.tail */
} reserved_t;


typedef struct {
    recs_str_t        text;
    const char       *values;   /* at /a, /b/c, /d/1 and /items/0/v */
} values_t;


static const shelves_t  shelves[] = {
    { "/items", recs_string("{\"items\":[{\"id\":\"b1\"},{\"id\":\"b2\"}]}"),
      "b1,b2" },
    { "/items", recs_string("{\"items\":[]}"), "" },
    { "/items", recs_string(" { \"x\" : 1 , \"items\" : [ 1 , 2 ] , \"y\" : "
                            "[ 3 ] } "), "1,2" },
    { "/items", recs_string("{\"item\":[1],\"items\":[2],\"itemss\":[3]}"),
      "2" },
    { "/items", recs_string("{\"\\u0069te\\u006ds\":[1]}"), "1" },
    { "/items", recs_string("{\"x\":{\"items\":[1]},\"items\":[2]}"), "2" },

    /* the root */

    { "", recs_string("[1,2]"), "1,2" },
    { "", recs_string(" [ ] "), "" },
    { "", recs_string("[{\"id\":1},[],{\"id\":2}]"), "1,?,2" },

    /* odd names */

    { "/", recs_string("{\"\":[1],\"a\":[2]}"), "1" },
    { "/a~1b/m~0n", recs_string("{\"a/b\":{\"m~n\":[1]}}"), "1" },
    { "/0", recs_string("{\"0\":[1]}"), "1" },
    { "/*", recs_string("{\"*\":[1],\"a\":[2]}"), "1" },
    { "/-", recs_string("{\"-\":[1]}"), "1" },

    /* nested */

    { "/a/b/c", recs_string("{\"a\":{\"b\":{\"c\":[1,2]},\"c\":[3]}}"),
      "1,2" },
    { "/a/b", recs_string("{\"a\":{\"b\":[{\"a\":{\"b\":[1]},\"id\":2}]}}"),
      "2" },

    /* an index, and every element */

    { "/rows/1", recs_string("{\"rows\":[[1],[2],[3]]}"), "2" },
    { "/rows/0/items", recs_string("{\"rows\":[{\"items\":[1]},"
                                   "{\"items\":[2]}]}"), "1" },
    { "/rows/01 /rows/1", recs_string("{\"rows\":[[1],[2]]}"), "2" },
    { "/rows/*", recs_string("{\"rows\":[[1],[2],[],[3,4]]}"), "1|2||3,4" },
    { "/rows/*", recs_string("{\"rows\":[1,[2],{\"rows\":[[3]]},[4]]}"),
      "2|4" },
    { "/rows/*/items", recs_string("{\"rows\":[{\"items\":[1]},{},"
                                   "{\"items\":{}},{\"items\":[2,3]}]}"),
      "1|2,3" },
    { "/*/*/a", recs_string("[[{\"a\":[1]},{\"b\":[2]}],[{\"a\":[3]}]]"),
      "1|3" },
    { "/*", recs_string("[[1],[2]]"), "1|2" },
    { "/1 /0", recs_string("[[1],[2],[3]]"), "2|1" },

    /* several: by the pointers, then as they stand in the document */

    { "/a /b", recs_string("{\"a\":[1],\"b\":[2]}"), "1|2" },
    { "/b /a", recs_string("{\"a\":[1],\"b\":[2]}"), "2|1" },
    { "/b /a", recs_string("{\"a\":[1,2],\"x\":[9],\"b\":[3],\"c\":[4]}"),
      "3|1,2" },
    { "/a /b", recs_string("{\"b\":[2]}"), "2" },
    { "/a /b", recs_string("{\"b\":[],\"a\":[]}"), "|" },
    { "/c /rows/*/b /rows/*/a",
      recs_string("{\"rows\":[{\"a\":[1],\"b\":[2]},{\"b\":[3],\"a\":[4]}],"
                  "\"c\":[5]}"), "5|2|3|1|4" },
    { "/x/0/a /x/1/a /x/0/b",
      recs_string("{\"x\":[{\"a\":[1],\"b\":[2]},{\"a\":[3],\"b\":[4]}]}"),
      "1|3|2" },

    /* arrays and scalars in a shelf are items, too */

    { "/items", recs_string("{\"items\":[[1,[2]],\"a\",true,null,1.5,-2,{}]}"),
      "?,a,?,?,?,-2,?" },

    /* other members of an item do no harm */

    { "/items", recs_string("{\"items\":[{\"items\":[7],\"ids\":1,\"i\":2,"
                            "\"x\":{\"id\":3},\"id\":4,\"y\":[{\"id\":5}]}]}"),
      "4" },
};


static const identified_t  identified[] = {
    { "/id", recs_string("{\"id\":\"b1\"}"), recs_string("b1") },
    { "/id", recs_string("{\"id\":\"\"}"), recs_string("") },
    { "/id", recs_string("{\"x\":1,\"id\":\"b1\",\"y\":2}"),
      recs_string("b1") },
    { "/id", recs_string("{\"\\u0069d\":\"\\u0062\\u0031\"}"),
      recs_string("b1") },
    { "/id", recs_string("{\"id\":\"a\\\"b\\u0000\\n\\\\\\/\"}"),
      recs_string("a\"b\0\n\\/") },
    { "/id", recs_string("{\"id\":\"\\ud83d\\ude00\xc3\xa9\"}"),
      recs_string("\xf0\x9f\x98\x80\xc3\xa9") },
    { "/id", recs_string("{\"id\":\"\\ud83d\"}"),
      recs_string("\xed\xa0\xbd") },

    /* bytes that are not UTF-8 are bytes */

    { "/id", recs_string("{\"id\":\"b\xe9\\u00e9\xff\"}"),
      recs_string("b\xe9\xc3\xa9\xff") },

    /* integers: their decimal text */

    { "/id", recs_string("{\"id\":0}"), recs_string("0") },
    { "/id", recs_string("{\"id\":-0}"), recs_string("0") },
    { "/id", recs_string("{\"id\":-7}"), recs_string("-7") },
    { "/id", recs_string("{\"id\":9007199254740993}"),
      recs_string("9007199254740993") },
    { "/id", recs_string("{\"id\":-123456789012345678901234567890}"),
      recs_string("-123456789012345678901234567890") },

    /* numbers that are integers all the same: those that are exact */

    { "/id", recs_string("{\"id\":1.0}"), recs_string("1") },
    { "/id", recs_string("{\"id\":123.000}"), recs_string("123") },
    { "/id", recs_string("{\"id\":-7.0}"), recs_string("-7") },
    { "/id", recs_string("{\"id\":0.0}"), recs_string("0") },
    { "/id", recs_string("{\"id\":-0.0}"), recs_string("0") },
    { "/id", recs_string("{\"id\":-0.000e5}"), recs_string("0") },
    { "/id", recs_string("{\"id\":0e0}"), recs_string("0") },
    { "/id", recs_string("{\"id\":0e-5}"), recs_string("0") },
    { "/id", recs_string("{\"id\":-0.00e-9}"), recs_string("0") },
    { "/id", recs_string("{\"id\":1e3}"), recs_string("1000") },
    { "/id", recs_string("{\"id\":1E+3}"), recs_string("1000") },
    { "/id", recs_string("{\"id\":12.30e1}"), recs_string("123") },
    { "/id", recs_string("{\"id\":-1.5e1}"), recs_string("-15") },
    { "/id", recs_string("{\"id\":100e-2}"), recs_string("1") },
    { "/id", recs_string("{\"id\":1000.0E-03}"), recs_string("1") },
    { "/id", recs_string("{\"id\":0.0001e4}"), recs_string("1") },
    { "/id", recs_string("{\"id\":120e0}"), recs_string("120") },
    { "/id", recs_string("{\"id\":1e0000000000000000000000015}"),
      recs_string("1000000000000000") },
    { "/id", recs_string("{\"id\":0e99999999999999999999}"), recs_string("0") },
    { "/id", recs_string("{\"id\":9007199254740991.0}"),
      recs_string("9007199254740991") },
    { "/id", recs_string("{\"id\":-9007199254740991e0}"),
      recs_string("-9007199254740991") },
    { "/id", recs_string("{\"id\":900719925474099.1e1}"),
      recs_string("9007199254740991") },
    { "/id", recs_string("{\"id\":9007199254740991000e-3}"),
      recs_string("9007199254740991") },

    { "/id", recs_string("{\"id\":0.00000000000000000000000000000000001e35}"),
      recs_string("1") },
    { "/id", recs_string("{\"id\":100000000000000000000000000000000000e-35}"),
      recs_string("1") },

    /* not ids */

    { "/id", recs_string("{\"id\":1.5}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":12.34e1}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":1e-1}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":10.01e1}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":-0.1}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":1e-20}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":1e400}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":1e16}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":9007199254740992.0}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":9007199254740993e0}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":-9007199254740992.0}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":1e99999999999999999999}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":99999999999999999999.0}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":12345678901234567890.5e1}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":true}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":null}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":{}}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":[\"b1\"]}"), { NULL, 0 } },
    { "/id", recs_string("{\"id\":{\"id\":\"b1\"}}"), { NULL, 0 } },
    { "/id", recs_string("{\"Id\":\"b1\"}"), { NULL, 0 } },
    { "/id", recs_string("{}"), { NULL, 0 } },
    { "/id", recs_string("[\"b1\"]"), { NULL, 0 } },
    { "/id", recs_string("[{\"id\":\"b1\"}]"), { NULL, 0 } },

    /* a scalar is its own id, wherever the others' is */

    { "/id", recs_string("\"b1\""), recs_string("b1") },
    { "/id", recs_string("\"\\u0062\""), recs_string("b") },
    { "/x/y", recs_string("-0"), recs_string("0") },
    { "/id", recs_string("17"), recs_string("17") },
    { "/id", recs_string("1.5"), { NULL, 0 } },
    { "/id", recs_string("false"), { NULL, 0 } },
    { "/id", recs_string("null"), { NULL, 0 } },
    { "", recs_string("\"b\\u0031\""), recs_string("b1") },
    { "", recs_string("{\"id\":1}"), { NULL, 0 } },

    /* deeper */

    { "/a/b", recs_string("{\"b\":1,\"a\":{\"a\":2,\"b\":3}}"),
      recs_string("3") },
    { "/a/b", recs_string("{\"a/b\":1,\"a\":2}"), { NULL, 0 } },
    { "/a/1", recs_string("{\"a\":[1,\"x\",3]}"), recs_string("x") },
    { "/a/1", recs_string("{\"a\":{\"1\":\"y\"}}"), recs_string("y") },
    { "/0", recs_string("[\"z\",1]"), recs_string("z") },
    { "/a/2", recs_string("{\"a\":[1,2]}"), { NULL, 0 } },
};


static const repeated_t  repeated[] = {

    /* a shelf */

    { "/id", recs_string("{\"a\":[1,2],\"a\":[3]}"), "3", NULL },
    { "/id", recs_string("{\"a\":[1],\"a\":[]}"), "", NULL },
    { "/id", recs_string("{\"a\":[],\"a\":[1]}"), "1", NULL },
    { "/id", recs_string("{\"a\":[1],\"\\u0061\":[2]}"), "2", NULL },
    { "/id", recs_string("{\"a\":[1],\"b\":[2],\"a\":[3]}"), "3|2", NULL },
    { "/id", recs_string("{\"b\":[1],\"a\":[2],\"b\":[3,4]}"), "2|3,4",
      NULL },
    { "/id", recs_string("{\"a\":[1],\"b\":[2],\"a\":{}}"), "2", NULL },
    { "/id", recs_string("{\"a\":[1],\"b\":[2],\"b\":null}"), "1", NULL },
    { "/id", recs_string("{\"a\":1,\"a\":[2]}"), "2", NULL },
    { "/id", recs_string("{\"a\":[1,2],\"b\":[],\"a\":[],\"b\":[3]}"), "|3",
      NULL },

    /* what leads to shelves */

    { "/id", recs_string("{\"rows\":[{\"items\":[1]},{\"items\":[2]}],"
                         "\"rows\":[{\"items\":[3]}]}"), "3", NULL },
    { "/id", recs_string("{\"b\":[1],\"rows\":[{\"items\":[1]}],\"rows\":0}"),
      "1", NULL },
    { "/id", recs_string("{\"rows\":[{\"items\":[1]},"
                         "{\"items\":[2],\"items\":[3]},{\"items\":[4]}]}"),
      "1|3|4", NULL },
    { "/id", recs_string("{\"rows\":[{\"items\":[1]},"
                         "{\"items\":[2],\"items\":3},{\"items\":[4]}]}"),
      "1|4", NULL },

    /* an item's id, and what leads to it */

    { "/id", recs_string("{\"a\":[{\"id\":1,\"id\":2},{\"id\":3}]}"), "2,3",
      NULL },
    { "/id", recs_string("{\"a\":[{\"id\":1,\"id\":null}]}"), "?", NULL },
    { "/id", recs_string("{\"a\":[{\"id\":1,\"id\":[2]},{\"id\":\"\","
                         "\"id\":\"x\"}]}"), "?,x", NULL },
    { "/id", recs_string("{\"a\":[{\"id\":1,\"\\u0069d\":2}]}"), "2", NULL },
    { "/x/id", recs_string("{\"a\":[{\"x\":{\"id\":1},\"x\":{}}]}"), "?",
      NULL },
    { "/x/id", recs_string("{\"a\":[{\"x\":{\"id\":1},\"x\":{\"id\":2}}]}"),
      "2", NULL },
    { "/x/id", recs_string("{\"a\":[{\"x\":{\"id\":1},\"y\":{}}]}"), "1",
      NULL },

    /* a value, and what leads to it */

    { "/id", recs_string("{\"a\":[],\"v\":{\"w\":1,\"w\":2}}"), "", "2" },
    { "/id", recs_string("{\"a\":[],\"v\":{\"w\":1,\"w\":{}}}"), "", NULL },
    { "/id", recs_string("{\"v\":{\"w\":1},\"a\":[],\"v\":{}}"), "", NULL },
    { "/id", recs_string("{\"v\":{\"w\":1},\"a\":[],\"v\":{\"w\":2}}"), "",
      "2" },
    { "/id", recs_string("{\"v\":0,\"a\":[],\"v\":{\"w\":3}}"), "", "3" },
    { "/id", recs_string("{\"v\":{\"w\":1},\"a\":[],\"x\":{\"w\":2}}"), "",
      "1" },
};


static const reserved_t  reserved[] = {

    /* none */

    { recs_string("{}"), "{^}" },
    { recs_string(" { } "), " {^ } " },
    { recs_string("{\"a\":1}"), "{\"a\":1^}" },
    { recs_string("{ \"a\" : 1 , \"b\" : [ ] } "),
      "{ \"a\" : 1 , \"b\" : [ ]^ } " },
    { recs_string("{\"a\":{\"_recs\":1}}"), "{\"a\":{\"_recs\":1}^}" },
    { recs_string("{\"_rec\":1,\"_recs_\":2,\"recs\":3,\"_RECS\":4}"),
      "{\"_rec\":1,\"_recs_\":2,\"recs\":3,\"_RECS\":4^}" },

    /* the only one */

    { recs_string("{\"_recs\":1}"), "{^}" },
    { recs_string("{ \"_recs\" : {\"x\": 1} }"), "{^  }" },
    { recs_string("{\"_recs\":1,\"_recs\":2}"), "{^}" },
    { recs_string("{ \"_recs\":1 , \"_recs\":2 , \"_recs\":3 }"), "{^  }" },

    /* first */

    { recs_string("{\"_recs\":1,\"a\":2}"), "{\"a\":2^}" },
    { recs_string("{ \"_recs\" : 1 , \"a\" : 2 }"), "{ \"a\" : 2^ }" },
    { recs_string("{\"_recs\":1,\"_recs\":2,\"a\":3}"), "{\"a\":3^}" },

    /* last */

    { recs_string("{\"a\":1,\"_recs\":2}"), "{\"a\":1^}" },
    { recs_string("{ \"a\" : 1 , \"_recs\" : 2 }"), "{ \"a\" : 1^ }" },
    { recs_string("{\"a\":1,\"_recs\":2 ,\"_recs\":[3]}"), "{\"a\":1^}" },

    /* in the middle, and everywhere */

    { recs_string("{\"a\":1,\"_recs\":2,\"b\":3}"), "{\"a\":1,\"b\":3^}" },
    { recs_string("{\"a\":1,\"_recs\":2,\"_recs\":3,\"b\":4}"),
      "{\"a\":1,\"b\":4^}" },
    { recs_string("{\"_recs\":1,\"a\":2,\"_recs\":3,\"b\":4,\"_recs\":5}"),
      "{\"a\":2,\"b\":4^}" },
    { recs_string("{\"_recs\":0,\"_recs\":1,\"a\":2,\"_recs\":3,\"_recs\":3,"
                  "\"b\":4,\"c\":5,\"_recs\":6,\"_recs\":7}"),
      "{\"a\":2,\"b\":4,\"c\":5^}" },

    /* disguised */

    { recs_string("{\"a\":1,\"\\u005frecs\":2}"), "{\"a\":1^}" },
    { recs_string("{\"\\u005f\\u0072ecs\":2,\"a\":1}"), "{\"a\":1^}" },
};


static const values_t  values[] = {
    { recs_string("{\"a\":1,\"b\":{\"c\":\"x\"},\"d\":[2,3],"
                  "\"items\":[{\"v\":4},{\"v\":5}]}"), "1,\"x\",3,4" },
    { recs_string("{\"items\":[{\"v\":\"\\u0061\"}],\"d\":[[],1.5e3],"
                  "\"b\":{\"c\":true},\"a\":null}"),
      "null,true,1.5e3,\"\\u0061\"" },
    { recs_string("{\"items\":[]}"), "-,-,-,-" },
    { recs_string("{\"a\":{},\"b\":{\"c\":[]},\"d\":[1,{}],"
                  "\"items\":[{\"v\":[1]}]}"), "-,-,-,-" },
    { recs_string("{\"a\":[1],\"b\":[2],\"d\":[3],\"items\":[[4]]}"),
      "-,-,-,-" },
    { recs_string("{\"d\":{\"1\":-0},\"items\":[1,{\"v\":2}]}"),
      "-,-,-0,-" },
    { recs_string("{\"a\": 12 ,\"b\":{\"d\":1},\"items\":[{\"id\":7,"
                  "\"v\":\"\"}]}"), "12,-,-,\"\"" },
};


static const recs_str_t  no_shelf[] = {
    recs_string("{}"), recs_string("[]"), recs_string("[[1]]"),
    recs_string("1"), recs_string("\"items\""), recs_string("null"),
    recs_string("{\"items\":{}}"), recs_string("{\"items\":null}"),
    recs_string("{\"items\":\"[]\"}"),
    recs_string("{\"Items\":[]}"), recs_string("{\"a\":{\"items\":[]}}"),
    recs_string("[{\"items\":[]}]"),
    recs_string("{\"items\":[1],\"items\":1}"),
};


static const recs_str_t  malformed[] = {
    recs_string(""), recs_string(" "), recs_string("{"), recs_string("}"),
    recs_string("{\"items\":[]"), recs_string("{\"items\":[}"),
    recs_string("{\"items\":[]}]"), recs_string("{\"items\":[]}{}"),
    recs_string("{\"items\":[]},"), recs_string("{\"items\":[1,]}"),
    recs_string("{\"items\":[,1]}"), recs_string("{\"items\":[1 2]}"),
    recs_string("{\"items\":[01]}"), recs_string("{\"items\":[\"\\x\"]}"),
    recs_string("{\"items\":[{\"id\":}]}"),
    recs_string("{\"items\":[{\"id\":1,}]}"),
    recs_string("{\"items\":[{\"id\":1]]}"),
    recs_string("{\"items\":[{\"id\":\xff}]}"),
    recs_string("{\"items\":[{\"x\":nul}]}"),
    recs_string("{\"items\":[{\"x\":\"\n\"}]}"),
    recs_string("{\"items\":[],}"), recs_string("{\"items\":[],\"x\":}"),
    recs_string("{\"items\":[],\"x\":[}]}"),
    recs_string("{\"items\":[],\"_recs\":+1}"),
    recs_string("{\"items\":[],\"_recs\"}"),
    recs_string("{\"items\":[],x:1}"), recs_string("{\"items\" []}"),
    recs_string("{\"v\":{\"w\":1},\"items\":[]"),
    recs_string("{\"v\":{\"w\":tru},\"items\":[]}"),
    recs_string("{\"v\":{\"w\":1]},\"items\":[]}"),
    recs_string("\xef\xbb{\"items\":[]}"),
    recs_string("{\"items\":[NaN]}"),
};


/* Members, items, values and reserved ones of all kinds. */

static const recs_str_t  whole = recs_string(
    "{\"_recs\":0,\"v\":{\"w\":\"als-7\"},\"items\":[{\"id\":\"\\u0062\"},2,"
    "[3],{\"id\":{}}],\"x\":[{\"y\":null}],\"_recs\":{\"z\":1}}");


static void
shelves_are_found(void **state)
{
    size_t        i;
    recs_str_t    ids;
    recs_page_t   page;
    unit_text_t   text;
    unit_arena_t  arena;

    (void) state;

    for (i = 0; i < unit_nelts(shelves); i++) {
        unit_arena_init(&arena);

        unit_page(&arena, shelves[i].shelves, &shelves[i].text, &page);
        unit_page_ids(&page, &text);

        ids = unit_text_str(&text);
        unit_assert_cstr(&ids, shelves[i].ids);

        unit_arena_free(&arena);
    }
}


static void
items_have_ids(void **state)
{
    size_t             i;
    unit_text_t        text;
    recs_str_t         str;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    for (i = 0; i < unit_nelts(identified); i++) {
        unit_arena_init(&arena);

        text.len = 0;
        unit_add_cstr(&text, "{\"items\": [ ");
        unit_add(&text, &identified[i].item);
        unit_add_cstr(&text, " , \"last\"]}");
        str = unit_text_str(&text);

        unit_spec(&arena, "/items", identified[i].item_id, NULL, &spec);

        assert_int_equal(unit_read(&arena, &spec, &str, &page), RECS_OK);
        assert_int_equal(page.nshelves, 1);
        assert_int_equal(page.nitems, 2);
        unit_assert_str(&page.items[0].span, &identified[i].item);
        unit_assert_str(&page.items[0].id, &identified[i].id);
        assert_int_equal(page.items[0].id.data == NULL,
                         identified[i].id.data == NULL);
        unit_assert_cstr(&page.items[1].id, "last");
        unit_assert_cstr(&page.items[1].span, "\"last\"");

        unit_arena_free(&arena);
    }
}


static void
items_are_spans_of_the_document(void **state)
{
    size_t         i;
    recs_page_t    page;
    unit_arena_t   arena;

    static const recs_str_t  text = recs_string(
        "{ \"items\" : [ {\"id\" : 1 } , [ 2, [] ] ,\"three\",-4 , 5.0\n,"
        "true,null ] }");

    static const struct {
        const char   *span;
        recs_type_e   type;
    } items[] = {
        { "{\"id\" : 1 }", RECS_OBJECT }, { "[ 2, [] ]", RECS_ARRAY },
        { "\"three\"", RECS_STRING }, { "-4", RECS_INTEGER },
        { "5.0", RECS_NUMBER }, { "true", RECS_BOOLEAN },
        { "null", RECS_NULL },
    };

    (void) state;

    unit_arena_init(&arena);
    unit_page(&arena, "/items", &text, &page);

    unit_assert_str(&page.text, &text);
    assert_int_equal(page.root, RECS_OBJECT);
    assert_int_equal(page.nshelves, 1);
    assert_int_equal(page.shelves[0].first, 0);
    assert_int_equal(page.shelves[0].nitems, unit_nelts(items));
    assert_int_equal(page.shelves[0].open.data - page.text.data, 12);
    assert_int_equal(page.nitems, unit_nelts(items));

    for (i = 0; i < unit_nelts(items); i++) {
        unit_assert_cstr(&page.items[i].span, items[i].span);
        assert_int_equal(page.items[i].type, items[i].type);
        assert_true(page.items[i].span.data > page.text.data);
        assert_true(page.items[i].span.data
                    < page.text.data + page.text.len);
    }

    unit_arena_free(&arena);
}


static void
of_a_repeated_name_the_last_counts(void **state)
{
    size_t             i;
    recs_str_t         ids;
    recs_page_t        page;
    unit_text_t        text;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    for (i = 0; i < unit_nelts(repeated); i++) {
        unit_arena_init(&arena);

        unit_spec(&arena, "/a /b /rows/*/items", repeated[i].item_id, "/v/w",
                  &spec);
        assert_int_equal(unit_read(&arena, &spec, &repeated[i].text, &page),
                         RECS_OK);

        unit_page_ids(&page, &text);
        ids = unit_text_str(&text);
        unit_assert_cstr(&ids, repeated[i].ids);

        if (repeated[i].value) {
            unit_assert_cstr(&page.values[0].span, repeated[i].value);

        } else {
            assert_null(page.values[0].span.data);
        }

        unit_arena_free(&arena);
    }
}


/* Items are those of the shelves, one shelf's after the other's. */

static void
items_of_a_shelf_that_was_taken_back_are_gone(void **state)
{
    recs_page_t   page;
    unit_arena_t  arena;

    static const recs_str_t  last = recs_string(
        "{\"a\":[1],\"b\":[2,3,4],\"b\":0}");
    static const recs_str_t  middle = recs_string(
        "{\"a\":[1],\"b\":[2,3,4],\"c\":[5,6],\"b\":[7]}");

    (void) state;

    unit_arena_init(&arena);

    unit_page(&arena, "/a /b /c", &last, &page);
    assert_int_equal(page.nshelves, 1);
    assert_int_equal(page.nitems, 1);
    unit_assert_cstr(&page.items[0].span, "1");

    unit_page(&arena, "/a /b /c", &middle, &page);
    assert_int_equal(page.nshelves, 3);
    assert_int_equal(page.nitems, 4);
    assert_int_equal(page.shelves[1].first, 1);
    assert_int_equal(page.shelves[1].nitems, 1);
    assert_int_equal(page.shelves[2].first, 2);
    assert_int_equal(page.shelves[2].nitems, 2);
    unit_assert_cstr(&page.items[1].span, "7");
    unit_assert_cstr(&page.items[3].span, "6");

    unit_arena_free(&arena);
}


static recs_str_t
many(unit_arena_t *arena, const char *head, const char *each, size_t n,
    const char *tail)
{
    size_t       i, len;
    char        *p;
    recs_str_t   str;

    len = strlen(each);

    p = recs_alloc(&arena->mem, strlen(head) + n * len + strlen(tail) + 1);
    str.data = (const uint8_t *) p;

    p += sprintf(p, "%s", head);

    for (i = 0; i < n; i++, p += len) {
        memcpy(p, each, len);
    }

    p += sprintf(p, "%s", tail);
    str.len = (size_t) (p - (const char *) str.data);

    return str;
}


static void
time_is_linear(void **state)
{
    size_t             i;
    clock_t            start;
    recs_str_t         text;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    /* some 4 MB each */

    static const struct {
        const char   *head;
        const char   *each;
        size_t        n;
        const char   *tail;
    } hostile[] = {
        { "{", "\"a\":[],\"b\":[],", 300000, "\"a\":[1],\"b\":[2]}" },
        { "{", "\"b\":[1],\"a\":[2],", 250000, "\"a\":[1],\"b\":[2]}" },
        { "{", "\"a\":[],\"_recs\":0,", 250000, "\"a\":[1],\"b\":[2]}" },
        { "{", "\"_recs\":0,", 400000, "\"a\":[1],\"b\":[2]}" },
        { "{\"a\":[1],\"b\":[2],\"rows\":[", "{\"items\":[]},", 300000,
          "[]]}" },
        { "{\"a\":[1],\"b\":[{\"id\":0", ",\"id\":\"\\u0032\"", 300000,
          "}]}" },
        { "{\"a\":[1],\"b\":[2],\"v\":{", "\"w\":1,", 600000, "\"w\":2}}" },
        { "{\"a\":[1],\"b\":[2],\"rows\":[{", "\"items\":[],", 300000,
          "\"x\":0}]}" },
    };

    (void) state;

    for (i = 0; i < unit_nelts(hostile); i++) {
        unit_arena_init(&arena);

        text = many(&arena, hostile[i].head, hostile[i].each, hostile[i].n,
                    hostile[i].tail);
        unit_spec(&arena, "/a /b /rows/*/items", "/id", "/v/w", &spec);
        spec.max_items = 1000000;

        start = clock();
        assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_OK);

        /* it takes a tenth of that at most; anything quadratic, minutes */

        assert_true(clock() - start < 3 * CLOCKS_PER_SEC);

        assert_true(page.nshelves >= 2);
        unit_assert_cstr(&page.items[0].id, "1");
        unit_assert_cstr(&page.items[1].id, "2");

        unit_arena_free(&arena);
    }
}


static void
reserved_members_are_cut(void **state)
{
    size_t             i, k;
    recs_str_t         byte, without;
    recs_page_t        page;
    unit_text_t        text;
    unit_arena_t       arena;
    const uint8_t     *p, *end;
    recs_page_spec_t   spec;

    (void) state;

    for (i = 0; i < unit_nelts(reserved); i++) {
        unit_arena_init(&arena);

        unit_spec(&arena, NULL, NULL, NULL, &spec);
        assert_int_equal(unit_read(&arena, &spec, &reserved[i].text, &page),
                         RECS_OK);

        text.len = 0;
        k = 0;
        end = page.text.data + page.text.len;

        for (p = page.text.data; p < end; p++) {

            if (p == page.tail) {
                unit_add_cstr(&text, "^");
            }

            if (k < page.ncuts && p == page.cuts[k].to) {
                k++;
            }

            if (k == page.ncuts || p < page.cuts[k].from) {
                byte.data = p;
                byte.len = 1;
                unit_add(&text, &byte);
            }
        }

        assert_int_equal(k, page.ncuts);

        for (k = 1; k < page.ncuts; k++) {
            assert_true(page.cuts[k].from > page.cuts[k - 1].to);
        }

        without = unit_text_str(&text);
        unit_assert_cstr(&without, reserved[i].without);
        assert_int_equal(page.empty, strchr(reserved[i].without, ':') == NULL);

        unit_arena_free(&arena);
    }
}


static void
only_an_object_has_reserved_members(void **state)
{
    recs_page_t   page;
    unit_arena_t  arena;

    static const recs_str_t  text = recs_string(
        "[{\"_recs\":1},{\"id\":1,\"_recs\":2}]");

    (void) state;

    unit_arena_init(&arena);

    unit_page(&arena, "", &text, &page);
    assert_int_equal(page.root, RECS_ARRAY);
    assert_int_equal(page.ncuts, 0);

    unit_arena_free(&arena);
}


static void
values_are_found(void **state)
{
    size_t             i, k;
    recs_str_t         str;
    recs_page_t        page;
    unit_text_t        text;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    for (i = 0; i < unit_nelts(values); i++) {
        unit_arena_init(&arena);

        unit_spec(&arena, "/items", "/id", "/a /b/c /d/1 /items/0/v", &spec);
        assert_int_equal(unit_read(&arena, &spec, &values[i].text, &page),
                         RECS_OK);

        text.len = 0;

        for (k = 0; k < spec.nvalues; k++) {
            unit_add_cstr(&text, k ? "," : "");

            if (page.values[k].span.data) {
                unit_add(&text, &page.values[k].span);

            } else {
                unit_add_cstr(&text, "-");
            }
        }

        str = unit_text_str(&text);
        unit_assert_cstr(&str, values[i].values);

        unit_arena_free(&arena);
    }
}


static void
a_value_may_be_the_root_or_several_pointers(void **state)
{
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const recs_str_t  scalar = recs_string(" \"a\\n\" ");
    static const recs_str_t  object = recs_string("{\"a\":{\"b\":1}}");

    (void) state;

    unit_arena_init(&arena);

    unit_spec(&arena, NULL, NULL, "", &spec);
    assert_int_equal(unit_read(&arena, &spec, &scalar, &page), RECS_OK);
    assert_int_equal(page.root, RECS_STRING);
    assert_int_equal(page.values[0].type, RECS_STRING);
    unit_assert_cstr(&page.values[0].span, "\"a\\n\"");

    unit_spec(&arena, NULL, NULL, "/a/b /a /a/b /a/b/c", &spec);
    assert_int_equal(unit_read(&arena, &spec, &object, &page), RECS_OK);
    unit_assert_cstr(&page.values[0].span, "1");
    assert_null(page.values[1].span.data);
    unit_assert_cstr(&page.values[2].span, "1");
    assert_null(page.values[3].span.data);

    unit_arena_free(&arena);
}


static void
a_value_is_text(void **state)
{
    size_t         i;
    recs_str_t     text;
    recs_reader_t  rd;
    recs_value_t   v;
    unit_arena_t   arena;

    static const struct {
        recs_str_t    json;
        recs_str_t    text;
    } texts[] = {
        { recs_string("\"als-7\""), recs_string("als-7") },
        { recs_string("\"\""), recs_string("") },
        { recs_string("\"-0\""), recs_string("-0") },
        { recs_string("\"a\\u0000b\""), recs_string("a\0b") },
        { recs_string("0"), recs_string("0") },
        { recs_string("-0"), recs_string("0") },
        { recs_string("-1"), recs_string("-1") },
        { recs_string("-0.0"), recs_string("-0.0") },
        { recs_string("-0e1"), recs_string("-0e1") },
        { recs_string("1.50"), recs_string("1.50") },
        { recs_string("18446744073709551616"),
          recs_string("18446744073709551616") },
        { recs_string("true"), recs_string("true") },
        { recs_string("null"), recs_string("null") },
    };

    (void) state;

    unit_arena_init(&arena);

    for (i = 0; i < unit_nelts(texts); i++) {
        recs_read_init(&rd, RECS_JSON, texts[i].json.data, texts[i].json.len);
        assert_int_equal(recs_read_open(&rd, &v), 0);

        assert_int_equal(recs_value_text(&arena.mem, &v, &text), RECS_OK);
        unit_assert_str(&text, &texts[i].text);
    }

    unit_arena_free(&arena);
}


static void
items_are_limited(void **state)
{
    size_t             i;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const struct {
        recs_str_t    text;
        size_t        nitems;
        size_t        max;      /* what is enough */
    } limited[] = {
        { recs_string("{\"a\":[1]}"), 1, 1 },
        { recs_string("{\"a\":[1,{\"x\":[1,2,3]},3],\"x\":[1,2,3]}"), 3, 3 },
        { recs_string("{\"a\":[1,2],\"b\":[3,4,5]}"), 5, 5 },
        { recs_string("{\"b\":[1,2,3],\"a\":[]}"), 3, 3 },

        /* and so are shelves: there may be empty ones without number */

        { recs_string("{\"a\":[]}"), 0, 1 },
        { recs_string("{\"b\":[],\"a\":[]}"), 0, 2 },
        { recs_string("{\"a\":[1],\"b\":[]}"), 1, 2 },
        { recs_string("{\"a\":[],\"c\":[[],[],{\"a\":[]}]}"), 0, 3 },
        { recs_string("{\"c\":[[],[1],[],[2]]}"), 2, 4 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(limited); i++) {
        unit_arena_init(&arena);
        unit_spec(&arena, "/a /b /c/*", "/id", NULL, &spec);

        spec.max_items = limited[i].max;
        assert_int_equal(unit_read(&arena, &spec, &limited[i].text, &page),
                         RECS_OK);
        assert_int_equal(page.nitems, limited[i].nitems);

        spec.max_items = limited[i].max - 1;
        assert_int_equal(unit_read(&arena, &spec, &limited[i].text, &page),
                         RECS_TOO_MANY);

        unit_arena_free(&arena);
    }
}


/* Memory is bounded by what is read, not by what counts in the end. */

static void
items_that_were_taken_back_count_for_the_limit(void **state)
{
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string("{\"a\":[1,2],\"a\":[3]}");
    static const recs_str_t  empty = recs_string(
        "{\"a\":[],\"a\":[],\"a\":[]}");

    (void) state;

    unit_arena_init(&arena);
    unit_spec(&arena, "/a", "/id", NULL, &spec);

    spec.max_items = 3;
    assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_OK);
    assert_int_equal(page.nitems, 1);

    spec.max_items = 2;
    assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_TOO_MANY);

    /* shelves, too */

    spec.max_items = 3;
    assert_int_equal(unit_read(&arena, &spec, &empty, &page), RECS_OK);
    assert_int_equal(page.nshelves, 1);

    spec.max_items = 2;
    assert_int_equal(unit_read(&arena, &spec, &empty, &page), RECS_TOO_MANY);

    unit_arena_free(&arena);
}


/* No array has room for more than may be. */

static void
memory_is_bounded_by_the_limit(void **state)
{
    size_t             i;
    recs_str_t         text;
    recs_page_t        page;
    unit_arena_t       arena, texts;
    recs_page_spec_t   spec;

    static const size_t  max[] = { 1, 3, 64, 65, 256, 257, 1000 };

    (void) state;

    for (i = 0; i < unit_nelts(max); i++) {
        unit_arena_init(&texts);
        unit_arena_init(&arena);

        unit_spec(&texts, "/a", "/id", NULL, &spec);
        spec.max_items = max[i];

        text = many(&texts, "{\"a\":[", "1,", max[i] - 1, "1]}");
        assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_OK);
        assert_int_equal(page.nitems, max[i]);
        assert_int_equal(arena.largest, max[i] * sizeof(recs_item_t));

        unit_arena_free(&arena);
        unit_arena_free(&texts);
    }
}


/* The limit is for items and shelves: reserved members may be more. */

static void
reserved_members_are_not_limited(void **state)
{
    recs_str_t         text;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    unit_arena_init(&arena);
    unit_spec(&arena, "/a", "/id", NULL, &spec);
    spec.max_items = 1;

    text = many(&arena, "{", "\"_recs\":0,\"x\":1,", 300, "\"a\":[1]}");
    assert_int_equal(unit_read(&arena, &spec, &text, &page), RECS_OK);
    assert_int_equal(page.nitems, 1);
    assert_int_equal(page.ncuts, 300);

    unit_arena_free(&arena);
}


static void
there_may_be_thousands_of_items(void **state)
{
    size_t        i, n;
    char          id[16];
    char         *p;
    recs_str_t    text;
    recs_page_t   page;
    unit_arena_t  arena;

    /* around what arrays grow to */

    static const size_t  sizes[] = {
        63, 64, 65, 255, 256, 257, 1024, 1025, 5000
    };

    (void) state;

    for (n = 0; n < unit_nelts(sizes); n++) {
        unit_arena_init(&arena);

        p = recs_alloc(&arena.mem, 64 + sizes[n] * 32);
        text.data = (const uint8_t *) p;
        p += sprintf(p, "{\"b\":[\"first\"],\"a\":[");

        for (i = 0; i < sizes[n]; i++) {
            p += sprintf(p, "%s{\"id\":\"b%u\"}", i ? "," : "", (unsigned) i);
        }

        p += sprintf(p, "]}");
        text.len = (size_t) (p - (const char *) text.data);

        unit_page(&arena, "/a /b", &text, &page);
        assert_int_equal(page.nitems, sizes[n] + 1);

        for (i = 0; i < sizes[n]; i++) {
            (void) sprintf(id, "b%u", (unsigned) i);
            unit_assert_cstr(&page.items[i].id, id);
        }

        unit_assert_cstr(&page.items[sizes[n]].id, "first");
        unit_arena_free(&arena);
    }
}


static void
there_may_be_thousands_of_shelves(void **state)
{
    size_t        i;
    recs_str_t    text;
    recs_page_t   page;
    unit_arena_t  arena;

    (void) state;

    unit_arena_init(&arena);

    text = many(&arena, "{\"rows\":[", "[1,2],[],", 5000, "[3]]}");
    unit_page(&arena, "/rows/*", &text, &page);

    assert_int_equal(page.nshelves, 10001);
    assert_int_equal(page.nitems, 10001);

    for (i = 0; i < 10000; i += 2) {
        assert_int_equal(page.shelves[i].first, i);
        assert_int_equal(page.shelves[i].nitems, 2);
        assert_int_equal(page.shelves[i + 1].first, i + 2);
        assert_int_equal(page.shelves[i + 1].nitems, 0);
    }

    unit_arena_free(&arena);
}


/* With the ids' pointer: RECS_PAGE_POINTERS_MAX. */

static void
there_may_be_many_pointers(void **state)
{
    char               list[1024], name[16];
    size_t             i, n;
    recs_page_t        page;
    unit_text_t        text;
    recs_str_t         str;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    n = RECS_PAGE_POINTERS_MAX - 2;
    unit_arena_init(&arena);

    list[0] = '\0';
    text.len = 0;
    unit_add_cstr(&text, "{\"v\":7");

    for (i = 0; i < n; i++) {
        (void) sprintf(list + strlen(list), "%s/s%u", i ? " " : "",
                       (unsigned) (n - 1 - i));
        (void) sprintf(name, ",\"s%u\":[%u]", (unsigned) i, (unsigned) i);
        unit_add_cstr(&text, name);
    }

    unit_add_cstr(&text, "}");
    str = unit_text_str(&text);

    unit_spec(&arena, list, "/id", "/v", &spec);
    assert_int_equal(unit_read(&arena, &spec, &str, &page), RECS_OK);
    assert_int_equal(page.nshelves, n);
    unit_assert_cstr(&page.values[0].span, "7");

    for (i = 0; i < n; i++) {
        (void) sprintf(name, "%u", (unsigned) (n - 1 - i));
        unit_assert_cstr(&page.items[i].id, name);
    }

    unit_arena_free(&arena);
}


static void
a_page_without_a_shelf_is_told(void **state)
{
    size_t             i;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const recs_str_t  object = recs_string("{\"\":[]}");

    (void) state;

    unit_arena_init(&arena);

    unit_spec(&arena, "/items", "/id", NULL, &spec);

    for (i = 0; i < unit_nelts(no_shelf); i++) {
        assert_int_equal(unit_read(&arena, &spec, &no_shelf[i], &page),
                         RECS_NO_SHELF);
        assert_int_equal(page.nshelves, 0);
        assert_int_equal(page.nitems, 0);
    }

    unit_spec(&arena, "", "/id", NULL, &spec);
    assert_int_equal(unit_read(&arena, &spec, &object, &page), RECS_NO_SHELF);

    unit_spec(&arena, "/*/a", "/id", NULL, &spec);
    assert_int_equal(unit_read(&arena, &spec, &object, &page), RECS_NO_SHELF);

    /* none is missed if none is looked for */

    unit_spec(&arena, NULL, NULL, NULL, &spec);
    assert_int_equal(unit_read(&arena, &spec, &object, &page), RECS_OK);
    assert_int_equal(page.nshelves, 0);
    assert_int_equal(page.nitems, 0);

    unit_arena_free(&arena);
}


static void
a_malformed_text_is_refused(void **state)
{
    size_t             i;
    recs_str_t         part;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    unit_arena_init(&arena);
    unit_spec(&arena, "/items", "/id", "/v/w", &spec);

    for (i = 0; i < unit_nelts(malformed); i++) {
        assert_int_equal(unit_read(&arena, &spec, &malformed[i], &page),
                         RECS_MALFORMED);
    }

    /* cut off anywhere */

    assert_int_equal(unit_read(&arena, &spec, &whole, &page), RECS_OK);

    for (i = 0; i < whole.len; i++) {
        part.data = whole.data;
        part.len = i;
        assert_int_equal(unit_read(&arena, &spec, &part, &page),
                         RECS_MALFORMED);
    }

    unit_arena_free(&arena);
}


static void
an_error_has_its_place(void **state)
{
    size_t             pos;
    const char        *error;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string("{\"items\":[1,{\"id\":x}]}");

    (void) state;

    unit_arena_init(&arena);
    unit_spec(&arena, "/items", "/id", NULL, &spec);

    assert_int_equal(recs_page_read(&arena.mem, &spec, RECS_JSON, &text,
                                    &page, &error, &pos), RECS_MALFORMED);
    assert_string_equal(error, "not a value");
    assert_int_equal(pos, 18);

    unit_arena_free(&arena);
}


/* What pandas writes takes no more of it than integers do. */

static void
ids_with_a_zero_fraction_take_no_memory(void **state)
{
    size_t             i;
    unsigned           n[2];
    recs_page_t        page;
    unit_arena_t       specs, arena;
    recs_page_spec_t   spec;

    static const recs_str_t  texts[] = {
        recs_string("[1,-20,{\"id\":300}]"),
        recs_string("[1.0,-20.0,{\"id\":300.00}]"),
    };

    (void) state;

    unit_arena_init(&specs);
    unit_spec(&specs, "", "/id", NULL, &spec);

    for (i = 0; i < unit_nelts(texts); i++) {
        unit_arena_init(&arena);

        assert_int_equal(unit_read(&arena, &spec, &texts[i], &page), RECS_OK);
        unit_assert_cstr(&page.items[1].id, "-20");
        unit_assert_cstr(&page.items[2].id, "300");
        n[i] = arena.n;

        unit_arena_free(&arena);
    }

    assert_int_equal(n[1], n[0]);

    unit_arena_free(&specs);
}


/* As deep as the reader goes, along a pointer. */

static void
depth_is_bounded(void **state)
{
    size_t             i, depth;
    recs_page_t        page;
    unit_text_t        text, pointer;
    recs_str_t         str;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    for (depth = RECS_MAX_DEPTH; depth <= RECS_MAX_DEPTH + 1;
         depth++)
    {
        unit_arena_init(&arena);
        text.len = 0;
        pointer.len = 0;

        for (i = 1; i < depth; i++) {
            unit_add_cstr(&text, "{\"a\":");
            unit_add_cstr(&pointer, "/a");
        }

        unit_add_cstr(&text, "[7]");

        for (i = 1; i < depth; i++) {
            unit_add_cstr(&text, "}");
        }

        pointer.bytes[pointer.len] = '\0';
        str = unit_text_str(&text);

        unit_spec(&arena, pointer.bytes, "/id", NULL, &spec);

        if (depth > RECS_MAX_DEPTH) {
            assert_int_equal(unit_read(&arena, &spec, &str, &page),
                             RECS_MALFORMED);

        } else {
            assert_int_equal(unit_read(&arena, &spec, &str, &page), RECS_OK);
            unit_assert_cstr(&page.items[0].id, "7");
        }

        unit_arena_free(&arena);
    }
}


static void
want_of_memory_is_an_error(void **state)
{
    size_t             i, pos;
    recs_rc_e          rc;
    unsigned           n, last;
    const char        *error;
    recs_page_t        page;
    recs_value_t       v;
    recs_str_t         text;
    unit_arena_t       specs, arena;
    recs_page_spec_t   spec;

    /* what needs memory: values, items, ids, shelves, cuts, reordering */

    static const struct {
        recs_str_t    text;
        unsigned      needed;
    } hungry[] = {
        { recs_string("{\"a\":[]}"), 3 },
        { recs_string("{\"a\":[1]}"), 4 },
        { recs_string("{\"a\":[1],\"_recs\":1}"), 5 },
        { recs_string("{\"a\":[{\"id\":\"\\n\"}]}"), 5 },
        { recs_string("{\"a\":[\"\\n\"]}"), 5 },
        { recs_string("{\"b\":[1],\"a\":[2]}"), 6 },
        { recs_string("{\"_recs\":1,\"b\":[\"\\n\"],\"a\":[\"\\n\"]}"), 9 },
    };

    (void) state;

    unit_arena_init(&specs);
    unit_spec(&specs, "/a /b", "/id", "/v", &spec);

    for (i = 0; i < unit_nelts(hungry); i++) {
        last = 0;

        for (n = 0; /* void */; n++) {
            unit_arena_init_max(&arena, n);

            rc = recs_page_read(&arena.mem, &spec, RECS_JSON,
                                &hungry[i].text, &page, &error, &pos);
            unit_arena_free(&arena);

            if (rc == RECS_OK) {
                break;
            }

            assert_int_equal(rc, RECS_NOMEM);
            last = n + 1;
            assert_true(last < 100);
        }

        assert_int_equal(last, hungry[i].needed);
    }

    unit_arena_init_max(&arena, 0);
    memset(&v, 0, sizeof(recs_value_t));
    v.span = unit_str("\"\\n\"");
    v.type = RECS_STRING;
    v.escaped = 1;
    assert_int_equal(recs_value_text(&arena.mem, &v, &text), RECS_NOMEM);

    unit_arena_free(&specs);
}


/* The page of the same document in MessagePack; 0: it has none. */

static int
msgpack_page(unit_arena_t *arena, const recs_page_spec_t *spec,
    const recs_str_t *json, recs_page_t *page)
{
    recs_str_t  text;

    text = unit_msgpack(arena, json);

    if (text.len == 0) {
        return 0;
    }

    assert_int_equal(unit_read_as(arena, spec, RECS_MSGPACK, &text, page),
                     RECS_OK);
    assert_int_equal(page->format, RECS_MSGPACK);

    return 1;
}


/* What was found in two pages is the same, one JSON, the other MessagePack. */

static void
check_alike(unit_arena_t *arena, const recs_page_t *json,
    const recs_page_t *msgpack, size_t nvalues)
{
    size_t      i;
    recs_str_t  value;

    assert_int_equal(msgpack->root, json->root);
    assert_int_equal(msgpack->nshelves, json->nshelves);
    assert_int_equal(msgpack->nitems, json->nitems);

    for (i = 0; i < json->nshelves; i++) {
        assert_int_equal(msgpack->shelves[i].first, json->shelves[i].first);
        assert_int_equal(msgpack->shelves[i].nitems, json->shelves[i].nitems);
    }

    for (i = 0; i < json->nitems; i++) {
        unit_assert_str(&msgpack->items[i].id, &json->items[i].id);
        assert_int_equal(msgpack->items[i].id.data == NULL,
                         json->items[i].id.data == NULL);
        assert_int_equal(msgpack->items[i].type, json->items[i].type);

        value = unit_msgpack(arena, &json->items[i].span);
        unit_assert_str(&msgpack->items[i].span, &value);
    }

    for (i = 0; i < nvalues; i++) {

        if (json->values[i].span.data == NULL) {
            assert_null(msgpack->values[i].span.data);
            continue;
        }

        assert_int_equal(msgpack->values[i].type, json->values[i].type);
        value = unit_msgpack(arena, &json->values[i].span);
        unit_assert_str(&msgpack->values[i].span, &value);
    }
}


/* Reads the document both ways, which must agree; 1 if it has both forms. */

static int
check_text(const char *shelves_at, const char *item_id, const char *values_at,
    const recs_str_t *json)
{
    int                both;
    recs_page_t        page, other;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    unit_arena_init(&arena);
    unit_spec(&arena, shelves_at, item_id, values_at, &spec);
    assert_int_equal(unit_read(&arena, &spec, json, &page), RECS_OK);

    both = msgpack_page(&arena, &spec, json, &other);

    if (both) {
        check_alike(&arena, &page, &other, spec.nvalues);
    }

    unit_arena_free(&arena);

    return both;
}


static void
a_page_of_messagepack_is_read_alike(void **state)
{
    size_t        i, both;
    recs_str_t    str;
    unit_text_t   text;

    (void) state;

    for (i = 0; i < unit_nelts(shelves); i++) {
        assert_true(check_text(shelves[i].shelves, "/id", NULL,
                               &shelves[i].text));
    }

    both = 0;

    for (i = 0; i < unit_nelts(identified); i++) {
        text.len = 0;
        unit_add_cstr(&text, "{\"items\": [ ");
        unit_add(&text, &identified[i].item);
        unit_add_cstr(&text, " , \"last\"]}");
        str = unit_text_str(&text);

        both += check_text("/items", identified[i].item_id, NULL, &str);
    }

    /* an integer may be beyond 64 bits */

    assert_true(both >= unit_nelts(identified) - 4);

    for (i = 0; i < unit_nelts(repeated); i++) {
        assert_true(check_text("/a /b /rows/*/items", repeated[i].item_id,
                               "/v/w", &repeated[i].text));
    }

    for (i = 0; i < unit_nelts(values); i++) {
        assert_true(check_text("/items", "/id", "/a /b/c /d/1 /items/0/v",
                               &values[i].text));
    }
}


static void
reserved_members_of_a_map_are_cut(void **state)
{
    size_t             i, k;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    for (i = 0; i < unit_nelts(reserved); i++) {
        unit_arena_init(&arena);

        unit_spec(&arena, NULL, NULL, NULL, &spec);
        assert_true(msgpack_page(&arena, &spec, &reserved[i].text, &page));

        assert_int_equal(page.nmembers == page.nreserved, page.empty);
        assert_int_equal(page.ncuts > 0, page.nreserved > 0);
        assert_int_equal(page.empty, strchr(reserved[i].without, ':') == NULL);

        for (k = 1; k < page.ncuts; k++) {
            assert_true(page.cuts[k].from > page.cuts[k - 1].to);
        }

        unit_arena_free(&arena);
    }
}


/* What only MessagePack has. */

static void
ids_may_be_of_any_width_and_binary(void **state)
{
    size_t         i;
    recs_str_t     ids;
    recs_page_t    page;
    unit_text_t    text;
    unit_arena_t   arena;

    static const struct {
        recs_str_t    items;
        const char   *ids;
    } pages[] = {
        { recs_string("\x92\x07\x81\xa2id\xcd\x00\x07"), "7,7" },
        { recs_string("\x92\xd3\xff\xff\xff\xff\xff\xff\xff\xff"
                      "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
          "-1,18446744073709551615" },
        { recs_string("\xdd\x00\x00\x00\x02\xc4\x02" "ab\x81\xa2id\xc4\x01"
                      "c"),
          "ab,c" },
        { recs_string("\xdc\x00\x02\xd9\x02" "ab\x81\xda\x00\x02id\xa1" "c"),
          "ab,c" },

        /* floats that are integers, as far as they are exact */

        { recs_string("\x95\xca\x3f\x80\x00\x00\xca\x80\x00\x00\x00"
                      "\xca\xc2\xf6\x00\x00\xca\x4b\x7f\xff\xff"
                      "\xca\x3e\x80\x00\x00"), "1,0,-123,16777215,?" },
        { recs_string("\x94\xcb\x40\x5e\xc0\x00\x00\x00\x00\x00"
                      "\xcb\x80\x00\x00\x00\x00\x00\x00\x00"
                      "\xcb\xc3\x3f\xff\xff\xff\xff\xff\xff"
                      "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"),
          "123,0,-9007199254740991,?" },
        { recs_string("\x95\xca\x4b\x80\x00\x00"
                      "\xcb\x43\x40\x00\x00\x00\x00\x00\x00"
                      "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"
                      "\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"
                      "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
          "?,?,?,?,?" },

        /* no id: an ext, a timestamp, nil */

        { recs_string("\x93\xd4\x01" "a\xd6\xff\x00\x00\x00\x01\xc0"),
          "?,?,?" },
        { recs_string("\x92\x81\xa2id\xd4\x01" "a\x81\xa2id\x91\x07"), "?,?" },

        /* names that are no str lead nowhere, and stand for nothing */

        { recs_string("\x92\x81\xc4\x02id\x07\x82\xa2id\x08\xc4\x02id\x09"),
          "?,8" },
        { recs_string("\x91\x84\x00\x01\x91\xa2id\x02\x81\xa2id\x03\x04"
                      "\xa2id\x05"),
          "5" },
    };

    (void) state;

    for (i = 0; i < unit_nelts(pages); i++) {
        unit_arena_init(&arena);

        text.len = 0;
        unit_add_cstr(&text, "\x81\xa5items");
        unit_add(&text, &pages[i].items);
        ids = unit_text_str(&text);
        assert_int_equal(recs_format_of(&ids), RECS_MSGPACK);

        unit_page(&arena, "/items", &ids, &page);
        unit_page_ids(&page, &text);

        ids = unit_text_str(&text);
        unit_assert_cstr(&ids, pages[i].ids);

        unit_arena_free(&arena);
    }
}


/* No array's index is a key that is an integer. */

static void
keys_that_are_integers_match_no_pointer(void **state)
{
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string("\x82\x01\x91\x02\xa1" "a\x03");

    (void) state;

    unit_arena_init(&arena);

    unit_spec(&arena, "/1", "/id", "/a /1", &spec);
    assert_int_equal(unit_read_as(&arena, &spec, RECS_MSGPACK, &text, &page),
                     RECS_NO_SHELF);

    unit_spec(&arena, NULL, NULL, "/a /1 /1/0", &spec);
    assert_int_equal(unit_read_as(&arena, &spec, RECS_MSGPACK, &text, &page),
                     RECS_OK);
    unit_assert_cstr(&page.values[0].span, "\x03");
    assert_null(page.values[1].span.data);
    assert_null(page.values[2].span.data);

    unit_arena_free(&arena);
}


/* A page is read whole or not at all, wherever it ends. */

static void
a_truncated_page_of_messagepack_is_malformed(void **state)
{
    recs_str_t         text;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    (void) state;

    unit_arena_init(&arena);
    unit_spec(&arena, "/items", "/id", "/v/w", &spec);
    text = unit_msgpack(&arena, &whole);
    assert_true(text.len > 0);
    assert_int_equal(unit_read_as(&arena, &spec, RECS_MSGPACK, &text, &page),
                     RECS_OK);

    while (text.len--) {
        assert_int_equal(unit_read_as(&arena, &spec, RECS_MSGPACK, &text,
                                      &page), RECS_MALFORMED);
    }

    unit_arena_free(&arena);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(shelves_are_found),
        cmocka_unit_test(items_have_ids),
        cmocka_unit_test(items_are_spans_of_the_document),
        cmocka_unit_test(of_a_repeated_name_the_last_counts),
        cmocka_unit_test(items_of_a_shelf_that_was_taken_back_are_gone),
        cmocka_unit_test(time_is_linear),
        cmocka_unit_test(reserved_members_are_cut),
        cmocka_unit_test(only_an_object_has_reserved_members),
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(a_value_may_be_the_root_or_several_pointers),
        cmocka_unit_test(a_value_is_text),
        cmocka_unit_test(items_are_limited),
        cmocka_unit_test(items_that_were_taken_back_count_for_the_limit),
        cmocka_unit_test(memory_is_bounded_by_the_limit),
        cmocka_unit_test(reserved_members_are_not_limited),
        cmocka_unit_test(there_may_be_thousands_of_items),
        cmocka_unit_test(there_may_be_thousands_of_shelves),
        cmocka_unit_test(there_may_be_many_pointers),
        cmocka_unit_test(a_page_without_a_shelf_is_told),
        cmocka_unit_test(a_malformed_text_is_refused),
        cmocka_unit_test(an_error_has_its_place),
        cmocka_unit_test(ids_with_a_zero_fraction_take_no_memory),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(want_of_memory_is_an_error),
        cmocka_unit_test(a_page_of_messagepack_is_read_alike),
        cmocka_unit_test(reserved_members_of_a_map_are_cut),
        cmocka_unit_test(ids_may_be_of_any_width_and_binary),
        cmocka_unit_test(keys_that_are_integers_match_no_pointer),
        cmocka_unit_test(a_truncated_page_of_messagepack_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
