
/*
 * What is known of the servers of a Redis, in memory that processes share: does
 * a replica follow its master, until when has it all that the master had, how
 * far is it.  Plain C99 with GCC's __atomic builtins.
 *
 * A master's offset is asked now and then, and so is that of a replica: one
 * that is as far as the master was at a time has all that was written until
 * then.  So no clock but ours matters, and a replica whose master can't be
 * asked grows old.
 *
 * https://redis.io/docs/latest/commands/info/, "replication"
 */


#ifndef RECS_REDIS_FRESH_H
#define RECS_REDIS_FRESH_H


#include <stddef.h>
#include <stdint.h>


#define RECS_REDIS_MARKS   8

/* ms without an answer: a master is believed not to be there */
#define RECS_REDIS_SILENT  3000


typedef enum {
    RECS_REDIS_LINK_NEW = 0,            /* it has not been asked */
    RECS_REDIS_LINK_MASTER,
    RECS_REDIS_LINK_UP,                 /* it follows its master */
    RECS_REDIS_LINK_DOWN,               /* it does not, or loads */
    RECS_REDIS_LINK_UNKNOWN             /* it does not say */
} recs_redis_link_e;


/* What a server says of itself. */

typedef struct {
    recs_redis_link_e         link;     /* MASTER, UP, DOWN or UNKNOWN */
    int64_t                   silent;   /* seconds since a replica heard of its
                                           master; -1: unknown */
    int64_t                   offset;   /* bytes of the history that it has; -1:
                                           unknown */
    uint64_t                  history;  /* which one that is; 0: unknown */
} recs_redis_said_t;


/* How far a master was. */

typedef struct {
    uint64_t                  when;     /* ms */
    int64_t                   offset;
} recs_redis_mark_t;


/*
 * A node's, in shared memory.  Who writes holds a lock, the caller's; number
 * and the three behind it are read without one.
 */

typedef struct {
    uint64_t                  number;   /* the map's */
    uint64_t                  link;     /* recs_redis_link_e */
    uint64_t                  fresh;    /* ms: what was written by then, it has;
                                           of a master: when it answered */
    uint64_t                  trip;     /* us, how long an answer takes; 0:
                                           unknown */

    uint64_t                  told;     /* the caller's */

    uint64_t                  history;
    uint64_t                  nmarks;
    recs_redis_mark_t         marks[RECS_REDIS_MARKS];  /* the latest first */
} recs_redis_state_t;


/* Times are ms of a clock that all processes share and that is never set. */

/* What the reply to INFO replication says; 0: that is none. */

int recs_redis_said(recs_redis_said_t *said, const char *text, size_t len);

/*
 * What the node of that number said, which was asked at that time; master is
 * the state of a replica's, NULL: it is not known.  Marks of a master are
 * apart by so many ms at least.
 */

void recs_redis_state_said(recs_redis_state_t *state, uint64_t number,
    const recs_redis_state_t *master, const recs_redis_said_t *said,
    uint64_t asked, uint64_t apart);

/* An answer took so long, us. */

void recs_redis_state_trip(recs_redis_state_t *state, uint64_t trip);

/* May the replica of that number be read from?  Without the lock. */

int recs_redis_state_fit(const recs_redis_state_t *state, uint64_t number,
    uint64_t now, uint64_t max_lag);

/* Is one of that trip so much nearer than the current one that it is taken? */

int recs_redis_nearer(uint64_t trip, uint64_t current);

/*
 * May this process begin now what is done each interval?  Of all that call it,
 * it is 1 for one.
 */

int recs_redis_due(uint64_t *due, uint64_t now, uint64_t interval);


#endif /* RECS_REDIS_FRESH_H */
