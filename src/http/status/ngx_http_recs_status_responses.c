
/*
 * The status of responses: counters and times of all of them, and the same of
 * each label.
 */


#include "ngx_http_recs_counted.h"
#include "ngx_http_recs_names.h"
#include "ngx_http_recs_status.h"


/* How metrics of one group of responses are called. */

typedef struct {
    ngx_http_recs_status_kind_t       responses;
    ngx_http_recs_status_kind_t       items;
    ngx_http_recs_status_kind_t       times;
} ngx_http_recs_status_kinds_t;


static void ngx_http_recs_status_counted(ngx_http_recs_status_t *st,
    const ngx_http_recs_status_kinds_t *kinds,
    const ngx_http_recs_counted_t *counted);
static void ngx_http_recs_status_label(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st, ngx_uint_t n, const ngx_str_t *name);
static void ngx_http_recs_status_removed(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st, ngx_uint_t n);


static const ngx_recs_counter_t  ngx_http_recs_state_counters[] = {
    ngx_recs_counter_array("responses", "", "state", ngx_http_recs_states_t,
                           states[NGX_HTTP_RECS_FILTERED],
                           &ngx_http_recs_states[NGX_HTTP_RECS_FILTERED],
                           NGX_HTTP_RECS_NSTATES - NGX_HTTP_RECS_FILTERED,
                           NULL,
                           "Responses, by what became of them."),
    ngx_recs_counter_end
};


static const ngx_recs_counter_t  ngx_http_recs_response_counters[] = {
    ngx_recs_counter_array("skew", "skew", "version",
                           ngx_http_recs_responses_t,
                           skew, ngx_http_recs_versions,
                           NGX_HTTP_RECS_NVERSIONS, NULL,
                           "Responses with versions that differ, by the "
                           "version."),
    ngx_recs_counter_array("stale", "stale", "age", ngx_http_recs_responses_t,
                           stale, ngx_http_recs_ages,
                           NGX_HTTP_RECS_NAGES, NULL,
                           "Responses that were too old, by the age."),
    ngx_recs_counter("rejected", ngx_http_recs_responses_t, rejected,
                     "Responses that were answered with 502."),
    ngx_recs_counter("not_modified", ngx_http_recs_responses_t, not_modified,
                     "Responses that were answered with 304."),
    ngx_recs_counter("emptied", ngx_http_recs_responses_t, emptied,
                     "Pages of which no item was left."),
    ngx_recs_counter("encoded", ngx_http_recs_responses_t, encoded,
                     "Responses in an encoding that is not known here."),
    ngx_recs_counter("unsent_versions", ngx_http_recs_responses_t, unsent,
                     "Versions that are unfit for a header."),
    ngx_recs_counter("not_utf8", ngx_http_recs_responses_t, not_utf8,
                     "Pages with strings that are not UTF-8."),
    ngx_recs_counter("other_types", ngx_http_recs_responses_t, other_types,
                     "Responses of types that recs_types does not name."),
    ngx_recs_counter_end
};


static const ngx_recs_counter_t  ngx_http_recs_item_counters[] = {
    ngx_recs_counter_as("total", "", ngx_http_recs_items_t, total,
                        "Items of pages as they came."),
    ngx_recs_counter("kept", ngx_http_recs_items_t, kept,
                     "Items that stayed."),
    ngx_recs_counter("removed", ngx_http_recs_items_t, removed,
                     "Items that were removed."),
    ngx_recs_counter("repeated", ngx_http_recs_items_t, repeated,
                     "Items that were removed as they were repeated."),
    ngx_recs_counter("unidentified", ngx_http_recs_items_t, unidentified,
                     "Items without a usable id."),
    ngx_recs_counter("explored", ngx_http_recs_items_t, explored,
                     "Items that exploration put into pages."),
    ngx_recs_counter("backfilled", ngx_http_recs_items_t, backfilled,
                     "Items that filled up shelves."),
    ngx_recs_counter("skipped_slots", ngx_http_recs_items_t, skipped_slots,
                     "Slots of exploration that were past a shelf's end."),
    ngx_recs_counter("unfilled_slots", ngx_http_recs_items_t, unfilled_slots,
                     "Slots of exploration for which nothing was eligible."),
    ngx_recs_counter_end
};


