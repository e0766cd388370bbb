
/*
 * The ids of a set in shared memory.  This file is longer than others: what
 * readers find hangs on the order of the writer's stores, slot by slot, so that
 * the two are read together.  It has the sizes first, then readers, then the
 * writer.
 */


#include "recs_table.h"

#include "recs_xxhash.h"


/* A lock of the library would be one of this process alone. */

#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2
#error "64-bit atomic operations need a lock here"
#endif


#define RECS_TABLE_MAGIC     0x3272656c62617472    /* of this layout */

#define RECS_TABLE_EMPTY     0      /* what a slot holds beside fingerprints */
#define RECS_TABLE_MARK      1

/* Ids and, with marks, used slots are at most so many to a line. */

#define RECS_TABLE_IDS(n)    ((n) * 32 / 5)
#define RECS_TABLE_USED(n)   ((n) * 7)

#define RECS_TABLE_LINES     ((uint64_t) 1 << 48)   /* more are not counted */

#define RECS_TABLE_AHEAD     16     /* lines asked of memory in advance */

/*
 * A slot whose id went, was another's and is the first one's again saw four
 * changes.  A reader who saw the id before and after may have counted the first
 * one already, before it looked.
 */

#define RECS_TABLE_TURNS     3


/*
 * Every word that others may read or write meanwhile is read and written so.
 * Stores stay in the order in which they are written down, and loads too.
 */

#define recs_table_load(p)        __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define recs_table_store(p, v)    __atomic_store_n(p, v, __ATOMIC_RELEASE)


__extension__ typedef unsigned __int128  recs_table_uint128_t;

typedef struct {
    uint64_t               ids;
    uint64_t               used;
} recs_table_count_t;


/* A change of one slot.  Until slot is 0 again, it may not be complete. */

typedef struct {
    uint64_t               slot;        /* bytes from the region's start */
    uint64_t               value;
    uint64_t               which;
    recs_table_count_t     count;       /* of the table, when it is done */
} recs_table_change_t;


#define recs_table_aligned   __attribute__((aligned(RECS_TABLE_ALIGN)))


struct recs_table_s {
    uint64_t               magic;
    uint64_t               nlines;      /* of a table */
    uint64_t               words;       /* of a line: its slots, and then their
                                           scores if they are kept */
    uint8_t                secret[RECS_TABLE_SECRET];

    /* the table of generation g is the one numbered g % 2 */

    uint64_t               published recs_table_aligned;
    uint64_t               begun;       /* in whose place nobody may read */
    uint64_t               changes[2];  /* of slots, if there are scores */

    uint64_t               writer recs_table_aligned;   /* its epoch */
    recs_table_count_t     counts[2];
    recs_table_change_t    change;

    uint64_t               lines[] recs_table_aligned;
};


typedef enum {
    RECS_TABLE_IDLE = 0,
    RECS_TABLE_CLEARING,
    RECS_TABLE_COPYING,
    RECS_TABLE_READY
} recs_table_state_e;


static uint64_t recs_table_lines(size_t size, int scores);
static uint64_t *recs_table_line(const recs_table_t *t, const uint64_t *lines,
    uint64_t line);
static uint64_t *recs_table_of(const recs_table_t *t, uint64_t generation);
static uint64_t recs_table_home(const recs_table_t *t, uint64_t print);
static uint64_t recs_table_after(const recs_table_t *t, uint64_t line);
static int recs_table_find_one(const recs_table_view_t *view, uint64_t print,
    double *score, uint64_t *changes);
static uint64_t recs_table_changes(const recs_table_view_t *view);
static int recs_table_score_of(const recs_table_view_t *view,
    const uint64_t *slot, uint64_t print, double *score, uint64_t *changes);
static uint64_t *recs_table_seek(const uint64_t *line, uint64_t print,
    int *open);
static int recs_table_known(const recs_table_writer_t *w,
    recs_table_which_e which, uint64_t *generation);
static int recs_table_put(recs_table_t *t, uint64_t generation, uint64_t print,
    uint64_t score);
static uint64_t *recs_table_place(const uint64_t *slots, int open);
static void recs_table_score(const recs_table_t *t, uint64_t *slot,
    uint64_t score);
static int recs_table_drop(recs_table_t *t, uint64_t generation,
    uint64_t print);
