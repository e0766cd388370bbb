
/*
 * What is degraded, and since when, in words: the head of the status as a page
 * of HTML.  Each rule looks at one thing of the tree, and writes an item of the
 * list if that is not as it should be.
 */


#include "ngx_http_recs_html.h"
#include "ngx_http_recs_recent.h"


typedef struct {
    ngx_http_recs_html_t               *h;
    ngx_uint_t                          n;
} ngx_http_recs_html_list_t;

typedef void (*ngx_http_recs_html_rule_pt)(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *thing);


static void ngx_http_recs_html_rules(ngx_http_recs_html_list_t *list,
    const char *things, ngx_http_recs_html_rule_pt rule);
static void ngx_http_recs_html_rule_set(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *set);
static void ngx_http_recs_html_rule_replica(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *set);
static void ngx_http_recs_html_rule_pool(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *pool);
static void ngx_http_recs_html_rule_held(ngx_http_recs_html_list_t *list,
    const char *kind, const ngx_str_t *name,
    const ngx_http_recs_status_node_t *thing);
static void ngx_http_recs_html_rule_image(ngx_http_recs_html_list_t *list,
    const char *kind, const ngx_str_t *name,
    const ngx_http_recs_status_node_t *thing);
static void ngx_http_recs_html_rule_snapshots(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots);
static void ngx_http_recs_html_rule_channel(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel);
static void ngx_http_recs_html_rule_refused(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel);
static void ngx_http_recs_html_rule_guard(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel);
static void ngx_http_recs_html_rule_redis(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *redis);
static void ngx_http_recs_html_rule_recent(ngx_http_recs_html_list_t *list);
static void ngx_http_recs_html_rule_series(ngx_http_recs_html_list_t *list,
    const char *what, const uint64_t *series);
static void ngx_http_recs_html_item(ngx_http_recs_html_list_t *list,
    ngx_http_recs_html_sign_e sign, const char *kind, const ngx_str_t *name);
static void ngx_http_recs_html_item_channel(ngx_http_recs_html_list_t *list,
    ngx_http_recs_html_sign_e sign,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel);
static void ngx_http_recs_html_item_end(ngx_http_recs_html_list_t *list,
    time_t since);


ngx_uint_t
ngx_http_recs_html_degraded(ngx_http_recs_html_t *h)
{
    ngx_str_t                  nobody;
    ngx_http_recs_html_list_t  list;

    list.h = h;
    list.n = 0;

    if (!ngx_http_recs_html_uint(h->root, "led")) {
        ngx_str_null(&nobody);
        ngx_http_recs_html_item(&list, NGX_HTTP_RECS_HTML_BAD,
                                "No worker leads", &nobody);
        ngx_http_recs_html_raw(h, ": what is followed for all workers stands "
                                  "still");
        ngx_http_recs_html_item_end(&list, 0);
    }

    ngx_http_recs_html_rules(&list, "redis", ngx_http_recs_html_rule_redis);
    ngx_http_recs_html_rules(&list, "sets", ngx_http_recs_html_rule_set);
    ngx_http_recs_html_rules(&list, "sets", ngx_http_recs_html_rule_replica);
    ngx_http_recs_html_rules(&list, "snapshots",
                             ngx_http_recs_html_rule_snapshots);
    ngx_http_recs_html_rules(&list, "pools", ngx_http_recs_html_rule_pool);
    ngx_http_recs_html_rule_recent(&list);

    return list.n;
}


static void
ngx_http_recs_html_rules(ngx_http_recs_html_list_t *list, const char *things,
    ngx_http_recs_html_rule_pt rule)
{
    const ngx_http_recs_status_node_t  *thing;

    thing = ngx_http_recs_status_child(list->h->root, things)->first;

    for ( /* void */ ; thing; thing = thing->next) {
        rule(list, thing);
    }
}


