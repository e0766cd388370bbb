
/*
 * A libFuzzer target for pages (make fuzz): reading, the decision, rendering.
 * The first five bytes of an input choose what is looked for, the policy and
 * what the sets say; the rest is the document, JSON or MessagePack as its first
 * byte says.  What is checked: the page is malformed just when the document
 * is; counts add up; what is put out is well formed (msgpack-c agrees), and
 * read again holds the kept items' bytes in their order, where the decision
 * says what was put in, each once, and nothing that a set refused; and so do
 * the companions of shelves, with null for what was put in.
 */


#include <msgpack.h>

#include "fuzz.h"

#include "recs_decide.h"
#include "recs_hash.h"
#include "recs_object.h"
#include "recs_render.h"


#define CONTROL_LEN   5
#define POINTERS_MAX  4
#define RULES_MAX     2
#define SPECS         8
#define POOL_LEN      4
#define FILL_LEN      7
#define INSERTS_MAX   (RECS_EXPLORE_SLOTS_MAX + FILL_LEN)
#define ITEMS_MAX     1000


typedef struct {
    const char       *pointer;
    size_t            shelf;
    unsigned          optional;
} with_t;


typedef struct {
    const char       *shelves[POINTERS_MAX];    /* until a NULL */
    const char       *item_id;
    const char       *values[POINTERS_MAX];
    with_t            with[POINTERS_MAX];       /* until a NULL */
} spec_t;


static const spec_t  specs[SPECS] = {
    { { "/items", NULL }, "/id", { "/v", NULL },
      { { "/s", 0, 0 }, { "/t", 0, 1 }, { NULL, 0, 0 } } },
    { { "", NULL }, "/id", { "/0/v", NULL }, { { NULL, 0, 0 } } },
    { { "/rows/*/items", "/items", NULL }, "/id", { "/v", NULL },
      { { "/s", 1, 0 }, { "/rows/*/s", 0, 0 }, { "/rows/*/t/0", 0, 1 },
        { NULL, 0, 0 } } },
    { { "/b", "/a", NULL }, "/x/id", { "/v/w", "/a/0/v", "/s/0/v", NULL },
      { { "/s", 0, 1 }, { "/v/s", 1, 1 }, { NULL, 0, 0 } } },
    { { "/*", NULL }, "/0", { NULL }, { { NULL, 0, 0 } } },
    { { "/1", "/0", NULL }, "", { NULL },
      { { "/2", 0, 0 }, { "/3/0", 1, 1 }, { NULL, 0, 0 } } },
    { { "/a/1/b", "/a/0/b", "/c", NULL }, "/id", { "/a/0/v", NULL },
      { { "/a/1/c", 0, 0 }, { "/d", 2, 1 }, { NULL, 0, 0 } } },
    { { NULL }, "/id", { "", "/id", NULL }, { { NULL, 0, 0 } } },
};


/* The pool: some ids that short documents easily hold, too. */

static const char  *pool_texts[POOL_LEN] = {
    "{\"id\":\"a\"}", "{\"id\":1,\"t\":{}}", "{\"_recs\":0,\"id\":-0}",
    "{ \"id\" : \"\\u0000\\\"\" , \"_recs\" : 1 }"
};


/* What shelves are filled up with: some of the pool, one of them twice. */

static const char  *fill_texts[FILL_LEN] = {
    "{\"id\":2}", "{\"id\":\"\\u0061\"}", " {\"id\":\"f\"}",
    "{\"id\":1,\"t\":[]}", "{\"id\":\"1\",\"n\":1e400}",
    "\x82\xa5_recs\x01\xa2id\xc4\x01" "b", "\x81\xa2id\xd9\x01" "3"
};


static recs_str_t
string(const char *text)
{
    recs_str_t  str;

    str.data = (const uint8_t *) text;
    str.len = strlen(text);

    return str;
}


