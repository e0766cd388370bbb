
/*
 * Gates, panels and draws: see recs_explore.h.  What is drawn depends on the
 * inputs alone.  tools/replay-exposure draws again in the same way: who changes
 * how something is drawn here changes it there.
 */


#include "recs_explore.h"
#include "recs_hash.h"


static recs_rc_e recs_explore_plan_slot(const recs_mem_t *mem,
    const recs_str_t *event, recs_draw_t *draw, unsigned before);
static const recs_category_t *recs_explore_category(const recs_draw_t *draw,
    const recs_str_t *event);
static recs_rc_e recs_explore_shuffle(const recs_mem_t *mem, uint64_t h,
    uint32_t npool, unsigned n, uint32_t *order);
static void recs_explore_panel(recs_draw_t *draw, const uint32_t *placed,
    unsigned nplaced);
static void recs_explore_uniform(recs_draw_t *draw, uint64_t h);
static void recs_explore_weighted(recs_draw_t *draw, uint64_t h);


/* The hash that all random numbers of a domain of the policy go on from. */

static uint64_t
recs_explore_domain(const recs_explore_t *policy, const char *domain)
{
    recs_str_t  s;

    s.data = (const uint8_t *) domain;
    s.len = strlen(domain);

    return recs_hash_str(recs_hash_str(0, &policy->salt), &s);
}


/* The same for one slot and one page view. */

static uint64_t
recs_explore_hash(const recs_draw_t *draw, const char *domain,
    const recs_str_t *event)
{
    uint64_t  h;

    h = recs_explore_domain(draw->line->policy, domain);

    return recs_hash_str(recs_hash_int(h, draw->slot), event);
}


int
recs_explore_gate(const recs_explore_t *policy, const recs_str_t *key)
{
    uint64_t  h;

    if (policy->rate >= 1) {
        return 1;
    }

    h = recs_hash_str(recs_explore_domain(policy, "gate"), key);

    return h < (uint64_t) (policy->rate * 18446744073709551616.0);
}


/* Notes that the page will show one more item of the category of that name. */

static void
recs_explore_shows(const recs_line_t *line, const recs_str_t *name)
{
    uint32_t  number;

    if (line->shows) {
        number = recs_choices_category(line->pool, name);

        if (number != RECS_CATEGORY_NONE) {
            line->shows[number]++;
        }
    }
}


recs_rc_e
recs_explore_plan(const recs_mem_t *mem, const recs_line_t *lines,
    unsigned nlines, const recs_str_t *event, recs_draw_t **draws,
    unsigned *ndraws)
{
    unsigned      i, k, n, s, slot, before;
    recs_draw_t  *draw;

    n = 0;

    for (i = 0; i < nlines; i++) {
        n += lines[i].policy->nslots;
    }

    *ndraws = n;
    *draws = recs_alloc(mem, n * sizeof(recs_draw_t) + 1);

    if (*draws == NULL) {
        return RECS_NOMEM;
    }

    memset(*draws, 0, n * sizeof(recs_draw_t));

    /* the draws are sorted by their slots, by insertion: they are few */

    n = 0;

    for (i = 0; i < nlines; i++) {
        for (s = 0; s < lines[i].policy->nslots; s++) {
            slot = lines[i].policy->slots[s];

            for (k = n++; k > 0 && (*draws)[k - 1].slot > slot; k--) {
                (*draws)[k] = (*draws)[k - 1];
            }

            (*draws)[k].line = &lines[i];
            (*draws)[k].slot = slot;
        }
    }

    for (i = 0; i < n; i++) {
        draw = &(*draws)[i];
        before = 0;

        for (k = 0; k < i; k++) {
            before += (*draws)[k].line->pool == draw->line->pool;
        }

        if (draw->line->policy->method == RECS_DIVERSE) {
            draw->category = recs_explore_category(draw, event);
        }

        if (draw->category) {
            for (k = 0; k < nlines; k++) {
                recs_explore_shows(&lines[k], &draw->category->name);
            }
        }

        if (recs_explore_plan_slot(mem, event, draw, before) != RECS_OK) {
            return RECS_NOMEM;
        }
    }

    return RECS_OK;
}


/*
 * Plans the draw of one slot; before: how many earlier slots may place an item
 * of the same pool.
 */

static recs_rc_e
recs_explore_plan_slot(const recs_mem_t *mem, const recs_str_t *event,
    recs_draw_t *draw, unsigned before)
{
    unsigned   i, n;
    uint8_t   *marks;
    uint64_t   h;
    uint32_t   npool;
    const recs_choices_t  *pool;

    pool = draw->line->pool;
    npool = draw->category ? draw->category->n : pool->n;

    /* the panel, and an item more for each that an earlier slot may place */

    n = draw->line->policy->panel + before;

    if (n > npool) {
        n = npool;
    }

    draw->norder = n;
    draw->order = recs_alloc(mem, n * sizeof(uint32_t) + 1);
    marks = recs_alloc(mem, 3 * n + 1);

    if (draw->order == NULL || marks == NULL) {
        return RECS_NOMEM;
    }

    draw->eligible = marks;
    draw->panel = marks + n;
    draw->refused = marks + 2 * n;

    h = recs_explore_hash(draw, "panel", event);

    if (recs_explore_shuffle(mem, h, npool, n, draw->order) != RECS_OK) {
        return RECS_NOMEM;
    }

    for (i = 0; draw->category && i < n; i++) {
        draw->order[i] = pool->members[draw->category->first
                                       + draw->order[i]];
    }

    return RECS_OK;
}


