
/*
 * A channel of snapshots as one request finds it: the same from its start to
 * its end, the access log included, whatever becomes active meanwhile.
 */


#include "ngx_http_recs_request.h"


/* A channel's state as a request found it. */

struct ngx_http_recs_channel_s {
    ngx_http_recs_channel_t    *next;
    ngx_recs_snapshots_t       *snapshots;
    ngx_uint_t                  channel;    /* whose was asked for */
    ngx_recs_snapshot_t         snapshot;   /* or "active"'s, see there */
    ngx_uint_t                  none;       /* nothing was adopted then */
};


static ngx_http_recs_channel_t *ngx_http_recs_channel_find(
    ngx_http_recs_channel_t *found, ngx_recs_snapshots_t *snapshots,
    ngx_uint_t channel, ngx_uint_t followed);


ngx_int_t
ngx_http_recs_channel(ngx_http_request_t *r, ngx_recs_snapshots_t *snapshots,
    ngx_str_t *channel, const ngx_recs_snapshot_t **snapshot)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_recs_snapshot_t        now;
    ngx_http_recs_channel_t   *found, *same;
    ngx_http_recs_main_ctx_t  *mctx;

    mctx = ngx_http_recs_get_main_ctx(r);
    if (mctx == NULL) {
        return NGX_ERROR;
    }

    i = ngx_recs_snapshot_channel(snapshots, channel);

    found = ngx_http_recs_channel_find(mctx->channels, snapshots, i, 0);
    if (found) {
        *snapshot = &found->snapshot;
        return found->none ? NGX_DECLINED : NGX_OK;
    }

    rc = ngx_recs_snapshot_get(snapshots, i, &now);

    found = ngx_palloc(r->main->pool, sizeof(ngx_http_recs_channel_t));
    if (found == NULL) {
        return NGX_ERROR;
    }

    /* two channels may be the same one: then they are of one moment, too */

    same = ngx_http_recs_channel_find(mctx->channels, snapshots, now.channel,
                                      1);

    found->snapshots = snapshots;
    found->channel = i;
    found->snapshot = same ? same->snapshot : now;
    found->none = same ? same->none : rc != NGX_OK;

    found->next = mctx->channels;
    mctx->channels = found;

    *snapshot = &found->snapshot;

    return found->none ? NGX_DECLINED : NGX_OK;
}


/*
 * Finds the state that was asked for as that channel; or, with followed, the
 * one whose channel turned out to be that.
 */

static ngx_http_recs_channel_t *
ngx_http_recs_channel_find(ngx_http_recs_channel_t *found,
    ngx_recs_snapshots_t *snapshots, ngx_uint_t channel, ngx_uint_t followed)
{
    for ( /* void */ ; found; found = found->next) {

        if (found->snapshots == snapshots
            && (followed ? found->snapshot.channel : found->channel) == channel)
        {
            return found;
        }
    }

    return NULL;
}
