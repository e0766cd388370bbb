
/*
 * Where pages read: from the master of a key, or from one of its replicas that
 * is fit for it.  Which ones are lies in shared memory: one worker at a time
 * asks all servers how far they are, for all workers.
 */


#ifndef NGX_RECS_REDIS_READS_H
#define NGX_RECS_REDIS_READS_H


#include "ngx_recs_redis_map.h"
#include "ngx_recs_redis_server.h"


/* What a server has for that, in a Redis that reads from replicas. */

struct ngx_recs_redis_reads_s {
    uint64_t                   number;      /* of the node */
    recs_redis_state_t        *state;       /* shared */
    ngx_uint_t                 failing;     /* others say so */

    /* of a master */
    ngx_recs_redis_server_t   *replicas;    /* the first one */
    ngx_recs_redis_server_t   *last;        /* that was given; NULL: none */

    /* of a replica */
    ngx_recs_redis_server_t   *next;        /* of its master's */

    ngx_recs_redis_query_t     query;       /* INFO */
    recs_redis_said_t          said;
    ngx_uint_t                 read;        /* said is set */
    uint64_t                   asked;       /* ms */
    uint64_t                   asked_us;
};


/*
 * server is the node of that index and number: server->reads is made, of its
 * pool.  NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_redis_reads_join(ngx_recs_redis_server_t *server,
    ngx_uint_t index, uint64_t number);

/*
 * Whose replica a server is, each time that servers have changed: first each
 * is cut off, then those are linked that are replicas.
 */

void ngx_recs_redis_reads_cut(ngx_recs_redis_server_t *server);
void ngx_recs_redis_reads_link(ngx_recs_redis_server_t *replica,
    ngx_recs_redis_server_t *master);

/*
 * The server that a page's question about a key goes to: redis->reader_of() of
 * a Redis that reads from replicas.
 */

ngx_recs_redis_server_t *ngx_recs_redis_reads_of(ngx_recs_redis_t *redis,
    const ngx_str_t *key);

/* It says that it can't answer for its master: it is not fit until it can. */

void ngx_recs_redis_reads_lost(ngx_recs_redis_server_t *replica);

/* Fills in what it knows: fit, link, lag, trip. */

void ngx_recs_redis_reads_stat(ngx_recs_redis_server_t *server,
    ngx_recs_redis_server_stat_t *stat);

/* Asks all servers, if it is time, and no other worker does. */

void ngx_recs_redis_reads_look(ngx_recs_redis_t *redis);


#endif /* NGX_RECS_REDIS_READS_H */
