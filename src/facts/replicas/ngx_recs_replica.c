
/* A replica in shared memory, as all workers read it. */


#include "ngx_recs_replica.h"
#include "ngx_recs_mem.h"
#include "recs_hash.h"


/* How many ids are looked up at once. */

#define NGX_RECS_REPLICA_BATCH  64


static void ngx_recs_replica_find(ngx_recs_replica_t *replica,
    const recs_str_t *ids, ngx_uint_t n, u_char *answers);


const ngx_str_t  ngx_recs_replica_states[] = {
    ngx_string("loading"),
    ngx_string("following"),
    ngx_string("resync"),
    ngx_string("full"),
    ngx_string("failed"),
    ngx_string("held")
};


const ngx_str_t  ngx_recs_resyncs[] = {
    ngx_string("gap"),
    ngx_string("lost"),
    ngx_string("count"),
    ngx_string("entry"),
    ngx_string("leader"),
    ngx_string("full"),
    ngx_string("failed"),
    ngx_string("few")
};


const ngx_recs_counter_t  ngx_recs_replica_counters[] = {
    ngx_recs_counter("loads", ngx_recs_replica_counters_t, loads,
                     "Loads of the whole set."),
    ngx_recs_counter("failures", ngx_recs_replica_counters_t, failures,
                     "Loads that came to nothing."),
    ngx_recs_counter("entries", ngx_recs_replica_counters_t, entries,
                     "Entries of the feed that were applied."),
    ngx_recs_counter("answered", ngx_recs_replica_counters_t, answered,
                     "Questions that the fresh replica answered."),
    ngx_recs_counter("stale", ngx_recs_replica_counters_t, stale,
                     "Questions that the stale replica answered, as Redis "
                     "gave no answer."),
    ngx_recs_counter_array("resyncs", "resyncs", "reason",
                           ngx_recs_replica_counters_t,
                           resyncs, ngx_recs_resyncs,
                           NGX_RECS_NRESYNCS, NULL,
                           "Times that the replica was loaded again, by the "
                           "reason."),
    ngx_recs_counter_end
};


/*
 * The block is named after all that its contents depend on.  Keys may be long:
 * they go in as a hash.
 */

ngx_int_t
ngx_recs_replica_init_zone(ngx_recs_replica_t *replica, ngx_recs_zone_t *zone,
    ngx_log_t *log)
{
    size_t           size, header;
    u_char          *block, buf[NGX_RECS_ZONE_BLOCK_NAME];
    u_char           secret[RECS_TABLE_SECRET];
    uint64_t         h;
    ngx_str_t        name;
    recs_str_t       span;
    ngx_recs_set_t  *set;

    set = replica->set;

    span = ngx_recs_span(&set->redis->server);
    h = recs_hash_str(0, &span);
    span = ngx_recs_span(&replica->key);
    h = recs_hash_str(h, &span);
    span = ngx_recs_span(&replica->feed);
    h = recs_hash_str(h, &span);
    h = recs_hash_int(h, set->type);
    replica->hash = recs_hash_int(h, set->scores);

    name.data = buf;
    name.len = ngx_snprintf(buf, sizeof(buf), "%V %016xL %d", &set->name, h,
                            set->scores)
               - buf;

    header = ngx_align(sizeof(ngx_recs_replica_shared_t), RECS_TABLE_ALIGN);
    size = recs_table_size(replica->capacity, set->scores);

    replica->counters = (ngx_recs_replica_counters_t *)
        ngx_recs_zone_counters(zone, NGX_RECS_ZONE_REPLICA, &set->name);

    /* with the table's begin, which says if it was created */

    block = ngx_recs_zone_large_block(zone, NGX_RECS_ZONE_REPLICA, &name,
                                      header + size,
                                      header + RECS_TABLE_ALIGN);
    if (block == NULL) {
        return NGX_OK;
    }

    replica->shared = (ngx_recs_replica_shared_t *) block;
    replica->table = recs_table_attach(block + header, size, set->scores);

    if (replica->table) {
        return NGX_OK;
    }

    if (ngx_recs_replica_secret(secret, log) != NGX_OK) {
        return NGX_ERROR;
    }

    replica->table = recs_table_create(block + header, size, set->scores,
                                       secret);
    return NGX_OK;
}


