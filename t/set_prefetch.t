use strict;
use warnings;

# With prefetch= the whole set is asked for while the upstream makes the page,
# and says what asking about each id would have said.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;
my $all = join ' ', map { "b$_" } 1 .. 6;

# An upstream answers when a file is there, if the request names one.

my $api = $t->upstream(sub {
    my ($req) = @_;
    my $args = $req->{args};
    my $go = $args->{go};

    $t->write("came-$go", '') if $go;
    wait_until(sub { -e $t->dir . "/go-$go" }, 30) if $go;

    return { status => $args->{status} } if $args->{status};
    return { type => 'text/plain', body => 'text' } if $args->{text};
    return { headers => ['X-User' => $args->{of} // ''],
             body => $args->{page} // page(split / /, $all) };
});

# What a Redis does, by the key and the command.  "held" waits for a file.

my $fake = $t->fake_redis(sub {
    my ($cmd, $stream) = @_;

    return "+PONG\r\n" if $cmd->[0] eq 'PING';

    my ($name, $key) = @$cmd;
    my $n = @$cmd - 2;
    my $b1 = "*$n\r\n:1\r\n" . ":0\r\n" x ($n - 1);

    return $b1 if $name eq 'SMISMEMBER';
        if ($key =~ /^held/) {
        wait_until(sub { -e $t->dir . "/go-$key" }, 30);
    }

    return "*1\r\n\$2\r\nb2\r\n" if $key =~ /few/;
    return "*4\r\n" . "\$2\r\nb2\r\n" x 4 if $key =~ /many/;
    return "-NOPERM no\r\n" if $key =~ /refused/;
    return ":1\r\n" if $key =~ /alien/;
    return "*2\r\n\$2\r\nb2\r\n:1\r\n" if $key =~ /mixed/;
    return "*3\r\n\$2\r\nb2\r\n\$2\r\nb3\r\n\$2\r\nb2\r\n" if $key =~ /odd/;

    if ($key =~ /dies/) {
        $stream->write("*2\r\n\$2\r\nb2\r\n\$2\r");
        $stream->reset;
        return;
    }

    die "@$cmd";
});

# Each kind of set twice: as a whole if it has up to three, and by id.

my %sets = (
    plain    => 'key=plain',
    zset     => 'key=scores type=zset',
    zset_min => 'key=scores type=zset min=0.1',
    recent   => 'key=times type=zset within=100s',
    hash     => 'key=shares type=hash',
    hash_min => 'key=shares type=hash min=0.9',
);

my $http = join '', map { <<"SET" } sort keys %sets;
recs_set $_ redis=main $sets{$_} absent=empty;
recs_set whole_$_ redis=main $sets{$_} absent=empty prefetch=3;
SET

# One that is frozen for a while keeps its connections.

$http .= <<'HTTP';
recs_redis main { server %%REDIS%%; timeout 60s; }
recs_redis fake { server %%FAKE%%; timeout 60s; }
recs_redis two { server %%FAKE%%; connections 2; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }

recs_set seen redis=main key=seen:$recs_user prefetch=3;
recs_set stock redis=main key=stock prefetch=100;
recs_set later redis=main key=seen:$upstream_http_x_user prefetch=3;
recs_set faked redis=fake key=$arg_key prefetch=3;
recs_set faked_hash redis=fake key=$arg_key type=hash min=1 prefetch=3;
recs_set second redis=two key=$arg_key prefetch=3;
recs_set gone redis=gone key=any prefetch=3;
recs_snapshots home redis=main prefix=home poll=100ms;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;

proxy_cache_path %%NGINX_DIR%%/tmp/pages keys_zone=pages:1m;
large_client_header_buffers 4 64k;

recs on;
recs_user $arg_u;
recs_lookup_timeout 10s;

server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    recs_exclude seen;
    default_type application/json;

    location / { proxy_pass http://%%API%%; }
    location /unbuffered { proxy_buffering off; proxy_pass http://%%API%%; }

    location /cached {
        proxy_cache pages;
        proxy_cache_key $uri;
        proxy_cache_valid 200 1h;
        proxy_pass http://%%API%%;
    }

    location /files/ { alias %%TESTDIR%%/www/; }
    location /shadow { recs shadow; proxy_pass http://%%API%%; }
    location /tagged { recs_tag body; proxy_pass http://%%API%%; }
    location /two { recs_exclude stock seen; proxy_pass http://%%API%%; }
    location /later { recs_exclude later; proxy_pass http://%%API%%; }
    location /faked { recs_exclude faked; proxy_pass http://%%API%%; }
    location /faked_hash { recs_exclude faked_hash; proxy_pass http://%%API%%; }
    location /second { recs_exclude second; proxy_pass http://%%API%%; }
    location /beside { recs_exclude gone faked plain; %%TO%% }
    location /gone { recs_exclude gone; proxy_pass http://%%API%%; }

    location /hasty {
        recs_exclude faked;
        recs_lookup_timeout 50ms;
        proxy_pass http://%%API%%;
    }

    location /tried { try_files /nothing @api; root %%TESTDIR%%/www; }
    location @api { proxy_pass http://%%API%%; }

    location /tried_cached {
        try_files /nothing @cached;
        root %%TESTDIR%%/www;
    }

    location @cached {
        proxy_cache pages;
        proxy_cache_key $uri;
        proxy_cache_valid 200 1h;
        proxy_pass http://%%API%%;
    }

    location /error {
        proxy_intercept_errors on;
        error_page 404 = /other?u=u1;
        proxy_pass http://%%API%%;
    }

    location /ssi {
        ssi on;
        ssi_types text/plain;
        default_type text/plain;
        alias %%TESTDIR%%/www/ssi;
    }

    location /more {
        recs_backfill fresh min=6;
        proxy_pass http://%%API%%;
    }

    location /home { recs_pass home; }
    location /status { recs off; recs_status; }
HTTP

for my $set (sort keys %sets) {
    $http .= "location /id/$set { recs_require $set; %%TO%% }\n"
           . "location /whole/$set { recs_require whole_$set; %%TO%% }\n"
           . "location /not/$set { recs_exclude whole_$set; %%TO%% }\n";
}

$t->set(TO => 'proxy_pass http://%%API%%;');
$t->write('pool.ndjson', join '', map { qq({"id":"b$_"}\n) } 5 .. 12);
$t->write('www/page.json', page(split / /, $all));
$t->write('www/ssi', join ' ', map { "<!--# include virtual=\"$_\" -->" }
                     '/one?u=u1', '/two?u=u1', '/three?u=u1', '/four?u=u2');
chmod 0644, map { $t->dir . "/www/$_" } qw(page.json ssi);

$redis->cmd('SADD', 'seen:u1', 'b1', 'b3');
$redis->cmd('SADD', 'seen:u2', 'b2');
$redis->cmd('SADD', 'seen:u3', 'b1', 'b2', 'b3');
$redis->cmd('SADD', 'seen:many', map { "b$_" } 3 .. 9);
$redis->cmd('SADD', 'stock', 'b6');

my $nginx = $t->nginx(http => "$http}\n", workers => 1, reloads => 0,
                      access_log => q('$request_uri $status $recs_state'));


sub page { return '{"items":[' . join(',', map { qq({"id":"$_"}) } @_) . ']}' }

sub ids {
    my ($r) = @_;

    return join ' ', map { $_->{id} } @{ $r->json->{items} };
}

sub status { return $t->get('/status')->json->{sets}{ $_[0] } }

# The commands that came at Redis for a request, without those of the leader.

sub asked {
    my ($code) = @_;

    return map { join ' ', /"([^"]*)"/g }
           grep { !/home|INFO|"PING"|"SCARD" "stock"/ } $redis->watch($code);
}


# How a set's counters changed.

sub change {
    my ($set, $code) = @_;

    my $before = status($set);
    $code->();
    my $after = status($set);

    return join ' ', map { $after->{"prefetch$_"} - $before->{"prefetch$_"} }
                     qw(es _used _over _late);
}


# Waits until the fake Redis is asked again.

sub back {
    my ($set) = @_;

    return wait_until(sub {
        $t->get("/$set?key=few")->header('Recs-Sets')
            eq "$set;prefetched;removed=1";
    });
}


sub fill {
    my ($n) = @_;

    $redis->cmd('DEL', qw(plain scores times shares));
    my $now = time;

    for my $i (1 .. $n) {
        $redis->cmd('SADD', 'plain', "b$i");
        $redis->cmd('ZADD', 'scores', $i == 2 ? 0.0999 : 0.1, "b$i");
        $redis->cmd('ZADD', 'times', $i == 2 ? $now - 5000 : $now - 9, "b$i");
        $redis->cmd('HSET', 'shares', "b$i", $i == 2 ? '0.89' : '9e-1');
    }
}


subtest 'each kind of set says the same as a whole' => sub {
    my %command = (
        plain => 'SRANDMEMBER plain 4',
        zset => 'ZRANGE scores -inf +inf BYSCORE LIMIT 0 4',
        zset_min => 'ZRANGE scores 0.10000000000000001 +inf BYSCORE LIMIT 0 4',
        recent => qr/^ZRANGE times \(\d{10}\.\d{3} \+inf BYSCORE LIMIT 0 4$/,
        hash => 'HRANDFIELD shares 4',
        hash_min => 'HRANDFIELD shares 4 WITHVALUES',
    );
    my %by_id = (plain => 'SMISMEMBER', hash => 'HMGET', hash_min => 'HMGET');

    for my $n (0 .. 5) {
        fill($n);

        for my $set (sort keys %sets) {
            my $of_score = $set =~ /zset_min|recent/ && $n > 1;
            my $over = $n - $of_score > 3;
            my ($r, $not);

            is(change("whole_$set", sub {
                my @seen = asked(sub { $r = $t->get("/whole/$set") });
                my $whole = shift @seen;
                ref $command{$set} ? like($whole, $command{$set}, "$set, $n")
                                   : is($whole, $command{$set}, "$set, $n");
                is(scalar @seen, $over ? 1 : 0, 'one command, or two');
                like($seen[0], qr/^\Q@{[ $by_id{$set} || 'ZMSCORE' ]}\E /,
                     'the usual one') if $over;
            }) =~ s/.$//r, $over ? '1 0 1 ' : '1 1 0 ', 'counted');

            my $by_id = $t->get("/id/$set");
            is($r->body, $by_id->body, 'the same ids');
            my $sets = $by_id->header('Recs-Sets');
            $sets =~ s/;/;prefetched;/ if !$over;
            is($r->header('Recs-Sets'), "whole_$sets", 'and tags');

            $not = $t->get("/not/$set");
            my %in = map { $_ => 1 } split / /, ids($r);
            is(ids($not), join(' ', grep { !$in{$_} } split / /, $all),
               'excluded, the others');
        }
    }
};


subtest 'any id' => sub {
    my @odd = ('', ' ', "a\0b", "\r\n", '*3', '$-1', 'x' x 300, "\xC3\xA9");

    for my $odd (@odd) {
        $redis->cmd('DEL', qw(plain shares scores));
        $redis->cmd('SADD', 'plain', $odd);
        $redis->cmd('HSET', 'shares', $odd, 1);
        $redis->cmd('ZADD', 'scores', 1, $odd);

        my $json = JSON::PP->new->allow_nonref->latin1->encode($odd);
        my $page = escape("{\"items\":[$json,\"b1\",\"b\"]}");

        is($t->get("/not/$_?page=$page")->body, '{"items":["b1","b"]}',
           "$json in $_") for 'plain', 'hash', 'hash_min', 'zset_min';
    }
};


subtest 'asked while the upstream makes the page' => sub {
    for my $path ('/', '/unbuffered', '/shadow') {
        $redis->reset_calls;
        my $before = status('seen');
        my $go = $path =~ s{/}{x}gr;

        my $c = $t->http;
        $c->send('GET', "$path?u=u1&go=$go");
        ok wait_until(sub { $redis->calls('srandmember') == 1 }), "$path: sent";
        ok wait_until(sub { -e $t->dir . "/came-$go" }), 'beside the upstream';
        is status('seen')->{questions}, $before->{questions}, 'no page yet';
        $t->write("go-$go", '');

        my $r = $c->response;
        is ids($r), $path eq '/shadow' ? $all : 'b2 b4 b5 b6', 'the page';
        like $r->header('Recs-Sets'), qr/^seen;prefetched;removed=2$/,
            'by the whole set';
        is $redis->calls('smismember'), 0, 'nothing else was asked';
        is status('seen')->{questions}, $before->{questions} + 1,
            'one question';
    }

    is_deeply $t->get('/tagged?u=u1')->json->{_recs}{sets},
        { seen => { prefetched => JSON::PP::true, removed => 2 } },
        'the body says so, too';
};


subtest 'a page that is there at once asks about its ids' => sub {
    for my $path ('/cached', '/tried_cached', '/files/page.json') {
        $t->get("$path?u=u1");
        my $r;
        is(change('seen', sub {
            is_deeply([asked(sub { $r = $t->get("$path?u=u3") })],
                      ["SMISMEMBER seen:u3 $all"], "$path: one command");
        }), '0 0 0 0', 'nothing is prefetched');
        is(ids($r), 'b4 b5 b6', 'the page');
        is($r->header('Recs-Sets'), 'seen;removed=3', 'by its ids');
    }
};


subtest 'several sets' => sub {
    my $r;
    my @seen = asked(sub { $r = $t->get('/two?u=u2') });

    is_deeply([sort @seen], ['SRANDMEMBER seen:u2 4', 'SRANDMEMBER stock 101'],
              'each is asked for');
    is(ids($r), 'b1 b3 b4 b5', 'the page');
    is($r->header('Recs-Sets'),
       'stock;prefetched;removed=1, seen;prefetched;removed=1', 'tags');

    @seen = asked(sub { $r = $t->get('/two?u=many') });
    is(ids($r), 'b1 b2', 'one of them has too many');
    is($r->header('Recs-Sets'),
       'stock;prefetched;removed=1, seen;removed=3', 'tags');
    is(scalar @seen, 3, 'three commands');
};


subtest 'a key that is not known yet, or not whole' => sub {
    my $r;
    is_deeply([asked(sub { $r = $t->get('/later?of=u1') })],
              ["SMISMEMBER seen:u1 $all"], 'known with the page');
    is(ids($r), 'b2 b4 b5 b6', 'and used');

    is_deeply([asked(sub { $r = $t->get('/') })], [], 'without a user');
    is($r->header('Recs-Sets'), 'seen;skipped', 'it is skipped');
};


subtest 'what is put in is judged by the same' => sub {
    my $r;
    $redis->cmd('SADD', 'seen:put', 'b1', 'b7', 'b9');
    my @seen = asked(sub { $r = $t->get('/more?u=put') });
    is_deeply(\@seen, ['SRANDMEMBER seen:put 4'], 'one command');
    is(ids($r), 'b2 b3 b4 b5 b6 b8', 'backfilled');
};


subtest 'responses that are no pages' => sub {
    is_deeply([asked(sub { $t->request('HEAD', '/?u=u1') })], [],
              'HEAD: nothing is asked');

    is(change('seen', sub {
        is($t->get('/?u=u1&status=404')->status, 404, 'an error');
        is($t->get('/?u=u1&text=1')->body, 'text', 'another type');
        is($t->get('/?u=u1&status=304')->status, 304, 'not modified');
    }), '3 0 0 0', 'are asked for in vain');

    my $r;
    my @seen = asked(sub { $r = $t->get('/tried?u=u1') });
    is_deeply(\@seen, ['SRANDMEMBER seen:u1 4'], 'an internal redirect: once');
    is(ids($r), 'b2 b4 b5 b6', 'and used');

    @seen = asked(sub { $r = $t->get('/error?u=u1&status=404') });
    is_deeply(\@seen, ['SRANDMEMBER seen:u1 4'], 'an error page: once');
    is(ids($r), 'b2 b4 b5 b6', 'and used, too');
};


subtest 'subrequests' => sub {
    my $r;
    my @seen = asked(sub { $r = $t->get('/ssi') });

    is_deeply([sort @seen], ['SRANDMEMBER seen:u1 4', 'SRANDMEMBER seen:u2 4',
                             'SRANDMEMBER stock 101'],
              'each set and key is asked for once');
    is($r->body, join(' ', map { page(split / /) }
                      'b2 b4 b5 b6', 'b2 b4 b5', 'b2 b4 b5 b6',
                      'b1 b3 b4 b5 b6'), 'and used by all');
};


subtest 'a page from a snapshot' => sub {
    $redis->cmd('SET', 'home:v1:u:u1', page(qw(b1 b2 b3)));
    $redis->cmd('SET', 'home:v1:u:_default', page(qw(b1 b9)));
    $redis->cmd('HSET', '{home}:v1:meta', model => 'm', schema => 1,
                features => 1, generated_at => time, expected => 1,
                written => 1, state => 'complete');
    $redis->cmd('SET', '{home}:channel:active', 'v1');
    ok wait_until(sub { $t->get('/home?u=u1')->status == 200 }), 'adopted';

    my $r;
    my @seen = map { join ' ', (/"([^"]*)"/g)[0, 1] }
               grep { /u:|seen/ }
               $redis->watch(sub { $r = $t->get('/home?u=u1') });
    is_deeply(\@seen, ['SRANDMEMBER seen:u1', 'GET home:v1:u:u1'],
              'both are asked, the set first');
    is(ids($r), 'b2', 'the page');
    is($r->header('Recs-Sets'), 'seen;prefetched;removed=2', 'tags');

    # Of another server the row may come first.
    my $late = (() = $redis->masters) > 1 ? '[01]' : '0';
    like(change('seen', sub { $r = $t->get('/home?u=u2') }),
         qr/^1 1 0 $late$/, 'a default page');
    is(ids($r), 'b1 b9', 'too');
};


subtest 'a reply that is late' => sub {
    for my $row (['held-few', '1 1 0 1', 'b1 b3 b4 b5 b6', ';prefetched', 0],
                 ['held-many', '1 0 1 1', 'b2 b3 b4 b5 b6', '', 1],
                 ['held-refused', '1 0 0 1', 'b2 b3 b4 b5 b6', '', 1])
    {
        my ($key, $counts, $ids, $tag, $again) = @$row;
        my $r;
        my $asked = () = grep { $_->[0] eq 'SMISMEMBER' } $fake->commands;

        is(change('faked', sub {
            my $before = status('faked')->{prefetch_late};
            my $c = $t->http;
            $c->send('GET', "/faked?key=$key");
            ok wait_until(sub { status('faked')->{prefetch_late} > $before }),
                "$key: the page is there";
            $t->write("go-$key", '');
            $r = $c->response;
        }), $counts, 'is waited for');
        is(ids($r), $ids, 'the page');
        is($r->header('Recs-Sets'), "faked$tag;removed=1", 'tags');
        my $now = () = grep { $_->[0] eq 'SMISMEMBER' } $fake->commands;
        is($now - $asked, $again, $again ? 'ids are asked about then'
                                         : 'nothing more is asked');
        unlink $t->dir . "/go-$key";
    }

    $nginx->wait_log(qr/recs_set "faked".*"\$arg_key": NOPERM no/)
        or fail('a refusal is logged');

    fill(0);
    my $late = status('faked')->{prefetch_late};
    my $c = $t->http;
    $c->send('GET', '/beside?key=held-few6');
    ok wait_until(sub { status('faked')->{prefetch_late} > $late }),
        'beside a set asked about ids';
    $t->write('go-held-few6', '');
    is($c->response->header('Recs-Sets'), 'gone;unknown;why=down, '
       . 'faked;prefetched;removed=1, plain;removed=0', 'each is answered');
    ok(!(grep { "@$_" =~ /^SMISMEMBER held-few6/ } $fake->commands),
       'nothing more is asked of what is waited for');

    my $r = $t->get('/hasty?key=held-few2');
    is(ids($r), $all, 'the deadline is the usual one');
    is($r->header('Recs-Sets'), 'faked;unknown;why=timeout', 'unknown');
    like($r->header('Recs-Filter'), qr/^degraded/, 'degraded');
    $t->write('go-held-few2', '');
    is(ids($t->get('/faked?key=few')), 'b1 b3 b4 b5 b6', 'the next is well');
};


subtest 'subrequests that wait for the same reply' => sub {
    $t->write('www/ssi', join ' ', map {
        "<!--# include virtual=\"/faked?key=held-few3&n=$_\" -->" } 1 .. 3);

    for my $end ('answer', 'leave') {
        my $late = status('faked')->{prefetch_late};
        unlink $t->dir . '/go-held-few3';
        my $c = $t->http;
        $c->send('GET', '/ssi');
        ok wait_until(sub { status('faked')->{prefetch_late} == $late + 3 }),
            'all wait';

        if ($end eq 'leave') {
            my $left = () = grep { /ssi 499/ } $nginx->access_log;
            $c->close;
            ok wait_until(sub {
                $left < (() = grep { /ssi 499/ } $nginx->access_log);
            }), 'the client leaves';
        }

        $t->write('go-held-few3', '');

        if ($end eq 'answer') {
            my @pages = (page(map { "b$_" } 1, 3 .. 6)) x 3;
            is($c->response->body, "@pages", 'all are answered');
        }

        is(ids($t->get('/faked?key=few')), 'b1 b3 b4 b5 b6', 'all is well');
    }
};


subtest 'the client leaves, at any moment' => sub {
    for my $n (1 .. 6) {
        my $c = $n % 2 ? $t->http : $t->http2(port => 'H2');
        my $before = status('faked');
        my $go = $n > 2 ? "left$n" : '';
        unlink $t->dir . "/go-held-few4";

        my $stream = $c->send('GET', '/faked?key=held-few4'
                                     . ($go ? "&go=$go" : ''));
        ok wait_until(sub {
            my $now = status('faked');
            $now->{prefetches} > $before->{prefetches}
                && ($go || $now->{prefetch_late} > $before->{prefetch_late});
        }), $go ? 'before the page' : 'after it';

        $t->write('go-held-few4', '') if $n > 4;
        $n % 3 ? $c->close : $c->reset;
        ok wait_until(sub { $nginx->clients <= 1 }), 'it is gone';
        $t->write('go-held-few4', '');
        $t->write("go-$go", '') if $go;

        is(ids($t->get('/faked?key=few')), 'b1 b3 b4 b5 b6', 'all is well');
    }
};


subtest 'Redis dies, or says what it should not' => sub {
    for my $path ('/faked', '/second') {
        for my $key ('dies', 'alien', 'mixed') {
            my $r = $t->get("$path?key=$key-$path");
            my $sets = $r->header('Recs-Sets') // '';
            my $set = substr $path, 1;
            my $known = $sets eq "$set;removed=1";

            ok($known || $sets eq "$set;unknown;why=down",
               "$path, $key: $sets");
            is(ids($r), $known ? 'b2 b3 b4 b5 b6' : $all,
               'what came is not used');
            ok(back($set), 'and it comes back');
        }
    }

    my $r;
    ok(wait_until(sub {
        $r = $t->get('/faked_hash?key=odd');
        $r->header('Recs-Sets') =~ /unknown/;
    }), 'a field without a value');
    ok(back('faked'), 'is no reply to that');

    is(change('gone', sub { $r = $t->get('/gone') }), '0 0 0 0', 'away');
    is($r->header('Recs-Sets'), 'gone;unknown;why=down', 'unknown');

    my @seen = asked(sub {
        $redis->cmd('SET', 'seen:typed', 'a string');
        $r = $t->get('/?u=typed');
    });
    is($r->header('Recs-Sets'), 'seen;unknown;why=error', 'a wrong type');
    is_deeply([grep { !/^SET / } @seen],
        ['SRANDMEMBER seen:typed 4', "SMISMEMBER seen:typed $all"],
        'is told by asking about ids');
    is($t->get('/?u=typed')->header('Recs-Sets'), 'seen;unknown;why=error',
       'each time');
    is($nginx->logged(qr/recs_set "seen".*WRONGTYPE/), 1,
       'one line in the log');
};


subtest 'replies that are too large' => sub {
    my @long = map { $_ x 66000 } 'x', 'y';
    $redis->cmd('SADD', 'seen:long', 'b1', @long);
    my $r;

    is(change('seen', sub { $r = $t->get('/?u=long') }) =~ s/.$//r, '1 0 1 ',
       'a long member is one too many');
    is($r->header('Recs-Sets'), 'seen;removed=1', 'its ids are asked about');

    $redis->cmd('SADD', 'stock', map { sprintf '%060000d', $_ } 1 .. 30);
    is(change('stock', sub { $r = $t->get('/two?u=u1') }) =~ s/.$//r, '1 0 1 ',
       'more than 1 MB in all, too');
    is(ids($r), 'b2 b4 b5', 'the page');
    $redis->cmd('DEL', 'stock');
    $redis->cmd('SADD', 'stock', 'b6');
};


subtest 'a reload while it is under way' => sub {
    my @go = map { "reload$_" } 1, 2;
    my $before = status('faked');
    unlink $t->dir . '/go-held-few5';

    my ($page, $reply) = map { $t->http } 1, 2;
    $page->send('GET', "/?u=u1&go=$go[0]");
    $reply->send('GET', '/faked?key=held-few5');
    ok wait_until(sub {
        -e $t->dir . "/came-$go[0]"
            && status('faked')->{prefetch_late} > $before->{prefetch_late};
    }), 'two wait';

    ok $nginx->reload(wait => 0), 'a reload';
    is(ids($t->get('/?u=u3')), 'b4 b5 b6', 'the new worker');

    $t->write("go-$go[0]", '');
    $t->write('go-held-few5', '');
    is(ids($page->response), 'b2 b4 b5 b6', 'who waited for the page');
    is(ids($reply->response), 'b1 b3 b4 b5 b6', 'and who for Redis');
    ok wait_until(sub { !$nginx->old_workers }), 'the old one ends';
};


subtest 'Redis is frozen, killed, and comes back' => sub {
    my $late = status('seen')->{prefetch_late};
    $redis->freeze;
    my $r = $t->http;
    $r->send('GET', '/?u=u1');
    ok wait_until(sub { status('seen')->{prefetch_late} > $late }), 'waits';
    $redis->thaw;
    is(ids($r->response), 'b2 b4 b5 b6', 'frozen for a while');

    $redis->kill;
    for (1 .. 3) {
        my $r = $t->get('/?u=u1');
        is(ids($r), $all, 'killed');
        is($r->header('Recs-Sets'), 'seen;unknown;why=down', 'unknown');
    }

    $redis->start;
    $redis->cmd('SADD', 'seen:u1', 'b1', 'b3');
    ok wait_until(sub {
        $t->get('/?u=u1')->header('Recs-Sets') eq 'seen;prefetched;removed=2';
    }), 'it is back';
};


$t->done;
