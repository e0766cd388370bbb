
/*
 * When the kernel gives up a TCP connection whose other side is gone without a
 * word: it lost its power, or a firewall forgot it.
 */


#ifndef NGX_RECS_REDIS_SOCKET_H
#define NGX_RECS_REDIS_SOCKET_H


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What was sent and is not acknowledged within timeout, ms, ends the
 * connection.  One on which nothing is said is probed, so that it ends after
 * eleven seconds, or after timeout if that is longer.  A system that knows none
 * of this leaves it to the timeouts of commands.
 */

void ngx_recs_redis_socket_watch(ngx_socket_t s, ngx_msec_t timeout);


#endif /* NGX_RECS_REDIS_SOCKET_H */
