
/* What MOVED and ASK say, and what is none of them. */

#include "unit.h"

#include "recs_redis_redirect.h"


#define ASKED  "here.example.com"

#define HOST_50   "0123456789.123456789.123456789.123456789.123456789"
#define HOST_250  HOST_50 HOST_50 HOST_50 HOST_50 HOST_50


static const struct {
    const char             *text;
    recs_redis_redirect_e   what;
    unsigned                slot;
    const char             *host;
    unsigned                port;
} rows[] = {

    /* from Redis 7.0, as its cluster-preferred-endpoint-type says */

    { "MOVED 12182 127.0.0.1:17412", RECS_REDIS_MOVED, 12182, "127.0.0.1",
      17412 },
    { "ASK 3443 127.0.0.1:17411", RECS_REDIS_ASK, 3443, "127.0.0.1", 17411 },
    { "MOVED 12182 ?:17412", RECS_REDIS_MOVED, 12182, ASKED, 17412 },
    { "MOVED 12182 :17412", RECS_REDIS_MOVED, 12182, ASKED, 17412 },

    { "MOVED 0 n-1.example_com:1", RECS_REDIS_MOVED, 0, "n-1.example_com", 1 },
    { "MOVED 16383 ::1:65535", RECS_REDIS_MOVED, 16383, "::1", 65535 },
    { "ASK 1 2001:DB8::192.0.2.1:7000", RECS_REDIS_ASK, 1,
      "2001:DB8::192.0.2.1", 7000 },
    { "ASK 1 fe80::1%eth0:7000", RECS_REDIS_ASK, 1, "fe80::1%eth0", 7000 },
    { "ASK 1 " HOST_250 "12345:7000", RECS_REDIS_ASK, 1, HOST_250 "12345",
      7000 },

    /* other errors */

    { "", RECS_REDIS_OTHER, 0, NULL, 0 },
    { "MOVED", RECS_REDIS_OTHER, 0, NULL, 0 },
    { "ASK", RECS_REDIS_OTHER, 0, NULL, 0 },
    { "ASKING 1 a:1", RECS_REDIS_OTHER, 0, NULL, 0 },
    { "moved 1 a:1", RECS_REDIS_OTHER, 0, NULL, 0 },
    { "TRYAGAIN Multiple keys request during rehashing of slot",
      RECS_REDIS_OTHER, 0, NULL, 0 },

    /* badly formed */

    { "MOVED ", RECS_REDIS_OTHER, 0, NULL, 0 },
    { "MOVED x", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 ", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED  1 a:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1a:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 16384 a:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED -1 a:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 4294967296 a:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a:", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a:0", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a:65536", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a:123456", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a:-1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a:1 ", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a b:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a\n:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 \xc3\xa4:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 unix:/tmp/s:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 user@a:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 host::1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 a%eth0:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 [::1]:1", RECS_REDIS_ODD, 0, NULL, 0 },
    { "MOVED 1 " HOST_250 "123456:1", RECS_REDIS_ODD, 0, NULL, 0 }
};


static void
a_redirect_says_where(void **state)
{
    size_t                  i;
    recs_str_t              text, host;
    unit_arena_t            arena;
    recs_redis_redirect_t   r;

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        unit_arena_init(&arena);

        text = unit_str(rows[i].text);
        text = unit_copy(&arena, &text);

        if (recs_redis_redirect((const char *) text.data, text.len, ASKED,
                                sizeof(ASKED) - 1, &r) != rows[i].what)
        {
            fail_msg("%s", rows[i].text);
        }

        if (rows[i].host) {
            assert_int_equal(r.slot, rows[i].slot);
            assert_int_equal(r.port, rows[i].port);

            host.data = (const uint8_t *) r.host;
            host.len = r.len;
            unit_assert_cstr(&host, rows[i].host);
        }

        unit_arena_free(&arena);
    }
}


/* Over a unix socket, say. */

static void
where_the_asked_host_is_none_an_unknown_one_is_odd(void **state)
{
    recs_redis_redirect_t  r;

    (void) state;

    assert_int_equal(recs_redis_redirect("MOVED 1 :1", 10, "", 0, &r),
                     RECS_REDIS_ODD);
    assert_int_equal(recs_redis_redirect("MOVED 1 a:1", 11, "", 0, &r),
                     RECS_REDIS_MOVED);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(a_redirect_says_where),
        cmocka_unit_test(where_the_asked_host_is_none_an_unknown_one_is_odd)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
