
/*
 * The directives: their table, the function of each that takes more than a
 * slot, how they are inherited, and what is checked once all was read.
 */


#ifndef NGX_HTTP_RECS_DIRECTIVES_H
#define NGX_HTTP_RECS_DIRECTIVES_H


#include "ngx_http_recs_conf.h"


/* ngx_http_recs_directives.c */

extern ngx_command_t  ngx_http_recs_commands[];

/* ngx_http_recs_merge.c */

void *ngx_http_recs_create_main_conf(ngx_conf_t *cf);
void *ngx_http_recs_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_recs_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/* ngx_http_recs_redis_conf.c, ..._set_conf.c, ..._pool_conf.c, */

char *ngx_http_recs_redis_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_recs_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ..._snapshots_conf.c, ..._guard_conf.c, */

char *ngx_http_recs_snapshots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_guard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ..._explore_conf.c, ..._record_conf.c, */

char *ngx_http_recs_explore(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_record_shown(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ..._label_conf.c, ..._handler_conf.c, */

char *ngx_http_recs_label(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_ready(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ..._loc_conf.c */

char *ngx_http_recs_items(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_item_id(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_set_names(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_backfill(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_version(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_freshness(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_expires(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_recs_slow_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* A block without a name has the handler of its location, if recs_pass is. */

void ngx_http_recs_pass_merge(ngx_conf_t *cf, ngx_http_recs_loc_conf_t *prev,
    ngx_http_recs_loc_conf_t *conf);

/*
 * Has each pool what its explorers need?  NGX_OK, or NGX_ERROR and it was
 * logged.
 */

ngx_int_t ngx_http_recs_check_explore(ngx_conf_t *cf);

/*
 * After the configuration was read: gives each recs_redis the http block's
 * resolver.  NGX_ERROR: a host's name is unknown, and there is none; it was
 * logged.
 */

ngx_int_t ngx_http_recs_check_redis(ngx_conf_t *cf);

/* In a cluster, each set has its feed in its own slot.  NGX_ERROR: logged. */

ngx_int_t ngx_http_recs_check_slots(ngx_conf_t *cf);


#endif /* NGX_HTTP_RECS_DIRECTIVES_H */
