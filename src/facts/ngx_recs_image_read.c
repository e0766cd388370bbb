
/* A replica's image, read into the tables of a new zone. */


#include "ngx_recs_follow.h"


/* Slots that are cleared under one lock. */

#define NGX_RECS_IMAGE_SLOTS   (64 * 1024)


static const char *ngx_recs_image_begin(ngx_recs_follow_t *f);
static const char *ngx_recs_image_head(ngx_recs_image_t *image);
static ngx_int_t ngx_recs_image_clear(ngx_recs_follow_t *f);
static ngx_int_t ngx_recs_image_piece(ngx_recs_follow_t *f, const char **why);
static ngx_int_t ngx_recs_image_tail(ngx_recs_follow_t *f, const char **why);
static ngx_int_t ngx_recs_image_publish(ngx_recs_follow_t *f,
    const ngx_recs_image_tail_t *tail);
static ngx_msec_t ngx_recs_image_confirmed(ngx_recs_image_t *image);
static void ngx_recs_image_refuse(ngx_recs_follow_t *f, const char *why);
static ngx_int_t ngx_recs_image_get(ngx_recs_image_t *image, void *data,
    size_t size);


static const char  ngx_recs_image_torn[] = "it is torn";


ngx_uint_t
ngx_recs_image_read(ngx_recs_follow_t *f)
{
    const char        *why;
    ngx_fd_t           fd;
    ngx_recs_image_t  *image;

    image = f->image;

    /* it may be no file, but a pipe */

    fd = open((char *) image->path, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno != NGX_ENOENT) {
            ngx_log_error(NGX_LOG_WARN, f->log, ngx_errno,
                          "recs_set \"%V\": the image \"%s\" can't be read",
                          &f->replica->set->name, image->path);
        }

        return 0;
    }

    if (ngx_recs_image_open(image, fd) != NGX_OK) {
        why = "there is no memory for it";

    } else {
        why = ngx_recs_image_begin(f);
    }

    if (why) {
        ngx_recs_image_refuse(f, why);
        return 0;
    }

    image->reading = 1;
    f->step = NGX_RECS_STEP_IMAGE;
    ngx_add_timer(&f->timer, 1);

    return 1;
}


/* Its head is read; the next table is begun, with its secret. */

static const char *
ngx_recs_image_begin(ngx_recs_follow_t *f)
{
    int                rc;
    const char        *why;
    ngx_recs_image_t  *image;

    image = f->image;

    why = ngx_recs_image_head(image);

    if (why) {
        return why;
    }

    if (!ngx_recs_follow_lock(f)) {
        return "another worker keeps the lock";
    }

    rc = recs_table_rekey(&f->writer, image->head.secret);

    if (rc == 0) {
        rc = recs_table_begin(&f->writer, RECS_TABLE_FRESH);
    }

    ngx_recs_follow_unlock(f);

    image->clearing = 1;
    f->which = RECS_TABLE_NEXT;
    f->add = 1;
    f->nbatch = 0;
    f->written = NGX_RECS_WRITE_OK;

    return rc == 0 ? NULL : "a leader died while loading";
}


