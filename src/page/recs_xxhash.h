
/*
 * xxHash, of its header alone and compiled in: short ids take a fifth fewer
 * instructions than by its library, and no library's name is shown to, or
 * taken from, the other modules of nginx.
 */


#ifndef RECS_XXHASH_H
#define RECS_XXHASH_H


#define XXH_INLINE_ALL

#include <xxhash.h>


#endif /* RECS_XXHASH_H */
