use strict;
use warnings;

# recs_pass gives a right page, or an error in time, when clients leave, Redis
# is late, a version changes in the middle of a request, or nginx is reloaded.

use FindBin;
use lib "$FindBin::Bin/lib";

use Data::MessagePack;
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;
my $redis = $t->redis;
my $pack = Data::MessagePack->new->canonical->utf8;
my ($j, $m) = qw(application/json application/msgpack);

sub load {
    my ($version, %rows) = @_;

    $rows{_default} //= page($version, '_default');
    $redis->cmd('SET', "home:$version:u:$_", $rows{$_}) for keys %rows;
    $redis->cmd('HSET', "{home}:$version:meta", model => "m-$version",
                schema => 1, features => 1, generated_at => int time,
                expected => 1, written => 1, state => 'complete');
}

sub page {
    my ($version, $user) = @_;

    return qq({"v":"$version","items":[{"id":"$user"}]});
}

# Points a channel to a version; without one, to none.

my $moved = 0;

sub point {
    my ($channel, $version) = @_;

    # Two moves are never at the same time.
    $moved = $moved + 0.001 > time ? $moved + 0.001 : time;

    $redis->pipeline(['MULTI'],
        [defined $version ? ('SET', "{home}:channel:$channel", $version)
                          : ('DEL', "{home}:channel:$channel")],
        ['LPUSH', '{home}:history', sprintf '{"time":%.3f}', $moved],
        ['PUBLISH', 'home:events', '{}'], ['EXEC']);

    return wait_until(sub {
        my $state = status()->{channels}{$channel}{active} // '';
        $state eq ($version // '');
    });
}

sub status { return $t->get('/status')->json->{snapshots}{home} }

# Waits until so many rows were asked for besides those before.

sub rows {
    my ($before, $n) = @_;

    return wait_until(sub { status()->{rows} >= $before + $n });
}

load($_, u1 => page($_, 'u1'), u2 => page($_, 'u2')) for 'v1' .. 'v3';
load('packed', _default => $pack->pack({ items => [{ id => 'a' }] }));
$redis->cmd('SET', '{home}:channel:active', 'v1');

# An upstream that answers when the test says so.

my $api = $t->upstream(sub {
    my ($req) = @_;

    my $n = $req->{args}{n};
    wait_until(sub { -e $t->dir . "/go$n" }, 30) if defined $n;

    return { body => '{"items":[]}',
             headers => ['X-Told' => join ' ', map { $_ // '' }
                         @{ $req->{headers} }{qw(x-active x-canary)}] };
}, keepalive => 1);

my $http = <<'HTTP';
recs_redis main { server %%REDIS%%; timeout 60s; }
recs_set seen redis=main key=seen;
recs_snapshots home redis=main prefix=home poll=1s;
recs_snapshots none redis=main prefix=home missing=none;
recs_user $arg_user;
recs_lookup_timeout 20s;
large_client_header_buffers 4 32k;
map $recs_active_home $mapped { default $recs_active_home; }
server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    root %%TESTDIR%%/www;
    location = /status { recs_status; }
    location / { recs on; recs_pass home; }
    location /off { recs_pass home; }
    location /sets { recs on; recs_exclude seen; recs_pass home; }
    location /canary { recs on; recs_pass home channel=canary; }
    location /ranked {
        set $at_start $recs_active_home;
        proxy_pass http://%%API%%;
        proxy_set_header X-Active $recs_active_home;
        proxy_set_header X-Canary $recs_active_home_canary;
        add_header X-Start $at_start;
        add_header X-Mapped $mapped;
        add_header X-Active $recs_active_home;
        add_header X-Canary $recs_active_home_canary;
    }
    location /soon { recs on; recs_lookup_timeout 50ms; recs_pass home; }
    location /if {
        recs on;
        recs_pass home;
        if ($arg_none) { recs_pass none; }
        if ($arg_return) { return 204; }
    }
    location /shadow { recs shadow; recs_pass home; }
    location /none { recs on; recs_pass none; }
    location /down { return 503; error_page 503 /instead; }
    location /replaced { return 503; error_page 503 =200 /instead; }
    location /instead { recs on; recs_pass home; }
    location /small {
        recs_max_body_size 1;
        recs on;
        recs_pass home;
        error_page 502 = @large;
    }
    location /refused {
        recs_pass home format=json;
        error_page 502 =200 /next;
    }
    location /next { recs_user u1; recs_pass home; }
    location @large { recs on; recs_pass home; }
    location /tried { try_files /no-such-file @large; }
    location /compressed {
        recs on;
        recs_pass home;
        gzip on;
        gzip_vary on;
        gzip_min_length 1;
        gzip_types application/json;
        limit_rate 100k;
    }
    location /ssi {
        ssi on;
        ssi_types text/plain;
        default_type text/plain;
        alias %%TESTDIR%%/www/;
    }
    location /asks { auth_request /auth; mirror /mirrored; return 200 yes; }
    location /allowed { auth_request /auth; mirror /mirrored; recs_pass home; }
    location = /auth { internal; recs on; recs_user u1; recs_pass home; }
    location = /mirrored { internal; recs on; recs_user u2; recs_pass home; }
}
HTTP

my $nginx = $t->nginx(workers => 1, reloads => 0, http => $http,
    access_log => q('$request_uri $recs_active_home $recs_active_home_canary'));

ok wait_until(sub { $t->get('/?user=u1')->status == 200 }), 'v1 is served';


subtest 'a request sees one version from its start to its log line' => sub {
    my $n = 0;

    # canary follows active; then it is another version; then not any more
    for my $change (sub { point(active => 'v2') },
                    sub { point(canary => 'v3') },
                    sub { point(canary => undef) })
    {
        my $s = status()->{channels};
        my $active = $s->{active}{active};
        my $canary = $s->{canary}{active} // $active;

        $n++;
        my $c = $t->http;
        $api->clear;
        $c->send('GET', "/ranked?n=$n");
        ok $api->requests(1), 'under way';
        ok $change->(), 'a change meanwhile';
        $t->write("go$n", '');

        my $r = $c->response;
        is $r->header('X-Told'), "$active $canary", 'the upstream was told';
        is $r->header($_), $active, $_ for qw(X-Active X-Mapped X-Start);
        is $r->header('X-Canary'), $canary, 'X-Canary';

        my $lines = $t->log_mark($nginx);
        is scalar(grep { $_ eq "/ranked?n=$n $active $canary" }
                  $nginx->access_log($lines)), 1, 'the log';
    }
};


subtest 'an answer that comes late' => sub {
    point(active => 'v1');
    $redis->freeze;

    for (1 .. 3) {
        my $r = $t->get('/soon?user=u1');
        is $r->json->{items}[0]{id}, '_default', 'the kept page meanwhile';
        like $r->header('Recs-Filter'), qr/^stale;row=kept/, 'tagged';
    }

    $redis->thaw;

    ok wait_until(sub {
        $t->get('/soon?user=u2')->json->{items}[0]{id} eq 'u2'
    }), 'it answers again';

    for my $n (1 .. 40) {
        my $user = 'u' . ($n % 2 + 1);
        is $t->get("/?user=$user")->json->{items}[0]{id}, $user,
            "each gets his own: $n";
    }
};


subtest 'clients that leave while a row is awaited' => sub {
    my $before = status()->{rows};
    $t->write('www/parts', join '', map {
        qq(<!--# include virtual="/sets?user=u$_" -->) } 1, 2);
    $redis->freeze;

    my @gone;

    for my $path ('/?user=u1', '/sets?user=u1', '/ssi/parts', '/asks',
                  '/allowed?user=u1', '/compressed?user=u1')
    {
        for my $how (qw(close reset)) {
            my $c = $t->http;
            $c->send('GET', $path);
            push @gone, [$c, $how];
        }
    }

    my $h2 = $t->http2(port => 'H2');
    my @streams = map { $h2->send('GET', "/sets?user=u$_") } 1, 2, 1;
    my $stay = $t->http;
    $stay->send('GET', '/sets?user=u2');

    ok rows($before, 12), 'all are asked';

    for (@gone) {
        my ($c, $how) = @$_;
        $c->$how;
    }

    $h2->reset_stream($streams[0]);
    $h2->reset_stream($streams[2]);

    is $t->get('/ranked')->status, 200, 'others are served';
    $redis->thaw;

    is $stay->response->json->{items}[0]{id}, 'u2', 'who stays has his page';
    is $h2->response($streams[1])->json->{items}[0]{id}, 'u2',
        'in HTTP/2, too';
    is $t->get('/?user=u1')->json->{items}[0]{id}, 'u1', 'and the next';
    ok wait_until(sub { $nginx->clients <= 2 }), 'no connection is left';
};


subtest 'parts of other responses' => sub {
    like $t->get('/ssi/parts')->body, qr/"u1".*"u2"/, 'SSI';
    is $t->get('/asks')->status, 200, 'auth_request and mirror';
    is $t->get('/allowed?user=u2')->json->{items}[0]{id}, 'u2', 'of a page';
    is $t->get("/if?user=nobody$_->[0]")->status, $_->[1], "if$_->[0]"
        for ['', 200], ['&none=1', 204], ['&return=1', 204];
    is $t->get('/if?user=u1&none=1')->json->{items}[0]{id}, 'u1',
        'recs_pass in if';
    is $t->get('/tried?user=u2')->json->{items}[0]{id}, 'u2', 'try_files';

    my $r = $t->get('/compressed?user=u1', 'Accept-Encoding' => 'gzip');
    is $r->header('Content-Encoding'), 'gzip', 'gzip';
    is join(', ', sort $r->headers('Vary')), 'Accept, Accept-Encoding', 'Vary';
};


subtest 'conditions and ranges' => sub {
    my $long_ago = 'Mon, 01 Jan 2001 00:00:00 GMT';

    for (['If-Modified-Since' => 'Fri, 01 Jan 2100 00:00:00 GMT'],
         ['If-Unmodified-Since' => $long_ago], ['If-Match' => '"x"'],
         ['Range' => 'bytes=0-3'], ['If-None-Match' => '"x", W/"'])
    {
        my $r = $t->get('/?user=u1', @$_);
        is $r->status, 200, $_->[0];
        is $r->json->{items}[0]{id}, 'u1', 'whole';
    }

    is $t->get('/off?user=u1', Range => 'bytes=0-3')->status, 200,
        'recs off: no ranges';
};


subtest 'Accept as it should not be' => sub {
    my $long = join ',', map { "text/x$_;q=0.$_" } 1 .. 500;

    for ('', ',,,', ';', 'q=1', ';q=', '/', '*', "$j;q", "$j;q=", "$j;q=a",
         "$j;q=9", "$j;q=-1", "$j;;;;q=0.1;;", "$j; q = 1", "\t$j\t;\tq=1\t,",
         "$j;v=\"a,b;q=0\"", $long, "$long,$j", 'x' x 7000, ';' x 7000,
         ',' x 7000)
    {
        my $r = $t->get('/?user=u1', Accept => $_);
        is $r->status, 200, length > 60 ? length . ' bytes' : "\"$_\"";
        is $r->header('Content-Type'), $j, 'as it is stored';
        is $r->json->{items}[0]{id}, 'u1', 'his page';
    }
};


subtest 'a row that is not filtered is converted all the same' => sub {
    point(active => 'packed');
    my $json = '{"items":[{"id":"a"}]}';

    my $r = $t->get('/down', Accept => $j);
    is $r->status, 503, 'as an error page, with the error\'s status';
    is $r->header('Content-Type'), $j, 'its type';
    is $r->body, $json, 'its body';
    is $r->header('Content-Length'), length $json, 'its length';
    like $r->header('Recs-Filter'), qr/^bypassed;why=status/, 'passed';

    $r = $t->get('/replaced', Accept => $j);
    is $r->status, 200, 'with another status';
    is $r->body, $json, 'its body';
    like $r->header('Recs-Filter'), qr/^filtered/, 'filtered';

    $r = $t->get('/shadow', Accept => $j, Range => 'bytes=0-3');
    is $r->body, $json, 'shadow, asked for a range';
    like $r->header('Recs-Filter'), qr/^bypassed;why=range/, 'passed';
};


subtest 'error pages that are pages' => sub {
    load('odd', u1 => page('odd', 'u1'),
         u2 => "\x82\xa5items\x90\x90\x01",         # a name that is an array
         _default => page('odd', 'large'));
    point(active => 'odd');

    my $r = $t->get('/small?user=u1');
    is $r->json->{items}[0]{id}, 'u1', 'of a row that was too large';
    is scalar(my @vary = $r->headers('Vary')), 1, 'Vary once';

    $r = $t->get('/refused?user=u2');
    is $r->json->{items}[0]{id}, 'u1', 'of one that has no form in JSON';
    is scalar(@vary = $r->headers('Vary')), 1, 'Vary once';

    is $t->get('/none?user=nobody')->status, 204, 'nothing';
    is $t->request('HEAD', '/none?user=nobody')->status, 204, 'HEAD of it';
    is $t->request('HEAD', '/off?user=u1')->header('Content-Length'),
       length page('odd', 'u1'), 'HEAD of a page that isn\'t filtered';
};


subtest 'a reload while rows are awaited' => sub {
    point(active => 'v1');
    my $before = status()->{rows};
    $redis->freeze;

    my @waiting = map { my $c = $t->http; $c->send('GET', $_); $c }
                  '/?user=u1', '/sets?user=u1', '/off?user=u1';
    my $h2 = $t->http2(port => 'H2');
    my $stream = $h2->send('GET', '/sets?user=u1');
    ok rows($before, 4), 'they are';

    ok $nginx->reload(wait => 0), 'reload';
    ok wait_until(sub { $nginx->old_workers == 1 }), 'the old worker waits';
    is $t->get('/soon?user=u2')->json->{items}[0]{id}, '_default',
        'a new one serves';

    $redis->thaw;
    is $_->response->json->{items}[0]{id}, 'u1', 'answered' for @waiting;
    is $h2->response($stream)->json->{items}[0]{id}, 'u1', 'in HTTP/2';
    $h2->close;
    ok wait_until(sub { !$nginx->old_workers }), 'the old worker ends';
};


subtest 'a zone of another size' => sub {
    $nginx->reload(http => "recs_zone 9m;\n$http");
    ok wait_until(sub {
        $t->get('/?user=u1')->status == 200
    }), 'begins empty, and is filled';
    ok point(active => 'v2'), 'and followed';
    is $t->get('/?user=u1')->json->{v}, 'v2', 'a change is seen';
};


subtest 'an nginx that is ended while rows are awaited' => sub {
    my $before = status()->{rows};
    $redis->freeze;
    my $c = $t->http;
    $c->send('GET', '/sets?user=u1');
    ok rows($before, 1), 'one is';

    my $start = time;
    $nginx->signal('QUIT');
    ok wait_until(sub { $nginx->old_workers }), 'the worker waits';
    $redis->thaw;
    is $c->response->json->{items}[0]{id}, 'u1', 'it is answered';
    ok wait_until(sub { !$nginx->running }), 'nginx ends';
    cmp_ok time - $start, '<', Recs::Mode::patience(5), 'at once';
};


$t->expect_log(qr/recs_(?:redis|set|snapshots)|recs: /);
$t->done;
