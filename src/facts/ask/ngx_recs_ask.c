
/*
 * A response's questions: where each is answered from, how they are sent, and
 * when all have ended.  What the answers mean says ngx_recs_answer.c.
 */


#include "ngx_recs_answer.h"
#include "ngx_recs_mem.h"


static void ngx_recs_ask_begin(ngx_recs_ask_t *ask, ngx_recs_question_t *q,
    u_char *answers);
static ngx_int_t ngx_recs_ask_at_hand(ngx_recs_ask_t *ask,
    ngx_recs_question_t *q);
static ngx_int_t ngx_recs_ask_local(ngx_recs_ask_t *ask,
    ngx_recs_question_t *q);
static ngx_int_t ngx_recs_ask_prefetched(ngx_recs_question_t *q);
static void ngx_recs_ask_prefetch_done(ngx_recs_prefetch_wait_t *wait);
static ngx_int_t ngx_recs_ask_again(ngx_recs_question_t *q, ngx_uint_t count);
static void ngx_recs_ask_judge(ngx_recs_question_t *q);
static void ngx_recs_ask_settled(ngx_recs_ask_t *ask);
static void ngx_recs_ask_doubt(ngx_recs_ask_t *ask, ngx_recs_why_e late);
static ngx_recs_redis_conn_t *ngx_recs_ask_pick(ngx_recs_question_t *q);
static ngx_recs_redis_conn_t *ngx_recs_ask_conn(ngx_recs_question_t *q,
    ngx_recs_redis_conn_t **conns, ngx_uint_t *n);
static ngx_int_t ngx_recs_ask_redis(ngx_recs_ask_t *ask, ngx_uint_t n);
static ngx_str_t *ngx_recs_ask_args(ngx_recs_ask_t *ask);
static ngx_int_t ngx_recs_ask_send(ngx_recs_question_t *q, ngx_uint_t count,
    ngx_recs_redis_conn_t *conn, ngx_str_t *args);
static ngx_int_t ngx_recs_ask_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_ask_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error);
static ngx_int_t ngx_recs_ask_count_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_ask_count_done(ngx_recs_redis_query_t *query,
    ngx_int_t rc, ngx_str_t *error);
static void ngx_recs_ask_deadline(ngx_event_t *ev);
static void ngx_recs_ask_waited(ngx_recs_question_t *q,
    const ngx_str_t *server);


ngx_int_t
ngx_recs_ask(ngx_recs_ask_t *ask)
{
    u_char               *answers;
    ngx_uint_t            i, nredis;
    ngx_recs_question_t  *q;

    ask->npending = 0;
    ask->nslow = 0;
    ask->began = ngx_current_msec;
    nredis = 0;

    answers = ngx_pnalloc(ask->pool, ask->nquestions * ask->nids + 1);
    if (answers == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ask->nquestions; i++) {
        q = &ask->questions[i];

        ngx_recs_ask_begin(ask, q, answers);
        answers += ask->nids;

        if (ngx_recs_ask_at_hand(ask, q) != NGX_OK) {
            ngx_recs_ask_cancel(ask);
            return NGX_ERROR;
        }

        nredis += q->remote;
    }

    if (nredis && ngx_recs_ask_redis(ask, nredis) != NGX_OK) {
        ngx_recs_ask_cancel(ask);
        return NGX_ERROR;
    }

    if (ask->npending == 0) {
        ngx_recs_answer_trust(ask);
        return NGX_OK;
    }

    ask->timer.handler = ngx_recs_ask_deadline;
    ask->timer.data = ask;
    ask->timer.log = ask->log;

    ngx_add_timer(&ask->timer, ask->timeout);

    return NGX_AGAIN;
}


/* What can be answered without Redis, is; for the rest q->remote is set. */

