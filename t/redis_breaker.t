use strict;
use warnings;

# A Redis that fails or is late is no longer asked: at once, by no worker, until
# it answers in time again.  Nobody waits for it meanwhile.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Process qw(wait_until);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $FAILURES = 5;               # the default
my $COOLDOWN = 0.2;             # seconds
my $PAUSE = 0.75 * $COOLDOWN;   # between probes, at least

my $t = Recs::Test->new;
my $redis = $t->redis(tcp => 1);
my $second = $t->redis(name => 'second');
my $cluster = $t->redis_cluster(timeout => 600_000);

# Seconds: how long a page waits where Redis is not to answer, and within which
# it answers a PING at last, be the machine busy.
my $deadline = 0.03 * Recs::Mode::factor();
my $deadline_ms = sprintf '%.0f', 1000 * $deadline;

# Answers a question as its key says.  PING is late while there is a file.
my $fake = $t->fake_redis(sub {
    my ($cmd) = @_;

    if ($cmd->[0] eq 'PING') {
        return [\(2 * $deadline), "+PONG\r\n"] if -e $t->dir . '/slow';
        return "+PONG\r\n";
    }

    return "*2\r\n\$1\r\n0\r\n*2\r\n\$2\r\nb9\r\n\$11\r\n{\"id\":\"b9\"}\r\n"
        if $cmd->[0] eq 'HSCAN';
    return ":1\r\n" if $cmd->[0] ne 'SMISMEMBER';

    my ($key) = $cmd->[1] =~ /(\w+)/;
    return "-WRONGTYPE Operation against a key\r\n" if $key eq 'refused';
    return "*1\r\n:1\r\n" if $key eq 'good';
    return undef if $key eq 'mute';
    return [\(2 * $deadline), "*1\r\n:1\r\n"];
});

my @fakes = qw(slow some few mixed gone never);
my @sets = (@fakes, 'nodes');
my $page = '{"items":[{"id":"b1"}]}';

sub http {
    my ($url, $breaker) = @_;

    my $cooldown = sprintf 'cooldown=%.0fms', 1000 * $COOLDOWN;

    return <<"HTTP" . join '', map { fake_redis($_, $cooldown) } @fakes;
    recs_redis main {
        server $url;
        timeout 60s;
        breaker $cooldown;
    }
    recs_redis burst { server $url; timeout 60s; breaker $cooldown; }
    recs_pool fresh redis=slow key=fresh refresh=100ms;
    recs_redis nodes { %%CLUSTER_SETTINGS%% timeout 60s; breaker $cooldown; }
    recs_set nodes redis=nodes key=stock:\$arg_key:1 absent=empty;
    recs_set in_stock redis=main key=in_stock;
    recs_set burst redis=burst key=in_stock;

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        add_header X-Worker \$pid;
        default_type application/json;
        recs on;
        recs_lookup_timeout ${deadline_ms}ms;

        location = /page { recs_require in_stock; return 200 '$page'; }
        location = /patient {
            recs_lookup_timeout 30s;
            recs_require in_stock;
            return 200 '$page';
        }
        location = /burst {
            recs_lookup_timeout 1s;
            recs_require burst;
            return 200 '$page';
        }
        location = /shown {
            recs_record_shown redis=slow key=shown;
            return 200 '$page';
        }
        location = /status { recs off; recs_status; }

@{[ map { locations($_) } @sets ]}
    }
HTTP
}


sub fake_redis {
    my ($name, $cooldown) = @_;

    my $breaker = $name eq 'never' ? 'off' : $cooldown;

    return <<"HTTP";
    recs_redis $name {
        server %%FAKE%%;
        connect_timeout 30s;
        timeout 60s;
        breaker $breaker;
    }
    recs_set $name redis=$name key=\$arg_key:1 absent=empty;
HTTP
}


sub locations {
    my ($name) = @_;

    return <<"HTTP";
        location = /$name { recs_require $name; return 200 '$page'; }
        location = /$name/patient {
            recs_lookup_timeout 30s;
            recs_require $name;
            return 200 '$page';
        }
HTTP
}


$redis->cmd('SADD', 'in_stock', 'b1');
$second->cmd('SADD', 'in_stock', 'b1');
$t->write('slow', '');
unlink $t->dir . '/slow';

my $nginx = $t->nginx(workers => 2, reloads => 0, http => http('%%REDIS%%'));
my @workers = each_worker();

wait_until(sub { why($_->request('GET', '/patient')) eq '' }) for @workers;


subtest 'what waits together is one failure' => sub {
    $redis->freeze;

    my $c = $t->http2(port => 'H2');
    my @streams = map { $c->send('GET', '/burst') } 1 .. 60;
    my %why;
    $why{why($c->response($_))}++ for @streams;

    is_deeply \%why, { timeout => 60 }, 'sixty pages wait for it';
    is state('burst'), 'closed', 'and it is still asked';
    $redis->thaw;
};


