
/* What a set says about ids, from a file, a list or a reply: see the header. */


#include "ngx_recs_set.h"
#include "ngx_recs_file.h"
#include "ngx_recs_mem.h"
#include "ngx_recs_quiet.h"
#include "recs_text.h"

#include <math.h>


static void ngx_recs_set_odd(const recs_str_t *id, ngx_uint_t line,
    ngx_recs_odd_t *odds);


const ngx_str_t  ngx_recs_whys[] = {
    ngx_null_string,
    ngx_string("timeout"),
    ngx_string("error"),
    ngx_string("down"),
    ngx_string("absent"),
    ngx_string("distrusted"),
    ngx_string("shrunk")
};


const ngx_recs_counter_t  ngx_recs_set_counters[] = {
    ngx_recs_counter("questions", ngx_recs_set_counters_t, questions,
                     "Responses for which the set was asked."),
    ngx_recs_counter_array("unknown_why", "unknown", "why",
                           ngx_recs_set_counters_t,
                           unknown[NGX_RECS_WHY_TIMEOUT],
                           &ngx_recs_whys[NGX_RECS_WHY_TIMEOUT],
                           NGX_RECS_NWHYS - NGX_RECS_WHY_TIMEOUT, "unknown",
                           "Questions to which the set gave no answer, by the "
                           "reason."),
    ngx_recs_counter("skipped", ngx_recs_set_counters_t, skipped,
                     "Responses for which it was not asked, as its key was "
                     "incomplete."),
    ngx_recs_counter("removed", ngx_recs_set_counters_t, removed,
                     "Items that went because of the set."),
    ngx_recs_counter_end
};


const ngx_recs_counter_t  ngx_recs_set_prefetch_counters[] = {
    ngx_recs_counter("prefetches", ngx_recs_set_counters_t, prefetches,
                     "Times that the whole set was asked for before the page "
                     "was there."),
    ngx_recs_counter("prefetch_used", ngx_recs_set_counters_t, prefetch_used,
                     "Pages that were judged by a prefetched set."),
    ngx_recs_counter("prefetch_over", ngx_recs_set_counters_t, prefetch_over,
                     "Prefetched sets that had too many members."),
    ngx_recs_counter("prefetch_late", ngx_recs_set_counters_t, prefetch_late,
                     "Pages that waited for a prefetched set."),
    ngx_recs_counter_end
};


const ngx_str_t  ngx_recs_odds[] = {
    ngx_string("a blank before or after an id is part of it"),
    ngx_string("a CR without LF ends no line, and is part of an id"),
    ngx_string("a control character is part of an id"),
    ngx_string("quotes around an id are part of it"),
    ngx_string("an id is not UTF-8")
};


ngx_int_t
ngx_recs_set_load(ngx_recs_set_t *set, ngx_str_t *path, uint64_t seed,
    ngx_pool_t *pool, ngx_recs_odd_t *odds, const char **error)
{
    ngx_str_t   content, rest, line;
    ngx_uint_t  n;
    recs_mem_t  mem;
    recs_str_t  id;

    ngx_memzero(odds, NGX_RECS_NODDS * sizeof(ngx_recs_odd_t));

    if (ngx_recs_file_read_lines(path, pool, &content, NULL, error) != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = 0;
    rest = content;

    while (ngx_recs_file_line(&rest, &line)) {
        n++;
    }

    ngx_recs_mem(&mem, pool);

    if (recs_idset_init(&set->file, &mem, n, seed) != RECS_OK) {
        *error = "does not fit into memory";
        return NGX_ERROR;
    }

    n = 0;
    rest = content;

    while (ngx_recs_file_line(&rest, &line)) {
        n++;

        if (line.len) {
            id = ngx_recs_span(&line);
            ngx_recs_set_odd(&id, n, odds);
            (void) recs_idset_add(&set->file, &id);
        }
    }

    return NGX_OK;
}


/* Notes what is odd about the id, which is not empty, of that line. */

static void
ngx_recs_set_odd(const recs_str_t *id, ngx_uint_t line, ngx_recs_odd_t *odds)
{
    u_char      first, last;
    ngx_uint_t  i, has[NGX_RECS_NODDS];

    first = id->data[0];
    last = id->data[id->len - 1];

    has[NGX_RECS_ODD_BLANK] = first == ' ' || first == '\t'
                              || last == ' ' || last == '\t';
    has[NGX_RECS_ODD_CR] = memchr(id->data, CR, id->len) != NULL;
    has[NGX_RECS_ODD_CONTROL] = !has[NGX_RECS_ODD_BLANK]
                                && !has[NGX_RECS_ODD_CR]
                                && recs_text_has_control(id);
    has[NGX_RECS_ODD_QUOTES] = id->len > 1 && first == last
                               && (first == '"' || first == '\'');
    has[NGX_RECS_ODD_BYTES] = !recs_text_is_utf8(id);

    for (i = 0; i < NGX_RECS_NODDS; i++) {

        if (has[i] && odds[i].n++ == 0) {
            odds[i].first = line;
        }
    }
}


void
ngx_recs_set_lookup(const recs_idset_t *ids, const recs_str_t *asked,
    ngx_uint_t n, u_char *answers)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        answers[i] = recs_idset_has(ids, &asked[i]) ? RECS_IN : RECS_OUT;
    }
}


