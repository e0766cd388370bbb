
/*
 * A pool's image is written from shared memory and read into it, a piece at a
 * time.
 */


#include "ngx_recs_pool_image.h"
#include "ngx_recs_mem.h"
#include "recs_hash.h"


/* Bytes of a piece. */

#define NGX_RECS_POOL_PIECE   (128 * 1024)

/* If the entries can't be published now, they are after so long, ms. */

#define NGX_RECS_POOL_SOON    100


static ngx_uint_t ngx_recs_pool_image_ready(void *data);
static ngx_uint_t ngx_recs_pool_image_changed(void *data, ngx_msec_t since);
static ngx_int_t ngx_recs_pool_image_begin(void *data);
static ngx_int_t ngx_recs_pool_image_piece(void *data);
static void ngx_recs_pool_image_end(void *data);

static const char *ngx_recs_pool_image_head(ngx_recs_pool_image_t *pi);
static void ngx_recs_pool_image_turn(ngx_event_t *ev);
static ngx_int_t ngx_recs_pool_image_get(ngx_recs_pool_image_t *pi,
    const char **why);
static ngx_int_t ngx_recs_pool_image_publish(ngx_recs_pool_image_t *pi,
    const char **why);
static ngx_int_t ngx_recs_pool_image_count(const recs_str_t *bytes,
    ngx_uint_t *n);


static const ngx_recs_image_kind_t  ngx_recs_pool_image = {
    "recs_pool",
    "it is of another pool",
    ngx_recs_pool_image_ready,
    ngx_recs_pool_image_changed,
    ngx_recs_pool_image_begin,
    ngx_recs_pool_image_piece,
    ngx_recs_pool_image_end
};


/*
 * The image holds whole objects: it is of the same pool wherever in them weight
 * and category are read.
 */

ngx_recs_pool_image_t *
ngx_recs_pool_image_init(ngx_recs_pool_t *pool, ngx_cycle_t *cycle)
{
    uint64_t                hash;
    recs_str_t              server, key;
    ngx_recs_image_t       *image;
    ngx_recs_pool_image_t  *pi;

    pi = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_pool_image_t));
    if (pi == NULL) {
        return NULL;
    }

    server = ngx_recs_span(&pool->redis->server);
    key = ngx_recs_span(&pool->key);

    hash = recs_hash_int(0, NGX_RECS_ZONE_POOL);
    hash = recs_hash_str(hash, &server);
    hash = recs_hash_str(hash, &key);
    hash = recs_hash_str(hash, &pool->id.source);

    pi->pool = pool;

    image = &pi->image;
    image->kind = &ngx_recs_pool_image;
    image->data = pi;
    image->name = &pool->name;
    image->path = pool->image_path;
    image->of = hash;
    image->shared = &pool->shared->image;
    image->leader = pool->leader;

    pi->event.handler = ngx_recs_pool_image_turn;
    pi->event.data = pi;
    pi->event.log = cycle->log;
    pi->event.cancelable = 1;

    return ngx_recs_image_init(image, cycle) == NGX_OK ? pi : NULL;
}


static ngx_uint_t
ngx_recs_pool_image_ready(void *data)
{
    ngx_recs_pool_image_t *pi = data;

    ngx_recs_pool_shared_t  *shared;

    shared = pi->pool->shared;

    return shared->generation != 0 && !shared->image.used;
}


static ngx_uint_t
ngx_recs_pool_image_changed(void *data, ngx_msec_t since)
{
    ngx_recs_pool_image_t *pi = data;

    return pi->pool->shared->generation != pi->written;
}


static ngx_int_t
ngx_recs_pool_image_begin(void *data)
{
    ngx_recs_pool_image_t *pi = data;

    ngx_recs_pool_t  *pool;

    pool = pi->pool;

    pi->written = ngx_recs_latest(&pool->shared->generation);
    pi->done = 0;
    pi->head.loaded = pool->shared->loaded;
    pi->head.len = ngx_recs_pool_copy(pool, pi->written)->len;

    return ngx_recs_image_put(&pi->image, &pi->head,
                              sizeof(ngx_recs_pool_image_head_t));
}


/*
 * Straight from the copy in shared memory.  This worker writes there, too, and
 * after it was stopped another one may: then what was put may be torn.
 */

static ngx_int_t
ngx_recs_pool_image_piece(void *data)
{
    ngx_recs_pool_image_t *pi = data;

    size_t            n;
    u_char           *bytes;
    ngx_recs_pool_t  *pool;

    pool = pi->pool;
    bytes = (u_char *) (ngx_recs_pool_copy(pool, pi->written) + 1);

    if (!ngx_recs_latest_stood(&pool->shared->generation, pi->written,
                               NGX_RECS_POOL_COPIES))
    {
        return NGX_DECLINED;
    }

    n = ngx_min(pi->head.len - pi->done, NGX_RECS_POOL_PIECE);

    if (ngx_recs_image_put(&pi->image, bytes + pi->done, n) != NGX_OK) {
        return NGX_ERROR;
    }

    pi->done += n;

    if (!ngx_recs_latest_stood(&pool->shared->generation, pi->written,
                               NGX_RECS_POOL_COPIES))
    {
        return NGX_DECLINED;
    }

    return pi->done == pi->head.len ? NGX_DONE : NGX_OK;
}


