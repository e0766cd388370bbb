
/*
 * What a request saw of a snapshot: the same from its start to its end,
 * whatever becomes active meanwhile.
 */


#include "ngx_http_recs.h"


/* A snapshot's state as a request found it, kept until the request's end. */

typedef struct {
    ngx_recs_snapshots_t       *snapshots;
    ngx_recs_snapshot_t         snapshot;
} ngx_http_recs_seen_t;


static void ngx_http_recs_seen_cleanup(void *data);


ngx_int_t
ngx_http_recs_seen(ngx_http_request_t *r, ngx_recs_snapshots_t *snapshots,
    ngx_str_t *channel, const ngx_recs_snapshot_t **snapshot)
{
    ngx_int_t              rc;
    ngx_http_cleanup_t    *cln;
    ngx_recs_snapshot_t    now;
    ngx_http_recs_seen_t  *seen;

    rc = ngx_recs_snapshot_get(snapshots, channel, &now);

    if (rc != NGX_OK) {
        return rc;
    }

    for (cln = r->main->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_http_recs_seen_cleanup) {
            continue;
        }

        seen = cln->data;

        if (seen->snapshots == snapshots
            && seen->snapshot.channel == now.channel)
        {
            *snapshot = &seen->snapshot;
            return NGX_OK;
        }
    }

    cln = ngx_http_cleanup_add(r->main, sizeof(ngx_http_recs_seen_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_recs_seen_cleanup;

    seen = cln->data;
    seen->snapshots = snapshots;
    seen->snapshot = now;

    *snapshot = &seen->snapshot;

    return NGX_OK;
}


/* Only marks what is kept. */

static void
ngx_http_recs_seen_cleanup(void *data)
{
}
