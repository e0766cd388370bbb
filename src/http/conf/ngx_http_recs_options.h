
/*
 * What the files that read the configuration share: things with a name,
 * options "name=value", and errors that say what would be right.
 */


#ifndef NGX_HTTP_RECS_OPTIONS_H
#define NGX_HTTP_RECS_OPTIONS_H


#include "ngx_http_recs_conf.h"


/* shrink=, %: if fewer are left of what there was, these are held back. */

#define NGX_HTTP_RECS_SHRINK  50


/* absent= says what it means if the key of a set or a pool is not there. */

typedef enum {
    NGX_HTTP_RECS_ABSENT_UNSET = 0,         /* as the directive has it */
    NGX_HTTP_RECS_ABSENT_UNKNOWN,           /* nothing: who knows what happened
                                               to it? */
    NGX_HTTP_RECS_ABSENT_EMPTY              /* that it has no members */
} ngx_http_recs_absent_e;


/* An option being read, and where it stands. */

typedef struct {
    ngx_conf_t                 *cf;
    ngx_str_t                   what;       /* the directive, for errors */
    ngx_str_t                   name;       /* of the thing it defines */
    ngx_str_t                   value;      /* what follows the "=" */
} ngx_http_recs_option_t;


/*
 * How an option is read into thing.  read() returns NGX_CONF_OK, what would be
 * right ("it must be ..."), or NGX_CONF_ERROR after it logged an error itself.
 */

typedef struct {
    ngx_str_t                   name;       /* with the "=" */
    char                     *(*read)(ngx_http_recs_option_t *o, void *thing);
} ngx_http_recs_option_def_t;


/* Begins with the directive at hand, whose argument number name is a name. */

void ngx_http_recs_option_init(ngx_http_recs_option_t *o, ngx_conf_t *cf,
    ngx_uint_t name);

/*
 * Compiles an option's text that will not be used if a variable in it is empty,
 * which nginx can't tell of a capture without a name.  Returns what an option's
 * read() does.
 */

char *ngx_http_recs_option_text(ngx_http_recs_option_t *o,
    ngx_http_complex_value_t **cv);

/*
 * The option's value is a number from 1 to max, or a time from min to max, ms.
 * NGX_CONF_OK, or right: a text that says what would be right.
 */

char *ngx_http_recs_option_number(ngx_http_recs_option_t *o, ngx_int_t max,
    ngx_uint_t *n, char *right);
char *ngx_http_recs_option_msec(ngx_http_recs_option_t *o, ngx_int_t min,
    ngx_int_t max, ngx_msec_t *msec, char *right);

/*
 * What several directives take: "unit=s" or "unit=ms", of times that are
 * scores; "absent=unknown" or "absent=empty"; "min_members=N", N over 0.  Each
 * returns NGX_CONF_OK, or what is wrong.
 */

char *ngx_http_recs_option_unit(ngx_http_recs_option_t *o, ngx_uint_t *ms);
char *ngx_http_recs_option_absent(ngx_http_recs_option_t *o,
    ngx_http_recs_absent_e *absent);
char *ngx_http_recs_option_min_members(ngx_http_recs_option_t *o,
    ngx_uint_t *min_members);

/*
 * The option's value is a percentage such as "2.5%": it, times 10^decimals, of
 * which it may have so many.  NGX_ERROR: it is none, or negative.
 */

ngx_int_t ngx_http_recs_option_percent(ngx_http_recs_option_t *o,
    size_t decimals);

/*
 * Reads the directive's arguments from number first on by defs, which end with
 * a null name.  Each option may be given once.  NGX_CONF_OK or NGX_CONF_ERROR.
 */

char *ngx_http_recs_options(ngx_http_recs_option_t *o,
    const ngx_http_recs_option_def_t *defs, ngx_uint_t first, void *thing);

/* Logs that the directive as a whole is wrong.  Returns NGX_CONF_ERROR. */

char *ngx_http_recs_wrong(ngx_http_recs_option_t *o, const char *right);

/*
 * The thing called name in names (an array of pointers to structs that begin
 * with ngx_http_recs_named_t), made with size bytes if it is new.
 * NULL after an error was logged.
 */

void *ngx_http_recs_named(ngx_conf_t *cf, ngx_array_t *names, ngx_str_t *name,
    size_t size);

/* The same, for the directive that defines it: only once. */

void *ngx_http_recs_define(ngx_conf_t *cf, ngx_array_t *names,
    ngx_str_t *name, size_t size);

/*
 * The option's value is the path of an image, which nobody else has; relative
 * to the prefix, as is all that nginx writes.  NGX_CONF_OK or NGX_CONF_ERROR.
 */

char *ngx_http_recs_image(ngx_http_recs_option_t *o, ngx_str_t *path);

/*
 * The option's value is a share below which what shrinks is held back: a
 * percentage, or "off".  NGX_CONF_OK, or what is wrong.
 */

char *ngx_http_recs_shrink(ngx_http_recs_option_t *o, recs_guard_t *guard);

/* Is it the directive with "off" alone? */

ngx_uint_t ngx_http_recs_lifts(ngx_conf_t *cf);

/*
 * Then what a level inherited of it doesn't hold there: *slot becomes NULL.
 * NGX_CONF_OK, or what is wrong.
 */

char *ngx_http_recs_lift(void **slot);

/* The Redis called name, for "redis=".  NULL after an error was logged. */

ngx_recs_redis_t *ngx_http_recs_find_redis(ngx_conf_t *cf, ngx_str_t *name);

/* The snapshots called name.  NULL after an error was logged. */

ngx_recs_snapshots_t *ngx_http_recs_find_snapshots(ngx_conf_t *cf,
    ngx_str_t *name);

/* Compiles text with variables.  NGX_CONF_OK or NGX_CONF_ERROR. */

char *ngx_http_recs_complex(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);

/* Compiles a JSON Pointer.  NGX_OK, or NGX_ERROR and it was logged. */

ngx_int_t ngx_http_recs_pointer(ngx_conf_t *cf, ngx_str_t *source,
    recs_pointer_t *ptr);


#endif /* NGX_HTTP_RECS_OPTIONS_H */
