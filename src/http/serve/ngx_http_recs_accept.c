
/*
 * Which of several formats a client would rather have, as its Accept says (RFC
 * 9110, section 12.5.1).
 */


#include "ngx_http_recs_serve.h"


/* What the ranges of Accept say of one type: the most specific one counts. */

typedef struct {
    ngx_uint_t                  specific;   /* 0: none names it; 3: exactly */
    ngx_uint_t                  q;          /* in thousandths */
} ngx_http_recs_wish_t;


/* The first of a format is what it is called where none is named. */

const ngx_http_recs_offer_t  ngx_http_recs_page_offers[] = {
    { ngx_string("application/json"), RECS_JSON },
    { ngx_string("application/msgpack"), RECS_MSGPACK },
    { ngx_string("application/x-msgpack"), RECS_MSGPACK },
    { ngx_string("application/vnd.msgpack"), RECS_MSGPACK }
};


static void ngx_http_recs_read_accept(ngx_str_t *value,
    const ngx_http_recs_offer_t *offers, ngx_uint_t n,
    ngx_http_recs_wish_t *wishes);
static ngx_uint_t ngx_http_recs_quality(ngx_str_t *params);
static ngx_uint_t ngx_http_recs_specific(const ngx_str_t *range,
    const ngx_str_t *type);


void
ngx_http_recs_negotiate(ngx_http_request_t *r,
    const ngx_http_recs_offer_t *offers, ngx_uint_t n, ngx_uint_t *format,
    ngx_str_t *type)
{
    ngx_uint_t                    i, best;
    ngx_uint_t                    specific[NGX_HTTP_RECS_OFFERS];
    ngx_list_part_t              *part;
    ngx_table_elt_t              *h;
    ngx_http_recs_wish_t          wishes[NGX_HTTP_RECS_OFFERS];

    ngx_memzero(wishes, sizeof(wishes));

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == 6
                && ngx_strncasecmp(h[i].key.data, (u_char *) "accept", 6) == 0)
            {
                ngx_http_recs_read_accept(&h[i].value, offers, n, wishes);
            }
        }
    }

    /* a format's names stand for each other: those that are named count */

    ngx_memzero(specific, sizeof(specific));

    for (i = 0; i < n; i++) {
        specific[offers[i].format] = ngx_max(specific[offers[i].format],
                                             wishes[i].specific);
    }

    /* what the caller would take, if the client has no preference */

    best = n;

    for (i = 0; i < n; i++) {

        if (wishes[i].specific < specific[offers[i].format]) {
            continue;
        }

        if (best == n || wishes[i].q > wishes[best].q
            || (wishes[i].q == wishes[best].q
                && offers[best].format != *format
                && offers[i].format == *format))
        {
            best = i;
        }
    }

    *format = offers[best].format;
    *type = offers[best].type;
}


void
ngx_http_recs_format_type(recs_format_e format, ngx_str_t *type)
{
    *type = ngx_http_recs_page_offers[format == RECS_JSON ? 0 : 1].type;
}


/* Reads such as "application/msgpack, application/json;q=0.8". */

static void
ngx_http_recs_read_accept(ngx_str_t *value,
    const ngx_http_recs_offer_t *offers, ngx_uint_t n,
    ngx_http_recs_wish_t *wishes)
{
    u_char      *semicolon;
    ngx_str_t    rest, range, params;
    ngx_uint_t   i, q, specific;

    rest = *value;

    while (ngx_recs_list_next(&rest, &range)) {

        ngx_str_null(&params);
        semicolon = ngx_strlchr(range.data, range.data + range.len, ';');

        if (semicolon) {
            params.data = semicolon;
            params.len = range.data + range.len - semicolon;
            range.len = semicolon - range.data;

            while (range.len && (range.data[range.len - 1] == ' '
                                 || range.data[range.len - 1] == '\t'))
            {
                range.len--;
            }
        }

        q = ngx_http_recs_quality(&params);

        for (i = 0; i < n; i++) {
            specific = ngx_http_recs_specific(&range, &offers[i].type);

            if (specific > wishes[i].specific
                || (specific && specific == wishes[i].specific
                    && q > wishes[i].q))
            {
                wishes[i].specific = specific;
                wishes[i].q = q;
            }
        }
    }
}


/* Returns the weight of a range, in thousandths; 1000 if it has none. */

static ngx_uint_t
ngx_http_recs_quality(ngx_str_t *params)
{
    u_char     *p, *last, *end;
    ngx_int_t   n;

    p = params->data;
    last = p + params->len;

    while (p < last) {

        while (p < last && (*p == ';' || *p == ' ' || *p == '\t')) {
            p++;
        }

        end = ngx_strlchr(p, last, ';');
        if (end == NULL) {
            end = last;
        }

        if (end - p >= 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=') {

            while (end[-1] == ' ' || end[-1] == '\t') {
                end--;
            }

            n = ngx_atofp(p + 2, end - p - 2, 3);
            return (n == NGX_ERROR || n > 1000) ? 1000 : n;
        }

        p = end;
    }

    return 1000;
}


static ngx_uint_t
ngx_http_recs_specific(const ngx_str_t *range, const ngx_str_t *type)
{
    size_t  len;

    static const ngx_str_t  any = ngx_string("*/*");

    if (range->len == type->len
        && ngx_strncasecmp(range->data, type->data, type->len) == 0)
    {
        return 3;
    }

    /* "application/" of "application/json", and "*" */

    len = (u_char *) ngx_strchr(type->data, '/') + 1 - type->data;

    if (range->len == len + 1 && range->data[len] == '*'
        && ngx_strncasecmp(range->data, type->data, len) == 0)
    {
        return 2;
    }

    return range->len == any.len
           && ngx_strncmp(range->data, any.data, any.len) == 0;
}
