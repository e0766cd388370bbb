use strict;
use warnings;

# All workers agree on a snapshot's version: one follows Redis, adopts what is
# complete and nothing else, and what was adopted stays when Redis is away.
# What a request is served of a version is in the tests of recs_pass.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Recs::Mode;
use Recs::Process qw(process_info slurp);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my $redis = $t->redis;
my $options = 'redis=main prefix=home poll=100ms max_age=1d accept=1,2';

my $http = <<'HTTP';
    recs_redis main { server %%REDIS%%; timeout 2s; }
    recs_snapshots home %%OPTIONS%%;

    server {
        listen %%LISTEN%% reuseport;
        location = /status { recs_status; add_header X-Pid $pid; }
        location = /slow {
            proxy_read_timeout 1h;
            proxy_pass http://%%API%%;
        }
    }
HTTP

my $api = $t->upstream(sub {
    return { body => 'late', held => $t->dir . '/go' };
});

$t->set(OPTIONS => $options);

my $nginx = $t->nginx(http => $http, workers => 4, reloads => 0);
my $started = time;


# A version as a batch writes it.

sub write_version {
    my ($version, %fields) = @_;

    my %all = (model => "m-$version", schema => 1, features => 'f',
               generated_at => int(time), expected => 100, written => 100,
               state => 'complete', %fields);

    my @set = map { ($_, $all{$_}) } grep { defined $all{$_} } keys %all;

    $redis->cmd('DEL', "{home}:$version:meta");
    $redis->cmd('HSET', "{home}:$version:meta", @set);
    $redis->cmd('SET', "home:$version:u:_default", "default of $version");
}


my $moved = 0;

