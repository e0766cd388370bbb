
/*
 * The reader of MessagePack beside others' word: the public conformance
 * vectors (t/data/msgpack) and msgpack-c's unpacker.
 */


#define _DEFAULT_SOURCE                 /* gmtime_r() */

#include "unit.h"

#include <time.h>

#include <msgpack.h>

#include "unit_page.h"

#include "recs_transcode.h"


#define SUITE  UNIT_DATA "/msgpack/msgpack-test-suite.json"


/* A case of the suite: a value, and how it may stand in MessagePack. */

typedef struct {
    recs_str_t        kind;     /* "number", "map", ... */
    recs_value_t      value;    /* JSON */
    recs_str_t        vectors[16];
    size_t            nvectors;
} case_t;

typedef void (*each_t)(unit_arena_t *arena, const case_t *c);


static int
is(const recs_str_t *text, const char *name)
{
    recs_str_t  str = unit_str(name);

    return recs_str_eq(text, &str);
}


static recs_str_t
text_of(unit_arena_t *arena, const recs_value_t *v)
{
    recs_str_t  text;

    assert_int_equal(recs_value_text(&arena->mem, v, &text), RECS_OK);

    return text;
}


/* The bytes that a string such as "d4-01-10" names. */

static recs_str_t
from_hex(unit_arena_t *arena, const recs_value_t *v)
{
    char         digits[3];
    size_t       i;
    uint8_t     *p;
    recs_str_t   text, bytes;

    text = text_of(arena, v);

    bytes.len = (text.len + 1) / 3;
    bytes.data = p = recs_alloc(&arena->mem, bytes.len);
    assert_non_null(p);

    for (i = 0; i < bytes.len; i++) {
        digits[0] = (char) text.data[3 * i];
        digits[1] = (char) text.data[3 * i + 1];
        digits[2] = '\0';

        *p++ = (uint8_t) strtoul(digits, NULL, 16);
    }

    return bytes;
}


static recs_str_t
from_base64(unit_arena_t *arena, const recs_value_t *v)
{
    size_t       i;
    uint8_t     *p;
    uint32_t     n;
    recs_str_t   text, bytes;
    const char  *found;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/=";

    text = text_of(arena, v);
    assert_int_equal(text.len % 4, 0);

    bytes.len = 0;
    bytes.data = p = recs_alloc(&arena->mem, text.len);
    assert_non_null(p);

    for (n = 0, i = 0; i < text.len; i++) {
        found = strchr(digits, text.data[i]);
        assert_non_null(found);

        n = n << 6 | (*found == '=' ? 0 : (uint32_t) (found - digits));

        if (i % 4 == 3) {
            p[bytes.len++] = (uint8_t) (n >> 16);
            p[bytes.len++] = (uint8_t) (n >> 8);
            p[bytes.len++] = (uint8_t) n;
        }
    }

    for (/* void */; i && text.data[i - 1] == '='; i--) {
        bytes.len--;
    }

    return bytes;
}


/* The one value that a text in the format is. */

static recs_value_t
read_value(recs_format_e format, const recs_str_t *text)
{
    recs_value_t   v;
    recs_reader_t  rd;

    recs_read_init(&rd, format, text->data, text->len);
    assert_int_equal(recs_read_skip(&rd, &v), 0);
    assert_int_equal(recs_read_finish(&rd), 0);
    assert_true(v.span.data + v.span.len == text->data + text->len);

    return v;
}


static recs_str_t
to_json(unit_arena_t *arena, const recs_str_t *vector)
{
    recs_str_t  json;

    assert_null(recs_transcode(&arena->mem, RECS_MSGPACK, vector, RECS_JSON,
                               &json));

    return json;
}


static recs_str_t
to_msgpack(unit_arena_t *arena, const recs_str_t *json)
{
    recs_str_t  bytes;

    assert_null(recs_transcode(&arena->mem, RECS_JSON, json, RECS_MSGPACK,
                               &bytes));

    return bytes;
}


/* The value at index i of a JSON array. */

