
/*
 * Slow look-ups in the log: of which event, which sets, and which servers they
 * waited for.  A line within NGX_RECS_QUIET seconds, of each location and
 * worker, is enough to find the server: the others are counted.
 */


#include "ngx_http_recs_tell.h"
#include "ngx_recs_quiet.h"
#include "ngx_recs_text.h"


#define NGX_HTTP_RECS_SLOW_EVENT  64        /* bytes of it that are shown */
#define NGX_HTTP_RECS_SLOW_TEXT   1024      /* bytes of sets and servers */


static u_char *ngx_http_recs_slow_question(u_char *p, u_char *last,
    const ngx_recs_question_t *q);


void
ngx_http_recs_slow(ngx_http_recs_ctx_t *ctx)
{
    u_char                 id[NGX_HTTP_RECS_SLOW_EVENT];
    u_char                 text[NGX_HTTP_RECS_SLOW_TEXT], *p;
    ngx_str_t              event, what;
    ngx_msec_t             waited;
    ngx_uint_t             i;
    ngx_recs_ask_t        *ask;
    ngx_http_recs_slow_t  *said;

    said = &ctx->conf->slow_said;

    if (ngx_time() - said->last < NGX_RECS_QUIET) {
        said->unsaid++;
        return;
    }

    if (ngx_http_recs_event(ctx, &event) != NGX_OK) {
        return;
    }

    event.len = ngx_min(event.len, NGX_HTTP_RECS_SLOW_EVENT);
    event.data = ngx_copy(id, event.data, event.len) - event.len;
    ngx_recs_printable(event.data, event.len);

    ask = &ctx->lookup.ask;
    waited = 0;
    p = text;

    for (i = 0; i < ask->nquestions; i++) {
        waited = ngx_max(waited, ask->questions[i].waited);
        p = ngx_http_recs_slow_question(p, text + NGX_HTTP_RECS_SLOW_TEXT,
                                        &ask->questions[i]);
    }

    what.data = text + sizeof(", ") - 1;
    what.len = p - what.data;

    ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0,
                  "recs_slow: event \"%V\" waited %Mms: %V; so slow since "
                  "the last line: %ui", &event, waited, &what, said->unsaid);

    said->last = ngx_time();
    said->unsaid = 0;
}


/* Appends what one of them waited for, unless it wasn't slow. */

static u_char *
ngx_http_recs_slow_question(u_char *p, u_char *last,
    const ngx_recs_question_t *q)
{
    if (q->waited == 0) {
        return p;
    }

    p = ngx_slprintf(p, last, ", recs_set \"%V\" %Mms for recs_redis \"%V\"",
                     &q->set->name, q->waited, &q->set->redis->name);

    return q->server.len ? ngx_slprintf(p, last, " %V", &q->server) : p;
}
