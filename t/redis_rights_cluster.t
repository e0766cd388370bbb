use strict;
use warnings;

# The rights that docs/redis.md gives for a cluster, and for reading from its
# replicas, suffice together with those of the features, and each of them is
# needed: with one less, the response, the status or the log says what the
# document says.  The servers see no command that isn't in the document.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Recs::Rights;
use Recs::RightsInUse;
use Recs::Test;
use Test::More;

my ($version) = qx(redis-server --version) =~ /\bv=(\d+)/;
plan skip_all => 'the cluster of the tests needs Redis 7' if $version < 7;

my $t = Recs::Test->new;
my $cluster = $t->redis_cluster(masters => 3, replicas => 1,
                                config => 'acllog-max-len 10000');
my $rights = Recs::Rights->new($t->root . '/docs/redis.md');
my $use = Recs::RightsInUse->new(
    test => $t, redis => $cluster,
    lines => 'server %%CLUSTER_1_TCP%%; topology cluster;');

my @seen_by = (['Sets', 1], ['Servers of a cluster', 0]);
my @reads = map { ['Servers that are read from', $_] } 0, 1;
my $filtered = $use->filtered;
my %fit = (
    redis => 'reads replica max_lag=30s;',
    well => qr/$filtered.*"fit":true,"lag":\d+,"link":"up","ready":1,"replica/s,
);

my @users = map { $rights->users($_) } (
    $use->features($seen_by[1]),
    $use->seen(name => 'seen', of => \@seen_by),
    $use->seen(name => 'old', less => ['+cluster|slots'],
               of => [['Sets', 1], ['Servers of a cluster', 1]]),
    $use->seen(%fit, name => 'modes', of => [@seen_by, @reads]),
    $use->seen(%fit, name => 'info', of => [@seen_by, reverse @reads]),
);
my %user = map { ($_->{lacks} // $_->{name}) => $_ } @users;
my (@seen, $nginx);

$rights->grant($_, $cluster->nodes) for @users;


push @seen, $cluster->watch(sub {
    $nginx = $use->start(@users);
    $use->all_are_well;
    $use->lacking($_) for '+cluster|shards', '+cluster|slots', '+info',
                          '+readonly';
});


subtest 'pages of who may not say READONLY are right' => sub {
    my $before = replicas_were_asked();

    like $use->said($user{'+readonly'}), $filtered, 'they are';
    is replicas_were_asked(), $before, 'by masters';
};


subtest 'others read from replicas' => sub {
    for my $name ('modes', '+info', '+readwrite') {
        my $before = replicas_were_asked();

        like $use->said($user{$name}), $filtered, "$name: the page is right";
        cmp_ok replicas_were_asked(), '>', $before, 'a replica was asked';
    }
};


subtest 'a key is already where its slot is going to' => sub {
    my $slot = $cluster->slot('seen:u9');
    my $from = $cluster->owner($slot);
    my ($to) = grep { $_ != $from } $cluster->masters;

    like $use->said($_, 'u9'), $filtered, 'as long as it is not'
        for @user{'seen', '+asking'};

    $cluster->begin_migration($slot, $to, 'seen:u9');

    push @seen, $cluster->watch(sub {
        like $use->said($user{seen}, 'u9'), $filtered, 'it is found';
        $use->lacking('+asking', 'u9');
    });

    like $use->said($user{'+asking'}), $filtered, 'other keys are';
    $cluster->finish_migration($slot);
    like $use->said($user{'+asking'}, 'u9'), $filtered, 'it has gone over';
};


subtest 'a replica becomes a master' => sub {
    push @seen, $cluster->watch(sub {
        $cluster->switch_over($cluster->node_of('seen:u1'));
        $use->lacking('+readwrite');

        for my $user (@user{qw(modes +readwrite)}) {
            ok wait_until(sub { $use->is_well($user) }), 'it is read from';
        }
    });

    is $nginx->logged(qr/"modes" .* refused/), 0, 'no refusal of who may';
};


# One who has what Redis 6.2 needs asks CLUSTER SHARDS first, too.

subtest 'who was refused something' => sub {
    $use->only_they_were_refused([$cluster->nodes], 'old');
};


subtest 'what the servers saw is what the document says' => sub {
    my @own = ('Servers of a cluster', 'Servers that are read from');
    my %own = $rights->patterns(@own);
    my ($unknown, $known) = $use->compare(\@seen, $rights->patterns(
        @own, 'Each connection', 'Sets', 'Replicas', 'Pools', 'Snapshots',
        'What was shown'));

    is_deeply [sort keys %$unknown], [], 'no other command';
    is_deeply [grep { !$known->{$_} } sort keys %own], [], 'all of them';
};


$t->done;


sub replicas_were_asked {
    return sum0 map { $_->calls('zmscore') } $cluster->replicas;
}