static const char *
ngx_recs_image_head(ngx_recs_image_t *image)
{
    ngx_file_info_t         fi;
    ngx_recs_image_head_t  *head;

    head = &image->head;

    if (ngx_fd_info(image->fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        return "it is no file";
    }

    if (ngx_recs_image_get(image, head, sizeof(ngx_recs_image_head_t))
        != NGX_OK)
    {
        return ngx_recs_image_torn;
    }

    if (head->magic != NGX_RECS_IMAGE_MAGIC) {
        return "it is no image of this kind of machine";
    }

    if (head->format != NGX_RECS_IMAGE_FORMAT) {
        return "it has another format";
    }

    if (head->of != image->replica->hash) {
        return "it is of another set";
    }

    return NULL;
}


void
ngx_recs_image_step(ngx_recs_follow_t *f)
{
    ngx_int_t          rc;
    ngx_uint_t         i;
    const char        *why;
    ngx_recs_image_t  *image;

    image = f->image;
    why = ngx_recs_image_torn;
    rc = NGX_OK;

    for (i = 0; i < NGX_RECS_IMAGE_TURN && rc == NGX_OK; i++) {
        rc = image->clearing ? ngx_recs_image_clear(f)
                             : ngx_recs_image_piece(f, &why);
    }

    if (rc == NGX_OK) {
        ngx_add_timer(&f->timer, 1);
        return;
    }

    if (rc == NGX_DONE) {
        image->reading = 0;
        ngx_recs_image_close(image);
        ngx_recs_follow_resume(f);
        return;
    }

    if (rc == NGX_AGAIN) {          /* not now: all of it later */
        image->reading = 0;
        ngx_recs_image_close(image);
        f->step = NGX_RECS_STEP_TAKE;
        ngx_add_timer(&f->timer, NGX_RECS_FOLLOW_SOON);
        return;
    }

    ngx_recs_image_refuse(f, why);
    ngx_recs_load(f, 0);
}


static ngx_int_t
ngx_recs_image_clear(ngx_recs_follow_t *f)
{
    int  rc;

    if (!ngx_recs_follow_lock(f)) {
        return NGX_AGAIN;
    }

    rc = recs_table_step(&f->writer, NGX_RECS_IMAGE_SLOTS);

    ngx_recs_follow_unlock(f);

    if (rc == 0) {
        f->image->clearing = 0;
    }

    return rc < 0 ? NGX_AGAIN : NGX_OK;
}


/* NGX_OK; NGX_DONE: all is there; NGX_AGAIN: not now; NGX_ERROR and *why. */

static ngx_int_t
ngx_recs_image_piece(ngx_recs_follow_t *f, const char **why)
{
    uint64_t           i, n;
    ngx_recs_image_t  *image;

    image = f->image;

    if (ngx_recs_image_get(image, &n, sizeof(n)) != NGX_OK
        || n > NGX_RECS_IMAGE_PIECE)
    {
        return NGX_ERROR;
    }

    if (n == 0) {
        return ngx_recs_image_tail(f, why);
    }

    if (ngx_recs_image_get(image, image->prints, n * sizeof(uint64_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (image->scores && ngx_recs_image_get(image, image->scores,
                                            n * sizeof(double))
                         != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        ngx_recs_follow_write(f, image->prints[i],
                              image->scores ? image->scores[i] : 0);
    }

    ngx_recs_follow_flush(f);

    image->count += n;

    if (f->written == NGX_RECS_WRITE_FULL) {
        *why = "it holds more ids than \"capacity=\"";
        return NGX_ERROR;
    }

    return f->written == NGX_RECS_WRITE_OK ? NGX_OK : NGX_AGAIN;
}


static ngx_int_t
ngx_recs_image_tail(ngx_recs_follow_t *f, const char **why)
{
    u_char                  more;
    XXH128_canonical_t      sum;
    ngx_recs_image_t       *image;
    ngx_recs_image_tail_t   tail;

    image = f->image;

    if (ngx_recs_image_get(image, &tail, offsetof(ngx_recs_image_tail_t, sum))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(image->sum));

    if (ngx_recs_image_get(image, tail.sum, sizeof(tail.sum)) != NGX_OK
        || ngx_memcmp(tail.sum, sum.digest, sizeof(tail.sum)) != 0
        || tail.count != image->count
        || ngx_read_fd(image->fd, &more, 1) != 0)
    {
        return NGX_ERROR;
    }

    return ngx_recs_image_publish(f, &tail);
}


/*
 * The feed is followed on from there, once all that it may hold is known to be
 * in it.  Where that can't be proved it answers until the set is loaded.
 */

static ngx_int_t
ngx_recs_image_publish(ngx_recs_follow_t *f, const ngx_recs_image_tail_t *tail)
{
    recs_table_stat_t           stat;
    ngx_recs_image_t           *image;
    ngx_recs_replica_t         *replica;
    ngx_recs_position_t         position;
    ngx_recs_image_head_t      *head;
    ngx_recs_replica_shared_t  *shared;

    image = f->image;
    replica = f->replica;
    shared = replica->shared;
    head = &image->head;

    if (!ngx_recs_follow_lock(f)) {
        return NGX_AGAIN;
    }

    if (recs_table_publish(&f->writer) != 0) {
        ngx_recs_follow_unlock(f);
        return NGX_AGAIN;
    }

    recs_table_stat(replica->table, &stat);

    position.generation = stat.generation;
    position.id.ms = head->ms;
    position.id.n = head->n;
    position.seq = head->seq;
    position.numbered = head->numbered;
    position.reached.ms = tail->ms;
    position.reached.n = tail->n;

    ngx_recs_replica_set_position(replica, &position);

    shared->confirmed = ngx_recs_image_confirmed(image);

    ngx_memory_barrier();
    shared->loaded = head->loaded;

    if (replica->feed.len && (head->ms || head->n) && (tail->ms || tail->n)) {
        shared->state = NGX_RECS_REPLICA_FOLLOWING;
    }

    ngx_recs_follow_unlock(f);

    ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
                  "recs_set \"%V\": the replica holds %uL ids, of its image",
                  &replica->set->name, stat.ids);

    return NGX_DONE;
}


/*
 * As of ngx_current_msec.  After a clock was set back, nobody knows: it isn't
 * fresh at any rate.
 */

static ngx_msec_t
ngx_recs_image_confirmed(ngx_recs_image_t *image)
{
    uint64_t     now;
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    if (now < image->head.confirmed) {
        return ngx_current_msec - image->replica->max_lag - 1;
    }

    return ngx_current_msec - (now - image->head.confirmed);
}


/* The secret might be as torn as the rest: another one takes its place. */

static void
ngx_recs_image_refuse(ngx_recs_follow_t *f, const char *why)
{
    u_char             secret[RECS_TABLE_SECRET];
    ngx_recs_image_t  *image;

    image = f->image;

    ngx_log_error(NGX_LOG_WARN, f->log, 0,
                  "recs_set \"%V\": the image \"%s\" is refused: %s",
                  &f->replica->set->name, image->path, why);

    image->reading = 0;
    ngx_recs_image_close(image);

    if (ngx_recs_replica_secret(secret, f->log) != NGX_OK
        || !ngx_recs_follow_lock(f))
    {
        return;
    }

    (void) recs_table_rekey(&f->writer, secret);

    ngx_recs_follow_unlock(f);
}


static ngx_int_t
ngx_recs_image_get(ngx_recs_image_t *image, void *data, size_t size)
{
    if (ngx_read_fd(image->fd, data, size) != (ssize_t) size) {
        return NGX_ERROR;
    }

    (void) XXH3_128bits_update(image->sum, data, size);

    return NGX_OK;
}
