
/*
 * The variables $recs_…, for logs and headers: the table, what is checked of
 * their names when the configuration was read, and the value of each.
 */


#include "ngx_http_recs_names.h"
#include "ngx_http_recs_tell.h"


typedef struct {
    ngx_recs_snapshots_t       *snapshots;
    ngx_str_t                   channel;
} ngx_http_recs_active_t;


static ngx_int_t ngx_http_recs_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_event_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_state_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_count_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_removed_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_set_age_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_version_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_age_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_active_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_recs_named_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static const char *ngx_http_recs_variable_fault(ngx_conf_t *cf,
    const ngx_str_t *name);
static ngx_uint_t ngx_http_recs_defined(ngx_conf_t *cf, const ngx_str_t *name);
static ngx_uint_t ngx_http_recs_has_prefix(const ngx_str_t *name,
    const ngx_str_t *prefix);
static ngx_uint_t ngx_http_recs_same_name(const ngx_str_t *name,
    const u_char *text, size_t len);
static ngx_uint_t ngx_http_recs_names_set(ngx_http_recs_main_conf_t *rmcf,
    const ngx_str_t *name, const ngx_str_t *prefix);
static ngx_uint_t ngx_http_recs_active(ngx_http_recs_main_conf_t *rmcf,
    const ngx_str_t *name, ngx_http_recs_active_t *active);


static const ngx_str_t  ngx_http_recs_prefix = ngx_string("recs_");
static const ngx_str_t  ngx_http_recs_removed_prefix =
    ngx_string("recs_removed_");
static const ngx_str_t  ngx_http_recs_set_age_prefix =
    ngx_string("recs_set_age_");
static const ngx_str_t  ngx_http_recs_active_prefix =
    ngx_string("recs_active_");


/*
 * Configurations find a variable by its own entry.  Who asks by a name at run
 * time (SSI, scripts) gets it by its prefix: so many names in nginx's hash
 * would make it warn that "variables_hash" is too small.
 */

#define NGX_HTTP_RECS_VAR         (NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_NOHASH)
#define NGX_HTTP_RECS_PREFIX_VAR  (NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX)


