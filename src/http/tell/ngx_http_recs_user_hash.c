
/*
 * Users in what is logged, as keyed hashes: who has the key can tell whether a
 * record is a user's, nobody else.
 */


#include "ngx_http_recs_tell.h"


#if (NGX_SSL)
#include <openssl/evp.h>
#include <openssl/hmac.h>
#endif


#define NGX_HTTP_RECS_KEY_MIN  16       /* bytes */


#if (NGX_SSL)

static char *ngx_http_recs_user_hash_key(ngx_conf_t *cf, ngx_str_t *path,
    ngx_http_recs_loc_conf_t *rlcf);


/* recs_user_hash key_file=PATH | off */

char *
ngx_http_recs_user_hash(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t  *value, path;

    if (rlcf->user_hash != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->user_hash = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "key_file=", 9) != 0 || value[1].len == 9) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" of recs_user_hash, "
                           "it must be \"key_file=PATH\" or \"off\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    path.data = value[1].data + 9;
    path.len = value[1].len - 9;

    return ngx_http_recs_user_hash_key(cf, &path, rlcf);
}


/* The key is what the file holds, but for a line's end at its end. */

static char *
ngx_http_recs_user_hash_key(ngx_conf_t *cf, ngx_str_t *path,
    ngx_http_recs_loc_conf_t *rlcf)
{
    ngx_str_t   *key;
    const char  *error;

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    key = ngx_palloc(cf->pool, sizeof(ngx_str_t));
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_recs_file_read(path, cf->pool, key, NULL, &error) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "key_file \"%V\" of recs_user_hash %s", path,
                           error);
        return NGX_CONF_ERROR;
    }

    if (key->len && key->data[key->len - 1] == LF) {
        key->len--;

        if (key->len && key->data[key->len - 1] == CR) {
            key->len--;
        }
    }

    if (key->len < NGX_HTTP_RECS_KEY_MIN || key->len > NGX_MAX_INT32_VALUE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "key_file \"%V\" of recs_user_hash holds %uz "
                           "bytes, it must be at least %d", path, key->len,
                           NGX_HTTP_RECS_KEY_MIN);
        return NGX_CONF_ERROR;
    }

    rlcf->user_hash = key;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_recs_hash_user(const ngx_str_t *key, const ngx_str_t *text,
    u_char *hash)
{
    u_char        mac[EVP_MAX_MD_SIZE];
    unsigned int  len;

    if (HMAC(EVP_sha256(), key->data, (int) key->len, text->data, text->len,
             mac, &len)
        == NULL)
    {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(hash, mac, NGX_HTTP_RECS_HASH_LEN / 2);

    return NGX_OK;
}

#else

char *
ngx_http_recs_user_hash(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_recs_loc_conf_t *rlcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rlcf->user_hash = NULL;
        return NGX_CONF_OK;
    }

    return "needs an nginx with OpenSSL: built with --with-http_ssl_module";
}


/* There is no key. */

ngx_int_t
ngx_http_recs_hash_user(const ngx_str_t *key, const ngx_str_t *text,
    u_char *hash)
{
    return NGX_ERROR;
}

#endif
