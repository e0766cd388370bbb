
/*
 * The status as Prometheus reads it, in its text format 0.0.4 (https://
 * prometheus.io/docs/instrumenting/exposition_formats/), or in OpenMetrics 1.0
 * (https://github.com/OpenObservability/OpenMetrics, specification).  All
 * values of a metric stand together, below its HELP and TYPE.
 *
 * One label that is not as it must be would spoil the whole answer: values are
 * escaped, what is not UTF-8 is replaced, and each is cut off at a bound.
 */


#include "ngx_http_recs_status.h"
#include "recs_text.h"


/* Bytes of a label's value: a server's name has at most 255, and a port. */

#define NGX_HTTP_RECS_LABEL_MAX  320


/* A value, and which one of the same metric comes next. */

typedef struct ngx_http_recs_exposed_s  ngx_http_recs_exposed_t;

struct ngx_http_recs_exposed_s {
    const ngx_http_recs_status_node_t  *node;
    ngx_http_recs_exposed_t            *next;
};

typedef struct {
    const ngx_recs_metric_t            *metric;
    const ngx_http_recs_status_kind_t  *kind;
    ngx_http_recs_exposed_t            *first;
    ngx_http_recs_exposed_t            *last;
} ngx_http_recs_family_t;


typedef struct {
    recs_writer_t                      *w;
    ngx_uint_t                          open;       /* OpenMetrics */
    ngx_http_recs_family_t             *families;   /* in the order in which
                                                       they first come */
    ngx_uint_t                          n;
} ngx_http_recs_exposition_t;


static void ngx_http_recs_expose(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_status_node_t *root);
static ngx_uint_t ngx_http_recs_is_exposed(
    const ngx_http_recs_status_node_t *node);
static ngx_uint_t ngx_http_recs_find_family(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_status_node_t *node, ngx_uint_t guess);
static void ngx_http_recs_expose_family(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family);
static void ngx_http_recs_expose_value(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family, const char *suffix,
    const ngx_http_recs_status_node_t *node, uint64_t n);
static void ngx_http_recs_expose_times(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family,
    const ngx_http_recs_status_node_t *node);
static void ngx_http_recs_expose_within(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family,
    const ngx_http_recs_status_node_t *node, ngx_uint_t bound, uint64_t n);
static void ngx_http_recs_expose_head(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family, const char *suffix);
static void ngx_http_recs_write_name(recs_writer_t *w,
    const ngx_http_recs_family_t *family, const char *suffix);
static ngx_uint_t ngx_http_recs_write_labels(recs_writer_t *w,
    const ngx_http_recs_status_node_t *node);
static void ngx_http_recs_write_label(recs_writer_t *w,
    const ngx_http_recs_status_label_t *label, ngx_uint_t first);
static size_t ngx_http_recs_write_char(recs_writer_t *w, const uint8_t *p,
    const uint8_t *end);
static void ngx_http_recs_write_value(recs_writer_t *w, uint64_t n,
    uint64_t scale);
static void ngx_http_recs_write_cstr(recs_writer_t *w, const char *text);


void
ngx_http_recs_status_prometheus(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w)
{
    ngx_http_recs_exposition_t  e;

    ngx_memzero(&e, sizeof(ngx_http_recs_exposition_t));
    e.w = w;

    ngx_http_recs_expose(&e, root);
}


void
ngx_http_recs_status_openmetrics(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w)
{
    ngx_http_recs_exposition_t  e;

    ngx_memzero(&e, sizeof(ngx_http_recs_exposition_t));
    e.w = w;
    e.open = 1;

    ngx_http_recs_expose(&e, root);

    ngx_http_recs_write_cstr(w, "# EOF\n");
}


static void
ngx_http_recs_expose(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_status_node_t *root)
{
    ngx_uint_t                          i, n;
    ngx_http_recs_family_t             *family;
    ngx_http_recs_exposed_t            *exposed;
    const ngx_http_recs_status_node_t  *node;

    n = 0;

    for (node = root; node; node = ngx_http_recs_status_next(node)) {
        n += ngx_http_recs_is_exposed(node);
    }

    exposed = recs_alloc(&e->w->mem, n * sizeof(ngx_http_recs_exposed_t));
    e->families = recs_alloc(&e->w->mem, n * sizeof(ngx_http_recs_family_t));

    if (exposed == NULL || e->families == NULL) {
        e->w->failed = 1;
        return;
    }

    i = 0;

    for (node = root; node; node = ngx_http_recs_status_next(node)) {

        if (!ngx_http_recs_is_exposed(node)) {
            continue;
        }

        exposed->node = node;
        exposed->next = NULL;

        i = ngx_http_recs_find_family(e, node, i);
        family = &e->families[i];

        if (family->last) {
            family->last->next = exposed;

        } else {
            family->first = exposed;
        }

        family->last = exposed++;
    }

    for (i = 0; i < e->n; i++) {
        ngx_http_recs_expose_family(e, &e->families[i]);
    }
}


