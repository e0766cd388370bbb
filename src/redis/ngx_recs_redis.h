
/*
 * A Redis to ask: connections of one worker, each with a pipeline of commands
 * whose replies are handed out as they are read.  Nothing here blocks, and
 * nothing here knows what the commands are for.
 *
 * Protocol: RESP2 or RESP3 (https://redis.io/docs/latest/develop/reference/
 * protocol-spec/), read by hiredis.
 */


#ifndef NGX_RECS_REDIS_H
#define NGX_RECS_REDIS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_recs_counter.h"
#include "ngx_recs_redis_login.h"


typedef struct ngx_recs_redis_s          ngx_recs_redis_t;
typedef struct ngx_recs_redis_fleet_s  ngx_recs_redis_fleet_t;
typedef struct ngx_recs_redis_server_s   ngx_recs_redis_server_t;
typedef struct ngx_recs_redis_conn_s     ngx_recs_redis_conn_t;
typedef struct ngx_recs_redis_query_s    ngx_recs_redis_query_t;
typedef struct ngx_recs_redis_slot_s     ngx_recs_redis_slot_t;
typedef struct ngx_recs_redis_private_s  ngx_recs_redis_private_t;
typedef struct ngx_recs_redis_shared_s   ngx_recs_redis_shared_t;
typedef struct ngx_recs_redis_breaker_s  ngx_recs_redis_breaker_t;
typedef struct ngx_recs_redis_reads_s    ngx_recs_redis_reads_t;


/* of a name that a server's certificate is for, bytes (RFC 1035, 2.3.4) */
#define NGX_RECS_REDIS_HOST  255


/* TLS, with which all connections to a Redis are made, or none. */

typedef struct {
    ngx_str_t                 trusted;      /* a file of authorities; len 0:
                                               those that the system trusts */
    ngx_str_t                 certificate;  /* files of what is shown to a
                                               server; len 0: nothing */
    ngx_str_t                 key;
    ngx_str_t                 name;         /* of each server, with which it is
                                               asked and by which its
                                               certificate is judged; len 0:
                                               its host */
    ngx_flag_t                verify;       /* it is judged */

    ngx_ssl_t                *ssl;          /* NULL: no TLS */
} ngx_recs_redis_tls_t;


/* Counters of all workers, in shared memory; only ever added to. */

typedef struct {
    ngx_atomic_t              commands;     /* taken into a pipeline */
    ngx_atomic_t              errors;       /* answered with an error, or with
                                               more than is taken */
    ngx_atomic_t              connects;     /* connections made ready */
    ngx_atomic_t              losses;       /* connections lost, or not made */
    ngx_atomic_t              refused;      /* commands that send() declined */
    ngx_atomic_t              discarded;    /* replies that came too late */
    ngx_atomic_t              opened;       /* how often a server was no longer
                                               asked */
    ngx_atomic_t              declined;     /* questions not asked for that */
} ngx_recs_redis_counters_t;


typedef enum {
    NGX_RECS_REDIS_SINGLE = 0,              /* one server has all keys */
    NGX_RECS_REDIS_CLUSTER,                 /* each key is in a slot, which a
                                               server has */
    NGX_RECS_REDIS_SENTINEL                 /* the server that sentinels name
                                               has all keys */
} ngx_recs_redis_topology_e;


/*
 * When a server is no longer asked: what all workers know of that, in shared
 * memory, all zero at first.  Times are in ms, as ngx_current_msec is, if not
 * said otherwise.
 */

typedef struct {
    ngx_atomic_t              open;         /* 1: it is not asked */
    ngx_atomic_t              window;       /* when the first failure was noted;
                                               0: all is well */
    ngx_atomic_t              row;          /* failures in a row */
    ngx_atomic_t              last;         /* when the last one was known */
    ngx_atomic_t              good;         /* of the window */
    ngx_atomic_t              failed;
    ngx_atomic_t              patience;     /* the shortest deadline that was
                                               missed, ms; 0: none was */
    ngx_atomic_t              due;          /* until then it stays open */
    ngx_atomic_t              probe;        /* when the next probe may leave */
    ngx_atomic_t              closed;       /* when it last did */
    ngx_atomic_t              again;        /* how often it soon opened again */
    ngx_atomic_t              since;        /* unix seconds; 0: ever */

    ngx_atomic_t              pace;         /* of connections that failed, see
                                               ngx_recs_redis_retry.h; no matter
                                               whether there is a breaker */
} ngx_recs_redis_breaker_shared_t;