sub point {
    my ($version, $channel) = @_;

    # Two moves are never at the same time.
    $moved = $moved + 0.001 > time ? $moved + 0.001 : time;

    $redis->pipeline(['MULTI'],
        ['SET', '{home}:channel:' . ($channel // 'active'), $version],
        ['LPUSH', '{home}:history',
         sprintf '{"time":%.3f,"version":"%s"}', $moved, $version],
        ['PUBLISH', 'home:events', 'look'], ['EXEC']);
}


sub publish {
    my ($version, %fields) = @_;

    write_version($version, %fields);
    point($version);
}


sub status { return $t->get('/status')->json->{snapshots}{home} }
sub channel { return status()->{channels}{ $_[0] // 'active' } }


# What each worker says, by its pid.

sub each_worker {
    my ($of) = @_;

    my %wanted = map { $_ => 1 } $of->workers;
    my %said;

    wait_until(sub {
        my $r = $t->get('/status');
        $said{ $r->header('X-Pid') } = $r->json->{snapshots}{home};
        return !grep { !$said{$_} } keys %wanted;
    }) or die "not every worker answers\n";

    return map { $said{$_} } keys %wanted;
}


sub becomes {
    my ($version, $channel) = @_;

    my $is = wait_until(sub {
        (channel($channel)->{active} // 'none') eq $version;
    });

    diag("it is " . (channel($channel)->{active} // 'none')) if !$is;
    return $is;
}


# What is true after so many more looks.

sub looks {
    my ($count) = @_;

    my $calls = $redis->calls('get');

    # A look asks for two pointers.
    return wait_until(sub { $redis->calls('get') >= $calls + 2 * $count + 2 });
}


sub logged { return scalar(() = $_[1]->error_log =~ /$_[0]/g) }


# How many connections listen, to whichever server.

sub listeners {
    return sum0 map { $_->cmd('PUBSUB', 'NUMSUB', 'home:events')->[1] }
                $redis->masters;
}


subtest 'a version is adopted by all workers' => sub {
    my $none = channel();
    is $none->{active}, undef, 'none at first';
    is $none->{reason}, undef, 'which is no fault';

    publish('v1', max_age => 3600, expected => 200, written => 199);

    ok becomes('v1'), 'published';

    my @all = each_worker($nginx);
    is scalar(@all), 4, 'four workers';
    is scalar(grep { $_->{channels}{active}{active} eq 'v1' } @all), 4,
        'say the same';

    my $c = channel();
    is_deeply [@$c{qw(model schema features max_age expected written
                      previous refused)}],
        ['m-v1', 1, 'f', 3600, 200, 199, undef, undef], 'its descriptor';
    cmp_ok abs($c->{since} - time), '<', Recs::Mode::patience(10), 'since';

    ok wait_until(sub { (channel()->{default_of} // '') eq 'v1' }),
        'its default page is kept';
    is channel()->{default_size}, length 'default of v1', 'and how much it is';

    publish('v2');
    ok becomes('v2'), 'the next one';
    is channel()->{previous}, 'v1', 'the one before is known';
    is channel()->{max_age}, 86400, 'without a life time, the directive\'s';
    ok wait_until(sub { channel()->{default_of} eq 'v2' }),
        'its default page replaces the other';

    is logged(qr/\[notice\].*version "v2" is active now, it was "v1"/, $nginx),
        1, 'one line';
    is scalar(grep { $_->{leader} == $all[0]{leader} } @all), 4,
        'one leader';
};


subtest 'a message is followed at once' => sub {
    my $long = $t->nginx(name => 'long', workers => 2, reloads => 0,
        http => $http =~ s/LISTEN%/LISTEN_L%/r =~ s/poll=100ms/poll=1h/r
                      =~ s/%%OPTIONS%%/redis=main prefix=home poll=1h/r);
    my $c = $t->http(port => 'L');
    my $active = sub {
        return $c->get('/status')->json->{snapshots}{home}{channels}
               {active}{active} // '';
    };

    ok wait_until(sub { $active->() eq 'v2' }), 'it finds the version';
    ok wait_until(sub { listeners() == 2 }),
        'one connection of each nginx listens';

    my @took;

    for my $n (1 .. 20) {
        my $version = $n % 2 ? 'v1' : 'v2';
        my $start = time;
        point($version);
        wait_until(sub { $active->() eq $version }) or last;
        push @took, time - $start;
    }

    is scalar(@took), 20, 'twenty changes without a poll';
    @took = sort { $a <=> $b } @took;
    note sprintf 'seen after %.1f ms (median), %.1f ms (worst)',
        1000 * $took[10], 1000 * $took[-1];
    cmp_ok $took[10], '<', Recs::Mode::patience(0.1), 'soon';

    # While it looks, the next one comes.
    my $followed = 0;

    for my $n (1 .. 20) {
        my ($first, $last) = $n % 2 ? qw(v1 v2) : qw(v2 v1);
        point($_) for ($first, $last) x 5;
        wait_until(sub { $active->() eq $last }) or last;
        $followed++;
    }

    is $followed, 20, 'the last of many in a row stays';

    ok $long->quit, 'it quits';
};


subtest 'what is not whole is refused, once, with the reason' => sub {
    publish('good');
    ok becomes('good'), 'a good one';

    my @bad = (
        ['b1', { state => 'loading' }, qr/its state is not "complete"/],
        ['b2', { state => undef }, qr/"state" is missing/],
        ['b3', { model => undef }, qr/"model" is missing/],
        ['b4', { schema => '' }, qr/"schema" is missing/],
        ['b5', { model => 'm' x 128 }, qr/"model" is longer than 127 bytes/],
        ['b6', { expected => 0 }, qr/"expected" must be a positive integer/],
        ['b7', { expected => '1e3' }, qr/"expected" must be a positive/],
        ['b8', { expected => '9' x 40 }, qr/"expected" must be a positive/],
        ['b9', { written => -1 }, qr/"written" must be an integer/],
        ['c1', { written => '100 ' }, qr/"written" must be an integer/],
        ['c2', { written => undef }, qr/"written" is missing/],
        ['c3', { written => 98 },
            qr/98 of 100 rows are written, 99\.00% are needed/],
        ['c4', { expected => '999999999999999', written => 1 },
            qr/1 of 999999999999999 rows/],
        ['c5', { schema => 3 }, qr/schema "3" is not accepted/],
        ['c6', { schema => "1\n2" }, qr/schema "1\?2" is not accepted/],
        ['c7', { generated_at => 'today' },
            qr/"generated_at" must be unix seconds or a date of RFC 3339/],
        ['c8', { generated_at => -5 }, qr/"generated_at" must be unix/],
        ['c9', { generated_at => 1000 * int time },
            qr/"generated_at" is more than a day ahead/],
        ['d1', { generated_at => int(time) - 90000 },
            qr/it is older than 86400 seconds/],
        ['d2', { generated_at => '2020-02-29T23:59:59+01:00' },
            qr/it is older than 86400 seconds/],
        ['d3', { generated_at => int(time) - 100, max_age => 60 },
            qr/it is older than 60 seconds/],
        ['d4', { max_age => 0 }, qr/"max_age" must be a positive number/],
        ['d5', { max_age => '1h' }, qr/"max_age" must be a positive number/],
    );

    for my $row (@bad) {
        my ($version, $fields, $reason) = @$row;

        publish($version, %$fields);
        ok wait_until(sub { (channel()->{refused} // '') eq $version }),
            "$version is refused";

        my $c = channel();
        like $c->{reason}, $reason, 'the reason';
        is $c->{active}, 'good', 'the old one stays';
    }

    point('nowhere');
    ok wait_until(sub { (channel()->{refused} // '') eq 'nowhere' }),
        'a version that is not there';
    is channel()->{reason}, 'it has no descriptor', 'the reason';

    looks(3);

    for my $version ((map { $_->[0] } @bad), 'nowhere') {
        is logged(qr/\[warn\].*version "$version" is refused, "good" stays: /,
                  $nginx), 1, "a line for $version";
    }

    point('good');
    ok wait_until(sub { !defined channel()->{reason} }), 'all is well again';
    is scalar(grep { $_->{channels}{active}{active} eq 'good' }
              each_worker($nginx)), 4, 'in all workers';
};


subtest 'what becomes whole is adopted' => sub {
    publish('late', written => 98);
    ok wait_until(sub { (channel()->{refused} // '') eq 'late' }), 'at 98%';

    # Nobody says a word.
    $redis->cmd('HSET', '{home}:late:meta', 'written', 99);
    ok becomes('late'), 'a partition arrives: at 99% it is adopted';
    is channel()->{reason}, undef, 'no reason is left';

    $redis->cmd('HSET', '{home}:late:meta', 'written', 100);
    ok wait_until(sub { channel()->{written} == 100 }), 'the last rows arrive';
    is channel()->{previous}, 'good', 'it is the same version';
};


subtest 'an active version keeps what it was adopted for' => sub {
    $redis->cmd('HSET', '{home}:late:meta', 'state', 'loading');
    ok wait_until(sub { (channel()->{refused} // '') eq 'late' }),
        'a descriptor that changes is told';
    is channel()->{active}, 'late', 'the version stays';

    $redis->cmd('DEL', '{home}:late:meta');
    ok wait_until(sub { channel()->{reason} eq 'it has no descriptor' }),
        'one that vanishes, too';
    is_deeply [@{ channel() }{qw(active model written)}],
        ['late', 'm-late', 100], 'and stays';
};


subtest 'life times' => sub {
    publish('e1', generated_at => int(time) - 57, max_age => 60);
    ok becomes('e1'), 'one that has three seconds to live';
    ok wait_until(sub { (channel()->{refused} // '') eq 'e1' }),
        'would be refused later';
    is channel()->{reason}, 'it is older than 60 seconds', 'the reason';
    is channel()->{active}, 'e1', 'it stays';

    publish('e2');
    ok becomes('e2'), 'until the next one';
    ok wait_until(sub { !defined channel()->{previous} }),
        'as the version before it is too old';

    publish('e3', generated_at => int(time) - 57, max_age => 60);
    ok becomes('e3'), 'another';
    publish('e4');
    ok becomes('e4'), 'is followed';
    is channel()->{previous}, 'e3', 'while it is young enough';
    ok wait_until(sub { !defined channel()->{previous} }),
        'it is the version before';
};


subtest 'rolled back' => sub {
    publish('r1');
    ok becomes('r1'), 'r1';
    publish('r2');
    ok becomes('r2'), 'r2';
    publish('r3');
    ok becomes('r3'), 'r3';

    $redis->cmd('SADD', '{home}:rolled_back', 'r3');
    point('r2');
    ok becomes('r2'), 'back to r2';
    is channel()->{previous}, undef, 'nothing of r3 is served any more';

    point('r3');
    ok wait_until(sub { (channel()->{refused} // '') eq 'r3' }),
        'r3 is not adopted again';
    is channel()->{reason}, 'it was rolled back', 'the reason';
    is channel()->{active}, 'r2', 'r2 stays';

    publish('r4');
    ok becomes('r4'), 'the next one';
    is channel()->{previous}, 'r2', 'has the one before';

    $redis->cmd('SADD', '{home}:rolled_back', 'r4');
    publish('r5');
    ok becomes('r5'), 'a bad one is replaced';
    is channel()->{previous}, 'r2', 'the last that was not rolled back';

    $redis->cmd('SADD', '{home}:rolled_back', 'r2');
    ok wait_until(sub { !defined channel()->{previous} }),
        'rolled back later: it is not served any more';
};


subtest 'channels' => sub {
    is channel('canary')->{active}, undef, 'canary has none';

    write_version('k1');
    point('k1', 'canary');
    ok becomes('k1', 'canary'), 'its own';
    is channel()->{active}, 'r5', 'the other is untouched';
    ok wait_until(sub { (channel('canary')->{default_of} // '') eq 'k1' }),
        'with its default page';

    $redis->cmd('DEL', '{home}:channel:canary');
    ok becomes('none', 'canary'), 'its pointer vanishes: it has none';
    is channel('canary')->{reason}, undef, 'that is no fault';

    $redis->cmd('DEL', '{home}:channel:active');
    ok wait_until(sub { defined channel()->{reason} }),
        'that of "active" vanishes';
    is channel()->{active}, 'r5', 'it keeps what it has';
    is channel()->{reason}, 'the channel has no pointer', 'and says so';
};


subtest 'pointers and keys that are something else' => sub {
    my @pointers = ('a b', '', "v\n9", "\0", '../v', 'v' x 65, "v\x{fc}",
                    '{home}', 'x' x 1_000_000);

    for my $n (0 .. $#pointers) {
        publish('p');
        ok becomes('p'), 'a good one';
        ok wait_until(sub { !defined channel()->{reason} }), 'without a fault';

        point($pointers[$n]);
        ok wait_until(sub { defined channel()->{reason} }), "pointer $n";
        is channel()->{active}, 'p', 'the old one stays';
    }

    like channel()->{reason}, qr/larger than|too large|over|bytes/,
        'one of 1 MB is not even read';

    $redis->cmd('DEL', '{home}:channel:active');
    $redis->cmd('RPUSH', '{home}:channel:active', 'p');
    ok wait_until(sub { channel()->{reason} =~ /WRONGTYPE/ }), 'a list';
    is channel()->{active}, 'p', 'the old one stays';
    $redis->cmd('DEL', '{home}:channel:active');

    $redis->cmd('SET', '{home}:wrong:meta', 'x');
    point('wrong');
    ok wait_until(sub { (channel()->{refused} // '') eq 'wrong' }),
        'a descriptor that is no hash';
    like channel()->{reason}, qr/WRONGTYPE/, 'the reason';

    $redis->cmd('RENAME', '{home}:rolled_back', '{home}:kept');
    $redis->cmd('SET', '{home}:rolled_back', 'x');
    publish('q');
    ok wait_until(sub { (channel()->{refused} // '') eq 'q' }),
        'it is not known what was rolled back';
    $redis->cmd('RENAME', '{home}:kept', '{home}:rolled_back');
    ok becomes('q'), 'then it is adopted';

    $redis->cmd('HSET', '{home}:big:meta', 'x' x 100_000, 'y' x 1_000_000,
                'model', 'z' x 1_000_000);
    point('big');
    ok wait_until(sub { (channel()->{refused} // '') eq 'big' }),
        'a descriptor of megabytes';
    is channel()->{active}, 'q', 'is not adopted';
};


subtest 'default pages' => sub {
    write_version('huge');
    $redis->cmd('SET', 'home:huge:u:_default', 'x' x 200_000);
    point('huge');
    ok becomes('huge'), 'a version with a large one';
    ok $nginx->wait_log(qr/default page of version "huge" can't be kept/),
        'which is not kept';
    is channel()->{default_of}, 'q', 'the last one that was stays';

    looks(3);
    is logged(qr/page of version "huge" can't be kept/, $nginx), 1,
        'it is not read again';

    write_version('full');
    $redis->cmd('SET', 'home:full:u:_default', 'x' x (128 * 1024));
    point('full');
    ok wait_until(sub { (channel()->{default_of} // '') eq 'full' }),
        'one of 128 KB is kept';
    is channel()->{default_size}, 128 * 1024, 'whole';

    write_version('bare');
    $redis->cmd('DEL', 'home:bare:u:_default');
    point('bare');
    ok becomes('bare'), 'a version without one';
    looks(2);
    is channel()->{default_of}, 'full', 'the last one stays';

    $redis->cmd('SET', 'home:bare:u:_default', 'x');
    ok wait_until(sub { channel()->{default_of} eq 'bare' }),
        'it is kept when it comes';

    $redis->cmd('DEL', 'home:typed:u:_default');
    write_version('typed');
    $redis->cmd('DEL', 'home:typed:u:_default');
    $redis->cmd('RPUSH', 'home:typed:u:_default', 'x');
    point('typed');
    ok becomes('typed'), 'a version with a list for one';
    ok $nginx->wait_log(qr/of version "typed" can't be kept: WRONGTYPE/),
        'which is told';
};


subtest 'a state is never half written' => sub {
    write_version("w$_", features => "f-w$_", written => 1000 + $_)
        for 1 .. 4;
    point('w4');
    ok becomes('w4'), 'begins';

    my $c = $t->http;
    my ($torn, $seen) = (0, 0);
    my %versions;

    for my $n (1 .. 100) {
        point('w' . ($n % 4 + 1));

        for (1 .. 5) {
            my $s = $c->get('/status')->json->{snapshots}{home}{channels}
                    {active};
            my $v = $s->{active};
            $versions{$v}++;
            $seen++;
            $torn++ if $s->{model} ne "m-$v" || $s->{features} ne "f-$v"
                || $s->{written} != 1000 + substr $v, 1;
        }
    }

    is $torn, 0, "none of $seen states is torn";
    is scalar(keys %versions), 4, 'of four versions';
    ok becomes('w1'), 'the last one stays';
    is scalar(grep { $_->{channels}{active}{active} eq 'w1' }
              each_worker($nginx)), 4, 'in all workers';
};


subtest 'a leader leads on' => sub {
    wait_until(sub { time - $started > 6 });

    # A machine that is held up for a second may change that.
    cmp_ok logged(qr/this worker leads/, $nginx), '<=', 2,
        'none takes over without need';
};


subtest 'another leads when the leader is killed' => sub {
    $t->expect_kills;

    for my $n (1 .. 3) {
        my $leader = status()->{leader};
        ok process_info($leader), 'there is a leader';

        my $start = time;
        kill 'KILL', $leader;
        publish("kill$n");
        ok becomes("kill$n"), 'a version is adopted after it died';
        cmp_ok time - $start, '<', Recs::Mode::patience(2), 'in two seconds';

        my $next = status()->{leader};
        isnt $next, $leader, 'by another leader';
        ok wait_until(sub { $nginx->workers == 4 }), 'the worker is replaced';
    }

    is scalar(grep { $_->{channels}{active}{active} eq 'kill3' }
              each_worker($nginx)), 4, 'all workers agree';
};


subtest 'another leads when the leader stands still' => sub {
    my $leader = status()->{leader};
    my $c = $t->freeze_worker($leader);

    my $start = time;
    my $s;
    publish('still');
    ok wait_until(sub {
        $s = $c->get('/status')->json->{snapshots}{home};
        $s->{channels}{active}{active} eq 'still';
    }), 'a version is adopted';
    cmp_ok time - $start, '<', Recs::Mode::patience(2), 'in two seconds';

    my $next = $s->{leader};
    isnt $next, $leader, 'by another leader';

    kill 'CONT', $leader;
    ok wait_until(sub { listeners() == 1 }),
        'the one that comes back leads no more';

    publish('moving');
    ok becomes('moving'), 'the next version';
    is scalar(grep { $_->{leader} == $next } each_worker($nginx)), 4,
        'the new leader stays';
    is logged(qr/version "moving" is active now/, $nginx), 1,
        'one worker adopted it';
};


subtest 'reload' => sub {
    my $leader = status()->{leader};
    my @waiting;
    my $asked = $api->requests;

    # One of them is the leader's.
    wait_until(sub {
        push @waiting, $t->http;
        my $pid = $waiting[-1]->get('/status')->header('X-Pid');
        $waiting[-1]->send('GET', '/slow');
        $pid == $leader;
    });

    # A connection whose request nobody has read yet would be closed as idle.
    wait_until(sub { $api->requests >= $asked + @waiting })
        or die "not all are with the upstream\n";

    my $start = time;
    ok $nginx->reload(wait => 0), 'reload, while responses wait';
    ok process_info($leader), 'the old leader is still there';

    ok wait_until(sub { status()->{leader} !~ /^(?:0|$leader)$/ }),
        'a new worker leads';
    cmp_ok time - $start, '<', Recs::Mode::patience(2), 'in two seconds';

    is channel()->{active}, 'moving', 'what was active is';
    publish('reloaded');
    ok becomes('reloaded'), 'the next version is followed';
    ok process_info($leader), 'while the old leader is there';
    is logged(qr/version "reloaded" is active now/, $nginx), 1,
        'one worker adopted it';

    $t->write('go', '');
    is $_->response->body, 'late', 'a response from before' for @waiting;
};


subtest 'Redis away' => sub {
    $t->expect_log(qr/recs_redis "main"/);

    $redis->cmd('SET', 'a', 'b');
    $redis->freeze;
    ok $nginx->reload, 'a reload while it hangs';
    is scalar(grep { $_->{channels}{active}{active} eq 'reloaded' }
              each_worker($nginx)), 4, 'goes on with what was';
    $redis->thaw;

    publish('thawed');
    ok becomes('thawed'), 'it answers again: followed';

    $redis->kill;
    ok $nginx->reload, 'a reload while it is dead';
    my @all = each_worker($nginx);
    is scalar(grep { $_->{channels}{active}{active} eq 'thawed'
                     && $_->{channels}{active}{default_of} eq 'thawed' } @all),
        4, 'goes on with what was';

    $redis->start;
    ok wait_until(sub { defined channel()->{reason} }, 20),
        'it comes back empty: told';
    is channel()->{active}, 'thawed', 'and what was active stays';

    publish('again');
    ok becomes('again'), 'the next version';
};


subtest 'Redis away from the start' => sub {
    $redis->kill;

    my $late = $t->nginx(name => 'late', workers => 2, reloads => 0,
        http => $http =~ s/LISTEN%/LISTEN_M%/r);
    my $state = sub {
        return $t->request('GET', '/status', { port => 'M' })->json
               ->{snapshots}{home};
    };

    is $state->()->{channels}{active}{active}, undef, 'none is active';

    $redis->start;
    publish('first');
    ok wait_until(sub {
        ($state->()->{channels}{active}{active} // '') eq 'first';
    }, 20), 'Redis comes: it is adopted';

    ok $late->reload(http => $http =~ s/LISTEN%/LISTEN_M%/r
                                   =~ s/%%OPTIONS%%/redis=main prefix=other/r),
        'a reload with another prefix';
    is $state->()->{channels}{active}{active}, undef,
        'has nothing of the other';

    ok $late->quit, 'it quits';
};


subtest 'the zone is too small' => sub {
    my ($code, $said) = $t->nginx_test("recs_zone 512k;\n$http");
    is $code, 1, 'refused';
    my ($needed) = $said =~
        /\[emerg\].*recs_zone of 512k is too small, (\d+)k are needed/;
    ok $needed, 'what is needed' or diag($said);

    ($code, $said) = $t->nginx_test("recs_zone ${needed}k;\n$http");
    is $code, 0, 'is enough' or diag($said);

    my $many = join '', map { "recs_snapshots s$_ redis=main prefix=p$_;\n" }
                        1 .. 130;
    ($code, $said) = $t->nginx_test("recs_zone 128m;\n$many$http");
    is $code, 1, 'too many channels';
    like $said, qr/\[emerg\].*recs_zone has no place for another name/, 'told';
};


$t->done;
