use strict;
use warnings;

# A response is filtered wherever it comes from, however it comes and however
# it is asked for; what is no page stays as it came.

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Uncompress::Gunzip qw(gunzip);
use Recs::Test;
use Test::More;
use Time::HiRes qw(sleep);

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', 'b1', 'b3', 'b5', 'b6');
$redis->cmd('SADD', 'watched:u1', 'b5');
$redis->cmd('SADD', 'watched:u2', 'b1', 'b6');
$redis->cmd('SADD', 'most', map { "b$_" } 1, 3 .. 4000);

# One that takes its time, for answers that overtake each other.
my $slow = $t->fake_redis(sub {
    my ($cmd) = @_;

    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    my $n = @$cmd - 2;
    return [\0.15, "*$n\r\n" . ":1\r\n" x $n];
}, name => 'slow');

my $page = page(1 .. 6);
my $large = large(1 .. 4000);
my $medium = large(1 .. 400);

my @validators = (
    'ETag' => '"candidates"', 'Accept-Ranges' => 'bytes',
    'Last-Modified' => 'Mon, 02 Nov 2026 10:00:00 GMT',
    'Content-MD5' => 'Q2hlY2sgSW50ZWdyaXR5IQ==', 'Digest' => 'sha-256=YQ==',
    'Content-Digest' => 'sha-256=:YQ==:', 'Repr-Digest' => 'sha-256=:YQ==:',
);

my @others = (
    'Cache-Control' => 'max-age=60', 'Set-Cookie' => 'a=1',
    'Set-Cookie' => 'b=2', 'X-Any' => 'thing', 'Vary' => 'Accept-Language',
);

