
/*
 * The decision: which items stay on a page, which go and why, and what is
 * inserted.  It is a pure function of the page, the sets' answers and the
 * policy; its rules are in docs/filtering.md and docs/exploration.md.
 */


#ifndef RECS_DECIDE_H
#define RECS_DECIDE_H


#include "recs_page.h"
#include "recs_explore.h"


/* What a set said about an id. */

typedef enum {
    RECS_UNKNOWN = 0,               /* it gave no answer, or not in time */
    RECS_IN,                        /* the id is in the set */
    RECS_OUT                        /* it is not */
} recs_answer_e;


/* A set that items must be in (required) or must not be in (excluded). */

typedef struct {
    const uint8_t    *answers;      /* recs_answer_e of each id that was asked
                                       about, in the order below */
    unsigned          exclude:1;    /* excluded; else required */
    unsigned          drop_unknown:1;   /* a candidate goes if the answer is
                                       unknown */
} recs_rule_t;


/*
 * What is decided by.  The sets are asked about these ids, in this order: those
 * of the page's items that have one, those of each draw's order, those of
 * backfill.
 */

typedef struct {
    const recs_rule_t     *rules;   /* in the order in which they give reasons:
                                       required sets first */
    size_t                 nrules;
    size_t                 limit;   /* items that a shelf may have; 0: any */
    unsigned               distinct:1;  /* an id is shown once on the page */
    unsigned               drop_unidentified:1; /* a candidate goes if it has
                                       no usable id */
    uint64_t               seed;    /* keys the hashes of ids */

    recs_draw_t           *draws;   /* from recs_explore_plan(), with capped;
                                       the decision fills in the rest */
    unsigned               ndraws;
    recs_str_t             event;   /* that they were planned for */

    size_t                 min;     /* a shelf is filled up to so many items;
                                       0: none is */
    const recs_str_t      *backfill;    /* ids to fill up with, in order */
    const uint8_t         *backfill_forms;  /* each one's: mask of the formats
                                       in which it can be put in; NULL: in
                                       all */
    size_t                 nbackfill;
} recs_policy_t;


/* What becomes of a candidate. */

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


/* An item of a pool that is inserted on a shelf. */

typedef struct {
    const recs_draw_t  *draw;       /* that drew it; NULL: it is backfill */
    uint32_t            item;       /* its number in the draw's pool, or in
                                       backfill */
    size_t              shelf;      /* number in the page's shelves */
    size_t              before;     /* the kept candidate that it stands before:
                                       number in the page's items; the page's
                                       nitems: it stands at the shelf's end */
} recs_insert_t;


typedef struct {
    recs_verdict_t   *verdicts;     /* of each of the page's items */

    recs_insert_t    *inserts;      /* shelf by shelf (not in their order), of
                                       each in the order in which they stand */
    size_t            ninserts;     /* = explored + backfilled */
    size_t            explored;
    size_t            backfilled;

    size_t            total;        /* candidates: kept + removed + cut */
    size_t            kept;
    size_t            removed;      /* refused, repeated, or gone as they have
                                       no usable id */
    size_t            repeated;     /* of the removed */
    size_t            cut;          /* by the limit, or displaced */
    size_t            unidentified; /* candidates without a usable id */
    size_t           *removed_by;   /* for each rule: how many it refused */
    size_t            skipped;      /* slots past the shelf's end plus one */
    size_t            unfilled;     /* slots for which no item was eligible */
} recs_decision_t;


/*
 * Decides about the page, as recs_page_read() gave it, into *decision, whose
 * arrays are from mem, and completes the policy's draws.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_decide(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *decision);


#endif /* RECS_DECIDE_H */
