
/*
 * A strict reader of documents, JSON or MessagePack, that yields spans of the
 * text it reads and copies nothing.
 *
 * It is a pull reader: the caller asks for what it expects next and skips
 * (checked all the same) what it does not care for.
 *
 *     recs_read_init(&rd, RECS_JSON, text, len);
 *     recs_read_open(&rd, &object);                    // "{": an object
 *     while ((rc = recs_read_member(&rd, &object, &key)) == 1) {
 *         recs_read_skip(&rd, &v);            // v.span: the whole value
 *     }
 *     recs_read_finish(&rd);                  // nothing else follows
 */


#ifndef RECS_READER_H
#define RECS_READER_H


#include "recs_json.h"
#include "recs_msgpack.h"
#include "recs_text.h"


/*
 * Starts to read len bytes at text, which the caller keeps until the end.
 *
 * In JSON a byte order mark before the text is passed over (RFC 8259, section
 * 8.1), and strings may hold bytes that are not UTF-8: rd->not_utf8 tells of
 * these, once they were read.
 */

static inline void
recs_read_init(recs_reader_t *rd, recs_format_e format, const uint8_t *text,
    size_t len)
{
    rd->pos = text;
    rd->end = len ? text + len : text;    /* an empty text may be NULL */

    if (format == RECS_JSON) {
        rd->pos += recs_text_bom(text, len);
    }

    rd->format = format;
    rd->depth = 0;
    rd->block = NULL;
    rd->not_utf8 = 0;
    rd->error = NULL;
}


/*
 * Each function below returns a negative value if the text is not well formed
 * (rd->error says what is wrong, at rd->pos); no other call is allowed then.
 */

/*
 * Reads a value where one must stand.  A scalar is read whole.  Of an object
 * or an array the opening bracket or the header is read: v->span holds that,
 * recs_read_member() or recs_read_element() reads on, and when that returns 0
 * rd->pos is just past the container.  Returns 0.
 */

static inline int
recs_read_open(recs_reader_t *rd, recs_value_t *v)
{
    return rd->format == RECS_JSON ? recs_json_open(rd, v)
                                   : recs_msgpack_open(rd, v);
}


/* Like recs_read_open(), but reads objects and arrays to their end, too. */

static inline int
recs_read_skip(recs_reader_t *rd, recs_value_t *v)
{
    return rd->format == RECS_JSON ? recs_json_skip(rd, v)
                                   : recs_msgpack_skip(rd, v);
}


/*
 * Inside an object that was opened: 1 if another member follows (*key is its
 * name, the reader stands before its value), 0 if the object has ended.  In
 * MessagePack a key may be of any type; one that is a container is read whole.
 */

static inline int
recs_read_member(recs_reader_t *rd, recs_value_t *object, recs_value_t *key)
{
    return rd->format == RECS_JSON ? recs_json_member(rd, object, key)
                                   : recs_msgpack_member(rd, object, key);
}


/*
 * Like recs_read_member(), but members whose name is none of the n names are
 * read past.
 */

static inline int
recs_read_find(recs_reader_t *rd, recs_value_t *object,
    const recs_str_t *names, size_t n, recs_value_t *key)
{
    return rd->format == RECS_JSON
           ? recs_json_find(rd, object, names, n, key)
           : recs_msgpack_find(rd, object, names, n, key);
}


/*
 * Inside an array that was opened: 1 if another element follows (the reader
 * stands before it), 0 if the array has ended.
 */

static inline int
recs_read_element(recs_reader_t *rd, recs_value_t *array)
{
    return rd->format == RECS_JSON ? recs_json_element(rd, array)
                                   : recs_msgpack_element(rd, array);
}


/* After the root value: 0 if nothing follows but, in JSON, white space. */

int recs_read_finish(recs_reader_t *rd);


/*
 * The format of a text that must be an object or an array: RECS_MSGPACK if its
 * first byte begins a map or an array there, as none of JSON does; else
 * RECS_JSON.
 */

recs_format_e recs_format_of(const recs_str_t *text);


#endif /* RECS_READER_H */
