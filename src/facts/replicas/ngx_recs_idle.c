
/*
 * Of a replica's two tables one is read.  The other one is needed only while it
 * is filled to take its place: otherwise its memory is the system's.
 */


#include "ngx_recs_replica_leader.h"

#ifdef MADV_REMOVE
#include <sys/mman.h>
#endif


/* So much in one turn, and under one lock: less than 1 ms. */

#define NGX_RECS_IDLE_PIECE   (1024 * 1024)


static void ngx_recs_idle_turn(ngx_event_t *ev);
static ngx_int_t ngx_recs_idle_piece(ngx_recs_follow_t *f, size_t offset);
static ngx_int_t ngx_recs_idle_give_back(u_char *start, u_char *end);


void
ngx_recs_idle_start(ngx_recs_follow_t *f)
{
    f->idle.handler = ngx_recs_idle_turn;
    f->idle.data = f;
    f->idle.log = f->log;
    f->idle.cancelable = 1;

    f->idle_offset = 0;
    ngx_add_timer(&f->idle, 1);
}


void
ngx_recs_idle_stop(ngx_recs_follow_t *f)
{
    if (f->idle.timer_set) {
        ngx_del_timer(&f->idle);
    }
}


static void
ngx_recs_idle_turn(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_recs_follow_t  *f;

    f = ev->data;

    if (!ngx_recs_follow_lock(f)) {
        ngx_add_timer(ev, NGX_RECS_FOLLOW_SOON);
        return;
    }

    rc = ngx_recs_idle_piece(f, f->idle_offset);

    ngx_recs_follow_unlock(f);

    if (rc == NGX_AGAIN) {
        f->idle_offset += NGX_RECS_IDLE_PIECE;
        ngx_add_timer(ev, 1);
    }
}


/*
 * NGX_AGAIN: there are more.  Under the lock: nobody else can begin to fill the
 * table meanwhile.
 */

static ngx_int_t
ngx_recs_idle_piece(ngx_recs_follow_t *f, size_t offset)
{
    size_t    size;
    uint8_t  *memory;

    if (recs_table_idle(&f->writer, &memory, &size) != 0 || offset >= size) {
        return NGX_DONE;
    }

    size = ngx_min(size - offset, NGX_RECS_IDLE_PIECE);

    if (ngx_recs_idle_give_back(memory + offset, memory + offset + size)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_INFO, f->log, ngx_errno,
                      "recs_set \"%V\": memory can't be given back",
                      &f->replica->set->name);
        return NGX_DONE;
    }

    return NGX_AGAIN;
}


/* The whole pages of that memory, in all processes; they are zeros then. */

static ngx_int_t
ngx_recs_idle_give_back(u_char *start, u_char *end)
{
#ifdef MADV_REMOVE

    start = ngx_align_ptr(start, ngx_pagesize);
    end -= (uintptr_t) end % ngx_pagesize;

    if (start < end && madvise(start, end - start, MADV_REMOVE) == -1) {
        return NGX_ERROR;
    }

    return NGX_OK;

#else

    ngx_set_errno(ENOSYS);
    return NGX_ERROR;

#endif
}
