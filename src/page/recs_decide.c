
#include "recs_decide.h"
#include "recs_idset.h"


static void recs_decide_filter(const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d);
static recs_rc_e recs_decide_distinct(const recs_mem_t *mem,
    const recs_page_t *page, const recs_policy_t *policy, recs_decision_t *d);
static void recs_decide_limit(const recs_page_t *page, size_t limit,
    recs_decision_t *d);
static recs_rc_e recs_decide_explore(const recs_mem_t *mem,
    const recs_page_t *page, const recs_policy_t *policy, recs_decision_t *d);


recs_rc_e
recs_decide(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d)
{
    memset(d, 0, sizeof(recs_decision_t));

    d->total = page->nitems;
    d->kept = page->nitems;

    d->verdicts = recs_alloc(mem, page->nitems * sizeof(recs_verdict_t) + 1);
    d->removed_by = recs_alloc(mem, policy->nrules * sizeof(size_t) + 1);

    if (d->verdicts == NULL || d->removed_by == NULL) {
        return RECS_NOMEM;
    }

    memset(d->verdicts, 0, page->nitems * sizeof(recs_verdict_t));
    memset(d->removed_by, 0, policy->nrules * sizeof(size_t));

    recs_decide_filter(page, policy, d);

    if (policy->distinct
        && recs_decide_distinct(mem, page, policy, d) != RECS_OK)
    {
        return RECS_NOMEM;
    }

    if (policy->limit) {
        recs_decide_limit(page, policy->limit, d);
    }

    if (policy->explore) {
        return recs_decide_explore(mem, page, policy, d);
    }

    return RECS_OK;
}


static void
recs_decide_filter(const recs_page_t *page, const recs_policy_t *policy,
    recs_decision_t *d)
{
    size_t              i, k, asked;
    uint8_t             answer;
    const recs_rule_t  *rule;

    asked = 0;

    for (i = 0; i < page->nitems; i++) {

        if (page->items[i].id.data == NULL) {
            d->unidentified++;
            continue;
        }

        for (k = 0; k < policy->nrules; k++) {
            rule = &policy->rules[k];
            answer = rule->answers[asked];

            if (answer == RECS_UNKNOWN ? rule->drop_unknown
                                       : (answer == RECS_IN) == rule->exclude)
            {
                d->verdicts[i].fate = RECS_REFUSED;
                d->verdicts[i].rule = (uint8_t) k;
                d->removed_by[k]++;
                d->removed++;
                d->kept--;
                break;
            }
        }

        asked++;
    }
}


static recs_rc_e
recs_decide_distinct(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d)
{
    size_t        i;
    recs_idset_t  seen;

    if (recs_idset_init(&seen, mem, d->kept, policy->seed) != RECS_OK) {
        return RECS_NOMEM;
    }

    for (i = 0; i < page->nitems; i++) {

        if (d->verdicts[i].fate != RECS_KEPT || page->items[i].id.data == NULL
            || recs_idset_add(&seen, &page->items[i].id))
        {
            continue;
        }

        d->verdicts[i].fate = RECS_REPEATED;
        d->removed++;
        d->kept--;
    }

    return RECS_OK;
}


static void
recs_decide_limit(const recs_page_t *page, size_t limit, recs_decision_t *d)
{
    size_t                i, k, n;
    const recs_shelf_t   *shelf;

    for (k = 0; k < page->nshelves; k++) {
        shelf = &page->shelves[k];
        n = 0;

        for (i = shelf->first; i < shelf->first + shelf->nitems; i++) {

            if (d->verdicts[i].fate == RECS_KEPT && ++n > limit) {
                d->verdicts[i].fate = RECS_CUT;
                d->cut++;
                d->kept--;
            }
        }
    }
}


/* The first shelf while exploration items are put on it. */

typedef struct {
    size_t           *kept;         /* candidates on it, in order */
    size_t            nkept;
    size_t            length;       /* with those put on it; before: nkept */
    size_t            before;       /* its length before exploration */
    uint32_t         *placed;       /* indices in the pool */
} recs_display_t;


/*
 * May the pool's item be shown, whose id was asked as number asked?  Only a
 * definite answer counts.
 */

