
/*
 * A worker's copy of a pool: read from a file, or from a Redis hash in steps,
 * and replaced as a whole.
 */


#include "ngx_recs_pool.h"
#include "ngx_recs_mem.h"
#include "ngx_recs_zone.h"
#include "recs_idset.h"


/* What is larger than this, in bytes, is no pool. */

#define NGX_RECS_POOL_MAX_SIZE  (64 * 1024 * 1024)

/* While there is nothing yet, Redis is asked again so soon, ms. */

#define NGX_RECS_POOL_RETRY     500

/*
 * A hash is read in steps of about so many entries: one big answer would hold
 * up Redis, and the replies that come after it on the connection.
 */

#define NGX_RECS_POOL_STEP      "200"

#define NGX_RECS_POOL_CURSOR    32      /* bytes; it is a 64-bit number */


/* Contents in the making. */

struct ngx_recs_pool_draft_s {
    ngx_pool_t               *memory;
    recs_mem_t                mem;
    ngx_array_t               objects;      /* recs_object_t */
    size_t                    size;         /* bytes read */

    ngx_uint_t                entries;      /* read */
    ngx_uint_t                refused;      /* of these: can't be used */
    const char               *error;        /* the first one's */
    ngx_uint_t                number;       /* the first one's, from 1 */

    const char               *failed;       /* why it comes to nothing */

    /* from Redis */

    recs_str_t                id;           /* of the entry being read */
    u_char                    cursor[NGX_RECS_POOL_CURSOR];
    size_t                    cursor_len;
};


static ngx_recs_pool_draft_t *ngx_recs_pool_draft(ngx_log_t *log);
static void ngx_recs_pool_entry(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, recs_str_t *text, recs_str_t *id);
static void ngx_recs_pool_refuse(ngx_recs_pool_draft_t *draft,
    const char *error);
static ngx_int_t ngx_recs_pool_adopt(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, ngx_log_t *log);
static ngx_int_t ngx_recs_pool_unique(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, ngx_recs_pool_items_t *items);
static void ngx_recs_pool_log_change(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, ngx_recs_pool_items_t *items,
    ngx_log_t *log);

static void ngx_recs_pool_refresh(ngx_event_t *ev);
static void ngx_recs_pool_schedule(ngx_recs_pool_t *pool);
static void ngx_recs_pool_refresh_file(ngx_recs_pool_t *pool, ngx_log_t *log);
static void ngx_recs_pool_refresh_redis(ngx_recs_pool_t *pool,
    ngx_log_t *log);
