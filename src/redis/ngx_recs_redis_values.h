
/*
 * The functions that hiredis's reader calls for each value, whose privdata is a
 * ngx_recs_redis_reader_t: they give it to the query that waits for it, or to
 * the connection, as values of RESP2 (see ngx_recs_redis_value_t).
 */


#ifndef NGX_RECS_REDIS_VALUES_H
#define NGX_RECS_REDIS_VALUES_H


#include "ngx_recs_redis_reply.h"

#include <hiredis/hiredis.h>


#define NGX_RECS_REDIS_MAX_LINE      (64 * 1024)        /* bytes */

/* bytes before a verbatim string, such as "txt:" */
#define NGX_RECS_REDIS_FORMAT        4


extern redisReplyObjectFunctions  ngx_recs_redis_functions;


/* Has something that has left no reply yet, or need what comes be none? */

#define ngx_recs_redis_awaited(r)                                            \
    (ngx_recs_redis_pipeline_due((r)->pipeline) || (r)->pushes || (r)->push)

/* Is what comes, and is awaited, the reply to a query? */

#define ngx_recs_redis_of_query(r)                                           \
    (!(r)->pushes && !(r)->push                                              \
     && (r)->pipeline->head->kind == NGX_RECS_REDIS_COMMAND)

/* Notes the fault that what comes is not awaited; that its line is too long. */

void ngx_recs_redis_unasked(ngx_recs_redis_reader_t *r);
void ngx_recs_redis_long_line(ngx_recs_redis_reader_t *r);

/*
 * Whether a string of so many bytes is refused; text, of NGX_RECS_REDIS_TEXT
 * bytes, then says so.
 */

ngx_uint_t ngx_recs_redis_too_large(ngx_recs_redis_reader_t *r, size_t size,
    ngx_str_t *text);


#endif /* NGX_RECS_REDIS_VALUES_H */
