
/* The table of the types of sets: see the header. */


#include "ngx_recs_set_type.h"


static const ngx_recs_set_type_t  ngx_recs_set_types[NGX_RECS_NSET_TYPES] = {

    [NGX_RECS_SET_PLAIN] = {
        .name = ngx_string("set"),
        .ask = ngx_string("SMISMEMBER"),
        .count = ngx_string("SCARD"),
        .scan = ngx_string("SSCAN"),
        .whole = ngx_string("SRANDMEMBER")
    },

    [NGX_RECS_SET_SORTED] = {
        .name = ngx_string("zset"),
        .ask = ngx_string("ZMSCORE"),
        .count = ngx_string("ZCARD"),
        .scan = ngx_string("ZSCAN"),
        .whole = ngx_string("ZRANGE"),
        .pairs = 1
    },

    [NGX_RECS_SET_HASH] = {
        .name = ngx_string("hash"),
        .ask = ngx_string("HMGET"),
        .count = ngx_string("HLEN"),
        .scan = ngx_string("HSCAN"),
        .whole = ngx_string("HRANDFIELD"),
        .pairs = 1
    }
};


const ngx_recs_set_type_t *
ngx_recs_set_type(ngx_recs_set_type_e type)
{
    return &ngx_recs_set_types[type];
}


ngx_int_t
ngx_recs_set_type_find(const ngx_str_t *name, ngx_recs_set_type_e *type)
{
    ngx_uint_t        i;
    const ngx_str_t  *known;

    for (i = 0; i < NGX_RECS_NSET_TYPES; i++) {
        known = &ngx_recs_set_types[i].name;

        if (name->len == known->len
            && ngx_memcmp(name->data, known->data, known->len) == 0)
        {
            *type = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
