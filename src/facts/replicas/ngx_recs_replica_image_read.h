
/* A replica's image, read into the tables of a new zone. */


#ifndef NGX_RECS_REPLICA_IMAGE_READ_H
#define NGX_RECS_REPLICA_IMAGE_READ_H


#include "ngx_recs_replica_image.h"
#include "ngx_recs_replica_write.h"


typedef struct {
    ngx_recs_replica_writer_t  *writer;     /* the caller's, as all here */
    ngx_recs_replica_image_t   *image;

    /*
     * The image has been read or, which was logged, refused: NGX_OK.  Or a
     * worker keeps the lock: NGX_AGAIN, all of it has to be read later.
     */
    void                      (*done)(void *data, ngx_int_t rc);

    void                       *data;

    /* private */

    ngx_event_t                 timer;
    ngx_uint_t                  clearing;   /* the table to read it into */
} ngx_recs_replica_reader_t;


/*
 * Begins to read the image into the next table.  True: done() follows.  False:
 * there is none to be had, which was logged.
 */

ngx_uint_t ngx_recs_replica_image_read(ngx_recs_replica_reader_t *reader);

/* The image itself is closed by ngx_recs_image_stop(). */

void ngx_recs_replica_image_read_stop(ngx_recs_replica_reader_t *reader);


#endif /* NGX_RECS_REPLICA_IMAGE_READ_H */
