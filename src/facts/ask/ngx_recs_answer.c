
/* What the answers about a response's ids mean: see the header. */


#include "ngx_recs_answer.h"
#include "ngx_recs_replica.h"
#include "ngx_recs_trust.h"


static void ngx_recs_answer_absent(ngx_recs_question_t *q);
static void ngx_recs_answer_none(ngx_recs_question_t *q, ngx_recs_why_e why);


/*
 * All that Redis was asked about a set was answered, or is known not to be:
 * is it an answer?
 *
 * That no id is in a set says nothing if its key is absent.  Of a set that is
 * required it is rare, and without it the page would be empty: the ids are
 * asked about once more, together with how many members there are, since the
 * key may have come back in between.  Of one that is excluded it is usual:
 * what the leader found within the last seconds will do.
 */

ngx_int_t
ngx_recs_answer_judge(ngx_recs_question_t *q)
{
    ngx_recs_set_t  *set;

    set = q->set;

    if (q->why) {
        ngx_recs_answer_unknown(q, q->why);
        return NGX_OK;
    }

    if (set->min_members == 0 || (q->found && set->min_members == 1)) {
        return NGX_OK;
    }

    if (q->counted) {

        if (q->look.members < set->min_members) {
            ngx_recs_answer_absent(q);
        }

        return NGX_OK;
    }

    if (q->uncounted) {
        ngx_recs_answer_unknown(q, q->uncounted);
        return NGX_OK;
    }

    if ((q->found || q->exclude) && !ngx_recs_answer_counts(q)) {
        return NGX_OK;
    }

    return NGX_AGAIN;
}


ngx_uint_t
ngx_recs_answer_counts(const ngx_recs_question_t *q)
{
    ngx_recs_set_t  *set;

    set = q->set;

    if (set->min_members == 0) {
        return 0;
    }

    if (set->watch) {

        /* also if that is long ago: who finds it there says so to all */

        if (set->watch->shared->why != NGX_RECS_WHY_NONE) {
            return 1;
        }

        if (ngx_recs_watch_fresh(set->watch)) {
            return 0;
        }
    }

    return q->exclude || set->min_members > 1;
}


static void
ngx_recs_answer_absent(ngx_recs_question_t *q)
{
    static const ngx_str_t  absent = ngx_string("it is absent");
    static const ngx_str_t  few = ngx_string("it has fewer members than "
                                             "\"min_members\"");

    if (q->set->watch == NULL) {
        ngx_recs_set_ill(q->set, q->look.members ? &few : &absent, q->ask->log);

    } else if (q->prefetched
               && q->set->watch->shared->why != NGX_RECS_WHY_ABSENT)
    {
        /* the leader will see it; until then: */

        ngx_recs_watch_doubt(q->set->watch);
    }

    ngx_recs_answer_unknown(q, NGX_RECS_WHY_ABSENT);
}


void
ngx_recs_answer_unknown(ngx_recs_question_t *q, ngx_recs_why_e why)
{
    q->why = why;

    if (ngx_recs_answer_replica(q, 1) == NGX_OK) {
        return;
    }

    ngx_recs_answer_none(q, why);
}


ngx_int_t
ngx_recs_answer_replica(ngx_recs_question_t *q, ngx_uint_t stale)
{
    ngx_recs_ask_t  *ask;

    ask = q->ask;

    if (q->set->replica == NULL
        || ngx_recs_replica_answer(q->set->replica, ask->ids, ask->nids, stale,
                                   q->answers, &q->age)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    q->replica = 1;
    q->stale = stale;

    return NGX_OK;
}


ngx_uint_t
ngx_recs_answer_held(ngx_recs_question_t *q)
{
    ngx_recs_why_e  why;

    why = q->set->replica ? ngx_recs_replica_held(q->set->replica)
                          : NGX_RECS_WHY_NONE;

    if (why == NGX_RECS_WHY_NONE) {
        return 0;
    }

    ngx_recs_answer_unknown(q, why);

    return 1;
}


static void
ngx_recs_answer_none(ngx_recs_question_t *q, ngx_recs_why_e why)
{
    q->unknown = 1;
    q->why = why;
    ngx_memset(q->answers, RECS_UNKNOWN, q->ask->nids);
    ngx_recs_count(q->set->counters->unknown[why], 1);
}


/* A lost connection was logged as such. */

ngx_recs_why_e
ngx_recs_answer_why(ngx_int_t rc)
{
    switch (rc) {

    case NGX_OK:
        return NGX_RECS_WHY_NONE;

    case NGX_ERROR:
        return NGX_RECS_WHY_ERROR;

    default: /* NGX_ABORT */
        return NGX_RECS_WHY_DOWN;
    }
}


void
ngx_recs_answer_trust(ngx_recs_ask_t *ask)
{
    ngx_uint_t            i;
    ngx_recs_question_t  *q;

    if (ask->nids == 0) {
        return;
    }

    for (i = 0; i < ask->nquestions; i++) {
        q = &ask->questions[i];

        if (q->set->trust == NULL || q->skip || q->unknown
            || ngx_recs_trust_judge(q->set->trust, q->answers, ask->nids,
                                    q->exclude ? RECS_IN : RECS_OUT, ask->log))
        {
            continue;
        }

        ngx_recs_answer_none(q, NGX_RECS_WHY_DISTRUSTED);
    }
}
