
/*
 * Two lines of hashes for each item, beside each hash the counts of its last
 * steps.
 */


#include "recs_cap.h"
#include "recs_hash.h"


/* A lock of the library would be one of this process alone. */

#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2
#error "64-bit atomic operations need a lock here"
#endif


#define RECS_CAP_LINE     8                     /* entries */
#define RECS_CAP_KEPT     (RECS_CAP_STEPS + 1)  /* steps of an entry */

#define RECS_CAP_AHEAD    1024                  /* steps that another's clock
                                                   may be ahead */
#define RECS_CAP_TRIES    16


#define recs_cap_aligned  __attribute__((aligned(RECS_CAP_ALIGN)))

#define recs_cap_load(p)  __atomic_load_n(p, __ATOMIC_SEQ_CST)


/*
 * A cache line of hashes, 0 where there is no entry.  Each entry's steps are
 * numbered by the clock: number n is in place n % RECS_CAP_KEPT, as the lower
 * half of n, then how often the item was shown in it.
 */

typedef struct {
    uint64_t               hashes[RECS_CAP_LINE];
    uint64_t               steps[RECS_CAP_LINE][RECS_CAP_KEPT];
} recs_cap_line_t;


struct recs_cap_s {
    uint64_t               secret;
    uint64_t               nlines;      /* a power of two */
    recs_cap_line_t        lines[] recs_cap_aligned;
};


static recs_cap_line_t *recs_cap_line(const recs_cap_t *cap, uint64_t hash,
    unsigned which);
static uint64_t recs_cap_shown(const recs_cap_line_t *line, unsigned entry,
    uint64_t step);
static uint64_t *recs_cap_find(recs_cap_t *cap, uint64_t hash,
    uint64_t **steps);
static int recs_cap_place(const recs_cap_t *cap, uint64_t hash, uint64_t step,
    recs_cap_line_t **line, unsigned *entry);
static int recs_cap_free(const recs_cap_line_t *line, uint64_t step,
    unsigned *entry);
static void recs_cap_add(uint64_t *word, uint64_t step);


size_t
recs_cap_size(size_t items)
{
    size_t  lines;

    lines = 2;

    while (lines * RECS_CAP_LINE < items) {
        lines *= 2;
    }

    return sizeof(recs_cap_t) + lines * sizeof(recs_cap_line_t);
}


void
recs_cap_create(recs_cap_t *cap, size_t size, uint64_t secret)
{
    cap->secret = secret;
    cap->nlines = (size - sizeof(recs_cap_t)) / sizeof(recs_cap_line_t);
}


uint64_t
recs_cap_hash(const recs_cap_t *cap, const recs_str_t *pool,
    const recs_str_t *id)
{
    uint64_t  h;

    h = recs_hash_int(cap->secret, 0);
    h = recs_hash_str(h, pool);
    h = recs_hash_str(h, id);

    return h ? h : 1;
}


int
recs_cap_created(const recs_cap_t *cap)
{
    return cap->nlines != 0;
}


/* A step is at least 1 ms, and 14 of them at least the window. */

static uint64_t
recs_cap_step(uint64_t window, uint64_t now)
{
    return now / ((window + RECS_CAP_STEPS - 1) / RECS_CAP_STEPS);
}


recs_cap_e
recs_cap_peek(const recs_cap_t *cap, uint64_t hash, uint64_t max,
    uint64_t window, uint64_t now)
{
    int               found;
    uint64_t          n, step;
    unsigned          which, entry;
    recs_cap_line_t  *line;

    found = 0;
    n = 0;
    step = recs_cap_step(window, now);

    for (which = 0; which < 2; which++) {
        line = recs_cap_line(cap, hash, which);

        for (entry = 0; entry < RECS_CAP_LINE; entry++) {

            if (recs_cap_load(&line->hashes[entry]) == hash) {
                found = 1;
                n += recs_cap_shown(line, entry, step);
            }
        }
    }

    if (n >= max) {
        return RECS_CAP_REACHED;
    }

    return found || recs_cap_place(cap, hash, step, &line, &entry)
           ? RECS_CAP_OPEN : RECS_CAP_FULL;
}


