
/* What is left of the reader that is not one format's: see recs_reader.h. */


#include "recs_reader.h"


int
recs_read_finish(recs_reader_t *rd)
{
    if (rd->format == RECS_JSON) {
        recs_json_space(rd);
    }

    if (rd->pos < rd->end) {
        return recs_read_fail(rd, rd->pos, "more after the root value");
    }

    return 0;
}


recs_format_e
recs_format_of(const recs_str_t *text)
{
    uint8_t  c;

    c = text->len ? text->data[0] : 0;

    return (c >= 0x80 && c <= 0x9f) || (c >= 0xdc && c <= 0xdf)
           ? RECS_MSGPACK : RECS_JSON;
}