static void
ngx_http_recs_html_rule_set(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *set)
{
    ngx_uint_t                          i;
    const ngx_http_recs_status_node_t  *state, *why;

    static const char  *words[][2] = {
        { "absent", "its key is absent in Redis" },
        { "distrusted", "it refuses so much that it is not believed" },
        { "error", "Redis answers with an error" }
    };

    state = ngx_http_recs_status_child(set, "state");

    if (state == NULL || ngx_http_recs_html_is(state, "known")) {
        return;
    }

    if (state->type == NGX_HTTP_RECS_STATUS_NULL) {
        ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_WARN, "Set",
                                &set->name);
        ngx_http_recs_html_raw(list->h, " could not be looked at within the "
                                        "last seconds");
        ngx_http_recs_html_item_end(list, 0);
        return;
    }

    ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_BAD, "Set", &set->name);
    ngx_http_recs_html_raw(list->h, " is unknown");

    why = ngx_http_recs_status_child(set, "why");

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ngx_http_recs_html_is(why, words[i][0])) {
            ngx_http_recs_html_raw(list->h, ": ");
            ngx_http_recs_html_raw(list->h, words[i][1]);
        }
    }

    ngx_http_recs_html_item_end(list, ngx_http_recs_html_uint(set, "since"));
}


static void
ngx_http_recs_html_rule_replica(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *set)
{
    time_t                              since;
    ngx_uint_t                          i, fresh;
    const ngx_http_recs_status_node_t  *replica, *state, *age;

    static const char  *words[][2] = {
        { "loading", " is loaded for the first time" },
        { "following", " is stale" },
        { "resync", " is not what Redis has, and is loaded again" },
        { "full", " has outgrown its capacity" },
        { "failed", " can't be loaded: Redis refuses what it is asked" }
    };

    replica = ngx_http_recs_status_child(set, "replica");
    state = ngx_http_recs_status_child(replica, "state");

    if (replica == NULL) {
        return;
    }

    fresh = ngx_http_recs_html_uint(replica, "fresh");
    age = ngx_http_recs_status_child(replica, "age");
    since = age->type == NGX_HTTP_RECS_STATUS_NULL
            ? 0 : ngx_time() - (time_t) (age->number / 1000);

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        if (!ngx_http_recs_html_is(state, words[i][0])
            || (fresh && ngx_http_recs_html_is(state, "following")))
        {
            continue;
        }

        ngx_http_recs_html_item(list, fresh ? NGX_HTTP_RECS_HTML_WARN
                                            : NGX_HTTP_RECS_HTML_BAD,
                                "Replica of set", &set->name);
        ngx_http_recs_html_raw(list->h, words[i][1]);
        ngx_http_recs_html_item_end(list, since);
    }

    ngx_http_recs_html_rule_held(list, "Replica of set", &set->name, replica);
    ngx_http_recs_html_rule_image(list, "Replica of set", &set->name, replica);
}


static void
ngx_http_recs_html_rule_pool(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *pool)
{
    time_t      loaded;
    ngx_uint_t  failed;

    loaded = ngx_http_recs_html_uint(pool, "loaded");
    failed = ngx_http_recs_html_uint(pool, "failed");

    if (failed || loaded == 0) {
        ngx_http_recs_html_item(list, loaded ? NGX_HTTP_RECS_HTML_WARN
                                             : NGX_HTTP_RECS_HTML_BAD,
                                "Pool", &pool->name);
        ngx_http_recs_html_raw(list->h, failed ? " can't be read"
                                               : " has not been read yet");

        if (loaded) {
            ngx_http_recs_html_raw(list->h, ", and is as it was ");
            ngx_http_recs_html_moment(list->h, loaded);
        }

        ngx_http_recs_html_item_end(list, 0);
    }

    ngx_http_recs_html_rule_held(list, "Pool", &pool->name, pool);
    ngx_http_recs_html_rule_image(list, "Pool", &pool->name, pool);
}


