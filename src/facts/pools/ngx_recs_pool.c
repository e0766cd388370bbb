
/*
 * A worker's part of a pool: it notices other entries in shared memory, and
 * builds its items of them, in turns.  Here, too, is how shared memory is read
 * and written.
 */


#include "ngx_recs_pool.h"

#include "ngx_recs_mem.h"
#include "recs_hash.h"


/* How often a worker looks whether there are other entries, ms. */

#define NGX_RECS_POOL_WATCH     100

/*
 * Items are built in turns of the event loop, each of so many entries or bytes
 * at most: requests must not wait for the whole.
 */

#define NGX_RECS_POOL_ENTRIES   100
#define NGX_RECS_POOL_BYTES     (64 * 1024)


/* Items in the making, in their own memory. */

struct ngx_recs_pool_build_s {
    ngx_recs_pool_items_t    *items;
    recs_mem_t                mem;
    recs_pool_reader_t        rest;
    ngx_atomic_uint_t         generation;
};


static void ngx_recs_pool_watch(ngx_event_t *ev);
static void ngx_recs_pool_begin(ngx_recs_pool_t *pool, ngx_log_t *log);
static ngx_uint_t ngx_recs_pool_unchanged(ngx_recs_pool_t *pool);
static ngx_recs_pool_build_t *ngx_recs_pool_build_create(ngx_log_t *log);
static ngx_int_t ngx_recs_pool_build_open(ngx_recs_pool_t *pool,
    ngx_recs_pool_build_t *build);
static ngx_int_t ngx_recs_pool_build_turn(ngx_recs_pool_t *pool,
    ngx_recs_pool_build_t *build);
static ngx_int_t ngx_recs_pool_build_entry(ngx_recs_pool_t *pool,
    ngx_recs_pool_build_t *build, recs_pool_entry_t *entry);
static void ngx_recs_pool_adopt(ngx_recs_pool_t *pool,
    ngx_recs_pool_build_t *build);
static void ngx_recs_pool_abandon(ngx_recs_pool_t *pool, ngx_log_t *log);

static ngx_uint_t ngx_recs_pool_may(ngx_recs_pool_t *pool);
static ngx_uint_t ngx_recs_pool_same(const ngx_recs_pool_copy_t *copy,
    const ngx_recs_pool_entries_t *entries);


const ngx_recs_counter_t  ngx_recs_pool_counters[] = {
    ngx_recs_counter("refreshes", ngx_recs_pool_counters_t, refreshes,
                     "Contents of the pool that were read."),
    ngx_recs_counter("failures", ngx_recs_pool_counters_t, failures,
                     "Tries to read the pool that came to nothing."),
    ngx_recs_counter("shown", ngx_recs_pool_counters_t, shown,
                     "Items of the pool that were put into pages."),
    ngx_recs_counter("capped", ngx_recs_pool_counters_t, capped,
                     "Items that were refused, as they had been shown too "
                     "often."),
    ngx_recs_counter("cap_full", ngx_recs_pool_counters_t, cap_full,
                     "Items that were refused, as they could not be counted."),
    ngx_recs_counter("uncounted", ngx_recs_pool_counters_t, uncounted,
                     "Items that were shown and could not be counted any "
                     "more."),
    ngx_recs_counter_end
};


/* The pool's block is named after all that the entries depend on. */

