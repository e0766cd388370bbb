
/* Files, read whole, and their lines. */



#include "ngx_recs_file.h"
#include "recs_text.h"


static void ngx_recs_file_set(ngx_recs_file_version_t *version,
    ngx_file_info_t *fi);


ngx_int_t
ngx_recs_file_read(const ngx_str_t *path, ngx_pool_t *pool, ngx_str_t *content,
    ngx_recs_file_version_t *version, const char **error)
{
    size_t           done;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    *error = "cannot be opened";

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    *error = "cannot be read";

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        goto failed;
    }

    if (!ngx_is_file(&fi)) {
        *error = "is not a regular file";
        ngx_set_errno(0);
        goto failed;
    }

    content->len = (size_t) ngx_file_size(&fi);
    content->data = ngx_pnalloc(pool, content->len + 1);

    if (content->data == NULL) {
        *error = "does not fit into memory";
        goto failed;
    }

    done = 0;

    while (done < content->len) {
        n = ngx_read_fd(fd, content->data + done, content->len - done);

        if (n == -1) {
            goto failed;
        }

        if (n == 0) {
            break;
        }

        done += n;
    }

    content->len = done;

    if (version) {
        ngx_recs_file_set(version, &fi);
    }

    (void) ngx_close_file(fd);

    *error = NULL;

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}


ngx_int_t
ngx_recs_file_read_lines(const ngx_str_t *path, ngx_pool_t *pool,
    ngx_str_t *content, ngx_recs_file_version_t *version, const char **error)
{
    u_char  *p;

    if (ngx_recs_file_read(path, pool, content, version, error) != NGX_OK) {
        return NGX_ERROR;
    }

    p = content->data;
    ngx_set_errno(0);

    if (content->len >= 2
        && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff)))
    {
        *error = "is UTF-16, it must be UTF-8";
        return NGX_ERROR;
    }

    if (content->len && memchr(p, '\0', content->len)) {
        *error = "holds NUL, it must be text in UTF-8";
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_recs_file_changed(const ngx_str_t *path,
    const ngx_recs_file_version_t *version)
{
    ngx_file_info_t          fi;
    ngx_recs_file_version_t  now;

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR) {
        return 0;
    }

    ngx_recs_file_set(&now, &fi);

    return !ngx_recs_file_same(&now, version);
}


static void
ngx_recs_file_set(ngx_recs_file_version_t *version, ngx_file_info_t *fi)
{
    version->uniq = ngx_file_uniq(fi);
    version->size = ngx_file_size(fi);
    version->mtime = ngx_file_mtime(fi);
}


ngx_uint_t
ngx_recs_file_same(const ngx_recs_file_version_t *a,
    const ngx_recs_file_version_t *b)
{
    return a->uniq == b->uniq && a->size == b->size && a->mtime == b->mtime;
}


ngx_uint_t
ngx_recs_file_line(ngx_str_t *rest, ngx_str_t *line)
{
    size_t   bom;
    u_char  *p;

    if (rest->len == 0) {
        return 0;
    }

    p = ngx_strlchr(rest->data, rest->data + rest->len, LF);

    line->data = rest->data;

    if (p) {
        line->len = p - rest->data;
        rest->len -= line->len + 1;
        rest->data = p + 1;

    } else {
        line->len = rest->len;
        rest->data += rest->len;
        rest->len = 0;
    }

    if (line->len && line->data[line->len - 1] == CR) {
        line->len--;
    }

    bom = recs_text_bom(line->data, line->len);

    line->data += bom;
    line->len -= bom;

    return 1;
}
