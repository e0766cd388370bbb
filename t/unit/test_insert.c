
/*
 * What exploration and backfill put into a page stands in the slots and at the
 * ends of shelves that they were told.
 */

#include "unit_decide.h"

#include "recs_hash.h"


#define SLOTS_MAX  4
#define POOL_MAX   10


/*
 * Orders: a panel for each slot, so that what may be drawn is known; and what
 * shelves are filled up with.  Both are one-digit indices of ids, p0 to p9.
 * Sets answer about the page's ids, then the panels', slot by slot, then those
 * to fill up with.
 */

typedef struct {
    recs_str_t        text;             /* shelves at /a, /b and /c */
    unit_set_t        sets[UNIT_RULES_MAX];
    size_t            limit;
    size_t            min;
    const char       *backfill;
    unsigned          slots[SLOTS_MAX]; /* until a 0 */
    const char       *orders[SLOTS_MAX];
    const char       *shown;            /* all shelves: "p0,1|2" */
    const char       *fates;            /* as for unit_check_fates() */
    size_t            skipped;
    size_t            unfilled;
} placed_t;


static const placed_t  explored[] = {

    /* at the first slot, in the middle, at the last, far past the end */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 0 }, { "0" }, "p0,1,2", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 2, 0 }, { "0" }, "1,p0,2", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 3, 0 }, { "0" }, "1,2,p0", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 5, 0 }, { "0" }, "1,2,3", "kkk", 1, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 100, 0 }, { "0" }, "1,2,3", "kkk", 1, 0 },

    /* several */

    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 3, 0 }, { "0", "1" }, "p0,1,p1,2", "kkdd", 0, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 3, 0 }, { "0", "1", "2" }, "p0,p1,p2,1", "kddd", 0, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 3, 4, 0 }, { "0", "1" }, "1,2,p0,p1", "kkdd", 0, 0 },
    { recs_string("{\"a\":[1,2]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 3, 4 }, { "0", "1", "2", "3" }, "p0,p1,p2,p3", "dd", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 3, 0 }, { "0", "1", "2" }, "p0,p1,p2", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 3, 4, 0 }, { "0", "1", "2" }, "p0", "d", 2, 0 },

    /* an empty shelf grows */

    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 0 }, { "0" }, "p0", "", 0, 0 },
    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 4, 0 }, { "0", "1", "2" }, "p0,p1", "", 1, 0 },
    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 2, 0 }, { "0" }, "", "", 1, 0 },
    { recs_string("{\"a\":[1,2]}"), { EXCLUDE("iioo") }, 0, 0, "",
      { 1, 2, 0 }, { "0", "1" }, "p0,p1", "00", 0, 0 },

    /* up to as long as it came: where there is room none goes */

    { recs_string("{\"a\":[1,2,3,4]}"), { EXCLUDE("iooio") }, 0, 0, "",
      { 2, 0 }, { "0" }, "2,p0,3", "0kk0", 0, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { EXCLUDE("iooioo") }, 0, 0, "",
      { 2, 4, 0 }, { "0", "1" }, "2,p0,3,p1", "0kk0", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("ioooo") }, 0, 0, "",
      { 1, 2, 0 }, { "0", "1" }, "p0,p1,2", "0kd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("ioooo") }, 0, 0, "",
      { 3, 4, 0 }, { "0", "1" }, "2,p0,p1", "0kd", 0, 0 },

    /* or up to the limit, whatever it came as */

    { recs_string("{\"a\":[1,2,3,4]}"), { EXCLUDE("ioooo") }, 3, 0, "",
      { 2, 0 }, { "0" }, "2,p0,3", "0kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { EXCLUDE("iiooo") }, 3, 0, "",
      { 2, 0 }, { "0" }, "3,p0,4", "00kk", 0, 0 },
    { recs_string("{\"a\":[1,2]}"), { { NULL, 0, 0 } }, 3, 0, "",
      { 1, 0 }, { "0" }, "p0,1,2", "kk", 0, 0 },
    { recs_string("{\"a\":[1,2]}"), { { NULL, 0, 0 } }, 3, 0, "",
      { 1, 4, 0 }, { "0", "1" }, "p0,1,p1", "kd", 0, 0 },
    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 2, 0, "",
      { 1, 2, 3, 0 }, { "0", "1", "2" }, "p0,p1,p2", "", 0, 0 },

    /* its length is what the sets and the limit left */

    { recs_string("{\"a\":[1,2,3,4]}"), { EXCLUDE("iooio") }, 0, 0, "",
      { 4, 0 }, { "0" }, "2,3", "0kk0", 1, 0 },
    { recs_string("{\"a\":[1,2,3,4]}"), { { NULL, 0, 0 } }, 3, 0, "",
      { 1, 0 }, { "0" }, "p0,1,2", "kkdc", 0, 0 },
    { recs_string("{\"a\":[{},2,{}]}"), { REQUIRE("ii") }, 0, 0, "",
      { 2, 0 }, { "0" }, "?,p0,2", "kkd", 0, 0 },

    /* only the first shelf, wherever it stands */

    { recs_string("{\"b\":[3,4],\"a\":[1,2]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 0 }, { "0" }, "p0,1|3,4", "kdkk", 0, 0 },
    { recs_string("{\"a\":[],\"b\":[3,4]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 0 }, { "0" }, "p0|3,4", "kk", 0, 0 },

    /* eligible are those that every set definitely allows */

    { recs_string("{\"a\":[1]}"), { REQUIRE("iooi") }, 0, 0, "",
      { 1, 0 }, { "012" }, "p2", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("oioi") }, 0, 0, "",
      { 1, 0 }, { "012" }, "p1", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("i??i") }, 0, 0, "",
      { 1, 0 }, { "012" }, "p2", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("oo??") }, 0, 0, "",
      { 1, 0 }, { "012" }, "p0", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("iii?"), EXCLUDE("ooio") }, 0, 0,
      "", { 1, 0 }, { "012" }, "p0", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("????"), EXCLUDE("oooo") }, 0, 0,
      "", { 1, 0 }, { "012" }, "1", "k", 0, 1 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("oiii") }, 0, 0, "",
      { 1, 0 }, { "012" }, "1", "k", 0, 1 },

    /* never what the page shows; what went from it may come */

    { recs_string("{\"a\":[\"p0\",1]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 0 }, { "0" }, "p0,1", "kk", 0, 1 },
    { recs_string("{\"a\":[1,2],\"b\":[\"\\u0070\\u0030\"]}"),
      { { NULL, 0, 0 } }, 0, 0, "", { 1, 0 }, { "01" }, "p1,1|p0", "kdk", 0,
      0 },
    { recs_string("{\"a\":[1,2,\"p0\"]}"), { { NULL, 0, 0 } }, 2, 0, "",
      { 1, 0 }, { "0" }, "p0,1", "kdc", 0, 0 },

    /* what was displaced a moment ago stood on the page, too */

    { recs_string("{\"a\":[1,\"p1\"]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 0 }, { "0", "1" }, "p0,1", "kd", 0, 1 },

    /* what an earlier slot placed is not drawn again */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 0 }, { "0", "01" }, "p0,p1,1", "kdd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 0 }, { "0", "0" }, "p0,1,2", "kkd", 0, 1 },
    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("iiiiiiio") }, 0, 0, "",
      { 1, 2, 3, 0 }, { "0", "0", "102" }, "p0,1,p1", "kdd", 0, 1 },

    /* past the end the last candidate goes, too: what was put in moves up */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 4, 0 }, { "0" }, "1,2,p0", "kkd", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 3, 4, 0 }, { "0", "1" }, "1,p0,p1", "kdd", 0, 0 },

    /* a slot that is not filled leaves the next one its place */

    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("iiioi") }, 0, 0, "",
      { 1, 2, 0 }, { "0", "1" }, "1,p1,2", "kkd", 0, 1 },
    { recs_string("{\"a\":[]}"), { REQUIRE("oi") }, 0, 0, "",
      { 1, 2, 0 }, { "0", "1" }, "", "", 1, 1 },

    /* answers are by slot, also of those that are skipped */

    { recs_string("{\"a\":[1,2,3]}"), { REQUIRE("iiioiiio") }, 0, 0, "",
      { 1, 2, 3, 0 }, { "01", "20", "3" }, "p1,p2,1", "kdd", 0, 1 },

    /* several empty panels */

    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 0, "",
      { 1, 2, 0 }, { "", "" }, "1,2,3", "kkk", 0, 2 },
};