ngx_int_t
ngx_recs_replica_secret(u_char *secret, ngx_log_t *log)
{
    ssize_t   n;
    ngx_fd_t  fd;

    n = 0;
    fd = ngx_open_file("/dev/urandom", NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd != NGX_INVALID_FILE) {
        n = ngx_read_fd(fd, secret, RECS_TABLE_SECRET);
        (void) ngx_close_file(fd);
    }

    if (n != RECS_TABLE_SECRET) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "reading \"/dev/urandom\" failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* The leader's clock may be a moment ahead. */

static ngx_msec_t
ngx_recs_replica_age(ngx_recs_replica_shared_t *shared)
{
    ngx_msec_int_t  age;

    age = (ngx_msec_int_t) (ngx_current_msec - shared->confirmed);

    return ngx_max(age, 0);
}


ngx_int_t
ngx_recs_replica_answer(ngx_recs_replica_t *replica, const recs_str_t *ids,
    ngx_uint_t n, ngx_uint_t stale, u_char *answers, ngx_msec_t *age)
{
    ngx_uint_t                  i;
    ngx_recs_replica_shared_t  *shared;

    shared = replica->shared;

    if (shared->loaded == 0) {
        return NGX_DECLINED;
    }

    *age = ngx_recs_replica_age(shared);

    if (!stale && (shared->state != NGX_RECS_REPLICA_FOLLOWING
                   || *age > replica->max_lag))
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < n; i += NGX_RECS_REPLICA_BATCH) {
        ngx_recs_replica_find(replica, ids + i,
                              ngx_min(n - i, NGX_RECS_REPLICA_BATCH),
                              answers + i);
    }

    if (stale) {
        ngx_recs_count(replica->counters->stale, 1);

    } else {
        ngx_recs_count(replica->counters->answered, 1);
    }

    return NGX_OK;
}


ngx_recs_why_e
ngx_recs_replica_held(ngx_recs_replica_t *replica)
{
    ngx_recs_replica_shared_t  *shared;

    shared = replica->shared;

    if (shared->state != NGX_RECS_REPLICA_HELD) {
        return NGX_RECS_WHY_NONE;
    }

    return shared->held.why == RECS_GUARD_SHRUNK ? NGX_RECS_WHY_SHRUNK
                                                 : NGX_RECS_WHY_ABSENT;
}


static void
ngx_recs_replica_find(ngx_recs_replica_t *replica, const recs_str_t *ids,
    ngx_uint_t n, u_char *answers)
{
    double              scores[NGX_RECS_REPLICA_BATCH];
    uint64_t            prints[NGX_RECS_REPLICA_BATCH];
    ngx_uint_t          i, in;
    ngx_recs_set_t     *set;
    recs_table_view_t   view;

    set = replica->set;

    do {
        (void) recs_table_read(&view, replica->table);

        for (i = 0; i < n; i++) {
            prints[i] = recs_table_fingerprint(replica->table, &ids[i]);
        }

        recs_table_find(&view, prints, n, answers,
                        set->scores ? scores : NULL);

    } while (!recs_table_stood(&view));

    for (i = 0; i < n; i++) {
        in = answers[i]
             && (!set->scores || ngx_recs_set_counts(set, scores[i]));

        answers[i] = in ? RECS_IN : RECS_OUT;
    }
}


ngx_uint_t
ngx_recs_replica_position(ngx_recs_replica_t *replica,
    ngx_recs_position_t *position)
{
    ngx_atomic_uint_t           g;
    ngx_recs_replica_shared_t  *shared;

    shared = replica->shared;

    do {
        g = ngx_recs_latest(&shared->position);

        if (g == 0) {
            return 0;
        }

        *position = shared->positions[g % NGX_RECS_POSITIONS];

    } while (!ngx_recs_latest_stood(&shared->position, g, NGX_RECS_POSITIONS));

    return 1;
}


void
ngx_recs_replica_set_position(ngx_recs_replica_t *replica,
    const ngx_recs_position_t *position)
{
    ngx_atomic_uint_t           next;
    ngx_recs_replica_shared_t  *shared;

    shared = replica->shared;
    next = shared->position + 1;

    shared->positions[next % NGX_RECS_POSITIONS] = *position;
    ngx_recs_latest_publish(&shared->position);
}


void
ngx_recs_replica_stat(ngx_recs_replica_t *replica,
    ngx_recs_replica_stat_t *stat)
{
    ngx_recs_replica_shared_t  *shared;

    shared = replica->shared;

    ngx_memzero(&stat->position, sizeof(ngx_recs_position_t));
    (void) ngx_recs_replica_position(replica, &stat->position);

    recs_table_stat(replica->table, &stat->table);

    stat->state = &ngx_recs_replica_states[shared->state];
    stat->held = shared->held;
    stat->loaded = shared->loaded;
    stat->age = ngx_recs_replica_age(shared);
    stat->fresh = shared->loaded
                  && shared->state == NGX_RECS_REPLICA_FOLLOWING
                  && stat->age <= replica->max_lag;
}
