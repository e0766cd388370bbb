use strict;
use warnings;

# The tools of the tests, with nginx alone: what they say must be so.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::RandomPage;
use Recs::Reference qw(filter difference decode_text);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);

my $page = '{"items":[{"id":"b1"},{"id":"b2"}]}';

my $api = $t->upstream(sub {
    my ($req) = @_;
    my $path = $req->{path};

    return $page if $path eq '/page';
    return { status => 404, body => 'no', type => 'text/plain' }
        if $path eq '/none';
    return { body => $page, headers => ['X-A' => 1, 'X-A' => 2] }
        if $path eq '/headers';
    return { framing => 'chunked', body => [split //, $page] }
        if $path eq '/chunked';
    return { framing => 'close', body => $page } if $path eq '/close';
    return { body => $page, piece => 5, delay => 0.001 } if $path eq '/pieces';
    return { body => 'x' x 100_000, cut => 50_000 } if $path eq '/cut';
    return { framing => 'chunked', body => ['x' x 1000, 'y'], cut => 1000 }
        if $path eq '/cut-chunked';
    return { body => 'x' x 9, cut => 5, reset => 1 } if $path eq '/reset';
    return { raw => "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nraw" }
        if $path eq '/raw';
    return { body => 'late', wait => 30 } if $path eq '/slow';
    return 'x' x $req->{args}{n} if $path eq '/size';
    return { body => "$req->{connection} $req->{number}" };
});

my $unix = $t->upstream('over a socket', name => 'local', unix => 1);
my $kept = $t->upstream(sub { "$_[0]{connection} $_[0]{number}" },
                        name => 'kept', keepalive => 1);

my $nginx = $t->nginx(workers => 2, access_log => q('$request_uri $status'),
                      http => <<'HTTP');

    upstream kept {
        server %%KEPT%%;
        keepalive 4;
    }

    server {
        listen %%LISTEN%%;
        location / { proxy_pass http://%%API%%; }
        location /static/ { root %%TESTDIR%%; }
        location /unbuffered/ {
            proxy_buffering off;
            proxy_pass http://%%API%%/;
        }
        location /local { proxy_pass http://%%LOCAL%%/; }
        location /kept {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://kept;
        }
        location /pid { return 200 $pid; }
    }

    server {
        listen %%LISTEN_H2%% http2;
        location / { proxy_pass http://%%API%%; }
    }
HTTP


subtest 'HTTP/1' => sub {
    my $r = $t->get('/page');
    is $r->status, 200, 'status';
    is $r->body, $page, 'body';
    is $r->header('content-type'), 'application/json', 'a header';
    is_deeply $r->json, { items => [{ id => 'b1' }, { id => 'b2' }] }, 'JSON';
    ok $r->complete, 'complete';
    is $t->get('/none')->status, 404, 'another status';

    $r = $t->get('/headers');
    is_deeply [$r->headers('x-a')], [1, 2], 'a header twice';
    is $r->header('X-A'), '1, 2', 'joined';

    for my $path ('/chunked', '/close', '/pieces', '/unbuffered/pieces') {
        $r = $t->get($path);
        is $r->body, $page, $path;
        ok $r->complete, "$path is complete";
    }

    is $t->get('/raw')->body, 'raw', 'raw';
    is $t->get('/local')->body, 'over a socket', 'over a unix socket';
    is length $t->get('/size?n=300000')->body, 300_000, 'a large body';

    for my $path ('/cut', '/unbuffered/cut-chunked', '/reset') {
        $r = $t->get($path);
        ok !$r->complete, "$path is not complete";
        ok length $r->error, "$path tells why";
    }
};


subtest 'one connection' => sub {
    my $c = $t->http;

    is $c->get('/page')->body, $page, 'first';
    is $c->request('HEAD', '/page')->body, '', 'HEAD';
    is $c->get('/chunked')->body, $page, 'chunked';

    $c->send('GET', $_) for '/page', '/none', '/pid';
    is_deeply [map { $c->response->status } 1 .. 3], [200, 404, 200],
        'pipelined';

    $c->send('GET', '/size?n=3000000');
    my $r = $c->head;
    is $r->header('content-length'), 3_000_000, 'the header alone';
    is length $c->take(1000), 1000, 'some of the body';
    $c->reset;

    $c = $t->http;
    $c->write("GET /page HTTP/1.0\r\n\r\n");
    is $c->response->body, $page, 'raw bytes';
    ok $c->at_end(10), 'nginx has closed';

    $r = $t->get('/page', 'If-None-Match' => '"x"', Range => 'bytes=0-3');
    my ($last) = reverse $api->requests;
    is $last->{headers}{'if-none-match'}, '"x"', 'fields are sent';

    $r = $t->request('POST', '/page', { body => 'abc' });
    ($last) = reverse $api->requests;
    is $last->{body}, 'abc', 'a body is sent';
    is $last->{method}, 'POST', 'with its method';
};


subtest 'a static file' => sub {
    $t->write('static/a.json', $page);
    chmod 0644, $t->dir . '/static/a.json';

    my $r = $t->get('/static/a.json');
    is $r->body, $page, 'body';

    my $again = $t->get('/static/a.json',
                        'If-None-Match' => $r->header('ETag'));
    is $again->status, 304, 'not modified';
    is $t->get('/static/a.json', Range => 'bytes=2-6')->body, 'items',
        'a range';
};


subtest 'what the upstream saw' => sub {
    $api->clear;
    $t->get("/any?user=u%201&x=a+b", 'X-B' => 'c');

    my ($req) = $api->requests(1);
    is $req->{path}, '/any', 'path';
    is_deeply $req->{args}, { user => 'u 1', x => 'a b' }, 'arguments';
    is $req->{headers}{'x-b'}, 'c', 'a header';

    my $before = $kept->connections;
    my %connection = map { $t->get('/kept')->body =~ /^(\d+)/ => 1 } 1 .. 20;
    cmp_ok scalar keys %connection, '<=', 2, 'connections are kept';
    is $kept->connections - $before, keys %connection, 'and counted';

    $api->stop;
    is $t->get('/page')->status, 502, 'stopped';
    $api->start;
    is $t->get('/page')->status, 200, 'started again, at the same port';
};


subtest 'HTTP/2' => sub {
    my $c = $t->http2(port => 'H2');

    my $r = $c->get('/page', 'X-A' => 'b');
    is $r->status, 200, 'status';
    is $r->body, $page, 'body';
    is $r->header('Content-Type'), 'application/json', 'a header';
    ok $r->complete, 'complete';

    my @streams = map { $c->send('GET', '/size?n=' . 5000 * $_) } 1 .. 20;
    is_deeply [map { length $c->response($_)->body } @streams],
              [map { 5000 * $_ } 1 .. 20], 'twenty streams at once';

    my $slow = $c->send('GET', '/slow');
    $c->reset_stream($slow);
    is $c->get('/page')->body, $page, 'after a reset';

    $r = $c->get('/cut');
    ok !$r->complete, 'cut';
    like $r->error, qr/reset: INTERNAL_ERROR/, 'by a reset';
    is $c->request('HEAD', '/page')->status, 200, 'HEAD';

    $r = $t->http2(port => 'H2', window => 1000)->get('/size?n=200000');
    is length $r->body, 200_000, 'a narrow window';
};


subtest 'a client that leaves' => sub {

    for my $how (qw(close reset)) {
        my $c = $t->http;
        $c->send('GET', '/slow');
        ok wait_until(sub { $nginx->sockets_to($api->port) }),
            'the upstream is being asked';
        $c->$how;
        ok wait_until(sub { !$nginx->sockets_to($api->port) }),
            "nginx has given up after $how";
    }

    # The third is the stream that was reset above.
    ok wait_until(sub {
        (grep { $_ eq '/slow 499' } $nginx->access_log) == 3
    }), 'and says so';
};


subtest 'workers' => sub {
    my @old = $nginx->workers;
    is scalar @old, 2, 'two';

    my $method = $ENV{EVENT} || 'epoll';
    like $nginx->error_log, qr/using the "$method" event method/, $method;

    my %pid = map { $t->get('/pid')->body => 1 } 1 .. 4;
    is scalar(grep { my $p = $_; !grep { $p == $_ } @old } keys %pid), 0,
        'those that answer';

    ok $nginx->reload, 'reload';
    my @new = $nginx->workers;
    is scalar @new, 2, 'two again';
    ok !(grep { my $p = $_; grep { $p == $_ } @old } @new), 'others';
    is $t->get('/page')->status, 200, 'they answer';

    # Those who were answered may not have been closed yet.
    ok wait_until(sub { !$nginx->clients }), 'no client is left';

    my $before = $nginx->sockets;
    my $c = $t->http;
    $c->get('/page');
    ok wait_until(sub { $nginx->sockets == $before + 1 }), 'one socket more';
    is $nginx->clients, 1, 'of a client';
    $c->close;
    ok wait_until(sub { $nginx->sockets == $before }), 'and less';
    is $nginx->clients, 0, 'which has gone';

    $t->expect_kills;
    is $nginx->signal_workers('KILL'), 2, 'killed';
    ok wait_until(sub {
        my @now = $nginx->workers;
        @now == 2 && !grep { my $p = $_; grep { $p == $_ } @new } @now;
    }), 'the master starts others';
    ok $nginx->wait_log(qr/exited on signal 9/), 'the log says so';
};


subtest 'a configuration is judged' => sub {
    my ($code, $said) = $t->nginx_test('server { listen %%LISTEN_X%%; }');
    is $code, 0, 'a good one';
    like $said, qr/test is successful/, 'message';

    ($code, $said) = $t->nginx_test("server {\n    listen nowhere:x;\n}\n");
    is $code, 1, 'a bad one';
    like $said, qr{invalid port.* in \S+/http\.conf:2$}m, 'file and line';
};


subtest 'nginx as a daemon' => sub {
    my $other = $t->nginx(name => 'daemon', daemon => 1, http =>
        'server { listen %%LISTEN_D%%; return 200 $pid; }');

    my ($worker) = $other->workers;
    is $t->request('GET', '/', { port => 'D' })->body, $worker, 'answers';
    ok $other->reload(http => 'server { listen %%LISTEN_D%%; return 200 b; }'),
        'reload with another configuration';
    is $t->request('GET', '/', { port => 'D' })->body, 'b', 'which holds';
    ok !$other->reload(http => 'nonsense;', timeout => 10),
        'one that is wrong is not taken';
    $t->expect_log(qr/unknown directive "nonsense"/);
    ok $other->quit, 'quits';
    ok !$other->running, 'and is gone';
};


subtest 'Redis' => sub {
    my $redis = $t->redis(tcp => 1, tcp6 => has_ipv6());

    is $redis->cmd('SADD', 'stock', map { "b$_" } 1 .. 10_000), 10_000,
        '10,000 ids';
    is_deeply $redis->cmd('SMISMEMBER', 'stock', 'b1', 'b0'), [1, 0],
        'an array';

    my $odd = join '', map { chr } 0 .. 255;
    $redis->cmd('SET', $odd, $odd);
    is $redis->cmd('GET', $odd), $odd, 'any bytes';
    is $redis->cmd('GET', 'none'), undef, 'nil';
    is_deeply [$redis->pipeline(map { ['ECHO', $_] } 1 .. 2500)],
              [1 .. 2500], 'a long pipeline';
    like $redis->refuse('SMISMEMBER', $odd, 'x'), qr/^WRONGTYPE/, 'an error';
    ok !eval { $redis->cmd('NONSENSE'); 1 }, 'dies of one';

    $redis->reset_calls;
    my @seen = $redis->watch(sub { $redis->cmd('SISMEMBER', 'stock', 'b7') });
    is scalar @seen, 1, 'watched';
    like $seen[0], qr/"SISMEMBER" "stock" "b7"/, 'the command';
    is $redis->calls('sismember'), 1, 'counted';
    is $redis->clients, 0, 'no other client';

    $redis->restart;
    is $redis->cmd('SCARD', 'stock'), 10_000, 'restarted with its data';

    $redis->freeze;
    my $c = Recs::Redis::Client->new(path => $redis->socket);
    $c->write("PING\r\n");
    ok !$c->fill(0.2), 'frozen';
    $redis->thaw;
    is $c->reply, 'PONG', 'thawed';
    $c->close;

    my ($host) = $redis->tcp_url =~ m{redis://127\.0\.0\.1:(\d+)};
    is $host, $redis->port, 'a URL';
    my $tcp = Recs::Redis::Client->new(port => $redis->port);
    is $tcp->cmd('PING'), 'PONG', 'over TCP';

    $redis->kill;
    ok $tcp->at_end(5), 'killed';
    ok !eval { $redis->connect }, 'nobody there';
    $redis->start;
    is $redis->cmd('EXISTS', 'stock'), 0, 'started empty';
    $redis->restart(empty => 1);
    is $redis->cmd('DBSIZE'), 0, 'and once more';

    my $closed = $t->redis(name => 'closed', requirepass => 'secret',
                           databases => 2);
    is $closed->cmd('SELECT', 1), 'OK', 'with a password';
    like $closed->refuse('SELECT', 2), qr/out of range/, 'databases';
    like +Recs::Redis::Client->new(path => $closed->socket)->refuse('PING'),
        qr/^NOAUTH/, 'without it';
};


subtest 'a Redis that is none' => sub {
    my $fake = $t->fake_redis(sub {
        my ($cmd, $stream) = @_;

        return ["+PO", \0.01, "NG\r\n"] if $cmd->[0] eq 'PING';
        return undef if $cmd->[0] eq 'GET';
        if ($cmd->[0] eq 'CUT') {
            $stream->write("*2\r\n:1\r");
            $stream->close;
        }
        return;
    });

    my $c = Recs::Redis::Client->new(path => $fake->socket);
    is $c->cmd('PING'), 'PONG', 'in pieces';
    $c->write(Recs::Redis::Client::encode('GET', "a\0b"));
    ok !$c->fill(0.1), 'no answer';
    $c->write(Recs::Redis::Client::encode('CUT'));
    is $c->rest(5), "*2\r\n:1\r", 'cut';
    is_deeply [$fake->commands(3)], [['PING'], ['GET', "a\0b"], ['CUT']],
        'what it was told';
    is $fake->connections, 1, 'over one connection';

    my $full = $t->fake_redis(undef, name => 'full', tcp => 1, hang_up => 1,
                              greeting => "-ERR full\r\n");
    is +Recs::Stream->new(port => $full->port)->rest(5), "-ERR full\r\n",
        'speaks first';
};


subtest 'the reference' => sub {
    my $text = <<'END';
{ "a": [1, {"items": [9]}], "items": [7],
  "items" : [ {"id":"b1", "s": 0.10}, {"id":"\u0062\u0031"} ,
   {"ad":true},{"id":"b1","id":"b2"},
   {"id":9007199254740993},  {"id":"9007199254740993","x":"]}"},
   "b1", 12, {"id":1.5}, {"id":"a\"\u0000\n\ud83d\udcda"} ], "z": "\ud800" }
END

    my $odd = "a\"\0\n\xF0\x9F\x93\x9A";
    my $want = filter($text);
    is_deeply $want->{ids},
        ['b1', 'b1', undef, 'b2', '9007199254740993', '9007199254740993',
         'b1', '12', undef, $odd], 'ids';
    is $want->{items}[0], '{"id":"b1", "s": 0.10}', 'bytes';
    is $want->{items}[5], '{"id":"9007199254740993","x":"]}"}',
        'bytes with brackets';
    is $want->{unidentified}, 2, 'without id';
    is difference($text, $want), undef, 'the same as itself';

    $want = filter($text, exclude => [seen => { b1 => 1 }],
                   require => [stock => { b1 => 1, $odd => 1, 12 => 1 }]);
    is_deeply $want->{ids}, [undef, '12', undef, $odd], 'filtered';
    is_deeply $want->{removed_by}, { seen => 3, stock => 3 }, 'reasons';

    $want = filter($text, distinct => 1, limit => 3);
    is_deeply $want->{ids}, ['b1', undef, 'b2'], 'distinct, limit';
    is_deeply $want->{removed_by}, { distinct => 3, limit => 4 }, 'reasons';

    my $rows = '{"rows":[{"items":["a"]},{"x":1},{"items":["a","b"]}]}';
    $want = filter($rows, items => ['/rows/*/items'], distinct => 1);
    is_deeply [map { $_->{ids} } @{ $want->{shelves} }], [['a'], ['b']],
        'shelves in rows';
    is $want->{outline}, '{"rows":[{"items":[]},{"x":1},{"items":[]}]}',
        'outline';
    my $right = '{"rows":[{"items":["a"]},{"x":1},{"items":[ "b" ]}]}';
    is difference($right, $want), undef, 'right';
    like difference($rows, $want), qr/shelf 1: item 0: "a", not "b"/, 'wrong';
    like difference('{"rows":[{"items":["a"]},{"x":2},{"items":["b"]}]}',
                    $want), qr/outline/, 'wrong around it';
    is difference('{"rows":[{"items":["a"]},{"x":1},{"items":["b"]}]'
                  . ',"_recs":{"n":1}}', $want), undef, 'with a tag';

    my $columns = '{"ids":["a","b"],"s":[1, 2],"t":[ 3,4]}';
    my @with = (items => ['/ids'], with => { '/ids' => ['/s', '?/t', '?/u'] });
    $want = filter($columns, @with, exclude => [x => { a => 1 }]);
    is_deeply $want->{shelves}[0]{with}, [['2'], ['4'], undef], 'companions';
    is $want->{outline}, '{"ids":[],"s":[],"t":[]}', 'not of the outline';
    is difference('{"ids":["b"],"s":[2],"t":[4]}', $want), undef, 'in step';
    like difference('{"ids":["b"],"s":[1],"t":[4]}', $want),
        qr/companion 0: 1, not 2/, 'not in step';
    like difference('{"ids":["b"],"s":[2,1],"t":[4]}', $want), qr/uneven/,
        'nor this';
    like difference('{"ids":["b"],"s":[2]}', $want), qr/none, not 4/, 'gone';
    like filter('{"ids":["a"],"s":[]}', @with)->{malformed}, qr/uneven/,
        'uneven';
    like filter('{"ids":["a"],"t":[1]}', @with)->{malformed}, qr{no /s}, 'none';
    like filter('{"r":[{"i":[1]},{"s":[1]}]}', items => ['/r/*/i'],
                with => { '/r/*/i' => ['/r/*/s'] })->{malformed}, qr{no /r},
        'of another element';

    is_deeply filter('["a",1]', items => [''])->{ids}, ['a', 1], 'the root';
    is_deeply filter('{"a/b":{"":[[{"k":3}]]}}', items => ['/a~1b/'],
                     id => '/0/k')->{ids}, [3], 'pointers';
    is_deeply filter('{"items":["a","b"]}', require => [x => 'drop'])->{ids},
        [], 'a set that is unknown: drop';
    is_deeply filter('{"items":["a","b"]}', require => [x => 'keep'])->{ids},
        ['a', 'b'], 'keep';

    for my $bad ('', '{', '{"items":[1,]}', '{"items":[01]}', '{"items":[]} x',
                 "{\"items\":[\"\\\xFF\"]}", "{\"items\":[\xFF]}",
                 "{\"items\":[\"a\nb\"]}", '{"items":["\x"]}', '{"item":[]}',
                 '{"items":{}}', '{"items":[],"items":1}', '[' x 513,
                 ('[' x 513) . (']' x 513), "\xEF\xBB{\"items\":[]}")
    {
        ok filter($bad)->{malformed}, 'malformed: ' . substr $bad, 0, 20;
    }

    for my $odd ("\xFF", "\xED\xA0\x80") {
        is_deeply filter("{\"items\":[\"$odd\"]}")->{ids}, [$odd],
            'bytes that are not UTF-8: ' . unpack 'H*', $odd;
    }

    is_deeply filter("\xEF\xBB\xBF{\"items\":[\"a\"]}")->{ids}, ['a'],
        'a byte order mark';

    is decode_text('\ud800x'), "\xED\xA0\x80x", 'a lone surrogate';
};


subtest 'random pages' => sub {
    my ($pages, $removed, $wrong) = (0, 0, 0);

    for my $seed (1 .. 30) {
        my $random = Recs::RandomPage->new(seed => $seed);

        for my $shape ($random->shapes) {
            my $made = $random->page($shape);
            my %stock = $random->subset(0.5, @{ $made->{ids} });
            my @how = %$shape;
            my $want = filter($made->{bytes}, @how,
                              require => [stock => \%stock]);

            $pages++;
            $removed += $want->{removed} // 0;
            $wrong++ if $want->{malformed}
                     || difference($made->{bytes},
                                   filter($made->{bytes}, @how));
        }
    }

    is $wrong, 0, 'are well formed';
    cmp_ok $removed, '>', $pages, 'and are filtered';

    my ($shape) = Recs::RandomPage->shapes;
    is +Recs::RandomPage->new(seed => 5)->page($shape)->{bytes},
       Recs::RandomPage->new(seed => 5)->page($shape)->{bytes},
       'the same for the same seed';
};


subtest 'the data' => sub {
    is scalar $t->data('recs.ndjson'), 300, 'pages';
    is scalar $t->data('in_stock.txt'), 9217, 'ids in stock';

    my ($first) = $t->data('recs.ndjson');
    is scalar @{ filter($first)->{ids} }, 50, 'items of the first';
};

$t->done;
