
/*
 * A pool: items that may be put into pages.  Each worker holds its own copy,
 * read from a file or a Redis hash and refreshed.
 */


#ifndef NGX_RECS_POOL_H
#define NGX_RECS_POOL_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_file.h"
#include "ngx_recs_redis.h"
#include "recs_object.h"


typedef struct ngx_recs_pool_draft_s  ngx_recs_pool_draft_t;


/* Counters of all workers, in shared memory. */

typedef struct {
    ngx_atomic_t              refreshes;    /* contents that were adopted */
    ngx_atomic_t              failures;     /* tries that came to nothing */
    ngx_atomic_t              shown;        /* items put into pages */
} ngx_recs_pool_counters_t;


/* A pool's contents at one time; never changed once built. */

typedef struct {
    ngx_pool_t               *memory;
    ngx_uint_t                refs;
    recs_object_t            *objects;
    recs_str_t               *ids;          /* objects[i].id */
    uint8_t                  *forms;        /* objects[i].forms */
    uint32_t                  n;
    ngx_uint_t                refused;      /* entries that can't be used */
    time_t                    loaded;       /* unix seconds */
} ngx_recs_pool_items_t;


typedef struct {
    ngx_str_t                 name;
    recs_pointer_t            id;           /* within an object of a file */
    ngx_msec_t                refresh;
    uint64_t                  seed;         /* for hashing ids */

    ngx_str_t                 file;         /* its path; empty: from Redis */
    ngx_recs_file_version_t   version;

    ngx_recs_redis_t         *redis;
    ngx_str_t                 key;          /* a hash, id -> object */

    ngx_recs_pool_items_t    *items;        /* the contents now; NULL: none
                                               could be read yet */
    ngx_recs_pool_counters_t  *counters;

    /* this worker's */

    ngx_event_t               timer;
    ngx_recs_redis_query_t    query;
    ngx_recs_pool_draft_t    *draft;        /* being read */
    ngx_uint_t                failed;       /* the last try failed, and was
                                               logged */
} ngx_recs_pool_t;


/*
 * Reads the file (one JSON object a line) into pool->items.  Entries that
 * can't be used are passed over and counted.  NGX_OK, or NGX_ERROR and *error
 * says why; the contents stay as they are then.
 */

ngx_int_t ngx_recs_pool_load(ngx_recs_pool_t *pool, ngx_log_t *log,
    const char **error);

/* Starts to keep it fresh, in init_process. */

void ngx_recs_pool_init_worker(ngx_recs_pool_t *pool, ngx_cycle_t *cycle);

/*
 * The contents now, or NULL; they stay until they are released, whatever comes
 * after them.
 */

ngx_recs_pool_items_t *ngx_recs_pool_hold(ngx_recs_pool_t *pool);
void ngx_recs_pool_release(ngx_recs_pool_items_t *items);

/*
 * Frees what is being read.  At the end only, when no reply can come any more.
 */

void ngx_recs_pool_discard(ngx_recs_pool_t *pool);


#endif /* NGX_RECS_POOL_H */
