
/*
 * One server of a Redis, as a worker has it: its addresses, the connections to
 * it, and what the error log was told of it.
 */


#ifndef NGX_RECS_REDIS_SERVER_H
#define NGX_RECS_REDIS_SERVER_H


#include "ngx_recs_redis_breaker.h"
#include "ngx_recs_redis_resolve.h"


struct ngx_recs_redis_server_s {
    ngx_recs_redis_t         *redis;
    ngx_recs_redis_server_t  *next;         /* of this Redis */
    ngx_pool_t               *pool;         /* its own; NULL: it lasts as long
                                               as the cycle */
    ngx_str_t                 name;         /* its URL, for the log */

    ngx_addr_t               *addrs;        /* tried in turn; TCP or unix */
    ngx_uint_t                naddrs;       /* 0: not known yet */
    ngx_str_t                *hosts;        /* of each address, what it was
                                               found by: a name, or itself */
    ngx_recs_redis_resolve_t  resolve;      /* tells them; no resolver: they
                                               stay as they are */
    void                     *session;      /* of TLS, of the last connection;
                                               NULL: none */
    ngx_uint_t                session_of;   /* which address */
    ngx_atomic_t             *pace;         /* at which connections that failed
                                               are tried again; NULL: their
                                               own */

    ngx_recs_redis_conn_t    *conns;        /* redis->nconns, and the one for
                                               what nobody waits for; NULL: not
                                               open */
    ngx_uint_t                begin;        /* where pick() begins to look */

    ngx_uint_t                down;         /* a bit for each reason that was
                                               logged; 0: it answers */
    ngx_msec_t                recovered;    /* when it last came back */
    ngx_uint_t                demoted;      /* it said READONLY: until whoever
                                               looks for its successor does */
    ngx_uint_t                vain;         /* its addresses were tried, and no
                                               connection was ready since */
    unsigned                  sentinel:1;   /* it has no data */
    unsigned                  master:1;     /* it has to be one */
    unsigned                  unlogged:1;   /* nobody wants to know */
    unsigned                  resp2:1;      /* RESP3 was asked for, and it was
                                               logged that it has none */

    ngx_uint_t                replica;      /* it is one, to be read from */
    ngx_recs_redis_server_t  *source;       /* its master; NULL: unknown */
    ngx_recs_redis_reads_t   *reads;        /* NULL: replicas aren't asked */

    ngx_recs_redis_breaker_t  breaker;
};


/* As whom connections to it log in. */

#define ngx_recs_redis_login(server)                                          \
    ((server)->sentinel ? &(server)->redis->sentinel_login                    \
                        : &(server)->redis->login)


/*
 * Lets the resolver tell the server's addresses, of that name and port, in
 * addition to those that are set, which were true at that time (unix seconds).
 * Does nothing if its Redis has no resolver.  The name stays as long as the
 * server does.
 */

void ngx_recs_redis_server_resolve(ngx_recs_redis_server_t *server,
    const ngx_str_t *host, in_port_t port, time_t then, ngx_log_t *log);

/*
 * Begins to open the connections to a server of which redis, name, addresses
 * and breaker.shared are set.  NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_redis_server_open(ngx_recs_redis_server_t *server,
    ngx_log_t *log);

/* Closes them; nobody is told.  Those that have an owner are not among them. */

void ngx_recs_redis_server_close(ngx_recs_redis_server_t *server);

/*
 * The same, with NGX_ABORT for all that wait, as the server is no longer one of
 * its Redis.  Not from within a function that a connection calls.
 */

void ngx_recs_redis_server_leave(ngx_recs_redis_server_t *server);

/* A replica has been made a master: that is what it is from now on. */

void ngx_recs_redis_server_promoted(ngx_recs_redis_server_t *server);

/* As ngx_recs_redis_pick() and ngx_recs_redis_pick_patient(), of this one's. */

ngx_recs_redis_conn_t *ngx_recs_redis_server_pick(
    ngx_recs_redis_server_t *server);
ngx_recs_redis_conn_t *ngx_recs_redis_server_pick_patient(
    ngx_recs_redis_server_t *server);

/*
 * Begins to open the one for what nobody waits for, if redis->background says
 * so, unless that was done.
 */

void ngx_recs_redis_server_open_background(ngx_recs_redis_server_t *server);

/* As ngx_recs_redis_background(), of this server. */

ngx_recs_redis_conn_t *ngx_recs_redis_server_background(
    ngx_recs_redis_server_t *server);

/* How many of those that pick() gives are ready. */

ngx_uint_t ngx_recs_redis_server_ready(const ngx_recs_redis_server_t *server);


#endif /* NGX_RECS_REDIS_SERVER_H */
