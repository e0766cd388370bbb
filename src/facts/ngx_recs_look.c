
#include "ngx_recs_look.h"


ngx_int_t
ngx_recs_look_init(ngx_recs_snapshots_t *ss, ngx_cycle_t *cycle)
{
    return NGX_OK;
}
