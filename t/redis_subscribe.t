use strict;
use warnings;

# What Redis publishes reaches the worker that follows it, and does so again
# soon after Redis was killed, frozen or restarted, or the subscription was cut
# off; whatever else comes is not taken for a message.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;
my $dir = $t->dir;

$t->write('done/x', '');
$t->write('password', "sesame\n");

# What Redis says to a subscription to NAME:events, well and otherwise.  What
# the first one is told, by name: instead of a confirmation, or after it and a
# message.
my %unconfirmed = (
    nil => "\$-1\r\n", integer => ":1\r\n", status => "+OK\r\n",
    pong => "+PONG\r\n", pong_array => array('pong', ''),
    none => "*0\r\n", nil_array => "*-1\r\n",
    message_first => array('message', 'NAME:events', 'x'),
    of_another => array('subscribe', 'x', \1),
    no_count => array('subscribe', 'NAME:events', '1'),
    short => array('subscribe', 'NAME:events'),
    error => "-ERR what\r\n", noperm => "-NOPERM user joe may not\r\n",
);

my %unfit = (
    nil => "\$-1\r\n", integer => ":1\r\n", status => "+OK\r\n",
    error => "-ERR x\r\n", loading => "-LOADING x\r\n",
    nil_array => "*-1\r\n", none => "*0\r\n",
    one => array('message'),
    four => array('message', 'NAME:events', 'x', 'y'),
    other => array('message', 'other', 'x'),
    prefix => array('message', 'NAME:event', 'x'),
    longer => array('message', 'NAME:events2', 'x'),
    no_payload => "*3\r\n" . bulk('message', 'NAME:events') . "\$-1\r\n",
    integer_payload => array('message', 'NAME:events', \1),
    array_payload => "*3\r\n" . bulk('message', 'NAME:events')
                   . array('a', 'b', 'c'),
    array_name => "*3\r\n" . array('message', 'NAME:events', 'x')
                . bulk('NAME:events', 'x'),
    error_name => "*3\r\n-ERR a\r\n" . bulk('NAME:events', 'x'),
    error_payload => "*3\r\n" . bulk('message', 'NAME:events') . "-ERR b\r\n",
    pong => array('pong', ''), plain_pong => "+PONG\r\n",
    confirmation => array('subscribe', 'NAME:events', \1),
    unsubscribed => array('unsubscribe', 'NAME:events', \0),
    pattern => "*4\r\n" . bulk('pmessage', '*', 'NAME:events', 'x'),
    push => ">3\r\n" . bulk('message', 'NAME:events', 'x'),
    negative => "*3\r\n" . bulk('message', 'NAME:events') . "\$-7\r\n",
    line_end => "*3\r\n" . bulk('message', 'NAME:events') . "\$5\nabcde"
              . 'x' x 100_000,
    billion => "*1000000000\r\n", not_redis => "HTTP/1.1 400 Bad\r\n\r\n",
    many => "*100000\r\n-ERR a\r\n" . bulk(('x') x 99_999),
    line => '+' . 'x' x 200_000,
    name => array('x' x 70_000, 'NAME:events', 'x'),
    over => array('message', 'NAME:events', 'x' x 65_537),
    endless => "*3\r\n" . bulk('message', 'NAME:events')
             . "\$1000000000\r\n" . 'x' x 1_000_000,
    large => "*3\r\n" . bulk('message', 'NAME:events')
           . "\$100000000\r\n" . 'x' x 1_000_000,
);

# By name: the bytes, how many messages are among them, and what happens then.
my %case;

for my $n (keys %unconfirmed) {
    $case{"unconfirmed_$n"} = { bytes => $unconfirmed{$n}, messages => 0 };
}

my $well = array('subscribe', 'NAME:events', \1)
         . array('message', 'NAME:events', 'x');

for my $n (keys %unfit) {
    $case{"unfit_$n"} = { bytes => $well . $unfit{$n}, messages => 1 };
}

for my $n (map { "unfit_$_" } qw(error_name error_payload other pong billion)) {
    $case{"bytewise_$n"} = { %{ $case{$n} }, bytewise => 1 };
}

for my $n (grep { $_ % 7 < 2 } 0 .. length(filled($well, 'cut_00')) - 1) {
    my $name = sprintf 'cut_%02d', $n;
    $case{$name} = { bytes => substr(filled($well, $name), 0, $n),
                     messages => 0, end => $n % 2 ? 'reset' : 'close' };
}

my @names = sort keys %case;

