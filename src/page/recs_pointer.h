
/*
 * JSON Pointers (RFC 6901), compiled and compared, with one addition: where a
 * token "*" meets an array, it stands for every element.  (In an object it is
 * the member of that name, as the RFC has it.)
 */


#ifndef RECS_POINTER_H
#define RECS_POINTER_H


#include "recs_base.h"


/* A token: the name of a member, and perhaps the index of an element, too. */

typedef struct {
    recs_str_t        text;     /* unescaped: "~1" is "/", "~0" is "~" */
    size_t            index;    /* from 0; RECS_NO_INDEX: it is no index */
    unsigned          star:1;   /* the token is "*" */
} recs_token_t;

#define RECS_NO_INDEX  ((size_t) -1)


typedef struct {
    recs_str_t        source;   /* as it was written */
    recs_token_t     *tokens;
    unsigned          ntokens;  /* 0: the root */
} recs_pointer_t;


/*
 * Compiles source ("" or "/a/b/0"), whose bytes must outlive the pointer, into
 * *ptr, whose tokens are from mem.  Returns NULL, or a sentence that says what
 * is wrong ("a pointer is empty or starts with \"/\"").
 */

const char *recs_pointer_compile(const recs_mem_t *mem,
    const recs_str_t *source, recs_pointer_t *ptr);

/* Has the pointer a token "*"? */

int recs_pointer_has_star(const recs_pointer_t *ptr);

/*
 * Could, in some document, a value that one pointer leads to be one that the
 * other leads to, or hold it?  It could if both are equal as far as the shorter
 * goes, where "*" equals any index and itself.
 */

int recs_pointer_overlap(const recs_pointer_t *a, const recs_pointer_t *b);

/*
 * Do the values that two pointers lead to belong together, one to one?  They do
 * if both pointers have the same tokens up to the last "*" of either.
 */

int recs_pointer_in_step(const recs_pointer_t *a, const recs_pointer_t *b);


#endif /* RECS_POINTER_H */
