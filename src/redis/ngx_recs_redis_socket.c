
/* TCP_USER_TIMEOUT and keepalive (tcp(7)): see the header. */


#include "ngx_recs_redis_socket.h"


/* seconds of silence before the first probe, and between probes */
#define NGX_RECS_REDIS_IDLE    10
#define NGX_RECS_REDIS_INTERVAL  1

/* probes, where TCP_USER_TIMEOUT doesn't say how long they are sent */
#define NGX_RECS_REDIS_PROBES  3


static void ngx_recs_redis_socket_set(ngx_socket_t s, int level, int option,
    int value);


void
ngx_recs_redis_socket_watch(ngx_socket_t s, ngx_msec_t timeout)
{
    ngx_recs_redis_socket_set(s, SOL_SOCKET, SO_KEEPALIVE, 1);

#ifdef TCP_KEEPIDLE
    ngx_recs_redis_socket_set(s, IPPROTO_TCP, TCP_KEEPIDLE,
                              NGX_RECS_REDIS_IDLE);
#endif

#ifdef TCP_KEEPINTVL
    ngx_recs_redis_socket_set(s, IPPROTO_TCP, TCP_KEEPINTVL,
                              NGX_RECS_REDIS_INTERVAL);
#endif

#ifdef TCP_KEEPCNT
    ngx_recs_redis_socket_set(s, IPPROTO_TCP, TCP_KEEPCNT,
                              NGX_RECS_REDIS_PROBES);
#endif

#ifdef TCP_USER_TIMEOUT
    ngx_recs_redis_socket_set(s, IPPROTO_TCP, TCP_USER_TIMEOUT,
                              (int) ngx_min(timeout, 0x7fffffff));
#endif
}


/* Without it, a dead connection is only found later. */

static void
ngx_recs_redis_socket_set(ngx_socket_t s, int level, int option, int value)
{
    (void) setsockopt(s, level, option, (const void *) &value, sizeof(int));
}
