use strict;
use warnings;

# Corners: pages that come in parts, versions that would be headers, an event
# that many ask for, recs_status with pages below it, and a worker without
# connections to spare.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis(tcp => 1);
$redis->cmd('SADD', 'seen', 'b');

my $long = '{"items":[' . join(',', map { "{\"id\":\"i$_\"}" } 1 .. 900) . ']}';

# Serves ranges of the long page to who asks for one; else the page asked for.

my $api = $t->upstream(sub {
    my ($req) = @_;

    my $body = $req->{args}{page} // $long;
    my ($first, $last) = ($req->{headers}{range} // '') =~ /=(\d+)-(\d+)\z/
        or return { body => $body, status => $req->{args}{status},
                    headers => ['X-Event' => $req->{headers}{'x-event'}
                                             // 'none'] };

    $last = length($body) - 1 if $last >= length $body;

    return {
        status => 206, body => substr($body, $first, $last - $first + 1),
        headers => ['Content-Range' => "bytes $first-$last/" . length $body,
                    ETag => '"long"'],
        piece => 333,
    };
});

$t->write('pool.ndjson', join '', map { "{\"id\":\"n$_\"}\n" } 1 .. 50);

my $nginx = $t->nginx(access_log =>
    q('$uri|$recs_state|$recs_event|$sent_http_x_event'), http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set seen redis=main key=seen;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
large_client_header_buffers 4 64k;
recs_lookup_timeout 10s;
recs on;
proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;

server {
    listen %%LISTEN%%;
    recs_exclude seen;

    location /slice {
        slice 1k;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        proxy_pass http://%%API%%;
    }
    location /sliced-cache {
        slice 1k;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        proxy_cache pages;
        proxy_cache_key $uri$slice_range;
        proxy_cache_valid 200 206 1h;
        proxy_pass http://%%API%%;
    }
    location /slice-large {
        slice 1k;
        recs_max_body_size 2k;
        recs_on_bad_body reject;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        proxy_pass http://%%API%%;
    }
    location /slice-shadow {
        recs shadow;
        slice 1k;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        proxy_pass http://%%API%%;
    }

    location /slice-over {
        slice 8k;
        recs_max_body_size 2k;
        recs_on_bad_body reject;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        proxy_pass http://%%API%%;
    }

    location /version {
        recs_tag both;
        recs_version model body=/model;
        recs_version schema body=/model accept=s1;
        recs_user $upstream_http_x_user;
        add_header X-Model $recs_model;
        add_header X-Schema "is $recs_schema";
        proxy_pass http://%%API%%;
    }

    location /event {
        recs_explore fresh rate=100% slots=1;
        proxy_set_header X-Event $recs_event;
        add_header X-Sent $recs_event;
        add_header X-Again $recs_event;
        proxy_pass http://%%API%%;

        location /event/id {
            recs_event $arg_e;
            proxy_pass http://%%API%%;
        }
        location /event/given {
            recs_event $request_id;
            add_header X-Sent $recs_event;
            add_header X-Id $request_id;
            proxy_pass http://%%API%%;
        }
        location /event/moved {
            recs_on_bad_body reject;
            error_page 502 = @moved;
            proxy_pass http://%%API%%;
        }
    }

    location @moved {
        proxy_set_header X-Event $recs_event;
        add_header X-Sent $recs_event;
        proxy_pass http://%%API%%;
    }

    location /status {
        recs_status;

        location /status/pages { proxy_pass http://%%API%%; }
        location /status/off { recs off; proxy_pass http://%%API%%; }
        location /status/again { recs_status json; }
    }
}
HTTP


sub fetch {
    my ($path, $page, @fields) = @_;

    $path .= $path =~ /\?/ ? '&' : '?';
    return $t->get($path . 'page=' . escape($page), @fields);
}


subtest 'a page that comes in parts is passed, whole and in order' => sub {
    for my $path ('/slice', '/sliced-cache', '/sliced-cache', '/slice-shadow')
    {
        my $r = $t->get($path);
        is($r->status, 200, $path);
        is($r->complete, 1, 'whole');
        ok($r->body eq $long, 'in order');
        is($r->header('Recs-Filter'), 'bypassed;why=parts', 'and says why');
        is($r->header('Content-Length'), length $long, 'its length');
    }

    is($t->get('/slice', Range => 'bytes=2000-2009')->status, 200,
       'a range is not asked for');
    is($t->get('/slice-shadow', Range => 'bytes=2000-2009')->body,
       substr($long, 2000, 10), 'but in the shadow');

    my $small = '{"items":[{"id":"a"},{"id":"b"}]}';
    my $r = fetch('/slice', $small);
    is($r->body, $small, 'so is one of a single part');
    is($r->header('Content-Length'), length $small, 'its length');

    # A part may look like a page.
    my $page = '{"items":[{"id":"a"},{"id":"b"}]}';
    my $pages = $page . ' ' x (1024 - length $page);
    is(fetch('/slice', $pages x 3 . $page)->body, $pages x 3 . $page,
       'no part is taken for a page');
    unlike($nginx->error_log, qr/can't be filtered/, 'nor read as one');

    for my $path ('/slice-large', '/slice-over') {
        $r = $t->get($path);
        is($r->status, 502, "$path: one that is refused, as all of it is");
        unlike($r->body, qr/items/, 'is not shown in part');
    }

    my $c = $t->http;
    ok($c->get('/slice')->body eq $long, 'a connection goes on') for 1 .. 2;
    is($c->get('/slice?page=' . escape($small))->body, $small, 'with others');
};


subtest 'a version is a header, and never two' => sub {
    my @names = map { "Recs-$_-Version" } 'Model', 'Schema';

    for my $text ('m\r\nSet-Cookie: a=b', 'm\nSet-Cookie: a', 'm\r\n\r\nbody',
                  'm\u000d\u000aX: y', 'm\rX: y', '\u0000', 'm\u0000', '\u0085',
                  '\u2028', 'm\tn', '\u001b[1m', 'x' x 129)
    {
        my $r = fetch('/version', "{\"model\":\"$text\",\"items\":[\"a\"]}");
        is($r->status, 200, "\"$text\"");
        is($r->error, undef, 'a response that can be read');
        is_deeply([map { $r->header($_) } @names, 'Set-Cookie', 'X', 'X-Model'],
                  [(undef) x 5], 'no field comes of it');
        is($r->header('X-Schema'), 'is', 'nor of its variable');
        like($r->header('Recs-Filter'), qr/^skewed;.*;skew="schema"$/,
             'though it is there and judged');
        is($r->json->{_recs}{model}, $r->json->{model}, 'the body has it');
    }

    for my $text ('m: "1", 2;', ' ', 'x' x 128, '~', '%0d%0aX: y') {
        my $r = fetch('/version', '{"model":"' . $text =~ s/"/\\"/gr
                                  . '","items":["a"]}');
        is($r->header('X'), undef, "\"$text\"");
        (my $want = $text) =~ s/^ | $//g;
        is($r->header('Recs-Model-Version'), $want, 'is a value');
    }
};


subtest 'who asks for the event gets the same' => sub {
    my %seen;

    for my $path ('/event', '/event/id', '/event/given', '/event') {
        my $r = fetch($path, '{"items":["a"]}');
        my ($id) = $r->header('X-Event');

        like($id, qr/^[0-9a-f]{32}$/, "$path: of the request");
        is($seen{$id}++, 0, 'a new one for each');
        is($r->header('X-Sent'), $id, 'to the upstream and to the client');
        is($r->header($path eq '/event/given' ? 'X-Id' : 'X-Again'), $id,
           'and again');

        my $line;
        ok(wait_until(sub {
            ($line) = grep { /\Q$id\E/ } $nginx->access_log;
        }), 'and to the log');
        is($line, "$path|filtered|$id|$id", 'no other');

        my ($new) = @{ $r->json->{items} };
        is(fetch("/event/id?e=$id", '{"items":["a"]}')->json->{items}[0], $new,
           'what it drew is drawn again from it');
    }

    my $r = fetch('/event/id?e=view-7', '{"items":["a"]}');
    is($r->header('X-Event'), 'view-7', 'one that is given');
    is($r->header('X-Sent'), 'view-7', 'everywhere');

    $r = fetch('/event/moved', 'no page');
    is($r->status, 200, 'a response of another location');
    is($r->header('X-Event'), $r->header('X-Sent'), 'the same there');
    is_deeply([map { $_->{headers}{'x-event'} } ($api->requests)[-2, -1]],
              [($r->header('X-Sent')) x 2], 'as before');
};


subtest 'pages below recs_status are filtered' => sub {
    my $page = '{"items":[{"id":"a"},{"id":"b"}]}';

    my $r = $t->get('/status');
    ok($r->json->{responses}, 'the counters');
    is($r->header('Recs-Filter'), undef, 'are no page');
    is($r->header('ETag'), undef, 'and untouched');
    ok($t->get('/status/again')->json->{responses}, 'also below');

    $r = fetch('/status/pages', $page);
    is($r->body, '{"items":[{"id":"a"}]}', 'a page is');
    like($r->header('Recs-Filter'), qr/^filtered;/, 'filtered');
    is(fetch('/status/off', $page)->body, $page, 'unless it is off');
};


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
    eval { $c->get('/?page=' . escape('{"items":["a"]}')) } for 1 .. 3;

    my $grown = sub { scalar(() = $small->error_log =~ /\n/g) };
    my $lines = $grown->();
    $redis->cmd('SCARD', 'seen') for 1 .. 100;
    is_deeply([$small->workers], \@workers, 'they live');
    unlike($small->error_log, qr/exited on signal|fatal code|be respawned/,
           'and none was lost');
    cmp_ok($grown->(), '<', 400, 'the log is not flooded');
};


$t->done;
