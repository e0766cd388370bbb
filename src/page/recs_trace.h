
/*
 * The trace that a request is part of, as the header traceparent says it: W3C
 * Trace Context, section 3.2 (https://www.w3.org/TR/trace-context/).
 */


#ifndef RECS_TRACE_H
#define RECS_TRACE_H


#include "recs_base.h"


#define RECS_TRACE_ID_LEN   32          /* hexadecimal digits */
#define RECS_TRACE_SPAN_LEN  16


/* Both point into the text that was read. */

typedef struct {
    recs_str_t  id;         /* of the trace */
    recs_str_t  parent;     /* of the span that sent the request */
} recs_trace_t;


/*
 * Reads a header's value.  Returns 1; or 0 if it is not well-formed, and then
 * it is to be taken for none (section 3.2.2.3): digits are in lower case, no id
 * is zero, and version 00 ends with the flags.  A later version may have more
 * behind them.
 */

int recs_trace_parse(const recs_str_t *text, recs_trace_t *trace);


#endif /* RECS_TRACE_H */
