
/*
 * The latest state of something in shared memory: one writer at a time, any
 * number of readers that take no lock.  A ring of copies and a generation: the
 * copy of generation g is copies[g % n], 0 says that there is none yet.
 *
 * The writer fills in the copy of the next generation, which no reader looks
 * at, and publishes it by raising the generation.  Killed at any instant it
 * leaves the generation and its copy as they were.
 *
 * A reader takes the generation, copies what it needs, and asks whether that
 * stood meanwhile; if it did not, it begins again.  Until it knows, what it
 * copied may be torn: lengths are checked before they are used.
 */


#ifndef NGX_RECS_LATEST_H
#define NGX_RECS_LATEST_H


#include <ngx_config.h>
#include <ngx_core.h>


/* The reader: the generation now. */

static inline ngx_atomic_uint_t
ngx_recs_latest(ngx_atomic_t *generation)
{
    ngx_atomic_uint_t  now;

    now = *generation;
    ngx_memory_barrier();

    return now;
}


/*
 * Did the copy of generation g stand until now, in a ring of n?  The writer may
 * be at work on that of the next one already.
 */

static inline ngx_uint_t
ngx_recs_latest_stood(ngx_atomic_t *generation, ngx_atomic_uint_t g,
    ngx_uint_t n)
{
    ngx_memory_barrier();

    return *generation - g + 1 < n;
}


/* The writer: the copy of the next generation is complete. */

static inline void
ngx_recs_latest_publish(ngx_atomic_t *generation)
{
    ngx_memory_barrier();
    *generation += 1;
}


#endif /* NGX_RECS_LATEST_H */
