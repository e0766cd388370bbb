package Recs::DNS;

=head1 NAME

Recs::DNS - a DNS server whose names mean what a test says

=head1 SYNOPSIS

Made by C<< $t->dns >> of L<Recs::Test>; C<%%DNS%%> is where it listens.

    my $dns = $t->dns;
    $dns->tell('db.test' => ['127.0.0.2', '::1']);  # from now on, and no others
    $dns->queries('db.test');       # how often it was asked
    $dns->stop;  $dns->start;

=head1 DESCRIPTION

It answers A and AAAA over UDP (RFC 1035, RFC 3596), with a TTL of 0.  A name
that has no address at all does not exist.

=cut

use strict;
use warnings;

use parent 'Recs::Server';

use IO::Socket::INET;
use JSON::PP ();
use Recs::Process qw(slurp spew);
use Socket qw(AF_INET AF_INET6 inet_pton);


sub tell {
    my ($self, %addresses) = @_;

    spew("$self->{zone}.new", JSON::PP->new->encode(\%addresses));
    rename "$self->{zone}.new", $self->{zone} or die "rename: $!";
}


sub queries {
    my ($self, $name) = @_;
    return scalar grep { $_ eq $name } map { $_->[0] } $self->records;
}


sub listen {
    my ($self) = @_;

    my $s = IO::Socket::INET->new(
        Proto => 'udp', LocalAddr => '127.0.0.1',
        LocalPort => $self->{port} // 0) or die "listen: $!";
    $self->{port} = $s->sockport;
    return $s;
}


sub serve {
    my ($self, $socket) = @_;

    while (1) {
        my $peer = recv $socket, my $query, 4096, 0;
        next if !defined $peer || length $query < 17;

        my ($id, $flags) = unpack 'n n', $query;
        my ($name, $at) = ('', 12);

        while (my $length = unpack 'C', substr $query, $at, 1) {
            $name .= ($name eq '' ? '' : '.') . substr $query, $at + 1, $length;
            $at += 1 + $length;
        }

        my $type = unpack 'n', substr $query, $at + 1, 2;
        my $known = JSON::PP->new->decode(slurp($self->{zone}))->{$name};
        my $family = $type == 28 ? AF_INET6 : AF_INET;
        my @data = map { inet_pton($family, $_) }
                   grep { /:/ == ($type == 28) } @{ $known // [] };

        $self->note([$name, $type]);
        send $socket, pack('n6', $id, 0x8180 | ($known ? 0 : 3), 1,
                           scalar @data, 0, 0)
                      . substr($query, 12, $at + 5 - 12)
                      . join('', map { pack 'n n n N n/a', 0xc00c, $type, 1, 0,
                                            $_ } @data), 0, $peer;
    }
}


1;
