use strict;
use warnings;

# The rights that docs/redis.md gives for a master that sentinels name, of the
# servers' user and of the sentinels', suffice together with those of the
# features, and each of them is needed: with one less, the response, the status
# or the log says what the document says.  The servers see no command that isn't
# in the document.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Rights;
use Recs::RightsInUse;
use Recs::Test;
use Test::More;

my ($version) = qx(redis-server --version) =~ /\bv=(\d+)/;
plan skip_all => 'the sentinels of the tests need Redis 7' if $version < 7;

my $t = Recs::Test->new;
my $redis = $t->redis_sentinel(replicas => 1, sentinels => 3);
my $rights = Recs::Rights->new($t->root . '/docs/redis.md');
my $use = Recs::RightsInUse->new(
    test => $t, redis => $redis, lines => '%%SENTINEL_SETTINGS%% sentinel_auth'
        . ' user=USER password_file=%%TESTDIR%%/password;');

my ($role, $watch, $replicas)
    = map { ['A master that sentinels name', $_] } 0 .. 2;
my $info = ['Servers that are read from', 0];
my $filtered = $use->filtered;
my %reads = (
    redis => 'reads replica max_lag=30s;', reads => 1,
    well => qr/$filtered.*"fit":true,"lag":\d+,"link":"up","ready":1,"replica/s,
);

# Those of whom each has other rights at the servers, and the same at the
# sentinels; then those of whom it is the other way round.

my @at_servers = map { $rights->users($_) } (
    $use->features($role),
    $use->seen(name => 'seen', of => [['Sets', 1], $role]),
    $use->seen(%reads, name => 'info', of => [['Sets', 1], $role, $info]),
);

my @at_sentinels = map { $rights->users($_) } (
    $use->seen(name => 'opens', of => [$watch], less => ['+ping']),
    $use->seen(name => 'watches', of => [$watch]),
    $use->seen(%reads, name => 'reads', of => [$watch, $replicas]),
);

$rights->grant($_, $redis->nodes) for @at_servers,
    map { alike($_, ['Sets', 1], $role, $_->{feature}{reads} ? $info : ()) }
    @at_sentinels;

$rights->grant($_, $redis->sentinels) for @at_sentinels,
    map { alike($_, $watch, $_->{feature}{reads} ? $replicas : ()) }
    @at_servers;

my %user = map { ($_->{lacks} // $_->{name}) => $_ } @at_servers, @at_sentinels;
my $nginx;

my @seen = $redis->watch(sub {
    $nginx = $use->start(@at_servers, @at_sentinels);
    $use->all_are_well;
    $use->lacking($_) for '+info', '+ping', '&+switch-master', '+subscribe',
                          '+sentinel|get-master-addr-by-name';
});


subtest 'a sentinel that does not say which replicas there are' => sub {
    my $user = $user{'+sentinel|replicas'};
    my ($before) = map { $_->calls('zmscore') } $redis->replicas;

    ok wait_until(sub { $use->said($user) =~ $filtered }), 'pages are right';
    unlike $use->said($user), qr/"replica":true/, 'the status shows none';
    is +($redis->replicas)[0]->calls('zmscore'), $before, 'none was asked';
};


subtest 'one that may not say when there is another master' => sub {
    for my $right ('&+switch-master', '+subscribe') {
        like $use->said($user{$right}), $filtered, 'it is asked for it';
    }

    my $master = $redis->switch_over;
    my $name = $master->tcp_url;

    for my $right ('&+switch-master', '+subscribe') {
        my $user = $user{$right};

        ok wait_until(sub {
            my $servers = $t->get('/status')->json
                          ->{redis}{ $user->{name} }{servers};
            return keys %$servers == 1 && $servers->{ $name =~ s{.*/}{}r };
        }), "$right: the new one is known";
        ok wait_until(sub { $use->said($user) =~ $filtered }),
            'and answers';
    }
};


# Sentinels are silent meanwhile, and nobody knows of the other master.

subtest 'a server that is no master any more' => sub {
    my ($was) = $redis->masters;
    my ($new) = $redis->replicas;

    $_->freeze for $redis->sentinels;
    $new->cmd('REPLICAOF', 'NO', 'ONE');
    $was->replicate($new);
    $was->cmd('CLIENT', 'KILL', 'TYPE', 'normal');

    my $refused = qr/Redis is a replica, which takes no writes/;
    ok wait_until(sub {
        $use->said($user{seen}) =~ /unknown;why=down.*$refused/s;
    }), 'it is not asked';

    $use->lacking('+role');
    unlike $use->said($user{'+role'}), $refused, 'and nothing is said of it';

    $_->thaw for $redis->sentinels;
    $redis->settle;
    ok wait_until(sub { $use->is_well($_) }), "$_->{name}: it is well again"
        for @user{'seen', 'info'};
};


subtest 'who was refused something' => sub {
    $use->only_they_were_refused([$redis->nodes, $redis->sentinels]);
};


subtest 'what the servers saw is what the document says' => sub {
    my ($unknown, $known) = $use->compare(\@seen, $rights->patterns(
        'Each connection', 'Sets', 'Replicas', 'Pools', 'Snapshots',
        'What was shown', 'Servers that are read from',
        'A master that sentinels name'));

    is_deeply [sort keys %$unknown], [], 'no other command';
    is_deeply [grep { !$known->{$_} } 'ROLE', 'INFO replication'], [], 'these';
};


$t->done;


# A user of this name who has the rights of all these lines.

sub alike {
    my ($user, @of) = @_;

    my ($alike) = $rights->users({ name => $user->{name}, of => \@of,
                                   less => [] });
    return $alike;
}
