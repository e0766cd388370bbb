
/* Redis and its servers in the status as a page of HTML. */


#include "ngx_http_recs_html.h"


static void ngx_http_recs_html_breaker(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *redis,
    const ngx_http_recs_status_node_t *breaker);
static void ngx_http_recs_html_ready(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *redis,
    const ngx_http_recs_status_node_t *ready);
static void ngx_http_recs_html_recorded(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *redis,
    const ngx_http_recs_status_node_t *recorded);
static void ngx_http_recs_html_role(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *replica);
static void ngx_http_recs_html_connected(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *ready);
static void ngx_http_recs_html_link(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *link);
static void ngx_http_recs_html_fit(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *fit);


static const ngx_http_recs_html_column_t  ngx_http_recs_html_redis_columns[] = {
    { "Connections", "ready", ngx_http_recs_html_ready, 0 },
    { "Breaker", "breaker", ngx_http_recs_html_breaker, 0 },
    { "Commands", "commands", ngx_http_recs_html_cell_number, 1 },
    { "Errors", "errors", ngx_http_recs_html_cell_number, 1 },
    { "Too late", "discarded", ngx_http_recs_html_cell_number, 1 },
    { "No connection", "refused", ngx_http_recs_html_cell_number, 1 },
    { "Breaker opened", "opened", ngx_http_recs_html_cell_number, 1 },
    { "Not asked", "declined", ngx_http_recs_html_cell_number, 1 },
    { "Connects", "connects", ngx_http_recs_html_cell_number, 1 },
    { "Losses", "losses", ngx_http_recs_html_cell_number, 1 },
    { "Recorded responses", "recorded", ngx_http_recs_html_recorded, 0 },
    { NULL, NULL, NULL, 0 }
};

static const ngx_http_recs_html_column_t  ngx_http_recs_html_server_columns[] =
{
    { "Role", "replica", ngx_http_recs_html_role, 0 },
    { "State", "ready", ngx_http_recs_html_connected, 0 },
    { "Connections", "ready", ngx_http_recs_html_cell_number, 1 },
    { "Answer takes", "trip", ngx_http_recs_html_cell_duration, 1 },
    { "Link to master", "link", ngx_http_recs_html_link, 0 },
    { "Lag", "lag", ngx_http_recs_html_cell_duration, 1 },
    { "Read from", "fit", ngx_http_recs_html_fit, 0 },
    { NULL, NULL, NULL, 0 }
};


static const ngx_http_recs_html_table_t  ngx_http_recs_html_redis_table = {
    "redis", "Redis",
    "Connections are those of the worker that answers; all else is of all "
    "workers.",
    { "redis", "*" }, { "Redis" }, ngx_http_recs_html_redis_columns
};

static const ngx_http_recs_html_table_t  ngx_http_recs_html_server_table = {
    "servers", "Servers of Redis",
    "As the worker that answers sees them. How long an answer takes is "
    "measured where replicas may be read from.",
    { "redis", "*", "servers", "*" }, { "Redis", "Server" },
    ngx_http_recs_html_server_columns
};


void
ngx_http_recs_html_redis(ngx_http_recs_html_t *h)
{
    ngx_http_recs_html_table(h, &ngx_http_recs_html_redis_table);
    ngx_http_recs_html_table(h, &ngx_http_recs_html_server_table);
}


static void
ngx_http_recs_html_breaker(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *redis,
    const ngx_http_recs_status_node_t *breaker)
{
    uint64_t                            since;
    const ngx_http_recs_status_node_t  *state;

    static const ngx_str_t  off = ngx_string("off");

    state = ngx_http_recs_status_child(breaker, "state");

    if (state == NULL) {
        ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_IDLE, &off);
        return;
    }

    ngx_http_recs_html_sign(h, ngx_http_recs_html_is(state, "open")
                               ? NGX_HTTP_RECS_HTML_BAD
                               : NGX_HTTP_RECS_HTML_OK, &state->text);

    since = ngx_http_recs_html_uint(breaker, "since");

    if (since) {
        ngx_http_recs_html_raw(h, " <small>");
        ngx_http_recs_html_since(h, since);
        ngx_http_recs_html_raw(h, "</small>");
    }
}


static void
ngx_http_recs_html_ready(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *redis,
    const ngx_http_recs_status_node_t *ready)
{
    static const ngx_str_t  none = ngx_string("none");
    static const ngx_str_t  ok = ngx_string("ready");

    ngx_http_recs_html_sign(h, ready->number ? NGX_HTTP_RECS_HTML_OK
                                             : NGX_HTTP_RECS_HTML_BAD,
                            ready->number ? &ok : &none);

    ngx_http_recs_html_raw(h, " <small>");
    ngx_http_recs_html_number(h, ready->number);
    ngx_http_recs_html_raw(h, " of ");
    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(redis,
                                                         "connections"));
    ngx_http_recs_html_raw(h, "</small>");
}


static void
ngx_http_recs_html_recorded(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *redis,
    const ngx_http_recs_status_node_t *recorded)
{
    if (recorded == NULL) {
        ngx_http_recs_html_none(h);
        return;
    }

    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(recorded,
                                                         "responses"));
    ngx_http_recs_html_raw(h, " <small>refused ");
    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(recorded, "refused"));
    ngx_http_recs_html_raw(h, ", dropped ");
    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(recorded, "dropped"));
    ngx_http_recs_html_raw(h, "</small>");
}


static void
ngx_http_recs_html_role(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *replica)
{
    ngx_http_recs_html_raw(h, replica->number ? "replica" : "master");
}


static void
ngx_http_recs_html_connected(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *ready)
{
    static const ngx_str_t  states[] = {
        ngx_string("not connected"),
        ngx_string("connected")
    };

    ngx_http_recs_html_sign(h, ready->number ? NGX_HTTP_RECS_HTML_OK
                                             : NGX_HTTP_RECS_HTML_BAD,
                            &states[ready->number != 0]);
}


static void
ngx_http_recs_html_link(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *link)
{
    if (link == NULL) {
        ngx_http_recs_html_none(h);
        return;
    }

    ngx_http_recs_html_sign(h, ngx_http_recs_html_is(link, "up")
                               ? NGX_HTTP_RECS_HTML_OK
                               : ngx_http_recs_html_is(link, "down")
                                 ? NGX_HTTP_RECS_HTML_BAD
                                 : NGX_HTTP_RECS_HTML_IDLE, &link->text);
}


static void
ngx_http_recs_html_fit(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *server,
    const ngx_http_recs_status_node_t *fit)
{
    if (fit == NULL) {
        ngx_http_recs_html_none(h);
        return;
    }

    ngx_http_recs_html_raw(h, fit->number ? "yes" : "no");
}
