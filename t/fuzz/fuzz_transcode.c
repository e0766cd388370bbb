
/*
 * A libFuzzer target for the transcoder (make fuzz); the input is taken as
 * MessagePack and as JSON.  What is checked: the reader takes the MessagePack
 * that msgpack-c's unpacker takes; what becomes of it is JSON, and goes to
 * MessagePack.  What becomes of JSON is what msgpack-c packs, unpacks to the
 * same values, and comes back as equal JSON, if it is UTF-8.  Memory is a
 * multiple of the input.
 */


#include "fuzz.h"

#include <msgpack.h>

#include "recs_reader.h"
#include "recs_scalar.h"
#include "recs_transcode.h"


/* msgpack-c goes no deeper. */

#define THEIR_DEPTH  32


static size_t  allocated;


static void *
count_alloc(void *ctx, size_t size)
{
    allocated += size;

    return fuzz_alloc(ctx, size);
}


static const char *
transcode(fuzz_piece_t **pieces, recs_format_e from, const recs_str_t *text,
    recs_str_t *out)
{
    recs_mem_t   mem;
    const char  *error;

    mem.alloc = count_alloc;
    mem.ctx = pieces;
    allocated = 0;

    error = recs_transcode(&mem, from, text,
                           from == RECS_JSON ? RECS_MSGPACK : RECS_JSON, out);

    check(allocated <= 64 * text->len + 4096);

    return error;
}


/*
 * The deepest nesting of a document that was read before.  Keys can be
 * containers in MessagePack: a map is walked as an array of twice the length.
 */

static unsigned
depth_of(recs_format_e format, const recs_str_t *text)
{
    int            rc;
    unsigned       deepest;
    recs_value_t   open[RECS_MAX_DEPTH + 1], key, v;
    recs_reader_t  rd;

    recs_read_init(&rd, format, text->data, text->len);
    deepest = 0;

    for ( ;; ) {
        check(recs_read_open(&rd, &v) == 0);

        if (v.type == RECS_OBJECT && format == RECS_MSGPACK) {
            v.type = RECS_ARRAY;
            v.left *= 2;
        }

        if (v.type == RECS_OBJECT || v.type == RECS_ARRAY) {
            open[rd.depth] = v;
        }

        if (rd.depth > deepest) {
            deepest = rd.depth;
        }

        do {
            if (rd.depth == 0) {
                return deepest;
            }

            if (open[rd.depth].type == RECS_OBJECT) {
                rc = recs_read_member(&rd, &open[rd.depth], &key);

            } else {
                rc = recs_read_element(&rd, &open[rd.depth]);
            }

        } while (rc == 0);
    }
}


static double
number(fuzz_piece_t **pieces, const recs_value_t *v)
{
    char  *text;

    text = fuzz_alloc(pieces, v->span.len + 1);
    memcpy(text, v->span.data, v->span.len);
    text[v->span.len] = '\0';

    return strtod(text, NULL);
}


static recs_str_t
text_of(fuzz_piece_t **pieces, const recs_value_t *v)
{
    recs_mem_t  mem;
    recs_str_t  text;

    mem.alloc = fuzz_alloc;
    mem.ctx = pieces;

    check(recs_value_text(&mem, v, &text) == RECS_OK);

    return text;
}


/* Two JSON documents say the same, member by member. */

static void
check_equal(fuzz_piece_t **pieces, recs_reader_t *one, recs_reader_t *two)
{
    int           rc;
    recs_str_t    a_text, b_text;
    recs_value_t  a, b, a_key, b_key;

    check(recs_read_open(one, &a) == 0);
    check(recs_read_open(two, &b) == 0);
    check(a.type == b.type);

    switch (a.type) {

    case RECS_OBJECT:
        while ((rc = recs_read_member(one, &a, &a_key)) == 1) {
            check(recs_read_member(two, &b, &b_key) == 1);
            a_text = text_of(pieces, &a_key);
            b_text = text_of(pieces, &b_key);
            check(recs_str_eq(&a_text, &b_text));
            check_equal(pieces, one, two);
        }

        check(rc == 0 && recs_read_member(two, &b, &b_key) == 0);
        break;

    case RECS_ARRAY:
        while ((rc = recs_read_element(one, &a)) == 1) {
            check(recs_read_element(two, &b) == 1);
            check_equal(pieces, one, two);
        }

        check(rc == 0 && recs_read_element(two, &b) == 0);
        break;

    case RECS_NUMBER:
        check(number(pieces, &a) == number(pieces, &b));
        break;

    default:
        a_text = text_of(pieces, &a);
        b_text = text_of(pieces, &b);
        check(recs_str_eq(&a_text, &b_text));
    }
}


