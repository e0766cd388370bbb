
/*
 * One connection to Redis: what the files of this room share.
 *
 *   ngx_recs_redis.c           the connections of a worker, and its log lines
 *   ngx_recs_redis_conn.c      opening, reading, writing, losing one
 *   ngx_recs_redis_pipeline.c  its waiting commands and its output
 *   ngx_recs_redis_reply.c     its replies
 *   ngx_recs_redis_private.c   one that has an owner
 *   ngx_recs_redis_push.c      what comes to one that is subscribed instead
 *
 * Only event handlers lose or open a connection, and none of them ever runs
 * inside a query's done(): whatever done() sends or forgets, the connection it
 * was called for is still there afterwards.
 */


#ifndef NGX_RECS_REDIS_CONN_H
#define NGX_RECS_REDIS_CONN_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <hiredis/hiredis.h>
#include "ngx_recs_redis.h"


#define NGX_RECS_REDIS_MAX_WAITING   4096               /* commands */
#define NGX_RECS_REDIS_MAX_EARLY     256                 /* until it is ready */
#define NGX_RECS_REDIS_MAX_OUTPUT    (8 * 1024 * 1024)  /* bytes */

#define NGX_RECS_REDIS_MAX_MESSAGE   (64 * 1024)        /* bytes */

#define NGX_RECS_REDIS_TEXT          256                /* bytes */


/* Why a connection was lost, or not made: a bit each. */

typedef enum {
    NGX_RECS_REDIS_AWAY         = 0x0001,   /* no network, no reply */
    NGX_RECS_REDIS_FORBIDDEN    = 0x0002,   /* by the system */
    NGX_RECS_REDIS_NO_RESOURCE  = 0x0004,   /* of this worker */
    NGX_RECS_REDIS_LOADING      = 0x0008,
    NGX_RECS_REDIS_MASTERDOWN   = 0x0010,
    NGX_RECS_REDIS_AUTH_FAILED  = 0x0020,
    NGX_RECS_REDIS_NO_DATABASE  = 0x0040,
    NGX_RECS_REDIS_DENIED       = 0x0080,   /* by Redis, for another reason */
    NGX_RECS_REDIS_PROTOCOL     = 0x0100,   /* no reply that could be meant */
    NGX_RECS_REDIS_NO_CHANNEL   = 0x0200    /* of one that is private */
} ngx_recs_redis_reason_e;


typedef struct {
    ngx_recs_redis_reason_e   reason;
    ngx_err_t                 err;          /* errno, or 0 */
    ngx_str_t                 text;         /* a sentence, in data[] */
    u_char                    data[NGX_RECS_REDIS_TEXT];
} ngx_recs_redis_fault_t;


/* What a place in the pipeline waits for. */

typedef enum {
    NGX_RECS_REDIS_COMMAND = 0,
    NGX_RECS_REDIS_AUTH,                    /* these are the handshake */
    NGX_RECS_REDIS_SELECT,
    NGX_RECS_REDIS_PING,
    NGX_RECS_REDIS_SUBSCRIBE
} ngx_recs_redis_kind_e;


struct ngx_recs_redis_slot_s {
    ngx_recs_redis_slot_t    *next;
    ngx_recs_redis_query_t   *query;        /* NULL: handshake, or forgotten */
    ngx_recs_redis_kind_e     kind;
    ngx_msec_t                since;        /* when it was appended */
    ngx_msec_t                block;        /* its query's */
    uint64_t                  end;          /* of its bytes in the output */
};


typedef enum {
    NGX_RECS_REDIS_CLOSED = 0,              /* its timer will open it */
    NGX_RECS_REDIS_CONNECTING,
    NGX_RECS_REDIS_HANDSHAKE,
    NGX_RECS_REDIS_READY
} ngx_recs_redis_state_e;


/* What Redis sends to one that is subscribed. */

typedef enum {
    NGX_RECS_REDIS_PUSH_SUBSCRIBE = 0,
    NGX_RECS_REDIS_PUSH_MESSAGE,
    NGX_RECS_REDIS_PUSH_PONG
} ngx_recs_redis_push_e;


struct ngx_recs_redis_conn_s {
    ngx_recs_redis_t         *redis;
    ngx_connection_t         *connection;   /* NULL: closed */
    redisReader              *reader;       /* NULL: closed */

    /* after 3 pointers as in ngx_connection_t, for the timer's debug lines */
    ngx_socket_t              ident;

    ngx_log_t                *log;
    ngx_log_t                 quiet;        /* for nginx's own lines */

    ngx_recs_redis_state_e    state;
    ngx_msec_t                ready;        /* since when it is */

    ngx_uint_t                addr;         /* index of the one in use */
    ngx_uint_t                tried;        /* how many failed in a row */
    ngx_uint_t                backoffs;     /* in a row */

    /* to open it, to be ready in time, or to have a reply in time */
    ngx_event_t               timer;

    /* the pipeline: commands whose replies have not been read, in order */

    ngx_recs_redis_slot_t    *head;
    ngx_recs_redis_slot_t   **tail;
    ngx_uint_t                waiting;
    ngx_recs_redis_slot_t    *free;

    /* the output; bytes counted since the connection was opened */

    ngx_buf_t                 out;
    uint64_t                  appended;
    uint64_t                  sent;
    uint64_t                  handshake;    /* these bytes leave first, the
                                               others when it is ready */
    ngx_event_t               flush;

