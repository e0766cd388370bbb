
/*
 * What clusters answer to CLUSTER SHARDS and CLUSTER SLOTS: real ones of Redis
 * 7.0, what others are documented to say, and what is refused as a whole.
 */

#include "unit.h"

#include "recs_redis_shards.h"
#include "unit_resp.h"


#define HOST_50   "0123456789.123456789.123456789.123456789.123456789"
#define HOST_300  HOST_50 HOST_50 HOST_50 HOST_50 HOST_50 HOST_50

/* Answers as they came; the fuzz target begins with them. */

#define ANSWERS   UNIT_DATA "/../fuzz/seeds/redis_shards/"


/*
 * A table as text: "host:port[<master][!flags]" of each node, "|", then "first-
 * last=node" of each range.
 */

static const char *
text_of(const recs_redis_table_t *table)
{
    char                     *p;
    unsigned                  i, last;
    const recs_redis_node_t  *node;

    static char               text[2 * 1024 * 1024];

    p = text;

    for (i = 0; i < table->nnodes; i++) {
        node = &table->nodes[i];

        assert_int_equal(node->host[node->len], '\0');
        assert_int_equal(strlen(node->host), node->len);

        p += sprintf(p, "%s:%u", node->host, node->port);

        if (node->master != RECS_REDIS_NONE) {
            p += sprintf(p, "<%u", node->master);
        }

        if (node->flags) {
            p += sprintf(p, "!%u", node->flags);
        }

        *p++ = ' ';
    }

    *p++ = '|';

    for (i = 0; i < RECS_REDIS_SLOTS; i = last + 1) {

        for (last = i; last + 1 < RECS_REDIS_SLOTS
                       && table->slots[last + 1] == table->slots[i]; last++)
        {
            /* void */
        }

        if (table->slots[i] != RECS_REDIS_NONE) {
            p += sprintf(p, " %u-%u=%u", i, last, table->slots[i]);
        }
    }

    *p = '\0';

    return text;
}


static recs_redis_shards_t *
reader(recs_redis_question_e question, unsigned tls)
{
    recs_redis_shards_t  *s;

    s = malloc(sizeof(*s));
    assert_non_null(s);

    recs_redis_shards_init(s, question, tls, "here", 4);

    return s;
}