static const char *ngx_recs_pool_scan(ngx_recs_pool_t *pool);
static ngx_int_t ngx_recs_pool_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_pool_cursor(ngx_recs_pool_draft_t *draft,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_pool_copy(ngx_recs_pool_draft_t *draft,
    const ngx_str_t *from, recs_str_t *to);
static void ngx_recs_pool_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_pool_failed(ngx_recs_pool_t *pool, ngx_err_t err,
    const char *why, const ngx_str_t *error, ngx_log_t *log);


ngx_int_t
ngx_recs_pool_load(ngx_recs_pool_t *pool, ngx_log_t *log, const char **error)
{
    ngx_str_t                 content, line;
    recs_str_t                text;
    ngx_recs_pool_draft_t    *draft;
    ngx_recs_file_version_t   version;

    *error = "does not fit into memory";

    draft = ngx_recs_pool_draft(log);
    if (draft == NULL) {
        return NGX_ERROR;
    }

    if (ngx_recs_file_read(&pool->file, draft->memory, &content, &version,
                           error)
        != NGX_OK)
    {
        ngx_destroy_pool(draft->memory);
        return NGX_ERROR;
    }

    while (ngx_recs_file_line(&content, &line)) {

        if (line.len) {
            text = ngx_recs_span(&line);
            ngx_recs_pool_entry(pool, draft, &text, NULL);
        }
    }

    if (ngx_recs_pool_adopt(pool, draft, log) != NGX_OK) {
        *error = draft->failed;
        ngx_destroy_pool(draft->memory);
        return NGX_ERROR;
    }

    pool->version = version;
    *error = NULL;

    return NGX_OK;
}


static ngx_recs_pool_draft_t *
ngx_recs_pool_draft(ngx_log_t *log)
{
    ngx_pool_t             *memory;
    ngx_recs_pool_draft_t  *draft;

    memory = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (memory == NULL) {
        return NULL;
    }

    draft = ngx_pcalloc(memory, sizeof(ngx_recs_pool_draft_t));

    if (draft == NULL
        || ngx_array_init(&draft->objects, memory, 64, sizeof(recs_object_t))
           != NGX_OK)
    {
        ngx_destroy_pool(memory);
        return NULL;
    }

    draft->memory = memory;
    ngx_recs_mem(&draft->mem, memory);

    return draft;
}


/* Takes in an entry; id: NULL if only the object has it. */

static void
ngx_recs_pool_entry(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    recs_str_t *text, recs_str_t *id)
{
    const char     *error;
    recs_object_t  *object;

    draft->entries++;

    object = ngx_array_push(&draft->objects);
    if (object == NULL) {
        draft->failed = "does not fit into memory";
        return;
    }

    if (id) {
        object->id = *id;

    } else {
        object->id.data = NULL;
    }

    error = recs_object_read(&draft->mem, text, &pool->id, object);

    if (error) {
        draft->objects.nelts--;
        ngx_recs_pool_refuse(draft, error);
    }
}


static void
ngx_recs_pool_refuse(ngx_recs_pool_draft_t *draft, const char *error)
{
    if (draft->refused++ == 0) {
        draft->error = error;
        draft->number = draft->entries;
    }
}


static int ngx_libc_cdecl
ngx_recs_pool_compare(const void *one, const void *two)
{
    int                   rc;
    const recs_object_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memcmp(a->id.data, b->id.data, ngx_min(a->id.len, b->id.len));

    return rc ? rc : (a->id.len > b->id.len) - (a->id.len < b->id.len);
}


/*
 * Makes the draft the pool's contents.  On NGX_OK its memory is theirs; else
 * draft->failed says why not.
 */

static ngx_int_t
ngx_recs_pool_adopt(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    ngx_log_t *log)
{
    ngx_recs_pool_items_t  *items;

    if (draft->failed) {
        return NGX_ERROR;
    }

    items = ngx_pcalloc(draft->memory, sizeof(ngx_recs_pool_items_t));

    if (items == NULL || ngx_recs_pool_unique(pool, draft, items) != NGX_OK) {
        draft->failed = "does not fit into memory";
        return NGX_ERROR;
    }

    items->memory = draft->memory;
    items->refs = 1;
    items->refused = draft->refused;
    items->loaded = ngx_time();

    ngx_recs_pool_log_change(pool, draft, items, log);

    if (pool->items) {
        ngx_recs_pool_release(pool->items);
    }

    pool->items = items;
    pool->failed = 0;

    return NGX_OK;
}


/*
 * Each id once.  A file's order stays, and a second one is its error; a hash
 * has no order and no second one, but may give an entry twice while it is read
 * (https://redis.io/docs/latest/commands/scan/).
 */

static ngx_int_t
ngx_recs_pool_unique(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    ngx_recs_pool_items_t *items)
{
    ngx_uint_t      i, n;
    recs_idset_t    ids;
    recs_object_t  *object;

    object = draft->objects.elts;
    n = draft->objects.nelts;

    if (pool->redis) {
        ngx_qsort(object, n, sizeof(recs_object_t), ngx_recs_pool_compare);
    }

    items->objects = object;
    items->ids = ngx_palloc(draft->memory, n * sizeof(recs_str_t) + 1);
    items->forms = ngx_palloc(draft->memory, n + 1);

    if (items->ids == NULL || items->forms == NULL
        || recs_idset_init(&ids, &draft->mem, n, pool->seed) != RECS_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (!recs_idset_add(&ids, &object[i].id)) {

            if (pool->redis == NULL) {
                draft->entries = i + 1;
                ngx_recs_pool_refuse(draft, "its id was there before");
            }

            continue;
        }

        items->objects[items->n] = object[i];
        items->ids[items->n] = object[i].id;
        items->forms[items->n++] = object[i].forms;
    }

    return NGX_OK;
}


/* One line for what is new about the contents. */

static void
ngx_recs_pool_log_change(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    ngx_recs_pool_items_t *items, ngx_log_t *log)
{
    ngx_recs_pool_items_t  *before;

    before = pool->items;

    if (draft->refused
        && (before == NULL || before->refused != draft->refused))
    {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "recs_pool \"%V\": %ui entries can't be used; "
                      "the first is number %ui: %s",
                      &pool->name, draft->refused, draft->number,
                      draft->error);
    }

    if (items->n == 0 && (before == NULL || before->n)) {
        ngx_log_error(NGX_LOG_WARN, log, 0, "recs_pool \"%V\" is empty",
                      &pool->name);
        return;
    }

    if (pool->failed || (before && before->n == 0 && items->n)) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_pool \"%V\" was read again, %uD items",
                      &pool->name, items->n);
    }
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
ngx_recs_pool_discard(ngx_recs_pool_t *pool)
{
    if (pool->draft) {
        ngx_destroy_pool(pool->draft->memory);
        pool->draft = NULL;
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
        ngx_recs_pool_schedule(pool);

    } else {
        ngx_recs_pool_refresh(&pool->timer);
    }
}


