
/* An image, written: when, where, and how it takes its place. */


#include "ngx_recs_image.h"


/* A new leader writes its first one so soon, and looks so often, ms. */

#define NGX_RECS_IMAGE_SOON      1000

/* At the worker's end there is so long for it, ms. */

#define NGX_RECS_IMAGE_EXIT      200


static void ngx_recs_image_timer(ngx_event_t *ev);
static ngx_uint_t ngx_recs_image_due(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_begin(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_create(ngx_recs_image_t *image);
static void ngx_recs_image_sweep(ngx_recs_image_t *image);
static void ngx_recs_image_sweep_file(ngx_recs_image_t *image,
    ngx_str_t *file);
static ngx_int_t ngx_recs_image_turn(ngx_recs_image_t *image);
static void ngx_recs_image_flush(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_complete(ngx_recs_image_t *image);
static void ngx_recs_image_place(ngx_recs_image_t *image);
static void ngx_recs_image_again(ngx_recs_image_t *image);
static void ngx_recs_image_fail(ngx_recs_image_t *image, const char *what);


ngx_int_t
ngx_recs_image_init(ngx_recs_image_t *image, ngx_cycle_t *cycle)
{
    image->log = cycle->log;
    image->fd = NGX_INVALID_FILE;
    image->temporary = ngx_pnalloc(cycle->pool, image->path.len
                                                + sizeof("..tmp")
                                                + NGX_INT64_LEN);
    if (image->temporary == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(image->temporary, "%V.%P.tmp%Z", &image->path, ngx_pid);

    image->timer.handler = ngx_recs_image_timer;
    image->timer.data = image;
    image->timer.log = cycle->log;
    image->timer.cancelable = 1;

    return NGX_OK;
}


void
ngx_recs_image_start(ngx_recs_image_t *image)
{
    image->begun = 0;
    image->missed = 0;
    image->swept = 0;

    ngx_add_timer(&image->timer, NGX_RECS_IMAGE_SOON);
}


void
ngx_recs_image_stop(ngx_recs_image_t *image)
{
    if (image->timer.timer_set) {
        ngx_del_timer(&image->timer);
    }

    ngx_recs_image_close(image);
}


static void
ngx_recs_image_timer(ngx_event_t *ev)
{
    ngx_int_t          rc;
    ngx_recs_image_t  *image;

    image = ev->data;
    rc = NGX_OK;

    switch (image->state) {

    case NGX_RECS_IMAGE_IDLE:
        if (ngx_recs_image_due(image)) {
            rc = ngx_recs_image_begin(image);
        }

        break;

    case NGX_RECS_IMAGE_WRITING:
        rc = ngx_recs_image_turn(image);
        break;

    case NGX_RECS_IMAGE_WRITTEN:
        ngx_recs_image_place(image);
        break;

    default: /* NGX_RECS_IMAGE_READING */
        break;
    }

    ngx_add_timer(ev, rc == NGX_AGAIN ? 1 : NGX_RECS_IMAGE_SOON);
}


static ngx_uint_t
ngx_recs_image_due(ngx_recs_image_t *image)
{
    ngx_msec_t  since;

    if (!image->kind->ready(image->data)) {
        return 0;
    }

    if (image->begun == 0) {
        return 1;
    }

    since = ngx_current_msec - image->begun;

    return since >= NGX_RECS_IMAGE_CHANGED
           && (image->missed || image->kind->changed(image->data, since));
}


/* NGX_AGAIN: it was begun, there are turns to take. */

static ngx_int_t
ngx_recs_image_begin(ngx_recs_image_t *image)
{
    ngx_int_t              rc;
    ngx_recs_image_head_t  head;

    image->begun = ngx_max(ngx_current_msec, 1);
    image->missed = 0;

    if (ngx_recs_image_create(image) != NGX_OK) {
        return NGX_DONE;
    }

    head.magic = NGX_RECS_IMAGE_MAGIC;
    head.format = NGX_RECS_IMAGE_FORMAT;
    head.of = image->of;

    rc = ngx_recs_image_put(image, &head, sizeof(ngx_recs_image_head_t));

    if (rc == NGX_OK) {
        rc = image->kind->begin(image->data);
    }

    if (rc == NGX_OK) {
        return NGX_AGAIN;
    }

    if (rc == NGX_DECLINED) {
        ngx_recs_image_again(image);

    } else {
        ngx_recs_image_fail(image, "writing");
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_recs_image_create(ngx_recs_image_t *image)
{
    if (!image->swept) {
        image->swept = 1;
        ngx_recs_image_sweep(image);
    }

    (void) ngx_delete_file(image->temporary);

    image->fd = open((char *) image->temporary,
                     O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600);

    if (image->fd == NGX_INVALID_FILE) {
        ngx_recs_image_fail(image, "open()");
        return NGX_ERROR;
    }

    image->state = NGX_RECS_IMAGE_WRITING;

    if (ngx_recs_image_sum(image) != NGX_OK) {
        ngx_recs_image_fail(image, "malloc()");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* What leaders left that were killed. */

static void
ngx_recs_image_sweep(ngx_recs_image_t *image)
{
    u_char      *p;
    size_t       i;
    ngx_str_t    name;
    ngx_glob_t   gl;

    p = ngx_alloc(2 * image->path.len + sizeof(".*.tmp"), image->log);
    if (p == NULL) {
        return;
    }

    ngx_memzero(&gl, sizeof(ngx_glob_t));
    gl.pattern = p;
    gl.log = image->log;
    gl.test = 1;

    for (i = 0; i < image->path.len; i++) {

        if (ngx_strchr("*?[]\\", image->path.data[i])) {
            *p++ = '\\';
        }

        *p++ = image->path.data[i];
    }

    ngx_memcpy(p, ".*.tmp", sizeof(".*.tmp"));

    if (ngx_open_glob(&gl) == NGX_OK) {

        while (ngx_read_glob(&gl, &name) == NGX_OK) {
            ngx_recs_image_sweep_file(image, &name);
        }

        ngx_close_glob(&gl);
    }

    ngx_free(gl.pattern);
}


/* PATH.PID.tmp, if nobody writes it: another nginx's leader may. */

static void
ngx_recs_image_sweep_file(ngx_recs_image_t *image, ngx_str_t *file)
{
    u_char     *p;
    ngx_int_t   pid;

    p = file->data + image->path.len + 1;

    pid = ngx_atoi(p, file->data + file->len - (sizeof(".tmp") - 1) - p);

    if (pid > 0 && kill((pid_t) pid, 0) == -1 && ngx_errno == ESRCH) {
        (void) ngx_delete_file(file->data);
    }
}


/* NGX_AGAIN: there is more to do.  NGX_DONE: it is complete, or failed. */

static ngx_int_t
ngx_recs_image_turn(ngx_recs_image_t *image)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    rc = NGX_OK;

    for (i = 0; i < NGX_RECS_IMAGE_TURN && rc == NGX_OK; i++) {
        rc = image->kind->piece(image->data);
    }

    if (rc == NGX_DONE) {
        rc = ngx_recs_image_complete(image);
    }

    switch (rc) {

    case NGX_OK:
        ngx_recs_image_flush(image);
        return NGX_AGAIN;

    case NGX_DECLINED:
        ngx_recs_image_again(image);
        return NGX_DONE;

    case NGX_ERROR:
        ngx_recs_image_fail(image, "writing");
        return NGX_DONE;

    default: /* NGX_DONE */
        ngx_recs_image_flush(image);
        return NGX_DONE;
    }
}


/* The disk begins with it now, so that fsync() has little to wait for. */

static void
ngx_recs_image_flush(ngx_recs_image_t *image)
{
#if (NGX_LINUX)
    (void) sync_file_range(image->fd, image->flushed,
                           image->size - image->flushed,
                           SYNC_FILE_RANGE_WRITE);
#endif

    image->flushed = image->size;
}


/* NGX_DONE, NGX_ERROR */

static ngx_int_t
ngx_recs_image_complete(ngx_recs_image_t *image)
{
    XXH128_canonical_t  sum;

    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(image->sum));

    if (ngx_recs_image_put(image, sum.digest, sizeof(sum.digest)) != NGX_OK) {
        return NGX_ERROR;
    }

    image->state = NGX_RECS_IMAGE_WRITTEN;

    return NGX_DONE;
}


/* A leader that was stopped may be one no more: it writes nothing older. */

static void
ngx_recs_image_place(ngx_recs_image_t *image)
{
    if (fsync(image->fd) == -1) {
        ngx_recs_image_fail(image, "fsync()");
        return;
    }

    if (image->leader->lease->term != image->leader->term) {
        ngx_recs_image_close(image);
        return;
    }

    if (ngx_rename_file(image->temporary, image->path.data) == NGX_FILE_ERROR)
    {
        ngx_recs_image_fail(image, "rename()");
        return;
    }

    image->state = NGX_RECS_IMAGE_IDLE;
    ngx_recs_image_close(image);

    image->shared->written = ngx_time();

    if (image->shared->failed) {
        image->shared->failed = 0;
        ngx_log_error(NGX_LOG_NOTICE, image->log, 0,
                      "%s \"%V\": the image \"%V\" is written again",
                      image->kind->directive, image->name, &image->path);
    }
}


ngx_int_t
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

    image->size += size;

    return XXH3_128bits_update(image->sum, data, size) == XXH_OK ? NGX_OK
                                                                 : NGX_ERROR;
}


static void
ngx_recs_image_again(ngx_recs_image_t *image)
{
    image->begun = 0;
    ngx_recs_image_close(image);
}


/* It goes on without; the next one is tried when it is due. */

static void
ngx_recs_image_fail(ngx_recs_image_t *image, const char *what)
{
    ngx_err_t  err;

    err = ngx_errno;

    image->missed = 1;

    if (!image->shared->failed) {
        image->shared->failed = 1;
        ngx_log_error(NGX_LOG_ERR, image->log, err,
                      "%s \"%V\": %s of the image \"%s\" failed",
                      image->kind->directive, image->name, what,
                      image->temporary);
    }

    ngx_recs_image_close(image);
}


/* If another leads by now, or does before it is done, that one writes. */

void
ngx_recs_image_exit(ngx_recs_image_t *image)
{
    ngx_int_t           rc;
    ngx_msec_t          start;
    ngx_recs_leader_t  *leader;

    leader = image->leader;

    if (leader->term == 0 || leader->lease->term != leader->term
        || !image->kind->ready(image->data))
    {
        ngx_recs_image_stop(image);
        return;
    }

    /* should there be no time for another one */

    if (image->state == NGX_RECS_IMAGE_WRITTEN) {
        ngx_recs_image_place(image);
    }

    ngx_recs_image_stop(image);

    ngx_time_update();
    start = ngx_current_msec;

    rc = ngx_recs_image_begin(image);

    while (rc == NGX_AGAIN && ngx_current_msec - start < NGX_RECS_IMAGE_EXIT) {
        rc = ngx_recs_image_turn(image);
        ngx_time_update();
    }

    if (image->state == NGX_RECS_IMAGE_WRITTEN) {
        ngx_recs_image_place(image);
    }

    ngx_recs_image_stop(image);
}


ngx_int_t
ngx_recs_image_sum(ngx_recs_image_t *image)
{
    image->size = 0;
    image->flushed = 0;
    image->sum = XXH3_createState();

    return image->sum && XXH3_128bits_reset(image->sum) == XXH_OK ? NGX_OK
                                                                  : NGX_ERROR;
}


/* One that was begun to be written, and isn't in its place, goes. */

void
ngx_recs_image_close(ngx_recs_image_t *image)
{
    if (image->state == NGX_RECS_IMAGE_WRITING
        || image->state == NGX_RECS_IMAGE_WRITTEN)
    {
        (void) ngx_delete_file(image->temporary);
    }

    image->state = NGX_RECS_IMAGE_IDLE;

    if (image->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(image->fd);
        image->fd = NGX_INVALID_FILE;
    }

    if (image->sum) {
        (void) XXH3_freeState(image->sum);
        image->sum = NULL;
    }

    image->kind->end(image->data);
}
