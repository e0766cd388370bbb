
/*
 * The leader's looks: what Redis says of a snapshot's channels, and what of
 * that is published.
 */


#ifndef NGX_RECS_LOOK_H
#define NGX_RECS_LOOK_H


#include "ngx_recs_snapshot.h"


/* In init_process.  NGX_OK or NGX_ERROR (out of memory). */

ngx_int_t ngx_recs_look_init(ngx_recs_snapshots_t *ss, ngx_cycle_t *cycle);


#endif /* NGX_RECS_LOOK_H */