/* Where pages read what is on several servers. */

typedef enum {
    NGX_RECS_REDIS_READS_MASTER = 0,
    NGX_RECS_REDIS_READS_REPLICA,           /* each in turn */
    NGX_RECS_REDIS_READS_NEAREST            /* a replica or the master */
} ngx_recs_redis_reads_e;


/* A server's host that is no address. */

typedef struct {
    ngx_str_t                 host;         /* may be written to */
    in_port_t                 port;
} ngx_recs_redis_name_t;


/* Who uses connections in the background: told when one stands. */

typedef struct {
    void                    (*ready)(void *data);   /* NULL: nobody does */
    void                     *data;
} ngx_recs_redis_background_t;


/*
 * What one recs_redis block says, and what this worker has of it.  The caller
 * fills in all but the last part, from memory that lives as long as the cycle.
 * Log lines show name, server and the addresses' names, never the user or the
 * password: server must hold neither.
 */

struct ngx_recs_redis_s {
    ngx_str_t                 name;
    ngx_str_t                 server;       /* its URL, for the log */

    ngx_recs_redis_topology_e  topology;
    ngx_uint_t                protocol;     /* 2; or 3, which is spoken to
                                               servers that know it */

    ngx_str_t                 master;       /* that sentinels know */

    /* of the server, of some servers of a cluster, or of sentinels */
    ngx_addr_t               *addrs;        /* tried in turn; TCP or unix */
    ngx_uint_t                naddrs;       /* 0 only if resolver can tell */
    ngx_str_t                *hosts;        /* of each address, that of its
                                               URL; of IPv6 in brackets */

    /* that which names say while it runs, of those of which it has some */
    ngx_resolver_t           *resolver;     /* NULL: it stays as it is */
    ngx_msec_t                resolver_timeout;     /* ms */
    ngx_recs_redis_name_t    *names;
    ngx_uint_t                nnames;
    time_t                    looked_up;    /* when naddrs were, unix seconds */

    ngx_recs_redis_tls_t      tls;
    ngx_uint_t                database;
    ngx_recs_redis_login_t    login;
    ngx_recs_redis_login_t    sentinel_login;

    ngx_uint_t                nconns;       /* in each worker, at least 1 */
    ngx_msec_t                connect_timeout;  /* ms, until it is ready */
    ngx_msec_t                timeout;      /* ms, for the oldest command */

    ngx_uint_t                failures;     /* in a row: then it is no longer
                                               asked; 0: it always is */
    ngx_msec_t                cooldown;     /* ms, until it is tried again */

    ngx_recs_redis_reads_e    reads;
    ngx_msec_t                max_lag;      /* ms; a replica that is further
                                               behind is not read from */

    ngx_recs_redis_counters_t  *counters;   /* never NULL in a worker */
    ngx_recs_redis_breaker_shared_t  *breaker;  /* of the one server; NULL:
                                               failures is 0, or it is none */
    ngx_atomic_t             *pace;         /* of the one server, or of the
                                               sentinels; NULL: of a cluster */

    /* of a cluster or a master, for all workers */
    ngx_recs_redis_shared_t  *shared;       /* of its servers */
    ngx_shmtx_t              *mutex;        /* a slab pool's */

    /* this room's own; zeroes until init_worker */

    ngx_recs_redis_server_t  *servers;      /* this worker's */
    ngx_recs_redis_fleet_t   *fleet;        /* NULL: it is none */

    /* The server that has a key, never NULL, though it may have no address */
    ngx_recs_redis_server_t  *(*server_of)(ngx_recs_redis_t *redis,
                                           const ngx_str_t *key);
    /* Where a page reads it: the same, or a replica of that server */
    ngx_recs_redis_server_t  *(*reader_of)(ngx_recs_redis_t *redis,
                                           const ngx_str_t *key);
    /*
     * An error to the connection's oldest command, as redirect() in
     * ngx_recs_redis_reply.h; NULL: there is but one server
     */
    ngx_int_t               (*redirect)(ngx_recs_redis_conn_t *conn,
                                        const ngx_str_t *error);

