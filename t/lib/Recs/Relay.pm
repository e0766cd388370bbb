package Recs::Relay;

=head1 NAME

Recs::Relay - an address that stands for a server, and later for another one

=head1 SYNOPSIS

Made by C<< $t->relay(...) >> of L<Recs::Test>.

    my $relay = $t->relay($redis->port);
    $relay->url;                    # redis://127.0.0.1:...
    $relay->point($other->port);    # for connections from now on
    $relay->delay(0.02);            # seconds, for all: what the server says

=head1 DESCRIPTION

As a virtual address does, or a balancer: what was open stays where it is.
Bytes pass both ways as they come, those of the server as much later as
C<delay> says, in order.

=cut

use strict;
use warnings;

use parent 'Recs::Server';

use IO::Select;
use IO::Socket::INET;
use List::Util qw(max);
use Recs::Process qw(slurp spew);
use Time::HiRes qw(time);


sub url { return "redis://127.0.0.1:$_[0]{port}" }


sub point { $_[0]->put($_[0]{target}, $_[1]) }
sub delay { $_[0]->put("$_[0]{target}.delay", $_[1]) }


# For the relay's processes, at once or not at all.

sub put {
    my ($self, $path, $value) = @_;

    spew("$path.new", $value);
    rename "$path.new", $path or die "rename: $!";
}


sub delayed {
    my ($self) = @_;

    my $path = "$self->{target}.delay";
    return -e $path ? slurp($path) : 0;
}


sub converse {
    my ($self, $stream) = @_;

    my $client = $stream->{sock};
    my $server = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => slurp($self->{target})) or return;
    my $both = IO::Select->new($client, $server);
    my @held;                   # [when, bytes], for the client

    while (1) {
        my $left = @held ? max(0, $held[0][0] - time) : undef;

        for my $from ($both->can_read($left)) {
            sysread $from, my $bytes, 65536 or return;

            if ($from == $client) {
                write_all($server, $bytes) or return;
            } else {
                push @held, [time + $self->delayed, $bytes];
            }
        }

        while (@held && $held[0][0] <= time) {
            write_all($client, (shift @held)->[1]) or return;
        }
    }
}


sub write_all {
    my ($to, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $to, $bytes or return 0;
        substr($bytes, 0, $n) = '';
    }

    return 1;
}


1;