static const placed_t  filled[] = {

    /* up to the minimum, not past it, as far as there is something */

    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 3, "0123",
      { 0 }, { NULL }, "1,p0,p1", "k", 0, 0 },
    { recs_string("{\"a\":[1,2]}"), { { NULL, 0, 0 } }, 0, 3, "0123",
      { 0 }, { NULL }, "1,2,p0", "kk", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 3, "0123",
      { 0 }, { NULL }, "1,2,3", "kkk", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 0, 2, "0123",
      { 0 }, { NULL }, "1,2,3", "kkk", 0, 0 },
    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0, 2, "21",
      { 0 }, { NULL }, "p2,p1", "", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 5, "01",
      { 0 }, { NULL }, "1,p0,p1", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 5, "",
      { 0 }, { NULL }, "1", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 0, "01",
      { 0 }, { NULL }, "1", "k", 0, 0 },

    /* of what the sets and the limit left; one without an id counts */

    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("iooooo") }, 0, 3, "012",
      { 0 }, { NULL }, "2,3,p0", "0kk", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("iiiooo") }, 0, 2, "012",
      { 0 }, { NULL }, "p0,p1", "000", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 2, 4, "012",
      { 0 }, { NULL }, "1,2,p0,p1", "kkc", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { { NULL, 0, 0 } }, 2, 2, "012",
      { 0 }, { NULL }, "1,2", "kkc", 0, 0 },
    { recs_string("{\"a\":[{},1,{}]}"), { REQUIRE("ioi") }, 0, 4, "01",
      { 0 }, { NULL }, "?,1,?,p1", "kkk", 0, 0 },

    /* each shelf, the first of the pool on the first shelf */

    { recs_string("{\"a\":[1],\"b\":[2]}"), { { NULL, 0, 0 } }, 0, 2, "0123",
      { 0 }, { NULL }, "1,p0|2,p1", "kk", 0, 0 },
    { recs_string("{\"b\":[2],\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 2, "0123",
      { 0 }, { NULL }, "1,p0|2,p1", "kk", 0, 0 },
    { recs_string("{\"a\":[],\"b\":[]}"), { { NULL, 0, 0 } }, 0, 2, "3210",
      { 0 }, { NULL }, "p3,p2|p1,p0", "", 0, 0 },
    { recs_string("{\"a\":[1],\"b\":[]}"), { { NULL, 0, 0 } }, 0, 2, "01",
      { 0 }, { NULL }, "1,p0|p1", "k", 0, 0 },
    { recs_string("{\"a\":[],\"b\":[1]}"), { { NULL, 0, 0 } }, 0, 2, "01",
      { 0 }, { NULL }, "p0,p1|1", "k", 0, 0 },
    { recs_string("{\"a\":[1,2,3],\"b\":[4]}"), { { NULL, 0, 0 } }, 0, 2, "01",
      { 0 }, { NULL }, "1,2,3|4,p0", "kkkk", 0, 0 },
    { recs_string("{\"a\":[1,2],\"b\":[3]}"), { EXCLUDE("ioiooioo") }, 0, 2,
      "01234", { 0 }, { NULL }, "2,p0|p1,p3", "0k0", 0, 0 },

    { recs_string("{\"c\":[1],\"b\":[2],\"a\":[3]}"), { { NULL, 0, 0 } }, 0, 2,
      "0123", { 0 }, { NULL }, "3,p0|2,p1|1,p2", "kkk", 0, 0 },
    { recs_string("{\"a\":[1,2],\"b\":[3],\"c\":[]}"),
      { REQUIRE("iioioioi") }, 0, 1, "0123", { 1, 0 }, { "5" },
      "p5,1|p1|p3", "kd0", 0, 0 },

    /* only what every set definitely allows */

    { recs_string("{\"a\":[1]}"), { REQUIRE("ioi?i") }, 0, 4, "0123",
      { 0 }, { NULL }, "1,p1,p3", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("oio?o") }, 0, 4, "0123",
      { 0 }, { NULL }, "1,p1,p3", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("?iioi"), EXCLUDE("?oioo") }, 0,
      4, "0123", { 0 }, { NULL }, "1,p0,p3", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { EXCLUDE("????") }, 0, 2, "012",
      { 0 }, { NULL }, "1", "k", 0, 0 },

    /* never what stands on the page; what went from it may come */

    { recs_string("{\"a\":[\"p0\",1]}"), { { NULL, 0, 0 } }, 0, 3, "01",
      { 0 }, { NULL }, "p0,1,p1", "kk", 0, 0 },
    { recs_string("{\"a\":[1],\"b\":[{\"id\":\"p\\u0030\"},2]}"),
      { { NULL, 0, 0 } }, 0, 2, "012", { 0 }, { NULL }, "1,p1|p0,2", "kkk", 0,
      0 },
    { recs_string("{\"a\":[1],\"b\":[2,\"p1\"]}"), { { NULL, 0, 0 } }, 0, 4,
      "0123", { 0 }, { NULL }, "1,p0,p2,p3|2,p1", "kkk", 0, 0 },
    { recs_string("{\"a\":[1,\"p0\"]}"), { { NULL, 0, 0 } }, 1, 2, "0",
      { 0 }, { NULL }, "1,p0", "kc", 0, 0 },

    /* nothing twice */

    { recs_string("{\"a\":[],\"b\":[]}"), { { NULL, 0, 0 } }, 0, 2, "00110",
      { 0 }, { NULL }, "p0,p1|", "", 0, 0 },
    { recs_string("{\"a\":[1,2],\"b\":[]}"), { { NULL, 0, 0 } }, 0, 3, "0010",
      { 0 }, { NULL }, "1,2,p0|p1", "kk", 0, 0 },

    /* it grows on from what it was filled up to */

    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("iiooo") }, 0, 2, "12",
      { 1, 0 }, { "0" }, "p0,3,p1", "00k", 0, 0 },
    { recs_string("{\"a\":[1,2,3]}"), { EXCLUDE("iioooo") }, 0, 2, "12",
      { 1, 2, 0 }, { "0", "3" }, "p0,p3,3", "00k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 4, 2, "12",
      { 1, 3, 0 }, { "0", "3" }, "p0,1,p3,p1", "k", 0, 0 },

    /* past its room: one that filled up is displaced as any other */

    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 3, "012",
      { 1, 0 }, { "5" }, "p5,1,p0", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 3, "012",
      { 1, 2, 0 }, { "5", "6" }, "p5,p6,1", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 2, "012",
      { 1, 2, 0 }, { "5", "6" }, "p5,p6", "d", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 2, "012",
      { 2, 0 }, { "5" }, "1,p5", "k", 0, 0 },

    /* slots reach as far as the shelf that was filled up */

    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0, 2, "01",
      { 3, 0 }, { "5" }, "p0,p5", "", 0, 0 },
    { recs_string("{\"a\":[]}"), { { NULL, 0, 0 } }, 0, 2, "01",
      { 4, 0 }, { "5" }, "p0,p1", "", 1, 0 },
    { recs_string("{\"a\":[],\"b\":[1]}"), { { NULL, 0, 0 } }, 0, 2, "012",
      { 2, 0 }, { "5" }, "p0,p5|1,p2", "k", 0, 0 },

    /* what fills up any shelf is not drawn, even if it was displaced */

    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 2, "0",
      { 1, 0 }, { "01" }, "p1,1", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 2, "0",
      { 1, 2, 0 }, { "5", "0" }, "p5,1", "k", 0, 1 },
    { recs_string("{\"a\":[1],\"b\":[2]}"), { { NULL, 0, 0 } }, 0, 2, "01",
      { 1, 0 }, { "15" }, "p5,1|2,p1", "kk", 0, 0 },

    /* answers: the page's, each panel's (also of a slot skipped), the rest */

    { recs_string("{\"a\":[1]}"), { REQUIRE("ioioi") }, 0, 2, "01",
      { 1, 0 }, { "56" }, "p6,1", "k", 0, 0 },
    { recs_string("{\"a\":[1]}"), { REQUIRE("iiiioi") }, 0, 3, "01",
      { 1, 9, 0 }, { "5", "67" }, "p5,1", "k", 1, 0 },
    { recs_string("{\"a\":[1],\"b\":[{},2]}"), { EXCLUDE("oo" "oi" "iooi") },
      0, 3, "0123", { 1, 3, 0 }, { "5", "6" }, "p5,1,p1|?,2", "kkk", 0, 1 },
};


