
/*
 * The log lines about what is held back: what was just read of a set or a pool,
 * and does not take the place of what is known good (recs_guard.h).
 */


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


/*
 * An error: what was read, why it is held back, and what becomes of what there
 * was.  The caller logs it once, when that begins or its reason changes.
 */

void ngx_recs_held_log(const ngx_recs_held_of_t *of,
    const recs_guard_t *guard, const recs_guard_held_t *held, ngx_log_t *log);

/*
 * A warning: n members were held back, and are believed now, as they stayed so
 * few; there had been had.
 */

void ngx_recs_held_log_believed(const ngx_recs_held_of_t *of, uint64_t had,
    uint64_t n, ngx_log_t *log);


#endif /* NGX_RECS_HELD_H */
