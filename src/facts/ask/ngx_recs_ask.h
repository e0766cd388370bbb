
/*
 * Asks several sets about the ids of one response, each wherever it is
 * answered from; all answers come within one deadline.
 */


#ifndef NGX_RECS_ASK_H
#define NGX_RECS_ASK_H


#include "ngx_recs_prefetch.h"
#include "ngx_recs_watch.h"


typedef struct ngx_recs_ask_s  ngx_recs_ask_t;


typedef struct {
    ngx_recs_set_t           *set;
    ngx_str_t                 key;      /* Redis: its key; value=: the list */
    unsigned                  exclude:1;    /* the set refuses what is in it,
                                               not what isn't */
    unsigned                  skip:1;   /* the key is incomplete: it is not
                                           asked, and applies to nothing */
    ngx_recs_prefetch_t      *prefetch; /* of this set and key; NULL: none */

    /* the answer */

    unsigned                  unknown:1;    /* there is none */
    ngx_recs_why_e            why;          /* Redis gave none; a replica
                                               may have, even so */
    unsigned                  prefetched:1; /* it is by the whole set */
    unsigned                  replica:1;    /* it is by a replica */
    unsigned                  stale:1;      /* which isn't fresh, but Redis
                                               gave none */
    ngx_msec_t                age;      /* ms, of a replica's */
    u_char                   *answers;  /* recs_answer_e of each id */
    ngx_msec_t                waited;   /* ms, until Redis answered or nobody
                                           waited any more, if that is slow;
                                           else 0 */
    ngx_str_t                 server;   /* that was slow; len 0: not known */

    /* private */

    unsigned                  remote:1;     /* Redis is asked about the ids */
    unsigned                  found:1;      /* an id is in it: it is there */
    unsigned                  counted:1;    /* its members were */
    ngx_recs_why_e            uncounted;    /* why they could not be */
    ngx_recs_ask_t           *ask;
    ngx_recs_redis_query_t    query;    /* about the ids */
    ngx_recs_redis_query_t    count;    /* of its members */
    ngx_recs_watch_look_t     look;
    ngx_recs_prefetch_wait_t  wait;
} ngx_recs_question_t;


/* The caller fills in what stands before "private", zeroing the rest. */

struct ngx_recs_ask_s {
    ngx_pool_t               *pool;     /* outlives the ask */
    ngx_log_t                *log;
    const recs_str_t         *ids;
    ngx_uint_t                nids;
    ngx_recs_question_t      *questions;
    ngx_uint_t                nquestions;
    ngx_msec_t                timeout;
    ngx_msec_t                slow;     /* ms; 0: nothing is */
    uint64_t                  seed;     /* for hashing ids */
    void                    (*handler)(ngx_recs_ask_t *ask);
    void                     *data;

    ngx_uint_t                nslow;    /* the answer: so many questions were */

    /* private */

    ngx_msec_t                began;    /* ngx_current_msec then */
    ngx_uint_t                npending;
    ngx_event_t               timer;
};


/*
 * NGX_OK: every question has its answer, or none; handler will not be called.
 * NGX_AGAIN: handler will be called, once, from the event loop, at the
 * deadline at the latest, unless the ask is cancelled before.
 * NGX_ERROR: out of memory; nothing is under way.
 */

ngx_int_t ngx_recs_ask(ngx_recs_ask_t *ask);

/* Nobody waits any more; late answers will touch nothing. */

void ngx_recs_ask_cancel(ngx_recs_ask_t *ask);


#endif /* NGX_RECS_ASK_H */
