
#include "ngx_recs_pool.h"
#include "ngx_recs_mem.h"
#include "ngx_recs_zone.h"
#include "recs_idset.h"


/* A hash is asked for whole; what is larger than this is no pool. */

#define NGX_RECS_POOL_REPLY_MAX  (64 * 1024 * 1024)

/* While there is nothing yet, Redis is asked again so soon. */

#define NGX_RECS_POOL_RETRY  500


typedef struct {
    recs_str_t                id;
    recs_str_t                text;
} ngx_recs_pool_entry_t;


struct ngx_recs_pool_reply_s {
    ngx_pool_t               *memory;
    ngx_recs_pool_entry_t    *entries;
    ngx_uint_t                n;
    size_t                    size;
    unsigned                  failed:1;     /* too large, or out of memory */
};


static ngx_int_t ngx_recs_pool_build(ngx_recs_pool_t *pool,
    ngx_pool_t *memory, ngx_recs_pool_entry_t *entries, ngx_uint_t n,
    ngx_log_t *log);
static void ngx_recs_pool_refresh(ngx_event_t *ev);
static void ngx_recs_pool_schedule(ngx_recs_pool_t *pool);
static ngx_int_t ngx_recs_pool_refresh_file(ngx_recs_pool_t *pool,
    ngx_log_t *log);
static ngx_int_t ngx_recs_pool_refresh_redis(ngx_recs_pool_t *pool,
    ngx_log_t *log);
static ngx_int_t ngx_recs_pool_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_pool_copy(ngx_recs_pool_reply_t *reply,
    const ngx_str_t *from, recs_str_t *to);
static void ngx_recs_pool_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static ngx_int_t ngx_recs_pool_adopt(ngx_recs_pool_t *pool,
    ngx_recs_pool_reply_t *reply, ngx_int_t rc, ngx_str_t *error);
static void ngx_recs_pool_failed(ngx_recs_pool_t *pool, const char *why,
    const ngx_str_t *error, ngx_log_t *log);


ngx_int_t
ngx_recs_pool_load(ngx_recs_pool_t *pool, ngx_log_t *log, const char **error)
{
    ngx_str_t                 content, rest, line;
    ngx_uint_t                n;
    ngx_pool_t               *memory;
    ngx_recs_pool_entry_t    *entries;
    ngx_recs_file_version_t   version;

    memory = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (memory == NULL) {
        *error = "does not fit into memory";
        return NGX_ERROR;
    }

    if (ngx_recs_file_read(&pool->file, memory, &content, &version, error)
        != NGX_OK)
    {
        ngx_destroy_pool(memory);
        return NGX_ERROR;
    }

    *error = "does not fit into memory";

    n = 0;
    rest = content;

    while (ngx_recs_file_line(&rest, &line)) {
        n += line.len != 0;
    }

    entries = ngx_palloc(memory, n * sizeof(ngx_recs_pool_entry_t) + 1);
    if (entries == NULL) {
        ngx_destroy_pool(memory);
        return NGX_ERROR;
    }

    n = 0;
    rest = content;

    while (ngx_recs_file_line(&rest, &line)) {

        if (line.len) {
            entries[n].id.data = NULL;
            entries[n++].text = ngx_recs_span(&line);
        }
    }

    if (ngx_recs_pool_build(pool, memory, entries, n, log) != NGX_OK) {
        ngx_destroy_pool(memory);
        return NGX_ERROR;
    }

    pool->version = version;
    *error = NULL;

    return NGX_OK;
}


/*
 * Makes the entries the pool's contents.  An entry with an id keeps it, one
 * without has it in its object.  On NGX_OK memory is the contents'.
 */

