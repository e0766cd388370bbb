use strict;
use warnings;

# What a client or a cache keeps of a page is compared with the page as it is
# to be shown now, and with nothing else: what was sold or watched never comes
# back from any cache.

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Compress::Gzip qw(gzip);
use IO::Uncompress::Gunzip qw(gunzip);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', map { "b$_" } 1 .. 6);

my $page = page(1 .. 6);
my $old = 'Mon, 02 Nov 2026 10:00:00 GMT';
my $later = 'Thu, 31 Dec 2037 23:55:55 GMT';

# Of the page as the upstream has it: none of it is true of what we send.
my @removed = (
    'Last-Modified' => $old, 'Accept-Ranges' => 'bytes', 'Age' => 100,
    'Content-MD5' => 'Q2hlY2sgSW50ZWdyaXR5IQ==', 'Digest' => 'sha-256=YQ==',
    'Content-Digest' => 'sha-256=:YQ==:', 'Repr-Digest' => 'sha-256=:YQ==:',
    'Expires' => $later, 'CDN-Cache-Control' => 'max-age=600',
    'Surrogate-Control' => 'max-age=600',
);

my @validators = (@removed, 'ETag' => '"candidates"',
                  'Cache-Control' => 'public, max-age=3600');

gzip(\$page => \my $compressed) or die 'gzip';