static void
ngx_http_recs_html_rule_held(ngx_http_recs_html_list_t *list,
    const char *kind, const ngx_str_t *name,
    const ngx_http_recs_status_node_t *thing)
{
    const ngx_http_recs_status_node_t  *held;

    held = ngx_http_recs_status_child(thing, "held");

    if (held->type == NGX_HTTP_RECS_STATUS_NULL) {
        return;
    }

    ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_WARN, kind, name);
    ngx_http_recs_html_raw(list->h, " keeps ");
    ngx_http_recs_html_number(list->h, ngx_http_recs_html_uint(held, "had"));
    ngx_http_recs_html_raw(list->h, " as what Redis has now (");
    ngx_http_recs_html_number(list->h, ngx_http_recs_html_uint(held, "now"));
    ngx_http_recs_html_raw(list->h, ") is held back");
    ngx_http_recs_html_item_end(list, ngx_http_recs_html_uint(held, "since"));
}


static void
ngx_http_recs_html_rule_image(ngx_http_recs_html_list_t *list,
    const char *kind, const ngx_str_t *name,
    const ngx_http_recs_status_node_t *thing)
{
    const ngx_http_recs_status_node_t  *image;

    image = ngx_http_recs_status_child(thing, "image");

    if (ngx_http_recs_html_uint(image, "failed")) {
        ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_WARN, kind, name);
        ngx_http_recs_html_raw(list->h, ": its image can't be written");
        ngx_http_recs_html_item_end(list, 0);
    }

    if (ngx_http_recs_html_uint(image, "used")) {
        ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_WARN, kind, name);
        ngx_http_recs_html_raw(list->h, " is that of its image, as Redis has "
                                        "not told since");
        ngx_http_recs_html_item_end(list, ngx_http_recs_html_uint(image,
                                                                  "written"));
    }
}


static void
ngx_http_recs_html_rule_snapshots(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots)
{
    time_t                              since;
    const ngx_http_recs_status_node_t  *channel, *share;

    channel = ngx_http_recs_status_child(snapshots, "channels")->first;

    for ( /* void */ ; channel; channel = channel->next) {
        ngx_http_recs_html_rule_channel(list, snapshots, channel);
        ngx_http_recs_html_rule_refused(list, snapshots, channel);
        ngx_http_recs_html_rule_guard(list, snapshots, channel);
    }

    share = ngx_http_recs_status_child(snapshots, "missing_share");
    since = ngx_http_recs_html_uint(share, "since");

    if (since) {
        ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_BAD, "Snapshots",
                                &snapshots->name);
        ngx_http_recs_html_raw(list->h, " lack the pages of unusually many "
                                        "users");
        ngx_http_recs_html_item_end(list, since);
    }

    ngx_http_recs_html_rule_image(list, "Snapshots", &snapshots->name,
                                  snapshots);
}


/* Only the channel that all others fall back to must have a version. */

static void
ngx_http_recs_html_rule_channel(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel)
{
    uint64_t  max_age, age;

    if (!ngx_http_recs_html_uint(channel, "adopted")
        && channel->parent->first == channel)
    {
        ngx_http_recs_html_item_channel(list, NGX_HTTP_RECS_HTML_BAD,
                                        snapshots, channel);
        ngx_http_recs_html_raw(list->h, " has no version");
        ngx_http_recs_html_item_end(list, 0);
    }

    if (ngx_http_recs_html_uint(channel, "lost")) {
        ngx_http_recs_html_item_channel(list, NGX_HTTP_RECS_HTML_BAD,
                                        snapshots, channel);
        ngx_http_recs_html_raw(list->h, ": Redis no longer has what it had");
        ngx_http_recs_html_item_end(list, 0);
    }

    age = ngx_http_recs_html_uint(channel, "age");
    max_age = ngx_http_recs_html_uint(channel, "max_age");

    if (max_age && age > max_age) {
        ngx_http_recs_html_item_channel(list, NGX_HTTP_RECS_HTML_BAD,
                                        snapshots, channel);
        ngx_http_recs_html_raw(list->h, " is older than it may be");
        ngx_http_recs_html_item_end(list, ngx_time()
                                          - (time_t) (age - max_age));
    }
}


