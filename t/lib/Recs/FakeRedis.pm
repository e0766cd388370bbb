package Recs::FakeRedis;

=head1 NAME

Recs::FakeRedis - says to a Redis client what no real server would

=head1 SYNOPSIS

Made by C<< $t->fake_redis(...) >> of L<Recs::Test>.

    my $fake = $t->fake_redis(sub {
        my ($cmd, $stream, $number) = @_;   # ['SMISMEMBER', 'key', 'b1']

        return "*1\r\n:1\r\n";              # these bytes
        return ["*1\r\n:", \0.1, "1\r\n"];  # in pieces, with a pause
        return undef;                       # nothing, ever
        $stream->close;                     # after what was written
        $stream->reset;
    });

    $fake->commands;                # what came so far: arrays
    $fake->commands(3);             # waits until there are three
    $fake->connections;
    $fake->url;  $fake->tcp_url;
    $fake->stop;  $fake->start;

For a connection whose very first bytes are the server's:
C<< greeting => "-ERR max number of clients reached\r\n" >>; C<hang_up> closes
it after that.

It speaks RESP2, and in a mode where nginx asks for RESP3 it says so by itself;
with C<< hello => 1 >>, HELLO comes to the handler.

=cut

use strict;
use warnings;

use parent 'Recs::Server';

use Recs::Mode;


sub url     { return "unix:$_[0]{path}" }
sub tcp_url { return "redis://127.0.0.1:$_[0]{port}" }


sub commands {
    my ($self, $count) = @_;

    return $self->records($count);
}


sub converse {
    my ($self, $stream, $number) = @_;

    $stream->write($self->{greeting}) if defined $self->{greeting};
    return if $self->{hang_up};

    while (my $cmd = read_command($stream)) {
        if ($cmd->[0] eq 'HELLO' && Recs::Mode::protocol() && !$self->{hello}) {
            $stream->write("-ERR unknown command 'HELLO'\r\n");
            next;
        }

        $self->note($cmd);

        my $reply = $self->{handler}->($cmd, $stream, $number);
        last if !$stream->{sock};
        next if !defined $reply;

        $stream->write_pieces(ref $reply ? @$reply : $reply);
    }
}


# As clients send commands: an array of bulk strings.

sub read_command {
    my ($stream) = @_;

    my $line = $stream->line(600) // return;
    my ($n) = $line =~ /\A\*(\d+)\r\n\z/ or die "not a command: $line\n";
    my @args;

    for (1 .. $n) {
        my ($length) = ($stream->line(10) // '') =~ /\A\$(\d+)\r\n\z/
            or die "not an argument\n";
        push @args, substr $stream->take($length + 2, 10), 0, $length;
    }

    return \@args;
}


1;
