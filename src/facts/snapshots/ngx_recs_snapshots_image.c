
/*
 * The image of snapshots is written from shared memory, a channel at a time,
 * and read into it as a whole.
 */


#include "ngx_recs_snapshots_image.h"

#include "ngx_recs_mem.h"
#include "recs_hash.h"


static ngx_uint_t ngx_recs_snapshots_image_ready(void *data);
static ngx_uint_t ngx_recs_snapshots_image_other(void *data,
    ngx_msec_t since);
static ngx_int_t ngx_recs_snapshots_image_begin(void *data);
static ngx_int_t ngx_recs_snapshots_image_piece(void *data);
static void ngx_recs_snapshots_image_end(void *data);

static ngx_int_t ngx_recs_channel_image_take(ngx_recs_snapshots_image_t *si,
    ngx_recs_channel_t *channel, ngx_recs_channel_image_t *ci);
static u_char *ngx_recs_snapshots_image_load(ngx_recs_snapshots_image_t *si,
    ngx_recs_snapshots_image_head_t *head, const char **why);
static size_t ngx_recs_snapshots_image_size(
    const ngx_recs_snapshots_image_head_t *head, ngx_fd_t fd);
static const char *ngx_recs_snapshots_image_check(const u_char *p,
    const u_char *end, ngx_uint_t n);
static void ngx_recs_snapshots_image_publish(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshots_image_head_t *head, const u_char *p);
static ngx_recs_channel_t *ngx_recs_snapshots_image_channel(
    ngx_recs_snapshots_t *ss, const ngx_recs_text_t *name);


static const ngx_recs_image_kind_t  ngx_recs_snapshots_image = {
    "recs_snapshots",
    "it is of other snapshots",
    ngx_recs_snapshots_image_ready,
    ngx_recs_snapshots_image_other,
    ngx_recs_snapshots_image_begin,
    ngx_recs_snapshots_image_piece,
    ngx_recs_snapshots_image_end
};


ngx_recs_snapshots_image_t *
ngx_recs_snapshots_image_init(ngx_recs_snapshots_t *ss, ngx_cycle_t *cycle)
{
    uint64_t                     hash;
    recs_str_t                   server, prefix;
    ngx_recs_image_t            *image;
    ngx_recs_snapshots_image_t  *si;

    si = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_snapshots_image_t));
    if (si == NULL) {
        return NULL;
    }

    server = ngx_recs_span(&ss->redis->server);
    prefix = ngx_recs_span(&ss->prefix);

    hash = recs_hash_int(0, NGX_RECS_ZONE_SNAPSHOTS);
    hash = recs_hash_int(hash, sizeof(ngx_recs_snapshots_image_head_t));
    hash = recs_hash_int(hash, sizeof(ngx_recs_channel_image_t));
    hash = recs_hash_str(hash, &server);
    hash = recs_hash_str(hash, &prefix);

    si->snapshots = ss;

    image = &si->image;
    image->kind = &ngx_recs_snapshots_image;
    image->data = si;
    image->name = &ss->name;
    image->path = ss->image_path;
    image->of = hash;
    image->shared = &ss->shared->image;
    image->leader = ss->leader;

    return ngx_recs_image_init(image, cycle) == NGX_OK ? si : NULL;
}


void
ngx_recs_snapshots_changed(ngx_recs_snapshots_t *ss)
{
    ss->shared->changes++;

    /* one that is under way is followed by another */

    if (ss->image) {
        ss->image->image.begun = 0;
    }
}


/* What came of an image, and not of Redis, isn't written again. */

static ngx_uint_t
ngx_recs_snapshots_image_ready(void *data)
{
    ngx_recs_snapshots_image_t *si = data;

    ngx_recs_snapshots_shared_t  *shared;

    shared = si->snapshots->shared;

    return shared->changes != 0 && !shared->image.used;
}


static ngx_uint_t
ngx_recs_snapshots_image_other(void *data, ngx_msec_t since)
{
    ngx_recs_snapshots_image_t *si = data;

    return si->snapshots->shared->changes != si->written;
}


