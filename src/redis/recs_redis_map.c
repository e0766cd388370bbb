
/*
 * Nodes and slots of a Redis in shared memory: see the header.
 *
 * Nodes are written between two generations, an odd one meanwhile.  A place is
 * complete at every instant all the same: its number is 0 while its host is
 * written, all else about it is one word.  So whoever is killed there leaves
 * nothing torn, but an odd generation at most, which the next one ends.
 */


#include "recs_redis_map.h"


/* A place's word: port, master, flags, len, and this. */

#define LEFT          ((uint64_t) 1 << 48)

#define what_port(what)    ((unsigned) (what) & 0xffff)
#define what_master(what)  ((unsigned) ((what) >> 16) & 0xffff)
#define what_flags(what)   ((unsigned) ((what) >> 32) & 0xff)
#define what_len(what)     ((unsigned) ((what) >> 40) & 0xff)

#define get(word)          __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define set(word, value)   __atomic_store_n(&(word), (value), __ATOMIC_RELEASE)


/* Which place each node of a table has, and which places have one. */

typedef struct {
    uint16_t  index[RECS_REDIS_NODES];
    uint8_t   wanted[RECS_REDIS_NODES];
} plan_t;


static uint64_t pack(const recs_redis_node_t *node, unsigned master);
static unsigned find(const recs_redis_map_t *map, const char *host, size_t len,
    unsigned port);
static unsigned place(recs_redis_map_t *map, const recs_redis_node_t *node);
static void begin(recs_redis_map_t *map);
static void end(recs_redis_map_t *map);
static int plan(const recs_redis_map_t *map, const recs_redis_table_t *table,
    plan_t *p);
static unsigned planned(const recs_redis_table_t *table, const plan_t *p,
    unsigned node);
static void carry_out(recs_redis_map_t *map, const recs_redis_table_t *table,
    plan_t *p);


/* CRC16 of XModem: polynomial 0x1021, begins with 0. */

static const uint16_t  crc16[256] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    0x1231, 0x0210, 0x3273, 0x2252, 0x52b5, 0x4294, 0x72f7, 0x62d6,
    0x9339, 0x8318, 0xb37b, 0xa35a, 0xd3bd, 0xc39c, 0xf3ff, 0xe3de,
    0x2462, 0x3443, 0x0420, 0x1401, 0x64e6, 0x74c7, 0x44a4, 0x5485,
    0xa56a, 0xb54b, 0x8528, 0x9509, 0xe5ee, 0xf5cf, 0xc5ac, 0xd58d,
    0x3653, 0x2672, 0x1611, 0x0630, 0x76d7, 0x66f6, 0x5695, 0x46b4,
    0xb75b, 0xa77a, 0x9719, 0x8738, 0xf7df, 0xe7fe, 0xd79d, 0xc7bc,
    0x48c4, 0x58e5, 0x6886, 0x78a7, 0x0840, 0x1861, 0x2802, 0x3823,
    0xc9cc, 0xd9ed, 0xe98e, 0xf9af, 0x8948, 0x9969, 0xa90a, 0xb92b,
    0x5af5, 0x4ad4, 0x7ab7, 0x6a96, 0x1a71, 0x0a50, 0x3a33, 0x2a12,
    0xdbfd, 0xcbdc, 0xfbbf, 0xeb9e, 0x9b79, 0x8b58, 0xbb3b, 0xab1a,
    0x6ca6, 0x7c87, 0x4ce4, 0x5cc5, 0x2c22, 0x3c03, 0x0c60, 0x1c41,
    0xedae, 0xfd8f, 0xcdec, 0xddcd, 0xad2a, 0xbd0b, 0x8d68, 0x9d49,
    0x7e97, 0x6eb6, 0x5ed5, 0x4ef4, 0x3e13, 0x2e32, 0x1e51, 0x0e70,
    0xff9f, 0xefbe, 0xdfdd, 0xcffc, 0xbf1b, 0xaf3a, 0x9f59, 0x8f78,
    0x9188, 0x81a9, 0xb1ca, 0xa1eb, 0xd10c, 0xc12d, 0xf14e, 0xe16f,
    0x1080, 0x00a1, 0x30c2, 0x20e3, 0x5004, 0x4025, 0x7046, 0x6067,
    0x83b9, 0x9398, 0xa3fb, 0xb3da, 0xc33d, 0xd31c, 0xe37f, 0xf35e,
    0x02b1, 0x1290, 0x22f3, 0x32d2, 0x4235, 0x5214, 0x6277, 0x7256,
    0xb5ea, 0xa5cb, 0x95a8, 0x8589, 0xf56e, 0xe54f, 0xd52c, 0xc50d,
    0x34e2, 0x24c3, 0x14a0, 0x0481, 0x7466, 0x6447, 0x5424, 0x4405,
    0xa7db, 0xb7fa, 0x8799, 0x97b8, 0xe75f, 0xf77e, 0xc71d, 0xd73c,
    0x26d3, 0x36f2, 0x0691, 0x16b0, 0x6657, 0x7676, 0x4615, 0x5634,
    0xd94c, 0xc96d, 0xf90e, 0xe92f, 0x99c8, 0x89e9, 0xb98a, 0xa9ab,
    0x5844, 0x4865, 0x7806, 0x6827, 0x18c0, 0x08e1, 0x3882, 0x28a3,
    0xcb7d, 0xdb5c, 0xeb3f, 0xfb1e, 0x8bf9, 0x9bd8, 0xabbb, 0xbb9a,
    0x4a75, 0x5a54, 0x6a37, 0x7a16, 0x0af1, 0x1ad0, 0x2ab3, 0x3a92,
    0xfd2e, 0xed0f, 0xdd6c, 0xcd4d, 0xbdaa, 0xad8b, 0x9de8, 0x8dc9,
    0x7c26, 0x6c07, 0x5c64, 0x4c45, 0x3ca2, 0x2c83, 0x1ce0, 0x0cc1,
    0xef1f, 0xff3e, 0xcf5d, 0xdf7c, 0xaf9b, 0xbfba, 0x8fd9, 0x9ff8,
    0x6e17, 0x7e36, 0x4e55, 0x5e74, 0x2e93, 0x3eb2, 0x0ed1, 0x1ef0
};


