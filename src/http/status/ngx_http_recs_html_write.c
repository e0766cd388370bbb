
/* Text, numbers, times and small pictures in the status as a page of HTML. */


#include "ngx_http_recs_html.h"
#include "ngx_http_recs_recent.h"
#include "recs_text.h"


/* A picture, in units of its own: three a step. */

#define NGX_HTTP_RECS_SPARK_STEP    3
#define NGX_HTTP_RECS_SPARK_HEIGHT  24


static size_t ngx_http_recs_html_char(ngx_http_recs_html_t *h,
    const u_char *p, const u_char *end);
static void ngx_http_recs_html_date(ngx_http_recs_html_t *h, time_t at,
    u_char between, const char *after);
static void ngx_http_recs_html_grouped(ngx_http_recs_html_t *h, uint64_t n);
static void ngx_http_recs_html_print(ngx_http_recs_html_t *h,
    const char *format, ...);


void
ngx_http_recs_html_raw(ngx_http_recs_html_t *h, const char *markup)
{
    recs_write_bytes(h->w, markup, ngx_strlen(markup));
}


void
ngx_http_recs_html_text(ngx_http_recs_html_t *h, const ngx_str_t *text)
{
    ngx_http_recs_html_raw(h, "<bdi>");
    ngx_http_recs_html_plain(h, text);
    ngx_http_recs_html_raw(h, "</bdi>");
}


void
ngx_http_recs_html_plain(ngx_http_recs_html_t *h, const ngx_str_t *text)
{
    const u_char  *p, *end;

    p = text->data;
    end = p + text->len;

    while (p < end) {
        p += ngx_http_recs_html_char(h, p, end);
    }
}


void
ngx_http_recs_html_none(ngx_http_recs_html_t *h)
{
    ngx_http_recs_html_raw(h, "<span class=\"none\">\xe2\x80\x93</span>");
}


void
ngx_http_recs_html_number(ngx_http_recs_html_t *h, uint64_t n)
{
    ngx_http_recs_html_print(h, "<data value=\"%uL\">", n);
    ngx_http_recs_html_grouped(h, n);
    ngx_http_recs_html_raw(h, "</data>");
}


void
ngx_http_recs_html_rate(ngx_http_recs_html_t *h, uint64_t n, uint64_t scale)
{
    double  value;

    value = (double) n / scale;

    ngx_http_recs_html_print(h, "<data value=\"%.3f\">", value);

    if (value >= 100) {
        ngx_http_recs_html_grouped(h, (uint64_t) (value + 0.5));

    } else {
        ngx_http_recs_html_print(h, "%.1f", value);
    }

    ngx_http_recs_html_raw(h, "</data>");
}


/* What there is, is never 0 %. */

void
ngx_http_recs_html_share(ngx_http_recs_html_t *h, uint64_t part,
    uint64_t whole)
{
    double  share;

    if (whole == 0) {
        ngx_http_recs_html_none(h);
        return;
    }

    share = (double) part / whole;

    ngx_http_recs_html_print(h, "<data value=\"%.6f\">", share);

    if (part && share < 0.001) {
        ngx_http_recs_html_raw(h, "&lt;\xe2\x80\xaf" "0.1");

    } else if (part == 0 || part == whole) {
        ngx_http_recs_html_print(h, "%ui", (ngx_uint_t) (part ? 100 : 0));

    } else {
        ngx_http_recs_html_print(h, "%.1f", share * 100);
    }

    ngx_http_recs_html_raw(h, "\xe2\x80\xaf%</data>");
}


void
ngx_http_recs_html_bytes(ngx_http_recs_html_t *h, uint64_t n)
{
    double      value;
    ngx_uint_t  i;

    static const char  *units[] = { "B", "KiB", "MiB", "GiB", "TiB" };

    value = n;

    for (i = 0; value >= 1024 && i < 4; i++) {
        value /= 1024;
    }

    ngx_http_recs_html_print(h, "<data value=\"%uL\">", n);

    if (i && value < 100) {
        ngx_http_recs_html_print(h, "%.1f", value);

    } else {
        ngx_http_recs_html_print(h, "%uL", (uint64_t) (value + 0.5));
    }

    ngx_http_recs_html_print(h, "\xe2\x80\xaf%s</data>", units[i]);
}


