use strict;
use warnings;

# A pool is read from files and Redis when it is to be, and pages show what it
# holds.  The page and the event come with the request; each request explores,
# so that what it shows is the pool's.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

# What was freed is overwritten: a pool that outlives its memory is seen.
BEGIN { $ENV{MALLOC_PERTURB_} = 165 }

my $t = Recs::Test->new;

my $redis = $t->redis;
my $late = $t->redis(name => 'late', start => 0);
my $api = $t->upstream(sub { $_[0]{args}{page} });

my @names = map { "n$_" } 1 .. 12;

# Not in the order of the ids' bytes.
my @mixed = map { "n$_" } 7, 12, 1, 3, 10, 2, 11, 5, 4, 9, 8, 6;

$t->write('sorted.ndjson', lines(sort @names));
$t->write('mixed.ndjson', lines(@mixed));
$t->write('changing.ndjson', lines('n1', 'n2'));
$t->write('bad.ndjson', join "\n", '{"id":"ok"}', '', '{"id":', '["id"]',
          "\r", '{"name":"none"}', '{"id":null}', '{"id":1.5}',
          '{"id":"\u006fk","second":true}', '{"id":7} x', '{"id":""}',
          '{"id":12}', '');
$t->write('sku.ndjson',
          '{"id":"other","product":{"sku":"s1"}}' . "\r\n"
          . '{"id":"b9","product":{"sku":"b1"}}');

$redis->cmd('HSET', 'fresh', map { ($_, object($_)) } @mixed);
$redis->cmd('HSET', 'changing', map { ($_, object($_)) } 'n1', 'n2');
$redis->cmd('HSET', 'own', 'field', '{"name":"none"}', 'bad', '[]',
            'mine', '{"id":"mine"}', 'other', '{"id":"member"}',
            '7', '{"id":7}', '8', '{"id":80}', 'null', '{"id":null}');
$redis->cmd('HSET', 'skus', 's1', '{"id":"x","product":{"sku":"s1"}}',
            's2', '{"id":"s2","product":{"sku":"s1"}}', 's3', '{"id":"y"}');

# In many steps, and with growth and removals between refreshes.
my @many = map { "m$_" } 1 .. 3000;
for my $n (0 .. 5) {
    $redis->cmd('HSET', 'many',
                map { ($_, '{}') } @many[$n * 500 .. $n * 500 + 499]);
}

my %pools = (
    sorted   => 'file=%%TESTDIR%%/sorted.ndjson',
    mixed    => 'file=%%TESTDIR%%/mixed.ndjson',
    changing => 'file=%%TESTDIR%%/changing.ndjson refresh=100ms absent=empty'
                . ' shrink=off',
    bad      => 'file=%%TESTDIR%%/bad.ndjson refresh=100ms absent=empty'
                . ' shrink=off',
    sku      => 'file=%%TESTDIR%%/sku.ndjson id=/product/sku',
    one      => 'file=%%TESTDIR%%/one.ndjson refresh=100ms absent=empty'
                . ' shrink=off',
    hash     => 'redis=main key=fresh',
    moving   => 'redis=main key=changing refresh=100ms absent=empty'
                . ' shrink=off',
    later    => 'redis=late key=fresh refresh=1h',
    own      => 'redis=main key=own',
    skus     => 'redis=main key=skus id=/product/sku',
    many     => 'redis=main key=many refresh=100ms shrink=off',
);

$t->write('one.ndjson', '{"id":"n1"}');

my $http = "recs_zone 32m;\n"
           . join '', map { "recs_pool $_ $pools{$_};\n" } sort keys %pools;