static void
ngx_recs_pool_refresh(ngx_event_t *ev)
{
    ngx_recs_pool_t  *pool;

    pool = ev->data;

    if (pool->file.len) {
        ngx_recs_pool_refresh_file(pool, ev->log);

    } else {
        ngx_recs_pool_refresh_redis(pool, ev->log);
    }
}


/* Up to a tenth sooner, so that workers do not all refresh at once. */

static void
ngx_recs_pool_schedule(ngx_recs_pool_t *pool)
{
    ngx_msec_t  next;

    next = pool->refresh;

    if (pool->items == NULL && next > NGX_RECS_POOL_RETRY) {
        next = NGX_RECS_POOL_RETRY;
    }

    ngx_add_timer(&pool->timer, next - ngx_random() % (next / 10 + 1));
}


static void
ngx_recs_pool_refresh_file(ngx_recs_pool_t *pool, ngx_log_t *log)
{
    ngx_err_t    err;
    const char  *error;

    if (ngx_recs_file_changed(&pool->file, &pool->version)) {

        if (ngx_recs_pool_load(pool, log, &error) != NGX_OK) {
            err = ngx_errno;
            ngx_recs_pool_failed(pool, err, error, &pool->file, log);

        } else {
            ngx_recs_count(pool->counters->refreshes, 1);
        }
    }

    ngx_recs_pool_schedule(pool);
}


static void
ngx_recs_pool_refresh_redis(ngx_recs_pool_t *pool, ngx_log_t *log)
{
    const char  *error;

    pool->draft = ngx_recs_pool_draft(log);

    if (pool->draft == NULL) {
        error = "does not fit into memory";

    } else {
        pool->draft->cursor[0] = '0';
        pool->draft->cursor_len = 1;

        error = ngx_recs_pool_scan(pool);

        if (error == NULL) {
            return;
        }

        ngx_destroy_pool(pool->draft->memory);
        pool->draft = NULL;
    }

    ngx_recs_pool_failed(pool, 0, error, NULL, log);
    ngx_recs_pool_schedule(pool);
}


/* Asks for the next entries.  NULL, or why it can't be asked. */

