
/*
 * A decision becomes the document that it says, whose other bytes are those of
 * the original.
 */

#include "unit_render.h"


/*
 * A page with shelves at /a and /b; fates and before: as for unit_decision().
 * Inserts are x, y and z.
 */

typedef struct {
    recs_str_t        text;
    const char       *fates;
    const char       *before;
    const char       *tag;
    recs_str_t        rendered;
} rendered_t;


static const rendered_t  rendered[] = {

    /* nothing changes: not a byte does */

    { recs_string(" { \"a\" : [ 1 , 2 ] , \"x\" : 1e2 } \n"), "kk", "", "",
      recs_string(" { \"a\" : [ 1 , 2 ] , \"x\" : 1e2 } \n") },

    /* every pattern of three, with white space */

    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "kkk", "", "",
      recs_string("{\"a\": [ 1 , 2\t,3 ] }") },
    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "kk-", "", "",
      recs_string("{\"a\": [ 1 , 2 ] }") },
    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "k-k", "", "",
      recs_string("{\"a\": [ 1 , 3 ] }") },
    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "k--", "", "",
      recs_string("{\"a\": [ 1 ] }") },
    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "-kk", "", "",
      recs_string("{\"a\": [ 2\t,3 ] }") },
    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "-k-", "", "",
      recs_string("{\"a\": [ 2 ] }") },
    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "--k", "", "",
      recs_string("{\"a\": [ 3 ] }") },
    { recs_string("{\"a\": [ 1 , 2\t,3 ] }"), "---", "", "",
      recs_string("{\"a\": [ ] }") },

    /* items of all kinds, exactly as they came */

    { recs_string("{\"a\":[{ \"id\":\"\\u0062\" },1.50,[ ],\"\\/\"]}"),
      "k-kk", "", "", recs_string("{\"a\":[{ \"id\":\"\\u0062\" },[ ],"
                                  "\"\\/\"]}") },

    /* put in: before an item, at the end, several at once */

    { recs_string("{\"a\":[ 1 , 2 ]}"), "kk", "0", "",
      recs_string("{\"a\":[ x,1 , 2 ]}") },
    { recs_string("{\"a\":[ 1 , 2 ]}"), "kk", "1", "",
      recs_string("{\"a\":[ 1 , x,2 ]}") },
    { recs_string("{\"a\":[ 1 , 2 ]}"), "kk", "$", "",
      recs_string("{\"a\":[ 1 , 2,x ]}") },
    { recs_string("{\"a\":[ 1 , 2 ]}"), "kk", "01$", "",
      recs_string("{\"a\":[ x,1 , y,2,z ]}") },
    { recs_string("{\"a\":[ 1 , 2 ]}"), "kk", "00$", "",
      recs_string("{\"a\":[ x,y,1 , 2,z ]}") },
    { recs_string("{\"a\":[ 1 , 2 ]}"), "kk", "$$$", "",
      recs_string("{\"a\":[ 1 , 2,x,y,z ]}") },

    /* put in where others go */

    { recs_string("{\"a\":[ 1 , 2 , 3 ]}"), "kk-", "0", "",
      recs_string("{\"a\":[ x,1 , 2 ]}") },
    { recs_string("{\"a\":[ 1 , 2 , 3 ]}"), "k--", "$", "",
      recs_string("{\"a\":[ 1,x ]}") },
    { recs_string("{\"a\":[ 1 , 2 , 3 ]}"), "-k-", "1$", "",
      recs_string("{\"a\":[ x,2,y ]}") },
    { recs_string("{\"a\":[ 1 , 2 , 3 ]}"), "--k", "22", "",
      recs_string("{\"a\":[ x,y,3 ]}") },
    { recs_string("{\"a\":[ 1 , 2 , 3 ]}"), "---", "$", "",
      recs_string("{\"a\":[x ]}") },
    { recs_string("{\"a\":[ 1 , 2 , 3 ]}"), "---", "$$", "",
      recs_string("{\"a\":[x,y ]}") },

    /* put into an empty shelf */

    { recs_string("{\"a\":[]}"), "", "$", "", recs_string("{\"a\":[x]}") },
    { recs_string("{\"a\":[ ]}"), "", "$$", "",
      recs_string("{\"a\":[x,y ]}") },

    /* several shelves */

    { recs_string("{\"a\":[1,2],\"b\":[3,4]}"), "k-k-", "0", "",
      recs_string("{\"a\":[x,1],\"b\":[3]}") },
    { recs_string("{\"b\":[3,4],\"a\":[1,2]}"), "k--k", "0", "",
      recs_string("{\"b\":[4],\"a\":[x,1]}") },
    { recs_string("{\"b\":[3,4],\"x\":[5],\"a\":[1,2]}"), "----", "$", "",
      recs_string("{\"b\":[],\"x\":[5],\"a\":[x]}") },
    { recs_string("{\"b\":[],\"a\":[]}"), "", "$", "",
      recs_string("{\"b\":[],\"a\":[x]}") },
    { recs_string("{\"b\":[3],\"a\":[]}"), "-", "", "",
      recs_string("{\"b\":[],\"a\":[]}") },

    /* put in on the second, on both, in either order of the inserts */

    { recs_string("{\"a\":[1,2],\"b\":[3,4]}"), "kkkk", "2", "",
      recs_string("{\"a\":[1,2],\"b\":[x,3,4]}") },
    { recs_string("{\"a\":[1,2],\"b\":[3,4]}"), "k-k-", "&", "",
      recs_string("{\"a\":[1],\"b\":[3,x]}") },
    { recs_string("{\"a\":[1,2],\"b\":[3,4]}"), "kk--", "&&", "",
      recs_string("{\"a\":[1,2],\"b\":[x,y]}") },
    { recs_string("{\"a\":[1,2],\"b\":[3,4]}"), "kkkk", "$&", "",
      recs_string("{\"a\":[1,2,x],\"b\":[3,4,y]}") },
    { recs_string("{\"a\":[1,2],\"b\":[3,4]}"), "kkkk", "&$", "",
      recs_string("{\"a\":[1,2,y],\"b\":[3,4,x]}") },
    { recs_string("{\"a\":[1,2],\"b\":[3,4]}"), "-kk-", "2&1", "",
      recs_string("{\"a\":[z,2],\"b\":[x,3,y]}") },
    { recs_string("{\"b\":[3,4],\"a\":[1,2]}"), "k--k", "3&0", "",
      recs_string("{\"b\":[x,4,y],\"a\":[z,1]}") },
    { recs_string("{\"b\":[ ],\"a\":[ ]}"), "", "&$$", "",
      recs_string("{\"b\":[x ],\"a\":[y,z ]}") },
    { recs_string("{\"b\":[ ],\"x\":[ ],\"a\":[ 1 ]}"), "-", "$&&", "{}",
      recs_string("{\"b\":[y,z ],\"x\":[ ],\"a\":[x ],\"_recs\":{}}") },

    /* a shelf that a repeated name took back is a member like others */

    { recs_string("{\"a\":[1,2],\"a\":[3,4]}"), "-k", "1", "",
      recs_string("{\"a\":[1,2],\"a\":[x,4]}") },

    /* the tag: the last member, the only one */

    { recs_string("{\"a\":[]}"), "", "", "{}",
      recs_string("{\"a\":[],\"_recs\":{}}") },
    { recs_string(" { \"a\" : [ ] } "), "", "", "{}",
      recs_string(" { \"a\" : [ ],\"_recs\":{} } ") },
    { recs_string("{\"a\":[1],\"x\":{\"y\":2}}"), "-", "", "7",
      recs_string("{\"a\":[],\"x\":{\"y\":2},\"_recs\":7}") },
    { recs_string("{\"x\":{\"y\":2},\"a\":[1]}"), "-", "$", "7",
      recs_string("{\"x\":{\"y\":2},\"a\":[x],\"_recs\":7}") },

    /* reserved members go, with or without a tag */

    { recs_string("{\"a\":[1],\"_recs\":2}"), "k", "", "",
      recs_string("{\"a\":[1]}") },
    { recs_string("{\"a\":[1] , \"_recs\":2 }"), "k", "", "{}",
      recs_string("{\"a\":[1],\"_recs\":{} }") },
    { recs_string("{ \"_recs\":2 , \"a\":[1]}"), "-", "$", "",
      recs_string("{ \"a\":[x]}") },
    { recs_string("{\"_recs\":2,\"a\":[1]}"), "-", "$", "{}",
      recs_string("{\"a\":[x],\"_recs\":{}}") },
    { recs_string("{\"b\":[3],\"_recs\":2,\"_recs\":2,\"a\":[1]}"), "--",
      "", "{}", recs_string("{\"b\":[],\"a\":[],\"_recs\":{}}") },
    { recs_string("{\"_recs\":0,\"a\":[1],\"_recs\":2,\"x\":3,\"_recs\":4}"),
      "k", "0", "{}", recs_string("{\"a\":[x,1],\"x\":3,\"_recs\":{}}") },
    { recs_string("{\"_recs\":0,\"a\":[1],\"_recs\":2,\"x\":3,\"_recs\":4}"),
      "k", "", "", recs_string("{\"a\":[1],\"x\":3}") },

    /* deeper ones are the document's own */

    { recs_string("{\"a\":[{\"_recs\":1},2],\"x\":{\"_recs\":3}}"), "k-", "",
      "{}", recs_string("{\"a\":[{\"_recs\":1}],\"x\":{\"_recs\":3},"
                        "\"_recs\":{}}") },
};


