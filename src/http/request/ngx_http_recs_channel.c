
/*
 * What a request saw of a snapshot: the same from its start to its end, the
 * access log included, whatever becomes active meanwhile.
 */


#include "ngx_http_recs_conf.h"


/* A channel's state as a request found it. */

struct ngx_http_recs_seen_s {
    ngx_http_recs_seen_t       *next;
    ngx_recs_snapshots_t       *snapshots;
    ngx_uint_t                  channel;    /* whose was asked for */
    ngx_recs_snapshot_t         snapshot;   /* or "active"'s, see there */
    ngx_uint_t                  none;       /* nothing was adopted then */
};


static ngx_http_recs_seen_t *ngx_http_recs_seen_find(
    ngx_http_recs_seen_t *seen, ngx_recs_snapshots_t *snapshots,
    ngx_uint_t channel, ngx_uint_t followed);


ngx_int_t
ngx_http_recs_seen(ngx_http_request_t *r, ngx_recs_snapshots_t *snapshots,
    ngx_str_t *channel, const ngx_recs_snapshot_t **snapshot)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_recs_snapshot_t    now;
    ngx_http_recs_seen_t  *seen, *same;
    ngx_http_recs_kept_t  *kept;

    kept = ngx_http_recs_keep(r);
    if (kept == NULL) {
        return NGX_ERROR;
    }

    i = ngx_recs_snapshot_channel(snapshots, channel);

    seen = ngx_http_recs_seen_find(kept->seen, snapshots, i, 0);
    if (seen) {
        *snapshot = &seen->snapshot;
        return seen->none ? NGX_DECLINED : NGX_OK;
    }

    rc = ngx_recs_snapshot_get(snapshots, i, &now);

    seen = ngx_palloc(r->main->pool, sizeof(ngx_http_recs_seen_t));
    if (seen == NULL) {
        return NGX_ERROR;
    }

    /* two channels may be the same one: then they are of one moment, too */

    same = ngx_http_recs_seen_find(kept->seen, snapshots, now.channel, 1);

    seen->snapshots = snapshots;
    seen->channel = i;
    seen->snapshot = same ? same->snapshot : now;
    seen->none = same ? same->none : rc != NGX_OK;

    seen->next = kept->seen;
    kept->seen = seen;

    *snapshot = &seen->snapshot;

    return seen->none ? NGX_DECLINED : NGX_OK;
}


/* followed: channel is not what was asked for, but what that turned out as. */

static ngx_http_recs_seen_t *
ngx_http_recs_seen_find(ngx_http_recs_seen_t *seen,
    ngx_recs_snapshots_t *snapshots, ngx_uint_t channel, ngx_uint_t followed)
{
    for ( /* void */ ; seen; seen = seen->next) {

        if (seen->snapshots == snapshots
            && (followed ? seen->snapshot.channel : seen->channel) == channel)
        {
            return seen;
        }
    }

    return NULL;
}
