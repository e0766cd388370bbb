
/*
 * The ids of a set, in memory that processes share: one of them writes, any
 * number read, take no lock and never wait.  Plain C99 with GCC's __atomic
 * builtins; nothing is allocated, no pointer is kept in the shared memory.
 *
 * An id is kept as a keyed fingerprint of 64 bits, a score beside it if the
 * table is made so.  An id that is in the table is always found.  One that is
 * not is found by mistake if its fingerprint is that of another: among n ids
 * that is a chance of n / 2^64 a question, with 10 million ids 5.4e-13.  The
 * key is secret, so that ids can't be made to collide.
 *
 * A region holds two tables.  One is active: it is read, and changed in place.
 * The next one is filled meanwhile, from elsewhere or with what is in the
 * active one, and replaces it in one step.
 *
 * A table is lines of 8 slots, a cache line each.  A fingerprint's home is a
 * line; it is kept in the first one from there that had a free slot.  A search
 * ends at the first line that has an empty slot.  Hence:
 *
 *  - What was put into a slot is never moved, and a line that has no empty
 *    slot never gets one again: whatever the writer does to other ids, a
 *    reader doesn't miss one on its way.
 *  - An id that is removed from such a line leaves a mark, which can be taken
 *    by another id.  Too many marks make searches long: a copy of the active
 *    table into the next one is rid of them.
 *
 * The writer may be killed at any instant.  Each change is one store to a slot
 * and two to the counts; it is noted before, and the next writer does it once
 * more.  What a killed one had of the next table is not used.
 *
 * While no next table is made, its memory holds nothing that anybody needs, and
 * may be given back to the system (recs_table_idle()).
 */


#ifndef RECS_TABLE_H
#define RECS_TABLE_H


#include "recs_base.h"


#define RECS_TABLE_LINE      8      /* slots */
#define RECS_TABLE_ALIGN     64     /* bytes, of a region */
#define RECS_TABLE_SECRET    192    /* bytes, random */


/* What functions return beside 0 and 1. */

#define RECS_TABLE_FULL      -1     /* no room for one more id */
#define RECS_TABLE_NONE      -2     /* there is no such table now */
#define RECS_TABLE_LOST      -3     /* another writer has taken over */


/* A region: two tables and what is known of them.  In shared memory. */

typedef struct recs_table_s  recs_table_t;


typedef struct {
    uint64_t               generation;  /* tables published since the start */
    uint64_t               ids;         /* in the active table */
    uint64_t               used;        /* its slots with an id or a mark */
    uint64_t               slots;       /* of one table */
    uint64_t               capacity;    /* ids that a table has room for */
} recs_table_stat_t;


/* The active table, as one reader has it before its eyes. */

typedef struct {
    const recs_table_t    *table;
    const uint64_t        *lines;
    uint64_t               generation;
} recs_table_view_t;


typedef enum {
    RECS_TABLE_ACTIVE = 0,
    RECS_TABLE_NEXT
} recs_table_which_e;


typedef enum {
    RECS_TABLE_FRESH = 0,               /* the next table begins empty */
    RECS_TABLE_COPY                     /* with what is in the active one */
} recs_table_begin_e;


/* The one who writes.  In its own memory; the members are private. */

typedef struct {
    recs_table_t          *table;
    uint64_t               epoch;
    uint64_t               line;        /* how far the step has come */
    recs_table_begin_e     begin;
    int                    state;
} recs_table_writer_t;


/*
 * Bytes of a region for so many ids, 0 if there can't be so many; and ids that
 * a region of so many bytes has room for, 0 if it is too small.  Each of the
 * two tables takes 10 bytes an id, 20 with scores.
 */

size_t recs_table_size(uint64_t ids, int scores);
uint64_t recs_table_capacity(size_t size, int scores);

/*
 * A region, aligned to RECS_TABLE_ALIGN bytes, becomes one without a table to
 * read.  Nobody else must know of it yet.  NULL: it is too small.
 */

recs_table_t *recs_table_create(void *region, size_t size, int scores,
    const uint8_t *secret);

/* A region that was created with that size and scores; NULL if it was not. */

recs_table_t *recs_table_attach(void *region, size_t size, int scores);

/* The secret, RECS_TABLE_SECRET bytes. */

const uint8_t *recs_table_secret(const recs_table_t *t);

/*
 * An id's fingerprint: XXH3_64bits_withSecret; its two least values are kept
 * for other uses.  A reader asks after recs_table_read() said 1; from then on
 * it is always the same.
 */

uint64_t recs_table_fingerprint(const recs_table_t *t, const recs_str_t *id);

/* For anybody; members may be of different moments. */

void recs_table_stat(const recs_table_t *t, recs_table_stat_t *stat);