recs_cap_e
recs_cap_count(recs_cap_t *cap, uint64_t hash, uint64_t window, uint64_t now)
{
    uint64_t          step, old, *key, *steps;
    unsigned          i, entry;
    recs_cap_line_t  *line;

    step = recs_cap_step(window, now);

    for (i = 0; i < RECS_CAP_TRIES; i++) {
        key = recs_cap_find(cap, hash, &steps);

        if (key) {
            recs_cap_add(&steps[step % RECS_CAP_KEPT], step);

            /* else it was taken meanwhile: its new item counts one too many */

            if (recs_cap_load(key) == hash) {
                return RECS_CAP_OPEN;
            }

            continue;
        }

        if (!recs_cap_place(cap, hash, step, &line, &entry)) {
            return RECS_CAP_FULL;
        }

        /*
         * What is in its steps is too old to count.  An item that is counted in
         * this very instant, for the first time in a window, may lose that.
         */

        old = recs_cap_load(&line->hashes[entry]);

        if (old == 0 || recs_cap_shown(line, entry, step) == 0) {
            (void) __atomic_compare_exchange_n(&line->hashes[entry], &old,
                                               hash, 0, __ATOMIC_SEQ_CST,
                                               __ATOMIC_SEQ_CST);
        }
    }

    return RECS_CAP_FULL;
}


/* Line 0 or 1 of the two that an item may be in. */

static recs_cap_line_t *
recs_cap_line(const recs_cap_t *cap, uint64_t hash, unsigned which)
{
    uint64_t  line;

    line = (which ? hash >> 32 : hash) & (cap->nlines - 1);

    if (which && line == (hash & (cap->nlines - 1))) {
        line ^= 1;
    }

    return (recs_cap_line_t *) &cap->lines[line];
}


/* Returns how often the entry's item was shown in the window ending at step. */

static uint64_t
recs_cap_shown(const recs_cap_line_t *line, unsigned entry, uint64_t step)
{
    uint64_t  n, word;
    uint32_t  ago;
    unsigned  i;

    n = 0;

    for (i = 0; i < RECS_CAP_KEPT; i++) {
        word = recs_cap_load(&line->steps[entry][i]);
        ago = (uint32_t) step - (uint32_t) (word >> 32);

        if (ago + RECS_CAP_AHEAD <= RECS_CAP_AHEAD + RECS_CAP_STEPS) {
            n += word & 0xffffffff;
        }
    }

    return n;
}


/* The item's hash in its entry, and its steps; NULL: it has none. */

static uint64_t *
recs_cap_find(recs_cap_t *cap, uint64_t hash, uint64_t **steps)
{
    unsigned          which, entry;
    recs_cap_line_t  *line;

    for (which = 0; which < 2; which++) {
        line = recs_cap_line(cap, hash, which);

        for (entry = 0; entry < RECS_CAP_LINE; entry++) {

            if (recs_cap_load(&line->hashes[entry]) == hash) {
                *steps = line->steps[entry];
                return &line->hashes[entry];
            }
        }
    }

    return NULL;
}


/* Finds an entry for the item in the emptier line: 1; 0: there is none. */

static int
recs_cap_place(const recs_cap_t *cap, uint64_t hash, uint64_t step,
    recs_cap_line_t **line, unsigned *entry)
{
    int               n[2];
    unsigned          at[2], which;
    recs_cap_line_t  *lines[2];

    for (which = 0; which < 2; which++) {
        lines[which] = recs_cap_line(cap, hash, which);
        n[which] = recs_cap_free(lines[which], step, &at[which]);
    }

    which = n[1] > n[0];
    *line = lines[which];
    *entry = at[which];

    return n[which] > 0;
}


/* How many entries of the line may be taken, and the first one. */

static int
recs_cap_free(const recs_cap_line_t *line, uint64_t step, unsigned *entry)
{
    int       n;
    unsigned  i;

    n = 0;

    for (i = RECS_CAP_LINE; i-- > 0; /* void */ ) {

        if (recs_cap_load(&line->hashes[i]) == 0
            || recs_cap_shown(line, i, step) == 0)
        {
            *entry = i;
            n++;
        }
    }

    return n;
}


/* Counts once more in that step, or in a later one if a clock is ahead. */

static void
recs_cap_add(uint64_t *word, uint64_t step)
{
    uint64_t  old, new;

    old = recs_cap_load(word);

    do {
        if ((old & 0xffffffff) == 0
            || (int32_t) ((uint32_t) step - (uint32_t) (old >> 32)) > 0)
        {
            new = step << 32 | 1;

        } else if ((old & 0xffffffff) == 0xffffffff) {
            return;

        } else {
            new = old + 1;
        }

    } while (!__atomic_compare_exchange_n(word, &old, new, 0, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
}