static void recs_table_change(recs_table_t *t, uint64_t generation,
    uint64_t *slot, uint64_t value, int ids, int used);
static void recs_table_turn(recs_table_t *t, uint64_t which, uint64_t n);
static void recs_table_redo(recs_table_t *t);
static int recs_table_copying(const recs_table_writer_t *w,
    recs_table_which_e which);
static void recs_table_clear_line(recs_table_writer_t *w);
static void recs_table_copy_line(recs_table_writer_t *w);
static int recs_table_lost(const recs_table_writer_t *w);
static uint64_t recs_table_bits(double score);


size_t
recs_table_size(uint64_t ids, int scores)
{
    uint64_t  n, line;

    line = 2 * (scores ? 2 : 1) * RECS_TABLE_LINE * sizeof(uint64_t);

    if (ids > RECS_TABLE_LINES) {
        return 0;
    }

    n = ids ? (ids * 5 + 31) / 32 : 1;

    if (n > (SIZE_MAX - sizeof(recs_table_t)) / line) {
        return 0;
    }

    return sizeof(recs_table_t) + n * line;
}


uint64_t
recs_table_capacity(size_t size, int scores)
{
    return RECS_TABLE_IDS(recs_table_lines(size, scores));
}


/* Lines of each table that a region of size bytes has room for. */

static uint64_t
recs_table_lines(size_t size, int scores)
{
    uint64_t  n, line;

    line = 2 * (scores ? 2 : 1) * RECS_TABLE_LINE * sizeof(uint64_t);

    if (size < sizeof(recs_table_t)) {
        return 0;
    }

    n = (size - sizeof(recs_table_t)) / line;

    return n < RECS_TABLE_LINES ? n : RECS_TABLE_LINES;
}


recs_table_t *
recs_table_create(void *region, size_t size, int scores, const uint8_t *secret)
{
    uint64_t       n;
    recs_table_t  *t;

    n = recs_table_lines(size, scores);

    if (n == 0) {
        return NULL;
    }

    t = region;

    memset(t, 0, sizeof(recs_table_t));

    t->nlines = n;
    t->words = (scores ? 2 : 1) * RECS_TABLE_LINE;
    memcpy(t->secret, secret, RECS_TABLE_SECRET);

    recs_table_store(&t->magic, RECS_TABLE_MAGIC);

    return t;
}


recs_table_t *
recs_table_attach(void *region, size_t size, int scores)
{
    uint64_t       n;
    recs_table_t  *t;

    t = region;
    n = recs_table_lines(size, scores);

    if (n == 0
        || recs_table_load(&t->magic) != RECS_TABLE_MAGIC
        || t->nlines != n)      /* with scores, it is half as many */
    {
        return NULL;
    }

    return t;
}


const uint8_t *
recs_table_secret(const recs_table_t *t)
{
    return t->secret;
}


uint64_t
recs_table_fingerprint(const recs_table_t *t, const recs_str_t *id)
{
    uint64_t  print;

    print = XXH3_64bits_withSecret(id->data, id->len, t->secret,
                                   RECS_TABLE_SECRET);

    return print > RECS_TABLE_MARK ? print : print + RECS_TABLE_MARK + 1;
}


void
recs_table_stat(const recs_table_t *t, recs_table_stat_t *stat)
{
    const recs_table_count_t  *count;

    stat->generation = recs_table_load(&t->published);
    stat->slots = t->nlines * RECS_TABLE_LINE;
    stat->capacity = RECS_TABLE_IDS(t->nlines);
    stat->ids = 0;
    stat->used = 0;

    if (stat->generation != 0) {
        count = &t->counts[stat->generation % 2];
        stat->ids = recs_table_load(&count->ids);
        stat->used = recs_table_load(&count->used);
    }
}


/* Half way from a table that is full of ids to one that is full of marks. */

int
recs_table_worn(const recs_table_t *t)
{
    recs_table_stat_t  stat;

    recs_table_stat(t, &stat);

    return stat.used > (stat.capacity + RECS_TABLE_USED(t->nlines)) / 2;
}


static uint64_t *
recs_table_of(const recs_table_t *t, uint64_t generation)
{
    return (uint64_t *) t->lines + generation % 2 * t->nlines * t->words;
}


