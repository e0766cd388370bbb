use strict;
use warnings;

# What was shown is recorded in Redis, once the whole response was delivered:
# ids with the time, for each user, so that nobody gets them again too soon.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my $redis = $t->redis;
my $other = $t->redis(name => 'other');

# One whose connections are opened slowly, once there is a file "slow".

my $fake = $t->fake_redis(sub {
    my ($cmd) = @_;

    return "+OK\r\n" if ($cmd->[1] // '') =~ /poison/;
    return ":1\r\n" if $cmd->[0] ne 'PING';

    wait_until(sub { -e $t->dir . '/go-fake' }, 30) if -e $t->dir . '/slow';
    return "+PONG\r\n";
});

sub page { return '{"items":[' . join(',', map { qq({"id":"$_"}) } @_) . ']}' }

# What an upstream answers: "items" as a page, or what else the arguments say.
# "hold" waits for a file.

my $api = $t->upstream(sub {
    my ($req) = @_;
    my $args = $req->{args};

    wait_until(sub { -e $t->dir . "/go-$args->{hold}" }, 30) if $args->{hold};

    return { headers => ['X-Accel-Redirect' => $args->{to}], body => '' }
        if $args->{to};
    return { type => 'text/html', $args->{cut} ? (cut => $args->{cut}) : (),
             body => "<!--# include virtual=\"/users?u=$args->{u}&items=p\" -->"
                     . 'x' x 100_000 }
        if $req->{path} =~ /^.broken/;

    return { headers => ['X-User' => $args->{of} // ''],
             $args->{cut} ? (cut => $args->{cut}) : (),
             body => $args->{page} // page(split / /, $args->{items} // '') };
}, keepalive => 1);

my @big = map { "big$_" . 'x' x 900 } 1 .. 300;

$t->write('www/big.json', page(@big));
$t->write('www/small.json', page(qw(s1 s2)));
$t->write('www/one.html',
    'a<!--# include virtual="/users?u=ssi1&items=p+q" -->'
    . '<!--# include virtual="/users?u=ssi2&items=r" -->b');
$t->write('www/long.html',
    '<!--# include virtual="/users?u=ssi3&items=p+q" -->' . 'x' x 300_000);
$t->write('pool.ndjson', join '', map { "{\"id\":\"$_\"}\n" } qw(n1 n2 n3 n4));

my $http = <<'HTTP';
recs_redis main { server %%REDIS%%; }
recs_redis wide { server %%REDIS%%; }
recs_redis other { server %%OTHER%%; timeout 60s; }
recs_redis fake { server %%FAKE%%; connect_timeout 60s; timeout 60s; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }

recs_set seen redis=main key=shown:$recs_user type=zset within=1h;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;

log_format shown '$request_uri $status $request_completion';

recs on;
recs_user $arg_u;
recs_max_body_size 10m;
recs_record_shown redis=main key=shown:$recs_user within=1h;

server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    default_type application/json;
    root %%TESTDIR%%/www;
    access_log %%TESTDIR%%/shown.log shown;

    location / { return 404; }
    location /users { proxy_pass http://%%API%%; }
    location /off { recs_record_shown off; proxy_pass http://%%API%%; }
    location /shadow { recs shadow; proxy_pass http://%%API%%; }
    location /three {
        recs_record_shown redis=main key=shown:$recs_user within=1h max=3;
        proxy_pass http://%%API%%;
    }
    location /ms {
        recs_record_shown redis=main key=ms:$recs_user within=1h unit=ms;
        proxy_pass http://%%API%%;
    }
    location /always {
        recs_record_shown redis=main key=shown:$recs_user;
        proxy_pass http://%%API%%;
    }
    location ~ "(?s)^/raw/(?<raw>.*)$" {
        recs_record_shown redis=main key=shown:$raw within=1h;
        rewrite ^ /raw break;
        proxy_pass http://%%API%%;
    }
    location /of {
        recs_record_shown redis=main key=of:$upstream_http_x_user;
        proxy_pass http://%%API%%;
    }
    location /cool { recs_exclude seen; proxy_pass http://%%API%%; }
    location /put {
        recs_items /items /more;
        recs_distinct on;
        recs_limit 3;
        recs_backfill fresh min=4;
        recs_explore fresh rate=100% slots=2 salt=s;
        proxy_pass http://%%API%%;
    }
    location /other {
        recs_record_shown redis=other key=shown:$recs_user within=1h;
        proxy_pass http://%%API%%;
    }
    location /fake {
        recs_record_shown redis=fake key=shown:$recs_user within=1h max=9;
        proxy_pass http://%%API%%;
    }
    location /gone {
        recs_record_shown redis=gone key=shown:$recs_user within=1h;
        proxy_pass http://%%API%%;
    }

    location /small.json { }
    location /many.json {
        recs_max_items 200000;
        recs_record_shown redis=wide key=shown:$recs_user within=1h;
    }
    location /wide {
        recs_record_shown redis=wide key=shown:$recs_user within=1h;
        proxy_pass http://%%API%%;
    }
    location /large.json {
        recs_record_shown redis=other key=shown:$recs_user within=1h;
    }
    location /page.msgpack { types { } default_type application/msgpack; }
    location /big.json { limit_rate 20k; limit_rate_after 100k; }
    location /paced.json { alias %%TESTDIR%%/www/big.json; limit_rate 400k; }
    location /fast.json { alias %%TESTDIR%%/www/big.json; }
    location /long.html { recs off; ssi on; types { } default_type text/html;
                          limit_rate 20k; limit_rate_after 100k; }
    location /one.html { recs off; ssi on; types { } default_type text/html; }
    location /broken { recs off; ssi on; proxy_pass http://%%API%%; }
    location /broken-unbuffered {
        recs off;
        ssi on;
        proxy_buffering off;
        proxy_pass http://%%API%%;
    }

    location /redirected { proxy_pass http://%%API%%; }
    location /skewed {
        recs_version model value=old accept=new;
        recs_on_skew reject;
        error_page 502 = @fallback;
        proxy_pass http://%%API%%;
    }
    location @fallback { rewrite ^ /small.json?u=fallback break; }
    location /posted { post_action /done; proxy_pass http://%%API%%; }
    location /done { return 204; }
    location /status { recs off; recs_status; }
}
HTTP

my $nginx = $t->nginx(http => $http);

sub recorded { return $redis->cmd('ZRANGE', "shown:$_[0]", 0, -1) }
sub status { return $t->get('/status')->json->{redis} }
sub counted { return status()->{ $_[0] // 'main' }{recorded} }

# The ids are there, and no others.

sub is_recorded {
    my ($user, $ids, $name) = @_;
    my @wanted = sort split / /, $ids;

    wait_until(sub { @{ recorded($user) } >= @wanted });
    is_deeply([sort @{ recorded($user) }], \@wanted, $name);
}

# Nothing is: what finished before has been recorded when something later is,
# and it has finished when it stands in the log.

my $marks = 0;

sub is_not_recorded {
    my ($user, $uri, $name) = @_;
    my $mark = 'mark' . ++$marks;

    ok(wait_until(sub { $t->read('shown.log') =~ /^\Q$uri\E /m }),
        "$uri has finished");
    $t->get("/users?u=$mark&items=m");
    ok(wait_until(sub { @{ recorded($mark) } }), 'a later one is recorded');
    is_deeply(recorded($user), [], $name);
}


subtest 'ids and the time' => sub {
    my $before = time;
    my $r = $t->get('/users?u=u1&items=b+a+c');

    is($r->body, page(qw(b a c)));
    is_recorded('u1', 'a b c', 'the page');

    my %score = @{ $redis->cmd('ZRANGE', 'shown:u1', 0, -1, 'WITHSCORES') };
    my @times = sort values %score;

    is($times[0], $times[-1], 'one time for the page');
    cmp_ok($times[0], '>=', $before - 0.01, 'not before it');
    cmp_ok($times[0], '<=', time + 0.01, 'not after it');

    my $ttl;
    wait_until(sub { ($ttl = $redis->cmd('TTL', 'shown:u1')) > 0 });
    cmp_ok($ttl, '>', 3500, 'the key goes when nothing counts any more');
    cmp_ok($ttl, '<=', 3601);

    $t->get('/users?u=u1&items=a+d');
    is_recorded('u1', 'a b c d', 'another page');

    my %now = @{ $redis->cmd('ZRANGE', 'shown:u1', 0, -1, 'WITHSCORES') };
    cmp_ok($now{a}, '>=', $score{a}, 'shown again: the later time');
    is($now{b}, $score{b}, 'not shown again: its time stays');
};


subtest 'nobody gets the same item again, on any nginx' => sub {
    is($t->get('/cool?u=c1&items=a+b')->body, page(qw(a b)), 'first');
    is_recorded('c1', 'a b');
    is($t->get('/cool?u=c1&items=a+b+c')->body, page('c'), 'then others');
    is_recorded('c1', 'a b c');
    is($t->get('/cool?u=c2&items=a+b')->body, page(qw(a b)), 'another user');

    my $second = $t->nginx(name => 'second', http =>
        $http =~ s/%%LISTEN%%/%%LISTEN_B%%/r =~ s/%%LISTEN_H2%%/%%LISTEN_C%%/r);

    is($t->request('GET', '/cool?u=c1&items=a+c+d', { port => 'B' })->body,
        page('d'), 'another nginx');
    is_recorded('c1', 'a b c d', 'which records, too');
    is($t->get('/cool?u=c1&items=d+e')->body, page('e'), 'and the first again');

    $redis->cmd('ZADD', 'shown:c1', 'XX', time - 3700, 'a');
    is($t->get('/cool?u=c1&items=a+b')->body, page('a'), 'until it is over');
    $second->quit(Recs::Mode::patience(10));
};


subtest 'in milliseconds' => sub {
    my $before = int(1000 * time) - 10;

    $redis->cmd('ZADD', 'ms:m1', $before - 3_700_000, 'old',
                                 $before - 3_000_000, 'young');
    $t->get('/ms?u=m1&items=a+b');
    ok(wait_until(sub { $redis->cmd('TTL', 'ms:m1') > 0 }), 'recorded');

    my %score = @{ $redis->cmd('ZRANGE', 'ms:m1', 0, -1, 'WITHSCORES') };
    is(join(' ', sort keys %score), 'a b young', 'trimmed by age');
    like($score{a}, qr/^\d{13}$/, 'a time in ms');
    cmp_ok($score{a}, '>=', $before, 'not before');
    cmp_ok($score{a}, '<=', 1000 * time + 10, 'not after');
};


subtest 'what is too old goes, and what is too much' => sub {
    $redis->cmd('ZADD', 'shown:t1', time - 3700, 'old', time - 3000, 'young');
    $t->get('/users?u=t1&items=a');
    ok(wait_until(sub { $redis->cmd('TTL', 'shown:t1') > 0 }));
    is_recorded('t1', 'a young', 'by age');

    $t->get('/three?u=t2&items=a+b');
    is_recorded('t2', 'a b');
    $redis->cmd('ZADD', 'shown:t2', time - 50, 'a', time - 40, 'b');
    $t->get('/three?u=t2&items=c+d');
    ok(wait_until(sub { ! defined $redis->cmd('ZSCORE', 'shown:t2', 'a') }));
    is_recorded('t2', 'b c d', 'by number: the oldest');

    $redis->cmd('ZADD', 'shown:t3', 1000, 'old');
    $t->get('/always?u=t3&items=a');
    is_recorded('t3', 'a old', 'neither');
    is($redis->cmd('TTL', 'shown:t3'), -1, 'and the key stays');
};


subtest 'all that was put in, where it stands' => sub {
    my $r = $t->get('/put?u=p1&page='
                    . '{"items":["a","b","c","d"],"more":["a","e"]}');
    my $page = $r->json;

    is(@{ $page->{items} }, 4, 'the first shelf');
    is(@{ $page->{more} }, 4, 'the second');
    is_recorded('p1', join(' ', @{ $page->{items} }, @{ $page->{more} }),
        'candidates, backfill and exploration');
};


subtest 'any bytes' => sub {
    $t->get('/users?u=b1&page={"items":['
        . '{"id":"a%5Cu0000b"},{"id":"%5Cu00e9%5Cr%5Cn*1"},{"id":""},'
        . '{"id":12},{"ad":1}]}');
    ok(wait_until(sub { @{ recorded('b1') } >= 3 }));
    is_deeply([sort @{ recorded('b1') }],
        [sort "a\0b", "\xc3\xa9\r\n*1", '', '12'], 'in ids');

    $t->get('/raw/b2%0D%0A*1%FF?items=a');
    is_recorded("b2\r\n*1\xff", 'a', 'in keys');

    $t->write('www/page.msgpack',
        "\x81\xa5items\x92\x81\xa2id\xc4\x02\x00\xff\x81\xa2id\x07");
    $t->get('/page.msgpack?u=b3');
    ok(wait_until(sub { @{ recorded('b3') } >= 2 }));
    is_deeply([sort @{ recorded('b3') }], ["\0\xff", '7'], 'of MessagePack');
};


subtest 'the key is what it was when the page was sent' => sub {
    $t->get('/of?of=k1&items=a');
    ok(wait_until(sub { $redis->cmd('ZCARD', 'of:k1') }), 'of the upstream');

    $t->get('/posted?u=k2&items=a');
    is_recorded('k2', 'a', 'a post_action comes later');

    my $before = counted()->{unkeyed};
    $t->get('/users?items=a');
    ok(wait_until(sub { counted()->{unkeyed} == $before + 1 }), 'none');
    is($redis->cmd('EXISTS', 'shown:'), 0, 'is not recorded');
};


subtest 'not what a client did not get' => sub {
    my $r = $t->request('HEAD', '/users?u=h1&items=a');
    is($r->status, 200);
    is_not_recorded('h1', '/users?u=h1&items=a', 'HEAD');

    $r = $t->get('/users?u=e0&items=a');
    my $again = $t->get('/users?u=e1&items=a',
        'If-None-Match' => $r->header('ETag'));
    is($again->status, 304);
    is_not_recorded('e1', '/users?u=e1&items=a', 'not modified');

    is($t->get('/shadow?u=w1&items=a')->status, 200);
    is_not_recorded('w1', '/shadow?u=w1&items=a', 'shadow');

    is($t->get('/users?u=m1&page=none')->status, 200);
    is_not_recorded('m1', '/users?u=m1&page=none', 'a page that is none');

    is($t->get('/off?u=o1&items=a')->status, 200);
    is_not_recorded('o1', '/off?u=o1&items=a', 'off');
};


subtest 'a client that leaves in the middle' => sub {
    for my $how (qw(close reset)) {
        my $c = $t->http;
        $c->send('GET', "/big.json?u=$how");
        is($c->head->status, 200);
        $c->take(1000);
        $how eq 'close' ? $c->close : $c->reset;
        is_not_recorded($how, "/big.json?u=$how", $how);
    }

    my $c = $t->http;
    $c->send('GET', '/users?u=early&hold=early&items=a');
    $api->requests;
    $c->close;
    ok(wait_until(sub {
        $t->read("shown.log") =~ m{^/users\?u=early\S* 499 }m
    }), 'it has left');
    $t->write('go-early', '');
    is_not_recorded('early', '/users?u=early&hold=early&items=a',
        'before there is a page');
};


subtest 'one that stays' => sub {
    is(length $t->get('/paced.json?u=l1')->body, length page(@big));
    is_recorded('l1', "@big", 'with limit_rate');

    my $c = $t->http;
    is(length $c->get('/fast.json?u=l2')->body, length page(@big));
    is_recorded('l2', "@big", 'a large page');
    $c->get('/users?u=l3&items=a');
    is_recorded('l3', 'a', 'the same connection, again');
    $c->get('/users?u=l3&items=b');
    is_recorded('l3', 'a b', 'and again');

    my @users = map { "pipe$_" } 1 .. 5;
    $c->write(join '', map {
        "GET /users?u=$_&items=a+b HTTP/1.1\r\nHost: a\r\n\r\n" } @users);
    for my $user (@users) {
        $c->expect('GET');
        is($c->response->status, 200);
    }
    is_recorded($_, 'a b', $_) for @users;

    is($t->http->request('GET', '/users?u=l4&items=a', { version => '1.0' })
        ->status, 200);
    is_recorded('l4', 'a', 'HTTP/1.0');
};


subtest 'HTTP/2' => sub {
    my $c = $t->http2(port => 'H2');
    my @streams = map { $c->send('GET', "/users?u=h2_$_&items=a+b") } 1 .. 20;

    is($c->response($_)->status, 200) for @streams;
    is_recorded("h2_$_", 'a b', "stream $_") for 1 .. 20;

    is(length $c->get('/fast.json?u=h2_big')->body, length page(@big));
    is_recorded('h2_big', "@big", 'a large page');

    my $slow = $t->http2(port => 'H2', window => 1000);
    my $id = $slow->send('GET', '/fast.json?u=h2_flow');
    is(length $slow->response($id)->body, length page(@big));
    is_recorded('h2_flow', "@big", 'a small window');

    $id = $c->send('GET', '/big.json?u=h2_reset');
    is($c->head($id)->status, 200);
    $c->reset_stream($id);
    is_not_recorded('h2_reset', '/big.json?u=h2_reset', 'RST_STREAM');
    is($c->get('/users?u=h2_after&items=a')->status, 200);
    is_recorded('h2_after', 'a', 'the connection goes on');

    my $lost = $t->http2(port => 'H2', window => 1000);
    $id = $lost->send('GET', '/fast.json?u=h2_lost');
    is($lost->head($id)->status, 200);
    $lost->reset;
    is_not_recorded('h2_lost', '/fast.json?u=h2_lost', 'a lost connection');
};


subtest 'subrequests, by the end of the main request' => sub {
    my $r = $t->get('/one.html');

    is($r->body, 'a' . page(qw(p q)) . page('r') . 'b');
    is_recorded('ssi1', 'p q', 'one');
    is_recorded('ssi2', 'r', 'and another');

    my $c = $t->http;
    $c->send('GET', '/long.html');
    is($c->head->status, 200);
    $c->take(1000);
    is_deeply(recorded('ssi3'), [], 'not before the end');
    $c->close;
    is_not_recorded('ssi3', '/long.html', 'nor when that is none');

    $r = $t->get('/broken?u=ssi4');
    ok($r->complete);
    is_recorded('ssi4', 'p', 'a page from an upstream');

    for my $path (qw(/broken /broken-unbuffered)) {
        $r = $t->get("$path?u=ssi5&cut=50000");
        ok(!$r->complete);
        like($r->raw, qr/"id":"p"/);
        is_not_recorded('ssi5', "$path?u=ssi5&cut=50000", 'which broke off');
    }
};


subtest 'internal redirects and error pages' => sub {
    is($t->get('/redirected?u=r1&to=/small.json?u=r2')->body, page(qw(s1 s2)));
    is_recorded('r2', 's1 s2', 'X-Accel-Redirect');
    is_deeply(recorded('r1'), [], 'not what was redirected');

    is($t->get('/skewed?u=r3&items=a')->body, page(qw(s1 s2)));
    is_recorded('fallback', 's1 s2', 'a fallback');
    is_not_recorded('r3', '/skewed?u=r3&items=a', 'not what was rejected');

    $redis->cmd('DEL', 'shown:fallback');
    is($t->get('/skewed?u=r4&items=a&cut=5')->body, page(qw(s1 s2)));
    is_recorded('fallback', 's1 s2', 'also of an upstream that broke off');
    is_not_recorded('r4', '/skewed?u=r4&items=a&cut=5',
                    'but not what that had');
};


subtest 'Redis says no' => sub {
    my $before = counted()->{refused};

    $redis->cmd('SADD', 'shown:s1', 'x');
    $t->get('/users?u=s1&items=a');
    ok(wait_until(sub { counted()->{refused} == $before + 1 }), 'counted');
    is($redis->cmd('TTL', 'shown:s1'), -1, 'what stood there stays');
    ok($nginx->wait_log(qr/recs_redis "main" does not record.*WRONGTYPE/),
       'logged');

    $t->get('/users?u=s2&items=a');
    is_recorded('s2', 'a', 'others are recorded');
};


subtest 'more ids than fit into a command' => sub {
    my $before = counted('wide');

    my $many = page(map { 'm' . $_ } 1 .. 140_000);
    chmod 0644, $t->write('www/many.json', $many);
    ok($t->get('/many.json?u=m1')->body eq $many, 'the page comes');
    $t->get('/wide?u=m2&items=a');
    is_recorded('m2', 'a', 'the next one is recorded');
    is_deeply(recorded('m1'), [], 'it is not');
    is(counted('wide')->{refused}, $before->{refused} + 1, 'but counted');
    ok($nginx->wait_log(qr/"wide" does not record.*too many bytes/),
       'and told');
};


subtest 'an answer that is none, time and again' => sub {
    my $before = counted('fake');

    $t->get("/fake?u=$_&items=a") for qw(p1 poison poison-too p2);
    ok(wait_until(sub { counted('fake')->{responses}
                        == $before->{responses} + 2 }, 30),
       'others are recorded');
    is(counted('fake')->{refused}, $before->{refused} + 2,
       'it is given up, and counted');
    ok($nginx->wait_log(qr/"fake" does not record.*lost over a page/),
       'logged');
    is(scalar(grep { $_->[0] eq 'ZADD' && $_->[1] eq 'shown:poison' }
              $fake->commands), 5, 'after five times');
};


subtest 'Redis is slow' => sub {
    $t->get('/other?u=f0&items=a');
    ok(wait_until(sub { counted('other')->{responses} == 1 }), 'it answers');

    my $before = counted('other');
    $other->freeze;

    my $c = $t->http;
    is($c->get("/other?u=f$_&items=a+b")->status, 200) for 1 .. 50;
    is(counted('other')->{responses}, $before->{responses}, 'nobody waits');

    $other->thaw;
    ok(wait_until(sub {
        counted('other')->{responses} == $before->{responses} + 50 }),
        'all is recorded then');
    is($other->cmd('ZCARD', 'shown:f50'), 2);
    is(counted('other')->{ids}, $before->{ids} + 100);
    is(counted('other')->{batches}, $before->{batches} + 2, 'in two batches');
    is(counted('other')->{dropped}, 0);
};


subtest 'Redis was away' => sub {
    my $before = counted('other')->{responses};

    $other->kill;

    my $c = $t->http;
    is($c->get("/other?u=k$_&items=a")->status, 200) for 1 .. 5;
    $other->start;
    ok(wait_until(sub { counted('other')->{responses} == $before + 5 }),
        'it is recorded when it is back');
    is($other->cmd('ZCARD', "shown:k$_"), 1) for 1 .. 5;
};


subtest 'Redis is being connected to' => sub {
    $t->get('/fake?u=c1&items=a');
    ok(wait_until(sub { counted('fake')->{responses} == 3 }), 'it answers');

    my ($worker) = $nginx->workers;

    $t->write('slow', '');
    $fake->stop;
    $fake->clear;
    $fake->start;
    is_deeply([sort map { $_->[0] } $fake->commands(3)], [qw(PING PING ROLE)]);

    is($t->get("/fake?u=c$_&items=a")->status, 200) for 2 .. 4;
    $t->write('go-fake', '');
    ok(wait_until(sub { counted('fake')->{responses} == 6 }),
        'all is recorded then');
    is_deeply([map { $_->[1] } grep { $_->[0] eq 'ZADD' } $fake->commands],
        [map { "shown:c$_" } 2 .. 4], 'once each');
    is(($nginx->workers)[0], $worker);
};


subtest 'more than can be kept' => sub {
    my $before = counted('other');

    $t->write('www/large.json', page(map { 'x' x 6000 . $_ } 1 .. 150));
    $other->kill;

    my $c = $t->http;
    is($c->get("/large.json?u=m$_")->status, 200) for 1 .. 20;

    my $dropped = counted('other')->{dropped} - $before->{dropped};
    cmp_ok($dropped, '>', 5, 'some are dropped');
    cmp_ok($dropped, '<', 15, 'some are kept');
    ok($nginx->wait_log(qr/dropped, \d+ wait for recs_redis "other" already/),
       'logged');

    $other->start;
    ok(wait_until(sub { counted('other')->{responses}
                        == $before->{responses} + 20 - $dropped }),
        'these are recorded');
    is($other->cmd('ZCARD', 'shown:m20'), 150, 'the last one');
    is($other->cmd('ZCARD', 'shown:m1'), 0, 'not the first one');
    ok($nginx->wait_log(qr/recorded in recs_redis "other" again, $dropped /));
};


subtest 'reloads' => sub {
    my $before = counted()->{responses};
    my $c = $t->http;

    $api->clear;
    $c->send('GET', '/users?u=w1&hold=reload&items=a+b');
    $api->requests;

    my ($old) = $nginx->workers;
    ok($nginx->reload(http => $http, wait => 0));
    $t->write('go-reload', '');
    is($c->response->body, page(qw(a b)), 'an old worker answers');
    is_recorded('w1', 'a b', 'and records');
    ok(wait_until(sub { counted()->{responses} > $before }),
        'counted with what was before');
    ok(wait_until(sub { !kill 0, $old }, Recs::Mode::patience(10)),
        'and ends');
};


subtest "a worker's end" => sub {
    my $dropped = counted('gone')->{dropped};

    is($t->get('/gone?u=g1&items=a')->status, 200) for 1 .. 3;
    ok($nginx->reload(http => $http), 'it does not wait long for Redis');
    is(counted('gone')->{dropped}, $dropped + 3, 'counted');
    ok($nginx->wait_log(qr/what 3 responses showed is not recorded/), 'logged');
    is(counted('gone')->{responses}, 0);
};


subtest 'configurations that are wrong' => sub {
    my $redis = 'recs_redis main { server unix:/x; }';

    for my $case (
        ['redis=main', 'must have "redis=" and "key="'],
        ['key=k', 'must have "redis=" and "key="'],
        ['redis=main key=k x=1', 'invalid parameter "x=1"'],
        ['redis=main key=k key=l', 'duplicate parameter "key=l"'],
        ['redis=main key=k:$1', 'the like, name the capture'],
        ['redis=none key=k', 'no recs_redis "none" is defined'],
        ['redis=main key=k within=0', 'it must be a time such as "7d"'],
        ['redis=main key=k within=11y', 'it must be a time such as "7d"'],
        ['redis=main key=k unit=min', 'it must be "s" or "ms"'],
        ['redis=main key=k max=0', 'it must be a number from 1 to 1000000'],
        ['redis=main key=k; recs_record_shown off', 'is duplicate'],
    ) {
        my ($parameters, $says) = @$case;
        my ($code, $said) = $t->nginx_test(
            "$redis\nserver { listen %%LISTEN%%; location / {\n"
            . "recs_record_shown $parameters; } }");

        isnt($code, 0, $parameters);
        like($said, qr/\Q$says\E.* in \S+:\d+/, $says);
    }
};

$t->done;
