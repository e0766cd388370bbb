use strict;
use warnings;

# What no real Redis says, or seldom: only the request concerned is degraded,
# the connection is dropped once, with one line, and the next request is right
# again; memory is bounded, and so are pipelines.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = Recs::Test->new;
my $dir = $t->dir;

my $right = "*3\r\n:0\r\n:1\r\n:0\r\n";
my $hash = "*3\r\n\$-1\r\n\$2\r\n55\r\n\$-1\r\n";

# By name: how Redis is, and what it answers the first time.
my %case;

for my $n (0 .. length($right) - 1) {
    $case{"set_end_$n"} = { how => 'lost', end => 'close',
                            first => substr $right, 0, $n };
    $case{"set_reset_$n"} = { how => 'lost', end => 'reset',
                              first => substr $right, 0, $n };
    $case{"set_pause_$n"} = { how => 'late', first => substr($right, 0, $n),
                              then => substr $right, $n };
}

for my $n (0 .. length($hash) - 1) {
    $case{"hash_end_$n"} = { how => 'lost', type => 'hash',
        end => $n % 2 ? 'reset' : 'close', first => substr $hash, 0, $n };
}

my %unfit = (
    nil => "\$-1\r\n", nil_array => "*-1\r\n", integer => ":1\r\n",
    status => "+OK\r\n", bulk => "\$2\r\nok\r\n", none => "*0\r\n",
    one_short => "*2\r\n:1\r\n:1\r\n", one_long => "*4\r\n" . ":1\r\n" x 4,
    strings => "*3\r\n" . "\$1\r\n1\r\n" x 3,
    statuses => "*3\r\n" . "+1\r\n" x 3,
    a_nil => "*3\r\n:1\r\n\$-1\r\n:1\r\n",
    last_nil => "*3\r\n:1\r\n:1\r\n\$-1\r\n",
    nested => "*3\r\n:1\r\n*1\r\n:1\r\n:1\r\n",
    deep => "*3\r\n" x 12,
    billion => "*1000000000\r\n", negative => "*-5\r\n",
    beyond => '*' . '9' x 30 . "\r\n", no_count => "*x\r\n",
    not_redis => "HTTP/1.1 400 Bad Request\r\n\r\n", nuls => "\0\0\0\0\r\n",
    map => "%1\r\n+a\r\n+b\r\n", bool => "#t\r\n", double => ",1.5\r\n",
    null => "_\r\n", set => "~3\r\n" . ":1\r\n" x 3,
    push => ">3\r\n" . ":1\r\n" x 3,
    bulk_end => "*3\r\n:1\r\n\$1\r\nabc:1\r\n",
);

$case{"unfit_$_"} = { how => 'lost', first => $unfit{$_} } for keys %unfit;

my %unfit_hash = (
    integers => $right, integer => ":1\r\n", nil => "\$-1\r\n",
    short => "*2\r\n" . "\$-1\r\n" x 2, long => "*4\r\n" . "\$-1\r\n" x 4,
    arrays => "*3\r\n" . "*-1\r\n" . "*0\r\n" x 2, billion => "*1000000000\r\n",
);

$case{"unfit_hash_$_"} = { how => 'lost', type => 'hash',
                           first => $unfit_hash{$_} }
    for keys %unfit_hash;

my %errors = (
    err => "-ERR something\r\n", short => "-\r\n", long => '-' . 'x' x 9000
    . "\r\n", type => "-WRONGTYPE Operation against a key\r\n",
    oom => "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    inside => "*3\r\n:0\r\n-ERR of one\r\n:0\r\n",
    all_inside => "*3\r\n" . "-ERR of each\r\n" x 3,
    control => "-ERR a\x01b\x1b[31mc\r\n",
);

$case{"error_$_"} = { how => 'error', first => $errors{$_} } for keys %errors;

$case{"down_$_"} = { how => 'lost', first => '-' . uc "$_ what\r\n" }
    for qw(loading noauth masterdown readonly);

$case{unsolicited_at_once} = { how => 'right', first => $right . $right };
$case{unsolicited_part} = { how => 'right', first => $right . ":1\r\n" };
$case{unsolicited_later} = { how => 'right', first => [$right, \0.1, $right] };
$case{unsolicited_line} = { how => 'right', first => [
                            $right, \0.05, "-ERR timeout\r\n"] };