void
ngx_http_recs_html_duration(ngx_http_recs_html_t *h, uint64_t us)
{
    uint64_t    n;
    ngx_uint_t  i;

    static const struct {
        uint64_t      below;        /* s */
        uint64_t      large;
        const char   *large_name;
        uint64_t      small;
        const char   *small_name;
    } units[] = {
        { 60, 1, "s", 0, NULL },
        { 3600, 60, "min", 0, NULL },
        { 86400, 3600, "h", 60, "min" },
        { 0, 86400, "d", 3600, "h" }
    };

    if (us < 1000) {
        ngx_http_recs_html_print(h, "%uL\xe2\x80\xaf\xc2\xb5s", us);
        return;
    }

    if (us < 1000000) {
        ngx_http_recs_html_print(h, us < 10000 ? "%.1f\xe2\x80\xafms"
                                               : "%.0f\xe2\x80\xafms",
                                 (double) us / 1000);
        return;
    }

    n = us / 1000000;

    for (i = 0; units[i].below && n >= units[i].below; i++) { /* void */ }

    ngx_http_recs_html_print(h, "%uL\xe2\x80\xaf%s", n / units[i].large,
                             units[i].large_name);

    if (units[i].small && n % units[i].large >= units[i].small) {
        ngx_http_recs_html_print(h, " %uL\xe2\x80\xaf%s",
                                 n % units[i].large / units[i].small,
                                 units[i].small_name);
    }
}


void
ngx_http_recs_html_moment(ngx_http_recs_html_t *h, time_t at)
{
    if (at == 0) {
        ngx_http_recs_html_raw(h, "never");
        return;
    }

    ngx_http_recs_html_raw(h, "<time datetime=\"");
    ngx_http_recs_html_date(h, at, 'T', "Z\" title=\"");
    ngx_http_recs_html_date(h, at, ' ', " UTC\">");

    if (ngx_time() > at) {
        ngx_http_recs_html_duration(h, (uint64_t) (ngx_time() - at) * 1000000);
        ngx_http_recs_html_raw(h, " ago");

    } else {
        ngx_http_recs_html_raw(h, "just now");
    }

    ngx_http_recs_html_raw(h, "</time>");
}


void
ngx_http_recs_html_since(ngx_http_recs_html_t *h, time_t at)
{
    ngx_http_recs_html_raw(h, "for ");
    ngx_http_recs_html_duration(h, (uint64_t) ngx_max(ngx_time() - at, 1)
                                   * 1000000);
    ngx_http_recs_html_raw(h, ", since ");
    ngx_http_recs_html_time(h, at);
}


void
ngx_http_recs_html_time(ngx_http_recs_html_t *h, time_t at)
{
    ngx_http_recs_html_raw(h, "<time datetime=\"");
    ngx_http_recs_html_date(h, at, 'T', "Z\">");
    ngx_http_recs_html_date(h, at, ' ', " UTC</time>");
}


void
ngx_http_recs_html_sign(ngx_http_recs_html_t *h,
    ngx_http_recs_html_sign_e sign, const ngx_str_t *text)
{
    static const char  *classes[] = { "ok", "warn", "bad", "idle" };

    ngx_http_recs_html_print(h, "<span class=\"sign %s\">", classes[sign]);
    ngx_http_recs_html_text(h, text);
    ngx_http_recs_html_raw(h, "</span>");
}


/* Each is as high as its own largest step: they are not to be compared. */

