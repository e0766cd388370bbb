
/*
 * A pool: items that may be put into pages, read from a file or a Redis hash.
 * One worker, the leader, reads, and publishes the entries to all workers
 * through shared memory; each of them makes its own items of them.
 */


#ifndef NGX_RECS_POOL_H
#define NGX_RECS_POOL_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_file.h"
#include "ngx_recs_image.h"
#include "ngx_recs_latest.h"
#include "ngx_recs_leader.h"
#include "ngx_recs_redis.h"
#include "recs_choices.h"
#include "recs_guard.h"
#include "recs_object.h"
#include "recs_pool_entries.h"


/* What is larger than this, in bytes, is no pool. */

#define NGX_RECS_POOL_SIZE_MAX  (64 * 1024 * 1024)


typedef struct ngx_recs_pool_build_s  ngx_recs_pool_build_t;
typedef struct ngx_recs_pool_draft_s  ngx_recs_pool_draft_t;
typedef struct ngx_recs_pool_image_s  ngx_recs_pool_image_t;


/* Counters of all workers, in shared memory. */

typedef struct {
    ngx_atomic_t              refreshes;    /* contents that were read */
    ngx_atomic_t              failures;     /* tries that came to nothing */
    ngx_atomic_t              shown;        /* items put into pages */
    ngx_atomic_t              capped;       /* refused: shown too often */
    ngx_atomic_t              cap_full;     /* refused: they could not be
                                               counted */
    ngx_atomic_t              uncounted;    /* shown, and could not be counted
                                               any more */
} ngx_recs_pool_counters_t;


/* Entries as bytes (recs_pool_entries.h), and what they were read from. */

typedef struct {
    ngx_str_t                 bytes;
    ngx_recs_file_version_t   version;      /* of the file; zeroes: none */
} ngx_recs_pool_entries_t;


/*
 * A pool in shared memory; see ngx_recs_latest.h.  The copies follow it, each
 * with room for pool->size bytes.
 */

#define NGX_RECS_POOL_COPIES    2

typedef struct {
    ngx_recs_file_version_t   version;
    size_t                    len;          /* bytes, which follow */
} ngx_recs_pool_copy_t;

typedef struct {
    ngx_atomic_t              generation;
    ngx_atomic_t              loaded;       /* unix seconds: when the source was
                                               last read, 0: it wasn't yet */
    ngx_atomic_t              failed;       /* the last try to read it failed,
                                               and was logged */
    recs_guard_held_t         held;
    ngx_recs_image_shared_t   image;
} ngx_recs_pool_shared_t;


/* A pool's contents at one time; never changed once built. */

typedef struct {
    ngx_pool_t               *memory;
    ngx_uint_t                refs;
    ngx_recs_pool_entries_t   entries;      /* what it was built from */
    recs_object_t            *objects;      /* choices.n of them */
    recs_choices_t            choices;
    ngx_uint_t                refused;      /* entries that can't be used */
} ngx_recs_pool_items_t;


typedef struct {
    ngx_str_t                 name;
    recs_pointer_t            id;           /* within an object of a file */
    recs_pointer_t           *weight;       /* within an object; NULL: none */
    recs_pointer_t           *category;     /* within an object, and within a
                                               page's items; NULL: none */
    ngx_msec_t                refresh;
    recs_guard_t              guard;
    size_t                    size;         /* bytes of entries at most */
    uint64_t                  seed;         /* for hashing ids */

    ngx_str_t                 file;         /* its path; empty: from Redis */
    ngx_recs_redis_t         *redis;
    ngx_str_t                 key;          /* a hash, id -> object */
    ngx_str_t                 image_path;   /* empty: there is no image */

    ngx_recs_pool_shared_t   *shared;       /* NULL: no zone yet */
    ngx_recs_pool_counters_t  *counters;

    /* this worker's; of a file the first items come with the configuration */

    ngx_recs_pool_items_t    *items;        /* the contents now; NULL: none */
    ngx_atomic_uint_t         generation;   /* that was taken over, or is no
                                               newer than the items */
    ngx_recs_pool_build_t    *build;        /* what will be the next items */
    ngx_event_t               watch;

    /* the leader's */

    ngx_recs_leader_t        *leader;
    ngx_recs_leader_user_t    user;
    ngx_event_t               timer;
    ngx_recs_pool_image_t    *image;        /* NULL: there is none */
    ngx_recs_redis_query_t    query;
    ngx_recs_pool_draft_t    *draft;        /* being read */
    u_char                    why[64];      /* it came to nothing, if that is no
                                               literal */
} ngx_recs_pool_t;


/*
 * In the zone's init.  Where memory is missing the zone keeps count of it, and
 * ngx_recs_zone_check() ends the start.
 */

void ngx_recs_pool_init_zone(ngx_recs_pool_t *pool, ngx_recs_zone_t *zone);

/*
 * In init_process: what is in shared memory becomes this worker's, and goes on
 * doing so.
 */

void ngx_recs_pool_init_worker(ngx_recs_pool_t *pool, ngx_cycle_t *cycle);

/*
 * The contents now, or NULL; they stay until they are released, whatever comes
 * after them.
 */

ngx_recs_pool_items_t *ngx_recs_pool_hold(ngx_recs_pool_t *pool);
void ngx_recs_pool_release(ngx_recs_pool_items_t *items);

/* Lets go of all items, and of those that are being built. */

void ngx_recs_pool_free(ngx_recs_pool_t *pool);

/*
 * The entries that all workers have now, or soon will: a consistent copy in
 * memory, without a lock; *generation (which is never 0) is theirs.  memory
 * NULL: the version and the length only.
 * NGX_OK; NGX_DECLINED: none were published; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_pool_entries(ngx_recs_pool_t *pool, ngx_pool_t *memory,
    ngx_recs_pool_entries_t *entries, ngx_atomic_uint_t *generation);

/*
 * The leader: these are the entries now, read at that time (unix seconds).  The
 * generation rises only if they are others than before.
 * NGX_OK; NGX_ERROR: they are more than pool->size; NGX_DECLINED, NGX_BUSY: as
 * ngx_recs_leader_lock() says.
 */

ngx_int_t ngx_recs_pool_publish(ngx_recs_pool_t *pool,
    const ngx_recs_pool_entries_t *entries, time_t loaded);

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

ngx_uint_t ngx_recs_pool_before(ngx_recs_pool_t *pool,
    recs_pool_reader_t *before);

/* The copy of a generation, in shared memory. */

ngx_recs_pool_copy_t *ngx_recs_pool_copy(ngx_recs_pool_t *pool,
    ngx_atomic_uint_t generation);


extern const ngx_recs_counter_t  ngx_recs_pool_counters[];


#endif /* NGX_RECS_POOL_H */
