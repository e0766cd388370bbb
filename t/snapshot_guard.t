use strict;
use warnings;

# recs_guard: a version whose pages are bad is left for the one before, by all
# workers, at once and for good: whether the leader and Redis are there or not,
# after a reload and a restart, and on other edges.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Process qw(slurp);
use Recs::Rights;
use Recs::Test;
use Test::More;

use constant { USERS => 20, MIN => 50 };

my $t = Recs::Test->new;
my $redis = $t->redis(kind => 'plain');     # that has a file with its data

my $library = slurp($t->root . '/conf/recs.lua');
$redis->cmd('FUNCTION', 'LOAD', $library);
$redis->cmd('SADD', 'sold', map { "s$_" } 1 .. 10);

my $dir = $t->dir . '/images';
mkdir $dir or die;
chmod 0777, $dir or die;

# The edge has the rights that docs/redis.md gives it, and no others; the first
# of these, or one less.

my @edges = Recs::Rights->new($t->root . '/docs/redis.md')->users({
    name => 'edge', of => [['Sets', 0], ['Sets', 3], ['Snapshots', 0],
                           ['Guards', 0], ['Guards', 1]],
    less => [qw(+sadd +publish +fcall +type +hgetall +sismember +time +set
                +lpush +ltrim)],
});

sub edge_is {
    my ($user) = @_;

    $redis->cmd('ACL', 'SETUSER', 'edge', (grep { !/^>/ } @{ $user->{rights} }),
                '>sesame', '%R~sold');
}

sub edge_may_not_tell {
    $redis->cmd('ACL', 'SETUSER', 'edge', '-sadd', '-publish', '-fcall');
}

edge_is($edges[0]);
$t->set(PASSWORD => $t->write('password', "sesame\n"));

my $http = <<'HTTP';
    recs_redis main {
        server %%REDIS%%;
        timeout 2s;
        auth user=edge password_file=%%PASSWORD%%;
    }
    recs_set sold redis=main key=sold %%SET%%;
    recs_snapshots home redis=main prefix=home poll=100ms %%IMAGE%%;
    recs_guard home removed=60% empty=5% missing=20% errors=2% window=10m
               min=50;
    recs_guard home channel=canary removed=+20% empty=+5% window=10m min=50;

    recs on;
    recs_user $arg_user;
    recs_lookup_timeout 10s;
    server {
        listen %%LISTEN%% reuseport;
        add_header X-Pid $pid;
        location = /status { recs off; recs_status; add_header X-Pid $pid; }
        location = /ready { recs off; recs_ready; }
        location = /page {
            recs_exclude sold;
            recs_pass home channel=$arg_channel;
        }
        location = /raw { recs off; recs_pass home; }
    }
HTTP

$t->set(IMAGE => "image=$dir/home", SET => '');

my $nginx = $t->nginx(http => $http, workers => 4, reloads => 0, daemon => 1);


# A version's pages, by what is wrong with them.

my @good = map { qq({"id":"i$_"}) } 1 .. 10;
my @sold = map { qq({"id":"s$_"}) } 1 .. 8;

my %pages = (
    good => '{"items":[' . join(',', @good) . ']}',
    sold => '{"items":[' . join(',', @sold, @good[8, 9]) . ']}',
    empty => '{"items":[]}',
    malformed => '{"items":[',
);

my $prefix = 'home';

sub load {
    my ($version, $kind, %fields) = @_;

    my $rows = $kind eq 'missing' ? 4 : USERS;
    my $page = $pages{$kind} // $pages{good};

    $redis->pipeline(
        ['SET', "$prefix:$version:u:_default", $pages{good}],
        (map { ['SET', "$prefix:$version:u:u$_", $page] } 1 .. $rows),
        ['HSET', "{$prefix}:$version:meta", model => "m-$version", schema => 1,
         features => 1, state => 'complete', generated_at => time,
         expected => USERS, written => USERS, %fields]);
}

