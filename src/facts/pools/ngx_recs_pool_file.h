
/*
 * A pool's file, one JSON object a line: read as a whole with the
 * configuration, and a number of lines at a time by the leader.
 */


#ifndef NGX_RECS_POOL_FILE_H
#define NGX_RECS_POOL_FILE_H


#include "ngx_recs_pool_draft.h"


/*
 * Reads the file into pool->items, with the configuration.  Entries that can't
 * be used are passed over and counted.
 * NGX_OK, or NGX_ERROR and *error says why (and ngx_errno, unless it is 0).
 */

ngx_int_t ngx_recs_pool_file_load(ngx_recs_pool_t *pool, ngx_log_t *log,
    const char **error);

/*
 * A draft that holds the file's bytes, of which no line was read yet.  NULL,
 * and *error and ngx_errno as above.
 */

ngx_recs_pool_draft_t *ngx_recs_pool_file_open(ngx_recs_pool_t *pool,
    ngx_log_t *log, const char **error);

/* Reads the next n entries.  NGX_OK: there are no more; NGX_AGAIN. */

ngx_int_t ngx_recs_pool_file_lines(ngx_recs_pool_draft_t *draft, ngx_uint_t n);


#endif /* NGX_RECS_POOL_FILE_H */
