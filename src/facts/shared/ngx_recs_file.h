
/*
 * Files that configurations name: those of sets and pools, which are lines.
 * They are read whole, and looked at again to see whether they changed.
 */


#ifndef NGX_RECS_FILE_H
#define NGX_RECS_FILE_H


#include <ngx_config.h>
#include <ngx_core.h>


/* What tells one version of a file from the next. */

typedef struct {
    ngx_file_uniq_t    uniq;
    off_t              size;
    time_t             mtime;
} ngx_recs_file_version_t;


/*
 * Reads a regular file whole, into memory from pool.  *version may be NULL.
 * Blocks: for configuration time, and for small files.
 * NGX_OK, or NGX_ERROR and *error says why (a literal; ngx_errno is set).
 */

ngx_int_t ngx_recs_file_read(const ngx_str_t *path, ngx_pool_t *pool,
    ngx_str_t *content, ngx_recs_file_version_t *version, const char **error);

/*
 * The same for a file of lines, which is UTF-8: one that is UTF-16, or that
 * holds NUL, is an error.
 */

ngx_int_t ngx_recs_file_read_lines(const ngx_str_t *path, ngx_pool_t *pool,
    ngx_str_t *content, ngx_recs_file_version_t *version, const char **error);

/* True if the file at path is there and is not that version. */

ngx_uint_t ngx_recs_file_changed(const ngx_str_t *path,
    const ngx_recs_file_version_t *version);

ngx_uint_t ngx_recs_file_same(const ngx_recs_file_version_t *a,
    const ngx_recs_file_version_t *b);

/*
 * The next line of *rest, without its LF or CR LF, and without a byte order
 * mark before it (files that were put together have several); *rest goes past
 * it.  False: there is none.
 */

ngx_uint_t ngx_recs_file_line(ngx_str_t *rest, ngx_str_t *line);


#endif /* NGX_RECS_FILE_H */