static void
real_clusters_are_read(void **state)
{
    FILE                 *f;
    char                  path[sizeof(ANSWERS) + 64];
    size_t                i, len;
    recs_redis_shards_t  *s;

    static char           answer[64 * 1024];

    static const struct {
        const char  *file;
        unsigned     tls;
        const char  *expected;
    } rows[] = {
        { "announced.slots", 0,
          "127.0.0.1:17410 127.0.0.1:17414<0 127.0.0.1:17412 "
          "127.0.0.1:17413<2 127.0.0.1:17411 127.0.0.1:17415<4 | 0-99=0 "
          "100-100=2 101-4999=0 5000-5001=2 5002-5460=0 5461-10922=4 "
          "10923-16383=2" },
        { "dead.shards", 0,
          "127.0.0.1:17412 127.0.0.1:17413<0 127.0.0.1:17415 "
          "127.0.0.1:17411!1 127.0.0.1:17410 127.0.0.1:17414<4!1 | 0-99=4 "
          "100-100=0 101-4999=4 5000-5001=0 5002-5460=4 5461-10922=2 "
          "10923-16383=0" },
        { "empty.shards", 0,
          "no slot has a node" },
        { "empty.slots", 0,
          "no slot has a node" },
        { "failing.shards", 0,
          "127.0.0.1:17412 127.0.0.1:17413<0 127.0.0.1:17411!1 "
          "127.0.0.1:17415<2 127.0.0.1:17410 127.0.0.1:17414<4 | 0-99=4 "
          "100-100=0 101-4999=4 5000-5001=0 5002-5460=4 5461-10922=2 "
          "10923-16383=0" },
        { "failover.shards", 0,
          "127.0.0.1:17412 127.0.0.1:17413<0 127.0.0.1:17415 "
          "127.0.0.1:17411!1 127.0.0.1:17410 127.0.0.1:17414<4 | 0-99=4 "
          "100-100=0 101-4999=4 5000-5001=0 5002-5460=4 5461-10922=2 "
          "10923-16383=0" },
        { "failover.slots", 0,
          "127.0.0.1:17410 127.0.0.1:17414<0 127.0.0.1:17412 "
          "127.0.0.1:17413<2 127.0.0.1:17415 | 0-99=0 100-100=2 101-4999=0 "
          "5000-5001=2 5002-5460=0 5461-10922=4 10923-16383=2" },
        { "hostname.shards", 0,
          "here:17412 n3.example.com:17413<0 n1.example.com:17411 "
          "here:17415<2 n0.example.com:17410 here:17414<4 | 0-99=4 100-100=0 "
          "101-4999=4 5000-5001=0 5002-5460=4 5461-10922=2 10923-16383=0" },
        { "hostname.slots", 0,
          "n0.example.com:17410 here:17414<0 here:17412 "
          "n3.example.com:17413<2 n1.example.com:17411 here:17415<4 | 0-99=0 "
          "100-100=2 101-4999=0 5000-5001=2 5002-5460=0 5461-10922=4 "
          "10923-16383=2" },
        { "six.shards", 0,
          "127.0.0.1:17412 127.0.0.1:17413<0!2 127.0.0.1:17411 "
          "127.0.0.1:17415<2!2 127.0.0.1:17410 127.0.0.1:17414<4!2 | "
          "0-5460=4 5461-10922=2 10923-16383=0" },
        { "six.slots", 0,
          "127.0.0.1:17410 127.0.0.1:17411 127.0.0.1:17412 | 0-5460=0 "
          "5461-10922=1 10923-16383=2" },
        { "split.shards", 0,
          "127.0.0.1:17412 127.0.0.1:17413<0 127.0.0.1:17411 "
          "127.0.0.1:17415<2 127.0.0.1:17410 127.0.0.1:17414<4 | 0-99=4 "
          "100-100=0 101-4999=4 5000-5001=0 5002-5460=4 5461-10922=2 "
          "10923-16383=0" },
        { "split.slots", 0,
          "127.0.0.1:17410 127.0.0.1:17414<0 127.0.0.1:17412 "
          "127.0.0.1:17413<2 127.0.0.1:17411 127.0.0.1:17415<4 | 0-99=0 "
          "100-100=2 101-4999=0 5000-5001=2 5002-5460=0 5461-10922=4 "
          "10923-16383=2" },
        { "tls.shards", 1,
          "127.0.0.1:17530 127.0.0.1:17533 127.0.0.1:17531 | 0-5460=0 "
          "5461-10922=2 10923-16383=1" },
        { "tls.slots", 1,
          "127.0.0.1:17530 127.0.0.1:17531 127.0.0.1:17533 | 0-5460=0 "
          "5461-10922=1 10923-16383=2" },
        { "unknown.shards", 0,
          "here:17412 here:17413<0 here:17411 here:17415<2 here:17410 "
          "here:17414<4 | 0-99=4 100-100=0 101-4999=4 5000-5001=0 "
          "5002-5460=4 5461-10922=2 10923-16383=0" },
        { "unknown.slots", 0,
          "here:17410 here:17414<0 here:17412 here:17413<2 here:17411 "
          "here:17415<4 | 0-99=0 100-100=2 101-4999=0 5000-5001=2 "
          "5002-5460=0 5461-10922=4 10923-16383=2" }
    };

    (void) state;

    for (i = 0; i < unit_nelts(rows); i++) {
        (void) sprintf(path, ANSWERS "%s", rows[i].file);

        f = fopen(path, "rb");
        assert_non_null(f);
        len = fread(answer, 1, sizeof(answer), f);
        (void) fclose(f);

        s = reader(strstr(path, ".slots") ? RECS_REDIS_CLUSTER_SLOTS
                                          : RECS_REDIS_CLUSTER_SHARDS,
                   rows[i].tls);

        if (unit_resp_read(answer, len, s) == 1) {
            assert_string_equal(text_of(&s->table), rows[i].expected);

        } else {
            assert_non_null(s->why);
            assert_string_equal(s->why, rows[i].expected);
        }

        free(s);
    }
}


/*
 * Answers written down: RESP with spaces instead of CR LF, and strings without
 * their lengths; "~" is a null.
 */

