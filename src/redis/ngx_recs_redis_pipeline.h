
/*
 * A pipeline: commands whose replies have not been read, in the order in which
 * they leave, and the bytes that have not left yet.  It knows nothing of
 * sockets: a connection has one, and sends what it holds.
 */


#ifndef NGX_RECS_REDIS_PIPELINE_H
#define NGX_RECS_REDIS_PIPELINE_H


#include "ngx_recs_redis_breaker.h"


#define NGX_RECS_REDIS_MAX_WAITING   4096               /* commands */
#define NGX_RECS_REDIS_MAX_EARLY     256                /* until it is ready */
#define NGX_RECS_REDIS_MAX_OUTPUT    (8 * 1024 * 1024)  /* bytes */


/* What a place in the pipeline waits for. */

typedef enum {
    NGX_RECS_REDIS_COMMAND = 0,
    NGX_RECS_REDIS_AUTH,                    /* these are the connection's own */
    NGX_RECS_REDIS_HELLO,
    NGX_RECS_REDIS_SELECT,
    NGX_RECS_REDIS_ROLE,
    NGX_RECS_REDIS_MODE,                    /* READONLY or READWRITE */
    NGX_RECS_REDIS_PING,
    NGX_RECS_REDIS_ASKING,
    NGX_RECS_REDIS_SUBSCRIBE
} ngx_recs_redis_kind_e;


struct ngx_recs_redis_slot_s {
    ngx_recs_redis_slot_t    *next;
    ngx_recs_redis_query_t   *query;        /* NULL: the connection's own, or
                                               forgotten */
    ngx_recs_redis_kind_e     kind;
    ngx_msec_t                since;        /* when it was appended */
    ngx_msec_t                block;        /* its query's */
    uint64_t                  end;          /* of its bytes in the output */
};


/* Bytes are counted since the connection was opened. */

typedef struct {
    ngx_log_t                *log;
    const ngx_str_t          *server;       /* its URL; NULL: no page asks */
    ngx_recs_redis_breaker_t *breaker;      /* its server's, told of what comes
                                               of questions; NULL: it isn't */

    ngx_recs_redis_slot_t    *head;
    ngx_recs_redis_slot_t   **tail;
    ngx_uint_t                waiting;
    ngx_recs_redis_slot_t    *free;

    ngx_buf_t                 out;          /* what has not left yet is from
                                               pos to last, what is kept before
                                               it */
    uint64_t                  appended;
    uint64_t                  sent;
    uint64_t                  secret;       /* from there to its end AUTH is */
    uint64_t                  secret_end;
    uint64_t                  released;     /* these bytes are kept no more */
    uint64_t                  handshake;    /* these bytes leave first, the
                                               others when it is ready */
    unsigned                  ready:1;      /* the handshake was answered */
    unsigned                  keep:1;       /* commands are kept until they are
                                               answered, for move() */
} ngx_recs_redis_pipeline_t;


/* Prepares a zeroed one. */

void ngx_recs_redis_pipeline_init(ngx_recs_redis_pipeline_t *pl,
    ngx_log_t *log);

/* Empties the output, for a connection that is opened anew. */

void ngx_recs_redis_pipeline_reset(ngx_recs_redis_pipeline_t *pl);

/* Frees the slots and the output; nothing waits any more, silently. */

void ngx_recs_redis_pipeline_free(ngx_recs_redis_pipeline_t *pl);

/*
 * Appends a command, q's or (NULL) the connection's own.
 * NGX_OK, NGX_DECLINED (full), NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_redis_pipeline_append(ngx_recs_redis_pipeline_t *pl,
    ngx_recs_redis_kind_e kind, ngx_recs_redis_query_t *q, ngx_uint_t nargs,
    const ngx_str_t *args);

/*
 * Moves the oldest command, which has left and is q's, to another pipeline,
 * behind ASKING if asking says so.  As append(): if it isn't NGX_OK, nothing
 * has moved.
 */

ngx_int_t ngx_recs_redis_pipeline_move(ngx_recs_redis_pipeline_t *from,
    ngx_recs_redis_pipeline_t *to, ngx_uint_t asking);

ngx_uint_t ngx_recs_redis_pipeline_full(const ngx_recs_redis_pipeline_t *pl);

/* Takes the head off; its query, if any, waits for nothing any more. */

ngx_recs_redis_query_t *ngx_recs_redis_pipeline_shift(
    ngx_recs_redis_pipeline_t *pl);

/*
 * NGX_ABORT for all that wait; the oldest may be the reason, if so is said.
 * The connection must be closed by then, so that none of them sends another
 * command on it.
 */

void ngx_recs_redis_pipeline_abort(ngx_recs_redis_pipeline_t *pl,
    ngx_uint_t reason);

/* Bytes at out.pos that may leave now; and that they left. */

size_t ngx_recs_redis_pipeline_output(const ngx_recs_redis_pipeline_t *pl);
void ngx_recs_redis_pipeline_sent(ngx_recs_redis_pipeline_t *pl, size_t size);

/* Has the whole of the oldest command left, so that its reply may come? */

#define ngx_recs_redis_pipeline_due(p)                                       \
    ((p)->head && (p)->head->end <= (p)->sent)


#endif /* NGX_RECS_REDIS_PIPELINE_H */
