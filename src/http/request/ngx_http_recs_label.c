
/*
 * The label of a response, by recs_label, and where it is counted for that.
 * Labels are few, and found without a lock; a new one is added under that of
 * the zone.
 */


#include "ngx_http_recs_counted.h"
#include "ngx_http_recs_request.h"
#include "recs_text.h"


static ngx_uint_t ngx_http_recs_label_slot(ngx_http_recs_main_conf_t *rmcf,
    const ngx_http_recs_label_t *label);
static void ngx_http_recs_label_read(ngx_http_recs_label_t *label,
    const ngx_str_t *value);
static ngx_uint_t ngx_http_recs_label_find(
    const ngx_http_recs_labels_t *labels, ngx_uint_t i, ngx_uint_t n,
    const ngx_http_recs_label_t *label);


ngx_http_recs_counted_t *
ngx_http_recs_count_by_label(ngx_http_recs_ctx_t *ctx)
{
    ngx_str_t                   value;
    ngx_http_recs_label_t       label;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_recs_module);

    ctx->counted = rmcf->counted;

    if (ctx->conf->label == NULL
        || ngx_http_complex_value(ctx->request, ctx->conf->label, &value)
           != NGX_OK
        || value.len == 0)
    {
        return ctx->counted;
    }

    ngx_http_recs_label_read(&label, &value);

    ctx->label = ngx_http_recs_label_slot(rmcf, &label);
    ctx->labelled = 1;
    ctx->counted = &rmcf->labels->counted[ctx->label];

    return ctx->counted;
}


/*
 * Its place among the labels; that of all others, if there is none for it, or
 * it is called so itself.
 */

static ngx_uint_t
ngx_http_recs_label_slot(ngx_http_recs_main_conf_t *rmcf,
    const ngx_http_recs_label_t *label)
{
    ngx_uint_t               i, n;
    ngx_slab_pool_t         *shpool;
    ngx_http_recs_labels_t  *labels;

    static const ngx_str_t  other = ngx_string("other");

    if (label->len == other.len
        && ngx_memcmp(label->text, other.data, other.len) == 0)
    {
        return NGX_HTTP_RECS_LABEL_OTHER;
    }

    labels = rmcf->labels;

    n = labels->n;
    ngx_memory_barrier();

    i = ngx_http_recs_label_find(labels, 0, n, label);

    if (i < n) {
        return i;
    }

    if (n >= rmcf->max_labels) {
        return NGX_HTTP_RECS_LABEL_OTHER;
    }

    shpool = rmcf->zone->shpool;

    ngx_shmtx_lock(&shpool->mutex);

    /* another worker may have added it */

    i = ngx_http_recs_label_find(labels, n, labels->n, label);

    if (i == labels->n) {

        if (i < rmcf->max_labels) {
            labels->labels[i] = *label;
            ngx_memory_barrier();
            labels->n = i + 1;

        } else {
            i = NGX_HTTP_RECS_LABEL_OTHER;
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return i;
}


/*
 * Whatever a client sent, a label is UTF-8 without control characters: for each
 * byte that is not stands a "?".  What is too long is cut off.
 */

static void
ngx_http_recs_label_read(ngx_http_recs_label_t *label, const ngx_str_t *value)
{
    size_t         len;
    const u_char  *p, *end;

    p = value->data;
    end = p + value->len;

    label->len = 0;

    while (p < end) {

        if (*p < 0x80) {
            len = (*p >= 0x20 && *p != 0x7f);

        } else {
            len = recs_text_utf8(p, end);
        }

        if (label->len + ngx_max(len, 1) > NGX_HTTP_RECS_LABEL_LEN) {
            break;
        }

        if (len == 0) {
            label->text[label->len++] = '?';
            p++;
            continue;
        }

        ngx_memcpy(label->text + label->len, p, len);

        label->len += len;
        p += len;
    }

    label->hash = ngx_crc32_short(label->text, label->len);
}


/* The label's number, of those from i to n; n: it is none of them. */

static ngx_uint_t
ngx_http_recs_label_find(const ngx_http_recs_labels_t *labels, ngx_uint_t i,
    ngx_uint_t n, const ngx_http_recs_label_t *label)
{
    const ngx_http_recs_label_t  *known;

    for ( /* void */ ; i < n; i++) {
        known = &labels->labels[i];

        if (known->hash == label->hash && known->len == label->len
            && ngx_memcmp(known->text, label->text, label->len) == 0)
        {
            break;
        }
    }

    return i;
}
