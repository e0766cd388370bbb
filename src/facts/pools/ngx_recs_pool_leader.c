
#include "ngx_recs_pool_leader.h"

#include "ngx_recs_held.h"
#include "ngx_recs_mem.h"
#include "ngx_recs_pool_image.h"
#include "recs_idset.h"


/* While there is nothing yet, it is tried again so soon, ms. */

#define NGX_RECS_POOL_RETRY     500

/*
 * A hash is read in steps of about so many entries: one big answer would hold
 * up Redis, and the replies that come after it on the connection.  A file is
 * taken in so many entries in a turn of the event loop.
 */

#define NGX_RECS_POOL_STEP      200

#define NGX_RECS_POOL_CURSOR    32      /* bytes; it is a 64-bit number */


/* Entries being read. */

struct ngx_recs_pool_draft_s {
    ngx_pool_t               *memory;
    ngx_pool_t               *scratch;      /* to try an entry in */
    recs_mem_t                mem;
    recs_mem_t                scratch_mem;
    ngx_array_t               entries;      /* recs_entry_t: those of use */
    size_t                    size;         /* bytes read */

    ngx_uint_t                nread;        /* entries */
    ngx_uint_t                refused;      /* of these: can't be used */
    const char               *error;        /* the first one's */
    ngx_uint_t                number;       /* the first one's, from 1 */

    const char               *failed;       /* why it comes to nothing */

    /* from a file */

    ngx_str_t                 rest;
    ngx_recs_file_version_t   version;

    /* from Redis */

    recs_str_t                id;           /* of the entry being read */
    u_char                    cursor[NGX_RECS_POOL_CURSOR];
    size_t                    cursor_len;
    ngx_uint_t                pieces;       /* that were asked for */
    ngx_uint_t                proving;      /* the last one only shows if the
                                               key is still there */
    ngx_uint_t                shown;        /* it has an entry */
};


static ngx_recs_pool_draft_t *ngx_recs_pool_draft(ngx_log_t *log);
static void ngx_recs_pool_draft_free(ngx_recs_pool_draft_t *draft);
static void ngx_recs_pool_entry(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, recs_str_t *text, recs_str_t *id);
static ngx_int_t ngx_recs_pool_add(ngx_recs_pool_draft_t *draft,
    const recs_str_t *text, const recs_str_t *id);
static void ngx_recs_pool_refuse(ngx_recs_pool_draft_t *draft,
    const char *error);
static ngx_int_t ngx_recs_pool_finish(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, ngx_recs_pool_entries_t *entries);
static ngx_int_t ngx_recs_pool_unique(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft);
static void ngx_recs_pool_log_change(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, const recs_entries_t *before,
    ngx_log_t *log);

static void ngx_recs_pool_log_few(ngx_recs_pool_t *pool, ngx_uint_t n,
    ngx_log_t *log);

static void ngx_recs_pool_gained(void *data);
static void ngx_recs_pool_lost(void *data);
static void ngx_recs_pool_refresh(ngx_event_t *ev);
static void ngx_recs_pool_schedule(ngx_recs_pool_t *pool, ngx_int_t rc);
static void ngx_recs_pool_held_of(ngx_recs_pool_t *pool,
    ngx_recs_held_of_t *of);
static void ngx_recs_pool_keep(ngx_recs_pool_t *pool, recs_guard_e why,
    ngx_uint_t had, ngx_uint_t n);
static void ngx_recs_pool_published(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, const recs_entries_t *before);
static ngx_int_t ngx_recs_pool_deliver(ngx_recs_pool_t *pool);
static void ngx_recs_pool_failed(ngx_recs_pool_t *pool, ngx_err_t err,
    const char *why, const ngx_str_t *error);

static void ngx_recs_pool_refresh_file(ngx_recs_pool_t *pool);
static ngx_int_t ngx_recs_pool_open_file(ngx_recs_pool_t *pool);
static void ngx_recs_pool_file_again(ngx_recs_pool_t *pool);
static ngx_int_t ngx_recs_pool_lines(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, ngx_uint_t n);

