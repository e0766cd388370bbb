
/* The password, read again when its file has changed: see the header. */


#include "ngx_recs_redis_login.h"


/* of a password, bytes: tokens have some thousands */
#define NGX_RECS_REDIS_PASSWORD  (16 * 1024)


static void ngx_recs_redis_login_version(ngx_recs_redis_file_t *file,
    ngx_file_info_t *fi);
static ngx_uint_t ngx_recs_redis_login_same(const ngx_recs_redis_file_t *a,
    const ngx_recs_redis_file_t *b);
static ngx_int_t ngx_recs_redis_login_read(ngx_recs_redis_login_t *login,
    u_char *buf, ngx_log_t *log, const char **why);
static ngx_int_t ngx_recs_redis_login_take(ngx_recs_redis_login_t *login,
    u_char *p, size_t size, ngx_log_t *log, const char **why);


void
ngx_recs_redis_login_note(ngx_recs_redis_login_t *login)
{
    ngx_file_info_t  fi;

    if (ngx_file_info(login->path.data, &fi) != NGX_FILE_ERROR) {
        ngx_recs_redis_login_version(&login->file, &fi);
    }
}


static void
ngx_recs_redis_login_version(ngx_recs_redis_file_t *file, ngx_file_info_t *fi)
{
    file->uniq = ngx_file_uniq(fi);
    file->size = ngx_file_size(fi);
    file->mtime = ngx_file_mtime(fi);

#if (NGX_LINUX || NGX_FREEBSD)
    file->nsec = fi->st_mtim.tv_nsec;
#else
    file->nsec = 0;
#endif
}


static ngx_uint_t
ngx_recs_redis_login_same(const ngx_recs_redis_file_t *a,
    const ngx_recs_redis_file_t *b)
{
    return a->uniq == b->uniq && a->size == b->size && a->mtime == b->mtime
           && a->nsec == b->nsec;
}


ngx_int_t
ngx_recs_redis_login_renew(ngx_recs_redis_login_t *login, ngx_log_t *log,
    const char **why)
{
    ngx_int_t              rc;
    ngx_file_info_t        fi;
    ngx_recs_redis_file_t  file;
    u_char                 buf[NGX_RECS_REDIS_PASSWORD];

    if (login->path.len == 0) {
        return NGX_OK;
    }

    if (ngx_file_info(login->path.data, &fi) == NGX_FILE_ERROR) {

        /* that of a directory that only the master may enter */

        if (ngx_errno == NGX_EACCES && !login->seen) {
            return NGX_DECLINED;
        }

        *why = "is not there";
        return NGX_ERROR;
    }

    login->seen = 1;

    ngx_recs_redis_login_version(&file, &fi);

    if (ngx_recs_redis_login_same(&file, &login->file)) {
        return NGX_OK;
    }

    rc = ngx_recs_redis_login_read(login, buf, log, why);

    ngx_explicit_memzero(buf, NGX_RECS_REDIS_PASSWORD);

    return rc;
}


static ngx_int_t
ngx_recs_redis_login_read(ngx_recs_redis_login_t *login, u_char *buf,
    ngx_log_t *log, const char **why)
{
    ssize_t                n;
    ngx_fd_t               fd;
    ngx_int_t              rc;
    ngx_file_info_t        fi;
    ngx_recs_redis_file_t  file;

    *why = "has changed, and can't be read";

    fd = ngx_open_file(login->path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR) {
        ngx_recs_redis_login_version(&file, &fi);

        n = ngx_read_fd(fd, buf, NGX_RECS_REDIS_PASSWORD);

        if (n != -1) {
            rc = ngx_recs_redis_login_take(login, buf, (size_t) n, log, why);

            if (rc == NGX_OK) {
                login->file = file;
            }
        }
    }

    (void) ngx_close_file(fd);

    return rc;
}


/* The first line of those bytes is the password. */

static ngx_int_t
ngx_recs_redis_login_take(ngx_recs_redis_login_t *login, u_char *p, size_t size,
    ngx_log_t *log, const char **why)
{
    u_char  *end, *memory;
    size_t   len;

    ngx_set_errno(0);

    if (size >= 3 && ngx_memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
        size -= 3;
    }

    end = ngx_strlchr(p, p + size, LF);
    len = end ? (size_t) (end - p) : size;

    if (len && p[len - 1] == CR) {
        len--;
    }

    if (len == 0 || ngx_strlchr(p, p + len, '\0')
        || (end == NULL && len >= NGX_RECS_REDIS_PASSWORD - 3))
    {
        *why = "has changed, and its first line is no password";
        return NGX_ERROR;
    }

    memory = ngx_alloc(len, log);
    if (memory == NULL) {
        *why = "has changed, and there is no memory for it";
        return NGX_ERROR;
    }

    ngx_memcpy(memory, p, len);

    ngx_explicit_memzero(login->password.data, login->password.len);
    ngx_recs_redis_login_forget(login);

    login->memory = memory;
    login->password.data = memory;
    login->password.len = len;

    return NGX_OK;
}


void
ngx_recs_redis_login_forget(ngx_recs_redis_login_t *login)
{
    if (login->memory == NULL) {
        return;
    }

    ngx_explicit_memzero(login->memory, login->password.len);
    ngx_free(login->memory);

    login->memory = NULL;
    ngx_str_null(&login->password);
}
