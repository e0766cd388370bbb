use strict;
use warnings;

# Beside Debian's other modules, whichever is loaded first: what a client gets,
# and what a script or a store reads, is the filtered page.

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Uncompress::Gunzip ();
use Recs::Test;
use Test::More;

# They are built for Debian's nginx, and for no other.
plan skip_all => "another nginx: $ENV{RECS_NGINX}" if $ENV{RECS_NGINX};

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', 'b1', 'b3');
$redis->cmd('SADD', 'seen:u1', 'b1');
$redis->cmd('SADD', 'seen:u2', 'b3');

$redis->cmd('HSET', '{home}:7:meta', model => 'm7', schema => 1,
            generated_at => time, expected => 1, written => 1,
            features => 'f1', max_age => 1e6, state => 'complete');
$redis->cmd('SET', 'home:7:u:_default',
            '{"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}');
$redis->cmd('SET', '{home}:channel:active', 7);

my $page = '{"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}';
my $shown = '{"items":[{"id":"b1"},{"id":"b3"}]}';
my $filtered = 'filtered;total=3;kept=2;removed=1;explored=0';

my $api = $t->upstream(sub {
    my ($req) = @_;

    return { body => '{"items":' } if $req->{path} =~ /broken/;
    return { body => '', headers => ['X-Accel-Redirect' => '/file'] }
        if $req->{path} eq '/accel';
    return { body => [unpack '(a7)*', $page], framing => 'chunked' };
});

$t->write('page.json', $page);

my %lua = (
    direct => 'ngx.header.content_type = "application/json"
        ngx.print(page)',
    eof => 'ngx.header.content_type = "application/json"
        ngx.print(page) ngx.eof() ngx.sleep(0.3)',
    flush => 'ngx.header.content_type = "application/json"
        ngx.print(page) ngx.flush(true) ngx.sleep(0.1) ngx.print(" ")
        ngx.flush(true)',
);