/* A byte order mark stays, and so do bytes that are not UTF-8. */

static const rendered_t  bytes[] = {
    { recs_string("\xef\xbb\xbf{\"a\":[\"\xff\"],\"x\":\"\xe9\"}"), "k",
      "", "", recs_string("\xef\xbb\xbf{\"a\":[\"\xff\"],\"x\":\"\xe9\"}") },
    { recs_string("\xef\xbb\xbf{\"a\":[\"\xff\",2],\"x\":\"\xe9\"}"), "-k",
      "$", "7", recs_string("\xef\xbb\xbf{\"a\":[2,x],\"x\":\"\xe9\","
                          "\"_recs\":7}") },
    { recs_string("\xef\xbb\xbf{\"_recs\":\"\xff\",\"a\":[]}"), "", "", "7",
      recs_string("\xef\xbb\xbf{\"a\":[],\"_recs\":7}") },
};


static const recs_str_t  inserts[UNIT_INSERTS_MAX] = {
    recs_string("x"), recs_string("y"), recs_string("z")
};


static recs_str_t
render(unit_arena_t *arena, const recs_page_t *page, const recs_decision_t *d,
    const recs_str_t *put, const char *tag)
{
    recs_str_t  str;

    str = unit_str(tag);

    return unit_render(arena, page, d, put, &str);
}


