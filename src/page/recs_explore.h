
/*
 * Exploration: which requests explore, which items of a pool each slot may
 * draw from, and which one it draws, with the exact probability of that.
 *
 * Random numbers are keyed hashes (recs_hash.h) of
 *     salt, "gate", key                 does the request explore?
 *     salt, "panel", slot, event, i     i-th step of the slot's permutation
 *     salt, "draw", slot, event         which of the eligible ones
 */


#ifndef RECS_EXPLORE_H
#define RECS_EXPLORE_H


#include "recs_base.h"


#define RECS_EXPLORE_SLOTS_MAX  16
#define RECS_EXPLORE_PANEL_MAX  128


typedef struct {
    recs_str_t        salt;
    double            rate;         /* the gate's probability, 0 to 1 */
    unsigned          slots[RECS_EXPLORE_SLOTS_MAX];    /* ascending, from 1 */
    unsigned          nslots;
    unsigned          panel;        /* at most so many of the pool, a slot */
} recs_explore_t;


/* One slot's draw. */

typedef struct {
    unsigned          slot;
    uint32_t         *order;        /* the first norder of the slot's
                                       permutation of the pool */
    unsigned          norder;

    /* what recs_explore_draw() found */

    unsigned          panel_size;   /* m */
    uint32_t          pool_size;    /* N: those no earlier slot placed */
    unsigned          eligible;     /* k; 0: nothing was drawn */
    unsigned          drawn;        /* index in order */
    double            choice;       /* 1/k: its probability, given the panel's
                                       eligible ones */
    double            p;            /* choice * m/N: its probability, over all
                                       panels */
} recs_draw_t;


/* True if the request that key names explores: a share of rate of all keys. */

int recs_explore_gate(const recs_explore_t *ex, const recs_str_t *key);

/*
 * Makes ex->nslots draws over a pool of npool items for the page view that
 * event names: as much of each slot's permutation as could be needed, since
 * an earlier slot may have placed items of it.  Their ids are those to ask
 * about.  Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_explore_plan(const recs_mem_t *mem, const recs_explore_t *ex,
    const recs_str_t *event, uint32_t npool, recs_draw_t **draws);

/*
 * Draws for one slot.  eligible[i]: whether order[i] may be shown.  placed:
 * what earlier slots drew, nplaced indices of the pool.  Returns 1 if an item
 * was drawn, 0 if none was eligible.
 */

int recs_explore_draw(const recs_explore_t *ex, const recs_str_t *event,
    uint32_t npool, recs_draw_t *draw, const uint8_t *eligible,
    const uint32_t *placed, unsigned nplaced);


#endif /* RECS_EXPLORE_H */
