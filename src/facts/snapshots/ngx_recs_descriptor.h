
/*
 * A snapshot's descriptor: the hash that a batch job writes beside its rows,
 * and whether a snapshot that it describes may be adopted.
 */


#ifndef NGX_RECS_DESCRIPTOR_H
#define NGX_RECS_DESCRIPTOR_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_recs_text.h"


#define NGX_RECS_VERSION_MAX    64      /* bytes of a version */
#define NGX_RECS_REASON_MAX     192     /* bytes of why one is refused */


typedef struct {
    ngx_recs_text_t           version;      /* len 0: there is none */
    ngx_recs_text_t           model;
    ngx_recs_text_t           schema;
    ngx_recs_text_t           features;
    time_t                    generated_at; /* unix seconds */
    time_t                    max_age;      /* s; 0: none */
    uint64_t                  expected;     /* rows */
    uint64_t                  written;
} ngx_recs_descriptor_t;


/* What may be adopted. */

typedef struct {
    ngx_uint_t                min_coverage; /* hundredths of a percent */
    ngx_str_t                *accept;       /* schemas */
    ngx_uint_t                naccept;      /* 0: any, or none */
    time_t                    max_age;      /* s; 0: none */
} ngx_recs_adopt_t;


/* Why a version is refused, in the order in which it is looked for. */

typedef enum {
    NGX_RECS_ADOPTABLE = 0,
    NGX_RECS_REFUSED_POINTER,       /* the channel points to no version */
    NGX_RECS_REFUSED_ERROR,         /* Redis answered with an error */
    NGX_RECS_REFUSED_ROLLED_BACK,
    NGX_RECS_REFUSED_RETURNED,      /* it was left before, which Redis seems to
                                       have forgotten */
    NGX_RECS_REFUSED_MISSING,       /* there is no descriptor */
    NGX_RECS_REFUSED_FIELD,         /* a field is missing, or not as it must
                                       be */
    NGX_RECS_REFUSED_LOADING,       /* state is not "complete" */
    NGX_RECS_REFUSED_COVERAGE,
    NGX_RECS_REFUSED_SCHEMA,
    NGX_RECS_REFUSED_AGE
} ngx_recs_refusal_e;


/* The fields that are read: HMGET's arguments, in this order. */

#define NGX_RECS_DESCRIPTOR_FIELDS  8

extern const ngx_str_t  ngx_recs_descriptor_names[];


/* The fields' values as Redis has them, read one by one, not parsed yet. */

typedef struct {
    ngx_recs_text_t           values[NGX_RECS_DESCRIPTOR_FIELDS];
    ngx_uint_t                nvalues;      /* fields that are there */
    ngx_uint_t                too_long;     /* a bit for each field */
} ngx_recs_descriptor_fields_t;

/*
 * Takes in the value of a field, a number below NGX_RECS_DESCRIPTOR_FIELDS, and
 * copies it; NULL: the descriptor has no such field.
 */

void ngx_recs_descriptor_set(ngx_recs_descriptor_fields_t *fields,
    ngx_uint_t field, const ngx_str_t *value);

/*
 * May version, with these fields, be adopted at that time?  Fills in d, with
 * the smaller of the two life times; or says why not, in *reason of
 * NGX_RECS_REASON_MAX bytes at most, which the caller has at reason->data.
 */

ngx_recs_refusal_e ngx_recs_descriptor_read(ngx_recs_descriptor_t *d,
    const ngx_recs_text_t *version, const ngx_recs_descriptor_fields_t *fields,
    const ngx_recs_adopt_t *adopt, time_t now, ngx_str_t *reason);

/* Is it older than its life time? */

ngx_uint_t ngx_recs_descriptor_expired(const ngx_recs_descriptor_t *d,
    time_t now);

/* A version, or a channel's name: 1 to 64 bytes of [A-Za-z0-9._-]. */

ngx_uint_t ngx_recs_version_valid(const u_char *data, size_t len);


#endif /* NGX_RECS_DESCRIPTOR_H */
