
#include "ngx_recs_zone.h"


ngx_recs_zone_t *
ngx_recs_zone_attach(ngx_shm_zone_t *shm_zone, void *old)
{
    ngx_recs_zone_t  *zone;
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old || shm_zone->shm.exists) {
        zone = shpool->data;
        zone->full = 0;
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
