
/*
 * What hiredis's reader calls for each value that it has read: its functions
 * that should make objects make none, and hand the value on.  A NULL from them
 * stops the reader for good, which is how a connection is given up in
 * mid-reply.
 */


#include "ngx_recs_redis_values.h"


#define NGX_RECS_REDIS_MAX_ELEMENTS  1000000
#define NGX_RECS_REDIS_MAX_DEPTH     7


static void *ngx_recs_redis_create_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_recs_redis_create_array(const redisReadTask *task,
    NGX_RECS_HIREDIS_ARRAY_T elements);
static void *ngx_recs_redis_create_integer(const redisReadTask *task,
    long long value);
static void *ngx_recs_redis_create_nil(const redisReadTask *task);
static void ngx_recs_redis_free_object(void *object);
#if (NGX_RECS_RESP3)
static ngx_uint_t ngx_recs_redis_aggregate(ngx_recs_redis_reader_t *r,
    const redisReadTask *task);
static void *ngx_recs_redis_create_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_recs_redis_create_bool(const redisReadTask *task, int value);
#endif

static void *ngx_recs_redis_value(const redisReadTask *task,
    ngx_recs_redis_value_t *v);
static void *ngx_recs_redis_error(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_recs_redis_alien(ngx_recs_redis_reader_t *r);
static ngx_uint_t ngx_recs_redis_depth(const redisReadTask *task);


redisReplyObjectFunctions  ngx_recs_redis_functions = {
    .createString = ngx_recs_redis_create_string,
    .createArray = ngx_recs_redis_create_array,
    .createInteger = ngx_recs_redis_create_integer,
    .createNil = ngx_recs_redis_create_nil,
#if (NGX_RECS_RESP3)
    .createDouble = ngx_recs_redis_create_double,
    .createBool = ngx_recs_redis_create_bool,
#endif
    .freeObject = ngx_recs_redis_free_object
};


static void *
ngx_recs_redis_create_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_str_t               text;
    ngx_recs_redis_value_t  v;
    u_char                  data[NGX_RECS_REDIS_TEXT];

    switch (task->type) {

    case REDIS_REPLY_STRING:
        break;

    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:

        /* one that came in smaller pieces would have been refused early */

        if (len >= NGX_RECS_REDIS_MAX_LINE) {
            ngx_recs_redis_long_line(task->privdata);
            return NULL;
        }

        if (task->type == REDIS_REPLY_ERROR) {
            return ngx_recs_redis_error(task, str, len);
        }

        break;

#if (NGX_RECS_RESP3)

    case REDIS_REPLY_VERB:

        if (!((ngx_recs_redis_reader_t *) task->privdata)->resp3) {
            return ngx_recs_redis_alien(task->privdata);
        }

        /* the reader has checked that it is there */

        str += NGX_RECS_REDIS_FORMAT;
        len -= NGX_RECS_REDIS_FORMAT;
        break;

#endif

    default:
        return ngx_recs_redis_alien(task->privdata);
    }

    text.data = data;

    if (ngx_recs_redis_too_large(task->privdata, len, &text)) {
        return ngx_recs_redis_error(task, (char *) data, text.len);
    }

    v.type = NGX_RECS_REDIS_STRING;
    v.integer = 0;
    v.str.len = len;
    v.str.data = (u_char *) str;

    return ngx_recs_redis_value(task, &v);
}


static void *
ngx_recs_redis_create_array(const redisReadTask *task,
    NGX_RECS_HIREDIS_ARRAY_T elements)
{
    ngx_recs_redis_value_t    v;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    if (task->type != REDIS_REPLY_ARRAY
#if (NGX_RECS_RESP3)
        && !ngx_recs_redis_aggregate(r, task)
#endif
       )
    {
        return ngx_recs_redis_alien(r);
    }

    if (elements > NGX_RECS_REDIS_MAX_ELEMENTS) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply with more than %d elements",
                             NGX_RECS_REDIS_MAX_ELEMENTS);
        return NULL;
    }

    if (ngx_recs_redis_depth(task) >= NGX_RECS_REDIS_MAX_DEPTH) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply nested deeper than %d",
                             NGX_RECS_REDIS_MAX_DEPTH);
        return NULL;
    }

    v.type = NGX_RECS_REDIS_ARRAY;
    v.integer = elements;
    v.resp3 = r->resp3;
    ngx_str_null(&v.str);

    return ngx_recs_redis_value(task, &v);
}


#if (NGX_RECS_RESP3)

/*
 * May it be read as if it were an array?  A map is the reply to HELLO of who
 * speaks RESP3 from then on; who stays with RESP2 has none to answer with.
 */

static ngx_uint_t
ngx_recs_redis_aggregate(ngx_recs_redis_reader_t *r, const redisReadTask *task)
{
    switch (task->type) {

    case REDIS_REPLY_MAP:

        if (task->parent == NULL
            && ngx_recs_redis_pipeline_due(r->pipeline)
            && r->pipeline->head->kind == NGX_RECS_REDIS_HELLO)
        {
            r->resp3 = 1;
        }

        return r->resp3;

    case REDIS_REPLY_SET:
        return r->resp3;

    case REDIS_REPLY_PUSH:

        if (task->parent) {
            return 0;
        }

        r->push = r->resp3;
        return r->resp3;

    default:
        return 0;
    }
}

