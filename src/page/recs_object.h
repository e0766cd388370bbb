
/*
 * An object that may be put into a page: an entry of a pool.
 */


#ifndef RECS_OBJECT_H
#define RECS_OBJECT_H


#include "recs_decide.h"


typedef struct {
    recs_str_t        id;       /* decoded */
    recs_str_t        head;     /* its bytes up to the end of the last member */
    recs_str_t        tail;     /* from there on: "}" */
    unsigned          empty:1;  /* it has no member: no comma after head */
} recs_object_t;


/*
 * Reads an object from its JSON text; id: where its id is.  If object->id is
 * set already (its data is not NULL) the object may do without, but not have
 * another.  Reserved members are left out.  The text must stay.
 * Returns NULL, or a sentence that says why it can't be put into a page.
 */

const char *recs_object_read(const recs_mem_t *mem, const recs_str_t *text,
    recs_pointer_t *id, recs_object_t *object);

/*
 * What to put on the insert's shelf for the object: its bytes with a member
 * that says where it comes from; on a shelf of scalars its bare id, as a number
 * if the others are and it can be one.  pool: the pool's name; gate: the share
 * of requests that explore.
 * Returns RECS_OK or RECS_NOMEM.
 */

recs_rc_e recs_object_insert(const recs_mem_t *mem,
    const recs_object_t *object, const recs_page_t *page,
    const recs_insert_t *insert, const recs_str_t *pool, double gate,
    recs_str_t *text);


#endif /* RECS_OBJECT_H */
