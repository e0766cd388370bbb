use strict;
use warnings;

# A Redis that sentinels watch, of which pages are read from replicas: those
# that sentinels name, as long as they follow the master, also after another one
# has become that.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Recs::Process qw(wait_until);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis_sentinel(replicas => 2);

my @ids = map { "i$_" } 0 .. 9;
$redis->cmd('ZADD', 'seen:u1', 1, 'i3');
$redis->cmd('WAIT', 2, 0);

$t->write('www/page.json',
          '{"items":[' . join(',', map { qq({"id":"$_"}) } @ids) . ']}');

$_->cmd('ACL', 'SETUSER', 'edge', 'on', '>secret', '+@all', '&*',
        '-sentinel|replicas') for $redis->sentinels;
$t->write('password', "secret\n");

my $nginx = $t->nginx(workers => 2, reloads => 0, http => <<'HTTP');
recs_redis main { %%SENTINEL_SETTINGS%% reads replica max_lag=30s; }
recs_redis plain { %%SENTINEL_SETTINGS%% }
recs_redis edge {
    %%SENTINEL_SETTINGS%% reads replica;
    sentinel_auth user=edge password_file=%%TESTDIR%%/password;
}
recs_set seen redis=main key=seen:$arg_user type=zset;
recs_set plain redis=plain key=seen:$arg_user type=zset;
recs_set edge redis=edge key=seen:$arg_user type=zset;
recs_lookup_timeout 20s;

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/www;
    default_type application/json;
    recs on;
    recs_user $arg_user;

    location / { recs_exclude seen; }
    location /plain/ { alias %%TESTDIR%%/www/; recs_exclude plain; }
    location /edge/ { alias %%TESTDIR%%/www/; recs_exclude edge; }
    location /shown/ {
        alias %%TESTDIR%%/www/;
        recs_record_shown redis=main key=new:$recs_user within=1h;
    }
    location = /status { recs off; recs_status; }
}
HTTP

my @nodes = $redis->nodes;
my $shows = join ' ', grep { $_ ne 'i3' } @ids;

sub servers { return $t->get('/status')->json->{redis}{ $_[0] }{servers} }
sub of { return servers('main')->{ '127.0.0.1:' . $_[0]->port } // {} }

sub wait_fit {
    my ($count) = @_;

    my $rows = 0;
    return wait_until(sub {
        my @fit = grep { $_->{ready} && $_->{fit} } values %{ servers('main') };
        $rows = @fit == $count ? $rows + 1 : 0;
        return $rows > 20;
    });
}

# How often each of them was asked by 20 pages, all of which are right.

sub asked {
    my ($path, @servers) = @_;

    my @before = map { $_->calls('zmscore') } @servers;
    my $right = 0;

    for (1 .. 20) {
        my $r = $t->get("$path/page.json?user=u1");
        $right++ if $shows eq join ' ', map { $_->{id} } @{ $r->json->{items} };
    }

    is $right, 20, 'all pages are right';
    return map { $_->calls('zmscore') - shift @before } @servers;
}


subtest 'replicas are asked, each in turn' => sub {
    ok wait_fit(3), 'all are fit';

    my $master = $redis->master;
    my @replicas = $redis->replicas;
    my @calls = asked('', $master, @replicas);

    is $calls[0], 0, 'not the master';
    is sum0(@calls), 20, 'nobody twice';
    cmp_ok $_, '>', 5, 'both replicas' for @calls[1, 2];

    is of($replicas[0])->{link}, 'up', 'its link is known';
    ok !of($master)->{replica}, 'the master is none';

    @calls = asked('/plain', $master, @replicas);
    is $calls[0], 20, 'the master, if nothing is said';
    is keys %{ servers('plain') }, 1, 'which is all that there is then';

    $t->get('/shown/page.json?user=u1');
    ok wait_until(sub { $master->cmd('ZCARD', 'new:u1') == 10 }),
        'what was shown is recorded by the master';
};


subtest 'a sentinel that may not be asked for replicas' => sub {
    my ($calls) = asked('/edge', $redis->master);

    is $calls, 20, 'the master is asked';
    is keys %{ servers('edge') }, 1, 'as the status says';
};


subtest 'a replica that is killed' => sub {
    my ($one, $other) = $redis->replicas;

    $one->kill;
    ok wait_until(sub { !of($one)->{fit} }), 'it is away';
    ok wait_fit(2), 'two are left';

    my @calls = asked('', $redis->master, $other);
    is_deeply \@calls, [0, 20], 'its sister is asked';

    $one->start;
    $redis->settle;
    ok wait_fit(3), 'it is back';
};


subtest 'a replica becomes the master' => sub {
    my $old = $redis->master;
    my $new = $redis->switch_over;

    ok wait_until(sub { of($old)->{replica} && !of($new)->{replica} }),
        'the status knows';
    ok wait_fit(3), 'all are fit';

    my ($calls) = asked('', $new);
    is $calls, 0, 'it is not asked any more';

    $t->get('/shown/page.json?user=u2');
    ok wait_until(sub { $new->cmd('ZCARD', 'new:u2') == 10 }),
        'but records what was shown';
};


subtest 'a master that is frozen' => sub {
    my $old = $redis->master;
    my @replicas = $redis->replicas;

    my $calls = sum0 map { $_->calls('zmscore') } @replicas;
    $old->freeze;
    $t->get('/page.json?user=u1') for 1 .. 4;
    cmp_ok sum0(map { $_->calls('zmscore') } @replicas), '>=', $calls + 4,
        'pages are read on';

    ok wait_until(sub { $redis->master != $old }, 60), 'another takes over';
    $old->thaw;
    $redis->settle;
    ok wait_until(sub { of($old)->{replica} }, 60), 'it is a replica';
    ok wait_fit(3), 'all are fit';
    asked('');
};

$t->expect_kills;
$t->done;
