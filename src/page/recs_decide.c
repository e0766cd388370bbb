
/*
 * What goes and what stays: sets come first, then repeated items, then the
 * limit; what is inserted is decided last, in recs_insert.c.
 */


#include "recs_decide.h"
#include "recs_idset.h"
#include "recs_insert.h"


static void recs_decide_filter(const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d);
static recs_rc_e recs_decide_distinct(const recs_mem_t *mem,
    const recs_page_t *page, const recs_policy_t *policy, recs_decision_t *d);
static void recs_decide_limit(const recs_page_t *page, size_t limit,
    recs_decision_t *d);


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

    if ((policy->ndraws || policy->min) && page->nshelves) {
        return recs_insert_items(mem, page, policy, d);
    }

    return RECS_OK;
}


/*
 * Takes out candidates that a set refuses, each by the first rule that does,
 * and those without a usable id, if they have to go.
 */

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

            if (policy->drop_unidentified) {
                d->verdicts[i].fate = RECS_UNIDENTIFIED;
                d->removed++;
                d->kept--;
            }

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


/* Takes out candidates whose id a candidate before them has, on any shelf. */

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
        d->repeated++;
        d->removed++;
        d->kept--;
    }

    return RECS_OK;
}


/* Cuts each shelf off after the first limit candidates that stay. */

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