static void
check_rendered(const rendered_t *row)
{
    recs_str_t        str;
    recs_page_t       page;
    unit_arena_t      arena;
    recs_decision_t   d;

    unit_arena_init(&arena);

    unit_page(&arena, "/a /b", &row->text, &page);
    unit_decision(&arena, &page, row->fates, row->before, &d);

    str = render(&arena, &page, &d, inserts, row->tag);
    unit_assert_str(&str, &row->rendered);

    unit_arena_free(&arena);
}


static void
decisions_are_rendered(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(rendered); i++) {
        check_rendered(&rendered[i]);
    }
}


static void
bytes_pass_as_they_came(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(bytes); i++) {
        check_rendered(&bytes[i]);
    }
}


/* A page that only loses its reserved members, and may be tagged. */

static void
without_a_decision_items_stay(void **state)
{
    recs_str_t         str;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const recs_str_t  text = recs_string(
        " {\"a\": [1 ,2] ,\"_recs\":{},\"b\":[ ]} ");
    static const recs_str_t  array = recs_string(" [ 1, {\"_recs\":2} ] ");
    static const recs_str_t  scalar = recs_string(" \"a\" ");

    (void) state;

    unit_arena_init(&arena);

    unit_page(&arena, "/a", &text, &page);
    str = render(&arena, &page, NULL, NULL, "");
    unit_assert_cstr(&str, " {\"a\": [1 ,2],\"b\":[ ]} ");
    str = render(&arena, &page, NULL, NULL, "[3]");
    unit_assert_cstr(&str, " {\"a\": [1 ,2],\"b\":[ ],\"_recs\":[3]} ");

    unit_page(&arena, "", &array, &page);
    str = render(&arena, &page, NULL, NULL, "");
    unit_assert_str(&str, &array);

    unit_spec(&arena, NULL, NULL, NULL, &spec);
    assert_int_equal(unit_read(&arena, &spec, &scalar, &page), RECS_OK);
    str = render(&arena, &page, NULL, NULL, "");
    unit_assert_str(&str, &scalar);

    unit_arena_free(&arena);
}


