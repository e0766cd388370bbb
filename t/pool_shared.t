use strict;
use warnings;

# One worker reads the pools and all have them, in shared memory; they stay when
# it dies, hangs or is replaced, and when Redis is away.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Process qw(process_info);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

# What was freed is overwritten: a pool that outlives its memory is seen.
BEGIN { $ENV{MALLOC_PERTURB_} = 165 }

my $t = Recs::Test->new;

my $redis = $t->redis;
my $slow = $t->redis(name => 'slow');
my $api = $t->upstream(sub { '{"items":[{"id":"b1"}]}' });
my $late = $t->upstream(sub {
    return { body => 'late', held => $t->dir . '/go' };
}, name => 'late');

$redis->cmd('HSET', 'few', map { ($_, object($_)) } 'n1', 'n2');
$t->write('pool.ndjson', object('f1') . "\n");
$t->write('steady.ndjson', object('s1') . "\n");
$slow->cmd('SADD', 'allowed', 'n1', 'n2', 'n3');

my $http = <<'HTTP';
    recs_zone %%ZONE%%;
    recs_redis main { server %%REDIS%%; timeout 2s; }
    recs_redis slow { server %%SLOW%%; timeout 10m; }
    recs_pool few redis=main key=few refresh=100ms absent=empty shrink=off
              %%SIZE%%;
    recs_pool many redis=main key=many refresh=100ms absent=empty shrink=off;
    recs_pool filed file=%%TESTDIR%%/pool.ndjson refresh=100ms shrink=off
              %%SIZE%%;
    recs_pool steady file=%%TESTDIR%%/steady.ndjson refresh=1h;
    recs_set allowed redis=slow key=allowed;

    recs_event $request_id;

    server {
        listen %%LISTEN%% reuseport;
        add_header X-Pid $pid always;

        location = /status { recs_status; }
        location = /late {
            proxy_read_timeout 1h;
            proxy_pass http://%%LATE%%;
        }
        location = /few {
            recs on;
            recs_explore few rate=100% slots=1;
            proxy_pass http://%%API%%;
        }
        location = /held {
            recs on;
            recs_require allowed;
            recs_lookup_timeout 30s;
            recs_explore few rate=100% slots=1;
            proxy_pass http://%%API%%;
        }
    }
HTTP

$t->set(SIZE => '', ZONE => '16m');

my $nginx = $t->nginx(http => $http, workers => 4, reloads => 0);

sub object { return qq({"id":"$_[0]","t":[1, 2.50]}) }


# What each worker says of the pools: that in its first answer.

sub each_worker {
    my ($of) = @_;

    my (@workers, %said);

    # Old ones may look like workers for a moment.
    wait_until(sub {
        my $r = $t->get('/status');
        $said{ $r->header('X-Pid') } //= $r->json->{pools};
        @workers = $of->workers;
        return @workers == 4 && !grep { !$said{$_} } @workers;
    }) or die "not every worker answers\n";

    return map { $said{$_} } @workers;
}


sub items { return map { $_->{ $_[0] }{items} } each_worker($nginx) }
sub pool { return $t->get('/status')->json->{pools}{ $_[0] } }


# All four have so many.

sub all_have {
    my ($pool, $n) = @_;

    my @items;
    my $have = wait_until(sub {
        @items = items($pool);
        return @items == 4 && !grep { $_ != $n } @items;
    });

    diag("they have @items") if !$have;
    return $have;
}


sub refreshed {
    my ($pool, $count) = @_;

    my $before = pool($pool)->{refreshes};
    return wait_until(sub { pool($pool)->{refreshes} >= $before + $count });
}


# The worker that reads: it says so.  One that has ended leads no more.

sub leader {
    my $leader;

    wait_until(sub {
        ($leader) = $nginx->error_log =~ /.*\b(\d+)#\d+: this worker leads/s;
        return grep { $_ == $leader } $nginx->workers;
    }) or die "nobody leads\n";

    return $leader;
}


sub logged { return $nginx->logged(@_) }