sub call {
    my ($function, $channel, $version, @more) = @_;

    my @keys = map { "{$prefix}:$_" } "channel:$channel", qw(history
                                                             rolled_back);
    push @keys, "{$prefix}:$version:meta" if $version;

    return $redis->cmd('FCALL', $function, scalar @keys, @keys,
                       $version // (), @more);
}

sub publish {
    my ($version, $channel, @more) = @_;

    call('recs_publish', $channel // 'active', $version, @more);
    return becomes($version, $channel);
}

my $edge = 'A';

sub edge { return $t->http($edge eq 'A' ? () : (port => $edge)) }

sub home {
    my $c = edge();
    my $home = $c->get('/status')->json->{snapshots}{$prefix};
    $c->close;
    return $home;
}

sub channel { return home()->{channels}{ $_[0] // 'active' } }
sub left { return channel($_[0])->{guard}{left} }

sub becomes {
    my ($version, $channel) = @_;

    my $is = wait_until(sub {
        my $c = channel($channel);
        ($c->{active} // '') eq $version && ($c->{default_of} // '') eq $version
    });

    diag(explain(channel($channel))) if !$is;
    return ok $is, "$version is active";
}

sub told {
    my ($channel) = @_;

    my $is = wait_until(sub {
        my $left = left($channel);
        $left && $left->{told};
    });

    return ok $is, 'Redis knows';
}

sub looks {
    my $calls = $redis->calls('get');
    return wait_until(sub { $redis->calls('get') > $calls + 6 });
}

sub logged { return scalar(() = $_[1]->error_log =~ /$_[0]/g) }
sub marked { return $redis->cmd('SISMEMBER', "{$prefix}:rolled_back", $_[0]) }
sub pointer { return $redis->cmd('GET', "{$prefix}:channel:" . $_[0]) }


# So many pages, one after the other; which versions they were of.

sub pages {
    my ($count, %opt) = @_;

    my $c = $opt{c} // edge();
    my %versions;

    for my $n (1 .. $count) {
        my $r = $c->get('/page?user=u' . ($n % USERS + 1) . '&channel='
                        . ($opt{channel} // ''));
        my ($state) = ($r->header('Recs-Filter') // '') =~ /^(\w+)/;
        my $name = $r->header('Recs-Snapshot') // $r->status;

        $versions{ ($state // '') =~ /^(?:filtered|malformed)?$/ ? $name
                   : "$name-$state" }++;
    }

    $c->close if !$opt{c};
    return join ' ', map { "$_:$versions{$_}" } sort keys %versions;
}


# Each worker serves it.

sub all_workers_have {
    my ($version) = @_;

    my %wanted = map { $_ => 1 } $nginx->workers;
    my %served;

    wait_until(sub {
        my $r = $t->get('/page?user=u1');
        $served{ $r->header('X-Pid') } = $r->header('Recs-Snapshot');
        return !grep { !$served{$_} } keys %wanted;
    });

    is join(' ', map { $served{$_} // 'none' } keys %wanted),
        join(' ', ($version) x 4), "all workers have $version";
}


# Each worker has Redis again.

sub all_are_well {
    my ($version) = @_;

    my %wanted = map { $_ => 1 } $nginx->workers;
    my %well;

    return ok wait_until(sub {
        my $r = $t->get('/page?user=u1');
        $well{ $r->header('X-Pid') } = 1
            if ($r->header('Recs-Filter') // '') =~ /^filtered/
               && $r->header('Recs-Snapshot') eq $version;
        return !grep { !$well{$_} } keys %wanted;
    }), "all workers have $version, and Redis";
}


subtest 'no version before' => sub {
    load('v0', 'sold');
    publish('v0');

    is pages(3 * MIN), 'v0:150', 'it stays';
    my $left = left();
    is $left->{version}, 'v0', 'the status: which';
    is $left->{to}, undef, 'to none';
    ok $left->{stays}, 'it stays';
    ok !$left->{told}, 'nobody is told';
    is logged('\[error\].*"home" channel "active": version "v0" stays, as '
              . 'there is none before it: "removed" is 80\.00% in 50 pages '
              . 'within 600000ms, the limit is 60\.00%', $nginx), 1, 'one line';

    looks();
    is marked('v0'), 0, 'no mark';
    is home()->{guarded}, 0, 'not counted';

    $redis->cmd('SET', "home:v0:u:u$_", $pages{good}) for 1 .. USERS;
    load('v1', 'good');
    publish('v1');
    is left(), undef, 'forgotten with the next version';
    is pages(3 * MIN), 'v1:150', 'that does well';
};


my $events = $redis->connect;
$events->cmd('SUBSCRIBE', 'home:events');

# The next event of a guard.

sub event {
    while (1) {
        my $message = $events->reply;
        return $message->[2] if $message->[2] =~ /"guard"/;
    }
}


subtest 'most items are sold out' => sub {
    load('v2', 'sold');
    publish('v2');

    is pages(3 * MIN), 'v1:100 v2:50', 'the first pages that may tell do';
    all_workers_have('v1');
    told();

    is_deeply left(), { version => 'v2', to => 'v1', stays => JSON::PP::false,
        why => 'removed', share => 0.8, limit => 0.6, pages => 50,
        since => left()->{since}, told => JSON::PP::true }, 'the status';
    my $left = 'nginx_recs_guard_left_version_info\{snapshots="home",'
        . 'channel="active",version="v2",to="v1",why="removed"\} 1';
    like $t->get('/status?format=prometheus')->body, qr/^$left$/m,
        'the metric';
    cmp_ok abs(left()->{since} - time), '<', 60, 'when';
    is home()->{guarded}, 1, 'counted';

    is logged('\[error\].*recs_guard "home" channel "active": version "v2" is '
              . 'left for version "v1": "removed" is 80\.00% in 50 pages',
              $nginx), 1, 'one line in the log';
    is event(), '{"channel":"active","version":"v1","event":"guard",'
        . '"left":"v2","why":"removed","share":0.8000,"limit":0.6000}',
        'an event';
    is marked('v2'), 1, 'marked';
    is pointer('active'), 'v1', 'the channel is moved';
    like $redis->cmd('LINDEX', '{home}:history', 0),
        qr/"rollback",.*"version":"v1","previous":"v2","who":"guard"/,
        'by its history';

    looks();
    is channel()->{refused}, undef, 'nothing is refused';
    is $t->get('/ready')->body, "ready\n", 'ready';
};

# As if Redis had come back without what it was told.

sub forget {
    my ($version) = @_;

    $redis->pipeline(['MULTI'], ['SREM', '{home}:rolled_back', $version],
                     ['SET', '{home}:channel:active', $version], ['EXEC']);
}

subtest 'it does not return by itself' => sub {
    edge_may_not_tell();
    forget('v2');
    ok wait_until(sub { (channel()->{refused} // '') eq 'v2' }),
        'it is refused, marked or not';
    is channel()->{reason}, 'its guard left it', 'and why';
    is channel()->{active}, 'v1', 'v1 stays';
    is channel()->{lost}, 0, 'nothing is lost';
    is $t->get('/ready')->body, "ready\n", 'ready';

    $nginx->reload;
    looks();
    is pages(10), 'v1:10', 'nor after a reload';
    is left()->{version}, 'v2', 'which keeps what the status says';

    $nginx->quit;
    $nginx->start;
    ok wait_until(sub { (channel()->{refused} // '') eq 'v2' }),
        'nor after a restart';
    is pages(10), 'v1:10', 'with an image';
    is left()->{version}, 'v2', 'the status, too';
    ok !left()->{told}, 'Redis is told again';

    edge_is($edges[0]);
    told();
    is marked('v2'), 1, 'as soon as it listens';
    is pointer('active'), 'v1', 'and moved';

    call('recs_publish', 'active', 'v2', 'restore=yes');
    becomes('v2');
    is left(), undef, 'restored on purpose it does';
    is pages(3 * MIN), 'v1:100 v2:50', 'and is judged anew';
    told();
};


subtest 'rows are missing' => sub {
    load('v3', 'missing');
    publish('v3');

    # A page without a row is the default one, of v3.
    is pages(3 * MIN), 'v1:100 v3:50', 'left';
    is left()->{why}, 'missing', 'why';
    cmp_ok left()->{share}, '>', 0.7, 'the share';
    told();
};


subtest 'rows are malformed' => sub {
    load('v4', 'malformed');
    publish('v4');
    is pages(3 * MIN), '502:50 v1:100', 'left';
    is left()->{why}, 'errors', 'why';
    told();
};


subtest 'rows are too large' => sub {
    load('v5', 'good');
    $redis->cmd('SET', "home:v5:u:u$_", 'x' x 2_000_000) for 1 .. 2;
    publish('v5');
    my $said = pages(3 * MIN);
    like $said, qr/v1:/, 'left';
    is left()->{why}, 'errors', 'why';
    told();
};


subtest 'pages are empty' => sub {
    load('v6', 'empty');
    publish('v6');
    is pages(3 * MIN), 'v1:100 v6:50', 'left';
    is left()->{why}, 'empty', 'why';
    told();
};


subtest 'rows that are not looked at' => sub {
    load('v7', 'sold');
    publish('v7');

    my $c = edge();
    is $c->get('/raw?user=u1')->status, 200, 'a row as it is' for 1 .. 2 * MIN;
    is left()->{version}, 'v6', 'they tell of no item';
    $c->close;

    call('recs_rollback', 'active');
    becomes('v1');
};


# What is not the version's fault.

subtest 'a set that does not answer' => sub {
    load('v8', 'sold');
    publish('v8');

    $redis->cmd('DEL', 'sold');
    $redis->cmd('SET', 'sold', 'no set');

    is pages(2 * MIN), 'v8-degraded:100', 'pages that no set judged';
    is left()->{version}, 'v6', 'nothing is left';
    is channel()->{guard}{removed}, 0, 'none of them counts';

    $redis->cmd('DEL', 'sold');
    $redis->cmd('SADD', 'sold', map { "s$_" } 1 .. 10);
    like pages(3 * MIN), qr/v1:\d+ v8:\d+/, 'until it answers';
    told();
};


subtest 'Redis has lost the rows' => sub {
    load('v9', 'good');
    publish('v9');

    $redis->cmd('DEL', map { "home:v9:u:u$_" } 1 .. USERS);
    $redis->cmd('DEL', '{home}:v9:meta');
    ok wait_until(sub { channel()->{lost} }), 'lost';

    is pages(2 * MIN), 'v9-stale:100', 'default pages';
    is left()->{version}, 'v8', 'nothing is left';

    load('v9', 'good');
    ok wait_until(sub { !channel()->{lost} }), 'it is there again';
};


subtest 'the leader stands still, and Redis dies' => sub {
    load('v10', 'sold');
    publish('v10');
    $redis->cmd('SAVE');

    # Another leader could tell it before it dies.
    edge_may_not_tell();

    my $leader = home()->{leader};
    my $c = $t->freeze_worker($leader);

    is pages(3 * MIN, c => $c), 'v10:50 v9:100', 'left without it';
    $redis->kill;

    is pages(4, c => $c), 'v9-degraded:4', 'the default page is of v9, too';

    kill 'CONT', $leader;
    ok wait_until(sub { left()->{version} eq 'v10' }), 'the status';
    is left()->{told}, JSON::PP::false, 'Redis is yet to be told';

    $redis->start;
    ok wait_until(sub { eval { $redis->cmd('PING') } }), 'Redis comes back';
    edge_is($edges[0]);
    told();
    is marked('v10'), 1, 'marked';
    is pointer('active'), 'v9', 'moved';
    is logged(qr/Redis knows that version "v10" was left/, $nginx), 1,
        'one line';
    all_are_well('v9');
};


subtest 'the leader is killed' => sub {
    $t->expect_kills;
    load('v11', 'sold');
    publish('v11');

    my $leader = home()->{leader};
    my $c = $t->freeze_worker($leader);
    kill 'KILL', $leader;

    is pages(3 * MIN, c => $c), 'v11:50 v9:100', 'left without it';
    ok wait_until(sub { $nginx->workers == 4 }), 'the worker is replaced';
    told();
    is pointer('active'), 'v9', 'moved by the next one';
    all_are_well('v9');
};


subtest 'another edge' => sub {
    $t->set(IMAGE => '');
    my $b = $t->nginx(name => 'b', http => $http =~ s/%%LISTEN%%/%%LISTEN_B%%/r,
                      workers => 1, reloads => 0);
    $edge = 'B';
    becomes('v9');

    load('v12', 'sold');
    $edge = 'A';
    publish('v12');
    $edge = 'B';
    becomes('v12');

    $edge = 'A';
    is pages(3 * MIN), 'v12:50 v9:100', 'one has the pages';
    $edge = 'B';
    becomes('v9');
    is left(), undef, 'the other follows';
    is pages(10), 'v9:10', 'and serves it';

    # Without the library there is only the mark.

    $edge = 'A';
    told();
    load('v13', 'sold');
    publish('v13');
    $edge = 'B';
    becomes('v13');
    $redis->cmd('FUNCTION', 'FLUSH');

    $edge = 'A';
    is pages(3 * MIN), 'v13:50 v9:100', 'again';
    told();
    is pointer('active'), 'v13', 'the channel still names it';
    is logged('\[warn\].*version "v13" was left, but Redis refuses FCALL '
              . 'recs_rollback: ERR ', $nginx), 1, 'which the log tells';

    $edge = 'B';
    becomes('v9');
    is channel()->{reason}, 'it was rolled back', 'the mark is enough';

    $redis->cmd('FUNCTION', 'LOAD', $library);
    load('v14', 'good');
    publish('v14');
    $edge = 'A';
    becomes('v14');
    $b->stop;
};


subtest 'a canary, and a flash sale' => sub {
    load('v15', 'good');
    publish('v15', 'canary');

    # On sale, and gone: in both versions.
    $redis->cmd('SADD', 'sold', map { "i$_" } 1 .. 5);

    for (1 .. 2 * MIN) {
        pages(1);
        pages(1, channel => 'canary');
    }

    is channel('canary')->{active}, 'v15', 'both lose the same: it stays';
    cmp_ok channel('canary')->{guard}{removed}, '>', 0.4, 'though it is much';
    is left('canary'), undef, 'nothing was left';
    is channel()->{active}, 'v14', 'the active one, too';

    load('v16', 'sold');
    publish('v16', 'canary');
    is pages(3 * MIN, channel => 'canary'), 'v15:100 v16:50', 'one that is '
        . 'worse than active is left';
    cmp_ok left('canary')->{limit}, '>', 0.6, 'its limit is above '
        . "active's share";
    told('canary');
    is pointer('canary'), 'v15', 'only the canary is moved';
    is pages(10), 'v14:10', 'active is as it was';
};


subtest 'a canary without a version before' => sub {
    $redis->cmd('DEL', '{home}:channel:canary');
    ok wait_until(sub { !defined channel('canary')->{active} }), 'it ends';

    load('v17', 'sold');
    publish('v17', 'canary');
    $events = $redis->connect;
    $events->cmd('SUBSCRIBE', 'home:events');

    is pages(3 * MIN, channel => 'canary'), 'v14:100 v17:50', 'then it is what '
        . 'active is';
    told('canary');
    is left('canary')->{to}, undef, 'to none of its own';
    is logged('channel "canary": version "v17" is left for channel "active": ',
              $nginx), 1, 'the log';
    is event(), '{"channel":"canary","version":null,"event":"guard",'
        . '"left":"v17","why":"removed","share":0.8000,"limit":0.7000}',
        'the event';
    $events->close;
    is marked('v17'), 1, 'marked';

    looks();
    is pages(10, channel => 'canary'), 'v14:10', 'it stays so';
};

# Whatever the edge may not do, it goes back; the log tells what others don't
# hear of.

subtest 'rights' => sub {
    my ($well, @users) = @edges;
    my $n = 20;

    for my $user (@users) {
        my $version = 'v' . $n++;
        my ($right, $says) = ($user->{lacks}, $user->{says}[0]);

        load($version, 'sold');
        publish($version);
        edge_is($user);

        is pages(3 * MIN), "v14:100 $version:50", "without $right: left";
        ok $nginx->wait_log(qr/"$version" was left, but \Q$says\E: .*/),
            "the log: $says" or diag explain $user->{says};

        looks();
        cmp_ok logged(qr/"$version" was left, but \Q$says\E:/, $nginx), '<=', 4,
            'once a leader, of which there may be several on a slow machine';
        is pointer('active'), $version, 'the channel is not moved';
        is marked($version), $right eq '+sadd' ? 0 : 1, 'is it marked?';

        edge_is($well);
        told();
    }
};

$t->done;
