
/* Slots of a cluster, and its redirections: see the header. */


#include "ngx_recs_redis_cluster.h"
#include "ngx_recs_redis_conn.h"
#include "ngx_recs_redis_fleet.h"
#include "ngx_recs_redis_reads.h"


/* A command is sent on so often: a cluster that is well needs one or two. */

#define NGX_RECS_REDIS_REDIRECTS   5


static unsigned ngx_recs_redis_cluster_slot(const ngx_str_t *key);
static ngx_int_t ngx_recs_redis_cluster_redirect(ngx_recs_redis_conn_t *conn,
    const ngx_str_t *error);
static ngx_int_t ngx_recs_redis_cluster_move(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_server_t *server, ngx_uint_t asking);
static ngx_uint_t ngx_recs_redis_cluster_lost(
    const ngx_recs_redis_conn_t *conn, const ngx_str_t *error);
static ngx_uint_t ngx_recs_redis_cluster_later(const ngx_str_t *error);
static ngx_int_t ngx_recs_redis_cluster_abort(ngx_recs_redis_conn_t *conn);
static ngx_int_t ngx_recs_redis_cluster_leave(ngx_recs_redis_conn_t *conn);
static ngx_uint_t ngx_recs_redis_cluster_begin(void *reader,
    const ngx_recs_redis_t *redis, ngx_uint_t form, const ngx_str_t *asked,
    ngx_str_t *args);
static ngx_int_t ngx_recs_redis_cluster_value(void *reader,
    const ngx_recs_redis_value_t *v);
static const recs_redis_table_t *ngx_recs_redis_cluster_end(void *reader,
    const char **why);


static const ngx_recs_redis_kind_t  ngx_recs_redis_cluster = {
    ngx_recs_redis_cluster_slot,
    ngx_recs_redis_cluster_redirect,
    {
        sizeof(recs_redis_shards_t),
        ngx_recs_redis_cluster_begin,
        ngx_recs_redis_cluster_value,
        ngx_recs_redis_cluster_end,
        NULL
    },
    1, 0,                       /* all servers know all slots */
    {
        10000,                  /* interval, ms */
        200,                    /* least */
        500,                    /* limit */
        5000                    /* timeout */
    }
};


ngx_int_t
ngx_recs_redis_cluster_init_worker(ngx_recs_redis_t *redis, ngx_cycle_t *cycle)
{
    return ngx_recs_redis_fleet_init_worker(redis, &ngx_recs_redis_cluster,
                                            cycle);
}


static unsigned
ngx_recs_redis_cluster_slot(const ngx_str_t *key)
{
    return recs_redis_slot(key->data, key->len);
}


static ngx_int_t
ngx_recs_redis_cluster_redirect(ngx_recs_redis_conn_t *conn,
    const ngx_str_t *error)
{
    size_t                     len;
    u_char                     host[NGX_SOCKADDR_STRLEN];
    ngx_addr_t                *addr;
    ngx_uint_t                 moved;
    recs_redis_redirect_e      said;
    recs_redis_redirect_t      redirect;
    ngx_recs_redis_query_t    *q;
    ngx_recs_redis_server_t   *server;
    ngx_recs_redis_fleet_t    *fleet;

    fleet = conn->server->redis->fleet;
    q = conn->pipeline.head->query;

    /* it is about that server: its memory goes with it, nobody else answers */

    if (q && q->stays) {
        return NGX_DECLINED;
    }

    if (ngx_recs_redis_cluster_later(error)) {
        ngx_recs_redis_fleet_refused(fleet, conn->server, error);

        return conn->tie.owner ? ngx_recs_redis_cluster_leave(conn)
                               : ngx_recs_redis_cluster_abort(conn);
    }

    if (ngx_recs_redis_cluster_lost(conn, error)) {
        ngx_recs_redis_reads_lost(conn->server);
        return ngx_recs_redis_cluster_move(conn, conn->server->source, 0);
    }

    addr = &conn->server->addrs[conn->retry.addr];
    len = ngx_sock_ntop(addr->sockaddr, addr->socklen, host,
                        NGX_SOCKADDR_STRLEN, 0);

    said = recs_redis_redirect((char *) error->data, error->len, (char *) host,
                               len, &redirect);

    if (said != RECS_REDIS_MOVED && said != RECS_REDIS_ASK) {
        return NGX_DECLINED;
    }

    moved = (said == RECS_REDIS_MOVED);
    server = ngx_recs_redis_fleet_told(fleet, &redirect, moved);

    if (conn->tie.owner) {

        if (!moved) {
            return NGX_DECLINED;
        }

        return ngx_recs_redis_cluster_leave(conn);
    }

    return server ? ngx_recs_redis_cluster_move(conn, server, !moved)
                  : ngx_recs_redis_cluster_abort(conn);
}


