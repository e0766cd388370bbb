
/* The status as JSON: the tree as it is, but for what is hidden. */


#include "ngx_http_recs_status.h"


static void ngx_http_recs_status_json_node(
    const ngx_http_recs_status_node_t *node, recs_writer_t *w);


void
ngx_http_recs_status_json(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w)
{
    ngx_http_recs_status_json_node(root, w);
    recs_write_bytes(w, "\n", 1);
}


static void
ngx_http_recs_status_json_node(const ngx_http_recs_status_node_t *node,
    recs_writer_t *w)
{
    ngx_uint_t                          i;
    recs_str_t                          span;
    const ngx_http_recs_status_node_t  *child;

    switch (node->type) {

    case NGX_HTTP_RECS_STATUS_OBJECT:
        recs_write_object(w);

        for (child = node->first; child; child = child->next) {
            if (!child->hidden) {
                span = ngx_recs_span(&child->name);
                recs_write_key_str(w, &span);
                ngx_http_recs_status_json_node(child, w);
            }
        }

        recs_write_object_end(w);
        break;

    case NGX_HTTP_RECS_STATUS_NULL:
        recs_write_null(w);
        break;

    case NGX_HTTP_RECS_STATUS_UINT:
        recs_write_uint(w, node->number);
        break;

    case NGX_HTTP_RECS_STATUS_RATIO:
        recs_write_double(w, (double) node->number / node->metric->scale);
        break;

    case NGX_HTTP_RECS_STATUS_FLAG:

        if (node->number) {
            recs_write_true(w);

        } else {
            recs_write_false(w);
        }

        break;

    case NGX_HTTP_RECS_STATUS_TEXT:
        span = ngx_recs_span(&node->text);
        recs_write_string(w, &span);
        break;

    case NGX_HTTP_RECS_STATUS_SERIES:
        recs_write_array(w);

        for (i = 0; i < RECS_RECENT_STEPS; i++) {
            recs_write_uint(w, node->series[i]);
        }

        recs_write_array_end(w);
        break;
    }
}