static void ngx_recs_pool_refresh_redis(ngx_recs_pool_t *pool);
static const char *ngx_recs_pool_scan(ngx_recs_pool_t *pool);
static const char *ngx_recs_pool_prove(ngx_recs_pool_t *pool);
static ngx_uint_t ngx_recs_pool_gone(const ngx_recs_pool_draft_t *draft);
static ngx_int_t ngx_recs_pool_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_pool_cursor(ngx_recs_pool_draft_t *draft,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_pool_copy_value(ngx_recs_pool_t *pool,
    const ngx_str_t *from, recs_str_t *to);
static void ngx_recs_pool_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);


ngx_int_t
ngx_recs_pool_load(ngx_recs_pool_t *pool, ngx_log_t *log, const char **error)
{
    ngx_int_t                 rc;
    ngx_recs_pool_draft_t    *draft;
    ngx_recs_pool_entries_t   entries;

    ngx_set_errno(0);
    *error = "does not fit into memory";

    draft = ngx_recs_pool_draft(log);
    if (draft == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_recs_file_read_lines(&pool->file, draft->memory, &draft->rest,
                                  &draft->version, error);

    if (rc == NGX_OK) {
        (void) ngx_recs_pool_lines(pool, draft, NGX_MAX_UINT32_VALUE);

        rc = ngx_recs_pool_finish(pool, draft, &entries);

        if (rc == NGX_OK) {
            rc = ngx_recs_pool_build(pool, &entries, log);
        }

        ngx_set_errno(0);
        *error = draft->failed ? draft->failed : "does not fit into memory";
    }

    if (rc == NGX_OK) {
        ngx_recs_pool_log_change(pool, draft, NULL, log);
        ngx_recs_pool_log_few(pool, draft->entries.nelts, log);
        *error = NULL;
    }

    ngx_recs_pool_draft_free(draft);

    return rc;
}


static ngx_recs_pool_draft_t *
ngx_recs_pool_draft(ngx_log_t *log)
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
        || ngx_array_init(&draft->entries, memory, 64, sizeof(recs_entry_t))
           != NGX_OK)
    {
        ngx_destroy_pool(memory);

        if (scratch) {
            ngx_destroy_pool(scratch);
        }

        return NULL;
    }

    draft->memory = memory;
    draft->scratch = scratch;
    ngx_recs_mem(&draft->mem, memory);
    ngx_recs_mem(&draft->scratch_mem, scratch);

    return draft;
}


static void
ngx_recs_pool_draft_free(ngx_recs_pool_draft_t *draft)
{
    ngx_destroy_pool(draft->scratch);
    ngx_destroy_pool(draft->memory);
}


void
ngx_recs_pool_leader_free(ngx_recs_pool_t *pool)
{
    if (pool->draft) {
        ngx_recs_pool_draft_free(pool->draft);
        pool->draft = NULL;
    }
}


/* Takes in an entry, whose bytes stay; id: NULL if only the object has it. */

static void
ngx_recs_pool_entry(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    recs_str_t *text, recs_str_t *id)
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

    error = ngx_recs_pool_read_entry(pool, &draft->scratch_mem, text, &object,
                                     &weight, &category);

    if (error) {
        ngx_recs_pool_refuse(draft, error);

    } else if (ngx_recs_pool_add(draft, text, &object.id) != NGX_OK) {
        draft->failed = "does not fit into memory";
    }

    ngx_reset_pool(draft->scratch);
}


