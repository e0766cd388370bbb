
/*
 * By what a response is known to others: its event id, which joins records of
 * it and seeds its draws; and the key of an exploration gate, by which a user
 * is in it or not.
 */


#include "ngx_http_recs_request.h"


/* With empty ids all views would draw alike: then the request's is taken. */

ngx_int_t
ngx_http_recs_request_event(ngx_http_request_t *r,
    ngx_http_recs_loc_conf_t *rlcf, ngx_str_t *event)
{
    ngx_http_variable_value_t  *vv;
    ngx_http_recs_main_conf_t  *rmcf;

    event->len = 0;

    if (rlcf->event && ngx_http_recs_steady(r, rlcf->event, event) != NGX_OK) {
        return NGX_ERROR;
    }

    if (event->len) {
        return NGX_OK;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_recs_module);

    /* by its index: by its name it would be another one each time */

    vv = ngx_http_get_indexed_variable(r, rmcf->request_id);
    if (vv == NULL || vv->not_found) {
        return NGX_ERROR;
    }

    event->data = vv->data;
    event->len = vv->len;

    return NGX_OK;
}


ngx_int_t
ngx_http_recs_event(ngx_http_recs_ctx_t *ctx, ngx_str_t *event)
{
    if (ctx->event.data == NULL
        && ngx_http_recs_request_event(ctx->request, ctx->conf, &ctx->event)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    *event = ctx->event;

    return NGX_OK;
}


ngx_int_t
ngx_http_recs_gate_key(ngx_http_recs_ctx_t *ctx,
    const ngx_http_recs_explore_t *ex, ngx_str_t *key)
{
    ngx_http_complex_value_t  *cv;

    key->len = 0;

    cv = ex->key ? ex->key : ctx->conf->user;

    if (cv && ngx_http_recs_steady(ctx->request, cv, key) != NGX_OK) {
        return NGX_ERROR;
    }

    /* an empty key would put all who have none on one side of the gate */

    return key->len ? NGX_OK : ngx_http_recs_event(ctx, key);
}
