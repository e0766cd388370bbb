
/* JSON Pointers are compiled and compared: see recs_pointer.h. */


#include "recs_pointer.h"


static const char *recs_pointer_unescape(const recs_mem_t *mem,
    recs_str_t *text);
static size_t recs_pointer_index(const recs_str_t *text);
static int recs_pointer_meet(const recs_token_t *a, const recs_token_t *b);


const char *
recs_pointer_compile(const recs_mem_t *mem, const recs_str_t *source,
    recs_pointer_t *ptr)
{
    size_t          i;
    const char     *error;
    recs_token_t   *token;

    ptr->source = *source;
    ptr->tokens = NULL;
    ptr->ntokens = 0;

    if (source->len == 0) {
        return NULL;
    }

    if (source->data[0] != '/') {
        return "a pointer is empty or starts with \"/\"";
    }

    for (i = 0; i < source->len; i++) {
        ptr->ntokens += source->data[i] == '/';
    }

    ptr->tokens = recs_alloc(mem, ptr->ntokens * sizeof(recs_token_t));

    if (ptr->tokens == NULL) {
        return "no memory for a pointer";
    }

    i = 0;

    for (token = ptr->tokens; token < ptr->tokens + ptr->ntokens; token++) {
        token->text.data = source->data + ++i;

        while (i < source->len && source->data[i] != '/') {
            i++;
        }

        token->text.len = (size_t) (source->data + i - token->text.data);

        error = recs_pointer_unescape(mem, &token->text);

        if (error) {
            return error;
        }

        token->index = recs_pointer_index(&token->text);
        token->star = token->text.len == 1 && token->text.data[0] == '*';
    }

    return NULL;
}


int
recs_pointer_has_star(const recs_pointer_t *ptr)
{
    unsigned  i;

    for (i = 0; i < ptr->ntokens; i++) {
        if (ptr->tokens[i].star) {
            return 1;
        }
    }

    return 0;
}


int
recs_pointer_overlap(const recs_pointer_t *a, const recs_pointer_t *b)
{
    unsigned  i;

    for (i = 0; i < a->ntokens && i < b->ntokens; i++) {
        if (!recs_pointer_meet(&a->tokens[i], &b->tokens[i])) {
            return 0;
        }
    }

    return 1;
}


int
recs_pointer_in_step(const recs_pointer_t *a, const recs_pointer_t *b)
{
    unsigned  i;

    for (i = 0; i < a->ntokens && i < b->ntokens; i++) {
        if (!recs_str_eq(&a->tokens[i].text, &b->tokens[i].text)) {
            break;
        }
    }

    for ( /* void */ ; i < a->ntokens || i < b->ntokens; i++) {
        if ((i < a->ntokens && a->tokens[i].star)
            || (i < b->ntokens && b->tokens[i].star))
        {
            return 0;
        }
    }

    return 1;
}


/*
 * Resolves the escapes in a token's text (RFC 6901, section 3), if it has any,
 * in memory from mem.  Returns NULL, or what is wrong.
 */

static const char *
recs_pointer_unescape(const recs_mem_t *mem, recs_str_t *text)
{
    size_t          i;
    uint8_t        *out;
    const uint8_t  *p;

    p = text->data;

    if (memchr(p, '~', text->len) == NULL) {
        return NULL;
    }

    out = recs_alloc(mem, text->len);

    if (out == NULL) {
        return "no memory for a pointer";
    }

    text->data = out;

    for (i = 0; i < text->len; i++) {

        if (p[i] != '~') {
            *out++ = p[i];
            continue;
        }

        i++;

        if (i == text->len || (p[i] != '0' && p[i] != '1')) {
            return "in a pointer, \"~\" is written \"~0\" and \"/\" in a name "
                   "\"~1\"";
        }

        *out++ = p[i] == '0' ? '~' : '/';
    }

    text->len = (size_t) (out - text->data);

    return NULL;
}


/* The text as an index, digits without a leading zero (RFC 6901, section 4). */

static size_t
recs_pointer_index(const recs_str_t *text)
{
    size_t  i, n, digit;

    if (text->len == 0 || (text->len > 1 && text->data[0] == '0')) {
        return RECS_NO_INDEX;
    }

    n = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            return RECS_NO_INDEX;
        }

        digit = (size_t) (text->data[i] - '0');

        if (n > (RECS_NO_INDEX - digit) / 10) {
            return RECS_NO_INDEX;
        }

        n = n * 10 + digit;
    }

    return n;
}


/* Could both tokens lead from one container to the same value? */

static int
recs_pointer_meet(const recs_token_t *a, const recs_token_t *b)
{
    return recs_str_eq(&a->text, &b->text)
           || (a->star && b->index != RECS_NO_INDEX)
           || (b->star && a->index != RECS_NO_INDEX);
}