void
ngx_recs_pool_init_zone(ngx_recs_pool_t *pool, ngx_recs_zone_t *zone)
{
    u_char                    buf[NGX_RECS_ZONE_BLOCK_NAME];
    uint64_t                  hash;
    ngx_str_t                 name;
    recs_str_t                source, key;
    ngx_recs_pool_entries_t   published;
    ngx_atomic_uint_t         generation;

    static const recs_str_t  none = recs_string("");

    pool->counters = (ngx_recs_pool_counters_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_POOL, &pool->name);

    source = ngx_recs_span(pool->redis ? &pool->redis->name : &pool->file);
    key = ngx_recs_span(&pool->key);

    hash = recs_hash_int(0, pool->redis != NULL);
    hash = recs_hash_str(hash, &source);
    hash = recs_hash_str(hash, &key);
    hash = recs_hash_str(hash, &pool->id.source);
    hash = recs_hash_str(hash, pool->weight ? &pool->weight->source : &none);
    hash = recs_hash_str(hash, pool->category ? &pool->category->source
                                              : &none);

    name.data = buf;
    name.len = ngx_snprintf(buf, sizeof(buf), "%V %016xL", &pool->name, hash)
               - buf;

    pool->shared = ngx_recs_zone_block(zone, NGX_RECS_ZONE_POOL, &name,
                                       sizeof(ngx_recs_pool_shared_t)
                                       + NGX_RECS_POOL_COPIES
                                         * (sizeof(ngx_recs_pool_copy_t)
                                            + pool->size));

    if (pool->items && pool->shared && !ngx_recs_pool_may(pool)) {
        ngx_recs_pool_release(pool->items);
        pool->items = NULL;
    }

    /*
     * If the file is that of which there are entries already, these count:
     * they may have been read after the configuration.  If it is another, what
     * the configuration read stays until the leader publishes that.
     */

    if (pool->items && pool->shared
        && ngx_recs_pool_entries(pool, NULL, &published, &generation) == NGX_OK
        && ngx_recs_file_changed(&pool->file, &published.version))
    {
        pool->generation = generation;
    }
}


/*
 * May what the configuration read of the file take the place of what there is?
 * Else this stays, also if it is nothing, until the leader has looked.
 */

static ngx_uint_t
ngx_recs_pool_may(ngx_recs_pool_t *pool)
{
    recs_pool_reader_t  before;

    if (!ngx_recs_pool_before(pool, &before)) {
        before.left = 0;
    }

    return recs_guard_judge(&pool->guard, &pool->shared->held, before.left,
                            pool->items->choices.n, ngx_current_msec)
           == RECS_GUARD_TAKE;
}


void
ngx_recs_pool_init_worker(ngx_recs_pool_t *pool, ngx_cycle_t *cycle)
{
    ngx_int_t  rc;

    pool->watch.handler = ngx_recs_pool_watch;
    pool->watch.data = pool;
    pool->watch.log = cycle->log;
    pool->watch.cancelable = 1;

    /* before the first request, as a whole */

    ngx_recs_pool_begin(pool, cycle->log);

    if (pool->build) {

        do {
            rc = ngx_recs_pool_build_turn(pool, pool->build);
        } while (rc == NGX_AGAIN);

        if (rc != NGX_OK) {
            ngx_recs_pool_abandon(pool, cycle->log);
        }
    }

    ngx_add_timer(&pool->watch, NGX_RECS_POOL_WATCH);
}


static void
ngx_recs_pool_watch(ngx_event_t *ev)
{
    ngx_int_t         rc;
    ngx_recs_pool_t  *pool;

    pool = ev->data;

    if (pool->build == NULL) {
        ngx_recs_pool_begin(pool, ev->log);
    }

    if (pool->build) {
        rc = ngx_recs_pool_build_turn(pool, pool->build);

        if (rc == NGX_AGAIN) {
            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }

        if (rc != NGX_OK) {
            ngx_recs_pool_abandon(pool, ev->log);
        }
    }

    ngx_add_timer(ev, NGX_RECS_POOL_WATCH);
}


/* Begins to build, if there are other entries than those of the items. */

static void
ngx_recs_pool_begin(ngx_recs_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t               rc;
    ngx_recs_pool_build_t  *build;

    if (ngx_recs_latest(&pool->shared->generation) == pool->generation
        || ngx_recs_pool_unchanged(pool))
    {
        return;
    }

    build = ngx_recs_pool_build_create(log);
    if (build == NULL) {
        ngx_recs_pool_abandon(pool, log);
        return;
    }

    pool->build = build;

    rc = ngx_recs_pool_entries(pool, build->items->memory,
                               &build->items->entries, &build->generation);

    if (rc != NGX_OK || ngx_recs_pool_build_open(pool, build) != NGX_OK) {
        ngx_recs_pool_abandon(pool, log);
    }
}


