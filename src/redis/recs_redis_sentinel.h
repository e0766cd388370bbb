
/*
 * Reads what sentinels say of a master: where it is, which replicas it has, and
 * the message that it is another one; and what a server says that it is itself
 * (ROLE).  Plain C99.
 *
 * https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
 * https://redis.io/docs/latest/commands/role/
 */


#ifndef RECS_REDIS_SENTINEL_H
#define RECS_REDIS_SENTINEL_H


#include "recs_redis_map.h"
#include "recs_redis_value.h"


typedef enum {
    RECS_REDIS_SENTINEL_MASTER = 0, /* SENTINEL GET-MASTER-ADDR-BY-NAME */
    RECS_REDIS_SENTINEL_REPLICAS    /* SENTINEL REPLICAS */
} recs_redis_sentinel_e;


typedef enum {
    RECS_REDIS_ROLE_OTHER = 0,      /* the value says nothing of it */
    RECS_REDIS_ROLE_MASTER,
    RECS_REDIS_ROLE_REPLICA,
    RECS_REDIS_ROLE_SENTINEL
} recs_redis_role_e;


/* The reader; some 100 KB with its table. */

typedef struct {
    recs_redis_table_t        table;    /* the master, then its replicas, as far
                                           as that is known; all slots are the
                                           master's */
    const char               *why;      /* the master was refused: a literal;
                                           NULL: it was not */

    /* private */

    recs_redis_sentinel_e     question;
    unsigned                  odd;      /* its reply was refused */
    unsigned                  field;    /* of a replica: whose value comes */
    recs_redis_node_t         node;     /* the replica that is being read */
} recs_redis_sentinel_t;


/* Begins: the reply to the question about the master comes. */

void recs_redis_sentinel_init(recs_redis_sentinel_t *s);

/* The reply about the replicas comes next; the master was not refused. */

void recs_redis_sentinel_replicas(recs_redis_sentinel_t *s);

/*
 * The next value: 0; -1: this reply is refused.  A replica without an address
 * that may be one is left out; replies of another form are refused.
 */

int recs_redis_sentinel_value(recs_redis_sentinel_t *s,
    const recs_redis_value_t *v);

/*
 * That was all, of one reply or of both: 0; -1: the master was refused, why
 * says for what.  If the reply about the replicas was, it has none.
 */

int recs_redis_sentinel_end(recs_redis_sentinel_t *s);

/*
 * Is a message of the channel "+switch-master" about the master of that name?
 * It holds the name, where it was, where it is, with blanks between.
 */

int recs_redis_sentinel_switched(const char *text, size_t len,
    const char *name, size_t name_len);

/* What a value of the reply to ROLE says. */

recs_redis_role_e recs_redis_role(const recs_redis_value_t *v);


#endif /* RECS_REDIS_SENTINEL_H */