static ngx_int_t
ngx_recs_pool_build(ngx_recs_pool_t *pool, ngx_pool_t *memory,
    ngx_recs_pool_entry_t *entries, ngx_uint_t n, ngx_log_t *log)
{
    ngx_uint_t              i, line;
    const char             *error, *first;
    recs_mem_t              mem;
    recs_idset_t            ids;
    recs_object_t          *object;
    ngx_recs_pool_items_t  *items;

    ngx_recs_mem(&mem, memory);

    items = ngx_pcalloc(memory, sizeof(ngx_recs_pool_items_t));
    if (items == NULL) {
        return NGX_ERROR;
    }

    items->objects = ngx_palloc(memory, n * sizeof(recs_object_t) + 1);
    items->ids = ngx_palloc(memory, n * sizeof(recs_str_t) + 1);

    if (items->objects == NULL || items->ids == NULL
        || recs_idset_init(&ids, &mem, n, pool->seed) != RECS_OK)
    {
        return NGX_ERROR;
    }

    first = NULL;
    line = 0;

    for (i = 0; i < n; i++) {
        object = &items->objects[items->n];
        object->id = entries[i].id;

        error = recs_object_read(&mem, &entries[i].text,
                                 entries[i].id.data ? NULL : &pool->id,
                                 object);

        if (error == NULL && !recs_idset_add(&ids, &object->id)) {
            error = "its id was there before";
        }

        if (error) {
            if (first == NULL) {
                first = error;
                line = i + 1;
            }

            items->refused++;
            continue;
        }

        items->ids[items->n++] = object->id;
    }

    if (first && (pool->items == NULL
                  || pool->items->refused != items->refused))
    {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "recs_pool \"%V\": %ui of %ui entries can't be used; "
                      "the first is number %ui: %s",
                      &pool->name, items->refused, n, line, first);
    }

    items->memory = memory;
    items->refs = 1;
    items->loaded = ngx_time();

    if (pool->items) {
        ngx_recs_pool_release(pool->items);
    }

    pool->items = items;

    return NGX_OK;
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
ngx_recs_pool_init_worker(ngx_recs_pool_t *pool, ngx_cycle_t *cycle)
{
    pool->timer.handler = ngx_recs_pool_refresh;
    pool->timer.data = pool;
    pool->timer.log = cycle->log;
    pool->timer.cancelable = 1;

    /* the file was read with the configuration; Redis is asked now */

    if (pool->file.len) {
        ngx_add_timer(&pool->timer, pool->refresh);

    } else {
        ngx_recs_pool_refresh(&pool->timer);
    }
}


static void
ngx_recs_pool_refresh(ngx_event_t *ev)
{
    ngx_int_t         rc;
    ngx_recs_pool_t  *pool;

    pool = ev->data;

    rc = pool->file.len ? ngx_recs_pool_refresh_file(pool, ev->log)
                        : ngx_recs_pool_refresh_redis(pool, ev->log);

    if (rc != NGX_AGAIN) {
        ngx_recs_pool_schedule(pool);
    }
}


static void
ngx_recs_pool_schedule(ngx_recs_pool_t *pool)
{
    ngx_msec_t  next;

    next = pool->refresh;

    if (pool->items == NULL && next > NGX_RECS_POOL_RETRY) {
        next = NGX_RECS_POOL_RETRY;
    }

    ngx_add_timer(&pool->timer, next);
}


static ngx_int_t
ngx_recs_pool_refresh_file(ngx_recs_pool_t *pool, ngx_log_t *log)
{
    const char  *error;

    if (!ngx_recs_file_changed(&pool->file, &pool->version)) {
        return NGX_OK;
    }

    if (ngx_recs_pool_load(pool, log, &error) != NGX_OK) {
        ngx_recs_pool_failed(pool, error, NULL, log);
        return NGX_ERROR;
    }

    pool->failed = 0;
    ngx_recs_count(pool->counters->refreshes, 1);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "recs_pool \"%V\": %uD items read from \"%V\"",
                  &pool->name, pool->items->n, &pool->file);

    return NGX_OK;
}


/* NGX_AGAIN: the reply will come; else it can't be asked. */