static uint64_t *
recs_table_line(const recs_table_t *t, const uint64_t *lines, uint64_t line)
{
    return (uint64_t *) lines + line * t->words;
}


/* The highest bits say where: a table's order is that of the fingerprints. */

static uint64_t
recs_table_home(const recs_table_t *t, uint64_t print)
{
    return (uint64_t) ((recs_table_uint128_t) print * t->nlines >> 64);
}


static uint64_t
recs_table_after(const recs_table_t *t, uint64_t line)
{
    return line + 1 < t->nlines ? line + 1 : 0;
}


int
recs_table_read(recs_table_view_t *view, const recs_table_t *t)
{
    view->table = t;
    view->generation = recs_table_load(&t->published);
    view->lines = recs_table_of(t, view->generation);

    return view->generation != 0;
}


/*
 * Whoever has read what the writer put in the view's place sees that it has
 * begun, since that was stored before and is loaded after.
 */

int
recs_table_stood(const recs_table_view_t *view)
{
    return recs_table_load(&view->table->begun) < view->generation + 2;
}


void
recs_table_find(const recs_table_view_t *view, const uint64_t *prints,
    size_t n, uint8_t *found, double *scores)
{
    size_t               i, ahead;
    uint64_t             changes;
    const uint64_t      *line;
    const recs_table_t  *t;

    t = view->table;
    ahead = 0;
    changes = recs_table_changes(view);

    for (i = 0; i < n; i++) {

        for ( /* void */ ; ahead < n && ahead <= i + RECS_TABLE_AHEAD; ahead++)
        {
            line = recs_table_line(t, view->lines,
                                   recs_table_home(t, prints[ahead]));
            __builtin_prefetch(line);

            if (scores != NULL) {
                __builtin_prefetch(line + RECS_TABLE_LINE);
            }
        }

        found[i] = recs_table_find_one(view, prints[i],
                                       scores ? &scores[i] : NULL, &changes);
    }
}


static int
recs_table_find_one(const recs_table_view_t *view, uint64_t print,
    double *score, uint64_t *changes)
{
    int                  rc, open;
    uint64_t             line, left;
    const uint64_t      *slot;
    const recs_table_t  *t;

    t = view->table;

again:

    line = recs_table_home(t, print);

    for (left = t->nlines; left != 0; left--) {
        slot = recs_table_seek(recs_table_line(t, view->lines, line), print,
                               &open);

        if (slot != NULL) {
            if (score == NULL) {
                return 1;
            }

            rc = recs_table_score_of(view, slot, print, score, changes);

            if (rc < 0) {
                goto again;
            }

            return rc;
        }

        if (open) {
            return 0;
        }

        line = recs_table_after(t, line);
    }

    return 0;
}


/* How often slots of the view's table were changed. */

static uint64_t
recs_table_changes(const recs_table_view_t *view)
{
    return recs_table_load(&view->table->changes[view->generation % 2]);
}


/*
 * The score of the id that was seen in a slot after changes was counted.  1; 0:
 * the id isn't in it any more; -1: it might have been gone, and another's score
 * have been there, so look again: changes is counted anew.
 */

static int
recs_table_score_of(const recs_table_view_t *view, const uint64_t *slot,
    uint64_t print, double *score, uint64_t *changes)
{
    uint64_t  bits, now;

    bits = recs_table_load(slot + RECS_TABLE_LINE);
    memcpy(score, &bits, sizeof(double));

    if (recs_table_load(slot) != print) {
        return 0;
    }

    now = recs_table_changes(view);

    if (now - *changes < RECS_TABLE_TURNS) {
        return 1;
    }

    *changes = now;

    return -1;
}


/*
 * The slot of a line that holds the fingerprint, or NULL; then open says if a
 * slot is empty: nobody had to go past this line.
 */

static uint64_t *
recs_table_seek(const uint64_t *line, uint64_t print, int *open)
{
    int       i;
    uint64_t  value;

    *open = 0;

    for (i = 0; i < RECS_TABLE_LINE; i++) {
        value = recs_table_load(&line[i]);

        if (value == print) {
            return (uint64_t *) &line[i];
        }

        *open |= value == RECS_TABLE_EMPTY;
    }

    return NULL;
}


