package Recs::Stream;

=head1 NAME

Recs::Stream - a connection to a server, with bounded waits

=head1 SYNOPSIS

    my $s = Recs::Stream->new(port => 8080);          # 127.0.0.1
    my $s = Recs::Stream->new(host => '::1', port => 8080);
    my $s = Recs::Stream->new(path => '/tmp/x.sock');

    $s->write($bytes);
    $s->write_pieces('a', \0.1, 'b');                 # with a pause
    $s->fill(5) or die "closed or nothing for 5 s";   # more in $s->{in}
    my $line = $s->line(5);             # with its end; undef: none came
    my $bytes = $s->take(100, 5);       # less: the end, or a timeout
    my $rest = $s->rest(5);             # up to the end
    $s->at_end;                         # the peer has closed (FIN or RST)
    $s->finish;                         # half close: FIN, still reading
    $s->close;
    $s->reset;                          # RST, for a rude client

=cut

use strict;
use warnings;

use Errno qw(EINTR EAGAIN);
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Recs::Mode;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time sleep);


sub new {
    my ($class, %opt) = @_;

    my ($where, $sock);

    if (defined $opt{path}) {
        $where = $opt{path};
        $sock = IO::Socket::UNIX->new(Peer => $opt{path});

    } else {
        my $host = $opt{host} // '127.0.0.1';
        $where = "$host:$opt{port}";
        $sock = IO::Socket::IP->new(PeerHost => $host, PeerPort => $opt{port},
                                    Timeout => 10,
                                    $opt{receive_buffer}
                                    ? (Sockopts => [[SOL_SOCKET, SO_RCVBUF,
                                                     $opt{receive_buffer}]])
                                    : ());
        setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1 if $sock;
    }

    die "cannot connect to $where: $!\n" if !$sock;
    $sock->blocking(1);
    binmode $sock;

    return $class->wrap($sock);
}


sub wrap {
    my ($class, $sock) = @_;

    return bless { sock => $sock, in => '' }, $class;
}


# Returns false if the peer has gone.

sub write {
    my ($self, $bytes) = @_;

    return 0 if !$self->{sock};
    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $self->{sock}, $bytes;

        if (!defined $n) {
            next if $! == EINTR;
            return 0;
        }

        substr $bytes, 0, $n, '';
    }

    return 1;
}


# Each piece is one write; a reference to a number is a pause in seconds.

sub write_pieces {
    my ($self, @pieces) = @_;

    for my $piece (@pieces) {
        if (ref $piece) {
            sleep $$piece;
        } elsif (!$self->write($piece)) {
            return 0;
        }
    }

    return 1;
}


# Adds what has come to $self->{in}; false if nothing did within the time, or
# the peer has closed.

sub fill {
    my ($self, $seconds) = @_;

    return 0 if $self->{ended} || !$self->{sock};

    my $patience = Recs::Mode::patience($seconds // 10);
    my $ready = IO::Select->new($self->{sock})->can_read($patience);
    return 0 if !$ready;

    my $n = sysread $self->{sock}, $self->{in}, 65_536, length $self->{in};
    return 1 if $n;
    return 0 if !defined $n && ($! == EINTR || $! == EAGAIN);

    $self->{ended} = defined $n ? 'closed' : "error: $!";
    return 0;
}


# Reads until $enough is true or $seconds are over; its last value.

sub fill_until {
    my ($self, $enough, $seconds) = @_;

    $seconds //= 10;
    my $end;

    while (1) {
        my $value = $enough->();
        return $value if $value || $self->{ended} || !$self->{sock};

        # Most of what is waited for is there, and nobody need know how long.
        $end //= time + Recs::Mode::patience($seconds);
        return $value if time >= $end;
        $self->fill($seconds);
    }
}


sub line {
    my ($self, $seconds) = @_;

    $self->fill_until(sub { index($self->{in}, "\n") >= 0 }, $seconds);
    return $self->{in} =~ s/\A(.*?\n)//s ? $1 : undef;
}


sub take {
    my ($self, $n, $seconds) = @_;

    $self->fill_until(sub { length $self->{in} >= $n }, $seconds);
    return substr $self->{in}, 0, $n, '';
}


sub rest {
    my ($self, $seconds) = @_;

    $self->fill_until(sub { 0 }, $seconds);
    my $bytes = $self->{in};
    $self->{in} = '';
    return $bytes;
}


# Has the peer closed?  Waits up to $seconds for it.

sub at_end {
    my ($self, $seconds) = @_;

    $self->fill_until(sub { 0 }, $seconds // 0.01);
    return $self->{ended} ? 1 : 0;
}


sub ended { return $_[0]{ended} }


sub finish {
    my ($self) = @_;

    shutdown $self->{sock}, 1 if $self->{sock};
}


sub close {
    my ($self) = @_;

    my $sock = delete $self->{sock} or return;
    close $sock;
}


sub reset {
    my ($self) = @_;

    setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)
        if $self->{sock};
    $self->close;
}


1;
