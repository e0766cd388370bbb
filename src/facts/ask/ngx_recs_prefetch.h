
/*
 * Whole sets of one request, asked for before its page is there, while the
 * upstream still answers: what is small enough needs no question later.
 */


#ifndef NGX_RECS_PREFETCH_H
#define NGX_RECS_PREFETCH_H


#include "ngx_recs_set.h"


/* The most that a set may have for it: members, bytes of their ids. */

#define NGX_RECS_PREFETCH_MAX       10000
#define NGX_RECS_PREFETCH_SIZE_MAX  (1024 * 1024)


typedef enum {
    NGX_RECS_PREFETCH_PLANNED = 0,      /* not sent yet */
    NGX_RECS_PREFETCH_SENT,
    NGX_RECS_PREFETCH_WHOLE,            /* its members are at hand */
    NGX_RECS_PREFETCH_NONE              /* it has too many, or Redis gave no
                                           answer: ids are to be asked about */
} ngx_recs_prefetch_state_e;


typedef struct ngx_recs_prefetch_s       ngx_recs_prefetch_t;
typedef struct ngx_recs_prefetch_wait_s  ngx_recs_prefetch_wait_t;


/* All of one request, with its subrequests: each set and key once. */

typedef struct {
    ngx_pool_t                 *pool;   /* outlives this */
    ngx_log_t                  *log;
    uint64_t                    seed;   /* for hashing ids */
    ngx_recs_prefetch_t        *first;
    ngx_event_t                 event;  /* to send those that are planned */
} ngx_recs_prefetches_t;


struct ngx_recs_prefetch_s {
    ngx_recs_prefetches_t      *all;
    ngx_recs_prefetch_t        *next;
    ngx_recs_set_t             *set;
    ngx_str_t                   key;
    ngx_recs_prefetch_state_e   state;
    const void                 *who;    /* the last that planned it */
    ngx_uint_t                  users;  /* how many did, and still may need it
                                           before it is sent */
    ngx_recs_redis_query_t      query;
    ngx_str_t                   server; /* that answered those who wait; len 0:
                                           none yet */
    ngx_uint_t                  pairs;  /* the reply has an array for each
                                           member and its value */
    ngx_uint_t                  broken; /* the reply can't be used: too much of
                                           it, or out of memory */
    size_t                      size;   /* bytes of ids */
    recs_str_t                  member; /* whose value comes next */
    recs_idset_t                ids;    /* the members that count */
    uint64_t                    members;    /* that came: all, if counted */
    ngx_uint_t                  counted;
    ngx_queue_t                 waits;
    ngx_event_t                 event;  /* to wake the next of them */
};


/* One that waits for a set under way.  Zeroed by the caller at first. */

struct ngx_recs_prefetch_wait_s {
    ngx_queue_t                 queue;
    ngx_uint_t                  waiting;
    void                      (*handler)(ngx_recs_prefetch_wait_t *wait);
    void                       *data;
};


/*
 * Plans to ask for a set, whose prefetch is not 0, on behalf of a request (who
 * only tells it from others).  The key must stay as long as the pool.  What is
 * planned is sent at the end of this turn of the event loop: a page that is
 * complete by then gains nothing by it, and asks about its ids.
 * NGX_OK or NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_prefetch(ngx_recs_prefetches_t *all, ngx_recs_set_t *set,
    const ngx_str_t *key, const void *who);

/* Sends what is planned now: the page will take a while for sure. */

void ngx_recs_prefetch_send(ngx_recs_prefetches_t *all);

/* NULL: it was not asked for. */

ngx_recs_prefetch_t *ngx_recs_prefetch_find(ngx_recs_prefetches_t *all,
    ngx_recs_set_t *set, const ngx_str_t *key);

/*
 * NGX_OK: the set is there.  NGX_AGAIN: it is under way, wait->handler will be
 * called, once, from the event loop, and is to ask again (it may end the
 * request).  NGX_DECLINED: ids are to be asked about; a plan is then given up.
 */

ngx_int_t ngx_recs_prefetch_get(ngx_recs_prefetch_t *p,
    ngx_recs_prefetch_wait_t *wait);

/* Waits no more.  False: it did not. */

ngx_uint_t ngx_recs_prefetch_leave(ngx_recs_prefetch_wait_t *wait);

/* The request ends: late replies will touch nothing. */

void ngx_recs_prefetch_cancel(ngx_recs_prefetches_t *all);


#endif /* NGX_RECS_PREFETCH_H */