static recs_str_t
put_id(const recs_policy_t *policy, const recs_insert_t *insert)
{
    return insert->draw ? insert->draw->line->pool->ids[insert->item]
                        : policy->backfill[insert->item];
}


static void
add_id(unit_text_t *text, const recs_str_t *id, int first)
{
    unit_add_cstr(text, first ? "" : ",");

    if (id->data) {
        unit_add(text, id);

    } else {
        unit_add_cstr(text, "?");
    }
}


/* One shelf as the decision has it.  Gives how many inserts it has. */

static size_t
shown_shelf(const recs_page_t *page, const recs_policy_t *policy,
    const recs_decision_t *d, size_t shelf, unit_text_t *text)
{
    size_t      i, k, n, first, end;
    recs_str_t  id;

    for (first = 0; first < d->ninserts; first++) {
        if (d->inserts[first].shelf == shelf) {
            break;
        }
    }

    k = first;
    n = 0;
    end = page->shelves[shelf].first + page->shelves[shelf].nitems;

    for (i = page->shelves[shelf].first; i <= end; i++) {

        while (k < d->ninserts && d->inserts[k].shelf == shelf
               && d->inserts[k].before == (i < end ? i : page->nitems))
        {
            id = put_id(policy, &d->inserts[k++]);
            add_id(text, &id, n++ == 0);
        }

        if (i < end && d->verdicts[i].fate == RECS_KEPT) {
            add_id(text, &page->items[i].id, n++ == 0);
        }
    }

    return k - first;
}