$http .= <<'HTTP';
recs_redis main { server %%REDIS%%; }
recs_redis late { server %%LATE%%; }
recs on;
recs_event $arg_e;
server {
    listen %%LISTEN%%;
    location = /status { recs_status; }
HTTP

for my $pool (sort keys %pools) {
    $http .= "location /$pool {\n"
           . "    recs_explore $pool rate=100% slots=1 salt=s panel=5;\n"
           . "    proxy_pass http://%%API%%;\n}\n";
}

my $nginx = $t->nginx(reloads => 0, http => "$http}\n");


sub object { return qq({"id":"$_[0]","t":[1, 2.50]}) }
sub lines  { return join '', map { object($_) . "\n" } @_ }


sub fetch {
    my ($pool, $event, $page) = @_;

    $page //= '{"items":[{"id":"b1"},{"id":"b2"}]}';
    return $t->get("/$pool?e=$event&page=" . escape($page));
}


# The ids that so many events put on a page.

sub shown {
    my ($pool, $count) = @_;

    my $c = $t->http;
    my $page = escape('{"items":["b1","b2"]}');

    return map {
        my $first = $c->get("/$pool?e=$_&page=$page")->json->{items}[0];
        $first eq 'b1' ? undef : $first;
    } 1 .. $count;
}


sub distinct {
    my %seen = map { ($_ => 1) } grep { defined } @_;
    return join ' ', sort keys %seen;
}


sub status { return $t->get('/status')->json->{pools}{ $_[0] } }


sub wait_for {
    my ($pool, $member, $value) = @_;

    return wait_until(sub { status($pool)->{$member} >= $value });
}


sub has {
    my ($pool, $count) = @_;

    return wait_until(sub { status($pool)->{items} == $count });
}


# The first object on the page, without what was added to it.

sub without_tag {
    my ($r) = @_;

    my ($text) = $r->body =~ /\A\{"items":\[(.*?),?\{"id":"b1"\}/s;
    $text =~ s/(,?)"_recs":\{"explore":[^}]*\}(?=\s*\}\z)//;
    return $text;
}


subtest 'all of a file or a hash can be drawn' => sub {
    ok(has('hash', 12), 'Redis is asked at the start');

    for my $pool ('sorted', 'mixed', 'hash') {
        is(distinct(shown($pool, 150)), join(' ', sort @names), $pool);
        is(status($pool)->{refused}, 0, 'nothing is refused');
    }

    is(status('hash')->{refreshes}, 1, 'asked once');
};


subtest 'a file is in its own order, a hash in that of its ids' => sub {
    my @sorted = shown('sorted', 40);

    is_deeply([shown('hash', 40)], \@sorted,
              'a hash draws like a file that is sorted');

    # What was drawn there stands at some place; here another stands there.
    my @order = sort @names;
    my %at = map { ($order[$_] => $mixed[$_]) } 0 .. $#order;
    is_deeply([shown('mixed', 40)], [map { $at{$_} } @sorted],
              'a file draws by its lines');
};


subtest 'lines that are no objects are passed over' => sub {
    is(distinct(shown('bad', 60)), ' 12 ok', 'the others are there');

    my $status = status('bad');
    is($status->{items}, 3, 'items');
    is($status->{refused}, 7, 'refused; blank lines are none');

    # read again, with one more that is wrong
    $t->write('bad.ndjson', $t->read('bad.ndjson') . "x\n");
    ok(wait_for('bad', 'refused', 8), 'refreshed');
    $t->write('bad.ndjson', $t->read('bad.ndjson') . "{\"id\":\"y\"}\n");
    ok(has('bad', 4), 'and again');

    my @said = $nginx->error_log =~ /recs_pool "bad": (.*?can't be used.*)/g;
    is_deeply(\@said, [
        map({ "$_ entries can't be used; the first is number 2: not a value" }
            7, 8),
    ], 'the log tells, once for each number of them');
};


subtest 'of two with the same id the first counts' => sub {
    my @bodies = map { fetch('bad', $_)->body } 1 .. 60;

    ok(scalar(grep { /"ok"/ } @bodies), 'it is shown');
    is(scalar(grep { /second/ } @bodies), 0, 'the second never is');
};


subtest 'id= tells where the id of an object is' => sub {
    is(status('sku')->{items}, 2, 'items');
    is(distinct(map { fetch('sku', $_)->json->{items}[0]{id} } 1 .. 20),
       'other', 'that with the id of an item on the page is not shown');
    is(distinct(map {
           fetch('sku', $_, '{"items":[{"id":"c"}]}')->json->{items}[0]{id}
       } 1 .. 20), 'b9 other', 'on another page both are');
};


subtest 'the field of a hash is the id' => sub {
    ok(has('own', 4), 'four can be used');
    is(distinct(map { fetch('own', $_, '{"items":["a"]}')->json->{items}[0] }
                1 .. 80), '7 field mine null',
       'those without an id of their own, or with the same');
    is(status('own')->{refused}, 3, 'the others are refused');

    my ($why) = $nginx->error_log =~ /recs_pool "own": (.*)/;
    like($why, qr/^3 entries can't be used; the first is number \d: /, 'said');
    like($nginx->error_log,
         qr/"skus": .* its id is another than that of its entry/, 'why');
    is(fetch('own', 1, '{"items":[7,"field","mine","null"]}')->body,
       '{"items":[7,"field","mine","null"]}',
       'it is compared with those on the page');

    ok(has('skus', 2), 'id= tells where an object says it');
    is(status('skus')->{refused}, 1, 'and must be right there, too');
    is(distinct(map { fetch('skus', $_, '{"items":["a"]}')->json->{items}[0] }
                1 .. 20), 's1 s3', 'the field is the id all the same');
};


subtest 'a hash is read in steps' => sub {
    ok(has('many', 3000), 'all of it');
    is(status('many')->{refused}, 0, 'each once');

    $redis->reset_calls;
    wait_for('many', 'refreshes', status('many')->{refreshes} + 2);
    is($redis->calls('hgetall'), 0, 'never the whole at once');
    cmp_ok($redis->calls('hscan'), '>', 20, 'in many steps');

    # While it is read it changes all the time: none is there twice.
    for my $round (1 .. 30) {
        $redis->cmd('HDEL', 'many', @many[0 .. 1499]);
        $redis->cmd('HSET', 'many', map { ($_, '{}') } @many[0 .. 1499]);
    }
    ok(has('many', 3000), 'whole again');
    is(status('many')->{refused}, 0, 'and nothing was refused for it');

    $redis->cmd('HDEL', 'many', @many[1 .. 2999]);
    ok(has('many', 1), 'a small one');
    is(distinct(shown('many', 3)), 'm1', 'shown');
};


subtest 'a file that changes is read again' => sub {
    is(distinct(shown('changing', 30)), 'n1 n2', 'before');

    my $before = status('changing')->{refreshes};
    open my $fh, '>>', $t->dir . '/changing.ndjson' or die;
    syswrite $fh, lines('n3', 'n4', 'n5');
    ok(has('changing', 5), 'after');
    is(distinct(shown('changing', 150)), 'n1 n2 n3 n4 n5', 'shown');
    ok(status('changing')->{refreshes} > $before, 'counted');
    is($nginx->logged(qr/recs_pool "changing"/), 0,
       'and no line in the log');

    my $loaded = status('changing')->{loaded};
    cmp_ok(abs(time - $loaded), '<', 60, 'loaded: unix seconds');

    # another file of the same size
    $t->write('changing.ndjson', lines('n5' .. 'n9'));
    ok(wait_until(sub { distinct(shown('changing', 9)) =~ /n[6789]/ }),
       'a file renamed into its place is seen');

    $t->write('changing.ndjson', '');
    ok(has('changing', 0), 'an empty one is an empty pool');
    is(distinct(shown('changing', 5)), '', 'which shows nothing');
    is($nginx->logged(qr/recs_pool "changing" is empty/), 1, 'said');
};


subtest 'a file that cannot be read leaves the contents as they are' => sub {
    $t->write('changing.ndjson', lines('n1', 'n2'));
    ok(has('changing', 2), 'before');
    ok($nginx->wait_log(qr/recs_pool "changing" was read again, 2 items/),
       'no longer empty: said');

    my $path = $t->dir . '/changing.ndjson';
    my $failures = status('changing')->{failures};

    # In one step: it is never gone.
    mkdir "$path.d" or die "$path.d: $!";
    symlink "$path.d", "$path.link" or die "$path.link: $!";
    rename "$path.link", $path or die "$path: $!";

    ok(wait_for('changing', 'failures', $failures + 3), 'it fails');
    is(distinct(shown('changing', 30)), 'n1 n2', 'shown all the same');

    my @said = $nginx->error_log
               =~ /recs_pool "changing" could not be read, (.*)/g;
    is(scalar @said, 1, 'one line tells');
    is($said[0], "the contents stay: is not a regular file: $path", 'why');

    $t->write('changing.ndjson', lines('n9'));
    ok(has('changing', 1), 'and then it is read again');
    is(distinct(shown('changing', 5)), 'n9', 'shown');
    is($nginx->logged(qr/\[notice\] .*"changing" was read again, 1 items/), 1,
       'said');
};


subtest 'a hash that changes is read again' => sub {
    ok(has('moving', 2), 'before');
    is(distinct(shown('moving', 30)), 'n1 n2', 'shown');

    $redis->cmd('HSET', 'changing', 'n3', object('n3'));
    $redis->cmd('HDEL', 'changing', 'n1', 'n2');
    ok(wait_until(sub { distinct(shown('moving', 9)) eq 'n3' }), 'after');

    $redis->cmd('DEL', 'changing');
    ok(has('moving', 0), 'none is an empty pool');
};


subtest 'a key of another type leaves the contents as they are' => sub {
    $redis->cmd('HSET', 'changing', 'n1', object('n1'));
    ok(has('moving', 1), 'before');

    my $failures = status('moving')->{failures};
    $redis->pipeline(['MULTI'], ['DEL', 'changing'],
                     ['SADD', 'changing', 'n1'], ['EXEC']);
    ok(wait_for('moving', 'failures', $failures + 3), 'it fails');
    is(distinct(shown('moving', 5)), 'n1', 'shown all the same');

    my @said = $nginx->error_log
               =~ /recs_pool "moving" could not be read, (.*)/g;
    is(scalar @said, 1, 'one line tells');
    like($said[0], qr/^the contents stay: redis answered: WRONGTYPE/, 'why');

    $redis->pipeline(['MULTI'], ['DEL', 'changing'],
        ['HSET', 'changing', map { ($_, object($_)) } 'n4', 'n5'], ['EXEC']);
    ok(has('moving', 2), 'and then it is read again');
};


subtest 'a Redis that is lost leaves the contents as they are' => sub {
    my $failures = status('moving')->{failures};
    $redis->kill;
    ok(wait_for('moving', 'failures', $failures + 2), 'it fails');
    is(distinct(shown('moving', 30)), 'n4 n5', 'shown all the same');

    $redis->start;
    $redis->cmd('HSET', 'changing', 'n6', object('n6'));
    ok(wait_until(sub { distinct(shown('moving', 5)) eq 'n6' }),
       'read again when it is back');
};


subtest 'an entry may be MessagePack' => sub {
    $redis->cmd('DEL', 'changing');
    $redis->cmd('HSET', 'changing', 'n7', "\x82\xa2id\xa2n7\xa1t\xcd\x00\x07");
    ok(wait_until(sub { distinct(shown('moving', 5)) eq 'n7' }), 'its id');

    like(fetch('moving', 1)->body,
         qr/^\{"items":\[\{"id":"n7","t":7,"_recs":\{/, 'its bytes, as JSON');
};


subtest 'a Redis that was not there at the start is asked when it is' => sub {
    is(status('later')->{items}, 0, 'before');
    is(fetch('later', 1)->json->{items}[0]{id}, 'b1', 'nothing is put in');

    $late->start;
    $late->cmd('HSET', 'fresh', 'n1', object('n1'));
    ok(wait_until(sub { status('later')->{items} }),
       'long before the next refresh');
    is(fetch('later', 1)->json->{items}[0]{id}, 'n1', 'shown');
};


subtest 'an object keeps its bytes, but for a _recs of its own' => sub {
    my $tag = quotemeta '"_recs":{"explore":true,"pool":"one","slot":1,"p":1,'
                      . '"gate":1}';

    my @rows = (
        ['{"id":"n1"}', '{"id":"n1",TAG}', 'a small one'],
        ['{ "id" : "n1" , "x":[ 1.0,{"_recs":2} ] }',
         '{ "id" : "n1" , "x":[ 1.0,{"_recs":2} ],TAG }', 'white space'],
        ['{"_recs":1,"id":"n1"}', '{"id":"n1",TAG}', '_recs first'],
        ['{"id":"n1", "_recs":{"a":[1]}, "b":"c"}',
         '{"id":"n1", "b":"c",TAG}', 'between'],
        ['{"id":"n1","_recs":null}', '{"id":"n1",TAG}', 'last'],
        ['{"_recs":1,"\u005frecs":2,"id":"n1","_recs":3}',
         '{"id":"n1",TAG}', 'several, one in disguise'],
        ['{"id":"x","id":"n1","n":1e400}',
         '{"id":"x","id":"n1","n":1e400,TAG}', 'a repeated name'],
    );

    for my $row (@rows) {
        my ($line, $want, $name) = @$row;

        # the size may be the one before's: a new file has another number
        $t->write('one.ndjson', $line);

        my $pattern = quotemeta $want;
        $pattern =~ s/TAG/$tag/;
        my $right = qr/\A\{"items":\[$pattern,\{"id":"b1"\}\]\}\z/;

        my $r;
        wait_until(sub { ($r = fetch('one', 1))->body =~ $right });
        like($r->body, $right, $name);
    }
};


subtest 'a shelf of scalars gets the bare id' => sub {
    my %shelves = (
        '["b1","b2"]' => ['"n1"', '"12"'],
        '[1,2]'       => ['"n1"', '12'],
        '[1.5,2]'     => ['"n1"', '12'],
        '[true,1]'    => ['"n1"', '"12"'],
    );

    for my $id (0, 1) {
        my $line = ('{"id":"n1"}', '{"id":12}')[$id];
        $t->write('one.ndjson', $line);
        my $wanted = ('n1', '12')[$id];
        ok(wait_until(sub { (shown('one', 1))[0] eq $wanted }), $line);

        for my $shelf (sort keys %shelves) {
            my $want = $shelves{$shelf}[$id];
            my ($first) = $shelf =~ /\[(.*?),/;
            is(fetch('one', 1, "{\"items\":$shelf}")->body,
               "{\"items\":[$want,$first]}", "$line into $shelf");
        }
    }

    like(fetch('one', 1, '{"items":[]}')->body,
         qr/\A\{"items":\[\{"id":12,"_recs":\{.*\}\}\]\}\z/,
         'an empty shelf gets the object');
    like(fetch('one', 1, '{"items":[ ]}')->body,
         qr/\A\{"items":\[\{"id":12,"_recs":\{.*\}\} ?\]\}\z/,
         'also one with white space in it');
};


subtest 'a reload keeps pools and forgets none of their memory' => sub {
    for (1 .. 3) {
        ok($nginx->reload, 'a reload');
        is(status('sorted')->{items}, 12, 'the file is there at once');
        is(distinct(shown('sorted', 150)), join(' ', sort @names), 'whole');
    }
};


$t->done;
