
/*
 * The module's shared memory: counters of all workers.  It survives a reload
 * if its size stays; entries are found by kind and name, so that a changed
 * configuration goes on counting where the one before left off.
 */


#ifndef NGX_RECS_ZONE_H
#define NGX_RECS_ZONE_H


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_RECS_ZONE_NAME_MAX   64
#define NGX_RECS_ZONE_COUNTERS   16
#define NGX_RECS_ZONE_ENTRIES    1024


typedef enum {
    NGX_RECS_ZONE_FREE = 0,
    NGX_RECS_ZONE_RESPONSES,        /* of all locations */
    NGX_RECS_ZONE_SET,
    NGX_RECS_ZONE_POOL,
    NGX_RECS_ZONE_REDIS
} ngx_recs_zone_kind_e;


typedef struct {
    ngx_uint_t              kind;           /* ngx_recs_zone_kind_e */
    ngx_uint_t              len;
    u_char                  name[NGX_RECS_ZONE_NAME_MAX];
    ngx_atomic_t            counters[NGX_RECS_ZONE_COUNTERS];
} ngx_recs_zone_entry_t;


typedef struct {
    ngx_uint_t              nentries;
    ngx_uint_t              full;           /* an entry was asked for in vain */
    ngx_recs_zone_entry_t   entries[NGX_RECS_ZONE_ENTRIES];
} ngx_recs_zone_t;


/*
 * The zone in shm_zone, whose shm is mapped: carved if it is new, else as the
 * cycle before left it.  NULL: it is too small.  Called in the master, from
 * the zone's init.
 */

ngx_recs_zone_t *ngx_recs_zone_attach(ngx_shm_zone_t *shm_zone, void *old);

/*
 * NGX_RECS_ZONE_COUNTERS counters, all zero if kind and name are new.  Other
 * workers may count in other entries meanwhile: those are not touched.
 * NULL: no entry is free, and zone->full says so.
 */

ngx_atomic_t *ngx_recs_zone_counters(ngx_recs_zone_t *zone,
    ngx_recs_zone_kind_e kind, const ngx_str_t *name);


#define ngx_recs_count(counter, n)                                            \
    (void) ngx_atomic_fetch_add((ngx_atomic_t *) &(counter), (n))


#endif /* NGX_RECS_ZONE_H */