static ngx_int_t
ngx_recs_snapshots_image_begin(void *data)
{
    ngx_recs_snapshots_image_t *si = data;

    ngx_recs_snapshots_t             *ss;
    ngx_recs_snapshots_image_head_t   head;

    ss = si->snapshots;

    si->written = ss->shared->changes;
    si->next = 0;
    si->page = ngx_alloc(NGX_RECS_DEFAULT_MAX, si->image.log);

    if (si->page == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&head, sizeof(ngx_recs_snapshots_image_head_t));
    head.nchannels = ss->nchannels;
    head.past = ss->shared->past;

    return ngx_recs_image_put(&si->image, &head,
                              sizeof(ngx_recs_snapshots_image_head_t));
}


/* A piece is a channel. */

static ngx_int_t
ngx_recs_snapshots_image_piece(void *data)
{
    ngx_recs_snapshots_image_t *si = data;

    ngx_recs_snapshots_t      *ss;
    ngx_recs_channel_image_t   ci;

    ss = si->snapshots;

    if (ngx_recs_channel_image_take(si, &ss->channels[si->next], &ci) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_recs_image_put(&si->image, &ci, sizeof(ngx_recs_channel_image_t))
        != NGX_OK
        || (ci.len && ngx_recs_image_put(&si->image, si->page, ci.len)
                      != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (++si->next < ss->nchannels) {
        return NGX_OK;
    }

    /* the past was copied at the beginning */

    return si->written == ss->shared->changes ? NGX_DONE : NGX_DECLINED;
}


/* Takes a whole copy of a channel; its default page is put into si->page. */

static ngx_int_t
ngx_recs_channel_image_take(ngx_recs_snapshots_image_t *si,
    ngx_recs_channel_t *channel, ngx_recs_channel_image_t *ci)
{
    ngx_atomic_uint_t           g;
    ngx_recs_default_t         *kept;
    ngx_recs_channel_shared_t  *shared;

    ngx_memzero(ci, sizeof(ngx_recs_channel_image_t));

    (void) ngx_recs_text_set(&ci->name, &channel->name);
    (void) ngx_recs_channel_state(channel, &ci->state);

    shared = channel->shared;
    g = ngx_recs_latest(&shared->page);

    if (g == 0) {
        return NGX_OK;
    }

    kept = &shared->pages[g % NGX_RECS_DEFAULTS];
    ci->of = kept->of;
    ci->len = kept->len;

    if (ci->len > NGX_RECS_DEFAULT_MAX) {
        return NGX_DECLINED;
    }

    ngx_memcpy(si->page, kept->data, ci->len);

    return ngx_recs_latest_stood(&shared->page, g, NGX_RECS_DEFAULTS)
           ? NGX_OK : NGX_DECLINED;
}


static void
ngx_recs_snapshots_image_end(void *data)
{
    ngx_recs_snapshots_image_t *si = data;

    if (si->page) {
        ngx_free(si->page);
        si->page = NULL;
    }
}


void
ngx_recs_snapshots_image_read(ngx_recs_snapshots_image_t *si)
{
    u_char                           *bytes;
    const char                       *why;
    ngx_recs_snapshots_t             *ss;
    ngx_recs_snapshots_image_head_t   head;

    ss = si->snapshots;

    if (ss->shared->changes || ngx_recs_image_open(&si->image) != NGX_OK) {
        return;
    }

    bytes = ngx_recs_snapshots_image_load(si, &head, &why);

    if (bytes == NULL) {
        ngx_recs_image_refuse(&si->image, why);
        return;
    }

    ngx_recs_image_close(&si->image);

    if (ngx_recs_leader_lock(ss->leader) == NGX_OK) {
        ngx_recs_snapshots_image_publish(ss, &head, bytes);
        ngx_recs_image_taken(&si->image);
        ngx_recs_leader_unlock(ss->leader);

        ngx_log_error(NGX_LOG_NOTICE, si->image.log, 0,
                      "recs_snapshots \"%V\" goes on with its image",
                      &ss->name);
    }

    ngx_free(bytes);
}


/* The channels' bytes, checked; NULL, and *why. */

static u_char *
ngx_recs_snapshots_image_load(ngx_recs_snapshots_image_t *si,
    ngx_recs_snapshots_image_head_t *head, const char **why)
{
    u_char  *bytes;
    size_t   size;

    *why = ngx_recs_image_torn;

    if (ngx_recs_image_get(&si->image, head,
                           sizeof(ngx_recs_snapshots_image_head_t))
        != NGX_OK)
    {
        return NULL;
    }

    size = ngx_recs_snapshots_image_size(head, si->image.fd);

    if (size == 0) {
        return NULL;
    }

    bytes = ngx_alloc(size, si->image.log);

    if (bytes == NULL) {
        *why = "there is no memory for it";
        return NULL;
    }

    if (ngx_recs_image_get(&si->image, bytes, size) != NGX_OK
        || ngx_recs_image_whole(&si->image) != NGX_OK
        || ngx_recs_snapshots_image_check(bytes, bytes + size,
                                          head->nchannels))
    {
        ngx_free(bytes);
        return NULL;
    }

    return bytes;
}


/* What there is between the head and the checksum; 0: that can't be. */

static size_t
ngx_recs_snapshots_image_size(const ngx_recs_snapshots_image_head_t *head,
    ngx_fd_t fd)
{
    off_t            rest;
    ngx_file_info_t  fi;

    if (head->nchannels == 0 || head->nchannels > NGX_RECS_CHANNELS_MAX
        || ngx_fd_info(fd, &fi) == NGX_FILE_ERROR)
    {
        return 0;
    }

    rest = ngx_file_size(&fi)
           - (off_t) (sizeof(ngx_recs_image_head_t)
                      + sizeof(ngx_recs_snapshots_image_head_t)
                      + sizeof(XXH128_canonical_t));

    return rest > 0
           && rest <= (off_t) (NGX_RECS_CHANNELS_MAX
                               * (sizeof(ngx_recs_channel_image_t)
                                  + NGX_RECS_DEFAULT_MAX))
           ? (size_t) rest : 0;
}


/* NULL: the bytes are n channels and nothing else. */

static const char *
ngx_recs_snapshots_image_check(const u_char *p, const u_char *end,
    ngx_uint_t n)
{
    ngx_recs_channel_image_t  ci;

    for ( /* void */ ; n; n--) {

        if ((size_t) (end - p) < sizeof(ngx_recs_channel_image_t)) {
            return ngx_recs_image_torn;
        }

        ngx_memcpy(&ci, p, sizeof(ngx_recs_channel_image_t));
        p += sizeof(ngx_recs_channel_image_t);

        if (ci.len > NGX_RECS_DEFAULT_MAX || ci.len > (size_t) (end - p)) {
            return ngx_recs_image_torn;
        }

        p += ci.len;
    }

    return p == end ? NULL : ngx_recs_image_torn;
}


/* A channel that isn't configured any more is passed over. */

static void
ngx_recs_snapshots_image_publish(ngx_recs_snapshots_t *ss,
    const ngx_recs_snapshots_image_head_t *head, const u_char *p)
{
    ngx_str_t                  page;
    ngx_uint_t                 n;
    ngx_recs_channel_t        *channel;
    ngx_recs_channel_image_t   ci;

    ss->shared->past = head->past;

    for (n = 0; n < head->nchannels; n++) {
        ngx_memcpy(&ci, p, sizeof(ngx_recs_channel_image_t));
        p += sizeof(ngx_recs_channel_image_t);

        page.data = (u_char *) p;
        page.len = ci.len;
        p += ci.len;

        channel = ngx_recs_snapshots_image_channel(ss, &ci.name);

        if (channel == NULL || channel->shared->state) {
            continue;
        }

        ngx_recs_channel_publish(channel, &ci.state);

        if (page.len) {
            ngx_recs_channel_keep(channel, &ci.of, &page);
        }
    }

    ss->shared->changes++;
}


static ngx_recs_channel_t *
ngx_recs_snapshots_image_channel(ngx_recs_snapshots_t *ss,
    const ngx_recs_text_t *name)
{
    ngx_str_t   text;
    ngx_uint_t  i;

    text = ngx_recs_text_str(name);

    for (i = 0; i < ss->nchannels; i++) {
        if (ss->channels[i].name.len == text.len
            && ngx_memcmp(ss->channels[i].name.data, text.data, text.len) == 0)
        {
            return &ss->channels[i];
        }
    }

    return NULL;
}
