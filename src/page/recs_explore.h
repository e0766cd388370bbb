
/*
 * Exploration: which requests explore, which items of a pool each slot may
 * draw from, and which one it draws, with the exact probability of that
 * (docs/exploration.md).  The caller plans the draws, finds out which of their
 * items are eligible, and then draws slot by slot, in ascending order.
 *
 * Random numbers are keyed hashes (recs_hash.h), so that who knows the inputs
 * can draw again (docs/replay.md):
 *
 *     salt, "gate", key                 does the request explore?
 *     salt, "category", slot, event, name   RECS_DIVERSE: of the categories
 *                                       that the page shows least, the one with
 *                                       the lowest hash is drawn from
 *     salt, "panel", slot, event, i     step i of the slot's permutation
 *     salt, "draw", slot, event         which eligible item is drawn
 */


#ifndef RECS_EXPLORE_H
#define RECS_EXPLORE_H


#include "recs_choices.h"


#define RECS_EXPLORE_SLOTS_MAX  16      /* of all lines together */
#define RECS_EXPLORE_PANEL_MAX  128


/* How an item is drawn from the eligible ones of a panel. */

typedef enum {
    RECS_UNIFORM = 0,       /* each is alike probable */
    RECS_WEIGHTED,          /* by the weights of the pool's items */
    RECS_DIVERSE,           /* uniform, of the category that the page shows
                               least */
    RECS_NMETHODS
} recs_method_e;


/* A policy: how some slots explore; one line of recs_explore. */

typedef struct {
    recs_str_t        salt;
    double            rate;         /* the gate's probability, 0 to 1 */
    recs_method_e     method;
    unsigned          slots[RECS_EXPLORE_SLOTS_MAX];    /* ascending, from 1 */
    unsigned          nslots;
    unsigned          panel;        /* a slot draws from at most so many */
} recs_explore_t;


/* A policy whose gate is open, with the pool that it draws from. */

typedef struct {
    const recs_explore_t  *policy;
    const recs_choices_t  *pool;
    uint32_t              *shows;   /* how many items of each category of the
                                       pool the page shows, from
                                       recs_choices_shown(); NULL: not known.
                                       RECS_DIVERSE needs it, if there are
                                       categories */
} recs_line_t;


/*
 * One slot's draw.  Items are numbers in the pool's choices; arrays that say
 * something of each item have 0 or 1 for it.
 */

typedef struct {
    const recs_line_t     *line;
    unsigned               slot;    /* from 1 */
    const recs_category_t  *category;   /* RECS_DIVERSE: what it draws from;
                                       NULL: from all of the pool */
    uint32_t              *order;   /* the first norder items of the slot's
                                       permutation of them */
    unsigned               norder;

    /* filled in by the caller, for each item of order */

    const uint8_t         *capped;  /* it may not be shown for now; NULL: any
                                       may */
    uint8_t               *eligible;    /* it may be shown */

    /* what recs_insert_items() found */

    unsigned               skipped:1;   /* the slot is past the shelf's end plus
                                       one: nothing was tried */

    /* what recs_explore_draw() found */

    uint8_t               *panel;   /* the panel: panel_size places in order */
    uint8_t               *refused; /* for each of the panel: it was not
                                       eligible */
    unsigned               panel_size;  /* m */
    uint32_t               pool_size;   /* N: items of the pool, or of the
                                       category, that no earlier slot placed */
    unsigned               neligible;   /* k, of the panel; 0: nothing was
                                       drawn */
    unsigned               drawn;   /* the item that was: its place in order */
    double                 choice;  /* its probability, given which of the
                                       panel are eligible */
    double                 p;       /* choice * m/N: its probability, over all
                                       panels */
} recs_draw_t;


/*
 * Does the request that key names explore?  Of all keys a share of policy->rate
 * does, and a key always does or never.
 */

int recs_explore_gate(const recs_explore_t *policy, const recs_str_t *key);

/*
 * Plans the draws of all lines' slots, which are disjoint, for the page view
 * that event names: *draws, from mem, are *ndraws in the order of their slots.
 * Each has as much of its slot's permutation as may be needed: its panel, and
 * as many items more as earlier slots may take from it.  The sets are asked
 * about the ids of all items in the orders.  The lines must stay; to their
 * shows the items are added that diverse slots will draw.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_explore_plan(const recs_mem_t *mem, const recs_line_t *lines,
    unsigned nlines, const recs_str_t *event, recs_draw_t **draws,
    unsigned *ndraws);

/*
 * Draws an item for one slot, once draw->eligible is filled in; event is that
 * of the plan.  placed: the nplaced items that earlier slots drew from the same
 * pool.  Fills in the last part of *draw; drawn, choice and p only if an item
 * was drawn.  Returns 1 then, 0 if no item of the panel was eligible.
 */

int recs_explore_draw(recs_draw_t *draw, const recs_str_t *event,
    const uint32_t *placed, unsigned nplaced);


#endif /* RECS_EXPLORE_H */
