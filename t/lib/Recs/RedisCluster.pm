package Recs::RedisCluster;

=head1 NAME

Recs::RedisCluster - a real Redis cluster, and a client for it

=head1 SYNOPSIS

Made by C<< $t->redis_cluster(...) >> of L<Recs::Test>.

    my $cluster = $t->redis_cluster(masters => 3, replicas => 1);

    $cluster->cmd('SET', 'a', 1);       # goes where the key is
    my @urls = $cluster->url;           # redis:// or rediss:// of all nodes
    $cluster->settings;                 # lines for a recs_redis block

    $cluster->nodes;  $cluster->masters;  $cluster->replicas;
    my $slot = $cluster->slot($key);
    my $node = $cluster->owner($slot);
    my $node = $cluster->node_of($key); # the same
    $node->cmd('GET', $key);  $node->id;  $node->kill;  $node->freeze;

    $cluster->migrate_slot($slot, $node);
    $cluster->begin_migration($slot, $node, @keys);     # these go over: ASK
    $cluster->finish_migration($slot);

    my $new = $cluster->fail_over($master);     # killed: a replica takes over
    my $new = $cluster->switch_over($master);   # asked to, nobody is killed

    my $node = $cluster->add_node;              # a master without slots
    my $node = $cluster->add_node(replica_of => $master);
    $cluster->forget($node);                    # all others do, it is stopped
    $cluster->flush;

And what L<Recs::Redis> has: C<pipeline>, C<refuse>, C<calls>, C<reset_calls>,
C<watch>, C<asked>, C<clients>, C<evict_all>, C<stop>, C<kill>, C<start>,
C<restart>, C<freeze>, C<thaw> are of all servers together
(L<Recs::RedisGroup>).

=head1 DESCRIPTION

Each node is a L<Recs::Redis>, which the test stops at its end.  It has a
socket, for our own commands, and a port of TCP or, with C<< tls => 1 >>, of
TLS.  Options: C<masters> (3), C<replicas> of each (0), C<tls>, C<timeout>
(cluster-node-timeout in ms; 1000, more on a busy machine), and those of
L<Recs::Redis> for each node.  No replica goes over to another master by itself,
and a master that has no slot left stays one, unless C<config> says
C<cluster-allow-replica-migration yes>.

Node N is C<%%CLUSTER_N%%> in configurations (and C<%%CLUSTER_N_PORT%%> ...),
masters before replicas; C<%%CLUSTER_SETTINGS%%> is all of C<settings>.

=cut

use strict;
use warnings;

use parent 'Recs::RedisGroup';

use List::Util qw(first min);
use Recs::Mode;
use Recs::Process qw(wait_until free_port);
use Recs::Redis;
use Recs::RedisRouter;

use constant SLOTS => Recs::RedisRouter::SLOTS;


# $make makes a Recs::Redis that is started, from its options.

