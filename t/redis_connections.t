use strict;
use warnings;

# A worker that has fewer worker_connections than it wants for Redis lives, and
# says so in its log without flooding it.  Workers that start together do not
# open all of their connections at once.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis(tcp => 1);
$redis->cmd('SADD', 'seen', 'b');

my $api = $t->upstream('{"items":["a"]}');


subtest 'too few worker_connections stop no worker' => sub {
    my $small = $t->nginx(name => 'small', start => 0, conf => <<'END');
%%MODULES%%
daemon off;
worker_processes 2;
pid %%NGINX_DIR%%/nginx.pid;
error_log %%NGINX_DIR%%/error.log info;
events { worker_connections 24; %%EVENTS%% }
http {
    access_log off;
    client_body_temp_path %%NGINX_DIR%%/tmp/client;
    proxy_temp_path %%NGINX_DIR%%/tmp/proxy;
    fastcgi_temp_path %%NGINX_DIR%%/tmp/fastcgi;
    uwsgi_temp_path %%NGINX_DIR%%/tmp/uwsgi;
    scgi_temp_path %%NGINX_DIR%%/tmp/scgi;
    recs_redis main { server %%REDIS_TCP%%; connections 64; }
    recs_set seen redis=main key=seen;
    recs on;
    recs_exclude seen;
    server {
        listen %%LISTEN_S%%;
        location / { proxy_pass http://%%API%%; }
        location /status { recs_status; }
    }
}
END

    $t->expect_log(qr/worker_connections are not enough/);
    ok($small->start, 'it starts');
    my @workers = $small->workers;
    is(scalar @workers, 2, 'with its workers');
    ok($small->wait_log(qr/worker_connections/), 'a line says what is wrong');

    # Some of it works or all of it: no worker dies, and it ends when asked to.
    my $c = eval { $t->http(port => 'S') };
    eval { $c->get('/') } for 1 .. 3;

    my $grown = sub { scalar(() = $small->error_log =~ /\n/g) };
    my $lines = $grown->();
    $redis->cmd('SCARD', 'seen') for 1 .. 100;
    is_deeply([$small->workers], \@workers, 'they live');
    unlike($small->error_log, qr/exited on signal|fatal code|be respawned/,
           'and none was lost');
    cmp_ok($grown->(), '<', 400, 'the log is not flooded');
    ok($small->stop, 'it ends');
};


subtest 'connections are opened one after the other' => sub {
    $redis->reset_calls;

    my $many;
    my @seen = $redis->watch(sub {
        $many = $t->nginx(name => 'many', workers => 2, reloads => 0,
                          http => <<'HTTP');
            recs_redis main { server %%REDIS_TCP%%; connections 32; }
            recs_set seen redis=main key=seen;
            server {
                listen %%LISTEN%%;
                location / {
                    recs on;
                    recs_exclude seen;
                    proxy_pass http://%%API%%;
                }
                location /status { recs_status; }
            }
HTTP

        like($t->get('/')->header('Recs-Filter'), qr/^filtered/,
             'the first ones suffice');
        ok(wait_until(sub { $redis->calls('ping') >= 64 }), 'all are opened');
    });

    my @times = sort { $a <=> $b }
                map { /^(\S+) .*"PING"/ ? $1 : () } @seen;

    cmp_ok(scalar @times, '>=', 64, 'all of them greet');
    cmp_ok($times[-1] - $times[0], '>', 0.1, 'but not all at once');
    $many->stop;
};


$t->done;
