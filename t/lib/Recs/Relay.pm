package Recs::Relay;

=head1 NAME

Recs::Relay - an address that stands for a server, and later for another one

=head1 SYNOPSIS

Made by C<< $t->relay(...) >> of L<Recs::Test>.

    my $relay = $t->relay($redis->port);
    $relay->url;                    # redis://127.0.0.1:...
    $relay->point($other->port);    # for connections from now on

=head1 DESCRIPTION

As a virtual address does, or a balancer: what was open stays where it is.
Bytes pass both ways as they come.

=cut

use strict;
use warnings;

use parent 'Recs::Server';

use IO::Select;
use IO::Socket::INET;
use Recs::Process qw(slurp spew);


sub url { return "redis://127.0.0.1:$_[0]{port}" }


sub point {
    my ($self, $port) = @_;

    spew("$self->{target}.new", $port);
    rename "$self->{target}.new", $self->{target} or die "rename: $!";
}


sub converse {
    my ($self, $stream) = @_;

    my $client = $stream->{sock};
    my $server = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => slurp($self->{target})) or return;
    my %other = ($client => $server, $server => $client);
    my $both = IO::Select->new($client, $server);

    while (1) {
        for my $from ($both->can_read) {
            sysread $from, my $bytes, 65536 or return;

            while (length $bytes) {
                my $n = syswrite $other{$from}, $bytes or return;
                substr($bytes, 0, $n) = '';
            }
        }
    }
}


1;
