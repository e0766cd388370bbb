
/* Which items are inserted, and where: see recs_insert.h. */


#include "recs_insert.h"
#include "recs_idset.h"


/*
 * A shelf as it will be shown has places: of candidates that stay, and of items
 * that are inserted.
 */

typedef enum {
    RECS_CANDIDATE = 0,
    RECS_BACKFILL,
    RECS_EXPLORE
} recs_origin_e;


typedef struct {
    recs_origin_e         origin;
    uint32_t              item;     /* its number in the page's items, in
                                       backfill, or in the draw's pool */
    const recs_draw_t    *draw;     /* RECS_EXPLORE: that drew it */
} recs_place_t;


/* A shelf as it will be shown. */

typedef struct {
    recs_place_t         *places;
    size_t                n;
} recs_display_t;


/* What inserting items needs to know of the whole page. */

typedef struct {
    const recs_page_t    *page;
    const recs_policy_t  *policy;
    recs_decision_t      *decision;
    recs_idset_t          shown;    /* ids that the page will show */
    recs_display_t        first;    /* the first shelf */
    recs_display_t        other;    /* another shelf, one at a time */
    size_t                next;     /* number in backfill of the next id to
                                       try */

    /* numbers among the ids that the sets were asked about (recs_decide.h) */

    size_t                asked;    /* of the next id of a draw */
    size_t                asked_backfill;   /* of the first id of backfill */
} recs_inserting_t;


/*
 * May an item be inserted whose id is number asked among those that the sets
 * were asked about?  Each set must have given a definite answer.  forms: those
 * of the pool or backfill in which this is number item.
 */

