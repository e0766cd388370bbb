use strict;
use warnings;

# Pages of MessagePack are filtered as those of JSON are: what stays keeps its
# bytes, headers count what is left, and what is no page passes as it came.

use FindBin;
use lib "$FindBin::Bin/lib";

use Data::MessagePack;
use IO::Compress::Gzip qw(gzip);
use JSON::PP ();
use POSIX qw(strftime);
use Recs::RandomPage;
use Recs::Reference qw(filter difference parse decode_text);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

my $big = '18446744073709551615';               # 2^64 - 1
my $low = '-9223372036854775808';               # -2^63
my $odd = "\x00\xff\r\n";                       # no UTF-8, as an id

$redis->cmd('SADD', 'in_stock', 'b1', 'b3', 'p1', 5, -1, $big, $low, $odd,
            "\xc3\xa9");
$redis->cmd('SADD', 'refused', 'b2', $odd);

my %bodies;                                     # what is served, by name
my %types;                                      # and as what, if it matters
my $client;                                     # asks for what passes


# --- Pages ----------------------------------------------------------------

my @item = map { item($_) } 0 .. 4;
my $page = page_of(@item[1 .. 4]);
my $shown = page_of(@item[1, 3]);

$bodies{page} = $page;
gzip(\$page => \$bodies{gzip}) or die 'gzip';

# [name, pointers, id, page, what is left of it]: b1 and b3 of it.

my @shapes = shapes();
$bodies{"shape-$_->[0]"} = $_->[3] for @shapes;

my @ids = ids();
for my $n (0 .. $#ids) {
    my @of = map { $_->[0] } @{ $ids[$n] }[1 .. $#{ $ids[$n] }];
    $bodies{"id-$n"} = array_of(map { map_of(id => $_) } @of);
    $bodies{"scalar-$n"} = array_of(@of);
}

# Headers wider than they need be.
my %wide = (
    array32 => "\xdd" . pack('N', 2) . map32([id => str('b1')])
               . map_of(id => str('b2')),
    array16 => "\xdc" . pack('n', 2) . str32('b1') . str16('b3'),
    map32   => map32([items => "\xdd" . pack('N', 1) . str8('b1')]),
    map16   => "\xde" . pack('n', 1) . str32('items') . array_of(str('b1')),
);
$bodies{"wide-$_"} = $wide{$_} for keys %wide;
$bodies{'wide-ours'} = map32([items => array_of(str('b1')), _recs => "\x01"]);

# Root maps of so many members, arrays of so many items: the header of the one
# is one byte, of the other three; then three, and five.
my @members = (14, 15, 16, 65_534, 65_535, 65_536);
my @elements = (15, 16, 65_535, 65_536);

$bodies{"members-$_"} = root_of($_) for @members;
$bodies{"reserved-$_"} = root_of($_, 1) for 15, 16, 17, 65_536, 65_537;
$bodies{"array-$_"} = array_of(map { str("i$_") } 1 .. $_ + 1) for @elements;
$bodies{short} = map_of(items => array_of(map { map_of(id => str("c$_")) }
                                          1 .. 15));


# [model, when it was made, the tag, the model and the date as they are shown]

my $ago = time - 60;
my @facts = (
    [str('als-7'), uint32($ago), 'filtered', 'als-7', $ago],
    [bin('als-7'), str($ago), 'filtered', 'als-7', $ago],
    ["\x07", "\xd3" . pack('q>', $ago), 'skewed;.*skew="model"$', 7, $ago],
    ["\xd0\xf9", "\xcb" . pack('d>', 0.1), 'skewed;.*stale', -7, '0.1'],
    ["\xc3", "\xca" . pack('f>', 0.1), 'skewed;.*stale', 'true', '0.1'],
    ["\xc0", "\xc0", 'skewed;.*stale', undef, undef],
    [array_of(), array_of(), 'skewed;.*stale', undef, undef],
    [bin("\0\xff"), bin(''), 'skewed;.*stale', undef, undef],
    [str('als-7'), "\xd6\xff" . pack('N', $ago), 'filtered', 'als-7',
     strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $ago)],
);
$bodies{"facts-$_"} = map_of(items => array_of(str('b1')), v => $facts[$_][0],
                             made => $facts[$_][1]) for 0 .. $#facts;


# --- What can't be filtered -----------------------------------------------

my $truncated = map_of(
    items => array_of(@item[0 .. 3]), f => "\xcb" . pack('d>', 0.5),
    g => "\xca" . pack('f>', 0.5), u => "\xcf" . "\x01" x 8, i => "\xd0\x80",
    e => ext(5, 'abc'), d => "\xd6\xff" . pack('N', 1e9), b => bin("\0\1"),
    s => str8('t'), t => str16('t'), l => str32('t'), c => bin16('b'),
    k => bin32('b'), m => map32([a => "\xdc\0\1\xc0"]), z => "\xc7\0\1");

my @cut = map { substr $truncated, 0, $_ } 1 .. length($truncated) - 1;
$bodies{"cut-$_"} = $cut[$_] for 0 .. $#cut;
$bodies{whole} = $truncated;