/* All shelves, as unit_page_ids() has them. */

static recs_str_t
shown(const recs_page_t *page, const recs_policy_t *policy,
    const recs_decision_t *d, unit_text_t *text)
{
    size_t  k, n;

    text->len = 0;
    n = 0;

    for (k = 0; k < page->nshelves; k++) {
        unit_add_cstr(text, k ? "|" : "");
        n += shown_shelf(page, policy, d, k, text);
    }

    /* each of the inserts stands before an item that stays, or at an end */

    assert_int_equal(n, d->ninserts);

    return unit_text_str(text);
}


static void
check_inserts(const recs_policy_t *policy, const recs_decision_t *d)
{
    size_t             k, explored;
    const recs_draw_t *draw;

    explored = 0;

    for (k = 0; k < d->ninserts; k++) {
        draw = d->inserts[k].draw;

        if (draw == NULL) {
            assert_true(d->inserts[k].item < policy->nbackfill);
            continue;
        }

        explored++;
        assert_int_equal(d->inserts[k].shelf, 0);
        assert_true(draw >= policy->draws);
        assert_true(draw < policy->draws + policy->ndraws);
        assert_int_equal(draw->order[draw->drawn], d->inserts[k].item);
        assert_true(draw->neligible > 0);
        assert_true(draw->p > 0);
    }

    assert_int_equal(d->explored, explored);
    assert_int_equal(d->ninserts, d->explored + d->backfilled);

    assert_int_equal(policy->ndraws, d->explored + d->skipped + d->unfilled);
}


static const char  *ids[POOL_MAX] = {
    "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"
};


/* Draws over the row's orders; gives how many. */

static unsigned
make_draws(unit_arena_t *arena, const placed_t *row, recs_explore_t *ex,
    const recs_line_t *line, recs_draw_t *draws)
{
    size_t      k;
    unsigned    s;
    uint32_t   *order;

    memset(ex, 0, sizeof(recs_explore_t));
    memset(draws, 0, SLOTS_MAX * sizeof(recs_draw_t));

    for (s = 0; s < SLOTS_MAX && row->slots[s]; s++) {
        ex->slots[s] = row->slots[s];
        draws[s].line = line;
        draws[s].slot = row->slots[s];
        draws[s].norder = (unsigned) strlen(row->orders[s]);
        draws[s].eligible = recs_alloc(&arena->mem, draws[s].norder + 1);
        draws[s].panel = recs_alloc(&arena->mem, draws[s].norder + 1);
        draws[s].refused = recs_alloc(&arena->mem, draws[s].norder + 1);
        order = recs_alloc(&arena->mem, draws[s].norder * sizeof(uint32_t));
        draws[s].order = order;

        for (k = 0; k < draws[s].norder; k++) {
            order[k] = (uint32_t) (row->orders[s][k] - '0');
        }
    }

    ex->nslots = s;
    ex->panel = POOL_MAX;

    return s;
}