static int
recs_insert_eligible(const recs_inserting_t *in, const uint8_t *forms,
    size_t item, size_t asked)
{
    size_t                k;
    const recs_rule_t    *rule;
    const recs_policy_t  *policy;

    policy = in->policy;

    if (forms && !(forms[item] & recs_format_bit(in->page->format))) {
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


/* Makes room for what follows, and notes which ids the page shows now. */

static recs_rc_e
recs_insert_init(const recs_mem_t *mem, recs_inserting_t *in,
    const recs_page_t *page, const recs_policy_t *policy, recs_decision_t *d)
{
    size_t    i, longest, extra;
    unsigned  s;

    in->page = page;
    in->policy = policy;
    in->decision = d;
    in->next = 0;
    in->asked = page->nitems - d->unidentified;
    in->asked_backfill = in->asked;

    for (s = 0; s < policy->ndraws; s++) {
        in->asked_backfill += policy->draws[s].norder;
    }

    extra = policy->ndraws + policy->nbackfill;
    longest = 0;

    for (i = 0; i < page->nshelves; i++) {
        if (page->shelves[i].nitems > longest) {
            longest = page->shelves[i].nitems;
        }
    }

    longest += extra + 1;

    in->first.places = recs_alloc(mem, 2 * longest * sizeof(recs_place_t));
    d->inserts = recs_alloc(mem, (extra + 1) * sizeof(recs_insert_t));

    if (in->first.places == NULL || d->inserts == NULL
        || recs_idset_init(&in->shown, mem, d->kept + extra, policy->seed)
           != RECS_OK)
    {
        return RECS_NOMEM;
    }

    in->other.places = in->first.places + longest;

    for (i = 0; i < page->nitems; i++) {
        if (d->verdicts[i].fate == RECS_KEPT && page->items[i].id.data) {
            (void) recs_idset_add(&in->shown, &page->items[i].id);
        }
    }

    return RECS_OK;
}


/* Gives the shelf's candidates that stay their places. */

static void
recs_insert_candidates(recs_inserting_t *in, recs_display_t *display,
    const recs_shelf_t *shelf)
{
    size_t         i, end;
    recs_place_t  *place;

    display->n = 0;
    end = shelf->first + shelf->nitems;

    for (i = shelf->first; i < end; i++) {

        if (in->decision->verdicts[i].fate == RECS_KEPT) {
            place = &display->places[display->n++];
            place->origin = RECS_CANDIDATE;
            place->item = (uint32_t) i;
        }
    }
}


/* Fills the shelf up to policy->min, with eligible ids of backfill. */

static void
recs_insert_backfill(recs_inserting_t *in, recs_display_t *display)
{
    size_t                i;
    recs_place_t         *place;
    const recs_policy_t  *policy;

    policy = in->policy;

    while (display->n < policy->min && in->next < policy->nbackfill) {
        i = in->next++;

        if (recs_insert_eligible(in, policy->backfill_forms, i,
                                 in->asked_backfill + i)
            && recs_idset_add(&in->shown, &policy->backfill[i]))
        {
            place = &display->places[display->n++];
            place->origin = RECS_BACKFILL;
            place->item = (uint32_t) i;
        }
    }
}


/* Inserts what was drawn at the place of its slot. */

static void
recs_insert_at(recs_display_t *display, const recs_draw_t *draw)
{
    recs_place_t  *place;

    place = &display->places[draw->slot - 1];

    memmove(place + 1, place,
            (display->n - (draw->slot - 1)) * sizeof(recs_place_t));

    place->origin = RECS_EXPLORE;
    place->item = draw->order[draw->drawn];
    place->draw = draw;

    display->n++;
}


/* Takes the last item of the shelf away that is not of exploration. */

static void
recs_insert_displace(recs_display_t *display, recs_decision_t *d)
{
    size_t         i;
    recs_place_t  *place;

    for (i = display->n; i > 0; i--) {
        if (display->places[i - 1].origin != RECS_EXPLORE) {
            break;
        }
    }

    if (i == 0) {
        return;
    }

    place = &display->places[i - 1];

    if (place->origin == RECS_CANDIDATE) {
        d->verdicts[place->item].fate = RECS_DISPLACED;
        d->cut++;
        d->kept--;
    }

    memmove(place, place + 1, (display->n - i) * sizeof(recs_place_t));
    display->n--;
}


/* Fills in draw->eligible, of the sets' answers, the caps and the page. */

static void
recs_insert_ask(recs_inserting_t *in, recs_draw_t *draw)
{
    unsigned               i;
    uint32_t               item;
    const recs_choices_t  *pool;

    pool = draw->line->pool;

    for (i = 0; i < draw->norder; i++) {
        item = draw->order[i];

        draw->eligible[i] = recs_insert_eligible(in, pool->forms, item,
                                                 in->asked++)
                            && !(draw->capped && draw->capped[i])
                            && !recs_idset_has(&in->shown, &pool->ids[item]);
    }
}


/* Lists what earlier draws took from this one's pool; returns how many. */

static unsigned
recs_insert_placed(const recs_inserting_t *in, const recs_draw_t *draw,
    uint32_t *placed)
{
    unsigned            n;
    const recs_draw_t  *earlier;

    n = 0;

    for (earlier = in->policy->draws; earlier < draw; earlier++) {
        if (earlier->neligible && earlier->line->pool == draw->line->pool) {
            placed[n++] = earlier->order[earlier->drawn];
        }
    }

    return n;
}


/*
 * Returns how long the first shelf may become before exploration costs
 * candidates their places: up to the limit, or without one as long as it came.
 * If backfill made it longer than that, it stays as long.
 */

static size_t
recs_insert_room(const recs_inserting_t *in, const recs_display_t *display)
{
    size_t  room;

    room = in->policy->limit ? in->policy->limit
                             : in->page->shelves[0].nitems;

    return display->n > room ? display->n : room;
}


/*
 * Draws for each slot, in ascending order, and inserts what was drawn.  A slot
 * that the shelf is too short for, even with an item more, is skipped.
 */

static void
recs_insert_explore(recs_inserting_t *in, recs_display_t *display)
{
    size_t                room;
    uint32_t              placed[RECS_EXPLORE_SLOTS_MAX], item;
    unsigned              s, n;
    recs_draw_t          *draw;
    const recs_policy_t  *policy;

    policy = in->policy;
    room = recs_insert_room(in, display);

    for (s = 0; s < policy->ndraws; s++) {
        draw = &policy->draws[s];

        recs_insert_ask(in, draw);

        if (draw->slot > display->n + 1) {
            draw->skipped = 1;
            in->decision->skipped++;
            continue;
        }

        n = recs_insert_placed(in, draw, placed);

        if (!recs_explore_draw(draw, &policy->event, placed, n)) {
            in->decision->unfilled++;
            continue;
        }

        item = draw->order[draw->drawn];
        (void) recs_idset_add(&in->shown, &draw->line->pool->ids[item]);

        recs_insert_at(display, draw);

        if (display->n > room) {
            recs_insert_displace(display, in->decision);
        }
    }
}


/* Adds what was inserted on the shelf to the decision's inserts. */

static void
recs_insert_note(recs_inserting_t *in, const recs_display_t *display,
    size_t shelf)
{
    size_t            i, first;
    recs_place_t     *place;
    recs_insert_t    *insert;
    recs_decision_t  *d;

    d = in->decision;
    first = d->ninserts;

    for (i = 0; i < display->n; i++) {
        place = &display->places[i];

        if (place->origin == RECS_CANDIDATE) {

            for ( /* void */ ; first < d->ninserts; first++) {
                d->inserts[first].before = place->item;
            }

            continue;
        }

        insert = &d->inserts[d->ninserts++];
        insert->draw = place->origin == RECS_EXPLORE ? place->draw : NULL;
        insert->item = place->item;
        insert->shelf = shelf;
        insert->before = in->page->nitems;

        if (insert->draw) {
            d->explored++;

        } else {
            d->backfilled++;
        }
    }
}


recs_rc_e
recs_insert_items(const recs_mem_t *mem, const recs_page_t *page,
    const recs_policy_t *policy, recs_decision_t *d)
{
    size_t            i;
    recs_inserting_t  in;

    if (recs_insert_init(mem, &in, page, policy, d) != RECS_OK) {
        return RECS_NOMEM;
    }

    recs_insert_candidates(&in, &in.first, &page->shelves[0]);
    recs_insert_backfill(&in, &in.first);

    for (i = 1; policy->min && i < page->nshelves; i++) {
        recs_insert_candidates(&in, &in.other, &page->shelves[i]);
        recs_insert_backfill(&in, &in.other);
        recs_insert_note(&in, &in.other, i);
    }

    /* what exploration draws depends on all that the page shows */

    if (policy->ndraws) {
        recs_insert_explore(&in, &in.first);
    }

    recs_insert_note(&in, &in.first, 0);

    return RECS_OK;
}
