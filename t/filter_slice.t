use strict;
use warnings;

# A page that comes in parts (slice, with and without a cache) is passed whole
# and in order, or refused as a whole, and never filtered in part.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'seen', 'b');

my $long = '{"items":[' . join(',', map { "{\"id\":\"i$_\"}" } 1 .. 900) . ']}';

# Serves ranges of the long page to who asks for one; else the page asked for.

my $api = $t->upstream(sub {
    my ($req) = @_;

    my $body = $req->{args}{page} // $long;
    my ($first, $last) = ($req->{headers}{range} // '') =~ /=(\d+)-(\d+)\z/
        or return { body => $body };

    $last = length($body) - 1 if $last >= length $body;

    return {
        status => 206, body => substr($body, $first, $last - $first + 1),
        headers => ['Content-Range' => "bytes $first-$last/" . length $body,
                    ETag => '"long"'],
        piece => 333,
    };
});

my $nginx = $t->nginx(http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set seen redis=main key=seen;
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
}
HTTP


sub fetch { return $t->get_page(@_) }


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


$t->done;