static void
ngx_http_recs_html_rule_refused(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel)
{
    const ngx_http_recs_status_node_t  *refused, *reason;

    refused = ngx_http_recs_status_child(channel, "refused");
    reason = ngx_http_recs_status_child(channel, "reason");

    if (refused->text.len == 0) {
        return;
    }

    ngx_http_recs_html_item_channel(list, NGX_HTTP_RECS_HTML_WARN, snapshots,
                                    channel);
    ngx_http_recs_html_raw(list->h, " names version ");
    ngx_http_recs_html_text(list->h, &refused->text);
    ngx_http_recs_html_raw(list->h, ", which is refused");

    if (reason->text.len) {
        ngx_http_recs_html_raw(list->h, ": ");
        ngx_http_recs_html_text(list->h, &reason->text);
    }

    ngx_http_recs_html_item_end(list, 0);
}


/* What the guard left is of interest until another version was adopted. */

static void
ngx_http_recs_html_rule_guard(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel)
{
    ngx_uint_t                          stays;
    const ngx_http_recs_status_node_t  *left, *now, *active;

    left = ngx_http_recs_status_child(
               ngx_http_recs_status_child(channel, "guard"), "left");

    if (left == NULL || left->type == NGX_HTTP_RECS_STATUS_NULL) {
        return;
    }

    stays = ngx_http_recs_html_uint(left, "stays");
    now = ngx_http_recs_status_child(left, stays ? "version" : "to");
    active = ngx_http_recs_status_child(channel, "active");

    if (now->text.len == 0 || now->text.len != active->text.len
        || ngx_memcmp(now->text.data, active->text.data, now->text.len) != 0)
    {
        return;
    }

    ngx_http_recs_html_item_channel(list, stays ? NGX_HTTP_RECS_HTML_BAD
                                                : NGX_HTTP_RECS_HTML_WARN,
                                    snapshots, channel);
    ngx_http_recs_html_raw(list->h, stays ? " has version "
                                          : ": its guard left version ");
    ngx_http_recs_html_text(list->h, &ngx_http_recs_status_child(left,
                                                        "version")->text);
    ngx_http_recs_html_raw(list->h, stays ? ", which does badly, and none "
                                            "before it: "
                                          : ", which did badly: ");
    ngx_http_recs_html_text(list->h, &ngx_http_recs_status_child(left,
                                                        "why")->text);
    ngx_http_recs_html_raw(list->h, " ");
    ngx_http_recs_html_cell_ratio(list->h, left,
                            ngx_http_recs_status_child(left, "share"));
    ngx_http_recs_html_item_end(list, ngx_http_recs_html_uint(left, "since"));
}


static void
ngx_http_recs_html_rule_redis(ngx_http_recs_html_list_t *list,
    const ngx_http_recs_status_node_t *redis)
{
    uint64_t                            open;
    const ngx_http_recs_status_node_t  *breaker, *server, *link;

    breaker = ngx_http_recs_status_child(redis, "breaker");
    open = ngx_http_recs_html_uint(breaker, "open");

    if (open) {
        ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_BAD, "Redis",
                                &redis->name);
        ngx_http_recs_html_raw(list->h, ": the breaker is open, and ");
        ngx_http_recs_html_number(list->h, open);
        ngx_http_recs_html_raw(list->h, open == 1
                                        ? " server is not asked"
                                        : " servers are not asked");
        ngx_http_recs_html_item_end(list, ngx_http_recs_html_uint(breaker,
                                                                  "since"));
    }

    if (!ngx_http_recs_html_uint(redis, "ready")) {
        ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_BAD, "Redis",
                                &redis->name);
        ngx_http_recs_html_raw(list->h, ": the worker that answers has no "
                                        "connection");
        ngx_http_recs_html_item_end(list, 0);
    }

    server = ngx_http_recs_status_child(redis, "servers")->first;

    for ( /* void */ ; server; server = server->next) {
        link = ngx_http_recs_status_child(server, "link");

        if (ngx_http_recs_html_is(link, "down")) {
            ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_WARN,
                                    "Replica", &server->name);
            ngx_http_recs_html_raw(list->h, " has no link to its master");
            ngx_http_recs_html_item_end(list, 0);
        }
    }
}


