use strict;
use warnings;

# recs_pass serves pages from snapshots, filtered like any other.

use FindBin;
use lib "$FindBin::Bin/lib";

use Data::MessagePack;
use JSON::PP ();
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;
my $pack = Data::MessagePack->new->canonical->utf8;

# A version of the batch's output: its rows and its descriptor.

sub load {
    my ($version, $rows, %meta) = @_;

    my %descriptor = (model => "m-$version", schema => 3, features => 'f1',
                      generated_at => time - 50, max_age => 3600,
                      expected => scalar keys %$rows,
                      written => scalar keys %$rows, state => 'complete',
                      %meta);

    $redis->cmd('SET', "home:$version:u:$_", $rows->{$_}) for keys %$rows;
    $redis->cmd('HSET', "{home}:$version:meta", %descriptor);
}

# Points a channel to it.  Two moves are never at the same time.

my $moved = 0;

sub point {
    my ($version, $channel) = @_;

    $moved = $moved + 0.001 > time ? $moved + 0.001 : time;

    $redis->pipeline(['MULTI'], ['SET', "{home}:channel:$channel", $version],
        ['LPUSH', '{home}:history', sprintf '{"time":%.3f}', $moved],
        ['PUBLISH', 'home:events', '{}'], ['EXEC']);
}

# Does so, and waits until that is what is served.

sub publish {
    my ($version, $channel) = @_;

    $channel //= 'active';
    point($version, $channel);

    return wait_until(sub {
        ($t->get("/version/$channel")->header('X-Version') // '') eq $version;
    });
}

sub page {
    my ($version, @ids) = @_;

    return '{"v":"' . $version . '", "items":['
           . join(', ', map { qq({"id":"$_"}) } @ids) . ']}';
}

sub ids {
    my ($r) = @_;

    return join ' ', map { ref $_ ? $_->{id} : $_ } @{ $r->json->{items} };
}

my %odd = (space => 'a b', newline => "a\r\nb", braces => '{}', glob => '*',
           bytes => "\xff\x00", long => 'x' x 1024);

load('v1', { u1 => page('v1', qw(a b c d)), _default => page('v1', qw(p q)),
             only1 => page('v1', 'o'),
             map { $_ => page('v1', $_ eq "\xff\x00" ? 'bytes'
                                    : length > 99 ? 'long' : 'odd') }
                 values %odd });
load('v2', { u1 => page('v2', qw(a b x)), _default => page('v2', qw(r s)) });

my $bare = '{"items":[]}';
load('v3', {
    packed  => $pack->pack({ items => [{ id => 'a', n => 1 },
                                       { id => 'b', n => 300 }] }),
    bin     => "\x81\xa5items\x92\x81\xa2id\xc4\x01a\x81\xa2id\xc4\x01b",
    dated   => '{"generated_at":' . (time - 500) . ',"max_age":"10m","items":['
               . '{"id":"b"}]}',
    old     => '{"generated_at":' . (time - 500) . ',"max_age":400,"items":[]}',
    text    => 'nothing',
    empty   => '',
    scalar  => "\x2a",
    cut     => "\x81\xa5items\x92\x81\xa2id",
    bomb    => "\xdd\xff\xff\xff\xff",
    map_key => "\x82\xa5items\x90\x90\x01",
    large   => $bare . ' ' x 70_000,
    huge    => 'x' x 3_000_000,
    _default => page('v3', 'q'),
});

$redis->cmd('SADD', 'seen', 'a');
$t->write('extra.ndjson', qq({"id":"e1"}\n{"id":"e2"}\n));
$redis->cmd('SET', '{home}:channel:active', 'v1');
$redis->cmd('SET', '{home}:channel:canary', 'v2');
$redis->cmd('RPUSH', 'home:v1:u:list', 'x');

my $nginx = $t->nginx(workers => 2, access_log => 'off', http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }
recs_set seen redis=main key=seen;
recs_set basket value=$arg_basket;
recs_pool extra file=%%TESTDIR%%/extra.ndjson;
recs_snapshots home redis=main prefix=home poll=1s;
recs_snapshots strict redis=main prefix=home missing=none;
recs_snapshots lenient redis=main prefix=home missing=previous;
recs_snapshots gone redis=gone prefix=home;
recs_user $arg_user;
recs_lookup_timeout 1s;
recs_max_body_size 64k;
recs_exclude seen basket;
server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    root %%TESTDIR%%/www;
    location = /status { recs_status; }
    location / { recs on; recs_pass home; }
    location /off { recs_pass home; }
    location /shadow { recs shadow; recs_pass home; }
    location /json { recs on; recs_pass home format=json; }
    location /msgpack { recs on; recs_pass home format=msgpack; }
    location /strict { recs on; recs_pass strict; }
    location /lenient { recs on; recs_pass lenient; }
    location /gone { recs on; recs_pass gone; error_page 503 = /fallback; }
    location = /fallback { return 200 "instead"; }
    location /arm { recs on; recs_pass home channel=$arg_arm; }
    location /tagged { recs on; recs_pass home; recs_tag both; }
    location /reject {
        recs on;
        recs_freshness candidates on_stale=reject max_age=10s;
        recs_pass home;
        error_page 502 = /fallback;
    }
    location /versions {
        recs on;
        recs_version schema accept=4;
        recs_version snapshot body=/v;
        recs_pass home;
    }
    location /expires { recs on; recs_expires 2h; recs_pass home; }
    location /filled { recs on; recs_backfill extra min=3; recs_pass home; }
    location /ssi {
        ssi on;
        ssi_types text/plain;
        default_type text/plain;
        alias %%TESTDIR%%/www/;
    }
    location /limited {
        recs on;
        if ($arg_x) { set $y 1; }
        recs_pass home;
    }
    location /version/active {
        add_header X-Version $recs_active_home;
        add_header X-Canary $recs_active_home_canary;
        return 204;
    }
    location /version/canary {
        add_header X-Version $recs_active_home_canary;
        return 204;
    }
}
HTTP

