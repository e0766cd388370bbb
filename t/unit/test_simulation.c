
/*
 * What p is good for: 200,000 decisions under each of several policies, in a
 * shop where stock, users and caps bite unevenly.  Whom a slot could have shown
 * is worked out here from what the sets, the caps, the page and earlier slots
 * say; nothing of it is taken from the draw.
 *
 * All is the same in every run: whatever is random comes from hashes of fixed
 * texts.  Bounds are those of unit_sums.h, for all comparisons together.
 */

#include <xxhash.h>

#include "unit_page.h"
#include "unit_sums.h"

#include "recs_decide.h"
#include "recs_hash.h"


enum {
    ndecisions = 200000,

    npool = 12,
    ncandidates = 10,
    nproducts = npool + ncandidates,
    nkinds = 3,                 /* categories of the pool */

    nusers = 16,
    nstates = 8,                /* of the stock */
    npages = 10,
    shelf_max = 8,
    limit = 6,
    window = 60,                /* decisions, after which caps begin anew */

    lines_max = 3,
    slots_max = 3
};


/* A product of the pool.  Its number in this table is a bit of masks. */

typedef struct {
    const char       *id;
    unsigned          kind;
    double            weight;
    double            clicks;   /* the share of those who see it that click */
    double            liking;   /* how often another policy would show it */
    unsigned          stocked;  /* in so many of 16 states and users */
    unsigned          cap;      /* showings per slot, in a window */
} product_t;


static const product_t  products[npool] = {
    { "p-one",            0, 1,   0.05, 2,   15, 9 },
    { "p-two",            0, 2,   0.30, 3.5, 12, 5 },
    { "3",                1, 2.5, 0.10, 3,   14, 6 },
    { "p four",           2, 2,   0.60, 4,   11, 9 },
    { "p-\xc3\xa9",       1, 0,   0.20, 3,   13, 4 },
    { "a-longer-id-of-a-product-of-the-pool",
                          0, 1.5, 0.15, 2,   15, 3 },
    { "7",                2, 1.2, 0.50, 2.5, 12, 4 },
    { "p-eight",          1, 1.8, 0.02, 2.2, 16, 5 },
    { "p\"nine\"",        0, 2,   0.40, 3,   10, 6 },
    { "p-ten",            1, 1.5, 0.25, 3,   12, 3 },
    { "p/eleven",         0, 2.5, 0.08, 3,   14, 4 },
    { "12",               2, 1.2, 0.35, 2,   13, 7 },
};

static const char *const  kinds[nkinds + 1] = {
    "film", "book", "", "of no product in the pool"
};


/*
 * Two shelves: letters are products of the pool, digits candidates that are
 * none, "-" is an item without an id.
 */

static const char *const  shelves[npages] = {
    "0123456|7", "a1b2c|d9", "012|", "3|e", "456c78|f", "-l-9|0a", "0k2j4i|1",
    "7g3|5h", "|89", "1f|2-"
};


/* How an exploring page view is decided. */

typedef struct {
    recs_method_e     method;
    unsigned          panel;
    unsigned          slots[slots_max + 1];     /* until a 0 */
} line_t;

typedef struct {
    const char       *name;     /* the salt, too */
    line_t            lines[lines_max];         /* until one without slots */
} policy_t;


static const policy_t  policies[] = {
    { "uniform", { { RECS_UNIFORM, 5, { 2 } } } },
    { "uniform, all", { { RECS_UNIFORM, 12, { 2 } } } },
    { "uniform, 3 slots", { { RECS_UNIFORM, 5, { 1, 3, 4 } } } },
    { "uniform, 3 slots, all", { { RECS_UNIFORM, 20, { 1, 3, 4 } } } },
    { "weighted", { { RECS_WEIGHTED, 5, { 2 } } } },
    { "weighted, all", { { RECS_WEIGHTED, 12, { 2 } } } },
    { "weighted, 3 slots", { { RECS_WEIGHTED, 5, { 1, 3, 4 } } } },
    { "weighted, 3 slots, all", { { RECS_WEIGHTED, 20, { 1, 3, 4 } } } },
    { "diverse", { { RECS_DIVERSE, 2, { 2 } } } },
    { "diverse, all", { { RECS_DIVERSE, 12, { 2 } } } },
    { "diverse, 3 slots", { { RECS_DIVERSE, 2, { 1, 3, 4 } } } },
    { "diverse, 3 slots, all", { { RECS_DIVERSE, 20, { 1, 3, 4 } } } },
    { "three lines", { { RECS_WEIGHTED, 6, { 3 } }, { RECS_UNIFORM, 5, { 1 } },
                       { RECS_DIVERSE, 2, { 4 } } } },
};

