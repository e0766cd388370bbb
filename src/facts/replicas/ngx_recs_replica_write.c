
/* What the leader writes to a replica's tables. */


#include "ngx_recs_replica_write.h"


static void ngx_recs_replica_write_flush(ngx_recs_replica_writer_t *w);
static void ngx_recs_replica_write_reach(ngx_recs_replica_writer_t *w);
static ngx_recs_write_e ngx_recs_replica_apply_ids(
    ngx_recs_replica_writer_t *w, ngx_recs_feed_entry_t *e);
static ngx_uint_t ngx_recs_replica_leaves_few(ngx_recs_replica_writer_t *w,
    ngx_recs_feed_entry_t *e);
static ngx_uint_t ngx_recs_replica_holds(ngx_recs_replica_writer_t *w,
    recs_table_view_t *view, const recs_str_t *id);


ngx_uint_t
ngx_recs_replica_lock(ngx_recs_replica_writer_t *w)
{
    return ngx_recs_leader_lock(w->replica->leader) == NGX_OK;
}


void
ngx_recs_replica_unlock(ngx_recs_replica_writer_t *w)
{
    ngx_recs_leader_unlock(w->replica->leader);
}


/* If it can't be set, the replica is out of date soon all the same. */

void
ngx_recs_replica_set_state(ngx_recs_replica_writer_t *w,
    ngx_recs_replica_state_e state)
{
    ngx_recs_replica_shared_t  *shared;

    shared = w->replica->shared;

    if (shared->state == (ngx_atomic_uint_t) state
        || !ngx_recs_replica_lock(w))
    {
        return;
    }

    shared->state = state;

    ngx_recs_replica_unlock(w);
}


void
ngx_recs_replica_write_begin(ngx_recs_replica_writer_t *w)
{
    w->entry = NULL;
    w->rc = NGX_RECS_WRITE_OK;
    w->n = 0;
}


void
ngx_recs_replica_write(ngx_recs_replica_writer_t *w, uint64_t print,
    double score)
{
    w->prints[w->n] = print;
    w->scores[w->n] = score;

    if (++w->n == NGX_RECS_WRITE_BATCH) {
        ngx_recs_replica_write_flush(w);
    }
}


ngx_recs_write_e
ngx_recs_replica_write_end(ngx_recs_replica_writer_t *w)
{
    ngx_recs_replica_write_flush(w);

    return w->rc;
}


static void
ngx_recs_replica_write_flush(ngx_recs_replica_writer_t *w)
{
    int                 rc;
    ngx_uint_t          i, n;
    recs_table_which_e  which;

    n = w->n;
    w->n = 0;

    if (n == 0 || w->rc != NGX_RECS_WRITE_OK) {
        return;
    }

    if (!ngx_recs_replica_lock(w)) {
        w->rc = NGX_RECS_WRITE_REFUSED;
        return;
    }

    which = RECS_TABLE_NEXT;

    if (w->entry) {
        which = RECS_TABLE_ACTIVE;
        ngx_recs_replica_write_reach(w);
    }

    rc = 0;

    for (i = 0; i < n && rc >= 0; i++) {
        rc = (w->entry == NULL || w->entry->add)
             ? recs_table_add(&w->table, which, w->prints[i], w->scores[i])
             : recs_table_remove(&w->table, which, w->prints[i]);
    }

    ngx_recs_replica_unlock(w);

    if (rc < 0) {
        w->rc = (rc == RECS_TABLE_FULL) ? NGX_RECS_WRITE_FULL
                                        : NGX_RECS_WRITE_REFUSED;
    }
}


/*
 * Some of the entry's ids come into the table next.  It is noted before: if
 * this worker is killed in between, its successor knows.
 */

static void
ngx_recs_replica_write_reach(ngx_recs_replica_writer_t *w)
{
    if (ngx_recs_feed_id_cmp(&w->entry->id, &w->position.reached) > 0) {
        w->position.reached = w->entry->id;
        ngx_recs_replica_set_position(w->replica, &w->position);
    }
}


