
/*
 * What objects of src/redis want of nginx when a fuzz target links them without
 * it: memory, formatting with as much of nginx' directives as texts of faults
 * have, and a clock that stands still.  Nothing is logged.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_redis_breaker.h"


volatile ngx_msec_t   ngx_current_msec;
ngx_uint_t            ngx_pagesize = 4096;


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    void  *p;

    (void) log;

    p = malloc(size);

    if (p == NULL) {
        abort();
    }

    return p;
}


void
ngx_explicit_memzero(void *buf, size_t n)
{
    ngx_memzero(buf, n);
}


static u_char *
append(u_char *p, u_char *last, const void *text, size_t len)
{
    len = ngx_min(len, (size_t) (last - p));

    return len ? ngx_cpymem(p, text, len) : p;
}


/* %V, %s, %d, %ui, %uz and %M, without widths; others end the process. */

u_char *
ngx_vslprintf(u_char *buf, u_char *last, const char *fmt, va_list args)
{
    int          n;
    char         number[NGX_INT64_LEN + 1];
    ngx_str_t   *v;
    const char  *s;

    for (/* void */; *fmt; fmt++) {

        if (*fmt != '%') {
            buf = append(buf, last, fmt, 1);
            continue;
        }

        switch (*++fmt) {

        case 'V':
            v = va_arg(args, ngx_str_t *);
            buf = append(buf, last, v->data, v->len);
            continue;

        case 's':
            s = va_arg(args, const char *);
            buf = append(buf, last, s, ngx_strlen(s));
            continue;

        case 'd':
            n = sprintf(number, "%d", va_arg(args, int));
            break;

        case 'M':
            n = sprintf(number, "%lu", (unsigned long)
                                       va_arg(args, ngx_msec_t));
            break;

        case 'u':
            if (*++fmt == 'i' || *fmt == 'z') {
                n = sprintf(number, "%lu", (unsigned long)
                                           va_arg(args, size_t));
                break;
            }

            /* fall through */

        default:
            abort();
        }

        buf = append(buf, last, number, (size_t) n);
    }

    return buf;
}


u_char *
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + 256, fmt, args);
    va_end(args);

    return p;
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    (void) level;
    (void) log;
    (void) err;
    (void) fmt;
}


/* Pipelines have no breaker. */

void
ngx_recs_redis_breaker_failed(ngx_recs_redis_breaker_t *b, ngx_msec_t since,
    ngx_msec_t deadline)
{
    (void) b;
    (void) since;
    (void) deadline;

    abort();
}


void
ngx_recs_redis_breaker_answered(ngx_recs_redis_breaker_t *b,
    ngx_msec_t deadline)
{
    (void) b;
    (void) deadline;

    abort();
}