/* The connection's oldest command goes to that server. */

static ngx_int_t
ngx_recs_redis_cluster_move(ngx_recs_redis_conn_t *conn,
    ngx_recs_redis_server_t *server, ngx_uint_t asking)
{
    ngx_recs_redis_conn_t   *to;
    ngx_recs_redis_query_t  *q;

    q = conn->pipeline.head->query;

    if (conn->tie.ready) {
        to = ngx_recs_redis_server_background(server);

    } else if (q && q->deadline) {
        to = ngx_recs_redis_server_pick(server);

    } else {
        to = ngx_recs_redis_server_pick_patient(server);
    }

    if (q == NULL || to == NULL || to == conn
        || q->redirects == NGX_RECS_REDIS_REDIRECTS
        || ngx_recs_redis_pipeline_move(&conn->pipeline, &to->pipeline, asking)
           != NGX_OK)
    {
        return ngx_recs_redis_cluster_abort(conn);
    }

    q->redirects++;
    ngx_recs_redis_conn_appended(to, q->block);

    return NGX_OK;
}


/* A replica says that it can't answer for its master. */

static ngx_uint_t
ngx_recs_redis_cluster_lost(const ngx_recs_redis_conn_t *conn,
    const ngx_str_t *error)
{
    if (conn->server->source == NULL) {
        return 0;
    }

    return (error->len > 8 && ngx_memcmp(error->data, "LOADING ", 8) == 0)
           || (error->len > 11
               && ngx_memcmp(error->data, "MASTERDOWN ", 11) == 0);
}


/* It can't be answered now: slots are under way, or the cluster is down. */

static ngx_uint_t
ngx_recs_redis_cluster_later(const ngx_str_t *error)
{
    return (error->len > 12 && ngx_memcmp(error->data, "CLUSTERDOWN ", 12) == 0)
           || (error->len > 9 && ngx_memcmp(error->data, "TRYAGAIN ", 9) == 0);
}


/* As if the connection had been lost, but for those behind it. */

static ngx_int_t
ngx_recs_redis_cluster_abort(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_query_t  *q;

    q = ngx_recs_redis_pipeline_shift(&conn->pipeline);

    if (q) {
        q->done(q, NGX_ABORT, NULL);
    }

    return NGX_OK;
}


/* One that has an owner ends: what it sent before goes on once it stands. */

static ngx_int_t
ngx_recs_redis_cluster_leave(ngx_recs_redis_conn_t *conn)
{
    ngx_recs_redis_fault(&conn->fault, NGX_RECS_REDIS_MOVED, 0,
                         "another server has the key, or none has it now");
    return NGX_ERROR;
}


static ngx_uint_t
ngx_recs_redis_cluster_begin(void *reader, const ngx_recs_redis_t *redis,
    ngx_uint_t form, const ngx_str_t *asked, ngx_str_t *args)
{
    recs_redis_question_e  question;

    ngx_str_set(&args[0], "CLUSTER");

    switch (form) {

    case 0:
        question = RECS_REDIS_CLUSTER_SHARDS;
        ngx_str_set(&args[1], "SHARDS");
        break;

    case 1:
        question = RECS_REDIS_CLUSTER_SLOTS;
        ngx_str_set(&args[1], "SLOTS");
        break;

    default:
        return 0;
    }

    recs_redis_shards_init(reader, question, redis->tls.ssl != NULL,
                           (char *) asked->data, asked->len);
    return 2;
}


static ngx_int_t
ngx_recs_redis_cluster_value(void *reader, const ngx_recs_redis_value_t *v)
{
    recs_redis_value_t  value;

    value = ngx_recs_redis_map_value(v);

    return recs_redis_shards_value(reader, &value) == 0 ? NGX_OK : NGX_ERROR;
}


static const recs_redis_table_t *
ngx_recs_redis_cluster_end(void *reader, const char **why)
{
    recs_redis_shards_t *s = reader;

    if (recs_redis_shards_end(s) != 0) {
        *why = s->why;
        return NULL;
    }

    return &s->table;
}