my @syntax = (
    "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdc\xff\xff",
    "\xdd\xff\xff\xff\xff" . "\x01" x 1000, "\xdf\x00\x00\x00\x02\xa0\x01\xa0",
    "\xdf\x80\x00\x00\x00" . "\x01" x 1000, "\xc1", "\xc6\xff\xff\xff\xff",
    "\xdb\xff\xff\xff\xffab", "\xc9\xff\xff\xff\xff\x01", "\xc9\xff",
    "\x91" x 513 . "\xc0", "\x81\xa0" x 513 . "\xc0", "\x91" x 100_000,
    map_of(items => array_of(str('b1'), "\xc1")),
    map_of(items => array_of(str('b1'), "\xdd\xff\xff\xff\xff")),
    map_of(items => array_of(str('b1'), "\x91" x 511 . "\xc0")),
    "\x82" . str('items') . array_of(str('b1')) . "\xc1\xc0",
    "\x82" . str('items') . array_of(str('b1')) . "\x91",
    "\x82" . ("\x81" x 512) . "\xc0" x 513,
    "$page\0", "$page\xc0", $page x 2, " $page",
    '{"items":["b1","b2"]}', '["b1"]', '<html>',
);

my @no_shelf = (
    "\x80", "\x90", "\xc0", "\n", str('items'), bin('items'), ext(1, 'x'),
    map_of(items => map_of(id => str('b1'))), map_of(items => str('b2')),
    map_of(Items => array_of(str('b2'))),
    "\x81" . bin('items') . array_of(str('b2')),
    "\x81" . ext(1, 'items') . array_of(str('b2')),
    "\x82" . str('items') . array_of(str('b2')) . str8('items') . "\xc0",
    "\x81" . array_of(str('items')) . array_of(str('b2')),
    "\x91" x 512 . "\xc0",
);

$bodies{"syntax-$_"} = $syntax[$_] for 0 .. $#syntax;
$bodies{"shelfless-$_"} = $no_shelf[$_] for 0 .. $#no_shelf;
$bodies{empty} = '';
$bodies{many} = map_of(items => array_of(("\x01") x 5001));

$bodies{"size-$_"} = map_of(items => array_of(str('b1'), str('b2')),
                            fill => bin('x' x $_)) for 180, 181;
$t->set(SMALL => length $bodies{'size-180'});


# --- The conformance vectors ----------------------------------------------

my @vectors = vectors();
$bodies{"vector-$_"} = beside($vectors[$_], item(2)) for 0 .. $#vectors;
$bodies{'vector-all'} = beside(array_of(@vectors), item(2));


# --- Pages of JSON, and the same in MessagePack ---------------------------

my @random = random();
for my $n (0 .. $#random) {
    $bodies{"json-$n"} = $random[$n]{bytes};
    $bodies{"msgpack-$n"} = from_json($random[$n]{bytes});
    $types{"json-$n"} = 'application/json';

    for my $id (grep { length } @{ $random[$n]{ids} }) {
        $redis->cmd('SADD', "half", $id) if $n % 3 != unpack('%8C*', $id) % 3;
    }
}


# --- Pools ----------------------------------------------------------------

# Of a hash, in MessagePack, and of a file, in JSON.
my $stamp = "\xd6\xff" . pack('N', 1_000_000_000);

$redis->cmd('HSET', 'packed', p1 => map_of(
    id => str('p1'), at => $stamp, raw => bin("\0\1\2"), half =>
    "\xca" . pack('f>', 0.1), _recs => str('mine')));
$redis->cmd('SADD', 'forms-shown', 'b1', 'keyed', 'large', 'mixed', $odd,
            "\xfe", qw(torn cut other another));
$redis->cmd('HSET', 'forms',
    mixed => "\x82" . str('id') . str('mixed') . str('n') . "\xca\x7f\xc0\0\0",
    keyed => map_of(id => str('keyed')) =~ s/\A\x81/\x82\xc0\xc0/r,
    large => '{"id":"large","n":18446744073709551616}',
    $odd => map_of(id => bin($odd)), torn => '{"id":"torn"',
    cut => substr(map_of(id => str('cut')), 0, -1),
    other => map_of(id => str('another')), "\xfe" => map_of(x => "\x01"));

$t->write('pool.ndjson', join "\n", '{"id":"b3"}', '{"id":"b1"}',
          '{"id":"p1","_recs":1,"x":[1,-2.5,"\u00e9"],"y":null}', '');

# Shelves on which there is room: of objects, of str, of bin, of integers.
%bodies = (%bodies,
    'end' => map_of(n => "\x01", items => array_of($item[1]), _recs => "\x02"),
    'room' => map_of(items => array_of()),
    'room-str' => map_of(items => array_of(str('b1'))),
    'room-bin' => map_of(items => array_of(bin('b1'))),
    'json-page' => '{"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}',
    'json-room' => '{"items":[]}', 'json-room-str' => '{"items":["b1"]}',
    'refused' => map_of(items => array_of(map { map_of(id => $_) }
        str('b1'), str('b2'), bin('b2'), bin($odd), "\xcd\0\x06", "\xc0"),
        _recs => str('theirs')),
);
$types{$_} = 'application/json' for qw(json-page json-room json-room-str);

