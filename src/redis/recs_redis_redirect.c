
/* What an error says where to ask instead: see the header. */


#include "recs_redis_redirect.h"


static const char *number(const char *p, const char *end, unsigned max,
    uint16_t *n);


recs_redis_redirect_e
recs_redis_redirect(const char *text, size_t len, const char *asked,
    size_t asked_len, recs_redis_redirect_t *redirect)
{
    size_t                  n;
    const char             *p, *end, *colon, *host;
    recs_redis_redirect_e   what;

    p = text;
    end = text + len;

    if (len > 6 && memcmp(p, "MOVED ", 6) == 0) {
        what = RECS_REDIS_MOVED;
        p += 6;

    } else if (len > 4 && memcmp(p, "ASK ", 4) == 0) {
        what = RECS_REDIS_ASK;
        p += 4;

    } else {
        return RECS_REDIS_OTHER;
    }

    p = number(p, end, RECS_REDIS_SLOTS - 1, &redirect->slot);

    if (p == NULL || p == end || *p++ != ' ') {
        return RECS_REDIS_ODD;
    }

    /* the address may be one of IPv6 */

    for (colon = end; colon > p && colon[-1] != ':'; colon--) { /* void */ }

    if (colon == p || number(colon, end, 65535, &redirect->port) != end
        || redirect->port == 0)
    {
        return RECS_REDIS_ODD;
    }

    host = p;
    n = (size_t) (colon - 1 - p);

    if (n == 0 || (n == 1 && *host == '?')) {
        host = asked;
        n = asked_len;
    }

    if (!recs_redis_is_host(host, n)) {
        return RECS_REDIS_ODD;
    }

    redirect->len = (uint8_t) n;
    memcpy(redirect->host, host, n);

    return what;
}


int
recs_redis_is_host(const char *host, size_t len)
{
    char      c;
    size_t    i;
    unsigned  colons, others, zone;

    colons = 0;
    others = 0;
    zone = 0;

    for (i = 0; i < len; i++) {
        c = host[i];

        if (c == ':') {
            colons++;

        } else if (c == '%') {
            zone = 1;

        } else if ((c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z')
                   || c == '-' || c == '_')
        {
            others += !zone;

        } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
                     || (c >= 'A' && c <= 'F') || c == '.'))
        {
            return 0;
        }
    }

    return len && len <= RECS_REDIS_HOST && (colons ? !others : !zone);
}


/* Its end; NULL: it is none, or over max. */

static const char *
number(const char *p, const char *end, unsigned max, uint16_t *n)
{
    unsigned     value;
    const char  *start;

    value = 0;

    for (start = p; p < end && *p >= '0' && *p <= '9' && p - start < 5; p++) {
        value = value * 10 + (unsigned) (*p - '0');
    }

    *n = (uint16_t) value;

    return p > start && value <= max ? p : NULL;
}
