
/*
 * A fault that may come with each request is one line in the log when it
 * begins, and one when it has ended: not before nothing was wrong for so long,
 * as Redis may fail for one key and not for another.
 *
 * last is the caller's, of this worker: unix seconds of the last time that
 * something was wrong; 0, all is well.  Each function says whether that is to
 * be logged.
 */


#ifndef NGX_RECS_QUIET_H
#define NGX_RECS_QUIET_H


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_RECS_QUIET  10      /* s */


/* Something is wrong: is that new? */

static inline ngx_uint_t
ngx_recs_quiet_ill(time_t *last)
{
    time_t  before;

    before = *last;
    *last = ngx_time();

    return before == 0;
}


/* All is well: has it been for long enough, after something was wrong? */

static inline ngx_uint_t
ngx_recs_quiet_well(time_t *last)
{
    if (*last == 0 || ngx_time() - *last < NGX_RECS_QUIET) {
        return 0;
    }

    *last = 0;

    return 1;
}


/* Something is wrong whose end nobody tells of: is it, after long enough? */

static inline ngx_uint_t
ngx_recs_quiet_again(time_t *last)
{
    time_t  before;

    before = *last;
    *last = ngx_time();

    return before == 0 || *last - before >= NGX_RECS_QUIET;
}


#endif /* NGX_RECS_QUIET_H */
