
/*
 * The leader tells Redis what a guard left: the mark, so that no edge goes
 * there; the move, as recs_rollback of conf/recs.lua does it; and a message, so
 * that other edges look at once.  It is told again until Redis has said that it
 * has the mark, or has moved the channel.
 */


#include "ngx_recs_rollout.h"

#include "ngx_recs_redis_batch.h"


/* Its three queries. */

#define NGX_RECS_ROLLOUT_MARK   0
#define NGX_RECS_ROLLOUT_MOVE   1
#define NGX_RECS_ROLLOUT_EVENT  2

/* A key, or an option with a version, and more. */

#define NGX_RECS_ROLLOUT_KEY                                                  \
    (NGX_RECS_PREFIX_MAX + NGX_RECS_VERSION_MAX + 32)


struct ngx_recs_rollout_tell_s {
    ngx_recs_snapshots_t     *snapshots;
    ngx_recs_channel_t       *channel;
    ngx_log_t                *log;
    ngx_recs_redis_batch_t    batch;
    ngx_recs_left_t           left;         /* that is told */
    ngx_uint_t                busy;
    ngx_uint_t                moving;       /* it was asked to move */
    ngx_uint_t                refused;      /* a bit for each query: it was,
                                               which was logged */
};


static void ngx_recs_rollout_mark(ngx_recs_rollout_tell_t *tell);
static void ngx_recs_rollout_move(ngx_recs_rollout_tell_t *tell);
static void ngx_recs_rollout_event(ngx_recs_rollout_tell_t *tell);
static ngx_int_t ngx_recs_rollout_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v);
static void ngx_recs_rollout_failed(ngx_recs_redis_batch_t *batch,
    ngx_uint_t n, const ngx_str_t *error);
static void ngx_recs_rollout_end(ngx_recs_redis_batch_t *batch, ngx_int_t rc);
static void ngx_recs_rollout_told(ngx_recs_rollout_tell_t *tell);


ngx_int_t
ngx_recs_rollout_init_worker(ngx_recs_snapshots_t *ss,
    ngx_recs_channel_t *channel, ngx_cycle_t *cycle)
{
    ngx_recs_redis_batch_t   *batch;
    ngx_recs_rollout_tell_t  *tell;

    if (channel->guard == NULL) {
        return NGX_OK;
    }

    tell = ngx_pcalloc(cycle->pool, sizeof(ngx_recs_rollout_tell_t));
    if (tell == NULL) {
        return NGX_ERROR;
    }

    tell->snapshots = ss;
    tell->channel = channel;
    tell->log = cycle->log;
    channel->tell = tell;

    batch = &tell->batch;
    batch->failed = ngx_recs_rollout_failed;
    batch->handler = ngx_recs_rollout_end;
    batch->data = tell;
    batch->max_bulk = NGX_RECS_DEFAULT_MAX;

    ngx_recs_redis_batch_init(batch);

    return NGX_OK;
}


void
ngx_recs_rollout_forget(ngx_recs_channel_t *channel)
{
    if (channel->tell) {
        ngx_recs_redis_batch_forget(&channel->tell->batch);
        channel->tell->busy = 0;
    }
}


void
ngx_recs_rollout_tell(ngx_recs_channel_t *channel)
{
    u_char                     buf[NGX_RECS_ROLLOUT_KEY];
    ngx_str_t                  key;
    ngx_recs_left_t           *left;
    ngx_recs_rollout_tell_t   *tell;
    ngx_recs_channel_state_t   state;

    tell = channel->tell;

    if (tell == NULL || tell->busy
        || !ngx_recs_channel_state(channel, &state) || !state.left.untold)
    {
        return;
    }

    left = &tell->left;

    if (left->at != state.left.at
        || !ngx_recs_text_eq(&left->version, &state.left.version))
    {
        tell->refused = 0;
    }

    *left = state.left;
    tell->busy = 1;
    tell->moving = left->to.len != 0;

    key.data = buf;
    key.len = ngx_sprintf(buf, "{%V}:rolled_back", &tell->snapshots->prefix)
              - buf;

    ngx_recs_redis_batch_begin(&tell->batch, tell->snapshots->redis, &key);

    ngx_recs_rollout_mark(tell);

    if (tell->moving) {
        ngx_recs_rollout_move(tell);
    }

    ngx_recs_rollout_event(tell);

    ngx_recs_redis_batch_sent(&tell->batch);
}


static void
ngx_recs_rollout_mark(ngx_recs_rollout_tell_t *tell)
{
    u_char     buf[NGX_RECS_ROLLOUT_KEY];
    ngx_str_t  args[3];

    ngx_str_set(&args[0], "SADD");
    args[1].data = buf;
    args[1].len = ngx_sprintf(buf, "{%V}:rolled_back",
                              &tell->snapshots->prefix) - buf;
    args[2] = ngx_recs_text_str(&tell->left.version);

    ngx_recs_redis_batch_send(&tell->batch, NGX_RECS_ROLLOUT_MARK, 3, args,
                              ngx_recs_rollout_value);
}


/* With from=, so that nothing happens if somebody else was quicker. */

