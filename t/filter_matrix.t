use strict;
use warnings;

# Every kind of response, asked for in every way, with Redis in every state, has
# the status, the body and the header that the rules say.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my @ids = (1 .. 6);
my %stock = map { ($_ => 1) } 1, 2, 4, 5;       # as Redis has it, when well

# Milliseconds: what recs_lookup_timeout is where Redis says nothing.
# Elsewhere it is as long as may be: who is answered soon was not waited for.
my $deadline = 200;

my $page = page(@ids);
my $text = 'Sold out, or not.';

# Redis as the test wants it: the name of the key says how it is.
my $fake = $t->fake_redis(sub {
    my ($cmd, $stream) = @_;

    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    my ($verb, $key, @asked) = @$cmd;
    return if $key eq 'silent';

    my $reply = '*' . @asked . "\r\n"
              . join '', map { /(\d+)/; $stock{$1} ? ":1\r\n" : ":0\r\n" }
                         @asked;

    return $reply if $key eq 'well';
    return [substr($reply, 0, 9), \0.05, substr $reply, 9] if $key eq 'slow';

    $stream->write(substr $reply, 0, 9);
    $stream->close;
    return;
});

my $api = $t->upstream(sub {
    my ($req) = @_;

    return { body => $page, headers => [
        'ETag' => '"candidates"', 'Accept-Ranges' => 'bytes',
        'Last-Modified' => 'Mon, 02 Nov 2026 10:00:00 GMT',
        'Cache-Control' => 'max-age=60' ] };
});

my @redis = qw(well slow silent dead dying);
my @sources = qw(static proxied unbuffered cached included);

for my $redis (@redis) {
    for my $source (@sources) {
        chmod 0644, $t->write("www/$redis/html/$source.html",
            "$text<!--#include virtual=\"/$redis/$source/page.json\" -->$text");
    }
    chmod 0644, $t->write("www/$redis/static/page.json", $page);
}

my %timeout = (map({ $_ => '30s' } @redis), silent => "${deadline}ms");

