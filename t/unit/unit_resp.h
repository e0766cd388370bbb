
/*
 * Replies of Redis as they came, RESP2 in bytes, given value by value as the
 * module's own reader does.  For unit tests and fuzz targets.
 */


#ifndef RECS_UNIT_RESP_H
#define RECS_UNIT_RESP_H


#include <stdlib.h>
#include <string.h>

#include "recs_redis_shards.h"


#define UNIT_RESP_DEPTH  7      /* hiredis' own */


/* A reader's value(): 0; -1: refused. */

typedef int (*unit_resp_value_pt)(void *to, const recs_redis_value_t *v);


typedef struct {
    const char          *p;     /* what comes next */
    const char          *end;
    unit_resp_value_pt   value;
    void                *to;
    int                  refused;
} unit_resp_t;


/* The number after a type, up to its CR LF; -2: there is none. */

static inline int64_t
unit_resp_number(unit_resp_t *r)
{
    int       minus;
    int64_t   n;

    n = 0;
    minus = r->p < r->end && *r->p == '-';
    r->p += minus;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        if (n > INT64_MAX / 100) {
            return -2;
        }

        n = n * 10 + (*r->p++ - '0');
    }

    if (r->end - r->p < 2 || r->p[0] != '\r' || r->p[1] != '\n') {
        return -2;
    }

    r->p += 2;

    return minus ? -n : n;
}


/* One value and what is in it: 0, or -1 if it was refused, or is no reply. */

static inline int
unit_resp_value(unit_resp_t *r, unsigned depth, unsigned index)
{
    char                type;
    char               *copy;
    int64_t             i, n;
    recs_redis_value_t  v;

    if (r->p == r->end || depth > UNIT_RESP_DEPTH) {
        return -1;
    }

    type = *r->p++;
    n = unit_resp_number(r);
    copy = NULL;

    memset(&v, 0, sizeof(v));
    v.depth = depth;
    v.index = index;
    v.integer = n;

    if (type == ':') {
        v.type = RECS_REDIS_INTEGER;

    } else if (n == -1) {
        v.type = RECS_REDIS_NIL;

    } else if (n < 0) {
        return -1;

    } else if (type == '*') {
        v.type = RECS_REDIS_ARRAY;

    } else if (type == '$') {

        if (r->end - r->p < 2 || n > r->end - r->p - 2) {
            return -1;
        }

        /* an allocation of its size: a sanitizer sees a step past its end */

        copy = malloc((size_t) n);
        memcpy(copy, r->p, (size_t) n);

        v.type = RECS_REDIS_STRING;
        v.data = copy;
        v.len = (size_t) n;

        r->p += n + 2;

    } else {
        return -1;
    }

    r->refused = r->value(r->to, &v) != 0;
    free(copy);

    if (r->refused) {
        return -1;
    }

    for (i = 0; v.type == RECS_REDIS_ARRAY && i < n; i++) {
        if (unit_resp_value(r, depth + 1, (unsigned) i) != 0) {
            return -1;
        }
    }

    return 0;
}


static inline void
unit_resp_init(unit_resp_t *r, const void *data, size_t len,
    unit_resp_value_pt value, void *to)
{
    r->p = data;
    r->end = r->p + len;
    r->value = value;
    r->to = to;
    r->refused = 0;
}


static inline int
unit_resp_shards_value(void *to, const recs_redis_value_t *v)
{
    return recs_redis_shards_value(to, v);
}


/* 1: the reader took it and its end; 0: it refused; -1: it is no reply. */

static inline int
unit_resp_read(const void *data, size_t len, recs_redis_shards_t *to)
{
    unit_resp_t  r;

    unit_resp_init(&r, data, len, unit_resp_shards_value, to);

    if (unit_resp_value(&r, 0, 0) != 0) {
        return r.refused ? 0 : -1;
    }

    return recs_redis_shards_end(to) == 0;
}


#endif /* RECS_UNIT_RESP_H */