static recs_value_t
element(const recs_value_t *array, size_t i)
{
    recs_value_t   v, e;
    recs_reader_t  rd;

    recs_read_init(&rd, RECS_JSON, array->span.data, array->span.len);
    assert_int_equal(recs_read_open(&rd, &v), 0);

    do {
        assert_int_equal(recs_read_element(&rd, &v), 1);
        assert_int_equal(recs_read_skip(&rd, &e), 0);
    } while (i--);

    return e;
}


static recs_value_t
member(const recs_value_t *object, const char *name)
{
    recs_str_t     text;
    recs_value_t   v, key, e;
    recs_reader_t  rd;

    text = unit_str(name);

    recs_read_init(&rd, RECS_JSON, object->span.data, object->span.len);
    assert_int_equal(recs_read_open(&rd, &v), 0);

    do {
        assert_int_equal(recs_read_member(&rd, &v, &key), 1);
        assert_int_equal(recs_read_skip(&rd, &e), 0);
    } while (!recs_value_text_is(&key, &text));

    return e;
}


/* Calls each() for all cases of the suite. */

static void
for_each(each_t each)
{
    FILE          *file;
    case_t         c;
    size_t         n, cases;
    recs_str_t     text, name;
    recs_value_t   root, key, list, object, v;
    unit_arena_t   arena;
    recs_reader_t  rd;

    static uint8_t  suite[65536];

    file = fopen(SUITE, "rb");
    assert_non_null(file);
    text.data = suite;
    text.len = fread(suite, 1, sizeof(suite), file);
    fclose(file);
    assert_in_range(text.len, 1, sizeof(suite) - 1);

    cases = 0;

    recs_read_init(&rd, RECS_JSON, text.data, text.len);
    assert_int_equal(recs_read_open(&rd, &root), 0);

    while (recs_read_member(&rd, &root, &key) == 1) {
        assert_int_equal(recs_read_open(&rd, &list), 0);

        while (recs_read_element(&rd, &list) == 1) {
            unit_arena_init(&arena);
            memset(&c, 0, sizeof(case_t));

            assert_int_equal(recs_read_open(&rd, &object), 0);

            while (recs_read_member(&rd, &object, &key) == 1) {
                assert_int_equal(recs_read_skip(&rd, &v), 0);
                name = text_of(&arena, &key);

                if (!is(&name, "msgpack")) {
                    c.kind = name;
                    c.value = v;
                    continue;
                }

                n = 0;

                for (name = v.span; name.len; name.len--, name.data++) {
                    n += *name.data == '"';
                }

                while (c.nvectors < n / 2) {
                    assert_true(c.nvectors < unit_nelts(c.vectors));
                    key = element(&v, c.nvectors);
                    c.vectors[c.nvectors++] = from_hex(&arena, &key);
                }
            }

            each(&arena, &c);
            unit_arena_free(&arena);
            cases++;
        }
    }

    assert_int_equal(recs_read_finish(&rd), 0);
    assert_int_equal(cases, 85);
}


static recs_type_e
type_of(const recs_str_t *kind, const recs_str_t *vector)
{
    if (is(kind, "nil")) {
        return RECS_NULL;
    }

    if (is(kind, "bool")) {
        return RECS_BOOLEAN;
    }

    if (is(kind, "binary")) {
        return RECS_BINARY;
    }

    if (is(kind, "number") || is(kind, "bignum")) {
        return vector->data[0] == 0xca || vector->data[0] == 0xcb
               ? RECS_NUMBER : RECS_INTEGER;
    }

    if (is(kind, "string")) {
        return RECS_STRING;
    }

    if (is(kind, "array")) {
        return RECS_ARRAY;
    }

    return is(kind, "map") ? RECS_OBJECT : RECS_EXTENSION;
}


static void
each_is_read(unit_arena_t *arena, const case_t *c)
{
    size_t        i;
    recs_str_t    copy;
    recs_value_t  v;

    for (i = 0; i < c->nvectors; i++) {
        copy = unit_copy(arena, &c->vectors[i]);
        v = read_value(RECS_MSGPACK, &copy);
        assert_int_equal(v.type, type_of(&c->kind, &copy));
    }
}


static void
vectors_are_of_their_type(void **state)
{
    (void) state;

    for_each(each_is_read);
}