my $locations = join '', map { <<"HTTP" } @redis;
        location /$_/ {
            recs on;
            recs_require $_;
            recs_lookup_timeout $timeout{$_};

            location /$_/static/ { }
            location /$_/proxied/ { proxy_pass http://%%API%%/; }

            location /$_/unbuffered/ {
                proxy_buffering off;
                proxy_pass http://%%API%%/;
            }

            location /$_/cached/ {
                proxy_cache pages;
                proxy_cache_valid 200 1h;
                proxy_ignore_headers Cache-Control;
                proxy_cache_key $_;
                add_header X-Cache \$upstream_cache_status;
                proxy_pass http://%%API%%/;
            }

            location /$_/html/ { ssi on; default_type text/html; }
        }
HTTP

my $nginx = $t->nginx(<<"HTTP");
    recs_redis well { server %%FAKE%%; timeout 60s; }
    recs_redis slow { server %%FAKE%%; connections 8; timeout 60s; }
    recs_redis silent { server %%FAKE%%; timeout 60s; breaker off; }
    recs_redis dead { server unix:%%TESTDIR%%/nothing.sock; }
    recs_redis dying { server %%FAKE%%; connections 2; }

    recs_set well redis=well key=well absent=empty;
    recs_set slow redis=slow key=slow absent=empty;
    recs_set silent redis=silent key=silent absent=empty;
    recs_set dead redis=dead key=any;
    recs_set dying redis=dying key=dying absent=empty;

    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
    types { application/json json; text/html html; }
    root %%TESTDIR%%/www;

    server { listen %%LISTEN%%; $locations location /status { recs_status; } }
    server { listen %%LISTEN_H2%% http2; $locations }
HTTP

# The cache gets its page.
$t->get("/$_/cached/page.json") for @redis;

ok wait_until(sub {
    my $all = status();
    !grep { $all->{$_}{ready} != $all->{$_}{connections} } qw(well slow silent);
}), 'Redis is there';


for my $redis (@redis) {
    my $facts = $redis eq 'well' || $redis eq 'slow';
    my @shown = $facts ? grep { $stock{$_} } @ids : @ids;
    my $etag = tag(@shown);

    for my $source (@sources) {
        subtest "Redis $redis, $source" => sub {
            my $included = $source eq 'included';
            my $path = $included ? "/$redis/html/proxied.html"
                                 : "/$redis/$source/page.json";

            for my $protocol (1, 2) {
                for my $how ('GET', 'HEAD', 'Range', 'If-None-Match',
                             'another ETag')
                {
                    my ($method, @fields) = request($how, $etag);
                    my $start = time;
                    my $r = client($protocol)->request($method, $path,
                                                       @fields);
                    my $time = time - $start;

                    my $want = expected($included, $how, $facts, $redis,
                                        $source, $etag, @shown);

                    is difference($r, $want), undef, "HTTP/$protocol $how";

                    my $least = $how eq 'HEAD' ? 0
                              : $redis eq 'silent' ? 0.19
                              : $redis eq 'slow' ? 0.04 : 0;
                    ok $time >= $least && $time < Recs::Mode::patience(3),
                        'in time' or diag $time;
                }
            }
        };
    }
}


subtest 'the next response, with Redis well' => sub {
    for my $protocol (1, 2) {
        my $r = client($protocol)->get('/well/proxied/page.json');
        is $r->body, page(grep { $stock{$_} } @ids), "HTTP/$protocol";
    }
};


$t->done;


sub page {
    my (@n) = @_;

    return '{"model":"m1","items":['
         . join(',', map { qq({"id":"b$_","t":"Book $_"}) } @n) . ']}';
}


# The ETag of a page that shows these: that of any other response with the
# same bytes.  The page of all comes from where nothing is out of stock.

my %tags;

sub tag {
    my (@n) = @_;

    my $body = page(@n);
    return $tags{$body} if $tags{$body};

    for my $redis ('well', 'dead') {
        my $r = $t->get("/$redis/static/page.json");
        $tags{ $r->body } = $r->header('ETag');
    }

    return $tags{$body} // 'none';
}


sub request {
    my ($how, $etag) = @_;

    return 'HEAD' if $how eq 'HEAD';
    return 'GET', 'Range' => 'bytes=0-9' if $how eq 'Range';
    return 'GET', 'If-None-Match' => qq(W/"x", $etag)
        if $how eq 'If-None-Match';
    return 'GET', 'If-None-Match' => '"candidates"' if $how eq 'another ETag';
    return 'GET';
}


sub client {
    my ($protocol) = @_;

    return $protocol == 1 ? $t->http : $t->http2(port => 'H2');
}


# By the rules of docs/filtering.md and docs/caching.md.  undef: no such header.

sub expected {
    my ($included, $how, $facts, $redis, $source, $etag, @shown) = @_;

    # The page around is HTML: it is not looked at.
    if ($included) {
        return {
            status => 200, 'Recs-Filter' => undef, 'Recs-Sets' => undef,
            'ETag' => undef, 'Last-Modified' => undef,
            body => $how eq 'HEAD' ? '' : $text . page(@shown) . $text,
        };
    }

    my %want = (
        'Last-Modified' => undef, 'Accept-Ranges' => undef,
        'Content-Range' => undef, 'Cache-Control' => 'private, no-cache',
        $source eq 'cached' ? ('X-Cache' => 'HIT') : (),
    );

    # No body, no decision.
    if ($how eq 'HEAD') {
        return { %want, status => 200, body => '', 'ETag' => undef,
                 'Content-Length' => undef,
                 'Content-Type' => 'application/json',
                 'Recs-Filter' => 'bypassed;why=no_body',
                 'Recs-Sets' => undef };
    }

    my $removed = @ids - @shown;
    my $kept = @shown;

    $want{'Recs-Filter'} = ($facts ? 'filtered' : 'degraded')
        . ';total=' . @ids . ";kept=$kept;removed=$removed;explored=0";
    my $why = $redis eq 'silent' ? 'timeout' : 'down';
    $want{'Recs-Sets'} = $redis . ($facts ? ";removed=$removed"
                                          : ";unknown;why=$why");
    $want{ETag} = $etag;

    return { %want, status => 304, body => '', 'Content-Length' => undef,
             'Content-Type' => undef }
        if $how eq 'If-None-Match';

    my $body = page(@shown);
    return { %want, status => 200, body => $body,
             'Content-Type' => 'application/json',
             'Content-Length' => length $body };
}


sub difference {
    my ($r, $want) = @_;

    return 'not complete: ' . ($r->error // '') if !$r->complete;
    return 'status ' . $r->status if $r->status != $want->{status};
    return 'body: ' . $r->body if $r->body ne $want->{body};

    for my $name (sort grep { /^[A-Z]/ } keys %$want) {
        my $value = $r->header($name) // 'none';
        return "$name: $value" if $value ne ($want->{$name} // 'none');
    }

    return;
}


sub status {
    return $t->get('/status')->json->{redis};
}