#define NPOLICIES  unit_nelts(policies)


/* What is logged: the truth, or what a wrong implementation would say. */

typedef enum {
    RIGHT = 0,
    CHOICE_ALONE,               /* p without m/N */
    PLACED_FORGOTTEN,           /* N with those that earlier slots placed */
    CAPPED_ELIGIBLE,            /* capped ones counted as eligible */
    LOADED,                     /* 1 draw in 8 takes the pool's first */
    nways
} way_e;


/* A comparison: of what was seen less what was to be expected. */

typedef struct {
    unit_spread_t     spread;
    double            expected;
    double            sums[nways];
} comparison_t;


typedef struct {
    const policy_t   *policy;
    recs_explore_t    explores[lines_max];
    recs_line_t       lines[lines_max];
    unsigned          nlines;
    unsigned          nslots;
    unsigned          slots[slots_max];         /* ascending */
    const line_t     *of[slots_max];            /* their lines */
    unsigned          showings[npool];          /* in this window */

    comparison_t      weights[slots_max][npool];
    comparison_t      values[slots_max];
    comparison_t      slate;
    unsigned          capped;   /* eligible but for a cap */
} run_t;

static run_t  runs[NPOLICIES];


/* What the decision's view meets. */

typedef struct {
    unsigned          user;
    unsigned          state;
    unsigned          page;
    int               lost;     /* a set that can't be asked; -1: none */
} situation_t;


/* What is so, found without the draw: masks of products of the pool. */

typedef struct {
    unsigned          allowed;  /* by the sets, and not on the page */
    unsigned          capped;
    unsigned          length;   /* of the first shelf, before exploration */
    unsigned          kinds[slots_max];         /* of a diverse slot */
    unsigned          placed;   /* by earlier slots */
    unsigned          nplaced;
} facts_t;


/* A slot's chances, given all before it. */

typedef struct {
    const line_t     *line;
    unsigned          members;  /* of which it draws: pool or category */
    unsigned          eligible; /* of these, in a panel or not */
    unsigned          n;        /* N */
    unsigned          m;
    double            weight;   /* of the eligible ones */
} chances_t;


static uint8_t         watched[nusers][nproducts];
static uint8_t         stock[nstates][nproducts];
static recs_choices_t  choices;
static recs_page_t     pages[npages];
static uint32_t        shows[npages][nkinds];
static unit_arena_t    shop;


/* Memory for one decision, without a call of malloc() for each piece. */

typedef union {
    long double       align;
    uint8_t           bytes[32768];
} room_t;

static room_t  room;
static size_t  taken;


static void *
take(void *ctx, size_t size)
{
    void  *p;

    (void) ctx;

    size = (size + 15) / 16 * 16;
    assert_true(size <= sizeof(room) - taken);

    p = room.bytes + taken;
    taken += size;

    return p;
}

static const recs_mem_t  memory = { take, NULL };


static uint64_t
chance(const char *what, uint64_t i, uint64_t k, uint64_t n)
{
    recs_str_t  str = unit_str(what);

    return recs_hash_uniform(recs_hash_int(recs_hash_str(7, &str), i), k, n);
}


/* The product that a letter of a shelf stands for; -1: none. */

static int
product_of(char letter)
{
    return letter == '-' ? -1
           : letter >= 'a' ? letter - 'a' : npool + letter - '0';
}


static unsigned
kind_of(int product)
{
    return product < 0 ? 2 : product < npool ? products[product].kind
                                             : (unsigned) product % 4;
}


static void
make_sets(void)
{
    unsigned  i, k, stocked;

    for (i = 0; i < nproducts; i++) {
        stocked = i < npool ? products[i].stocked : 12;

        for (k = 0; k < nstates; k++) {
            stock[k][i] = chance("stock", i, k, 16) < stocked;
        }

        for (k = 0; k < nusers; k++) {
            watched[k][i] = chance("watched", i, k, 16) >= stocked;
        }
    }
}


