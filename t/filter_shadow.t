use strict;
use warnings;

# With "recs shadow" everything is read, asked, decided, counted and told, and
# the response is what it would be without the module.

use FindBin;
use lib "$FindBin::Bin/lib";

use Compress::Zlib qw(memGzip);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'seen', 'b', 'c');

my $page = '{"model":"m2","made":1,"items":[{"id":"a"},{"id":"b"},{"id":"c"},'
         . '{"id":"d"},{"ad":1}], "_recs":{"theirs":true}}';
my @long = ('Cache-Control' => 'public, max-age=600', ETag => '"api-1"',
            'Last-Modified' => 'Sun, 22 Nov 2026 10:00:00 GMT',
            Expires => 'Thu, 31 Dec 2037 23:55:55 GMT', Age => 7,
            'Accept-Ranges' => 'bytes', 'Content-MD5' => 'x',
            Digest => 'sha-256=x', 'Content-Digest' => 'sha-256=:x:',
            'Repr-Digest' => 'sha-256=:x:', 'CDN-Cache-Control' => 'max-age=9',
            'Surrogate-Control' => 'max-age=9');

# By the last part of the path.

my %answers = (
    page      => { body => $page, headers => \@long },
    plain     => { body => $page },
    chunked   => { body => [$page =~ /.{1,20}/g], framing => 'chunked',
                   headers => \@long },
    closed    => { body => $page, framing => 'close' },
    gzipped   => { body => memGzip($page),
                   headers => [@long, 'Content-Encoding' => 'gzip'] },
    broken    => { body => substr(memGzip($page), 0, 50),
                   headers => [@long, 'Content-Encoding' => 'gzip'] },
    brotli    => { body => $page, headers => [@long,
                                              'Content-Encoding' => 'br'] },
    malformed => { body => substr($page, 0, 60), headers => \@long },
    no_shelf  => { body => '{"item":[]}', headers => \@long },
    empty     => { body => '', headers => \@long },
    large     => { body => $page . ' ' x 5000, headers => \@long },
    pieces    => { body => [map { ($_, \0.02) } ($page . ' ' x 5000)
                                                =~ /.{1,900}/gs],
                   framing => 'chunked', headers => \@long },
    other     => { body => $page, type => 'text/plain', headers => \@long },
    missing   => { body => $page, status => 404, headers => \@long },
    gone      => { status => 204, type => undef },
    cut       => { body => $page, cut => 70 },
    cut_large => { body => $page . ' ' x 9000, cut => 7000 },
);

# Says what of it came, and answers conditions like an origin.