# A hundred megabytes, if anybody takes them: how they begin, and go on.
my $some = 'x' x 1_000_000;
my %huge = (
    endless => ["*3\r\n:0\r\n\$1000000000\r\n", $some],
    line => ['+', $some], error => ['-', $some],
    integer => ["*3\r\n:", 1 x 1_000_000],
    length => ["*3\r\n\$", 1 x 1_000_000],
    flood => ['', ":1\r\n" x 200_000],
);

$case{"huge_$_"} = { how => 'huge', first => $huge{$_} } for keys %huge;

# The same, of a length that Redis may send: how they begin, go on, and end.
my %large = (
    bulk => ["\$100000000\r\n", $some, "\r\n"],
    element => ["*3\r\n:0\r\n\$100000000\r\n", $some, "\r\n:0\r\n"],
    value => ["*3\r\n\$100000000\r\n", $some, "\r\n" . "\$-1\r\n" x 2],
);

$case{"large_$_"} = { how => 'large', first => $large{$_},
                      type => $_ eq 'value' ? 'hash' : 'set' } for keys %large;

my @names = sort keys %case;

$t->write('done/x', '');

my $fake = $t->fake_redis(sub {
    my ($cmd, $stream, $number) = @_;
    my $key = $cmd->[1] // '';

    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    return "*3\r\n:1\r\n:1\r\n:0\r\n" if $key eq 'good';

    if ($key =~ /^shared:(\w+)/) {
        return [\0.02, $1 eq 'bad' ? $errors{inside} : $right] if $1 ne 'cut';
        $stream->write(substr $right, 0, 9);
        $stream->close;
        return;
    }

    my $case = $case{$key} or return;
    my $whole = ($case->{type} // '') eq 'hash' ? $hash : $right;

    return $whole if -e "$dir/done/$key";
    open my $done, '>', "$dir/done/$key";

    if ($case->{how} eq 'huge' || $case->{how} eq 'large') {
        my ($piece, $more, $end) = @{ $case->{first} };
        my $taken = 0;

        for (0 .. 100) {
            $stream->write($piece) or last;
            $piece = $more;
            $taken++;
        }

        $t->write("taken/$key", $taken);
        return $end;
    }

    # Later than any deadline.
    if ($case->{how} eq 'late') {
        $stream->write($case->{first});
        wait_until(sub { -e "$dir/go-late" }, 60);
        return $case->{then};
    }

    if ($case->{end}) {
        $stream->write($case->{first});
        my $end = $case->{end};
        $stream->$end;
        return;
    }

    return $case->{first};
});

# One that never answers on its first connection.
my $mute = $t->fake_redis(sub {
    my ($cmd, $stream, $number) = @_;

    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    return if $number == 1;
    return $right;
}, name => 'mute');

# One that speaks first.
my $chatty = $t->fake_redis(sub { "+PONG\r\n" }, name => 'chatty',
                            greeting => ":1\r\n");

my $redis = $t->redis;
$redis->cmd('SADD', 'stock', 'b1', 'b2');
$redis->cmd('SADD', 'seen', 'b2');

my $page = '{"items":["b1","b2","b3"]}';
chmod 0644, $t->write('page.json', $page);

my $sets = join '', map {
    my $type = $case{$_}{type} // 'set';
    "recs_redis $_ { server %%FAKE%%; connections 1; timeout 20s;"
    . " connect_timeout 20s; }\n"
    . "recs_set $_ redis=$_ key=$_ type=$type absent=empty;\n"
} @names;

my $wait = 'recs_lookup_timeout 2s;';
my $locations = join '', map {
    my $late = $case{$_}{how} eq 'late' ? $wait : '';
    "location = /$_ { recs_exclude $_; $late alias %%TESTDIR%%/page.json; }\n"
} @names;

# Questions to one pipeline, 31 a response.
my $many = join '', map { "recs_set m$_ redis=mute key=m absent=empty;\n" }
                    1 .. 31;
my $all = join ' ', map { "m$_" } 1 .. 31;

my $nginx = $t->nginx(reloads => 0, http => <<"HTTP");
    recs_redis well { server %%FAKE%%; connect_timeout 20s; timeout 20s; }
    recs_redis shared {
        server %%FAKE%%;
        connections 1;
        connect_timeout 20s;
        timeout 20s;
    }
    recs_redis mute {
        server %%MUTE%%;
        connections 1;
        timeout 15s;
        breaker off;
    }
    recs_redis chatty {
        server %%CHATTY%%;
        connections 1;
        connect_timeout 20s;
        breaker off;
    }
    recs_redis real { server %%REDIS%%; }

    recs_set good redis=well key=good absent=empty;
    recs_set shared redis=shared key=shared:\$arg_how;
    recs_set chatty redis=chatty key=any absent=empty;
    recs_set stock redis=real key=stock;
    recs_set seen redis=real key=seen;
    $sets
    $many

    http2_max_concurrent_streams 1000;

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        recs on;
        recs_require good;
        recs_lookup_timeout 30s;
        default_type application/json;

        $locations

        location = /shared {
            recs_exclude shared;
            alias %%TESTDIR%%/page.json;
        }

        location = /chatty {
            recs_exclude chatty;
            alias %%TESTDIR%%/page.json;
        }

        location = /real {
            recs_require stock;
            recs_exclude seen;
            alias %%TESTDIR%%/page.json;
        }

        location = /fill {
            recs_require $all;
            recs_lookup_timeout 20ms;
            alias %%TESTDIR%%/page.json;
        }

        location = /full {
            recs_require $all;
            alias %%TESTDIR%%/page.json;
        }

        location = /status { recs off; recs_status; }
    }