static void
make_pool(void)
{
    unsigned    i;
    recs_str_t  id, kind;

    assert_int_equal(recs_choices_init(&choices, &shop.mem, npool, 1, 1),
                     RECS_OK);

    for (i = 0; i < npool; i++) {
        id = unit_str(products[i].id);
        kind = unit_str(kinds[products[i].kind]);
        assert_int_equal(recs_choices_add(&choices, &shop.mem, &id, 3,
                                          products[i].weight, &kind), RECS_OK);
    }

    assert_int_equal(recs_choices_end(&choices, &shop.mem), RECS_OK);
}


static void
add_item(unit_text_t *text, int product)
{
    char         digit[2];
    const char  *p;

    unit_add_cstr(text, "{\"kind\":\"");
    unit_add_cstr(text, kinds[kind_of(product)]);
    unit_add_cstr(text, "\"");

    if (product >= 0) {
        unit_add_cstr(text, ",\"id\":\"");
        digit[0] = (char) ('0' + product - npool);
        digit[1] = '\0';

        for (p = product < npool ? products[product].id : "c"; *p; p++) {
            recs_str_t  byte = { (const uint8_t *) p, 1 };

            unit_add_cstr(text, *p == '"' ? "\\" : "");
            unit_add(text, &byte);
        }

        unit_add_cstr(text, product < npool ? "\"" : digit);
        unit_add_cstr(text, product < npool ? "" : "\"");
    }

    unit_add_cstr(text, "}");
}


static void
make_pages(void)
{
    unsigned         i;
    recs_str_t       str;
    const char      *p;
    unit_text_t      text;
    recs_pointer_t  *kind;

    (void) unit_pointers(&shop, "/kind", &kind);

    for (i = 0; i < npages; i++) {
        text.len = 0;
        unit_add_cstr(&text, "{\"a\":[");

        for (p = shelves[i]; *p; p++) {

            if (*p == '|') {
                unit_add_cstr(&text, "],\"b\":[");
                continue;
            }

            add_item(&text, product_of(*p));
            unit_add_cstr(&text, p[1] && p[1] != '|' ? "," : "");
        }

        unit_add_cstr(&text, "]}");
        str = unit_text_str(&text);
        unit_page(&shop, "/a /b", &str, &pages[i]);
        assert_int_equal(pages[i].nitems, strlen(shelves[i]) - 1);

        assert_int_equal(recs_choices_shown(&choices, &shop.mem, &pages[i],
                                            limit, kind, shows[i]), RECS_OK);
    }
}


/* What the sets say: the stock, in which an item must be, then the watched. */

static recs_answer_e
answer(const situation_t *at, int set, unsigned product)
{
    if (at->lost == set) {
        return RECS_UNKNOWN;
    }

    return (set == 0 ? stock[at->state][product]
                     : watched[at->user][product]) ? RECS_IN : RECS_OUT;
}


/* Which products the page shows before exploration, and how many items. */

static void
facts_of_page(const situation_t *at, facts_t *facts, unsigned *shown)
{
    int          product;
    unsigned     n, shelf;
    const char  *p;

    n = 0;
    shelf = 0;
    *shown = 0;

    for (p = shelves[at->page]; /* void */ ; p++) {

        if (*p == '|' || *p == '\0') {

            if (shelf++) {
                return;
            }

            facts->length = n;
            n = 0;
            continue;
        }

        product = product_of(*p);

        if (product >= 0 && (answer(at, 0, (unsigned) product) == RECS_OUT
                             || answer(at, 1, (unsigned) product) == RECS_IN))
        {
            continue;
        }

        if (n < limit) {
            n++;
            *shown |= product >= 0 && product < npool ? 1u << product : 0;
        }
    }
}


/* Ties: whose hash is the lowest; the chain that docs/replay.md describes */

static uint64_t
rank_of(const char *salt, unsigned slot, const recs_str_t *event,
    const char *kind)
{
    uint8_t   bytes[8] = { 0 };
    uint64_t  h;

    bytes[0] = (uint8_t) slot;

    h = XXH3_64bits_withSeed(salt, strlen(salt), 0);
    h = XXH3_64bits_withSeed("category", 8, h);
    h = XXH3_64bits_withSeed(bytes, 8, h);
    h = XXH3_64bits_withSeed(event->data, event->len, h);

    return XXH3_64bits_withSeed(kind, strlen(kind), h);
}


/* The kinds of diverse slots: of which the page as it came shows least. */

