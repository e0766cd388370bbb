
/*
 * Where a cluster says to ask instead: the errors MOVED and ASK.  Plain C99.
 *
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 */


#ifndef RECS_REDIS_REDIRECT_H
#define RECS_REDIS_REDIRECT_H


#include "recs_redis_map.h"


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


/*
 * Is it a name, or an address, as servers may be called?  With a colon it is
 * one of IPv6.
 */

int recs_redis_is_host(const char *host, size_t len);


#endif /* RECS_REDIS_REDIRECT_H */