/* A value that isn't known is left out. */

static ngx_uint_t
ngx_http_recs_is_exposed(const ngx_http_recs_status_node_t *node)
{
    return node->metric != NULL && node->type != NGX_HTTP_RECS_STATUS_NULL;
}


/*
 * The metric's place among e->families, where it is added if it is new.  Most
 * often it is the one of the guess, which came before, or the next.
 */

static ngx_uint_t
ngx_http_recs_find_family(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_status_node_t *node, ngx_uint_t guess)
{
    ngx_uint_t               i, n;
    ngx_http_recs_family_t  *family;

    for (n = 0, i = guess; n < e->n; n++, i++) {

        if (i >= e->n) {
            i = 0;
        }

        family = &e->families[i];

        if (family->metric == node->metric && family->kind == node->kind) {
            return i;
        }
    }

    family = &e->families[e->n];

    family->metric = node->metric;
    family->kind = node->kind;
    family->first = NULL;
    family->last = NULL;

    return e->n++;
}


static void
ngx_http_recs_expose_family(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family)
{
    const char                     *suffix;
    const ngx_http_recs_exposed_t  *exposed;

    switch (family->metric->type) {

    case NGX_RECS_COUNTER:
        suffix = "_total";
        break;

    case NGX_RECS_INFO:
        suffix = "_info";
        break;

    default: /* NGX_RECS_GAUGE, NGX_RECS_HISTOGRAM */
        suffix = "";
        break;
    }

    ngx_http_recs_expose_head(e, family, suffix);

    for (exposed = family->first; exposed; exposed = exposed->next) {

        if (exposed->node->type == NGX_HTTP_RECS_STATUS_TIMES) {
            ngx_http_recs_expose_times(e, family, exposed->node);
            continue;
        }

        ngx_http_recs_expose_value(e, family, suffix, exposed->node,
                                   exposed->node->number);
    }
}


static void
ngx_http_recs_expose_value(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family, const char *suffix,
    const ngx_http_recs_status_node_t *node, uint64_t n)
{
    uint64_t  scale;

    ngx_http_recs_write_name(e->w, family, suffix);

    if (ngx_http_recs_write_labels(e->w, node)) {
        recs_write_bytes(e->w, "}", 1);
    }

    scale = ngx_strcmp(suffix, "_count") == 0 ? 1 : family->metric->scale;

    recs_write_bytes(e->w, " ", 1);
    ngx_http_recs_write_value(e->w, n, scale);
    recs_write_bytes(e->w, "\n", 1);
}


static void
ngx_http_recs_expose_times(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family,
    const ngx_http_recs_status_node_t *node)
{
    uint64_t    n;
    ngx_uint_t  i;

    for (n = 0, i = 0; i < NGX_HTTP_RECS_TIMES; i++) {
        n += node->series[i];

        ngx_http_recs_expose_within(e, family, node, i, n);
    }

    ngx_http_recs_expose_value(e, family, "_sum", node, node->number);
    ngx_http_recs_expose_value(e, family, "_count", node, n);
}


/* That n of them were within a bound. */

static void
ngx_http_recs_expose_within(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family,
    const ngx_http_recs_status_node_t *node, ngx_uint_t bound, uint64_t n)
{
    ngx_http_recs_write_name(e->w, family, "_bucket");

    recs_write_bytes(e->w, ngx_http_recs_write_labels(e->w, node) ? "," : "{",
                     1);

    ngx_http_recs_write_cstr(e->w, "le=\"");

    if (bound == NGX_HTTP_RECS_TIMES - 1) {
        ngx_http_recs_write_cstr(e->w, "+Inf");

    } else {
        ngx_http_recs_write_value(e->w, ngx_http_recs_time_bounds[bound],
                                  family->metric->scale);
    }

    ngx_http_recs_write_cstr(e->w, "\"} ");
    ngx_http_recs_write_value(e->w, n, 1);
    recs_write_bytes(e->w, "\n", 1);
}


/* OpenMetrics names a metric without what its values' names end with. */

