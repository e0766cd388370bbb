
/*
 * Sets, replicas, snapshots, pools and shared memory in the status as a page of
 * HTML.
 */


#include "ngx_http_recs_html.h"


static void ngx_http_recs_html_set_state(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *set,
    const ngx_http_recs_status_node_t *state);
static void ngx_http_recs_html_set_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *set,
    const ngx_http_recs_status_node_t *removed);
static void ngx_http_recs_html_set_window(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *set,
    const ngx_http_recs_status_node_t *refused);
static void ngx_http_recs_html_replica_state(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *replica,
    const ngx_http_recs_status_node_t *state);
static void ngx_http_recs_html_full(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *replica,
    const ngx_http_recs_status_node_t *capacity);
static void ngx_http_recs_html_pool_read(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *pool,
    const ngx_http_recs_status_node_t *loaded);
static void ngx_http_recs_html_image(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *image);
static void ngx_http_recs_html_version(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *active);
static void ngx_http_recs_html_refused(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *refused);
static void ngx_http_recs_html_guard(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *guard);
static void ngx_http_recs_html_left(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *guard);
static void ngx_http_recs_html_missing(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *share);
static void ngx_http_recs_html_zone_row(ngx_http_recs_html_t *h,
    const ngx_str_t *name, uint64_t n, uint64_t size);


