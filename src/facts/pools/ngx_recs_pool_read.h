
/*
 * The leader's part of a pool: reads the file or the Redis hash.  Here, too,
 * what it shares with the worker's part.
 */


#ifndef NGX_RECS_POOL_READ_H
#define NGX_RECS_POOL_READ_H


#include "ngx_recs_pool.h"


/* In init_process: from when it leads on, this worker reads each refresh. */

void ngx_recs_pool_read_init(ngx_recs_pool_t *pool, ngx_cycle_t *cycle);

/* Frees what is being read. */

void ngx_recs_pool_read_free(ngx_recs_pool_t *pool);

/*
 * Makes the entries the pool's items at once: with the configuration, where
 * nobody waits.  NGX_OK or NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_pool_build(ngx_recs_pool_t *pool,
    const ngx_recs_pool_entries_t *entries, ngx_log_t *log);

/*
 * Reads an entry's object, whose id may be known (recs_object_read()), with
 * its weight and category as far as the pool has such.  NULL, or a sentence
 * that says why it can't be put into a page.
 */

const char *ngx_recs_pool_read_entry(ngx_recs_pool_t *pool,
    const recs_mem_t *mem, const recs_str_t *text, recs_object_t *object,
    double *weight, recs_str_t *category);

/*
 * What was published last: how many entries are left to read of it, all, and
 * how many were refused.  False: nothing was.
 */

ngx_uint_t ngx_recs_pool_before(ngx_recs_pool_t *pool, recs_entries_t *before);

/* The copy of a generation, in shared memory. */

ngx_recs_pool_copy_t *ngx_recs_pool_copy(ngx_recs_pool_t *pool,
    ngx_atomic_uint_t generation);


#endif /* NGX_RECS_POOL_READ_H */
