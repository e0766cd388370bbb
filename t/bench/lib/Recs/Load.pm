package Recs::Load;

=head1 NAME

Recs::Load - pages asked for at a steady rate, over many connections

=head1 SYNOPSIS

    my $load = Recs::Load->new(
        port => $port, connections => 64, rate => 3000, workers => 4,
        path => sub { "/page?user=u$_" },
        page => sub {
            my ($c, $body) = @_;    # $c->{head}; when it was $c->{sent} and
        });                         # $c->{began} to come, as now()

    $load->run_for(1);
    $load->run(sub { my ($now) = @_; return $done });
    my ($reply, $returned) = $load->call($redis, 'FCALL', ...);

=head1 DESCRIPTION

One process asks, calls, and takes the time of all that comes, in one loop: of
what came, and when, there is one account.  new() returns once all workers have
connections and have answered for a second; each answer must say its worker in
X-Worker.

=cut

use strict;
use warnings;

use IO::Select;
use IO::Socket::IP;
use List::Util qw(min max);
use Recs::Bench qw(now);
use Recs::Redis;


sub new {
    my ($class, %opt) = @_;

    my $self = bless { %opt, select => IO::Select->new, clients => {},
                       seen => {} }, $class;

    $self->connect($_) for 0 .. $self->{connections} - 1;
    $self->run_for(1);

    my $seen = keys %{ $self->{seen} };
    die "$seen of $opt{workers} workers have connections: more of them\n"
        if $seen != $opt{workers};

    $self->begin;
    return $self;
}


# From here on it is counted.

sub begin {
    my ($self) = @_;

    @$self{qw(count latency start)} = (0, 0, now());
}


# Each has its turn within the period, so that the rate is even.

sub connect {
    my ($self, $n) = @_;

    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1',
        PeerPort => $self->{port}) or die "cannot connect: $!\n";
    $socket->setsockopt(Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
    $socket->blocking(0);
    $self->{select}->add($socket);

    $self->{clients}{$socket} = { socket => $socket, in => '',
                                  due => now() + $n / $self->{rate} };
}


# Asks and reads until $until is true; each time that something came, it is
# given the time, and the sockets that have something.

sub run {
    my ($self, $until) = @_;

    my $clients = $self->{clients};
    my $period = $self->{connections} / $self->{rate};

    while (1) {
        my $now = now();

        for my $c (values %$clients) {
            next if $c->{sent} || $c->{due} > $now;
            $self->ask($c, $now);
            $c->{due} = max($c->{due} + $period, $now);
        }

        my $next = min(map { $_->{sent} ? () : $_->{due} } values %$clients);
        my @ready = $self->{select}->can_read(
                        max(0, ($next // $now + 1) - now()));

        $now = now();

        for my $socket (@ready) {
            $self->take($clients->{$socket}, $now) if $clients->{$socket};
        }

        return if $until->($now, @ready);
    }
}


sub run_for {
    my ($self, $seconds) = @_;

    my $end = now() + $seconds;
    $self->run(sub { $_[0] >= $end });
}


sub ask {
    my ($self, $c, $now) = @_;

    my $path = $self->{path}->();
    my $request = "GET $path HTTP/1.1\r\nHost: localhost\r\n\r\n";

    (syswrite($c->{socket}, $request) // 0) == length $request
        or die "a connection was lost\n";
    @$c{qw(sent began)} = ($now, undef);
}


# What has come of a response; the time that it began is that of the first.

sub take {
    my ($self, $c, $now) = @_;

    sysread $c->{socket}, $c->{in}, 65_536, length $c->{in}
        or die "a connection was lost\n";
    $c->{began} //= $now;

    my $head = index($c->{in}, "\r\n\r\n") + 4;
    return if $head < 4;

    my ($length) = $c->{in} =~ /^Content-Length: (\d+)\r$/m;
    my ($worker) = $c->{in} =~ /^X-Worker: (\d+)\r$/m;
    die "not a page: $c->{in}\n" if !$worker;
    return if length $c->{in} < $head + $length;

    $self->{seen}{$worker} = 1;
    $self->{count}++;
    $self->{latency} += $now - $c->{sent};

    $c->{head} = substr $c->{in}, 0, $head;
    $self->{page}->($c, substr($c->{in}, $head));

    @$c{qw(in sent)} = ('', undef);
}


# A command, and pages meanwhile; the reply, and when it was there.

sub call {
    my ($self, $redis, @command) = @_;

    my $client = $redis->client;
    my $socket = $client->{sock};
    my $returned;

    $self->{select}->add($socket);
    $client->write(Recs::Redis::Client::encode(@command));

    $self->run(sub {
        my ($now, @ready) = @_;
        return if !grep { $_ == $socket } @ready;
        $returned = $now;
        return 1;
    });

    $self->{select}->remove($socket);

    my $reply = $client->reply;
    die "$command[1]: $reply\n" if ref $reply;
    return ($reply, $returned);
}


# What there was of it since begin().

sub said {
    my ($self) = @_;

    return sprintf '%d connections, %.0f requests a second, '
        . 'which took %.2f ms on average', $self->{connections},
        $self->{count} / (now() - $self->{start}),
        $self->{latency} / $self->{count} * 1000;
}

1;
