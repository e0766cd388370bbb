use strict;
use warnings;

# A Redis Cluster whose replicas pages are read from: by "reads replica" and
# "reads nearest", as long as they are fit for it.  What nobody may read late,
# and what is written, is the master's.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(all first sum0);
use POSIX ();
use Recs::Mode;
use Recs::Process qw(wait_until);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

# No replica takes over unless it is asked to.
my $cluster = $t->redis_cluster(masters => 2, replicas => 2,
                                timeout => 600_000);

my @users = map { "u$_" } 1 .. 20;
my @ids = map { "i$_" } 0 .. 9;

$cluster->cmd('ZADD', "seen:u$_", 1, 'i' . $_ % 9) for 1 .. @users;
$cluster->cmd('ZADD', "shown:u$_", time, 'i' . $_ % 9) for 1 .. @users;
$cluster->cmd('SADD', '{stock}', @ids);
$cluster->cmd('HSET', '{pool}', 'p1', '{"id":"p1"}');

$_->cmd('ACL', 'SETUSER', 'edge', 'on', '>secret', '~*', '+@all', '-info')
    for $cluster->nodes;
$_->cmd('ACL', 'SETUSER', 'strict', 'on', '>secret', '~*', '+@all',
        '-readonly') for $cluster->nodes;
$t->write('password', "secret\n");

my $page = '{"items":[' . join(',', map { qq({"id":"$_"}) } @ids) . ']}';
$t->write('www/page.json', $page);
$t->upstream($page);

open my $file, '<', $t->root . '/conf/recs.lua' or die "recs.lua: $!\n";
my $library = do { local $/; <$file> };
$_->cmd('FUNCTION', 'LOAD', $library) for $cluster->masters;

my $nginx = $t->nginx(workers => 2, reloads => 0, http => <<'HTTP');
recs_redis main { %%CLUSTER_SETTINGS%% reads replica max_lag=60s; }
recs_redis short { %%CLUSTER_SETTINGS%% reads replica max_lag=2s; }
recs_redis near { %%CLUSTER_SETTINGS%% reads nearest max_lag=60s; }
recs_redis plain { %%CLUSTER_SETTINGS%% reads master; }
recs_redis edge {
    %%CLUSTER_SETTINGS%% reads replica;
    auth user=edge password_file=%%TESTDIR%%/password;
}
recs_redis strict {
    %%CLUSTER_SETTINGS%% reads replica;
    auth user=strict password_file=%%TESTDIR%%/password;
}

recs_set main redis=main key=seen:$arg_user type=zset;
recs_set short redis=short key=seen:$arg_user type=zset;
recs_set near redis=near key=seen:$arg_user type=zset;
recs_set plain redis=plain key=seen:$arg_user type=zset;
recs_set edge redis=edge key=seen:$arg_user type=zset;
recs_set strict redis=strict key=seen:$arg_user type=zset;
recs_set many redis=main key=seen:$arg_user type=zset prefetch=100;
recs_set shown redis=main key=shown:$arg_user type=zset;
recs_set stock redis=main "key={stock}" replica=on "feed={stock}:feed";
recs_set large redis=main "key={stock}" replica=on "feed={stock}:feed"
               capacity=5;
recs_pool fresh redis=main "key={pool}" refresh=200ms;
recs_snapshots home redis=main prefix=home poll=100ms;
recs_lookup_timeout 20s;

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/www;
    default_type application/json;
    recs on;
    recs_user $arg_user;

    location /main/ { alias %%TESTDIR%%/www/; recs_exclude main; }
    location /short/ {
        alias %%TESTDIR%%/www/;
        recs_lookup_timeout 100ms;
        recs_exclude short;
    }
    location /near/ { alias %%TESTDIR%%/www/; recs_exclude near; }
    location /plain/ { alias %%TESTDIR%%/www/; recs_exclude plain; }
    location /edge/ { alias %%TESTDIR%%/www/; recs_exclude edge; }
    location /strict/ { alias %%TESTDIR%%/www/; recs_exclude strict; }
    location /many/ { recs_exclude many; proxy_pass http://%%API%%; }
    location /two/ { alias %%TESTDIR%%/www/; recs_exclude main shown; }
    location /stock/ { alias %%TESTDIR%%/www/; recs_require stock; }
    location /large/ { alias %%TESTDIR%%/www/; recs_require large; }
    location /pool/ { alias %%TESTDIR%%/www/; recs_backfill fresh min=11; }
    location /shown/ {
        alias %%TESTDIR%%/www/;
        recs_record_shown redis=main key=new:$recs_user within=1h;
    }
    location /home { recs_pass home; }
    location = /status { recs off; recs_status; }
}
HTTP