static void
check_placed(const placed_t *row)
{
    size_t            i;
    recs_str_t        str, pool[POOL_MAX], backfill[POOL_MAX];
    recs_page_t       page;
    recs_draw_t       draws[SLOTS_MAX];
    recs_line_t       line;
    recs_rule_t       rule[UNIT_RULES_MAX];
    unit_text_t       text;
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_choices_t    choices;
    recs_explore_t    ex;
    recs_decision_t   d;

    for (i = 0; i < POOL_MAX; i++) {
        pool[i] = unit_str(ids[i]);
    }

    unit_arena_init(&arena);
    unit_page(&arena, "/a /b /c", &row->text, &page);

    memset(&policy, 0, sizeof(recs_policy_t));
    unit_rules(&arena, row->sets, &policy, rule);
    policy.limit = row->limit;
    policy.min = row->min;
    policy.backfill = backfill;
    policy.nbackfill = strlen(row->backfill);

    for (i = 0; i < policy.nbackfill; i++) {
        backfill[i] = unit_str(ids[row->backfill[i] - '0']);
    }

    memset(&choices, 0, sizeof(recs_choices_t));
    choices.ids = pool;
    choices.n = unit_nelts(pool);

    memset(&line, 0, sizeof(recs_line_t));
    line.policy = &ex;
    line.pool = &choices;

    policy.event = unit_str("e1");
    policy.draws = draws;
    policy.ndraws = make_draws(&arena, row, &ex, &line, draws);

    assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d), RECS_OK);

    str = shown(&page, &policy, &d, &text);
    unit_assert_cstr(&str, row->shown);
    unit_check_fates(&page, &policy, &d, row->fates);
    check_inserts(&policy, &d);
    assert_int_equal(d.skipped, row->skipped);
    assert_int_equal(d.unfilled, row->unfilled);

    unit_arena_free(&arena);
}


static void
exploration_items_take_their_slots(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(explored); i++) {
        check_placed(&explored[i]);
    }
}


static void
shelves_are_filled_up(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(filled); i++) {
        check_placed(&filled[i]);
    }
}


/*
 * Pages, answers, slots and pools at random (but the same in every run), beside
 * shelves that are plain lists: what is put in is inserted, what must go is
 * taken out.
 */

enum { page_max = 12, other_max = 4, fill_max = 8, slots_max = 5 };

#define IDS_MAX  (page_max + other_max + fill_max + slots_max)


typedef struct {
    int               drawn;
    recs_str_t        id;           /* data is NULL: it has none */
} listed_t;


typedef struct {
    listed_t          listed[IDS_MAX];
    size_t            n;
} list_t;


/* The page as a model of it. */

typedef struct {
    list_t            shelves[2];
    recs_str_t        shown[IDS_MAX];   /* before exploration */
    size_t            nshown;
    size_t            asked;            /* answers that were looked at */
    const recs_insert_t  *drawn[slots_max];
    size_t            ndrawn;
    size_t            skipped;
    size_t            unfilled;
} model_t;


typedef struct {
    uint64_t          seed;
    uint64_t          n;
} chance_t;


static unsigned
chance(chance_t *c, unsigned n)
{
    return (unsigned) recs_hash_uniform(c->seed, c->n++, n);
}


/* Item i of a shelf has the id i, or one of the pool's, or none. */

static void
random_shelf(chance_t *c, unsigned max, unit_text_t *text)
{
    unsigned  i, n;
    char      item[32];

    n = chance(c, max + 1);

    for (i = 0; i < n; i++) {
        switch (chance(c, 6)) {

        case 0:
            (void) sprintf(item, "{}");
            break;

        case 1:
            (void) sprintf(item, "{\"id\":\"p%u\"}", chance(c, POOL_MAX));
            break;

        default:
            (void) sprintf(item, "%u", chance(c, page_max));
        }

        unit_add_cstr(text, i ? "," : "");
        unit_add_cstr(text, item);
    }
}


static recs_str_t
random_page(chance_t *c, unit_text_t *text)
{
    text->len = 0;

    unit_add_cstr(text, "{\"b\":[");
    random_shelf(c, other_max, text);
    unit_add_cstr(text, "],\"a\":[");
    random_shelf(c, page_max, text);
    unit_add_cstr(text, "]}");

    return unit_text_str(text);
}


static int
is_shown(const model_t *model, const recs_str_t *id)
{
    size_t  i;

    for (i = 0; i < model->nshown; i++) {
        if (recs_str_eq(&model->shown[i], id)) {
            return 1;
        }
    }

    return 0;
}


/* Is the id asked as that number definitely allowed? */

static int
allowed(const recs_policy_t *policy, size_t asked)
{
    size_t  k;

    for (k = 0; k < policy->nrules; k++) {

        if (policy->rules[k].answers[asked] == RECS_UNKNOWN
            || policy->rules[k].answers[asked]
               == (policy->rules[k].exclude ? RECS_IN : RECS_OUT))
        {
            return 0;
        }
    }

    return 1;
}


static void
list_insert(list_t *list, size_t at, const recs_str_t *id, int drawn)
{
    size_t  i;

    assert_true(at <= list->n && list->n < IDS_MAX);

    for (i = list->n++; i > at; i--) {
        list->listed[i] = list->listed[i - 1];
    }

    list->listed[at].drawn = drawn;
    list->listed[at].id = *id;
}