static void
ngx_recs_rollout_move(ngx_recs_rollout_tell_t *tell)
{
    u_char      buf[5][NGX_RECS_ROLLOUT_KEY];
    ngx_str_t   args[10], to, from, *prefix;
    ngx_uint_t  i;

    prefix = &tell->snapshots->prefix;
    to = ngx_recs_text_str(&tell->left.to);
    from = ngx_recs_text_str(&tell->left.version);

    ngx_str_set(&args[0], "FCALL");
    ngx_str_set(&args[1], "recs_rollback");
    ngx_str_set(&args[2], "4");

    args[3].len = ngx_sprintf(buf[0], "{%V}:channel:%V", prefix,
                              &tell->channel->name) - buf[0];
    args[4].len = ngx_sprintf(buf[1], "{%V}:history", prefix) - buf[1];
    args[5].len = ngx_sprintf(buf[2], "{%V}:rolled_back", prefix) - buf[2];
    args[6].len = ngx_sprintf(buf[3], "{%V}:%V:meta", prefix, &to) - buf[3];

    for (i = 0; i < 4; i++) {
        args[3 + i].data = buf[i];
    }

    args[7] = to;
    args[8].data = buf[4];
    args[8].len = ngx_sprintf(buf[4], "from=%V", &from) - buf[4];
    ngx_str_set(&args[9], "who=guard");

    ngx_recs_redis_batch_send(&tell->batch, NGX_RECS_ROLLOUT_MOVE, 10, args,
                              ngx_recs_rollout_value);
}


/* Names are of characters that need no escape. */

static void
ngx_recs_rollout_event(ngx_recs_rollout_tell_t *tell)
{
    u_char                 channel[NGX_RECS_ROLLOUT_KEY];
    u_char                 text[4 * NGX_RECS_VERSION_MAX + 256];
    ngx_str_t              args[3], from, to;
    recs_rollout_found_t  *found;

    from = ngx_recs_text_str(&tell->left.version);
    to = ngx_recs_text_str(&tell->left.to);
    found = &tell->left.found;

    ngx_str_set(&args[0], "PUBLISH");

    args[1].data = channel;
    args[1].len = ngx_sprintf(channel, "%V:events", &tell->snapshots->prefix)
                  - channel;

    args[2].data = text;
    args[2].len = ngx_snprintf(text, sizeof(text),
                               "{\"channel\":\"%V\",\"version\":%s%V%s,"
                               "\"event\":\"guard\",\"left\":\"%V\","
                               "\"why\":\"%s\",\"share\":%uL.%04uL,"
                               "\"limit\":%uL.%04uL}", &tell->channel->name,
                               to.len ? "\"" : "null", &to,
                               to.len ? "\"" : "", &from,
                               recs_rollout_names[found->what],
                               found->share / 10000, found->share % 10000,
                               found->limit / 10000, found->limit % 10000)
                  - text;

    ngx_recs_redis_batch_send(&tell->batch, NGX_RECS_ROLLOUT_EVENT, 3, args,
                              ngx_recs_rollout_value);
}


static ngx_int_t
ngx_recs_rollout_value(ngx_recs_redis_query_t *query,
    ngx_recs_redis_value_t *v)
{
    return NGX_OK;
}


/* That the channel has another version by now is as good. */

static void
ngx_recs_rollout_failed(ngx_recs_redis_batch_t *batch, ngx_uint_t n,
    const ngx_str_t *error)
{
    ngx_str_t                 version;
    ngx_recs_rollout_tell_t  *tell;

    static const char  *commands[] = {
        "SADD", "FCALL recs_rollback", "PUBLISH"
    };

    tell = batch->data;

    if ((tell->refused & ((ngx_uint_t) 1 << n))
        || (n == NGX_RECS_ROLLOUT_MOVE
            && ngx_strncmp(error->data, "NOVERSION", 9) == 0))
    {
        return;
    }

    tell->refused |= (ngx_uint_t) 1 << n;
    version = ngx_recs_text_str(&tell->left.version);

    ngx_log_error(NGX_LOG_WARN, tell->log, 0,
                  "recs_guard \"%V\" channel \"%V\": version \"%V\" was left, "
                  "but Redis refuses %s: %V", &tell->snapshots->name,
                  &tell->channel->name, &version, commands[n], error);
}


static void
ngx_recs_rollout_end(ngx_recs_redis_batch_t *batch, ngx_int_t rc)
{
    ngx_recs_rollout_tell_t  *tell;

    tell = batch->data;
    tell->busy = 0;

    if (rc == NGX_OK
        && (batch->queries[NGX_RECS_ROLLOUT_MARK].rc == NGX_OK
            || (tell->moving
                && batch->queries[NGX_RECS_ROLLOUT_MOVE].rc == NGX_OK)))
    {
        ngx_recs_rollout_told(tell);
    }
}


static void
ngx_recs_rollout_told(ngx_recs_rollout_tell_t *tell)
{
    ngx_str_t                  version;
    ngx_recs_snapshots_t      *ss;
    ngx_recs_channel_state_t   state;

    ss = tell->snapshots;

    if (ngx_recs_leader_lock(ss->leader) != NGX_OK) {
        return;
    }

    if (ngx_recs_channel_state(tell->channel, &state)
        && state.left.at == tell->left.at
        && ngx_recs_text_eq(&state.left.version, &tell->left.version))
    {
        state.left.untold = 0;
        ngx_recs_channel_publish(tell->channel, &state);
        ss->shared->changes++;
    }

    ngx_recs_leader_unlock(ss->leader);

    version = ngx_recs_text_str(&tell->left.version);

    ngx_log_error(NGX_LOG_NOTICE, tell->log, 0,
                  "recs_guard \"%V\" channel \"%V\": Redis knows that version "
                  "\"%V\" was left", &ss->name, &tell->channel->name, &version);
}
