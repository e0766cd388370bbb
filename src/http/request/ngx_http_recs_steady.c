
/*
 * Texts of the configuration that variables of ours are made of, recs_user and
 * recs_event: who reads one twice in a row gets the same bytes.
 *
 * nginx computes how long a text is, and then copies it.  Of what it does not
 * keep ($arg_..., $msec, what a script says) it may ask for the value anew in
 * between; if that is longer then, it writes past the end (CVE-2026-42533).
 */


#include "ngx_http_recs_request.h"


/* What a request, maybe a subrequest, read last of a text. */

struct ngx_http_recs_steady_s {
    ngx_http_recs_steady_t     *next;
    ngx_http_request_t         *request;
    ngx_http_complex_value_t   *cv;
    uintptr_t                   moment;
    ngx_str_t                   uri;        /* as it was then: a script may */
    ngx_str_t                   args;       /* change them within a phase */
    ngx_str_t                   value;
};


static ngx_uint_t ngx_http_recs_steady_already(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv);
static ngx_http_recs_steady_t *ngx_http_recs_steady_find(
    ngx_http_recs_steady_t *steady, ngx_http_request_t *r,
    ngx_http_complex_value_t *cv);
static uintptr_t ngx_http_recs_moment(ngx_http_request_t *r);
static ngx_uint_t ngx_http_recs_same_span(const ngx_str_t *a,
    const ngx_str_t *b);


ngx_int_t
ngx_http_recs_steady(ngx_http_request_t *r, ngx_http_complex_value_t *cv,
    ngx_str_t *value)
{
    uintptr_t                  moment;
    ngx_http_recs_steady_t    *steady;
    ngx_http_recs_main_ctx_t  *mctx;

    if (ngx_http_recs_steady_already(r, cv)) {
        return ngx_http_complex_value(r, cv, value);
    }

    mctx = ngx_http_recs_get_main_ctx(r);
    if (mctx == NULL) {
        return NGX_ERROR;
    }

    moment = ngx_http_recs_moment(r);
    steady = ngx_http_recs_steady_find(mctx->steady, r, cv);

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
        steady = ngx_palloc(r->main->pool, sizeof(ngx_http_recs_steady_t));
        if (steady == NULL) {
            return NGX_ERROR;
        }

        steady->next = mctx->steady;
        mctx->steady = steady;
    }

    steady->request = r;
    steady->cv = cv;
    steady->moment = moment;
    steady->uri = r->uri;
    steady->args = r->args;
    steady->value = *value;

    return NGX_OK;
}


/*
 * Does nginx itself keep all that is in the text, until somebody sets it anew?
 * It does not keep a capture, $1: each map with a regular expression sets
 * others.
 */

static ngx_uint_t
ngx_http_recs_steady_already(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv)
{
    size_t                      i;
    ngx_uint_t                 *index;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    if (cv->lengths == NULL) {
        return 1;
    }

    for (i = 1; i < cv->value.len; i++) {

        if (cv->value.data[i - 1] == '$'
            && cv->value.data[i] >= '1' && cv->value.data[i] <= '9')
        {
            return 0;
        }
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    v = cmcf->variables.elts;
    index = cv->flushes;

    while (index && *index != (ngx_uint_t) -1) {

        if (v[*index++].flags & NGX_HTTP_VAR_NOCACHEABLE) {
            return 0;
        }
    }

    return 1;
}


static ngx_http_recs_steady_t *
ngx_http_recs_steady_find(ngx_http_recs_steady_t *steady,
    ngx_http_request_t *r, ngx_http_complex_value_t *cv)
{
    for ( /* void */ ; steady; steady = steady->next) {

        if (steady->request == r && steady->cv == cv) {
            return steady;
        }
    }

    return NULL;
}


/*
 * A moment is a number that changes only where nginx is not between two looks
 * at a variable: from one phase handler to the next, by a redirect, and when
 * the response is there.  From then on, and in the log, it is the same for a
 * response that we look at.
 */

static uintptr_t
ngx_http_recs_moment(ngx_http_request_t *r)
{
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);

    if (ctx && ctx->started) {
        return (uintptr_t) ctx;
    }

    /* uri_changes is how many redirects are left: under 16 */

    return 64 * (uintptr_t) r->phase_handler + 4 * r->uri_changes
           + 2 * (r->headers_out.status != 0) + r->header_sent;
}


static ngx_uint_t
ngx_http_recs_same_span(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && a->data == b->data;
}
