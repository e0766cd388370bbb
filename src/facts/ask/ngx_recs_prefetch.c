
/* Whole sets asked for before their page is there: see the header. */


#include "ngx_recs_prefetch.h"
#include "ngx_recs_mem.h"
#include "ngx_recs_zone.h"


/* A longer member or value makes the set one with too many. */

#define NGX_RECS_PREFETCH_BULK_MAX  (64 * 1024)

#define NGX_RECS_PREFETCH_ARGS_MAX  8


/* A command with its arguments. */

typedef struct {
    ngx_uint_t      n;
    ngx_str_t       args[NGX_RECS_PREFETCH_ARGS_MAX];
    char            count[NGX_INT_T_LEN + 1];
    char            least[64];              /* the lowest score that counts */
} ngx_recs_prefetch_command_t;


static void ngx_recs_prefetch_planned(ngx_event_t *ev);
static ngx_int_t ngx_recs_prefetch_ask(ngx_recs_prefetch_t *p,
    ngx_recs_redis_conn_t *conn);
static void ngx_recs_prefetch_command(ngx_recs_prefetch_t *p,
    ngx_recs_prefetch_command_t *c);
static void ngx_recs_prefetch_arg(ngx_recs_prefetch_command_t *c,
    const char *arg);
static const char *ngx_recs_prefetch_least(const ngx_recs_set_t *set,
    char *buf, size_t size);
static ngx_uint_t ngx_recs_prefetch_values(const ngx_recs_set_t *set);
static ngx_int_t ngx_recs_prefetch_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static ngx_int_t ngx_recs_prefetch_begin(ngx_recs_prefetch_t *p,
    ngx_recs_redis_value_t *v);
static void ngx_recs_prefetch_hold(ngx_recs_prefetch_t *p,
    const ngx_str_t *id);
static void ngx_recs_prefetch_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static void ngx_recs_prefetch_wake(ngx_event_t *ev);


