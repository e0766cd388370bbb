package Recs::RedisSentinel;

=head1 NAME

Recs::RedisSentinel - a master, its replicas, and sentinels that watch them

=head1 SYNOPSIS

Made by C<< $t->redis_sentinel(...) >> of L<Recs::Test>.

    my $redis = $t->redis_sentinel(replicas => 1, sentinels => 3);

    $redis->cmd('SET', 'a', 1);         # to the present master
    my @urls = $redis->url;             # redis:// or rediss:// of sentinels
    $redis->settings;                   # lines for a recs_redis block
    $redis->master_name;                # by which sentinels know it: "shop"

    my $master = $redis->master;        # as the sentinels have it
    $redis->replicas;  $redis->nodes;  $redis->sentinels;

    my $new = $redis->fail_over;        # the master is killed
    $old->start;  $redis->settle;       # it is a replica now
    my $new = $redis->switch_over;      # SENTINEL FAILOVER: nobody is killed

    my ($sentinel) = $redis->sentinels;
    $sentinel->cmd('SENTINEL', 'MASTER', 'shop');
    $sentinel->kill;

And what L<Recs::Redis> has: C<pipeline>, C<refuse>, C<connect>: of the present
master; C<calls>, C<reset_calls>, C<watch>, C<asked>, C<clients>, C<evict_all>,
C<stop>, C<kill>, C<start>, C<restart>, C<freeze>, C<thaw>: of the master and
all replicas together (L<Recs::RedisGroup>), the sentinels go on.

=head1 DESCRIPTION

Each server is a L<Recs::Redis>, which the test stops at its end.  It has a
socket, for our own commands, and a port of TCP or, with C<< tls => 1 >>, of
TLS.  Options: C<replicas> (1), C<sentinels> (3), C<quorum> (a majority),
C<master_name>, C<tls>, C<timeout> (down-after-milliseconds; 1000, more on a
busy machine), C<sentinel_config>, C<sentinel_password>, and those of
L<Recs::Redis> for master and replicas.

In configurations they are C<%%SENTINEL_N%%>, the first master before its
replicas, and C<%%SENTINEL_WATCH_N%%> (C<%%SENTINEL_WATCH_N_TCP%%> ...);
C<%%SENTINEL_SETTINGS%%> is all of C<settings>.

=cut

use strict;
use warnings;

use parent 'Recs::RedisGroup';

use List::Util qw(first min);
use Recs::Mode;
use Recs::Process qw(wait_until);

# How often a sentinel says who is master, in ms.  What pretends to be one for
# longer than four times that is made a replica: also the one that another
# sentinel is promoting, if that looks too late, as it does once a second.
my $HELLO = int min(1500, Recs::Mode::patience(750));


# $make makes a Recs::Redis that is started, from its options.

