
/*
 * An entry of a set's feed, a Redis stream: which ids were added to the set or
 * removed from it.
 *
 *     op      "add" or "rem"
 *     ids     a JSON array of strings
 *     scores  for zset and hash, with "add": a JSON array of numbers, as many
 *     seq     a decimal number, one more than that of the entry before
 */


#ifndef NGX_RECS_ENTRY_H
#define NGX_RECS_ENTRY_H


#include "ngx_recs_mem.h"
#include "ngx_recs_replica.h"
#include "recs_reader.h"
#include "recs_scalar.h"


/* Bytes that a field may have; who writes more ids writes more entries. */

#define NGX_RECS_ENTRY_MAX       (256 * 1024)

/* "18446744073709551615-18446744073709551615" */

#define NGX_RECS_FEED_ID_LEN     (2 * NGX_INT64_LEN + 1)


typedef enum {
    NGX_RECS_ENTRY_OP = 0,
    NGX_RECS_ENTRY_SEQ,
    NGX_RECS_ENTRY_IDS,
    NGX_RECS_ENTRY_SCORES,
    NGX_RECS_ENTRY_FIELDS                   /* any other */
} ngx_recs_entry_field_e;


/* An entry as it is read, field by field. */

typedef struct {
    ngx_uint_t                begun;
    ngx_recs_feed_id_t        id;
    ngx_uint_t                valid;        /* so far */
    ngx_recs_entry_field_e    field;        /* whose value comes next */
    ngx_str_t                 fields[NGX_RECS_ENTRY_FIELDS];
    ngx_pool_t               *pool;         /* of what it says */

    /* once it is complete */

    uint64_t                  seq;
    ngx_uint_t                add;          /* else they were removed */
} ngx_recs_entry_t;


/* What is left of an entry's ids and scores. */

typedef struct {
    ngx_pool_t               *pool;
    recs_reader_t             ids;
    recs_value_t              ids_array;
    ngx_uint_t                scored;
    recs_reader_t             scores;
    recs_value_t              scores_array;
} ngx_recs_entry_ids_t;


/*
 * In init_process: its pool, which is emptied with each entry and ends with the
 * cycle's.  NGX_OK or NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_entry_init(ngx_recs_entry_t *e, ngx_cycle_t *cycle);

/* An entry begins; what the one before said is gone. */

void ngx_recs_entry_begin(ngx_recs_entry_t *e);

/*
 * A value of its array in a reply; depth is counted from that array, which is
 * 0.  NGX_ERROR: such a value can't be in it.
 */

ngx_int_t ngx_recs_entry_value(ngx_recs_entry_t *e, ngx_uint_t depth,
    const ngx_recs_redis_value_t *v);

/* It is complete.  NGX_DECLINED: it can't be understood. */

ngx_int_t ngx_recs_entry_end(ngx_recs_entry_t *e);

/* Its ids; with scores, if it adds ids.  NGX_OK or NGX_DECLINED. */

ngx_int_t ngx_recs_entry_ids(ngx_recs_entry_t *e, ngx_uint_t scores,
    ngx_recs_entry_ids_t *ids);

/*
 * The next id, and its score, 0 if there are none.  NGX_DONE: there is none;
 * NGX_DECLINED: it can't be understood; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_entry_next(ngx_recs_entry_ids_t *ids, recs_str_t *id,
    double *score);


/* NGX_OK, or NGX_DECLINED: it is no id of an entry. */

ngx_int_t ngx_recs_feed_id_read(const ngx_str_t *text, ngx_recs_feed_id_t *id);

/* Writes an id of at most NGX_RECS_FEED_ID_LEN bytes to buf, as *text. */

void ngx_recs_feed_id_write(const ngx_recs_feed_id_t *id, u_char *buf,
    ngx_str_t *text);

/* Negative, 0, positive: a comes before b, is b, comes after it. */

ngx_int_t ngx_recs_feed_id_cmp(const ngx_recs_feed_id_t *a,
    const ngx_recs_feed_id_t *b);


#endif /* NGX_RECS_ENTRY_H */
