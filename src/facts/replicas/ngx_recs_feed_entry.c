
/* An entry of a set's feed, read from Redis' reply. */


#include "ngx_recs_feed_entry.h"


#define NGX_RECS_FEED_ENTRY_POOL  1024


static void ngx_recs_feed_entry_destroy_pool(void *data);
static ngx_int_t ngx_recs_number_read(const u_char *p, const u_char *end,
    uint64_t *n);


static const ngx_str_t  ngx_recs_feed_entry_names[] = {
    ngx_string("op"),
    ngx_string("seq"),
    ngx_string("ids"),
    ngx_string("scores")
};


ngx_int_t
ngx_recs_feed_entry_init(ngx_recs_feed_entry_t *e, ngx_cycle_t *cycle)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    e->pool = ngx_create_pool(NGX_RECS_FEED_ENTRY_POOL, cycle->log);
    if (e->pool == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_recs_feed_entry_destroy_pool;
    cln->data = e->pool;

    return NGX_OK;
}


static void
ngx_recs_feed_entry_destroy_pool(void *data)
{
    ngx_destroy_pool(data);
}


void
ngx_recs_feed_entry_begin(ngx_recs_feed_entry_t *e)
{
    e->begun = 1;
    e->valid = 1;
    e->id.ms = 0;
    e->id.n = 0;
    e->field = NGX_RECS_FEED_ENTRY_FIELDS;

    ngx_memzero(e->fields, sizeof(e->fields));
    ngx_reset_pool(e->pool);
}


ngx_int_t
ngx_recs_feed_entry_value(ngx_recs_feed_entry_t *e, ngx_uint_t depth,
    const ngx_recs_redis_value_t *v)
{
    ngx_str_t   *text;
    ngx_uint_t   i;

    if (depth == 0) {
        return v->type == NGX_RECS_REDIS_ARRAY && v->integer == 2 ? NGX_OK
                                                                  : NGX_ERROR;
    }

    if (depth == 1 && v->index == 1) {
        return v->type == NGX_RECS_REDIS_ARRAY ? NGX_OK : NGX_ERROR;
    }

    if (v->type != NGX_RECS_REDIS_STRING) {
        return NGX_ERROR;
    }

    if (depth == 1) {
        return ngx_recs_feed_id_read(&v->str, &e->id) == NGX_OK ? NGX_OK
                                                                : NGX_ERROR;
    }

    if (v->index % 2 == 0) {

        for (i = 0; i < NGX_RECS_FEED_ENTRY_FIELDS; i++) {
            if (v->str.len == ngx_recs_feed_entry_names[i].len
                && ngx_memcmp(v->str.data, ngx_recs_feed_entry_names[i].data,
                              v->str.len)
                   == 0)
            {
                break;
            }
        }

        e->field = i;

        return NGX_OK;
    }

    if (e->field == NGX_RECS_FEED_ENTRY_FIELDS) {
        return NGX_OK;
    }

    if (v->str.len > NGX_RECS_FEED_ENTRY_MAX) {
        e->valid = 0;
        return NGX_OK;
    }

    text = &e->fields[e->field];

    text->data = ngx_pnalloc(e->pool, v->str.len + 1);
    if (text->data == NULL) {
        e->valid = 0;
        return NGX_OK;
    }

    text->len = v->str.len;
    ngx_memcpy(text->data, v->str.data, v->str.len);

    return NGX_OK;
}


