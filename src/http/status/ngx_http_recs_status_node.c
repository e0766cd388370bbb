
/* The tree that the status is: how it is made, and how it is read. */


#include "ngx_http_recs_status.h"


static ngx_http_recs_status_node_t *ngx_http_recs_status_add(
    ngx_http_recs_status_t *st, const char *name,
    ngx_http_recs_status_type_e type);
static ngx_http_recs_status_node_t *ngx_http_recs_status_value(
    ngx_http_recs_status_t *st, const ngx_recs_metric_t *metric,
    ngx_http_recs_status_type_e type, uint64_t n);
static void ngx_http_recs_status_set_label(ngx_http_recs_status_t *st,
    ngx_http_recs_status_node_t *node, const char *name,
    const ngx_str_t *value);
static ngx_str_t ngx_http_recs_status_copy(ngx_http_recs_status_t *st,
    const ngx_str_t *text);


ngx_http_recs_status_node_t *
ngx_http_recs_status_child(const ngx_http_recs_status_node_t *node,
    const char *name)
{
    size_t                        len;
    ngx_http_recs_status_node_t  *child, *hidden;

    len = ngx_strlen(name);
    hidden = NULL;

    for (child = node ? node->first : NULL; child; child = child->next) {

        if (child->name.len != len
            || ngx_strncmp(child->name.data, name, len) != 0)
        {
            continue;
        }

        if (!child->hidden) {
            return child;
        }

        if (hidden == NULL) {
            hidden = child;
        }
    }

    return hidden;
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_next(const ngx_http_recs_status_node_t *node)
{
    if (node->first) {
        return node->first;
    }

    while (node && node->next == NULL) {
        node = node->parent;
    }

    return node ? node->next : NULL;
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_open(ngx_http_recs_status_t *st, const ngx_str_t *name,
    const ngx_http_recs_status_kind_t *kind)
{
    ngx_http_recs_status_node_t  *node;

    node = ngx_http_recs_status_add(st, "", NGX_HTTP_RECS_STATUS_OBJECT);

    if (st->failed) {
        return node;
    }

    node->name = *name;

    if (kind) {
        node->kind = kind;

        if (kind->label) {
            ngx_http_recs_status_set_label(st, node, kind->label, name);
            node->name = node->labels ? node->labels->value : *name;
        }
    }

    st->object = node;

    return node;
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_open_as(ngx_http_recs_status_t *st, const char *name,
    const ngx_http_recs_status_kind_t *kind)
{
    ngx_str_t  str;

    str.data = (u_char *) name;
    str.len = ngx_strlen(name);

    return ngx_http_recs_status_open(st, &str, kind);
}


void
ngx_http_recs_status_close(ngx_http_recs_status_t *st)
{
    if (!st->failed) {
        st->object = st->object->parent;
    }
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_uint(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, uint64_t n)
{
    return ngx_http_recs_status_value(st, metric, NGX_HTTP_RECS_STATUS_UINT,
                                      n);
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_ratio(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, uint64_t n)
{
    return ngx_http_recs_status_value(st, metric, NGX_HTTP_RECS_STATUS_RATIO,
                                      n);
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_flag(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, ngx_uint_t flag)
{
    return ngx_http_recs_status_value(st, metric, NGX_HTTP_RECS_STATUS_FLAG,
                                      flag != 0);
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_none(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric)
{
    return ngx_http_recs_status_value(st, metric, NGX_HTTP_RECS_STATUS_NULL,
                                      0);
}


void
ngx_http_recs_status_times(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, const ngx_http_recs_times_t *times)
{
    uint64_t                     *series;
    ngx_uint_t                    i;
    ngx_http_recs_status_node_t  *node;

    node = ngx_http_recs_status_value(st, metric, NGX_HTTP_RECS_STATUS_TIMES,
                                      times->sum);

    series = ngx_palloc(st->pool, NGX_HTTP_RECS_TIMES * sizeof(uint64_t));
    if (series == NULL) {
        st->failed = 1;
        return;
    }

    for (i = 0; i < NGX_HTTP_RECS_TIMES; i++) {
        series[i] = times->n[i];
    }

    node->series = series;
}


ngx_http_recs_status_node_t *
ngx_http_recs_status_labelled(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, const ngx_str_t *value, uint64_t n)
{
    ngx_http_recs_status_node_t  *node;

    node = ngx_http_recs_status_uint(st, metric, n);

    ngx_http_recs_status_set_label(st, node, metric->label, value);

    if (!st->failed) {
        node->name = node->labels->value;
    }

    return node;
}


void
ngx_http_recs_status_states(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, const ngx_str_t *states, ngx_uint_t n,
    const ngx_str_t *state)
{
    ngx_uint_t                    i, is;
    ngx_http_recs_status_node_t  *node;

    for (i = 0; i < n; i++) {
        is = (states[i].len == state->len
              && ngx_memcmp(states[i].data, state->data, state->len) == 0);

        node = ngx_http_recs_status_labelled(st, metric, &states[i], is);
        node->hidden = 1;
    }
}


void
ngx_http_recs_status_info(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric,
    const ngx_http_recs_status_label_t *labels, ngx_uint_t n)
{
    ngx_uint_t                    i;
    ngx_http_recs_status_node_t  *node;

    node = ngx_http_recs_status_uint(st, metric, 1);
    node->hidden = 1;

    node->labels = ngx_palloc(st->pool,
                              n * sizeof(ngx_http_recs_status_label_t));
    if (node->labels == NULL) {
        st->failed = 1;
        return;
    }

    for (i = 0; i < n; i++) {
        node->labels[i].name = labels[i].name;
        node->labels[i].value = ngx_http_recs_status_copy(st,
                                                          &labels[i].value);
    }

    node->nlabels = n;
}


void
ngx_http_recs_status_text(ngx_http_recs_status_t *st, const char *name,
    const ngx_str_t *text)
{
    ngx_http_recs_status_node_t  *node;

    if (text->len == 0) {
        ngx_http_recs_status_null(st, name);
        return;
    }

    node = ngx_http_recs_status_add(st, name, NGX_HTTP_RECS_STATUS_TEXT);
    node->text = ngx_http_recs_status_copy(st, text);
}


void
ngx_http_recs_status_number(ngx_http_recs_status_t *st, const char *name,
    uint64_t n)
{
    ngx_http_recs_status_add(st, name, NGX_HTTP_RECS_STATUS_UINT)->number = n;
}


void
ngx_http_recs_status_series(ngx_http_recs_status_t *st, const char *name,
    const uint64_t *series)
{
    ngx_http_recs_status_add(st, name, NGX_HTTP_RECS_STATUS_SERIES)->series
        = series;
}


void
ngx_http_recs_status_null(ngx_http_recs_status_t *st, const char *name)
{
    (void) ngx_http_recs_status_add(st, name, NGX_HTTP_RECS_STATUS_NULL);
}


void
ngx_http_recs_status_counters(ngx_http_recs_status_t *st,
    const ngx_recs_counter_t *counter, const void *counters)
{
    uint64_t    sum;
    ngx_uint_t  i;

    for ( /* void */ ; counter->metric.name; counter++) {

        if (counter->labels == NULL) {
            ngx_http_recs_status_uint(st, &counter->metric,
                                      ngx_recs_counter_get(counter, counters,
                                                           0));
            continue;
        }

        if (counter->sum) {
            sum = 0;

            for (i = 0; i < counter->n; i++) {
                sum += ngx_recs_counter_get(counter, counters, i);
            }

            ngx_http_recs_status_number(st, counter->sum, sum);
        }

        ngx_http_recs_status_open_as(st, counter->metric.name, NULL);

        for (i = 0; i < counter->n; i++) {
            ngx_http_recs_status_labelled(st, &counter->metric,
                                          &counter->labels[i],
                                          ngx_recs_counter_get(counter,
                                                               counters, i));
        }

        ngx_http_recs_status_close(st);
    }
}


/* Adds a node to the object that is open; without one it is the root. */

static ngx_http_recs_status_node_t *
ngx_http_recs_status_add(ngx_http_recs_status_t *st, const char *name,
    ngx_http_recs_status_type_e type)
{
    ngx_http_recs_status_node_t  *node, *object;

    object = st->object;

    node = st->failed
           ? NULL : ngx_pcalloc(st->pool, sizeof(ngx_http_recs_status_node_t));

    if (node == NULL) {
        st->failed = 1;
        return &st->spare;
    }

    node->name.data = (u_char *) name;
    node->name.len = ngx_strlen(name);
    node->type = type;
    node->parent = object;

    if (object == NULL) {
        st->root = node;
        return node;
    }

    node->kind = object->kind;

    if (object->last) {
        object->last->next = node;

    } else {
        object->first = node;
    }

    object->last = node;

    return node;
}


static ngx_http_recs_status_node_t *
ngx_http_recs_status_value(ngx_http_recs_status_t *st,
    const ngx_recs_metric_t *metric, ngx_http_recs_status_type_e type,
    uint64_t n)
{
    ngx_http_recs_status_node_t  *node;

    node = ngx_http_recs_status_add(st, metric->name, type);

    node->metric = metric;
    node->number = n;

    return node;
}


static void
ngx_http_recs_status_set_label(ngx_http_recs_status_t *st,
    ngx_http_recs_status_node_t *node, const char *name,
    const ngx_str_t *value)
{
    node->labels = ngx_palloc(st->pool, sizeof(ngx_http_recs_status_label_t));

    if (node->labels == NULL) {
        st->failed = 1;
        return;
    }

    node->labels->name = name;
    node->labels->value = ngx_http_recs_status_copy(st, value);
    node->nlabels = 1;
}


static ngx_str_t
ngx_http_recs_status_copy(ngx_http_recs_status_t *st, const ngx_str_t *text)
{
    ngx_str_t  copy;

    ngx_str_null(&copy);

    if (text->len == 0) {
        return copy;
    }

    copy.data = ngx_pstrdup(st->pool, (ngx_str_t *) text);

    if (copy.data == NULL) {
        st->failed = 1;
        return copy;
    }

    copy.len = text->len;

    return copy;
}