static recs_pointer_t *
pointers(const recs_mem_t *mem, const char *const *texts, size_t *n)
{
    recs_str_t       source;
    recs_pointer_t  *ptr;

    ptr = recs_alloc(mem, POINTERS_MAX * sizeof(recs_pointer_t));

    for (*n = 0; *n < POINTERS_MAX && texts[*n]; (*n)++) {
        source = string(texts[*n]);
        check(recs_pointer_compile(mem, &source, &ptr[*n]) == NULL);
    }

    return ptr;
}


/* What a set says about an id: always the same. */

static uint8_t
answer(uint8_t seed, size_t set, const recs_str_t *id)
{
    return (uint8_t) (recs_hash_str(seed * 8 + set, id) % 3);
}


typedef struct {
    recs_mem_t        mem;
    recs_page_spec_t  spec;
    recs_str_t        text;
    recs_page_t       page;

    uint8_t           seed;         /* of the answers */
    recs_rule_t       rules[RULES_MAX];
    recs_explore_t    ex;
    recs_line_t       line;
    recs_choices_t    choices;
    recs_object_t     objects[POOL_LEN];
    recs_str_t        pool[POOL_LEN];
    uint8_t           pool_forms[POOL_LEN];
    recs_object_t     fill_objects[FILL_LEN];
    recs_str_t        fill[FILL_LEN];
    uint8_t           fill_forms[FILL_LEN];
    recs_policy_t     policy;
    recs_decision_t   decision;

    recs_str_t        inserts[INSERTS_MAX];
    recs_str_t        tag;
    recs_str_t        output;
} run_t;


static void
read_pool(run_t *run, const char **texts, size_t len, recs_object_t *objects,
    recs_str_t *ids, uint8_t *forms)
{
    size_t           i, n;
    recs_str_t       text;
    recs_pointer_t  *id;

    static const char  *const id_texts[POINTERS_MAX] = { "/id" };

    id = pointers(&run->mem, id_texts, &n);

    for (i = 0; i < len; i++) {
        text = string(texts[i]);
        check(recs_object_read(&run->mem, &text, id, &objects[i]) == NULL);
        ids[i] = objects[i].id;
        forms[i] = objects[i].forms;
    }
}


/* What control leaves of the specs' bits, and the rest: the policy. */

static void
plan(run_t *run, const uint8_t *control)
{
    unsigned          s;
    recs_policy_t    *policy;

    policy = &run->policy;
    run->seed = control[2];

    policy->limit = control[1] & 3;
    policy->distinct = control[1] >> 2 & 1;
    policy->drop_unidentified = control[2] >> 7;
    policy->nrules = control[1] >> 3 & 1 ? RULES_MAX : control[1] >> 4 & 1;
    policy->rules = run->rules;

    run->rules[0].exclude = control[1] >> 5 & 1;
    run->rules[0].drop_unknown = control[1] >> 6 & 1;
    run->rules[1].exclude = 1;
    run->rules[1].drop_unknown = control[1] >> 7;

    read_pool(run, fill_texts, FILL_LEN, run->fill_objects, run->fill,
              run->fill_forms);

    policy->min = control[0] / SPECS & 3;
    policy->nbackfill = control[0] / SPECS / 4;
    policy->backfill = run->fill;
    policy->backfill_forms = run->fill_forms;

    if (control[3] == 0) {
        return;
    }

    read_pool(run, pool_texts, POOL_LEN, run->objects, run->pool,
              run->pool_forms);

    run->ex.panel = 1 + (control[3] & 3);
    run->ex.rate = 1;

    for (s = 0; s < 6; s++) {
        if (control[3] >> (s + 2) & 1) {
            run->ex.slots[run->ex.nslots++] = s + 1;
        }
    }

    run->choices.ids = run->pool;
    run->choices.forms = run->pool_forms;
    run->choices.n = POOL_LEN;
    run->line.policy = &run->ex;
    run->line.pool = &run->choices;
    policy->event.data = control;
    policy->event.len = CONTROL_LEN;

    check(recs_explore_plan(&run->mem, &run->line, 1, &policy->event,
                            &policy->draws, &policy->ndraws) == RECS_OK);
}