static void
facts_of_kinds(const run_t *run, const situation_t *at,
    const recs_str_t *event, facts_t *facts)
{
    unsigned     k, s, n, least, shown[nkinds + 1];
    uint64_t     rank, lowest;
    const char  *p;

    memset(shown, 0, sizeof(shown));

    for (p = shelves[at->page], n = 0; *p; p++) {
        if (*p == '|') {
            n = 0;

        } else if (n++ < limit) {
            shown[kind_of(product_of(*p))]++;
        }
    }

    for (s = 0; s < run->nslots; s++) {
        if (run->of[s]->method != RECS_DIVERSE) {
            continue;
        }

        least = 0;
        lowest = 0;

        for (k = 0; k < nkinds; k++) {
            rank = rank_of(run->policy->name, run->slots[s], event, kinds[k]);

            if (k == 0 || shown[k] < shown[least]
                || (shown[k] == shown[least] && rank < lowest))
            {
                least = k;
                lowest = rank;
            }
        }

        facts->kinds[s] = least;
        shown[least]++;
    }
}


static void
find_facts(const run_t *run, const situation_t *at, const recs_str_t *event,
    facts_t *facts)
{
    unsigned  i, shown;

    memset(facts, 0, sizeof(facts_t));

    facts_of_page(at, facts, &shown);
    facts_of_kinds(run, at, event, facts);

    for (i = 0; i < npool; i++) {

        if (answer(at, 0, i) == RECS_IN && answer(at, 1, i) == RECS_OUT
            && !(shown & 1u << i))
        {
            facts->allowed |= 1u << i;
        }

        if (run->showings[i] >= products[i].cap * run->nslots) {
            facts->capped |= 1u << i;
        }
    }
}


static double
weight_of(const line_t *line, unsigned item)
{
    return line->method == RECS_WEIGHTED ? products[item].weight : 1;
}


/* The chances of slot s once earlier ones placed some. */

static void
find_chances(const run_t *run, const facts_t *facts, unsigned placed,
    unsigned s, chances_t *chances)
{
    unsigned       i, bit;
    const line_t  *line;

    line = run->of[s];

    memset(chances, 0, sizeof(chances_t));
    chances->line = line;

    for (i = 0; i < npool; i++) {
        bit = 1u << i;

        if ((placed & bit) || (line->method == RECS_DIVERSE
                               && products[i].kind != facts->kinds[s]))
        {
            continue;
        }

        chances->members |= bit;
        chances->n++;

        if ((facts->allowed & ~facts->capped & bit)
            && weight_of(line, i) > 0)
        {
            chances->eligible |= bit;
            chances->weight += weight_of(line, i);
        }
    }

    chances->m = line->panel < chances->n ? line->panel : chances->n;
}


/*
 * The mean of 1/p^2 for an eligible item, 0 where it isn't drawn.  It is in the
 * panel in m/N of the cases; then each other one is with (m-1)/(N-1), and
 * 1/choice is the weight of the panel's eligible ones in parts of its own.
 */

static double
mean_square(const chances_t *chances, unsigned item)
{
    double  own, others;

    own = weight_of(chances->line, item);
    others = chances->n > 1 ? (chances->m - 1.0) / (chances->n - 1.0) : 0;

    return (double) chances->n / chances->m
           * (1 + (chances->weight - own) / own * others);
}


/* The other policy: of the eligible ones, in proportion to its liking. */

static double
liking_of(const chances_t *chances)
{
    double    sum;
    unsigned  i;

    sum = 0;

    for (i = 0; i < npool; i++) {
        sum += chances->eligible & 1u << i ? products[i].liking : 0;
    }

    return sum;
}


/* The most that 1/p can be, and that the other policy's probability by p. */

static void
find_mosts(const line_t *line, unsigned item, double *weight, double *ratio)
{
    double    all, large, up, down, w, by;
    unsigned  i, n;

    all = 0;
    large = 0;
    up = 0;
    down = 0;
    n = 0;

    for (i = 0; i < npool; i++) {

        if (line->method == RECS_DIVERSE
            && products[i].kind != products[item].kind)
        {
            continue;
        }

        w = weight_of(line, i);
        n++;
        all += w;
        large = fmax(large, w);
        up = fmax(up, w / products[i].liking);
        down = w > 0 ? fmax(down, products[i].liking / w) : down;
    }

    by = n > line->panel ? (double) n / line->panel : 1;
    w = weight_of(line, item);

    /* a panel's eligible ones weigh no more than all that are eligible */

    *weight = w > 0 ? fmin(all, large * line->panel) / w * by : 0;
    *ratio = up * down * by;
}


