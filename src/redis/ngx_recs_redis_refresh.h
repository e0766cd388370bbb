
/*
 * Asks which servers a Redis has, and which of them has which slot: one server
 * after the other until one says so.  The answer goes into shared memory, for
 * all workers.
 */


#ifndef NGX_RECS_REDIS_REFRESH_H
#define NGX_RECS_REDIS_REFRESH_H


#include "ngx_recs_redis_map.h"
#include "ngx_recs_redis_server.h"


#define NGX_RECS_REDIS_WHY       256                /* bytes */
#define NGX_RECS_REDIS_ASK_ARGS  3


/* What is asked, and how the answer is read. */

typedef struct {
    size_t                      size;       /* of a reader */

    /*
     * The form-th way to ask, from 0 on, for servers that do not know the one
     * before; asked is the host that is asked.  Prepares the reader, and fills
     * in at most NGX_RECS_REDIS_ASK_ARGS arguments: how many; 0: there is no
     * such way.
     */
    ngx_uint_t                (*begin)(void *reader,
                                       const ngx_recs_redis_t *redis,
                                       ngx_uint_t form, const ngx_str_t *asked,
                                       ngx_str_t *args);

    /* the next value of the reply: NGX_OK; NGX_ERROR: it is refused */
    ngx_int_t                 (*value)(void *reader,
                                       const ngx_recs_redis_value_t *v);

    /* what the reply said; NULL: it is refused, *why says it */
    const recs_redis_table_t *(*end)(void *reader, const char **why);

    /*
     * What the same server is asked once it has answered that, as begin(); NULL
     * or 0: nothing.  Refused or not, what was answered first counts.
     */
    ngx_uint_t                (*more)(void *reader,
                                      const ngx_recs_redis_t *redis,
                                      ngx_str_t *args);
} ngx_recs_redis_ask_t;


typedef struct {
    ngx_recs_redis_t           *redis;
    ngx_cycle_t                *cycle;
    const ngx_recs_redis_ask_t  *ask;

    /*
     * The n-th server to ask, from 0 on: its address, and what it was found
     * by, in memory that need not stay.  NGX_DECLINED: there is no such.
     */
    ngx_int_t                 (*candidate)(void *data, ngx_uint_t n,
                                           ngx_addr_t *addr, ngx_str_t *host);

    /*
     * It ended: NGX_OK; NGX_ERROR, none of them said it; NGX_ABORT, the worker
     * is exiting.
     */
    void                      (*done)(void *data, ngx_int_t rc);

    void                       *data;

    /* private */

    ngx_recs_redis_private_t    conn;
    ngx_recs_redis_server_t     server;     /* that is being asked */
    ngx_addr_t                  addr;       /* in these two */
    ngx_sockaddr_t              sockaddr;
    u_char                      addr_text[NGX_SOCKADDR_STRLEN];
    ngx_str_t                   name;       /* it was found by, in name_data */
    u_char                      name_data[NGX_RECS_REDIS_HOST];
    u_char                      host[NGX_SOCKADDR_STRLEN];
    ngx_uint_t                  n;          /* of the next candidate */
    ngx_uint_t                  form;       /* of the question */
    ngx_uint_t                  more;       /* it is the second one */
    ngx_recs_redis_query_t      query;
    void                       *reader;     /* NULL: nothing is asked */
    ngx_atomic_uint_t           answers;    /* of all workers, as it began */
    ngx_uint_t                  refused;    /* by the reader */
    ngx_event_t                 next;       /* asks it */

    ngx_str_t                   why;        /* the last one didn't say it */
    u_char                      why_data[NGX_RECS_REDIS_WHY];
} ngx_recs_redis_refresh_t;


/* In init_process, once the first members are set. */

void ngx_recs_redis_refresh_init(ngx_recs_redis_refresh_t *refresh);

/* Begins, unless it is under way.  done() may be called from within. */

void ngx_recs_redis_refresh_start(ngx_recs_redis_refresh_t *refresh);

/* Stops; done() is not called. */

void ngx_recs_redis_refresh_stop(ngx_recs_redis_refresh_t *refresh);


#endif /* NGX_RECS_REDIS_REFRESH_H */