my $api = $t->upstream(sub {
    my ($req) = @_;
    my $path = $req->{path};

    # The cache in front asks whether it has changed.
    return { status => 304, headers => ['ETag' => '"candidates"'] }
        if $path =~ /revalidated/
           && ($req->{headers}{'if-none-match'} // '') eq '"candidates"';

    return { body => '', headers => ['X-Accel-Redirect' => $req->{args}{to}] }
        if $path eq '/accel';
    return { status => 500 } if $path eq '/broken';
    return { body => $page, cut => 20 } if $path eq '/cut';
    return { body => [split //, $page], framing => 'chunked' }
        if $path eq '/letters';
    return { body => $compressed, headers => ['Content-Encoding' => 'gzip'] }
        if $path eq '/gzip';
    return { body => $page, type => 'text/plain', headers => [@validators] }
        if $path eq '/text';
    return { body => '{', headers => [@validators] } if $path eq '/bad';
    return { body => $page, headers => [(@validators) x 2] }
        if $path eq '/twice';
    return { body => $page, headers => [@removed,
             'cache-control' => 'max-age=9', 'Cache-Control' => 'No-Store'] }
        if $path eq '/no-store';

    return { body => $page, headers => [@validators],
             wait => $path =~ /updated/ ? 0.1 : 0 };
});

chmod 0644, $t->write('www/static/page.json', $page),
            $t->write('www/static/text.txt', $page),
            $t->write('www/html/two.html',
                '<!--#include virtual="/page?user=u1" -->|'
                . '<!--#include virtual="/static/page.json" -->');

my $locations = <<'HTTP' =~ s/PAGE/$page/r;
        recs on;
        recs_require in_stock;
        recs_exclude watched;
        recs_lookup_timeout 5s;
        root %%TESTDIR%%/www;

        proxy_cache_valid 200 1h;
        proxy_ignore_headers Cache-Control Expires;
        add_header X-Cache $upstream_cache_status;

        location / { proxy_pass http://%%API%%; }

        location /unbuffered/ {
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        location /static/ { }

        location /off/ { recs off; proxy_pass http://%%API%%/; }

        location /off/static/ {
            recs off;
            alias %%TESTDIR%%/www/static/;
        }

        location /cached/ {
            proxy_cache pages;
            proxy_pass http://%%API%%/;
        }

        location /revalidated/ {
            proxy_cache pages;
            proxy_cache_valid 200 1s;
            proxy_cache_revalidate on;
            proxy_pass http://%%API%%;
        }

        location /updated/ {
            proxy_cache pages;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            proxy_pass http://%%API%%;
        }

        location /gzipped/ {
            gzip on;
            gzip_types application/json;
            gzip_min_length 1;
            proxy_pass http://%%API%%/;
        }

        location /html/ { default_type text/html; ssi on; }

        location /off/html/ {
            recs off;
            default_type text/html;
            ssi on;
            alias %%TESTDIR%%/www/html/;
        }

        location @named { rewrite ^ /page break; proxy_pass http://%%API%%; }

        location /fallback/ {
            proxy_intercept_errors on;
            error_page 500 502 =200 /static/page.json;
            proxy_pass http://%%API%%/;
        }

        location /named/ {
            proxy_intercept_errors on;
            error_page 500 502 =200 @named;
            proxy_pass http://%%API%%/;
        }

        location /returned { default_type application/json; return 200 'PAGE'; }

        location /try/ { try_files /nothing @named; }

        location /lasting/ {
            recs_expires 5m;
            proxy_pass http://%%API%%/;
        }

        location /theirs/ {
            recs_expires off;
            proxy_pass http://%%API%%/;
        }

        location /status { recs off; recs_status; }
HTTP

my $nginx = $t->nginx(<<"HTTP");
    recs_redis main { server %%REDIS%%; }
    recs_set in_stock redis=main key=in_stock;
    recs_set watched redis=main key=watched:\$arg_user;

    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;

    types { application/json json; text/plain txt; }

    server { listen %%LISTEN%%; $locations }
    server { listen %%LISTEN_H2%% http2; $locations }
HTTP

my $etag = $t->get('/page')->header('ETag');


subtest 'hidden from the upstream' => sub {
    my @hidden = (
        'If-None-Match' => '"candidates"', 'If-Modified-Since' => $later,
        'If-Match' => '"other"', 'If-Unmodified-Since' => $old,
        'If-Range' => '"candidates"', 'Range' => 'bytes=0-9',
        'Accept-Encoding' => 'gzip',
    );

    for (my $i = 0; $i < @hidden; $i += 2) {
        my ($name, $value) = @hidden[$i, $i + 1];

        for my $spelt ($name, lc $name, uc $name) {
            $api->clear;
            is wrong($t->get('/page', $spelt => $value), 1 .. 6), undef,
                "$spelt: the whole page";
            is_deeply names($api->requests(1)), [], 'it is hidden';
        }

        $api->clear;
        is wrong($t->http2(port => 'H2')->get('/page', $name => $value),
                 1 .. 6), undef, 'over HTTP/2';
        is_deeply names($api->requests(1)), [], 'too';

        $api->clear;
        is wrong($t->get('/static/page.json', $name => $value), 1 .. 6),
            undef, 'a static page';
        is scalar $api->requests, 0, 'asks no upstream';

        $api->clear;
        $t->get('/off/page', $name => $value);
        is_deeply names($api->requests(1)), [lc $name],
            'recs off: it is passed on';
    }

    $api->clear;
    is wrong($t->get('/page', @hidden), 1 .. 6), undef, 'all of them';
    is_deeply names($api->requests(1)), [], 'all are hidden';
};


subtest 'others arrive, in order' => sub {
    for my $count (1, 18 .. 22, 60) {
        my @fields = map { ("X-F$_" => $_) } 1 .. $count;
        my @mixed = @fields;
        splice @mixed, 2 * int($count / 2), 0, 'If-None-Match' => '"a"',
               'X-Range' => 'x', 'Range' => 'bytes=0-1';
        push @mixed, 'If-Match' => '"b"', 'Cookie' => 'c=1';
        unshift @mixed, 'If-Range' => '"d"';

        for my $c ($t->http, $t->http2(port => 'H2')) {
            $api->clear;
            is wrong($c->get('/page', @mixed), 1 .. 6), undef, "$count fields";

            my ($req) = $api->requests(1);
            my @came = grep { $_->[0] =~ /^x-f/i } @{ fields($req) };

            is_deeply [map { $_->[1] } @came], [1 .. $count], 'all came';
            is $req->{headers}{'x-range'}, 'x', 'one in between';
            is $req->{headers}{cookie}, 'c=1', 'and behind';
            is_deeply names($req), [], 'but the hidden ones';
        }
    }
};


subtest 'headers of a rewritten page' => sub {
    for my $how ('', '/unbuffered', '/cached', '/cached') {
        my $r = $t->get("$how/page");

        is wrong($r, 1 .. 6), undef, "$how/page";
        is $r->header('ETag'), $etag, 'the same ETag for the same bytes';
        is $r->header($removed[2 * $_]), undef, "no $removed[2 * $_]"
            for 0 .. $#removed / 2;
        is_deeply [$r->headers('Cache-Control')], ['private, no-cache'],
            'one Cache-Control';
        is_deeply [$r->headers('ETag')], [$etag], 'one ETag';
    }

    my $r = $t->get('/twice');
    is_deeply [$r->headers('ETag')], [$etag], 'all of them go';
    is $r->header($removed[2 * $_]), undef, "no $removed[2 * $_]"
        for 0 .. $#removed / 2;

    $r = $t->get('/off/page');
    my %has = @validators;
    is $r->header($_), $has{$_}, "recs off: $_" for sort keys %has;
};


subtest 'how long it may be kept' => sub {
    my $r = $t->get('/lasting/page');
    is $r->header('Cache-Control'), 'private, max-age=300', 'recs_expires';
    is $r->header('Expires'), undef, 'and no date';

    $r = $t->get('/lasting/bad');
    is $r->header('Cache-Control'), 'private, no-cache', 'but what is passed';
    $r = $t->request('HEAD', '/page');
    is $r->header('Cache-Control'), 'private, no-cache', 'HEAD';

    $r = $t->get('/theirs/page');
    is $r->header('Cache-Control'), 'public, max-age=3600', 'recs_expires off';
    is $r->header('CDN-Cache-Control'), 'max-age=600', 'leaves it all';
    is $r->header('Expires'), $later, 'to the upstream';
    is $r->header('ETag'), $etag, 'not the ETag';

    for my $how ('', '/lasting') {
        $r = $t->get("$how/no-store");
        is wrong_body($r, 1 .. 6), undef, "no-store $how";
        like $r->header('Cache-Control'), qr/\bNo-Store\b/, 'stays';
        is $r->header($_), undef, "but no other may keep it: $_"
            for qw(CDN-Cache-Control Surrogate-Control);
    }
};


subtest 'an ETag is that of the bytes' => sub {
    my %seen;

    for my $path ('/page', '/letters', '/gzip', '/unbuffered/letters',
                  '/static/page.json', '/cached/letters', '/cached/letters',
                  '/try/x', '/page?user=nobody')
    {
        is $t->get($path)->header('ETag'), $etag, $path;
        is $t->http2(port => 'H2')->get($path)->header('ETag'), $etag,
            'over HTTP/2';
    }

    for my $gone (1 .. 6) {
        $redis->cmd('SADD', 'watched:e', "b$gone");

        my $r = $t->get('/page?user=e');
        is wrong($r, $gone + 1 .. 6), undef, "without the first $gone";
        ok !$seen{ $r->header('ETag') }++, 'another ETag';
    }

    ok !$seen{$etag}, 'never that of the whole';
    $redis->cmd('DEL', 'watched:e');
    is $t->get('/page?user=e')->header('ETag'), $etag, 'until it is so again';
};


subtest 'If-None-Match' => sub {
    (my $bare = $etag) =~ tr/"//d;

    my @same = ($etag, "W/$etag", '*', qq("x", $etag), qq($etag,"x"),
                qq(W/"x" , W/$etag , "y"), qq("a,b",,$etag),
                qq("",$etag), qq( \t$etag));

    my @other = ('"candidates"', '"x"', $bare, uc $etag,
                 substr($etag, 0, -2) . '"', '"*"', 'W/', '"', '',
                 qq("$bare), qq("x$bare"), qq("a, $bare", "b"));

    my $before = not_modified();
    my $count = 0;

    for my $path ('/page', '/unbuffered/letters', '/static/page.json',
                  '/cached/page', '/gzip')
    {
        my $c = $t->http;
        my $d = $t->http2(port => 'H2');

        for my $client ($c, $d) {
            for my $value (@same) {
                my $r = $client->get($path, 'If-None-Match' => $value);
                is not304($r), undef, "$path: $value";
                $count++;
            }

            for my $value (@other) {
                my $r = $client->get($path, 'If-None-Match' => $value);
                is wrong($r, 1 .. 6), undef, "$path: not $value";
            }
        }

        is wrong($c->get($path), 1 .. 6), undef, 'then without';
        is wrong($d->get($path), 1 .. 6), undef, 'over HTTP/2';
    }

    is not_modified() - $before, $count, 'they are counted';

    my $c = $t->http;
    $c->send('GET', '/page', 'If-None-Match' => $etag) for 1 .. 3;
    $c->send('GET', '/page');
    is not304($c->response), undef, 'pipelined' for 1 .. 3;
    is wrong($c->response, 1 .. 6), undef, 'and a page after them';

    my $r = $t->request('GET', '/page', { version => '1.0' },
                        'If-None-Match' => $etag);
    is not304($r), undef, 'HTTP/1.0';

    $r = $t->request('POST', '/page', { body => 'a=1' },
                     'If-None-Match' => $etag);
    is wrong($r, 1 .. 6), undef, 'POST is answered';

    for my $path ('/page', '/off/page') {
        $r = $t->get($path, 'If-None-Match' => '"x"',
                     'If-None-Match' => $etag);
        is $r->status, 400, "$path: nginx itself takes but one such line";
    }

    $r = $t->request('HEAD', '/page', 'If-None-Match' => $etag);
    is $r->status, 200, 'HEAD, whose page nobody knows';
    is $r->header('ETag'), undef, 'without ETag';
};


subtest 'the other conditions' => sub {
    for my $path ('/page', '/static/page.json', '/cached/page') {
        for my $fields (['If-Modified-Since' => $later],
                        ['If-Modified-Since' => $old],
                        ['If-Match' => '"x"'], ['If-Match' => $etag],
                        ['If-Unmodified-Since' => $old],
                        ['Range' => 'bytes=0-9'], ['Range' => 'bytes=9999-'],
                        ['Range' => 'bytes=0-9', 'If-Range' => $etag],
                        ['Range' => 'bytes=0-9', 'If-Range' => $old],
                        ['If-Modified-Since' => $later,
                         'If-None-Match' => '"x"'])
        {
            is wrong($t->get($path, @$fields), 1 .. 6), undef,
                "$path: @$fields";
        }

        is not304($t->get($path, 'If-None-Match' => $etag, @$_)), undef,
            "$path: with @$_" for ['If-Modified-Since' => $old],
                                  ['If-Match' => '"x"'],
                                  ['Range' => 'bytes=0-9'];
    }
};


subtest 'what is no page' => sub {
    my $own = $t->get('/off/static/text.txt')->header('ETag');
    my $r = $t->get('/off/static/text.txt', 'If-None-Match' => $own);
    is $r->status, 304, 'a text file, recs off';

    $r = $t->get('/static/text.txt', 'If-None-Match' => $own);
    is $r->status, 200, 'recs on: its type is not known in time';
    is $r->header('ETag'), $own, 'its ETag stays';
    ok $r->header('Last-Modified'), 'and its date';

    my $date = $r->header('Last-Modified');

    for my $fields (['Range' => 'bytes=0-9'], ['If-Modified-Since' => $date],
                    ['If-Match' => '"x"'], ['If-Unmodified-Since' => $old],
                    ['Range' => 'bytes=0-9', 'If-Range' => $own])
    {
        $r = $t->get('/static/text.txt', @$fields);
        is $r->status, 200, "@$fields";
        is $r->body, $page, 'the whole file';
        isnt $t->get('/off/static/text.txt', @$fields)->status, 200,
            'recs off: as ever';
    }

    for my $path ('/text', '/bad') {
        $r = $t->get($path, 'If-None-Match' => '"candidates"');
        is $r->status, 200, $path;
        is $r->header('ETag'), '"candidates"', 'with the upstream\'s ETag';
        is $t->get($path, 'If-None-Match' => '*')->status, 200, 'always';
    }
};


subtest 'gzip towards the client' => sub {
    my $c = $t->http;
    my $r = $c->get('/gzipped/page', 'Accept-Encoding' => 'gzip');
    my $body = $r->body;

    gunzip(\$body => \my $plain);
    is $plain, $page, 'compressed';
    is $r->header('ETag'), "W/$etag", 'the ETag is weak';

    for my $coding ('gzip', 'identity') {
        $r = $c->get('/gzipped/page', 'Accept-Encoding' => $coding,
                     'If-None-Match' => "W/$etag");
        is not304($r), undef, "asked again, $coding";
    }

    $redis->cmd('SADD', 'watched:g', 'b2');
    $r = $c->get('/gzipped/page?user=g', 'Accept-Encoding' => 'gzip',
                 'If-None-Match' => "W/$etag");
    is $r->status, 200, 'something was watched';
    $body = $r->body;
    gunzip(\$body => \$plain);
    is $plain, page(1, 3 .. 6), 'another page';
};


subtest 'a page cached for an hour, facts of this moment' => sub {
    $api->clear;
    my $c = $t->http;
    my $d = $t->http2(port => 'H2');
    my @shown = 1 .. 6;

    my %tags = ("@shown" => $c->get('/cached/hour?user=h')->header('ETag'));

    for my $change (['SADD', 'watched:h', 2], ['SREM', 'in_stock', 5],
                    ['SADD', 'watched:h', 6], ['SADD', 'in_stock', 5],
                    ['SREM', 'in_stock', 1], ['DEL', 'watched:h'],
                    ['SADD', 'in_stock', 1])
    {
        my ($command, $key, $n) = @$change;
        my $last = $tags{"@shown"};

        $redis->cmd($command, $key, defined $n ? "b$n" : ());
        my @was = @shown;
        @shown = grep {
            $redis->cmd('SISMEMBER', 'in_stock', "b$_")
            && !$redis->cmd('SISMEMBER', 'watched:h', "b$_")
        } 1 .. 6;

        for my $client ($c, $d) {
            my $r = $client->get('/cached/hour?user=h',
                                 'If-None-Match' => $last,
                                 'If-Modified-Since' => $later);
            is wrong($r, @shown), undef, "@$change: asked with the old ETag";
            is $r->header('X-Cache'), 'HIT', 'from the cache';

            my $known = $tags{"@shown"} //= $r->header('ETag');
            is $r->header('ETag'), $known, 'one ETag a page';
            isnt $known, $last, 'a new one';

            is not304($client->get('/cached/hour?user=h',
                                   'If-None-Match' => $known)), undef,
                'the new one is good';
        }
    }

    is "@shown", '1 2 3 4 5 6', 'all is as at first';
    is scalar $api->requests, 1, 'the upstream was asked once';
};


subtest 'revalidated by the cache' => sub {
    my $path = '/revalidated/page?user=r';
    my $c = $t->http;
    $api->clear;

    my $first = $c->get($path);
    is wrong($first, 1 .. 6), undef, 'at first';

    $redis->cmd('SADD', 'watched:r', 'b4');
    my $r;

    for my $round (1 .. 2) {
        ok wait_until(sub {
            $r = $c->get($path, 'If-None-Match' => $first->header('ETag'));
            return $r->header('X-Cache') eq 'REVALIDATED'
                   || $r->status != 200;
        }), 'the cache asks';

        is $r->header('X-Cache'), 'REVALIDATED', 'if its page is still good';
        is wrong($r, 1 .. 3, 5, 6), undef, 'it is, and filtered anew';
    }

    my $own = $r->header('ETag');
    ok wait_until(sub {
        $r = $c->get($path, 'If-None-Match' => $own);
        return $r->header('X-Cache') eq 'REVALIDATED' || $r->status != 304;
    }), 'a client with this page';
    is not304($r), undef, 'keeps it';

    my %asked = map { ($_->{headers}{'if-none-match'} // 'none') => 1 }
                $api->requests;
    is_deeply [sort keys %asked], ['"candidates"', 'none'],
        'the upstream sees its own ETag only';
};


subtest 'stale while it is updated' => sub {
    my $path = '/updated/page?user=s';
    my $c = $t->http;

    my $first = $c->get($path);
    is wrong($first, 1 .. 6), undef, 'at first';
    my $states = $t->get('/status')->json->{responses};
    my $count = 0;

    $redis->cmd('SADD', 'watched:s', 'b1');
    my (%seen, @wrong);

    # Who is shown the stale page sets off the update, and waits for its end
    # with the next request; another client doesn't.
    my @clients = ($c, $t->http);

    ok wait_until(sub {
        for my $client (@clients) {
            my $r = $client->get($path,
                                 'If-None-Match' => $first->header('ETag'));
            my $why = wrong($r, 2 .. 6);
            push @wrong, $why if $why;
            $count++;
            $seen{ $r->header('X-Cache') // '' }++;
        }

        return $seen{STALE} && $seen{HIT} && $seen{UPDATING};
    }), 'from the cache, fresh and stale';
    is "@wrong[0 .. ($#wrong < 2 ? $#wrong : 2)]", '',
        'what was watched never comes back';

    my $now = $t->get('/status')->json->{responses};
    is $now->{filtered} - $states->{filtered}, $count,
        'the updates themselves are not counted';
    is $now->{bypassed}, $states->{bypassed}, 'nor passed';
};


subtest 'SSI' => sub {
    $redis->cmd('SADD', 'watched:u1', 'b1', 'b2');
    my $one = $t->get('/page?user=u1')->header('ETag');
    my $want = page(3 .. 6) . '|' . $page;

    for my $path ('/html/two.html', '/off/html/two.html') {
        for my $fields ([], ['If-None-Match' => $one],
                        ['If-None-Match' => "$one, $etag"],
                        ['If-Modified-Since' => $later],
                        ['Range' => 'bytes=0-9'], ['If-Match' => '"x"'])
        {
            next if $path =~ /off/ && "@$fields" =~ /If-Match|Since/;

            my $r = $t->get($path, @$fields);
            is $r->status, 200, "$path: @$fields";
            is $r->body, $want, 'both pages, whole';
            is $t->http2(port => 'H2')->get($path, @$fields)->body, $want,
                'over HTTP/2';
        }
    }
};


subtest 'redirected within nginx' => sub {
    for my $path ('/accel?to=/static/page.json', '/accel?to=/page',
                  '/accel?to=@named', '/fallback/broken', '/fallback/cut',
                  '/named/broken', '/named/cut', '/try/x', '/returned')
    {
        is wrong($t->get($path, 'If-None-Match' => '"x"'), 1 .. 6), undef,
            $path;
        is not304($t->get($path, 'If-None-Match' => $etag)), undef,
            'the client has it';
        is not304($t->http2(port => 'H2')->get($path,
                  'If-None-Match' => qq("x", $etag))),
            undef, 'over HTTP/2';
    }

    for my $path ('/fallback/broken', '/named/broken') {
        my $r = $t->request('POST', $path, 'If-None-Match' => $etag,
                            'Content-Length' => 0);
        is wrong($r, 1 .. 6), undef, 'POST is answered, whatever became of it';
    }
};


$t->done;


sub page {
    my (@n) = @_;

    return '{"model":"m1","items":['
         . join(',', map { qq({"id":"b$_","t":"Book $_"}) } @n) . ']}';
}


# What is wrong with a response that should show these; undef: nothing.

sub wrong {
    my ($r, @n) = @_;

    my $why = wrong_body($r, @n);
    return $why if $why;

    my $cache = $r->header('Cache-Control') // 'missing';
    return "Cache-Control: $cache" if $cache ne 'private, no-cache';

    return;
}


sub wrong_body {
    my ($r, @n) = @_;

    return 'not complete: ' . ($r->error // '') if !$r->complete;
    return 'status ' . $r->status if $r->status != 200;
    return 'body: ' . $r->body if $r->body ne page(@n);

    my $length = $r->header('Content-Length') // 'missing';
    return "Content-Length: $length" if $length ne length $r->body;

    my $tag = $r->header('ETag') // 'missing';
    return "ETag: $tag" if $tag !~ /\A"[0-9a-f]{32}"\z/;

    return;
}


# What is wrong with a 304 for the whole page.

sub not304 {
    my ($r) = @_;

    return 'not complete: ' . ($r->error // '') if !$r->complete;
    return 'status ' . $r->status if $r->status != 304;
    return 'body: ' . $r->body if $r->body ne '';

    for my $name ('Content-Length', 'Content-Type', 'Content-Encoding',
                  'Transfer-Encoding', map { $removed[2 * $_] }
                                       0 .. $#removed / 2)
    {
        return "$name: " . $r->header($name) if defined $r->header($name);
    }

    my $cache = $r->header('Cache-Control') // 'missing';
    return "Cache-Control: $cache" if $cache ne 'private, no-cache';

    my $said = $r->header('Recs-Filter') // 'missing';
    return "Recs-Filter: $said" if $said !~ /^filtered;total=6;/;

    my $tag = $r->header('ETag') // 'missing';
    return "ETag: $tag" if $tag !~ /\A"[0-9a-f]{32}"\z/;

    return;
}


sub not_modified {
    return $t->get('/status')->json->{not_modified};
}


sub fields {
    my ($req) = @_;

    return $req->{fields} if ref $req->{fields}[0];

    my @flat = @{ $req->{fields} };
    my @pairs;
    while (my ($name, $value) = splice @flat, 0, 2) {
        push @pairs, [$name, $value];
    }
    return \@pairs;
}


# Which of the hidden headers came.

sub names {
    my ($req) = @_;

    return [sort grep { /^(?:if-|range$|accept-encoding$)/ }
            keys %{ $req->{headers} }];
}