    /* the reply that is being read */

    ngx_str_t                 error;        /* len 0: none in it */
    u_char                    error_data[NGX_RECS_REDIS_TEXT];
    size_t                    skip;         /* bytes to read past before the
                                               next that the reader gets */

    /* of one that has an owner */

    ngx_recs_redis_private_t  *owner;       /* NULL: it is picked */
    ngx_recs_redis_conn_t    *next;
    unsigned                  held:1;       /* functions of others may be
                                               called that close it */
    unsigned                  dropped:1;    /* and one did */

    /* of a subscription */

    ngx_recs_redis_push_e     push;         /* what is being read */
    ngx_int_t                 elements;     /* of it */
    unsigned                  refused:1;    /* and that was logged */

    ngx_recs_redis_fault_t    fault;
};


#define ngx_recs_redis_count(redis, counter)                                 \
    (void) ngx_atomic_fetch_add(&(redis)->counters->counter, 1)

/* Whether it is for messages, not for commands. */
#define ngx_recs_redis_subscribes(conn)                                      \
    ((conn)->owner && (conn)->owner->channel.len)


/* ngx_recs_redis.c */

/* One log line a state change of this worker's Redis, not of a connection. */
void ngx_recs_redis_log_loss(ngx_recs_redis_conn_t *conn);
void ngx_recs_redis_log_recovery(ngx_recs_redis_conn_t *conn);


/* ngx_recs_redis_conn.c */

/* Prepares a zeroed connection; it is closed. */
void ngx_recs_redis_conn_init(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_t *redis, ngx_log_t *log);

/* Begins to open a closed one.  A failure is seen to here, by the timer. */
void ngx_recs_redis_conn_open(ngx_recs_redis_conn_t *conn);

/* The handshake was answered well.  Its owner, if any, is told. */
void ngx_recs_redis_conn_ready(ngx_recs_redis_conn_t *conn);

/* Closes it for good and frees all it has. */
void ngx_recs_redis_conn_destroy(ngx_recs_redis_conn_t *conn);

/* Notes why the connection must be closed; whoever called the reader does. */
void ngx_recs_redis_fault(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_reason_e reason, ngx_err_t err, const char *fmt, ...);


/* ngx_recs_redis_pipeline.c */

/*
 * Appends a command to the pipeline and to the output.
 * NGX_OK, NGX_DECLINED (full), NGX_ERROR (out of memory).
 */
ngx_int_t ngx_recs_redis_append(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_kind_e kind, ngx_recs_redis_query_t *q, ngx_uint_t nargs,
    const ngx_str_t *args);

ngx_uint_t ngx_recs_redis_full(ngx_recs_redis_conn_t *conn);

/* Takes the head off; its query, if any, waits for nothing any more. */
ngx_recs_redis_query_t *ngx_recs_redis_shift(ngx_recs_redis_conn_t *conn);

/* NGX_ABORT for all that wait.  The connection must be closed by then. */
void ngx_recs_redis_abort(ngx_recs_redis_conn_t *conn);

/* Bytes at out.pos that may leave now; and that they left. */
size_t ngx_recs_redis_output(ngx_recs_redis_conn_t *conn);
void ngx_recs_redis_output_sent(ngx_recs_redis_conn_t *conn, size_t size);

/* Empties the output, for a connection that is opened anew. */
void ngx_recs_redis_output_reset(ngx_recs_redis_conn_t *conn);

/* Frees the slots and the output; nothing waits any more, silently. */
void ngx_recs_redis_pipeline_free(ngx_recs_redis_conn_t *conn);


/* ngx_recs_redis_reply.c */

/* A reader for a new connection; NULL: out of memory. */
redisReader *ngx_recs_redis_reader(ngx_recs_redis_conn_t *conn);

/*
 * Reads replies from the size bytes at buf and calls value() and done().
 * NGX_ERROR: the connection must be closed, conn->fault says why unless it was
 * dropped.
 */
ngx_int_t ngx_recs_redis_read(ngx_recs_redis_conn_t *conn, u_char *buf,
    size_t size);


/* ngx_recs_redis_private.c */

/*
 * While it is held its owner does not free it.  release() makes up for that:
 * NGX_ERROR: it was closed meanwhile, and is gone.
 */
#define ngx_recs_redis_hold(conn)  (conn)->held = 1
ngx_int_t ngx_recs_redis_release(ngx_recs_redis_conn_t *conn);


/* ngx_recs_redis_push.c */

/* Whether what comes is to be understood as a push. */
#define ngx_recs_redis_pushed(conn)                                          \
    (ngx_recs_redis_subscribes(conn)                                         \
     && ((conn)->state == NGX_RECS_REDIS_READY                               \
         || ((conn)->head                                                    \
             && (conn)->head->kind == NGX_RECS_REDIS_SUBSCRIBE)))

/* A value of one: NGX_OK, or NGX_ERROR if there is no such push. */
ngx_int_t ngx_recs_redis_push_value(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_value_t *v);

/*
 * Its end: calls ready() or message().  NGX_ERROR: the connection must be
 * closed, for the reason in conn->fault.
 */
ngx_int_t ngx_recs_redis_push_end(ngx_recs_redis_conn_t *conn);


#endif /* NGX_RECS_REDIS_CONN_H */