my $api = $t->upstream(sub {
    my ($req) = @_;

    my ($name) = $req->{path} =~ m{(\w+)\z};
    my %answer = %{ $answers{$name} };
    my $in = $req->{headers};
    my $asked = join ' ', map { "$_=$in->{$_}" } grep { defined $in->{$_} }
                qw(accept-encoding if-none-match if-modified-since if-match
                   if-unmodified-since if-range range);

    $answer{headers} = [@{ $answer{headers} // [] }, 'X-Asked' => $asked];

    if (($in->{'if-none-match'} // '') eq '"api-1"') {
        @answer{qw(status body)} = (304, '');

    } elsif (($in->{range} // '') =~ /\Abytes=(\d+)-(\d+)\z/) {
        my $body = $answer{body};
        push @{ $answer{headers} }, 'Content-Range',
            "bytes $1-$2/" . length $body;
        @answer{qw(status body)} = (206, substr $body, $1, $2 - $1 + 1);
    }

    return \%answer;
});

$t->write('www/page', $page);
$t->write('www/large', $page . ' ' x 5000);
$t->write('www/malformed', '{"items":[1,');
$t->write('pool.ndjson', qq({"id":"n1"}\n{"id":"n2"}\n{"id":"n3"}\n));

my $http = <<'HTTP';
recs_redis main { server %%REDIS%%; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }
recs_set seen redis=main key=seen;
recs_set lost redis=gone key=k unknown=drop;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
default_type application/json;
recs_lookup_timeout 10s;
recs_max_body_size 4k;
recs_exclude seen;
recs_limit 2;
recs_tag both;
recs_explain 1;
recs_expires 30s;
recs_backfill fresh min=4;
recs_explore fresh rate=100% slots=1;
recs_version model body=/model accept=m1;
recs_on_skew reject;
recs_on_bad_body reject;
recs_freshness candidates body=/made max_age=1h on_stale=reject;
server {
    listen %%LISTEN%%;
    location = /status { recs off; recs_status; }
    location = /lost {
        recs shadow;
        recs_exclude lost;
        proxy_pass http://%%API%%/page;
    }
    location = /headers {
        recs shadow;
        recs_tag headers;
        proxy_pass http://%%API%%/page;
    }
    location = /untagged {
        recs shadow;
        recs_tag off;
        proxy_pass http://%%API%%/page;
    }
HTTP

# Everything twice: without the module and in its shadow.

for my $mode ('off', 'shadow') {
    $http .= <<"HTTP";
    location /$mode/ {
        recs $mode;
        location /$mode/static/ { alias %%TESTDIR%%/www/; }
        location /$mode/zipped/ {
            alias %%TESTDIR%%/www/;
            gzip on;
            gzip_types application/json;
        }
        location /$mode/proxied/ { proxy_pass http://%%API%%; }
        location /$mode/unbuffered/ {
            proxy_buffering off;
            proxy_pass http://%%API%%;
        }
        location /$mode/cached/ {
            proxy_cache pages;
            proxy_cache_key $mode\$uri;
            proxy_cache_valid 200 1h;
            add_header X-Cache \$upstream_cache_status;
            proxy_pass http://%%API%%;
        }
        location /$mode/gunzip/ { gunzip on; proxy_pass http://%%API%%; }
    }
HTTP
}

my $log = join '|', '$uri', map { "\$recs_$_" }
          qw(state total kept removed removed_seen explored backfilled model);
my $nginx = $t->nginx(http => "$http}\n", access_log => "'$log'");


sub status { return $t->get('/status')->json }
sub filter { return $_[0]->header('Recs-Filter') // '' }


# What is the same with and without the module.

sub seen {
    my ($method, $path, @fields) = @_;

    my $r = $t->request($method, $path, @fields);
    my @header = map { [lc $_->[0], $_->[1]] }
                 grep { $_->[0] !~ /^(?:Date|Recs-.*)$/i } @{ $r->{fields} };

    return $r, {
        status => $r->status, complete => $r->complete, body => $r->body,
        framing => $r->{framing},
        header => [sort map { "$_->[0]: $_->[1]" } @header],
    };
}


# Returns the response in the shadow.

sub same {
    my ($name, $method, $path, @fields) = @_;

    my ($without, $want) = seen($method, "/off$path", @fields);
    my ($with, $got) = seen($method, "/shadow$path", @fields);

    s{/off/}{/shadow/} for @{ $want->{header} };
    is_deeply($got, $want, "$name: $method $path") or diag($with->raw);
    is(filter($without), '', 'which the module has not seen');
    return $with;
}


my $told = 'shadow;total=5;kept=2;removed=2;explored=1;backfilled=1'
         . ';unidentified=1;skew="model";stale="candidates"';


subtest 'a page is left as it came, and what would go is told' => sub {
    for my $path ('/static/page', '/proxied/page', '/proxied/plain',
                  '/proxied/chunked', '/proxied/closed', '/unbuffered/page',
                  '/unbuffered/chunked', '/proxied/gzipped', '/cached/page',
                  '/cached/page', '/gunzip/gzipped', '/zipped/page')
    {
        my $r = same('a page', 'GET', $path);
        is(filter($r), $told, 'Recs-Filter');
        is($r->header('Recs-Sets'), 'seen;removed=2', 'Recs-Sets');
        is($r->header('Recs-Model-Version'), 'm2', 'a version');
        like($r->header('Recs-Age'), qr/^\d{10}$/, 'an age');
    }

    my $r = same('compressed', 'GET', '/zipped/page',
                 'Accept-Encoding' => 'gzip');
    is($r->header('Content-Encoding'), 'gzip', 'for the client');
    is(filter($r), $told, 'told all the same');

    $r = $t->get('/shadow/static/page');
    is($r->body, $page, 'the body');
    is($r->header('Accept-Ranges'), 'bytes', 'Accept-Ranges');
    is($r->header('Content-Length'), length $page, 'Content-Length');
    ok(defined $r->header($_), $_) for 'ETag', 'Last-Modified';

    $r = $t->get('/shadow/cached/page');
    is($r->header('X-Cache'), 'HIT', 'from the cache');
    is($r->header('Cache-Control'), 'public, max-age=600', 'Cache-Control');
    is($r->header('Surrogate-Control'), 'max-age=9', 'Surrogate-Control');
    is($r->header('ETag'), '"api-1"', 'ETag');
};


subtest 'so is what is no page' => sub {
    my @rows = (
        ['malformed', 'malformed;why=syntax'],
        ['empty', 'malformed;why=syntax'],
        ['no_shelf', 'malformed;why=no_shelf'], ['large', 'too_large;why=body'],
        ['pieces', 'too_large;why=body'], ['missing', 'bypassed;why=status'],
        ['brotli', 'bypassed;why=encoding'],
        ['broken', 'malformed;why=encoding'], ['other', ''],
        ['gone', ''],
    );

    for my $row (@rows) {
        my ($what, $filter) = @$row;

        for my $way ('proxied', 'unbuffered', 'cached', 'cached') {
            my $r = same($what, 'GET', "/$way/$what");
            is(filter($r), $filter, $filter || 'not looked at');
            is($r->header('Recs-Sets'), undef, 'no sets');
        }
    }

    is(filter(same('large', 'GET', '/static/large')), 'too_large;why=body',
       'a file');
    is(filter(same('malformed', 'GET', '/static/malformed')),
       'malformed;why=syntax', 'a file');
    is($t->get('/shadow/proxied/malformed')->status, 200,
       'recs_on_bad_body reject does nothing');
};


subtest 'so is what breaks off' => sub {
    for my $way ('proxied', 'unbuffered') {
        for my $what ('cut', 'cut_large') {
            my ($without, $want) = seen('GET', "/off/$way/$what");
            my ($with, $got) = seen('GET', "/shadow/$way/$what");

            is_deeply([@$got{qw(status complete header body)}],
                      [@$want{qw(status complete header body)}],
                      "$way, $what");
            is($with->complete, 0, 'the client sees that it broke off');
            cmp_ok(length $with->body, '>', 0, 'and has what there was');
        }
    }
};


subtest 'conditions and ranges are not for the module' => sub {
    for my $path ('/static/page', '/proxied/page', '/cached/page') {
        my $etag = $t->get("/off$path")->header('ETag');
        my $r = same('ETag', 'GET', $path, 'If-None-Match' => $etag);
        is($r->status, 304, 'not modified');
        $r = same('another ETag', 'GET', $path, 'If-None-Match' => '"other"');
        is($r->status, 200, 'the page');
        is(filter($r), $told, 'and told');

        $r = same('a range', 'GET', $path, Range => 'bytes=10-19');
        is($r->status, 206, 'a part');
        is($r->body, substr($page, 10, 10), 'its bytes');
        $r = same('a range, if', 'GET', $path, Range => 'bytes=0-3',
                  'If-Range' => $etag);
        is($r->body, substr($page, 0, 4), 'its bytes');
        is(same('HEAD', 'HEAD', $path)->status, 200, 'HEAD');
    }

    is(filter(same('a range', 'GET', '/static/page', Range => 'bytes=0-1')),
       'bypassed;why=range', 'a range is not looked at');
    is(same('none', 'GET', '/static/page', Range => 'bytes=9999-')->status, 416,
       'one that is not there');
    same('ranges', 'GET', '/static/large', Range => 'bytes=0-1');
    is(same('a date', 'GET', '/static/page', 'If-Modified-Since' =>
            $t->get('/off/static/page')->header('Last-Modified'))->status, 304,
       'a date');
    is(same('If-Match', 'GET', '/static/page', 'If-Match' => '"x"')->status,
       412, 'a condition that fails');

    my $r = same('all of them', 'GET', '/proxied/plain',
                 'Accept-Encoding' => 'gzip, br', 'If-Match' => '"x"');
    is($r->header('X-Asked'), 'accept-encoding=gzip, br if-match="x"',
       'the upstream is asked what the client asked');
};


subtest 'nothing is refused, whatever is missing' => sub {
    my $r = $t->get('/lost');
    is($r->status, 200, 'with a set that gives no answer');
    is($r->body, $page, 'the body');
    is($r->header('Recs-Sets'), 'lost;unknown;why=down;removed=4', 'told');
    like(filter($r), qr/^shadow;total=5;kept=1;removed=4;/, 'the state');

    $r = $t->get('/headers');
    is($r->body, $page, 'recs_tag headers');
    $r = $t->get('/untagged');
    is($r->body, $page, 'recs_tag off');
    is_deeply([grep { /^Recs-/i } $r->header_names], [], 'no field then');
};


subtest 'variables tell, too' => sub {
    my $n = $t->log_mark($nginx);
    $t->get('/shadow/proxied/page?x');
    my $line = ($nginx->access_log($n + 1))[$n];
    is($line, '/shadow/proxied/page|shadow|5|2|2|2|1|1|m2', 'the log');
};


subtest 'it is counted, but for what is shown' => sub {
    my $before = status();
    $t->get('/shadow/proxied/page') for 1 .. 3;
    $t->get('/shadow/proxied/malformed');
    $t->get('/shadow/static/page', Range => 'bytes=0-1');
    my $after = status();

    my $difference = sub {
        my ($part) = @_;
        my ($old, $new) = map { $part->($_) } $before, $after;
        return { map { ($_ => $new->{$_} - $old->{$_}) }
                 grep { ($new->{$_} // '') =~ /\A\d+\z/
                        && $new->{$_} != $old->{$_} }
                 keys %$new };
    };

    is_deeply($difference->(sub { $_[0]{responses} }),
              { shadow => 3, malformed => 1, bypassed => 1 }, 'responses');
    is_deeply($difference->(sub { $_[0]{items} }),
              { total => 15, kept => 6, removed => 6, unidentified => 3,
                explored => 3, backfilled => 3 }, 'items');
    is_deeply($difference->(sub { $_[0]{sets}{seen} }),
              { questions => 3, removed => 6 }, 'a set');
    is_deeply($difference->(sub { $_[0]{skew} }), { model => 3 }, 'skew');
    is_deeply($difference->(sub { $_[0]{stale} }), { candidates => 3 }, 'age');
    is_deeply($difference->(sub { $_[0]{pools}{fresh} }), {},
              'nothing of the pool was shown');
    is($after->{rejected}, 0, 'nothing was refused');
    is($after->{not_modified}, 0, 'nor answered by the module');
};


$t->done;
