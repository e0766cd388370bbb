
/*
 * The writer's part for JSON (RFC 8259): values, without the commas between
 * them.  Callers use recs_writer.h: its functions call these, and say how each
 * value is written.
 */


#ifndef RECS_WRITE_JSON_H
#define RECS_WRITE_JSON_H


#include "recs_write_buffer.h"


void recs_write_json_string(recs_writer_t *w, const recs_str_t *text);
void recs_write_json_base64(recs_writer_t *w, const recs_str_t *bytes);
void recs_write_json_uint(recs_writer_t *w, uint64_t n);
void recs_write_json_int(recs_writer_t *w, int64_t n);
void recs_write_json_double(recs_writer_t *w, double n);
void recs_write_json_float(recs_writer_t *w, float n);


#endif /* RECS_WRITE_JSON_H */
