
/*
 * A libFuzzer target for the JSON reader and the writer's strings (make fuzz).
 * What is checked: pulling and skipping agree on what is well formed and where
 * a value ends; spans lie in the text, one in the other; what was decoded and
 * written again decodes to the same, if it is UTF-8, which it is then in any
 * case; recs_value_text_is() agrees.  A text that is not UTF-8 is noted.
 */


#include "fuzz.h"

#include "recs_reader.h"
#include "recs_scalar.h"
#include "recs_writer.h"


/* Below this depth, skipping is compared with pulling at each value. */

#define COMPARE_DEPTH  8


/* A text that differs from the string's is told apart. */

static void
check_difference(const recs_mem_t *mem, const recs_value_t *v,
    const recs_str_t *text)
{
    uint8_t     *bytes;
    recs_str_t   other;

    bytes = recs_alloc(mem, text->len + 1);

    if (text->len) {
        memcpy(bytes, text->data, text->len);
    }

    bytes[text->len] = 'x';

    other.data = bytes;
    other.len = text->len + 1;
    check(!recs_value_text_is(v, &other));

    if (text->len) {
        other.len = text->len - 1;
        check(!recs_value_text_is(v, &other));

        other.len = text->len;
        bytes[text->len - 1] ^= 1;
        check(!recs_value_text_is(v, &other));
    }
}


static void
check_string(const recs_value_t *v)
{
    recs_str_t      text, again;
    recs_mem_t      mem;
    recs_reader_t   rd;
    recs_value_t    written;
    fuzz_piece_t   *pieces;
    recs_writer_t   w;

    mem = fuzz_mem(&pieces);

    check(v->span.len >= 2);
    check(v->span.data[0] == '"' && v->span.data[v->span.len - 1] == '"');
    check(v->escaped == (memchr(v->span.data, '\\', v->span.len) != NULL));

    check(recs_json_decode(&mem, v, &text) == RECS_OK);
    check(text.len <= v->span.len - 2);
    check(recs_value_text_is(v, &text));
    check_difference(&mem, v, &text);

    recs_writer_init(&w, &mem, RECS_JSON, 1);
    recs_write_string(&w, &text);
    check(!w.failed);

    recs_read_init(&rd, RECS_JSON, w.data, w.len);
    check(recs_read_skip(&rd, &written) == 0);
    check(recs_read_finish(&rd) == 0);
    check(written.type == RECS_STRING);
    check(!rd.not_utf8);
    check(recs_json_decode(&mem, &written, &again) == RECS_OK);
    check(recs_str_eq(&text, &again) || !recs_text_is_utf8(&v->span));

    fuzz_free(pieces);
}


static void
check_within(const recs_str_t *inner, const uint8_t *start,
    const uint8_t *end)
{
    check(inner->len > 0);
    check(inner->data >= start);
    check(inner->data + inner->len <= end);
}


static int pull(recs_reader_t *rd, recs_value_t *v);


/* From before a member on, recs_read_find() finds it, or what is named so. */

static void
check_find(recs_reader_t before, recs_value_t object, const recs_reader_t *rd,
    const recs_value_t *key)
{
    recs_str_t     name;
    recs_mem_t     mem;
    recs_value_t   found;
    fuzz_piece_t  *pieces;

    mem = fuzz_mem(&pieces);

    check(recs_json_decode(&mem, key, &name) == RECS_OK);
    check(recs_read_find(&before, &object, &name, 1, &found) == 1);
    check(recs_str_eq(&found.span, &key->span));
    check(found.escaped == key->escaped);
    check(before.pos == rd->pos);

    fuzz_free(pieces);
}


/* recs_read_find() of no name goes to the end of the object, checked. */

static int
pass_members(recs_reader_t *rd, recs_value_t object)
{
    recs_value_t  key;

    return recs_read_find(rd, &object, NULL, 0, &key);
}


/* What follows the opening bracket, up to the closing one. */

static int
pull_inside(recs_reader_t *rd, recs_value_t *container)
{
    int             rc;
    const uint8_t  *last;
    recs_value_t    key, v, object;
    recs_reader_t   before;

    last = rd->pos;

    for ( ;; ) {
        before = *rd;
        object = *container;

        if (container->type == RECS_OBJECT) {
            rc = recs_read_member(rd, container, &key);

        } else {
            rc = recs_read_element(rd, container);
        }

        if (rc != 1) {
            return rc;
        }

        if (container->type == RECS_OBJECT) {
            check_within(&key.span, last, rd->pos);
            check_string(&key);
            check_find(before, object, rd, &key);
            last = key.span.data + key.span.len;
        }

        rc = pull(rd, &v);

        if (rc < 0) {
            return rc;
        }

        check_within(&v.span, last, rd->pos);
        last = v.span.data + v.span.len;
    }
}


/* Reads a value piece by piece; v->span is the whole of it. */

static int
pull(recs_reader_t *rd, recs_value_t *v)
{
    int            rc, skipped, passed;
    unsigned       depth;
    recs_value_t   same;
    recs_reader_t  ahead, within;

    depth = rd->depth;
    ahead = *rd;
    skipped = 0;

    if (depth < COMPARE_DEPTH) {
        skipped = recs_read_skip(&ahead, &same);
    }

    rc = recs_read_open(rd, v);

    if (rc == 0 && v->type == RECS_STRING) {
        check_string(v);
    }

    if (rc == 0 && (v->type == RECS_OBJECT || v->type == RECS_ARRAY)) {
        check(v->span.len == 1);
        check(rd->depth == depth + 1 && rd->depth <= RECS_MAX_DEPTH);

        within = *rd;
        passed = v->type == RECS_OBJECT && depth < COMPARE_DEPTH
                 ? pass_members(&within, *v) : 0;

        rc = pull_inside(rd, v);

        if (v->type == RECS_OBJECT && depth < COMPARE_DEPTH) {
            check((rc < 0) == (passed < 0));
            check(rd->pos == within.pos);
            check(rd->error == within.error);
        }

        v->span.len = (size_t) (rd->pos - v->span.data);
    }

    if (depth < COMPARE_DEPTH) {
        check((rc < 0) == (skipped < 0));
        check(rd->pos == ahead.pos);
        check(rd->error == ahead.error);
        check(rc < 0 || recs_str_eq(&v->span, &same.span));
        check(rc < 0 || v->type == same.type);
    }

    check(rc < 0 || (rd->depth == depth && rd->error == NULL));
    check(rc == 0 || rd->error != NULL);

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            pulled, skipped;
    recs_str_t     text;
    recs_reader_t  rd;
    recs_value_t   v;

    recs_read_init(&rd, RECS_JSON, data, size);

    pulled = pull(&rd, &v);
    check(rd.pos >= data && rd.pos <= data + size);

    if (pulled == 0) {
        check_within(&v.span, data, data + size);
        pulled = recs_read_finish(&rd);
    }

    recs_read_init(&rd, RECS_JSON, data, size);

    skipped = recs_read_skip(&rd, &v);

    if (skipped == 0) {
        skipped = recs_read_finish(&rd);
    }

    check(pulled == skipped);

    text.data = data;
    text.len = size;

    /* what is no string can't be other than UTF-8 */

    check(skipped < 0 || rd.not_utf8 == !recs_text_is_utf8(&text));

    return 0;
}