static size_t
resp_of(const char *text, char *p)
{
    int    len;
    char  *start;

    for (start = p; *text; text += strspn(text, " ")) {
        len = (int) strcspn(text, " ");

        if (*text == '$') {
            p += sprintf(p, "$%d\r\n%.*s\r\n", len - 1, len - 1, text + 1);

        } else if (*text == '~') {
            p += sprintf(p, "$-1\r\n");

        } else {
            p += sprintf(p, "%.*s\r\n", len, text);
        }

        text += len;
    }

    return (size_t) (p - start);
}


typedef struct {
    const char  *text;
    const char  *expected;
} row_t;


static void
check_rows(recs_redis_question_e question, unsigned tls, const row_t *rows,
    size_t n)
{
    int                   rc;
    size_t                i, len;
    recs_redis_shards_t  *s;

    static char           answer[1024 * 1024];

    for (i = 0; i < n; i++) {
        len = resp_of(rows[i].text, answer);

        s = reader(question, tls);
        rc = unit_resp_read(answer, len, s);

        if (rc == -1) {
            fail_msg("no reply: %.200s", rows[i].text);
        }

        if (strcmp(rc ? text_of(&s->table) : s->why, rows[i].expected) != 0) {
            fail_msg("%.200s: %s", rows[i].text,
                     rc ? text_of(&s->table) : s->why);
        }

        free(s);
    }
}


#define SHARD(nslots, slots, nnodes, nodes)                                  \
    "*4 $slots *" #nslots " " slots " $nodes *" #nnodes " " nodes " "
#define NODE(host, port, role, health)                                       \
    "*8 $endpoint " host " $port " port " $role $" role " $health $" health " "
#define MASTER(host)    NODE("$" host, ":1", "master", "online")
#define REPLICA(host)   NODE("$" host, ":1", "replica", "online")
#define ALL             ":0 :16383"


static void
shards_are_read(void **state)
{
    static const row_t  rows[] = {

        /* the order of keys and of nodes says nothing, others may come */

        { "*1 *6 $id $x $nodes *2 *8 $role $replica $port :2 $endpoint $b "
          "$availability-zone $z " MASTER("a") "$slots *2 " ALL,
          "b:2<1 a:1 | 0-16383=1" },

        /* of unknown hosts it is the one that was asked */

        { "*1 " SHARD(2, ALL, 3, NODE("$", ":1", "master", "online")
          NODE("$?", ":2", "replica", "online")
          NODE("~", ":3", "replica", "loading")),
          "here:1 here:2<0 here:3<0!2 | 0-16383=0" },

        { "*1 " SHARD(2, ALL, 1, MASTER("2001:db8::1")),
          "2001:db8::1:1 | 0-16383=0" },

        /* not all slots, and a shard that has none */

        { "*3 " SHARD(4, ":1 :1 :5 :9", 1, MASTER("a"))
          SHARD(0, "", 1, MASTER("b")) SHARD(0, "", 0, ""),
          "a:1 b:1 | 1-1=0 5-9=0" },

        /* after a failover the old master is still in the shard */

        { "*1 " SHARD(2, ALL, 3, NODE("$a", ":1", "master", "fail")
          MASTER("b") REPLICA("c")),
          "a:1!1 b:1 c:1<1 | 0-16383=1" },
        { "*1 " SHARD(2, ALL, 2, MASTER("b")
          NODE("$a", ":1", "master", "failed")),
          "b:1 a:1!1 | 0-16383=0" },

        /* before it: the one that failed */

        { "*1 " SHARD(2, ALL, 2, NODE("$a", ":1", "master", "fail")
          REPLICA("b")),
          "a:1!1 b:1<0 | 0-16383=0" },

        /* one failed whose address nobody knows */

        { "*2 " SHARD(2, ":0 :9", 2, NODE("$", ":0", "master", "fail")
          REPLICA("b")) SHARD(2, ":10 :19", 1, MASTER("c")),
          "b:1 c:1 | 10-19=1" },
        { "*1 " SHARD(2, ALL, 2, MASTER("a")
          "*6 $endpoint $ $role $replica $health $fail "),
          "a:1 | 0-16383=0" },

        /* one came back with a new id, the old one is not forgotten yet */

        { "*2 " SHARD(2, ALL, 1, MASTER("a"))
          SHARD(0, "", 1, NODE("$a", ":1", "master", "fail")),
          "a:1 | 0-16383=0" },
        { "*2 " SHARD(0, "", 1, NODE("$a", ":1", "master", "fail"))
          SHARD(2, ALL, 2, MASTER("b") REPLICA("a")),
          "a:1<1 b:1 | 0-16383=1" },

        /* a master and its own replica at one address */

        { "*1 " SHARD(2, ALL, 2, NODE("$a", ":1", "master", "fail")
          REPLICA("a")),
          "a:1 | 0-16383=0" },

        /* two masters where there are no slots */

        { "*2 " SHARD(0, "", 3, MASTER("a") MASTER("b") REPLICA("c"))
          SHARD(2, ALL, 1, MASTER("d")),
          "a:1 b:1 c:1 d:1 | 0-16383=3" }
    };

    (void) state;

    check_rows(RECS_REDIS_CLUSTER_SHARDS, 0, rows, unit_nelts(rows));
}


