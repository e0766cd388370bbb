
/* An image, read: whether it may be believed. */


#include "ngx_recs_image.h"


static const char *ngx_recs_image_head(ngx_recs_image_t *image);


const char  ngx_recs_image_torn[] = "it is torn";


ngx_int_t
ngx_recs_image_open(ngx_recs_image_t *image)
{
    const char  *why;

    /* it may be no file, but a pipe */

    image->fd = open((char *) image->path.data, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (image->fd == NGX_INVALID_FILE) {

        if (ngx_errno != NGX_ENOENT) {
            ngx_log_error(NGX_LOG_WARN, image->log, ngx_errno,
                          "%s \"%V\": the image \"%V\" can't be read",
                          image->kind->directive, image->name, &image->path);
        }

        return NGX_DECLINED;
    }

    image->state = NGX_RECS_IMAGE_READING;

    why = ngx_recs_image_head(image);

    if (why) {
        ngx_recs_image_refuse(image, why);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static const char *
ngx_recs_image_head(ngx_recs_image_t *image)
{
    ngx_file_info_t        fi;
    ngx_recs_image_head_t  head;

    if (ngx_recs_image_sum(image) != NGX_OK) {
        return "there is no memory for it";
    }

    if (ngx_fd_info(image->fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        return "it is no file";
    }

    if (ngx_recs_image_get(image, &head, sizeof(ngx_recs_image_head_t))
        != NGX_OK)
    {
        return ngx_recs_image_torn;
    }

    if (head.magic != NGX_RECS_IMAGE_MAGIC) {
        return "it is no image of this kind of machine";
    }

    if (head.format != NGX_RECS_IMAGE_FORMAT) {
        return "it has another format";
    }

    return head.of == image->of ? NULL : image->kind->foreign;
}


ngx_int_t
ngx_recs_image_get(ngx_recs_image_t *image, void *data, size_t size)
{
    if (ngx_read_fd(image->fd, data, size) != (ssize_t) size) {
        return NGX_ERROR;
    }

    image->size += size;

    return XXH3_128bits_update(image->sum, data, size) == XXH_OK ? NGX_OK
                                                                 : NGX_ERROR;
}


ngx_int_t
ngx_recs_image_whole(ngx_recs_image_t *image)
{
    u_char              there[sizeof(XXH128_canonical_t) + 1];
    XXH128_canonical_t  sum;

    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(image->sum));

    return ngx_read_fd(image->fd, there, sizeof(there)) == sizeof(sum.digest)
           && ngx_memcmp(there, sum.digest, sizeof(sum.digest)) == 0
           ? NGX_OK : NGX_ERROR;
}


void
ngx_recs_image_refuse(ngx_recs_image_t *image, const char *why)
{
    ngx_log_error(NGX_LOG_WARN, image->log, 0,
                  "%s \"%V\": the image \"%V\" is refused: %s",
                  image->kind->directive, image->name, &image->path, why);

    ngx_recs_image_close(image);
}


void
ngx_recs_image_taken(ngx_recs_image_t *image)
{
    image->shared->used = 1;
    image->shared->read = ngx_time();
}
