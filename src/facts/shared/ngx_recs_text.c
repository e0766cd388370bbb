
/* Short texts, kept, compared and shown. */


#include "ngx_recs_text.h"


ngx_int_t
ngx_recs_text_set(ngx_recs_text_t *text, const ngx_str_t *from)
{
    text->len = (u_char) ngx_min(from->len, sizeof(text->data));
    ngx_memcpy(text->data, from->data, text->len);

    return text->len == from->len ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_recs_text_eq(const ngx_recs_text_t *a, const ngx_recs_text_t *b)
{
    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


ngx_uint_t
ngx_recs_text_is(const ngx_recs_text_t *text, const char *s)
{
    return text->len == ngx_strlen(s)
           && ngx_memcmp(text->data, s, text->len) == 0;
}


void
ngx_recs_printable(u_char *data, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (data[i] < 0x20 || data[i] == 0x7f) {
            data[i] = '?';
        }
    }
}