static ngx_http_variable_t  ngx_http_recs_vars[] = {

    { ngx_string("recs_user"), NULL, ngx_http_recs_user_variable, 0,
      NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_event"), NULL, ngx_http_recs_event_variable, 0,
      NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_state"), NULL, ngx_http_recs_state_variable, 0,
      NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_total"), NULL, ngx_http_recs_count_variable,
      offsetof(recs_decision_t, total), NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_kept"), NULL, ngx_http_recs_count_variable,
      offsetof(recs_decision_t, kept), NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_removed"), NULL, ngx_http_recs_count_variable,
      offsetof(recs_decision_t, removed), NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_unidentified"), NULL, ngx_http_recs_count_variable,
      offsetof(recs_decision_t, unidentified), NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_explored"), NULL, ngx_http_recs_count_variable,
      offsetof(recs_decision_t, explored), NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_backfilled"), NULL, ngx_http_recs_count_variable,
      offsetof(recs_decision_t, backfilled), NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_model"), NULL, ngx_http_recs_version_variable,
      NGX_HTTP_RECS_MODEL, NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_schema"), NULL, ngx_http_recs_version_variable,
      NGX_HTTP_RECS_SCHEMA, NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_features"), NULL, ngx_http_recs_version_variable,
      NGX_HTTP_RECS_FEATURES, NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_snapshot"), NULL, ngx_http_recs_version_variable,
      NGX_HTTP_RECS_SNAPSHOT, NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_age"), NULL, ngx_http_recs_age_variable, 0,
      NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_lookup_time"), NULL, ngx_http_recs_time_variable, 0,
      NGX_HTTP_RECS_VAR, 0 },

    { ngx_string("recs_exposure"), NULL, ngx_http_recs_exposure_variable, 0,
      NGX_HTTP_RECS_VAR, 0 },

    /* of the prefixes that fit nginx takes the last one */

    { ngx_string("recs_"), NULL, ngx_http_recs_named_variable, 0,
      NGX_HTTP_RECS_PREFIX_VAR, 0 },

    { ngx_string("recs_removed_"), NULL, ngx_http_recs_removed_variable, 0,
      NGX_HTTP_RECS_PREFIX_VAR, 0 },

    { ngx_string("recs_set_age_"), NULL, ngx_http_recs_set_age_variable, 0,
      NGX_HTTP_RECS_PREFIX_VAR, 0 },

    { ngx_string("recs_active_"), NULL, ngx_http_recs_active_variable, 0,
      NGX_HTTP_RECS_PREFIX_VAR, 0 },

    { ngx_string("recs_decoded_"), NULL, ngx_http_recs_decoded_variable, 0,
      NGX_HTTP_RECS_PREFIX_VAR, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_recs_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t        *var, *v;
    ngx_http_recs_main_conf_t  *rmcf;

    static ngx_str_t  request_id = ngx_string("request_id");

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);

    rmcf->request_id = ngx_http_get_variable_index(cf, &request_id);
    if (rmcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    for (v = ngx_http_recs_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_recs_check_variables(ngx_conf_t *cf)
{
    ngx_str_t                   name;
    ngx_uint_t                  i;
    const char                 *fault;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    for (i = 0; i < cmcf->variables.nelts; i++) {
        v = cmcf->variables.elts;
        name = v[i].name;
        fault = ngx_http_recs_variable_fault(cf, &name);

        if (fault) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "%s variable \"$%V\", "
                          "used in log_format or another directive",
                          fault, &name);
            return NGX_ERROR;
        }

        /* this may add one to those that are walked through */

        if (ngx_http_recs_has_prefix(&name, &ngx_http_recs_decoded_prefix)
            && ngx_http_recs_decoded_use(cf, &name) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Returns NULL if the variable is not ours, or can be only one thing.  nginx
 * itself checks that there is what a decoded one decodes.
 */

static const char *
ngx_http_recs_variable_fault(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_uint_t                  n;
    const ngx_str_t            *prefix;
    ngx_http_recs_active_t      active;
    ngx_http_recs_main_conf_t  *rmcf;

    if (!ngx_http_recs_has_prefix(name, &ngx_http_recs_prefix)
        || ngx_http_recs_has_prefix(name, &ngx_http_recs_decoded_prefix)
        || ngx_http_recs_defined(cf, name))
    {
        return NULL;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_recs_module);

    prefix = ngx_http_recs_has_prefix(name, &ngx_http_recs_removed_prefix)
             ? &ngx_http_recs_removed_prefix : &ngx_http_recs_set_age_prefix;

    if (ngx_http_recs_has_prefix(name, prefix)) {
        return ngx_http_recs_names_set(rmcf, name, prefix)
               ? NULL : "no recs_set is defined for";
    }

    if (!ngx_http_recs_has_prefix(name, &ngx_http_recs_active_prefix)) {
        return "unknown";
    }

    n = ngx_http_recs_active(rmcf, name, &active);

    if (n == 0) {
        return "no recs_snapshots is defined for";
    }

    return n == 1 ? NULL
                  : "more than one channel of recs_snapshots could be meant by";
}


/* By our table, or by the configuration: "set", "map", a capture... */

static ngx_uint_t
ngx_http_recs_defined(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_hash_key_t             *key;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    key = cmcf->variables_keys->keys.elts;

    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {

        if (key[i].key.len == name->len
            && ngx_strncmp(key[i].key.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_recs_has_prefix(const ngx_str_t *name, const ngx_str_t *prefix)
{
    return name->len >= prefix->len
           && ngx_strncmp(name->data, prefix->data, prefix->len) == 0;
}


/* Variables are in lower case. */

static ngx_uint_t
ngx_http_recs_same_name(const ngx_str_t *name, const u_char *text, size_t len)
{
    return name->len == len
           && ngx_strncasecmp(name->data, (u_char *) text, len) == 0;
}


static ngx_uint_t
ngx_http_recs_names_set(ngx_http_recs_main_conf_t *rmcf,
    const ngx_str_t *name, const ngx_str_t *prefix)
{
    size_t                   len;
    u_char                  *text;
    ngx_uint_t               i;
    ngx_http_recs_named_t  **sets;

    sets = rmcf->sets.elts;
    text = name->data + prefix->len;
    len = name->len - prefix->len;

    for (i = 0; i < rmcf->sets.nelts; i++) {
        if (ngx_http_recs_same_name(&sets[i]->name, text, len)) {
            return 1;
        }
    }

    return 0;
}


/*
 * Finds whose active version a variable names: NAME alone is that of the
 * channel "active".  Both names may hold "_", so it could be that of several:
 * returns how many, *active is one of them.
 */

static ngx_uint_t
ngx_http_recs_active(ngx_http_recs_main_conf_t *rmcf, const ngx_str_t *name,
    ngx_http_recs_active_t *active)
{
    size_t                       len, prefix;
    u_char                      *text;
    ngx_uint_t                   i, k, n;
    ngx_recs_snapshots_t        *ss;
    ngx_http_recs_snapshots_t  **rs;

    n = 0;
    rs = rmcf->snapshots.elts;
    text = name->data + ngx_http_recs_active_prefix.len;
    len = name->len - ngx_http_recs_active_prefix.len;

    for (i = 0; i < rmcf->snapshots.nelts; i++) {
        ss = &rs[i]->snapshots;
        prefix = rs[i]->named.name.len;

        if (ngx_http_recs_same_name(&rs[i]->named.name, text, len)) {
            active->snapshots = ss;
            ngx_str_set(&active->channel, "active");
            n++;
            continue;
        }

        if (len <= prefix + 1 || text[prefix] != '_'
            || !ngx_http_recs_same_name(&rs[i]->named.name, text, prefix))
        {
            continue;
        }

        for (k = 0; k < ss->nchannels; k++) {

            if (ngx_http_recs_same_name(&ss->channels[k].name,
                                        text + prefix + 1, len - prefix - 1))
            {
                active->snapshots = ss;
                active->channel = ss->channels[k].name;
                n++;
            }
        }
    }

    return n;
}


/* data: a name that was asked for at run time */

static ngx_int_t
ngx_http_recs_named_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *name = (ngx_str_t *) data;

    ngx_http_variable_t  *var;

    for (var = ngx_http_recs_vars; var->name.len; var++) {

        if (!(var->flags & NGX_HTTP_VAR_PREFIX)
            && ngx_http_recs_same_name(name, var->name.data, var->name.len))
        {
            return var->get_handler(r, v, var->data);
        }
    }

    v->not_found = 1;

    return NGX_OK;
}


/* The response's context, if its items were decided on. */

static ngx_http_recs_ctx_t *
ngx_http_recs_decided(ngx_http_request_t *r)
{
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);

    return ctx && ctx->decided ? ctx : NULL;
}


static ngx_int_t
ngx_http_recs_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                  user;
    ngx_http_recs_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_recs_module);

    if (rlcf->user == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ngx_http_recs_steady(r, rlcf->user, &user) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_recs_text(v, &user);
}


static ngx_int_t
ngx_http_recs_event_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_int_t                  rc;
    ngx_str_t                  event;
    ngx_http_recs_ctx_t       *ctx;
    ngx_http_recs_loc_conf_t  *rlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_recs_module);

    rc = ctx ? ngx_http_recs_event(ctx, &event)
             : ngx_http_recs_request_event(r, rlcf, &event);

    return rc == NGX_OK ? ngx_http_recs_text(v, &event) : NGX_ERROR;
}


static ngx_int_t
ngx_http_recs_state_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_recs_module);

    if (ctx == NULL || ctx->state == NGX_HTTP_RECS_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_recs_text(v,
                              (ngx_str_t *) &ngx_http_recs_states[ctx->state]);
}


static ngx_int_t
ngx_http_recs_number(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    size_t n)
{
    ngx_str_t  text;

    text.data = ngx_pnalloc(r->pool, NGX_SIZE_T_LEN);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = ngx_sprintf(text.data, "%uz", n) - text.data;

    return ngx_http_recs_text(v, &text);
}


/* data: which of the decision's numbers */

static ngx_int_t
ngx_http_recs_count_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_recs_decided(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_recs_number(r, v,
                                *(size_t *) ((u_char *) &ctx->decision + data));
}


/* The question that a variable's name is about; NULL: it was not asked. */

static ngx_recs_question_t *
ngx_http_recs_question_of(ngx_http_recs_ctx_t *ctx, const ngx_str_t *name,
    const ngx_str_t *prefix)
{
    ngx_uint_t            i;
    ngx_recs_question_t  *q;

    for (i = 0; ctx && i < ctx->lookup.ask.nquestions; i++) {
        q = &ctx->lookup.ask.questions[i];

        if (ngx_http_recs_same_name(&q->set->name, name->data + prefix->len,
                                    name->len - prefix->len))
        {
            return q;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_recs_removed_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t            i;
    ngx_recs_question_t  *q;
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_recs_decided(r);

    q = ngx_http_recs_question_of(ctx, (ngx_str_t *) data,
                                  &ngx_http_recs_removed_prefix);
    if (q == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    i = q - ctx->lookup.ask.questions;

    return ngx_http_recs_number(r, v, ctx->lookup.removed[i]);
}


/* How old a replica's answers are, ms. */

static ngx_int_t
ngx_http_recs_set_age_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_recs_question_t  *q;

    q = ngx_http_recs_question_of(ngx_http_recs_decided(r),
                                  (ngx_str_t *) data,
                                  &ngx_http_recs_set_age_prefix);

    if (q == NULL || !q->replica) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_recs_number(r, v, q->age);
}


static ngx_int_t
ngx_http_recs_active_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *name = (ngx_str_t *) data;

    ngx_str_t                   version;
    ngx_http_recs_active_t      active;
    const ngx_recs_snapshot_t  *snapshot;
    ngx_http_recs_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_recs_module);

    if (!ngx_http_recs_active(rmcf, name, &active)) {
        v->not_found = 1;
        return NGX_OK;
    }

    switch (ngx_http_recs_channel(r, active.snapshots, &active.channel,
                               &snapshot))
    {
    case NGX_OK:
        version.data = (u_char *) snapshot->active.version.data;
        version.len = snapshot->active.version.len;

        return ngx_http_recs_text(v, &version);

    case NGX_DECLINED:
        v->not_found = 1;
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


/* data: ngx_http_recs_version_e */

static ngx_int_t
ngx_http_recs_version_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_recs_decided(r);

    /* what is unfit for our header is unfit for add_header */

    if (ctx == NULL || ctx->versions[data].text.data == NULL
        || !ngx_http_recs_sendable(&ctx->versions[data].text))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_recs_text(v, &ctx->versions[data].text);
}


/* Seconds since the candidates were made. */

static ngx_int_t
ngx_http_recs_age_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_recs_ctx_t   *ctx;
    ngx_http_recs_aged_t  *aged;

    ctx = ngx_http_recs_decided(r);
    aged = ctx ? &ctx->ages[NGX_HTTP_RECS_CANDIDATES_AGE] : NULL;

    if (aged == NULL || !aged->known) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_recs_number(r, v, aged->age);
}


/* Seconds, with milliseconds, like nginx's own times. */

static ngx_int_t
ngx_http_recs_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             text;
    ngx_msec_t            ms;
    ngx_http_recs_ctx_t  *ctx;

    ctx = ngx_http_recs_decided(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    text.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    ms = ctx->lookup.took / 1000;

    text.len = ngx_sprintf(text.data, "%M.%03M", ms / 1000, ms % 1000)
               - text.data;

    return ngx_http_recs_text(v, &text);
}
