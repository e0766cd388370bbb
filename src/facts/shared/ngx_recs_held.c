
/* The log lines about what is held back. */



#include "ngx_recs_held.h"
#include "ngx_recs_text.h"


#define NGX_RECS_HELD_SOURCE  128       /* bytes of a key that are shown */


static u_char *ngx_recs_held_now(u_char *p, const ngx_recs_held_of_t *of,
    const recs_guard_t *guard, const recs_guard_held_t *held);
static u_char *ngx_recs_held_then(u_char *p, const ngx_recs_held_of_t *of,
    const recs_guard_t *guard, const recs_guard_held_t *held);


/*
 * recs_set "in_stock": "stock" of redis "main" is absent: it keeps its 200000
 * ids
 */

void
ngx_recs_held_log(const ngx_recs_held_of_t *of, const recs_guard_t *guard,
    const recs_guard_held_t *held, ngx_log_t *log)
{
    u_char     buf[NGX_RECS_HELD_SOURCE], now[128], then[128];
    ngx_str_t  source;

    source.data = buf;
    source.len = ngx_min(of->source->len, sizeof(buf));
    ngx_memcpy(buf, of->source->data, source.len);
    ngx_recs_printable(buf, source.len);

    *ngx_recs_held_now(now, of, guard, held) = '\0';
    *ngx_recs_held_then(then, of, guard, held) = '\0';

    if (of->redis) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "%s \"%V\": \"%V\" of redis \"%V\" %s: %s",
                      of->directive, of->name, &source, &of->redis->name, now,
                      then);

    } else {
        ngx_log_error(NGX_LOG_ERR, log, 0, "%s \"%V\": \"%V\" %s: %s",
                      of->directive, of->name, of->source, now, then);
    }
}


static u_char *
ngx_recs_held_now(u_char *p, const ngx_recs_held_of_t *of,
    const recs_guard_t *guard, const recs_guard_held_t *held)
{
    switch (held->why) {

    case RECS_GUARD_ABSENT:
        return ngx_sprintf(p, of->redis ? "is absent" : "is empty");

    case RECS_GUARD_FEW:
        return ngx_sprintf(p, "has %uL %s, fewer than \"min_members=%uL\"",
                           held->now, of->members, guard->min_members);

    default: /* RECS_GUARD_SHRUNK */
        return ngx_sprintf(p, "has suddenly %uL %s", held->now, of->members);
    }
}


static u_char *
ngx_recs_held_then(u_char *p, const ngx_recs_held_of_t *of,
    const recs_guard_t *guard, const recs_guard_held_t *held)
{
    if (held->had == 0) {
        return ngx_sprintf(p, "%s", of->none);
    }

    p = ngx_sprintf(p, "its %uL %s stay", held->had, of->members);

    return held->why == RECS_GUARD_SHRUNK
           ? ngx_sprintf(p, " for %Mms", (ngx_msec_t) guard->wait) : p;
}


void
ngx_recs_held_log_believed(const ngx_recs_held_of_t *of, uint64_t had,
    uint64_t n, ngx_log_t *log)
{
    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "%s \"%V\" has %uL %s now, after %uL: there have been so few "
                  "for a while", of->directive, of->name, n, of->members, had);
}
