
/*
 * What responses showed: the items of a rewritten page as they stand in it,
 * and whether it was delivered.
 */


#ifndef NGX_HTTP_RECS_SHOWN_H
#define NGX_HTTP_RECS_SHOWN_H


#include "ngx_http_recs_request.h"


typedef enum {
    NGX_HTTP_RECS_CANDIDATE = 0,
    NGX_HTTP_RECS_BACKFILLED,
    NGX_HTTP_RECS_EXPLORED
} ngx_http_recs_shown_source_e;


/* An item with an id, where it stands.  All stays as long as the request. */

typedef struct {
    recs_str_t                     id;
    unsigned                       bin:1;       /* a candidate's: it is a bin's
                                                   bytes */
    size_t                         shelf;       /* both from 1 */
    size_t                         position;
    ngx_http_recs_shown_source_e   source;
    const recs_insert_t           *insert;      /* NULL: a candidate */

    /* private */

    const ngx_http_recs_ctx_t     *ctx;
    size_t                         item;        /* the page's next */
    size_t                         next;        /* the decision's next insert */
} ngx_http_recs_shown_t;


/*
 * The items of the page that ctx decided on (ctx->decided), one by one, shelf
 * by shelf, from the first to the last; those without a usable id have a
 * position, but are passed over:
 *
 *     ngx_http_recs_shown_first(ctx, &shown);
 *
 *     while (ngx_http_recs_shown_next(&shown)) {
 *
 * Until the request's memory goes, so in the log phase, too.
 */

void ngx_http_recs_shown_first(const ngx_http_recs_ctx_t *ctx,
    ngx_http_recs_shown_t *shown);
ngx_uint_t ngx_http_recs_shown_next(ngx_http_recs_shown_t *shown);

/*
 * Did the whole of the client's response go out to the kernel, that response in
 * it?  That is known from the end of the main request on: in its cleanups, and
 * when it is logged, not yet when a subrequest is logged.
 */

ngx_uint_t ngx_http_recs_delivered(const ngx_http_recs_ctx_t *ctx);


#endif /* NGX_HTTP_RECS_SHOWN_H */