my @masters = $cluster->masters;
my @replicas = $cluster->replicas;

sub status { return $t->get('/status')->json->{redis}{ $_[0] }{servers} }
sub of { return status($_[0])->{ '127.0.0.1:' . $_[1]->port } // {} }
sub ids_of { return join ' ', map { $_->{id} } @{ $_[0]->json->{items} } }

sub expected {
    my ($user) = @_;

    my $seen = 'i' . ($user =~ s/\D//r) % 9;
    return join ' ', grep { $_ ne $seen } @ids;
}

# A worker has all servers of that kind: all replicas are fit, in both workers.

sub wait_fit {
    my ($redis, $count) = @_;

    my $rows = 0;
    return wait_until(sub {
        my $servers = status($redis);
        my @fit = grep { $_->{ready} && $_->{fit} } values %$servers;
        $rows = @fit == $count ? $rows + 1 : 0;
        return $rows > 20;
    });
}

# Pages of all users, $times; how often each of those servers was asked so.

sub asked {
    my ($path, $command, $times, @servers) = @_;

    my %before = map { $_ => $_->calls($command) } @servers;
    my @wrong;

    for my $user ((@users) x $times) {
        my $r = $t->get("/$path/page.json?user=$user");
        push @wrong, "$user: " . $r->header('Recs-Sets') . ids_of($r)
            if ids_of($r) ne expected($user);
    }

    is_deeply \@wrong, [], "$path: all pages are right";
    return map { $_->calls($command) - $before{$_} } @servers;
}

# The log says so of a replica.

sub says {
    my ($redis, $what) = @_;

    ok $nginx->wait_log(qr/"$redis" redis:\S+: this replica $what/), $what;
}

sub moved {
    return sum0 map { $_->cmd('INFO', 'errorstats')
                      =~ /errorstat_MOVED:count=(\d+)/ ? $1 : 0 }
                $cluster->answering;
}


subtest 'replicas are asked, each in turn' => sub {
    ok wait_fit('main', 6), 'all are fit';

    my $before = moved();
    my @calls = asked('main', 'zmscore', 5, @masters, @replicas);

    is_deeply [@calls[0, 1]], [0, 0], 'no master';
    is sum0(@calls), 5 * @users, 'nobody twice';
    is scalar(grep { $_ > 10 } @calls[2 .. 5]), 4, 'all replicas';
    is moved(), $before, 'none in vain';

    @calls = asked('plain', 'zmscore', 1, @masters, @replicas);
    is sum0(@calls[0, 1]), scalar @users, 'reads master: masters';

    my $servers = status('plain');
    is keys %$servers, 2, 'and no connection to others';
    is_deeply [sort map { $_->{replica} ? 1 : 0 } values %$servers], [0, 0],
        'nothing else is said of them';
};


subtest 'what the status says of them' => sub {
    my $servers = status('main');
    my ($master, $replica) = (of('main', $masters[0]),
                              of('main', $replicas[0]));

    is keys %$servers, 6, 'all servers';
    ok !$master->{replica}, 'a master';
    ok !exists $master->{link}, 'has no link';
    ok $replica->{replica}, 'a replica';
    is $replica->{ready}, 1, 'a connection';
    ok $replica->{fit}, 'fit';
    is $replica->{link}, 'up', 'follows its master';
    cmp_ok $replica->{lag}, '<', 60_000, 'so old it may be';
    cmp_ok $replica->{trip}, '>', 0, 'an answer takes so long';
};


subtest 'all that pages read' => sub {
    my @calls = asked('many', 'zrange', 1, @masters, @replicas);
    is_deeply [@calls[0, 1]], [0, 0], 'prefetched sets';
    cmp_ok sum0(@calls), '>', 0, 'were read';

    @calls = asked('two', 'zmscore', 1, @masters, @replicas);
    is_deeply [@calls[0, 1]], [0, 0], 'several questions of a page';

    $cluster->cmd('SET', "home:v1:u:$_", '{"items":[{"id":"row"}]}')
        for '_default', @users;
    $cluster->cmd('HSET', '{home}:v1:meta', model => 'm', schema => 1,
                  features => 1, state => 'complete', generated_at => time,
                  expected => scalar @users, written => scalar @users);
    $cluster->cmd('FCALL', 'recs_publish', 4,
                  (map { "{home}:$_" } qw(channel:active history rolled_back)),
                  '{home}:v1:meta', 'v1');

    ok wait_until(sub { $t->get('/home?user=u1')->status == 200 }),
        'a snapshot';

    my $row = sub {
        my @before = map { $_->calls('get') } @replicas;
        $t->get('/home?user=u1') for 1 .. 10;
        return sum0(map { $_->calls('get') } @replicas) - sum0(@before);
    };
    ok wait_until(sub { $row->() == 10 }), 'rows of it';
};


subtest 'what only a master is asked' => sub {
    ok wait_until(sub {
        $t->get('/stock/page.json')->header('Recs-Sets') =~ /age=/
    }), 'a replica in shared memory';
    ok wait_until(sub { ids_of($t->get('/pool/page.json')) =~ /p1/ }),
        'a pool';

    $t->get("/shown/page.json?user=u1");
    ok wait_until(sub { $cluster->cmd('ZCARD', 'new:u1') == 10 }),
        'a record of what was shown';

    for my $command (qw(sscan hscan xread xrevrange lrange scard)) {
        is sum0(map { $_->calls($command) } @replicas), 0,
            "no replica: $command";
    }

    my @before = map { $_->calls('smismember') } @replicas;
    my $from = sum0 map { $_->calls('smismember') } @masters;
    $t->get('/large/page.json') for 1 .. 10;
    is_deeply [map { $_->calls('smismember') } @replicas], \@before,
        'nor for a set with a max_lag= of its own';
    cmp_ok sum0(map { $_->calls('smismember') } @masters) - $from, '>=', 10,
        'its master is';
};


subtest 'one that does not say how it is' => sub {
    ok wait_fit('edge', 6), 'is fit all the same';
    is of('edge', $replicas[0])->{link}, 'unknown', 'as the status says';
    is of('edge', $replicas[0])->{lag}, undef, 'its age, too';
    says('edge',
         'is read from, and does not say whether it follows its master');

    my @calls = asked('edge', 'zmscore', 1, @masters, @replicas);
    is_deeply [@calls[0, 1]], [0, 0], 'it is read from';
};


subtest 'one that may not be read from' => sub {
    ok $nginx->wait_log(qr/"strict" redis:\S+: Redis refused READONLY/),
        'the log says so';

    my @calls = asked('strict', 'zmscore', 1, @masters, @replicas);
    is sum0(@calls[0, 1]), scalar @users, 'the master is';
};


subtest 'the nearest' => sub {
    my $user = $users[0];
    my ($master) = $cluster->node_of("seen:$user");
    my @near = ($master, $cluster->replicas($master));

    # Which of them was asked by all requests of both workers; undef: by some.
    my $all = sub {
        my @before = map { $_->calls('zmscore') } @near;
        $t->get("/near/page.json?user=$user") for 1 .. 20;
        my @now = map { $_->calls('zmscore') } @near;
        return first { $now[$_] - $before[$_] == 20 } 0 .. $#near;
    };

    ok wait_fit('near', 6), 'all are fit';

    for my $i (0, 1, 2, 0) {
        my @slow = map { slow($near[$_]) } grep { $_ != $i } 0 .. 2;
        ok wait_until(sub { ($all->() // -1) == $i }, 60), "it is $i";
        $_->() for @slow;
    }
};


# It answers in some 20 ms, until what is returned is called.

sub slow {
    my ($node) = @_;

    my $redis = $node->pid;
    my $parent = $$;
    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        my $on = 1;
        local $SIG{TERM} = sub { $on = 0 };
        while ($on && getppid == $parent) {
            kill 'STOP', $redis;
            select undef, undef, undef, 0.04;
            kill 'CONT', $redis;
            select undef, undef, undef, 0.002;
        }
        kill 'CONT', $redis;
        POSIX::_exit(0);
    }

    return sub { kill 'TERM', $pid; waitpid $pid, 0 };
}


subtest 'a master that is frozen' => sub {
    my $user = $users[0];
    my $master = $cluster->node_of("seen:$user");
    my @of = $cluster->replicas($master);
    my $get = sub { $t->get("/$_[0]/page.json?user=$user") };

    ok wait_until(sub { ids_of($get->('short')) eq expected($user) }), 'before';

    $master->freeze;

    ok wait_until(sub {
        !grep { of('short', $_)->{fit} } @of
    }), 'its replicas are not fit any more';
    is of('short', $of[0])->{link}, 'up', 'they have not noticed';
    says('short', 'is not read from: it lags behind its master');

    my @before = map { $_->calls('zmscore') } @of;
    for (1 .. 5) {
        like $get->('short')->header('Recs-Sets'), qr/^short;unknown/,
            'rather no answer than an old one';
    }
    is_deeply [map { $_->calls('zmscore') } @of], \@before,
        'they were not asked';

    $get->('main') for 1 .. 4;
    cmp_ok sum0(map { $_->calls('zmscore') } @of), '>', sum0(@before),
        'but where max_lag= allows it';

    $master->thaw;
    ok wait_fit('short', 6), 'fit again';
    says('short', 'is read from again: it follows its master');

    my @calls = asked('main', 'zmscore', 1, @masters, @replicas);
    is_deeply [@calls[0, 1]], [0, 0], 'read from';
};


subtest 'a master that is lost' => sub {
    my $user = $users[0];
    my $master = $cluster->node_of("seen:$user");
    my @of = $cluster->replicas($master);

    $master->cmd('SAVE');
    $master->kill;

    ok wait_until(sub {
        !grep { of('main', $_)->{fit} } @of
    }), 'its replicas are not fit any more';
    is of('main', $of[0])->{link}, 'down', 'they have noticed';
    says('main', 'is not read from: it has lost its master');

    my @before = map { $_->calls('zmscore') } @of;
    like $t->get("/main/page.json?user=$user")->header('Recs-Sets'),
        qr/^main;unknown/, 'no answer';
    is_deeply [map { $_->calls('zmscore') } @of], \@before,
        'they were not asked';

    $master->start;
    $cluster->settle;
    ok wait_fit('main', 6), 'fit again';
    asked('main', 'zmscore', 1);
};


subtest 'a replica that lost its master, which lives' => sub {
    my $user = $users[0];
    my ($one) = $cluster->replicas($cluster->node_of("seen:$user"));
    my $said = sub {
        $one->cmd('INFO', 'errorstats')
            =~ /errorstat_MASTERDOWN:count=(\d+)/ ? $1 : 0
    };

    # Its answer before anybody knows: it is asked while the second lasts.

    $one->cmd('CONFIG', 'SET', 'replica-serve-stale-data', 'no');

    ok wait_until(sub {
        my $before = $said->();
        $one->cmd('CONFIG', 'SET', 'masterauth', 'wrong');
        $one->cmd('CLIENT', 'KILL', 'TYPE', 'master');
        asked('main', 'zmscore', 1);

        my $after = $said->();
        return 1 if $after > $before;

        $one->cmd('CONFIG', 'SET', 'masterauth', '');
        wait_fit('main', 6);
        return 0;
    }), 'it says MASTERDOWN, and the master is asked';

    ok wait_until(sub { !of('main', $one)->{fit} }), 'it is not fit';
    is of('main', $one)->{link}, 'down', 'and why';
    asked('main', 'zmscore', 1);

    $one->cmd('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
    my ($calls) = asked('main', 'zmscore', 1, $one);
    is $calls, 0, 'nor is it asked where it would answer';

    $one->cmd('CONFIG', 'SET', 'masterauth', '');
    ok wait_fit('main', 6), 'fit again';
};


subtest 'a replica that is killed' => sub {
    my $user = $users[0];
    my ($one, $other) = $cluster->replicas($cluster->node_of("seen:$user"));

    $one->cmd('SAVE');
    $one->kill;
    ok wait_until(sub { !of('main', $one)->{ready} }), 'it is away';
    wait_fit('main', 5);

    my $before = $other->calls('zmscore');
    asked('main', 'zmscore', 1);
    cmp_ok $other->calls('zmscore'), '>=', $before + 5,
        'its sister has its part';

    $one->start;
    $cluster->settle;
    ok wait_fit('main', 6), 'it is back';
};


subtest 'a replica and its master change places' => sub {
    my $user = $users[0];
    my $old = $cluster->node_of("seen:$user");
    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        my ($c, $wrong) = ($t->http, 0);
        for (1 .. 2000) {
            my $user = $users[$_ % @users];
            $wrong += ids_of($c->get("/main/page.json?user=$user"))
                      ne expected($user);
        }
        POSIX::_exit($wrong ? 1 : 0);
    }

    my $new = $cluster->switch_over($old);
    waitpid $pid, 0;
    is $?, 0, 'all pages were right meanwhile';

    ok wait_until(sub {
        !of('main', $new)->{replica} && of('main', $old)->{replica}
    }), 'the status knows';
    ok wait_fit('main', 6), 'all are fit';

    my ($to, $from) = asked('main', 'zmscore', 2, $new, $old);
    is $to, 0, 'the new master is not asked';
    cmp_ok $from, '>', 0, 'the old one is';

    $t->get("/shown/page.json?user=$_") for @users;
    is_deeply [grep {
        my $user = $_;
        !wait_until(sub { $cluster->cmd('ZCARD', "new:$user") == @ids });
    } @users], [], 'what was shown is recorded by masters';

    my $again = $cluster->switch_over($new);
    ok wait_fit('main', 6), 'and once more';
    asked('main', 'zmscore', 1);
};

$t->expect_kills;
$t->done;