/* Each id that is asked, in the order that recs_policy_t says. */

static void
ask(run_t *run)
{
    size_t        i, k, n;
    uint8_t      *answers;
    unsigned      s, j;
    recs_str_t   *ids;
    recs_draw_t  *draw;

    n = run->page.nitems + (size_t) RECS_EXPLORE_SLOTS_MAX * POOL_LEN
        + FILL_LEN;
    ids = recs_alloc(&run->mem, n * sizeof(recs_str_t));
    n = 0;

    for (i = 0; i < run->page.nitems; i++) {
        if (run->page.items[i].id.data) {
            ids[n++] = run->page.items[i].id;
        }
    }

    for (s = 0; s < run->policy.ndraws; s++) {
        draw = &run->policy.draws[s];

        for (j = 0; j < draw->norder; j++) {
            ids[n++] = run->pool[draw->order[j]];
        }
    }

    for (i = 0; i < run->policy.nbackfill; i++) {
        ids[n++] = run->fill[i];
    }

    for (k = 0; k < run->policy.nrules; k++) {
        answers = recs_alloc(&run->mem, n);

        for (i = 0; i < n; i++) {
            answers[i] = answer(run->seed, k, &ids[i]);
        }

        run->rules[k].answers = answers;
    }
}


/* May an item with the id stand on the page? */

static int
passes(const run_t *run, const recs_str_t *id, int definitely)
{
    size_t              k;
    uint8_t             said;
    const recs_rule_t  *rule;

    for (k = 0; k < run->policy.nrules; k++) {
        rule = &run->rules[k];
        said = answer(run->seed, k, id);

        if (said == RECS_UNKNOWN ? rule->drop_unknown || definitely
                                 : said == (rule->exclude ? RECS_IN
                                                          : RECS_OUT))
        {
            return 0;
        }
    }

    return 1;
}


static void
check_counts(const run_t *run)
{
    size_t                  i, n[RECS_UNIDENTIFIED + 1], unidentified, refused;
    const recs_decision_t  *d;

    d = &run->decision;
    memset(n, 0, sizeof(n));
    unidentified = 0;

    for (i = 0; i < run->page.nitems; i++) {
        check(d->verdicts[i].fate <= RECS_UNIDENTIFIED);
        n[d->verdicts[i].fate]++;
        unidentified += run->page.items[i].id.data == NULL;
    }

    refused = 0;

    for (i = 0; i < run->policy.nrules; i++) {
        refused += d->removed_by[i];
    }

    check(d->total == run->page.nitems);
    check(d->total == d->kept + d->removed + d->cut);
    check(d->kept == n[RECS_KEPT]);
    check(d->removed == n[RECS_REFUSED] + n[RECS_REPEATED]
                        + n[RECS_UNIDENTIFIED]);
    check(d->repeated == n[RECS_REPEATED]);
    check(n[RECS_UNIDENTIFIED]
          == (run->policy.drop_unidentified ? unidentified : 0));
    check(d->cut == n[RECS_CUT] + n[RECS_DISPLACED]);
    check(refused == n[RECS_REFUSED]);
    check(d->unidentified == unidentified);
    check(d->ninserts == d->explored + d->backfilled);
    check(run->page.nshelves == 0
          || run->policy.ndraws == d->explored + d->skipped + d->unfilled);
}