static void
start_run(run_t *run, const policy_t *policy)
{
    double         ratio, most;
    unsigned       i, k, s, n;
    const line_t  *line;

    memset(run, 0, sizeof(run_t));
    run->policy = policy;

    for (i = 0; i < lines_max && policy->lines[i].slots[0]; i++) {
        line = &policy->lines[i];
        run->explores[i].salt = unit_str(policy->name);
        run->explores[i].rate = 1;
        run->explores[i].method = line->method;
        run->explores[i].panel = line->panel;
        run->lines[i].policy = &run->explores[i];
        run->lines[i].pool = &choices;
        run->nlines++;

        for (s = 0; line->slots[s]; s++) {
            run->explores[i].slots[run->explores[i].nslots++] = line->slots[s];

            for (k = run->nslots++; k && run->slots[k - 1] > line->slots[s];
                 k--)
            {
                run->slots[k] = run->slots[k - 1];
                run->of[k] = run->of[k - 1];
            }

            run->slots[k] = line->slots[s];
            run->of[k] = line;
        }
    }

    run->slate.spread.most = 1;
    run->slate.spread.least = 1;

    for (s = 0; s < run->nslots; s++) {
        most = 0;

        for (n = 0; n < npool; n++) {
            find_mosts(run->of[s], n, &run->weights[s][n].spread.most, &ratio);
            run->weights[s][n].spread.least = 1;
            most = fmax(most, ratio);
        }

        run->values[s].spread.most = most;
        run->values[s].spread.least = 1;
        run->slate.spread.most *= most;
    }
}


/* The value of a slate, ordered: that something of it is clicked. */

typedef struct {
    double            mean;
    double            square;   /* of what the estimate adds up */
} value_t;

static value_t  values[(1 << npool) * nkinds * nkinds * nkinds];


static void
slate_value(const run_t *run, const facts_t *facts, unsigned placed,
    unsigned s, double probability, double square, double no_click,
    value_t *value)
{
    double     other, all;
    unsigned   i;
    chances_t  chances;

    if (s == run->nslots) {
        value->mean += probability * (1 - no_click);
        value->square += square * (1 - no_click);
        return;
    }

    find_chances(run, facts, placed, s, &chances);
    all = liking_of(&chances);

    for (i = 0; i < npool; i++) {
        if (chances.eligible & 1u << i) {
            other = products[i].liking / all;
            slate_value(run, facts, placed | 1u << i, s + 1,
                        probability * other,
                        square * other * other * mean_square(&chances, i),
                        no_click * (1 - products[i].clicks), value);
        }
    }
}


/*
 * How long the first shelf is once so many were placed: it grows up to the
 * limit, and beyond that if all on it are of the pool.
 */

static unsigned
length_with(const facts_t *facts, unsigned placed)
{
    unsigned  length;

    length = facts->length + placed;
    length = length > limit ? limit : length;

    return placed > length ? placed : length;
}


/* Can all slots be reached? */

static int
has_slate(const run_t *run, const facts_t *facts)
{
    unsigned  s;

    for (s = 0; s < run->nslots; s++) {
        if (run->slots[s] > length_with(facts, s) + 1) {
            return 0;
        }
    }

    return run->nslots > 1;
}


/* What the log says, if it is written in one of the ways. */

static void
logged(const facts_t *facts, const chances_t *chances, const recs_draw_t *d,
    way_e way, int last, uint64_t t, unsigned *item, double *p)
{
    double    w, all, capped;
    unsigned  i, k, n, first;

    *item = d->order[d->drawn];
    *p = d->p;

    switch (way) {

    case CHOICE_ALONE:
        *p = d->choice;
        return;

    case PLACED_FORGOTTEN:
        n = chances->n;

        for (i = 0; i < npool; i++) {
            n += (facts->placed & 1u << i)
                 && (d->category == NULL
                     || products[i].kind == products[*item].kind);
        }

        *p = d->choice * d->panel_size / n;
        return;

    case CAPPED_ELIGIBLE:
    case LOADED:
        all = 0;
        capped = 0;
        first = *item;

        for (k = 0; k < d->panel_size; k++) {
            i = d->order[d->panel[k]];
            w = weight_of(chances->line, i);

            if (chances->eligible & 1u << i) {
                all += w;
                first = i < first ? i : first;

            } else if (facts->capped & facts->allowed & 1u << i) {
                capped += w;
            }
        }

        /* what stands in an earlier slot was there for those after it */

        if (way == CAPPED_ELIGIBLE) {
            all += capped;

        } else if (last && chance("loaded", t, 0, 8) == 0) {
            *item = first;
        }

        *p = weight_of(chances->line, *item) / all * d->panel_size
             / d->pool_size;
        return;

    default:
        return;
    }
}


