
/* What traceparent says: see the header. */


#include "recs_trace.h"


/* "00-", an id, "-", the parent's, "-", two digits of flags */

#define RECS_TRACE_ID_AT      3
#define RECS_TRACE_PARENT_AT  (RECS_TRACE_ID_AT + RECS_TRACE_ID_LEN + 1)
#define RECS_TRACE_FLAGS_AT   (RECS_TRACE_PARENT_AT + RECS_TRACE_SPAN_LEN + 1)
#define RECS_TRACE_LEN        (RECS_TRACE_FLAGS_AT + 2)


static int recs_trace_hex(const uint8_t *p, size_t len);
static int recs_trace_id(const uint8_t *p, size_t len);


int
recs_trace_parse(const recs_str_t *text, recs_trace_t *trace)
{
    const uint8_t  *p;

    p = text->data;

    if (text->len < RECS_TRACE_LEN
        || !recs_trace_hex(p, 2)
        || p[RECS_TRACE_ID_AT - 1] != '-'
        || !recs_trace_id(p + RECS_TRACE_ID_AT, RECS_TRACE_ID_LEN)
        || p[RECS_TRACE_PARENT_AT - 1] != '-'
        || !recs_trace_id(p + RECS_TRACE_PARENT_AT, RECS_TRACE_SPAN_LEN)
        || p[RECS_TRACE_FLAGS_AT - 1] != '-'
        || !recs_trace_hex(p + RECS_TRACE_FLAGS_AT, 2))
    {
        return 0;
    }

    if (p[0] == 'f' && p[1] == 'f') {
        return 0;
    }

    if (text->len > RECS_TRACE_LEN
        && ((p[0] == '0' && p[1] == '0') || p[RECS_TRACE_LEN] != '-'))
    {
        return 0;
    }

    trace->id.data = p + RECS_TRACE_ID_AT;
    trace->id.len = RECS_TRACE_ID_LEN;
    trace->parent.data = p + RECS_TRACE_PARENT_AT;
    trace->parent.len = RECS_TRACE_SPAN_LEN;

    return 1;
}


static int
recs_trace_hex(const uint8_t *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if ((p[i] < '0' || p[i] > '9') && (p[i] < 'a' || p[i] > 'f')) {
            return 0;
        }
    }

    return 1;
}


/* Digits, of which one at least is not zero. */

static int
recs_trace_id(const uint8_t *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len && p[i] == '0'; i++) { /* void */ }

    return i < len && recs_trace_hex(p, len);
}
