
/*
 * A draft: a pool's entries while they are read, from a file or from Redis,
 * until they are bytes that can be published.
 */


#ifndef NGX_RECS_POOL_DRAFT_H
#define NGX_RECS_POOL_DRAFT_H


#include "ngx_recs_pool.h"


/*
 * A hash is read in steps of about so many entries: one big answer would hold
 * up Redis, and the replies that come after it on the connection.  A file is
 * taken in so many entries in a turn of the event loop.
 */

#define NGX_RECS_POOL_STEP      200

#define NGX_RECS_POOL_CURSOR    32      /* bytes; it is a 64-bit number */


struct ngx_recs_pool_draft_s {
    ngx_recs_pool_t          *pool;
    ngx_pool_t               *memory;
    ngx_pool_t               *scratch;      /* to try an entry in */
    recs_mem_t                mem;
    recs_mem_t                scratch_mem;
    ngx_array_t               entries;      /* of use: recs_pool_entry_t */

    ngx_uint_t                nread;        /* entries */
    ngx_uint_t                refused;      /* of these: can't be used */
    const char               *error;        /* the first one's */
    ngx_uint_t                number;       /* the first one's, from 1 */

    const char               *failed;       /* why it comes to nothing; NULL:
                                               it does not */

    /* from a file */

    ngx_str_t                 rest;         /* lines that are to be read */
    ngx_recs_file_version_t   version;

    /* from Redis */

    size_t                    size;         /* bytes read */
    recs_str_t                id;           /* of the entry being read */
    u_char                    cursor[NGX_RECS_POOL_CURSOR];
    size_t                    cursor_len;
    ngx_uint_t                pieces;       /* that were asked for */
    ngx_uint_t                proving;      /* the last one only shows if the
                                               key is still there */
    ngx_uint_t                shown;        /* it has an entry */
    ngx_uint_t                gone;         /* it is not: the entries may be a
                                               part only */
    void                    (*handler)(ngx_recs_pool_t *pool, const char *why,
                                       const ngx_str_t *error);
};


/* NULL: out of memory. */

ngx_recs_pool_draft_t *ngx_recs_pool_draft_create(ngx_recs_pool_t *pool,
    ngx_log_t *log);
void ngx_recs_pool_draft_free(ngx_recs_pool_draft_t *draft);

/*
 * Takes in an entry, whose bytes stay as long as the draft; id: NULL if only
 * the object has it.  One that can't be used is counted.
 */

void ngx_recs_pool_draft_add(ngx_recs_pool_draft_t *draft,
    const recs_str_t *text, const recs_str_t *id);

/*
 * Makes bytes of what was read, in the draft's memory.  NGX_OK, or NGX_ERROR
 * and draft->failed says why.
 */

ngx_int_t ngx_recs_pool_draft_finish(ngx_recs_pool_draft_t *draft,
    ngx_recs_pool_entries_t *entries);

/*
 * Logs what is new in it, if anything is, beside what was published before;
 * before NULL: nothing was.
 */

void ngx_recs_pool_draft_log(ngx_recs_pool_draft_t *draft,
    const recs_pool_reader_t *before, ngx_log_t *log);


#endif /* NGX_RECS_POOL_DRAFT_H */