static ngx_int_t
ngx_recs_ask_at_hand(ngx_recs_ask_t *ask, ngx_recs_question_t *q)
{
    ngx_int_t  rc;

    if (q->skip) {
        ngx_recs_count(q->set->counters->skipped, 1);
        return NGX_OK;
    }

    ngx_recs_count(q->set->counters->questions, 1);

    if (ask->nids == 0) {
        return NGX_OK;
    }

    if (q->prefetch) {
        rc = ngx_recs_ask_prefetched(q);

        if (rc == NGX_OK) {
            ngx_recs_ask_judge(q);
        }

        if (rc != NGX_DECLINED) {
            return NGX_OK;
        }
    }

    if (q->set->source == NGX_RECS_SET_REDIS) {
        q->remote = (ngx_recs_answer_replica(q, 0) != NGX_OK
                     && !ngx_recs_answer_held(q));
        return NGX_OK;
    }

    return ngx_recs_ask_local(ask, q);
}


static void
ngx_recs_ask_begin(ngx_recs_ask_t *ask, ngx_recs_question_t *q,
    u_char *answers)
{
    q->ask = ask;
    q->unknown = 0;
    q->why = NGX_RECS_WHY_NONE;
    q->replica = 0;
    q->stale = 0;
    q->prefetched = 0;
    q->remote = 0;
    q->found = 0;
    q->counted = 0;
    q->uncounted = NGX_RECS_WHY_NONE;
    q->waited = 0;
    q->answers = answers;

    ngx_memzero(&q->query, sizeof(ngx_recs_redis_query_t));
    ngx_memzero(&q->count, sizeof(ngx_recs_redis_query_t));
    ngx_memzero(&q->wait, sizeof(ngx_recs_prefetch_wait_t));
}