static double
as_double(unit_arena_t *arena, const recs_str_t *text, int single)
{
    char  *p;

    p = recs_alloc(&arena->mem, text->len + 1);
    assert_non_null(p);

    memcpy(p, text->data, text->len);
    p[text->len] = '\0';

    return single ? (double) strtof(p, NULL) : strtod(p, NULL);
}


/* The text without white space; no string of the suite's containers has any. */

static recs_str_t
compact(unit_arena_t *arena, const recs_str_t *text)
{
    size_t       i;
    uint8_t     *p;
    recs_str_t   out;

    out.len = 0;
    out.data = p = recs_alloc(&arena->mem, text->len);
    assert_non_null(p);

    for (i = 0; i < text->len; i++) {
        if (text->data[i] > ' ') {
            p[out.len++] = text->data[i];
        }
    }

    return out;
}


static recs_str_t
date(unit_arena_t *arena, const recs_value_t *value)
{
    int            n;
    char          *p;
    size_t         len;
    time_t         seconds;
    struct tm      tm;
    recs_str_t     text;
    recs_value_t   v;
    unsigned long  nanoseconds;

    p = recs_alloc(&arena->mem, 64);
    assert_non_null(p);

    v = element(value, 0);
    seconds = (time_t) strtoll((const char *) v.span.data, NULL, 10);
    v = element(value, 1);
    nanoseconds = strtoul((const char *) v.span.data, NULL, 10);

    assert_non_null(gmtime_r(&seconds, &tm));

    n = snprintf(p, 64, "%04d", tm.tm_year + 1900);
    len = (size_t) n + strftime(p + n, (size_t) (64 - n), "-%m-%dT%H:%M:%S",
                                &tm);

    if (nanoseconds) {
        len += (size_t) snprintf(p + len, 64 - len, ".%09lu", nanoseconds);
    }

    while (nanoseconds && p[len - 1] == '0') {
        len--;
    }

    p[len++] = 'Z';

    text.data = (uint8_t *) p;
    text.len = len;

    return text;
}


/* What a number of the suite is in JSON, and back in MessagePack. */

static void
check_number(unit_arena_t *arena, const case_t *c, const recs_str_t *vector,
    const recs_str_t *json)
{
    int           single;
    recs_str_t    bytes, digits;
    recs_value_t  v, back;

    v = read_value(RECS_JSON, json);
    digits = text_of(arena, &c->value);

    if (type_of(&c->kind, vector) == RECS_INTEGER) {
        assert_int_equal(v.type, RECS_INTEGER);
        unit_assert_str(&v.span, &digits);
        return;
    }

    single = (vector->data[0] == 0xca);

    assert_int_equal(v.type, RECS_NUMBER);
    assert_true(as_double(arena, &v.span, single)
                == as_double(arena, &digits, single));

    bytes = to_msgpack(arena, json);
    back = read_value(RECS_MSGPACK, &bytes);

    assert_int_equal(back.type, RECS_NUMBER);
    assert_false(recs_msgpack_is_float(&back));
    assert_true(recs_msgpack_double(&back) == as_double(arena, &v.span, 0));
}


/* Is it one of those of the case, and of the least width? */

static void
check_vector(const case_t *c, const recs_str_t *bytes)
{
    size_t  i, found;

    found = 0;

    for (i = 0; i < c->nvectors; i++) {
        found += recs_str_eq(bytes, &c->vectors[i]);

        /* a float 32 can be shorter than the integer */

        assert_true(bytes->len <= c->vectors[i].len
                    || c->vectors[i].data[0] == 0xca);
    }

    assert_int_equal(found, 1);
}


static void
check_json(unit_arena_t *arena, const case_t *c, const recs_str_t *vector)
{
    recs_str_t    json, got, expected;
    recs_type_e   type;
    recs_value_t  v, part;

    type = type_of(&c->kind, vector);
    json = to_json(arena, vector);
    v = read_value(RECS_JSON, &json);

    if (type == RECS_INTEGER || type == RECS_NUMBER) {
        check_number(arena, c, vector, &json);

    } else if (type == RECS_BINARY) {
        got = from_base64(arena, &v);
        expected = from_hex(arena, &c->value);
        unit_assert_str(&got, &expected);

    } else if (is(&c->kind, "timestamp")) {
        got = text_of(arena, &v);
        expected = date(arena, &c->value);
        unit_assert_str(&got, &expected);

    } else if (type == RECS_EXTENSION) {
        got = member(&v, "type").span;
        expected = element(&c->value, 0).span;
        unit_assert_str(&got, &expected);

        part = member(&v, "data");
        got = from_base64(arena, &part);
        part = element(&c->value, 1);
        expected = from_hex(arena, &part);
        unit_assert_str(&got, &expected);

    } else {
        expected = compact(arena, &c->value.span);
        unit_assert_str(&json, &expected);
    }

    /* what both formats have comes back in its shortest form */

    if (type != RECS_NUMBER && type < RECS_BINARY) {
        got = to_msgpack(arena, &json);
        check_vector(c, &got);
    }
}