# Under valgrind to subscribe to all takes longer than a leader's lease lasts:
# the next leader would find a Redis that has said its hostile bytes already.

@names = @names[grep { $_ % 6 == 0 } 0 .. $#names] if Recs::Mode::valgrind();

my $fake = $t->fake_redis(sub {
    my ($cmd, $stream) = @_;

    my $subscribed = $stream->{subscribed};

    if ($cmd->[0] eq 'PING') {
        return $subscribed ? array('pong', '') : "+PONG\r\n";
    }

    return "\$-1\r\n" if $cmd->[0] ne 'SUBSCRIBE';

    my $name = $cmd->[1] =~ /^(\w+):events\z/ ? $1 : return "-ERR\r\n";
    my $case = $case{$name};
    $stream->{subscribed} = 1;

    return filled($well, $name) if -e "$dir/done/$name";
    open my $done, '>', "$dir/done/$name";

    my $bytes = filled($case->{bytes}, $name);

    return [split //, $bytes] if $case->{bytewise};
    return $bytes if !$case->{end};

    $stream->write($bytes);
    my $end = $case->{end};
    $stream->$end;
    return;
});

# Who is subscribed to which server is counted.

my $redis = $t->redis(kind => 'plain');
my $large = $t->redis(name => 'large', kind => 'plain');
my $guarded = $t->redis(name => 'guarded', kind => 'plain',
                        requirepass => 'sesame');

$guarded->cmd('ACL', 'SETUSER', 'edge', 'on', '>sesame', 'allkeys',
              'resetchannels', '+@all');
$guarded->cmd('SADD', 'stock', 'b1');

my $hostile = join '', map {
    "recs_redis $_ { server %%FAKE%%; connect_timeout 20s; timeout 20s; }\n"
    . "recs_snapshots $_ redis=$_ prefix=$_ poll=1h;\n"
} @names;

chmod 0644, $t->write('page.json', '{"items":["b1","b2"]}');

my $api = $t->upstream(sub {
    wait_until(sub { -e $t->dir . '/go-slow' }, 60);
    return '{"items":[]}';
});

my $nginx = $t->nginx(workers => 2, reloads => 0, http => <<"HTTP");
    recs_zone 64m;
    proxy_cache_path %%TESTDIR%%/cache keys_zone=cache:1m;

    recs_redis main { server %%REDIS%%; timeout 2s; }
    recs_redis large { server %%LARGE%%; timeout 20s; }
    recs_redis guarded {
        server %%GUARDED%%;
        auth user=edge password_file=%%TESTDIR%%/password;
    }
    recs_redis default {
        server %%GUARDED%%;
        auth password_file=%%TESTDIR%%/password;
    }

    recs_snapshots home redis=main prefix=home poll=1h;
    recs_snapshots guarded redis=guarded prefix=guarded poll=1h;
    recs_snapshots default redis=default prefix=default poll=1h;
    recs_snapshots large redis=large prefix=large poll=1h;
    $hostile

    recs_set stock redis=guarded key=stock;

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        recs_user \$arg_user;
        recs_lookup_timeout 10s;

        location = /large { recs_pass large; }
        location = /larger { recs_pass large; recs_max_body_size 64m; }
        location = /status { recs_status; }
        location = /slow { proxy_pass http://%%API%%; }

        location = /stock {
            recs on;
            recs_require stock;
            default_type application/json;
            alias %%TESTDIR%%/page.json;
        }
    }
HTTP


subtest 'a message' => sub {
    arrives($redis, 'home');

    my @subscribers = subscribers($redis);
    is scalar @subscribers, 1, 'one worker is subscribed';
    is $redis->clients, 3, 'over a connection of its own';

    my $events = events('home');
    is $redis->cmd('PUBLISH', 'home:event', 'x'), 0, 'to no other channel';
    $redis->cmd('PUBLISH', 'home:events', $_)
        for '', "\0\r\n", 'x' x 65_536;
    ok wait_until(sub { events('home') == $events + 3 }), 'of any bytes';
    is_deeply [subscribers($redis)], \@subscribers, 'all on one connection';
};


subtest 'what is none' => sub {
    ok wait_until(sub {
        my $status = status();
        !grep { $status->{snapshots}{$_}{events} <= $case{$_}{messages}
                || !ready($status, $_) } @names;
    }, 60), 'each is subscribed again, and has a message';

    my $status = status();

    for my $name (@names) {
        my $redis = $status->{redis}{$name};

        is $status->{snapshots}{$name}{events}, $case{$name}{messages} + 1,
            "$name: messages";
        is $redis->{losses}, 1, 'one loss';
        is lines(qr/\[error\].*recs_redis "$name" /), 1, 'one line';
    }

    cmp_ok peak(), '<', 100_000, 'kB at the peak';
    unlike $nginx->error_log, qr/joe/, 'users are not named';
};


subtest 'a subscription that is cut off' => sub {
    my $fds = scalar $nginx->fds;

    for (1 .. 10) {
        my ($id) = subscribers($redis);
        my $gets = $redis->calls('get');

        is $redis->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub'), 1, 'cut off';
        ok wait_until(sub {
            my ($now) = subscribers($redis);
            return $now && $now ne $id;
        }), 'is there again';
        ok wait_until(sub { $redis->calls('get') > $gets }),
            'and what was missed is looked for';
    }

    arrives($redis, 'home');
    ok wait_until(sub { scalar $nginx->fds <= $fds }), 'no descriptor more';
    cmp_ok lines(qr/recs_redis "main".*closed the connection/), '<=', 10,
        'at most a line each';
};


subtest 'Redis frozen' => sub {
    my $mark = length $nginx->error_log;
    $redis->freeze;

    ok wait_until(sub { since($mark) =~ /\[error\].*"main".* within / }),
        'is noticed, though nobody asked it anything';
    $redis->thaw;
    ok wait_until(sub { subscribers($redis) == 1 }), 'then thawed';
    arrives($redis, 'home');

    my @lines = since($mark) =~ /(\[error\].*recs_redis "main".*)/g;
    cmp_ok scalar @lines, '<=', 2, 'not a line for each try';
};


subtest 'Redis killed' => sub {
    my $mark = length $nginx->error_log;
    $redis->kill;

    ok wait_until(sub { since($mark) =~ /\[error\].*recs_redis "main"/ }),
        'is noticed';
    my $losses = status()->{redis}{main}{losses};
    ok wait_until(sub { status()->{redis}{main}{losses} > $losses + 10 }),
        'it is tried again and again';

    my @lines = since($mark) =~ /(\[error\].*recs_redis "main".*)/g;
    cmp_ok scalar @lines, '<=', 4, 'not a line for each try';

    $redis->start;
    ok wait_until(sub { subscribers($redis) == 1 }), 'then started';
    arrives($redis, 'home');
    ok wait_until(sub { since($mark) =~ /\[notice\].*"main".*answers again/ }),
        'and said so';

    $redis->restart;
    ok wait_until(sub { subscribers($redis) == 1 }), 'restarted';
    arrives($redis, 'home');
};


# Redis fills what is before the last byte with NULs.

subtest 'pages of 100 MB' => sub {
    my $refused = qr/"v1" can't .*of 100000000 bytes is over/;
    my $page = '{"items":["b1"]}';

    $large->cmd('SETRANGE', "large:v1:u:$_", 99_999_999, 'x')
        for '_default', 'big';
    $large->cmd('SET', 'large:v1:u:small', $page);
    $large->cmd('HSET', '{large}:v1:meta', model => 'm', schema => 's',
                features => 'f', generated_at => int time, expected => 2,
                written => 2, state => 'complete');
    $large->cmd('SET', '{large}:channel:active', 'v1');

    my $losses = status()->{redis}{large}{losses};
    $large->cmd('PUBLISH', 'large:events', 'x');

    ok wait_until(sub { lines($refused) }), 'the default page is refused';
    arrives($large, 'large');
    is lines($refused), 1, 'in one line';

    my $c = $t->http2(port => 'H2');
    my @streams = map { $c->send('GET', "/large?user=$_") }
                  ('big', 'small') x 3;

    for my $n (1 .. 3) {
        is $c->response(shift @streams)->status, 502, "$n: is refused";
        is $c->response(shift @streams)->body, $page, 'the one after it';
    }

    is status()->{redis}{large}{losses}, $losses, 'no connection is lost';
    cmp_ok peak(), '<', 100_000, 'kB at the peak';
};


subtest 'a page over 16 MB, where it may be' => sub {
    my $page = '{"items":["' . 'x' x 20_000_000 . '"]}';
    $large->cmd('SET', 'large:v1:u:large', $page);

    ok $t->get('/larger?user=large')->body eq $page, 'is served';
    is $t->get('/large?user=large')->status, 502, 'but not elsewhere';
    is $t->get('/larger?user=big')->status, 502, 'nor a larger one';
};


subtest 'a channel that is not allowed' => sub {
    my $refused = qr/\[error\].*"guarded".* may not .*"guarded:events"/;

    ok wait_until(sub { lines($refused) }), 'is named';
    arrives($guarded, 'default');

    my $losses = status()->{redis}{guarded}{losses};
    ok wait_until(sub { status()->{redis}{guarded}{losses} > $losses + 5 }),
        'it is tried again and again';
    is lines($refused), 1, 'with one line';
    is $t->get('/stock')->body, '{"items":["b1"]}', 'sets are asked as ever';

    $guarded->cmd('ACL', 'SETUSER', 'edge', '&guarded:events');
    arrives($guarded, 'guarded');
    is lines(qr/\[notice\].*"guarded:events" is allowed now/), 1, 'allowed';

    # Redis closes the connections that this concerns.
    $guarded->cmd('ACL', 'SETUSER', 'edge', 'resetchannels');
    ok wait_until(sub { lines($refused) == 2 }), 'forbidden again';

    $guarded->cmd('ACL', 'SETUSER', 'edge', '&guarded:events', '-subscribe');
    $losses = status()->{redis}{guarded}{losses};
    ok wait_until(sub { status()->{redis}{guarded}{losses} > $losses + 5 }),
        'the command alone';
    is lines($refused), 2, 'no line more';

    $guarded->cmd('ACL', 'SETUSER', 'edge', '+subscribe');
    arrives($guarded, 'guarded');
    unlike $nginx->error_log, qr/sesame/, 'no password is in the log';
};


subtest 'reload' => sub {
    my ($id) = subscribers($redis);
    my $client = $t->http;
    $client->send('GET', '/slow');
    $api->requests(1);

    $nginx->reload(wait => 0);
    ok wait_until(sub {
        my @now = subscribers($redis);
        return @now == 1 && $now[0] ne $id;
    }), 'a new worker is subscribed, the old one is not any more';
    cmp_ok scalar $nginx->old_workers, '>', 0, 'though it is still there';
    arrives($redis, 'home');

    $t->write('go-slow', '');
    is $client->response->status, 200, 'as long as its request';
    ok wait_until(sub { !$nginx->old_workers }), 'and no longer';
};


subtest 'the end, with Redis frozen' => sub {
    $redis->freeze;
    my $start = time;
    ok $nginx->quit, 'nginx quits';
    cmp_ok time - $start, '<', Recs::Mode::patience(3), 'at once';
    $redis->thaw;
};


$t->done;


# A message is published and gets to the worker.

sub arrives {
    my ($redis, $name) = @_;

    my $events = events($name);

    ok wait_until(sub { $redis->cmd('PUBLISH', "$name:events", 'x') == 1 }),
        "$name: one subscriber";
    ok wait_until(sub { events($name) > $events }), 'the message arrives';
}


# Ids of connections that are subscribed.

sub subscribers {
    my ($redis) = @_;

    return $redis->cmd('CLIENT', 'LIST', 'TYPE', 'pubsub') =~ /^id=(\d+)/mg;
}


sub status {
    return $t->get('/status')->json;
}


sub events {
    my ($name) = @_;

    return status()->{snapshots}{$name}{events};
}


sub ready {
    my ($status, $name) = @_;

    my $redis = $status->{redis}{$name};
    return $redis->{ready} == $redis->{connections};
}


sub lines { return $nginx->logged(@_) }


# What was logged after so many bytes.

sub since {
    my ($mark) = @_;

    return substr $nginx->error_log, $mark;
}


# The most that a worker has had, kB.

sub peak {
    my ($most) = sort { $b <=> $a }
        map { slurp("/proc/$_/status") =~ /VmHWM:\s+(\d+)/ ? $1 : 0 }
        $nginx->workers;

    return $most;
}


# RESP: bulk strings; an array of them, and of integers (\1).

sub bulk {
    return join '', map { '$' . length($_) . "\r\n$_\r\n" } @_;
}


sub array {
    my (@values) = @_;

    return '*' . @values . "\r\n"
         . join '', map { ref $_ ? ":$$_\r\n" : bulk($_) } @values;
}


# With NAME's place taken by a name: lengths are those of the whole.

sub filled {
    my ($bytes, $name) = @_;

    my $more = length($name) - length 'NAME';

    $bytes =~ s/\$(\d+)\r\nNAME:/'$' . ($1 + $more) . "\r\n$name:"/ge;
    return $bytes;
}
