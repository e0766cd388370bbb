
/*
 * The breaker of a server: see the header.
 *
 * What failed together counts once in the row: a question counts if it was sent
 * after the failure before it was known.  Else one page with five sets, or the
 * hundred pages under way while Redis stood still for 20 ms, would be a row.
 *
 * The window is what a row can't see: failures among good answers, be they one
 * worker's or every second one.  It begins with a failure and ends after a
 * second at the earliest, so that a short standstill under load is judged
 * beside what came before and after it.  Workers count together: one whose own
 * connection is bad stops the others only if it asks as much as they do, and
 * then a probe on one of theirs closes it again.
 */


#include "ngx_recs_redis_server.h"


/* A window, ms, and how many questions it must have. */

#define NGX_RECS_REDIS_WINDOW_MIN   1000
#define NGX_RECS_REDIS_WINDOW_MAX   10000
#define NGX_RECS_REDIS_WINDOW_LEAST 20

/*
 * One that opens for late answers again so soon after it closed, ms, stays open
 * for twice as long as before, this often at most: a server that is in time
 * only while it is not asked.
 */

#define NGX_RECS_REDIS_SOON         10000
#define NGX_RECS_REDIS_AGAIN_MAX    3

#define NGX_RECS_REDIS_TICK         10      /* ms, at least */


static ngx_uint_t ngx_recs_redis_breaker_before(ngx_msec_t t,
    ngx_atomic_uint_t then);
static void ngx_recs_redis_breaker_judge(ngx_recs_redis_breaker_t *b,
    ngx_uint_t well);
static void ngx_recs_redis_breaker_opens(ngx_recs_redis_breaker_t *b,
    ngx_uint_t failed, ngx_uint_t asked);
static void ngx_recs_redis_breaker_log_open(ngx_recs_redis_breaker_t *b,
    ngx_uint_t failed, ngx_uint_t asked);
static void ngx_recs_redis_breaker_closes(ngx_recs_redis_breaker_t *b,
    ngx_msec_t elapsed);
static ngx_msec_t ngx_recs_redis_breaker_jitter(ngx_msec_t t);


void
ngx_recs_redis_breaker_failed(ngx_recs_redis_breaker_t *b, ngx_msec_t since,
    ngx_msec_t patience)
{
    ngx_uint_t                        row;
    ngx_atomic_uint_t                 last;
    ngx_recs_redis_breaker_shared_t  *shared;

    shared = b->shared;

    if (shared->open || ngx_recs_redis_breaker_before(since, shared->closed)) {
        return;
    }

    if (shared->window == 0) {
        (void) ngx_atomic_cmp_set(&shared->window, 0, ngx_current_msec | 1);
    }

    if (patience
        && (shared->patience == 0 || patience < shared->patience))
    {
        shared->patience = patience;
    }

    (void) ngx_atomic_fetch_add(&shared->failed, 1);

    /* connections that fail at once are many in one millisecond */

    last = shared->last;

    if (!ngx_recs_redis_breaker_before(patience ? since : since - 1, last)
        && ngx_atomic_cmp_set(&shared->last, last, ngx_current_msec))
    {
        row = ngx_atomic_fetch_add(&shared->row, 1) + 1;

        if (row >= b->server->redis->failures) {
            ngx_recs_redis_breaker_opens(b, row, row);
            return;
        }
    }

    ngx_recs_redis_breaker_judge(b, 0);
}


/* Was t before then?  Nothing is before 0. */

static ngx_uint_t
ngx_recs_redis_breaker_before(ngx_msec_t t, ngx_atomic_uint_t then)
{
    return then && (ngx_msec_int_t) (t - then) < 0;
}


void
ngx_recs_redis_breaker_answered(ngx_recs_redis_breaker_t *b,
    ngx_msec_t deadline)
{
    ngx_recs_redis_breaker_shared_t  *shared;

    shared = b->shared;

    if (shared->open || (deadline == 0 && shared->patience)) {
        return;
    }

    if (shared->row) {
        shared->row = 0;
    }

    (void) ngx_atomic_fetch_add(&shared->good, 1);

    ngx_recs_redis_breaker_judge(b, 1);
}


/*
 * Ends a window that is old and full enough, or too old.  Only a failure opens
 * the breaker, and another window begins with it.
 */

static void
ngx_recs_redis_breaker_judge(ngx_recs_redis_breaker_t *b, ngx_uint_t well)
{
    ngx_uint_t                        good, failed;
    ngx_msec_t                        age;
    ngx_atomic_uint_t                 window;
    ngx_recs_redis_breaker_shared_t  *shared;

    shared = b->shared;

    window = shared->window;
    age = ngx_current_msec - window;
    good = shared->good;
    failed = shared->failed;

    /* another worker may have begun it a millisecond ahead */

    if (window == 0 || (ngx_msec_int_t) age < NGX_RECS_REDIS_WINDOW_MIN) {
        return;
    }

    if (age < NGX_RECS_REDIS_WINDOW_MAX
        && (good + failed < NGX_RECS_REDIS_WINDOW_LEAST
            || (well && failed >= good)))
    {
        return;
    }

    if (!ngx_atomic_cmp_set(&shared->window, window,
                            well ? 0 : ngx_current_msec | 1))
    {
        return;
    }

    shared->good = 0;
    shared->failed = 0;

    if (!well && failed >= good && age < NGX_RECS_REDIS_WINDOW_MAX) {
        ngx_recs_redis_breaker_opens(b, failed, good + failed);
        return;
    }

    shared->patience = 0;
}


