
/*
 * Texts of the configuration that variables of ours are made of, recs_user and
 * recs_event: who reads one twice in a row gets the same bytes.
 *
 * nginx computes how long a text is, and then copies it.  Of what it does not
 * keep ($arg_..., $msec, what a script says) it may ask for the value anew in
 * between; if that is longer then, it writes past the end (CVE-2026-42533).
 */


#include "ngx_http_recs.h"


/*
 * A text as a request read it.  It is kept as a cleanup of the pool, as
 * contexts are gone when a request is redirected.
 */

typedef struct {
    ngx_http_request_t         *request;
    ngx_http_complex_value_t   *cv;
    uintptr_t                   moment;
    ngx_str_t                   uri;        /* as it was then: a script may */
    ngx_str_t                   args;       /* change them within a phase */
    ngx_str_t                   value;
} ngx_http_recs_steady_t;


static ngx_http_recs_steady_t *ngx_http_recs_steady_find(
    ngx_http_request_t *r, ngx_http_complex_value_t *cv);
static uintptr_t ngx_http_recs_moment(ngx_http_request_t *r);
static ngx_uint_t ngx_http_recs_same_span(const ngx_str_t *a,
    const ngx_str_t *b);
static void ngx_http_recs_steady_cleanup(void *data);


ngx_int_t
ngx_http_recs_steady(ngx_http_request_t *r, ngx_http_complex_value_t *cv,
    ngx_str_t *value)
{
    uintptr_t                moment;
    ngx_pool_cleanup_t      *cln;
    ngx_http_recs_steady_t  *steady;

    if (cv->lengths == NULL) {
        *value = cv->value;
        return NGX_OK;
    }

    moment = ngx_http_recs_moment(r);
    steady = ngx_http_recs_steady_find(r, cv);

    if (steady && steady->moment == moment
        && ngx_http_recs_same_span(&steady->uri, &r->uri)
        && ngx_http_recs_same_span(&steady->args, &r->args))
    {
        *value = steady->value;
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, cv, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (steady == NULL) {
        cln = ngx_pool_cleanup_add(r->main->pool,
                                   sizeof(ngx_http_recs_steady_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_recs_steady_cleanup;
        steady = cln->data;
    }

    steady->request = r;
    steady->cv = cv;
    steady->moment = moment;
    steady->uri = r->uri;
    steady->args = r->args;
    steady->value = *value;

    return NGX_OK;
}


static ngx_http_recs_steady_t *
ngx_http_recs_steady_find(ngx_http_request_t *r, ngx_http_complex_value_t *cv)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_recs_steady_t  *steady;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_http_recs_steady_cleanup) {
            continue;
        }

        steady = cln->data;

        if (steady->request == r && steady->cv == cv) {
            return steady;
        }
    }

    return NULL;
}


/*
 * It changes only where nginx is not between two looks at a variable: from one
 * phase handler to the next, and when the response is there.  From then on, and
 * in the log, it is the same for a response that we look at.
 */

static uintptr_t
ngx_http_recs_moment(ngx_http_request_t *r)
{
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);

    if (ctx && ctx->started) {
        return (uintptr_t) ctx;
    }

    return 4 * (uintptr_t) r->phase_handler
           + 2 * (r->headers_out.status != 0) + r->header_sent;
}


static ngx_uint_t
ngx_http_recs_same_span(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && a->data == b->data;
}


/* Only marks what is kept. */

static void
ngx_http_recs_steady_cleanup(void *data)
{
}
