
/*
 * Reads what a cluster says of itself: the replies to CLUSTER SHARDS (Redis 7,
 * Valkey) and CLUSTER SLOTS (older ones, serverless ones).  Plain C99; what is
 * odd is refused as a whole.
 *
 * https://redis.io/docs/latest/commands/cluster-shards/
 * https://redis.io/docs/latest/commands/cluster-slots/
 */


#ifndef RECS_REDIS_SHARDS_H
#define RECS_REDIS_SHARDS_H


#include "recs_redis_map.h"
#include "recs_redis_value.h"


typedef enum {
    RECS_REDIS_CLUSTER_SHARDS = 0,
    RECS_REDIS_CLUSTER_SLOTS
} recs_redis_question_e;


/* The reader; some 100 KB with its table. */

typedef struct {
    recs_redis_table_t        table;    /* good once end() gave 0 */
    const char               *why;      /* it was refused: a literal */

    /* private */

    recs_redis_question_e     question;
    unsigned                  tls;
    char                      asked[RECS_REDIS_HOST];
    size_t                    asked_len;

    unsigned                  key;      /* of a shard: whose value comes */
    unsigned                  field;    /* of a node: the same */
    int64_t                   start;    /* of a range of slots */
    int64_t                   end;
    unsigned                  master;   /* of that range; its index */

    unsigned                  nshards;
    uint16_t                  masters[RECS_REDIS_NODES];    /* of each shard */

    recs_redis_node_t         node;     /* that is being read */
    unsigned                  seen;     /* of its fields, as bits; 0: none is
                                           being read */
} recs_redis_shards_t;


/*
 * Begins.  asked is the host that is asked: nodes whose own is unknown have it.
 * tls: it is asked over TLS, and so are the nodes: of two ports that counts.
 */

void recs_redis_shards_init(recs_redis_shards_t *s,
    recs_redis_question_e question, unsigned tls, const char *asked,
    size_t len);

/* The next value: 0; -1: refused, why says for what. */

int recs_redis_shards_value(recs_redis_shards_t *s,
    const recs_redis_value_t *v);

/* That was all: 0, and table is whole; -1: refused. */

int recs_redis_shards_end(recs_redis_shards_t *s);


#endif /* RECS_REDIS_SHARDS_H */