#endif


static void *
ngx_recs_redis_create_integer(const redisReadTask *task, long long value)
{
    ngx_recs_redis_value_t  v;

    v.type = NGX_RECS_REDIS_INTEGER;
    v.integer = value;
    ngx_str_null(&v.str);

    return ngx_recs_redis_value(task, &v);
}


static void *
ngx_recs_redis_create_nil(const redisReadTask *task)
{
    ngx_recs_redis_value_t    v;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    /* "$-1" or "*-1"; RESP3 has a type of its own for it */

    if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_ARRAY
        && (task->type != REDIS_REPLY_NIL || !r->resp3))
    {
        return ngx_recs_redis_alien(r);
    }

    v.type = NGX_RECS_REDIS_NIL;
    v.integer = 0;
    ngx_str_null(&v.str);

    return ngx_recs_redis_value(task, &v);
}


#if (NGX_RECS_RESP3)

/* As text, as RESP2 has it. */

static void *
ngx_recs_redis_create_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    ngx_recs_redis_value_t    v;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    if (!r->resp3) {
        return ngx_recs_redis_alien(r);
    }

    v.type = NGX_RECS_REDIS_STRING;
    v.integer = 0;
    v.str.len = len;
    v.str.data = (u_char *) str;

    return ngx_recs_redis_value(task, &v);
}


/* Left out, the reader would step over such a value without a word. */

static void *
ngx_recs_redis_create_bool(const redisReadTask *task, int value)
{
    return ngx_recs_redis_alien(task->privdata);
}

#endif


static void
ngx_recs_redis_free_object(void *object)
{
    /* none was made */
}


/* Any of the above gives the reader something that isn't NULL, or stops it. */

static void *
ngx_recs_redis_value(const redisReadTask *task, ngx_recs_redis_value_t *v)
{
    ngx_recs_redis_query_t   *q;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    if (!ngx_recs_redis_awaited(r)) {
        ngx_recs_redis_unasked(r);
        return NULL;
    }

    v->depth = ngx_recs_redis_depth(task);
    v->index = v->depth ? task->idx : 0;

    if (!ngx_recs_redis_of_query(r)) {
        return r->value(r->data, v) == NGX_OK ? r : NULL;
    }

    q = r->pipeline->head->query;

    if (q == NULL) {
        return r;
    }

    if (q->value(q, v) != NGX_OK) {
        ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                             "a reply that does not fit its command");
        return NULL;
    }

    return r;
}


/* Keeps the first error of a reply, for its end. */

static void *
ngx_recs_redis_error(const redisReadTask *task, char *str, size_t len)
{
    size_t                    i;
    ngx_recs_redis_reader_t  *r;

    r = task->privdata;

    if (!ngx_recs_redis_awaited(r)) {
        ngx_recs_redis_unasked(r);
        return NULL;
    }

    if (r->error.len) {
        return r;
    }

    if (len == 0) {
        str = "ERR";
        len = 3;
    }

    r->error_depth = ngx_recs_redis_depth(task);
    r->error.len = ngx_min(len, NGX_RECS_REDIS_TEXT - 1);

    /* it may go into a log */

    for (i = 0; i < r->error.len; i++) {
        r->error.data[i] = ((u_char) str[i] < ' ') ? '.' : str[i];
    }

    if (!ngx_recs_redis_of_query(r) && r->failed(r->data) != NGX_OK) {
        return NULL;
    }

    return r;
}


static void *
ngx_recs_redis_alien(ngx_recs_redis_reader_t *r)
{
    ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         r->resp3
                         ? "a reply with a type that no command here has"
                         : "a reply with a type that RESP2 does not have");
    return NULL;
}


void
ngx_recs_redis_unasked(ngx_recs_redis_reader_t *r)
{
    ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a reply to nothing that was asked");
}


void
ngx_recs_redis_long_line(ngx_recs_redis_reader_t *r)
{
    ngx_recs_redis_fault(r->fault, NGX_RECS_REDIS_PROTOCOL, 0,
                         "a reply with a line of more than %d bytes",
                         NGX_RECS_REDIS_MAX_LINE);
}


static ngx_uint_t
ngx_recs_redis_depth(const redisReadTask *task)
{
    ngx_uint_t  depth;

    depth = 0;

    while (task->parent) {
        task = task->parent;
        depth++;
    }

    return depth;
}


ngx_uint_t
ngx_recs_redis_too_large(ngx_recs_redis_reader_t *r, size_t size,
    ngx_str_t *text)
{
    size_t                   max;
    ngx_recs_redis_slot_t   *slot;
    ngx_recs_redis_query_t  *q;

    slot = r->pipeline->head;
    q = (slot && !r->push) ? slot->query : NULL;
    max = (q && q->max_bulk) ? q->max_bulk : r->max_bulk;

    if (size <= max) {
        return 0;
    }

    if (q) {
        q->too_large = 1;
    }

    text->len = ngx_sprintf(text->data,
                            "a reply of %uz bytes is over the bound of %uz",
                            size, max)
                - text->data;
    return 1;
}
