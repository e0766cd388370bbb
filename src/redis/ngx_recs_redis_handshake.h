
/*
 * What a connection says before all else, and by itself: AUTH, HELLO, SELECT,
 * ROLE, READONLY, PING and SUBSCRIBE; and whether the replies are those of a
 * Redis that lets it in.
 */


#ifndef NGX_RECS_REDIS_HANDSHAKE_H
#define NGX_RECS_REDIS_HANDSHAKE_H


#include "ngx_recs_redis_fault.h"
#include "ngx_recs_redis_pipeline.h"
#include "ngx_recs_redis_server.h"


/*
 * Appends the handshake with a server; channel is the one to subscribe to (len
 * 0: none), and one that writes asks whether it may.  Its last command is
 * SUBSCRIBE, or PING.
 * NGX_OK or NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_redis_handshake(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_server_t *server, const ngx_str_t *channel,
    ngx_uint_t writes);

/*
 * Appends AUTH, if there is a password, with the one that its file has now:
 * NGX_OK or else.
 */

ngx_int_t ngx_recs_redis_auth(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_server_t *server);

/* Appends a PING: NGX_OK or else. */

ngx_int_t ngx_recs_redis_ping(ngx_recs_redis_pipeline_t *pl);

/*
 * Appends, in a cluster, that a replica may not answer for its master any more:
 * NGX_OK or else.
 */

ngx_int_t ngx_recs_redis_readwrite(ngx_recs_redis_pipeline_t *pl,
    const ngx_recs_redis_t *redis);

/*
 * A value of the reply to a command of that kind, but for SUBSCRIBE, which is
 * answered by a push.  NGX_ERROR: no Redis says so, as the fault notes.
 */

ngx_int_t ngx_recs_redis_handshake_value(ngx_recs_redis_kind_e kind,
    const ngx_recs_redis_value_t *v, ngx_recs_redis_fault_t *fault);

/*
 * The fault that an error reply to a command of that kind is: NGX_ERROR; or
 * NGX_OK, it is none.
 */

ngx_int_t ngx_recs_redis_handshake_failed(ngx_recs_redis_kind_e kind,
    const ngx_recs_redis_server_t *server, const ngx_str_t *channel,
    const ngx_str_t *error, ngx_recs_redis_fault_t *fault);


#endif /* NGX_RECS_REDIS_HANDSHAKE_H */
