
/*
 * What a request saw of a snapshot: the same from its start to its end, the
 * access log included, whatever becomes active meanwhile.
 */


#include "ngx_http_recs.h"


/*
 * A channel's state as a request found it.  It is kept as a cleanup of the
 * pool: those of the request are gone when it is logged, its contexts when it
 * is redirected.
 */

typedef struct {
    ngx_recs_snapshots_t       *snapshots;
    ngx_uint_t                  channel;    /* whose was asked for */
    ngx_recs_snapshot_t         snapshot;   /* or "active"'s, see there */
    ngx_uint_t                  none;       /* nothing was adopted then */
} ngx_http_recs_seen_t;


static ngx_http_recs_seen_t *ngx_http_recs_seen_find(ngx_http_request_t *r,
    ngx_recs_snapshots_t *snapshots, ngx_uint_t channel, ngx_uint_t followed);
static void ngx_http_recs_seen_cleanup(void *data);


ngx_int_t
ngx_http_recs_seen(ngx_http_request_t *r, ngx_recs_snapshots_t *snapshots,
    ngx_str_t *channel, const ngx_recs_snapshot_t **snapshot)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_pool_cleanup_t    *cln;
    ngx_recs_snapshot_t    now;
    ngx_http_recs_seen_t  *seen, *same;

    i = ngx_recs_snapshot_channel(snapshots, channel);

    seen = ngx_http_recs_seen_find(r, snapshots, i, 0);
    if (seen) {
        *snapshot = &seen->snapshot;
        return seen->none ? NGX_DECLINED : NGX_OK;
    }

    rc = ngx_recs_snapshot_get(snapshots, i, &now);

    cln = ngx_pool_cleanup_add(r->main->pool, sizeof(ngx_http_recs_seen_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    /* two channels may be the same one: then they are of one moment, too */

    same = ngx_http_recs_seen_find(r, snapshots, now.channel, 1);

    seen = cln->data;
    seen->snapshots = snapshots;
    seen->channel = i;
    seen->snapshot = same ? same->snapshot : now;
    seen->none = same ? same->none : rc != NGX_OK;

    cln->handler = ngx_http_recs_seen_cleanup;

    *snapshot = &seen->snapshot;

    return seen->none ? NGX_DECLINED : NGX_OK;
}


/* followed: channel is not what was asked for, but what that turned out as. */

static ngx_http_recs_seen_t *
ngx_http_recs_seen_find(ngx_http_request_t *r,
    ngx_recs_snapshots_t *snapshots, ngx_uint_t channel, ngx_uint_t followed)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_recs_seen_t  *seen;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_http_recs_seen_cleanup) {
            continue;
        }

        seen = cln->data;

        if (seen->snapshots == snapshots
            && (followed ? seen->snapshot.channel : seen->channel) == channel)
        {
            return seen;
        }
    }

    return NULL;
}


/* Only marks what is kept. */

static void
ngx_http_recs_seen_cleanup(void *data)
{
}