static ngx_int_t
ngx_recs_pool_refresh_redis(ngx_recs_pool_t *pool, ngx_log_t *log)
{
    size_t                  argvlen[2];
    const char             *argv[2];
    ngx_pool_t             *memory;
    ngx_recs_pool_reply_t  *reply;
    ngx_recs_redis_conn_t  *conn;

    conn = ngx_recs_redis_pick(pool->redis);
    if (conn == NULL) {
        ngx_recs_pool_failed(pool, "redis is away", NULL, log);
        return NGX_ERROR;
    }

    memory = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (memory == NULL) {
        return NGX_ERROR;
    }

    reply = ngx_pcalloc(memory, sizeof(ngx_recs_pool_reply_t));
    if (reply == NULL) {
        ngx_destroy_pool(memory);
        return NGX_ERROR;
    }

    reply->memory = memory;
    pool->reply = reply;

    pool->query.value = ngx_recs_pool_value;
    pool->query.done = ngx_recs_pool_done;
    pool->query.data = pool;

    argv[0] = "HGETALL";
    argvlen[0] = 7;
    argv[1] = (const char *) pool->key.data;
    argvlen[1] = pool->key.len;

    if (ngx_recs_redis_send(conn, &pool->query, 2, argv, argvlen) != NGX_OK) {
        ngx_destroy_pool(memory);
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_recs_pool_value(ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v)
{
    ngx_recs_pool_t        *pool;
    ngx_recs_pool_reply_t  *reply;

    pool = query->data;
    reply = pool->reply;

    if (v->depth == 0) {

        if (v->type != NGX_RECS_REDIS_ARRAY || v->integer % 2) {
            return NGX_ERROR;
        }

        reply->n = (ngx_uint_t) v->integer / 2;
        reply->entries = ngx_pcalloc(reply->memory, reply->n
                                     * sizeof(ngx_recs_pool_entry_t) + 1);
        reply->failed = (reply->entries == NULL);

        return NGX_OK;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    if (!reply->failed
        && ngx_recs_pool_copy(reply, &v->str,
                              v->index % 2 ? &reply->entries[v->index / 2].text
                                           : &reply->entries[v->index / 2].id)
           != NGX_OK)
    {
        reply->failed = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_pool_copy(ngx_recs_pool_reply_t *reply, const ngx_str_t *from,
    recs_str_t *to)
{
    u_char  *p;

    reply->size += from->len;

    if (reply->size > NGX_RECS_POOL_REPLY_MAX) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(reply->memory, from->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, from->data, from->len);

    to->data = p;
    to->len = from->len;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_recs_pool_compare(const void *one, const void *two)
{
    int                           rc;
    const ngx_recs_pool_entry_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memcmp(a->id.data, b->id.data, ngx_min(a->id.len, b->id.len));

    return rc ? rc : (a->id.len > b->id.len) - (a->id.len < b->id.len);
}


static void
ngx_recs_pool_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_pool_t        *pool;
    ngx_recs_pool_reply_t  *reply;

    pool = query->data;
    reply = pool->reply;
    pool->reply = NULL;

    if (ngx_recs_pool_adopt(pool, reply, rc, error) != NGX_OK) {
        ngx_destroy_pool(reply->memory);
    }

    ngx_recs_pool_schedule(pool);
}


/* NGX_OK: the reply is the pool's contents now, its memory too. */

static ngx_int_t
ngx_recs_pool_adopt(ngx_recs_pool_t *pool, ngx_recs_pool_reply_t *reply,
    ngx_int_t rc, ngx_str_t *error)
{
    ngx_log_t  *log;

    log = pool->timer.log;

    if (rc == NGX_ERROR) {
        ngx_recs_pool_failed(pool, "redis answered", error, log);
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_recs_pool_failed(pool, "redis is away", NULL, log);
        return NGX_ERROR;
    }

    if (reply->failed) {
        ngx_recs_pool_failed(pool, "the hash is too large", NULL, log);
        return NGX_ERROR;
    }

    ngx_qsort(reply->entries, reply->n, sizeof(ngx_recs_pool_entry_t),
              ngx_recs_pool_compare);

    if (ngx_recs_pool_build(pool, reply->memory, reply->entries, reply->n, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    pool->failed = 0;
    ngx_recs_count(pool->counters->refreshes, 1);

    return NGX_OK;
}


static void
ngx_recs_pool_failed(ngx_recs_pool_t *pool, const char *why,
    const ngx_str_t *error, ngx_log_t *log)
{
    static ngx_str_t  none = ngx_null_string;

    ngx_recs_count(pool->counters->failures, 1);

    if (pool->failed) {
        return;
    }

    pool->failed = 1;

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "recs_pool \"%V\" can't be read, %s: %s%s%V",
                  &pool->name, pool->items ? "the one before stays"
                                           : "it is empty",
                  why, error ? " " : "", error ? error : &none);
}