HTTP

my ($worker) = $nginx->workers;

ok wait_until(sub { !grep { !ready($_) } @names, 'well', 'shared', 'mute' },
              30),
    'all connections are there';


# Of all cases at once, the first request and then another.

for my $how (qw(lost late error right)) {
    subtest $how => sub {
        my @some = grep { $case{$_}{how} eq $how } @names;
        cmp_ok scalar @some, '>', 3, 'cases';

        at_once($how eq 'right', @some);
        $t->write('go-late', '') if $how eq 'late';

        my $lost = $how eq 'lost' || $how eq 'right' ? 1 : 0;

        ok wait_until(sub {
            my $redis = status();
            !grep { !$redis->{$_}{ready} || $redis->{$_}{losses} != $lost }
             @some;
        }), $lost ? 'they are made again' : 'none is lost';

        if ($how eq 'late') {
            ok wait_until(sub {
                my $redis = status();
                !grep { $redis->{$_}{discarded} != 1 } @some;
            }), 'the answers come, and are thrown away';
        }

        at_once(1, @some);

        my $redis = status();

        for my $name (@some) {
            is $redis->{$name}{losses}, $lost, "$name: losses";
            is lines(qr/\[error\].*recs_redis "$name" /), $lost,
                'as many lines';
            my $over = qr/recs_redis "$name".*(?:answers|writes) again/;
            is lines(qr/\[notice\].*$over/), $lost, 'and recoveries';

            my $ill = $how eq 'error' || $how eq 'late';
            is lines(qr/\[error\].*recs_set "$name":/), $ill ? 1 : 0,
                'lines of the set';
        }
    };
}