/*
 * Are the entries in shared memory those of the items?  They are if the leader
 * read the same file as the configuration did.
 */

static ngx_uint_t
ngx_recs_pool_unchanged(ngx_recs_pool_t *pool)
{
    ngx_uint_t                same;
    ngx_atomic_uint_t         g;
    ngx_recs_pool_copy_t     *copy;
    ngx_recs_pool_entries_t   entries;

    if (pool->items == NULL) {
        return 0;
    }

    do {
        g = ngx_recs_latest(&pool->shared->generation);
        copy = ngx_recs_pool_copy(pool, g);

        entries = pool->items->entries;
        entries.version = copy->version;
        same = ngx_recs_pool_same(copy, &entries);

    } while (!ngx_recs_latest_stood(&pool->shared->generation, g,
                                    NGX_RECS_POOL_COPIES));

    if (same) {
        pool->items->entries.version = entries.version;
        pool->generation = g;
    }

    return same;
}


static ngx_recs_pool_build_t *
ngx_recs_pool_build_create(ngx_log_t *log)
{
    ngx_pool_t             *memory;
    ngx_recs_pool_build_t  *build;

    memory = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (memory == NULL) {
        return NULL;
    }

    build = ngx_pcalloc(memory, sizeof(ngx_recs_pool_build_t));
    if (build == NULL) {
        goto failed;
    }

    build->items = ngx_pcalloc(memory, sizeof(ngx_recs_pool_items_t));
    if (build->items == NULL) {
        goto failed;
    }

    build->items->memory = memory;
    build->items->refs = 1;
    ngx_recs_mem(&build->mem, memory);

    return build;

failed:

    ngx_destroy_pool(memory);

    return NULL;
}


/* Begins to build of items->entries, which are there. */