/* Takes out the last one that was not drawn, if there is one. */

static void
list_displace(list_t *list)
{
    size_t  i;

    for (i = list->n; i > 0 && list->listed[i - 1].drawn; i--) {
        /* void */
    }

    if (i == 0) {
        return;
    }

    list->n--;

    for (i--; i < list->n; i++) {
        list->listed[i] = list->listed[i + 1];
    }
}


/* What stayed, and what went for an item that was drawn. */

static void
model_candidates(model_t *model, const recs_page_t *page,
    const recs_decision_t *d)
{
    size_t              i, k;
    const recs_item_t  *item;

    for (k = 0; k < 2; k++) {
        for (i = 0; i < page->shelves[k].nitems; i++) {
            item = &page->items[page->shelves[k].first + i];
            model->asked += item->id.data != NULL;

            switch (d->verdicts[page->shelves[k].first + i].fate) {

            case RECS_KEPT:
            case RECS_DISPLACED:
                list_insert(&model->shelves[k], model->shelves[k].n,
                            &item->id, 0);

                if (item->id.data) {
                    model->shown[model->nshown++] = item->id;
                }
            }
        }
    }
}


static void
model_backfill(model_t *model, const recs_policy_t *policy)
{
    size_t             i, k, asked;
    unsigned           s;
    const recs_str_t  *id;

    asked = model->asked;

    for (s = 0; s < policy->ndraws; s++) {
        asked += policy->draws[s].norder;
    }

    for (k = 0, i = 0; k < 2; k++) {
        for ( /* void */ ; i < policy->nbackfill
                           && model->shelves[k].n < policy->min; i++)
        {
            id = &policy->backfill[i];

            if (allowed(policy, asked + i) && !is_shown(model, id)) {
                list_insert(&model->shelves[k], model->shelves[k].n, id, 0);
                model->shown[model->nshown++] = *id;
            }
        }
    }
}


/* What was drawn from the same pool; gives how many. */

static unsigned
model_placed(const model_t *model, const recs_draw_t *draw, uint32_t *placed)
{
    size_t    j;
    unsigned  n;

    n = 0;

    for (j = 0; j < model->ndrawn; j++) {
        if (model->drawn[j]->draw->line->pool == draw->line->pool) {
            placed[n++] = model->drawn[j]->item;
        }
    }

    return n;
}


/* Counts whom the draw could choose, and checks that it says the same. */

static unsigned
model_draw(model_t *model, const recs_policy_t *policy,
    const recs_draw_t *draw, int skipped)
{
    size_t     i;
    unsigned   eligible, j, m, nplaced;
    uint32_t   placed[slots_max];

    nplaced = model_placed(model, draw, placed);
    eligible = 0;
    m = 0;

    for (i = 0; i < draw->norder; i++, model->asked++) {

        for (j = 0; j < nplaced && placed[j] != draw->order[i]; j++) {
            /* void */
        }

        if (j == nplaced && m < draw->line->policy->panel) {
            m++;
            eligible += allowed(policy, model->asked)
                        && !(draw->capped && draw->capped[i])
                        && !is_shown(model,
                                     &draw->line->pool->ids[draw->order[i]]);
        }
    }

    if (!skipped) {
        assert_int_equal(draw->neligible, eligible);
        assert_int_equal(draw->panel_size, m);
        assert_int_equal(draw->pool_size, draw->line->pool->n - nplaced);
    }

    return eligible;
}


static void
model_explore(model_t *model, const recs_page_t *page,
    const recs_policy_t *policy, const recs_decision_t *d)
{
    int                   skipped;
    list_t               *list;
    size_t                k, length;
    unsigned              s, eligible;
    const recs_str_t     *id;
    const recs_draw_t    *draw;

    list = &model->shelves[0];
    length = policy->limit ? policy->limit : page->shelves[0].nitems;
    length = list->n > length ? list->n : length;
    k = 0;

    for (s = 0; s < policy->ndraws; s++) {
        draw = &policy->draws[s];
        skipped = draw->slot > list->n + 1;
        eligible = model_draw(model, policy, draw, skipped);

        if (skipped) {
            model->skipped++;
            continue;
        }

        if (eligible == 0) {
            model->unfilled++;
            continue;
        }

        /* which of them is the draw's to say */

        while (k < d->ninserts && d->inserts[k].draw == NULL) {
            k++;
        }

        assert_true(k < d->ninserts);
        assert_true(d->inserts[k].draw == draw);

        id = &draw->line->pool->ids[d->inserts[k].item];
        assert_false(is_shown(model, id));
        list_insert(list, draw->slot - 1, id, 1);
        model->shown[model->nshown++] = *id;
        model->drawn[model->ndrawn++] = &d->inserts[k++];

        if (list->n > length) {
            list_displace(list);
        }
    }
}


static recs_str_t
modelled(const recs_page_t *page, const recs_policy_t *policy,
    const recs_decision_t *d, unit_text_t *text)
{
    size_t   i, k;
    model_t  model;

    memset(&model, 0, sizeof(model_t));

    model_candidates(&model, page, d);
    model_backfill(&model, policy);

    if (policy->ndraws) {
        model_explore(&model, page, policy, d);
    }

    assert_int_equal(d->explored, model.ndrawn);
    assert_int_equal(d->skipped, model.skipped);
    assert_int_equal(d->unfilled, model.unfilled);

    text->len = 0;

    for (k = 0; k < 2; k++) {
        unit_add_cstr(text, k ? "|" : "");

        for (i = 0; i < model.shelves[k].n; i++) {
            add_id(text, &model.shelves[k].listed[i].id, i == 0);
        }
    }

    return unit_text_str(text);
}