done_when_ready();


sub done_when_ready {
    ok(wait_until(sub { $t->get('/?user=u1')->status == 200 }),
       'a version is adopted');
    ok(wait_until(sub {
        ($t->get('/version/canary')->header('X-Version') // '') eq 'v2'
    }), 'in each channel');
}


subtest 'a page' => sub {
    my $r = $t->get('/?user=u1');
    is $r->status, 200, 'is there';
    is $r->body, '{"v":"v1", "items":[{"id":"b"}, {"id":"c"}, {"id":"d"}]}',
        'filtered, its other bytes as they were';
    is $r->header('Content-Type'), 'application/json', 'its type';
    is $r->header('Content-Length'), length $r->body, 'its length';
    is $r->header('Vary'), 'Accept', 'Vary';
    is $r->header('Recs-Snapshot'), 'v1', 'the version';
    is $r->header('Recs-Model-Version'), 'm-v1', 'the model';
    is $r->header('Recs-Schema-Version'), '3', 'the schema';
    is $r->header('Recs-Feature-Version'), 'f1', 'the features';
    like $r->header('Recs-Age'), qr/^5\d$/, 'the age';
    like $r->header('Recs-Filter'),
        qr/^filtered;row=user;total=4;kept=3;removed=1/, 'what was done';

    my $etag = $r->header('ETag');
    $r = $t->get('/?user=u1', 'If-None-Match' => $etag);
    is $r->status, 304, 'nothing new';
    is $t->get('/?user=u1&basket=b', 'If-None-Match' => $etag)->status, 200,
        'something new';

    $r = $t->request('HEAD', '/?user=u1');
    is $r->status, 200, 'HEAD';
    is $r->body, '', 'without a body';
    is $r->header('Recs-Snapshot'), 'v1', 'but with a version';
    is $r->header('Content-Length'), undef, 'of unknown length';
    is $t->request('POST', '/?user=u1')->status, 405, 'POST';

    is ids($t->http2(port => 'H2')->get('/?user=u1')), 'b c d', 'HTTP/2';
    is ids($t->get('/limited?user=u1&x=1')), 'b c d', 'in an if block';
    is $t->get('/off?user=u1')->body, page('v1', qw(a b c d)), 'recs off';
    $r = $t->get('/shadow?user=u1');
    is $r->body, page('v1', qw(a b c d)), 'recs shadow';
    like $r->header('Recs-Filter'), qr/^shadow;row=user;total=4;kept=3/,
        'says what would have been done';

    $r = $t->get('/tagged?user=u1');
    is $r->json->{_recs}{row}, 'user', 'the tag says it, too';
    is $r->json->{_recs}{snapshot}, 'v1', 'with the version';
};


subtest 'users' => sub {
    is ids($t->get('/?user=nobody')), 'p q', 'without a row: the default';
    like $t->get('/?user=nobody')->header('Recs-Filter'), qr/;row=default;/,
        'which is said';
    is ids($t->get('/')), 'p q', 'without a name';
    is ids($t->get('/?user=_default')), 'p q', 'called _default';

    my $r = $t->get('/strict?user=nobody');
    is $r->status, 204, 'missing=none';
    is $r->header('Recs-Filter'), 'bypassed;why=status;row=none', 'tagged';
    is $r->header('Recs-Snapshot'), 'v1', 'with its version';
    is $t->get('/strict')->status, 204, 'who has no name has no row';
    is ids($t->get('/strict?user=u1')), 'b c d', 'who has one, has it';
    is $t->get('/?user=list')->status, 200, 'a row of the wrong type';
};


subtest 'a path as a user' => sub {
    my $nginx2 = $t->nginx(name => 'path', http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_snapshots home redis=main prefix=home;
recs_lookup_timeout 1s;
server {
    listen %%LISTEN_P%%;
    location ~ ^/(?<who>(?s:.*))$ {
        recs on;
        recs_user $who;
        recs_pass home;
    }
}
HTTP
    my $get = sub {
        my ($user) = @_;
        $user =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
        return $t->get("/$user", { port => 'P' });
    };

    ok wait_until(sub { $get->('u1')->status == 200 }), 'ready';

    for my $name (sort keys %odd) {
        next if $name eq 'bytes';       # nginx refuses %00
        is ids($get->($odd{$name})),
           $name eq 'long' ? 'long' : 'odd', $name;
    }

    is ids($get->('x' x 1025)), 'p q', 'longer than a name may be';
    is ids($get->('x' x 6000)), 'p q', 'much longer';
    ok $nginx2->quit, 'quits';
};


subtest 'channels' => sub {
    is ids($t->get('/arm?user=u1&arm=canary')), 'b x', 'canary';
    is ids($t->get('/arm?user=u1&arm=active')), 'b c d', 'active';
    is ids($t->get('/arm?user=u1')), 'b c d', 'none';
    is ids($t->get('/arm?user=u1&arm=other')), 'b c d', 'one that is not there';
    is $t->get('/version/active')->header('X-Canary'), 'v2', 'the variable';
};


subtest 'formats' => sub {
    ok publish('v3'), 'another version';

    my $json = '{"items":[{"id":"b","n":300}]}';
    my $packed = $pack->pack({ items => [{ id => 'b', n => 300 }] });
    my ($j, $m) = qw(application/json application/msgpack);

    for (
        ['/', undef, $m, 'as it is stored'],
        ['/', '*/*', $m, 'anything'],
        ['/', 'application/*', $m, 'any application'],
        ['/', 'text/html', $m, 'neither'],
        ['/', $j, $j, 'JSON'],
        ['/', "$m;q=0.5, $j", $j, 'rather JSON'],
        ['/', "$j;q=0.5,$m;q=0.6", $m, 'rather MessagePack'],
        ['/', "*/*;q=0.1, $j;q=0.2", $j, 'by the most specific'],
        ['/', "$m;q=0, */*", $j, 'anything but MessagePack'],
        ['/', 'application/x-msgpack', 'application/x-msgpack', 'its old name'],
        ['/', 'application/vnd.msgpack, */*;q=0.1', 'application/vnd.msgpack',
         'its registered name'],
        ['/json', $m, $j, 'format=json'],
        ['/msgpack', $j, $m, 'format=msgpack'],
    ) {
        my ($path, $accept, $type, $name) = @$_;
        my $r = $t->get("$path?user=packed", $accept ? (Accept => $accept)
                                                     : ());
        is $r->header('Content-Type'), $type, $name;
        is $r->body, $type eq $j ? $json : $packed, "$name: the body";
        is $r->header('Content-Length'), length $r->body, "$name: its length";
        is $r->header('Vary'), $path eq '/' ? 'Accept' : undef, "$name: Vary";
    }

    is ids($t->get('/?user=dated')), 'b', 'a row in JSON';
    my $r = $t->get('/?user=dated', Accept => $m);
    is $r->header('Content-Type'), $m, 'as MessagePack';
    is $pack->unpack($r->body)->{items}[0]{id}, 'b', 'converted';

    $r = $t->get('/json?user=bin');
    is $r->body, '{"items":[{"id":"Yg=="}]}',
        'asked by its bytes, and shown as base64';

    $r = $t->get('/off?user=packed', Accept => $j);
    is $r->body, '{"items":[{"id":"a","n":1},{"id":"b","n":300}]}', 'recs off';
    $r = $t->get('/shadow?user=packed', Accept => $j);
    is $r->body, '{"items":[{"id":"a","n":1},{"id":"b","n":300}]}', 'shadow';

    $r = $t->get('/filled?user=packed', Accept => $m);
    is_deeply [map { $_->{id} } @{ $pack->unpack($r->body)->{items} }],
              [qw(b e1 e2)], 'filled up in MessagePack';
    $r = $t->get('/tagged?user=packed');
    is $pack->unpack($r->body)->{_recs}{state}, 'filtered', 'tagged in it';
};


subtest 'rows that are no pages' => sub {
    is $t->get("/?user=$_")->status, 502, $_
        for qw(text empty scalar cut bomb huge large);
    is $t->get('/?user=map_key')->status, 200, 'a name that is an array';
    is $t->get('/json?user=map_key')->status, 502, 'which JSON has not';
    is ids($t->get('/?user=nobody')), 'q', 'others are served';
    is $t->get('/off?user=text')->body, 'nothing', 'recs off: as it is';
    is $t->get('/shadow?user=text')->status, 200, 'shadow: as it is';
};


subtest 'ages' => sub {
    my $r = $t->get('/expires?user=dated');
    like $r->header('Recs-Age'), qr/^50\d$/, 'the row\'s own date';
    like $r->header('Cache-Control'), qr/^private, max-age=(?:9\d|100)$/,
        'the row\'s own life';
    like $t->get('/expires?user=nobody')->header('Cache-Control'),
        qr/^private, max-age=3[45]\d\d$/, 'the snapshot\'s';

    $r = $t->get('/?user=old');
    like $r->header('Recs-Filter'), qr/^stale;.*;stale="candidates"/, 'stale';
    is $r->header('Cache-Control'), 'private, no-cache', 'not kept';
    is $t->get('/reject?user=dated')->body, 'instead', 'on_stale=reject';

    $r = $t->get('/versions?user=nobody');
    like $r->header('Recs-Filter'), qr/^skewed;.*;skew="schema"/,
        'the snapshot\'s schema isn\'t accepted';
    is $r->header('Recs-Snapshot'), 'v3', 'a version of the row\'s own';
};


subtest 'the version before' => sub {
    ok publish('v1'), 'v1';
    ok publish('v2'), 'then v2';
    ok wait_until(sub {
        ($t->get('/lenient?user=u1')->header('Recs-Snapshot') // '') eq 'v2'
    }), 'is served';

    my $r = $t->get('/lenient?user=only1');
    is ids($r), 'o', 'missing=previous';
    is $r->header('Recs-Snapshot'), 'v1', 'with the version it is of';
    is $r->header('Recs-Model-Version'), 'm-v1', 'and the model';
    like $r->header('Recs-Filter'), qr/;row=previous;/, 'and said';
    is ids($t->get('/?user=only1')), 'r s', 'else the default';
};


subtest 'a page in parts is of one version' => sub {
    my $text = join ' ', map { "<!--# include virtual=\"/?user=u$_\" -->" }
                         1 .. 8;
    $t->write('www/parts', $text);

    for my $n (1 .. 20) {
        my $c = $t->http;
        my $sent = $c->send('GET', '/ssi/parts');
        point($n % 2 ? 'v1' : 'v2', 'active');
        my %seen = map { $_ => 1 } $c->response($sent)->body =~ /"v":"(v\d)"/g;
        is scalar keys %seen, 1, "in turn $n";
    }
};


subtest 'Redis is gone' => sub {
    is $t->get('/gone?user=u1')->body, 'instead',
        '503 where nothing was ever adopted';

    ok publish('v2'), 'v2';
    is ids($t->get('/?user=u1')), 'b x', 'while it is there';
    $redis->freeze;

    my $r = $t->get('/?user=u1');
    is ids($r), 'r s', 'frozen: the last known default';
    like $r->header('Recs-Filter'), qr/^degraded;row=kept;/,
        'no set answers either';
    is $r->header('Recs-Snapshot'), 'v2', 'its version';
    is $r->header('Cache-Control'), 'private, no-cache', 'not kept';

    $r = $t->get('/off?user=u1');
    is ids($r), 'r s', 'without a filter';

    ok $nginx->reload(wait => 0), 'a reload meanwhile';
    ok wait_until(sub { ids($t->get('/?user=u1')) eq 'r s' }),
        'goes on with what shared memory holds';

    $redis->thaw;
    ok wait_until(sub { ids($t->get('/?user=u1')) eq 'b x' }), 'it is back';

    my $status = $t->get('/status')->json;
    cmp_ok $status->{snapshots}{home}{kept} // 0, '>=', 2, 'counted'
        or diag(explain($status->{snapshots}));
};


$t->expect_log(qr/recs_(?:redis|set|snapshots)|recs: /);
$t->done;