my @fields = ('ETag' => '"candidates"', 'Accept-Ranges' => 'bytes',
              'Last-Modified' => 'Mon, 02 Nov 2026 10:00:00 GMT',
              'Cache-Control' => 'max-age=60');

my $api = $t->upstream(sub {
    my ($req) = @_;
    my ($name) = $req->{path} =~ m{([^/]+)\z};
    my $args = $req->{args};

    return {
        body => $bodies{$name} // die("no body $name\n"),
        type => $args->{type} // $types{$name} // 'application/msgpack',
        headers => [@fields, $name eq 'gzip' ? ('Content-Encoding' => 'gzip')
                                             : ()],
        ($args->{piece} ? (framing => 'chunked', piece => $args->{piece})
                        : ()),
    };
}, keepalive => 1);

my $shapes = join '', map { <<"HTTP" } @shapes;
        location /shape-$_->[0]/ {
            recs_items @{ $_->[1] };
            recs_item_id $_->[2];
            proxy_pass http://%%API%%/;
        }
HTTP

my %random = map { ($_->{shape}{name} => $_->{shape}) } @random;
my $random = join '', map { <<"HTTP" } values %random;
        location /random-$_->{name}/ {
            recs_items @{[ Recs::RandomPage->arguments($_) ]};
            recs_item_id $_->{id};
            recs_require half;
            recs_exclude refused;
            location /random-$_->{name}/plain/ { proxy_pass http://%%API%%/; }
            location /random-$_->{name}/few/ {
                recs_limit 2;
                recs_distinct on;
                proxy_pass http://%%API%%/;
            }
        }
HTTP

my $limits = join '', map { <<"HTTP" } @elements;
        location /limit-$_/ {
            recs_items "";
            recs_limit $_;
            recs_require basket;
            recs_max_items 100000;
            recs_max_body_size 4m;
            proxy_pass http://%%API%%/;
        }
HTTP

my $nginx = $t->nginx(access_log => q('$request_uri $recs_state'),
                      http => <<"HTTP");
    recs_redis main { server %%REDIS%%; }
    recs_set in_stock redis=main key=in_stock;
    recs_set refused redis=main key=refused;
    recs_set half redis=main key=half;
    recs_set shown_forms redis=main key=forms-shown;
    recs_set basket value=\$arg_basket;
    recs_pool packed redis=main key=packed;
    recs_pool forms redis=main key=forms;
    recs_pool lines file=%%TESTDIR%%/pool.ndjson;

    recs_require in_stock;
    recs_lookup_timeout 5s;

    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    types { application/x-msgpack mp; application/json json; }

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        root %%TESTDIR%%/www;
        recs on;

        location = /status { recs_status; }
        location /static/ { }
        location /buffered/ { proxy_pass http://%%API%%/; }
        location /off/ { recs off; proxy_pass http://%%API%%/; }
        location /shadow/ { recs shadow; proxy_pass http://%%API%%/; }
        location /logged/ { proxy_pass http://%%API%%/; }

        location /unbuffered/ {
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }

        location /cached/ {
            proxy_cache pages;
            proxy_cache_valid 200 1h;
            proxy_ignore_headers Cache-Control;
            add_header X-Cache \$upstream_cache_status;
            proxy_pass http://%%API%%/;
        }

        location /root/ {
            recs_items "";
            recs_item_id /id;
            proxy_pass http://%%API%%/;
        }

        location /facts/ {
            recs_version model body=/v accept=als-7;
            recs_version schema body=/made;
            recs_freshness candidates body=/made max_age=1h;
            proxy_pass http://%%API%%/;
        }

        location /tagged/ {
            recs_tag body;
            recs_explain \$arg_explain;
            recs_version model value=\$arg_model;
            recs_max_body_size 4m;
            proxy_pass http://%%API%%/;
        }

        location /large/ {
            recs_on_bad_body pass;
            proxy_pass http://%%API%%/;
        }

        location /untagged/ {
            recs_tag off;
            recs_max_body_size 4m;
            proxy_pass http://%%API%%/;
        }

        location /small/ {
            recs_on_bad_body pass;
            recs_max_body_size %%SMALL%%;
            proxy_pass http://%%API%%/;
        }

        location /all/ {
            recs_require basket;
            recs_exclude refused;
            proxy_pass http://%%API%%/;
        }

        location /explained/ {
            recs_require basket;
            recs_exclude refused;
            recs_explain 1;
            proxy_pass http://%%API%%/;
        }

        location /filled/ {
            recs_exclude refused;
            recs_backfill lines min=3;
            proxy_pass http://%%API%%/;
        }

        location /filled-16/ {
            recs_require basket;
            recs_backfill lines min=16;
            proxy_pass http://%%API%%/;
        }

        location /explored/ {
            recs_explore packed rate=100% slots=2;
            proxy_pass http://%%API%%/;
        }

        location /forms/ {
            recs_require shown_forms;
            recs_backfill forms min=100;
            proxy_pass http://%%API%%/;
        }
        $shapes
        $random
        $limits
    }
HTTP


# --------------------------------------------------------------------------

subtest 'every way that a page takes' => sub {
    mkdir $t->dir . '/www';
    chmod 0755, $t->dir . '/www';
    chmod 0644, $t->write('www/static/page.mp', $page),
                $t->write('www/static/bad.mp', "$page\0");
    chmod 0755, $t->dir . '/www/static';

    my $c = $t->http2(port => 'H2');

    for my $path (
        (map { "/buffered/page?type=application/$_" } 'msgpack', 'x-msgpack',
               'vnd.msgpack', 'MsgPack', 'msgpack;charset=binary'),
        '/static/page.mp', '/buffered/page', '/buffered/page?piece=1',
        '/unbuffered/page', '/unbuffered/page?piece=7', '/buffered/gzip',
        '/unbuffered/gzip?piece=5', ('/cached/page') x 2,
        ('/cached/page?piece=3') x 2)
    {
        for my $r ($t->get($path), $c->get($path)) {
            is $r->status, 200, $path;
            is $r->body, $shown, 'filtered';
            is $r->header('Content-Length'), length $shown, 'of its length';
            is $r->header('Recs-Filter'),
                'filtered;total=4;kept=2;removed=2;explored=0', 'and tagged';
            is $r->header($_), undef, "no $_"
                for 'Last-Modified', 'Accept-Ranges', 'Content-Encoding';
            like $r->header('ETag'), qr/^"\w+"$/, 'an ETag';

            my $again = $t->get($path, 'If-None-Match' => $r->header('ETag'));
            is $again->status, 304, 'which it is asked by';
            is $again->body, '', 'without a body';
        }
    }

    is $t->get('/cached/page')->header('X-Cache'), 'HIT', 'from the cache';
    is $t->get('/static/bad.mp', Range => 'bytes=2-6')->body, "$page\0",
        'a file that is no page is whole';
    is $t->request('HEAD', '/buffered/page')->header('ETag'), undef,
        'HEAD has no ETag';

    isnt $t->get('/root/id-0')->header('ETag'),
         $t->get('/root/id-1')->header('ETag'), 'another page, another ETag';

    is $t->get('/buffered/page?type=application/octet-stream')->body, $page,
        'another type is left alone';
    is $t->get('/buffered/page?type=application/json')->header('Recs-Filter'),
        'malformed;why=syntax', 'the type says what it is';
};


subtest 'shelves' => sub {
    for my $shape (@shapes) {
        my ($name, undef, undef, $before, $after) = @$shape;
        my $r = $t->get("/shape-$name/shape-$name");

        is hex_of($r->body), hex_of($after), $name;
    }
};


subtest 'ids' => sub {
    for my $n (0 .. $#ids) {
        my ($name, @of) = @{ $ids[$n] };
        my @left = map { $_->[0] } grep { $_->[1] } @of;

        is hex_of($t->get("/root/id-$n")->body),
            hex_of(array_of(map { map_of(id => $_) } @left)), $name;
        is hex_of($t->get("/root/scalar-$n")->body), hex_of(array_of(@left)),
            "$name as items";
    }
};


subtest 'headers that are wider than they need be' => sub {
    is hex_of($t->get('/root/wide-array32')->body),
        hex_of("\x91" . map32([id => str('b1')])), 'least where it counts less';
    is $t->get('/root/wide-array16')->body, $wide{array16}, 'else as it was';

    for my $name ('map16', 'map32') {
        is $t->get("/untagged/wide-$name")->body, $wide{$name}, "so is $name";

        my $body = $t->get("/tagged/wide-$name")->body;
        is ord $body, 0x82, 'least where a member comes';
        is(Data::MessagePack->unpack($body)->{_recs}{state}, 'filtered', 'it');
    }
};


subtest 'headers whose count stays' => sub {
    tagged($t->get('/tagged/wide-ours')->body,
           "\xdf\0\0\0\2" . substr(map_of(items => array_of(str('b1'))), 1),
           'one member for another');
};


subtest 'root maps of any size' => sub {
    for my $n (@members) {
        my $before = root_of($n);
        my $want = map_header($n + 1) . substr $before, length map_header($n);
        my $body = $t->get("/tagged/members-$n")->body;

        tagged($body, $want, "$n members, and ours");
        is $t->get("/untagged/members-$n")->body, $before, "just $n";
    }

    for my $n (15, 16, 17, 65_536, 65_537) {
        tagged($t->get("/tagged/reserved-$n")->body,
               map_header($n) . members_of($n - 1),
               "$n members, one of them instead of ours");
        ok $t->get("/untagged/reserved-$n")->body
            eq map_header($n - 1) . members_of($n - 1), 'without it';
    }
};


subtest 'shelves of any size' => sub {
    for my $n (@elements) {
        my $body = $t->get("/limit-$n/array-$n")->body;

        ok $body eq array_of(map { str("i$_") } 1 .. $n),
            "$n of one more" or diag(hex_of(substr $body, 0, 40));
    }

    my $basket = join ',', map { "c$_" } 1 .. 15;
    is $t->get("/filled-16/short?basket=$basket")->body, $bodies{short},
        'nothing to fill it with';

    my $body = $t->get("/filled-16/short?basket=$basket,b3")->body;
    is index($body, "\x81\xa5items\xdc\x00\x10"), 0, 'one more';
    is(Data::MessagePack->unpack($body)->{items}[15]{id}, 'b3', 'at the end');
};


subtest 'what was removed' => sub {
    my $r = $t->get('/tagged/refused?explain=1');

    my $want = map_of(items => array_of(map { map_of(id => $_) }
                                        str('b1'), bin($odd), "\xc0"));
    tagged($r->body, map_header(2) . substr($want, 1), 'the page');

    my $ours = Data::MessagePack->unpack($r->body)->{_recs};
    is_deeply $ours, {
        state => 'filtered', total => 6, kept => 3, removed => 3,
        explored => 0, unidentified => 1,
        sets => { in_stock => { removed => 3 } },
        items => [map { { id => $_, set => 'in_stock' } } 'b2', 'b2', 6],
    }, 'and what went';

    is_deeply [map { $_->{id} } @{ Data::MessagePack->unpack(
        $t->get('/explained/refused')->body)->{_recs}{items} }],
        ['b2', 'b2', $odd], 'by another set';

    my $body = $t->get("/tagged/page?model=als-\xff")->body;
    like $body, qr/\xa5model\xc4\x05als-\xff/, 'what is no text is a bin';

    $body = $t->get('/explained/refused')->body;
    like $body, qr/\x82\xa2id\xa2b2\xa3set/, 'a str is one';
    like $body, qr/\x82\xa2id\xc4\x02b2\xa3set/, 'a bin stays a bin';
    like $body, qr/\x82\xa2id\xc4\x04\x00\xff\r\n\xa3set/,
        'and need not be UTF-8';
};


subtest 'what was put in' => sub {
    ok wait_until(sub {
        my $pools = $t->get('/status')->json->{pools};
        return !grep { !$pools->{$_}{items} } qw(packed forms lines);
    }), 'the pools are there';

    my $added = map_of(id => str('p1'), x => array_of("\x01", float64(-2.5),
                                                      str("\xc3\xa9")),
                       y => "\xc0",
                       _recs => map_of(backfill => "\xc3",
                                       pool => str('lines')));

    is hex_of($t->get('/filled/page')->body),
        hex_of(page_of(@item[1, 3], $added)), 'JSON into MessagePack';

    is hex_of($t->get('/filled/end')->body),
        hex_of(map_of(n => "\x01", items => array_of($item[1],
            map_of(id => str('b3'), _recs => map_of(
                backfill => "\xc3", pool => str('lines'))), $added))),
        'where a member that goes begins';

    $added = map_of(id => str('p1'), at => $stamp, raw => bin("\0\1\2"),
                    half => "\xca" . pack('f>', 0.1),
                    _recs => map_of(explore => "\xc3", pool => str('packed'),
                                    slot => "\x02", p => float64(1),
                                    gate => float64(1)));
    is hex_of($t->get('/explored/page')->body),
        hex_of(page_of($item[1], $added, $item[3])),
        'MessagePack into MessagePack';

    is $t->get('/explored/json-page')->body,
        '{"items":[{"id":"b1"},{"id":"p1","at":"2001-09-09T01:46:40Z",'
        . '"raw":"AAEC","half":0.1,"_recs":{"explore":true,"pool":"packed",'
        . '"slot":2,"p":1,"gate":1}},{"id":"b3"}]}', 'MessagePack into JSON';
};


subtest 'what has no form in a page is not put in' => sub {
    my $ours = '"_recs":{"backfill":true,"pool":"forms"}';
    my @ours = (_recs => map_of(backfill => "\xc3", pool => str('forms')));

    is $t->get('/status')->json->{pools}{forms}{refused}, 3, 'or never';

    is $t->get('/forms/json-room')->body,
        qq({"items":[{"id":"AP8NCg==",$ours},)
        . qq({"id":"large","n":18446744073709551616,$ours},)
        . qq({"id":"mixed","n":null,$ours}]}), 'in JSON';

    is $t->get('/forms/json-room-str')->body,
        '{"items":["b1","AP8NCg==","large","mixed"]}', 'as ids';

    is hex_of($t->get('/forms/room')->body), hex_of(map_of(items => array_of(
        map_of(id => bin($odd), @ours),
        "\x83\xc0\xc0" . str('id') . str('keyed') . substr(map_of(@ours), 1),
        map_of(id => str('mixed'), n => "\xca\x7f\xc0\0\0", @ours),
        map_of(x => "\x01", @ours)))), 'in MessagePack';

    for my $kind ('str', 'bin') {
        my $make = $kind eq 'str' ? \&str : \&bin;

        is hex_of($t->get("/forms/room-$kind")->body),
            hex_of(map_of(items => array_of(map { $make->($_) }
                          'b1', $odd, 'keyed', 'mixed', "\xfe"))),
            "as ids that are $kind";
    }
};


subtest 'facts in the body' => sub {
    for my $n (0 .. $#facts) {
        my ($model, $made, $tag, $said, $schema) = @{ $facts[$n] };
        my $r = $t->get("/facts/facts-$n");

        like $r->header('Recs-Filter'), qr/^$tag/,
            'facts ' . hex_of($model) . ' ' . hex_of($made);
        is $r->header('Recs-Model-Version'), $said, 'model';
        is $r->header('Recs-Schema-Version'), $schema, 'schema';
        cmp_ok $r->header('Recs-Age') // 0, '>=', 60, 'age' if defined $schema;
    }
};


subtest 'vectors' => sub {
    my $c = $t->http;
    my @changed;

    for my $n (0 .. $#vectors) {
        my $path = "/all/vector-$n";
        my $body = $c->get($path)->body;

        push @changed, hex_of($vectors[$n])
            if $body ne beside($vectors[$n]);
    }

    cmp_ok scalar @vectors, '>', 200, 'there are vectors';
    is_deeply \@changed, [], 'each is unchanged';
    ok $c->get('/all/vector-all')->body
        eq beside(array_of(@vectors)), 'and all at once';
};


subtest 'as pages of JSON' => sub {
    my $c = $t->http;
    my ($removed, %wrong) = (0);

    my %half = map { ($_ => 1) } @{ $redis->cmd('SMEMBERS', 'half') };
    my %refused = map { ($_ => 1) } @{ $redis->cmd('SMEMBERS', 'refused') };

    for my $n (0 .. $#random) {
        my $shape = $random[$n]{shape};

        for my $how ('plain', 'few') {
            my $json = $c->get("/random-$shape->{name}/$how/json-$n");
            my $packed = $c->get("/random-$shape->{name}/$how/msgpack-$n");

            my $want = filter($random[$n]{bytes}, %$shape,
                require => [half => \%half],
                exclude => [refused => \%refused],
                $how eq 'few' ? (limit => 2, distinct => 1) : ());

            my $why = difference($json->body, $want);
            $wrong{"$n $how"} = "json: $why" if $why;
            $wrong{"$n $how"} = 'msgpack' if from_json($json->body)
                                             ne $packed->body;

            # of a str nobody asks that
            my $tag = $json->header('Recs-Filter') =~ s/;not_utf8//r;
            $wrong{"$n $how"} = 'tag' if $tag
                                         ne $packed->header('Recs-Filter');
            $removed += $want->{removed};
        }
    }

    is_deeply \%wrong, {}, 'the same is left of both';
    cmp_ok $removed, '>', 500, 'and much is not';
};


subtest 'what cannot be filtered' => sub {
    passed("/buffered/cut-$_", 'malformed;why=syntax') for 0 .. $#cut;
    passed("/unbuffered/syntax-$_", 'malformed;why=syntax') for 0 .. $#syntax;
    passed("/unbuffered/syntax-$_?piece=1000", 'malformed;why=syntax')
        for 0 .. $#syntax;
    passed("/buffered/shelfless-$_", 'malformed;why=no_shelf')
        for 0 .. $#no_shelf;
    passed('/large/many', 'too_large;why=items');
    is $t->get('/buffered/many')->status, 502, 'which is no default';

    is $t->get('/buffered/whole')->header('Recs-Filter'),
        'filtered;total=4;kept=2;removed=2;explored=0', 'but the whole of it';
    is length $t->get('/small/size-180')->body,
        length($bodies{'size-180'}) - 3, 'as large as may be';
    passed('/small/size-181', 'too_large;why=body');
    passed('/small/size-181?piece=100', 'too_large;why=body');

    my $r = $t->get('/buffered/empty');
    is $r->header('Recs-Filter'), 'malformed;why=syntax', 'nothing is no page';
    is $r->body, '', 'and stays nothing';
};


subtest 'one log line' => sub {
    my $logged = $t->log_mark($nginx);
    my $read = length $nginx->error_log;
    my $c = $t->http;

    $c->get("/logged/syntax-$_") for 0 .. $#syntax;
    $t->log_mark($nginx);

    my @lines = grep { /recs: / } split /\n/, substr $nginx->error_log, $read;
    is @lines, 1, 'for all';
    like $lines[0], qr/\[warn\] .* recs: a body can't be filtered: it ends/,
        'with why';
    like $lines[0], qr/all that a container holds, at byte 0 /, 'and where';
};


subtest 'shadow' => sub {
    my $r = $t->get('/shadow/page');

    is $r->body, $page, 'as it came';
    is $r->header('Recs-Filter'), 'shadow;total=4;kept=2;removed=2;explored=0',
        'and what would be';
    is $r->header('ETag'), '"candidates"', 'with its ETag';
};


$t->done;


# --- MessagePack, of any width --------------------------------------------

sub str {
    my ($s) = @_;
    my $n = length $s;

    return ($n < 32 ? chr(0xa0 | $n) : $n < 256 ? "\xd9" . chr $n
            : $n < 65_536 ? "\xda" . pack 'n', $n : "\xdb" . pack 'N', $n) . $s;
}

sub str8  { return "\xd9" . pack 'C/a*', $_[0] }
sub str16 { return "\xda" . pack 'n/a*', $_[0] }
sub str32 { return "\xdb" . pack 'N/a*', $_[0] }
sub bin   { return "\xc4" . pack 'C/a*', $_[0] }
sub bin16 { return "\xc5" . pack 'n/a*', $_[0] }
sub bin32 { return "\xc6" . pack 'N/a*', $_[0] }
sub ext   { return "\xc7" . pack 'C c a*', length $_[1], @_ }
sub uint32 { return "\xce" . pack 'N', $_[0] }

sub map_header {
    my ($n) = @_;

    return $n < 16 ? chr(0x80 | $n)
         : $n < 65_536 ? "\xde" . pack('n', $n) : "\xdf" . pack 'N', $n;
}

sub array_of {
    my $n = @_;

    return join '', $n < 16 ? chr(0x90 | $n)
         : $n < 65_536 ? "\xdc" . pack('n', $n) : "\xdd" . pack('N', $n), @_;
}

# name => bytes...

sub map_of {
    my (@pairs) = @_;

    return map_header(@pairs / 2)
           . join '', map { $_ % 2 ? $pairs[$_] : str($pairs[$_]) }
                      0 .. $#pairs;
}

sub map32 {
    my ($pairs) = @_;

    return "\xdf" . pack('N', @$pairs / 2) . substr map_of(@$pairs), 1;
}

sub hex_of { return unpack 'H*', $_[0] // '' }

sub float64 { return "\xcb" . pack 'd>', $_[0] }


sub item {
    my ($n) = @_;

    return map_of(id => str("b$n"), title => str8("Book $n"), price =>
                  float64(9.5 + $n), tags => array_of(str('x'), "\xc0"));
}


sub page_of {
    return map_of(model => str('als-7'), items => array_of(@_), n => "\x01");
}


sub shapes {
    my ($b1, $b2, $b3) = map { map_of(id => str("b$_")) } 1 .. 3;
    my @keyed = map {
        map_of(book => map_of(name => "\xc0", key => bin("b$_")))
    } 0 .. 3;
    my $shelf = sub { map_of(title => str('t'), items => array_of(@_)) };
    my $odd_keys = "\x87\x01" . array_of($b2) . "\xc0" . array_of($b2)
        . bin('items') . array_of($b2) . array_of(str('items'))
        . array_of($b2) . ext(7, 'items') . array_of($b2)
        . "\xcb\0\0\0\0\0\0\0\0" . map_of(items => array_of($b2))
        . str('items');

    return (
        ['star', ['/rows/*/items'], '/book/key',
         map_of(rows => array_of($shelf->(@keyed), "\xc0", $shelf->(),
                                 $shelf->($keyed[2]), $shelf->($keyed[1]))),
         map_of(rows => array_of($shelf->(@keyed[1, 3]), "\xc0", $shelf->(),
                                 $shelf->(), $shelf->($keyed[1])))],
        ['pair', ['/top', '/more'], '/id',
         map_of(more => array_of($b2, $b1), top => array_of($b3, $b2)),
         map_of(more => array_of($b1), top => array_of($b3))],
        ['neighbours', ['/*'], '/id',
         array_of(array_of($b2), array_of(), array_of($b1, $b2),
                  array_of($b2, $b3), array_of($b2)),
         array_of(array_of(), array_of(), array_of($b1), array_of($b3),
                  array_of())],
        ['width', ['/*'], '/id',
         array_of("\xdc\0\1$b1", array_of($b2, $b1), "\xdd\0\0\0\0"),
         array_of("\xdc\0\1$b1", array_of($b1), "\xdd\0\0\0\0")],
        ['index', ['/rows/1/items'], '/id',
         map_of(rows => array_of($shelf->($b2), $shelf->($b2, $b1))),
         map_of(rows => array_of($shelf->($b2), $shelf->($b1)))],
        ['keys', ['/items'], '/id', $odd_keys . array_of($b2, $b1),
         $odd_keys . array_of($b1)],
        ['repeated', ['/items'], '/id',
         map_of(items => array_of($b2), items => array_of($b2, $b1)),
         map_of(items => array_of($b2), items => array_of($b1))],
        ['twice', ['/items'], '/id',
         map_of(items => array_of(map_of(id => str('b2'), id => str('b1')),
                                  map_of(id => str('b1'), id => str('b2')))),
         map_of(items => array_of(map_of(id => str('b2'), id => str('b1'))))],
        ['reserved', ['/items'], '/id',
         map_of(_recs => "\x01", _recs => array_of($b2), a => "\xc0",
                _recs => "\x02", items => array_of($b2), _recs => "\x03"),
         map_of(a => "\xc0", items => array_of())],
        ['only', ['/items', '/_recs2'], '/id',
         map_of(_recs => "\x01", items => array_of($b2), _recs2 =>
                array_of($b1, $b2), _recs => map_of(items => "\x01")),
         map_of(items => array_of(), _recs2 => array_of($b1))],
    );
}


# [name, [an id, whether it is in stock]...]

sub ids {
    my $five = sub { return ["$_[0]\x05", 1] };

    return (
        ['str', (map { [$_->('b1'), 1], [$_->('b2'), 0] }
                 \&str, \&str8, \&str16, \&str32), [str(''), 0]],
        ['bin', (map { [$_->('b1'), 1], [$_->('b2'), 0] }
                 \&bin, \&bin16, \&bin32), [bin($odd), 1], [bin(''), 0],
                [str($odd), 1], [bin("\0\xff\r"), 0]],
        ['text', [str("\xc3\xa9"), 1], [bin("\xc3\xa9"), 1], [str('5'), 1],
                 [bin('-1'), 1], [str('05'), 0], [str($big), 1],
                 [str('5.0'), 0]],
        ['positive', ["\x05", 1], ["\x06", 0], ["\xcc\x05", 1],
            ["\xcd\0\x05", 1], ["\xce" . pack('N', 5), 1],
            ["\xcf" . pack('Q>', 5), 1], ["\xcf" . pack('Q>', 6), 0],
            ["\xd0\x05", 1], ["\xd1\0\x05", 1], ["\xd2" . pack('N', 5), 1],
            ["\xd3" . pack('q>', 5), 1], ["\xcf" . "\xff" x 8, 1],
            ["\xcf" . "\xff" x 7 . "\xfe", 0], ["\xcc\xff", 0]],
        ['negative', ["\xff", 1], ["\xfe", 0], ["\xd0\xff", 1],
            ["\xd1\xff\xff", 1], ["\xd2" . "\xff" x 4, 1],
            ["\xd3" . "\xff" x 8, 1], ["\xd3\x80" . "\0" x 7, 1],
            ["\xd3\x80" . "\0" x 6 . "\1", 0], ["\xd3\x7f" . "\xff" x 7, 0]],
        ['none', map { [$_, 1] } "\xc0", "\xc2", "\xc3", float64(5),
            "\xca" . pack('f>', 5), ext(1, 'b2'), "\xd6\xff\0\0\0\5",
            array_of(str('b2')), map_of(key => str('b2')), "\x80",
            "\x81" . bin('id') . str('b2')],
    );
}


# A page of so many members, the shelf the first; with _recs as the second.

sub root_of {
    my ($n, $reserved) = @_;

    my $members = members_of($reserved ? $n - 1 : $n);
    my $first = length str('items') . array_of(str('b1'));
    substr $members, $first, 0, str('_recs') . array_of("\xc0") if $reserved;

    return map_header($n) . $members;
}


sub members_of {
    my ($n) = @_;

    return str('items') . array_of(str('b1'))
           . join '', map { str("k$_") . "\x01" } 2 .. $n;
}


# Is the body just this, and a last member that is ours?

sub tagged {
    my ($body, $want, $name) = @_;

    my $rest = substr $body, length $want;

    ok substr($body, 0, length $want) eq $want, $name
        or diag(hex_of(substr $body, 0, 40));
    is substr($rest, 0, 6), "\xa5_recs", 'and ours is the last';
    is eval { Data::MessagePack->unpack(substr $rest, 6)->{state} },
        'filtered', 'which can be read';
}


sub vectors {
    my $suite = JSON::PP::decode_json(
        join "\n", $t->data('msgpack/msgpack-test-suite.json'));

    return map { pack 'H*', tr/-//dr }
           map { @{ $_->{msgpack} } } map { @$_ } @$suite{ sort keys %$suite };
}


# A vector as a member's value and its name, in an item, and as an item.

sub beside {
    my ($vector, @last) = @_;

    return map_header(3) . str('v') . $vector . $vector . "\x01" . str('items')
           . array_of(map_of(id => str('b1'), v => $vector), $vector,
                      map_of(v => array_of($vector), id => str('b3')), @last);
}


sub random {
    my @pages;

    for my $shape (Recs::RandomPage->shapes) {
        for my $seed (1 .. 15) {
            my $random = Recs::RandomPage->new(seed => $seed);
            push @pages, { shape => $shape, %{ $random->page($shape) } };
        }
    }

    return @pages;
}


# The same in MessagePack, by the least headers.  An integer of more than 64
# bits becomes a str: as an id it is the same.

sub from_json {
    my ($json) = @_;

    return from_node(parse($json));
}


sub from_node {
    my ($node) = @_;

    my $type = $node->{type};

    return map_header(scalar @{ $node->{members} })
           . join '', map { str($_->[0]) . from_node($_->[1]) }
                      @{ $node->{members} } if $type eq 'object';
    return array_of(map { from_node($_) } @{ $node->{elements} })
        if $type eq 'array';
    return str(decode_text($node->{text})) if $type eq 'string';
    return from_digits($node->{text}) if $type eq 'integer';
    return float64($node->{text}) if $type eq 'number';
    return { null => "\xc0", false => "\xc2", true => "\xc3" }->{$type};
}


sub from_digits {
    my ($digits) = @_;

    $digits = '0' if $digits eq '-0';
    my $negative = $digits =~ /^-/;

    return str($digits) if length $digits > 18;
    return "\xd3" . pack 'q>', $digits if $negative;
    return "\xcf" . pack 'Q>', $digits;
}


# It is what the upstream says, with a tag.

sub passed {
    my ($path, $tag) = @_;

    my $c = $client //= $t->http;
    my $r = $c->get($path);
    my $original = $c->get("/off/" . $path =~ s{.*/}{}r);

    is $r->header('Recs-Filter'), $tag, "$path: tag";
    ok $r->complete && $r->body eq $original->body, 'the same bytes'
        or diag(hex_of(substr $r->body, 0, 100));
    is $r->header($_), $original->header($_), "and $_"
        for 'Content-Type', 'Content-Length', 'ETag', 'Last-Modified';
}
