
/* The handler recs_status: in which format it answers, and the answer. */


#include "ngx_http_recs_html.h"
#include "ngx_http_recs_serve.h"
#include "ngx_http_recs_status.h"
#include "ngx_http_recs_tell.h"


static ngx_int_t ngx_http_recs_status_choose(ngx_http_request_t *r,
    ngx_uint_t *format);
static ngx_int_t ngx_http_recs_status_add_headers(ngx_http_request_t *r,
    const ngx_http_recs_status_header_t *header);


/* A format; rlcf->status is its index. */

typedef struct {
    ngx_str_t                         name;
    const char                       *type;     /* Content-Type */
    ngx_http_recs_status_writer_pt    write;
    const ngx_http_recs_status_header_t  *headers;  /* NULL: none */
} ngx_http_recs_status_writer_t;


static const ngx_http_recs_status_writer_t  ngx_http_recs_status_writers[] = {
    { ngx_string("json"), "application/json", ngx_http_recs_status_json, NULL },
    { ngx_string("prometheus"), "text/plain; version=0.0.4; charset=utf-8",
      ngx_http_recs_status_prometheus, NULL },
    { ngx_string("openmetrics"),
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
      ngx_http_recs_status_openmetrics, NULL },
    { ngx_string("html"), "text/html; charset=utf-8",
      ngx_http_recs_status_html, ngx_http_recs_html_headers }
};

#define NGX_HTTP_RECS_STATUS_WRITERS                                          \
    (sizeof(ngx_http_recs_status_writers)                                     \
     / sizeof(ngx_http_recs_status_writer_t))


/*
 * What Accept asks for, in the order of the writers.  A browser gets the last
 * one where the location has no format of its own, or has that one.
 */

static const ngx_http_recs_offer_t  ngx_http_recs_status_offers[] = {
    { ngx_string("application/json"), 0 },
    { ngx_string("text/plain"), 1 },
    { ngx_string("application/openmetrics-text"), 2 },
    { ngx_string("text/html"), 3 }
};

#define NGX_HTTP_RECS_STATUS_HTML  3


ngx_int_t
ngx_http_recs_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                             rc;
    ngx_str_t                             recent;
    recs_mem_t                            mem;
    ngx_uint_t                            format;
    recs_writer_t                         w;
    ngx_http_recs_status_t                st;
    ngx_http_recs_main_conf_t            *rmcf;
    const ngx_http_recs_status_writer_t  *writer;

    rc = ngx_http_recs_reply_begin(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_recs_status_choose(r, &format) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_recs_module);

    ngx_memzero(&st, sizeof(ngx_http_recs_status_t));
    st.pool = r->pool;
    st.recent = (ngx_http_arg(r, (u_char *) "recent", 6, &recent) == NGX_OK);

    writer = &ngx_http_recs_status_writers[format];

    if (ngx_http_recs_status_walk(rmcf, &st) != NGX_OK
        || ngx_http_recs_status_add_headers(r, writer->headers) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_recs_mem(&mem, r->pool);
    recs_writer_init(&w, &mem, RECS_JSON, 8192);

    writer->write(st.root, &w);

    return ngx_http_recs_reply(r, &w, writer->type, NGX_HTTP_OK);
}


ngx_int_t
ngx_http_recs_status_format(const ngx_str_t *name, ngx_uint_t *format)
{
    ngx_uint_t        i;
    const ngx_str_t  *known;

    for (i = 0; i < NGX_HTTP_RECS_STATUS_WRITERS; i++) {
        known = &ngx_http_recs_status_writers[i].name;

        if (name->len == known->len
            && ngx_memcmp(name->data, known->data, known->len) == 0)
        {
            *format = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/*
 * The format that the argument "format" names, or that Accept asks for, or that
 * of the location.  NGX_DECLINED: there is none of that name.
 */

static ngx_int_t
ngx_http_recs_status_choose(ngx_http_request_t *r, ngx_uint_t *format)
{
    ngx_str_t                  name, type;
    ngx_uint_t                 n;
    ngx_http_recs_loc_conf_t  *rlcf;

    if (ngx_http_arg(r, (u_char *) "format", 6, &name) == NGX_OK) {
        return ngx_http_recs_status_format(&name, format);
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_recs_module);

    *format = rlcf->status;
    n = NGX_HTTP_RECS_STATUS_WRITERS;

    if (rlcf->status_own && *format != NGX_HTTP_RECS_STATUS_HTML) {
        n = NGX_HTTP_RECS_STATUS_HTML;
    }

    ngx_http_recs_negotiate(r, ngx_http_recs_status_offers, n, format, &type);

    return NGX_OK;
}


static ngx_int_t
ngx_http_recs_status_add_headers(ngx_http_request_t *r,
    const ngx_http_recs_status_header_t *header)
{
    for ( /* void */ ; header && header->name.len; header++) {

        if (ngx_http_recs_header(r, &header->name, &header->value) == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
