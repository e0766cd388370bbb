
/*
 * What states, versions, ages, rows and methods are called: the same in
 * directives, headers, variables, bodies, records and the status.
 */


#ifndef NGX_HTTP_RECS_NAMES_H
#define NGX_HTTP_RECS_NAMES_H


#include <ngx_config.h>
#include <ngx_core.h>


extern const ngx_str_t  ngx_http_recs_states[];     /* ngx_http_recs_state_e */
extern const ngx_str_t  ngx_http_recs_versions[];   /* ..._version_e */
extern const ngx_str_t  ngx_http_recs_ages[];       /* ..._age_e */
extern const ngx_str_t  ngx_http_recs_rows[];       /* ngx_recs_row_source_e */
extern const ngx_str_t  ngx_http_recs_methods[];    /* recs_method_e */


#endif /* NGX_HTTP_RECS_NAMES_H */