static const ngx_http_recs_html_column_t  ngx_http_recs_html_set_columns[] = {
    { "State", "state", ngx_http_recs_html_set_state, 0 },
    { "Since", "since", ngx_http_recs_html_cell_moment, 0 },
    { "Removed", "removed", ngx_http_recs_html_cell_number, 1 },
    { "Of all items", "removed", ngx_http_recs_html_set_share, 1 },
    { "Refused lately", "refused", ngx_http_recs_html_set_window, 1 },
    { "Questions", "questions", ngx_http_recs_html_cell_number, 1 },
    { "No answer", "unknown_why", ngx_http_recs_html_cell_parts, 1 },
    { "Skipped", "skipped", ngx_http_recs_html_cell_number, 1 },
    { "Members", "members", ngx_http_recs_html_cell_number, 1 },
    { "Prefetched", "prefetches", ngx_http_recs_html_cell_number, 1 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_column_t  ngx_http_recs_html_replica_columns[] =
{
    { "State", "state", ngx_http_recs_html_replica_state, 0 },
    { "Age", "age", ngx_http_recs_html_cell_duration, 1 },
    { "Ids", "ids", ngx_http_recs_html_cell_number, 1 },
    { "Full", "capacity", ngx_http_recs_html_full, 1 },
    { "Memory", "memory", ngx_http_recs_html_cell_bytes, 1 },
    { "Held back", "held", ngx_http_recs_html_cell_held, 0 },
    { "Answered", "answered", ngx_http_recs_html_cell_number, 1 },
    { "While stale", "stale", ngx_http_recs_html_cell_number, 1 },
    { "Loaded", "loaded", ngx_http_recs_html_cell_moment, 0 },
    { "Load took", "load_time", ngx_http_recs_html_cell_duration, 1 },
    { "Loads", "loads", ngx_http_recs_html_cell_number, 1 },
    { "Failed loads", "failures", ngx_http_recs_html_cell_number, 1 },
    { "Loaded again", "resyncs", ngx_http_recs_html_cell_parts, 1 },
    { "Feed entry", "feed_seq", ngx_http_recs_html_cell_number, 1 },
    { "Image", "image", ngx_http_recs_html_image, 0 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_column_t  ngx_http_recs_html_channel_columns[] =
{
    { "Version", "active", ngx_http_recs_html_version, 0 },
    { "Age", "age", ngx_http_recs_html_cell_duration, 1 },
    { "Coverage", "coverage", ngx_http_recs_html_cell_ratio, 1 },
    { "Active since", "since", ngx_http_recs_html_cell_moment, 0 },
    { "Before", "previous", ngx_http_recs_html_cell_text, 0 },
    { "Refused", "refused", ngx_http_recs_html_refused, 0 },
    { "Guard sees", "guard", ngx_http_recs_html_guard, 0 },
    { "Guard left", "guard", ngx_http_recs_html_left, 0 },
    { "Default page", "default_size", ngx_http_recs_html_cell_bytes, 1 },
    { "Redis looked at", "looked", ngx_http_recs_html_cell_moment, 0 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_column_t
    ngx_http_recs_html_snapshots_columns[] =
{
    { "Pages", "rows", ngx_http_recs_html_cell_number, 1 },
    { "Missing", "missing", ngx_http_recs_html_cell_number, 1 },
    { "Missing lately", "missing_share", ngx_http_recs_html_missing, 1 },
    { "From before", "previous", ngx_http_recs_html_cell_number, 1 },
    { "Default", "defaults", ngx_http_recs_html_cell_number, 1 },
    { "Kept default", "kept", ngx_http_recs_html_cell_number, 1 },
    { "No page", "none", ngx_http_recs_html_cell_number, 1 },
    { "No answer", "unknown", ngx_http_recs_html_cell_number, 1 },
    { "Versions adopted", "adopted", ngx_http_recs_html_cell_number, 1 },
    { "Refused", "refused", ngx_http_recs_html_cell_number, 1 },
    { "Left by guards", "guarded", ngx_http_recs_html_cell_number, 1 },
    { "Image", "image", ngx_http_recs_html_image, 0 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_column_t  ngx_http_recs_html_pool_columns[] = {
    { "Items", "items", ngx_http_recs_html_cell_number, 1 },
    { "Unusable", "refused", ngx_http_recs_html_cell_number, 1 },
    { "Read", "loaded", ngx_http_recs_html_pool_read, 0 },
    { "Held back", "held", ngx_http_recs_html_cell_held, 0 },
    { "Shown", "shown", ngx_http_recs_html_cell_number, 1 },
    { "Capped", "capped", ngx_http_recs_html_cell_number, 1 },
    { "No room to count", "cap_full", ngx_http_recs_html_cell_number, 1 },
    { "Shown uncounted", "uncounted", ngx_http_recs_html_cell_number, 1 },
    { "Reads", "refreshes", ngx_http_recs_html_cell_number, 1 },
    { "Failed reads", "failures", ngx_http_recs_html_cell_number, 1 },
    { "Image", "image", ngx_http_recs_html_image, 0 },
    { NULL, NULL, NULL, 0 }
};


static const ngx_http_recs_html_table_t  ngx_http_recs_html_tables[] = {
    { "sets", "Sets",
      "What each set removed, in shadow: would have, and whether it can be "
      "asked.",
      { "sets", "*" }, { "Set" }, ngx_http_recs_html_set_columns },
    { "replicas", "Replicas",
      "Copies of sets in shared memory. The age is since it last was what "
      "Redis has.",
      { "sets", "*", "replica" }, { "Set" },
      ngx_http_recs_html_replica_columns },
    { "channels", "Snapshots by channel",
      "Which version is served, and what was refused and why.",
      { "snapshots", "*", "channels", "*" }, { "Snapshots", "Channel" },
      ngx_http_recs_html_channel_columns },
    { "snapshots", "Pages of snapshots",
      "Users' pages that were asked for, and where they came from.",
      { "snapshots", "*" }, { "Snapshots" },
      ngx_http_recs_html_snapshots_columns },
    { "pools", "Pools and caps",
      "What exploration draws from; items as the worker that answers has "
      "them. Capped ones had been shown too often.",
      { "pools", "*" }, { "Pool" }, ngx_http_recs_html_pool_columns }
};


static const ngx_http_recs_html_column_t  ngx_http_recs_html_zone_columns[] = {
    { "Memory", "", NULL, 1 },
    { "Of all", "", NULL, 1 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_table_t  ngx_http_recs_html_zone_table = {
    "zone", "Shared memory", "Of recs_zone, by what uses it.",
    { NULL }, { "Used by" }, ngx_http_recs_html_zone_columns
};


void
ngx_http_recs_html_facts(ngx_http_recs_html_t *h)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(ngx_http_recs_html_tables)
                    / sizeof(ngx_http_recs_html_tables[0]); i++)
    {
        ngx_http_recs_html_table(h, &ngx_http_recs_html_tables[i]);
    }
}


void
ngx_http_recs_html_zone(ngx_http_recs_html_t *h)
{
    uint64_t                            size;
    const ngx_http_recs_status_node_t  *zone, *node;

    static const ngx_str_t  all = ngx_string("all");
    static const ngx_str_t  nothing = ngx_string("nothing, it is free");

    zone = ngx_http_recs_status_child(h->root, "zone");
    size = ngx_http_recs_html_uint(zone, "size");

    ngx_http_recs_html_table_open(h, &ngx_http_recs_html_zone_table);

    ngx_http_recs_html_zone_row(h, &all, size, size);
    ngx_http_recs_html_zone_row(h, &nothing,
                                ngx_http_recs_html_uint(zone, "free"), size);

    node = ngx_http_recs_status_child(zone, "used")->first;

    for ( /* void */ ; node; node = node->next) {
        ngx_http_recs_html_zone_row(h, &node->name, node->number, size);
    }

    ngx_http_recs_html_table_close(h);
}


/* A set has no state if nobody looks, and none now if nobody could. */

static void
ngx_http_recs_html_set_state(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *set,
    const ngx_http_recs_status_node_t *state)
{
    ngx_uint_t                          known;
    const ngx_http_recs_status_node_t  *why;

    static const ngx_str_t  unseen = ngx_string("not seen");

    if (state == NULL) {
        ngx_http_recs_html_none(h);
        return;
    }

    if (state->type == NGX_HTTP_RECS_STATUS_NULL) {
        ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_IDLE, &unseen);
        return;
    }

    known = ngx_http_recs_html_is(state, "known");

    ngx_http_recs_html_sign(h, known ? NGX_HTTP_RECS_HTML_OK
                                     : NGX_HTTP_RECS_HTML_BAD, &state->text);

    why = ngx_http_recs_status_child(set, "why");

    if (why) {
        ngx_http_recs_html_raw(h, ": ");
        ngx_http_recs_html_text(h, &why->text);
    }
}


static void
ngx_http_recs_html_set_share(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *set,
    const ngx_http_recs_status_node_t *removed)
{
    const ngx_http_recs_status_node_t  *items;

    items = ngx_http_recs_status_child(h->root, "items");

    ngx_http_recs_html_share(h, removed->number,
                             ngx_http_recs_html_uint(items, "total"));
}


static void
ngx_http_recs_html_set_window(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *set,
    const ngx_http_recs_status_node_t *refused)
{
    ngx_http_recs_html_share(h, refused ? refused->number : 0,
                             ngx_http_recs_html_uint(set, "asked"));
}


static void
ngx_http_recs_html_replica_state(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *replica,
    const ngx_http_recs_status_node_t *state)
{
    ngx_http_recs_html_sign_e  sign;

    static const ngx_str_t  stale = ngx_string("stale");

    if (ngx_http_recs_html_is(state, "following")) {

        if (ngx_http_recs_html_uint(replica, "fresh")) {
            ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_OK, &state->text);

        } else {
            ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_BAD, &stale);
        }

        return;
    }

    sign = (ngx_http_recs_html_is(state, "full")
            || ngx_http_recs_html_is(state, "failed"))
           ? NGX_HTTP_RECS_HTML_BAD : NGX_HTTP_RECS_HTML_WARN;

    ngx_http_recs_html_sign(h, sign, &state->text);
}


static void
ngx_http_recs_html_full(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *replica,
    const ngx_http_recs_status_node_t *capacity)
{
    ngx_http_recs_html_share(h, ngx_http_recs_html_uint(replica, "ids"),
                             capacity->number);
}


static void
ngx_http_recs_html_pool_read(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *pool,
    const ngx_http_recs_status_node_t *loaded)
{
    static const ngx_str_t  failed = ngx_string("failed");

    if (ngx_http_recs_html_uint(pool, "failed")) {
        ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_BAD, &failed);
        ngx_http_recs_html_raw(h, ", the last one ");
    }

    ngx_http_recs_html_moment(h, loaded->number);
}


static void
ngx_http_recs_html_image(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *image)
{
    static const ngx_str_t  failed = ngx_string("not written");
    static const ngx_str_t  used = ngx_string("in use");

    if (image == NULL) {
        ngx_http_recs_html_none(h);
        return;
    }

    if (ngx_http_recs_html_uint(image, "failed")) {
        ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_BAD, &failed);
        ngx_http_recs_html_raw(h, ", the last one ");

    } else if (ngx_http_recs_html_uint(image, "used")) {
        ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_WARN, &used);
        ngx_http_recs_html_raw(h, ", written ");

    } else {
        ngx_http_recs_html_raw(h, "written ");
    }

    ngx_http_recs_html_moment(h, ngx_http_recs_html_uint(image, "written"));
}


static void
ngx_http_recs_html_version(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *active)
{
    const ngx_http_recs_status_node_t  *model;

    static const ngx_str_t  lost = ngx_string("lost by Redis");

    ngx_http_recs_html_cell_text(h, channel, active);

    model = ngx_http_recs_status_child(channel, "model");

    if (model && model->text.len) {
        ngx_http_recs_html_raw(h, "<br><small class=\"long\">model ");
        ngx_http_recs_html_text(h, &model->text);
        ngx_http_recs_html_raw(h, "</small>");
    }

    if (ngx_http_recs_html_uint(channel, "lost")) {
        ngx_http_recs_html_raw(h, " ");
        ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_BAD, &lost);
    }
}


static void
ngx_http_recs_html_refused(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *refused)
{
    const ngx_http_recs_status_node_t  *reason;

    if (refused->text.len == 0) {
        ngx_http_recs_html_none(h);
        return;
    }

    ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_WARN, &refused->text);

    reason = ngx_http_recs_status_child(channel, "reason");

    if (reason->text.len) {
        ngx_http_recs_html_raw(h, "<br><small class=\"long\">");
        ngx_http_recs_html_text(h, &reason->text);
        ngx_http_recs_html_raw(h, "</small>");
    }
}