# Locations that show a page, as they are asked for by a client, by a capture,
# by a subrequest of njs.
my $pages = <<'END';
    location = /page { recs on; proxy_pass http://%%API%%; }
    location = /unbuffered {
        recs on;
        proxy_buffering off;
        proxy_pass http://%%API%%/page;
    }
    location = /file {
        recs on;
        default_type application/json;
        alias %%TESTDIR%%/page.json;
    }
    location = /aio {
        recs on;
        aio threads;
        default_type application/json;
        alias %%TESTDIR%%/page.json;
    }
    location = /oversize {
        recs on;
        recs_max_body_size 10;
        default_type application/json;
        alias %%TESTDIR%%/page.json;
    }
    location /index/ { recs on; index page.json; alias %%TESTDIR%%/; }
    location = /accel { recs on; proxy_pass http://%%API%%; }
    location = /cached {
        recs on;
        proxy_cache pages;
        proxy_cache_valid 1h;
        proxy_pass http://%%API%%/page;
    }
    location = /values {
        recs on;
        recs_require listed;
        proxy_pass http://%%API%%/page;
    }
    location = /snapshot { recs on; recs_pass home; }
    location = /shadow { recs shadow; proxy_pass http://%%API%%/page; }
    location = /broken {
        recs on;
        recs_on_bad_body reject;
        proxy_pass http://%%API%%;
    }
    location = /dead { recs on; proxy_pass http://127.0.0.1:%%PORT_DEAD%%; }
    location = /fallback {
        recs on;
        recs_on_bad_body reject;
        error_page 502 = /page;
        proxy_pass http://%%API%%/broken;
    }
END

my @pages = (
    [page => 200, $shown], [unbuffered => 200, $shown], [file => 200, $shown],
    [aio => 200, $shown], [oversize => 502, qr/502 Bad Gateway/],
    ['index/' => 200, $shown], [accel => 200, $shown], [cached => 200, $shown],
    [values => 200, $shown], [snapshot => 200, $shown],
    [shadow => 200, $page], [broken => 502, qr/502 Bad Gateway/],
    [fallback => 200, $shown], [dead => 502, qr/502 Bad Gateway/],
);

# Lua gets an error of a subrequest as it is: nginx does not look for an
# error_page there, whoever failed.
my %captured = (fallback => 502);


sub start {
    my ($order, $locations, $http) = @_;
    $http //= '';

    return $t->nginx(@$order, http => <<"END");
        recs_redis main { server %%REDIS%%; timeout 60s; }
        recs_set in_stock redis=main key=in_stock;
        recs_set listed value=b1,b3;
        recs_set seen redis=main key=seen:\$recs_user;
        recs_snapshots home redis=main prefix=home;
        recs_require in_stock;
        recs_lookup_timeout 10s;
        proxy_cache_path %%NGINX_DIR%%/cache keys_zone=pages:1m;
        types { application/json json; }
        $http

        server {
            listen %%LISTEN%%;
            listen %%LISTEN_H2%% http2;

            $pages
            $locations
        }
END
}


# Cases for each order and version of HTTP.

sub beside {
    my ($name, $modules, $locations, $cases) = @_;

    for my $order (qw(before after)) {
        my $nginx = start([$order => $modules], $locations);

        # connected, and the snapshot adopted
        $t->answered(sub { $t->get('/page') });
        wait_until(sub { $t->get('/snapshot')->status == 200 });

        for my $version (qw(http http2)) {
            my @at = $version eq 'http2' ? (port => $t->port('H2')) : ();
            my $client = $t->$version(@at);

            subtest "$name, loaded $order ours, $version" => sub {
                $cases->($client, $version);
            };
            $client->close;
        }

        is $nginx->quit, 1, "$name, loaded $order ours: nothing is left";
    }
}


sub shows {
    my ($r, $status, $body, $name) = @_;

    is $r->status, $status, "$name: status" or return;
    ref $body ? like($r->body, $body, $name) : is($r->body, $body, $name);
}


my @lua = qw(ndk_http_module ngx_http_lua_module);

beside 'lua', \@lua, <<"END",
    location = /capture {
        content_by_lua_block {
            local r = ngx.location.capture("/" .. ngx.var.arg_of)
            ngx.status = r.status
            ngx.header.truncated = tostring(r.truncated)
            ngx.print(r.body)
        }
    }
    location = /captures {
        content_by_lua_block {
            local a, b, c = ngx.location.capture_multi {
                { "/page" }, { "/file" }, { "/unbuffered" }
            }
            ngx.print(a.body, b.body, c.body)
        }
    }
    location = /hasty {
        recs on;
        send_timeout 100ms;
        proxy_pass http://%%API%%/page;
    }
    location = /late {
        content_by_lua_block {
            local r = ngx.location.capture("/hasty")
            ngx.sleep(0.3)
            ngx.print(r.body)
        }
    }
    location = /failing {
        recs on;
        recs_max_body_size 10;
        content_by_lua_block {
            ngx.header.content_type = "application/json"
            ngx.print(ngx.var.page)
            ngx.exit(ngx.ERROR)
        }
    }
    location = /patient {
        content_by_lua_block {
            local r = ngx.location.capture("/failing")
            ngx.sleep(0.1)
            ngx.print(r.truncated, r.body)
        }
    }
    location = /early {
        rewrite_by_lua_block {
            ngx.ctx.body = ngx.location.capture("/page").body
        }
        content_by_lua_block { ngx.print(ngx.ctx.body) }
    }
    set \$page '$page';
    @{[ map { <<"LOCATION" } sort keys %lua ]}
    location = /lua-$_ {
        recs on;
        content_by_lua_block {
            local page = ngx.var.page
            $lua{$_}
        }
    }
    location = /lua-shadow-$_ {
        recs shadow;
        content_by_lua_block {
            local page = ngx.var.page
            $lua{$_}
        }
    }
LOCATION
    location = /filters {
        recs on;
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block {
            ngx.arg[1] = string.gsub(ngx.arg[1], "b3", "B3")
        }
        proxy_pass http://%%API%%/page;
    }
END
sub {
    my ($c, $version) = @_;

    for (@pages) {
        my ($of, $status, $body) = @$_;

        shows($c->get("/$of"), $status, $body, $of);
        next if $version eq 'http2';        # Lua captures nothing there

        my $captured = $captured{$of} // $status;
        my $whole = $captured == 200;

        my $r = $c->get("/capture?of=$of");
        shows($r, $captured, $whole ? $body : '', "captured $of");
        is $r->header('truncated'), $whole ? 'false' : 'true',
            "captured $of: is it whole?";
    }

    if ($version ne 'http2') {
        is $c->get('/captures')->body, $shown x 3, 'three at once';
        is $c->get('/early')->body, $shown, 'captured before the content';
        is $c->get('/patient')->body, 'true',
            'rejected, and then ended by its script';
        is $c->get('/late')->body, $shown, 'read, long before it is printed';
    }

    for my $of (sort keys %lua) {
        my $end = $of eq 'flush' ? ' ' : '';

        is $c->get("/lua-$of")->body, $shown . $end, "printed: $of";
        is $c->get("/lua-shadow-$of")->body, $page . $end,
            "printed, shadow: $of";
    }
};


$t->write('recs.js', <<'END');
function body(r, data, flags) { r.sendBuffer(data.toUpperCase(), flags) }
function length(r) { delete r.headersOut['Content-Length'] }
function content(r) {
    r.subrequest('/' + r.args.of, sr => r.return(sr.status, sr.responseText))
}
async function awaited(r) {
    const sr = await r.subrequest('/' + r.args.of);
    r.return(sr.status, sr.responseText);
}
async function all(r) {
    const srs = await Promise.all(['/page', '/file', '/unbuffered'].map(
        uri => r.subrequest(uri)));
    r.return(200, srs.map(sr => sr.responseText).join(''));
}
function detached(r) {
    r.subrequest('/page', { detached: true });
    r.return(200, 'gone');
}
export default { body, length, content, awaited, all, detached };
END

beside 'njs', ['ngx_http_js_module'], <<'END',
    js_path %%TESTDIR%%;
    js_import recs.js;

    location = /filters {
        recs on;
        js_header_filter recs.length;
        js_body_filter recs.body;
        proxy_pass http://%%API%%/page;
    }
    location = /filters-file {
        recs on;
        default_type application/json;
        js_header_filter recs.length;
        js_body_filter recs.body;
        alias %%TESTDIR%%/page.json;
    }
    location = /subrequest { js_content recs.content; }
    location = /awaited { js_content recs.awaited; }
    location = /all { js_content recs.all; }
    location = /detached { js_content recs.detached; }
END
sub {
    my ($c) = @_;

    is $c->get('/filters')->body, uc $shown, 'its filter has what is shown';
    is $c->get('/filters-file')->body, uc $shown, 'of a file';

    for (@pages) {
        my ($of, $status, $body) = @$_;

        shows($c->get("/$of"), $status, $body, $of);
        shows($c->get("/subrequest?of=$of"), $status, $body, "read $of");
        shows($c->get("/awaited?of=$of"), $status, $body, "awaited $of");
    }

    is $c->get('/all')->body, $shown x 3, 'three at once';
    is $c->get('/detached')->body, 'gone', 'one that nobody reads';
};


beside 'echo', ['ngx_http_echo_module'], <<"END",
    location = /sync { echo_location /page; echo_location /file; }
    location = /async {
        echo_location_async /page;
        echo_location_async /file;
    }
    location = /sleep {
        recs on;
        default_type application/json;
        echo -n '$page';
        echo_flush;
        echo_sleep 0.1;
    }
    location = /around {
        recs on;
        echo_before_body -n 'BEFORE';
        echo_after_body -n 'AFTER';
        proxy_pass http://%%API%%/page;
    }
END
sub {
    my ($c) = @_;

    is $c->get('/sync')->body, $shown x 2, 'one after the other';
    is $c->get('/async')->body, $shown x 2, 'at once';
    is $c->get('/sleep')->body, $shown, 'printed, then asleep';
    is $c->get('/around')->body, "BEFORE${shown}AFTER", 'around a page';
};


# What it shares with us is a Redis, and the name of a library:
# t/module_nchan.t.
beside 'nchan', ['ngx_nchan_module'], <<'END',
    location = /publish { nchan_publisher; nchan_channel_id news; }
END
sub {
    my ($c) = @_;

    for (@pages) {
        my ($of, $status, $body) = @$_;

        shows($c->get("/$of"), $status, $body, $of);
    }

    is $t->request('POST', '/publish', { body => 'x' })->status, 202,
        'it publishes';
};


beside 'brotli', ['ngx_http_brotli_filter_module'], <<'END',
    location = /compressed {
        recs on;
        brotli on;
        brotli_types *;
        brotli_min_length 1;
        proxy_pass http://%%API%%/page;
    }
END
sub {
    my ($c) = @_;

    my $r = $c->get('/compressed', 'accept-encoding' => 'br');
    is $r->header('content-encoding'), 'br', 'compressed';
    is $r->header('recs-filter'), $filtered, 'and filtered';
    is $c->get('/compressed')->body, $shown, 'for who wants it as it is';
};


beside 'modsecurity', ['ngx_http_modsecurity_module'], <<'END',
    location = /watched {
        recs on;
        modsecurity on;
        modsecurity_rules '
            SecRuleEngine On
            SecResponseBodyAccess On
            SecResponseBodyMimeType application/json
            SecRule RESPONSE_BODY "b2" "id:1,phase:4,deny,status:403,log"
        ';
        proxy_pass http://%%API%%/page;
    }
    location = /denied {
        recs on;
        recs_require listed;
        modsecurity on;
        modsecurity_rules '
            SecRuleEngine On
            SecRule ARGS "@streq bad" "id:2,phase:1,deny,status:403,log"
        ';
        proxy_pass http://%%API%%/page;
    }
END
sub {
    my ($c) = @_;

    is $c->get('/watched')->body, $shown, 'it sees what is shown';
    is $c->get('/denied?a=bad')->status, 403, 'it may deny a request';
    is $c->get('/denied?a=good')->body, $shown, 'or not';
};


# The answer comes late, or when nobody waits for it any more.
for my $order (qw(before after)) {
    subtest "a Redis that hangs, lua loaded $order ours" => sub {
        my $nginx = start([$order => \@lua], <<'END');
            location = /capture {
                content_by_lua_block {
                    local r = ngx.location.capture("/page")
                    ngx.print(r.body)
                }
            }
            location = /slept {
                recs on;
                recs_lookup_timeout 300ms;
                default_type application/json;
                content_by_lua_block {
                    ngx.print('{"items":["b1","b2"]}') ngx.eof()
                    ngx.sleep(0.01)
                }
            }
END
        $t->answered(sub { $t->get('/page') });
        my $clients = $nginx->clients;

        $redis->freeze;
        is $t->get('/slept')->body, '{"items":["b1","b2"]}',
            'the script has ended: the deadline sends what it printed';

        my @gone = map { $t->http } 1 .. 5;
        $_->send('GET', '/capture') for @gone;
        $_->close for @gone;
        my $stays = $t->http->send('GET', '/capture');
        $redis->thaw;

        is $stays->response->body, $shown, 'who stayed gets a page';
        $stays->close;
        ok wait_until(sub { $nginx->clients == $clients }),
            'nothing is left of who left';
        is $nginx->quit, 1, 'and nothing when it ends';
    };
}


# What srcache stores is what it sees.  Its own rules, which keep it from
# storing what is private, are off here.
my $stored = <<'END';
    location = /stored {
        recs on;
        recs_user $arg_user;
        recs_exclude seen;
        srcache_fetch GET /store;
        srcache_store PUT /store;
        srcache_response_cache_control off;
        proxy_pass http://%%API%%/page;
    }
    location = /store {
        internal;
        content_by_lua_block {
            local stored = ngx.shared.stored
            if ngx.req.get_method() == "PUT" then
                ngx.req.read_body()
                stored:set("page", ngx.req.get_body_data())
                return
            end
            local page = stored:get("page")
            if page then ngx.print(page) else ngx.exit(404) end
        }
    }
END

my $store = 'ngx_http_srcache_filter_module';
my $warning = qr/\[warn\].*recs: srcache would store pages as one user is/;

for (
    ['lua, ours, srcache', 1, before => \@lua, after => [$store]],
    ['ours, lua, srcache', 1, after => [@lua, $store]],
    ['srcache, lua, ours', 0, before => [$store, @lua]],
    ['srcache, ours, lua', 0, before => [$store], after => \@lua],
    ['ours, srcache, lua', 0, after => [$store, @lua]],
) {
    my ($name, $right, @order) = @$_;

    subtest "srcache: $name" => sub {
        my $nginx = start(\@order, $stored, 'lua_shared_dict stored 1m;');
        $t->answered(sub { $t->get('/page') });
        $api->clear;

        for my $version (qw(http http2)) {
            my $c = $version eq 'http' ? $t->http
                                       : $t->http2(port => $t->port('H2'));

            for (1, 2) {
                is $c->get('/stored?user=u1')->body, '{"items":[{"id":"b3"}]}',
                    "$version: what one user may see";
            }
            is $c->get('/stored?user=u2')->body,
                $right ? '{"items":[{"id":"b1"}]}' : '{"items":[]}',
                $right ? 'what another may see'
                       : 'of that, what another may see';
            $c->close;
        }
        is $api->requests, 1, 'one page was asked for';

        $right ? unlike($nginx->error_log, $warning, 'no word about it')
               : like($nginx->error_log, $warning, 'a warning tells of it');
        is $nginx->quit, 1, 'nothing is left';
    };
}


# Without Lua there may be another module that stores what srcache gives it.
for (['ours, srcache', 0, after => [$store]],
     ['srcache, ours', 1, before => [$store]])
{
    my ($name, $wrong, @order) = @$_;

    subtest "srcache alone: $name" => sub {
        my $nginx = $t->nginx(@order, http => <<'END');
            server { listen %%LISTEN%%; recs on; }
END
        my $said = $nginx->error_log =~ $warning ? 1 : 0;
        is $said, $wrong, 'a warning, if it is too late';
        is $nginx->quit, 1, 'nothing is left';
    };
}


$t->done;
