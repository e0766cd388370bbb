
/* The trace that a request is part of: its header traceparent. */


#include "ngx_http_recs_request.h"
#include "ngx_recs_mem.h"


/*
 * More than one, and nobody knows which is meant: then there is none.  It is
 * read among all headers, as nginx knows it by no index; who traces in front of
 * this module may have put it there.
 */

ngx_uint_t
ngx_http_recs_trace(ngx_http_request_t *r, recs_trace_t *trace)
{
    recs_str_t        text;
    ngx_str_t        *value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static const ngx_str_t  name = ngx_string("traceparent");

    value = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0 || h[i].key.len != name.len
                || ngx_strncasecmp(h[i].key.data, name.data, name.len) != 0)
            {
                continue;
            }

            if (value) {
                return 0;
            }

            value = &h[i].value;
        }
    }

    if (value == NULL) {
        return 0;
    }

    text = ngx_recs_span(value);

    return recs_trace_parse(&text, trace);
}
