
/*
 * A set of ids: what recs_set says, where it is answered from, and what it
 * says about many ids at once.
 */


#ifndef NGX_RECS_SET_H
#define NGX_RECS_SET_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_counter.h"
#include "ngx_recs_redis.h"
#include "ngx_recs_set_type.h"
#include "recs_decide.h"
#include "recs_idset.h"


typedef enum {
    NGX_RECS_SET_REDIS = 0,
    NGX_RECS_SET_FILE,
    NGX_RECS_SET_VALUE
} ngx_recs_set_source_e;


/* Why a set gives no answer about a response's ids. */

typedef enum {
    NGX_RECS_WHY_NONE = 0,              /* it does */
    NGX_RECS_WHY_TIMEOUT,               /* no reply within the deadline */
    NGX_RECS_WHY_ERROR,                 /* Redis replied with an error, or with
                                           more than is taken */
    NGX_RECS_WHY_DOWN,                  /* no connection could be asked, or it
                                           was lost */
    NGX_RECS_WHY_ABSENT,                /* its key is absent, or has fewer
                                           members than min_members */
    NGX_RECS_WHY_DISTRUSTED,            /* it refuses more than max_removed */
    NGX_RECS_WHY_SHRUNK,                /* most of it is suddenly gone: its
                                           replica answers, as it was before */
    NGX_RECS_NWHYS
} ngx_recs_why_e;


/* Counters of all workers, in shared memory. */

typedef struct {
    ngx_atomic_t              questions;    /* responses it was asked for */
    ngx_atomic_t              unknown[NGX_RECS_NWHYS];  /* of these: without an
                                                           answer, by why */
    ngx_atomic_t              skipped;      /* its key was incomplete */
    ngx_atomic_t              removed;      /* items */
    ngx_atomic_t              prefetches;   /* asked for as a whole, before
                                               the page was there */
    ngx_atomic_t              prefetch_used;    /* pages judged by these */
    ngx_atomic_t              prefetch_over;    /* they had too many members */
    ngx_atomic_t              prefetch_late;    /* pages that waited for one */
} ngx_recs_set_counters_t;


typedef struct ngx_recs_replica_s  ngx_recs_replica_t;
typedef struct ngx_recs_watch_s    ngx_recs_watch_t;
typedef struct ngx_recs_trust_s    ngx_recs_trust_t;


typedef struct {
    ngx_str_t                 name;
    ngx_recs_set_source_e     source;

    ngx_recs_redis_t         *redis;
    ngx_str_t                 key;          /* as it is configured, with its
                                               variables' names: no user's */
    ngx_recs_set_type_e       type;
    int64_t                   within;       /* sorted, ms: an id counts if its
                                               score is a unix time less long
                                               ago; 0: any score counts */
    ngx_uint_t                unit_ms;      /* within: scores are ms, else s */
    double                    min;          /* sorted, hash: an id counts if
                                               its value is at least so */
    unsigned                  has_min:1;
    unsigned                  scores:1;     /* within or min: scores matter */
    unsigned                  drop_unknown:1;
    ngx_uint_t                min_members;  /* Redis: with fewer it gives no
                                               answer, as if its key were
                                               absent; 0: an absent key is an
                                               empty set */
    ngx_uint_t                prefetch;     /* members that it may have to be
                                               asked for as a whole; 0: it
                                               never is */

    ngx_recs_watch_t         *watch;        /* NULL: its key has variables, may
                                               be absent, or has a replica */
    ngx_recs_trust_t         *trust;        /* NULL: it always is */
    ngx_recs_replica_t       *replica;      /* NULL: Redis is asked */

    recs_idset_t              file;

    ngx_recs_set_counters_t  *counters;
    ngx_atomic_t             *removed_by;   /* items, by the responses' labels;
                                               NULL: there are none */

    time_t                    failed;       /* this worker: when it last got no
                                               answer; 0: it is well */
} ngx_recs_set_t;