/* Adds one slot of a decision.  draw: of what it shows; NULL: nothing. */

static void
count_slot(run_t *run, const facts_t *facts, unsigned s,
    const recs_draw_t *draw, uint64_t t, double click, double *by)
{
    way_e          way;
    double         p, all, mean, square, other;
    unsigned       i, item, bit;
    chances_t      chances;
    comparison_t  *c;

    find_chances(run, facts, facts->placed, s, &chances);

    all = liking_of(&chances);
    mean = 0;
    square = 0;

    for (i = 0; i < npool; i++) {
        if (chances.eligible & 1u << i) {
            c = &run->weights[s][i];
            c->expected++;
            c->spread.variance += mean_square(&chances, i) - 1;

            for (way = RIGHT; way < nways; way++) {
                c->sums[way]--;
            }

            other = products[i].liking / all;
            mean += other * products[i].clicks;
            square += other * other * products[i].clicks
                      * mean_square(&chances, i);
        }
    }

    c = &run->values[s];
    c->expected += mean;
    c->spread.variance += square - mean * mean;

    for (way = RIGHT; way < nways; way++) {
        c->sums[way] -= mean;

        if (draw == NULL) {
            by[way] = 0;
            continue;
        }

        logged(facts, &chances, draw, way, s + 1 == run->nslots, t, &item, &p);
        bit = 1u << item;
        assert_true(chances.eligible & bit);

        run->weights[s][item].sums[way] += 1 / p;

        other = products[item].liking / all;
        by[way] *= other / p;

        if (click < products[item].clicks) {
            c->sums[way] += other / p;
        }

        if (way == RIGHT) {
            assert_true(1 / p < 1.000001 * run->weights[s][item].spread.most);
            assert_true(other / p < 1.000001 * c->spread.most);
        }
    }

    run->capped += (facts->allowed & facts->capped & chances.members) != 0;
}


static void
count_slate(run_t *run, const facts_t *facts, const double *by, int clicked)
{
    way_e     way;
    unsigned  s, key;
    value_t  *value;

    /* all that it depends on; it takes long */

    key = facts->allowed & ~facts->capped;

    for (s = 0; s < run->nslots; s++) {
        key = key * nkinds + facts->kinds[s];
    }

    value = &values[key];

    if (value->square == 0) {
        slate_value(run, facts, 0, 0, 1, 1, 1, value);
    }

    run->slate.expected += value->mean;
    run->slate.spread.variance += value->square - value->mean * value->mean;

    for (way = RIGHT; way < nways; way++) {
        run->slate.sums[way] += (clicked ? by[way] : 0) - value->mean;
    }
}


/* What was put in for the slot; NULL: nothing. */

static const recs_draw_t *
shown_for(const recs_decision_t *d, const recs_draw_t *draw)
{
    size_t  i;

    for (i = 0; i < d->ninserts; i++) {
        if (d->inserts[i].draw == draw) {
            assert_int_equal(d->inserts[i].item, draw->order[draw->drawn]);
            return draw;
        }
    }

    return NULL;
}


static void
count_decision(run_t *run, facts_t *facts, const recs_policy_t *policy,
    const recs_decision_t *d, uint64_t t)
{
    int                 clicked, slate;
    way_e               way;
    double              click, by[nways];
    unsigned            s, item;
    facts_t             before;
    const recs_draw_t  *draw;

    before = *facts;
    slate = has_slate(run, facts);
    clicked = 0;

    for (way = RIGHT; way < nways; way++) {
        by[way] = 1;
    }

    for (s = 0; s < run->nslots; s++) {
        draw = shown_for(d, &policy->draws[s]);

        if (run->slots[s] > length_with(facts, facts->nplaced) + 1) {
            assert_null(draw);
            continue;
        }

        click = (double) chance("click", t, s, 1u << 30) / (1u << 30);
        count_slot(run, facts, s, draw, t, click, by);

        if (draw) {
            item = draw->order[draw->drawn];
            facts->placed |= 1u << item;
            facts->nplaced++;
            run->showings[item]++;
            clicked |= click < products[item].clicks;
        }
    }

    assert_int_equal(d->explored, facts->nplaced);

    if (slate) {
        count_slate(run, &before, by, clicked);
    }
}


