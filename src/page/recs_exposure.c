
/* Members of the exposure record are written: see recs_exposure.h. */


#include "recs_exposure.h"
#include "recs_text.h"


/* Bytes that the first members of an item take at most, without the id's. */

#define RECS_EXPOSURE_ITEM  128

/* Writes a literal to p; gives the address after it. */

#define recs_exposure_copy(p, text)                                           \
    (memcpy((p), (text), sizeof(text) - 1), (p) + sizeof(text) - 1)


static uint8_t *recs_exposure_number(uint8_t *p, size_t n);
static void recs_exposure_fingerprint(recs_writer_t *w, uint64_t fingerprint);


/*
 * There may be hundreds of items in a record, so they are written with hardly a
 * call: all members at once, if the id needs no escape.
 */

void
recs_exposure_item(recs_writer_t *w, const recs_str_t *id, int bin,
    size_t shelf, size_t position, const char *source)
{
    uint8_t        *p;
    size_t          len;
    const uint8_t  *end;

    end = id->data + id->len;

    if (bin || recs_text_plain(id->data, end) != end) {
        recs_write_object(w);
        recs_write_key(w, "id");

        if (bin) {
            recs_write_base64(w, id);

        } else {
            recs_write_string(w, id);
        }

        p = recs_write_room(w, RECS_EXPOSURE_ITEM);

        if (p == NULL) {
            return;
        }

    } else {
        p = recs_write_room(w, id->len + RECS_EXPOSURE_ITEM);

        if (p == NULL) {
            return;
        }

        if (w->comma) {
            *p++ = ',';
        }

        p = recs_exposure_copy(p, "{\"id\":\"");
        memcpy(p, id->data, id->len);
        p += id->len;
        *p++ = '"';
    }

    p = recs_exposure_copy(p, ",\"shelf\":");
    p = recs_exposure_number(p, shelf);
    p = recs_exposure_copy(p, ",\"position\":");
    p = recs_exposure_number(p, position);
    p = recs_exposure_copy(p, ",\"source\":\"");

    len = strlen(source);
    memcpy(p, source, len);
    p += len;
    *p++ = '"';

    w->len = (size_t) (p - w->data);
    w->comma = 1;
}


/* Writes the digits of n to p; returns the address after them. */

static uint8_t *
recs_exposure_number(uint8_t *p, size_t n)
{
    size_t  len, m;

    for (len = 1, m = n; m > 9; m /= 10) {
        len++;
    }

    for (m = len; m; n /= 10) {
        p[--m] = (uint8_t) ('0' + n % 10);
    }

    return p + len;
}


void
recs_exposure_draw(recs_writer_t *w, const recs_draw_t *draw,
    const char *method)
{
    unsigned               i;
    const recs_explore_t  *policy;

    policy = draw->line->policy;

    recs_exposure_fingerprint(w, draw->line->pool->fingerprint);

    recs_write_key_uint(w, "slot", draw->slot);
    recs_write_key(w, "method");
    recs_write_cstr(w, method);

    if (draw->category) {
        recs_write_key(w, "category");
        recs_write_string(w, &draw->category->name);
    }

    recs_write_key(w, "gate");
    recs_write_double(w, policy->rate);
    recs_write_key_uint(w, "panel", policy->panel);
    recs_write_key_uint(w, "panel_size", draw->panel_size);
    recs_write_key_uint(w, "pool_size", draw->pool_size);
    recs_write_key_uint(w, "eligible", draw->neligible);
    recs_write_key(w, "refused");
    recs_write_array(w);

    for (i = 0; i < draw->panel_size; i++) {
        if (draw->refused[i]) {
            recs_write_uint(w, i);
        }
    }

    recs_write_array_end(w);

    if (draw->neligible) {
        recs_write_key(w, "choice");
        recs_write_double(w, draw->choice);
        recs_write_key(w, "p");
        recs_write_double(w, draw->p);
    }
}


/*
 * Writes the fingerprint as a string of hex digits, since many readers of JSON
 * hold integers as doubles, which are not exact beyond 2^53 (RFC 8259, section
 * 6).
 */

static void
recs_exposure_fingerprint(recs_writer_t *w, uint64_t fingerprint)
{
    char        hex[16];
    unsigned    i;
    recs_str_t  text;

    for (i = 16; i; fingerprint >>= 4) {
        hex[--i] = "0123456789abcdef"[fingerprint & 15];
    }

    text.data = (const uint8_t *) hex;
    text.len = sizeof(hex);

    recs_write_key(w, "fingerprint");
    recs_write_string(w, &text);
}