/* No comma stands before the only member. */

static void
an_empty_object_is_tagged(void **state)
{
    size_t             i;
    recs_str_t         str;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    static const struct {
        recs_str_t    text;
        const char   *tagged;
    } empty[] = {
        { recs_string("{}"), "{\"_recs\":7}" },
        { recs_string(" { } "), " {\"_recs\":7 } " },
        { recs_string("{\"_recs\":1}"), "{\"_recs\":7}" },
        { recs_string("{\"_recs\":1,\"_recs\":2 }"), "{\"_recs\":7 }" },
    };

    (void) state;

    for (i = 0; i < unit_nelts(empty); i++) {
        unit_arena_init(&arena);

        unit_spec(&arena, NULL, NULL, NULL, &spec);
        assert_int_equal(unit_read(&arena, &spec, &empty[i].text, &page),
                         RECS_OK);

        str = render(&arena, &page, NULL, NULL, "7");
        unit_assert_cstr(&str, empty[i].tagged);

        unit_arena_free(&arena);
    }
}


static void
a_root_array_is_rendered(void **state)
{
    recs_str_t        str;
    recs_page_t       page;
    unit_arena_t      arena;
    recs_decision_t   d;

    static const recs_str_t  array = recs_string(" [ 1 , 2 ] ");
    static const recs_str_t  rows = recs_string("[[1,2],[ ],[3],[4]]");

    (void) state;

    unit_arena_init(&arena);

    unit_page(&arena, "", &array, &page);
    unit_decision(&arena, &page, "-k", "1$", &d);
    str = render(&arena, &page, &d, inserts, "");
    unit_assert_cstr(&str, " [ x,2,y ] ");

    /* shelves against the document's order */

    unit_page(&arena, "/3 /2 /1 /0", &rows, &page);
    unit_decision(&arena, &page, "--k-", "$", &d);
    str = render(&arena, &page, &d, inserts, "");
    unit_assert_cstr(&str, "[[1],[ ],[],[x]]");

    unit_arena_free(&arena);
}


/* A shelf inside a reserved member goes with it. */

static void
a_shelf_in_a_reserved_member_goes(void **state)
{
    size_t            i;
    recs_str_t        str;
    recs_page_t       page;
    unit_arena_t      arena;
    recs_decision_t   d;

    static const struct {
        recs_str_t    text;
        const char   *rendered;
    } gone[] = {
        { recs_string("{\"_recs\":{\"a\":[1,2]},\"b\":[3,4]}"),
          "{\"b\":[3],\"_recs\":0}" },
        { recs_string("{\"b\":[3,4],\"_recs\":{\"a\":[1,2]}}"),
          "{\"b\":[3],\"_recs\":0}" },
        { recs_string("{\"c\":5,\"_recs\":{\"a\":[1,2]},\"b\":[3,4]}"),
          "{\"c\":5,\"b\":[3],\"_recs\":0}" },
    };

    (void) state;

    for (i = 0; i < unit_nelts(gone); i++) {
        unit_arena_init(&arena);

        unit_page(&arena, "/_recs/a /b", &gone[i].text, &page);
        unit_decision(&arena, &page, "-kk-", "1$", &d);

        str = render(&arena, &page, &d, inserts, "0");
        unit_assert_cstr(&str, gone[i].rendered);

        unit_arena_free(&arena);
    }
}


