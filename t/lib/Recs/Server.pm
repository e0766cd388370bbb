package Recs::Server;

=head1 NAME

Recs::Server - what the scriptable servers of the tests have in common

=head1 SYNOPSIS

    package Recs::Upstream;
    use parent 'Recs::Server';

    sub converse {                      # in a process of its own
        my ($self, $stream, $number) = @_;      # a Recs::Stream; 1, 2...
        ...
        $self->note($what);             # data for the test
    }

    $server->start;  $server->stop;  $server->port;  $server->socket;
    $server->records($count);           # what was noted, at least so many
    $server->clear;
    $server->connections;               # accepted so far

=cut

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Recs::Process qw(wait_until slurp spew);
use Recs::Stream;
use Socket qw(IPPROTO_TCP TCP_NODELAY);


# Options: log (a file), path (of a unix socket; else TCP), and the subclass's.

sub new {
    my ($class, %opt) = @_;

    return bless { %opt }, $class;
}


# When this returns, connections are accepted.

sub start {
    my ($self) = @_;

    my $listener = $self->listen;
    $self->clear;

    $self->{process} = Recs::Process->fork(
        sub { $self->serve($listener) },
        keep => [$listener], name => ref $self);

    close $listener;
    return $self;
}


sub listen {
    my ($self) = @_;

    if ($self->{path}) {
        unlink $self->{path};
        my $s = IO::Socket::UNIX->new(Local => $self->{path}, Listen => 511)
            or die "$self->{path}: $!";
        chmod 0777, $self->{path};
        return $s;
    }

    my $s = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $self->{port} // 0,
        Listen => 511, ReuseAddr => 1) or die "listen: $!";
    $self->{port} = $s->sockport;
    return $s;
}


sub port   { return $_[0]{port} }
sub socket { return $_[0]{path} }


# Ends the conversations, too.

sub stop {
    my ($self) = @_;

    my $p = delete $self->{process} or return 1;

    for ($p->group) {
        kill 'KILL', $_->{pid};
    }

    $p->stop('KILL', 5);
    unlink $self->{path} if $self->{path};
    return 1;
}


sub serve {
    my ($self, $listener) = @_;

    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    my $count = 0;

    while (1) {
        my $sock = $listener->accept or next;
        setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1 if !$self->{path};
        $count++;
        $self->append("$self->{log}.connections", "\n");

        my $pid = CORE::fork() // die "fork: $!";

        if ($pid == 0) {
            $SIG{CHLD} = 'DEFAULT';
            close $listener;
            srand;              # else all of them would draw the same
            my $stream = Recs::Stream->wrap($sock);
            eval { $self->converse($stream, $count); 1 }
                or print STDERR '# ', ref $self, ": $@";
            $stream->close;
            POSIX::_exit(0);
        }

        close $sock;
    }
}


sub note {
    my ($self, $data) = @_;

    return if $self->{forget};
    $self->append($self->{log}, JSON::PP->new->latin1->encode($data) . "\n");
}


# One write, so that the processes' lines don't mix.

sub append {
    my ($self, $path, $bytes) = @_;

    open my $fh, '>>:raw', $path or die "$path: $!";
    syswrite $fh, $bytes;
    close $fh;
}


sub clear {
    my ($self) = @_;

    spew($self->{log}, '');
    spew("$self->{log}.connections", '');
}


sub records {
    my ($self, $count) = @_;

    my @lines;
    wait_until(sub {
        @lines = slurp($self->{log}) =~ /([^\n]*)\n/g;
        return @lines >= ($count // 0);
    });

    return map { JSON::PP->new->latin1->decode($_) } @lines;
}


sub connections {
    my ($self) = @_;

    return length slurp("$self->{log}.connections");
}


1;
