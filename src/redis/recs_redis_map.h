
/*
 * What is known of a Redis that is several servers, in memory that processes
 * share: its nodes, which node has a slot, and when somebody asks again.  Plain
 * C99 with GCC's __atomic builtins, no pointer is kept in the shared memory.
 *
 * Nobody waits to read.  Who writes holds a lock, the caller's, and may be
 * killed at any instant: the next one who writes makes that good.
 *
 * A node is its host and port, whatever id it has, and keeps its index for as
 * long as it belongs to the Redis.  One that left keeps it until nodes change
 * once more, if there is room; so an index that was read is in bounds, and the
 * worst that it can do is lead to a node that does not have the slot, which
 * says so (MOVED).
 */


#ifndef RECS_REDIS_MAP_H
#define RECS_REDIS_MAP_H


#include <stddef.h>
#include <stdint.h>
#include <string.h>


#define RECS_REDIS_SLOTS    16384
#define RECS_REDIS_NODES    256         /* at most */
#define RECS_REDIS_HOST     255         /* bytes, at most */
#define RECS_REDIS_NONE     0xffff      /* no node */

/* A node's flags: it says, or others do, that it can't be asked now. */

#define RECS_REDIS_FAILING  0x01
#define RECS_REDIS_LOADING  0x02        /* it has no data yet, or there is none
                                           at all */


typedef struct {
    uint16_t                  port;     /* 1 to 65535 */
    uint16_t                  master;   /* the index of the node that it is a
                                           replica of; RECS_REDIS_NONE: it is a
                                           master, or that isn't known */
    uint8_t                   flags;
    uint8_t                   len;      /* at least 1 */
    char                      host[RECS_REDIS_HOST + 1];    /* name or address,
                                                               then zeroes */
} recs_redis_node_t;


/* A whole answer: which nodes there are, and their slots. */

typedef struct {
    unsigned                  nnodes;
    recs_redis_node_t         nodes[RECS_REDIS_NODES];
    uint16_t                  slots[RECS_REDIS_SLOTS];  /* an index of nodes, or
                                                           RECS_REDIS_NONE */
} recs_redis_table_t;


/* How often it is asked for, ms. */

typedef struct {
    uint64_t                  interval; /* from one answer to the next time */
    uint64_t                  least;    /* between any two times; at least 1 */
    uint64_t                  limit;    /* after failures: least is doubled with
                                           each in a row, up to this */
    uint64_t                  timeout;  /* who asks says within that how it
                                           went, or was killed */
} recs_redis_pace_t;


/* A node in shared memory; private. */

typedef struct {
    uint64_t                  number;
    uint64_t                  what;
    uint64_t                  host[(RECS_REDIS_HOST + 1) / 8];
} recs_redis_place_t;


/* In shared memory; private. */

typedef struct {
    uint64_t                  generation;   /* odd: it is being written */
    uint64_t                  numbers;      /* the last one that was given */
    uint64_t                  nplaces;

    uint64_t                  asked;        /* when it was claimed last, ms */
    uint64_t                  due;          /* when it may be, ms */
    uint64_t                  failures;     /* in a row */

    uint16_t                  slots[RECS_REDIS_SLOTS];  /* an index + 1 */
    recs_redis_place_t        places[];
} recs_redis_map_t;


/*
 * The slot of a key: of what stands between its first "{" and the next "}", if
 * that isn't nothing, else of the whole key (https://redis.io/docs/latest/
 * operate/oss_and_stack/reference/cluster-spec/, "Hash tags").
 */

unsigned recs_redis_slot(const void *key, size_t len);

/* Bytes for so many nodes, RECS_REDIS_NODES at most. */

size_t recs_redis_map_size(unsigned nnodes);

/*
 * Memory of that size, all zero or such a map already (which then stays as it
 * is), is one for so many nodes.
 */

void recs_redis_map_init(recs_redis_map_t *map, unsigned nnodes);


/* Reading. */

/* The index of the node that has a slot, or RECS_REDIS_NONE. */

static inline unsigned
recs_redis_map_slot(const recs_redis_map_t *map, unsigned slot)
{
    return (uint16_t) (__atomic_load_n(&map->slots[slot % RECS_REDIS_SLOTS],
                                       __ATOMIC_ACQUIRE) - 1);
}


/*
 * It changes when nodes do (slots may change without).  0: there are none yet,
 * or they are being changed; what was read before is good enough meanwhile.
 */

static inline uint64_t
recs_redis_map_generation(const recs_redis_map_t *map)
{
    uint64_t  generation;

    generation = __atomic_load_n(&map->generation, __ATOMIC_ACQUIRE);

    return generation & 1 ? 0 : generation;
}


/*
 * The node of an index as it is in that generation, which is not 0: 1 if there
 * is one, and its number, which no other node has or had; else 0.  -1: the
 * generation is over, the node may hold anything.
 */

int recs_redis_map_read(const recs_redis_map_t *map, uint64_t generation,
    unsigned index, recs_redis_node_t *node, uint64_t *number);


/* How many slots no node has; 0 as long as there are no nodes. */

unsigned recs_redis_map_unserved(const recs_redis_map_t *map);


/* Writing, with the lock held. */

/*
 * The index of the node at that host and port; it is added, as a master, if it
 * is not known.  RECS_REDIS_NONE: there is no room, or no such host or port.
 */

unsigned recs_redis_map_add(recs_redis_map_t *map, const char *host,
    size_t len, unsigned port);

/*
 * The same for the node that a slot has moved to (MOVED): it is a master and
 * has that slot from now on.
 */

unsigned recs_redis_map_set_slot(recs_redis_map_t *map, unsigned slot,
    const char *host, size_t len, unsigned port);

/*
 * All that is known is what table says: 1 if nodes changed, 0 if slots did at
 * most.  -1: it has more nodes than there is room for, and nothing was done.
 */

int recs_redis_map_replace(recs_redis_map_t *map,
    const recs_redis_table_t *table);


/*
 * When to ask, without the lock.  now is ms of a clock that all processes share
 * and that is never set.
 */

/*
 * Should this process ask now?  Of all that call it, it is 1 for one; who asks
 * then calls answered() or failed().
 */

int recs_redis_map_claim(recs_redis_map_t *map, const recs_redis_pace_t *pace,
    uint64_t now);

void recs_redis_map_answered(recs_redis_map_t *map,
    const recs_redis_pace_t *pace, uint64_t now);
void recs_redis_map_failed(recs_redis_map_t *map,
    const recs_redis_pace_t *pace, uint64_t now);

/* 1: nobody has said so far what is to be known, nor failed to. */

int recs_redis_map_begins(const recs_redis_map_t *map);

/*
 * Something tells that it has changed (MOVED, a node that was lost): it may be
 * claimed as soon as the least time has passed, unless asking fails.
 */

void recs_redis_map_soon(recs_redis_map_t *map, uint64_t now);

/* It is certain that something has changed: the same, also if asking failed. */

void recs_redis_map_changed(recs_redis_map_t *map, uint64_t now);


#endif /* RECS_REDIS_MAP_H */