static const ngx_recs_metric_t  ngx_http_recs_lookup_times
    = ngx_recs_histogram("lookup", "lookup", "seconds", 1000000,
                         "Time from asking the sets to their answers.");
static const ngx_recs_metric_t  ngx_http_recs_added_times
    = ngx_recs_histogram("added", "added", "seconds", 1000000,
                         "Time from the last byte of a page to when it goes "
                         "on.");

static const ngx_recs_metric_t  ngx_http_recs_label_removed
    = { "removed", "removed", NULL, 1, NGX_RECS_COUNTER, "set",
        "Items that went because of the set." };


static const ngx_http_recs_status_kinds_t  ngx_http_recs_all_kinds = {
    { "responses", NULL }, { "items", NULL }, { "", NULL }
};

static const ngx_http_recs_status_kinds_t  ngx_http_recs_label_kinds = {
    { "label_responses", NULL }, { "label_items", NULL }, { "label", NULL }
};

static const ngx_http_recs_status_kind_t  ngx_http_recs_label_kind
    = { "label", "label" };


void
ngx_http_recs_status_responses(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st)
{
    ngx_http_recs_counted_t  all;

    ngx_http_recs_counted_sum(rmcf, &all);

    ngx_http_recs_status_counted(st, &ngx_http_recs_all_kinds, &all);
}


void
ngx_http_recs_status_labels(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st)
{
    ngx_str_t                name;
    ngx_uint_t               i, n;
    ngx_http_recs_labels_t  *labels;

    static const ngx_str_t  other = ngx_string("other");

    if (rmcf->max_labels == 0) {
        return;
    }

    labels = rmcf->labels;

    n = labels->n;
    ngx_memory_barrier();

    ngx_http_recs_status_open_as(st, "labels", NULL);

    for (i = 0; i < n; i++) {
        name.data = labels->labels[i].text;
        name.len = labels->labels[i].len;

        ngx_http_recs_status_label(rmcf, st, i, &name);
    }

    ngx_http_recs_status_label(rmcf, st, NGX_HTTP_RECS_LABEL_OTHER, &other);

    ngx_http_recs_status_close(st);
}


static void
ngx_http_recs_status_label(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st, ngx_uint_t n, const ngx_str_t *name)
{
    ngx_http_recs_counted_t  counted;

    counted = rmcf->labels->counted[n];

    ngx_http_recs_status_open(st, name, &ngx_http_recs_label_kind);
    ngx_http_recs_status_counted(st, &ngx_http_recs_label_kinds, &counted);
    ngx_http_recs_status_removed(rmcf, st, n);
    ngx_http_recs_status_close(st);
}


/* Counters of responses are members of the object that is open. */

static void
ngx_http_recs_status_counted(ngx_http_recs_status_t *st,
    const ngx_http_recs_status_kinds_t *kinds,
    const ngx_http_recs_counted_t *counted)
{
    const ngx_http_recs_status_kind_t  *kind;

    kind = st->object->kind;
    st->object->kind = &kinds->responses;

    ngx_http_recs_status_counters(st, ngx_http_recs_state_counters,
                                  &counted->states);
    ngx_http_recs_status_counters(st, ngx_http_recs_response_counters,
                                  &counted->responses);

    st->object->kind = kind;

    ngx_http_recs_status_open_as(st, "items", &kinds->items);
    ngx_http_recs_status_counters(st, ngx_http_recs_item_counters,
                                  &counted->items);
    ngx_http_recs_status_close(st);

    ngx_http_recs_status_open_as(st, "times", &kinds->times);
    ngx_http_recs_status_times(st, &ngx_http_recs_lookup_times,
                               &counted->lookup);
    ngx_http_recs_status_times(st, &ngx_http_recs_added_times,
                               &counted->added);
    ngx_http_recs_status_close(st);
}


/* Items that each set removed from the label's responses. */

static void
ngx_http_recs_status_removed(ngx_http_recs_main_conf_t *rmcf,
    ngx_http_recs_status_t *st, ngx_uint_t n)
{
    ngx_uint_t             i;
    ngx_http_recs_set_t  **rs;

    ngx_http_recs_status_open_as(st, "removed", NULL);

    rs = rmcf->sets.elts;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        ngx_http_recs_status_labelled(st, &ngx_http_recs_label_removed,
                                      &rs[i]->named.name,
                                      rs[i]->set.removed_by[n]);
    }

    ngx_http_recs_status_close(st);
}