static ngx_int_t
ngx_recs_pool_build_open(ngx_recs_pool_t *pool, ngx_recs_pool_build_t *build)
{
    size_t                  n;
    recs_str_t              bytes;
    ngx_recs_pool_items_t  *items;

    items = build->items;
    bytes = ngx_recs_span(&items->entries.bytes);

    if (recs_pool_entries_open(&build->rest, &bytes) != 0) {
        return NGX_ERROR;
    }

    n = build->rest.left;
    items->refused = build->rest.refused;
    items->objects = ngx_palloc(items->memory, n * sizeof(recs_object_t) + 1);

    if (items->objects == NULL
        || recs_choices_init(&items->choices, &build->mem, (uint32_t) n,
                             pool->weight != NULL, pool->category != NULL)
           != RECS_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* NGX_OK: they are the pool's items now; NGX_AGAIN: more is to do; NGX_ERROR */

static ngx_int_t
ngx_recs_pool_build_turn(ngx_recs_pool_t *pool, ngx_recs_pool_build_t *build)
{
    int                rc;
    size_t             left;
    ngx_uint_t         i;
    recs_pool_entry_t  entry;

    left = build->rest.rest.len;

    for (i = 0; i < NGX_RECS_POOL_ENTRIES; i++) {

        rc = recs_pool_entries_next(&build->rest, &entry);

        if (rc == 0) {

            if (recs_choices_end(&build->items->choices, &build->mem)
                != RECS_OK)
            {
                return NGX_ERROR;
            }

            ngx_recs_pool_adopt(pool, build);

            return NGX_OK;
        }

        if (rc < 0 || ngx_recs_pool_build_entry(pool, build, &entry) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (left - build->rest.rest.len > NGX_RECS_POOL_BYTES) {
            break;
        }
    }

    return NGX_AGAIN;
}


/*
 * The leader took it, so it can be used; entries from elsewhere may be another
 * version's, which took more.
 */

static ngx_int_t
ngx_recs_pool_build_entry(ngx_recs_pool_t *pool, ngx_recs_pool_build_t *build,
    recs_pool_entry_t *entry)
{
    double                  weight;
    recs_str_t              category;
    const char             *error;
    recs_object_t          *object;
    recs_choices_t         *choices;
    ngx_recs_pool_items_t  *items;

    items = build->items;
    choices = &items->choices;
    object = &items->objects[choices->n];
    object->id = entry->id;

    error = ngx_recs_pool_read_entry(pool, &build->mem, &entry->text, object,
                                     &weight, &category);

    if (error && ngx_strcmp(error, "out of memory") == 0) {
        return NGX_ERROR;
    }

    if (error) {
        items->refused++;
        return NGX_OK;
    }

    return recs_choices_add(choices, &build->mem, &object->id, object->forms,
                            weight, &category)
           == RECS_OK ? NGX_OK : NGX_ERROR;
}


const char *
ngx_recs_pool_read_entry(ngx_recs_pool_t *pool, const recs_mem_t *mem,
    const recs_str_t *text, recs_object_t *object, double *weight,
    recs_str_t *category)
{
    const char  *error;

    error = recs_object_read(mem, text, &pool->id, object);
    if (error) {
        return error;
    }

    *weight = 0;
    ngx_memzero(category, sizeof(recs_str_t));

    return recs_choices_read(mem, text, pool->weight, pool->category, weight,
                             category);
}


static void
ngx_recs_pool_adopt(ngx_recs_pool_t *pool, ngx_recs_pool_build_t *build)
{
    if (pool->items) {
        ngx_recs_pool_release(pool->items);
    }

    pool->items = build->items;
    pool->generation = build->generation;
    pool->build = NULL;
}


/* The contents stay; they are tried again when there are others. */

static void
ngx_recs_pool_abandon(ngx_recs_pool_t *pool, ngx_log_t *log)
{
    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "recs_pool \"%V\": this worker can't take its entries over, "
                  "for lack of memory, or as they are damaged", &pool->name);

    pool->generation = ngx_recs_latest(&pool->shared->generation);

    if (pool->build) {
        ngx_destroy_pool(pool->build->items->memory);
        pool->build = NULL;
    }
}


ngx_int_t
ngx_recs_pool_build(ngx_recs_pool_t *pool,
    const ngx_recs_pool_entries_t *entries, ngx_log_t *log)
{
    ngx_int_t                 rc;
    ngx_recs_pool_build_t    *build;
    ngx_recs_pool_entries_t  *own;

    build = ngx_recs_pool_build_create(log);
    if (build == NULL) {
        return NGX_ERROR;
    }

    own = &build->items->entries;
    own->version = entries->version;
    own->bytes.len = entries->bytes.len;
    own->bytes.data = ngx_pstrdup(build->items->memory,
                                  (ngx_str_t *) &entries->bytes);

    rc = own->bytes.data ? ngx_recs_pool_build_open(pool, build) : NGX_ERROR;

    if (rc == NGX_OK) {

        do {
            rc = ngx_recs_pool_build_turn(pool, build);
        } while (rc == NGX_AGAIN);
    }

    if (rc != NGX_OK) {
        ngx_destroy_pool(build->items->memory);
    }

    return rc;
}


ngx_recs_pool_items_t *
ngx_recs_pool_hold(ngx_recs_pool_t *pool)
{
    if (pool->items) {
        pool->items->refs++;
    }

    return pool->items;
}


void
ngx_recs_pool_release(ngx_recs_pool_items_t *items)
{
    if (--items->refs == 0) {
        ngx_destroy_pool(items->memory);
    }
}


void
ngx_recs_pool_free(ngx_recs_pool_t *pool)
{
    if (pool->items) {
        ngx_recs_pool_release(pool->items);
        pool->items = NULL;
    }

    if (pool->build) {
        ngx_destroy_pool(pool->build->items->memory);
        pool->build = NULL;
    }
}


ngx_int_t
ngx_recs_pool_entries(ngx_recs_pool_t *pool, ngx_pool_t *memory,
    ngx_recs_pool_entries_t *entries, ngx_atomic_uint_t *generation)
{
    ngx_atomic_uint_t      g;
    ngx_recs_pool_copy_t  *copy;

    for ( ;; ) {
        g = ngx_recs_latest(&pool->shared->generation);

        if (g == 0) {
            return NGX_DECLINED;
        }

        copy = ngx_recs_pool_copy(pool, g);
        entries->version = copy->version;
        entries->bytes.len = copy->len;
        entries->bytes.data = NULL;

        if (!ngx_recs_latest_stood(&pool->shared->generation, g,
                                   NGX_RECS_POOL_COPIES))
        {
            continue;
        }

        if (memory) {
            entries->bytes.data = ngx_palloc(memory, entries->bytes.len);
            if (entries->bytes.data == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(entries->bytes.data, copy + 1, entries->bytes.len);
        }

        if (ngx_recs_latest_stood(&pool->shared->generation, g,
                                  NGX_RECS_POOL_COPIES))
        {
            *generation = g;
            return NGX_OK;
        }

        if (memory) {
            (void) ngx_pfree(memory, entries->bytes.data);
        }
    }
}


ngx_uint_t
ngx_recs_pool_before(ngx_recs_pool_t *pool, recs_pool_reader_t *before)
{
    ngx_int_t              rc;
    recs_str_t             bytes;
    ngx_atomic_uint_t      g;
    ngx_recs_pool_copy_t  *copy;

    do {
        g = ngx_recs_latest(&pool->shared->generation);

        if (g == 0) {
            return 0;
        }

        copy = ngx_recs_pool_copy(pool, g);
        bytes.data = (u_char *) (copy + 1);
        bytes.len = copy->len;

        rc = recs_pool_entries_open(before, &bytes);

    } while (!ngx_recs_latest_stood(&pool->shared->generation, g,
                                    NGX_RECS_POOL_COPIES));

    return rc == 0;
}


/* The mutex is held for all of the copying, of some GB a second. */

ngx_int_t
ngx_recs_pool_publish(ngx_recs_pool_t *pool,
    const ngx_recs_pool_entries_t *entries, time_t loaded)
{
    ngx_int_t                rc;
    ngx_atomic_uint_t        g;
    ngx_recs_pool_copy_t    *copy;
    ngx_recs_pool_shared_t  *shared;

    if (entries->bytes.len > pool->size) {
        return NGX_ERROR;
    }

    rc = ngx_recs_leader_lock(pool->leader);
    if (rc != NGX_OK) {
        return rc;
    }

    shared = pool->shared;
    g = shared->generation;

    if (g == 0 || !ngx_recs_pool_same(ngx_recs_pool_copy(pool, g), entries)) {
        copy = ngx_recs_pool_copy(pool, g + 1);
        copy->version = entries->version;
        copy->len = entries->bytes.len;
        ngx_memcpy(copy + 1, entries->bytes.data, entries->bytes.len);

        ngx_recs_latest_publish(&shared->generation);
    }

    shared->loaded = loaded;

    ngx_recs_leader_unlock(pool->leader);

    return NGX_OK;
}


ngx_recs_pool_copy_t *
ngx_recs_pool_copy(ngx_recs_pool_t *pool, ngx_atomic_uint_t generation)
{
    u_char  *p;

    p = (u_char *) (pool->shared + 1);
    p += generation % NGX_RECS_POOL_COPIES
         * (sizeof(ngx_recs_pool_copy_t) + pool->size);

    return (ngx_recs_pool_copy_t *) p;
}


static ngx_uint_t
ngx_recs_pool_same(const ngx_recs_pool_copy_t *copy,
    const ngx_recs_pool_entries_t *entries)
{
    return copy->len == entries->bytes.len
           && ngx_recs_file_same(&copy->version, &entries->version)
           && ngx_memcmp(copy + 1, entries->bytes.data, entries->bytes.len)
              == 0;
}
