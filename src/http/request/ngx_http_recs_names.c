
/* The names, each array in the order of the enum that is its index. */


#include "ngx_http_recs_names.h"


const ngx_str_t  ngx_http_recs_states[] = {
    ngx_string(""),
    ngx_string("filtered"),
    ngx_string("shadow"),
    ngx_string("degraded"),
    ngx_string("skipped"),
    ngx_string("skewed"),
    ngx_string("stale"),
    ngx_string("bypassed"),
    ngx_string("malformed"),
    ngx_string("too_large")
};


const ngx_str_t  ngx_http_recs_versions[] = {
    ngx_string("model"),
    ngx_string("schema"),
    ngx_string("features"),
    ngx_string("snapshot")
};


const ngx_str_t  ngx_http_recs_ages[] = {
    ngx_string("candidates"),
    ngx_string("features")
};


const ngx_str_t  ngx_http_recs_rows[] = {
    ngx_string("user"),
    ngx_string("previous"),
    ngx_string("default"),
    ngx_string("kept"),
    ngx_string("none"),
    ngx_string("unknown"),
    ngx_string("too_large")
};


const ngx_str_t  ngx_http_recs_methods[] = {
    ngx_string("uniform"),
    ngx_string("weighted"),
    ngx_string("diverse")
};
