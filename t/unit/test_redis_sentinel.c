
/*
 * What sentinels answer: real ones of Redis 7.0, what others are documented to
 * say, and what is refused.
 */

#include "unit.h"

#include "recs_redis_sentinel.h"
#include "unit_resp.h"


#define HOST_50   "0123456789.123456789.123456789.123456789.123456789"
#define HOST_250  HOST_50 HOST_50 HOST_50 HOST_50 HOST_50

/* Answers as they came; the fuzz target begins with them. */

#define ANSWERS   UNIT_DATA "/../fuzz/seeds/redis_sentinel/"


static int
value(void *to, const recs_redis_value_t *v)
{
    return recs_redis_sentinel_value(to, v);
}


/* "host:port[!flags]" of the master and each replica, or why it is refused. */

static const char *
read_all(const char *data, size_t len)
{
    char                     *p;
    unsigned                  i;
    unit_resp_t               r;
    const char               *why;
    const recs_redis_node_t  *node;
    recs_redis_sentinel_t    *s;

    static char               text[128 * 1024];

    s = malloc(sizeof(*s));
    assert_non_null(s);

    recs_redis_sentinel_init(s);
    unit_resp_init(&r, data, len, value, s);

    if (unit_resp_value(&r, 0, 0) == 0 && r.p < r.end) {
        recs_redis_sentinel_replicas(s);
        (void) unit_resp_value(&r, 0, 0);
    }

    if (recs_redis_sentinel_end(s) != 0) {
        why = s->why;
        free(s);
        return why;
    }

    p = text;

    for (i = 0; i < s->table.nnodes; i++) {
        node = &s->table.nodes[i];

        assert_int_equal(strlen(node->host), node->len);
        assert_int_equal(node->master, i ? 0 : RECS_REDIS_NONE);

        p += sprintf(p, "%s%s:%u", i ? " " : "", node->host, node->port);

        if (node->flags) {
            p += sprintf(p, "!%u", node->flags);
        }
    }

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {
        assert_int_equal(s->table.slots[i], 0);
    }

    free(s);

    return text;
}


