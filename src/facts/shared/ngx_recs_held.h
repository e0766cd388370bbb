
/* What is held back (recs_guard.h), in the log. */


#ifndef NGX_RECS_HELD_H
#define NGX_RECS_HELD_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_redis.h"
#include "recs_guard.h"


/* Whose it is, in the words of the log. */

typedef struct {
    const char               *directive;    /* "recs_set" */
    const ngx_str_t          *name;
    ngx_recs_redis_t         *redis;        /* NULL: it is a file */
    const ngx_str_t          *source;       /* a key of it, or a file's path */
    const char               *members;      /* "ids" */
    const char               *none;         /* what is so if it had none */
} ngx_recs_held_of_t;


/* A line, an error: what there is now, and what becomes of what there was. */

void ngx_recs_held_log(const ngx_recs_held_of_t *of,
    const recs_guard_t *guard, const recs_guard_held_t *held, ngx_log_t *log);

/* A line, a warning: so few are believed. */

void ngx_recs_held_log_believed(const ngx_recs_held_of_t *of, uint64_t had,
    uint64_t n, ngx_log_t *log);


#endif /* NGX_RECS_HELD_H */
