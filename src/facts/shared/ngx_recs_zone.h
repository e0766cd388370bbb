
/*
 * The module's shared memory: counters of all workers, and blocks of what
 * else they share.  It survives a reload if its size stays; entries and blocks
 * are found by kind and name, so that a changed configuration goes on where
 * the one before left off.
 */


#ifndef NGX_RECS_ZONE_H
#define NGX_RECS_ZONE_H


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_RECS_ZONE_NAME_MAX   64
#define NGX_RECS_ZONE_COUNTERS   16
#define NGX_RECS_ZONE_ENTRIES    1024
#define NGX_RECS_ZONE_BLOCKS     256
#define NGX_RECS_ZONE_BLOCK_NAME 288


typedef enum {
    NGX_RECS_ZONE_COUNTED = 0,      /* all counters, and what finds them */
    NGX_RECS_ZONE_RESPONSES,        /* of all locations */
    NGX_RECS_ZONE_SET,
    NGX_RECS_ZONE_POOL,
    NGX_RECS_ZONE_REDIS,
    NGX_RECS_ZONE_SNAPSHOTS,
    NGX_RECS_ZONE_LEADER,
    NGX_RECS_ZONE_REPLICA,
    NGX_RECS_ZONE_RECORDER,
    NGX_RECS_ZONE_CAP,
    NGX_RECS_ZONE_WATCH,
    NGX_RECS_ZONE_TRUST,
    NGX_RECS_ZONE_SERVERS,          /* of a Redis that is a cluster */
    NGX_RECS_ZONE_BREAKER,
    NGX_RECS_ZONE_KINDS
} ngx_recs_zone_kind_e;


typedef struct {
    ngx_uint_t              kind;           /* ngx_recs_zone_kind_e */
    ngx_uint_t              len;
    u_char                  name[NGX_RECS_ZONE_NAME_MAX];
    ngx_atomic_t            counters[NGX_RECS_ZONE_COUNTERS];
} ngx_recs_zone_entry_t;


typedef struct {
    ngx_uint_t              kind;           /* ngx_recs_zone_kind_e */
    ngx_uint_t              len;
    u_char                  name[NGX_RECS_ZONE_BLOCK_NAME];
    size_t                  size;
    void                   *data;
} ngx_recs_zone_block_t;


typedef struct {
    ngx_slab_pool_t        *shpool;
    ngx_uint_t              full;           /* an entry or a block was asked for
                                               in vain: no name is free */
    size_t                  missing;        /* bytes of blocks asked for in
                                               vain */
    ngx_uint_t              nentries;
    ngx_recs_zone_entry_t   entries[NGX_RECS_ZONE_ENTRIES];
    ngx_uint_t              nblocks;
    ngx_recs_zone_block_t   blocks[NGX_RECS_ZONE_BLOCKS];
} ngx_recs_zone_t;


/* For the status, bytes; what nginx's allocator takes is in neither. */

typedef struct {
    size_t                  size;
    size_t                  free;           /* whole pages */
    size_t                  used[NGX_RECS_ZONE_KINDS];
} ngx_recs_zone_stat_t;


/*
 * The zone in shm_zone, whose shm is mapped: carved if it is new, else as the
 * cycle before left it.  NULL: it is too small.  This and what follows is
 * called in the master, from the zone's init; workers of the cycle before read
 * and write meanwhile, what is theirs is not touched.
 */

ngx_recs_zone_t *ngx_recs_zone_attach(ngx_shm_zone_t *shm_zone, void *old);

/*
 * NGX_RECS_ZONE_COUNTERS counters, all zero if kind and name are new.
 * NULL: no entry is free, and zone->full says so.
 */

ngx_atomic_t *ngx_recs_zone_counters(ngx_recs_zone_t *zone,
    ngx_recs_zone_kind_e kind, const ngx_str_t *name);

/*
 * The block of that kind, name and size: all zero if it is new, else as it is.
 * A name is at most NGX_RECS_ZONE_BLOCK_NAME bytes.  Blocks are never freed.
 * NULL: there is no room for it, and zone->missing or zone->full says so.
 */

void *ngx_recs_zone_block(ngx_recs_zone_t *zone, ngx_recs_zone_kind_e kind,
    const ngx_str_t *name, size_t size);

/*
 * The same, but only its first head bytes are zero if it is new.  What follows
 * may hold anything, and takes no memory before it is written to.
 */

void *ngx_recs_zone_large_block(ngx_recs_zone_t *zone,
    ngx_recs_zone_kind_e kind, const ngx_str_t *name, size_t size, size_t head);

/*
 * Was all that was asked for there?  NGX_OK; or NGX_ERROR, and an [emerg] says
 * what is needed.
 */

ngx_int_t ngx_recs_zone_check(ngx_recs_zone_t *zone, ngx_shm_zone_t *shm_zone);


/* What it is used for now. */

void ngx_recs_zone_stat(const ngx_recs_zone_t *zone,
    ngx_recs_zone_stat_t *stat);


extern const ngx_str_t  ngx_recs_zone_kinds[];  /* by ngx_recs_zone_kind_e */


#define ngx_recs_count(counter, n)                                            \
    (void) ngx_atomic_fetch_add((ngx_atomic_t *) &(counter), (n))


#endif /* NGX_RECS_ZONE_H */