ngx_int_t
ngx_recs_prefetch(ngx_recs_prefetches_t *all, ngx_recs_set_t *set,
    const ngx_str_t *key, const void *who)
{
    ngx_recs_prefetch_t  *p;

    p = ngx_recs_prefetch_find(all, set, key);

    if (p == NULL) {
        p = ngx_pcalloc(all->pool, sizeof(ngx_recs_prefetch_t));
        if (p == NULL) {
            return NGX_ERROR;
        }

        p->all = all;
        p->set = set;
        p->key = *key;

        ngx_queue_init(&p->waits);

        p->event.handler = ngx_recs_prefetch_wake;
        p->event.data = p;
        p->event.log = all->log;

        p->next = all->first;
        all->first = p;
    }

    if (p->state != NGX_RECS_PREFETCH_PLANNED) {
        return NGX_OK;
    }

    /* a request that is redirected internally comes again */

    if (p->who != who) {
        p->who = who;
        p->users++;
    }

    all->event.handler = ngx_recs_prefetch_planned;
    all->event.data = all;
    all->event.log = all->log;

    ngx_post_event(&all->event, &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_recs_prefetch_planned(ngx_event_t *ev)
{
    ngx_recs_prefetch_send(ev->data);
}


void
ngx_recs_prefetch_send(ngx_recs_prefetches_t *all)
{
    ngx_recs_redis_t       *redis;
    ngx_recs_prefetch_t    *p;
    ngx_recs_redis_conn_t  *conn;

    conn = NULL;

    for (p = all->first; p; p = p->next) {

        if (p->state != NGX_RECS_PREFETCH_PLANNED || p->users == 0) {
            continue;
        }

        redis = p->set->redis;

        if (conn == NULL || !ngx_recs_redis_serves(conn, redis, &p->key, 0)) {
            conn = ngx_recs_redis_pick(redis, &p->key);
        }

        if (conn == NULL || ngx_recs_prefetch_ask(p, conn) != NGX_OK) {
            p->state = NGX_RECS_PREFETCH_NONE;
            continue;
        }

        p->state = NGX_RECS_PREFETCH_SENT;
        ngx_recs_count(p->set->counters->prefetches, 1);
    }
}


static ngx_int_t
ngx_recs_prefetch_ask(ngx_recs_prefetch_t *p, ngx_recs_redis_conn_t *conn)
{
    ngx_recs_prefetch_command_t  c;

    ngx_recs_prefetch_command(p, &c);

    p->query.value = ngx_recs_prefetch_value;
    p->query.done = ngx_recs_prefetch_done;
    p->query.data = p;
    p->query.max_bulk = NGX_RECS_PREFETCH_BULK_MAX;

    return ngx_recs_redis_send(conn, &p->query, c.n, c.args);
}


/*
 * Each asks for one member more than is taken, to find out that there are too
 * many.  Where scores decide, Redis leaves out those that don't count; it has
 * nothing like it for the values of a hash.
 *
 *     SRANDMEMBER key N+1
 *     ZRANGE key least +inf BYSCORE LIMIT 0 N+1
 *     HRANDFIELD key N+1 [WITHVALUES]
 */

static void
ngx_recs_prefetch_command(ngx_recs_prefetch_t *p,
    ngx_recs_prefetch_command_t *c)
{
    ngx_recs_set_t  *set;

    set = p->set;

    c->args[0] = ngx_recs_set_type(set->type)->whole;
    c->args[1] = p->key;
    c->n = 2;

    if (set->type == NGX_RECS_SET_SORTED) {
        ngx_recs_prefetch_arg(c, ngx_recs_prefetch_least(set, c->least,
                                                         sizeof(c->least)));
        ngx_recs_prefetch_arg(c, "+inf");
        ngx_recs_prefetch_arg(c, "BYSCORE");
        ngx_recs_prefetch_arg(c, "LIMIT");
        ngx_recs_prefetch_arg(c, "0");
    }

    (void) snprintf(c->count, sizeof(c->count), "%lu",
                    (unsigned long) set->prefetch + 1);
    ngx_recs_prefetch_arg(c, c->count);

    if (ngx_recs_prefetch_values(set)) {
        ngx_recs_prefetch_arg(c, "WITHVALUES");
    }
}


static void
ngx_recs_prefetch_arg(ngx_recs_prefetch_command_t *c, const char *arg)
{
    c->args[c->n].data = (u_char *) arg;
    c->args[c->n++].len = ngx_strlen(arg);
}


/* As ngx_recs_set_answer() would compare. */

static const char *
ngx_recs_prefetch_least(const ngx_recs_set_t *set, char *buf, size_t size)
{
    if (set->within) {
        (void) snprintf(buf, size, "(%.3f", ngx_recs_set_oldest(set));
        return buf;
    }

    if (set->has_min) {
        (void) snprintf(buf, size, "%.17g", set->min);
        return buf;
    }

    return "-inf";
}


/* Does each member come with its value? */

static ngx_uint_t
ngx_recs_prefetch_values(const ngx_recs_set_t *set)
{
    return set->type == NGX_RECS_SET_HASH && set->has_min;
}


static ngx_int_t
ngx_recs_prefetch_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    u_char                counts;
    ngx_recs_prefetch_t  *p;

    p = query->data;

    if (v->depth == 0) {
        return ngx_recs_prefetch_begin(p, v);
    }

    if (p->pairs && v->depth == 1) {
        return v->type == NGX_RECS_REDIS_ARRAY && v->integer == 2 ? NGX_OK
                                                                  : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    if (p->broken) {
        return NGX_OK;
    }

    if (!ngx_recs_prefetch_values(p->set) || v->index % 2 == 0) {
        ngx_recs_prefetch_hold(p, &v->str);

        if (p->broken || ngx_recs_prefetch_values(p->set)) {
            return NGX_OK;
        }

    } else {

        if (ngx_recs_set_answer(p->set, v, &counts) != NGX_OK) {
            return NGX_ERROR;
        }

        if (counts != RECS_IN) {
            return NGX_OK;
        }
    }

    (void) recs_idset_add(&p->ids, &p->member);

    return NGX_OK;
}


static ngx_int_t
ngx_recs_prefetch_begin(ngx_recs_prefetch_t *p, ngx_recs_redis_value_t *v)
{
    uint64_t    n;
    recs_mem_t  mem;

    if (v->type != NGX_RECS_REDIS_ARRAY || v->integer < 0) {
        return NGX_ERROR;
    }

    n = v->integer;

    p->pairs = (ngx_recs_prefetch_values(p->set) && v->resp3);

    if (ngx_recs_prefetch_values(p->set) && !p->pairs) {

        if (n % 2) {
            return NGX_ERROR;
        }

        n /= 2;
    }

    p->members = n;
    p->counted = (p->set->type != NGX_RECS_SET_SORTED || !p->set->scores);

    if (n > p->set->prefetch) {
        p->broken = 1;
        return NGX_OK;
    }

    ngx_recs_mem(&mem, p->all->pool);

    if (recs_idset_init(&p->ids, &mem, n, p->all->seed) != RECS_OK) {
        p->broken = 1;
    }

    return NGX_OK;
}


/* Copies an id into p->member. */

static void
ngx_recs_prefetch_hold(ngx_recs_prefetch_t *p, const ngx_str_t *id)
{
    u_char  *copy;

    p->size += id->len;

    copy = p->size > NGX_RECS_PREFETCH_SIZE_MAX
           ? NULL : ngx_pnalloc(p->all->pool, id->len + 1);

    if (copy == NULL) {
        p->broken = 1;
        return;
    }

    ngx_memcpy(copy, id->data, id->len);

    p->member.data = copy;
    p->member.len = id->len;
}


static void
ngx_recs_prefetch_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_set_t       *set;
    ngx_recs_prefetch_t  *p;

    p = query->data;
    set = p->set;

    p->state = NGX_RECS_PREFETCH_NONE;

    if (query->too_large || (rc == NGX_OK && p->broken)) {
        ngx_recs_count(set->counters->prefetch_over, 1);

    } else if (rc == NGX_OK) {
        p->state = NGX_RECS_PREFETCH_WHOLE;
        ngx_recs_set_well(set, p->all->log);

    } else if (rc == NGX_ERROR) {
        ngx_recs_set_ill(set, error, p->all->log);
    }

    /* some of those who wait are woken later */

    if (!ngx_queue_empty(&p->waits) && query->server) {
        p->server.data = ngx_pstrdup(p->all->pool,
                                     (ngx_str_t *) query->server);
        p->server.len = p->server.data ? query->server->len : 0;
    }

    ngx_recs_prefetch_wake(&p->event);
}


/* Each may end the request: one at a time. */

static void
ngx_recs_prefetch_wake(ngx_event_t *ev)
{
    ngx_recs_prefetch_t       *p;
    ngx_recs_prefetch_wait_t  *wait;

    p = ev->data;

    if (ngx_queue_empty(&p->waits)) {
        return;
    }

    wait = ngx_queue_data(ngx_queue_head(&p->waits), ngx_recs_prefetch_wait_t,
                          queue);

    (void) ngx_recs_prefetch_leave(wait);

    if (!ngx_queue_empty(&p->waits)) {
        ngx_post_event(ev, &ngx_posted_events);
    }

    wait->handler(wait);
}


ngx_recs_prefetch_t *
ngx_recs_prefetch_find(ngx_recs_prefetches_t *all, ngx_recs_set_t *set,
    const ngx_str_t *key)
{
    ngx_recs_prefetch_t  *p;

    for (p = all->first; p; p = p->next) {

        if (p->set == set
            && p->key.len == key->len
            && ngx_memcmp(p->key.data, key->data, key->len) == 0)
        {
            return p;
        }
    }

    return NULL;
}


ngx_int_t
ngx_recs_prefetch_get(ngx_recs_prefetch_t *p, ngx_recs_prefetch_wait_t *wait)
{
    switch (p->state) {

    case NGX_RECS_PREFETCH_PLANNED:

        if (p->users) {
            p->users--;
            p->who = NULL;
        }

        return NGX_DECLINED;

    case NGX_RECS_PREFETCH_SENT:
        ngx_recs_count(p->set->counters->prefetch_late, 1);

        wait->waiting = 1;
        ngx_queue_insert_tail(&p->waits, &wait->queue);

        return NGX_AGAIN;

    case NGX_RECS_PREFETCH_WHOLE:
        ngx_recs_count(p->set->counters->prefetch_used, 1);
        return NGX_OK;

    default: /* NGX_RECS_PREFETCH_NONE */
        return NGX_DECLINED;
    }
}


ngx_uint_t
ngx_recs_prefetch_leave(ngx_recs_prefetch_wait_t *wait)
{
    if (!wait->waiting) {
        return 0;
    }

    wait->waiting = 0;
    ngx_queue_remove(&wait->queue);

    return 1;
}


void
ngx_recs_prefetch_cancel(ngx_recs_prefetches_t *all)
{
    ngx_recs_prefetch_t  *p;

    if (all->event.posted) {
        ngx_delete_posted_event(&all->event);
    }

    for (p = all->first; p; p = p->next) {
        ngx_recs_redis_forget(&p->query);

        if (p->event.posted) {
            ngx_delete_posted_event(&p->event);
        }
    }
}
