
/*
 * Reads what a cluster says of itself: the replies to CLUSTER SHARDS (Redis 7,
 * Valkey) and CLUSTER SLOTS (older ones, serverless ones), and the errors MOVED
 * and ASK.  Plain C99, pure; what is odd is refused as a whole.
 *
 * https://redis.io/docs/latest/commands/cluster-shards/, …/cluster-slots/;
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 */


#ifndef RECS_REDIS_SHARDS_H
#define RECS_REDIS_SHARDS_H


#include "recs_redis_map.h"


typedef enum {
    RECS_REDIS_NIL = 0,
    RECS_REDIS_INTEGER,
    RECS_REDIS_STRING,
    RECS_REDIS_ARRAY                /* or a map: its keys and values in turn */
} recs_redis_type_e;


/* A value of a reply, as in ngx_recs_redis_value_t: an array, its elements. */

typedef struct {
    recs_redis_type_e         type;
    unsigned                  depth;
    unsigned                  index;
    int64_t                   integer;
    const char               *data;
    size_t                    len;
} recs_redis_value_t;


typedef enum {
    RECS_REDIS_CLUSTER_SHARDS = 0,
    RECS_REDIS_CLUSTER_SLOTS
} recs_redis_question_e;


/* The reader; some 120 KB with its table. */

typedef struct {
    recs_redis_table_t        table;    /* good once end() gave 0 */
    const char               *why;      /* it was refused: a literal */

    /* private */

    recs_redis_question_e     question;
    unsigned                  tls;      /* tls-port counts */
    char                      asked[RECS_REDIS_HOST];
    size_t                    asked_len;

    unsigned                  nshards;
    uint16_t                  masters[RECS_REDIS_NODES];    /* of shards */

    unsigned                  member;   /* whose value comes next */
    unsigned                  begun;    /* what of node was read, as bits */
    unsigned                  start;    /* of a range of slots */
    unsigned                  end;
    unsigned                  nranges;  /* bounds of ranges that were read */
    unsigned                  master;   /* of this range */
    recs_redis_node_t         node;     /* that is being read */
} recs_redis_shards_t;


/*
 * Begins.  asked is the host that is asked, len of at most RECS_REDIS_HOST:
 * nodes whose own is unknown have it.  tls: it is asked over TLS.
 */

void recs_redis_shards_init(recs_redis_shards_t *s,
    recs_redis_question_e question, unsigned tls, const char *asked,
    size_t len);

/* The next value: 0; -1: refused, no other may be given. */

int recs_redis_shards_value(recs_redis_shards_t *s,
    const recs_redis_value_t *v);

/* That was all: 0, and table is whole; -1: refused. */

int recs_redis_shards_end(recs_redis_shards_t *s);


typedef enum {
    RECS_REDIS_OTHER = 0,           /* another error */
    RECS_REDIS_MOVED,               /* the slot is that node's from now on */
    RECS_REDIS_ASK,                 /* this once, after ASKING */
    RECS_REDIS_ODD                  /* one of the two, but badly formed */
} recs_redis_redirect_e;


typedef struct {
    uint16_t                  slot;
    uint16_t                  port;
    uint8_t                   len;
    char                      host[RECS_REDIS_HOST];
} recs_redis_redirect_t;


/*
 * Reads an error's text.  asked is the host that gave it: if the text's is
 * empty or unknown ("?"), that is meant.
 */

recs_redis_redirect_e recs_redis_redirect(const char *text, size_t len,
    const char *asked, size_t asked_len, recs_redis_redirect_t *redirect);


#endif /* RECS_REDIS_SHARDS_H */