/* What became of the last minute's responses. */

static void
ngx_http_recs_html_rule_recent(ngx_http_recs_html_list_t *list)
{
    ngx_uint_t                          i;
    const ngx_http_recs_status_node_t  *recent, *node;

    static const char  *words[][2] = {
        { "degraded", "were filtered without a set that gave no answer" },
        { "skewed", "have a version that is not accepted" },
        { "stale", "were made of what is too old" },
        { "malformed", "were not JSON, or had no shelf" },
        { "too_large", "were over a limit" },
        { "emptied", "had no item left" },
        { "rejected", "were answered with 502" }
    };

    recent = ngx_http_recs_status_child(list->h->root, "recent");

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        node = ngx_http_recs_status_child(
                   ngx_http_recs_status_child(recent, "responses"),
                   words[i][0]);

        if (node == NULL) {
            node = ngx_http_recs_status_child(recent, words[i][0]);
        }

        ngx_http_recs_html_rule_series(list, words[i][1], node->series);
    }
}


/* Since when: since it began to be so in each step. */

static void
ngx_http_recs_html_rule_series(ngx_http_recs_html_list_t *list,
    const char *what, const uint64_t *series)
{
    uint64_t    n;
    ngx_str_t   nothing;
    ngx_uint_t  i, first;

    n = ngx_http_recs_html_minute(series) + series[RECS_RECENT_STEPS - 1];

    if (n == 0) {
        return;
    }

    i = RECS_RECENT_STEPS - 1;

    while (series[i] == 0) {
        i--;
    }

    first = i;

    while (first && series[first - 1]) {
        first--;
    }

    ngx_str_null(&nothing);
    ngx_http_recs_html_item(list, NGX_HTTP_RECS_HTML_WARN, "", &nothing);
    ngx_http_recs_html_raw(list->h, "Responses of the last minute that ");
    ngx_http_recs_html_raw(list->h, what);
    ngx_http_recs_html_raw(list->h, ": ");
    ngx_http_recs_html_number(list->h, n);
    ngx_http_recs_html_item_end(list, ngx_time()
                                      - (time_t) (RECS_RECENT_STEPS - first)
                                        * NGX_HTTP_RECS_RECENT_STEP);
}


/* Opens an item: "Set in_stock", and a sign. */

static void
ngx_http_recs_html_item(ngx_http_recs_html_list_t *list,
    ngx_http_recs_html_sign_e sign, const char *kind, const ngx_str_t *name)
{
    static const ngx_str_t  words[] = {
        ngx_string("fine"),
        ngx_string("warning"),
        ngx_string("bad")
    };

    list->n++;

    ngx_http_recs_html_raw(list->h, "<li>");
    ngx_http_recs_html_sign(list->h, sign, &words[sign]);
    ngx_http_recs_html_raw(list->h, " <span>");
    ngx_http_recs_html_raw(list->h, kind);

    if (name->len) {
        ngx_http_recs_html_raw(list->h, " <b>");
        ngx_http_recs_html_text(list->h, name);
        ngx_http_recs_html_raw(list->h, "</b>");
    }
}


static void
ngx_http_recs_html_item_channel(ngx_http_recs_html_list_t *list,
    ngx_http_recs_html_sign_e sign,
    const ngx_http_recs_status_node_t *snapshots,
    const ngx_http_recs_status_node_t *channel)
{
    ngx_http_recs_html_item(list, sign, "Snapshots", &snapshots->name);
    ngx_http_recs_html_raw(list->h, ", channel <b>");
    ngx_http_recs_html_text(list->h, &channel->name);
    ngx_http_recs_html_raw(list->h, "</b>");
}


/* Closes it; since is 0 if nobody knows. */

static void
ngx_http_recs_html_item_end(ngx_http_recs_html_list_t *list, time_t since)
{
    if (since) {
        ngx_http_recs_html_raw(list->h, ", ");
        ngx_http_recs_html_since(list->h, since);
    }

    ngx_http_recs_html_raw(list->h, "</span></li>\n");
}
