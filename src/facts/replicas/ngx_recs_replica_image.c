
/* A replica's image, written. */


#include "ngx_recs_feed_entry.h"
#include "ngx_recs_replica_image.h"
#include "ngx_recs_trust.h"
#include "recs_hash.h"


/* If only time has passed, it is written again after so long, ms. */

#define NGX_RECS_REPLICA_IMAGE_SAME  300000


static ngx_uint_t ngx_recs_replica_image_ready(void *data);
static ngx_uint_t ngx_recs_replica_image_changed(void *data, ngx_msec_t since);
static time_t ngx_recs_replica_image_distrusted(ngx_recs_replica_image_t *ri);
static ngx_int_t ngx_recs_replica_image_begin(void *data);
static ngx_int_t ngx_recs_replica_image_head(ngx_recs_replica_image_t *ri);
static ngx_int_t ngx_recs_replica_image_piece(void *data);
static ngx_int_t ngx_recs_replica_image_tail(ngx_recs_replica_image_t *ri);
static void ngx_recs_replica_image_end(void *data);


static const ngx_recs_image_kind_t  ngx_recs_replica_image = {
    "recs_set",
    "it is of another set",
    ngx_recs_replica_image_ready,
    ngx_recs_replica_image_changed,
    ngx_recs_replica_image_begin,
    ngx_recs_replica_image_piece,
    ngx_recs_replica_image_end
};


ngx_recs_replica_image_t *
ngx_recs_replica_image_init(ngx_recs_replica_t *replica, ngx_cycle_t *cycle)
{
    ngx_recs_image_t          *image;
    ngx_recs_replica_image_t  *ri;

    ri = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_replica_image_t));
    if (ri == NULL) {
        return NULL;
    }

    ri->replica = replica;

    image = &ri->image;
    image->kind = &ngx_recs_replica_image;
    image->data = ri;
    image->name = &replica->set->name;
    image->path = replica->image;
    image->of = recs_hash_int(replica->hash, NGX_RECS_REPLICA_IMAGE_FORMAT);
    image->shared = &replica->shared->image;
    image->leader = replica->leader;

    return ngx_recs_image_init(image, cycle) == NGX_OK ? ri : NULL;
}


static ngx_uint_t
ngx_recs_replica_image_ready(void *data)
{
    ngx_recs_replica_image_t *ri = data;

    ngx_recs_replica_shared_t  *shared;

    shared = ri->replica->shared;

    return shared->state == NGX_RECS_REPLICA_FOLLOWING && !shared->image.used;
}


static ngx_uint_t
ngx_recs_replica_image_changed(void *data, ngx_msec_t since)
{
    ngx_recs_replica_image_t *ri = data;

    ngx_recs_position_t  now;

    return since >= NGX_RECS_REPLICA_IMAGE_SAME
           || !ngx_recs_replica_position(ri->replica, &now)
           || now.generation != ri->written.generation
           || ngx_recs_feed_id_cmp(&now.id, &ri->written.id) != 0
           || ngx_recs_replica_image_distrusted(ri) != ri->distrusted;
}


static time_t
ngx_recs_replica_image_distrusted(ngx_recs_replica_image_t *ri)
{
    ngx_recs_trust_t       *trust;
    ngx_recs_trust_stat_t   stat;

    trust = ri->replica->set->trust;

    if (trust == NULL) {
        return 0;
    }

    ngx_recs_trust_stat(trust, &stat, ri->image.log);

    return stat.since;
}


/* The position first: what is applied later is applied once more. */

static ngx_int_t
ngx_recs_replica_image_begin(void *data)
{
    ngx_recs_replica_image_t *ri = data;

    if (!ngx_recs_replica_position(ri->replica, &ri->written)
        || !recs_table_read(&ri->view, ri->replica->table)
        || ri->view.generation != ri->written.generation)
    {
        return NGX_DECLINED;
    }

    return ngx_recs_replica_image_room(ri) == NGX_OK
           ? ngx_recs_replica_image_head(ri) : NGX_ERROR;
}


