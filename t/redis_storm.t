use strict;
use warnings;

# A server that is away is tried at a pace that all workers keep together,
# whatever each of them wants of it; once it is back, all of them have it soon.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Process qw(free_port wait_until);
use Recs::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $WORKERS = 16;
my $CONNECTIONS = 4;            # of each to a server
my $ALL = $WORKERS * $CONNECTIONS;
my $PACE = 10;                  # times a second that a server is tried
my $REFRESH = 15;               # the same of those that say where keys are
my $WHILE = 2;                  # seconds for which is counted

my $t = Recs::Test->new;
my $redis = $t->redis(tcp => 1);
my $cluster = $t->redis_cluster(timeout => 600_000);
my $deaf = $t->fake_redis(undef, name => 'deaf', tcp => 1, hang_up => 1);
my $secure = $t->fake_redis(undef, name => 'secure', tcp => 1, hang_up => 1);

$t->set(SECURE_TLS => 'rediss://127.0.0.1:' . $secure->port,
        SENTINELS => join ' ', map { 'redis://127.0.0.1:' . free_port() } 1, 2);

my $each = "connections $CONNECTIONS;";
my $nginx = $t->nginx(workers => $WORKERS, reloads => 0, http => <<"HTTP");
    recs_redis main { server %%REDIS_TCP%%; $each }
    recs_redis unbroken { server %%REDIS_TCP%%; $each breaker off; }
    recs_redis deaf { server %%DEAF_TCP%%; $each }
    recs_redis secure { server %%SECURE_TLS%%; $each }
    recs_redis nodes { %%CLUSTER_SETTINGS%% $each }
    recs_redis watched {
        topology sentinel mymaster;
        server %%SENTINELS%%;
        $each
    }

    recs_snapshots home redis=main prefix=home;
    recs_set main redis=main key=in_stock;

    server {
        listen %%LISTEN%%;
        default_type application/json;
        recs on;

        location = /page {
            recs_require main;
            recs_record_shown redis=main key=shown;
            return 200 '{"items":[{"id":"b1"}]}';
        }

        location = /status { recs off; recs_status; }
    }
HTTP


sub count {
    my ($name, $what) = @_;

    return $t->get('/status')->json->{redis}{$name}{$what};
}


# Once each connection was tried for the first time, which on a busy machine
# may take a while, there are so many tries in each while, and not none.

sub is_paced {
    my ($what, $counter, $pace) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok wait_until(sub { tried($counter, $WHILE) < 5 + $pace * $WHILE }),
        "$what: all workers together try it now and then";

    my $before = $counter->();
    ok wait_until(sub { $counter->() > $before }), 'and go on trying';
}


# How often it is in so many seconds.

sub tried {
    my ($counter, $seconds) = @_;

    my $start = time;
    my $before = $counter->();
    sleep $seconds;
    my $n = $counter->() - $before;

    return $n * $seconds / (time - $start);
}


subtest 'a server that hangs up is not stormed' => sub {
    for my $server ([deaf => $deaf], [secure => $secure]) {
        my ($name, $fake) = @$server;

        ok wait_until(sub { count($name, 'losses') >= $ALL }),
            "$name: each connection was tried once";
        is_paced($name, sub { $fake->connections }, $PACE);
    }
};


subtest 'nor are sentinels that are away' => sub {
    ok wait_until(sub { count('watched', 'losses') >= 2 * $WORKERS }),
        'each worker tried them';
    is_paced('sentinels', sub { count('watched', 'losses') }, $PACE + $REFRESH);
};


subtest 'nor is one that refuses connections, for whatever they are' => sub {
    ok wait_until(sub { $redis->clients > 2 * $ALL + $WORKERS }),
        'all are connected, of those that record and the one that follows, too';
    my %before = map { $_ => count($_, 'losses') } qw(main unbroken);

    $redis->kill;

    for my $name (sort keys %before) {
        ok wait_until(sub { count($name, 'losses') >= $before{$name} + $ALL }),
            "$name: all are lost";
        is_paced($name, sub { count($name, 'losses') }, $PACE);
    }
};


subtest 'once it is back, none waits for its turn' => sub {
    my $long = $ALL / $PACE;    # if each did

    $redis->start;
    my $start = time;

    ok wait_until(sub { $redis->clients > 2 * $ALL + $WORKERS }),
        'all are connected again';

    cmp_ok time - $start, '<', Recs::Mode::patience($long / 2), 'soon';
};


subtest 'nor are nodes of a cluster' => sub {
    my $nodes = 3;

    ok wait_until(sub { count('nodes', 'ready') >= $CONNECTIONS * $nodes }),
        'there is one';
    my $before = count('nodes', 'losses');

    $cluster->kill;

    ok wait_until(sub { count('nodes', 'losses') >= $before + $nodes * $ALL }),
        'all are lost';
    is_paced('nodes', sub { count('nodes', 'losses') },
             $nodes * $PACE + $REFRESH);
};


$t->done;