static void
random_rules(chance_t *c, recs_policy_t *policy, recs_rule_t *rule,
    uint8_t (*answers)[256])
{
    size_t    i, k;
    unsigned  n;

    policy->rules = rule;
    policy->nrules = chance(c, 3);

    for (k = 0; k < policy->nrules; k++) {
        n = 1 + chance(c, 10);

        for (i = 0; i < sizeof(answers[k]); i++) {
            answers[k][i] = (uint8_t) (chance(c, n) == 0
                                       ? RECS_UNKNOWN
                                       : RECS_IN + chance(c, 2));
        }

        rule[k].answers = answers[k];
        rule[k].exclude = chance(c, 2);
        rule[k].drop_unknown = chance(c, 2);
    }
}


/* One policy or two, of one pool or of two that hold the same ids. */

typedef struct {
    recs_explore_t    ex[2];
    recs_choices_t    pools[2];
    recs_str_t        ids[2][POOL_MAX];
    recs_line_t       lines[2];
    uint8_t           capped[RECS_EXPLORE_PANEL_MAX];
} lines_t;


static void
random_draws(unit_arena_t *arena, chance_t *c, recs_policy_t *policy,
    lines_t *l)
{
    size_t           i, k, n;
    unsigned         s, slot;
    recs_explore_t  *ex;

    memset(l, 0, sizeof(lines_t));
    n = 1 + chance(c, 2);
    slot = 0;

    for (k = 0; k < n; k++) {

        for (i = 0; i < POOL_MAX; i++) {
            l->ids[k][i] = unit_str(ids[k ? POOL_MAX - 1 - i : i]);
        }

        l->pools[k].ids = l->ids[k];
        l->pools[k].n = (uint32_t) chance(c, POOL_MAX + 1);

        l->ex[k].salt = unit_str(k ? "s2" : "s1");
        l->ex[k].panel = 1 + (unsigned) chance(c, POOL_MAX);

        l->lines[k].policy = &l->ex[k];
        l->lines[k].pool = &l->pools[chance(c, k + 1)];
    }

    s = 1 + (unsigned) chance(c, slots_max);

    while (s-- > 0) {
        slot += 1 + (unsigned) chance(c, 3);
        ex = &l->ex[chance(c, n)];
        ex->slots[ex->nslots++] = slot;
    }

    policy->event.data = (const uint8_t *) &c->seed;
    policy->event.len = sizeof(c->seed);

    assert_int_equal(recs_explore_plan(&arena->mem, l->lines, (unsigned) n,
                                       &policy->event, &policy->draws,
                                       &policy->ndraws),
                     RECS_OK);

    for (i = 0; i < RECS_EXPLORE_PANEL_MAX; i++) {
        l->capped[i] = chance(c, 4) == 0;
    }

    for (s = 0; s < policy->ndraws; s++) {
        policy->draws[s].capped = chance(c, 2) ? l->capped : NULL;
    }
}


static void
what_is_put_in_agrees_with_plain_lists(void **state)
{
    size_t            i, explored, backfilled;
    uint8_t           answers[2][256];
    recs_str_t        str, expected, pool[POOL_MAX], backfill[fill_max];
    recs_page_t       page;
    recs_rule_t       rule[2];
    unit_text_t       text, model;
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_decision_t   d;
    chance_t          c;
    lines_t           lines;

    (void) state;

    for (i = 0; i < POOL_MAX; i++) {
        pool[i] = unit_str(ids[i]);
    }

    explored = 0;
    backfilled = 0;
    c.n = 0;

    for (c.seed = 0; c.seed < 20000; c.seed++) {
        unit_arena_init(&arena);

        str = random_page(&c, &text);
        unit_page(&arena, "/a /b", &str, &page);

        memset(&policy, 0, sizeof(recs_policy_t));

        policy.distinct = chance(&c, 2);
        policy.limit = chance(&c, 8);
        policy.seed = c.seed;
        random_rules(&c, &policy, rule, answers);

        if (chance(&c, 4)) {
            random_draws(&arena, &c, &policy, &lines);
        }

        if (chance(&c, 4)) {
            policy.min = chance(&c, 10);
            policy.nbackfill = chance(&c, fill_max + 1);
            policy.backfill = backfill;

            for (i = 0; i < policy.nbackfill; i++) {
                backfill[i] = pool[chance(&c, POOL_MAX)];
            }
        }

        assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d),
                         RECS_OK);

        unit_check_fates(&page, &policy, &d, NULL);

        /* nothing else is said of a policy that puts nothing in */

        if (policy.ndraws || policy.min) {
            check_inserts(&policy, &d);
        }

        expected = modelled(&page, &policy, &d, &model);
        str = shown(&page, &policy, &d, &text);
        unit_assert_str(&str, &expected);

        explored += d.explored;
        backfilled += d.backfilled;

        unit_arena_free(&arena);
    }

    assert_true(explored > 5000);
    assert_true(backfilled > 5000);
}