ngx_int_t
ngx_recs_feed_entry_end(ngx_recs_feed_entry_t *e)
{
    ngx_str_t  *op, *seq;

    e->begun = 0;

    op = &e->fields[NGX_RECS_FEED_ENTRY_OP];
    seq = &e->fields[NGX_RECS_FEED_ENTRY_SEQ];

    if (!e->valid || op->len != 3
        || ngx_recs_number_read(seq->data, seq->data + seq->len, &e->seq)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    e->add = (ngx_strncmp(op->data, "add", 3) == 0);

    return e->add || ngx_strncmp(op->data, "rem", 3) == 0 ? NGX_OK
                                                          : NGX_DECLINED;
}


static ngx_int_t
ngx_recs_feed_entry_array(const ngx_str_t *text, recs_reader_t *rd,
    recs_value_t *array)
{
    recs_read_init(rd, RECS_JSON, text->data, text->len);

    return recs_read_open(rd, array) == 0 && array->type == RECS_ARRAY
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_recs_feed_entry_ids(ngx_recs_feed_entry_t *e, ngx_uint_t scores,
    ngx_recs_feed_entry_ids_t *ids)
{
    ids->pool = e->pool;
    ids->scored = scores && e->add;

    if (ngx_recs_feed_entry_array(&e->fields[NGX_RECS_FEED_ENTRY_IDS],
                                  &ids->ids, &ids->ids_array)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ids->scored
           ? ngx_recs_feed_entry_array(&e->fields[NGX_RECS_FEED_ENTRY_SCORES],
                                       &ids->scores, &ids->scores_array)
           : NGX_OK;
}


/* 1: there is another element; 0: none; else the array is malformed. */

static ngx_int_t
ngx_recs_feed_entry_element(recs_reader_t *rd, recs_value_t *array,
    recs_value_t *v)
{
    int  rc;

    rc = recs_read_element(rd, array);

    if (rc == 0) {
        return recs_read_finish(rd);
    }

    return rc > 0 && recs_read_open(rd, v) == 0 ? 1 : NGX_DECLINED;
}


ngx_int_t
ngx_recs_feed_entry_next(ngx_recs_feed_entry_ids_t *ids, recs_str_t *id,
    double *score)
{
    ngx_int_t     rc;
    ngx_str_t     text;
    recs_mem_t    mem;
    recs_value_t  v, n;

    *score = 0;

    rc = ngx_recs_feed_entry_element(&ids->ids, &ids->ids_array, &v);

    if (ids->scored
        && ngx_recs_feed_entry_element(&ids->scores, &ids->scores_array, &n)
           != rc)
    {
        return NGX_DECLINED;
    }

    if (rc != 1) {
        return rc == 0 ? NGX_DONE : NGX_DECLINED;
    }

    if (ids->scored) {
        text.data = (u_char *) n.span.data;
        text.len = n.span.len;

        if ((n.type != RECS_INTEGER && n.type != RECS_NUMBER)
            || ngx_recs_set_number(&text, score) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    ngx_recs_mem(&mem, ids->pool);

    if (recs_value_id(&mem, &v, id) != RECS_OK) {
        return NGX_ERROR;
    }

    return id->data ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_recs_number_read(const u_char *p, const u_char *end, uint64_t *n)
{
    *n = 0;

    if (p == end) {
        return NGX_DECLINED;
    }

    for ( /* void */ ; p < end; p++) {

        if (*p < '0' || *p > '9' || *n > (UINT64_MAX - (*p - '0')) / 10) {
            return NGX_DECLINED;
        }

        *n = *n * 10 + (*p - '0');
    }

    return NGX_OK;
}


ngx_int_t
ngx_recs_feed_id_read(const ngx_str_t *text, ngx_recs_feed_id_t *id)
{
    u_char  *dash, *end;

    end = text->data + text->len;
    dash = ngx_strlchr(text->data, end, '-');

    return dash
           && ngx_recs_number_read(text->data, dash, &id->ms) == NGX_OK
           && ngx_recs_number_read(dash + 1, end, &id->n) == NGX_OK
           ? NGX_OK : NGX_DECLINED;
}


void
ngx_recs_feed_id_write(const ngx_recs_feed_id_t *id, u_char *buf,
    ngx_str_t *text)
{
    text->data = buf;
    text->len = ngx_sprintf(buf, "%uL-%uL", id->ms, id->n) - buf;
}


ngx_int_t
ngx_recs_feed_id_cmp(const ngx_recs_feed_id_t *a, const ngx_recs_feed_id_t *b)
{
    if (a->ms != b->ms) {
        return a->ms < b->ms ? -1 : 1;
    }

    return a->n == b->n ? 0 : a->n < b->n ? -1 : 1;
}