/* The shelf of a pattern, without white space, put together anew. */

static recs_str_t
joined(const char *fates, const char *before, unit_text_t *text)
{
    size_t  i, k, n;
    char    item[32];

    text->len = 0;
    k = 0;
    n = 0;
    unit_add_cstr(text, "{\"x\":[0],\"a\":[");

    for (i = 0; i <= strlen(fates); i++) {

        while (before[k] && (fates[i] == '\0'
                             || (size_t) (before[k] - '0') == i))
        {
            (void) sprintf(item, "%s\"%c\"", n++ ? "," : "", "xyz"[k++]);
            unit_add_cstr(text, item);
        }

        if (fates[i] == 'k') {
            (void) sprintf(item, "%s{\"id\":%d}", n++ ? "," : "", (int) i);
            unit_add_cstr(text, item);
        }
    }

    unit_add_cstr(text, "],\"y\":[0]}");

    return unit_text_str(text);
}


static void
add_spaced(unit_text_t *text, const char *token, const char *space)
{
    unit_add_cstr(text, token);
    unit_add_cstr(text, space);
}


/* A page of n items, with space between all tokens of its shelf. */

static recs_str_t
spaced(size_t n, const char *space, unit_text_t *text)
{
    size_t  i;
    char    item[32];

    text->len = 0;
    unit_add_cstr(text, "{\"x\":[0],\"a\":");
    add_spaced(text, "[", space);

    for (i = 0; i < n; i++) {
        if (i) {
            add_spaced(text, ",", space);
        }

        (void) sprintf(item, "{\"id\":%d}", (int) i);
        add_spaced(text, item, space);
    }

    unit_add_cstr(text, "],\"y\":[0]}");

    return unit_text_str(text);
}


/* The text without its spaces and line ends; no string here holds any. */

static recs_str_t
squeezed(const recs_str_t *str, unit_text_t *text)
{
    size_t      i;
    recs_str_t  byte;

    text->len = 0;
    byte.len = 1;

    for (i = 0; i < str->len; i++) {
        byte.data = str->data + i;

        if (*byte.data != ' ' && *byte.data != '\n') {
            unit_add(text, &byte);
        }
    }

    return unit_text_str(text);
}


/* As unit_check_alike(), with shelves at these pointers. */

static void
check_alike(const char *shelves, const recs_str_t *json, const char *fates,
    const char *before, const char *tag)
{
    unit_arena_t       arena;
    recs_page_spec_t   spec;

    unit_arena_init(&arena);

    unit_spec(&arena, shelves, "/id", NULL, &spec);
    unit_check_alike(&spec, json, fates, before, tag, NULL);

    unit_arena_free(&arena);
}


