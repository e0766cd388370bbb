
/* A pool's hash in Redis, read into a draft. */


#include "ngx_recs_pool_redis.h"


static const char *ngx_recs_pool_redis_scan(ngx_recs_pool_t *pool);
static const char *ngx_recs_pool_redis_prove(ngx_recs_pool_t *pool);
static ngx_int_t ngx_recs_pool_redis_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_pool_redis_cursor(ngx_recs_pool_draft_t *draft,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_pool_redis_copy_value(ngx_recs_pool_t *pool,
    const ngx_str_t *from, recs_str_t *to);
static void ngx_recs_pool_redis_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static ngx_uint_t ngx_recs_pool_redis_ended(const ngx_recs_pool_draft_t *draft);


const char *
ngx_recs_pool_redis_read(ngx_recs_pool_t *pool, ngx_log_t *log,
    void (*handler)(ngx_recs_pool_t *pool, const char *why,
                    const ngx_str_t *error))
{
    const char             *why;
    ngx_recs_pool_draft_t  *draft;

    draft = ngx_recs_pool_draft_create(pool, log);
    if (draft == NULL) {
        return "does not fit into memory";
    }

    pool->draft = draft;
    draft->handler = handler;
    draft->cursor[0] = '0';
    draft->cursor_len = 1;

    why = ngx_recs_pool_redis_scan(pool);

    if (why) {
        pool->draft = NULL;
        ngx_recs_pool_draft_free(draft);
    }

    return why;
}


/* Asks for the next entries.  NULL, or why it can't be asked. */

static const char *
ngx_recs_pool_redis_scan(ngx_recs_pool_t *pool)
{
    u_char                  count[NGX_INT_T_LEN];
    ngx_str_t               args[5];
    ngx_recs_redis_conn_t  *conn;

    conn = ngx_recs_redis_pick_patient(pool->redis, &pool->key);
    if (conn == NULL) {
        return "redis is away";
    }

    pool->query.value = ngx_recs_pool_redis_value;
    pool->query.done = ngx_recs_pool_redis_done;
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
ngx_recs_pool_redis_prove(ngx_recs_pool_t *pool)
{
    pool->draft->proving = 1;
    pool->draft->cursor[0] = '0';
    pool->draft->cursor_len = 1;

    return ngx_recs_pool_redis_scan(pool);
}


/* [cursor, [id, object, id, object...]] */

static ngx_int_t
ngx_recs_pool_redis_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
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
        return v->index == 0 ? ngx_recs_pool_redis_cursor(draft, v)
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

    if (ngx_recs_pool_redis_copy_value(pool, &v->str,
                                       v->index % 2 ? &text : &draft->id)
        != NGX_OK)
    {
        return NGX_OK;
    }

    if (v->index % 2) {
        ngx_recs_pool_draft_add(draft, &text, &draft->id);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_pool_redis_cursor(ngx_recs_pool_draft_t *draft,
    ngx_recs_redis_value_t *v)
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


/*
 * Some entries may come twice, and some can't be used: only twice the pool's
 * size is surely too much.
 */

static ngx_int_t
ngx_recs_pool_redis_copy_value(ngx_recs_pool_t *pool, const ngx_str_t *from,
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
ngx_recs_pool_redis_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    const char             *why;
    ngx_recs_pool_t        *pool;
    ngx_recs_pool_draft_t  *draft;

    pool = query->data;
    draft = pool->draft;

    if (rc == NGX_ERROR) {
        draft->handler(pool, "redis answered", error);
        return;
    }

    if (rc != NGX_OK) {
        draft->handler(pool, "redis is away", NULL);
        return;
    }

    why = draft->failed;

    if (why == NULL && !draft->proving) {

        if (!ngx_recs_pool_redis_ended(draft)) {
            why = ngx_recs_pool_redis_scan(pool);

            if (why == NULL) {
                return;
            }

        } else if (draft->pieces > 1) {
            why = ngx_recs_pool_redis_prove(pool);

            if (why == NULL) {
                return;
            }
        }
    }

    /* a piece may be empty, and not the last one */

    draft->gone = draft->proving && !draft->shown
                  && ngx_recs_pool_redis_ended(draft);

    draft->handler(pool, why, NULL);
}


static ngx_uint_t
ngx_recs_pool_redis_ended(const ngx_recs_pool_draft_t *draft)
{
    return draft->cursor_len == 1 && draft->cursor[0] == '0';
}