static void
ngx_recs_redis_breaker_opens(ngx_recs_redis_breaker_t *b, ngx_uint_t failed,
    ngx_uint_t asked)
{
    ngx_uint_t                        again;
    ngx_msec_t                        cooldown;
    ngx_recs_redis_breaker_shared_t  *shared;

    shared = b->shared;

    again = 0;

    if (shared->patience && shared->closed
        && ngx_current_msec - shared->closed < NGX_RECS_REDIS_SOON)
    {
        again = ngx_min(shared->again + 1, NGX_RECS_REDIS_AGAIN_MAX);
    }

    cooldown = ngx_recs_redis_breaker_jitter(b->server->redis->cooldown
                                             << again);

    /* who sees it open has to find when it may be probed */

    shared->due = ngx_current_msec + cooldown;
    shared->probe = shared->due;

    if (!ngx_atomic_cmp_set(&shared->open, 0, 1)) {
        return;
    }

    shared->again = again;
    shared->since = ngx_time();
    (void) ngx_atomic_fetch_add(&b->server->redis->counters->opened, 1);

    ngx_recs_redis_breaker_log_open(b, failed, asked);
    ngx_recs_redis_breaker_wait(b);
}


static void
ngx_recs_redis_breaker_log_open(ngx_recs_redis_breaker_t *b, ngx_uint_t failed,
    ngx_uint_t asked)
{
    u_char            *p, buf[128];
    ngx_str_t          why;
    ngx_atomic_uint_t  patience;

    patience = b->shared->patience;

    if (failed < asked) {
        p = ngx_snprintf(buf, sizeof(buf), "%ui of %ui questions failed",
                         failed, asked);

    } else {
        p = ngx_snprintf(buf, sizeof(buf), "%ui failures in a row", failed);
    }

    if (patience) {
        p = ngx_snprintf(p, buf + sizeof(buf) - p, ", no reply within %uAms",
                         patience);
    }

    why.data = buf;
    why.len = p - buf;

    ngx_log_error(NGX_LOG_ERR, b->log, 0,
                  "recs_redis \"%V\" %V: not asked any more: %V",
                  &b->server->redis->name, &b->server->name, &why);
}


void
ngx_recs_redis_breaker_probed(ngx_recs_redis_breaker_t *b, ngx_msec_t elapsed)
{
    if (ngx_recs_redis_breaker_open(b)) {
        ngx_recs_redis_breaker_closes(b, elapsed);
    }
}


/*
 * Before it may be probed it is closed by a new connection if it was the first
 * time in a while that it opened: a Redis that was restarted need not wait.
 */

void
ngx_recs_redis_breaker_greeted(ngx_recs_redis_breaker_t *b, ngx_msec_t elapsed)
{
    ngx_recs_redis_breaker_shared_t  *shared;

    shared = b->shared;

    if (!shared->open) {

        if (shared->window) {
            ngx_recs_redis_breaker_answered(b, 0);
        }

        return;
    }

    if (ngx_recs_redis_breaker_before(ngx_current_msec, shared->due)
        && (shared->again
            || (shared->closed && ngx_current_msec - shared->closed
                                  < b->server->redis->cooldown)))
    {
        return;
    }

    ngx_recs_redis_breaker_closes(b, elapsed);
}


/* Unless the PING was as late as the questions. */

static void
ngx_recs_redis_breaker_closes(ngx_recs_redis_breaker_t *b, ngx_msec_t elapsed)
{
    ngx_recs_redis_breaker_shared_t  *shared;

    shared = b->shared;

    if (elapsed > (shared->patience ? shared->patience
                                    : b->server->redis->timeout))
    {
        return;
    }

    shared->window = 0;
    shared->row = 0;
    shared->good = 0;
    shared->failed = 0;
    shared->closed = ngx_current_msec;

    if (!ngx_atomic_cmp_set(&shared->open, 1, 0)) {
        return;
    }

    shared->patience = 0;
    shared->since = ngx_time();

    ngx_log_error(NGX_LOG_NOTICE, b->log, 0,
                  "recs_redis \"%V\" %V: asked again",
                  &b->server->redis->name, &b->server->name);
}


void
ngx_recs_redis_breaker_declined(ngx_recs_redis_breaker_t *b)
{
    (void) ngx_atomic_fetch_add(&b->server->redis->counters->declined, 1);

    ngx_recs_redis_breaker_wait(b);
}


/*
 * The next time is fixed before the probe is sent, and no sooner than it has
 * failed: there is one at a time, and one that ended with its worker holds up
 * nobody.
 */

ngx_uint_t
ngx_recs_redis_breaker_due(ngx_recs_redis_breaker_t *b)
{
    ngx_msec_t                        pause;
    ngx_atomic_uint_t                 probe;
    ngx_recs_redis_breaker_shared_t  *shared;

    shared = b->shared;
    probe = shared->probe;

    if (!shared->open
        || ngx_recs_redis_breaker_before(ngx_current_msec, probe))
    {
        return 0;
    }

    pause = ngx_recs_redis_breaker_jitter(b->server->redis->cooldown);
    pause = ngx_max(pause, shared->patience + 1);

    return ngx_atomic_cmp_set(&shared->probe, probe, ngx_current_msec + pause);
}


/* Which worker is the first is left to chance: its connection may be bad. */

void
ngx_recs_redis_breaker_wait(ngx_recs_redis_breaker_t *b)
{
    ngx_msec_int_t  left;

    if (!b->shared->open || b->timer.timer_set) {
        return;
    }

    left = (ngx_msec_int_t) (b->shared->probe - ngx_current_msec);
    left = ngx_max(left, 0);

    ngx_add_timer(&b->timer,
                  left + NGX_RECS_REDIS_TICK
                  + ngx_random() % (b->server->redis->cooldown / 4 + 1));
}


/* +-25% */

static ngx_msec_t
ngx_recs_redis_breaker_jitter(ngx_msec_t t)
{
    return t - t / 4 + ngx_random() % (t / 2 + 1);
}