static ngx_int_t
ngx_recs_replica_image_head(ngx_recs_replica_image_t *ri)
{
    ngx_time_t                     *tp;
    ngx_recs_replica_t             *replica;
    ngx_recs_replica_image_head_t  *head;

    replica = ri->replica;
    head = &ri->head;
    tp = ngx_timeofday();

    ngx_memzero(head, sizeof(ngx_recs_replica_image_head_t));

    head->confirmed = (uint64_t) tp->sec * 1000 + tp->msec
                      - (ngx_current_msec - replica->shared->confirmed);
    head->loaded = replica->shared->loaded;
    ri->distrusted = ngx_recs_replica_image_distrusted(ri);
    head->distrusted = ri->distrusted;
    head->ms = ri->written.id.ms;
    head->n = ri->written.id.n;
    head->seq = ri->written.seq;
    head->numbered = ri->written.numbered;
    ngx_memcpy(head->secret, recs_table_secret(replica->table),
               RECS_TABLE_SECRET);

    return ngx_recs_image_put(&ri->image, head,
                              sizeof(ngx_recs_replica_image_head_t));
}


static ngx_int_t
ngx_recs_replica_image_piece(void *data)
{
    ngx_recs_replica_image_t *ri = data;

    uint64_t           n;
    recs_table_stat_t  stat;

    recs_table_stat(ri->replica->table, &stat);

    if (ri->slot >= stat.slots) {
        return ngx_recs_replica_image_tail(ri);
    }

    n = recs_table_dump(&ri->view, ri->slot, NGX_RECS_REPLICA_PIECE,
                        ri->prints, ri->scores);

    if (!recs_table_stood(&ri->view)) {
        return NGX_DECLINED;
    }

    ri->slot += NGX_RECS_REPLICA_PIECE;
    ri->count += n;

    if (n == 0) {
        return NGX_OK;
    }

    if (ngx_recs_image_put(&ri->image, &n, sizeof(n)) != NGX_OK
        || ngx_recs_image_put(&ri->image, ri->prints, n * sizeof(uint64_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ri->scores ? ngx_recs_image_put(&ri->image, ri->scores,
                                           n * sizeof(double))
                      : NGX_OK;
}


/* What was applied while it was written, it may hold. */

static ngx_int_t
ngx_recs_replica_image_tail(ngx_recs_replica_image_t *ri)
{
    uint64_t                       zero;
    ngx_recs_position_t            now;
    ngx_recs_replica_t            *replica;
    ngx_recs_replica_image_tail_t  tail;

    replica = ri->replica;
    zero = 0;

    ngx_memzero(&tail, sizeof(ngx_recs_replica_image_tail_t));

    tail.count = ri->count;

    if (replica->shared->state == NGX_RECS_REPLICA_FOLLOWING
        && ngx_recs_replica_position(replica, &now)
        && now.generation == ri->written.generation)
    {
        tail.ms = now.reached.ms;
        tail.n = now.reached.n;
    }

    return ngx_recs_image_put(&ri->image, &zero, sizeof(zero)) == NGX_OK
           && ngx_recs_image_put(&ri->image, &tail,
                                 sizeof(ngx_recs_replica_image_tail_t))
              == NGX_OK
           ? NGX_DONE : NGX_ERROR;
}


ngx_int_t
ngx_recs_replica_image_room(ngx_recs_replica_image_t *ri)
{
    ri->slot = 0;
    ri->count = 0;
    ri->prints = ngx_alloc(NGX_RECS_REPLICA_PIECE * sizeof(uint64_t),
                           ri->image.log);

    if (ri->prints == NULL) {
        return NGX_ERROR;
    }

    if (ri->replica->set->scores) {
        ri->scores = ngx_alloc(NGX_RECS_REPLICA_PIECE * sizeof(double),
                               ri->image.log);

        if (ri->scores == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_recs_replica_image_end(void *data)
{
    ngx_recs_replica_image_t *ri = data;

    if (ri->prints) {
        ngx_free(ri->prints);
        ri->prints = NULL;
    }

    if (ri->scores) {
        ngx_free(ri->scores);
        ri->scores = NULL;
    }
}
