
/*
 * The parts of the status as a page of HTML.  Each file writes sections of the
 * page from the tree; what a client or Redis may have chosen is escaped by
 * ngx_http_recs_html_text() and _plain(): nothing else writes such text.
 */


#ifndef NGX_HTTP_RECS_HTML_H
#define NGX_HTTP_RECS_HTML_H


#include "ngx_http_recs_status.h"


/* Signs of states; the word beside it says the same. */

typedef enum {
    NGX_HTTP_RECS_HTML_OK = 0,
    NGX_HTTP_RECS_HTML_WARN,
    NGX_HTTP_RECS_HTML_BAD,
    NGX_HTTP_RECS_HTML_IDLE
} ngx_http_recs_html_sign_e;


typedef struct {
    recs_writer_t                      *w;
    const ngx_http_recs_status_node_t  *root;
} ngx_http_recs_html_t;


/* Writes what a cell holds; value is NULL if the thing has no such member. */

typedef void (*ngx_http_recs_html_cell_pt)(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);


typedef struct {
    const char                         *title;
    const char                         *member;     /* of the thing that the
                                                       row is of */
    ngx_http_recs_html_cell_pt          write;
    ngx_uint_t                          number;     /* aligned as numbers are */
} ngx_http_recs_html_column_t;


/* A row for each thing at the path; "*" stands for each member. */

#define NGX_HTTP_RECS_HTML_LEVELS  5

typedef struct {
    const char                         *id;
    const char                         *title;
    const char                         *caption;    /* a sentence */
    const char                         *path[NGX_HTTP_RECS_HTML_LEVELS];
    const char                         *names[2];   /* titles of the columns
                                                       with what "*" was */
    const ngx_http_recs_html_column_t  *columns;    /* one without a title ends
                                                       them */
} ngx_http_recs_html_table_t;


/* ngx_http_recs_html_style.c: these are literals, as their hashes are. */

extern const char  ngx_http_recs_html_style[];
extern const char  ngx_http_recs_html_script[];
extern const ngx_http_recs_status_header_t  ngx_http_recs_html_headers[];

/*
 * ngx_http_recs_html_write.c
 *
 * Markup, as it is; text of any bytes, as an element, which its directions of
 * writing stay in, and without; and that there is none.
 */

void ngx_http_recs_html_raw(ngx_http_recs_html_t *h, const char *markup);
void ngx_http_recs_html_text(ngx_http_recs_html_t *h, const ngx_str_t *text);
void ngx_http_recs_html_plain(ngx_http_recs_html_t *h, const ngx_str_t *text);
void ngx_http_recs_html_none(ngx_http_recs_html_t *h);

/*
 * A number as <data>, whose value is as JSON has it: n; n / scale; part of
 * whole in percent, or "–" if whole is 0; and bytes.
 */

void ngx_http_recs_html_number(ngx_http_recs_html_t *h, uint64_t n);
void ngx_http_recs_html_rate(ngx_http_recs_html_t *h, uint64_t n,
    uint64_t scale);
void ngx_http_recs_html_share(ngx_http_recs_html_t *h, uint64_t part,
    uint64_t whole);
void ngx_http_recs_html_bytes(ngx_http_recs_html_t *h, uint64_t n);

/*
 * Such as "2 h 5 min", of microseconds; and of a unix time, as <time>, "2 h
 * ago", "for 2 h, since 2026-11-30 01:20:33 UTC", and the last part of that.
 */

void ngx_http_recs_html_duration(ngx_http_recs_html_t *h, uint64_t us);
void ngx_http_recs_html_moment(ngx_http_recs_html_t *h, time_t at);
void ngx_http_recs_html_since(ngx_http_recs_html_t *h, time_t at);
void ngx_http_recs_html_time(ngx_http_recs_html_t *h, time_t at);

void ngx_http_recs_html_sign(ngx_http_recs_html_t *h,
    ngx_http_recs_html_sign_e sign, const ngx_str_t *text);

/* The last ten minutes, drawn and in words; name says of what. */

void ngx_http_recs_html_spark(ngx_http_recs_html_t *h, const char *name,
    const uint64_t *series);

/* The sums of the last whole minute, and of all steps with the one now. */

uint64_t ngx_http_recs_html_minute(const uint64_t *series);
uint64_t ngx_http_recs_html_sum(const uint64_t *series);

/*
 * ngx_http_recs_html_table.c
 *
 * A section with a table, or nothing if it has no row.  The others open a
 * section with a table, of these columns, and close it.
 */

void ngx_http_recs_html_table(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table);
void ngx_http_recs_html_table_open(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table);
void ngx_http_recs_html_table_close(ngx_http_recs_html_t *h);

/* Cells: by what the member is. */

void ngx_http_recs_html_cell_text(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
void ngx_http_recs_html_cell_number(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
void ngx_http_recs_html_cell_ratio(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
void ngx_http_recs_html_cell_bytes(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
void ngx_http_recs_html_cell_duration(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
void ngx_http_recs_html_cell_moment(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);
void ngx_http_recs_html_cell_held(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);

/* A member whose members are counters: their sum, and which aren't 0. */

void ngx_http_recs_html_cell_parts(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value);

/* The number that a member is; 0: there is none.  The sum of all members. */

uint64_t ngx_http_recs_html_uint(const ngx_http_recs_status_node_t *thing,
    const char *member);
uint64_t ngx_http_recs_html_parts(const ngx_http_recs_status_node_t *node);

/* Is the node that text? */

ngx_uint_t ngx_http_recs_html_is(const ngx_http_recs_status_node_t *node,
    const char *text);

/*
 * ngx_http_recs_html_degraded.c, ngx_http_recs_html_recent.c,
 * ngx_http_recs_html_labels.c, ngx_http_recs_html_facts.c,
 * ngx_http_recs_html_redis.c
 *
 * Sections.  The first one writes a list, and returns how many things are
 * degraded.
 */

ngx_uint_t ngx_http_recs_html_degraded(ngx_http_recs_html_t *h);
void ngx_http_recs_html_recent(ngx_http_recs_html_t *h);
void ngx_http_recs_html_labels(ngx_http_recs_html_t *h);
void ngx_http_recs_html_counted(ngx_http_recs_html_t *h);
void ngx_http_recs_html_facts(ngx_http_recs_html_t *h);
void ngx_http_recs_html_zone(ngx_http_recs_html_t *h);
void ngx_http_recs_html_redis(ngx_http_recs_html_t *h);


#endif /* NGX_HTTP_RECS_HTML_H */
