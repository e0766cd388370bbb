
/*
 * The addresses of a host's name, looked up again while the worker runs: by
 * nginx's resolver, so that nothing blocks.  Those that are known go on being
 * used until others are, whatever becomes of the resolver.
 */


#ifndef NGX_RECS_REDIS_RESOLVE_H
#define NGX_RECS_REDIS_RESOLVE_H


#include "ngx_recs_redis.h"


/* The caller fills in what stands before "private"; the rest is zeroes. */

typedef struct {
    ngx_resolver_t           *resolver;     /* NULL: nothing is looked up */
    ngx_msec_t                timeout;      /* ms, for the resolver */
    ngx_msec_t                patience;     /* ms that one waits for new ones if
                                               some are known */
    ngx_str_t                 host;         /* a name; its memory is written to
                                               (lower case) */
    in_port_t                 port;
    const ngx_str_t          *redis;        /* the name of its block, and the
                                               server's URL, for the log */
    const ngx_str_t          *server;
    ngx_log_t                *log;

    /* A lookup ended, from within resolve() or later; NULL: nobody asks */
    void                    (*done)(void *data);
    void                     *data;

    /*
     * The last ones that are known, and for each the host's name; not NULL only
     * if naddrs isn't 0.  They may be set to some at first, which stay the
     * caller's; new ones stay until the next are there, or until it is stopped.
     */
    ngx_addr_t               *addrs;
    ngx_str_t                *hosts;
    ngx_uint_t                naddrs;
    ngx_msec_t                next;         /* not before, ngx_current_msec */
    ngx_uint_t                failures;     /* lookups in a row, and that was
                                               logged; none at first */
    unsigned                  unsaid:1;     /* nobody knows that there are none
                                               yet: the first are no news */

    /* private */

    ngx_resolver_ctx_t       *ctx;          /* NULL: none is under way */
    ngx_msec_t                started;
    ngx_uint_t                starting;     /* resolve() is being called */
    u_char                   *memory;       /* of the addresses; NULL: they are
                                               the caller's */
} ngx_recs_redis_resolve_t;


/* Fills in what a Redis says; the caller fills in the rest. */

void ngx_recs_redis_resolve_set(ngx_recs_redis_resolve_t *rs,
    const ngx_recs_redis_t *redis, const ngx_str_t *host, in_port_t port);

/*
 * Looks the name up, if that wasn't just done, before a connection is made.
 * NGX_OK: addrs are to be used; NGX_AGAIN: they are not known, or a lookup is
 * under way: ask again when done() was called, or in some tens of ms.
 */

ngx_int_t ngx_recs_redis_resolve(ngx_recs_redis_resolve_t *rs);

/* Ends a lookup that is under way, and frees the addresses. */

void ngx_recs_redis_resolve_stop(ngx_recs_redis_resolve_t *rs);


#endif /* NGX_RECS_REDIS_RESOLVE_H */