static void
render(run_t *run)
{
    size_t          i;
    uint8_t        *p;
    recs_str_t      pool;
    recs_output_t   out;
    recs_object_t  *object;
    recs_insert_t  *insert;

    pool = string("fresh");

    check(run->decision.ninserts <= INSERTS_MAX);

    for (i = 0; i < run->decision.ninserts; i++) {
        insert = &run->decision.inserts[i];
        object = insert->draw ? &run->objects[insert->item]
                              : &run->fill_objects[insert->item];
        check(recs_object_insert(&run->mem, object, &run->page, insert, &pool,
                                 0.5, &run->inserts[i]) == RECS_OK);
    }

    run->tag = string("");

    if (run->page.root == RECS_OBJECT && run->seed & 1) {
        run->tag = string(run->page.format == RECS_MSGPACK ? "\x81\xa1" "a\x90"
                                                           : "{\"a\":[]}");
    }

    check(recs_render(&run->mem, &run->page, &run->decision, run->inserts,
                      &run->tag, &out) == RECS_OK);

    p = recs_alloc(&run->mem, out.size);
    run->output.data = p;
    run->output.len = out.size;

    for (i = 0; i < out.npieces; i++) {
        check(out.pieces[i].len <= run->output.len
              - (size_t) (p - run->output.data));
        memcpy(p, out.pieces[i].data, out.pieces[i].len);
        p += out.pieces[i].len;
    }

    check(p == run->output.data + run->output.len);
}


static const recs_str_t *
inserted(const run_t *run, size_t k)
{
    recs_insert_t  *insert;

    insert = &run->decision.inserts[k];

    return insert->draw ? &run->pool[insert->item]
                        : &run->fill[insert->item];
}


/* How often is the id on the page that is put out? */

static unsigned
times_shown(const run_t *run, const recs_str_t *id)
{
    size_t    i;
    unsigned  n;

    n = 0;

    for (i = 0; i < run->page.nitems; i++) {
        n += run->decision.verdicts[i].fate == RECS_KEPT
             && run->page.items[i].id.data
             && recs_str_eq(&run->page.items[i].id, id);
    }

    for (i = 0; i < run->decision.ninserts; i++) {
        n += recs_str_eq(inserted(run, i), id);
    }

    return n;
}


/* The output's item is what was put in there. */

static void
check_insert(const run_t *run, const recs_item_t *item, size_t k)
{
    recs_str_t      span;
    recs_insert_t  *insert;

    insert = &run->decision.inserts[k];

    check(passes(run, inserted(run, k), 1));
    check(times_shown(run, inserted(run, k)) == 1);

    if (insert->draw) {
        check(insert->shelf == 0);
        check(insert->draw->p > 0 && insert->draw->p <= 1);
    }

    check((insert->draw ? run->objects[insert->item].forms
                        : run->fill_objects[insert->item].forms)
          & recs_format_bit(run->page.format));

    /* white space around the object is no part of the item */

    span = run->inserts[k];

    while (run->page.format == RECS_JSON && span.data[0] == ' ') {
        span.data++;
        span.len--;
    }

    while (run->page.format == RECS_JSON && span.data[span.len - 1] == ' ') {
        span.len--;
    }

    check(recs_str_eq(&item->span, &span));
}


/* The first of the shelf's inserts; *end: just after its last. */

static size_t
first_insert(const run_t *run, size_t shelf, size_t *end)
{
    size_t                  first;
    const recs_decision_t  *d;

    d = &run->decision;

    for (first = 0; first < d->ninserts; first++) {
        if (d->inserts[first].shelf == shelf) {
            break;
        }
    }

    for (*end = first; *end < d->ninserts; (*end)++) {
        if (d->inserts[*end].shelf != shelf) {
            break;
        }
    }

    return first;
}


/* A shelf is short only if nothing is left that could stand on it. */

static void
check_filled(const run_t *run, size_t length)
{
    size_t  i;

    /* a draw may have taken the place of what filled up the shelf */

    if (length >= run->policy.min || run->policy.ndraws) {
        return;
    }

    for (i = 0; i < run->policy.nbackfill; i++) {
        check(!passes(run, &run->fill[i], 1)
              || !(run->fill_forms[i] & recs_format_bit(run->page.format))
              || times_shown(run, &run->fill[i]) > 0);
    }
}