ngx_recs_write_e
ngx_recs_replica_apply(ngx_recs_replica_writer_t *w, ngx_recs_feed_entry_t *e)
{
    ngx_recs_write_e      rc;
    ngx_recs_position_t  *pos;

    pos = &w->position;

    if (ngx_recs_feed_entry_end(e) != NGX_OK) {
        return NGX_RECS_WRITE_MALFORMED;
    }

    if (pos->numbered && e->seq != pos->seq + 1) {
        return NGX_RECS_WRITE_GAP;
    }

    rc = ngx_recs_replica_apply_ids(w, e);

    if (rc != NGX_RECS_WRITE_OK) {
        return rc;
    }

    pos->id = e->id;
    pos->seq = e->seq;
    pos->numbered = 1;

    ngx_recs_count(w->replica->counters->entries, 1);

    return NGX_RECS_WRITE_OK;
}


static ngx_recs_write_e
ngx_recs_replica_apply_ids(ngx_recs_replica_writer_t *w,
    ngx_recs_feed_entry_t *e)
{
    double                     score;
    ngx_int_t                  rc;
    recs_str_t                 id;
    recs_table_t              *table;
    ngx_recs_feed_entry_ids_t  ids;

    table = w->replica->table;

    if (ngx_recs_feed_entry_ids(e, w->replica->set->scores, &ids) != NGX_OK) {
        return NGX_RECS_WRITE_MALFORMED;
    }

    if (ngx_recs_replica_leaves_few(w, e)) {
        return NGX_RECS_WRITE_FEW;
    }

    ngx_recs_replica_write_begin(w);
    w->entry = e;

    for ( ;; ) {
        rc = ngx_recs_feed_entry_next(&ids, &id, &score);

        if (rc != NGX_OK) {
            break;
        }

        ngx_recs_replica_write(w, recs_table_fingerprint(table, &id), score);
    }

    ngx_recs_replica_write_flush(w);

    if (rc == NGX_DONE) {
        return w->rc;
    }

    return rc == NGX_DECLINED ? NGX_RECS_WRITE_MALFORMED
                              : NGX_RECS_WRITE_REFUSED;
}


/*
 * Would fewer ids be left than there must be?  Such an entry isn't applied, not
 * in part either.  An id that comes twice in it counts twice: then, too, Redis
 * is asked how many there are.
 */

static ngx_uint_t
ngx_recs_replica_leaves_few(ngx_recs_replica_writer_t *w,
    ngx_recs_feed_entry_t *e)
{
    double                     score;
    uint64_t                   spare;
    recs_str_t                 id;
    recs_table_stat_t          stat;
    recs_table_view_t          view;
    ngx_recs_replica_t        *replica;
    ngx_recs_feed_entry_ids_t  ids;

    replica = w->replica;

    recs_table_stat(replica->table, &stat);

    spare = stat.ids - ngx_min(stat.ids, replica->guard.min_members);

    /* an id takes two bytes at least */

    if (e->add
        || spare >= e->fields[NGX_RECS_FEED_ENTRY_IDS].len / 2
        || replica->guard.min_members == 0
        || !recs_table_read(&view, replica->table)
        || ngx_recs_feed_entry_ids(e, 0, &ids) != NGX_OK)
    {
        return 0;
    }

    while (ngx_recs_feed_entry_next(&ids, &id, &score) == NGX_OK) {

        if (ngx_recs_replica_holds(w, &view, &id) && spare-- == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_recs_replica_holds(ngx_recs_replica_writer_t *w, recs_table_view_t *view,
    const recs_str_t *id)
{
    u_char    found;
    uint64_t  print;

    print = recs_table_fingerprint(w->replica->table, id);
    recs_table_find(view, &print, 1, &found, NULL);

    return found;
}
