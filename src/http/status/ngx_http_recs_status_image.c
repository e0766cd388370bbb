
/* The status of what several things have: an image, and what is held back. */


#include "ngx_http_recs_status.h"


static const ngx_recs_metric_t  ngx_http_recs_held
    = ngx_recs_gauge("held", "held", NULL, 1,
                     "1: what there is now is held back, what was known "
                     "before stays.");

static const ngx_recs_metric_t  ngx_http_recs_image_written
    = ngx_recs_gauge("written", "written", "timestamp_seconds", 1,
                     "When the last image took its place, 0: never.");
static const ngx_recs_metric_t  ngx_http_recs_image_read
    = ngx_recs_gauge("read", "read", "timestamp_seconds", 1,
                     "When the image was read, 0: it was not.");
static const ngx_recs_metric_t  ngx_http_recs_image_used
    = ngx_recs_gauge("used", "used", NULL, 1,
                     "1: what is in memory is of the image.");
static const ngx_recs_metric_t  ngx_http_recs_image_failed
    = ngx_recs_gauge("failed", "failed", NULL, 1,
                     "1: the image could not be written the last time.");

/* "held":{"why":"absent","since":1790000000,"had":200,"now":0}, or null */

void
ngx_http_recs_status_held(ngx_http_recs_status_t *st,
    const recs_guard_held_t *held)
{
    ngx_uint_t                    is;
    ngx_http_recs_status_node_t  *node;

    static const ngx_str_t  whys[] = {
        ngx_null_string,
        ngx_null_string,
        ngx_string("absent"),
        ngx_string("few"),
        ngx_string("shrunk")
    };

    is = (held->why != RECS_GUARD_TAKE);

    if (is) {
        ngx_http_recs_status_open_as(st, "held", NULL);
        ngx_http_recs_status_text(st, "why", &whys[held->why]);
        ngx_http_recs_status_number(st, "since", held->since);
        ngx_http_recs_status_number(st, "had", held->had);
        ngx_http_recs_status_number(st, "now", held->now);
        ngx_http_recs_status_close(st);

    } else {
        ngx_http_recs_status_null(st, "held");
    }

    node = ngx_http_recs_status_flag(st, &ngx_http_recs_held, is);
    node->hidden = 1;
}


void
ngx_http_recs_status_image(ngx_http_recs_status_t *st,
    const ngx_http_recs_status_kind_t *kind, ngx_recs_image_shared_t *image)
{
    ngx_http_recs_status_open_as(st, "image", kind);
    ngx_http_recs_status_uint(st, &ngx_http_recs_image_written,
                              image->written);
    ngx_http_recs_status_uint(st, &ngx_http_recs_image_read, image->read);
    ngx_http_recs_status_uint(st, &ngx_http_recs_image_used, image->used);
    ngx_http_recs_status_uint(st, &ngx_http_recs_image_failed, image->failed);
    ngx_http_recs_status_close(st);
}
