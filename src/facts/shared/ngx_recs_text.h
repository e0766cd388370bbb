
/*
 * Short texts that something outside chose (a version, a key, a field's value)
 * and that are kept, compared and shown: with their bytes in the structure, so
 * that they can be in shared memory.
 */


#ifndef NGX_RECS_TEXT_H
#define NGX_RECS_TEXT_H


#include <ngx_config.h>
#include <ngx_core.h>


/* Of up to 127 bytes, of any values.  All zero: an empty one. */

typedef struct {
    u_char                    len;
    u_char                    data[127];
} ngx_recs_text_t;


/*
 * Copies from.  NGX_OK; or NGX_DECLINED: it is longer, its beginning was
 * copied.
 */

ngx_int_t ngx_recs_text_set(ngx_recs_text_t *text, const ngx_str_t *from);

ngx_uint_t ngx_recs_text_eq(const ngx_recs_text_t *a,
    const ngx_recs_text_t *b);

/* True if the text is s, a C string. */

ngx_uint_t ngx_recs_text_is(const ngx_recs_text_t *text, const char *s);

/* Puts "?" in the place of each control character: a log is lines of text. */

void ngx_recs_printable(u_char *data, size_t len);


/* The text as nginx's type; its bytes stay where they are. */

static inline ngx_str_t
ngx_recs_text_str(const ngx_recs_text_t *text)
{
    ngx_str_t  str;

    str.data = (u_char *) text->data;
    str.len = text->len;

    return str;
}


#endif /* NGX_RECS_TEXT_H */
