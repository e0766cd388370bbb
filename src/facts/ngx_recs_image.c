
/* A replica's image, written. */


#include "ngx_recs_follow.h"


/* Between two images: if something changed, if only time has passed, ms. */

#define NGX_RECS_IMAGE_CHANGED   30000
#define NGX_RECS_IMAGE_SAME      300000

/* A new leader writes its first one so soon, and looks so often, ms. */

#define NGX_RECS_IMAGE_SOON      1000

/* At the worker's end there is so long for it, ms. */

#define NGX_RECS_IMAGE_EXIT      200


static void ngx_recs_image_timer(ngx_event_t *ev);
static ngx_uint_t ngx_recs_image_due(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_begin(ngx_recs_image_t *image);
static void ngx_recs_image_sweep(ngx_recs_image_t *image);
static void ngx_recs_image_head(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_turn(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_piece(ngx_recs_image_t *image);
static void ngx_recs_image_tail(ngx_recs_image_t *image,
    ngx_recs_image_tail_t *tail);
static ngx_int_t ngx_recs_image_end(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_put(ngx_recs_image_t *image, const void *data,
    size_t size);
static ngx_uint_t ngx_recs_image_same(const ngx_recs_position_t *one,
    const ngx_recs_position_t *other);
static ngx_int_t ngx_recs_image_fail(ngx_recs_image_t *image, const char *what);


ngx_recs_image_t *
ngx_recs_image_init(ngx_recs_replica_t *replica, ngx_cycle_t *cycle)
{
    size_t             len;
    ngx_recs_image_t  *image;

    image = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_image_t));
    if (image == NULL) {
        return NULL;
    }

    len = replica->image.len + sizeof("..tmp") + NGX_INT64_LEN;

    image->temporary = ngx_pnalloc(cycle->pool, len);
    if (image->temporary == NULL) {
        return NULL;
    }

    image->replica = replica;
    image->log = cycle->log;
    image->path = replica->image.data;
    image->fd = NGX_INVALID_FILE;

    ngx_sprintf(image->temporary, "%V.%P.tmp%Z", &replica->image, ngx_pid);

    image->timer.handler = ngx_recs_image_timer;
    image->timer.data = image;
    image->timer.log = cycle->log;
    image->timer.cancelable = 1;

    return image;
}


void
ngx_recs_image_start(ngx_recs_image_t *image)
{
    image->reading = 0;
    image->written_at = 0;
    ngx_add_timer(&image->timer, NGX_RECS_IMAGE_SOON);
}


void
ngx_recs_image_stop(ngx_recs_image_t *image)
{
    if (image->timer.timer_set) {
        ngx_del_timer(&image->timer);
    }

    if (image->fd != NGX_INVALID_FILE && image->replica->shared->imaging
                                         == (ngx_atomic_uint_t) ngx_pid)
    {
        (void) ngx_delete_file(image->temporary);
        image->replica->shared->imaging = 0;
    }

    image->reading = 0;
    ngx_recs_image_close(image);
}


static void
ngx_recs_image_timer(ngx_event_t *ev)
{
    ngx_int_t          rc;
    ngx_recs_image_t  *image;

    image = ev->data;
    rc = NGX_DONE;

    if (image->reading) {
        /* nothing is known yet */

    } else if (image->fd == NGX_INVALID_FILE) {

        if (ngx_recs_image_due(image)) {
            rc = ngx_recs_image_begin(image);
        }

    } else {
        rc = ngx_recs_image_turn(image);
    }

    ngx_add_timer(ev, rc == NGX_AGAIN ? 1 : NGX_RECS_IMAGE_SOON);
}


static ngx_uint_t
ngx_recs_image_due(ngx_recs_image_t *image)
{
    ngx_msec_t           since;
    ngx_recs_position_t  position;

    if (image->replica->shared->state != NGX_RECS_REPLICA_FOLLOWING) {
        return 0;
    }

    if (image->written_at == 0) {
        return 1;
    }

    since = ngx_current_msec - image->written_at;

    if (since < NGX_RECS_IMAGE_CHANGED) {
        return 0;
    }

    return since >= NGX_RECS_IMAGE_SAME
           || !ngx_recs_replica_position(image->replica, &position)
           || !ngx_recs_image_same(&position, &image->written);
}


/* NGX_AGAIN: it was begun, there are turns to take. */

static ngx_int_t
ngx_recs_image_begin(ngx_recs_image_t *image)
{
    ngx_fd_t             fd;
    ngx_recs_replica_t  *replica;

    replica = image->replica;

    image->written_at = ngx_max(ngx_current_msec, 1);

    /* the position first: what is applied later is applied once more */

    if (!ngx_recs_replica_position(replica, &image->written)
        || !recs_table_read(&image->view, replica->table)
        || image->view.generation != image->written.generation)
    {
        image->written_at = 0;
        return NGX_DONE;
    }

    ngx_recs_image_sweep(image);

    fd = open((char *) image->temporary,
              O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600);
    if (fd == NGX_INVALID_FILE) {
        return ngx_recs_image_fail(image, "open()");
    }

    replica->shared->imaging = ngx_pid;

    if (ngx_recs_image_open(image, fd) != NGX_OK) {
        return ngx_recs_image_fail(image, "malloc()");
    }

    ngx_recs_image_head(image);

    if (ngx_recs_image_put(image, &image->head, sizeof(image->head))
        != NGX_OK)
    {
        return ngx_recs_image_fail(image, "write()");
    }

    return NGX_AGAIN;
}


/* What a leader that was killed left. */

static void
ngx_recs_image_sweep(ngx_recs_image_t *image)
{
    u_char              *name;
    ngx_pid_t            pid;
    ngx_recs_replica_t  *replica;

    replica = image->replica;
    pid = (ngx_pid_t) replica->shared->imaging;

    (void) ngx_delete_file(image->temporary);

    if (pid == 0 || kill(pid, 0) == 0 || ngx_errno != ESRCH) {
        return;
    }

    name = ngx_alloc(replica->image.len + sizeof("..tmp") + NGX_INT64_LEN,
                     image->log);
    if (name) {
        ngx_sprintf(name, "%V.%P.tmp%Z", &replica->image, pid);
        (void) ngx_delete_file(name);
        ngx_free(name);
    }

    replica->shared->imaging = 0;
}


static void
ngx_recs_image_head(ngx_recs_image_t *image)
{
    ngx_time_t             *tp;
    ngx_recs_replica_t     *replica;
    ngx_recs_image_head_t  *head;

    replica = image->replica;
    head = &image->head;
    tp = ngx_timeofday();

    ngx_memzero(head, sizeof(ngx_recs_image_head_t));

    head->magic = NGX_RECS_IMAGE_MAGIC;
    head->format = NGX_RECS_IMAGE_FORMAT;
    head->of = replica->hash;
    head->confirmed = (uint64_t) tp->sec * 1000 + tp->msec
                      - (ngx_current_msec - replica->shared->confirmed);
    head->loaded = replica->shared->loaded;
    head->ms = image->written.id.ms;
    head->n = image->written.id.n;
    head->seq = image->written.seq;
    head->numbered = image->written.numbered;
    ngx_memcpy(head->secret, recs_table_secret(replica->table),
               RECS_TABLE_SECRET);
}


/* NGX_AGAIN: there is more to do.  NGX_DONE: it is there, or failed. */

static ngx_int_t
ngx_recs_image_turn(ngx_recs_image_t *image)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    rc = NGX_OK;

    for (i = 0; i < NGX_RECS_IMAGE_TURN && rc == NGX_OK; i++) {
        rc = ngx_recs_image_piece(image);
    }

    if (rc == NGX_OK) {
        return NGX_AGAIN;
    }

    if (rc == NGX_DONE) {
        rc = ngx_recs_image_end(image);
    }

    if (rc == NGX_ERROR) {
        return ngx_recs_image_fail(image, "writing");
    }

    if (rc == NGX_DECLINED) {       /* the table was replaced: begin again */
        (void) ngx_delete_file(image->temporary);
        image->replica->shared->imaging = 0;
        image->written_at = 0;
    }

    ngx_recs_image_close(image);

    return NGX_DONE;
}


/* NGX_OK, NGX_DONE: that was all; NGX_ERROR; NGX_DECLINED: the view fell. */

static ngx_int_t
ngx_recs_image_piece(ngx_recs_image_t *image)
{
    uint64_t           n;
    recs_table_stat_t  stat;

    recs_table_stat(image->replica->table, &stat);

    if (image->slot >= stat.slots) {
        return NGX_DONE;
    }

    n = recs_table_dump(&image->view, image->slot, NGX_RECS_IMAGE_PIECE,
                        image->prints, image->scores);

    if (!recs_table_stood(&image->view)) {
        return NGX_DECLINED;
    }

    image->slot += NGX_RECS_IMAGE_PIECE;
    image->count += n;

    if (n == 0) {
        return NGX_OK;
    }

    if (ngx_recs_image_put(image, &n, sizeof(n)) != NGX_OK
        || ngx_recs_image_put(image, image->prints, n * sizeof(uint64_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return image->scores ? ngx_recs_image_put(image, image->scores,
                                              n * sizeof(double))
                         : NGX_OK;
}


/* What was applied while it was written, it may hold. */

static void
ngx_recs_image_tail(ngx_recs_image_t *image, ngx_recs_image_tail_t *tail)
{
    ngx_recs_position_t   now;
    ngx_recs_replica_t   *replica;

    replica = image->replica;

    ngx_memzero(tail, sizeof(ngx_recs_image_tail_t));

    tail->count = image->count;

    if (replica->shared->state == NGX_RECS_REPLICA_FOLLOWING
        && ngx_recs_replica_position(replica, &now)
        && now.generation == image->written.generation)
    {
        tail->ms = now.reached.ms;
        tail->n = now.reached.n;
    }
}


/* A leader that was stopped may be one no more.  As ngx_recs_image_piece(). */

static ngx_int_t
ngx_recs_image_end(ngx_recs_image_t *image)
{
    uint64_t                zero;
    ngx_recs_leader_t      *leader;
    XXH128_canonical_t      sum;
    ngx_recs_image_tail_t   tail;

    zero = 0;

    ngx_recs_image_tail(image, &tail);

    if (ngx_recs_image_put(image, &zero, sizeof(zero)) != NGX_OK
        || ngx_recs_image_put(image, &tail, offsetof(ngx_recs_image_tail_t,
                                                     sum))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    leader = image->replica->leader;

    if (leader->lease->term != leader->term) {
        return NGX_DECLINED;
    }

    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(image->sum));

    if (ngx_recs_image_put(image, sum.digest, sizeof(sum.digest)) != NGX_OK
        || ngx_rename_file(image->temporary, image->path) == NGX_FILE_ERROR)
    {
        return NGX_ERROR;
    }

    image->replica->shared->imaging = 0;

    if (image->failed) {
        image->failed = 0;
        ngx_log_error(NGX_LOG_NOTICE, image->log, 0,
                      "recs_set \"%V\": the image \"%s\" is written again",
                      &image->replica->set->name, image->path);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_recs_image_put(ngx_recs_image_t *image, const void *data, size_t size)
{
    ssize_t  n;

    n = ngx_write_fd(image->fd, (void *) data, size);

    if (n != (ssize_t) size) {

        if (n >= 0) {
            ngx_set_errno(ENOSPC);
        }

        return NGX_ERROR;
    }

    (void) XXH3_128bits_update(image->sum, data, size);

    return NGX_OK;
}


static ngx_uint_t
ngx_recs_image_same(const ngx_recs_position_t *one,
    const ngx_recs_position_t *other)
{
    return one->generation == other->generation
           && one->id.ms == other->id.ms
           && one->id.n == other->id.n;
}


/* It goes on without; the next one is tried when it is due. */

static ngx_int_t
ngx_recs_image_fail(ngx_recs_image_t *image, const char *what)
{
    ngx_err_t  err;

    err = ngx_errno;

    if (!image->failed) {
        image->failed = 1;
        ngx_log_error(NGX_LOG_ERR, image->log, err,
                      "recs_set \"%V\": %s of the image \"%s\" failed",
                      &image->replica->set->name, what, image->temporary);
    }

    if (image->replica->shared->imaging == (ngx_atomic_uint_t) ngx_pid) {
        (void) ngx_delete_file(image->temporary);
        image->replica->shared->imaging = 0;
    }

    ngx_memzero(&image->written, sizeof(ngx_recs_position_t));
    ngx_recs_image_close(image);

    return NGX_DONE;
}


/*
 * Also if the lease was released while connections were still served, and
 * nobody has led since.
 */

void
ngx_recs_image_exit(ngx_recs_image_t *image)
{
    ngx_int_t             rc;
    ngx_msec_t            start;
    ngx_recs_leader_t    *leader;

    leader = image->replica->leader;

    if (leader->term == 0 || leader->lease->term != leader->term
        || image->replica->shared->state != NGX_RECS_REPLICA_FOLLOWING)
    {
        ngx_recs_image_stop(image);
        return;
    }

    ngx_recs_image_stop(image);

    ngx_time_update();
    start = ngx_current_msec;

    rc = ngx_recs_image_begin(image);

    while (rc == NGX_AGAIN && ngx_current_msec - start < NGX_RECS_IMAGE_EXIT) {
        rc = ngx_recs_image_turn(image);
        ngx_time_update();
    }

    ngx_recs_image_stop(image);
}


ngx_int_t
ngx_recs_image_open(ngx_recs_image_t *image, ngx_fd_t fd)
{
    size_t  size;

    size = NGX_RECS_IMAGE_PIECE * sizeof(uint64_t);

    image->fd = fd;
    image->slot = 0;
    image->count = 0;

    image->sum = XXH3_createState();
    image->prints = ngx_alloc(size, image->log);

    if (image->sum == NULL || image->prints == NULL) {
        return NGX_ERROR;
    }

    if (image->replica->set->scores) {
        image->scores = ngx_alloc(size, image->log);
        if (image->scores == NULL) {
            return NGX_ERROR;
        }
    }

    return XXH3_128bits_reset(image->sum) == XXH_OK ? NGX_OK : NGX_ERROR;
}


void
ngx_recs_image_close(ngx_recs_image_t *image)
{
    if (image->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(image->fd);
        image->fd = NGX_INVALID_FILE;
    }

    if (image->sum) {
        (void) XXH3_freeState(image->sum);
        image->sum = NULL;
    }

    if (image->prints) {
        ngx_free(image->prints);
        image->prints = NULL;
    }

    if (image->scores) {
        ngx_free(image->scores);
        image->scores = NULL;
    }
}