static void
check_pattern(size_t n, const char *fates, const char *before)
{
    size_t            i;
    recs_str_t        source, str, expected, outside;
    recs_page_t       page, again;
    unit_text_t       text, model, plain;
    unit_arena_t      arena;
    recs_decision_t   d;

    static const char  *spaces[] = { "", " ", " \n " };

    static const recs_str_t  head = recs_string("{\"x\":[0],\"a\":[");
    static const recs_str_t  tail = recs_string("],\"y\":[0]}");

    source = spaced(n, "", &text);
    check_alike("/a", &source, fates, before, n % 2 ? "{}" : "");

    for (i = 0; i < unit_nelts(spaces); i++) {
        unit_arena_init(&arena);

        source = spaced(n, spaces[i], &text);
        unit_page(&arena, "/a", &source, &page);
        unit_decision(&arena, &page, fates, before, &d);
        str = render(&arena, &page, &d, unit_quoted, "");

        expected = joined(fates, before, &model);
        source = squeezed(&str, &plain);
        unit_assert_str(&source, &expected);

        /* it reads back, and is the same outside of the shelf */

        unit_page(&arena, "/a", &str, &again);
        assert_int_equal(again.nitems, d.kept + d.ninserts);

        outside.data = str.data;
        outside.len = head.len;
        unit_assert_str(&outside, &head);

        outside.data = str.data + str.len - tail.len;
        outside.len = tail.len;
        unit_assert_str(&outside, &tail);

        unit_arena_free(&arena);
    }
}


static void
messagepack_is_rendered_alike(void **state)
{
    size_t  i;

    static const struct {
        const char   *shelves;
        recs_str_t    text;
        const char   *fates;
        const char   *before;
        const char   *tag;
    } others[] = {

        /* shelves at the root, and side by side */

        { "", recs_string("[1,2]"), "-k", "1$", "" },
        { "", recs_string("[]"), "", "$$$", "" },
        { "/3 /2 /1 /0", recs_string("[[1,2],[],[3],[4]]"), "--k-", "$", "" },
        { "/0 /1", recs_string("[[],[]]"), "", "$&&", "" },
        { "/0 /1", recs_string("[[1],[2]]"), "--", "$&", "" },
        { "/1 /0", recs_string("[[1],[2]]"), "kk", "$&", "" },

        /* in a reserved member, and at its end */

        { "/_recs/a /b", recs_string("{\"_recs\":{\"a\":[1,2]},\"b\":[3,4]}"),
          "-kk-", "1$", "0" },
        { "/_recs/a /b", recs_string("{\"b\":[3,4],\"_recs\":{\"a\":[1,2]}}"),
          "-kk-", "1$", "0" },
        { "/_recs/a /b", recs_string("{\"b\":[3,4],\"_recs\":{\"a\":[1,2]}}"),
          "kkkk", "$&", "" },
        { "/_recs /b", recs_string("{\"c\":5,\"_recs\":[1,2],\"b\":[3,4]}"),
          "k-kk", "$&", "0" },
        { "/_recs /b", recs_string("{\"b\":[],\"_recs\":[]}"), "", "$&", "" },
        { "/b", recs_string("{\"b\":[1,2],\"_recs\":0,\"c\":1,\"_recs\":2}"),
          "--", "$$", "[]" },

        /* no decision */

        { "/a", recs_string("{\"a\":[1,2],\"_recs\":{},\"b\":[]}"), NULL, "",
          "" },
        { "/a", recs_string("{\"a\":[1,2],\"_recs\":{},\"b\":[]}"), NULL, "",
          "[3]" },
        { "", recs_string("[1,{\"_recs\":2}]"), NULL, "", "" },
        { NULL, recs_string("{}"), NULL, "", "7" },
        { NULL, recs_string("{\"_recs\":1}"), NULL, "", "7" },
        { NULL, recs_string("{\"_recs\":1,\"_recs\":2}"), NULL, "", "7" },
        { NULL, recs_string("{\"_recs\":1,\"_recs\":2}"), NULL, "", "" },
        { NULL, recs_string("\"a\""), NULL, "", "" },
    };

    (void) state;

    for (i = 0; i < unit_nelts(rendered); i++) {
        check_alike("/a /b", &rendered[i].text, rendered[i].fates,
                    rendered[i].before, rendered[i].tag);
    }

    for (i = 0; i < unit_nelts(others); i++) {
        check_alike(others[i].shelves, &others[i].text, others[i].fates,
                    others[i].before, others[i].tag);
    }
}


/* What JSON does not have: widths, and counts. */

