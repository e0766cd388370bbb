
/* The status as JSON: the tree as it is, but for what is hidden. */


#include "ngx_http_recs_status.h"


static void ngx_http_recs_status_json_node(
    const ngx_http_recs_status_node_t *node, recs_writer_t *w);
static void ngx_http_recs_status_json_times(
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

    case NGX_HTTP_RECS_STATUS_TIMES:
        ngx_http_recs_status_json_times(node, w);
        break;
    }
}


/*
 * {"count":9,"sum":12345,"within":{"1":7,"2":8,...,"100":9}}: the sum in us,
 * and how many were so many ms at most.
 */

static void
ngx_http_recs_status_json_times(const ngx_http_recs_status_node_t *node,
    recs_writer_t *w)
{
    u_char      name[NGX_INT_T_LEN + 1];
    uint64_t    n;
    ngx_uint_t  i;

    for (n = 0, i = 0; i < NGX_HTTP_RECS_TIMES; i++) {
        n += node->series[i];
    }

    recs_write_object(w);
    recs_write_key_uint(w, "count", n);
    recs_write_key_uint(w, "sum", node->number);

    recs_write_key(w, "within");
    recs_write_object(w);

    for (n = 0, i = 0; i < NGX_HTTP_RECS_TIMES - 1; i++) {
        n += node->series[i];

        *ngx_sprintf(name, "%ui", ngx_http_recs_time_bounds[i] / 1000) = '\0';
        recs_write_key_uint(w, (char *) name, n);
    }

    recs_write_object_end(w);
    recs_write_object_end(w);
}
