
/*
 * The module's version, as its log line at the start, its status and its
 * packages say it.  It is written here and nowhere else in the code;
 * t/package.t sees that CHANGELOG.md, debian/changelog and the man pages say
 * the same.
 */


#ifndef _NGX_HTTP_RECS_VERSION_H_INCLUDED_
#define _NGX_HTTP_RECS_VERSION_H_INCLUDED_


#include <ngx_config.h>


/*
 * MAJOR.MINOR.PATCH (semver.org).  What a new number means for directives,
 * headers, metrics and files is said in CHANGELOG.md.
 */
#define NGX_HTTP_RECS_VERSION  "0.9.0"


/*
 * NGX_HTTP_RECS_BUILD, a string, comes from config: RECS_BUILD in configure's
 * environment, as a package's version; else "source".  It has no character that
 * JSON, a label or a log line would have to escape.
 */


#endif /* _NGX_HTTP_RECS_VERSION_H_INCLUDED_ */
