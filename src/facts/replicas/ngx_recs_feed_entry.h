
/*
 * An entry of a set's feed, a Redis stream: which ids were added to the set or
 * removed from it.
 *
 *     op      "add" or "rem"
 *     ids     a JSON array of strings
 *     scores  for zset and hash, with "add": a JSON array of numbers, as many
 *     seq     a decimal number, one more than that of the entry before
 */


#ifndef NGX_RECS_FEED_ENTRY_H
#define NGX_RECS_FEED_ENTRY_H


#include "ngx_recs_mem.h"
#include "ngx_recs_replica.h"
#include "recs_reader.h"
#include "recs_scalar.h"


/* Bytes that a field may have; who writes more ids writes more entries. */

#define NGX_RECS_FEED_ENTRY_MAX  (256 * 1024)

/* "18446744073709551615-18446744073709551615" */

#define NGX_RECS_FEED_ID_LEN  (2 * NGX_INT64_LEN + 1)


typedef enum {
    NGX_RECS_FEED_ENTRY_OP = 0,
    NGX_RECS_FEED_ENTRY_SEQ,
    NGX_RECS_FEED_ENTRY_IDS,
    NGX_RECS_FEED_ENTRY_SCORES,
    NGX_RECS_FEED_ENTRY_FIELDS              /* any other */
} ngx_recs_feed_entry_field_e;


/* An entry as it is read, field by field; it belongs to whoever reads. */

typedef struct {
    ngx_uint_t                begun;
    ngx_recs_feed_id_t        id;
    ngx_uint_t                valid;        /* so far */
    ngx_recs_feed_entry_field_e  field;     /* whose value comes next */
    ngx_str_t                 fields[NGX_RECS_FEED_ENTRY_FIELDS];
    ngx_pool_t               *pool;         /* of what it says */

    /* once it is complete */

    uint64_t                  seq;
    ngx_uint_t                add;          /* else they were removed */
} ngx_recs_feed_entry_t;


/* What is left of an entry's ids and scores. */

typedef struct {
    ngx_pool_t               *pool;
    recs_reader_t             ids;
    recs_value_t              ids_array;
    ngx_uint_t                scored;
    recs_reader_t             scores;
    recs_value_t              scores_array;
} ngx_recs_feed_entry_ids_t;


/*
 * In init_process: makes the pool of all entries that will be read here, which
 * is emptied with each entry and ends with the cycle's.  Returns NGX_OK or
 * NGX_ERROR (out of memory).
 */

ngx_int_t ngx_recs_feed_entry_init(ngx_recs_feed_entry_t *e,
    ngx_cycle_t *cycle);

/* An entry begins; what the one before said is gone. */

void ngx_recs_feed_entry_begin(ngx_recs_feed_entry_t *e);

/*
 * Takes in a value of the array that an entry is in a reply; depth
 * is counted from that array, which is 0.  Returns NGX_OK, or NGX_ERROR if no
 * entry has such a value.  A field that is too long, or does not fit into
 * memory, shows at the end.
 */

ngx_int_t ngx_recs_feed_entry_value(ngx_recs_feed_entry_t *e, ngx_uint_t depth,
    const ngx_recs_redis_value_t *v);

/*
 * The entry is complete: fills in seq and add.  Returns NGX_OK, or NGX_DECLINED
 * if it can't be understood.
 */

ngx_int_t ngx_recs_feed_entry_end(ngx_recs_feed_entry_t *e);

/*
 * Begins to read the ids of a complete entry; with their scores, if scores is
 * not 0 and the entry adds ids.  Returns NGX_OK, or NGX_DECLINED: there is no
 * such array.
 */

ngx_int_t ngx_recs_feed_entry_ids(ngx_recs_feed_entry_t *e, ngx_uint_t scores,
    ngx_recs_feed_entry_ids_t *ids);

/*
 * The next id, which stays until the next entry begins, and its score (0 if no
 * scores are read).  Returns NGX_OK; NGX_DONE: there was none left;
 * NGX_DECLINED: the arrays can't be understood; NGX_ERROR: out of memory.
 */

ngx_int_t ngx_recs_feed_entry_next(ngx_recs_feed_entry_ids_t *ids,
    recs_str_t *id, double *score);


/*
 * Reads an entry's id, "1795305600123-0", which Redis makes of unix ms and a
 * number.  Returns NGX_OK, or NGX_DECLINED: the text is none.
 */

ngx_int_t ngx_recs_feed_id_read(const ngx_str_t *text, ngx_recs_feed_id_t *id);

/* Writes an id to buf, NGX_RECS_FEED_ID_LEN bytes at most; *text is there. */

void ngx_recs_feed_id_write(const ngx_recs_feed_id_t *id, u_char *buf,
    ngx_str_t *text);

/* Negative, 0, positive: a comes before b, is b, comes after it. */

ngx_int_t ngx_recs_feed_id_cmp(const ngx_recs_feed_id_t *a,
    const ngx_recs_feed_id_t *b);


#endif /* NGX_RECS_FEED_ENTRY_H */
