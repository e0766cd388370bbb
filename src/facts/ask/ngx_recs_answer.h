
/*
 * What the answers about a response's ids mean: is Redis' reply one that can be
 * believed, does a replica answer in its place, or is there no answer, and why?
 * Nothing is sent from here.
 */


#ifndef NGX_RECS_ANSWER_H
#define NGX_RECS_ANSWER_H


#include "ngx_recs_ask.h"


/*
 * All that Redis was asked about a set was answered, or is known not to be.
 * NGX_OK: the question has its answer, or none.  NGX_AGAIN: the ids are to be
 * asked about once more, together with how many members there are.
 */

ngx_int_t ngx_recs_answer_judge(ngx_recs_question_t *q);

/* Is it to be asked, together with the ids, how many members the set has? */

ngx_uint_t ngx_recs_answer_counts(const ngx_recs_question_t *q);

/*
 * No answer by Redis: a replica's, however old; else all ids are unknown,
 * whatever came before it broke off.
 */

void ngx_recs_answer_unknown(ngx_recs_question_t *q, ngx_recs_why_e why);

/*
 * The replica answers: NGX_OK.  NGX_DECLINED: there is none, or it is not fresh
 * and stale is not set.
 */

ngx_int_t ngx_recs_answer_replica(ngx_recs_question_t *q, ngx_uint_t stale);

/*
 * Is what Redis has now not believed, so that it isn't to be asked?  Then the
 * replica has answered as it was before; if it was nothing, there is no answer.
 */

ngx_uint_t ngx_recs_answer_held(ngx_recs_question_t *q);

/* Why there is no reply, by what a query's done() was given. */

ngx_recs_why_e ngx_recs_answer_why(ngx_int_t rc);

/*
 * All answers are there.  Those of a set that is distrusted become unknown,
 * wherever they are from; they are counted, so that it may be trusted again.
 */

void ngx_recs_answer_trust(ngx_recs_ask_t *ask);


#endif /* NGX_RECS_ANSWER_H */