my %answers = (
    '/length'  => { body => $page },
    '/chunked' => { body => [$page], framing => 'chunked' },
    '/letters' => { body => [split //, $page], framing => 'chunked' },
    '/pieces'  => { body => $page, piece => 11, delay => 0.001 },
    '/close'   => { body => $page, framing => 'close' },
    '/late'    => { body => [\0.05, $page] },
    '/halves'  => { body => [substr($page, 0, 60), \0.05, substr($page, 60)],
                    framing => 'chunked' },
    '/tail'    => { body => [$page, \0.05, "\n", \0.05, "\n"],
                    framing => 'chunked' },
    '/headers' => { body => $page, headers => [@validators, @others,
                    'Recs-Filter' => 'lies', 'recs-sets' => 'lies'] },
    '/bad-headers' => { body => '{"items":', headers => [@validators, @others,
                        'Recs-Filter' => 'lies', 'recs-sets' => 'lies'] },
    '/large'   => { body => $large },
    '/large-chunked' => { body => [pieces($large, 33_333)],
                          framing => 'chunked' },
    '/large-close' => { body => $large, framing => 'close' },
    '/medium'  => { body => $medium },
    '/none'    => { body => $page, status => 404 },
    '/to-page' => { body => '', headers => [
                    'X-Accel-Redirect' => '/static/page.json'] },
    '/to-named' => { body => '', headers => [
                     'X-Accel-Redirect' => '@named'] },
    '/empty'   => { body => '' },
    '/empty-chunked' => { body => [], framing => 'chunked' },
    '/empty-close' => { body => '', framing => 'close' },
);

my @framings = qw(/length /chunked /letters /pieces /close /late /halves);

my $api = $t->upstream(sub {
    my ($req) = @_;
    my $args = $req->{args};

    return { %{ $answers{ $req->{path} } } } if $answers{ $req->{path} };
    return { body => $page, headers => [@validators],
             type => $args->{type} || undef }
        if $req->{path} eq '/type';
    return { body => $page, headers => [@validators],
             status => $args->{status} };
});

$t->set(DEAD => '127.0.0.1:' . $t->port('NOBODY'), BODY => $page);

chmod 0644, $t->write('www/static/page.json', $page),
            $t->write('www/static/large.json', $large),
            $t->write('www/static/empty.json', ''),
            $t->write('www/html/three.html', join '|', map {
                "<!--#include virtual=\"$_\" -->"
            } '/length?user=u1', '/letters?user=u2', '/static/page.json'),
            $t->write('www/html/overtaken.html', join '|', map {
                "<!--#include virtual=\"$_\" -->"
            } '/waits/length', '/length', '/waits/chunked', '/length?user=u1'),
            $t->write('www/html/set.html',
                '<!--#include virtual="/waits/length" set="page" -->'
                . '[<!--#echo var="page" encoding="none" -->]'),
            $t->write('www/html/wait.html',
                '<!--#include virtual="/waits/length" wait="yes" -->,'
                . '<!--#include virtual="/large" -->,end');

my $locations = <<'HTTP';
        recs on;
        recs_user $arg_user;
        recs_require in_stock;
        recs_exclude watched;
        recs_lookup_timeout 5s;
        recs_max_body_size 4m;
        root %%TESTDIR%%/www;

        location / { proxy_pass http://%%API%%; }

        location /unbuffered/ {
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        location /http11/ {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://%%API%%/;
        }

        location /small/ {
            proxy_buffers 4 4k;
            proxy_buffer_size 4k;
            proxy_busy_buffers_size 8k;
            proxy_max_temp_file_size 0;
            proxy_pass http://%%API%%/;
        }

        location /static/ { }

        location /sendfile/ {
            alias %%TESTDIR%%/www/static/;
            sendfile on;
        }

        location /aio/ {
            alias %%TESTDIR%%/www/static/;
            aio threads;
            output_buffers 2 8k;
        }

        location /configured {
            default_type application/json;
            return 200 '%%BODY%%';
        }

        location /cached/ {
            proxy_cache pages;
            proxy_cache_valid 200 1h;
            proxy_ignore_headers Cache-Control Set-Cookie Vary;
            add_header X-Cache $upstream_cache_status;
            proxy_pass http://%%API%%/;
        }

        location /waits/ {
            recs_require slow;
            proxy_pass http://%%API%%/;
        }

        location /html/ {
            default_type text/html;
            ssi on;
        }

        location /private/ {
            auth_request /auth;
            mirror /auth;
            proxy_pass http://%%API%%/;
        }

        location = /auth {
            internal;
            proxy_pass http://%%API%%/length;
        }

        location /other-for-404/ {
            proxy_intercept_errors on;
            error_page 404 =200 /static/page.json;
            proxy_pass http://%%API%%/;
        }

        location /as-404/ {
            proxy_intercept_errors on;
            error_page 404 /static/page.json;
            proxy_pass http://%%API%%/;
        }

        location /dead/ {
            error_page 502 = @named;
            proxy_pass http://%%DEAD%%;
        }

        location @named { proxy_pass http://%%API%%; rewrite ^ /length break; }

        location /try/ { try_files /nothing @named; }

        location /rewritten/ { rewrite ^ /static/page.json last; }

        location /gzip/ {
            gzip on;
            gzip_types application/json;
            gzip_min_length 1;
            proxy_pass http://%%API%%/;
        }

        location /substituted/ {
            sub_filter Book Livre;
            sub_filter_types application/json;
            sub_filter_once off;
            proxy_pass http://%%API%%/;
        }

        location /forced-ranges/ {
            proxy_force_ranges on;
            proxy_pass http://%%API%%/;
        }

        location /most/ {
            recs_require most;
            proxy_pass http://%%API%%/;

            location /most/limited/ {
                limit_rate 500k;
                proxy_pass http://%%API%%/;
            }
        }

        location /types/ {
            recs_types text/x-recs;
            proxy_pass http://%%API%%/;
        }

        location /any-type/ {
            recs_types *;
            proxy_pass http://%%API%%/;
        }

        location /off/ {
            recs off;
            proxy_pass http://%%API%%/;
        }
HTTP

my $nginx = $t->nginx(<<"HTTP");
    recs_redis main { server %%REDIS%%; }
    recs_redis slow { server %%SLOW%%; timeout 10s; }
    recs_set in_stock redis=main key=in_stock;
    recs_set watched redis=main key=watched:\$recs_user;
    recs_set most redis=main key=most;
    recs_set slow redis=slow key=any absent=empty;

    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;

    types { application/json json; }

    server {
        listen %%LISTEN%%;
        $locations
    }

    server {
        listen %%LISTEN_H2%% http2;
        $locations
    }
HTTP


subtest 'proxied, in any framing' => sub {
    for my $how ('', '/unbuffered', '/http11', '/small') {
        for my $path (@framings) {
            is wrong($t->get("$how$path"), 1, 3, 5, 6), undef, "$how$path";
        }

        my $r = $t->get("$how/tail");
        is $r->body, page(1, 3, 5, 6) . "\n\n", "$how/tail";
    }

    is wrong($t->get('/length?user=u1'), 1, 3, 6), undef,
        'each user has sets of his own';
};


subtest 'a static file' => sub {
    for my $path (qw(/static /sendfile /aio)) {
        is wrong($t->get("$path/page.json"), 1, 3, 5, 6), undef, $path;
    }

    is wrong($t->get('/configured'), 1, 3, 5, 6), undef,
        'a text of the configuration';
};


subtest 'a page in the cache' => sub {
    my $c = $t->http;

    for my $path ('/cached/headers', '/cached/letters', '/cached/close') {
        $redis->cmd('SREM', 'watched:u3', 'b3');
        $api->clear;

        my $r = $c->get("$path?user=u3");
        is $r->header('X-Cache'), 'MISS', "$path: not yet there";
        is wrong($r, 1, 3, 5, 6), undef, 'is filtered';

        $redis->cmd('SADD', 'watched:u3', 'b3');
        $r = $c->get("$path?user=u3");
        is $r->header('X-Cache'), 'HIT', "$path: there";
        is wrong($r, 1, 5, 6), undef, 'what was watched meanwhile is gone';

        $redis->cmd('SREM', 'in_stock', 'b1');
        is wrong($c->get("$path?user=u3"), 5, 6), undef, 'what was sold, too';

        $redis->cmd('SADD', 'in_stock', 'b1');
        is wrong($c->get("$path?user=u3"), 1, 5, 6), undef,
            'until it is there again';

        is scalar $api->requests, 1, 'the upstream was asked once';
    }

    my $r = $t->get('/cached/headers?user=u3', Range => 'bytes=0-9');
    is wrong($r, 1, 5, 6), undef, 'no range of it';
};


subtest 'SSI' => sub {
    my $first = page(1, 3, 6);
    my $all = page(1, 3, 5, 6);

    my $r = $t->get('/html/three.html');
    is $r->body, join('|', $first, page(3, 5), $all), 'three pages in one';

    my $slow = page(1 .. 6);
    $r = $t->get('/html/overtaken.html');
    is $r->body, join('|', $slow, $all, $slow, $first),
        'in order, whichever is ready first';

    is $t->get('/html/set.html')->body, "[$slow]", 'into a variable';

    is $t->get('/html/wait.html')->body, "$slow," . large(1, 3, 5, 6) . ',end',
        'one after the other';

    my $c = $t->http2(port => 'H2');
    my @streams = map { $c->send('GET', '/html/overtaken.html') } 1 .. 3;
    is $c->response($_)->body, join('|', $slow, $all, $slow, $first),
        'over HTTP/2' for @streams;
};


subtest 'redirected within nginx' => sub {
    for my $path (qw(/to-page /to-named /other-for-404/none /dead/x /try/x
                     /rewritten/x /unbuffered/to-page))
    {
        is wrong($t->get($path), 1, 3, 5, 6), undef, $path;
    }

    my $r = $t->get('/as-404/none');
    is $r->status, 404, 'an error page that stays one';
    is $r->body, $page, 'is no recommendation';
    is $r->header('Recs-Filter'), 'bypassed;why=status', 'and tagged so';
};


subtest 'subrequests that only decide' => sub {
    is wrong($t->get('/private/length'), 1, 3, 5, 6), undef,
        'auth_request and mirror to filtered locations';
    is wrong($t->get('/private/letters'), 1, 3, 5, 6), undef, 'once more';
};


subtest 'HTTP/1' => sub {
    for my $path ('/length', '/letters', '/static/page.json') {
        my $r = $t->request('GET', $path, { version => '1.0' });
        is wrong($r, 1, 3, 5, 6), undef, "$path by HTTP/1.0";
    }

    my $c = $t->http;
    my %want = (u1 => [1, 3, 6], u2 => [3, 5], '' => [1, 3, 5, 6]);

    for my $round (1 .. 3) {
        for my $user (sort keys %want) {
            is wrong($c->get("/pieces?user=$user"), @{ $want{$user} }), undef,
                "one connection: round $round, user '$user'";
        }
    }

    $c->write(join '', map {
        "GET $_ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    } '/waits/length', '/length?user=u1', '/static/page.json?user=u2',
      '/type?type=text/html', '/letters');

    is wrong($c->response, 1 .. 6), undef, 'pipelined: the first, a slow one';
    is wrong($c->response, 1, 3, 6), undef, 'the second';
    is wrong($c->response, 3, 5), undef, 'the third';
    is $c->response->body, $page, 'one that is not filtered';
    is wrong($c->response, 1, 3, 5, 6), undef, 'the last';

    my $r = $c->request('POST', '/length?user=u1', { body => 'a=1' });
    is wrong($r, 1, 3, 6), undef, 'POST';
};


subtest 'HTTP/2' => sub {
    my $c = $t->http2(port => 'H2');
    my %users = (u1 => [1, 3, 6], u2 => [3, 5], u9 => [1, 3, 5, 6]);
    my @streams;

    for my $path (@framings, '/static/page.json', '/unbuffered/letters',
                  '/cached/length', '/configured')
    {
        push @streams, map { [$c->send('GET', "$path?user=$_"), $path, $_] }
                       sort keys %users;
    }

    push @streams, [$c->send('GET', '/waits/length'), 'slow', 'slow'];

    for my $stream (@streams) {
        my ($id, $path, $user) = @$stream;
        is wrong($c->response($id), @{ $users{$user} // [1 .. 6] }), undef,
            "$path for $user";
    }

    is wrong_large($c->get('/large')), undef, '3 MB in';
    is wrong_large($c->get('/most/large'), 1, 3 .. 4000), undef, 'and out';

    $c = $t->http2(port => 'H2', window => 5000);
    is wrong_large($c->get('/most/medium'), 1, 3 .. 400), undef,
        'a narrow window';

    is $c->request('HEAD', '/headers')->header('ETag'), undef, 'HEAD';
};


subtest 'HEAD' => sub {
    my @paths = ('/headers', '/unbuffered/headers', '/static/page.json',
                 '/cached/length?head', '/cached/length?head', '/configured');

    for my $path (@paths) {
        my $r = $t->request('HEAD', $path);

        is $r->status, 200, "$path: status";
        is $r->header('Recs-Filter'), 'bypassed;why=no_body', 'tag';
        is $r->header($_), undef, "no $_"
            for qw(ETag Last-Modified Content-Length Accept-Ranges Digest);
        is $r->header('Cache-Control'), 'private, no-cache', 'Cache-Control';
    }

    is wrong($t->get('/cached/length?head'), 1, 3, 5, 6), undef,
        'GET after it, from the cache';

    my $r = $t->request('HEAD', '/type?type=text/plain');
    is $r->header('ETag'), '"candidates"', 'what is no page keeps its header';
    is $r->header('Content-Length'), length $page, 'all of it';

    $r = $t->request('HEAD', '/status?status=404');
    is $r->header('ETag'), '"candidates"', 'and so does an error';
};


subtest 'Range' => sub {
    for my $path ('/static/page.json', '/length', '/forced-ranges/headers',
                  '/aio/page.json')
    {
        my $r = $t->get($path, Range => 'bytes=0-9');
        is wrong($r, 1, 3, 5, 6), undef, "$path: the whole page";
    }
};


subtest 'gzip towards the client' => sub {
    my $r = $t->get('/gzip/headers', 'Accept-Encoding' => 'gzip');

    is $r->header('Content-Encoding'), 'gzip', 'compressed';
    is gunzipped($r), page(1, 3, 5, 6), 'and filtered';
    like $r->header('ETag'), qr/^W\/"[0-9a-f]{32}"$/, 'with an own ETag';

    $r = $t->get('/gzip/large', 'Accept-Encoding' => 'gzip');
    is gunzipped($r), large(1, 3, 5, 6), 'of 3 MB';

    $r = $t->get('/substituted/length');
    (my $want = page(1, 3, 5, 6)) =~ s/Book/Livre/g;
    is $r->body, $want, 'sub_filter comes after the filter';
};


subtest 'headers' => sub {
    my @names = map { $validators[2 * $_] } 0 .. $#validators / 2;

    for my $how ('', '/unbuffered', '/cached') {
        my $r = $t->get("$how/headers");
        is wrong($r, 1, 3, 5, 6), undef, "$how rewritten";
        is $r->header($_), undef, "no $_" for grep { $_ ne 'ETag' } @names;
        is_deeply [$r->headers('Set-Cookie')], ['a=1', 'b=2'], 'cookies';
        is $r->header('X-Any'), 'thing', 'others stay';
        is $r->header('Content-Type'), 'application/json', 'Content-Type';
        is_deeply [$r->headers('Recs-Sets')],
            ['in_stock;removed=2, watched;skipped'],
            'what the upstream says in our name is not passed on';
    }

    for my $how ('', '/unbuffered') {
        my $r = $t->get("$how/bad-headers");
        my %has = @validators;

        is $r->header($_), $has{$_}, "$how passed: $_" for sort keys %has;
        is_deeply [$r->headers('Set-Cookie')], ['a=1', 'b=2'], 'cookies';
        is $r->header('Content-Length'), 9, 'Content-Length';
        is_deeply [$r->headers('Recs-Filter')], ['malformed;why=syntax'],
            'Recs-Filter is ours';
        is $r->header('Recs-Sets'), undef, 'no Recs-Sets';
    }
};


subtest 'types' => sub {
    for my $type ('application/json', 'application/json; charset=utf-8',
                  'Application/JSON', 'application/vnd.api+json',
                  'application/ld+JSON', 'application/json; profile=x',
                  'application/json;a="b;c"; charset=UTF-8',
                  "application/json\t ;q=1", 'application/a+json; v=2')
    {
        is wrong(typed($type), 1, 3, 5, 6), undef, "$type is filtered";
    }

    for my $type ('text/html', 'text/plain', 'application/jsonx',
                  'application/json-seq', 'application/x-ndjson', '',
                  'text/plain; type=application/json', ';application/json',
                  'application/' . 'x' x 200 . '+json')
    {
        is touched(typed($type)), undef, "'$type' is not";
    }

    is wrong(typed('text/x-recs', '/types'), 1, 3, 5, 6), undef,
        'recs_types names another';
    is touched(typed('application/json', '/types')), undef,
        'and no longer JSON';
    is touched(typed('application/a+json', '/types')), undef,
        'nor what ends so';
    is wrong(typed('text/plain', '/any-type'), 1, 3, 5, 6), undef, 'or any';
    is touched(typed('application/json', '/off')), undef, 'recs off';
};


subtest 'other statuses' => sub {
    for my $status (201, 203, 206, 301, 400, 404, 429, 500, 503) {
        for my $how ('', '/unbuffered') {
            my $r = $t->get("$how/status?status=$status");

            is $r->status, $status, "$how/$status";
            is $r->body, $page, 'the same body';
            is $r->header('ETag'), '"candidates"', 'and header';
            is $r->header('Recs-Filter'), 'bypassed;why=status', 'but a tag';
        }
    }

    for my $status (204, 304) {
        my $r = $t->get("/status?status=$status");
        is $r->status, $status, "/$status";
        is $r->body, '', 'no body';
    }
};


subtest '3 MB' => sub {
    for my $path ('/large', '/large-chunked', '/large-close',
                  '/unbuffered/large', '/unbuffered/large-chunked',
                  '/small/large', '/static/large.json', '/sendfile/large.json',
                  '/aio/large.json', '/cached/large', '/cached/large',
                  '/http11/large-chunked')
    {
        is wrong_large($t->get($path)), undef, $path;
    }

    is wrong_large($t->get('/most/large'), 1, 3 .. 4000), undef,
        'most of which stays';
};


subtest 'slow on the way to the client' => sub {
    my @most = (1, 3 .. 400);
    is wrong_large($t->get('/most/limited/medium'), @most), undef,
        'limit_rate';

    my $c = $t->http(receive_buffer => 65_536);
    $c->send('GET', '/most/large');
    my $r = $c->head;

    for (1 .. 20) {
        $r->{body} .= $c->take(5000);
        sleep 0.01;
    }

    my $rest = $r->header('Content-Length') - length $r->body;
    $r->{body} .= $c->take($rest);
    $r->{complete} = 1;
    is wrong_large($r, 1, 3 .. 4000), undef, 'a client that dawdles';
    is wrong($c->get('/length'), 1, 3, 5, 6), undef, 'the next request';
};


subtest 'an empty body' => sub {
    for my $path ('/empty', '/empty-chunked', '/empty-close',
                  '/unbuffered/empty', '/unbuffered/empty-chunked',
                  '/unbuffered/empty-close', '/static/empty.json',
                  '/cached/empty', '/cached/empty')
    {
        my $r = $t->get($path);

        is $r->status, 200, $path;
        ok $r->complete, 'complete';
        is $r->body, '', 'empty still';
        is $r->header('Recs-Filter'), 'malformed;why=syntax', 'tagged';
    }
};


$t->done;


sub page {
    my (@n) = @_;

    return '{"model":"m1","items":['
         . join(',', map { qq({"id":"b$_","t":"Book $_"}) } @n) . ']}';
}


# Items of some 760 bytes.

sub large {
    my (@n) = @_;

    return '{"items":[' . join(',', map {
        qq({"id":"b$_","t":") . "Book $_ " x (int(760 / length "Book $_ ") - 3)
        . '"}'
    } @n) . ']}';
}


sub pieces {
    my ($bytes, $size) = @_;

    return $bytes =~ /(.{1,$size})/gs;
}


# What is wrong with a response that should show these; undef: nothing.

sub wrong {
    my ($r, @n) = @_;

    return wrongly_headed($r, 6, scalar @n)
        // ($r->body eq page(@n) ? undef : 'body: ' . $r->body);
}


sub wrong_large {
    my ($r, @n) = @_;

    @n = (1, 3, 5, 6) if !@n;
    return wrongly_headed($r, $n[-1] > 6 ? $n[-1] : 4000, scalar @n)
        // ($r->body eq large(@n) ? undef : 'body of ' . length $r->body);
}


sub wrongly_headed {
    my ($r, $total, $kept) = @_;

    return 'not complete: ' . ($r->error // '') if !$r->complete;
    return 'status ' . $r->status if $r->status != 200;

    my $length = $r->header('Content-Length') // 'missing';
    return "Content-Length is $length, not " . length $r->body
        if $length ne length $r->body;

    my $removed = $total - $kept;
    my $said = $r->header('Recs-Filter') // 'missing';
    return "Recs-Filter: $said"
        if $said ne "filtered;total=$total;kept=$kept;removed=$removed"
                    . ';explored=0';

    my $etag = $r->header('ETag') // 'missing';
    return "ETag: $etag" if $etag !~ /\A"[0-9a-f]{32}"\z/;

    for my $name ('Last-Modified', 'Accept-Ranges', 'Expires', 'Age') {
        return "$name: " . $r->header($name) if defined $r->header($name);
    }

    my $cache = join '|', $r->headers('Cache-Control');
    return "Cache-Control: $cache" if $cache ne 'private, no-cache';

    return;
}


# The page under another type.

sub typed {
    my ($type, $how) = @_;

    $type =~ s/([^\w\/.-])/sprintf '%%%02X', ord $1/ge;
    return $t->get(($how // '') . "/type?type=$type");
}


# Was something done to a response that should have been left alone?

sub touched {
    my ($r) = @_;

    return 'status ' . $r->status if $r->status != 200 || !$r->complete;
    return 'body: ' . $r->body if $r->body ne $page;
    return 'ETag' if ($r->header('ETag') // '') ne '"candidates"';
    return $r->header('Recs-Filter');
}


sub gunzipped {
    my ($r) = @_;

    my $body = $r->body;
    gunzip(\$body => \my $plain) or return 'not gzip';
    return $plain;
}