static void
ngx_recs_pool_image_end(void *data)
{
    ngx_recs_pool_image_t *pi = data;

    if (pi->bytes) {
        ngx_free(pi->bytes);
        pi->bytes = NULL;
    }
}


ngx_uint_t
ngx_recs_pool_image_read(ngx_recs_pool_image_t *pi)
{
    const char  *why;

    if (pi->pool->shared->generation != 0
        || ngx_recs_image_open(&pi->image) != NGX_OK)
    {
        return 0;
    }

    why = ngx_recs_pool_image_head(pi);

    if (why) {
        ngx_recs_image_refuse(&pi->image, why);
        return 0;
    }

    ngx_post_event(&pi->event, &ngx_posted_next_events);

    return 1;
}


static const char *
ngx_recs_pool_image_head(ngx_recs_pool_image_t *pi)
{
    if (ngx_recs_image_get(&pi->image, &pi->head,
                           sizeof(ngx_recs_pool_image_head_t))
        != NGX_OK)
    {
        return ngx_recs_image_torn;
    }

    if (pi->head.len > NGX_RECS_POOL_SIZE_MAX) {
        return ngx_recs_image_torn;
    }

    if (pi->head.len > pi->pool->size) {
        return "it does not fit into \"size=\"";
    }

    pi->done = 0;
    pi->bytes = ngx_alloc(pi->head.len + 1, pi->image.log);

    return pi->bytes ? NULL : "there is no memory for it";
}


static void
ngx_recs_pool_image_turn(ngx_event_t *ev)
{
    ngx_int_t               rc;
    const char             *why;
    ngx_recs_pool_t        *pool;
    ngx_recs_pool_image_t  *pi;

    pi = ev->data;
    pool = pi->pool;
    why = ngx_recs_image_torn;

    rc = ngx_recs_pool_image_get(pi, &why);

    switch (rc) {

    case NGX_AGAIN:
        ngx_post_event(ev, &ngx_posted_next_events);
        return;

    case NGX_BUSY:
        ngx_add_timer(ev, NGX_RECS_POOL_SOON);
        return;

    case NGX_DECLINED:
        ngx_recs_image_close(&pi->image);
        return;

    case NGX_ERROR:
        ngx_recs_image_refuse(&pi->image, why);
        break;

    default: /* NGX_OK */
        ngx_recs_image_close(&pi->image);
    }

    pool->timer.handler(&pool->timer);
}


/* NGX_AGAIN: there is more to do; else as publish() says. */

static ngx_int_t
ngx_recs_pool_image_get(ngx_recs_pool_image_t *pi, const char **why)
{
    size_t      n;
    ngx_uint_t  i;

    for (i = 0; i < NGX_RECS_IMAGE_TURN && pi->done < pi->head.len; i++) {
        n = ngx_min(pi->head.len - pi->done, NGX_RECS_POOL_PIECE);

        if (ngx_recs_image_get(&pi->image, pi->bytes + pi->done, n) != NGX_OK)
        {
            return NGX_ERROR;
        }

        pi->done += n;

        if (pi->done == pi->head.len
            && ngx_recs_image_whole(&pi->image) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return pi->done < pi->head.len ? NGX_AGAIN
                                   : ngx_recs_pool_image_publish(pi, why);
}


/*
 * NGX_OK; NGX_ERROR: it is torn, unless *why says something else; else as
 * ngx_recs_leader_lock() says.
 */

static ngx_int_t
ngx_recs_pool_image_publish(ngx_recs_pool_image_t *pi, const char **why)
{
    ngx_int_t                 rc;
    ngx_uint_t                n;
    recs_str_t                bytes;
    ngx_recs_pool_t          *pool;
    ngx_recs_pool_entries_t   entries;

    pool = pi->pool;

    ngx_memzero(&entries, sizeof(ngx_recs_pool_entries_t));
    entries.bytes.data = pi->bytes;
    entries.bytes.len = pi->head.len;

    bytes = ngx_recs_span(&entries.bytes);

    if (ngx_recs_pool_image_count(&bytes, &n) != NGX_OK) {
        return NGX_ERROR;
    }

    if (n < pool->guard.min_members) {
        *why = "it holds fewer items than \"min_members=\"";
        return NGX_ERROR;
    }

    rc = ngx_recs_pool_publish(pool, &entries, (time_t) pi->head.loaded);

    if (rc == NGX_OK) {
        ngx_recs_image_taken(&pi->image);
        ngx_log_error(NGX_LOG_NOTICE, pi->image.log, 0,
                      "recs_pool \"%V\" holds %ui items, of its image",
                      &pool->name, n);
    }

    return rc;
}


/* How many entries there are: all must be whole. */

static ngx_int_t
ngx_recs_pool_image_count(const recs_str_t *bytes, ngx_uint_t *n)
{
    int             rc;
    recs_pool_entry_t   entry;
    recs_pool_reader_t  entries;

    if (recs_pool_entries_open(&entries, bytes) != 0) {
        return NGX_ERROR;
    }

    *n = entries.left;

    do {
        rc = recs_pool_entries_next(&entries, &entry);
    } while (rc == 1);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


void
ngx_recs_pool_image_lost(ngx_recs_pool_image_t *pi)
{
    if (pi->event.timer_set) {
        ngx_del_timer(&pi->event);
    }

    if (pi->event.posted) {
        ngx_delete_posted_event(&pi->event);
    }

    ngx_recs_image_stop(&pi->image);
}