unsigned
recs_redis_slot(const void *key, size_t len)
{
    uint16_t        crc;
    const uint8_t  *p, *end, *open, *close;

    p = key;
    end = p + len;

    open = len ? memchr(p, '{', len) : NULL;

    if (open) {
        open++;
        close = memchr(open, '}', (size_t) (end - open));

        if (close && close != open) {
            p = open;
            end = close;
        }
    }

    for (crc = 0; p < end; p++) {
        crc = (uint16_t) (crc << 8) ^ crc16[crc >> 8 ^ *p];
    }

    return crc % RECS_REDIS_SLOTS;
}


size_t
recs_redis_map_size(unsigned nnodes)
{
    return sizeof(recs_redis_map_t) + nnodes * sizeof(recs_redis_place_t);
}


void
recs_redis_map_init(recs_redis_map_t *map, unsigned nnodes)
{
    set(map->nplaces, nnodes);
}


int
recs_redis_map_read(const recs_redis_map_t *map, uint64_t generation,
    unsigned index, recs_redis_node_t *node, uint64_t *number)
{
    size_t                     i;
    uint64_t                   what, word;
    const recs_redis_place_t  *p;

    if (index >= map->nplaces) {
        return 0;
    }

    p = &map->places[index];

    *number = get(p->number);
    what = get(p->what);

    for (i = 0; i < sizeof(p->host) / sizeof(word); i++) {
        word = get(p->host[i]);
        memcpy(node->host + i * sizeof(word), &word, sizeof(word));
    }

    if (get(map->generation) != generation) {
        return -1;
    }

    node->port = (uint16_t) what_port(what);
    node->master = (uint16_t) what_master(what);
    node->flags = (uint8_t) what_flags(what);
    node->len = (uint8_t) what_len(what);

    return *number && !(what & LEFT);
}


unsigned
recs_redis_map_unserved(const recs_redis_map_t *map)
{
    unsigned  i, n;

    if (get(map->generation) == 0) {
        return 0;
    }

    n = 0;

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {
        n += (get(map->slots[i]) == 0);
    }

    return n;
}