subtest 'Redis is frozen' => sub {
    my $read = length $nginx->error_log;

    $redis->freeze;

    for my $n (1 .. $FAILURES) {
        is state('main'), 'closed', "it is asked until $n pages have waited";
        is why($workers[0]->request('GET', '/page')), 'timeout',
            'which they do for as long as they may';
    }

    is state('main'), 'open', 'then it is not asked any more';

    my $before = status('main');
    my @why = map { why($_->request('GET', '/patient')) }
              (@workers) x 20;

    is_deeply [grep { $_ ne 'down' } @why], [], 'no page of any worker waits';

    my $now = status('main');
    is $now->{declined} - $before->{declined}, 40, 'none of them asks';
    is $now->{opened}, 1, 'it is told how often';
    cmp_ok $now->{breaker}{since}, '>', time - 3600, 'and since when';
    cmp_ok $now->{breaker}{since}, '<=', time + 1, '(a unix time)';

    lines_are($read, 1, 'not asked any more: 5 failures in a row, '
                        . "no reply within ${deadline_ms}ms");
    lines_are($read, 0, 'asked again');

    my $commands = status('main')->{commands};
    ok wait_until(sub { status('main')->{commands} >= $commands + 3 }),
        'it is probed again and again';
    is state('main'), 'open', 'and does not answer';

    $redis->thaw;
    well('main', 'thawed');
    lines_are($read, 1, 'not asked any more');
    lines_are($read, 1, 'asked again');
    is opened('main'), 1, 'opened once for it all';
};


subtest 'a reload, and a worker that is killed meanwhile' => sub {
    my $read = length $nginx->error_log;

    frozen();
    ok $nginx->reload, 'new workers';
    @workers = each_worker();
    is why($_->request('GET', '/patient')), 'down', 'know it' for @workers;
    is opened('main'), 2, 'nothing is counted twice';

    # Whichever had sent the probe.
    my @pids = $nginx->workers;
    kill KILL => @pids;
    ok wait_until(sub { 2 == grep { my $pid = $_; !grep { $_ == $pid } @pids }
                             $nginx->workers }), 'they are replaced';
    @workers = each_worker();
    is why($_->request('GET', '/patient')), 'down', 'who comes knows it'
        for @workers;

    $redis->thaw;
    well('main', 'thawed');
    lines_are($read, 1, 'not asked any more');
    lines_are($read, 1, 'asked again');
};


subtest 'another server in its place' => sub {
    frozen();

    ok $nginx->reload(http => http('%%SECOND%%')), 'a reload';
    @workers = each_worker();
    is state('main'), 'closed', 'has nothing of what the other was';
    is why($t->get('/patient')), '', 'and answers';

    ok $nginx->reload(http => http('%%REDIS%%')), 'the first one again';
    @workers = each_worker();
    is state('main'), 'open', 'is as it was';

    $redis->thaw;
    well('main', 'thawed');
};


subtest 'Redis is killed' => sub {
    my $read = length $nginx->error_log;
    my $opened = opened('main');

    $redis->kill;
    is why($t->get('/page')), 'down', 'away' for 1 .. 3;
    ok wait_until(sub { state('main') eq 'open' }),
        'connections that fail count, too';
    lines_are($read, 1, 'not asked any more: 5 failures in a row');

    $redis->start;
    $redis->cmd('SADD', 'in_stock', 'b1');
    well('main', 'restarted');
    is opened('main'), $opened + 1, 'opened once';
    lines_are($read, 1, 'asked again');

    frozen();
    $redis->kill;
    is why($t->get('/patient')), 'down', 'killed while it is open';
    $redis->start;
    $redis->cmd('SADD', 'in_stock', 'b1');
    well('main', 'restarted');
};


subtest 'one server of a cluster' => sub {
    my %key = map { ($cluster->node_of("stock:$_:1")->port => $_) } 1 .. 100;
    my ($frozen, @others) = sort keys %key;
    my ($node) = grep { $_->port == $frozen } $cluster->nodes;

    is @others, 2, 'and two others';
    $cluster->cmd('SADD', "stock:$_:1", 'b1') for values %key;
    ok wait_until(sub { why($t->get("/nodes/patient?key=$_")) eq '' }),
        'all are asked' for (values %key) x 3;

    $node->freeze;
    is why($workers[0]->request('GET', "/nodes?key=$key{$frozen}")), 'timeout',
        "page $_ waits in vain" for 1 .. $FAILURES;
    is state('nodes'), 'open', 'it is not asked any more';

    for my $c (@workers) {
        is why($c->request('GET', "/nodes/patient?key=$key{$frozen}")), 'down',
            'at once, by no worker';
        is why($c->request('GET', "/nodes/patient?key=$key{$_}")), '',
            'another is' for @others;
    }

    $node->thaw;
    ok wait_until(sub { state('nodes') eq 'closed' }), 'thawed';
    is why($t->get("/nodes/patient?key=$key{$frozen}")), '', 'it is asked';
    is opened('nodes'), 1, 'opened once';
};


