
/* The memory of a replica's table that nobody reads, given back. */


#include "ngx_recs_idle.h"

#ifdef MADV_REMOVE
#include <sys/mman.h>
#endif


/* So much in one turn, and under one lock: less than 1 ms. */

#define NGX_RECS_IDLE_PIECE   (1024 * 1024)


static void ngx_recs_idle_turn(ngx_event_t *ev);
static ngx_int_t ngx_recs_idle_piece(ngx_recs_idle_t *idle);
static ngx_int_t ngx_recs_idle_give_back(u_char *start, u_char *end);


void
ngx_recs_idle_start(ngx_recs_idle_t *idle)
{
    idle->timer.handler = ngx_recs_idle_turn;
    idle->timer.data = idle;
    idle->timer.log = idle->writer->log;
    idle->timer.cancelable = 1;

    idle->offset = 0;
    ngx_add_timer(&idle->timer, 1);
}


void
ngx_recs_idle_stop(ngx_recs_idle_t *idle)
{
    if (idle->timer.timer_set) {
        ngx_del_timer(&idle->timer);
    }
}


static void
ngx_recs_idle_turn(ngx_event_t *ev)
{
    ngx_int_t         rc;
    ngx_recs_idle_t  *idle;

    idle = ev->data;

    if (!ngx_recs_replica_lock(idle->writer)) {
        ngx_add_timer(ev, NGX_RECS_REPLICA_SOON);
        return;
    }

    rc = ngx_recs_idle_piece(idle);

    ngx_recs_replica_unlock(idle->writer);

    if (rc == NGX_AGAIN) {
        idle->offset += NGX_RECS_IDLE_PIECE;
        ngx_add_timer(ev, 1);
    }
}


/*
 * NGX_AGAIN: there are more.  Under the lock: nobody else can begin to fill the
 * table meanwhile.
 */

static ngx_int_t
ngx_recs_idle_piece(ngx_recs_idle_t *idle)
{
    size_t    size;
    uint8_t  *memory;

    if (recs_table_idle(&idle->writer->table, &memory, &size) != 0
        || idle->offset >= size)
    {
        return NGX_DONE;
    }

    size = ngx_min(size - idle->offset, NGX_RECS_IDLE_PIECE);
    memory += idle->offset;

    if (ngx_recs_idle_give_back(memory, memory + size) != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, idle->timer.log, ngx_errno,
                      "recs_set \"%V\": memory can't be given back",
                      &idle->writer->replica->set->name);
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
