
/* Versions that were left are kept in a ring for each way of leaving. */


#include "ngx_recs_past.h"


static ngx_recs_past_version_t *ngx_recs_past_free(ngx_recs_past_ring_t *ring);


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
    const ngx_str_t *channel, const ngx_recs_text_t *version, uint64_t moved)
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
    v->moved = moved;
    v->version = *version;

    return 1;
}


/* Finds the first free place, in the order in which places are taken. */

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
