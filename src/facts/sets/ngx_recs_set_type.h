
/*
 * The types that a set may have in Redis: the commands that each is asked by,
 * in one table.  A new type is a row here, and what its replies mean.
 */


#ifndef NGX_RECS_SET_TYPE_H
#define NGX_RECS_SET_TYPE_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef enum {
    NGX_RECS_SET_PLAIN = 0,
    NGX_RECS_SET_SORTED,
    NGX_RECS_SET_HASH,
    NGX_RECS_NSET_TYPES
} ngx_recs_set_type_e;


/* Each command has the set's key as its first argument. */

typedef struct {
    ngx_str_t                 name;     /* as type= has it */
    ngx_str_t                 ask;      /* about ids: the reply has an element
                                           for each, in order */
    ngx_str_t                 count;    /* its members: the reply is a number */
    ngx_str_t                 scan;     /* all members, in pieces */
    ngx_str_t                 whole;    /* members at once, up to a number */
    unsigned                  pairs:1;  /* scan gives each member's score, or
                                           value, behind it */
} ngx_recs_set_type_t;


/* The row of a type.  It stays. */

const ngx_recs_set_type_t *ngx_recs_set_type(ngx_recs_set_type_e type);

/* NGX_OK and *type, or NGX_DECLINED: none has that name. */

ngx_int_t ngx_recs_set_type_find(const ngx_str_t *name,
    ngx_recs_set_type_e *type);


#endif /* NGX_RECS_SET_TYPE_H */
