
/* A pool's entries while they are read: each once, and those of use. */


#include "ngx_recs_pool_draft.h"

#include "ngx_recs_mem.h"
#include "recs_idset.h"


static ngx_int_t ngx_recs_pool_draft_keep(ngx_recs_pool_draft_t *draft,
    const recs_str_t *text, const recs_str_t *id);
static void ngx_recs_pool_draft_refuse(ngx_recs_pool_draft_t *draft,
    const char *error);
static ngx_int_t ngx_recs_pool_draft_unique(ngx_recs_pool_draft_t *draft);
static int ngx_libc_cdecl ngx_recs_pool_draft_compare(const void *one,
    const void *two);


ngx_recs_pool_draft_t *
ngx_recs_pool_draft_create(ngx_recs_pool_t *pool, ngx_log_t *log)
{
    ngx_pool_t             *memory, *scratch;
    ngx_recs_pool_draft_t  *draft;

    memory = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (memory == NULL) {
        return NULL;
    }

    scratch = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    draft = ngx_pcalloc(memory, sizeof(ngx_recs_pool_draft_t));

    if (scratch == NULL || draft == NULL
        || ngx_array_init(&draft->entries, memory, 64,
                          sizeof(recs_pool_entry_t))
           != NGX_OK)
    {
        ngx_destroy_pool(memory);

        if (scratch) {
            ngx_destroy_pool(scratch);
        }

        return NULL;
    }

    draft->pool = pool;
    draft->memory = memory;
    draft->scratch = scratch;
    ngx_recs_mem(&draft->mem, memory);
    ngx_recs_mem(&draft->scratch_mem, scratch);

    return draft;
}


void
ngx_recs_pool_draft_free(ngx_recs_pool_draft_t *draft)
{
    ngx_destroy_pool(draft->scratch);
    ngx_destroy_pool(draft->memory);
}


void
ngx_recs_pool_draft_add(ngx_recs_pool_draft_t *draft, const recs_str_t *text,
    const recs_str_t *id)
{
    double          weight;
    recs_str_t      category;
    const char     *error;
    recs_object_t   object;

    draft->nread++;

    if (id) {
        object.id = *id;

    } else {
        object.id.data = NULL;
    }

    error = ngx_recs_pool_read_entry(draft->pool, &draft->scratch_mem, text,
                                     &object, &weight, &category);

    if (error) {
        ngx_recs_pool_draft_refuse(draft, error);

    } else if (ngx_recs_pool_draft_keep(draft, text, &object.id) != NGX_OK) {
        draft->failed = "does not fit into memory";
    }

    ngx_reset_pool(draft->scratch);
}


static ngx_int_t
ngx_recs_pool_draft_keep(ngx_recs_pool_draft_t *draft, const recs_str_t *text,
    const recs_str_t *id)
{
    u_char        *p;
    recs_pool_entry_t  *entry;

    p = ngx_pnalloc(draft->memory, id->len + 1);
    entry = ngx_array_push(&draft->entries);

    if (p == NULL || entry == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, id->data, id->len);

    entry->id.data = p;
    entry->id.len = id->len;
    entry->text = *text;

    return NGX_OK;
}


static void
ngx_recs_pool_draft_refuse(ngx_recs_pool_draft_t *draft, const char *error)
{
    if (draft->refused++ == 0) {
        draft->error = error;
        draft->number = draft->nread;
    }
}


static int ngx_libc_cdecl
ngx_recs_pool_draft_compare(const void *one, const void *two)
{
    int                  rc;
    const recs_pool_entry_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memcmp(a->id.data, b->id.data, ngx_min(a->id.len, b->id.len));

    return rc ? rc : (a->id.len > b->id.len) - (a->id.len < b->id.len);
}


ngx_int_t
ngx_recs_pool_draft_finish(ngx_recs_pool_draft_t *draft,
    ngx_recs_pool_entries_t *entries)
{
    u_char           *p;
    size_t            size;
    ngx_recs_pool_t  *pool;

    pool = draft->pool;

    if (draft->failed) {
        return NGX_ERROR;
    }

    draft->failed = "does not fit into memory";

    if (ngx_recs_pool_draft_unique(draft) != NGX_OK) {
        return NGX_ERROR;
    }

    size = recs_pool_entries_size(draft->entries.elts, draft->entries.nelts);

    if (size > pool->size) {
        (void) ngx_snprintf(pool->why, sizeof(pool->why),
                            "does not fit into size=%uzk, %uzk are needed%Z",
                            pool->size / 1024, (size + 1023) / 1024);
        draft->failed = (const char *) pool->why;
        return NGX_ERROR;
    }

    p = ngx_palloc(draft->memory, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    recs_pool_entries_write(p, draft->entries.elts, draft->entries.nelts,
                            (uint32_t) draft->refused);

    entries->bytes.data = p;
    entries->bytes.len = size;
    entries->version = draft->version;

    draft->failed = NULL;

    return NGX_OK;
}


/*
 * Each id once.  A file's order stays, and a second one is its error; a hash
 * has no order and no second one, but may give an entry twice while it is read
 * (https://redis.io/docs/latest/commands/scan/).
 */

static ngx_int_t
ngx_recs_pool_draft_unique(ngx_recs_pool_draft_t *draft)
{
    ngx_uint_t     i, n;
    recs_pool_entry_t  *entry;
    recs_idset_t   ids;

    entry = draft->entries.elts;
    n = draft->entries.nelts;

    if (draft->pool->redis) {
        ngx_qsort(entry, n, sizeof(recs_pool_entry_t),
                  ngx_recs_pool_draft_compare);
    }

    if (recs_idset_init(&ids, &draft->mem, n, draft->pool->seed) != RECS_OK) {
        return NGX_ERROR;
    }

    draft->entries.nelts = 0;

    for (i = 0; i < n; i++) {

        if (recs_idset_add(&ids, &entry[i].id)) {
            entry[draft->entries.nelts++] = entry[i];

        } else if (draft->pool->redis == NULL) {
            draft->nread = i + 1;
            ngx_recs_pool_draft_refuse(draft, "its id was there before");
        }
    }

    return NGX_OK;
}


void
ngx_recs_pool_draft_log(ngx_recs_pool_draft_t *draft,
    const recs_pool_reader_t *before, ngx_log_t *log)
{
    ngx_uint_t        n;
    ngx_recs_pool_t  *pool;

    pool = draft->pool;
    n = draft->entries.nelts;

    if (draft->refused
        && (before == NULL || before->refused != draft->refused))
    {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "recs_pool \"%V\": %ui entries can't be used; "
                      "the first is number %ui: %s",
                      &pool->name, draft->refused, draft->number,
                      draft->error);
    }

    if (n == 0 && (before == NULL || before->left)) {
        ngx_log_error(NGX_LOG_WARN, log, 0, "recs_pool \"%V\" is empty",
                      &pool->name);
        return;
    }

    if ((pool->shared && (pool->shared->failed || pool->shared->held.why))
        || (before && before->left == 0 && n))
    {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_pool \"%V\" was read again, %ui items",
                      &pool->name, n);
    }
}
