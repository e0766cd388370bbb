
/*
 * The filter: from a page that came to the one that goes out.  Here is what its
 * files offer each other, and the handlers and the start of the module.
 */


#ifndef NGX_HTTP_RECS_RESPONSE_H
#define NGX_HTTP_RECS_RESPONSE_H


#include "ngx_http_recs_request.h"


/*
 * ngx_http_recs_order.c
 *
 * Gives the filter's module its place among others.  To be called in the
 * postconfiguration of ngx_http_recs_module, which comes before all of them.
 */

void ngx_http_recs_order(ngx_conf_t *cf);

/*
 * ngx_http_recs_filter.c
 *
 * Puts the two filters before those that there are.  NGX_OK.
 */

ngx_int_t ngx_http_recs_filter_init(ngx_conf_t *cf);

/*
 * ngx_http_recs_check.c
 *
 * Is the response one that is looked at, so far as its request tells?  Not so
 * if no client sees it (of auth_request, mirror, a background update of the
 * cache), or it is a further part of a page that comes in parts.
 */

ngx_uint_t ngx_http_recs_concerned(ngx_http_request_t *r);

/*
 * Is it of a type that is looked at, whatever parameters that has?  Sets the
 * format of its body.
 */

ngx_uint_t ngx_http_recs_type(ngx_http_recs_ctx_t *ctx);

/* Sets ctx->state if the header shows that the body can't be filtered. */

void ngx_http_recs_check(ngx_http_recs_ctx_t *ctx);

/* The body is over recs_max_body_size: sets ctx->state. */

void ngx_http_recs_too_large(ngx_http_recs_ctx_t *ctx);

/* Is a body that can't be filtered, by ctx->state, answered with 502? */

ngx_uint_t ngx_http_recs_rejects_body(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_hold.c
 *
 * Holds a response back, from its header on.  A subrequest is not done for its
 * parent until what is held was sent.
 */

void ngx_http_recs_hold(ngx_http_recs_ctx_t *ctx);

/*
 * What was held goes on to the next filters, or is given up: to be called
 * before they, or whoever answers instead, see anything of it.
 */

void ngx_http_recs_release(ngx_http_recs_ctx_t *ctx);

/* Awaits no answer any more, and rejects nothing: the request has ended. */

void ngx_http_recs_abandon(ngx_http_recs_ctx_t *ctx);

/*
 * Lets nginx go on with the request once a filter outside of it has sent what
 * was held, with result rc.  The request may be gone afterwards; who calls it
 * calls ngx_http_run_posted_requests() next.
 */

void ngx_http_recs_resume(ngx_http_recs_ctx_t *ctx, ngx_int_t rc);

/*
 * ngx_http_recs_reject.c
 *
 * The response, of which nothing was sent yet, will be answered with 502.
 * NGX_OK, ctx->phase says so; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_http_recs_reject(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_rewrite.c
 *
 * Begins to make the rewritten body of the whole one.  NGX_OK: ctx->state says
 * what became of it; NGX_AGAIN: the sets are being asked, done() is called
 * later; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_http_recs_rewrite(ngx_http_recs_ctx_t *ctx,
    void (*done)(ngx_recs_ask_t *ask));

/* Goes on when the answers are there.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_http_recs_rewrite_answered(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_rollout.c
 *
 * Counts what became of a row that recs_pass serves, for the guard of its
 * channel: once, when that is known.
 */

void ngx_http_recs_rollout(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_inflate.c
 *
 * Decompresses the body into ctx->body.text.  NGX_OK; NGX_DECLINED: it can't
 * be, ctx->state says why; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_http_recs_inflate(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_convert.c
 *
 * Puts text, in ctx->body.format, into the format of the response; leaves that
 * of any handler but recs_pass as it is.  NGX_OK or NGX_HTTP_BAD_GATEWAY.
 */

ngx_int_t ngx_http_recs_convert(ngx_http_recs_ctx_t *ctx, ngx_str_t *text);

/*
 * The same for the rewritten body.  If it can't be, it will be rejected.
 * NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_convert_output(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_versions.c
 *
 * Fills in ctx->versions and ctx->ages from the page that was read.  NGX_OK or
 * NGX_ERROR.
 */

ngx_int_t ngx_http_recs_read_versions(ngx_http_recs_ctx_t *ctx);
ngx_int_t ngx_http_recs_read_ages(ngx_http_recs_ctx_t *ctx);

/* Fills in ctx->versions from the snapshot that is served, and that alone. */

void ngx_http_recs_snapshot_versions(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_explore.c
 *
 * Fills in ctx->explore: which lines explore here, and of which items of which
 * pools may be drawn.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_plan_explore(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_prefetch.c
 *
 * A phase handler: asks for the sets with prefetch= as a whole, as soon as
 * their keys are known.
 */

ngx_int_t ngx_http_recs_prefetch_handler(ngx_http_request_t *r);

/* What was asked so of a set with that key.  NULL: nothing. */

ngx_recs_prefetch_t *ngx_http_recs_prefetched(ngx_http_request_t *r,
    ngx_recs_set_t *set, const ngx_str_t *key);

/*
 * ngx_http_recs_cap.c
 *
 * When the zone is made: finds in it how often items were shown.
 * ngx_recs_zone_check() says later if there was no room.
 */

void ngx_http_recs_cap_init_zone(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_explore_t *ex);

/* Which items of the draws may not be shown for now.  NGX_OK or NGX_ERROR. */

ngx_int_t ngx_http_recs_cap_draws(ngx_http_recs_ctx_t *ctx);

/* Counts, for the status, those of the panels that were refused for that. */

void ngx_http_recs_cap_count_refused(ngx_http_recs_ctx_t *ctx);

/* Was an item put in that has a cap?  Once it was delivered, it is counted. */

ngx_uint_t ngx_http_recs_has_capped(const ngx_http_recs_ctx_t *ctx);
void ngx_http_recs_cap_count_shown(ngx_http_recs_ctx_t *ctx);

/*
 * ngx_http_recs_record.c
 *
 * The rewritten page, and not only its header, begins to be sent: what it shows
 * is counted and recorded once it was delivered, if its location says so.
 * NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_http_recs_await_delivery(ngx_http_recs_ctx_t *ctx);


#endif /* NGX_HTTP_RECS_RESPONSE_H */