/* True if a copy of the active table would be worth while: for its marks. */

int recs_table_worn(const recs_table_t *t);


/*
 * The reader.  What was found counts if the view stood until then:
 *
 *     do {
 *         if (!recs_table_read(&view, t)) {
 *             there is no table yet
 *         }
 *
 *         recs_table_find(&view, ...);
 *
 *     } while (!recs_table_stood(&view));
 *
 * A view falls when the table after it has been published and its memory is
 * needed for the one after that, or is said to be idle.  A second try falls
 * if, since the first did, yet another table was filled and published: none
 * falls that is shorter than it takes to make a table.
 */

/* 1, or 0: no table was published yet. */

int recs_table_read(recs_table_view_t *view, const recs_table_t *t);

/* 1 if all that was read through the view until now was of one table. */

int recs_table_stood(const recs_table_view_t *view);

/*
 * Looks up n fingerprints: found[i] becomes 1 or 0, scores[i] the score where
 * that is 1: one that the id had meanwhile.  scores may be NULL, and must be if
 * the table keeps none.  With scores, an id is looked up again if several
 * others were changed meanwhile.
 */

void recs_table_find(const recs_table_view_t *view, const uint64_t *prints,
    size_t n, uint8_t *found, double *scores);

/*
 * The fingerprints (and scores, unless NULL) in slots from, from + 1, ... from
 * + n - 1, as far as there are (recs_table_stat_t's slots).  There must be room
 * for n.  Returns how many there were.  What was not changed between the first
 * call and the last comes exactly once, in an order that is good to add in.
 */

size_t recs_table_dump(const recs_table_view_t *view, uint64_t from, size_t n,
    uint64_t *prints, double *scores);


/*
 * The writer.  The caller sees to it that there is one at a time.  One who has
 * been overtaken is refused with RECS_TABLE_LOST; only a change that it is in
 * the midst of just then may still come.
 */

/* Becomes the writer, puts right what a killed one left. */

void recs_table_take(recs_table_writer_t *w, recs_table_t *t);

/* Another secret, as long as no table was published: 0, or RECS_TABLE_LOST,
 * RECS_TABLE_NONE if it is too late.  A next table must be begun after it. */

int recs_table_rekey(recs_table_writer_t *w, const uint8_t *secret);

/*
 * Puts a fingerprint (of recs_table_fingerprint() or recs_table_dump()) into
 * the active or the next table: 1 if it is new, 0 if it was there and has its
 * new score now.
 *
 * RECS_TABLE_NONE: nothing was published, or no next table is ready.
 * RECS_TABLE_FULL: it has as many ids as its capacity; or there is no place for
 * the marks: recs_table_worn() is true then, and a copy makes room.
 *
 * From when a copy is begun until it is published, what is done to the active
 * table is done to it, too.
 */

int recs_table_add(recs_table_writer_t *w, recs_table_which_e which,
    uint64_t print, double score);

/* 1 if it was there, 0 if not; RECS_TABLE_NONE, RECS_TABLE_LOST. */

int recs_table_remove(recs_table_writer_t *w, recs_table_which_e which,
    uint64_t print);

/*
 * Begins the next table, and forgets one that was begun before.  0,
 * RECS_TABLE_LOST; or RECS_TABLE_NONE if there is nothing to copy.
 */

int recs_table_begin(recs_table_writer_t *w, recs_table_begin_e how);

/*
 * Goes on for so many slots, to clear the next table and, if so begun, to copy.
 * 1: there is more to do; 0: the next table can be added to and published.
 * RECS_TABLE_NONE: none was begun, or so much was changed meanwhile that the
 * copy has no room for its own marks: begin again.  RECS_TABLE_LOST.
 */

int recs_table_step(recs_table_writer_t *w, uint64_t slots);

/* How many ids are in the next table, once step() said 0; before, 0. */

uint64_t recs_table_next(const recs_table_writer_t *w);

/* The next table replaces the active one: 0, RECS_TABLE_NONE if it isn't
 * ready, RECS_TABLE_LOST. */

int recs_table_publish(recs_table_writer_t *w);

/*
 * The memory of the table that is not active.  0: until the next one is begun
 * nobody needs what is in it, and its pages may be taken away, as long as
 * others come in their place that hold zeros or anything else.  Who still reads
 * there finds that its view fell.  RECS_TABLE_NONE: nothing was published, or
 * the next table is being made; RECS_TABLE_LOST.
 *
 * It is for the caller to see that no other writer takes over before the pages
 * are gone.
 */

int recs_table_idle(recs_table_writer_t *w, uint8_t **memory, size_t *size);


#endif /* RECS_TABLE_H */