size_t
recs_table_dump(const recs_table_view_t *view, uint64_t from, size_t n,
    uint64_t *prints, double *scores)
{
    int                  rc;
    size_t               got;
    uint64_t             value, changes;
    const uint64_t      *slot;
    const recs_table_t  *t;

    t = view->table;
    got = 0;
    changes = recs_table_changes(view);

    for ( /* void */ ; n != 0 && from < t->nlines * RECS_TABLE_LINE; n--) {
        slot = recs_table_line(t, view->lines, from / RECS_TABLE_LINE)
               + from % RECS_TABLE_LINE;
        from++;

        do {
            value = recs_table_load(slot);
            rc = value > RECS_TABLE_MARK;

            if (rc && scores != NULL) {
                rc = recs_table_score_of(view, slot, value, &scores[got],
                                         &changes);
            }
        } while (rc < 0);

        if (rc) {
            prints[got++] = value;
        }
    }

    return got;
}


void
recs_table_take(recs_table_writer_t *w, recs_table_t *t)
{
    w->table = t;
    w->epoch = __atomic_add_fetch(&t->writer, 1, __ATOMIC_ACQ_REL);
    w->line = 0;
    w->begin = RECS_TABLE_FRESH;
    w->state = RECS_TABLE_IDLE;

    /* a killed one may have left another's score beside an id */

    recs_table_turn(t, 0, RECS_TABLE_TURNS);
    recs_table_turn(t, 1, RECS_TABLE_TURNS);

    recs_table_redo(t);
}


int
recs_table_rekey(recs_table_writer_t *w, const uint8_t *secret)
{
    if (recs_table_lost(w)) {
        return RECS_TABLE_LOST;
    }

    if (recs_table_load(&w->table->published) != 0) {
        return RECS_TABLE_NONE;
    }

    /* no reader looks at it before a table is published */

    memcpy(w->table->secret, secret, RECS_TABLE_SECRET);
    w->state = RECS_TABLE_IDLE;

    return 0;
}


int
recs_table_add(recs_table_writer_t *w, recs_table_which_e which,
    uint64_t print, double score)
{
    int       rc;
    uint64_t  generation;

    rc = recs_table_known(w, which, &generation);

    if (rc != 0) {
        return rc;
    }

    rc = recs_table_put(w->table, generation, print, recs_table_bits(score));

    if (rc >= 0 && recs_table_copying(w, which)
        && recs_table_put(w->table, generation + 1, print,
                          recs_table_bits(score))
           < 0)
    {
        w->state = RECS_TABLE_IDLE;
    }

    return rc;
}


int
recs_table_remove(recs_table_writer_t *w, recs_table_which_e which,
    uint64_t print)
{
    int       rc;
    uint64_t  generation;

    rc = recs_table_known(w, which, &generation);

    if (rc != 0) {
        return rc;
    }

    if (recs_table_copying(w, which)) {
        (void) recs_table_drop(w->table, generation + 1, print);
    }

    return recs_table_drop(w->table, generation, print);
}


/* The generation of the table that is meant, if it can be changed now. */

static int
recs_table_known(const recs_table_writer_t *w, recs_table_which_e which,
    uint64_t *generation)
{
    if (recs_table_lost(w)) {
        return RECS_TABLE_LOST;
    }

    *generation = recs_table_load(&w->table->published);

    if (which == RECS_TABLE_ACTIVE) {
        return *generation != 0 ? 0 : RECS_TABLE_NONE;
    }

    *generation += 1;

    return w->state == RECS_TABLE_READY ? 0 : RECS_TABLE_NONE;
}


/* True if a change to this table has to be made to the next one, too. */

static int
recs_table_copying(const recs_table_writer_t *w, recs_table_which_e which)
{
    return which == RECS_TABLE_ACTIVE
           && w->begin == RECS_TABLE_COPY
           && (w->state == RECS_TABLE_COPYING
               || w->state == RECS_TABLE_READY);
}


