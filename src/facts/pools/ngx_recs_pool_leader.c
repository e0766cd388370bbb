
/*
 * The leader reads a pool's source at each refresh; what it says is published,
 * or held back, and logged.
 */


#include "ngx_recs_pool_leader.h"

#include "ngx_recs_held.h"
#include "ngx_recs_pool_file.h"
#include "ngx_recs_pool_image.h"
#include "ngx_recs_pool_redis.h"


/* While there is nothing yet, it is tried again so soon, ms. */

#define NGX_RECS_POOL_RETRY     500

/* While it is not known which servers Redis has, ms. */

#define NGX_RECS_POOL_BEGIN     20


static void ngx_recs_pool_leader_gained(void *data);
static void ngx_recs_pool_leader_lost(void *data);
static void ngx_recs_pool_leader_refresh(ngx_event_t *ev);
static void ngx_recs_pool_leader_refresh_file(ngx_recs_pool_t *pool);
static ngx_int_t ngx_recs_pool_leader_open_file(ngx_recs_pool_t *pool);
static void ngx_recs_pool_leader_file_again(ngx_recs_pool_t *pool);
static void ngx_recs_pool_leader_refresh_redis(ngx_recs_pool_t *pool);
static void ngx_recs_pool_leader_redis_told(ngx_recs_pool_t *pool,
    const char *why, const ngx_str_t *error);
static void ngx_recs_pool_leader_schedule(ngx_recs_pool_t *pool, ngx_int_t rc);
static ngx_int_t ngx_recs_pool_leader_deliver(ngx_recs_pool_t *pool);
static void ngx_recs_pool_leader_keep(ngx_recs_pool_t *pool, recs_guard_e why,
    ngx_uint_t had, ngx_uint_t n);
static void ngx_recs_pool_leader_held_of(ngx_recs_pool_t *pool,
    ngx_recs_held_of_t *of);
static void ngx_recs_pool_leader_published(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, const recs_pool_reader_t *before);
static void ngx_recs_pool_leader_failed(ngx_recs_pool_t *pool, ngx_err_t err,
    const char *why, const ngx_str_t *error);