static void
real_sentinels_are_read(void **state)
{
    FILE         *f;
    char          path[sizeof(ANSWERS) + 64], answer[4096];
    size_t        i, len;

    static const struct {
        const char  *file;
        const char  *expected;
    } rows[] = {
        { "replicas", "127.0.0.1:27410 127.0.0.1:27411 127.0.0.1:27412" },
        { "down", "127.0.0.1:27410 127.0.0.1:27411 127.0.0.1:27412!1" },
        { "ipv6", "::1:6379 fe80::1:6380!1" },
        { "switched", "127.0.0.1:27410" },
        { "unknown", "it knows no such master" },
        { "role_sentinel", "it is no sentinel" },
        { "role_master", "it is no sentinel" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        sprintf(path, ANSWERS "%s", rows[i].file);

        f = fopen(path, "rb");
        assert_non_null(f);
        len = fread(answer, 1, sizeof(answer), f);
        fclose(f);

        assert_string_equal(read_all(answer, len), rows[i].expected);
    }
}


#define NO_SENTINEL  "it is no sentinel"
#define NO_HOST      "it names a master that has no such host"
#define NO_PORT      "it names a master that has no such port"

#define AT           "*2\r\n$1\r\nm\r\n$1\r\n1\r\n"
#define IP           "$2\r\nip\r\n"
#define PORT         "$4\r\nport\r\n"
#define FLAGS        "$5\r\nflags\r\n"
#define A            "$1\r\na\r\n"
#define B            "$1\r\nb\r\n"
#define TWO          "$1\r\n2\r\n"
#define REPLICA_A    "*4\r\n" IP A PORT TWO


static const struct {
    const char  *reply;
    const char  *expected;
} replies[] = {

    /* the master */

    { AT, "m:1" },
    { "*2\r\n$3\r\n::1\r\n$5\r\n65535\r\n", "::1:65535" },
    { "*2\r\n$10\r\ndb.example\r\n$4\r\n0026\r\n", "db.example:26" },
    { "*2\r\n$255\r\n" HOST_250 "12345\r\n$1\r\n1\r\n", HOST_250 "12345:1" },
    { "*-1\r\n", "it knows no such master" },
    { "$-1\r\n", "it knows no such master" },

    { "$2\r\nOK\r\n", NO_SENTINEL },
    { ":1\r\n", NO_SENTINEL },
    { "*0\r\n", NO_SENTINEL },
    { "*1\r\n$1\r\nm\r\n", NO_SENTINEL },
    { "*3\r\n$1\r\nm\r\n$1\r\n1\r\n$1\r\n2\r\n", NO_SENTINEL },
    { "*2\r\n$-1\r\n$1\r\n1\r\n", NO_SENTINEL },
    { "*2\r\n*0\r\n$1\r\n1\r\n", NO_SENTINEL },
    { "*2\r\n$1\r\nm\r\n:1\r\n", NO_SENTINEL },
    { "*2\r\n$1\r\nm\r\n$-1\r\n", NO_SENTINEL },
    { "*2\r\n$1\r\nm\r\n", NO_SENTINEL },
    { "", NO_SENTINEL },

    { "*2\r\n$0\r\n\r\n$1\r\n1\r\n", NO_HOST },
    { "*2\r\n$3\r\na b\r\n$1\r\n1\r\n", NO_HOST },
    { "*2\r\n$3\r\na\r\n\r\n$1\r\n1\r\n", NO_HOST },
    { "*2\r\n$5\r\n[::1]\r\n$1\r\n1\r\n", NO_HOST },
    { "*2\r\n$10\r\nunix:/tmp/\r\n$1\r\n1\r\n", NO_HOST },
    { "*2\r\n$256\r\n" HOST_250 "123456\r\n$1\r\n1\r\n", NO_HOST },

    { "*2\r\n$1\r\nm\r\n$0\r\n\r\n", NO_PORT },
    { "*2\r\n$1\r\nm\r\n$1\r\n0\r\n", NO_PORT },
    { "*2\r\n$1\r\nm\r\n$5\r\n65536\r\n", NO_PORT },
    { "*2\r\n$1\r\nm\r\n$10\r\n4294967297\r\n", NO_PORT },
    { "*2\r\n$1\r\nm\r\n$20\r\n18446744073709551617\r\n", NO_PORT },
    { "*2\r\n$1\r\nm\r\n$2\r\n-1\r\n", NO_PORT },
    { "*2\r\n$1\r\nm\r\n$2\r\n1 \r\n", NO_PORT },

    /* its replicas: left out if they have no address, or have it twice */

    { AT "*0\r\n", "m:1" },
    { AT "*1\r\n" REPLICA_A, "m:1 a:2" },
    { AT "*1\r\n*4\r\n" PORT TWO IP A, "m:1 a:2" },
    { AT "*1\r\n*5\r\n" IP A PORT TWO FLAGS, "m:1 a:2" },
    { AT "*2\r\n" REPLICA_A REPLICA_A, "m:1 a:2" },
    { AT "*1\r\n*4\r\n" IP "$1\r\nm\r\n" PORT "$1\r\n1\r\n", "m:1" },
    { AT "*2\r\n*2\r\n" IP A REPLICA_A, "m:1 a:2" },
    { AT "*2\r\n*2\r\n" PORT TWO REPLICA_A, "m:1 a:2" },
    { AT "*2\r\n*0\r\n" REPLICA_A, "m:1 a:2" },
    { AT "*2\r\n*4\r\n" IP "$0\r\n\r\n" PORT TWO REPLICA_A, "m:1 a:2" },
    { AT "*2\r\n*4\r\n" IP B PORT "$1\r\n0\r\n" REPLICA_A, "m:1 a:2" },
    { AT "*1\r\n*6\r\n" IP A IP B PORT TWO, "m:1 b:2" },
    { AT "*1\r\n*6\r\n" IP A IP "$1\r\n \r\n" PORT TWO, "m:1" },
    { AT "*1\r\n*6\r\n" "$3\r\nIPs\r\n" B IP A PORT TWO, "m:1 a:2" },

    /* which are down */

    { AT "*1\r\n*6\r\n" IP A PORT TWO FLAGS "$5\r\nslave\r\n", "m:1 a:2" },
    { AT "*1\r\n*6\r\n" IP A PORT TWO FLAGS "$6\r\ns_down\r\n", "m:1 a:2!1" },
    { AT "*1\r\n*6\r\n" IP A PORT TWO FLAGS "$12\r\nslave,o_down\r\n",
      "m:1 a:2!1" },
    { AT "*1\r\n*6\r\n" IP A PORT TWO FLAGS "$18\r\ndisconnected,slave\r\n",
      "m:1 a:2!1" },
    { AT "*1\r\n*6\r\n" IP A PORT TWO FLAGS "$8\r\nxs_down,\r\n", "m:1 a:2" },
    { AT "*1\r\n*6\r\n" IP A PORT TWO FLAGS "$0\r\n\r\n", "m:1 a:2" },

    /* of another form: there are none */

    { AT "$2\r\nOK\r\n", "m:1" },
    { AT "*-1\r\n", "m:1" },
    { AT "*2\r\n" REPLICA_A "$1\r\na\r\n", "m:1" },
    { AT "*2\r\n" REPLICA_A "*1\r\n*0\r\n", "m:1" },
    { AT "*2\r\n" REPLICA_A "*2\r\n" IP "*1\r\n" A, "m:1" },
    { AT "*2\r\n" REPLICA_A "*2\r\n" IP ":1\r\n", "m:1" },
    { AT "*2\r\n" REPLICA_A "*2\r\n" IP "$-1\r\n", "m:1" },
    { AT "*2\r\n" REPLICA_A "*2\r\n:1\r\n" A, "m:1" }
};


static void
an_answer_is_whole_or_refused(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_nelts(replies); i++) {
        const char *read = read_all(replies[i].reply,
                                    strlen(replies[i].reply));

        if (strcmp(read, replies[i].expected) != 0) {
            fail_msg("%s is %s, not %s", replies[i].reply, read,
                     replies[i].expected);
        }
    }
}