static int
recs_table_put(recs_table_t *t, uint64_t generation, uint64_t print,
    uint64_t score)
{
    int                  open;
    uint64_t             line, left, *slots, *slot, *place;
    recs_table_count_t  *count;

    line = recs_table_home(t, print);
    place = NULL;

    /* it may be anywhere up to the first open line */

    for (left = t->nlines, open = 0; left != 0 && !open; left--) {
        slots = recs_table_line(t, recs_table_of(t, generation), line);
        slot = recs_table_seek(slots, print, &open);

        if (slot != NULL) {
            recs_table_score(t, slot, score);
            return 0;
        }

        if (place == NULL) {
            place = recs_table_place(slots, open);
        }

        line = recs_table_after(t, line);
    }

    count = &t->counts[generation % 2];

    if (place == NULL
        || count->ids == RECS_TABLE_IDS(t->nlines)
        || (*place == RECS_TABLE_EMPTY
            && count->used == RECS_TABLE_USED(t->nlines)))
    {
        return RECS_TABLE_FULL;
    }

    recs_table_score(t, place, score);
    recs_table_change(t, generation, place, print, 1,
                      *place == RECS_TABLE_EMPTY);

    return 1;
}


/* A line has empty slots or marks, but never both. */

static uint64_t *
recs_table_place(const uint64_t *slots, int open)
{
    int  none;

    return recs_table_seek(slots, open ? RECS_TABLE_EMPTY : RECS_TABLE_MARK,
                           &none);
}


static void
recs_table_score(const recs_table_t *t, uint64_t *slot, uint64_t score)
{
    if (t->words > RECS_TABLE_LINE) {
        recs_table_store(slot + RECS_TABLE_LINE, score);
    }
}


static int
recs_table_drop(recs_table_t *t, uint64_t generation, uint64_t print)
{
    int        open;
    uint64_t   line, left, *slots, *slot;

    line = recs_table_home(t, print);

    for (left = t->nlines, open = 0; left != 0 && !open; left--) {
        slots = recs_table_line(t, recs_table_of(t, generation), line);
        slot = recs_table_seek(slots, print, &open);

        if (slot == NULL) {
            line = recs_table_after(t, line);
            continue;
        }

        /* if nobody had to go past this line, nobody needs a mark */

        if (recs_table_place(slots, 1) != NULL) {
            recs_table_change(t, generation, slot, RECS_TABLE_EMPTY, -1, -1);

        } else {
            recs_table_change(t, generation, slot, RECS_TABLE_MARK, -1, 0);
        }

        return 1;
    }

    return 0;
}


/*
 * A slot gets another value, and the counts with it.  Killed before the change
 * is noted whole, the writer has done nothing; after that, the next one does
 * all of it once more, which changes nothing that was done.
 */

static void
recs_table_change(recs_table_t *t, uint64_t generation, uint64_t *slot,
    uint64_t value, int ids, int used)
{
    recs_table_count_t   *count;
    recs_table_change_t  *change;

    count = &t->counts[generation % 2];
    change = &t->change;

    recs_table_store(&change->value, value);
    recs_table_store(&change->which, generation % 2);
    recs_table_store(&change->count.ids, count->ids + (uint64_t) ids);
    recs_table_store(&change->count.used, count->used + (uint64_t) used);
    recs_table_store(&change->slot,
                     (uint64_t) ((uint8_t *) slot - (uint8_t *) t));

    recs_table_turn(t, generation % 2, 1);
    recs_table_redo(t);
}


/* Counted before it is done: who sees what was done sees the count. */

static void
recs_table_turn(recs_table_t *t, uint64_t which, uint64_t n)
{
    if (t->words > RECS_TABLE_LINE) {
        recs_table_store(&t->changes[which], t->changes[which] + n);
    }
}


static void
recs_table_redo(recs_table_t *t)
{
    uint64_t              slot;
    recs_table_count_t   *count;
    recs_table_change_t  *change;

    change = &t->change;
    slot = recs_table_load(&change->slot);

    if (slot == 0) {
        return;
    }

    count = &t->counts[change->which];

    recs_table_store((uint64_t *) ((uint8_t *) t + slot), change->value);
    recs_table_store(&count->ids, change->count.ids);
    recs_table_store(&count->used, change->count.used);
    recs_table_store(&change->slot, 0);
}


