
/*
 * What responses showed: the items of a rewritten page as they stand in it,
 * and whether it was delivered.
 */


#ifndef NGX_HTTP_RECS_SHOWN_H
#define NGX_HTTP_RECS_SHOWN_H


#include "ngx_http_recs.h"


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
 * The rewritten page, and not only its header, begins to be sent: it belongs to
 * what the client's request, the main one, shows.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_note_shown(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_record.c: such a page is counted and recorded once it was
 * delivered, if its location says so.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_record_sent(ngx_http_recs_ctx_t *ctx);

/*
 * The pages that the client's request showed, its own and those of its
 * subrequests, in the order in which they began to be sent: the first one; the
 * others are at ctx->sent_next.  NULL: none.
 */

ngx_http_recs_ctx_t *ngx_http_recs_sent(ngx_http_request_t *r);

/*
 * Did the whole of the client's response go out to the kernel, that response in
 * it?  That is known from the end of the main request on: in its cleanups, and
 * when it is logged, not yet when a subrequest is logged.
 */

ngx_uint_t ngx_http_recs_delivered(const ngx_http_recs_ctx_t *ctx);

/*
 * A pool's contents now, or NULL, held until the request's memory goes.
 */

ngx_recs_pool_items_t *ngx_http_recs_hold_pool(ngx_http_request_t *r,
    ngx_recs_pool_t *pool);


#endif /* NGX_HTTP_RECS_SHOWN_H */
