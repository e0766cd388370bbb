use strict;
use warnings;

# recs_backfill fills up shelves that are too short, from a pool.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Recs::Test;
use Test::More;

# What was freed is overwritten: a pool that outlives its memory is seen.
BEGIN { $ENV{MALLOC_PERTURB_} = 165 }

my $t = Recs::Test->new;

my $redis = $t->redis;
my $late = $t->redis(name => 'late', start => 0);
my $api = $t->upstream(sub { $_[0]{args}{page} });

# Answers late: nothing is in its set.
my $fake = $t->fake_redis(sub {
    my ($cmd) = @_;
    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    return [\1, '*' . (@$cmd - 2) . "\r\n" . ":0\r\n" x (@$cmd - 2)];
});

sub object { return qq({"id":"$_[0]","t":[1, 2.50]}) }
sub lines  { return join '', map { object($_) . "\n" } @_ }

# Not in the order of the ids' bytes.
my @pool = qw(p7 p2 p10 p1 p9 p4);

$t->write('pool.ndjson', lines(@pool));
$t->write('fresh.ndjson', lines('n1', 'n2', 'n3'));
$t->write('large.ndjson', lines(map { "l$_" } 1 .. 300));
$t->write('changing.ndjson', lines('c1', 'c2'));
$t->write('empty.ndjson', '');
$t->write('mixed.ndjson', join "\n", '{"id":12,"_recs":{"x":1},"n":1e400}',
          '{ "\u005frecs" : 1 , "id" : "m\u0032" }', '{"id":"-0"}', '{"id":7}');
$t->write('some.txt', "p2\np1\nn2\na\nb\n");

$redis->cmd('SADD', 'banned', 'p7', 'p1', 'n1');
$redis->cmd('SET', 'string', 'x');
$redis->cmd('HSET', 'pool', map { ($_, object($_)) } @pool);

my %locations = (
    three     => 'recs_backfill pool min=3;',
    hundred   => 'recs_backfill pool min=100;',
    both      => 'recs_backfill pool min=3; recs_tag both;',
    off       => 'recs_backfill off; recs_tag both;',
    explained => 'recs_backfill pool min=3; recs_explain 1; recs_limit 1;',
    rows      => 'recs_backfill pool min=2; recs_items /rows/*/items;',
    second    => 'recs_backfill pool min=2; recs_items /second /items;',
    root      => 'recs_backfill pool min=3; recs_items ""; recs_item_id /id;',
    mixed     => 'recs_backfill mixed min=3;',
    argument  => 'recs_backfill pool min=3; recs_exclude argument;',
    banned    => 'recs_backfill pool min=3; recs_exclude banned;',
    some      => 'recs_backfill pool min=4; recs_require some;',
    every     => 'recs_backfill pool min=4; recs_require some; '
               . 'recs_exclude banned;',
    lost      => 'recs_backfill pool min=3; recs_exclude lost;',
    typed     => 'recs_backfill pool min=3; recs_exclude typed banned;',
    distinct  => 'recs_backfill pool min=3; recs_distinct on;',
    limit     => 'recs_backfill pool min=4; recs_limit 2;',
    cut       => 'recs_backfill cut min=3; recs_limit 2;',
    explore   => 'recs_backfill pool min=4; recs_limit 2; recs_tag both; '
               . 'recs_explore fresh rate=100% slots=1;',
    at_end    => 'recs_backfill pool min=3; '
               . 'recs_explore fresh rate=100% slots=4;',
    past_end  => 'recs_backfill pool min=3; '
               . 'recs_explore fresh rate=100% slots=5;',
    slots     => 'recs_backfill pool min=3; '
               . 'recs_explore fresh rate=100% slots=1,2,3;',
    one_pool  => 'recs_backfill fresh min=2; '
               . 'recs_explore fresh rate=100% slots=1;',
    gated     => 'recs_backfill pool min=3; recs_exclude banned; '
               . 'recs_explore fresh rate=0% slots=1;',
    all_three => 'recs_backfill pool min=4; recs_limit 2; recs_exclude banned; '
               . 'recs_explore fresh rate=100% slots=2,3;',
    asked     => 'recs_backfill large min=7; recs_exclude banned;',
    asked_2   => 'recs_backfill large min=7; recs_exclude banned; '
               . 'recs_items /items /second;',
    most      => 'recs_backfill large min=100; recs_exclude banned;',
    few       => 'recs_backfill pool min=50; recs_exclude banned;',
    none      => 'recs_backfill none min=3;',
    away      => 'recs_backfill away min=3;',
    later     => 'recs_backfill later min=3;',
    hash      => 'recs_backfill hash min=9;',
    changing  => 'recs_backfill changing min=3; recs_exclude slow; '
               . 'recs_explore changing rate=100% slots=1;',
    reject    => 'recs_backfill pool min=3; recs_on_skew reject; '
               . 'recs_version model value=a accept=b;',
);