subtest 'one worker reads for all' => sub {
    ok(all_have('few', 2), 'a hash');
    ok(all_have('filed', 1), 'a file');

    # In the same step: what was asked, and what came of it.
    my $count = sub {
        my @said = $redis->watch(sub { refreshed('few', 20) });
        return scalar grep { /"HSCAN" "few"/ } @said;
    };

    # Those that came to nothing were asked for, too.
    my $tries = sub {
        my $pool = pool('few');
        return $pool->{refreshes} + $pool->{failures};
    };

    my $before = $tries->();
    my $asked = $count->();
    my $refreshes = $tries->() - $before;

    cmp_ok($asked, '>=', 18, "Redis is asked for each refresh: $asked");
    cmp_ok($asked, '<=', $refreshes + 2,
           "once, not by each of four workers: $refreshes");

    $t->write('pool.ndjson', join '', map { object($_) . "\n" } 'f1' .. 'f3');
    ok(all_have('filed', 3), 'a file that changes');
    is(pool('filed')->{refreshes}, 1, 'is read once');
    is(pool('filed')->{failures}, 0, 'well');
};


subtest 'all have what changes, within a second' => sub {
    my @took;

    for my $n (3 .. 12) {

        # To ask all of them takes its time, too.
        my $asked = time;
        all_have('few', $n - 1);

        my $start = time;
        $redis->cmd('HSET', 'few', "n$n", object("n$n"));
        ok(all_have('few', $n), "$n items") or last;
        push @took, time - $start - ($start - $asked);
    }

    @took = sort { $a <=> $b } @took;
    note sprintf 'after %.0f ms (median)', 1000 * $took[5];
    cmp_ok($took[5], '<', Recs::Mode::patience(1), 'soon');

    $redis->cmd('DEL', 'few');
    ok(all_have('few', 0), 'none');
    $redis->cmd('HSET', 'few', map { ($_, object($_)) } 'n1' .. 'n3');
    ok(all_have('few', 3), 'some');
};


subtest 'contents that do not change are not published again' => sub {
    my $loaded = pool('few')->{loaded};
    ok(wait_until(sub { pool('few')->{loaded} > $loaded }),
       'it is said when they were last read');
    cmp_ok(abs(time - pool('few')->{loaded}), '<', Recs::Mode::patience(10),
           'in unix seconds');
};