unsigned
recs_redis_map_add(recs_redis_map_t *map, const char *host, size_t len,
    unsigned port)
{
    unsigned            index;
    recs_redis_node_t   node;

    if (len == 0 || len > RECS_REDIS_HOST || port == 0 || port > 65535) {
        return RECS_REDIS_NONE;
    }

    index = find(map, host, len, port);

    if (index == RECS_REDIS_NONE || map->places[index].what & LEFT) {

        memset(&node, 0, sizeof(node));
        node.port = (uint16_t) port;
        node.len = (uint8_t) len;
        memcpy(node.host, host, len);

        begin(map);

        if (index == RECS_REDIS_NONE) {
            index = place(map, &node);

        } else {
            set(map->places[index].what, pack(&node, RECS_REDIS_NONE));
        }
    }

    end(map);

    return index;
}


unsigned
recs_redis_map_set_slot(recs_redis_map_t *map, unsigned slot, const char *host,
    size_t len, unsigned port)
{
    uint64_t  what;
    unsigned  index;

    if (slot >= RECS_REDIS_SLOTS) {
        return RECS_REDIS_NONE;
    }

    index = recs_redis_map_add(map, host, len, port);
    if (index == RECS_REDIS_NONE) {
        return index;
    }

    what = map->places[index].what;

    if (what_master(what) != RECS_REDIS_NONE) {
        begin(map);
        set(map->places[index].what, what | (uint64_t) RECS_REDIS_NONE << 16);
        end(map);
    }

    set(map->slots[slot], (uint16_t) (index + 1));

    return index;
}


int
recs_redis_map_replace(recs_redis_map_t *map, const recs_redis_table_t *table)
{
    int       changed;
    plan_t    p;
    unsigned  i;

    if (table->nnodes > map->nplaces) {
        return -1;
    }

    changed = plan(map, table, &p);

    if (changed) {
        begin(map);
        carry_out(map, table, &p);
        end(map);
    }

    for (i = 0; i < RECS_REDIS_SLOTS; i++) {
        set(map->slots[i],
            (uint16_t) (planned(table, &p, table->slots[i]) + 1));
    }

    return changed;
}


