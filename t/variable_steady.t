use strict;
use warnings;

# Whoever reads a variable of ours twice in a row gets the same bytes: nginx
# first computes how long a text is, then copies it, and may ask for a variable
# in it each time.

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(dirname);
use Recs::Process qw(run);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $root = $t->root;

# $restless, which is longer each time.
my $restless = $t->dir . '/restless.so';
my $source = $ENV{RECS_NGINX} ? dirname(dirname($ENV{RECS_NGINX}))
                              : "$root/build/nginx";
my ($status, $said) = run(qw(gcc -O1 -g -Wall -fPIC -shared -o), $restless,
    (map { "-I$source/$_" } qw(src/core src/event src/event/modules
                               src/event/quic src/os/unix src/http
                               src/http/modules src/http/v2 src/http/v3 objs)),
    "$FindBin::Bin/lib/restless.c");
is $status, 0, 'a module for $restless' or diag($said);

my $redis = $t->redis;
my $page = '{"items":[{"id":"b1"},{"id":"b2"}]}';

my $api = $t->upstream(sub {
    my ($req) = @_;
    return { body => $page, headers => ['X-Late' => 'late'] };
});

$t->upstream(sub {
    my ($req) = @_;

    if ($req->{path} =~ /wait/) {
        $t->write('asked', '');
        wait_until(sub { -e $t->dir . '/open' });
    }

    return { body => '', type => 'text/plain', headers => ['X-User' => 'ann'] };
}, name => 'gate');