/* What msgpack-c read says what the JSON says. */

static void
check_object(fuzz_piece_t **pieces, const msgpack_object *o, recs_reader_t *rd)
{
    char          digits[32];
    uint32_t      i;
    recs_str_t    text, got;
    recs_value_t  v, key;

    check(recs_read_open(rd, &v) == 0);

    switch (o->type) {

    case MSGPACK_OBJECT_MAP:
        check(v.type == RECS_OBJECT);

        for (i = 0; i < o->via.map.size; i++) {
            check(recs_read_member(rd, &v, &key) == 1);
            check(o->via.map.ptr[i].key.type == MSGPACK_OBJECT_STR);

            text = text_of(pieces, &key);
            got.data = (const uint8_t *) o->via.map.ptr[i].key.via.str.ptr;
            got.len = o->via.map.ptr[i].key.via.str.size;
            check(recs_str_eq(&text, &got));

            check_object(pieces, &o->via.map.ptr[i].val, rd);
        }

        check(recs_read_member(rd, &v, &key) == 0);
        break;

    case MSGPACK_OBJECT_ARRAY:
        check(v.type == RECS_ARRAY);

        for (i = 0; i < o->via.array.size; i++) {
            check(recs_read_element(rd, &v) == 1);
            check_object(pieces, &o->via.array.ptr[i], rd);
        }

        check(recs_read_element(rd, &v) == 0);
        break;

    case MSGPACK_OBJECT_STR:
        check(v.type == RECS_STRING);
        text = text_of(pieces, &v);
        got.data = (const uint8_t *) o->via.str.ptr;
        got.len = o->via.str.size;
        check(recs_str_eq(&text, &got));
        break;

    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        check(v.type == RECS_INTEGER);

        got.data = (const uint8_t *) digits;
        got.len = (size_t) (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER
                            ? snprintf(digits, sizeof(digits), "%llu",
                                       (unsigned long long) o->via.u64)
                            : snprintf(digits, sizeof(digits), "%lld",
                                       (long long) o->via.i64));
        text = text_of(pieces, &v);
        check(recs_str_eq(&text, &got));
        break;

    case MSGPACK_OBJECT_FLOAT64:
        check(v.type == RECS_NUMBER);
        check(o->via.f64 == number(pieces, &v));
        break;

    case MSGPACK_OBJECT_BOOLEAN:
        check(v.type == RECS_BOOLEAN);
        check(o->via.boolean == (v.span.data[0] == 't'));
        break;

    default:
        check(o->type == MSGPACK_OBJECT_NIL);
        check(v.type == RECS_NULL);
    }
}


/* msgpack-c reads the bytes as the JSON, and would write the same ones. */

static void
check_packed(fuzz_piece_t **pieces, const recs_str_t *bytes,
    const recs_str_t *json)
{
    size_t            off;
    recs_reader_t     rd;
    msgpack_packer    pk;
    msgpack_sbuffer   again;
    msgpack_unpacked  unpacked;

    off = 0;
    msgpack_unpacked_init(&unpacked);

    check(msgpack_unpack_next(&unpacked, (const char *) bytes->data,
                              bytes->len, &off) == MSGPACK_UNPACK_SUCCESS);
    check(off == bytes->len);

    recs_read_init(&rd, RECS_JSON, json->data, json->len);
    check_object(pieces, &unpacked.data, &rd);

    msgpack_sbuffer_init(&again);
    msgpack_packer_init(&pk, &again, msgpack_sbuffer_write);

    check(msgpack_pack_object(&pk, unpacked.data) == 0);
    check(again.size == bytes->len);
    check(memcmp(again.data, bytes->data, bytes->len) == 0);

    msgpack_sbuffer_destroy(&again);
    msgpack_unpacked_destroy(&unpacked);
}