ngx_uint_t
ngx_recs_list_next(ngx_str_t *rest, ngx_str_t *item)
{
    u_char  *p, *end;

    if (rest->len == 0) {
        return 0;
    }

    p = rest->data;
    end = ngx_strlchr(p, p + rest->len, ',');

    if (end) {
        rest->data = end + 1;
        rest->len -= end + 1 - p;

    } else {
        end = p + rest->len;
        rest->data = end;
        rest->len = 0;
    }

    while (p < end && *p == ' ') {
        p++;
    }

    while (p < end && end[-1] == ' ') {
        end--;
    }

    item->data = p;
    item->len = end - p;

    return 1;
}


ngx_int_t
ngx_recs_set_parse(recs_idset_t *ids, const ngx_str_t *list, uint64_t seed,
    ngx_pool_t *pool)
{
    ngx_str_t    rest, item;
    ngx_uint_t   n;
    recs_mem_t   mem;
    recs_str_t   id;

    n = 0;
    rest = *list;

    while (ngx_recs_list_next(&rest, &item)) {
        n++;
    }

    ngx_recs_mem(&mem, pool);

    if (recs_idset_init(ids, &mem, n, seed) != RECS_OK) {
        return NGX_ERROR;
    }

    rest = *list;

    while (ngx_recs_list_next(&rest, &item)) {

        if (item.len) {
            id = ngx_recs_span(&item);
            (void) recs_idset_add(ids, &id);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_recs_set_number(const ngx_str_t *text, double *n)
{
    char  buf[64], *end;

    if (text->len == 0 || text->len >= sizeof(buf)) {
        return NGX_DECLINED;
    }

    ngx_memcpy(buf, text->data, text->len);
    buf[text->len] = '\0';

    /* strtod() would pass over white space, too, and read "0x10" and "nan" */

    if (strspn(buf, "0123456789.+-eE") != text->len
        && ngx_strcmp(buf, "inf") != 0 && ngx_strcmp(buf, "-inf") != 0)
    {
        return NGX_DECLINED;
    }

    *n = strtod(buf, &end);

    return end == buf + text->len ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_recs_set_answer(const ngx_recs_set_t *set,
    const ngx_recs_redis_value_t *v, u_char *answer)
{
    double  n;

    if (set->type == NGX_RECS_SET_PLAIN) {

        if (v->type != NGX_RECS_REDIS_INTEGER) {
            return NGX_ERROR;
        }

        *answer = v->integer ? RECS_IN : RECS_OUT;

        return NGX_OK;
    }

    if (v->type == NGX_RECS_REDIS_NIL) {
        *answer = RECS_OUT;
        return NGX_OK;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    n = 0;

    if (set->scores && ngx_recs_set_number(&v->str, &n) != NGX_OK) {
        n = NAN;
    }

    *answer = ngx_recs_set_counts(set, n) ? RECS_IN : RECS_OUT;

    return NGX_OK;
}


ngx_uint_t
ngx_recs_set_counts(const ngx_recs_set_t *set, double n)
{
    if (set->within) {
        return n > ngx_recs_set_oldest(set);
    }

    return set->has_min ? n >= set->min : 1;
}


/*
 * Exact also for seconds: the quotient is the double that is nearest to it, as
 * is what strtod() makes of a score that was written with milliseconds.
 */

double
ngx_recs_set_oldest(const ngx_recs_set_t *set)
{
    double       ms;
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    ms = (double) ((int64_t) tp->sec * 1000 + tp->msec - set->within);

    return set->unit_ms ? ms : ms / 1000;
}


void
ngx_recs_set_well(ngx_recs_set_t *set, ngx_log_t *log)
{
    if (ngx_recs_quiet_well(&set->failed)) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "recs_set \"%V\": redis \"%V\" answers again",
                      &set->name, &set->redis->name);
    }
}


void
ngx_recs_set_ill(ngx_recs_set_t *set, const ngx_str_t *why, ngx_log_t *log)
{
    if (ngx_recs_quiet_ill(&set->failed)) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "recs_set \"%V\": redis \"%V\" gave no answer for key "
                      "\"%V\": %V", &set->name, &set->redis->name, &set->key,
                      why);
    }
}
