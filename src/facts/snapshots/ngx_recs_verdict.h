
/*
 * What becomes of a channel of snapshots once Redis has said what it names.
 *
 * The leader's.  One look goes so: begin; said is filled in as Redis answers;
 * reach, publish, log.
 */


#ifndef NGX_RECS_VERDICT_H
#define NGX_RECS_VERDICT_H


#include "ngx_recs_snapshot.h"


/* Versions that Redis is asked about, whether they were rolled back: bits. */

#define NGX_RECS_SAID_NEW       0x01    /* that the channel names */
#define NGX_RECS_SAID_ACTIVE    0x02
#define NGX_RECS_SAID_PREVIOUS  0x04
#define NGX_RECS_SAID_VERSIONS  3

#define NGX_RECS_SAID_MARKS     NGX_RECS_PAST_VERSIONS


/* What Redis says of one channel. */

typedef struct {
    ngx_recs_text_t               version;  /* that the channel names */
    ngx_uint_t                    named;    /* it names any */
    ngx_recs_descriptor_fields_t  fields;   /* of the version's descriptor */

    ngx_uint_t                    told;     /* Redis showed the history */
    uint64_t                      moved;    /* its newest move, unix ms; 0: it
                                               has none */
    uint64_t                      arrived;  /* its newest to version; 0: it
                                               shows none */
    uint64_t                      restored; /* its newest that says that version
                                               may return */

    ngx_uint_t                    rolled_back;  /* such bits */
    ngx_uint_t                    nmarks;       /* others that were */
    ngx_recs_text_t               marks[NGX_RECS_SAID_MARKS];

    size_t                        error_len;    /* 0: there was none */
    u_char                        error[NGX_RECS_REASON_MAX];
} ngx_recs_said_t;


typedef struct {
    ngx_recs_snapshots_t         *snapshots;
    ngx_recs_channel_t           *channel;
    ngx_log_t                    *log;

    ngx_recs_said_t               said;
    ngx_atomic_uint_t             generation;   /* of what was published */
    ngx_recs_channel_state_t      before;   /* that */
    ngx_recs_channel_state_t      state;    /* what will be */
} ngx_recs_verdict_t;


/* Forgets what was said before; snapshots, channel and log stay. */

void ngx_recs_verdict_begin(ngx_recs_verdict_t *v);

/* Makes the state of what Redis said. */

void ngx_recs_verdict_reach(ngx_recs_verdict_t *v);

/*
 * Publishes the state, if it is another, and remembers what was left.  NGX_OK;
 * NGX_AGAIN: a guard moved the channel meanwhile, it is to be looked at anew;
 * else this worker may not write to shared memory, or can't now.
 */

ngx_int_t ngx_recs_verdict_publish(ngx_recs_verdict_t *v);

/* Counts and logs what has changed. */

void ngx_recs_verdict_log(ngx_recs_verdict_t *v);


#endif /* NGX_RECS_VERDICT_H */