static void
want_of_memory_is_an_error(void **state)
{
    unsigned          n;
    recs_rc_e         rc;
    recs_str_t        pool, backfill;
    recs_page_t       page;
    unit_arena_t      pages, arena;
    recs_policy_t     policy;
    recs_line_t       line;
    recs_choices_t    choices;
    recs_explore_t    ex;
    recs_decision_t   d;

    static const recs_str_t  text = recs_string("{\"a\":[1,2],\"b\":[3]}");

    (void) state;

    unit_arena_init(&pages);
    unit_page(&pages, "/a /b", &text, &page);

    memset(&ex, 0, sizeof(recs_explore_t));
    ex.panel = 1;
    ex.nslots = 1;
    ex.slots[0] = 1;

    memset(&policy, 0, sizeof(recs_policy_t));
    pool = unit_str("p0");

    memset(&choices, 0, sizeof(recs_choices_t));
    choices.ids = &pool;
    choices.n = 1;

    memset(&line, 0, sizeof(recs_line_t));
    line.policy = &ex;
    line.pool = &choices;

    backfill = unit_str("p1");
    policy.min = 2;
    policy.backfill = &backfill;
    policy.nbackfill = 1;

    assert_int_equal(recs_explore_plan(&pages.mem, &line, 1, &policy.event,
                                       &policy.draws, &policy.ndraws),
                     RECS_OK);

    for (n = 0; /* void */; n++) {
        unit_arena_init_max(&arena, n);
        rc = recs_decide(&arena.mem, &page, &policy, &d);

        if (rc == RECS_OK) {
            assert_int_equal(d.explored, 1);
            assert_int_equal(d.backfilled, 1);
            assert_int_equal(d.cut, 1);
            unit_arena_free(&arena);
            break;
        }

        unit_arena_free(&arena);

        assert_int_equal(rc, RECS_NOMEM);
        assert_true(n < 100);
    }

    /* verdicts, counts; the shelves' room, what is put in, ids */

    assert_int_equal(n, 5);

    unit_arena_free(&pages);
}


/* Pages of one format get what has a form in it, and no other. */

static void
what_has_no_form_for_the_page_is_not_put_in(void **state)
{
    size_t            i, k;
    recs_str_t        str, pool[3];
    recs_page_t       page;
    recs_draw_t       draws[SLOTS_MAX];
    unit_text_t       text;
    unit_arena_t      arena;
    recs_policy_t     policy;
    recs_line_t       line;
    recs_choices_t    choices;
    recs_explore_t    ex;
    recs_decision_t   d;

    static const placed_t  row = {
        recs_string("{\"a\":[1]}"), { { NULL, 0, 0 } }, 0, 3, "012",
        { 1, 0 }, { "012" }, NULL, NULL, 0, 0
    };

    /* p0 in JSON alone, p1 in MessagePack alone, p2 in both */

    static const uint8_t  forms[] = { 1, 2, 3 };

    static const struct {
        unsigned        explore:1;
        recs_format_e   format;
        const uint8_t  *forms;
        const char     *shown[2];       /* one of them */
        unsigned        eligible;       /* of the draw */
    } cases[] = {
        { 0, RECS_JSON, NULL, { "1,p0,p1", "1,p0,p1" }, 0 },
        { 0, RECS_JSON, forms, { "1,p0,p2", "1,p0,p2" }, 0 },
        { 0, RECS_MSGPACK, forms, { "1,p1,p2", "1,p1,p2" }, 0 },
        { 1, RECS_JSON, forms, { "p0", "p2" }, 2 },
        { 1, RECS_MSGPACK, forms, { "p1", "p2" }, 2 },
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        unit_arena_init(&arena);
        memset(&policy, 0, sizeof(recs_policy_t));

        for (k = 0; k < unit_nelts(pool); k++) {
            pool[k] = unit_str(ids[k]);
        }

        str = row.text;

        if (cases[i].format == RECS_MSGPACK) {
            str = unit_msgpack(&arena, &row.text);
        }

        unit_page(&arena, "/a", &str, &page);

        if (cases[i].explore) {
            memset(&choices, 0, sizeof(recs_choices_t));
            choices.ids = pool;
            choices.forms = (uint8_t *) cases[i].forms;
            choices.n = unit_nelts(pool);

            memset(&line, 0, sizeof(recs_line_t));
            line.policy = &ex;
            line.pool = &choices;

            policy.draws = draws;
            policy.ndraws = make_draws(&arena, &row, &ex, &line, draws);

        } else {
            policy.min = row.min;
            policy.backfill = pool;
            policy.backfill_forms = cases[i].forms;
            policy.nbackfill = unit_nelts(pool);
        }

        assert_int_equal(recs_decide(&arena.mem, &page, &policy, &d), RECS_OK);

        str = shown(&page, &policy, &d, &text);

        assert_true(str.len == strlen(cases[i].shown[0]));
        assert_true(memcmp(str.data, cases[i].shown[0], str.len) == 0
                    || memcmp(str.data, cases[i].shown[1], str.len) == 0);

        if (cases[i].explore) {
            assert_int_equal(draws[0].neligible, cases[i].eligible);
        }

        unit_arena_free(&arena);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(exploration_items_take_their_slots),
        cmocka_unit_test(shelves_are_filled_up),
        cmocka_unit_test(what_is_put_in_agrees_with_plain_lists),
        cmocka_unit_test(want_of_memory_is_an_error),
        cmocka_unit_test(what_has_no_form_for_the_page_is_not_put_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