static void
each_becomes_json(unit_arena_t *arena, const case_t *c)
{
    size_t  i;

    for (i = 0; i < c->nvectors; i++) {
        check_json(arena, c, &c->vectors[i]);
    }
}


static void
vectors_become_json_and_come_back(void **state)
{
    (void) state;

    for_each(each_becomes_json);
}


static void
pack_cstr(msgpack_packer *pk, const char *text)
{
    assert_int_equal(msgpack_pack_str(pk, strlen(text)), 0);
    assert_int_equal(msgpack_pack_str_body(pk, text, strlen(text)), 0);
}


static void
pack_raw(msgpack_packer *pk, const recs_str_t *bytes)
{
    assert_int_equal(pk->callback(pk->data, (const char *) bytes->data,
                                  bytes->len), 0);
}


/*
 * A page with items of the ids, each a letter, packed by msgpack-c: the vector
 * is a member beside them, a member of each, and the name of one.
 */

static recs_str_t
page_around(unit_arena_t *arena, const recs_str_t *vector, const char *ids)
{
    char             id[2];
    recs_str_t       text;
    msgpack_packer   pk;
    msgpack_sbuffer  buffer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&pk, &buffer, msgpack_sbuffer_write);

    msgpack_pack_map(&pk, 3);
    pack_cstr(&pk, "before");
    pack_raw(&pk, vector);
    pack_cstr(&pk, "items");
    msgpack_pack_array(&pk, strlen(ids));

    for (id[1] = '\0'; (id[0] = *ids) != '\0'; ids++) {
        msgpack_pack_map(&pk, 3);
        pack_cstr(&pk, "v");
        pack_raw(&pk, vector);
        pack_cstr(&pk, "id");
        pack_cstr(&pk, id);
        pack_raw(&pk, vector);
        msgpack_pack_nil(&pk);
    }

    pack_raw(&pk, vector);
    pack_raw(&pk, vector);

    text.data = (const uint8_t *) buffer.data;
    text.len = buffer.size;
    text = unit_copy(arena, &text);

    msgpack_sbuffer_destroy(&buffer);

    return text;
}


/* Renders the page with what the answers, one an item, let stay. */

static void
check_page(unit_arena_t *arena, const recs_str_t *vector, const char *ids,
    const uint8_t *answers, const char *kept)
{
    size_t            pos;
    recs_str_t        text, expected, tag, got;
    const char       *error;
    recs_page_t       page;
    recs_rule_t       rule;
    recs_output_t     out;
    recs_policy_t     policy;
    recs_decision_t   decision;
    recs_page_spec_t  spec;

    memset(&rule, 0, sizeof(recs_rule_t));
    rule.answers = answers;

    memset(&policy, 0, sizeof(recs_policy_t));
    policy.rules = &rule;
    policy.nrules = 1;

    text = page_around(arena, vector, ids);
    expected = page_around(arena, vector, kept);
    tag = unit_str("");

    unit_spec(arena, "/items", "/id", NULL, &spec);
    assert_int_equal(recs_page_read(&arena->mem, &spec, RECS_MSGPACK, &text,
                                    &page, &error, &pos), RECS_OK);
    assert_int_equal(page.nitems, strlen(ids));
    assert_int_equal(recs_decide(&arena->mem, &page, &policy, &decision),
                     RECS_OK);
    assert_int_equal(recs_render(&arena->mem, &page, &decision, NULL, &tag,
                                 &out), RECS_OK);

    got = unit_output(arena, &out);
    unit_assert_str(&got, &expected);
}


