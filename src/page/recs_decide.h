
/*
 * The decision: which items stay, which go and why, what is put in.  A pure
 * function of the page, the sets' answers and the policy.
 */


#ifndef RECS_DECIDE_H
#define RECS_DECIDE_H


#include "recs_page.h"
#include "recs_explore.h"


/* What a set said about an id. */

typedef enum {
    RECS_UNKNOWN = 0,               /* it could not be asked, or not in time */
    RECS_IN,
    RECS_OUT
} recs_answer_e;


/* A set that items must be in, or must not be in. */

typedef struct {
    const uint8_t    *answers;      /* recs_answer_e of each id that was asked,
                                       in the order below */
    unsigned          exclude:1;    /* must not be in; else must be in */
    unsigned          drop_unknown:1;   /* a candidate goes if it is unknown */
} recs_rule_t;


/*
 * The ids that are asked, in this order: those of the page's items that have
 * one, those of each draw's order, those to fill up with.
 */

typedef struct {
    const recs_rule_t     *rules;   /* in the order in which they give reasons:
                                       required sets first */
    size_t                 nrules;
    size_t                 limit;   /* of each shelf; 0: none */
    unsigned               distinct:1;
    unsigned               drop_unidentified:1; /* a candidate goes if it has
                                       no usable id */
    uint64_t               seed;    /* for hashing ids */

    recs_draw_t           *draws;   /* from recs_explore_plan(); completed */
    unsigned               ndraws;
    recs_str_t             event;   /* that they were planned for */

    size_t                 min;     /* of each shelf, filled up; 0: none */
    const recs_str_t      *backfill;    /* ids to fill up with, in order */
    const uint8_t         *backfill_forms;  /* mask of the formats in which
                                       each can be put in; NULL: in all */
    size_t                 nbackfill;
} recs_policy_t;


typedef enum {
    RECS_KEPT = 0,
    RECS_REFUSED,                   /* by a set */
    RECS_REPEATED,                  /* by distinct */
    RECS_CUT,                       /* by limit */
    RECS_DISPLACED,                 /* by an exploration item */
    RECS_UNIDENTIFIED               /* it has no usable id, and had to go */
} recs_fate_e;


typedef struct {
    uint8_t           fate;         /* recs_fate_e */
    uint8_t           rule;         /* RECS_REFUSED: index of the rule */
} recs_verdict_t;


/* An item of a pool that is put on a shelf. */

typedef struct {
    const recs_draw_t  *draw;       /* NULL: to fill up the shelf */
    uint32_t            item;       /* index in the pool, or in backfill */
    size_t              shelf;
    size_t              before;     /* the kept item after it, in the page's
                                       items; or nitems: the shelf's end */
} recs_insert_t;


typedef struct {
    recs_verdict_t   *verdicts;     /* of each of the page's items */

    recs_insert_t    *inserts;      /* each shelf's in a row, as they stand on
                                       it */
    size_t            ninserts;     /* = explored + backfilled */
    size_t            explored;
    size_t            backfilled;

    size_t            total;        /* = kept + removed + cut */
    size_t            kept;         /* candidates that stay */
    size_t            removed;      /* refused, repeated, or gone as they
                                       have no usable id */
    size_t            repeated;     /* of these */
    size_t            cut;          /* by limit, or displaced */
    size_t            unidentified; /* candidates without a usable id */
    size_t           *removed_by;   /* each rule: refused for it */
    size_t            skipped;      /* slots past the end plus one */
    size_t            unfilled;     /* slots for which nothing was eligible */
} recs_decision_t;


/* Returns RECS_OK or RECS_NOMEM. */

recs_rc_e recs_decide(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *decision);


#endif /* RECS_DECIDE_H */