extern const ngx_recs_counter_t  ngx_recs_set_counters[];
extern const ngx_recs_counter_t  ngx_recs_set_prefetch_counters[];  /* of those
                                                       with prefetch= */

extern const ngx_str_t  ngx_recs_whys[];    /* tokens, by ngx_recs_why_e */


/* What ids of a file may have that was hardly meant.  They are taken as is. */

typedef enum {
    NGX_RECS_ODD_BLANK = 0,             /* a space or a tab around it */
    NGX_RECS_ODD_CR,                    /* without LF */
    NGX_RECS_ODD_CONTROL,               /* any other control character in it */
    NGX_RECS_ODD_QUOTES,                /* around it */
    NGX_RECS_ODD_BYTES,                 /* not UTF-8 */
    NGX_RECS_NODDS
} ngx_recs_odd_e;

typedef struct {
    ngx_uint_t                n;        /* lines that have it */
    ngx_uint_t                first;    /* of these, from 1 */
} ngx_recs_odd_t;

extern const ngx_str_t  ngx_recs_odds[];        /* by ngx_recs_odd_e */

/*
 * Loads the ids of a file=, one a line, into set->file; memory from pool.
 * Empty lines are passed over, a line's end may be CR LF.  NGX_OK, and
 * odds, of NGX_RECS_NODDS, tells what is odd; or NGX_ERROR and *error says why.
 */

ngx_int_t ngx_recs_set_load(ngx_recs_set_t *set, ngx_str_t *path,
    uint64_t seed, ngx_pool_t *pool, ngx_recs_odd_t *odds, const char **error);

/* The answers about ids from a set of ids at hand. */

void ngx_recs_set_lookup(const recs_idset_t *ids, const recs_str_t *asked,
    ngx_uint_t n, u_char *answers);

/*
 * The next item of the comma-separated list *rest, without the spaces around
 * it (it may be empty); *rest goes past it.  False: there is none.
 */

ngx_uint_t ngx_recs_list_next(ngx_str_t *rest, ngx_str_t *item);

/*
 * The ids of a comma-separated list, spaces around them passed over; the list
 * must stay.  NGX_OK or NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_set_parse(recs_idset_t *ids, const ngx_str_t *list,
    uint64_t seed, ngx_pool_t *pool);

/*
 * What an element of the reply to the type's ask command says.  NGX_ERROR: such
 * an element can't be in it.
 */

ngx_int_t ngx_recs_set_answer(const ngx_recs_set_t *set,
    const ngx_recs_redis_value_t *v, u_char *answer);

/* Is the id of such an element in the set, whether it counts or not? */

#define ngx_recs_set_holds(v)                                                 \
    ((v)->type == NGX_RECS_REDIS_STRING                                       \
     || ((v)->type == NGX_RECS_REDIS_INTEGER && (v)->integer))

/*
 * Does an id of that score, or value, count now?  NAN: it is no number.
 */

ngx_uint_t ngx_recs_set_counts(const ngx_recs_set_t *set, double n);

/*
 * With within=: the score of what was T ago by nginx's clock, to the
 * millisecond, in the unit of the set's scores.  Only a higher one counts.
 */

double ngx_recs_set_oldest(const ngx_recs_set_t *set);

/*
 * A score as Redis writes it, or a hash's value: a decimal number, "inf" or
 * "-inf".  NGX_OK, or NGX_DECLINED: it is none.
 */

ngx_int_t ngx_recs_set_number(const ngx_str_t *text, double *n);

/*
 * Notes that Redis gave an answer, or why it gave none (a literal, or an error
 * reply's text), and logs when that changes.  The log shows the key as it is
 * configured: the key itself may name a user.
 */

void ngx_recs_set_well(ngx_recs_set_t *set, ngx_log_t *log);
void ngx_recs_set_ill(ngx_recs_set_t *set, const ngx_str_t *why,
    ngx_log_t *log);


#endif /* NGX_RECS_SET_H */
