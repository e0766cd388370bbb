
/*
 * One connection to Redis, kept open.  The floors of this room; each calls only
 * what is below it, and what happens goes up by handlers:
 *
 *   ngx_recs_redis.c            the servers of a worker; pick, send
 *   ngx_recs_redis_fleet.c    which server has a key
 *   ngx_recs_redis_refresh.c    asks a cluster who has what
 *   ngx_recs_redis_reads.c      which server pages read from
 *   ngx_recs_redis_renew.c      AUTH on all of them, once more
 *   ngx_recs_redis_private.c    connections that have an owner
 *   ngx_recs_redis_server.c     the others, to one server
 *   ngx_recs_redis_send.c       sending on one
 *   ngx_recs_redis_conn.c       opening, reading, writing, losing one
 *   ngx_recs_redis_tls.c        its TLS, if it has any
 *   ngx_recs_redis_loss.c       losing one
 *   ngx_recs_redis_handshake.c  what it says first
 *   ngx_recs_redis_reply.c      its replies
 *   ngx_recs_redis_values.c     their values
 *   ngx_recs_redis_push.c       what comes to one that is subscribed instead
 *   ngx_recs_redis_pipeline.c   its waiting commands and its output
 *   ngx_recs_redis_fault.c      why it was lost, in the log
 *   ngx_recs_redis_login.c      as whom, and with which password
 *   ngx_recs_redis_resolve.c    the addresses of a name
 *   ngx_recs_redis_retry.c      when it is opened again
 *   ngx_recs_redis_breaker.c    when its server is no longer asked
 *   ngx_recs_redis_socket.c     when the kernel gives it up
 *
 * Only event handlers lose or open a connection, and none of them ever runs
 * inside a query's done(): whatever done() sends or forgets, the connection it
 * was called for is still there afterwards.
 */


#ifndef NGX_RECS_REDIS_CONN_H
#define NGX_RECS_REDIS_CONN_H


#include <ngx_event_connect.h>

#include "ngx_recs_redis_fault.h"
#include "ngx_recs_redis_pipeline.h"
#include "ngx_recs_redis_push.h"
#include "ngx_recs_redis_reply.h"
#include "ngx_recs_redis_retry.h"
#include "ngx_recs_redis_server.h"
#include "ngx_recs_redis_tls.h"


typedef enum {
    NGX_RECS_REDIS_CLOSED = 0,              /* its timer will open it */
    NGX_RECS_REDIS_CONNECTING,
    NGX_RECS_REDIS_SECURING,                /* TLS is being set up */
    NGX_RECS_REDIS_HANDSHAKE,
    NGX_RECS_REDIS_READY
} ngx_recs_redis_state_e;


/*
 * Of one that is not picked for any question: whom it tells of what happens.
 * Zeroes: nobody asks.
 */

typedef struct {
    ngx_recs_redis_private_t   *owner;
    ngx_recs_redis_conn_t      *next;

    void                      (*ready)(ngx_recs_redis_conn_t *conn);
    void                      (*message)(ngx_recs_redis_conn_t *conn,
                                         ngx_str_t *payload);
    void                      (*free)(ngx_recs_redis_conn_t *conn);

    /* Which server it is opened to, each time; NULL: the same */
    ngx_recs_redis_server_t  *(*where)(ngx_recs_redis_conn_t *conn);

    unsigned                    writes:1;   /* a replica won't do for it */
    unsigned                    brief:1;    /* not kept in a worker that is
                                               exiting */
    unsigned                    held:1;     /* functions of others may be
                                               called that close it */
    unsigned                    dropped:1;  /* and one did: free() is due */
} ngx_recs_redis_tie_t;


struct ngx_recs_redis_conn_s {
    ngx_recs_redis_server_t    *server;
    ngx_connection_t           *connection; /* NULL: closed */
    ngx_log_t                  *log;

    /* after 3 pointers as in ngx_connection_t, for the timer's debug lines */
    ngx_socket_t                ident;

    ngx_log_t                   quiet;      /* for nginx's own lines */

    ngx_recs_redis_state_e      state;
    ngx_uint_t                  unlocated;  /* closed, until its server has an
                                               address */
    ngx_msec_t                  ready;      /* since when it is */
    ngx_msec_t                  renew;      /* when AUTH is sent again */
    ngx_msec_t                  greeted;    /* when the handshake could leave */

    /* to open it, to be ready in time, or to have a reply in time */
    ngx_event_t                 timer;
    ngx_event_t                 flush;      /* to write what was appended */

    ngx_recs_redis_retry_t      retry;
    ngx_recs_redis_pipeline_t   pipeline;
    ngx_recs_redis_reader_t     reader;
    ngx_recs_redis_push_t       push;
    ngx_recs_redis_fault_t      fault;
    ngx_recs_redis_tls_conn_t   tls;
    ngx_recs_redis_tie_t        tie;
};


/* Whether it is for messages, not for commands; whether it has TLS. */

#define ngx_recs_redis_subscribes(conn)  ((conn)->push.channel.len)
#define ngx_recs_redis_has_tls(conn)     ((conn)->server->redis->tls.ssl)

/* Whether what is read of one that is subscribed is no reply. */

#define ngx_recs_redis_pushed(conn)                                          \
    ((conn)->reader.pushes || (conn)->reader.push)

/* RESP3: a push to one that is not, which is passed over, as clients have to */

#define ngx_recs_redis_stray(conn)                                           \
    ((conn)->reader.push && !ngx_recs_redis_subscribes(conn))


/* Prepares a zeroed connection; it is closed. */

void ngx_recs_redis_conn_init(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_server_t *server, const ngx_str_t *channel,
    ngx_log_t *log);

/* Begins to open a closed one.  A failure is seen to here, by the timer. */

void ngx_recs_redis_conn_open(ngx_recs_redis_conn_t *conn);

/*
 * The same, within some tenths of a second: for all that no response waits for,
 * so that workers that start together are no storm of handshakes.
 */

void ngx_recs_redis_conn_open_soon(ngx_recs_redis_conn_t *conn);

/*
 * Sends AUTH again, or opens it anew, if that is due.  Not from within a
 * function that it calls.
 */

void ngx_recs_redis_conn_renew(ngx_recs_redis_conn_t *conn);

/* A command was appended: it leaves at the end of this turn, if it is ready. */

void ngx_recs_redis_conn_appended(ngx_recs_redis_conn_t *conn,
    ngx_msec_t block);

/*
 * Its server is no longer one of its Redis: it is lost (NGX_ABORT), and
 * tie.where() says where it is opened again; until then it has a server without
 * an address.  Not from within a function that it calls.
 */

void ngx_recs_redis_conn_leave(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_server_t *nowhere);

/* Closes it for good; NGX_ABORT for all that wait.  Likewise. */

void ngx_recs_redis_conn_end_all(ngx_recs_redis_conn_t *conn);

/* Closes it for good and frees all it has; nobody is told. */

void ngx_recs_redis_conn_destroy(ngx_recs_redis_conn_t *conn);


#endif /* NGX_RECS_REDIS_CONN_H */