my $nginx = $t->nginx(
    main => "load_module $restless;",
    access_log => "escape=none '"
        . '$uri|$recs_state|$recs_kept|<$recs_user>|<$recs_event>|'
        . '$recs_user$nested_user|$recs_exposure'
        . "'",
    http => <<'HTTP');
    recs_redis main { server %%REDIS%%; }
    recs_set of_user redis=main key=of:$recs_user absent=empty;
    recs_set of_values value=b2,$recs_user,$nested_user;
    recs_snapshots home redis=main prefix=home poll=100ms;

    map $recs_user $mapped { default "<$recs_user>"; }
    map $arg_a $nested_user { volatile; default "<$recs_user>"; }
    map $arg_a $nested_event { volatile; default "<$recs_event>"; }
    map $arg_a $nested_exposure { volatile; default "$recs_exposure"; }
    map $arg_a $matched { volatile; "~^(.*)$" -; }
    map $recs_user $logged { default 1; }

    log_format wide escape=none '<$recs_user>$nested_user<$recs_user>';
    log_format event escape=none '<$recs_event>';

    recs_user $restless;
    recs_event e$restless;
    recs_exclude of_user of_values;

    server {
        listen %%LISTEN%%;

        location /set {
            set $x "<$recs_user>";
            set $y "<$recs_event>$nested_event<$recs_event>";
            return 200 "$x $y";
        }
        location /map { return 200 $mapped; }
        location /nested {
            return 200 "<$recs_user>$nested_user<$recs_user>";
        }
        location /rewrite {
            rewrite ^ /rewritten?user=$recs_user&event=$recs_event? last;
        }
        location /rewritten { return 200 $args; }
        location ~ ^/capture/(\w+) {
            recs_user $1;
            set $x "<$recs_user>$matched<$recs_user>";
            return 200 $x;
        }
        location /if {
            if ($recs_user ~ "^(x*)$") { return 200 "<$1>"; }
            return 200 no;
        }

        location /page {
            recs on;
            proxy_set_header X-User "<$recs_user>$nested_user";
            proxy_set_header X-Event "<$recs_event>$nested_event";
            proxy_pass http://%%API%%;
            add_header X-User "<$recs_user>$nested_user";
            add_header X-Event "<$recs_event>$nested_event";
            add_header X-Exposure "$recs_exposure$nested_exposure";
            add_header X-Said "<$recs_event>";
            access_log %%NGINX_DIR%%/wide.log wide if=$logged;
            access_log %%NGINX_DIR%%/event.log event;
        }
        location /file {
            root %%TESTDIR%%;
            access_log %%NGINX_DIR%%/tmp/$recs_state.log wide;
            access_log %%NGINX_DIR%%/access.log test;
            recs on;
            proxy_pass http://%%API%%;
        }
        location /ssi {
            ssi on;
            ssi_types *;
            recs on;
            recs_types text/none;
            add_header X-User "<$recs_user>$nested_user";
            root %%TESTDIR%%;
        }
        location /inner {
            recs_user inner-$restless;
            set $inner "<$recs_user>$nested_user<$recs_user>";
            return 200 $inner;
        }

        location /late {
            recs on;
            recs_user $upstream_http_x_late;
            set $before "<$recs_user>";
            proxy_pass http://%%API%%;
            add_header X-Before $before;
            add_header X-User "<$recs_user>";
        }
        location /auth {
            recs on;
            recs_user $auth_user;
            auth_request /gate;
            auth_request_set $auth_user $upstream_http_x_user;
            set $before "<$recs_user>";
            proxy_set_header X-User "<$recs_user>";
            proxy_pass http://%%API%%;
            add_header X-Before $before;
        }
        location /args {
            recs_user $arg_user;
            set $before $recs_user;
            set $args user=other;
            return 200 "$before $recs_user";
        }
        location /set-anew {
            recs_user $who;
            set $who one;
            set $before $recs_user;
            set $who two;
            set $after $recs_user;
            return 200 "$before $after";
        }
        location = /gate { proxy_pass http://%%GATE%%; }
        location = /gate/wait { proxy_pass http://%%GATE%%; }
        location /active {
            recs on;
            auth_request /gate/wait;
            set $before "<$recs_active_home>";
            proxy_pass http://%%API%%;
            add_header X-Active "$before<$recs_active_home>";
        }
        location /version { return 200 "$recs_active_home"; }
    }

    server {
        listen %%LISTEN_AGAIN%%;
        recs on;
        recs_user $auth_user;

        location = /gate { proxy_pass http://%%GATE%%; }
        location / {
            set $before "<$recs_user>";
            auth_request /gate;
            auth_request_set $auth_user $upstream_http_x_user;
            error_page 502 = @again;
            proxy_pass http://127.0.0.1:%%PORT_NOBODY%%;
        }
        location @again {
            set $again "<$recs_user>";
            return 200 $before$again;
        }
    }
HTTP

my $twice = qr/<(x+)>.*<\1>/;
my $thrice = qr/<(x+)><\1><\1>/;


# The whole text is of one look: what it begins with it ends with.

subtest 'set, map, rewrite, if' => sub {
    like $t->get('/set')->body, qr/\A<x+> <e(x+)><e\1><e\1>\z/, 'set';
    like $t->get('/map')->body, qr/\A<x+>\z/, 'map';
    like $t->get('/nested')->body, qr/\A$thrice\z/, 'a variable in a variable';
    like $t->get('/rewrite')->body, qr/\Auser=x+&event=ex+\z/, 'rewrite';
    is $t->get('/capture/u1?a=longer')->body, '<u1>-<u1>',
        'a capture, and a map with another one';
    like $t->get('/if')->body, qr/\A<x+>\z/, 'if';
};


subtest 'headers and keys' => sub {
    $t->answered(sub { $t->get('/page') });

    my $r = $t->get('/page');
    my $sent = ($api->requests)[-1]{headers};

    is $r->status, 200, 'a page';
    like $sent->{'x-user'}, qr/\A<(x+)><\1>\z/, 'to the upstream';
    like $sent->{'x-event'}, qr/\A<e(x+)><e\1>\z/, 'the event';
    like $r->header('X-User'), qr/\A<(x+)><\1>\z/, 'add_header';
    like $r->header('X-Event'), qr/\A<e(x+)><e\1>\z/, 'the event';
    like $r->header('X-Exposure'), qr/\A(\{.*\})\1\z/, 'the exposure record';
    like $r->body, qr/\A\{"items":\[\{"id":"b1"\}\]\}\z/, 'keys of sets';
};


subtest 'the log' => sub {
    my $r = $t->get('/page');
    $t->get('/file');
    $t->log_mark($nginx);

    my ($line) = reverse $nginx->access_log(1, 'wide.log');
    like $line, qr/\A$thrice\z/, 'a line, and "if="';
    like $line, qr/\A\Q@{[$r->header('X-User')]}\E</,
        'the user that the response was told';

    is +($nginx->access_log(undef, 'event.log'))[-1], $r->header('X-Said'),
        'the event that the response was told';

    ($line) = $nginx->access_log(1, 'tmp/filtered.log');
    like $line, qr/\A$thrice\z/, 'a file that is named by a variable';

    ($line) = grep { m{^/file} } $nginx->access_log;
    like $line, qr/\A[^|]+\|filtered\|1\|<(x+)>\|<(ex+)>\|\1<\1>\|
                   .*"event":"\2","time":\d+,"user":"\1"/x,
        'the state in the end, and one user and event in all of it';
};


subtest 'a subrequest has its own' => sub {
    $t->write('ssi/page.html', 'a<!--#include virtual="/inner" -->b');

    my $r = $t->get('/ssi/page.html');
    like $r->header('X-User'), qr/\A<(x+)><\1>\z/, 'the page';
    like $r->body, qr/\Aa<inner-(x+)><inner-\1><inner-\1>b\z/,
        'what it includes';
};


subtest 'what a request learns later, is read later' => sub {
    my $r = $t->get('/late');
    is $r->header('X-Before'), '<>', 'not known before the response';
    is $r->header('X-User'), '<late>', 'but with it';

    $r = $t->get('/auth');
    is $r->header('X-Before'), '<>', 'not known in the rewrite phase';
    is(($api->requests)[-1]{headers}{'x-user'}, '<ann>',
       'but after auth_request');

    is $t->request('GET', '/', { port => 'AGAIN' })->body, '<><ann>',
        'in the same phase, after a redirect';

    is $t->get('/args?user=one')->body, 'one other',
        'arguments that are changed within a phase';
    is $t->get('/set-anew')->body, 'one two',
        'a variable that is set within it';
};


subtest 'a version that becomes active meanwhile' => sub {
    my $c = $t->http;
    $c->send('GET', '/active');
    wait_until(sub { -e $t->dir . '/asked' }) or die 'it was not asked';

    $redis->cmd('HSET', '{home}:v1:meta', model => 'm1', schema => 1,
                features => 'f1', generated_at => time, max_age => 3600,
                expected => 1, written => 1, state => 'complete');
    $redis->cmd('SET', '{home}:channel:active', 'v1');
    ok wait_until(sub { $t->get('/version')->body eq 'v1' }), 'is active';

    $t->write('open', '');
    is $c->response->header('X-Active'), '<><>', 'not for who began without';
    is $t->get('/active')->header('X-Active'), '<v1><v1>', 'but for the next';
};


$t->done;