    ngx_event_t               renew;        /* sends AUTH again */

    ngx_recs_redis_conn_t    *privates;     /* those that have an owner */
    ngx_recs_redis_background_t  background;
};


typedef enum {
    NGX_RECS_REDIS_NIL = 0,
    NGX_RECS_REDIS_INTEGER,
    NGX_RECS_REDIS_STRING,                  /* bulk or status; of RESP3 also a
                                               double, and what is verbatim */
    NGX_RECS_REDIS_ARRAY                    /* of RESP3 also a set; a map, as
                                               its keys and values in turn */
} ngx_recs_redis_type_e;


/*
 * One value of a reply, given in the order in which they stand in it: an array
 * before its elements.  So depth tells what is what in a nested one; that to
 * XREAD has the id of an entry at depth 4, index 0, and its fields and their
 * values in turn at depth 5.
 *
 * Replies of RESP3 have the types and the shapes of RESP2, but for those whose
 * shape is another one in Redis itself: where RESP2 has members and scores in
 * turn (WITHSCORES, WITHVALUES), it has an array for each two; and where RESP2
 * has an array for each stream of XREAD, names and entries in turn.
 */

typedef struct {
    ngx_recs_redis_type_e     type;
    ngx_uint_t                depth;    /* 0: the reply itself; 1: an element
                                           of it; and so on */
    ngx_uint_t                index;    /* within its array; 0 at depth 0 */
    int64_t                   integer;  /* of an array: how many elements */
    ngx_str_t                 str;      /* valid during the call only */
    ngx_uint_t                resp3;    /* of an array: it is of RESP3 */
} ngx_recs_redis_value_t;


/*
 * A command that waits for its reply.  The memory is the caller's and must
 * stay until done() was called or the query was forgotten.
 */

struct ngx_recs_redis_query_s {
    /*
     * A value of the reply.  NGX_OK; or NGX_ERROR if this cannot be the reply
     * to that command: the connection is dropped then, since replies are told
     * apart by their order alone.
     * Must neither send nor forget, nor touch anything that may end the query.
     */
    ngx_int_t               (*value)(ngx_recs_redis_query_t *q,
                                     ngx_recs_redis_value_t *v);

    /*
     * The end, called once and never from within ngx_recs_redis_send():
     *   NGX_OK     the reply was read to its end;
     *   NGX_ERROR  Redis answered with an error, or with an array that holds
     *              one: its text (the first one's, at most 255 bytes of it)
     *              is in *error, valid during the call only; or with a string
     *              over max_bulk: too_large is set, and *error says so;
     *   NGX_ABORT  the connection was lost or dropped, or Redis said that it
     *              can't answer as it is now (LOADING, READONLY and others, see
     *              ngx_recs_redis_fault.c); values may have been given before.
     * error is NULL unless NGX_ERROR.
     * The query's memory may go in it, and other queries may be sent or
     * forgotten.
     */
    void                    (*done)(ngx_recs_redis_query_t *q, ngx_int_t rc,
                                    ngx_str_t *error);

    void                     *data;     /* the caller's */

    size_t                    max_bulk; /* bytes that a string may have; 0: 16
                                           MB.  A longer one is read past and
                                           not kept: done() need not wait for
                                           its end */
    ngx_msec_t                block;    /* ms that the command may block, in
                                           addition to timeout: what it says
                                           itself, and not for ever.  What is
                                           sent behind it waits as well: for
                                           private connections only */
    ngx_uint_t                redirects;    /* how often another server was said
                                               to have the key */
    ngx_msec_t                deadline; /* ms that a response waits for it at
                                           most; 0: none does */
    unsigned                  stays:1;  /* it is about the server that is asked,
                                           no other can answer it */
    unsigned                  late:1;   /* ngx_recs_redis_late() was told */
    unsigned                  too_large:1;  /* there was one; set until done()
                                               is called */
    unsigned                  due:1;        /* for done() with NGX_ABORT: its
                                               reply was the next to come, it
                                               may be why the connection was
                                               lost */

