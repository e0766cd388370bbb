use strict;
use warnings;

# Whatever comes from behind, compressed, in odd pieces, slowly, by another
# protocol, broken: it is filtered, or passes as it came, or is an error; and
# it never hangs.

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Compress::Gzip qw(gzip $GzipError Z_SYNC_FLUSH);
use IO::Uncompress::Gunzip qw(gunzip);
use Recs::Process qw(slurp);
use Recs::Server;
use Recs::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', 'b1', 'b3');

my $page = '{"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}';
my $shown = '{"items":[{"id":"b1"},{"id":"b3"}]}';
my $filtered = 'filtered;total=3;kept=2;removed=1;explored=0';

# 3 MB in, and 3 MB out.
my $fill = 'x' x 3_000_000;
my $large = qq({"fill":"$fill",) . substr $page, 1;
my $large_shown = qq({"fill":"$fill",) . substr $shown, 1;

my @gzip = ('Content-Encoding' => 'gzip');
my $gz = compressed($page);

# As long as may be in /small, compressed or not; and a byte more.
sub sized { return sprintf '{"items":["b1","b2"]%*s', $_[0] - 20, '}' }

my $bomb = compressed('{"items":["b1"]' . ' ' x 40_000_000 . '}');

my %answers = (
    page => $page, 'page-after' => $page,
    gzip => { body => $gz, headers => [@gzip, 'ETag' => '"z"'] },
    'x-gzip' => { body => $gz, headers => ['Content-Encoding' => 'x-gzip'] },
    upper => { body => $gz, headers => ['Content-Encoding' => 'GZIP'] },
    'gzip-letters' => { body => [split //, $gz], framing => 'chunked',
                        headers => [@gzip] },
    'gzip-close' => { body => $gz, framing => 'close', headers => [@gzip] },
    'gzip-named' => { body => compressed($page, -Name => 'page.json',
                      -Comment => 'of last night', -TextFlag => 1),
                      headers => [@gzip] },
    'gzip-stored' => { body => compressed($page, -Level => 0),
                       headers => [@gzip] },
    'gzip-best' => { body => compressed($page, -Level => 9),
                     headers => [@gzip] },
    'gzip-large' => { body => compressed($large), headers => [@gzip] },
    'gzip-empty' => { body => compressed(''), headers => [@gzip] },
    'gzip-text' => { body => $gz, type => 'text/plain', headers => [@gzip] },
    'gzip-none' => { body => '', headers => [@gzip] },
    'gzip-cut' => { body => $gz, cut => 30, headers => [@gzip] },
    bomb => { body => $bomb, headers => [@gzip] },
    'bad-chunk' => { raw => ["HTTP/1.1 200 OK\r\nContent-Type: "
        . "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        . "a\r\n" . substr($page, 0, 10) . "\r\n", \0.05, "no chunk\r\n"] },

    large => { body => $large },
    'large-chunked' => { framing => 'chunked', body => [
                         unpack '(a40000)*', $large] },
    'early-header' => { raw => ["HTTP/1.1 200 OK\r\n"
        . "Content-Type: application/json\r\n\r\n", \0.1, $page] },
    'early-part' => { raw => ["HTTP/1.1 200 OK\r\nContent-Type: "
        . "application/json\r\nContent-Length: " . length($page)
        . "\r\n\r\n", \0.05, map { ($_, \0.02) } unpack '(a12)*', $page] },
    'no-buffering' => { body => [substr($page, 0, 9), \0.05,
        substr $page, 9], framing => 'chunked',
        headers => ['X-Accel-Buffering' => 'no'] },
    'limit-rate' => { body => $large, headers => [
        'X-Accel-Limit-Rate' => 9_000_000, 'X-Accel-Expires' => 0] },
    latin => { body => $page, headers => ['X-Accel-Charset' => 'utf-8'] },
    part => { body => substr($page, 0, 10), status => 206, headers => [
        'Content-Range' => 'bytes 0-9/' . length $page] },
    switch => { raw => ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: any\r\n"
        . "Connection: upgrade\r\nContent-Type: application/json\r\n\r\n",
        \0.05, $page] },
);

my $api = $t->upstream(sub {
    my ($req) = @_;
    my ($name, $n) = $req->{path} =~ m{^/([\w-]+)/?(\d*)};

    return { body => sized($n) } if $name eq 'sized';
    return { body => compressed(sized($n)), headers => [@gzip] }
        if $name eq 'gzip-sized';
    return { body => $page, status => $n } if $name eq 'status';

    if ($name eq 'sliced') {
        my ($from, $to) = $req->{headers}{range} =~ /bytes=(\d+)-(\d+)/;
        my $end = length($page) - 1;
        $to = $end if $to > $end;
        return { status => 206, body => substr($page, $from, $to - $from + 1),
                 headers => ['ETag' => '"s"', 'Content-Range' =>
                             "bytes $from-$to/" . length $page] };
    }

    # One that is well at first, and then no more.
    if ($name eq 'fails') {
        my $mark = $t->dir . '/failing';
        return -e $mark ? { body => $page, cut => 9 } : { body => $page };
    }

    return $answers{$name};
}, keepalive => 1);

# The other protocols that nginx speaks to applications.

my $other = Recs::Application->new(body => $page,
                                   log => $t->dir . '/application.log');
$t->add('application', $other)->start;
$t->set(APPLICATION => '127.0.0.1:' . $other->port);

chmod 0644, $t->write('www/static/page.json', $page),
            $t->write('www/static/large.json', $large),
            $t->write('www/packed/page.json', $page),
            $t->write('www/packed/page.json.gz', $gz),
            $t->write('www/html/parts.html', join '|', map {
                "<!--#include virtual=\"$_\" -->"
            } '/gzip', '/large', '/small/bomb', '/gzip-letters'),
            $t->write('www/html/broken.html', join '|', map {
                "<!--#include virtual=\"$_\" -->"
            } '/gzip', '/gzip-cut', '/gzip');

my $locations = <<'HTTP';
        recs on;
        recs_require in_stock;
        recs_lookup_timeout 5s;
        recs_max_body_size 4m;
        recs_on_bad_body pass;
        root %%TESTDIR%%/www;

        location / { proxy_pass http://%%API%%; }

        location /kept/ {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://api/;
        }

        location /unbuffered/ {
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        location /threads/ {
            aio threads;
            aio_write on;
            proxy_buffers 4 4k;
            proxy_buffer_size 4k;
            proxy_busy_buffers_size 8k;
            proxy_pass http://%%API%%/;
        }

        location /small/ {
            recs_max_body_size 1000;
            proxy_pass http://%%API%%/;
        }

        location /cached/ {
            proxy_cache pages;
            proxy_cache_valid 200 1h;
            add_header X-Cache $upstream_cache_status;
            proxy_pass http://%%API%%/;
        }

        location /stale/ {
            proxy_cache pages;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale error timeout invalid_header;
            add_header X-Cache $upstream_cache_status;
            proxy_pass http://%%API%%/;
        }

        location /gzipped/ {
            gzip on;
            gzip_types application/json;
            gzip_min_length 1;
            proxy_pass http://%%API%%/;
        }

        location /unzipped/ {
            gunzip on;
            recs_max_body_size 1000;
            proxy_pass http://%%API%%/;
        }

        location /static/ { }

        location /sendfile/ {
            sendfile on;
            sendfile_max_chunk 64k;
            alias %%TESTDIR%%/www/static/;
        }

        location /aio/ {
            aio threads;
            sendfile on;
            directio 1m;
            output_buffers 2 32k;
            alias %%TESTDIR%%/www/static/;
        }

        location /packed/ { gzip_static always; }
        location /html/ { ssi on; default_type text/html; }

        location /limited/ {
            limit_rate 6m;
            limit_rate_after 100k;
            proxy_pass http://%%API%%/;
        }

        location /instead/ {
            error_page 502 = @instead;
            proxy_pass http://%%API%%/;
        }

        location /watched/ { recs shadow; proxy_pass http://%%API%%/; }

        location @instead { rewrite ^ /page break; proxy_pass http://%%API%%; }

        location /after/ {
            post_action /page-after;
            proxy_pass http://%%API%%/;
        }

        location /upgraded/ {
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_pass http://%%API%%/;
        }

        location /sliced {
            slice 16;
            proxy_set_header Range $slice_range;
            proxy_pass http://%%API%%;
        }

        location /asking/ {
            auth_request /auth;
            mirror /auth;
            proxy_pass http://%%API%%/;
        }

        location = /auth { proxy_pass http://%%API%%/page; }

        location /fastcgi {
            fastcgi_param APPLICATION fastcgi;
            fastcgi_pass %%APPLICATION%%;
        }

        location /fastcgi-unbuffered {
            fastcgi_buffering off;
            fastcgi_param APPLICATION fastcgi;
            fastcgi_pass %%APPLICATION%%;
        }

        location /scgi {
            scgi_param CONTENT_LENGTH 0;
            scgi_param SCGI 1;
            scgi_pass %%APPLICATION%%;
        }

        location /uwsgi {
            uwsgi_param APPLICATION uwsgi;
            uwsgi_pass %%APPLICATION%%;
        }

        location = /counted { recs off; recs_status; }
HTTP

my $nginx = $t->nginx(<<"HTTP");
    recs_redis main { server %%REDIS%%; }
    recs_set in_stock redis=main key=in_stock;

    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
    types { application/json json; }

    upstream api { server %%API%%; keepalive 2; }

    server { listen %%LISTEN%%; $locations }
    server { listen %%LISTEN_H2%% http2; $locations }
HTTP

my $etag = $t->get('/page')->header('ETag');


subtest 'gzip from the upstream' => sub {
    my @paths = qw(/gzip /x-gzip /upper /gzip-letters /gzip-close /gzip-named
                   /gzip-stored /gzip-best /unbuffered/gzip
                   /unbuffered/gzip-letters /threads/gzip /cached/gzip
                   /cached/gzip /packed/page.json /kept/gzip);

    for my $path (@paths) {
        for my $r ($t->get($path), $t->get($path, 'Accept-Encoding' => 'gzip'),
                   $t->http2(port => 'H2')->get($path))
        {
            is wrong($r, $shown), undef, $path;
            is $r->header('Content-Encoding'), undef, 'plain';
            is $r->header('ETag'), $etag, 'the ETag of the plain page';
        }
    }

    is wrong($t->get('/gzip-large'), $large_shown), undef, '3 MB of it';

    my $r = $t->get('/gzipped/gzip', 'Accept-Encoding' => 'gzip');
    is $r->header('Content-Encoding'), 'gzip', 'compressed again';
    is gunzipped($r), $shown, 'after it was filtered';

    $r = $t->get('/gzip-text');
    is $r->body, $gz, 'what is no page';
    is $r->header('Content-Encoding'), 'gzip', 'stays compressed';

    is $t->get('/html/parts.html')->body,
        join('|', $shown, $large_shown, $bomb, $shown), 'in subrequests';
};


subtest 'gzip that is too large, or empty' => sub {
    my ($worker) = $nginx->workers;
    my $before = memory($worker);

    for my $path ('/sized', '/gzip-sized') {
        for my $size (22, 999, 1000, 1001, 1002, 2000) {
            my $r = $t->get("/small$path/$size");
            my $tag = $size <= 1000
                ? 'filtered;total=2;kept=1;removed=1;explored=0'
                : 'too_large;why=body';
            is $r->header('Recs-Filter'), $tag, "$path: $size bytes";
            is $r->header('Content-Encoding'),
                $size > 1000 && $path =~ /gzip/ ? 'gzip' : undef, 'encoding';

            my $body = $path =~ /gzip/ && $size > 1000 ? gunzipped($r)
                                                       : $r->body;
            is $body, $size > 1000 ? sized($size)
                                   : sized($size) =~ s/,"b2"//r, 'body';
        }
    }

    for my $path ('/bomb', '/small/bomb', '/unbuffered/bomb', '/cached/bomb',
                  '/cached/bomb')
    {
        my $r = $t->get($path);
        is $r->header('Recs-Filter'), 'too_large;why=body', "$path: a bomb";
        ok $r->body eq $bomb, 'passes as it came';
        is $r->header('Content-Encoding'), 'gzip', 'compressed';
        is $r->header('Content-Length'), length $bomb, 'of its length';
    }

    cmp_ok memory($worker) - $before, '<', 20_000, 'kB more at most';

    my $r = $t->get('/gzip-empty');
    is $r->header('Recs-Filter'), 'malformed;why=syntax', 'of nothing';
    is gunzipped($r), '', 'passes';

    $r = $t->get('/gzip-none');
    is $r->header('Recs-Filter'), 'malformed;why=encoding', 'nothing at all';
    is $r->body, '', 'passes';

    $r = $t->get('/unzipped/gzip-sized/2000');
    is $r->body, sized(2000), 'gunzip comes after it';
    is $r->header('Content-Encoding'), undef, 'as ever';
};


# nginx ends the request itself: no filter, and no error_page, can say more.
subtest 'an invalid chunk after good ones' => sub {
    for my $how ('', '/unbuffered', '/instead', '/watched') {
        my $r = $t->get("$how/bad-chunk");
        is $r->status, 0, "$how: nothing is sent";
        is $r->error, 'closed', 'and the connection closed';
    }

    is $t->http2(port => 'H2')->get('/bad-chunk')->complete, 0, 'over HTTP/2';
};


subtest 'gzip that is broken off' => sub {
    for my $how ('', '/unbuffered', '/cached') {
        is $t->get("$how/gzip-cut")->status, 502, "$how: an error";
        is $t->http2(port => 'H2')->get("$how/gzip-cut")->status, 502,
            'over HTTP/2';
    }

    is wrong($t->get('/instead/gzip-cut'), $shown), undef, 'error_page';

    my $r = $t->get('/html/broken.html');
    my @parts = split /\|/, $r->body, -1;
    is $parts[0], $shown, 'in a subrequest: what stands before it';
    unlike $parts[1], qr/items/, 'nothing of it';
    is $parts[2], $shown, 'what stands behind';
};


subtest 'early, and in pieces' => sub {
    for my $how ('', '/unbuffered', '/kept', '/threads') {
        for my $name (qw(early-header early-part no-buffering)) {
            is wrong($t->get("$how/$name"), $shown), undef, "$how/$name";
            is wrong($t->http2(port => 'H2')->get("$how/$name"), $shown),
                undef, 'over HTTP/2';
        }
    }

    my $c = $t->http;
    $c->send('GET', '/unbuffered/early-part');
    sleep 0.1;
    is $c->{in}, '', 'nothing is sent before it is decided';
    is wrong($c->response, $shown), undef, 'then all';
};


subtest 'statuses from the upstream' => sub {
    for my $how ('', '/unbuffered', '/kept') {
        for my $status (204, 304) {
            for my $c ($t->http, $t->http2(port => 'H2')) {
                my $r = $c->get("$how/status/$status");
                is $r->status, $status, "$how: $status";
                is $r->body, '', 'no body';
                ok $r->complete, 'complete';
                is wrong($c->get('/page'), $shown), undef, 'and a page then';
            }
        }

        my $r = $t->get("$how/part");
        is $r->status, 206, "$how: 206 that nobody asked for";
        is $r->body, substr($page, 0, 10), 'passes';
        is $r->header('Content-Range'), 'bytes 0-9/' . length $page,
            'with its range';
        is $r->header('Recs-Filter'), 'bypassed;why=status', 'tagged';
    }

    my $c = $t->http;
    $c->send('GET', '/upgraded/switch', Upgrade => 'any',
             Connection => 'upgrade');
    $c->fill_until(sub { $c->{in} =~ /\}\]\}/ }, 5);
    like $c->{in}, qr/\AHTTP\/1.1 101 /, 'another protocol';
    like $c->{in}, qr/\r\n\r\n\Q$page\E\z/, 'is left alone';
};


subtest 'X-Accel headers' => sub {
    my $start = time;
    my $r = $t->get('/limit-rate');
    is wrong($r, $large_shown), undef, 'X-Accel-Limit-Rate';
    is $r->header('X-Accel-Limit-Rate'), undef, 'not passed on';

    is wrong($t->get('/latin'), $shown), undef, 'X-Accel-Charset';

    for (1 .. 2) {
        is $t->get('/cached/limit-rate')->header('X-Cache'), 'MISS',
            'X-Accel-Expires: not cached';
    }
};


subtest '3 MB' => sub {
    my @paths = ('/large', '/large-chunked', '/unbuffered/large',
                 '/unbuffered/large-chunked', '/threads/large', '/kept/large',
                 '/static/large.json', '/sendfile/large.json',
                 '/aio/large.json', '/cached/large', '/cached/large');

    for my $path (@paths) {
        is wrong($t->get($path), $large_shown), undef, $path;
        is wrong($t->http2(port => 'H2')->get($path), $large_shown), undef,
            'over HTTP/2';
    }

    is wrong($t->get('/limited/large'), $large_shown), undef, 'limit_rate';
};


subtest 'slow clients' => sub {
    for my $path ('/large', '/unbuffered/large', '/sendfile/large.json',
                  '/aio/large.json')
    {
        my $c = $t->http(receive_buffer => 8192);
        $c->send('GET', $path);
        my $d = $t->http2(port => 'H2', window => 30_000);
        my $stream = $d->send('GET', $path);
        my $r = $c->head;

        # Others are served meanwhile.
        is wrong($t->get('/page'), $shown), undef, "$path: another client";

        $r->{body} .= $c->take(20_000), sleep 0.005 for 1 .. 20;

        my $rest = $r->header('Content-Length') - length $r->body;
        $r->{body} .= $c->take($rest);
        ok $r->body eq $large_shown, 'HTTP/1: all comes';
        is wrong($c->get('/page'), $shown), undef, 'and the next';
        is wrong($d->response($stream), $large_shown), undef, 'HTTP/2';

        # One that leaves in the midst of it.
        $c->send('GET', $path);
        $c->head;
        $c->take(1000);
        $c->reset;
    }

    is wrong($t->get('/page'), $shown), undef, 'all is well';
};


subtest 'connections to the upstream are kept' => sub {
    $t->get('/kept/page') for 1 .. 3;
    my $before = $api->connections;

    for my $path (qw(/kept/page /kept/gzip /kept/large /kept/large-chunked
                     /kept/gzip-letters /kept/status/204))
    {
        ok $t->get($path)->complete, $path;
    }

    is $api->connections, $before, 'whatever was filtered';
};


subtest 'a page in the cache, an upstream that fails' => sub {
    is wrong($t->get('/stale/fails'), $shown), undef, 'at first';
    $api->stop;

    my $r;
    ok wait_until(sub {
        $r = $t->get('/stale/fails');
        return $r->header('X-Cache') eq 'STALE';
    }), 'then it is stale';
    is wrong($r, $shown), undef, 'and filtered';

    $redis->cmd('SREM', 'in_stock', 'b3');
    is $t->get('/stale/fails')->body, '{"items":[{"id":"b1"}]}',
        'by the facts of this moment';
    $redis->cmd('SADD', 'in_stock', 'b3');

    is $t->get('/page')->status, 502, 'no page, no answer';
    $api->start;
    is wrong($t->get('/page'), $shown), undef, 'it is back';
};


subtest 'requests that no client sees' => sub {
    my $before = counted();

    $api->clear;
    is wrong($t->get('/asking/page'), $shown), undef,
        'auth_request and mirror';
    $api->requests(3);
    is sum(counted()) - sum($before), 1, 'one response is counted';

    $before = counted();
    $api->clear;
    is wrong($t->get('/after/page'), $shown), undef, 'post_action';
    my @requests = $api->requests(2);
    is $requests[1]{path}, '/page-after', 'is done';
    is sum(counted()) - sum($before), 1, 'one response is counted';
};


subtest 'a response in parts' => sub {
    for my $c ($t->http, $t->http2(port => 'H2')) {
        my $r = $c->get('/sliced');
        is $r->status, 200, 'slice';
        is $r->body, $page, 'the whole, as it came';
        is $r->header('Recs-Filter'), 'bypassed;why=parts', 'tagged';
        is wrong($c->get('/page'), $shown), undef, 'the next';
    }
};


subtest 'FastCGI, SCGI, uwsgi' => sub {
    for my $path (qw(/fastcgi /fastcgi-unbuffered /scgi /uwsgi)) {
        for my $c ($t->http, $t->http2(port => 'H2')) {
            is wrong($c->get($path), $shown), undef, $path;
            is $c->get($path, 'If-None-Match' => $etag)->status, 304,
                'with an ETag';
            is $c->request('HEAD', $path)->header('Recs-Filter'),
                'bypassed;why=no_body', 'HEAD';
        }
    }
};


$t->done;


sub compressed {
    my ($text, @how) = @_;

    gzip(\$text => \my $out, -Minimal => !@how, @how) or die $GzipError;
    return $out;
}


sub gunzipped {
    my ($r) = @_;

    my $body = $r->body;
    gunzip(\$body => \my $plain) or return 'not gzip';
    return $plain;
}


sub wrong {
    my ($r, $body) = @_;

    return 'not complete: ' . ($r->error // '') if !$r->complete;
    return 'status ' . $r->status if $r->status != 200;

    my $said = $r->header('Recs-Filter') // 'missing';
    return "Recs-Filter: $said" if $said ne $filtered;

    my $length = $r->header('Content-Length') // 'missing';
    return "Content-Length: $length" if $length ne length $body;
    return if $r->body eq $body;
    return 'body: ' . substr $r->body, -200;
}


sub memory {
    my ($pid) = @_;

    return slurp("/proc/$pid/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0;
}


sub counted {
    return $t->get('/counted')->json->{responses};
}


sub sum {
    my ($counters) = @_;

    my $sum = 0;
    $sum += $_ for values %$counters;
    return $sum;
}


# Tells by the first byte which protocol is spoken.

package Recs::Application;

use parent -norequire, 'Recs::Server';


sub converse {
    my ($self, $stream) = @_;

    my $head = "Status: 200 OK\r\nContent-Type: application/json\r\n\r\n";
    my $first = $stream->take(1);
    my $body = $self->{body};

    if ($first eq "\x01") {
        $stream->take(7);
        fastcgi($stream);
        $stream->write(record(6, $_)) for $head . substr($body, 0, 9),
                                          substr($body, 9), '';
        $stream->write(record(3, "\0" x 8));

    } elsif ($first eq "\0") {
        my ($size) = unpack 'v', $stream->take(3);
        $stream->take($size);
        $stream->write("HTTP/1.1 200 OK\r\n"
                       . "Content-Type: application/json\r\n\r\n$body");

    } else {
        my $length = $first;
        $length .= $stream->take(1) while $length !~ /:\z/;
        $stream->take($length =~ /(\d+)/ ? $1 + 1 : 0);
        $stream->write($head . $body);
    }
}


# Reads up to the end of the request's body: an empty record.  The first
# record's header is read already.

sub fastcgi {
    my ($stream) = @_;

    $stream->take(8);

    while (1) {
        my (undef, $type, undef, $length, $padding)
            = unpack 'C C n n C', $stream->take(8);
        last if !defined $type;
        $stream->take($length + $padding);
        last if $type == 5 && $length == 0;
    }
}


sub record {
    my ($type, $data) = @_;

    return pack('C C n n C C', 1, $type, 1, length $data, 0, 0) . $data;
}
