
/*
 * Responses and items in the status as a page of HTML: key figures, the last
 * ten minutes, and sums since nginx was started.
 */


#include "ngx_http_recs_html.h"
#include "ngx_http_recs_recent.h"


static void ngx_http_recs_html_tiles(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *recent);
static void ngx_http_recs_html_tile(ngx_http_recs_html_t *h,
    const char *title);
static void ngx_http_recs_html_tile_share(ngx_http_recs_html_t *h,
    const char *title, const uint64_t *part, const uint64_t *whole);
static void ngx_http_recs_html_minutes(ngx_http_recs_html_t *h,
    const char *name, const uint64_t *series, uint64_t sum);
static void ngx_http_recs_html_shadow(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *recent);
static const uint64_t *ngx_http_recs_html_series(
    const ngx_http_recs_status_node_t *node, const char *name);
static void ngx_http_recs_html_cell_self(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
static void ngx_http_recs_html_cell_of_items(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
static void ngx_http_recs_html_count(ngx_http_recs_html_t *h,
    const char *title, const ngx_http_recs_status_node_t *node);


static const ngx_http_recs_html_column_t  ngx_http_recs_html_recent_columns[] =
{
    { "Ten minutes to now", "", NULL, 0 },
    { "A second now", "", NULL, 1 },
    { "In ten minutes", "", NULL, 1 },
    { "Since the start", "", NULL, 1 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_table_t  ngx_http_recs_html_recent_table = {
    "recent", "Responses and items",
    "Responses by state, of all workers. \"Now\" is the mean of the last "
    "minute; each picture has a scale of its own.",
    { NULL }, { "What" }, ngx_http_recs_html_recent_columns
};


static const ngx_http_recs_html_column_t  ngx_http_recs_html_item_columns[] = {
    { "Since the start", "", ngx_http_recs_html_cell_self, 1 },
    { "Of all that came", "", ngx_http_recs_html_cell_of_items, 1 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_table_t  ngx_http_recs_html_item_table = {
    "items", "Items",
    "What became of the items of pages, in shadow: what would have become of "
    "them. Explored and backfilled ones were put in.",
    { "items", "*" }, { "Items" }, ngx_http_recs_html_item_columns
};


static const ngx_http_recs_html_column_t  ngx_http_recs_html_count_columns[] =
{
    { "Since the start", "", NULL, 1 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_table_t  ngx_http_recs_html_count_table = {
    "counts", "Other counts",
    "What else was seen in responses.",
    { NULL }, { "Responses" }, ngx_http_recs_html_count_columns
};


void
ngx_http_recs_html_recent(ngx_http_recs_html_t *h)
{
    ngx_uint_t                          i;
    const ngx_http_recs_status_node_t  *recent, *responses, *state;

    static const struct {
        const char  *name;
        const char  *title;
        const char  *object;        /* where the sum is; NULL: nowhere */
        const char  *member;
    } others[] = {
        { "emptied", "pages without an item left", "", "emptied" },
        { "rejected", "answered with 502", "", "rejected" },
        { "late", "questions without an answer in time", NULL, NULL },
        { "items", "items that came", "items", "total" },
        { "removed", "items removed", "items", "removed" },
        { "explored", "items explored", "items", "explored" }
    };

    recent = ngx_http_recs_status_child(h->root, "recent");
    responses = ngx_http_recs_status_child(h->root, "responses");

    ngx_http_recs_html_tiles(h, recent);
    ngx_http_recs_html_shadow(h, recent);

    ngx_http_recs_html_table_open(h, &ngx_http_recs_html_recent_table);

    state = ngx_http_recs_status_child(recent, "responses")->first;

    for ( /* void */ ; state; state = state->next) {
        ngx_http_recs_html_minutes(h, (char *) state->name.data,
                                   state->series,
                                   ngx_http_recs_html_uint(responses,
                                           (char *) state->name.data));
    }

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        state = (others[i].object && others[i].object[0])
                ? ngx_http_recs_status_child(h->root, others[i].object)
                : h->root;

        ngx_http_recs_html_minutes(h, others[i].title,
                                   ngx_http_recs_html_series(recent,
                                                             others[i].name),
                                   others[i].object
                                   ? ngx_http_recs_html_uint(state,
                                                             others[i].member)
                                   : (uint64_t) -1);
    }

    ngx_http_recs_html_table_close(h);
}


void
ngx_http_recs_html_counted(ngx_http_recs_html_t *h)
{
    ngx_uint_t                          i;
    const ngx_http_recs_status_node_t  *node;

    static const char  *counters[][2] = {
        { "not_modified", "answered with 304" },
        { "encoded", "in an encoding that is not known here" },
        { "not_utf8", "with strings that are not UTF-8" },
        { "other_types", "of a type that recs_types does not name" },
        { "unsent_versions", "with a version that is unfit for a header" }
    };

    ngx_http_recs_html_table(h, &ngx_http_recs_html_item_table);

    ngx_http_recs_html_table_open(h, &ngx_http_recs_html_count_table);

    for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        node = ngx_http_recs_status_child(h->root, counters[i][0]);
        ngx_http_recs_html_count(h, counters[i][1], node);
    }

    node = ngx_http_recs_status_child(h->root, "skew")->first;

    for ( /* void */ ; node; node = node->next) {
        ngx_http_recs_html_count(h, "skewed, by the version of: ", node);
    }

    node = ngx_http_recs_status_child(h->root, "stale")->first;

    for ( /* void */ ; node; node = node->next) {
        ngx_http_recs_html_count(h, "stale, by the age of: ", node);
    }

    ngx_http_recs_html_table_close(h);
}


static void
ngx_http_recs_html_tiles(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *recent)
{
    uint64_t                           *all;
    ngx_uint_t                          i;
    const ngx_http_recs_status_node_t  *responses, *state;

    all = recs_alloc(&h->w->mem, RECS_RECENT_STEPS * sizeof(uint64_t));
    if (all == NULL) {
        h->w->failed = 1;
        return;
    }

    ngx_memzero(all, RECS_RECENT_STEPS * sizeof(uint64_t));

    responses = ngx_http_recs_status_child(recent, "responses");

    for (state = responses->first; state; state = state->next) {
        for (i = 0; i < RECS_RECENT_STEPS; i++) {
            all[i] += state->series[i];
        }
    }

    ngx_http_recs_html_raw(h, "<section aria-labelledby=\"h-figures\">"
                           "<h2 id=\"h-figures\">Last ten minutes</h2>"
                           "<dl class=\"tiles\">");

    ngx_http_recs_html_tile(h, "Responses a second");
    ngx_http_recs_html_rate(h, ngx_http_recs_html_minute(all),
                               60);
    ngx_http_recs_html_raw(h, "</dd><dd>");
    ngx_http_recs_html_spark(h, "Responses", all);
    ngx_http_recs_html_raw(h, "</dd></div>");

    ngx_http_recs_html_tile_share(h, "Degraded responses",
                           ngx_http_recs_html_series(responses, "degraded"),
                           all);
    ngx_http_recs_html_tile_share(h, "Emptied pages",
                           ngx_http_recs_html_series(recent, "emptied"), all);
    ngx_http_recs_html_tile_share(h, "Items removed",
                           ngx_http_recs_html_series(recent, "removed"),
                           ngx_http_recs_html_series(recent, "items"));
    ngx_http_recs_html_tile_share(h, "Items explored, of those that came",
                           ngx_http_recs_html_series(recent, "explored"),
                           ngx_http_recs_html_series(recent, "items"));

    ngx_http_recs_html_raw(h, "</dl></section>\n");
}


static void
ngx_http_recs_html_tile(ngx_http_recs_html_t *h, const char *title)
{
    ngx_http_recs_html_raw(h, "<div><dt>");
    ngx_http_recs_html_raw(h, title);
    ngx_http_recs_html_raw(h, "</dt><dd class=\"figure\">");
}


static void
ngx_http_recs_html_tile_share(ngx_http_recs_html_t *h, const char *title,
    const uint64_t *part, const uint64_t *whole)
{
    ngx_http_recs_html_tile(h, title);

    ngx_http_recs_html_share(h, ngx_http_recs_html_sum(part),
                             ngx_http_recs_html_sum(whole));

    ngx_http_recs_html_raw(h, "</dd><dd>");
    ngx_http_recs_html_spark(h, title, part);
    ngx_http_recs_html_raw(h, "</dd></div>");
}


/* What is never counted in ten minutes is pale; sum -1: it isn't known. */

static void
ngx_http_recs_html_minutes(ngx_http_recs_html_t *h, const char *name,
    const uint64_t *series, uint64_t sum)
{
    uint64_t  lately;

    lately = ngx_http_recs_html_sum(series);

    ngx_http_recs_html_raw(h, lately ? "<tr>" : "<tr class=\"still\">");
    ngx_http_recs_html_raw(h, "<th scope=\"row\">");
    ngx_http_recs_html_raw(h, name);
    ngx_http_recs_html_raw(h, "</th><td class=\"pic\">");
    ngx_http_recs_html_spark(h, name, series);
    ngx_http_recs_html_raw(h, "</td><td class=\"n\">");
    ngx_http_recs_html_rate(h, ngx_http_recs_html_minute(series),
                               60);
    ngx_http_recs_html_raw(h, "</td><td class=\"n\">");
    ngx_http_recs_html_number(h, lately);
    ngx_http_recs_html_raw(h, "</td><td class=\"n\">");

    if (sum == (uint64_t) -1) {
        ngx_http_recs_html_none(h);

    } else {
        ngx_http_recs_html_number(h, sum);
    }

    ngx_http_recs_html_raw(h, "</td></tr>\n");
}


/*
 * Removals are counted in shadow, too: what would have been removed is known
 * where all that could be filtered was in shadow.
 */

static void
ngx_http_recs_html_shadow(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *recent)
{
    ngx_uint_t                          i, real;
    const uint64_t                     *series;
    const ngx_http_recs_status_node_t  *responses;

    static const char  *filtered[] = {
        "filtered", "degraded", "skipped", "skewed", "stale"
    };

    responses = ngx_http_recs_status_child(recent, "responses");

    series = ngx_http_recs_html_series(responses, "shadow");

    if (ngx_http_recs_html_sum(series) == 0) {
        return;
    }

    real = 0;

    for (i = 0; i < sizeof(filtered) / sizeof(filtered[0]); i++) {
        series = ngx_http_recs_html_series(responses, filtered[i]);
        real |= (ngx_http_recs_html_sum(series) != 0);
    }

    ngx_http_recs_html_raw(h, "<p class=\"note\">");
    ngx_http_recs_html_raw(h, real
        ? "Some responses are in shadow: removals include what would have been "
          "removed from them."
        : "All responses are in shadow: removals are what would have been "
          "removed.");
    ngx_http_recs_html_raw(h, "</p>\n");
}


static const uint64_t *
ngx_http_recs_html_series(const ngx_http_recs_status_node_t *node,
    const char *name)
{
    return ngx_http_recs_status_child(node, name)->series;
}


static void
ngx_http_recs_html_cell_self(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    ngx_http_recs_html_number(h, thing->number);
}


static void
ngx_http_recs_html_cell_of_items(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    ngx_http_recs_html_share(h, thing->number,
                             ngx_http_recs_html_uint(thing->parent, "total"));
}


/* The node's own name follows what ends with a space. */

static void
ngx_http_recs_html_count(ngx_http_recs_html_t *h, const char *title,
    const ngx_http_recs_status_node_t *node)
{
    ngx_http_recs_html_raw(h, node->number ? "<tr>" : "<tr class=\"still\">");
    ngx_http_recs_html_raw(h, "<th scope=\"row\">");
    ngx_http_recs_html_raw(h, title);

    if (title[ngx_strlen(title) - 1] == ' ') {
        ngx_http_recs_html_text(h, &node->name);
    }

    ngx_http_recs_html_raw(h, "</th><td class=\"n\">");
    ngx_http_recs_html_number(h, node->number);
    ngx_http_recs_html_raw(h, "</td></tr>\n");
}
