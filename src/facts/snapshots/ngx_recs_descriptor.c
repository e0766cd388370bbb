
/* Checks the fields of a descriptor, in the order of the refusals. */


#include "ngx_recs_descriptor.h"

#include "ngx_recs_mem.h"
#include "recs_time.h"


/* Counts have at most so many digits: computing with them can't overflow. */

#define NGX_RECS_DIGITS_MAX   15

/*
 * A batch's clock may be ahead of ours, and its time zone be wrong; a date
 * further ahead is none (milliseconds, say), and would never expire.
 */

#define NGX_RECS_AHEAD_MAX    86400     /* s */


typedef enum {
    NGX_RECS_FIELD_MODEL = 0,
    NGX_RECS_FIELD_SCHEMA,
    NGX_RECS_FIELD_FEATURES,
    NGX_RECS_FIELD_GENERATED_AT,
    NGX_RECS_FIELD_EXPECTED,
    NGX_RECS_FIELD_WRITTEN,
    NGX_RECS_FIELD_MAX_AGE,
    NGX_RECS_FIELD_STATE
} ngx_recs_field_e;


const ngx_str_t  ngx_recs_descriptor_names[] = {
    ngx_string("model"),
    ngx_string("schema"),
    ngx_string("features"),
    ngx_string("generated_at"),
    ngx_string("expected"),
    ngx_string("written"),
    ngx_string("max_age"),
    ngx_string("state")
};


static const char *ngx_recs_descriptor_parse(ngx_recs_descriptor_t *d,
    const ngx_recs_descriptor_fields_t *fields, time_t now, ngx_uint_t *field);
static ngx_uint_t ngx_recs_parse_count(const ngx_recs_text_t *text,
    uint64_t *n);
static ngx_uint_t ngx_recs_schema_accepted(const ngx_recs_adopt_t *adopt,
    const ngx_recs_text_t *schema);


/* At most NGX_RECS_REASON_MAX bytes of a formatted text. */

#define ngx_recs_reason(reason, ...)                                          \
    (reason)->len = ngx_snprintf((reason)->data, NGX_RECS_REASON_MAX,         \
                                 __VA_ARGS__) - (reason)->data


ngx_uint_t
ngx_recs_version_valid(const u_char *data, size_t len)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < len; i++) {
        c = data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9')
              || c == '.' || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return len > 0 && len <= NGX_RECS_VERSION_MAX;
}


void
ngx_recs_descriptor_set(ngx_recs_descriptor_fields_t *fields, ngx_uint_t field,
    const ngx_str_t *value)
{
    if (value == NULL) {
        fields->values[field].len = 0;
        return;
    }

    fields->nvalues++;

    if (ngx_recs_text_set(&fields->values[field], value) != NGX_OK) {
        fields->too_long |= (ngx_uint_t) 1 << field;
    }
}


ngx_uint_t
ngx_recs_descriptor_expired(const ngx_recs_descriptor_t *d, time_t now)
{
    return d->max_age && now - d->generated_at > d->max_age;
}