static int
recs_decide_eligible(const recs_policy_t *policy, size_t asked)
{
    size_t              k;
    const recs_rule_t  *rule;

    for (k = 0; k < policy->nrules; k++) {
        rule = &policy->rules[k];

        if (rule->answers[asked] != (rule->exclude ? RECS_OUT : RECS_IN)) {
            return 0;
        }
    }

    return 1;
}


static recs_rc_e
recs_decide_shown(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, const recs_decision_t *d, recs_idset_t *shown)
{
    size_t  i;

    if (recs_idset_init(shown, mem, d->kept, policy->seed) != RECS_OK) {
        return RECS_NOMEM;
    }

    for (i = 0; i < page->nitems; i++) {
        if (d->verdicts[i].fate == RECS_KEPT && page->items[i].id.data) {
            (void) recs_idset_add(shown, &page->items[i].id);
        }
    }

    return RECS_OK;
}


static recs_rc_e
recs_decide_display(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d, recs_display_t *display)
{
    size_t               i;
    unsigned             nslots;
    const recs_shelf_t  *shelf;

    shelf = &page->shelves[0];
    nslots = policy->explore->nslots;

    display->kept = recs_alloc(mem, (shelf->nitems + 1) * sizeof(size_t));
    display->placed = recs_alloc(mem, (nslots + 1) * sizeof(uint32_t));
    d->inserts = recs_alloc(mem, (nslots + 1) * sizeof(recs_insert_t));

    if (display->kept == NULL || display->placed == NULL || d->inserts == NULL)
    {
        return RECS_NOMEM;
    }

    display->nkept = 0;

    for (i = shelf->first; i < shelf->first + shelf->nitems; i++) {
        if (d->verdicts[i].fate == RECS_KEPT) {
            display->kept[display->nkept++] = i;
        }
    }

    display->before = display->nkept;
    display->length = display->nkept;

    return RECS_OK;
}


/* Puts what was drawn at its slot; the shelf's last candidate may go for it. */

static void
recs_decide_place(const recs_page_t *page, const recs_draw_t *draw,
    recs_display_t *display, recs_decision_t *d)
{
    size_t          k;
    recs_insert_t  *insert;

    /* slots ascend, so that all inserts so far stand before this one */

    k = draw->slot - 1 - d->ninserts;

    insert = &d->inserts[d->ninserts];
    insert->draw = draw;
    insert->item = draw->order[draw->drawn];
    insert->before = k < display->nkept ? display->kept[k] : page->nitems;

    display->placed[d->ninserts++] = insert->item;
    display->length++;

    if (display->length > display->before && display->nkept) {
        k = display->kept[--display->nkept];
        display->length--;

        d->verdicts[k].fate = RECS_DISPLACED;
        d->cut++;
        d->kept--;

        for (k = 0; k < d->ninserts; k++) {
            if (d->inserts[k].before == display->kept[display->nkept]) {
                d->inserts[k].before = page->nitems;
            }
        }
    }
}


static recs_rc_e
recs_decide_explore(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d)
{
    size_t           asked;
    uint8_t          eligible[RECS_EXPLORE_PANEL_MAX + RECS_EXPLORE_SLOTS_MAX];
    unsigned         i, s;
    recs_draw_t     *draw;
    recs_idset_t     shown;
    recs_display_t   display;

    if (page->nshelves == 0) {
        return RECS_OK;
    }

    if (recs_decide_shown(mem, page, policy, d, &shown) != RECS_OK
        || recs_decide_display(mem, page, policy, d, &display) != RECS_OK)
    {
        return RECS_NOMEM;
    }

    asked = page->nitems - d->unidentified;

    for (s = 0; s < policy->explore->nslots; s++) {
        draw = &policy->draws[s];

        for (i = 0; i < draw->norder; i++) {
            eligible[i] = recs_decide_eligible(policy, asked++)
                          && !recs_idset_has(&shown,
                                             &policy->pool[draw->order[i]]);
        }

        if (draw->slot > display.length + 1) {
            d->skipped++;
            continue;
        }

        if (!recs_explore_draw(policy->explore, &policy->event, policy->npool,
                               draw, eligible, display.placed,
                               (unsigned) d->ninserts))
        {
            d->unfilled++;
            continue;
        }

        recs_decide_place(page, draw, &display, d);
    }

    return RECS_OK;
}
