use strict;
use warnings;

# recs_expires says for how long clients and caches in front keep a response.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

# What is asked for: the page, and fields of the response.
my $api = $t->upstream(sub {
    my ($args) = $_[0]{args};
    return {
        body => $args->{page} // '{"items":[{"id":"a"},{"id":"b"}]}',
        status => $args->{status}, type => $args->{type} // 'application/json',
        headers => [map { split /=/, $_, 2 } split /;/, $args->{fields} // ''],
    };
});

$t->write('www/page', '{"items":[{"id":"a"},{"id":"b"}]}');
$t->write('www/large', '{"items":[]}' . ' ' x 5000);

my $nginx = $t->nginx(<<'HTTP');
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }
recs_set Listed value=b;
recs_set lost redis=gone key=k;
default_type application/json;
large_client_header_buffers 4 64k;
recs on;
recs_max_body_size 4k;
recs_on_bad_body pass;
recs_exclude Listed;
proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    proxy_pass_header X-Accel-Expires;
    proxy_ignore_headers X-Accel-Expires;

    location /default { proxy_pass http://%%API%%; }
    location /zero { recs_expires 0; proxy_pass http://%%API%%; }
    location /half { recs_expires 30s; proxy_pass http://%%API%%; }
    location /day { recs_expires 1d; proxy_pass http://%%API%%; }
    location /off { recs_expires off; proxy_pass http://%%API%%; }

    location /fresh {
        recs_expires 30s;
        recs_freshness candidates value=$arg_made max_age=1h;
        recs_freshness features value=$arg_features max_age=2h;
        proxy_pass http://%%API%%;
    }
    location /known {
        recs_expires 30s;
        recs_freshness candidates value=$arg_made;
        proxy_pass http://%%API%%;
    }
    location /lost {
        recs_expires 30s;
        recs_exclude lost;
        proxy_pass http://%%API%%;
    }
    location /skew {
        recs_expires 30s;
        recs_version model body=/model accept=m1;
        proxy_pass http://%%API%%;
    }
    location /skew-stale {
        recs_expires 30s;
        recs_version model body=/model accept=m1;
        recs_freshness features value=$arg_features max_age=2h;
        proxy_pass http://%%API%%;
    }
    location /untagged {
        recs_expires 30s;
        recs_tag off;
        proxy_pass http://%%API%%;
    }
    location /static/ { recs_expires 30s; alias %%TESTDIR%%/www/; }
    location /cached {
        recs_expires 30s;
        proxy_cache pages;
        proxy_cache_valid 200 1h;
        proxy_ignore_headers Cache-Control Expires;
        proxy_pass http://%%API%%;
    }
    location /gzip {
        recs_expires 30s;
        gzip on;
        gzip_min_length 1;
        gzip_types application/json;
        proxy_pass http://%%API%%;
    }
    location /nginx { recs_expires 30s; expires 1h; proxy_pass http://%%API%%; }
    location /unfiltered { recs off; proxy_pass http://%%API%%; }
}
HTTP


my @lives = ('Expires', 'Age', 'CDN-Cache-Control', 'Surrogate-Control',
             'X-Accel-Expires');


# With fields of the upstream: Name => value...

sub fetch {
    my ($target, @fields) = @_;

    my $text = '';
    while (my ($name, $value) = splice @fields, 0, 2) {
        $text .= "$name=$value;";
    }

    return $t->get($target . ($target =~ /\?/ ? '&' : '?') . 'fields='
                   . escape($text));
}


# All that says how long it lives: "private, no-cache Age: 3"

sub life {
    my ($r) = @_;

    return join ' | ', $r->headers('Cache-Control'),
           map { my $name = $_; map { "$name: $_" } $r->headers($name) } @lives;
}


my @of_upstream = ('Expires', 'Thu, 31 Dec 2037 23:55:55 GMT', 'Age', 100,
                   'CDN-Cache-Control', 'max-age=900',
                   'Surrogate-Control', 'max-age=800',
                   'X-Accel-Expires', 700);


subtest 'the time that is given is the client\'s own' => sub {
    my %want = (default => 'private, no-cache', zero => 'private, no-cache',
                half => 'private, max-age=30', day => 'private, max-age=86400',
                untagged => 'private, max-age=30');

    for my $path (sort keys %want) {
        for my $control ([], ['Cache-Control', 'public, max-age=60'],
                         ['Cache-Control', 'max-age=0, must-revalidate'],
                         ['cache-control', 'public', 'CACHE-CONTROL',
                          's-maxage=900'], ['Cache-Control', 'no-cache'])
        {
            is(life(fetch("/$path", @$control)), $want{$path},
               "$path: " . join ' ', @$control);
            is(life(fetch("/$path", @of_upstream, @$control)), $want{$path},
               'and nothing else speaks of it');
        }
    }

    is(life($t->get('/static/page')), 'private, max-age=30', 'a file');
    is(life(fetch("/cached?$_", @of_upstream, 'Cache-Control', 'max-age=9')),
       'private, max-age=30', 'a cached page') for 1, 1, 2;

    my $r = $t->get('/gzip', 'Accept-Encoding' => 'gzip');
    is($r->header('Content-Encoding'), 'gzip', 'compressed for the client');
    is(life($r), 'private, max-age=30', 'no less');

    my $c = $t->http2(port => 'H2');
    is(life($c->get('/half')), 'private, max-age=30', 'HTTP/2');
};


subtest 'recs_expires off leaves it to the upstream' => sub {
    is(life(fetch('/off')), '', 'nothing');
    is(life(fetch('/off', 'Cache-Control', 'public, max-age=60', @of_upstream)),
       'public, max-age=60 | Expires: Thu, 31 Dec 2037 23:55:55 GMT | '
       . 'Age: 100 | CDN-Cache-Control: max-age=900 | '
       . 'Surrogate-Control: max-age=800 | X-Accel-Expires: 700',
       'all of it');
    is($t->get('/off')->body, '{"items":[{"id":"a"}]}', 'of a filtered page');
};


subtest 'it is never weaker than no-store' => sub {
    my @controls = (
        ['Cache-Control', 'no-store'], ['Cache-Control', 'private,No-Store'],
        ['cache-control', 'max-age=60, no-store'],
        ['Cache-Control', 'max-age=60', 'Cache-Control', 'no-store'],
        ['Cache-Control', 'no-store', 'Cache-Control', 'public'],
        ['Cache-Control', "private ,\tno-store\t,max-age=1"],
        ['Cache-Control', ',,no-store,'],
    );

    for my $control (@controls) {
        for my $path ('default', 'half', 'lost') {
            my $r = fetch("/$path", @$control);
            like(life($r), qr/no-store/i, "$path: " . join ' ', @$control);
            is($r->body, $path eq 'lost'
               ? '{"items":[{"id":"a"},{"id":"b"}]}' : '{"items":[{"id":"a"}]}',
               'and filtered');

            $r = fetch("/$path", @$control, @of_upstream);
            is_deeply([grep { defined $r->header($_) } @lives], [],
                      'what caches in front would obey instead is gone');
        }
    }

    is(life(fetch('/half', 'X-Cache-Control', 'no-store')),
       'private, max-age=30', 'another field means nothing');

    is(life(fetch('/half', 'Cache-Control', $_)), 'private, max-age=30',
       "nor does $_") for 'x-no-store=0', 'no-stores', 'no-stor', 'no-store=1',
                          'private, xno-store, max-age=9', ' ,';
};


# The clock may turn over between.

sub lives_about {
    my ($r, $seconds, $name) = @_;

    my ($got) = life($r) =~ /\Aprivate, max-age=(\d+)\z/;
    return fail("$name: " . life($r)) if !defined $got;
    ok(abs($got - $seconds) <= 3, "$name: $got");
}


subtest 'candidates are not kept for longer than they live' => sub {
    my $now = time;
    my $young = "features=$now";

    lives_about(fetch("/fresh?$young&made=$now"), 30, 'much is left');
    lives_about(fetch("/fresh?$young&made=" . ($now - 3500)), 30,
                'still enough');
    lives_about(fetch("/fresh?$young&made=" . ($now - 3585)), 15, 'less');
    lives_about(fetch("/fresh?$young&made=" . ($now + 600)), 30,
                'made by a clock that is ahead');
    lives_about(fetch('/fresh?made=' . ($now - 3585) . '&features='
                      . ($now - 7190)), 15, 'features don\'t matter');

    is(life(fetch("/fresh?$young&made=" . ($now - 4000))), 'private, no-cache',
       'stale');
    is(life(fetch("/fresh?$young")), 'private, no-cache', 'no date');
    is(life(fetch("/fresh?made=$now&features=1")), 'private, no-cache',
       'stale features');
    is(life(fetch('/known?made=1')), 'private, max-age=30',
       'without max_age= they live for ever');
};


subtest 'what is not as it should be is asked for again' => sub {
    my $r = fetch('/lost', 'Cache-Control', 'max-age=60', @of_upstream);
    like($r->header('Recs-Filter'), qr/^degraded/, 'degraded');
    is(life($r), 'private, no-cache', 'a missing fact');

    $r = fetch('/skew');
    like($r->header('Recs-Filter'), qr/^skewed/, 'skewed');
    is(life($r), 'private, max-age=30', 'a skew is no better in a moment');

    $r = fetch('/skew-stale?features=1');
    like($r->header('Recs-Filter'), qr/^skewed.*;stale="features"/, 'both');
    is(life($r), 'private, no-cache', 'skewed and stale');
    $r = fetch('/skew-stale?features=' . time);
    is(life($r), 'private, max-age=30', 'skewed and not stale');

    my @passed = (
        ['/half?page=' . escape('{"items":['), 'malformed;why=syntax'],
        ['/half?page=' . escape('{}'), 'malformed;why=no_shelf'],
        ['/half?page=' . escape('{"items":[]}' . ' ' x 5000),
         'too_large;why=body'],
        ['/half?status=404', 'bypassed;why=status'],
        ['/half?status=500', 'bypassed;why=status'],
    );

    for my $row (@passed) {
        my ($target, $filter) = @$row;
        $r = fetch($target, 'Cache-Control', 'max-age=60', @of_upstream);
        is($r->header('Recs-Filter'), $filter, $filter);
        is(life($r), 'private, no-cache', 'passed');
        is(life(fetch($target, 'Cache-Control', 'no-store')), 'no-store',
           'never weaker');
    }

    $r = fetch('/half', 'Content-Encoding', 'br', 'Cache-Control', 'max-age=6');
    is(life($r), 'private, no-cache', 'an encoding');
    is(life($t->get('/static/large')), 'private, no-cache', 'a large file');
    is(life(fetch('/half?type=text/plain', 'Cache-Control', 'max-age=60')),
       'max-age=60', 'what is no page is the upstream\'s');
    is(life(fetch('/unfiltered', 'Cache-Control', 'max-age=60')), 'max-age=60',
       'so is what is not filtered');
};


subtest 'HEAD and 304 say it, too' => sub {
    my $r = $t->request('HEAD', '/half?fields='
                        . escape('Cache-Control=max-age=60;Age=3;ETag="x"'));
    is($r->header('Recs-Filter'), 'bypassed;why=no_body', 'HEAD');
    is(life($r), 'private, no-cache', 'the answer');
    is($r->header($_), undef, "no $_")
        for qw(ETag Last-Modified Content-Length Accept-Ranges);

    for my $row (['/half', 'private, max-age=30'],
                 ['/default', 'private, no-cache'],
                 ['/static/page', 'private, max-age=30'])
    {
        my ($path, $life) = @$row;
        my $etag = $t->get($path)->header('ETag');
        $r = $t->get($path, 'If-None-Match' => $etag);
        is($r->status, 304, "$path: 304");
        is(life($r), $life, 'with its life');
        is($r->header('ETag'), $etag, 'and the ETag');
        is($r->header('Content-Length'), undef, 'without a length');
    }
};


subtest 'the directive expires has the last word' => sub {
    my $r = fetch('/nginx', 'Cache-Control', 'max-age=60', @of_upstream);
    is($r->header('Cache-Control'), 'max-age=3600', 'Cache-Control');
    is(() = $r->headers('Expires'), 1, 'one Expires');
    isnt($r->header('Expires'), $of_upstream[1], 'of nginx\'s');
};


$t->done;