void
ngx_http_recs_html_spark(ngx_http_recs_html_t *h, const char *name,
    const uint64_t *series)
{
    uint64_t    max, height;
    ngx_uint_t  i;

    max = 0;

    for (i = 0; i < RECS_RECENT_STEPS; i++) {
        max = ngx_max(max, series[i]);
    }

    ngx_http_recs_html_print(h, "<svg class=\"spark\" role=\"img\" viewBox=\"0 "
                             "0 %d %d\" preserveAspectRatio=\"none\" "
                             "aria-label=\"%s, ten minutes in steps of ten "
                             "seconds: at most %uL, %uL in the last whole "
                             "step\"><path d=\"M0 %d",
                             RECS_RECENT_STEPS * NGX_HTTP_RECS_SPARK_STEP,
                             NGX_HTTP_RECS_SPARK_HEIGHT, name, max,
                             series[RECS_RECENT_STEPS - 2],
                             NGX_HTTP_RECS_SPARK_HEIGHT);

    for (i = 0; max && i < RECS_RECENT_STEPS; i++) {
        height = (double) series[i] / max * (NGX_HTTP_RECS_SPARK_HEIGHT - 1)
                 + 0.5;

        if (series[i] && height == 0) {
            height = 1;
        }

        if (i == 0 || series[i] != series[i - 1]) {
            ngx_http_recs_html_print(h, "V%uL",
                                     NGX_HTTP_RECS_SPARK_HEIGHT - height);
        }

        if (i == RECS_RECENT_STEPS - 1 || series[i] != series[i + 1]) {
            ngx_http_recs_html_print(h, "H%ui",
                                     (i + 1) * NGX_HTTP_RECS_SPARK_STEP);
        }
    }

    ngx_http_recs_html_print(h, max ? "V%dZ\"/></svg>" : "H%d\"/></svg>",
                             max ? NGX_HTTP_RECS_SPARK_HEIGHT
                                 : RECS_RECENT_STEPS
                                   * NGX_HTTP_RECS_SPARK_STEP);
}


uint64_t
ngx_http_recs_html_minute(const uint64_t *series)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 2; i < 2 + 60 / NGX_HTTP_RECS_RECENT_STEP; i++) {
        sum += series[RECS_RECENT_STEPS - i];
    }

    return sum;
}


uint64_t
ngx_http_recs_html_sum(const uint64_t *series)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < RECS_RECENT_STEPS; i++) {
        sum += series[i];
    }

    return sum;
}


/*
 * Writes the character at p, and returns its length.  U+FFFD stands for what is
 * not UTF-8, and for control characters, which HTML may not hold.
 */

static size_t
ngx_http_recs_html_char(ngx_http_recs_html_t *h, const u_char *p,
    const u_char *end)
{
    size_t  len;

    switch (*p) {

    case '&':
        ngx_http_recs_html_raw(h, "&amp;");
        return 1;

    case '<':
        ngx_http_recs_html_raw(h, "&lt;");
        return 1;

    case '>':
        ngx_http_recs_html_raw(h, "&gt;");
        return 1;

    case '"':
        ngx_http_recs_html_raw(h, "&quot;");
        return 1;

    case '\'':
        ngx_http_recs_html_raw(h, "&#39;");
        return 1;
    }

    if (*p < 0x80) {
        len = (*p >= 0x20 && *p != 0x7f);

    } else {
        len = recs_text_utf8(p, end);

        if (len == 2 && p[0] == 0xc2 && p[1] < 0xa0) {
            len = 0;                        /* U+0080 to U+009F, controls */
        }
    }

    if (len == 0) {
        ngx_http_recs_html_raw(h, "\xef\xbf\xbd");
        return 1;
    }

    recs_write_bytes(h->w, p, len);

    return len;
}


/* A date and a time in UTC, with this between them, and what follows. */

static void
ngx_http_recs_html_date(ngx_http_recs_html_t *h, time_t at, u_char between,
    const char *after)
{
    ngx_tm_t  tm;

    ngx_gmtime(at, &tm);

    ngx_http_recs_html_print(h, "%04d-%02d-%02d%c%02d:%02d:%02d%s",
                             tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                             between, tm.ngx_tm_hour, tm.ngx_tm_min,
                             tm.ngx_tm_sec, after);
}


/* Such as "1 234 567". */

static void
ngx_http_recs_html_grouped(ngx_http_recs_html_t *h, uint64_t n)
{
    u_char      buf[NGX_INT64_LEN], *p, *last;

    last = ngx_sprintf(buf, "%uL", n);

    for (p = buf; p < last; p++) {
        if (p > buf && (last - p) % 3 == 0) {
            ngx_http_recs_html_raw(h, "\xe2\x80\xaf");
        }

        recs_write_bytes(h->w, p, 1);
    }
}


/* Of a format of ngx_sprintf(); not for text that isn't ours. */

static void
ngx_http_recs_html_print(ngx_http_recs_html_t *h, const char *format, ...)
{
    u_char   buf[512], *last;
    va_list  args;

    va_start(args, format);
    last = ngx_vslprintf(buf, buf + sizeof(buf), format, args);
    va_end(args);

    recs_write_bytes(h->w, buf, last - buf);
}