static void
each_passes_through_a_page(unit_arena_t *arena, const case_t *c)
{
    size_t  i;

    static const uint8_t  all[] = { RECS_IN, RECS_IN, RECS_IN, RECS_IN };
    static const uint8_t  some[] = { RECS_OUT, RECS_IN, RECS_OUT, RECS_IN };
    static const uint8_t  none[] = { RECS_OUT, RECS_OUT, RECS_OUT, RECS_OUT };

    for (i = 0; i < c->nvectors; i++) {
        check_page(arena, &c->vectors[i], "abcd", all, "abcd");
        check_page(arena, &c->vectors[i], "abcd", some, "bd");
        check_page(arena, &c->vectors[i], "abcd", none, "");
    }
}


static void
vectors_pass_through_a_page_unchanged(void **state)
{
    (void) state;

    for_each(each_passes_through_a_page);
}


/*
 * msgpack-c asks for memory before it looks whether what is counted is there.
 * Such texts are not shown to it.
 */

static int
is_bomb(const recs_str_t *text)
{
    size_t    i;
    uint32_t  n;

    for (i = 0; i < text->len; i++) {
        n = 0;

        if ((text->data[i] & 0xfd) == 0xdd && text->len - i >= 5) {
            n = (uint32_t) text->data[i + 1] << 24
                | (uint32_t) text->data[i + 2] << 16
                | (uint32_t) text->data[i + 3] << 8 | text->data[i + 4];
        }

        if (n > text->len) {
            return 1;
        }
    }

    return 0;
}


static void
check_same(const recs_str_t *text)
{
    int                    ours, theirs;
    size_t                 off;
    recs_value_t           v;
    recs_reader_t          rd;
    msgpack_unpacked       unpacked;

    recs_read_init(&rd, RECS_MSGPACK, text->data, text->len);

    ours = recs_read_skip(&rd, &v) == 0 && recs_read_finish(&rd) == 0;

    if (is_bomb(text)) {
        return;
    }

    off = 0;

    msgpack_unpacked_init(&unpacked);
    theirs = msgpack_unpack_next(&unpacked, (const char *) text->data,
                                 text->len, &off)
             == MSGPACK_UNPACK_SUCCESS
             && off == text->len;
    msgpack_unpacked_destroy(&unpacked);

    assert_int_equal(ours, theirs);
}


/* Each vector, cut off anywhere, with another byte anywhere. */

static void
each_is_damaged(unit_arena_t *arena, const case_t *c)
{
    size_t       i, k, byte;
    uint8_t     *p;
    recs_str_t   text;

    for (i = 0; i < c->nvectors; i++) {
        for (text = c->vectors[i]; text.len; text.len--) {
            check_same(&text);
        }

        text = unit_copy(arena, &c->vectors[i]);
        p = (uint8_t *) text.data;

        for (k = 0; k < text.len; k++) {
            for (byte = 0; byte < 256; byte++) {
                p[k] ^= (uint8_t) byte;
                check_same(&text);
                p[k] ^= (uint8_t) byte;
            }
        }
    }
}


static void
damaged_vectors_are_taken_as_msgpack_c_does(void **state)
{
    (void) state;

    for_each(each_is_damaged);
}


/* Each first byte before so many bytes that the shorter ones are complete. */

static void
first_bytes_are_taken_as_msgpack_c_does(void **state)
{
    size_t      i, byte;
    uint8_t     bytes[40];
    recs_str_t  text;

    static const uint8_t  rest[] = { 0, 1, 2, 0xa0, 0xc0, 0xff };

    (void) state;

    text.data = bytes;

    for (byte = 0; byte < 256; byte++) {
        for (i = 0; i < sizeof(rest); i++) {
            memset(bytes, rest[i], sizeof(bytes));
            bytes[0] = (uint8_t) byte;

            for (text.len = 1; text.len <= sizeof(bytes); text.len++) {
                check_same(&text);
            }
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(vectors_are_of_their_type),
        cmocka_unit_test(vectors_become_json_and_come_back),
        cmocka_unit_test(vectors_pass_through_a_page_unchanged),
        cmocka_unit_test(damaged_vectors_are_taken_as_msgpack_c_does),
        cmocka_unit_test(first_bytes_are_taken_as_msgpack_c_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
