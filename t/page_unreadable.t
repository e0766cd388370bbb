use strict;
use warnings;

# What can't be read passes byte for byte, and the response says why; what is
# too large to be read doesn't pass; what the upstream broke off is an error,
# and no hang.

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Compress::Gzip qw(gzip);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', 'b1');

my $page = '{"items":[{"id":"b1"},{"id":"b2"}]}';
my $shown = '{"items":[{"id":"b1"}]}';

gzip(\$page => \my $compressed) or die 'gzip';

my $bomb_text = $page . ' ' x 10_000;
gzip(\$bomb_text => \my $bomb) or die 'gzip';

my @headers = (
    'ETag' => '"candidates"', 'Accept-Ranges' => 'bytes',
    'Last-Modified' => 'Mon, 02 Nov 2026 10:00:00 GMT',
    'Content-MD5' => 'Q2hlY2sgSW50ZWdyaXR5IQ==', 'Digest' => 'sha-256=YQ==',
    'Cache-Control' => 'max-age=60', 'Set-Cookie' => 'a=1',
    'Set-Cookie' => 'b=2', 'X-Any' => 'thing', 'Vary' => 'Accept-Language',
    'Expires' => 'Thu, 31 Dec 2037 23:55:55 GMT',
);

my @headers_of_page = ('Recs-Filter', map { $headers[2 * $_] }
                                      0 .. $#headers / 2);

my $deep = '[' x 513 . ']' x 513;
my $one = '{"id":"b1"}';

# What the upstream says: by kind, or the n-th of a kind.

my %answers = (
    page => $page,

    syntax => [
        '{', '}', ' ', "\0", '<html>', 'items', '{"items":[1,]}',
        '{"items":[01]}', '{"items":[+1]}', '{"items":[1.]}',
        '{"items":[NaN]}', '{"items":["b1"]}}', '{"items":["b1"]} x',
        "{'items':[]}", '{"items":["\x"]}', '{"items":["\u12"]}',
        "{\"items\":[\"a\nb\"]}", "{\"items\":[\"\\\xFF\"]}",
        "{\"items\":[\xE9]}", "{\"items\":[\"\xE2\x82",
        "{\"items\":[\"\xC3\x01\"]}", "\xEF\xBB{\"items\":[]}",
        "{\"items\":[],\"deep\":$deep}", '{"items":["b1"]', '{"items":[',
        '{"items":["b1', '{"items":["b1"],"a"}', '{"items":["b1"],}',
        '{"items":["b1"] "a":1}', '{"items":["b1" "b2"]}', '{1:2}',
        '{"items":[tru]}', '{"items":["b1"],"a":"\ud800',
    ],

    no_shelf => [
        '{}', '[]', '""', '1', 'null', '{"item":[]}', '{"items":{}}',
        '{"items":"b1"}', '{"items":null}', '{"items":["b1"],"items":1}',
        '{"Items":["b1"]}', '{"a":{"items":["b1"]}}',
    ],

    items => [map { '{"items":[' . join(',', ($one) x $_) . ']}' } 4, 40],
    # One compressed page of many is as small as others.
    bomb  => { body => $bomb, headers => ['Content-Encoding' => 'gzip'] },

    many  => '{"items":[' . join(',', ('"b1"') x 5001) . ']}',
    three => '{"items":["b1","b2","b1"]}',

    # 100 bytes may be filtered in /small, 101 may not.
    size => [map {
        '{"items":["b1","b2"],"fill":"' . 'x' x ($_ - 31) . '"}'
    } 100, 101, 150_000],
);

# Too large only after a while.
$answers{grows} = { body => [unpack('a60 (a5000)*', $answers{size}[2])],
                    framing => 'chunked' };
splice @{ $answers{grows}{body} }, 1, 0, \0.05;

$answers{encoding} = [
    map { { body => $_->[1], headers => ['Content-Encoding' => $_->[0],
                                         @headers] } }
    ['br', "\x0b\x02\x80{}\x03"], ['x-any', $page],
    ['gzip, identity', $compressed], ['gzipped', $compressed],
    ['deflate', $compressed], ['identity, identity', $page],
];

# Said twice, of what was done once: nginx 1.22 knows of the last one.
push @{ $answers{encoding} }, map {
    { body => $compressed, headers => [(map { ('Content-Encoding' => $_) } @$_),
                                       @headers] }
} ['gzip', 'gzip'], ['br', 'gzip'], ['identity', 'gzip'];

# Says that it is gzip, and isn't, or not to its end.
$answers{corrupt} = [
    map { { body => $_, headers => ['Content-Encoding' => 'gzip', @headers] } }
    $page, '', substr($compressed, 0, -9), substr($compressed, 0, -1),
    $compressed . substr($compressed, 0, -1), "\0$compressed",
    substr($compressed, 0, -8) . 'x' x 8,
];
$answers{gzip} = { body => $compressed, headers => [
                   'Content-Encoding' => 'gzip', @headers] };
$answers{identity} = { body => $page,
                       headers => ['Content-Encoding' => 'identity'] };

# Broken off: in the first buffer, after some, between chunks, by a reset.
my $long = '{"items":[' . '{"id":"b1"},' x 3000 . '{"id":"b2"}]}';

$answers{cut} = [
    { body => $page, cut => 0 },
    { body => $page, cut => 20 },
    { body => $long, cut => 30_000 },
    { body => [$page], framing => 'chunked', cut => 20 },
    { body => [split //, $page], framing => 'chunked', cut => 25 },
    { body => [$long], framing => 'chunked', cut => 30_000 },
    { body => [$page], framing => 'chunked', cut => length $page },
    { body => $page, length => 36 },
    { body => [substr($page, 0, 20), \0.1], length => 35, reset => 1 },
];
$answers{stall} = { body => [substr($page, 0, 20), \2], length => 35 };

# Nobody waits for the end of it, or has memory for what it says it is.
$answers{endless} = [
    { body => ['{"items":["b1"', ' ' x 200, \60, ']}'], framing => 'chunked' },
    { body => ['{"items":["b1"', ' ' x 200, \60, ']}'], length => 217 },
    { body => [' ' x 50, \60], length => 60_000_000_000 },
];
$answers{huge} = { body => [$long x 40], framing => 'chunked',
                   cut => 1_200_000 };

my $api = $t->upstream(sub {
    my ($req) = @_;

    return { headers => [@headers], %{ answer($req) } };
});

my $nginx = $t->nginx(access_log => q('$request_uri $status $recs_state'),
                      http => <<'HTTP');
    recs_redis main { server %%REDIS%%; }
    recs_set in_stock redis=main key=in_stock;

    recs_require in_stock;
    recs_lookup_timeout 5s;

    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        recs on;

        location /off/ {
            recs off;
            proxy_pass http://%%API%%/;
        }

        location /unbuffered/ {
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        location /buffered/ {
            proxy_buffer_size 4k;
            proxy_buffers 4 4k;
            proxy_pass http://%%API%%/;
        }

        location /anything/ {
            recs_on_bad_body pass;
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        # Nothing is said of bad bodies here.
        location /limited/ {
            recs_max_body_size 100;
            recs_max_items 3;
            proxy_pass http://%%API%%/;

            location /limited/unbuffered/ {
                proxy_buffering off;
                proxy_pass http://%%API%%/;
            }

            location /limited/instead/ {
                error_page 502 = @instead;
                proxy_pass http://%%API%%/;
            }

            location /limited/shadow/ {
                recs shadow;
                proxy_pass http://%%API%%/;
            }
        }

        location /small/ {
            recs_on_bad_body pass;
            recs_max_body_size 100;
            proxy_pass http://%%API%%/;
        }

        location /small/unbuffered/ {
            recs_on_bad_body pass;
            recs_max_body_size 100;
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        location /few/ {
            recs_on_bad_body pass;
            recs_max_items 3;
            proxy_pass http://%%API%%/;
        }

        location /cached/ {
            proxy_cache pages;
            proxy_cache_valid 200 1h;
            proxy_ignore_headers Cache-Control Set-Cookie Vary;
            add_header X-Cache $upstream_cache_status;
            proxy_pass http://%%API%%/;
        }

        location /instead/ {
            error_page 502 = @instead;
            proxy_pass http://%%API%%/;
        }

        location @instead {
            rewrite ^ /page break;
            proxy_pass http://%%API%%;
        }

        location /impatient/ {
            proxy_read_timeout 300ms;
            proxy_pass http://%%API%%/;
        }

        location /reject/ {
            recs_on_bad_body reject;
            recs_max_body_size 100;
            proxy_pass http://%%API%%/;
        }

        location /reject/unbuffered/ {
            recs_on_bad_body reject;
            recs_max_body_size 100;
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        location /reject/cached/ {
            recs_on_bad_body reject;
            recs_max_body_size 100;
            proxy_cache pages;
            proxy_cache_valid 200 1h;
            proxy_ignore_headers Cache-Control Set-Cookie Vary;
            proxy_pass http://%%API%%/;
        }

        location /kept/ {
            recs off;
            proxy_cache pages;
            proxy_cache_key kept;
            proxy_cache_valid 200 1h;
            proxy_ignore_headers Cache-Control Set-Cookie Vary;
            proxy_pass http://%%API%%/;
        }

        # It is read while it is rejected.
        location /reject/kept/ {
            recs_on_bad_body reject;
            recs_max_body_size 20k;
            aio threads;
            output_buffers 2 4k;
            proxy_cache pages;
            proxy_cache_key kept;
            proxy_pass http://%%API%%/page/;

            location /reject/kept/instead {
                error_page 502 = @instead;
                proxy_cache pages;
                proxy_cache_key kept;
                proxy_pass http://%%API%%/page/;
            }
        }

        # It is written, and read, while it is rejected.
        location /reject/written/ {
            recs_on_bad_body reject;
            recs_max_body_size 100;
            aio threads;
            aio_write on;
            error_page 502 = @instead;
            proxy_cache pages;
            proxy_cache_valid 200 1h;
            proxy_ignore_headers Cache-Control Set-Cookie Vary;
            proxy_pass http://%%API%%/;
        }

        location /reject/instead/ {
            recs_on_bad_body reject;
            recs_max_body_size 100;
            error_page 502 = @instead;
            proxy_pass http://%%API%%/;
        }

        location /reject/static/ {
            recs_on_bad_body reject;
            default_type application/json;
            alias %%TESTDIR%%/html/;
        }

        location /status { recs off; recs_status; }

        location /logged/ { proxy_pass http://%%API%%/; }

        location /logged/large/ {
            recs_max_body_size 100;
            proxy_pass http://%%API%%/;
        }

        location /static/ {
            default_type application/json;
            types { text/plain txt; }
            alias %%TESTDIR%%/html/;
        }

        location /off-static/ {
            recs off;
            types { text/plain txt; }
            alias %%TESTDIR%%/html/;
        }

        location /html/ {
            recs off;
            ssi on;
            default_type text/html;
            alias %%TESTDIR%%/html/;
        }
    }
HTTP


sub answer {
    my ($req) = @_;

    my ($kind, $n, $framing) = $req->{path} =~ m{^/(\w+)/?(\d*)/?(\w*)};
    my $answer = $answers{$kind};
    $answer = $answer->[$n] if ref $answer eq 'ARRAY';
    $answer = { body => $answer } if !ref $answer;

    return $framing ? { %$answer, framing => $framing } : $answer;
}


for my $case (['syntax', 'malformed;why=syntax'],
              ['no_shelf', 'malformed;why=no_shelf'],
              ['encoding', 'bypassed;why=encoding'],
              ['corrupt', 'malformed;why=encoding'])
{
    my ($kind, $tag) = @$case;

    subtest "passed: $kind" => sub {
        for my $n (0 .. $#{ $answers{$kind} }) {
            passed("/buffered/$kind/$n", $tag);
            passed("/unbuffered/$kind/$n/chunked", $tag);
        }

        passed("/cached/$kind/0", $tag, 'Accept-Ranges') for 1 .. 2;
    };
}


subtest 'encodings that can be read' => sub {
    is $t->get('/buffered/identity')->body, $shown, 'identity is none';

    for my $path ('/buffered/gzip', '/unbuffered/gzip/chunked') {
        my $r = $t->get($path);

        is $r->body, $shown, "$path is filtered";
        is $r->header('Content-Encoding'), undef, 'and plain';
        is $r->header('Content-Length'), length $shown, 'of that length';
    }
};


# Who can enlarge a page must not get it unfiltered by that.

subtest 'rejected by default: what is too large' => sub {
    my $before = $t->get('/status')->json;
    my $count = 0;

    for my $how ('/limited', '/limited/unbuffered') {
        for my $path (qw(size/1/length size/1/chunked size/2/close grows
                         endless/0 bomb items/0 items/0/chunked))
        {
            my $r = $t->get("$how/$path");

            is $r->status, 502, "$how/$path";
            unlike $r->body, qr/b1/, 'nothing of the page';
            is $r->header($_), undef, "no $_" for @headers_of_page;
            $count++;
        }

        is $t->get("$how/three")->header('Recs-Filter'),
            'filtered;total=3;kept=2;removed=1;explored=0', 'as many as may be';
        is $t->get("$how/size/0")->header('Recs-Filter'),
            'filtered;total=2;kept=1;removed=1;explored=0', 'as large';
        is $t->get("$how/syntax/0")->body, '{', 'what is malformed passes';
    }

    is $t->get('/buffered/many')->status, 502, 'over 5000, by default';
    is $t->get("/limited/instead/$_")->body, $shown, "another page for $_"
        for qw(size/1 grows items/0);
    $count += 4;

    my $after = $t->get('/status')->json;
    is $after->{rejected} - $before->{rejected}, $count, 'all are counted';
    is $after->{responses}{too_large} - $before->{responses}{too_large},
        $count, 'as too large';

    $t->log_mark($nginx);
    my @lines = grep { m{^/limited/(?:un|size|grows|items)} }
                $nginx->access_log;
    is scalar(grep { / 502 too_large$/ } @lines), 14, 'so says $recs_state';
};


subtest 'in shadow nothing is rejected' => sub {
    for my $case (['size/1', 'body'], ['grows', 'body'], ['items/0', 'items']) {
        my ($path, $why) = @$case;
        my $r = $t->get("/limited/shadow/$path");

        is $r->status, 200, $path;
        is $r->header('Recs-Filter'), "too_large;why=$why", 'tag';
        ok $r->body eq $t->get("/off/$path")->body, 'the same bytes';
    }
};


subtest 'passed: too many items' => sub {
    passed("/few/items/$_", 'too_large;why=items') for 0, 1;
    passed('/few/items/1/chunked', 'too_large;why=items');
    passed('/anything/many', 'too_large;why=items');

    is $t->get('/few/three')->body, '{"items":["b1","b1"]}',
        'as many as may be';
};


subtest 'passed: too large' => sub {
    my $filtered = 'filtered;total=2;kept=1;removed=1;explored=0';

    for my $how ('/small', '/small/unbuffered') {
        for my $framing (qw(length chunked close)) {
            is $t->get("$how/size/0/$framing")->header('Recs-Filter'),
                $filtered, "$how $framing: as large as may be";

            passed("$how/size/$_/$framing", 'too_large;why=body') for 1, 2;
        }

        passed("$how/grows", 'too_large;why=body');
    }

    my $c = $t->http2(port => 'H2');
    my @streams = map { $c->send('GET', "/small/unbuffered/size/2/$_") }
                  ('chunked', 'length') x 3;
    is length $c->response($_)->body, 150_000, 'over HTTP/2' for @streams;
};


subtest 'rejected: too large, without waiting for its end' => sub {
    my $before = $t->get('/status')->json;
    my $c = $t->http;
    my $h2 = $t->http2(port => 'H2');
    my $count = 0;

    for my $how ('', '/unbuffered', '/cached') {
        for my $n (0 .. 2) {
            for my $client ($c, $h2) {
                my $r = $client->get("/reject$how/endless/$n");

                is $r->status, 502, "$how/endless/$n";
                ok $r->complete, 'complete';
                unlike $r->body, qr/b1/, 'nothing of the page';
                $count++;

                $r = $client->get("/reject/instead/endless/$n");
                is $r->status, 200, 'or another page';
                is $r->body, $shown, 'that is filtered';
                $count++;
            }
        }

        is $c->get("/reject$how/size/0")->status, 200, 'as large as may be';
    }

    ok $t->get('/kept/size/2/chunked')->body eq $answers{size}[2],
        'it is in the cache';

    for my $client ($c, $h2) {
        is $client->get('/reject/kept/')->status, 502, 'no more';
        is $client->get('/reject/kept/instead')->body, $shown,
           'or another page';
        is $client->get("/reject/written/$_")->body, $shown, "$_, written"
            for 'size/2/chunked', 'size/2/length', 'grows';
        $count += 5;
    }

    my $huge = $t->write('html/huge.json', '');
    chmod 0644, $huge;
    truncate $huge, 3_000_000_000 or die "truncate: $!";
    is $c->get('/reject/static/huge.json')->status, 502, 'a file of 3 GB';

    chmod 0644, $t->write('html/large.html', join '|', map {
        "<!--#include virtual=\"/reject$_\" -->"
    } '/instead/page', '/endless/0', '/unbuffered/endless/1', '/instead/page');

    my $r = $c->get('/html/large.html');
    my @parts = split /\|/, $r->body, -1;
    ok $r->complete, 'subrequests';
    is $parts[0], $shown, 'what stands before';
    unlike "@parts[1, 2]", qr/b1/, 'nothing of what is too large';
    is $parts[3], $shown, 'what stands behind';

    my $after = $t->get('/status')->json;
    is $after->{rejected} - $before->{rejected}, $count + 3, 'all are counted';
    is $after->{responses}{too_large} - $before->{responses}{too_large},
        $count + 3, 'as too large';
};


subtest 'passed: a static file' => sub {
    chmod 0644, $t->write('html/bad.json', '{"items":["b1","b2"]'),
                $t->write('html/text.txt', $page);

    my $r = $t->get('/static/bad.json', Range => 'bytes=2-6');
    is $r->status, 200, 'what was held back is not cut into ranges';
    is $r->body, '{"items":["b1","b2"]', 'but whole';

    $r = $t->get('/static/text.txt', Range => 'bytes=2-6');
    is $r->status, 200, 'nor is another type: ranges are not known here';
    is $r->body, $page, 'but it stays as it is';
    like $r->header('ETag'), qr/^"[0-9a-f]+-[0-9a-f]+"$/, 'with its ETag';

    $r = $t->get('/off-static/text.txt', Range => 'bytes=2-6');
    is $r->status, 206, 'with recs off it is cut';
    is $r->body, 'items', 'as ever';
};


subtest 'broken off by the upstream' => sub {
    my $c = $t->http2(port => 'H2');

    for my $how ('/buffered', '/unbuffered', '/cached') {
        for my $n (0 .. $#{ $answers{cut} }) {
            my $start = time;
            my $r = $t->get("$how/cut/$n");

            is $r->status, 502, "$how/cut/$n";
            ok $r->complete, 'complete';
            unlike $r->body, qr/b1/, 'nothing of the page';
            is $r->header($_), undef, "no $_" for @headers_of_page;
            cmp_ok time - $start, '<', 5, 'at once';

            is $c->get("$how/cut/$n")->status, 502, 'and over HTTP/2';
        }
    }

    is $t->get('/instead/cut/2')->body, $shown, 'error_page, filtered';
    is $t->get('/instead/cut/4')->body, $shown, 'once more';
    is $c->get('/instead/cut/5')->body, $shown, 'and over HTTP/2';

    is $t->get('/impatient/stall')->status, 502, 'an upstream that stalls';

    my $r = $t->get('/anything/huge');
    is $r->status, 200, 'too large already';
    ok !$r->complete, 'then it is broken off here, too';
};


subtest 'broken off in a subrequest' => sub {
    $t->write('html/parts.html', join '|', map {
        "<!--#include virtual=\"$_\" -->"
    } '/buffered/page', '/buffered/cut/2', '/unbuffered/cut/4',
      '/buffered/syntax/0', '/unbuffered/page');
    chmod 0644, $t->dir . '/html/parts.html';

    my $r = $t->get('/html/parts.html');
    my @parts = split /\|/, $r->body, -1;

    ok $r->complete, 'the whole is complete';
    is $parts[0], $shown, 'what stands before';
    unlike "@parts[1, 2]", qr/"id"/, 'nothing of the pages that broke off';
    is $parts[3], '{', 'what cannot be filtered';
    is $parts[4], $shown, 'what stands behind';
};


subtest 'one log line' => sub {
    my $before = length $nginx->error_log;
    my $large = $t->http;

    $large->get("/logged/large/$_") for ('size/1', 'grows', 'bomb') x 5;

    my @large = substr($nginx->error_log, $before) =~ /^(.*recs.*)$/mg;
    is scalar @large, 1, 'for what is too large';
    like $large[0], qr/\[warn\].*: larger than recs_max_body_size/,
         'that it is';

    my $logged = $t->log_mark($nginx);
    my $read = length $nginx->error_log;
    my $c = $t->http;

    $c->get('/logged/syntax/8') for 1 .. 30;

    my @lines = substr($nginx->error_log, $read) =~ /^(.*recs.*)$/mg;
    is scalar @lines, 1, 'for thirty responses';
    like $lines[0], qr/\[warn\].*a body can't be filtered: .*, at byte \d+/,
        'with why and where';

    my @states = map { (split)[2] } $nginx->access_log($logged + 30);
    is scalar(grep { $_ eq 'malformed' } @states[-30 .. -1]), 30,
        'but each in the access log';
};


$t->done;


# It is what the upstream says, with a tag, and for this client alone.  (What
# nginx has cached it would itself cut into ranges; not what was held back.)

sub passed {
    my ($path, $tag, @but) = @_;

    my $r = $t->get($path);
    my ($rest) = $path =~ m{^/(?:small/unbuffered|\w+)(/.*)};
    my $original = $t->get("/off$rest");

    is $r->header('Recs-Filter'), $tag, "$path: tag";
    ok $r->complete && $r->body eq $original->body, 'the same bytes'
        or diag(substr $r->body, 0, 1000);
    is $r->status, $original->status, 'status';
    is_deeply header_of($r, @but), header_of($original, @but), 'and header';
    is_deeply [$r->headers('Cache-Control')], ['private, no-cache'],
        'but how long it may be kept';
    is $r->header('Expires'), undef, 'nor a date';
}


sub header_of {
    my ($r, @but) = @_;

    my %but = map { $_ => 1 } @but,
              qw(Date Recs-Filter X-Cache Cache-Control Expires);
    return [map { "$_->[0]: $_->[1]" } grep { !$but{ $_->[0] } }
            @{ $r->{fields} }];
}