static void
over_tls_its_port_counts(void **state)
{
    static const row_t  rows[] = {
        { "*1 " SHARD(2, ALL, 3,
          "*8 $endpoint $a $port :1 $tls-port :2 $role $master "
          "*8 $endpoint $b $tls-port :3 $port :1 $role $replica "
          "*6 $endpoint $c $tls-port :4 $role $replica "),
          "a:2 b:3<0 c:4<0 | 0-16383=0" },

        /* a service that has TLS only may say nothing of it */

        { "*1 " SHARD(2, ALL, 1, MASTER("a")), "a:1 | 0-16383=0" }
    };

    static const row_t  plain[] = {
        { "*1 " SHARD(2, ALL, 1,
          "*8 $endpoint $a $port :1 $tls-port :2 $role $master "),
          "a:1 | 0-16383=0" },
        { "*1 " SHARD(2, ALL, 1, "*6 $endpoint $a $tls-port :2 $role $master "),
          "a node has no port" }
    };

    (void) state;

    check_rows(RECS_REDIS_CLUSTER_SHARDS, 1, rows, unit_nelts(rows));
    check_rows(RECS_REDIS_CLUSTER_SHARDS, 0, plain, unit_nelts(plain));
}


static void
odd_shards_are_refused(void **state)
{
    static const row_t  rows[] = {
        { "$text", "it is no array" },
        { ":1", "it is no array" },
        { "~", "it is no array" },
        { "*0", "no slot has a node" },
        { "*1 " SHARD(0, "", 1, MASTER("a")), "no slot has a node" },
        { "*1 " SHARD(2, ALL, 1, NODE("$", ":0", "master", "fail")),
          "no slot has a node" },

        { "*1 $slots", "a shard or a node is no map" },
        { "*1 *2 $nodes *1 $a", "a shard or a node is no map" },
        { "*1 *2 $nodes $a", "slots or nodes are no array" },
        { "*1 *2 $slots ~", "slots or nodes are no array" },
        { "*1 *2 :1 :1", "a key is no string" },
        { "*1 *2 *0 :1", "a key is no string" },
        { "*1 *2 $nodes *1 *2 :1 :1", "a key is no string" },
        { "*1 *2 $more *0", "it is nested too deep" },
        { "*1 *2 $nodes *1 *2 $more *0", "it is nested too deep" },
        { "*1 *2 $slots *2 *1 :1 :2", "a slot is no number" },

        { "*1 " SHARD(1, ":1", 1, MASTER("a")),
          "a range of slots has no end" },
        { "*1 " SHARD(2, "$0 $1", 1, MASTER("a")), "a slot is no number" },
        { "*1 " SHARD(2, ":-1 :1", 1, MASTER("a")),
          "a slot is none of 0 to 16383" },
        { "*1 " SHARD(2, ":0 :16384", 1, MASTER("a")),
          "a slot is none of 0 to 16383" },
        { "*1 " SHARD(2, ":4294967296 :4294967297", 1, MASTER("a")),
          "a slot is none of 0 to 16383" },
        { "*1 " SHARD(2, ":2 :1", 1, MASTER("a")),
          "a range of slots ends before it begins" },
        { "*1 " SHARD(4, ":1 :2 :2 :3", 1, MASTER("a")),
          "a slot has two masters" },
        { "*2 " SHARD(2, ":1 :2", 1, MASTER("a"))
          SHARD(2, ":2 :3", 1, MASTER("b")), "a slot has two masters" },
        { "*1 " SHARD(2, ALL, 2, MASTER("a") MASTER("b")),
          "a slot has two masters" },
        { "*1 " SHARD(2, ALL, 1, REPLICA("a")), "a slot has no master" },
        { "*1 " SHARD(2, ALL, 0, ""), "a slot has no master" },

        { "*1 " SHARD(2, ALL, 1, NODE("$a", ":0", "master", "online")),
          "a node has no port" },
        { "*1 " SHARD(2, ALL, 1, NODE("$a", ":65536", "master", "online")),
          "a node's port is no port" },
        { "*1 " SHARD(2, ALL, 1, NODE("$a", ":-1", "master", "fail")),
          "a node's port is no port" },
        { "*1 " SHARD(2, ALL, 1, NODE("$a", "$1", "master", "online")),
          "a node's port is no port" },
        { "*1 " SHARD(2, ALL, 1, NODE(":1", ":1", "master", "online")),
          "a node's host is no string" },
        { "*1 " SHARD(2, ALL, 1, MASTER("a\tb")),
          "a node's host is neither a name nor an address" },
        { "*1 " SHARD(2, ALL, 1, MASTER("unix:/tmp/s")),
          "a node's host is neither a name nor an address" },
        { "*1 " SHARD(2, ALL, 1, MASTER(HOST_300)),
          "a node's host is neither a name nor an address" },
        { "*1 " SHARD(2, ALL, 1, "*4 $port :1 $role $master "),
          "a node has no endpoint or no role" },
        { "*1 " SHARD(2, ALL, 1, "*4 $port :1 $endpoint $a "),
          "a node has no endpoint or no role" }
    };

    (void) state;

    check_rows(RECS_REDIS_CLUSTER_SHARDS, 0, rows, unit_nelts(rows));
}