static void
headers_change_with_their_counts_alone(void **state)
{
    size_t             i;
    recs_str_t         str;
    recs_page_t        page;
    unit_arena_t       arena;
    recs_decision_t    d;

    static const struct {
        recs_str_t    text;
        const char   *fates;
        const char   *before;
        recs_str_t    tag;
        recs_str_t    rendered;
    } pages[] = {

        /* nothing changes: not a byte does, wide as they are */

        { recs_string("\xdf\x00\x00\x00\x01\xd9\x01" "a\xdd\x00\x00\x00"
                      "\x02\xd1\x00\x01\xcf\x00\x00\x00\x00\x00\x00\x00\x02"),
          "kk", "", recs_string(""),
          recs_string("\xdf\x00\x00\x00\x01\xd9\x01" "a\xdd\x00\x00\x00"
                      "\x02\xd1\x00\x01\xcf\x00\x00\x00\x00\x00\x00\x00\x02") },

        /* as many come as go */

        { recs_string("\x81\xa1" "a\xdc\x00\x02\x01\xcd\x00\x02"), "-k", "$",
          recs_string(""),
          recs_string("\x81\xa1" "a\xdc\x00\x02\xcd\x00\x02\xa1x") },

        /* one goes, one comes: the least width, what is kept keeps its own */

        { recs_string("\xde\x00\x01\xa1" "a\xdd\x00\x00\x00\x02\xcc\x01"
                      "\xca\x3f\x80\x00\x00"), "-k", "", recs_string(""),
          recs_string("\xde\x00\x01\xa1" "a\x91\xca\x3f\x80\x00\x00") },
        { recs_string("\xde\x00\x01\xa1" "a\xdd\x00\x00\x00\x01\xd4\x05x"),
          "k", "$", recs_string(""),
          recs_string("\xde\x00\x01\xa1" "a\x92\xd4\x05x\xa1x") },

        /* from 15 to 16, and back */

        { recs_string("\x81\xa1" "a\x9f" "000000000000000"), "kkkkkkkkkkkkkkk",
          "$", recs_string(""), recs_string("\x81\xa1" "a\xdc\x00\x10"
                                            "000000000000000\xa1x") },
        { recs_string("\x81\xa1" "a\xdc\x00\x10" "0000000000000001"),
          "-kkkkkkkkkkkkkkk", "", recs_string(""),
          recs_string("\x81\xa1" "a\x9f" "000000000000001") },

        /* the root's: one comes, one goes, one for another */

        { recs_string("\xdf\x00\x00\x00\x01\xa1" "a\x91\x01"), "k", "",
          recs_string("\xc3"),
          recs_string("\x82\xa1" "a\x91\x01\xa5_recs\xc3") },
        { recs_string("\xde\x00\x02\xda\x00\x05_recs\xc4\x00\xa1" "a\x91\x01"),
          "k", "", recs_string(""), recs_string("\x81\xa1" "a\x91\x01") },
        { recs_string("\xde\x00\x02\xd9\x05_recs\x80\xa1" "a\x91\x01"), "k",
          "$", recs_string("\xc3"),
          recs_string("\xde\x00\x02\xa1" "a\x92\x01\xa1x\xa5_recs\xc3") },

        /* a bin of that name is no reserved member */

        { recs_string("\x82\xc4\x05_recs\x80\xa1" "a\x91\x01"), "-", "",
          recs_string("\xc3"),
          recs_string("\x83\xc4\x05_recs\x80\xa1" "a\x90\xa5_recs\xc3") },
    };

    (void) state;

    for (i = 0; i < unit_nelts(pages); i++) {
        unit_arena_init(&arena);

        unit_page(&arena, "/a", &pages[i].text, &page);
        unit_decision(&arena, &page, pages[i].fates, pages[i].before, &d);

        str = unit_render(&arena, &page, &d, unit_packed, &pages[i].tag);
        unit_assert_str(&str, &pages[i].rendered);

        unit_arena_free(&arena);
    }
}


/* Up to four items, each staying or not; up to three put in, anywhere. */