ngx_int_t
ngx_recs_pool_leader_init_worker(ngx_recs_pool_t *pool,
    ngx_recs_leader_t *leader, ngx_cycle_t *cycle)
{
    pool->leader = leader;

    pool->timer.handler = ngx_recs_pool_leader_refresh;
    pool->timer.data = pool;
    pool->timer.log = cycle->log;
    pool->timer.cancelable = 1;

    pool->user.gained = ngx_recs_pool_leader_gained;
    pool->user.lost = ngx_recs_pool_leader_lost;
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


void
ngx_recs_pool_leader_free(ngx_recs_pool_t *pool)
{
    if (pool->draft) {
        ngx_recs_pool_draft_free(pool->draft);
        pool->draft = NULL;
    }
}


static void
ngx_recs_pool_leader_gained(void *data)
{
    ngx_recs_pool_t *pool = data;

    if (pool->image) {
        ngx_recs_image_start(&pool->image->image);

        if (ngx_recs_pool_image_read(pool->image)) {
            return;
        }
    }

    ngx_recs_pool_leader_refresh(&pool->timer);
}


static void
ngx_recs_pool_leader_lost(void *data)
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
ngx_recs_pool_leader_refresh(ngx_event_t *ev)
{
    ngx_recs_pool_t  *pool;

    pool = ev->data;

    if (pool->file.len) {
        ngx_recs_pool_leader_refresh_file(pool);

    } else {
        ngx_recs_pool_leader_refresh_redis(pool);
    }
}


static void
ngx_recs_pool_leader_refresh_file(ngx_recs_pool_t *pool)
{
    ngx_int_t  rc;

    if (pool->draft == NULL) {
        rc = ngx_recs_pool_leader_open_file(pool);

        if (rc != NGX_AGAIN) {
            ngx_recs_pool_leader_schedule(pool, rc);
            return;
        }
    }

    if (ngx_recs_pool_file_lines(pool->draft, NGX_RECS_POOL_STEP)
        == NGX_AGAIN)
    {
        ngx_post_event(&pool->timer, &ngx_posted_next_events);
        return;
    }

    ngx_recs_pool_leader_schedule(pool, ngx_recs_pool_leader_deliver(pool));
}


/* NGX_AGAIN: it is to be read, into the draft; else there is no more to do. */

static ngx_int_t
ngx_recs_pool_leader_open_file(ngx_recs_pool_t *pool)
{
    ngx_err_t                 err;
    ngx_int_t                 rc;
    const char               *error;
    ngx_file_info_t           fi;
    ngx_atomic_uint_t         generation;
    ngx_recs_pool_entries_t   published;

    rc = ngx_recs_pool_entries(pool, NULL, &published, &generation);

    if (ngx_file_info(pool->file.data, &fi) == NGX_FILE_ERROR) {
        err = ngx_errno;
        ngx_recs_pool_leader_failed(pool, err, ngx_file_info_n " failed",
                                    &pool->file);
        return NGX_ERROR;
    }

    if (rc == NGX_OK && !ngx_recs_file_changed(&pool->file, &published.version))
    {
        ngx_recs_pool_leader_file_again(pool);
        return NGX_OK;
    }

    if (pool->items
        && !ngx_recs_file_changed(&pool->file, &pool->items->entries.version))
    {

        /* as it was read with the configuration */

        return ngx_recs_pool_publish(pool, &pool->items->entries, ngx_time());
    }

    pool->draft = ngx_recs_pool_file_open(pool, pool->timer.log, &error);

    if (pool->draft == NULL) {
        err = ngx_errno;
        ngx_recs_pool_leader_failed(pool, err, error, &pool->file);
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* The file is again that of the contents; meanwhile it was another, or gone. */

static void
ngx_recs_pool_leader_file_again(ngx_recs_pool_t *pool)
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


static void
ngx_recs_pool_leader_refresh_redis(ngx_recs_pool_t *pool)
{
    const char  *why;

    if (ngx_recs_redis_begins(pool->redis)) {
        ngx_add_timer(&pool->timer, NGX_RECS_POOL_BEGIN);
        return;
    }

    why = ngx_recs_pool_redis_read(pool, pool->timer.log,
                                   ngx_recs_pool_leader_redis_told);

    if (why) {
        ngx_recs_pool_leader_redis_told(pool, why, NULL);
    }
}


/* The hash was read, unless there is a reason why not. */

static void
ngx_recs_pool_leader_redis_told(ngx_recs_pool_t *pool, const char *why,
    const ngx_str_t *error)
{
    if (why == NULL) {
        ngx_recs_pool_leader_schedule(pool, ngx_recs_pool_leader_deliver(pool));
        return;
    }

    ngx_recs_pool_leader_failed(pool, 0, why, error);
    ngx_recs_pool_leader_free(pool);
    ngx_recs_pool_leader_schedule(pool, NGX_ERROR);
}


/*
 * Soon, if nothing came of it yet, or rc says that it could not be published;
 * up to a tenth sooner, so that many nginxes do not all ask at once.
 */

static void
ngx_recs_pool_leader_schedule(ngx_recs_pool_t *pool, ngx_int_t rc)
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


/* Publishes the draft, which goes, unless it is held back. */

static ngx_int_t
ngx_recs_pool_leader_deliver(ngx_recs_pool_t *pool)
{
    ngx_int_t                 rc;
    ngx_uint_t                known, n;
    recs_guard_e              verdict;
    recs_pool_reader_t        before;
    ngx_recs_held_of_t        of;
    ngx_recs_pool_draft_t    *draft;
    ngx_recs_pool_entries_t   entries;

    draft = pool->draft;

    if (ngx_recs_pool_draft_finish(draft, &entries) != NGX_OK) {
        ngx_recs_pool_leader_failed(pool, 0, draft->failed,
                                    pool->file.len ? &pool->file : NULL);
        ngx_recs_pool_leader_free(pool);
        return NGX_ERROR;
    }

    known = ngx_recs_pool_before(pool, &before);
    n = draft->gone ? 0 : draft->entries.nelts;

    verdict = recs_guard_judge(&pool->guard, &pool->shared->held,
                               known ? before.left : 0, n, ngx_current_msec);

    if (recs_guard_holds(verdict)) {
        ngx_recs_pool_leader_keep(pool, verdict, known ? before.left : 0, n);
        ngx_recs_pool_leader_free(pool);
        return NGX_OK;
    }

    rc = ngx_recs_pool_publish(pool, &entries, ngx_time());

    if (rc == NGX_OK) {
        ngx_recs_pool_leader_published(pool, draft, known ? &before : NULL);
    }

    if (rc == NGX_OK && verdict == RECS_GUARD_BELIEVE) {
        ngx_recs_pool_leader_held_of(pool, &of);
        ngx_recs_held_log_believed(&of, before.left, n, pool->timer.log);
    }

    ngx_recs_pool_leader_free(pool);

    return rc;
}


/* What was read is not believed: what there is stays. */

static void
ngx_recs_pool_leader_keep(ngx_recs_pool_t *pool, recs_guard_e why,
    ngx_uint_t had, ngx_uint_t n)
{
    ngx_recs_held_of_t       of;
    ngx_recs_pool_shared_t  *shared;

    shared = pool->shared;

    ngx_recs_count(pool->counters->failures, 1);

    shared->failed = 0;

    if (recs_guard_hold(&pool->guard, &shared->held, why, had, n,
                        ngx_current_msec, ngx_time()))
    {
        ngx_recs_pool_leader_held_of(pool, &of);
        ngx_recs_held_log(&of, &pool->guard, &shared->held, pool->timer.log);
    }
}


static void
ngx_recs_pool_leader_held_of(ngx_recs_pool_t *pool, ngx_recs_held_of_t *of)
{
    of->directive = "recs_pool";
    of->name = &pool->name;
    of->redis = pool->redis;
    of->source = pool->redis ? &pool->key : &pool->file;
    of->members = "items";
    of->none = "there is nothing to put into pages";
}


static void
ngx_recs_pool_leader_published(ngx_recs_pool_t *pool,
    ngx_recs_pool_draft_t *draft, const recs_pool_reader_t *before)
{
    ngx_recs_count(pool->counters->refreshes, 1);

    ngx_recs_pool_draft_log(draft, before, pool->timer.log);

    pool->shared->failed = 0;
    pool->shared->image.used = 0;
    (void) recs_guard_release(&pool->shared->held);
}


static void
ngx_recs_pool_leader_failed(ngx_recs_pool_t *pool, ngx_err_t err,
    const char *why, const ngx_str_t *error)
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
