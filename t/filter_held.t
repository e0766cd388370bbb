use strict;
use warnings;

# Clients that leave, reloads and ends, while responses wait for Redis: nothing
# is lost, nothing leaks, nothing hangs.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(min);
use Recs::Process qw(slurp process_info);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

# Connections are counted: to a cluster each worker has more.

my $redis = $t->redis(kind => 'plain');
my $page = '{"items":["b1","b2"]}';
my $shown = '{"items":["b1"]}';

$redis->cmd('SADD', 'in_stock', 'b1');
chmod 0644, $t->write('html/two.html',
                      '<!--#include virtual="/1" -->'
                      . '<!--#include virtual="/2" -->');

my $api = $t->upstream(sub {
    return { body => $page, wait => $_[0]{path} =~ /late/ ? 0.3 : 0 };
});

my $http = <<'HTTP';
    recs_redis main { server %%REDIS%%; connections 3; timeout 60s; }
    recs_set in_stock redis=main key=in_stock;

    # Reopened in vain, again and again.
    recs_redis gone { server unix:%%TESTDIR%%/nothing.sock; }

    # Its manager and loader are processes, too.
    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        recs on;
        recs_require in_stock;
        recs_lookup_timeout 30s;

        location / { proxy_pass http://%%API%%; }

        location /short/ {
            recs_lookup_timeout 2s;
            proxy_pass http://%%API%%;
        }

        location /html/ { ssi on; root %%TESTDIR%%; }
        location /pid { recs off; return 200 $pid; }
    }
HTTP

my $nginx = $t->nginx(workers => 2, http => $http,
                      access_log => q('$request_uri $status $recs_state'));


subtest 'connections to Redis' => sub {
    ok wait_until(sub { $redis->clients == 6 }),
        'each of two workers opens three before any request';

    is $t->get('/')->body, $shown, 'a request';
    is $redis->clients, 6, 'needs no other';

    ok $nginx->reload, 'reload';
    ok wait_until(sub { $redis->clients == 6 }), 'as many as before';

    $t->expect_kills;
    $nginx->signal_workers('KILL');
    ok wait_until(sub { $nginx->workers == 2 && $redis->clients == 6 }),
        'those of killed workers are replaced';
    is all_well(), '', 'all is well';
};


subtest 'clients that leave while Redis is awaited' => sub {
    all_well();

    # Those who were answered may not have been closed yet; and a look may see
    # the socket with which nginx tries to reach the Redis that is not there.
    ok wait_until(sub { !$nginx->clients }), 'at first there is no client';
    my $idle = min(map { idle() } 1 .. 3);

    # The first round's memory and logs may stay open; later ones add nothing.
    for my $round (1 .. 3) {
        $redis->freeze;

        my @http1 = map { $t->http } 1 .. 20;
        suspend(sub { $http1[$_]->send('GET', "/$_") for 0 .. 19 }, 20);
        my @two = map { $t->http } 1 .. 4;
        suspend(sub { $_->send('GET', '/html/two.html') for @two }, 8);
        my $c = $t->http2(port => 'H2');
        my @streams;
        suspend(sub { @streams = map { $c->send('GET', "/$_") } 1 .. 10 }, 10);
        my $d = $t->http2(port => 'H2');
        suspend(sub { $d->send('GET', "/$_") for 1 .. 10 }, 10);

        my $start = time;

        $http1[$_]->close for 0 .. 9;
        $http1[$_]->reset for 10 .. 18;
        $two[$_]->close for 0, 1;
        $two[$_]->reset for 2, 3;
        $c->reset_stream($_) for @streams[0 .. 8];
        $round % 2 ? $d->close : $d->reset;

        # All but one of each kind have gone.
        ok wait_until(sub { idle() <= $idle + 2 }), "round $round: they end";
        cmp_ok time - $start, '<', 10, 'long before Redis is given up';

        $redis->thaw;
        is $http1[19]->response->body, $shown, 'who stayed is answered';
        is $c->response($streams[9])->body, $shown, 'over HTTP/2, too';

        $_->close for @http1, $c;
        is all_well(), '', 'and so are others';
        ok wait_until(sub { idle() == $idle }), 'no descriptor is left open'
            or diag("$idle at first, now " . idle());
        is $redis->clients, 6, 'nor a connection to Redis';
    }

    my @left = grep { m{^/\d+ 499 } } $nginx->access_log;
    cmp_ok scalar @left, '>=', 3 * 38, 'the log tells of them';
};


