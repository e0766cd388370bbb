
/* Versions that were left, and the history that tells of moves. */


#include "ngx_recs_past.h"

#include "ngx_recs_mem.h"
#include "recs_json.h"
#include "recs_reader.h"


/* The share jumped when it is so much above the usual, and twice that. */

#define NGX_RECS_SHARE_JUMP    2000     /* hundredths of a percent */

/* What the usual share takes over of a window: a part. */

#define NGX_RECS_SHARE_FAST    8
#define NGX_RECS_SHARE_SLOW    64       /* while it jumped */


static const recs_str_t  ngx_recs_move_names[] = {
    recs_string("time"),
    recs_string("event"),
    recs_string("version")
};


static ngx_recs_past_version_t *ngx_recs_past_free(ngx_recs_past_ring_t *ring);
static void ngx_recs_move_member(ngx_recs_move_t *move,
    const recs_value_t *key, const recs_value_t *v);
static uint64_t ngx_recs_move_time(const recs_str_t *text);


ngx_recs_past_version_t *
ngx_recs_past_find(ngx_recs_past_t *past, ngx_recs_past_e kind,
    const ngx_str_t *channel, const ngx_recs_text_t *version)
{
    ngx_uint_t                i;
    ngx_recs_past_version_t  *v;

    for (i = 0; version->len && i < NGX_RECS_PAST_VERSIONS; i++) {
        v = &past->rings[kind].versions[i];

        if (ngx_recs_text_eq(&v->version, version)
            && (kind == NGX_RECS_PAST_ROLLED_BACK
                || (v->channel.len == channel->len
                    && ngx_memcmp(v->channel.data, channel->data, channel->len)
                       == 0)))
        {
            return v;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_recs_past_add(ngx_recs_past_t *past, ngx_recs_past_e kind,
    const ngx_str_t *channel, const ngx_recs_text_t *version)
{
    ngx_recs_past_ring_t     *ring;
    ngx_recs_past_version_t  *v;

    if (version->len == 0 || ngx_recs_past_find(past, kind, channel, version)) {
        return 0;
    }

    ring = &past->rings[kind];
    v = ngx_recs_past_free(ring);

    if (v == NULL) {
        v = &ring->versions[ring->next++ % NGX_RECS_PAST_VERSIONS];
    }

    (void) ngx_recs_text_set(&v->channel, channel);
    v->moved = past->moved;
    v->version = *version;

    return 1;
}


/* In the order in which the places are taken. */

static ngx_recs_past_version_t *
ngx_recs_past_free(ngx_recs_past_ring_t *ring)
{
    ngx_uint_t                i;
    ngx_recs_past_version_t  *v;

    for (i = 0; i < NGX_RECS_PAST_VERSIONS; i++) {
        v = &ring->versions[(ring->next + i) % NGX_RECS_PAST_VERSIONS];

        if (v->version.len == 0) {
            return v;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_recs_past_forget(ngx_recs_past_t *past, ngx_recs_past_e kind,
    const ngx_str_t *channel, const ngx_recs_text_t *version)
{
    ngx_recs_past_version_t  *v;

    v = ngx_recs_past_find(past, kind, channel, version);

    if (v == NULL) {
        return 0;
    }

    ngx_memzero(v, sizeof(ngx_recs_past_version_t));

    return 1;
}


ngx_uint_t
ngx_recs_past_count(const ngx_recs_past_t *past, ngx_recs_past_e kind)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_RECS_PAST_VERSIONS; i++) {
        n += past->rings[kind].versions[i].version.len != 0;
    }

    return n;
}


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


/* Unix seconds, with a fraction: ms.  0: it is no such time. */

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


/* Counters only rise, unless the zone is new: then a window begins. */

ngx_int_t
ngx_recs_share_look(ngx_recs_share_t *share, ngx_atomic_uint_t asked,
    ngx_atomic_uint_t missing, time_t now)
{
    ngx_uint_t         part;
    ngx_atomic_uint_t  n;

    n = asked - share->asked;

    if (n < NGX_RECS_SHARE_WINDOW) {
        return NGX_OK;
    }

    share->now = ngx_min((missing - share->missing) * 10000 / n, 10000);
    share->asked = asked;
    share->missing = missing;

    if (!share->known) {
        share->known = 1;
        share->usual = share->now;
        return NGX_OK;
    }

    part = share->since ? NGX_RECS_SHARE_SLOW : NGX_RECS_SHARE_FAST;

    if (share->now >= share->usual + NGX_RECS_SHARE_JUMP
        && share->now >= 2 * share->usual)
    {
        share->usual += (share->now - share->usual) / NGX_RECS_SHARE_SLOW;

        if (share->since) {
            return NGX_OK;
        }

        share->since = now;
        return NGX_ABORT;
    }

    share->usual = (share->usual * (part - 1) + share->now) / part;

    if (share->since) {
        share->since = 0;
        return NGX_DONE;
    }

    return NGX_OK;
}