static ngx_int_t
ngx_recs_pool_add(ngx_recs_pool_draft_t *draft, const recs_str_t *text,
    const recs_str_t *id)
{
    u_char        *p;
    recs_entry_t  *entry;

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
ngx_recs_pool_refuse(ngx_recs_pool_draft_t *draft, const char *error)
{
    if (draft->refused++ == 0) {
        draft->error = error;
        draft->number = draft->nread;
    }
}


static int ngx_libc_cdecl
ngx_recs_pool_compare(const void *one, const void *two)
{
    int                  rc;
    const recs_entry_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memcmp(a->id.data, b->id.data, ngx_min(a->id.len, b->id.len));

    return rc ? rc : (a->id.len > b->id.len) - (a->id.len < b->id.len);
}


/*
 * Makes bytes of what was read, in the draft's memory.  NGX_OK, or NGX_ERROR
 * and draft->failed says why.
 */

static ngx_int_t
ngx_recs_pool_finish(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    ngx_recs_pool_entries_t *entries)
{
    u_char  *p;
    size_t   size;

    if (draft->failed) {
        return NGX_ERROR;
    }

    draft->failed = "does not fit into memory";

    if (ngx_recs_pool_unique(pool, draft) != NGX_OK) {
        return NGX_ERROR;
    }

    size = recs_entries_size(draft->entries.elts, draft->entries.nelts);

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

    recs_entries_write(p, draft->entries.elts, draft->entries.nelts,
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
ngx_recs_pool_unique(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft)
{
    ngx_uint_t     i, n;
    recs_entry_t  *entry;
    recs_idset_t   ids;

    entry = draft->entries.elts;
    n = draft->entries.nelts;

    if (pool->redis) {
        ngx_qsort(entry, n, sizeof(recs_entry_t), ngx_recs_pool_compare);
    }

    if (recs_idset_init(&ids, &draft->mem, n, pool->seed) != RECS_OK) {
        return NGX_ERROR;
    }

    draft->entries.nelts = 0;

    for (i = 0; i < n; i++) {

        if (recs_idset_add(&ids, &entry[i].id)) {
            entry[draft->entries.nelts++] = entry[i];

        } else if (pool->redis == NULL) {
            draft->nread = i + 1;
            ngx_recs_pool_refuse(draft, "its id was there before");
        }
    }

    return NGX_OK;
}


/* One line for what is new; before: NULL, nothing is known. */

static void
ngx_recs_pool_log_change(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    const recs_entries_t *before, ngx_log_t *log)
{
    ngx_uint_t  n;

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


/* With the configuration; that it is empty was logged. */

static void
ngx_recs_pool_log_few(ngx_recs_pool_t *pool, ngx_uint_t n, ngx_log_t *log)
{
    if (n && n < pool->guard.min_members) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "recs_pool \"%V\" has %ui items, fewer than "
                      "\"min_members=%uL\": they are not used",
                      &pool->name, n, pool->guard.min_members);
    }
}


ngx_int_t
ngx_recs_pool_leader_init_worker(ngx_recs_pool_t *pool,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle)
{
    pool->leader = leader;

    pool->timer.handler = ngx_recs_pool_refresh;
    pool->timer.data = pool;
    pool->timer.log = cycle->log;
    pool->timer.cancelable = 1;

    pool->user.gained = ngx_recs_pool_gained;
    pool->user.lost = ngx_recs_pool_lost;
    pool->user.data = pool;

    ngx_recs_leader_add(leader, &pool->user);

    if (pool->image_path.len) {
        pool->image = ngx_recs_pool_image_init(pool, cycle);
        if (pool->image == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_recs_pool_leader_exit_worker(ngx_recs_pool_t *pool)
{
    if (pool->image) {
        ngx_recs_image_exit(&pool->image->image);
    }
}


static void
ngx_recs_pool_gained(void *data)
{
    ngx_recs_pool_t *pool = data;

    if (pool->image) {
        ngx_recs_image_start(&pool->image->image);

        if (ngx_recs_pool_image_read(pool->image)) {
            return;
        }
    }

    ngx_recs_pool_refresh(&pool->timer);
}


static void
ngx_recs_pool_lost(void *data)
{
    ngx_recs_pool_t *pool = data;

    if (pool->timer.timer_set) {
        ngx_del_timer(&pool->timer);
    }

    if (pool->timer.posted) {
        ngx_delete_posted_event(&pool->timer);
    }

    if (pool->image) {
        ngx_recs_pool_image_lost(pool->image);
    }

    ngx_recs_redis_forget(&pool->query);
    ngx_recs_pool_leader_free(pool);
}


static void
ngx_recs_pool_refresh(ngx_event_t *ev)
{
    ngx_recs_pool_t  *pool;

    pool = ev->data;

    if (pool->file.len) {
        ngx_recs_pool_refresh_file(pool);

    } else {
        ngx_recs_pool_refresh_redis(pool);
    }
}


/*
 * Soon, if nothing came of it yet, or rc says that it could not be published;
 * up to a tenth sooner, so that many nginxes do not all ask at once.
 */

static void
ngx_recs_pool_schedule(ngx_recs_pool_t *pool, ngx_int_t rc)
{
    ngx_msec_t  next;

    next = pool->refresh;

    if ((rc == NGX_BUSY || pool->shared->generation == 0
         || (pool->shared->image.used && pool->shared->held.why == 0))
        && next > NGX_RECS_POOL_RETRY)
    {
        next = NGX_RECS_POOL_RETRY;
    }

    ngx_add_timer(&pool->timer, next - ngx_random() % (next / 10 + 1));
}


static void
ngx_recs_pool_held_of(ngx_recs_pool_t *pool, ngx_recs_held_of_t *of)
{
    of->directive = "recs_pool";
    of->name = &pool->name;
    of->redis = pool->redis;
    of->source = pool->redis ? &pool->key : &pool->file;
    of->members = "items";
    of->none = "there is nothing to put into pages";
}


/* What was read is not believed: what there is stays. */

static void
ngx_recs_pool_keep(ngx_recs_pool_t *pool, recs_guard_e why, ngx_uint_t had,
    ngx_uint_t n)
{
    ngx_recs_held_of_t       of;
    ngx_recs_pool_shared_t  *shared;

    shared = pool->shared;

    ngx_recs_count(pool->counters->failures, 1);

    shared->failed = 0;

    if (recs_guard_hold(&pool->guard, &shared->held, why, had, n,
                        ngx_current_msec, ngx_time()))
    {
        ngx_recs_pool_held_of(pool, &of);
        ngx_recs_held_log(&of, &pool->guard, &shared->held, pool->timer.log);
    }
}


/* Publishes the draft, which goes, unless it is held back. */

static ngx_int_t
ngx_recs_pool_deliver(ngx_recs_pool_t *pool)
{
    ngx_int_t                 rc;
    ngx_uint_t                known, n;
    recs_guard_e              verdict;
    recs_entries_t            before;
    ngx_recs_held_of_t        of;
    ngx_recs_pool_draft_t    *draft;
    ngx_recs_pool_entries_t   entries;

    draft = pool->draft;

    if (ngx_recs_pool_finish(pool, draft, &entries) != NGX_OK) {
        ngx_recs_pool_failed(pool, 0, draft->failed,
                             pool->file.len ? &pool->file : NULL);
        ngx_recs_pool_leader_free(pool);
        return NGX_ERROR;
    }

    known = ngx_recs_pool_before(pool, &before);
    n = ngx_recs_pool_gone(draft) ? 0 : draft->entries.nelts;

    verdict = recs_guard_judge(&pool->guard, &pool->shared->held,
                               known ? before.left : 0, n, ngx_current_msec);

    if (recs_guard_holds(verdict)) {
        ngx_recs_pool_keep(pool, verdict, known ? before.left : 0, n);
        ngx_recs_pool_leader_free(pool);
        return NGX_OK;
    }

    rc = ngx_recs_pool_publish(pool, &entries, ngx_time());

    if (rc == NGX_OK) {
        ngx_recs_pool_published(pool, draft, known ? &before : NULL);
    }

    if (rc == NGX_OK && verdict == RECS_GUARD_BELIEVE) {
        ngx_recs_pool_held_of(pool, &of);
        ngx_recs_held_log_believed(&of, before.left, n, pool->timer.log);
    }

    ngx_recs_pool_leader_free(pool);

    return rc;
}


static void
ngx_recs_pool_published(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    const recs_entries_t *before)
{
    ngx_recs_count(pool->counters->refreshes, 1);

    ngx_recs_pool_log_change(pool, draft, before, pool->timer.log);

    pool->shared->failed = 0;
    pool->shared->image.used = 0;
    (void) recs_guard_release(&pool->shared->held);
}


static void
ngx_recs_pool_failed(ngx_recs_pool_t *pool, ngx_err_t err, const char *why,
    const ngx_str_t *error)
{
    static ngx_str_t  none = ngx_null_string;

    ngx_recs_count(pool->counters->failures, 1);

    if (pool->shared->failed) {
        return;
    }

    pool->shared->failed = 1;

    ngx_log_error(NGX_LOG_ERR, pool->timer.log, err,
                  "recs_pool \"%V\" could not be read, %s: %s%s%V",
                  &pool->name,
                  pool->shared->generation ? "the contents stay"
                                           : "it is empty",
                  why, error ? ": " : "", error ? error : &none);
}


static void
ngx_recs_pool_refresh_file(ngx_recs_pool_t *pool)
{
    ngx_int_t  rc;

    if (pool->draft == NULL) {
        rc = ngx_recs_pool_open_file(pool);

        if (rc != NGX_AGAIN) {
            ngx_recs_pool_schedule(pool, rc);
            return;
        }
    }

    if (ngx_recs_pool_lines(pool, pool->draft, NGX_RECS_POOL_STEP)
        == NGX_AGAIN)
    {
        ngx_post_event(&pool->timer, &ngx_posted_next_events);
        return;
    }

    ngx_recs_pool_schedule(pool, ngx_recs_pool_deliver(pool));
}


/* NGX_AGAIN: it is to be read, into the draft; else there is no more to do. */

static ngx_int_t
ngx_recs_pool_open_file(ngx_recs_pool_t *pool)
{
    ngx_err_t                 err;
    ngx_int_t                 rc;
    const char               *error;
    ngx_file_info_t           fi;
    ngx_atomic_uint_t         generation;
    ngx_recs_pool_draft_t    *draft;
    ngx_recs_pool_entries_t   published;

    rc = ngx_recs_pool_entries(pool, NULL, &published, &generation);

    if (ngx_file_info(pool->file.data, &fi) == NGX_FILE_ERROR) {
        err = ngx_errno;
        ngx_recs_pool_failed(pool, err, ngx_file_info_n " failed",
                             &pool->file);
        return NGX_ERROR;
    }

    if (rc == NGX_OK && !ngx_recs_file_changed(&pool->file, &published.version))
    {
        ngx_recs_pool_file_again(pool);
        return NGX_OK;
    }

    if (pool->items
        && !ngx_recs_file_changed(&pool->file, &pool->items->entries.version))
    {

        /* as it was read with the configuration */

        return ngx_recs_pool_publish(pool, &pool->items->entries, ngx_time());
    }

    draft = ngx_recs_pool_draft(pool->timer.log);

    if (draft == NULL) {
        ngx_recs_pool_failed(pool, 0, "does not fit into memory", NULL);
        return NGX_ERROR;
    }

    if (ngx_recs_file_read_lines(&pool->file, draft->memory, &draft->rest,
                                 &draft->version, &error)
        != NGX_OK)
    {
        err = ngx_errno;
        ngx_recs_pool_failed(pool, err, error, &pool->file);
        ngx_recs_pool_draft_free(draft);
        return NGX_ERROR;
    }

    pool->draft = draft;

    return NGX_AGAIN;
}


/* The file is that of the contents; in between it was another, or gone. */

static void
ngx_recs_pool_file_again(ngx_recs_pool_t *pool)
{
    int  held;

    held = recs_guard_release(&pool->shared->held);

    if (held || pool->shared->failed) {
        pool->shared->failed = 0;
        ngx_log_error(NGX_LOG_NOTICE, pool->timer.log, 0,
                      "recs_pool \"%V\": its file is what it was before",
                      &pool->name);
    }
}


/* The next n entries.  NGX_OK: that was all; NGX_AGAIN */

static ngx_int_t
ngx_recs_pool_lines(ngx_recs_pool_t *pool, ngx_recs_pool_draft_t *draft,
    ngx_uint_t n)
{
    ngx_str_t    line;
    recs_str_t   text;

    while (n) {

        if (!ngx_recs_file_line(&draft->rest, &line)) {
            return NGX_OK;
        }

        if (line.len) {
            text = ngx_recs_span(&line);
            ngx_recs_pool_entry(pool, draft, &text, NULL);
            n--;
        }
    }

    return NGX_AGAIN;
}


static void
ngx_recs_pool_refresh_redis(ngx_recs_pool_t *pool)
{
    const char  *error;

    pool->draft = ngx_recs_pool_draft(pool->timer.log);

    if (pool->draft == NULL) {
        error = "does not fit into memory";

    } else {
        pool->draft->cursor[0] = '0';
        pool->draft->cursor_len = 1;

        error = ngx_recs_pool_scan(pool);

        if (error == NULL) {
            return;
        }

        ngx_recs_pool_leader_free(pool);
    }

    ngx_recs_pool_failed(pool, 0, error, NULL);
    ngx_recs_pool_schedule(pool, NGX_ERROR);
}


/* Asks for the next entries.  NULL, or why it can't be asked. */

static const char *
ngx_recs_pool_scan(ngx_recs_pool_t *pool)
{
    u_char                  count[NGX_INT_T_LEN];
    ngx_str_t               args[5];
    ngx_recs_redis_conn_t  *conn;

    conn = ngx_recs_redis_pick(pool->redis, &pool->key);
    if (conn == NULL) {
        return "redis is away";
    }

    pool->query.value = ngx_recs_pool_value;
    pool->query.done = ngx_recs_pool_done;
    pool->query.data = pool;

    ngx_str_set(&args[0], "HSCAN");
    args[1] = pool->key;
    args[2].data = pool->draft->cursor;
    args[2].len = pool->draft->cursor_len;
    ngx_str_set(&args[3], "COUNT");
    args[4].data = count;
    args[4].len = ngx_sprintf(count, "%d", pool->draft->proving
                                           ? 1 : NGX_RECS_POOL_STEP) - count;

    pool->draft->pieces++;

    return ngx_recs_redis_send(conn, &pool->query, 5, args) == NGX_OK
           ? NULL : "redis can't be asked";
}


/*
 * What is read in pieces ends early, as if that had been all, when the key goes
 * meanwhile.  Is an entry there?
 */

static const char *
ngx_recs_pool_prove(ngx_recs_pool_t *pool)
{
    pool->draft->proving = 1;
    pool->draft->cursor[0] = '0';
    pool->draft->cursor_len = 1;

    return ngx_recs_pool_scan(pool);
}


/* A piece may be empty, and not the last one. */

static ngx_uint_t
ngx_recs_pool_gone(const ngx_recs_pool_draft_t *draft)
{
    return draft->proving && !draft->shown && draft->cursor_len == 1
           && draft->cursor[0] == '0';
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

    if (draft->proving) {
        draft->shown = 1;
        return NGX_OK;
    }

    if (draft->failed) {
        return NGX_OK;
    }

    if (ngx_recs_pool_copy_value(pool, &v->str,
                                 v->index % 2 ? &text : &draft->id)
        != NGX_OK)
    {
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


/* Some may come twice, and some can't be used: twice the size is too much. */

static ngx_int_t
ngx_recs_pool_copy_value(ngx_recs_pool_t *pool, const ngx_str_t *from,
    recs_str_t *to)
{
    u_char                 *p;
    ngx_recs_pool_draft_t  *draft;

    draft = pool->draft;
    draft->size += from->len;

    if (draft->size / 2 > pool->size) {
        (void) ngx_snprintf(pool->why, sizeof(pool->why),
                            "does not fit into size=%uzk, by far%Z",
                            pool->size / 1024);
        draft->failed = (const char *) pool->why;
        return NGX_ERROR;
    }

    p = ngx_pnalloc(draft->memory, from->len + 1);
    if (p == NULL) {
        draft->failed = "does not fit into memory";
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
    const char             *why;
    ngx_recs_pool_t        *pool;
    ngx_recs_pool_draft_t  *draft;

    pool = query->data;
    draft = pool->draft;

    if (rc == NGX_ERROR) {
        why = "redis answered";

    } else if (rc != NGX_OK) {
        why = "redis is away";

    } else if (draft->failed) {
        why = draft->failed;

    } else if (!draft->proving
               && (draft->cursor_len != 1 || draft->cursor[0] != '0'))
    {
        why = ngx_recs_pool_scan(pool);

        if (why == NULL) {
            return;
        }

    } else if (!draft->proving && draft->pieces > 1) {

        why = ngx_recs_pool_prove(pool);

        if (why == NULL) {
            return;
        }

    } else {
        ngx_recs_pool_schedule(pool, ngx_recs_pool_deliver(pool));
        return;
    }

    ngx_recs_pool_failed(pool, 0, why, error);
    ngx_recs_pool_leader_free(pool);
    ngx_recs_pool_schedule(pool, rc);
}
