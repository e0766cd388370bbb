
/*
 * Exploration: which requests explore, which items of a pool each slot may
 * draw from, and which one it draws, with the exact probability of that.
 *
 * Random numbers are keyed hashes (recs_hash.h) of
 *     salt, "gate", key                 does the request explore?
 *     salt, "category", slot, event, name   diverse: the least of those that
 *                                       the page shows alike often is taken
 *     salt, "panel", slot, event, i     i-th step of the slot's permutation
 *     salt, "draw", slot, event         which of the eligible ones
 */


#ifndef RECS_EXPLORE_H
#define RECS_EXPLORE_H


#include "recs_choices.h"


#define RECS_EXPLORE_SLOTS_MAX  16      /* of all lines together */
#define RECS_EXPLORE_PANEL_MAX  128


typedef enum {
    RECS_UNIFORM = 0,
    RECS_WEIGHTED,
    RECS_DIVERSE,
    RECS_NMETHODS
} recs_method_e;


/* A policy: how some slots explore. */

typedef struct {
    recs_str_t        salt;
    double            rate;         /* the gate's probability, 0 to 1 */
    recs_method_e     method;
    unsigned          slots[RECS_EXPLORE_SLOTS_MAX];    /* ascending, from 1 */
    unsigned          nslots;
    unsigned          panel;        /* at most so many of the pool, a slot */
} recs_explore_t;


/* A policy whose gate is open, with the pool that it draws from. */

typedef struct {
    const recs_explore_t  *policy;
    const recs_choices_t  *pool;
    uint32_t              *shows;   /* of each of its categories: on the page
                                       (recs_choices_shown()).  Needed for
                                       RECS_DIVERSE, if there are categories */
} recs_line_t;


/* One slot's draw. */

typedef struct {
    const recs_line_t     *line;
    unsigned               slot;
    const recs_category_t  *category;   /* diverse: which it draws from; NULL:
                                       from all of the pool */
    uint32_t              *order;   /* the first norder of the slot's
                                       permutation: numbers in the pool */
    unsigned               norder;

    /* the caller's */

    const uint8_t         *capped;  /* of each of order: it may not be shown
                                       for now; NULL: any may */
    uint8_t               *eligible;    /* of each of order: it may be shown */

    /* what recs_insert_items() found */

    unsigned               skipped:1;   /* the slot is past the shelf's end plus
                                       one: nothing was tried */

    /* what recs_explore_draw() found */

    uint8_t               *panel;   /* panel_size places in order */
    uint8_t               *refused; /* of each of the panel: it was not
                                       eligible */
    unsigned               panel_size;  /* m */
    uint32_t               pool_size;   /* N: those no earlier slot placed, of
                                       the pool or the category */
    unsigned               neligible;   /* k; 0: nothing was drawn */
    unsigned               drawn;   /* place in order */
    double                 choice;  /* its probability, given the panel's
                                       eligible ones */
    double                 p;       /* choice * m/N: its probability, over all
                                       panels */
} recs_draw_t;


/* True if the request that key names explores: a share of rate of all keys. */

int recs_explore_gate(const recs_explore_t *policy, const recs_str_t *key);

/*
 * Makes the draws of all lines' slots, which are disjoint, in ascending order,
 * for the page view that event names: as much of each slot's permutation as
 * could be needed, since an earlier slot may have placed items of it.  Their
 * ids are those to ask about.  The lines must stay; their shows are added to.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_explore_plan(const recs_mem_t *mem, const recs_line_t *lines,
    unsigned nlines, const recs_str_t *event, recs_draw_t **draws,
    unsigned *ndraws);

/*
 * Draws for one slot, once draw->eligible is filled in.  placed: what earlier
 * slots drew from the same pool, nplaced numbers in it.  Returns 1 if an item
 * was drawn, 0 if none was eligible.
 */

int recs_explore_draw(recs_draw_t *draw, const recs_str_t *event,
    const uint32_t *placed, unsigned nplaced);


#endif /* RECS_EXPLORE_H */