/* Answers about the ids that are asked: the page's, then the draws'. */

static void
find_answers(const situation_t *at, const recs_draw_t *draws, unsigned ndraws,
    uint8_t (*answers)[256])
{
    int          set;
    size_t       n;
    unsigned     i, s;
    const char  *p;

    for (set = 0; set < 2; set++) {
        n = 0;

        for (p = shelves[at->page]; *p; p++) {
            if (*p != '|' && *p != '-') {
                answers[set][n++] = (uint8_t)
                    answer(at, set, (unsigned) product_of(*p));
            }
        }

        for (s = 0; s < ndraws; s++) {
            for (i = 0; i < draws[s].norder; i++) {
                answers[set][n++] = (uint8_t)
                    answer(at, set, draws[s].order[i]);
            }
        }
    }
}


static void
find_capped(const facts_t *facts, recs_draw_t *draw)
{
    unsigned   i;
    uint8_t   *capped;

    capped = take(NULL, draw->norder);

    for (i = 0; i < draw->norder; i++) {
        capped[i] = (facts->capped >> draw->order[i]) & 1;
    }

    draw->capped = capped;
}


static void
decide(run_t *run, uint64_t t)
{
    char             text[32];
    facts_t          facts;
    uint8_t          answers[2][256];
    unsigned         i, s;
    situation_t      at;
    recs_rule_t      rules[2];
    recs_policy_t    policy;
    recs_decision_t  d;

    taken = 0;

    at.user = (unsigned) chance("user", t, 0, nusers);
    at.state = (unsigned) chance("state", t / 500, 0, nstates);
    at.page = (unsigned) chance("page", t, 0, npages);
    at.lost = (int) chance("lost", t, 0, 60);
    at.lost = at.lost < 2 ? at.lost : -1;

    if (t % window == 0) {
        memset(run->showings, 0, sizeof(run->showings));
    }

    memset(&policy, 0, sizeof(recs_policy_t));
    policy.limit = limit;
    policy.rules = rules;
    policy.nrules = 2;

    (void) sprintf(text, "view-%06x", (unsigned) t);
    policy.event = unit_str(text);

    for (i = 0; i < run->nlines; i++) {
        run->lines[i].shows = take(NULL, sizeof(shows[0]));
        memcpy(run->lines[i].shows, shows[at.page], sizeof(shows[0]));
    }

    assert_int_equal(recs_explore_plan(&memory, run->lines, run->nlines,
                                       &policy.event, &policy.draws,
                                       &policy.ndraws), RECS_OK);
    assert_int_equal(policy.ndraws, run->nslots);

    find_facts(run, &at, &policy.event, &facts);
    find_answers(&at, policy.draws, policy.ndraws, answers);

    memset(rules, 0, sizeof(rules));
    rules[0].answers = answers[0];
    rules[1].answers = answers[1];
    rules[1].exclude = 1;

    for (s = 0; s < policy.ndraws; s++) {
        assert_int_equal(policy.draws[s].slot, run->slots[s]);
        find_capped(&facts, &policy.draws[s]);
    }

    assert_int_equal(recs_decide(&memory, &pages[at.page], &policy, &d),
                     RECS_OK);

    count_decision(run, &facts, &policy, &d, t);
}


static int
simulate(void **state)
{
    size_t    i;
    uint64_t  t;

    (void) state;

    unit_arena_init(&shop);
    make_sets();
    make_pool();
    make_pages();

    for (i = 0; i < NPOLICIES; i++) {
        start_run(&runs[i], &policies[i]);
        memset(values, 0, sizeof(values));

        for (t = 0; t < ndecisions; t++) {
            decide(&runs[i], t);
        }
    }

    return 0;
}


static int
forget(void **state)
{
    (void) state;

    unit_arena_free(&shop);

    return 0;
}


/* All comparisons that are made. */

static size_t
ncomparisons(void)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < NPOLICIES; i++) {
        n += runs[i].nslots * (npool + 1) + (runs[i].nslots > 1);
    }

    return n;
}


static double
excess(const comparison_t *c, way_e way)
{
    return unit_sum_excess(&c->spread, c->sums[way], ncomparisons());
}


/* Fails if the comparison is off, or has no power: half would not be seen. */

