use strict;
use warnings;

# Versions that were left don't return by themselves: Redis comes back from an
# older dump, loses what was rolled back, or all that it had.  And users' pages
# meanwhile.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp spew);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;
my $redis = $t->redis(kind => 'plain');     # that has a file with its data
my $dump = $t->dir . '/redis/dump.rdb';

open my $file, '<', $t->root . '/conf/recs.lua' or die "recs.lua: $!\n";
my $library = do { local $/; <$file> };
$redis->cmd('FUNCTION', 'LOAD', $library);

my $dir = $t->dir . '/images';
mkdir $dir or die;
chmod 0777, $dir or die;

my $http = <<'HTTP';
    recs_redis main { server %%REDIS%%; timeout 2s; }
    recs_snapshots home redis=main prefix=home poll=100ms image=%%IMAGE%%;
    recs on;
    recs_user $arg_user;
    recs_lookup_timeout 1s;
    server {
        listen %%LISTEN%%;
        location = /status { recs off; recs_status; }
        location = /ready { recs off; recs_ready; }
        location /page { recs_pass home channel=$arg_channel; }
    }
HTTP

$t->set(IMAGE => "$dir/home");

my $nginx = $t->nginx(http => $http, workers => 2, reloads => 0, daemon => 1);
my @keys = map { "{home}:$_" } qw(channel:active history rolled_back);
my @canary = map { "{home}:$_" } qw(channel:canary history rolled_back);


sub load {
    my ($version, %fields) = @_;

    $redis->cmd('SET', "home:$version:u:$_",
                qq({"of":"$version $_","items":[{"id":"b1"}]}))
        for qw(u1 u2 _default);
    $redis->cmd('HSET', "{home}:$version:meta", model => 'm', schema => 1,
                features => 'f', generated_at => int time, expected => 2,
                written => 2, state => 'complete', %fields);
}

sub publish {
    my ($version, @options) = @_;

    return $redis->cmd('FCALL', 'recs_publish', 4, @keys,
                       "{home}:$version:meta", $version, @options);
}

sub rollback {
    return $redis->cmd('FCALL', 'recs_rollback', 3, @keys);
}

