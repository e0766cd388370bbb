
/* A pool's file, read into a draft. */


#include "ngx_recs_pool_file.h"

#include "ngx_recs_mem.h"


static void ngx_recs_pool_file_log_few(ngx_recs_pool_t *pool, ngx_uint_t n,
    ngx_log_t *log);


ngx_int_t
ngx_recs_pool_file_load(ngx_recs_pool_t *pool, ngx_log_t *log,
    const char **error)
{
    ngx_int_t                 rc;
    ngx_recs_pool_draft_t    *draft;
    ngx_recs_pool_entries_t   entries;

    draft = ngx_recs_pool_file_open(pool, log, error);
    if (draft == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_recs_pool_file_lines(draft, NGX_MAX_UINT32_VALUE);

    rc = ngx_recs_pool_draft_finish(draft, &entries);

    if (rc == NGX_OK) {
        rc = ngx_recs_pool_build(pool, &entries, log);
    }

    if (rc == NGX_OK) {
        ngx_recs_pool_draft_log(draft, NULL, log);
        ngx_recs_pool_file_log_few(pool, draft->entries.nelts, log);

    } else {
        *error = draft->failed ? draft->failed : "does not fit into memory";
    }

    ngx_recs_pool_draft_free(draft);
    ngx_set_errno(0);

    return rc;
}


ngx_recs_pool_draft_t *
ngx_recs_pool_file_open(ngx_recs_pool_t *pool, ngx_log_t *log,
    const char **error)
{
    ngx_err_t               err;
    ngx_recs_pool_draft_t  *draft;

    draft = ngx_recs_pool_draft_create(pool, log);

    if (draft == NULL) {
        *error = "does not fit into memory";
        ngx_set_errno(0);
        return NULL;
    }

    if (ngx_recs_file_read_lines(&pool->file, draft->memory, &draft->rest,
                                 &draft->version, error)
        != NGX_OK)
    {
        err = ngx_errno;
        ngx_recs_pool_draft_free(draft);
        ngx_set_errno(err);
        return NULL;
    }

    return draft;
}


ngx_int_t
ngx_recs_pool_file_lines(ngx_recs_pool_draft_t *draft, ngx_uint_t n)
{
    ngx_str_t    line;
    recs_str_t   text;

    while (n) {

        if (!ngx_recs_file_line(&draft->rest, &line)) {
            return NGX_OK;
        }

        if (line.len) {
            text = ngx_recs_span(&line);
            ngx_recs_pool_draft_add(draft, &text, NULL);
            n--;
        }
    }

    return NGX_AGAIN;
}


/* That there are none was logged. */

static void
ngx_recs_pool_file_log_few(ngx_recs_pool_t *pool, ngx_uint_t n,
    ngx_log_t *log)
{
    if (n && n < pool->guard.min_members) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "recs_pool \"%V\" has %ui items, fewer than "
                      "\"min_members=%uL\": they are not used",
                      &pool->name, n, pool->guard.min_members);
    }
}