/*
 * The category of the pool that the page shows least, of several that with the
 * lowest hash; NULL: the pool has no categories.
 */

static const recs_category_t *
recs_explore_category(const recs_draw_t *draw, const recs_str_t *event)
{
    uint32_t               i, least;
    uint64_t               h, rank, lowest;
    const recs_line_t     *line;
    const recs_choices_t  *pool;

    line = draw->line;
    pool = line->pool;

    if (pool->ncategories == 0) {
        return NULL;
    }

    h = recs_explore_hash(draw, "category", event);
    least = 0;
    lowest = 0;

    for (i = 0; i < pool->ncategories; i++) {

        if (i && line->shows[i] > line->shows[least]) {
            continue;
        }

        rank = recs_hash_str(h, &pool->categories[i].name);

        if (i == 0 || line->shows[i] < line->shows[least] || rank < lowest) {
            least = i;
            lowest = rank;
        }
    }

    return &pool->categories[least];
}


/*
 * The first n numbers of a random permutation of [0, npool), into order: n
 * steps of Fisher and Yates' shuffle (Durstenfeld, "Algorithm 235: Random
 * permutation", 1964).  Of the array that is shuffled only those places are in
 * memory that a step has changed, so that a large pool costs no more.
 */

static recs_rc_e
recs_explore_shuffle(const recs_mem_t *mem, uint64_t h, uint32_t npool,
    unsigned n, uint32_t *order)
{
    unsigned   i, k;
    uint32_t   j, here, *at, *moved;

    /* step k took the number at the place at[k], and left moved[k] there */

    at = recs_alloc(mem, 2 * n * sizeof(uint32_t) + 1);
    if (at == NULL) {
        return RECS_NOMEM;
    }

    moved = at + n;

    for (i = 0; i < n; i++) {
        j = i + (uint32_t) recs_hash_uniform(h, i, npool - i);

        order[i] = j;
        here = i;

        /* of several steps that took from one place the last counts */

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


int
recs_explore_draw(recs_draw_t *draw, const recs_str_t *event,
    const uint32_t *placed, unsigned nplaced)
{
    uint64_t  h;

    recs_explore_panel(draw, placed, nplaced);

    if (draw->neligible == 0) {
        return 0;
    }

    h = recs_explore_hash(draw, "draw", event);

    if (draw->line->policy->method == RECS_WEIGHTED
        && draw->line->pool->weights)
    {
        recs_explore_weighted(draw, h);

    } else {
        recs_explore_uniform(draw, h);
    }

    draw->p = draw->choice * draw->panel_size / draw->pool_size;

    return 1;
}


/* Is the item one of those that earlier slots placed? */

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


/*
 * Makes the panel of the first items of the order that were not placed, and
 * finds m, N, k and who was refused.  An item of weight 0 is never drawn.
 */

static void
recs_explore_panel(recs_draw_t *draw, const uint32_t *placed,
    unsigned nplaced)
{
    unsigned               i, m;
    uint32_t               number;
    const double          *weights;
    const recs_choices_t  *pool;

    pool = draw->line->pool;
    weights = draw->line->policy->method == RECS_WEIGHTED ? pool->weights
                                                          : NULL;
    draw->pool_size = draw->category ? draw->category->n : pool->n;
    draw->neligible = 0;

    for (i = 0; i < nplaced; i++) {
        number = draw->category ? pool->category[placed[i]] : 0;

        if (draw->category == NULL
            || draw->category == &pool->categories[number])
        {
            draw->pool_size--;
        }
    }

    m = 0;

    for (i = 0; i < draw->norder && m < draw->line->policy->panel; i++) {

        if (recs_explore_placed(draw->order[i], placed, nplaced)) {
            continue;
        }

        draw->refused[m] = !draw->eligible[i]
                           || (weights && weights[draw->order[i]] == 0);
        draw->neligible += !draw->refused[m];
        draw->panel[m++] = (uint8_t) i;
    }

    draw->panel_size = m;
}


/* Draws one of the eligible items of the panel, each alike probable. */

static void
recs_explore_uniform(recs_draw_t *draw, uint64_t h)
{
    unsigned  i, left;

    left = (unsigned) recs_hash_uniform(h, 0, draw->neligible);

    for (i = 0; draw->refused[i] || left-- > 0; i++) { /* void */ }

    draw->drawn = draw->panel[i];
    draw->choice = 1.0 / draw->neligible;
}


/*
 * Draws one of the eligible items of the panel by its weight: the first at
 * which the running sum of weights exceeds x, a random number in [0, their
 * sum); the last one, should rounding bring x up to the sum.
 */

static void
recs_explore_weighted(recs_draw_t *draw, uint64_t h)
{
    double         x, w, sum, running;
    unsigned       i;
    const double  *weights;

    weights = draw->line->pool->weights;
    sum = 0;

    for (i = 0; i < draw->panel_size; i++) {
        if (!draw->refused[i]) {
            sum += weights[draw->order[draw->panel[i]]];
        }
    }

    x = (double) (recs_hash_int(h, 0) >> 11) / 9007199254740992.0 * sum;
    running = 0;

    for (i = 0; i < draw->panel_size; i++) {

        if (draw->refused[i]) {
            continue;
        }

        w = weights[draw->order[draw->panel[i]]];
        running += w;

        draw->drawn = draw->panel[i];
        draw->choice = w / sum;

        if (x < running) {
            return;
        }
    }
}