static const char *
ngx_recs_pool_scan(ngx_recs_pool_t *pool)
{
    size_t                  argvlen[5];
    const char             *argv[5];
    ngx_recs_redis_conn_t  *conn;

    conn = ngx_recs_redis_pick(pool->redis);
    if (conn == NULL) {
        return "redis is away";
    }

    pool->query.value = ngx_recs_pool_value;
    pool->query.done = ngx_recs_pool_done;
    pool->query.data = pool;

    argv[0] = "HSCAN";
    argvlen[0] = 5;
    argv[1] = (const char *) pool->key.data;
    argvlen[1] = pool->key.len;
    argv[2] = (const char *) pool->draft->cursor;
    argvlen[2] = pool->draft->cursor_len;
    argv[3] = "COUNT";
    argvlen[3] = 5;
    argv[4] = NGX_RECS_POOL_STEP;
    argvlen[4] = sizeof(NGX_RECS_POOL_STEP) - 1;

    return ngx_recs_redis_send(conn, &pool->query, 5, argv, argvlen) == NGX_OK
           ? NULL : "redis can't be asked";
}


/* [cursor, [id, object, id, object...]] */

static ngx_int_t
ngx_recs_pool_value(ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v)
{
    recs_str_t              text;
    ngx_recs_pool_t        *pool;
    ngx_recs_pool_draft_t  *draft;

    pool = query->data;
    draft = pool->draft;

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY && v->integer == 2 ? NGX_OK
                                                                  : NGX_ERROR;
    }

    if (v->depth == 1) {
        return v->index == 0 ? ngx_recs_pool_cursor(draft, v)
               : v->type == NGX_RECS_REDIS_ARRAY && v->integer % 2 == 0
                 ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    if (draft->failed) {
        return NGX_OK;
    }

    if (ngx_recs_pool_copy(draft, &v->str, v->index % 2 ? &text : &draft->id)
        != NGX_OK)
    {
        draft->failed = "is too large";
        return NGX_OK;
    }

    if (v->index % 2) {
        ngx_recs_pool_entry(pool, draft, &text, &draft->id);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_pool_cursor(ngx_recs_pool_draft_t *draft, ngx_recs_redis_value_t *v)
{
    if (v->type != NGX_RECS_REDIS_STRING || v->str.len == 0
        || v->str.len > NGX_RECS_POOL_CURSOR)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(draft->cursor, v->str.data, v->str.len);
    draft->cursor_len = v->str.len;

    return NGX_OK;
}


static ngx_int_t
ngx_recs_pool_copy(ngx_recs_pool_draft_t *draft, const ngx_str_t *from,
    recs_str_t *to)
{
    u_char  *p;

    draft->size += from->len;

    if (draft->size > NGX_RECS_POOL_MAX_SIZE) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(draft->memory, from->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, from->data, from->len);

    to->data = p;
    to->len = from->len;

    return NGX_OK;
}


static void
ngx_recs_pool_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_log_t              *log;
    const char             *why;
    ngx_recs_pool_t        *pool;
    ngx_recs_pool_draft_t  *draft;

    pool = query->data;
    draft = pool->draft;
    log = pool->timer.log;

    if (rc == NGX_ERROR) {
        why = "redis answered";

    } else if (rc != NGX_OK) {
        why = "redis is away";

    } else if (draft->failed) {
        why = draft->failed;

    } else if (draft->cursor_len != 1 || draft->cursor[0] != '0') {

        why = ngx_recs_pool_scan(pool);

        if (why == NULL) {
            return;
        }

    } else {
        why = ngx_recs_pool_adopt(pool, draft, log) == NGX_OK ? NULL
                                                             : draft->failed;
    }

    pool->draft = NULL;

    if (why) {
        ngx_recs_pool_failed(pool, 0, why, error, log);
        ngx_destroy_pool(draft->memory);

    } else {
        ngx_recs_count(pool->counters->refreshes, 1);
    }

    ngx_recs_pool_schedule(pool);
}


static void
ngx_recs_pool_failed(ngx_recs_pool_t *pool, ngx_err_t err, const char *why,
    const ngx_str_t *error, ngx_log_t *log)
{
    static ngx_str_t  none = ngx_null_string;

    ngx_recs_count(pool->counters->failures, 1);

    if (pool->failed) {
        return;
    }

    pool->failed = 1;

    ngx_log_error(NGX_LOG_ERR, log, err,
                  "recs_pool \"%V\" could not be read, %s: %s%s%V",
                  &pool->name, pool->items ? "the contents stay"
                                           : "it is empty",
                  why, error ? ": " : "", error ? error : &none);
}
