
/*
 * Counters as tables: what a writer of a format (JSON, say) has to know of each
 * counter of a structure.  A table stands beside its structure, in the order in
 * which the counters are shown, and an entry without a name ends it.
 */


#ifndef NGX_RECS_COUNTER_H
#define NGX_RECS_COUNTER_H


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    const char               *name;
    size_t                    offset;       /* of its ngx_atomic_t, or of the
                                               first of an array, bytes */
    const char               *help;         /* a sentence in plain words */
    const ngx_str_t          *labels;       /* an array's: one an element;
                                               NULL: it is no array */
    ngx_uint_t                n;            /* elements */
    const char               *sum;          /* what the sum of an array is
                                               called; NULL: nobody asks */
} ngx_recs_counter_t;


#define ngx_recs_counter(name, type, member, help)                            \
    { name, offsetof(type, member), help, NULL, 0, NULL }

#define ngx_recs_counter_array(name, type, member, labels, n, sum, help)      \
    { name, offsetof(type, member), help, labels, n, sum }

#define ngx_recs_counter_end  { NULL, 0, NULL, NULL, 0, NULL }


/* The value of element i of a counter in that structure; 0: of a single one. */

static ngx_inline ngx_atomic_uint_t
ngx_recs_counter_get(const ngx_recs_counter_t *counter, const void *counters,
    ngx_uint_t i)
{
    const ngx_atomic_t  *values;

    values = (const ngx_atomic_t *) ((const u_char *) counters
                                     + counter->offset);

    return values[i];
}


#endif /* NGX_RECS_COUNTER_H */