    ngx_recs_redis_breaker_t  *breaker; /* of the server that was asked */
    const ngx_str_t          *server;   /* its URL, for the log: while it waits,
                                           and in done() */
    ngx_recs_redis_slot_t    *slot;     /* its place in the pipeline; NULL: it
                                           waits for nothing.  The caller sets
                                           it to NULL once, before all else */
};


/*
 * Reads the files that redis->tls names, all relative to the directory of
 * nginx.conf, and makes its ssl, which lives as long as the configuration.
 * NGX_ERROR: it was logged.
 */

ngx_int_t ngx_recs_redis_tls_create(ngx_conf_t *cf, ngx_recs_redis_t *redis);

/*
 * Opens the connections of this worker.  Called in init_process, for each
 * cycle's Redis; does nothing in a process that serves no requests (the cache
 * manager).  Afterwards they are kept open, reopened with backoff and jitter,
 * of a server that is away at a pace that all workers keep together: that Redis
 * cannot be reached is no error here.  NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_redis_init_worker(ngx_recs_redis_t *redis,
    ngx_cycle_t *cycle);

/*
 * Closes them all, in exit_process.  No done() is called: what waited waits
 * for nothing any more.
 */

void ngx_recs_redis_exit_worker(ngx_recs_redis_t *redis);

/*
 * The connection to send a page's questions about a key on, at once: it may be
 * lost later.  The key says which server is meant, the one that has the key's
 * slot, or a replica of that, if redis->reads says so: for what is only read.
 * NULL: any will do.
 * A connection that is only being opened may be given, if none is ready: its
 * commands leave when it is.
 * NULL: there is none that could answer soon (Redis is away, or every pipeline
 * is full), or the server fails so that it is not asked for now.
 */

ngx_recs_redis_conn_t *ngx_recs_redis_pick(ngx_recs_redis_t *redis,
    const ngx_str_t *key);

/* The same, but never a replica's: for what may not be as old as one is. */

ngx_recs_redis_conn_t *ngx_recs_redis_pick_master(ngx_recs_redis_t *redis,
    const ngx_str_t *key);

/*
 * The same for who waits as long as it takes, and no response with him: also of
 * a server that is not asked otherwise.
 */

ngx_recs_redis_conn_t *ngx_recs_redis_pick_patient(ngx_recs_redis_t *redis,
    const ngx_str_t *key);

/*
 * May a connection that pick() gave in this turn of the event loop be used for
 * this key, too?  The commands of one response share one where they can, so
 * that they leave in one write.  master: a replica's will not do.
 */

ngx_uint_t ngx_recs_redis_serves(const ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_t *redis, const ngx_str_t *key, ngx_uint_t master);

/*
 * Appends a command to the connection's pipeline; it leaves at the end of this
 * turn of the event loop, together with all others.  The arguments, the
 * command's name first, are copied and may hold any byte.  The query must wait
 * for nothing.
 * NGX_OK: done() will be called.  NGX_DECLINED: the pipeline is full, or the
 * connection was lost meanwhile.  NGX_ERROR: out of memory.  In these two
 * cases the query waits for nothing.
 */

ngx_int_t ngx_recs_redis_send(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_query_t *q, ngx_uint_t nargs, const ngx_str_t *args);

/*
 * Could so many commands with so many arguments, of so many bytes in all, ever
 * be sent in one turn?
 */

ngx_uint_t ngx_recs_redis_fits(ngx_uint_t ncommands, size_t nargs,
    size_t bytes);

/*
 * Nobody waits for this reply any more: it will be read and thrown away, the
 * query is not touched again.  Does nothing if the query waits for nothing.
 */

void ngx_recs_redis_forget(ngx_recs_redis_query_t *q);

/*
 * A response gave up waiting for this reply: called before it is forgotten, if
 * it is.  Servers that leave too many of these are no longer asked.  Not for a
 * client that went away.  Does nothing if the query waits for nothing.
 */

void ngx_recs_redis_late(ngx_recs_redis_query_t *q);