ngx_recs_refusal_e
ngx_recs_descriptor_read(ngx_recs_descriptor_t *d,
    const ngx_recs_text_t *version, const ngx_recs_descriptor_fields_t *fields,
    const ngx_recs_adopt_t *adopt, time_t now, ngx_str_t *reason)
{
    ngx_str_t    schema;
    const char  *error;
    ngx_uint_t   field;

    ngx_memzero(d, sizeof(ngx_recs_descriptor_t));

    if (fields->nvalues == 0) {
        ngx_recs_reason(reason, "it has no descriptor");
        return NGX_RECS_REFUSED_MISSING;
    }

    /* a job that is still writing may not have set the rest */

    if (fields->values[NGX_RECS_FIELD_STATE].len
        && !ngx_recs_text_is(&fields->values[NGX_RECS_FIELD_STATE], "complete"))
    {
        ngx_recs_reason(reason, "its state is not \"complete\"");
        return NGX_RECS_REFUSED_LOADING;
    }

    error = ngx_recs_descriptor_parse(d, fields, now, &field);

    if (error) {
        ngx_recs_reason(reason, "\"%V\" %s", &ngx_recs_descriptor_names[field],
                        error);
        return NGX_RECS_REFUSED_FIELD;
    }

    d->version = *version;

    if (adopt->max_age && (d->max_age == 0 || d->max_age > adopt->max_age)) {
        d->max_age = adopt->max_age;
    }

    if (d->written * 10000 < d->expected * adopt->min_coverage) {
        ngx_recs_reason(reason, "%uL of %uL rows are written, %ui.%02ui%% are "
                        "needed", d->written, d->expected,
                        adopt->min_coverage / 100, adopt->min_coverage % 100);
        return NGX_RECS_REFUSED_COVERAGE;
    }

    if (!ngx_recs_schema_accepted(adopt, &d->schema)) {
        schema = ngx_recs_text_str(&d->schema);
        ngx_recs_reason(reason, "schema \"%V\" is not accepted", &schema);
        return NGX_RECS_REFUSED_SCHEMA;
    }

    if (ngx_recs_descriptor_expired(d, now)) {
        ngx_recs_reason(reason, "it is older than %T seconds", d->max_age);
        return NGX_RECS_REFUSED_AGE;
    }

    return NGX_RECS_ADOPTABLE;
}


/* NULL, or what is wrong with *field. */

static const char *
ngx_recs_descriptor_parse(ngx_recs_descriptor_t *d,
    const ngx_recs_descriptor_fields_t *fields, time_t now, ngx_uint_t *field)
{
    int64_t                 seconds;
    uint64_t                n;
    recs_str_t              text;
    const ngx_recs_text_t  *v;

    v = fields->values;

    for (*field = 0; *field < NGX_RECS_DESCRIPTOR_FIELDS; (*field)++) {

        if (fields->too_long & ((ngx_uint_t) 1 << *field)) {
            return "is longer than 127 bytes";
        }

        if (v[*field].len == 0 && *field != NGX_RECS_FIELD_MAX_AGE) {
            return "is missing";
        }
    }

    *field = NGX_RECS_FIELD_GENERATED_AT;
    text.data = v[*field].data;
    text.len = v[*field].len;

    if (!recs_time_parse(&text, &seconds) || seconds < 0) {
        return "must be unix seconds or a date of RFC 3339";
    }

    if (seconds > now + NGX_RECS_AHEAD_MAX) {
        return "is more than a day ahead";
    }

    d->generated_at = seconds;

    *field = NGX_RECS_FIELD_EXPECTED;

    if (!ngx_recs_parse_count(&v[*field], &d->expected) || d->expected == 0) {
        return "must be a positive integer";
    }

    *field = NGX_RECS_FIELD_WRITTEN;

    if (!ngx_recs_parse_count(&v[*field], &d->written)) {
        return "must be an integer";
    }

    *field = NGX_RECS_FIELD_MAX_AGE;

    if (v[*field].len) {

        if (!ngx_recs_parse_count(&v[*field], &n) || n == 0) {
            return "must be a positive number of seconds";
        }

        d->max_age = n;
    }

    d->model = v[NGX_RECS_FIELD_MODEL];
    d->schema = v[NGX_RECS_FIELD_SCHEMA];
    d->features = v[NGX_RECS_FIELD_FEATURES];

    return NULL;
}


static ngx_uint_t
ngx_recs_parse_count(const ngx_recs_text_t *text, uint64_t *n)
{
    ngx_uint_t  i;

    if (text->len == 0 || text->len > NGX_RECS_DIGITS_MAX) {
        return 0;
    }

    *n = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            return 0;
        }

        *n = *n * 10 + (text->data[i] - '0');
    }

    return 1;
}


static ngx_uint_t
ngx_recs_schema_accepted(const ngx_recs_adopt_t *adopt,
    const ngx_recs_text_t *schema)
{
    ngx_uint_t  i;

    for (i = 0; i < adopt->naccept; i++) {
        if (adopt->accept[i].len == schema->len
            && ngx_memcmp(adopt->accept[i].data, schema->data, schema->len)
               == 0)
        {
            return 1;
        }
    }

    return adopt->naccept == 0;
}