subtest 'a server that is slow' => sub {
    my $read = length $nginx->error_log;

    $t->write('slow', '');

    # A worker that had no CPU for a while finds the answer beside the deadline,
    # and takes it.
    ok wait_until(sub {
        return why($workers[0]->request('GET', '/slow?key=late')) eq 'down';
    }, 30), 'pages wait in vain';
    is why($_->request('GET', '/slow/patient?key=good')), 'down',
        'then no page waits' for @workers;

    # Its PINGs come too late as well.  All workers together send one at a time.
    my $start = time;
    my $pings = pings();
    ok wait_until(sub { pings() >= $pings + 6 }, 30), 'it is probed';
    $pings = pings() - $pings;
    cmp_ok $pings, '<=', (time - $start) / $PAUSE + 1,
        'by one worker at a time';
    is state('slow'), 'open', 'a late answer is none';

    my $refreshes = refreshes();
    ok wait_until(sub { refreshes() > $refreshes + 1 }, 30),
        'who can wait goes on';
    $t->get('/shown');
    ok wait_until(sub { status('slow')->{recorded}{ids} }, 30),
        'what was shown is recorded';
    is state('slow'), 'open', 'which says nothing of how soon';
    is opened('slow'), 1, 'never was';

    unlink $t->dir . '/slow';
    ok wait_until(sub { state('slow') eq 'closed' }, 30), 'in time again';
    is why($t->get('/slow/patient?key=good')), '', 'it is asked';
    lines_are($read, 1, 'recs_redis "slow".*not asked any more');
    lines_are($read, 1, 'recs_redis "slow".*asked again');
};


subtest 'late answers among good ones' => sub {
    my $read = length $nginx->error_log;

    ok wait_until(sub {
        $t->get('/some?key=late');
        $t->get('/some/patient?key=good') if state('some') eq 'closed';
        return state('some') eq 'open';
    }, 30), 'half of them, for a second, are enough';
    lines_are($read, 1, 'recs_redis "some".*not asked any more: '
                        . '\d+ of \d+ questions failed');

    my $rounds = 0;

    for (my $start = time; $rounds < 10 || time - $start < 1.5; $rounds++) {
        $t->get('/few?key=late');
        $t->get('/few/patient?key=good') for 1 .. 3;
    }

    is opened('few'), 0, 'a quarter of them are not';
};


subtest 'what is an answer, and what is no failure' => sub {
    for (1 .. 3) {
        $t->get('/mixed?key=late') for 1 .. $FAILURES - 1;
        is why($t->get('/mixed/patient?key=refused')), 'error',
            'an error is an answer';
    }

    is opened('mixed'), 0, 'after which a row begins anew';

    for my $n (1 .. 2 * $FAILURES) {
        my $c = $t->http;
        $c->send('GET', "/gone/patient?key=mute&n=$n");
        ok wait_until(sub { status('gone')->{commands} == $n }), 'asked';
        $c->close;
    }

    is opened('gone'), 0, 'a client that leaves is no failure';
    is why($t->get('/gone?key=mute')), 'timeout', 'as a page that waits is'
        for 1 .. $FAILURES;
    is state('gone'), 'open', 'so many times';
};


subtest 'breaker off' => sub {
    is why($t->get('/never?key=mute')), 'timeout', 'each page waits'
        for 1 .. 2 * $FAILURES;
    is status('never')->{breaker}, undef, 'there is none';
};


$t->expect_kills;
$t->done;


# A connection to each worker, which stays.

sub each_worker {
    my %seen;

    wait_until(sub {
        my $c = $t->http;
        my $r = $c->request('GET', '/status');
        my $pid = $r->header('X-Worker');

        $seen{$pid} //= $c if grep { $_ == $pid } $nginx->workers;
        return keys %seen == 2;
    }) or die "a worker does not answer\n";

    return values %seen;
}


# Why the one set of a page is unknown; empty: it isn't.

sub why {
    my ($r) = @_;

    die 'status ' . ($r->status // 'none') if ($r->status // 0) != 200;
    return $r->header('Recs-Sets') =~ /;why=(\w+)/ ? $1 : '';
}


sub status { return $t->get('/status')->json->{redis}{$_[0]} }
sub state  { return status(@_)->{breaker}{state} }
sub opened { return status(@_)->{opened} }
sub refreshes { return $t->get('/status')->json->{pools}{fresh}{refreshes} }
sub pings  { return scalar grep { $_->[0] eq 'PING' } $fake->commands }


# Freezes Redis until nobody asks it.

sub frozen {
    $redis->freeze;
    wait_until(sub { why($t->get('/page')) eq 'down' })
        or die "it does not open\n";
}


sub well {
    my ($name, $what) = @_;

    ok wait_until(sub { state($name) eq 'closed' }), "$what: it is found out";
    ok wait_until(sub { why($_->request('GET', '/patient')) eq '' }),
        'and asked again' for @workers;
}


sub lines_are {
    my ($from, $count, $pattern) = @_;

    $pattern = "recs_redis \"main\" .*: $pattern" if $pattern !~ /^recs_redis/;

    my @lines = grep { /\[(?:error|notice)\].*$pattern/ }
                split /\n/, substr $nginx->error_log, $from;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is scalar @lines, $count, "lines: $pattern" or diag(map { "$_\n" } @lines);
}
