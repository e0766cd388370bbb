
#include "recs_put.h"
#include "recs_idset.h"


/* A shelf as it will be shown: candidates that stay, and what is put in. */

typedef enum {
    RECS_CANDIDATE = 0,
    RECS_BACKFILL,
    RECS_EXPLORE
} recs_origin_e;


typedef struct {
    recs_origin_e         origin;
    uint32_t              item;     /* in the page's items, in backfill, or in
                                       the pool */
    const recs_draw_t    *draw;     /* RECS_EXPLORE */
} recs_entry_t;


typedef struct {
    recs_entry_t         *entries;
    size_t                n;
} recs_display_t;


/* What putting items in needs to know of the whole page. */

typedef struct {
    const recs_page_t    *page;
    const recs_policy_t  *policy;
    recs_decision_t      *decision;
    recs_idset_t          shown;    /* ids on the page */
    recs_display_t        first;    /* the first shelf */
    recs_display_t        other;    /* another, one at a time */
    size_t                next;     /* of backfill: not tried yet */
    size_t                asked;    /* number of the next draw's first id */
    size_t                asked_backfill;   /* and of the first of backfill */
} recs_put_t;


/*
 * May an item be shown, whose id was asked as number asked?  Only a definite
 * answer counts.  forms: of the items among which this one is.
 */

static int
recs_put_eligible(const recs_put_t *put, const uint8_t *forms, size_t item,
    size_t asked)
{
    size_t                k;
    const recs_rule_t    *rule;
    const recs_policy_t  *policy;

    policy = put->policy;

    if (forms && !(forms[item] & recs_format_bit(put->page->format))) {
        return 0;
    }

    for (k = 0; k < policy->nrules; k++) {
        rule = &policy->rules[k];

        if (rule->answers[asked] != (rule->exclude ? RECS_OUT : RECS_IN)) {
            return 0;
        }
    }

    return 1;
}


static recs_rc_e
recs_put_init(const recs_mem_t *mem, recs_put_t *put, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d)
{
    size_t    i, longest, extra;
    unsigned  s;

    put->page = page;
    put->policy = policy;
    put->decision = d;
    put->next = 0;
    put->asked = page->nitems - d->unidentified;
    put->asked_backfill = put->asked;

    for (s = 0; s < policy->ndraws; s++) {
        put->asked_backfill += policy->draws[s].norder;
    }

    extra = policy->ndraws + policy->nbackfill;
    longest = 0;

    for (i = 0; i < page->nshelves; i++) {
        if (page->shelves[i].nitems > longest) {
            longest = page->shelves[i].nitems;
        }
    }

    longest += extra + 1;

    put->first.entries = recs_alloc(mem, 2 * longest * sizeof(recs_entry_t));
    d->inserts = recs_alloc(mem, (extra + 1) * sizeof(recs_insert_t));

    if (put->first.entries == NULL || d->inserts == NULL
        || recs_idset_init(&put->shown, mem, d->kept + extra, policy->seed)
           != RECS_OK)
    {
        return RECS_NOMEM;
    }

    put->other.entries = put->first.entries + longest;

    for (i = 0; i < page->nitems; i++) {
        if (d->verdicts[i].fate == RECS_KEPT && page->items[i].id.data) {
            (void) recs_idset_add(&put->shown, &page->items[i].id);
        }
    }

    return RECS_OK;
}


/* The shelf's candidates that stay. */

static void
recs_put_candidates(recs_put_t *put, recs_display_t *display,
    const recs_shelf_t *shelf)
{
    size_t         i, end;
    recs_entry_t  *entry;

    display->n = 0;
    end = shelf->first + shelf->nitems;

    for (i = shelf->first; i < end; i++) {

        if (put->decision->verdicts[i].fate == RECS_KEPT) {
            entry = &display->entries[display->n++];
            entry->origin = RECS_CANDIDATE;
            entry->item = (uint32_t) i;
        }
    }
}


/* And what it takes to fill it up. */

static void
recs_put_backfill(recs_put_t *put, recs_display_t *display)
{
    size_t                i;
    recs_entry_t         *entry;
    const recs_policy_t  *policy;

    policy = put->policy;

    while (display->n < policy->min && put->next < policy->nbackfill) {
        i = put->next++;

        if (recs_put_eligible(put, policy->backfill_forms, i,
                              put->asked_backfill + i)
            && recs_idset_add(&put->shown, &policy->backfill[i]))
        {
            entry = &display->entries[display->n++];
            entry->origin = RECS_BACKFILL;
            entry->item = (uint32_t) i;
        }
    }
}


/* Puts what was drawn at its slot. */

static void
recs_put_at(recs_display_t *display, const recs_draw_t *draw)
{
    recs_entry_t  *entry;

    entry = &display->entries[draw->slot - 1];

    memmove(entry + 1, entry,
            (display->n - (draw->slot - 1)) * sizeof(recs_entry_t));

    entry->origin = RECS_EXPLORE;
    entry->item = draw->order[draw->drawn];
    entry->draw = draw;

    display->n++;
}


