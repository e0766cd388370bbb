
/*
 * How long responses took, and what was counted by label, in the status as a
 * page of HTML: what stands side by side, such as canary and stable.
 */


#include "ngx_http_recs_html.h"


static void ngx_http_recs_html_timed(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
static void ngx_http_recs_html_mean(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
static void ngx_http_recs_html_within_50(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
static void ngx_http_recs_html_within_90(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
static void ngx_http_recs_html_within_99(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
static void ngx_http_recs_html_responses(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *responses);
static void ngx_http_recs_html_degraded_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *responses);
static void ngx_http_recs_html_shadow_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *responses);
static void ngx_http_recs_html_items(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *items);
static void ngx_http_recs_html_removed_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *items);
static void ngx_http_recs_html_explored_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *items);
static void ngx_http_recs_html_lookup_99(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *times);
static void ngx_http_recs_html_added_99(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *times);
static void ngx_http_recs_html_within(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *times, ngx_uint_t percent);
static uint64_t ngx_http_recs_html_total(
    const ngx_http_recs_status_node_t *times);


static const ngx_http_recs_html_column_t  ngx_http_recs_html_time_columns[] = {
    { "Half within", "", ngx_http_recs_html_within_50, 1 },
    { "90\xe2\x80\xaf% within", "", ngx_http_recs_html_within_90, 1 },
    { "99\xe2\x80\xaf% within", "", ngx_http_recs_html_within_99, 1 },
    { "Mean", "", ngx_http_recs_html_mean, 1 },
    { "Responses", "", ngx_http_recs_html_timed, 1 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_table_t  ngx_http_recs_html_time_table = {
    "times", "Times",
    "lookup: from asking the sets to their answers; added: from the last byte "
    "of a page to when it goes on. Since the start; bounds from 1 to 100 ms.",
    { "times", "*" }, { "Time" }, ngx_http_recs_html_time_columns
};


static const ngx_http_recs_html_column_t  ngx_http_recs_html_label_columns[] = {
    { "Responses", "responses", ngx_http_recs_html_responses, 1 },
    { "Degraded", "responses", ngx_http_recs_html_degraded_share, 1 },
    { "In shadow", "responses", ngx_http_recs_html_shadow_share, 1 },
    { "Emptied", "emptied", ngx_http_recs_html_cell_number, 1 },
    { "Items", "items", ngx_http_recs_html_items, 1 },
    { "Removed", "items", ngx_http_recs_html_removed_share, 1 },
    { "Explored", "items", ngx_http_recs_html_explored_share, 1 },
    { "Removed by set", "removed", ngx_http_recs_html_cell_parts, 1 },
    { "99\xe2\x80\xaf% looked up within", "times",
      ngx_http_recs_html_lookup_99, 1 },
    { "99\xe2\x80\xaf% added", "times", ngx_http_recs_html_added_99, 1 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_table_t  ngx_http_recs_html_label_table = {
    "labels", "Labels",
    "Responses by the value of recs_label, since the start; other: what there "
    "was no room for. What a label that is wholly in shadow removed would "
    "have been removed.",
    { "labels", "*" }, { "Label" }, ngx_http_recs_html_label_columns
};


void
ngx_http_recs_html_labels(ngx_http_recs_html_t *h)
{
    ngx_http_recs_html_table(h, &ngx_http_recs_html_label_table);
    ngx_http_recs_html_table(h, &ngx_http_recs_html_time_table);
}


static void
ngx_http_recs_html_timed(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    ngx_http_recs_html_number(h, ngx_http_recs_html_total(thing));
}


static void
ngx_http_recs_html_mean(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    uint64_t  n;

    n = ngx_http_recs_html_total(thing);

    if (n) {
        ngx_http_recs_html_duration(h, thing->number / n);

    } else {
        ngx_http_recs_html_none(h);
    }
}


static void
ngx_http_recs_html_within_50(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    ngx_http_recs_html_within(h, thing, 50);
}


static void
ngx_http_recs_html_within_90(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    ngx_http_recs_html_within(h, thing, 90);
}


static void
ngx_http_recs_html_within_99(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    ngx_http_recs_html_within(h, thing, 99);
}


static void
ngx_http_recs_html_responses(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *responses)
{
    ngx_http_recs_html_number(h, ngx_http_recs_html_parts(responses));
}


static void
ngx_http_recs_html_degraded_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *responses)
{
    ngx_http_recs_html_share(h, ngx_http_recs_html_uint(responses, "degraded"),
                             ngx_http_recs_html_parts(responses));
}


static void
ngx_http_recs_html_shadow_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *responses)
{
    ngx_http_recs_html_share(h, ngx_http_recs_html_uint(responses, "shadow"),
                             ngx_http_recs_html_parts(responses));
}


static void
ngx_http_recs_html_items(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *items)
{
    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(items, "total"));
}


static void
ngx_http_recs_html_removed_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *items)
{
    ngx_http_recs_html_share(h, ngx_http_recs_html_uint(items, "removed"),
                             ngx_http_recs_html_uint(items, "total"));
}


static void
ngx_http_recs_html_explored_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *items)
{
    ngx_http_recs_html_share(h, ngx_http_recs_html_uint(items, "explored"),
                             ngx_http_recs_html_uint(items, "total"));
}


static void
ngx_http_recs_html_lookup_99(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *times)
{
    ngx_http_recs_html_within(h, ngx_http_recs_status_child(times, "lookup"),
                              99);
}


static void
ngx_http_recs_html_added_99(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *label,
    const ngx_http_recs_status_node_t *times)
{
    ngx_http_recs_html_within(h, ngx_http_recs_status_child(times, "added"),
                              99);
}


/* The bound that so many percent were within. */

static void
ngx_http_recs_html_within(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *times, ngx_uint_t percent)
{
    uint64_t    all, n;
    ngx_uint_t  i;

    all = ngx_http_recs_html_total(times);

    if (all == 0) {
        ngx_http_recs_html_none(h);
        return;
    }

    n = times->series[0];

    for (i = 0; n * 100 < all * percent; n += times->series[++i]) {
        /* void */
    }

    if (i == NGX_HTTP_RECS_TIMES - 1) {
        ngx_http_recs_html_raw(h, "over ");
        i--;
    }

    ngx_http_recs_html_duration(h, ngx_http_recs_time_bounds[i]);
}


/* How many a histogram is of. */

static uint64_t
ngx_http_recs_html_total(const ngx_http_recs_status_node_t *times)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < NGX_HTTP_RECS_TIMES; i++) {
        n += times->series[i];
    }

    return n;
}