subtest 'contents change while requests hold them' => sub {
    $slow->freeze;

    my @waiting = map { $t->http } 1 .. 8;
    $_->send('GET', '/held') for @waiting;
    wait_until(sub { $api->requests >= 8 }) or die "no requests\n";

    # Both copies in shared memory are written anew, twice.
    for my $n (1 .. 5) {
        $redis->cmd('DEL', 'few');
        $redis->cmd('HSET', 'few', map { ("x$_", object("x$_")) } 1 .. 10 + $n);
        ok(all_have('few', 10 + $n), "change $n");
    }

    $slow->thaw;

    for my $c (@waiting) {
        my $r = $c->response;
        like($r->body,
             qr/\A\{"items":\[\{"id":"n[123]","t":\[1, 2\.50\],"_recs":/,
             'a response shows what it held')
            or diag($r->header('Recs-Sets') // '');
    }

    $redis->cmd('DEL', 'few');
    $redis->cmd('HSET', 'few', map { ($_, object($_)) } 'n1' .. 'n3');
    ok(all_have('few', 3), 'as before');
};


subtest 'a pool of thousands' => sub {
    my @many = map { "m$_" } 1 .. 6000;
    $redis->cmd('HSET', 'many', map { ($_, object($_)) } @many[$_ .. $_ + 499])
        for map { $_ * 500 } 0 .. 11;

    ok(all_have('many', 6000), 'is whole in all');

    # It is built in turns: some hundred requests are answered meanwhile.
    my $c = $t->http;
    my (@quiet, @took);

    my $takes = sub {
        my $start = time;
        $c->get('/few');
        return time - $start;
    };

    for my $n (1 .. 3) {
        push @quiet, map { $takes->() } 1 .. 30;
        $redis->cmd('HSET', 'many', 'more', qq({"n":$n}));
        my $before = pool('many')->{refreshes};

        while (pool('many')->{refreshes} < $before + 4) {
            push @took, $takes->();
        }
    }

    @$_ = sort { $a <=> $b } @$_ for \@quiet, \@took;
    my $median = $took[@took / 2];
    note sprintf '%d responses, median %.1f ms, worst %.1f ms', scalar @took,
        1000 * $median, 1000 * $took[-1];
    cmp_ok($median, '<', $quiet[@quiet / 2] + Recs::Mode::patience(0.05),
           'no stall');
};


subtest 'another reads when the leader is killed, at any instant' => sub {
    $t->expect_kills;

    for my $n (1 .. 8) {

        # It is at work all the time: each refresh finds something new.
        for (1 .. 300 * $n) {
            $redis->cmd('HSET', 'many', 'more', qq({"n":$_}));
        }

        my $leader = leader();
        kill 'KILL', $leader;

        my $size = 5000 + $n;
        $redis->cmd('HDEL', 'many', map { "m$_" } 1 .. 6000);
        $redis->cmd('HSET', 'many', map { ("m$_", object("m$_")) } 1 .. $size);
        $redis->cmd('HDEL', 'many', 'more');

        ok(wait_until(sub { $nginx->workers == 4 }), 'the worker is replaced');
        ok(all_have('many', $size), "the next contents: $size");
        isnt(leader(), $leader, 'read by another');
    }

    is(logged(qr/damaged/), 0, 'what was published was whole, always');
    is(pool('many')->{refused}, 0, 'nothing is refused');
};


subtest 'another reads when the leader stands still' => sub {
    my $leader = leader();
    my $c = $t->freeze_worker($leader);

    my $start = time;
    $redis->cmd('HSET', 'few', 'n4', object('n4'));
    ok(wait_until(sub { $c->get('/status')->json->{pools}{few}{items} == 4 }),
       'the next contents');
    cmp_ok(time - $start, '<', Recs::Mode::patience(2), 'in two seconds');

    kill 'CONT', $leader;
    ok(all_have('few', 4), 'also for the one that comes back');

    my $asked = grep { /"HSCAN" "few"/ }
                $redis->watch(sub { refreshed('few', 10) });
    cmp_ok($asked, '<=', 14, 'which does not read any more');
};


subtest 'reload' => sub {
    my @waiting;
    my $asked = $late->requests;

    # One of them is the leader's.
    my $leader = leader();
    wait_until(sub {
        push @waiting, $t->http;
        my $pid = $waiting[-1]->get('/status')->header('X-Pid');
        $waiting[-1]->send('GET', '/late');
        $pid == $leader;
    });

    # A connection whose request nobody has read yet would be closed as idle.
    wait_until(sub { $late->requests >= $asked + @waiting })
        or die "not all are with the upstream\n";

    ok($nginx->reload(wait => 0), 'while responses wait');
    is_deeply([items('few')], [4, 4, 4, 4], 'new workers have the contents');

    ok(wait_until(sub { leader() != $leader }), 'a new worker leads');
    $redis->cmd('HSET', 'few', 'n5', object('n5'));
    ok(all_have('few', 5), 'and reads');

    $t->write('go', '');
    is($_->response->body, 'late', 'a response from before') for @waiting;
};


subtest 'a file that changed before a reload' => sub {
    for my $n (4 .. 6) {
        $t->write('steady.ndjson',
                  join '', map { object("s$_") . "\n" } 1 .. $n);
        ok($nginx->reload(wait => 0), "a reload with $n lines");
        is_deeply([items('steady')], [($n) x 4],
                  'every worker has them in its first answer');

        for my $worker ($nginx->workers) {
            kill 'KILL', $worker;
            wait_until(sub { !process_info($worker) && $nginx->workers == 4 })
                or die "no new worker\n";
        }

        is_deeply([items('steady')], [($n) x 4], 'and those after them');
    }

    $t->write('pool.ndjson', join '', map { object("f$_") . "\n" } 1 .. 6);
    ok(all_have('filed', 6), 'one that changes without it');
};


subtest 'Redis away' => sub {
    $t->expect_log(qr/recs_redis "main"/);

    for my $how ('freeze', 'kill') {
        $redis->$how;
        ok($nginx->reload, "a reload, $how");
        is_deeply([items('few')], [5, 5, 5, 5],
                  'every worker has the contents in its first answer');
        like($t->get('/few')->body, qr/"_recs":/, 'and shows them');

        kill 'KILL', leader();
        ok(wait_until(sub { $nginx->workers == 4 }), 'a new worker');
        is_deeply([items('few')], [5, 5, 5, 5], 'has them, too');

        $redis->thaw if $how eq 'freeze';
    }

    ok($nginx->wait_log(qr/"few" could not be read, the contents stay/),
       'it is said');

    $redis->start;
    $redis->cmd('HSET', 'few', map { ($_, object($_)) } 'n1' .. 'n7');
    ok(all_have('few', 7), 'it comes back: read again');
};


subtest 'more than size=' => sub {
    $t->set(SIZE => 'size=4k');
    ok($nginx->reload, 'a reload with a size');
    ok(all_have('few', 7), 'which is enough');

    # In one step: some of them would fit.
    $redis->cmd('HSET', 'few', map { ("y$_", '{"y":"' . 'y' x 500 . '"}') }
                                   1 .. 10);
    $t->write('pool.ndjson', join '', map { object("f$_") . "\n" } 1 .. 200);

    my $needed = qr/does not fit into size=4k, \d+k are needed/;
    my $stays = qr/could not be read, the contents stay: $needed/;
    ok($nginx->wait_log(qr/recs_pool "few" $stays$/m),
       'a larger hash is refused');
    ok($nginx->wait_log(qr/recs_pool "filed" $stays: \S+pool.ndjson$/m),
       'a larger file, too');

    my $failures = pool('few')->{failures};
    wait_until(sub { pool('few')->{failures} > $failures + 3 });
    is_deeply([items('few')], [7, 7, 7, 7], 'the contents stay');
    is_deeply([items('filed')], [6, 6, 6, 6], 'those of the file, too');
    is(logged(qr/"few" could not be read, .* does not fit/), 1, 'one line');

    my $reader = leader();
    kill 'KILL', $reader;
    ok(wait_until(sub { leader() != $reader }), 'another leads');
    $failures = pool('few')->{failures};
    wait_until(sub { pool('few')->{failures} > $failures + 2 });
    is(logged(qr/"few" could not be read, .* does not fit/), 1,
       'and says nothing again');

    $redis->cmd('HSET', 'few', map { ("y$_", '{"y":"' . 'y' x 50_000 . '"}') }
                                   1 .. 10);
    $failures = pool('few')->{failures};
    wait_until(sub { pool('few')->{failures} > $failures + 2 });
    is_deeply([items('few')], [7, 7, 7, 7], 'so with one far too large');

    my ($code, $said) = $t->nginx_test($http);
    is($code, 1, 'nginx -t refuses the file');
    like($said, qr/\[emerg\] "\S+pool.ndjson" of recs_pool "filed" $needed/,
         'and tells why');

    $redis->cmd('HDEL', 'few', map { "y$_" } 1 .. 9);
    $redis->cmd('HSET', 'few', 'y10', '{}');
    ok(all_have('few', 8), 'smaller again: read');
    is(logged(qr/"few" was read again, 8 items/), 1, 'which is said');

    $t->write('pool.ndjson', object('f1') . "\n");
    ok(all_have('filed', 1), 'the file, too');
};


subtest 'the zone is too small' => sub {
    $t->set(SIZE => '', ZONE => '1m');
    my ($code, $said) = $t->nginx_test($http);
    is($code, 1, 'refused');

    my ($needed) = $said =~
        /\[emerg\].*recs_zone of 1024k is too small, (\d+)k are needed/;
    ok($needed, 'what is needed') or diag($said);
    cmp_ok($needed, '>', 4 * 2 * 1024, 'is twice each size');

    $t->set(ZONE => "${needed}k");
    ($code, $said) = $t->nginx_test($http);
    is($code, 0, 'is enough') or diag($said);
};


subtest 'one process alone' => sub {
    $t->set(ZONE => '16m');
    my $single = $t->nginx(name => 'single', main => 'master_process off;',
        reloads => 0, http => $http =~ s/LISTEN%/LISTEN_S%/r);
    my $has = sub {
        my ($pool) = @_;
        return $t->request('GET', '/status', { port => 'S' })->json
               ->{pools}{$pool}{items};
    };

    ok(wait_until(sub { $has->('few') == 8 }), 'reads a hash');
    is($has->('filed'), 1, 'and a file');

    $redis->cmd('HDEL', 'few', 'y10');
    $t->write('pool.ndjson', join '', map { object("f$_") . "\n" } 1 .. 9);
    ok(wait_until(sub { $has->('few') == 7 }), 'also when it changes');
    ok(wait_until(sub { $has->('filed') == 9 }), 'as the file');

    ok($single->quit, 'it quits');
};


$t->done;