static void
assert_agrees(const run_t *run, const char *what, unsigned slot,
    const char *id, const comparison_t *c)
{
    double  bound;

    bound = unit_sum_bound(&c->spread, c->spread.most, ncomparisons());

    if (excess(c, RIGHT) > 1 || bound > 0.5 * c->expected) {
        print_error("%s: %s%s, slot %u: off by %g of %g, at most %g\n",
                    run->policy->name, what, id, slot, c->sums[RIGHT],
                    c->expected, bound);
        fail();
    }
}


/* Each item that is ever eligible: the sum of 1/p is the number of times. */

static void
weights_add_up_to_eligible_decisions(void **state)
{
    size_t               i;
    unsigned             s, k;
    const run_t         *run;
    const comparison_t  *c;

    (void) state;

    for (i = 0; i < NPOLICIES; i++) {
        run = &runs[i];
        assert_true(run->capped > ndecisions / 20);

        for (s = 0; s < run->nslots; s++) {
            for (k = 0; k < npool; k++) {
                c = &run->weights[s][k];

                if (weight_of(run->of[s], k) > 0) {
                    assert_agrees(run, "weights of ", run->slots[s],
                                  products[k].id, c);

                } else {
                    assert_true(c->expected == 0 && c->sums[RIGHT] == 0);
                }
            }
        }
    }
}


static void
a_policy_over_the_pool_is_estimated(void **state)
{
    size_t    i;
    unsigned  s;

    (void) state;

    for (i = 0; i < NPOLICIES; i++) {
        for (s = 0; s < runs[i].nslots; s++) {
            assert_agrees(&runs[i], "clicks", runs[i].slots[s], "",
                          &runs[i].values[s]);
        }
    }
}


static void
a_slate_policy_is_estimated(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < NPOLICIES; i++) {
        if (runs[i].nslots > 1) {
            assert_agrees(&runs[i], "clicks of slates", 0, "",
                          &runs[i].slate);
        }
    }
}


/* Where the pool fits the panel they are the same. */

static void
choice_alone_misses_where_panels_are_small(void **state)
{
    int                  small;
    size_t               i;
    unsigned             s;
    const run_t         *run;
    const comparison_t  *c;

    (void) state;

    for (i = 0; i < NPOLICIES; i++) {
        run = &runs[i];

        for (s = 0; s <= run->nslots; s++) {

            if (s == run->nslots && s == 1) {
                continue;
            }

            c = s < run->nslots ? &run->values[s] : &run->slate;
            small = run->of[s < run->nslots ? s : 0]->panel < npool;

            if (small) {
                assert_true(excess(c, CHOICE_ALONE) > 1);
                assert_true(c->sums[CHOICE_ALONE] < -0.2 * c->expected);

            } else {
                assert_true(fabs(c->sums[CHOICE_ALONE] - c->sums[RIGHT])
                            < 1e-6 * c->expected);
            }
        }
    }
}


/* Would a policy's run notice that its log is written in that way? */

static int
notices(const run_t *run, way_e way)
{
    unsigned  s, k;

    for (s = 0; s < run->nslots; s++) {
        for (k = 0; k < npool; k++) {
            if (run->weights[s][k].expected > 0
                && excess(&run->weights[s][k], way) > 1)
            {
                return 1;
            }
        }
    }

    return 0;
}


static void
wrong_probabilities_are_noticed(void **state)
{
    int           differs, noticed;
    way_e         way;
    size_t        i;
    const run_t  *run;

    static const char *const  ways[] = {
        "right", "m/N forgotten", "placed ones forgotten",
        "capped ones counted as eligible", "a loaded draw"
    };

    (void) state;

    for (i = 0; i < NPOLICIES; i++) {
        run = &runs[i];

        for (way = RIGHT; way < nways; way++) {
            differs = way == CHOICE_ALONE ? run->of[0]->panel < npool
                      : way == PLACED_FORGOTTEN ? run->nslots > 1
                      : way != RIGHT;
            noticed = notices(run, way);

            if (noticed != differs) {
                print_error("%s: %s: %snoticed\n", run->policy->name,
                            ways[way], noticed ? "" : "not ");
                fail();
            }
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(weights_add_up_to_eligible_decisions),
        cmocka_unit_test(a_policy_over_the_pool_is_estimated),
        cmocka_unit_test(a_slate_policy_is_estimated),
        cmocka_unit_test(choice_alone_misses_where_panels_are_small),
        cmocka_unit_test(wrong_probabilities_are_noticed),
    };

    return cmocka_run_group_tests(tests, simulate, forget);
}
