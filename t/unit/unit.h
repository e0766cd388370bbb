
/*
 * What the unit tests share: cmocka, spans of literals, and an arena that can
 * be told to run dry.
 */


#ifndef RECS_UNIT_H
#define RECS_UNIT_H


#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recs_base.h"


#define unit_nelts(table)  (sizeof(table) / sizeof((table)[0]))

/* In a table, the span of a literal is recs_string("..."). */

#define unit_print(str)    (int) (str)->len, (const char *) (str)->data


/*
 * Each piece is an allocation of exactly the size asked for, so that a
 * sanitizer sees a step past its end.
 */

typedef union unit_piece_u  unit_piece_t;

union unit_piece_u {
    unit_piece_t     *next;
    long double       align;
};


typedef struct {
    recs_mem_t        mem;      /* to be passed to what is tested */
    unit_piece_t     *pieces;
    unsigned          n;        /* allocations made */
    unsigned          max;      /* the next one fails */
    size_t            largest;  /* of them, in bytes */
} unit_arena_t;


static inline void *
unit_arena_alloc(void *ctx, size_t size)
{
    unit_arena_t  *arena = ctx;
    unit_piece_t  *piece;

    if (arena->n == arena->max) {
        return NULL;
    }

    piece = malloc(sizeof(unit_piece_t) + size);
    assert_non_null(piece);

    piece->next = arena->pieces;
    arena->pieces = piece;
    arena->n++;

    if (size > arena->largest) {
        arena->largest = size;
    }

    return piece + 1;
}


/* An arena that gives memory max times, then NULL. */

static inline void
unit_arena_init_max(unit_arena_t *arena, unsigned max)
{
    arena->mem.alloc = unit_arena_alloc;
    arena->mem.ctx = arena;
    arena->pieces = NULL;
    arena->n = 0;
    arena->max = max;
    arena->largest = 0;
}


static inline void
unit_arena_init(unit_arena_t *arena)
{
    unit_arena_init_max(arena, (unsigned) -1);
}


static inline void
unit_arena_free(unit_arena_t *arena)
{
    unit_piece_t  *piece;

    while (arena->pieces != NULL) {
        piece = arena->pieces;
        arena->pieces = piece->next;
        free(piece);
    }
}


static inline recs_str_t
unit_str(const char *text)
{
    recs_str_t  str;

    str.data = (const uint8_t *) text;
    str.len = strlen(text);

    return str;
}


/* A copy in an allocation of its own, of exactly its length. */

static inline recs_str_t
unit_copy(unit_arena_t *arena, const recs_str_t *str)
{
    uint8_t     *data;
    recs_str_t   copy;

    data = unit_arena_alloc(arena, str->len);
    assert_non_null(data);

    if (str->len) {
        memcpy(data, str->data, str->len);
    }

    copy.data = data;
    copy.len = str->len;

    return copy;
}


/* Fails with both texts if they differ. */

#define unit_assert_str(got, expected)                                       \
    unit_check_str(got, expected, __FILE__, __LINE__)

static inline void
unit_check_str(const recs_str_t *got, const recs_str_t *expected,
    const char *file, int line)
{
    if (recs_str_eq(got, expected)) {
        return;
    }

    print_error("got \"%.*s\", expected \"%.*s\"\n",
                unit_print(got), unit_print(expected));

    _fail(file, line);
}


#define unit_assert_cstr(got, expected)                                      \
    unit_check_cstr(got, expected, __FILE__, __LINE__)

static inline void
unit_check_cstr(const recs_str_t *got, const char *expected,
    const char *file, int line)
{
    recs_str_t  str = unit_str(expected);

    unit_check_str(got, &str, file, line);
}


/*
 * Sets a locale whose decimal point is no "."; where the machine has none, the
 * test is skipped.
 */

static inline void
unit_locale(void)
{
    size_t  i;

    static const char *const  locales[] = {
        "de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "ps_AF.UTF-8",
        "de_DE", "fr_FR", "ru_RU"
    };

    for (i = 0; i < unit_nelts(locales); i++) {
        if (setlocale(LC_NUMERIC, locales[i]) != NULL
            && strcmp(localeconv()->decimal_point, ".") != 0)
        {
            return;
        }
    }

    (void) setlocale(LC_NUMERIC, "C");
    skip();
}


#endif /* RECS_UNIT_H */