/* The last of the shelf that exploration did not put there goes. */

static void
recs_put_displace(recs_display_t *display, recs_decision_t *d)
{
    size_t         i;
    recs_entry_t  *entry;

    for (i = display->n; i > 0; i--) {
        if (display->entries[i - 1].origin != RECS_EXPLORE) {
            break;
        }
    }

    if (i == 0) {
        return;
    }

    entry = &display->entries[i - 1];

    if (entry->origin == RECS_CANDIDATE) {
        d->verdicts[entry->item].fate = RECS_DISPLACED;
        d->cut++;
        d->kept--;
    }

    memmove(entry, entry + 1, (display->n - i) * sizeof(recs_entry_t));
    display->n--;
}


/* Which of the draw's items may be shown. */

static void
recs_put_ask(recs_put_t *put, recs_draw_t *draw)
{
    unsigned               i;
    uint32_t               item;
    const recs_choices_t  *pool;

    pool = draw->line->pool;

    for (i = 0; i < draw->norder; i++) {
        item = draw->order[i];

        draw->eligible[i] = recs_put_eligible(put, pool->forms, item,
                                              put->asked++)
                            && !(draw->capped && draw->capped[i])
                            && !recs_idset_has(&put->shown, &pool->ids[item]);
    }
}


/* What earlier ones drew from the draw's pool. */

static unsigned
recs_put_placed(const recs_put_t *put, const recs_draw_t *draw,
    uint32_t *placed)
{
    unsigned            n;
    const recs_draw_t  *earlier;

    n = 0;

    for (earlier = put->policy->draws; earlier < draw; earlier++) {
        if (earlier->neligible && earlier->line->pool == draw->line->pool) {
            placed[n++] = earlier->order[earlier->drawn];
        }
    }

    return n;
}


/*
 * How long the first shelf may become before exploration costs candidates
 * their places: up to the limit, or without one as long as it came.  What
 * filled it up beyond that stays as many.
 */

static size_t
recs_put_room(const recs_put_t *put, const recs_display_t *display)
{
    size_t  room;

    room = put->policy->limit ? put->policy->limit
                              : put->page->shelves[0].nitems;

    return display->n > room ? display->n : room;
}


static void
recs_put_explore(recs_put_t *put, recs_display_t *display)
{
    size_t                room;
    uint32_t              placed[RECS_EXPLORE_SLOTS_MAX], item;
    unsigned              s, n;
    recs_draw_t          *draw;
    const recs_policy_t  *policy;

    policy = put->policy;
    room = recs_put_room(put, display);

    for (s = 0; s < policy->ndraws; s++) {
        draw = &policy->draws[s];

        recs_put_ask(put, draw);

        if (draw->slot > display->n + 1) {
            draw->skipped = 1;
            put->decision->skipped++;
            continue;
        }

        n = recs_put_placed(put, draw, placed);

        if (!recs_explore_draw(draw, &policy->event, placed, n)) {
            put->decision->unfilled++;
            continue;
        }

        item = draw->order[draw->drawn];
        (void) recs_idset_add(&put->shown, &draw->line->pool->ids[item]);

        recs_put_at(display, draw);

        if (display->n > room) {
            recs_put_displace(display, put->decision);
        }
    }
}


/* Notes what was put on the shelf, and before which candidates. */

static void
recs_put_note(recs_put_t *put, const recs_display_t *display, size_t shelf)
{
    size_t            i, first;
    recs_entry_t     *entry;
    recs_insert_t    *insert;
    recs_decision_t  *d;

    d = put->decision;
    first = d->ninserts;

    for (i = 0; i < display->n; i++) {
        entry = &display->entries[i];

        if (entry->origin == RECS_CANDIDATE) {

            for ( /* void */ ; first < d->ninserts; first++) {
                d->inserts[first].before = entry->item;
            }

            continue;
        }

        insert = &d->inserts[d->ninserts++];
        insert->draw = entry->origin == RECS_EXPLORE ? entry->draw : NULL;
        insert->item = entry->item;
        insert->shelf = shelf;
        insert->before = put->page->nitems;

        if (insert->draw) {
            d->explored++;

        } else {
            d->backfilled++;
        }
    }
}


recs_rc_e
recs_put(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d)
{
    size_t      i;
    recs_put_t  put;

    if (recs_put_init(mem, &put, page, policy, d) != RECS_OK) {
        return RECS_NOMEM;
    }

    recs_put_candidates(&put, &put.first, &page->shelves[0]);
    recs_put_backfill(&put, &put.first);

    for (i = 1; policy->min && i < page->nshelves; i++) {
        recs_put_candidates(&put, &put.other, &page->shelves[i]);
        recs_put_backfill(&put, &put.other);
        recs_put_note(&put, &put.other, i);
    }

    /* what exploration draws depends on all that the page shows */

    if (policy->ndraws) {
        recs_put_explore(&put, &put.first);
    }

    recs_put_note(&put, &put.first, 0);

    return RECS_OK;
}
