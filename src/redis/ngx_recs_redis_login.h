
/*
 * As whom connections log in, and the password of that user, which may be
 * another one by now: its file is looked at before each AUTH, and read again if
 * it has changed.
 */


#ifndef NGX_RECS_REDIS_LOGIN_H
#define NGX_RECS_REDIS_LOGIN_H


#include <ngx_config.h>
#include <ngx_core.h>


/* What tells one version of a password's file from the next. */

typedef struct {
    ngx_file_uniq_t           uniq;
    off_t                     size;
    time_t                    mtime;
    long                      nsec;         /* of mtime, where it has any */
} ngx_recs_redis_file_t;


typedef struct {
    ngx_str_t                 user;         /* empty: "default" */
    ngx_str_t                 password;     /* empty: no AUTH; overwritten when
                                               there is another */
    ngx_str_t                 path;         /* of the password's file, with NUL
                                               behind it; empty: it never
                                               changes */
    ngx_recs_redis_file_t     file;         /* as the password was read */
    ngx_msec_t                refresh;      /* ms, after which AUTH is sent
                                               again; 0: never */

    /* this room's own, of this worker; zeroes */

    u_char                   *memory;       /* of the password; NULL: it is the
                                               configuration's */
    unsigned                  seen:1;       /* the file could be looked at */
    unsigned                  failing:1;    /* it can't be read: was logged */
    unsigned                  refused:1;    /* AUTH on an open connection: was
                                               logged */
} ngx_recs_redis_login_t;


/*
 * Notes which file the password is about to be read from.  What can't be looked
 * at is as no file.
 */

void ngx_recs_redis_login_note(ngx_recs_redis_login_t *login);

/*
 * Reads the first line of the file again if it has changed; blocks for that.
 * NGX_OK: password is what there is.  NGX_ERROR: it can't be read, it holds
 * none or one of more than 16 KB, *why says it (a literal; ngx_errno is set):
 * the one before goes on being used.  NGX_DECLINED: this process may not even
 * look at the file, and never could.
 */

ngx_int_t ngx_recs_redis_login_renew(ngx_recs_redis_login_t *login,
    ngx_log_t *log, const char **why);

/* Overwrites and frees a password that this worker has read. */

void ngx_recs_redis_login_forget(ngx_recs_redis_login_t *login);


#endif /* NGX_RECS_REDIS_LOGIN_H */