static void
ngx_http_recs_html_guard(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *guard)
{
    ngx_uint_t                          i;
    const ngx_http_recs_status_node_t  *share;

    static const char  *shares[] = { "removed", "empty", "missing", "errors" };

    if (guard == NULL) {
        ngx_http_recs_html_none(h);
        return;
    }

    ngx_http_recs_html_raw(h, "<span class=\"long\">");

    for (i = 0; i < 4; i++) {
        share = ngx_http_recs_status_child(guard, shares[i]);

        ngx_http_recs_html_raw(h, shares[i]);
        ngx_http_recs_html_raw(h, " ");
        ngx_http_recs_html_cell_ratio(h, guard, share);
        ngx_http_recs_html_raw(h, ", ");
    }

    ngx_http_recs_html_raw(h, "of ");
    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(guard, "pages"));
    ngx_http_recs_html_raw(h, " pages</span>");
}


static void
ngx_http_recs_html_left(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *channel,
    const ngx_http_recs_status_node_t *guard)
{
    const ngx_http_recs_status_node_t  *left;

    left = ngx_http_recs_status_child(guard, "left");

    if (left == NULL || left->type == NGX_HTTP_RECS_STATUS_NULL) {
        ngx_http_recs_html_none(h);
        return;
    }

    ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_WARN,
                            &ngx_http_recs_status_child(left, "version")->text);
    ngx_http_recs_html_raw(h, "<br><small class=\"long\">");
    ngx_http_recs_html_text(h, &ngx_http_recs_status_child(left, "why")->text);
    ngx_http_recs_html_raw(h, " ");
    ngx_http_recs_html_cell_ratio(h, left,
                                  ngx_http_recs_status_child(left, "share"));
    ngx_http_recs_html_raw(h, ", limit ");
    ngx_http_recs_html_cell_ratio(h, left,
                                  ngx_http_recs_status_child(left, "limit"));
    ngx_http_recs_html_raw(h, ngx_http_recs_html_uint(left, "stays")
                              ? ", stays as there is none before it, "
                              : ", left ");
    ngx_http_recs_html_moment(h, ngx_http_recs_html_uint(left, "since"));
    ngx_http_recs_html_raw(h, "</small>");
}


static void
ngx_http_recs_html_missing(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *share)
{
    ngx_http_recs_html_cell_ratio(h, share,
                                  ngx_http_recs_status_child(share, "now"));
    ngx_http_recs_html_raw(h, " <small>usually ");
    ngx_http_recs_html_cell_ratio(h, share,
                                  ngx_http_recs_status_child(share, "usual"));
    ngx_http_recs_html_raw(h, "</small>");
}


static void
ngx_http_recs_html_zone_row(ngx_http_recs_html_t *h, const ngx_str_t *name,
    uint64_t n, uint64_t size)
{
    ngx_http_recs_html_raw(h, "<tr><th scope=\"row\">");
    ngx_http_recs_html_text(h, name);
    ngx_http_recs_html_raw(h, "</th><td class=\"n\">");
    ngx_http_recs_html_bytes(h, n);
    ngx_http_recs_html_raw(h, "</td><td class=\"n\">");
    ngx_http_recs_html_share(h, n, size);
    ngx_http_recs_html_raw(h, "</td></tr>\n");
}