sub new {
    my ($class, %opt) = @_;

    my $masters = delete $opt{masters} // 3;
    my $replicas = delete $opt{replicas} // 0;
    my $timeout = delete $opt{timeout}
                  // int min(5000, Recs::Mode::patience(1000));

    my $self = bless {
        make => delete $opt{make}, name => delete $opt{name},
        config => join("\n", 'cluster-enabled yes',
                       "cluster-node-timeout $timeout",
                       'cluster-allow-replica-migration no',
                       delete $opt{config} // ()),
        node => \%opt, nodes => [],
    }, $class;

    $self->{router} = Recs::RedisRouter->new($self);
    $self->make_node for 1 .. $masters * (1 + $replicas);
    $self->form($masters);
    return $self;
}


sub make_node {
    my ($self) = @_;

    my $number = 1 + @{ $self->{nodes} };
    my $bus = free_port();
    my $node = $self->{make}->(
        $self->{node}{tls} ? () : (tcp => 1), %{ $self->{node} },
        class => 'Recs::RedisCluster::Node', name => "$self->{name}_$number",
        config => "$self->{config}\ncluster-port $bus");

    $node->{bus} = $bus;
    push @{ $self->{nodes} }, $node;
    return $node;
}


# Epochs can be chosen as long as nobody knows anybody.  All meet all, so that
# nobody waits for gossip.

sub form {
    my ($self, $count) = @_;

    my @nodes = $self->nodes;
    my @masters = @nodes[0 .. $count - 1];

    for my $i (0 .. $#masters) {
        my ($from, $to) = map { int($_ * SLOTS / $count) } $i, $i + 1;
        $masters[$i]->cmd('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
        $masters[$i]->cmd('CLUSTER', 'ADDSLOTSRANGE', $from, $to - 1);
    }

    for my $i (0 .. $#nodes) {
        $nodes[$i]->meet($_) for @nodes[$i + 1 .. $#nodes];
    }

    $nodes[$_]->follow($masters[$_ % $count]) for $count .. $#nodes;
    $self->settle;
}


sub nodes { return @{ $_[0]{nodes} } }


# Those that have slots, or could be given some.

sub masters {
    my ($self) = @_;

    return grep { $_->role eq 'master' } $self->answering;
}


sub replicas {
    my ($self, $master) = @_;

    return grep { $_->role eq 'slave'
                  && (!$master || $_->seen->{ $_->id }{master} eq $master->id) }
           $self->answering;
}


sub node_with_id {
    my ($self, $id) = @_;

    return first { $_->id eq $id } $self->nodes;
}


# ---- Whose is a slot


sub slot    { return Recs::RedisRouter::slot($_[1]) }
sub node_of { return $_[0]->look->owner(slot(@_)) }


# By what each master says of itself; by look(), if that was not long ago.

sub owner {
    my ($self, $slot) = @_;

    $self->look if !$self->{owners};
    return $self->{owners}[$slot];
}


sub look {
    my ($self) = @_;

    my (@owners, @epochs);

    for my $node ($self->answering) {
        my $me = $node->seen->{ $node->id };
        next if $me->{role} ne 'master';

        for my $range (@{ $me->{slots} }) {
            for my $slot ($range->[0] .. $range->[1]) {
                next if ($epochs[$slot] // -1) > $me->{epoch};
                ($owners[$slot], $epochs[$slot]) = ($node, $me->{epoch});
            }
        }
    }

    $self->{owners} = \@owners;
    return $self;
}


# Who gets a slot of $node's, if it is on its way.

sub importer {
    my ($self, $node, $slot) = @_;

    my $id = $node->seen->{ $node->id }{migrating}{$slot};
    return defined $id ? $self->node_with_id($id) : undef;
}


# Waits until all that answer are well and say the same of one another.

sub settle {
    my ($self, $seconds) = @_;

    wait_until(sub {
        my @nodes = $self->answering;
        my %views = map { $_->view => 1 } @nodes;

        return keys %views == 1 && !grep { !$_->well } @nodes;
    }, $seconds // 30) or die "the cluster is not well:\n"
        . join "\n", map { $_->cmd('CLUSTER', 'NODES') } $self->answering;

    return $self->look;
}


# ---- Commands


sub pipeline { my $self = shift; return $self->{router}->pipeline(@_) }

# They only need a pipeline.
*cmd = \&Recs::Redis::Client::cmd;
*refuse = \&Recs::Redis::Client::refuse;


sub flush { return $_[0]->cmd('FLUSHALL') }


# A connection to one of its nodes.

sub connect { return ($_[0]->masters)[0]->connect }


sub url {
    my ($self) = @_;

    return map { $_->{tls_port} ? $_->tls_url : $_->tcp_url } $self->nodes;
}


sub topology { return 'cluster' }


# ---- Slots that move


# Both sides know, and these keys have gone over.

sub begin_migration {
    my ($self, $slot, $to, @keys) = @_;

    my $from = $self->look->owner($slot) // die "slot $slot has no master\n";

    $to->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->id);
    $from->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->id);
    $from->send_keys($to, @keys) if @keys;
}


sub finish_migration {
    my ($self, $slot) = @_;

    my $from = $self->look->owner($slot);
    my $to = $self->importer($from, $slot)
        // die "slot $slot is not on its way\n";

    while (my @keys = @{ $from->cmd('CLUSTER', 'GETKEYSINSLOT', $slot, 100) }) {
        $from->send_keys($to, @keys);
    }

    $to->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->id);

    # One that has heard it already, and has no slot left, may be a replica now.
    $_->refuse('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->id)
        for grep { $_ != $to } $self->masters;

    $self->settle;
    die "slot $slot did not move\n" if $self->owner($slot) != $to;
}


sub migrate_slot {
    my ($self, $slot, $to) = @_;

    $self->begin_migration($slot, $to);
    $self->finish_migration($slot);
}


# ---- Masters that go, nodes that come


# Returns the new master.  The old one becomes its replica when it is started.

sub fail_over {
    my ($self, $master) = @_;

    my @replicas = $self->replicas($master) or die "it has no replica\n";

    $master->kill;
    my $new = wait_until(sub { first { $_->role eq 'master' } @replicas }, 30)
        or die "no replica took over\n";
    $self->settle;
    return $new;
}


sub switch_over {
    my ($self, $master) = @_;

    my ($new) = $self->replicas($master) or die "it has no replica\n";

    $new->cmd('CLUSTER', 'FAILOVER');
    wait_until(sub { $new->role eq 'master' }, 30)
        or die "the replica did not take over\n";
    $self->settle;
    return $new;
}


sub add_node {
    my ($self, %opt) = @_;

    my @others = $self->answering;
    my $node = $self->make_node;

    $node->meet($_) for @others;
    $node->follow($opt{replica_of}) if $opt{replica_of};
    $self->settle;
    return $node;
}


sub forget {
    my ($self, $node) = @_;

    $node->stop;
    $self->{nodes} = [grep { $_ != $node } $self->nodes];
    $_->cmd('CLUSTER', 'FORGET', $node->id) for $self->answering;
    delete $self->{owners};
}


package Recs::RedisCluster::Node;

use strict;
use warnings;

use parent -norequire, 'Recs::Redis';

use Recs::Process qw(wait_until);


sub id { return $_[0]{id} //= $_[0]->cmd('CLUSTER', 'MYID') }


sub meet {
    my ($self, $other) = @_;

    $self->cmd('CLUSTER', 'MEET', '127.0.0.1', $other->peer_port,
               $other->{bus});
}


# As soon as it knows that there is such a master.

sub follow {
    my ($self, $master) = @_;

    wait_until(sub {
        !defined $self->refuse('CLUSTER', 'REPLICATE', $master->id);
    }) or die "not a replica\n";
}


# What it says of all nodes, by their ids: { role, master, epoch, slots =>
# [[from, to]...], migrating => { slot => id }, bad: if it is not well }.

sub seen {
    my ($self) = @_;

    my %nodes;

    for my $line (split /\n/, $self->cmd('CLUSTER', 'NODES')) {
        my ($id, undef, $flags, $master, undef, undef, $epoch, $link, @slots)
            = split ' ', $line;

        $nodes{$id} = {
            role => $flags =~ /slave/ ? 'slave' : 'master', epoch => $epoch,
            master => $master, slots => [map { /^(\d+)(?:-(\d+))?\z/
                                               ? [$1, $2 // $1] : () } @slots],
            migrating => { map { /^\[(\d+)->-(\w+)\]\z/ ? ($1 => $2) : () }
                           @slots },
            bad => $flags =~ /fail|handshake|noaddr/
                   || $link ne 'connected' && $flags !~ /myself/,
        };
    }

    return \%nodes;
}


# The same, of those that are well, as a text to compare.

sub view {
    my ($self) = @_;

    my $seen = $self->seen;

    return join "\n", map {
        my $node = $seen->{$_};
        join ' ', $_, @{$node}{qw(role master)},
             map { "$_->[0]-$_->[1]" } @{ $node->{slots} };
    } sort grep { !$seen->{$_}{bad} } keys %$seen;
}


# The cluster serves, none is a stranger, and a replica has its master's data.

sub well {
    my ($self) = @_;

    return 0 if $self->cmd('CLUSTER', 'INFO') !~ /^cluster_state:ok/m;
    return 0 if $self->cmd('CLUSTER', 'NODES') =~ /handshake|fail\?/;

    return $self->role eq 'master'
        || $self->cmd('INFO', 'replication') =~ /^master_link_status:up/m;
}


sub role { return $_[0]->cmd('ROLE')->[0] }


sub send_keys {
    my ($self, $to, @keys) = @_;

    my @auth = defined $self->{password} ? ('AUTH', $self->{password}) : ();
    $self->cmd('MIGRATE', '127.0.0.1', $to->peer_port, '', 0, 10_000, @auth,
               'KEYS', @keys);
}


1;