my $http = <<'HTTP';
recs_redis main { server %%REDIS%%; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }
recs_redis late { server %%LATE%%; }
recs_redis fake { server %%FAKE%%; timeout 10s; }
recs_set argument value=$arg_ids;
recs_set some file=%%TESTDIR%%/some.txt;
recs_set banned redis=main key=banned;
recs_set typed redis=main key=string;
recs_set lost redis=gone key=k;
recs_set slow redis=fake key=k absent=empty;
recs_zone 32m;
recs_pool pool file=%%TESTDIR%%/pool.ndjson;
recs_pool fresh file=%%TESTDIR%%/fresh.ndjson;
recs_pool large file=%%TESTDIR%%/large.ndjson;
recs_pool mixed file=%%TESTDIR%%/mixed.ndjson;
recs_pool cut file=%%TESTDIR%%/cut.ndjson;
recs_pool changing file=%%TESTDIR%%/changing.ndjson refresh=100ms;
recs_pool none file=%%TESTDIR%%/empty.ndjson;
recs_pool away redis=gone key=pool;
recs_pool later redis=late key=pool;
recs_pool hash redis=main key=pool;
add_header X-Backfilled "$recs_backfilled";
add_header X-Kept "$recs_kept";
recs on;
recs_event $arg_e;
recs_lookup_timeout 10s;
server {
    listen %%LISTEN%%;
    location = /status { recs_status; }
HTTP

$t->write('cut.ndjson', lines('c', 'd'));

$http .= "location = /$_ { $locations{$_} proxy_pass http://%%API%%; }\n"
    for sort keys %locations;

my $nginx = $t->nginx(http => "$http}\n",
    access_log => q('$uri|$recs_backfilled|$recs_kept|$recs_explored'));


sub page   { return '{"items":[' . join(',', map { "\"$_\"" } @_) . ']}' }
sub filter { return $_[0]->header('Recs-Filter') // '' }
sub status { return $t->get('/status')->json }


sub fetch {
    my ($path, $page, %args) = @_;

    my $query = join '&', map { "$_=$args{$_}" } sort keys %args;
    return $t->get("/$path?$query&page=" . escape($page));
}


# The ids of a shelf that had these.

sub filled {
    my ($path, @ids) = @_;

    return join ' ', ids(fetch($path, page(@ids)));
}


sub ids { return map { ref ? $_->{id} : $_ } @{ $_[0]->json->{items} } }


subtest 'a shelf is filled up, at its end, in pool order' => sub {
    ok(wait_until(sub { filled('hash', 'a') ne 'a' }),
       'a pool from Redis is there soon after the start');
    is(filled('three'), 'p7 p2 p10', 'from nothing');
    is(filled('three', 'a'), 'a p7 p2', 'from one');
    is(filled('three', 'a', 'b'), 'a b p7', 'from two');
    is(filled('three', 'a' .. 'c'), 'a b c', 'three will do');
    is(filled('three', 'a' .. 'e'), 'a b c d e', 'more are not cut');
    is(filled('hundred', 'a'), "a @pool", 'as far as the pool goes');
    is(filled('off', 'a'), 'a', 'recs_backfill off');
    is(filled('hash', 'a'), 'a ' . join(' ', sort @pool),
       'a hash has the order of its ids');

    is(filled('three', 'a') . filled('three', 'a'), 'a p7 p2' x 2,
       'there is no chance in it');

    my $r = fetch('three', '{"items":[{"ad":1},{"id":"a"}]}');
    is(scalar @{ $r->json->{items} }, 3, 'what has no id takes a place');
};


subtest 'several shelves: the first comes first, each item once' => sub {
    my $shelves = sub {
        my ($path, $page) = @_;
        my $json = fetch($path, $page)->json;
        my @shelves = $json->{rows} ? map({ $_->{items} } @{ $json->{rows} })
                                    : @$json{qw(items second)};
        return join ' | ', map { join ' ', map { ref ? $_->{id} : $_ } @$_ }
                           @shelves;
    };

    is($shelves->('rows', '{"rows":[{"items":["a"]},{"items":[]},'
                          . '{"items":["b","c"]},{"items":["d"]}]}'),
       'a p7 | p2 p10 | b c | d p1', 'in the page\'s order');
    is($shelves->('rows', '{"rows":[{"items":[]},{"items":[]},{"items":[]},'
                          . '{"items":[]}]}'),
       'p7 p2 | p10 p1 | p9 p4 | ', 'until the pool is empty');
    is($shelves->('second', '{"items":["a"],"second":[]}'), 'a p10 | p7 p2',
       'in that of the pointers');
    is($shelves->('second', '{"items":["a"],"second":["p7"]}'), 'a p10 | p7 p2',
       'what another shelf shows is not used');

    my $r = fetch('rows', '{"x":1,"rows":[{"items":[{"id":"a","y":2.0}],"z":3},'
                          . '{"items":[]}],"end":[]}');
    my $tag = '"_recs":{"backfill":true,"pool":"pool"}';
    is($r->body, '{"x":1,"rows":[{"items":[{"id":"a","y":2.0},'
       . join(',', map({ object($_) =~ s/\}$/,$tag}/r } 'p7'))
       . '],"z":3},{"items":['
       . join(',', map({ object($_) =~ s/\}$/,$tag}/r } 'p2', 'p10'))
       . ']}],"end":[]}', 'the rest stays, byte by byte');
    like(filter($r), qr/;backfilled=3$/, 'counted over all');
};


