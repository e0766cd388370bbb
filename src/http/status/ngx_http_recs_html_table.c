
/* Tables in the status as a page of HTML, and what their cells mostly hold. */


#include "ngx_http_recs_html.h"


/* What "*" was, on the way to a thing. */

typedef struct {
    const ngx_str_t                  *names[2];
    ngx_uint_t                        n;
} ngx_http_recs_html_way_t;


static void ngx_http_recs_html_rows(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table,
    const ngx_http_recs_status_node_t *node, const char *const *path,
    ngx_http_recs_html_way_t *way, ngx_uint_t *rows);
static void ngx_http_recs_html_row(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_html_way_t *way);
static void ngx_http_recs_html_head(ngx_http_recs_html_t *h, const char *title,
    ngx_uint_t number);
static ngx_uint_t ngx_http_recs_html_known(
    const ngx_http_recs_status_node_t *value);


void
ngx_http_recs_html_table(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table)
{
    ngx_uint_t                rows;
    ngx_http_recs_html_way_t  way;

    way.n = 0;
    rows = 0;

    ngx_http_recs_html_rows(h, table, h->root, table->path, &way, &rows);

    if (rows) {
        ngx_http_recs_html_table_close(h);
    }
}


void
ngx_http_recs_html_table_open(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table)
{
    ngx_uint_t                          i;
    const ngx_http_recs_html_column_t  *column;

    const char *parts[] = {
        "<section aria-labelledby=\"h-", table->id, "\"><h2 id=\"h-",
        table->id, "\">", table->title, "</h2><div class=\"scroll\" id=\"",
        table->id, "\" role=\"group\" tabindex=\"0\" aria-labelledby=\"h-",
        table->id, "\"><table><caption><span>", table->caption,
        "</span></caption><thead><tr>", NULL
    };

    for (i = 0; parts[i]; i++) {
        ngx_http_recs_html_raw(h, parts[i]);
    }

    for (i = 0; i < 2 && table->names[i]; i++) {
        ngx_http_recs_html_head(h, table->names[i], 0);
    }

    for (column = table->columns; column->title; column++) {
        ngx_http_recs_html_head(h, column->title, column->number);
    }

    ngx_http_recs_html_raw(h, "</tr></thead><tbody>\n");
}


void
ngx_http_recs_html_table_close(ngx_http_recs_html_t *h)
{
    ngx_http_recs_html_raw(h, "</tbody></table></div></section>\n");
}


void
ngx_http_recs_html_cell_text(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    if (ngx_http_recs_html_known(value)) {
        ngx_http_recs_html_text(h, &value->text);

    } else {
        ngx_http_recs_html_none(h);
    }
}


void
ngx_http_recs_html_cell_number(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    if (ngx_http_recs_html_known(value)) {
        ngx_http_recs_html_number(h, value->number);

    } else {
        ngx_http_recs_html_none(h);
    }
}


void
ngx_http_recs_html_cell_ratio(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    if (ngx_http_recs_html_known(value)) {
        ngx_http_recs_html_share(h, value->number, value->metric->scale);

    } else {
        ngx_http_recs_html_none(h);
    }
}


void
ngx_http_recs_html_cell_bytes(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    if (ngx_http_recs_html_known(value)) {
        ngx_http_recs_html_bytes(h, value->number);

    } else {
        ngx_http_recs_html_none(h);
    }
}


void
ngx_http_recs_html_cell_duration(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    if (ngx_http_recs_html_known(value) && value->metric) {
        ngx_http_recs_html_duration(h, value->number
                                       * (1000000 / value->metric->scale));

    } else {
        ngx_http_recs_html_none(h);
    }
}


void
ngx_http_recs_html_cell_moment(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    if (ngx_http_recs_html_known(value)) {
        ngx_http_recs_html_moment(h, value->number);

    } else {
        ngx_http_recs_html_none(h);
    }
}


void
ngx_http_recs_html_cell_held(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    if (!ngx_http_recs_html_known(value)) {
        ngx_http_recs_html_none(h);
        return;
    }

    ngx_http_recs_html_sign(h, NGX_HTTP_RECS_HTML_WARN,
                            &ngx_http_recs_status_child(value, "why")->text);

    ngx_http_recs_html_raw(h, ": had ");
    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(value, "had"));
    ngx_http_recs_html_raw(h, ", now ");
    ngx_http_recs_html_number(h, ngx_http_recs_html_uint(value, "now"));
}


