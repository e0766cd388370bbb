
/* Named counters and blocks in the shared zone. */


#include "ngx_recs_zone.h"


/* A block of that size takes so much: pages, if it is half of one at least. */

#define ngx_recs_zone_taken(size)                                             \
    ((size) > ngx_pagesize / 2 ? ngx_align(size, ngx_pagesize) : (size))


const ngx_str_t  ngx_recs_zone_kinds[] = {
    ngx_string("counters"),
    ngx_string("responses"),
    ngx_string("sets"),
    ngx_string("pools"),
    ngx_string("redis"),
    ngx_string("snapshots"),
    ngx_string("leader"),
    ngx_string("replicas"),
    ngx_string("recorder"),
    ngx_string("caps"),
    ngx_string("watches"),
    ngx_string("trust"),
    ngx_string("servers"),
    ngx_string("breakers")
};


ngx_recs_zone_t *
ngx_recs_zone_attach(ngx_shm_zone_t *shm_zone, void *old)
{
    ngx_recs_zone_t  *zone;
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old || shm_zone->shm.exists) {
        zone = shpool->data;
        zone->full = 0;
        zone->missing = 0;
        return zone;
    }

    shpool->log_nomem = 0;

    zone = ngx_slab_calloc(shpool, sizeof(ngx_recs_zone_t));
    if (zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "recs_zone of %uz bytes is too small, "
                      "at least 512k are needed", shm_zone->shm.size);
        return NULL;
    }

    zone->shpool = shpool;
    shpool->data = zone;

    return zone;
}


ngx_atomic_t *
ngx_recs_zone_counters(ngx_recs_zone_t *zone, ngx_recs_zone_kind_e kind,
    const ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_recs_zone_entry_t  *entry;

    for (i = 0; i < zone->nentries; i++) {
        entry = &zone->entries[i];

        if (entry->kind == (ngx_uint_t) kind && entry->len == name->len
            && ngx_memcmp(entry->name, name->data, name->len) == 0)
        {
            return entry->counters;
        }
    }

    if (zone->nentries == NGX_RECS_ZONE_ENTRIES) {
        zone->full = 1;
        return NULL;
    }

    entry = &zone->entries[zone->nentries];

    entry->kind = kind;
    entry->len = name->len;
    ngx_memcpy(entry->name, name->data, name->len);

    zone->nentries++;

    return entry->counters;
}


void *
ngx_recs_zone_block(ngx_recs_zone_t *zone, ngx_recs_zone_kind_e kind,
    const ngx_str_t *name, size_t size)
{
    return ngx_recs_zone_large_block(zone, kind, name, size, size);
}


void *
ngx_recs_zone_large_block(ngx_recs_zone_t *zone, ngx_recs_zone_kind_e kind,
    const ngx_str_t *name, size_t size, size_t head)
{
    ngx_uint_t              i;
    ngx_recs_zone_block_t  *block;

    for (i = 0; i < zone->nblocks; i++) {
        block = &zone->blocks[i];

        if (block->kind == (ngx_uint_t) kind && block->size == size
            && block->len == name->len
            && ngx_memcmp(block->name, name->data, name->len) == 0)
        {
            return block->data;
        }
    }

    if (zone->nblocks == NGX_RECS_ZONE_BLOCKS
        || name->len > NGX_RECS_ZONE_BLOCK_NAME)
    {
        zone->full = 1;
        return NULL;
    }

    block = &zone->blocks[zone->nblocks];

    block->data = ngx_slab_alloc(zone->shpool, size);
    if (block->data == NULL) {
        zone->missing += ngx_align(size, ngx_pagesize);
        return NULL;
    }

    ngx_memzero(block->data, head);

    block->kind = kind;
    block->size = size;
    block->len = name->len;
    ngx_memcpy(block->name, name->data, name->len);

    zone->nblocks++;

    return block->data;
}


ngx_int_t
ngx_recs_zone_check(ngx_recs_zone_t *zone, ngx_shm_zone_t *shm_zone)
{
    size_t  needed;

    if (zone->full) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "recs_zone has no place for another name: up to %d, and "
                      "%d of snapshots' channels, replicas, pools and caps, "
                      "can be used from nginx's start on",
                      NGX_RECS_ZONE_ENTRIES, NGX_RECS_ZONE_BLOCKS);
        return NGX_ERROR;
    }

    if (zone->missing) {

        /* the slab allocator's own takes less than a hundredth */

        needed = shm_zone->shm.size + zone->missing;
        needed += needed / 100;

        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "recs_zone of %uzk is too small, %uzk are needed",
                      shm_zone->shm.size / 1024, needed / 1024 + 1);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_recs_zone_stat(const ngx_recs_zone_t *zone, ngx_recs_zone_stat_t *stat)
{
    ngx_uint_t                    i;
    ngx_slab_pool_t              *shpool;
    const ngx_recs_zone_block_t  *block;

    shpool = zone->shpool;

    ngx_memzero(stat, sizeof(ngx_recs_zone_stat_t));

    stat->size = shpool->end - (u_char *) shpool;
    stat->free = shpool->pfree * ngx_pagesize;
    stat->used[NGX_RECS_ZONE_COUNTED] =
        ngx_recs_zone_taken(sizeof(ngx_recs_zone_t));

    for (i = 0; i < zone->nblocks; i++) {
        block = &zone->blocks[i];

        stat->used[block->kind] += ngx_recs_zone_taken(block->size);
    }
}