static void
every_pattern_is_well_formed(void **state)
{
    char      fates[5], before[UNIT_INSERTS_MAX + 1], places[6];
    size_t    n, i, j, k, nplaces;
    unsigned  pattern;

    (void) state;

    for (n = 0; n <= 4; n++) {
        for (pattern = 0; pattern < 1u << n; pattern++) {
            nplaces = 0;

            for (i = 0; i < n; i++) {
                fates[i] = pattern >> i & 1 ? 'k' : '-';

                if (fates[i] == 'k') {
                    places[nplaces++] = (char) ('0' + i);
                }
            }

            fates[n] = '\0';
            places[nplaces++] = '$';

            check_pattern(n, fates, "");

            /* they stand in the order of their places */

            for (i = 0; i < nplaces; i++) {
                before[0] = places[i];
                before[1] = '\0';
                check_pattern(n, fates, before);

                for (j = i; j < nplaces; j++) {
                    before[1] = places[j];
                    before[2] = '\0';
                    check_pattern(n, fates, before);

                    for (k = j; k < nplaces; k++) {
                        before[2] = places[k];
                        before[3] = '\0';
                        check_pattern(n, fates, before);
                    }
                }
            }
        }
    }
}


/* Kept bytes are not copied: pieces point into the document. */

static void
pieces_are_of_the_document(void **state)
{
    recs_str_t        tag;
    recs_page_t       page;
    unit_arena_t      arena;
    recs_output_t     out;
    recs_decision_t   d;

    static const recs_str_t  text = recs_string("{\"a\":[1,2,3],\"b\":[4]}");

    (void) state;

    unit_arena_init(&arena);

    unit_page(&arena, "/a", &text, &page);
    unit_decision(&arena, &page, "k-k", "", &d);
    tag = unit_str("");

    assert_int_equal(recs_render(&arena.mem, &page, &d, NULL, &tag, &out),
                     RECS_OK);
    assert_int_equal(out.npieces, 2);
    assert_true(out.pieces[0].data == page.text.data);
    assert_true(out.pieces[1].data == page.items[2].span.data);

    unit_decision(&arena, &page, "kkk", "", &d);
    assert_int_equal(recs_render(&arena.mem, &page, &d, NULL, &tag, &out),
                     RECS_OK);
    assert_int_equal(out.npieces, 1);
    assert_true(out.pieces[0].data == page.text.data);
    assert_int_equal(out.pieces[0].len, page.text.len);

    unit_arena_free(&arena);
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned          n;
    recs_rc_e         rc;
    recs_str_t        tag;
    recs_page_t       page;
    unit_arena_t      pages, arena;
    recs_output_t     out;
    recs_decision_t   d;

    static const recs_str_t  text = recs_string(
        "{\"b\":[1],\"a\":[2],\"_recs\":1}");

    (void) state;

    unit_arena_init(&pages);
    unit_page(&pages, "/a /b", &text, &page);
    unit_decision(&pages, &page, "-k", "$", &d);
    tag = unit_str("1");

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = recs_render(&arena.mem, &page, &d, inserts, &tag, &out);
        unit_arena_free(&arena);

        if (rc == RECS_OK) {
            break;
        }

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    /* edits of shelves and root, the shelves' order, pieces */

    assert_int_equal(n, 4);

    unit_arena_free(&pages);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(decisions_are_rendered),
        cmocka_unit_test(bytes_pass_as_they_came),
        cmocka_unit_test(without_a_decision_items_stay),
        cmocka_unit_test(an_empty_object_is_tagged),
        cmocka_unit_test(a_root_array_is_rendered),
        cmocka_unit_test(a_shelf_in_a_reserved_member_goes),
        cmocka_unit_test(messagepack_is_rendered_alike),
        cmocka_unit_test(headers_change_with_their_counts_alone),
        cmocka_unit_test(every_pattern_is_well_formed),
        cmocka_unit_test(pieces_are_of_the_document),
        cmocka_unit_test(want_of_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
