
#include "recs_explore.h"
#include "recs_hash.h"


static uint64_t
recs_explore_domain(const recs_explore_t *ex, const char *domain)
{
    recs_str_t  s;

    s.data = (const uint8_t *) domain;
    s.len = strlen(domain);

    return recs_hash_str(recs_hash_str(0, &ex->salt), &s);
}


int
recs_explore_gate(const recs_explore_t *ex, const recs_str_t *key)
{
    uint64_t  h;

    if (ex->rate >= 1) {
        return 1;
    }

    h = recs_hash_str(recs_explore_domain(ex, "gate"), key);

    return h < (uint64_t) (ex->rate * 18446744073709551616.0);
}


/*
 * The first n of a permutation of [0, npool): n steps of Fisher and Yates'
 * shuffle, over an array that is never written down but for the places which
 * the steps have touched.
 */

static recs_rc_e
recs_explore_shuffle(const recs_mem_t *mem, uint64_t h, uint32_t npool,
    unsigned n, uint32_t *order)
{
    unsigned   i, k;
    uint32_t   j, here, *at, *moved;

    /* at[k]: where step k took from, moved[k]: what it left there */

    at = recs_alloc(mem, 2 * n * sizeof(uint32_t) + 1);
    if (at == NULL) {
        return RECS_NOMEM;
    }

    moved = at + n;

    for (i = 0; i < n; i++) {
        j = i + (uint32_t) recs_hash_uniform(h, i, npool - i);

        order[i] = j;
        here = i;

        /* of several steps at one place the last counts */

        for (k = 0; k < i; k++) {
            if (at[k] == j) {
                order[i] = moved[k];
            }

            if (at[k] == i) {
                here = moved[k];
            }
        }

        at[i] = j;
        moved[i] = here;
    }

    return RECS_OK;
}


recs_rc_e
recs_explore_plan(const recs_mem_t *mem, const recs_explore_t *ex,
    const recs_str_t *event, uint32_t npool, recs_draw_t **draws)
{
    unsigned      i, n;
    uint64_t      h;
    recs_draw_t  *draw;

    *draws = recs_alloc(mem, (ex->nslots + 1) * sizeof(recs_draw_t));
    if (*draws == NULL) {
        return RECS_NOMEM;
    }

    for (i = 0; i < ex->nslots; i++) {

        /* the panel, and one for each that an earlier slot may have placed */

        n = ex->panel + i;

        if (n > npool) {
            n = npool;
        }

        draw = &(*draws)[i];
        memset(draw, 0, sizeof(recs_draw_t));

        draw->slot = ex->slots[i];
        draw->norder = n;
        draw->order = recs_alloc(mem, (n + 1) * sizeof(uint32_t));

        if (draw->order == NULL) {
            return RECS_NOMEM;
        }

        h = recs_hash_int(recs_explore_domain(ex, "panel"), draw->slot);
        h = recs_hash_str(h, event);

        if (recs_explore_shuffle(mem, h, npool, n, draw->order) != RECS_OK) {
            return RECS_NOMEM;
        }
    }

    return RECS_OK;
}


static int
recs_explore_placed(uint32_t item, const uint32_t *placed, unsigned nplaced)
{
    unsigned  i;

    for (i = 0; i < nplaced; i++) {
        if (placed[i] == item) {
            return 1;
        }
    }

    return 0;
}


int
recs_explore_draw(const recs_explore_t *ex, const recs_str_t *event,
    uint32_t npool, recs_draw_t *draw, const uint8_t *eligible,
    const uint32_t *placed, unsigned nplaced)
{
    unsigned  i, m, panel[RECS_EXPLORE_PANEL_MAX];
    uint64_t  h;

    draw->pool_size = npool - nplaced;
    draw->eligible = 0;
    m = 0;

    for (i = 0; i < draw->norder && m < ex->panel; i++) {

        if (recs_explore_placed(draw->order[i], placed, nplaced)) {
            continue;
        }

        m++;

        if (eligible[i]) {
            panel[draw->eligible++] = i;
        }
    }

    draw->panel_size = m;

    if (draw->eligible == 0) {
        return 0;
    }

    h = recs_hash_int(recs_explore_domain(ex, "draw"), draw->slot);
    h = recs_hash_str(h, event);

    draw->drawn = panel[recs_hash_uniform(h, 0, draw->eligible)];
    draw->choice = 1.0 / draw->eligible;
    draw->p = draw->choice * draw->panel_size / draw->pool_size;

    return 1;
}
