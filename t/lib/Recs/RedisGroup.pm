package Recs::RedisGroup;

=head1 NAME

Recs::RedisGroup - several Redis servers that are one to who asks

=head1 DESCRIPTION

What L<Recs::RedisCluster> and L<Recs::RedisSentinel> have in common: methods
of L<Recs::Redis> that do to all servers what they say, or add up what all of
them say.  A server that is down or frozen is left out of what is asked.  What
is counted or watched is what clients send: a write is seen once, at the master
that took it.

Derived classes have C<cmd>, C<refuse>, C<pipeline>; C<nodes>, all that have
data; C<masters>; C<url>, all that nginx is told; C<topology>, as it is told;
C<settle>, which waits until all is well.

=cut

use strict;
use warnings;

use List::Util qw(sum0);
use Recs::Process qw(wait_until);


# Those that answer.

sub answering { return grep { $_->answers } $_[0]->nodes }


sub stop     { $_->stop     for $_[0]->nodes }
sub freeze   { $_->freeze   for grep { $_->running } $_[0]->nodes }
sub thaw     { $_->thaw     for grep { $_->running } $_[0]->nodes }
sub hang_up  { $_->hang_up  for $_[0]->nodes }
sub evict_all   { $_->evict_all   for $_[0]->masters }
sub reset_calls { $_->reset_calls for $_[0]->answering }


# The lines of a recs_redis block.

sub settings {
    my ($self) = @_;

    my ($node) = $self->nodes;
    return join ' ', map { "$_;" } $self->address_settings,
                                   $node->auth_settings;
}


sub address_settings {
    my ($self) = @_;

    my ($node) = $self->nodes;
    return ((map { "server $_" } $self->url), 'topology ' . $self->topology,
            $node->tls_port ? $node->tls_settings : ());
}


# All at once: none takes the place of another.

sub kill {
    my ($self) = @_;

    my @nodes = grep { $_->running } $self->nodes;
    $_->freeze for @nodes;
    $_->kill for @nodes;
}


sub start {
    my ($self) = @_;

    $_->start for $self->nodes;
    $self->settle;
    return $self;
}


sub restart {
    my ($self, %opt) = @_;

    for my $node ($self->nodes) {
        $opt{empty} ? $node->unsave : $node->cmd('SAVE');
    }

    $self->stop;
    $self->start;
    $_->unsave for $self->nodes;
    return $self;
}


sub running { return scalar grep { $_->running } $_[0]->nodes }


sub clients {
    my ($self) = @_;

    return sum0 map { $_->clients } $self->answering;
}


# Replicas count what their masters tell them, too.

sub calls {
    my ($self, $name) = @_;

    return sum0 map { $_->calls($name) }
                $self->writes($name) ? $self->masters : $self->answering;
}


# Does the command of this name, as calls() has it, write?

sub writes {
    my ($self, $name) = @_;

    my ($master) = $self->masters;
    my $info = $master->cmd('COMMAND', 'INFO', $name)->[0] or return 0;
    return scalar grep { $_ eq 'write' } @{ $info->[2] };
}


# In the order of time.  What a server saw that is frozen at the end, or was
# ended, is left out.

sub watch {
    my ($self, $code) = @_;

    my @watching = map { { node => $_, pid => $_->pid, seen => $_->watching } }
                   $self->answering;
    $code->();

    my $peers = join '|', map { $_->peer_port } $self->nodes;
    my @lines = grep { !/\A\S+ \[\d+ 127\.0\.0\.1:(?:$peers)\]/ }
                map { $_->{seen}->() }
                grep { $_->{node}->answers && $_->{node}->pid == $_->{pid} }
                @watching;

    return map { $_->[1] } sort { $a->[0] <=> $b->[0] }
           map { [/\A([\d.]+)/, $_] } @lines;
}


sub asked {
    my ($self, $code) = @_;

    return Recs::Redis::without_sizes($self->watch($code));
}


1;