subtest 'what the page shows already is not put in' => sub {
    is(filled('three', 'p7'), 'p7 p2 p10', 'the first of the pool');
    is(filled('three', 'p10', 'p7'), 'p10 p7 p2', 'two');
    is(filled('hundred', reverse @pool), join(' ', reverse @pool), 'all');

    is(fetch('three', '{"items":["\u00707"]}')->body,
       '{"items":["\u00707","p2","p10"]}', 'written with an escape');
    is(filled('distinct', 'p7', 'p7', 'p7'), 'p7 p2 p10',
       'what goes as repeated makes room');
    is(filled('three', 'p7', 'p7'), 'p7 p7 p2', 'and stays without distinct');
};


subtest 'what a set refuses is not put in' => sub {
    is(filled('banned', 'a'), 'a p2 p10', 'excluded');
    is(filled('banned', 'p7', 'p1'), 'p2 p10 p9', 'nor back again');
    is(filled('some', 'a'), 'a p2 p1', 'required');
    is(filled('every', 'a'), 'a p2', 'every set has a say');

    my $r = fetch('argument', page('a', 'b'), ids => 'a,p7,p10');
    is($r->body, page('b', 'p2', 'p1'), 'sets of the request have');
    is(filter($r), 'filtered;total=2;kept=1;removed=1;explored=0;backfilled=2',
       'removed counts candidates');
    is($r->header('Recs-Sets'), 'argument;removed=1', 'of a set, too');
    is(fetch('argument', page('a'))->body, page('a', 'p7', 'p2'),
       'a set that is skipped has none');
};


subtest 'an unknown answer is a refusal' => sub {
    for my $path ('lost', 'typed') {
        my $r = fetch($path, page('a'));
        is($r->body, page('a'), "$path: nothing is put in");
        like(filter($r), qr/^degraded;total=1;kept=1;.*;backfilled=0/, 'said');
    }
};


