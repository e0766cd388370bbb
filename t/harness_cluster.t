use strict;
use warnings;

# Clusters that the tests make: what the tools say of them, and do to them, must
# be so.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(first sum);
use Recs::Process qw(run);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);
my $cluster = $t->redis_cluster(replicas => 1);
my @masters = $cluster->masters;


subtest 'its shape' => sub {
    is scalar $cluster->nodes, 6, 'six nodes';
    is scalar @masters, 3, 'three masters';
    is scalar(grep { $cluster->replicas($_) == 1 } @masters), 3,
        'a replica each';
    is $masters[0]->cmd('CLUSTER', 'INFO') =~ /^cluster_slots_ok:(\d+)/m && $1,
        16384, 'all slots';

    my @ports = map { $_->port } $cluster->nodes;
    is_deeply [$cluster->url], [map { "redis://127.0.0.1:$_" } @ports], 'URLs';
    is $cluster->settings,
        join('', map { "server redis://127.0.0.1:$_; " } @ports)
        . 'topology cluster;', 'settings';
    is $t->fill('%%CLUSTER_SETTINGS%%'), $cluster->settings, 'a name for them';
    is $t->fill('%%CLUSTER_2_PORT%%'), $ports[1], 'names of nodes';
};


subtest 'slots' => sub {
    my @keys = ('', 'a', '123456789', 'home:v1:u:u7', '{home}:history', '{}a',
                '{a', 'a}', 'a{b}c{d}', '{{b}}', 'a{}{b}', "\n{x\ny}", "\xFF\0",
                map { "key$_" } 1 .. 100);

    is_deeply [map { $cluster->slot($_) } @keys],
              [$masters[0]->pipeline(map { ['CLUSTER', 'KEYSLOT', $_] } @keys)],
              'the same that Redis says';

    my $wrong = grep {
        $cluster->node_of($_)->refuse('GET', $_)
    } @keys;
    is $wrong, 0, 'whose they are';
};


subtest 'commands' => sub {
    my @keys = map { "key$_" } 1 .. 100;

    is_deeply [$cluster->pipeline(map { ['SET', $_, "v$_"] } @keys)],
              [('OK') x 100], 'a pipeline';
    is_deeply [$cluster->pipeline(map { ['GET', $_] } @keys)],
              [map { "v$_" } @keys], 'in its order';
    is $cluster->cmd('GET', 'key7'), 'vkey7', 'one';
    is $cluster->cmd('DBSIZE'), 100, 'a sum';
    is_deeply [sort @{ $cluster->cmd('KEYS', 'key1*') }],
              [sort grep { /1/ && /y1/ } @keys], 'a list';
    is_deeply $cluster->cmd('MGET', @keys, 'none'),
              [(map { "v$_" } @keys), undef], 'in parts';
    is $cluster->cmd('MSET', map { ($_, 1) } @keys), 'OK', 'in pairs';
    is $cluster->cmd('DEL', @keys[0 .. 49], 'none'), 50, 'a sum of parts';

    my $script = 'return redis.call("GET", KEYS[1])';
    is $cluster->cmd('EVAL', $script, 1, 'key60'), 1, 'a key in another place';
    like $cluster->refuse('RENAME', 'key60', 'key61'), qr/^CROSSSLOT/,
        'an error';
    like $cluster->refuse('NONSENSE', 'x'), qr/unknown command/, 'another';
    ok !eval { $cluster->cmd('NONSENSE'); 1 }, 'dies of one';

    is_deeply [$cluster->pipeline(['SET', '{t}a', 1], ['MULTI'],
                                  ['INCR', '{t}a'], ['INCR', '{t}a'], ['EXEC'],
                                  ['DEL', '{t}a', 'x'], ['GET', '{t}a'])],
              ['OK', 'OK', 'QUEUED', 'QUEUED', [2, 3], 1, undef],
              'a transaction';

    $cluster->cmd('CONFIG', 'SET', 'maxmemory-samples', 7);
    is scalar(grep {
        $_->cmd('CONFIG', 'GET', 'maxmemory-samples')->[1] == 7
    } $cluster->nodes), 6, 'configuration, of all';

    is $cluster->flush, 'OK', 'flush';
    is sum(map { $_->cmd('DBSIZE') } @masters), 0, 'nothing is left';
};


subtest 'what is counted and watched' => sub {
    $cluster->reset_calls;
    my @seen = $cluster->watch(sub {
        $cluster->cmd('SADD', $_, 'x') for 'a' .. 'f';
        $cluster->cmd('SCARD', 'a');
    });

    is_deeply [map { /"SADD" "(\w)"/ ? $1 : () } @seen], ['a' .. 'f'],
        'all nodes, in order, and no replica';
    is $cluster->calls('sadd'), 6, 'a write counts once';
    is $cluster->calls('scard'), 1, 'a read too';
    is scalar $cluster->asked(sub { $cluster->cmd('SCARD', 'a') }), 0,
        'looks at sizes are left out';

    my $master = $cluster->node_of('a');
    my ($replica) = $cluster->replicas($master);
    my $c = $replica->connect;
    is $cluster->clients, 1, 'a client, of a replica';
    $c->cmd('READONLY');
    ok wait_until(sub { ($c->pipeline(['SCARD', 'a']))[0] eq '1' }),
        'which has the data';
    is $cluster->calls('scard') - 2, $replica->calls('scard'), 'and counts';
    $c->close;
    ok wait_until(sub { $cluster->clients == 0 }), 'none';
};


