
/* How fresh replicas are: see the header. */


#include <string.h>

#include "recs_redis_fresh.h"


/* Less is no difference, us. */

#define TRIP_NOISE         100

#define get(word)          __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define set(word, value)   __atomic_store_n(&(word), (value), __ATOMIC_RELEASE)


/* The value of a line. */

typedef struct {
    const char  *data;
    size_t       len;
} value_t;


static int line(const char *text, size_t len, const char *name,
    value_t *value);
static int is(const value_t *value, const char *what);
static int64_t number_of(const char *text, size_t len, const char *name);
static uint64_t hash(const value_t *value);
static void mark(recs_redis_state_t *state, const recs_redis_said_t *said,
    uint64_t asked, uint64_t apart);
static uint64_t fresh(const recs_redis_state_t *master,
    const recs_redis_said_t *said, uint64_t asked);


int
recs_redis_said(recs_redis_said_t *said, const char *text, size_t len)
{
    value_t  value;

    said->link = RECS_REDIS_LINK_UNKNOWN;
    said->silent = -1;
    said->offset = -1;
    said->history = 0;

    if (!line(text, len, "role", &value)) {
        return 0;
    }

    if (is(&value, "master")) {
        said->link = RECS_REDIS_LINK_MASTER;
        said->offset = number_of(text, len, "master_repl_offset");

    } else {
        said->silent = number_of(text, len, "master_last_io_seconds_ago");
        said->offset = number_of(text, len, "slave_repl_offset");

        if (line(text, len, "master_link_status", &value)) {
            said->link = is(&value, "up") ? RECS_REDIS_LINK_UP
                                          : RECS_REDIS_LINK_DOWN;
        }

        if (number_of(text, len, "master_sync_in_progress") > 0) {
            said->link = RECS_REDIS_LINK_DOWN;
        }
    }

    if (line(text, len, "master_replid", &value)) {
        said->history = hash(&value);
    }

    return 1;
}


static int
line(const char *text, size_t len, const char *name, value_t *value)
{
    size_t       n;
    const char  *p, *end, *eol;

    n = strlen(name);
    end = text + len;

    for (p = text; p < end; p = eol + 1) {

        eol = memchr(p, '\n', (size_t) (end - p));
        if (eol == NULL) {
            eol = end;
        }

        if ((size_t) (eol - p) > n && p[n] == ':' && memcmp(p, name, n) == 0) {
            value->data = p + n + 1;
            value->len = (size_t) (eol - value->data);

            if (value->len && value->data[value->len - 1] == '\r') {
                value->len--;
            }

            return 1;
        }
    }

    return 0;
}


static int
is(const value_t *value, const char *what)
{
    return value->len == strlen(what)
           && memcmp(value->data, what, value->len) == 0;
}


/* -1: there is none, or it is below 0. */

static int64_t
number_of(const char *text, size_t len, const char *name)
{
    size_t   i;
    int64_t  n;
    value_t  value;

    if (!line(text, len, name, &value) || value.len == 0 || value.len > 18) {
        return -1;
    }

    n = 0;

    for (i = 0; i < value.len; i++) {

        if (value.data[i] < '0' || value.data[i] > '9') {
            return -1;
        }

        n = n * 10 + (value.data[i] - '0');
    }

    return n;
}


/* FNV-1a (RFC 9923); never 0. */

static uint64_t
hash(const value_t *value)
{
    size_t    i;
    uint64_t  h;

    h = 0xcbf29ce484222325;

    for (i = 0; i < value->len; i++) {
        h = (h ^ (uint8_t) value->data[i]) * 0x100000001b3;
    }

    return h ? h : 1;
}


void
recs_redis_state_said(recs_redis_state_t *state, uint64_t number,
    const recs_redis_state_t *master, const recs_redis_said_t *said,
    uint64_t asked, uint64_t apart)
{
    uint64_t           at;
    recs_redis_link_e  link;

    if (state->number != number) {

        /* nobody takes the last node's words for this one's */

        set(state->link, RECS_REDIS_LINK_NEW);
        set(state->fresh, 0);
        set(state->trip, 0);
        state->told = 0;
        state->nmarks = 0;
        set(state->number, number);
    }

    link = said->link;

    if (link == RECS_REDIS_LINK_MASTER) {
        mark(state, said, asked, apart);
        set(state->fresh, asked);

    } else if (link == RECS_REDIS_LINK_UP) {
        at = fresh(master, said, asked);

        if (at > state->fresh) {
            set(state->fresh, at);
        }

        if (said->offset == -1 && said->silent == -1) {
            link = RECS_REDIS_LINK_UNKNOWN;
        }
    }

    set(state->link, link);
}


static void
mark(recs_redis_state_t *state, const recs_redis_said_t *said, uint64_t asked,
    uint64_t apart)
{
    if (said->offset == -1) {
        return;
    }

    if (said->history != state->history) {
        state->history = said->history;
        state->nmarks = 0;
    }

    if (state->nmarks < 2
        || state->marks[0].when - state->marks[1].when >= apart)
    {
        if (state->nmarks < RECS_REDIS_MARKS) {
            state->nmarks++;
        }

        memmove(&state->marks[1], &state->marks[0],
                (state->nmarks - 1) * sizeof(recs_redis_mark_t));
    }

    state->marks[0].when = asked;
    state->marks[0].offset = said->offset;
}


/* The latest time of which a replica is known to have all; 0: there is none. */

static uint64_t
fresh(const recs_redis_state_t *master, const recs_redis_said_t *said,
    uint64_t asked)
{
    uint64_t  i, ms;

    if (master && said->offset != -1 && master->history == said->history) {

        for (i = 0; i < master->nmarks; i++) {
            if (said->offset >= master->marks[i].offset) {
                return master->marks[i].when;
            }
        }
    }

    /* of a master that can't be asked, the replica knows better */

    if (said->silent != -1
        && (master == NULL || asked > master->fresh + RECS_REDIS_SILENT))
    {
        ms = ((uint64_t) said->silent + 1) * 1000;

        return ms < asked ? asked - ms : 0;
    }

    return 0;
}


void
recs_redis_state_trip(recs_redis_state_t *state, uint64_t trip)
{
    uint64_t  old;

    old = state->trip;

    if (trip == 0) {
        trip = 1;
    }

    set(state->trip, old ? (3 * old + trip) / 4 : trip);
}


int
recs_redis_state_fit(const recs_redis_state_t *state, uint64_t number,
    uint64_t now, uint64_t max_lag)
{
    uint64_t  link, at;

    link = get(state->link);
    at = get(state->fresh);

    if (get(state->number) != number) {
        return 0;
    }

    switch (link) {

    case RECS_REDIS_LINK_UP:
        return (int64_t) (now - at) <= (int64_t) max_lag;

    case RECS_REDIS_LINK_UNKNOWN:
        return 1;

    default:
        return 0;
    }
}


int
recs_redis_nearer(uint64_t trip, uint64_t current)
{
    uint64_t  margin;

    if (trip == 0) {
        return 0;
    }

    if (current == 0) {
        return 1;
    }

    margin = trip / 4 > TRIP_NOISE ? trip / 4 : TRIP_NOISE;

    return trip + margin < current;
}


int
recs_redis_due(uint64_t *due, uint64_t now, uint64_t interval)
{
    uint64_t  at;

    at = get(*due);

    return (int64_t) (now - at) >= 0
           && __atomic_compare_exchange_n(due, &at, now + interval, 0,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