static void
slots_are_read(void **state)
{
    static const row_t  rows[] = {

        /* of 3.0, of 4 to 6, of 7 with what it announces */

        { "*2 *3 :0 :9 *2 $a :1 *4 :10 :19 *2 $b :1 *2 $c :1",
          "a:1 b:1 c:1<1 | 0-9=0 10-19=1" },
        { "*1 *3 :0 :9 *3 $a :1 $id", "a:1 | 0-9=0" },
        { "*1 *3 :0 :9 *4 $a :1 $id *2 $hostname $h", "a:1 | 0-9=0" },

        /* a node has several ranges */

        { "*3 *3 :0 :9 *2 $a :1 *4 :20 :29 *2 $b :1 *2 $a :2 "
          "*4 :10 :19 *2 $a :1 *2 $a :3",
          "a:1 b:1 a:2<1 a:3<0 | 0-19=0 20-29=1" },

        /* the host that was asked */

        { "*1 *5 :0 :9 *2 ~ :1 *2 $ :2 *2 $? :3",
          "here:1 here:2<0 here:3<0 | 0-9=0" },

        /* a serverless one: one address, another port for reading */

        { "*1 *4 :0 :16383 *4 $c.serverless.example.com :6379 $id *0 "
          "*4 $c.serverless.example.com :6380 $id *0",
          "c.serverless.example.com:6379 c.serverless.example.com:6380<0 "
          "| 0-16383=0" },
        { "*1 *4 :0 :16383 *2 $a :1 *2 $a :1", "a:1 | 0-16383=0" },

        /* a replica that became a master meanwhile */

        { "*2 *4 :0 :9 *2 $a :1 *2 $b :1 *3 :10 :19 *2 $b :1",
          "a:1 b:1 | 0-9=0 10-19=1" },
        { "*2 *3 :0 :9 *2 $a :1 *4 :10 :19 *2 $b :1 *2 $a :1",
          "a:1 b:1 | 0-9=0 10-19=1" }
    };

    (void) state;

    check_rows(RECS_REDIS_CLUSTER_SLOTS, 0, rows, unit_nelts(rows));
}