static void
ngx_http_recs_expose_head(ngx_http_recs_exposition_t *e,
    const ngx_http_recs_family_t *family, const char *suffix)
{
    const char  *unit;

    static const char  *types[] = { "counter", "gauge", "gauge",
                                        "histogram" };
    static const char  *open_types[] = { "counter", "gauge", "info",
                                             "histogram" };

    if (e->open) {
        suffix = "";
    }

    ngx_http_recs_write_cstr(e->w, "# HELP ");
    ngx_http_recs_write_name(e->w, family, suffix);
    recs_write_bytes(e->w, " ", 1);
    ngx_http_recs_write_cstr(e->w, family->metric->help);

    ngx_http_recs_write_cstr(e->w, "\n# TYPE ");
    ngx_http_recs_write_name(e->w, family, suffix);
    recs_write_bytes(e->w, " ", 1);
    ngx_http_recs_write_cstr(e->w, (e->open ? open_types : types)
                                   [family->metric->type]);
    recs_write_bytes(e->w, "\n", 1);

    unit = family->metric->unit;

    if (e->open && unit) {
        ngx_http_recs_write_cstr(e->w, "# UNIT ");
        ngx_http_recs_write_name(e->w, family, suffix);
        recs_write_bytes(e->w, " ", 1);
        ngx_http_recs_write_cstr(e->w, ngx_strcmp(unit, "timestamp_seconds")
                                       == 0 ? "seconds" : unit);
        recs_write_bytes(e->w, "\n", 1);
    }
}


/* nginx_recs_KIND_STEM_UNIT, and the suffix */

static void
ngx_http_recs_write_name(recs_writer_t *w,
    const ngx_http_recs_family_t *family, const char *suffix)
{
    ngx_uint_t   i;
    const char  *parts[3];

    parts[0] = family->kind ? family->kind->name : "";
    parts[1] = family->metric->stem;
    parts[2] = family->metric->unit ? family->metric->unit : "";

    ngx_http_recs_write_cstr(w, "nginx_recs");

    for (i = 0; i < 3; i++) {
        if (parts[i][0]) {
            recs_write_bytes(w, "_", 1);
            ngx_http_recs_write_cstr(w, parts[i]);
        }
    }

    ngx_http_recs_write_cstr(w, suffix);
}


/*
 * Writes "{" and the labels of all that the node is in, from the outside, then
 * its own.  Returns how many these were; with none nothing is written.
 */

static ngx_uint_t
ngx_http_recs_write_labels(recs_writer_t *w,
    const ngx_http_recs_status_node_t *node)
{
    ngx_uint_t  i, n;

    n = node->parent ? ngx_http_recs_write_labels(w, node->parent) : 0;

    for (i = 0; i < node->nlabels; i++) {
        ngx_http_recs_write_label(w, &node->labels[i], n++ == 0);
    }

    return n;
}


static void
ngx_http_recs_write_label(recs_writer_t *w,
    const ngx_http_recs_status_label_t *label, ngx_uint_t first)
{
    size_t          len;
    const uint8_t  *p, *end;

    recs_write_bytes(w, first ? "{" : ",", 1);
    ngx_http_recs_write_cstr(w, label->name);
    recs_write_bytes(w, "=\"", 2);

    p = label->value.data;
    end = p + ngx_min(label->value.len, NGX_HTTP_RECS_LABEL_MAX);

    while (p < end) {
        len = ngx_http_recs_write_char(w, p, end);
        p += len;
    }

    recs_write_bytes(w, "\"", 1);
}


/*
 * Writes the character at p as a label has it, and returns its length.  U+FFFD
 * stands for what is not UTF-8, and for control characters, which readers take
 * in different ways.
 */

static size_t
ngx_http_recs_write_char(recs_writer_t *w, const uint8_t *p,
    const uint8_t *end)
{
    size_t  len;

    switch (*p) {

    case '\\':
        recs_write_bytes(w, "\\\\", 2);
        return 1;

    case '"':
        recs_write_bytes(w, "\\\"", 2);
        return 1;

    case '\n':
        recs_write_bytes(w, "\\n", 2);
        return 1;
    }

    if (*p < 0x80) {
        len = (*p >= 0x20 && *p != 0x7f);

    } else {
        len = recs_text_utf8(p, end);
    }

    if (len == 0) {
        recs_write_bytes(w, "\xef\xbf\xbd", 3);
        return 1;
    }

    recs_write_bytes(w, p, len);

    return len;
}


/* Writes n / scale, such as 0.25; scale is a power of ten. */

static void
ngx_http_recs_write_value(recs_writer_t *w, uint64_t n, uint64_t scale)
{
    u_char     buf[NGX_INT64_LEN + sizeof(".000000")], *p;
    uint64_t   rest;

    p = ngx_sprintf(buf, "%uL", n / scale);
    rest = n % scale;

    if (rest) {
        *p++ = '.';
    }

    while (rest) {
        scale /= 10;
        *p++ = (u_char) ('0' + rest / scale);
        rest %= scale;
    }

    recs_write_bytes(w, buf, p - buf);
}


static void
ngx_http_recs_write_cstr(recs_writer_t *w, const char *text)
{
    recs_write_bytes(w, text, ngx_strlen(text));
}