/* The companion k: what it had of what stayed, null for what was put in. */

static void
check_companion(const run_t *run, const recs_page_t *again, size_t k)
{
    size_t                   i, n, put, end, shelf_end;
    recs_str_t               null;
    const recs_shelf_t      *shelf;
    const recs_companion_t  *came, *is;

    came = &run->page.companions[k];
    is = &again->companions[k];
    check(is->shelf == came->shelf);

    null = string(again->format == RECS_MSGPACK ? "\xc0" : "null");
    shelf = &run->page.shelves[came->shelf];
    shelf_end = shelf->first + shelf->nitems;
    put = first_insert(run, came->shelf, &end);
    n = 0;

    for (i = shelf->first; i < shelf_end; i++) {

        if (run->decision.verdicts[i].fate != RECS_KEPT) {
            continue;
        }

        for ( /* void */ ; put < end && run->decision.inserts[put].before == i;
             put++)
        {
            check(recs_str_eq(&is->elements[n++], &null));
        }

        check(recs_str_eq(&is->elements[n++],
                          &came->elements[i - shelf->first]));
    }

    for ( /* void */ ; put < end; put++) {
        check(recs_str_eq(&is->elements[n++], &null));
    }

    check(n == again->shelves[is->shelf].nitems);
}


/* The page that was put out: shelf by shelf, what the decision says. */

static void
check_output(run_t *run)
{
    size_t               i, k, n, pos, put, end;
    const char          *error;
    recs_page_t          again;
    const recs_item_t   *item;
    const recs_shelf_t  *shelf;

    run->spec.max_items = ITEMS_MAX + INSERTS_MAX;

    check(recs_page_read(&run->mem, &run->spec, run->page.format,
                         &run->output, &again, &error, &pos) == RECS_OK);
    check(again.nshelves == run->page.nshelves);
    check(again.nitems == run->decision.kept + run->decision.ninserts);
    check(again.root == run->page.root);
    check(again.ncuts == (run->tag.len != 0));
    check(again.empty == run->page.empty);
    check(again.ncompanions == run->page.ncompanions);

    for (k = 0; k < again.ncompanions; k++) {
        check_companion(run, &again, k);
    }

    n = 0;

    for (k = 0; k < again.nshelves; k++) {
        put = first_insert(run, k, &end);
        shelf = &run->page.shelves[k];
        check(again.shelves[k].first == n);

        for (i = shelf->first; i < shelf->first + shelf->nitems; i++) {

            if (run->decision.verdicts[i].fate != RECS_KEPT) {
                continue;
            }

            while (put < end && run->decision.inserts[put].before == i) {
                check_insert(run, &again.items[n++], put++);
            }

            item = &again.items[n++];
            check(recs_str_eq(&item->span, &run->page.items[i].span));
            check(recs_str_eq(&item->id, &run->page.items[i].id));
            check(item->id.data == NULL || passes(run, &item->id, 0));
        }

        while (put < end) {
            check(run->decision.inserts[put].before == run->page.nitems);
            check_insert(run, &again.items[n++], put++);
        }

        check(again.shelves[k].nitems == n - again.shelves[k].first);
        check_filled(run, again.shelves[k].nitems);
    }

    check(n == again.nitems);
}


/* Does msgpack-c take the document?  It refuses what is nested deep. */

static int
is_msgpack(const recs_str_t *text)
{
    size_t                 offset;
    msgpack_unpacked       unpacked;
    msgpack_unpack_return  rc;

    offset = 0;
    msgpack_unpacked_init(&unpacked);

    rc = msgpack_unpack_next(&unpacked, (const char *) text->data, text->len,
                             &offset);

    msgpack_unpacked_destroy(&unpacked);

    return rc == MSGPACK_UNPACK_SUCCESS && offset == text->len;
}


/* Without a decision, a tag and reserved members not a byte changes. */