/* More than there is room for: the first of them. */

static void
many_replicas_are_those_that_have_room(void **state)
{
    char    *p;
    size_t   i;

    static char  reply[64 * 1024], expected[64 * 1024];

    (void) state;

    p = reply + sprintf(reply, AT "*400\r\n");

    for (i = 0; i < 400; i++) {
        p += sprintf(p, "*4\r\n" IP A PORT "$4\r\n%u\r\n",
                     (unsigned) (1000 + i));
    }

    p = expected + sprintf(expected, "m:1");

    for (i = 0; i < RECS_REDIS_NODES - 1; i++) {
        p += sprintf(p, " a:%u", (unsigned) (1000 + i));
    }

    assert_string_equal(read_all(reply, strlen(reply)), expected);
}


static void
a_message_is_about_a_master(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        int          ours;
    } rows[] = {
        { "shop 127.0.0.1 27410 127.0.0.1 27411", 1 },
        { "shop ", 1 },
        { "shop", 0 },
        { "shopping 127.0.0.1 27410 127.0.0.1 27411", 0 },
        { "other 127.0.0.1 27410 127.0.0.1 27411", 0 },
        { "a shop 127.0.0.1 27410 127.0.0.1 27411", 0 },
        { "SHOP 127.0.0.1 27410 127.0.0.1 27411", 0 },
        { " shop 127.0.0.1 27410 127.0.0.1 27411", 0 },
        { "sho", 0 },
        { "", 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        assert_int_equal(recs_redis_sentinel_switched(rows[i].text,
                                                      strlen(rows[i].text),
                                                      "shop", 4),
                         rows[i].ours);
    }
}


/* Each value of a reply to ROLE says OTHER, but for the first element. */

static int
role(void *to, const recs_redis_value_t *v)
{
    recs_redis_role_e *said = to;

    if (recs_redis_role(v) != RECS_REDIS_ROLE_OTHER) {
        assert_int_equal(*said, RECS_REDIS_ROLE_OTHER);
        *said = recs_redis_role(v);
    }

    return 0;
}


static void
a_role_is_told(void **state)
{
    size_t             i;
    unit_resp_t        r;
    recs_redis_role_e  said;

    static const struct {
        const char         *reply;
        recs_redis_role_e   said;
    } rows[] = {
        { "*3\r\n$6\r\nmaster\r\n:840\r\n*1\r\n*3\r\n$5\r\nslave\r\n$1\r\n1\r\n"
          "$1\r\n0\r\n", RECS_REDIS_ROLE_MASTER },
        { "*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:970\r\n",
          RECS_REDIS_ROLE_REPLICA },
        { "*2\r\n$8\r\nsentinel\r\n*1\r\n$6\r\nmaster\r\n",
          RECS_REDIS_ROLE_SENTINEL },
        { "*1\r\n$6\r\nMASTER\r\n", RECS_REDIS_ROLE_OTHER },
        { "*1\r\n$7\r\nmasters\r\n", RECS_REDIS_ROLE_OTHER },
        { "*1\r\n:1\r\n", RECS_REDIS_ROLE_OTHER },
        { "*2\r\n$0\r\n\r\n$6\r\nmaster\r\n", RECS_REDIS_ROLE_OTHER },
        { "$6\r\nmaster\r\n", RECS_REDIS_ROLE_OTHER },
        { "*-1\r\n", RECS_REDIS_ROLE_OTHER }
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        said = RECS_REDIS_ROLE_OTHER;

        unit_resp_init(&r, rows[i].reply, strlen(rows[i].reply), role, &said);
        assert_int_equal(unit_resp_value(&r, 0, 0), 0);
        assert_int_equal(said, rows[i].said);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(real_sentinels_are_read),
        cmocka_unit_test(an_answer_is_whole_or_refused),
        cmocka_unit_test(many_replicas_are_those_that_have_room),
        cmocka_unit_test(a_message_is_about_a_master),
        cmocka_unit_test(a_role_is_told)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