subtest 'reload while Redis is awaited' => sub {
    my @old = $nginx->workers;

    $redis->freeze;

    my @clients = map { $t->http } 1 .. 6;
    suspend(sub { $clients[$_]->send('GET', "/$_") for 0 .. 5 }, 6);
    my $two = $t->http;
    suspend(sub { $two->send('GET', '/html/two.html') }, 2);
    my $c = $t->http2(port => 'H2');
    my @streams;
    suspend(sub { @streams = map { $c->send('GET', "/$_") } 1 .. 6 }, 6);

    ok $nginx->reload(wait => 0), 'new workers are there';
    ok scalar(grep { process_info($_) } @old),
        'the old ones wait with their clients';

    $redis->thaw;
    is $_->response->body, $shown, 'answered by an old worker' for @clients;
    is $two->response->body, $shown x 2, 'with subrequests';
    is $c->response($_)->body, $shown, 'over HTTP/2' for @streams;

    $_->close for @clients, $two, $c;
    ok wait_until(sub { !grep { process_info($_) } @old }), 'they end';
    ok wait_until(sub { $redis->clients == 6 }), 'with their connections';
    is all_well(), '', 'and all is well';
};


subtest 'reload with clients that stay' => sub {
    my $c = $t->http;
    $c->get('/1');
    my $d = $t->http2(port => 'H2');
    $d->get('/1');

    my $start = time;
    ok $nginx->reload, 'idle clients and Redis connections hold up nothing';
    cmp_ok time - $start, '<', 10, 'it is prompt';
    ok $c->at_end(5), 'they are told to go';

    for my $round (1 .. 3) {
        my @clients = map { $t->http } 1 .. 5;
        $api->clear;
        $_->send('GET', '/late') for @clients;
        $api->requests(5);
        ok $nginx->reload, "reload $round in the midst of requests";
        is $_->response->body, $shown, 'answered' for @clients;
    }

    ok wait_until(sub { $redis->clients == 6 }), 'no connection is left';
};


subtest 'binary upgrade' => sub {
    my $other = $t->nginx(name => 'upgraded', workers => 1, daemon => 1,
                          http => <<'HTTP');
        recs_redis main { server %%REDIS%%; connections 3; }
        recs_set in_stock redis=main key=in_stock;

        server {
            listen %%LISTEN_U%%;
            recs on;
            recs_require in_stock;
            recs_lookup_timeout 5s;
            location / { proxy_pass http://%%API%%; }
            location /pid { recs off; return 200 $pid; }
        }
HTTP

    my $dir = $other->{dir};
    my $old = $other->master;
    my ($worker) = $other->workers;
    ok wait_until(sub { $redis->clients == 9 }), 'three connections more';

    $other->signal('USR2');
    ok wait_until(sub { -e "$dir/nginx.pid.oldbin" && -s "$dir/nginx.pid" }),
        'a new master';
    my ($new) = slurp("$dir/nginx.pid") =~ /(\d+)/;
    ok wait_until(sub { $redis->clients == 12 }), 'its worker asks Redis, too';

    $other->signal('QUIT');
    ok wait_until(sub { !process_info($worker) && !process_info($old) }),
        'the old ones end';

    $other->{process} = Recs::Process->adopt($new, 'nginx');
    is $t->request('GET', '/1', { port => 'U' })->body, $shown,
        'the new one answers';
    ok wait_until(sub { $redis->clients == 9 }), 'with its own connections';
    ok $other->quit, 'it quits';
    ok wait_until(sub { $redis->clients == 6 }), 'and closes them';
};


subtest 'quit while Redis is awaited' => sub {
    $redis->freeze;

    my @clients = map { $t->http } 1 .. 6;
    suspend(sub { $clients[$_]->send('GET', "/short/$_") for 0 .. 5 }, 6);

    my $start = time;
    $nginx->signal('QUIT');

    for my $c (@clients) {
        my $r = $c->response;
        is $r->body, $page, 'answered at the deadline';
        like $r->header('Recs-Filter'), qr/^degraded;/, 'without Redis';
    }

    ok wait_until(sub { !$nginx->running }), 'it ends';
    cmp_ok time - $start, '<', 10, 'soon';
    $redis->thaw;

    $nginx->start;
    is all_well(), '', 'a new start';
};


subtest 'quit while Redis is away' => sub {
    $redis->kill;
    like $t->get('/')->header('Recs-Filter'), qr/^degraded;/, 'degraded';

    my $start = time;
    ok $nginx->quit, 'it quits';
    cmp_ok time - $start, '<', 5, 'soon: reconnecting does not hold it up';
};


$t->done;


# Descriptors of the workers, once all clients have gone.

sub idle {
    return scalar $nginx->fds;
}


# Sends requests and waits until their upstream answers are in the filter's
# hands: nginx has read them, when it has closed that connection.

sub suspend {
    my ($send, $count) = @_;

    $api->clear;
    $send->();
    $api->requests($count);
    wait_until(sub { !$nginx->sockets_to($api->port, all_workers()) });
}


sub all_workers {
    return ($nginx->workers, $nginx->old_workers);
}


# Each worker answers, with right pages.

sub all_well {
    my @wrong;

    wait_until(sub { $t->get('/')->body eq $shown }, 5);

    for (1 .. 10) {
        my $r = $t->get("/$_");
        push @wrong, $r->body || $r->error if $r->body ne $shown;
    }

    return "@wrong";
}