subtest 'a slot that moves' => sub {
    my @keys = map { "{a}$_" } 1 .. 250;
    my $slot = $cluster->slot('{a}');
    my $from = $cluster->owner($slot);
    my ($to) = grep { $_ != $from } @masters;

    $cluster->pipeline(map { ['SET', $_, $_] } @keys);
    $cluster->begin_migration($slot, $to, @keys[0 .. 9]);

    like $from->refuse('GET', $keys[0]),
        qr/^ASK $slot 127\.0\.0\.1:@{[$to->port]}$/, 'ASK';
    like $to->refuse('GET', $keys[0]), qr/^MOVED $slot /, 'MOVED';
    is $from->cmd('GET', $keys[99]), $keys[99], 'what has not gone';
    is $cluster->cmd('GET', $keys[0]), $keys[0], 'a redirect is followed';
    like $cluster->refuse('SINTER', @keys[0, 99]), qr/^(?:TRYAGAIN|WRONGTYPE)/,
        'half here, half there';
    is $cluster->owner($slot), $from, 'not yet its own';

    $cluster->finish_migration($slot);
    is $cluster->node_of('{a}'), $to, 'now it is';
    is_deeply $to->cmd('MGET', @keys), \@keys, 'with all keys';
    like $from->refuse('GET', $keys[0]),
        qr/^MOVED $slot 127\.0\.0\.1:@{[$to->port]}$/, 'says the old one';

    $cluster->migrate_slot($slot, $from);
    is $cluster->node_of('{a}'), $from, 'back again';
    is $cluster->cmd('GET', $keys[0]), $keys[0], 'a client that did not know';
    is $cluster->clients, 0, 'the servers\' connections do not count';
};


subtest 'a replica takes over' => sub {
    my $old = $cluster->node_of('a');
    my ($replica) = $cluster->replicas($old);
    $cluster->cmd('SET', 'a', 1);

    is $cluster->switch_over($old), $replica, 'asked to';
    is $cluster->node_of('a'), $replica, 'it has the slot';
    is $old->role, 'slave', 'they have changed places';

    is $cluster->fail_over($replica), $old, 'because its master was killed';
    is $cluster->cmd('GET', 'a'), 1, 'with its data';
    is scalar $cluster->answering, 5, 'five are left';

    $replica->start;
    $cluster->settle;
    is_deeply [$cluster->replicas($old)], [$replica], 'it comes back';
};


subtest 'one that is frozen' => sub {
    my $master = $cluster->node_of('a');
    my ($other) = grep { $_ != $master } $cluster->masters;
    my $key = first { $cluster->node_of($_) == $other } map { "k$_" } 1 .. 999;

    $master->freeze;
    is $cluster->cmd('SET', $key, 1), 'OK', 'others answer';
    isnt $cluster->node_of('a'), $master, 'it is not asked';
    $master->thaw;
    $cluster->settle;
    is $cluster->cmd('GET', 'a'), 1, 'thawed';
};


subtest 'all of them' => sub {
    $cluster->cmd('SET', $_, 1) for 'a' .. 'f';
    my $small = $t->redis_cluster(name => 'small', masters => 2,
                                  requirepass => 'secret');
    $small->cmd('SET', $_, 1) for 'a' .. 'f';

    $small->restart;
    is $small->cmd('DBSIZE'), 6, 'restarted with their data';
    my ($from, $to) = $small->masters;
    my ($slot) = grep { $small->owner($_) == $from }
                 map { $small->slot($_) } 'a' .. 'f';
    $small->migrate_slot($slot, $to);
    is $small->cmd('DBSIZE'), 6, 'a slot that moves, with a password';
    like $small->settings, qr{ auth password_file=/\S+;$}, 'settings';

    $small->evict_all;
    is $small->cmd('DBSIZE'), 0, 'evicted';
    $small->kill;
    is $small->running, 0, 'killed';
    $small->start;
    is $small->running, 2, 'started';
    is $small->cmd('DBSIZE'), 0, 'empty';
    $small->freeze;
    is scalar $small->answering, 0, 'frozen';
    $small->thaw;
    is scalar $small->answering, 2, 'thawed';
    $small->stop;
    is $small->running, 0, 'stopped';
};


subtest 'one that joins and leaves, with TLS' => sub {
    my $tls = $t->redis_cluster(name => 'tls', masters => 2, tls => 1);
    $tls->cmd('SET', $_, 1) for 'a' .. 'f';

    my $new = $tls->add_node;
    my $slot = $tls->slot('a');
    $tls->migrate_slot($slot, $new);
    is $tls->node_of('a'), $new, 'it has a slot';
    is $tls->cmd('GET', 'a'), 1, 'and its keys';

    my ($first, $second) = $tls->nodes;
    my $port = $new->tls_port;
    like cli($second, 'GET', 'a'), qr/^MOVED $slot 127\.0\.0\.1:$port$/m,
        'a client is sent to a port of TLS';
    like $tls->settings,
        qr{ server rediss://127.0.0.1:\d+; topology cluster; ssl_trusted_},
        'settings';

    my $copy = $tls->add_node(replica_of => $new);
    is_deeply [$tls->replicas($new)], [$copy], 'a replica joins';
    $tls->forget($copy);
    $tls->migrate_slot($slot, $first);
    $tls->forget($new);
    $tls->settle;
    is scalar $tls->masters, 2, 'they have left';
    is $tls->cmd('DBSIZE'), 6, 'nothing is lost';
};


$t->done;


# What redis-cli says, over TLS.

sub cli {
    my ($node, @command) = @_;

    my (undef, $said) = run('redis-cli', '-p', $node->tls_port, '--tls',
                            '--cacert', $t->authority->file, @command);
    return $said;
}