static ngx_int_t
ngx_recs_ask_local(ngx_recs_ask_t *ask, ngx_recs_question_t *q)
{
    recs_idset_t         list;
    const recs_idset_t  *ids;

    ids = &q->set->file;

    if (q->set->source == NGX_RECS_SET_VALUE) {

        if (ngx_recs_set_parse(&list, &q->key, ask->seed, ask->pool)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ids = &list;
    }

    ngx_recs_set_lookup(ids, ask->ids, ask->nids, q->answers);

    return NGX_OK;
}


/*
 * The set as a whole.  NGX_OK: it is there; NGX_AGAIN: it is under way, what
 * was sent before is answered before what would be sent now; NGX_DECLINED: ids
 * are to be asked about.
 */

static ngx_int_t
ngx_recs_ask_prefetched(ngx_recs_question_t *q)
{
    ngx_recs_ask_t  *ask;

    ask = q->ask;

    q->wait.handler = ngx_recs_ask_prefetch_done;
    q->wait.data = q;

    switch (ngx_recs_prefetch_get(q->prefetch, &q->wait)) {

    case NGX_OK:
        q->prefetched = 1;
        q->found = (q->prefetch->members != 0);
        q->counted = q->prefetch->counted;
        q->look.members = q->prefetch->members;
        ngx_recs_set_lookup(&q->prefetch->ids, ask->ids, ask->nids,
                            q->answers);
        return NGX_OK;

    case NGX_AGAIN:
        q->prefetch->query.deadline = ask->timeout;
        ask->npending++;
        return NGX_AGAIN;

    default: /* NGX_DECLINED */
        return NGX_DECLINED;
    }
}


/* What was waited for came, or won't come: ids are asked about then. */

static void
ngx_recs_ask_prefetch_done(ngx_recs_prefetch_wait_t *wait)
{
    ngx_recs_question_t  *q;

    q = wait->data;

    ngx_recs_ask_waited(q, &q->prefetch->server);

    if (ngx_recs_ask_prefetched(q) == NGX_OK) {
        ngx_recs_ask_judge(q);

    } else if (ngx_recs_ask_again(q, ngx_recs_answer_counts(q)) != NGX_OK) {
        ngx_recs_answer_unknown(q, NGX_RECS_WHY_DOWN);
    }

    ngx_recs_ask_settled(q->ask);
}


/* Asks about the ids, within what is left of the deadline. */

static ngx_int_t
ngx_recs_ask_again(ngx_recs_question_t *q, ngx_uint_t count)
{
    ngx_str_t              *args;
    ngx_recs_redis_conn_t  *conn;

    conn = ngx_recs_ask_pick(q);

    if (conn == NULL) {
        ngx_recs_count(q->set->redis->counters->refused, 1);
        return NGX_DECLINED;
    }

    args = ngx_recs_ask_args(q->ask);

    if (args == NULL) {
        return NGX_ERROR;
    }

    q->prefetched = 0;
    q->found = 0;

    return ngx_recs_ask_send(q, count, conn, args);
}


/* Everything about a set was answered; it may have to be asked once more. */

static void
ngx_recs_ask_judge(ngx_recs_question_t *q)
{
    if (ngx_recs_answer_judge(q) == NGX_AGAIN
        && ngx_recs_ask_again(q, 1) != NGX_OK)
    {
        ngx_recs_answer_unknown(q, NGX_RECS_WHY_DOWN);
    }
}


/*
 * The connection that a question goes out on: of the n that this response uses
 * already, if one will do; else it is added to them.  They are few: a short
 * list will do.
 */

static ngx_recs_redis_conn_t *
ngx_recs_ask_conn(ngx_recs_question_t *q, ngx_recs_redis_conn_t **conns,
    ngx_uint_t *n)
{
    ngx_uint_t  i;

    for (i = 0; i < *n; i++) {
        if (ngx_recs_redis_serves(conns[i], q->set->redis, &q->key,
                                  q->set->replica != NULL))
        {
            return conns[i];
        }
    }

    conns[i] = ngx_recs_ask_pick(q);

    if (conns[i]) {
        (*n)++;
    }

    return conns[i];
}


/*
 * Who has a replica in shared memory said how old an answer may be; what stands
 * in for one that is not fresh is asked of the master.
 */

static ngx_recs_redis_conn_t *
ngx_recs_ask_pick(ngx_recs_question_t *q)
{
    return q->set->replica ? ngx_recs_redis_pick_master(q->set->redis, &q->key)
                           : ngx_recs_redis_pick(q->set->redis, &q->key);
}


static ngx_int_t
ngx_recs_ask_redis(ngx_recs_ask_t *ask, ngx_uint_t n)
{
    ngx_int_t               rc;
    ngx_str_t              *args;
    ngx_uint_t              i, nconns;
    ngx_recs_question_t    *q;
    ngx_recs_redis_conn_t  *conn, **conns;

    conns = ngx_palloc(ask->pool, n * sizeof(ngx_recs_redis_conn_t *));
    args = ngx_recs_ask_args(ask);

    if (conns == NULL || args == NULL) {
        return NGX_ERROR;
    }

    nconns = 0;

    for (i = 0; i < ask->nquestions; i++) {
        q = &ask->questions[i];

        if (!q->remote) {
            continue;
        }

        conn = ngx_recs_ask_conn(q, conns, &nconns);

        rc = conn ? ngx_recs_ask_send(q, ngx_recs_answer_counts(q), conn, args)
                  : NGX_DECLINED;

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {

            if (conn == NULL) {
                ngx_recs_count(q->set->redis->counters->refused, 1);
            }

            ngx_recs_answer_unknown(q, NGX_RECS_WHY_DOWN);
        }
    }

    return NGX_OK;
}


/*
 * All commands of a response have the same arguments, but for the first two,
 * which are left to ngx_recs_ask_send().  NULL: out of memory.
 */

static ngx_str_t *
ngx_recs_ask_args(ngx_recs_ask_t *ask)
{
    ngx_str_t   *args;
    ngx_uint_t   i;

    args = ngx_palloc(ask->pool, (ask->nids + 2) * sizeof(ngx_str_t));
    if (args == NULL) {
        return NULL;
    }

    for (i = 0; i < ask->nids; i++) {
        args[i + 2].data = (u_char *) ask->ids[i].data;
        args[i + 2].len = ask->ids[i].len;
    }

    return args;
}


/* The first two are filled in here.  count: how many members are there? */

static ngx_int_t
ngx_recs_ask_send(ngx_recs_question_t *q, ngx_uint_t count,
    ngx_recs_redis_conn_t *conn, ngx_str_t *args)
{
    ngx_int_t  rc;

    args[0] = ngx_recs_set_type(q->set->type)->ask;
    args[1] = q->key;

    q->query.deadline = q->ask->timeout;
    q->query.value = ngx_recs_ask_value;
    q->query.done = ngx_recs_ask_done;
    q->query.data = q;

    rc = ngx_recs_redis_send(conn, &q->query, q->ask->nids + 2, args);

    if (rc != NGX_OK) {
        return rc;
    }

    q->ask->npending++;

    if (!count) {
        return NGX_OK;
    }

    q->count.deadline = q->ask->timeout;
    q->count.value = ngx_recs_ask_count_value;
    q->count.done = ngx_recs_ask_count_done;
    q->count.data = q;

    if (ngx_recs_watch_send(q->set, &q->key, &q->count, &q->look, conn)
        == NGX_OK)
    {
        q->ask->npending++;

    } else {
        q->uncounted = NGX_RECS_WHY_DOWN;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_recs_ask_value(ngx_recs_redis_query_t *query, ngx_recs_redis_value_t *v)
{
    ngx_recs_question_t  *q;

    q = query->data;

    if (v->depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY
               && v->integer == (int64_t) q->ask->nids ? NGX_OK : NGX_ERROR;
    }

    if (!q->found && ngx_recs_set_holds(v)) {
        q->found = 1;
    }

    return ngx_recs_set_answer(q->set, v, &q->answers[v->index]);
}


static void
ngx_recs_ask_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_ask_t       *ask;
    ngx_recs_question_t  *q;

    q = query->data;
    ask = q->ask;

    ngx_recs_ask_waited(q, query->server);

    q->why = ngx_recs_answer_why(rc);

    if (rc == NGX_OK) {
        ngx_recs_set_well(q->set, ask->log);

    } else if (rc == NGX_ERROR) {
        ngx_recs_set_ill(q->set, error, ask->log);
    }

    if (q->count.slot == NULL) {
        ngx_recs_ask_judge(q);
    }

    ngx_recs_ask_settled(ask);
}


static ngx_int_t
ngx_recs_ask_count_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    ngx_recs_question_t  *q;

    q = query->data;

    return ngx_recs_watch_value(&q->look, v);
}


static void
ngx_recs_ask_count_done(ngx_recs_redis_query_t *query, ngx_int_t rc,
    ngx_str_t *error)
{
    ngx_recs_ask_t       *ask;
    ngx_recs_question_t  *q;

    q = query->data;
    ask = q->ask;

    ngx_recs_ask_waited(q, query->server);

    q->counted = (rc == NGX_OK);
    q->uncounted = ngx_recs_answer_why(rc);

    if (q->set->watch && rc != NGX_ABORT) {
        ngx_recs_watch_found(q->set->watch, &q->look, q->uncounted, ask->log);
    }

    if (rc == NGX_ERROR) {
        ngx_recs_set_ill(q->set, error, ask->log);
    }

    if (q->query.slot == NULL) {
        ngx_recs_ask_judge(q);
    }

    ngx_recs_ask_settled(ask);
}


/* One answer less to wait for. */

static void
ngx_recs_ask_settled(ngx_recs_ask_t *ask)
{
    if (--ask->npending) {
        return;
    }

    ngx_recs_ask_doubt(ask, NGX_RECS_WHY_NONE);

    if (ask->npending) {
        return;
    }

    ngx_del_timer(&ask->timer);
    ngx_recs_answer_trust(ask);

    ask->handler(ask);
}


/*
 * All answers are there.  One that relied on what the leader had found may be
 * doubtful by now: this response itself has found another set absent.  It is
 * asked for again; late, if set, says why there is no time for that.
 */

static void
ngx_recs_ask_doubt(ngx_recs_ask_t *ask, ngx_recs_why_e late)
{
    ngx_uint_t            i;
    ngx_recs_question_t  *q;

    for (i = 0; i < ask->nquestions; i++) {
        q = &ask->questions[i];

        if (q->set->source != NGX_RECS_SET_REDIS || q->skip || q->replica
            || q->why != NGX_RECS_WHY_NONE)
        {
            continue;
        }

        if (late && ngx_recs_answer_counts(q)) {
            q->uncounted = late;
        }

        ngx_recs_ask_judge(q);
    }
}


static void
ngx_recs_ask_deadline(ngx_event_t *ev)
{
    ngx_uint_t            i;
    ngx_recs_ask_t       *ask;
    ngx_recs_question_t  *q;

    static const ngx_str_t  late = ngx_string("no reply in time");

    ask = ev->data;

    for (i = 0; i < ask->nquestions; i++) {
        q = &ask->questions[i];

        ngx_recs_redis_late(&q->query);
        ngx_recs_redis_late(&q->count);

        if (q->query.slot) {
            ngx_recs_ask_waited(q, q->query.server);
            q->why = NGX_RECS_WHY_TIMEOUT;

        } else if (ngx_recs_prefetch_leave(&q->wait)) {
            ngx_recs_ask_waited(q, q->prefetch->query.slot
                                   ? q->prefetch->query.server
                                   : &q->prefetch->server);
            ngx_recs_redis_late(&q->prefetch->query);
            q->why = NGX_RECS_WHY_TIMEOUT;

        } else if (q->count.slot) {
            ngx_recs_ask_waited(q, q->count.server);
            q->uncounted = NGX_RECS_WHY_TIMEOUT;

        } else {
            continue;
        }

        ngx_recs_redis_forget(&q->query);
        ngx_recs_redis_forget(&q->count);
        ngx_recs_ask_judge(q);

        if (q->why == NGX_RECS_WHY_TIMEOUT) {
            ngx_recs_set_ill(q->set, &late, ask->log);
        }
    }

    ask->npending = 0;
    ngx_recs_ask_doubt(ask, NGX_RECS_WHY_TIMEOUT);
    ngx_recs_answer_trust(ask);

    ask->handler(ask);
}


/*
 * A question waited for that server until now.  The name is copied: a server
 * may have gone by the time that anybody tells of it.
 */

static void
ngx_recs_ask_waited(ngx_recs_question_t *q, const ngx_str_t *server)
{
    ngx_msec_t       waited;
    ngx_recs_ask_t  *ask;

    ask = q->ask;

    if (ask->slow == 0) {
        return;
    }

    waited = ngx_current_msec - ask->began;

    if (waited < ask->slow) {
        return;
    }

    ask->nslow += (q->waited == 0);
    q->waited = waited;
    q->server.len = 0;

    if (server) {
        q->server.data = ngx_pstrdup(ask->pool, (ngx_str_t *) server);
        q->server.len = q->server.data ? server->len : 0;
    }
}


void
ngx_recs_ask_cancel(ngx_recs_ask_t *ask)
{
    ngx_uint_t  i;

    if (ask->timer.timer_set) {
        ngx_del_timer(&ask->timer);
    }

    for (i = 0; i < ask->nquestions; i++) {
        ngx_recs_redis_forget(&ask->questions[i].query);
        ngx_recs_redis_forget(&ask->questions[i].count);
        (void) ngx_recs_prefetch_leave(&ask->questions[i].wait);
    }

    ask->npending = 0;
}