subtest 'first the limit, then backfill, then exploration' => sub {
    is(filled('limit', 'a' .. 'e'), 'a b p7 p2', 'cut and filled');
    is(filled('cut', 'a' .. 'e'), 'a b c', 'what was cut is on it no more');

    my $plus = sub { return filled(@_) =~ s/n\d/+/gr };

    is($plus->('explore', 'a' .. 'e'), '+ a b p7', 'the last one makes room');
    is($plus->('at_end', 'a'), 'a p7 +', 'a slot after what was put in');
    is($plus->('past_end', 'a'), 'a p7 p2', 'a slot past that');
    is($plus->('slots', 'a'), '+ + +', 'slots for all');
    is($plus->('all_three', 'a' .. 'e'), 'a + + b', 'with a set');
    is($plus->('gated', 'a'), 'a p2 p10', 'without exploration');

    my $r = fetch('explore', page('a' .. 'e'));
    is(filter($r), 'filtered;total=5;kept=2;removed=0;explored=1;backfilled=1',
       'what made room is not counted');

    $r = fetch('explore', '{"items":[{"id":"a"},{"id":"b"},{"id":"c"}]}');
    is_deeply([map { $_->{_recs} ? $_->{_recs}{pool} : '-' }
               @{ $r->json->{items} }], ['fresh', '-', '-', 'pool'],
              'each is tagged by its pool');

    for my $event (1 .. 10) {
        my @ids = ids(fetch('one_pool', page(), e => $event));
        is("@ids", 'n3 n1', 'one pool for both: backfill chooses first');
    }
};


subtest 'an object says where it comes from' => sub {
    my $tag = '"_recs":{"backfill":true,"pool":"mixed"}';

    is(fetch('mixed', '{"items":[{"id":1}]}')->body,
       '{"items":[{"id":1},{"id":12,"n":1e400,' . $tag . '},'
       . '{ "id" : "m\u0032",' . $tag . ' }]}',
       'its own _recs goes, its bytes stay');
    is(fetch('mixed', '{"items":[]}')->json->{items}[0]{id}, 12,
       'an empty shelf gets objects');
};


subtest 'a shelf of scalars gets bare ids' => sub {
    is(fetch('mixed', '{"items":["a"]}')->body, '{"items":["a","12","m2"]}',
       'strings');
    is(fetch('mixed', '{"items":[1]}')->body, '{"items":[1,12,"m2"]}',
       'integers, where they are some');
    is(fetch('mixed', '{"items":[ 1 , 12 ]}')->json->{items}[2], 'm2',
       'compared as their text');
    is(fetch('root', '["a"]')->body, '["a","p7","p2"]',
       'a page that is an array');
    is(fetch('root', '[]')->json->[2]{id}, 'p10', 'and an empty one');
};


subtest 'a response tells of it' => sub {
    my $r = fetch('both', '{"items":[{"id":"a"}]}');

    is(filter($r), 'filtered;total=1;kept=1;removed=0;explored=0;backfilled=2',
       'Recs-Filter');
    is_deeply($r->json->{_recs}, { state => 'filtered', total => 1, kept => 1,
                                   removed => 0, explored => 0, sets => {},
                                   backfilled => 2 }, '_recs');
    is($r->header('X-Backfilled'), 2, '$recs_backfilled');
    is($r->header('X-Kept'), 1, '$recs_kept counts candidates');
    is($r->header('Content-Length'), length $r->body, 'the length');
    ok(wait_until(sub { grep { $_ eq '/both|2|1|0' } $nginx->access_log }),
       'in the log');

    $r = fetch('both', page('a' .. 'c'));
    like(filter($r), qr/;backfilled=0$/, 'none: said, too');
    $r = fetch('off', page('a'));
    unlike(filter($r), qr/backfilled/, 'without recs_backfill it is not');
    ok(!exists $r->json->{_recs}{backfilled}, 'nor in the body');
    is($r->header('X-Backfilled'), 0, 'the variable is 0');

    $r = fetch('explained', page('a', 'b'));
    is_deeply($r->json->{_recs}{items}, [{ id => 'b', rule => 'limit' }],
              'what was put in is nothing that went');
};