/* Returns whether the JSON went to MessagePack. */

static int
check_json(const recs_str_t *json)
{
    recs_str_t      bytes, back;
    const char     *error;
    recs_value_t    v;
    recs_reader_t   rd, other;
    fuzz_piece_t   *pieces;

    pieces = NULL;
    error = transcode(&pieces, RECS_JSON, json, &bytes);

    if (error == NULL) {
        recs_read_init(&rd, RECS_JSON, json->data, json->len);
        check(recs_read_skip(&rd, &v) == 0);
        check(recs_read_finish(&rd) == 0);

        if (depth_of(RECS_JSON, json) < THEIR_DEPTH) {
            check_packed(&pieces, &bytes, json);
        }

        check(transcode(&pieces, RECS_MSGPACK, &bytes, &back) == NULL);

        check(recs_text_is_utf8(&back));

        if (!rd.not_utf8) {
            recs_read_init(&rd, RECS_JSON, json->data, json->len);
            recs_read_init(&other, RECS_JSON, back.data, back.len);
            check_equal(&pieces, &rd, &other);
            check(recs_read_finish(&other) == 0);
        }
    }

    fuzz_free(pieces);

    return error == NULL;
}


static void
check_msgpack(const recs_str_t *bytes)
{
    recs_str_t      json;
    recs_value_t    v;
    recs_reader_t   rd;
    fuzz_piece_t   *pieces;

    pieces = NULL;

    if (transcode(&pieces, RECS_MSGPACK, bytes, &json) == NULL) {
        recs_read_init(&rd, RECS_JSON, json.data, json.len);
        check(recs_read_skip(&rd, &v) == 0);
        check(recs_read_finish(&rd) == 0);
        check(!rd.not_utf8);

        check(check_json(&json));
    }

    fuzz_free(pieces);
}


/* msgpack-c asks for the memory of all that is counted, there or not. */

static int
is_bomb(const recs_str_t *bytes)
{
    size_t          i;
    uint32_t        n;
    const uint8_t  *p;

    for (i = 0; i + 4 < bytes->len; i++) {
        p = &bytes->data[i];

        if (p[0] == 0xdd || p[0] == 0xdf) {
            n = (uint32_t) p[1] << 24 | (uint32_t) p[2] << 16
                | (uint32_t) p[3] << 8 | p[4];

            if (n > bytes->len) {
                return 1;
            }
        }
    }

    return 0;
}


static void
check_accepted(const recs_str_t *bytes)
{
    int                ours, theirs;
    size_t             off;
    recs_value_t       v;
    recs_reader_t      rd;
    msgpack_unpacked   unpacked;

    if (is_bomb(bytes)) {
        return;
    }

    recs_read_init(&rd, RECS_MSGPACK, bytes->data, bytes->len);
    ours = recs_read_skip(&rd, &v) == 0 && recs_read_finish(&rd) == 0;

    off = 0;
    msgpack_unpacked_init(&unpacked);
    theirs = msgpack_unpack_next(&unpacked, (const char *) bytes->data,
                                 bytes->len, &off) == MSGPACK_UNPACK_SUCCESS
             && off == bytes->len;
    msgpack_unpacked_destroy(&unpacked);

    check(ours || !theirs);
    check(theirs || !ours || depth_of(RECS_MSGPACK, bytes) >= THEIR_DEPTH);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    recs_str_t  text;

    text.data = data;
    text.len = size;

    if (size) {
        check_accepted(&text);
    }

    check_msgpack(&text);
    (void) check_json(&text);

    return 0;
}