void
ngx_http_recs_html_cell_parts(ngx_http_recs_html_t *h,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_status_node_t *value)
{
    uint64_t                            sum;
    const char                         *before;
    const ngx_http_recs_status_node_t  *part;

    sum = ngx_http_recs_html_parts(value);

    ngx_http_recs_html_number(h, sum);

    if (sum == 0) {
        return;
    }

    before = " <small>";

    for (part = value->first; part; part = part->next) {

        if (part->number) {
            ngx_http_recs_html_raw(h, before);
            ngx_http_recs_html_text(h, &part->name);
            ngx_http_recs_html_raw(h, " ");
            ngx_http_recs_html_number(h, part->number);

            before = ", ";
        }
    }

    ngx_http_recs_html_raw(h, "</small>");
}


uint64_t
ngx_http_recs_html_uint(const ngx_http_recs_status_node_t *thing,
    const char *member)
{
    const ngx_http_recs_status_node_t  *node;

    node = ngx_http_recs_status_child(thing, member);

    return node ? node->number : 0;
}


uint64_t
ngx_http_recs_html_parts(const ngx_http_recs_status_node_t *node)
{
    uint64_t                            sum;
    const ngx_http_recs_status_node_t  *part;

    sum = 0;

    for (part = node ? node->first : NULL; part; part = part->next) {
        sum += part->number;
    }

    return sum;
}


ngx_uint_t
ngx_http_recs_html_is(const ngx_http_recs_status_node_t *node,
    const char *text)
{
    return node && node->text.len == ngx_strlen(text)
           && ngx_memcmp(node->text.data, text, node->text.len) == 0;
}


/* The section is opened before its first row. */

static void
ngx_http_recs_html_rows(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table,
    const ngx_http_recs_status_node_t *node, const char *const *path,
    ngx_http_recs_html_way_t *way, ngx_uint_t *rows)
{
    const ngx_http_recs_status_node_t  *child;

    if (*path == NULL) {

        if ((*rows)++ == 0) {
            ngx_http_recs_html_table_open(h, table);
        }

        ngx_http_recs_html_row(h, table, node, way);
        return;
    }

    if (ngx_strcmp(*path, "*") != 0) {
        child = ngx_http_recs_status_child(node, *path);

        if (child) {
            ngx_http_recs_html_rows(h, table, child, path + 1, way, rows);
        }

        return;
    }

    for (child = node->first; child; child = child->next) {
        way->names[way->n++] = &child->name;
        ngx_http_recs_html_rows(h, table, child, path + 1, way, rows);
        way->n--;
    }
}


static void
ngx_http_recs_html_row(ngx_http_recs_html_t *h,
    const ngx_http_recs_html_table_t *table,
    const ngx_http_recs_status_node_t *thing,
    const ngx_http_recs_html_way_t *way)
{
    ngx_uint_t                          i;
    const ngx_http_recs_html_column_t  *column;

    ngx_http_recs_html_raw(h, "<tr>");

    for (i = 0; i < way->n; i++) {
        ngx_http_recs_html_raw(h, "<th scope=\"row\">");
        ngx_http_recs_html_text(h, way->names[i]);
        ngx_http_recs_html_raw(h, "</th>");
    }

    for (column = table->columns; column->title; column++) {
        ngx_http_recs_html_raw(h, column->number ? "<td class=\"n\">"
                                                 : "<td>");

        column->write(h, thing,
                      ngx_http_recs_status_child(thing, column->member));

        ngx_http_recs_html_raw(h, "</td>");
    }

    ngx_http_recs_html_raw(h, "</tr>\n");
}


static void
ngx_http_recs_html_head(ngx_http_recs_html_t *h, const char *title,
    ngx_uint_t number)
{
    ngx_http_recs_html_raw(h, number ? "<th scope=\"col\" class=\"n\">"
                                     : "<th scope=\"col\">");
    ngx_http_recs_html_raw(h, title);
    ngx_http_recs_html_raw(h, "</th>");
}


static ngx_uint_t
ngx_http_recs_html_known(const ngx_http_recs_status_node_t *value)
{
    return value != NULL && value->type != NGX_HTTP_RECS_STATUS_NULL;
}