static void
odd_slots_are_refused(void **state)
{
    static const row_t  rows[] = {
        { "$text", "it is no array" },
        { "*0", "no slot has a node" },
        { "*1 :1", "a range of slots has no master" },
        { "*1 *2 :0 :9", "a range of slots has no master" },
        { "*1 *3 :0 :9 $a", "a node has no port" },
        { "*1 *3 :0 :9 *1 $a", "a node has no port" },
        { "*1 *3 :0 :9 *2 $a :0", "a node has no port" },
        { "*1 *3 :0 :9 *2 $a :65536", "a node's port is no port" },
        { "*1 *3 :0 :9 *2 $a $1", "a node's port is no port" },
        { "*1 *3 :0 :9 *2 :1 :1", "a node's host is no string" },
        { "*1 *3 :0 :9 *2 *0 :1", "a node's host is no string" },
        { "*1 *3 :0 :9 *2 $a@b :1",
          "a node's host is neither a name nor an address" },
        { "*1 *3 :0 :9 *4 $a :1 $id *1 *0", "it is nested too deep" },
        { "*1 *3 $0 :9 *2 $a :1", "a slot is no number" },
        { "*1 *3 :0 ~ *2 $a :1", "a slot is no number" },
        { "*1 *3 *0 :9 *2 $a :1", "a slot is no number" },
        { "*1 *3 :-1 :9 *2 $a :1", "a slot is none of 0 to 16383" },
        { "*1 *3 :0 :16384 *2 $a :1", "a slot is none of 0 to 16383" },
        { "*1 *3 :9 :8 *2 $a :1", "a range of slots ends before it begins" },
        { "*2 *3 :0 :9 *2 $a :1 *3 :9 :10 *2 $b :1",
          "a slot has two masters" }
    };

    (void) state;

    check_rows(RECS_REDIS_CLUSTER_SLOTS, 0, rows, unit_nelts(rows));
}


/* 256 nodes are read; one more is refused, however they are spread. */

static void
too_many_nodes_are_refused(void **state)
{
    char                 *p;
    size_t                f, len;
    unsigned              i, n;
    recs_redis_shards_t  *s;

    static char           text[64 * 1024], answer[64 * 1024];

    static const struct {
        recs_redis_question_e   question;
        const char             *head;       /* of n, and of n + 2 */
        const char             *node;       /* of i, its port, its role */
        const char             *why;
    } rows[] = {
        { RECS_REDIS_CLUSTER_SLOTS, "*%1$u",
          " *3 :%1$u :%1$u *2 $a :%2$u", "it has more than 256 nodes" },
        { RECS_REDIS_CLUSTER_SLOTS, "*1 *%2$u :0 :9",
          " *2 $a :%2$u", "it has more than 256 nodes" },
        { RECS_REDIS_CLUSTER_SHARDS, "*1 *4 $slots *2 :0 :9 $nodes *%1$u",
          " *6 $endpoint $a $port :%2$u $role $%3$s",
          "it has more than 256 nodes" },
        { RECS_REDIS_CLUSTER_SHARDS, "*%1$u",
          " *4 $slots *2 :%1$u :%1$u $nodes *1 *6 $endpoint $a $port :%2$u "
          "$role $master", "it has more than 256 shards" },

        /* and one more, in another shard */

        { RECS_REDIS_CLUSTER_SHARDS, "*2 *4 $slots *2 :0 :9 $nodes *1 "
          "*6 $endpoint $b $port :1 $role $master *2 $nodes *%1$u",
          " *6 $endpoint $a $port :%2$u $role $%3$s",
          "it has more than 256 nodes" }
    };

    (void) state;

    for (f = 0; f < unit_nelts(rows); f++) {
        for (n = 256; n <= 257; n++) {

            p = text + sprintf(text, rows[f].head, n, n + 2);

            for (i = 0; i < n; i++) {
                p += sprintf(p, rows[f].node, i, i + 1,
                             i ? "replica" : "master");
            }

            len = resp_of(text, answer);
            s = reader(rows[f].question, 0);

            if (n == 256 && f + 1 < unit_nelts(rows)) {
                assert_int_equal(unit_resp_read(answer, len, s), 1);
                assert_int_equal(s->table.nnodes, 256);

            } else {
                assert_int_equal(unit_resp_read(answer, len, s), 0);
                assert_string_equal(s->why, rows[f].why);
            }

            free(s);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(real_clusters_are_read),
        cmocka_unit_test(shards_are_read),
        cmocka_unit_test(over_tls_its_port_counts),
        cmocka_unit_test(odd_shards_are_refused),
        cmocka_unit_test(slots_are_read),
        cmocka_unit_test(odd_slots_are_refused),
        cmocka_unit_test(too_many_nodes_are_refused)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
