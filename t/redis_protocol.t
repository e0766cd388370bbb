use strict;
use warnings;

# "protocol 3": what is asked in RESP3 is answered as in RESP2, by real servers
# and whatever a feature asks for; a server that does not know HELLO is spoken
# to in RESP2; and what RESP3 has no place for drops the connection once, as
# ever.  A module whose hiredis is older than 1.0 refuses the line.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;
my $dir = $t->dir;

# hiredis can, if its reader has this to say.
my $binary = $ENV{RECS_MODULE} // $t->root . '/build/ngx_http_recs_module.so';
$binary = $ENV{RECS_NGINX} if $binary eq '';
my $able = slurp($binary) =~ /Bad bool value/;

my ($code, $said) = $t->nginx_test(
    "recs_zone 1m;\nrecs_redis r { server unix:/a; protocol 3; }\n");

if (!$able) {
    is $code, 1, 'protocol 3 is refused';
    like $said, qr{"protocol" in recs_redis can't be 3, this module was built },
        'which says why';
    like $said, qr{ with a hiredis older than 1\.0 in \S+/http\.conf:2$}m,
        'and where';
    $t->done;
    exit;
}

is $code, 0, 'protocol 3 is taken' or diag $said;


# What a fake Redis answers to one question about b1, b2 and b3, of which b2 is
# in the set, or has 55; and what it says that no Redis does.

my $set = "*3\r\n:0\r\n:1\r\n:0\r\n";
my $hash = "*3\r\n_\r\n\$2\r\n55\r\n_\r\n";
my $hello = "%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n";
my $push = ">2\r\n+invalidate\r\n*1\r\n\$3\r\nkey\r\n";

my %right = (
    plain => $set,
    pushed => $push . $set,
    pushed_twice => $push x 2 . $set,
    pushed_in_pieces => [map { ($_, \0.002) } split //, $push . $set],
    pushed_behind => [$set . $push],
    pushed_later => [$set, \0.05, split //, $push],
    pushed_error => ">2\r\n+a\r\n-LOADING what\r\n" . $set,
    pushed_nothing => ">0\r\n" . $set,
    pushed_all_types => ">7\r\n:1\r\n,1.5\r\n_\r\n=5\r\ntxt:a\r\n"
                      . "%1\r\n+a\r\n+b\r\n~1\r\n+a\r\n\$-1\r\n" . $set,
    pushed_large => [">1\r\n\$20000000\r\n", ('x' x 1_000_000) x 20,
                     "\r\n" . $set],
);

my %right_hash = (
    null => $hash,
    null_of_resp2 => "*3\r\n\$-1\r\n\$2\r\n55\r\n\$-1\r\n",
    double => "*3\r\n,1.5\r\n,55\r\n,-inf\r\n",
    infinite => "*3\r\n,-1e3\r\n,inf\r\n_\r\n",
    no_number => "*3\r\n,nan\r\n,5.5e1\r\n_\r\n",
    verbatim => "*3\r\n_\r\n=6\r\ntxt:55\r\n=7\r\ntxt:0.5\r\n",
    in_pieces => [map { ($_, \0.002) } split //,
                  "*3\r\n_\r\n=6\r\ntxt:55\r\n,1\r\n"],
);

my %unfit = (
    map => "%1\r\n+a\r\n+b\r\n", bool => "*3\r\n#f\r\n#t\r\n#f\r\n",
    big => "*3\r\n:0\r\n(1\r\n:0\r\n", double => "*3\r\n,0\r\n,1\r\n,0\r\n",
    null => "_\r\n", a_null => "*3\r\n:0\r\n:1\r\n_\r\n",
    bad_null => "_x\r\n", bad_bool => "#x\r\n", bad_double => ",1.5.5\r\n",
    long_double => ',' . '1' x 400 . "\r\n", null_map => "%-1\r\n",
    null_push => ">-1\r\n", null_set => "~-1\r\n",
    attribute => "|1\r\n+a\r\n+b\r\n" . $set,
    streamed => "*?\r\n:0\r\n:1\r\n:0\r\n.\r\n",
    streamed_bulk => "\$?\r\n;4\r\nsome\r\n;0\r\n",
    push_inside => "*3\r\n:0\r\n>1\r\n:1\r\n:0\r\n",
    short_verbatim => "=2\r\nab\r\n", odd_verbatim => "=5\r\nabcde\r\n",
    many => ">1000000000\r\n", many_pairs => "%600000\r\n",
    deep => ">1\r\n" . "*1\r\n" x 12, deep_map => "%1\r\n" x 12,
    line => '>' . '1' x 100_000, error_of_none => "!3\r\nERR\r\n",
    twice => $set . $set, pushed_and_more => $set . $push . ":1\r\n",
);

# What HELLO is answered with: which protocol that is, or that it is none.
my %hello = (
    unknown => ["-ERR unknown command `HELLO`, with args\r\n", 2],
    no_proto => ["-NOPROTO unsupported protocol version\r\n", 2],
    denied => ["-NOPERM this user has no permissions\r\n", 2],
    array => ["*4\r\n+server\r\n+redis\r\n+proto\r\n:2\r\n", 2],
    map => [$hello, 3],
    empty_map => ["%0\r\n", 3],
    nested_map => ["%1\r\n+modules\r\n*1\r\n%1\r\n+name\r\n+x\r\n", 3],
    status => ["+OK\r\n", 0], nil => ["\$-1\r\n", 0], integer => [":3\r\n", 0],
    null => ["_\r\n", 0], set => ["~1\r\n+a\r\n", 0], push => [$push, 0],
    loading => ["-LOADING Redis is loading\r\n", 0],
    noauth => ["-NOAUTH HELLO must be called\r\n", 0],
);

my %case;
$case{"right_$_"} = { first => $right{$_}, lost => 0 } for keys %right;
$case{"hash_$_"} = { first => $right_hash{$_}, lost => 0, type => 'hash' }
    for keys %right_hash;
$case{"unfit_$_"} = { first => $unfit{$_}, lost => 1 } for keys %unfit;
$case{"hello_$_"} = { hello => $hello{$_}[0], first => $set,
                      lost => !$hello{$_}[1], resp => $hello{$_}[1] }
    for keys %hello;
# In RESP2 nothing of RESP3 may come.
$case{"refused_$_"} = { hello => $hello{unknown}[0], first => $unfit{$_},
                        lost => 1, resp => 2 } for qw(null double map);
$case{refused_push} = { hello => $hello{array}[0], first => $push . $set,
                        lost => 1, resp => 2 };
# In both the answer is right, though the next one isn't.
$case{$_}{right} = 1 for qw(unfit_twice unfit_pushed_and_more);

my @names = sort keys %case;

$t->write('done/x', '');

# Each connection is of one case, which its first question tells; so HELLO is
# answered when that is known: PING comes behind it, and so do questions.

my $fake = $t->fake_redis(sub {
    my ($cmd, $stream) = @_;
    my $name = $stream->{name};

    if ($cmd->[0] eq 'AUTH') {
        $stream->{name} = $cmd->[1];
        return "+OK\r\n";
    }

    return "+PONG\r\n" if $cmd->[0] eq 'PING';

    my $case = $case{$name};
    my $mark = "$dir/done/$name." . ($cmd->[0] eq 'HELLO' ? 'hello' : 'asked');
    my $again = -e $mark;

    open my $done, '>', $mark if !$again;

    if ($cmd->[0] eq 'HELLO') {
        return $hello if $again && $case->{lost} && !$case->{resp};
        return $case->{hello} // $hello;
    }

    my $whole = ($case->{type} // '') ne 'hash' ? $set
              : $hash;
    return $again ? $whole : $case->{first};
}, hello => 1);


# What comes to a subscription, the first time that it is made, behind its
# confirmation and a message: how many messages are in it, and is it lost?
my $well = pushed('subscribe') . ":1\r\n" . pushed('message') . "+x\r\n";

my %heard = (
    message => [pushed('message') . "+y\r\n" . pushed('message') . "+\r\n",
                2, 0],
    verbatim => [pushed('message') . "=5\r\ntxt:y\r\n", 1, 0],
    ping => ['', 0, 0],
    array => ["*3\r\n" . substr(pushed('message'), 4) . "+x\r\n", 0, 1],
    pong => ["+PONG\r\n", 0, 1],
    pong_array => [">2\r\n+pong\r\n+\r\n", 0, 1],
    error => ["-ERR what\r\n", 0, 1],
    unknown => [$push, 0, 1],
    confirmation => [pushed('subscribe') . ":1\r\n", 0, 1],
    null_payload => [pushed('message') . "_\r\n", 0, 1],
    inside => ["*1\r\n" . pushed('message') . "+y\r\n", 0, 1],
);

my @heard = sort keys %heard;

my $talker = $t->fake_redis(sub {
    my ($cmd, $stream) = @_;

    return $hello if $cmd->[0] eq 'HELLO';

    if ($cmd->[0] eq 'PING') {
        $t->write("done/ping.$stream->{subscribed}", '')
            if $stream->{subscribed};
        return "+PONG\r\n";
    }

    return "_\r\n" if $cmd->[0] ne 'SUBSCRIBE';

    my $name = $cmd->[1] =~ /^(\w+):events$/ ? $1 : die;
    my $bytes = $well;
    $stream->{subscribed} = $name;

    if (!-e "$dir/done/heard.$name") {
        open my $done, '>', "$dir/done/heard.$name";
        $bytes .= $heard{$name}[0];
    }

    $bytes =~ s/NAME/$name/g;
    $bytes =~ s/LENGTH/length "$name:events"/ge;
    return $bytes;
}, hello => 1, name => 'talker');

sub pushed { return ">3\r\n+$_[0]\r\n\$LENGTH\r\nNAME:events\r\n" }


# The same of real servers, asked in either protocol by users with few rights.

my $redis = $t->redis(tcp => 1, kind => 'plain');
my $renamed = $t->redis(name => 'renamed', kind => 'plain',
                        config => 'rename-command HELLO ""');

my $page = '{"items":["b1","b2","b3"]}';
my $now = time;

for my $server ($redis, $renamed) {
    my $pool = '{"id":"p1"}';

    $server->cmd('SADD', 'stock', 'b2', 'b9');
    $server->cmd('ZADD', 'seen:u1', $now, 'b2', $now - 1e6, 'b1', 'inf', 'b9');
    $server->cmd('HSET', 'watched:u1', 'b2', '0.95', 'b1', '0.5', 'b9', 'x');
    $server->cmd('HSET', 'fresh', 'p1', $pool);
    $server->cmd('SADD', 'fed', 'b2', 'b9');
    $server->cmd('XADD', '{fed}:feed', '*', 'op', 'add', 'ids', '["b2"]',
                 'seq', 1);
    $server->cmd('HSET', '{home}:v1:meta', model => 'm', schema => 's',
                 features => 'f', generated_at => int $now, expected => 1,
                 written => 1, state => 'complete');
    $server->cmd('SET', 'home:v1:u:_default', $page);
    $server->cmd('SET', 'home:v1:u:u1', '{"items":["b2"]}');
    $server->cmd('SET', '{home}:channel:active', 'v1');
    $server->cmd('SADD', '{home}:rolled_back', 'v0');

    allow($server);
}

$t->write('password', "sesame\n");
chmod 0644, $t->write('page.json', $page);
chmod 0644, "$dir/password";

my %server = (two => '%%REDIS_TCP%%', three => '%%REDIS_TCP%%',
              old => '%%RENAMED%%');

my @features = qw(plain scores values whole_plain whole_scores whole_values
                  replica pool);

my $real = join '', map {
    my $name = $_;
    my $protocol = $name eq 'two' ? 2 : 3;
    (my $block = <<"BLOCK") =~ s/USER/$name/g;
recs_redis USER {
    server $server{$name};
    protocol $protocol;
    auth user=USER password_file=%%TESTDIR%%/password refresh=300ms;
    timeout 60s;
    connections 2;
}
recs_set USER_plain redis=USER key=stock;
recs_set USER_scores redis=USER key=seen:\$arg_u type=zset within=1d;
recs_set USER_values redis=USER key=watched:\$arg_u type=hash min=0.9;
recs_set USER_whole_plain redis=USER key=stock prefetch=10;
recs_set USER_whole_scores redis=USER key=seen:\$arg_u type=zset within=1d
         prefetch=10;
recs_set USER_whole_values redis=USER key=watched:\$arg_u type=hash min=0.9
         prefetch=10;
recs_set USER_replica redis=USER key=fed "feed={fed}:feed" replica=on
         capacity=1000 max_lag=60s;
recs_pool USER redis=USER key=fresh size=64k refresh=1s;
recs_snapshots USER redis=USER prefix=home poll=1h;
BLOCK
    $block;
} sort keys %server;

my $locations = '';

for my $name (sort keys %server) {
    $locations .= "location = /$name/$_ { "
        . ($_ eq 'pool' ? "recs_backfill $name min=4;"
                        : "recs_require ${name}_$_;")
        . ' proxy_pass http://%%API%%; }' . "\n" for @features;
    $locations .= "location = /$name/shown { recs_record_shown redis=$name"
        . " key=shown:$name within=1h max=10; alias %%TESTDIR%%/page.json; }\n"
        . "location = /$name/page { recs_pass $name; recs_user \$arg_u; }\n";
}

my $fakes = join '', map {
    my $type = $case{$_}{type} ? 'hash min=10' : 'set';
    $t->write("user/$_", 'sesame');
    "recs_redis $_ { server %%FAKE%%; protocol 3; timeout 20s;"
    . ' connect_timeout 20s;'
    . " auth user=$_ password_file=%%TESTDIR%%/password; }\n"
    . "recs_set $_ redis=$_ key=k type=$type absent=empty;\n"
} @names;

$locations .= join '', map {
    "location = /$_ { recs_exclude $_; alias %%TESTDIR%%/page.json; }\n"
} @names;

# A subscription asks PING in each timeout.
my $subscriptions = join '', map {
    my $timeout = $_ eq 'ping' ? '2s' : '20s';
    "recs_redis $_ { server %%TALKER%%; protocol 3; timeout $timeout;"
    . " connect_timeout 20s; }\n"
    . "recs_snapshots $_ redis=$_ prefix=$_ poll=1h;\n"
} @heard;

$t->upstream($page);

my $nginx = $t->nginx(reloads => 0, http => <<"HTTP");
    recs_zone 16m;
    $real
    $fakes
    $subscriptions

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        recs on;
        recs_lookup_timeout 30s;
        default_type application/json;
        $locations
        location = /status { recs off; recs_status; }
    }
HTTP


subtest 'real servers answer the same in both' => sub {
    for my $name (sort keys %server) {
        for my $feature (@features) {
            my $right = $feature eq 'pool'
                ? qr/^\{"items":\["b1","b2","b3","p1"\]\}$/
                : qr/^\{"items":\["b2"\]\}$/;
            my $sets = $feature =~ /whole/ ? qr/;prefetched/
                     : $feature eq 'replica' ? qr/;age=/ : qr//;
            my $r;

            ok wait_until(sub {
                $r = $t->get("/$name/$feature?u=u1");
                return $r->body =~ $right
                    && ($r->header('Recs-Sets') // '') =~ $sets;
            }), "$name: $feature"
                or diag $r->body, ' ', $r->header('Recs-Sets') // '';
        }

        my $r;
        ok wait_until(sub {
            $r = $t->get("/$name/page?u=u1");
            return $r->status == 200;
        }), "$name: a page";
        is $r->body, '{"items":["b2"]}', 'of the user';
        is $t->get("/$name/page?u=u2")->body, $page, 'of none';

        my $server = $name eq 'old' ? $renamed : $redis;
        is $t->get("/$name/shown?u=u1")->body, $page, "$name: recorded";
        ok wait_until(sub {
            my $ids = $server->cmd('ZRANGE', "shown:$name", 0, -1);
            return "@$ids" eq 'b1 b2 b3';
        }), 'all of it';
    }

    my $status = status();

    for my $name (sort keys %server) {
        is $status->{redis}{$name}{$_}, 0, "$name: $_" for qw(errors discarded);
        is lines(qr/\[error\].*recs_redis "$name"/), 0, 'no line';
    }
};


subtest 'which of them it is' => sub {
    is_deeply spoken($redis, 'three'), [3], 'RESP3' if spoken($redis, 'three');
    is_deeply spoken($redis, 'two'), [2], 'RESP2' if spoken($redis, 'two');
    cmp_ok $redis->calls('hello'), '>', 2, 'HELLO was asked';
    is_deeply [grep { /"HELLO"/ }
               $redis->watch(sub {
                   $redis->cmd('CLIENT', 'KILL', 'USER', 'two');
                   ok wait_until(sub {
                       $t->get('/two/plain')->body eq '{"items":["b2"]}'
                   }), 'again';
               })], [], 'not where protocol says 2';
};


subtest 'a feed that is followed' => sub {
    for my $name (sort keys %server) {
        my $server = $name eq 'old' ? $renamed : $redis;
        next if $name eq 'two';

        $server->cmd('SREM', 'fed', 'b2');
        $server->cmd('XADD', '{fed}:feed', '*', 'op', 'remove',
                     'ids', '["b2"]', 'seq', 2);
        $server->cmd('XADD', '{fed}:feed', '*', 'op', 'add',
                     'ids', '["b1","b3"]', 'seq', 3);
        $server->cmd('SADD', 'fed', 'b1', 'b3');
        ok wait_until(sub {
            $t->get("/$name/replica")->body eq '{"items":["b1","b3"]}';
        }), $name;
        is status()->{sets}{"${name}_replica"}{resyncs} // 0, 0,
            'without another load'
            if exists status()->{sets}{"${name}_replica"}{resyncs};
    }
};


subtest 'a subscription' => sub {
    for my $name (sort keys %server) {
        my $server = $name eq 'old' ? $renamed : $redis;
        my $events = events($name);

        ok wait_until(sub {
            $server->cmd('PUBLISH', 'home:events', 'x')
                == ($name eq 'old' ? 1 : 2);
        }), "$name: subscribed";
        ok wait_until(sub { events($name) > $events }), 'a message arrives';
    }

    # In RESP3 it takes AUTH, too.
    my ($id) = ids('three');
    my $calls = $redis->calls('auth');
    ok wait_until(sub { $redis->calls('auth') > $calls + 30 }),
        'AUTH is sent again';
    is_deeply [ids('three')], [$id], 'on the same connection';

    my $events = events('three');
    $redis->cmd('PUBLISH', 'home:events', "\0\r\n");
    ok wait_until(sub { events('three') > $events }), 'which still hears';

    $redis->cmd('ACL', 'SETUSER', 'three', 'resetpass', '>other');
    ok wait_until(sub { lines(qr/"three".*AUTH was refused/) }),
        'a password that is refused';
    is_deeply [ids('three')], [$id], 'does not end it';
    $redis->cmd('ACL', 'SETUSER', 'three', '>sesame');
};


subtest 'a server that has no RESP3' => sub {
    is lines(qr/"old" .*: it does not speak RESP3, but RESP2: ERR unknown/), 1,
        'is named, in one line';

    $renamed->{config} = '';
    $renamed->write_conf;
    $renamed->restart;
    allow($renamed);
    ok wait_until(sub { lines(qr/"old" .*: it speaks RESP3 now$/) }),
        'until it has';
    ok wait_until(sub {
        $t->get('/old/plain')->body eq '{"items":["b2"]}'
    }), 'and answers in it';
};


subtest 'what no real one says' => sub {
    my @some = @names;

    while (my @part = splice @some, 0, 40) {
        my $client = $t->http2(port => 'H2');
        my @streams = map { [$_, $client->send('GET', "/$_")] } @part;

        for (@streams) {
            my ($name, $id) = @$_;
            my $answered = !$case{$name}{lost} || $case{$name}{right};
            my $r = $client->response($id);

            # A connection that is lost in its handshake is only made again.
            next if $case{$name}{lost} && $case{$name}{hello}
                    && !$case{$name}{resp};

            is $r->body, $answered ? '{"items":["b1","b3"]}' : $page, $name;
        }
    }

    my @wrong;
    ok wait_until(sub {
        my $redis = status()->{redis};
        @wrong = grep { !$redis->{$_}{ready}
                        || $redis->{$_}{losses} != ($case{$_}{lost} ? 1 : 0) }
                 @names;
        return !@wrong;
    }), 'each is lost once, or not at all' or diag "@wrong";

    for my $name (@names) {
        is $t->get("/$name")->body, '{"items":["b1","b3"]}',
            "$name: then right";
        is status()->{redis}{$name}{losses}, $case{$name}{lost} ? 1 : 0,
            'losses';
    }

    for my $name (grep { $case{$_}{resp} } @names) {
        is lines(qr/"$name" .*it does not speak RESP3/),
            $case{$name}{resp} == 2 ? 1 : 0, "$name: said to be of RESP2";
    }

    like $nginx->error_log, qr/"unfit_bool" .*a type that no command here has/,
        'the log says what it was';
    like $nginx->error_log, qr/"refused_null" .*that RESP2 does not have/,
        'of either protocol';
};


subtest 'what comes to a subscription' => sub {
    my @wrong;

    ok wait_until(sub {
        my $status = status();
        @wrong = grep {
            my (undef, $messages, $lost) = @{ $heard{$_} };
            $status->{snapshots}{$_}{events} != 1 + $messages + $lost
                || $status->{redis}{$_}{losses} != $lost;
        } @heard;
        return !@wrong;
    }), 'is a message, or drops it' or diag "@wrong";

    is lines(qr/\[error\].*recs_redis "$_" /), $heard{$_}[2], "$_: lines"
        for @heard;

    ok wait_until(sub { -e "$dir/done/ping.ping" }), 'PING was asked';
    unlink "$dir/done/ping.ping";
    ok wait_until(sub { -e "$dir/done/ping.ping" }), 'and again';
    is status()->{redis}{ping}{losses}, 0, 'as it was answered';
};


unlike $nginx->error_log, qr/sesame/, 'no password is in the log';

$t->done;


# None of them may HELLO, if a right to it were needed.

sub allow {
    my ($server) = @_;

    $server->cmd('ACL', 'SETUSER', $_, 'on', '>sesame', '~*', '&*',
                 qw(-@all +ping +role +info +smismember +zmscore +hmget +scard
                    +zcard +hlen +srandmember +zrange +hrandfield +sscan +zscan
                    +hscan +xread +xrange +xrevrange +get +lrange +subscribe
                    +zadd +zremrangebyscore +expire +zremrangebyrank))
        for qw(two three old);
}


# Those that a user's connections speak; undef: this Redis does not say.

sub spoken {
    my ($server, $user) = @_;

    my %spoken = map { /\bresp=(\d)/ ? ($1 => 1) : () }
                 grep { / user=\Q$user\E / }
                 split /\n/, $server->cmd('CLIENT', 'LIST');
    return %spoken ? [sort keys %spoken] : undef;
}


sub ids {
    my ($user) = @_;

    return map { /^id=(\d+) / } grep { / user=\Q$user\E / && / sub=1 / }
           split /\n/, $redis->cmd('CLIENT', 'LIST');
}


sub events { return status()->{snapshots}{ $_[0] }{events} }
sub status { return $t->get('/status')->json }
sub lines  { return $nginx->logged(@_) }
