
/*
 * The status as a page of HTML, for people.  It needs nothing but itself, works
 * without its script, and holds text of any origin as text only.
 */


#include "ngx_http_recs_html.h"


static void ngx_http_recs_html_open(ngx_http_recs_html_t *h, ngx_uint_t n);
static void ngx_http_recs_html_nav(ngx_http_recs_html_t *h);
static void ngx_http_recs_html_state(ngx_http_recs_html_t *h, ngx_uint_t n,
    const recs_writer_t *list);
static void ngx_http_recs_html_words(ngx_http_recs_html_t *h, ngx_uint_t n);


void
ngx_http_recs_status_html(const ngx_http_recs_status_node_t *root,
    recs_writer_t *w)
{
    ngx_uint_t            n;
    recs_writer_t         list;
    ngx_http_recs_html_t  h;

    /* the title says how many things the list has */

    recs_writer_init(&list, &w->mem, RECS_JSON, 1024);

    h.root = root;
    h.w = &list;
    n = ngx_http_recs_html_degraded(&h);

    h.w = w;

    if (list.failed) {
        w->failed = 1;
        return;
    }

    ngx_http_recs_html_open(&h, n);
    ngx_http_recs_html_state(&h, n, &list);

    ngx_http_recs_html_recent(&h);
    ngx_http_recs_html_labels(&h);
    ngx_http_recs_html_facts(&h);
    ngx_http_recs_html_redis(&h);

    ngx_http_recs_html_raw(&h, "<div class=\"side\">\n");
    ngx_http_recs_html_counted(&h);
    ngx_http_recs_html_zone(&h);
    ngx_http_recs_html_raw(&h, "</div>\n");

    ngx_http_recs_html_raw(&h, "</main>\n<script>");
    ngx_http_recs_html_raw(&h, ngx_http_recs_html_script);
    ngx_http_recs_html_raw(&h, "</script>\n</body>\n</html>\n");
}


static void
ngx_http_recs_html_open(ngx_http_recs_html_t *h, ngx_uint_t n)
{
    ngx_str_t  hostname;

    hostname = ngx_cycle->hostname;

    ngx_http_recs_html_raw(h, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>"
        "<meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, "
        "initial-scale=1\">"
        "<meta name=\"color-scheme\" content=\"light dark\">"
        "<meta name=\"robots\" content=\"noindex\"><title>");

    ngx_http_recs_html_words(h, n);
    ngx_http_recs_html_raw(h, " \xe2\x80\x93 recs on ");
    ngx_http_recs_html_plain(h, &hostname);

    ngx_http_recs_html_raw(h, "</title><style>");
    ngx_http_recs_html_raw(h, ngx_http_recs_html_style);

    ngx_http_recs_html_raw(h, "</style></head>\n<body>\n"
        "<a class=\"skip\" href=\"#status\">Skip to the status</a>\n<header>"
        "<h1>Recommendations on ");
    ngx_http_recs_html_text(h, &hostname);
    ngx_http_recs_html_raw(h, "</h1><p>ngx_http_recs_module ");
    ngx_http_recs_html_text(h, &ngx_http_recs_status_child(h->root,
                                                          "version")->text);
    ngx_http_recs_html_raw(h, "</p><p id=\"live\" role=\"status\"></p>"
        "<button type=\"button\" id=\"pause\" hidden=\"\">Pause</button>");
    ngx_http_recs_html_nav(h);
    ngx_http_recs_html_raw(h, "</header>\n"
        "<main id=\"status\" tabindex=\"-1\">\n");
}


/* Links to the sections that there are, which a reload alone changes. */

static void
ngx_http_recs_html_nav(ngx_http_recs_html_t *h)
{
    ngx_uint_t                          i;
    const ngx_http_recs_status_node_t  *things;

    static const char  *links[][3] = {
        { "responses", "recent", "Responses and items" },
        { "labels", "labels", "Labels" },
        { "sets", "sets", "Sets" },
        { "snapshots", "channels", "Snapshots" },
        { "pools", "pools", "Pools" },
        { "redis", "redis", "Redis" },
        { "zone", "zone", "Shared memory" }
    };

    ngx_http_recs_html_raw(h, "<nav aria-label=\"Sections\"><ul>");

    for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        things = ngx_http_recs_status_child(h->root, links[i][0]);

        if (things && things->first) {
            ngx_http_recs_html_raw(h, "<li><a href=\"#h-");
            ngx_http_recs_html_raw(h, links[i][1]);
            ngx_http_recs_html_raw(h, "\">");
            ngx_http_recs_html_raw(h, links[i][2]);
            ngx_http_recs_html_raw(h, "</a></li>");
        }
    }

    ngx_http_recs_html_raw(h, "</ul></nav>");
}


static void
ngx_http_recs_html_state(ngx_http_recs_html_t *h, ngx_uint_t n,
    const recs_writer_t *list)
{
    ngx_http_recs_html_raw(h, n ? "<section class=\"state degraded\""
                                : "<section class=\"state\"");
    ngx_http_recs_html_raw(h, " aria-labelledby=\"h-degraded\">"
                              "<h2 id=\"h-degraded\">");
    ngx_http_recs_html_words(h, n);
    ngx_http_recs_html_raw(h, "</h2>");

    if (n) {
        ngx_http_recs_html_raw(h, "<ul>\n");
        recs_write_bytes(h->w, list->data, list->len);
        ngx_http_recs_html_raw(h, "</ul>");
    }

    ngx_http_recs_html_raw(h, "<p class=\"note\">As of ");
    ngx_http_recs_html_time(h, ngx_time());
    ngx_http_recs_html_raw(h, "</p></section>\n");
}


static void
ngx_http_recs_html_words(ngx_http_recs_html_t *h, ngx_uint_t n)
{
    u_char     buf[NGX_INT_T_LEN];
    ngx_str_t  text;

    if (n == 0) {
        ngx_http_recs_html_raw(h, "Nothing is degraded");
        return;
    }

    text.data = buf;
    text.len = ngx_sprintf(buf, "%ui", n) - buf;

    ngx_http_recs_html_plain(h, &text);
    ngx_http_recs_html_raw(h, n == 1 ? " thing is degraded"
                                     : " things are degraded");
}
