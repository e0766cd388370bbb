
/*
 * JSON Pointers (RFC 6901) with one addition: where a token "*" meets an
 * array, it stands for every element.  (In an object it is the member of that
 * name, as the RFC has it.)
 */


#ifndef RECS_POINTER_H
#define RECS_POINTER_H


#include "recs_base.h"


typedef struct {
    recs_str_t        text;     /* unescaped: "~1" is "/", "~0" is "~" */
    size_t            index;    /* as an array's index; RECS_NO_INDEX: none */
    unsigned          star:1;   /* the token is "*" */
} recs_token_t;

#define RECS_NO_INDEX  ((size_t) -1)


typedef struct {
    recs_str_t        source;   /* as it was written */
    recs_token_t     *tokens;
    unsigned          ntokens;  /* 0: the root */
} recs_pointer_t;


/*
 * Compiles source ("" or "/a/b/0"), whose bytes must outlive the pointer;
 * tokens come from mem.  Returns NULL if all is well, else a sentence that says
 * what is wrong ("a pointer is empty or starts with \"/\"").
 */

const char *recs_pointer_compile(const recs_mem_t *mem,
    const recs_str_t *source, recs_pointer_t *ptr);

/* True if "*" is among its tokens. */

int recs_pointer_has_star(const recs_pointer_t *ptr);

/*
 * True if in some document a value found by one pointer could be, or could
 * hold, a value found by the other: equal so far as the shorter goes, "*"
 * being equal to any index and to itself.
 */

int recs_pointer_overlap(const recs_pointer_t *a, const recs_pointer_t *b);

/*
 * True if what two pointers find can be told to belong together, one value to
 * one: both have the same tokens up to the last "*" of either.
 */

int recs_pointer_in_step(const recs_pointer_t *a, const recs_pointer_t *b);


#endif /* RECS_POINTER_H */