sub home { return $t->get('/status')->json->{snapshots}{home} }
sub channel { return home()->{channels}{ $_[0] // 'active' } }

sub becomes {
    my ($version, $channel) = @_;

    my $is = wait_until(sub {
        my $c = channel($channel);
        ($c->{active} // '') eq $version && ($c->{default_of} // '') eq $version
    });

    diag(explain(channel($channel))) if !$is;
    return $is;
}

sub refused {
    my ($version, $channel) = @_;

    my $is = wait_until(sub {
        (channel($channel)->{refused} // '') eq $version
    });

    diag(explain(channel($channel))) if !$is;
    return $is ? channel($channel)->{reason} : 'none';
}

sub looks {
    my $calls = $redis->calls('get');
    return wait_until(sub { $redis->calls('get') > $calls + 6 });
}

sub of {
    my ($target) = @_;

    my $r = $t->get($target);
    return $r->status if $r->status != 200;

    my ($row) = ($r->header('Recs-Filter') // '') =~ /;row=(\w+)/;
    return "$row " . $r->json->{of};
}

sub ready { return $t->get('/ready')->body }


# Redis as it was then.

sub keep { $redis->cmd('SAVE'); return slurp($dump) }

sub older {
    my ($kept) = @_;

    $redis->kill;
    spew($dump, $kept);
    $redis->start;
    ok wait_until(sub { eval { $redis->cmd('PING') } }), 'Redis came back';
    unlink $dump;
}


load($_) for qw(v1 v2 v3 v4 v5);
publish('v1');
ok becomes('v1'), 'v1';


subtest 'what was rolled back' => sub {
    publish('v2');
    ok becomes('v2'), 'v2 is published';
    is of('/page?user=u1'), 'user v2 u1', 'and served';

    my $kept = keep();

    rollback();
    ok becomes('v1'), 'back to v1, which was replaced';

    older($kept);
    like refused('v2'), qr/^it was rolled back, of which Redis no longer/,
        'an older dump names it: it is refused';
    is channel()->{active}, 'v1', 'v1 stays';
    ok wait_until(sub { of('/page?user=u1') eq 'user v1 u1' }),
        'and its rows are served';
    like ready(), qr/"home": channel "active", "v1" stays: it was rolled back/,
        'not ready';
    is home()->{returned}, 1, 'counted';

    is publish('v2'), 'v2', 'Redis publishes it again, having no mark';
    ok looks(), 'it is looked at';
    is channel()->{active}, 'v1', 'the edge does not';

    publish('v3');
    ok becomes('v3'), 'another version is adopted';
    is ready(), "ready\n", 'ready again';
    is channel()->{refused}, undef, 'nothing is refused any more';
};


subtest 'the marks are evicted' => sub {
    publish('v4');
    ok becomes('v4'), 'v4';
    rollback();
    ok becomes('v3'), 'rolled back';

    $redis->cmd('DEL', '{home}:rolled_back');
    publish('v5');
    ok becomes('v5'), 'v5';

    $redis->cmd('FCALL', 'recs_rollback', 4, @keys, '{home}:v4:meta', 'v4');
    like refused('v4'), qr/^it was rolled back/,
        'back to what was rolled back before: refused';
    is channel()->{active}, 'v5', 'v5 stays';

    is publish('v4', 'restore=yes', 'who=ann'), 'v4', 'on purpose';
    ok becomes('v4'), 'it returns';
    like $redis->cmd('FCALL_RO', 'recs_history', 1, '{home}:history', 1)->[0],
        qr/"event":"restore","channel":"active","version":"v4"/,
        'the history says so';
    like $redis->refuse('FCALL', 'recs_publish', 4, @keys, '{home}:v5:meta',
                        'v5', 'restore=no'), qr/ERR .*restore=no/,
        'nothing else than yes';
};


subtest 'what was replaced' => sub {
    my $kept = keep();
    load('v6');
    publish('v6');
    ok becomes('v6'), 'v6';

    older($kept);
    like refused('v4'), qr/^the history ends before the last move/,
        'an older dump names the one before: refused';
    is of('/page?user=u1'), 'kept v6 _default',
        'of v6 Redis has no rows: the default page is that which is kept';
    like $t->get('/page?user=u1')->header('Recs-Filter'), qr/^stale;/,
        'stale';
    is of('/page'), 'default v6 _default', 'who has no name loses nothing';

    load('v7');
    publish('v7');
    ok becomes('v7'), 'the next one';

    publish('v4');
    ok becomes('v4'), 'published again it returns';
};


subtest 'two moves between the pointer and the history' => sub {
    my $move = sub {
        return sprintf '{"time":%.3f,"event":"publish","channel":"active",'
                       . '"version":"%s"}', @_;
    };
    my $now = time;

    # The pointer is read, v4 comes back, the history is read.
    $redis->pipeline(['MULTI'], ['SET', $keys[0], 'v7'],
        ['LPUSH', $keys[1], $move->($now, 'v7'), $move->($now + 0.001, 'v4')],
        ['EXEC']);
    ok becomes('v7'), 'to another version';

    $redis->cmd('SET', $keys[0], 'v4');
    ok becomes('v4'), 'and back';
};


subtest 'without a history' => sub {

    my $bare = $t->nginx(name => 'bare', reloads => 0, http => <<'HTTP');
    recs_redis main { server %%REDIS%%; timeout 2s; }
    recs_snapshots bare redis=main prefix=bare poll=100ms;
    server {
        listen %%LISTEN_BARE%%;
        location = /status { recs_status; }
    }
HTTP
    my $state = sub {
        return $t->request('GET', '/status', { port => 'BARE' })
                 ->json->{snapshots}{bare}{channels}{active};
    };
    my $is = sub {
        my ($version) = @_;
        return wait_until(sub { ($state->()->{active} // '') eq $version });
    };

    for my $n (1 .. 3) {
        $redis->cmd('HSET', "{bare}:b$n:meta", model => 'm', schema => 1,
                    features => 'f', generated_at => int(time) + $n,
                    expected => 1, written => 1, state => 'complete');
        $redis->cmd('SET', '{bare}:channel:active', "b$n");
        ok $is->("b$n"), "b$n";
    }

    $redis->cmd('SET', '{bare}:channel:active', 'b2');
    ok wait_until(sub { ($state->()->{refused} // '') eq 'b2' }),
        'a pointer that is set back is refused';
    like $state->()->{reason}, qr/^it was replaced before/, 'why';

    $redis->cmd('SADD', '{bare}:rolled_back', 'b3');
    ok $is->('b2'), 'b3 was rolled back: it is not';

    $redis->cmd('HSET', '{bare}:b4:meta', model => 'm', schema => 1,
                features => 'f', generated_at => 1000, expected => 1,
                written => 1, state => 'complete');
    $redis->cmd('SET', '{bare}:channel:active', 'b4');
    ok $is->('b4'), 'an older one that is new here';
    like $bare->error_log, qr/\[warn\].*"b4" was generated \d+s before "b2"/,
        'is adopted, and named';
    $bare->quit;
};


subtest 'channels' => sub {
    load('c1');
    load('c2');
    $redis->cmd('FCALL', 'recs_publish', 4, @canary, '{home}:c1:meta', 'c1');
    ok becomes('c1', 'canary'), 'a canary';
    $redis->cmd('FCALL', 'recs_publish', 4, @canary, '{home}:c2:meta', 'c2');
    ok becomes('c2', 'canary'), 'another';
    $redis->cmd('FCALL', 'recs_rollback', 3, @canary);
    ok becomes('c1', 'canary'), 'rolled back';

    $redis->cmd('DEL', '{home}:rolled_back');
    publish('c2');
    like refused('c2'), qr/^it was rolled back/, 'it is for all channels';
    publish('v7');
    ok wait_until(sub { channel()->{active} eq 'v7' }), 'v7';

    $redis->cmd('DEL', '{home}:channel:canary');
    ok wait_until(sub { !defined channel('canary')->{active} }),
        'a canary ends';
    $redis->cmd('FCALL', 'recs_publish', 4, @canary, '{home}:c1:meta', 'c1');
    ok becomes('c1', 'canary'), 'and begins again';
};


subtest 'a reload' => sub {
    $nginx->reload;
    is home()->{past_rolled_back} > 0, 1, 'a reload forgets nothing';
    is channel('canary')->{active}, 'c1', 'nor its channels';
};


subtest 'the default page of what was rolled back' => sub {
    load('v70', generated_at => int(time) - 10);
    $redis->cmd('DEL', 'home:v70:u:_default');
    publish('v70');
    ok wait_until(sub { channel()->{active} eq 'v70' }), 'v70 has none';
    is channel()->{default_of}, 'v7', 'the one of v7 is kept';
    load('v71');
    publish('v71');
    ok becomes('v71'), 'v71';
    rollback();
    ok wait_until(sub { channel()->{active} eq 'v70' }), 'is rolled back';
    is channel()->{default_size}, 0, 'its page is not kept';
    is of('/page?user=u9'), 204, 'nor served';
    $redis->cmd('DEL', '{home}:channel:active');
    ok wait_until(sub { channel()->{lost} }), 'when the pointer is lost';
    my $r = $t->get('/page?user=u9');
    is $r->status, 503, 'nothing is known';
    is $r->header('Recs-Filter'), 'bypassed;why=status;row=unknown',
       'which is said';
    $redis->cmd('SET', '{home}:channel:active', 'v70');
    publish('v7');
    ok becomes('v7'), 'v7';
};


# What is lost, and what a user gets.

subtest 'FLUSHALL' => sub {
    is of('/page?user=u1'), 'user v7 u1', 'before';
    my $kept = keep();
    $redis->cmd('FLUSHALL');

    ok wait_until(sub { channel()->{lost} && channel('canary')->{lost} }),
        'it is lost';
    is of('/page?user=u1'), 'kept v7 _default', 'a page';
    is of('/page?user=u1&channel=canary'), 'kept c1 _default', 'the canary too';
    is of('/page'), 'default v7 _default', 'nobody';
    is_deeply [map { channel()->{$_} } qw(active reason)],
        ['v7', 'the channel has no pointer'], 'the status';
    like ready(), qr/channel "active", "v7" stays: the channel has no pointer/,
        'not ready';

    load('v8');
    $redis->cmd('FUNCTION', 'LOAD', 'REPLACE', $library);
    older($kept);
    ok wait_until(sub { ready() eq "ready\n" }), 'restored';
    ok wait_until(sub {
        !grep { of('/page?user=u1') ne 'user v7 u1' } 1 .. 20
    }), 'his page';
};


subtest 'DEL, one by one' => sub {
    $redis->cmd('DEL', '{home}:channel:active');
    ok wait_until(sub { channel()->{lost} }), 'the pointer';
    is of('/page?user=u1'), 'user v7 u1', 'rows are rows';
    is of('/page?user=u9'), 'kept v7 _default', 'without one it is not known';
    $redis->cmd('SET', '{home}:channel:active', 'v7');
    ok wait_until(sub { !channel()->{lost} }), 'it is back';

    my %meta = @{ $redis->cmd('HGETALL', '{home}:v7:meta') };
    $redis->cmd('DEL', '{home}:v7:meta');
    ok wait_until(sub { channel()->{lost} }), 'the descriptor';
    is channel()->{reason}, 'it has no descriptor', 'why';
    is of('/page?user=u1'), 'user v7 u1', 'rows are rows';
    is of('/page?user=u9'), 'kept v7 _default', 'without one it is not known';
    $redis->cmd('HSET', '{home}:v7:meta', %meta);
    ok wait_until(sub { !channel()->{lost} }), 'it is back';

    my $history = $redis->cmd('LRANGE', '{home}:history', 0, -1);
    $redis->cmd('DEL', '{home}:history');
    ok looks(), 'the history';
    is ready(), "ready\n", 'is no fault of what is active';
    $redis->cmd('RPUSH', '{home}:history', @$history);
};


subtest 'rows are evicted' => sub {
    my $share = sub { home()->{missing_share} };
    for my $window (1 .. 2) {
        $t->get('/page?user=u' . (1 + $_ % 2)) for 1 .. 110;
        ok looks(), 'usual';
    }
    $t->get('/page') for 1 .. 120;
    ok looks(), 'nobody';
    is $share->()->{now}, 0, 'is no user without a row';

    $redis->cmd('DEL', 'home:v7:u:u1', 'home:v7:u:u2');
    $t->get('/page?user=u1') for 1 .. 210;
    ok wait_until(sub { $share->()->{since} }), 'it jumps';
    like $nginx->error_log,
        qr/\[warn\].*"home":\ \d+\.\d+%\ of\ users\ have\ no\ row,
           \ usual\ is\ \d+\.\d+%/x,
        'the log says so';
    is of('/page?user=u1'), 'default v7 _default', 'a page';
    cmp_ok $share->()->{now}, '>', 0.4, 'how many';

    load('v7');
    ok wait_until(sub { $t->get('/page?user=u1'); !$share->()->{since} }),
        'as usual again';
};


subtest 'another prefix' => sub {
    my $other = $t->nginx(name => 'other', reloads => 0, http =>
        $http =~ s/LISTEN/LISTEN_OTHER/r =~ s/prefix=home/prefix=hmoe/r);
    my $r = $t->request('GET', '/ready', { port => 'OTHER' });
    like $r->body, qr/no version is active/, 'nothing is known';
    like $other->error_log, qr/is refused: it is of other snapshots/,
        'the image is of another';
    $other->quit;
};


subtest 'nginx starts with Redis down, or older' => sub {
    load('v8');
    publish('v8');
    ok becomes('v8'), 'v8';
    my $kept = keep();
    rollback();
    ok wait_until(sub { channel()->{active} eq 'v7' }), 'v8 is rolled back';

    $nginx->quit;
    $redis->kill;
    $t->expect_log(qr/recs_redis "main"/);

    $nginx = $t->nginx(http => $http, workers => 2, reloads => 0,
                       name => 'again');
    ok wait_until(sub { (channel()->{active} // '') eq 'v7' }),
        'it goes on with the image';
    is of('/page?user=u1'), 'kept v7 _default', 'the page that was kept';
    like $nginx->error_log, qr/"home" goes on with its image/, 'the log';
    is home()->{image}{used}, 1, 'the status';

    spew($dump, $kept);
    $redis->start;
    unlink $dump;
    like refused('v8'), qr/^it was rolled back/, 'it has not forgotten';
    is channel()->{active}, 'v7', 'v7 stays';
    ok wait_until(sub { of('/page?user=u1') eq 'user v7 u1' }), 'and is served';
};


subtest 'each thing that the image remembers' => sub {
    load($_) for qw(v9 v10);
    publish('v9');
    ok becomes('v9'), 'v9';
    $nginx->quit;

    $redis->cmd('SET', $keys[0], 'v7');
    my $start = sub {
        $nginx = $t->nginx(http => $http, workers => 2, reloads => 0,
                           name => "image$_[0]");
    };
    $start->(1);
    like refused('v7'), qr/^it was replaced before/, 'what was replaced';
    $nginx->quit;

    $redis->cmd('DEL', $keys[1]);
    $redis->cmd('LPUSH', $keys[1], '{"time":1000.5,"version":"v10"}');
    $redis->cmd('SET', $keys[0], 'v10');
    $start->(2);
    like refused('v10'), qr/^the history ends before/, 'when the last move was';
    is channel()->{active}, 'v9', 'v9 stays';

    publish($_) for qw(v9 v10);
    ok becomes('v10'), 'v10 is published';
};


subtest 'a mark of what was never seen here' => sub {
    load('elsewhere');
    $redis->cmd('SADD', '{home}:rolled_back', 'elsewhere');
    ok looks(), 'it is looked at';
    $redis->cmd('DEL', '{home}:rolled_back');
    publish('elsewhere');
    like refused('elsewhere'), qr/^it was rolled back/, 'is remembered, too';
    publish('v10');
    ok wait_until(sub { !defined channel()->{refused} }), 'v10 again';
};


# By a clock that was wrong for a while.

subtest 'a move of another century' => sub {
    $redis->cmd('LPUSH', '{home}:history',
                '{"time":4102444800,"event":"publish","version":"v7"}');
    ok looks(), 'it is seen';

    load($_) for qw(v21 v22);
    publish('v21');
    ok becomes('v21'), 'the next one is published';
    $redis->cmd('LREM', '{home}:history', 0,
                '{"time":4102444800,"event":"publish","version":"v7"}');
    publish('v22');
    ok becomes('v22'), 'and so when the clock is right';
    is channel()->{lost}, 0, 'nothing is lost';
};


subtest 'an image that is torn' => sub {
    $nginx->quit;
    my $bytes = slurp("$dir/home");
    spew("$dir/home", substr $bytes, 0, length($bytes) - 20);
    $nginx = $t->nginx(http => $http, reloads => 0, name => 'torn');
    ok wait_until(sub { channel()->{active} }), 'it starts all the same';
    like $nginx->error_log, qr/the image "\S+" is refused: it is torn/, 'why';
};


$t->done;