subtest 'it is counted' => sub {
    my $before = status();
    fetch('three', page('a')) for 1 .. 2;
    fetch('explore', page('a' .. 'e'));
    fetch('three', page('a' .. 'c'));
    is(fetch('reject', page('a'))->status, 502, 'a response that is refused');

    my $after = status();
    is($after->{items}{backfilled} - $before->{items}{backfilled}, 5, 'items');
    is($after->{pools}{pool}{shown} - $before->{pools}{pool}{shown}, 5,
       'of the pool');
    is($after->{pools}{fresh}{shown} - $before->{pools}{fresh}{shown}, 1,
       'and of the other');
    is($after->{items}{total} - $before->{items}{total}, 10,
       'what is not shown is not counted');
};


subtest 'a page that is filled up is not left empty' => sub {
    my $before = status()->{emptied};
    is(fetch('argument', page('a'), ids => 'a')->body, page('p7', 'p2', 'p10'),
       'all that it had went');
    is(status()->{emptied}, $before, 'it is not counted');
};


# How many ids Redis is asked about, besides those of the page.

subtest 'twice of what may be missing is asked about, at most 100' => sub {
    $t->answered(sub { fetch('asked', page('a', 'b')) });

    my $asked = sub {
        my ($path, $page) = @_;
        my @commands = $redis->asked(sub { fetch($path, $page) });
        return 'not one command' if @commands != 1;
        return [$commands[0] =~ /"([^"]*)"/g];
    };

    is_deeply($asked->('asked', page('a', 'b')),
              ['SMISMEMBER', 'banned', 'a', 'b', map { "l$_" } 1 .. 14],
              'one shelf: the page\'s ids and the pool\'s first');
    is_deeply($asked->('asked_2', '{"items":["a"],"second":["b"]}'),
              ['SMISMEMBER', 'banned', 'a', 'b', map { "l$_" } 1 .. 28],
              'two shelves');
    is_deeply($asked->('asked_2', '{"items":["a"]}'),
              ['SMISMEMBER', 'banned', 'a', map { "l$_" } 1 .. 14],
              'shelves that are there');
    is_deeply($asked->('most', page('a')),
              ['SMISMEMBER', 'banned', 'a', map { "l$_" } 1 .. 100],
              'not more than 100');
    is_deeply($asked->('few', page('a')), ['SMISMEMBER', 'banned', 'a', @pool],
              'not more than there are');

    my $r = fetch('most', page('a', 'l1'));
    is(scalar @{ $r->json->{items} }, 100, 'a shelf of 100 out of 100');
    is_deeply([@{ $r->json->{items} }[2, 98, 99]], ['l2', 'l98', 'l99'],
              'in order');

    $redis->cmd('SADD', 'banned', map { "l$_" } 1 .. 12);
    is(filled('asked', 'a'), 'a l13 l14', 'what is not asked is not put in');
    $redis->cmd('SREM', 'banned', map { "l$_" } 1 .. 12);
};


subtest 'a pool that has nothing gives nothing' => sub {
    for my $path ('none', 'away', 'later') {
        my $r = fetch($path, page('a'));
        is($r->body, page('a'), "$path: the page stays");
        like(filter($r), qr/^filtered;.*;backfilled=0/, 'said');
    }

    $late->start;
    $late->cmd('HSET', 'pool', 'z', object('z'));
    ok(wait_until(sub { status()->{pools}{later}{items} }), 'a Redis comes');
    is(filled('later', 'a'), 'a z', 'and the pool is used');
    $late->kill;
    is(filled('later', 'a'), 'a z', 'also when it has gone again');
};


subtest 'a pool that is replaced meanwhile is kept for who asked' => sub {
    my $c = $t->http;
    my $asked = () = $fake->commands;
    $c->send('GET', '/changing?e=1&page=' . escape(page('a')));
    $fake->commands($asked + 1);

    for my $round (1 .. 2) {
        $t->write('changing.ndjson',
                  lines(map { "d$round-$_" } 1 .. 2 + $round));
        ok(wait_until(sub { status()->{pools}{changing}{items} == 2 + $round }),
           'replaced');
    }

    is(join(' ', ids($c->response)), 'a c1 c2', 'of the one before');

    my @ids = ids(fetch('changing', page('a')));
    is(scalar(grep { /^d2-[1-4]$/ } @ids), 2, "and the next of the new: @ids");
};


$t->done;
