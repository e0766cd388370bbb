
/* A server joins a fleet, or leaves it: what is made for it, and freed. */


#ifndef NGX_RECS_REDIS_MEMBER_H
#define NGX_RECS_REDIS_MEMBER_H


#include "ngx_recs_redis_fleet.h"


/*
 * Makes the server of the node that the map has at i, by that number, and
 * begins to open its connections.  Without memory there is none; the next
 * change of nodes tries again.
 */

void ngx_recs_redis_member_join(ngx_recs_redis_fleet_t *fleet, ngx_uint_t i,
    const recs_redis_node_t *node, uint64_t number);

/*
 * It is no longer one of the fleet; something that one of its connections calls
 * may be what led here, so that they are closed later.
 */

void ngx_recs_redis_member_leave(ngx_recs_redis_fleet_t *fleet, ngx_uint_t i);

/*
 * Closes all that left, with NGX_ABORT for what waits.  Not from within a
 * function that a connection calls.
 */

void ngx_recs_redis_members_close(ngx_recs_redis_fleet_t *fleet);


#endif /* NGX_RECS_REDIS_MEMBER_H */