static void
check_untouched(run_t *run)
{
    recs_str_t     none;
    recs_output_t  out;

    none = string("");

    check(recs_render(&run->mem, &run->page, NULL, NULL, &none, &out)
          == RECS_OK);

    if (run->page.ncuts == 0) {
        check(out.npieces == 1);
        check(recs_str_eq(&out.pieces[0], &run->text));

    } else {
        check(out.size < run->text.len);
    }
}


static void
read_with(run_t *run, const spec_t *spec)
{
    size_t        n;
    recs_str_t    source;
    recs_with_t  *with;

    run->spec.with = recs_alloc(&run->mem, POINTERS_MAX * sizeof(recs_with_t));

    for (n = 0; spec->with[n].pointer; n++) {
        with = &run->spec.with[n];
        with->shelf = spec->with[n].shelf;
        with->optional = spec->with[n].optional & 1;

        source = string(spec->with[n].pointer);
        check(recs_pointer_compile(&run->mem, &source, &with->pointer)
              == NULL);
        check(recs_pointer_in_step(&with->pointer,
                                   &run->spec.shelves[with->shelf]));
    }

    run->spec.nwith = n;
}


/* Companions that are out of step are all that is wrong with it. */

static void
check_without(run_t *run)
{
    size_t             pos;
    const char        *error;
    recs_page_t        page;
    recs_page_spec_t   spec;

    spec = run->spec;
    spec.nwith = 0;

    check(recs_page_read(&run->mem, &spec, recs_format_of(&run->text),
                         &run->text, &page, &error, &pos) == RECS_OK);
}


static recs_rc_e
read_page(run_t *run, const spec_t *spec, int with)
{
    size_t         n, pos;
    recs_rc_e      rc;
    const char    *error;
    recs_value_t   v;
    recs_reader_t  rd;
    recs_format_e  format;

    const char    *item_id[POINTERS_MAX] = { NULL };

    item_id[0] = spec->item_id;

    run->spec.shelves = pointers(&run->mem, spec->shelves,
                                 &run->spec.nshelves);
    run->spec.item_id = pointers(&run->mem, item_id, &n);
    run->spec.values = pointers(&run->mem, spec->values, &run->spec.nvalues);
    run->spec.max_items = ITEMS_MAX;

    if (with) {
        read_with(run, spec);
    }

    error = NULL;
    pos = 0;
    format = recs_format_of(&run->text);
    rc = recs_page_read(&run->mem, &run->spec, format, &run->text, &run->page,
                        &error, &pos);

    check((error != NULL) == (rc == RECS_MALFORMED));
    check(pos <= run->text.len);

    if (rc == RECS_NO_COMPANION || rc == RECS_UNEVEN) {
        check(with);
        check_without(run);
    }

    if (rc != RECS_TOO_MANY) {
        recs_read_init(&rd, format, run->text.data, run->text.len);
        check((rc == RECS_MALFORMED) == (recs_read_skip(&rd, &v) < 0
                                         || recs_read_finish(&rd) < 0));
    }

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_t          run;
    fuzz_piece_t  *pieces;

    if (size < CONTROL_LEN) {
        return 0;
    }

    memset(&run, 0, sizeof(run_t));
    run.mem = fuzz_mem(&pieces);
    run.text.data = data + CONTROL_LEN;
    run.text.len = size - CONTROL_LEN;

    if (read_page(&run, &specs[data[0] % SPECS], data[4] & 1) == RECS_OK) {
        check_untouched(&run);

        plan(&run, data);
        ask(&run);

        check(recs_decide(&run.mem, &run.page, &run.policy, &run.decision)
              == RECS_OK);

        check_counts(&run);
        render(&run);
        check_output(&run);

        if (run.page.format == RECS_MSGPACK && is_msgpack(&run.text)) {
            check(is_msgpack(&run.output));
        }
    }

    fuzz_free(pieces);

    return 0;
}