/*
 * How many of its servers are no longer asked, and since when (unix seconds; 0:
 * ever) that, or that none is, is so.
 */

ngx_uint_t ngx_recs_redis_open(ngx_recs_redis_t *redis, time_t *since);

/*
 * 1: it is not known yet which servers it has, as those that say so were asked
 * only now.  What can wait asks it a bit later, and has not failed.
 */

ngx_uint_t ngx_recs_redis_begins(ngx_recs_redis_t *redis);

/* How many of this worker's connections are ready. */

ngx_uint_t ngx_recs_redis_ready(ngx_recs_redis_t *redis);


/* A server as this worker has it, and what all know of it. */

typedef struct {
    ngx_str_t                 name;         /* host:port; that of the URL */
    ngx_uint_t                ready;        /* connections */
    ngx_uint_t                replica;      /* it is one, to be read from */

    /* if redis->reads */
    ngx_uint_t                fit;          /* it is read from */
    const char               *link;         /* of a replica: "up", "down",
                                               "unknown" or, it has not been
                                               asked, "new" */
    int64_t                   lag;          /* ms: so old it may be; -1: that
                                               isn't known */
    uint64_t                  trip;         /* us, how long an answer takes; 0:
                                               unknown */
} ngx_recs_redis_server_stat_t;

/* The n-th server, from 0 on.  0: there are not so many. */

ngx_uint_t ngx_recs_redis_server_stat(ngx_recs_redis_t *redis, ngx_uint_t n,
    ngx_recs_redis_server_stat_t *stat);


/*
 * Begins to open connections for commands that no response waits for, which
 * would stand in the way of those that one does; after init_worker, by one
 * owner.  pick() never gives them.  They last as long as the worker does, an
 * exiting one, too.  ready() is called when one stands, once more.
 */

void ngx_recs_redis_open_background(ngx_recs_redis_t *redis,
    void (*ready)(void *data), void *data);

/* The one to send commands about a key on, at once.  NULL: it isn't ready. */

ngx_recs_redis_conn_t *ngx_recs_redis_background(ngx_recs_redis_t *redis,
    const ngx_str_t *key);


/*
 * A connection of its owner's alone, kept open as the others are: pick() never
 * gives it.  For commands that block, or, with a channel, for a subscription,
 * which takes no commands.  The caller fills in all but the last, in memory
 * that stays until it is closed.
 */

struct ngx_recs_redis_private_s {
    ngx_recs_redis_t         *redis;
    ngx_str_t                 key;          /* of what it is for: which server,
                                               as for pick(); len 0: any */
    ngx_recs_redis_server_t  *server;       /* that one, whatever the key is;
                                               NULL but for this room */

    /*
     * It stands, once more.  What was sent before has ended (NGX_ABORT), and
     * messages may have been missed.  The time to send to conn begins here.
     */
    void                    (*ready)(ngx_recs_redis_private_t *p);

    void                     *data;         /* the caller's */

    ngx_str_t                 channel;      /* exact, no pattern; len 0: it
                                               takes commands */

    /*
     * Of its channel: any bytes, at most 64 KB of them (a longer one is taken
     * for a fault of the connection), valid during the call only.
     */
    void                    (*message)(ngx_recs_redis_private_t *p,
                                       ngx_str_t *payload);

    ngx_recs_redis_conn_t    *conn;         /* NULL at first, and when it was
                                               closed */
};


/*
 * Begins to open it, in or after init_process; does nothing if it is open
 * already, or in a process that serves no requests.  No function is called
 * from within.  NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_redis_open_private(ngx_recs_redis_private_t *p,
    ngx_cycle_t *cycle);

/*
 * Closes it, also from within ready(), message() or a done(): none of these is
 * called any more, what waited waits for nothing.  Does nothing if it is not
 * open.  exit_worker does this for all.
 * In a worker that is exiting it is lost for good before that (NGX_ABORT): what
 * it is for, others do.
 */

void ngx_recs_redis_close_private(ngx_recs_redis_private_t *p);


extern const ngx_recs_counter_t  ngx_recs_redis_counters[];


#endif /* NGX_RECS_REDIS_H */