int
recs_redis_map_claim(recs_redis_map_t *map, const recs_redis_pace_t *pace,
    uint64_t now)
{
    uint64_t  asked;

    asked = get(map->asked);

    if ((int64_t) (now - get(map->due)) < 0
        || (int64_t) (now - asked) < (int64_t) pace->least)
    {
        return 0;
    }

    if (!__atomic_compare_exchange_n(&map->asked, &asked, now, 0,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    {
        return 0;
    }

    set(map->due, now + pace->timeout);

    return 1;
}


void
recs_redis_map_answered(recs_redis_map_t *map, const recs_redis_pace_t *pace,
    uint64_t now)
{
    set(map->failures, 0);
    set(map->due, now + pace->interval);
}


void
recs_redis_map_failed(recs_redis_map_t *map, const recs_redis_pace_t *pace,
    uint64_t now)
{
    uint64_t  delay, n;

    delay = pace->least;

    for (n = get(map->failures); n && delay < pace->limit; n--) {
        delay *= 2;
    }

    set(map->due, now + (delay < pace->limit ? delay : pace->limit));

    (void) __atomic_fetch_add(&map->failures, 1, __ATOMIC_ACQ_REL);
}


int
recs_redis_map_begins(const recs_redis_map_t *map)
{
    return get(map->generation) == 0 && get(map->failures) == 0;
}


void
recs_redis_map_soon(recs_redis_map_t *map, uint64_t now)
{
    if (get(map->failures) == 0 && (int64_t) (get(map->due) - now) > 0) {
        set(map->due, now);
    }
}


void
recs_redis_map_changed(recs_redis_map_t *map, uint64_t now)
{
    set(map->failures, 0);
    recs_redis_map_soon(map, now);
}


static uint64_t
pack(const recs_redis_node_t *node, unsigned master)
{
    return node->port | (uint64_t) master << 16 | (uint64_t) node->flags << 32
           | (uint64_t) node->len << 40;
}


/* Those that left are found, too. */

static unsigned
find(const recs_redis_map_t *map, const char *host, size_t len, unsigned port)
{
    unsigned                   i;
    const recs_redis_place_t  *p;

    for (i = 0; i < map->nplaces; i++) {
        p = &map->places[i];

        if (p->number && what_port(p->what) == port && what_len(p->what) == len
            && memcmp(p->host, host, len) == 0)
        {
            return i;
        }
    }

    return RECS_REDIS_NONE;
}


/* A place for a new node: a free one, else that of one that left. */

static unsigned
place(recs_redis_map_t *map, const recs_redis_node_t *node)
{
    size_t               n;
    uint64_t             word;
    unsigned             i, index;
    recs_redis_place_t  *p;

    index = RECS_REDIS_NONE;

    for (i = 0; i < map->nplaces; i++) {
        p = &map->places[i];

        if (p->number == 0) {
            index = i;
            break;
        }

        if (p->what & LEFT && index == RECS_REDIS_NONE) {
            index = i;
        }
    }

    if (index == RECS_REDIS_NONE) {
        return index;
    }

    p = &map->places[index];

    set(p->number, 0);

    for (n = 0; n < sizeof(p->host) / sizeof(word); n++) {
        memcpy(&word, node->host + n * sizeof(word), sizeof(word));
        set(p->host[n], word);
    }

    set(p->what, pack(node, RECS_REDIS_NONE));
    set(p->number, ++map->numbers);

    return index;
}


static void
begin(recs_redis_map_t *map)
{
    set(map->generation, map->generation | 1);
}


/* Also what another one began who was killed. */

static void
end(recs_redis_map_t *map)
{
    set(map->generation, map->generation + (map->generation & 1));
}


/* Is anything about nodes to be changed? */

static int
plan(const recs_redis_map_t *map, const recs_redis_table_t *table, plan_t *p)
{
    int                        changed;
    unsigned                   i;
    const recs_redis_node_t   *node;
    const recs_redis_place_t  *at;

    memset(p, 0, sizeof(*p));
    changed = map->generation & 1;

    for (i = 0; i < table->nnodes; i++) {
        node = &table->nodes[i];
        p->index[i] = (uint16_t) find(map, node->host, node->len, node->port);

        if (p->index[i] == RECS_REDIS_NONE) {
            changed = 1;

        } else {
            p->wanted[p->index[i]] = 1;
        }
    }

    for (i = 0; i < table->nnodes && !changed; i++) {
        node = &table->nodes[i];
        at = &map->places[p->index[i]];

        changed = at->what != pack(node, planned(table, p, node->master));
    }

    for (i = 0; i < map->nplaces && !changed; i++) {
        at = &map->places[i];

        changed = at->number && !(at->what & LEFT) && !p->wanted[i];
    }

    return changed;
}


/* The place of a table's node, NONE if it is none. */

static unsigned
planned(const recs_redis_table_t *table, const plan_t *p, unsigned node)
{
    return node < table->nnodes ? p->index[node] : RECS_REDIS_NONE;
}


/* Places that were left before are free from now on. */

static void
carry_out(recs_redis_map_t *map, const recs_redis_table_t *table, plan_t *p)
{
    unsigned                  i;
    recs_redis_place_t       *at;
    const recs_redis_node_t  *node;

    for (i = 0; i < map->nplaces; i++) {
        at = &map->places[i];

        if (p->wanted[i]) {
            set(at->what, at->what & ~LEFT);

        } else if (at->what & LEFT) {
            set(at->number, 0);
            set(at->what, 0);

        } else if (at->number) {
            set(at->what, at->what | LEFT);
        }
    }

    for (i = 0; i < table->nnodes; i++) {
        if (p->index[i] == RECS_REDIS_NONE) {
            p->index[i] = (uint16_t) place(map, &table->nodes[i]);
        }
    }

    for (i = 0; i < table->nnodes; i++) {
        node = &table->nodes[i];

        set(map->places[p->index[i]].what,
            pack(node, planned(table, p, node->master)));
    }
}
