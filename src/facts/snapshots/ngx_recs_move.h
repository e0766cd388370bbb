
/*
 * A channel's moves, as the entries of its history tell of them: which version
 * it went to, when, and whether that was a restore.
 */


#ifndef NGX_RECS_MOVE_H
#define NGX_RECS_MOVE_H


#include "ngx_recs_descriptor.h"


typedef struct {
    uint64_t                  time;         /* unix ms; 0: it doesn't say */
    ngx_uint_t                restore;      /* what was left is meant to
                                               return */
    ngx_recs_text_t           version;
} ngx_recs_move_t;


/* Reads an entry (JSON).  Members that can't be read leave *move zero there. */

void ngx_recs_move_read(ngx_recs_move_t *move, const ngx_str_t *entry);


#endif /* NGX_RECS_MOVE_H */