subtest 'an error that holds control characters' => sub {
    like $nginx->error_log, qr/"error_control": ERR a\.b\.\[31mc/,
        'they are not in the log';
    unlike $nginx->error_log, qr/[\0-\x08\x0b-\x1f]/, 'nor any other';
    unlike $nginx->error_log, qr/x{1000}/, 'and the longest is cut';
};


subtest 'more than anybody wants' => sub {
    for my $name (grep { $case{$_}{how} eq 'huge' } @names) {
        my $before = memory();

        is wrong($t->get("/$name"), $name, 0), undef, $name;
        ok wait_until(sub { -e "$dir/taken/$name" }), 'the connection is lost';
        cmp_ok $t->read("taken/$name"), '<', 5, 'not to the end: MB taken';

        ok wait_until(sub { ready($name) }), 'the connection is made again';
        is status()->{$name}{losses}, 1, 'lost once';
        is lines(qr/\[error\].*recs_redis "$name" /), 1, 'one line';
        is wrong($t->get("/$name"), $name, 1), undef, 'then right';
        cmp_ok memory() - $before, '<', 50_000, 'kB more at most';
    }

    peak();
};


subtest 'more than anybody wants, to its end' => sub {
    for my $name (grep { $case{$_}{how} eq 'large' } @names) {
        my $before = memory();
        my $c = $t->http2(port => 'H2');
        my @streams = map { $c->send('GET', "/$name") } 1, 2;

        is wrong($c->response($streams[0]), $name, 0), undef, $name;
        is wrong($c->response($streams[1]), $name, 1), undef,
            'what comes after it on the connection is right';
        is status()->{$name}{losses}, 0, 'it was not lost';
        is lines(qr/recs_set "$name": .*of 100000000 bytes is over/), 1,
            'one line';
        cmp_ok memory() - $before, '<', 10_000, 'kB more at most';
    }

    peak();
};


subtest 'several requests in one pipeline' => sub {
    my $c = $t->http2(port => 'H2');
    my @how = qw(ok bad ok ok bad ok);
    my @streams = map { $c->send('GET', "/shared?how=$_") } @how;

    is wrong($c->response($streams[$_]), 'shared', $how[$_] eq 'ok'), undef,
        "$_: $how[$_]" for 0 .. $#how;
    is status()->{shared}{losses}, 0, 'none is lost';

    @how = qw(ok ok cut ok ok);
    @streams = map { $c->send('GET', "/shared?how=$_") } @how;

    is wrong($c->response($streams[$_]), 'shared', $_ < 2), undef,
        "$_: $how[$_]" for 0 .. $#how;

    ok wait_until(sub { ready('shared') }), 'made again';
    is status()->{shared}{losses}, 1, 'lost once';
    is wrong($t->get('/shared?how=ok'), 'shared', 1), undef, 'then right';
    is lines(qr{\[error\].*recs_redis "shared" }), 1, 'one line';
};


subtest 'a Redis that speaks first' => sub {
    my $start = time;

    is wrong($t->get('/chatty'), 'chatty', 0), undef, 'is not asked';
    cmp_ok time - $start, '<', Recs::Mode::patience(5), 'nor waited for';
    ok wait_until(sub { status()->{chatty}{losses} > 3 }), 'again and again';
    is lines(qr/\[error\].*recs_redis "chatty" /), 1, 'but one line';
    is status()->{chatty}{connects}, 0, 'it never was ready';
};


subtest 'a real Redis, filled' => sub {
    is $t->get('/real')->body, '{"items":["b1"]}', 'well';

    $redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    $redis->cmd('CONFIG', 'SET', 'maxmemory', '1');
    like $redis->refuse('SADD', 'seen', 'b1'), qr/^OOM/, 'it is full';
    is $t->get('/real')->body, '{"items":["b1"]}', 'and answers';
    $redis->cmd('CONFIG', 'SET', 'maxmemory', '0');
    is $t->get('/real')->body, '{"items":["b1"]}', 'as after it';
};


subtest 'a real Redis, a key of the wrong type' => sub {
    my $losses = status()->{real}{losses};

    $redis->cmd('SET', '{seen}:other', 'text');
    $redis->cmd('RENAME', 'seen', '{seen}:kept');
    $redis->cmd('RENAME', '{seen}:other', 'seen');

    my $r = $t->get('/real');
    is $r->body, '{"items":["b1","b2"]}', 'of one set';
    is $r->header('Recs-Sets'), 'stock;removed=1, seen;unknown;why=error',
        'the other counts';
    like $r->header('Recs-Filter'), qr/^degraded;/, 'degraded';
    $t->get('/real') for 1 .. 20;

    $redis->cmd('RENAME', '{seen}:kept', 'seen');
    $r = $t->get('/real');
    is $r->body, '{"items":["b1"]}', 'then renamed back';
    is $r->header('Recs-Sets'), 'stock;removed=1, seen;removed=1',
        'both count at once';
    is status()->{real}{losses}, $losses, 'no connection was lost';
    is lines(qr/recs_set "seen".*WRONGTYPE/), 1, 'one line for all of it';
};


subtest 'a pipeline that is full' => sub {
    my $c = $t->http2(port => 'H2');
    my $before = memory();

    # 132 times 31 are 4092 commands; of the next 31 four have room.
    for my $part (1 .. 4) {
        my @streams = map { $c->send('GET', '/fill') } 1 .. 33;
        my @said = map { $c->response($_)->header('Recs-Filter') } @streams;
        is scalar(grep { /^degraded;/ } @said), 33, "part $part";
    }

    my $redis = status()->{mute};
    is $redis->{commands}, 4092, 'all wait for their replies';
    is $redis->{refused}, 0, 'none was refused';

    my $r = $t->get('/fill');
    like $r->header('Recs-Filter'), qr/^degraded;/, 'the next';
    $redis = status()->{mute};
    is $redis->{commands}, 4096, 'there is room for four';
    is $redis->{refused}, 27, 'and none for the others';

    my $start = time;
    $r = $t->get('/full');
    like $r->header('Recs-Filter'), qr/^degraded;/, 'with no room left';
    is $r->body, $page, 'all is unknown';
    $t->get('/full') for 1 .. 20;
    cmp_ok time - $start, '<', Recs::Mode::patience(3),
        'at once, however long it might wait';

    $redis = status()->{mute};
    is $redis->{commands}, 4096, 'nothing is added';
    is $redis->{losses}, 0, 'the connection is still there';
    is wrong($t->get('/shared?how=ok'), 'shared', 1), undef,
        'another Redis is as ever';

    my $sets = $r->header('Recs-Sets');
    is scalar(() = $sets =~ /;unknown/g), 31, 'each set is named';

    ok wait_until(sub {
        $t->get('/full')->header('Recs-Filter') =~ /^filtered;/;
    }, 30), 'until it is given up: a new one answers';
    is status()->{mute}{losses}, 1, 'lost once';
    is lines(qr/\[error\].*recs_redis "mute" /), 1, 'one line';
    cmp_ok memory() - $before, '<', 20_000, 'kB more at most';
};


is join(',', $nginx->workers), $worker, 'the worker is the same';

$t->done;


# Asks for all of these, many at a time.

sub at_once {
    my ($answered, @names) = @_;

    while (my @some = splice @names, 0, 40) {
        my $client = $t->http2(port => 'H2');
        my @streams = map { [$_, $client->send('GET', "/$_")] } @some;

        for my $stream (@streams) {
            my ($name, $id) = @$stream;
            is wrong($client->response($id), $name, $answered), undef,
                $answered ? "$name: right" : $name;
        }
    }
}


# What is wrong with a response that had the answer, or had not.

sub wrong {
    my ($r, $name, $answered) = @_;

    return 'not complete: ' . ($r->error // '') if !$r->complete;
    return 'status ' . $r->status if $r->status != 200;

    my $body = $answered ? '{"items":["b1"]}' : '{"items":["b1","b2"]}';
    return 'body: ' . $r->body if $r->body ne $body;

    my $set = $answered ? "$name;removed=1"
                        : "$name;unknown;why=(?:timeout|error|down)";
    return 'Recs-Sets: ' . $r->header('Recs-Sets')
        if $r->header('Recs-Sets') !~ /^good;removed=1, $set$/;

    my $state = $answered ? 'filtered' : 'degraded';
    return 'Recs-Filter: ' . $r->header('Recs-Filter')
        if $r->header('Recs-Filter') !~ /^$state;/;

    return;
}


sub status {
    return $t->get('/status')->json->{redis};
}


sub ready {
    my ($name) = @_;

    my $redis = status()->{$name};
    return $redis->{ready} == $redis->{connections};
}


sub lines { return $nginx->logged(@_) }


# Of the worker, kB.

sub memory {
    return slurp("/proc/$worker/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0;
}


# Of all that was before.

sub peak {
    my $peak = slurp("/proc/$worker/status") =~ /VmHWM:\s+(\d+)/ ? $1 : 0;
    cmp_ok $peak, '<', 150_000, 'kB at the peak';
}
