
/* Reads an entry of a history, which is a JSON object. */


#include "ngx_recs_move.h"

#include "recs_json.h"
#include "recs_reader.h"


static const recs_str_t  ngx_recs_move_names[] = {
    recs_string("time"),
    recs_string("event"),
    recs_string("version")
};


static void ngx_recs_move_member(ngx_recs_move_t *move,
    const recs_value_t *key, const recs_value_t *v);
static uint64_t ngx_recs_move_time(const recs_str_t *text);


void
ngx_recs_move_read(ngx_recs_move_t *move, const ngx_str_t *entry)
{
    recs_value_t   root, key, v;
    recs_reader_t  rd;

    ngx_memzero(move, sizeof(ngx_recs_move_t));
    recs_read_init(&rd, RECS_JSON, entry->data, entry->len);

    if (recs_read_open(&rd, &root) != 0 || root.type != RECS_OBJECT) {
        return;
    }

    while (recs_read_find(&rd, &root, ngx_recs_move_names, 3, &key) == 1
           && recs_read_skip(&rd, &v) == 0)
    {
        ngx_recs_move_member(move, &key, &v);
    }
}


/* Texts that are escaped name no version, and no event that is known. */

static void
ngx_recs_move_member(ngx_recs_move_t *move, const recs_value_t *key,
    const recs_value_t *v)
{
    ngx_str_t  text;

    static const recs_str_t  restore = recs_string("restore");

    if (recs_json_text_is(key, &ngx_recs_move_names[0])) {

        if (v->type == RECS_INTEGER || v->type == RECS_NUMBER) {
            move->time = ngx_recs_move_time(&v->span);
        }

        return;
    }

    if (v->type != RECS_STRING || v->escaped) {
        return;
    }

    if (recs_json_text_is(key, &ngx_recs_move_names[1])) {
        move->restore = recs_json_text_is(v, &restore);
        return;
    }

    text.data = (u_char *) v->span.data + 1;
    text.len = v->span.len - 2;

    (void) ngx_recs_text_set(&move->version, &text);
}


/* Reads unix seconds with a fraction; returns ms, 0 if it is no such time. */

static uint64_t
ngx_recs_move_time(const recs_str_t *text)
{
    uint64_t       ms;
    ngx_uint_t     n;
    const u_char  *p, *end;

    p = text->data;
    end = p + text->len;
    ms = 0;

    for (n = 0; p < end && *p >= '0' && *p <= '9' && n < 12; n++) {
        ms = ms * 10 + (*p++ - '0');
    }

    if (p < end && *p++ != '.') {
        return 0;
    }

    for (n = 0; n < 3; n++) {
        ms = ms * 10 + (p < end && *p >= '0' && *p <= '9' ? *p++ - '0' : 0);
    }

    return ms;
}