sub new {
    my ($class, %opt) = @_;

    my %default = (replicas => 1, sentinels => 3, master_name => 'shop');
    my %own = map { $_ => delete $opt{$_} // $default{$_} } qw(
        make name replicas sentinels quorum master_name timeout
        sentinel_config sentinel_password);

    $own{quorum} //= int($own{sentinels} / 2) + 1;
    $own{timeout} //= int min(3000, Recs::Mode::patience(1000));
    $opt{tcp} = 1 if !$opt{tls};

    my $self = bless {
        master_name => $own{master_name}, password => $opt{requirepass},
        sentinel_password => $own{sentinel_password},
    }, $class;

    my @nodes = map { $own{make}->(%opt, name => "$own{name}_$_") }
                1 .. 1 + $own{replicas};
    $_->replicate($nodes[0]) for @nodes[1 .. $#nodes];

    my @sentinels = map {
        $own{make}->(class => 'Recs::RedisSentinel::Sentinel',
                     name => "$own{name}_watch_$_",
                     config => $self->config_of($nodes[0], $_, %own),
                     requirepass => $own{sentinel_password},
                     map { $_ => $opt{$_} } grep { exists $opt{$_} }
                     qw(tcp tcp6 tls certificate authority auth_clients))
    } 1 .. $own{sentinels};

    @{$self}{qw(nodes sentinels last)} = (\@nodes, \@sentinels, $nodes[0]);
    $_->say_hello_every(100) for @sentinels;
    $self->settle;
    return $self;
}


# The configuration of sentinel $number.  Each is a bit slower than the last: if
# all saw at the same time that the master is down, each would vote for itself.

sub config_of {
    my ($self, $master, $number, %own) = @_;

    my $name = $self->{master_name};
    my $timeout = int($own{timeout} * (1 + ($number - 1) / 5));
    my @lines = (
        "monitor $name 127.0.0.1 " . $master->peer_port . " $own{quorum}",
        "down-after-milliseconds $name $timeout",
        "failover-timeout $name " . 2 * $own{timeout},
    );

    push @lines, "auth-pass $name $self->{password}"
        if defined $self->{password};
    push @lines, "sentinel-pass $own{sentinel_password}"
        if defined $own{sentinel_password};

    return join "\n", (map { "sentinel $_" } @lines),
                      $own{sentinel_config} // ();
}


sub nodes       { return @{ $_[0]{nodes} } }
sub sentinels   { return @{ $_[0]{sentinels} } }
sub master_name { return $_[0]{master_name} }
sub masters     { return $_[0]->master }
sub node_of     { return $_[0]->master }


# Those that are not the master.

sub replicas {
    my ($self) = @_;

    my $master = $self->master;
    return grep { $_ != $master } $self->nodes;
}


# As a sentinel has it, or as the last one had it that could be asked.

sub master {
    my ($self) = @_;

    my ($sentinel) = $self->watching_over;
    $self->{last} = $self->master_of($sentinel) // $self->{last} if $sentinel;
    return $self->{last};
}


sub master_of {
    my ($self, $sentinel) = @_;

    my $address = $sentinel->cmd('SENTINEL', 'GET-MASTER-ADDR-BY-NAME',
                                 $self->{master_name}) or return undef;
    return first { $_->peer_port == $address->[1] } $self->nodes;
}


# Waits until all sentinels that answer know one another and the same master,
# which answers, and those replicas that do are in step with it.

sub settle {
    my ($self) = @_;

    $self->wait_for(sub { $self->agreed });

    # Nobody is being promoted: who was master is told sooner that it isn't.
    $_->say_hello_every(100) for $self->watching_over;
    $self->wait_for(sub { $self->agreed && $self->in_order });
    $_->say_hello_every($HELLO) for $self->watching_over;

    return $self;
}


# Sentinels cut the connections of a server that gets another role.

sub wait_for {
    my ($self, $test) = @_;

    wait_until(sub { eval { $test->() } }, 30)
        or die "the sentinels do not agree:\n", map {
            $_->cmd('INFO', 'sentinel')
        } $self->watching_over;
}


# The sentinels that answer.

sub watching_over { return grep { $_->answers } $_[0]->sentinels }


sub agreed {
    my ($self) = @_;

    my $master = $self->master;
    my @sentinels = $self->watching_over;

    return $master->cmd('ROLE')->[0] eq 'master' && !grep {
        my %seen = @{ $_->cmd('SENTINEL', 'MASTER', $self->{master_name}) };

        $seen{port} != $master->peer_port || $seen{flags} ne 'master'
            || $seen{'num-other-sentinels'} < $#sentinels;
    } @sentinels;
}


# All replicas that answer are such, and all sentinels have seen it.

sub in_order {
    my ($self) = @_;

    my $master = $self->master;
    my @replicas = grep { $_ != $master } $self->answering;

    return 0 if grep { !$_->in_step($master) } @replicas;

    return !grep { @replicas != grep {
        my %seen = @$_;

        $seen{flags} eq 'slave' && $seen{'role-reported'} eq 'slave'
            && $seen{'master-link-status'} eq 'ok';
    } @{ $_->cmd('SENTINEL', 'REPLICAS', $self->{master_name}) } }
        $self->watching_over;
}


# ---- Commands


sub cmd      { my $self = shift; return $self->master->cmd(@_) }
sub pipeline { my $self = shift; return $self->master->pipeline(@_) }
sub refuse   { my $self = shift; return $self->master->refuse(@_) }
sub connect  { return $_[0]->master->connect }


sub url {
    my ($self) = @_;

    return map { $_->tls_port ? $_->tls_url : $_->tcp_url } $self->sentinels;
}


sub topology { return "sentinel $_[0]{master_name}" }


# Sentinels ask and tell the servers all the time.

sub watch {
    my ($self, $code) = @_;

    my @own = $self->connections_of_sentinels;
    my @lines = $self->SUPER::watch($code);
    my %own = map { $_ => 1 } @own, $self->connections_of_sentinels;

    return grep { /\A\S+ \[\d+ (\S+)\]/ && !$own{$1} } @lines;
}


sub connections_of_sentinels {
    my ($self) = @_;

    return map { $_->cmd('CLIENT', 'LIST')
                 =~ /^id=\d+ addr=(\S+) .*name=sentinel-/mg }
           $self->answering;
}


# ---- Another master


# Returns the new one.  The old one becomes its replica when it is started.

sub fail_over {
    my ($self) = @_;

    my $old = $self->master;

    $old->kill;
    return $self->succeed($old);
}


sub switch_over {
    my ($self) = @_;

    my $old = $self->master;
    my ($sentinel) = $self->watching_over;

    wait_until(sub {
        !defined $sentinel->refuse('SENTINEL', 'FAILOVER',
                                   $self->{master_name});
    }) or die "no replica is good enough\n";

    return $self->succeed($old);
}


sub succeed {
    my ($self, $old) = @_;

    wait_until(sub { $self->master != $old }, 30)
        or die "no replica took over\n";

    $self->settle;
    return $self->master;
}


package Recs::RedisSentinel::Sentinel;

use strict;
use warnings;

use parent -norequire, 'Recs::Redis';

use Recs::Process qw(spew);


sub command { return $_[0]->SUPER::command, '--sentinel' }


# A sentinel writes to its configuration what it learns.

sub write_conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my @lines = (
        "dir $dir", "port $self->{port}", "bind @{ $self->{bind} }",
        'daemonize no', "logfile $dir/redis.log",
        "unixsocket $self->{socket}", 'unixsocketperm 777',
    );

    push @lines, $self->tls_lines if $self->{tls_port};
    push @lines, "requirepass $self->{password}" if defined $self->{password};

    spew("$dir/redis.conf", join("\n", @lines) . "\n$self->{config}\n");
}


# It looks often, and never thinks that the clock is wrong because the machine
# is busy.  A replica of which it heard nothing for five times its ping-period
# is none to promote, and it hears of one each second while the master is down.

sub start {
    my ($self) = @_;

    return $self if $self->running;

    $self->SUPER::start;
    $self->cmd('SENTINEL', 'DEBUG', 'info-period', 500, 'ping-period', 500,
               'ask-period', 100, 'tilt-trigger', 100_000_000);
    $self->say_hello_every($HELLO);
    return $self;
}


sub say_hello_every {
    my ($self, $ms) = @_;

    $self->cmd('SENTINEL', 'DEBUG', 'publish-period', $ms);
}


1;