int
recs_table_begin(recs_table_writer_t *w, recs_table_begin_e how)
{
    uint64_t             published;
    recs_table_t        *t;
    recs_table_count_t  *count;

    if (recs_table_lost(w)) {
        return RECS_TABLE_LOST;
    }

    t = w->table;
    published = recs_table_load(&t->published);

    if (how == RECS_TABLE_COPY && published == 0) {
        return RECS_TABLE_NONE;
    }

    /* from now on no view of the table before the active one stands */

    recs_table_store(&t->begun, published + 1);

    count = &t->counts[(published + 1) % 2];
    recs_table_store(&count->ids, 0);
    recs_table_store(&count->used, 0);

    w->line = 0;
    w->begin = how;
    w->state = RECS_TABLE_CLEARING;

    return 0;
}


int
recs_table_step(recs_table_writer_t *w, uint64_t slots)
{
    uint64_t  lines;

    if (recs_table_lost(w)) {
        return RECS_TABLE_LOST;
    }

    lines = slots / RECS_TABLE_LINE;

    do {
        switch (w->state) {

        case RECS_TABLE_CLEARING:
            recs_table_clear_line(w);
            break;

        case RECS_TABLE_COPYING:
            recs_table_copy_line(w);
            break;

        case RECS_TABLE_READY:
            return 0;

        default:
            return RECS_TABLE_NONE;
        }

    } while (lines-- > 1);

    return w->state != RECS_TABLE_READY;
}


static void
recs_table_clear_line(recs_table_writer_t *w)
{
    int            i;
    uint64_t      *slots;
    recs_table_t  *t;

    t = w->table;
    slots = recs_table_line(t, recs_table_of(t, t->begun), w->line);

    for (i = 0; i < RECS_TABLE_LINE; i++) {
        recs_table_store(&slots[i], RECS_TABLE_EMPTY);
    }

    if (++w->line == t->nlines) {
        w->line = 0;
        w->state = w->begin == RECS_TABLE_COPY ? RECS_TABLE_COPYING
                                               : RECS_TABLE_READY;
    }
}


static void
recs_table_copy_line(recs_table_writer_t *w)
{
    int            i;
    uint64_t      *slots, score;
    recs_table_t  *t;

    t = w->table;
    slots = recs_table_line(t, recs_table_of(t, t->published), w->line);
    score = 0;

    for (i = 0; i < RECS_TABLE_LINE; i++) {
        if (slots[i] <= RECS_TABLE_MARK) {
            continue;
        }

        if (t->words > RECS_TABLE_LINE) {
            score = slots[i + RECS_TABLE_LINE];
        }

        if (recs_table_put(t, t->begun, slots[i], score) < 0) {
            w->state = RECS_TABLE_IDLE;
            return;
        }
    }

    if (++w->line == t->nlines) {
        w->state = RECS_TABLE_READY;
    }
}


uint64_t
recs_table_next(const recs_table_writer_t *w)
{
    if (w->state != RECS_TABLE_READY) {
        return 0;
    }

    return w->table->counts[w->table->begun % 2].ids;
}


int
recs_table_publish(recs_table_writer_t *w)
{
    if (recs_table_lost(w)) {
        return RECS_TABLE_LOST;
    }

    if (w->state != RECS_TABLE_READY) {
        return RECS_TABLE_NONE;
    }

    w->state = RECS_TABLE_IDLE;
    recs_table_store(&w->table->published, w->table->begun);

    return 0;
}


/* No view of the table before the active one stands any more. */

int
recs_table_idle(recs_table_writer_t *w, uint8_t **memory, size_t *size)
{
    uint64_t       published;
    recs_table_t  *t;

    if (recs_table_lost(w)) {
        return RECS_TABLE_LOST;
    }

    t = w->table;
    published = recs_table_load(&t->published);

    if (published == 0 || w->state != RECS_TABLE_IDLE) {
        return RECS_TABLE_NONE;
    }

    recs_table_store(&t->begun, published + 1);

    *memory = (uint8_t *) recs_table_of(t, published + 1);
    *size = t->nlines * t->words * sizeof(uint64_t);

    return 0;
}


/* True if another one has taken over. */

static int
recs_table_lost(const recs_table_writer_t *w)
{
    return recs_table_load(&w->table->writer) != w->epoch;
}


static uint64_t
recs_table_bits(double score)
{
    uint64_t  bits;

    memcpy(&bits, &score, sizeof(double));

    return bits;
}
