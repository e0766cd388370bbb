
/*
 * The servers of a Redis that come and go, as one worker has them: those of a
 * cluster, or the one that sentinels name.  Which ones there are lies in shared
 * memory; one worker at a time asks for it anew, and all open the connections
 * and close them.
 */


#ifndef NGX_RECS_REDIS_FLEET_H
#define NGX_RECS_REDIS_FLEET_H


#include "ngx_recs_redis_refresh.h"


/* What one kind of Redis differs in. */

typedef struct {
    /* the slot of a key, which a node of the map has */
    unsigned                  (*slot)(const ngx_str_t *key);

    /* see ngx_recs_redis.h */
    ngx_int_t                 (*redirect)(ngx_recs_redis_conn_t *conn,
                                          const ngx_str_t *error);

    ngx_recs_redis_ask_t        ask;        /* how it is asked */
    unsigned                    members:1;  /* those that are known are asked,
                                               not the configured ones alone */
    unsigned                    sentinel:1; /* sentinels are asked */
    recs_redis_pace_t           pace;       /* how often */
} ngx_recs_redis_kind_t;


/* Of a server that left: what the log was told of it. */

typedef struct {
    uint32_t                    name;       /* CRC32 of it */
    time_t                      left;       /* unix seconds; 0: it is none */
    ngx_uint_t                  down;       /* as in its server */
    ngx_uint_t                  failures;   /* to find its name */
} ngx_recs_redis_told_t;


struct ngx_recs_redis_fleet_s {
    ngx_recs_redis_t           *redis;
    ngx_cycle_t                *cycle;
    const ngx_recs_redis_kind_t  *kind;
    recs_redis_map_t           *map;

    /* private */

    /* by index of nodes in the map; NULL: none that is asked */
    ngx_recs_redis_server_t    *servers[RECS_REDIS_NODES];
    uint64_t                    numbers[RECS_REDIS_NODES];
    uint16_t                    masters[RECS_REDIS_NODES];  /* their index */
    uint64_t                    generation; /* of the map, as they are */
    ngx_uint_t                  any;        /* where the last one was found */

    ngx_recs_redis_server_t    *left;       /* those that are to be closed */
    ngx_recs_redis_told_t       told[RECS_REDIS_NODES];     /* by name */
    ngx_recs_redis_server_t     nowhere;    /* nobody has it: no address */

    ngx_recs_redis_resolve_t   *names;      /* redis->nnames, of the configured
                                               ones */

    ngx_recs_redis_refresh_t    refresh;
    ngx_uint_t                  candidates; /* the first to be asked */
    ngx_uint_t                  first;      /* of sentinels, the same */
    uint64_t                    before;     /* generation, when it was asked */
    ngx_event_t                 look;

    ngx_uint_t                  refusing;   /* keys, and that was logged */
    ngx_msec_t                  refused;    /* when the last one was */
};


/*
 * In init_process: redis->fleet is made, and found out what it has.
 * NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_redis_fleet_init_worker(ngx_recs_redis_t *redis,
    const ngx_recs_redis_kind_t *kind, ngx_cycle_t *cycle);

/* Before its connections are closed. */

void ngx_recs_redis_fleet_exit_worker(ngx_recs_redis_fleet_t *fleet);

/*
 * Writes into the map that a slot is a node's (moved), or only that there is
 * such a node.  Its server, as of now; NULL: it can't be had.
 */

ngx_recs_redis_server_t *ngx_recs_redis_fleet_told(
    ngx_recs_redis_fleet_t *fleet, const recs_redis_redirect_t *redirect,
    ngx_uint_t moved);

/* Something may have changed, or has: it is asked for soon. */

void ngx_recs_redis_fleet_soon(ngx_recs_redis_fleet_t *fleet);
void ngx_recs_redis_fleet_changed(ngx_recs_redis_fleet_t *fleet);

/*
 * The same: that server can't answer for a key as things are, and said so in
 * error.  One line says that, and one that it is over.
 */

void ngx_recs_redis_fleet_refused(ngx_recs_redis_fleet_t *fleet,
    const ngx_recs_redis_server_t *server, const ngx_str_t *error);


#endif /* NGX_RECS_REDIS_FLEET_H */
