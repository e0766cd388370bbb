
/* The status of a channel's guard: what it sees, and what it left. */


#include "ngx_http_recs_status.h"
#include "ngx_recs_rollout.h"


static void ngx_http_recs_status_left(ngx_http_recs_status_t *st,
    const ngx_recs_left_t *left);


static const ngx_http_recs_status_kind_t  ngx_http_recs_guard_kind
    = { "guard", NULL };


/* In the order of recs_rollout_e. */

static const ngx_recs_metric_t  ngx_http_recs_guard_shares[] = {
    ngx_recs_gauge("removed", "removed", "ratio", 10000,
                   "Items of the active version that were removed within "
                   "window=, as a share."),
    ngx_recs_gauge("empty", "empty", "ratio", 10000,
                   "Pages of the active version without an item, as a share."),
    ngx_recs_gauge("missing", "missing", "ratio", 10000,
                   "Users without a row in the active version, as a share."),
    ngx_recs_gauge("errors", "errors", "ratio", 10000,
                   "Rows of the active version that are no page, as a share.")
};

static const ngx_recs_metric_t  ngx_http_recs_guard_pages
    = ngx_recs_gauge("pages", "pages", NULL, 1,
                     "Rows of the active version that were seen within "
                     "window=.");
static const ngx_recs_metric_t  ngx_http_recs_guard_left
    = ngx_recs_gauge("since", "left", "timestamp_seconds", 1,
                     "When the guard last found that a version does badly.");
static const ngx_recs_metric_t  ngx_http_recs_guard_stays
    = ngx_recs_gauge("stays", "stays", NULL, 1,
                     "1: it stays, as there is none before it.");
static const ngx_recs_metric_t  ngx_http_recs_guard_told
    = ngx_recs_gauge("told", "told", NULL, 1,
                     "1: Redis knows what was left.");
static const ngx_recs_metric_t  ngx_http_recs_guard_version
    = ngx_recs_info("left_version", "left_version",
                    "The version that did badly, what the channel has had "
                    "since, and why.");


void
ngx_http_recs_status_guard(ngx_http_recs_status_t *st,
    ngx_recs_channel_t *channel, const ngx_recs_left_t *left)
{
    uint64_t                    n, share;
    ngx_uint_t                  i;
    const recs_rollout_seen_t  *seen;

    seen = ngx_recs_rollout_seen(channel);
    n = 0;

    ngx_http_recs_status_open_as(st, "guard", &ngx_http_recs_guard_kind);

    for (i = 0; i < RECS_ROLLOUT_SHARES; i++) {
        share = recs_rollout_share(seen, (recs_rollout_e) i,
                                   channel->guard->window, ngx_current_msec,
                                   &n);

        ngx_http_recs_status_ratio(st, &ngx_http_recs_guard_shares[i], share);
    }

    ngx_http_recs_status_uint(st, &ngx_http_recs_guard_pages, n);

    if (left->version.len) {
        ngx_http_recs_status_left(st, left);

    } else {
        ngx_http_recs_status_null(st, "left");
    }

    ngx_http_recs_status_close(st);
}


static void
ngx_http_recs_status_left(ngx_http_recs_status_t *st,
    const ngx_recs_left_t *left)
{
    ngx_str_t                     why, version, to;
    const recs_rollout_found_t   *found;
    ngx_http_recs_status_label_t  labels[3];

    static const ngx_recs_metric_t  share
        = ngx_recs_gauge("share", "left_share", "ratio", 10000,
                         "The share that was past its limit then.");
    static const ngx_recs_metric_t  limit
        = ngx_recs_gauge("limit", "left_limit", "ratio", 10000,
                         "That limit.");

    found = &left->found;
    version = ngx_recs_text_str(&left->version);
    to = ngx_recs_text_str(&left->to);
    why.data = (u_char *) recs_rollout_names[found->what];
    why.len = ngx_strlen(why.data);

    labels[0].name = "version";
    labels[0].value = version;
    labels[1].name = "to";
    labels[1].value = to;
    labels[2].name = "why";
    labels[2].value = why;

    ngx_http_recs_status_open_as(st, "left", NULL);
    ngx_http_recs_status_text(st, "version", &version);
    ngx_http_recs_status_text(st, "to", &to);
    ngx_http_recs_status_flag(st, &ngx_http_recs_guard_stays, left->stays);
    ngx_http_recs_status_text(st, "why", &why);
    ngx_http_recs_status_ratio(st, &share, found->share);
    ngx_http_recs_status_ratio(st, &limit, found->limit);
    ngx_http_recs_status_number(st, "pages", found->n);
    ngx_http_recs_status_uint(st, &ngx_http_recs_guard_left, left->at);
    ngx_http_recs_status_flag(st, &ngx_http_recs_guard_told,
                              !left->untold && !left->stays);
    ngx_http_recs_status_info(st, &ngx_http_recs_guard_version, labels, 3);
    ngx_http_recs_status_close(st);
}
